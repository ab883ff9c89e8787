/* SYN cookies: when they are sent, what they keep, and who may use them
   (RFC 4987 s3.6; RFC 7323, RFC 9293 s3.10.7.4). */
#include "test.h"
#include "tcpsm.h"
#include "stackwire.h"

static void configure(void)
{
    START();
    sw.cfg.conns = 8;
    sw.cfg.syn_entries = 2;
    sw.cfg.conn.flags = 0;
}

/* Two clients who never answer hold the table. */
static void fill_table(void)
{
    int at = sw.at;

    PEER(60);
    IN_ANY("S 0 mss 1000");
    PEER(61);
    IN_ANY("S 0 mss 1000");
    DRAIN();
    PEER(at);
    if (INFO(syns) != INFO(syn_cap))
        FAIL("the table is not full");
}

static void full(void)
{
    configure();
    UP();
    LISTENER(80, 0, 0);
    fill_table();
}

/* The current peer's SYN, answered with a cookie. */
static void cookie(const char *options)
{
    uint64_t sent = INFO(cookies_sent);

    FRESH();
    IN("S 0 %s", options);
    CHECK(w.in.conn == NULL);
    if (stackwire_next_out() == 0)
        FAIL("no cookie");
    CHECK(stackwire_whose() == sw.at);
    stackwire__learn();
    CHECK_EQ(w.seg.flags, PAIR_SYN | PAIR_ACK);
    CHECK_EQ(w.seg.ack, w.irs + 1);
    CHECK_EQ(INFO(cookies_sent), sent + 1);
    CHECK_EQ(INFO(syns), INFO(syn_cap));
    w.ts = w.seg.timestamps;
}

static tcpsm_conn *by_cookie(const char *options)
{
    uint64_t good = INFO(cookies_good);

    cookie(options);
    NONE();
    IN("A 1 ack 1");
    CHECK_EQ(INFO(cookies_good), good + 1);
    NONE();
    return ACCEPT();
}

TEST(full_table_answers_with_a_cookie)
{
    tcpsm_conn *c;

    full();
    IN("S 0 mss 1460");
    OUT("SA 0 ack 1 win 8192 mss 1460");
    NONE();
    CHECK_EQ(INFO(syns), 2);
    CHECK_EQ(INFO(conns), 0);
    CHECK_EQ(INFO(cookies_sent), 1);
    /* no state: nothing is sent again */
    PEER(60);
    AT(1);
    OUT("SA 0 ack 1 mss 1460");
    PEER(61);
    OUT("SA 0 ack 1 mss 1460");
    NONE();
    PEER(0);
    IN("A 1 ack 1");
    c = ACCEPT();
    CHECK(w.in.conn == c);
    CHECK_EQ(tcpsm_state(c), TCPSM_ESTABLISHED);
    CHECK_EQ(INFO(cookies_good), 1);
    CHECK_EQ(INFO(accepted), 1);
    CHECK_EQ(STATUS(c, rcv_nxt), w.irs + 1);
    CHECK_EQ(STATUS(c, snd_nxt), w.iss + 1);
    CHECK_EQ(STATUS(c, snd_una), w.iss + 1);
    CHECK_EQ(STATUS(c, snd_wnd), 65535);
    CHECK_EQ(STATUS(c, rcv_wnd), 8192);
    IN("PA 1 ack 1 len 10");
    GOT(c, 10);
    SENT(c, 10);
    OUT("PA 1 ack 11 len 10");
}

/* The largest value of the table that the peer can take. */
TEST(cookie_keeps_the_mss)
{
    static const uint32_t value[] = {48,   536,  1024, 1220,
                                     1360, 1440, 1460, 8960};
    static const uint32_t asked[] = {
        0,    1,    48,   49,   535,  536,  537,  1023, 1024, 1219, 1220,
        1359, 1360, 1439, 1440, 1459, 1460, 1461, 8959, 8960, 8961, 65535};
    uint32_t i, k, want;

    for (i = 0; i < sizeof asked / sizeof *asked; i++) {
        tcpsm_conn *c;
        char text[32] = "";

        configure();
        sw.cfg.conn.mtu = 9000;
        sw.cfg.snd_ring = 65536;
        UP();
        LISTENER(80, 0, 0);
        fill_table();
        if (asked[i])
            snprintf(text, sizeof text, "mss %u", asked[i]);
        CONTEXT("%s", text);
        want = value[0];
        for (k = 0; k < 8; k++)
            if (value[k] <= (asked[i] ? asked[i] : 536))
                want = value[k];
        c = by_cookie(text);
        SENT(c, 9000);
        CHECK(stackwire_next_out() != 0);
        CHECK_EQ(w.seg.len, want);
    }
}

