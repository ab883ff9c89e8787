/* loop.h - one event loop, many connections, one TUN device - 0BSD

   Wait for a packet or the deadline, put packets in, see what is new, take
   packets out. Include tcpsm.h with TCPSM_NAMES first. The program is

       loop_options()    fills l from the command line
       loop_open(&l)     device, addresses, stack
       while (loop_wait(&l, until)) {
           loop_input(&l);
           ... tcpsm_stack_accept, tcpsm_stack_next: what is new? ...
           loop_output(&l);
       }
       loop_close(&l)

   loop_input and loop_output take at most LOOP_BATCH packets each, so that
   neither direction starves the other; what is left makes the next
   loop_wait return at once. */

#ifndef LOOP_H
#define LOOP_H

#include <linux/virtio_net.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <time.h>
#include "../../tests/support/pcapng.h"
#include "setup.h"

#define LOOP_BATCH 64
#define LOOP_ADDRESSES 8

struct loop {
    tcpsm_stack *stack;
    tcpsm_stack_config cfg; /* the program sets what it wants otherwise */
    struct tcpsm_counters counters;
    struct tun tun;
    tcpsm_out out;
    uint32_t waiting; /* length of the packet in out that the device had no
                         room for; 0: none */
    const char *address[LOOP_ADDRESSES]; /* ours */
    const char *pcap;
    int gso, any;
    pcapng capture;
    void *block;
    tcpsm_time began, wall; /* wall: what makes now the time of day */
    uint64_t in_packets, out_packets, out_full, out_failed;
};

static tcpsm_time loop_clock(clockid_t which)
{
    struct timespec t;

    clock_gettime(which, &t);
    return (tcpsm_time)t.tv_sec * 1000000u + (tcpsm_time)t.tv_nsec / 1000u;
}

static tcpsm_time loop_now(void)
{
    return loop_clock(CLOCK_MONOTONIC);
}

/* ---- options ---------------------------------------------------------- */

static const char loop_help[] =
    "  -a, --address ADDR   one of ours; up to 8 times (the kernel's end\n"
    "                       plus one: 10.9.8.2, fd09:8::2)\n"
    "  -A, --any            whatever is routed here is ours\n"
    "  -p, --pcap FILE      writes all packets to FILE, as pcapng\n"
    "  -g, --gso            super-segments between the kernel and us";

#define LOOP_SHORT TUN_SHORT "a:Ap:g"
#define LOOP_LONG                                                            \
    TUN_LONG, {"address", required_argument, NULL, 'a'},                     \
        {"any", no_argument, NULL, 'A'},                                     \
        {"pcap", required_argument, NULL, 'p'},                              \
    {                                                                        \
        "gso", no_argument, NULL, 'g'                                        \
    }

static void loop_defaults(struct loop *l)
{
    tun_defaults(&l->tun);
    l->tun.queue = 5000; /* a round of many connections' ACKs */
}

/* Acts on what getopt_long returned; about: the program's own --help. */
static void loop_option(struct loop *l, int o, const char *about)
{
    int i;

    if (o == 'a') {
        for (i = 0; i < LOOP_ADDRESSES && l->address[i] != NULL; i++)
            ;
        if (i == LOOP_ADDRESSES)
            tun_usage(optarg, "one address too many");
        l->address[i] = optarg;
    } else if (o == 'A')
        l->any = 1;
    else if (o == 'p')
        l->pcap = optarg;
    else if (o == 'g')
        l->gso = 1;
    else if (o == 'h') {
        printf("%s\n", about);
        tun_option(&l->tun, o, loop_help);
    } else
        tun_option(&l->tun, o, about);
}

/* ---- set up ----------------------------------------------------------- */

