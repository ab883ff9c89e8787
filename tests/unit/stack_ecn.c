/* Layer 2's part in ECN (RFC 3168), Accurate ECN (RFC 9768) and TCP Fast
   Open (RFC 7413): what an entry of the SYN table keeps of a negotiation,
   what a cookie cannot, and how many connections may be served before their
   handshakes end. Layer 1's part is in ecn.c, accecn.c and fastopen.c. */

#include "ecn.h"
#include "stackwire.h"

enum { NOT_ECN, CLASSIC, ACCURATE };

static void stack_in(uint32_t bits, int drop)
{
    wire__build(w.text);
    ecn__bits(bits);
    w.in.conn = NULL;
    w.ret = tcpsm_stack_input(sw.st, &w.in, w.p.now);
    stackwire__touched();
    if (w.ret != 0 || (drop >= 0 && w.in.drop != drop))
        WIRE_FAIL("input returned %d, drop %d", w.ret, w.in.drop);
}

static uint32_t stack_bits(void)
{
    return (uint32_t)((sw.out[1 + 12] & 1) << 2 | sw.out[1 + 13] >> 6);
}

static void stack_out(uint32_t bits)
{
    if (stackwire_next_out() == 0)
        WIRE_FAIL("nothing is sent");
    if (!stackwire__is_for(&w.tuple, w.src, w.dst, w.zone, w.family))
        WIRE_FAIL("goes to peer %d", stackwire_whose());
    stackwire__learn();
    w.seg.flags &= 0x3F;
    wire__compare(&w.seg, w.text);
    if (stack_bits() != bits)
        WIRE_FAIL("AE CWR ECE are %u, not %u", stack_bits(), bits);
    memcpy(w.last.bytes, sw.out + 1, w.seg.hdr_len); /* for ecn_option */
}

#undef IN_ECN
#undef OUT_ECN
#undef TOS
#define IN_ECN(bits, ...) (WIRE__STEP(__VA_ARGS__), stack_in((bits), 0))
#define IN_ECN_ANY(bits, ...) (WIRE__STEP(__VA_ARGS__), stack_in((bits), -1))
#define OUT_ECN(bits, ...) (WIRE__STEP(__VA_ARGS__), stack_out(bits))
#define TOS(ecn)                                                             \
    (WIRE__STEP("TOS"),                                                      \
     wire__is("the ECN field", sw.o.tos & 3, (long long)(ecn)))

static void up(uint32_t flags)
{
    START();
    sw.cfg.conns = 8;
    sw.cfg.syn_entries = 2;
    sw.cfg.conn.flags = TCPSM_NO_SACK | TCPSM_NO_TS | TCPSM_NO_SCALE |
                        TCPSM_NODELAY | TCPSM_NO_PROBE | flags;
    UP();
    LISTENER(80, 0, 0);
}

/* Two clients who never answer hold the table. */
static void fill_table(void)
{
    int at = sw.at;

    PEER(60);
    IN_ANY("S 0 mss 1000");
    PEER(61);
    IN_ANY("S 0 mss 1000");
    DRAIN();
    PEER(at);
}

/* ---- ECN ---------------------------------------------------------------- */

/* RFC3168-1, RFC 9768 table 2 and s3.1.3: the entry answers as one connection
   would, and the connection that it becomes goes on so. */
