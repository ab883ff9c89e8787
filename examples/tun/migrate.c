/* migrate - a transfer moves from process to process, mid-way - 0BSD

   Two processes, a stack in each, and one wire. One of them serves HTTP; at
   certain points of a transfer it exports every connection that it has,
   forgets them, and sends blobs, the requests' own state and the TUN device
   itself through a unix socket to the other, which goes on. The client sees
   one connection and nothing of this.

   Nothing but the device is common to the two: each chose a key of its own,
   the second's clock began when it started, and their rings differ in size.
   A blob holds durations instead of times, no secret, and bytes rather than
   rings, so that all of this may differ, as between two machines. */

#define TCPSM_IMPLEMENTATION
#define TCPSM_NAMES
#include "../../tcpsm.h"
#include <poll.h>
#include <stdarg.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include "setup.h"

static const char about[] =
    "migrate [OPTION...]\n"
    "    HTTP on port 80 of every address that is ours:\n"
    "    GET /bytes/N   the first N bytes of `seq 100000000 999999999`\n"
    "    PUT            the same text to us: answers how many bytes came,\n"
    "                   and whether they are right\n"
    "    In the course of each transfer all connections move to another\n"
    "    process, and the next time back. Standard error tells what moved.\n"
    "  -t, --times N        moves in each transfer, at equal distances: 0\n"
    "                       to 1000000 (1: half-way)";

/* What the application knows of a request: plain data, it moves as it is. */
struct request {
    char head[2048];
    uint32_t got; /* of head */
    enum { HEAD, GIVE, TAKE, OVER } phase;
    uint32_t moves;
    uint64_t size, done; /* of the body */
    uint64_t wrong;      /* bytes of it */
    uint64_t began;      /* by the clock that both share */
};

struct client {
    tcpsm_conn *c;
    struct request r;
    uint8_t *rings; /* ours, for one that came from elsewhere */
    int released;
    struct client *next;
};

/* What goes through the socket: this with the device, and for each client
   a struct item with its blob behind it. */
struct parcel {
    uint64_t left; /* by the clock that both share */
    uint32_t clients, zero;
};
struct item {
    struct request r;
    uint32_t blob, zero;
};

static struct tun tun; /* tun.fd < 0: the other process has it */
static const char *self, *other;
static int between; /* the socket to the other process */
static uint32_t times = 1, ring;
static uint64_t epoch, moved_here, moved_away;
static tcpsm_stack *stack;
static struct client *clients;
static struct tcpsm_counters counters;
static tcpsm_out out;

/* The kernel's clock, which both processes read */
static uint64_t shared_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* The stack's clock: in the second process another one. */
static tcpsm_time now(void)
{
    return shared_clock() - epoch;
}

/* ---- the text of `seq 100000000 999999999`, from any byte on ---------- */

static void sequence(uint8_t *p, uint64_t from, uint32_t n)
{
    char line[24];
    uint32_t at = (uint32_t)(from % 10), k;
    int i;

    snprintf(line, sizeof line, "%09llu\n",
             100000000ull + (unsigned long long)(from / 10));
    for (; n > 0; p += k, n -= k) {
        k = 10 - at < n ? 10 - at : n;
        memcpy(p, line + at, k);
        at = 0;
        for (i = 8; i > 0 && line[i] == '9'; i--)
            line[i] = '0';
        line[i]++;
    }
}

/* ---- HTTP, one request a connection ----------------------------------- */

__attribute__((format(printf, 2, 3))) static void say(struct client *k,
                                                      const char *format, ...)
{
    char text[512];
    va_list a;
    int n;

    va_start(a, format);
    n = vsnprintf(text, sizeof text, format, a);
    va_end(a);
    tcpsm_send(k->c, text, (uint32_t)n, 0); /* any ring has room for it */
}

static void answer(struct client *k, const char *status, uint64_t length)
{
    say(k, "HTTP/1.1 %s\r\nContent-Length: %llu\r\nConnection: close\r\n\r\n",
        status, (unsigned long long)length);
    k->r.phase = OVER;
}

static void report(struct client *k, const char *what)
{
    double s = (double)(shared_clock() - k->r.began) / 1e6;

    fprintf(stderr, "%s %s %llu bytes in %.3f s, moved %u times\n", self,
            what, (unsigned long long)k->r.size, s, k->r.moves);
}

