/* stackpair.h - stacks, and peers for them, in virtual time - 0BSD

   Three things, one on top of the other. Include after test.h and tcpsm.h.

   A host is a tcpsm_stack in memory of its own, at any alignment, with
   guard bytes around it; what it sends is taken apart and may be kept:

       static sp_host h;
       tcpsm_stack_config cfg = sp_config(100);     // 100 connections
       sp_up(&h, &cfg, 3, SP_SECOND);               // block at 64 k + 3
       l = sp_listen(&h, 80, 0);
       n = sp_drain(&h);                            // h.log[], h.log_n
       sp_look(&h);                                 // laws, see there
       sp_down(&h);                                 // guard bytes intact?

   A ghost is a peer made by hand: it has sequence numbers and nothing
   else, and says only what it is told to say. Ghost i is 10.0.0.2 port
   10000 + i, and the host 10.0.0.1.

       static sp_ghost g[100];                      // h.ghosts = g first
       c = sp_meet(&h, &g[0], 0, 80);               // accepted by h
       sp_say(&h, &g[0], PAIR_ACK, "hello", 5);
       sp_call(&h, &g[1], 1);                       // h connects to it

   A net joins two hosts, or a host and layer 1 connections, by netsim.h:

       static sp_net n;
       sp_net_up(&n, &cfg_a, &cfg_b, seed);
       n.app = what_to_do;   // after each step of a side
       sp_net_run(&n, 5 * SP_SECOND);

   Time moves only in sp_idle, sp_net_run and where you set h.now. */

#ifndef STACKPAIR_H
#define STACKPAIR_H

#include <stdlib.h>

#include "pair.h"

#define SP_FN NETSIM_FN
#define SP_MS ((tcpsm_time)1000)
#define SP_SECOND ((tcpsm_time)1000000)
#define SP_HOUR (3600 * SP_SECOND)
#define SP_DAY (24 * SP_HOUR)
#define SP_GUARD 256u
#define SP_LOG 4096u
#define SP_PORT 10000u /* of ghost 0 */

typedef struct {
    tcpsm_time at;
    tcpsm_tuple tuple; /* local: the host */
    tcpsm_conn *conn;
    pair_segment s; /* its payload pointer is dead */
    uint8_t first;  /* byte of payload */
} sp_sent;

typedef struct {
    uint32_t seq, ack; /* next to send, next expected */
    uint32_t got;      /* payload bytes in order */
    uint32_t segments; /* that came for it */
    uint16_t wnd, port, to;
    uint8_t flags;  /* of the last segment */
    uint8_t fin;    /* the host's FIN has come */
    uint8_t answer; /* acknowledge what comes, at once */
    tcpsm_conn *c;  /* the host's side */
} sp_ghost;

typedef struct sp_host {
    tcpsm_stack *st;
    tcpsm_stack_config cfg;
    tcpsm_time now;
    uint8_t *raw, *block;
    size_t size;
    sp_ghost *ghosts;
    uint32_t ghost_n;
    sp_sent *log; /* the last SP_LOG segments of a drain */
    uint32_t log_n;
    uint64_t digest; /* of every byte sent and its time */
    uint64_t sent;
    tcpsm_in in; /* the last one */
    uint32_t cap;
    uint8_t out[65536], seg[2048];
} sp_host;

/* ---- a host ----------------------------------------------------------- */

SP_FN tcpsm_stack_config sp_config(uint32_t conns)
{
    tcpsm_stack_config cfg;
    memset(&cfg, 0, sizeof cfg);
    memset(cfg.conn.key, 0xC3, sizeof cfg.conn.key);
    cfg.conns = conns;
    cfg.rcv_ring = cfg.snd_ring = 4096;
    return cfg;
}

