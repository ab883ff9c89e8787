/* Reductions that were spurious are taken back: F-RTO (RFC 5682) with and
   without SACK, Eifel by timestamps (RFC 3522, 4015), D-SACK (RFC 2883,
   3708). And those that were not are left, whatever the peer claims.
   Segments have 1000 octets, the handshake took 100 ms: SRTT 100 ms, RTO
   300 ms. */

#define PAIR_RING 262144
#define PAIR_SLOTS 2048
#include "test.h"
#include "tcpsm.h"

#include "wire.h"

#include "../wire/stream.h"

enum { SACK = 1, TS = 2, MSS = 1000 };

static uint32_t cwnd(void)
{
    return stream_info().cwnd;
}

static uint32_t ssthresh(void)
{
    return stream_info().ssthresh;
}

/* As at the beginning: nothing has ever been lost */
static int initial(void)
{
    return ssthresh() > 0x1000000u;
}

static uint32_t first_tsval; /* of the segments sent at first */
static uint32_t low;         /* ssthresh after the reduction */

static void established(int options)
{
    START();
    w.cfg.flags |= TCPSM_NODELAY;
    if (options & SACK)
        w.cfg.flags &= ~(uint32_t)TCPSM_NO_SACK;
    if (options & TS)
        w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    OPEN();
    wire__fill();
    wire__take();
    WAIT(0.1);
    WIRE__STEP("SA 0 ack 1 mss %u win 65535 %s",
               MSS + (options & TS ? 12 : 0), options & SACK ? "sackok" : "");
    if (options & TS)
        WIRE__STEP("SA 0 ack 1 mss %u win 65535 %s ts %u %u", MSS + 12,
                   options & SACK ? "sackok" : "", w.ts_clock, w.seg.ts_val);
    wire__in_expect(0, 0);
    w.ts = (options & TS) != 0;
    wire__fill();
    wire__take();
    STATE(TCPSM_ESTABLISHED);
}

/* Ten segments, 1 to 10001, on the way at 0.1 s; n octets in all */
static void begin(int options, uint32_t n)
{
    established(options);
    SEND(n);
    FLIGHT(1, 10, MSS);
    first_tsval = w.seg.ts_val;
    NONE();
    CHECK_EQ(cwnd(), 10000);
    CHECK(initial());
}

/* Lets the retransmission timer expire; its retransmission is w.seg. The
   tail loss probe before it is thrown away. */
static void until_timeout(void)
{
    uint64_t was = COUNT(timeouts);
    while (COUNT(timeouts) == was) {
        tcpsm_time d = tcpsm_deadline(w.c);
        CHECK(d != TCPSM_NEVER);
        if (d > w.p.now)
            w.p.now = d;
        CHECK(pair__output(&w.p, PAIR_A));
        while (w.q_n > 0)
            wire__take();
    }
    wire__fill();
    while (w.q_n > 0)
        wire__take();
    CHECK_EQ(w.seg.seq - w.iss, stream_info().snd_una - w.iss);
    CHECK_EQ(w.seg.len, MSS);
    CHECK_EQ(cwnd(), MSS);
    low = ssthresh();
    CHECK_GE(low, 7000u); /* 0.7 of ten segments, or eleven */
    CHECK_LE(low, 7700u);
}

/* An ACK with a timestamp of now and this TSecr */
static void ack_ts(uint32_t number, uint32_t tsecr, const char *more)
{
    INF("A 1 ack %u ts %u %u%s", number,
        w.ts_clock + (uint32_t)((w.p.now - w.t0) / 1000), tsecr, more);
}

/* Retransmissions and new segments that are sent now */
static uint32_t again, fresh;

static void drain(void)
{
    uint64_t was = COUNT(retransmits);
    uint32_t n = stream_drain();
    again = (uint32_t)(COUNT(retransmits) - was);
    fresh = n - again;
}

/* All is acknowledged until nothing is left to send. */
static void finish(void)
{
    int k;
    for (k = 0; k < 200 && stream_info().snd_queued != 0; k++) {
        stream_drain();
        WAIT(0.05);
        if (stream_info().snd_nxt != stream_info().snd_una)
            INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
    }
    CHECK_EQ(stream_info().snd_queued, 0);
    CHECK_EQ(stream_info().in_recovery, 0);
}

/* Back where it was: cwnd at least that of before the reduction and not
   more than what was acknowledged since has earned; ssthresh as it was */
static void undone(uint32_t before, uint32_t acked)
{
    CHECK_EQ(COUNT(undone), 1);
    CHECK_GE(cwnd(), before);
    CHECK_LE(cwnd(), before + acked);
    CHECK(initial());
    CHECK_EQ(stream_info().in_recovery, 0);
}

/* ---- F-RTO without SACK ------------------------------------------------- */

/* RFC 5682 s2.1, 2b and 3b: two ACKs for what was not retransmitted */
TEST(RFC5682_spurious)
{
    begin(0, 60000);
    until_timeout();
    DEADLINE(1.0); /* 0.1 + 0.3, and then twice that */
    AT(0.45);
    IN("A 1 ack 1001");
    FLIGHT(10001, 2, MSS); /* new data, no go-back-N */
    NONE();
    CHECK_EQ(COUNT(undone), 0);
    AT(0.46);
    IN("A 1 ack 2001");
    undone(10000, 2000);
    drain();
    CHECK_EQ(again, 0);
    IN("A 1 ack 3001");
    drain();
    CHECK_EQ(again, 0);
    CHECK_EQ(COUNT(retransmits), 1);
    finish();
    CHECK_EQ(COUNT(retransmits), 1);
    CHECK_EQ(COUNT(undone), 1);
}

