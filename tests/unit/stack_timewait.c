/* Layer 2's TIME-WAIT table: 64 bytes that answer the old FIN, the RST and
   the new SYN for 2 MSL (RFC 9293 s3.6.1 and s3.10.7.4, RFC 1337, 6191). */
#include "test.h"
#include "tcpsm.h"
#include "stackwire.h"

static void begin(uint32_t flags)
{
    START();
    sw.cfg.conn.flags = flags;
    sw.cfg.conns = 8;
    UP();
    LISTENER(80, 0, 0);
}

/* The current peer comes; we close first. Ends in TIME-WAIT with SND.NXT 2
   and RCV.NXT 2. */
static tcpsm_conn *closed(const char *options)
{
    uint32_t n = INFO(timewaits);
    tcpsm_conn *c = HANDSHAKE("mss 1000 %s", options);

    CHECK_EQ(tcpsm_close(c), 0);
    OUT("FA 1 ack 1");
    IN("FA 1 ack 2");
    OUT("A 2 ack 2");
    NONE();
    CHECK_EQ(INFO(timewaits), n + 1);
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    stackwire__touched();
    return c;
}

/* Is it still in TIME-WAIT? A RST from there or for a stranger would tell,
   an acceptable ACK changes nothing. */
static int waits(void)
{
    IN_ANY("A 3 ack 9 win 1"); /* unacceptable, or for nobody */
    if (stackwire_next_out() == 0)
        FAIL("neither an ACK nor a reset");
    if (w.seg.flags == PAIR_RST) {
        NONE();
        return 0;
    }
    CHECK_EQ(w.seg.flags, PAIR_ACK);
    CHECK_EQ(w.seg.seq, w.iss + 2);
    CHECK_EQ(w.seg.ack, w.irs + 2);
    NONE();
    return 1;
}

TEST(connection_is_free_at_once)
{
    tcpsm_conn *c;

    begin(WIRE_PLAIN);
    c = HANDSHAKE("mss 1000");
    IN("PA 1 ack 1 len 10");
    CHECK_EQ(tcpsm_shutdown(c), 0);
    OUT("FA 1 ack 11");
    IN("FA 11 ack 2");
    OUT("A 2 ack 12");
    NONE();
    CHECK_EQ(tcpsm_state(c), TCPSM_CLOSED);
    CHECK_EQ(tcpsm_error(c), 0);
    CHECK_EQ(NEWS(c) & TCPSM_EV_DONE, TCPSM_EV_DONE);
    CHECK_EQ(INFO(timewaits), 1);
    CHECK_EQ(INFO(conns), 1); /* ours until we let go */
    GOT(c, 10);               /* what was not read is still there */
    CHECK_EQ(tcpsm_receive(c, w.buf, 1), TCPSM_E_EOF);
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    NONE();
    CHECK_EQ(INFO(conns), 0);
    CHECK_EQ(INFO(rings), 0);
    CHECK_EQ(INFO(timewaits), 1);
    /* no wake-up for it */
    CHECK_EQ(tcpsm_stack_deadline(sw.st), TCPSM_NEVER);
}

TEST(entry_costs_64_bytes)
{
    tcpsm_stack_config cfg;
    size_t a, b, c;

    begin(WIRE_PLAIN);
    cfg = sw.cfg;
    cfg.timewait_entries = 20000;
    a = tcpsm_stack_size(&cfg);
    cfg.timewait_entries = 30000;
    b = tcpsm_stack_size(&cfg);
    CHECK_LE(b - a, 64u * 10000);
    CHECK_GE(b - a, 40u * 10000); /* or it has nowhere to keep the tuple */
    /* and what finds it: at most two words of the hash each */
    cfg.timewait_entries = 32769;
    c = tcpsm_stack_size(&cfg);
    CHECK_LE(c - b, 72u * 2769 + 4u * 32768);
}

TEST(old_fin_is_acked_and_restarts_the_wait)
{
    begin(WIRE_PLAIN);
    closed("");
    AT(50);
    IN_ANY("FA 1 ack 2");
    OUT("A 2 ack 2 win 8192"); /* 8191, rounded up: it does not shrink */
    AT(109.9);
    CHECK(waits());
    AT(114); /* a restart is kept in five bits, rounded up */
    CHECK(!waits());
    CHECK_EQ(INFO(timewaits), 0);
}

TEST(only_the_exact_fin_restarts_the_wait)
{
    static const char *const text[] = {
        "A 1 ack 2",
        "FA 0 ack 2",
        "FA 2 ack 2",
        "FA 1 ack 1",
        "FA 1 ack 3",
        "F 1",
        "SFA 1 ack 2",
        "PA 1 ack 2 len 5",
        "A 2 ack 2",
        "PA 0 ack 2 len 1",
        "R 2",
        "RA 2 ack 2",
        "FRA 1 ack 2",
        "S 0",
        "S 1",
        "FA 1 ack 2 badsum",
        "FA 1 ack 2 link",
    };
    uint32_t i;

    for (i = 0; i < sizeof text / sizeof *text; i++) {
        begin(WIRE_PLAIN);
        closed("");
        CONTEXT("%s", text[i]);
        AT(50);
        IN_ANY("%s", text[i]);
        DRAIN();
        AT(59.9);
        CHECKF(waits(), "TIME-WAIT ended by %s", text[i]);
        AT(60.2);
        CHECKF(!waits(), "TIME-WAIT prolonged by %s", text[i]);
    }
}

