/* bulk - what one tcpsm connection on a TUN device can do - 0BSD

   The glue is hello.c's, plus ICMP (path MTU discovery), plus an active
   open. --help lists the services. */

#define TCPSM_IMPLEMENTATION
#define TCPSM_NAMES
#include "../../tcpsm.h"
#include "tun.h"
#include <stdarg.h>

static const char about[] =
    "bulk [OPTION...] serve [FILE]\n"
    "    HTTP on port 80, one request a connection, one at a time:\n"
    "    GET /bytes/N   the first N bytes of `seq 100000000 999999999`\n"
    "    PUT, POST      to FILE (default: nowhere); answers the count\n"
    "    GET anything   a line of text\n"
    "bulk [OPTION...] get LOCAL REMOTE PORT PATH\n"
    "    opens a connection from address LOCAL, asks, writes the body to\n"
    "    standard output\n"
    "bulk [OPTION...] cross LOCAL REMOTE PORT\n"
    "    opens, waits for the peer's FIN and closes before it looks at it:\n"
    "    a simultaneous close (RFC 9293 figure 13). Prints the states\n"
    "    that it goes through\n"
    "bulk [OPTION...] meet LOCAL REMOTE PORT\n"
    "    waits for the peer's SYN and opens from PORT to PORT before it\n"
    "    looks at it: a simultaneous open (RFC 9293 figure 7). Prints the\n"
    "    states and what the peer says, and sends `met`\n"
    "bulk seq N\n"
    "    writes what GET /bytes/N sends; no device, no root\n"
    "Standard error tells bytes and time of each transfer. Exit status\n"
    "besides those below: 3 refused, 4 reset, 5 timeout, 6 unreachable.\n"
    "  --tables N           lends tables for N in-flight records and as "
    "many\n"
    "                       out-of-order ranges (255; 0: the few that are "
    "in\n"
    "                       the connection itself)\n"
    "  --cc NAME            congestion control: cubic or reno (cubic)\n"
    "  --no-sack            neither offers nor takes SACK (RFC 2018)\n"
    "  --pace               spreads data over the round trip\n";

static tcpsm_conn c;
static struct tun tun;
static struct tcpsm_counters counters;
static tcpsm_out out;
static uint8_t tables[8192];

/* ---- the text of `seq 100000000 999999999` ---------------------------- */

static struct {
    char line[11]; /* the number and a newline */
    uint32_t at;   /* the next byte of it */
} sequence;

static void sequence_start(void)
{
    memcpy(sequence.line, "100000000\n", 11);
    sequence.at = 0;
}

static void sequence_fill(uint8_t *p, uint32_t n)
{
    uint32_t k;
    int i;

    for (; n > 0; p += k, n -= k) {
        k = 10 - sequence.at < n ? 10 - sequence.at : n;
        memcpy(p, sequence.line + sequence.at, k);
        sequence.at += k;
        if (sequence.at < 10)
            continue;
        sequence.at = 0;
        for (i = 8; sequence.line[i] == '9'; i--)
            sequence.line[i] = '0';
        sequence.line[i]++;
    }
}

/* ---- one packet in, all packets out ----------------------------------- */

static uint32_t sum_bytes(uint32_t sum, const uint8_t *p, uint32_t n)
{
    for (; n > 1; p += 2, n -= 2)
        sum += ip_be16(p);
    return n > 0 ? sum + ((uint32_t)p[0] << 8) : sum;
}

/* RFC 792; RFC 4443 s2.3: ICMPv6 sums a pseudo-header too. */
static int icmp_intact(const tcpsm_in *in)
{
    uint32_t sum = sum_bytes(0, in->data, in->len);

    if (in->family == 6)
        sum = sum_bytes(sum_bytes(sum, in->src, 16), in->dst, 16) + in->len +
              IPPROTO_ICMPV6;
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return in->len >= 8 && sum == 0xFFFF;
}

/* A SYN for the port that we serve, while the one connection is busy, is
   not refused but left lying: it comes again in a second. */
