/* tcpsm_stack_input_batch is n calls of tcpsm_stack_input: the same comes
   out bit by bit, whatever is in the batch and in whatever order. Two
   stacks with the same key see the same segments, one by one and by the
   batch. */

#include "test.h"

#include "tcpsm.h"

#include "stackpair.h"

enum { GHOSTS = 24, BATCH = 64 };

static sp_host one, many;
static sp_ghost g[GHOSTS];
static uint64_t state;
static uint8_t seg[BATCH][2048], text[1460];
static uint32_t seg_n;
static tcpsm_in in[2][1024];
static uint8_t lent[2][GHOSTS * 2][6000];

static uint32_t below(uint32_t n)
{
    return (uint32_t)((netsim_random(&state) >> 32) * n >> 32);
}

static void up(uint32_t rcv_ring)
{
    tcpsm_stack_config cfg = sp_config(GHOSTS - 4);
    uint32_t i;
    cfg.rcv_ring = rcv_ring;
    cfg.conn.rcv_promise = rcv_ring ? 0 : 4000;
    cfg.syn_entries = 3;
    cfg.replies = 5;
    cfg.timewait_entries = 4;
    sp_up(&one, &cfg, 0, SP_SECOND);
    sp_up(&many, &cfg, 40, SP_SECOND);
    one.ghosts = g;
    one.ghost_n = GHOSTS;
    sp_listen(&one, 80, 6);
    sp_listen(&many, 80, 6);
    seg_n = 0;
    for (i = 0; i < GHOSTS; i++) {
        sp_ghost_init(&g[i], i, 80);
        g[i].flags = PAIR_RST;
    }
}

static void down(void)
{
    sp_down(&one);
    sp_down(&many);
}

static void put(const sp_ghost *q, uint32_t seq, uint32_t flags,
                const void *data, uint32_t n)
{
    uint32_t len;
    if (seg_n == BATCH)
        return;
    len = sp_write(seg[seg_n], q, seq, q->ack, flags, NULL, 0, data, n);
    sp_in(&in[0][seg_n], seg[seg_n], len);
    in[1][seg_n] = in[0][seg_n];
    seg_n++;
}

static uint64_t whose(const sp_host *h, const tcpsm_in *i)
{
    return i->conn ? tcpsm_stack_ref(h->st, i->conn) : 0;
}

/* The same from both, to the last bit */
static void same(void)
{
    uint32_t ev[2], turn;
    tcpsm_conn *c[2];
    struct tcpsm_stack_info a, b;
    many.now = one.now;
    CHECK_EQ(tcpsm_stack_check(one.st), 0);
    CHECK_EQ(tcpsm_stack_check(many.st), 0);
    CHECK_EQ(tcpsm_stack_deadline(one.st), tcpsm_stack_deadline(many.st));
    for (turn = below(3); turn > 0; turn--)
        do {
            ev[0] = ev[1] = 0;
            c[0] = tcpsm_stack_next(one.st, &ev[0]);
            c[1] = tcpsm_stack_next(many.st, &ev[1]);
            CHECK_EQ(c[0] == NULL, c[1] == NULL);
            CHECK_EQ(ev[0], ev[1]);
            if (c[0])
                CHECK_EQ(tcpsm_stack_ref(one.st, c[0]),
                         tcpsm_stack_ref(many.st, c[1]));
        } while (c[0] != NULL);
    sp_drain(&many); /* ghosts hear the other one */
    sp_drain(&one);
    CHECK_EQ(one.log_n, many.log_n);
    CHECK(one.digest == many.digest);
    CHECK_EQ(tcpsm_stack_deadline(one.st), tcpsm_stack_deadline(many.st));
    a = sp_info(&one);
    b = sp_info(&many);
    CHECK_MEM(&a, &b, sizeof a);
}

static void lend(sp_host *h, const tcpsm_in *i)
{
    uint64_t r = whose(h, i);
    CHECK(i->conn != NULL);
    CHECK_EQ(tcpsm_attach(i->conn, TCPSM_RECEIVE,
                          lent[h == &many][(uint32_t)r % (GHOSTS * 2)], 6000,
                          NULL),
             0);
}

