/* Weather for loss recovery: two connections, each with its own clock, over
   a path that loses, repeats, marks, swallows large packets and goes dark;
   every mechanism is on or off by chance, users change everything that can
   be changed, connections move to other memory and other clocks in the
   middle of it, and somebody forges segments. Whatever comes, the laws that
   pair.h watches hold after every step, and so does what look() asks; when
   the network heals, all bytes arrive soon and both ends come to rest.

   What goes wrong is a seed: --seed 17 runs that one alone and shows it,
   --seeds 100000 that many (from --seed on), --moves 3 only the first three
   things that happen in each. */

#define main test_main
#include "test.h"
#undef main

#define TCPSM_NAMES
#include "tcpsm.h"

/* Both sides live by their own clock: what pair.h gives the connections is
   global time, what they see is that plus skew, cut off to their tick. */
static tcpsm_time storm_local(const tcpsm_conn *c, tcpsm_time t);
static tcpsm_time storm_global(const tcpsm_conn *c, tcpsm_time d);

#define tcpsm_input(c, in, t) tcpsm_input(c, in, storm_local(c, t))
#define tcpsm_output(c, out, t) tcpsm_output(c, out, storm_local(c, t))
#define tcpsm_open(c, tuple, t) tcpsm_open(c, tuple, storm_local(c, t))
#define tcpsm_listen(c, tuple, t) tcpsm_listen(c, tuple, storm_local(c, t))
#define tcpsm_deadline(c) storm_global(c, tcpsm_deadline(c))

#define PAIR_SLOTS 2048
#define PAIR_PACKET 4100
#include "pair.h"

#define SP_SLOTS 2048
#include "stackpair.h" /* its stacks live by global time */

#define WALKS 400 /* seeds in a plain run */
#define TABLES 24000
#define ICMPS 8
#define OLD 16 /* segments kept, to come again much later */

enum { LISTENS, FAST, BOTH }; /* how it opens */

static pair p;
static int ids[2]; /* their addresses are what the user pointers hold */
static uint64_t first = 1, walks = WALKS, moves = UINT64_MAX, state;
static int show;

static uint8_t other[2][2][PAIR_RING], lent[2][2][TABLES], shadow[TABLES + 8];
static uint8_t blob[6 * PAIR_RING];
static struct tcpsm_counters count[2];
static struct {
    tcpsm_time skew[2], tick[2];
    /* the path */
    uint32_t hole[2], ce_ppm[2], syn_loss[2];
    tcpsm_time dark[2];
    int icmp, permanent;
    struct {
        tcpsm_time at;
        uint32_t seq, mtu;
        int to;
    } ptb[ICMPS];
    uint32_t ptbs;
    uint8_t old[OLD][PAIR_PACKET];
    uint32_t old_len[OLD], olds;
    uint8_t old_from[OLD];
    /* what is watched */
    int is_lent[2]; /* which of lent[s], or -1 */
    uint32_t lent_at[2], lent_len[2];
    int mad[2]; /* a controller out of its mind */
    int both;   /* both were ESTABLISHED at one time */
    int over;   /* B listens again: what it had is forgotten */
    int left;   /* ... and was in LISTEN no more */
    int forged; /* segments with good sequence numbers */
    uint32_t most_out[2];
    struct {
        tcpsm_time now;
        uint32_t segs, bytes, acks, arrivals, una, cwnd;
    } instant[2];
    uint64_t sent[2], arrived[2];
} w;

/* ---- clocks ------------------------------------------------------------ */

/* Which side of the pair it, or the connection that it is a copy of, is;
   -1: neither, it lives by global time. */
static int storm_side(const tcpsm_conn *c)
{
    const void *u = tcpsm_user(c);

    return u == &ids[0] ? 0 : u == &ids[1] ? 1 : -1;
}

static tcpsm_time storm_local(const tcpsm_conn *c, tcpsm_time t)
{
    int s = storm_side(c);

    return s < 0 ? t : (t + w.skew[s]) / w.tick[s] * w.tick[s];
}

static tcpsm_time storm_global(const tcpsm_conn *c, tcpsm_time d)
{
    int s = storm_side(c);

    if (s < 0 || d == 0 || d == TCPSM_NEVER)
        return d;
    d = (d + w.tick[s] - 1) / w.tick[s] * w.tick[s];
    return d > w.skew[s] ? d - w.skew[s] : 0;
}

/* ---- chance ------------------------------------------------------------ */

static uint32_t below(uint32_t n)
{
    return (uint32_t)((netsim_random(&state) >> 32) * n >> 32);
}

/* One in n */
static int once_in(uint32_t n)
{
    return below(n) == 0;
}

/* Up to 2^bits, small ones as often as large ones */
static uint32_t about(uint32_t bits)
{
    return below((uint32_t)1 << (1 + below(bits)));
}

/* ---- controllers ------------------------------------------------------- */

/* Whatever it says, the core keeps sane. Its chance comes from what it is
   asked, so that a copy of a connection does what the connection does. */
static void mad(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    uint64_t x = netsim_mix(e->now + s->cwnd * 7u + s->ssthresh + e->acked);

    if (x % 3 == 0)
        s->cwnd = (uint32_t)(x >> 32) >> (x >> 8 & 31u);
    if (x % 5 == 0)
        s->ssthresh = (uint32_t)(x >> 24) >> (x >> 16 & 31u);
    s->w[x >> 5 & 3u] = (uint32_t)x;
}

static const tcpsm_cc mad_cc = {200, mad, mad, mad, mad, mad, mad, mad};
static const tcpsm_cc reno_cc = TCPSM_CC_BUILT_IN(TCPSM_CC_NEWRENO);

static const tcpsm_cc *roll_cc(int s)
{
    w.mad[s] |= once_in(16);
    if (w.mad[s])
        return &mad_cc;
    return once_in(3) ? &reno_cc : NULL;
}

/* ---- what is rolled before a walk -------------------------------------- */

static tcpsm_time roll_skew(void)
{
    static const tcpsm_time near[] = {0,
                                      (tcpsm_time)1 << 31,
                                      (tcpsm_time)1 << 32,
                                      (tcpsm_time)1 << 42,
                                      ((tcpsm_time)1 << 48) -
                                          ((tcpsm_time)1 << 32),
                                      (tcpsm_time)3 << 31};
    tcpsm_time t = near[below(sizeof near / sizeof *near)];

    return t > 60000000u ? t - below(60000000) : t;
}

