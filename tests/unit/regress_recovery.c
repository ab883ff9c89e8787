/* What reading the code of loss recovery, ECN, path MTU probes and Fast Open
   once found. Each test is named after what was wrong, or would be. */

#define TCPSM_IMPLEMENTATION
#include "loss.h"

/* ---- >>runs ----------------------------------------------------------- */

/* RFC8985-6: a run's last time is rounded up, but it is not in the future:
   an original that arrives right after the second of two retransmissions is
   no round trip of 12 ms on a path of 100. */
TEST(RFC8985_6_an_original_right_after_its_copy)
{
    struct tcpsm__runs r;
    struct tcpsm__delivery d;
    uint32_t end[8] = {0}, first[8] = {0}, i;
    uint16_t meta[8] = {0};

    memset(&r, 0, sizeof r);
    r.end = end;
    r.first = first;
    r.meta = meta;
    r.cap = 8;
    r.base = 1000;
    tcpsm__runs_push(&r, 5000, 0, 1000000, 100000);
    tcpsm__runs_lose_first(&r, 3000);
    i = tcpsm__runs_lost(&r);
    tcpsm__runs_resent(&r, i, 2000, 1200000, 100000);
    i = tcpsm__runs_lost(&r);
    tcpsm__runs_resent(&r, i, 3000, 1212353, 100000);
    CHECK_EQ(r.n, 2); /* they share a run */
    memset(&d, 0, sizeof d);
    d.now = 1212400;
    d.min_rtt = 100000;
    d.fack = 1000;
    tcpsm__runs_sack(&r, 2000, 3000, &d);
    CHECK_EQ(d.bytes, 1000);
    CHECKF(!d.found, "a round trip of %u us", d.rtt);
}

/* ---- RFC 9937 --------------------------------------------------------- */

/* RFC9937-7: fast retransmission is forced also where the ACK that begins
   recovery delivers nothing: time has passed, and a block is said again. */
TEST(RFC9937_7_forced_without_delivery)
{
    loss_begin();
    SEND(10000);
    CHECK_EQ(stream_drain(), 10);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:2001");
    NONE();
    w.p.now = tcpsm_deadline(w.c); /* the reordering timer is due */
    IN("A 1 ack 1 sack 1001:2001");
    CHECK_EQ(stream_info().in_recovery, 1);
    OUT("A 1 ack 1 len 1000");
}

/* ---- F_FORCE ---------------------------------------------------------- */

/* What is acknowledged before it was sent again needs no force: not past the
   window, and not past the pace. */
TEST(force_ends_with_its_cause)
{
    loss_config();
    w.cfg.flags |= TCPSM_NO_SACK;
    loss_open("");
    SEND(10000);
    CHECK_EQ(stream_drain(), 10);
    AT(0.2);
    IN("A 1 ack 1");
    IN("A 1 ack 1");
    IN("A 1 ack 1");
    IN("A 1 ack 10001");
    CHECK_EQ(w.c->flags & TCPSM__F_FORCE, 0);
}

/* ---- controllers ------------------------------------------------------ */

static void keeps_on(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    (void)s;
    (void)e;
}

static const tcpsm_cc stubborn = {200,  NULL, NULL, keeps_on,
                                  NULL, NULL, NULL, NULL};

/* A controller that does not mind losses, without SACK: ssthresh is the
   largest that there is, and three segments more are too many. */
TEST(cwnd_has_a_bound)
{
    loss_config();
    w.cfg.flags |= TCPSM_NO_SACK;
    w.cfg.cc = &stubborn;
    loss_open("");
    SEND(10000);
    CHECK_EQ(stream_drain(), 10);
    AT(0.2);
    IN("A 1 ack 1");
    IN("A 1 ack 1");
    IN("A 1 ack 1");
    CHECK_EQ(tcpsm_check(w.c), 0);
    CHECK_LE(stream_info().cwnd, 0x3FFFFFFFu);
}

/* ---- ECN -------------------------------------------------------------- */

/* Law 9: whoever knows the ports alone cannot change what ACE says: a SYN-ACK
   with any numbers is not one that comes again. */
TEST(law_9_forged_syn_ack)
{
    loss_config();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_ECN;
    w.cfg.flags |= TCPSM_ACCECN;
    OPEN();
    wire__fill();
    wire__take();
    AT(0.1);
    INF("SAC 0 ack 1 win 65535 mss 1000 ws 2 sackok"); /* ACE 010 */
    wire__fill();
    wire__take();
    STATE(TCPSM_ESTABLISHED);
    CHECK_EQ(stream_info().ecn, 2);
    IN_ANY("SA 1234567 ack 7654321 win 1 mss 1000 tos 3");
    OUT("AE 1 ack 1"); /* ACE 101, the counter, and not CE's 110 */
}

/* RFC 9768 s3.1.5: two kinds of feedback in one handshake are answered with
   a reset; but an active open does not become a LISTEN by it. */
TEST(RFC9768_s3_1_5_two_kinds_and_an_active_open)
{
    START();
    w.cfg.flags = (WIRE_PLAIN & ~(uint32_t)TCPSM_NO_ECN) | TCPSM_ECN;
    OPEN();
    OUT("SEC 0 mss *");
    IN("SEC 0 mss 1000");
    OUT("SAE 0 ack 1 mss *");
    STATE(TCPSM_SYN_RECEIVED);
    IN_ANY("SE 0 mss 1000");
    CHECK_NE(tcpsm_state(w.c), TCPSM_LISTEN);
    CHECK_NE(tcpsm_error(w.c), 0);
}