/* The FIN came with data; so does its repetition. */
TEST(old_fin_with_data_is_the_exact_one_too)
{
    tcpsm_conn *c;

    begin(WIRE_PLAIN);
    c = HANDSHAKE("mss 1000");
    CHECK_EQ(tcpsm_shutdown(c), 0);
    OUT("FA 1 ack 1");
    IN("FA 1 ack 2 len 10");
    OUT("A 2 ack 12");
    AT(50);
    IN_ANY("FA 1 ack 2 len 10");
    OUT("A 2 ack 12");
    AT(109.9);
    IN_ANY("FA 6 ack 2 len 5");
    OUT("A 2 ack 12");
}

TEST(two_msl_and_not_before)
{
    uint32_t msl;

    for (msl = 1; msl <= 1000000; msl *= 10) {
        double two = msl / 500.0;

        START();
        CONTEXT("MSL %u ms", msl);
        sw.cfg.conn.msl_ms = msl;
        UP();
        LISTENER(80, 0, 0);
        closed("");
        WAIT(two * 0.999);
        CHECK(waits());
        WAIT(two * 0.001 + 0.1);
        CHECK(!waits());
    }
}

/* Law 6: a SYN that is not sound moves nothing, not even what is about to
   move. */
TEST(broken_syn_before_the_last_ack_was_sent)
{
    tcpsm_conn *c;

    begin(WIRE_PLAIN);
    c = HANDSHAKE("mss 1000");
    CHECK_EQ(tcpsm_close(c), 0);
    CHECK(stackwire_next_out() != 0);
    IN("FA 1 ack 2");
    CHECK_EQ(tcpsm_state(c), TCPSM_TIME_WAIT);
    IN_ANY("S 1000 mss 900 badsum");
    CHECK_EQ(tcpsm_state(c), TCPSM_TIME_WAIT);
    CHECK_EQ(INFO(timewaits), 0);
    OUT("A 2 ack 2");
    NONE();
    CHECK_EQ(tcpsm_state(c), TCPSM_CLOSED);
    CHECK_EQ(INFO(timewaits), 1);
}

/* The SYN is not the first to find the connection in TIME-WAIT: FIN and SYN
   came in one batch. */
TEST(new_syn_before_the_last_ack_was_sent)
{
    tcpsm_conn *c;
    uint32_t i, old;

    begin(WIRE_PLAIN);
    c = HANDSHAKE("mss 1000");
    for (i = 0; i < 40; i++) { /* faster than a byte in 4 us */
        SENT(c, 8000);
        while (stackwire_next_out() != 0)
            w.p.now += 1;
        IN_ANY("A 1 ack %u", 1 + w.sent);
        DRAIN();
    }
    old = STATUS(c, snd_nxt) + 1;
    CHECK_EQ(tcpsm_close(c), 0);
    CHECK(stackwire_next_out() != 0);
    IN("FA 1 ack %u", 2 + w.sent);
    IN_ANY("S 1000 mss 900");
    for (i = 0; i < 10; i++) {
        if (stackwire_next_out() == 0)
            IN_ANY("S 1000 mss 900"); /* it comes again */
        else if (w.seg.flags == (PAIR_SYN | PAIR_ACK))
            break;
    }
    CHECK_EQ(w.seg.flags, PAIR_SYN | PAIR_ACK);
    CHECKF((int32_t)(w.seg.seq - old) > 0, "ISS %u, old SND.NXT %u",
           w.seg.seq, old);
}

TEST(msl_of_the_connection_counts)
{
    tcpsm_conn *c;

    begin(WIRE_PLAIN);
    c = HANDSHAKE("mss 1000");
    CHECK_EQ(tcpsm_set(c, TCPSM_SET_MSL, 5000), 0);
    CHECK_EQ(tcpsm_close(c), 0);
    OUT("FA 1 ack 1");
    IN("FA 1 ack 2");
    OUT("A 2 ack 2");
    AT(9.9);
    CHECK(waits());
    IN_ANY("FA 1 ack 2"); /* and when it is restarted */
    OUT("A 2 ack 2");
    AT(19.8);
    CHECK(waits());
    AT(20.6);
    CHECK(!waits());
}

/* However a clock inside wraps. */
TEST(expired_stays_expired)
{
    uint32_t p;
    int d;

    for (p = 27; p < 62; p++)
        for (d = -1; d <= 1; d++) {
            begin(WIRE_PLAIN);
            CONTEXT("2^%u us and %d x 30 s", p, d);
            closed("");
            if (d < 0 && p < 27)
                continue;
            w.p.now += ((tcpsm_time)1 << p) + (tcpsm_time)(d * 30000000LL);
            stackwire__none();
            CHECK(!waits());
        }
}

TEST(rst_is_ignored) /* RFC 1337 */
{
    begin(WIRE_PLAIN);
    closed("");
    IN_NOTHING(TCPSM_DROP_TIME_WAIT, "R 2");
    IN_NOTHING(TCPSM_DROP_TIME_WAIT, "RA 2 ack 2");
    IN_NOTHING(TCPSM_DROP_TIME_WAIT, "RA 1 ack 2");
    IN_NOTHING(TCPSM_DROP_TIME_WAIT, "R 5000");
    IN_ANY("SR 5000");
    NONE();
    CHECK_EQ(INFO(timewaits), 1);
    CHECK(waits());
}

TEST(old_data_is_acked_not_taken)
{
    begin(WIRE_PLAIN);
    closed("");
    IN_ANY("PA 1 ack 2 len 1");
    CHECK_NE(w.in.drop, 0);
    OUT("A 2 ack 2");
    IN_NOTHING(TCPSM_DROP_AFTER_FIN, "PA 1 ack 2 len 10");
    IN_NOTHING(TCPSM_DROP_AFTER_FIN, "FPA 2 ack 2 len 10");
    IN_ANY("PA -5000 ack 2 len 10");
    OUT("A 2 ack 2");
    NONE();
}

