/* pair.h - two connections joined by a simulated network - 0BSD

   Joins p->c[PAIR_A] and p->c[PAIR_B] by p->net (netsim.h) in virtual
   time, and watches the laws of docs/design.md while it does. Include
   after tcpsm.h (and after test.h: then a broken law fails the test that
   runs; without it, it is printed and counted in p->failed).

       static pair p;                       // large: not on the stack
       pair_options o = TCPSM_ZERO;         // zeroes are sane
       pair_init(&p, &o);
       p.net.link[PAIR_A].loss_ppm = 20000; // link[s]: what side s sends
       p.net.link[PAIR_A].delay_us = p.net.link[PAIR_B].delay_us = 10000;
       CHECK(pair_connect(&p));             // B listens, A opens
       CHECK(pair_transfer(&p, 1000000, 0, 60 * PAIR_SECOND));
       pair_run(&p, 5 * PAIR_SECOND);       // and watch what follows

   Step by step it goes like this; do the same by hand where you need to:

       tcpsm_listen(&p.c[PAIR_B], &p.tuple[PAIR_B], p.now);
       tcpsm_open(&p.c[PAIR_A], &p.tuple[PAIR_A], p.now);
       pair_touched(&p, PAIR_A);            // checks the laws; so do the
       pair_run(&p, PAIR_SECOND);           // pair_send() ... wrappers
       pair_send(&p, PAIR_A, "hello", 5, 0);
       n = pair_receive(&p, PAIR_B, buf, sizeof buf);

   Time moves only inside pair_run, pair_until, pair_connect,
   pair_transfer and pair_step: always to the earliest of both deadlines
   and the next delivery. Within one instant packets are delivered one by
   one, each followed by all the output that it causes (p->batch: all
   packets of the instant first, as a caller that polls would do).

   After EVERY step of a connection:
     check   tcpsm_check() == 0
     law 3   with d = tcpsm_deadline(): if d > now, then output at now,
             half way to d, and d-1 return 0 and leave every byte of the
             control block as it was (d never: an hour and a year later),
             and output at d acts. output at now acts if and only if
             d <= now. Copies are used, the connection is not touched.
     law 8   the largest right edge ever sent is honoured: it stays in the
             window that tcpsm_status tells, and no segment offers less.
             But for the grain of the window field: with a scale of s, one
             byte that arrives alone leaves no way but to offer 2^s-1 bytes
             less or as many more than there are (RFC 7323 s2.4)
     wire    header length, ports, addresses and checksum of what is sent
             are right, and no payload goes beyond the largest right edge
             that the peer ever sent (but for the one octet of a probe)
     law 4   the flows below arrive unchanged, and EOF after all of it

   Hooks, all optional:
     p->observe(p->ctx, p, event)  each segment when it is sent (with its
                                   fate), when it arrives, and what became
                                   of it: for traces, captures, pictures
     p->app(p->ctx, p, side)       after each step of a side: read, write,
                                   close. Without it p->flow[] runs: see
                                   pair_flow
     p->need_ring(p->ctx, p, side) input said E_RING; attach one here

   Trains (TCPSM_GSO) are cut and checksums (TCPSM_TX_PARTIAL, _ZERO)
   completed as a network card would. Memory: PAIR_SLOTS packets of
   PAIR_PACKET bytes under way; define both before the #include to change
   them. */

#ifndef PAIR_H
#define PAIR_H

#include <stdio.h>
#include <string.h>

#include "netsim.h"

#ifndef TCPSM_H
#include "tcpsm.h"
#endif

#ifndef PAIR_SLOTS
#define PAIR_SLOTS 1024
#endif
#ifndef PAIR_PACKET
#define PAIR_PACKET 1600 /* TCP header and payload */
#endif
#ifndef PAIR_RING
#define PAIR_RING 65536 /* the rings in the pair, unless options say less */
#endif
#define PAIR_TRAIN 65535

#ifndef PAIR_FAIL
#ifdef TEST_H
#define PAIR_FAIL(p, text) test__stop(1, "pair.h", __LINE__, "%s", (text))
#else
#define PAIR_FAIL(p, text) ((void)fprintf(stderr, "pair: %s\n", (text)))
#endif
#endif

#define PAIR_FN NETSIM_FN
#define PAIR_MS ((tcpsm_time)1000)
#define PAIR_SECOND ((tcpsm_time)1000000)

enum { PAIR_A = 0, PAIR_B = 1 };

/* TCP flags, for everyone who reads segments */
enum {
    PAIR_FIN = 1,
    PAIR_SYN = 2,
    PAIR_RST = 4,
    PAIR_PSH = 8,
    PAIR_ACK = 16,
    PAIR_URG = 32,
    PAIR_ECE = 64,
    PAIR_CWR = 128
};

/* A segment taken apart, by code that shares nothing with tcpsm.h */
typedef struct {
    uint16_t sport, dport, wnd, csum, urg;
    uint32_t seq, ack;
    uint8_t flags;
    uint32_t hdr_len, len; /* len: payload */
    const uint8_t *payload;
    int mss, wscale, sack_permitted, timestamps; /* mss, wscale -1: absent */
    uint32_t ts_val, ts_ecr;
    uint32_t sack[4][2];
    int sacks;
} pair_segment;

