/* What the receiver says: delayed and immediate ACKs, duplicates that are
   owed, SACK (RFC 2018) and D-SACK (RFC 2883), aggregation. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#include "stream.h"

static void start(void)
{
    START();
    OPENED("mss 1460");
}

static void start_sack(void)
{
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SACK;
    OPENED("mss 1460 sackok");
}

/* ---- delayed ----------------------------------------------------------- */

/* RFC9293-SHLD-18, RFC9293-MUST-40, RFC5681-15 */
TEST(RFC9293_SHLD_18_MUST_40_RFC5681_15_delayed)
{
    start();
    IN("PA 1 ack 1 len 100");
    NONE();
    DEADLINE(0.04);
    AT(0.02);
    IN("PA 101 ack 1 len 100"); /* the second segment: now */
    OUT("A 1 ack 201");
    NONE();
    DEADLINE_NEVER();
    SET(TCPSM_SET_ACK_EVERY, 4);
    SET(TCPSM_SET_ACK_DELAY, 490000);
    AT(1);
    IN("PA 201 ack 1 len 100");
    AT(1.2);
    IN("PA 301 ack 1 len 100"); /* does not start the delay anew */
    DEADLINE(1.49);
    AT(1.49);
    OUT("A 1 ack 401");
    CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_ACK_DELAY, 500000), TCPSM_E_ARG);
}

/* RFC9293-SHLD-19: every second full-sized segment, or 2*RMSS of new
   octets in however many pieces */
TEST(RFC9293_SHLD_19_every_second)
{
    uint32_t k;
    start();
    for (k = 0; k < 10; k++) {
        INF("A %u ack 1 len 1460", 1 + 2920 * k);
        NONE();
        INF("A %u ack 1 len 1460", 1461 + 2920 * k);
        OUTF("A 1 ack %u", 2921 + 2920 * k);
        NONE();
        wire__read(2920);
        stream_drain();
    }
    start();
    SET(TCPSM_SET_ACK_EVERY, 2);
    IN("A 1 ack 1 len 5000"); /* a GRO train, segments not told */
    OUT("A 1 ack 5001");
}

TEST(ack_delay_off_and_quickack)
{
    start();
    SET(TCPSM_SET_ACK_DELAY, TCPSM_OFF);
    IN("PA 1 ack 1 len 1");
    OUT("A 1 ack 2");
    SET(TCPSM_SET_ACK_DELAY, 40000);
    SET(TCPSM_SET_QUICKACK, 2);
    IN("PA 2 ack 1 len 1");
    OUT("A 1 ack 3");
    IN("PA 3 ack 1 len 1");
    OUT("A 1 ack 4");
    IN("PA 4 ack 1 len 1");
    NONE();
    AT(0.04);
    OUT("A 1 ack 5");
    SET(TCPSM_SET_QUICKACK, 255);
    IN("PA 5 ack 1 len 1");
    OUT("A 1 ack 6");
}

/* The ACK rides on data. */
TEST(piggyback)
{
    start();
    IN("PA 1 ack 1 len 100");
    SEND(10);
    OUT("PA 1 ack 101 len 10");
    NONE();
    AT(0.04);
    NONE();
}

/* A ring smaller than two segments (design.md, memory): MSS at most half
   of it, and every segment is acknowledged at once. */
TEST(tiny_ring_acks_at_once)
{
    static const uint32_t ring[] = {100, 101, 536, 1000, 2000, 2919};
    uint32_t i;
    for (i = 0; i < 6; i++) {
        CONTEXT("ring %u", ring[i]);
        START();
        w.rcv_ring = ring[i];
        LISTEN();
        IN("S 0 mss 1460 win 5000");
        OUTF("SA 0 ack 1 mss %u win %u", ring[i] / 2, ring[i]);
        IN("A 1 ack 1");
        INF("PA 1 ack 1 len %u", ring[i] / 2);
        OUT("A 1 ack *");
        IN_ANY("PA 1 ack 1 len 1");
    }
}

/* RFC9293-MUST-58, RFC9293-MUST-59: a batch is answered once. RFC5681-15:
   never more than one ACK for a segment. */