/* One by one, and in as few batches as E_RING allows. */
static void feed(uint32_t n)
{
    uint32_t i, at = 0;
    tcpsm_ret r;
    for (i = 0; i < n; i++) {
        r = tcpsm_stack_input(one.st, &in[0][i], one.now);
        if (r == TCPSM_E_RING) {
            tcpsm_in *m = in[1];
            uint32_t k = (uint32_t)tcpsm_stack_input_batch(many.st, m + at,
                                                           n - at, one.now);
            CHECK_EQ(k, i - at); /* all before it, and not itself */
            CHECK_EQ(whose(&many, &m[i]), whose(&one, &in[0][i]));
            /* nor anything after it */
            at = i;
            k = (uint32_t)tcpsm_stack_input_batch(many.st, m + at, n - at,
                                                  one.now);
            CHECK_EQ(k, 0);
            if (below(3) == 0) {
                in[0][i].flags = m[i].flags = TCPSM_IN_NO_DATA;
            } else {
                lend(&one, &in[0][i]);
                lend(&many, &m[i]);
            }
            i--;
            continue;
        }
        CHECK_EQ(r, 0);
    }
    CHECK_EQ(tcpsm_stack_input_batch(many.st, in[1] + at, n - at, one.now),
             n - at);
    for (i = 0; i < n; i++) {
        CHECK_EQ(in[0][i].drop, in[1][i].drop);
        CHECK_EQ(whose(&one, &in[0][i]), whose(&many, &in[1][i]));
    }
    seg_n = 0;
}

/* ---- anything at all --------------------------------------------------- */

static void some_segment(sp_ghost *q)
{
    uint32_t n = below(800);
    switch (below(12)) {
    case 0:
        if (q->flags & PAIR_RST) {
            sp_ghost_init(q, (uint32_t)(q - g), below(9) ? 80 : 81);
            q->seq = (uint32_t)netsim_random(&state);
        }
        put(q, q->seq++, PAIR_SYN, NULL, 0);
        break;
    case 1:
        put(q, q->seq++, PAIR_ACK | PAIR_FIN, NULL, 0);
        break;
    case 2:
        put(q, q->seq, PAIR_RST, NULL, 0);
        break;
    case 3: /* beyond a gap */
        put(q, q->seq + 100, PAIR_ACK, text, n);
        break;
    case 4: /* again */
        put(q, q->seq - 50, PAIR_ACK, text, 50);
        break;
    case 5:
        put(q, (uint32_t)netsim_random(&state), below(64), text, n);
        break;
    case 6:
        put(q, q->seq, PAIR_ACK, NULL, 0);
        if (seg_n)
            seg[seg_n - 1][below(20)] ^= 1; /* damaged */
        break;
    default:
        put(q, q->seq, PAIR_ACK, text, n);
        q->seq += n;
    }
}

static void both(uint32_t what, uint32_t v)
{
    uint32_t at[2] = {0, 0}, k = below(GHOSTS);
    tcpsm_conn *c[2] = {NULL, NULL};
    do {
        c[0] = tcpsm_stack_walk(one.st, &at[0]);
        c[1] = tcpsm_stack_walk(many.st, &at[1]);
        CHECK_EQ(c[0] == NULL, c[1] == NULL);
    } while (c[0] && k-- > 0);
    if (c[0] == NULL)
        return;
    if (what == 0) {
        CHECK_EQ(tcpsm_send(c[0], text, v, 0), tcpsm_send(c[1], text, v, 0));
    } else if (what == 1) {
        static uint8_t buf[6000];
        CHECK_EQ(tcpsm_receive(c[0], buf, v), tcpsm_receive(c[1], buf, v));
    } else {
        CHECK_EQ(tcpsm_stack_release(one.st, c[0]),
                 tcpsm_stack_release(many.st, c[1]));
    }
}