TEST(cookie_mss_over_ipv6)
{
    tcpsm_conn *c;

    START6();
    sw.cfg.conns = 8;
    sw.cfg.syn_entries = 2;
    UP();
    LISTENER(80, 0, 0);
    fill_table();
    IN("S 0");
    OUT("SA 0 ack 1 mss 1440");
    IN("A 1 ack 1");
    c = ACCEPT();
    SENT(c, 3000);
    OUT("A 1 ack 1 len 1220"); /* RFC9293-MUST-15 */
    OUT("A 1221 ack 1 len 1220");
    PEER(1);
    IN("S 0 mss 1440");
    OUT("SA 0 ack 1 mss 1440");
    IN("A 1 ack 1");
    c = ACCEPT();
    SENT(c, 1500);
    OUT("A 1 ack 1 len 1440");
}

/* Scale, SACK and timestamps live in the timestamp. */
TEST(cookie_options_need_timestamps)
{
    const struct tcpsm_info *i;
    tcpsm_conn *c;

    full();
    IN("S 0 mss 1460 ws 7 sackok");
    OUT("SA 0 ack 1 win 8192 mss 1460"); /* offers nothing it would forget */
    IN("A 1 ack 1 win 100");
    c = ACCEPT();
    i = stackwire__status(c);
    CHECK_EQ(i->scaling, 0);
    CHECK_EQ(i->sack, 0);
    CHECK_EQ(i->timestamps, 0);
    CHECK_EQ(i->snd_wnd, 100);
    CHECK_EQ(i->snd_scale, 0);
}

TEST(cookie_keeps_scale_and_sack_with_timestamps)
{
    int ws, sack;

    for (ws = -1; ws < 16; ws++)
        for (sack = 0; sack < 2; sack++) {
            const struct tcpsm_info *i;
            tcpsm_conn *c;
            char scale[16] = "";

            full();
            if (ws >= 0)
                snprintf(scale, sizeof scale, "ws %d", ws);
            CONTEXT("%s sack %d", scale, sack);
            IN("S 0 mss 1460 %s %s ts 900 0", scale, sack ? "sackok" : "");
            OUT("SA 0 ack 1 win 8192 mss 1460 %s %s ts * 900",
                ws >= 0 ? "ws 0" : "", sack ? "sackok" : "");
            w.ts = 1;
            w.ts_clock = 901;
            IN("A 1 ack 1 win 3");
            CHECK_EQ(INFO(cookies_good), 1);
            c = ACCEPT();
            i = stackwire__status(c);
            CHECK_EQ(i->timestamps, 1);
            CHECK_EQ(i->sack, sack);
            CHECK_EQ(i->scaling, ws >= 0);
            CHECK_EQ(i->snd_scale, ws < 0 ? 0 : ws > 14 ? 14 : ws);
            CHECK_EQ(i->snd_wnd, 3u << i->snd_scale);
            SENT(c, 2);
            OUT("PA 1 ack 1 len 2 ts * 901"); /* TS.Recent */
        }
}

TEST(cookie_offers_our_scale)
{
    tcpsm_conn *c;

    configure();
    sw.cfg.rcv_ring = 1 << 20;
    UP();
    LISTENER(80, 0, 0);
    fill_table();
    IN("S 0 mss 1460 ws 2 ts 900 0");
    OUT("SA 0 ack 1 win 65535 mss 1460 ws 5 ts * 900");
    w.ts = 1;
    w.ts_clock = 901;
    IN("PA 1 ack 1 len 1000");
    IN("PA 1001 ack 1 len 1000");
    c = ACCEPT();
    CHECK_EQ(STATUS(c, rcv_scale), 5);
    OUT("A 1 ack 2001");
    CHECK_GE((uint32_t)w.seg.wnd << 5, (1u << 20) - 2064);
    CHECK_LE((uint32_t)w.seg.wnd << 5, (1u << 20) - 2000);
    PEER(1);
    IN("S 0 mss 1460 ts 900 0"); /* no scale: none offered */
    OUT("SA 0 ack 1 win 65535 mss 1460 ts * 900");
    w.ts = 1;
    w.ts_clock = 901;
    IN("A 1 ack 1 win 5");
    c = ACCEPT();
    CHECK_EQ(STATUS(c, rcv_scale), 0);
    CHECK_LE(STATUS(c, rcv_wnd), 65535u);
    CHECK_EQ(STATUS(c, snd_wnd), 5);
}

TEST(cookie_respects_what_the_listener_has_off)
{
    uint32_t off;

    for (off = 0; off < 8; off++) {
        const struct tcpsm_info *i;
        int ts = !(off & 1), sack = ts && !(off & 2), ws = ts && !(off & 4);
        tcpsm_conn *c;

        configure();
        sw.cfg.conn.flags = (off & 1 ? TCPSM_NO_TS : 0) |
                            (off & 2 ? TCPSM_NO_SACK : 0) |
                            (off & 4 ? TCPSM_NO_SCALE : 0);
        UP();
        LISTENER(80, 0, 0);
        fill_table();
        IN("S 0 mss 1460 ws 7 sackok ts 5 0");
        OUT("SA 0 ack 1 mss 1460 %s %s %s", ws ? "ws 0" : "",
            sack ? "sackok" : "", ts ? "ts * 5" : "");
        w.ts = ts;
        w.ts_clock = 6;
        IN("A 1 ack 1 win 10");
        c = ACCEPT();
        i = stackwire__status(c);
        CHECK_EQ(i->timestamps, ts);
        CHECK_EQ(i->sack, sack);
        CHECK_EQ(i->scaling, ws);
        CHECK_EQ(i->snd_wnd, ws ? 1280 : 10);
    }
}