/* design.md: "two TIME-WAIT ends do not ACK each other for ever" */
TEST(bare_acks_are_answered_within_limits)
{
    int i, n = 0;

    begin(WIRE_PLAIN);
    closed("");
    for (i = 0; i < 300; i++) {
        IN_ANY("A -100 ack 2");
        n += DRAIN();
        w.p.now += 10000;
    }
    CHECK_GE(n, 1);
    CHECK_LE(n, 10);
    n = 0;
    for (i = 0; i < 300; i++) {
        IN_ANY("A 1 ack 2");
        n += DRAIN();
        w.p.now += 100000;
    }
    CHECK_GE(n, 5);
    CHECK_LE(n, 70);
}

/* Two entries, each convinced that the other is behind: a stray segment
   must not start a war. */
TEST(two_ends_in_time_wait_fall_silent)
{
    static uint8_t back[128];
    uint32_t len;
    int n = 0, k;

    begin(WIRE_PLAIN);
    CHECK_EQ(stackwire_address("10.0.0.9", 4, 0, 24, 1), 0);
    /* one end: 10.0.0.1:80 to 10.0.0.9:40000; the other the mirror image,
       with numbers of its own, so that neither fits the other */
    PEER(0);
    w.tuple.remote[3] = 9;
    closed("");
    PEER(1);
    w.tuple = sw.peer[0].tuple;
    memcpy(w.tuple.local, sw.peer[0].tuple.remote, 16);
    memcpy(w.tuple.remote, sw.peer[0].tuple.local, 16);
    w.tuple.local_port = 40000;
    w.tuple.remote_port = 80;
    LISTENER(40000, 0, 0);
    closed("");
    CHECK_EQ(INFO(timewaits), 2);
    IN_ANY("A -1000 ack 2");
    while ((len = stackwire_next_out()) != 0 && n < 10000) {
        tcpsm_in in;
        uint8_t src[4], dst[4];

        n++;
        k = (int)len;
        memcpy(back, sw.out + 1, len);
        memcpy(src, sw.o.tuple.local, 4);
        memcpy(dst, sw.o.tuple.remote, 4);
        memset(&in, 0, sizeof in);
        in.src = src;
        in.dst = dst;
        in.data = back;
        in.len = (uint32_t)k;
        in.family = 4;
        CHECK_EQ(tcpsm_stack_input(sw.st, &in, w.p.now), 0);
    }
    CHECK_GE(n, 1);
    CHECK_LE(n, 40);
}

/* --- a new SYN (RFC 6191, RFC9293-MAY-2) --- */

static const struct {
    const char *name;
    const char *old; /* what the old SYN had */
    const char *syn; /* the new one: SEQ relative to the old ISN; the last
                        sequence number used is that of the FIN: 1 */
    int reopens;
} reuse[] = {
    {"beyond, no timestamps", "", "S 2 mss 900", 1},
    {"far beyond, no timestamps", "", "S 2000000000 mss 900", 1},
    {"same as the FIN, no timestamps", "", "S 1 mss 900", 0},
    {"old, no timestamps", "", "S 0 mss 900", 0},
    {"far behind, no timestamps", "", "S -2000000000 mss 900", 0},
    {"timestamps now, none then", "", "S -50 ts 1 0 mss 900", 1},
    {"newer timestamp, SEQ behind", "ts 5000 0", "S -50 ts 5001 0 mss 900",
     1},
    {"newer timestamp, SEQ beyond", "ts 5000 0", "S 50 ts 9000 0 mss 900", 1},
    {"same timestamp, SEQ beyond", "ts 5000 0", "S 2 ts 5000 0 mss 900", 1},
    {"same timestamp, SEQ of the FIN", "ts 5000 0", "S 1 ts 5000 0 mss 900",
     0},
    {"same timestamp, SEQ behind", "ts 5000 0", "S -50 ts 5000 0 mss 900", 0},
    {"older timestamp, SEQ beyond", "ts 5000 0", "S 50 ts 4999 0 mss 900", 0},
    {"older timestamp, SEQ behind", "ts 5000 0", "S -50 ts 4000 0 mss 900",
     0},
    {"no timestamps now, SEQ beyond", "ts 5000 0", "S 2 nots mss 900", 1},
    {"no timestamps now, SEQ behind", "ts 5000 0", "S -1 nots mss 900", 0},
};

static void time_wait_with(const char *options)
{
    tcpsm_conn *c;

    START();
    sw.cfg.conn.flags = TCPSM_NO_SACK | TCPSM_NO_SCALE;
    sw.cfg.conns = 8;
    UP();
    LISTENER(80, 0, 0);
    c = HANDSHAKE("mss 1000 %s", options);
    /* the peer's clock stands at 5000 */
    w.ts_clock = 5000 - (uint32_t)((w.p.now - w.t0) / 1000);
    CHECK_EQ(tcpsm_close(c), 0);
    CHECK(stackwire_next_out() != 0);
    stackwire__learn();
    IN("FA 1 ack 2");
    OUT("A 2 ack 2");
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    NONE();
    CHECK_EQ(INFO(timewaits), 1);
    CHECK_EQ(INFO(conns), 0);
}

