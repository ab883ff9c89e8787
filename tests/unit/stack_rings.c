/* The memory of a stack: one block of exactly the size that was asked for,
   at any alignment, with the same bytes coming out wherever it lies (law
   1); and rings: from the slab, one's own, on demand, or promised. */

#include "test.h"

#include "tcpsm.h"

#include "stackpair.h"

static sp_host h;
static sp_ghost g[600];
static uint64_t state;
static uint8_t mine[2][70000], text[66000];

static void up_with(const tcpsm_stack_config *cfg)
{
    sp_up(&h, cfg, 24, 7 * SP_SECOND);
    h.ghosts = g;
    h.ghost_n = sizeof g / sizeof *g;
    memset(g, 0, sizeof g);
    sp_listen(&h, 80, 0);
}

static tcpsm_conn *meet(uint32_t i)
{
    return sp_meet(&h, &g[i], i, 80);
}

static uint32_t below(uint32_t n)
{
    return (uint32_t)((netsim_random(&state) >> 32) * n >> 32);
}

static void pattern(uint8_t *p, uint32_t n, uint64_t seed)
{
    uint32_t i;
    for (i = 0; i < n; i++)
        p[i] = pair_pattern(seed, i);
}

/* ---- the slab ---------------------------------------------------------- */

TEST(slab_ring_from_the_beginning_to_the_end)
{
    tcpsm_stack_config cfg = sp_config(8);
    up_with(&cfg);
    CHECK_EQ(sp_info(&h).ring_cap, 8);
    sp_ghost_init(&g[0], 0, 80);
    sp_say(&h, &g[0], PAIR_SYN, NULL, 0);
    sp_drain(&h);
    CHECK_EQ(sp_info(&h).rings, 0); /* a SYN costs an entry */
    CHECK_EQ(sp_info(&h).conns, 0);
    CHECK_EQ(sp_info(&h).syns, 1);
    sp_say(&h, &g[0], PAIR_ACK, "served at once", 14);
    CHECK_EQ(h.in.drop, 0);
    CHECK_EQ(sp_info(&h).rings, 1);
    CHECK_EQ(sp_info(&h).syns, 0);
    CHECK(h.in.conn != NULL);
    CHECK(tcpsm_stack_accept(h.st, NULL) == h.in.conn);
    CHECK_EQ(tcpsm_receive(h.in.conn, text, 100), 14);
    sp_call(&h, &g[1], 1, 900);
    CHECK_EQ(sp_info(&h).rings, 2);
    sp_say(&h, &g[0], PAIR_RST, NULL, 0);
    CHECK_EQ(sp_info(&h).rings, 2); /* it may be read still */
    CHECK_EQ(tcpsm_stack_release(h.st, h.in.conn), 0);
    CHECK_EQ(tcpsm_stack_release(h.st, g[1].c), 0);
    sp_quiet(&h);
    CHECK_EQ(sp_info(&h).rings, 0);
    sp_down(&h);
}

TEST(slab_smaller_than_the_connections)
{
    tcpsm_stack_config cfg = sp_config(8);
    tcpsm_tuple t;
    tcpsm_conn *c;
    uint32_t i;
    cfg.rings = 2;
    up_with(&cfg);
    for (i = 0; i < 3; i++) { /* all three SYNs find a free ring */
        sp_ghost_init(&g[i], i, 80);
        sp_say(&h, &g[i], PAIR_SYN, NULL, 0);
    }
    sp_drain(&h);
    CHECK_EQ(sp_info(&h).syns, 3);
    for (i = 0; i < 2; i++) {
        sp_say(&h, &g[i], PAIR_ACK, NULL, 0);
        g[i].c = tcpsm_stack_accept(h.st, NULL);
        CHECK(g[i].c != NULL);
    }
    CHECK_EQ(sp_info(&h).rings, 2);
    /* the third's ACK finds none: dropped, and the entry stays */
    (void)sp_raw(&h, &g[2], g[2].seq, g[2].ack, PAIR_ACK, "hi", 2);
    CHECK_EQ(h.in.drop, TCPSM_DROP_FULL);
    CHECK_EQ(sp_info(&h).syns, 1);
    CHECK_EQ(sp_info(&h).conns, 2);
    CHECK_EQ(sp_drain(&h), 0); /* no reset either */
    /* nor is there one for another SYN, or for us */
    sp_ghost_init(&g[3], 3, 80);
    sp_say(&h, &g[3], PAIR_SYN, NULL, 0);
    CHECK_EQ(h.in.drop, TCPSM_DROP_FULL);
    sp_name(&g[3], &t);
    t.local_port = 1000;
    CHECK_EQ(tcpsm_stack_connect(h.st, &t, NULL, &c, h.now), TCPSM_E_SPACE);
    /* released: the ACK comes again because the SYN-ACK does */
    CHECK_EQ(tcpsm_abort(g[0].c), 0);
    CHECK_EQ(tcpsm_stack_release(h.st, g[0].c), 0);
    sp_quiet(&h);
    CHECK_EQ(sp_info(&h).rings, 1);
    g[2].flags = 0;
    sp_idle(&h, h.now + 2 * SP_SECOND, NULL);
    CHECK_EQ(g[2].flags, PAIR_SYN | PAIR_ACK);
    sp_say(&h, &g[2], PAIR_ACK, "hi", 2);
    c = tcpsm_stack_accept(h.st, NULL);
    CHECK(c != NULL);
    CHECK_EQ(tcpsm_receive(c, text, 10), 2);
    CHECK_EQ(sp_info(&h).rings, 2);
    sp_down(&h);
}