/* All late ACKs come at once: the first, then one for many */
TEST(RFC5682_spurious_stretched)
{
    begin(0, 60000);
    until_timeout();
    AT(0.45);
    IN("A 1 ack 2001");
    FLIGHT(10001, 2, MSS);
    IN("A 1 ack 10001");
    undone(10000, 10000);
    drain();
    CHECK_EQ(again, 0);
    finish();
    CHECK_EQ(COUNT(retransmits), 1);
}

/* 3a: a duplicate after the two: they arrived, what lies before is lost */
TEST(RFC5682_real)
{
    begin(0, 60000);
    until_timeout();
    AT(0.5);
    IN("A 1 ack 1001");
    FLIGHT(10001, 2, MSS);
    AT(0.6);
    IN("A 1 ack 1001");
    CHECK_LE(cwnd(), 3u * MSS);
    OUT("A 1001 ack 1 len 1000");
    drain();
    CHECK_EQ(fresh, 0);
    CHECK_EQ(ssthresh(), low);
    CHECK_EQ(COUNT(undone), 0);
    finish();
    CHECK_EQ(COUNT(undone), 0);
    CHECK_EQ(ssthresh(), low);
}

/* 2a: a duplicate first */
TEST(RFC5682_duplicate_first)
{
    begin(0, 60000);
    until_timeout();
    AT(0.5);
    IN("A 1 ack 1");
    drain();
    AT(0.51);
    IN("A 1 ack 1001");
    drain();
    CHECK_GE(again, 1u);
    CHECK_EQ(fresh, 0);
    IN("A 1 ack 2001");
    IN("A 1 ack 3001");
    CHECK_EQ(COUNT(undone), 0);
    CHECK_EQ(ssthresh(), low);
    finish();
    CHECK_EQ(COUNT(undone), 0);
}

/* 2a: all is acknowledged at once: the retransmission filled the hole */
TEST(RFC5682_covers_recover)
{
    begin(0, 60000);
    until_timeout();
    AT(0.5);
    IN("A 1 ack 10001");
    CHECK_EQ(COUNT(undone), 0);
    CHECK_EQ(ssthresh(), low);
    drain();
    IN("A 1 ack 11001");
    CHECK_EQ(COUNT(undone), 0);
    finish();
    CHECK_EQ(COUNT(undone), 0);
}

/* 2a: a part of the retransmitted segment proves nothing (s2.2: "a
   malicious receiver") */
TEST(RFC5682_part_of_a_segment)
{
    uint32_t k;
    begin(0, 60000);
    until_timeout();
    AT(0.5);
    for (k = 1; k < 10; k++) {
        INF("A 1 ack %u", 1 + 100 * k);
        stream_drain();
    }
    IN("A 1 ack 1001");
    stream_drain();
    IN("A 1 ack 2001");
    CHECK_EQ(COUNT(undone), 0);
    CHECK_EQ(ssthresh(), low);
    CHECK_LE(cwnd(), low);
}

/* 2b: nothing new to send: conventional recovery, nothing is stuck */
TEST(RFC5682_no_new_data)
{
    begin(0, 10000);
    until_timeout();
    AT(0.5);
    IN("A 1 ack 1001");
    OUT("A 1001 ack 1 len 1000");
    drain();
    CHECK_EQ(fresh, 0);
    IN("A 1 ack 2001");
    CHECK_EQ(COUNT(undone), 0);
    finish();
    CHECK_EQ(ssthresh(), low);
}

/* ... nor room for it in the peer's window */
TEST(RFC5682_no_window)
{
    established(0);
    w.peer_win = 10000; /* up to 10001 */
    IN("A 1 ack 1");
    SEND(60000);
    FLIGHT(1, 10, MSS);
    until_timeout();
    AT(0.5);
    w.peer_win = 9000;
    IN("A 1 ack 1001");
    OUT("A 1001 ack 1 len 1000");
    drain();
    CHECK_EQ(fresh, 0);
    w.peer_win = 65535;
    finish();
    CHECK_EQ(COUNT(undone), 0);
    CHECK_EQ(ssthresh(), low);
}

/* ... nor leave to send so little of it (Nagle): either that or what is
   lost goes out, at once. */
TEST(RFC5682_nagle)
{
    int k;
    for (k = 0; k < 2; k++) {
        begin(0, 10000);
        SET(TCPSM_SET_NODELAY, 0);
        if (k)
            SET(TCPSM_SET_CORK, 1);
        SEND(300);
        until_timeout();
        WAIT(0.1);
        IN("A 1 ack 1001");
        CHECK_GE(stream_drain(), 1u);
    }
}

