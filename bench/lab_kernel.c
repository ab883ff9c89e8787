/* lab_kernel - one end of a measured transfer: tcpsm or Linux - 0BSD

   What bench/lab_kernel.py runs on both sides of tests/support/relay. The
   sender opens and sends for as long as it may, the receiver counts what
   its application got in the time from the handshake on; every byte of it
   is compared. The result is one line of JSON on standard output.

   Linux sizes its buffers itself, as it does for most programs. A fixed
   large SO_RCVBUF would make it acknowledge every segment for as long as
   the window grows, which takes megabytes. */

#define TCPSM_IMPLEMENTATION
#define TCPSM_NAMES
#include "../tcpsm.h"
#include "../examples/tun/tun.h"
#include <inttypes.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>

static const char about[] =
    "lab_kernel [OPTION...] tcpsm send ADDRESS PORT\n"
    "lab_kernel [OPTION...] tcpsm receive PORT\n"
    "lab_kernel [OPTION...] linux send ADDRESS PORT\n"
    "lab_kernel [OPTION...] linux receive PORT\n"
    "  -t, --time SECONDS  from the handshake on (20); of send: at most\n"
    "  -b, --bytes N       receive: ends after so many, if that is sooner\n"
    "  -c, --cc NAME       cubic or reno, of this end (cubic)\n"
    "  -T, --tables N      entries of tcpsm's tables (2160; 0: the small\n"
    "                      ones of the connection itself)\n"
    "  -S, --no-sack       tcpsm only\n"
    "  -P, --pace          tcpsm only\n"
    "  -w, --watch FILE    what the end thinks, as text, a line for each\n"
    "                      segment (linux: each 5 ms)\n"
    "tcpsm is 10.9.8.2 on a TUN device that is made here.\n";

#define BUFFER (8u << 20)
#define PATTERN 65521u /* a prime: no segment size divides it */

static uint8_t pattern[2 * PATTERN];
static struct {
    int receive, no_sack, pace, linux_end;
    uint16_t port;
    uint32_t tables;
    tcpsm_time time;
    uint64_t bytes;
    const char *cc, *address;
    FILE *watch;
} opt;
static struct {
    uint64_t bytes;
    tcpsm_time began, first, last; /* handshake, first and last byte */
    int damaged;
} got;

static void fill_pattern(void)
{
    uint64_t x = 1;
    uint32_t i;

    for (i = 0; i < PATTERN; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        pattern[i] = pattern[i + PATTERN] = (uint8_t)(x >> 56);
    }
}

/* Counts n bytes that came, if they came in time. */
static void take(const uint8_t *p, uint32_t n, tcpsm_time now)
{
    uint32_t k;

    if (got.first == 0)
        got.first = now;
    got.last = now;
    while (n > 0) {
        k = n < PATTERN ? n : PATTERN;
        if (memcmp(p, pattern + got.bytes % PATTERN, k) != 0)
            got.damaged = 1;
        got.bytes += k;
        p += k;
        n -= k;
    }
}

static int enough(void)
{
    return tun_now() >= got.began + opt.time ||
           (opt.bytes != 0 && got.bytes >= opt.bytes);
}

static int report(void)
{
    tcpsm_time end = got.began + opt.time;

    if (opt.bytes != 0 && got.bytes >= opt.bytes)
        end = got.last;
    printf("{\"bytes\": %" PRIu64 ", \"us\": %" PRIu64 ", \"intact\": %s}\n",
           got.bytes, end - got.began, got.damaged ? "false" : "true");
    return got.damaged || got.bytes < opt.bytes;
}

/* ---- tcpsm ------------------------------------------------------------ */

static tcpsm_conn c;
static struct tun tun;
static struct tcpsm_counters counters;
static tcpsm_out out;
static uint8_t tables[32768];

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)ip_be16(p) << 16 | ip_be16(p + 2);
}

static void watch_sack(const uint8_t *t, uint32_t iss)
{
    const uint8_t *p = t + 20, *end = t + (t[12] >> 4) * 4;
    int k;

    while (p + 1 < end && *p != 0 && (*p == 1 || p[1] >= 2)) {
        for (k = 2; *p == 5 && k + 8 <= p[1]; k += 8)
            fprintf(opt.watch, " %u-%u", be32(p + k) - iss,
                    be32(p + k + 4) - iss);
        p += *p == 1 ? 1 : p[1];
    }
}

