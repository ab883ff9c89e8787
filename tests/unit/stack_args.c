/* What every call of layer 2 says to arguments that make no sense, that it
   changes nothing by it, and what the refusals are that need no nonsense:
   no room, no address, a name in use. */

#include "test.h"

#include "tcpsm.h"

#include "stackwire.h"

static uint8_t memory[65536], copy[65536];

static void begin(void)
{
    START();
    UP();
    LISTENER(80, 0, 0);
}

/* The stack is as it was. */
#define UNCHANGED(call, result)                                              \
    do {                                                                     \
        CHECK_LE(sw.size, sizeof copy);                                      \
        memcpy(copy, sw.memory, sw.size);                                    \
        CHECK_EQ(call, result);                                              \
        CHECK_MEM(copy, sw.memory, sw.size);                                 \
    } while (0)

static tcpsm_tuple somebody(void)
{
    tcpsm_tuple t;
    memset(&t, 0, sizeof t);
    t.family = 4;
    t.remote[0] = 10, t.remote[3] = 99;
    t.remote_port = 7;
    return t;
}

static void small(void)
{
    START();
    sw.cfg.conns = 2;
    sw.cfg.rcv_ring = sw.cfg.snd_ring = 1024;
    UP();
    LISTENER(80, 0, 0);
}

