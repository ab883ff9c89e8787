/* Windows: scaling, right edges, silly windows, zero windows and their
   probes, a window that shrinks, and law 7: nothing is ever stuck. */

#define PAIR_RING 262144
#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#include "stream.h"

/* ---- zero-window probes ------------------------------------------------ */

/* RFC9293-MUST-36, RFC9293-SHLD-29 (the first after one RTO), RFC9293-
   SHLD-30 (then doubled); one octet, and never more than one. */
TEST(RFC9293_MUST_36_SHLD_29_30_probes)
{
    START();
    OPENED("mss 1000 win 1000");
    SEND(2000);
    OUT("A 1 ack 1 len 1000");
    IN("A 1 ack 1001 win 0");
    NONE();
    DEADLINE(0.2);
    AT(0.2);
    OUT("A 1001 ack 1 len 1");
    DEADLINE(0.6);
    AT(0.25);
    IN("A 1 ack 1001 win 0"); /* not taken */
    DEADLINE(0.6);
    AT(0.6);
    OUT("A 1001 ack 1 len 1");
    AT(1.4);
    OUT("A 1001 ack 1 len 1");
    AT(1.5);
    IN("A 1 ack 1002 win 0"); /* taken, this time */
    NONE();
    w.p.now = tcpsm_deadline(w.c);
    OUT("A 1002 ack 1 len 1");
    WAIT(0.1);
    IN("A 1 ack 1003 win 65535");
    OUT("PA 1003 ack 1 len 998");
    IN("A 1 ack 2001 win 65535");
    DEADLINE_NEVER();
}

/* RFC9293-MUST-37: as long as the probes are answered the connection
   stays, whatever the user timeout is. */
static void answered_for_days(uint32_t uto_ms, uint32_t rto_max_ms)
{
    tcpsm_time end;
    START();
    w.cfg.user_timeout_ms = uto_ms;
    w.cfg.rto_max_ms = rto_max_ms;
    OPENED("mss 1000 win 1000");
    SEND(2000);
    OUT("A 1 ack 1 len 1000");
    IN("A 1 ack 1001 win 0");
    end = w.p.now + 3 * 86400 * PAIR_SECOND;
    while (w.p.now < end) {
        tcpsm_time d = tcpsm_deadline(w.c);
        CHECK(d != TCPSM_NEVER);
        if (d > w.p.now)
            w.p.now = d;
        wire__fill();
        STATE(TCPSM_ESTABLISHED);
        if (w.q_n == 0)
            continue;
        wire__take();
        CHECK_EQ(w.seg.len, 1);
        w.p.now += 50000;
        IN("A 1 ack 1001 win 0");
    }
    IN("A 1 ack 1002 win 5000");
    OUT("PA 1002 ack 1 len 999");
}

TEST(RFC9293_MUST_37_answered_probes_keep_it_open)
{
    answered_for_days(0, 0);
}

TEST(RFC9293_MUST_37_short_user_timeout)
{
    answered_for_days(30000, 0);
}

TEST(RFC9293_MUST_37_long_intervals)
{
    answered_for_days(0, 1800000);
}

/* ... and unanswered ones do end it, by R2 (RFC9293-MUST-20). */
TEST(unanswered_probes_end_at_the_user_timeout)
{
    START();
    OPENED("mss 1000 win 1000");
    SEND(2000);
    OUT("A 1 ack 1 len 1000");
    IN("A 1 ack 1001 win 0");
    while (tcpsm_deadline(w.c) != TCPSM_NEVER) {
        if (tcpsm_deadline(w.c) > w.p.now)
            w.p.now = tcpsm_deadline(w.c);
        stream_drain();
    }
    CHECK(wire_seconds() >= 300.0 && wire_seconds() < 430.0);
    ERROR_IS(TCPSM_E_TIMEOUT);
}

/* The only thing left is a FIN. */
TEST(probe_with_a_fin)
{
    START();
    OPENED("mss 1000 win 1000");
    SEND(1000);
    OUT("PA 1 ack 1 len 1000");
    IN("A 1 ack 1001 win 0");
    SHUTDOWN();
    NONE();
    AT(0.2);
    OUT("FA 1001 ack 1");
    AT(0.6);
    OUT("FA 1001 ack 1");
    IN("A 1 ack 1002 win 0");
    STATE(TCPSM_FIN_WAIT_2);
    DEADLINE_NEVER();
}

