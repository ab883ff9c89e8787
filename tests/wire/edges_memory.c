/* Rings, tables, status and blobs at their edges: what a caller reads there
   and gets back. Each call's paragraph in tcpsm.h says it; law 8 and law 11
   of docs/design.md are behind them. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

static uint8_t blob[2][32768];

/* What is sent now is no concern here. */
static void drain(void)
{
    for (wire__fill(); w.q_n != 0; wire__fill())
        wire__take();
}

TEST(events_say_that_it_failed)
{
    START();
    OPENED("mss 1000");
    CHECK_EQ(tcpsm_events(w.c) & TCPSM_EV_ERROR, 0);
    IN("RA 1 ack 1");
    CHECK_NE(tcpsm_events(w.c) & TCPSM_EV_ERROR, 0);
    ERROR_IS(TCPSM_E_RESET);
}

/* Rings wrap: both spans together are what is there. */
TEST(what_wraps_is_lent_as_two_spans)
{
    tcpsm_cspan s[2];
    uint8_t got[300], want[300];
    uint32_t i;

    START();
    w.rcv_ring = 1000;
    OPENED("mss 1000");
    IN("PA 1 ack 1 len 400");
    READ(400);
    drain();
    IN("PA 401 ack 1 len 400");
    READ(400);
    drain();
    IN("PA 801 ack 1 len 300");
    CHECK_EQ(tcpsm_receive_peek(w.c, s), 300);
    CHECK_EQ(s[0].n, 200);
    CHECK_EQ(s[1].n, 100);
    memcpy(got, s[0].p, s[0].n);
    memcpy(got + s[0].n, s[1].p, s[1].n);
    CHECK_EQ(tcpsm_receive(w.c, want, sizeof want), 300);
    for (i = 0; i < 300; i++)
        CHECK_EQ(got[i], want[i]);
}

TEST(status_tells_of_both_rings)
{
    struct tcpsm_info i;

    START();
    w.rcv_ring = 3000;
    w.snd_ring = 7000;
    OPENED("mss 1000");
    IN("PA 1 ack 1 len 400");
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.rcv_queued, 400);
    CHECK_EQ(i.rcv_free, 2600);
    CHECK_EQ(i.snd_queued, 0);
    CHECK_EQ(i.snd_free, 7000);
}

/* Also when as much lies beyond a gap as before it. */
TEST(a_ring_with_data_is_not_taken_back)
{
    START();
    w.cfg.rcv_promise = 70000; /* no reason to refuse it */
    OPENED("mss 1000");
    IN("PA 1 ack 1 len 100");
    IN("PA 151 ack 1 len 50");
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_RECEIVE, NULL, 0, NULL), TCPSM_E_STATE);
    IN("PA 101 ack 1 len 50");
    READ(200);
}

TEST(a_ring_needs_memory_and_a_length)
{
    static uint8_t mem[100];

    START();
    OPENED("mss 1000");
    CHECK_EQ(tcpsm_attach(NULL, TCPSM_SEND, mem, sizeof mem, NULL),
             TCPSM_E_ARG);
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_SEND, NULL, 100, NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_SEND, mem, 0, NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_SEND, mem, TCPSM_MAX_RING + 1, NULL),
             TCPSM_E_ARG);
}

/* Each length of table memory gives what tcpsm_attach promises: runs one by
   one up to 128, then in steps of 16, and at most 255 ranges. */
TEST(tables_grow_in_known_steps)
{
    static uint8_t mem[24000];
    struct tcpsm_info i;
    uint32_t len, last = 0, want = 0, steps = 0;

    START();
    OPENED("mss 1000");
    for (len = 64; len <= sizeof mem; len++) {
        if (tcpsm_attach(w.c, TCPSM_TABLES, mem, len, NULL) != 0)
            continue;
        tcpsm_status(w.c, &i);
        if (i.run_cap == last)
            continue;
        if (last != 0)
            CHECK_EQ(i.run_cap, want);
        last = i.run_cap;
        want = last < 128 ? last + 1 : last + 16;
        CHECK_EQ(i.range_cap, last < 255 ? last : 255);
        steps++;
    }
    CHECK_EQ(last, 2160);
    CHECK_GT(steps, 200u);
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_TABLES, NULL, 0, NULL), 0);
}