static void roll_config(pair_options *o, int s)
{
    static const uint32_t flags[] = {
        TCPSM_NODELAY,  TCPSM_NO_SACK,    TCPSM_NO_TS, TCPSM_NO_SCALE,
        TCPSM_GATHER,   TCPSM_TX_PARTIAL, TCPSM_GSO,   TCPSM_PACE,
        TCPSM_NO_PROBE, TCPSM_NO_ECN};
    static const uint16_t mtu[] = {1500, 1500, 1500, 576, 4000, 1400};
    static const tcpsm_time tick[] = {1, 1, 1, 1000, 10000};
    uint32_t least = o->family == 4 ? 128 : 1280;
    tcpsm_config *c = &o->cfg[s];
    size_t i;

    c->user = &ids[s];
    c->counters = &count[s];
    for (i = 0; i < sizeof flags / sizeof *flags; i++)
        if (once_in(3))
            c->flags |= flags[i];
    if (c->flags & TCPSM_NO_SACK && once_in(2))
        c->flags &= ~(uint32_t)TCPSM_NO_SACK;
    if (once_in(2))
        c->flags |= once_in(3) ? TCPSM_ECN : TCPSM_ACCECN;
    c->flags |= TCPSM_FASTOPEN;
    if (once_in(3))
        c->flags &= ~(uint32_t)TCPSM_FASTOPEN;
    c->mtu = mtu[below(6)];
    if (once_in(5))
        c->mtu = (uint16_t)(least + below(1400));
    if (c->mtu < least)
        c->mtu = (uint16_t)least;
    c->cc = roll_cc(s);
    w.tick[s] = tick[below(5)];
    c->clock_us = (uint32_t)w.tick[s];
    w.skew[s] = roll_skew();
    c->rto_max_ms = 5000; /* so that nobody gives up before us */
    c->user_timeout_ms = TCPSM_OFF;
    c->syn_limit_ms = 1800000;
    c->ack_every = (uint8_t)below(5);
    c->ack_delay_us = once_in(4) ? TCPSM_OFF : 0;
    if (once_in(4))
        c->rto_min_us = 1 + below(1000000);
    if (once_in(4))
        c->initial_segments = (uint8_t)(1 + below(30));
    if (once_in(4)) {
        c->pace_start = (uint16_t)(25 * (1 + below(15)));
        c->pace_steady = (uint16_t)(25 * (1 + below(15)));
    }
    o->rcv_ring[s] = once_in(3) ? 1 + about(11) : 1 + below(PAIR_RING);
    o->snd_ring[s] = once_in(3) ? 1 + about(11) : 1 + below(PAIR_RING);
    if (once_in(3))
        o->rcv_ring[s] = o->snd_ring[s] = PAIR_RING;
}

static void roll_link(netsim_link *l)
{
    l->rate = once_in(2) ? 100000 + below(20000000) : 0;
    l->delay_us = once_in(8) ? 0 : 1 + about(17);
    l->queue_packets = once_in(2) ? 3 + below(60) : 0;
    l->mark_packets = once_in(3) ? 1 + below(10) : 0;
    l->loss_ppm = once_in(2) ? about(18) : 0;
    l->burst_ppm = once_in(3) ? below(20000) : 0;
    l->burst_end_ppm = 100000 + below(500000);
    l->reorder_ppm = once_in(2) ? below(300000) : 0;
    l->reorder_us = about(17);
    l->copy_ppm = once_in(2) ? below(150000) : 0;
    l->copy_us = about(once_in(4) ? 25 : 17);
    l->corrupt_ppm = once_in(3) ? below(50000) : 0;
}

static uint32_t roll_bytes(void)
{
    uint32_t n = once_in(4) ? about(3) : about(18);
    int s;

    for (s = 0; s < 2; s++) /* tiny rings or segments: no need for more */
        if (p.cfg[s].mtu < 400 || p.c[s].rcv_cap < 1000 ||
            p.c[s].snd_cap < 500 || p.out_cap)
            return n / 50;
    return n;
}

/* ---- the path ---------------------------------------------------------- */

static uint32_t ip_header(void)
{
    return p.tuple[PAIR_A].family == 4 ? 20 : 40;
}

static unsigned path(void *ctx, const netsim_packet *k)
{
    const uint8_t *tcp = k->bytes + PAIR__PREFIX;
    uint32_t size = k->len - PAIR__PREFIX + ip_header();

    (void)ctx;
    /* room for all of it; a copy that finds none is none */
    if (netsim_in_flight(&p.net, 0) + netsim_in_flight(&p.net, 1) >
        PAIR_SLOTS / 2)
        return NETSIM_DO_DROP;
    if (k->now < w.dark[k->dir])
        return NETSIM_DO_DROP;
    if ((tcp[13] & PAIR_SYN) && w.syn_loss[k->dir]) {
        w.syn_loss[k->dir]--;
        return NETSIM_DO_DROP;
    }
    if (size > w.hole[k->dir]) {
        if (w.icmp && w.ptbs < ICMPS) {
            w.ptb[w.ptbs].at = k->now + below(100000);
            w.ptb[w.ptbs].to = k->dir;
            w.ptb[w.ptbs].seq = pair_get32(tcp + 4);
            w.ptb[w.ptbs++].mtu = w.hole[k->dir];
        }
        return NETSIM_DO_DROP;
    }
    if (w.ce_ppm[k->dir] && below(1000000) < w.ce_ppm[k->dir])
        return NETSIM_DO_MARK;
    return 0;
}

/* The router's Packet Too Big arrives. */
static void too_big(int to, uint32_t seq, uint32_t mtu)
{
    const tcpsm_tuple *t = &p.tuple[to];
    uint8_t msg[64], *tcp;

    memset(msg, 0, sizeof msg);
    if (t->family == 4) {
        msg[0] = 3;
        msg[1] = 4;
        pair_put32(msg + 4, mtu);
        msg[8] = 0x45;
        pair_put16(msg + 10, 1500);
        msg[17] = 6;
        memcpy(msg + 20, t->local, 4);
        memcpy(msg + 24, t->remote, 4);
        tcp = msg + 28;
    } else {
        msg[0] = 2;
        pair_put32(msg + 4, mtu);
        msg[8] = 0x60;
        msg[14] = 6;
        memcpy(msg + 16, t->local, 16);
        memcpy(msg + 32, t->remote, 16);
        tcp = msg + 48;
    }
    pair_put16(tcp, t->local_port);
    pair_put16(tcp + 2, t->remote_port);
    pair_put32(tcp + 4, seq);
    tcpsm_icmp(&p.c[to], msg, (uint32_t)(tcp + 8 - msg), t->family,
               storm_local(&p.c[to], p.now));
    pair_touched(&p, to);
}