static void request(struct client *k)
{
    const char *head = k->r.head, *length;

    k->r.began = shared_clock();
    if (strncmp(head, "GET /bytes/", 11) == 0) {
        k->r.size = strtoull(head + 11, NULL, 10);
        answer(k, "200 OK", k->r.size);
        k->r.phase = GIVE;
    } else if (strncmp(head, "PUT ", 4) == 0) {
        length = strcasestr(head, "\r\nContent-Length: ");
        if (length == NULL) {
            answer(k, "411 Length Required", 0);
            return;
        }
        k->r.size = strtoull(length + 18, NULL, 10);
        if (strcasestr(head, "\r\nExpect: 100-continue") != NULL)
            say(k, "HTTP/1.1 100 Continue\r\n\r\n");
        k->r.phase = TAKE;
    } else {
        answer(k, "404 Not Found", 0);
    }
}

static tcpsm_ret read_head(struct client *k)
{
    struct request *r = &k->r;
    tcpsm_ret n;

    while ((n = tcpsm_receive(k->c, r->head + r->got, 1)) == 1)
        if (++r->got == sizeof r->head - 1) {
            answer(k, "431 Request Header Fields Too Large", 0);
            break;
        } else if (r->got >= 4 &&
                   memcmp(r->head + r->got - 4, "\r\n\r\n", 4) == 0) {
            request(k);
            break;
        }
    return n;
}

/* Where in its body the next move is due, or its end */
static uint64_t stage(const struct request *r)
{
    if (r->moves >= times)
        return r->size;
    return r->size / (times + 1) * (r->moves + 1) +
           r->size % (times + 1) * (r->moves + 1) / (times + 1);
}

/* Up to the next move: from there the other process goes on. */
static tcpsm_ret give(struct client *k)
{
    static uint8_t buf[65536];
    struct request *r = &k->r;
    uint64_t left;
    uint32_t want;
    tcpsm_ret n = 0;

    while ((left = stage(r) - r->done) > 0) {
        want = left < sizeof buf ? (uint32_t)left : (uint32_t)sizeof buf;
        sequence(buf, r->done, want);
        n = tcpsm_send(k->c, buf, want, 0);
        if (n > 0)
            r->done += (uint64_t)n;
        if (n < (tcpsm_ret)want) /* EV_WRITABLE will come, or it failed */
            return n < 0 ? n : 0;
    }
    if (r->done == r->size) {
        report(k, "gave");
        r->phase = OVER;
    }
    return 0;
}

/* Up to the next move, too: what waits in the ring goes along. */
static tcpsm_ret take(struct client *k)
{
    static uint8_t buf[65536], right[65536];
    struct request *r = &k->r;
    uint64_t left;
    uint32_t want;
    tcpsm_ret n, i;

    while ((left = stage(r) - r->done) > 0) {
        want = left < sizeof buf ? (uint32_t)left : (uint32_t)sizeof buf;
        n = tcpsm_receive(k->c, buf, want);
        if (n <= 0)
            return n;
        sequence(right, r->done, (uint32_t)n);
        if (memcmp(buf, right, (size_t)n) != 0)
            for (i = 0; i < n; i++)
                r->wrong += buf[i] != right[i];
        r->done += (uint64_t)n;
    }
    if (r->done < r->size)
        return 0;
    report(k, "took");
    snprintf(r->head, sizeof r->head, "%llu bytes, %llu wrong\n",
             (unsigned long long)r->size, (unsigned long long)r->wrong);
    answer(k, "200 OK", strlen(r->head));
    say(k, "%s", r->head);
    return 0;
}

static void serve(struct client *k)
{
    uint8_t rest[512];
    tcpsm_ret n = 0;

    if (k->r.phase == HEAD)
        n = read_head(k);
    if (k->r.phase == GIVE)
        n = give(k);
    if (k->r.phase == TAKE)
        n = take(k);
    if (k->r.phase == OVER)
        tcpsm_shutdown(k->c);
    else if (n < 0)
        tcpsm_close(k->c); /* it left in the middle */
    if (k->r.phase == OVER || k->r.phase == GIVE)
        while (tcpsm_receive(k->c, rest, sizeof rest) > 0)
            ; /* a client that talks on is not listened to */
}

static struct client *client_new(tcpsm_conn *c)
{
    struct client *k = calloc(1, sizeof *k);

    tun_must(k != NULL, "memory for a client");
    k->c = c;
    k->next = clients;
    clients = k;
    if (c != NULL)
        tcpsm_set_user(c, k);
    return k;
}

