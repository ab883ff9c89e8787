/* RACK (RFC 8985 sections 6, 8 and 9): which segments are lost, and when.
   The peer acknowledges by hand; see loss.h for the numbers at the start. */

#include "loss.h"

/* Ten segments at 0.1 s; the first is lost and the second arrives. */
static void one_sacked(void)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    NONE();
    AT(0.2);
    IN("A 1 ack 1 sack 1001:2001");
}

/* ---- with SACK, and only with it --------------------------------------- */

/* RFC8985-1: SACK negotiated, and a scoreboard of its own for each
   connection. Blocks of a peer that negotiated none are not believed. */
TEST(RFC8985_1_only_with_sack)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:4001");
    CHECK_EQ(stream_info().sacked, 3000);
    CHECK_EQ(stream_info().lost, 1000);
    CHECK_EQ(stream_info().flight, 6000);

    loss_config();
    loss_open(""); /* no SACK-permitted */
    CHECK_EQ(stream_info().sack, 0);
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:4001"); /* a duplicate ACK, and no more */
    CHECK_EQ(stream_info().sacked, 0);
    CHECK_EQ(stream_info().lost, 0);
    CHECK_EQ(stream_info().dupacks, 1);
    NONE();
}

/* ... and without it RFC 6582, as ever: three duplicates, a partial ACK
   that sends the next hole again, the timeout, no loss probe. */
TEST(without_sack_newreno)
{
    uint32_t k;

    loss_config();
    loss_open("");
    SEND(10000);
    FLIGHT(1, 10, 1000);
    DEADLINE(0.4); /* the retransmission timer: no probe before it */
    AT(0.2);
    for (k = 0; k < 2; k++) {
        IN("A 1 ack 1");
        NONE();
        CHECK_EQ(stream_info().in_recovery, 0);
    }
    IN("A 1 ack 1");
    CHECK_EQ(stream_info().in_recovery, 1);
    OUT("A 1 ack 1 len 1000");
    NONE();
    IN("A 1 ack 4001"); /* partial */
    OUT("A 4001 ack 1 len 1000");
    CHECK_EQ(stream_info().in_recovery, 1);
    IN("A 1 ack 10001");
    CHECK_EQ(stream_info().in_recovery, 0);
    CHECK_EQ(COUNT(fast_retransmits), 1);
    CHECK_EQ(COUNT(loss_probes), 0);
}

/* ---- when a segment is lost -------------------------------------------- */

/* RFC8985-7: no reordering seen and three segments SACKed: a window of 0,
   so recovery begins with the third SACK (3.3.2, 6.2 step 4). */
TEST(RFC8985_7_third_sack)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:2001");
    CHECK_EQ(stream_info().lost, 0);
    CHECK_EQ(stream_info().sacked, 1000);
    IN("A 1 ack 1 sack 1001:3001");
    CHECK_EQ(stream_info().lost, 0);
    CHECK_EQ(stream_info().in_recovery, 0);
    IN("A 1 ack 1 sack 1001:4001");
    CHECK_EQ(stream_info().lost, 1000);
    CHECK_EQ(stream_info().sacked, 3000);
    CHECK_EQ(stream_info().in_recovery, 1);
    CHECK_EQ(COUNT(fast_retransmits), 1);
    OUT("A 1 ack 1 len 1000");
    CHECK_EQ(stream_info().lost, 0); /* RFC8985-3 */
    loss_sum();
}

/* The same with one ACK for three, and with three islands. */
TEST(RFC8985_7_three_at_once)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 7001:8001 5001:6001 3001:4001");
    CHECK_EQ(stream_info().sacked, 3000);
    /* all that was sent before the newest that arrived: same time, lower
       number */
    CHECK_EQ(stream_info().lost, 5000);
    CHECK_EQ(stream_info().flight, 2000);
    CHECK_EQ(stream_info().in_recovery, 1);
}

/* RFC8985-9: fewer than three: a reordering window of min_RTT/4, and a
   timer that ends it: xmit + RACK.rtt + reo_wnd. */
TEST(RFC8985_9_reordering_timer)
{
    one_sacked();
    CHECK_EQ(stream_info().rack_rtt_us, 100000);
    CHECK_EQ(stream_info().reo_wnd_us, 25000);
    CHECK_EQ(stream_info().lost, 0);
    NONE();
    DEADLINE(0.225);
    AT(0.225);
    OUT("A 1 ack 1 len 1000");
    CHECK_EQ(stream_info().in_recovery, 1);
    CHECK_EQ(stream_info().lost, 0);
    NONE();
    CHECK_EQ(COUNT(timeouts), 0);
    CHECK_EQ(COUNT(loss_probes), 0);
}

/* ... and what arrives within it was only late. */
TEST(RFC8985_9_late_within_the_window)
{
    one_sacked();
    AT(0.224999);
    IN("A 1 ack 2001");
    NONE();
    CHECK_EQ(stream_info().in_recovery, 0);
    CHECK_EQ(stream_info().reordering, 1);
    AT(0.3);
    IN("A 1 ack 10001");
    CHECK_EQ(COUNT(retransmits), 0);
    DEADLINE_NEVER();
}

/* RFC8985-2: the transmission times are finer than min_RTT/4: segments at
   intervals of less than that are told apart. RACK marks those, and only
   those, that are old enough, and waits for the last of the rest. */
