/* SEGMENT ARRIVES at its edges: one octet, one tick or one wrap of the
   numbers to either side of what RFC 9293 section 3.10.7, RFC 5961, RFC 7323
   and RFC 6191 accept. What lies well inside or outside is in states_*.c. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

static struct tcpsm_info status(void)
{
    struct tcpsm_info i;
    tcpsm_status(w.c, &i);
    return i;
}

/* ---- first: acceptability ----------------------------------------------- */

/* RFC 9293 s3.4: numbers are compared modulo 2^32. What lies ahead by one
   less than half of them is ahead, and beyond the window: its ACK says
   nothing. */
TEST(RFC9293_3_4_half_the_numbers_ahead_is_no_part_of_the_window)
{
    START();
    OPENED("mss 1000 win 5000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    IN_DROP(TCPSM_DROP_WINDOW, "A 2147483648 ack 11 len 1"); /* 2^31 - 1 */
    OUT("A 11 ack 1");
    CHECK_EQ(status().snd_queued, 10);
    IN_DROP(TCPSM_DROP_WINDOW, "A 2147483647 ack 11 len 1");
    OUT("A 11 ack 1");
    CHECK_EQ(status().snd_queued, 10);
    IN_DROP(TCPSM_DROP_OLD_DATA, "A 2147483649 ack 11 len 10"); /* behind */
    OUT("A 11 ack 1");
    CHECK_EQ(status().snd_queued, 10);
    IN("A 1 ack 11");
    CHECK_EQ(status().snd_queued, 0);
}

/* Text that begins beyond the window is not old because it is long. */
TEST(RFC9293_3_10_7_4_beyond_a_small_window)
{
    START();
    w.rcv_ring = 200;
    OPENED("mss 1000");
    IN_DROP(TCPSM_DROP_WINDOW, "PA 201 ack 1 len 500");
    OUT("A 1 ack 1 win 200");
    CHECK_EQ(COUNT(duplicates), 0);
    IN_DROP(TCPSM_DROP_OLD_DATA, "PA -499 ack 1 len 500");
    OUT("A 1 ack 1 win 200");
    CHECK_EQ(COUNT(duplicates), 1);
}

/* ---- RFC 5961 section 7: the limit's time ------------------------------- */

/* Ten in five seconds, counted in units of 2^16 us from the first of them. */
TEST(RFC5961_12_challenges_are_limited_for_five_seconds)
{
    tcpsm_time first;
    int i;

    START();
    OPENED("mss 1000");
    first = (w.p.now >> 16) + 1;
    wire__at(first << 16);
    for (i = 0; i < 10; i++) {
        IN_DROP(TCPSM_DROP_SYN, "S 100");
        OUT("A 1 ack 1");
    }
    IN_DROP(TCPSM_DROP_SYN, "S 100");
    NONE();
    wire__at(((first + 76) << 16) - 1); /* 4.98 s */
    IN_DROP(TCPSM_DROP_SYN, "S 100");
    NONE();
    wire__at((first + 76) << 16);
    IN_DROP(TCPSM_DROP_SYN, "S 100");
    OUT("A 1 ack 1");
    CHECK_EQ(COUNT(challenges), 11);
}

/* ---- second: RST; fourth: SYN ------------------------------------------- */

/* RFC9293-MUST-11 and RFC 9293 s3.10.7.4: from LISTEN, a SYN in the window
   takes back to LISTEN; where a reader already has the text of the first SYN
   (RFC 7413), it is a reset: the text cannot be taken back. */
TEST(RFC7413_a_second_syn_where_the_first_one_was_served)
{
    char cookie[64] = "raw 220A";
    const uint8_t *p;
    int i;

    /* a cookie for this client: asked for */
    START();
    w.cfg.flags |= TCPSM_FASTOPEN;
    LISTEN();
    IN("S 0 mss 1000 raw 22020101");
    WIRE__STEP("the SYN,ACK");
    wire__fill();
    wire__take();
    for (p = w.last.bytes + 20; *p != 34; p += *p == 1 ? 1 : p[1])
        CHECK(p < w.last.bytes + w.seg.hdr_len);
    CHECK_EQ(p[1], 10);
    for (i = 0; i < 8; i++)
        snprintf(cookie + 8 + 2 * i, 3, "%02X", p[2 + i]);
    IN("R 1");
    STATE(TCPSM_LISTEN);

    IN("S 0 mss 1000 len 100 %s0101", cookie);
    READ(100);
    STATE(TCPSM_SYN_RECEIVED);
    OUT("SA 0 ack 101 mss 1460");
    IN_DROP(TCPSM_DROP_SYN, "S 5000 mss 1000");
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_RESET);
}