TEST(RFC3168_1_RFC9768_s3_1_2_negotiation)
{
    uint32_t bits, ecn;
    tcpsm_conn *c;

    for (bits = 0; bits < 8; bits++)
        for (ecn = 0; ecn < 4; ecn++) {
            static const uint32_t echo[] = {2, 3, 4, 6};
            uint32_t mode = bits == 0   ? NOT_ECN
                            : bits == 3 ? CLASSIC
                                        : ACCURATE;

            CONTEXT("SYN %u, its ECN field %u", bits, ecn);
            up(0);
            IN_ECN(bits, "S 0 mss 1000 tos %u", ecn);
            OUT_ECN(mode == ACCURATE  ? echo[ecn]
                    : mode == CLASSIC ? 1u
                                      : 0u,
                    "SA 0 ack 1 mss 1460");
            TOS(NOT_ECT); /* RFC3168-4 */
            CHECK_EQ(ecn_option(172) != NULL, mode == ACCURATE);
            IN_ECN(mode == ACCURATE ? 2u : 0u, "A 1 ack 1");
            c = ACCEPT();
            CHECK_EQ(STATUS(c, ecn), mode);
            SENT(c, 100);
            OUT_ECN(mode == ACCURATE ? 5u : 0u, "PA 1 ack 1 len 100");
            TOS(mode == NOT_ECN ? NOT_ECT : ECT_0);
            IN_ECN(mode == ACCURATE ? 5u : 0u, "PA 1 ack 101 len 10 tos 3");
            GOT(c, 10);
            SENT(c, 100);
            OUT_ECN(mode == ACCURATE  ? 6u
                    : mode == CLASSIC ? 1u
                                      : 0u,
                    "PA 101 ack 11 len 100");
        }
}

/* TCPSM_NO_ECN in a listener's own configuration */
TEST(RFC3168_1_no_ecn)
{
    up(TCPSM_NO_ECN);
    IN_ECN(7, "S 0 mss 1000");
    OUT_ECN(0, "SA 0 ack 1 mss 1460");
    CHECK(ecn_option(172) == NULL);
    IN_ECN(0, "A 1 ack 1");
    CHECK_EQ(STATUS(ACCEPT(), ecn), NOT_ECN);
}

/* RFC 9768 table 4: what the third ACK tells, in a table as well. */
TEST(RFC9768_s3_2_2_1_table_4)
{
    static const uint8_t ect[8] = {NOT_ECT, ECT_0, ECT_0,   NOT_ECT,
                                   NOT_ECT, ECT_0, NOT_ECT, ECT_0};
    uint32_t k;
    tcpsm_conn *c;

    for (k = 0; k < 8; k++) {
        uint32_t cep = k == 6 ? 6 : 5, was;

        CONTEXT("third ACK %u", k);
        up(0);
        IN_ECN(7, "S 0 mss 1000");
        OUT_ECN(2, "SA 0 ack 1 mss 1460");
        WAIT(0.1);
        IN_ECN(k, "A 1 ack 1");
        c = ACCEPT();
        CHECK_EQ(STATUS(c, ecn), ACCURATE);
        SENT(c, 8000);
        while (stackwire_next_out())
            if ((sw.o.tos & 3) != ect[k])
                FAIL("third ACK %u: data is %u", k, sw.o.tos & 3);
        CHECK_EQ(stack_bits(), 5);
        WAIT(0.1);
        was = STATUS(c, cwnd);
        IN_ECN(k == 0 ? 5 : cep, "A 1 ack 1001");
        CHECK_GE(STATUS(c, cwnd), was);
        IN_ECN((k == 0 ? 5 : cep) + 1, "A 1 ack 2001");
        if (k == 0) /* deaf */
            CHECK_GE(STATUS(c, cwnd), was);
        else
            CHECK_LT(STATUS(c, cwnd), was);
    }
}

/* RFC 9768 s3.2.3.2.2, s3.1.5: sent again: without the option, then without
   the bits; after that no ECT. RFC3168-3 */
TEST(RFC9768_s3_2_3_2_2_syn_ack_lost)
{
    uint32_t n;
    tcpsm_conn *c;

    for (n = 1; n <= 2; n++) {
        up(0);
        IN_ECN(7, "S 0 mss 1000");
        OUT_ECN(2, "SA 0 ack 1 mss 1460");
        CHECK(ecn_option(172) != NULL);
        AT(1);
        OUT_ECN(2, "SA 0 ack 1 mss 1460");
        CHECK(ecn_option(172) == NULL);
        if (n == 2) {
            AT(3);
            OUT_ECN(0, "SA 0 ack 1 mss 1460");
            CHECK(ecn_option(172) == NULL);
        }
        IN_ECN(2, "A 1 ack 1");
        c = ACCEPT();
        CHECK_EQ(STATUS(c, ecn), ACCURATE);
        SENT(c, 100);
        OUT_ECN(5, "PA 1 ack 1 len 100");
        TOS(n == 1 ? ECT_0 : NOT_ECT);
    }
}