static void random_batches(uint32_t rcv_ring, uint32_t turns, uint64_t seed)
{
    uint32_t k, i;
    state = seed;
    up(rcv_ring);
    for (k = 0; k < turns; k++) {
        CONTEXT("turn %u", k);
        for (i = 1 + below(below(4) ? 6 : BATCH); i > 0; i--)
            some_segment(&g[below(below(2) ? 3 : GHOSTS)]);
        feed(seg_n);
        if (below(2)) {
            tcpsm_conn *c = tcpsm_stack_accept(one.st, NULL);
            tcpsm_conn *d = tcpsm_stack_accept(many.st, NULL);
            CHECK_EQ(c == NULL, d == NULL);
            if (c)
                CHECK_EQ(tcpsm_stack_ref(one.st, c),
                         tcpsm_stack_ref(many.st, d));
        }
        both(below(4) ? below(2) : 2, 1 + below(900));
        if (below(4))
            same();
        one.now += below(2) ? below(3000) : below(3000000);
        many.now = one.now;
    }
    same();
    CHECK_GE(one.sent, turns / 2);
    CHECK_GE(sp_info(&one).accepted, turns / 60);
    down();
}

TEST(batch_is_as_many_single_calls)
{
    random_batches(3000, 1500, 1);
    random_batches(3000, 1500, 2);
}

TEST(batch_is_as_many_single_calls_with_rings_on_demand)
{
    random_batches(0, 1500, 3);
    random_batches(0, 1500, 4);
}

/* ---- what a look ahead could get wrong --------------------------------- */

/* Handshake, data, a duplicate, both ends of it, and the next connection
   of the same name, in one batch: each finds what the one before left. */
TEST(batch_with_a_whole_life_in_it)
{
    state = 1;
    up(3000);
    sp_say(&one, &g[0], PAIR_SYN, NULL, 0);
    (void)sp_raw(&many, &g[0], g[0].seq - 1, 0, PAIR_SYN, NULL, 0);
    same();
    CHECK_EQ(g[0].flags, PAIR_SYN | PAIR_ACK);
    put(&g[0], g[0].seq, PAIR_ACK, NULL, 0);
    put(&g[0], g[0].seq, PAIR_ACK, text, 500);
    put(&g[0], g[0].seq, PAIR_ACK, text, 500);
    put(&g[0], g[0].seq + 500, PAIR_ACK | PAIR_FIN, text, 100);
    put(&g[0], g[0].seq + 601, PAIR_RST | PAIR_ACK, NULL, 0);
    put(&g[0], g[0].seq + 900000, PAIR_SYN, NULL, 0);
    put(&g[0], g[0].seq + 900001, PAIR_ACK, NULL,
        0); /* the ISS is the same yet */
    put(&g[1], 77, PAIR_SYN, NULL, 0);
    put(&g[1], 77, PAIR_SYN, NULL, 0);
    put(&g[1], 78, PAIR_RST, NULL, 0);
    put(&g[1], 99, PAIR_SYN, NULL, 0);
    feed(seg_n);
    CHECK_EQ(sp_info(&many).conns, 2); /* the first is over, unaccepted */
    CHECK_EQ(sp_info(&many).unaccepted, 2);
    CHECK_EQ(sp_info(&many).syns, 1);
    same();
    down();
}

