/* Who gets a SYN, which addresses are ours, which port a connect takes
   (RFC 9293 s3.9.2, RFC 1122 s4.2.3.10, RFC 6056). */
#include "test.h"
#include "tcpsm.h"
#include "stackwire.h"

/* --- listeners --- */

static tcpsm_tuple name(const char *address, uint8_t family, uint16_t port,
                        uint16_t zone)
{
    tcpsm_tuple t;
    unsigned v[4];

    memset(&t, 0, sizeof t);
    t.family = family;
    t.local_port = port;
    t.zone = zone;
    if (address && family == 4) {
        if (sscanf(address, "%u.%u.%u.%u", v, v + 1, v + 2, v + 3) != 4)
            FAIL("address");
        t.local[0] = (uint8_t)v[0], t.local[1] = (uint8_t)v[1];
        t.local[2] = (uint8_t)v[2], t.local[3] = (uint8_t)v[3];
    } else if (address) {
        if (sscanf(address, "fd00::%x", v) != 1)
            FAIL("address");
        t.local[0] = 0xfd;
        t.local[14] = (uint8_t)(v[0] >> 8), t.local[15] = (uint8_t)v[0];
    }
    return t;
}

static tcpsm_ret listen_at(const char *address, uint8_t family, uint16_t port,
                           uint16_t zone, uint32_t flags)
{
    tcpsm_tuple t = name(address, family, port, zone);

    return tcpsm_stack_listen(sw.st, &t, 0, flags, NULL);
}

/* The listener that the current peer's SYN goes to; -1: it is reset, -2:
   no answer */
static tcpsm_ret who_gets_it(void)
{
    tcpsm_conn *c;
    tcpsm_ret l = -9;

    FRESH();
    w.irs += 10000;
    IN_ANY("S 0 mss 1000");
    if (stackwire_next_out() == 0)
        return -2;
    if (w.seg.flags & PAIR_RST)
        return -1;
    CHECK_EQ(w.seg.flags, PAIR_SYN | PAIR_ACK);
    stackwire__learn();
    IN("A 1 ack 1");
    c = tcpsm_stack_accept(sw.st, &l);
    CHECK(c != NULL);
    CHECK_EQ(tcpsm_abort(c), 0);
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    DRAIN();
    CHECK_EQ(INFO(conns), 0);
    return l;
}

static void many(void)
{
    START();
    sw.cfg.listeners = 16;
    sw.cfg.addresses = 16;
    UP();
    CHECK_EQ(stackwire_address("10.0.0.9", 4, 0, 24, 1), 0);
    CHECK_EQ(stackwire_address("10.0.0.1", 4, 7, 24, 1), 0);
    CHECK_EQ(stackwire_address("fd00::1", 6, 7, 64, 1), 0);
}

TEST(exact_address_comes_before_any)
{
    tcpsm_ret any, one, order;

    for (order = 0; order < 2; order++) {
        many();
        if (order) {
            any = listen_at(NULL, 4, 80, 0, 0);
            one = listen_at("10.0.0.9", 4, 80, 0, 0);
        } else {
            one = listen_at("10.0.0.9", 4, 80, 0, 0);
            any = listen_at(NULL, 4, 80, 0, 0);
        }
        CHECK_GE(any, 0);
        CHECK_GE(one, 0);
        CHECK_EQ(who_gets_it(), any);
        w.tuple.local[3] = 9;
        CHECK_EQ(who_gets_it(), one);
        CHECK_EQ(tcpsm_stack_unlisten(sw.st, one), 0);
        CHECK_EQ(who_gets_it(), any);
        CHECK_EQ(tcpsm_stack_unlisten(sw.st, any), 0);
        CHECK_EQ(who_gets_it(), -1);
    }
}

TEST(one_family_comes_before_both)
{
    tcpsm_ret both, four, order;

    for (order = 0; order < 2; order++) {
        many();
        if (order) {
            both = listen_at(NULL, 0, 80, 0, 0);
            four = listen_at(NULL, 4, 80, 0, 0);
        } else {
            four = listen_at(NULL, 4, 80, 0, 0);
            both = listen_at(NULL, 0, 80, 0, 0);
        }
        CHECK_EQ(who_gets_it(), four);
        CHECK_EQ(tcpsm_stack_unlisten(sw.st, four), 0);
        CHECK_EQ(who_gets_it(), both);
        w.family = 6; /* PEER(1) is a new one, of this family */
        PEER(1);
        CHECK_EQ(who_gets_it(), both);
    }
}

TEST(family_6_alone_does_not_get_ipv4)
{
    many();
    CHECK_GE(listen_at(NULL, 6, 80, 0, 0), 0);
    CHECK_EQ(who_gets_it(), -1);
    w.family = 6;
    PEER(1);
    CHECK_EQ(who_gets_it(), 0);
}

TEST(own_zone_comes_before_any_zone)
{
    tcpsm_ret any, zone7;

    many();
    any = listen_at(NULL, 4, 80, 0, TCPSM_LISTEN_ANY_ZONE);
    zone7 = listen_at(NULL, 4, 80, 7, 0);
    CHECK_GE(any, 0);
    CHECK_GE(zone7, 0);
    CHECK_EQ(who_gets_it(), any);
    w.zone = w.tuple.zone = 7;
    CHECK_EQ(who_gets_it(), zone7);
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, zone7), 0);
    CHECK_EQ(who_gets_it(), any);
}

TEST(zone_without_a_listener)
{
    many();
    CHECK_GE(listen_at(NULL, 4, 80, 7, 0), 0);
    CHECK_EQ(who_gets_it(), -1);
    w.zone = w.tuple.zone = 7;
    CHECK_GE(who_gets_it(), 0);
    w.zone = w.tuple.zone = 8; /* no address of ours there */
    CHECK_EQ(who_gets_it(), -2);
}

TEST(exact_port_comes_before_port_zero)
{
    tcpsm_ret all, one;

    many();
    all = listen_at(NULL, 0, 0, 0, 0);
    one = listen_at(NULL, 0, 80, 0, 0);
    CHECK_EQ(who_gets_it(), one);
    w.tuple.local_port = 81;
    CHECK_EQ(who_gets_it(), all);
    w.tuple.local_port = 65535;
    CHECK_EQ(who_gets_it(), all);
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, one), 0);
    w.tuple.local_port = 80;
    CHECK_EQ(who_gets_it(), all);
}

