/* Tail loss probes (RFC 8985 section 7): when, which segment, and what its
   answer says. See loss.h for the numbers at the start: PTO is 200 ms. */

#include "loss.h"

/* ---- when -------------------------------------------------------------- */

/* RFC8985-11: two SRTT after the last new data, and what is sent last goes
   again (7.3); then the retransmission timer, not another probe. */
TEST(RFC8985_11_12_two_srtt)
{
    loss_begin();
    SEND(4000);
    FLIGHT(1, 4, 1000);
    NONE();
    DEADLINE(0.3);
    AT(0.3);
    OUT("PA 3001 ack 1 len 1000");
    NONE();
    CHECK_EQ(COUNT(loss_probes), 1);
    CHECK_EQ(COUNT(timeouts), 0);
    CHECK_EQ(stream_info().cwnd, 10000);
    CHECK_EQ(stream_info().in_recovery, 0);
    DEADLINE(0.6); /* RTO, from the probe on */
    AT(0.6);
    OUT("A 1 ack 1 len 1000");
    CHECK_EQ(COUNT(timeouts), 1);
    CHECK_EQ(COUNT(loss_probes), 1);
}

/* Anew after each new data, and after each cumulative ACK. */
TEST(RFC8985_11_restarted)
{
    loss_begin();
    SEND(2000);
    FLIGHT(1, 2, 1000);
    DEADLINE(0.3);
    AT(0.12);
    SEND(1000);
    FLIGHT(2001, 1, 1000);
    DEADLINE(0.32);
    AT(0.2);
    IN("A 1 ack 1001");
    CHECK_EQ(stream_info().srtt_us, 100000);
    DEADLINE(0.4);
    AT(0.21);
    IN("A 1 ack 1001"); /* nothing new: not restarted */
    DEADLINE(0.4);
}

/* One segment in flight: the peer may delay its ACK; by the maximum, 200
   ms here, but never later than the RTO. */
TEST(RFC8985_11_one_segment)
{
    loss_config();
    w.cfg.rto_min_us = 1000000;
    OPEN();
    wire__fill();
    wire__take();
    AT(0.1);
    IN("SA 0 ack 1 win 65535 mss 1000 ws 2 sackok");
    wire__fill();
    wire__take();
    SEND(1000);
    FLIGHT(1, 1, 1000);
    DEADLINE(0.1 + 0.2 + 0.2);
    SEND(1000);
    FLIGHT(1001, 1, 1000);
    DEADLINE(0.1 + 0.2);
    /* the RTO is sooner */
    loss_begin();
    SEND(1000);
    FLIGHT(1, 1, 1000);
    DEADLINE(0.4); /* 300 ms; not 400 */
    AT(0.4);
    OUT("PA 1 ack 1 len 1000"); /* and it is a probe, not a timeout */
    CHECK_EQ(COUNT(loss_probes), 1);
    CHECK_EQ(COUNT(timeouts), 0);
}

/* Never later than the RTO that was running: data that is sent all the time
   puts the probe off, but not for ever. */
TEST(RFC8985_11_never_after_the_rto)
{
    uint32_t k;

    loss_begin();
    for (k = 0; k < 9; k++) { /* every 40 ms; the RTO is at 0.4 */
        SEND(500);
        FLIGHT(1 + 500 * k, 1, 500);
        if (k < 7)
            WAIT(0.04);
        else
            break;
    }
    DEADLINE(0.4);
    AT(0.4);
    CHECK_EQ(COUNT(loss_probes), 0);
    wire__fill();
    CHECK_EQ(COUNT(loss_probes), 1);
    CHECK_EQ(COUNT(timeouts), 0);
}

/* RFC8985-12: "an RTT measurement since ... the start of the connection":
   without one there is nothing to send after the 1 s of RFC8985-11, and the
   retransmission timer is left alone. A connection made from the facts of
   a handshake has none. */
TEST(RFC8985_11_12_no_srtt)
{
    tcpsm_facts f;

    loss_config();
    w.cfg.rto_min_us = 5000000;
    wire__init();
    memset(&f, 0, sizeof f);
    w.iss = 0x20000000;
    f.snd_nxt = w.iss + 1;
    f.rcv_nxt = w.irs + 1;
    f.snd_wnd = 60000;
    f.rcv_wnd = 60000;
    f.peer_mss = 1000;
    f.sack = 1;
    CHECK_EQ(tcpsm_open_from(w.c, &w.tuple, &f, w.p.now), 0);
    wire__touched();
    CHECK_EQ(stream_info().srtt_us, 0);
    SEND(3000);
    FLIGHT(1, 3, 1000);
    DEADLINE(5.0);
    AT(5.0);
    OUT("A 1 ack 1 len 1000");
    CHECK_EQ(COUNT(loss_probes), 0);
    CHECK_EQ(COUNT(timeouts), 1);
}

