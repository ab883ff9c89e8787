/* The retransmission timer (RFC 6298, to the microsecond), R1 and R2, the
   user timeout, keepalive, and times that wrap 32 bits. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#include "stream.h"

static uint32_t rto_us(void)
{
    return stream_info().rto_us;
}

/* Established at 0.1 s with a first sample of exactly 100 ms; no floor
   but the RFC's own arithmetic. */
static void start_100ms(void)
{
    START();
    w.cfg.rto_min_us = 1;
    OPEN();
    OUT("S 0 mss 1460");
    AT(0.1);
    IN("SA 0 ack 1 win 65535 mss 1460");
    OUT("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
}

/* ---- the numbers ------------------------------------------------------ */

/* RFC6298-1: 1 s before the first sample. RFC6298-13: doubled. */
TEST(RFC6298_1_13_syn_at_1_3_7_15_31)
{
    START();
    OPEN();
    OUT("S 0 mss 1460");
    DEADLINE(1);
    AT(1);
    OUT("S 0 mss 1460");
    DEADLINE(3);
    AT(3);
    OUT("S 0 mss 1460");
    DEADLINE(7);
    AT(7);
    OUT("S 0 mss 1460");
    DEADLINE(15);
    AT(15);
    OUT("S 0 mss 1460");
    DEADLINE(31);
}

TEST(RFC6298_13_syn_ack_at_1_3)
{
    START();
    LISTEN();
    IN("S 0 win 5000 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    AT(1);
    OUT("SA 0 ack 1 mss 1460");
    AT(3);
    OUT("SA 0 ack 1 mss 1460");
    AT(7); /* "about seven seconds; then it listens again" */
    NONE();
    STATE(TCPSM_LISTEN);
}

/* RFC6298-2: SRTT = R, RTTVAR = R/2, RTO = SRTT + 4 RTTVAR. */
TEST(RFC6298_2_first_sample)
{
    start_100ms();
    CHECK_EQ(rto_us(), 300000);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    DEADLINE(0.4);
    AT(0.4);
    OUT("PA 1 ack 1 len 10");
}

/* RFC6298-3, -4: RTTVAR first, with the old SRTT; 1/4 and 1/8. RFC6298-8:
   a sample per round trip. */
TEST(RFC6298_3_4_8_later_samples)
{
    struct tcpsm_info i;
    start_100ms();
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    AT(0.2);
    IN("A 1 ack 11");
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.srtt_us, 100000);
    CHECK_EQ(i.rttvar_us, 37500); /* 3/4 of 50 ms */
    CHECK_EQ(i.rto_us, 250000);
    SEND(10);
    OUT("PA 11 ack 1 len 10");
    DEADLINE(0.45);
    AT(0.4);
    IN("A 1 ack 21");
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.rttvar_us, 53125); /* 37.5 * 3/4 + 100/4 */
    CHECK_EQ(i.srtt_us, 112500);  /* 100 * 7/8 + 200/8 */
    CHECK_EQ(i.rto_us, 325000);
}

/* RFC6298-5: a floor; RFC6298-9: G when the variance is nothing. */
TEST(RFC6298_5_the_floor)
{
    START();
    w.cfg.rto_min_us = 1000000;
    OPENED("mss 1460");
    CHECK_EQ(rto_us(), 1000000);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    DEADLINE(1);
}

TEST(RFC6298_9_clock_granularity)
{
    int k;
    START();
    w.cfg.rto_min_us = 1;
    w.cfg.clock_us = 50000;
    OPEN();
    OUT("S 0 mss 1460");
    AT(0.1);
    IN("SA 0 ack 1 mss 1460");
    OUT("A 1 ack 1");
    for (k = 0; k < 60; k++) {
        SEND(10);
        OUT("PA * ack 1 len 10");
        WAIT(0.1);
        INF("A 1 ack %d", 11 + 10 * k);
    }
    CHECK_EQ(rto_us(), 150000);
}

/* RFC6298-6: a cap, and RFC6298-13 up to it. */
TEST(RFC6298_6_13_backoff_and_cap)
{
    static const double at[] = {0.4,  1.0,  2.2,  4.6,   9.4,
                                19.0, 38.2, 76.6, 136.6, 196.6};
    uint32_t i;
    start_100ms();
    SET(TCPSM_SET_RTO_MAX, 60000);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    for (i = 0; i < sizeof at / sizeof *at; i++) {
        DEADLINE(at[i]);
        AT(at[i]);
        OUT("PA 1 ack 1 len 10");
    }
}

