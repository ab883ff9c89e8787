/* Mistakes that are easily made in SEGMENT ARRIVES (RFC 9293 s3.10.7), each
   as a test. The rows of tests/wire/regressions.txt that begin with REG-V are
   here; the comment above a test says what goes wrong where it is done badly.

   REG-V-A  the window is stored before the segment is believed
   REG-V-B  a reset is judged by the window that it carries
   REG-V-C  a FIN ahead of a gap; plain compares of sequence numbers
   REG-V-D  any reset ends it; an ISN that is known; no retransmission
   REG-V-E  a SYN's options in other segments; a shift that is too large
   REG-V-F  options before acceptability; challenge ACKs without a limit
   REG-V-G  a reset in the window; windows in the wrong order
   REG-V-H  the kind or the length of an option taken for its value
   REG-V-I  an MSS that is not all there; answers without a limit */

#include "regress.h"

/* ---- REG-V-A ---------------------------------------------------------- */

/* REG-V-A: SND.WND is stored first and SEQ, ACK and PAWS are looked at later:
   one spoofed segment with a window of zero stops the sender. */
BOTH(window_of_an_unacceptable_segment_is_not_stored)
{
    static const char *const bad[] = {
        "A 70000 ack 101 win 0",      /* SEQ right of the window */
        "A -1 ack 101 win 0",         /* and left of it */
        "PA -90 ack 101 win 0 len 9", /* */
        "A 1 ack 5000 win 0",         /* never sent */
        "A 1 ack -70000 win 0",       /* older than any window */
        "A 1 ack 2147483700 win 0",   /* */
        ". 1 win 0",                  /* no ACK */
        "P 1 win 0 len 5",            /* */
        "S 1 win 0",                  /* */
        "SA 0 ack 1 win 0",           /* the one that opened it, again */
        "R 9 win 0",                  /* */
        "RA 9 ack 1 win 0",           /* */
        "A 1 ack 101 win 0 badsum"};
    uint32_t i;

    START();
    w.cfg.challenge_limit = 255;
    OPENED("win 5000");
    SEND(100);
    FLIGHT(1, 1, 100);
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        IN_ANY("%s", bad[i]);
        CHECK_NE(w.in.drop, 0);
        CHECK_EQ(ST(snd_wnd), 5000);
        DRAINED();
        CHECK_EQ(ST(persist), 0);
    }
    IN("A 1 ack 101 win 4000");
    CHECK_EQ(ST(snd_wnd), 4000);
    SEND(1000);
    FLIGHT(101, 1, 536);
}

/* By PAWS, and without a timestamp where there must be one. */
BOTH(window_of_an_old_timestamp_is_not_stored)
{
    START();
    w.cfg.flags = TCPSM_NO_SCALE;
    OPENED("win 5000 ts 900000 0");
    IN_DROP(TCPSM_DROP_PAWS, "A 1 ack 1 win 0 ts 899999 *");
    OUT("A 1 ack 1");
    IN_DROP(TCPSM_DROP_NO_TS, "A 1 ack 1 win 0 nots");
    IN_DROP(TCPSM_DROP_PAWS, "PA 1 ack 1 win 0 len 9 ts 100 *");
    OUT("A 1 ack 1");
    CHECK_EQ(ST(snd_wnd), 5000);
    SEND(100);
    OUT("PA 1 ack 1 len 100");
}

/* A half-open connection: the window that counts is that of the ACK. */
BOTH(window_of_a_segment_that_does_not_open)
{
    START();
    LISTEN();
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    IN_ANY("A 70000 ack 1 win 0");
    IN_ANY("A 1 ack 2 win 0");
    IN_ANY(". 1 win 0");
    DRAINED();
    CHECK(LAYER2 || ST(snd_wnd) == 5000);
    IN("A 1 ack 1 win 4000");
    TAKE();
    CHECK_EQ(ST(snd_wnd), 4000);
}

/* An acceptable segment that is older than the last update: SND.WL1. */
BOTH(window_of_an_older_segment_is_not_stored)
{
    START();
    OPENED("win 5000");
    IN("PA 11 ack 1 win 4000 len 10"); /* it overtook the next one */
    OUT("A 1 ack 1");
    CHECK_EQ(ST(snd_wnd), 4000);
    IN("PA 1 ack 1 win 0 len 10");
    CHECK_EQ(ST(snd_wnd), 4000);
    DRAINED();
    IN("A 21 ack 1 win 0"); /* a newer one closes it */
    CHECK_EQ(ST(snd_wnd), 0);
    IN("A 21 ack 1 win 3000"); /* and SEQ alone may be equal */
    CHECK_EQ(ST(snd_wnd), 3000);
}