TEST(RFC8985_2_9_each_by_its_time)
{
    uint32_t k;

    loss_begin();
    for (k = 0; k < 6; k++) { /* at 100, 115, ... 175 ms */
        SEND(1000);
        FLIGHT(1 + 1000 * k, 1, 1000);
        AT(0.115 + 0.015 * k);
    }
    AT(0.26); /* the fifth, sent at 160, took 100 ms */
    IN("A 1 ack 1 sack 4001:5001");
    CHECK_EQ(stream_info().rack_rtt_us, 100000);
    /* 25 ms: sent up to 135 ms is lost: three of four */
    CHECK_EQ(stream_info().lost, 3000);
    CHECK_EQ(stream_info().in_recovery, 1);
    stream_drain();
    loss_sum();
}

/* RFC8985-9: sent before, or at the same time and below: the one above the
   newest that was delivered is not lost, however old (ties by sequence). */
TEST(RFC8985_9_ties_by_sequence)
{
    loss_begin();
    SEND(4000);
    FLIGHT(1, 4, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:2001");
    AT(0.225);
    OUT("A 1 ack 1 len 1000"); /* not 2001, not 3001: they are above */
    NONE();
    CHECK_EQ(stream_info().flight, 3000);
    loss_sum();
}

/* RFC 8985 s9.1, example 1: P1 and P3 of three are lost, the flight is
   limited by the application: no timeout, no probe, two round trips. */
TEST(RFC8985_s9_1_application_limited)
{
    loss_begin();
    SEND(1000);
    FLIGHT(1, 1, 1000);
    AT(0.13);
    SEND(1000);
    FLIGHT(1001, 1, 1000);
    AT(0.16);
    SEND(1000);
    FLIGHT(2001, 1, 1000);
    AT(0.23);
    IN("A 1 ack 1 sack 1001:2001"); /* P2: P1 is 30 ms older */
    OUT("A 1 ack 1 len 1000");
    NONE();
    AT(0.33);
    IN("A 1 ack 2001"); /* R1: P3 was sent long before it */
    OUT("PA 2001 ack 1 len 1000");
    NONE();
    AT(0.43);
    IN("A 1 ack 3001");
    CHECK_EQ(COUNT(retransmits), 2);
    CHECK_EQ(COUNT(timeouts), 0);
    CHECK_EQ(COUNT(loss_probes), 0);
    CHECK_EQ(stream_info().in_recovery, 0);
    DEADLINE_NEVER();
}

/* RFC 8985 s9.1, example 2: R1 of P1 is lost, R2 arrives: RACK finds the
   lost retransmission, without a timeout. RFC5681-16 calls that a second
   sign of congestion; under PRR, which sends no more than was delivered,
   RFC 8985 s9.3 (RFC8985-15) asks for no second reduction. But the first
   one was no mistake: nothing undoes it any more. */
TEST(RFC8985_15_RFC5681_16_lost_retransmission)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 2001:10001"); /* two lost, eight arrived */
    CHECK_EQ(stream_info().lost, 2000);
    CHECK_EQ(stream_info().ssthresh, 5000);
    OUT("A 1 ack 1 len 1000");
    OUT("A 1001 ack 1 len 1000");
    stream_drain();
    AT(0.3);
    IN("A 1 ack 1 sack 1001:10001"); /* R2, and not R1 */
    CHECK_EQ(stream_info().lost, 1000);
    OUT("A 1 ack 1 len 1000");
    CHECK_EQ(COUNT(timeouts), 0);
    stream_drain();
    AT(0.4); /* D-SACKs for all three retransmissions, as it seems */
    IN("A 1 ack 10001 sack 1:1001");
    IN("A 1 ack 10001 sack 1:1001");
    IN("A 1 ack 10001 sack 1001:2001");
    CHECK_EQ(COUNT(undone), 0);
    CHECK_EQ(stream_info().in_recovery, 0);
    CHECK_EQ(stream_info().ssthresh, 5000);
    CHECK_EQ(stream_info().cwnd, 5000);
}

/* The same retransmission lost again and again is found each time, a round
   trip later, as long as anything else arrives. */