/* "later TSvals never precede the cookie's", and do not run away from it */
TEST(tsval_after_a_cookie_does_not_go_back)
{
    uint32_t step, at;

    full();
    for (step = 0; step < 400; step++) {
        tcpsm_conn *c;

        w.p.now += 777; /* all places in the 64 of the low bits */
        PEER((int)(step % 50));
        FRESH();
        w.irs += 100000;
        DRAIN();
        if (INFO(syns) != 2)
            fill_table();
        IN("S 0 mss 1460 ws %u sackok ts 5 0", step % 15);
        OUT("SA 0 ack 1 mss 1460 ws 0 sackok ts * 5");
        at = w.seg.ts_val;
        w.ts = 1;
        w.ts_clock = 6;
        IN("A 1 ack 1");
        c = ACCEPT();
        SENT(c, 2);
        OUT("PA 1 ack 1 len 2 ts * *");
        CHECKF((int32_t)(w.seg.ts_val - at) >= 0, "TSval %u after %u",
               w.seg.ts_val, at);
        CHECKF(w.seg.ts_val - at < 130, "TSval %u after %u", w.seg.ts_val,
               at);
        /* and a real clock from then on */
        at = w.seg.ts_val;
        w.p.now += 102400;
        IN("A 1 ack 3");
        SENT(c, 2);
        do /* those who fill the table are answered again, too */
            CHECK(stackwire_next_out() != 0);
        while (stackwire_whose() != sw.at);
        CHECKF(w.seg.ts_val - at - 90 <= 20, "TSval %u after %u",
               w.seg.ts_val, at);
        CHECK_EQ(tcpsm_abort(c), 0);
        CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
        DRAIN();
        CHECK_EQ(INFO(conns), 0);
        w.ts = 0;
    }
}

/* The RTT measured from a cookie's timestamp must be sane. */
TEST(rtt_after_a_cookie_is_sane)
{
    tcpsm_conn *c;

    full();
    cookie("mss 1460 ts 5 0");
    w.ts_clock = 6;
    w.p.now += 50000;
    IN("A 1 ack 1");
    c = ACCEPT();
    CHECK_LE(STATUS(c, srtt_us), 200000u);
    SENT(c, 10);
    CHECK(stackwire_next_out() != 0);
    w.tsval = w.seg.ts_val;
    w.p.now += 50000;
    IN("A 1 ack 11");
    CHECK_LE(STATUS(c, srtt_us), 200000u);
    CHECK_LE(STATUS(c, rto_us), 1500000u);
}

static void refused(const char *what, uint32_t seq)
{
    uint64_t good = INFO(cookies_good);
    uint32_t conns = INFO(conns);

    CONTEXT("%s", what);
    CHECKF(stackwire_next_out() != 0, "no reset for %s", what);
    CHECK(stackwire_whose() == sw.at);
    CHECK_EQ(w.seg.flags, PAIR_RST);
    CHECK_EQ(w.seg.seq, seq);
    NONE();
    CHECK_EQ(INFO(cookies_good), good);
    CHECK_EQ(INFO(conns), conns);
    CHECK(tcpsm_stack_accept(sw.st, NULL) == NULL);
}

TEST(wrong_cookies_are_reset)
{
    int i;

    full();
    cookie("mss 1460");
    for (i = 0; i < 32; i++) {
        IN_ANY("A 1 ack %lld", 1LL + (1LL << i));
        refused("a bit of the ACK", w.iss + 1 + (1u << i));
    }
    for (i = 0; i < 32; i++) {
        IN_ANY("A %lld ack 1", 1LL + (1LL << i));
        refused("a bit of the SEQ", w.iss + 1);
    }
    CHECK_GE(INFO(cookies_bad), 1u);
    for (i = 0; i < 16; i++) {
        w.tuple.remote_port = (uint16_t)(w.tuple.remote_port ^ 1 << i);
        IN_ANY("A 1 ack 1");
        refused("a bit of the port", w.iss + 1);
        w.tuple.remote_port = (uint16_t)(w.tuple.remote_port ^ 1 << i);
    }
    for (i = 0; i < 8; i++) {
        w.tuple.remote[2] = (uint8_t)(w.tuple.remote[2] ^ 1 << i);
        IN_ANY("A 1 ack 1");
        refused("a bit of the address", w.iss + 1);
        w.tuple.remote[2] = (uint8_t)(w.tuple.remote[2] ^ 1 << i);
    }
    CHECK_EQ(stackwire_address("10.0.0.9", 4, 0, 24, 1), 0);
    w.tuple.local[3] = 9;
    IN_ANY("A 1 ack 1");
    refused("another local address", w.iss + 1);
    w.tuple.local[3] = 1;
    LISTENER(81, 0, 0);
    w.tuple.local_port = 81;
    IN_ANY("A 1 ack 1");
    refused("another local port", w.iss + 1);
    w.tuple.local_port = 80;
    IN("A 1 ack 1");
    ACCEPT();
}