/* ---- REG-V-B ---------------------------------------------------------- */

/* REG-V-B: the window of the reset itself decides whether the reset is in
   the window, so the attacker brings his own. */
BOTH(reset_is_not_judged_by_its_own_window)
{
    static const uint32_t seq[] = {0, 2, 100, 4999, 65536, 70000, 131071};
    uint32_t i, win;

    START();
    w.cfg.challenge_limit = 255;
    OPENED("win 5000");
    for (i = 0; i < sizeof seq / sizeof *seq; i++)
        for (win = 0; win < 65536; win += 21845) {
            IN_DROP(TCPSM_DROP_RST, "R %u win %u", seq[i], win);
            IN_DROP(TCPSM_DROP_RST, "RA %u ack 1 win %u", seq[i], win);
            DRAINED();
            STATE(TCPSM_ESTABLISHED);
            CHECK_EQ(ST(snd_wnd), 5000);
        }
    IN("R 1 win 0");
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_RESET);
}

/* The window is ours, and may be closed. */
BOTH(reset_at_a_closed_window)
{
    START();
    w.rcv_ring = 1000;
    OPENED("win 5000");
    IN("PA 1 ack 1 len 1000");
    DRAINED();
    IN_NOTHING(TCPSM_DROP_RST, "R 1002 win 65535");
    IN_NOTHING(TCPSM_DROP_RST, "R 1000 win 65535");
    IN("R 1001 win 65535");
    STATE(TCPSM_CLOSED);
}

/* ---- REG-V-C ---------------------------------------------------------- */

/* REG-V-C: a FIN is taken wherever it stands, RCV.NXT jumps over the gap, and
   the reader sees an end where text is missing. */