TEST(lost_retransmission_again_and_again)
{
    uint32_t k, nxt;

    loss_begin();
    SEND(100000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:10001");
    OUT("A 1 ack 1 len 1000");
    for (k = 0; k < 8; k++) {
        stream_drain();
        nxt = stream_info().snd_nxt - w.iss;
        AT(0.3 + 0.1 * k);
        INF("A 1 ack 1 sack 1001:%u", nxt); /* new data, sent later */
        CHECK_EQ(stream_info().lost, 1000);
        OUT("A 1 ack 1 len 1000");
    }
    CHECK_EQ(COUNT(timeouts), 0);
    loss_heal();
}

/* ---- samples ----------------------------------------------------------- */

/* RFC8985-5: a retransmission acknowledged sooner than min_RTT is not what
   was acknowledged: it moves neither RACK.rtt nor the clock by which the
   others are judged. */
TEST(RFC8985_5_sooner_than_min_rtt)
{
    uint32_t rtt;

    one_sacked();
    AT(0.225);
    OUT("A 1 ack 1 len 1000"); /* needlessly: */
    rtt = stream_info().rack_rtt_us;
    AT(0.23);
    IN("A 1 ack 2001"); /* the original, 5 ms after the other */
    CHECK_EQ(stream_info().rack_rtt_us, rtt);
    CHECK_EQ(stream_info().min_rtt_us, 100000);
    CHECK_EQ(stream_info().lost, 0); /* 2001 ... are not "sent before" */
    NONE();
    IN("A 1 ack 10001");
    CHECK_EQ(COUNT(retransmits), 1);
}

/* With timestamps: TSecr is older than the retransmission. It took longer
   than min_RTT, so that the other test would not have said so. */
TEST(RFC8985_5_by_timestamp)
{
    uint32_t old;

    loss_config();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    loss_open("sackok ts 5000 *");
    SEND(9880);
    FLIGHT(1, 10, 988);
    old = w.tsval;
    AT(0.2);
    IN("A 1 ack 1 sack 989:1977");
    AT(0.225);
    OUT("A 1 ack 1 len 988");
    CHECK_EQ(stream_info().rack_rtt_us, 100000);
    CHECK_NE(w.tsval, old);
    AT(0.34); /* 115 ms after it: longer than min_RTT */
    INF("A 1 ack 1977 ts 5340 %u", old);
    CHECK_EQ(stream_info().lost, 0);
    NONE();
    CHECK_NE(stream_info().rack_rtt_us, 115000);
    /* but with the retransmission's own TSval it is a sample: what was
       sent before it is lost */
    loss_config();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    loss_open("sackok ts 5000 *");
    SEND(9880);
    FLIGHT(1, 10, 988);
    AT(0.2);
    IN("A 1 ack 1 sack 989:1977");
    AT(0.225);
    OUT("A 1 ack 1 len 988");
    AT(0.34);
    INF("A 1 ack 1977 ts 5340 %u", w.tsval);
    CHECK_GT(stream_info().lost, 0u);
}

/* RFC8985-4: min_RTT is the least of the last while, not of all time: on a
   path that has become longer the reordering window grows with it. */
TEST(RFC8985_4_windowed_minimum)
{
    uint32_t k, ack = 1;

    loss_begin();
    for (k = 0; k < 60; k++) { /* twenty minutes of 300 ms */
        SEND(1000);
        stream_drain();
        w.p.now += 300000;
        ack += 1000;
        stream_drain(); /* perhaps a probe */
        INF("A 1 ack %u", ack);
        w.p.now += 20 * PAIR_SECOND;
    }
    CHECK_GE(stream_info().min_rtt_us, 290000u);
    CHECK_LE(stream_info().min_rtt_us, 310000u);
}

/* ... and a shorter one is the minimum at once. */
TEST(RFC8985_4_shorter_at_once)
{
    loss_begin();
    SEND(1000);
    FLIGHT(1, 1, 1000);
    AT(0.12);
    IN("A 1 ack 1001");
    CHECK_EQ(stream_info().min_rtt_us, 20000);
}

/* ---- reordering -------------------------------------------------------- */

/* RFC8985-6: an original that arrives after a later one: reordering. Then
   three SACKs start nothing: the window is min_RTT/4 (RFC8985-7). */
TEST(RFC8985_6_7_reordering_seen)
{
    one_sacked();
    CHECK_EQ(stream_info().reordering, 0);
    IN("A 1 ack 2001");
    CHECK_EQ(stream_info().reordering, 1);
    stream_drain();
    AT(0.212);
    IN("A 1 ack 2001 sack 3001:8001"); /* five */
    CHECK_EQ(stream_info().lost, 0);
    CHECK_EQ(stream_info().in_recovery, 0);
    CHECK_EQ(stream_info().reo_wnd_us, 25000);
    stream_drain();
    DEADLINE(0.237); /* 100 + 112 + 25 */
    AT(0.237);
    CHECK_EQ(stream_info().rack_rtt_us, 112000);
    OUT("A 2001 ack 1 len 1000");
    CHECK_EQ(stream_info().in_recovery, 1);
    /* also in recovery it stays */
    CHECK_EQ(stream_info().reo_wnd_us, 25000);
}

/* By SACK, too: the hole between two blocks is filled. */
TEST(RFC8985_6_by_sack)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 3001:4001");
    CHECK_EQ(stream_info().reordering, 0);
    IN("A 1 ack 1 sack 1001:2001 3001:4001");
    CHECK_EQ(stream_info().reordering, 1);
}

/* Not when it is in order, however it is reported; nor a retransmission
   that fills the hole: it is below FACK by nature. */
