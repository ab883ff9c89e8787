/* Weather: random networks, random configurations, and users who change
   their minds. Whatever comes, the laws that pair.h watches hold after
   every step, all bytes arrive both ways, and both ends come to rest.

   What goes wrong is a seed: STORM=1461 runs that one alone and prints it,
   STORM=1:100000 runs that many for those who have the time. */

#include "test.h"

#define TCPSM_IMPLEMENTATION
#define TCPSM_NAMES
#include "tcpsm.h"

#define PAIR_SLOTS 2048
#include "pair.h"

#include <stdlib.h>

#define SEEDS 250

static pair p;
static uint64_t state, total[2];
static int alone; /* one seed was asked for: show it */
static uint8_t other[2][2][PAIR_RING], tables[2][2048], blob[4 * PAIR_RING];

static uint32_t below(uint32_t n)
{
    return (uint32_t)((netsim_random(&state) >> 32) * n >> 32);
}

/* One in n */
static int once_in(uint32_t n)
{
    return below(n) == 0;
}

/* ---- what is rolled before a run -------------------------------------- */

static void roll_config(pair_options *o, int s)
{
    static const uint32_t flags[] = {TCPSM_NO_SACK,    TCPSM_NO_TS,
                                     TCPSM_NO_SCALE,   TCPSM_GATHER,
                                     TCPSM_TX_PARTIAL, TCPSM_GSO};
    tcpsm_config *c = &o->cfg[s];
    size_t i;

    c->flags = once_in(2) ? TCPSM_NODELAY : 0;
    for (i = 0; i < sizeof flags / sizeof *flags; i++)
        if (once_in(4))
            c->flags |= flags[i];
    c->mtu =
        (uint16_t)(once_in(3) ? (o->family == 4 ? 128 : 1280) + below(200)
                              : 1500);
    c->rto_max_ms = 5000; /* so that nobody gives up before us */
    c->user_timeout_ms = TCPSM_OFF;
    c->ack_every = (uint8_t)below(5);
    c->ack_delay_us = once_in(4) ? TCPSM_OFF : 0;
    o->rcv_ring[s] = once_in(3) ? 200 + below(3000) : 1 + below(PAIR_RING);
    o->snd_ring[s] = once_in(3) ? 200 + below(3000) : 1 + below(PAIR_RING);
}

static void roll_link(netsim_link *l)
{
    l->rate = once_in(2) ? 100000 + below(20000000) : 0;
    l->delay_us = once_in(3) ? 0 : below(60000);
    l->queue_packets = once_in(2) ? 3 + below(60) : 0;
    l->loss_ppm = once_in(2) ? below(150000) : 0;
    l->burst_ppm = once_in(3) ? below(10000) : 0;
    l->burst_end_ppm = 200000 + below(500000);
    l->reorder_ppm = once_in(2) ? below(200000) : 0;
    l->reorder_us = below(30000);
    l->copy_ppm = once_in(2) ? below(150000) : 0;
    l->copy_us = once_in(2) ? below(200000) : 0;
    l->corrupt_ppm = once_in(2) ? below(50000) : 0;
}

static uint32_t roll_bytes(const pair_options *o)
{
    uint32_t n = once_in(3) ? below(3) : below(60000);
    int s;

    for (s = 0; s < 2; s++) /* tiny rings or segments: no need for more */
        if (o->cfg[s].mtu < 400 || o->rcv_ring[s] < 1000 ||
            o->snd_ring[s] < 500)
            return n / 20;
    return n;
}

