/* Accurate ECN (RFC 9768): what the handshake agrees on, what the ACE field
   and the option count, and what the sender makes of it. ecn.h explains the
   numbers before the segments: AE CWR ECE. */

#define PAIR_SLOTS 1024
#include "ecn.h"

enum { NOT_ECN, CLASSIC, ACCURATE };

/* ---- what the controller is told ---------------------------------------- */

static struct {
    uint32_t calls, ce_bytes;
} told;

static void hears(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    (void)s;
    told.calls++;
    told.ce_bytes = e->ce_bytes;
}

static const tcpsm_cc listener = {
    TCPSM_CC_NEWRENO, NULL, NULL, NULL, NULL, NULL, hears, NULL};

/* ---- the option (3.2.3) ------------------------------------------------- */

typedef struct {
    uint32_t kind, len, e0b, ceb, e1b; /* kind 0: there is none */
} option;

static uint32_t get24(const uint8_t *p)
{
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

/* Of the last segment out; what is not in it is 0xFFFFFFFF. */
static option last_option(void)
{
    option o = {0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF};
    const uint8_t *p = ecn_option(172);

    if (!p)
        p = ecn_option(174);
    if (!p)
        return o;
    o.kind = p[0];
    o.len = p[1];
    if (o.len != 2 && o.len != 5 && o.len != 8 && o.len != 11)
        FAIL("an AccECN option of length %u", o.len);
    if (o.len >= 5)
        *(o.kind == 172 ? &o.e0b : &o.e1b) = get24(p + 2);
    if (o.len >= 8)
        o.ceb = get24(p + 5);
    if (o.len >= 11)
        *(o.kind == 172 ? &o.e1b : &o.e0b) = get24(p + 8);
    return o;
}

/* One for the peer to send, as wire.h's text */
static const char *opt(uint32_t kind, uint32_t len, uint32_t a, uint32_t b,
                       uint32_t c)
{
    static char text[64];
    char body[64];

    snprintf(body, sizeof body, "%06X%06X%06X000000000000", a, b, c);
    snprintf(text, sizeof text, "raw %02X%02X%.*s", kind, len,
             (int)(len - 2) * 2, body);
    return text;
}

/* ---- connections -------------------------------------------------------- */

static void client_syn(uint32_t flags, const tcpsm_cc *cc)
{
    ecn_start(TCPSM_ACCECN | flags, cc);
    w.cfg.initial_segments = 20;
    OPEN();
}

/* ESTABLISHED at 0.1 s */
static void client(uint32_t flags, const tcpsm_cc *cc)
{
    client_syn(flags, cc);
    OUT_ECN(7, "S 0 mss 1460");
    AT(0.1);
    IN_ECN(2, "SA 0 ack 1 mss 1000");
    OUT_ECN(2, "A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
    CHECK_EQ(stream_info().ecn, ACCURATE);
}

static void server_start(void)
{
    ecn_start(0, &listener);
    w.cfg.initial_segments = 20;
    LISTEN();
    memset(&told, 0, sizeof told);
}

static void server(void)
{
    server_start();
    IN_ECN(7, "S 0 mss 1000");
    OUT_ECN(2, "SA 0 ack 1 mss 1460");
    IN_ECN(2, "A 1 ack 1");
    NONE();
    CHECK_EQ(stream_info().ecn, ACCURATE);
}

/* What is sent now; where each segment ends. Options make some shorter. */
static uint32_t end[64], ends;

static void flight(uint32_t ace, uint32_t ecn)
{
    WIRE__STEP("flight");
    for (ends = 0;; ends++) {
        wire__fill();
        if (w.q_n == 0)
            return;
        wire__take();
        CHECK(ends < 64);
        if (ecn_bits() != ace)
            FAIL("ACE %u, not %u: %s", ecn_bits(), ace, wire_show(&w.seg));
        if (w.seg.len)
            TOS(ecn);
        end[ends] = w.seg.seq - w.iss + w.seg.len;
    }
}

/* n segments of 1000 on the way at 0.2 s, as the listener sees it; who said
   nothing with an option yet */
static void begin(uint32_t n)
{
    memset(&told, 0, sizeof told);
    client(0, &listener);
    SEND(10); /* the first may have an option, and be shorter */
    flight(5, ECT_0);
    AT(0.15);
    IN_ECN(5, "A 1 ack 11");
    SEND(n * 1000);
    flight(5, ECT_0);
    CHECK_EQ(ends, n);
    CHECK_EQ(end[0], 1011);
    CHECK_EQ(told.calls, 0);
    AT(0.25);
}

/* The ACK that is owed has this ACE. */
static void ack_says(uint32_t ace)
{
    ecn_ack();
    if (ecn_bits() != ace)
        FAIL("ACE %u, not %u: %s", ecn_bits(), ace, wire_show(&w.seg));
    if (!w.seg.len)
        TOS(NOT_ECT);
}

/* ... and what its option says, if it is one that must be there */
static void counters_are(uint32_t e0b, uint32_t ceb, uint32_t e1b)
{
    option o = last_option();

    if (o.kind != 172 && o.kind != 174)
        FAIL("no option in %s", wire_show(&w.seg));
    if ((o.e0b == 0xFFFFFFFF ? 1 : o.e0b) != e0b ||
        (o.ceb == 0xFFFFFFFF ? 0 : o.ceb) != ceb ||
        (o.e1b == 0xFFFFFFFF ? 1 : o.e1b) != e1b)
        FAIL("EE0B %u ECEB %u EE1B %u (%u octets, kind %u)", o.e0b, o.ceb,
             o.e1b, o.len, o.kind);
}

/* ---- negotiation (3.1) -------------------------------------------------- */

/* Table 2, first, second and fourth block: what our SYN gets for an answer.
   RFC 9768 s3.1.3: 1 0 1 is as if the SYN had arrived unchanged. s3.2.2.3:
   it was Not-ECT; had it become anything else, our data is Not-ECT. */
TEST(RFC9768_s3_1_2_table_2_client)
{
    static const uint8_t row[][3] = {
        /* SYN-ACK, mode, our data is */
        {2, ACCURATE, ECT_0},   {3, ACCURATE, NOT_ECT},
        {4, ACCURATE, NOT_ECT}, {6, ACCURATE, NOT_ECT},
        {5, ACCURATE, ECT_0},   {1, CLASSIC, ECT_0},
        {0, NOT_ECN, NOT_ECT},  {7, NOT_ECN, NOT_ECT}};
    uint32_t k;

    for (k = 0; k < 8; k++) {
        CONTEXT("SYN-ACK %u", row[k][0]);
        client_syn(0, &ecn_reno);
        OUT_ECN(7, "S 0 mss 1460");
        TOS(NOT_ECT);
        CHECK_EQ(last_option().kind, 0); /* s3.2.3.2.1: MUST NOT */
        AT(0.1);
        IN_ECN(row[k][0], "SA 0 ack 1 mss 1000");
        OUT_ECN(row[k][1] == ACCURATE ? 2u : 0u, "A 1 ack 1");
        TOS(NOT_ECT);
        STATE(TCPSM_ESTABLISHED);
        CHECK_EQ(stream_info().ecn, row[k][1]);
        SEND(500);
        OUT_ECN(row[k][1] == ACCURATE ? 5u : 0u, "PA 1 ack 1 len 500");
        TOS(row[k][2]);
        /* marks that come in are fed back, whatever we send */
        IN_ECN(row[k][1] == ACCURATE ? 5u : 0u, "PA 1 ack 501 len 100 tos 3");
        ecn_ack();
        CHECK_EQ(ecn_bits(), row[k][1] == ACCURATE  ? 6u
                             : row[k][1] == CLASSIC ? 1u
                                                    : 0u);
    }
}

/* s3.2.2.2: CE on the SYN does not increment s.cep. */
TEST(RFC9768_s3_2_2_2_ce_on_the_syn)
{
    client_syn(0, &listener);
    OUT_ECN(7, "S 0 mss 1460");
    AT(0.1);
    IN_ECN(6, "SA 0 ack 1 mss 1000");
    OUT_ECN(2, "A 1 ack 1");
    memset(&told, 0, sizeof told);
    SEND(2000);
    flight(5, NOT_ECT);
    AT(0.2);
    INF("A 1 ack %u", end[0]);
    told.calls = 0;
    AT(0.3);
    SEND(1000);
    flight(5, NOT_ECT);
    AT(0.4);
    IN_ECN(5, "A 1 ack 3001");
    CHECK_LE(told.calls, 1u);
}

/* Table 3: the third ACK mirrors the SYN-ACK's ECN field, and only that ACK;
   r.cep is 6 where it was CE. s3.2.3.2.1: an option in that ACK. (Data has
   none here: it is a SHOULD, and nothing depends on it.) */
TEST(RFC9768_s3_2_2_1_table_3)
{
    static const uint32_t ace[] = {2, 3, 4, 6};
    uint32_t k;

    for (k = 0; k < 4; k++) {
        CONTEXT("SYN-ACK with %u", k);
        client_syn(0, &ecn_reno);
        OUT_ECN(7, "S 0 mss 1460");
        AT(0.1);
        IN_ECN(2, "SA 0 ack 1 mss 1000 tos %u", k);
        CHECK_EQ(tcpsm_state(w.c), TCPSM_ESTABLISHED);
        OUT_ECN(ace[k], "A 1 ack 1");
        TOS(NOT_ECT);
        CHECK_EQ(last_option().kind, 172);
        counters_are(1, 0, 1);
        SEND(100);
        OUT_ECN(k == CE ? 6u : 5u, "PA 1 ack 1 len 100");
        IN_ECN(5, "PA 1 ack 101 len 10");
        ack_says(k == CE ? 6 : 5);
    }
}

/* s3.2.2.1: a pure ACK first, though there is data; and the same encoding
   for the ACK of a SYN-ACK that comes again. s3.2.2.2: r.cep increments once
   for SYN-ACKs. */
TEST(RFC9768_s3_2_2_1_pure_ack_first)
{
    client_syn(0, &ecn_reno);
    OUT_ECN(7, "S 0 mss 1460");
    SEND(500);
    AT(0.1);
    IN_ECN(2, "SA 0 ack 1 mss 1000 tos 3");
    OUT_ECN(6, "A 1 ack 1");
    OUT_ECN(6, "PA 1 ack 1 len 500");
    AT(0.15);
    (WIRE__STEP("SA 0 ack 1 mss 1000 tos 3"), ecn__in(2, 0, 0, -1));
    OUT_ECN(6, "A 501 ack 1");
    AT(0.16);
    (WIRE__STEP("SA 0 ack 1 mss 1000 tos 2"), ecn__in(2, 0, 0, -1));
    OUT_ECN(4, "A 501 ack 1");
    IN_ECN(5, "PA 1 ack 501 len 10");
    ack_says(6);
}

/* Table 2, first block, as the server: the SYN-ACK says how the SYN came; an
   option is in it (s3.2.3.2.1). s3.2.2.2: a CE-marked SYN is not counted, nor
   (s3.2) is its payload. */
TEST(RFC9768_s3_1_1_server)
{
    static const uint32_t ace[] = {2, 3, 4, 6};
    uint32_t k;

    for (k = 0; k < 4; k++) {
        CONTEXT("SYN with %u", k);
        server_start();
        IN_ECN(7, "S 0 mss 1000 tos %u %s", k,
               k & 1 ? opt(172, 11, 77, 77, 77) : ""); /* to be ignored */
        OUT_ECN(ace[k], "SA 0 ack 1 mss 1460");
        TOS(NOT_ECT);
        CHECK_EQ(last_option().kind, 172);
        counters_are(1, 0, 1);
        IN_ECN(2, "A 1 ack 1");
        NONE();
        CHECK_EQ(stream_info().ecn, ACCURATE);
        SEND(100);
        OUT_ECN(5, "PA 1 ack 1 len 100");
        TOS(ECT_0);
        IN_ECN(5, "PA 1 ack 101 len 10 tos 2");
        ack_says(5);
        counters_are(11, 0, 1);
    }
}

/* s3.1.3: combinations that nobody uses yet ask for Accurate ECN. */
TEST(RFC9768_s3_1_3_reserved_syns)
{
    uint32_t k;

    for (k = 0; k < 8; k++) {
        CONTEXT("SYN %u", k);
        server_start();
        IN_ECN(k, "S 0 mss 1000");
        OUT_ECN(k == 0 ? 0u : k == 3 ? 1u : 2u, "SA 0 ack 1 mss 1460");
        IN_ECN(k == 0 || k == 3 ? 0u : 2u, "A 1 ack 1");
        CHECK_EQ(stream_info().ecn, k == 0   ? NOT_ECN
                                    : k == 3 ? CLASSIC
                                             : ACCURATE);
        ecn_start(TCPSM_NO_ECN, NULL);
        LISTEN();
        IN_ECN(k, "S 0 mss 1000");
        OUT_ECN(0, "SA 0 ack 1 mss 1460");
        CHECK_EQ(last_option().kind, 0);
        IN_ECN(0, "A 1 ack 1");
        CHECK_EQ(stream_info().ecn, NOT_ECN);
    }
}

/* Table 4: what the server learns from a pure third ACK. 0: Not-ECT for the
   rest of the connection and deaf to feedback, though it gives some. The
   SYN-ACK was Not-ECT; where that changed: Not-ECT, too (s3.2.2.3). */
TEST(RFC9768_s3_2_2_1_table_4)
{
    static const uint8_t row[][2] = {/* s.cep, our data is */
                                     {0, NOT_ECT}, {5, ECT_0},   {5, ECT_0},
                                     {5, NOT_ECT}, {5, NOT_ECT}, {5, ECT_0},
                                     {6, NOT_ECT}, {5, ECT_0}};
    uint32_t k;

    for (k = 0; k < 8; k++) {
        CONTEXT("third ACK %u", k);
        server_start();
        IN_ECN(7, "S 0 mss 1000");
        OUT_ECN(2, "SA 0 ack 1 mss 1460");
        WAIT(0.1);
        IN_ECN(k, "A 1 ack 1");
        CHECK_EQ(stream_info().ecn, ACCURATE);
        told.calls = 0; /* 6 may have been a reason to slow down */
        CONTEXT("third ACK %u", k);
        SEND(3000);
        flight(5, row[k][1]);
        AT(0.2);
        INF("PA 1 ack 1 len 10 tos 3"); /* with ACE 0, but acks nothing */
        ack_says(6);
        IN_ECN(k == 0 ? 5u : row[k][0], "A 11 ack %u", end[0]);
        CHECK_EQ(told.calls, 0);
        AT(0.3);
        SEND(4000);
        flight(6, row[k][1]);
        AT(0.4);
        IN_ECN(k == 0 ? 6u : row[k][0] + 1u, "A 11 ack %u", end[ends - 1]);
        if (told.calls != (k != 0))
            FAIL("after a third ACK of %u: %u reductions", k, told.calls);
    }
}

/* ... which only a pure ACK tells. Data in the third segment has the
   counter; that it be zero is no proof of anything (s3.2.2.4), and without
   the pure ACK we "continue to send ECN-capable packets" (s3.2.2.3). */
TEST(RFC9768_s3_2_2_3_third_ack_lost)
{
    server_start();
    IN_ECN(7, "S 0 mss 1000");
    OUT_ECN(2, "SA 0 ack 1 mss 1460");
    IN_ECN(5, "PA 1 ack 1 len 10 tos 2");
    STATE(TCPSM_ESTABLISHED);
    SEND(100);
    flight(5, ECT_0);
    AT(0.1);
    IN_ECN(5, "A 11 ack 101");
    CHECK_EQ(told.calls, 0);
}

/* s3.1.4.1: all three bits once more, then none; never those of RFC 3168
   (s3.1.5: MUST NOT). The mode is that of the first SYN-ACK, and a client
   may go on with ECT. */
TEST(RFC9768_s3_1_4_1_syn_lost)
{
    uint32_t k, n;

    for (n = 1; n <= 4; n++) {
        client_syn(0, &ecn_reno);
        OUT_ECN(7, "S 0 mss 1460");
        for (k = 1; k <= n; k++) {
            ecn_next();
            OUT_ECN(k == 1 ? 7u : 0u, "S 0 mss 1460");
            TOS(NOT_ECT);
        }
        if (n == 4) {
            IN_ECN(0, "SA 0 ack 1 mss 1000");
            OUT_ECN(0, "A 1 ack 1");
            CHECK_EQ(stream_info().ecn, NOT_ECN);
            continue;
        }
        IN_ECN(2, "SA 0 ack 1 mss 1000");
        OUT_ECN(2, "A 1 ack 1");
        CHECK_EQ(stream_info().ecn, ACCURATE);
        SEND(100);
        OUT_ECN(5, "PA 1 ack 1 len 100");
        CHECK_EQ(COUNT(ce), 0);
    }
}

/* s3.2.3.2.2: the SYN-ACK again: without the option; then without the bits.
   The mode stays, but (s3.1.5) a server that said 0 0 0 MUST NOT set ECT. */
TEST(RFC9768_s3_2_3_2_2_syn_ack_lost)
{
    uint32_t n, k;

    for (n = 1; n <= 2; n++) {
        server_start();
        IN_ECN(7, "S 0 mss 1000");
        OUT_ECN(2, "SA 0 ack 1 mss 1460");
        CHECK_EQ(last_option().kind, 172);
        for (k = 1; k <= n; k++) {
            ecn_next();
            OUT_ECN(k == 1 ? 2u : 0u, "SA 0 ack 1 mss 1460");
            CHECK_EQ(last_option().kind, 0);
            TOS(NOT_ECT);
        }
        IN_ECN(2, "A 1 ack 1");
        CHECK_EQ(stream_info().ecn, ACCURATE);
        SEND(100);
        OUT_ECN(5, "PA 1 ack 1 len 100");
        TOS(n == 1 ? ECT_0 : NOT_ECT);
        IN_ECN(5, "PA 1 ack 101 len 10 tos 3");
        ack_says(6);
        SEND(1000);
        flight(6, n == 1 ? ECT_0 : NOT_ECT);
        WAIT(0.1);
        IN_ECN(6, "A 11 ack 1101"); /* s3.1.5: "still obliged to respond" */
        CHECK_EQ(told.calls, 1);
    }
}

/* s3.1.5: a second SYN without the bits: the mode stays, ECT is forbidden. */
TEST(RFC9768_s3_1_5_second_syn_without)
{
    server_start();
    IN_ECN(7, "S 0 mss 1000");
    OUT_ECN(2, "SA 0 ack 1 mss 1460");
    WAIT(0.9);
    (WIRE__STEP("S 0 mss 1000"), ecn__in(0, 0, 0, -1));
    wire__fill();
    while (w.q_n) {
        wire__take();
        if (w.seg.flags & PAIR_SYN)
            CHECK(ecn_bits() == 2 || ecn_bits() == 0);
        wire__fill();
    }
    IN_ECN(2, "A 1 ack 1");
    CHECK_EQ(stream_info().ecn, ACCURATE);
    SEND(100);
    OUT_ECN(5, "PA 1 ack 1 len 100");
    TOS(NOT_ECT);
    IN_ECN(5, "PA 1 ack 101 len 10 tos 3");
    ack_says(6);
}

/* s3.1.5: "MUST feed back the IP-ECN field on the latest valid SYN" */
TEST(RFC9768_s3_1_5_latest_syn)
{
    server_start();
    IN_ECN(7, "S 0 mss 1000");
    OUT_ECN(2, "SA 0 ack 1 mss 1460");
    WAIT(0.9);
    (WIRE__STEP("S 0 mss 1000 tos 3"), ecn__in(7, 0, 0, -1));
    while (!w.q_n)
        ecn_next();
    OUT_ECN(6, "SA 0 ack 1 mss 1460");
}

/* s3.1.5: one client that asks for both: "MUST reset the connection" */
TEST(RFC9768_s3_1_5_two_kinds_of_syn)
{
    uint32_t k;

    for (k = 0; k < 2; k++) {
        server_start();
        IN_ECN(k ? 3u : 7u, "S 0 mss 1000");
        OUT_ECN(k ? 1u : 2u, "SA 0 ack 1 mss 1460");
        WAIT(0.9);
        WIRE__STEP("S 0 mss 1000");
        wire__build(w.text);
        ecn__bits(k ? 7 : 3);
        w.ret = tcpsm_input(w.c, &w.in, w.p.now);
        wire__touched();
        if (w.ret == TCPSM_E_NOT_MINE) { /* and the reset is a stranger's */
            STRANGER("RA * ack 1");
        } else {
            CHECK_EQ(w.ret, 0);
            wire__fill();
            CHECK(w.q_n > 0);
            wire__take();
            CHECK(w.seg.flags & PAIR_RST);
        }
        CHECK_NE(tcpsm_state(w.c), TCPSM_SYN_RECEIVED);
    }
}

/* s3.1.5: once without, for ever without. */
TEST(RFC9768_s3_1_5_second_syn_with)
{
    server_start();
    IN_ECN(0, "S 0 mss 1000");
    OUT_ECN(0, "SA 0 ack 1 mss 1460");
    WAIT(0.9);
    (WIRE__STEP("S 0 mss 1000"), ecn__in(7, 0, 0, -1));
    while (!w.q_n)
        ecn_next();
    wire__take();
    CHECK_EQ(ecn_bits(), 0);
    IN_ECN(0, "A 1 ack 1");
    CHECK_EQ(stream_info().ecn, NOT_ECN);
    SEND(100);
    OUT_ECN(0, "PA 1 ack 1 len 100");
    TOS(NOT_ECT);
}

/* s3.1.2: as the responding host would have answered */
TEST(RFC9768_s3_1_2_simultaneous_open)
{
    static const uint8_t row[][3] = {
        {7, 2, ACCURATE}, {3, 1, CLASSIC}, {0, 0, NOT_ECN}};
    uint32_t k;

    for (k = 0; k < 3; k++) {
        CONTEXT("SYN %u", row[k][0]);
        client_syn(0, &ecn_reno);
        OUT_ECN(7, "S 0 mss 1460");
        IN_ECN(row[k][0], "S 0 mss 1000");
        OUT_ECN(row[k][1], "SA 0 ack 1 mss 1460");
        IN_ECN(row[k][1], "SA 0 ack 1 mss 1000");
        stream_drain();
        STATE(TCPSM_ESTABLISHED);
        CHECK_EQ(stream_info().ecn, row[k][2]);
        SEND(100);
        wire__fill();
        OUT_ECN(k == 0 ? 5u : 0u, "PA 1 ack 1 len 100");
        TOS(k < 2 ? ECT_0 : NOT_ECT);
    }
}

/* s3.1.2: the next incarnation begins anew. */
TEST(RFC9768_s3_1_2_forgotten)
{
    server();
    IN_ECN(5, "A 1 ack 1 len 1000 tos 3");
    IN_ECN(5, "FA 1001 ack 1");
    stream_drain();
    READ(1000);
    CLOSE();
    stream_drain();
    IN_ECN(5, "A 1002 ack 2");
    LISTEN();
    w.irs += 100000;
    w.sent = w.got = 0;
    IN_ECN(3, "S 0 mss 1000");
    OUT_ECN(1, "SA 0 ack 1 mss 1460");
    IN_ECN(0, "A 1 ack 1");
    CHECK_EQ(stream_info().ecn, CLASSIC);
    CLOSE();
    OUT_ECN(0, "FA 1 ack 1");
    IN_ECN(0, "FA 1 ack 2");
    stream_drain();
    LISTEN();
    w.irs += 100000;
    IN_ECN(7, "S 0 mss 1000");
    OUT_ECN(2, "SA 0 ack 1 mss 1460");
    counters_are(1, 0, 1);
}

/* ---- the receiver: counters (3.2) --------------------------------------- */

/* r.cep in ACE, the payload by its mark in the option; order 0. Every counter
   that ever changed is in it, and order is by arrival. */
TEST(RFC9768_s3_2_counters)
{
    server();
    IN_ECN(5, "A 1 ack 1 len 1000 tos 2");
    ack_says(5);
    CHECK_EQ(last_option().kind, 172);
    counters_are(1001, 0, 1);
    IN_ECN(5, "A 1001 ack 1 len 500 tos 3");
    ack_says(6);
    CHECK_EQ(last_option().kind, 172);
    counters_are(1001, 500, 1);
    IN_ECN(5, "A 1501 ack 1 len 200 tos 1");
    ack_says(6);
    counters_are(1001, 500, 201);
    IN_ECN(5, "A 1701 ack 1 len 300 tos 0");
    ack_says(6);
    IN_ECN(5, "A 2001 ack 1 len 300 tos 3");
    ack_says(7);
    counters_are(1001, 800, 201);
    IN_ECN(5, "A 2301 ack 1 len 300 tos 3");
    ack_says(0);
    counters_are(1001, 1100, 201);
    CHECK_EQ(COUNT(ce), 3);
    SEND(100);
    OUT_ECN(0, "PA 1 ack 2601 len 100");
    TOS(ECT_0);
}

/* "including CE-marked control packets and retransmissions"; a packet that
   is not acceptable does not count. */
TEST(RFC9768_s3_2_control_packets)
{
    server();
    SEND(1000);
    OUT_ECN(5, "PA 1 ack 1 len 1000");
    IN_ECN(5, "A 1 ack 1001 tos 3"); /* a pure ACK */
    IN_ECN(5, "A 1 ack 1001 len 100 tos 2");
    ack_says(6);
    counters_are(101, 0, 1);
    IN_ECN(5, "A 201 ack 1001 len 100 tos 3"); /* out of order */
    ack_says(7);
    IN_ECN(5, "A 101 ack 1001 len 100 tos 3"); /* sent again */
    ack_says(0);
    counters_are(101, 200, 1);
    IN_ECN_DROP(TCPSM_DROP_WINDOW, 5, "A 900001 ack 1001 len 100 tos 3");
    ack_says(0);
    IN_DROP(TCPSM_DROP_CHECKSUM, "AE 301 ack 1001 len 100 tos 3 badsum");
    (WIRE__STEP("A 301 ack 900001 len 100 tos 3"), ecn__in(5, 0, 0, -1));
    ack_says(0);
    IN_ECN_DROP(TCPSM_DROP_OLD_DATA, 5, "A 1 ack 1001 len 100 tos 3");
    ack_says(0);
    IN_ECN(5, "FA 301 ack 1001 tos 3");
    ack_says(1);
    CHECK_EQ(COUNT(ce), 4);
}

/* r.cep wraps in three bits, the options' fields in 24. */
TEST(RFC9768_s3_2_2_2_many_marks)
{
    uint32_t k;

    server();
    for (k = 1; k <= 40; k++) {
        IN_ECN(5, "A %u ack 1 len 1000 tos 3", 1 + 1000 * (k - 1));
        READ(1000);
        ack_says((5 + k) & 7);
        counters_are(1, 1000 * k, 1);
    }
}

/* s3.2.2.5.1: change-triggered: the first mark is told at once, and then no
   more than two wait; without one, as ever. */
TEST(RFC9768_s3_2_2_5_1_when_to_ack)
{
    uint32_t k, told_cep = 5;

    server_start();
    w.cfg.ack_every = 255;
    w.cfg.ack_delay_us = 400000;
    w.ready = 0;
    LISTEN();
    IN_ECN(7, "S 0 mss 1000");
    OUT_ECN(2, "SA 0 ack 1 mss 1460");
    IN_ECN(2, "A 1 ack 1");
    SET(TCPSM_SET_QUICKACK, 0);
    IN_ECN(5, "A 1 ack 1 len 100 tos 2");
    stream_drain();
    IN_ECN(5, "A 101 ack 1 len 100 tos 2");
    NONE();
    IN_ECN(5, "A 201 ack 1 len 100 tos 3");
    OUT_ECN(6, "A 1 ack 301");
    told_cep = 6;
    for (k = 1; k <= 20; k++) {
        IN_ECN(5, "A %u ack 1 len 100 tos 3", 201 + 100 * k);
        for (wire__fill(); w.q_n; wire__fill()) {
            wire__take();
            CHECK_EQ(ecn_bits(), (6 + k) & 7);
            told_cep = 6 + k;
        }
        CHECK_LT(6 + k - told_cep, 2u);
    }
}

/* ... marked ACKs are told of, too: every third, and not sooner. */
TEST(RFC9768_s3_2_2_5_1_marked_acks)
{
    uint32_t k;

    server();
    SEND(12000);
    flight(5, ECT_0);
    AT(0.1);
    for (k = 0; k < 9; k++) {
        IN_ECN(5, "A 1 ack %u tos 3", end[k]);
        if (k % 3 == 2) {
            wire__fill();
            CHECK(w.q_n == 1);
            wire__take();
            CHECK_EQ(w.seg.len, 0);
            CHECK_EQ(w.seg.sacks, 0);
            CHECK_EQ(ecn_bits(), (5 + k + 1) & 7);
            TOS(NOT_ECT);
        } else
            NONE();
    }
}

/* A train with many marks: none is forgotten. */
TEST(RFC9768_s3_2_2_5_1_train)
{
    uint32_t was = 5, n = 0;

    server();
    IN_TRAIN(5, 15, 10, "PA 1 ack 1 len 15000 tos 2");
    for (wire__fill(); w.q_n; wire__fill()) {
        wire__take();
        was += (ecn_bits() - was) & 7;
        n++;
    }
    if (n == 0)
        ack_says(7), was += 2;
    CHECK_EQ(was & 7, (5 + 10) & 7);
    CHECK_EQ(COUNT(ce), 10);
    counters_are(last_option().e0b, last_option().ceb, 1);
    CHECK_EQ(last_option().e0b + last_option().ceb, 15001);
    CHECK_EQ(last_option().ceb, 10000);
}

/* As many as ACE's values: it looks as before, and an ACK is due all the
   same. */
TEST(RFC9768_s3_2_2_5_1_train_of_eight)
{
    server_start();
    w.cfg.ack_every = 255;
    w.cfg.ack_delay_us = 400000;
    w.ready = 0;
    LISTEN();
    IN_ECN(7, "S 0 mss 1000");
    OUT_ECN(2, "SA 0 ack 1 mss 1460");
    IN_ECN(2, "A 1 ack 1");
    SET(TCPSM_SET_QUICKACK, 0);
    IN_ECN(5, "A 1 ack 1 len 100 tos 2");
    stream_drain();
    IN_TRAIN(5, 8, 8, "A 101 ack 1 len 8000 tos 3");
    wire__fill();
    CHECK(w.q_n > 0);
    while (w.q_n)
        wire__take();
    CHECK_EQ(ecn_bits(), 5);
    counters_are(101, 8000, 1);
}

/* s3.2.3.3: SACK comes first ("MUST give precedence", two blocks); what is
   changed and has no room: no option at all. ACE is always there. */
TEST(RFC9768_s3_2_3_3_no_room)
{
    uint32_t k, all, without = 0;

    for (all = 0; all < 2; all++) {
        ecn_start(0, &listener);
        w.cfg.flags &= ~(uint32_t)(TCPSM_NO_SACK | TCPSM_NO_TS);
        LISTEN();
        w.ts = 0;
        IN_ECN(7, "S 0 mss 1000 sackok ts 1000000 0");
        wire__fill();
        wire__take();
        CHECK_EQ(ecn_bits(), 2);
        CHECK_LE(w.seg.hdr_len, 60u);
        w.ts = 1;
        IN_ECN(2, "A 1 ack 1");
        for (k = 0; k < 4; k++) {
            uint32_t cep = 5;
            option o;

            IN_ECN(5, "A %u ack 1 len 1000 tos %u", 1001 + 2000 * k,
                   all ? 1 + k % 3 : 2);
            if (all)
                cep = 5 + (k + 1) / 3;
            ack_says(cep & 7);
            o = last_option();
            CHECK_LE(w.seg.hdr_len, 60u);
            CHECK_GE(w.seg.sacks, k == 0 ? 1 : 2);
            if (!o.kind) {
                without++;
                CHECK_GE(w.seg.sacks, 2);
                continue;
            }
            /* what changed with this segment is in it */
            if (!all || (1 + k % 3) == ECT_0)
                CHECK_NE(o.e0b, 0xFFFFFFFFu);
            else if ((1 + k % 3) == CE)
                CHECK_NE(o.ceb, 0xFFFFFFFFu);
            else
                CHECK_NE(o.e1b, 0xFFFFFFFFu);
        }
        IN_ECN(5, "A 1 ack 1 len 1000 tos 2"); /* one hole less */
        ack_says(all ? 6 : 5);
    }
    CHECK_GE(without, 1u);
}

/* ---- the sender --------------------------------------------------------- */

/* No CWR: the three bits are a counter (s3.1.5). One reduction a round, by
   RFC 8511's factor. */
TEST(RFC9768_s3_1_5_reduces_without_cwr)
{
    const tcpsm_cc *cc[] = {&ecn_reno, NULL};
    uint32_t k, i;

    for (k = 0; k < 2; k++) {
        client(0, cc[k]);
        SEND(60000);
        flight(5, ECT_0);
        CHECK_GE(ends, 19u);
        AT(0.2);
        IN_ECN(6, "A 1 ack %u", end[0]);
        CHECK_EQ(COUNT(ecn_reductions), 1);
        CHECK_EQ(ssthresh(), k ? (end[ends - 1] - 1) * 17 / 20
                               : (end[ends - 1] - 1) * 4 / 5);
        CHECK_EQ(cwnd(), ssthresh());
        {
            uint32_t was[64], n = ends;

            memcpy(was, end, sizeof was);
            for (i = 1; i < n; i++) {
                IN_ECN((6 + i) & 7, "A 1 ack %u", was[i]);
                flight(5, ECT_0); /* ours: no CWR, it would be a count */
            }
        }
        CHECK_EQ(COUNT(ecn_reductions), 1);
        AT(0.3);
        IN_ECN(3, "A 1 ack %u", stream_info().snd_nxt - w.iss);
        CHECK_EQ(COUNT(ecn_reductions), 2);
    }
}

/* The counter that stands still is no news, and it wraps. */
TEST(RFC9768_s3_2_2_2_wraps)
{
    uint32_t cep = 5, k;

    begin(2);
    IN_ECN(5, "A 1 ack %u", end[0]);
    IN_ECN(5, "A 1 ack %u", end[1]);
    CHECK_EQ(told.calls, 0);
    for (k = 0; k < 12; k++) {
        SEND(2000);
        flight(5, ECT_0);
        WAIT(0.1);
        told.calls = 0;
        if (k % 2)
            cep++;
        IN_ECN(cep & 7, "A 1 ack %u", end[0]);
        CHECK_EQ(told.calls, k % 2);
        if (k % 2)
            CHECK_EQ(told.ce_bytes, 1000);
        IN_ECN(cep & 7, "A 1 ack %u", end[1]);
    }
}

/* s3.2.2.2: an ACK that was overtaken is ignored: going back would look like
   going round. */
TEST(RFC9768_s3_2_2_2_superseded)
{
    begin(4);
    IN_ECN(6, "A 1 ack %u", end[2]);
    CHECK_EQ(told.calls, 1);
    (WIRE__STEP("A 1 ack %u", end[1]), ecn__in(5, 0, 0, -1));
    (WIRE__STEP("A 1 ack %u", end[0]), ecn__in(5, 0, 0, -1));
    IN_ECN(6, "A 1 ack %u", end[3]);
    SEND(2000);
    flight(5, ECT_0);
    WAIT(0.1);
    IN_ECN(6, "A 1 ack %u", end[0]);
    CHECK_EQ(told.calls, 1);
    SEND(1000);
    flight(5, ECT_0);
    WAIT(0.1);
    IN_ECN(7, "A 1 ack %u", end[ends - 1]);
    CHECK_EQ(told.calls, 2);
}

/* Nor does anyone count who cannot know our sequence numbers. */
TEST(RFC9768_s3_2_2_2_unacceptable)
{
    begin(4);
    (WIRE__STEP("A 900000 ack %u", end[0]), ecn__in(0, 0, 0, -1));
    (WIRE__STEP("A 1 ack 900000"), ecn__in(1, 0, 0, -1));
    (WIRE__STEP("SA 0 ack 1 mss 1000"), ecn__in(7, 0, 0, -1));
    stream_drain();
    CHECK_EQ(told.calls, 0);
    IN_ECN(5, "A 1 ack %u", end[3]);
    CHECK_EQ(told.calls, 0);
}

/* Appendix A.2.1's own examples: nine acknowledged and two more: two; ten:
   ten, to be safe (s3.2.2.5.2). And none more of a few: none. */
TEST(RFC9768_s3_2_2_5_2_safety)
{
    static const uint32_t row[][3] = {/* acknowledged, ACE, marks */
                                      {9, 7, 2},  {10, 7, 10}, {7, 5, 0},
                                      {7, 4, 7},  {9, 6, 9},   {15, 4, 15},
                                      {14, 4, 7}, {3, 0, 3}};
    uint32_t k;

    for (k = 0; k < sizeof row / sizeof *row; k++) {
        CONTEXT("%u acknowledged, ACE %u", row[k][0], row[k][1]);
        begin(18);
        IN_ECN(row[k][1], "A 1 ack %u", end[row[k][0] - 1]);
        CHECK_EQ(told.calls, row[k][2] ? 1u : 0u);
        CHECK_EQ(told.ce_bytes, row[k][2] * 1000);
    }
}

/* With the option nothing need be guessed. */
TEST(RFC9768_s3_2_2_5_2_with_option)
{
    client_syn(0, &listener);
    memset(&told, 0, sizeof told);
    OUT_ECN(7, "S 0 mss 1460");
    AT(0.1);
    IN_ECN(2, "SA 0 ack 1 mss 1000 %s", opt(172, 11, 1, 0, 1));
    OUT_ECN(2, "A 1 ack 1");
    SEND(18000);
    flight(5, ECT_0);
    AT(0.2);
    IN_ECN(5, "A 1 ack %u %s", end[9], opt(172, 8, end[9], 0, 0));
    CHECK_EQ(told.calls, 0); /* not eight */
    IN_ECN(7, "A 1 ack %u %s", end[16], opt(172, 8, end[14], 2000, 0));
    CHECK_EQ(told.calls, 1);
    CHECK_EQ(told.ce_bytes, 2000);
}

/* A field that is not there has not changed (s3.2.3: "omit unchanged fields
   from the tail"): so EE0B alone says that nothing was marked, however much
   is acknowledged at once. */
TEST(RFC9768_s3_2_3_option_without_ceb)
{
    begin(18);
    IN_ECN(5, "A 1 ack %u %s", end[9], opt(172, 5, 10011, 0, 0));
    CHECK_EQ(told.calls, 0);
    IN_ECN(5, "A 1 ack %u %s", end[17], opt(172, 5, 18011, 0, 0));
    CHECK_EQ(told.calls, 0);
    SEND(2000);
    flight(5, ECT_0);
    WAIT(0.1);
    IN_ECN(6, "A 1 ack %u %s", end[1], opt(172, 8, 19011, 1000, 0));
    CHECK_EQ(told.calls, 1);
}

/* Table 5: every length of either kind; others by the whole fields in them.
   What is not there did not change, and ACE has the last word. */
TEST(RFC9768_s3_2_3_lengths)
{
    uint32_t kind, len;

    for (kind = 172; kind <= 174; kind += 2)
        for (len = 2; len <= 17; len++) {
            uint32_t there = len >= 8; /* ECEB, in either order */

            CONTEXT("kind %u, length %u", kind, len);
            begin(5);
            IN_ECN(6, "A 1 ack %u %s", end[2],
                   opt(kind, len, kind == 172 ? 2301 : 1, 700,
                       kind == 172 ? 1 : 2301));
            CHECK_EQ(told.calls, 1);
            if (there)
                CHECK_EQ(told.ce_bytes, 700);
            else
                CHECK_LE(told.ce_bytes, 1000u);
        }
    begin(3); /* 173 is none of them */
    IN_ECN(6, "A 1 ack %u %s", end[2], opt(173, 11, 2301, 700, 1));
    CHECK_EQ(told.ce_bytes, 1000);
}

/* The option's counters go on from there, round their 24 bits, too. */
TEST(RFC9768_s3_2_3_1_option_counts_on)
{
    uint32_t k, ceb = 0;

    begin(1);
    IN_ECN(5, "A 1 ack %u %s", end[0], opt(172, 8, end[0], 0, 0));
    for (k = 1; k <= 5; k++) {
        SEND(2000);
        flight(5, ECT_0);
        WAIT(0.1);
        ceb += 100 * k;
        IN_ECN((5 + k) & 7, "A 1 ack %u %s", end[1],
               opt(172, 8, end[1] - ceb, ceb, 0));
        CHECK_EQ(told.calls, k);
        CHECK_EQ(told.ce_bytes, 100 * k);
    }
}

/* s3.2.3.2.5: bytes were marked and no packet was: somebody tampers: "MUST
   disable sending ECN-capable packets". */
TEST(RFC9768_s3_2_3_2_5_inconsistent)
{
    begin(3);
    IN_ECN(5, "A 1 ack %u %s", end[0], opt(172, 8, 1011, 0, 0));
    SEND(1000);
    flight(5, ECT_0);
    IN_ECN(5, "A 1 ack %u %s", end[0], opt(172, 8, 2011, 1000, 0));
    SEND(2000);
    flight(5, NOT_ECT);
    WAIT(0.1);
    IN_ECN(5, "PA 1 ack %u len 10 tos 3", end[ends - 1]);
    ack_says(6); /* the receiver goes on */
}

/* Retransmissions and probes are Not-ECT; their ACE is the newest. */
TEST(RFC9768_s4_retransmissions)
{
    uint32_t k;

    client(0, &ecn_reno);
    SEND(10000);
    flight(5, ECT_0);
    AT(0.2);
    IN_ECN(5, "PA 1 ack 1 len 100 tos 3");
    ack_says(6);
    for (k = 0; k < 3; k++)
        IN_ECN(5, "A 101 ack 1");
    wire__fill();
    CHECK(w.q_n >= 1);
    wire__take();
    CHECK_EQ(w.seg.seq, w.iss + 1);
    CHECK_GE(w.seg.len, 980u);
    CHECK_EQ(ecn_bits(), 6);
    TOS(NOT_ECT);
}

/* A train would be cut by a card that clears CWR behind the first. */
TEST(RFC9768_s3_3_4_trains)
{
    client(TCPSM_GSO, &ecn_reno);
    SEND(60000);
    flight(5, ECT_0);
    IN_ECN(5, "PA 1 ack 1 len 100 tos 3");
    ack_says(6);
    WAIT(0.1);
    IN_ECN(5, "A 101 ack %u", end[ends - 1]);
    flight(6, ECT_0); /* CWR is set in 6 */
    CHECK_GE(ends, 10u);
}

/* ---- what is taken back, what moves along ------------------------------- */

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* A spurious timeout is undone, for ACE 5 is no ECN-Echo; an increment is
   (s4, RFC 4015 s3.4). The counters stay what they are. */
TEST(RFC9768_s4_undo)
{
    uint32_t k;

    for (k = 0; k < 2; k++) {
        client(0, &ecn_reno);
        SEND(60000);
        flight(5, ECT_0);
        {
            uint32_t was[64], n = ends, i;

            memcpy(was, end, sizeof was);
            ecn_timeout();
            CHECK_EQ(ecn_bits(), 5);
            WAIT(0.01);
            IN_ECN(5, "A 1 ack %u", was[0]);
            stream_drain();
            CHECK_EQ(COUNT(undone), 0);
            IN_ECN(5 + k, "A 1 ack %u", was[1]);
            CHECK_EQ(COUNT(undone), k ? 0 : 1);
            for (i = 2; i < n; i++) {
                IN_ECN(5 + k, "A 1 ack %u", was[i]);
                stream_drain();
                CHECK_LE(COUNT(ecn_reductions), k);
            }
            while (stream_info().snd_una != stream_info().snd_nxt)
                IN_ECN(5 + k, "A 1 ack %u",
                       smaller(stream_info().snd_una - w.iss + 5000,
                               stream_info().snd_nxt - w.iss));
            CHECK_LE(COUNT(ecn_reductions), k);
        }
        flight(5, ECT_0);
        WAIT(0.1);
        {
            uint64_t n = COUNT(ecn_reductions);

            IN_ECN(6 + k, "A 1 ack %u", end[0]);
            CHECK_EQ(COUNT(ecn_reductions), n + 1);
        }
    }
}

static uint8_t blob[PAIR_RING * 2 + 4096];

static void move(void)
{
    tcpsm_ret n = tcpsm_export(w.c, blob, sizeof blob, w.p.now);

    CHECK(n > 0);
    CHECK_EQ(tcpsm_init(w.c, &w.cfg), 0);
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_RECEIVE, w.p.rcv[0], w.rcv_ring, NULL),
             0);
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_SEND, w.p.snd[0], w.snd_ring, NULL), 0);
    CHECK_EQ(tcpsm_import(w.c, &w.cfg, blob, (uint32_t)n, w.p.now), 0);
    wire__touched();
}