TEST(cookie_does_not_cross_zones)
{
    full();
    CHECK_EQ(stackwire_address("10.0.0.1", 4, 7, 24, 1), 0);
    cookie("mss 1460");
    CHECK_GE(LISTENER(80, 0, TCPSM_LISTEN_ANY_ZONE), 0);
    w.zone = w.tuple.zone = 7;
    IN_ANY("A 1 ack 1");
    refused("another zone", w.iss + 1);
}

/* The options are part of what the cookie proves: a client cannot choose
   afterwards. Nor can it lie about having sent timestamps. */
TEST(cookie_options_cannot_be_forged)
{
    uint32_t bit;

    full();
    cookie("mss 1460 ws 3 ts 5 0");
    w.ts = 0;
    w.ts_clock = 6;
    for (bit = 0; bit < 6; bit++) {
        IN_ANY("A 1 ack 1 ts 6 %u", w.tsval ^ 1u << bit);
        refused("option bits", w.iss + 1);
    }
    IN_ANY("A 1 ack 1");
    refused("timestamps dropped", w.iss + 1);
    IN("A 1 ack 1 ts 6 %u", w.tsval);
    CHECK_EQ(STATUS(ACCEPT(), snd_scale), 3);
    PEER(1);
    cookie("mss 1460");
    IN_ANY("A 1 ack 1 ts 6 5");
    if (stackwire_next_out() != 0) {
        CHECK_EQ(w.seg.flags, PAIR_RST);
    } else { /* or the option is ignored: it was not negotiated */
        tcpsm_conn *c = ACCEPT();

        CHECK_EQ(STATUS(c, timestamps), 0);
        CHECK_EQ(STATUS(c, scaling), 0);
        CHECK_EQ(STATUS(c, sack), 0);
    }
}

TEST(cookie_for_a_minute_and_not_for_five)
{
    static const double wait[] = {0.5, 20, 40, 60, 64, 300, 600, 5000};
    uint32_t i;

    for (i = 0; i < sizeof wait / sizeof *wait; i++) {
        full();
        CONTEXT("after %g s", wait[i]);
        /* at any phase of the period */
        w.p.now += 13000000u * i;
        DRAIN();
        while (INFO(syns) != 0) {
            w.p.now += 1000000;
            DRAIN();
        }
        fill_table();
        cookie("mss 1460");
        w.p.now += wire__us(wait[i]);
        while (stackwire_next_out() != 0)
            continue;
        IN_ANY("A 1 ack 1");
        if (wait[i] < 70) {
            CHECK_EQ(w.in.drop, 0);
            ACCEPT();
        } else
            refused("an old cookie", w.iss + 1);
    }
}

/* However a clock inside wraps. */
TEST(cookie_stays_old)
{
    uint32_t p;

    for (p = 27; p < 56; p++) {
        full();
        CONTEXT("after 2^%u us", p);
        cookie("mss 1460");
        w.p.now += (tcpsm_time)1 << p;
        while (stackwire_next_out() != 0)
            continue;
        fill_table();
        PEER(1);
        IN_ANY("S 0 mss 1460"); /* an overflow again */
        DRAIN();
        PEER(0);
        IN_ANY("A 1 ack 1");
        refused("an old cookie", w.iss + 1);
    }
}

/* A cookie is 32 bits that anybody may guess; so it counts only when some
   were sent. The same stack without an overflow refuses a real one. */
TEST(no_overflow_no_cookies)
{
    uint32_t iss;

    full();
    cookie("mss 1460");
    iss = w.iss;
    configure();
    UP();
    LISTENER(80, 0, 0);
    PEER(0);
    w.iss = iss;
    IN_ANY("A 1 ack 1");
    refused("no overflow", iss + 1);
    fill_table();
    IN_ANY("A 1 ack 1");
    refused("full, but not overflown", iss + 1);
    IN("S 0 mss 1460");
    OUT("SA 0 ack 1 mss 1460");
    CHECK_EQ(w.iss, iss); /* or the above proves nothing */
    IN("A 1 ack 1");
    ACCEPT();
}

/* "only shortly after an overflow": a cookie that would be right now, made
   by a twin of the stack. */
TEST(no_cookies_long_after_the_overflow)
{
    static const double after[] = {100, 140, 300, 4000};
    uint32_t i, iss;

    for (i = 0; i < sizeof after / sizeof *after; i++) {
        configure();
        CONTEXT("%g s after", after[i]);
        w.p.now += wire__us(after[i]);
        UP();
        LISTENER(80, 0, 0);
        fill_table();
        cookie("mss 1460"); /* the twin's */
        iss = w.iss;
        full();
        PEER(1);
        cookie("mss 1460"); /* the overflow */
        while (INFO(syns) != 0) {
            w.p.now += 1000000;
            DRAIN();
        }
        w.p.now = w.t0 + wire__us(after[i]);
        DRAIN();
        PEER(0);
        w.iss = iss;
        IN_ANY("A 1 ack 1");
        if (after[i] < 134) {
            CHECK_EQ(w.in.drop, 0);
            ACCEPT();
        } else
            refused("long after the overflow", iss + 1);
    }
}