static void show(void *ctx, pair *q, const pair_event *e)
{
    pair_segment s;

    (void)ctx;
    if (e->what == PAIR_ARRIVED || pair_parse(&s, e->seg, e->len) != 0)
        return;
    printf("# %11.6f %c %s %c%c%c%c%c %u:%u(%u) ack %u win %u",
           (double)q->now / 1e6, 'A' + e->from,
           e->what == PAIR_SENT ? "out" : "in ",
           s.flags & PAIR_SYN ? 'S' : '.', s.flags & PAIR_FIN ? 'F' : '.',
           s.flags & PAIR_RST ? 'R' : '.', s.flags & PAIR_PSH ? 'P' : '.',
           s.flags & PAIR_URG ? 'U' : '.', (unsigned)s.seq,
           (unsigned)(s.seq + s.len), (unsigned)s.len, (unsigned)s.ack,
           (unsigned)s.wnd);
    if (s.sacks)
        printf(" sack %u:%u", (unsigned)s.sack[0][0], (unsigned)s.sack[0][1]);
    if (e->what == PAIR_TAKEN)
        printf(" %s (%s)", tcpsm_drop_name(e->drop),
               tcpsm_state_name(q->c[!e->from].state));
    printf("%s\n", e->fate & NETSIM_DROPPED ? " LOST" : "");
}

static void begin(uint64_t seed)
{
    pair_options o;
    int s;

    CONTEXT("seed %llu", (unsigned long long)seed);
    state = seed * 77;
    memset(&o, 0, sizeof o);
    o.seed = seed;
    o.family = once_in(2) ? 6 : 4;
    roll_config(&o, PAIR_A);
    roll_config(&o, PAIR_B);
    pair_init(&p, &o);
    roll_link(&p.net.link[PAIR_A]);
    roll_link(&p.net.link[PAIR_B]);
    p.observe = alone ? show : NULL;
    p.batch = (uint8_t)below(2);
    p.out_cap = once_in(4) ? TCPSM_MIN_CAP + below(3000) : 0;
    for (s = 0; s < 2; s++) {
        if (once_in(3)) /* any alignment will do */
            tcpsm_attach(&p.c[s], TCPSM_TABLES, tables[s] + below(4),
                         200 + below(1800), NULL);
        pair_touched(&p, s);
        total[s] = roll_bytes(&o);
    }
}

/* ---- what users do in the middle -------------------------------------- */

static void move_ring(int s, uint32_t what)
{
    uint8_t *own = what == TCPSM_RECEIVE ? p.rcv[s] : p.snd[s];
    uint8_t *is = what == TCPSM_RECEIVE ? p.c[s].p.rcv : p.c[s].p.snd;

    /* refused when it is too small for what was promised or is held */
    tcpsm_attach(&p.c[s], what, is == own ? other[s][what - 1] : own,
                 1 + below(PAIR_RING), NULL);
}

/* Out as a blob, and in again: the connection does not notice. */
static void travel(int s)
{
    uint32_t rcv, snd, rcv_now = p.c[s].rcv_cap, snd_now = p.c[s].snd_cap;
    uint8_t *r = p.c[s].p.rcv == p.rcv[s] ? other[s][0] : p.rcv[s];
    uint8_t *t = p.c[s].p.snd == p.snd[s] ? other[s][1] : p.snd[s];
    tcpsm_ret n = tcpsm_export(&p.c[s], blob, sizeof blob, p.now);
    tcpsm_conn fresh;

    if (p.c[s].p.tables)
        return; /* inline ones may be too few for what it holds */
    CHECKF(n > 0, "export said %d", (int)n);
    CHECK_EQ(tcpsm_blob_rings(blob, (uint32_t)n, &rcv, &snd), 0);
    CHECK(rcv <= rcv_now && snd <= snd_now);
    CHECK_EQ(tcpsm_init(&fresh, &p.cfg[s]), 0);
    rcv = rcv_now + below(PAIR_RING - rcv_now + 1);
    snd = snd_now + below(PAIR_RING - snd_now + 1);
    CHECK_EQ(tcpsm_attach(&fresh, TCPSM_RECEIVE, r, rcv, NULL), 0);
    CHECK_EQ(tcpsm_attach(&fresh, TCPSM_SEND, t, snd, NULL), 0);
    CHECK_EQ(tcpsm_import(&fresh, &p.cfg[s], blob, (uint32_t)n, p.now), 0);
    memcpy(&p.c[s], &fresh, sizeof fresh);
}