/* All rings full at once, and none holds a byte of another. */
TEST(slab_rings_do_not_overlap)
{
    static const uint32_t size[][2] = {
        {4096, 4096}, {1000, 3}, {7, 999}, {3, 1}, {65535, 70001}};
    uint32_t k, i, n = 9, rcv, snd, start[9];
    for (k = 0; k < sizeof size / sizeof *size; k++) {
        tcpsm_stack_config cfg = sp_config(n);
        CONTEXT("rings of %u and %u", size[k][0], size[k][1]);
        cfg.rcv_ring = rcv = size[k][0];
        cfg.snd_ring = snd = size[k][1];
        cfg.conn.flags = TCPSM_NO_SCALE;
        cfg.conn.initial_segments = 255;
        up_with(&cfg);
        for (i = 0; i < n; i++)
            meet(i);
        for (i = 0; i < n; i++) {
            uint32_t at, len;
            tcpsm_ret r;
            pattern(text, rcv, i);
            for (at = 0; at < rcv; at += len) {
                len = rcv - at < 1000 ? rcv - at : 1000;
                sp_say(&h, &g[i], PAIR_ACK, text + at, len);
            }
            pattern(text, snd > 66000 ? 66000 : snd, i + 100);
            r = tcpsm_send(g[i].c, text, snd > 66000 ? 66000 : snd, 0);
            CHECK_GE(r, 1);
        }
        for (i = 0; i < n; i++) {
            tcpsm_ret r = tcpsm_receive(g[i].c, mine[0], sizeof mine[0]);
            pattern(text, rcv, i);
            CHECK_GE((uint32_t)r, rcv / 2);
            CHECK_MEM(mine[0], text, r);
        }
        for (i = 0; i < n; i++)
            start[i] = g[i].ack;    /* of its text */
        while (sp_output(&h) > 0) { /* the first byte of each segment */
            const sp_sent *x = &h.log[(h.log_n - 1) % SP_LOG];
            i = (uint32_t)x->tuple.remote_port - SP_PORT;
            if (x->s.len)
                CHECK_EQ(x->first,
                         pair_pattern(i + 100, x->s.seq - start[i]));
        }
        sp_down(&h);
    }
}

/* Two are handed out again and again; what one left in them is not seen. */
TEST(slab_rings_go_round)
{
    tcpsm_stack_config cfg = sp_config(2);
    uint32_t i;
    uint8_t got[64];
    up_with(&cfg);
    for (i = 0; i < 500; i++) {
        uint32_t len = 1 + i % 60;
        meet(i);
        pattern(text, len, i);
        sp_say(&h, &g[i], PAIR_ACK, text, len);
        CHECK_EQ(tcpsm_receive(g[i].c, got, sizeof got), len);
        CHECK_MEM(got, text, len);
        CHECK_EQ(tcpsm_abort(g[i].c), 0);
        CHECK_EQ(tcpsm_stack_release(h.st, g[i].c), 0);
        sp_quiet(&h);
        CHECK_EQ(sp_info(&h).rings, 0);
    }
    sp_down(&h);
}

/* One's own in its place, and the slab's back again */
TEST(slab_ring_replaced_and_put_back)
{
    tcpsm_stack_config cfg = sp_config(2);
    void *slab, *old;
    uint8_t got[64];
    up_with(&cfg);
    meet(0);
    sp_say(&h, &g[0], PAIR_ACK, "before", 6);
    CHECK_EQ(tcpsm_attach(g[0].c, TCPSM_RECEIVE, mine[0], 8192, &slab), 0);
    CHECK((uint8_t *)slab >= h.block &&
          (uint8_t *)slab + 4096 <= h.block + h.size);
    sp_say(&h, &g[0], PAIR_ACK, "after", 5);
    CHECK_EQ(tcpsm_attach(g[0].c, TCPSM_RECEIVE, slab, 4096, &old), 0);
    CHECK(old == mine[0]);
    CHECK_EQ(tcpsm_receive(g[0].c, got, sizeof got), 11);
    CHECK_MEM(got, "beforeafter", 11);
    CHECK_EQ(sp_info(&h).rings, 1);
    CHECK_EQ(tcpsm_stack_check(h.st), 0);
    sp_quiet(&h);
    CHECK_EQ(tcpsm_abort(g[0].c), 0);
    CHECK_EQ(tcpsm_stack_release(h.st, g[0].c), 0);
    sp_drain(&h);
    CHECK_EQ(sp_news(&h, NULL, NULL), 0); /* nothing of yours is left */
    CHECK_EQ(sp_info(&h).rings, 0);
    CHECK_EQ(sp_info(&h).conns, 0);
    sp_down(&h);
}

