/* Closing: RFC 9293 sections 3.6, 3.10.4, 3.10.5 and the FIN. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#define CLOSE_IS(r) WIRE__CALL("tcpsm_close", tcpsm_close(w.c), (r))

/* RFC 9293 figure 12 as TCP peer A; RFC9293-MUST-13 */
TEST(RFC9293_MUST_13_active_close_waits_two_msl)
{
    START();
    OPENED("win 5000");
    SHUTDOWN();
    STATE(TCPSM_FIN_WAIT_1);
    OUT("FA 1 ack 1");
    IN("A 1 ack 2");
    STATE(TCPSM_FIN_WAIT_2);
    AT(1);
    IN("FA 1 ack 2");
    STATE(TCPSM_TIME_WAIT);
    OUT("A 2 ack 2");
    READ_IS(TCPSM_E_EOF);
    DEADLINE(61);
    AT(60.999999);
    STATE(TCPSM_TIME_WAIT);
    AT(61);
    NONE();
    STATE(TCPSM_CLOSED);
    CHECK(tcpsm_take(w.c) & TCPSM_EV_DONE);
    ERROR_IS(0);
    DEADLINE_NEVER();
}

/* ... and as TCP peer B */
TEST(RFC9293_figure_12_passive_close)
{
    START();
    OPENED("win 5000");
    IN("FA 1 ack 1");
    STATE(TCPSM_CLOSE_WAIT);
    EVENTS(TCPSM_EV_EOF);
    OUT("A 1 ack 2");
    READ_IS(TCPSM_E_EOF);
    CLOSE();
    STATE(TCPSM_LAST_ACK);
    OUT("FA 1 ack 2");
    IN("A 2 ack 2");
    STATE(TCPSM_CLOSED);
    CHECK(tcpsm_take(w.c) & TCPSM_EV_DONE);
    ERROR_IS(0);
    DEADLINE_NEVER();
}

