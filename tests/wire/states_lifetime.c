/* Law 5 and law 7: every connection ends, and says so once. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

/* Time passes and the peer is silent. Returns the seconds until CLOSED, or
   -1 if that takes more than a day. */
static double silence(void)
{
    tcpsm_time d, from = w.p.now;

    for (;;) {
        wire__fill();
        w.q_n = 0;
        if (tcpsm_state(w.c) == TCPSM_CLOSED && tcpsm_deadline(w.c) != 0)
            return (double)(w.p.now - from) / 1e6;
        d = tcpsm_deadline(w.c);
        if (d == TCPSM_NEVER || d > from + 86400 * PAIR_SECOND)
            return -1;
        if (d > w.p.now)
            w.p.now = d;
    }
}

static void be(int state)
{
    START();
    if (state == TCPSM_LISTEN || state == TCPSM_SYN_RECEIVED) {
        LISTEN();
        if (state == TCPSM_SYN_RECEIVED) {
            IN("S 0 win 5000");
            OUT("SA 0 ack 1 mss 1460");
        }
        return;
    }
    if (state == TCPSM_SYN_SENT) {
        OPEN();
        OUT("S 0 mss 1460");
        return;
    }
    OPENED("win 5000");
    if (state == TCPSM_CLOSE_WAIT || state == TCPSM_LAST_ACK) {
        IN("FA 1 ack 1");
        OUT("A 1 ack 2");
    }
    if (state == TCPSM_ESTABLISHED || state == TCPSM_CLOSE_WAIT)
        return;
    SHUTDOWN();
    OUT("FA 1 ack *");
    if (state == TCPSM_FIN_WAIT_2 || state == TCPSM_TIME_WAIT)
        IN("A 1 ack 2");
    if (state == TCPSM_CLOSING || state == TCPSM_TIME_WAIT) {
        IN("FA 1 ack %d", state == TCPSM_CLOSING ? 1 : 2);
        OUT("A 2 ack 2");
    }
    STATE(state);
}

/* Law 7: whatever the state, after close and with a peer that never says a
   word again, it is over within the limits, and EV_DONE comes once. */
TEST(law_7_closed_connections_end)
{
    int s;

    for (s = TCPSM_LISTEN; s < TCPSM_STATES; s++) {
        double t;

        be(s);
        CONTEXT("state %d", s);
        tcpsm_take(w.c);
        CHECK_EQ(tcpsm_close(w.c), 0);
        t = silence();
        CONTEXT("state %d, after %f s", s, t);
        CHECK(t >= 0 && t <= 361);
        CHECK_EQ(tcpsm_take(w.c) & TCPSM_EV_DONE, TCPSM_EV_DONE);
        CHECK(tcpsm_events(w.c) & TCPSM_EV_DONE);
        CHECK_EQ(silence(), 0);
        CHECK_EQ(tcpsm_take(w.c), 0);
    }
}

/* ... the same with something still to say. */
TEST(law_7_closed_connections_with_data_end)
{
    const int states[] = {TCPSM_SYN_SENT, TCPSM_SYN_RECEIVED,
                          TCPSM_ESTABLISHED, TCPSM_CLOSE_WAIT};
    uint32_t i;

    for (i = 0; i < 4; i++) {
        double t;

        be(states[i]);
        CONTEXT("state %d", states[i]);
        SEND(10000);
        CHECK_EQ(tcpsm_close(w.c), 0);
        t = silence();
        CONTEXT("state %d, after %f s", states[i], t);
        CHECK(t >= 0 && t <= 361);
        CHECK(tcpsm_events(w.c) & TCPSM_EV_DONE);
    }
}

/* Without close only the states that may last do: s3.10.8, law 7 */
TEST(law_7_silence_ends_what_waits_for_an_answer)
{
    const struct {
        int state, ends;
    } row[] = {
        {TCPSM_LISTEN, 0},     {TCPSM_SYN_SENT, 1},   {TCPSM_ESTABLISHED, 0},
        {TCPSM_FIN_WAIT_1, 1}, {TCPSM_FIN_WAIT_2, 0}, {TCPSM_CLOSE_WAIT, 0},
        {TCPSM_CLOSING, 1},    {TCPSM_LAST_ACK, 1},   {TCPSM_TIME_WAIT, 1}};
    uint32_t i;

    for (i = 0; i < sizeof row / sizeof *row; i++) {
        double t;

        be(row[i].state);
        t = silence();
        CONTEXT("state %d: %f s", row[i].state, t);
        CHECK_EQ(t >= 0, row[i].ends);
        if (!row[i].ends)
            STATE(row[i].state);
    }
}

/* CLOSE in SYN-SENT with data queued: it still goes out (design: orphans),
   handshake and all. */
TEST(close_in_syn_sent_with_data_queued)
{
    START();
    OPEN();
    SEND(100);
    OUT("S 0 mss 1460");
    CLOSE();
    STATE(TCPSM_SYN_SENT);
    IN("SA 0 ack 1 win 5000");
    STATE(TCPSM_FIN_WAIT_1);
    OUT("FPA 1 ack 1 len 100");
    IN("A 1 ack 102");
    IN("FA 1 ack 102");
    STATE(TCPSM_TIME_WAIT);
}

/* RFC9293-SHLD-3: text that came with the SYN was acknowledged, and nobody
   will read it. */
TEST(RFC9293_SHLD_3_close_in_syn_received_with_unread_text)
{
    int reset = 0;

    START();
    LISTEN();
    IN("S 0 win 5000 len 10");
    OUT("SA 0 ack 11 mss 1460");
    (void)tcpsm_close(w.c);
    wire__touched();
    IN_ANY("A 11 ack 1 win 5000");
    while (wire__fill(), w.q_n) {
        wire__take();
        reset |= w.seg.flags & PAIR_RST;
    }
    CHECK(reset);
}