/* As pair_run, and the routers talk. */
static void run(tcpsm_time us)
{
    tcpsm_time end = p.now + us, next;
    uint32_t i, k;

    do {
        for (next = end, i = 0; i < w.ptbs; i++)
            if (w.ptb[i].at < next)
                next = w.ptb[i].at;
        while (pair_step(&p, next))
            ;
        if (w.over)
            return;
        if (p.stuck)
            FAIL("stuck");
        for (i = 0; i < w.ptbs; i++)
            if (w.ptb[i].at <= p.now) {
                int to = w.ptb[i].to;
                uint32_t seq = w.ptb[i].seq, mtu = w.ptb[i].mtu;

                for (k = i + 1; k < w.ptbs; k++)
                    w.ptb[k - 1] = w.ptb[k];
                w.ptbs--;
                too_big(to, seq, mtu);
                break;
            }
    } while (p.now < end);
}

/* ---- what is watched --------------------------------------------------- */

static void print(const pair_event *e)
{
    struct tcpsm_info i;
    pair_segment s;

    if (e->what == PAIR_ARRIVED || pair_parse(&s, e->seg, e->len) != 0)
        return;
    tcpsm_status(&p.c[e->what == PAIR_SENT ? e->from : !e->from], &i);
    printf("# %13.6f %c %s%s %c%c%c%c%c%c%c%c %u:%u(%u) ack %u win %u",
           (double)p.now / 1e6, 'A' + e->from,
           e->what == PAIR_SENT ? "out" : "in ", e->injected ? "*" : " ",
           s.flags & PAIR_SYN ? 'S' : '.', s.flags & PAIR_FIN ? 'F' : '.',
           s.flags & PAIR_RST ? 'R' : '.', s.flags & PAIR_PSH ? 'P' : '.',
           s.flags & PAIR_URG ? 'U' : '.', s.flags & PAIR_ECE ? 'E' : '.',
           s.flags & PAIR_CWR ? 'W' : '.', e->seg[12] & 1 ? 'A' : '.',
           (unsigned)s.seq, (unsigned)(s.seq + s.len), (unsigned)s.len,
           (unsigned)s.ack, (unsigned)s.wnd);
    for (int k = 0; k < s.sacks; k++)
        printf(" sack %u:%u", (unsigned)s.sack[k][0], (unsigned)s.sack[k][1]);
    if (e->what == PAIR_TAKEN)
        printf(" %s", tcpsm_drop_name(e->drop));
    printf(" (%s una %u cwnd %u fl %u s %u l %u rec %u rtt %u)",
           tcpsm_state_name(i.state), (unsigned)i.snd_una, (unsigned)i.cwnd,
           (unsigned)i.flight, (unsigned)i.sacked, (unsigned)i.lost,
           (unsigned)i.in_recovery, (unsigned)i.srtt_us);
    printf("%s\n", e->fate & NETSIM_DROPPED ? " LOST" : "");
}

/* Nobody pours out more at one instant than the window and what arrived
   make room for. */
static void no_flood(int s, const pair_segment *seg)
{
    struct tcpsm_info i;
    uint32_t room;

    tcpsm_status(&p.c[s], &i);
    if (w.instant[s].now != p.now) {
        memset(&w.instant[s], 0, sizeof w.instant[s]);
        w.instant[s].now = p.now;
        w.instant[s].una = i.snd_una;
    }
    if (i.cwnd > w.instant[s].cwnd)
        w.instant[s].cwnd = i.cwnd;
    if (seg == NULL) {
        w.instant[s].arrivals++;
        return;
    }
    w.instant[s].segs++;
    w.instant[s].bytes += seg->len;
    w.instant[s].acks += seg->len == 0;
    CHECKF(w.instant[s].acks <= 16 + 3 * w.instant[s].arrivals,
           "%u segments without text at one instant, %u arrived",
           w.instant[s].acks, w.instant[s].arrivals);
    room = 2 * w.instant[s].cwnd + 8u * i.mtu +
           (i.snd_una - w.instant[s].una) + i.sacked;
    CHECKF(w.instant[s].bytes <= room || w.mad[s] ||
               i.state < TCPSM_ESTABLISHED,
           "%u bytes at one instant, room for %u", w.instant[s].bytes, room);
}

static void watch(void *ctx, pair *q, const pair_event *e)
{
    pair_segment s;

    (void)ctx;
    (void)q;
    if (show)
        print(e);
    if (pair_parse(&s, e->seg, e->len) != 0 || e->stranger)
        return;
    if (tcpsm_state(&p.c[PAIR_B]) != TCPSM_LISTEN)
        w.left = 1;
    else if (w.left)
        w.over = p.stuck = 1;
    if (e->what == PAIR_ARRIVED) {
        no_flood(!e->from, NULL);
        w.arrived[!e->from]++;
    }
    if (e->what != PAIR_SENT)
        return;
    no_flood(e->from, &s);
    w.sent[e->from]++;
    if (netsim_mix(w.sent[e->from]) % 16 == 0) {
        uint32_t k = w.olds++ % OLD;

        memcpy(w.old[k], e->seg, e->len);
        w.old_len[k] = e->len;
        w.old_from[k] = (uint8_t)e->from;
    }
}

/* Law 3 for a connection whose tables lie elsewhere: of a copy of both. */
static int acts(int s, tcpsm_time at)
{
    tcpsm_conn before = p.c[s], after;
    uint8_t *mem = shadow + w.lent_at[s] % 4; /* aligned as the lent ones */
    tcpsm_out o;
    tcpsm_ret r;

    memcpy(mem, p.c[s].p.tables, w.lent_len[s]);
    before.p.counters = NULL;
    before.p.tables = (uint32_t *)(void *)mem;
    after = before;
    memset(&o, 0, sizeof o);
    o.buf = p.train;
    o.cap = p.out_cap ? p.out_cap : PAIR_TRAIN;
    r = tcpsm_output(&after, &o, at);
    return r != 0 || memcmp(&before, &after, sizeof after) != 0 ||
           memcmp(mem, p.c[s].p.tables, w.lent_len[s]) != 0;
}