TEST(RFC8985_6_not_seen)
{
    loss_begin();
    SEND(20000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1001");
    stream_drain();
    IN("A 1 ack 1001 sack 2001:3001");
    IN("A 1 ack 1001 sack 2001:4001");
    stream_drain();
    IN("A 1 ack 1001 sack 2001:5001");
    OUT("A 1001 ack 1 len 1000");
    stream_drain();
    AT(0.3);
    IN("A 1 ack 5001");
    CHECK_EQ(stream_info().reordering, 0);
    IN("A 1 ack 10001");
    CHECK_EQ(stream_info().reordering, 0);
}

/* Reordering by no more than min_RTT/4 costs nothing: in the first round,
   as long as fewer than three overtake; then any number. */
TEST(reordering_within_the_window_is_free)
{
    uint32_t k, base = 1;

    loss_begin();
    for (k = 0; k < 20; k++, base += 10000) {
        SEND(10000);
        FLIGHT(base, 10, 1000);
        w.p.now += 100000;
        INF("A 1 ack %u sack %u:%u", base, base + 1000,
            base + (k == 0 ? 3000 : 10000));
        NONE();
        w.p.now += 24900;
        INF("A 1 ack %u", base + 10000);
    }
    CHECK_EQ(COUNT(retransmits), 0);
    CHECK_EQ(COUNT(fast_retransmits), 0);
}

/* ---- the window adapts (RFC8985-8) ------------------------------------- */

/* Twenty segments, come what may: these tests are not about windows. */
static void fixed_loss(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    s->ssthresh = 20 * e->mss;
}

static void fixed_acked(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    s->cwnd = 20 * e->mss;
}

static const tcpsm_cc fixed = {200,  NULL, fixed_acked, fixed_loss,
                               NULL, NULL, NULL,        NULL};

/* A round: ten segments, the first retransmitted for a loss that the peer
   then reports as a duplicate, if dsack. All is acknowledged at the end;
   a recovery was entered and left. */
static void episode(int dsack)
{
    uint32_t a = stream_info().snd_nxt - w.iss;
    uint64_t before = COUNT(fast_retransmits);

    SEND(10000);
    FLIGHT(a, 10, 1000);
    w.p.now += 100000;
    INF("A 1 ack %u sack %u:%u", a, a + 1000, a + 10000);
    if (COUNT(fast_retransmits) == before)
        loss_next(); /* after the reordering window */
    CHECK_EQ(COUNT(fast_retransmits), before + 1);
    OUTF("A %u ack 1 len 1000", a);
    NONE();
    w.p.now += 100000;
    if (dsack)
        INF("A 1 ack %u sack %u:%u", a + 10000, a, a + 1000);
    else
        INF("A 1 ack %u", a + 10000);
    CHECK_EQ(stream_info().in_recovery, 0);
    CHECK_EQ(stream_info().flight, 0);
}

/* A connection that saw reordering. */
static void reordered(void)
{
    loss_config();
    w.cfg.cc = &fixed;
    loss_open("sackok");
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:2001");
    IN("A 1 ack 2001");
    CHECK_EQ(stream_info().reordering, 1);
    IN("A 1 ack 10001");
    CHECK_EQ(stream_info().reo_wnd_us, 25000);
}

/* (N + 1) min_RTT/4 after N rounds with a D-SACK, at most SRTT. */
TEST(RFC8985_8_grows_with_dsack)
{
    uint32_t k;

    reordered();
    for (k = 1; k <= 6; k++) {
        episode(1);
        CHECK_EQ(COUNT(dsacks), k);
        CHECK_LE(stream_info().reo_wnd_us, stream_info().srtt_us);
        if (25000 * (k + 1) <= stream_info().srtt_us)
            CHECK_EQ(stream_info().reo_wnd_us, 25000 * (k + 1));
        else
            CHECK_EQ(stream_info().reo_wnd_us, stream_info().srtt_us);
    }
}

/* Once a round trip, however many D-SACKs come in it. */
TEST(RFC8985_8_once_a_round)
{
    uint32_t k;

    reordered();
    SEND(10000);
    FLIGHT(10001, 10, 1000);
    w.p.now += 50000;
    for (k = 0; k < 5; k++)
        IN("A 1 ack 10001 sack 9001:10001");
    CHECK_EQ(COUNT(dsacks), 5);
    CHECK_EQ(stream_info().reo_wnd_us, 50000);
    w.p.now += 50000;
    IN("A 1 ack 12001 sack 9001:10001"); /* the same round still */
    CHECK_EQ(stream_info().reo_wnd_us, 50000);
    IN("A 1 ack 20001"); /* it ends */
    SEND(1000);
    FLIGHT(20001, 1, 1000);
    IN("A 1 ack 20001 sack 9001:10001");
    CHECK_EQ(stream_info().reo_wnd_us, 75000);
}

/* It is kept for 16 recoveries without D-SACK, and then forgotten. */
TEST(RFC8985_8_kept_for_16_recoveries)
{
    uint32_t k;

    reordered();
    episode(1);
    episode(1);
    CHECK_EQ(stream_info().reo_wnd_us, 75000);
    for (k = 1; k <= 15; k++) {
        episode(0);
        CHECKF(stream_info().reo_wnd_us > 50000, "%u us after %u recoveries",
               stream_info().reo_wnd_us, k);
    }
    episode(0);
    CHECK_EQ(stream_info().reo_wnd_us, 25000);
    /* a D-SACK begins the count anew */
    episode(1);
    for (k = 0; k < 10; k++)
        episode(0);
    episode(1);
    for (k = 1; k <= 15; k++)
        episode(0);
    CHECK_GT(stream_info().reo_wnd_us, 50000u);
    episode(0);
    CHECK_EQ(stream_info().reo_wnd_us, 25000);
}

/* ---- what a D-SACK is (RFC 2883) --------------------------------------- */

/* RFC2883-1: at or below the ACK, or inside the second block: duplicates
   that the peer got, no new information about what it has. */
TEST(RFC2883_told_apart)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 3001 sack 1001:2001"); /* below the ACK */
    CHECK_EQ(COUNT(dsacks), 1);
    CHECK_EQ(stream_info().sacked, 0);
    IN("A 1 ack 3001 sack 2001:3001"); /* up to it */
    CHECK_EQ(COUNT(dsacks), 2);
    IN("A 1 ack 3001 sack 5001:6001 4001:7001"); /* inside the second */
    CHECK_EQ(COUNT(dsacks), 3);
    CHECK_EQ(stream_info().sacked, 3000);
    IN("A 1 ack 3001 sack 4001:7001 5001:6001"); /* a first block is news */
    CHECK_EQ(COUNT(dsacks), 3);
    CHECK_EQ(stream_info().sacked, 3000);
    IN("A 1 ack 3001 sack 7001:8001 4001:7001");
    CHECK_EQ(COUNT(dsacks), 3);
    CHECK_EQ(stream_info().sacked, 4000);
    IN("A 1 ack 3001 sack 4001:8001 4001:8001"); /* the very same */
    CHECK_EQ(COUNT(dsacks), 4);
    CHECK_EQ(stream_info().sacked, 4000);
    loss_sum();
}

/* RFC 2883 s4.1, its first example: nothing is lost but an ACK; and no
   D-SACK can begin a recovery by itself. */