/* Not in recovery, not after a timeout, not with something SACKed: those
   have better means. */
TEST(RFC8985_11_not_in_recovery)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:5001");
    stream_drain();
    CHECK_EQ(stream_info().in_recovery, 1);
    loss_next();
    CHECK_EQ(COUNT(loss_probes), 0);
    CHECK_EQ(COUNT(timeouts), 1);
    stream_drain();
    w.p.now += 100000;
    IN("A 1 ack 1001"); /* RTO recovery */
    stream_drain();
    loss_next();
    CHECK_EQ(COUNT(loss_probes), 0);
    CHECK_EQ(COUNT(timeouts), 2);
}

TEST(RFC8985_11_not_with_sacked_data)
{
    struct tcpsm_info i;

    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 8001 sack 9001:10001"); /* the last one: nothing behind */
    DEADLINE(0.225); /* reordering: 8001 was sent at the same time */
    AT(0.225);
    OUT("A 8001 ack 1 len 1000");
    i = stream_info();
    NONE();
    loss_next();
    CHECK_EQ(COUNT(loss_probes), 0);
    CHECK_EQ(COUNT(timeouts), 1);
    CHECK_EQ(w.p.now, w.t0 + 225000 + i.rto_us);
}

/* RFC 8985 is for SACK: none without. */
TEST(no_probe_without_sack)
{
    loss_config();
    loss_open("");
    SEND(4000);
    FLIGHT(1, 4, 1000);
    DEADLINE(0.4);
    AT(0.4);
    OUT("A 1 ack 1 len 1000");
    CHECK_EQ(COUNT(loss_probes), 0);
    CHECK_EQ(COUNT(timeouts), 1);
}

/* ---- which segment ----------------------------------------------------- */

/* RFC 8985 s7.3: new data if there is some, though cwnd is full: one
   segment more than it allows, and no more. */
TEST(new_data_first)
{
    loss_begin();
    SEND(30000);
    FLIGHT(1, 10, 1000);
    NONE();
    DEADLINE(0.3);
    AT(0.3);
    OUT("A 10001 ack 1 len 1000");
    NONE();
    CHECK_EQ(COUNT(loss_probes), 1);
    CHECK_EQ(COUNT(retransmits), 0);
    CHECK_EQ(stream_info().flight, 11000);
    CHECK_EQ(stream_info().cwnd, 10000);
    AT(0.4);
    IN("A 1 ack 1 sack 10001:11001"); /* it arrived: what it says */
    CHECK_EQ(stream_info().lost, 10000);
    stream_drain();
    CHECK_EQ(COUNT(timeouts), 0);
    loss_heal();
    CHECK_EQ(COUNT(timeouts), 0);
}

/* "and the receive window allows": else the last segment again. */
TEST(no_new_data_beyond_the_window)
{
    loss_config();
    OPEN();
    wire__fill();
    wire__take();
    AT(0.1);
    IN("SA 0 ack 1 win 4000 mss 1000 sackok");
    wire__fill();
    wire__take();
    w.peer_win = 4000;
    SEND(10000);
    FLIGHT(1, 4, 1000);
    AT(0.3);
    OUT("A 3001 ack 1 len 1000");
    NONE();
    CHECK_EQ(COUNT(loss_probes), 1);
    CHECK_EQ(COUNT(retransmits), 1);
}

/* RFC 8985 s7.3: new data if it "fits the peer receive window limit": not
   the crumb that does (silly window: RFC 9293 s3.8.6.2.1). */
TEST(no_silly_probe)
{
    loss_config();
    OPEN();
    wire__fill();
    wire__take();
    AT(0.1);
    IN("SA 0 ack 1 win 4010 mss 1000 sackok");
    wire__fill();
    wire__take();
    w.peer_win = 4010;
    SEND(10000);
    FLIGHT(1, 4, 1000);
    NONE();
    AT(0.3);
    wire__fill();
    wire__take();
    CHECK_EQ(COUNT(loss_probes), 1);
    CHECK_EQ(w.seg.len, 1000);
}

/* The end of what was sent, in one segment: a short last one goes with what
   was before it (the table of runs does not know where segments began). */