static void change_mind(int s)
{
    tcpsm_conn *c = &p.c[s];
    uint32_t least = p.tuple[s].family == 4 ? 128 : 1280;

    switch (below(10)) {
    case 0:
        p.flow[s].deaf ^= 1;
        break;
    case 1:
        tcpsm_set(c, TCPSM_SET_CORK, below(2));
        break;
    case 2:
        tcpsm_set(c, TCPSM_SET_NODELAY, below(2));
        break;
    case 3:
        tcpsm_set(c, TCPSM_SET_MTU, least + below(1501 - least));
        break;
    case 4:
        tcpsm_set(c, TCPSM_SET_QUICKACK, below(256));
        break;
    case 5:
        tcpsm_set(c, TCPSM_SET_KEEPALIVE, below(2));
        tcpsm_set(c, TCPSM_SET_KEEP_IDLE, 1 + below(3000));
        break;
    case 6:
        move_ring(s, TCPSM_RECEIVE);
        break;
    case 7:
        move_ring(s, TCPSM_SEND);
        break;
    case 8:
        tcpsm_set(c, TCPSM_SET_ACK_DELAY,
                  once_in(2) ? TCPSM_OFF : 1 + below(499998));
        break;
    default:
        travel(s);
    }
    pair_touched(&p, s);
}

static void calm(void)
{
    int s;

    for (s = 0; s < 2; s++) {
        p.flow[s].deaf = 0;
        tcpsm_set(&p.c[s], TCPSM_SET_KEEPALIVE, 0);
        pair_touched(&p, s);
    }
}

/* Somebody who knows the addresses and ports but sees nothing: half of
   what he sends has a right checksum and one of the usual flags, the rest
   is noise. */
static void attack(int to)
{
    static const uint8_t usual[] = {PAIR_SYN,
                                    PAIR_RST,
                                    PAIR_ACK,
                                    PAIR_SYN | PAIR_ACK,
                                    PAIR_FIN | PAIR_ACK,
                                    PAIR_RST | PAIR_ACK,
                                    PAIR_ACK | PAIR_URG};
    uint8_t seg[20 + 100];
    uint32_t i, len = below(100), n;

    n = pair_craft(&p, !to, seg, below(UINT32_MAX), below(UINT32_MAX),
                   usual[below(sizeof usual)], (uint16_t)below(65536), NULL,
                   0);
    for (i = 0; i < len; i++)
        seg[n++] = (uint8_t)below(256);
    if (once_in(2)) /* options, or an offset that cannot be */
        for (i = 12; i < 20; i++)
            seg[i] = (uint8_t)below(256);
    if (once_in(10))
        n = below(n);
    pair_inject(&p, to, seg, n, once_in(4));
}

/* ---- the tests -------------------------------------------------------- */

/* A LISTEN gives a handshake up after seven seconds, which the worst of
   these networks can make it do; the peer, as it has nothing to say yet,
   waits on. Those runs end here. */
static int connected(void)
{
    int s, yes = pair_connect(&p);

    for (s = 0; s < 2; s++) {
        p.flow[s].flags = once_in(3) ? below(8) : 0;
        p.flow[s].total = total[s];
        p.flow[s].shut = 1;
    }
    return yes;
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
    CHECK(netsim_next(&p.net) == NETSIM_NEVER);
}

static int under_way(void)
{
    int a = tcpsm_state(&p.c[PAIR_A]), b = tcpsm_state(&p.c[PAIR_B]);

    return a != TCPSM_TIME_WAIT && a != TCPSM_CLOSED &&
           b != TCPSM_TIME_WAIT && b != TCPSM_CLOSED;
}

enum { CALM, MINDS, ATTACKS };

