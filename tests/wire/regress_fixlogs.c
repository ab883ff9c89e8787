/* Mistakes that were made, found and mended elsewhere, and are easily made
   again; each as a test by its name. The rows of tests/wire/regressions.txt
   that begin with REG-F are here; the comment above a test says what goes
   wrong where it is done badly.

   REG-F1   in order, and the table of holes is full
   REG-F2   text at the last sequence number
   REG-F3   a window that shrinks below what is in flight
   REG-F4   both ends close at once
   REG-F5   a FIN before the gap is filled
   REG-F6   LAST-ACK is left by any ACK
   REG-F7   the scale in a SYN,ACK
   REG-F8   sending again into a closed window
   REG-F9   a window probe that waits for cwnd
   REG-F10  a fast retransmission that waits for cwnd
   REG-F11  a limit on ACKs that strands the peer
   REG-F12  octets outside of the window
   REG-F13  the window of the peer's SYN, scaled
   REG-F14  SACK compares across the wrap
   REG-F15  SYN and FIN count in the length
   REG-F16  PAWS in its place
   REG-F17  TS.Recent: where it comes from, and when it moves
   REG-F18  what a duplicate ACK is
   REG-F19  the first SACK block
   REG-F20  pieces that overlap
   REG-F21  CLOSING
   REG-F22  TIME-WAIT acknowledges again
   REG-F23  the path MTU has a floor
   REG-F24  ICMP about nothing that is in flight
   REG-F25  the reserved bits
   REG-F26  CLOSE-WAIT sends, FIN-WAIT receives
   REG-F27  unknown options
   REG-F28  the window of our own SYN, scaled
   REG-F29  the scale, wherever it stands
   REG-F30  the persist timer
   REG-F31  anything in SYN-SENT
   REG-F32  segments that are cut in two
   REG-F33  the counter of the backoff
   REG-F34  cwnd at the end of its word
   REG-F35  timestamps in network order
   REG-F36  text in any order */

#define PAIR_RING 262144
#include "regress.h"

static const tcpsm_cc reno = TCPSM_CC_BUILT_IN(TCPSM_CC_NEWRENO);

/* Time goes to the next deadline; what is sent then waits. */
static void to_deadline(void)
{
    CHECK_NE(DUE(), TCPSM_NEVER);
    if (DUE() > w.p.now)
        w.p.now = DUE();
}

/* The next segment, whenever it comes. */
static void next_segment(void)
{
    int i;

    for (i = 0; i < 50; i++) {
        if (reg__next())
            return;
        to_deadline();
    }
    FAIL("nothing is sent any more");
}

/* OUT, whenever it comes */
static void later(void)
{
    next_segment();
    wire__compare(&w.seg, w.text);
}

#define LATER(...) (WIRE__STEP(__VA_ARGS__), later())

/* With SACK, MSS 1000, and a first round trip of 100 ms. */
static void opened_with_sack(void)
{
    OPEN();
    CHECK(NEXT());
    AT(0.1);
    IN("SA 0 ack 1 win 65535 mss 1000 sackok");
    OUT("A 1 ack 1");
}

/* The bytes of the last segment that came out. */
static const uint8_t *out_bytes(void)
{
    return LAYER1 ? w.last.bytes : sw.out + 1;
}

/* ---- REG-F1 ----------------------------------------------------------- */

/* REG-F1: a segment at RCV.NXT needs no place in the table of holes, but is
   refused when that is full, and the stream stands still. */
BOTH(text_in_order_is_taken_when_the_table_is_full)
{
    uint32_t i, cap;

    START();
    OPENED("win 5000");
    cap = ST(range_cap);
    for (i = 0; i < cap; i++) {
        IN("A %u ack 1 len 5", 101 + 10 * i);
        DRAINED();
    }
    CHECK_EQ(ST(ranges), cap);
    IN_DROP(TCPSM_DROP_RANGES, "A %u ack 1 len 5", 131 + 10 * cap);
    DRAINED();
    IN("A 1 ack 1 len 50");
    DRAINED();
    IN("A 51 ack 1 len 50"); /* up to the first */
    DRAINED();
    CHECK_EQ(ST(rcv_nxt) - w.irs, 106);
    CHECK_EQ(ST(ranges), cap - 1);
    READ(105);
    IN("A 106 ack 1 len %u", 10 * cap); /* over all of them */
    CHECK_EQ(ST(ranges), 0);
    READ(10 * cap);
}

/* ---- REG-F2 ----------------------------------------------------------- */

/* REG-F2: SEQ + LEN, or a window's edge, is just 2^32, which is 0. */
BOTH(text_at_the_last_sequence_number)
{
    uint32_t off, n;

    for (off = 0; off < 24; off++) {
        START();
        w.rcv_ring = 16;
        w.irs = 0xFFFFFFFFu - off;
        OPENED("win 5000");
        for (n = 1; n < 40; n += 8) { /* the window is 16, then 8 */
            IN("PA %u ack 1 len 8", n);
            DRAINED();
            IN_DROP(TCPSM_DROP_WINDOW, "PA %u ack 1 len 8", n + 16);
            DRAINED();
            READ(8);
            DRAINED();
        }
        IN("FA 41 ack 1");
        CHECK(NEXT());
        CHECK_EQ(w.seg.ack - w.irs, 42);
        STATE(TCPSM_CLOSE_WAIT);
    }
}

BOTH(text_sent_at_the_last_sequence_number)
{
    uint32_t off;

    for (off = 0; off < 24; off++) {
        START();
        w.want_iss = 0xFFFFFFFFu - off;
        OPENED("win 5000");
        SEND(9);
        OUT("PA 1 ack 1 len 9");
        LATER("PA 1 ack 1 len 9"); /* lost */
        IN("A 1 ack 4");
        IN("A 1 ack 10");
        SEND(9);
        OUT("PA 10 ack 1 len 9");
        SHUTDOWN();
        OUT("FA 19 ack 1");
        IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack 21");
        DRAINED();
        IN("A 1 ack 19");
        STATE(TCPSM_FIN_WAIT_1);
        IN("A 1 ack 20");
        STATE(TCPSM_FIN_WAIT_2);
    }
}

BOTH(window_that_ends_at_the_wrap)
{
    uint32_t off;

    for (off = 0; off < 3; off++) {
        START(); /* theirs */
        w.want_iss = 0u - 1001 + off;
        OPENED("win 1000");
        SEND(3000);
        FLIGHT(1, 1, 536);
        DRAINED();
        CHECK_LE(ST(snd_nxt) - w.iss, 1001u);
        IN("A 1 ack 537 win 1000");
        DRAINED();
        CHECK_LE(ST(snd_nxt) - w.iss, 1537u);
        START(); /* ours */
        w.rcv_ring = 1000;
        w.irs = 0u - 1001 + off;
        OPENED("win 1000");
        IN("PA 1 ack 1 len 1000");
        DRAINED();
        IN_DROP(TCPSM_DROP_WINDOW, "PA 1001 ack 1 len 1");
        OUT("A 1 ack 1001 win 0");
        READ(1000);
        OUT("A 1 ack 1001 win 1000");
        IN("PA 1001 ack 1 len 1000");
        READ(1000);
    }
}

