/* Timers of the state machine: RFC 9293 sections 3.8.3 and 3.8.4, the SYN,
   R1 and R2, the user timeout, keepalive. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

/* RFC6298-1, RFC6298-13: 1 s, then doubled; and RFC9293-MUST-23 */
TEST(RFC9293_MUST_23_syn_is_tried_for_three_minutes)
{
    const double at[] = {1, 3, 7, 15, 31, 63, 127};
    uint32_t i;

    START();
    OPEN();
    OUT("S 0 mss 1460");
    for (i = 0; i < 7; i++) {
        DEADLINE(at[i]);
        AT(at[i]);
        OUT("S 0 mss 1460");
        STATE(TCPSM_SYN_SENT);
    }
    AT(179.999999);
    STATE(TCPSM_SYN_SENT);
    AT(180);
    NONE();
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
    CHECK(tcpsm_take(w.c) & TCPSM_EV_ERROR);
    READ_IS(TCPSM_E_TIMEOUT);
    DEADLINE_NEVER();
}

/* The application may give up sooner, or later. */
TEST(RFC9293_MUST_23_syn_limit_is_the_owners)
{
    START();
    w.cfg.syn_limit_ms = 2500;
    OPEN();
    OUT("S 0 mss 1460");
    AT(1);
    OUT("S 0 mss 1460");
    AT(2.5);
    NONE();
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
    START();
    OPEN();
    SET(TCPSM_SET_SYN_LIMIT, 1500);
    OUT("S 0 mss 1460");
    AT(1);
    OUT("S 0 mss 1460");
    AT(1.5);
    NONE();
    STATE(TCPSM_CLOSED);
    START();
    OPEN();
    SET(TCPSM_SET_SYN_LIMIT, TCPSM_OFF);
    for (;;) {
        wire__fill();
        w.q_n = 0;
        if (tcpsm_deadline(w.c) > w.t0 + 4000 * PAIR_SECOND)
            break;
        if (tcpsm_deadline(w.c) > w.p.now)
            w.p.now = tcpsm_deadline(w.c);
    }
    STATE(TCPSM_SYN_SENT);
}

/* Also in the SYN-RECEIVED of a simultaneous open: law 7 */
TEST(RFC9293_MUST_22_syn_ack_of_an_active_open_ends_too)
{
    tcpsm_time end = 0;

    START();
    OPEN();
    OUT("S 0 mss 1460");
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    while (tcpsm_state(w.c) == TCPSM_SYN_RECEIVED) {
        tcpsm_time d = tcpsm_deadline(w.c);

        CHECK_NE(d, TCPSM_NEVER);
        CHECK(d <= w.t0 + 1000 * PAIR_SECOND);
        if (d > w.p.now)
            w.p.now = end = d;
        wire__fill();
        w.q_n = 0;
    }
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
    CHECK(end - w.t0 >= 180 * PAIR_SECOND); /* RFC9293-MUST-23 */
}

/* RFC9293-MUST-22, RFC9293-SHLD-10: advice at R1, once */
TEST(RFC9293_SHLD_10_trouble_is_reported_after_three_retransmissions)
{
    START();
    OPEN();
    OUT("S 0 mss 1460");
    AT(1);
    OUT("S 0 mss 1460");
    AT(3);
    OUT("S 0 mss 1460");
    EVENTS(0);
    AT(7);
    OUT("S 0 mss 1460");
    EVENTS(TCPSM_EV_TROUBLE);
    CHECK(tcpsm_events(w.c) & TCPSM_EV_TROUBLE);
    AT(15);
    OUT("S 0 mss 1460");
    EVENTS(0);
    IN("SA 0 ack 1 win 5000");
    CHECK(!(tcpsm_events(w.c) & TCPSM_EV_TROUBLE));
}

/* RFC9293-MUST-20, RFC9293-MUST-47, RFC9293-SHLD-9 */
TEST(RFC9293_MUST_47_trouble_with_data)
{
    int i;

    START();
    OPENED("win 5000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    for (i = 0; i < 3; i++) {
        EVENTS(0);
        wire__at(tcpsm_deadline(w.c));
        OUT("PA 1 ack 1 len 10");
    }
    EVENTS(TCPSM_EV_TROUBLE);
    CHECK(tcpsm_events(w.c) & TCPSM_EV_TROUBLE);
    STATE(TCPSM_ESTABLISHED);
    IN("A 1 ack 11");
    EVENTS(TCPSM_EV_SENT);
    CHECK(!(tcpsm_events(w.c) & TCPSM_EV_TROUBLE));
}

