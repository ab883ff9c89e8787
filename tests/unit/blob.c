/* Law 11: a connection exports in every state and goes on elsewhere, in
   rings of other sizes, with other tables, under another clock, and its
   peer does not notice. Damaged blobs: see conn_hostile.c. */

#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

#include "pair.h"

#include "conn_states.h"

static pair p;
static uint8_t blob[65536], blob2[65536];
static tcpsm_config cfg;

static const tcpsm_config *config(void)
{
    memset(&cfg, 0, sizeof cfg);
    cfg.key[0] = 0x11; /* the key of the other machine is its own */
    return &cfg;
}

static uint32_t export_at(const tcpsm_conn *c, uint8_t *b, tcpsm_time now)
{
    tcpsm_ret n = tcpsm_export(c, b, sizeof blob, now);
    CHECK_GT(n, 0);
    return (uint32_t)n;
}

/* ---- export ------------------------------------------------------------- */

TEST(export_only_reads)
{
    int i;
    for (i = 0; i < SCENES; i++) {
        int side = scene_make(&p, i);
        tcpsm_conn *c = &p.c[side], was = *c;
        uint32_t n = export_at(c, blob, p.now), cap;
        CHECK_EQ(tcpsm_export(c, NULL, 0, p.now), n);
        CHECK_EQ(export_at(c, blob2, p.now), n);
        CHECK_MEM(blob, blob2, n);
        CHECK_MEM(&was, c, sizeof was);
        for (cap = 1; cap < n; cap += cap < 900 ? 7 : 333) {
            uint8_t *b = (uint8_t *)malloc(cap);
            CHECK_EQ(tcpsm_export(c, b, cap, p.now), TCPSM_E_SPACE);
            free(b);
        }
        /* a now before the last one counts as the last one */
        CHECK_EQ(export_at(c, blob2, 0), n);
        if (c->now == p.now)
            CHECK_MEM(blob, blob2, n);
    }
}

/* What was never received is not in the blob, whatever lies in the ring:
   the octet of a held FIN, and the bytes between the ranges. */
TEST(stale_ring_bytes_stay_at_home)
{
    tcpsm_conn *c = &p.c[PAIR_A];
    uint32_t n, i, k, off;
    scene__rich(&p);
    CHECK(tcpsm__is(c, TCPSM__F_FIN_HELD) || TCPSM_RANGES == 1);
    n = export_at(c, blob, p.now);
    for (i = c->rcv_len; i < c->rcv_cap; i++) {
        int mine = 0;
        off = i - c->rcv_len;
        for (k = 0; k < c->ranges_n; k++) {
            uint32_t end = c->range_end[k] - c->rcv_nxt;
            int fin =
                tcpsm__is(c, TCPSM__F_FIN_HELD) && k + 1u == c->ranges_n;
            mine |= off >= c->range_start[k] - c->rcv_nxt &&
                    off < end - (uint32_t)fin;
        }
        if (!mine)
            p.rcv[PAIR_A][(c->rcv_head + i) % c->rcv_cap] ^= 0xFF;
    }
    CHECK_EQ(export_at(c, blob2, p.now), n);
    CHECK_MEM(blob, blob2, n);
}

/* ---- import ------------------------------------------------------------- */

static const int64_t clocks[] = {0,
                                 (int64_t)1 << 30,
                                 -((int64_t)1 << 40),
                                 (int64_t)1 << 52,
                                 1234567890123,
                                 -987654321098};