/* "10.9.8.1", or "10.9.8.1/24" with the prefix in *prefix */
static int loop_parse(tcpsm_tuple *t, uint8_t *prefix, const char *text)
{
    char host[INET6_ADDRSTRLEN];
    size_t n = strcspn(text, "/");

    memset(t, 0, sizeof *t);
    t->family = strchr(text, ':') != NULL ? 6 : 4;
    *prefix = text[n] == '/' ? (uint8_t)atoi(text + n + 1) : 0;
    if (n >= sizeof host)
        return 0;
    memcpy(host, text, n);
    host[n] = 0;
    return inet_pton(t->family == 6 ? AF_INET6 : AF_INET, host, t->local) ==
           1;
}

static void loop_own(struct loop *l, tcpsm_tuple *t, uint8_t prefix)
{
    if (tcpsm_stack_address(l->stack, t, prefix, 1) < 0)
        tun_usage("the address", "not one that a host may have");
}

/* The kernel's end tells the prefix of the link. */
static void loop_addresses(struct loop *l)
{
    const char *link[2];
    uint8_t prefix, prefixes[2] = {0, 0};
    tcpsm_tuple t;
    int i;

    link[0] = l->tun.ipv4;
    link[1] = l->tun.mtu >= 1280 ? l->tun.ipv6 : "none";
    for (i = 0; i < 2; i++) {
        if (strcmp(link[i], "none") == 0)
            continue;
        loop_parse(&t, &prefixes[i], link[i]);
        t.local[t.family == 6 ? 15 : 3]++;
        if (l->address[0] == NULL)
            loop_own(l, &t, prefixes[i]);
    }
    for (i = 0; i < LOOP_ADDRESSES && l->address[i] != NULL; i++) {
        if (!loop_parse(&t, &prefix, l->address[i]))
            tun_usage(l->address[i], "not an address");
        loop_own(l, &t, prefix != 0 ? prefix : prefixes[t.family == 6]);
    }
}

/* One block holds it all. Pages of rings that nobody has used yet are only
   addresses: 4096 connections with a quarter of a megabyte each way start
   at a few megabytes. */