BOTH(fin_ahead_of_a_gap_waits)
{
    START();
    OPENED("win 5000");
    IN("FA 11 ack 1");
    OUT("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
    READ(0);
    IN("PA 1 ack 1 len 5");
    DRAINED();
    STATE(TCPSM_ESTABLISHED);
    READ(5);
    IN("PA 6 ack 1 len 5"); /* now it is there */
    READ(5);
    if (reg__state() == TCPSM_ESTABLISHED)
        IN("FA 11 ack 1"); /* not held: it comes again */
    OUT("A 1 ack 12");
    STATE(TCPSM_CLOSE_WAIT);
    CHECK_EQ(tcpsm_receive(w.c, w.buf, 1), TCPSM_E_EOF);
}

BOTH(fin_with_text_ahead_of_a_gap_waits)
{
    START();
    OPENED("win 5000");
    IN("FPA 11 ack 1 len 10");
    OUT("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
    IN("PA 1 ack 1 len 10");
    OUT("A 1 ack 22");
    READ(20);
    STATE(TCPSM_CLOSE_WAIT);
}

/* In FIN-WAIT-1 and -2, too, where a FIN ends more than a direction. */
BOTH(fin_ahead_of_a_gap_closes_nothing)
{
    int k;

    for (k = 0; k < 2; k++) {
        be(k ? TCPSM_FIN_WAIT_2 : TCPSM_FIN_WAIT_1);
        IN("FA 9 ack %d", k ? 2 : 1);
        OUT("A 2 ack 1");
        STATE(k ? TCPSM_FIN_WAIT_2 : TCPSM_FIN_WAIT_1);
        IN("PA 1 ack 2 len 8");
        READ(8);
        IN_ANY("FA 9 ack 2");
        DRAINED();
        STATE(TCPSM_TIME_WAIT);
    }
}

/* Everything that is compared, with both ISNs close to 2^32 (and 2^31): a
   compare with < or a signed difference of the wrong width stops at one of
   the wraps. */
static void wrapping(uint32_t iss, uint32_t irs)
{
    uint32_t i, n;

    START();
    w.cfg.flags = 0;
    w.cfg.challenge_limit = 255;
    w.want_iss = iss;
    w.irs = irs;
    w.rcv_ring = 4000;
    OPENED("win 4000 mss 100 sackok ts 4294967290 0");
    for (i = 0; i < 10; i++) { /* in: two pieces in the wrong order */
        n = 1 + 40 * i;
        IN_DROP(TCPSM_DROP_RST, "R %u", n + 1);
        DRAINED();
        IN_NOTHING(TCPSM_DROP_RST, "R %d", (int)n - 1);
        IN("PA %u ack 1 len 20", n + 20);
        CHECK(NEXT());
        CHECK_EQ(w.seg.ack - w.irs, n);
        CHECK_EQ(w.seg.sacks, 1);
        CHECK_EQ(w.seg.sack[0][0] - w.irs, n + 20);
        CHECK_EQ(w.seg.sack[0][1] - w.irs, n + 40);
        IN_DROP(TCPSM_DROP_WINDOW, "PA %u ack 1 len 20", n + 4000);
        DRAINED();
        IN("PA %u ack 1 len 20", n);
        DRAINED();
        IN_DROP(TCPSM_DROP_OLD_DATA, "PA %u ack 1 len 20", n);
        DRAINED();
        READ(40);
    }
    for (i = 0; i < 10; i++) { /* out: the first of two is lost */
        n = 1 + 176 * i;
        SEND(176);
        FLIGHT(n, 2, 88);
        IN_DROP(TCPSM_DROP_BAD_ACK, "A 401 ack %u", n + 177);
        DRAINED();
        IN("A 401 ack %u sack %u:%u", n, n + 88, n + 176);
        CHECK_EQ(ST(sacked), 88);
        while (DUE() != TCPSM_NEVER) {
            if (NEXT())
                break;
            w.p.now = DUE() > w.p.now ? DUE() : w.p.now;
        }
        CHECK_EQ(w.seg.seq - w.iss, n);
        CHECK_EQ(w.seg.len, 88);
        IN("A 401 ack %u", n + 176);
        CHECK_EQ(ST(snd_queued), 0);
        CHECK_EQ(ST(snd_wnd), 4000);
    }
    SHUTDOWN();
    OUT("FA 1761 ack 401 ts * *");
    IN("A 401 ack 1762");
    STATE(TCPSM_FIN_WAIT_2);
    IN("FA 401 ack 1762");
    CHECK(NEXT());
    CHECK_EQ(w.seg.ack - w.irs, 402);
    STATE(TCPSM_TIME_WAIT);
}

BOTH(sequence_numbers_close_to_the_wrap)
{
    static const uint32_t isn[] = {
        0xFFFFFFFFu, 0xFFFFFFFEu, 0xFFFFFF40u, 0xFFFFFE00u,
        0x7FFFFFFFu, 0x7FFFFF40u, 0x80000000u, 1};
    uint32_t i;

    for (i = 0; i < 8; i++)
        wrapping(isn[i], isn[(i + 3) % 8]);
    wrapping(0xFFFFFFFFu, 0xFFFFFFFFu);
}

/* A handshake, passive, with the SYNs at the wrap itself. */
BOTH(handshake_at_the_wrap)
{
    static const uint32_t isn[] = {0xFFFFFFFFu, 0x7FFFFFFFu, 0x80000000u};
    uint32_t i, k;

    for (i = 0; i < 3; i++)
        for (k = 0; k < 3; k++) {
            START();
            w.want_iss = isn[i];
            LISTEN();
            w.irs = isn[k];
            IN("S 0 win 5000");
            OUT("SA 0 ack 1 mss 1460");
            CHECK_EQ(w.iss, isn[i]);
            IN_ANY("A 1 ack 0"); /* not our SYN's */
            OUT("R 0");
            IN_ANY("A 1 ack 2");
            OUT("R 2");
            IN("A 1 ack 1 win 5000");
            TAKE();
            STATE(TCPSM_ESTABLISHED);
            SEND(10);
            OUT("PA 1 ack 1 len 10");
        }
}

/* ---- REG-V-D ---------------------------------------------------------- */

/* REG-V-D: any reset with the right ports ends the connection. */
BOTH(reset_from_anywhere_ends_nothing)
{
    uint32_t k;

    for (k = 0; k < 32; k++) {
        if (k % 8 == 0) {
            START();
            OPENED("win 5000");
            IN("PA 1 ack 1 len 10");
            DRAINED();
        }
        IN_DROP(TCPSM_DROP_RST, "R %u", 1u << k);
        IN_DROP(TCPSM_DROP_RST, "R %u abs", 1u << k);
        DRAINED();
        STATE(TCPSM_ESTABLISHED);
    }
    be(TCPSM_SYN_SENT);
    IN_DROP(TCPSM_DROP_RST, "R 0");
    IN_DROP(TCPSM_DROP_RST, "R 0 ack 1");
    IN_DROP(TCPSM_DROP_RST, "RA 0 ack 0");
    IN_DROP(TCPSM_DROP_RST, "RA 0 ack 2");
    STATE(TCPSM_SYN_SENT);
    IN("RA 7777 ack 1");
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_REFUSED);
}

/* The ISN is a number of the connection that anybody can see: its port. */
BOTH(isn_is_nothing_that_is_seen)
{
    uint32_t port, isn;

    for (port = 1024; port < 1064; port++) {
        START();
        w.tuple.remote_port = (uint16_t)port;
        OPEN();
        CHECK(NEXT());
        isn = w.seg.seq;
        CHECK_NE(isn & 0xFFFF, port);
        CHECK_NE(isn & 0xFFFF, w.tuple.local_port);
        CHECK_NE(isn >> 16, port);
        CHECK_NE(isn, (uint32_t)(w.p.now >> 2));
    }
}

/* What was lost is never sent again. */
BOTH(lost_segments_are_sent_again)
{
    uint32_t again = 0;

    START();
    OPENED("win 5000 mss 1000");
    SEND(3000);
    FLIGHT(1, 3, 1000);
    SHUTDOWN();
    DRAINED();
    while (again < 3001) {
        CHECK_NE(DUE(), TCPSM_NEVER);
        if (DUE() > w.p.now)
            w.p.now = DUE();
        while (NEXT())
            if (w.seg.seq - w.iss == again + 1) {
                again += w.seg.len + (w.seg.flags & PAIR_FIN);
                IN("A 1 ack %u", again + 1);
            }
        CHECK_LT(w.p.now, w.t0 + 60 * PAIR_SECOND);
    }
    STATE(TCPSM_FIN_WAIT_2);
}

/* And a SYN, and a SYN,ACK. */
BOTH(lost_handshakes_are_sent_again)
{
    be(TCPSM_SYN_SENT);
    AT(1);
    OUT("S 0 mss 1460");
    IN("SA 0 ack 1 win 5000");
    OUT("A 1 ack 1");
    be(TCPSM_SYN_RECEIVED);
    AT(1);
    OUT("SA 0 ack 1 mss 1460");
    AT(3);
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    TAKE();
    STATE(TCPSM_ESTABLISHED);
}

/* ---- REG-V-E ---------------------------------------------------------- */

/* REG-V-E: MSS, scale and SACK-permitted are taken from any segment, so they
   change in the middle. */
BOTH(options_of_a_syn_mean_nothing_elsewhere)
{
    static const char *const opt[] = {"mss 8", "ws 14", "sackok",
                                      "mss 9000 ws 1 sackok"};
    uint32_t i;

    START();
    w.cfg.flags = TCPSM_NO_TS | TCPSM_NO_SACK;
    OPENED("win 5000 mss 1000 ws 3");
    for (i = 0; i < 4; i++) {
        IN("A %u ack 1 win 5000 %s", 1 + 10 * i, opt[i]);
        IN("PA %u ack 1 win 5000 len 10 %s", 1 + 10 * i, opt[i]);
        DRAINED();
        CHECK_EQ(ST(peer_mss), 1000);
        CHECK_EQ(ST(snd_scale), 3);
        CHECK_EQ(ST(snd_wnd), 40000);
        CHECK_EQ(ST(sack), 0);
    }
    IN_ANY("S 41 mss 8 ws 14 sackok"); /* a SYN that opens nothing */
    IN_ANY("SA 0 ack 1 mss 8 ws 14 sackok");
    CHECK_EQ(ST(peer_mss), 1000);
    CHECK_EQ(ST(snd_scale), 3);
}

/* The third segment of a handshake is not a SYN. */
BOTH(options_of_the_third_segment_mean_nothing)
{
    START();
    w.cfg.flags = 0;
    LISTEN();
    IN("S 0 win 5000 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1 win 5000 mss 8 ws 7 sackok");
    TAKE();
    CHECK_EQ(ST(peer_mss), 1000);
    CHECK_EQ(ST(snd_scale), 0);
    CHECK_EQ(ST(scaling), 0);
    CHECK_EQ(ST(sack), 0);
    CHECK_EQ(ST(snd_wnd), 5000);
}

/* A shift that the width of a word does not allow, or that makes windows of
   more than 2^30: at most 14 (RFC 7323 s2.3). */
BOTH(scale_above_fourteen_is_fourteen)
{
    static const int ws[] = {14, 15, 16, 31, 32, 33, 63, 128, 255};
    uint32_t i, k;

    for (k = 0; k < 2; k++)
        for (i = 0; i < sizeof ws / sizeof *ws; i++) {
            START();
            w.cfg.flags = TCPSM_NO_TS | TCPSM_NO_SACK;
            if (k)
                OPENED("win 5000 ws %d", ws[i]);
            else
                ACCEPTED("win 5000 ws %d", ws[i]);
            CHECK_EQ(ST(snd_scale), 14);
            IN("A 1 ack 1 win 65535");
            CHECK_EQ(ST(snd_wnd), 65535u << 14);
            IN("A 1 ack 1 win 1");
            CHECK_EQ(ST(snd_wnd), 1u << 14);
        }
}

/* ---- REG-V-F ---------------------------------------------------------- */

/* REG-V-F: options are acted upon where they are parsed, before it is known
   whether the segment belongs here. */
BOTH(options_wait_until_the_segment_is_acceptable)
{
    uint32_t i;
    static const char *const bad[] = {
        "A 70000 ack 1001 ts 990000 * sack 1001:2001",
        "A -70000 ack 1001 ts 990000 * sack 1001:2001",
        "A 1 ack 90000 ts 990000 * sack 1001:2001",
        "A 1 ack -900000 ts 990000 * sack 1001:2001",
        ". 1 ts 990000 * sack 1001:2001",
        "A 1 ack 1001 ts 800000 * sack 1001:2001",
        "A 1 ack 1001 nots sack 1001:2001"};

    START();
    w.cfg.flags = TCPSM_NO_SCALE;
    w.cfg.challenge_limit = 255;
    OPENED("win 60000 mss 1012 sackok ts 900000 0");
    SEND(3000);
    FLIGHT(1, 3, 1000);
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        IN_ANY("%s", bad[i]);
        CHECK_NE(w.in.drop, 0);
        CHECK_EQ(ST(sacked), 0);
        CHECK_EQ(ST(snd_una) - w.iss, 1);
        CHECK_EQ(w.c->ts_recent, 900000);
        while (NEXT())
            CHECK_EQ(w.seg.ts_ecr, 900000);
    }
    IN("A 1 ack 1 ts 990000 * sack 1001:2001");
    CHECK_EQ(ST(sacked), 1000);
    CHECK_EQ(w.c->ts_recent, 990000);
}