/* The last octet goes by probe, then the FIN by another. */
TEST(probe_text_then_fin)
{
    START();
    OPENED("mss 1000 win 1000");
    SEND(1001);
    OUT("A 1 ack 1 len 1000");
    IN("A 1 ack 1001 win 0");
    SHUTDOWN();
    AT(0.2);
    OUT("PA 1001 ack 1 len 1");
    IN("A 1 ack 1002 win 0");
    w.p.now = tcpsm_deadline(w.c);
    OUT("FA 1002 ack 1");
    IN("A 1 ack 1003 win 0");
    STATE(TCPSM_FIN_WAIT_2);
}

/* A record of one octet behind a closed window is sent by a probe: then it
   is over, and the next record can be queued. */
TEST(probe_sends_a_whole_record)
{
    START();
    OPENED("mss 1000 win 1000");
    SEND(1000);
    OUT("PA 1 ack 1 len 1000");
    IN("A 1 ack 1001 win 0");
    SEND_FLAGS(1, TCPSM_EOR);
    AT(0.2);
    OUT("PA 1001 ack 1 len 1");
    IN("A 1 ack 1002 win 5000");
    SEND_FLAGS(1, TCPSM_EOR);
    OUT("PA 1002 ack 1 len 1");
}

/* Answers to probes are flow control, not loss: the congestion window is
   what it was (RFC 5681 s2 would let them pass for duplicates, but no
   segment was lost, and the octet was sent past the edge on purpose). */
TEST(probe_answers_are_no_loss)
{
    struct tcpsm_info a, b;
    uint32_t i;
    START();
    OPENED("mss 1000 win 10000");
    SEND(20000);
    FLIGHT(1, 10, 1000);
    IN("A 1 ack 10001 win 0");
    a = stream_info();
    for (i = 0; i < 6; i++) {
        w.p.now = tcpsm_deadline(w.c);
        OUT("A 10001 ack 1 len 1");
        IN("A 1 ack 10001 win 0");
        NONE();
    }
    b = stream_info();
    CHECK_EQ(b.in_recovery, 0);
    CHECK_EQ(b.ssthresh, a.ssthresh);
    CHECK_EQ(b.cwnd, a.cwnd);
}

/* Both windows are closed and both ends probe: each probe is answered, and
   each answer and each probe is still heard (requirements.md, gap 3). */
TEST(crossing_probes)
{
    START();
    w.rcv_ring = 1000;
    OPENED("mss 1000 win 1000");
    IN("PA 1 ack 1 len 1000 win 1000");
    stream_drain(); /* the ACK, window 0 */
    SEND(2000);
    OUT("A 1 ack 1001 win 0 len 1000");
    IN("A 1001 ack 1001 win 0");
    AT(0.2);
    OUT("A 1001 ack 1001 win 0 len 1");
    IN_ANY("PA 1001 ack 1001 len 1 win 0"); /* crosses it */
    OUT("A 1001 ack 1001 win 0");           /* not beyond the peer's edge */
    IN_ANY("PA 1001 ack 1001 len 1 win 3000"); /* now with a window */
    OUT("PA 1001 ack * len 1000"); /* one full segment, and all of it */
    CHECK_EQ(stream_info().unsent, 0);
}

/* The window opens, and the octet that the probe carried was not taken:
   what is sent then is a full segment and not that octet alone
   (RFC9293-SHLD-28): with Nagle the rest would wait for
   its delayed acknowledgment, each time that a window closes. */
TEST(RFC9293_SHLD_28_no_tinygram_after_a_probe)
{
    START();
    OPENED("mss 1000 win 1000");
    SEND(5000);
    OUT("A 1 ack 1 len 1000");
    IN("A 1 ack 1001 win 0");
    AT(0.2);
    OUT("A 1001 ack 1 len 1");
    AT(0.3);
    IN("A 1 ack 1001 win 4000");
    OUT("A 1001 ack 1 len 1000");
}