TEST(cookie_of_another_key_is_refused)
{
    uint32_t iss;

    full();
    cookie("mss 1460");
    iss = w.iss;
    configure();
    memset(sw.cfg.conn.key, 0x33, 16);
    UP();
    LISTENER(80, 0, 0);
    fill_table();
    PEER(1);
    cookie("mss 1460");
    PEER(0);
    w.iss = iss;
    IN_ANY("A 1 ack 1");
    refused("another key", iss + 1);
}

TEST(cookie_ack_brings_data)
{
    tcpsm_conn *c;

    full();
    cookie("mss 1460");
    IN("PA 1 ack 1 len 100");
    c = ACCEPT();
    GOT(c, 100);
    SENT(c, 10);
    OUT("PA 1 ack 101 len 10");
    PEER(1);
    cookie("mss 1460 ts 5 0");
    w.ts_clock = 6;
    IN("FPA 1 ack 1 len 100");
    OUT("A 1 ack 102");
    c = ACCEPT();
    GOT(c, 100);
    CHECK_EQ(tcpsm_state(c), TCPSM_CLOSE_WAIT);
}

/* The bare third ACK was lost: the first text is as good. Text further on
   proves nothing, its SEQ does not give the IRS; but a reset would be wrong:
   the first may come yet. */
TEST(cookie_text_beyond_a_hole_waits_for_the_first)
{
    full();
    cookie("mss 1460");
    IN_NOTHING(TCPSM_DROP_BAD_ACK, "PA 11 ack 1 len 10");
    CHECK_EQ(INFO(conns), 0);
    IN("PA 1 ack 1 len 10");
    GOT(ACCEPT(), 10);
}

TEST(cookie_without_ack_or_with_syn_or_rst)
{
    full();
    cookie("mss 1460");
    IN_ANY("R 1 ack 1");
    NONE();
    IN_ANY("RA 1 ack 1");
    NONE();
    IN_ANY("SA 1 ack 1");
    refused("SYN,ACK", w.iss + 1);
    IN_ANY("SA 0 ack 1");
    refused("SYN,ACK", w.iss + 1);
    IN_ANY("F 1");
    DRAIN();
    CHECK_EQ(INFO(conns), 0);
    IN("A 1 ack 1");
    ACCEPT();
}

static void without_rings(void)
{
    configure();
    sw.cfg.rcv_ring = sw.cfg.snd_ring = 0;
    sw.cfg.conn.rcv_promise = 4096;
    UP();
    LISTENER(80, 0, 0);
    fill_table();
    IN("S 0 mss 1460");
    OUT("SA 0 ack 1 win 4096 mss 1460");
}

TEST(cookie_data_asks_for_a_ring)
{
    static uint8_t ring[4096];
    tcpsm_conn *c;

    without_rings();
    IN_RET(TCPSM_E_RING, "PA 1 ack 1 len 100");
    c = w.in.conn;
    CHECK(c != NULL);
    IN_RET(TCPSM_E_RING, "PA 1 ack 1 len 100");
    CHECK(w.in.conn == c);
    CHECK_EQ(INFO(conns), 1);
    CHECK_EQ(tcpsm_attach(c, TCPSM_RECEIVE, ring, sizeof ring, NULL), 0);
    IN("PA 1 ack 1 len 100");
    CHECK(ACCEPT() == c);
    GOT(c, 100);
    CHECK_EQ(INFO(cookies_good), 1);
}

TEST(cookie_data_left_behind)
{
    tcpsm_conn *c;

    without_rings();
    IN_RET(TCPSM_E_RING, "PA 1 ack 1 len 100");
    IN_DROP(TCPSM_DROP_NO_DATA, "PA 1 ack 1 len 100 nodata");
    c = ACCEPT();
    CHECK_EQ(STATUS(c, rcv_nxt), w.irs + 1);
    DRAIN();
    /* and at once */
    PEER(1);
    cookie("mss 1460");
    IN_DROP(TCPSM_DROP_NO_DATA, "PA 1 ack 1 len 100 nodata");
    ACCEPT();
}

/* A blind sender must not make us allocate: the checksum and the cookie
   come first. */
TEST(forged_cookie_data_asks_for_nothing)
{
    without_rings();
    IN_ANY("PA 1 ack 2 len 100");
    CHECK_EQ(w.ret, 0);
    CHECK(w.in.conn == NULL);
    NONE();
    CHECK_EQ(INFO(conns), 0);
    IN_NOTHING(TCPSM_DROP_CHECKSUM, "PA 1 ack 1 len 100 badsum");
    CHECK_EQ(INFO(conns), 0);
}

