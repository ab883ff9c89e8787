/* Path MTU discovery without ICMP: RFC 4821, and RFC 8899 for its constants.
   Two connections on a path that swallows what is too large for it and says
   nothing; 10 ms each way. Sizes are those of IP packets. */

#define PAIR_PACKET 9200
#define PAIR_SLOTS 512
#define PAIR_RING 262144
#include "test.h"
#include "tcpsm.h"

#include "pair.h"

static pair net;
static struct tcpsm_counters count[2];

/* The path, and what was seen on it */
static struct {
    uint32_t mtu[2];         /* of what side s sends */
    tcpsm_time dark;         /* nothing passes until then */
    uint64_t swallowed;      /* for their size */
    uint32_t highest, known; /* SEQ, of side A */
    uint32_t mss_seen;       /* largest packet that carried old data */
    /* probes: packets larger than info.mtu */
    uint32_t probes, size, largest;
    tcpsm_time at, gap;            /* of the last, and the least pause after a
                                 lost one */
    uint32_t again;                /* probes with data that was not new */
    uint32_t passed[64], passed_n; /* sizes of those that were not lost */
    uint8_t was_lost;
} path;

static uint32_t ip_header(void)
{
    return net.tuple[PAIR_A].family == 4 ? 20 : 40;
}

static unsigned swallow(void *ctx, const netsim_packet *k)
{
    uint32_t size = k->len - PAIR__PREFIX + ip_header();

    (void)ctx;
    if (k->now < path.dark)
        return NETSIM_DO_DROP;
    if (size <= path.mtu[k->dir])
        return 0;
    path.swallowed++;
    return NETSIM_DO_DROP;
}

static struct tcpsm_info info(int side)
{
    struct tcpsm_info i;

    tcpsm_status(&net.c[side], &i);
    return i;
}

static void see(void *ctx, pair *p, const pair_event *e)
{
    uint32_t size = e->len + ip_header(), fresh;
    pair_segment s;

    (void)ctx;
    if (e->what != PAIR_SENT || e->from != PAIR_A ||
        pair_parse(&s, e->seg, e->len) != 0 || s.len == 0)
        return;
    fresh = !path.known || (int32_t)(s.seq - path.highest) >= 0;
    if (!path.known || (int32_t)(s.seq + s.len - path.highest) > 0)
        path.highest = s.seq + s.len;
    path.known = 1;
    if (!fresh && size > path.mss_seen)
        path.mss_seen = size;
    if (size <= info(PAIR_A).mtu)
        return;
    if (path.was_lost && p->now - path.at < path.gap)
        path.gap = p->now - path.at;
    path.probes++;
    path.again += !fresh;
    path.size = size;
    if (size > path.largest)
        path.largest = size;
    path.at = p->now;
    path.was_lost = (e->fate & NETSIM_DROPPED) != 0;
    if (!path.was_lost && path.passed_n < 64)
        path.passed[path.passed_n++] = size;
}

/* A connection over such a path; flags of side A. */
static void up_as(uint8_t family, uint32_t flags, uint16_t mtu,
                  uint32_t path_mtu)
{
    pair_options o;
    int s;

    memset(&o, 0, sizeof o);
    memset(&path, 0, sizeof path);
    memset(count, 0, sizeof count);
    o.family = family;
    for (s = 0; s < 2; s++) {
        o.cfg[s].mtu = mtu;
        o.cfg[s].counters = &count[s];
        path.mtu[s] = 65535;
    }
    o.cfg[PAIR_A].flags = flags;
    pair_init(&net, &o);
    net.net.script = swallow;
    net.observe = see;
    net.net.link[PAIR_A].delay_us = net.net.link[PAIR_B].delay_us = 10000;
    path.mtu[PAIR_A] = path_mtu;
    path.gap = TCPSM_NEVER;
    CHECK(pair_connect(&net));
}

static void up(uint32_t flags, uint32_t path_mtu)
{
    up_as(4, flags, 1500, path_mtu);
}

static int all_acked(pair *p)
{
    struct tcpsm_info i;

    tcpsm_status(&p->c[PAIR_A], &i);
    return p->flow[PAIR_A].sent == p->flow[PAIR_A].total && i.snd_queued == 0;
}

/* So much more from A to B, acknowledged within so many seconds */
static void more(uint64_t bytes, uint32_t seconds)
{
    net.flow[PAIR_A].total += bytes;
    CHECK(pair_until(&net, all_acked, seconds * PAIR_SECOND));
    CHECK_EQ(net.flow[PAIR_A].got, net.flow[PAIR_A].total);
}