/* Exported again at once it is the same blob: nothing was lost. */
TEST(import_then_export)
{
    int i;
    uint32_t k;
    for (i = 0; i < SCENES; i++)
        for (k = 0; k < sizeof clocks / sizeof *clocks; k++) {
            int side = scene_make(&p, i);
            uint32_t n = export_at(&p.c[side], blob, p.now), rcv, snd;
            tcpsm_time now = p.now + (tcpsm_time)clocks[k];
            host h;
            CHECK_EQ(tcpsm_blob_rings(blob, n, &rcv, &snd), 0);
            CHECK_GE(rcv, p.c[side].rcv_len);
            CHECK_EQ(snd, p.c[side].snd_len);
            host_init(&h, config(), rcv + (k & 1 ? 1000 : 0) + !rcv,
                      snd + (k & 2 ? 777 : 0) + !snd, k & 1 ? 1000 : 0);
            CHECK_EQ(tcpsm_import(&h.c, config(), blob, n, now), 0);
            CHECK_EQ(tcpsm_check(&h.c), 0);
            CHECK_EQ(tcpsm_state(&h.c), tcpsm_state(&p.c[side]));
            CHECK_EQ(export_at(&h.c, blob2, now), n);
            CHECK_MEM(blob, blob2, n);
            host_free(&h);
        }
}

/* A shadow under another clock does what the original does, when it does
   it, byte for byte: no timer early, none lost, timestamps go on. */
TEST(shadow_under_another_clock)
{
    static uint8_t one[65536], two[65536];
    static const int64_t shift[] = {0, (int64_t)1 << 31, -((int64_t)1 << 40),
                                    (int64_t)1 << 50};
    int i, turn, seen = 0;
    uint32_t k;
    for (i = 0; i < SCENES; i++)
        for (k = 0; k < 4; k++) {
            int side = scene_make(&p, i);
            tcpsm_conn c = p.c[side];
            tcpsm_time now = p.now, d, e;
            uint32_t n = export_at(&c, blob, now);
            host h;
            host_init(&h, config(), SCENE_RING, SCENE_RING, 0);
            memcpy(cfg.key, p.cfg[side].key, 16); /* a LISTEN needs it */
            e = now + (tcpsm_time)shift[k];
            CHECK_EQ(tcpsm_import(&h.c, &cfg, blob, n, e), 0);
            for (turn = 0; turn < 60; turn++) {
                tcpsm_out a = TCPSM_ZERO, b = TCPSM_ZERO;
                tcpsm_ret x, y;
                CONTEXT("scene: %s, clock %u, turn %d", scenes[i].name, k,
                        turn);
                d = tcpsm_deadline(&c);
                e = tcpsm_deadline(&h.c);
                if (d == TCPSM_NEVER || d == 0)
                    CHECK_EQ(d, e);
                else
                    CHECK_EQ(d, e - (tcpsm_time)shift[k]);
                if (d == TCPSM_NEVER)
                    break;
                if (d > now)
                    now = d;
                a.buf = one;
                b.buf = two;
                a.cap = b.cap = sizeof one;
                x = tcpsm_output(&c, &a, now);
                y = tcpsm_output(&h.c, &b, now + (tcpsm_time)shift[k]);
                CHECK_EQ(x, y);
                seen += x > 0;
                if (x > 0)
                    CHECK_MEM(one, two, x);
                CHECK_EQ(tcpsm_state(&c), tcpsm_state(&h.c));
                CHECK_EQ(tcpsm_error(&c), tcpsm_error(&h.c));
                CHECK_EQ(tcpsm_events(&c), tcpsm_events(&h.c));
                CHECK_EQ(tcpsm_take(&c), tcpsm_take(&h.c));
            }
            CHECK_EQ(c.state, h.c.state);
            host_free(&h);
        }
    CHECK_GT(seen, 100);
}

/* One byte less than tcpsm_blob_rings says is E_SPACE; then the connection
   is as after tcpsm_init, with its rings, and can try again. */
static void check_like_new(host *h, tcpsm_time now)
{
    tcpsm_conn want;
    memset(&want, 0, sizeof want);
    CHECK_EQ(tcpsm_init(&want, &cfg), 0);
    want.p.rcv = h->c.p.rcv;
    want.p.snd = h->c.p.snd;
    want.p.tables = h->c.p.tables;
    want.rcv_cap = h->rcv_n;
    want.snd_cap = h->snd_n;
    want.table_cap = h->c.table_cap;
    CHECK(h->c.p.rcv == h->rcv && h->c.p.snd == h->snd);
    CHECK(h->c.now == 0 || h->c.now == now); /* a clock may not go back */
    want.now = h->c.now;
    want.scales = h->c.scales;
    CHECK_MEM(&want, &h->c, sizeof want);
    CHECK_EQ(tcpsm_check(&h->c), 0);
    CHECK(tcpsm_deadline(&h->c) == TCPSM_NEVER);
}