static int later(const tcpsm_in *in, uint16_t port)
{
    const uint8_t *t = in->data;

    return in->len >= 20 && (t[13] & 0x17) == 2 && ip_be16(t + 2) == port;
}

static void flush(void)
{
    tcpsm_ret n;

    while ((n = tcpsm_output(&c, &out, tun_now())) > 0)
        tun_write(&tun, &out, n);
}

/* Waits for a packet or the deadline and acts on it. 0: SIGINT. */
static int turn(uint16_t port)
{
    tcpsm_in in;
    tcpsm_ret n;

    switch (tun_read(&tun, &in, tcpsm_deadline(&c))) {
    case TUN_STOP:
        return 0;
    case IPPROTO_TCP:
        if (tcpsm_input(&c, &in, tun_now()) == TCPSM_E_NOT_MINE &&
            !later(&in, port) && (n = tcpsm_stranger(&in, &out)) > 0)
            tun_write(&tun, &out, n);
        break;
    case IPPROTO_ICMP:
        if (in.family == 4 && icmp_intact(&in))
            tcpsm_icmp(&c, in.data, in.len, 4, tun_now());
        break;
    case IPPROTO_ICMPV6:
        if (in.family == 6 && icmp_intact(&in))
            tcpsm_icmp(&c, in.data, in.len, 6, tun_now());
        break;
    }
    return 1;
}

/* ---- serve ------------------------------------------------------------ */

static struct {
    char head[4096];
    uint32_t got;
    enum { HEAD, TAKE, GIVE, OVER } phase;
    unsigned long long size, left; /* of the body */
    int file;                      /* TAKE: where to */
    const char *gave; /* GIVE: to be logged when it has arrived */
    tcpsm_time began;
} http;

static const char *file_name = "/dev/null";

static void say(const char *format, ...)
{
    char text[256];
    va_list a;
    int n;

    va_start(a, format);
    n = vsnprintf(text, sizeof text, format, a);
    va_end(a);
    tcpsm_send(&c, text, (uint32_t)n, 0);
}

static void log_transfer(const char *what)
{
    tcpsm_time us = tun_now() - http.began + 1;

    fprintf(stderr,
            "bulk: %s %llu bytes in %.3f s, %.0f Mbit/s; "
            "%llu retransmitted, %llu timeouts\n",
            what, http.size, (double)us / 1e6,
            (double)http.size * 8 / (double)us,
            (unsigned long long)counters.retransmits,
            (unsigned long long)counters.timeouts);
}

static void answer(const char *status, unsigned long long length)
{
    say("HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %llu\r\n\r\n",
        status, length);
    http.phase = OVER;
}

