/* Blind attackers: RFC 5961, RFC 9293 section 3.10.7.4, law 9. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

/* RFC5961-1 to -4, 9293-u5 */
TEST(RFC5961_3_reset_exact_in_window_outside)
{
    START();
    OPENED("win 5000");
    IN_NOTHING(TCPSM_DROP_RST, "R 0");     /* RFC5961-2 */
    IN_NOTHING(TCPSM_DROP_RST, "R 65536"); /* RCV.NXT+RCV.WND: erratum 4845 */
    IN_NOTHING(TCPSM_DROP_RST, "RA 70000 ack 1");
    IN_DROP(TCPSM_DROP_RST, "R 2"); /* RFC5961-4 */
    OUT("A 1 ack 1");
    IN_DROP(TCPSM_DROP_RST, "RA 65535 ack 1");
    OUT("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
    CHECK_EQ(COUNT(challenges), 2);
    IN("R 1"); /* RFC5961-3; no ACK bit is needed */
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_RESET);
    NONE();
}

/* The challenge makes a true reset come back exact (RFC5961-8). */
TEST(RFC5961_8_true_reset_comes_back)
{
    START();
    OPENED("win 5000");
    IN_DROP(TCPSM_DROP_RST, "R 101"); /* 100 octets before it were lost */
    OUT("A 1 ack 1");
    IN("R 1"); /* the peer's CLOSED: SEQ = SEG.ACK */
    STATE(TCPSM_CLOSED);
}

/* The challenge ACK is <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>. */
TEST(RFC5961_4_challenge_says_where_we_are)
{
    START();
    OPENED("win 5000");
    SEND(100);
    OUT("PA 1 ack 1 len 100");
    IN("PA 1 ack 1 len 10");
    IN_DROP(TCPSM_DROP_RST, "R 100");
    OUT("A 101 ack 11");
    IN_DROP(TCPSM_DROP_SYN, "S 100"); /* RFC5961-7, 9293-u6 */
    OUT("A 101 ack 11");
}

/* RFC5961-6, RFC5961-7: whatever its SEQ, with or without ACK */
TEST(RFC5961_7_syn_gets_a_challenge_whatever_its_seq)
{
    const int32_t seq[] = {0, 1, 2, -70000, 70000, 65536, 0x7FFFFFFF};
    uint32_t i;

    START();
    w.cfg.challenge_limit = 255;
    OPENED("win 5000");
    for (i = 0; i < sizeof seq / sizeof *seq; i++) {
        IN_DROP(TCPSM_DROP_SYN, "S %d", seq[i]);
        OUT("A 1 ack 1");
        IN_DROP(TCPSM_DROP_SYN, "SA %d ack 1", seq[i]);
        OUT("A 1 ack 1");
        IN_DROP(TCPSM_DROP_SYN, "FSPU %d len 10 urg 3", seq[i]);
        OUT("A 1 ack 1");
        STATE(TCPSM_ESTABLISHED);
    }
    READ(0);
}

/* RFC5961-9, RFC5961-10, RFC9293-MAY-12, 9293-u7 */
TEST(RFC5961_10_ack_range)
{
    START();
    OPENED("win 5000");
    SEND(100);
    OUT("PA 1 ack 1 len 100");
    IN_DROP(TCPSM_DROP_BAD_ACK, "PA 1 ack 102 len 10");
    OUT("A 101 ack 1");
    IN_DROP(TCPSM_DROP_OLD_ACK, "PA 1 ack -5000 len 10"); /* UNA - 5001 */
    OUT("A 101 ack 1");
    READ(0);
    IN("PA 1 ack -4999 len 10"); /* UNA - 5000: old, but text is taken */
    READ(10);
    IN("PA 11 ack 101 len 10");
    READ(10);
}

/* RFC5961-11: MAX.SND.WND is the largest ever seen, scaled. */
TEST(RFC5961_11_largest_window_ever)
{
    START();
    w.cfg.flags = TCPSM_NO_TS | TCPSM_NO_SACK;
    OPENED("win 60000 ws 4");
    IN("A 1 ack 1 win 10000"); /* 160000 */
    IN("A 1 ack 1 win 1");
    IN("PA 1 ack -159998 len 5");
    READ(5);
    IN_DROP(TCPSM_DROP_OLD_ACK, "PA 6 ack -160000 len 5");
    OUT("A 1 ack 6");
}