TEST(RFC9293_MUST_58_59_batch)
{
    uint32_t k;
    start();
    for (k = 0; k < 20; k++)
        INF("PA %u ack 1 len 1000", 1 + 1000 * k);
    OUT("A 1 ack 20001");
    NONE();
}

/* ---- immediate --------------------------------------------------------- */

/* RFC5681-10, RFC9293-SHLD-31, RFC9293-MAY-13: one duplicate ACK for each
   segment beyond a gap; what fills any part of a gap, at once. They are
   owed: not one is lost when a batch is taken before output. */
TEST(RFC5681_10_SHLD_31_MAY_13_owed)
{
    uint32_t k;
    start();
    for (k = 1; k < 6; k++)
        INF("PA %u ack 1 len 1000", 1 + 1000 * k);
    for (k = 1; k < 6; k++)
        OUT("A 1 ack 1");
    NONE();
    IN("PA 1 ack 1 len 500"); /* part of the gap */
    OUT("A 1 ack 501");
    NONE();
    IN("PA 501 ack 1 len 500");
    OUT("A 1 ack 6001");
    NONE();
    READ(6000);
}

/* The count saturates: it does not wrap. */
TEST(owed_saturates)
{
    uint32_t k, n;
    start();
    for (k = 0; k < 700; k++)
        INF("PA %u ack 1 len 10", 11 + 10 * (k % 100));
    n = stream_drain();
    CHECK(n >= 200 && n <= 700);
}

/* RFC5681-15: at most one ACK for one segment, also when it is a duplicate
   on the left and on the right. */
TEST(RFC5681_15_one_ack_for_one_segment)
{
    start_sack();
    IN("A 1 ack 1 len 500");
    AT(0.04);
    OUT("A 1 ack 501");
    IN("A 1001 ack 1 len 500");
    OUT("A 1 ack 501 sack 1001:1501");
    IN("A 1 ack 1 len 1500");       /* old, new, old */
    OUT("A 1 ack 1501 sack 1:501"); /* RFC2883-2: only the first */
    NONE();
}

TEST(RFC5681_15_one_ack_without_sack)
{
    start();
    IN("A 1 ack 1 len 500");
    AT(0.04);
    OUT("A 1 ack 501");
    IN("A 1001 ack 1 len 500");
    OUT("A 1 ack 501");
    IN("A 1 ack 1 len 1500");
    OUT("A 1 ack 1501");
    NONE();
    IN_DROP(TCPSM_DROP_OLD_DATA, "A 1 ack 1 len 1500");
    OUT("A 1 ack 1501");
    NONE();
}

/* Old data is answered, always (design: segments with data get theirs). */
TEST(old_data_is_always_answered)
{
    uint32_t k;
    start();
    IN("A 1 ack 1 len 1000");
    AT(0.04);
    OUT("A 1 ack 1001");
    for (k = 0; k < 100; k++) {
        IN_DROP(TCPSM_DROP_OLD_DATA, "A 1 ack 1 len 1000");
        OUT("A 1 ack 1001");
        NONE();
    }
}

/* ---- SACK -------------------------------------------------------------- */

/* RFC2018-1: not unless the peer said that it may */
TEST(RFC2018_1_not_negotiated)
{
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SACK;
    LISTEN();
    IN("S 0 mss 1460"); /* no sackok */
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    IN("A 101 ack 1 len 10");
    OUT("A 1 ack 1");
    IN_DROP(TCPSM_DROP_NONE, "A 1 ack 1 len 10");
    OUT("A 1 ack 11");
    IN_DROP(TCPSM_DROP_OLD_DATA, "A 1 ack 1 len 10");
    OUT("A 1 ack 11");
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SACK;
    OPEN();
    OUT("S 0 mss 1460 sackok");
    IN("SA 0 ack 1 mss 1460");
    OUT("A 1 ack 1");
    IN("A 101 ack 1 len 10");
    OUT("A 1 ack 1");
}

/* RFC 2018 section 4's examples: the left window edge is 5000, eight
   segments of 500 are sent. (SEQ 5000 is 1 here: 4999 less.) */

