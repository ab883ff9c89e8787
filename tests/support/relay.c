/* relay - netsim in real time, between two TUN devices - 0BSD

   What the kernel routes into one device comes out of the other, unless
   the simulated network has something against it. The devices are made
   here and may be moved to other network namespaces afterwards; they go
   away with the process. Linux, root.

   With data=1 the network's chance looks at segments with payload only,
   and by their number among these: senders that differ in everything else
   meet the same trouble at their n-th data segment. */

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include "netsim.h"

#define PACKETS 8192
#define PACKET_MAX 2048

static const char help[] =
    "relay [WHAT=NUMBER...] DEVICE DEVICE\n"
    "  seed=N      another network (1)\n"
    "  loss=PPM dup=PPM reorder=PPM corrupt=PPM   of both directions (0)\n"
    "  burst=PPM burst_end=PPM   a burst of losses begins, or ends, with "
    "this\n"
    "              packet (0, 1000000)\n"
    "  held=US     how long what is reordered is held back (2000)\n"
    "  delay=US    propagation, one way (0)\n"
    "  rate=BIT/S  of each direction (0: infinite)\n"
    "  queue=N     packets that wait for the rate (100)\n"
    "  queue_bytes=N queue_ms=MS  or as many bytes, or what the rate sends\n"
    "              in so long (0: no such limit). One limit, the last one\n"
    "  data=1      trouble only for segments with payload, drawn by their\n"
    "              number; all others pass (0: for all packets, by theirs)\n"
    "Prints `relay: ready`, and at SIGINT or SIGTERM what it did. Exit\n"
    "status: 0 stopped, 1 failed, 2 wrong usage.\n";

static volatile sig_atomic_t stop;
static unsigned long long refused, latest;
static int data_only;
static unsigned queue_ms;

static void on_signal(int sig)
{
    stop = sig;
}

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static int open_tun(const char *name)
{
    struct ifreq r;
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    memset(&r, 0, sizeof r);
    strncpy(r.ifr_name, name, IFNAMSIZ - 1);
    r.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0) {
        fprintf(stderr, "relay: %s: %s\n", name, strerror(errno));
        exit(1);
    }
    return fd;
}

static int option(netsim *n, const char *text)
{
    const char *eq = strchr(text, '=');
    size_t len = eq ? (size_t)(eq - text) : 0;
    char *end;
    unsigned long long v = eq ? strtoull(eq + 1, &end, 10) : 0;
    int i;

    if (eq == NULL || eq[1] < '0' || eq[1] > '9' || *end != 0)
        return -1;
#define IS(name) (len == sizeof name - 1 && memcmp(text, name, len) == 0)
    if (IS("seed")) {
        n->seed = v;
        return 0;
    }
    if (IS("data")) {
        data_only = v != 0;
        return 0;
    }
    if (IS("queue") || IS("queue_bytes") || IS("queue_ms"))
        queue_ms = IS("queue_ms") ? (unsigned)v : 0;
    for (i = 0; i < 2; i++) {
        netsim_link *l = &n->link[i];

        if (IS("loss"))
            l->loss_ppm = (uint32_t)v;
        else if (IS("burst"))
            l->burst_ppm = (uint32_t)v;
        else if (IS("burst_end"))
            l->burst_end_ppm = (uint32_t)v;
        else if (IS("dup"))
            l->copy_ppm = (uint32_t)v;
        else if (IS("reorder"))
            l->reorder_ppm = (uint32_t)v;
        else if (IS("corrupt"))
            l->corrupt_ppm = (uint32_t)v;
        else if (IS("held"))
            l->reorder_us = v;
        else if (IS("delay"))
            l->delay_us = v;
        else if (IS("rate"))
            l->rate = v;
        else if (IS("queue") || IS("queue_bytes") || IS("queue_ms")) {
            l->queue_packets = IS("queue") ? (uint32_t)v : 0;
            l->queue_bytes = IS("queue_bytes") ? (uint32_t)v : 0;
        } else
            return -1;
    }
#undef IS
    return 0;
}

/* Is this a TCP segment with payload? No extension headers. */
static int has_payload(const uint8_t *p, unsigned n)
{
    unsigned v6 = n > 0 && p[0] >> 4 == 6;
    unsigned head = v6 ? 40 : n > 0 ? (p[0] & 15) * 4u : 0;

    if (n < head + 20 || head < 20 || p[v6 ? 6 : 9] != 6)
        return 0;
    return n > head + (p[head + 12] >> 4) * 4u;
}

