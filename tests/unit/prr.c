/* PRR (RFC 9937), on top of RACK and NewReno's half of the flight. The RFC
   counts octets in section 6, and so do we; its figures count segments. */

#include "loss.h"

static uint32_t cwnd(void)
{
    return stream_info().cwnd;
}

/* Twenty segments in flight, as in RFC 9937 s8. */
static void twenty(void)
{
    loss_config();
    w.cfg.initial_segments = 20;
    loss_open("sackok");
    SEND(100000);
    FLIGHT(1, 20, 1000);
    NONE();
    CHECK_EQ(cwnd(), 20000);
    AT(0.2);
}

/* ---- the figures ------------------------------------------------------- */

/* RFC9937-6, figure 1: one loss of twenty: ACKs 1 and 2 send new data
   (limited transmit), 3 the retransmission; then one segment for every
   second ACK, not a pause and then one for each; cwnd ends at ssthresh. */
TEST(RFC9937_6_figure_1)
{
    uint32_t k, n, sent = 0, since = 0;

    twenty();
    for (k = 1; k <= 2; k++) {
        INF("A 1 ack 1 sack 1001:%u", 1001 + 1000 * k);
        CHECK_EQ(stream_drain(), 1);
        CHECK_EQ(cwnd(), 20000);
        CHECK_EQ(stream_info().flight, 20000);
    }
    IN("A 1 ack 1 sack 1001:4001");
    CHECK_EQ(stream_info().ssthresh, 10000);
    CHECK_EQ(stream_info().flight, 18000);
    CHECK_EQ(cwnd(), 19000); /* as in the figure */
    OUT("A 1 ack 1 len 1000");
    NONE();
    for (k = 4; k <= 21; k++) {
        INF("A 1 ack 1 sack 1001:%u", 1001 + 1000 * k);
        n = stream_drain();
        sent += n;
        since = n ? 0 : since + 1;
        CHECKF(n <= 1, "ACK %u sends %u", k, n);
        CHECKF(since <= 2, "ACK %u: a pause", k);
        CHECK_EQ(COUNT(retransmits), 1);
    }
    CHECK_GE(sent, 8u);
    CHECK_LE(sent, 9u);
    INF("A 1 ack %u", 22001); /* ACK 22: all */
    CHECK_EQ(stream_info().in_recovery, 0);
    CHECK_EQ(cwnd(), 10000); /* RFC9937-8 */
    stream_drain();
    CHECK_EQ(stream_info().flight, 10000);
}

/* Figure 2: the first fifteen are lost, five ACKs come: one segment for
   each delivered (the conservative bound), though ssthresh allows more. */
TEST(RFC9937_6_figure_2)
{
    twenty();
    IN("A 1 ack 1 sack 15001:16001");
    CHECK_EQ(stream_drain(), 1);
    IN("A 1 ack 1 sack 15001:17001");
    CHECK_EQ(stream_drain(), 1);
    IN("A 1 ack 1 sack 15001:18001");
    CHECK_EQ(stream_info().lost, 15000);
    CHECK_EQ(stream_info().flight, 4000);
    CHECK_EQ(cwnd(), 5000);
    OUT("A 1 ack 1 len 1000");
    NONE();
    IN("A 1 ack 1 sack 15001:19001");
    CHECK_EQ(cwnd(), 5000);
    OUT("A 1001 ack 1 len 1000");
    NONE();
    IN("A 1 ack 1 sack 15001:20001");
    OUT("A 2001 ack 1 len 1000");
    NONE();
    CHECK_EQ(stream_info().flight, 5000);
    /* "While not shown": the retransmissions are acknowledged, in good
       progress: one segment more than delivered, for each (SSRB) */
    AT(0.3);
    IN("A 1 ack 1001 sack 15001:20001");
    CHECK_EQ(stream_drain(), 2);
    IN("A 1 ack 2001 sack 15001:20001");
    CHECK_EQ(stream_drain(), 2);
    IN("A 1 ack 3001 sack 15001:20001");
    CHECK_EQ(stream_drain(), 2);
    CHECK_EQ(stream_info().flight, 8000);
}