/* s3.1.5: a second SYN: without the bits: no ECT; the latest ECN field is
   told; of the other kind: a reset. */
TEST(RFC9768_s3_1_5_second_syn)
{
    tcpsm_conn *c;
    uint32_t k;

    for (k = 0; k < 2; k++) { /* accurate, classic */
        up(0);
        IN_ECN(k ? 3u : 7u, "S 0 mss 1000");
        OUT_ECN(k ? 1u : 2u, "SA 0 ack 1 mss 1460");
        WAIT(0.5);
        IN_ECN_ANY(0, "S 0 mss 1000");
        DRAIN();
        IN_ECN(k ? 0u : 2u, "A 1 ack 1");
        c = ACCEPT();
        CHECK_EQ(STATUS(c, ecn), k ? CLASSIC : ACCURATE);
        SENT(c, 100);
        OUT_ECN(k ? 0u : 5u, "PA 1 ack 1 len 100");
        TOS(NOT_ECT);
    }
    up(0);
    IN_ECN(7, "S 0 mss 1000");
    OUT_ECN(2, "SA 0 ack 1 mss 1460");
    WAIT(0.5);
    IN_ECN_ANY(7, "S 0 mss 1000 tos 3");
    if (stackwire_next_out() == 0) {
        AT(1);
        CHECK(stackwire_next_out() != 0);
    }
    CHECK_EQ(stack_bits(), 6);
    for (k = 0; k < 2; k++) {
        up(0);
        IN_ECN(k ? 3u : 7u, "S 0 mss 1000");
        OUT_ECN(k ? 1u : 2u, "SA 0 ack 1 mss 1460");
        WAIT(0.5);
        IN_ECN_ANY(k ? 7u : 3u, "S 0 mss 1000");
        CHECK(stackwire_next_out() != 0);
        CHECK_EQ(w.seg.flags & PAIR_RST, PAIR_RST);
        CHECK_EQ(INFO(syns), 0);
    }
}

/* A cookie has no room: no ECN, whatever is asked or echoed. */
TEST(RFC9768_s5_1_cookies)
{
    static const uint32_t ask[] = {7, 3, 1};
    uint32_t k;
    tcpsm_conn *c;

    for (k = 0; k < 3; k++) {
        up(0);
        fill_table();
        IN_ECN(ask[k], "S 0 mss 1000 tos 3");
        OUT_ECN(0, "SA 0 ack 1 mss 1460");
        CHECK(ecn_option(172) == NULL);
        IN_ECN(k == 2 ? 2u : 0u, "A 1 ack 1");
        c = ACCEPT();
        CHECK_EQ(STATUS(c, ecn), NOT_ECN);
        SENT(c, 100);
        OUT_ECN(0, "PA 1 ack 1 len 100");
        TOS(NOT_ECT);
        IN_ECN(0, "PA 1 ack 101 len 10 tos 3");
        GOT(c, 10);
        SENT(c, 100);
        OUT_ECN(0, "PA 101 ack 11 len 100");
    }
}

/* The first that comes is text (the third ACK was lost): it counts. */
TEST(RFC9768_s3_2_2_3_text_first)
{
    tcpsm_conn *c;

    up(0);
    IN_ECN(7, "S 0 mss 1000");
    OUT_ECN(2, "SA 0 ack 1 mss 1460");
    IN_ECN(5, "PA 1 ack 1 len 10 tos 3");
    c = ACCEPT();
    GOT(c, 10);
    CHECK_EQ(STATUS(c, ecn), ACCURATE);
    SENT(c, 100);
    OUT_ECN(6, "PA 1 ack 11 len 100");
    TOS(ECT_0);
}

