/* The OPEN calls, their arguments, the ISN and the key: RFC 9293 sections
   3.4.1, 3.9.1.1 and 3.10.1, RFC 6528. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

static void addr(uint8_t *to, int a, int b, int c, int d)
{
    memset(to, 0, 16);
    to[0] = (uint8_t)a, to[1] = (uint8_t)b;
    to[2] = (uint8_t)c, to[3] = (uint8_t)d;
}

static tcpsm_ret try_open(const tcpsm_tuple *t)
{
    tcpsm_ret r = tcpsm_open(w.c, t, w.p.now);

    if (r == 0)
        tcpsm_abort(w.c);
    else
        CHECK_EQ(tcpsm_state(w.c), TCPSM_CLOSED);
    wire__touched();
    return r;
}

/* RFC9293-MUST-46 */
TEST(RFC9293_MUST_46_open_refuses_invalid_remotes)
{
    const uint8_t bad[][4] = {{0, 0, 0, 0},   {255, 255, 255, 255},
                              {224, 0, 0, 1}, {239, 255, 255, 250},
                              {240, 0, 0, 1}, {0, 1, 2, 3},
                              {127, 0, 0, 1}};
    tcpsm_tuple t;
    uint32_t i;

    START();
    wire__init();
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        CONTEXT("%d.%d.%d.%d", bad[i][0], bad[i][1], bad[i][2], bad[i][3]);
        t = w.tuple;
        addr(t.remote, bad[i][0], bad[i][1], bad[i][2], bad[i][3]);
        CHECK_EQ(try_open(&t), TCPSM_E_ARG);
    }
    t = w.tuple;
    t.family = 6;
    memset(t.local, 1, 16);
    memset(t.remote, 0, 16);
    CHECK_EQ(try_open(&t), TCPSM_E_ARG); /* :: */
    t.remote[15] = 1;
    CHECK_EQ(try_open(&t), TCPSM_E_ARG); /* ::1 */
    t.remote[0] = 0xFF;
    CHECK_EQ(try_open(&t), TCPSM_E_ARG); /* multicast */
    t.remote[0] = 0xFE;
    CHECK_EQ(try_open(&t), 0);
}

/* A passive OPEN with a remote is an OPEN, too. */
TEST(RFC9293_MUST_46_listen_refuses_invalid_remotes)
{
    const uint8_t bad[][4] = {
        {255, 255, 255, 255}, {224, 0, 0, 1}, {239, 255, 255, 250}};
    tcpsm_tuple t;
    uint32_t i;

    START();
    wire__init();
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        t = w.tuple;
        addr(t.remote, bad[i][0], bad[i][1], bad[i][2], bad[i][3]);
        CHECK_EQ(tcpsm_listen(w.c, &t, w.p.now), TCPSM_E_ARG);
        STATE(TCPSM_CLOSED);
    }
    t = w.tuple;
    t.family = 6;
    memset(t.local, 0, 16);
    memset(t.remote, 0xFF, 16);
    CHECK_EQ(tcpsm_listen(w.c, &t, w.p.now), TCPSM_E_ARG);
}

/* RFC9293-MUST-44: the local address is the caller's to give */
TEST(RFC9293_MUST_44_local_address)
{
    tcpsm_tuple t, *o;

    START();
    wire__init();
    t = w.tuple;
    memset(t.local, 0, 16);
    CHECK_EQ(try_open(&t), TCPSM_E_ARG);
    t = w.tuple;
    addr(t.local, 224, 0, 0, 1);
    CHECK_EQ(try_open(&t), TCPSM_E_ARG);
    t = w.tuple;
    t.local_port = 0;
    CHECK_EQ(try_open(&t), TCPSM_E_ARG);
    t = w.tuple;
    t.remote_port = 0;
    CHECK_EQ(try_open(&t), TCPSM_E_ARG);
    t = w.tuple;
    t.family = 5;
    CHECK_EQ(try_open(&t), TCPSM_E_ARG);
    t.family = 0;
    CHECK_EQ(try_open(&t), TCPSM_E_ARG);
    t = w.tuple;
    t.local[9] = 1; /* not zero after an IPv4 address */
    CHECK_EQ(try_open(&t), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_open(w.c, NULL, 0), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_open(NULL, &t, 0), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_listen(w.c, NULL, 0), TCPSM_E_ARG);
    t = w.tuple;
    t.local_port = 0;
    CHECK_EQ(tcpsm_listen(w.c, &t, 0), TCPSM_E_ARG);
    t = w.tuple;
    t.family = 0; /* either family, and an address? */
    CHECK_EQ(tcpsm_listen(w.c, &t, 0), TCPSM_E_ARG);

    /* RFC9293-MUST-45: every segment from the address it was opened from */
    OPEN();
    OUT("S 0 mss 1460");
    o = &w.last.tuple;
    CHECK_MEM(o->local, w.tuple.local, 16);
    IN("SA 0 ack 1");
    OUT("A 1 ack 1");
    CHECK_MEM(o->local, w.tuple.local, 16);
    CHECK_EQ(o->local_port, w.tuple.local_port);
}