SP_FN void sp_address(tcpsm_tuple *t, int host)
{
    static const uint8_t net[4] = {10, 0, 0, 0};
    memset(t, 0, sizeof *t);
    t->family = 4;
    memcpy(t->local, net, 4);
    memcpy(t->remote, net, 4);
    t->local[3] = (uint8_t)(host + 1);
    t->remote[3] = (uint8_t)(2 - host);
}

SP_FN void sp_guard(const sp_host *h)
{
    const uint8_t *p;
    for (p = h->raw; p < h->block; p++)
        CHECKF(*p == 0xA5, "%ld bytes before the block",
               (long)(h->block - p));
    for (p = h->block + h->size; p < h->block + h->size + SP_GUARD; p++)
        CHECKF(*p == 0xA5, "%ld bytes after the block",
               (long)(p - h->block) - (long)h->size);
}

/* A stack at an address that is `offset` modulo 64, in memory that holds
   junk. host 0 is 10.0.0.1, host 1 10.0.0.2. */
SP_FN void sp_up_as(sp_host *h, const tcpsm_stack_config *cfg,
                    uint32_t offset, tcpsm_time now, int host)
{
    sp_sent *log = h->log;
    tcpsm_tuple t;
    uint8_t *p;
    free(h->raw); /* a test before this one may have failed */
    memset(h, 0, sizeof *h);
    h->cfg = *cfg;
    h->now = now;
    h->cap = 1500;
    h->log = log ? log : (sp_sent *)malloc(SP_LOG * sizeof *h->log);
    h->size = tcpsm_stack_size(cfg);
    CHECK(h->size > 0);
    h->raw = (uint8_t *)malloc(h->size + 2 * SP_GUARD + 64);
    CHECK(h->raw != NULL && h->log != NULL);
    memset(h->raw, 0xA5, h->size + 2 * SP_GUARD + 64);
    for (p = h->raw + SP_GUARD; ((uintptr_t)p & 63) != offset;)
        p++;
    h->block = p;
    memset(p, 0x5A, h->size);
    CHECK_EQ(tcpsm_stack_init(&h->st, p, h->size, cfg, now), 0);
    sp_address(&t, host);
    memset(t.remote, 0, sizeof t.remote);
    CHECK_EQ(tcpsm_stack_address(h->st, &t, 24, 1), 0);
}

SP_FN void sp_up(sp_host *h, const tcpsm_stack_config *cfg, uint32_t offset,
                 tcpsm_time now)
{
    sp_up_as(h, cfg, offset, now, 0);
}

SP_FN void sp_down(sp_host *h)
{
    CHECK_EQ(tcpsm_stack_check(h->st), 0);
    sp_guard(h);
    free(h->raw);
    free(h->log);
    memset(h, 0, sizeof *h);
}

SP_FN tcpsm_ret sp_listen(sp_host *h, uint16_t port, uint32_t backlog)
{
    tcpsm_tuple t;
    tcpsm_ret l;
    memset(&t, 0, sizeof t);
    t.local_port = port;
    l = tcpsm_stack_listen(h->st, &t, backlog, 0, NULL);
    CHECKF(l >= 0, "tcpsm_stack_listen: %d", (int)l);
    return l;
}

SP_FN struct tcpsm_stack_info sp_info(const sp_host *h)
{
    struct tcpsm_stack_info i;
    tcpsm_stack_status(h->st, &i);
    return i;
}

/* The earliest deadline of all connections, by asking each. */
SP_FN tcpsm_time sp_earliest(const sp_host *h)
{
    tcpsm_time best = TCPSM_NEVER, d;
    uint32_t at = 0;
    tcpsm_conn *c;
    while ((c = tcpsm_stack_walk(h->st, &at)) != NULL)
        if ((d = tcpsm_deadline(c)) < best)
            best = d;
    return best;
}