static void finish(void)
{
    CHECK(pair_transfer(&net, 1000, 1000, 60 * PAIR_SECOND));
}

/* Close below what the path takes */
static void found(uint32_t mtu)
{
    uint32_t is = info(PAIR_A).mtu;

    if (is > mtu || is + 20 < mtu)
        FAIL("MTU %u over a path of %u (%u probes)", is, mtu, path.probes);
}

/* ---- black holes -------------------------------------------------------- */

/* RFC 4821 s7.7: found, survived, and the MTU converges from the base: a few
   probes for each halving. */
TEST(RFC4821_s7_7_black_hole)
{
    static const uint32_t mtu[] = {1200, 1204, 1300, 1472, 1499};
    uint32_t k;

    for (k = 0; k < sizeof mtu / sizeof *mtu; k++) {
        CONTEXT("path MTU %u", mtu[k]);
        up(0, mtu[k]);
        CHECK_EQ(info(PAIR_A).mtu, 1500);
        more(1000000, 30);
        CHECK_EQ(count[PAIR_A].mtu_holes, 1);
        found(mtu[k]);
        CHECK_EQ(path.probes, count[PAIR_A].mtu_probes);
        CHECK_LE(path.probes, 20u);
        CHECK_EQ(path.again, 0); /* probes are new data */
        CHECK_LE(path.largest, 1500u);
        CHECK_LE(path.swallowed, 40u);
        finish();
    }
}

/* RFC 8899 s5.1.2: over IPv6 the base is 1280. */
TEST(RFC8899_s5_1_2_ipv6)
{
    static const uint32_t mtu[] = {1280, 1300, 1480};
    uint32_t k;

    for (k = 0; k < 3; k++) {
        CONTEXT("path MTU %u", mtu[k]);
        up_as(6, 0, 1500, mtu[k]);
        more(1000000, 30);
        CHECK_EQ(count[PAIR_A].mtu_holes, 1);
        found(mtu[k]);
        finish();
    }
}

/* From 9000 down to 1500: the range is larger, not the time. */
TEST(RFC4821_s7_7_jumbo)
{
    static const uint32_t mtu[] = {1500, 4470, 8996};
    uint32_t k;

    for (k = 0; k < 3; k++) {
        CONTEXT("path MTU %u", mtu[k]);
        up_as(4, 0, 9000, mtu[k]);
        more(4000000, 60);
        CHECK_EQ(count[PAIR_A].mtu_holes, 1);
        found(mtu[k]);
        CHECK_LE(path.probes, 40u);
        finish();
    }
}

/* Both ends in the same trouble; with timestamps and with many options off */
TEST(RFC4821_s7_7_both_ways)
{
    up(0, 1300);
    path.mtu[PAIR_B] = 1400;
    CHECK(pair_transfer(&net, 1000000, 1000000, 60 * PAIR_SECOND));
    CHECK_EQ(count[PAIR_A].mtu_holes, 1);
    CHECK_EQ(count[PAIR_B].mtu_holes, 1);
    found(1300);
    CHECK_LE(info(PAIR_B).mtu, 1400);
    CHECK_GE(info(PAIR_B).mtu, 1380);

    up(TCPSM_NO_TS | TCPSM_GSO | TCPSM_PACE, 1300);
    more(1000000, 30);
    found(1300);
    finish();
}

/* A hole that opens in the middle */
TEST(RFC4821_s7_7_later)
{
    up(0, 1500);
    more(1000000, 30);
    CHECK_EQ(count[PAIR_A].mtu_probes, 0); /* at the top there is nothing to
                                              look for */
    path.mtu[PAIR_A] = 1372;
    more(3000000, 60);
    CHECK_EQ(count[PAIR_A].mtu_holes, 1);
    found(1372);
    finish();
}

/* Twice: what was found becomes too much. */
TEST(RFC4821_s7_7_again)
{
    up(0, 1450);
    more(1000000, 30);
    found(1450);
    path.mtu[PAIR_A] = 1250;
    more(1000000, 30);
    CHECK_EQ(count[PAIR_A].mtu_holes, 2);
    found(1250);
    finish();
}

/* Without SACK nobody tells which segment was lost: the base, and no search.
   It works all the same. */
TEST(RFC4821_s7_7_without_sack)
{
    up(TCPSM_NO_SACK, 1300);
    more(1000000, 60);
    CHECK_EQ(count[PAIR_A].mtu_holes, 1);
    CHECK_LE(info(PAIR_A).mtu, 1300);
    CHECK_GE(info(PAIR_A).mtu, 1200);
    finish();
}