/* RFC9293-MUST-66: ACK, URG and RST of a segment at RCV.NXT still count
   when the receive window is closed. */
TEST(RFC9293_MUST_66_zero_receive_window)
{
    START();
    w.rcv_ring = 1000;
    OPENED("mss 1000");
    IN("PA 1 ack 1 len 1000");
    OUT("A 1 ack 1001 win 0");
    SEND(10);
    OUT("PA 1 ack 1001 len 10 win 0");
    tcpsm_take(w.c);
    IN_DROP(TCPSM_DROP_WINDOW, "UPA 1001 ack 11 len 5 urg 3");
    EVENTS(TCPSM_EV_SENT | TCPSM_EV_URGENT);
    CHECK_EQ(stream_info().snd_una - w.iss, 11);
    OUT("A 11 ack 1001 win 0");
    IN("R 1001");
    STATE(TCPSM_CLOSED);
}

/* The window opens: the reader's side says so, by itself. */
TEST(window_update_when_it_opens)
{
    START();
    w.rcv_ring = 4000;
    OPENED("mss 1000");
    IN("PA 1 ack 1 len 1460");
    IN("PA 1461 ack 1 len 1460");
    IN("PA 2921 ack 1 len 1080");
    OUT("A 1 ack 4001 win 0");
    READ(1000);
    NONE(); /* RFC9293-MUST-39: less than one MSS, and than half */
    READ(460);
    OUT("A 1 ack 4001 win 1460");
    READ(2540);
    OUT("A 1 ack 4001 win 4000");
    NONE();
}

/* RFC9293-MUST-39: less room than one MSS (and than half the ring) is not
   offered, whatever else makes us send an ACK. */
TEST(RFC9293_MUST_39_receiver_sws)
{
    uint32_t k;
    START();
    w.rcv_ring = 4000;
    OPENED("mss 1460");
    IN("PA 1 ack 1 len 1460");
    IN("PA 1461 ack 1 len 1460");
    IN("PA 2921 ack 1 len 1080");
    OUT("A 1 ack 4001 win 0");
    for (k = 0; k < 14; k++) {
        READ(100);
        IN_DROP(TCPSM_DROP_WINDOW, "PA 4001 ack 1 len 1"); /* a probe */
        OUT("A 1 ack 4001 win 0");
    }
    READ(60);
    OUT("A 1 ack 4001 win 1460");
    NONE();
    START(); /* half the ring, where that is less */
    w.rcv_ring = 1000;
    OPENED("mss 1460");
    IN("PA 1 ack 1 len 1000");
    OUT("A 1 ack 1001 win 0");
    READ(499);
    NONE();
    READ(1);
    OUT("A 1 ack 1001 win 500");
}

/* Data read in small pieces while more comes: the right edge moves in
   steps of at least one MSS. */
TEST(RFC9293_MUST_39_steps)
{
    uint32_t k, edge = 0, e;
    START();
    w.rcv_ring = 20000;
    OPENED("mss 1460");
    for (k = 0; k < 200; k++) {
        INF("PA %u ack 1 len 300", 1 + 300 * k);
        READ(300);
        while (tcpsm_deadline(w.c) <= w.p.now) {
            wire__fill();
            if (!w.q_n)
                break;
            wire__take();
            e = w.seg.ack - w.irs + w.seg.wnd;
            CHECK(e == edge || e - edge >= 1460);
            edge = e;
        }
    }
    CHECK_GT(edge, 60000u);
}

/* Closed from the very start: the SYN said 0. */
TEST(RFC9293_MUST_36_window_zero_in_the_syn)
{
    START();
    OPENED("mss 1000 win 0");
    SEND(10);
    NONE();
    DEADLINE(0.2);
    AT(0.2);
    OUT("A 1 ack 1 len 1");
    AT(0.3);
    IN("A 1 ack 2 win 1000");
    OUT("PA 2 ack 1 len 9");
    IN("A 1 ack 11 win 1000");
    DEADLINE_NEVER();
}