/* Law 3, never late; and every invariant. */
SP_FN void sp_look(const sp_host *h)
{
    tcpsm_time d = tcpsm_stack_deadline(h->st), e = sp_earliest(h);
    tcpsm_ret r = tcpsm_stack_check(h->st);
    CHECKF(r == 0, "tcpsm_stack_check: %d", (int)r);
    CHECKF(d <= e,
           "late: the deadline is %llu, a connection's %llu, now %llu",
           (unsigned long long)d, (unsigned long long)e,
           (unsigned long long)h->now);
}

SP_FN void sp__digest(sp_host *h, const void *bytes, size_t n)
{
    const uint8_t *p = (const uint8_t *)bytes;
    size_t i;
    for (i = 0; i < n; i++)
        h->digest = (h->digest ^ p[i]) * 0x100000001B3u;
}

SP_FN void sp_say(sp_host *h, sp_ghost *g, uint32_t flags, const void *data,
                  uint32_t n);

/* What a ghost learns from a segment */
SP_FN void sp__heard(sp_host *h, const sp_sent *x)
{
    uint32_t i = (uint32_t)x->tuple.remote_port - SP_PORT, n;
    sp_ghost *g;
    if (h->ghosts == NULL || i >= h->ghost_n)
        return;
    g = &h->ghosts[i];
    g->segments++;
    g->flags = x->s.flags;
    if (x->s.flags & PAIR_RST)
        return;
    if (x->s.flags & PAIR_SYN)
        g->ack = x->s.seq;
    n = x->s.len + !!(x->s.flags & PAIR_SYN) + !!(x->s.flags & PAIR_FIN);
    if (n == 0 && !(g->answer && x->s.seq == g->ack - 1))
        return;
    if (x->s.seq == g->ack) {
        g->ack += n;
        g->got += x->s.len;
        g->fin |= !!(x->s.flags & PAIR_FIN);
    }
    if (g->answer && !(x->s.flags & PAIR_SYN))
        sp_say(h, g, PAIR_ACK, NULL, 0);
}

/* One call of tcpsm_stack_output; its result. What was sent is checked,
   logged and heard by its ghost. */
SP_FN tcpsm_ret sp_output(sp_host *h)
{
    sp_sent *x = &h->log[h->log_n % SP_LOG];
    tcpsm_out o;
    tcpsm_ret n;
    memset(&o, 0, sizeof o);
    o.buf = h->out;
    o.cap = h->cap;
    n = tcpsm_stack_output(h->st, &o, h->now);
    if (n <= 0)
        return n;
    memset(x, 0, sizeof *x);
    x->at = h->now;
    x->tuple = o.tuple;
    x->conn = o.conn;
    CHECK_EQ(pair_parse(&x->s, h->out, (uint32_t)n), 0);
    CHECK_EQ(x->s.hdr_len, o.hdr_len);
    CHECK_EQ(x->s.sport, o.tuple.local_port);
    CHECK_EQ(x->s.dport, o.tuple.remote_port);
    CHECK_EQ(pair_checksum(&o.tuple, h->out, (uint32_t)n), 0);
    CHECK(o.ttl != 0);
    x->first = x->s.len ? *x->s.payload : 0;
    x->s.payload = NULL;
    h->log_n++;
    h->sent++;
    sp__digest(h, &h->now, sizeof h->now);
    sp__digest(h, &o.tuple, sizeof o.tuple);
    sp__digest(h, h->out, (size_t)n);
    sp__heard(h, x);
    return n;
}

/* Output until there is nothing to send now; how many were sent. They are
   in log[0 ..] (the last SP_LOG). Ends only when the deadline has passed:
   0 with a deadline of at once means that there is more to do. */
SP_FN uint32_t sp_drain(sp_host *h)
{
    uint32_t idle = 0;
    tcpsm_ret n;
    h->log_n = 0;
    for (;;) {
        n = sp_output(h);
        CHECKF(n >= 0, "tcpsm_stack_output: %d", (int)n);
        if (n > 0) {
            idle = 0;
            CHECKF(h->log_n < 100000u, "output never ends");
            continue;
        }
        if (tcpsm_stack_deadline(h->st) > h->now)
            return h->log_n;
        if (idle > 63)
            return h->log_n; /* it waits for next(): that is no work */
        idle++;
    }
}