TEST(new_syn)
{
    uint32_t i;

    for (i = 0; i < sizeof reuse / sizeof *reuse; i++) {
        uint32_t old_iss, old_irs, isn;

        time_wait_with(reuse[i].old);
        CONTEXT("%s", reuse[i].name);
        old_iss = w.iss;
        old_irs = w.irs;
        IN_ANY("%s", reuse[i].syn);
        if (!reuse[i].reopens) {
            /* 6191: silently; 5961: a challenge. Never anything else. */
            if (stackwire_next_out() != 0) {
                CHECK_EQ(w.seg.flags, PAIR_ACK);
                CHECK_EQ(w.seg.seq, old_iss + 2);
                CHECK_EQ(w.seg.ack, old_irs + 2);
            }
            NONE();
            CHECK_EQ(INFO(syns), 0);
            CHECK_EQ(INFO(timewaits), 1);
            continue;
        }
        CHECKF(stackwire_next_out() != 0, "no SYN-ACK");
        CHECK_EQ(w.seg.flags, PAIR_SYN | PAIR_ACK);
        CHECK_EQ(INFO(syns), 1);
        CHECK_EQ(INFO(conns), 0);
        CHECKF((int32_t)(w.seg.seq - (old_iss + 2)) > 0,
               "ISS %u, old SND.NXT %u", w.seg.seq, old_iss + 2);
        isn = w.seg.ack - 1;
        w.irs = isn;
        stackwire__learn();
        w.ts = w.seg.timestamps;
        w.ts_clock += 5000;
        IN("A 1 ack 1");
        FRESH();
        w.ts = w.seg.timestamps;
        ACCEPT();
        CHECK_EQ(INFO(timewaits), 0);
        CHECK_EQ(INFO(conns), 1);
    }
}

/* RFC 6191 s2: "would be enabled" means that we want them, too. */
TEST(new_syn_with_timestamps_that_we_do_not_want)
{
    tcpsm_config cfg;
    tcpsm_tuple t;

    START();
    sw.cfg.conn.flags = 0;
    UP();
    cfg = sw.cfg.conn;
    cfg.flags = TCPSM_NO_TS;
    memset(&t, 0, sizeof t);
    t.local_port = 80;
    CHECK_GE(tcpsm_stack_listen(sw.st, &t, 0, 0, &cfg), 0);
    closed("ts 5 0");
    IN_ANY("S -50 ts 9999 0 mss 900");
    DRAIN();
    CHECK_EQ(INFO(syns), 0);
    CHECK_EQ(INFO(timewaits), 1);
    IN_ANY("S 50 ts 9999 0 mss 900");
    DRAIN();
    CHECK_EQ(INFO(syns), 1);
}

/* Even where the ISN clock alone would give a smaller one: much was sent. */
TEST(new_iss_is_beyond_the_old_snd_nxt)
{
    tcpsm_conn *c;
    uint32_t old, i;

    begin(WIRE_PLAIN);
    c = HANDSHAKE("mss 1000");
    for (i = 0; i < 40; i++) { /* faster than a byte in 4 us */
        SENT(c, 8000);
        while (stackwire_next_out() != 0)
            w.p.now += 1;
        IN_ANY("A 1 ack %u", 1 + w.sent);
        DRAIN();
    }
    CHECK_EQ(STATUS(c, snd_una), w.iss + 1 + w.sent);
    CHECK_EQ(tcpsm_close(c), 0);
    CHECK(stackwire_next_out() != 0);
    IN("FA 1 ack %u", 2 + w.sent);
    CHECK(stackwire_next_out() != 0);
    old = w.seg.seq;
    CHECK_EQ(old, w.iss + 2 + w.sent);
    NONE();
    IN_ANY("S 1000 mss 900");
    CHECKF(stackwire_next_out() != 0, "no SYN-ACK");
    CHECK_EQ(w.seg.flags, PAIR_SYN | PAIR_ACK);
    CHECKF((int32_t)(w.seg.seq - old) > 0, "ISS %u, old SND.NXT %u",
           w.seg.seq, old);
}

/* RFC9293-MAY-2 (2): back to TIME-WAIT, if it was an old duplicate after
   all: then our SYN-ACK is answered with a reset. */
TEST(new_syn_was_an_old_duplicate)
{
    uint32_t iss;

    begin(WIRE_PLAIN);
    closed("");
    iss = w.iss;
    IN_ANY("S 1000 mss 900");
    CHECK(stackwire_next_out() != 0);
    CHECK_EQ(w.seg.flags, PAIR_SYN | PAIR_ACK);
    w.p.now += 10000;
    IN_ANY("R 1001");
    NONE();
    CHECK_EQ(INFO(syns), 0);
    CHECK_EQ(INFO(timewaits), 1);
    w.iss = iss;
    IN_ANY("FA 1 ack 2");
    OUT("A 2 ack 2");
}

TEST(new_syn_and_no_listener)
{
    tcpsm_ret l;

    START();
    UP();
    l = LISTENER(80, 0, 0);
    closed("");
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, l), 0);
    IN_ANY("S 1000 mss 900");
    OUT("A 2 ack 2"); /* refused by TIME-WAIT, not reset for a stranger */
    CHECK_EQ(INFO(syns), 0);
    CHECK_EQ(INFO(timewaits), 1); /* as good as before */
    CHECK(waits());
}

TEST(new_syn_and_no_room)
{
    tcpsm_conn *c;

    START();
    sw.cfg.conns = 1;
    UP();
    LISTENER(80, 0, 0);
    closed("");
    PEER(1);
    c = HANDSHAKE("mss 1000");
    CHECK(c != NULL);
    PEER(0);
    IN_ANY("S 1000 mss 900");
    NONE();
    CHECK_EQ(INFO(syns), 0);
    CHECK(waits());
}