/* ---- REG-F3 ----------------------------------------------------------- */

/* REG-F3: SND.UNA + SND.WND - SND.NXT is negative, and a huge window. */
BOTH(window_that_shrinks_below_what_is_in_flight)
{
    uint32_t win, i;

    for (win = 1; win < 3000; win = win * 3 + 1) {
        START();
        w.cfg.flags |= TCPSM_NODELAY;
        OPENED("win 5000 mss 1000");
        SEND(3000);
        FLIGHT(1, 3, 1000);
        SEND(20000);
        DRAINED();
        IN("A 1 ack 1 win %u", win);
        for (i = 0; i < 6; i++) { /* into the new window only */
            next_segment();
            CHECK_LE(w.seg.seq - w.iss + w.seg.len, 1 + win);
        }
        IN("A 1 ack 5001 win 9000"); /* it had taken them */
        CHECK(NEXT());
        CHECK_EQ(w.seg.seq - w.iss, 5001);
    }
}

/* ---- REG-F4 ----------------------------------------------------------- */

/* REG-F4: the two FINs cross, and a state is left by the wrong half of what
   has to come. */
BOTH(both_ends_close_at_once)
{
    be(TCPSM_FIN_WAIT_1);
    IN("FA 1 ack 1"); /* does not acknowledge ours */
    OUT("A 2 ack 2");
    STATE(TCPSM_CLOSING);
    IN("A 2 ack 1");
    STATE(TCPSM_CLOSING);
    IN("A 2 ack 2");
    STATE(TCPSM_TIME_WAIT);
    NONE();
}

BOTH(both_ends_close_at_once_and_the_fin_brings_the_ack)
{
    be(TCPSM_FIN_WAIT_1);
    IN("FA 1 ack 2");
    OUT("A 2 ack 2");
    STATE(TCPSM_TIME_WAIT);
}

BOTH(both_ends_close_at_once_with_text)
{
    START();
    OPENED("win 5000 mss 1000");
    SEND(100);
    SHUTDOWN();
    OUT("FPA 1 ack 1 len 100");
    IN("FPA 1 ack 1 len 50");
    OUT("A 102 ack 52");
    STATE(TCPSM_CLOSING);
    READ(50);
    IN("A 52 ack 101"); /* the text, not the FIN */
    STATE(TCPSM_CLOSING);
    next_segment(); /* the FIN again */
    CHECK_EQ(w.seg.seq + w.seg.len - w.iss, 101);
    CHECK_EQ(w.seg.flags & PAIR_FIN, PAIR_FIN);
    IN("A 52 ack 102");
    STATE(TCPSM_TIME_WAIT);
}

/* Our ACK of their FIN was lost: it comes again, and is acknowledged. */
BOTH(both_ends_close_at_once_and_an_ack_is_lost)
{
    be(TCPSM_CLOSING);
    IN_ANY("FA 1 ack 1");
    OUT("A 2 ack 2");
    STATE(TCPSM_CLOSING);
    next_segment();
    CHECK_EQ(w.seg.flags & PAIR_FIN, PAIR_FIN);
    CHECK_EQ(w.seg.seq - w.iss, 1);
    CHECK_EQ(w.seg.ack - w.irs, 2);
    IN("A 2 ack 2");
    STATE(TCPSM_TIME_WAIT);
}

/* ---- REG-F5 ----------------------------------------------------------- */

/* REG-F5: the FIN is in the window and beyond a gap: the end is reported and
   the gap's text is lost. Whatever the order, EOF comes after all of it. */