static void client_unlink(const struct client *k)
{
    struct client **at = &clients;

    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
}

static void client_free(struct client *k)
{
    free(k->rings);
    free(k);
}

static void client_over(struct client *k)
{
    if (tcpsm_error(k->c) != 0)
        fprintf(stderr, "%s: %s after %llu bytes\n", self,
                tcpsm_error_name(tcpsm_error(k->c)),
                (unsigned long long)k->r.done);
    client_unlink(k);
    tcpsm_stack_release(stack, k->c);
    k->released = 1;
    if (k->rings == NULL)
        client_free(k);
}

static void application(void)
{
    struct client *k;
    tcpsm_conn *c;
    tcpsm_ret listener;
    uint32_t events;

    while ((c = tcpsm_stack_accept(stack, &listener)) != NULL)
        serve(client_new(c));
    while ((c = tcpsm_stack_next(stack, &events)) != NULL) {
        k = tcpsm_user(c);
        if (k->released) { /* named once more: the rings are ours again */
            client_free(k);
            continue;
        }
        serve(k);
        if ((events & TCPSM_EV_DONE) != 0)
            client_over(k);
    }
}

/* ---- the move --------------------------------------------------------- */

static void write_all(const void *p, size_t n)
{
    const char *at = p;
    ssize_t k;

    for (; n > 0; at += k, n -= (size_t)k) {
        k = send(between, at, n, MSG_NOSIGNAL);
        tun_must(k > 0, other);
    }
}

static void read_all(void *p, size_t n)
{
    char *at = p;
    ssize_t k;

    for (; n > 0; at += k, n -= (size_t)k) {
        k = recv(between, at, n, 0);
        tun_must(k > 0, other);
    }
}

/* The parcel, and in sending with a descriptor that goes along. */
static void with_device(struct msghdr *m, struct iovec *v, void *parcel,
                        size_t n, void *control, size_t size)
{
    memset(m, 0, sizeof *m);
    memset(control, 0, size);
    v->iov_base = parcel;
    v->iov_len = n;
    m->msg_iov = v;
    m->msg_iovlen = 1;
    m->msg_control = control;
    m->msg_controllen = size;
}

union control {
    struct cmsghdr head; /* aligns */
    char room[CMSG_SPACE(sizeof(int))];
};

static void send_parcel(struct parcel *p, int device)
{
    union control control;
    struct cmsghdr *c;
    struct msghdr m;
    struct iovec v;

    with_device(&m, &v, p, sizeof *p, &control, sizeof control);
    c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof device);
    memcpy(CMSG_DATA(c), &device, sizeof device);
    tun_must(sendmsg(between, &m, MSG_NOSIGNAL) == (ssize_t)sizeof *p, other);
}

/* The device; -1: the other process has ended. */
static int receive_parcel(struct parcel *p)
{
    union control control;
    struct cmsghdr *c;
    struct msghdr m;
    struct iovec v;
    int device = -1;

    with_device(&m, &v, p, sizeof *p, &control, sizeof control);
    if (recvmsg(between, &m, MSG_WAITALL | MSG_CMSG_CLOEXEC) !=
        (ssize_t)sizeof *p)
        return -1;
    c = CMSG_FIRSTHDR(&m);
    tun_must(c != NULL && c->cmsg_type == SCM_RIGHTS, "no device in it");
    memcpy(&device, CMSG_DATA(c), sizeof device);
    return device;
}

static int far_enough(const struct request *r)
{
    return (r->phase == GIVE || r->phase == TAKE) && r->moves < times &&
           r->done >= stage(r);
}

/* Is any transfer far enough? What cannot be exported, a handshake or a
   reply that has not left, must not be under way: it takes but a moment. */
static int time_to_move(void)
{
    struct tcpsm_stack_info s;
    struct client *k;
    int due = 0;

    for (k = clients; k != NULL; k = k->next)
        due |= far_enough(&k->r);
    if (!due)
        return 0;
    tcpsm_stack_status(stack, &s);
    return s.syns == 0 && s.unaccepted == 0 && s.replies == 0;
}

