/* Events as edges and as levels, the wake list, and what calls return in
   the wrong state. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#define LEVELS(e) WIRE__CALL("tcpsm_events", tcpsm_events(w.c), (e))
#define ALIVE (TCPSM_EV_CONNECTED | TCPSM_EV_WRITABLE | TCPSM_EV_SENT)

/* A whole life: the edge once, the level as long as it holds. */
TEST(events_of_a_life)
{
    START();
    wire__init();
    EVENTS(0);
    OPEN();
    LEVELS(0);
    OUT("S 0 mss 1460");
    IN("SA 0 ack 1 win 5000");
    EVENTS(TCPSM_EV_CONNECTED);
    EVENTS(0);
    LEVELS(ALIVE);
    OUT("A 1 ack 1");

    SEND(10);
    LEVELS(ALIVE & ~(uint32_t)TCPSM_EV_SENT);
    OUT("PA 1 ack 1 len 10");
    EVENTS(0);
    IN("A 1 ack 11");
    EVENTS(TCPSM_EV_SENT);
    LEVELS(ALIVE);

    IN("PA 1 ack 11 len 10");
    EVENTS(TCPSM_EV_READABLE);
    LEVELS(ALIVE | TCPSM_EV_READABLE);
    READ(5);
    EVENTS(0);
    LEVELS(ALIVE | TCPSM_EV_READABLE);
    IN("PA 11 ack 11 len 1"); /* again an edge */
    EVENTS(TCPSM_EV_READABLE);
    OUT("A 11 ack 12");
    READ(6);
    LEVELS(ALIVE);

    IN("PA 15 ack 11 len 5"); /* beyond a gap: not readable */
    EVENTS(0);
    OUT("A 11 ack 12");
    IN("PA 12 ack 11 len 3");
    EVENTS(TCPSM_EV_READABLE);
    OUT("A 11 ack 20");
    READ(8);

    IN("FA 20 ack 11");
    EVENTS(TCPSM_EV_EOF);
    LEVELS(ALIVE | TCPSM_EV_EOF);
    OUT("A 11 ack 21");
    SHUTDOWN();
    OUT("FA 11 ack 21");
    LEVELS(TCPSM_EV_CONNECTED | TCPSM_EV_EOF);
    IN("A 21 ack 12");
    CHECK(tcpsm_events(w.c) & TCPSM_EV_DONE);
    CHECK(!(tcpsm_events(w.c) &
            (TCPSM_EV_CONNECTED | TCPSM_EV_WRITABLE | TCPSM_EV_ERROR)));
    CHECK(tcpsm_take(w.c) & TCPSM_EV_DONE);
    EVENTS(0);
}

/* EV_WRITABLE: only after a short send, when LOWAT bytes are free */
TEST(writable_after_a_short_send)
{
    START();
    w.snd_ring = 1000;
    OPENED("win 5000 mss 1000");
    SEND(1000);
    CHECK_EQ(wire__send(10, 0), 0); /* this asks for the event */
    OUT("PA 1 ack 1 len 1000");
    SET(TCPSM_SET_LOWAT, 500);
    IN("A 1 ack 401");
    EVENTS(0);
    IN("A 1 ack 501");
    EVENTS(TCPSM_EV_WRITABLE);
    IN("A 1 ack 601");
    EVENTS(0);
    SEND(100);
    IN("A 1 ack 1001"); /* nobody was refused since */
    CHECK(!(tcpsm_take(w.c) & TCPSM_EV_WRITABLE));
}

static int listed(void)
{
    return (w.c->p.wake && w.c->p.wake->head == w.c) ? 1 : 0;
}