TEST(new_syn_is_held_by_an_asking_listener)
{
    tcpsm_tuple who;
    tcpsm_ret n;
    uint32_t old;

    START();
    UP();
    LISTENER(80, 0, TCPSM_LISTEN_ASK);
    IN("S 0 mss 1000");
    n = tcpsm_stack_ask(sw.st, &who);
    CHECK_EQ(tcpsm_stack_answer(sw.st, n, TCPSM_ACCEPT), 0);
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    {
        tcpsm_conn *c = ACCEPT();

        CHECK_EQ(tcpsm_close(c), 0);
        OUT("FA 1 ack 1");
        IN("FA 1 ack 2");
        OUT("A 2 ack 2");
        CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
        NONE();
    }
    old = w.iss + 2;
    IN_ANY("S 1000 mss 900");
    NONE();
    n = tcpsm_stack_ask(sw.st, &who);
    CHECK_GE(n, 0);
    WAIT(2);
    CHECK_EQ(tcpsm_stack_answer(sw.st, n, TCPSM_ACCEPT), 0);
    CHECK(stackwire_next_out() != 0);
    CHECK_EQ(w.seg.flags, PAIR_SYN | PAIR_ACK);
    CHECK_GT((int32_t)(w.seg.seq - old), 0);
}

/* --- the table full --- */

TEST(oldest_entry_goes_first_and_no_live_connection)
{
    struct tcpsm_info before, after;
    tcpsm_conn *c;
    int i;

    START();
    sw.cfg.conns = 8;
    sw.cfg.timewait_entries = 3;
    UP();
    LISTENER(80, 0, 0);
    PEER(9);
    c = HANDSHAKE("mss 1000");
    tcpsm_status(c, &before);
    for (i = 0; i < 5; i++) {
        PEER(i);
        if (i < 3)
            closed("");
        else { /* it stays at three */
            tcpsm_conn *d = HANDSHAKE("mss 1000");

            CHECK_EQ(tcpsm_close(d), 0);
            OUT("FA 1 ack 1");
            IN("FA 1 ack 2");
            OUT("A 2 ack 2");
            CHECK_EQ(tcpsm_stack_release(sw.st, d), 0);
            NONE();
            CHECK_EQ(INFO(timewaits), 3);
        }
        WAIT(1);
    }
    CHECK_EQ(INFO(timewaits_evicted), 2);
    for (i = 0; i < 5; i++) {
        PEER(i);
        CHECKF(waits() == (i >= 2), "entry %d", i);
    }
    PEER(9);
    tcpsm_status(c, &after);
    CHECK_MEM(&before, &after, sizeof before);
    IN("PA 1 ack 1 len 5");
    GOT(c, 5);
}

/* An entry that a new SYN took away leaves its place to others. */
TEST(place_of_a_reused_entry_is_free)
{
    int i;

    START();
    sw.cfg.conns = 8;
    sw.cfg.timewait_entries = 3;
    UP();
    LISTENER(80, 0, 0);
    for (i = 0; i < 3; i++) {
        PEER(i);
        closed("");
        WAIT(1);
    }
    for (i = 1; i < 3; i++) {
        PEER(i);
        IN_ANY("S 1000 mss 900");
        CHECK(stackwire_next_out() != 0);
        stackwire__learn();
        w.irs += 1000;
        IN("A 1 ack 1");
        ACCEPT();
    }
    CHECK_EQ(INFO(timewaits), 1);
    PEER(3);
    closed("");
    CHECK_EQ(INFO(timewaits), 2);
    CHECK_EQ(INFO(timewaits_evicted), 0);
    PEER(0);
    CHECK(waits());
}

/* The peer of one entry repeats its FIN for ever; the table must not shrink
   to what stands beside it. */
TEST(a_long_lived_entry_does_not_hold_up_the_table)
{
    int i, round;

    START();
    sw.cfg.conns = 4;
    sw.cfg.timewait_entries = 32;
    UP();
    LISTENER(80, 0, 0);
    for (i = 0; i < 32; i++) {
        PEER(i);
        closed("");
    }
    for (round = 0; round < 3; round++) {
        for (i = 0; i < 7; i++) { /* 70 s: all but one expire */
            WAIT(10);
            PEER(0);
            IN_ANY("FA 1 ack 2");
            OUT("A 2 ack 2");
        }
        for (i = 1; i < 25; i++) {
            tcpsm_conn *c;

            PEER(32 + i);
            w.irs += 100000;
            c = HANDSHAKE("mss 1000");
            CHECK_EQ(tcpsm_close(c), 0);
            OUT("FA 1 ack 1");
            IN("FA 1 ack 2");
            OUT("A 2 ack 2");
            CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
            NONE();
        }
        CHECK_EQ(INFO(timewaits_evicted), 0);
        CHECK_EQ(INFO(timewaits), 25);
    }
}

TEST(expired_entries_are_no_evictions)
{
    int i;

    START();
    sw.cfg.timewait_entries = 2;
    UP();
    LISTENER(80, 0, 0);
    for (i = 0; i < 6; i++) {
        tcpsm_conn *c;

        PEER(i);
        c = HANDSHAKE("mss 1000");
        CHECK_EQ(tcpsm_close(c), 0);
        OUT("FA 1 ack 1");
        IN("FA 1 ack 2");
        OUT("A 2 ack 2");
        CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
        CHECK(waits());
        WAIT(61);
    }
    CHECK_EQ(INFO(timewaits_evicted), 0);
}

/* --- what an entry remembers --- */