TEST(no_stack_is_an_argument_error)
{
    tcpsm_tuple t = somebody();
    tcpsm_conn *c;
    tcpsm_out o;
    tcpsm_in in;
    tcpsm_stack *st;
    uint32_t at = 0;

    memset(&o, 0, sizeof o);
    memset(&in, 0, sizeof in);
    o.buf = memory;
    o.cap = sizeof memory;
    CHECK_EQ(tcpsm_stack_rebase(NULL, memory, sizeof memory), TCPSM_E_ARG);
    CHECK_LT(tcpsm_stack_rebase(&st, NULL, sizeof memory), 0);
    CHECK_EQ(tcpsm_stack_address(NULL, &t, 24, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_listen(NULL, &t, 0, 0, NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_unlisten(NULL, 0), TCPSM_E_NONE);
    CHECK(tcpsm_stack_accept(NULL, NULL) == NULL);
    CHECK_EQ(tcpsm_stack_connect(NULL, &t, NULL, &c, 1), TCPSM_E_ARG);
    CHECK(tcpsm_stack_next(NULL, NULL) == NULL);
    CHECK_EQ(tcpsm_stack_release(NULL, NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_forget(NULL, NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_import(NULL, memory, 64, NULL, NULL, &c, 1),
             TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_ref(NULL, NULL), 0);
    CHECK(tcpsm_stack_deref(NULL, 1) == NULL);
    CHECK(tcpsm_stack_walk(NULL, &at) == NULL);
    CHECK_EQ(tcpsm_stack_abort(NULL, &t), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_input(NULL, &in, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_input_batch(NULL, &in, 1, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_output(NULL, &o, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_icmp(NULL, memory, 64, 4, 0, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_ip_input(NULL, memory, 40, &in, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_ip_output(NULL, &o, 1), TCPSM_E_ARG);
}

TEST(nothing_to_work_on_is_an_argument_error)
{
    tcpsm_tuple t = somebody();
    tcpsm_conn *c;
    tcpsm_out o;
    tcpsm_in in[2];
    uint32_t at = 0;

    small();
    memset(&o, 0, sizeof o);
    memset(in, 0, sizeof in);
    o.cap = sizeof memory;
    UNCHANGED(tcpsm_stack_address(sw.st, NULL, 24, 1), TCPSM_E_ARG);
    UNCHANGED(tcpsm_stack_listen(sw.st, NULL, 0, 0, NULL), TCPSM_E_ARG);
    UNCHANGED(tcpsm_stack_connect(sw.st, NULL, NULL, &c, w.p.now),
              TCPSM_E_ARG);
    UNCHANGED(tcpsm_stack_connect(sw.st, &t, NULL, NULL, w.p.now),
              TCPSM_E_ARG);
    UNCHANGED(tcpsm_stack_import(sw.st, memory, 64, NULL, NULL, NULL, 1),
              TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_ref(sw.st, NULL), 0);
    CHECK(tcpsm_stack_walk(sw.st, NULL) == NULL);
    UNCHANGED(tcpsm_stack_abort(sw.st, NULL), TCPSM_E_ARG);
    UNCHANGED(tcpsm_stack_input(sw.st, NULL, w.p.now), TCPSM_E_ARG);
    UNCHANGED(tcpsm_stack_input_batch(sw.st, NULL, 1, w.p.now), TCPSM_E_ARG);
    UNCHANGED(tcpsm_stack_input_batch(sw.st, in, 0x80000000u, w.p.now),
              TCPSM_E_ARG);
    UNCHANGED(tcpsm_stack_input_batch(sw.st, in, 2, w.p.now), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_input_batch(sw.st, NULL, 0, w.p.now), 0);
    UNCHANGED(tcpsm_stack_output(sw.st, NULL, w.p.now), TCPSM_E_ARG);
    UNCHANGED(tcpsm_stack_output(sw.st, &o, w.p.now), TCPSM_E_ARG);
    UNCHANGED(tcpsm_stack_icmp(sw.st, NULL, 64, 4, 0, w.p.now), TCPSM_E_ARG);
    UNCHANGED(tcpsm_stack_icmp(sw.st, memory, 64, 5, 0, w.p.now),
              TCPSM_E_ARG);
    UNCHANGED(tcpsm_ip_input(sw.st, NULL, 40, in, w.p.now), TCPSM_E_ARG);
    UNCHANGED(tcpsm_ip_input(sw.st, memory, 40, NULL, w.p.now), TCPSM_E_ARG);
    UNCHANGED(tcpsm_ip_output(sw.st, NULL, w.p.now), TCPSM_E_ARG);
    UNCHANGED(tcpsm_ip_output(sw.st, &o, w.p.now), TCPSM_E_ARG);
    tcpsm_stack_walk(sw.st, &at);
    CHECK_EQ(at, 2);
}

/* One connection whose segment makes no sense does not hide the others. */
TEST(batch_with_a_hole_is_refused_whole)
{
    tcpsm_in in[2];
    tcpsm_conn *c;
    begin();
    PEER(0);
    c = HANDSHAKE("mss 1000");
    wire__build("PA 1 ack 1 len 10");
    in[0] = in[1] = w.in;
    in[1].data = NULL;
    CHECK_EQ(tcpsm_stack_input_batch(sw.st, in, 2, w.p.now), TCPSM_E_ARG);
    CHECK_EQ(STATUS(c, rcv_queued), 0);
    CHECK_EQ(tcpsm_stack_input_batch(sw.st, in, 1, w.p.now), 1);
    CHECK_EQ(STATUS(c, rcv_queued), 10);
}

TEST(addresses_that_are_none)
{
    tcpsm_tuple t;
    begin();
    t = somebody();
    t.local[0] = 10, t.local[3] = 5;
    t.family = 5;
    CHECK_EQ(tcpsm_stack_address(sw.st, &t, 24, 1), TCPSM_E_ARG);
    t.family = 0;
    CHECK_EQ(tcpsm_stack_address(sw.st, &t, 24, 1), TCPSM_E_ARG);
    t.family = 4;
    CHECK_EQ(tcpsm_stack_address(sw.st, &t, 33, 1), TCPSM_E_ARG);
    t.local[4] = 1; /* IPv4 addresses are four bytes, the rest zero */
    CHECK_EQ(tcpsm_stack_address(sw.st, &t, 24, 1), TCPSM_E_ARG);
    t.local[4] = 0;
    CHECK_EQ(tcpsm_stack_address(sw.st, &t, 24, 0), TCPSM_E_NONE);
    CHECK_EQ(tcpsm_stack_address(sw.st, &t, 24, 1), 0);
    t.local[0] = 224;
    CHECK_EQ(tcpsm_stack_address(sw.st, &t, 24, 1), TCPSM_E_ARG);
    t.family = 6;
    t.local[0] = 0xFD;
    CHECK_EQ(tcpsm_stack_address(sw.st, &t, 129, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_address(sw.st, &t, 128, 1), 0);
}

TEST(listeners_that_make_no_sense)
{
    tcpsm_tuple t;
    tcpsm_config cfg;
    begin();
    memset(&t, 0, sizeof t);
    t.local_port = 81;
    CHECK_EQ(tcpsm_stack_listen(sw.st, &t, 0, 4, NULL), TCPSM_E_ARG);
    t.local[0] = 10; /* an address of no family */
    CHECK_EQ(tcpsm_stack_listen(sw.st, &t, 0, 0, NULL), TCPSM_E_ARG);
    t.local[0] = 0;
    t.remote[0] = 10;
    CHECK_EQ(tcpsm_stack_listen(sw.st, &t, 0, 0, NULL), TCPSM_E_ARG);
    t.family = 4;
    CHECK_GE(tcpsm_stack_listen(sw.st, &t, 0, 0, NULL), 0);
    t.remote[0] = 239; /* multicast */
    CHECK_EQ(tcpsm_stack_listen(sw.st, &t, 0, 0, NULL), TCPSM_E_ARG);
    t.remote[0] = 0;
    t.local[0] = 239;
    CHECK_EQ(tcpsm_stack_listen(sw.st, &t, 0, 0, NULL), TCPSM_E_ARG);
    t.local[0] = 0;
    t.family = 9;
    CHECK_EQ(tcpsm_stack_listen(sw.st, &t, 0, 0, NULL), TCPSM_E_ARG);
    t.family = 4;
    cfg = sw.cfg.conn;
    cfg.mtu = 60;
    CHECK_EQ(tcpsm_stack_listen(sw.st, &t, 0, 0, &cfg), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, 99), TCPSM_E_NONE);
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, -1), TCPSM_E_NONE);
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, 3), TCPSM_E_NONE); /* never used */
}

TEST(connects_that_make_no_sense)
{
    tcpsm_config cfg;
    tcpsm_tuple t;
    tcpsm_conn *c = NULL;
    begin();
    t = somebody();
    t.remote_port = 0;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), TCPSM_E_ARG);
    t = somebody();
    t.remote[0] = 224;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), TCPSM_E_ARG);
    t = somebody(); /* 10.0.0.255 of 10.0.0.1/24 */
    t.remote[3] = 255;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), TCPSM_E_ARG);
    t = somebody(); /* from an address that is not ours */
    t.local[0] = 10, t.local[3] = 77;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), TCPSM_E_NONE);
    t = somebody(); /* of a zone where we have none */
    t.zone = 3;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), TCPSM_E_NONE);
    t = somebody();
    cfg = sw.cfg.conn;
    cfg.mtu = 60;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, &cfg, &c, w.p.now), TCPSM_E_ARG);
    CHECK(c == NULL);
    CHECK_EQ(INFO(conns), 0);
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
    CHECK(c != NULL);
}