/* RFC9293-SHLD-20 */
TEST(RFC9293_SHLD_20_no_reports)
{
    int i;

    START();
    OPENED("win 5000");
    SET(TCPSM_SET_REPORTS, 0);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    for (i = 0; i < 5; i++) {
        wire__at(tcpsm_deadline(w.c));
        OUT("PA 1 ack 1 len 10");
    }
    EVENTS(0);
}

/* RFC9293-MUST-20, RFC9293-SHLD-11: R2 closes; 300 s by default, and no
   reset */
TEST(RFC9293_MUST_20_r2_closes_the_connection)
{
    START();
    OPENED("win 5000");
    AT(10);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    for (;;) {
        tcpsm_time d = tcpsm_deadline(w.c);

        if (d == TCPSM_NEVER)
            break;
        w.p.now = d > w.p.now ? d : w.p.now;
        wire__fill();
        if (w.q_n) {
            wire__take();
            CHECK(!(w.seg.flags & PAIR_RST));
        }
    }
    CHECK_EQ(w.p.now - w.t0, 310 * PAIR_SECOND);
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
    CHECK_EQ(tcpsm_send(w.c, "x", 1, 0), TCPSM_E_TIMEOUT);
}

/* RFC9293-MUST-21: per connection, and "infinite" */
TEST(RFC9293_MUST_21_r2_is_set_per_connection)
{
    int i;

    START();
    OPENED("win 5000");
    SET(TCPSM_SET_USER_TIMEOUT, 100);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    DEADLINE(0.1);
    AT(0.1);
    NONE();
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
    START();
    OPENED("win 5000");
    SET(TCPSM_SET_USER_TIMEOUT, TCPSM_OFF);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    for (i = 0; i < 50; i++) { /* weeks */
        wire__at(tcpsm_deadline(w.c));
        OUT("PA 1 ack 1 len 10");
    }
    STATE(TCPSM_ESTABLISHED);
    CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_USER_TIMEOUT, 0), TCPSM_E_ARG);
}

/* Progress starts R2 anew. */
TEST(user_timeout_counts_from_the_last_progress)
{
    START();
    w.cfg.user_timeout_ms = 5000;
    OPENED("win 5000");
    SEND(100);
    OUT("PA 1 ack 1 len 100");
    AT(0.1);
    IN("A 1 ack 51");
    for (;;) {
        tcpsm_time d = tcpsm_deadline(w.c);

        if (d == TCPSM_NEVER)
            break;
        w.p.now = d > w.p.now ? d : w.p.now;
        wire__fill();
        w.q_n = 0;
    }
    CHECK_EQ(w.p.now - w.t0, 5100000);
}

/* RFC6298-14: after a lost SYN data starts with 3 s. */
TEST(RFC6298_14_three_seconds_after_a_lost_syn)
{
    START();
    OPEN();
    OUT("S 0 mss 1460");
    AT(1);
    OUT("S 0 mss 1460");
    AT(1.1);
    IN("SA 0 ack 1 win 5000 mss 1000");
    OUT("A 1 ack 1");
    SEND(3000);
    OUT("A 1 ack 1 len 1000"); /* RFC5681-4: one segment */
    NONE();
    DEADLINE(4.1);
    AT(4.1);
    OUT("A 1 ack 1 len 1000");
    DEADLINE(10.1); /* doubled */

    START(); /* not without a loss */
    OPEN();
    OUT("S 0 mss 1460");
    AT(0.9);
    IN("SA 0 ack 1 win 5000");
    OUT("A 1 ack 1");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    DEADLINE(0.9 + 0.9 + 4 * 0.45); /* RFC6298-2 */
}