static void look(int s)
{
    const tcpsm_conn *c = &p.c[s];
    tcpsm_time d = tcpsm_deadline(c);
    struct tcpsm_info i;
    uint32_t out, most;

    tcpsm_status(c, &i);
    if (c->p.tables && d != TCPSM_NEVER) {
        if (d <= p.now && !acts(s, p.now))
            FAIL("side %d: due, and output does nothing (tables)", s);
        if (d > p.now && acts(s, d - 1))
            FAIL("side %d: output acts before its deadline (tables)", s);
        if (d > p.now && !acts(s, d))
            FAIL("side %d: at its deadline output does nothing (tables)", s);
    }
    if (i.state < TCPSM_ESTABLISHED || i.state == TCPSM_TIME_WAIT)
        return;
    w.both |= tcpsm_state(&p.c[!s]) >= TCPSM_ESTABLISHED;
    out = i.snd_nxt - i.snd_una;
    CHECKF(i.sacked + i.lost <= out && i.flight == out - i.sacked - i.lost,
           "side %d: %u out, %u in flight, %u sacked, %u lost", s, out,
           i.flight, i.sacked, i.lost);
    CHECKF(i.sack || i.sacked == 0, "side %d: sacked %u", s, i.sacked);
    CHECKF(i.runs <= i.run_cap && i.ranges <= i.range_cap, "side %d", s);
    CHECKF(i.srtt_us == 0 || i.min_rtt_us <= 2 * i.srtt_us + 200000,
           "side %d: min_rtt %u, srtt %u", s, i.min_rtt_us, i.srtt_us);
    if (out > w.most_out[s])
        w.most_out[s] = out;
    most = 3 * w.most_out[s] + 30u * PAIR_PACKET;
    CHECKF(i.cwnd <= most || w.mad[s], "side %d: cwnd %u, most ever out %u",
           s, i.cwnd, w.most_out[s]);
    CHECKF(i.cwnd >= i.smss && i.cwnd <= (uint32_t)1 << 30, "cwnd %u",
           i.cwnd);
    /* Law 7, and soon: a timer that slipped would be in the far future */
    if ((out != 0 || i.unsent != 0) && i.rcv_wnd + 1 != 0)
        CHECKF(d != TCPSM_NEVER && (d <= p.now || d - p.now < 61000000),
               "side %d: %u out, %u unsent, and the deadline is %llu at %llu",
               s, out, i.unsent, (unsigned long long)d,
               (unsigned long long)p.now);
}

/* pair.h's application, and a look */
static void app(void *ctx, pair *q, int s)
{
    (void)ctx;
    if (s == PAIR_B && w.left && tcpsm_state(&p.c[s]) == TCPSM_LISTEN)
        w.over = p.stuck = 1;
    if (p.stuck)
        return;
    look(s);
    if (q->flow[s].sent < q->flow[s].total || q->flow[s].shut)
        pair__flow_out(q, s);
    pair__flow_in(q, s);
}

/* ---- what happens in the middle ---------------------------------------- */

static void move_ring(int s, uint32_t what)
{
    uint8_t *own = what == TCPSM_RECEIVE ? p.rcv[s] : p.snd[s];
    uint8_t *is = what == TCPSM_RECEIVE ? p.c[s].p.rcv : p.c[s].p.snd;
    uint8_t *to = is == own ? other[s][what - 1] : own;

    /* refused when it is too small for what was promised or is held */
    if (tcpsm_attach(&p.c[s], what, to, 1 + below(PAIR_RING), NULL) == 0)
        memset(is, 0xDD, PAIR_RING);
}

/* Takes the tables back, or lends others of any size and alignment. */
static void lend(int s)
{
    int k = w.is_lent[s] == 0, was = w.is_lent[s];
    uint32_t at = below(4), len = 170 + about(14);
    void *mem = lent[s][k] + at;

    if (len + 4 > TABLES)
        len = TABLES - 4;
    if (once_in(3)) {
        mem = NULL;
        len = 0;
    }
    if (tcpsm_attach(&p.c[s], TCPSM_TABLES, mem, len, NULL) != 0)
        return; /* too few ranges */
    if (was >= 0)
        memset(lent[s][was], 0xDD, TABLES);
    w.is_lent[s] = mem ? k : -1;
    w.lent_at[s] = at;
    w.lent_len[s] = len;
}

/* Out as a blob, and in again, elsewhere and at another time of day. */
static void travel(int s)
{
    uint32_t rcv, snd, rcv_now = p.c[s].rcv_cap, snd_now = p.c[s].snd_cap;
    uint8_t *r = p.c[s].p.rcv == p.rcv[s] ? other[s][0] : p.rcv[s];
    uint8_t *t = p.c[s].p.snd == p.snd[s] ? other[s][1] : p.snd[s];
    tcpsm_ret n =
        tcpsm_export(&p.c[s], blob, sizeof blob, storm_local(&p.c[s], p.now));
    int k = w.is_lent[s] == 0;
    tcpsm_conn fresh;

    CHECKF(n > 0, "export said %d", (int)n);
    CHECK_EQ(tcpsm_blob_rings(blob, (uint32_t)n, &rcv, &snd), 0);
    CHECK(rcv <= rcv_now && snd <= snd_now);
    if (once_in(2)) {
        w.skew[s] = roll_skew();
        if (once_in(4))
            p.cfg[s].cc = roll_cc(s);
    }
    CHECK_EQ(tcpsm_init(&fresh, &p.cfg[s]), 0);
    rcv = rcv_now + below(PAIR_RING - rcv_now + 1);
    snd = snd_now + below(PAIR_RING - snd_now + 1);
    CHECK_EQ(tcpsm_attach(&fresh, TCPSM_RECEIVE, r, rcv, NULL), 0);
    CHECK_EQ(tcpsm_attach(&fresh, TCPSM_SEND, t, snd, NULL), 0);
    if (w.is_lent[s] >= 0) { /* inline ones may be too few for the ranges */
        w.lent_len[s] += below(100);
        if (w.lent_len[s] > TABLES)
            w.lent_len[s] = TABLES;
        CHECK_EQ(tcpsm_attach(&fresh, TCPSM_TABLES, lent[s][k], w.lent_len[s],
                              NULL),
                 0);
    }
    CHECK_EQ(tcpsm_import(&fresh, &p.cfg[s], blob, (uint32_t)n,
                          storm_local(&fresh, p.now)),
             0);
    memset(p.c[s].p.rcv, 0xDD, PAIR_RING);
    memset(p.c[s].p.snd, 0xDD, PAIR_RING);
    if (w.is_lent[s] >= 0) {
        memset(lent[s][w.is_lent[s]], 0xDD, TABLES);
        w.is_lent[s] = k;
        w.lent_at[s] = 0;
    }
    memcpy(&p.c[s], &fresh, sizeof fresh);
}

/* Somebody who sees nothing: right addresses, wrong numbers. Options are
   noise that begins like SACK, Accurate ECN or Fast Open. */
static uint32_t noise(uint8_t *seg, uint32_t n, uint32_t len)
{
    static const uint8_t kind[] = {5, 172, 174, 34, 8, 254};
    uint32_t i;

    for (i = 0; i < len; i++)
        seg[n + i] = (uint8_t)below(256);
    if (len > 2 && once_in(2)) {
        seg[n] = kind[below(sizeof kind)];
        seg[n + 1] = (uint8_t)(once_in(4) ? below(256) : len);
    }
    return n + len;
}

