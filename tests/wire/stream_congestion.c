/* Congestion control: RFC 5681, 6582, 3042, 6928, and the controller that
   a user brings. Segments have 1000 octets; the peer acknowledges by hand. */

#define PAIR_RING 262144
#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#include "stream.h"

static uint32_t cwnd(void)
{
    return stream_info().cwnd;
}

static uint32_t ssthresh(void)
{
    return stream_info().ssthresh;
}

/* The RFCs' own numbers: half of the flight, a segment a round trip. */
static const tcpsm_cc reno = {
    TCPSM_CC_NEWRENO, NULL, NULL, NULL, NULL, NULL, NULL, NULL};

/* Established, MSS 1000, a window of 65535 << 2; no SACK. */
static void start(void)
{
    START();
    w.cfg.cc = &reno;
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
    OPENED("mss 1000 win 65535 ws 2");
    IN("A 1 ack 1");
}

static void acks(uint32_t n, uint32_t ack)
{
    while (n-- > 0)
        INF("A 1 ack %u", ack);
}

/* ---- windows grow ------------------------------------------------------ */

/* RFC 6928 s2: min(10 MSS, max(2 MSS, 14600)); RFC5681-3; RFC5681-5 */
TEST(RFC5681_3_RFC6928_initial_window)
{
    static const uint32_t mss[] = {48, 536, 1000, 1460};
    uint32_t i;
    for (i = 0; i < 4; i++) {
        START();
        WIRE__STEP("mss %u win 65535", mss[i]);
        wire__handshake(1);
        CHECK_EQ(cwnd(), 10 * mss[i]);
        CHECK_GT(ssthresh(), 0x1000000u);
        SEND(60000);
        FLIGHT(1, 10, mss[i]);
        NONE();
    }
}

TEST(RFC6928_initial_window_of_a_large_mss)
{
    START();
    w.cfg.mtu = 1600; /* MSS 1560: 14600 is 9.36 segments */
    OPENED("mss 1560 win 65535");
    CHECK_EQ(cwnd(), 14600);
    START();
    w.cfg.initial_segments = 3;
    OPENED("mss 1000 win 65535");
    CHECK_EQ(cwnd(), 3000);
}

/* RFC5681-2, -6: slow start, by the octets acknowledged; at most eight
   segments for one ACK (RFC 9406 s4.2: L, where 5681 recommends one). */
TEST(RFC5681_2_6_slow_start)
{
    start();
    SEND(60000);
    FLIGHT(1, 10, 1000);
    NONE();
    IN("A 1 ack 1001");
    CHECK_EQ(cwnd(), 11000);
    FLIGHT(10001, 2, 1000);
    NONE();
    IN("A 1 ack 3001"); /* two segments */
    CHECK_EQ(cwnd(), 13000);
    FLIGHT(12001, 4, 1000);
    NONE();
    IN("A 1 ack 3101"); /* ACK division gains nothing */
    CHECK_EQ(cwnd(), 13100);
    NONE();
    IN("A 1 ack 12101"); /* nine segments: no more than eight */
    CHECK_EQ(cwnd(), 21100);
}

/* RFC5681-7: congestion avoidance: one SMSS a window, by bytes. */
TEST(RFC5681_7_congestion_avoidance)
{
    uint32_t una = 1, nxt = 1, k, rounds, before;
    start();
    SEND(60000);
    FLIGHT(1, 10, 1000);
    AT(0.2); /* loss: ssthresh 5000 */
    OUT("A 1 ack 1 len 1000");
    CHECK_EQ(ssthresh(), 5000);
    CHECK_EQ(cwnd(), 1000);
    IN("A 1 ack 10001");
    una = nxt = 10001;
    for (rounds = 0; rounds < 12; rounds++) {
        before = cwnd();
        while (stream_drain() != 0)
            ;
        nxt = stream_info().snd_nxt - w.iss;
        wire__send(before, 0);
        if (nxt == una)
            break;
        for (k = una + 1000; k <= nxt; k += 1000)
            INF("A 1 ack %u", k);
        una = nxt;
        if (before >= 5000)
            CHECKF(cwnd() <= before + 1000, "%u to %u", before, cwnd());
    }
    CHECK_GT(cwnd(), 7000u);
    CHECK_LT(cwnd(), 17000u);
}

