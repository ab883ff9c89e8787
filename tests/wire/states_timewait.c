/* TIME-WAIT: RFC 9293 sections 3.6.1 and 3.10.7.4, RFC 1337, RFC 6191. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

/* From ESTABLISHED, at once; time stays. SND.NXT is n + 2, RCV.NXT 2. */
static void to_time_wait(uint32_t n, int closed)
{
    uint32_t at = 0;

    while (at < n) {
        SEND(n - at < 1000 ? n - at : 1000);
        while (wire__fill(), w.q_n)
            wire__take();
        at += n - at < 1000 ? n - at : 1000;
        IN("A 1 ack %u", at + 1);
    }
    if (closed)
        WIRE__CALL("close", tcpsm_close(w.c), 0);
    else
        SHUTDOWN();
    OUT("FA %u ack 1", n + 1);
    IN("FA 1 ack %u", n + 2);
    OUT("A %u ack 2", n + 2);
    STATE(TCPSM_TIME_WAIT);
    tcpsm_take(w.c);
}

/* RFC9293-MUST-13, and 2 MSL anew for the FIN that comes again */
TEST(RFC9293_MUST_13_exact_fin_restarts_two_msl)
{
    START();
    OPENED("win 5000 mss 1000");
    to_time_wait(10, 0);
    DEADLINE(60);
    AT(59);
    IN_DROP(TCPSM_DROP_OLD_DATA, "FA 1 ack 12");
    OUT("A 12 ack 2");
    NONE();
    DEADLINE(119);
    STATE(TCPSM_TIME_WAIT);
    AT(119);
    NONE();
    STATE(TCPSM_CLOSED);
    EVENTS(TCPSM_EV_DONE);
}