BOTH(fin_in_any_order_is_read_last)
{
    static const uint8_t order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                        {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    uint32_t i, k, bare;

    for (bare = 0; bare < 2; bare++)
        for (i = 0; i < 6; i++) {
            START();
            OPENED("win 5000");
            for (k = 0; k < 6; k++) {
                uint32_t n = order[i][k % 3]; /* twice: FINs are not held */

                if (k == 3 && reg__state() == TCPSM_CLOSE_WAIT)
                    break;
                if (n == 2)
                    IN_ANY("FA 21 ack 1 len %u", bare ? 0 : 10);
                else
                    IN_ANY("PA %u ack 1 len 10", 1 + 10 * n);
                DRAINED();
            }
            STATE(TCPSM_CLOSE_WAIT);
            READ(bare ? 20 : 30);
            CHECK_EQ(tcpsm_receive(w.c, w.buf, 1), TCPSM_E_EOF);
        }
}

/* ---- REG-F6 ----------------------------------------------------------- */

/* REG-F6: any ACK in LAST-ACK ends the connection, with text still to be
   acknowledged. */
BOTH(last_ack_is_left_by_the_ack_of_our_fin_only)
{
    START();
    OPENED("win 5000");
    IN("FA 1 ack 1");
    OUT("A 1 ack 2");
    SEND(100);
    CLOSE();
    OUT("FPA 1 ack 2 len 100");
    STATE(TCPSM_LAST_ACK);
    IN("A 2 ack 1");
    STATE(TCPSM_LAST_ACK);
    IN("A 2 ack 51");
    STATE(TCPSM_LAST_ACK);
    IN("A 2 ack 101");
    STATE(TCPSM_LAST_ACK);
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 2 ack 103");
    DRAINED();
    STATE(TCPSM_LAST_ACK);
    IN("A 2 ack 102");
    STATE(TCPSM_CLOSED);
    ERROR_IS(0);
}

/* ---- REG-F7 ----------------------------------------------------------- */

/* REG-F7: the scale is taken from a SYN but not from a SYN,ACK (or both use
   it when one did not ask). */
BOTH(scale_in_a_syn_ack_counts)
{
    START();
    w.cfg.flags = TCPSM_NO_TS | TCPSM_NO_SACK;
    w.rcv_ring = 200000;
    OPENED("win 5000 ws 4");
    CHECK_EQ(ST(scaling), 1);
    CHECK_EQ(ST(snd_scale), 4);
    CHECK_EQ(ST(rcv_scale), 2);
    IN("PA 1 ack 1 win 1000 len 400");
    CHECK_EQ(ST(snd_wnd), 16000);
    next_segment();
    CHECK_GT((uint32_t)w.seg.wnd << 2, 190000u);
    CHECK_LE((uint32_t)w.seg.wnd << 2, 200000u);
}

BOTH(scale_is_for_both_or_for_none)
{
    START();
    w.cfg.flags = TCPSM_NO_TS | TCPSM_NO_SACK;
    w.rcv_ring = 200000;
    OPENED("win 5000"); /* the peer does not */
    CHECK_EQ(ST(scaling), 0);
    CHECK_EQ(ST(rcv_scale), 0);
    IN("PA 1 ack 1 win 1000 len 400");
    CHECK_EQ(ST(snd_wnd), 1000);
    next_segment();
    CHECK_GE(w.seg.wnd, 65135);
    START();
    OPENED("win 5000 ws 4"); /* we do not */
    CHECK_EQ(ST(snd_scale), 0);
    IN("A 1 ack 1 win 1000");
    CHECK_EQ(ST(snd_wnd), 1000);
    START();
    ACCEPTED("win 5000 ws 4");
    IN("A 1 ack 1 win 1000");
    CHECK_EQ(ST(snd_wnd), 1000);
}

/* ---- REG-F8 ----------------------------------------------------------- */

/* REG-F8: the retransmission timer goes on while the window is closed, and
   sends segments that the peer must throw away. */
BOTH(nothing_but_probes_goes_into_a_closed_window)
{
    uint32_t i;

    START();
    OPENED("win 5000 mss 1000");
    SEND(4000);
    FLIGHT(1, 4, 1000);
    IN("A 1 ack 1001 win 0"); /* the rest was thrown away */
    for (i = 0; i < 8; i++) {
        next_segment();
        CHECK_LE(w.seg.len, 1u);
        CHECK_LE(w.seg.seq - w.iss, 1001u);
        IN("A 1 ack 1001 win 0");
        NONE();
    }
    CHECK_EQ(ST(backoff), 0);
    IN("A 1 ack 1001 win 5000");
    OUT("A 1001 ack 1 len 1000");
}

/* ---- REG-F9 ----------------------------------------------------------- */

/* REG-F9: cwnd is all in flight, the window closes, and the probe that could
   open it again may not be sent. */
BOTH(window_probe_does_not_wait_for_cwnd)
{
    START();
    w.cfg.initial_segments = 1;
    w.cfg.cc = &reno;
    OPENED("win 5000 mss 1000");
    CHECK_EQ(ST(cwnd), 1000);
    SEND(3000);
    FLIGHT(1, 1, 1000);
    NONE();
    IN("A 1 ack 1 win 0"); /* not taken */
    next_segment();
    CHECK_EQ(w.seg.len, 1);
    CHECK_EQ(w.seg.seq - w.iss, 1);
    IN("A 1 ack 1 win 5000");
    OUT("A 1 ack 1 len 1000");
}

/* ---- REG-F10 ---------------------------------------------------------- */

/* REG-F10: three duplicates ask for a segment, and cwnd, halved and full, does
   not let it out. */
BOTH(fast_retransmission_does_not_wait_for_cwnd)
{
    uint32_t i;

    START();
    w.cfg.cc = &reno;
    OPENED("win 65535 mss 1000");
    SEND(10000);
    FLIGHT(1, 10, 1000);
    for (i = 0; i < 3; i++)
        IN("A 1 ack 1");
    CHECK_GE(ST(flight), ST(cwnd) - 2000);
    OUT("A 1 ack 1 len 1000");
    IN("A 1 ack 2001"); /* partial: the next one, too */
    OUT("A 2001 ack 1 len 1000");
}

/* With SACK and RACK it is the reordering timer that asks, and nothing was
   delivered for it that PRR could give out. */
BOTH(fast_retransmission_with_sack_does_not_wait_for_cwnd)
{
    START();
    w.cfg.flags = WIRE_PLAIN & ~(uint32_t)TCPSM_NO_SACK;
    w.cfg.cc = &reno;
    opened_with_sack();
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:2001");
    LATER("A 1 ack 1 len 1000");
    CHECK_LE(w.p.now, w.t0 + 230000); /* a quarter of the RTT at most */
    CHECK_GE(ST(flight), 9000u);      /* cwnd will be 5000 */
}

/* ---- REG-F11 ---------------------------------------------------------- */

/* REG-F11: ACKs are limited whatever they answer: a peer that lost ours sends
   again and again, and is not told. */
BOTH(text_that_comes_again_is_always_acknowledged)
{
    uint32_t i;

    START();
    OPENED("win 5000");
    IN("PA 1 ack 1 len 10");
    DRAINED();
    for (i = 0; i < 30; i++) { /* use up what there is for attackers */
        IN_DROP(TCPSM_DROP_RST, "R 100");
        DRAINED();
    }
    for (i = 0; i < 50; i++) {
        IN_DROP(TCPSM_DROP_OLD_DATA, "PA 1 ack 1 len 10");
        OUT("A 1 ack 11");
        IN_DROP(TCPSM_DROP_WINDOW, "PA 80000 ack 1 len 10");
        OUT("A 1 ack 11");
    }
}

/* A probe of a window that is closed is text, too. */
BOTH(window_probes_are_always_answered)
{
    uint32_t i;

    START();
    w.rcv_ring = 1000;
    OPENED("win 5000");
    IN("PA 1 ack 1 len 1000");
    DRAINED();
    for (i = 0; i < 50; i++) {
        IN_DROP(TCPSM_DROP_WINDOW, "A 1001 ack 1 len 1");
        OUT("A 1 ack 1001 win 0");
    }
    READ(1000);
    OUT("A 1 ack 1001 win 1000");
}

/* ---- REG-F12 ---------------------------------------------------------- */

/* REG-F12: a segment that is partly in the window is taken as a whole, past
   the end of the buffer or before its start. */
BOTH(octets_outside_of_the_window_are_cut_off)
{
    uint32_t l, r;

    for (l = 0; l < 12; l += 3)
        for (r = 0; r < 12; r += 3) {
            START();
            w.rcv_ring = 100;
            OPENED("win 5000");
            IN("PA 1 ack 1 len 40");
            DRAINED();
            IN_ANY("PA %u ack 1 len %u", 41 - l, 60 + l + r);
            CHECK_EQ(w.in.drop, r ? TCPSM_DROP_WINDOW : TCPSM_DROP_NONE);
            OUT("A 1 ack 101 win 0");
            CHECK_EQ(ST(rcv_queued), 100);
            READ(100);
            OUT("A 1 ack 101 win 100");
            IN_ANY("PA 151 ack 1 len 90"); /* beyond a gap, and cut */
            OUT("A 1 ack 101");
            IN("PA 101 ack 1 len 50");
            READ(100);
        }
}

/* ---- REG-F13 ---------------------------------------------------------- */

/* REG-F13: RFC 7323 s2.2: the window in a SYN is never scaled. */
BOTH(window_of_the_peers_syn_is_not_scaled)
{
    START();
    w.cfg.flags = TCPSM_NO_TS | TCPSM_NO_SACK;
    OPENED("win 1000 mss 1000 ws 7");
    CHECK_EQ(ST(snd_scale), 7);
    CHECK_EQ(ST(snd_wnd), 1000);
    SEND(5000);
    FLIGHT(1, 1, 1000);
    NONE();
    IN("A 1 ack 1001 win 1000");
    CHECK_EQ(ST(snd_wnd), 128000);
    if (LAYER2)
        return;
    START();
    w.cfg.flags = TCPSM_NO_TS | TCPSM_NO_SACK;
    LISTEN();
    IN("S 0 win 1000 mss 1000 ws 7");
    CHECK_EQ(ST(snd_wnd), 1000);
}

/* ---- REG-F14 ---------------------------------------------------------- */

/* REG-F14: edges of SACK blocks are compared as plain numbers, or the
   difference overflows: holes next to 2^32 are not seen. */
BOTH(sack_across_the_wrap)
{
    static const uint32_t wrap[] = {0, 0x80000000u};
    const uint32_t holes = 1u << 1 | 1u << 2 | 1u << 4 | 1u << 6;
    uint32_t i, off, sent, k;

    for (i = 0; i < 2; i++)
        for (off = 1; off < 8002; off += 889) {
            START();
            w.cfg.flags = WIRE_PLAIN & ~(uint32_t)TCPSM_NO_SACK;
            w.want_iss = wrap[i] - off;
            opened_with_sack();
            SEND(8000);
            FLIGHT(1, 8, 1000);
            AT(0.2);
            IN("A 1 ack 1001 sack 3001:4001 5001:6001 7001:8001");
            CHECK_EQ(ST(sacked), 3000);
            for (sent = 0; sent != holes; sent |= 1u << k) {
                next_segment();
                k = (w.seg.seq - w.iss) / 1000;
                CHECK_EQ(w.seg.seq - w.iss, 1000 * k + 1);
                CHECK(holes >> k & 1);
                CHECK_EQ(w.seg.len, 1000);
            }
            IN("A 1 ack 8001");
            CHECK_EQ(ST(sacked) + ST(lost), 0);
        }
}

/* ---- REG-F15 ---------------------------------------------------------- */

/* REG-F15: SEG.LEN without SYN and FIN: a reset that nobody believes, text
   that is one octet off. */
BOTH(syn_and_fin_count_in_the_length)
{
    static const struct {
        const char *in, *out;
    } row[] = {{"S 0", "RA 0 ack 1"},          {"S 0 len 10", "RA 0 ack 11"},
               {"SF 0 len 10", "RA 0 ack 12"}, {"F 0", "RA 0 ack 1"},
               {"PF 0 len 5", "RA 0 ack 6"},   {". 0", "RA 0 ack 0"},
               {"SA 0 ack 77 len 10", "R 77"}};
    uint32_t i;
    wire_text x;

    for (i = 0; i < sizeof row / sizeof *row; i++) {
        be(TCPSM_CLOSED);
        w.iss = 0;
        IN_RET(LAYER1 ? TCPSM_E_NOT_MINE : 0, "%s", row[i].in);
        if (LAYER1) {
            STRANGER("%.12s", row[i].out);
            continue;
        }
        CHECK(NEXT());
        w.iss = 0;
        wire__parse(&x, row[i].out);
        CHECK_EQ(w.seg.flags, x.flags);
        CHECK_EQ(w.seg.seq, x.seq);
        CHECK_EQ(w.seg.ack, x.has_ack ? x.ack + w.irs : 0);
    }
}

BOTH(text_of_a_syn_begins_after_it)
{
    START();
    LISTEN();
    IN_ANY("S 0 win 5000 len 10"); /* kept or not, it comes again */
    CHECK(NEXT());
    CHECK(w.seg.ack - w.irs == 11 || w.seg.ack - w.irs == 1);
    IN_ANY("PA 1 ack 1 len 20 win 5000");
    TAKE();
    READ(20);
    START();
    OPEN();
    CHECK(NEXT());
    IN("SA 0 ack 1 win 5000 len 10");
    CHECK(NEXT());
    CHECK_EQ(w.seg.ack - w.irs, 11);
    READ(10);
}

/* ---- REG-F16 ---------------------------------------------------------- */

/* REG-F16: PAWS after the window or after the ACK has been acted on, so an old
   duplicate counts; or for resets, whose timestamp may be old. */
BOTH(paws_comes_before_the_rest_and_not_for_resets)
{
    START();
    w.cfg.flags = TCPSM_NO_SCALE | TCPSM_NO_SACK;
    OPENED("win 5000 mss 1000 ts 900000 0");
    SEND(100);
    OUT("PA 1 ack 1 len 100");
    IN_DROP(TCPSM_DROP_PAWS, "FPA 1 ack 101 win 9 len 10 ts 899999 *");
    OUT("A 101 ack 1");
    CHECK_EQ(ST(snd_una) - w.iss, 1);
    CHECK_EQ(ST(snd_wnd), 5000);
    IN_DROP(TCPSM_DROP_PAWS, "PA 80000 ack 1 len 10 ts 899999 *");
    OUT("A 101 ack 1");
    READ(0);
    IN_DROP(TCPSM_DROP_RST, "R 9 ts 899999 *");
    OUT("A 101 ack 1");
    STATE(TCPSM_ESTABLISHED);
    IN("R 1 ts 1 *");
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_RESET);
}