/* ---- rings on demand --------------------------------------------------- */

static void up_bare(uint32_t promise)
{
    tcpsm_stack_config cfg = sp_config(8);
    cfg.rcv_ring = 0;
    cfg.conn.rcv_promise = promise;
    cfg.conn.flags = TCPSM_NO_TS;
    up_with(&cfg);
}

TEST(ring_on_demand_changes_nothing_until_it_is_there)
{
    tcpsm_conn before;
    struct tcpsm_stack_info a, b;
    struct tcpsm_info x;
    uint32_t i;
    up_bare(6000);
    meet(0);
    CHECK_EQ(tcpsm_send(g[0].c, "question", 8, 0), 8);
    sp_quiet(&h);
    memcpy(&before, g[0].c, sizeof before);
    a = sp_info(&h);
    for (i = 0; i < 3; i++) {
        CHECK_EQ(sp_raw(&h, &g[0], g[0].seq, g[0].ack, PAIR_ACK, "answer", 6),
                 TCPSM_E_RING);
        CHECK(h.in.conn == g[0].c);
        b = sp_info(&h);
        CHECK_MEM(&before, g[0].c, sizeof before);
        CHECK_MEM(&a, &b, sizeof a);
        CHECK_EQ(sp_drain(&h), 0);
    }
    CHECK_EQ(tcpsm_attach(g[0].c, TCPSM_RECEIVE, mine[0], 8192, NULL), 0);
    sp_say(&h, &g[0], PAIR_ACK, "answer", 6);
    CHECK_EQ(h.in.drop, 0);
    CHECK_EQ(tcpsm_receive(g[0].c, text, 100), 6);
    tcpsm_status(g[0].c, &x);
    CHECK_EQ(x.flight, 0); /* and the question is acknowledged */
    sp_down(&h);
}

TEST(ring_on_demand_or_no_data)
{
    struct tcpsm_info x;
    up_bare(6000);
    meet(0);
    CHECK_EQ(tcpsm_send(g[0].c, "question", 8, 0), 8);
    sp_quiet(&h);
    sp_in(&h.in, h.seg,
          sp_write(h.seg, &g[0], g[0].seq, g[0].ack, PAIR_ACK, NULL, 0,
                   "answer", 6));
    h.in.flags = TCPSM_IN_NO_DATA;
    CHECK_EQ(tcpsm_stack_input(h.st, &h.in, h.now), 0);
    CHECK_EQ(h.in.drop, TCPSM_DROP_NO_DATA);
    tcpsm_status(g[0].c, &x);
    CHECK_EQ(x.flight, 0);
    CHECK_EQ(x.rcv_nxt, g[0].seq);
    sp_quiet(&h);
    CHECK_EQ(tcpsm_attach(g[0].c, TCPSM_RECEIVE, mine[0], 8192, NULL), 0);
    sp_say(&h, &g[0], PAIR_ACK, "answer", 6); /* it comes again */
    CHECK_EQ(tcpsm_receive(g[0].c, text, 100), 6);
    sp_down(&h);
}

/* Data that rides on the third ACK, in a connection that nobody knows yet */
TEST(ring_on_demand_for_the_third_ack)
{
    tcpsm_conn *c;
    up_bare(6000);
    sp_ghost_init(&g[0], 0, 80);
    sp_say(&h, &g[0], PAIR_SYN, NULL, 0);
    sp_drain(&h);
    CHECK_EQ(sp_raw(&h, &g[0], g[0].seq, g[0].ack, PAIR_ACK | PAIR_FIN,
                    "GET /", 5),
             TCPSM_E_RING);
    c = h.in.conn;
    CHECK(c != NULL);
    CHECK_EQ(tcpsm_stack_check(h.st), 0);
    CHECK_EQ(tcpsm_attach(c, TCPSM_RECEIVE, mine[0], 8192, NULL), 0);
    sp_say(&h, &g[0], PAIR_ACK | PAIR_FIN, "GET /", 5);
    CHECK(h.in.conn == c);
    CHECK(tcpsm_stack_accept(h.st, NULL) == c);
    CHECK_EQ(tcpsm_receive(c, text, 100), 5);
    CHECK_EQ(tcpsm_receive(c, text, 100), TCPSM_E_EOF);
    CHECK_EQ(tcpsm_stack_release(h.st, c), 0);
    sp_drain(&h);
    sp_say(&h, &g[0], PAIR_ACK, NULL, 0);
    sp_drain(&h);
    CHECK_EQ(sp_news(&h, NULL, NULL), 1); /* the ring is back */
    CHECK_EQ(sp_info(&h).conns, 0);
    sp_down(&h);
}