TEST(a_short_last_segment)
{
    loss_begin();
    SEND(2500);
    FLIGHT(1, 2, 1000);
    FLIGHT(2001, 1, 500);
    AT(0.3);
    wire__fill();
    wire__take();
    CHECK_EQ(w.seg.seq - w.iss + w.seg.len, 2501);
    CHECK_GE(w.seg.len, 500u);
    CHECK_LE(w.seg.len, 1000u);
    NONE();
    loss_sum();
    AT(0.4);
    INF("A 1 ack 1 sack %u:2501", w.seg.seq - w.iss);
    CHECK_EQ(stream_info().lost, w.seg.seq - w.iss - 1);
    loss_heal();
}

/* A FIN is sent again with it, or alone. */
TEST(the_fin_in_a_probe)
{
    loss_begin();
    SEND(2500);
    SHUTDOWN();
    FLIGHT(1, 2, 1000);
    OUT("FPA 2001 ack 1 len 500");
    AT(0.3);
    wire__fill();
    wire__take();
    CHECK(w.seg.flags & PAIR_FIN);
    CHECK_EQ(w.seg.seq - w.iss + w.seg.len, 2501);
    CHECK_LE(w.seg.len, 1000u);
    AT(0.4);
    INF("A 1 ack 1 sack %u:2502", w.seg.seq - w.iss);
    stream_drain();
    IN("A 1 ack 2502");
    STATE(TCPSM_FIN_WAIT_2);

    loss_begin();
    SEND(2000);
    FLIGHT(1, 2, 1000);
    AT(0.11);
    SHUTDOWN();
    OUT("FA 2001 ack 1");
    AT(0.31);
    wire__fill();
    wire__take();
    CHECK(w.seg.flags & PAIR_FIN);
    CHECK_EQ(COUNT(loss_probes), 1);
    AT(0.41);
    IN("A 1 ack 2002");
    STATE(TCPSM_FIN_WAIT_2);

    /* with a full segment: the same segment again, whole */
    loss_begin();
    SEND(2000);
    SHUTDOWN();
    FLIGHT(1, 1, 1000);
    OUT("FPA 1001 ack 1 len 1000");
    AT(0.3);
    OUT("FPA 1001 ack 1 len 1000");
    CHECK_EQ(COUNT(loss_probes), 1);
}

/* ---- a probe at a time (RFC8985-12) ------------------------------------ */

/* RFC 8985 s3.4, figure 1: P1 to P3 of four are lost; the probe is P3, its
   SACK says the rest; P1's retransmission is lost, P2's says so. No
   timeout. */
TEST(RFC8985_s3_4_figure_1)
{
    loss_begin();
    SEND(4000);
    FLIGHT(1, 4, 1000);
    AT(0.2);
    IN("A 1 ack 1001"); /* 2 */
    DEADLINE(0.4);
    AT(0.4);
    OUT("PA 3001 ack 1 len 1000"); /* 3b */
    AT(0.5);
    IN("A 1 ack 1001 sack 3001:4001");  /* 5a */
    CHECK_EQ(stream_info().lost, 2000); /* 5b */
    OUT("A 1001 ack 1 len 1000");       /* 5c */
    OUT("A 2001 ack 1 len 1000");
    NONE();
    AT(0.6);
    IN("A 1 ack 1001 sack 2001:4001"); /* P2; 7a */
    OUT("A 1001 ack 1 len 1000");      /* 7b */
    NONE();
    AT(0.7);
    IN("A 1 ack 4001"); /* 8 */
    CHECK_EQ(COUNT(timeouts), 0);
    CHECK_EQ(COUNT(loss_probes), 1);
    DEADLINE_NEVER();
}

/* No second one while the first is outstanding: new data in between does
   not bring it, either. */
TEST(RFC8985_12_one_outstanding)
{
    loss_begin();
    SEND(4000);
    FLIGHT(1, 4, 1000);
    AT(0.3);
    OUT("PA 3001 ack 1 len 1000");
    AT(0.35);
    SEND(1000);
    FLIGHT(4001, 1, 1000);
    while (COUNT(timeouts) == 0) {
        CHECK_LE(tcpsm_deadline(w.c), w.t0 + 900000);
        loss_next();
        CHECK_EQ(COUNT(loss_probes), 1);
        stream_drain();
    }
    CHECK_GE(w.p.now, w.t0 + 600000);
}