/* A round of events: how many; the last connection and its bits. */
SP_FN uint32_t sp_news(sp_host *h, tcpsm_conn **c, uint32_t *ev)
{
    tcpsm_conn *last = NULL, *x;
    uint32_t n = 0, taken = 0, e = 0;
    while ((x = tcpsm_stack_next(h->st, &e)) != NULL) {
        last = x;
        taken = e;
        CHECKF(++n <= h->cfg.conns, "the round does not end");
    }
    if (c)
        *c = last;
    if (ev)
        *ev = taken;
    return n;
}

/* Rounds of events and output until there is nothing to do now. */
SP_FN void sp_quiet(sp_host *h)
{
    uint32_t turn = 0;
    do {
        (void)sp_news(h, NULL, NULL);
        sp_drain(h);
        CHECKF(++turn < 1000, "it never comes to rest");
    } while (tcpsm_stack_deadline(h->st) <= h->now);
}

/* ---- ghosts ----------------------------------------------------------- */

SP_FN void sp_ghost_init(sp_ghost *g, uint32_t i, uint16_t to)
{
    memset(g, 0, sizeof *g);
    g->port = (uint16_t)(SP_PORT + i);
    g->to = to;
    g->seq = i * 100003u + 7;
    g->wnd = 65535;
}

/* Writes a ghost's segment into buf (2048 bytes); its length. opt: whole
   words of options. */
SP_FN uint32_t sp_write(uint8_t *buf, const sp_ghost *g, uint32_t seq,
                        uint32_t ack, uint32_t flags, const uint8_t *opt,
                        uint32_t opt_n, const void *data, uint32_t n)
{
    tcpsm_tuple t;
    sp_address(&t, 0);
    memset(buf, 0, 20);
    pair_put16(buf, g->port);
    pair_put16(buf + 2, g->to);
    pair_put32(buf + 4, seq);
    pair_put32(buf + 8, flags & PAIR_ACK ? ack : 0);
    buf[12] = (uint8_t)((5 + opt_n / 4) << 4);
    buf[13] = (uint8_t)flags;
    pair_put16(buf + 14, g->wnd);
    if (opt_n)
        memcpy(buf + 20, opt, opt_n);
    if (n)
        memcpy(buf + 20 + opt_n, data, n);
    pair_set_checksum(&t, buf, 20 + opt_n + n);
    return 20 + opt_n + n;
}

SP_FN void sp_in(tcpsm_in *in, const void *seg, uint32_t n)
{
    static const uint8_t host[4] = {10, 0, 0, 1}, ghost[4] = {10, 0, 0, 2};
    memset(in, 0, sizeof *in);
    in->src = ghost;
    in->dst = host;
    in->data = seg;
    in->len = n;
    in->family = 4;
}

/* A segment with numbers of your choice; what input returned (and h->in) */
SP_FN tcpsm_ret sp_raw(sp_host *h, const sp_ghost *g, uint32_t seq,
                       uint32_t ack, uint32_t flags, const void *data,
                       uint32_t n)
{
    static const uint8_t mss[4] = {2, 4, 1460 >> 8, 1460 & 255};
    sp_in(&h->in, h->seg,
          sp_write(h->seg, g, seq, ack, flags, mss, flags & PAIR_SYN ? 4 : 0,
                   data, n));
    return tcpsm_stack_input(h->st, &h->in, h->now);
}

/* The next segment of the ghost; its numbers move on. */
SP_FN void sp_say(sp_host *h, sp_ghost *g, uint32_t flags, const void *data,
                  uint32_t n)
{
    tcpsm_ret r = sp_raw(h, g, g->seq, g->ack, flags, data, n);
    CHECKF(r == 0 || r == TCPSM_E_RING, "tcpsm_stack_input: %d", (int)r);
    if (r == 0)
        g->seq += n + !!(flags & PAIR_SYN) + !!(flags & PAIR_FIN);
}