/* A FIN that came before what precedes it needs no ring, either, and is
   remembered or not, but breaks nothing. */
TEST(ring_is_not_demanded_by_a_fin_beyond_a_gap)
{
    up_bare(6000);
    meet(0);
    CHECK_EQ(sp_raw(&h, &g[0], g[0].seq + 5, g[0].ack, PAIR_ACK | PAIR_FIN,
                    NULL, 0),
             0);
    CHECK_EQ(tcpsm_stack_check(h.st), 0);
    sp_quiet(&h);
    CHECK_EQ(sp_raw(&h, &g[0], g[0].seq, g[0].ack, PAIR_ACK, "hello", 5),
             TCPSM_E_RING);
    CHECK_EQ(tcpsm_attach(g[0].c, TCPSM_RECEIVE, mine[0], 8192, NULL), 0);
    CHECK_EQ(tcpsm_stack_check(h.st), 0);
    sp_say(&h, &g[0], PAIR_ACK | PAIR_FIN, "hello", 5);
    CHECK_EQ(tcpsm_receive(g[0].c, text, 10), 5);
    CHECK_EQ(tcpsm_receive(g[0].c, text, 10), TCPSM_E_EOF);
    sp_down(&h);
}

/* Nobody could attach one to a connection that was released: its pointer is
   dead. What still comes is refused with a reset. */
TEST(ring_is_not_demanded_for_the_released)
{
    up_bare(6000);
    meet(0);
    sp_quiet(&h);
    CHECK_EQ(tcpsm_stack_release(h.st, g[0].c), 0);
    sp_quiet(&h);
    CHECK_EQ(sp_raw(&h, &g[0], g[0].seq, g[0].ack, PAIR_ACK, "x", 1), 0);
    CHECK_EQ(h.in.drop, TCPSM_DROP_CLOSED);
    sp_quiet(&h);
    CHECK(g[0].flags & PAIR_RST);
    CHECK_EQ(sp_info(&h).conns, 0);
    sp_down(&h);
}

/* What is not good enough to be data does not ask for memory. */
TEST(ring_is_not_demanded_by_what_is_invalid_or_empty)
{
    sp_ghost bad;
    up_bare(6000);
    meet(0);
    sp_quiet(&h);
    /* a wrong checksum */
    sp_in(&h.in, h.seg,
          sp_write(h.seg, &g[0], g[0].seq, g[0].ack, PAIR_ACK, NULL, 0, "x",
                   1));
    h.seg[16] ^= 1;
    CHECK_EQ(tcpsm_stack_input(h.st, &h.in, h.now), 0);
    CHECK_EQ(h.in.drop, TCPSM_DROP_CHECKSUM);
    /* outside of the window, an ACK of nothing, no ACK */
    CHECK_EQ(sp_raw(&h, &g[0], g[0].seq + 7000, g[0].ack, PAIR_ACK, "x", 1),
             0);
    CHECK_EQ(h.in.drop, TCPSM_DROP_WINDOW);
    CHECK_EQ(sp_raw(&h, &g[0], g[0].seq, g[0].ack + 9, PAIR_ACK, "x", 1), 0);
    CHECK_EQ(h.in.drop, TCPSM_DROP_BAD_ACK);
    CHECK_EQ(sp_raw(&h, &g[0], g[0].seq, g[0].ack, 0, "x", 1), 0);
    CHECK_EQ(h.in.drop, TCPSM_DROP_NO_ACK);
    /* a keepalive probe, a pure ACK, a bare FIN */
    CHECK_EQ(sp_raw(&h, &g[0], g[0].seq - 1, g[0].ack, PAIR_ACK, "x", 1), 0);
    CHECK_EQ(sp_raw(&h, &g[0], g[0].seq - 1, g[0].ack, PAIR_ACK, NULL, 0), 0);
    sp_say(&h, &g[0], PAIR_ACK, NULL, 0);
    sp_say(&h, &g[0], PAIR_ACK | PAIR_FIN, NULL, 0);
    CHECK_EQ(tcpsm_state(g[0].c), TCPSM_CLOSE_WAIT);
    /* and a stranger's data */
    sp_ghost_init(&bad, 500, 80);
    CHECK_EQ(sp_raw(&h, &bad, 5, 6, PAIR_ACK, "x", 1), 0);
    CHECK(h.in.conn == NULL);
    sp_down(&h);
}