TEST(RFC9768_s3_2_export)
{
    begin(5);
    IN_ECN(6, "A 1 ack %u len 100 tos 3 %s", end[0],
           opt(172, 8, 1001, 10, 0));
    CHECK_EQ(told.calls, 1);
    move();
    CHECK_EQ(stream_info().ecn, ACCURATE);
    ack_says(6);
    counters_are(1, 100, 1);
    IN_ECN(5, "A 101 ack %u len 100 tos 1", end[0]);
    move();
    ack_says(6);
    counters_are(1, 100, 101);
    IN_ECN(6, "A 201 ack %u", end[4]);
    CHECK_EQ(told.calls, 1);
    SEND(2000);
    flight(6, ECT_0);
    move();
    WAIT(0.1);
    IN_ECN(7, "A 201 ack %u %s", end[0], opt(172, 8, 2001, 310, 0));
    CHECK_EQ(told.calls, 2);
    CHECK_EQ(told.ce_bytes, 300);
}

/* In the middle of a handshake, and of its fallback */
TEST(RFC9768_s3_1_export_in_handshake)
{
    client_syn(0, &listener);
    OUT_ECN(7, "S 0 mss 1460");
    move();
    ecn_next();
    OUT_ECN(7, "S 0 mss 1460");
    move();
    ecn_next();
    OUT_ECN(0, "S 0 mss 1460");
    move();
    IN_ECN(2, "SA 0 ack 1 mss 1000 tos 2");
    move();
    OUT_ECN(4, "A 1 ack 1");
    CHECK_EQ(stream_info().ecn, ACCURATE);

    server_start();
    IN_ECN(7, "S 0 mss 1000 tos 2");
    move();
    OUT_ECN(4, "SA 0 ack 1 mss 1460");
    move();
    IN_ECN(0, "A 1 ack 1"); /* deaf from now on */
    SEND(1000);
    move();
    flight(5, NOT_ECT);
}

