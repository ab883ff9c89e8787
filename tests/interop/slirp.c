/* slirp - a tcpsm_stack against libslirp's TCP, which descends from BSD's

   libslirp is the network behind a virtual machine's card: it ends each TCP
   connection of the guest itself and goes on with a socket of the host. Here
   the guest is a tcpsm_stack, the card is a few lines of Ethernet and ARP
   with netsim.h's trouble on the wire, and the sockets are loopback ones of
   this very program. The guest's and libslirp's time is virtual.

   Built by slirp.sh with -DSLIRP; otherwise it only says that it skips. */

#ifndef SLIRP
#include <stdio.h>
int main(void)
{
    puts("SKIP slirp: built without libslirp (make deps)\n"
         "0 passed, 0 failed, 1 skipped");
    return 0;
}
#else

#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <slirp/libslirp.h>
#include <sys/socket.h>
#include <unistd.h>
#include "netsim.h"

enum { RING = 100000, PACKET = 1600, ENDS = 64, MB = 1000000 };
#define MS ((tcpsm_time)1000)
#define SECOND ((tcpsm_time)1000000)

/* One end of a flow, the guest's (c), a socket of the host's (fd), or a
   service inside libslirp (forward). */
typedef struct end {
    tcpsm_conn *c;
    int fd, forward;
    struct end *other;
    uint32_t total, sent, got, seed;
    int shut, was_shut, eof, deaf, over, error;
} end;
enum { AFTER = 2 }; /* shut: not before the other's EOF */

static Slirp *slirp;
static tcpsm_stack *guest;
static void *guest_memory;
static struct tcpsm_counters counters;
static netsim net;
static uint64_t net_memory[NETSIM_WORDS(2000, PACKET)];
static tcpsm_time now;
static end ends[ENDS];
static int busy; /* something happened in this turn */
static int idle; /* how many turns ago it did */
static uint32_t ring;

static const uint8_t our_mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
static const uint8_t host_mac[6] = {0x52, 0x55, 10, 0, 2, 2};
static const uint8_t our_ip[4] = {10, 0, 2, 15};
static const uint8_t host_ip[4] = {10, 0, 2, 2};
static const uint8_t service_ip[4] = {10, 0, 2, 100};
static const uint8_t our_ip6[16] = {0xfe, 0xc0, [15] = 0x15};
static const uint8_t host_ip6[16] = {0xfe, 0xc0, [15] = 2};

/* ---- the card --------------------------------------------------------- */

static uint8_t frame[14 + PACKET], packet[PACKET];

/* A datagram of ours goes onto the wire. */
static void frame_in(const uint8_t *p, uint32_t n)
{
    memcpy(frame, host_mac, 6);
    memcpy(frame + 6, our_mac, 6);
    frame[12] = p[0] >> 4 == 6 ? 0x86 : 0x08;
    frame[13] = p[0] >> 4 == 6 ? 0xdd : 0x00;
    memcpy(frame + 14, p, n);
    slirp_input(slirp, frame, (int)(14 + n));
}

/* RFC 826: who has our address? We have. */
static void arp(const uint8_t *p)
{
    uint8_t a[42];

    if (p[21] != 1 || memcmp(p + 38, our_ip, 4) != 0)
        return;
    memcpy(a, p + 6, 6);
    memcpy(a + 6, our_mac, 6);
    memcpy(a + 12, p + 12, 8);
    a[20] = 0;
    a[21] = 2;
    memcpy(a + 22, our_mac, 6);
    memcpy(a + 28, our_ip, 4);
    memcpy(a + 32, p + 22, 10);
    slirp_input(slirp, a, sizeof a);
}

/* RFC 4861 s7.2.6: an unsolicited neighbour advertisement tells libslirp
   where our IPv6 address lives, so that it never has to ask. */
static void advertise(void)
{
    uint8_t p[72];
    uint32_t sum = 58 + 32, i;

    memset(p, 0, sizeof p);
    p[0] = 0x60;
    p[5] = 32;
    p[6] = 58;
    p[7] = 255;
    memcpy(p + 8, our_ip6, 16);
    memcpy(p + 24, host_ip6, 16);
    p[40] = 136;
    p[44] = 0x20;
    memcpy(p + 48, our_ip6, 16);
    p[64] = 2;
    p[65] = 1;
    memcpy(p + 66, our_mac, 6);
    for (i = 8; i < sizeof p; i += 2)
        sum += (uint32_t)p[i] << 8 | p[i + 1];
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = ~((sum & 0xFFFF) + (sum >> 16));
    p[42] = (uint8_t)(sum >> 8);
    p[43] = (uint8_t)sum;
    frame_in(p, sizeof p);
}