/* Ports that a table by port cannot keep apart. */
TEST(many_ports_are_told_apart)
{
    tcpsm_ret l[16];
    tcpsm_conn *c;
    tcpsm_tuple t;
    int i, k, round;

    for (round = 0; round < 3; round++) {
        many();
        for (i = 0; i < 16; i++) {
            l[i] = listen_at(NULL, 0, (uint16_t)(80 + 16 * i), 0, 0);
            CHECK_GE(l[i], 0);
        }
        for (k = 0; k < 16; k++) {
            static const int step[] = {1, 5, 11};
            int gone = k * step[round] % 16;

            for (i = 0; i < 16; i++) {
                w.tuple.local_port = (uint16_t)(80 + 16 * i);
                CHECK_EQ(who_gets_it(), l[i]);
            }
            CHECK_EQ(tcpsm_stack_unlisten(sw.st, l[gone]), 0);
            l[gone] = -1;
        }
    }
    /* nor does connect confuse them */
    many();
    for (i = 0; i < 16; i++)
        CHECK_GE(listen_at(NULL, 0, (uint16_t)(49152 + 16 * i), 0, 0), 0);
    for (i = 0; i < 4; i++) {
        memset(&t, 0, sizeof t);
        t.family = 4;
        t.remote[0] = 10;
        t.remote[3] = (uint8_t)(5 + i);
        t.remote_port = 80;
        CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
    }
}

/* RFC9293-MUST-43: with a remote, too; then it is for that one alone. */
TEST(given_remote_comes_first)
{
    tcpsm_ret all, one, port;
    tcpsm_tuple t;

    many();
    all = listen_at("10.0.0.1", 4, 80, 0, 0);
    t = name(NULL, 4, 80, 0);
    t.remote[0] = 10;
    t.remote[3] = 5;
    one = tcpsm_stack_listen(sw.st, &t, 0, 0, NULL);
    t = name(NULL, 4, 80, 0);
    t.remote_port = 40009;
    port = tcpsm_stack_listen(sw.st, &t, 0, 0, NULL);
    CHECK_GE(all, 0);
    CHECK_GE(one, 0);
    CHECK_GE(port, 0);
    PEER(1); /* 10.0.0.3 port 40001 */
    CHECK_EQ(who_gets_it(), all);
    PEER(3); /* 10.0.0.5 */
    CHECK_EQ(who_gets_it(), one);
    PEER(9); /* port 40009 */
    CHECK_EQ(who_gets_it(), port);
}

TEST(one_listener_for_one_name)
{
    many();
    CHECK_GE(listen_at(NULL, 4, 80, 0, 0), 0);
    CHECK_EQ(listen_at(NULL, 4, 80, 0, 0), TCPSM_E_STATE);
    CHECK_GE(listen_at(NULL, 6, 80, 0, 0), 0);
    CHECK_GE(listen_at(NULL, 0, 80, 0, 0), 0);
    CHECK_GE(listen_at(NULL, 4, 80, 7, 0), 0);
    CHECK_GE(listen_at("10.0.0.9", 4, 80, 0, 0), 0);
    CHECK_EQ(listen_at("10.0.0.9", 4, 80, 0, 0), TCPSM_E_STATE);
    CHECK_GE(listen_at(NULL, 4, 81, 0, 0), 0);
    CHECK_EQ(INFO(listeners), 6);
    CHECK_EQ(tcpsm_stack_check(sw.st), 0);
}

TEST(listeners_are_as_many_as_configured)
{
    int i, round;

    START();
    sw.cfg.listeners = 3;
    UP();
    for (round = 0; round < 3; round++) {
        tcpsm_ret l[3];

        for (i = 0; i < 3; i++) {
            l[i] = listen_at(NULL, 4, (uint16_t)(80 + i), 0, 0);
            CHECK_GE(l[i], 0);
        }
        CHECK_EQ(listen_at(NULL, 4, 99, 0, 0), TCPSM_E_SPACE);
        /* exactly this again is E_STATE or E_SPACE, never a listener */
        CHECK_LT(listen_at(NULL, 4, 80, 0, 0), 0);
        CHECK_EQ(INFO(listeners), 3);
        for (i = 0; i < 3; i++)
            CHECK_EQ(tcpsm_stack_unlisten(sw.st, l[i]), 0);
        CHECK_EQ(INFO(listeners), 0);
        CHECK_EQ(tcpsm_stack_unlisten(sw.st, l[0]), TCPSM_E_NONE);
    }
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, -1), TCPSM_E_NONE);
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, 3), TCPSM_E_NONE);
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, 0x7FFFFFFF), TCPSM_E_NONE);
}

/* RFC9293-MUST-42: a LISTEN beside connections of the same local port, in
   SYN-SENT and in SYN-RECEIVED; each goes on. */
TEST(listen_beside_a_connection_on_the_same_port)
{
    tcpsm_conn *c;
    tcpsm_tuple t;
    tcpsm_ret l;

    START();
    UP();
    PEER(0);
    LISTENER(80, 0, TCPSM_LISTEN_ANY_ZONE); /* for the half-open one */
    t = w.tuple;                            /* 10.0.0.1:80 to peer 0 */
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
    OUT("S 0 mss 1460");
    PEER(1);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    t = name("10.0.0.1", 4, 80, 0);
    l = tcpsm_stack_listen(sw.st, &t, 0, 0, NULL);
    CHECK_GE(l, 0);
    CHECK_EQ(tcpsm_state(c), TCPSM_SYN_SENT);
    CHECK_EQ(INFO(syns), 1);
    PEER(2);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    {
        tcpsm_ret from;

        CHECK(tcpsm_stack_accept(sw.st, &from) != NULL);
        CHECK_EQ(from, l);
    }
    PEER(1);
    IN("A 1 ack 1");
    CHECK_EQ(tcpsm_state(ACCEPT()), TCPSM_ESTABLISHED);
    PEER(0);
    IN("SA 0 ack 1 mss 1000");
    OUT("A 1 ack 1");
    CHECK_EQ(tcpsm_state(c), TCPSM_ESTABLISHED);
}