/* RFC 9293 figure 13 */
TEST(RFC9293_figure_13_simultaneous_close)
{
    START();
    OPENED("win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("FA 1 ack 1");
    STATE(TCPSM_CLOSING);
    OUT("A 2 ack 2");
    IN("A 2 ack 2");
    STATE(TCPSM_TIME_WAIT);
    NONE();
    DEADLINE(60);
}

/* The literal table refuses this FIN's neighbour, the bare ACK, nothing. */
TEST(simultaneous_close_of_two_of_us)
{
    static pair p;
    pair_options o;

    memset(&o, 0, sizeof o);
    pair_init(&p, &o);
    p.net.link[0].delay_us = p.net.link[1].delay_us = 10000;
    CHECK(pair_connect(&p));
    CHECK_EQ(pair_shutdown(&p, 0), 0);
    CHECK_EQ(pair_shutdown(&p, 1), 0);
    CHECK(pair_reach(&p, 0, TCPSM_TIME_WAIT, PAIR_SECOND));
    CHECK(pair_reach(&p, 1, TCPSM_TIME_WAIT, PAIR_SECOND));
    pair_run(&p, 59 * PAIR_SECOND);
    /* SYN, ACK, FIN, ACK: no ACK war in TIME-WAIT */
    CHECK(p.net.link[0].index <= 5);
    CHECK(p.net.link[1].index <= 5);
    CHECK(pair_reach(&p, 0, TCPSM_CLOSED, 2 * PAIR_SECOND));
    CHECK(pair_reach(&p, 1, TCPSM_CLOSED, 2 * PAIR_SECOND));
}

/* FIN+ACK of our FIN at once */
TEST(fin_wait_1_to_time_wait_on_fin_ack)
{
    START();
    OPENED("win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("FA 1 ack 2");
    STATE(TCPSM_TIME_WAIT);
    OUT("A 2 ack 2");
    NONE();
    DEADLINE(60);
}

/* The FIN takes the ACK of our FIN with text of its own. */
TEST(fin_with_data_both_ways)
{
    START();
    OPENED("win 5000");
    SEND(30);
    SHUTDOWN();
    OUT("FPA 1 ack 1 len 30");
    IN("FPA 1 ack 32 len 20");
    STATE(TCPSM_TIME_WAIT);
    OUT("A 32 ack 22");
    READ(20);
    READ_IS(TCPSM_E_EOF);
}

/* MUST-12 needs the FIN in order: out of order it waits. */
TEST(fin_out_of_order_waits_for_the_text)
{
    START();
    OPENED("win 5000");
    IN("FPA 11 ack 1 len 10");
    STATE(TCPSM_ESTABLISHED);
    OUT("A 1 ack 1");
    READ(0);
    IN("PA 1 ack 1 len 10");
    STATE(TCPSM_CLOSE_WAIT);
    OUT("A 1 ack 22");
    READ(20);
    READ_IS(TCPSM_E_EOF);
}

/* Half-close our way: their data flows on. */
TEST(half_close_ours_data_flows_in)
{
    START();
    OPENED("win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("PA 1 ack 1 len 100"); /* before our FIN is acknowledged */
    READ(100);
    AT(0.04);
    OUT("A 2 ack 101");
    IN("A 101 ack 2");
    STATE(TCPSM_FIN_WAIT_2);
    IN("PA 101 ack 2 len 100");
    READ(100);
    CHECK_EQ(tcpsm_send(w.c, "x", 1, 0), TCPSM_E_CLOSED);
    AT(0.08);
    OUT("A 2 ack 201");
    /* A half-closed connection may stay so for days. */
    DEADLINE_NEVER();
    AT(100000);
    STATE(TCPSM_FIN_WAIT_2);
    IN("FPA 201 ack 2 len 100");
    STATE(TCPSM_TIME_WAIT);
    OUT("A 2 ack 302");
    READ(100);
    READ_IS(TCPSM_E_EOF);
}

/* Their way: ours flows on. */
TEST(half_close_theirs_data_flows_out)
{
    START();
    w.cfg.flags |= TCPSM_NODELAY;
    OPENED("win 5000 mss 1000");
    IN("FA 1 ack 1");
    OUT("A 1 ack 2");
    AT(1000);
    SEND(1500);
    OUT("A 1 ack 2 len 1000");
    OUT("PA 1001 ack 2 len 500");
    IN("A 2 ack 1501");
    STATE(TCPSM_CLOSE_WAIT);
    SEND(10);
    SHUTDOWN();
    STATE(TCPSM_LAST_ACK);
    OUT("FPA 1501 ack 2 len 10");
    IN("A 2 ack 1512");
    STATE(TCPSM_CLOSED);
}

/* RFC 9293 s3.10.4: queued data goes before the FIN. */
TEST(close_sends_what_is_queued_then_the_fin)
{
    START();
    OPENED("win 1500 mss 1000");
    SEND(3000);
    CLOSE();
    STATE(TCPSM_FIN_WAIT_1);
    OUT("A 1 ack 1 len 1000");
    NONE();
    IN("A 1 ack 1001 win 4000");
    OUT("A 1001 ack 1 len 1000");
    OUT("FPA 2001 ack 1 len 1000");
    IN("A 1 ack 3002");
    STATE(TCPSM_FIN_WAIT_2);
}

/* A lost FIN is sent again like data, in each state that waits for it. */
TEST(lost_fin_is_retransmitted)
{
    START();
    OPENED("win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    AT(0.2);
    OUT("FA 1 ack 1");
    IN("FA 1 ack 1");
    STATE(TCPSM_CLOSING);
    OUT("A 2 ack 2");
    AT(0.6);
    OUT("FA 1 ack 2");
    IN("A 2 ack 2");
    STATE(TCPSM_TIME_WAIT);

    START();
    OPENED("win 5000");
    IN("FA 1 ack 1");
    OUT("A 1 ack 2");
    SHUTDOWN();
    OUT("FA 1 ack 2");
    AT(0.2);
    OUT("FA 1 ack 2");
    IN("A 2 ack 2");
    STATE(TCPSM_CLOSED);
}

/* CLOSE in SYN-SENT and SYN-RECEIVED (requirements.md, gap 5): the SYN
   goes on, the FIN follows. */
TEST(shutdown_before_the_handshake_is_done)
{
    START();
    OPEN();
    SEND(10);
    SHUTDOWN();
    STATE(TCPSM_SYN_SENT);
    OUT("S 0 mss 1460");
    AT(1);
    OUT("S 0 mss 1460");
    IN("SA 0 ack 1 win 5000");
    OUT("FPA 1 ack 1 len 10");
    STATE(TCPSM_FIN_WAIT_1);

    START();
    LISTEN();
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    SHUTDOWN();
    AT(1);
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1 win 5000");
    STATE(TCPSM_FIN_WAIT_1);
    OUT("FA 1 ack 1");
    IN("A 1 ack 2");
    STATE(TCPSM_FIN_WAIT_2);
}

/* RFC 9293 s3.10.4: CLOSE in LISTEN, and in SYN-SENT with nothing queued */
TEST(close_in_listen_and_syn_sent)
{
    START();
    LISTEN();
    CLOSE();
    STATE(TCPSM_CLOSED);
    EVENTS(TCPSM_EV_DONE);
    NONE();
    START();
    OPEN();
    OUT("S 0 mss 1460");
    CLOSE();
    STATE(TCPSM_CLOSED);
    EVENTS(TCPSM_EV_DONE);
    ERROR_IS(0);
    NONE();
    DEADLINE_NEVER();
}

/* The owner closed in SYN-RECEIVED: what ends that ends the connection.
   Listening again would accept for nobody. RFC 9293 s3.10.4: CLOSE there
   is FIN-WAIT-1, where a RST means CLOSED (s3.10.7.4, second). */
TEST(close_in_syn_received_then_reset)
{
    START();
    LISTEN();
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    CLOSE();
    IN_ANY("R 1");
    STATE(TCPSM_CLOSED);
    CHECK(tcpsm_events(w.c) & TCPSM_EV_DONE);
}

TEST(close_in_syn_received_then_silence)
{
    tcpsm_time d;

    START();
    LISTEN();
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    CLOSE();
    while ((d = tcpsm_deadline(w.c)) <= w.t0 + 400 * PAIR_SECOND) {
        if (d > w.p.now)
            w.p.now = d;
        wire__fill();
        while (w.q_n)
            wire__take();
    }
    STATE(TCPSM_CLOSED);
    CHECK(tcpsm_events(w.c) & TCPSM_EV_DONE);
}

TEST(close_in_syn_received_then_a_syn_in_the_window)
{
    START();
    LISTEN();
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    CLOSE();
    IN_ANY("S 100");
    CHECK_NE(tcpsm_state(w.c), TCPSM_LISTEN);
}

/* FIN-WAIT-2 has a limit once the owner has closed for good. */
TEST(fin_wait_2_limit_after_close)
{
    START();
    w.cfg.msl_ms = 5000;
    OPENED("win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("A 1 ack 2");
    STATE(TCPSM_FIN_WAIT_2);
    DEADLINE_NEVER(); /* only shut down: no limit */
    AT(500);
    CLOSE();
    NONE();
    DEADLINE(510);
    AT(510);
    NONE();
    STATE(TCPSM_CLOSED);
    CHECK(tcpsm_take(w.c) & TCPSM_EV_DONE);
}

/* RFC9293-SHLD-3; RFC 2525 s2.17 */
TEST(RFC9293_SHLD_3_unread_data_at_close)
{
    START();
    OPENED("win 5000");
    IN("PA 1 ack 1 len 10");
    CLOSE_IS(1);
    OUT("RA 1 ack 11");
    STATE(TCPSM_CLOSED);
    CHECK(tcpsm_take(w.c) & TCPSM_EV_DONE);
    READ_IS(TCPSM_E_CLOSED);
    NONE();
    DEADLINE_NEVER();
}

TEST(RFC9293_SHLD_3_unread_data_at_close_in_close_wait)
{
    START();
    OPENED("win 5000");
    IN("FPA 1 ack 1 len 10");
    OUT("A 1 ack 12");
    CLOSE_IS(1);
    OUT("RA 1 ack 12");
    STATE(TCPSM_CLOSED);
}

/* tcpsm_close returned 1, "the peer learns of the loss": so a reset must
   be on the wire in every synchronized state with something at stake. */
TEST(RFC9293_SHLD_3_unread_data_at_close_in_last_ack)
{
    START();
    OPENED("win 5000");
    IN("FPA 1 ack 1 len 10");
    OUT("A 1 ack 12");
    SEND(100);
    SHUTDOWN();
    OUT("FPA 1 ack 12 len 100");
    STATE(TCPSM_LAST_ACK);
    CLOSE_IS(1);
    OUT("RA 102 ack 12");
}

TEST(RFC9293_SHLD_3_unread_data_at_close_in_closing)
{
    START();
    OPENED("win 5000");
    SEND(100);
    SHUTDOWN();
    OUT("FPA 1 ack 1 len 100");
    IN("FPA 1 ack 1 len 10");
    STATE(TCPSM_CLOSING);
    OUT("A 102 ack 12");
    CLOSE_IS(1);
    OUT("RA 102 ack 12");
}

/* In TIME-WAIT both FINs are acknowledged: too late for a reset. */
TEST(unread_data_at_close_in_time_wait)
{
    START();
    OPENED("win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("FPA 1 ack 2 len 10");
    OUT("A 2 ack 12");
    CLOSE_IS(0);
    STATE(TCPSM_TIME_WAIT);
    NONE();
    DEADLINE(60);
    READ_IS(TCPSM_E_CLOSED);
}

/* Data after close: RFC 1122 4.2.2.13 */
TEST(RFC9293_SHLD_3_data_after_close)
{
    START();
    OPENED("win 5000");
    CLOSE();
    OUT("FA 1 ack 1");
    IN("A 1 ack 2");
    STATE(TCPSM_FIN_WAIT_2);
    IN_DROP(TCPSM_DROP_CLOSED, "PA 1 ack 2 len 10");
    OUT("RA 2 ack *");
    STATE(TCPSM_CLOSED);
    CHECK(tcpsm_take(w.c) & TCPSM_EV_DONE);
    DEADLINE_NEVER();

    START(); /* also before our FIN is acknowledged */
    OPENED("win 5000");
    CLOSE();
    OUT("FA 1 ack 1");
    IN_DROP(TCPSM_DROP_CLOSED, "PA 1 ack 1 len 10");
    OUT("RA 2 ack *");
    STATE(TCPSM_CLOSED);
}

/* Only data resets: a FIN, an ACK, an old duplicate do not. */
TEST(no_reset_without_new_data_after_close)
{
    START();
    OPENED("win 5000");
    IN("PA 1 ack 1 len 10");
    READ(10);
    CLOSE();
    OUT("FA 1 ack 11");
    IN_DROP(TCPSM_DROP_OLD_DATA, "PA 1 ack 1 len 10");
    OUT("A 2 ack 11");
    IN("A 11 ack 2");
    STATE(TCPSM_FIN_WAIT_2);
    IN("FA 11 ack 2");
    STATE(TCPSM_TIME_WAIT);
    OUT("A 2 ack 12");
}

/* RFC9293-MUST-12: a normal close and an abort are told apart. */
TEST(RFC9293_MUST_12_normal_close_and_abort_told_apart)
{
    START();
    OPENED("win 5000");
    IN("FPA 1 ack 1 len 5");
    READ(5);
    READ_IS(TCPSM_E_EOF);
    ERROR_IS(0);
    CHECK(tcpsm_events(w.c) & TCPSM_EV_EOF);
    CHECK(!(tcpsm_events(w.c) & TCPSM_EV_ERROR));

    START();
    OPENED("win 5000");
    IN("PA 1 ack 1 len 5");
    IN("R 6");
    STATE(TCPSM_CLOSED);
    EVENTS(TCPSM_EV_READABLE | TCPSM_EV_ERROR | TCPSM_EV_DONE);
    ERROR_IS(TCPSM_E_RESET);
    READ(5); /* what had come is still there */
    READ_IS(TCPSM_E_RESET);
    CHECK_EQ(tcpsm_send(w.c, "x", 1, 0), TCPSM_E_RESET);
    CHECK_EQ(tcpsm_shutdown(w.c), TCPSM_E_RESET);
    CHECK_EQ(COUNT(failed), 1);
}

/* RST by state, RFC 9293 s3.10.7.4 second */
TEST(RFC9293_u5_reset_ends_every_state)
{
    struct {
        int state, error;
    } const want[] = {{TCPSM_ESTABLISHED, TCPSM_E_RESET},
                      {TCPSM_FIN_WAIT_1, TCPSM_E_RESET},
                      {TCPSM_FIN_WAIT_2, TCPSM_E_RESET},
                      {TCPSM_CLOSE_WAIT, TCPSM_E_RESET},
                      {TCPSM_CLOSING, 0},
                      {TCPSM_LAST_ACK, 0}};
    uint32_t i;

    for (i = 0; i < 6; i++) {
        int s = want[i].state, fin_in;

        START();
        OPENED("win 5000");
        fin_in = s == TCPSM_CLOSE_WAIT || s == TCPSM_LAST_ACK;
        if (fin_in) {
            IN("FA 1 ack 1");
            OUT("A 1 ack 2");
        }
        if (s != TCPSM_ESTABLISHED && s != TCPSM_CLOSE_WAIT) {
            SHUTDOWN();
            OUT("FA 1 ack %d", fin_in ? 2 : 1);
        }
        if (s == TCPSM_FIN_WAIT_2)
            IN("A 1 ack 2");
        if (s == TCPSM_CLOSING) {
            IN("FA 1 ack 1");
            OUT("A 2 ack 2");
            fin_in = 1;
        }
        STATE(s);
        IN("R %d len 3", fin_in ? 2 : 1); /* RFC9293-SHLD-2: with data */
        STATE(TCPSM_CLOSED);
        ERROR_IS(want[i].error);
        CHECK(tcpsm_take(w.c) & TCPSM_EV_DONE);
        NONE();
        DEADLINE_NEVER();
    }
}

/* In LAST-ACK a reset with data unacknowledged lost that data. */
TEST(RFC9293_MUST_12_reset_in_last_ack_with_data_lost)
{
    START();
    OPENED("win 5000");
    IN("FA 1 ack 1");
    OUT("A 1 ack 2");
    SEND(10);
    SHUTDOWN();
    OUT("FPA 1 ack 2 len 10");
    IN("R 2");
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_RESET);
}

/* RFC 9293 s3.10.5, state by state */
TEST(RFC9293_s3_10_5_abort_in_every_state)
{
    START(); /* CLOSED */
    wire__init();
    CHECK_EQ(tcpsm_abort(w.c), 0);
    NONE();

    START(); /* LISTEN */
    LISTEN();
    ABORT();
    STATE(TCPSM_CLOSED);
    NONE();
    EVENTS(TCPSM_EV_DONE);

    START(); /* SYN-SENT: no reset */
    OPEN();
    OUT("S 0 mss 1460");
    ABORT();
    STATE(TCPSM_CLOSED);
    NONE();
    EVENTS(TCPSM_EV_DONE);

    START(); /* SYN-RECEIVED */
    LISTEN();
    IN("S 0");
    OUT("SA 0 ack 1 mss 1460");
    ABORT();
    STATE(TCPSM_CLOSED);
    CHECK(!(tcpsm_events(w.c) & TCPSM_EV_DONE)); /* not before it is out */
    OUT("RA 1 ack 1");
    EVENTS(TCPSM_EV_DONE);

    START(); /* ESTABLISHED, with data in flight and queued */
    OPENED("win 1000 mss 1000");
    SEND(3000);
    OUT("A 1 ack 1 len 1000");
    ABORT();
    EVENTS(0); /* DONE not before the reset is out */
    OUT("RA 1001 ack 1");
    EVENTS(TCPSM_EV_DONE);
    NONE();
    STATE(TCPSM_CLOSED);
    DEADLINE_NEVER();
    CHECK_EQ(tcpsm_send(w.c, "x", 1, 0), TCPSM_E_CLOSED);

    START(); /* FIN-WAIT-1, FIN-WAIT-2 */
    OPENED("win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    ABORT();
    OUT("RA 2 ack 1");
    START();
    OPENED("win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("A 1 ack 2");
    ABORT();
    OUT("RA 2 ack 1");

    START(); /* CLOSE-WAIT */
    OPENED("win 5000");
    IN("FA 1 ack 1");
    ABORT();
    OUT("RA 1 ack 2");

    START(); /* CLOSING, LAST-ACK, TIME-WAIT: no reset */
    OPENED("win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("FA 1 ack 1");
    STATE(TCPSM_CLOSING);
    ABORT();
    NONE();
    STATE(TCPSM_CLOSED);
    START();
    OPENED("win 5000");
    IN("FA 1 ack 1");
    OUT("A 1 ack 2");
    SHUTDOWN();
    OUT("FA 1 ack 2");
    ABORT();
    NONE();
    STATE(TCPSM_CLOSED);
    START();
    OPENED("win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("FA 1 ack 2");
    OUT("A 2 ack 2");
    STATE(TCPSM_TIME_WAIT);
    ABORT();
    NONE();
    STATE(TCPSM_CLOSED);
    EVENTS(TCPSM_EV_SENT | TCPSM_EV_EOF | TCPSM_EV_DONE);
}

/* A reset that is due is not lost because somebody opens anew: CLOSED is
   not DONE. */
TEST(open_while_a_reset_is_due)
{
    START();
    OPENED("win 5000");
    ABORT();
    CHECK_EQ(tcpsm_open(w.c, &w.tuple, w.p.now), TCPSM_E_STATE);
    OUT("RA 1 ack 1");
    EVENTS(TCPSM_EV_DONE);
    OPEN();
    OUT("S 0 mss 1460");
}

/* The peer's window is closed and it did not take the probe: the reset
   must be where that peer believes it, at its RCV.NXT (RFC 5961 s3.2). */
TEST(abort_against_a_closed_window)
{
    START();
    OPENED("win 0 mss 1000");
    SEND(100);
    NONE();
    DEADLINE(0.2);
    AT(0.2);
    OUT("A 1 ack 1 len 1");
    IN("A 1 ack 1 win 0");
    ABORT();
    OUT("RA 1 ack 1");
}

TEST(linger_zero_close_is_abort)
{
    START();
    OPENED("win 5000");
    SET(TCPSM_SET_LINGER, 0);
    SEND(10);
    CLOSE_IS(1);
    OUT("RA 1 ack 1");
    STATE(TCPSM_CLOSED);
}

/* TCPSM_SET_LINGER: ms to finish after close, then RST */
TEST(linger_ends_in_a_reset)
{
    START();
    OPENED("win 5000 mss 1000");
    SET(TCPSM_SET_LINGER, 2500);
    AT(1);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    CLOSE();
    wire__fill();
    while (w.q_n)
        wire__take();
    for (;;) {
        tcpsm_time d = tcpsm_deadline(w.c);

        if (d > w.t0 + 3500000)
            break;
        if (d > w.p.now)
            w.p.now = d;
        wire__fill();
        if (!w.q_n)
            continue;
        wire__take();
        if (w.seg.flags & PAIR_RST)
            break;
    }
    CHECK_EQ(w.p.now - w.t0, 3500000);
    CHECK(w.seg.flags & PAIR_RST);
    ERROR_IS(TCPSM_E_TIMEOUT);
}

/* The user timeout still holds for who lingers longer. */
TEST(linger_is_bounded_by_the_user_timeout)
{
    START();
    w.cfg.user_timeout_ms = 100;
    OPENED("win 5000");
    SET(TCPSM_SET_LINGER, 500000);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    CLOSE();
    OUT("FA 11 ack 1");
    NONE();
    DEADLINE(0.1);
    AT(0.1);
    wire__fill();
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
}

/* ... even if the peer takes a little now and then. */
TEST(linger_is_a_limit_and_not_an_idle_time)
{
    int i;

    START();
    OPENED("win 100 mss 100");
    SET(TCPSM_SET_LINGER, 1000);
    SEND(10000);
    OUT("A 1 ack 1 len 100");
    CLOSE();
    for (i = 1; i <= 9; i++) {
        AT(0.1 * i);
        IN("A 1 ack %d win 100", 1 + 100 * i);
        OUT("A %d ack 1 len 100", 1 + 100 * i);
    }
    AT(1);
    OUT("RA * ack 1");
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
}

/* Law 7 and RFC9293-MUST-20: what an orphan has queued is bounded too. */
TEST(orphan_is_bounded_by_the_user_timeout)
{
    START();
    w.cfg.user_timeout_ms = 100000;
    OPENED("win 5000");
    SEND(10);
    CLOSE();
    for (;;) {
        tcpsm_time d = tcpsm_deadline(w.c);

        if (d == TCPSM_NEVER)
            break;
        if (d > w.p.now)
            w.p.now = d;
        CHECK(w.p.now - w.t0 <= 100 * PAIR_SECOND);
        wire__fill();
        while (w.q_n)
            wire__take();
    }
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
    CHECK_EQ(w.p.now - w.t0, 100000000);
}

/* shutdown and close again, and in states where they mean nothing */
TEST(close_twice)
{
    START();
    wire__init();
    CHECK_EQ(tcpsm_shutdown(w.c), TCPSM_E_STATE);
    CHECK_EQ(tcpsm_close(w.c), 0);
    LISTEN();
    CHECK_EQ(tcpsm_shutdown(w.c), TCPSM_E_STATE);
    STATE(TCPSM_LISTEN);
    START();
    OPENED("win 5000");
    SHUTDOWN();
    SHUTDOWN();
    OUT("FA 1 ack 1");
    SHUTDOWN();
    CLOSE();
    CLOSE();
    NONE();
    STATE(TCPSM_FIN_WAIT_1);
}

/* A FIN alone against a closed window goes out as its own probe. */
TEST(close_at_a_closed_window)
{
    START();
    OPENED("win 0");
    SHUTDOWN();
    NONE();
    DEADLINE(0.2);
    AT(0.2);
    OUT("FA 1 ack 1");
    IN("A 1 ack 1 win 0");
    STATE(TCPSM_FIN_WAIT_1);
    NONE();
    wire__at(tcpsm_deadline(w.c));
    OUT("FA 1 ack 1");
    IN("A 1 ack 2 win 0");
    STATE(TCPSM_FIN_WAIT_2);
    NONE();
    DEADLINE_NEVER();
}

/* FIN after our close in the same segment as the data that resets */
TEST(bare_fin_at_a_closed_window)
{
    START();
    w.rcv_ring = 2000;
    OPENED("win 5000 mss 1000");
    IN("PA 1 ack 1 len 1000");
    IN("PA 1001 ack 1 len 1000");
    OUT("A 1 ack 2001 win 0");
    IN("FA 2001 ack 1");
    STATE(TCPSM_CLOSE_WAIT);
    OUT("A 1 ack 2002 win 0");
    READ(2000);
    READ_IS(TCPSM_E_EOF);
    NONE();
}