static ssize_t frame_out(const void *buf, size_t n, void *opaque)
{
    const uint8_t *p = (const uint8_t *)buf;

    (void)opaque;
    if (n >= 42 && p[12] == 8 && p[13] == 6)
        arp(p);
    else if (n > 14 && n <= 14 + PACKET) {
        netsim_send(&net, 1, p + 14, (uint32_t)(n - 14), 0, now);
        busy = 1;
    }
    return (ssize_t)n;
}

/* ---- what libslirp wants of us ---------------------------------------- */

static int64_t clock_ns(void *opaque)
{
    (void)opaque;
    return (int64_t)now * 1000;
}
static void guest_error(const char *what, void *opaque)
{
    (void)opaque;
    printf("# libslirp: %s\n", what);
}
static void *timer_new(SlirpTimerId id, void *arg, void *opaque)
{
    (void)id; /* router advertisements: nobody here listens */
    (void)arg;
    (void)opaque;
    return ends;
}
static void timer_free(void *timer, void *opaque)
{
    (void)timer;
    (void)opaque;
}
static void timer_mod(void *timer, int64_t at, void *opaque)
{
    (void)timer;
    (void)at;
    (void)opaque;
}
static void poll_fd(int fd, void *opaque)
{
    (void)fd;
    (void)opaque;
}
static void notify(void *opaque)
{
    (void)opaque;
    busy = 1;
}

static const SlirpCb callbacks = {
    .send_packet = frame_out,
    .guest_error = guest_error,
    .clock_get_ns = clock_ns,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = poll_fd,
    .unregister_poll_fd = poll_fd,
    .notify = notify,
    .timer_new_opaque = timer_new,
};

static struct pollfd fds[1024];
static int fds_n;

static int add_poll(int fd, int events, void *opaque)
{
    (void)opaque;
    CHECK(fds_n < 1024);
    fds[fds_n].fd = fd;
    fds[fds_n].events = (short)((events & SLIRP_POLL_IN ? POLLIN : 0) |
                                (events & SLIRP_POLL_OUT ? POLLOUT : 0) |
                                (events & SLIRP_POLL_PRI ? POLLPRI : 0));
    return fds_n++;
}

static int revents(int i, void *opaque)
{
    int r = fds[i].revents;

    (void)opaque;
    return (r & POLLIN ? SLIRP_POLL_IN : 0) |
           (r & POLLOUT ? SLIRP_POLL_OUT : 0) |
           (r & POLLPRI ? SLIRP_POLL_PRI : 0) |
           (r & POLLERR ? SLIRP_POLL_ERR : 0) |
           (r & POLLHUP ? SLIRP_POLL_HUP : 0);
}

/* Returns how long libslirp can wait, in us of virtual time. real_ms: how
   long its sockets may take in fact. */
static tcpsm_time slirp_turn(int real_ms)
{
    uint32_t ms = 500;
    int n;

    fds_n = 0;
    slirp_pollfds_fill(slirp, &ms, add_poll, NULL);
    n = poll(fds, (nfds_t)fds_n, real_ms);
    slirp_pollfds_poll(slirp, n < 0, revents, NULL);
    return (tcpsm_time)ms * MS;
}

/* ---- the ends --------------------------------------------------------- */

static uint8_t pattern(const end *e, uint32_t at)
{
    return (uint8_t)((at * 2654435761u + e->seed * 40503u) >> 13);
}

static void pattern_check(end *e, const uint8_t *p, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++, e->got++)
        if (p[i] != pattern(e->other, e->got))
            FAIL("byte %u of a stream is wrong", e->got);
    busy |= n != 0;
}

static uint32_t pattern_fill(const end *e, uint8_t *p, uint32_t cap)
{
    uint32_t n = e->total - e->sent, i;

    n = n < cap ? n : cap;
    for (i = 0; i < n; i++)
        p[i] = pattern(e, e->sent + i);
    return n;
}

static int may_shut(const end *e)
{
    return !e->was_shut && (e->shut == 1 || (e->shut == AFTER && e->eof));
}