/* case 2: "the first segment is dropped but the remaining 7 are received" */
TEST(RFC2018_2_3_section_7_case_2)
{
    uint32_t k;
    start_sack();
    for (k = 1; k < 8; k++) {
        INF("A %u ack 1 len 500", 1 + 500 * k);
        OUTF("A 1 ack 1 sack 501:%u", 1 + 500 * (k + 1));
    }
    IN("A 1 ack 1 len 500");
    OUT("A 1 ack 4001");
}

/* case 3: "the 2nd, 4th, 6th and 8th (last) segments are dropped", then
   the fourth and the second come: the table of the RFC */
TEST(RFC2018_3_4_section_7_case_3)
{
    start_sack();
    IN("A 1 ack 1 len 500"); /* 5000 */
    AT(0.04);
    OUT("A 1 ack 501");
    IN("A 1001 ack 1 len 500"); /* 6000 */
    OUT("A 1 ack 501 sack 1001:1501");
    IN("A 2001 ack 1 len 500"); /* 7000 */
    OUT("A 1 ack 501 sack 2001:2501 1001:1501");
    IN("A 3001 ack 1 len 500"); /* 8000 */
    OUT("A 1 ack 501 sack 3001:3501 2001:2501 1001:1501");
    IN("A 1501 ack 1 len 500"); /* 6500: the 4th, late */
    OUT("A 1 ack 501 sack 1001:2501 3001:3501");
    IN("A 501 ack 1 len 500"); /* 5500: the 2nd */
    OUT("A 1 ack 2501 sack 3001:3501");
}

/* RFC2018-4: four blocks fit, three with timestamps; the newest are there */
TEST(RFC2018_4_how_many_fit)
{
    start_sack();
    IN("A 101 ack 1 len 10");
    IN("A 201 ack 1 len 10");
    IN("A 301 ack 1 len 10");
    CHECK_EQ(stream_drain(), 3);
    IN("A 401 ack 1 len 10");
    OUT("A 1 ack 1 sack 401:411 301:311 201:211 101:111");
    IN("A 211 ack 1 len 10"); /* touches an old one */
    OUT("A 1 ack 1 sack 201:221 401:411 301:311 101:111");
    START();
    w.cfg.flags = TCPSM_NO_SCALE;
    OPENED("mss 1460 sackok ts 1 0");
    IN("A 101 ack 1 len 10");
    IN("A 201 ack 1 len 10");
    IN("A 301 ack 1 len 10");
    CHECK_EQ(stream_drain(), 3);
    IN("A 401 ack 1 len 10");
    OUT("A 1 ack 1 sack 401:411 301:311 201:211");
    CHECK_EQ(w.seg.hdr_len, 60);
}

/* RFC2018-2: in every ACK, also those that ride on data; the segment is
   that much smaller (RFC9293-MUST-16). */
TEST(RFC2018_2_on_data_too)
{
    start_sack();
    IN("A 101 ack 1 len 10");
    OUT("A 1 ack 1 sack 101:111");
    SEND(5000);
    OUT("A 1 ack 1 len 1448 sack 101:111");
    CHECK_EQ(w.seg.hdr_len + w.seg.len, 1480);
}

/* The order of the blocks with a lent table of more than four */
TEST(RFC2018_4_recency_with_a_lent_table)
{
    static uint32_t table[400];
    uint32_t k;
    start_sack();
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_TABLES, table, sizeof table, NULL), 0);
    wire__touched();
    for (k = 1; k <= 60; k++) {
        INF("A %u ack 1 len 10", 1 + 100 * k);
        stream_drain();
    }
    CHECK_EQ(stream_info().ranges, 60);
    IN("A 311 ack 1 len 10");
    OUT("A 1 ack 1 sack 301:321 6001:6011 5901:5911 5801:5811");
    IN("A 1201 ack 1 len 10"); /* a duplicate within */
    OUT("A 1 ack 1 sack 1201:1211 1201:1211 301:321 6001:6011");
    IN("A 1 ack 1 len 6000");
    OUT("A 1 ack 6011 sack 101:111"); /* the first duplicate within */
}