TEST(good_cookie_and_no_room_is_reset)
{
    configure();
    sw.cfg.conns = 2;
    UP();
    LISTENER(80, 0, 0);
    fill_table();
    PEER(0);
    cookie("mss 1460");
    PEER(1);
    cookie("mss 1460");
    PEER(2);
    cookie("mss 1460");
    PEER(0);
    IN("A 1 ack 1");
    ACCEPT();
    PEER(1);
    IN("A 1 ack 1");
    ACCEPT();
    PEER(2);
    IN_ANY("A 1 ack 1");
    refused("no connection", w.iss + 1);
}

TEST(good_cookie_and_a_full_backlog_is_reset)
{
    configure();
    UP();
    LISTENER(80, 1, 0);
    fill_table();
    cookie("mss 1460");
    PEER(1);
    cookie("mss 1460");
    PEER(0);
    IN("A 1 ack 1");
    PEER(1);
    IN_ANY("A 1 ack 1");
    CHECKF(stackwire_next_out() != 0, "no reset");
    CHECK_EQ(w.seg.flags, PAIR_RST);
    CHECK_EQ(w.seg.seq, w.iss + 1);
    PEER(0);
    ACCEPT();
}

TEST(good_cookie_and_no_listener_is_reset)
{
    tcpsm_ret l;

    configure();
    UP();
    l = LISTENER(80, 0, 0);
    fill_table();
    cookie("mss 1460");
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, l), 0);
    DRAIN();
    IN_ANY("A 1 ack 1");
    refused("no listener", w.iss + 1);
}

/* A cookie speaks for the listener that sent it: what it offered, another
   one does not know. */
TEST(cookie_of_another_listener_is_reset)
{
    tcpsm_config cfg;
    tcpsm_tuple t;
    tcpsm_ret l;

    configure();
    sw.cfg.rcv_ring = 1 << 20;
    UP();
    l = LISTENER(80, 0, 0);
    LISTENER(81, 0, 0);
    PEER(60);
    w.tuple.local_port = 81; /* the table is not this listener's */
    PEER(61);
    w.tuple.local_port = 81;
    PEER(0);
    fill_table();
    IN("S 0 mss 1460 ws 2 ts 900 0");
    OUT("SA 0 ack 1 win 65535 mss 1460 ws 5 ts * 900");
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, l), 0);
    DRAIN();
    cfg = sw.cfg.conn;
    cfg.rcv_max = 8 << 20; /* a scale of 8 */
    memset(&t, 0, sizeof t);
    t.local_port = 80;
    CHECK_EQ(tcpsm_stack_listen(sw.st, &t, 0, 0, &cfg), l);
    IN_ANY("A 1 ack 1 ts 901 %u", w.tsval);
    refused("another scale", w.iss + 1);
}

TEST(cookie_says_what_its_listener_offers)
{
    tcpsm_config cfg;
    tcpsm_tuple t;

    configure();
    UP();
    LISTENER(81, 0, 0);
    cfg = sw.cfg.conn;
    cfg.mtu = 1000;
    cfg.ttl = 17;
    cfg.dscp = 10;
    memset(&t, 0, sizeof t);
    t.local_port = 80;
    CHECK_GE(tcpsm_stack_listen(sw.st, &t, 0, 0, &cfg), 0);
    fill_table();
    IN("S 0 mss 1460");
    OUT("SA 0 ack 1 mss 960");
    CHECK_EQ(INFO(cookies_sent), 1);
    CHECK_EQ(sw.o.ttl, 17);
    CHECK_EQ(sw.o.tos, 40);
    IN("A 1 ack 1");
    SENT(ACCEPT(), 3000);
    OUT("A 1 ack 1 len 960");
    CHECK_EQ(sw.o.ttl, 17);
    CHECK_EQ(sw.o.tos, 40);
}

TEST(cookie_does_not_pass_by_who_wants_to_be_asked)
{
    tcpsm_ret l;

    configure();
    UP();
    l = LISTENER(80, 0, 0);
    LISTENER(81, 0, 0);
    PEER(60);
    w.tuple.local_port = 81;
    PEER(61);
    w.tuple.local_port = 81;
    PEER(0);
    fill_table();
    cookie("mss 1460");
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, l), 0);
    DRAIN();
    CHECK_EQ(LISTENER(80, 0, TCPSM_LISTEN_ASK), l);
    IN_ANY("A 1 ack 1");
    refused("must be asked", w.iss + 1);
}

/* SYNs that wait for a verdict do not shut out the others. */
TEST(held_syns_fill_the_table_and_others_get_cookies)
{
    configure();
    UP();
    LISTENER(80, 0, 0);
    LISTENER(81, 0, TCPSM_LISTEN_ASK);
    PEER(60);
    w.tuple.local_port = 81;
    PEER(61);
    w.tuple.local_port = 81;
    PEER(0);
    fill_table();
    CHECK_EQ(INFO(held), 2);
    cookie("mss 1460");
    IN("PA 1 ack 1 len 5");
    GOT(ACCEPT(), 5);
}