static void guest_serve(end *e)
{
    uint8_t buf[4096];
    tcpsm_ret n = 0;

    while (!e->deaf && (n = tcpsm_receive(e->c, buf, sizeof buf)) > 0)
        pattern_check(e, buf, (size_t)n);
    if (n == TCPSM_E_EOF)
        e->eof = 1;
    else if (n < 0 && n != TCPSM_E_CLOSED)
        e->error = n;
    if (n < 0 && n != TCPSM_E_EOF)
        return;
    while (e->sent < e->total) {
        n = tcpsm_send(e->c, buf, pattern_fill(e, buf, sizeof buf), 0);
        if (n <= 0)
            return;
        e->sent += (uint32_t)n;
        busy = 1;
    }
    if (may_shut(e) && tcpsm_shutdown(e->c) == 0)
        e->was_shut = 1;
}

static void host_serve(end *e)
{
    uint8_t buf[16384];
    uint32_t k;
    ssize_t n = 0;

    while (!e->deaf && !e->eof && (n = recv(e->fd, buf, sizeof buf, 0)) > 0)
        pattern_check(e, buf, (size_t)n);
    if (!e->deaf && !e->eof && n == 0)
        e->eof = busy = 1;
    if (n < 0 && errno != EAGAIN)
        e->error = errno;
    while (e->error == 0 && e->sent < e->total) {
        k = pattern_fill(e, buf, sizeof buf);
        n = send(e->fd, buf, k, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            e->error = errno;
        if (n <= 0)
            return;
        e->sent += (uint32_t)n;
        busy = 1;
    }
    if (may_shut(e)) {
        shutdown(e->fd, SHUT_WR);
        e->was_shut = busy = 1;
    }
}

static struct in_addr service(void)
{
    struct in_addr a;

    memcpy(&a, service_ip, 4);
    return a;
}

static void service_serve(end *e)
{
    uint8_t buf[16384];
    size_t room = slirp_socket_can_recv(slirp, service(), e->forward);
    uint32_t k;

    if (room == 0 || e->sent == e->total)
        return;
    k = pattern_fill(
        e, buf, room < sizeof buf ? (uint32_t)room : (uint32_t)sizeof buf);
    slirp_socket_recv(slirp, service(), e->forward, buf, (int)k);
    e->sent += k;
    busy = 1;
}

static ssize_t service_write(const void *p, size_t n, void *opaque)
{
    pattern_check((end *)opaque, (const uint8_t *)p, n);
    return (ssize_t)n;
}

static end *end_new(void)
{
    int i;

    for (i = 0; i < ENDS; i++)
        if (ends[i].c == NULL && ends[i].fd < 0 && ends[i].forward == 0) {
            memset(&ends[i], 0, sizeof ends[i]);
            ends[i].fd = -1;
            ends[i].seed = (uint32_t)i + 1;
            return &ends[i];
        }
    FAIL("too many ends");
}

static void join(end *a, end *b)
{
    a->other = b;
    b->other = a;
}

/* ---- time ------------------------------------------------------------- */

static void guest_output(void)
{
    tcpsm_out out = TCPSM_ZERO;
    tcpsm_ret n;

    do {
        out.buf = packet;
        out.cap = sizeof packet;
        n = tcpsm_ip_output(guest, &out, now);
        CHECK_GE(n, 0);
        if (n > 0) {
            netsim_send(&net, 0, packet, (uint32_t)n, 0, now);
            busy = 1;
        }
    } while (n > 0);
}

static void guest_turn(void)
{
    tcpsm_conn *c;
    uint32_t events;
    int i, turns = 0;

    do {
        while ((c = tcpsm_stack_next(guest, &events)) != NULL)
            if ((events & TCPSM_EV_DONE) != 0 && tcpsm_user(c) != NULL)
                ((end *)tcpsm_user(c))->over = busy = 1;
        for (i = 0; i < ENDS; i++)
            if (ends[i].c != NULL && ends[i].other != NULL)
                guest_serve(&ends[i]);
        guest_output();
        CHECK(++turns < 100);
    } while (tcpsm_stack_deadline(guest) <= now);
    CHECK_EQ(tcpsm_stack_check(guest), 0);
}

static void arrivals(void)
{
    tcpsm_in in;
    uint32_t n;

    while ((n = netsim_receive(&net, 0, packet, sizeof packet, now, NULL))) {
        frame_in(packet, n);
        busy = 1;
    }
    while ((n = netsim_receive(&net, 1, packet, sizeof packet, now, NULL))) {
        memset(&in, 0, sizeof in);
        CHECK_EQ(tcpsm_ip_input(guest, packet, n, &in, now), 0);
        busy = 1;
    }
}

static void turn(void)
{
    tcpsm_time next, wait;
    int i;

    busy = 0;
    arrivals();
    guest_turn();
    wait = slirp_turn(0);
    for (i = 0; i < ENDS; i++)
        if (ends[i].fd >= 0)
            host_serve(&ends[i]);
        else if (ends[i].forward != 0)
            service_serve(&ends[i]);
    idle = busy ? 0 : idle + 1;
    if (busy)
        return;
    next = netsim_next(&net);
    if (next == NETSIM_NEVER) {
        /* The kernel's loopback needs no time to speak of, but some. */
        slirp_turn(1);
        wait = idle < 5 ? MS : wait;
    }
    wait = wait > MS ? wait : MS;
    next = next < now + wait ? next : now + wait;
    wait = tcpsm_stack_deadline(guest);
    next = next < wait ? next : wait;
    now = next > now ? next : now;
}

static void run(tcpsm_time us)
{
    tcpsm_time limit = now + us;

    while (now < limit)
        turn();
}

/* ---- the scene -------------------------------------------------------- */

static void finish(void)
{
    int i;

    for (i = 0; i < ENDS; i++) {
        if (ends[i].fd >= 0)
            close(ends[i].fd);
        memset(&ends[i], 0, sizeof ends[i]);
        ends[i].fd = -1;
    }
    if (slirp != NULL)
        slirp_cleanup(slirp);
    slirp = NULL;
    free(guest_memory);
    guest_memory = NULL;
}

static void own(const uint8_t *ip, uint8_t family, uint8_t prefix)
{
    tcpsm_tuple t = TCPSM_ZERO;

    t.family = family;
    memcpy(t.local, ip, family == 4 ? 4 : 16);
    CHECK_EQ(tcpsm_stack_address(guest, &t, prefix, 1), 0);
}

static void start_rings(uint32_t bytes)
{
    tcpsm_stack_config cfg = TCPSM_ZERO;
    SlirpConfig s;
    size_t size;

    finish();
    signal(SIGPIPE, SIG_IGN); /* libslirp writes to sockets as it pleases */
    ring = bytes;
    now = 5 * SECOND;
    netsim_init(&net, 3, net_memory, sizeof net_memory, PACKET);
    net.link[0].delay_us = net.link[1].delay_us = 2 * MS;
    memset(&counters, 0, sizeof counters);
    cfg.conns = ENDS;
    cfg.rcv_ring = cfg.snd_ring = bytes;
    cfg.conn.counters = &counters;
    cfg.conn.rto_min_us = 1000000; /* libslirp delays ACKs for 200 ms */
    memset(cfg.conn.key, 0x5A, 16);
    size = tcpsm_stack_size(&cfg);
    guest_memory = malloc(size);
    CHECK(guest_memory != NULL);
    CHECK_EQ(tcpsm_stack_init(&guest, guest_memory, size, &cfg, now), 0);
    own(our_ip, 4, 24);
    own(our_ip6, 6, 64);
    memset(&s, 0, sizeof s);
    s.version = 4;
    s.in_enabled = s.in6_enabled = true;
    inet_pton(AF_INET, "10.0.2.0", &s.vnetwork);
    inet_pton(AF_INET, "255.255.255.0", &s.vnetmask);
    inet_pton(AF_INET, "10.0.2.3", &s.vnameserver);
    inet_pton(AF_INET, "10.0.2.15", &s.vdhcp_start);
    inet_pton(AF_INET6, "fec0::", &s.vprefix_addr6);
    inet_pton(AF_INET6, "fec0::3", &s.vnameserver6);
    memcpy(&s.vhost, host_ip, 4);
    memcpy(&s.vhost6, host_ip6, 16);
    s.vprefix_len = 64;
    s.disable_dns = s.disable_dhcp = true;
    slirp = slirp_new(&s, &callbacks, NULL);
    CHECK(slirp != NULL);
    advertise();
}

static void start(void)
{
    start_rings(RING);
}

static void rough(void)
{
    int i;

    for (i = 0; i < 2; i++) {
        net.link[i].loss_ppm = 15000;
        net.link[i].reorder_ppm = 20000;
        net.link[i].reorder_us = 7 * MS;
        net.link[i].copy_ppm = 10000;
        net.link[i].corrupt_ppm = 3000;
        net.link[i].corrupt_skip = 20;
    }
}

/* A socket of the host's on loopback, bound to a port of its own */
static int host_socket(int family, uint16_t *port)
{
    union {
        struct sockaddr a;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } u;
    socklen_t n = family == 6 ? sizeof u.v6 : sizeof u.v4;
    int fd = socket(family == 6 ? AF_INET6 : AF_INET,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    memset(&u, 0, sizeof u);
    u.a.sa_family = family == 6 ? AF_INET6 : AF_INET;
    if (family == 6)
        u.v6.sin6_addr = in6addr_loopback;
    else
        u.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, &u.a, n) != 0) {
        close(fd);
        return -1;
    }
    CHECK_EQ(getsockname(fd, &u.a, &n), 0);
    *port = ntohs(family == 6 ? u.v6.sin6_port : u.v4.sin_port);
    return fd;
}

