/* Segments that are refused, and what is said about them: law 6, RFC 9293
   sections 3.1, 3.9.2.3 and 3.10.7.1. Each TCPSM_DROP_* is reached here. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

static uint8_t reached[TCPSM_DROPS];

/* Drop, counted once, no change, no reply. */
#define SILENT(why, ...)                                                     \
    do {                                                                     \
        uint64_t before_ = w.n.drops[why], all_ = drops();                   \
        IN_NOTHING(why, __VA_ARGS__);                                        \
        CHECK_EQ(w.n.drops[why], before_ + 1);                               \
        CHECK_EQ(drops(), all_ + 1);                                         \
        reached[why] = 1;                                                    \
    } while (0)
/* Drop, counted once. */
#define COUNTED(why, ...)                                                    \
    do {                                                                     \
        uint64_t before_ = w.n.drops[why];                                   \
        IN_DROP(why, __VA_ARGS__);                                           \
        CHECK_EQ(w.n.drops[why], before_ + 1);                               \
        reached[why] = 1;                                                    \
    } while (0)

/* A listener that would take any local address */
static void listen_anywhere(uint8_t family)
{
    tcpsm_tuple t;

    wire__start(family);
    wire__init();
    t = w.tuple;
    memset(t.local, 0, 16);
    memset(t.remote, 0, 16);
    t.remote_port = 0;
    CHECK_EQ(tcpsm_listen(w.c, &t, w.p.now), 0);
}

static uint64_t drops(void)
{
    uint64_t n = 0;
    int i;

    for (i = 0; i < TCPSM_DROPS; i++)
        n += w.n.drops[i];
    return n;
}