TEST(cookie_acks_make_one_connection)
{
    tcpsm_conn *c;

    full();
    c = by_cookie("mss 1460");
    IN("A 1 ack 1");
    CHECK(w.in.conn == c);
    IN("PA 1 ack 1 len 5");
    CHECK(w.in.conn == c);
    CHECK_EQ(INFO(conns), 1);
    CHECK(tcpsm_stack_accept(sw.st, NULL) == NULL);
    GOT(c, 5);
}

TEST(no_cookies_when_told)
{
    configure();
    sw.cfg.flags = TCPSM_NO_COOKIES;
    UP();
    LISTENER(80, 0, 0);
    fill_table();
    IN_NOTHING(TCPSM_DROP_FULL, "S 0 mss 1460");
    CHECK_EQ(INFO(cookies_sent), 0);
    CHECK_GE(INFO(syns_dropped), 1u);
}

TEST(no_cookie_when_the_accept_queue_is_full)
{
    configure();
    UP();
    LISTENER(80, 1, 0);
    PEER(5);
    IN("S 0 mss 1000");
    CHECK(stackwire_next_out() != 0);
    stackwire__learn();
    IN("A 1 ack 1");
    LISTENER(81, 0, 0);
    PEER(60);
    w.tuple.local_port = 81;
    PEER(61);
    w.tuple.local_port = 81;
    PEER(0);
    fill_table();
    IN_NOTHING(TCPSM_DROP_FULL, "S 0 mss 1460");
    CHECK_EQ(INFO(cookies_sent), 0);
}

/* RFC 6191 needs an ISS beyond the old SND.NXT: a cookie cannot have it. */
TEST(no_cookie_for_a_name_in_time_wait)
{
    tcpsm_conn *c;

    configure();
    UP();
    LISTENER(80, 0, 0);
    c = HANDSHAKE("mss 1000");
    CHECK_EQ(tcpsm_close(c), 0);
    OUT("FA 1 ack 1");
    IN("FA 1 ack 2");
    OUT("A 2 ack 2");
    NONE();
    CHECK_EQ(INFO(timewaits), 1);
    fill_table();
    IN_ANY("S 100000 mss 1000");
    NONE();
    CHECK_EQ(INFO(cookies_sent), 0);
    CHECK_EQ(INFO(timewaits), 1); /* and it is not given up for nothing */
}

TEST(cookies_end_with_the_overflow)
{
    full();
    cookie("mss 1460");
    PEER(60);
    IN_ANY("R 1");
    DRAIN();
    CHECK_EQ(INFO(syns), 1);
    PEER(1);
    IN("S 0 mss 1460");
    DRAIN();
    CHECK_EQ(INFO(syns), 2);
    CHECK_EQ(INFO(cookies_sent), 1);
    PEER(0);
    IN("A 1 ack 1"); /* its cookie is still good */
    ACCEPT();
}

/* The cookie was slow, the SYN came again and found a place: two SYN-ACKs
   are on their way, and the client believes the first. Reset for a wrong ACK
   it would lose a good connection. */
TEST(cookie_and_then_an_entry_for_the_same_client)
{
    uint32_t iss;

    full();
    cookie("mss 1460");
    iss = w.iss;
    PEER(60);
    IN_ANY("R 1");
    PEER(0);
    w.p.now += 20000;
    IN("S 0 mss 1460");
    CHECK_EQ(INFO(syns), 2);
    OUT("SA 0 ack 1 mss 1460");
    CHECK_NE(w.iss, iss);
    w.iss = iss;
    IN("PA 1 ack 1 len 10");
    CHECK_EQ(INFO(syns), 1);
    GOT(ACCEPT(), 10);
    WAIT(0.04);
    OUT("A 1 ack 11");
    /* and one who believes the second */
    PEER(60);
    IN_ANY("S 0 mss 1000");
    DRAIN();
    PEER(1);
    cookie("mss 1460");
    PEER(60);
    IN_ANY("R 1");
    PEER(1);
    w.p.now += 20000;
    IN("S 0 mss 1460");
    OUT("SA 0 ack 1 mss 1460");
    IN("PA 1 ack 1 len 10");
    GOT(ACCEPT(), 10);
}

/* Law 4: an old copy of the segment that proved a cookie does not prove it
   again, however the connection ended. */
TEST(cookie_proves_itself_once)
{
    tcpsm_conn *c;
    int end;

    for (end = 0; end < 4; end++) {
        full();
        CONTEXT("end %d", end);
        cookie("mss 1460");
        IN("PA 1 ack 1 len 10");
        c = ACCEPT();
        GOT(c, 10);
        if (end == 0) {
            IN_ANY("R 11");
        } else if (end == 1) {
            CHECK_EQ(tcpsm_abort(c), 0);
        } else if (end == 2) {
            IN("FA 11 ack 1");
            CHECK_EQ(tcpsm_close(c), 0);
            DRAIN();
            IN("A 12 ack 2");
        } else {
            CHECK_EQ(tcpsm_close(c), 0);
            DRAIN();
            IN("FA 11 ack 2");
        }
        DRAIN();
        CHECK_EQ(tcpsm_state(c), TCPSM_CLOSED);
        if (end & 1)
            CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
        IN_ANY("PA 1 ack 1 len 10");
        DRAIN();
        IN_ANY("A 1 ack 1");
        DRAIN();
        CHECK(tcpsm_stack_accept(sw.st, NULL) == NULL);
        CHECK_EQ(INFO(conns), !(end & 1));
    }
}