TEST(rings_that_are_too_small)
{
    int i;
    for (i = 0; i < SCENES; i++) {
        int side = scene_make(&p, i);
        uint32_t n = export_at(&p.c[side], blob, p.now), rcv, snd, tab;
        CHECK_EQ(tcpsm_blob_rings(blob, n, &rcv, &snd), 0);
        for (tab = 0; tab <= 500; tab += 500) {
            host h;
            if (rcv > 1) {
                host_init(&h, config(), rcv - 1, snd + 1, tab);
                CHECK_EQ(tcpsm_import(&h.c, config(), blob, n, p.now),
                         TCPSM_E_SPACE);
                check_like_new(&h, p.now);
                host_free(&h);
            }
            if (snd > 1) {
                host_init(&h, config(), rcv + 1, snd - 1, tab);
                CHECK_EQ(tcpsm_import(&h.c, config(), blob, n, p.now),
                         TCPSM_E_SPACE);
                check_like_new(&h, p.now);
                host__free(h.snd, h.snd_n);
                h.snd = host__memory(snd);
                h.snd_n = snd;
                CHECK_EQ(tcpsm_attach(&h.c, TCPSM_SEND, h.snd, snd, NULL), 0);
                CHECK_EQ(tcpsm_import(&h.c, config(), blob, n, p.now), 0);
                host_free(&h);
            }
            /* exactly enough is enough */
            host_init(&h, config(), rcv, snd, tab);
            CHECK_EQ(tcpsm_import(&h.c, config(), blob, n, p.now), 0);
            host_free(&h);
        }
    }
}

