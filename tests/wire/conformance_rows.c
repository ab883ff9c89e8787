/* Rows of docs/conformance.md whose other tests would not notice when they
   are violated on one of two ways: with SACK, or off the fast path. */

#define PAIR_RING 262144
#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#include "stream.h"

static void on(uint32_t flags, const char *syn, const char *syn_ack)
{
    START();
    w.cfg.flags = flags;
    OPEN();
    OUTF("%s", syn);
    AT(0.1);
    INF("%s", syn_ack);
    OUT("A 1 ack 1");
}

/* RFC3168-7: with SACK, too, ECE counts once a round trip. */
TEST(RFC3168_7_once_a_round_with_sack)
{
    uint32_t k;

    on(TCPSM_ECN | TCPSM_NO_TS | TCPSM_NO_SCALE, "SEC 0 mss 1460 sackok",
       "SAE 0 ack 1 mss 1000 win 65535 sackok");
    SEND(60000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    for (k = 1; k <= 10; k++) {
        INF("AE 1 ack %u", 1 + 1000 * k);
        CHECK_EQ(COUNT(ecn_reductions), 1);
        stream_drain();
    }
    AT(0.3);
    IN("AE 1 ack 11001"); /* of the next window */
    CHECK_EQ(COUNT(ecn_reductions), 2);
}

/* RFC7323-9: a duplicate ACK has a TSecr, and its SACK block reports what
   has just arrived; neither is a sample. */
TEST(RFC7323_9_no_sample_from_a_duplicate_with_sack)
{
    struct tcpsm_info i;

    START();
    w.cfg.flags = TCPSM_NO_SCALE | TCPSM_NO_ECN;
    OPEN();
    OUT("S 0 mss 1460 sackok ts * 0");
    AT(0.1);
    IN("SA 0 ack 1 mss 1460 win 65535 sackok ts 5000 *");
    w.ts = 1;
    w.ts_clock = 5000;
    OUT("A 1 ack 1 ts * 5000");
    SEND(4344);
    FLIGHT(1, 3, 1448);
    i = stream_info();
    AT(0.25);
    IN("A 1 ack 1 sack 1449:2897 ts 5150 *");
    CHECK_EQ(stream_info().sacked, 1448);
    CHECK_EQ(stream_info().srtt_us, i.srtt_us);
    CHECK_EQ(stream_info().rttvar_us, i.rttvar_us);
}

/* RFC9293-MAY-9: also of a segment that comes out of order. */
TEST(RFC9293_MAY_9_out_of_order)
{
    START();
    OPENED("win 5000");
    IN("PA 1 ack 1 len 5 tos 184");
    CHECK_EQ(stream_info().tos_seen, 184);
    IN("PA 100 ack 1 len 5 tos 40");
    CHECK_EQ(stream_info().tos_seen, 40);
}

/* RFC6675-12: after a timeout, what was sent again and is lost again begins
   no fast recovery: RecoveryPoint has not been reached. */
TEST(RFC6675_12_lost_again_after_a_timeout)
{
    uint32_t ssthresh, k;

    on(TCPSM_NO_TS | TCPSM_NO_ECN | TCPSM_NO_SCALE, "S 0 mss 1460 sackok",
       "SA 0 ack 1 mss 1000 win 65535 sackok");
    SEND(10000); /* nothing new for F-RTO to send */
    FLIGHT(1, 10, 1000);
    while (COUNT(timeouts) == 0) {
        w.p.now = tcpsm_deadline(w.c);
        stream_drain();
    }
    WAIT(0.1);
    IN("A 1 ack 1001");
    CHECK_EQ(stream_drain(), 2); /* 1001 and 2001 */
    WAIT(0.1);
    IN("A 1 ack 1001 sack 2001:3001"); /* so 1001 is lost again */
    ssthresh = stream_info().ssthresh;
    for (k = 0; k < 3; k++) {
        stream_drain();
        WAIT(0.05);
        CHECK_EQ(stream_info().in_recovery, 2);
        CHECK_EQ(stream_info().ssthresh, ssthresh);
    }
    CHECK_EQ(COUNT(fast_retransmits), 0);
}

/* RFC7323-10: where each segment of a flight gives a sample, one of them
   counts for less: a quarter, of a flight of ten. */
TEST(RFC7323_10_each_of_many_samples_counts_for_less)
{
    START();
    w.cfg.flags = TCPSM_NO_SACK | TCPSM_NO_SCALE | TCPSM_NO_ECN;
    OPEN();
    OUT("S 0 mss 1460 ts * 0");
    AT(0.1);
    IN("SA 0 ack 1 mss 1460 win 65535 ts 5000 *");
    w.ts = 1;
    w.ts_clock = 5000;
    OUT("A 1 ack 1 ts * 5000");
    SEND(14480);
    FLIGHT(1, 10, 1448);
    AT(0.3);
    IN("A 1 ack 1449 ts 5200 *"); /* 200 ms after 100 */
    CHECK_EQ(stream_info().srtt_us, 100000 + (100000 >> 3) / 4);
    CHECK_EQ(stream_info().rttvar_us, 50000 + (50000 >> 2) / 4);
}

/* RFC2883-1: once: the next duplicate ACK does not say it again. */
TEST(RFC2883_1_reported_once)
{
    on(TCPSM_NO_TS | TCPSM_NO_ECN | TCPSM_NO_SCALE, "S 0 mss 1460 sackok",
       "SA 0 ack 1 mss 1000 win 65535 sackok");
    IN("A 1 ack 1 len 500");
    stream_drain();
    IN("A 501 ack 1 len 500");
    stream_drain();
    IN_DROP(TCPSM_DROP_OLD_DATA, "A 1 ack 1 len 500");
    OUT("A 1 ack 1001 sack 1:501");
    IN("A 2001 ack 1 len 500");
    OUT("A 1 ack 1001 sack 2001:2501");
    IN("A 3001 ack 1 len 500");
    OUT("A 1 ack 1001 sack 3001:3501 2001:2501");
}

/* A round trip of 100 ms: one ACK for each segment; the queue stays full. */
static void fill(void)
{
    if (stream_info().unsent < 20000)
        wire__send(20000, 0);
    stream_drain();
}

static void round_trip(void)
{
    uint32_t nxt, una;

    fill();
    nxt = stream_info().snd_nxt - w.iss;
    w.p.now += 100000;
    while ((una = stream_info().snd_una - w.iss) < nxt) {
        INF("A 1 ack %u", nxt - una < 1000 ? nxt : una + 1000);
        fill();
    }
}

/* RFC9438-10: after a timeout in the middle of a stage, the next one begins
   with K = 0 at the window of then, and knows nothing of the plateau before:
   for seconds it grows as Reno does, 9/17 of a segment a round trip. */
TEST(RFC9438_10_timeout_in_a_stage)
{
    uint32_t k, una, begin;

    on(TCPSM_NO_SACK | TCPSM_NO_TS | TCPSM_NO_ECN | TCPSM_NO_SCALE,
       "S 0 mss 1460", "SA 0 ack 1 mss 1000 win 65535");
    SEND(20000);
    stream_drain();
    for (k = 0; stream_info().cwnd < 40000; k++)
        round_trip();
    una = stream_info().snd_una - w.iss;
    for (k = 0; k < 3; k++)
        INF("A 1 ack %u", una);
    while (stream_info().in_recovery) {
        stream_drain();
        w.p.now += 50000;
        INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
    }
    stream_drain();
    for (k = 0; k < 30; k++)
        round_trip(); /* a stage towards the plateau, and beyond */
    CHECK_GT(stream_info().cwnd, 30000u);
    while (COUNT(timeouts) == 0) {
        w.p.now = tcpsm_deadline(w.c);
        stream_drain();
    }
    CHECK_EQ(stream_info().cwnd, 1000);
    w.p.now += 50000;
    INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
    for (k = 0; k < 30 && stream_info().cwnd < stream_info().ssthresh; k++)
        round_trip();
    begin = stream_info().cwnd;
    CHECK_GT(begin, 15000u);
    CHECK_LE(begin, stream_info().ssthresh + 1000);
    for (k = 0; k < 8; k++)
        round_trip();
    CHECKF(stream_info().cwnd <= begin + 8 * 600, "%u to %u", begin,
           stream_info().cwnd);
}

static const tcpsm_cc reno = TCPSM_CC_BUILT_IN(TCPSM_CC_NEWRENO);

/* RFC5681-16: the loss of a retransmission lowers both, cwnd and ssthresh. */
TEST(RFC5681_16_ssthresh_is_lowered_twice)
{
    uint32_t k;

    START();
    w.cfg.cc = &reno;
    OPENED("mss 1000 win 65535");
    SEND(60000);
    FLIGHT(1, 10, 1000);
    for (k = 0; k < 3; k++)
        IN("A 1 ack 1");
    stream_drain();
    CHECK_EQ(stream_info().ssthresh, 5000);
    while (COUNT(timeouts) == 0) {
        w.p.now = tcpsm_deadline(w.c);
        stream_drain();
    }
    CHECK_EQ(stream_info().cwnd, 1000);
    CHECK_LT(stream_info().ssthresh, 5000u);
    CHECK_GE(stream_info().ssthresh, 2000u);
}

/* RFC5681-6: after the first slow start two segments at most for an ACK,
   however many it covers (RFC 9406 s4.3, RFC 3465 s2.3); in it eight. */
TEST(RFC5681_6_an_ack_of_many_segments)
{
    uint32_t k;

    START();
    w.cfg.cc = &reno;
    w.cfg.initial_segments = 12;
    OPENED("mss 1000 win 65535");
    SEND(60000);
    FLIGHT(1, 12, 1000);
    AT(0.1);
    IN("A 1 ack 12001"); /* twelve */
    CHECK_EQ(stream_info().cwnd, 12000 + 8000);
    stream_drain();
    for (k = 0; k < 3; k++)
        IN("A 1 ack 12001");
    CHECK_EQ(stream_info().ssthresh, 10000);
    stream_drain();
    INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
    CHECK_EQ(stream_info().in_recovery, 0);
    CHECK_LE(stream_info().cwnd, 4000u); /* 6582 s3.2 (3): slow start */
    while (stream_info().cwnd < 5000) {
        stream_drain();
        INF("A 1 ack %u", stream_info().snd_una - w.iss + 1000);
    }
    stream_drain();
    k = stream_info().cwnd;
    CHECK_LE(k + 2000, stream_info().ssthresh);
    INF("A 1 ack %u", stream_info().snd_una - w.iss + 4000);
    CHECK_EQ(stream_info().cwnd, k + 2000);
}

/* RFC6298-5: it is less than the RFC's second unless asked for. */
TEST(RFC6298_5_default_floor)
{
    int k, asked;

    for (asked = 0; asked < 2; asked++) {
        START();
        w.cfg.rto_min_us = asked ? 1000000 : 0;
        OPENED("mss 1000 win 65535");
        for (k = 0; k < 60; k++) {
            SEND(100);
            stream_drain();
            WAIT(0.001);
            INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
        }
        CHECK_EQ(stream_info().rto_us, asked ? 1000000 : 200000);
    }
}

/* RFC6675-6: all blocks of an ACK count, where the table has room. */
TEST(RFC6675_6_four_blocks)
{
    static uint32_t table[400];

    on(TCPSM_NO_TS | TCPSM_NO_ECN | TCPSM_NO_SCALE, "S 0 mss 1460 sackok",
       "SA 0 ack 1 mss 1000 win 65535 sackok");
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_TABLES, table, sizeof table, NULL), 0);
    wire__touched();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:2001 3001:4001 5001:6001 7001:8001");
    CHECK_EQ(stream_info().sacked, 4000);
}