/* A segment that came or went: the header, and n octets of payload; for
   what came n is the length of its options. */
static void watch(char what, const uint8_t *t, int n)
{
    static tcpsm_time zero;
    static uint32_t iss;
    tcpsm_time now = tun_now();
    struct tcpsm_info i;

    if (opt.watch == NULL)
        return;
    tcpsm_status(&c, &i);
    if (zero == 0) {
        zero = now;
        iss = i.snd_una;
        fputs("ms what seq-or-ack len una nxt cwnd ssthresh flight sacked "
              "lost recovery srtt rto unsent wnd reo reordering runs "
              "SACK...\n",
              opt.watch);
    }
    fprintf(opt.watch,
            "%.3f %c %u %d %u %u %u %u %u %u %u %u %u %u %u %u %u %u %u",
            (double)(now - zero) / 1e3, what,
            be32(t + (what == '<' ? 8 : 4)) - iss, n, i.snd_una - iss,
            i.snd_nxt - iss, i.cwnd, i.ssthresh, i.flight, i.sacked, i.lost,
            i.in_recovery, i.srtt_us, i.rto_us, i.unsent, i.snd_wnd,
            i.reo_wnd_us, i.reordering, i.runs);
    if (what == '<')
        watch_sack(t, iss);
    fputc('\n', opt.watch);
}

static void flush(void)
{
    const uint8_t *t = (const uint8_t *)out.buf;
    tcpsm_ret n;

    while ((n = tcpsm_output(&c, &out, tun_now())) > 0) {
        watch('>', t, n - out.hdr_len);
        tun_write(&tun, &out, n);
    }
}

static void send_pattern(void)
{
    static uint64_t sent;
    tcpsm_span s[2];
    uint32_t n;

    /* Not for the last few bytes: that would be done for each ACK. */
    while (tcpsm_send_reserve(&c, s) >= 65536) {
        n = s[0].n < PATTERN ? s[0].n : PATTERN;
        memcpy(s[0].p, pattern + sent % PATTERN, n);
        tcpsm_send_commit(&c, n, 0);
        sent += n;
    }
}

static tcpsm_ret receive_pattern(void)
{
    tcpsm_cspan s[2];
    tcpsm_ret n;

    while ((n = tcpsm_receive_peek(&c, s)) > 0) {
        take(s[0].p, s[0].n, tun_now());
        tcpsm_receive_consume(&c, s[0].n);
    }
    return n;
}

/* To the microsecond, unlike tun_read: here it matters. */
static int wait_until(tcpsm_time at)
{
    struct pollfd p[2] = {{tun.fd, POLLIN, 0}, {tun.signals, POLLIN, 0}};
    tcpsm_time now = tun_now(), us = at > now ? at - now : 0;
    struct timespec t;

    (void)tun_read;
    us = us > 100000 ? 100000 : us; /* the end of time is looked at, too */
    t.tv_sec = 0;
    t.tv_nsec = (long)us * 1000;
    ppoll(p, 2, &t, NULL);
    return p[1].revents == 0;
}

static int read_segment(void)
{
    tcpsm_in in;
    ssize_t n = read(tun.fd, tun.in, sizeof tun.in);

    if (n <= 0)
        return 0;
    if (ip_parse(&in, tun.in, (unsigned)n) != IPPROTO_TCP)
        return 1;
    tcpsm_input(&c, &in, tun_now());
    if (in.conn != NULL) {
        const uint8_t *t = (const uint8_t *)in.data;

        watch('<', t, (t[12] >> 4) * 4 - 20);
    }
    return 1;
}

static int tcpsm_transfer(void)
{
    int going = 1, up = 0;

    while (going && wait_until(tcpsm_deadline(&c))) {
        do {
            if (!up && tcpsm_state(&c) == TCPSM_ESTABLISHED) {
                up = 1;
                got.began = tun_now();
            }
            if (opt.receive)
                receive_pattern();
            else if (tcpsm_error(&c) == 0)
                send_pattern();
            flush();
        } while (read_segment());
        if ((up && enough()) || (tcpsm_take(&c) & TCPSM_EV_DONE) != 0)
            going = 0;
    }
    tcpsm_abort(&c);
    flush();
    if (opt.receive)
        return report();
    printf("{\"end\": \"tcpsm\", \"segments\": %" PRIu64
           ", \"retransmits\": %" PRIu64 ", \"timeouts\": %" PRIu64
           ", \"recoveries\": %" PRIu64 ", \"loss_probes\": %" PRIu64
           ", \"dsacks\": %" PRIu64 ", \"undone\": %" PRIu64 "}\n",
           counters.out_segments, counters.retransmits, counters.timeouts,
           counters.fast_retransmits, counters.loss_probes, counters.dsacks,
           counters.undone);
    return 0;
}