/* ---- a network that marks ----------------------------------------------- */

static pair net;
static struct tcpsm_counters count[2];

static void run(uint32_t loss_ppm, uint32_t reorder_ppm, uint32_t both)
{
    pair_options o;
    int s;

    memset(&o, 0, sizeof o);
    memset(count, 0, sizeof count);
    for (s = 0; s < 2; s++) {
        o.cfg[s].flags = TCPSM_ACCECN | TCPSM_NO_PROBE;
        o.cfg[s].counters = &count[s];
    }
    o.seed = 7 + loss_ppm + reorder_ppm;
    pair_init(&net, &o);
    for (s = 0; s < 2; s++) {
        netsim_link *l = &net.net.link[s];

        l->rate = 10000000;
        l->queue_packets = 100;
        l->mark_packets = 20;
        l->delay_us = 10000;
        l->loss_ppm = loss_ppm;
        l->reorder_ppm = reorder_ppm;
        l->reorder_us = 3000;
    }
    CHECK(pair_connect(&net));
    CHECK(pair_transfer(&net, 3000000, both, 120 * PAIR_SECOND));
}

TEST(marking_queue)
{
    struct tcpsm_info i;

    run(0, 0, 0);
    tcpsm_status(&net.c[PAIR_A], &i);
    CHECK_EQ(i.ecn, ACCURATE);
    CHECK_GT(net.net.link[PAIR_A].stats.marked, 20u);
    CHECK_EQ(net.net.link[PAIR_A].stats.marked, count[PAIR_B].ce);
    CHECK_GT(count[PAIR_A].ecn_reductions, 3u);
    CHECK_EQ(count[PAIR_A].retransmits, 0);
    CHECK_EQ(net.net.link[PAIR_A].stats.queue_drops, 0);
    CHECK_EQ(count[PAIR_B].ecn_reductions, 0);
    CHECK_LT(net.now, 6 * PAIR_SECOND);
}

TEST(marks_losses_and_reordering)
{
    run(10000, 0, 1000000);
    CHECK_GT(count[PAIR_A].ecn_reductions, 0u);
    run(10000, 50000, 1000000);
    CHECK_LE(count[PAIR_B].ce, net.net.link[PAIR_A].stats.marked);
}