/* ... and with the text that it came with */
TEST(RFC9293_MUST_13_exact_fin_with_its_text)
{
    START();
    OPENED("win 5000 mss 1000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("FPA 1 ack 2 len 100");
    OUT("A 2 ack 102");
    STATE(TCPSM_TIME_WAIT);
    DEADLINE(60);
    AT(10);
    IN_ANY("FPA 1 ack 2 len 100");
    OUT("A 2 ack 102");
    DEADLINE(70);
}

/* Whatever else comes leaves the 2 MSL alone. */
TEST(only_the_exact_fin_restarts_two_msl)
{
    const char *const other[] = {
        "FA 1 ack 11",       /* our FIN is not acknowledged by it */
        "FA 1 ack 13",       /* never sent */
        "FA 2 ack 12",       /* another FIN, in the window */
        "FA 0 ack 12",       /* older */
        "FA -5 ack 12",      /* older */
        "A 2 ack 12",        /* the ACK of a TIME-WAIT */
        "A 1 ack 12",        /* a keepalive */
        "PA 2 ack 12 len 5", /* text after the FIN */
        "F 1",               /* no ACK */
        "S 1",               /* an old SYN */
        "SA 1 ack 12",
        "FSA 0 ack 12",
        "A 70000 ack 12",
        "R 1", /* RFC 1337 */
        "R 2",
        "RA 2 ack 12",
        "UA 2 ack 12 urg 5"};
    uint32_t i;

    for (i = 0; i < sizeof other / sizeof *other; i++) {
        START();
        OPENED("win 5000 mss 1000");
        to_time_wait(10, 0);
        AT(30);
        IN_ANY("%s", other[i]);
        while (wire__fill(), w.q_n)
            wire__take();
        if (w.seg.flags & PAIR_RST)
            FAIL("a reset from TIME-WAIT");
        STATE(TCPSM_TIME_WAIT);
        DEADLINE(60);
    }
}

/* RFC 1337: a RST does not end TIME-WAIT, not even the exact one. */
TEST(RFC1337_reset_does_not_end_time_wait)
{
    START();
    OPENED("win 5000 mss 1000");
    to_time_wait(10, 0);
    IN_NOTHING(TCPSM_DROP_TIME_WAIT, "R 2");
    IN_NOTHING(TCPSM_DROP_TIME_WAIT, "RA 2 ack 12");
    IN_NOTHING(TCPSM_DROP_TIME_WAIT, "R 100");
    STATE(TCPSM_TIME_WAIT);
}

/* What answers nothing cannot make a war: an acceptable ACK is silent, an
   unacceptable one gets at most the limit. */
TEST(no_ack_war_in_time_wait)
{
    int i, n = 0;

    START();
    OPENED("win 5000 mss 1000");
    to_time_wait(10, 0);
    IN("A 2 ack 12");
    NONE();
    for (i = 0; i < 100; i++) {
        IN_ANY("A 1 ack 12");
        while (wire__fill(), w.q_n) {
            wire__take();
            n++;
        }
    }
    CHECK_EQ(n, 10);
    STATE(TCPSM_TIME_WAIT);
}

/* Text in TIME-WAIT is not read, nor does it change anything. */
TEST(text_in_time_wait_is_ignored)
{
    START();
    OPENED("win 5000 mss 1000");
    to_time_wait(10, 0);
    IN_DROP(TCPSM_DROP_AFTER_FIN, "PA 2 ack 12 len 5");
    STATE(TCPSM_TIME_WAIT);
    READ_IS(TCPSM_E_EOF);
}

/* MSL is configurable, before and for this connection. */
TEST(msl_is_configurable)
{
    START();
    w.cfg.msl_ms = 1000;
    OPENED("win 5000");
    to_time_wait(0, 0);
    DEADLINE(2);
    START();
    OPENED("win 5000");
    SET(TCPSM_SET_MSL, 120000);
    to_time_wait(0, 1);
    DEADLINE(240);
}

/* A listener may listen again, which ends TIME-WAIT. */
TEST(listen_again_in_time_wait)
{
    START();
    ACCEPTED("win 5000");
    to_time_wait(10, 0);
    READ_IS(TCPSM_E_EOF);
    LISTEN();
    STATE(TCPSM_LISTEN);
    DEADLINE_NEVER();
    w.tuple.remote_port = 55555;
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
    READ(0);
}

/* open in TIME-WAIT is E_STATE. */
TEST(open_in_time_wait)
{
    START();
    OPENED("win 5000");
    to_time_wait(0, 1);
    CHECK_EQ(tcpsm_open(w.c, &w.tuple, w.p.now), TCPSM_E_STATE);
    STATE(TCPSM_TIME_WAIT);
}

/* ---- RFC 6191 ---------------------------------------------------------- */

/* Gives the SYN; honoured means SYN-RECEIVED at once, or EV_DONE and then
   SYN-RECEIVED when the owner listens and hands it in again. */
static int honoured(const char *syn)
{
    IN_ANY("%s", syn);
    if (tcpsm_state(w.c) == TCPSM_TIME_WAIT) {
        CHECK(w.in.drop != TCPSM_DROP_NONE);
        return 0;
    }
    if (tcpsm_state(w.c) == TCPSM_CLOSED) {
        CHECK(tcpsm_take(w.c) & TCPSM_EV_DONE);
        w.ts = 0;
        LISTEN();
        IN("%s", syn);
    }
    STATE(TCPSM_SYN_RECEIVED);
    return 1;
}

TEST(RFC6191_syn_reuse_table)
{
    /* old connection with timestamps?; the SYN; honoured? The last TSval
       of the old connection is 1000000, its FIN has SEQ 1. */
    struct {
        int ts, ok;
        const char *syn;
    } const row[] = {
        {1, 1, "S -5000 ts 1000001 0"}, /* greater timestamp, any SEQ */
        {1, 1, "S 5000 ts 1000001 0"},
        {1, 1, "S 2 ts 1000000 0"}, /* equal: SEQ beyond the FIN's */
        {1, 1, "S 5000 ts 1000000 0"},
        {1, 0, "S 1 ts 1000000 0"},
        {1, 0, "S -5000 ts 1000000 0"},
        {1, 0, "S 5000 ts 999999 0"}, /* older */
        {1, 1, "S 2 nots"},           /* none: by SEQ */
        {1, 1, "S 5000 nots"},
        {1, 0, "S 1 nots"},
        {1, 0, "S -5000 nots"},
        {0, 1, "S -5000 ts 5 0"}, /* none before, now: always */
        {0, 1, "S 5000 ts 5 0"},
        {0, 1, "S 2"},
        {0, 0, "S 1"},
        {0, 0, "S -5000"},
    };
    uint32_t i, closed;

    for (closed = 0; closed < 2; closed++)
        for (i = 0; i < sizeof row / sizeof *row; i++) {
            START();
            w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
            if (row[i].ts)
                ACCEPTED("win 5000 ts 999000 0");
            else
                ACCEPTED("win 5000");
            to_time_wait(0, (int)closed);
            if (honoured(row[i].syn) != row[i].ok)
                wire__fail("row %u (%s): %s", i, row[i].syn,
                           row[i].ok ? "not honoured" : "honoured");
        }
}

/* An ACK with the SYN, or a RST: never a new connection */
TEST(RFC6191_only_a_plain_syn)
{
    START();
    ACCEPTED("win 5000");
    to_time_wait(0, 1);
    CHECK(!honoured("SA 5000 ack 2"));
    while (wire__fill(), w.q_n)
        wire__take();
    IN_NOTHING(TCPSM_DROP_TIME_WAIT, "RS 5000");
    STATE(TCPSM_TIME_WAIT);
}

/* Law 5: EV_DONE gives the rings back, so nothing may live on. */
TEST(reuse_after_close_is_not_done)
{
    uint32_t ev;

    START();
    ACCEPTED("win 5000");
    to_time_wait(10, 1);
    IN_ANY("S 5000 win 5000 len 10");
    ev = tcpsm_take(w.c) | tcpsm_events(w.c);
    CHECK_EQ((ev & TCPSM_EV_DONE) != 0, tcpsm_state(w.c) == TCPSM_CLOSED);
}

/* RFC9293-MAY-2 (1): the new ISN is beyond every old number, however fast
   the old connection was, on each way out of TIME-WAIT by a SYN. */
static void isn_beyond(int passive, int closed, int listens_first)
{
    uint32_t old;

    START();
    if (passive)
        ACCEPTED("win 65535 mss 1000");
    else
        OPENED("win 65535 mss 1000");
    to_time_wait(50000, closed);
    old = w.iss + 50002;
    if (listens_first) {
        LISTEN();
        IN("S 5000");
    } else {
        CHECK(honoured("S 5000"));
    }
    w.irs += 5000;
    OUT("SA 0 ack 1 mss 1460");
    if ((int32_t)(w.seg.seq - old) < 0)
        wire__fail("new ISS is %d below the old SND.NXT",
                   (int)(old - w.seg.seq));
    IN("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
}

TEST(RFC9293_MAY_2_isn_beyond_old_snd_nxt_passive_closed)
{
    isn_beyond(1, 1, 0);
}

TEST(RFC9293_MAY_2_isn_beyond_old_snd_nxt_passive)
{
    isn_beyond(1, 0, 0);
}

TEST(RFC9293_MAY_2_isn_beyond_old_snd_nxt_active)
{
    isn_beyond(0, 0, 0);
}

TEST(RFC9293_MAY_2_isn_beyond_old_snd_nxt_listen_in_time_wait)
{
    isn_beyond(1, 0, 1);
}

/* An old duplicate SYN that was let in must not destroy more than it may:
   RFC9293-MAY-2 (2) is not built, so it must not be let in. */
TEST(old_duplicate_syn_in_time_wait)
{
    START();
    ACCEPTED("win 5000");
    to_time_wait(10, 0);
    IN_DROP(TCPSM_DROP_SYN, "S 0 win 5000 mss 1000");
    OUT("A 12 ack 2"); /* RFC5961-7, 9293-u6 */
    STATE(TCPSM_TIME_WAIT);
    DEADLINE(60);
}

/* Reading goes on in TIME-WAIT, and after it. */
TEST(data_is_readable_in_and_after_time_wait)
{
    START();
    OPENED("win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("FPA 1 ack 2 len 100");
    OUT("A 2 ack 102");
    READ(40);
    AT(60);
    NONE();
    STATE(TCPSM_CLOSED);
    READ(60);
    READ_IS(TCPSM_E_EOF);
    ERROR_IS(0);
}