TEST(timestamps_go_on)
{
    tcpsm_conn *c;
    uint32_t last;

    begin(0);
    c = HANDSHAKE("mss 1000 ts 700 0");
    CHECK_EQ(tcpsm_close(c), 0);
    CHECK(stackwire_next_out() != 0);
    stackwire__learn();
    IN("FA 1 ack 2 ts 701 *");
    OUT("A 2 ack 2 ts * 701");
    last = w.seg.ts_val;
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    WAIT(1.024);
    IN_ANY("FA 1 ack 2 ts 800 *");
    CHECK(stackwire_next_out() != 0);
    CHECK_EQ(w.seg.flags, PAIR_ACK);
    CHECK_EQ(w.seg.timestamps, 1);
    CHECKF(w.seg.ts_val - last - 990 <= 20, "TSval %u after %u", w.seg.ts_val,
           last);
    CHECK(w.seg.ts_ecr == 701 || w.seg.ts_ecr == 800);
    /* without the option: not from this connection */
    IN_NOTHING(TCPSM_DROP_NO_TS, "FA 1 ack 2 nots");
    /* PAWS */
    IN_ANY("FA 1 ack 2 ts 600 *");
    CHECK_EQ(w.in.drop, TCPSM_DROP_PAWS);
    DRAIN();
}

TEST(paws_fin_does_not_restart_the_wait)
{
    tcpsm_conn *c;

    begin(0);
    c = HANDSHAKE("mss 1000 ts 700 0");
    CHECK_EQ(tcpsm_close(c), 0);
    CHECK(stackwire_next_out() != 0);
    stackwire__learn();
    IN("FA 1 ack 2 ts 701 *");
    OUT("A 2 ack 2 ts * 701");
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    AT(50);
    IN_ANY("FA 1 ack 2 ts 600 *");
    DRAIN();
    AT(60.2);
    IN_ANY("FA 1 ack 2 ts 900 *");
    CHECK(stackwire_next_out() != 0);
    CHECK_EQ(w.seg.flags, PAIR_RST);
}

TEST(ipv6_time_wait)
{
    START6();
    UP();
    LISTENER(80, 0, 0);
    closed("");
    AT(50);
    IN_ANY("FA 1 ack 2");
    OUT("A 2 ack 2");
    w.tuple.remote[9] ^= 1; /* all of the address counts */
    IN_ANY("FA 1 ack 2");
    CHECK(stackwire_next_out() != 0);
    CHECK_EQ(w.seg.flags, PAIR_RST);
    w.tuple.remote[9] ^= 1;
    AT(114);
    CHECK(!waits());
}

TEST(zone_is_part_of_the_name)
{
    START();
    UP();
    LISTENER(80, 0, 0);
    CHECK_EQ(stackwire_address("10.0.0.1", 4, 7, 24, 1), 0);
    closed("");
    w.zone = w.tuple.zone = 7;
    CHECK(!waits());
    w.zone = w.tuple.zone = 0;
    CHECK(waits());
}

TEST(simultaneous_close)
{
    tcpsm_conn *c;

    begin(WIRE_PLAIN);
    c = HANDSHAKE("mss 1000");
    CHECK_EQ(tcpsm_close(c), 0);
    OUT("FA 1 ack 1");
    IN("FA 1 ack 1");
    OUT("A 2 ack 2");
    CHECK_EQ(tcpsm_state(c), TCPSM_CLOSING);
    CHECK_EQ(INFO(timewaits), 0);
    IN("A 2 ack 2");
    NONE();
    CHECK_EQ(INFO(timewaits), 1);
    CHECK_EQ(tcpsm_state(c), TCPSM_CLOSED);
    CHECK_EQ(NEWS(c) & TCPSM_EV_DONE, TCPSM_EV_DONE);
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    CHECK(waits());
}

/* The last ACK has to be on the wire before the connection goes. */
TEST(last_ack_is_sent_before_the_connection_goes)
{
    tcpsm_conn *c;

    begin(WIRE_PLAIN);
    c = HANDSHAKE("mss 1000");
    CHECK_EQ(tcpsm_close(c), 0);
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    OUT("FA 1 ack 1");
    IN("FA 1 ack 2");
    IN_ANY("FA 1 ack 2"); /* twice before we had a chance */
    OUT("A 2 ack 2");
    DRAIN();
    CHECK_EQ(INFO(timewaits), 1);
    CHECK_EQ(INFO(conns), 0);
    IN_ANY("FA 1 ack 2");
    OUT("A 2 ack 2");
}

/* Released first, closed by the peer later: the connection's place is free,
   and nothing of it is on any list. */
TEST(released_connection_ends_in_time_wait)
{
    tcpsm_conn *c;
    int i;

    for (i = 0; i < 3; i++) {
        begin(WIRE_PLAIN);
        c = HANDSHAKE("mss 1000");
        CHECK_EQ(tcpsm_close(c), 0);
        CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
        OUT("FA 1 ack 1");
        if (i == 0) {
            IN("FA 1 ack 2");
            OUT("A 2 ack 2");
        } else if (i == 1) { /* simultaneously */
            IN("FA 1 ack 1");
            OUT("A 2 ack 2");
            IN("A 2 ack 2");
        } else {
            IN("A 1 ack 2");
            IN("FA 1 ack 2");
            OUT("A 2 ack 2");
        }
        NONE();
        CHECK_EQ(INFO(timewaits), 1);
        CHECK_EQ(INFO(conns), 0);
        CHECK_EQ(INFO(orphans), 0);
        CHECK_EQ(tcpsm_stack_deadline(sw.st), TCPSM_NEVER);
        PEER(1);
        HANDSHAKE("mss 1000");
        PEER(0);
        CHECK(waits());
    }
}