/* E_STATE: in every state but CLOSED, and for listen TIME-WAIT; nothing
   changes (RFC9293-MUST-41). */
TEST(RFC9293_MUST_41_open_and_listen_twice)
{
    tcpsm_conn before;
    int i;

    for (i = 0; i < 5; i++) {
        START();
        if (i == 0)
            LISTEN();
        if (i == 1)
            OPEN();
        if (i == 2) {
            LISTEN();
            IN("S 0");
        }
        if (i >= 3)
            OPENED("win 5000");
        if (i == 4)
            SHUTDOWN();
        before = *w.c;
        CHECK_EQ(tcpsm_open(w.c, &w.tuple, w.p.now), TCPSM_E_STATE);
        CHECK_EQ(tcpsm_listen(w.c, &w.tuple, w.p.now), TCPSM_E_STATE);
        CHECK_MEM(&before, w.c, sizeof before);
    }
}

/* RFC 6528: no key, no ISN */
TEST(RFC6528_zero_key_is_refused)
{
    static tcpsm_conn c;
    tcpsm_config cfg;

    memset(&cfg, 0, sizeof cfg);
    CHECK_EQ(tcpsm_init(&c, &cfg), TCPSM_E_KEY);
    cfg.key[15] = 1;
    CHECK_EQ(tcpsm_init(&c, &cfg), 0);
    CHECK_EQ(tcpsm_init(&c, NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_init(NULL, &cfg), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_init_(&c, &cfg, sizeof c, TCPSM_ABI ^ 1), TCPSM_E_ABI);
    CHECK_EQ(tcpsm_init_(&c, &cfg, sizeof c - 8, TCPSM_ABI), TCPSM_E_ABI);
}

static uint32_t iss_at(tcpsm_time t)
{
    w.p.now = t;
    return wire__probe_iss();
}

/* RFC9293-MUST-8, RFC9293-SHLD-1, RFC6528-1: M ticks once per 4 us */
TEST(RFC9293_MUST_8_isn_has_a_clock)
{
    uint32_t a;

    START();
    a = iss_at(1000000);
    CHECK_EQ(iss_at(1000004), a + 1);
    CHECK_EQ(iss_at(1000000 + 4000000), a + 1000000);
    CHECK_EQ(iss_at(1000000 + ((tcpsm_time)4 << 32)), a);
    CHECK_EQ(iss_at(1000000 + ((tcpsm_time)4 << 31)), a + 0x80000000u);
}

/* RFC9293-MUST-9: F depends on each part of the name, and on the key */
TEST(RFC9293_MUST_9_isn_is_keyed_and_per_connection)
{
    uint32_t iss[64], n = 0, i, k;
    tcpsm_tuple t;

    START();
    t = w.tuple;
    iss[n++] = iss_at(1000000);
    for (i = 0; i < 4; i++) {
        w.tuple = t;
        w.tuple.local[i] ^= 4;
        iss[n++] = wire__probe_iss();
        w.tuple = t;
        w.tuple.remote[i] ^= 4;
        iss[n++] = wire__probe_iss();
    }
    w.tuple = t;
    w.tuple.local_port ^= 1;
    iss[n++] = wire__probe_iss();
    w.tuple = t;
    w.tuple.remote_port ^= 1;
    iss[n++] = wire__probe_iss();
    w.tuple = t; /* the ends exchanged */
    memcpy(w.tuple.local, t.remote, 16);
    memcpy(w.tuple.remote, t.local, 16);
    iss[n++] = wire__probe_iss();
    w.tuple = t;
    w.tuple.local_port = t.remote_port;
    w.tuple.remote_port = t.local_port;
    iss[n++] = wire__probe_iss();
    w.tuple = t;
    for (i = 0; i < 16; i++) {
        w.cfg.key[i] ^= 1;
        iss[n++] = wire__probe_iss();
        w.cfg.key[i] ^= 1;
    }
    for (i = 0; i < n; i++)
        for (k = 0; k < i; k++)
            CHECK_NE(iss[i], iss[k]);
    CHECK_EQ(wire__probe_iss(), iss[0]); /* and it is a function */
}

/* A listener's ISN follows the same rule. */
TEST(RFC6528_1_isn_of_a_listener)
{
    uint32_t iss;

    START();
    iss = wire__probe_iss();
    LISTEN();
    IN("S 0");
    OUT("SA 0 ack 1 mss 1460");
    CHECK_EQ(w.iss, iss);
}

/* The least MTU leaves room for text behind any header, IPv6 included. */
TEST(smallest_mtu)
{
    int family;

    START();
    w.cfg.mtu = 107;
    CHECK_EQ(tcpsm_init(w.c, &w.cfg), TCPSM_E_ARG);
    w.cfg.mtu = 1500;
    CHECK_EQ(tcpsm_init(w.c, &w.cfg), 0);
    CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_MTU, 107), TCPSM_E_ARG);
    for (family = 4; family <= 6; family += 2) {
        wire__start((uint8_t)family);
        w.cfg.mtu = 108;
        OPENED("win 5000 mss 1000");
        SEND(1000);
        OUT("A 1 ack 1 len %d", family == 4 ? 68 : 48);
        STATE(TCPSM_ESTABLISHED);
    }
}