TEST(only_into_a_closed_one)
{
    static pair q;
    int i;
    uint32_t n;
    host h;
    scene_make(&q, 7);
    n = export_at(&q.c[PAIR_A], blob, q.now);
    for (i = 0; i < SCENES; i++) {
        int side = scene_make(&p, i);
        tcpsm_conn was = p.c[side];
        if (scenes[i].state == TCPSM_CLOSED)
            continue;
        CHECK_EQ(tcpsm_import(&p.c[side], config(), blob, n, p.now),
                 TCPSM_E_STATE);
        CHECK_MEM(&was, &p.c[side], sizeof was);
    }
    host_init(&h, config(), SCENE_RING, SCENE_RING, 0);
    CHECK_EQ(tcpsm_import(NULL, &cfg, blob, n, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_import(&h.c, NULL, blob, n, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_import(&h.c, &cfg, NULL, n, 1), TCPSM_E_ARG);
    memset(cfg.key, 0, 16);
    {
        tcpsm_conn was = h.c;
        CHECK_EQ(tcpsm_import(&h.c, &cfg, blob, n, 1), TCPSM_E_KEY);
        CHECK_MEM(&was, &h.c, sizeof was);
    }
    host_free(&h);
}

/* ---- smaller tables ----------------------------------------------------- */

/* Twenty ranges, and more runs than fit inline, squeeze into the inline
   tables: SACKed data may be forgotten (RFC 2018 s8), runs never. */
TEST(into_smaller_tables)
{
    static uint8_t tables[2000];
    uint32_t i, n, seq;
    uint8_t seg[120];
    host h;
    struct tcpsm_info info;
    scene__connected(&p);
    CHECK_EQ(tcpsm_attach(&p.c[PAIR_A], TCPSM_TABLES, tables, 2000, NULL), 0);
    p.muted[PAIR_A] = 1;
    seq = p.c[PAIR_A].rcv_nxt;
    for (i = 1; i <= 20; i++) {
        n = pair_craft(&p, PAIR_B, seg, seq + 40 * i, p.c[PAIR_A].snd_una,
                       PAIR_ACK, 5000, "0123456789", 10);
        if (TCPSM__HAVE_OPTIONS) { /* it wants a timestamp */
            memmove(seg + 32, seg + 20, 10);
            memset(seg + 20, 1, 12);
            seg[22] = 8;
            seg[23] = 10;
            pair_put32(seg + 24, p.c[PAIR_A].ts_recent + 1);
            pair_put32(seg + 28, 0);
            seg[12] = 8 << 4;
            n += 12;
        }
        CHECK_EQ(pair_inject(&p, PAIR_A, seg, n, 0), 0);
        scene__fill(&p, PAIR_A, 100, TCPSM_EOR);
        tcpsm_set(&p.c[PAIR_A], TCPSM_SET_NODELAY, 1);
        pair_run(&p, 2 * PAIR_MS);
    }
    CHECK_EQ(p.c[PAIR_A].ranges_n, 20);
    CHECK_GT(p.c[PAIR_A].runs_n, TCPSM_RUNS);
    n = export_at(&p.c[PAIR_A], blob, p.now);
    host_init(&h, config(), SCENE_RING, SCENE_RING, 0);
    CHECK_EQ(tcpsm_import(&h.c, config(), blob, n, 5), 0);
    tcpsm_status(&h.c, &info);
    CHECK_EQ(info.ranges, TCPSM_RANGES);
    CHECK_EQ(info.runs, TCPSM_RUNS);
    CHECK_EQ(info.flight, 2000);
    CHECK_EQ(h.c.range_start[0], seq + 40);
    CHECK_EQ(h.c.range_end[TCPSM_RANGES - 1], seq + 40 * TCPSM_RANGES + 10);
    CHECK_MEM(h.rcv + h.c.rcv_len + 40, "0123456789", 10);
    host_free(&h);
    /* and back into larger ones: nothing more is lost */
    host_init(&h, config(), SCENE_RING, SCENE_RING, 5000);
    CHECK_EQ(tcpsm_import(&h.c, config(), blob, n, 5), 0);
    CHECK_EQ(h.c.ranges_n, 20);
    CHECK_EQ(export_at(&h.c, blob2, 5), n);
    CHECK_MEM(blob, blob2, n);
    host_free(&h);
}

/* The FIN is the last octet of the last range: with that range it must be
   forgotten, or the end of another range would become the end of all. */
TEST(fin_forgotten_with_its_range)
{
    static uint8_t tables[2000];
    uint32_t i, n, first;
    uint8_t seg[64];
    host h;
    pair_options o = TCPSM_ZERO;
    o.cfg[0].flags = TCPSM_NO_TS;
    pair_init(&p, &o);
    CHECK(pair_connect(&p));
    pair_run(&p, PAIR_SECOND);
    CHECK_EQ(tcpsm_attach(&p.c[PAIR_A], TCPSM_TABLES, tables, 2000, NULL), 0);
    p.muted[PAIR_A] = 1;
    first = p.c[PAIR_A].rcv_nxt;
    for (i = 1; i <= 6; i++) {
        n = pair_craft(&p, PAIR_B, seg, first + 20 * i, p.c[PAIR_A].snd_una,
                       i == 6 ? PAIR_ACK | PAIR_FIN : PAIR_ACK, 5000,
                       "0123456789", 10);
        CHECK_EQ(pair_inject(&p, PAIR_A, seg, n, 0), 0);
    }
    CHECK(tcpsm__is(&p.c[PAIR_A], TCPSM__F_FIN_HELD));
    n = export_at(&p.c[PAIR_A], blob, p.now);
    host_init(&h, config(), PAIR_RING, PAIR_RING, 0);
    CHECK_EQ(tcpsm_import(&h.c, config(), blob, n, p.now), 0);
    CHECK_EQ(h.c.ranges_n, TCPSM_RANGES);
    CHECK(!tcpsm__is(&h.c, TCPSM__F_FIN_HELD));
    p.c[PAIR_A] = h.c;
    n = pair_craft(&p, PAIR_B, seg, first, p.c[PAIR_A].snd_una, PAIR_ACK,
                   5000, "01234567890123456789", 20);
    CHECK_EQ(pair_inject(&p, PAIR_A, seg, n, 0), 0);
    CHECK_EQ(p.c[PAIR_A].rcv_len, 30); /* up to the next gap */
    CHECK_EQ(tcpsm_state(&p.c[PAIR_A]), TCPSM_ESTABLISHED);
    for (i = 1; i < TCPSM_RANGES; i++) {
        n = pair_craft(&p, PAIR_B, seg, first + 20 * i + 10,
                       p.c[PAIR_A].snd_una, PAIR_ACK, 5000, "0123456789", 10);
        CHECK_EQ(pair_inject(&p, PAIR_A, seg, n, 0), 0);
    }
    CHECK_EQ(p.c[PAIR_A].rcv_len, 10u + 20 * TCPSM_RANGES);
    CHECK_EQ(tcpsm_state(&p.c[PAIR_A]), TCPSM_ESTABLISHED);
    host_free(&h);
}

/* ---- moved in the middle of a transfer ---------------------------------- */

static host home[2];
static uint64_t seed;
static uint32_t ts_last[2];
static int ts_known[2], hops;

static uint32_t rnd(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

static void watch_ts(void *ctx, pair *q, const pair_event *e)
{
    pair_segment s;
    (void)ctx;
    (void)q;
    if (e->what != PAIR_SENT || pair_parse(&s, e->seg, e->len) != 0 ||
        !s.timestamps)
        return;
    if (ts_known[e->from])
        CHECKF((int32_t)(s.ts_val - ts_last[e->from]) >= 0,
               "a timestamp went back");
    ts_known[e->from] = 1;
    ts_last[e->from] = s.ts_val;
}

/* To another machine with another clock, and from there to a third with
   the clock of the first. */
static void hop(int side)
{
    tcpsm_conn *c = &p.c[side];
    tcpsm_time away = p.now;
    uint32_t n = export_at(c, blob, p.now), rcv, snd, user = 7;
    host h, g;
    switch (rnd(4)) {
    case 0:
        away = 1 + rnd(1000);
        break;
    case 1:
        away += (tcpsm_time)rnd(1u << 30) << 10;
        break;
    case 2:
        away -= (tcpsm_time)rnd(1u << 30) << 10;
        break;
    default:
        break;
    }
    config();
    cfg.user = &user;
    cfg.flags = rnd(4) ? 0 : TCPSM_GATHER;
    CHECK_EQ(tcpsm_blob_rings(blob, n, &rcv, &snd), 0);
    host_init(&h, &cfg, rcv + rnd(2) * rnd(9000) + !rcv,
              snd + rnd(2) * rnd(9000) + !snd, rnd(2) * (500 + rnd(2000)));
    CHECK_EQ(tcpsm_import(&h.c, &cfg, blob, n, away), 0);
    CHECK(tcpsm_user(&h.c) == &user);
    n = export_at(&h.c, blob2, away);
    /* no tables here, so that the laws can be watched on copies */
    host_init(&g, &cfg, rcv + 2000 + rnd(9000), snd + rnd(9000) + 3000,
              hops % 8 == 7 ? 400 : 0);
    CHECK_EQ(tcpsm_import(&g.c, &cfg, blob2, n, p.now), 0);
    host_free(&h);
    host_free(&home[side]);
    home[side] = g;
    memset(c, 0xEE, sizeof *c);
    *c = g.c;
    hops++;
    pair_touched(&p, side);
}

static void lossy(uint32_t every, uint64_t number)
{
    pair_options o = TCPSM_ZERO;
    uint32_t step = 0;
    tcpsm_time limit;
    o.seed = number;
    o.rcv_ring[0] = 9000;
    o.rcv_ring[1] = 12000;
    o.snd_ring[0] = o.snd_ring[1] = 10000;
    o.start = (tcpsm_time)1 << 44;
    seed = number * 77 + every;
    hops = ts_known[0] = ts_known[1] = 0;
    CONTEXT("every %u, seed %u", every, (uint32_t)number);
    pair_init(&p, &o);
    p.observe = watch_ts;
    p.net.link[0].delay_us = p.net.link[1].delay_us = 7000;
    p.net.link[0].rate = p.net.link[1].rate = 20000000;
    p.net.link[0].loss_ppm = p.net.link[1].loss_ppm = 30000;
    p.net.link[0].reorder_ppm = p.net.link[1].reorder_ppm = 50000;
    p.net.link[0].reorder_us = p.net.link[1].reorder_us = 4000;
    p.net.link[0].copy_ppm = p.net.link[1].copy_ppm = 20000;
    p.flow[0].total = 40000;
    p.flow[1].total = 30000;
    p.flow[0].shut = p.flow[1].shut = 1;
    CHECK_EQ(tcpsm_listen(&p.c[PAIR_B], &p.tuple[PAIR_B], p.now), 0);
    CHECK_EQ(tcpsm_open(&p.c[PAIR_A], &p.tuple[PAIR_A], p.now), 0);
    limit = p.now + 600 * PAIR_SECOND;
    while (!(pair_transferred(&p) && p.c[0].state != TCPSM_ESTABLISHED &&
             p.c[1].state != TCPSM_ESTABLISHED) &&
           pair_step(&p, limit)) {
        CHECK_LT(p.now, limit);
        if (++step % every == 0)
            hop((int)rnd(2));
    }
    CHECK(pair_transferred(&p));
    CHECK_EQ(p.flow[0].got, 40000);
    CHECK_EQ(p.flow[1].got, 30000);
    CHECK_GT(hops, 5);
    pair_run(&p, 300 * PAIR_SECOND);
    CHECK_EQ(tcpsm_state(&p.c[0]), TCPSM_CLOSED);
    CHECK_EQ(tcpsm_state(&p.c[1]), TCPSM_CLOSED);
    CHECK_EQ(tcpsm_error(&p.c[0]), 0);
    CHECK_EQ(tcpsm_error(&p.c[1]), 0);
    host_free(&home[0]);
    host_free(&home[1]);
}

TEST(moved_at_every_step)
{
    uint32_t i;
    for (i = 1; i <= 3; i++)
        lossy(1, i);
}

TEST(moved_every_few_steps)
{
    static const uint32_t every[] = {2, 3, 5, 7, 11, 17, 31};
    uint32_t i;
    for (i = 0; i < 7; i++)
        lossy(every[i], i + 10);
}

/* Each scene is moved, then the network is healed and all of it ends. */
TEST(every_scene_goes_on)
{
    int i, k;
    for (i = 0; i < SCENES; i++) {
        int side = scene_make(&p, i);
        seed = (uint64_t)i;
        hop(side);
        if (p.c[side].state == TCPSM_LISTEN) {
            CHECK_EQ(tcpsm_open(&p.c[PAIR_A], &p.tuple[PAIR_A], p.now), 0);
        } else if (p.c[!side].state == TCPSM_CLOSED &&
                   p.c[side].state == TCPSM_SYN_SENT) {
            CHECK_EQ(tcpsm_listen(&p.c[!side], &p.tuple[!side], p.now), 0);
        }
        p.muted[0] = p.muted[1] = 0;
        for (k = 0; k < 2; k++)
            p.flow[k].deaf = 0;
        pair_run(&p, 20 * PAIR_SECOND);
        for (k = 0; k < 2; k++) { /* read all, and say goodbye */
            static uint8_t buf[10000];
            while (tcpsm_receive(&p.c[k], buf, sizeof buf) > 0)
                pair_run(&p, PAIR_SECOND);
            (void)tcpsm_shutdown(&p.c[k]);
            pair_touched(&p, k);
        }
        pair_run(&p, 20 * PAIR_SECOND);
        for (k = 0; k < 2; k++) {
            static uint8_t buf[10000];
            while (tcpsm_receive(&p.c[k], buf, sizeof buf) > 0)
                pair_run(&p, PAIR_SECOND);
            tcpsm_close(&p.c[k]);
            pair_touched(&p, k);
        }
        pair_run(&p, 900 * PAIR_SECOND);
        CHECK_EQ(tcpsm_state(&p.c[0]), TCPSM_CLOSED);
        CHECK_EQ(tcpsm_state(&p.c[1]), TCPSM_CLOSED);
        host_free(&home[0]);
        host_free(&home[1]);
    }
}

/* ---- no ring, and the wake list ----------------------------------------- */

TEST(without_a_ring)
{
    static uint8_t late[2000];
    pair_options o = TCPSM_ZERO;
    uint32_t n, rcv, snd;
    host h;
    o.rcv_ring[0] = TCPSM_OFF;
    o.cfg[0].rcv_promise = 1000;
    o.cfg[0].rcv_max = 1 << 20; /* a window scale of 5 */
    pair_init(&p, &o);
    CHECK(pair_connect(&p));
    scene__fill(&p, PAIR_A, 100, 0);
    pair_run(&p, PAIR_SECOND);
    n = export_at(&p.c[PAIR_A], blob, p.now);
    CHECK_EQ(tcpsm_blob_rings(blob, n, &rcv, &snd), 0);
    CHECK(rcv <= 1000); /* what was promised */
    config();
    cfg.rcv_promise = 1000;
    host_init(&h, &cfg, 0, 100, 0);
    CHECK_EQ(tcpsm_import(&h.c, &cfg, blob, n, p.now), 0);
    CHECK_EQ(tcpsm_attach(&h.c, TCPSM_RECEIVE, late, 1000, NULL), 0);
    host_free(&h);
    host_init(&h, &cfg, 1000, 100, 0); /* or straight into a ring */
    CHECK_EQ(tcpsm_import(&h.c, &cfg, blob, n, p.now), 0);
    host_free(&h);
}

/* An open window is a promise: without a ring it must be within the one
   that may be given without a ring. */
TEST(window_larger_than_the_promise)
{
    uint32_t n;
    host h;
    scene__connected(&p); /* a window of nearly 9000 is open */
    CHECK_EQ(tcpsm_set(&p.c[PAIR_A], TCPSM_SET_PROMISE, 1000), 0);
    n = export_at(&p.c[PAIR_A], blob, p.now);
    host_init(&h, config(), 0, 100, 0);
    CHECK_EQ(tcpsm_import(&h.c, &cfg, blob, n, p.now), TCPSM_E_SPACE);
    check_like_new(&h, p.now);
    host_free(&h);
    CHECK_EQ(tcpsm_set(&p.c[PAIR_A], TCPSM_SET_PROMISE, 10000), 0);
    n = export_at(&p.c[PAIR_A], blob, p.now);
    host_init(&h, config(), 0, 100, 0);
    CHECK_EQ(tcpsm_import(&h.c, &cfg, blob, n, p.now), 0);
    host_free(&h);
}

/* Under a large window scale the smallest ring that will do must still be
   large enough to speak of: the transfer does not stop for ever. */
TEST(smallest_ring_under_a_large_scale)
{
    static uint8_t all[PAIR_RING];
    uint32_t left;
    for (left = 1; left < 9000; left = left * 3 + 200) {
        pair_options o = TCPSM_ZERO;
        uint32_t n, rcv, snd, sent;
        host h;
        o.cfg[1].rcv_max = 1 << 26;
        pair_init(&p, &o);
        CHECK(pair_connect(&p));
        CONTEXT("left %u", left);
        p.flow[0].total = 65536 - 1023 - left;
        p.flow[0].deaf = 1;
        pair_run(&p, 20 * PAIR_SECOND);
        while (tcpsm_receive(&p.c[1], all, sizeof all) > 0)
            ; /* the window update has not gone out */
        n = export_at(&p.c[1], blob, p.now);
        CHECK_EQ(tcpsm_blob_rings(blob, n, &rcv, &snd), 0);
        host_init(&h, config(), rcv, 1000, 0);
        CHECK_EQ(tcpsm_import(&h.c, config(), blob, n, p.now), 0);
        p.c[1] = h.c;
        p.flow[0].total = p.flow[0].got = 0;
        sent = p.c[0].snd_una + p.c[0].snd_len; /* some waits already */
        for (n = 0; n < 60000; n += 500) {
            scene__fill(&p, 0, 500, 0);
            pair_run(&p, 2 * PAIR_SECOND);
            (void)tcpsm_receive(&p.c[1], all, sizeof all);
            pair_touched(&p, 1);
        }
        pair_run(&p, 60 * PAIR_SECOND);
        CHECK_EQ(p.c[0].snd_una - sent, 60000);
        host_free(&h);
    }
}

/* Law 2: each tag is looked for among all entries, so their number is
   bounded: a blob padded with tiny unknown ones is refused. */
TEST(a_blob_of_very_many_entries)
{
    static uint8_t padded[20000];
    uint32_t n, pad, k, at;
    uint64_t sum;
    host h;
    scene__connected(&p);
    n = export_at(&p.c[PAIR_A], blob, p.now);
    for (pad = 0; pad < 400; pad += 100) {
        at = n - 14; /* what the checksum covers */
        memcpy(padded, blob, at);
        for (k = 0; k < pad; k++, at += 6) {
            memset(padded + at, 0, 6);
            padded[at] = 0x70; /* a tag that nobody knows */
        }
        sum = tcpsm__blob_sum(padded, at);
        memset(padded + at, 0, 6);
        padded[at + 5] = 8;
        for (k = 0; k < 8; k++)
            padded[at + 6 + k] = (uint8_t)(sum >> (56 - 8 * k));
        host_init(&h, config(), 65536, 65536, 0);
        CONTEXT("%u unknown entries", pad);
        CHECK_EQ(tcpsm_import(&h.c, config(), padded, at + 14, p.now),
                 pad <= 100 ? 0 : TCPSM_E_BLOB);
        host_free(&h);
    }
}

/* A connection that waits on a wake list stays there, once. */
TEST(import_keeps_the_wake_list)
{
    int good, others;
    for (good = 0; good < 2; good++)
        for (others = 0; others < 2; others++) {
            tcpsm_wake w = {NULL};
            host h, g;
            uint32_t n;
            scene__rich(&p);
            n = export_at(&p.c[PAIR_A], blob, p.now);
            host_init(&h, config(), good ? SCENE_RING : 5, SCENE_RING, 0);
            host_init(&g, config(), 100, 100, 0);
            if (others) {
                tcpsm_set_wake(&g.c, &w);
                tcpsm_attach(&g.c, TCPSM_SEND, g.snd, 100, NULL);
            }
            tcpsm_set_wake(&h.c, &w);
            tcpsm_attach(&h.c, TCPSM_SEND, h.snd, h.snd_n, NULL);
            CHECK_EQ(tcpsm_import(&h.c, &cfg, blob, n, p.now),
                     good ? 0 : TCPSM_E_SPACE);
            tcpsm_set(&h.c, TCPSM_SET_NODELAY, 1); /* wakes, if it may */
            if (others)
                CHECK(tcpsm_wake_pop(&w) == &g.c);
            CHECK(tcpsm_wake_pop(&w) == &h.c);
            CHECK(tcpsm_wake_pop(&w) == NULL);
            tcpsm_set(&h.c, TCPSM_SET_NODELAY, 1);
            CHECK(tcpsm_wake_pop(&w) == &h.c);
            host_free(&h);
            host_free(&g);
        }
}