/* tcpsm_stack_connect asks as its configuration says. */
TEST(RFC9768_s3_1_1_connect)
{
    uint32_t k;

    for (k = 0; k < 3; k++) {
        tcpsm_tuple t;
        tcpsm_conn *c = NULL;

        up(k == 0 ? 0u : k == 1 ? TCPSM_ECN : TCPSM_ACCECN);
        t = w.tuple;
        t.local_port = 0;
        CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
        stackwire__touched();
        CHECK(stackwire_next_out() != 0);
        w.tuple.local_port = sw.o.tuple.local_port;
        stackwire__learn();
        CHECK_EQ(stack_bits(), k == 0 ? 0 : k == 1 ? 3 : 7);
        IN_ECN(k == 0 ? 0u : k == 1 ? 1u : 2u, "SA 0 ack 1 mss 1000");
        CHECK_EQ(STATUS(c, ecn), k);
        OUT_ECN(k == 2 ? 2u : 0u, "A 1 ack 1");
    }
}

/* ---- Fast Open ---------------------------------------------------------- */

static char cookie[64];

/* Peer k's cookie for the address of all of them: peers have one each. */
static void ask(int k)
{
    const uint8_t *p;
    uint32_t i, n;

    PEER(k);
    FRESH();
    IN("S 0 mss 1000 raw 2202");
    OUT("SA 0 ack 1 mss 1460");
    memcpy(w.last.bytes, sw.out + 1, w.seg.hdr_len);
    p = ecn_option(34);
    CHECK(p != NULL);
    n = (uint32_t)snprintf(cookie, sizeof cookie, "raw ");
    for (i = 0; i < p[1]; i++)
        n += (uint32_t)snprintf(cookie + n, sizeof cookie - n, "%02X", p[i]);
    IN("R 1");
    DRAIN();
    w.irs += 1000000;
}

static void fast(uint32_t pending)
{
    START();
    sw.cfg.conns = 8;
    sw.cfg.fastopen_pending = pending;
    sw.cfg.conn.flags =
        WIRE_PLAIN | TCPSM_NODELAY | TCPSM_NO_PROBE | TCPSM_FASTOPEN;
    UP();
    LISTENER(80, 0, 0);
}

static int has_cookie(void)
{
    memcpy(w.last.bytes, sw.out + 1, w.seg.hdr_len);
    return ecn_option(34) != NULL;
}

/* Peer k with a cookie and 100 bytes; whether it is served */
static int served(int k)
{
    ask(k);
    IN_ANY("S 0 mss 1000 len 100 %s", cookie);
    CHECK_EQ(w.ret, 0);
    CHECK(stackwire_next_out() != 0);
    stackwire__learn();
    CHECK_EQ(w.seg.flags, PAIR_SYN | PAIR_ACK);
    if (w.seg.ack == w.irs + 101)
        return 1;
    CHECK_EQ(w.seg.ack, w.irs + 1);
    return 0;
}

/* RFC7413-1, RFC7413-6: not without TCPSM_FASTOPEN. */
TEST(RFC7413_1_RFC7413_6_not_enabled)
{
    START();
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1000 raw 2202");
    OUT("SA 0 ack 1 mss 1460");
    CHECK(!has_cookie());
    fast(0);
    ask(0);
    START();
    UP();
    LISTENER(80, 0, 0);
    IN_ANY("S 0 mss 1000 len 100 %s", cookie);
    OUT("SA 0 ack 1 mss 1460");
    CHECK(!has_cookie());
    CHECK(tcpsm_stack_accept(sw.st, NULL) == NULL);
}

/* RFC7413-9: accepted and read before the handshake ends. The entry of the
   SYN table is not needed. RFC7413-10: the answer, too */