TEST(promise_is_the_window_until_there_is_a_ring)
{
    struct tcpsm_info x;
    up_bare(6000);
    sp_ghost_init(&g[0], 0, 80);
    sp_say(&h, &g[0], PAIR_SYN, NULL, 0);
    sp_drain(&h);
    CHECK_LE(h.log[0].s.wnd, 6000u);
    CHECK_GE(h.log[0].s.wnd, 5900u); /* a 16-bit float */
    sp_say(&h, &g[0], PAIR_ACK, NULL, 0);
    g[0].c = tcpsm_stack_accept(h.st, NULL);
    tcpsm_status(g[0].c, &x);
    CHECK_LE(x.rcv_wnd, 6000u);
    CHECK_GE(x.rcv_wnd, 5900u);
    CHECK_EQ(tcpsm_attach(g[0].c, TCPSM_RECEIVE, mine[0], 3000, NULL),
             TCPSM_E_STATE); /* law 8 */
    CHECK_EQ(tcpsm_attach(g[0].c, TCPSM_RECEIVE, mine[0], 6000, NULL), 0);
    sp_down(&h);
}

/* Nothing promised: the window is closed, and opens with the ring. */
TEST(promise_of_nothing_is_a_closed_window)
{
    up_bare(0);
    meet(0);
    sp_quiet(&h);
    sp_idle(&h, h.now + SP_SECOND, NULL);
    (void)sp_raw(&h, &g[0], g[0].seq, g[0].ack, PAIR_ACK, "x", 1);
    sp_drain(&h);
    CHECK_EQ(h.log_n, 1);
    CHECK_EQ(h.log[0].s.wnd, 0);
    CHECK_EQ(tcpsm_attach(g[0].c, TCPSM_RECEIVE, mine[0], 8192, NULL), 0);
    sp_drain(&h);
    CHECK_EQ(h.log_n, 1);
    CHECK_GE(h.log[0].s.wnd, 4096u);
    sp_say(&h, &g[0], PAIR_ACK, "x", 1);
    CHECK_EQ(tcpsm_receive(g[0].c, text, 9), 1);
    sp_down(&h);
}

TEST(send_ring_on_demand)
{
    tcpsm_stack_config cfg = sp_config(4);
    cfg.snd_ring = 0;
    up_with(&cfg);
    meet(0);
    CHECK_LE(tcpsm_send(g[0].c, "x", 1, 0), 0);
    CHECK_EQ(tcpsm_attach(g[0].c, TCPSM_SEND, mine[1], 100, NULL), 0);
    CHECK_EQ(tcpsm_send(g[0].c, "x", 1, 0), 1);
    sp_drain(&h);
    CHECK_EQ(g[0].got, 1);
    sp_down(&h);
}

/* ---- the block --------------------------------------------------------- */

TEST(size_of_nonsense_is_zero)
{
    tcpsm_stack_config cfg = sp_config(0);
    CHECK_EQ(tcpsm_stack_size(NULL), 0);
    CHECK_EQ(tcpsm_stack_size(&cfg), 0); /* no connections */
    cfg = sp_config(1u << 24);
    CHECK_EQ(tcpsm_stack_size(&cfg), 0);
    cfg = sp_config(0xFFFFFFFFu);
    CHECK_EQ(tcpsm_stack_size(&cfg), 0);
    cfg = sp_config(4);
    cfg.syn_entries = 1u << 20;
    CHECK_EQ(tcpsm_stack_size(&cfg), 0);
    cfg = sp_config(4);
    cfg.timewait_entries = 1u << 24;
    CHECK_EQ(tcpsm_stack_size(&cfg), 0);
    cfg = sp_config(4);
    cfg.rcv_ring = TCPSM_MAX_RING + 1;
    CHECK_EQ(tcpsm_stack_size(&cfg), 0);
    cfg = sp_config(4);
    cfg.snd_ring = 0xFFFFFFFFu;
    CHECK_EQ(tcpsm_stack_size(&cfg), 0);
    cfg = sp_config(4);
    cfg.port_first = 5000;
    cfg.port_last = 4999;
    CHECK_EQ(tcpsm_stack_size(&cfg), 0);
    cfg = sp_config(4);
    cfg.conn.mtu = 50;
    CHECK(tcpsm_stack_size(&cfg) == 0 ||
          tcpsm_stack_init(&h.st, mine, sizeof mine, &cfg, 0) < 0);
}

TEST(size_that_overflows_is_zero)
{
    tcpsm_stack_config cfg = sp_config((1u << 24) - 1);
    size_t n, m;
    cfg.rcv_ring = cfg.snd_ring = TCPSM_MAX_RING;
    n = tcpsm_stack_size(&cfg);
    if (sizeof n <= 4)
        CHECK_EQ(n, 0);
    else
        CHECK(n > (size_t)cfg.conns * 2 * (size_t)TCPSM_MAX_RING);
    cfg.rings = 0xFFFFFFFFu;
    m = tcpsm_stack_size(&cfg);
    CHECK(m == 0 || m >= n); /* never a small one */
    cfg.replies = 0xFFFFFFFFu;
    m = tcpsm_stack_size(&cfg);
    CHECK(m == 0 || (sizeof m > 4 && m >= n));
}