/* ---- Fast Open -------------------------------------------------------- */

/* LISTEN, and a SYN with these flags, a good cookie and 100 octets. */
static void served(const char *syn, uint32_t flags)
{
    char text[160];
    uint8_t cookie[8];
    size_t n;
    int i;

    START();
    w.cfg.flags = flags | TCPSM_FASTOPEN;
    LISTEN();
    tcpsm__fo_cookie(w.cfg.key, &w.tuple, (uint32_t)(w.p.now >> 38), cookie);
    snprintf(text, sizeof text, "%s 0 win 60000 mss 1000 len 100 raw 220a",
             syn);
    for (i = 0; i < 8; i++) {
        n = strlen(text);
        snprintf(text + n, sizeof text - n, "%02x", cookie[i]);
    }
    INF("%s0101", text);
    CHECK(tcpsm__fo_served(w.c));
    wire__fill();
    wire__take();
    READ(100);
}

/* tcpsm_shutdown: the FIN waits for the handshake; and every call keeps the
   invariants. */
TEST(RFC7413_9_shutdown_before_the_third_ack)
{
    served("S", WIRE_PLAIN);
    SHUTDOWN();
    stream_drain();
    CHECK_EQ(tcpsm_check(w.c), 0);
    IN("A 101 ack 1");
    stream_drain();
    CHECK_EQ(tcpsm_check(w.c), 0);
    IN("A 101 ack 2");
    STATE(TCPSM_FIN_WAIT_2);
}

TEST(RFC9768_s3_1_5_two_kinds_and_a_served_one)
{
    served("SEC", WIRE_PLAIN & ~(uint32_t)TCPSM_NO_ECN);
    IN_ANY("SE 0 win 60000 mss 1000");
    CHECK_NE(tcpsm_state(w.c), TCPSM_LISTEN);
    CHECK_NE(tcpsm_error(w.c), 0);
}

/* An entry is the owner's, and may come from a disk. */
TEST(RFC7413_7_a_small_mss_in_the_entry)
{
    static uint8_t text[5000], buf[9000];
    tcpsm_fastopen f;
    tcpsm_out o;
    tcpsm_ret n;

    START();
    w.cfg.flags = 0;
    wire__init();
    memset(&f, 0, sizeof f);
    f.len = 8;
    f.mss = 10;
    memset(f.cookie, 9, 8);
    n = tcpsm_open_fast(w.c, &w.tuple, &f, w.p.now);
    if (n == TCPSM_E_ARG)
        return;
    CHECK_EQ(n, 0);
    CHECK_GT(tcpsm_send(w.c, text, sizeof text, 0), 0);
    memset(&o, 0, sizeof o);
    o.buf = buf;
    o.cap = sizeof buf;
    CHECK_LE(tcpsm_output(w.c, &o, w.p.now), 1480);
}

/* ---- blobs ------------------------------------------------------------ */

/* Law 11: what only RACK and its probes clear, only they may have: without
   SACK nothing would end a probe or a reordering timer. */
TEST(law_11_recovery_without_sack)
{
    loss_config();
    w.cfg.flags |= TCPSM_NO_SACK;
    loss_open("");
    SEND(3000);
    CHECK_EQ(stream_drain(), 3);
    CHECK_EQ(tcpsm_check(w.c), 0);
    w.c->flags2 |= TCPSM__N_TLP;
    w.c->u.open.tlp_end = w.c->snd_nxt;
    CHECK_NE(tcpsm_check(w.c), 0);
    w.c->flags2 &= ~TCPSM__N_TLP;
    w.c->u.open.tlp_end = 0;
    CHECK_EQ(tcpsm_check(w.c), 0);
    w.c->flags2 |= TCPSM__N_REO;
    w.c->more = (uint8_t)((w.c->more & ~TCPSM__M_KIND) | TCPSM__RTX_REO);
    CHECK_NE(tcpsm_check(w.c), 0);
    w.ready = 0;
    START(); /* that connection is spoilt */
}

/* ---- path MTU probes -------------------------------------------------- */

/* A path MTU probe that is all that is in flight, and lost, is not a window
   probe's octet. */
TEST(RFC8899_plpmtud_probe_is_no_window_probe)
{
    loss_config();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_PROBE;
    loss_open("sackok");
    SEND(100); /* a tail loss probe: there is no second without a sample */
    OUT("PA 1 ack 1 len 100");
    loss_next();
    OUT("PA 1 ack 1 len 100");
    IN("A 1 ack 101");
    CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_MTU, 700), 0);
    w.c->pmtu = 1056; /* too big; so 1040, the peer's most, is next */
    wire__touched();
    SEND(3000);
    wire__fill(); /* the probe alone */
    wire__take();
    CHECK_EQ(w.seg.len, 1000);
    IN("A 1 ack 101 win 1"); /* the window shrinks to 4 octets */
    CHECK_EQ(stream_info().snd_nxt - w.iss, 1101);
    loss_next();
    CHECK_EQ(COUNT(timeouts), 1);
    OUT("A 101 ack 1 len 4");
    CHECK_EQ(tcpsm_check(w.c), 0);
    loss_sum();
    CHECK_EQ(stream_info().snd_nxt - w.iss, 1101);
    IN("A 1 ack 1101 win 65535"); /* it had arrived */
    loss_heal();
}