TEST(facts_go_in_and_come_out)
{
    static uint8_t ring[6];
    tcpsm_facts f, g;
    tcpsm_conn c;

    START();
    memset(&f, 0, sizeof f);
    w.cfg.key[0] = 1;
    w.cfg.flags = 0;
    f.snd_nxt = 1000;
    f.rcv_nxt = 2000;
    f.snd_wnd = 4000;
    f.peer_mss = 1000;
    f.scaling = f.no_ect = 1;
    f.ecn = 2;
    f.snd_scale = 3;
    f.rcv_scale = 1;
    CHECK_EQ(tcpsm_init(&c, &w.cfg), 0);
    /* six bytes are worth three units of this scale: too few */
    CHECK_EQ(tcpsm_attach(&c, TCPSM_RECEIVE, ring, sizeof ring, NULL), 0);
    CHECK_EQ(tcpsm_open_from(&c, &w.tuple, &f, 1000), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_attach(&c, TCPSM_RECEIVE, NULL, 0, NULL), 0);
    CHECK_EQ(tcpsm_open_from(&c, &w.tuple, &f, 1000), 0);
    tcpsm_facts_of(&c, &g);
    CHECK_EQ(g.no_ect, 1);
    CHECK_EQ(g.ecn, 2);
    CHECK_EQ(g.snd_scale, 3);
    CHECK_EQ(g.rcv_scale, 1);
    CHECK_EQ(g.snd_nxt, 1000);
    CHECK_EQ(g.peer_mss, 1000);
}

TEST(the_slowest_pace_is_a_sane_one)
{
    START();
    w.cfg.pace_start = w.cfg.pace_steady = 25;
    w.cfg.flags = WIRE_PLAIN | TCPSM_PACE;
    OPENED("mss 1000");
    CHECK_EQ(tcpsm_check(w.c), 0);
}

/* ---- blobs --------------------------------------------------------------- */

/* What went through a blob writes the same blob: nothing is lost. */
static void same_again(void)
{
    static uint8_t rcv[200000], snd[200000], tables[24000];
    struct tcpsm_info i;
    tcpsm_conn c;
    tcpsm_ret n, m;
    tcpsm_time now = w.p.now;

    tcpsm_status(w.c, &i);
    n = tcpsm_export(w.c, blob[0], sizeof blob[0], now);
    CHECK_GT(n, 0);
    CHECK_EQ(tcpsm_init(&c, &w.cfg), 0);
    CHECK_EQ(
        tcpsm_attach(&c, TCPSM_RECEIVE, rcv, i.rcv_queued + i.rcv_free, NULL),
        0);
    CHECK_EQ(
        tcpsm_attach(&c, TCPSM_SEND, snd, i.snd_queued + i.snd_free, NULL),
        0);
    CHECK_EQ(tcpsm_attach(&c, TCPSM_TABLES, tables, sizeof tables, NULL), 0);
    CHECK_EQ(tcpsm_import(&c, &w.cfg, blob[0], (uint32_t)n, now), 0);
    m = tcpsm_export(&c, blob[1], sizeof blob[1], now);
    CHECK_EQ(m, n);
    CHECK_MEM(blob[0], blob[1], (size_t)n);
}

/* RFC 9937's counters, RACK's and the undo's go along. */
TEST(a_recovery_under_way_goes_through_a_blob_whole)
{
    struct tcpsm_info i;

    START();
    w.cfg.flags = TCPSM_NO_TS | TCPSM_NO_PROBE;
    OPEN();
    drain();
    WAIT(0.1);
    IN("SA 0 ack 1 win 60000 mss 1000 sackok");
    drain();
    SEND(10000);
    drain();
    WAIT(0.1);
    IN("A 1 ack 2001");
    drain();
    same_again();
    WAIT(0.01);
    IN("A 1 ack 2001 sack 3001:5001");
    drain();
    IN("A 1 ack 2001 sack 3001:8001");
    drain();
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.in_recovery, 1);
    same_again();
    WAIT(0.01);
    IN("A 1 ack 2001 sack 3001:9001");
    SEND(5000);
    drain();
    same_again();
}

TEST(each_byte_of_the_mark_counts)
{
    tcpsm_conn c;
    uint32_t rcv, snd, i;
    tcpsm_ret n;

    START();
    OPENED("mss 1000");
    n = tcpsm_export(w.c, blob[0], sizeof blob[0], w.p.now);
    CHECK_GT(n, 0);
    CHECK_MEM(blob[0], "tcpsm\1\0", 8); /* docs/design.md: the format */
    CHECK_EQ(tcpsm_blob_rings(blob[0], (uint32_t)n, &rcv, &snd), 0);
    for (i = 0; i < 8; i++) {
        blob[0][i] ^= 0x40;
        CHECK_EQ(tcpsm_blob_rings(blob[0], (uint32_t)n, &rcv, &snd),
                 TCPSM_E_BLOB);
        CHECK_EQ(tcpsm_init(&c, &w.cfg), 0);
        CHECK_EQ(tcpsm_import(&c, &w.cfg, blob[0], (uint32_t)n, w.p.now),
                 TCPSM_E_BLOB);
        blob[0][i] ^= 0x40;
    }
}