typedef struct pair pair;

enum {
    PAIR_SENT = 1,    /* left its sender; fate says what the network does */
    PAIR_ARRIVED = 2, /* about to be given to its receiver */
    PAIR_TAKEN = 3    /* was given: ret and drop are set */
};

typedef struct {
    int what, from; /* from: the side that (allegedly) sent it */
    int injected;   /* not from the network: see pair_inject */
    int stranger;   /* a reset by tcpsm_stranger, for nobody */
    tcpsm_time now;
    tcpsm_tuple tuple;  /* as its sender sees it: local is the source */
    const uint8_t *seg; /* TCP header + payload, checksum complete */
    uint32_t len;
    uint8_t tos, ttl;
    uint32_t fate;   /* NETSIM_* */
    uint64_t number; /* of the packet in its direction, from 0 */
    tcpsm_ret ret;   /* PAIR_TAKEN: what tcpsm_input returned */
    uint8_t drop;    /* PAIR_TAKEN: tcpsm_in.drop */
} pair_event;

/* What one side sends to the other: `total` pattern bytes, then (shut) a
   half-close. The other side reads and compares as they come, and notes
   EOF. A flow of total 0 without shut only reads. */
typedef struct {
    uint64_t total, sent, got;
    uint64_t seed;
    uint32_t flags; /* for tcpsm_send */
    uint8_t shut, was_shut, eof;
    uint8_t deaf; /* the reader does not read (zero window) */
} pair_flow;

typedef struct {
    tcpsm_config cfg[2]; /* an all-zero key is replaced by a fixed one */
    uint32_t rcv_ring[2], snd_ring[2]; /* 0: PAIR_RING; OFF: none */
    uint8_t family;                    /* 0: IPv4 */
    uint64_t seed;                     /* of the network */
    tcpsm_time start;                  /* 0: one second */
} pair_options;

typedef struct {
    /* law 8, and what may be sent to the other side */
    uint32_t edge;
    uint32_t isn;
    int edge_known, isn_known;
    int wscale; /* in the last SYN it sent; -1: none, -2: no SYN seen */
    int forged; /* somebody else sent in its name */
} pair__watch;

struct pair {
    tcpsm_conn c[2];
    tcpsm_tuple tuple[2]; /* for tcpsm_open and tcpsm_listen */
    tcpsm_config cfg[2];
    netsim net;
    tcpsm_time now;
    pair_flow flow[2]; /* flow[s]: from s to the other */
    void *ctx;
    void (*observe)(void *ctx, pair *, const pair_event *);
    void (*app)(void *ctx, pair *, int side);
    void (*need_ring)(void *ctx, pair *, int side);
    uint8_t batch;
    uint8_t no_laws;      /* skip the checks (benchmarks) */
    uint8_t no_strangers; /* no resets for what E_NOT_MINE refused */
    uint8_t muted[2];     /* muted[s]: what s sends is thrown away */
    uint32_t out_cap;     /* tcpsm_out.cap; 0: PAIR_TRAIN */
    int failed;           /* laws broken (without test.h) */
    uint64_t steps;
    /* private */
    int settled; /* nothing is left to do at this time, and we said so */
    int stuck;   /* an output that is due does nothing: time stands still */
    pair__watch watch[2];
    uint64_t mem[NETSIM_WORDS(PAIR_SLOTS, PAIR_PACKET + 48)];
    uint8_t rcv[2][PAIR_RING], snd[2][PAIR_RING];
    uint8_t out[PAIR_TRAIN + 1], train[PAIR_TRAIN + 1];
    uint8_t wire[PAIR_PACKET + 48];
};

/* ---- segments --------------------------------------------------------- */

PAIR_FN uint16_t pair_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

PAIR_FN uint32_t pair_get32(const uint8_t *p)
{
    return (uint32_t)pair_get16(p) << 16 | pair_get16(p + 2);
}

PAIR_FN void pair_put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

PAIR_FN void pair_put32(uint8_t *p, uint32_t v)
{
    pair_put16(p, v >> 16);
    pair_put16(p + 2, v);
}

PAIR_FN void pair__option(pair_segment *s, const uint8_t *o, uint32_t n)
{
    uint32_t i;

    if (o[0] == 2 && n == 4)
        s->mss = pair_get16(o + 2);
    else if (o[0] == 3 && n == 3)
        s->wscale = o[2];
    else if (o[0] == 4 && n == 2)
        s->sack_permitted = 1;
    else if (o[0] == 8 && n == 10) {
        s->timestamps = 1;
        s->ts_val = pair_get32(o + 2);
        s->ts_ecr = pair_get32(o + 6);
    } else if (o[0] == 5)
        for (i = 2; i + 8 <= n && s->sacks < 4; i += 8) {
            s->sack[s->sacks][0] = pair_get32(o + i);
            s->sack[s->sacks++][1] = pair_get32(o + i + 4);
        }
}