TEST(passive_close_leaves_nothing)
{
    tcpsm_conn *c;

    begin(WIRE_PLAIN);
    c = HANDSHAKE("mss 1000");
    IN("FA 1 ack 1");
    OUT("A 1 ack 2");
    CHECK_EQ(tcpsm_close(c), 0);
    OUT("FA 1 ack 2");
    IN("A 2 ack 2");
    NONE();
    CHECK_EQ(tcpsm_state(c), TCPSM_CLOSED);
    CHECK_EQ(INFO(timewaits), 0);
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    NONE();
    CHECK_EQ(INFO(conns), 0);
    CHECK(!waits());
}

TEST(reset_leaves_nothing)
{
    tcpsm_conn *c;

    begin(WIRE_PLAIN);
    c = HANDSHAKE("mss 1000");
    IN("PA 1 ack 1 len 10");
    CHECK_EQ(tcpsm_close(c), 1); /* unread: the peer must learn of it */
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    OUT("RA 1 ack 11");
    NONE();
    CHECK_EQ(INFO(timewaits), 0);
    CHECK_EQ(INFO(conns), 0);
}

TEST(connect_refuses_a_name_in_time_wait)
{
    tcpsm_tuple t;
    tcpsm_conn *c;

    begin(WIRE_PLAIN);
    closed("");
    t = w.tuple;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now),
             TCPSM_E_STATE);
    CHECK_EQ(INFO(conns), 0);
    AT(60.2);
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
}

TEST(connected_ends_in_time_wait_too)
{
    tcpsm_tuple t;
    tcpsm_conn *c;

    begin(WIRE_PLAIN);
    w.tuple.remote_port = 7777;
    t = w.tuple;
    t.local_port = 0;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
    tcpsm_name(c, &w.tuple);
    OUT("S 0 mss 1460");
    IN("SA 0 ack 1 mss 1000");
    OUT("A 1 ack 1");
    CHECK_EQ(INFO(connected), 1);
    CHECK_EQ(tcpsm_close(c), 0);
    OUT("FA 1 ack 1");
    IN("FA 1 ack 2");
    OUT("A 2 ack 2");
    NONE();
    CHECK_EQ(INFO(timewaits), 1);
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    CHECK(waits());
    AT(60.2);
    CHECK(!waits());
}

TEST(segments_that_belong_to_nobody_cost_nothing)
{
    uint32_t i;

    begin(WIRE_PLAIN);
    closed("");
    sw.unchecked = 1;
    for (i = 0; i < 5000; i++) {
        memcpy(w.tuple.remote + 1, &i, 2);
        IN_ANY("FA 1 ack 2");
        DRAIN();
    }
    CHECK_EQ(INFO(timewaits), 1);
    CHECK_EQ(INFO(conns), 0);
    CHECK_EQ(tcpsm_stack_check(sw.st), 0);
}

/* More entries than the buckets keep apart, taken away in every order. */
TEST(sixty_four_entries_are_told_apart)
{
    uint64_t seed;
    int i, k, n = 60, gone[64];

    for (seed = 1; seed <= 3; seed++) {
        START();
        sw.cfg.conns = 64;
        sw.cfg.timewait_entries = 60;
        sw.cfg.syn_entries = 64;
        sw.cfg.rcv_ring = sw.cfg.snd_ring = 512;
        UP();
        LISTENER(80, 0, 0);
        memset(gone, 0, sizeof gone);
        for (i = 0; i < n; i++) {
            PEER(i);
            closed("");
        }
        for (i = 0; i < n; i++) { /* a new SYN takes one away */
            k = (int)(netsim_mix(seed * 100 + (uint64_t)i) % 60);
            PEER(k);
            if (gone[k])
                continue;
            CHECK(waits());
            IN_ANY("S 1000 mss 900");
            CHECK(stackwire_next_out() != 0);
            CHECK_EQ(w.seg.flags, PAIR_SYN | PAIR_ACK);
            stackwire__learn();
            w.irs += 1000;
            IN("A 1 ack 1");
            CHECK_EQ(tcpsm_state(ACCEPT()), TCPSM_ESTABLISHED);
            gone[k] = 1;
        }
        for (i = 0, k = 0; i < n; i++)
            k += gone[i];
        CHECK_EQ(INFO(timewaits), n - k);
        CHECK_EQ(INFO(conns), k);
        for (i = 0; i < n; i++) {
            PEER(i);
            if (!gone[i])
                CHECK(waits());
            else
                IN("A 1 ack 1");
        }
    }
}

/* --- layer 1's TIME-WAIT is the model --- */

static uint64_t model_rng;

static uint32_t model_dice(uint32_t n)
{
    model_rng = netsim_mix(model_rng + 0x9E3779B97F4A7C15u);
    return (uint32_t)(model_rng >> 33) % n;
}

static tcpsm_conn model;

static uint32_t model_output(uint8_t *buf, uint32_t cap)
{
    tcpsm_out o;
    tcpsm_ret r;

    memset(&o, 0, sizeof o);
    o.buf = buf;
    o.cap = cap;
    r = tcpsm_output(&model, &o, w.p.now);
    CHECK_GE(r, 0);
    return (uint32_t)r;
}

static void model_input(void)
{
    tcpsm_in in = w.in;

    (void)tcpsm_input(&model, &in, w.p.now);
}

/* The same handshake and the same end, of a listener of layer 1 and of the
   stack: it in TIME-WAIT, an entry here. */