/* ---- receiver: scaling and edges --------------------------------------- */

/* RFC7323-1, -2, -3: each shift */
TEST(RFC7323_1_2_3_each_shift_out)
{
    static const uint32_t size[] = {65535,    65536,    131070,
                                    131071,   262140,   1048560,
                                    16776960, 67107840, 1073725440};
    static const int shift[] = {0, 1, 1, 2, 2, 4, 8, 10, 14};
    int i;
    for (i = 0; i < 9; i++) {
        START();
        w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
        w.cfg.rcv_max = size[i];
        w.rcv_ring = PAIR_RING;
        if (size[i] < PAIR_RING)
            w.rcv_ring = size[i];
        OPEN();
        OUTF("S 0 mss 1460 ws %d", shift[i]);
        CHECK(w.seg.wnd <= 65535 && w.seg.wnd >= 65520);
        IN("SA 0 ack 1 mss 1000 ws 3 win 60000");
        wire__fill();
        wire__take();
        CHECK_EQ(stream_info().snd_wnd, 60000); /* unscaled in a SYN */
        CHECK_LE((uint32_t)w.seg.wnd << shift[i], w.rcv_ring);
        CHECK_GE((uint32_t)w.seg.wnd << shift[i],
                 w.rcv_ring - (2u << shift[i]));
        IN("A 1 ack 1 win 60000");
        CHECK_EQ(stream_info().snd_wnd, 480000);
    }
}

/* RFC7323-4: more than 14 is 14 */
TEST(RFC7323_3_4_each_shift_in)
{
    int s;
    for (s = 0; s <= 255; s += s < 16 ? 1 : 239) {
        START();
        w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
        LISTEN();
        INF("S 0 mss 1000 ws %d win 4096", s);
        OUT("SA 0 ack 1 mss 1460 ws *");
        IN("A 1 ack 1 win 1");
        CHECK_EQ(stream_info().snd_wnd, 1u << (s > 14 ? 14 : s));
    }
}

/* RFC7323-1: not unless both */
TEST(RFC7323_1_no_scaling_unless_both)
{
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
    w.rcv_ring = PAIR_RING;
    OPEN();
    OUT("S 0 mss 1460 ws 3 win 65535");
    IN("SA 0 ack 1 mss 1000 win 60000");
    OUT("A 1 ack 1 win 65535");
    IN("A 1 ack 1 win 60000");
    CHECK_EQ(stream_info().snd_wnd, 60000);
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
    w.rcv_ring = PAIR_RING;
    LISTEN();
    IN("S 0 mss 1000 win 60000");
    OUT("SA 0 ack 1 mss 1460 win 65535"); /* no ws in the answer */
    IN("A 1 ack 1 win 60000");
    IN("PA 1 ack 1 len 10");
    AT(0.04);
    OUT("A 1 ack 11 win 65525");
    /* and our own refusal */
    START();
    LISTEN();
    IN("S 0 mss 1000 win 60000 ws 7");
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1 win 60000");
    CHECK_EQ(stream_info().snd_wnd, 60000);
    /* a window scale option without SYN is nothing */
    IN("A 1 ack 1 win 50000 ws 7");
    CHECK_EQ(stream_info().snd_wnd, 50000);
}

/* RFC9293-MUST-1: the window is unsigned */
TEST(RFC9293_MUST_1_unsigned_window)
{
    START();
    OPENED("mss 1460 win 65535");
    CHECK_EQ(stream_info().snd_wnd, 65535);
    IN("A 1 ack 1 win 32768");
    CHECK_EQ(stream_info().snd_wnd, 32768);
}

/* A ring that the scale cannot speak of: whatever rcv_max says, a
   connection with a receive ring must be able to receive (law 7). */