/* RFC6298-7, Karn: no sample from what was sent twice, and the backed-off
   RTO stays for the next segment, until that gives a sample. */
TEST(RFC6298_7_karn)
{
    start_100ms();
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    AT(0.4);
    OUT("PA 1 ack 1 len 10");
    AT(0.41); /* ambiguous: 310 or 10 ms? */
    IN("A 1 ack 11");
    SEND(10);
    OUT("PA 11 ack 1 len 10");
    DEADLINE(0.41 + 0.6); /* still doubled */
    AT(0.51);
    IN("A 1 ack 21"); /* 100 ms: RTTVAR 37.5 */
    CHECK_EQ(rto_us(), 250000);
}

/* ... "unless timestamps disambiguate": RFC7323-9 */
TEST(RFC6298_7_RFC7323_9_sample_from_tsecr)
{
    struct tcpsm_info i;
    START();
    w.cfg.flags = TCPSM_NO_SACK | TCPSM_NO_SCALE;
    w.cfg.rto_min_us = 1;
    OPEN();
    OUT("S 0 mss 1460 ts * 0");
    AT(0.1);
    IN("SA 0 ack 1 mss 1460 ts 5000 *");
    w.ts = 1;
    OUT("A 1 ack 1 ts * 5000");
    w.ts_clock = 5000;
    SEND(10);
    OUT("PA 1 ack 1 len 10 ts * 5000");
    AT(0.4);
    OUT("PA 1 ack 1 len 10 ts * 5000");
    AT(0.5);
    IN("A 1 ack 11 ts 5500 *"); /* echoes the second transmission */
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.backoff, 0);
    /* one sample of 100 ms, by a clock that ticks every 1.024 ms */
    CHECK(i.srtt_us >= 99800 && i.srtt_us <= 100600);
    CHECK_LT(i.rto_us, 260000u);
}

/* RFC6298-14 and RFC5681-4: a lost SYN: RTO 3 s when data begins, and an
   initial window of one segment. */
TEST(RFC6298_14_RFC5681_4_lost_syn)
{
    START();
    OPEN();
    OUT("S 0 mss 1460");
    AT(1);
    OUT("S 0 mss 1460");
    AT(1.1);
    IN("SA 0 ack 1 win 65535 mss 1000");
    OUT("A 1 ack 1");
    SEND(5000);
    OUT("A 1 ack 1 len 1000");
    NONE(); /* one segment */
    DEADLINE(4.1);
    AT(1.2);
    IN("A 1 ack 1001");
    OUT("A 1001 ack 1 len 1000");
    OUT("A 2001 ack 1 len 1000");
    NONE();
    CHECK_EQ(rto_us(), 300000); /* a sample: 100 + 4*50 ms */
}