/* RFC7413-11: text that a simultaneous open did not take is as if it had
   never been sent: it goes with the first ACK, at once, and is no loss. */
TEST(RFC7413_11_both_open_and_the_text_is_not_taken)
{
    tcpsm_fastopen f;

    START();
    w.cfg.flags |= TCPSM_NODELAY | TCPSM_NO_PROBE;
    wire__init();
    memset(&f, 0, sizeof f);
    f.len = 8;
    f.mss = 1000;
    CHECK_EQ(tcpsm_open_fast(w.c, &w.tuple, &f, w.p.now), 0);
    wire__touched();
    w.iss = wire__probe_iss();
    SEND(500);
    OUT("S 0 len 500 mss 1460");
    IN_ANY("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
    OUT("PA 1 ack 1 len 500");
    CHECK_EQ(COUNT(timeouts), 0);
    CHECK_EQ(COUNT(retransmits), 1); /* the SYN, with its ACK */
}

/* ... which its own SYN, again, is not. */
TEST(RFC9293_3_10_7_4_the_syn_again_is_not_another_one)
{
    START();
    LISTEN();
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN_DROP(TCPSM_DROP_OLD_DATA, "S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    NONE();
    STATE(TCPSM_SYN_RECEIVED);
    CHECK_EQ(COUNT(challenges), 0);
    IN_DROP(TCPSM_DROP_SYN, "S 1 mss 1000");
    STATE(TCPSM_LISTEN);
    NONE();
}

/* ---- fifth: ACK ---------------------------------------------------------- */

/* RFC5961-10: outside of SND.UNA - MAX.SND.WND to SND.NXT. Which side it is
   on is told by SND.UNA, half the numbers away too. */
TEST(RFC5961_10_old_and_future_are_told_apart_at_half_the_numbers)
{
    START();
    OPENED("mss 1000 win 5000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    IN_DROP(TCPSM_DROP_OLD_ACK, "A 1 ack 2147483649"); /* UNA + 2^31 */
    OUT("A 11 ack 1");
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack 2147483648");
    OUT("A 11 ack 1");
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack 12");
    OUT("A 11 ack 1");
}

/* RFC 9293 s3.10.7.3: <SEQ=SEG.ACK><CTL=RST> for an ACK of what was never
   sent, with the timestamp of the segment that it answers and no other's;
   what waits to be sent, urgent data too, does not change. */
TEST(RFC9293_3_10_7_3_each_answer_is_to_its_own_segment)
{
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    OPEN();
    OUT("S 0 mss 1460 ts * 0");
    SEND_FLAGS(20, TCPSM_URG);
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 5 ack 77 ts 4242 1");
    OUT("R 77 ts * 4242");
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 5 ack 78");
    OUT("R 78");
    NONE();
    IN("SA 0 ack 1 mss 1000 ts 4300 *");
    w.ts = 0;
    WIRE__STEP("the urgent text");
    wire__fill();
    wire__take();
    CHECK_EQ(w.seg.flags & PAIR_URG, PAIR_URG);
    CHECK_EQ(w.seg.urg, 20);
}

/* RFC 9293 s3.10.7.4, LAST-ACK: "the only thing that can arrive is an
   acknowledgment of our FIN": then the connection is gone, and nothing else
   of the segment is looked at. */
TEST(RFC9293_3_10_7_4_after_the_last_ack_nothing_is_read)
{
    START();
    OPENED("mss 1000");
    IN("FA 1 ack 1");
    OUT("A 1 ack 2");
    SHUTDOWN();
    OUT("FA 1 ack 2");
    STATE(TCPSM_LAST_ACK);
    IN("PUA 2 ack 2 len 10 urg 5");
    STATE(TCPSM_CLOSED);
    ERROR_IS(0);
    NONE();
    READ_IS(TCPSM_E_EOF);
}

/* ... and CLOSING: TIME-WAIT, "otherwise ignore the segment" */
TEST(RFC9293_3_10_7_4_closing_reads_nothing_with_the_ack)
{
    START();
    OPENED("mss 1000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("FA 1 ack 1");
    OUT("A 2 ack 2");
    STATE(TCPSM_CLOSING);
    IN("PA 2 ack 2 len 10");
    STATE(TCPSM_TIME_WAIT);
    NONE();
}

/* ---- what arrived is counted once --------------------------------------- */

TEST(drops_are_counted_once_and_what_is_taken_is_none)
{
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    ACCEPTED("win 5000 ts 999000 0");
    IN("PA 1 ack 1 len 10");
    CHECK_EQ(COUNT(drops[TCPSM_DROP_NONE]), 0);
    READ(10);
    WAIT(0.04);
    OUT("A 1 ack 11 ts * *");
    SHUTDOWN();
    OUT("FA 1 ack 11");
    IN("FA 11 ack 2");
    OUT("A 2 ack 12");
    STATE(TCPSM_TIME_WAIT);
    IN_ANY("S 5000 ts 1900000 0"); /* RFC 6191: a new connection */
    STATE(TCPSM_CLOSED);
    CHECK_EQ(w.in.drop, TCPSM_DROP_TIME_WAIT);
    CHECK_EQ(COUNT(drops[TCPSM_DROP_TIME_WAIT]), 1);
    CHECK_EQ(COUNT(drops[TCPSM_DROP_NONE]), 0);
}

/* ---- timestamps ---------------------------------------------------------- */

/* RFC7323-12: an ACK for what PAWS drops; without text it is limited, as
   every answer to a segment without text is (RFC5961-12). */
TEST(RFC7323_12_text_that_paws_drops_is_always_answered)
{
    int i;

    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    ACCEPTED("win 5000 ts 999000 0");
    for (i = 0; i < 10; i++) {
        IN_DROP(TCPSM_DROP_PAWS, "A 1 ack 1 ts 998000 *");
        OUT("A 1 ack 1 ts * *");
    }
    IN_DROP(TCPSM_DROP_PAWS, "A 1 ack 1 ts 998000 *");
    NONE();
    IN_DROP(TCPSM_DROP_PAWS, "PA 1 ack 1 len 1 ts 998000 *");
    OUT("A 1 ack 1 ts * *");
    IN_DROP(TCPSM_DROP_PAWS, "PA 1 ack 1 len 9 ts 998000 *");
    OUT("A 1 ack 1 ts * *");
}

/* RFC7323-15: TS.Recent is good for 24 days of silence; ours for 1931 units
   of 2^30 us (24.0 days), from the unit in which it came. */
TEST(RFC7323_15_ts_recent_is_good_for_24_days)
{
    int k;

    for (k = 0; k < 2; k++) {
        tcpsm_time unit;

        START();
        w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
        ACCEPTED("win 5000 ts 999000 0");
        unit = w.p.now >> 30;
        if (k == 0) {
            wire__at(((unit + 1931) << 30) - 1);
            IN_DROP(TCPSM_DROP_PAWS, "PA 1 ack 1 len 9 ts 5000 *");
            OUT("A 1 ack 1 ts * *");
        } else {
            wire__at((unit + 1931) << 30);
            IN("PA 1 ack 1 len 9 ts 5000 *");
            READ(9);
        }
    }
}

/* RFC 6191 s2, modulo 2^32: a timestamp that has wrapped is greater. */
TEST(RFC6191_a_timestamp_that_has_wrapped_is_greater)
{
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    w.ts_clock = 0xFFFFFF00;
    ACCEPTED("win 5000 ts 4294967000 0");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("FA 1 ack 2");
    OUT("A 2 ack 2");
    STATE(TCPSM_TIME_WAIT);
    IN_ANY("S -5000 ts 10 0");
    STATE(TCPSM_CLOSED);
    CHECK(tcpsm_take(w.c) & TCPSM_EV_DONE);
}

/* ---- seventh: text for a user who has closed ---------------------------- */

/* RFC9293-SHLD-3, where the numbers wrap */
TEST(RFC9293_SHLD_3_text_after_close_at_the_wrap)
{
    int back;

    for (back = 1; back <= 20; back++) {
        START();
        w.irs = 0u - (uint32_t)back;
        OPENED("mss 1000");
        CLOSE();
        OUT("FA 1 ack 1");
        IN("A 1 ack 2");
        STATE(TCPSM_FIN_WAIT_2);
        IN_DROP(TCPSM_DROP_CLOSED, "PA 1 ack 2 len 10");
        OUT("RA 2 ack 1");
        STATE(TCPSM_CLOSED);
        ERROR_IS(TCPSM_E_CLOSED);
    }
}

/* The reset's SEQ is SND.NXT, or the right edge of the peer's window if that
   is less (it would not be believed beyond): the window of the segment that
   is answered (RFC 9293 s3.10.7.4: unless it is older than SND.WL1), and
   never before what it acknowledges. */
TEST(RFC9293_SHLD_3_the_reset_lies_in_the_window)
{
    static const uint32_t irs[] = {0x10000000, 0xFFFFFFFE};
    uint32_t k, old;

    for (k = 0; k < 2; k++)
        for (old = 0; old < 2; old++) {
            START();
            w.irs = irs[k];
            w.want_iss = w.irs - 0x40000000; /* SEG.ACK is no SEG.SEQ */
            OPENED("win 5000 mss 1000");
            SEND(1000);
            OUT("PA 1 ack 1 len 1000");
            CLOSE();
            OUT("FA 1001 ack 1");
            IN("A %u ack 1 win 5000", old ? 5u : 1u);
            IN_DROP(TCPSM_DROP_CLOSED, "PA 1 ack 501 win 100 len 10");
            if (old)
                OUT("RA 1002 ack 1");
            else
                OUT("RA 601 ack 1");
            STATE(TCPSM_CLOSED);
        }
}

/* SND.WL1 counts from RCV.NXT where text was in part old: what begins before
   that is older. */
TEST(RFC9293_3_10_7_4_old_text_is_no_part_of_a_windows_age)
{
    START();
    OPENED("win 5000 mss 1000");
    IN("PA 1 ack 1 len 10");
    IN_ANY("PA 6 ack 1 len 10 win 5000"); /* 11 to 15 are new */
    READ(15);
    WIRE__STEP("the acknowledgements");
    while (wire__fill(), w.q_n)
        wire__take();
    SEND(1000);
    OUT("PA 1 ack 16 len 1000");
    CLOSE();
    OUT("FA 1001 ack 16");
    IN_DROP(TCPSM_DROP_CLOSED, "PA 8 ack 501 win 100 len 20");
    OUT("RA 1002 ack 16");
}

/* ... and a FIN whose text was read before is no text. */
TEST(RFC9293_SHLD_3_old_text_with_the_fin_is_none)
{
    START();
    OPENED("mss 1000");
    IN("PA 1 ack 1 len 10");
    READ(10);
    WAIT(0.04);
    OUT("A 1 ack 11");
    CLOSE();
    OUT("FA 1 ack 11");
    IN("A 11 ack 2");
    STATE(TCPSM_FIN_WAIT_2);
    IN("FPA 1 ack 2 len 10");
    OUT("A 2 ack 12");
    STATE(TCPSM_TIME_WAIT);
    ERROR_IS(0);
}

/* ---- text in a SYN, before there is a ring for it ----------------------- */

/* The ring is asked for when text can be taken: with a SYN,ACK; a SYN alone
   (both open) is not the end of the handshake, and its text comes again. */
TEST(RFC9293_3_10_7_3_text_in_a_syn_alone_wants_no_ring)
{
    START();
    w.rcv_ring = 0;
    w.cfg.rcv_promise = 8192;
    OPEN();
    OUT("S 0 win 8192 mss 1460");
    IN_ANY("S 0 mss 1000 len 10");
    CHECK_EQ(w.ret, 0); /* not E_RING */
    STATE(TCPSM_SYN_RECEIVED);
    OUT("SA 0 ack 1 mss 1460");
}

/* A promise of one byte is a promise; and who says that there will be no
   ring (TCPSM_IN_NO_DATA) gets the handshake without the text. */
TEST(RFC9293_3_10_7_3_text_in_a_syn_ack_wants_one)
{
    uint32_t promise;

    for (promise = 1; promise <= 8192; promise *= 8192) {
        START();
        w.rcv_ring = 0;
        w.cfg.rcv_promise = promise;
        OPEN();
        OUT("S 0 win %u mss 1460", promise);
        IN_RET(TCPSM_E_RING, "SA 0 ack 1 mss 1000 len 10");
        STATE(TCPSM_SYN_SENT);
        IN_ANY("SA 0 ack 1 mss 1000 len 10 nodata");
        CHECK_EQ(w.ret, 0);
        STATE(TCPSM_ESTABLISHED);
        OUT("A 1 ack 1");
    }
}