/* Takes a segment apart; 0, or -1 if it is not one. */
PAIR_FN int pair_parse(pair_segment *s, const uint8_t *seg, uint32_t len)
{
    uint32_t i, n;

    memset(s, 0, sizeof *s);
    s->mss = s->wscale = -1;
    if (len < 20 || (s->hdr_len = seg[12] / 16u * 4u) < 20 ||
        s->hdr_len > len)
        return -1;
    s->sport = pair_get16(seg);
    s->dport = pair_get16(seg + 2);
    s->seq = pair_get32(seg + 4);
    s->ack = pair_get32(seg + 8);
    s->flags = seg[13];
    s->wnd = pair_get16(seg + 14);
    s->csum = pair_get16(seg + 16);
    s->urg = pair_get16(seg + 18);
    s->payload = seg + s->hdr_len;
    s->len = len - s->hdr_len;
    for (i = 20; i < s->hdr_len && seg[i] != 0; i += n) {
        n = 1;
        if (seg[i] == 1)
            continue;
        if (i + 1 >= s->hdr_len || (n = seg[i + 1]) < 2 || i + n > s->hdr_len)
            return -1;
        pair__option(s, seg + i, n);
    }
    return 0;
}

/* The TCP checksum over pseudo-header and segment (RFC 9293 s3.1), as it
   belongs into a field that is zero now; 0 over a segment whose checksum
   is right. */
PAIR_FN uint16_t pair_checksum(const tcpsm_tuple *t, const uint8_t *seg,
                               uint32_t len)
{
    uint32_t i, n = t->family == 4 ? 4 : 16;
    uint64_t sum = 6u + (uint64_t)len;

    for (i = 0; i < n; i += 2)
        sum += (uint64_t)pair_get16(t->local + i) + pair_get16(t->remote + i);
    for (i = 0; i + 1 < len; i += 2)
        sum += pair_get16(seg + i);
    if (len & 1)
        sum += (uint64_t)seg[len - 1] << 8;
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)~sum;
}

PAIR_FN void pair_set_checksum(const tcpsm_tuple *t, uint8_t *seg,
                               uint32_t len)
{
    pair_put16(seg + 16, 0);
    pair_put16(seg + 16, pair_checksum(t, seg, len));
}

/* Writes a 20-byte header, with the ports of the side that seems to send
   it, and the payload; returns the length. For pair_inject. */
PAIR_FN uint32_t pair_craft(const pair *p, int from, uint8_t *seg,
                            uint32_t seq, uint32_t ack, uint8_t flags,
                            uint16_t wnd, const void *payload, uint32_t len)
{
    const tcpsm_tuple *t = &p->tuple[PAIR_A];
    uint16_t a = t->local_port, b = t->remote_port;

    memset(seg, 0, 20);
    pair_put16(seg, from == PAIR_A ? a : b);
    pair_put16(seg + 2, from == PAIR_A ? b : a);
    pair_put32(seg + 4, seq);
    pair_put32(seg + 8, ack);
    seg[12] = 5 << 4;
    seg[13] = flags;
    pair_put16(seg + 14, wnd);
    if (len)
        memcpy(seg + 20, payload, len);
    return 20 + len;
}

/* ---- the laws --------------------------------------------------------- */

PAIR_FN void pair__broken(pair *p, int side, const char *law,
                          unsigned long long a, unsigned long long b)
{
    char text[160];

    snprintf(text, sizeof text,
             "side %c at %llu us (state %d): %s (%llu, %llu)",
             side == PAIR_A ? 'A' : 'B', (unsigned long long)p->now,
             (int)p->c[side].state, law, a, b);
    if (++p->failed > 20)
        p->stuck = 1; /* this leads nowhere */
    PAIR_FAIL(p, text);
}

/* Does output at this time do anything? Asked of a copy. */
PAIR_FN int pair__acts(pair *p, const tcpsm_conn *c, tcpsm_time at)
{
    tcpsm_conn before, after;
    tcpsm_out o;
    tcpsm_ret r;

    memcpy(&before, c, sizeof before);
    before.p.counters = NULL; /* these would see the copy's doings */
    before.p.wake = NULL;
    memcpy(&after, &before, sizeof after);
    memset(&o, 0, sizeof o);
    o.buf = p->train;
    o.cap = p->out_cap ? p->out_cap : PAIR_TRAIN;
    r = tcpsm_output(&after, &o, at);
    return r != 0 || memcmp(&before, &after, sizeof after) != 0;
}

/* What was offered is still in the window (RFC 7323 s2.4). */
PAIR_FN void pair__honoured(pair *p, int side)
{
    const pair__watch *w = &p->watch[side];
    struct tcpsm_info info;
    int state = tcpsm_state(&p->c[side]);

    if (!w->edge_known || state < TCPSM_SYN_RECEIVED ||
        state > TCPSM_FIN_WAIT_2)
        return; /* after the peer's FIN nothing more can come */
    tcpsm_status(&p->c[side], &info);
    if ((int32_t)(info.rcv_nxt + info.rcv_wnd - w->edge) < 0)
        pair__broken(p, side, "law 8: an offered window is not honoured",
                     info.rcv_nxt + info.rcv_wnd, w->edge);
}

