/* What the sender makes of a stream: segment sizes, Nagle, cork, records,
   PSH, silly windows, urgent data, and what goes with each segment. */

#define PAIR_RING 262144
#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#include "stream.h"

/* ---- sizes ------------------------------------------------------------- */

/* RFC9293-MUST-15: no option: 536 and 1220 */
TEST(RFC9293_MUST_15_default_mss)
{
    START();
    OPENED("win 65535");
    SEND(5000);
    FLIGHT(1, 9, 536);
    START6();
    OPENED("win 65535");
    SEND(5000);
    FLIGHT(1, 4, 1220);
}

/* RFC9293-MUST-16: min(MSS + 20, MTU - IP header) - TCP header with its
   options; RFC9293-MUST-14 */
TEST(RFC9293_MUST_14_16_effective_mss)
{
    static const struct {
        unsigned mtu, mss, want, with_ts;
    } t[] = {
        {1500, 1460, 1460, 1448}, {1500, 65535, 1460, 1448},
        {1500, 1000, 1000, 988},  {1000, 1460, 960, 948},
        {1500, 536, 536, 524},    {1500, 48, 48, 36},
        {1500, 1, 48, 36},   /* a floor: never less than an option block */
        {1500, 0, 536, 524}, /* an MSS of 0 says nothing */
        {108, 1460, 68, 56},
    };
    uint32_t i;
    for (i = 0; i < sizeof t / sizeof *t; i++) {
        CONTEXT("row %u", i);
        START();
        w.cfg.mtu = (uint16_t)t[i].mtu;
        WIRE__STEP("mss %u win 65535", t[i].mss);
        wire__handshake(1);
        SEND(20000);
        FLIGHT(1, 8, t[i].want);
        START();
        w.cfg.mtu = (uint16_t)t[i].mtu;
        w.cfg.flags = TCPSM_NO_SCALE | TCPSM_NO_SACK;
        WIRE__STEP("mss %u win 65535 ts 1 0", t[i].mss);
        wire__handshake(0);
        SEND(20000);
        FLIGHT(1, 8, t[i].with_ts);
        CHECK_EQ(w.seg.hdr_len, 32);
    }
}

/* RFC9293-MUST-67: what we ask for; -SHLD-5, MAY-3: in every SYN; never in
   any other segment (RFC9293-MUST-65) */
TEST(RFC9293_MUST_65_67_SHLD_5_advertised_mss)
{
    static const struct {
        unsigned mtu, ring, want;
    } t[] = {{1500, 65535, 1460}, {576, 65535, 536},     {1500, 2920, 1460},
             {1500, 2000, 1000},  {1500, 1000, 500},     {9000, 65535, 8960},
             {108, 65535, 68},    {65535, 262144, 65495}};
    uint32_t i;
    for (i = 0; i < sizeof t / sizeof *t; i++) {
        START();
        w.cfg.mtu = (uint16_t)t[i].mtu;
        w.rcv_ring = t[i].ring;
        OPEN();
        OUTF("S 0 mss %u", t[i].want);
        IN("SA 0 ack 1 mss 1460");
        OUT("A 1 ack 1");
    }
    START6();
    OPEN();
    OUT("S 0 mss 1440");
}

TEST(maxseg_and_mtu_while_running)
{
    START();
    OPENED("mss 1460 win 65535");
    SEND(20000);
    FLIGHT(1, 10, 1460);
    SET(TCPSM_SET_MAXSEG, 500);
    IN("A 1 ack 14601");
    FLIGHT(14601, 10, 500);
    IN("A 1 ack 19601");
    OUT("PA 19601 ack 1 len 400");
    IN("A 1 ack 20001");
    SET(TCPSM_SET_MTU, 340);
    SEND(1000);
    FLIGHT(20001, 3, 300);
    CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_MTU, 87), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_MAXSEG, 47), TCPSM_E_ARG);
}

/* A buffer that is smaller than a segment bounds it. */
TEST(small_output_buffer)
{
    uint32_t seq = 1;
    START();
    w.cfg.flags |= TCPSM_NODELAY;
    OPENED("mss 1460 win 65535");
    w.p.out_cap = TCPSM_MIN_CAP;
    SEND(1000);
    for (; seq < 973; seq += 108)
        FLIGHT(seq, 1, 108);
    OUT("PA 973 ack 1 len 28");
    AT(0.2);
    OUT("A 1 ack 1 len 108");
    IN("A 1 ack 109");
    FLIGHT(109, 1, 108);
}