/* The same to the octet: cwnd grows when cwnd octets were acknowledged. */
TEST(RFC5681_7_to_the_octet)
{
    uint32_t k, n, ack = 1, at = 5000;
    start();
    SEND(10000); /* and nothing new for F-RTO (RFC 5682) to send */
    FLIGHT(1, 10, 1000);
    AT(0.2);
    FLIGHT(1, 1, 1000);
    for (k = 1; k <= 4; k++) { /* slow start up to ssthresh */
        ack += 1000;
        INF("A 1 ack %u", ack);
        stream_drain();
        CHECK_EQ(cwnd(), 1000 + 1000 * k);
    }
    SEND(60000);
    for (n = 5; n < 9; n++, at += 1000)
        for (k = 1; k <= n; k++) {
            ack += 1000;
            INF("A 1 ack %u", ack);
            stream_drain();
            CHECK_EQ(cwnd(), k < n ? at : at + 1000);
        }
}

/* Not used, not earned (RFC 7661's concern): the application was slow. */
TEST(no_growth_when_application_limited)
{
    uint32_t k;
    start();
    for (k = 0; k < 50; k++) {
        SEND(500);
        OUTF("PA %u ack 1 len 500", 1 + 500 * k);
        INF("A 1 ack %u", 501 + 500 * k);
    }
    CHECK_EQ(cwnd(), 10000);
}

/* RFC5681-14: nothing sent for an RTO: back to the initial window. */
TEST(RFC5681_14_restart_after_idle)
{
    int k;
    start();
    for (k = 0; k < 4; k++) {
        SEND(60000);
        while (stream_info().snd_queued != 0) {
            stream_drain();
            INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
        }
    }
    while (cwnd() < 30000) {
        SEND(60000);
        while (stream_info().snd_queued != 0) {
            stream_drain();
            INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
        }
    }
    SEND(60000);
    CHECK_GE(stream_drain(), 30u); /* no pause: no restart */
    while (stream_info().snd_queued != 0) {
        INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
        stream_drain();
    }
    WAIT(0.5);
    SEND(60000);
    CHECK_EQ(stream_drain(), 10);
}

/* ---- losses ------------------------------------------------------------ */

/* RFC5681-11 (limited transmit, RFC 3042): two new segments, cwnd as it
   was; RFC5681-12: the third retransmits; -13: inflation and deflation. */
TEST(RFC5681_11_12_13_fast_retransmit)
{
    start();
    SEND(60000);
    FLIGHT(1, 10, 1000);
    AT(0.05);
    IN("A 1 ack 1");
    OUT("A 10001 ack 1 len 1000");
    NONE();
    CHECK_EQ(cwnd(), 10000);
    IN("A 1 ack 1");
    OUT("A 11001 ack 1 len 1000");
    NONE();
    CHECK_EQ(cwnd(), 10000);
    IN("A 1 ack 1");
    OUT("A 1 ack 1 len 1000");
    NONE();
    CHECK_EQ(ssthresh(), 5000); /* limited transmit's data apart */
    CHECK_EQ(cwnd(), 8000);
    acks(4, 1);
    NONE(); /* 12 outstanding, cwnd 12000 */
    CHECK_EQ(cwnd(), 12000);
    IN("A 1 ack 1");
    OUT("A 12001 ack 1 len 1000");
    NONE();
    IN("A 1 ack 12001"); /* full: 6582 s3.2 (3), option 1 */
    CHECK_EQ(stream_info().in_recovery, 0);
    CHECK_EQ(cwnd(), 2000); /* max(FlightSize, SMSS) + SMSS */
    CHECK_EQ(COUNT(fast_retransmits), 1);
}

/* RFC5681-12: half of FlightSize, which may be less than cwnd */
TEST(RFC5681_12_flight_size_and_not_cwnd)
{
    start();
    SEND(6000);
    FLIGHT(1, 6, 1000);
    acks(3, 1);
    OUT("A 1 ack 1 len 1000");
    CHECK_EQ(ssthresh(), 3000);
    CHECK_EQ(cwnd(), 6000);
    start();
    SEND(3000); /* two segments at least */
    FLIGHT(1, 3, 1000);
    acks(3, 1);
    CHECK_EQ(ssthresh(), 2000);
}

