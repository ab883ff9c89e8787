/* A stack at the edges of its room and of what may be done to what it owns:
   a guessed ACK for a SYN that waits for its owner, places that come back, a
   name that cannot be had, and lengths that no IP header can say. */

#include "test.h"

#include "tcpsm.h"

#include "stackwire.h"

/* A SYN that is held (TCPSM_LISTEN_ASK) has been answered by nobody: an ACK
   that is right can only be a guess, and opens nothing. */
static uint32_t held(int answer)
{
    tcpsm_tuple who;
    tcpsm_ret n;

    START();
    UP();
    LISTENER(80, 0, TCPSM_LISTEN_ASK);
    IN("S 0 mss 1000");
    NONE();
    if (!answer)
        return 0;
    n = tcpsm_stack_ask(sw.st, &who);
    CHECK_GE(n, 0);
    CHECK_EQ(tcpsm_stack_answer(sw.st, n, TCPSM_ACCEPT), 0);
    OUT("SA 0 ack 1 mss 1460");
    return w.seg.seq;
}

TEST(RFC9293_MUST_2_a_held_syn_is_not_opened_by_a_guess)
{
    uint32_t iss = held(1);

    held(0);
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack %u", iss + 1 - w.iss);
    OUT("R %u", iss + 1 - w.iss);
    NONE();
    CHECK_EQ(INFO(conns), 0);
    CHECK_EQ(INFO(held), 1); /* and goes on waiting */
}

/* What has no rings of its own yet is served no sooner: fewer rings than
   connections, and all of them lent. */
TEST(a_connect_without_a_ring_has_no_room)
{
    tcpsm_conn *c;
    tcpsm_tuple t;
    uint32_t i;

    START();
    sw.cfg.conns = 3;
    sw.cfg.rings = 2;
    UP();
    memset(&t, 0, sizeof t);
    t.family = 4;
    t.remote[0] = 10, t.remote[3] = 99;
    t.remote_port = 7;
    for (i = 0; i < 2; i++)
        CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now),
             TCPSM_E_SPACE);
    stackwire__touched();
    CHECK_EQ(INFO(conns), 2);
    tcpsm_stack_forget(sw.st, c);
    DRAIN();
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
}

/* RFC7413-6: a served connection that is taken elsewhere before the
   handshake ends makes room for the next one. */
TEST(RFC7413_6_forgotten_is_pending_no_more)
{
    char cookie[3][64];
    tcpsm_conn *c;
    int k, i;

    START();
    sw.cfg.conns = 8;
    sw.cfg.fastopen_pending = 1;
    sw.cfg.conn.flags = WIRE_PLAIN | TCPSM_FASTOPEN;
    UP();
    LISTENER(80, 0, 0);
    for (k = 0; k < 3; k++) {
        const uint8_t *p;

        PEER(k);
        IN("S 0 mss 1000 raw 22020101");
        CHECK(stackwire_next_out() != 0);
        stackwire__learn();
        p = sw.out + 1 + 20;
        while (*p != 34) {
            CHECK(p < sw.out + 1 + w.seg.hdr_len);
            p += *p == 1 ? 1 : p[1];
        }
        CHECK_EQ(p[1], 10);
        snprintf(cookie[k], sizeof cookie[k], "raw 220A");
        for (i = 0; i < 8; i++)
            snprintf(cookie[k] + 8 + 2 * i, 3, "%02X", p[2 + i]);
        IN("R 1");
        FRESH();
    }
    PEER(0);
    IN("S 0 mss 1000 len 100 %s0101", cookie[0]);
    OUT("SA 0 ack 101 mss 1460");
    c = ACCEPT();
    GOT(c, 100);
    PEER(1);
    IN_ANY("S 0 mss 1000 len 100 %s0101", cookie[1]);
    OUT("SA 0 ack 1 mss 1460"); /* one is the limit */
    CHECK_EQ(tcpsm_stack_forget(sw.st, c), 0);
    stackwire__touched();
    NONE(); /* it is looked at for the last time */
    PEER(2);
    IN("S 0 mss 1000 len 100 %s0101", cookie[2]);
    OUT("SA 0 ack 101 mss 1460");
}

/* A connection that a stack owns is opened and woken by the stack alone. */
TEST(what_a_stack_owns_is_its_own)
{
    tcpsm_facts f;
    tcpsm_wake list;
    tcpsm_conn *c, was;

    START();
    UP();
    LISTENER(80, 0, 0);
    c = HANDSHAKE("mss 1000");
    memset(&f, 0, sizeof f);
    memset(&list, 0, sizeof list);
    was = *c;
    CHECK_EQ(tcpsm_open_from(c, &w.tuple, &f, w.p.now), TCPSM_E_OWNED);
    tcpsm_set_wake(c, &list);
    CHECK_MEM(&was, c, sizeof was);
    CHECK(tcpsm_wake_pop(&list) == NULL);
}