/* A clock that wraps is not old; one that stood still for 24 days is not
   asked. */
BOTH(paws_compares_modulo_two_to_the_32)
{
    START();
    w.cfg.flags = TCPSM_NO_SCALE | TCPSM_NO_SACK;
    OPENED("win 5000 mss 1000 ts 4294967295 0");
    IN("PA 1 ack 1 len 10 ts 0 *");
    IN("PA 11 ack 1 len 10 ts 5 *");
    IN_DROP(TCPSM_DROP_PAWS, "PA 21 ack 1 len 10 ts 4294967295 *");
    DRAINED();
    w.p.now += 25u * 86400u * PAIR_SECOND;
    IN("PA 21 ack 1 len 10 ts 4294967295 *");
    READ(30);
}

/* ---- REG-F17 ---------------------------------------------------------- */

/* REG-F17: TS.Recent is zero until the first text, or is always the latest:
   then the echo leaves out the time that an ACK was delayed. */
BOTH(ts_recent_begins_with_the_syn)
{
    START();
    w.cfg.flags = TCPSM_NO_SCALE | TCPSM_NO_SACK;
    LISTEN();
    IN("S 0 win 5000 ts 900000 0");
    OUT("SA 0 ack 1 mss 1460 ts * 900000");
    START();
    w.cfg.flags = TCPSM_NO_SCALE | TCPSM_NO_SACK;
    OPEN();
    OUT("S 0 mss 1460 ts * 0");
    IN("SA 0 ack 1 win 5000 ts 900000 *");
    OUT("A 1 ack 1 ts * 900000");
    IN_DROP(TCPSM_DROP_PAWS, "PA 1 ack 1 len 10 ts 899999 *");
    OUT("A 1 ack 1 ts * 900000");
}

BOTH(ts_recent_is_of_the_segment_that_the_ack_waits_for)
{
    START();
    w.cfg.flags = TCPSM_NO_SCALE | TCPSM_NO_SACK;
    OPENED("win 5000 ts 900000 0");
    IN("PA 1 ack 1 len 10 ts 900010 *");
    NONE();
    IN("PA 11 ack 1 len 10 ts 900020 *");
    NEXT();
    if (w.seg.ack - w.irs != 21)
        next_segment();
    CHECK_EQ(w.seg.ack - w.irs, 21);
    CHECK_EQ(w.seg.ts_ecr, 900010);
    IN("PA 31 ack 1 len 10 ts 900030 *"); /* ahead of a gap */
    OUT("A 1 ack 21 ts * 900010");
}

/* ---- REG-F18 ---------------------------------------------------------- */

