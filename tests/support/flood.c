/* flood - segments that nobody asked for, from addresses that do not answer
   - 0BSD

   Written to a raw socket, so the kernel routes them like its own. Sources
   are out of the benchmarking prefixes (RFC 2544, RFC 5180), to which a
   test's network namespace has no route: what is sent there is gone. Linux,
   root. */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
    "flood [OPTION...] syn|rst|ack|random ADDRESS PORT\n"
    "    syn     SYNs as Linux sends them, or bare ones, in turn\n"
    "    rst     RSTs, with and without ACK\n"
    "    ack     ACKs, every other one with data\n"
    "    random  anything after the IP header: flags, options, lengths,\n"
    "            ports; some checksums and data offsets wrong; now and then\n"
    "            from the address that it goes to, 0, loopback, broadcast\n"
    "            or multicast\n"
    "  -r, --rate N         segments a second (5000)\n"
    "  -n, --count N        then end (0: at SIGINT or SIGTERM)\n"
    "  -f, --from ADDRESS   all from this one (any of 198.18.0.0/15 or\n"
    "                       2001:2::/48)\n"
    "  -p, --port N         and from this port (any)\n"
    "  -s, --seed N         other numbers (1)\n"
    "Sequence numbers are anything. Prints how many were sent. Exit status:\n"
    "0 done, 1 failed, 2 wrong usage.\n";

static uint64_t state = 1;
static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
    stop = sig;
}

static uint32_t any(void) /* xorshift64* */
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 0x2545F4914F6CDD1Dull) >> 32);
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

static uint32_t sum(uint32_t s, const uint8_t *p, uint32_t n)
{
    for (; n > 1; p += 2, n -= 2)
        s += (uint32_t)p[0] << 8 | p[1];
    return n > 0 ? s + ((uint32_t)p[0] << 8) : s;
}

static struct {
    int kind; /* of help: s, r, a or x */
    int family;
    uint8_t to[16], from[16];
    int from_set;
    uint32_t to_port, from_port;
} what;

/* ---- one segment ------------------------------------------------------ */

/* What Linux puts on a SYN: MSS, SACK permitted, timestamps, scale. */
static uint32_t syn_options(uint8_t *p)
{
    static const uint8_t o[20] = {2, 4, 5, 180, 4, 2, 8, 10, 0, 0,
                                  0, 0, 0, 0,   0, 0, 1, 3,  3, 7};

    memcpy(p, o, sizeof o);
    put32(p + 8, any());
    return sizeof o;
}

static uint32_t segment(uint8_t *t)
{
    uint32_t i, n = 20, r = any(), flags = 0;

    put16(t, what.from_port ? what.from_port : 1024 + any() % 64512);
    put16(t + 2, what.to_port);
    put32(t + 4, any());
    put32(t + 8, any());
    put16(t + 14, r >> 16);
    put32(t + 16, 0);
    switch (what.kind) {
    case 's':
        flags = 2;
        put32(t + 8, 0);
        if (r & 1)
            n += syn_options(t + 20);
        break;
    case 'r':
        flags = r & 1 ? 4 : 0x14;
        break;
    case 'a':
        flags = 0x10;
        if (r & 1)
            for (; n < 120; n += 4)
                put32(t + n, any());
        break;
    default:
        if (r % 4 == 0)
            put16(t + 2, any());
        flags = any() & 0xFF;
        n += (any() % 11) * 4;
        for (i = 20; i < n; i += 4)
            put32(t + i, any());
        put16(t + 18, any());
    }
    t[12] = (uint8_t)(n < 64 && what.kind != 'a' ? n << 2 : 0x50);
    t[13] = (uint8_t)flags;
    if (what.kind == 'x') {
        n += any() % 1000;
        for (i = 20; i + 4 <= n; i += 4)
            if ((int)i >= (t[12] >> 4) * 4)
                put32(t + i, any());
        if (r % 16 == 1)
            t[12] = (uint8_t)any();
        if (r % 64 == 2)
            n = any() % 20;
    }
    return n;
}

static void source(uint8_t *a)
{
    static const uint8_t odd4[5][4] = {{0, 0, 0, 0},
                                       {127, 0, 0, 1},
                                       {255, 255, 255, 255},
                                       {224, 0, 0, 1},
                                       {10, 9, 8, 255}};
    uint32_t r = any(), n = what.family == 4 ? 4 : 16;

    if (what.from_set) {
        memcpy(a, what.from, n);
    } else if (what.kind == 'x' && r % 32 == 0) {
        memcpy(a, what.to, n); /* LAND */
    } else if (what.family == 4) {
        put32(a, 0xC6120000u | (r & 0x1FFFF));
        if (what.kind == 'x' && r % 32 == 1)
            memcpy(a, odd4[r / 32 % 5], 4);
    } else {
        memset(a, 0, 16);
        put32(a, 0x20010002);
        put32(a + 8, r);
        put32(a + 12, any());
        if (what.kind == 'x' && r % 32 == 1)
            put32(a, r & 32 ? 0xFF020000 : 0);
    }
}