/* RFC 6582 s3.2: a partial ACK sends the next hole again, deflates and
   stays; the full one ends it. */
TEST(RFC6582_partial_acks)
{
    start();
    SEND(60000);
    FLIGHT(1, 10, 1000); /* 1, 4 and 8 are lost */
    acks(3, 1);
    OUT("A 1 ack 1 len 1000");
    acks(4, 1); /* 7 arrived: cwnd 8000 + 4000 */
    FLIGHT(10001, 2, 1000);
    NONE();
    IN("A 1 ack 3001");
    OUT("A 3001 ack 1 len 1000"); /* at once */
    CHECK_EQ(cwnd(), 12000 - 3000 + 1000);
    CHECK_EQ(stream_info().in_recovery, 1);
    stream_drain();
    IN("A 1 ack 7001");
    OUT("A 7001 ack 1 len 1000");
    stream_drain();
    IN("A 1 ack 10001");
    CHECK_EQ(stream_info().in_recovery, 0);
    CHECK_LE(cwnd(), 5000u);
}

/* RFC 6582 s3.2 step 1 and 4.1: duplicates of what was retransmitted by
   the timer start no fast retransmit: `recover`. */
TEST(RFC6582_recover_after_a_timeout)
{
    start();
    SEND(60000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    OUT("A 1 ack 1 len 1000");
    IN("A 1 ack 2001");
    stream_drain();
    acks(5, 2001); /* answers to needless retransmissions */
    CHECK_EQ(stream_info().in_recovery, 2);
    CHECK_EQ(COUNT(fast_retransmits), 0);
    IN("A 1 ack 10001");
    CHECK(stream_drain() > 0);
    IN("A 1 ack 11001"); /* more than recover */
    stream_drain();
    acks(3, 11001);
    CHECK_EQ(stream_info().in_recovery, 1);
}

/* RFC5681-8, -9: the timer: ssthresh by FlightSize, once; cwnd one
   segment; and RFC5681-16, a lost retransmission counts again. */
TEST(RFC5681_8_9_timeout)
{
    start();
    SEND(60000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    OUT("A 1 ack 1 len 1000");
    NONE();
    CHECK_EQ(cwnd(), 1000);
    CHECK_EQ(ssthresh(), 5000);
    AT(0.6);
    OUT("A 1 ack 1 len 1000");
    CHECK_EQ(cwnd(), 1000);
    CHECK_EQ(ssthresh(), 5000); /* held on repeats */
}

/* After the timer everything lost goes again, under slow start. */
TEST(everything_lost_again_under_slow_start)
{
    start();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    FLIGHT(1, 1, 1000);
    NONE();
    IN("A 1 ack 1001");
    FLIGHT(1001, 2, 1000);
    NONE();
    SEND(10000);
    IN("A 1 ack 2001");
    FLIGHT(3001, 2, 1000);
    NONE();
    IN("A 1 ack 3001");
    FLIGHT(5001, 2, 1000);
    NONE();
    IN("A 1 ack 7001");
    FLIGHT(7001, 3, 1000); /* the rest of what was lost */
    FLIGHT(10001, 1, 1000);
    stream_drain();
    IN("A 1 ack 10001");
    CHECK_EQ(COUNT(timeouts), 1);
}

/* RFC5681-16: fast recovery whose retransmission is lost ends by the
   timer, and lowers both again. */
TEST(RFC5681_16_lost_retransmission)
{
    start();
    SEND(60000);
    FLIGHT(1, 10, 1000);
    acks(3, 1);
    OUT("A 1 ack 1 len 1000");
    CHECK_EQ(ssthresh(), 5000);
    while (COUNT(timeouts) == 0) {
        w.p.now = tcpsm_deadline(w.c);
        wire__fill();
    }
    stream_drain();
    CHECK_EQ(cwnd(), 1000);
    CHECK_LE(ssthresh(), 5000u);
    CHECK_EQ(stream_info().in_recovery, 2);
}

/* Duplicates must be duplicates: RFC 5681 s2 (a) to (e). */
TEST(RFC5681_s2_what_is_a_duplicate)
{
    uint32_t k;
    start();
    acks(5, 1); /* (a) nothing outstanding */
    CHECK_EQ(stream_info().dupacks, 0);
    SEND(5000);
    FLIGHT(1, 5, 1000);
    for (k = 0; k < 5; k++)
        INF("PA %u ack 1 len 1", 1 + k); /* (b) data */
    CHECK_EQ(stream_info().dupacks, 0);
    for (k = 0; k < 5; k++)
        INF("A 6 ack 1 win %u", 60000 + k); /* (e) the window changes */
    CHECK_EQ(stream_info().dupacks, 0);
    IN("A 6 ack 1 win 60004");
    CHECK_EQ(stream_info().dupacks, 1);
}

/* With SACK a duplicate brings a block; and RFC 5681 s3.2 (1): "MUST NOT
   send new data unless the incoming duplicate acknowledgment contains new
   SACK information": the network's own copies of one ACK send nothing. */
TEST(RFC5681_11_limited_transmit_needs_new_sack)
{
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SACK;
    OPEN();
    OUT("S 0 mss 1460 sackok");
    AT(0.1);
    IN("SA 0 ack 1 mss 1000 win 65535 sackok");
    OUT("A 1 ack 1");
    SEND(60000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    acks(3, 1); /* no block: no loss */
    NONE();
    IN("A 1 ack 1 sack 1001:2001");
    FLIGHT(10001, 1, 1000);
    NONE();
    IN("A 1 ack 1 sack 1001:2001"); /* a copy of it */
    NONE();
    IN("A 1 ack 1 sack 1001:2001");
    NONE();
    CHECK_EQ(stream_info().in_recovery, 0);
    IN("A 1 ack 1 sack 1001:3001");
    FLIGHT(11001, 1, 1000);
    IN("A 1 ack 1 sack 1001:4001");
    OUT("A 1 ack 1 len 1000");
    CHECK_EQ(stream_info().in_recovery, 1);
}

/* ---- what is in flight ------------------------------------------------- */

/* A lent table tracks more than the eight runs of the struct: each
   segment's time is known exactly, also the newest one's. */
TEST(runs_in_a_lent_table)
{
    static uint32_t table[200];
    uint32_t k;
    START();
    w.cfg.flags |= TCPSM_NODELAY;
    w.cfg.rto_min_us = 2000000;
    OPENED("mss 1000 win 65535");
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_TABLES, table, sizeof table, NULL), 0);
    CHECK_EQ(stream_info().run_cap, 41);
    for (k = 0; k < 30; k++) {
        SEND(100);
        OUTF("PA %u ack 1 len 100", 1 + 100 * k);
        WAIT(0.01);
    }
    CHECK_EQ(stream_info().runs, 30);
    IN("A 1 ack 101"); /* 300 ms; the first had been sent at 0 */
    CHECK_EQ(stream_info().min_rtt_us, 1);
    IN("A 1 ack 1501");
    CHECK_EQ(stream_info().runs, 15);
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_TABLES, NULL, 0, NULL), 0);
    wire__touched();
    CHECK_EQ(stream_info().runs, 8);
    CHECK_EQ(stream_info().flight, 1500);
    IN("A 1 ack 3001");
    CHECK_EQ(stream_info().flight, 0);
}