/* The connection in one of its states, by the shortest way. */
static void be(int state)
{
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    switch (state) {
    case TCPSM_LISTEN:
        LISTEN();
        return;
    case TCPSM_SYN_SENT:
        OPEN();
        OUT("S 0 mss 1460 ts * 0");
        return;
    case TCPSM_SYN_RECEIVED:
        LISTEN();
        IN("S 0 win 5000");
        OUT("SA 0 ack 1 mss 1460");
        return;
    default:
        break;
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

/* RFC9293-MUST-3, RFC9293-MUST-7 and law 6, in all states */
TEST(RFC9293_MUST_3_malformed_is_dropped_in_every_state)
{
    int s, i;

    for (s = TCPSM_LISTEN; s < TCPSM_STATES; s++) {
        be(s);
        CONTEXT("state %d", s);
        SILENT(TCPSM_DROP_CHECKSUM, "S 0 badsum");
        SILENT(TCPSM_DROP_CHECKSUM, "A 1 ack 1 badsum");
        SILENT(TCPSM_DROP_CHECKSUM, "R 1 badsum");
        SILENT(TCPSM_DROP_CHECKSUM, "RA 1 ack 1 badsum len 5");
        SILENT(TCPSM_DROP_CHECKSUM, "FPA 1 ack 2 len 33 badsum");
        for (i = 0; i < 5; i++) { /* data offset below 5 */
            SILENT(TCPSM_DROP_OFFSET, "A 1 ack 1 off %d", i);
            SILENT(TCPSM_DROP_OFFSET, "S 0 off %d", i);
        }
        SILENT(TCPSM_DROP_OFFSET, "A 1 ack 1 off 6"); /* past the end */
        SILENT(TCPSM_DROP_OFFSET, "R 1 off 15 len 39");
        for (i = 20; i > 17; i--)
            SILENT(TCPSM_DROP_OFFSET, "A 1 ack 1 raw 01010101 cut %d",
                   20 + (20 - i));
        /* RFC9293-MUST-7: lengths 0, 1, past the end, cut off */
        SILENT(TCPSM_DROP_OPTIONS, "S 0 raw 02000000");
        SILENT(TCPSM_DROP_OPTIONS, "A 1 ack 1 raw 02010000");
        SILENT(TCPSM_DROP_OPTIONS, "A 1 ack 1 raw 01010102");
        SILENT(TCPSM_DROP_OPTIONS, "A 1 ack 1 raw 08050000");
        SILENT(TCPSM_DROP_OPTIONS, "R 1 raw FD280000");
        SILENT(TCPSM_DROP_OPTIONS, "A 1 ack 1 raw 010101FE");
        SILENT(TCPSM_DROP_CHECKSUM, "A 1 ack 1 raw 02000000 badsum");
        STATE(s);
    }
}

/* Too short to hold a header, whoever it is for. */
TEST(short_is_dropped_in_every_state)
{
    int s, i;

    for (s = TCPSM_LISTEN; s < TCPSM_STATES; s++) {
        be(s);
        for (i = 0; i < 20; i++)
            SILENT(TCPSM_DROP_SHORT, "A 1 ack 1 cut %d", i);
    }
}

/* The same segment, with bits of the header set by hand */
static tcpsm_ret with_bits(const char *text, int at, int bits)
{
    tcpsm_tuple sums = w.tuple;

    WIRE__STEP("%s", text);
    wire__build(w.text);
    w.buf[at] = (uint8_t)(w.buf[at] | bits);
    memcpy(sums.local, w.tuple.remote, 16);
    memcpy(sums.remote, w.tuple.local, 16);
    pair_set_checksum(&sums, w.buf, w.in.len);
    w.in.data = wire__exact(w.buf, w.in.len);
    w.ret = tcpsm_input(w.c, &w.in, w.p.now);
    wire__touched();
    return w.ret;
}

/* RFC 9293 s3.1: reserved bits are ignored; ECE, CWR and AE refuse nothing */
TEST(reserved_and_ecn_bits_are_ignored)
{
    int bits;

    for (bits = 0; bits < 16; bits++) {
        START();
        LISTEN();
        CHECK_EQ(with_bits("S 0 win 5000", 12, bits), 0);
        CHECK_EQ(w.in.drop, 0);
        OUT("SA 0 ack 1 mss 1460");
        CHECK_EQ(w.last.bytes[12] & 15, 0);
        CHECK_EQ(with_bits("A 1 ack 1", 12, bits), 0);
        CHECK_EQ(w.in.drop, 0);
        STATE(TCPSM_ESTABLISHED);
        CHECK_EQ(with_bits("ECPA 1 ack 1 len 10", 12, bits), 0);
        CHECK_EQ(w.in.drop, 0);
        READ(10);
    }
    START(); /* an ECN-setup SYN without ECN here: a plain SYN,ACK */
    LISTEN();
    IN("SEC 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
}

/* An option of the wrong length, or out of place, is an ignored option. */
TEST(RFC9293_MUST_5_options_of_wrong_length_or_place)
{
    START();
    OPENED("win 65535 mss 1000");
    IN("A 1 ack 1 mss 100"); /* RFC9293-MUST-5: parsed; but no SYN */
    IN("A 1 ack 1 ws 14");
    IN("A 1 ack 1 raw FD04ABCD");                 /* RFC9293-MUST-6 */
    IN("A 1 ack 1 raw 0101010101FD06AABBCCDD01"); /* RFC9293-MUST-64 */
    IN("A 1 ack 1 raw 00FFFFFF");                 /* RFC9293-MUST-69 */
    IN("A 1 ack 1 ts 5 0"); /* RFC7323-8: not negotiated */
    SEND(3000);
    OUT("A 1 ack 1 len 1000");

    START();
    LISTEN();
    IN("S 0 win 1 raw 0203010004030203"); /* MSS, SACK-OK of wrong length */
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1 win 9999");
    SEND(3000);
    OUT("A 1 ack 1 len 536"); /* so there was no MSS option */
}

/* RFC9293-MUST-57, RFC9293-MUST-63, s3.9.2.3 and LAND */
TEST(RFC9293_MUST_63_invalid_addresses)
{
    static const uint8_t bad[][4] = {{0, 0, 0, 0},         {127, 0, 0, 1},
                                     {224, 0, 0, 1},       {239, 1, 2, 3},
                                     {255, 255, 255, 255}, {240, 0, 0, 1}};
    uint32_t i;

    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        listen_anywhere(4);
        w.src = bad[i];
        SILENT(TCPSM_DROP_ADDRESS, "S 0");
        w.src = NULL;
        w.dst = bad[i]; /* to a wildcard listener */
        SILENT(TCPSM_DROP_ADDRESS, "S 0");
        STRANGER_NONE();
    }
    be(TCPSM_LISTEN);
    SILENT(TCPSM_DROP_ADDRESS, "S 0 link"); /* a link broadcast */
    be(TCPSM_ESTABLISHED);
    SILENT(TCPSM_DROP_ADDRESS, "PA 1 ack 1 len 5 link");
    SILENT(TCPSM_DROP_ADDRESS, "R 1 link");
    be(TCPSM_LISTEN); /* LAND */
    w.src = w.tuple.local;
    w.tuple.remote_port = w.tuple.local_port;
    SILENT(TCPSM_DROP_ADDRESS, "S 0");
    w.tuple.remote_port++; /* another connection of this host: fine */
    IN("S 0");
}

TEST(RFC9293_MUST_63_invalid_addresses_v6)
{
    static uint8_t any[16], one[16], multi[16];
    uint8_t *const bad[] = {any, one, multi};
    uint32_t i;

    one[15] = 1;
    multi[0] = 0xFF, multi[1] = 2, multi[15] = 1;
    for (i = 0; i < 3; i++) {
        listen_anywhere(6);
        w.src = bad[i];
        SILENT(TCPSM_DROP_ADDRESS, "S 0");
        w.src = NULL;
        w.dst = bad[i];
        SILENT(TCPSM_DROP_ADDRESS, "S 0");
    }
}

/* Loopback addresses only where the configuration says loopback. */
TEST(loopback_where_it_belongs)
{
    START();
    w.cfg.flags |= TCPSM_LOOPBACK;
    memset(w.tuple.local, 0, 16);
    w.tuple.local[0] = 127, w.tuple.local[3] = 1;
    memcpy(w.tuple.remote, w.tuple.local, 16);
    LISTEN();
    IN("S 0");
    OUT("SA 0 ack 1 mss 1460");
    START6();
    w.cfg.flags |= TCPSM_LOOPBACK;
    memset(w.tuple.local, 0, 16);
    w.tuple.local[15] = 1;
    memcpy(w.tuple.remote, w.tuple.local, 16);
    OPEN();
    OUT("S 0 mss 1440");
}

/* Each part of the name */
TEST(not_mine)
{
    int i;

    be(TCPSM_ESTABLISHED);
    for (i = 0; i < 4; i++) {
        w.tuple.remote[i] ^= 1;
        SILENT(TCPSM_DROP_NOT_MINE, "A 1 ack 1");
        w.tuple.remote[i] ^= 1;
        w.tuple.local[i] ^= 1;
        SILENT(TCPSM_DROP_NOT_MINE, "A 1 ack 1");
        w.tuple.local[i] ^= 1;
        CHECK(w.in.conn == NULL);
    }
    w.tuple.local_port ^= 256;
    SILENT(TCPSM_DROP_NOT_MINE, "R 1");
    w.tuple.local_port ^= 256;
    w.tuple.remote_port ^= 256;
    SILENT(TCPSM_DROP_NOT_MINE, "R 1");
    w.tuple.remote_port ^= 256;
    w.zone = 3;
    SILENT(TCPSM_DROP_NOT_MINE, "R 1");
    w.zone = 0;
    IN("A 1 ack 1");
    CHECK(w.in.conn == w.c);
    START(); /* CLOSED: RFC 9293 s3.10.7.1 */
    wire__init();
    SILENT(TCPSM_DROP_NOT_MINE, "S 0");
    w.iss = 0;
    STRANGER("RA 0 ack 1");
}

/* RFC 9293 s3.10.7.1 and 9293-u9, to the letter */
TEST(RFC9293_u9_strangers_reset)
{
    START();
    wire__init();
    w.iss = 0; /* so numbers after OUT are absolute */
    w.irs = 0;
    IN_ANY("A 1000 ack 2000 len 50");
    STRANGER("R 2000"); /* <SEQ=SEG.ACK><CTL=RST> */
    IN_ANY("SA 1000 ack 0");
    STRANGER("R 0");
    IN_ANY("S 1000"); /* <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK> */
    STRANGER("RA 0 ack 1001");
    IN_ANY("S 1000 len 50");
    STRANGER("RA 0 ack 1051");
    IN_ANY("F 1000 len 50");
    STRANGER("RA 0 ack 1051");
    IN_ANY("FS 1000 len 50");
    STRANGER("RA 0 ack 1052");
    IN_ANY(". 1000");
    STRANGER("RA 0 ack 1000");
    IN_ANY("S -1 len 5");
    STRANGER("RA 0 ack 5");
    IN_ANY("S 1000 ts 77 0"); /* RFC7323-13: TSecr = TSval, TSval = 0 */
    STRANGER("RA 0 ack 1001 ts 0 77");
    /* never to a reset */
    IN_ANY("R 1000");
    STRANGER_NONE();
    IN_ANY("RA 1000 ack 2000");
    STRANGER_NONE();
    IN_ANY("RS 1000");
    STRANGER_NONE();
    IN_ANY("FSRPAUEC 1000 ack 1");
    STRANGER_NONE();
    /* nor to what is malformed, or from nobody */
    IN_ANY("S 1000 badsum");
    STRANGER_NONE();
    IN_ANY("S 1000 off 4");
    STRANGER_NONE();
    IN_ANY("S 1000 raw 02000000");
    STRANGER_NONE();
    IN_ANY("S 1000 cut 19");
    STRANGER_NONE();
    IN_ANY("S 1000 link");
    STRANGER_NONE();
    IN_ANY("S 1000 badsum csumok");
    STRANGER("RA 0 ack 1001");
    w.src = (const uint8_t *)"\xE0\0\0\1";
    IN_ANY("S 1000");
    STRANGER_NONE();
    w.src = NULL;
    w.dst = (const uint8_t *)"\xFF\xFF\xFF\xFF";
    IN_ANY("S 1000");
    STRANGER_NONE();
    w.dst = NULL;
    START6();
    w.irs = w.iss = 0;
    IN_ANY("S 1000");
    STRANGER("RA 0 ack 1001");
}

/* LAND at the door of nobody: no reset to oneself */
TEST(no_reset_to_oneself)
{
    START();
    wire__init();
    w.src = w.tuple.local;
    w.tuple.remote_port = w.tuple.local_port;
    IN_ANY("S 1000");
    STRANGER_NONE();
}

TEST(stranger_needs_room)
{
    static uint8_t buf[TCPSM_MIN_CAP];
    tcpsm_out o;

    START();
    wire__init();
    IN_ANY("S 0");
    memset(&o, 0, sizeof o);
    o.buf = buf;
    o.cap = TCPSM_MIN_CAP - 1;
    CHECK_EQ(tcpsm_stranger(&w.in, &o), TCPSM_E_SPACE);
    o.cap = TCPSM_MIN_CAP;
    CHECK_EQ(tcpsm_stranger(&w.in, &o), 20);
    CHECK_EQ(tcpsm_stranger(NULL, &o), TCPSM_E_ARG);
    o.buf = NULL;
    CHECK_EQ(tcpsm_stranger(&w.in, &o), TCPSM_E_ARG);
}

/* Hardware verified it: then nobody looks. */
TEST(checksum_verified_by_hardware)
{
    START();
    OPENED("win 5000");
    IN("PA 1 ack 1 len 10 badsum csumok");
    READ(10);
}

/* Header prediction must not skip the checksum, nor keep what it copied. */
TEST(RFC9293_MUST_3_fast_path_verifies)
{
    START();
    OPENED("win 5000");
    SILENT(TCPSM_DROP_CHECKSUM, "PA 1 ack 1 len 100 badsum");
    SILENT(TCPSM_DROP_CHECKSUM, "A 1 ack 1 badsum");
    IN("PA 1 ack 1 len 10");
    READ(10);
}

/* The rest of the reasons, one by one */
TEST(reasons_in_listen_and_syn_states)
{
    be(TCPSM_LISTEN);
    SILENT(TCPSM_DROP_NO_SYN, "F 0");
    SILENT(TCPSM_DROP_RST, "R 0");
    IN_RET(TCPSM_E_NOT_MINE, "A 0 ack 5");
    CHECK_EQ(w.in.drop, TCPSM_DROP_BAD_ACK);
    CHECK_EQ(COUNT(drops[TCPSM_DROP_BAD_ACK]), 1);
    be(TCPSM_SYN_SENT);
    SILENT(TCPSM_DROP_NO_SYN, "FA 0 ack 1");
    SILENT(TCPSM_DROP_RST, "RA 0 ack 0");
    COUNTED(TCPSM_DROP_BAD_ACK, "A 0 ack 5");
    OUT("R 5");
    be(TCPSM_SYN_RECEIVED);
    SILENT(TCPSM_DROP_NO_ACK, "P 1 len 5");
    COUNTED(TCPSM_DROP_BAD_ACK, "A 1 ack 5");
    OUT("R 5");
    COUNTED(TCPSM_DROP_SYN, "S 7");
    STATE(TCPSM_LISTEN);
}

TEST(reasons_in_synchronized_states)
{
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    OPENED("win 5000 mss 1000 ts 999000 0");
    SILENT(TCPSM_DROP_NO_TS, "A 1 ack 1 nots");
    SILENT(TCPSM_DROP_NO_TS, "FPA 1 ack 1 len 9 nots");
    COUNTED(TCPSM_DROP_PAWS, "PA 1 ack 1 len 9 ts 5 *");
    OUT("A 1 ack 1");
    SILENT(TCPSM_DROP_NO_ACK, "P 1 len 5");
    COUNTED(TCPSM_DROP_BAD_ACK, "A 1 ack 2");
    OUT("A 1 ack 1");
    COUNTED(TCPSM_DROP_OLD_ACK, "A 1 ack -70000");
    OUT("A 1 ack 1");
    COUNTED(TCPSM_DROP_WINDOW, "PA 100000 ack 1 len 5");
    OUT("A 1 ack 1");
    COUNTED(TCPSM_DROP_RST, "R 5");
    OUT("A 1 ack 1");
    SILENT(TCPSM_DROP_RST, "R 100000");
    COUNTED(TCPSM_DROP_SYN, "S 1");
    OUT("A 1 ack 1");
    IN("PA 1 ack 1 len 10");
    COUNTED(TCPSM_DROP_OLD_DATA, "PA 1 ack 1 len 10");
    OUT("A 1 ack 11");
    IN("FA 11 ack 1");
    OUT("A 1 ack 12");
    COUNTED(TCPSM_DROP_AFTER_FIN, "PA 12 ack 1 len 10");
    READ(10);
    READ_IS(TCPSM_E_EOF);
    START();
    OPENED("win 5000");
    CLOSE();
    OUT("FA 1 ack 1");
    COUNTED(TCPSM_DROP_CLOSED, "PA 1 ack 1 len 10");
    be(TCPSM_TIME_WAIT);
    SILENT(TCPSM_DROP_TIME_WAIT, "R 2");
}

TEST(reasons_of_memory)
{
    int i;

    START();
    OPENED("win 5000 mss 1000");
    for (i = 0; i < TCPSM_RANGES; i++) {
        IN("PA %d ack 1 len 10", 101 + 100 * i);
        OUT("A 1 ack 1");
    }
    COUNTED(TCPSM_DROP_RANGES, "PA 9001 ack 1 len 10");
    OUT("A 1 ack 1");
    START();
    w.rcv_ring = 0;
    w.cfg.rcv_promise = 4096;
    OPENED("win 5000");
    IN_RET(TCPSM_E_RING, "PA 1 ack 1 len 10");
    COUNTED(TCPSM_DROP_NO_DATA, "PA 1 ack 1 len 10 nodata");
    OUT("A 1 ack 1");
}

/* "Why a segment, or a part of it, was not used" */
TEST(text_on_a_syn_that_is_not_kept_has_a_reason)
{
    START();
    w.rcv_ring = 0;
    w.cfg.rcv_promise = 4096;
    LISTEN();
    COUNTED(TCPSM_DROP_NO_DATA, "S 0 len 10");
    STATE(TCPSM_SYN_RECEIVED);
    OUT("SA 0 ack 1 mss 1460");
    START();
    OPEN(); /* simultaneous open: queued, or left behind with a reason */
    OUT("S 0 mss 1460");
    IN_ANY("S 0 len 10");
    STATE(TCPSM_SYN_RECEIVED);
    wire__fill();
    wire__take();
    CHECK(w.in.drop == TCPSM_DROP_NO_DATA || w.seg.ack - w.irs == 11);
}

/* E_RING "carries payload and there is no ring", on a SYN,ACK as well */
TEST(text_on_a_syn_ack_asks_for_a_ring)
{
    START();
    w.rcv_ring = 0;
    w.cfg.rcv_promise = 4096;
    OPEN();
    OUT("S 0 mss 1460");
    IN_RET(TCPSM_E_RING, "SA 0 ack 1 len 10 win 5000");
    STATE(TCPSM_SYN_SENT);
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_RECEIVE, w.p.rcv[0], 8192, NULL), 0);
    IN("SA 0 ack 1 len 10 win 5000");
    OUT("A 1 ack 11");
    READ(10);
}