/* REG-V-F, REG-V-I: each bad segment is answered, so an attacker makes two
   ends answer each other, or us flood a third. */
BOTH(challenge_acks_have_a_limit)
{
    static const char *const bad[] = {"R 100", "S 100", "SA 5 ack 1",
                                      "A 1 ack 5000", "A 70000 ack 1"};
    uint32_t i, n = 0;

    START();
    OPENED("win 5000");
    for (i = 0; i < 500; i++) {
        IN_ANY("%s", bad[i % 5]);
        CHECK_NE(w.in.drop, 0);
        n += DRAINED();
    }
    CHECK_EQ(n, 10);
    WAIT(6);
    IN_ANY("R 100"); /* later there is one again */
    CHECK_EQ(DRAINED(), 1);
    SEND(10); /* and nothing else was held back */
    OUT("PA 1 ack 1 len 10");
}

BOTH(challenge_acks_of_half_open_and_dying_ones_have_a_limit)
{
    static const int states[] = {TCPSM_SYN_RECEIVED, TCPSM_FIN_WAIT_2,
                                 TCPSM_LAST_ACK, TCPSM_TIME_WAIT};
    uint32_t s, i, n;

    for (s = 0; s < 4; s++) {
        be(states[s]);
        if (LAYER1)
            tcpsm_set(w.c, TCPSM_SET_CORK, 0);
        n = 0;
        for (i = 0; i < 600; i++) {
            IN_ANY("A 70000 ack %u", be_snd);
            n += DRAINED();
        }
        CHECK_LE(n, 255u); /* be() says so */
        CHECK_GT(n, 0u);
        STATE(states[s]);
    }
}