static void request(void)
{
    const char *length = strcasestr(http.head, "\r\nContent-Length:");
    const char *page = "One tcpsm connection; see bulk --help.\n";

    http.began = tun_now();
    if (sscanf(http.head, "GET /bytes/%llu", &http.size) == 1) {
        answer("200 OK", http.size);
        http.left = http.size;
        http.phase = GIVE;
        http.gave = "gave";
        sequence_start();
    } else if (strncmp(http.head, "GET ", 4) == 0) {
        answer("200 OK", strlen(page));
        say("%s", page);
    } else if (strncmp(http.head, "PUT ", 4) != 0 &&
               strncmp(http.head, "POST ", 5) != 0) {
        answer("501 Not Implemented", 0);
    } else if (length == NULL) {
        answer("411 Length Required", 0);
    } else {
        http.size = http.left = strtoull(length + 17, NULL, 10);
        http.file = open(file_name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        tun_must(http.file >= 0, file_name);
        if (strcasestr(http.head, "\r\nExpect: 100-continue") != NULL)
            say("HTTP/1.1 100 Continue\r\n\r\n");
        http.phase = TAKE;
    }
}

/* Byte by byte into memory of our own: the ring may wrap where it likes. */
static tcpsm_ret read_head(void)
{
    tcpsm_ret n;

    while ((n = tcpsm_receive(&c, http.head + http.got, 1)) == 1)
        if (++http.got == sizeof http.head - 1) {
            answer("431 Request Header Fields Too Large", 0);
            break;
        } else if (http.got >= 4 &&
                   memcmp(http.head + http.got - 4, "\r\n\r\n", 4) == 0) {
            request();
            break;
        }
    return n;
}

static tcpsm_ret take_body(void)
{
    tcpsm_cspan s[2];
    tcpsm_ret n = 0;
    ssize_t k;

    while (http.left > 0 && (n = tcpsm_receive_peek(&c, s)) > 0) {
        /* Only span 0: once it is consumed, span 1 is the next span 0. */
        if (s[0].n > http.left)
            s[0].n = (uint32_t)http.left;
        k = write(http.file, s[0].p, s[0].n);
        tun_must(k > 0, file_name);
        tcpsm_receive_consume(&c, (uint32_t)k);
        http.left -= (unsigned long long)k;
    }
    if (http.left == 0) {
        char count[32];

        close(http.file);
        snprintf(count, sizeof count, "%llu\n", http.size);
        answer("200 OK", strlen(count));
        say("%s", count);
        log_transfer("took");
    }
    return n;
}

static tcpsm_ret give_body(void)
{
    tcpsm_span s[2];
    tcpsm_ret n = 0;
    uint8_t byte;

    while (http.left > 0 && (n = tcpsm_send_reserve(&c, s)) > 0) {
        if (s[0].n > http.left)
            s[0].n = (uint32_t)http.left;
        sequence_fill(s[0].p, s[0].n);
        tcpsm_send_commit(&c, s[0].n, 0);
        http.left -= s[0].n;
    }
    if (http.left == 0) {
        http.phase = OVER;
        return 0;
    }
    /* A client that closed its half still gets its bytes; one that talks
       on is not listened to; one that is gone shows in the state. */
    while (tcpsm_receive(&c, &byte, 1) == 1)
        ;
    return n < 0 ? n : 0;
}

static void serve_turn(void)
{
    tcpsm_ret n = 0;

    if (http.phase == HEAD)
        n = read_head();
    if (http.phase == TAKE)
        n = take_body();
    if (http.phase == GIVE)
        n = give_body();
    if (http.phase == OVER || n < 0)
        tcpsm_close(&c);
}

static void forget(void)
{
    if (tcpsm_error(&c) != 0)
        fprintf(stderr, "bulk: %s\n", tcpsm_error_name(tcpsm_error(&c)));
    else if (http.gave != NULL)
        log_transfer(http.gave);
    if (http.phase == TAKE)
        close(http.file);
    memset(&counters, 0, sizeof counters);
    memset(&http, 0, sizeof http);
}

static int serve(void)
{
    tcpsm_tuple me = TCPSM_ZERO;

    me.local_port = 80;
    tcpsm_listen(&c, &me, tun_now());
    while (turn(me.local_port)) {
        serve_turn();
        flush();
        if ((tcpsm_take(&c) & TCPSM_EV_DONE) != 0 ||
            tcpsm_state(&c) == TCPSM_TIME_WAIT) {
            forget();
            tcpsm_listen(&c, &me, tun_now());
        }
    }
    tcpsm_abort(&c);
    flush();
    return 0;
}

/* ---- get, cross ------------------------------------------------------- */

static int failed(void)
{
    tcpsm_ret e = tcpsm_error(&c);

    if (e == 0)
        return 0;
    fprintf(stderr, "bulk: %s\n", tcpsm_error_name(e));
    return e == TCPSM_E_REFUSED       ? 3
           : e == TCPSM_E_RESET       ? 4
           : e == TCPSM_E_TIMEOUT     ? 5
           : e == TCPSM_E_UNREACHABLE ? 6
                                      : 1;
}

static void address(tcpsm_tuple *t, uint8_t *a, const char *text)
{
    t->family = strchr(text, ':') != NULL ? 6 : 4;
    if (inet_pton(t->family == 6 ? AF_INET6 : AF_INET, text, a) != 1)
        tun_usage(text, "not an address");
}

/* argv: local and remote address, remote port; local_port 0: any */
static void connect_to(char **argv, uint16_t local_port)
{
    tcpsm_tuple t = TCPSM_ZERO;
    uint8_t family;
    tcpsm_ret n;

    address(&t, t.local, argv[0]);
    family = t.family;
    address(&t, t.remote, argv[1]);
    if (t.family != family)
        tun_usage(argv[1], "not of one family");
    t.remote_port = (uint16_t)tun_number(argv[2], 1, 65535);
    t.local_port = local_port;
    if (local_port == 0) {
        tun_must(getrandom(&t.local_port, 2, 0) == 2, "getrandom");
        t.local_port |= 0xC000; /* RFC 6335 s6: the dynamic ports */
    }
    n = tcpsm_open(&c, &t, tun_now());
    if (n < 0) {
        fprintf(stderr, "bulk: open: %s\n", tcpsm_error_name(n));
        exit(1);
    }
}

static int over(void)
{
    return (tcpsm_take(&c) & TCPSM_EV_DONE) != 0 ||
           tcpsm_state(&c) == TCPSM_TIME_WAIT;
}

static int get(char **argv)
{
    uint8_t buf[16384];
    uint32_t i, match = 0; /* of the empty line's four bytes */
    tcpsm_ret n = 0;

    connect_to(argv, 0);
    http.began = tun_now();
    say("GET %s HTTP/1.0\r\n\r\n", argv[3]);
    for (flush(); !over() && turn(0); flush()) {
        while ((n = tcpsm_receive(&c, buf, sizeof buf)) > 0) {
            for (i = 0; i < (uint32_t)n && match < 4; i++)
                match =
                    buf[i] == "\r\n\r\n"[match] ? match + 1 : buf[i] == '\r';
            http.size += (uint32_t)n - i;
            fwrite(buf + i, 1, (uint32_t)n - i, stdout);
        }
        if (n == TCPSM_E_EOF && tcpsm_close(&c) == 0)
            log_transfer("got");
    }
    tun_must(fflush(stdout) == 0, "standard output");
    return failed();
}

static void print_state(void)
{
    static tcpsm_ret last = -1;

    if (tcpsm_state(&c) != last)
        printf("%s\n", tcpsm_state_name(last = tcpsm_state(&c)));
}

/* Waits for a segment, and leaves it unread. */
static int hold(tcpsm_in *in)
{
    int protocol;

    while ((protocol = tun_read(&tun, in, tcpsm_deadline(&c))) != TUN_STOP)
        if (protocol == IPPROTO_TCP)
            return 1;
    return 0;
}

static int cross(char **argv)
{
    tcpsm_in in;

    connect_to(argv, 0);
    for (flush(); tcpsm_state(&c) == TCPSM_SYN_SENT && turn(0);)
        ;
    flush();
    if (tcpsm_state(&c) == TCPSM_ESTABLISHED && hold(&in)) {
        tcpsm_close(&c);
        flush();
        print_state();
        tcpsm_input(&c, &in, tun_now());
    }
    for (flush(), print_state(); !over() && turn(0); flush())
        print_state();
    print_state();
    return failed();
}

static int meet(char **argv)
{
    char text[256];
    tcpsm_in in;
    tcpsm_ret n;

    if (!hold(&in))
        return 1;
    connect_to(argv, (uint16_t)tun_number(argv[2], 1, 65535));
    flush();
    print_state();
    tcpsm_input(&c, &in, tun_now());
    say("met\n");
    tcpsm_shutdown(&c);
    for (flush(), print_state(); !over() && turn(0); flush()) {
        print_state();
        while ((n = tcpsm_receive(&c, text, sizeof text)) > 0)
            printf("%.*s", (int)n, text);
        if (n == TCPSM_E_EOF)
            tcpsm_close(&c);
    }
    print_state();
    return failed();
}

static int seq(const char *text)
{
    unsigned long long left = strtoull(text, NULL, 10);
    static uint8_t buf[65536];
    uint32_t n;

    for (sequence_start(); left > 0; left -= n) {
        n = left < sizeof buf ? (uint32_t)left : (uint32_t)sizeof buf;
        sequence_fill(buf, n);
        tun_must(fwrite(buf, 1, n, stdout) == n, "standard output");
    }
    return 0;
}

/* An entry's length is the library's business: the largest that fits. */
static void lend_tables(uint32_t entries)
{
    uint32_t n = entries * 32;

    if (n > sizeof tables)
        n = sizeof tables;
    while (n > 0 && tcpsm_attach(&c, TCPSM_TABLES, tables, n, NULL) < 0)
        n--;
}

static uint32_t options(tcpsm_config *cfg, int argc, char **argv)
{
    enum { TABLES = 256, CC, NO_SACK, PACE };
    static const struct option list[] = {
        TUN_LONG,
        {"tables", required_argument, NULL, TABLES},
        {"cc", required_argument, NULL, CC},
        {"no-sack", no_argument, NULL, NO_SACK},
        {"pace", no_argument, NULL, PACE},
        {NULL, 0, NULL, 0}};
    static tcpsm_cc cc;
    uint32_t entries = 255;
    int o;

    tun_defaults(&tun);
    while ((o = getopt_long(argc, argv, TUN_SHORT, list, NULL)) != -1)
        if (o == TABLES)
            entries = tun_number(optarg, 0, 255);
        else if (o == CC && strcmp(optarg, "cubic") == 0)
            cc.id = TCPSM_CC_CUBIC;
        else if (o == CC && strcmp(optarg, "reno") == 0)
            cc.id = TCPSM_CC_NEWRENO;
        else if (o == CC)
            tun_usage(optarg, "not a congestion control");
        else if (o == NO_SACK)
            cfg->flags |= TCPSM_NO_SACK;
        else if (o == PACE)
            cfg->flags |= TCPSM_PACE;
        else
            tun_option(&tun, o, about);
    if (cc.id != TCPSM_CC_DEFAULT)
        cfg->cc = &cc;
    return entries;
}

int main(int argc, char **argv)
{
    tcpsm_config cfg = TCPSM_ZERO;
    const char *mode;
    uint32_t entries;

    if (argc == 3 && strcmp(argv[1], "seq") == 0)
        return seq(argv[2]);
    entries = options(&cfg, argc, argv);
    argv += optind;
    argc -= optind;
    mode = argc > 0 ? argv[0] : "";
    if (!(strcmp(mode, "serve") == 0 && argc <= 2) &&
        !(strcmp(mode, "get") == 0 && argc == 5) &&
        !(strcmp(mode, "cross") == 0 && argc == 4) &&
        !(strcmp(mode, "meet") == 0 && argc == 4))
        tun_usage(mode, "not a command with its arguments");
    tun_start(&tun);
    cfg.mtu = tun.mtu;
    cfg.clock_us = 5000; /* poll() and two schedulers may be so late */
    cfg.counters = &counters;
    tun_must(getrandom(cfg.key, 16, 0) == 16, "getrandom");
    out.buf = tun.out + TUN_HEAD;
    out.cap = sizeof tun.out - TUN_HEAD;
    tcpsm_init(&c, &cfg);
    tcpsm_attach(&c, TCPSM_RECEIVE, tun.rx, tun.ring, NULL);
    tcpsm_attach(&c, TCPSM_SEND, tun.tx, tun.ring, NULL);
    lend_tables(entries);
    if (argc == 2)
        file_name = argv[1];
    if (strcmp(mode, "serve") == 0)
        return serve();
    if (strcmp(mode, "get") == 0)
        return get(argv + 1);
    return strcmp(mode, "cross") == 0 ? cross(argv + 1) : meet(argv + 1);
}