/* ICMP is in states_icmp.c, what only a stack says in unit/stack_*.c and
   ip.c. Runs last. */
TEST(every_drop_reason_was_reached)
{
    int i;

    if (!reached[TCPSM_DROP_SHORT] || !reached[TCPSM_DROP_RANGES])
        SKIP("needs the tests before it");
    reached[TCPSM_DROP_NONE] = reached[TCPSM_DROP_ICMP] = 1;
    for (i = 0; i < TCPSM_DROP_FULL; i++)
        if (!reached[i])
            FAIL("TCPSM_DROP_ %d was never reached", i);
}

/* A drop is not an error, and sets in->drop; input always sets it. */
TEST(in_drop_is_always_set)
{
    START();
    OPENED("win 5000");
    IN("A 1 ack 1"); /* wire.h poisons it before */
    CHECK_EQ(w.in.drop, 0);
    CHECK_EQ(tcpsm_input(w.c, NULL, 0), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_input(NULL, &w.in, 0), TCPSM_E_ARG);
    w.in.family = 5;
    CHECK_EQ(tcpsm_input(w.c, &w.in, 0), TCPSM_E_ARG);
    w.in.family = 4;
    w.in.src = NULL;
    CHECK_EQ(tcpsm_input(w.c, &w.in, 0), TCPSM_E_ARG);
}