/* RFC5961-12, RFC5961-13: ten in five seconds, per connection, configurable */
TEST(RFC5961_12_challenges_are_limited)
{
    int i;

    START();
    OPENED("win 5000");
    for (i = 0; i < 10; i++) {
        IN_DROP(TCPSM_DROP_RST, "R 100");
        OUT("A 1 ack 1");
    }
    for (i = 0; i < 20; i++) {
        IN_DROP(TCPSM_DROP_RST, "R 100");
        IN_DROP(TCPSM_DROP_SYN, "S 100");
        IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack 100");
        IN_DROP(TCPSM_DROP_WINDOW, "A 100000 ack 1");
        NONE();
    }
    CHECK_EQ(COUNT(challenges), 10);
    AT(4.9);
    IN_DROP(TCPSM_DROP_RST, "R 100");
    NONE();
    AT(5.1);
    IN_DROP(TCPSM_DROP_RST, "R 100");
    OUT("A 1 ack 1");
    CHECK_EQ(COUNT(challenges), 11);
}

TEST(RFC5961_13_limit_is_configurable)
{
    int i;

    START();
    w.cfg.challenge_limit = 3;
    OPENED("win 5000");
    for (i = 0; i < 3; i++) {
        IN_DROP(TCPSM_DROP_SYN, "S 100");
        OUT("A 1 ack 1");
    }
    IN_DROP(TCPSM_DROP_SYN, "S 100");
    NONE();
}

/* The side channel of CVE-2016-5696: one connection's challenges must not
   use up another's. */
TEST(RFC5961_13_limit_is_per_connection)
{
    static tcpsm_conn other;
    int i;

    START();
    OPENED("win 5000");
    other = *w.c;
    for (i = 0; i < 30; i++)
        IN_DROP(TCPSM_DROP_RST, "R 100");
    while (wire__fill(), w.q_n)
        wire__take();
    IN_DROP(TCPSM_DROP_RST, "R 100");
    NONE();
    *w.c = other;
    IN_DROP(TCPSM_DROP_RST, "R 100");
    OUT("A 1 ack 1");
}

/* Segments with text always get their ACK: a peer that lost ours needs it. */
TEST(old_text_is_always_answered)
{
    int i;

    START();
    OPENED("win 5000");
    IN("PA 1 ack 1 len 10");
    for (i = 0; i < 50; i++) {
        IN_DROP(TCPSM_DROP_OLD_DATA, "PA 1 ack 1 len 10");
        OUT("A 1 ack 11");
    }
    IN_DROP(TCPSM_DROP_RST, "R 100"); /* and these did not use it up */
    OUT("A 1 ack 11");
}

/* ---- law 9 ------------------------------------------------------------- */

/* The state, with timestamps, SACK and scaling, text held out of order
   where text is read, and data in flight where it is sent. */
static void be(int state)
{
    START();
    w.cfg.flags = 0;
    w.cfg.challenge_limit = 255;
    OPENED("win 5000 mss 1000 ws 2 sackok ts 900000 0");
    if (state == TCPSM_CLOSE_WAIT || state == TCPSM_LAST_ACK) {
        IN("FA 1 ack 1");
        wire__fill();
        wire__take();
    } else if (state != TCPSM_CLOSING && state != TCPSM_TIME_WAIT) {
        IN("PA 101 ack 1 len 50");
        wire__fill();
        wire__take();
    }
    if (state != TCPSM_FIN_WAIT_2 && state != TCPSM_TIME_WAIT) {
        SEND(100);
        wire__fill();
        wire__take();
    }
    if (state == TCPSM_ESTABLISHED || state == TCPSM_CLOSE_WAIT)
        return;
    SHUTDOWN();
    wire__fill();
    wire__take();
    if (state == TCPSM_FIN_WAIT_2 || state == TCPSM_TIME_WAIT)
        IN("A 1 ack 2");
    if (state == TCPSM_CLOSING || state == TCPSM_TIME_WAIT) {
        IN("FA 1 ack %d", state == TCPSM_CLOSING ? 1 : 2);
        wire__fill();
        wire__take();
    }
    STATE(state);
}