static int tcpsm_end(void)
{
    static tcpsm_cc reno;
    tcpsm_config cfg = TCPSM_ZERO;
    tcpsm_tuple t = TCPSM_ZERO;
    uint32_t n;

    tun.queue = 5000;
    tun.ipv6 = "none";
    tun.ring = BUFFER;
    tun_start(&tun);
    tun_must(fcntl(tun.fd, F_SETFL, O_NONBLOCK) == 0, "the device");
    cfg.mtu = tun.mtu;
    cfg.counters = &counters;
    reno.id = TCPSM_CC_NEWRENO;
    if (strcmp(opt.cc, "reno") == 0)
        cfg.cc = &reno;
    cfg.flags =
        (opt.no_sack ? TCPSM_NO_SACK : 0u) | (opt.pace ? TCPSM_PACE : 0u);
    tun_must(getrandom(cfg.key, 16, 0) == 16, "getrandom");
    out.buf = tun.out + TUN_HEAD;
    out.cap = sizeof tun.out - TUN_HEAD;
    tcpsm_init(&c, &cfg);
    tcpsm_attach(&c, TCPSM_RECEIVE, tun.rx, tun.ring, NULL);
    tcpsm_attach(&c, TCPSM_SEND, tun.tx, tun.ring, NULL);
    for (n = opt.tables * 32; n > sizeof tables; n--)
        ;
    while (n > 0 && tcpsm_attach(&c, TCPSM_TABLES, tables, n, NULL) < 0)
        n--; /* how long an entry is, is not ours to know */
    t.family = 4;
    if (opt.receive) {
        t.local_port = opt.port;
        tcpsm_listen(&c, &t, tun_now());
        return tcpsm_transfer();
    }
    t.remote_port = opt.port;
    tun_must(getrandom(&t.local_port, 2, 0) == 2, "getrandom");
    t.local_port |= 0xC000; /* RFC 6335 s6: the dynamic ports */
    if (inet_pton(AF_INET, "10.9.8.2", t.local) != 1 ||
        inet_pton(AF_INET, opt.address, t.remote) != 1)
        tun_usage(opt.address, "not an IPv4 address");
    if (tcpsm_open(&c, &t, tun_now()) < 0)
        tun_usage(opt.address, "cannot be opened");
    return tcpsm_transfer();
}

/* ---- Linux ------------------------------------------------------------ */

static int linux_socket(void)
{
    int one = 1, s = socket(AF_INET, SOCK_STREAM, 0);

    tun_must(s >= 0, "socket");
    tun_must(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, opt.cc,
                        (socklen_t)strlen(opt.cc)) == 0,
             "TCP_CONGESTION");
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    return s;
}

static void linux_watch(int s)
{
    static tcpsm_time zero;
    tcpsm_time now = tun_now();
    struct tcp_info i;
    socklen_t len = sizeof i;

    if (opt.watch == NULL ||
        getsockopt(s, IPPROTO_TCP, TCP_INFO, &i, &len) < 0)
        return;
    if (zero == 0) {
        zero = now;
        fputs(
            "ms state cwnd ssthresh unacked sacked lost retrans retransmits "
            "srtt rto reordering\n",
            opt.watch);
    }
    fprintf(opt.watch, "%.3f %u %u %u %u %u %u %u %u %u %u %u\n",
            (double)(now - zero) / 1e3, i.tcpi_ca_state, i.tcpi_snd_cwnd,
            i.tcpi_snd_ssthresh, i.tcpi_unacked, i.tcpi_sacked, i.tcpi_lost,
            i.tcpi_retrans, i.tcpi_total_retrans, i.tcpi_rtt, i.tcpi_rto,
            i.tcpi_reordering);
}