static void model_time_wait(void)
{
    static uint8_t rings[2][8192], buf[2000];
    tcpsm_tuple any;
    tcpsm_conn *c;
    char syn[64];
    int ts;

    START();
    sw.cfg.conn.flags = model_dice(2) ? 0 : TCPSM_NO_TS;
    sw.cfg.conn.counters = NULL;
    UP();
    LISTENER(80, 0, 0);
    CHECK_EQ(tcpsm_init(&model, &sw.cfg.conn), 0);
    CHECK_EQ(tcpsm_attach(&model, TCPSM_RECEIVE, rings[0], 8192, NULL), 0);
    CHECK_EQ(tcpsm_attach(&model, TCPSM_SEND, rings[1], 8192, NULL), 0);
    memset(&any, 0, sizeof any);
    any.family = 4;
    any.local_port = 80;
    CHECK_EQ(tcpsm_listen(&model, &any, w.p.now), 0);
    ts = model_dice(3) != 0;
    snprintf(syn, sizeof syn, "S 0 mss 1000 %s", ts ? "ts 5000 0" : "");
    IN("%s", syn);
    model_input();
    CHECK(stackwire_next_out() != 0);
    stackwire__learn();
    CHECK(model_output(buf, sizeof buf) != 0);
    w.ts = w.seg.timestamps;
    w.ts_clock = 5000;
    IN("A 1 ack 1");
    model_input();
    c = ACCEPT();
    CHECK_EQ(tcpsm_shutdown(c), 0);
    CHECK_EQ(tcpsm_shutdown(&model), 0);
    CHECK(stackwire_next_out() != 0);
    stackwire__learn();
    CHECK(model_output(buf, sizeof buf) != 0);
    if (model_dice(2))
        IN("FA 1 ack 2");
    else
        IN("FA 1 ack 2 len 10");
    model_input();
    CHECK(stackwire_next_out() != 0);
    stackwire__learn();
    CHECK(model_output(buf, sizeof buf) != 0);
    NONE();
    CHECK_EQ(model_output(buf, sizeof buf), 0);
    CHECK_EQ(tcpsm_state(&model), TCPSM_TIME_WAIT);
    CHECK_EQ(INFO(timewaits), 1);
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    NONE();
}

/* 1: it goes on */
static int model_agrees(void)
{
    static uint8_t buf[2000];
    uint32_t n = model_output(buf, sizeof buf), m = stackwire_next_out();
    pair_segment s;
    char text[256];

    if (tcpsm_state(&model) == TCPSM_CLOSED) { /* that SYN may open anew */
        CHECK_EQ(n, 0);
        CHECK(m != 0);
        CHECK_EQ(w.seg.flags, PAIR_SYN | PAIR_ACK);
        return 0;
    }
    if (m == 0) {
        CHECK_EQ(n, 0);
        return 1;
    }
    snprintf(text, sizeof text, "%s", wire_show(&w.seg));
    if (n == 0)
        FAIL("the stack alone says %s", text);
    CHECK_EQ(pair_parse(&s, buf, n), 0);
    s.wnd = w.seg.wnd; /* an entry keeps it in eight bits */
    s.sacks = 0;       /* and remembers no duplicates */
    if (strcmp(text, wire_show(&s)) != 0)
        FAIL("the stack says %s, layer 1 %s", text, wire_show(&s));
    stackwire__learn();
    return 1;
}

TEST(entry_does_what_layer_1_does)
{
    static const char *const flags[] = {"A",  "FA",  "FA", "FA", "PA", "R",
                                        "RA", "S",   "S",  "S",  "F",  "SA",
                                        ".",  "FPA", "SF", "SR", "FRA"};
    static const int seqs[] = {1,  1,  1,   0,    2,     3,       11,
                               12, 13, 100, -100, 20000, 1000000, 10};
    /* an entry does not know the largest window, so that it takes no old ACK
       for fresh */
    static const int acks[] = {2, 2, 2, 2, 2, 3, 4, -2000000000, 500};
    static const int lens[] = {0, 0, 0, 1, 10, 11};
    uint32_t i, f, reopened = 0, ended = 0;
    uint64_t seed;

    for (seed = 1; seed <= 400; seed++) {
        model_rng = seed;
        model_time_wait();
        for (i = 0; i < 40; i++) {
            char ts[32] = "";

            f = model_dice(sizeof flags / sizeof *flags);
            w.p.now += model_dice(4) * 900000 + 800000;
            if (model_dice(6) == 0)
                snprintf(ts, sizeof ts, "ts %u *", 4990 + model_dice(20));
            else if (model_dice(12) == 0)
                snprintf(ts, sizeof ts, "nots");
            /* near the end, when clocks are rounded, nobody asks */
            if (tcpsm_deadline(&model) - w.p.now < 200000 ||
                tcpsm_deadline(&model) <= w.p.now) {
                w.p.now = tcpsm_deadline(&model) + 4000000;
                ended++;
                break;
            }
            IN_ANY("%s %d ack %d len %d win %u %s", flags[f],
                   seqs[model_dice(sizeof seqs / sizeof *seqs)],
                   acks[model_dice(9)], lens[model_dice(6)], model_dice(500),
                   ts);
            CONTEXT("seed %llu step %u: %s", (unsigned long long)seed, i,
                    w.text);
            model_input();
            if (!model_agrees()) {
                reopened++;
                break;
            }
        }
        if (tcpsm_state(&model) == TCPSM_CLOSED || i == 40)
            continue;
        CHECK_EQ(INFO(timewaits), 1);
        CHECK(!waits()); /* both are through, but for rounding */
    }
    CHECK_GE(reopened, 50u);
    CHECK_GE(ended, 5u);
}