TEST(listen_refuses_nonsense)
{
    tcpsm_tuple t;
    tcpsm_config cfg;

    START();
    UP();
    CHECK_EQ(tcpsm_stack_listen(sw.st, NULL, 0, 0, NULL), TCPSM_E_ARG);
    t = name(NULL, 5, 80, 0);
    CHECK_EQ(tcpsm_stack_listen(sw.st, &t, 0, 0, NULL), TCPSM_E_ARG);
    t = name("224.0.0.1", 4, 80, 0);
    CHECK_EQ(tcpsm_stack_listen(sw.st, &t, 0, 0, NULL), TCPSM_E_ARG);
    t = name("255.255.255.255", 4, 80, 0);
    CHECK_EQ(tcpsm_stack_listen(sw.st, &t, 0, 0, NULL), TCPSM_E_ARG);
    t = name("10.0.0.1", 4, 80, 0);
    t.local[5] = 1; /* more than an IPv4 address */
    CHECK_EQ(tcpsm_stack_listen(sw.st, &t, 0, 0, NULL), TCPSM_E_ARG);
    t = name("10.0.0.1", 4, 80, 0);
    t.family = 0; /* an address without a family */
    CHECK_EQ(tcpsm_stack_listen(sw.st, &t, 0, 0, NULL), TCPSM_E_ARG);
    t = name(NULL, 4, 80, 0);
    cfg = sw.cfg.conn;
    cfg.mtu = 50;
    CHECK_EQ(tcpsm_stack_listen(sw.st, &t, 0, 0, &cfg), TCPSM_E_ARG);
    CHECK_EQ(INFO(listeners), 0);
    /* its key is not used */
    cfg = sw.cfg.conn;
    memset(cfg.key, 0, 16);
    CHECK_GE(tcpsm_stack_listen(sw.st, &t, 0, 0, &cfg), 0);
}

TEST(backlog_counts_what_was_not_accepted)
{
    int i;

    START();
    sw.cfg.conns = 8;
    sw.cfg.syn_entries = 8;
    UP();
    LISTENER(80, 3, 0);
    LISTENER(81, 0, 0);
    for (i = 0; i < 3; i++) {
        PEER(i);
        IN("S 0 mss 1000");
        OUT("SA 0 ack 1 mss 1460");
        IN("A 1 ack 1");
    }
    PEER(3);
    IN_NOTHING(TCPSM_DROP_FULL, "S 0 mss 1000");
    w.tuple.local_port = 81; /* another listener has room */
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    CHECK_EQ(INFO(unaccepted), 4);
    PEER(1);
    IN_ANY("R 1"); /* reset before it was accepted: it is still there */
    CHECK_EQ(INFO(unaccepted), 4);
    PEER(4);
    IN_NOTHING(TCPSM_DROP_FULL, "S 0 mss 1000");
    ACCEPT();
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    CHECK_EQ(INFO(unaccepted), 4);
}

TEST(accept_is_in_order_and_names_the_listener)
{
    tcpsm_ret a, b, l;
    tcpsm_conn *c;
    tcpsm_tuple t;
    int i;

    START();
    sw.cfg.conns = 8;
    sw.cfg.syn_entries = 8;
    UP();
    a = LISTENER(80, 0, 0);
    b = LISTENER(81, 0, 0);
    for (i = 0; i < 6; i++) {
        PEER(i);
        w.tuple.local_port = (uint16_t)(80 + i % 2);
        IN("S 0 mss 1000");
        OUT("SA 0 ack 1 mss 1460");
        IN("A 1 ack 1");
    }
    PEER(2);
    IN_ANY("R 1"); /* over already, and accepted all the same */
    for (i = 0; i < 6; i++) {
        c = tcpsm_stack_accept(sw.st, &l);
        CHECK(c != NULL);
        tcpsm_name(c, &t);
        CHECK_EQ(t.remote[3], 2 + i);
        CHECK_EQ(l, i % 2 ? b : a);
        CHECK_EQ(tcpsm_state(c), i == 2 ? TCPSM_CLOSED : TCPSM_ESTABLISHED);
        CHECK_EQ(tcpsm_error(c), i == 2 ? TCPSM_E_RESET : 0);
    }
    CHECK(tcpsm_stack_accept(sw.st, &l) == NULL);
}

TEST(unlisten_resets_what_was_not_accepted)
{
    tcpsm_conn *mine;
    tcpsm_ret l, other;

    START();
    UP();
    l = LISTENER(80, 0, 0);
    other = LISTENER(81, 0, 0);
    CHECK_NE(l, other);
    PEER(0);
    mine = HANDSHAKE("mss 1000");
    PEER(1);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN("PA 1 ack 1 len 7"); /* unaccepted, with data unread */
    PEER(2);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460"); /* half-open */
    PEER(3);
    w.tuple.local_port = 81;
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460"); /* somebody else's */
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, l), 0);
    {
        int one = 0, two = 0, n;

        for (n = 0; n < 2; n++) {
            int k;

            CHECK(stackwire_next_out() != 0);
            k = stackwire_whose();
            CHECK_EQ(w.seg.flags & PAIR_RST, PAIR_RST);
            CHECK(k == 1 || k == 2);
            CHECK_EQ(w.seg.seq, sw.peer[k].iss + 1);
            one += k == 1;
            two += k == 2;
        }
        CHECK_EQ(one, 1);
        CHECK_EQ(two, 1);
    }
    NONE();
    CHECK_EQ(INFO(unaccepted), 0);
    CHECK(tcpsm_stack_accept(sw.st, NULL) == NULL);
    CHECK_EQ(INFO(conns), 1);
    CHECK_EQ(INFO(syns), 1);
    PEER(3);
    IN("A 1 ack 1");
    CHECK(tcpsm_stack_accept(sw.st, &l) != NULL);
    CHECK_EQ(l, other);
    PEER(0);
    IN("PA 1 ack 1 len 5");
    GOT(mine, 5);
    PEER(4);
    CHECK_EQ(who_gets_it() == -1, 1);
}

TEST(unlisten_leaves_the_others_in_the_queue)
{
    tcpsm_ret l[2], from;
    tcpsm_tuple t;
    tcpsm_conn *c;
    int i;

    START();
    sw.cfg.conns = sw.cfg.syn_entries = 8;
    UP();
    l[0] = LISTENER(80, 0, 0);
    l[1] = LISTENER(81, 3, 0);
    for (i = 0; i < 6; i++) {
        PEER(i);
        w.tuple.local_port = (uint16_t)(80 + i % 2);
        IN("S 0 mss 1000");
        OUT("SA 0 ack 1 mss 1460");
        IN("A 1 ack 1");
    }
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, l[0]), 0);
    CHECK_EQ(DRAIN(), 3);
    CHECK_EQ(INFO(conns), 3);
    CHECK_EQ(INFO(unaccepted), 3);
    PEER(6); /* its backlog is still full */
    w.tuple.local_port = 81;
    IN_NOTHING(TCPSM_DROP_FULL, "S 0 mss 1000");
    for (i = 1; i < 6; i += 2) {
        c = tcpsm_stack_accept(sw.st, &from);
        CHECK(c != NULL);
        CHECK_EQ(from, l[1]);
        tcpsm_name(c, &t);
        CHECK_EQ(t.remote[3], 2 + i);
    }
    CHECK(tcpsm_stack_accept(sw.st, &from) == NULL);
}