static void attack(int to)
{
    static const uint8_t usual[] = {PAIR_SYN,
                                    PAIR_RST,
                                    PAIR_ACK,
                                    PAIR_SYN | PAIR_ACK,
                                    PAIR_FIN | PAIR_ACK,
                                    PAIR_RST | PAIR_ACK,
                                    PAIR_ACK | PAIR_URG,
                                    PAIR_ACK | PAIR_ECE | PAIR_CWR};
    uint8_t seg[20 + 140];
    uint32_t n, options = 4 * below(11);

    n = pair_craft(&p, !to, seg, below(UINT32_MAX), below(UINT32_MAX),
                   usual[below(sizeof usual)], (uint16_t)below(65536), NULL,
                   0);
    n = noise(seg, n, options);
    seg[12] = (uint8_t)((5 + options / 4) << 4 | below(2));
    n = noise(seg, n, below(100));
    if (once_in(10))
        n = below(n);
    pair_inject(&p, to, seg, n, once_in(8));
}

/* An octet of, near, or far from what side `to` has in flight */
static uint32_t some_octet(int to)
{
    const tcpsm_conn *c = &p.c[to];
    uint32_t out = c->snd_nxt - c->snd_una;

    switch (below(6)) {
    case 0:
        return c->snd_una - 3 + below(7);
    case 1:
        return c->snd_nxt - 3 + below(7);
    case 2:
        return c->snd_una - about(17);
    case 3:
        return below(UINT32_MAX);
    default:
        return c->snd_una + below(out + 1);
    }
}

/* Somebody who sees everything, and lies about what arrived, what was
   marked and how much room there is; but he cannot acknowledge what did not
   arrive: that nothing repairs. */
static void lie(int to)
{
    static const uint8_t kind[] = {172, 174, 34, 253};
    const tcpsm_conn *c = &p.c[to];
    uint8_t seg[60], *o = seg + 20;
    uint32_t ack = c->snd_una, k, left, i;
    struct tcpsm_info info;

    tcpsm_status(c, &info);
    if (info.state < TCPSM_ESTABLISHED || info.state >= TCPSM_TIME_WAIT)
        return;
    if (once_in(6))
        ack -= about(16);
    if (once_in(12))
        ack = c->snd_nxt + 1 + about(16);
    pair_craft(
        &p, !to, seg, c->rcv_nxt - (once_in(8) ? 1 : 0), ack, PAIR_ACK,
        (uint16_t)(once_in(3) ? below(65536) : c->snd_wnd >> info.snd_scale),
        NULL, 0);
    if (once_in(2))
        seg[13] |= (uint8_t)(below(4) << 6);
    seg[12] |= (uint8_t)(once_in(2) ? below(2) : 0);
    if (info.timestamps) {
        *o++ = 1;
        *o++ = 1;
        *o++ = 8;
        *o++ = 10;
        pair_put32(o, c->ts_recent);
        pair_put32(o + 4, once_in(2) ? below(UINT32_MAX)
                                     : (uint32_t)(c->now >> 10) +
                                           c->ts_offset - about(12));
        o += 8;
    }
    if (once_in(3)) {
        *o++ = kind[below(sizeof kind)];
        k = once_in(4) ? 2 + below(16) : 2 + 3 * below(4);
        *o++ = (uint8_t)k;
        for (i = 2; i < k; i++)
            *o++ = (uint8_t)below(256);
    }
    while ((o - seg) % 4 != 2)
        *o++ = 1;
    left = (uint32_t)(seg + 60 - o - 2) / 8;
    k = left ? below(left + 1) : 0;
    *o++ = k ? 5 : 1;
    *o++ = (uint8_t)(k ? 2 + 8 * k : 1);
    for (i = 0; i < k; i++, o += 8) {
        pair_put32(o, some_octet(to));
        pair_put32(o + 4,
                   once_in(2) ? pair_get32(o) + about(15) : some_octet(to));
    }
    seg[12] = (uint8_t)((uint32_t)(o - seg) / 4 << 4 | (seg[12] & 1u));
    w.forged++;
    pair_inject(&p, to, seg, (uint32_t)(o - seg), 0);
}

/* What was sent long ago arrives once more. */
static void replay(void)
{
    uint32_t k = below(OLD);

    if (k < w.olds && tcpsm_state(&p.c[!w.old_from[k]]) > TCPSM_LISTEN)
        pair_inject(&p, !w.old_from[k], w.old[k], w.old_len[k], 0);
}

static int under_way(void)
{
    int a = tcpsm_state(&p.c[PAIR_A]), b = tcpsm_state(&p.c[PAIR_B]);

    return a != TCPSM_TIME_WAIT && a != TCPSM_CLOSED &&
           b != TCPSM_TIME_WAIT && b != TCPSM_CLOSED;
}

static void roll_hole(int s)
{
    uint32_t base = p.tuple[s].family == 4 ? 1200 : 1280;

    w.hole[s] = once_in(2) ? 65535 : base + below(400);
    w.icmp = once_in(2);
}

static void network(int s)
{
    switch (below(6)) {
    case 0:
        w.dark[s] = p.now + about(27);
        break;
    case 1:
        w.dark[0] = w.dark[1] = p.now + about(27);
        break;
    case 2:
        roll_hole(s);
        break;
    case 3:
        w.ce_ppm[s] = once_in(2) ? 0 : about(20);
        break;
    default:
        roll_link(&p.net.link[s]);
    }
}

static void knob(int s)
{
    tcpsm_conn *c = &p.c[s];
    uint32_t least = p.tuple[s].family == 4 ? 128 : 1280;

    switch (below(12)) {
    case 0:
        tcpsm_set(c, TCPSM_SET_CORK, below(2));
        break;
    case 1:
        tcpsm_set(c, TCPSM_SET_NODELAY, below(2));
        break;
    case 2:
        tcpsm_set(c, TCPSM_SET_MTU, least + below(1501 - least));
        break;
    case 3:
        tcpsm_set(c, TCPSM_SET_QUICKACK, below(256));
        break;
    case 4:
        tcpsm_set(c, TCPSM_SET_KEEPALIVE, below(2));
        tcpsm_set(c, TCPSM_SET_KEEP_COUNT, 255);
        tcpsm_set(c, TCPSM_SET_KEEP_IDLE, 1 + below(3000));
        break;
    case 5:
        tcpsm_set(c, TCPSM_SET_ACK_DELAY,
                  once_in(2) ? TCPSM_OFF : 1 + below(499998));
        break;
    case 6:
        tcpsm_set(c, TCPSM_SET_ACK_EVERY, 1 + below(255));
        break;
    case 7:
        tcpsm_set(c, TCPSM_SET_RTO_MIN, 1 + about(20));
        break;
    case 8:
        tcpsm_set(c, TCPSM_SET_ECN, below(4));
        break;
    case 9:
        tcpsm_set(c, TCPSM_SET_MAXSEG, 64 + below(1500));
        break;
    default:
        tcpsm_set(c, TCPSM_SET_PACE, below(2));
    }
}