/* Sums of random sizes: none is smaller than its parts. */
TEST(size_is_never_less_than_its_parts)
{
    uint32_t i;
    state = 9;
    for (i = 0; i < 20000; i++) {
        tcpsm_stack_config cfg = sp_config(1u << below(24));
        size_t n;
        double least;
        cfg.rings = below(2) ? 1 + below(cfg.conns) : 0;
        cfg.rcv_ring = below(1u << below(31));
        cfg.snd_ring = below(1u << below(31));
        cfg.syn_entries = below(1u << below(20));
        cfg.timewait_entries = below(1u << below(24));
        cfg.replies = below(1u << below(32));
        n = tcpsm_stack_size(&cfg);
        least = (double)cfg.conns * sizeof(tcpsm_conn) +
                (double)(cfg.rings ? cfg.rings : cfg.conns) *
                    ((double)cfg.rcv_ring + cfg.snd_ring) +
                (double)cfg.timewait_entries * 32;
        CHECKF(n == 0 || (double)n >= least, "turn %u: %lu", i,
               (unsigned long)n);
    }
}

TEST(init_refuses_what_it_must)
{
    tcpsm_stack_config cfg = sp_config(4);
    size_t n = tcpsm_stack_size(&cfg);
    tcpsm_stack *st = NULL;
    CHECK(n > 0 && n <= sizeof mine);
    CHECK_EQ(tcpsm_stack_init(&st, mine, n - 1, &cfg, 0), TCPSM_E_SPACE);
    CHECK_EQ(tcpsm_stack_init(&st, mine, 0, &cfg, 0), TCPSM_E_SPACE);
    CHECK_EQ(tcpsm_stack_init(&st, NULL, n, &cfg, 0), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_init(NULL, mine, n, &cfg, 0), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_init(&st, mine, n, NULL, 0), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_init_(&st, mine, n, &cfg, 0, sizeof(tcpsm_conn) + 8,
                               TCPSM_ABI),
             TCPSM_E_ABI);
    CHECK_EQ(tcpsm_stack_init_(&st, mine, n, &cfg, 0, sizeof(tcpsm_conn),
                               TCPSM_ABI ^ 1),
             TCPSM_E_ABI);
    memset(cfg.conn.key, 0, sizeof cfg.conn.key);
    CHECK_EQ(tcpsm_stack_init(&st, mine, n, &cfg, 0), TCPSM_E_KEY);
    cfg = sp_config(0);
    CHECK_EQ(tcpsm_stack_init(&st, mine, sizeof mine, &cfg, 0), TCPSM_E_ARG);
    cfg = sp_config(4);
    CHECK_EQ(tcpsm_stack_init(&st, mine, n, &cfg, 0), 0);
}

/* ---- the same bytes, wherever it lies (law 1) -------------------------- */

static uint64_t ref[16];

static tcpsm_conn *conn(uint32_t i)
{
    return ref[i] ? tcpsm_stack_deref(h.st, ref[i] - 1) : NULL;
}

/* The block goes to another place and the old one is overwritten. */
static void move(uint32_t offset)
{
    uint8_t *raw = (uint8_t *)malloc(h.size + 2 * SP_GUARD + 64), *p;
    memset(raw, 0xA5, h.size + 2 * SP_GUARD + 64);
    for (p = raw + SP_GUARD; ((uintptr_t)p & 63) != offset;)
        p++;
    memcpy(p, h.block, h.size);
    sp_guard(&h);
    memset(h.raw, 0xDD, h.size);
    free(h.raw);
    h.raw = raw;
    h.block = p;
    CHECK_EQ(tcpsm_stack_rebase(&h.st, p, h.size), 0);
}