TEST(RFC7413_9_RFC7413_10_served)
{
    tcpsm_conn *c;
    uint32_t n = 0;

    fast(0);
    ask(0);
    IN("S 0 mss 1000 len 100 %s", cookie);
    CHECK_EQ(INFO(syns), 0);
    CHECK_EQ(INFO(conns), 1);
    c = ACCEPT();
    CHECK(w.in.conn == c);
    GOT(c, 100);
    CHECK_EQ(STATUS(c, fast_open), 1);
    CHECK_EQ(tcpsm_state(c), TCPSM_SYN_RECEIVED);
    SENT(c, 8000);
    while (stackwire_next_out()) {
        stackwire__learn();
        n += w.seg.len;
        CHECK_EQ(w.seg.ack, w.irs + 101);
    }
    CHECK_EQ(n, 8000);
    WAIT(0.05);
    IN("A 101 ack 8001");
    CHECK_EQ(tcpsm_state(c), TCPSM_ESTABLISHED);
    CHECK(NEWS(c) & TCPSM_EV_CONNECTED);
    CHECK_EQ(INFO(accepted), 1);
    IN("PA 101 ack 8001 len 10");
    GOT(c, 10);
}

/* RFC7413-6: so many and no more; each that is completed, reset or given up
   makes room. What is over the limit is an ordinary handshake. */
TEST(RFC7413_6_pending)
{
    tcpsm_conn *c[2];
    int k;

    fast(2);
    CHECK(served(0));
    c[0] = ACCEPT();
    CHECK(served(1));
    c[1] = ACCEPT();
    CHECK(!served(2));
    IN("A 1 ack 1");
    CHECK(w.in.conn != NULL);
    IN("PA 1 ack 1 len 100"); /* it sends its text again */
    GOT(ACCEPT(), 100);
    CHECK(!served(3));
    IN("R 1");

    PEER(0);
    IN("A 101 ack 1"); /* one is completed */
    CHECK_EQ(tcpsm_state(c[0]), TCPSM_ESTABLISHED);
    CHECK(served(4));
    CHECK(!served(5));
    IN("R 1");
    PEER(1);
    IN("R 101"); /* one is reset */
    CHECK_NE(tcpsm_state(c[1]), TCPSM_SYN_RECEIVED);
    CHECK_NE(tcpsm_error(c[1]), 0);
    CHECK_EQ(tcpsm_stack_release(sw.st, c[1]), 0);
    stackwire__touched();
    DRAIN();
    CHECK(served(6));
    CHECK(!served(7));
    IN("R 1");
    for (k = 0; k < 60; k++) { /* and two are never heard of again */
        DRAIN();
        w.p.now += 10000000;
        stackwire__touched();
    }
    DRAIN();
    CHECK(served(8));
}

/* None at all: the option is not even answered with a cookie, or it is and
   never served; the handshake is an ordinary one. */
TEST(RFC7413_6_off)
{
    fast(TCPSM_OFF);
    PEER(0);
    IN("S 0 mss 1000 raw 2202");
    OUT("SA 0 ack 1 mss 1460");
    if (has_cookie()) {
        IN("R 1");
        CHECK(!served(1));
    }
    CHECK(tcpsm_stack_accept(sw.st, NULL) == NULL);
}

/* A wrong cookie, one of another address, a second SYN */
TEST(RFC7413_9_wrong_cookie)
{
    fast(0);
    ask(0);
    PEER(1);
    IN_ANY("S 0 mss 1000 len 100 %s", cookie);
    CHECK_EQ(w.ret, 0);
    OUT("SA 0 ack 1 mss 1460");
    CHECK(has_cookie()); /* its own */
    CHECK(tcpsm_stack_accept(sw.st, NULL) == NULL);
    IN("PA 1 ack 1 len 100");
    GOT(ACCEPT(), 100);

    PEER(0);
    IN("S 0 mss 1000 len 100 %s", cookie);
    CHECK_EQ(INFO(conns), 2);
    OUT("SA 0 ack 101 mss 1460");
    IN_ANY("S 0 mss 1000 len 100 %s", cookie);
    DRAIN();
    CHECK_EQ(INFO(conns), 2);
    IN("A 101 ack 1");
    GOT(ACCEPT(), 100);
}