/* Whatever makes the deadline earlier or raises an event pushes, once. */
TEST(wake_list)
{
    static tcpsm_wake list;

    START();
    list.head = NULL;
    wire__init();
    tcpsm_set_wake(w.c, &list);
#define WOKEN()                                                              \
    do {                                                                     \
        CHECK(listed());                                                     \
        CHECK(tcpsm_wake_pop(&list) == w.c);                                 \
        CHECK(tcpsm_wake_pop(&list) == NULL);                                \
    } while (0)
#define ASLEEP() CHECK(tcpsm_wake_pop(&list) == NULL)
    OPEN();
    WOKEN();
    OUT("S 0 mss 1460");
    ASLEEP();
    IN("SA 0 ack 1 win 5000");
    WOKEN();
    OUT("A 1 ack 1");
    while (tcpsm_wake_pop(&list))
        ;
    SEND(10);
    WOKEN();
    OUT("PA 1 ack 1 len 10");
    while (tcpsm_wake_pop(&list))
        ;
    IN("PA 1 ack 11 len 10");
    IN("PA 11 ack 11 len 10"); /* twice, one entry */
    WOKEN();
    OUT("A 11 ack 21");
    READ(20);
    while (tcpsm_wake_pop(&list))
        ;
    IN_NOTHING(TCPSM_DROP_CHECKSUM, "PA 21 ack 11 len 10 badsum");
    ASLEEP();
    IN_DROP(TCPSM_DROP_SYN, "S 0");
    WOKEN();
}

TEST(wake_list_on_the_verbs)
{
    static tcpsm_wake list;

    START();
    list.head = NULL;
    wire__init();
    tcpsm_set_wake(w.c, &list);
    LISTEN();
    WOKEN();
    IN("S 0 win 5000");
    WOKEN();
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1 win 5000");
    WOKEN();
    SET(TCPSM_SET_KEEPALIVE, 1);
    WOKEN();
    wire__none();
    while (tcpsm_wake_pop(&list))
        ;
    SHUTDOWN();
    WOKEN();
    OUT("FA 1 ack 1");
    while (tcpsm_wake_pop(&list))
        ;
    CLOSE();
    WOKEN();
    ABORT();
    WOKEN();
    OUT("RA 2 ack 1"); /* raises EV_DONE */
    WOKEN();
    ASLEEP();
}

/* A timer that raises an event wakes as well. */
TEST(wake_list_on_a_timer)
{
    static tcpsm_wake list;

    START();
    list.head = NULL;
    w.cfg.user_timeout_ms = 100;
    OPENED("win 5000");
    tcpsm_set_wake(w.c, &list);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    while (tcpsm_wake_pop(&list))
        ;
    AT(0.1);
    NONE();
    STATE(TCPSM_CLOSED);
    WOKEN();
}

/* Two connections on one list, in and out in any order */
TEST(wake_list_of_two)
{
    static tcpsm_conn other;
    static tcpsm_wake list;
    tcpsm_conn *a, *b;
    tcpsm_tuple t;

    START();
    list.head = NULL;
    wire__init();
    CHECK_EQ(tcpsm_init(&other, &w.cfg), 0);
    tcpsm_set_wake(w.c, &list);
    tcpsm_set_wake(&other, &list);
    LISTEN();
    t = w.tuple;
    t.local_port = 99;
    CHECK_EQ(tcpsm_open(&other, &t, w.p.now), 0);
    CHECK_EQ(tcpsm_abort(&other), 0);
    a = tcpsm_wake_pop(&list);
    b = tcpsm_wake_pop(&list);
    CHECK(a != b && a && b);
    CHECK(tcpsm_wake_pop(&list) == NULL);
}

/* The user's pointer is the user's. */
TEST(user_pointer)
{
    int mine;

    START();
    w.cfg.user = &mine;
    wire__init();
    CHECK(tcpsm_user(w.c) == &mine);
    tcpsm_set_user(w.c, &w);
    CHECK(tcpsm_user(w.c) == &w);
    OPEN();
    CHECK(tcpsm_user(w.c) == &w);
}

/* Counters that say what happened to whom */
TEST(counters_of_a_life)
{
    START();
    OPENED("win 5000 mss 1000");
    CHECK_EQ(COUNT(opened), 1);
    SEND(1500);
    OUT("A 1 ack 1 len 1000");
    IN("A 1 ack 1001");
    OUT("PA 1001 ack 1 len 500");
    AT(0.2);
    OUT("PA 1001 ack 1 len 500");
    CHECK_EQ(COUNT(retransmits), 1);
    CHECK_EQ(COUNT(timeouts), 1);
    CHECK_EQ(COUNT(out_bytes), 2000);
    CHECK_EQ(COUNT(out_segments), 5); /* SYN, ACK and these */
    CHECK_EQ(COUNT(in_segments), 2);
    IN("PA 1 ack 1501 len 10");
    IN("PA 101 ack 1501 len 10");
    CHECK_EQ(COUNT(in_bytes), 20);
    CHECK_EQ(COUNT(out_of_order), 1);
    IN_DROP(TCPSM_DROP_OLD_DATA, "PA 1 ack 1501 len 10");
    CHECK_EQ(COUNT(duplicates), 1);
    IN_DROP(TCPSM_DROP_SYN, "S 0");
    CHECK_EQ(COUNT(challenges), 1);
    IN("R 11");
    CHECK_EQ(COUNT(failed), 1);
}