/* RFC 8200 s3, RFC 791 s3.1: 65535 octets behind a header of IPv6, 65515
   behind one of IPv4, wherever they lie. */
TEST(a_datagram_has_an_end)
{
    tcpsm_out o;
    memset(&o, 0, sizeof o);
    o.tuple.family = 6;
    CHECK_EQ(tcpsm_ip_build(memory + 40, 65535, &o), 40);
    CHECK_EQ(tcpsm_ip_build(memory + 40, 65536, &o), TCPSM_E_ARG);
    o.ref[0].n = 40000;
    o.ref[1].n = 25516;
    CHECK_EQ(tcpsm_ip_build(memory + 40, 20, &o), TCPSM_E_ARG);
    o.ref[1].n = 25515;
    CHECK_EQ(tcpsm_ip_build(memory + 40, 20, &o), 40);
    CHECK_EQ(memory[4] << 8 | memory[5], 65535);
    o.tuple.family = 4;
    CHECK_EQ(tcpsm_ip_build(memory + 40, 20, &o), TCPSM_E_ARG);
    o.ref[1].n = 25495;
    CHECK_EQ(tcpsm_ip_build(memory + 40, 20, &o), 20);
    CHECK_EQ(memory[22] << 8 | memory[23], 65535);
}

/* The stack is on the loopback interface, this connection may not be. */
TEST(connect_that_its_own_configuration_forbids)
{
    tcpsm_config cfg;
    tcpsm_tuple t;
    tcpsm_conn *c = NULL;
    START();
    sw.cfg.conn.flags |= TCPSM_LOOPBACK;
    UP();
    memset(&t, 0, sizeof t);
    t.family = 4;
    t.local[0] = 127, t.local[3] = 1;
    CHECK_EQ(tcpsm_stack_address(sw.st, &t, 8, 1), 0);
    t.remote[0] = 127, t.remote[3] = 2;
    t.remote_port = 7;
    cfg = sw.cfg.conn;
    cfg.flags &= ~(uint32_t)TCPSM_LOOPBACK;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, &cfg, &c, w.p.now), TCPSM_E_ARG);
    CHECK(c == NULL);
    CHECK_EQ(INFO(conns), 0);
    CHECK_EQ(INFO(rings), 0);
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
    CHECK(c != NULL);
}