/* TCPSM_NO_PROBE: neither. (This is what a black hole does otherwise.) */
TEST(no_probe)
{
    up(TCPSM_NO_PROBE, 1300);
    net.flow[PAIR_A].total = 1000000;
    pair_run(&net, 60 * PAIR_SECOND);
    CHECK_EQ(net.flow[PAIR_A].got, 0);
    CHECK_EQ(count[PAIR_A].mtu_holes, 0);
    CHECK_EQ(count[PAIR_A].mtu_probes, 0);
    CHECK_EQ(info(PAIR_A).mtu, 1500);
    CHECK_GE(count[PAIR_A].timeouts, 5u);
}

/* Timeouts of segments that are small prove nothing, however many of them
   there are. */
TEST(RFC4821_s7_7_small_segments)
{
    static uint8_t byte[100];
    int k;

    up(TCPSM_NODELAY, 1500);
    more(100000, 10);
    path.dark = net.now + 5 * PAIR_SECOND;
    for (k = 0; k < 10; k++) { /* 1000: or sent again they were larger */
        CHECK_EQ(pair_send(&net, PAIR_A, byte, 100, 0), 100);
        pair_run(&net, PAIR_MS);
    }
    for (k = 0; k < 40 && count[PAIR_A].timeouts < 3; k++)
        pair_run(&net, 100 * PAIR_MS);
    CHECK_GE(count[PAIR_A].timeouts, 3u);
    CHECK_EQ(count[PAIR_A].mtu_holes, 0);
    CHECK_EQ(info(PAIR_A).mtu, 1500);
}

/* Where all segments are small anyway there is no hole to find. */
TEST(RFC4821_s7_7_small_mss)
{
    up_as(4, 0, 1200, 1500);
    path.dark = net.now + 3 * PAIR_SECOND;
    more(200000, 30);
    CHECK_GE(count[PAIR_A].timeouts, 2u);
    CHECK_EQ(count[PAIR_A].mtu_holes, 0);
    CHECK_EQ(count[PAIR_A].mtu_probes, 0);
    CHECK_EQ(info(PAIR_A).mtu, 1200);
}

/* A blackout looks like a hole; but what it cost comes back by probing. */
TEST(RFC4821_s7_7_blackout)
{
    up(0, 1500);
    more(1000000, 30);
    path.dark = net.now + 3 * PAIR_SECOND;
    more(3000000, 60);
    CHECK_LE(count[PAIR_A].mtu_holes, 1u);
    CHECK_GE(info(PAIR_A).mtu, 1484); /* as near as it looks */
    CHECK_LE(path.probes, 8u);
    pair_run(&net, 620 * PAIR_SECOND);
    more(1000000, 60);
    CHECK_EQ(info(PAIR_A).mtu, 1500);
    finish();
}

/* Nor does a path that loses much, whatever the size, end up small. */
TEST(RFC4821_random_loss)
{
    uint32_t seed, full = 0;

    for (seed = 1; seed <= 4; seed++) {
        up(0, 1500);
        net.net.seed = seed;
        net.net.link[PAIR_A].loss_ppm = 50000;
        more(500000, 300);
        net.net.link[PAIR_A].loss_ppm = 0;
        more(500000, 60);
        full += info(PAIR_A).mtu >= 1484;
    }
    CHECK_EQ(full, 4);
}

/* ---- the search --------------------------------------------------------- */

/* RFC 4821 s7.6.2: a lost probe is no sign of congestion; its text is sent
   again at once in segments that fit. */
TEST(RFC4821_s7_6_2_no_congestion)
{
    uint32_t ssthresh, k;
    uint64_t timeouts;

    up(0, 1300);
    net.flow[PAIR_A].total = 100000000;
    while (count[PAIR_A].mtu_probes == 0)
        CHECK(pair_step(&net, 60 * PAIR_SECOND));
    ssthresh = info(PAIR_A).ssthresh;
    timeouts = count[PAIR_A].timeouts;
    path.mss_seen = 0;
    for (k = 0; k < 400 && info(PAIR_A).mtu < 1284; k++) {
        uint32_t cwnd = info(PAIR_A).cwnd;

        pair_run(&net, 10 * PAIR_MS);
        CHECK_GE(info(PAIR_A).cwnd, cwnd);
        CHECK_EQ(info(PAIR_A).ssthresh, ssthresh);
        CHECK_LE(path.mss_seen, info(PAIR_A).mtu);
    }
    found(1300);
    CHECK_GE(path.swallowed, 3u);
    CHECK_EQ(count[PAIR_A].timeouts, timeouts);
    CHECK_EQ(info(PAIR_A).in_recovery, 0);
}

