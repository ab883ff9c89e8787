/* tun-get - an HTTP client on tcpsm_stack and a TUN device - 0BSD

   As root: `build/tun-get http://10.9.8.1:8000/FILE`, from a server on the
   kernel's side of the device, or beyond if the kernel forwards. The loop
   is in main(); what becomes of a transfer, in serve(). */

#define TCPSM_IMPLEMENTATION
#define TCPSM_NAMES
#include "../../tcpsm.h"
#include "loop.h"
#include "http.h"

static const char about[] =
    "tun-get [OPTION...] URL...\n"
    "    gets http://IPV4[:PORT]/PATH or http://[IPV6][:PORT]/PATH from a\n"
    "    server on the kernel's side of a TUN device\n"
    "Exit status besides those below, of the first transfer that failed:\n"
    "3 refused, 4 reset, 5 timeout, 6 unreachable, 18 the body was cut\n"
    "short, 22 the server said 400 or more, 130 stopped.\n"
    "  -o, --output FILE    for the first URL; again, for the second; ...\n"
    "                       (standard output)\n"
    "  -n, --parallel N     transfers at a time (1)\n"
    "      --range A-B      these bytes only\n"
    "  -T, --put FILE       uploads FILE to each URL instead\n"
    "  -t, --timeout SECONDS   for the handshake, and without progress (30)\n"
    "      --progress       the bar even if standard error is no terminal\n"
    "  -q, --quiet          neither bar nor summary\n"
    "  -v, --verbose        statistics at the end";

enum { REFUSED = 3, RESET, TIMEOUT, UNREACHABLE, CUT = 18, HTTP_ERROR = 22 };
enum phase { WAITS, HEAD, BODY, OVER };

struct transfer {
    tcpsm_conn *conn;
    const char *url, *path, *output; /* output NULL: standard output */
    char host[INET6_ADDRSTRLEN + 8]; /* and port, as in the URL */
    tcpsm_tuple to;
    FILE *file;
    struct http_text text; /* the request's head, */
    int put;               /* and its body, from this file, */
    uint64_t at, left;     /* of which this has been queued and is left */
    struct http_body body; /* of the answer */
    uint64_t size, got;    /* HTTP_NONE: unknown */
    tcpsm_time seen;       /* when there was progress */
    uint64_t moved;
    uint8_t phase;
};

static struct {
    struct loop loop;
    struct transfer *all;
    int n, running, parallel, exit_status;
    const char *range, *put;
    uint32_t timeout;
    int quiet, verbose, progress;
    tcpsm_time drawn;
} d = {.parallel = 1, .timeout = 30};

/* ---- URLs ------------------------------------------------------------- */

/* http://HOST[:PORT][/PATH] */
static void parse_url(struct transfer *t)
{
    const char *p = t->url, *host, *end;
    char text[INET6_ADDRSTRLEN];
    int six;

    if (strncasecmp(p, "http://", 7) != 0)
        tun_usage(t->url, "not an http URL");
    host = p += 7;
    six = *p == '[';
    p += six;
    end = p + strcspn(p, six ? "]" : ":/");
    if ((size_t)(end - p) >= sizeof text || (six && *end != ']'))
        tun_usage(t->url, "not an address");
    memcpy(text, p, (size_t)(end - p));
    text[end - p] = 0;
    t->to.family = six ? 6 : 4;
    if (inet_pton(six ? AF_INET6 : AF_INET, text, t->to.remote) != 1)
        tun_usage(t->url, "not an address");
    end += six;
    t->to.remote_port = 80;
    if (*end == ':') {
        snprintf(text, sizeof text, "%.*s", (int)strcspn(end + 1, "/"),
                 end + 1);
        t->to.remote_port = (uint16_t)tun_number(text, 1, 65535);
        end += 1 + strlen(text);
    }
    if (*end != 0 && *end != '/')
        tun_usage(t->url, "not an http URL");
    t->path = *end == '/' ? end : "/";
    snprintf(t->host, sizeof t->host, "%.*s", (int)(end - host), host);
}

/* ---- a transfer's life ------------------------------------------------ */