/* ... and none without an RTT sample since: the retransmitted probe gave
   none (Karn), the next flight has to. The D-SACK ends the probe's own
   affair, so that nothing else stands in the way. */
TEST(RFC8985_12_no_rtt_sample_since)
{
    loss_begin();
    SEND(1000);
    FLIGHT(1, 1, 1000);
    AT(0.4);
    OUT("PA 1 ack 1 len 1000"); /* the probe, at the RTO */
    CHECK_EQ(COUNT(loss_probes), 1);
    AT(0.5);
    IN("A 1 ack 1001 sack 1:1001"); /* acknowledged; no sample */
    SEND(4000);
    FLIGHT(1001, 4, 1000);
    while (COUNT(timeouts) == 0) {
        loss_next();
        CHECK_EQ(COUNT(loss_probes), 1);
        stream_drain();
    }
    /* the timeout, as if there were no probes: one RTO after the data */
    CHECK_EQ(w.p.now, w.t0 + 800000);
}

/* With a sample there is one again. */
TEST(RFC8985_12_again_after_a_sample)
{
    uint32_t k, a;

    loss_begin();
    for (k = 0; k < 5; k++) {
        a = 1 + 3000 * k;
        SEND(2000);
        FLIGHT(a, 2, 1000);
        loss_next();
        OUTF("PA %u ack 1 len 1000", a + 1000);
        CHECK_EQ(COUNT(loss_probes), k + 1);
        w.p.now += 100000;
        INF("A 1 ack %u sack %u:%u", a + 2000, a + 1000, a + 2000);
        SEND(1000); /* a plain round trip: a sample */
        FLIGHT(a + 2000, 1, 1000);
        w.p.now += 100000;
        INF("A 1 ack %u", a + 3000);
    }
    CHECK_EQ(COUNT(timeouts), 0);
}

/* ---- what the answer says (RFC8985-14): section 7.4.2 ------------------ */

/* Ten in flight, the last one probed; 1 if it was paid for. */
static int probed(const char *answer1, const char *answer2)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 9001");
    AT(0.25);
    if (stream_drain() != 0)
        CHECK(0);
    loss_next();
    OUT("PA 9001 ack 1 len 1000");
    CHECK_EQ(COUNT(loss_probes), 1);
    SEND(3000);
    stream_drain();
    w.p.now += 100000;
    INF("%s", answer1);
    if (answer2)
        INF("%s", answer2);
    return stream_info().ssthresh < 0x1000000u;
}

/* Case 1: a D-SACK for it: both arrived, nothing was lost. */
TEST(RFC8985_14_case_1_dsack)
{
    CHECK_EQ(probed("A 1 ack 10001 sack 9001:10001", "A 1 ack 11001"), 0);
    CHECK_EQ(COUNT(dsacks), 1);
    CHECK_EQ(probed("A 1 ack 10001", "A 1 ack 10001 sack 9001:10001"), 0);
    INF("A 1 ack 11001");
    CHECK_GT(stream_info().ssthresh, 0x1000000u);
}

/* Case 2: a duplicate ACK without any SACK: the same. */
TEST(RFC8985_14_case_2_duplicate_ack)
{
    CHECK_EQ(probed("A 1 ack 10001", "A 1 ack 10001"), 0);
    INF("A 1 ack 11001");
    CHECK_GT(stream_info().ssthresh, 0x1000000u);
    CHECK_EQ(stream_info().in_recovery, 0);
}

/* Case 3: something beyond the probe is acknowledged and nothing of the
   kind came: the probe repaired a loss, and the window pays for it as for
   a fast recovery. */
TEST(RFC8985_14_case_3_repaired)
{
    CHECK_EQ(probed("A 1 ack 10001", NULL), 0); /* not known yet */
    INF("A 1 ack 11001");
    CHECK_LT(stream_info().ssthresh, 0x1000000u);
    loss_heal();
    CHECK_EQ(stream_info().cwnd >= 2000, 1);
    CHECK_EQ(COUNT(timeouts), 0);
    CHECK_EQ(probed("A 1 ack 11001", NULL), 1); /* at once */
}

/* RFC 5681's duplicate ACK has no data and the same window: the peer's own
   data, or a window update, is not Case 2. */
TEST(RFC8985_14_data_is_no_duplicate_ack)
{
    CHECK_EQ(probed("A 1 ack 10001", "PA 1 ack 10001 len 10"), 0);
    INF("A 11 ack 11001");
    CHECK_LT(stream_info().ssthresh, 0x1000000u);
    CHECK_EQ(probed("A 1 ack 10001", "A 1 ack 10001 win 64000"), 0);
    INF("A 1 ack 11001");
    CHECK_LT(stream_info().ssthresh, 0x1000000u);
}