/* Memory lent before acceptance comes back, too: by name, once. */
TEST(unlisten_gives_lent_memory_back)
{
    static uint8_t ring[4096];
    tcpsm_conn *c, *d;
    uint32_t ev = 0;
    tcpsm_ret l;

    START();
    sw.cfg.rcv_ring = sw.cfg.snd_ring = 0;
    sw.cfg.conn.rcv_promise = 4096;
    sw.by_hand = 1;
    UP();
    l = LISTENER(80, 0, 0);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN_RET(TCPSM_E_RING, "PA 1 ack 1 len 100");
    c = w.in.conn;
    CHECK_EQ(tcpsm_attach(c, TCPSM_RECEIVE, ring, sizeof ring, NULL), 0);
    IN("PA 1 ack 1 len 100");
    CHECK(tcpsm_stack_next(sw.st, &ev) == NULL); /* not ours yet */
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, l), 0);
    OUT("RA 1 ack 101");
    NONE();
    CHECK_EQ(INFO(conns), 1);
    d = tcpsm_stack_next(sw.st, &ev);
    CHECK(d == c);
    CHECK_EQ(ev, TCPSM_EV_DONE);
    CHECK(tcpsm_stack_next(sw.st, &ev) == NULL);
    CHECK_EQ(INFO(conns), 0);
    CHECK_EQ(tcpsm_stack_check(sw.st), 0);
    CHECK_EQ(tcpsm_stack_deadline(sw.st), TCPSM_NEVER);
}

/* The third ACK of a handshake that began with a listener which is gone,
   its number taken by another one: not the other's connection. */
TEST(new_listener_does_not_inherit)
{
    tcpsm_ret l, m;

    START();
    UP();
    l = LISTENER(80, 0, 0);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, l), 0);
    m = LISTENER(81, 0, 0);
    (void)m;
    DRAIN();
    IN_ANY("A 1 ack 1");
    CHECK(tcpsm_stack_accept(sw.st, NULL) == NULL);
    CHECK_EQ(INFO(conns), 0);
}

/* --- addresses --- */

TEST(address_must_be_ours)
{
    START();
    UP();
    LISTENER(80, 0, 0);
    w.tuple.local[3] = 77;
    IN_NOTHING(TCPSM_DROP_NOT_MINE, "S 0 mss 1000");
    IN_NOTHING(TCPSM_DROP_NOT_MINE, "A 0 ack 1"); /* and no reset */
    CHECK_EQ(INFO(resets), 0);
    CHECK_EQ(stackwire_address("10.0.0.77", 4, 0, 24, 1), 0);
    CHECK_GE(who_gets_it(), 0);
    CHECK_EQ(stackwire_address("10.0.0.77", 4, 0, 24, 0), 0);
    CHECK_EQ(who_gets_it(), -2);
    CHECK_EQ(stackwire_address("10.0.0.77", 4, 0, 24, 0), TCPSM_E_NONE);
}

TEST(addresses_are_as_many_as_configured)
{
    START();
    sw.cfg.addresses = 3;
    UP(); /* two */
    CHECK_EQ(stackwire_address("10.0.0.3", 4, 0, 24, 1), 0);
    CHECK_EQ(stackwire_address("10.0.0.4", 4, 0, 24, 1), TCPSM_E_SPACE);
    CHECK_EQ(INFO(addresses), 3);
    /* the same again is not another one */
    CHECK_LE(stackwire_address("10.0.0.3", 4, 0, 24, 1), 0);
    CHECK_EQ(INFO(addresses), 3);
    CHECK_EQ(stackwire_address("10.0.0.1", 4, 0, 24, 0), 0);
    CHECK_EQ(stackwire_address("10.0.0.4", 4, 0, 24, 1), 0);
    CHECK_EQ(tcpsm_stack_check(sw.st), 0);
}

TEST(address_refuses_nonsense)
{
    tcpsm_tuple t;

    START();
    UP();
    CHECK_EQ(tcpsm_stack_address(sw.st, NULL, 24, 1), TCPSM_E_ARG);
    CHECK_EQ(stackwire_address("0.0.0.0", 4, 0, 24, 1), TCPSM_E_ARG);
    CHECK_EQ(stackwire_address("127.0.0.1", 4, 0, 8, 1), TCPSM_E_ARG);
    CHECK_EQ(stackwire_address("224.0.0.5", 4, 0, 24, 1), TCPSM_E_ARG);
    CHECK_EQ(stackwire_address("255.255.255.255", 4, 0, 24, 1), TCPSM_E_ARG);
    CHECK_EQ(stackwire_address("10.0.0.3", 4, 0, 33, 1), TCPSM_E_ARG);
    CHECK_EQ(stackwire_address("fd00::3", 6, 0, 129, 1), TCPSM_E_ARG);
    CHECK_EQ(stackwire_address("fd00::3", 6, 0, 128, 1), 0);
    t = name("10.0.0.3", 4, 0, 0);
    t.family = 0;
    CHECK_EQ(tcpsm_stack_address(sw.st, &t, 24, 1), TCPSM_E_ARG);
}

TEST(connections_stay_when_their_address_goes)
{
    tcpsm_conn *c;

    START();
    UP();
    LISTENER(80, 0, 0);
    c = HANDSHAKE("mss 1000");
    CHECK_EQ(stackwire_address("10.0.0.1", 4, 0, 24, 0), 0);
    IN("PA 1 ack 1 len 5");
    GOT(c, 5);
    SENT(c, 5);
    OUT("PA 1 ack 6 len 5");
}

/* Foreign source and destination addresses that no host has (RFC 1122
   s3.2.1.3, s4.2.3.10): silently, SYN or not. */