/* "What is queued still goes out, bounded by the user timeout": a peer that
   acknowledges every probe of its closed window must not hold an orphan
   for ever. With its owner there, RFC9293-MUST-37 rules. */
TEST(orphan_at_a_closed_window_is_bounded)
{
    tcpsm_time end;

    START();
    w.cfg.user_timeout_ms = 100000;
    w.cfg.rto_max_ms = 10000; /* probes far more often than that */
    OPENED("win 0");
    SEND(100);
    CLOSE();
    end = w.p.now + 1000 * PAIR_SECOND;
    while (tcpsm_state(w.c) != TCPSM_CLOSED) {
        tcpsm_time d = tcpsm_deadline(w.c);

        CHECK(d <= end);
        if (d > w.p.now)
            w.p.now = d;
        wire__fill();
        if (w.q_n) {
            wire__take();
            if (!(w.seg.flags & PAIR_RST))
                IN("A 1 ack 1 win 0");
        }
    }
    ERROR_IS(TCPSM_E_TIMEOUT);
}

TEST(RFC9293_MUST_37_owned_connection_lives_at_a_closed_window)
{
    int i;

    START();
    w.cfg.user_timeout_ms = 100000;
    OPENED("win 0");
    SEND(100);
    for (i = 0; i < 30; i++) {
        NONE();
        wire__at(tcpsm_deadline(w.c));
        OUT("A 1 ack 1 len 1");
        IN("A 1 ack 1 win 0");
    }
    CHECK(wire_seconds() > 1000);
    STATE(TCPSM_ESTABLISHED);
}

/* Law 5: after EV_DONE the rings are not touched; poison them. */
TEST(law_5_rings_are_not_touched_after_done)
{
    int s;

    for (s = TCPSM_LISTEN; s < TCPSM_STATES; s++) {
        be(s);
        ABORT();
        wire__fill();
        w.q_n = 0;
        CHECK(tcpsm_take(w.c) & TCPSM_EV_DONE);
        memset(w.p.rcv[0], 0xAB, sizeof w.p.rcv[0]);
        memset(w.p.snd[0], 0xAB, sizeof w.p.snd[0]);
        IN_ANY("S 5000 len 100");
        IN_ANY("PA 1 ack 1 len 100");
        CHECK_EQ(tcpsm_send(w.c, "x", 1, 0) < 0, 1);
        CHECK_EQ(tcpsm_receive(w.c, w.buf, 10) < 0, 1);
        AT(500);
        CHECK_EQ(w.p.rcv[0][0], 0xAB);
        CHECK_EQ(w.p.snd[0][0], 0xAB);
        CHECK_EQ(tcpsm_attach(w.c, TCPSM_RECEIVE, NULL, 0, NULL), 0);
        CHECK_EQ(tcpsm_attach(w.c, TCPSM_SEND, NULL, 0, NULL), 0);
    }
}

/* A caller that sleeps past everything, over each wrap of a short clock:
   what was due is done at once, and nothing is due in the far future. */
TEST(a_caller_that_slept_too_long)
{
    const double nap[] = {30 * 60, 36 * 60,  71.5 * 60, 72 * 60,
                          86400,   4.5e6,    1e7,       1.5e8,
                          4294,    2147.483, 4294.967,  1.1e6};
    uint32_t i;
    int s;

    for (s = TCPSM_LISTEN; s < TCPSM_STATES; s++)
        for (i = 0; i < sizeof nap / sizeof *nap; i++) {
            tcpsm_time d;
            int k;

            be(s);
            CONTEXT("state %d, %f s", s, nap[i]);
            if (s == TCPSM_ESTABLISHED || s == TCPSM_CLOSE_WAIT) {
                SEND(500);
                wire__fill();
                w.q_n = 0;
            }
            if (i & 1)
                SET(TCPSM_SET_USER_TIMEOUT, TCPSM_OFF);
            wire__fill();
            w.q_n = 0;
            w.p.now += wire__us(nap[i]);
            for (k = 0; tcpsm_deadline(w.c) <= w.p.now; k++) {
                CHECK_LT(k, 50);
                wire__fill();
                w.q_n = 0;
            }
            wire__touched();
            d = tcpsm_deadline(w.c);
            CHECK(d == TCPSM_NEVER || d - w.p.now <= 361 * PAIR_SECOND);
            if (s == TCPSM_TIME_WAIT)
                STATE(TCPSM_CLOSED);
            if (s == TCPSM_SYN_RECEIVED) /* still answers, or listens */
                CHECK(tcpsm_state(w.c) == TCPSM_LISTEN || d != TCPSM_NEVER);
            if (s == TCPSM_ESTABLISHED && (i & 1)) {
                STATE(TCPSM_ESTABLISHED);
                IN("A 1 ack 501");
                DEADLINE_NEVER();
            }
        }
}

/* The peer's reset as an end: nothing is sent after it, in no state. */
TEST(nothing_is_sent_after_a_reset)
{
    int s;

    for (s = TCPSM_ESTABLISHED; s < TCPSM_TIME_WAIT; s++) {
        int fin_in = s == TCPSM_CLOSE_WAIT || s == TCPSM_CLOSING ||
                     s == TCPSM_LAST_ACK;

        be(s);
        if (s == TCPSM_ESTABLISHED || s == TCPSM_CLOSE_WAIT)
            SEND(5000);
        IN("R %d", fin_in ? 2 : 1);
        NONE();
        DEADLINE_NEVER();
        IN_NOTHING(TCPSM_DROP_NOT_MINE, "A 1 ack 1");
    }
}