/* REG-F18: whatever has the same ACK number is counted: text that the peer
   sends, window updates, what comes when nothing is in flight. RFC 5681 s2
   has five conditions. */
BOTH(what_is_no_duplicate_ack)
{
    uint32_t i;

    START();
    OPENED("win 5000 mss 1000");
    for (i = 0; i < 5; i++)
        IN("A 1 ack 1"); /* nothing is outstanding */
    CHECK_EQ(ST(dupacks), 0);
    SEND(3000);
    FLIGHT(1, 3, 1000);
    for (i = 0; i < 5; i++) {
        IN("PA %u ack 1 len 10", 1 + 10 * i);
        IN("A %u ack 1 win %u", 11 + 10 * i, 5001 + i);
        IN_ANY("A %u ack 0", 11 + 10 * i);
        DRAINED();
    }
    CHECK_EQ(ST(dupacks), 0);
    CHECK_EQ(ST(in_recovery), 0);
    CHECK_EQ(COUNT(retransmits), 0);
    IN("A 51 ack 1 win 5005");
    IN("A 51 ack 1 win 5005");
    CHECK_EQ(ST(dupacks), 2);
    NONE();
    IN("FA 51 ack 1 win 5005");
    CHECK_EQ(ST(dupacks), 2);
    IN("A 52 ack 1 win 5005");
    OUT("A 1 ack 52 len 1000");
}

/* ---- REG-F19 ---------------------------------------------------------- */

/* REG-F19: blocks in the order of their numbers: the first one must be what
   came last (RFC 2018 s4), or a lost ACK loses it. */
BOTH(first_sack_block_is_of_the_latest_segment)
{
    START();
    w.cfg.flags = WIRE_PLAIN & ~(uint32_t)TCPSM_NO_SACK;
    OPENED("win 5000 sackok");
    IN("A 101 ack 1 len 50");
    OUT("A 1 ack 1 sack 101:151");
    IN("A 301 ack 1 len 50");
    OUT("A 1 ack 1 sack 301:351 101:151");
    IN("A 201 ack 1 len 50");
    OUT("A 1 ack 1 sack 201:251 301:351 101:151");
    IN("A 151 ack 1 len 10"); /* it grows, and is first */
    OUT("A 1 ack 1 sack 101:161 201:251 301:351");
    IN("A 161 ack 1 len 40"); /* two become one */
    OUT("A 1 ack 1 sack 101:251 301:351");
    IN("A 1 ack 1 len 100");
    OUT("A 1 ack 251 sack 301:351");
}

/* ---- REG-F20 ---------------------------------------------------------- */

/* REG-F20: each piece takes a place of its own, though they touch or overlap,
   and the table is soon full. */
BOTH(pieces_that_overlap_are_one_range)
{
    uint32_t i;

    START();
    OPENED("win 5000");
    for (i = 0; i < 100; i++) {
        IN_ANY("A %u ack 1 len 20", 501 + 10 * (i * 37 % 100));
        DRAINED();
        CHECK_LE(ST(ranges), ST(range_cap));
    }
    for (i = 0; i < 100; i++) { /* and what did not fit */
        IN("A %u ack 1 len 20", 501 + 10 * i);
        DRAINED();
    }
    CHECK_EQ(ST(ranges), 1);
    IN("A 400 ack 1 len 1500"); /* and around all of it */
    DRAINED();
    CHECK_EQ(ST(ranges), 1);
    IN("A 1 ack 1 len 400");
    CHECK_EQ(ST(ranges), 0);
    READ(1899);
}

/* ---- REG-F21 ---------------------------------------------------------- */

/* REG-F21: nothing is sent in CLOSING, and nothing ends it. */
BOTH(closing_sends_its_fin_again_and_ends)
{
    uint32_t i;

    be(TCPSM_CLOSING);
    CHECK_NE(DUE(), TCPSM_NEVER);
    for (i = 0; i < 3; i++) {
        next_segment();
        CHECK_EQ(w.seg.flags & PAIR_FIN, PAIR_FIN);
        CHECK_EQ(w.seg.seq - w.iss, 1);
        STATE(TCPSM_CLOSING);
    }
    IN("A 2 ack 2");
    STATE(TCPSM_TIME_WAIT);
}

/* ---- REG-F22 ---------------------------------------------------------- */

/* REG-F22: the last ACK was lost, the peer sends its FIN again, and TIME-WAIT,
   which is there for that, does not answer or does not begin anew. */
BOTH(time_wait_acknowledges_the_fin_again)
{
    be(TCPSM_TIME_WAIT);
    AT(50);
    IN_DROP(TCPSM_DROP_OLD_DATA, "FA 1 ack 2");
    OUT("A 2 ack 2");
    w.p.now = w.t0 + 105 * PAIR_SECOND; /* 2 MSL from there */
    NONE();
    STATE(TCPSM_TIME_WAIT);
    w.p.now = w.t0 + 113 * PAIR_SECOND;
    NONE();
    if (LAYER2)
        IN_ANY("A 9 ack 9");
    STATE(TCPSM_CLOSED);
}

/* ---- REG-F23 ---------------------------------------------------------- */

/* REG-F23: a forged MTU of 68, or of 1, makes each octet a packet. */
BOTH(path_mtu_has_a_floor)
{
    static const uint32_t mtu[] = {0, 1, 20, 40, 67, 68, 69, 295};
    uint32_t i;

    for (i = 0; i < 8; i++) {
        START();
        OPENED("win 60000 mss 1460");
        SEND(14600);
        FLIGHT(1, 10, 1460);
        reg_icmp(3, 4, mtu[i], 1);
        CHECK_GE(ST(mtu), 296);
        CHECK_GE(ST(smss), 256);
        START6();
        OPENED("win 60000 mss 1440");
        SEND(14400);
        FLIGHT(1, 10, 1440);
        CHECK_EQ(reg_icmp(2, 0, mtu[i], 1), TCPSM_DROP_ICMP);
        CHECK_EQ(reg_icmp(2, 0, 1279, 1), TCPSM_DROP_ICMP);
        CHECK_EQ(ST(mtu), 1500);
    }
}

/* ---- REG-F24 ---------------------------------------------------------- */

/* REG-F24: RFC 5927: the quoted SEQ is not looked at, or with the wrong
   edges. */
BOTH(icmp_must_quote_what_is_in_flight)
{
    uint32_t i;

    for (i = 0; i < 2; i++) {
        START();
        w.want_iss = i ? 0xFFFFFF80u : 5;
        OPENED("win 60000 mss 1000");
        SEND(200);
        FLIGHT(1, 1, 200);
        IN("A 1 ack 101");
        CHECK_EQ(reg_icmp(3, 1, 0, 100), TCPSM_DROP_ICMP);
        CHECK_EQ(reg_icmp(3, 1, 0, 201), TCPSM_DROP_ICMP);
        CHECK_EQ(ST(soft_error), 0);
        CHECK_EQ(reg_icmp(3, 1, 0, 101), 0);
        CHECK_EQ(ST(soft_error), 0x31);
        CHECK_EQ(reg_icmp(11, 0, 0, 200), 0);
        CHECK_EQ(ST(soft_error), 0xB0);
        IN("A 1 ack 201");
        CHECK_EQ(reg_icmp(3, 1, 0, 200), TCPSM_DROP_ICMP);
        STATE(TCPSM_ESTABLISHED);
    }
}