static void unmoved(const tcpsm_conn *a, const struct tcpsm_info *i)
{
    struct tcpsm_info k;

    tcpsm_status(w.c, &k);
#define SAME(field)                                                          \
    if (i->field != k.field)                                                 \
    wire__fail(#field " changed: %lld to %lld", (long long)i->field,         \
               (long long)k.field)
    SAME(state);
    SAME(snd_una);
    SAME(snd_nxt);
    SAME(snd_wnd);
    SAME(rcv_nxt);
    SAME(rcv_wnd);
    SAME(rcv_queued);
    SAME(snd_queued);
    SAME(cwnd);
    SAME(ssthresh);
    SAME(flight);
    SAME(dupacks);
    SAME(ranges);
    SAME(srtt_us);
    SAME(rto_us);
    SAME(backoff);
    SAME(peer_mss);
    SAME(snd_scale);
    SAME(tos_seen);
    SAME(urgent);
    SAME(in_recovery);
    SAME(sack);
    SAME(error);
#undef SAME
    if (a->ts_recent != w.c->ts_recent || a->snd_wl1 != w.c->snd_wl1 ||
        a->wnd_max != w.c->wnd_max)
        wire__fail("TS.Recent, WL1 or MAX.SND.WND changed");
    if (memcmp(a->range_start, w.c->range_start, sizeof a->range_start) ||
        memcmp(a->range_end, w.c->range_end, sizeof a->range_end))
        wire__fail("what is held out of order changed");
}

static void read_nothing(void)
{
    if (tcpsm_receive(w.c, w.buf, 1) > 0)
        wire__fail("something was read");
}

/* Each is unacceptable by SEQ, by ACK or by timestamp, and asks for as much
   as it can: a window, a new timestamp, text, a FIN, SACKs, urgent data. */
TEST(law_9_blind_segments_change_nothing)
{
    static const char *const blind[] = {
        /* SEQ outside of the window, everything else right */
        "PA -3000 ack 1 win 9 len 100 ts 1000500 *",
        "PA 70000 ack 1 win 9 len 100 ts 1000500 * tos 3",
        "PA 70000 ack 2 win 9 ts 1000500 * sack 51:101",
        "FUPA -200 ack 2 win 65535 len 100 urg 300 ts 1000500 *",
        "FA 70000 ack 1 win 0 ts 1000500 *", "A -1 ack 1 win 0 ts 1000500 *",
        "A -2147483600 ack 101 win 0 ts 1000500 *",
        /* ACK of what was never sent */
        "PA 2 ack 4000 win 9 len 90 ts 1000500 *",
        "A 2 ack 4000 win 0 ts 1000500 * sack 51:101",
        "FPA 2 ack 2147483000 win 0 len 5 ts 1000500 *",
        "UA 2 ack 4000 urg 9 ts 1000500 *",
        /* ACK older than any window */
        "PA 2 ack -300000 win 9 len 90 ts 1000500 *",
        "FA 2 ack -300000 win 0 ts 1000500 *",
        /* no ACK */
        "P 2 win 9 len 90 ts 1000500 0", "FPU 2 len 90 urg 5 ts 1000500 0",
        ". 2 win 0 ts 1000500 0",
        /* an old timestamp, or none */
        "PA 2 ack 2 win 9 len 90 ts 100 *", "FA 2 ack 2 win 0 ts 899999 *",
        "PA 2 ack 2 win 9 len 90 nots", "A 2 ack 2 win 0 nots",
        "FPA 2 ack 2 win 0 len 90 nots",
        /* SYNs, with options */
        "S 2 win 0 mss 50 ws 14 sackok ts 1000500 0",
        "SA 2 ack 2 win 0 mss 50 ws 14 sackok ts 1000500 *",
        "FSPUA 2 ack 2 win 0 len 9 urg 5 ts 1000500 *",
        "S -3000 win 0 mss 50 ts 900 0",
        /* resets that are not exact */
        "R 3 ts 1000500 *", "RA 60 ack 2 win 0 len 5 ts 1000500 *",
        "R -1 ts 1000500 *", "R 70000 win 0 nots",
        /* broken */
        "PA 2 ack 2 win 9 len 90 badsum", "PA 2 ack 2 win 9 len 90 raw 0200"};
    static const int states[] = {TCPSM_ESTABLISHED, TCPSM_FIN_WAIT_1,
                                 TCPSM_FIN_WAIT_2,  TCPSM_CLOSE_WAIT,
                                 TCPSM_CLOSING,     TCPSM_LAST_ACK,
                                 TCPSM_TIME_WAIT};
    struct tcpsm_info i;
    tcpsm_conn before;
    uint32_t s, k;

    for (s = 0; s < sizeof states / sizeof *states; s++)
        for (k = 0; k < sizeof blind / sizeof *blind; k++) {
            be(states[s]);
            AT(0.001);
            wire__fill();
            w.q_n = 0;
            /* RFC 6191 is an exception, and has its own tests */
            if (states[s] == TCPSM_TIME_WAIT && blind[k][0] == 'S' &&
                blind[k][1] == ' ')
                continue;
            before = *w.c;
            tcpsm_status(w.c, &i);
            IN_ANY("%s", blind[k]);
            if (w.in.drop == TCPSM_DROP_NONE)
                wire__fail("state %d: not refused", states[s]);
            unmoved(&before, &i);
            wire__fill(); /* nor by the answer */
            w.q_n = 0;
            unmoved(&before, &i);
            read_nothing();
        }
}