/* RFC 8899 s3 (7): a round trip at least between one that failed and the
   next. RFC 4821 s7.6.2 wants as many round trips as the window has packets;
   what bounds them here is their number, three for each size. */
TEST(RFC8899_s3_pause)
{
    up(0, 1300);
    more(3000000, 60);
    found(1300);
    CHECK_GE(path.gap, 20 * PAIR_MS);
    CHECK_LE(path.probes, 16u);
}

/* s7.6.4: a probe that is lost together with others says nothing. */
TEST(RFC4821_s7_6_4_inconclusive)
{
    uint32_t k;

    up(0, 1500);
    path.dark = net.now + 2 * PAIR_SECOND;
    net.flow[PAIR_A].total = 100000000;
    while (count[PAIR_A].mtu_probes == 0)
        CHECK(pair_step(&net, 60 * PAIR_SECOND));
    for (k = 0; k < 3; k++) { /* probes, and all that follows, are lost */
        uint32_t was = path.probes;

        net.net.link[PAIR_A].loss_ppm = 1000000;
        pair_run(&net, 25 * PAIR_MS);
        net.net.link[PAIR_A].loss_ppm = 0;
        pair_run(&net, 200 * PAIR_MS);
        net.no_laws = 1; /* much traffic, nothing new */
        pair_run(&net, PAIR_SECOND);
        net.no_laws = 0;
        CHECK_GE(path.probes, was);
    }
    CHECK_GE(info(PAIR_A).mtu, 1484); /* in the end */
}

/* The search ends in a narrow place, too: a queue that is always full, and
   losses for other reasons. */
TEST(RFC4821_search_in_congestion)
{
    int k;

    for (k = 0; k < 4; k += 3) { /* and paced with losses */
        CONTEXT("case %d", k);
        up(k & 1 ? TCPSM_PACE : 0, 1300);
        net.net.link[PAIR_A].rate = 10000000;
        net.net.link[PAIR_A].queue_packets = 25;
        net.net.link[PAIR_A].loss_ppm = k & 2 ? 10000 : 0;
        net.no_laws = 1; /* as in the others */
        more(5000000, 60);
        CHECK_GE(count[PAIR_A].mtu_holes, 1u);
        found(1300);
    }
}

/* Confirmed sizes only: text never goes out in a size that no probe of it
   came through. */
TEST(RFC4821_s7_6_1_confirmed)
{
    uint32_t was = 0, k, i, rises = 0;

    up(0, 1400);
    net.flow[PAIR_A].total = 100000000;
    for (k = 0; k < 1500 && rises < 3; k++) {
        uint32_t mtu;

        pair_run(&net, 5 * PAIR_MS);
        mtu = info(PAIR_A).mtu;
        if (was != 0 && mtu > was) {
            rises++;
            CHECK_LE(mtu, 1400u);
            for (i = 0; i < path.passed_n && path.passed[i] != mtu; i++)
                continue;
            CHECK(i < path.passed_n);
        }
        if (count[PAIR_A].mtu_holes)
            was = mtu;
    }
    CHECK_EQ(rises, 3); /* 1350, 1387, 1396 */
}

/* info.probed_mtu tells what is under way. */
TEST(RFC4821_probed_mtu)
{
    up(0, 1300);
    net.flow[PAIR_A].total = 100000000;
    CHECK_EQ(info(PAIR_A).probed_mtu, 0);
    while (count[PAIR_A].mtu_probes == 0) {
        CHECK_EQ(info(PAIR_A).probed_mtu, 0);
        CHECK(pair_step(&net, 60 * PAIR_SECOND));
    }
    CHECK_EQ(info(PAIR_A).probed_mtu, path.size);
    CHECK_GT(path.size, 1200u);
    CHECK_LE(path.size, 1500u);
}

/* Probes want data behind them (s7.4): a sender of little does not probe. */
TEST(RFC4821_s7_4_enough_data)
{
    int k;

    up(0, 1300);
    more(3000, 30);
    CHECK_EQ(count[PAIR_A].mtu_holes, 1);
    for (k = 0; k < 20; k++)
        more(1000, 10);
    CHECK_EQ(count[PAIR_A].mtu_probes, 0);
    CHECK_EQ(info(PAIR_A).mtu, 1200);
}