static void no_answer_v4(const char *src, const char *dst)
{
    static const char *const text[] = {"S 0 mss 1000", "A 0 ack 5",
                                       "SA 0 ack 5", "F 0", "R 0"};
    uint8_t s[4], d[4];
    unsigned v[4];
    uint32_t i, k;

    CONTEXT("%s to %s", src, dst);
    if (sscanf(src, "%u.%u.%u.%u", v, v + 1, v + 2, v + 3) != 4)
        FAIL("address");
    for (k = 0; k < 4; k++)
        s[k] = (uint8_t)v[k];
    if (sscanf(dst, "%u.%u.%u.%u", v, v + 1, v + 2, v + 3) != 4)
        FAIL("address");
    for (k = 0; k < 4; k++)
        d[k] = (uint8_t)v[k];
    w.src = s;
    w.dst = d;
    for (i = 0; i < sizeof text / sizeof *text; i++) {
        IN_ANY("%s", text[i]);
        CHECKF(w.in.drop == TCPSM_DROP_ADDRESS, "%s to %s: %s: drop %d", src,
               dst, text[i], w.in.drop);
        CHECKF(stackwire_next_out() == 0, "%s to %s: %s is answered", src,
               dst, text[i]);
    }
    CHECK_EQ(INFO(syns), 0);
    CHECK_EQ(INFO(conns), 0);
    w.src = w.dst = NULL;
}

static void no_answers(uint32_t flags)
{
    START();
    sw.cfg.flags = flags;
    UP();
    LISTENER(80, 0, TCPSM_LISTEN_ANY_ZONE);
    no_answer_v4("10.0.0.2", "255.255.255.255");
    no_answer_v4("10.0.0.2", "224.0.0.1");
    no_answer_v4("10.0.0.2", "239.255.255.255");
    no_answer_v4("10.0.0.2", "240.0.0.1");
    no_answer_v4("10.0.0.2", "0.0.0.0");
    no_answer_v4("10.0.0.2", "127.0.0.1");
    no_answer_v4("10.0.0.2", "10.0.0.255"); /* directed */
    no_answer_v4("0.0.0.0", "10.0.0.1");
    no_answer_v4("0.1.2.3", "10.0.0.1");
    no_answer_v4("127.0.0.1", "10.0.0.1");
    no_answer_v4("127.255.3.1", "10.0.0.1");
    no_answer_v4("224.0.0.1", "10.0.0.1");
    no_answer_v4("255.255.255.255", "10.0.0.1");
    no_answer_v4("10.0.0.255", "10.0.0.1");
}

TEST(addresses_of_nobody_are_not_answered)
{
    no_answers(0);
}

TEST(addresses_of_nobody_promiscuous_or_not)
{
    no_answers(TCPSM_PROMISCUOUS);
}

static void no_answer_v6(int src, uint8_t first, uint8_t last)
{
    static const char *const text[] = {"S 0 mss 1000", "A 0 ack 5"};
    uint8_t a[16] = {0};
    uint32_t i;

    a[0] = first;
    a[15] = last;
    CONTEXT("%s %02x00::%02x", src ? "from" : "to", first, last);
    if (src)
        w.src = a;
    else
        w.dst = a;
    for (i = 0; i < sizeof text / sizeof *text; i++) {
        IN_ANY("%s", text[i]);
        CHECK_EQ(w.in.drop, TCPSM_DROP_ADDRESS);
        CHECK(stackwire_next_out() == 0);
    }
    w.src = w.dst = NULL;
}

TEST(ipv6_addresses_of_nobody_are_not_answered)
{
    uint32_t flags;
    int src;

    for (flags = 0; flags < 2; flags++)
        for (src = 0; src < 2; src++) {
            START6();
            sw.cfg.flags = flags ? TCPSM_PROMISCUOUS : 0;
            UP();
            LISTENER(80, 0, 0);
            no_answer_v6(src, 0, 0);
            no_answer_v6(src, 0, 1);
            no_answer_v6(src, 0xff, 1);
        }
}

TEST(loopback_addresses_where_they_are_welcome)
{
    START();
    sw.cfg.conn.flags |= TCPSM_LOOPBACK;
    UP();
    CHECK_EQ(stackwire_address("127.0.0.1", 4, 0, 8, 1), 0);
    LISTENER(80, 0, 0);
    w.tuple.local[0] = w.tuple.remote[0] = 127;
    w.tuple.local[3] = 1;
    w.tuple.remote[3] = 3;
    CHECK_GE(who_gets_it(), 0);
    /* all else as before */
    no_answer_v4("10.0.0.2", "255.255.255.255");
    no_answer_v4("224.0.0.1", "10.0.0.1");
    no_answer_v4("0.0.0.0", "127.0.0.1");
}

TEST(ipv6_loopback_where_it_is_welcome)
{
    tcpsm_tuple t;

    START6();
    sw.cfg.conn.flags |= TCPSM_LOOPBACK;
    UP();
    memset(&t, 0, sizeof t);
    t.family = 6;
    t.local[15] = 1;
    CHECK_EQ(tcpsm_stack_address(sw.st, &t, 128, 1), 0);
    LISTENER(80, 0, 0);
    memcpy(w.tuple.local, t.local, 16);
    memcpy(w.tuple.remote, t.local, 16); /* ::1 to ::1, other ports */
    CHECK_GE(who_gets_it(), 0);
}

TEST(broadcast_is_by_prefix)
{
    START();
    sw.cfg.addresses = 8;
    sw.no_address = 1;
    UP();
    LISTENER(80, 0, 0);
    CHECK_EQ(stackwire_address("172.16.5.6", 4, 0, 20, 1), 0);
    no_answer_v4("10.0.0.2", "172.16.15.255");
    no_answer_v4("172.16.15.255", "172.16.5.6");
    /* these are hosts */
    w.tuple = name("172.16.5.6", 4, 80, 0);
    w.tuple.remote_port = 4000;
    memcpy(w.tuple.remote, "\xac\x10\x05\xff", 4);
    CHECK_GE(who_gets_it(), 0);
    memcpy(w.tuple.remote, "\xac\x10\x1f\xff", 4);
    CHECK_GE(who_gets_it(), 0);
}