/* 1: the timer again, before SND.UNA passed `recover`: no F-RTO */
TEST(RFC5682_timeout_in_rto_recovery)
{
    begin(0, 60000);
    until_timeout();
    AT(0.5);
    IN("A 1 ack 1001");
    FLIGHT(10001, 2, MSS);
    while (COUNT(timeouts) == 1) {
        tcpsm_time d = tcpsm_deadline(w.c);
        if (d > w.p.now)
            w.p.now = d;
        CHECK(pair__output(&w.p, PAIR_A));
    }
    OUT("A 1001 ack 1 len 1000");
    WAIT(0.1);
    IN("A 1 ack 2001");
    drain();
    CHECK_EQ(fresh, 0);
    IN("A 1 ack 3001");
    IN("A 1 ack 4001");
    CHECK_EQ(COUNT(undone), 0);
    CHECK_LE(ssthresh(), low);
    finish();
    CHECK_EQ(COUNT(undone), 0);
}

/* s2.2: but the same segment may time out twice, and be late only. What
   comes back is the window before the first of them, or nothing. */
TEST(RFC5682_twice_for_the_same_segment)
{
    begin(0, 60000);
    until_timeout();
    until_timeout();
    CHECK_EQ(COUNT(timeouts), 2);
    WAIT(0.01);
    IN("A 1 ack 1001");
    drain();
    IN("A 1 ack 2001");
    IN("A 1 ack 3001");
    CHECK_LE(cwnd(), 13000u);
    if (COUNT(undone) != 0)
        undone(10000, 3000);
    finish();
}

/* After a spurious timeout duplicates count again (s2.2: `recover` is
   SND.UNA): a loss in the same window is repaired fast. */
TEST(RFC5682_fast_retransmit_afterwards)
{
    begin(0, 60000);
    until_timeout();
    AT(0.45);
    IN("A 1 ack 1001");
    FLIGHT(10001, 2, MSS);
    IN("A 1 ack 2001");
    undone(10000, 2000);
    stream_drain();
    IN("A 1 ack 2001");
    IN("A 1 ack 2001");
    IN("A 1 ack 2001");
    CHECK_EQ(stream_info().in_recovery, 1);
    CHECK_EQ(COUNT(fast_retransmits), 1);
    CHECK_EQ(COUNT(undone), 1);
    CHECK(!initial());
}

/* ---- F-RTO with SACK ---------------------------------------------------- */

/* With SACK the probe comes first (RFC 8985 s7): it is segment 10001. */
TEST(RFC5682_sack_spurious)
{
    begin(SACK, 60000);
    until_timeout();
    CHECK_EQ(COUNT(loss_probes), 1);
    WAIT(0.01);
    IN("A 1 ack 1001");
    drain();
    CHECK_EQ(again, 0);
    CHECK_GE(fresh, 1u);
    CHECK_LE(fresh, 2u);
    IN("A 1 ack 2001");
    undone(10000, 2000);
    drain();
    CHECK_EQ(again, 0);
    CHECK_EQ(COUNT(retransmits), 1);
    finish();
    CHECK_EQ(COUNT(retransmits), 1);
}

/* s3.1, 3b: SACK of what was sent before the timeout says it as well:
   whether or not anything was ever acknowledged before. */
TEST(RFC5682_sack_of_old_data)
{
    uint32_t k;
    for (k = 0; k < 2; k++) {
        uint32_t una = 1;
        CONTEXT("%s", k ? "the first flight" : "the second flight");
        if (k == 0) {
            established(SACK);
            SEND(1000);
            FLIGHT(1, 1, MSS);
            WAIT(0.1);
            IN("A 1 ack 1001");
            una = 1001;
            SEND(60000);
            FLIGHT(1001, 10, MSS);
        } else {
            begin(SACK, 60000);
        }
        until_timeout();
        WAIT(0.01);
        INF("A 1 ack %u", una + 1000);
        drain();
        CHECK_GE(fresh, 1u);
        INF("A 1 ack %u sack %u:%u", una + 1000, una + 2000, una + 3000);
        CHECK_EQ(COUNT(undone), 1);
        CHECK_GE(cwnd(), 10000u);
        CHECK_LE(cwnd(), 12000u);
        CHECK(initial());
    }
}

/* 3a: SACK of what was sent after it says that the rest is lost. */
TEST(RFC5682_sack_real)
{
    begin(SACK, 60000);
    until_timeout();
    WAIT(0.1);
    IN("A 1 ack 1001");
    drain();
    CHECK_GE(fresh, 1u);
    WAIT(0.1);
    INF("A 1 ack 1001 sack %u:%u", stream_info().snd_nxt - w.iss - MSS,
        stream_info().snd_nxt - w.iss);
    CHECK_LE(cwnd(), 3u * MSS);
    drain();
    CHECK_GE(again, 1u);
    CHECK_EQ(COUNT(undone), 0);
    CHECK_EQ(ssthresh(), low);
    finish();
    CHECK_EQ(COUNT(undone), 0);
    CHECK_EQ(ssthresh(), low);
}

/* 2a */
TEST(RFC5682_sack_covers_recover)
{
    begin(SACK, 60000);
    until_timeout();
    WAIT(0.1);
    INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
    CHECK_EQ(COUNT(undone), 0);
    CHECK_EQ(ssthresh(), low);
    drain();
    INF("A 1 ack %u", stream_info().snd_una + MSS - w.iss);
    CHECK_EQ(COUNT(undone), 0);
    finish();
    CHECK_EQ(COUNT(undone), 0);
}