static int linux_send(int s)
{
    struct pollfd p = {s, POLLOUT, 0};
    tcpsm_time end = tun_now() + opt.time;
    uint64_t sent = 0;
    struct tcp_info i;
    socklen_t len = sizeof i;
    ssize_t n = 0;

    memset(&i, 0, sizeof i);
    while (tun_now() < end && n >= 0) {
        if (poll(&p, 1, opt.watch != NULL ? 5 : 100) > 0) {
            n = send(s, pattern + sent % PATTERN, PATTERN,
                     MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n < 0)
                n = errno == EAGAIN ? 0 : -1;
            sent += (uint64_t)n;
        }
        linux_watch(s);
        if (n >= 0)
            getsockopt(s, IPPROTO_TCP, TCP_INFO, &i, &len);
    }
    printf("{\"end\": \"linux\", \"retransmits\": %u, \"reordering\": %u}\n",
           i.tcpi_total_retrans, i.tcpi_reordering);
    return 0;
}

static int linux_receive(int s)
{
    static uint8_t buf[PATTERN];
    struct pollfd p = {s, POLLIN, 0};
    struct linger reset = {1, 0};
    ssize_t n = 1;

    got.began = tun_now();
    while (n > 0 && !enough()) {
        if (poll(&p, 1, 10) <= 0)
            continue;
        n = recv(s, buf, sizeof buf, 0);
        if (n > 0)
            take(buf, (uint32_t)n, tun_now());
    }
    setsockopt(s, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(s);
    return report();
}

static int linux_end(void)
{
    struct sockaddr_in a;
    int s = linux_socket();

    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_port = htons(opt.port);
    if (opt.receive) {
        tun_must(bind(s, (struct sockaddr *)&a, sizeof a) == 0, "bind");
        tun_must(listen(s, 1) == 0, "listen");
        fprintf(stderr, "linux is up\n");
        s = accept(s, NULL, NULL);
        tun_must(s >= 0, "accept");
        return linux_receive(s);
    }
    if (inet_pton(AF_INET, opt.address, &a.sin_addr) != 1)
        tun_usage(opt.address, "not an IPv4 address");
    tun_must(connect(s, (struct sockaddr *)&a, sizeof a) == 0, opt.address);
    return linux_send(s);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        TUN_LONG,
        {"time", required_argument, NULL, 't'},
        {"bytes", required_argument, NULL, 'b'},
        {"cc", required_argument, NULL, 'c'},
        {"tables", required_argument, NULL, 'T'},
        {"no-sack", no_argument, NULL, 'S'},
        {"pace", no_argument, NULL, 'P'},
        {"watch", required_argument, NULL, 'w'},
        {NULL, 0, NULL, 0}};
    int o;

    tun_defaults(&tun);
    opt.time = 20000000;
    opt.cc = "cubic";
    opt.tables = 2160;
    while ((o = getopt_long(argc, argv, TUN_SHORT "t:b:c:T:SPw:", options,
                            NULL)) != -1)
        switch (o) {
        case 't':
            opt.time = tun_number(optarg, 1, 3600) * (tcpsm_time)1000000;
            break;
        case 'b':
            opt.bytes = tun_number(optarg, 1, UINT32_MAX);
            break;
        case 'c':
            opt.cc = optarg;
            break;
        case 'T':
            opt.tables = tun_number(optarg, 0, 2160);
            break;
        case 'S':
            opt.no_sack = 1;
            break;
        case 'P':
            opt.pace = 1;
            break;
        case 'w':
            opt.watch = fopen(optarg, "w");
            tun_must(opt.watch != NULL, optarg);
            break;
        default:
            tun_option(&tun, o, about);
        }
    argv += optind;
    argc -= optind;
    if (argc < 3 ||
        (strcmp(argv[0], "tcpsm") != 0 && strcmp(argv[0], "linux") != 0) ||
        !((strcmp(argv[1], "send") == 0 && argc == 4) ||
          (strcmp(argv[1], "receive") == 0 && argc == 3)))
        tun_usage(argc > 0 ? argv[0] : "", "not an end of a transfer");
    opt.linux_end = argv[0][0] == 'l';
    opt.receive = argv[1][0] == 'r';
    opt.address = argv[2];
    opt.port = (uint16_t)tun_number(argv[argc - 1], 1, 65535);
    fill_pattern();
    prctl(PR_SET_TIMERSLACK, 1UL);
    return opt.linux_end ? linux_end() : tcpsm_end();
}