static int storm(uint64_t seed, int kind)
{
    int i, minds;

    begin(seed);
    minds = kind == MINDS ? (int)below(20) : 0;
    if (!connected())
        return 0;
    for (i = 0; i < minds; i++) {
        pair_run(&p, below(300000));
        change_mind((int)below(2));
    }
    /* not once TIME-WAIT is reached: a blind SYN may end it (RFC 6191) */
    for (i = 0; kind == ATTACKS && i < 100; i++) {
        pair_run(&p, below(30000));
        if (under_way())
            attack((int)below(2));
    }
    calm();
    CHECKF(pair_until(&p, pair_transferred, 7200 * PAIR_SECOND),
           "after two hours %llu of %llu and %llu of %llu",
           (unsigned long long)p.flow[PAIR_A].got,
           (unsigned long long)p.flow[PAIR_A].total,
           (unsigned long long)p.flow[PAIR_B].got,
           (unsigned long long)p.flow[PAIR_B].total);
    pair_run(&p, 300 * PAIR_SECOND);
    check_rest();
    return 1;
}

static void season(int kind)
{
    const char *wish = getenv("STORM");
    uint64_t seed = 1, n = SEEDS, i, done = 0;
    char *end;

    if (wish && *wish) {
        seed = strtoull(wish, &end, 0);
        alone = *end != ':';
        n = alone ? 1 : strtoull(end + 1, NULL, 0);
    }
    for (i = 0; i < n; i++)
        done += (uint64_t)storm(seed + i, kind);
    CHECKF(done * 100 >= n * 98, "only %llu of %llu ever connected",
           (unsigned long long)done, (unsigned long long)n);
}

TEST(laws_hold_in_any_weather)
{
    season(CALM);
}

TEST(laws_hold_while_users_change_their_minds)
{
    season(MINDS);
}

TEST(laws_hold_under_blind_attack)
{
    season(ATTACKS);
}

/* ---- what the storms washed up, made small ---------------------------- */

/* Both sides have filled the other's window, and each way the second half
   of it and the ACK of the first are lost. From then on every pure ACK
   comes with SEQ = SND.NXT = the right edge, and every retransmission is
   old data: unless an ACK at the edge is read, nothing ever moves. */
TEST(an_ack_at_the_right_edge_is_read)
{
    struct tcpsm_info i;
    pair_options o;
    uint8_t seg[20];

    memset(&o, 0, sizeof o);
    o.cfg[PAIR_A].flags = TCPSM_NO_TS; /* pair_craft writes no options */
    pair_init(&p, &o);
    CHECK(pair_connect(&p));
    pair_run(&p, 100 * PAIR_MS);
    p.muted[PAIR_B] = 1;
    CHECK_EQ(pair_send(&p, PAIR_B, "0123456789", 10, 0), 10);
    pair_run(&p, PAIR_MS);
    tcpsm_status(&p.c[PAIR_B], &i);
    CHECK_EQ(i.flight, 10);
    pair_craft(&p, PAIR_A, seg, i.rcv_nxt + i.rcv_wnd, i.snd_nxt, PAIR_ACK,
               1000, NULL, 0);
    CHECK_EQ(pair_inject(&p, PAIR_B, seg, sizeof seg, 0), TCPSM_DROP_NONE);
    tcpsm_status(&p.c[PAIR_B], &i);
    CHECK_EQ(i.flight, 0);
}

/* The path MTU grows, and a full segment with it, beyond cwnd. */
TEST(a_segment_may_outgrow_cwnd)
{
    pair_options o;

    memset(&o, 0, sizeof o);
    o.cfg[PAIR_A].mtu = 128;
    pair_init(&p, &o);
    CHECK(pair_connect(&p));
    CHECK_EQ(tcpsm_set(&p.c[PAIR_A], TCPSM_SET_MTU, 1500), 0);
    pair_touched(&p, PAIR_A);
    CHECK(pair_transfer(&p, 5000, 0, PAIR_SECOND));
}