TEST(RFC2883_is_no_duplicate_ack)
{
    uint32_t k;

    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    for (k = 0; k < 10; k++)
        IN("A 1 ack 3001 sack 1001:2001");
    CHECK_EQ(stream_info().lost, 0);
    CHECK_EQ(stream_info().sacked, 0);
    CHECK_EQ(stream_info().in_recovery, 0);
}

/* A D-SACK of an earlier episode, late, says nothing about this one: its
   retransmission was another. */
TEST(late_dsack_undoes_nothing)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:10001");
    OUT("A 1 ack 1 len 1000");
    AT(0.3);
    IN("A 1 ack 10001");
    CHECK_EQ(stream_info().ssthresh, 5000);
    SEND(10000);
    FLIGHT(10001, 5, 1000);
    AT(0.4);
    IN("A 1 ack 10001 sack 11001:15001");
    OUT("A 10001 ack 1 len 1000");
    CHECK_EQ(stream_info().in_recovery, 1);
    CHECK_EQ(stream_info().ssthresh, 2500);
    IN("A 1 ack 10001 sack 1:1001 11001:15001");
    CHECK_EQ(COUNT(dsacks), 1);
    CHECK_EQ(COUNT(undone), 0);
    CHECK_EQ(stream_info().in_recovery, 1);
    CHECK_EQ(stream_info().ssthresh, 2500);
}

/* ---- RFC6675-1: what is news ------------------------------------------- */

/* An ACK with new blocks is one, "even with data, window change or
   cumulative advance". */
TEST(RFC6675_1_any_ack_may_bring_news)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("PA 1 ack 1 len 10 sack 1001:2001"); /* with data */
    CHECK_EQ(stream_info().sacked, 1000);
    IN("A 11 ack 1 win 60000 sack 1001:3001"); /* with another window */
    CHECK_EQ(stream_info().sacked, 2000);
    IN("A 11 ack 1001 win 60000 sack 4001:6001"); /* with an advance */
    CHECK_EQ(stream_info().sacked, 4000 - 0);
    loss_sum();
}

/* ... and a third SACK inside them begins recovery. */
TEST(RFC6675_1_recovery_by_a_data_segment)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("PA 1 ack 1 len 10 win 50000 sack 1001:4001");
    CHECK_EQ(stream_info().in_recovery, 1);
    CHECK_EQ(stream_info().lost, 1000);
    IN("A 11 ack 1 sack 1001:4001"); /* old news: no news */
    CHECK_EQ(stream_info().lost, 1000);
    CHECK_EQ(stream_info().sacked, 3000);
    OUT("A 1 ack 11 len 1000");
}

/* The network's own copies of an ACK prove nothing and send nothing:
   RFC5681-11. */
TEST(RFC5681_11_copies_of_an_ack)
{
    uint32_t k;

    loss_begin();
    SEND(60000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    for (k = 0; k < 5; k++) {
        IN("A 1 ack 1");
        NONE();
    }
    IN("A 1 ack 1 sack 1001:2001");
    CHECK_EQ(stream_drain(), 1); /* limited transmit: one has left */
    for (k = 0; k < 5; k++) {
        IN("A 1 ack 1 sack 1001:2001");
        NONE();
    }
    CHECK_EQ(stream_info().in_recovery, 0);
}

/* ---- recovery and the window ------------------------------------------- */

/* RFC8985-15: marked lost is not sent: congestion control says when. Eight
   are lost, two arrived: two segments go, not eight. */
TEST(RFC8985_15_lost_is_not_sent)
{
    uint32_t n;

    loss_begin();
    SEND(20000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 8001:10001");
    CHECK_EQ(stream_drain(), 2); /* new data: limited transmit */
    AT(0.225);
    n = stream_drain();
    CHECKF(n >= 1 && n <= 3, "%u segments", n);
    CHECK_GE(stream_info().lost, 5000u);
    loss_sum();
}

/* RFC8985-13: none of RFC 6675's NextSeg (3) and (4): what is neither lost
   nor acknowledged is not sent again, though cwnd has room. */
TEST(RFC8985_13_no_nextseg)
{
    loss_begin();
    SEND(10000); /* nothing new behind it */
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:5001");
    OUT("A 1 ack 1 len 1000"); /* 5001 ... 9001 are above: not lost */
    NONE();
    AT(0.21);
    IN("A 1 ack 1 sack 1001:8001");
    NONE();
    AT(0.3);
    IN("A 1 ack 8001"); /* R1 arrived: sent after the last two */
    CHECK_EQ(stream_info().lost, 2000);
    OUT("A 8001 ack 1 len 1000");
    stream_drain();
    loss_heal();
}

/* RFC8985-3, -10: RTO: the first segment, and those that are older than
   RACK.rtt + reo_wnd; the others wait (s3.5). */
TEST(RFC8985_10_rto_marks_what_is_old)
{
    struct tcpsm_info i;

    loss_begin();
    SEND(1000);
    FLIGHT(1, 1, 1000);
    AT(0.2);
    IN("A 1 ack 1001"); /* RACK.rtt 100 ms; RTO 250 ms */
    SEND(1000);
    FLIGHT(1001, 1, 1000);
    loss_next(); /* the probe, at the RTO; then the RTO anew */
    wire__take();
    CHECK_EQ(COUNT(loss_probes), 1);
    stream_drain();
    i = stream_info();
    w.p.now = w.p.now + i.rto_us - 50000;
    NONE();
    SEND(2000); /* 50 ms before it */
    FLIGHT(2001, 2, 1000);
    NONE();
    w.p.now += 50000;
    OUT("A 1001 ack 1 len 1000");
    NONE();
    CHECK_EQ(COUNT(timeouts), 1);
    CHECK_EQ(stream_info().lost, 0);
    CHECK_EQ(stream_info().flight, 3000);
    CHECK_EQ(stream_info().in_recovery, 2);
    w.p.now += 5000;
    IN("A 1 ack 2001"); /* the original, late: nothing else goes again */
    NONE();
    w.p.now += 45000;
    IN("A 1 ack 4001");
    CHECK_EQ(COUNT(retransmits), 2);
}

/* All older: all lost, and slow start sends them. RFC6298-12, RFC5681-8,
   -9. */
TEST(RFC8985_10_rto_all_old)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.3); /* a probe */
    OUT("PA 9001 ack 1 len 1000");
    loss_timeout();
    CHECK_EQ(w.seg.seq - w.iss, 1);
    CHECK_EQ(stream_info().in_recovery, 2);
    CHECK_EQ(stream_info().lost, 9000);
    CHECK_EQ(stream_info().cwnd, 1000);
    CHECK_EQ(stream_info().ssthresh, 5000);
    w.p.now += 100000;
    IN("A 1 ack 1001");
    OUT("A 1001 ack 1 len 1000");
    OUT("A 2001 ack 1 len 1000");
    NONE();
    loss_heal();
}