PAIR_FN void pair__law3(pair *p, int side)
{
    const tcpsm_conn *c = &p->c[side];
    tcpsm_time d = tcpsm_deadline(c), at[3];
    int i;

    if (d <= p->now) {
        if (c->p.tables == NULL && !pair__acts(p, c, p->now))
            pair__broken(p, side, "law 3: due, and output does nothing", d,
                         p->now);
        return;
    }
    at[0] = p->now;
    at[1] = d == TCPSM_NEVER ? p->now + 3600 * PAIR_SECOND
                             : p->now + (d - p->now) / 2;
    at[2] = d == TCPSM_NEVER ? p->now + 31556952 * PAIR_SECOND : d - 1;
    if (at[1] >= d)
        at[1] = p->now;
    for (i = 0; i < 3; i++)
        if (pair__acts(p, c, at[i]))
            pair__broken(p, side, "law 3: output acts before its deadline",
                         at[i], d);
    /* Tables outside of the struct are not copied: an output that acts
       would change them. */
    if (d != TCPSM_NEVER && c->p.tables == NULL && !pair__acts(p, c, d))
        pair__broken(p, side, "law 3: at its deadline output does nothing", d,
                     p->now);
}

/* Call after you called anything that changes p->c[side] yourself. */
PAIR_FN void pair_touched(pair *p, int side)
{
    tcpsm_ret r;

    p->steps++;
    if (p->no_laws)
        return;
    if ((r = tcpsm_check(&p->c[side])) != 0)
        pair__broken(p, side, "tcpsm_check: invariant",
                     (unsigned long long)-r, p->steps);
    pair__honoured(p, side);
    pair__law3(p, side);
}

PAIR_FN int pair__shift(const pair *p, int side)
{
    const pair__watch *w = p->watch;
    struct tcpsm_info info;

    if (w[PAIR_A].wscale == -2 || w[PAIR_B].wscale == -2) {
        tcpsm_status(&p->c[side], &info);
        return info.scaling ? info.rcv_scale : 0;
    }
    if (w[PAIR_A].wscale < 0 || w[PAIR_B].wscale < 0)
        return 0;
    return w[side].wscale > 14 ? 14 : w[side].wscale;
}

PAIR_FN void pair__law8(pair *p, int side, const pair_segment *s)
{
    pair__watch *w = &p->watch[side];
    uint32_t edge, grain;
    int shift;

    if (s->flags & PAIR_SYN) {
        if (!w->isn_known || w->isn != s->seq)
            w->edge_known = 0; /* another connection */
        w->isn = s->seq;
        w->isn_known = 1;
        w->wscale = s->wscale;
    }
    if (!(s->flags & PAIR_ACK) || (s->flags & PAIR_RST))
        return;
    shift = s->flags & PAIR_SYN ? 0 : pair__shift(p, side);
    grain = ((uint32_t)1 << shift) - 1;
    edge = s->ack + ((uint32_t)s->wnd << shift);
    if (w->edge_known && (int32_t)(edge + grain - w->edge) < 0)
        pair__broken(p, side, "law 8: the right edge moved left", edge,
                     w->edge);
    if (!w->edge_known || (int32_t)(edge - w->edge) > 0)
        w->edge = edge;
    w->edge_known = 1;
}

PAIR_FN void pair__sane(pair *p, int side, const tcpsm_out *o,
                        const uint8_t *seg, uint32_t len)
{
    const pair__watch *peer = &p->watch[!side];
    pair_segment s;

    if (pair_parse(&s, seg, len) != 0) {
        pair__broken(p, side, "wire: not a segment", len, 0);
        return;
    }
    if (s.hdr_len != o->hdr_len)
        pair__broken(p, side, "wire: hdr_len and data offset", o->hdr_len,
                     s.hdr_len);
    if (s.sport != o->tuple.local_port || s.dport != o->tuple.remote_port)
        pair__broken(p, side, "wire: ports", s.sport, s.dport);
    if (pair_checksum(&o->tuple, seg, len) != 0)
        pair__broken(p, side, "wire: checksum", s.csum, 0);
    if (o->ttl == 0)
        pair__broken(p, side, "wire: ttl 0", 0, 0);
    if (s.len > 0 && !(s.flags & PAIR_SYN) && peer->edge_known &&
        !peer->forged && (int32_t)(s.seq + s.len - peer->edge) > 1)
        pair__broken(p, side, "wire: beyond the peer's right edge",
                     s.seq + s.len, peer->edge);
    pair__law8(p, side, &s);
}

/* ---- the wire --------------------------------------------------------- */

/* Packets under way: source, destination, zone, family, ttl, then TCP. */
#define PAIR__PREFIX 36

PAIR_FN void pair__event(pair *p, const pair_event *e)
{
    if (p->observe)
        p->observe(p->ctx, p, e);
}