static void act(uint32_t i)
{
    tcpsm_conn *c = conn(i);
    tcpsm_tuple t;
    uint8_t buf[600];
    switch (below(c ? 9 : 3)) {
    case 0:
        sp_say(&h, &g[i], PAIR_ACK, text, below(500));
        break;
    case 1:
        if (c != NULL) {
            sp_say(&h, &g[i], PAIR_ACK, NULL, 0);
            break;
        }
        sp_ghost_init(&g[i], i, 80);
        g[i].seq = (uint32_t)netsim_random(&state);
        sp_say(&h, &g[i], PAIR_SYN, NULL, 0);
        sp_drain(&h);
        sp_say(&h, &g[i], PAIR_ACK, "hello", below(5));
        c = tcpsm_stack_accept(h.st, NULL);
        if (c != NULL)
            ref[i] = tcpsm_stack_ref(h.st, c) + 1;
        break;
    case 2:
        if (c != NULL)
            break;
        sp_ghost_init(&g[i], i, (uint16_t)(300 + below(50)));
        sp_name(&g[i], &t);
        if (below(2)) /* a port of its own choice (RFC 6056) */
            t.local_port = 0;
        if (tcpsm_stack_connect(h.st, &t, NULL, &c, h.now) == 0) {
            ref[i] = tcpsm_stack_ref(h.st, c) + 1;
            tcpsm_name(c, &t);
            g[i].to = t.local_port;
            sp_drain(&h);
            sp_say(&h, &g[i], PAIR_SYN | PAIR_ACK, NULL, 0);
        }
        break;
    case 3:
        (void)tcpsm_receive(c, buf, sizeof buf);
        break;
    case 4:
        sp_say(&h, &g[i], PAIR_ACK | PAIR_FIN, NULL, 0);
        break;
    case 5:
        if (below(3) == 0) {
            CHECK_GE(tcpsm_stack_release(h.st, c), 0);
            ref[i] = 0;
        }
        break;
    default:
        (void)tcpsm_send(c, text, 1 + below(599), 0);
    }
}

static uint64_t scenario(uint32_t offset, uint64_t seed, uint32_t steps,
                         uint32_t move_every)
{
    tcpsm_stack_config cfg = sp_config(16);
    uint32_t k, i, ev;
    tcpsm_conn *c;
    uint64_t digest;
    cfg.rcv_ring = cfg.snd_ring = 1000;
    cfg.syn_entries = 4; /* cookies too */
    cfg.timewait_entries = 8;
    memset(g, 0, sizeof g);
    memset(ref, 0, sizeof ref);
    state = seed;
    sp_up(&h, &cfg, offset, 5 * SP_SECOND);
    h.ghosts = g;
    h.ghost_n = 16;
    sp_listen(&h, 80, 0);
    for (k = 0; k < steps; k++) {
        if (move_every && k % move_every == 1) {
            move((offset + k * 7) & 63);
            CHECK_EQ(tcpsm_stack_check(h.st), 0);
        }
        i = below(16);
        act(i);
        if (below(3) == 0)
            sp_drain(&h);
        while (below(4) && (c = tcpsm_stack_next(h.st, &ev)) != NULL)
            h.digest =
                h.digest * 31 + ev + (uint32_t)tcpsm_stack_ref(h.st, c) * 7;
        if (below(3) == 0) {
            h.now += below(2) ? below(2000000) : below(2000);
            sp_drain(&h);
        }
        if (k % 64 == 0)
            sp_look(&h);
    }
    digest = h.digest ^ h.sent << 40;
    CHECK_GE(h.sent, steps / 8);
    sp_down(&h);
    return digest;
}

TEST(block_works_at_every_alignment)
{
    uint64_t first = 0, d;
    uint32_t i;
    for (i = 0; i < 64; i++) {
        CONTEXT("alignment %u", i);
        d = scenario(i, 3, 250, 0);
        if (i == 0)
            first = d;
        CHECK(d == first);
    }
}

TEST(block_gives_the_same_bytes_anywhere)
{
    uint64_t a, b;
    a = scenario(0, 4, 6000, 0);
    b = scenario(33, 4, 6000, 0);
    CHECK(a == b);
    CHECK(scenario(0, 5, 6000, 0) != a); /* the digest tells */
}

/* The flow label of IPv6 comes from a hash: not of an address in memory. */
TEST(block_gives_the_same_flow_labels_anywhere)
{
    uint32_t i, label[2];
    for (i = 0; i < 2; i++) {
        tcpsm_stack_config cfg = sp_config(4);
        tcpsm_tuple t;
        tcpsm_conn *c;
        tcpsm_out o;
        cfg.flags = TCPSM_PROMISCUOUS;
        sp_up(&h, &cfg, i * 21, SP_SECOND);
        memset(&t, 0, sizeof t);
        t.family = 6;
        t.local[0] = t.remote[0] = 0xfd;
        t.local[15] = 1;
        t.remote[15] = 2;
        t.local_port = 1000;
        t.remote_port = 80;
        CHECK_EQ(tcpsm_stack_connect(h.st, &t, NULL, &c, h.now), 0);
        memset(&o, 0, sizeof o);
        o.buf = h.out;
        o.cap = sizeof h.out;
        CHECK(tcpsm_stack_output(h.st, &o, h.now) > 0);
        label[i] = (uint32_t)o.flow[0] << 16 | pair_get16(o.flow + 1);
        CHECK(label[i] != 0);
        sp_down(&h);
    }
    CHECK_EQ(label[0], label[1]);
}

/* Nothing in the block knows where it is, once rebased. */
TEST(block_moves_and_nobody_notices)
{
    uint64_t a = scenario(0, 6, 3000, 0);
    CHECK(scenario(5, 6, 3000, 11) == a);
}