/* RFC 3021: both addresses of a /31 are hosts; and of a /32 the one. */
TEST(host_routes_have_no_broadcast)
{
    START();
    sw.cfg.addresses = 8;
    sw.no_address = 1;
    UP();
    LISTENER(80, 0, 0);
    CHECK_EQ(stackwire_address("192.0.2.6", 4, 0, 31, 1), 0);
    w.tuple = name("192.0.2.6", 4, 80, 0);
    w.tuple.remote_port = 4000;
    memcpy(w.tuple.remote, "\xc0\x00\x02\x07", 4);
    CHECK_GE(who_gets_it(), 0);
    CHECK_EQ(stackwire_address("192.0.2.9", 4, 0, 31, 1), 0);
    w.tuple.local[3] = 9;
    w.tuple.remote[3] = 8;
    CHECK_GE(who_gets_it(), 0);
    CHECK_EQ(stackwire_address("192.0.2.33", 4, 0, 32, 1), 0);
    w.tuple.local[3] = 33;
    CHECK_GE(who_gets_it(), 0);
    CHECK_EQ(stackwire_address("192.0.2.35", 4, 0, 0, 1), 0); /* itself */
    w.tuple.local[3] = 35;
    CHECK_GE(who_gets_it(), 0);
    memcpy(w.tuple.remote, "\xc8\xff\xff\xff", 4);
    CHECK_GE(who_gets_it(), 0);
}

TEST(broadcast_of_another_zone_is_a_host_here)
{
    START();
    UP();
    LISTENER(80, 0, 0);
    CHECK_EQ(stackwire_address("172.16.0.1", 4, 7, 24, 1), 0);
    memcpy(w.tuple.remote, "\xac\x10\x00\xff", 4);
    CHECK_GE(who_gets_it(), 0);
}

TEST(ipv6_has_no_broadcast)
{
    START6();
    UP();
    LISTENER(80, 0, 0);
    memset(w.tuple.remote + 8, 0xFF, 8);
    CHECK_GE(who_gets_it(), 0);
}

TEST(promiscuous_takes_every_destination)
{
    tcpsm_conn *c;
    tcpsm_tuple t;

    START();
    sw.cfg.flags = TCPSM_PROMISCUOUS;
    sw.no_address = 1;
    UP();
    LISTENER(80, 0, 0);
    memcpy(w.tuple.local, "\x08\x08\x04\x04", 4);
    c = HANDSHAKE("mss 1000");
    tcpsm_name(c, &t);
    CHECK_MEM(t.local, w.tuple.local, 16);
    w.tuple.local_port = 81;
    IN_ANY("S 0 mss 1000");
    OUT("RA * ack 1");
}

/* --- LAND, and a connection to itself --- */

TEST(land_is_refused)
{
    START();
    UP();
    LISTENER(80, 0, 0);
    w.tuple = name("10.0.0.1", 4, 80, 0);
    memcpy(w.tuple.remote, w.tuple.local, 4);
    w.tuple.remote_port = 80;
    IN_NOTHING(TCPSM_DROP_ADDRESS, "S 0 mss 1000");
    IN_NOTHING(TCPSM_DROP_ADDRESS, "A 0 ack 5");
    IN_NOTHING(TCPSM_DROP_ADDRESS, "SA 0 ack 5");
    CHECK_EQ(INFO(syns), 0);
    w.tuple.remote_port = 81; /* from ourselves, but not that */
    CHECK_GE(who_gets_it(), 0);
}

/* Gives what was sent back to the stack. */
static void loop_back(void)
{
    static uint8_t copy[PAIR_TRAIN];
    uint8_t src[16], dst[16];
    tcpsm_in in;

    memcpy(copy, sw.out + 1, sw.out_len);
    memcpy(src, sw.o.tuple.local, 16);
    memcpy(dst, sw.o.tuple.remote, 16);
    memset(&in, 0, sizeof in);
    in.src = src;
    in.dst = dst;
    in.data = copy;
    in.len = sw.out_len;
    in.family = sw.o.tuple.family;
    in.zone = sw.o.tuple.zone;
    CHECK_EQ(tcpsm_stack_input(sw.st, &in, w.p.now), 0);
    stackwire__touched();
}

static int loop_all(int limit)
{
    int n = 0;

    while (n < limit && stackwire_next_out() != 0) {
        loop_back();
        n++;
    }
    return n;
}

TEST(connection_to_itself)
{
    tcpsm_tuple t = name("10.0.0.1", 4, 5000, 0);
    tcpsm_conn *c;
    uint8_t got[8];

    START();
    UP();
    memcpy(t.remote, t.local, 4);
    t.remote_port = 5000;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
    CHECK_LT(loop_all(100), 100);
    CHECK_EQ(tcpsm_state(c), TCPSM_ESTABLISHED);
    CHECK_EQ(tcpsm_send(c, "hello", 5, 0), 5);
    CHECK_LT(loop_all(100), 100);
    w.p.now += 100000;
    CHECK_LT(loop_all(100), 100);
    CHECK_EQ(tcpsm_receive(c, got, 8), 5);
    CHECK_MEM(got, "hello", 5);
    CHECK_EQ(tcpsm_shutdown(c), 0);
    CHECK_LT(loop_all(100), 100);
    w.p.now += 100000;
    CHECK_LT(loop_all(100), 100);
    CHECK_EQ(tcpsm_state(c), TCPSM_CLOSED);
    CHECK_EQ(tcpsm_error(c), 0);
    CHECK_EQ(INFO(timewaits), 1);
}

TEST(two_ends_in_one_stack)
{
    tcpsm_tuple t = name("10.0.0.1", 4, 5000, 0);
    tcpsm_conn *c, *d;
    uint8_t got[8];

    START();
    UP();
    LISTENER(80, 0, 0);
    memcpy(t.remote, t.local, 4);
    t.remote_port = 80;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
    CHECK_LT(loop_all(100), 100);
    CHECK_EQ(tcpsm_state(c), TCPSM_ESTABLISHED);
    d = ACCEPT();
    CHECK(c != d);
    CHECK_EQ(tcpsm_send(c, "hello", 5, 0), 5);
    CHECK_EQ(tcpsm_close(c), 0);
    CHECK_LT(loop_all(100), 100);
    CHECK_EQ(tcpsm_receive(d, got, 8), 5);
    CHECK_EQ(tcpsm_close(d), 0);
    CHECK_LT(loop_all(100), 100);
    w.p.now += 100000;
    CHECK_LT(loop_all(100), 100);
    CHECK_EQ(tcpsm_state(c), TCPSM_CLOSED);
    CHECK_EQ(tcpsm_state(d), TCPSM_CLOSED);
    CHECK_EQ(INFO(timewaits), 1);
}