TEST(law_7_small_ring_under_a_large_scale)
{
    static const uint32_t max[] = {65536, 262144, 16777216, 1073725440};
    static const uint32_t ring[] = {1, 2, 60, 200, 1000, 17000, 20000, 40000};
    uint32_t i, j, k;
    for (i = 0; i < 4; i++)
        for (j = 0; j < 8; j++) {
            CONTEXT("rcv_max %u ring %u", max[i], ring[j]);
            START();
            w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
            w.cfg.rcv_max = max[i];
            w.rcv_ring = ring[j];
            LISTEN();
            IN("S 0 mss 1000 win 60000 ws 0");
            wire__fill();
            wire__take();
            IN("A 1 ack 1 win 60000");
            for (k = 0; k < 4; k++) { /* one octet at a time will do */
                INF("PA %u ack 1 len 1", 1 + k);
                READ(1);
                IN_ANY("A 1 ack 1 len 1"); /* old: provokes an ACK */
                stream_drain();
            }
        }
}

/* ... and a ring attached later: refused, or as good as any other. */
TEST(law_7_small_ring_attached_later)
{
    static uint8_t ring[40000];
    static const uint32_t max[] = {65536, 262144, 16777216, 1073725440};
    static const uint32_t size[] = {1, 2, 60, 200, 1000, 17000, 20000, 40000};
    uint32_t i, j, k, first;
    for (i = 0; i < 4; i++)
        for (j = 0; j < 8; j++)
            for (first = 0; first < 2; first++) {
                CONTEXT("rcv_max %u, ring %u, %s", max[i], size[j],
                        first ? "instead of another" : "the first");
                START();
                w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
                w.cfg.rcv_max = max[i];
                w.rcv_ring = first ? PAIR_RING : 0;
                LISTEN();
                IN("S 0 mss 1000 win 60000 ws 0");
                wire__fill();
                wire__take();
                IN("A 1 ack 1 win 60000");
                if (first) { /* fill it, so that the window is closed */
                    for (k = 1; stream_info().rcv_wnd != 0; k += 1460) {
                        IN_ANY("A 1 ack 1");
                        wire__step(__FILE__, __LINE__, "A %u ack 1 len 1460",
                                   k);
                        wire__in(w.text);
                        stream_drain();
                    }
                    k = stream_info().rcv_nxt - w.irs;
                    w.got = 0;
                    while (wire__read(w.c->rcv_len < 5000 ? 1 : 1000) > 0 &&
                           w.c->rcv_len > 0)
                        ; /* the updates are not sent */
                } else {
                    k = 1;
                }
                if (tcpsm_attach(w.c, TCPSM_RECEIVE, ring, size[j], NULL) < 0)
                    continue;
                wire__touched();
                stream_drain();
                for (first += 2; first < 8; first += 2, k++) {
                    INF("PA %u ack 1 len 1", k);
                    READ(1);
                    IN_ANY("A 1 ack 1 len 1");
                    stream_drain();
                }
                first &= 1;
            }
}

/* Law 8 with every ring and every segment size: what is in what was ever
   offered is taken; the edge on the wire is off by less than 2^shift. */
TEST(law_8_RFC7323_5_SHLD_14_edges)
{
    uint32_t shift, cap, len, seq, edge, k, grain, e, first;
    for (shift = 0; shift < 6; shift++)
        for (cap = 65000u << shift;
             cap < (65000u << shift) + 3 && cap < PAIR_RING; cap++)
            for (len = 1; len < 1461; len += 1 + len / 3) {
                START();
                w.p.no_laws = 1;
                w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
                w.cfg.rcv_max = 65535u << shift;
                w.rcv_ring = cap;
                OPENED("mss 1000 ws 0");
                first = w.seg.ack - w.irs + ((uint32_t)w.seg.wnd << shift);
                grain = (1u << stream_info().rcv_scale) - 1;
                CHECK_EQ(stream_info().rcv_scale, shift);
                edge = 0;
                seq = 1;
                for (k = 0; k < 40; k++) {
                    INF("PA %u ack 1 len %u", seq, len);
                    seq += len;
                    if (k % 7 == 6)
                        wire__read(len * (k % 5));
                    wire__fill();
                    if (w.q_n == 0)
                        w.p.now = tcpsm_deadline(w.c);
                    wire__fill();
                    CHECK(w.q_n == 1);
                    wire__take();
                    e = w.seg.ack - w.irs + ((uint32_t)w.seg.wnd << shift);
                    CHECKF((int32_t)(e + grain - edge) >= 0,
                           "edge %u to %u, shift %u", edge, e, shift);
                    /* the reserve: the first time it is exact */
                    CHECK(k != 0 || (int32_t)(e - first) >= 0);
                    if ((int32_t)(e - edge) > 0)
                        edge = e;
                    CHECK_GE(stream_info().rcv_nxt + stream_info().rcv_wnd -
                                 w.irs,
                             edge);
                    CHECK_EQ(tcpsm_check(w.c), 0);
                }
            }
}