PAIR_FN void pair__transmit(pair *p, int side, const tcpsm_out *o,
                            const uint8_t *seg, uint32_t len, int stranger)
{
    pair_event e;

    memset(&e, 0, sizeof e);
    e.what = PAIR_SENT;
    e.from = side;
    e.stranger = stranger;
    e.now = p->now;
    e.tuple = o->tuple;
    e.seg = seg;
    e.len = len;
    e.tos = o->tos;
    e.ttl = o->ttl;
    e.number = p->net.link[side].index;
    if (!stranger && !p->no_laws)
        pair__sane(p, side, o, seg, len);
    if (len > PAIR_PACKET) {
        pair__broken(p, side, "pair: segment larger than PAIR_PACKET", len,
                     PAIR_PACKET);
        return;
    }
    memcpy(p->wire, o->tuple.local, 16);
    memcpy(p->wire + 16, o->tuple.remote, 16);
    pair_put16(p->wire + 32, o->tuple.zone);
    p->wire[34] = o->tuple.family;
    p->wire[35] = o->ttl;
    memcpy(p->wire + PAIR__PREFIX, seg, len);
    if (p->muted[side])
        e.fate = NETSIM_SCRIPTED;
    else
        e.fate = netsim_send(&p->net, side, p->wire, PAIR__PREFIX + len,
                             o->tos, p->now);
    if (e.fate & NETSIM_NO_SLOT)
        pair__broken(p, side, "pair: PAIR_SLOTS is too small", PAIR_SLOTS, 0);
    pair__event(p, &e);
}

/* As a card with segmentation offload: one header becomes many. */
PAIR_FN void pair__cut(pair *p, int side, tcpsm_out *o, const uint8_t *seg,
                       uint32_t len)
{
    uint32_t at, n, hdr = o->hdr_len, count = 0;
    uint8_t *piece = p->train;

    for (at = hdr; at < len; at += n, count++) {
        n = len - at < o->gso_size ? len - at : o->gso_size;
        memcpy(piece, seg, hdr);
        memcpy(piece + hdr, seg + at, n);
        pair_put32(piece + 4, pair_get32(seg + 4) + (at - hdr));
        if (at + n < len)
            piece[13] = (uint8_t)(piece[13] & ~(PAIR_FIN | PAIR_PSH));
        if (at != hdr)
            piece[13] = (uint8_t)(piece[13] & ~PAIR_CWR);
        pair_set_checksum(&o->tuple, piece, hdr + n);
        pair__transmit(p, side, o, piece, hdr + n, 0);
    }
    if (count != o->segs)
        pair__broken(p, side, "wire: tcpsm_out.segs", o->segs, count);
}

PAIR_FN void pair__card(pair *p, int side, tcpsm_out *o, uint32_t len)
{
    uint8_t *seg = (uint8_t *)o->buf;
    int i;

    for (i = 0; i < 2; i++)
        if (o->ref[i].n) {
            memcpy(seg + len, o->ref[i].p, o->ref[i].n);
            len += o->ref[i].n;
        }
    if (o->csum == TCPSM_CSUM_PARTIAL && !o->gso_size) {
        /* the field holds the sum of the pseudo-header; add the rest */
        uint64_t sum = 0;
        uint32_t k;

        for (k = 0; k < len; k++)
            sum += (uint64_t)seg[k] << (k & 1 ? 0 : 8);
        while (sum >> 16)
            sum = (sum & 0xFFFF) + (sum >> 16);
        pair_put16(seg + 16, (uint16_t)~sum);
    } else if (o->csum == TCPSM_CSUM_ZERO && !o->gso_size) {
        if (pair_get16(seg + 16) != 0)
            pair__broken(p, side, "wire: TX_ZERO, checksum not zero",
                         pair_get16(seg + 16), 0);
        pair_set_checksum(&o->tuple, seg, len);
    }
    if (o->gso_size)
        pair__cut(p, side, o, seg, len);
    else
        pair__transmit(p, side, o, seg, len, 0);
}

/* One output at p->now; what it says is what output returned. */
PAIR_FN tcpsm_ret pair__output(pair *p, int side)
{
    tcpsm_conn *c = &p->c[side], before;
    tcpsm_time d = tcpsm_deadline(c);
    tcpsm_out o;
    tcpsm_ret r;
    int acted;

    memcpy(&before, c, sizeof before);
    memset(&o, 0, sizeof o);
    o.buf = p->out;
    o.cap = p->out_cap ? p->out_cap : PAIR_TRAIN;
    r = tcpsm_output(c, &o, p->now);
    acted = r != 0 || memcmp(&before, c, sizeof before) != 0;
    if (!p->no_laws && acted != (d <= p->now))
        pair__broken(p, side,
                     acted ? "law 3: output acts before its deadline"
                           : "law 3: due, and output does nothing",
                     d, p->now);
    if (r < 0) {
        pair__broken(p, side, "output failed", (unsigned long long)-r, 0);
        return 0;
    }
    if (r > 0)
        pair__card(p, side, &o, (uint32_t)r);
    if (acted)
        pair_touched(p, side);
    return acted;
}

PAIR_FN void pair__drain(pair *p, int side)
{
    uint32_t turns = 0;

    while (tcpsm_deadline(&p->c[side]) <= p->now && !p->stuck) {
        if (!pair__output(p, side) || ++turns > 1000000u) {
            p->stuck = 1;
            pair__broken(p, side, "output does not end, or does not begin",
                         turns, 0);
            return;
        }
    }
}

