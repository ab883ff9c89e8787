/* What a connection is made of when it begins: the configuration at its
   limits, LISTEN with some of its name fixed, a cookie for a narrow path, a
   clock that is old already, a controller of one's own. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#include "stream.h"

/* RFC 6528 s3: a key of zero bytes is no key, whatever stands behind it. */
TEST(no_key_with_a_controller_behind_it)
{
    static const tcpsm_cc two[2] = {TCPSM_CC_BUILT_IN(TCPSM_CC_NEWRENO),
                                    TCPSM_CC_BUILT_IN(TCPSM_CC_NEWRENO)};
    tcpsm_config f = TCPSM_ZERO;
    tcpsm_conn c;
    int k;

    for (k = 0; k < 2; k++) { /* the low byte of one address is not 0 */
        f.cc = &two[k];
        CHECK_EQ(tcpsm_init(&c, &f), TCPSM_E_KEY);
    }
    f.key[15] = 1;
    CHECK_EQ(tcpsm_init(&c, &f), 0);
}

/* TCPSM_MAX_RING is the largest, not the first that is too large. */
TEST(the_largest_ring)
{
    tcpsm_config f = TCPSM_ZERO;
    tcpsm_conn c;

    memset(f.key, 1, 16);
    f.rcv_max = TCPSM_MAX_RING;
    CHECK_EQ(tcpsm_init(&c, &f), 0);
    f.rcv_max++;
    CHECK_EQ(tcpsm_init(&c, &f), TCPSM_E_ARG);
}

/* ---- LISTEN again (9293-u10) -------------------------------------------- */

/* What the owner fixed stays so when a handshake is reset. */
TEST(listens_again_for_the_same_port)
{
    tcpsm_tuple t;

    START();
    wire__init();
    t = w.tuple;
    memset(t.remote, 0, 16); /* any address, but this port */
    CHECK_EQ(tcpsm_listen(w.c, &t, w.p.now), 0);
    wire__touched();
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN("R 1");
    STATE(TCPSM_LISTEN);
    w.tuple.remote_port++;
    IN_RET(TCPSM_E_NOT_MINE, "S 0 mss 1000");
    w.tuple.remote_port--;
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
}

TEST(listens_again_for_the_same_host)
{
    tcpsm_tuple t;

    START();
    wire__init();
    t = w.tuple;
    memset(t.local, 0, 16); /* at any address of ours, for this peer */
    t.remote_port = 0;
    CHECK_EQ(tcpsm_listen(w.c, &t, w.p.now), 0);
    wire__touched();
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN("R 1");
    STATE(TCPSM_LISTEN);
    w.tuple.remote[3]++;
    IN_RET(TCPSM_E_NOT_MINE, "S 0 mss 1000");
    w.tuple.remote[3]--;
    w.tuple.remote_port++; /* that may be another */
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
}

/* ---- before there is a ring --------------------------------------------- */

/* Text of a bare SYN is not taken in SYN-SENT, so it needs no ring; that of a
   SYN,ACK does, if a window was promised. */
TEST(a_ring_only_for_text_that_is_taken)
{
    START();
    w.rcv_ring = 0;
    w.cfg.rcv_promise = 5000;
    OPEN();
    wire__fill();
    wire__take();
    IN_DROP(TCPSM_DROP_NO_DATA, "S 0 mss 1000 len 10");
    STATE(TCPSM_SYN_RECEIVED);

    START();
    w.rcv_ring = 0;
    w.cfg.rcv_promise = 5000;
    OPEN();
    wire__fill();
    wire__take();
    IN_RET(TCPSM_E_RING, "SA 0 ack 1 mss 1000 len 10");
    STATE(TCPSM_SYN_SENT);
    IN_DROP(TCPSM_DROP_NO_DATA, "SA 0 ack 1 mss 1000 len 10 nodata");
    STATE(TCPSM_ESTABLISHED);

    START(); /* nothing was promised: it is beyond the window */
    w.rcv_ring = 0;
    OPEN();
    wire__fill();
    wire__take();
    IN_ANY("SA 0 ack 1 mss 1000 len 10");
    CHECK_EQ(w.ret, 0);
    STATE(TCPSM_ESTABLISHED);
}

/* RFC7323-13: a reset has the timestamp of the segment that it answers, not
   that of another one. */
TEST(RFC7323_13_the_last_of_two_resets)
{
    START();
    w.cfg.flags = TCPSM_NO_SACK | TCPSM_NO_ECN | TCPSM_NO_SCALE;
    OPEN();
    wire__fill();
    wire__take();
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 0 ack 99 ts 5 6");
    OUT("R 99 ts 0 5");
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 0 ack 99 ts 5 6");
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 0 ack 98 nots");
    OUT("R 98");
    NONE();
}

/* ---- an old clock ------------------------------------------------------- */

/* RFC7323-15: TS.Recent counts its own 24 days, not those of the clock: after
   a year of uptime an old segment is still an old one. */