/* ---- the range table --------------------------------------------------- */

/* Full: what touches nothing is refused (and answered); what touches, and
   above all what is at RCV.NXT, is taken, also when it closes a gap. */
TEST(full_range_table)
{
    start();
    IN("A 101 ack 1 len 10");
    IN("A 201 ack 1 len 10");
    IN("A 301 ack 1 len 10");
    IN("A 401 ack 1 len 10");
    CHECK_EQ(stream_drain(), 4);
    IN_DROP(TCPSM_DROP_RANGES, "A 501 ack 1 len 10");
    OUT("A 1 ack 1");
    IN("A 411 ack 1 len 10");
    OUT("A 1 ack 1");
    IN("A 1 ack 1 len 50"); /* RCV.NXT: no room is needed */
    OUT("A 1 ack 51");
    IN("A 51 ack 1 len 50");
    OUT("A 1 ack 111");
    IN("A 501 ack 1 len 10"); /* one is free again */
    OUT("A 1 ack 111");
    IN("A 111 ack 1 len 390");
    OUT("A 1 ack 511");
    READ(510);
}

/* ---- D-SACK: RFC 2883's own examples ----------------------------------- */

/* 4.1.1: "Reporting a duplicate segment": acks lost, 3000-3499 and
   3500-3999 sent again */
TEST(RFC2883_1_4_1_1_duplicate_segment)
{
    start_sack();
    IN("A 1 ack 1 len 500");
    IN("A 501 ack 1 len 500");
    OUT("A 1 ack 1001");
    IN_DROP(TCPSM_DROP_OLD_DATA, "A 1 ack 1 len 500");
    OUT("A 1 ack 1001 sack 1:501");
    NONE();
    IN("A 1001 ack 1 len 500"); /* once per duplicate */
    AT(0.04);
    OUT("A 1 ack 1501");
}

/* 4.1.2: "an out-of-order segment and a duplicate segment" */
TEST(RFC2883_1_4_1_2_out_of_order_and_duplicate)
{
    start_sack();
    IN("A 1 ack 1 len 500"); /* 3000-3499 */
    AT(0.04);
    OUT("A 1 ack 501");
    IN("A 1001 ack 1 len 500"); /* 4000-4499; 3500-3999 lost */
    OUT("A 1 ack 501 sack 1001:1501");
    IN_DROP(TCPSM_DROP_OLD_DATA, "A 1 ack 1 len 500");
    OUT("A 1 ack 501 sack 1:501 1001:1501");
}

/* 4.1.3: "a duplicate of an out-of-order segment" */
TEST(RFC2883_1_4_1_3_duplicate_out_of_order)
{
    start_sack();
    IN("A 1 ack 1 len 500");
    AT(0.04);
    OUT("A 1 ack 501");
    IN("A 1001 ack 1 len 500");
    OUT("A 1 ack 501 sack 1001:1501");
    IN("A 1501 ack 1 len 500");
    OUT("A 1 ack 501 sack 1001:2001");
    IN("A 1501 ack 1 len 500"); /* again: the block, and the one around it */
    OUT("A 1 ack 501 sack 1501:2001 1001:2001");
}

/* 4.1.4: "a single duplicate subsegment" */
TEST(RFC2883_1_4_1_4_subsegment)
{
    start_sack();
    IN("A 1 ack 1 len 500"); /* 500-999 */
    IN("A 501 ack 1 len 500");
    OUT("A 1 ack 1001");
    IN("A 501 ack 1 len 1000"); /* 1000-1999, half of it old */
    OUT("A 1 ack 1501 sack 501:1001");
}

/* 4.1.5: "two non-contiguous duplicate subsegments covered by the
   cumulative ACK": 1500-3000 comes; 500 missing in its middle */
TEST(RFC2883_2_4_2_two_subsegments)
{
    start_sack();
    IN("A 1 ack 1 len 500");
    AT(0.04);
    OUT("A 1 ack 501");
    IN("A 1001 ack 1 len 500");
    OUT("A 1 ack 501 sack 1001:1501");
    IN("A 1 ack 1 len 1500");
    OUT("A 1 ack 1501 sack 1:501"); /* only the first */
    NONE();
}