/* E_RING in the middle: before it everything, after it nothing. */
TEST(batch_stops_at_a_ring_that_is_missing)
{
    uint32_t i, n = 9;
    struct tcpsm_info x;
    tcpsm_conn *c[3];
    state = 2;
    up(0);
    for (i = 0; i < 3; i++) {
        sp_say(&many, &g[i], PAIR_SYN, NULL, 0);
        many.ghosts = g;
        many.ghost_n = GHOSTS;
        sp_drain(&many);
        sp_say(&many, &g[i], PAIR_ACK, NULL, 0);
        c[i] = tcpsm_stack_accept(many.st, NULL);
        CHECK(c[i] != NULL);
    }
    CHECK_EQ(tcpsm_attach(c[0], TCPSM_RECEIVE, lent[0][0], 6000, NULL), 0);
    CHECK_EQ(tcpsm_attach(c[2], TCPSM_RECEIVE, lent[0][2], 6000, NULL), 0);
    for (i = 0; i < n; i++)
        put(&g[i % 3], g[i % 3].seq + i / 3 * 10, PAIR_ACK, text, 10);
    /* c0 | c1 needs a ring | c2 c0 c1 c2 ... */
    CHECK_EQ(tcpsm_stack_input_batch(many.st, in[1], n, many.now), 1);
    CHECK(in[1][1].conn == c[1]);
    tcpsm_status(c[2], &x);
    CHECK_EQ(x.rcv_queued, 0);
    in[1][1].flags = TCPSM_IN_NO_DATA;
    CHECK_EQ(tcpsm_stack_input_batch(many.st, in[1] + 1, n - 1, many.now), 3);
    CHECK_EQ(in[1][1].drop, TCPSM_DROP_NO_DATA);
    CHECK(in[1][4].conn == c[1]);
    CHECK_EQ(tcpsm_attach(c[1], TCPSM_RECEIVE, lent[0][1], 6000, NULL), 0);
    CHECK_EQ(tcpsm_stack_input_batch(many.st, in[1] + 4, n - 4, many.now),
             n - 4);
    for (i = 0; i < 3; i++) {
        tcpsm_status(c[i], &x);
        CHECK_EQ(x.rcv_queued, i == 1 ? 0 : 30); /* c1 misses its first */
        CHECK_EQ(x.ranges, i == 1);
    }
    CHECK_EQ(tcpsm_stack_check(many.st), 0);
    down();
}

TEST(batch_of_one_connection_only)
{
    uint32_t i, n = 1000;
    static uint8_t s[1000][64];
    struct tcpsm_info x;
    tcpsm_conn *c;
    up(3000);
    many.ghosts = g;
    many.ghost_n = GHOSTS;
    c = sp_meet(&many, &g[0], 0, 80);
    for (i = 0; i < n; i++)
        sp_in(&in[1][i], s[i],
              sp_write(s[i], &g[0], g[0].seq + (i ^ 1), g[0].ack, PAIR_ACK,
                       NULL, 0, &"abcdefgh"[i % 8], 1));
    CHECK_EQ(tcpsm_stack_input_batch(many.st, in[1], n, many.now), n);
    tcpsm_status(c, &x);
    CHECK_EQ(x.rcv_queued, n);
    for (i = 0; i < n; i++)
        CHECK(in[1][i].conn == c);
    CHECK_EQ(tcpsm_receive(c, text, 8), 8);
    CHECK_MEM(text, "badcfehg", 8);
    down();
}

TEST(batch_of_nothing_and_of_nonsense)
{
    tcpsm_in x[4];
    up(3000);
    CHECK_EQ(tcpsm_stack_input_batch(many.st, in[1], 0, many.now), 0);
    CHECK_EQ(tcpsm_stack_input_batch(many.st, NULL, 3, many.now),
             TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_input_batch(NULL, in[1], 1, many.now), TCPSM_E_ARG);
    memset(x, 0, sizeof x);
    sp_in(&x[0], seg[0], 0);
    sp_in(&x[1], seg[0], 19);
    memset(seg[0], 0, 64);
    sp_in(&x[2], seg[0], 20);
    memset(seg[1], 255, 64);
    sp_in(&x[3], seg[1], 60);
    CHECK_EQ(tcpsm_stack_input_batch(many.st, x, 4, many.now), 4);
    CHECK_EQ(x[0].drop, TCPSM_DROP_SHORT);
    CHECK_EQ(x[1].drop, TCPSM_DROP_SHORT);
    CHECK_EQ(x[2].drop, TCPSM_DROP_OFFSET);
    CHECK_NE(x[3].drop, TCPSM_DROP_NONE);
    CHECK_EQ(sp_drain(&many), 0);
    down();
}