/* Segments adjacent in time share a run: up to min_RTT/8 after its first
   (anchored: a chain of them does not), and the sample is by the first. */
TEST(runs_are_joined)
{
    START();
    w.cfg.flags |= TCPSM_NODELAY;
    OPEN();
    OUT("S 0 mss 1460");
    AT(0.1);
    IN("SA 0 ack 1 mss 1000 win 65535");
    OUT("A 1 ack 1");
    CHECK_EQ(stream_info().min_rtt_us, 100000);
    SEND(100);
    OUT("PA 1 ack 1 len 100");
    AT(0.107);
    SEND(100);
    OUT("PA 101 ack 1 len 100");
    AT(0.1125);
    SEND(100);
    OUT("PA 201 ack 1 len 100");
    CHECK_EQ(stream_info().runs, 1);
    AT(0.112501);
    SEND(100);
    OUT("PA 301 ack 1 len 100");
    CHECK_EQ(stream_info().runs, 2);
    AT(0.22);
    IN("A 1 ack 301"); /* 120 ms by the first; 107.5 by the last */
    CHECK_EQ(stream_info().srtt_us, 100000 + 20000 / 8);
    CHECK_EQ(stream_info().min_rtt_us, 100000);
}

/* Eight runs, and thirty segments: neighbours in time become one; nothing
   is lost but precision, and the error only ever delays. */