static void move(void)
{
    int s = (int)below(2);
    uint32_t what = below(14);

    if (show)
        printf("# %13.6f move %u, side %c\n", (double)p.now / 1e6, what,
               'A' + s);
    switch (what) {
    case 0:
        p.flow[s].deaf ^= 1;
        break;
    case 1:
    case 2:
        knob(s);
        break;
    case 3:
        move_ring(s, 1 + below(2));
        break;
    case 4:
        lend(s);
        break;
    case 5:
    case 6:
        travel(s);
        break;
    case 7:
    case 8:
        network(s);
        break;
    case 9:
        if (under_way())
            attack(s);
        break;
    case 10:
        if (under_way())
            lie(s);
        break;
    case 11:
        if (under_way())
            replay();
        break;
    case 12:
        p.flow[s].flags = once_in(2) ? below(8) : 0;
        if (!p.flow[s].was_shut)
            p.flow[s].total += roll_bytes() / 2;
        break;
    default:
        if (once_in(6))
            p.flow[s].shut = 1;
        if (once_in(4))
            run(about(31)); /* a long time */
    }
    pair_touched(&p, s);
    look(s);
}

/* ---- a walk ------------------------------------------------------------ */

/* What a client remembers: a cookie from a visit, another one, or none. */
static tcpsm_fastopen entry;

static void visit(const pair_options *o)
{
    pair_options quiet = *o;
    uint32_t i;

    memset(&entry, 0, sizeof entry);
    if (once_in(4))
        return;
    pair_init(&p, &quiet);
    CHECK_EQ(tcpsm_listen(&p.c[PAIR_B], &p.tuple[PAIR_B], p.now), 0);
    CHECK_EQ(tcpsm_open_fast(&p.c[PAIR_A], &p.tuple[PAIR_A], &entry,
                             storm_local(&p.c[PAIR_A], p.now)),
             0);
    CHECK(pair_reach(&p, PAIR_A, TCPSM_ESTABLISHED, PAIR_SECOND));
    tcpsm_fastopen_learn(&p.c[PAIR_A], &entry);
    if (once_in(3))
        for (i = 0; i < entry.len; i++)
            entry.cookie[i] = (uint8_t)below(256);
    if (once_in(8))
        entry.len = (uint8_t)(4 + 2 * below(7));
    if (once_in(8))
        entry.mss = (uint16_t)(1 + below(3000));
}

static void begin(uint64_t seed)
{
    pair_options o;
    int s, how;

    state = seed * 77;
    memset(&o, 0, sizeof o);
    memset(&w, 0, sizeof w);
    memset(count, 0, sizeof count);
    o.seed = seed;
    o.family = once_in(2) ? 6 : 4;
    roll_config(&o, PAIR_A);
    roll_config(&o, PAIR_B);
    how = (int)below(5);
    if (how == FAST)
        visit(&o);
    pair_init(&p, &o);
    p.batch = (uint8_t)below(2);
    p.out_cap = once_in(6) ? TCPSM_MIN_CAP + about(11) : 0;
    p.observe = watch;
    p.app = app;
    p.net.script = path;
    for (s = 0; s < 2; s++) {
        w.is_lent[s] = -1;
        if (!once_in(4))
            roll_link(&p.net.link[s]);
        roll_hole(s);
        w.ce_ppm[s] = once_in(2) ? about(18) : 0;
        w.syn_loss[s] = once_in(3) ? below(4) : 0;
        if (once_in(2))
            lend(s);
        pair_touched(&p, s);
        p.flow[s].flags = once_in(3) ? below(8) : 0;
        p.flow[s].total = roll_bytes();
    }
    if (how == BOTH) {
        CHECK_EQ(tcpsm_open(&p.c[PAIR_B], &p.tuple[PAIR_B], p.now), 0);
    } else {
        CHECK_EQ(tcpsm_listen(&p.c[PAIR_B], &p.tuple[PAIR_B], p.now), 0);
    }
    pair_touched(&p, PAIR_B);
    if (how == FAST)
        CHECK_EQ(tcpsm_open_fast(&p.c[PAIR_A], &p.tuple[PAIR_A], &entry,
                                 storm_local(&p.c[PAIR_A], p.now)),
                 0);
    else
        CHECK_EQ(tcpsm_open(&p.c[PAIR_A], &p.tuple[PAIR_A], p.now), 0);
    pair_touched(&p, PAIR_A);
}

/* Nothing is in the way any more, but for a black hole that a connection
   must find by itself. */
static void heal(void)
{
    int s;

    for (s = 0; s < 2; s++) {
        netsim_link *l = &p.net.link[s];

        l->loss_ppm = l->burst_ppm = l->corrupt_ppm = l->reorder_ppm = 0;
        l->copy_ppm = 0;
        l->queue_packets = 0;
        l->rate = 0;
        l->delay_us = 1000;
        w.dark[s] = 0;
        w.syn_loss[s] = 0;
        w.ce_ppm[s] = 0;
        if ((p.cfg[s].flags & TCPSM_NO_PROBE) && !w.icmp)
            w.hole[s] = 65535;
        p.flow[s].deaf = 0;
        p.flow[s].shut = 1;
        tcpsm_set(&p.c[s], TCPSM_SET_KEEPALIVE, 0);
        tcpsm_set(&p.c[s], TCPSM_SET_ECN, 0);
        pair_touched(&p, s);
    }
}

static int failed(void)
{
    return tcpsm_error(&p.c[PAIR_A]) != 0 || tcpsm_error(&p.c[PAIR_B]) != 0;
}

static void check_rest(void)
{
    int s;

    for (s = 0; s < 2; s++) {
        CHECKF(tcpsm_state(&p.c[s]) == TCPSM_CLOSED, "side %d ends in %s", s,
               tcpsm_state_name(tcpsm_state(&p.c[s])));
        CHECK_EQ(tcpsm_error(&p.c[s]), 0);
        CHECK(tcpsm_events(&p.c[s]) & TCPSM_EV_DONE);
        CHECK(tcpsm_deadline(&p.c[s]) == TCPSM_NEVER);
    }
}

static tcpsm_time slowest;