/* RFC6675-13: what was SACKed counts after a timeout as well, unless the
   first octet is among it. */
TEST(RFC6675_13_sacks_outlive_a_timeout)
{
    on(TCPSM_NO_TS | TCPSM_NO_ECN | TCPSM_NO_SCALE, "S 0 mss 1460 sackok",
       "SA 0 ack 1 mss 1000 win 65535 sackok");
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 5001:10001");
    while (COUNT(timeouts) == 0) {
        w.p.now = tcpsm_deadline(w.c);
        stream_drain();
    }
    CHECK_EQ(stream_info().sacked, 5000);
}

/* RFC6675-14: what is sent again at the left edge starts the timer anew. */
TEST(RFC6675_14_timer_starts_anew)
{
    START();
    w.cfg.cc = &reno;
    OPEN();
    OUT("S 0 mss 1460");
    AT(0.1);
    IN("SA 0 ack 1 mss 1000 win 65535");
    OUT("A 1 ack 1");
    SEND(10000);
    FLIGHT(1, 10, 1000);
    DEADLINE(0.4);
    AT(0.3);
    IN("A 1 ack 1");
    IN("A 1 ack 1");
    DEADLINE(0.4);
    IN("A 1 ack 1");
    OUT("A 1 ack 1 len 1000");
    DEADLINE(0.6);
}

/* RFC9438-5: a loss that a probe has repaired reduces cwnd as well, at once:
   to 0.7. */
TEST(RFC9438_5_a_probe_repairs)
{
    on(TCPSM_NO_TS | TCPSM_NO_ECN | TCPSM_NO_SCALE | TCPSM_NODELAY,
       "S 0 mss 1460 sackok", "SA 0 ack 1 mss 1000 win 65535 sackok");
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 9001"); /* the tenth is lost */
    CHECK_GE(stream_info().cwnd, 10000u);
    while (COUNT(loss_probes) == 0) {
        w.p.now = tcpsm_deadline(w.c);
        stream_drain();
    }
    SEND(1000);
    stream_drain();
    w.p.now += 100000;
    IN("A 1 ack 11001"); /* and nobody speaks of a duplicate */
    CHECK_LT(stream_info().ssthresh, 20000u);
    CHECK_EQ(stream_info().cwnd, stream_info().ssthresh);
}