/* Case 4: the probe was new data: nothing was repaired, nothing is paid. */
TEST(RFC8985_14_case_4_new_data)
{
    uint32_t cwnd;

    loss_begin();
    SEND(12000);
    FLIGHT(1, 10, 1000);
    AT(0.3);
    OUT("A 10001 ack 1 len 1000");
    CHECK_EQ(COUNT(loss_probes), 1);
    cwnd = stream_info().cwnd;
    AT(0.31); /* only late */
    IN("A 1 ack 10001");
    stream_drain();
    AT(0.4);
    IN("A 1 ack 11001");
    AT(0.41);
    IN("A 1 ack 12001");
    CHECK_GE(stream_info().cwnd, cwnd);
    CHECK_GT(stream_info().ssthresh, 0x1000000u);
}

/* A loss that RACK finds by the probe's SACK is paid for once. */
TEST(RFC8985_14_paid_once)
{
    uint32_t ss;

    loss_begin();
    SEND(20000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1001"); /* and all the rest is lost */
    stream_drain();
    loss_next();
    stream_drain();
    CHECK_EQ(COUNT(loss_probes), 1);
    w.p.now += 100000;
    INF("A 1 ack 1001 sack %u:%u", stream_info().snd_nxt - w.iss - 1000,
        stream_info().snd_nxt - w.iss);
    ss = stream_info().ssthresh;
    CHECK_LT(ss, 0x1000000u);
    CHECK_EQ(stream_info().in_recovery, 1);
    loss_heal();
    CHECK_EQ(stream_info().ssthresh, ss);
    CHECK_EQ(COUNT(fast_retransmits), 1);
}

/* RFC 8985 s7.1: forgotten when a recovery begins, fast or by timeout. */
TEST(forgotten_when_recovery_begins)
{
    uint32_t ss;

    loss_begin();
    SEND(4000);
    FLIGHT(1, 4, 1000);
    AT(0.3);
    OUT("PA 3001 ack 1 len 1000");
    loss_timeout();
    ss = stream_info().ssthresh;
    w.p.now += 100000;
    IN("A 1 ack 4001");
    SEND(2000);
    stream_drain();
    w.p.now += 100000;
    IN("A 1 ack 6001"); /* beyond the probe's end */
    CHECK_EQ(stream_info().ssthresh, ss);
}

/* ---- what it is for ---------------------------------------------------- */

/* The last n of ten are lost: a probe after two SRTT, all repaired after
   four, no timeout. */
TEST(tail_of_n)
{
    uint32_t n, una, k;
    tcpsm_time probe;

    for (n = 1; n <= 9; n++) {
        CONTEXT("tail of %u", n);
        loss_begin();
        SEND(10000);
        FLIGHT(1, 10, 1000);
        AT(0.2);
        una = 1 + 1000 * (10 - n);
        INF("A 1 ack %u", una);
        probe = w.p.now;
        loss_next();
        CHECK_LE(w.p.now, probe + 200000 + (n == 1 ? 200000 : 0));
        OUT("PA 9001 ack 1 len 1000");
        w.p.now += 100000;
        if (n == 1)
            IN("A 1 ack 10001");
        else
            INF("A 1 ack %u sack 9001:10001", una);
        for (k = 0; stream_info().snd_queued != 0 && k < 4; k++) {
            CHECK_GE(stream_drain(), 1u);
            w.p.now += 100000;
            una = stream_info().lost
                      ? stream_info().snd_una - w.iss +
                            (stream_info().flight / 1000) * 1000
                      : 10001;
            INF("A 1 ack %u", una);
        }
        CHECK_EQ(stream_info().snd_queued, 0);
        CHECK_EQ(COUNT(timeouts), 0);
        CHECK_EQ(COUNT(loss_probes), 1);
    }
}

/* The whole flight: new data probes it, or the last one again. */
TEST(whole_flight_lost)
{
    loss_begin();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.3);
    OUT("PA 9001 ack 1 len 1000");
    AT(0.4);
    IN("A 1 ack 1 sack 9001:10001");
    CHECK_EQ(stream_info().lost, 9000);
    CHECK_EQ(stream_info().in_recovery, 1);
    OUT("A 1 ack 1 len 1000");
    stream_drain();
    loss_heal();
    CHECK_EQ(COUNT(timeouts), 0);
}