TEST(RFC7323_12_after_a_year)
{
    START();
    w.cfg.flags = TCPSM_NO_SACK | TCPSM_NO_ECN | TCPSM_NO_SCALE;
    w.p.now = w.t0 = (tcpsm_time)1 << 45;
    OPENED("mss 1000 ts 1000000 *");
    w.ts_clock = 2000000;
    IN("PA 1 ack 1 len 10");
    wire__fill();
    w.q_n = 0;
    IN_DROP(TCPSM_DROP_PAWS, "PA 11 ack 1 len 10 ts 1000000 *");
    OUT("A 1 ack 11");
    IN("PA 11 ack 1 len 10");
}

/* ---- Fast Open, the client's side --------------------------------------- */

/* RFC7413-7: a server's large MSS does not widen our own path. */
TEST(RFC7413_7_within_the_mtu)
{
    static const uint16_t mtus[] = {300, 601, 1500};
    tcpsm_fastopen e = TCPSM_ZERO;
    uint32_t k;

    memset(e.cookie, 7, 8);
    e.len = 8;
    e.mss = 8960;
    for (k = 0; k < 3; k++) {
        START();
        w.cfg.flags = WIRE_PLAIN;
        w.cfg.mtu = mtus[k];
        wire__init();
        CHECK_EQ(tcpsm_open_fast(w.c, &w.tuple, &e, w.p.now), 0);
        wire__touched();
        SEND(3000);
        wire__fill();
        wire__take();
        CHECK_LE(w.seg.hdr_len + w.seg.len + 20, mtus[k]);
        CHECK_GE(w.seg.hdr_len + w.seg.len + 20, mtus[k] - 3u);
    }
}

/* RFC7413-5: one octet that is not acknowledged is a negative answer, too. */
TEST(RFC7413_5_one_octet_not_taken)
{
    tcpsm_fastopen e = TCPSM_ZERO;

    memset(e.cookie, 7, 8);
    e.len = 8;
    e.mss = 1000;
    START();
    w.cfg.flags = WIRE_PLAIN | TCPSM_NODELAY;
    wire__init();
    CHECK_EQ(tcpsm_open_fast(w.c, &w.tuple, &e, w.p.now), 0);
    wire__touched();
    SEND(1);
    OUT("S 0 len 1 mss 1460");
    IN("SA 0 ack 1 mss 1000");
    CHECK_EQ(tcpsm_fastopen_learn(w.c, &e), 1);
    CHECK_EQ(e.refused, 1);
}

/* A shorter cookie than the last leaves nothing of it behind. */
TEST(RFC7413_4_a_shorter_cookie)
{
    static const uint8_t want[16] = {1, 2, 3, 4};
    tcpsm_fastopen e = TCPSM_ZERO;

    memset(e.cookie, 7, 16);
    e.len = 16;
    e.mss = 1000;
    START();
    w.cfg.flags = WIRE_PLAIN | TCPSM_NODELAY;
    wire__init();
    CHECK_EQ(tcpsm_open_fast(w.c, &w.tuple, &e, w.p.now), 0);
    wire__touched();
    SEND(5);
    OUT("S 0 len 5 mss 1460");
    IN("SA 0 ack 6 mss 1200 raw 220601020304");
    CHECK_EQ(tcpsm_fastopen_learn(w.c, &e), 1);
    CHECK_EQ(e.len, 4);
    CHECK_EQ(e.mss, 1200);
    CHECK_EQ(e.refused, 0);
    CHECK_MEM(e.cookie, want, 16);
}

/* ---- what a controller is told ------------------------------------------ */

static struct {
    tcpsm_cc_event e;
    uint32_t n;
} told;

static void in_avoidance(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    s->cwnd = 10 * e->mss;
    s->ssthresh = 2 * e->mss;
}

static void note(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    (void)s;
    told.e = *e;
    told.n++;
}

static const tcpsm_cc mine = {200,  in_avoidance, note, NULL,
                              NULL, NULL,         NULL, NULL};

static void flight_of(uint32_t n, tcpsm_time rtt)
{
    START();
    w.cfg.flags = WIRE_PLAIN | TCPSM_NODELAY;
    w.cfg.cc = &mine;
    OPENED("mss 1000 win 60000");
    memset(&told, 0, sizeof told);
    SEND(n);
    wire__fill();
    w.q_head = w.q_n = 0;
    stream_drain();
    w.p.now += rtt;
    IN("A 1 ack %u", n + 1);
    CHECK_EQ(told.n, 1);
    CHECK_EQ(told.e.flight, n);
    CHECK_EQ(told.e.acked, n);
}

/* RFC 9438 s4.2, RFC 7661: past slow start a window is in use when less than
   two segments of it are left. */
TEST(app_limited_in_congestion_avoidance)
{
    flight_of(7900, 50000);
    CHECK_EQ(told.e.app_limited, 1);
    flight_of(7999, 50000);
    CHECK_EQ(told.e.app_limited, 1);
    flight_of(8000, 50000);
    CHECK_EQ(told.e.app_limited, 0);
    flight_of(8500, 50000);
    CHECK_EQ(told.e.app_limited, 0);
}

/* 0 means "no sample", so one of no time at all is 1. */
TEST(a_sample_of_no_time)
{
    flight_of(5000, 0);
    CHECK_EQ(told.e.rtt_us, 1);
    flight_of(5000, 50000);
    CHECK_EQ(told.e.rtt_us, 50000);
}