/* The ghost connects to the host's port; the host accepts. */
SP_FN tcpsm_conn *sp_meet(sp_host *h, sp_ghost *g, uint32_t i, uint16_t port)
{
    sp_ghost_init(g, i, port);
    sp_say(h, g, PAIR_SYN, NULL, 0);
    sp_drain(h);
    CHECK_EQ(g->flags, PAIR_SYN | PAIR_ACK);
    sp_say(h, g, PAIR_ACK, NULL, 0);
    g->c = tcpsm_stack_accept(h->st, NULL);
    CHECK(g->c != NULL);
    CHECK_EQ(tcpsm_state(g->c), TCPSM_ESTABLISHED);
    return g->c;
}

SP_FN void sp_name(const sp_ghost *g, tcpsm_tuple *t)
{
    sp_address(t, 0);
    t->local_port = g->to;
    t->remote_port = g->port;
}

/* The host sends a SYN to the ghost, from port `from`. */
SP_FN tcpsm_conn *sp_call(sp_host *h, sp_ghost *g, uint32_t i, uint16_t from)
{
    tcpsm_tuple t;
    sp_ghost_init(g, i, from);
    sp_name(g, &t);
    CHECK_EQ(tcpsm_stack_connect(h->st, &t, NULL, &g->c, h->now), 0);
    CHECK(g->c != NULL);
    sp_drain(h);
    CHECK_EQ(g->flags, PAIR_SYN);
    return g->c;
}

/* ... and the ghost takes it. */
SP_FN tcpsm_conn *sp_call_up(sp_host *h, sp_ghost *g, uint32_t i,
                             uint16_t from)
{
    sp_call(h, g, i, from);
    sp_say(h, g, PAIR_SYN | PAIR_ACK, NULL, 0);
    sp_drain(h);
    CHECK_EQ(tcpsm_state(g->c), TCPSM_ESTABLISHED);
    return g->c;
}

/* ---- sleeping --------------------------------------------------------- */

typedef struct {
    uint64_t wakes, calls; /* times woken; calls of output */
    uint64_t empty;        /* calls of output that sent nothing at a time
                              when nothing else came of it, either */
    uint64_t sent, news;
} sp_sleep;

/* Sleeps from deadline to deadline until `until`; at each does what a
   program does. A wake-up is empty when no segment, no event and no end of
   a connection came of it. The same deadline, expired, never comes twice:
   after a wake-up it is in the future. */
SP_FN void sp_idle(sp_host *h, tcpsm_time until, sp_sleep *s)
{
    sp_sleep none;
    if (s == NULL)
        s = &none;
    memset(s, 0, sizeof *s);
    for (;;) {
        tcpsm_time d = tcpsm_stack_deadline(h->st);
        uint32_t conns = sp_info(h).conns, syns = sp_info(h).syns;
        uint64_t sent = h->sent, news = 0, calls = 0;
        tcpsm_ret n;
        if (d > until)
            break;
        CHECKF(d == 0 || d > h->now || s->wakes == 0,
               "the same expired deadline twice: %llu, now %llu",
               (unsigned long long)d, (unsigned long long)h->now);
        if (d > h->now)
            h->now = d;
        s->wakes++;
        h->log_n = 0;
        while (tcpsm_stack_deadline(h->st) <= h->now) {
            news += sp_news(h, NULL, NULL);
            n = sp_output(h);
            CHECK(n >= 0);
            calls++;
            CHECKF(calls < 100000u + 4u * h->cfg.conns, "output never ends");
        }
        s->calls += calls;
        s->sent += h->sent - sent;
        s->news += news;
        if (h->sent == sent && news == 0 && sp_info(h).conns == conns &&
            sp_info(h).syns == syns)
            s->empty += calls;
    }
    if (until > h->now)
        h->now = until;
}