/* ---- when -------------------------------------------------------------- */

/* RFC9293-SHLD-7, RFC 896: with something unacknowledged a short segment
   waits, for whatever is first: the ACK, or enough to fill a segment. */
TEST(RFC9293_SHLD_7_nagle)
{
    START();
    OPENED("mss 1000 win 65535");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    SEND(10);
    NONE();
    SEND(985);
    NONE();
    SEND(10);
    OUT("A 11 ack 1 len 1000");
    NONE();
    IN("A 1 ack 11");
    NONE(); /* 1000 are still out */
    IN("A 1 ack 1011");
    OUT("PA 1011 ack 1 len 5");
}

/* EV_SENT: all that was queued is acknowledged, not only all that was
   sent; EV_WRITABLE: after a short send, when LOWAT octets are free. */
TEST(events_of_the_sender)
{
    START();
    w.snd_ring = 1000;
    OPENED("mss 1000 win 65535");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    SEND(10);
    IN("A 1 ack 11");
    EVENTS(0);
    OUT("PA 11 ack 1 len 10");
    IN("A 1 ack 21");
    EVENTS(TCPSM_EV_SENT);
    SET(TCPSM_SET_LOWAT, 300);
    CHECK_EQ(wire__send(1200, 0), 1000);
    CHECK_EQ(wire__send(1, 0), 0);
    OUT("PA 21 ack 1 len 1000");
    IN("A 1 ack 320"); /* 299 */
    EVENTS(0);
    IN("A 1 ack 321");
    EVENTS(TCPSM_EV_WRITABLE);
    IN("A 1 ack 421"); /* once */
    EVENTS(0);
}

/* RFC9293-MUST-17: off, by configuration and at any time */
TEST(RFC9293_MUST_17_nodelay)
{
    START();
    OPENED("mss 1000 win 65535");
    SET(TCPSM_SET_NODELAY, 1);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    SEND(10);
    OUT("PA 11 ack 1 len 10");
    SET(TCPSM_SET_NODELAY, 0);
    SEND(10);
    NONE();
    START();
    w.cfg.flags |= TCPSM_NODELAY;
    OPENED("mss 1000 win 65535");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    SEND(10);
    OUT("PA 11 ack 1 len 10");
}

/* A FIN is not held back by Nagle. */
TEST(fin_with_data_passes_nagle)
{
    START();
    OPENED("mss 1000 win 65535");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    SEND(10);
    SHUTDOWN();
    OUT("FPA 11 ack 1 len 10");
    NONE();
}

/* MORE holds a short segment, for 200 ms at most (RFC9293-MUST-60). */
TEST(RFC9293_MUST_60_more_and_cork)
{
    START();
    OPENED("mss 1000 win 65535");
    SEND_FLAGS(10, TCPSM_MORE);
    NONE();
    DEADLINE(0.2);
    SEND_FLAGS(10, TCPSM_MORE);
    AT(0.1);
    SEND(10);
    OUT("PA 1 ack 1 len 30");
    IN("A 1 ack 31");
    SEND_FLAGS(10, TCPSM_MORE);
    AT(0.3);
    OUT("PA 31 ack 1 len 10");
    IN("A 1 ack 41");
    SEND_FLAGS(1500, TCPSM_MORE);
    OUT("A 41 ack 1 len 1000"); /* a full one goes */
    NONE();
    IN("A 1 ack 1041");
    NONE();
    CHECK_EQ(wire__send(0, 0), 0); /* ends what MORE began */
    OUT("PA 1041 ack 1 len 500");
    IN("A 1 ack 1541");
    SET(TCPSM_SET_CORK, 1);
    SEND(10);
    NONE();
    WAIT(0.2);
    OUT("PA 1541 ack 1 len 10");
    IN("A 1 ack 1551");
    SEND(10);
    NONE();
    SET(TCPSM_SET_CORK, 0);
    OUT("PA 1551 ack 1 len 10");
    IN("A 1 ack 1561");
    SET(TCPSM_SET_CORK, 1);
    SEND(10);
    NONE();
    SHUTDOWN(); /* nothing more can follow */
    OUT("FPA 1561 ack 1 len 10");
}