/* ---- REG-F25 ---------------------------------------------------------- */

/* REG-F25: the four reserved bits are taken for a part of the data offset, or
   a segment with one of them is refused, or they are not sent as zero. */
BOTH(reserved_bits_are_ignored_and_sent_as_zero)
{
    uint32_t bits, i;
    uint8_t *p;

    for (bits = 0; bits < 16; bits++) {
        START();
        OPEN();
        CHECK(NEXT());
        CHECK_EQ(out_bytes()[12] & 15, 0);
        for (i = 0; i < 2; i++) {
            wire__build(i ? "PA 1 ack 1 len 10 csumok"
                          : "SA 0 ack 1 win 5000 mss 1000 csumok");
            p = (uint8_t *)(uintptr_t)w.in.data;
            p[12] = (uint8_t)((p[12] & 0xF0) | bits);
            w.ret = LAYER1 ? tcpsm_input(w.c, &w.in, w.p.now)
                           : tcpsm_stack_input(sw.st, &w.in, w.p.now);
            reg__touched();
            CHECK_EQ(w.ret, 0);
            CHECK_EQ(w.in.drop, 0);
            while (NEXT())
                CHECK_EQ(out_bytes()[12] & 15, 0);
        }
        READ(10);
        SEND(10);
        CHECK(NEXT());
        CHECK_EQ(out_bytes()[12], 0x50);
    }
}

/* ---- REG-F26 ---------------------------------------------------------- */

/* REG-F26: half-closed is treated as closed: no text is sent in CLOSE-WAIT, or
   none is taken in FIN-WAIT. */
BOTH(close_wait_sends)
{
    START();
    OPENED("win 5000 mss 1000");
    IN("FA 1 ack 1");
    OUT("A 1 ack 2");
    SEND(2500);
    FLIGHT(1, 2, 1000);
    IN("A 2 ack 2001");
    OUT("PA 2001 ack 2 len 500");
    to_deadline();
    next_segment(); /* lost: sent again */
    CHECK_EQ(w.seg.seq - w.iss, 2001);
    IN("A 2 ack 2501");
    SHUTDOWN();
    OUT("FA 2501 ack 2");
    STATE(TCPSM_LAST_ACK);
}