/* --- connect: addresses and ports (RFC 6056) --- */

static tcpsm_tuple to(uint8_t host, uint16_t port)
{
    tcpsm_tuple t;

    memset(&t, 0, sizeof t);
    t.family = 4;
    t.remote[0] = 10;
    t.remote[3] = host;
    t.remote_port = port;
    return t;
}

TEST(connect_chooses_the_address_by_prefix)
{
    static const struct {
        uint8_t remote[4], local[4];
    } row[] = {{{10, 0, 0, 5}, {10, 0, 0, 1}},
               {{10, 0, 7, 5}, {10, 0, 7, 1}},
               {{10, 0, 7, 200}, {10, 0, 7, 129}},
               {{172, 16, 4, 200}, {172, 16, 4, 1}}}; /* just so */
    tcpsm_conn *c;
    tcpsm_tuple t;
    uint32_t i;

    START();
    sw.cfg.addresses = 8;
    sw.cfg.conns = 16;
    UP();
    CHECK_EQ(stackwire_address("10.0.7.1", 4, 0, 24, 1), 0);
    CHECK_EQ(stackwire_address("10.0.7.129", 4, 0, 25, 1), 0);
    CHECK_EQ(stackwire_address("10.0.7.130", 4, 7, 25, 1), 0);
    CHECK_EQ(stackwire_address("172.16.4.1", 4, 0, 24, 1), 0);
    for (i = 0; i < 4; i++) {
        t = to(1, 80);
        memcpy(t.remote, row[i].remote, 4);
        CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
        tcpsm_name(c, &t);
        CHECK_MEM(t.local, row[i].local, 4);
        CHECK_EQ(t.zone, 0);
    }
    t = to(1, 80); /* nobody's network: any of ours will do */
    t.remote[0] = 99;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
    tcpsm_name(c, &t);
    CHECK_EQ(t.local[0], 10);
    t = to(1, 80);
    t.zone = 9; /* no address there */
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), TCPSM_E_NONE);
}

TEST(connect_refuses_nonsense)
{
    static const uint8_t bad[][4] = {{0, 0, 0, 0},
                                     {224, 0, 0, 1},
                                     {255, 255, 255, 255},
                                     {10, 0, 0, 255},
                                     {127, 0, 0, 1}};
    tcpsm_conn *c = NULL;
    tcpsm_tuple t;
    uint32_t i;

    START();
    UP();
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        t = to(1, 80);
        memcpy(t.remote, bad[i], 4);
        CONTEXT("to %u.%u.%u.%u", bad[i][0], bad[i][1], bad[i][2], bad[i][3]);
        CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now),
                 TCPSM_E_ARG);
    }
    for (i = 0; i < 3; i++) {
        memset(&t, 0, sizeof t); /* ::, ::1, ff00::1 */
        t.family = 6;
        t.remote_port = 80;
        t.remote[0] = i == 2 ? 0xFF : 0;
        t.remote[15] = i != 0;
        CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now),
                 TCPSM_E_ARG);
    }
    t = to(5, 0);
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), TCPSM_E_ARG);
    t = to(5, 80);
    t.family = 0;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), TCPSM_E_ARG);
    t = to(5, 80);
    t.local[7] = 1;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_connect(sw.st, NULL, NULL, &c, w.p.now),
             TCPSM_E_ARG);
    t = to(5, 80);
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, NULL, w.p.now),
             TCPSM_E_ARG);
    CHECK_EQ(INFO(conns), 0);
    CHECK_EQ(INFO(rings), 0);
}

TEST(connect_wants_room)
{
    tcpsm_conn *c;
    tcpsm_tuple t;
    int i;

    START();
    sw.cfg.conns = 4;
    sw.cfg.rings = 2;
    UP();
    for (i = 0; i < 2; i++) {
        t = to(5, 80);
        CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
    }
    t = to(5, 80);
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now),
             TCPSM_E_SPACE);
    CHECK_EQ(INFO(conns), 2);
}

TEST(connect_refuses_a_name_in_use)
{
    tcpsm_conn *c, *d;
    tcpsm_tuple t;

    START();
    UP();
    LISTENER(80, 0, 0);
    t = to(5, 80);
    t.local_port = 5000;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &d, w.p.now),
             TCPSM_E_STATE);
    t.remote[3] = 6;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &d, w.p.now), 0);
    DRAIN();
    /* half-open counts, too */
    PEER(0);
    IN("S 0 mss 1000");
    DRAIN();
    t = w.tuple;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &d, w.p.now),
             TCPSM_E_STATE);
    CHECK_EQ(tcpsm_stack_check(sw.st), 0);
}

static uint16_t port_to(uint8_t host, uint16_t port, tcpsm_conn **c)
{
    tcpsm_tuple t = to(host, port);
    tcpsm_ret r = tcpsm_stack_connect(sw.st, &t, NULL, c, w.p.now);

    if (r)
        FAIL("connect: %d", r);
    tcpsm_name(*c, &t);
    return t.local_port;
}

static void gone(tcpsm_conn *c)
{
    CHECK_EQ(tcpsm_abort(c), 0);
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    while (stackwire_next_out() != 0)
        continue;
}

TEST(ephemeral_ports_are_in_range_and_distinct)
{
    static uint8_t seen[65536];
    tcpsm_conn *c;
    int i;

    START();
    sw.cfg.conns = 2000;
    sw.cfg.rcv_ring = sw.cfg.snd_ring = 128;
    sw.unchecked = 1;
    sw.by_hand = 1;
    UP();
    memset(seen, 0, sizeof seen);
    for (i = 0; i < 2000; i++) {
        uint16_t p = port_to(5, 80, &c);

        CHECK_GE(p, 49152);
        CHECK_EQ(seen[p], 0);
        seen[p] = 1;
    }
    CHECK_EQ(tcpsm_stack_check(sw.st), 0);
}

TEST(ephemeral_ports_end)
{
    tcpsm_conn *c[40], *d;
    tcpsm_tuple t;
    int i;

    START();
    sw.cfg.conns = 100;
    sw.cfg.port_first = 60000;
    sw.cfg.port_last = 60031;
    sw.cfg.rcv_ring = sw.cfg.snd_ring = 1024;
    UP();
    for (i = 0; i < 32; i++) {
        uint16_t p = port_to(5, 80, &c[i]);

        CHECK_GE(p, 60000);
        CHECK_LE(p, 60031);
    }
    t = to(5, 80);
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &d, w.p.now),
             TCPSM_E_SPACE);
    CHECK_EQ(INFO(conns), 32);
    CHECK_EQ(INFO(rings), 32);
    port_to(6, 80, &d); /* another destination: the same ports */
    port_to(5, 81, &d);
    /* the one that comes free is found */
    tcpsm_name(c[17], &t);
    gone(c[17]);
    CHECK_EQ(port_to(5, 80, &d), t.local_port);
}