/* The flush also comes when other data was in flight at first (law 7). */
TEST(cork_behind_data_in_flight)
{
    START();
    OPENED("mss 1000 win 65535");
    SET(TCPSM_SET_CORK, 1);
    SET(TCPSM_SET_NODELAY, 1);
    SEND(1010);
    OUT("A 1 ack 1 len 1000");
    AT(0.1);
    IN("A 1 ack 1001");
    NONE();
    CHECK_LE(tcpsm_deadline(w.c), w.t0 + 300000u);
    AT(0.3);
    OUT("PA 1001 ack 1 len 10");
}

/* No segment spans the end of a record; PSH at it. */
TEST(records)
{
    START();
    w.cfg.flags |= TCPSM_NODELAY;
    OPENED("mss 1000 win 65535");
    SEND_FLAGS(300, TCPSM_EOR);
    CHECK_EQ(wire__send(300, TCPSM_EOR), 0); /* one at a time */
    SEND(300);
    OUT("PA 1 ack 1 len 300");
    OUT("PA 301 ack 1 len 300");
    CHECK(tcpsm_take(w.c) & TCPSM_EV_WRITABLE);
    SEND_FLAGS(2300, TCPSM_EOR);
    SEND(2000);
    OUT("A 601 ack 1 len 1000");
    OUT("A 1601 ack 1 len 1000");
    OUT("PA 2601 ack 1 len 300");
    OUT("A 2901 ack 1 len 1000");
    OUT("PA 3901 ack 1 len 1000");
    CHECK_EQ(wire__send(0, TCPSM_EOR), 0);
    NONE();
}

/* With Nagle a record's end is no reason to send it. */
TEST(record_and_nagle)
{
    START();
    OPENED("mss 1000 win 65535");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    SEND_FLAGS(10, TCPSM_EOR);
    SEND(2000);
    NONE();
    IN("A 1 ack 11");
    OUT("PA 11 ack 1 len 10");
    OUT("A 21 ack 1 len 1000");
    OUT("PA 1021 ack 1 len 1000");
}

/* RFC9293-MUST-61: PSH on the last; RFC9293-SHLD-27: only there;
   RFC9293-SHLD-28: as large as possible */
TEST(RFC9293_MUST_61_SHLD_27_28_push)
{
    START();
    OPENED("mss 1000 win 65535");
    SEND(500);
    SEND(500);
    SEND(500);
    SEND(1500);
    OUT("A 1 ack 1 len 1000");
    OUT("A 1001 ack 1 len 1000");
    OUT("PA 2001 ack 1 len 1000");
    NONE();
}

/* ---- silly windows: RFC9293-MUST-38 ------------------------------------ */

/* Less than a segment of window: wait, unless it is half of the largest
   window ever, or the override (0.1 to 1 s) */
TEST(RFC9293_MUST_38_sender_sws)
{
    START();
    OPENED("mss 1000 win 4000");
    SEND(10000);
    FLIGHT(1, 4, 1000);
    IN("A 1 ack 4001 win 700"); /* < MSS, < 4000 / 2 */
    NONE();
    DEADLINE(0.2);
    AT(0.2);
    OUT("A 4001 ack 1 len 700");
    IN("A 1 ack 4701 win 999");
    NONE();
    IN("A 1 ack 4701 win 1000"); /* a whole segment */
    OUT("A 4701 ack 1 len 1000");
    START();
    OPENED("mss 1000 win 1500");
    SEND(10000);
    OUT("A 1 ack 1 len 1000");
    NONE();                     /* 500 left: outstanding */
    IN("A 1 ack 1001 win 750"); /* half of 1500 */
    OUT("A 1001 ack 1 len 750");
    IN("A 1 ack 1751 win 749");
    NONE();
    WAIT(0.2);
    OUT("A 1751 ack 1 len 749");
}

/* All that is queued fits: no reason to wait. */
TEST(RFC9293_MUST_38_all_that_is_queued)
{
    START();
    OPENED("mss 1000 win 65535");
    IN("A 1 ack 1 win 100");
    SEND(100);
    OUT("PA 1 ack 1 len 100");
}

/* ---- urgent ------------------------------------------------------------ */

/* RFC9293-MUST-30, RFC9293-MUST-62: the pointer is the octet after */
TEST(RFC9293_MUST_30_62_urgent_out)
{
    START();
    OPENED("mss 1000 win 65535");
    SEND(1200);
    SEND_FLAGS(300, TCPSM_URG);
    SEND(1500);
    OUT("UA 1 ack 1 len 1000 urg 1500");
    OUT("UA 1001 ack 1 len 1000 urg 500");
    OUT("PA 2001 ack 1 len 1000"); /* beyond it */
    IN("PA 1 ack 1 len 10");
    AT(0.04);
    OUT("A 3001 ack 11"); /* an ACK beyond it: no URG */
}