/* ---- the parts --------------------------------------------------------- */

/* RFC9937-7: the first ACK sends one segment, though the proportional part
   gives less than one; once. */
TEST(RFC9937_7_forced_once)
{
    loss_config();
    loss_open("sackok");
    SEND(100000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    /* a peer that acknowledges odd octets: 3 of them are news */
    IN("A 1 ack 1 sack 1001:1002");
    stream_drain();
    AT(0.225); /* 1 octet delivered, and the timer */
    OUT("A 1 ack 1 len 1000");
    NONE();
    CHECK_EQ(stream_info().in_recovery, 1);
    IN("A 1 ack 1 sack 1001:1003");
    NONE(); /* not for another octet */
    loss_sum();
}

/* RFC9937-7: an ACK that delivers nothing changes nothing. */
TEST(RFC9937_7_nothing_delivered)
{
    uint32_t was, k;

    twenty();
    IN("A 1 ack 1 sack 1001:6001");
    stream_drain();
    was = cwnd();
    for (k = 0; k < 5; k++) {
        IN("A 1 ack 1 sack 1001:6001");
        CHECK_EQ(cwnd(), was);
        NONE();
        IN("A 1 ack 1");
        CHECK_EQ(cwnd(), was);
        NONE();
    }
}

/* RFC9937-2, -6: the proportion: of RecoverFS, which holds all that was in
   flight when recovery began, what its first ACK delivered included. One
   ACK brings three quarters of it. */
TEST(RFC9937_2_recover_fs)
{
    uint32_t n;

    twenty();
    IN("A 1 ack 1 sack 1001:4001"); /* three of twenty */
    /* RecoverFS 20000; 3000 * 10000 / 20000, at 16000 in flight */
    CHECK_EQ(stream_info().ssthresh, 10000);
    CHECK_EQ(cwnd(), 16000 + 1500);
    OUT("A 1 ack 1 len 1000");
    NONE(); /* 500 are left */
    IN("A 1 ack 1 sack 1001:5001");
    /* 4000/2 - 1000 out; 16000 in flight */
    CHECK_EQ(cwnd(), 16000 + 1000);
    n = stream_drain();
    CHECK_EQ(n, 1);
    IN("A 1 ack 1 sack 1001:7001"); /* 6000/2 - 2000 */
    CHECK_EQ(cwnd(), 15000 + 1000);
    CHECK_EQ(stream_drain(), 1);
}

/* ... what had been SACKed before is not in it. */
TEST(RFC9937_2_sacked_before)
{
    twenty();
    IN("A 1 ack 1 sack 2001:4001"); /* two: no loss yet */
    CHECK_EQ(stream_info().in_recovery, 0);
    CHECK_EQ(stream_drain(), 2); /* limited transmit */
    IN("A 1 ack 1 sack 2001:5001");
    /* 22000 - 3000 + 1000 = 20000; one delivered: 500; but the first
       retransmission is forced */
    CHECK_EQ(stream_info().ssthresh, 10000);
    CHECK_EQ(stream_info().lost, 2000);
    CHECK_EQ(stream_info().flight, 17000);
    OUT("A 1 ack 1 len 1000");
    NONE();
    IN("A 1 ack 1 sack 2001:6001");
    IN("A 1 ack 1 sack 2001:8001"); /* 4000 * 10/20 - 1000 */
    CHECK_EQ(cwnd(), stream_info().flight + 1000);
    OUT("A 1001 ack 1 len 1000");
    NONE();
}

/* ... and what the first ACK acknowledges is. */
TEST(RFC9937_2_acknowledged_with_it)
{
    twenty();
    IN("A 1 ack 5001 sack 6001:9001");
    /* RecoverFS = 15000 - 3000 + 3000 + 5000 = 20000, 8000 delivered */
    CHECK_EQ(stream_info().in_recovery, 1);
    CHECK_EQ(stream_info().flight, 11000);
    CHECK_EQ(stream_info().ssthresh, 10000);
    CHECK_EQ(cwnd(), 11000 + 4000);
    CHECK_EQ(stream_drain(), 4);
}

/* RFC9937-5, -6: below ssthresh: what was delivered, plus one segment when
   UNA advances and nothing more is lost; never beyond ssthresh. */
TEST(RFC9937_5_safe_ack)
{
    twenty();
    IN("A 1 ack 1 sack 15001:20001"); /* 15 lost, 5 delivered at once */
    CHECK_EQ(stream_info().flight, 0);
    CHECK_EQ(cwnd(), 5000);
    CHECK_EQ(stream_drain(), 5); /* 1 ... 4001 */
    AT(0.3);
    IN("A 1 ack 1 sack 1001:2001 15001:20001");
    /* the second retransmission: the first is lost again: no advance, no
       more than delivered */
    CHECK_EQ(stream_info().lost, 11000);
    CHECK_EQ(stream_drain(), 1);
    CHECK_EQ(stream_info().flight, 4000);
    IN("A 1 ack 1 sack 1001:3001 15001:20001");
    CHECK_EQ(stream_drain(), 1);
}

/* An advance that shows another loss is not safe. */
TEST(RFC9937_5_advance_with_a_loss)
{
    twenty();
    IN("A 1 ack 1 sack 15001:20001");
    CHECK_EQ(stream_drain(), 5);
    AT(0.3);
    IN("A 1 ack 1001 sack 2001:3001 15001:20001"); /* 1001's is lost */
    CHECK_EQ(stream_info().lost, 11000);
    /* 2000 delivered, no bonus (nor before that reduction) */
    CHECK_LE(stream_drain(), 2u);
}

/* RFC9937-6: never beyond ssthresh. */
TEST(RFC9937_6_not_beyond_ssthresh)
{
    uint32_t k, una = 1, ss;

    twenty();
    IN("A 1 ack 1 sack 15001:20001");
    stream_drain();
    ss = stream_info().ssthresh;
    CHECK_EQ(ss, 10000);
    for (k = 0; k < 12; k++) {
        w.p.now += k % 5 == 0 ? 100000 : 0;
        una += 1000;
        INF("A 1 ack %u sack 15001:20001", una);
        stream_drain();
        CHECK_EQ(stream_info().in_recovery, 1);
        CHECK_LE(stream_info().flight, ss);
    }
    CHECK_GE(stream_info().flight, 7000u);
}

/* RFC9937-3: in flight is what was sent, not SACKed, not lost, and again
   what was retransmitted since. */
TEST(RFC9937_3_inflight)
{
    twenty();
    IN("A 1 ack 1 sack 3001:6001 8001:9001");
    CHECK_EQ(stream_info().flight, 20000 - 4000 - 5000);
    stream_drain();
    loss_sum();
    CHECK_LE(stream_info().flight, cwnd());
}

/* RFC9937-1: each episode begins anew: the second is not cut by what the
   first had sent. */
TEST(RFC9937_1_each_episode_anew)
{
    uint32_t k, una, nxt, first = 0;

    twenty();
    for (k = 0; k < 5; k++) {
        una = stream_info().snd_una - w.iss;
        nxt = stream_info().snd_nxt - w.iss;
        first = stream_info().flight;
        INF("A 1 ack %u sack %u:%u", una, una + 1000, nxt);
        CHECK_EQ(stream_info().in_recovery, 1);
        OUTF("A %u ack 1 len 1000", una);
        CHECK_EQ(stream_info().ssthresh, first / 2 > 2000 ? first / 2 : 2000);
        stream_drain();
        w.p.now += 100000;
        INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
        CHECK_EQ(stream_info().in_recovery, 0);
        CHECK_EQ(cwnd(), stream_info().ssthresh); /* RFC9937-8 */
        wire__send(30000, 0);
        stream_drain();
        w.p.now += 100000;
        if (stream_info().flight < 4000)
            break;
    }
    CHECK_GE(k, 1u);
}

/* RFC9937-8: at the end cwnd is ssthresh, whatever it was; also when the
   application had paused, and when little was left in flight. */
TEST(RFC9937_8_end)
{
    loss_config();
    w.cfg.initial_segments = 20;
    loss_open("sackok");
    SEND(20000); /* and no more */
    FLIGHT(1, 20, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:20001");
    OUT("A 1 ack 1 len 1000");
    NONE();
    AT(0.3);
    IN("A 1 ack 20001");
    CHECK_EQ(cwnd(), 10000);
    CHECK_EQ(stream_info().ssthresh, 10000);
    CHECK_EQ(stream_info().in_recovery, 0);
    twenty(); /* early, and cwnd is far above it */
    IN("A 1 ack 1 sack 1001:4001");
    CHECK_GT(cwnd(), 15000u);
    OUT("A 1 ack 1 len 1000");
    IN("A 1 ack 20001");
    CHECK_EQ(stream_info().in_recovery, 0);
    CHECK_EQ(cwnd(), 10000);
}

/* Without SACK, RFC 6582's own exit: RFC9937-4 does not apply to it. */
TEST(without_sack_newreno_inflation)
{
    uint32_t k;

    loss_config();
    w.cfg.initial_segments = 20;
    loss_open("");
    SEND(100000);
    FLIGHT(1, 20, 1000);
    AT(0.2);
    for (k = 0; k < 3; k++) {
        IN("A 1 ack 1");
        stream_drain();
    }
    CHECK_EQ(stream_info().ssthresh, 10000);
    CHECK_EQ(cwnd(), 13000);
}

/* A timeout ends it: cwnd is one segment, and slow start follows, not the
   proportion. */
TEST(timeout_ends_it)
{
    twenty();
    IN("A 1 ack 1 sack 1001:6001");
    loss_timeout();
    CHECK_EQ(cwnd(), 1000);
    CHECK_EQ(stream_info().in_recovery, 2);
    CHECK_EQ(stream_info().flight, 1000);
    w.p.now += 100000;
    IN("A 1 ack 1001 sack 2001:6001");
    CHECK_EQ(cwnd(), 2000);
    CHECK_EQ(stream_drain(), 2);
}

/* The bound that matters: in an episode no more is sent than delivered,
   plus a segment for each ACK that advances, plus the first. Random losses;
   counted at the wire. */
TEST(RFC9937_6_conservation)
{
    uint64_t seed = 5;
    uint32_t story, k, n, lost, sacked, safe, out, delivered, una, acks;
    char text[96];

    for (story = 0; story < 60; story++) {
        CONTEXT("story %u", story);
        twenty();
        lost = 1 + (uint32_t)netsim_random(&seed) % 16;
        delivered = out = safe = acks = 0;
        for (k = lost + 1; k <= 20; k++) {
            if (stream_info().in_recovery)
                delivered += 1000;
            else
                delivered = 1000, out = 0;
            snprintf(text, sizeof text, "A 1 ack 1 sack %u:%u",
                     1 + 1000 * lost, 1 + 1000 * k);
            INF("%s", text);
            n = stream_drain();
            out += n;
            if (stream_info().in_recovery)
                CHECKF(out * 1000 <= delivered + 1000, "%u for %u", out,
                       delivered);
        }
        if (!stream_info().in_recovery)
            continue;
        w.p.now += 100000;
        una = 1;
        while (stream_info().in_recovery == 1) {
            sacked = stream_info().sacked;
            una += 1000;
            if (una > lost * 1000)
                break;
            INF("A 1 ack %u sack %u:%u", una, 1 + 1000 * lost, 20001);
            delivered += 1000;
            safe++;
            out += stream_drain();
            CHECKF(out <= delivered / 1000 + safe + 1, "%u for %u and %u",
                   out, delivered, safe);
            (void)sacked;
            if (++acks % 4 == 0)
                w.p.now += 100000;
        }
    }
}