TEST(values_out_of_range)
{
    tcpsm_config good;

    START();
    good = w.cfg;
#define REFUSED(field, value)                                                \
    do {                                                                     \
        w.cfg = good;                                                        \
        w.cfg.field = (value);                                               \
        CHECK_EQ(tcpsm_init(w.c, &w.cfg), TCPSM_E_ARG);                      \
    } while (0)
    REFUSED(dscp, 64);
    REFUSED(keep_count, 1);        /* RFC9293-MUST-29 */
    REFUSED(ack_delay_us, 500000); /* RFC9293-MUST-40 */
    REFUSED(rto_max_ms, 1800001);
    REFUSED(rcv_max, TCPSM_MAX_RING + 1);
    REFUSED(flags, 1u << 15);
    REFUSED(pace_start, 24);
    REFUSED(pace_start, 376);
    REFUSED(pace_steady, 24);
    REFUSED(pace_steady, 376);
    w.cfg = good;
    w.cfg.ack_delay_us = 499999;
    CHECK_EQ(tcpsm_init(w.c, &w.cfg), 0);
    w.cfg.ack_delay_us = TCPSM_OFF;
    CHECK_EQ(tcpsm_init(w.c, &w.cfg), 0);
}

/* TCPSM_SET_MAXSEG: lowered at any time, for what is sent from then on */
TEST(maxseg_in_established)
{
    START();
    OPENED("win 65535 mss 1460");
    SEND(1460);
    OUT("PA 1 ack 1 len 1460");
    SET(TCPSM_SET_MAXSEG, 500);
    IN("A 1 ack 1461");
    SEND(1000);
    OUT("A 1461 ack 1 len 500");
    OUT("PA 1961 ack 1 len 500");
    SET(TCPSM_SET_MAXSEG, 1460); /* never raised: the peer's is the limit */
    IN("A 1 ack 2461");
    SEND(500);
    OUT("PA 2461 ack 1 len 500");
    CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_MAXSEG, 47), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_MAXSEG, 65536), TCPSM_E_ARG);
}

/* E_STATE before open; the errors of the other calls */
TEST(calls_before_open)
{
    tcpsm_span s[2];
    tcpsm_cspan cs[2];

    START();
    wire__init();
    CHECK_EQ(tcpsm_send(w.c, "x", 1, 0), TCPSM_E_STATE);
    CHECK_EQ(tcpsm_send_reserve(w.c, s), TCPSM_E_STATE);
    CHECK_EQ(tcpsm_send_commit(w.c, 1, 0), TCPSM_E_STATE);
    CHECK_EQ(tcpsm_receive(w.c, w.buf, 1), TCPSM_E_STATE);
    CHECK_EQ(tcpsm_receive_peek(w.c, cs), TCPSM_E_STATE);
    CHECK_EQ(tcpsm_shutdown(w.c), TCPSM_E_STATE);
    LISTEN();
    CHECK_EQ(tcpsm_send(w.c, "x", 1, 0), TCPSM_E_STATE);
    CHECK_EQ(tcpsm_receive(w.c, w.buf, 1), 0);
    CHECK_EQ(tcpsm_shutdown(w.c), TCPSM_E_STATE);
    STATE(TCPSM_LISTEN);
}

/* RFC9293-MUST-48, RFC9293-MUST-49, RFC9293-SHLD-21, RFC9293-SHLD-22 */
TEST(RFC9293_MUST_48_dscp_and_ttl)
{
    START();
    w.cfg.dscp = 46;
    w.cfg.ttl = 5;
    OPEN();
    OUT("S 0 mss 1460");
    CHECK_EQ(w.last.tos, 46 << 2);
    CHECK_EQ(w.last.ttl, 5);
    IN("SA 0 ack 1");
    OUT("A 1 ack 1");
    CHECK_EQ(w.last.tos, 46 << 2);
    SET(TCPSM_SET_DSCP, 10);
    SET(TCPSM_SET_TTL, 255);
    SEND(5);
    OUT("PA 1 ack 1 len 5");
    CHECK_EQ(w.last.tos, 10 << 2);
    CHECK_EQ(w.last.ttl, 255);
    CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_DSCP, 64), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_TTL, 0), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_TTL, 256), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_set(w.c, 0, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_set(w.c, 1000, 1), TCPSM_E_ARG);
}

/* RFC9293-MAY-9 */
TEST(RFC9293_MAY_9_last_dscp_is_passed_up)
{
    struct tcpsm_info i;

    START();
    OPENED("win 5000");
    IN("PA 1 ack 1 len 5 tos 184");
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.tos_seen, 184);
    IN_DROP(TCPSM_DROP_WINDOW, "PA 200000 ack 1 len 5 tos 8"); /* law 9 */
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.tos_seen, 184);
}