/* ---- two hosts, or a host and layer 1 connections, over a network ------ */

#ifndef SP_SLOTS
#define SP_SLOTS 16384
#endif
#define SP_PACKET 1600u

typedef struct sp_net sp_net;
struct sp_net {
    sp_host h[2];
    netsim net;
    tcpsm_time now;
    void (*app)(sp_net *, int side); /* after each step of a side */
    void (*look)(sp_net *, int side);
    uint32_t every; /* look at the laws every so many steps (1) */
    uint64_t steps;
    /* Instead of h[1]: connections of layer 1, by their local port */
    tcpsm_conn *plain;
    uint32_t plain_n;
    uint16_t plain_port; /* of the first; the others follow */
    uint8_t batch;       /* all packets of an instant by input_batch */
    uint64_t lost;       /* datagrams for which netsim had no slot */
    /* private */
    uint64_t mem[NETSIM_WORDS(SP_SLOTS, SP_PACKET + 48)];
    uint8_t arrived[64][SP_PACKET + 48];
};

SP_FN void sp_net_up(sp_net *n, const tcpsm_stack_config *a,
                     const tcpsm_stack_config *b, uint64_t seed)
{
    sp_host *h = n->h;
    int s;
    n->now = SP_SECOND;
    n->every = 1;
    n->steps = n->lost = 0;
    n->plain = NULL;
    n->app = NULL;
    n->look = NULL;
    n->batch = 0;
    netsim_init(&n->net, seed, n->mem, sizeof n->mem,
                SP_PACKET + PAIR__PREFIX);
    for (s = 0; s < 2; s++) {
        n->net.link[s].corrupt_skip = PAIR__PREFIX;
        n->net.link[s].overhead = 20 - PAIR__PREFIX;
    }
    sp_up_as(&h[0], a, 8, n->now, 0);
    if (b != NULL)
        sp_up_as(&h[1], b, 41, n->now, 1);
}

SP_FN void sp_net_down(sp_net *n)
{
    sp_down(&n->h[0]);
    if (n->plain == NULL)
        sp_down(&n->h[1]);
}

SP_FN void sp__look(sp_net *n, int side)
{
    n->h[side].now = n->now;
    if (++n->steps % n->every == 0 && (side == 0 || n->plain == NULL))
        sp_look(&n->h[side]);
    if (n->look)
        n->look(n, side);
}

SP_FN void sp__send(sp_net *n, int side, const tcpsm_out *o,
                    const uint8_t *seg, uint32_t len)
{
    uint8_t wire[SP_PACKET + 48];
    CHECK_LE(len, SP_PACKET);
    memcpy(wire, o->tuple.local, 16);
    memcpy(wire + 16, o->tuple.remote, 16);
    pair_put16(wire + 32, o->tuple.zone);
    wire[34] = o->tuple.family;
    wire[35] = o->ttl;
    memcpy(wire + PAIR__PREFIX, seg, len);
    if (netsim_send(&n->net, side, wire, PAIR__PREFIX + len, o->tos, n->now) &
        NETSIM_NO_SLOT)
        n->lost++;
}

/* Everything that is due; whether there was anything. */
SP_FN int sp__flush(sp_net *n, int side)
{
    sp_host *h = &n->h[side];
    uint32_t i, calls = 0;
    int any = 0;
    tcpsm_out o;
    tcpsm_ret r;
    h->now = n->now;
    if (side == 1 && n->plain != NULL) {
        for (i = 0; i < n->plain_n; i++)
            while (tcpsm_deadline(&n->plain[i]) <= n->now) {
                memset(&o, 0, sizeof o);
                o.buf = h->out;
                o.cap = 1500;
                r = tcpsm_output(&n->plain[i], &o, n->now);
                if (r > 0)
                    sp__send(n, side, &o, h->out, (uint32_t)r);
                any = 1;
            }
        return any;
    }
    while (tcpsm_stack_deadline(h->st) <= n->now) {
        memset(&o, 0, sizeof o);
        o.buf = h->out;
        o.cap = 1500;
        r = tcpsm_stack_output(h->st, &o, n->now);
        CHECKF(r >= 0, "tcpsm_stack_output: %d", (int)r);
        if (r > 0) {
            CHECK_EQ(pair_checksum(&o.tuple, h->out, (uint32_t)r), 0);
            sp__send(n, side, &o, h->out, (uint32_t)r);
            any = 1;
        } else if (calls++ > 8 + 2 * h->cfg.conns) {
            break; /* news that the application does not fetch */
        }
    }
    sp__look(n, side);
    return any;
}