/* Also when it brought nothing else: no second connection that nobody is at
   the other end of. */
TEST(bare_cookie_proves_itself_once)
{
    tcpsm_conn *c;

    full();
    c = by_cookie("mss 1460");
    IN_ANY("R 1");
    DRAIN();
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    IN_ANY("A 1 ack 1");
    DRAIN();
    CHECK(tcpsm_stack_accept(sw.st, NULL) == NULL);
    CHECK_EQ(INFO(conns), 0);
}

/* What stands in its way is no TIME-WAIT for anybody else: who has lost the
   reset of an aborted connection gets another, also for text, */
TEST(aborted_cookie_connection_resets_late_segments)
{
    tcpsm_conn *c;

    full();
    c = by_cookie("mss 1460");
    IN("PA 1 ack 1 len 10");
    CHECK_EQ(tcpsm_abort(c), 0);
    OUT("RA 1 ack 11");
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    DRAIN();
    IN_ANY("A 11 ack 1");
    OUT("R 1");
    IN_ANY("FA 11 ack 1");
    OUT("R 1");
    IN_ANY("PA 11 ack 1 len 10");
    OUT("R 1");
}

/* the client may begin again at once, with any ISN, */
TEST(client_of_a_dead_cookie_connection_begins_again)
{
    tcpsm_conn *c;

    full();
    c = by_cookie("mss 1460");
    IN_ANY("R 1");
    CHECK_EQ(tcpsm_state(c), TCPSM_CLOSED);
    DRAIN();
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    PEER(60);
    IN_ANY("R 1"); /* there is room in the table */
    PEER(0);
    w.irs -= 100000;
    IN("S 0 mss 1460");
    OUT("SA 0 ack 1 mss 1460");
    IN("PA 1 ack 1 len 3");
    GOT(ACCEPT(), 3);
}

/* and a connection that was taken out may come back. */
TEST(cookie_connection_leaves_and_comes_back)
{
    static uint8_t blob[65536];
    tcpsm_conn *c;
    tcpsm_ret n;

    full();
    c = by_cookie("mss 1460");
    n = tcpsm_export(c, blob, sizeof blob, w.p.now);
    CHECK_GT(n, 0);
    CHECK_EQ(tcpsm_stack_forget(sw.st, c), 0);
    DRAIN();
    CHECK_EQ(INFO(conns), 0);
    CHECK_EQ(INFO(timewaits), 0);
    CHECK_EQ(
        tcpsm_stack_import(sw.st, blob, (uint32_t)n, NULL, NULL, &c, w.p.now),
        0);
    IN("PA 1 ack 1 len 10");
    GOT(c, 10);
}

TEST(syn_flood_costs_nothing)
{
    struct tcpsm_info before, after;
    tcpsm_conn *c;
    uint32_t i;

    configure();
    UP();
    LISTENER(80, 0, 0);
    PEER(1);
    c = HANDSHAKE("mss 1000 ws 2 sackok ts 5 0");
    fill_table();
    PEER(2);
    tcpsm_status(c, &before);
    sw.unchecked = 1;
    for (i = 0; i < 20000; i++) {
        memcpy(w.tuple.remote, &i, 2);
        w.tuple.remote[0] = 11;
        w.tuple.remote_port = (uint16_t)(1 + i % 60000);
        w.irs = i * 2654435761u;
        IN_ANY("S 0 mss 1000 ws 3");
        if (i % 1000 == 999) {
            CHECK_LE(DRAIN(), 16); /* the reply ring */
            CHECK_EQ(tcpsm_stack_check(sw.st), 0);
        }
    }
    CHECK_EQ(INFO(conns), 1);
    CHECK_EQ(INFO(syns), 2);
    CHECK_EQ(INFO(timewaits), 0);
    CHECK_EQ(INFO(rings), 1);
    CHECK_GE(INFO(replies_lost), 19000u);
    CHECK_LE(INFO(cookies_sent) + INFO(replies_lost), 20000u);
    tcpsm_status(c, &after);
    CHECK_MEM(&before, &after, sizeof before);
    PEER(1);
    IN("PA 1 ack 1 len 10");
    GOT(c, 10);
}

/* Over an hour: whoever gets a cookie can use it, at every phase. */
TEST(cookies_at_every_phase_of_their_clock)
{
    uint32_t i;

    full();
    for (i = 0; i < 400; i++) {
        tcpsm_conn *c;

        w.p.now += 9700000;
        DRAIN();
        fill_table();
        w.irs += 100000;
        w.tuple.remote_port++;
        cookie("mss 1460");
        w.p.now += 60000000;
        DRAIN();
        IN("A 1 ack 1");
        c = ACCEPT();
        tcpsm_abort(c);
        tcpsm_stack_release(sw.st, c);
        DRAIN();
    }
}