BOTH(fin_wait_receives)
{
    START();
    OPENED("win 5000 mss 1000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("PA 1 ack 1 len 100"); /* FIN-WAIT-1 */
    DRAINED();
    IN("A 201 ack 1 len 100");
    DRAINED();
    READ(100);
    IN("A 101 ack 2 len 100"); /* and -2 */
    STATE(TCPSM_FIN_WAIT_2);
    CHECK(NEXT());
    CHECK_EQ(w.seg.ack - w.irs, 301);
    READ(200);
    IN("FPA 301 ack 2 len 100");
    CHECK(NEXT());
    CHECK_EQ(w.seg.ack - w.irs, 402);
    READ(100);
    STATE(TCPSM_TIME_WAIT);
}

/* ---- REG-F27 ---------------------------------------------------------- */

/* REG-F27: an unknown option is passed over by one byte too few or too many,
   and its values are read as options. */
BOTH(unknown_options_are_passed_over_by_their_length)
{
    uint32_t kind, len, i, n;
    char text[200];

    for (kind = 6; kind < 256; kind += kind < 40 ? 1 : 23)
        for (len = 2; len < 33; len += 3) {
            if (kind == 8 || kind == 34)
                continue;
            START();
            w.cfg.flags = TCPSM_NO_TS | TCPSM_NO_SACK;
            n = (uint32_t)snprintf(text, sizeof text, "%02X%02X", kind, len);
            for (i = 2; i < len; i++) /* what would be options, if read */
                n += (uint32_t)snprintf(text + n, sizeof text - n, "%02X",
                                        i % 3 ? 2 : 0);
            snprintf(text + n, sizeof text - n, "02040309030305");
            LISTEN();
            IN("S 0 win 5000 raw %s", text);
            CHECK(NEXT());
            IN("A 1 ack 1 win 10");
            TAKE();
            CHECK_EQ(ST(peer_mss), 777);
            CHECK_EQ(ST(snd_scale), 5);
        }
}

/* ---- REG-F28 ---------------------------------------------------------- */

/* REG-F28: our own SYN carries a window that is already shifted: with a shift
   of 2, a quarter of it, and the peer begins with that. */
BOTH(window_of_our_syn_is_not_scaled)
{
    uint32_t i;
    static const uint32_t ring[] = {70000, 131072, 200000, 262144};

    for (i = 0; i < 4; i++) {
        START();
        w.cfg.flags = TCPSM_NO_TS | TCPSM_NO_SACK;
        w.rcv_ring = ring[i];
        OPEN();
        OUT("S 0 win 65535 mss 1460 ws *");
        CHECK_GT(w.seg.wscale, 0);
        START();
        w.cfg.flags = TCPSM_NO_TS | TCPSM_NO_SACK;
        w.rcv_ring = ring[i];
        LISTEN();
        IN("S 0 win 5000 ws 3");
        OUT("SA 0 ack 1 win 65535 mss 1460 ws *");
        CHECK_GT(w.seg.wscale, 0);
        IN("A 1 ack 1 len 10"); /* and what it said is honoured */
        TAKE();
        IN("A 11 ack 1 len 60000");
        READ(60010);
    }
}

/* ---- REG-F29 ---------------------------------------------------------- */

/* REG-F29: the scale is looked for behind the MSS, or at a fixed place. */
BOTH(scale_is_read_wherever_it_stands)
{
    static const char nops_first[] =
        "raw 010101010101010101010101010101010101010101010101010101010101"
        "01010101010101030309";
    static const char *const opt[] = {"raw 030309",
                                      "raw 01030309",
                                      "raw 0101030309",
                                      "raw 010101030309",
                                      "raw 03030902040309",
                                      "raw 02040309030309",
                                      "raw 0303090402",
                                      "raw 0402080A000DBBA000000000030309",
                                      "raw 030301030309",
                                      "raw FE04ABCD030309",
                                      nops_first};
    uint32_t i, k;

    for (k = 0; k < 2; k++)
        for (i = 0; i < sizeof opt / sizeof *opt; i++) {
            START();
            w.cfg.flags = 0;
            if (k)
                OPENED("win 5000 %s", opt[i]);
            else
                ACCEPTED("win 5000 %s", opt[i]);
            CHECK_EQ(ST(snd_scale), 9);
            CHECK_EQ(ST(scaling), 1);
        }
}

/* ---- REG-F30 ---------------------------------------------------------- */

/* REG-F30: the persist timer is not begun, or ends with the first probe, and
   a lost window update stops the connection for ever. */
BOTH(persist_timer_begins_and_goes_on)
{
    tcpsm_time last, gap = 0;
    uint32_t i;

    START();
    w.cfg.user_timeout_ms = TCPSM_OFF;
    OPENED("win 5000 mss 1000");
    IN("A 1 ack 1 win 0");
    NONE();
    CHECK_EQ(DUE(), TCPSM_NEVER); /* nothing to ask for */
    SEND(100);
    NONE();
    last = w.p.now;
    for (i = 0; i < 12; i++) {
        next_segment();
        CHECK_EQ(w.seg.len, 1);
        CHECK_EQ(w.seg.seq - w.iss, 1);
        CHECK_GE(w.p.now - last + 2000, gap);
        gap = w.p.now - last;
        last = w.p.now;
        if (i & 1)
            IN("A 1 ack 1 win 0");
        NONE();
    }
    CHECK_GE(gap, 60 * PAIR_SECOND); /* exponential */
    IN("A 1 ack 1 win 5000");        /* the answer to a probe is the update */
    OUT("PA 1 ack 1 len 100");
}

/* The peer takes the octet of the probe, and keeps the window closed. */
BOTH(persist_timer_survives_that_its_octet_is_taken)
{
    uint32_t i;

    START();
    OPENED("win 5000 mss 1000");
    IN("A 1 ack 1 win 0");
    SEND(100);
    for (i = 1; i < 8; i++) {
        next_segment();
        CHECK_EQ(w.seg.seq - w.iss, i);
        CHECK_EQ(w.seg.len, 1);
        IN("A 1 ack %u win 0", i + 1);
    }
    IN("A 1 ack %u win 5000", i);
    next_segment();
    CHECK_EQ(w.seg.seq - w.iss, i);
    CHECK_EQ(w.seg.len, 101 - i);
}

/* A FIN needs the window, too. */
BOTH(persist_timer_for_a_fin_alone)
{
    START();
    OPENED("win 5000 mss 1000");
    IN("A 1 ack 1 win 0");
    SHUTDOWN();
    next_segment();
    CHECK_EQ(w.seg.flags & PAIR_FIN, PAIR_FIN);
    CHECK_EQ(w.seg.seq - w.iss, 1);
    next_segment();
    CHECK_EQ(w.seg.flags & PAIR_FIN, PAIR_FIN);
    IN("A 1 ack 2 win 0");
    STATE(TCPSM_FIN_WAIT_2);
}

/* ---- REG-F31 ---------------------------------------------------------- */

/* REG-F31: a segment that no handshake has in SYN-SENT finds a connection
   that is only half made. */
BOTH(anything_may_come_in_syn_sent)
{
    static const char *const more[] = {"",
                                       "mss 0",
                                       "ws 255 sackok",
                                       "ts 1 0 sackok ws 3 mss 9",
                                       "sack 1:2 5:9",
                                       "len 100 urg 7",
                                       "raw 05020402",
                                       "win 0"};
    uint32_t f, k, i;
    char text[16], *t;

    for (f = 0; f < 256; f++)
        for (k = 0; k < 8; k++) {
            if ((f + k) % 3 != 0 && f >= 64)
                continue;
            START();
            w.cfg.flags = 0;
            if (LAYER1 && k == 5)
                w.rcv_ring = 0;
            OPEN();
            SEND(10);
            CHECK(NEXT());
            for (t = text, i = 0; i < 8; i++)
                if (f >> i & 1)
                    *t++ = "FSRPAUEC"[i];
            if (f == 0)
                *t++ = '.';
            *t = 0;
            IN_ANY("%s 0 ack %u %s", text, f & 64 ? 1 : 2, more[k]);
            DRAINED();
            IN_ANY("%s 0 ack 1 %s", text, more[k]);
            DRAINED();
            IN_ANY("%s 1 ack 1 %s", text, more[k]);
            DRAINED();
        }
}

/* ---- REG-F32 ---------------------------------------------------------- */

/* REG-F32: a segment is cut in two because the window, the MSS or the path
   became smaller, and one half is sent twice, lost or freed twice. */
BOTH(segments_that_are_cut_in_two)
{
    uint32_t una = 1, turn, cut, k;

    for (cut = 1; cut < 1000; cut += 111) {
        START();
        w.cfg.flags |= TCPSM_NODELAY | TCPSM_NO_PROBE;
        OPENED("win 5000 mss 1000");
        SEND(3000);
        FLIGHT(1, 3, 1000);
        CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_MTU, 40 + 300), 0);
        reg__touched();
        IN("A 1 ack %u", 1 + cut); /* in the middle of the first */
        una = 1 + cut;
        for (turn = 0; una < 3001; turn++) {
            CHECK_LT(turn, 200u);
            next_segment();
            k = w.seg.seq - w.iss;
            CHECK_LE(w.seg.len, 300u);
            CHECK_LE(k + w.seg.len, 3001u);
            if (k <= una && k + w.seg.len > una) {
                una = k + w.seg.len;
                IN("A 1 ack %u", una);
            }
        }
        CHECK_EQ(ST(snd_queued), 0);
        CHECK_EQ(ST(runs), 0);
        CHECK_EQ(ST(lost) + ST(sacked), 0);
        SEND(100);
        OUT("PA 3001 ack 1 len 100");
    }
}

/* Because the window ends in the middle of one: the rest comes later. */
BOTH(segment_that_the_window_cuts)
{
    uint32_t win;

    for (win = 501; win < 1000; win += 83) {
        START();
        OPENED("win 1000 mss 1000");
        IN("A 1 ack 1 win %u", win);
        SEND(1000);
        OUT("A 1 ack 1 len %u", win);
        IN("A 1 ack %u win 1000", 1 + win);
        OUT("PA %u ack 1 len %u", 1 + win, 1000 - win);
        IN("A 1 ack 1001 win 1000");
        CHECK_EQ(ST(snd_queued), 0);
        NONE();
    }
}

/* ---- REG-F33 ---------------------------------------------------------- */

/* Silence, with something to send again n times: the time between is never
   more than the most, and never less than half the last. */
static void silence(uint32_t n, tcpsm_time most)
{
    tcpsm_time last = w.p.now, gap = 0;
    uint32_t i;

    for (i = 0; i < n; i++) {
        next_segment();
        CHECK_LE(w.p.now - last, most);
        CHECK_GE((w.p.now - last) * 2, gap);
        gap = w.p.now - last;
        last = w.p.now;
    }
    CHECK_GE(gap, most / 2);
}

/* REG-F33: the number of retransmissions is an index or a shift, and after so
   many of them it is out of range: the RTO is 0, or the program reads past a
   table. */
BOTH(backoff_after_three_hundred_retransmissions)
{
    START();
    w.cfg.user_timeout_ms = TCPSM_OFF;
    w.cfg.rto_max_ms = 60000;
    OPENED("win 5000 mss 1000");
    SEND(100);
    OUT("PA 1 ack 1 len 100");
    silence(600, 60 * PAIR_SECOND);
    IN("A 1 ack 101");
    STATE(TCPSM_ESTABLISHED);
    SEND(100);
    OUT("PA 101 ack 1 len 100");
}