/* The ring is full to the last octet that was offered, and all is taken. */
TEST(law_8_all_that_was_offered_is_taken)
{
    uint32_t cap, seq, edge, n;
    for (cap = 65536; cap < 65536 + 40; cap++) {
        START();
        w.p.no_laws = 1;
        w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
        w.cfg.rcv_max = 1000000;
        w.rcv_ring = cap;
        OPENED("mss 1460 ws 0");
        INF("PA 1 ack 1 len %u", 1 + cap % 37);
        AT(0.04);
        OUT("A 1 ack *");
        seq = w.seg.ack - w.irs;
        edge = seq + ((uint32_t)w.seg.wnd << stream_info().rcv_scale);
        for (; seq != edge; seq += n) {
            n = edge - seq > 1460 ? 1460 : edge - seq;
            INF("A %u ack 1 len %u", seq, n);
            stream_drain();
        }
        CHECK_EQ(stream_info().rcv_nxt - w.irs, edge);
        n = (uint32_t)wire__read(PAIR_RING);
        CHECK_EQ(n, edge - 1);
    }
}

/* A ring made smaller or taken back: refused while that would break what
   was promised, possible when it would not. */
TEST(law_8_SHLD_14_ring_shrunk)
{
    static uint8_t small[4000];
    void *old = NULL;
    START();
    w.rcv_ring = 4000;
    OPENED("mss 1000");
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_RECEIVE, small, 3999, &old),
             TCPSM_E_STATE);
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_RECEIVE, NULL, 0, &old), TCPSM_E_STATE);
    IN("PA 1 ack 1 len 1000");
    AT(0.04);
    CHECK(stream_drain() == 1);
    READ(1000); /* not told yet: the edge is still at 4001 */
    if (tcpsm_deadline(w.c) > w.p.now) {
        CHECK_EQ(tcpsm_attach(w.c, TCPSM_RECEIVE, small, 2999, &old),
                 TCPSM_E_STATE);
        CHECK_EQ(tcpsm_attach(w.c, TCPSM_RECEIVE, small, 3000, &old), 0);
        wire__touched();
        CHECK(old == w.p.rcv[0]);
    }
    IN("PA 1001 ack 1 len 1460");
    IN("PA 2461 ack 1 len 1460");
    IN("PA 3921 ack 1 len 80");
    stream_drain();
    READ(3000);
}

/* ---- sender: the right edge -------------------------------------------- */

/* RFC5681-1, RFC7323-6: never past it, and all of it is used in the end */
TEST(RFC5681_1_RFC7323_6_never_past_the_right_edge)
{
    uint32_t wnd, max, end;
    for (wnd = 1; wnd < 5000; wnd += 37) {
        START();
        w.p.no_laws = 1;
        WIRE__STEP("mss 1000 win %u", wnd);
        wire__handshake(1);
        SEND(20000);
        for (max = 0; wire_seconds() < 0.21;) {
            wire__fill();
            if (w.q_n == 0) {
                w.p.now += 10000;
                continue;
            }
            wire__take();
            end = w.seg.seq - w.iss + w.seg.len;
            if (end > max)
                max = end;
            CHECK_LE(end, 1 + wnd);
        }
        CHECK_GE(max, 1 + wnd - wnd % 1000);
        if (wnd < 1000)
            CHECK_EQ(max, 1 + wnd); /* by the override */
    }
}