/* The same in SYN-RECEIVED, where the ACK is all that proves anything. */
TEST(law_9_syn_received)
{
    static const char *const blind[] = {"PA 1 ack 0 win 9 len 10",
                                        "PA 1 ack 2 win 9 len 10",
                                        "PA 1 ack -9 win 9 len 10",
                                        "P 1 win 9 len 10",
                                        "PA 70000 ack 1 len 10",
                                        "FA -50 ack 1",
                                        "F 1",
                                        "R 5",
                                        "R 0",
                                        "SA 70000 ack 1"};
    struct tcpsm_info i;
    tcpsm_conn before;
    uint32_t k;

    for (k = 0; k < sizeof blind / sizeof *blind; k++) {
        START();
        LISTEN();
        IN("S 0 win 5000");
        OUT("SA 0 ack 1 mss 1460");
        before = *w.c;
        tcpsm_status(w.c, &i);
        IN_ANY("%s", blind[k]);
        CHECK(w.in.drop);
        unmoved(&before, &i);
        read_nothing();
    }
}

/* What is acceptable does change them: the table above can fail. */
TEST(law_9_the_rightful_peer_changes_them)
{
    struct tcpsm_info a, b;
    uint32_t recent;

    be(TCPSM_ESTABLISHED);
    AT(0.001);
    tcpsm_status(w.c, &a);
    recent = w.c->ts_recent;
    IN("PA 1 ack 1 len 100 ts 1000500 *");
    IN("A 151 ack 51 win 2000 ts 1000500 *");
    tcpsm_status(w.c, &b);
    CHECK_EQ(b.snd_wnd, 8000);
    CHECK_EQ(b.rcv_nxt - w.irs, 151);
    CHECK_NE(w.c->ts_recent, recent);
    CHECK_NE(a.snd_una, b.snd_una);
}

/* 9293-u11: an older segment does not bring back an older window. */
TEST(RFC9293_u11_window_updates_in_order)
{
    struct tcpsm_info i;

    START();
    OPENED("win 5000");
    SEND(200);
    OUT("PA 1 ack 1 len 200");
    IN("PA 101 ack 101 win 4000 len 10"); /* out of order: SEQ 101 */
    OUT("A 201 ack 1");
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.snd_wnd, 4000);
    IN("PA 1 ack 1 win 9 len 10"); /* older in both: not used */
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.snd_wnd, 4000);
    IN_ANY("PA 11 ack 201 win 100 len 10"); /* WL1 > SEQ: no, though newer */
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.snd_wnd, 3900);
    IN_ANY("PA 101 ack 201 win 300 len 20"); /* WL1 = SEQ, WL2 =< ACK */
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.snd_wnd, 300);
}

/* A guessed SYN cannot restart a listener's peer that is established. */
TEST(RFC5961_7_spoofed_syn_on_an_accepted_connection)
{
    START();
    ACCEPTED("win 5000");
    IN_DROP(TCPSM_DROP_SYN, "S 0 win 5000");
    OUT("A 1 ack 1");
    IN_DROP(TCPSM_DROP_SYN, "S 1 win 5000");
    OUT("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
}