static void export_client(struct client *k)
{
    tcpsm_ret n = tcpsm_export(k->c, NULL, 0, now());
    struct item item;
    void *blob = malloc((size_t)n);

    tun_must(blob != NULL, "memory for a blob");
    tcpsm_export(k->c, blob, (uint32_t)n, now());
    tcpsm_stack_forget(stack, k->c);
    k->r.moves += (uint32_t)far_enough(&k->r);
    memset(&item, 0, sizeof item);
    item.r = k->r;
    item.blob = (uint32_t)n;
    write_all(&item, sizeof item);
    write_all(blob, (size_t)n);
    free(blob);
    client_unlink(k);
    client_free(k);
}

/* A connection that is over stays: nothing more is said on the wire. */
static void move_away(void)
{
    struct client *k, *next;
    struct parcel p;

    memset(&p, 0, sizeof p);
    p.left = shared_clock();
    for (k = clients; k != NULL; k = k->next)
        p.clients += tcpsm_state(k->c) != TCPSM_CLOSED;
    send_parcel(&p, tun.fd);
    for (k = clients; k != NULL; k = next) {
        next = k->next;
        if (tcpsm_state(k->c) != TCPSM_CLOSED)
            export_client(k);
    }
    /* From now on the other answers. What comes for these connections
       would here get a reset. */
    close(tun.fd);
    tun.fd = -1;
    moved_away++;
    application(); /* releases those that are over */
}

/* Rings as large as ours are, or as what was promised elsewhere needs. */
static void client_import(const void *blob, uint32_t len,
                          const struct request *r)
{
    struct client *k = client_new(NULL);
    tcpsm_config cfg = TCPSM_ZERO;
    tcpsm_span s[2];
    tcpsm_ret n = tcpsm_blob_rings(blob, len, &s[0].n, &s[1].n);

    k->r = *r;
    s[0].n = s[0].n > ring ? s[0].n : ring;
    s[1].n = s[1].n > ring ? s[1].n : ring;
    k->rings = malloc((size_t)s[0].n + s[1].n);
    tun_must(k->rings != NULL, "memory for rings");
    s[0].p = k->rings;
    s[1].p = k->rings + s[0].n;
    cfg.mtu = tun.mtu;
    cfg.clock_us = 10000; /* poll() and two schedulers may be so late */
    cfg.counters = &counters;
    cfg.user = k;
    tun_must(getrandom(cfg.key, 16, 0) == 16, "getrandom");
    if (n == 0)
        n = tcpsm_stack_import(stack, blob, len, &cfg, s, &k->c, now());
    if (n < 0) {
        fprintf(stderr, "%s: import: %s\n", self, tcpsm_error_name(n));
        exit(1);
    }
}

static int move_here(void)
{
    struct parcel p;
    struct item item;
    struct client *k;
    uint32_t i;
    void *blob;

    tun.fd = receive_parcel(&p);
    if (tun.fd < 0)
        return 0;
    for (i = 0; i < p.clients; i++) {
        read_all(&item, sizeof item);
        blob = malloc(item.blob);
        tun_must(blob != NULL, "memory for a blob");
        read_all(blob, item.blob);
        client_import(blob, item.blob, &item.r);
        free(blob);
        if (item.r.phase == GIVE || item.r.phase == TAKE)
            fprintf(stderr,
                    "%s -> %s after %llu of %llu bytes: %u bytes of blob, "
                    "%llu us\n",
                    other, self, (unsigned long long)item.r.done,
                    (unsigned long long)item.r.size, item.blob,
                    (unsigned long long)(shared_clock() - p.left));
    }
    for (k = clients; k != NULL; k = k->next)
        serve(k);
    moved_here++;
    return 1;
}

/* ---- the loop --------------------------------------------------------- */

static void sleep_until(tcpsm_time deadline, struct pollfd *p, nfds_t n)
{
    tcpsm_time t = now(), us = deadline > t ? deadline - t : 0;
    struct timespec s;

    if (us > 3600000000u)
        us = 3600000000u;
    s.tv_sec = (time_t)(us / 1000000);
    s.tv_nsec = (long)(us % 1000000) * 1000;
    p[0].revents = p[1].revents = 0;
    ppoll(p, n, &s, NULL);
}

static void packets_in(void)
{
    tcpsm_in in;
    ssize_t n;
    int i;

    for (i = 0; i < 64; i++) {
        n = read(tun.fd, tun.in, sizeof tun.in);
        if (n < 0 && errno == EAGAIN)
            return;
        tun_must(n >= 0, "read from the TUN device");
        memset(&in, 0, sizeof in);
        tcpsm_ip_input(stack, tun.in, (uint32_t)n, &in, now());
    }
}