TEST(RFC6298_14_lost_syn_ack)
{
    START();
    LISTEN();
    IN("S 0 win 65535 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    AT(1);
    OUT("SA 0 ack 1 mss 1460");
    AT(1.05);
    IN("A 1 ack 1");
    SEND(3000);
    OUT("A 1 ack 1 len 1000");
    NONE();
    DEADLINE(4.05);
}

/* RFC6298-11: started with the first segment (5.1), not by a second; an
   ACK of new data restarts it (5.3); all acknowledged stops it (5.2). */
TEST(RFC6298_11_start_restart_stop)
{
    start_100ms();
    SET(TCPSM_SET_NODELAY, 1);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    AT(0.2);
    SEND(10);
    OUT("PA 11 ack 1 len 10");
    DEADLINE(0.4);
    AT(0.25);
    IN("A 1 ack 11"); /* 150 ms: var 50*3/4+50/4 = 50, srtt 106.25 */
    CHECK_EQ(rto_us(), 306250);
    DEADLINE(0.25 + 0.30625);
    AT(0.3);
    IN("A 1 ack 11"); /* nothing new: no restart */
    DEADLINE(0.25 + 0.30625);
    IN("A 1 ack 21");
    DEADLINE_NEVER();
}

/* RFC6298-12: the earliest segment is sent again. RFC5681-8, -9: and one
   only, whatever was in flight. */
TEST(RFC6298_12_earliest_first)
{
    START();
    OPENED("mss 1000 win 65535");
    SEND(3000);
    OUT("A 1 ack 1 len 1000");
    OUT("A 1001 ack 1 len 1000");
    OUT("PA 2001 ack 1 len 1000");
    AT(0.2);
    OUT("A 1 ack 1 len 1000");
    NONE();
    DEADLINE(0.6);
}

/* RFC6298-10 after a recovery of two losses: the full ACK acknowledges new
   data, so the timer begins anew (5.3); data sent meanwhile may not be
   sent again less than one RTO after it was. */
TEST(RFC6298_10_11_timer_restarts_on_the_full_ack)
{
    static const tcpsm_cc reno = {
        TCPSM_CC_NEWRENO, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    uint32_t i;
    START();
    w.cfg.cc = &reno; /* half of the window is left */
    w.cfg.rto_min_us = 1000000;
    OPENED("mss 1000 win 65535");
    SEND(20000);
    FLIGHT(1, 10, 1000);
    NONE();
    AT(0.1);
    for (i = 0; i < 3; i++)
        IN("A 1 ack 1");
    OUT("A 1 ack 1 len 1000"); /* fast retransmit */
    for (i = 0; i < 5; i++)
        IN("A 1 ack 1"); /* inflates: new data */
    FLIGHT(10001, 3, 1000);
    NONE();
    AT(0.2);
    IN("A 1 ack 3001"); /* first partial: the timer restarts */
    OUT("A 3001 ack 1 len 1000");
    stream_drain();
    AT(0.9);
    IN("A 1 ack 5001"); /* second partial */
    OUT("A 5001 ack 1 len 1000");
    stream_drain();
    AT(1.1);
    IN("A 1 ack 10001"); /* all up to recover; more is outstanding */
    stream_drain();
    CHECK_GT(stream_info().flight, 0u);
    CHECK_GE(tcpsm_deadline(w.c), w.t0 + 2100000u);
}

/* Karn and the backoff; sample gain per round trip: one sample per round
   trip has the gains 1/8 and 1/4, however many segments the flight had
   (RFC6298-4; RFC7323-10 speaks of many samples per round trip). */
TEST(RFC6298_4_one_sample_per_flight_has_full_gain)
{
    struct tcpsm_info i;
    start_100ms();
    SEND(14600);
    FLIGHT(1, 10, 1460);
    AT(0.3); /* one ACK for the whole flight, after 200 ms */
    IN("A 1 ack 14601");
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.rttvar_us, 62500); /* 50*3/4 + 100/4 */
    CHECK_EQ(i.srtt_us, 112500);
}

/* ---- R1, R2, user timeout ---------------------------------------------- */

/* RFC9293-MUST-20, RFC9293-SHLD-9, RFC9293-SHLD-10, RFC9293-MUST-47 */
TEST(RFC9293_MUST_20_SHLD_9_10_r1_at_three)
{
    START();
    OPENED("mss 1000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    AT(0.2);
    OUT("PA 1 ack 1 len 10");
    AT(0.6);
    OUT("PA 1 ack 1 len 10");
    EVENTS(0);
    AT(1.4);
    OUT("PA 1 ack 1 len 10");
    EVENTS(TCPSM_EV_TROUBLE);
    CHECK(tcpsm_events(w.c) & TCPSM_EV_TROUBLE);
    AT(3.0);
    OUT("PA 1 ack 1 len 10");
    EVENTS(0); /* once */
    IN("A 1 ack 11");
    CHECK(!(tcpsm_events(w.c) & TCPSM_EV_TROUBLE));
    STATE(TCPSM_ESTABLISHED);
}

/* RFC9293-SHLD-20 */
TEST(RFC9293_SHLD_20_reports_off)
{
    START();
    OPENED("mss 1000");
    SET(TCPSM_SET_REPORTS, 0);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    AT(0.2);
    OUT("PA 1 ack 1 len 10");
    AT(0.6);
    OUT("PA 1 ack 1 len 10");
    AT(1.4);
    OUT("PA 1 ack 1 len 10");
    EVENTS(0);
}

/* Retransmits until nothing more comes; returns when it ended. */
static double until_closed(void)
{
    int n = 0;
    tcpsm_time d;
    while ((d = tcpsm_deadline(w.c)) != TCPSM_NEVER) {
        if (d > w.p.now)
            w.p.now = d;
        wire__fill();
        while (w.q_n)
            wire__take();
        CHECK(++n < 10000);
    }
    return wire_seconds();
}

/* RFC9293-MUST-20, RFC9293-SHLD-11: R2, 300 s by default */
TEST(RFC9293_MUST_20_SHLD_11_r2_default)
{
    double t;
    START();
    OPENED("mss 1000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    t = until_closed();
    CHECK(t == 300.0);
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
    CHECK(tcpsm_take(w.c) & TCPSM_EV_ERROR);
    READ_IS(TCPSM_E_TIMEOUT);
}

/* RFC9293-MUST-21: per connection, also while it runs, also infinite */
TEST(RFC9293_MUST_21_user_timeout_changed_while_running)
{
    START();
    OPENED("mss 1000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    AT(0.2);
    OUT("PA 1 ack 1 len 10");
    SET(TCPSM_SET_USER_TIMEOUT, 5000);
    CHECK(until_closed() == 5.2);
    ERROR_IS(TCPSM_E_TIMEOUT);
}

TEST(RFC9293_MUST_21_user_timeout_infinite)
{
    START();
    w.cfg.user_timeout_ms = TCPSM_OFF;
    OPENED("mss 1000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    while (w.p.now < 30u * 86400u * PAIR_SECOND) {
        tcpsm_time d = tcpsm_deadline(w.c);
        CHECK(d > w.p.now && d < w.p.now + 121 * PAIR_SECOND);
        w.p.now = d;
        OUT("PA 1 ack 1 len 10");
        w.p.no_laws = 1;
    }
    IN("A 1 ack 11");
    STATE(TCPSM_ESTABLISHED);
    ERROR_IS(0);
}

/* Progress starts the user timeout anew. */
TEST(user_timeout_counts_from_progress)
{
    START();
    w.cfg.user_timeout_ms = 10000;
    w.cfg.rto_min_us = 6000000;
    OPENED("mss 10 win 65535");
    SEND(100);
    FLIGHT(1, 2, 48); /* a smaller MSS is taken as 48 */
    AT(6);
    FLIGHT(1, 1, 48);
    AT(9);
    IN("A 1 ack 49");
    FLIGHT(49, 1, 48);
    CHECK(until_closed() == 19.0);
    ERROR_IS(TCPSM_E_TIMEOUT);
}

/* RFC9293-MUST-23: a SYN for at least three minutes; RFC9293-MUST-22: and
   the report at R1 */
TEST(RFC9293_MUST_22_23_syn)
{
    double t;
    START();
    OPEN();
    OUT("S 0 mss 1460");
    t = until_closed();
    CHECK(t >= 180.0);
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
    CHECK(tcpsm_take(w.c) & TCPSM_EV_TROUBLE);
    START();
    w.cfg.syn_limit_ms = 5000; /* "the application may give up sooner" */
    OPEN();
    OUT("S 0 mss 1460");
    CHECK(until_closed() == 5.0);
}

/* ---- keepalive --------------------------------------------------------- */

/* RFC9293-MUST-25, RFC9293-MUST-28: off, and two hours */
TEST(RFC9293_MUST_25_28_keepalive_defaults)
{
    START();
    OPENED("mss 1000");
    DEADLINE_NEVER();
    SET(TCPSM_SET_KEEPALIVE, 1); /* RFC9293-MUST-24 */
    NONE();
    DEADLINE(7200);
    SET(TCPSM_SET_KEEPALIVE, 0);
    NONE();
    DEADLINE_NEVER();
}

/* RFC9293-SHLD-12: no octet; RFC9293-MUST-29: one unanswered probe is not
   the end; RFC9293-MUST-27: intervals as told */
TEST(RFC9293_MUST_24_27_29_SHLD_12_keepalive)
{
    START();
    w.cfg.keep_idle_ms = 10000;
    w.cfg.keep_interval_ms = 2000;
    w.cfg.keep_count = 3;
    OPENED("mss 1000");
    SET(TCPSM_SET_KEEPALIVE, 1);
    AT(10);
    OUT("A 0 ack 1");
    AT(12);
    OUT("A 0 ack 1");
    AT(12.5);
    IN("A 1 ack 1"); /* alive */
    NONE();
    DEADLINE(22.5);
    AT(22.5);
    OUT("A 0 ack 1");
    AT(24.5);
    OUT("A 0 ack 1");
    AT(26.5);
    OUT("A 0 ack 1");
    AT(28.5);
    OUT("RA 1 ack 1");
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
}

/* RFC9293-MUST-26: only when idle: data and ACKs that come put it off, and
   nothing of ours may be outstanding. */
TEST(RFC9293_MUST_26_keepalive_only_when_idle)
{
    START();
    w.cfg.keep_idle_ms = 10000;
    OPENED("mss 1000");
    SET(TCPSM_SET_KEEPALIVE, 1);
    AT(9);
    IN("PA 1 ack 1 len 5");
    AT(9.04);
    OUT("A 1 ack 6");
    DEADLINE(19);
    AT(15);
    IN("A 6 ack 1");
    NONE();
    DEADLINE(25);
    AT(24.9);
    SEND(10);
    OUT("PA 1 ack 6 len 10");
    DEADLINE(25.1); /* the retransmission timer, and no probe at 25 */
    AT(25.0);
    IN("A 6 ack 11");
    NONE();
    DEADLINE(35);
}

/* ---- time -------------------------------------------------------------- */

/* 32 bits of microseconds are 71.6 minutes. Idle for longer, then data. */
TEST(idle_for_72_minutes_and_for_60_days)
{
    START();
    OPENED("mss 1000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    IN("A 1 ack 11");
    WAIT(4320);
    NONE();
    DEADLINE_NEVER();
    SEND(10);
    OUT("PA 11 ack 1 len 10");
    WAIT(0.2);
    OUT("PA 11 ack 1 len 10");
    IN("A 1 ack 21");
    WAIT(86400.0 * 60);
    NONE();
    SEND(10);
    OUT("PA 21 ack 1 len 10");
    WAIT(0.4); /* Karn: still backed off */
    OUT("PA 21 ack 1 len 10");
}

/* A caller that comes back after hours finds everything due, once. */
TEST(late_caller)
{
    START();
    OPENED("mss 1000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    SET(TCPSM_SET_USER_TIMEOUT, TCPSM_OFF);
    wire__fill();
    w.p.now += 5000 * PAIR_SECOND; /* past the 32-bit wrap */
    OUT("PA 1 ack 1 len 10");
    NONE();
    w.p.now += 3000 * PAIR_SECOND;
    OUT("PA 1 ack 1 len 10");
    NONE();
    IN("A 1 ack 11");
    DEADLINE_NEVER();
}

/* ... also when segments come in all the time while it cannot send (the
   NIC is full): the timer stays due. */
TEST(overdue_timer_survives_input_without_output)
{
    int k;
    START();
    w.cfg.user_timeout_ms = TCPSM_OFF;
    OPENED("mss 1000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    wire__fill();
    for (k = 0; k < 5; k++) {
        w.p.now += 1000 * PAIR_SECOND;
        INF("PA %d ack 1 len 1", 1 + k);
        CHECK_LE(tcpsm_deadline(w.c), w.p.now);
    }
    OUT("A 11 ack 6");
    OUT("PA 1 ack 6 len 10");
}

TEST(in_flight_for_72_minutes)
{
    struct tcpsm_info i;
    START();
    w.cfg.user_timeout_ms = TCPSM_OFF;
    w.cfg.rto_max_ms = 1800000;
    w.cfg.rto_min_us = 60000000;
    OPENED("mss 1000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    WAIT(60);
    OUT("PA 1 ack 1 len 10");
    WAIT(120);
    OUT("PA 1 ack 1 len 10");
    WAIT(240);
    OUT("PA 1 ack 1 len 10");
    WAIT(480);
    OUT("PA 1 ack 1 len 10");
    WAIT(960);
    OUT("PA 1 ack 1 len 10");
    WAIT(1800);
    OUT("PA 1 ack 1 len 10");
    WAIT(1800);
    OUT("PA 1 ack 1 len 10");
    WAIT(1000);
    IN("A 1 ack 11");
    tcpsm_status(w.c, &i);
    CHECK_LE(i.srtt_us, 1u); /* Karn: only the SYN's sample */
    DEADLINE_NEVER();
}

/* A now before the last one counts as the last one. */
TEST(time_never_goes_back)
{
    START();
    OPENED("mss 1000");
    WAIT(10);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    w.p.now -= 5 * PAIR_SECOND;
    IN("A 1 ack 1");
    CHECK_EQ(tcpsm_deadline(w.c), w.t0 + 10200000u);
}