/* The SYN table is full: a SYN cookie has no room for Fast Open's, but who
   has one is served. */
TEST(RFC7413_6_syn_flood)
{
    START();
    sw.cfg.conns = 8;
    sw.cfg.syn_entries = 2;
    sw.cfg.conn.flags = WIRE_PLAIN | TCPSM_NODELAY | TCPSM_FASTOPEN;
    UP();
    LISTENER(80, 0, 0);
    ask(0);
    fill_table();
    PEER(1);
    IN("S 0 mss 1000 raw 2202");
    OUT("SA 0 ack 1 mss 1460");
    CHECK(!has_cookie());
    PEER(0);
    IN("S 0 mss 1000 len 100 %s", cookie);
    GOT(ACCEPT(), 100);
    OUT("SA 0 ack 101 mss 1460");
}

/* No connection left, no place in the backlog: dropped, as any SYN. */
TEST(RFC7413_9_no_room)
{
    char mine[64];

    START();
    sw.cfg.conns = 2;
    sw.cfg.conn.flags = WIRE_PLAIN | TCPSM_NODELAY | TCPSM_FASTOPEN;
    UP();
    LISTENER(80, 1, 0);
    ask(1);
    memcpy(mine, cookie, sizeof mine);
    CHECK(served(0)); /* waits for accept */
    PEER(1);
    IN_ANY("S 0 mss 1000 len 100 %s", mine);
    CHECK_EQ(w.in.drop, TCPSM_DROP_FULL);
    NONE();
    CHECK_EQ(INFO(conns), 1);
}

/* Given back before the handshake ended, and a listener that goes away */
TEST(RFC7413_9_released)
{
    tcpsm_conn *c;

    fast(0);
    CHECK(served(0));
    c = ACCEPT();
    GOT(c, 100);
    SENT(c, 50);
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    stackwire__touched();
    while (stackwire_next_out() != 0)
        stackwire__learn();
    IN("A 101 ack 1");
    DRAIN();
    IN("A 101 ack 51");
    DRAIN();
    IN("FA 101 ack 52");
    DRAIN();
    CHECK_EQ(INFO(conns), 0);
    CHECK_EQ(INFO(timewaits), 1);

    fast(1);
    CHECK(served(0));
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, 0), 0);
    stackwire__touched();
    CHECK(stackwire_next_out() != 0);
    CHECK_EQ(w.seg.flags & PAIR_RST, PAIR_RST);
    DRAIN();
    CHECK_EQ(INFO(conns), 0);
    LISTENER(80, 0, 0);
    CHECK(served(1)); /* the place of the first is free again */
}

/* Both at once: Accurate ECN and text in the SYN */
TEST(RFC9768_s5_2_fast_open)
{
    tcpsm_conn *c;

    START();
    sw.cfg.conns = 8;
    sw.cfg.conn.flags = TCPSM_NO_SACK | TCPSM_NO_TS | TCPSM_NO_SCALE |
                        TCPSM_NODELAY | TCPSM_FASTOPEN;
    UP();
    LISTENER(80, 0, 0);
    ask(0);
    IN_ECN(7, "S 0 mss 1000 len 100 tos 2 %s", cookie);
    c = ACCEPT();
    GOT(c, 100);
    OUT_ECN(4, "SA 0 ack 101 mss 1460"); /* its text does not count */
    SENT(c, 100);
    OUT_ECN(5, "PA 1 ack 101 len 100");
    IN_ECN(2, "A 101 ack 1");
    CHECK_EQ(STATUS(c, ecn), ACCURATE);
    IN_ECN(5, "PA 101 ack 101 len 10 tos 3");
    GOT(c, 10);
    SENT(c, 100);
    OUT_ECN(6, "PA 101 ack 111 len 100");
}