/* What each state answers to each call: nothing changes on E_STATE. */
TEST(calls_in_states_that_refuse_them)
{
    tcpsm_conn before;

    START(); /* TIME-WAIT */
    OPENED("win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("FA 1 ack 2");
    OUT("A 2 ack 2");
    before = *w.c;
    CHECK_EQ(tcpsm_send(w.c, "x", 1, 0), TCPSM_E_CLOSED);
    CHECK_EQ(tcpsm_open(w.c, &w.tuple, w.p.now), TCPSM_E_STATE);
    CHECK_EQ(tcpsm_receive(w.c, w.buf, 1), TCPSM_E_EOF);
    CHECK_MEM(&before, w.c, sizeof before);

    START(); /* after a normal end */
    OPENED("win 5000");
    IN("FA 1 ack 1");
    OUT("A 1 ack 2");
    CLOSE();
    OUT("FA 1 ack 2");
    IN("A 2 ack 2");
    STATE(TCPSM_CLOSED);
    CHECK_EQ(tcpsm_receive(w.c, w.buf, 1), TCPSM_E_CLOSED);
    CHECK_EQ(tcpsm_send(w.c, "x", 1, 0), TCPSM_E_CLOSED);
    CHECK_EQ(tcpsm_close(w.c), 0);
    CHECK_EQ(tcpsm_abort(w.c), 0);

    START(); /* bad arguments are no state's business */
    OPENED("win 5000");
    before = *w.c;
    CHECK_EQ(tcpsm_send(w.c, NULL, 1, 0), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_send(w.c, "x", 1, 8), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_receive(w.c, NULL, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_receive_consume(w.c, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_attach(w.c, 4, NULL, 0, NULL), TCPSM_E_ARG);
    CHECK_MEM(&before, w.c, sizeof before);
}

/* output: E_SPACE, and nothing has changed */
TEST(output_needs_room)
{
    static uint8_t buf[TCPSM_MIN_CAP];
    tcpsm_conn before;
    tcpsm_out o;

    START();
    OPEN();
    before = *w.c;
    memset(&o, 0, sizeof o);
    o.buf = buf;
    o.cap = TCPSM_MIN_CAP - 1;
    CHECK_EQ(tcpsm_output(w.c, &o, w.p.now), TCPSM_E_SPACE);
    CHECK_MEM(&before, w.c, sizeof before);
    CHECK_EQ(tcpsm_output(w.c, NULL, w.p.now), TCPSM_E_ARG);
    o.cap = TCPSM_MIN_CAP;
    CHECK_EQ(tcpsm_output(w.c, &o, w.p.now), 24);
}

/* A connection is used again: nothing of the last one shows. */
TEST(a_connection_is_used_again)
{
    struct tcpsm_info i;
    int round;

    START();
    wire__init();
    for (round = 0; round < 3; round++) {
        w.sent = w.got = 0;
        w.irs += 0x10000000;
        WAIT(0.5);
        OPEN();
        LEVELS(0);
        ERROR_IS(0);
        OUT("S 0 mss 1460");
        IN("SA 0 ack 1 win 5000");
        OUT("A 1 ack 1");
        tcpsm_status(w.c, &i);
        CHECK_EQ(i.backoff, 0);
        CHECK_EQ(i.soft_error, 0);
        EVENTS(TCPSM_EV_CONNECTED);
        SEND(10);
        OUT("PA 1 ack 1 len 10");
        IN("PA 1 ack 11 len 10");
        IN("PA 101 ack 11 len 10");
        wire__fill();
        w.q_n = 0;
        if (round == 0)
            IN("R 11");
        else
            ABORT();
        wire__fill();
        w.q_n = 0;
        STATE(TCPSM_CLOSED);
        CHECK(tcpsm_take(w.c) & TCPSM_EV_DONE);
    }
}