/* Memory of yours that lies just before or just behind the block is not
   the block's, wherever that begins, and does not move with it. */
TEST(block_moves_beside_lent_memory)
{
    enum { RING = 5000 };
    tcpsm_stack_config cfg = sp_config(2);
    size_t n = tcpsm_stack_size(&cfg);
    uint32_t i;
    static uint8_t raw[64000], copy[64000];
    uint8_t *block;
    CHECK_LE(n + 64 + 2 * RING, sizeof raw);
    for (i = 0; i < 64; i++) {
        uint8_t *before, *after, *p = copy;
        void *old;
        CONTEXT("alignment %u", i);
        for (block = raw + RING; ((uintptr_t)block & 63) != i;)
            block++;
        before = block - RING;
        after = block + n;
        while (((uintptr_t)p & 63) != (i * 5 & 63))
            p++;
        memset(&h, 0, sizeof h);
        h.log = (sp_sent *)malloc(SP_LOG * sizeof *h.log);
        h.cfg = cfg;
        h.cap = 1500;
        h.now = SP_SECOND;
        h.ghosts = g;
        h.ghost_n = 2;
        CHECK_EQ(tcpsm_stack_init(&h.st, block, n, &cfg, h.now), 0);
        {
            tcpsm_tuple t;
            sp_address(&t, 0);
            memset(t.remote, 0, sizeof t.remote);
            CHECK_EQ(tcpsm_stack_address(h.st, &t, 24, 1), 0);
        }
        sp_listen(&h, 80, 0);
        meet(0);
        CHECK_EQ(tcpsm_attach(g[0].c, TCPSM_SEND, before, RING, NULL), 0);
        CHECK_EQ(tcpsm_attach(g[0].c, TCPSM_RECEIVE, after, RING, NULL), 0);
        memcpy(p, block, n);
        memset(block, 0xDD, n);
        CHECK_EQ(tcpsm_stack_rebase(&h.st, p, n), 0);
        g[0].c = tcpsm_stack_walk(h.st, &(uint32_t){0});
        CHECK_EQ(tcpsm_attach(g[0].c, TCPSM_RECEIVE, mine[0], 8192, &old), 0);
        CHECK(old == after);
        CHECK_EQ(tcpsm_attach(g[0].c, TCPSM_SEND, mine[1], 8192, &old), 0);
        CHECK(old == before);
        CHECK_EQ(tcpsm_stack_check(h.st), 0);
        free(h.log);
        h.log = NULL;
    }
}

/* Every size that is allowed fits its own size to the byte. */
TEST(block_of_any_shape_fits)
{
    uint32_t k, i, n;
    for (k = 0; k < 120; k++) {
        tcpsm_stack_config cfg;
        CONTEXT("shape %u", k);
        state = k;
        n = 1 + below(20);
        cfg = sp_config(n);
        cfg.rings = below(2) ? 1 + below(n) : 0;
        cfg.rcv_ring = 1 + below(3000);
        cfg.snd_ring = 1 + below(3000);
        cfg.syn_entries = below(3) ? 1 + below(40) : 0;
        cfg.timewait_entries = below(3) ? 1 + below(40) : 0;
        cfg.replies = below(3) ? 1 + below(40) : 0;
        cfg.listeners = (uint16_t)(below(2) ? 1 + below(9) : 0);
        cfg.addresses = (uint16_t)(below(2) ? 1 + below(9) : 0);
        cfg.quantum = below(2) ? 1 + below(100) : 0;
        sp_up(&h, &cfg, below(64), SP_SECOND);
        CHECK_EQ(sp_info(&h).bytes, h.size);
        h.ghosts = g;
        h.ghost_n = sizeof g / sizeof *g;
        sp_listen(&h, 80, 0);
        for (i = 0; i < n + 30; i++) {
            tcpsm_conn *c;
            sp_ghost_init(&g[i], i, i % 7 == 0 ? 81 : 80);
            sp_say(&h, &g[i], PAIR_SYN, NULL, 0);
            sp_drain(&h);
            if (g[i].flags & PAIR_RST)
                continue;
            (void)sp_raw(&h, &g[i], g[i].seq, g[i].ack, PAIR_ACK, NULL, 0);
            (void)sp_raw(&h, &g[i], g[i].seq, g[i].ack,
                         PAIR_ACK | (i & 1 ? PAIR_FIN : 0), "x", 1);
            if ((c = tcpsm_stack_accept(h.st, NULL)) != NULL) {
                (void)tcpsm_send(c, text, 3000, 0);
                if (i & 2)
                    (void)tcpsm_stack_release(h.st, c);
            }
            sp_quiet(&h);
            sp_look(&h);
        }
        sp_idle(&h, h.now + SP_HOUR, NULL);
        sp_look(&h);
        sp_down(&h);
    }
}