TEST(runs_squeezed)
{
    uint32_t k, before;
    START();
    w.cfg.flags |= TCPSM_NODELAY;
    w.cfg.rto_min_us = 2000000;
    OPENED("mss 1000 win 65535");
    for (k = 0; k < 30; k++) {
        SEND(100);
        OUTF("PA %u ack 1 len 100", 1 + 100 * k);
        WAIT(0.01);
    }
    CHECK_EQ(stream_info().runs, 8);
    CHECK_EQ(stream_info().flight, 3000);
    before = stream_info().srtt_us;
    IN("A 1 ack 3001"); /* the last went out 10 ms ago */
    CHECK_EQ(stream_info().srtt_us, before + (10000 - before) / 8);
}

/* ---- growth of the segment --------------------------------------------- */

/* cwnd is one small segment, and the path MTU rises: a full segment no
   longer fits into cwnd, but data must flow (law 7). */
TEST(law_7_mtu_raised_with_a_small_cwnd)
{
    START();
    w.cfg.mtu = 576;
    OPENED("mss 1460 win 65535");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    AT(0.2);
    OUT("PA 1 ack 1 len 10");
    IN("A 1 ack 11");
    SET(TCPSM_SET_MTU, 1500);
    SEND(5000);
    OUT("A 11 ack 1 len 1460");
    NONE(); /* no more than that: cwnd was one segment */
    IN("A 1 ack 1471");
    CHECK(stream_drain() >= 1);
}

/* The same from the smallest MTU there is: tcpsm_check must agree. */
TEST(mtu_raised_from_the_smallest)
{
    START();
    w.cfg.mtu = 108;
    w.cfg.flags = TCPSM_NO_SCALE;
    OPENED("mss 1460 win 65535 ts 1 0");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    AT(0.2);
    OUT("PA 1 ack 1 len 10"); /* cwnd 56 now */
    SET(TCPSM_SET_MTU, 1500);
    IN("A 1 ack 11");
    SEND(5000);
    OUT("A 11 ack 1 len 1448");
}

/* More than 2^31 octets without a loss: an old `recover` must not look
   like a new one, or fast retransmit is dead for the next 2^31. */
TEST(recover_does_not_wrap)
{
    static uint8_t out[70000];
    tcpsm_out o;
    tcpsm_span s[2];
    uint64_t sent = 0;
    uint32_t una, k;
    tcpsm_ret n;
    START();
    w.cfg.flags = TCPSM_NO_SACK | TCPSM_NO_TS | TCPSM_GSO | TCPSM_GATHER |
                  TCPSM_TX_ZERO;
    w.snd_ring = PAIR_RING;
    LISTEN();
    IN("S 0 mss 1460 ws 5 win 65535");
    w.p.no_laws = 1;
    wire__fill();
    wire__take();
    IN("A 1 ack 1");
    memset(&o, 0, sizeof o);
    una = w.iss + 1;
    o.buf = out;
    o.cap = sizeof out;
    while (sent < 0x90000000u) {
        CHECK(tcpsm_send_reserve(w.c, s) >= 0);
        tcpsm_send_commit(w.c, s[0].n, 0);
        for (k = 0; (n = tcpsm_output(w.c, &o, w.p.now)) > 0; k++) {
            uint32_t len = o.ref[0].n + o.ref[1].n;
            sent += len;
            una += len;
        }
        wire__step(__FILE__, __LINE__, "A %u ack %u abs", w.irs + 1, una);
        wire__build(w.text);
        CHECK_EQ(tcpsm_input(w.c, &w.in, w.p.now), 0);
    }
    CHECK_EQ(COUNT(timeouts), 0);
    for (k = 0; k < 3; k++) {
        tcpsm_send_reserve(w.c, s);
        tcpsm_send_commit(w.c, 30000, 0);
        while (tcpsm_output(w.c, &o, w.p.now) > 0)
            ;
        wire__step(__FILE__, __LINE__, "A %u ack %u abs", w.irs + 1, una);
        wire__build(w.text);
        CHECK_EQ(tcpsm_input(w.c, &w.in, w.p.now), 0);
    }
    CHECK_EQ(COUNT(fast_retransmits), 1);
}