/* RFC2018-5, -6: the peer SACKed and then reneged: after a timeout the left
   edge goes again, SACKed or not, and all that was SACKed after it; by any
   clock: what was SACKed has no time of its own any more. */
TEST(RFC2018_5_6_reneging)
{
    static const uint32_t clock[] = {1, 0x7FF00000, 0x80001000, 0xC0000000,
                                     0xFFF00000};
    uint32_t k, c;

    for (c = 0; c < sizeof clock / sizeof *clock; c++) {
        CONTEXT("clock 0x%x", clock[c]);
        loss_config();
        w.p.now = w.t0 = clock[c];
        loss_open("sackok");
        SEND(5000);
        FLIGHT(1, 5, 1000);
        AT(0.2);
        IN("A 1 ack 1 sack 1001:5001"); /* it has them ... */
        OUT("A 1 ack 1 len 1000");
        stream_drain();
        AT(0.3);
        IN("A 1 ack 1001"); /* ... and has them no more */
        CHECK_EQ(stream_info().snd_queued, 4000); /* kept: RFC6675-2 */
        loss_timeout();
        CHECK_EQ(w.seg.seq - w.iss, 1001);
        CHECK_EQ(stream_info().sacked, 0);
        for (k = 2; k <= 4; k++) {
            w.p.now += 100000;
            INF("A 1 ack %u", 1 + 1000 * k);
            stream_drain();
        }
        w.p.now += 100000;
        stream_drain();
        loss_heal(); /* all went again, and one timeout was enough */
        CHECK_EQ(COUNT(timeouts), 1);
        CHECK_GE(COUNT(retransmits), 5u);
    }
}

/* An honest peer says it again: what was SACKED is not sent a third time. */
TEST(RFC2018_6_sacks_after_a_timeout_count)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 5001:10001");
    loss_timeout(); /* 1 ... 4001, all retransmissions lost as well */
    w.p.now += 100000;
    IN("A 1 ack 1001 sack 5001:10001");
    CHECK_EQ(stream_info().sacked, 5000);
    while (stream_info().snd_una - w.iss < 5001) {
        while (w.q_n || tcpsm_deadline(w.c) <= w.p.now) {
            wire__fill();
            if (!w.q_n)
                break;
            wire__take();
            CHECKF(w.seg.seq - w.iss < 5001, "%u is SACKed",
                   w.seg.seq - w.iss);
        }
        w.p.now += 100000;
        INF("A 1 ack %u sack 5001:10001",
            stream_info().snd_una - w.iss + 1000);
    }
    IN("A 1 ack 10001");
    CHECK_EQ(stream_info().snd_queued, 0);
}

/* RFC6298-10, -11: a retransmission of the left edge starts the timer anew,
   an ACK of new data too; other ACKs do not. */
TEST(RFC6298_10_11_timer_in_recovery)
{
    struct tcpsm_info i;
    tcpsm_time at;

    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:8001");
    OUT("A 1 ack 1 len 1000");
    stream_drain();
    i = stream_info();
    at = w.p.now + i.rto_us;
    CHECK_EQ(tcpsm_deadline(w.c), at);
    AT(0.24);
    IN("A 1 ack 1 sack 1001:10001"); /* nothing cumulative */
    stream_drain();
    CHECK_EQ(tcpsm_deadline(w.c), at);
    loss_next();
    CHECK_EQ(COUNT(timeouts), 1);
    OUT("A 1 ack 1 len 1000"); /* not less than an RTO after the other */
}

/* ---- one timer (RFC8985-16) -------------------------------------------- */

/* The reordering timer puts off the others, and the zero-window probe
   takes the place of all of them. */
TEST(RFC8985_16_one_timer)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    DEADLINE(0.3); /* the loss probe */
    AT(0.2);
    IN("A 1 ack 1 sack 1001:2001");
    DEADLINE(0.225); /* reordering */
    AT(0.21);
    IN("A 1 ack 2001"); /* nothing is SACKed any more: a probe again */
    DEADLINE(0.21 + 2e-6 * stream_info().srtt_us);
    IN("A 1 ack 10001 win 0");
    DEADLINE_NEVER(); /* nothing to send */
    SEND(1000);
    NONE(); /* persist, and nothing but that */
    CHECK_EQ(stream_info().persist, 1);
    CHECK_GE(tcpsm_deadline(w.c), w.p.now + stream_info().rto_us);
    loss_next();
    wire__take();
    CHECK_EQ(w.seg.len, 1);
    CHECK_EQ(COUNT(loss_probes), 0);
    CHECK_EQ(COUNT(timeouts), 0);
}