TEST(ephemeral_port_at_the_top_of_the_range)
{
    tcpsm_conn *c;
    int i, last = 0;

    START();
    sw.cfg.conns = 100;
    sw.cfg.port_first = 65533;
    sw.cfg.port_last = 65535;
    UP();
    for (i = 0; i < 3; i++) {
        uint16_t p = port_to(5, 80, &c);

        CHECK_GE(p, 65533);
        last |= p == 65535;
    }
    CHECK(last);
}

TEST(ephemeral_ports_avoid_syns_and_time_waits)
{
    tcpsm_conn *c;
    tcpsm_tuple t;
    int i;

    START();
    sw.cfg.conns = 8;
    sw.cfg.port_first = 60000;
    sw.cfg.port_last = 60003;
    UP();
    LISTENER(0, 0, 0);
    /* one half-open, one established, one in TIME-WAIT, all from
       10.0.0.2:80 to our ports */
    for (i = 0; i < 3; i++) {
        PEER(i);
        w.tuple.remote[3] = 2;
        w.tuple.remote_port = 80;
        w.tuple.local_port = (uint16_t)(60000 + i);
        if (i == 0) {
            IN("S 0 mss 1000");
            DRAIN();
            continue;
        }
        c = HANDSHAKE("mss 1000");
        if (i == 1)
            continue;
        CHECK_EQ(tcpsm_close(c), 0);
        OUT("FA 1 ack 1");
        IN("FA 1 ack 2");
        OUT("A 2 ack 2");
        CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
        NONE();
    }
    CHECK_EQ(INFO(timewaits), 1);
    CHECK_EQ(INFO(syns), 1);
    CHECK_EQ(port_to(2, 80, &c), 60003);
    t = to(2, 80);
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now),
             TCPSM_E_SPACE);
}

/* RFC 6056 s3.3.3: where a sequence begins, who does not know the key
   cannot tell; and one destination says nothing about another. */
TEST(ephemeral_ports_are_not_predictable)
{
    static const uint8_t keys[] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint16_t first[8], other[8], later[8];
    uint32_t i, k, same = 0, near_by = 0;
    tcpsm_conn *c;

    for (i = 0; i < 8; i++) {
        START();
        memset(sw.cfg.conn.key, keys[i], 16);
        sw.cfg.conns = 64;
        UP();
        first[i] = port_to(5, 80, &c);
        other[i] = port_to(6, 80, &c);
        later[i] = port_to(5, 81, &c);
    }
    for (i = 0; i < 8; i++) {
        near_by += (uint16_t)(other[i] - first[i] + 50) < 100;
        near_by += (uint16_t)(later[i] - first[i] + 50) < 100;
        for (k = 0; k < i; k++)
            same += (uint16_t)(first[i] - first[k] + 50) < 100;
    }
    CHECK_LE(near_by, 2u);
    CHECK_LE(same, 2u);
}

/* A port is not used again at once: the peer may still be in TIME-WAIT. */
TEST(ephemeral_ports_are_not_reused_soon)
{
    static uint8_t seen[65536];
    tcpsm_conn *c;
    int i, again = 0;

    START();
    sw.unchecked = 1;
    UP();
    memset(seen, 0, sizeof seen);
    for (i = 0; i < 500; i++) {
        uint16_t p = port_to(5, 80, &c);

        again += seen[p];
        seen[p] = 1;
        gone(c);
        w.p.now += 10000;
    }
    CHECK_LE(again, 20);
}

TEST(port_range_configured_wrong)
{
    START();
    sw.cfg.port_first = 60001;
    sw.cfg.port_last = 60000;
    CHECK_EQ(tcpsm_stack_size(&sw.cfg), 0);
    sw.cfg.port_first = 5;
    sw.cfg.port_last = 0;
    CHECK_EQ(tcpsm_stack_size(&sw.cfg), 0);
}

TEST(port_zero_is_never_chosen)
{
    tcpsm_conn *c;
    tcpsm_tuple t;
    int i;

    START();
    sw.cfg.conns = 8;
    sw.cfg.port_last = 3; /* from 0 */
    UP();
    for (i = 0; i < 3; i++)
        CHECK_NE(port_to(5, 80, &c), 0);
    t = to(5, 80);
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now),
             TCPSM_E_SPACE);
}

TEST(ports_of_listeners_are_not_chosen)
{
    tcpsm_conn *c;
    int i;

    START();
    sw.cfg.conns = 8;
    sw.cfg.port_first = 60000;
    sw.cfg.port_last = 60003;
    UP();
    LISTENER(60002, 0, 0);
    for (i = 0; i < 3; i++)
        CHECK_NE(port_to(5, 80, &c), 60002);
}

/* Algorithm 3 or 4, not 1: one destination's ports run on, whatever the
   others do (RFC 6056 s3.3.3). */
TEST(ephemeral_ports_go_round)
{
    static uint8_t seen[65536];
    tcpsm_conn *c;
    int i;

    START();
    sw.cfg.port_first = 60000;
    sw.cfg.port_last = 60099;
    sw.unchecked = 1;
    UP();
    memset(seen, 0, sizeof seen);
    for (i = 0; i < 100; i++) {
        uint16_t p = port_to(5, 80, &c);

        CHECK_EQ(seen[p], 0);
        seen[p] = 1;
        gone(c);
    }
}

TEST(iss_of_a_connect_is_beyond_and_keyed)
{
    tcpsm_conn *c;
    uint32_t a;
    tcpsm_tuple t;
    int i;

    START();
    UP();
    t = to(5, 80);
    t.local_port = 5000;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
    CHECK(stackwire_next_out() != 0);
    a = w.seg.seq;
    gone(c);
    for (i = 0; i < 5; i++) {
        w.p.now += 1000000;
        CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
        CHECK(stackwire_next_out() != 0);
        CHECK_EQ(w.seg.seq - a, 250000u * (uint32_t)(i + 1));
        gone(c);
    }
}