/* ---- a controller of the user's ---------------------------------------- */

static struct {
    int init, acked, loss, timeout, idle;
    tcpsm_cc_event last;
} seen;

static void my_init(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    seen.init++;
    s->cwnd = 4 * e->mss;
    s->ssthresh = 100 * e->mss;
    s->w[0] = 77;
}

static void my_acked(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    seen.acked++;
    seen.last = *e;
    s->cwnd += 2 * e->mss;
    CHECK_EQ(s->w[0], 77);
}

static void my_loss(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    seen.loss++;
    seen.last = *e;
    s->ssthresh = 3 * e->mss;
}

static void my_timeout(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    seen.timeout++;
    seen.last = *e;
    s->cwnd = 0; /* the core wants one segment at least */
}

TEST(user_controller)
{
    static const tcpsm_cc mine = {200,        my_init, my_acked, my_loss,
                                  my_timeout, NULL,    NULL,     NULL};
    memset(&seen, 0, sizeof seen);
    START();
    w.p.no_laws = 1; /* the checks would call these hooks for a copy */
    w.cfg.cc = &mine;
    OPENED("mss 1000 win 65535");
    CHECK_EQ(seen.init, 1);
    CHECK_EQ(stream_info().cc_id, 200);
    SEND(60000);
    FLIGHT(1, 4, 1000);
    NONE();
    AT(0.05);
    IN("A 1 ack 2001");
    CHECK_EQ(seen.acked, 1);
    CHECK_EQ(seen.last.acked, 2000);
    CHECK_EQ(seen.last.flight, 4000);
    CHECK_EQ(seen.last.mss, 1000);
    CHECK_EQ(seen.last.app_limited, 0);
    CHECK_EQ(cwnd(), 6000);
    FLIGHT(4001, 4, 1000);
    acks(3, 2001);
    CHECK_EQ(seen.loss, 1);
    CHECK_EQ(ssthresh(), 3000);
    stream_drain();
    while (seen.timeout == 0) {
        w.p.now = tcpsm_deadline(w.c);
        wire__fill();
    }
    CHECK_EQ(cwnd(), 1000);
    CHECK_EQ(seen.last.again, 0);
    stream_drain();
    while (seen.timeout == 1) {
        w.p.now = tcpsm_deadline(w.c);
        wire__fill();
    }
    CHECK_EQ(seen.last.again, 1);
}

/* ---- hostile patterns -------------------------------------------------- */

/* ACKs of every kind at random: nothing breaks, and what is acknowledged
   truly in the end ends it. Deterministic. */
TEST(hostile_acks)
{
    uint64_t seed = 7;
    uint32_t k, r;
    start();
    w.p.no_laws = 1;
    SEND(200000);
    for (k = 0; k < 20000; k++) {
        struct tcpsm_info i = stream_info();
        r = (uint32_t)netsim_random(&seed);
        stream_drain();
        CHECK_EQ(tcpsm_check(w.c), 0);
        if (i.snd_queued == 0)
            break;
        w.p.now += r >> 8 & 0xFFFF;
        switch (r & 7) {
        case 0:
            wire__step(__FILE__, __LINE__, "A 1 ack %u win %u",
                       i.snd_una - w.iss + (r >> 3) % 3000, r >> 16);
            break;
        case 1:
            wire__step(__FILE__, __LINE__, "A 1 ack %u",
                       i.snd_una - w.iss - (r >> 3) % 5000);
            break;
        case 2:
            wire__step(__FILE__, __LINE__, "A 1 ack %u win 0",
                       i.snd_una - w.iss);
            break;
        case 3:
            wire__step(__FILE__, __LINE__, "A %u ack %u", 1 + (r >> 20),
                       i.snd_nxt - w.iss + (r >> 3) % 3);
            break;
        default:
            wire__step(__FILE__, __LINE__, "A 1 ack %u", i.snd_una - w.iss);
            break;
        }
        wire__in(w.text);
    }
    for (k = 0; k < 1000 && stream_info().snd_queued != 0; k++) {
        stream_drain();
        INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
    }
    CHECK_EQ(stream_info().snd_queued, 0);
    STATE(TCPSM_ESTABLISHED);
}