PAIR_FN void pair__stranger(pair *p, int side, const tcpsm_in *in)
{
    tcpsm_out o;
    tcpsm_ret r;

    memset(&o, 0, sizeof o);
    o.buf = p->out;
    o.cap = PAIR_TRAIN;
    r = tcpsm_stranger(in, &o);
    if (r > 0)
        pair__transmit(p, side, &o, p->out, (uint32_t)r, 1);
}

PAIR_FN void pair__deliver(pair *p, pair_event *e)
{
    int to = !e->from;
    tcpsm_in in;

    memset(&in, 0, sizeof in);
    in.src = e->tuple.local;
    in.dst = e->tuple.remote;
    in.data = e->seg;
    in.len = e->len;
    in.zone = e->tuple.zone;
    in.family = e->tuple.family;
    in.tos = e->tos;
    e->what = PAIR_ARRIVED;
    pair__event(p, e);
    e->ret = tcpsm_input(&p->c[to], &in, p->now);
    if (e->ret == TCPSM_E_RING && p->need_ring) {
        p->need_ring(p->ctx, p, to);
        e->ret = tcpsm_input(&p->c[to], &in, p->now);
    }
    if (e->ret == TCPSM_E_RING) {
        in.flags |= TCPSM_IN_NO_DATA;
        e->ret = tcpsm_input(&p->c[to], &in, p->now);
    }
    e->drop = in.drop;
    e->what = PAIR_TAKEN;
    pair_touched(p, to);
    pair__event(p, e);
    if (e->ret == TCPSM_E_NOT_MINE && !p->no_strangers)
        pair__stranger(p, to, &in);
}

/* Delivers one packet that is due to `to`; 0 when there is none. */
PAIR_FN int pair__arrival(pair *p, int to)
{
    uint8_t buf[PAIR_PACKET + 48];
    netsim_info info;
    pair_event e;
    uint32_t n;

    n = netsim_receive(&p->net, !to, buf, sizeof buf, p->now, &info);
    if (n < PAIR__PREFIX)
        return 0;
    memset(&e, 0, sizeof e);
    e.from = !to;
    e.now = p->now;
    memcpy(e.tuple.local, buf, 16);
    memcpy(e.tuple.remote, buf + 16, 16);
    e.tuple.zone = pair_get16(buf + 32);
    e.tuple.family = buf[34];
    e.ttl = buf[35];
    e.tos = info.tos;
    e.seg = buf + PAIR__PREFIX;
    e.len = n - PAIR__PREFIX;
    if (e.len >= 4) {
        e.tuple.local_port = pair_get16(e.seg);
        e.tuple.remote_port = pair_get16(e.seg + 2);
    }
    e.fate = info.fate;
    e.number = info.index;
    pair__deliver(p, &e);
    return 1;
}

/* Gives side `to` a segment now, as if the other side had sent it: an old
   duplicate, an attack. Its checksum is set unless keep_checksum. Returns
   the drop reason (0: taken), or the error of tcpsm_input. */
PAIR_FN int pair_inject(pair *p, int to, uint8_t *seg, uint32_t len,
                        int keep_checksum)
{
    pair_event e;

    memset(&e, 0, sizeof e);
    e.from = !to;
    e.injected = 1;
    e.now = p->now;
    e.tuple = p->tuple[PAIR_A];
    if (to == PAIR_A) {
        memcpy(e.tuple.local, p->tuple[PAIR_A].remote, 16);
        memcpy(e.tuple.remote, p->tuple[PAIR_A].local, 16);
    }
    e.tuple.local_port = len >= 4 ? pair_get16(seg) : 0;
    e.tuple.remote_port = len >= 4 ? pair_get16(seg + 2) : 0;
    e.ttl = 64;
    e.seg = seg;
    e.len = len;
    if (!keep_checksum && len >= 20)
        pair_set_checksum(&e.tuple, seg, len);
    p->watch[!to].forged = 1;
    pair__deliver(p, &e);
    return e.ret < 0 ? e.ret : e.drop;
}

/* ---- flows ------------------------------------------------------------ */

/* The octet at this place of a flow */
PAIR_FN uint8_t pair_pattern(uint64_t seed, uint64_t at)
{
    uint64_t word = netsim_mix(seed * 0x100000001B3u + (at >> 3));

    return (uint8_t)(word >> (at & 7) * 8);
}

PAIR_FN void pair__flow_out(pair *p, int side)
{
    pair_flow *f = &p->flow[side];
    uint8_t buf[2048];
    uint32_t n, i;
    tcpsm_ret r;

    while (f->sent < f->total) {
        n = f->total - f->sent < sizeof buf ? (uint32_t)(f->total - f->sent)
                                            : (uint32_t)sizeof buf;
        for (i = 0; i < n; i++)
            buf[i] = pair_pattern(f->seed, f->sent + i);
        r = tcpsm_send(&p->c[side], buf, n, f->flags);
        if (r <= 0)
            return;
        f->sent += (uint32_t)r;
        pair_touched(p, side);
    }
    if (f->shut && !f->was_shut && tcpsm_shutdown(&p->c[side]) >= 0) {
        f->was_shut = 1;
        pair_touched(p, side);
    }
}