static void finish(struct transfer *t, int status, const char *why)
{
    if (why != NULL)
        fprintf(stderr, "%stun-get: %s: %s\n", d.drawn != 0 ? "\n" : "",
                t->url, why);
    if (d.exit_status == 0)
        d.exit_status = status;
    if (t->conn != NULL)
        tcpsm_stack_release(d.loop.stack, t->conn);
    if (t->file != NULL && t->file != stdout)
        tun_must(fclose(t->file) == 0, t->output);
    if (t->put >= 0)
        close(t->put);
    free(t->text.p);
    t->conn = NULL;
    t->phase = OVER;
    d.running--;
}

static void start(struct transfer *t)
{
    const char *method = "GET";
    tcpsm_ret n;

    d.running++;
    t->seen = loop_now();
    t->size = HTTP_NONE;
    t->phase = HEAD;
    t->put = -1;
    if (d.put != NULL) {
        method = "PUT";
        t->put = open(d.put, O_RDONLY | O_CLOEXEC);
        tun_must(t->put >= 0, d.put);
        t->left = (uint64_t)lseek(t->put, 0, SEEK_END);
    }
    n = tcpsm_stack_connect(d.loop.stack, &t->to, NULL, &t->conn, t->seen);
    if (n < 0) {
        t->conn = NULL;
        finish(t, 1,
               n == TCPSM_E_NONE ? "no address of that family here"
                                 : tcpsm_error_name(n));
        return;
    }
    tcpsm_set_user(t->conn, t);
    http_say(&t->text, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n",
             method, t->path, t->host);
    if (d.range != NULL)
        http_say(&t->text, "Range: bytes=%s\r\n", d.range);
    if (d.put != NULL)
        http_say(&t->text, "Content-Length: %llu\r\n",
                 (unsigned long long)t->left);
    http_say(&t->text, "\r\n");
}

/* The request's body, from the file into the ring */
static tcpsm_ret upload(struct transfer *t)
{
    tcpsm_span s[2];
    tcpsm_ret n = http_flush(t->conn, &t->text);
    ssize_t got;

    if (n != 0)
        return n;
    while (t->left > 0 && (n = tcpsm_send_reserve(t->conn, s)) > 0) {
        got = s[0].n < t->left ? (ssize_t)s[0].n : (ssize_t)t->left;
        got = pread(t->put, s[0].p, (size_t)got, (off_t)t->at);
        tun_must(got > 0, d.put);
        tcpsm_send_commit(t->conn, (uint32_t)got, 0);
        t->at += (uint64_t)got;
        t->left -= (uint64_t)got;
    }
    return n;
}

static tcpsm_ret read_head(struct transfer *t)
{
    static char text[HTTP_HEAD + 1];
    uint32_t limit = d.loop.tun.ring / 2;
    tcpsm_ret n;
    struct http h;

    n = http_head(t->conn, text, limit < HTTP_HEAD ? limit : HTTP_HEAD);
    if (n <= 0)
        return n;
    tcpsm_receive_consume(t->conn, (uint32_t)n);
    if (http_parse(&h, text, (uint32_t)n) < 0 || h.status < 100 ||
        h.status > 999 || h.other_coding)
        return TCPSM_E_ARG;
    if (h.status < 200) /* 100 Continue: the answer is still to come */
        return 1;
    if (h.status >= 400) {
        char why[16];

        snprintf(why, sizeof why, "HTTP %d", h.status);
        finish(t, HTTP_ERROR, why);
        return 0;
    }
    if (h.status == 204 || h.status == 304)
        h.length = 0;
    http_body(&t->body, &h);
    t->size = h.length;
    t->phase = BODY;
    t->file = t->output != NULL ? fopen(t->output, "wb") : stdout;
    tun_must(t->file != NULL, t->output);
    setvbuf(t->file, NULL, _IONBF, 0); /* pieces are large enough */
    return 1;
}