/* The configuration of its connections is checked as tcpsm_init does. */
TEST(a_stack_of_impossible_connections)
{
    static uint64_t memory[32768];
    tcpsm_stack *st = NULL;

    START();
    UP();
    sw.cfg.conn.dscp = 64;
    CHECK_EQ(tcpsm_stack_init(&st, memory, sizeof memory, &sw.cfg, 0),
             TCPSM_E_ARG);
    CHECK(st == NULL);
    sw.cfg.conn.dscp = 63;
    CHECK_EQ(tcpsm_stack_init(&st, memory, sizeof memory, &sw.cfg, 0), 0);
}

/* RFC 791, RFC 8200: the length field has 16 bits, which count the header
   in IPv4 and not in IPv6. */
TEST(ip_build_knows_what_the_length_field_holds)
{
    uint8_t p[64];
    tcpsm_out o;

    memset(&o, 0, sizeof o);
    o.tuple.family = 6;
    CHECK_EQ(tcpsm_ip_build(p + 40, 65536, &o), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_ip_build(p + 40, 65535, &o), 40);
    CHECK_EQ(p[4] << 8 | p[5], 65535);
    o.tuple.family = 4;
    CHECK_EQ(tcpsm_ip_build(p + 40, 65516, &o), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_ip_build(p + 40, 65515, &o), 20);
    CHECK_EQ(p[22] << 8 | p[23], 65535);
}

/* A size that no table may have has no memory that would hold it. */
TEST(a_stack_of_impossible_sizes)
{
    tcpsm_stack_config cfg;

    START();
    cfg = sw.cfg;
    CHECK_NE(tcpsm_stack_size(&cfg), 0);
    cfg.listeners = 0xFFFF;
    CHECK_EQ(tcpsm_stack_size(&cfg), 0);
    cfg.listeners = 0xFFFE;
    CHECK_NE(tcpsm_stack_size(&cfg), 0);
    cfg = sw.cfg;
    cfg.addresses = 0xFFFF;
    CHECK_EQ(tcpsm_stack_size(&cfg), 0);
    cfg.addresses = 0xFFFE;
    CHECK_NE(tcpsm_stack_size(&cfg), 0);
    cfg = sw.cfg;
    cfg.flags = 16;
    CHECK_EQ(tcpsm_stack_size(&cfg), 0);
}

/* A number is of a connection that this stack owns, and of no other. */
TEST(a_ref_is_of_this_stack)
{
    static tcpsm_conn other;
    tcpsm_conn *c;

    START();
    UP();
    LISTENER(80, 0, 0);
    c = HANDSHAKE("mss 1000");
    CHECK_EQ(tcpsm_stack_ref(sw.st, &other), 0);
    CHECK(tcpsm_stack_deref(sw.st, tcpsm_stack_ref(sw.st, c)) == c);
}

/* "all connections that match (zero: any)": each field alone decides. */
TEST(abort_by_each_field_alone)
{
    tcpsm_tuple t, name;
    tcpsm_conn *c;
    int k;

    START();
    UP();
    LISTENER(80, 0, 0);
    c = HANDSHAKE("mss 1000");
    tcpsm_name(c, &name);
    for (k = 0; k < 6; k++) {
        CONTEXT("field %d", k);
        memset(&t, 0, sizeof t);
        if (k == 0)
            t.family = 6;
        else if (k == 1)
            t.zone = 7;
        else if (k == 2)
            t.local_port = 81;
        else if (k == 3)
            t.remote_port = 9;
        else
            (k == 4 ? t.local : t.remote)[0] = 99;
        CHECK_EQ(tcpsm_stack_abort(sw.st, &t), 0);
        CHECK_EQ(tcpsm_state(c), TCPSM_ESTABLISHED);
    }
    t = name;
    CHECK_EQ(tcpsm_stack_abort(sw.st, &t), 1);
    CHECK_EQ(tcpsm_state(c), TCPSM_CLOSED);
    stackwire__touched();
    OUT("RA 1 ack 1");
}

/* RFC 9293 s3.10.7.4: what TIME-WAIT answers has the window that it had,
   also when that was none: the reader never read. */
TEST(a_time_wait_with_a_full_ring_offers_nothing)
{
    tcpsm_conn *c;

    START();
    sw.cfg.rcv_ring = 1024;
    UP();
    LISTENER(80, 0, 0);
    c = HANDSHAKE("mss 1000");
    IN("PA 1 ack 1 len 1000");
    IN("PA 1001 ack 1 len 24");
    DRAIN();
    CHECK_EQ(tcpsm_shutdown(c), 0);
    stackwire__touched();
    OUT("FA 1 ack 1025 win 0");
    IN("A 1025 ack 2");
    IN("FA 1025 ack 2");
    OUT("A 2 ack 1026 win 0");
    CHECK_GE(tcpsm_stack_release(sw.st, c), 0);
    stackwire__touched();
    NONE();
    CHECK_EQ(INFO(timewaits), 1);
    WAIT(1);
    IN_DROP(TCPSM_DROP_OLD_DATA, "FA 1025 ack 2");
    OUT("A 2 ack 1026 win 0");
}