static end *guest_dial(const uint8_t *ip, int family, int port)
{
    tcpsm_tuple t = TCPSM_ZERO;
    end *e = end_new();

    t.family = (uint8_t)family;
    memcpy(t.remote, ip, family == 4 ? 4 : 16);
    t.remote_port = (uint16_t)port;
    CHECK_EQ(tcpsm_stack_connect(guest, &t, NULL, &e->c, now), 0);
    tcpsm_set_user(e->c, e);
    return e;
}

/* The guest connects to a server on the host's loopback. */
static end *guest_to_host(int family)
{
    end *e, *h;
    uint16_t port;
    int listener = host_socket(family, &port), fd = -1;
    tcpsm_time limit = now + 10 * SECOND;

    if (listener < 0)
        SKIP("no IPv%d on loopback", family);
    CHECK_EQ(listen(listener, 5), 0);
    e = guest_dial(family == 6 ? host_ip6 : host_ip, family, port);
    while (now < limit && (fd = accept4(listener, NULL, NULL,
                                        SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
        turn();
    CHECK(fd >= 0);
    close(listener);
    h = end_new();
    h->fd = fd;
    join(e, h);
    run(100 * MS);
    CHECK_EQ(tcpsm_state(e->c), TCPSM_ESTABLISHED);
    return e;
}

/* libslirp listens on the host for the guest: its port */
static uint16_t forwarded(uint16_t guest_port)
{
    struct in_addr host, us;
    uint16_t port = 0;
    int tries, fd;

    host.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&us, our_ip, 4);
    for (tries = 0; tries < 20; tries++) {
        fd = host_socket(4, &port);
        CHECK(fd >= 0);
        close(fd);
        if (slirp_add_hostfwd(slirp, 0, host, port, us, guest_port) == 0)
            return port;
    }
    FAIL("no port for slirp_add_hostfwd");
}

static end *host_dial(uint16_t port)
{
    struct sockaddr_in a;
    uint16_t own_port;
    end *h = end_new();

    h->fd = host_socket(4, &own_port);
    memset(&a, 0, sizeof a);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons(port);
    CHECK(connect(h->fd, (struct sockaddr *)(void *)&a, sizeof a) == 0 ||
          errno == EINPROGRESS);
    return h;
}

/* A program on the host connects to the guest's listener. */
static end *host_to_guest(void)
{
    tcpsm_tuple t = TCPSM_ZERO;
    tcpsm_time limit = now + 10 * SECOND;
    tcpsm_ret l;
    uint16_t port;
    end *e, *h;

    t.local_port = 80;
    CHECK_GE(tcpsm_stack_listen(guest, &t, 0, 0, NULL), 0);
    port = forwarded(80);
    h = host_dial(port);
    e = end_new();
    while (now < limit && (e->c = tcpsm_stack_accept(guest, &l)) == NULL)
        turn();
    CHECK(e->c != NULL);
    tcpsm_set_user(e->c, e);
    join(e, h);
    return e;
}

/* The guest connects to a service within libslirp. */
static end *guest_to_service(void)
{
    struct in_addr a = service();
    end *e, *s = end_new();

    s->forward = 7;
    CHECK_EQ(slirp_add_guestfwd(slirp, service_write, s, &a, 7), 0);
    e = guest_dial(service_ip, 4, 7);
    join(e, s);
    run(100 * MS);
    CHECK_EQ(tcpsm_state(e->c), TCPSM_ESTABLISHED);
    return e;
}

static int arrived(const end *e)
{
    return e->got == e->other->total && e->other->got == e->total;
}

static void until_arrived(const end *e, tcpsm_time us)
{
    tcpsm_time limit = now + us;

    while (!arrived(e) && now < limit)
        turn();
    CONTEXT("guest got %u of %u, the other %u of %u; errors %d, %d", e->got,
            e->other->total, e->other->got, e->total, e->error,
            e->other->error);
    CHECK(arrived(e));
}

/* Everything, both FINs, and nothing amiss at the end */
static void until_over(const end *e, tcpsm_time us)
{
    tcpsm_time limit = now + us;

    until_arrived(e, us);
    while (!(e->over && e->eof && e->other->eof) && now < limit)
        turn();
    CHECK(e->over);
    CHECK(e->eof);
    CHECK(e->other->eof);
    CHECK_EQ(e->error, 0);
    CHECK_EQ(e->other->error, 0);
    CHECK_EQ(tcpsm_error(e->c), 0);
}

static void exchange(end *e, uint32_t out, uint32_t in)
{
    e->total = out;
    e->other->total = in;
    if (!e->shut && !e->other->shut) {
        e->shut = 1;
        e->other->shut = AFTER;
    }
    until_over(e, 900 * SECOND);
}

static void undisturbed(void)
{
    struct tcpsm_stack_info s;

    tcpsm_stack_status(guest, &s);
    CHECK_EQ(counters.retransmits, 0);
    CHECK_EQ(counters.out_of_order, 0);
    CHECK_EQ(counters.challenges, 0);
    CHECK_EQ(counters.failed, 0);
    CHECK_EQ(s.resets, 0);
}

/* ---- tests ------------------------------------------------------------ */

TEST(guest_connects_ipv4)
{
    start();
    exchange(guest_to_host(4), 4 * MB, 4 * MB);
    undisturbed();
}

TEST(guest_connects_ipv6)
{
    start();
    exchange(guest_to_host(6), 4 * MB, 4 * MB);
    undisturbed();
}

TEST(host_connects)
{
    start();
    exchange(host_to_guest(), 4 * MB, 4 * MB);
    undisturbed();
}

TEST(service_in_libslirp)
{
    end *e;

    start();
    e = guest_to_service();
    e->total = 3 * MB;
    e->other->total = 3 * MB;
    until_arrived(e, 900 * SECOND);
    undisturbed();
}

TEST(one_way_out)
{
    start();
    exchange(guest_to_host(4), 8 * MB, 0);
    undisturbed();
}

TEST(one_way_in)
{
    start();
    exchange(guest_to_host(4), 0, 8 * MB);
    undisturbed();
}

/* One side is done; the other still has all of it to send. */
TEST(half_close_by_guest)
{
    end *e;

    start();
    e = guest_to_host(4);
    e->total = 1000;
    e->shut = 1;
    run(SECOND);
    CHECK(e->other->eof);
    CHECK_EQ(tcpsm_state(e->c), TCPSM_FIN_WAIT_2);
    e->other->shut = 1;
    exchange(e, 1000, 2 * MB);
    undisturbed();
}

TEST(half_close_by_host)
{
    end *e;

    start();
    e = host_to_guest();
    e->other->total = 1000;
    e->other->shut = 1;
    run(SECOND);
    CHECK(e->eof);
    CHECK_EQ(tcpsm_state(e->c), TCPSM_CLOSE_WAIT);
    e->shut = 1;
    exchange(e, 2 * MB, 1000);
    undisturbed();
}

/* RFC 9293 figure 13. libslirp acknowledges our FIN with its own FIN once
   more, of which we know already: an unacceptable segment, so its ACK does
   not count (s3.10.7.4), and our FIN goes out again. */
TEST(both_close_at_once)
{
    end *e;

    start();
    e = guest_to_host(4);
    e->shut = e->other->shut = 1;
    exchange(e, 0, 0);
    e = host_to_guest();
    e->shut = e->other->shut = 1;
    exchange(e, 0, 0);
    CHECK(counters.retransmits <= 2);
    CHECK_EQ(counters.failed, 0);
}

TEST(reset_by_guest)
{
    end *e;

    start();
    e = guest_to_host(4);
    e->total = e->other->total = 8 * MB;
    run(50 * MS);
    CHECK(e->got > 0 && e->got < e->other->total);
    CHECK_EQ(tcpsm_abort(e->c), 0);
    run(2 * SECOND);
    CHECK(e->over);
    CHECK(e->other->eof || e->other->error != 0);
}

TEST(reset_by_host)
{
    struct linger hard = {1, 0};
    end *e;

    start();
    e = guest_to_host(4);
    e->total = e->other->total = 8 * MB;
    run(50 * MS);
    CHECK(e->got > 0 && e->got < e->other->total);
    setsockopt(e->other->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(e->other->fd);
    e->other->fd = -1;
    run(5 * SECOND);
    /* libslirp makes a FIN of it, and sends what it had behind that. */
    CHECK(e->eof || e->error == TCPSM_E_RESET);
    CHECK(e->got < e->other->total);
    (void)tcpsm_abort(e->c);
    run(SECOND);
    CHECK(e->over);
}

TEST(refused_by_host)
{
    uint16_t port;
    end *e;
    int fd;

    start();
    fd = host_socket(4, &port); /* bound, but nobody listens */
    e = guest_dial(host_ip, 4, port);
    join(e, e);
    run(2 * SECOND);
    close(fd);
    CHECK_EQ(e->error, TCPSM_E_REFUSED);
    CHECK(e->over);
}

TEST(refused_by_guest)
{
    struct tcpsm_stack_info s;
    end *h;

    start();
    h = host_dial(forwarded(81));
    join(h, h);
    run(2 * SECOND);
    CHECK(h->eof || h->error != 0);
    tcpsm_stack_status(guest, &s);
    CHECK_EQ(s.resets, 1);
}

/* A reader that stops shuts the window; probes keep it from being
   forgotten (RFC9293-MUST-36, RFC9293-MUST-37). */
TEST(guest_stops_reading)
{
    end *e;

    start();
    e = guest_to_host(4);
    e->deaf = 1;
    e->other->total = 3 * MB;
    run(60 * SECOND);
    CHECK_EQ(e->got, 0);
    e->deaf = 0;
    exchange(e, MB, 3 * MB);
}

TEST(host_stops_reading)
{
    end *e;

    start();
    e = guest_to_host(4);
    e->other->deaf = 1;
    e->total = 20 * MB;
    run(60 * SECOND);
    CHECK(e->sent < e->total);
    /* The news that the window is open is lost: a probe must ask. */
    net.link[1].loss_ppm = 1000000;
    e->other->deaf = 0;
    run(500 * MS);
    net.link[1].loss_ppm = 0;
    exchange(e, 20 * MB, 0); /* the other has nothing to say */
}

TEST(tiny_rings)
{
    start_rings(1000);
    exchange(guest_to_host(4), 100000, 100000);
    exchange(host_to_guest(), 100000, 100000);
}

TEST(many_at_once)
{
    enum { N = 24 };
    end *e[N];
    int i;

    start();
    for (i = 0; i < N; i++) {
        e[i] = guest_to_host(i & 1 ? 6 : 4);
        e[i]->total = 200000;
        e[i]->other->total = 300000;
        e[i]->shut = e[i]->other->shut = 1;
    }
    for (i = 0; i < N; i++)
        until_over(e[i], 900 * SECOND);
    undisturbed();
}

/* Lost, late, doubled and damaged */
TEST(rough_guest_connects_ipv4)
{
    end *e;

    start();
    e = guest_to_host(4);
    rough();
    exchange(e, MB, MB);
    CHECK(counters.retransmits > 0);
    CHECK(counters.out_of_order > 0);
    CHECK(counters.drops[TCPSM_DROP_CHECKSUM] > 0);
}

TEST(rough_guest_connects_ipv6)
{
    end *e;

    start();
    e = guest_to_host(6);
    rough();
    exchange(e, MB, MB);
}

TEST(rough_host_connects)
{
    start();
    rough();
    exchange(host_to_guest(), MB, MB);
}

TEST(rough_service)
{
    end *e;

    start();
    rough();
    e = guest_to_service();
    e->total = e->other->total = MB;
    until_arrived(e, 900 * SECOND);
}

TEST(rough_tiny_rings)
{
    start_rings(3000);
    rough();
    exchange(guest_to_host(4), 100000, 100000);
    finish();
}
#endif