/* RFC9293-MUST-31: any length, and a pointer beyond 65535 */
TEST(RFC9293_MUST_31_urgent_far)
{
    uint32_t k;
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
    w.snd_ring = PAIR_RING;
    OPENED("mss 1000 win 65535 ws 4");
    SEND_FLAGS(200000, TCPSM_URG);
    for (k = 0; k < 199; k++) {
        uint32_t left = 200000 - k * 1000;
        OUTF("UA %u ack 1 len 1000 urg %u", 1 + 1000 * k,
             left > 65535 ? 65535 : left);
        INF("A 1 ack %u", 1001 + 1000 * k);
        if (w.q_n > 40)
            FAIL("too many");
        while (w.q_n) {
            k++;
            wire__take();
            CHECK_EQ(w.seg.seq - w.iss, 1 + 1000 * k);
            CHECK(w.seg.flags & PAIR_URG);
        }
    }
}

/* Urgent at zero window: told at once, without text (RFC9293-MUST-30) */
TEST(RFC9293_MUST_30_urgent_at_zero_window)
{
    START();
    OPENED("mss 1000 win 1000");
    SEND(1000);
    OUT("PA 1 ack 1 len 1000");
    IN("A 1 ack 1001 win 0");
    SEND_FLAGS(5, TCPSM_URG);
    OUT("UA 1001 ack 1 urg 5");
    NONE();
    AT(0.2);
    OUT("UA 1001 ack 1 len 1 urg 5");
}

/* RFC9293-MUST-32: an event for the first and for each advance; -33: how
   much remains; urgent data stays in the stream */
TEST(RFC9293_MUST_32_33_urgent_in)
{
    START();
    OPENED("mss 1000");
    IN("UA 1 ack 1 len 10 urg 500");
    EVENTS(TCPSM_EV_URGENT | TCPSM_EV_READABLE);
    CHECK_EQ(stream_info().urgent, 500);
    IN("UA 11 ack 1 len 10 urg 490"); /* the same octet */
    EVENTS(TCPSM_EV_READABLE);
    IN("UA 21 ack 1 len 10 urg 580"); /* it advances */
    EVENTS(TCPSM_EV_READABLE | TCPSM_EV_URGENT);
    READ(30);
    CHECK_EQ(stream_info().urgent, 570);
    IN("A 31 ack 1 len 1000");
    CHECK(tcpsm_events(w.c) & TCPSM_EV_URGENT);
    READ(569);
    CHECK_EQ(stream_info().urgent, 1);
    READ(1);
    CHECK_EQ(stream_info().urgent, 0);
    CHECK(!(tcpsm_events(w.c) & TCPSM_EV_URGENT));
    READ(430);
    tcpsm_take(w.c);
    IN("UA 1031 ack 1 len 0 urg 65535"); /* without text */
    EVENTS(TCPSM_EV_URGENT);
    CHECK_EQ(stream_info().urgent, 65535);
    IN("UA 1031 ack 1 len 10 urg 0");
    EVENTS(TCPSM_EV_READABLE);
    stream_drain();
    IN("UA 51031 ack 1 len 10 urg 60000"); /* far beyond any window */
    EVENTS(TCPSM_EV_URGENT);
    CHECK_EQ(stream_info().urgent, 110000);
}

/* ---- what goes with it ------------------------------------------------- */

/* RFC9293-MUST-48, -MUST-49, -SHLD-21, -SHLD-22, -MAY-9; RFC3168-6, -11,
   -12, -13: ECT on new data only */