/* 4.2.3: "two non-contiguous duplicate subsegments not covered" */
TEST(RFC2883_2_4_2_3_not_covered)
{
    start_sack();
    IN("A 1 ack 1 len 500"); /* the RFC: 500-999, then 1500-1999 lost */
    AT(0.04);
    OUT("A 1 ack 501");
    IN("A 1001 ack 1 len 500");
    OUT("A 1 ack 501 sack 1001:1501");
    IN("A 2001 ack 1 len 500");
    OUT("A 1 ack 501 sack 2001:2501 1001:1501");
    IN("A 1001 ack 1 len 1500");
    OUT("A 1 ack 501 sack 1001:1501 1001:2501");
    NONE();
}

/* No D-SACK for a keepalive's or a window probe's octet beyond the edge */
TEST(no_dsack_for_a_window_probe)
{
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SACK;
    w.rcv_ring = 3000;
    OPENED("mss 1460 sackok");
    IN("A 1 ack 1 len 1500");
    IN("A 1501 ack 1 len 1500");
    OUT("A 1 ack 3001 win 0");
    IN_DROP(TCPSM_DROP_WINDOW, "A 3001 ack 1 len 1");
    OUT("A 1 ack 3001 win 0");
    NONE();
}

/* ---- FIN --------------------------------------------------------------- */

/* Out of order it is held, reported, and counts when its turn comes. */
TEST(fin_out_of_order)
{
    start_sack();
    IN("FA 101 ack 1 len 100");
    OUT("A 1 ack 1 sack 101:202");
    STATE(TCPSM_ESTABLISHED);
    CHECK(!(tcpsm_events(w.c) & TCPSM_EV_EOF));
    IN("A 1 ack 1 len 50");
    OUT("A 1 ack 51 sack 101:202");
    IN("A 51 ack 1 len 50");
    OUT("A 1 ack 202");
    STATE(TCPSM_CLOSE_WAIT);
    READ(200);
    READ_IS(TCPSM_E_EOF);
}

TEST(bare_fin_out_of_order)
{
    start_sack();
    IN("FA 101 ack 1");
    OUT("A 1 ack 1 sack 101:102");
    IN("FA 101 ack 1"); /* again */
    CHECK_EQ(stream_drain(), 1);
    IN("A 1 ack 1 len 100");
    OUT("A 1 ack 102");
    STATE(TCPSM_CLOSE_WAIT);
    READ(100);
    READ_IS(TCPSM_E_EOF);
}

/* RFC 9293 s3.10.7.4, seventh: text after a FIN is ignored, in order and
   out of order. */
TEST(text_after_a_fin)
{
    start();
    IN("FA 101 ack 1 len 100"); /* the stream ends at 201 */
    OUT("A 1 ack 1");
    IN_DROP(TCPSM_DROP_WINDOW, "A 151 ack 1 len 200");
    stream_drain();
    IN_DROP(TCPSM_DROP_WINDOW, "A 301 ack 1 len 200");
    stream_drain();
    IN_ANY("A 1 ack 1 len 500");
    stream_drain();
    STATE(TCPSM_CLOSE_WAIT);
    READ(200);
    READ_IS(TCPSM_E_EOF);
    IN_DROP(TCPSM_DROP_AFTER_FIN, "A 202 ack 1 len 10");
    READ_IS(TCPSM_E_EOF);
}

/* A FIN at a full window: it takes no ring byte. */
TEST(fin_at_zero_window)
{
    START();
    w.rcv_ring = 1000;
    OPENED("mss 1460");
    IN("A 1 ack 1 len 500");
    IN("A 501 ack 1 len 500");
    OUT("A 1 ack 1001 win 0");
    IN("FA 1001 ack 1");
    OUT("A 1 ack 1002 win 0");
    STATE(TCPSM_CLOSE_WAIT);
    READ(1000);
    READ_IS(TCPSM_E_EOF);
}