/* A FIN is an octet: it does not go past the edge either. */
TEST(fin_respects_the_right_edge)
{
    START();
    OPENED("mss 1000 win 10");
    SEND(10);
    SHUTDOWN();
    OUT("PA 1 ack 1 len 10");
    NONE();
    IN("A 1 ack 11 win 10");
    OUT("FA 11 ack 1");
    START();
    OPENED("mss 1000 win 11");
    SEND(10);
    SHUTDOWN();
    OUT("FPA 1 ack 1 len 10");
}

/* RFC9293-MUST-34, RFC9293-SHLD-15, -16: the window shrinks below what is
   in flight: no new data; what lies inside is sent again as ever. */
TEST(RFC9293_MUST_34_SHLD_15_16_shrunk_window)
{
    START();
    OPENED("mss 1000 win 5000");
    SEND(10000);
    FLIGHT(1, 5, 1000);
    AT(0.1);
    IN("A 1 ack 1001 win 1500"); /* the edge moves from 5001 to 2501 */
    NONE();
    AT(0.3);
    OUT("A 1001 ack 1 len 1000");
    AT(0.7); /* window 1500: no more than that is ever sent again */
    OUT("A 1001 ack 1 len 1000");
    AT(0.8);
    IN("A 1 ack 2001 win 500");
    OUT("A 2001 ack 1 len 500");
    NONE();
    IN("A 1 ack 2501 win 8000");
    OUT("A 2501 ack 1 len 1000");
    CHECK(stream_drain() >= 1);
}

/* RFC9293-MUST-35: shrunk to zero with data in flight: probed, not timed
   out; RFC9293-SHLD-17 */
TEST(RFC9293_MUST_35_SHLD_17_shrunk_to_zero)
{
    uint32_t i;
    START();
    w.cfg.user_timeout_ms = 150000;
    OPENED("mss 1000 win 5000");
    SEND(10000);
    FLIGHT(1, 5, 1000);
    AT(0.1);
    IN("A 1 ack 1001 win 0");
    NONE();
    for (i = 0; i < 40; i++) {
        w.p.now = tcpsm_deadline(w.c);
        OUT("A 1001 ack 1 len 1");
        IN("A 1 ack 1001 win 0");
        NONE();
    }
    CHECK_GT(wire_seconds(), 3000.0);
    IN("A 1 ack 1001 win 10000");
    OUT("A 1001 ack 1 len 1000");
    stream_drain();
    STATE(TCPSM_ESTABLISHED);
}

/* From zero window to open again: RTO and persist hand over without a
   gap, and the persist backoff does not stay (law 7). */
TEST(persist_and_rto_hand_over)
{
    START();
    OPENED("mss 1000 win 2000");
    SEND(2000);
    FLIGHT(1, 2, 1000);
    DEADLINE(0.2);
    AT(0.1);
    IN("A 1 ack 1 win 0"); /* in flight, and closed */
    DEADLINE(0.3);
    AT(0.3);
    OUT("A 1 ack 1 len 1");
    AT(0.7);
    OUT("A 1 ack 1 len 1");
    AT(0.8);
    IN("A 1 ack 1 win 2000");
    OUT("A 1 ack 1 len 1000");
    OUT("PA 1001 ack 1 len 1000");
    CHECK_LE(tcpsm_deadline(w.c), w.t0 + 1600000u);
    AT(0.9);
    IN("A 1 ack 2001 win 2000");
    DEADLINE_NEVER();
}

/* RFC9293-u11: an older segment does not bring its window back */
TEST(RFC9293_u11_old_windows_are_not_news)
{
    START();
    OPENED("mss 1000 win 5000");
    IN("PA 1 ack 1 len 10 win 4000");
    IN("PA 11 ack 1 len 10 win 3000");
    CHECK_EQ(stream_info().snd_wnd, 3000);
    IN_ANY("PA 1 ack 1 len 20 win 9000");
    CHECK_EQ(stream_info().snd_wnd, 3000);
    IN("A 21 ack 1 win 7000");
    CHECK_EQ(stream_info().snd_wnd, 7000);
    IN("A 101 ack 1 len 10 win 6000"); /* the later of two, earlier */
    CHECK_EQ(stream_info().snd_wnd, 6000);
    IN("A 21 ack 1 len 10 win 8000");
    CHECK_EQ(stream_info().snd_wnd, 6000);
}