static void loop_stack(struct loop *l)
{
    size_t size;

    l->cfg.conn.mtu = l->tun.mtu;
    l->cfg.conn.clock_us = 10000; /* poll() and schedulers may be so late */
    l->cfg.conn.counters = &l->counters;
    l->cfg.rcv_ring = l->cfg.snd_ring = l->tun.ring;
    l->cfg.addresses = LOOP_ADDRESSES;
    l->cfg.flags |= TCPSM_ECHO | (l->any ? (uint32_t)TCPSM_PROMISCUOUS : 0);
    l->cfg.conn.flags |= TCPSM_NODELAY;
    if (l->gso)
        l->cfg.conn.flags |= TCPSM_GSO | TCPSM_TX_PARTIAL;
    tun_must(getrandom(l->cfg.conn.key, 16, 0) == 16, "getrandom");
    size = tcpsm_stack_size(&l->cfg);
    if (size == 0)
        tun_usage("connections and rings", "more than memory can be");
    l->block = mmap(NULL, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    tun_must(l->block != MAP_FAILED, "memory for the stack");
    if (tcpsm_stack_init(&l->stack, l->block, size, &l->cfg, loop_now()) < 0)
        tun_usage("the stack", "not a configuration");
}

static void loop_open(struct loop *l)
{
    l->began = loop_now();
    l->wall = loop_clock(CLOCK_REALTIME) - l->began;
    loop_stack(l);
    loop_addresses(l);
    l->out.buf = l->tun.out;
    l->out.cap = 65535;
    tun_must(l->pcap == NULL ||
                 pcapng_open(&l->capture, l->pcap, "tcpsm loop.h") == 0,
             l->pcap);
    l->tun.headers = l->gso;
    tun_open(&l->tun);
    tun_must(fcntl(l->tun.fd, F_SETFL, O_NONBLOCK) == 0, "the device");
    tun_must(!l->gso || ioctl(l->tun.fd, TUNSETOFFLOAD,
                              TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) == 0,
             "TUNSETOFFLOAD");
}

static void loop_close(struct loop *l)
{
    if (l->pcap != NULL && pcapng_close(&l->capture) != 0)
        perror(l->pcap);
    close(l->tun.fd);
    close(l->tun.signals);
    munmap(l->block, tcpsm_stack_size(&l->cfg));
}

/* ---- the loop --------------------------------------------------------- */

/* Sleeps until there is a packet, the stack's deadline, or `until`. Returns
   0 if SIGINT or SIGTERM came. */
static int loop_wait(struct loop *l, tcpsm_time until)
{
    struct pollfd p[2] = {{l->tun.fd, POLLIN, 0},
                          {l->tun.signals, POLLIN, 0}};
    tcpsm_time d = tcpsm_stack_deadline(l->stack), now = loop_now();
    struct signalfd_siginfo info;
    struct timespec t;

    /* With a packet that the device has no room for, it is the device that
       we wait for: the stack has something to send, so its deadline says
       "at once" over and over. */
    if (l->waiting != 0) {
        p[0].events |= POLLOUT;
        d = TCPSM_NEVER;
    }
    if (until < d)
        d = until;
    d = d > now ? d - now : 0;
    t.tv_sec = (time_t)(d / 1000000 % 1000000000);
    t.tv_nsec = (long)(d % 1000000) * 1000;
    if (ppoll(p, 2, &t, NULL) <= 0 || p[1].revents == 0)
        return 1;
    tun_must(read(l->tun.signals, &info, sizeof info) == sizeof info,
             "signalfd");
    return 0;
}

static void loop_record(struct loop *l, const uint8_t *packet, uint32_t n)
{
    if (l->pcap != NULL)
        pcapng_packet(&l->capture, loop_now() + l->wall, packet, n, NULL, 0,
                      NULL);
}

/* What the kernel says about a super-segment, or a packet whose checksum
   it left to a network card that is not there */
static void loop_offloads(tcpsm_in *in, const struct virtio_net_hdr *h)
{
    if (h->flags &
        (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID))
        in->flags |= TCPSM_IN_CSUM_OK;
    if (h->gso_type != VIRTIO_NET_HDR_GSO_NONE)
        in->gso_size = h->gso_size;
}

static void loop_input(struct loop *l)
{
    struct virtio_net_hdr h;
    size_t head = l->gso ? sizeof h : 0;
    struct iovec v[2] = {{&h, head}, {l->tun.in, sizeof l->tun.in}};
    tcpsm_in in;
    ssize_t n;
    int i;

    for (i = 0; i < LOOP_BATCH; i++) {
        n = readv(l->tun.fd, v, 2);
        if (n < (ssize_t)head) {
            tun_must(n < 0 && errno == EAGAIN, "read from the TUN device");
            return;
        }
        n -= (ssize_t)head;
        memset(&in, 0, sizeof in);
        if (l->gso)
            loop_offloads(&in, &h);
        l->in_packets++;
        loop_record(l, l->tun.in, (uint32_t)n);
        tcpsm_ip_input(l->stack, l->tun.in, (uint32_t)n, &in, loop_now());
    }
}

/* Writes the n bytes in out. 0: the device has no room, try again later.
   A packet that it refuses is lost like any other: TCP repairs that. */
static int loop_send(struct loop *l, uint32_t n)
{
    const tcpsm_out *out = &l->out;
    struct virtio_net_hdr h;
    struct iovec v[2] = {{&h, l->gso ? sizeof h : 0}, {l->tun.out, n}};

    memset(&h, 0, sizeof h);
    if (out->csum == TCPSM_CSUM_PARTIAL) {
        h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        h.csum_start = out->tuple.family == 6 ? 40 : 20;
        h.csum_offset = 16;
    }
    if (out->gso_size != 0) {
        h.gso_type = out->tuple.family == 6 ? VIRTIO_NET_HDR_GSO_TCPV6
                                            : VIRTIO_NET_HDR_GSO_TCPV4;
        h.gso_size = out->gso_size;
        h.hdr_len = out->hdr_len;
    }
    l->waiting = 0;
    if (writev(l->tun.fd, v, 2) >= 0) {
        l->out_packets++;
        loop_record(l, l->tun.out, n);
    } else if (errno == EAGAIN || errno == ENOBUFS) {
        l->out_full++;
        l->waiting = n;
        return 0;
    } else {
        l->out_failed++;
    }
    return 1;
}

/* What tcpsm_ip_output returned counts as sent: so first the packet that
   is still waiting, and nothing new while there is no room. */
static void loop_output(struct loop *l)
{
    tcpsm_ret n;
    int i;

    if (l->waiting != 0 && !loop_send(l, l->waiting))
        return;
    for (i = 0; i < LOOP_BATCH; i++) {
        n = tcpsm_ip_output(l->stack, &l->out, loop_now());
        if (n <= 0 || !loop_send(l, (uint32_t)n))
            return;
    }
}

/* ---- statistics ------------------------------------------------------- */

static void loop_line(FILE *f, const char *name, uint64_t value)
{
    for (; *name != 0; name++)
        fputc(*name == ' ' ? '_' : *name, f);
    fprintf(f, " %llu\n", (unsigned long long)value);
}

/* Lines of `name value` */
static void loop_statistics(const struct loop *l, FILE *f)
{
    const struct tcpsm_counters *c = &l->counters;
    struct tcpsm_stack_info s;
    int i;

    tcpsm_stack_status(l->stack, &s);
    loop_line(f, "seconds", (loop_now() - l->began) / 1000000);
    loop_line(f, "packets in", l->in_packets);
    loop_line(f, "packets out", l->out_packets);
    loop_line(f, "device full", l->out_full);
    loop_line(f, "device refused", l->out_failed);
    loop_line(f, "segments in", c->in_segments);
    loop_line(f, "segments out", c->out_segments);
    loop_line(f, "bytes in", c->in_bytes);
    loop_line(f, "bytes out", c->out_bytes);
    loop_line(f, "retransmits", c->retransmits);
    loop_line(f, "timeouts", c->timeouts);
    loop_line(f, "fast retransmits", c->fast_retransmits);
    loop_line(f, "out of order", c->out_of_order);
    loop_line(f, "duplicates", c->duplicates);
    loop_line(f, "probes", c->probes);
    loop_line(f, "challenges", c->challenges);
    loop_line(f, "failed", c->failed);
    loop_line(f, "accepted", s.accepted);
    loop_line(f, "connected", s.connected);
    loop_line(f, "connections", s.conns);
    loop_line(f, "orphans", s.orphans);
    loop_line(f, "unaccepted", s.unaccepted);
    loop_line(f, "half open", s.syns);
    loop_line(f, "syn cap", s.syn_cap);
    loop_line(f, "rings", s.rings);
    loop_line(f, "replies", s.replies);
    loop_line(f, "timewaits", s.timewaits);
    loop_line(f, "timewaits evicted", s.timewaits_evicted);
    loop_line(f, "syns dropped", s.syns_dropped);
    loop_line(f, "cookies sent", s.cookies_sent);
    loop_line(f, "cookies good", s.cookies_good);
    loop_line(f, "cookies bad", s.cookies_bad);
    loop_line(f, "resets", s.resets);
    loop_line(f, "resets held back", s.resets_held_back);
    loop_line(f, "replies lost", s.replies_lost);
    loop_line(f, "ip dropped", s.ip_dropped);
    loop_line(f, "echoes", s.echoes);
    loop_line(f, "stack bytes", s.bytes);
    for (i = 1; i < TCPSM_DROPS; i++)
        if (c->drops[i] != 0) {
            fputs("dropped_", f);
            loop_line(f, tcpsm_drop_name(i), c->drops[i]);
        }
}

#endif /* LOOP_H */