/* ---- REG-V-G ---------------------------------------------------------- */

/* REG-V-G: no WL1: segments that were reordered leave the window of the one
   that came last, not of the one that was sent last. */
BOTH(windows_come_in_the_order_of_their_segments)
{
    uint32_t i, latest = 0;
    static const uint32_t order[] = {3, 1, 4, 0, 2, 6, 5, 7};

    START();
    w.irs = 0xFFFFFFE0u;
    OPENED("win 5000");
    for (i = 0; i < 8; i++) {
        IN("PA %u ack 1 win %u len 10", 1 + 10 * order[i],
           5000 + 100 * order[i]);
        DRAINED();
        latest = order[i] > latest ? order[i] : latest;
        CHECK_EQ(ST(snd_wnd), 5000 + 100 * latest);
    }
    READ(80);
}

/* A reset inside the window closes at once. */
BOTH(reset_inside_the_window_is_only_answered)
{
    uint32_t i;

    START();
    w.cfg.challenge_limit = 255;
    OPENED("win 5000");
    SEND(50);
    DRAINED();
    for (i = 2; i < 65536; i = i * 3 / 2 + 1) {
        IN_DROP(TCPSM_DROP_RST, "RA %u ack 51", i);
        OUT("A 51 ack 1");
        CHECK_EQ(ST(snd_una) - w.iss, 1); /* nor does its ACK count */
        STATE(TCPSM_ESTABLISHED);
    }
}