static tcpsm_ret read_body(struct transfer *t)
{
    tcpsm_cspan s;
    tcpsm_ret n;

    while ((n = http_peek(t->conn, &t->body, &s)) > 0) {
        tun_must(fwrite(s.p, 1, s.n, t->file) == s.n,
                 t->output != NULL ? t->output : "standard output");
        http_consume(t->conn, &t->body, s.n);
        t->got += s.n;
    }
    return n;
}

static void fail(struct transfer *t, tcpsm_ret e)
{
    int status = e == TCPSM_E_REFUSED       ? REFUSED
                 : e == TCPSM_E_RESET       ? RESET
                 : e == TCPSM_E_TIMEOUT     ? TIMEOUT
                 : e == TCPSM_E_UNREACHABLE ? UNREACHABLE
                 : e == TCPSM_E_EOF         ? CUT
                                            : 1;

    finish(t, status,
           e == TCPSM_E_EOF     ? "the answer was cut short"
           : e == TCPSM_E_ARG   ? "not HTTP/1.1"
           : e == TCPSM_E_SPACE ? "the answer's head is too long"
                                : tcpsm_error_name(e));
}

/* Goes as far as what came, and the room to send, allow. The answer may
   come before all is sent. */
static void serve(struct transfer *t)
{
    tcpsm_ret n, sent = upload(t);

    do
        n = t->phase == HEAD ? read_head(t) : read_body(t);
    while (n > 0);
    if (t->phase == OVER)
        return;
    if (n == TCPSM_E_NONE)
        finish(t, 0, NULL);
    else if (n < 0 || sent < 0)
        fail(t, n < 0 ? n : sent);
}

/* ---- progress --------------------------------------------------------- */

/* Has anything moved since the last look? An upload shows in SND.UNA. */
static int moved(struct transfer *t)
{
    struct tcpsm_info info;
    uint64_t before = t->moved;

    tcpsm_status(t->conn, &info);
    t->moved = t->got + info.snd_una;
    return t->moved != before;
}

/* Ends what makes none; returns when to look again. */
static tcpsm_time expire(void)
{
    tcpsm_time limit = (tcpsm_time)d.timeout * 1000000, next = TCPSM_NEVER;
    struct transfer *t;

    for (t = d.all; t < d.all + d.n; t++) {
        if (t->phase == WAITS || t->phase == OVER)
            continue;
        if (t->seen + limit <= loop_now()) {
            if (moved(t)) {
                t->seen = loop_now();
            } else {
                tcpsm_abort(t->conn);
                fail(t, TCPSM_E_TIMEOUT);
                continue;
            }
        }
        if (t->seen + limit < next)
            next = t->seen + limit;
    }
    return next;
}

/* Bytes that all transfers have moved so far, and *of how many. */
static uint64_t amount(uint64_t *of)
{
    struct transfer *t;
    uint64_t sum = 0, whole;

    *of = 0;
    for (t = d.all; t < d.all + d.n; t++) {
        sum += t->got + t->at;
        whole = d.put != NULL ? t->at + t->left : t->size;
        if (t->phase == WAITS || whole == HTTP_NONE)
            *of = HTTP_NONE;
        if (*of != HTTP_NONE)
            *of += whole;
    }
    return sum;
}

/* Ten times a second. Returns when to come again. */
static tcpsm_time draw(int last)
{
    uint64_t of, have;
    tcpsm_time now = loop_now(), us = now - d.loop.began + 1;
    char bar[41];
    unsigned i;

    if (!d.progress)
        return TCPSM_NEVER;
    if (!last && now < d.drawn + 100000)
        return d.drawn + 100000;
    d.drawn = now;
    have = amount(&of);
    fprintf(stderr, "\r%10.1f MB %7.0f Mbit/s ", (double)have / 1e6,
            (double)have * 8 / (double)us);
    if (of != HTTP_NONE && of > 0) {
        for (i = 0; i < 40; i++)
            bar[i] = have > of / 40 * i ? '#' : '.';
        bar[40] = 0;
        fprintf(stderr, "[%s] %3.0f %%", bar,
                100 * (double)have / (double)of);
    }
    if (last)
        fputc('\n', stderr);
    return now + 100000;
}