/* netsim draws by link.index, so that is where the numbers go; what has
   no payload is counted far from what has. */
#define OTHERS (UINT64_C(1) << 48)
static void send_on(netsim *n, int dir, const uint8_t *p, uint32_t len)
{
    static uint64_t data[2], others[2] = {OTHERS, OTHERS};
    netsim_link *l = &n->link[dir];
    uint32_t in_burst = l->in_burst;

    if (data_only)
        l->index = has_payload(p, len) ? data[dir]++ : others[dir]++;
    netsim_send(n, dir, p, len, 0, now_us());
    if (l->index > OTHERS)
        l->in_burst = in_burst; /* others do not move the chain either */
}

static unsigned spare_others(void *ctx, const netsim_packet *p)
{
    (void)ctx;
    return p->index >= OTHERS ? NETSIM_DO_KEEP : 0;
}

static void deliver(netsim *n, int dir, int fd)
{
    static uint8_t buf[PACKET_MAX];
    netsim_info info;
    uint64_t now = now_us();
    uint32_t len;

    while ((len = netsim_receive(n, dir, buf, sizeof buf, now, &info)) > 0) {
        if (now - info.at > latest)
            latest = now - info.at;
        if (write(fd, buf, len) < 0)
            refused++; /* the device is down, or no IP any more */
        now = now_us();
    }
}

static void run(netsim *n, const int fd[2])
{
    static uint8_t buf[PACKET_MAX];
    struct pollfd p[2] = {{fd[0], POLLIN, 0}, {fd[1], POLLIN, 0}};
    struct timespec wait;
    sigset_t none;
    uint64_t at, now;
    ssize_t k;
    int i, turns;

    sigemptyset(&none);
    while (!stop) {
        at = netsim_next(n);
        now = now_us();
        at = at <= now ? 0 : at - now > 1000000 ? 1000000 : at - now;
        wait.tv_sec = (time_t)(at / 1000000);
        wait.tv_nsec = (long)(at % 1000000) * 1000;
        if (ppoll(p, 2, &wait, &none) < 0 && errno != EINTR)
            break;
        for (i = 0; i < 2; i++) {
            for (turns = 0; turns < 64; turns++) {
                k = read(fd[i], buf, sizeof buf);
                if (k <= 0)
                    break;
                send_on(n, i, buf, (uint32_t)k);
            }
            deliver(n, i, fd[!i]);
        }
    }
}

int main(int argc, char **argv)
{
    static uint64_t mem[NETSIM_WORDS(PACKETS, PACKET_MAX)];
    static const char *const way[2] = {"->", "<-"};
    netsim n;
    sigset_t set;
    int fd[2], i;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    netsim_init(&n, 1, mem, sizeof mem, PACKET_MAX);
    for (i = 0; i < 2; i++) {
        n.link[i].reorder_us = 2000;
        n.link[i].queue_packets = 100;
        n.link[i].copy_us = 100;
        n.link[i].burst_end_ppm = 1000000;
    }
    for (i = 1; i + 2 < argc; i++)
        if (option(&n, argv[i]) < 0)
            break;
    if (i + 2 != argc) {
        fputs("relay: wrong arguments; try --help\n", stderr);
        return 2;
    }
    n.script = spare_others;
    for (i = 0; i < 2; i++)
        if (queue_ms != 0 && n.link[i].rate != 0)
            n.link[i].queue_bytes =
                (uint32_t)(n.link[i].rate / 8000 * queue_ms);
    prctl(PR_SET_TIMERSLACK, 1UL);
    fd[0] = open_tun(argv[argc - 2]);
    fd[1] = open_tun(argv[argc - 1]);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL); /* let in by ppoll only */
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    puts("relay: ready");
    fflush(stdout);
    run(&n, fd);
    for (i = 0; i < 2; i++)
        printf("relay: %s %s %s: %llu in, %llu out, %llu lost, "
               "%llu queue drops, %llu copied, %llu delayed, %llu damaged\n",
               argv[argc - 2], way[i], argv[argc - 1],
               (unsigned long long)n.link[i].stats.sent,
               (unsigned long long)n.link[i].stats.delivered,
               (unsigned long long)n.link[i].stats.lost,
               (unsigned long long)n.link[i].stats.queue_drops,
               (unsigned long long)n.link[i].stats.copied,
               (unsigned long long)n.link[i].stats.delayed,
               (unsigned long long)n.link[i].stats.damaged);
    printf("relay: %llu refused by the devices; %llu us late at worst\n",
           refused, latest);
    return 0;
}