PAIR_FN void pair__flow_in(pair *p, int side)
{
    pair_flow *f = &p->flow[!side];
    uint8_t buf[2048];
    tcpsm_ret r, i;

    if (f->deaf)
        return;
    while ((r = tcpsm_receive(&p->c[side], buf, sizeof buf)) > 0) {
        for (i = 0; i < r; i++)
            if (f->got + (uint32_t)i >= f->sent ||
                buf[i] != pair_pattern(f->seed, f->got + (uint32_t)i)) {
                pair__broken(p, side, "law 4: not what was sent, at",
                             f->got + (uint32_t)i, f->sent);
                break;
            }
        f->got += (uint32_t)r;
        pair_touched(p, side);
    }
    if (r == TCPSM_E_EOF && !f->eof) {
        f->eof = 1;
        if (f->got != f->sent || !f->was_shut)
            pair__broken(p, side, "law 4: EOF before the end", f->got,
                         f->sent);
    }
}

PAIR_FN void pair__app(pair *p, int side)
{
    if (p->app) {
        p->app(p->ctx, p, side);
        return;
    }
    if (p->flow[side].total || p->flow[side].shut)
        pair__flow_out(p, side);
    if (p->flow[!side].total || p->flow[!side].shut)
        pair__flow_in(p, side);
}

/* ---- time ------------------------------------------------------------- */

/* The side's application and then its output; did anything change? */
PAIR_FN int pair__turn(pair *p, int side)
{
    tcpsm_conn before;
    pair_flow flow[2];

    memcpy(&before, &p->c[side], sizeof before);
    memcpy(flow, p->flow, sizeof flow);
    pair__app(p, side);
    pair__drain(p, side);
    return memcmp(&before, &p->c[side], sizeof before) != 0 ||
           memcmp(flow, p->flow, sizeof flow) != 0;
}

/* Does what is next, if it comes at or before `limit`: returns 1. Else
   time is `limit` now, and 0 is returned. Time moves only if nothing was
   left to do now. */
PAIR_FN int pair_step(pair *p, tcpsm_time limit)
{
    tcpsm_time next, d;
    int to, any;

    any = pair__turn(p, PAIR_A);
    any |= pair__turn(p, PAIR_B);
    if (p->stuck)
        return 0;
    if (!any && !p->settled) { /* once, for what only the caller can see */
        p->settled = 1;
        return 1;
    }
    p->settled = 0;
    for (to = 0; to < 2; to++)
        while (netsim_next_of(&p->net, !to) <= p->now &&
               pair__arrival(p, to)) {
            any = 1;
            if (!p->batch)
                pair__turn(p, to);
        }
    if (any)
        return 1;
    next = netsim_next(&p->net);
    for (to = 0; to < 2; to++)
        if ((d = tcpsm_deadline(&p->c[to])) < next)
            next = d;
    if (next > limit) {
        if (limit > p->now)
            p->now = limit;
        return 0;
    }
    if (next > p->now)
        p->now = next;
    return 1;
}

/* Runs for so many microseconds. */
PAIR_FN void pair_run(pair *p, tcpsm_time us)
{
    tcpsm_time limit = p->now + us;

    while (pair_step(p, limit))
        ;
}

/* Runs until done(p) holds, for at most us; returns whether it did. */
PAIR_FN int pair_until(pair *p, int (*done)(pair *), tcpsm_time us)
{
    tcpsm_time limit = p->now + us;

    while (!done(p))
        if (!pair_step(p, limit))
            return done(p);
    return 1;
}

/* Runs until the side is in that state, for at most us. */
PAIR_FN int pair_reach(pair *p, int side, int state, tcpsm_time us)
{
    tcpsm_time limit = p->now + us;

    while (tcpsm_state(&p->c[side]) != state)
        if (!pair_step(p, limit))
            return tcpsm_state(&p->c[side]) == state;
    return 1;
}

/* Runs until no packet is under way and no deadline left but TIME-WAIT
   and the like beyond us; returns whether the network is empty. */
PAIR_FN int pair_quiet(pair *p, tcpsm_time us)
{
    tcpsm_time limit = p->now + us;

    while (netsim_next(&p->net) != NETSIM_NEVER ||
           tcpsm_deadline(&p->c[PAIR_A]) <= limit ||
           tcpsm_deadline(&p->c[PAIR_B]) <= limit)
        if (!pair_step(p, limit))
            break;
    return netsim_next(&p->net) == NETSIM_NEVER;
}

/* ---- setting up, and the calls with their checks ---------------------- */

PAIR_FN void pair__names(pair *p, uint8_t family)
{
    tcpsm_tuple *a = &p->tuple[PAIR_A], *b = &p->tuple[PAIR_B];

    memset(a, 0, sizeof *a);
    a->family = family;
    if (family == 4) {
        static const uint8_t net[4] = {10, 0, 0, 0};

        memcpy(a->local, net, 4);
        memcpy(a->remote, net, 4);
        a->local[3] = 1;
        a->remote[3] = 2;
    } else {
        a->local[0] = a->remote[0] = 0xfd;
        a->local[15] = 1;
        a->remote[15] = 2;
    }
    a->local_port = 40000;
    a->remote_port = 80;
    *b = *a;
    memcpy(b->local, a->remote, 16);
    memcpy(b->remote, a->local, 16);
    b->local_port = a->remote_port;
    b->remote_port = a->local_port;
}