/* ---- REG-V-H ---------------------------------------------------------- */

/* REG-V-H: a pointer stands on the kind or the length when the value is
   read: a scale of 3 whatever the peer says, an MSS of 4. */
BOTH(value_of_an_option_is_not_its_kind_nor_its_length)
{
    static const int ws[] = {0, 1, 2, 3, 7, 13};
    uint32_t i, k;

    for (k = 0; k < 2; k++)
        for (i = 0; i < 6; i++) {
            START();
            w.cfg.flags = 0;
            w.ts_clock = 134876180;
            if (k)
                OPENED("win 1000 mss 772 ws %d sackok ts 134876180 0", ws[i]);
            else
                ACCEPTED("win 1000 mss 772 ws %d sackok ts 134876180 0",
                         ws[i]);
            CHECK_EQ(ST(snd_scale), ws[i]);
            CHECK_EQ(ST(peer_mss), 772);
            CHECK_EQ(ST(sack), 1);
            CHECK_EQ(w.c->ts_recent, 134876180); /* 0x080A0814 */
            IN("A 1 ack 1 win 300");
            CHECK_EQ(ST(snd_wnd), 300u << ws[i]);
        }
}

/* SACK edges and timestamps likewise; and the window field itself. */
BOTH(numbers_are_read_where_they_stand)
{
    START();
    w.cfg.flags = TCPSM_NO_SCALE;
    OPENED("win 60000 mss 1012 sackok ts 900000 0");
    SEND(4000);
    FLIGHT(1, 4, 1000);
    IN("A 1 ack 1001 win 258 sack 2001:3001");
    CHECK_EQ(ST(snd_wnd), 258);
    CHECK_EQ(ST(sacked), 1000);
    CHECK_EQ(ST(snd_una) - w.iss, 1001);
    IN("UA 1 ack 1001 len 9 win 60000 urg 7");
    CHECK_EQ(ST(urgent), 7);
}

/* ---- REG-V-I ---------------------------------------------------------- */

/* REG-V-I: it is seen that an option has two bytes at least, and then four
   of an MSS are read. */
BOTH(mss_that_is_not_all_there)
{
    static const char *const opt[] = {
        "raw 02020101", "raw 0203FF01", "raw 0101010101020205",
        "raw 02050505FF000000", "raw 02060505FFFF0000"};
    uint32_t i;

    for (i = 0; i < sizeof opt / sizeof *opt; i++) {
        START();
        LISTEN();
        IN_ANY("S 0 win 5000 %s", opt[i]);
        if (w.in.drop == TCPSM_DROP_OPTIONS) {
            NONE();
            STATE(TCPSM_LISTEN);
            continue;
        }
        OUT("SA 0 ack 1 mss 1460");
        IN("A 1 ack 1 win 5000");
        TAKE();
        CHECK_EQ(ST(peer_mss), 536);
    }
}