/* The window closes in the middle of recovery: no retransmission goes
   beyond it, the persist timer runs, and it all goes on when it opens. */
TEST(RFC8985_16_zero_window_in_recovery)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:6001 win 0");
    CHECK_EQ(stream_info().sacked, 5000);
    stream_drain();
    CHECK_EQ(COUNT(retransmits), 0);
    loss_next();
    stream_drain();
    w.p.now += 10000;
    IN("A 1 ack 1 sack 1001:6001 win 60000");
    loss_next();
    stream_drain();
    CHECK_GE(COUNT(retransmits), 1u);
    loss_heal();
}

/* ---- recovery ends ----------------------------------------------------- */

/* RFC6675-11: when the cumulative ACK passes what had been sent when it
   began; what is SACKed above stays. */
TEST(RFC6675_11_end)
{
    loss_begin();
    SEND(30000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:10001");
    OUT("A 1 ack 1 len 1000");
    CHECK_GE(stream_drain(), 2u); /* new data beyond the recovery point */
    AT(0.3);
    IN("A 1 ack 9001 sack 11001:12001"); /* partial */
    CHECK_EQ(stream_info().in_recovery, 1);
    IN("A 1 ack 10001 sack 11001:12001");
    CHECK_EQ(stream_info().in_recovery, 0);
    CHECK_EQ(stream_info().sacked, 1000);
    loss_sum();
    loss_heal();
}

/* RFC6675-12 and 8985: after a timeout a new loss begins no fast recovery
   until all that was outstanding then is acknowledged. */
TEST(RFC6675_12_no_fast_recovery_after_a_timeout)
{
    uint64_t n;

    loss_begin();
    SEND(10000); /* nothing new for F-RTO to send */
    FLIGHT(1, 10, 1000);
    loss_timeout();
    n = COUNT(fast_retransmits);
    w.p.now += 100000;
    IN("A 1 ack 1001 sack 3001:8001");
    stream_drain();
    w.p.now += 100000;
    IN("A 1 ack 2001 sack 3001:8001");
    stream_drain();
    CHECK_EQ(stream_info().in_recovery, 2);
    CHECK_EQ(COUNT(fast_retransmits), n);
    loss_heal();
    CHECK_EQ(stream_info().in_recovery, 0);
}

/* ---- who may say so (law 9) -------------------------------------------- */

/* Blocks count only in a segment whose SEQ and ACK are acceptable. */
TEST(law_9_blocks_of_the_blind)
{
    struct tcpsm_info a, b;

    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    a = stream_info();
    IN_ANY("A -100000 ack 1 sack 1001:9001"); /* SEQ is old */
    stream_drain();
    IN_ANY("A 400001 ack 1 sack 1001:9001"); /* SEQ is beyond the window */
    stream_drain();
    IN_ANY("A 1 ack 10002 sack 1001:9001"); /* ACK of what was not sent */
    stream_drain();
    IN_ANY("A 1 ack -2000000 sack 1001:9001"); /* ACK older than a window */
    stream_drain();
    IN_ANY("R 400001 sack 1001:9001");
    stream_drain();
    b = stream_info();
    CHECK_EQ(b.sacked, 0);
    CHECK_EQ(b.lost, 0);
    CHECK_EQ(b.in_recovery, 0);
    CHECK_EQ(a.cwnd, b.cwnd);
    IN("A 1 ack 1 sack 1001:9001"); /* and this is one */
    CHECK_EQ(stream_info().sacked, 8000);
}

/* An option of a wrong length is no option (law 6). */
TEST(law_6_sack_options_of_wrong_length)
{
    static const char *const raw[] = {
        "0502",
        "0503ff",
        "050400ff",
        "0509000000ff000000",
        "050b000003e9000007",
        "051100000000000000ff00000000000000",
    };
    uint32_t k;

    for (k = 0; k < sizeof raw / sizeof *raw; k++) {
        CONTEXT("option %u", k);
        loss_begin();
        SEND(10000);
        FLIGHT(1, 10, 1000);
        AT(0.2);
        WIRE__STEP("A 1 ack 1 raw %s", raw[k]);
        wire__in(w.text);
        CHECK_EQ(stream_info().sacked, 0);
        CHECK_EQ(stream_info().flight, 10000);
    }
}

/* ---- states ------------------------------------------------------------ */

/* A FIN is an octet like others: SACKed, lost, sent again. */
TEST(the_fin_is_lost)
{
    loss_begin();
    SEND(9500);
    SHUTDOWN();
    FLIGHT(1, 9, 1000);
    OUT("FPA 9001 ack 1 len 500");
    AT(0.2);
    IN("A 1 ack 1 sack 1001:9001");
    OUT("A 1 ack 1 len 1000");
    AT(0.3);
    IN("A 1 ack 9001");
    CHECK_EQ(stream_info().lost, 501);
    OUT("FPA 9001 ack 1 len 500");
    STATE(TCPSM_FIN_WAIT_1);
    AT(0.4);
    IN("A 1 ack 9502");
    STATE(TCPSM_FIN_WAIT_2);
    CHECK_EQ(COUNT(timeouts), 0);
}

TEST(the_fin_is_sacked)
{
    loss_begin();
    SEND(9500);
    SHUTDOWN();
    FLIGHT(1, 9, 1000);
    OUT("FPA 9001 ack 1 len 500");
    AT(0.2);
    IN("FA 1 ack 1 sack 1001:9502"); /* and it closes as well */
    CHECK_EQ(stream_info().sacked, 8501);
    STATE(TCPSM_CLOSING);
    OUT("A 1 ack 2 len 1000");
    AT(0.3);
    IN("A 2 ack 9502");
    STATE(TCPSM_TIME_WAIT);
}

TEST(recovery_in_close_wait_and_last_ack)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("FA 1 ack 1 sack 1001:9001");
    STATE(TCPSM_CLOSE_WAIT);
    OUT("A 1 ack 2 len 1000");
    CLOSE();
    STATE(TCPSM_LAST_ACK);
    stream_drain();
    AT(0.3);
    IN("A 2 ack 9001");
    stream_drain();
    w.p.now += 100000;
    IN("A 2 ack 10002");
    STATE(TCPSM_CLOSED);
    ERROR_IS(0);
}