TEST(RFC9293_MUST_48_49_SHLD_21_22_MAY_9_RFC3168_11_12_13)
{
    START();
    w.cfg.dscp = 46;
    w.cfg.ttl = 33;
    OPENED("mss 1000 win 1000");
    CHECK_EQ(w.last.tos, 46 << 2);
    CHECK_EQ(w.last.ttl, 33);
    SET(TCPSM_SET_ECN, 2);
    SEND(1000);
    OUT("PA 1 ack 1 len 1000");
    CHECK_EQ(w.last.tos, 46 << 2 | 2);
    AT(0.2);
    OUT("PA 1 ack 1 len 1000"); /* again */
    CHECK_EQ(w.last.tos, 46 << 2);
    SET(TCPSM_SET_DSCP, 10);
    SET(TCPSM_SET_TTL, 255);
    IN("PA 1 ack 1001 len 10 win 0 tos 3");
    CHECK_EQ(stream_info().tos_seen, 3);
    WAIT(0.04);
    OUT("A 1001 ack 11");
    CHECK_EQ(w.last.tos, 10 << 2);
    CHECK_EQ(w.last.ttl, 255);
    SEND(10);
    wire__fill();
    w.p.now = tcpsm_deadline(w.c);
    OUT("A 1001 ack 11 len 1"); /* a window probe */
    CHECK_EQ(w.last.tos, 10 << 2);
    IN("A 11 ack 1002 win 1000 tos 184");
    CHECK_EQ(stream_info().tos_seen, 184);
    CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_TTL, 0), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_DSCP, 64), TCPSM_E_ARG);
}

/* ---- offloads ---------------------------------------------------------- */

/* Trains (TCPSM_GSO): pair.h cuts them as a card would; the same bytes
   come as without. None for urgent data, none across a record. */
static void train(uint32_t flags, uint32_t offset)
{
    uint32_t k;
    START();
    w.cfg.flags |= flags;
    w.snd_ring = 30011; /* wraps */
    OPENED("mss 1000 win 65535");
    if (offset) {
        SEND(offset);
        while (stream_info().snd_queued != 0) {
            stream_drain();
            INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
        }
    }
    SEND(9500);
    FLIGHT(1 + offset, 9, 1000);
    if (flags & TCPSM_GSO)
        CHECK_EQ(COUNT(out_segments), 3); /* SYN, ACK, train */
    NONE();
    INF("A 1 ack %u", 9001 + offset);
    OUTF("PA %u ack 1 len 500", 9001 + offset);
    INF("A 1 ack %u", 9501 + offset);
    SEND_FLAGS(3000, TCPSM_URG);
    k = (uint32_t)COUNT(out_segments);
    OUTF("UA %u ack 1 len 1000 urg 3000", 9501 + offset);
    FLIGHT(10501 + offset, 2, 1000);
    CHECK_EQ(COUNT(out_segments), k + 3);
    INF("A 1 ack %u", 12501 + offset);
    SEND_FLAGS(2500, TCPSM_EOR);
    SEND(2000);
    FLIGHT(12501 + offset, 2, 1000);
    if (!(flags & TCPSM_NODELAY))
        INF("A 1 ack %u", 14501 + offset);
    OUTF("PA %u ack 1 len 500", 14501 + offset);
    FLIGHT(15001 + offset, 2, 1000);
}

TEST(gso_trains)
{
    train(TCPSM_GSO, 0);
}

TEST(gather_and_partial_and_zero_checksums)
{
    uint32_t flags;
    for (flags = 0; flags < 8; flags++) {
        uint32_t f = (flags & 1 ? TCPSM_GATHER : 0u) |
                     (flags & 2 ? TCPSM_TX_PARTIAL : 0u) |
                     (flags & 4 ? TCPSM_TX_ZERO : 0u);
        CONTEXT("flags %u", f);
        if ((f & TCPSM_TX_PARTIAL) && (f & TCPSM_TX_ZERO))
            continue;
        train(f, 0);
        train(f, 25003); /* the ring wraps inside a segment */
        train(f | TCPSM_GSO, 0);
    }
}

/* A train that comes in (GRO) counts as its segments. */
TEST(gro_trains_in)
{
    START();
    w.cfg.ack_every = 4;
    OPENED("mss 1000");
    wire__build("PA 1 ack 1 len 3000");
    w.in.gso_size = 1000;
    CHECK_EQ(tcpsm_input(w.c, &w.in, w.p.now), 0);
    wire__touched();
    NONE(); /* three of four */
    wire__build("PA 3001 ack 1 len 700");
    w.in.gso_size = 350;
    w.in.segs = 1;
    CHECK_EQ(tcpsm_input(w.c, &w.in, w.p.now), 0);
    wire__touched();
    OUT("A 1 ack 3701");
    wire__build("PA 3701 ack 1 len 4000");
    w.in.gso_size = 1000;
    CHECK_EQ(tcpsm_input(w.c, &w.in, w.p.now), 0);
    wire__touched();
    OUT("A 1 ack 7701");
    READ(7700);
}