static uint32_t datagram(uint8_t *p)
{
    uint32_t alen = what.family == 4 ? 4 : 16, head = alen == 4 ? 20 : 40;
    uint8_t *t = p + head, *src = p + (alen == 4 ? 12 : 8);
    uint32_t n, s;

    memset(p, 0, head);
    n = segment(t);
    source(src);
    memcpy(src + alen, what.to, alen);
    if (alen == 4) { /* the kernel adds length and checksum */
        p[0] = 0x45;
        put16(p + 2, head + n);
        p[6] = 0x40;
        p[8] = 64;
        p[9] = 6;
    } else {
        p[0] = 0x60;
        put16(p + 4, n);
        p[6] = 6;
        p[7] = 64;
    }
    if (n >= 18 && (what.kind != 'x' || any() % 16 != 0)) {
        put16(t + 16, 0);
        s = sum(sum(6 + n, src, 2 * alen), t, n);
        s = (s & 0xFFFF) + (s >> 16);
        put16(t + 16, ~(s + (s >> 16)));
    }
    return head + n;
}

/* ---- many ------------------------------------------------------------- */

static int open_raw(void)
{
    int on = 1, big = 1 << 22;
    int s = socket(what.family == 4 ? AF_INET : AF_INET6, SOCK_RAW,
                   IPPROTO_RAW); /* which implies IP_HDRINCL */

    if (s < 0 ||
        (what.family == 6 &&
         setsockopt(s, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof on) < 0)) {
        fprintf(stderr, "flood: raw socket: %s\n", strerror(errno));
        exit(1);
    }
    setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big);
    return s;
}

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static int run(uint64_t rate, uint64_t count)
{
    const struct timespec tick = {0, 1000000};
    static uint8_t buf[2048];
    struct sockaddr_in a4;
    struct sockaddr_in6 a6;
    uint64_t sent = 0, refused = 0, due, began = now_us();
    int s = open_raw();

    memset(&a4, 0, sizeof a4);
    a4.sin_family = AF_INET;
    memcpy(&a4.sin_addr, what.to, 4);
    memset(&a6, 0, sizeof a6);
    a6.sin6_family = AF_INET6;
    memcpy(&a6.sin6_addr, what.to, 16);
    while (!stop && (count == 0 || sent + refused < count)) {
        due = (now_us() - began) * rate / 1000000 + 1;
        if (count != 0 && due > count)
            due = count;
        for (; sent + refused < due && !stop;) {
            uint32_t n = datagram(buf);

            if (sendto(s, buf, n, 0,
                       what.family == 4 ? (void *)&a4 : (void *)&a6,
                       what.family == 4 ? sizeof a4 : sizeof a6) < 0)
                refused++; /* some odd sources are */
            else
                sent++;
        }
        nanosleep(&tick, NULL);
    }
    printf("flood: %llu sent, %llu refused\n", (unsigned long long)sent,
           (unsigned long long)refused);
    return sent > 0 ? 0 : 1;
}

static int address(const char *text, uint8_t *a)
{
    if (inet_pton(AF_INET, text, a) == 1)
        return 4;
    return inet_pton(AF_INET6, text, a) == 1 ? 6 : 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"rate", required_argument, NULL, 'r'},
        {"count", required_argument, NULL, 'n'},
        {"from", required_argument, NULL, 'f'},
        {"port", required_argument, NULL, 'p'},
        {"seed", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    uint64_t rate = 5000, count = 0;
    int o, wrong = 0;

    while ((o = getopt_long(argc, argv, "r:n:f:p:s:h", options, NULL)) != -1)
        switch (o) {
        case 'r':
            rate = strtoull(optarg, NULL, 10);
            break;
        case 'n':
            count = strtoull(optarg, NULL, 10);
            break;
        case 'f':
            what.from_set = address(optarg, what.from);
            wrong |= what.from_set == 0;
            break;
        case 'p':
            what.from_port = (uint32_t)strtoul(optarg, NULL, 10) & 0xFFFF;
            break;
        case 's':
            state = strtoull(optarg, NULL, 10) * 2 + 1;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            wrong = 1;
        }
    argv += optind;
    if (argc - optind == 3) {
        what.kind = strcmp(argv[0], "syn") == 0      ? 's'
                    : strcmp(argv[0], "rst") == 0    ? 'r'
                    : strcmp(argv[0], "ack") == 0    ? 'a'
                    : strcmp(argv[0], "random") == 0 ? 'x'
                                                     : 0;
        what.family = address(argv[1], what.to);
        what.to_port = (uint32_t)strtoul(argv[2], NULL, 10) & 0xFFFF;
    }
    if (wrong || what.kind == 0 || what.family == 0 || what.to_port == 0 ||
        rate == 0 || (what.from_set && what.from_set != what.family)) {
        fputs("flood: wrong usage; try --help\n", stderr);
        return 2;
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    return run(rate, count);
}