/* RFC 8899 s5.1.1: after 600 s it looks again, and not before. */
TEST(RFC8899_s5_1_1_raise)
{
    uint32_t mtu, k;
    uint64_t probes;
    tcpsm_time then;

    up(0, 1300);
    more(3000000, 30);
    found(1300);
    mtu = info(PAIR_A).mtu;
    probes = count[PAIR_A].mtu_probes;
    then = path.at;
    path.mtu[PAIR_A] = 1500;
    for (k = 0; k < 28; k++) {
        pair_run(&net, 20 * PAIR_SECOND);
        more(100000, 10);
        if (net.now - then < 590 * PAIR_SECOND)
            CHECK_EQ(count[PAIR_A].mtu_probes, probes);
    }
    CHECK_EQ(info(PAIR_A).mtu, mtu);
    pair_run(&net, 60 * PAIR_SECOND);
    more(1000000, 30);
    CHECK_EQ(info(PAIR_A).mtu, 1500);
    CHECK_GT(count[PAIR_A].mtu_probes, probes);
    finish();
}

/* ... and if nothing is larger yet, again 600 s later; after a pause of any
   length. */
TEST(RFC8899_s5_1_1_raise_again)
{
    static const uint32_t hours[] = {1, 9, 12, 18, 30};
    uint32_t k;

    for (k = 0; k < 5; k++) {
        uint64_t probes;

        CONTEXT("after %u hours", hours[k]);
        up(0, 1300);
        net.no_laws = k != 0;
        more(3000000, 30);
        probes = count[PAIR_A].mtu_probes;
        pair_run(&net, 620 * PAIR_SECOND);
        more(1000000, 30);
        CHECK_GT(count[PAIR_A].mtu_probes, probes);
        path.mtu[PAIR_A] = 1500;
        pair_run(&net, hours[k] * 3600 * PAIR_SECOND);
        more(1000000, 30);
        CHECK_EQ(info(PAIR_A).mtu, 1500);
    }
}

/* ---- with ICMP, and with the owner -------------------------------------- */

/* A Packet Too Big about the segment at SND.UNA + off */
static tcpsm_ret too_big(uint32_t off, uint32_t mtu)
{
    static uint8_t msg[64];
    const tcpsm_tuple *t = &net.tuple[PAIR_A];
    tcpsm_ret r;

    memset(msg, 0, sizeof msg);
    msg[0] = 3;
    msg[1] = 4;
    pair_put16(msg + 6, mtu);
    msg[8] = 0x45;
    pair_put16(msg + 10, 1500);
    msg[17] = 6;
    memcpy(msg + 20, t->local, 4);
    memcpy(msg + 24, t->remote, 4);
    pair_put16(msg + 28, t->local_port);
    pair_put16(msg + 30, t->remote_port);
    pair_put32(msg + 32, info(PAIR_A).snd_una + off);
    r = tcpsm_icmp(&net.c[PAIR_A], msg, 36, 4, net.now);
    pair_touched(&net, PAIR_A);
    return r;
}

/* RFC 8899 s4.6: validated as ever; and it makes the search shorter: no hole
   is felt, no probe sent above it. After 600 s it is looked for again. */
TEST(RFC8899_s4_6_packet_too_big)
{
    up(0, 1300);
    net.flow[PAIR_A].total = 1000000;
    pair_run(&net, PAIR_MS);
    CHECK_EQ(too_big(900000, 600), TCPSM_DROP_ICMP); /* not in flight */
    CHECK_EQ(too_big(0, 1600), TCPSM_DROP_ICMP);     /* no news */
    CHECK_EQ(info(PAIR_A).mtu, 1500);
    CHECK_EQ(too_big(0, 1300), 0);
    CHECK_EQ(info(PAIR_A).mtu, 1300);
    more(0, 30);
    CHECK_EQ(count[PAIR_A].mtu_holes, 0);
    CHECK_EQ(count[PAIR_A].mtu_probes, 0);
    CHECK_EQ(count[PAIR_A].timeouts, 0);
    path.mtu[PAIR_A] = 1400;
    pair_run(&net, 590 * PAIR_SECOND);
    more(100000, 10);
    CHECK_EQ(count[PAIR_A].mtu_probes, 0);
    pair_run(&net, 20 * PAIR_SECOND);
    more(1000000, 30);
    found(1400);
}

/* About a probe on its way: the segments of today's size still pass, so it
   must not lower them. */