static void summary(void)
{
    uint64_t of, have = amount(&of);
    tcpsm_time us = loop_now() - d.loop.began + 1;

    draw(1);
    if (!d.quiet)
        fprintf(stderr,
                "tun-get: %llu bytes in %.3f s, %.0f Mbit/s; "
                "%llu retransmitted, %llu timeouts\n",
                (unsigned long long)have, (double)us / 1e6,
                (double)have * 8 / (double)us,
                (unsigned long long)d.loop.counters.retransmits,
                (unsigned long long)d.loop.counters.timeouts);
    if (d.verbose)
        loop_statistics(&d.loop, stderr);
}

/* ---- main ------------------------------------------------------------- */

static void options(int argc, char **argv)
{
    static const struct option list[] = {
        LOOP_LONG,
        {"output", required_argument, NULL, 'o'},
        {"parallel", required_argument, NULL, 'n'},
        {"range", required_argument, NULL, 'R'},
        {"put", required_argument, NULL, 'T'},
        {"timeout", required_argument, NULL, 't'},
        {"progress", no_argument, NULL, 'b'},
        {"quiet", no_argument, NULL, 'q'},
        {"verbose", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    const char *outputs[argc];
    int o, n = 0, i;

    loop_defaults(&d.loop);
    while ((o = getopt_long(argc, argv, LOOP_SHORT "o:n:T:t:qv", list,
                            NULL)) != -1)
        switch (o) {
        case 'o':
            outputs[n++] = optarg;
            break;
        case 'n':
            d.parallel = (int)tun_number(optarg, 1, 10000);
            break;
        case 'R':
            d.range = optarg;
            break;
        case 'T':
            d.put = optarg;
            break;
        case 't':
            d.timeout = tun_number(optarg, 1, 100000);
            break;
        case 'b':
            d.progress = 1;
            break;
        case 'q':
            d.quiet = 1;
            break;
        case 'v':
            d.verbose = 1;
            break;
        default:
            loop_option(&d.loop, o, about);
        }
    d.n = argc - optind;
    if (d.n == 0)
        tun_usage("no URL", "something is missing");
    d.progress = !d.quiet && (d.progress || isatty(2));
    d.all = calloc((size_t)d.n, sizeof *d.all);
    tun_must(d.all != NULL, "transfers");
    for (i = 0; i < d.n; i++) {
        d.all[i].url = argv[optind + i];
        d.all[i].output = i < n ? outputs[i] : NULL;
        parse_url(&d.all[i]);
    }
}

static int connections(void)
{
    struct tcpsm_stack_info s;

    tcpsm_stack_status(d.loop.stack, &s);
    return s.conns > 0;
}

/* The last FINs and ACKs, or resets */
static void end(void)
{
    tcpsm_time until = loop_now() + 1000000;

    while (connections() && loop_now() < until && loop_wait(&d.loop, until)) {
        loop_input(&d.loop);
        loop_output(&d.loop);
    }
    summary();
    loop_close(&d.loop);
}

int main(int argc, char **argv)
{
    struct transfer *next;
    tcpsm_tuple all = TCPSM_ZERO;
    tcpsm_time look, again;
    tcpsm_conn *c;
    uint32_t ev;

    options(argc, argv);
    d.loop.cfg.conns = (uint32_t)d.parallel + 16; /* old ones still close */
    d.loop.cfg.conn.syn_limit_ms = d.timeout * 1000;
    d.loop.cfg.conn.user_timeout_ms = d.timeout * 1000;
    loop_open(&d.loop);
    next = d.all;
    for (;;) {
        while (d.running < d.parallel && next < d.all + d.n)
            start(next++);
        if (d.running == 0)
            break;
        loop_output(&d.loop);
        look = expire();
        again = draw(0);
        if (!loop_wait(&d.loop, look < again ? look : again)) {
            d.exit_status = 130;
            tcpsm_stack_abort(d.loop.stack, &all);
            break;
        }
        loop_input(&d.loop);
        while ((c = tcpsm_stack_next(d.loop.stack, &ev)) != NULL)
            serve(tcpsm_user(c));
    }
    end();
    if (fflush(stdout) != 0)
        return 1;
    return d.exit_status;
}