/* The rings that tcpsm_blob_rings asks for do; smaller ones do not. */
TEST(rings_as_a_blob_asks_for_them)
{
    static uint8_t ring[70000];
    uint32_t rcv, snd, less;
    tcpsm_conn c;
    tcpsm_ret n;

    START();
    w.cfg.flags = TCPSM_NO_SACK | TCPSM_NO_TS | TCPSM_NO_ECN;
    w.cfg.rcv_max = 1 << 20; /* scale 5 */
    w.rcv_ring = 2000;
    OPENED("mss 1000 ws 2");
    IN("PA 1 ack 1 len 700");
    n = tcpsm_export(w.c, blob[0], sizeof blob[0], w.p.now);
    CHECK_EQ(tcpsm_blob_rings(blob[0], (uint32_t)n, &rcv, &snd), 0);
    CHECK_GE(rcv, 700u);
    CHECK_LE(rcv, 2000u);
    CHECK_EQ(snd, 0);
    for (less = 0; less < 2; less++) {
        CHECK_EQ(tcpsm_init(&c, &w.cfg), 0);
        CHECK_EQ(tcpsm_attach(&c, TCPSM_RECEIVE, ring, rcv - less, NULL), 0);
        CHECK_EQ(tcpsm_import(&c, &w.cfg, blob[0], (uint32_t)n, w.p.now),
                 less ? TCPSM_E_SPACE : 0);
    }
}

/* Under a window scale a ring is worth four units of it, however little is
   in it and offered. */
TEST(a_small_ring_under_a_scale)
{
    static uint8_t ring[200];
    uint32_t rcv, snd, less;
    tcpsm_conn c;
    tcpsm_ret n;

    START();
    w.cfg.flags = TCPSM_NO_SACK | TCPSM_NO_TS | TCPSM_NO_ECN;
    w.cfg.rcv_max = 1 << 20;
    w.rcv_ring = 160;
    OPENED("mss 1000 ws 2");
    IN("PA 1 ack 1 len 90");
    drain();
    READ(90);
    n = tcpsm_export(w.c, blob[0], sizeof blob[0], w.p.now);
    CHECK_EQ(tcpsm_blob_rings(blob[0], (uint32_t)n, &rcv, &snd), 0);
    CHECK_EQ(rcv, 4 << 5);
    for (less = 0; less < 2; less++) {
        CHECK_EQ(tcpsm_init(&c, &w.cfg), 0);
        CHECK_EQ(tcpsm_attach(&c, TCPSM_RECEIVE, ring, rcv - less, NULL), 0);
        CHECK_EQ(tcpsm_import(&c, &w.cfg, blob[0], (uint32_t)n, w.p.now),
                 less ? TCPSM_E_SPACE : 0);
    }
}

/* How segments are handed over is the new owner's affair, not the old's. */
TEST(offloads_are_the_new_owners)
{
    static uint8_t rcv[70000], snd[70000];
    uint8_t buf[1600];
    tcpsm_config f;
    tcpsm_out o;
    tcpsm_conn c;
    tcpsm_ret n;
    uint32_t turn, flag;

    for (turn = 0; turn < 4; turn++) {
        flag = turn & 1 ? TCPSM_TX_PARTIAL : TCPSM_TX_ZERO;
        START();
        w.cfg.flags = WIRE_PLAIN | (turn < 2 ? flag : 0);
        f = w.cfg;
        OPENED("mss 1000");
        f.key[0] = 1;
        f.flags ^= flag;
        SEND(100);
        n = tcpsm_export(w.c, blob[0], sizeof blob[0], w.p.now);
        CHECK_EQ(tcpsm_init(&c, &f), 0);
        CHECK_EQ(tcpsm_attach(&c, TCPSM_RECEIVE, rcv, sizeof rcv, NULL), 0);
        CHECK_EQ(tcpsm_attach(&c, TCPSM_SEND, snd, sizeof snd, NULL), 0);
        CHECK_EQ(tcpsm_import(&c, &f, blob[0], (uint32_t)n, w.p.now), 0);
        memset(&o, 0, sizeof o);
        o.buf = buf;
        o.cap = sizeof buf;
        CHECK_EQ(tcpsm_output(&c, &o, w.p.now), 120);
        CHECK_EQ(o.csum, turn < 2   ? TCPSM_CSUM_FULL
                         : turn & 1 ? TCPSM_CSUM_PARTIAL
                                    : TCPSM_CSUM_ZERO);
        drain();
    }
}