BOTH(backoff_after_three_hundred_window_probes)
{
    START();
    w.cfg.user_timeout_ms = TCPSM_OFF;
    w.cfg.rto_max_ms = 60000;
    OPENED("win 5000 mss 1000");
    IN("A 1 ack 1 win 0");
    SEND(100);
    silence(600, 60 * PAIR_SECOND);
    IN("A 1 ack 1 win 5000");
    OUT("PA 1 ack 1 len 100");
}

BOTH(backoff_after_three_hundred_syns)
{
    START();
    w.cfg.rto_max_ms = 10000;
    w.cfg.syn_limit_ms = 4000000;
    OPEN();
    CHECK(NEXT());
    silence(300, 10 * PAIR_SECOND);
    IN("SA 0 ack 1 win 5000");
    OUT("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
}

/* ---- REG-F34 ---------------------------------------------------------- */

static void greedy(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    (void)e;
    s->cwnd += 0x3FFFFFF0u;
}

static void keeps(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    (void)s;
    (void)e;
}

static const tcpsm_cc greedy_cc = {200,   NULL, greedy, keeps,
                                   keeps, NULL, NULL,   NULL};

/* REG-F34: cwnd grows past the end of its word and is tiny: here a controller
   does what it can for that, and duplicates add to it. */
BOTH(cwnd_does_not_roll_over)
{
    uint32_t i, k, una = 1, cwnd, was = 0;

    START();
    w.cfg.cc = &greedy_cc;
    OPENED("win 60000 mss 1000");
    for (i = 0; i < 40; i++) {
        SEND(20000);
        DRAINED();
        for (k = 0; k < 30; k++) { /* also with all these duplicates */
            if (i % 4 == 3)
                IN("A 1 ack %u", una);
            cwnd = ST(cwnd);
            CHECK(i % 4 == 0 || cwnd > 60000);
            CHECK_GE(cwnd, was);
            CHECK_LE(cwnd, 0x3FFFFFFFu);
        }
        was = i % 4 == 3 ? 0 : cwnd;
        una = ST(snd_nxt) - w.iss;
        IN("A 1 ack %u", una);
        DRAINED();
    }
}

/* The built-in ones, in slow start for as long as there is to send. */
BOTH(cwnd_never_falls_without_a_loss)
{
    uint32_t i, una = 1, was = 0, k;

    for (k = 0; k < 2; k++) {
        START();
        w.cfg.cc = k ? &reno : NULL;
        w.cfg.flags |= TCPSM_NO_PROBE;
        OPENED("win 65535 mss 1000");
        was = 0;
        una = 1;
        for (i = 0; i < 300; i++) {
            SEND(65000);
            while (una < 65000 * (i + 1)) {
                while (NEXT())
                    continue;
                w.p.now += 10000;
                CHECK_GT(ST(snd_nxt) - w.iss, una);
                una = ST(snd_nxt) - w.iss;
                IN("A 1 ack %u", una);
                CHECK_GE(ST(cwnd), was);
                was = ST(cwnd);
            }
        }
        CHECK_LE(was, 0x3FFFFFFFu);
    }
}

/* ---- REG-F35 ---------------------------------------------------------- */

/* The four bytes at the timestamp option of the last segment out. */
static const uint8_t *out_option(uint8_t kind)
{
    const uint8_t *p = out_bytes();
    uint32_t i, n = p[12] / 16u * 4u;

    for (i = 20; i + 1 < n; i += p[i] < 2 ? 1u : p[i + 1])
        if (p[i] == kind)
            return p + i + 2;
    FAIL("no option of kind %u", kind);
}

/* REG-F35: timestamps in the processor's order: the echo means nothing to
   anybody, and our own clock runs in jumps of 2^24. */
BOTH(timestamps_are_in_network_order)
{
    static const uint8_t echo[] = {1, 2, 3, 4};
    uint32_t first;

    START();
    w.cfg.flags = TCPSM_NO_SCALE | TCPSM_NO_SACK;
    w.ts_clock = 0x01020304;
    OPENED("win 5000 mss 1000 ts 16909060 0");
    CHECK_MEM(out_option(8) + 4, echo, 4);
    SEND(100);
    CHECK(NEXT());
    CHECK_MEM(out_option(8) + 4, echo, 4);
    first = pair_get32(out_option(8));
    WAIT(0.1);
    IN("A 1 ack 101"); /* it echoes what was sent */
    CHECK_GE(ST(srtt_us), 5000u);
    CHECK_LE(ST(srtt_us), 105000u);
    WAIT(10);
    SEND(100);
    CHECK(NEXT());
    CHECK_GE(pair_get32(out_option(8)) - first, 5000u);
    CHECK_LE(pair_get32(out_option(8)) - first, 20000u);
}

/* Every other field, too, byte by byte. */
BOTH(fields_are_in_network_order)
{
    const uint8_t *p;

    START();
    w.irs = 0x01020304u;
    w.want_iss = 0x0A0B0C0Du;
    w.rcv_ring = 0x0506;
    OPENED("win 258 mss 1000");
    SEND(100);
    OUT("PA 1 ack 1 len 100");
    p = out_bytes();
    CHECK_EQ(p[0] * 256 + p[1], w.tuple.local_port);
    CHECK_EQ(p[2] * 256 + p[3], w.tuple.remote_port);
    CHECK_MEM(p + 4, "\x0A\x0B\x0C\x0E", 4);
    CHECK_MEM(p + 8, "\x01\x02\x03\x05", 4);
    CHECK_EQ(p[12], 0x50);
    CHECK_EQ(p[13], 0x18);
    CHECK_MEM(p + 14, "\x05\x06", 2);
    CHECK_EQ(ST(snd_wnd), 258);
}

/* ---- REG-F36 ---------------------------------------------------------- */

/* REG-F36: the queue of what came out of order drops, doubles or misplaces
   what overlaps. All orders of five pieces that overlap, and a FIN. */
BOTH(text_in_every_order)
{
    static const uint32_t from[] = {1, 8, 20, 30, 31},
                          to[] = {11, 21, 31, 35, 45};
    uint32_t n, i, k, left, at[5], order[5];

    for (n = 0; n < 120; n++) {
        for (i = 0; i < 5; i++)
            at[i] = i;
        for (i = 0, k = n; i < 5; i++) {
            left = 5 - i;
            order[i] = at[k % left];
            memmove(at + k % left, at + k % left + 1,
                    (left - 1 - k % left) * sizeof *at);
            k /= left;
        }
        START();
        w.rcv_ring = 50;
        w.irs = 0u - 25;
        OPENED("win 5000");
        for (i = 0; i < 5; i++) {
            IN_ANY("A %u ack 1 len %u", from[order[i]],
                   to[order[i]] - from[order[i]]);
            DRAINED();
        }
        CHECK_EQ(ST(ranges), 0);
        CHECK_EQ(ST(rcv_nxt) - w.irs, 45);
        IN("FA 45 ack 1");
        DRAINED();
        READ(44);
        STATE(TCPSM_CLOSE_WAIT);
    }
}