/* ... the passive side likewise */
TEST(RFC6298_14_three_seconds_after_a_lost_syn_ack)
{
    START();
    LISTEN();
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    AT(1);
    OUT("SA 0 ack 1 mss 1460");
    AT(1.1);
    IN("A 1 ack 1 win 5000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    DEADLINE(4.1);
}

/* ---- keepalive, RFC 9293 s3.8.4 ---------------------------------------- */

/* RFC9293-MUST-25: off unless asked for */
TEST(RFC9293_MUST_25_keepalive_is_off)
{
    START();
    OPENED("win 5000");
    DEADLINE_NEVER();
    AT(1000000);
    STATE(TCPSM_ESTABLISHED);
}

/* RFC9293-MUST-24, RFC9293-MUST-28, RFC9293-SHLD-12, RFC9293-MAY-5 */
TEST(RFC9293_MUST_28_keepalive_after_two_hours)
{
    START();
    OPENED("win 5000");
    SET(TCPSM_SET_KEEPALIVE, 1);
    NONE();
    DEADLINE(7200);
    AT(7200);
    OUT("A 0 ack 1"); /* SEG.SEQ = SND.NXT - 1, no octet */
    CHECK_EQ(COUNT(probes), 1);
    IN("A 1 ack 1");
    NONE();
    DEADLINE(14400);
    SET(TCPSM_SET_KEEPALIVE, 0); /* RFC9293-MUST-24 */
    NONE();
    DEADLINE_NEVER();
}

/* RFC9293-MUST-29: nine probes, 75 s apart, then a reset */
TEST(RFC9293_MUST_29_keepalive_gives_up_slowly)
{
    int i;

    START();
    OPENED("win 5000");
    SET(TCPSM_SET_KEEPALIVE, 1);
    for (i = 0; i < 9; i++) {
        AT(7200 + 75 * i);
        OUT("A 0 ack 1");
        STATE(TCPSM_ESTABLISHED);
    }
    AT(7200 + 75 * 9);
    OUT("RA 1 ack 1");
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
    DEADLINE_NEVER();
}

/* RFC9293-MUST-27: all of it configurable */
TEST(RFC9293_MUST_27_keepalive_is_configurable)
{
    START();
    w.cfg.keep_idle_ms = 10000;
    w.cfg.keep_interval_ms = 2000;
    w.cfg.keep_count = 2;
    OPENED("win 5000");
    SET(TCPSM_SET_KEEPALIVE, 1);
    AT(10);
    OUT("A 0 ack 1");
    AT(12);
    OUT("A 0 ack 1");
    AT(14);
    OUT("RA 1 ack 1");
    START();
    OPENED("win 5000");
    SET(TCPSM_SET_KEEPALIVE, 1);
    SET(TCPSM_SET_KEEP_IDLE, 3000);
    SET(TCPSM_SET_KEEP_INTERVAL, 500);
    SET(TCPSM_SET_KEEP_COUNT, 3);
    AT(3);
    OUT("A 0 ack 1");
    AT(3.5);
    OUT("A 0 ack 1");
    AT(4);
    OUT("A 0 ack 1");
    IN("A 1 ack 1"); /* and it starts over */
    AT(7);
    OUT("A 0 ack 1");
    CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_KEEP_COUNT, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_KEEP_IDLE, 0), TCPSM_E_ARG);
}

/* RFC9293-MUST-26: only when idle, and with no data outstanding */
TEST(RFC9293_MUST_26_keepalive_only_when_idle)
{
    START();
    w.cfg.keep_idle_ms = 10000;
    OPENED("win 5000");
    SET(TCPSM_SET_KEEPALIVE, 1);
    AT(6);
    IN("PA 1 ack 1 len 10"); /* data counts as life */
    AT(6.04);
    OUT("A 1 ack 11");
    DEADLINE(16);
    AT(15);
    IN("A 11 ack 1"); /* an ACK as well */
    NONE();
    DEADLINE(25);
    AT(24);
    SEND(10); /* data outstanding: the retransmission timer has it */
    OUT("PA 1 ack 11 len 10");
    DEADLINE(24.2);
    IN("A 11 ack 11");
    NONE();
    DEADLINE(34);
}

TEST(RFC9293_MUST_26_no_keepalive_with_data_outstanding)
{
    START();
    w.cfg.keep_idle_ms = 3000;
    OPENED("win 5000");
    SET(TCPSM_SET_KEEPALIVE, 1);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    while (wire_seconds() < 100) {
        NONE();
        wire__at(tcpsm_deadline(w.c));
        OUT("PA 1 ack 1 len 10");
    }
    CHECK_EQ(COUNT(probes), 0);
}

/* Our own sending is not what keepalive is about; a blind segment is not
   life either (law 9). */
TEST(RFC9293_MUST_26_refused_segments_are_not_life)
{
    START();
    w.cfg.keep_idle_ms = 10000;
    OPENED("win 5000");
    SET(TCPSM_SET_KEEPALIVE, 1);
    AT(9);
    IN_DROP(TCPSM_DROP_WINDOW, "PA 100000 ack 1 len 10");
    OUT("A 1 ack 1");
    DEADLINE(10);
}