TEST(connects_for_which_there_is_no_room)
{
    tcpsm_tuple t;
    tcpsm_conn *c;
    int i;
    START();
    sw.cfg.conns = 3;
    sw.cfg.rings = 1;
    UP();
    t = somebody();
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
    /* the one pair of rings is taken */
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now),
             TCPSM_E_SPACE);
    START();
    sw.cfg.conns = 3;
    sw.cfg.rcv_ring = sw.cfg.snd_ring = 0;
    UP();
    for (i = 0; i < 3; i++)
        CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now),
             TCPSM_E_SPACE);
}

/* tcpsm_stack_abort takes each part of a name as a wish; zero is none. */
TEST(abort_matches_each_part_of_a_name)
{
    tcpsm_conn *c[4];
    tcpsm_tuple t, name;
    int k, part;

    for (part = 0; part < 7; part++) {
        begin();
        LISTENER(81, 0, 0);
        for (k = 0; k < 4; k++) {
            PEER(k);
            if (k >= 2)
                w.tuple.local_port = 81;
            c[k] = HANDSHAKE("mss 1000");
        }
        DRAIN();
        memset(&t, 0, sizeof t);
        tcpsm_name(c[1], &name);
        CONTEXT("part %d", part);
        switch (part) {
        case 0:
            t.family = 6;
            break;
        case 1:
            t.zone = 5;
            break;
        case 2:
            t.local_port = 80;
            break;
        case 3:
            t.remote_port = name.remote_port;
            break;
        case 4:
            memcpy(t.remote, name.remote, 16);
            break;
        case 5:
            memcpy(t.local, name.local, 16);
            break;
        case 6:
            memcpy(t.local, name.local, 16);
            t.local[3] ^= 1;
            break;
        }
        {
            static const int want[7] = {0, 0, 2, 1, 1, 4, 0};
            CHECK_EQ(tcpsm_stack_abort(sw.st, &t), want[part]);
        }
        CHECK_EQ(tcpsm_state(c[1]) == TCPSM_CLOSED, part >= 2 && part < 6);
        CHECK_EQ(tcpsm_state(c[3]) == TCPSM_CLOSED, part == 5);
        /* those that are closed are not aborted again */
        CHECK_EQ(tcpsm_stack_abort(sw.st, &t), 0);
    }
    stackwire_down();
}