/* 1: it went all the way; 0: the handshake did not survive the weather */
static int walk(uint64_t seed)
{
    tcpsm_time healed;
    uint64_t i, n;

    CONTEXT("--seed %llu", (unsigned long long)seed);
    begin(seed);
    if (once_in(8)) /* from the first SYN on */
        for (i = 0; i < 10 && i < moves && !w.over; i++) {
            run(about(20));
            move();
        }
    else
        run(about(23));
    n = 5 + below(40);
    for (i = 0; i < n && i < moves && !w.over; i++) {
        run(about(once_in(3) ? 26 : 18));
        move();
    }
    heal();
    if (show)
        printf("# %13.6f healed\n", (double)p.now / 1e6);
    healed = p.now;
    while (!pair_transferred(&p) && p.now < healed + 1200 * PAIR_SECOND) {
        if (w.over || (!w.both && failed()))
            return 0;
        run(PAIR_SECOND);
    }
    if (!w.both)
        return 0;
    CHECKF(pair_transferred(&p),
           "twenty minutes later %llu of %llu and %llu of %llu, error %d %d",
           (unsigned long long)p.flow[PAIR_A].got,
           (unsigned long long)p.flow[PAIR_A].total,
           (unsigned long long)p.flow[PAIR_B].got,
           (unsigned long long)p.flow[PAIR_B].total,
           (int)tcpsm_error(&p.c[PAIR_A]), (int)tcpsm_error(&p.c[PAIR_B]));
    if (p.now - healed > slowest) {
        slowest = p.now - healed;
        if (walks > WALKS)
            printf("# seed %llu took %.0f s to come home, %llu + %llu "
                   "(%u %u, %u %u)\n",
                   (unsigned long long)seed, (double)slowest / 1e6,
                   (unsigned long long)p.flow[0].total,
                   (unsigned long long)p.flow[1].total, p.c[0].snd_cap,
                   p.c[1].rcv_cap, p.c[1].snd_cap, p.c[0].rcv_cap);
    }
    run(400 * PAIR_SECOND);
    check_rest();
    return 1;
}

TEST(recovery_in_any_weather)
{
    uint64_t i, done = 0;

    for (i = 0; i < walks; i++) {
        done += (uint64_t)walk(first + i);
        if (walks > WALKS && (i + 1) % 1000 == 0)
            printf("# %llu walks\n", (unsigned long long)(i + 1));
    }
    CHECKF(done * 100 >= walks * 85 || walks < 20,
           "only %llu of %llu ever connected", (unsigned long long)done,
           (unsigned long long)walks);
}

/* What the storms washed up: records that end in a SYN, a FIN before the
   handshake's end, windows of controllers out of their mind, SYN-ACKs that
   offer less, round trips that are never exact, two kinds of ECN in SYNs
   that cross, blackouts for a sample, probes that outgrow the window. */
TEST(recovery_where_it_failed_once)
{
    static const uint32_t seeds[] = {526,   661,   1022,  1093,  1396,  1500,
                                     1812,  2762,  2981,  9396,  15046, 19838,
                                     51084, 66013, 72308, 206234};
    size_t i;

    if (walks != WALKS)
        return;
    for (i = 0; i < sizeof seeds / sizeof *seeds; i++)
        (void)walk(seeds[i]);
}

/* ---- the same at a listener --------------------------------------------- */

/* Two stacks, whose clients ask for ECN and have cookies, good ones and
   others. Data may come twice where it came with a SYN: such a life has a
   ghost at the server, which is sent away. */

enum { LIVES = 40, STACKS = 24 };

typedef struct {
    tcpsm_conn *c[2];                  /* [0]: who opened */
    uint32_t want[2], sent[2], got[2]; /* [0]: from the opener */
    uint8_t shut[2], eof[2], failed[2], side, served, fast;
} life;

static sp_net net;
static life lives[LIVES];
static uint32_t born, stop;
static tcpsm_fastopen jar[2]; /* what the clients of a side remember */

static uint8_t life_octet(const life *l, int end, uint32_t at)
{
    uint32_t i = (uint32_t)(l - lives);

    if (end == 0 && at < 4)
        return (uint8_t)(i >> 8 * at);
    return pair_pattern(i * 2 + (uint32_t)end, at);
}

static void life_step(sp_net *n, life *l, int end)
{
    tcpsm_conn *c = l->c[end];
    uint8_t buf[900];
    uint32_t k, i;
    tcpsm_ret r;

    while ((r = tcpsm_receive(c, buf, 1 + below(sizeof buf))) > 0) {
        for (i = 0; i < (uint32_t)r; i++)
            CHECKF(l->got[end] + i < l->sent[!end] &&
                       buf[i] == life_octet(l, !end, l->got[end] + i),
                   "life %u, end %d, octet %u", (unsigned)(l - lives), end,
                   l->got[end] + i);
        l->got[end] += (uint32_t)r;
    }
    if (r == TCPSM_E_EOF) {
        CHECK_EQ(l->got[end], l->sent[!end]);
        l->eof[end] = 1;
    }
    l->failed[end] |= tcpsm_error(c) != 0;
    while (l->sent[end] < l->want[end]) {
        k = 1 + below(sizeof buf);
        if (k > l->want[end] - l->sent[end])
            k = l->want[end] - l->sent[end];
        for (i = 0; i < k; i++)
            buf[i] = life_octet(l, end, l->sent[end] + i);
        if ((r = tcpsm_send(c, buf, k, once_in(8) ? below(8) : 0)) <= 0)
            break;
        l->sent[end] += (uint32_t)r;
    }
    if (l->sent[end] == l->want[end] && !l->shut[end])
        l->shut[end] = tcpsm_shutdown(c) == 0;
    if (l->failed[end] || (l->eof[end] && l->shut[end])) {
        tcpsm_stack_release(n->h[end ? !l->side : l->side].st, c);
        l->c[end] = NULL;
    }
}

static void life_begins(sp_net *n, int side)
{
    life *l = &lives[born];
    tcpsm_fastopen f = jar[side];
    tcpsm_conn *c;
    tcpsm_tuple t;

    memset(l, 0, sizeof *l);
    sp_address(&t, side);
    t.remote_port = 80;
    memset(t.local, 0, sizeof t.local);
    if (tcpsm_stack_connect(n->h[side].st, &t, NULL, &c, n->now) != 0)
        return;
    born++;
    l->side = (uint8_t)side;
    l->c[0] = c;
    l->want[0] = 4 + about(14);
    l->want[1] = about(14);
    tcpsm_set_user(c, l);
    if (once_in(4))
        return;
    if (f.len && once_in(4))
        f.cookie[0] ^= 1;
    f.refused = 0;
    l->fast = f.len != 0;
    CHECK_EQ(tcpsm_fastopen_use(c, &f), 0);
    life_step(n, l, 0);
}