/* Both connections CLOSED with their rings, an ideal network, all hooks
   and flows empty. Then set what you like. options may be NULL. */
PAIR_FN void pair_init(pair *p, const pair_options *options)
{
    pair_options o;
    int s;

    memset(&o, 0, sizeof o);
    if (options)
        o = *options;
    memset(p, 0, sizeof *p);
    netsim_init(&p->net, o.seed, p->mem, sizeof p->mem,
                PAIR_PACKET + PAIR__PREFIX);
    p->now = o.start ? o.start : PAIR_SECOND;
    pair__names(p, o.family ? o.family : 4);
    for (s = 0; s < 2; s++) {
        uint8_t none[16] = {0};
        uint32_t rcv = o.rcv_ring[s] ? o.rcv_ring[s] : PAIR_RING;
        uint32_t snd = o.snd_ring[s] ? o.snd_ring[s] : PAIR_RING;
        tcpsm_ret r;

        p->cfg[s] = o.cfg[s];
        if (memcmp(p->cfg[s].key, none, 16) == 0)
            memset(p->cfg[s].key, s == PAIR_A ? 0xA1 : 0xB2, 16);
        p->net.link[s].corrupt_skip = PAIR__PREFIX; /* TCP only */
        /* the rate is that of IP packets */
        p->net.link[s].overhead =
            (p->tuple[s].family == 4 ? 20 : 40) - PAIR__PREFIX;
        p->watch[s].wscale = -2;
        p->flow[s].seed = (uint64_t)s + 1;
        r = tcpsm_init(&p->c[s], &p->cfg[s]);
        if (r == 0 && rcv != TCPSM_OFF)
            r = tcpsm_attach(&p->c[s], TCPSM_RECEIVE, p->rcv[s], rcv, NULL);
        if (r == 0 && snd != TCPSM_OFF)
            r = tcpsm_attach(&p->c[s], TCPSM_SEND, p->snd[s], snd, NULL);
        if (r != 0)
            pair__broken(p, s, "init", (unsigned long long)-r, 0);
        pair_touched(p, s);
    }
}

/* B listens, A opens; returns 1 when both are ESTABLISHED. */
PAIR_FN int pair_connect(pair *p)
{
    tcpsm_ret r = tcpsm_listen(&p->c[PAIR_B], &p->tuple[PAIR_B], p->now);

    if (r < 0)
        pair__broken(p, PAIR_B, "listen", (unsigned long long)-r, 0);
    pair_touched(p, PAIR_B);
    r = tcpsm_open(&p->c[PAIR_A], &p->tuple[PAIR_A], p->now);
    if (r < 0)
        pair__broken(p, PAIR_A, "open", (unsigned long long)-r, 0);
    pair_touched(p, PAIR_A);
    return pair_reach(p, PAIR_A, TCPSM_ESTABLISHED, 180 * PAIR_SECOND) &&
           pair_reach(p, PAIR_B, TCPSM_ESTABLISHED, 180 * PAIR_SECOND);
}

PAIR_FN int pair_transferred(pair *p)
{
    return p->flow[PAIR_A].eof && p->flow[PAIR_B].eof;
}

/* Sends so many pattern bytes each way, half-closes after them, and waits
   for both EOFs; returns 1 when all has arrived within us. */
PAIR_FN int pair_transfer(pair *p, uint64_t a_bytes, uint64_t b_bytes,
                          tcpsm_time us)
{
    p->flow[PAIR_A].total = p->flow[PAIR_A].sent + a_bytes;
    p->flow[PAIR_B].total = p->flow[PAIR_B].sent + b_bytes;
    p->flow[PAIR_A].shut = p->flow[PAIR_B].shut = 1;
    return pair_until(p, pair_transferred, us);
}

PAIR_FN tcpsm_ret pair_send(pair *p, int side, const void *data, uint32_t len,
                            uint32_t flags)
{
    tcpsm_ret r = tcpsm_send(&p->c[side], data, len, flags);

    pair_touched(p, side);
    return r;
}

PAIR_FN tcpsm_ret pair_receive(pair *p, int side, void *buf, uint32_t cap)
{
    tcpsm_ret r = tcpsm_receive(&p->c[side], buf, cap);

    pair_touched(p, side);
    return r;
}

PAIR_FN tcpsm_ret pair_shutdown(pair *p, int side)
{
    tcpsm_ret r = tcpsm_shutdown(&p->c[side]);

    pair_touched(p, side);
    return r;
}

PAIR_FN tcpsm_ret pair_close(pair *p, int side)
{
    tcpsm_ret r = tcpsm_close(&p->c[side]);

    pair_touched(p, side);
    return r;
}

PAIR_FN tcpsm_ret pair_abort(pair *p, int side)
{
    tcpsm_ret r = tcpsm_abort(&p->c[side]);

    pair_touched(p, side);
    return r;
}

#endif /* PAIR_H */