SP_FN void sp__packet(const uint8_t *p, uint32_t n, uint8_t tos, tcpsm_in *in)
{
    memset(in, 0, sizeof *in);
    in->src = p;
    in->dst = p + 16;
    in->zone = pair_get16(p + 32);
    in->family = p[34];
    in->tos = tos;
    in->data = p + PAIR__PREFIX;
    in->len = n - PAIR__PREFIX;
}

SP_FN void sp__plain_input(sp_net *n, tcpsm_in *in)
{
    const uint8_t *p = (const uint8_t *)in->data;
    uint32_t i;
    if (in->len < 20)
        return;
    i = (uint32_t)pair_get16(p + 2) - n->plain_port;
    if (i < n->plain_n)
        (void)tcpsm_input(&n->plain[i], in, n->now);
}

/* Up to 64 packets that are due to `to`; how many. */
SP_FN uint32_t sp__arrivals(sp_net *n, int to)
{
    uint32_t k = 0, len, limit = n->batch ? 64 : 1;
    tcpsm_in in[64];
    netsim_info info;
    tcpsm_ret r;
    while (k < limit &&
           (len = netsim_receive(&n->net, !to, n->arrived[k],
                                 sizeof n->arrived[k], n->now, &info)) != 0) {
        sp__packet(n->arrived[k], len, info.tos, &in[k]);
        k++;
    }
    if (k == 0)
        return 0;
    if (to == 1 && n->plain != NULL) {
        sp__plain_input(n, &in[0]);
        return k;
    }
    n->h[to].now = n->now;
    if (n->batch) {
        r = tcpsm_stack_input_batch(n->h[to].st, in, k, n->now);
        CHECK_EQ(r, k);
    } else {
        r = tcpsm_stack_input(n->h[to].st, in, n->now);
        CHECKF(r == 0, "tcpsm_stack_input: %d", (int)r);
    }
    sp__look(n, to);
    return k;
}

/* Everything at this instant, then the next one; 0 at the limit. */
SP_FN int sp_net_step(sp_net *n, tcpsm_time limit)
{
    tcpsm_time next, d;
    uint32_t i;
    int s, any = 0;
    for (s = 0; s < 2; s++) {
        if (n->app)
            n->app(n, s);
        any |= sp__flush(n, s);
        while (netsim_next_of(&n->net, !s) <= n->now &&
               sp__arrivals(n, s) != 0)
            any = 1;
    }
    if (any)
        return 1;
    next = netsim_next(&n->net);
    for (s = 0; s < 2; s++) {
        if (s == 1 && n->plain != NULL) {
            for (i = 0; i < n->plain_n; i++)
                if ((d = tcpsm_deadline(&n->plain[i])) < next)
                    next = d;
        } else if ((d = tcpsm_stack_deadline(n->h[s].st)) < next) {
            next = d;
        }
    }
    if (next > limit) {
        if (limit > n->now)
            n->now = limit;
        return 0;
    }
    if (next > n->now)
        n->now = next;
    return 1;
}

SP_FN void sp_net_run(sp_net *n, tcpsm_time us)
{
    tcpsm_time limit = n->now + us;
    while (sp_net_step(n, limit))
        ;
}

#endif /* STACKPAIR_H */