/* Whose is it? The first four octets tell. */
static void visitor(sp_net *n, int side, tcpsm_conn *c)
{
    tcpsm_cspan s[2];
    uint32_t i = 0, k;

    if (tcpsm_receive_peek(c, s) < 4) {
        if (tcpsm_events(c) & (TCPSM_EV_EOF | TCPSM_EV_ERROR | TCPSM_EV_DONE))
            tcpsm_stack_release(n->h[side].st, c);
        return;
    }
    for (k = 0; k < 4; k++)
        i |= (uint32_t)(k < s[0].n ? s[0].p[k] : s[1].p[k - s[0].n]) << 8 * k;
    CHECKF(i < born, "life %u of %u", i, born);
    if (lives[i].served) {
        CHECKF(lives[i].fast || sp_info(&n->h[side]).cookies_good,
               "life %u a second time", i);
        tcpsm_stack_release(n->h[side].st, c);
        return;
    }
    lives[i].served = 1;
    lives[i].c[1] = c;
    tcpsm_set_user(c, &lives[i]);
}

static void crowd(sp_net *n, int side)
{
    tcpsm_stack *st = n->h[side].st;
    uint32_t i, at = 0, ev;
    tcpsm_conn *c;

    while (tcpsm_stack_accept(st, NULL) != NULL)
        ;
    while ((c = tcpsm_stack_next(st, &ev)) != NULL)
        if (!once_in(4))
            tcpsm_fastopen_learn(c, &jar[side]);
    jar[side].refused = 0;
    while ((c = tcpsm_stack_walk(st, &at)) != NULL) {
        tcpsm_tuple t;

        tcpsm_name(c, &t);
        if (tcpsm_user(c) == NULL && t.local_port == 80 &&
            tcpsm_stack_deref(st, tcpsm_stack_ref(st, c)) == c &&
            tcpsm_state(c) != TCPSM_LISTEN)
            visitor(n, side, c);
    }
    for (i = 0; i < born; i++)
        for (ev = 0; ev < 2; ev++)
            if (lives[i].c[ev] && (lives[i].side ^ ev) == (uint32_t)side)
                life_step(n, &lives[i], (int)ev);
    if (born < LIVES && !stop && once_in(6))
        life_begins(n, side);
}

static unsigned marks(void *ctx, const netsim_packet *k)
{
    (void)ctx;
    return below(1000000) < w.ce_ppm[k->dir] ? NETSIM_DO_MARK : 0;
}

static tcpsm_stack_config roll_stack(void)
{
    static const uint32_t flags[] = {
        TCPSM_NODELAY, TCPSM_NO_SACK,  TCPSM_NO_TS,   TCPSM_PACE,
        TCPSM_NO_ECN,  TCPSM_NO_PROBE, TCPSM_NO_SCALE};
    tcpsm_stack_config cfg = sp_config(LIVES * 2);
    size_t i;

    memset(cfg.conn.key, (int)(1 + below(255)), 16);
    cfg.rcv_ring = 300 + about(14);
    cfg.snd_ring = 300 + about(14);
    cfg.syn_entries = once_in(2) ? 1 + below(8) : 0;
    cfg.fastopen_pending = once_in(2) ? 1 + below(4) : 0;
    for (i = 0; i < sizeof flags / sizeof *flags; i++)
        if (once_in(4))
            cfg.conn.flags |= flags[i];
    if (once_in(2))
        cfg.conn.flags |= once_in(3) ? TCPSM_ECN : TCPSM_ACCECN;
    if (!once_in(5))
        cfg.conn.flags |= TCPSM_FASTOPEN;
    cfg.conn.msl_ms = 1000;
    cfg.conn.rto_max_ms = 3000;
    cfg.conn.cc = once_in(3) ? &reno_cc : NULL;
    return cfg;
}

static void stacks(uint64_t seed)
{
    tcpsm_stack_config cfg[2];
    uint32_t i, whole = 0;
    int s, e;

    CONTEXT("--seed %llu", (unsigned long long)seed);
    state = seed * 99;
    memset(&w, 0, sizeof w);
    memset(jar, 0, sizeof jar);
    born = stop = 0;
    cfg[0] = roll_stack();
    cfg[1] = roll_stack();
    sp_net_up(&net, &cfg[0], &cfg[1], seed);
    net.every = 64;
    net.batch = (uint8_t)below(2);
    net.app = crowd;
    net.net.script = marks;
    for (s = 0; s < 2; s++) {
        netsim_link *l = &net.net.link[s];

        roll_link(l);
        l->loss_ppm = about(17); /* handshakes give up where it is worse */
        l->burst_ppm = 0;
        l->delay_us = 1 + below(20000);
        if (l->rate)
            l->rate += 2000000;
        w.ce_ppm[s] = once_in(2) ? about(19) : 0;
        sp_listen(&net.h[s], 80, 0);
    }
    sp_net_run(&net, 20 * SP_SECOND);
    stop = 1;
    for (s = 0; s < 2; s++) {
        net.net.link[s].loss_ppm = net.net.link[s].corrupt_ppm = 0;
        w.ce_ppm[s] = 0;
    }
    sp_net_run(&net, 400 * SP_SECOND);
    for (i = 0; i < born; i++) {
        const life *l = &lives[i];

        if (l->failed[0] || l->failed[1] || !l->served)
            continue;
        for (e = 0; e < 2; e++)
            CHECKF(l->eof[e] && l->got[e] == l->want[!e],
                   "life %u, end %d has %u of %u", i, e, l->got[e],
                   l->want[!e]);
        whole++;
    }
    CHECKF(whole * 10 >= born * 8, "%u of %u went well", whole, born);
    for (s = 0; s < 2; s++)
        CHECKF(sp_info(&net.h[s]).conns == 0, "%u left at side %d",
               sp_info(&net.h[s]).conns, s);
    sp_net_down(&net);
}

TEST(recovery_at_a_listener)
{
    uint64_t i, n = walks == WALKS ? STACKS : walks;

    for (i = 0; i < n; i++)
        stacks(first + i);
}

int main(int argc, char **argv)
{
    char *rest[16];
    int i, n = 1, one = 0;

    rest[0] = argv[0];
    for (i = 1; i < argc; i++)
        if (i + 1 < argc && !strcmp(argv[i], "--seed")) {
            first = strtoull(argv[++i], NULL, 0);
            one++;
        } else if (i + 1 < argc && !strcmp(argv[i], "--seeds")) {
            walks = strtoull(argv[++i], NULL, 0);
            one = -1;
        } else if (i + 1 < argc && !strcmp(argv[i], "--moves")) {
            moves = strtoull(argv[++i], NULL, 0);
        } else if (n < 15) {
            rest[n++] = argv[i];
        }
    if (one == 1) {
        walks = 1;
        show = 1;
    }
    rest[n] = NULL;
    return test_main(n, rest);
}