/* In CLOSE-WAIT and FIN-WAIT-2 it lives on; in LISTEN there is none. */
TEST(keepalive_by_state)
{
    START();
    w.cfg.keep_idle_ms = 10000;
    OPENED("win 5000");
    SET(TCPSM_SET_KEEPALIVE, 1);
    IN("FA 1 ack 1");
    OUT("A 1 ack 2");
    AT(10);
    OUT("A 0 ack 2");
    START();
    w.cfg.keep_idle_ms = 10000;
    OPENED("win 5000");
    SET(TCPSM_SET_KEEPALIVE, 1);
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("A 1 ack 2");
    AT(10);
    OUT("A 1 ack 1");
    START();
    wire__init();
    SET(TCPSM_SET_KEEPALIVE, 1);
    LISTEN();
    DEADLINE_NEVER();
}

/* The peer's keepalives are answered. */
TEST(a_keepalive_is_answered)
{
    START();
    OPENED("win 5000");
    IN_DROP(TCPSM_DROP_OLD_DATA, "A 0 ack 1");
    OUT("A 1 ack 1");
    IN_DROP(TCPSM_DROP_OLD_DATA, "A 0 ack 1 len 1"); /* RFC9293-MAY-6 */
    OUT("A 1 ack 1");
    READ(0);
}

/* A clock that stands or goes back counts as the last time seen. */
TEST(time_never_goes_back)
{
    tcpsm_time d;

    START();
    OPENED("win 5000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    AT(0.1);
    IN("A 1 ack 6");
    d = tcpsm_deadline(w.c);
    w.p.now -= 90000;
    IN("A 1 ack 6");
    CHECK_EQ(tcpsm_deadline(w.c), d);
    IN("A 1 ack 11");
    DEADLINE_NEVER();
}

/* ... whoever says it: the ICMP input, and output too. */
TEST(time_never_goes_back_for_any_call)
{
    static uint8_t buf[2048];
    uint8_t m[36];
    tcpsm_time d;
    tcpsm_out o;

    START();
    OPENED("win 5000");
    AT(1);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    d = tcpsm_deadline(w.c);
    memset(m, 0, sizeof m);
    m[0] = 3, m[1] = 1, m[8] = 0x45, m[17] = 6;
    memcpy(m + 20, w.tuple.local, 4);
    memcpy(m + 24, w.tuple.remote, 4);
    memcpy(m + 28, w.last.bytes, 8);
    CHECK_EQ(tcpsm_icmp(w.c, m, 36, 4, w.t0), 0);
    CHECK_EQ(tcpsm_deadline(w.c), d);
    /* At its deadline a segment comes: then it is due at once, and for an
       output whose clock is behind as well. */
    AT(1.2);
    IN("A 1 ack 1");
    CHECK_EQ(tcpsm_deadline(w.c), 0);
    memset(&o, 0, sizeof o);
    o.buf = buf;
    o.cap = sizeof buf;
    CHECK_EQ(tcpsm_output(w.c, &o, w.t0 + 1100000), 30);
    d = tcpsm_deadline(w.c);
    CHECK_EQ(d, w.t0 + 1600000); /* counted from 1.2 */
}

/* A listener that listens again while its clock is behind */
TEST(time_never_goes_back_for_listen)
{
    START();
    ACCEPTED("win 5000");
    AT(10);
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("FA 1 ack 2");
    OUT("A 2 ack 2");
    w.p.now -= 5000000;
    LISTEN();
    w.p.now += 5000000;
    IN("S 5000");
    wire__fill();
    w.q_n = 0;
    DEADLINE(11);
}

/* The seven seconds of a listener are not the user timeout's. */
TEST(user_timeout_does_not_end_a_listener)
{
    START();
    w.cfg.user_timeout_ms = 1500;
    w.cfg.syn_limit_ms = 1500;
    LISTEN();
    IN("S 0");
    OUT("SA 0 ack 1 mss 1460");
    AT(1);
    OUT("SA 0 ack 1 mss 1460");
    AT(3);
    OUT("SA 0 ack 1 mss 1460");
    AT(7);
    NONE();
    STATE(TCPSM_LISTEN);
}

/* An hour of silence has no wake-up, in each state that may last. */
TEST(an_idle_hour_has_no_wake_up)
{
    START();
    LISTEN();
    DEADLINE_NEVER();
    START();
    ACCEPTED("win 5000");
    DEADLINE_NEVER();
    IN("FA 1 ack 1");
    OUT("A 1 ack 2");
    DEADLINE_NEVER();
    START();
    OPENED("win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("A 1 ack 2");
    DEADLINE_NEVER();
    AT(3600);
    STATE(TCPSM_FIN_WAIT_2);
}