/* A packet that does not get through is lost like any other: TCP repairs
   that. Returns whether all is said. */
static int packets_out(int most)
{
    tcpsm_ret n;

    while (most-- > 0) {
        n = tcpsm_ip_output(stack, &out, now());
        if (n <= 0)
            return 1;
        if (write(tun.fd, tun.out, (size_t)n) < 0)
            perror("write to the TUN device");
    }
    return 0;
}

/* 0: SIGINT, SIGTERM, or the other process has ended. */
static int turn(void)
{
    struct pollfd p[3] = {
        {tun.signals, POLLIN, 0}, {between, POLLIN, 0}, {tun.fd, POLLIN, 0}};
    int here = tun.fd >= 0;

    sleep_until(here ? tcpsm_stack_deadline(stack) : TCPSM_NEVER, p,
                here ? 3 : 2);
    if (p[0].revents != 0)
        return 0;
    if (p[1].revents != 0 && (here || !move_here()))
        return 0;
    packets_in();
    application();
    if (packets_out(64) && time_to_move())
        move_away();
    return 1;
}

static void start(void)
{
    tcpsm_stack_config cfg = TCPSM_ZERO;
    tcpsm_tuple port = TCPSM_ZERO;
    size_t size;
    void *block;

    cfg.conns = 64;
    cfg.rcv_ring = cfg.snd_ring = ring;
    cfg.flags = TCPSM_PROMISCUOUS | TCPSM_ECHO;
    cfg.conn.mtu = tun.mtu;
    cfg.conn.clock_us = 10000;
    cfg.conn.counters = &counters;
    cfg.conn.flags = TCPSM_NODELAY;
    tun_must(getrandom(cfg.conn.key, 16, 0) == 16, "getrandom");
    size = tcpsm_stack_size(&cfg);
    block = malloc(size);
    tun_must(block != NULL, "memory for a stack");
    tcpsm_stack_init(&stack, block, size, &cfg, now());
    port.local_port = 80;
    tcpsm_stack_listen(stack, &port, 0, 0, NULL);
    out.buf = tun.out;
    out.cap = sizeof tun.out;
}

static void finish(void)
{
    struct tcpsm_stack_info s;

    tcpsm_stack_abort(stack, &(tcpsm_tuple)TCPSM_ZERO);
    if (tun.fd >= 0)
        packets_out(1000);
    tcpsm_stack_status(stack, &s);
    fprintf(
        stderr,
        "%s: moved %llu times away and %llu times here, %llu segments "
        "in, %llu out, %llu sent again, %llu resets, %llu failed\n",
        self, (unsigned long long)moved_away, (unsigned long long)moved_here,
        (unsigned long long)counters.in_segments,
        (unsigned long long)counters.out_segments,
        (unsigned long long)counters.retransmits,
        (unsigned long long)s.resets, (unsigned long long)counters.failed);
}

static void options(int argc, char **argv)
{
    static const struct option long_ones[] = {
        TUN_LONG,
        {"times", required_argument, NULL, 't'},
        {NULL, 0, NULL, 0}};
    int o;

    tun_defaults(&tun);
    while ((o = getopt_long(argc, argv, TUN_SHORT "t:", long_ones, NULL)) !=
           -1)
        if (o == 't')
            times = tun_number(optarg, 0, 1000000);
        else
            tun_option(&tun, o, about);
    if (optind != argc)
        tun_usage(argv[optind], "there are no such arguments");
}

int main(int argc, char **argv)
{
    int pair[2], status = 0;
    pid_t child;

    options(argc, argv);
    tun_open(&tun);
    tun_must(fcntl(tun.fd, F_SETFL, O_NONBLOCK) == 0, tun.name);
    tun_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0,
             "socketpair");
    child = fork();
    tun_must(child >= 0, "fork");
    self = child != 0 ? "first" : "second";
    other = child != 0 ? "second" : "first";
    between = pair[child == 0];
    close(pair[child != 0]);
    ring = tun.ring;
    if (child == 0) {
        close(tun.fd);
        tun.fd = -1;
        epoch = shared_clock() - 1; /* its clock shows 1 now */
        ring -= ring / 3;
    }
    start();
    while (turn())
        ;
    finish();
    close(between); /* so that the other ends, too */
    if (child == 0)
        return 0;
    tun_must(waitpid(child, &status, 0) == child, "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