/* s3.1: not if recovery was under way when the timer expired. */
TEST(RFC5682_sack_not_during_recovery)
{
    uint32_t was;
    begin(SACK, 60000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:2001");
    IN("A 1 ack 1 sack 1001:3001");
    IN("A 1 ack 1 sack 1001:4001");
    stream_drain();
    CHECK_EQ(stream_info().in_recovery, 1);
    CHECK_EQ(COUNT(retransmits), 1);
    while (COUNT(timeouts) == 0) {
        tcpsm_time d = tcpsm_deadline(w.c);
        if (d > w.p.now)
            w.p.now = d;
        stream_drain();
    }
    was = ssthresh();
    WAIT(0.1);
    IN("A 1 ack 4001"); /* the retransmission filled the hole */
    stream_drain();
    IN("A 1 ack 5001");
    stream_drain();
    IN("A 1 ack 6001");
    CHECK_EQ(COUNT(undone), 0);
    CHECK_LE(ssthresh(), was);
    finish();
    CHECK_EQ(COUNT(undone), 0);
}

/* ---- Eifel -------------------------------------------------------------- */

/* RFC 3522 s3.2: an ACK of the first retransmission with a TSecr older
   than it: the original arrived. */
TEST(RFC4015_timeout)
{
    int k;
    for (k = 0; k < 2; k++) {
        begin(TS | (k ? SACK : 0), 60000);
        until_timeout();
        CHECK_GT(w.seg.ts_val - first_tsval, 100u);
        WAIT(0.01);
        ack_ts(1001, first_tsval, "");
        undone(10000, 1000);
        drain();
        CHECK_EQ(again, 0);
        CHECK_EQ(COUNT(retransmits), 1);
        finish();
        CHECK_EQ(COUNT(retransmits), 1);
        CHECK_EQ(COUNT(undone), 1);
    }
}

/* The TSecr of the retransmission: it was needed. Recovery goes on. */
TEST(RFC4015_timeout_was_real)
{
    int k;
    for (k = 0; k < 2; k++) {
        uint32_t tsval;
        begin(TS | (k ? SACK : 0), 60000);
        until_timeout();
        tsval = w.seg.ts_val;
        WAIT(0.1);
        ack_ts(1001, tsval, "");
        CHECK_EQ(COUNT(undone), 0);
        CHECK_EQ(ssthresh(), low);
        drain();
        WAIT(0.1);
        if (k) {
            char sack[40];
            uint32_t nxt = stream_info().snd_nxt - w.iss;
            snprintf(sack, sizeof sack, " sack %u:%u", nxt - MSS, nxt);
            ack_ts(1001, w.tsval, sack);
        } else {
            ack_ts(1001, w.tsval, "");
        }
        CHECK_EQ(COUNT(undone), 0);
        CHECK_EQ(ssthresh(), low);
    }
}

/* Fast retransmit because of reordering, with and without SACK */
TEST(RFC4015_fast_retransmit)
{
    int k;
    for (k = 0; k < 2; k++) {
        begin(TS | (k ? SACK : 0), 60000);
        AT(0.2);
        INF("A 1 ack 1%s", k ? " sack 1001:2001" : "");
        INF("A 1 ack 1%s", k ? " sack 1001:3001" : "");
        INF("A 1 ack 1%s", k ? " sack 1001:4001" : "");
        stream_drain();
        CHECK_EQ(COUNT(retransmits), 1);
        CHECK_EQ(stream_info().in_recovery, 1);
        CHECK(!initial());
        AT(0.21);
        ack_ts(4001, first_tsval, "");
        undone(10000, 4000);
        drain();
        CHECK_EQ(again, 0);
        finish();
        CHECK_EQ(COUNT(retransmits), 1);
        CHECK_EQ(COUNT(undone), 1);
    }
}

/* The same with a real loss: the retransmission's TSecr */
TEST(RFC4015_fast_retransmit_was_needed)
{
    int k;
    for (k = 0; k < 2; k++) {
        uint32_t tsval;
        begin(TS | (k ? SACK : 0), 60000);
        AT(0.2);
        INF("A 1 ack 1%s", k ? " sack 1001:2001" : "");
        INF("A 1 ack 1%s", k ? " sack 1001:3001" : "");
        INF("A 1 ack 1%s", k ? " sack 1001:4001" : "");
        stream_drain();
        CHECK_EQ(COUNT(retransmits), 1);
        tsval = w.tsval;
        AT(0.3);
        ack_ts(4001, tsval, "");
        CHECK_EQ(COUNT(undone), 0);
        low = ssthresh();
        finish();
        CHECK_EQ(COUNT(undone), 0);
        CHECK_EQ(ssthresh(), low);
        CHECK_EQ(low, 7000);
    }
}

/* RFC 4015 s3.1 (9): not if the ACK that tells says "congestion" as well:
   what is left is a reduction by the mark, or by the timeout. */
TEST(RFC4015_not_with_ece)
{
    int k;
    for (k = 0; k < 2; k++) {
        START();
        w.cfg.flags = TCPSM_NODELAY | TCPSM_NO_SCALE | TCPSM_ECN |
                      (k ? 0 : TCPSM_NO_SACK);
        OPEN();
        wire__fill();
        wire__take();
        WAIT(0.1);
        WIRE__STEP("SAE 0 ack 1 mss %u win 65535 ts %u %u%s", MSS + 12,
                   w.ts_clock, w.seg.ts_val, k ? " sackok" : "");
        wire__in_expect(0, 0);
        w.ts = 1;
        wire__fill();
        wire__take();
        SEND(60000);
        FLIGHT(1, 10, MSS);
        first_tsval = w.seg.ts_val;
        until_timeout();
        WAIT(0.01);
        INF("AE 1 ack 1001 ts %u %u",
            w.ts_clock + (uint32_t)((w.p.now - w.t0) / 1000), first_tsval);
        CHECK(!initial());
        CHECK_LE(ssthresh(), 8500u); /* 0.85 is CUBIC's for a mark */
        CHECK_LE(cwnd(), 8500u);
    }
}

/* Nor may a D-SACK take back what a mark cost meanwhile. */
TEST(RFC3168_a_mark_after_a_reduction_that_was_spurious)
{
    uint32_t nxt, low2;
    START();
    w.cfg.flags = TCPSM_NODELAY | TCPSM_NO_SCALE | TCPSM_ECN | TCPSM_NO_TS;
    OPEN();
    wire__fill();
    wire__take();
    WAIT(0.1);
    WIRE__STEP("SAE 0 ack 1 mss 1000 win 65535 sackok");
    wire__in_expect(0, 0);
    wire__fill();
    wire__take();
    SEND(60000);
    FLIGHT(1, 10, MSS);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:2001");
    IN("A 1 ack 1 sack 1001:3001");
    IN("A 1 ack 1 sack 1001:4001");
    stream_drain();
    CHECK_EQ(COUNT(retransmits), 1);
    nxt = stream_info().snd_nxt - w.iss;
    INF("A 1 ack %u", nxt);
    stream_drain();
    WAIT(0.02);
    INF("AE 1 ack %u", nxt + MSS);
    CHECK_EQ(COUNT(ecn_reductions), 1);
    low2 = ssthresh();
    CHECK_LT(low2, 7000u);
    stream_drain();
    INF("AE 1 ack %u sack 1:1001", nxt + MSS);
    CHECK_EQ(ssthresh(), low2);
    CHECK_EQ(COUNT(undone), 0);
}

/* ---- D-SACK ------------------------------------------------------------- */

/* Segments 2 to 4 before 1, which is sent again; all of it is there then. */
static void reordered(int options)
{
    begin(SACK | options, 60000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:2001");
    IN("A 1 ack 1 sack 1001:3001");
    IN("A 1 ack 1 sack 1001:4001");
    stream_drain();
    CHECK_EQ(COUNT(retransmits), 1);
    CHECK_EQ(stream_info().in_recovery, 1);
    low = ssthresh();
    CHECK_EQ(low, 7000);
}

/* RFC 3708: both copies arrived. The late D-SACK, after recovery */
TEST(RFC2883_undo_after_recovery)
{
    uint32_t nxt;
    reordered(0);
    AT(0.21);
    nxt = stream_info().snd_nxt - w.iss;
    INF("A 1 ack %u", nxt);
    CHECK_EQ(stream_info().in_recovery, 0);
    CHECK_EQ(COUNT(undone), 0);
    CHECK_EQ(cwnd(), low);
    stream_drain();
    AT(0.3);
    INF("A 1 ack %u sack 1:1001", nxt);
    undone(10000, nxt - 1);
    CHECK_EQ(COUNT(dsacks), 1);
    finish();
    CHECK_EQ(COUNT(retransmits), 1);
}

/* ... and in it */
TEST(RFC2883_undo_in_recovery)
{
    reordered(0);
    AT(0.21);
    IN("A 1 ack 4001");
    CHECK_EQ(COUNT(undone), 0);
    stream_drain();
    AT(0.3);
    IN("A 1 ack 5001 sack 1:1001");
    undone(10000, 5000);
    finish();
    CHECK_EQ(COUNT(retransmits), 1);
}

/* A D-SACK said once more, or by a copy of the ACK, does nothing more. */
TEST(RFC2883_undo_only_once)
{
    uint32_t nxt, was, high, k;
    reordered(0);
    AT(0.21);
    nxt = stream_info().snd_nxt - w.iss;
    INF("A 1 ack %u", nxt);
    stream_drain();
    INF("A 1 ack %u sack 1:1001", nxt);
    CHECK_EQ(COUNT(undone), 1);
    was = cwnd();
    high = ssthresh();
    for (k = 0; k < 50; k++)
        INF("A 1 ack %u sack 1:1001", nxt);
    CHECK_EQ(COUNT(undone), 1);
    CHECK_EQ(cwnd(), was);
    CHECK_EQ(ssthresh(), high);
}

/* Segments 1 and 2 are missing and sent again, 3 to 8 have arrived. */
static void two_lost(void)
{
    uint32_t k;
    begin(SACK, 60000);
    AT(0.2);
    for (k = 3; k <= 8; k++) {
        INF("A 1 ack 1 sack 2001:%u", 1001 + 1000 * (k - 1));
        stream_drain();
    }
    AT(0.25);
    CHECK_EQ(COUNT(retransmits), 2);
    low = ssthresh();
    CHECK_EQ(low, 7000);
}

/* All retransmissions must have been needless, not some. */
TEST(RFC2883_one_of_two_is_not_enough)
{
    uint32_t nxt;
    two_lost();
    nxt = stream_info().snd_nxt - w.iss;
    INF("A 1 ack %u", nxt);
    INF("A 1 ack %u sack 1:1001", nxt);
    CHECK_EQ(COUNT(undone), 0);
    CHECK_EQ(ssthresh(), low);
    finish();
    CHECK_EQ(COUNT(undone), 0);
}

TEST(RFC2883_two_of_two)
{
    uint32_t nxt;
    two_lost();
    nxt = stream_info().snd_nxt - w.iss;
    INF("A 1 ack %u", nxt);
    INF("A 1 ack %u sack 1:1001", nxt);
    INF("A 1 ack %u sack 1001:2001", nxt);
    undone(10000, nxt - 1);
}

/* Copies that the network made of what was sent once: reported, and not
   ours to undo, as far as is known of it: what is below SND.UNA is
   forgotten, and a copy of that, or of the ACK with the D-SACK, may count
   for a retransmission. Even so the window is never more than it was. */
TEST(RFC2883_of_what_was_not_sent_again)
{
    uint32_t nxt;
    reordered(0);
    AT(0.21);
    INF("A 1 ack 1 sack 2001:3001 1001:9001");
    CHECK_EQ(COUNT(dsacks), 1);
    CHECK_EQ(COUNT(undone), 0);
    CHECK_EQ(ssthresh(), low);
    nxt = stream_info().snd_nxt - w.iss;
    stream_drain();
    INF("A 1 ack %u", nxt);
    INF("A 1 ack %u sack 4001:5001", nxt);
    INF("A 1 ack %u sack 4001:5001", nxt);
    CHECK_LE(cwnd(), 10000 + nxt);
    CHECK_LE(COUNT(undone), 1u);
}

/* More than there is, beyond all that was ever sent, and from long ago */
TEST(RFC2883_nonsense)
{
    static const char *const text[] = {
        "sack 0:1001",          "sack 1:60001", "sack -100000:-99000",
        "sack 70000:71000",     "sack 1001:1",  "sack 1:1",
        "sack -2000000000:1001"};
    uint32_t nxt, k;
    for (k = 0; k < 7; k++) {
        CONTEXT("%s", text[k]);
        two_lost();
        nxt = stream_info().snd_nxt - w.iss;
        INF("A 1 ack %u", nxt);
        INF("A 1 ack %u %s", nxt, text[k]);
        CHECK_LE(cwnd(), 10000 + nxt);
        CHECKF(COUNT(undone) == 0, "undone by %s", text[k]);
        CHECK_EQ(ssthresh(), low);
        finish();
    }
}

/* A needless retransmission by the timer, told by D-SACK alone: what came
   first was one ACK for everything, so F-RTO saw nothing. */
TEST(RFC2883_undo_of_a_timeout)
{
    uint32_t nxt;
    begin(SACK, 60000);
    until_timeout();
    WAIT(0.01);
    nxt = stream_info().snd_nxt - w.iss;
    INF("A 1 ack %u", nxt);
    CHECK_EQ(COUNT(undone), 0);
    CHECK_EQ(ssthresh(), low);
    stream_drain();
    WAIT(0.05);
    INF("A 1 ack %u sack 1:1001", nxt);
    undone(10000, nxt - 1);
}

/* A real loss in the next window ends the chance to undo the last one. */
TEST(RFC2883_the_reduction_before_the_last)
{
    uint32_t una, was, high;
    reordered(0);
    AT(0.21);
    una = stream_info().snd_nxt - w.iss;
    INF("A 1 ack %u", una);
    CHECK_EQ(cwnd(), 7000);
    drain();
    CHECK_GE(fresh, 7u);
    AT(0.31);
    INF("A 1 ack %u sack %u:%u", una, una + 1000, una + 2000);
    INF("A 1 ack %u sack %u:%u", una, una + 1000, una + 3000);
    INF("A 1 ack %u sack %u:%u", una, una + 1000, una + 4000);
    stream_drain();
    AT(0.35);
    stream_drain();
    CHECK_EQ(COUNT(retransmits), 2);
    high = ssthresh();
    CHECK_LT(high, low);
    INF("A 1 ack %u sack 1:1001 %u:%u", una, una + 1000, una + 4000);
    CHECK_EQ(COUNT(undone), 0);
    CHECK_EQ(ssthresh(), high);
    was = cwnd();
    CHECK_LE(was, low);
    finish();
    CHECK_EQ(COUNT(undone), 0);
}

/* Nor may it take back what a tail loss probe's loss (RFC8985-14) cost
   since then: that one was real. */
TEST(RFC8985_14_after_a_reduction_that_was_spurious)
{
    uint32_t nxt, low2;
    begin(SACK, 10000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:2001");
    IN("A 1 ack 1 sack 1001:3001");
    IN("A 1 ack 1 sack 1001:4001");
    stream_drain();
    CHECK_EQ(COUNT(retransmits), 1);
    AT(0.21);
    IN("A 1 ack 10001");
    CHECK_EQ(stream_info().in_recovery, 0);
    low = ssthresh();
    CHECK_EQ(low, 7000);
    AT(0.3);
    SEND(4000);
    CHECK_EQ(stream_drain(), 4);
    nxt = stream_info().snd_nxt - w.iss;
    CHECK_EQ(nxt, 14001);
    WAIT(0.1);
    IN("A 1 ack 13001"); /* the last one is lost */
    while (COUNT(loss_probes) == 0) {
        w.p.now = tcpsm_deadline(w.c);
        stream_drain();
    }
    CHECK_EQ(COUNT(timeouts), 0);
    WAIT(0.1);
    SEND(2000);
    stream_drain();
    WAIT(0.1);
    IN("A 1 ack 16001"); /* the probe repaired it */
    low2 = ssthresh();
    CHECK_LT(low2, low);
    IN("A 1 ack 16001 sack 1:1001");
    CHECK_EQ(COUNT(undone), 0);
    CHECK_EQ(ssthresh(), low2);
}

/* Nor open the window of a connection that has been idle since then */
TEST(RFC5681_14_idle_since_the_reduction)
{
    uint32_t k;
    established(SACK);
    for (k = 0; k < 3; k++) {
        SEND(60000);
        while (stream_info().snd_queued != 0) {
            stream_drain();
            WAIT(0.1);
            INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
        }
    }
    SEND(30000);
    k = stream_info().snd_una - w.iss;
    CHECK_EQ(stream_drain(), 30);
    CHECK_GE(cwnd(), 30000u);
    WAIT(0.1);
    INF("A 1 ack %u sack %u:%u", k, k + 1000, k + 2000);
    INF("A 1 ack %u sack %u:%u", k, k + 1000, k + 3000);
    INF("A 1 ack %u sack %u:%u", k, k + 1000, k + 4000);
    stream_drain();
    CHECK_EQ(COUNT(retransmits), 1);
    INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
    CHECK_EQ(stream_info().snd_queued, 0);
    WAIT(60);
    SEND(1000);
    stream_drain();
    CHECK_EQ(cwnd(), 10000);
    INF("A 1 ack %u sack %u:%u", stream_info().snd_una - w.iss, k, k + 1000);
    CHECKF(cwnd() <= 11000, "cwnd %u after a minute of silence", cwnd());
}

/* RFC9438-11, s4.9.2: what comes late, when cwnd is larger again, must not
   make it smaller. */
TEST(RFC9438_11_late)
{
    uint32_t was, k;
    reordered(0);
    AT(0.21);
    INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
    for (k = 0; k < 60 && cwnd() < 12000; k++) {
        wire__send(60000, 0);
        stream_drain();
        w.p.now += 50000;
        stream_drain();
        for (was = 0; was < 20; was++) {
            if (stream_info().snd_nxt - stream_info().snd_una < 2 * MSS)
                break;
            INF("A 1 ack %u", stream_info().snd_una + MSS - w.iss);
            stream_drain();
        }
    }
    was = cwnd();
    CHECK_GE(was, 12000u);
    INF("A 1 ack %u sack 1:1001", stream_info().snd_una - w.iss);
    CHECK_GE(cwnd(), was);
    CHECK_LE(cwnd(), was);
}

/* ---- whatever the peer says --------------------------------------------- */

static uint32_t any(uint64_t *seed, uint32_t below)
{
    return (uint32_t)(netsim_random(seed) >> 33) % below;
}

/* SACKs, D-SACKs, timestamps and ACKs made up at random. cwnd never grows
   by more than what an ACK acknowledges, except back to where it has been;
   ssthresh never rises above what it was before the last reduction, or what
   cwnd has become since. */
TEST(never_more_than_before)
{
    uint64_t seed = 5;
    uint32_t run, k, lost = 0;
    for (run = 0; run < 8; run++) {
        uint32_t highest = 10000, high;
        CONTEXT("run %u", run);
        established(SACK | (run & 1 ? TS : 0));
        w.p.no_laws = 1;
        high = ssthresh();
        for (k = 0; k < 300; k++) {
            struct tcpsm_info a, b;
            char text[200];
            uint64_t undos = COUNT(undone);
            uint32_t una, nxt, n, i, at, acked, span;
            wire__send(20000, 0);
            stream_drain();
            a = stream_info();
            una = a.snd_una - w.iss;
            nxt = a.snd_nxt - w.iss;
            span = nxt - una ? nxt - una : 1;
            acked = any(&seed, 4) ? 0 : any(&seed, span + 1);
            n = (uint32_t)snprintf(text, sizeof text, "A 1 ack %u",
                                   una + acked);
            if (any(&seed, 4) && a.sack) {
                n += (uint32_t)snprintf(text + n, sizeof text - n, " sack");
                for (i = 0; i < 1 + any(&seed, 3); i++) {
                    at = una - 12000 + any(&seed, span + 14000);
                    n += (uint32_t)snprintf(text + n, sizeof text - n,
                                            " %u:%u", at,
                                            at + 1 + any(&seed, 3000));
                }
            }
            if (run & 1)
                snprintf(text + n, sizeof text - n, " ts %u %u",
                         w.ts_clock + (uint32_t)((w.p.now - w.t0) / 1000),
                         w.tsval - any(&seed, 5 + 3000 * (k & 1)));
            wire__step(__FILE__, __LINE__, "%s", text);
            wire__in(w.text);
            b = stream_info();
            CHECK_EQ(tcpsm_check(w.c), 0);
            acked = b.snd_una - a.snd_una;
            CHECKF(b.cwnd <= a.cwnd + acked || b.cwnd <= highest + acked ||
                       (b.in_recovery == 1 && /* PRR forces a segment */
                        b.cwnd <= b.flight + 3 * MSS),
                   "cwnd from %u to %u, %u acknowledged, highest %u", a.cwnd,
                   b.cwnd, acked, highest);
            CHECKF(b.ssthresh <= a.ssthresh || b.ssthresh <= high ||
                       b.ssthresh <= a.cwnd + acked,
                   "ssthresh from %u to %u, %u before that", a.ssthresh,
                   b.ssthresh, high);
            if (b.cwnd > highest)
                highest = b.cwnd;
            if (COUNT(undone) != undos) /* and a reduction, perhaps */
                high = 0xFFFFFFFF;
            else if (b.ssthresh < a.ssthresh)
                high = a.ssthresh;
            lost += b.ssthresh < a.ssthresh;
            w.p.now += any(&seed, 60000);
            if (any(&seed, 10) == 0)
                w.p.now += any(&seed, 2000000);
        }
    }
    CHECK_GT(lost, 20u);
}

/* ---- on a path ---------------------------------------------------------- */

static pair p;

static void twenty(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    s->cwnd = 20 * e->mss;
    s->ssthresh = 10 * e->mss;
}

/* In congestion avoidance from twenty segments on: more is always waiting,
   and the window is the limit. */
static const tcpsm_cc steady = {200,  twenty, NULL, NULL,
                                NULL, NULL,   NULL, NULL};

/* The delay rises from 40 ms to 1.2 s within an instant and stays there.
   A timeout or two are spurious, and noticed; then the timer has learned
   (RFC 4015 s3.6), and nothing more is sent in vain. */
TEST(RFC4015_the_delay_jumps)
{
    static const uint32_t flags[] = {
        0, TCPSM_NO_TS, TCPSM_NO_TS | TCPSM_NO_SACK, TCPSM_NO_SACK};
    static struct tcpsm_counters n;
    int k;
    for (k = 0; k < 4; k++) {
        pair_options o;
        CONTEXT("flags %u", flags[k]);
        memset(&o, 0, sizeof o);
        memset(&n, 0, sizeof n);
        o.cfg[0].flags = o.cfg[1].flags = flags[k];
        o.cfg[0].counters = &n;
        o.cfg[0].cc = &steady;
        pair_init(&p, &o);
        p.no_laws = 1;
        p.net.link[PAIR_A].rate = 5000000;
        p.net.link[PAIR_A].delay_us = p.net.link[PAIR_B].delay_us = 20000;
        CHECK(pair_connect(&p));
        p.flow[PAIR_A].total = 100000000;
        pair_run(&p, PAIR_SECOND);
        CHECK_EQ(n.timeouts, 0);
        CHECK_EQ(n.retransmits, 0);
        p.net.link[PAIR_A].delay_us = p.net.link[PAIR_B].delay_us = 600000;
        pair_run(&p, 8 * PAIR_SECOND);
        CHECK_GE(n.timeouts, 1u);
        CHECKF(n.timeouts <= 3, "%u timeouts", (unsigned)n.timeouts);
        CHECKF(n.undone >= 1, "nothing undone after %u timeouts",
               (unsigned)n.timeouts);
        CHECKF(n.retransmits <= 6, "%u segments sent in vain",
               (unsigned)n.retransmits);
    }
}

/* Slow start runs a queue over: hundreds of real losses in one flight. With
   the inline tables, which are too small for them, and with lent ones:
   nothing of that is undone. */
TEST(RFC4015_a_queue_overflows)
{
    static const uint32_t flags[] = {
        0, TCPSM_NO_TS, TCPSM_NO_TS | TCPSM_NO_SACK, TCPSM_NO_SACK};
    static struct tcpsm_counters n;
    static uint8_t tables[4000];
    uint32_t k;
    for (k = 0; k < 8; k++) {
        pair_options o;
        uint32_t high;
        struct tcpsm_info i;
        CONTEXT("flags %u, %s tables", flags[k / 2],
                k & 1 ? "lent" : "inline");
        memset(&o, 0, sizeof o);
        memset(&n, 0, sizeof n);
        o.cfg[0].flags = o.cfg[1].flags = flags[k / 2];
        o.cfg[0].counters = &n;
        pair_init(&p, &o);
        p.no_laws = 1;
        if (k & 1)
            tcpsm_attach(&p.c[PAIR_A], TCPSM_TABLES, tables, sizeof tables,
                         NULL);
        p.net.link[PAIR_A].rate = 10000000;
        p.net.link[PAIR_A].delay_us = p.net.link[PAIR_B].delay_us = 20000;
        p.net.link[PAIR_A].queue_bytes = 30000;
        CHECK(pair_connect(&p));
        p.flow[PAIR_A].total = 100000000;
        pair_run(&p, 3 * PAIR_SECOND / 2);
        tcpsm_status(&p.c[PAIR_A], &i);
        high = i.ssthresh;
        CHECK_GT(p.net.link[PAIR_A].stats.queue_drops, 20u);
        /* without SACK, duplicates of what was sent again in vain may look
           like a loss */
        CHECKF(n.undone <= (flags[k / 2] & TCPSM_NO_SACK ? 1u : 0u),
               "%u undone, %u dropped, %u sent again", (unsigned)n.undone,
               (unsigned)p.net.link[PAIR_A].stats.queue_drops,
               (unsigned)n.retransmits);
        CHECK_LT(high, 200000u);
    }
}