/* Law 11: exported and imported in the middle of it, it goes on alike. */
TEST(law_11_exported_in_recovery)
{
    static uint8_t blob[400000];
    struct tcpsm_info a, b;
    tcpsm_ret n;
    tcpsm_time shift;
    int lent;

    for (lent = 0; lent < 4; lent++) {
        loss_begin();
        if (lent & 1)
            loss_tables(64);
        SEND(20000);
        FLIGHT(1, 10, 1000);
        AT(0.2);
        IN("A 1 ack 1 sack 2001:3001 5001:6001 8001:10001");
        OUT("A 1 ack 1 len 1000");
        a = stream_info();
        CHECK_EQ(a.in_recovery, 1);
        n = tcpsm_export(w.c, blob, sizeof blob, w.p.now);
        CHECK_GT(n, 0);
        wire__init();
        if (lent & 1)
            loss_tables(64);
        shift = lent & 2 ? (tcpsm_time)0x123456789AB : 0; /* another clock */
        w.p.now += shift;
        w.t0 += shift;
        CHECK_EQ(tcpsm_import(w.c, &w.cfg, blob, (uint32_t)n, w.p.now), 0);
        wire__touched();
        b = stream_info();
        CHECK_MEM(&a, &b, sizeof a);
        stream_drain();
        AT(0.3);
        IN("A 1 ack 1001 sack 2001:3001 5001:6001 8001:10001");
        CHECK_EQ(stream_info().rack_rtt_us, 100000);
        CHECK_GE(stream_drain(), 1u);
        loss_heal();
        CHECK_EQ(COUNT(timeouts), 0);
    }
}

/* ---- times that wrap --------------------------------------------------- */

/* Everything above, while 32 bits of microseconds run over. */
TEST(across_the_wrap_of_32_bits)
{
    static const uint32_t before[] = {50000, 100000, 150000, 210000, 226000};
    uint32_t k;

    for (k = 0; k < sizeof before / sizeof *before; k++) {
        loss_config();
        w.p.now = w.t0 = ((tcpsm_time)3 << 32) - before[k];
        loss_open("sackok");
        SEND(10000);
        FLIGHT(1, 10, 1000);
        AT(0.2);
        IN("A 1 ack 1 sack 1001:2001");
        DEADLINE(0.225);
        AT(0.225);
        OUT("A 1 ack 1 len 1000");
        NONE();
        AT(0.23);
        IN("A 1 ack 1 sack 1001:9001");
        AT(0.326);
        IN("A 1 ack 9001");
        CHECK_EQ(stream_info().lost, 1000);
        OUT("PA 9001 ack 1 len 1000");
        IN("A 1 ack 10001");
        DEADLINE_NEVER();
    }
}

/* Nothing for 40 minutes: more than 2^31 us: what was delivered then was not
   sent after what is sent now. */
TEST(after_forty_minutes_of_silence)
{
    static const uint32_t idle[] = {10, 2400, 3600, 4200, 6000, 90000};
    uint32_t k;

    for (k = 0; k < sizeof idle / sizeof *idle; k++) {
        CONTEXT("%u s", idle[k]);
        loss_begin();
        SEND(1000);
        FLIGHT(1, 1, 1000);
        AT(0.2);
        IN("A 1 ack 1001");
        w.p.now = w.t0 += (tcpsm_time)idle[k] * PAIR_SECOND;
        SEND(1000);
        FLIGHT(1001, 1, 1000);
        AT(0.05);
        SEND(1000);
        FLIGHT(2001, 1, 1000);
        AT(0.1);
        IN("A 1 ack 2001");
        CHECK_EQ(stream_info().lost, 0);
        CHECK_GE(tcpsm_deadline(w.c), w.t0 + 250000); /* no reordering */
        AT(0.199);
        IN("A 1 ack 3001");
        CHECK_EQ(COUNT(retransmits), 0);
    }
}

/* Nothing for days, then a flight with a loss. */
TEST(after_days_of_silence)
{
    loss_begin();
    SEND(1000);
    FLIGHT(1, 1, 1000);
    AT(0.2);
    IN("A 1 ack 1001");
    w.p.now += (tcpsm_time)5 * 86400 * PAIR_SECOND + 1234567;
    SEND(4000);
    FLIGHT(1001, 4, 1000);
    w.p.now += 100000;
    IN("A 1 ack 1001 sack 2001:3001");
    CHECK_EQ(stream_info().lost, 0);
    CHECK_LE(tcpsm_deadline(w.c), w.p.now + 25000);
    loss_next();
    OUT("A 1001 ack 1 len 1000");
    loss_heal();
}