TEST(RFC8899_s4_6_about_a_probe)
{
    uint32_t mtu, at;

    up(0, 1300);
    net.flow[PAIR_A].total = 2000000;
    while (count[PAIR_A].mtu_probes == 0)
        CHECK(pair_step(&net, 60 * PAIR_SECOND));
    mtu = info(PAIR_A).mtu;
    at = info(PAIR_A).snd_nxt - info(PAIR_A).snd_una - 1000;
    (void)too_big(at, 1300);
    CHECK_GE(info(PAIR_A).mtu, mtu);
    CHECK_LE(info(PAIR_A).mtu, 1300);
    more(0, 30);
    found(1300);
    finish();
}

/* A liar's small MTU does not stick to a path that takes more (RFC 5927). */
TEST(RFC5927_liar)
{
    up(0, 1500);
    more(100000, 10);
    net.flow[PAIR_A].total += 100000;
    pair_run(&net, PAIR_MS);
    (void)too_big(0, 600);
    CHECK_EQ(info(PAIR_A).mtu, 1500); /* 1500 passed: wait and see */
    more(100000, 10);
    CHECK_EQ(info(PAIR_A).mtu, 1500);
    CHECK_EQ(count[PAIR_A].mtu_probes, 0);
}

/* TCPSM_SET_MTU: the owner knows better: no search goes on after it, up or
   down; a hole below it is still found. */
TEST(set_mtu)
{
    uint64_t probes;

    up(0, 1300);
    net.flow[PAIR_A].total = 100000000;
    while (count[PAIR_A].mtu_probes == 0)
        CHECK(pair_step(&net, 60 * PAIR_SECOND));
    CHECK_EQ(tcpsm_set(&net.c[PAIR_A], TCPSM_SET_MTU, 1250), 0);
    pair_touched(&net, PAIR_A);
    CHECK_EQ(info(PAIR_A).mtu, 1250);
    probes = count[PAIR_A].mtu_probes;
    pair_run(&net, 300 * PAIR_MS);
    CHECK_EQ(count[PAIR_A].mtu_probes, probes);
    CHECK_EQ(info(PAIR_A).mtu, 1250);
    CHECK_EQ(tcpsm_set(&net.c[PAIR_A], TCPSM_SET_MTU, 1400), 0);
    pair_touched(&net, PAIR_A);
    CHECK_EQ(info(PAIR_A).mtu, 1400);
    net.no_laws = 1; /* much traffic, nothing new */
    pair_run(&net, 2 * PAIR_SECOND);
    CHECK_EQ(count[PAIR_A].mtu_holes, 2);
    pair_run(&net, 2 * PAIR_SECOND);
    found(1300);
}

/* TCPSM_SET_MAXSEG, or the peer's MSS: no probe carries more. */
TEST(set_maxseg)
{
    up_as(4, 0, 9000, 1300);
    CHECK_EQ(tcpsm_set(&net.c[PAIR_A], TCPSM_SET_MAXSEG, 1310), 0);
    pair_touched(&net, PAIR_A);
    more(1000000, 60);
    CHECK_LE(path.largest, 1350u);
    found(1300);
    finish();
}

/* ---- moving ------------------------------------------------------------- */

static uint8_t blob[2 * PAIR_RING + 4096];

/* In the middle of the search, and between searches */
TEST(export_in_the_search)
{
    tcpsm_ret n;
    uint32_t k;

    up(0, 1300);
    net.flow[PAIR_A].total = 100000000;
    for (k = 0; k < 60 && path.probes < 12; k++) {
        pair_run(&net, 50 * PAIR_MS);
        n = tcpsm_export(&net.c[PAIR_A], blob, sizeof blob, net.now);
        CHECK(n > 0);
        CHECK_EQ(tcpsm_init(&net.c[PAIR_A], &net.cfg[PAIR_A]), 0);
        CHECK_EQ(tcpsm_attach(&net.c[PAIR_A], TCPSM_RECEIVE, net.rcv[PAIR_A],
                              PAIR_RING, NULL),
                 0);
        CHECK_EQ(tcpsm_attach(&net.c[PAIR_A], TCPSM_SEND, net.snd[PAIR_A],
                              PAIR_RING, NULL),
                 0);
        CHECK_EQ(tcpsm_import(&net.c[PAIR_A], &net.cfg[PAIR_A], blob,
                              (uint32_t)n, net.now),
                 0);
        pair_touched(&net, PAIR_A);
    }
    CHECK_EQ(count[PAIR_A].mtu_holes, 1);
    found(1300);
}
