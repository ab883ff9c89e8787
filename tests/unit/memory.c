/* Memory that is lent: rings and tables attached, grown, shrunk and taken
   back in every state with everything in them; windows that were promised
   are kept (law 8); no ring while idle; and whose memory is whose. */

#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

#include "pair.h"

#include "conn_states.h"

static pair p;
static uint64_t seed;

static uint32_t rnd(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* All bytes that a connection holds, and where the ranges are: what must
   survive a change of memory. */
typedef struct {
    uint32_t n, in, held, out;
    uint8_t b[65536];
} contents;

static void look(const tcpsm_conn *c, contents *k)
{
    static uint8_t blob[65536];
    static const uint32_t tag[] = {TCPSM__TAG_RECEIVED, TCPSM__TAG_RANGES,
                                   TCPSM__TAG_HELD, TCPSM__TAG_RUNS,
                                   TCPSM__TAG_SEND};
    tcpsm_ret n = tcpsm_export(c, blob, sizeof blob, c->now);
    uint32_t i;
    memset(k, 0, sizeof *k);
    CHECK_GT(n, 0);
    for (i = 0; i < 5; i++) {
        struct tcpsm__entry e;
        CHECK(tcpsm__blob_find(blob, (uint32_t)n, tag[i], &e));
        memcpy(k->b + k->n, e.p, e.len);
        k->n += e.len;
        if (i == 0)
            k->in = e.len;
        if (i == 2)
            k->held = e.len;
        if (i == 4)
            k->out = e.len;
    }
}

static void same(const tcpsm_conn *c, const contents *was)
{
    static contents is;
    look(c, &is);
    CHECK_EQ(is.n, was->n);
    CHECK_MEM(is.b, was->b, is.n);
    CHECK_EQ(tcpsm_check(c), 0);
}

/* What a receive ring must at least hold: the unread bytes and what the
   peer may still send or has already sent beyond a gap. */
static uint32_t need(const tcpsm_conn *c)
{
    struct tcpsm_info i;
    uint32_t beyond = 0;
    tcpsm_status(c, &i);
    if (i.state >= TCPSM_SYN_SENT && i.state <= TCPSM_FIN_WAIT_2)
        beyond = i.rcv_wnd;
    return i.rcv_queued + beyond;
}

/* ---- receive ring ------------------------------------------------------- */

static void try_rcv(tcpsm_conn c, uint32_t n, int fits)
{
    static contents was;
    tcpsm_conn before = c;
    uint8_t *m = host__memory(n);
    void *old = &seed;
    uint32_t i;
    tcpsm_ret e;
    look(&c, &was);
    e = tcpsm_attach(&c, TCPSM_RECEIVE, m, n, &old);
    CHECKF(e == (fits ? 0 : TCPSM_E_STATE), "%u bytes: %d", n, e);
    if (fits) {
        CHECK(old == before.p.rcv);
        CHECK(c.p.rcv == m && c.rcv_cap == n);
        CHECK_EQ(c.rcv_edge, before.rcv_edge);
        same(&c, &was);
    } else {
        CHECK(old == &seed);
        CHECK_MEM(&before, &c, sizeof c);
        for (i = 0; i < n; i++)
            CHECK_EQ(m[i], 0x77);
    }
    host__free(m, n);
}

TEST(receive_ring_in_every_state)
{
    int i;
    for (i = 0; i < SCENES; i++) {
        tcpsm_conn *c = &p.c[scene_make(&p, i)];
        uint32_t n = need(c), k;
        for (k = n > 5 ? n - 5 : 1; k < n; k++)
            try_rcv(*c, k, 0);
        if (n > 100)
            try_rcv(*c, n / 2, 0);
        for (k = n ? n : 1; k < n + 5; k++)
            try_rcv(*c, k, 1);
        try_rcv(*c, 3 * SCENE_RING, 1);
    }
}

/* The same with contents that wrap: unread bytes and two ranges around
   the end of the ring. */
TEST(receive_ring_that_wraps)
{
    uint32_t head;
    for (head = 0; head < 9000; head += 289) {
        tcpsm_conn c;
        uint8_t *m = host__memory(9000);
        uint32_t k, at;
        scene__rich(&p);
        c = p.c[PAIR_A];
        /* turn the ring by hand */
        for (k = 0, at = head; k < 9000; k++, at = (at + 1) % 9000)
            m[at] = p.rcv[PAIR_A][(c.rcv_head + k) % 9000];
        c.p.rcv = m;
        c.rcv_head = head;
        CONTEXT("head %u", head);
        try_rcv(c, need(&c), 1);
        try_rcv(c, need(&c) - 1, 0);
        try_rcv(c, 20000, 1);
        host__free(m, 9000);
    }
}

/* To take a ring back: nothing unread, nothing held, and no larger window
   open than the promise. */
TEST(receive_ring_taken_back)
{
    int i;
    uint32_t promise;
    for (i = 0; i < SCENES; i++) {
        int side = scene_make(&p, i);
        struct tcpsm_info info;
        for (promise = 0; promise <= 20000; promise += 10000) {
            tcpsm_conn c = p.c[side], was;
            void *old = NULL;
            int live, may;
            tcpsm_ret e;
            CHECK_EQ(tcpsm_set(&c, TCPSM_SET_PROMISE, promise), 0);
            was = c;
            tcpsm_status(&c, &info);
            live = info.state >= TCPSM_SYN_SENT &&
                   info.state <= TCPSM_FIN_WAIT_2;
            may = info.state == TCPSM_CLOSED ||
                  (info.rcv_queued == 0 && info.ranges == 0 &&
                   (!live || info.rcv_wnd <= promise));
            e = tcpsm_attach(&c, TCPSM_RECEIVE, NULL, 0, &old);
            CHECKF(e == (may ? 0 : TCPSM_E_STATE), "%s, promise %u: %d",
                   scenes[i].name, promise, e);
            if (may) {
                CHECK(old == was.p.rcv);
                CHECK(c.p.rcv == NULL && c.rcv_cap == 0);
                CHECK_EQ(c.rcv_edge, was.rcv_edge);
            } else {
                CHECK_MEM(&was, &c, sizeof c);
            }
            CHECK_EQ(tcpsm_check(&c), 0);
        }
    }
}

/* ---- send ring ---------------------------------------------------------- */

TEST(send_ring_in_every_state)
{
    static contents was;
    int i;
    uint32_t head;
    for (i = 0; i < SCENES; i++)
        for (head = 0; head < SCENE_RING; head += 4111) {
            int side = scene_make(&p, i);
            tcpsm_conn c = p.c[side], before;
            uint8_t *turned = host__memory(SCENE_RING), *m;
            uint32_t k, n = c.snd_len;
            for (k = 0; k < SCENE_RING; k++)
                turned[(head + k) % SCENE_RING] =
                    p.snd[side][(c.snd_head + k) % SCENE_RING];
            c.p.snd = turned;
            c.snd_head = head;
            look(&c, &was);
            before = c;
            if (n > 1) {
                m = host__memory(n - 1);
                CHECK_EQ(tcpsm_attach(&c, TCPSM_SEND, m, n - 1, NULL),
                         TCPSM_E_STATE);
                CHECK_MEM(&before, &c, sizeof c);
                CHECK_EQ(m[0], 0x77);
                host__free(m, n - 1);
            }
            if (n > 0)
                CHECK_EQ(tcpsm_attach(&c, TCPSM_SEND, NULL, 0, NULL),
                         TCPSM_E_STATE);
            for (k = n ? n : 1; k < n + 3; k++) {
                void *old = NULL;
                c = before;
                m = host__memory(k);
                CHECK_EQ(tcpsm_attach(&c, TCPSM_SEND, m, k, &old), 0);
                CHECK(old == turned);
                same(&c, &was);
                host__free(m, k);
            }
            if (n == 0) {
                c = before;
                CHECK_EQ(tcpsm_attach(&c, TCPSM_SEND, NULL, 0, NULL), 0);
                CHECK_EQ(tcpsm_check(&c), 0);
                if (c.state == TCPSM_ESTABLISHED)
                    CHECK_EQ(tcpsm_send(&c, "x", 1, 0), TCPSM_E_RING);
            }
            host__free(turned, SCENE_RING);
        }
}

/* After a short send EV_WRITABLE comes when LOWAT bytes are free, also if
   a larger ring makes them. */
TEST(writable_after_a_larger_ring)
{
    static uint8_t big[12000];
    scene__connected(&p);
    p.muted[PAIR_A] = 1;
    CHECK_EQ(tcpsm_set(&p.c[PAIR_A], TCPSM_SET_LOWAT, 2000), 0);
    scene__fill(&p, PAIR_A, 8000, 0);
    CHECK_EQ(pair_send(&p, PAIR_A, big, 4000, 0), 1000); /* short */
    (void)tcpsm_take(&p.c[PAIR_A]);
    CHECK_EQ(tcpsm_attach(&p.c[PAIR_A], TCPSM_SEND, big, 9500, NULL), 0);
    CHECK_EQ(tcpsm_take(&p.c[PAIR_A]) & TCPSM_EV_WRITABLE, 0);
    CHECK_EQ(
        tcpsm_attach(&p.c[PAIR_A], TCPSM_SEND, p.snd[PAIR_A], 12000, NULL),
        0);
    CHECK_EQ(tcpsm_take(&p.c[PAIR_A]) & TCPSM_EV_WRITABLE, TCPSM_EV_WRITABLE);
}

/* ---- tables ------------------------------------------------------------- */

TEST(tables_of_any_alignment_in_every_state)
{
    static contents was;
    int i;
    uint32_t off, n;
    for (i = 0; i < SCENES; i++)
        for (off = 0; off < 4; off++)
            for (n = 100; n < 700; n += 37) {
                tcpsm_conn c = p.c[scene_make(&p, i)], before = c, grown;
                uint8_t *m = host__memory(n + off);
                uint8_t *k = host__memory(2000);
                uint32_t entries = n >= 3 ? (n - 3) / 19 : 0, j;
                void *old = &seed;
                struct tcpsm_info info;
                tcpsm_ret e;
                look(&c, &was);
                e = tcpsm_attach(&c, TCPSM_TABLES, m + off, n, &old);
                if (entries < TCPSM_RUNS || entries < TCPSM_RANGES) {
                    CHECK_EQ(e, TCPSM_E_ARG);
                    CHECK_MEM(&before, &c, sizeof c);
                } else {
                    CHECK_EQ(e, 0);
                    CHECK(old == NULL);
                    tcpsm_status(&c, &info);
                    CHECK_EQ(info.run_cap, entries);
                    CHECK_EQ(info.range_cap, entries);
                    for (j = 0; j < off; j++)
                        CHECK_EQ(m[j], 0x77); /* not ours */
                    same(&c, &was);
                    for (j = 0; j < TCPSM_RUNS; j++) /* dead: zero */
                        CHECK(c.run_end[j] == 0 && c.run_meta[j] == 0);
                    grown = c;
                    CHECK_EQ(
                        tcpsm_attach(&grown, TCPSM_TABLES, k, 2000, &old), 0);
                    CHECK(old == m + off);
                    same(&grown, &was);
                    memset(m, 0xEE, n + off); /* ours again */
                    same(&grown, &was);
                    CHECK_EQ(
                        tcpsm_attach(&grown, TCPSM_TABLES, NULL, 0, &old), 0);
                    CHECK(old == k);
                    memset(k, 0xEE, 2000);
                    same(&grown, &was);
                    /* and all is as it was, but for the pointer */
                    CHECK_MEM(&before, &grown, sizeof before);
                }
                for (j = 0; j < off; j++)
                    CHECK(e != 0 ? m[j] == 0x77 : m[j] == 0xEE);
                host__free(m, n + off);
                host__free(k, 2000);
            }
}

/* Ranges that do not fit inline keep the tables; runs are squeezed. */
TEST(tables_that_are_needed)
{
    static uint8_t mem[1000], mem2[160 + 3];
    tcpsm_conn *c = &p.c[PAIR_A], was;
    struct tcpsm_info i, k;
    uint32_t n;
    uint8_t seg[64];
    pair_options o = TCPSM_ZERO;
    o.cfg[1].flags = TCPSM_NO_TS;
    pair_init(&p, &o);
    CHECK(pair_connect(&p));
    CHECK_EQ(tcpsm_attach(c, TCPSM_TABLES, mem, sizeof mem, NULL), 0);
    p.muted[PAIR_A] = 1;
    tcpsm_set(c, TCPSM_SET_NODELAY, 1);
    for (n = 1; n <= 12; n++) {
        uint32_t len = pair_craft(&p, PAIR_B, seg, c->rcv_nxt + 10 * n,
                                  c->snd_una, PAIR_ACK, 5000, "abcde", 5);
        CHECK_EQ(pair_inject(&p, PAIR_A, seg, len, 0), 0);
        scene__fill(&p, PAIR_A, 10, 0);
        pair_run(&p, PAIR_MS);
    }
    tcpsm_status(c, &i);
    CHECK_EQ(i.ranges, 12);
    CHECK_EQ(i.runs, 12);
    was = *c;
    CHECK_EQ(tcpsm_attach(c, TCPSM_TABLES, NULL, 0, NULL), TCPSM_E_STATE);
    CHECK_EQ(tcpsm_attach(c, TCPSM_TABLES, mem2, 163, NULL), TCPSM_E_STATE);
    CHECK_MEM(&was, c, sizeof was);
    /* the hole is filled; now only the runs are too many */
    n = pair_craft(&p, PAIR_B, seg, c->rcv_nxt, c->snd_una, PAIR_ACK, 5000,
                   "0123456789", 10);
    CHECK_EQ(pair_inject(&p, PAIR_A, seg, n, 0), 0);
    for (n = 0; n < 12; n++) {
        uint32_t len = pair_craft(&p, PAIR_B, seg, c->rcv_nxt, c->snd_una,
                                  PAIR_ACK, 5000, "56789", 5);
        CHECK_EQ(pair_inject(&p, PAIR_A, seg, len, 0), 0);
    }
    tcpsm_status(c, &i);
    CHECK_EQ(i.ranges, 0);
    CHECK_EQ(i.runs, 12);
    CHECK_EQ(tcpsm_attach(c, TCPSM_TABLES, NULL, 0, NULL), 0);
    CHECK_EQ(tcpsm_check(c), 0);
    tcpsm_status(c, &k);
    CHECK_EQ(k.runs, TCPSM_RUNS);
    CHECK_EQ(k.flight, i.flight); /* no byte is forgotten */
}

TEST(nonsense)
{
    tcpsm_conn c = p.c[scene_make(&p, 7)], was = c;
    uint8_t m[8];
    CHECK_EQ(tcpsm_attach(NULL, TCPSM_SEND, m, 8, NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_attach(&c, TCPSM_SEND, NULL, 8, NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_attach(&c, TCPSM_SEND, m, 0, NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_attach(&c, TCPSM_RECEIVE, m, TCPSM_MAX_RING + 1, NULL),
             TCPSM_E_ARG);
    CHECK_EQ(tcpsm_attach(&c, 0, m, 8, NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_attach(&c, 4, m, 8, NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_attach(&c, TCPSM_TABLES, m, 8, NULL), TCPSM_E_ARG);
    CHECK_MEM(&was, &c, sizeof c);
}

/* ---- while a transfer runs ---------------------------------------------- */

static host home[2];

static void change_memory(int side)
{
    tcpsm_conn *c = &p.c[side];
    struct tcpsm_info i;
    uint32_t n, old_n;
    uint8_t *m, *old;
    void *was;
    tcpsm_status(c, &i);
    switch (rnd(3)) {
    case 0:
        n = need(c) + rnd(8000);
        m = host__memory(n);
        CHECK_EQ(tcpsm_attach(c, TCPSM_RECEIVE, m, n, &was), 0);
        old = home[side].rcv;
        old_n = home[side].rcv_n;
        CHECK(old == NULL || was == old);
        home[side].rcv = m;
        home[side].rcv_n = n;
        break;
    case 1:
        n = i.snd_queued + 500 + rnd(8000);
        m = host__memory(n);
        CHECK_EQ(tcpsm_attach(c, TCPSM_SEND, m, n, &was), 0);
        old = home[side].snd;
        old_n = home[side].snd_n;
        home[side].snd = m;
        home[side].snd_n = n;
        break;
    default:
        n = rnd(3) ? 160 + rnd(900) : 0;
        m = host__memory(n);
        if (tcpsm_attach(c, TCPSM_TABLES, m, n, &was) != 0) {
            CHECK_GT(i.ranges, n ? (n - 3) / 19 : TCPSM_RANGES);
            host__free(m, n);
            return;
        }
        old = home[side].tab;
        old_n = home[side].tab_n;
        home[side].tab = m;
        home[side].tab_n = n;
        break;
    }
    if (old != NULL)
        memset(old, 0xEE, old_n);
    host__free(old, old_n);
    pair_touched(&p, side);
}

TEST(changed_at_every_step_of_a_transfer)
{
    uint32_t turn, step;
    for (turn = 0; turn < 6; turn++) {
        pair_options o = TCPSM_ZERO;
        tcpsm_time limit;
        o.seed = turn;
        o.rcv_ring[0] = o.rcv_ring[1] = 7000;
        o.snd_ring[0] = o.snd_ring[1] = 7000;
        o.cfg[0].rcv_max = turn & 1 ? 1 << 20 : 0;
        pair_init(&p, &o);
        seed = turn + 40;
        CONTEXT("turn %u", turn);
        p.net.link[0].delay_us = p.net.link[1].delay_us = 5000;
        p.net.link[0].loss_ppm = p.net.link[1].loss_ppm = 30000;
        p.net.link[0].reorder_ppm = p.net.link[1].reorder_ppm = 40000;
        p.net.link[0].reorder_us = p.net.link[1].reorder_us = 3000;
        p.flow[0].total = 60000;
        p.flow[1].total = 40000;
        p.flow[0].shut = p.flow[1].shut = 1;
        CHECK_EQ(tcpsm_listen(&p.c[1], &p.tuple[1], p.now), 0);
        CHECK_EQ(tcpsm_open(&p.c[0], &p.tuple[0], p.now), 0);
        limit = p.now + 600 * PAIR_SECOND;
        for (step = 0; !pair_transferred(&p); step++) {
            CHECK(pair_step(&p, limit));
            CHECK_LT(p.now, limit);
            if (step % (turn + 1) == 0)
                change_memory((int)rnd(2));
        }
        CHECK_EQ(p.flow[0].got, 60000);
        CHECK_EQ(p.flow[1].got, 40000);
        for (step = 0; step < 2; step++) {
            tcpsm_abort(&p.c[step]);
            host_free(&home[step]);
        }
    }
}

/* ---- rings that come and go --------------------------------------------- */

static uint8_t later[4096];
static int ring_wanted;

static void bring_ring(void *ctx, pair *q, int side)
{
    (void)ctx;
    ring_wanted++;
    CHECK_EQ(
        tcpsm_attach(&q->c[side], TCPSM_RECEIVE, later, sizeof later, NULL),
        0);
}

static void ringless(uint32_t promise, uint32_t max)
{
    pair_options o = TCPSM_ZERO;
    o.rcv_ring[PAIR_A] = TCPSM_OFF;
    o.cfg[PAIR_A].rcv_promise = promise;
    o.cfg[PAIR_A].rcv_max = max;
    pair_init(&p, &o);
    CHECK(pair_connect(&p));
    pair_run(&p, PAIR_SECOND);
}

/* Idle without a ring: it has no deadline, and it promises. */
TEST(idle_without_a_ring)
{
    struct tcpsm_info i;
    ringless(3000, 0);
    CHECK(tcpsm_deadline(&p.c[PAIR_A]) == TCPSM_NEVER);
    tcpsm_status(&p.c[PAIR_A], &i);
    CHECK_EQ(i.rcv_wnd, 3000);
    CHECK_EQ(i.rcv_free, 0);
    tcpsm_status(&p.c[PAIR_B], &i);
    CHECK_EQ(i.snd_wnd, 3000);
    CHECK_EQ(tcpsm_receive(&p.c[PAIR_A], later, 10), 0);
}

/* Payload: E_RING, and not one byte of the connection has changed. */
TEST(e_ring_changes_nothing)
{
    struct tcpsm_counters n, was_n;
    struct tcpsm_info info;
    uint8_t seg[64];
    uint32_t len;
    tcpsm_conn was;
    tcpsm_in in;
    ringless(3000, 0);
    memset(&n, 0, sizeof n);
    p.c[PAIR_A].p.counters = &n;
    scene__fill(&p, PAIR_A, 5, 0); /* so that the ACK would count */
    pair_run(&p, 100);
    p.muted[PAIR_A] = p.muted[PAIR_B] = 1;
    len =
        pair_craft(&p, PAIR_B, seg, p.c[PAIR_A].rcv_nxt, p.c[PAIR_A].snd_nxt,
                   PAIR_ACK | PAIR_PSH, 100, "hello", 5);
    p.c[PAIR_A].flags &= ~TCPSM__F_TS;
    memset(&in, 0, sizeof in);
    in.src = p.tuple[PAIR_A].remote;
    in.dst = p.tuple[PAIR_A].local;
    in.data = seg;
    in.len = len;
    in.family = 4;
    pair_set_checksum(&p.tuple[PAIR_B], seg, len);
    was = p.c[PAIR_A];
    was_n = n;
    CHECK_EQ(tcpsm_input(&p.c[PAIR_A], &in, p.now + 777), TCPSM_E_RING);
    CHECK(in.conn == &p.c[PAIR_A]);
    CHECK_EQ(in.drop, 0);
    CHECK_MEM(&was, &p.c[PAIR_A], sizeof was);
    CHECK_MEM(&was_n, &n, sizeof n);
    /* again, without: all but the payload */
    in.flags = TCPSM_IN_NO_DATA;
    CHECK_EQ(tcpsm_input(&p.c[PAIR_A], &in, p.now + 777), 0);
    CHECK_EQ(in.drop, TCPSM_DROP_NO_DATA);
    tcpsm_status(&p.c[PAIR_A], &info);
    CHECK_EQ(info.snd_wnd, 100u << info.snd_scale);
    CHECK_EQ(p.c[PAIR_A].snd_una, was.snd_nxt);
    CHECK_EQ(p.c[PAIR_A].rcv_nxt, was.rcv_nxt);
    CHECK_EQ(tcpsm_deadline(&p.c[PAIR_A]), 0); /* an ACK says so */
    /* again, with one */
    p.c[PAIR_A] = was;
    bring_ring(NULL, &p, PAIR_A);
    in.flags = 0;
    CHECK_EQ(tcpsm_input(&p.c[PAIR_A], &in, p.now + 777), 0);
    CHECK_EQ(in.drop, 0);
    CHECK_EQ(p.c[PAIR_A].rcv_len, 5);
    CHECK_MEM(later, "hello", 5);
}

/* Who does not know SEQ and ACK, or cannot make a checksum, cannot make
   the caller find memory. */
TEST(blind_segments_want_no_ring)
{
    uint32_t i;
    tcpsm_conn *c = &p.c[PAIR_A];
    ringless(3000, 0);
    p.muted[0] = p.muted[1] = 1;
    c->flags &= ~TCPSM__F_TS;
    for (i = 0; i < 20000; i++) {
        uint8_t seg[64];
        uint32_t len, seq = c->rcv_nxt, ack = c->snd_nxt;
        uint8_t flags = PAIR_ACK;
        int keep = 0, want;
        tcpsm_conn was = *c;
        switch (i % 6) {
        case 0:
            seq += 3000 + rnd(0x7FFF0000); /* beyond the window */
            break;
        case 1:
            seq -= 100 + rnd(0x7FFF0000); /* before it */
            break;
        case 2:
            ack += 1 + rnd(0x7FFF0000); /* never sent */
            break;
        case 3:
            flags = (uint8_t)(rnd(256) & ~16u); /* no ACK */
            break;
        case 4:
            ack -= 70000u * 16 + rnd(0x40000000); /* RFC 5961 s5 */
            break;
        default:
            keep = 1;
            break;
        }
        len = pair_craft(&p, PAIR_B, seg, seq, ack, flags, 100, "hello", 5);
        if (keep) {
            pair_set_checksum(&p.tuple[PAIR_B], seg, len);
            seg[16 + rnd(2)] ^= (uint8_t)(1u << rnd(8));
        }
        CONTEXT("turn %u kind %u", i, i % 6);
        want = pair_inject(&p, PAIR_A, seg, len, keep);
        CHECK_NE(want, TCPSM_E_RING);
        CHECK_NE(want, TCPSM_DROP_NO_DATA);
        *c = was;
    }
}

/* What needs no ring: pure ACKs, old text, a bare FIN, a probe of a zero
   window. */
TEST(what_needs_no_ring)
{
    static const struct {
        int32_t seq;
        uint8_t flags;
        uint32_t len;
        uint32_t promise;
    } t[] = {{0, PAIR_ACK, 0, 3000},
             {-5, PAIR_ACK, 5, 3000},
             {0, PAIR_ACK | PAIR_FIN, 0, 3000},
             {-1, PAIR_ACK, 0, 3000},
             {0, PAIR_ACK, 1, 0}};
    uint32_t i;
    for (i = 0; i < sizeof t / sizeof *t; i++) {
        uint8_t seg[64];
        uint32_t len;
        int e;
        ringless(t[i].promise, 0);
        p.muted[0] = p.muted[1] = 1;
        p.c[PAIR_A].flags &= ~TCPSM__F_TS;
        len = pair_craft(
            &p, PAIR_B, seg, p.c[PAIR_A].rcv_nxt + (uint32_t)t[i].seq,
            p.c[PAIR_A].snd_nxt, t[i].flags, 500, "hello", t[i].len);
        e = pair_inject(&p, PAIR_A, seg, len, 0);
        CONTEXT("case %u: %d", i, e);
        CHECK(e != TCPSM_E_RING && e != TCPSM_DROP_NO_DATA);
        if (t[i].flags & PAIR_FIN)
            CHECK_EQ(tcpsm_state(&p.c[PAIR_A]), TCPSM_CLOSE_WAIT);
    }
}

/* The ring comes with the first payload and nothing is sent twice; less
   than was promised is refused; once it is empty it can go again. */
TEST(ring_on_demand)
{
    uint32_t max, turn, sent;
    for (max = 0; max <= 1 << 26; max = max * 64 + (1 << 14)) {
        CONTEXT("rcv_max %u", max);
        ringless(3000, max);
        p.need_ring = bring_ring;
        for (turn = 0; turn < 5; turn++) {
            void *old = NULL;
            struct tcpsm_info i;
            tcpsm_status(&p.c[PAIR_A], &i);
            CHECK_LE(i.rcv_wnd, 3000u);
            if (i.rcv_wnd > 1)
                CHECK_EQ(tcpsm_attach(&p.c[PAIR_A], TCPSM_RECEIVE, later,
                                      i.rcv_wnd - 1, NULL),
                         TCPSM_E_STATE);
            ring_wanted = 0;
            sent = (uint32_t)p.net.link[PAIR_B].stats.sent;
            scene__fill(&p, PAIR_B, 200, 0);
            pair_run(&p, PAIR_SECOND);
            CHECK_EQ(ring_wanted, 1);
            CHECK_EQ(p.net.link[PAIR_B].stats.sent, sent + 1);
            CHECK_EQ(pair_receive(&p, PAIR_A, p.train, 4096), 200);
            CHECK_EQ(p.train[199], (uint8_t)(199 * 7 + 1));
            pair_run(&p, PAIR_SECOND);
            /* what the larger ring offered may be more than the promise */
            tcpsm_status(&p.c[PAIR_A], &i);
            if (i.rcv_wnd > 3000) {
                CHECK_EQ(
                    tcpsm_attach(&p.c[PAIR_A], TCPSM_RECEIVE, NULL, 0, NULL),
                    TCPSM_E_STATE);
                break;
            }
            CHECK_EQ(tcpsm_attach(&p.c[PAIR_A], TCPSM_RECEIVE, NULL, 0, &old),
                     0);
            CHECK(old == later);
            pair_touched(&p, PAIR_A);
            memset(later, 0xEE, sizeof later);
        }
    }
}

/* Without anybody who brings a ring: nothing is lost but time. */
TEST(ring_that_comes_late)
{
    ringless(3000, 0);
    scene__fill(&p, PAIR_B, 1000, 0);
    pair_run(&p, 10 * PAIR_SECOND);
    CHECK_EQ(p.c[PAIR_A].rcv_len, 0);
    CHECK_EQ(p.c[PAIR_B].snd_len, 1000);
    bring_ring(NULL, &p, PAIR_A);
    pair_touched(&p, PAIR_A);
    pair_run(&p, 60 * PAIR_SECOND);
    CHECK_EQ(p.c[PAIR_A].rcv_len, 1000);
    CHECK_EQ(p.c[PAIR_B].snd_len, 0);
}

/* TCPSM_SET_PROMISE on the way: more is offered with the next ACK, less
   never takes back what was offered. */
TEST(promise_changes)
{
    struct tcpsm_info i;
    ringless(1000, 0);
    CHECK_EQ(tcpsm_set(&p.c[PAIR_A], TCPSM_SET_PROMISE, 5000), 0);
    scene__fill(&p, PAIR_A, 10, 0);
    pair_run(&p, PAIR_SECOND);
    tcpsm_status(&p.c[PAIR_B], &i);
    CHECK_EQ(i.snd_wnd, 5000);
    CHECK_EQ(tcpsm_set(&p.c[PAIR_A], TCPSM_SET_PROMISE, 100), 0);
    scene__fill(&p, PAIR_A, 10, 0);
    pair_run(&p, PAIR_SECOND);
    tcpsm_status(&p.c[PAIR_B], &i);
    CHECK_EQ(i.snd_wnd, 5000); /* law 8 */
    CHECK_EQ(tcpsm_attach(&p.c[PAIR_A], TCPSM_RECEIVE, later, 4096, NULL),
             TCPSM_E_STATE);
}

/* ---- over --------------------------------------------------------------- */

/* After EV_DONE all memory is the caller's: nothing reads or writes it,
   whatever calls still come; and the next connection can have other. */
static void over(int i)
{
    int side = scene_make(&p, i);
    uint32_t k;
    tcpsm_conn *c = &p.c[side];
    uint8_t *m = host__memory(400), *in = host__memory(SCENE_RING);
    uint8_t *out = host__memory(SCENE_RING), seg[64], *gone[3];
    tcpsm_tuple t = p.tuple[side];
    uint32_t len;
    if (need(c) > SCENE_RING ||
        tcpsm_attach(c, TCPSM_TABLES, m, 400, NULL) != 0)
        FAIL("scene");
    CHECK_EQ(tcpsm_attach(c, TCPSM_RECEIVE, in, SCENE_RING, NULL), 0);
    CHECK_EQ(tcpsm_attach(c, TCPSM_SEND, out, SCENE_RING, NULL), 0);
    tcpsm_abort(c);
    p.muted[0] = p.muted[1] = 1;
    pair_run(&p, PAIR_MS);
    CHECK(tcpsm_events(c) & TCPSM_EV_DONE);
    gone[0] = in;
    gone[1] = out;
    gone[2] = m;
    memset(in, 0x31, SCENE_RING);
    memset(out, 0x31, SCENE_RING);
    memset(m, 0x31, 400);
    len = pair_craft(&p, !side, seg, c->rcv_nxt, c->snd_nxt, PAIR_ACK, 500,
                     "hello", 5);
    (void)pair_inject(&p, side, seg, len, 0);
    pair_run(&p, 10 * PAIR_SECOND);
    CHECK_LT(tcpsm_send(c, "x", 1, 0), 0);
    CHECK_LE(tcpsm_receive(c, seg, 5), 0);
    (void)tcpsm_close(c);
    (void)tcpsm_abort(c);
    for (k = 0; k < SCENE_RING; k++)
        CHECK(in[k] == 0x31 && out[k] == 0x31);
    for (k = 0; k < 400; k++)
        CHECK_EQ(m[k], 0x31);
    /* take them back; and then live without them */
    for (k = 0; k < 3; k++) {
        static const uint32_t what[] = {TCPSM_RECEIVE, TCPSM_SEND,
                                        TCPSM_TABLES};
        void *old = NULL;
        CHECK_EQ(tcpsm_attach(c, what[k], NULL, 0, &old), 0);
        CHECK(old == gone[k]);
    }
    host__free(in, SCENE_RING);
    host__free(out, SCENE_RING);
    host__free(m, 400);
    CHECK_EQ(tcpsm_check(c), 0);
    CHECK_EQ(tcpsm_listen(c, &t, p.now), 0);
    CHECK_EQ(tcpsm_check(c), 0);
    pair_run(&p, PAIR_SECOND);
}

TEST(yours_after_done)
{
    int i;
    for (i = 0; i < SCENES; i++)
        if (scenes[i].make != scene_reset) /* that one is still read */
            over(i);
}

/* A small ring under a large configured scale must not stay shut. */
TEST(small_ring_under_a_large_scale)
{
    static const uint32_t ring[] = {1024, 1500, 2048, 8192, 16384, 20000};
    uint32_t i, k;
    for (k = 20; k <= 29; k += 3)
        for (i = 0; i < 6; i++) {
            pair_options o = TCPSM_ZERO;
            struct tcpsm_info info;
            o.rcv_ring[PAIR_B] = ring[i];
            o.cfg[PAIR_B].rcv_max = 1u << k;
            pair_init(&p, &o);
            CONTEXT("ring %u, rcv_max 2^%u", ring[i], k);
            CHECK(pair_connect(&p));
            p.net.link[0].delay_us = 1000;
            tcpsm_status(&p.c[PAIR_B], &info);
            CHECKF(pair_transfer(&p, 60000, 0, 300 * PAIR_SECOND),
                   "%u of 60000 came through, shift %u",
                   (uint32_t)p.flow[0].got, info.rcv_scale);
        }
}
