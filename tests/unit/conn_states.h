/* conn_states.h - connections in every state, with everything in them.
   0BSD. Include after tcpsm.h, test.h and pair.h.

   scenes[i].make(&p) builds a pair in which one side, which it returns,
   is in the scene's state: with data in both rings, ranges, a held FIN,
   runs, or a certain timer running, as the name says. */

#ifndef CONN_STATES_H
#define CONN_STATES_H

typedef struct {
    const char *name;
    int state;
    int (*make)(pair *);
} conn_scene;

enum { SCENE_RING = 9000, SCENE_DELAY = 10000 };

static void scene__base(pair *p)
{
    static pair_options o; /* zero */
    o.rcv_ring[0] = o.rcv_ring[1] = SCENE_RING;
    o.snd_ring[0] = o.snd_ring[1] = SCENE_RING;
    o.start = ((tcpsm_time)1 << 41) + 123457;
    pair_init(p, &o);
    p->net.link[0].delay_us = p->net.link[1].delay_us = SCENE_DELAY;
}

static void scene__fill(pair *p, int side, uint32_t n, uint32_t flags)
{
    uint8_t b[8192];
    uint32_t i;
    for (i = 0; i < n; i++)
        b[i] = (uint8_t)(i * 7 + (uint32_t)side);
    CHECK_EQ(pair_send(p, side, b, n, flags), n);
}

static void scene__connected(pair *p)
{
    scene__base(p);
    CHECK(pair_connect(p));
    pair_run(p, 30 * PAIR_MS);
}

/* Unread bytes, two ranges, a FIN beyond them, runs in flight. */
static int scene__rich(pair *p)
{
    scene__connected(p);
    scene__fill(p, PAIR_B, 300, 0);
    pair_run(p, 60 * PAIR_MS);
    p->muted[PAIR_A] = 1;
    netsim_drop(&p->net, PAIR_B, p->net.link[PAIR_B].index);
    netsim_drop(&p->net, PAIR_B, p->net.link[PAIR_B].index + 2);
    scene__fill(p, PAIR_B, 1448 * 4 + 100, 0);
    pair_shutdown(p, PAIR_B);
    pair_run(p, 3 * PAIR_MS);
    scene__fill(p, PAIR_A, 2000, 0);
    pair_run(p, 3 * PAIR_MS);
    scene__fill(p, PAIR_A, 1448, 0);
    pair_run(p, 6 * PAIR_MS);
    scene__fill(p, PAIR_A, 50, 0);
    CHECK_EQ(p->c[PAIR_A].ranges_n, TCPSM_RANGES > 1 ? 2 : 1);
    CHECK(p->c[PAIR_A].rcv_len != 0 && p->c[PAIR_A].snd_len != 0);
    return PAIR_A;
}

static int scene_closed(pair *p)
{
    scene__base(p);
    return PAIR_A;
}

static int scene_reset(pair *p)
{
    uint8_t seg[20];
    scene__rich(p);
    pair_craft(p, PAIR_B, seg, p->c[PAIR_A].rcv_nxt, 0, PAIR_RST, 0, NULL, 0);
    CHECK_EQ(pair_inject(p, PAIR_A, seg, 20, 0), 0);
    return PAIR_A;
}

static int scene_reset_due(pair *p)
{
    scene__rich(p);
    CHECK_EQ(pair_abort(p, PAIR_A), 0);
    return PAIR_A;
}

static int scene_listen(pair *p)
{
    tcpsm_tuple t = TCPSM_ZERO;
    scene__base(p);
    t.local_port = 80;
    CHECK_EQ(tcpsm_listen(&p->c[PAIR_B], &t, p->now), 0);
    pair_touched(p, PAIR_B);
    return PAIR_B;
}

static int scene_syn_sent(pair *p)
{
    scene__base(p);
    p->muted[PAIR_A] = 1;
    CHECK_EQ(tcpsm_open(&p->c[PAIR_A], &p->tuple[PAIR_A], p->now), 0);
    scene__fill(p, PAIR_A, 1500, 0);
    pair_run(p, 1500 * PAIR_MS);
    return PAIR_A;
}

static int scene_syn_received(pair *p)
{
    scene__base(p);
    p->muted[PAIR_B] = 1;
    CHECK_EQ(tcpsm_listen(&p->c[PAIR_B], &p->tuple[PAIR_B], p->now), 0);
    CHECK_EQ(tcpsm_open(&p->c[PAIR_A], &p->tuple[PAIR_A], p->now), 0);
    pair_run(p, 50 * PAIR_MS);
    scene__fill(p, PAIR_B, 100, 0);
    return PAIR_B;
}

static int scene_crossed(pair *p)
{
    scene__base(p);
    CHECK_EQ(tcpsm_open(&p->c[PAIR_A], &p->tuple[PAIR_A], p->now), 0);
    CHECK_EQ(tcpsm_open(&p->c[PAIR_B], &p->tuple[PAIR_B], p->now), 0);
    pair_run(p, PAIR_MS);
    p->muted[PAIR_A] = p->muted[PAIR_B] = 1;
    pair_run(p, 20 * PAIR_MS);
    scene__fill(p, PAIR_A, 100, 0);
    return PAIR_A;
}

static int scene_keepalive(pair *p)
{
    scene__connected(p);
    tcpsm_set(&p->c[PAIR_A], TCPSM_SET_KEEPALIVE, 1);
    pair_run(p, 40 * PAIR_SECOND);
    return PAIR_A;
}

static int scene_persist(pair *p)
{
    scene__connected(p);
    scene__fill(p, PAIR_A, 8000, 0);
    pair_run(p, PAIR_SECOND);
    scene__fill(p, PAIR_A, 8000, 0);
    pair_run(p, 5 * PAIR_SECOND);
    CHECK_EQ(tcpsm__rtx_kind(&p->c[PAIR_A]), TCPSM__RTX_PERSIST);
    return PAIR_A;
}

static int scene_cork(pair *p)
{
    scene__connected(p);
    tcpsm_set(&p->c[PAIR_A], TCPSM_SET_CORK, 1);
    scene__fill(p, PAIR_A, 10, TCPSM_MORE);
    pair_run(p, 50 * PAIR_MS);
    CHECK_EQ(tcpsm__rtx_kind(&p->c[PAIR_A]), TCPSM__RTX_FLUSH);
    return PAIR_A;
}

static int scene_delayed_ack(pair *p)
{
    scene__connected(p);
    scene__fill(p, PAIR_B, 10, 0);
    pair_run(p, 15 * PAIR_MS);
    CHECK(p->c[PAIR_A].timers & TCPSM__T_ACK);
    return PAIR_A;
}

static int scene_recovery(pair *p)
{
    scene__connected(p);
    netsim_drop(&p->net, PAIR_A, p->net.link[PAIR_A].index);
    scene__fill(p, PAIR_A, 8190, 0);
    scene__fill(p, PAIR_A, 200, 0);
    pair_run(p, 25 * PAIR_MS);
    CHECK(tcpsm__is(&p->c[PAIR_A], TCPSM__F_RECOVERY));
    return PAIR_A;
}

static int scene_marks(pair *p)
{
    scene__connected(p);
    p->muted[PAIR_A] = 1;
    scene__fill(p, PAIR_A, 100, 0);
    pair_run(p, PAIR_MS);
    scene__fill(p, PAIR_A, 100, TCPSM_EOR);
    scene__fill(p, PAIR_A, 10, TCPSM_URG);
    scene__fill(p, PAIR_B, 10, TCPSM_URG);
    pair_run(p, 15 * PAIR_MS);
    CHECK(tcpsm__is(&p->c[PAIR_A], TCPSM__F_EOR));
    CHECK(tcpsm__is(&p->c[PAIR_A], TCPSM__F_RCV_URG));
    return PAIR_A;
}

static int scene_fin_wait_1(pair *p)
{
    scene__rich(p);
    pair_shutdown(p, PAIR_A);
    pair_run(p, 2 * PAIR_MS);
    return PAIR_A;
}

static int scene_fin_wait_2(pair *p)
{
    scene__connected(p);
    pair_shutdown(p, PAIR_A);
    scene__fill(p, PAIR_B, 700, 0);
    pair_run(p, 100 * PAIR_MS);
    return PAIR_A;
}

static int scene_fin_wait_2_closed(pair *p)
{
    scene__connected(p);
    pair_close(p, PAIR_A);
    pair_run(p, 100 * PAIR_MS);
    CHECK_EQ(tcpsm__aux_kind(&p->c[PAIR_A]), TCPSM__AUX_FIN_2);
    return PAIR_A;
}

static int scene_close_wait(pair *p)
{
    scene__connected(p);
    scene__fill(p, PAIR_B, 700, 0);
    pair_shutdown(p, PAIR_B);
    pair_run(p, 100 * PAIR_MS);
    p->muted[PAIR_A] = 1;
    scene__fill(p, PAIR_A, 3000, 0);
    pair_run(p, 2 * PAIR_MS);
    return PAIR_A;
}

static int scene_closing(pair *p)
{
    scene__connected(p);
    pair_shutdown(p, PAIR_A);
    pair_shutdown(p, PAIR_B);
    pair_run(p, PAIR_MS);
    p->muted[PAIR_A] = p->muted[PAIR_B] = 1;
    pair_run(p, 20 * PAIR_MS);
    return PAIR_A;
}

static int scene_last_ack(pair *p)
{
    scene_close_wait(p);
    pair_shutdown(p, PAIR_A);
    pair_run(p, 5 * PAIR_MS);
    return PAIR_A;
}

static int scene_time_wait(pair *p)
{
    scene__connected(p);
    scene__fill(p, PAIR_B, 700, 0);
    pair_shutdown(p, PAIR_A);
    pair_run(p, 100 * PAIR_MS);
    pair_shutdown(p, PAIR_B);
    pair_run(p, 100 * PAIR_MS);
    return PAIR_A;
}

static const conn_scene scenes[] = {
    {"closed", TCPSM_CLOSED, scene_closed},
    {"closed by a reset, bytes unread", TCPSM_CLOSED, scene_reset},
    {"closed, its reset not sent yet", TCPSM_CLOSED, scene_reset_due},
    {"listen", TCPSM_LISTEN, scene_listen},
    {"syn-sent", TCPSM_SYN_SENT, scene_syn_sent},
    {"syn-received", TCPSM_SYN_RECEIVED, scene_syn_received},
    {"syn-received, crossed", TCPSM_SYN_RECEIVED, scene_crossed},
    {"established, everything", TCPSM_ESTABLISHED, scene__rich},
    {"established, keepalive", TCPSM_ESTABLISHED, scene_keepalive},
    {"established, persist", TCPSM_ESTABLISHED, scene_persist},
    {"established, cork", TCPSM_ESTABLISHED, scene_cork},
    {"established, delayed ack", TCPSM_ESTABLISHED, scene_delayed_ack},
    {"established, recovery", TCPSM_ESTABLISHED, scene_recovery},
    {"established, marks", TCPSM_ESTABLISHED, scene_marks},
    {"fin-wait-1", TCPSM_FIN_WAIT_1, scene_fin_wait_1},
    {"fin-wait-2", TCPSM_FIN_WAIT_2, scene_fin_wait_2},
    {"fin-wait-2, closed", TCPSM_FIN_WAIT_2, scene_fin_wait_2_closed},
    {"close-wait", TCPSM_CLOSE_WAIT, scene_close_wait},
    {"closing", TCPSM_CLOSING, scene_closing},
    {"last-ack", TCPSM_LAST_ACK, scene_last_ack},
    {"time-wait", TCPSM_TIME_WAIT, scene_time_wait}};

enum { SCENES = sizeof scenes / sizeof *scenes };

TEST__UNUSED static int scene_make(pair *p, int i)
{
    int side;
    CONTEXT("scene: %s", scenes[i].name);
    side = scenes[i].make(p);
    CHECK_EQ(tcpsm_state(&p->c[side]), scenes[i].state);
    CHECK_EQ(tcpsm_check(&p->c[side]), 0);
    return side;
}

/* ---- a connection elsewhere: its memory is guarded ----------------------- */

typedef struct {
    tcpsm_conn c;
    uint8_t *rcv, *snd, *tab; /* from malloc, with guards around */
    uint32_t rcv_n, snd_n, tab_n;
} host;

enum { HOST_GUARD = 16 };

static uint8_t *host__memory(uint32_t n)
{
    uint8_t *m;
    if (n == 0)
        return NULL;
    m = (uint8_t *)malloc(n + 2 * HOST_GUARD);
    CHECK(m != NULL);
    memset(m, 0xA5, HOST_GUARD);
    memset(m + HOST_GUARD, 0x77, n);
    memset(m + HOST_GUARD + n, 0xA5, HOST_GUARD);
    return m + HOST_GUARD;
}

static void host__free(uint8_t *m, uint32_t n)
{
    uint32_t i;
    if (n == 0)
        return;
    for (i = 0; i < HOST_GUARD; i++)
        CHECKF((m - HOST_GUARD)[i] == 0xA5 && m[n + i] == 0xA5,
               "memory around a ring or table was written");
    free(m - HOST_GUARD);
}

/* A fresh connection with rings of these sizes (0: none). Table memory
   begins one byte off any alignment. */
TEST__UNUSED static void host_init(host *h, const tcpsm_config *cfg,
                                   uint32_t rcv, uint32_t snd, uint32_t tab)
{
    memset(h, 0, sizeof *h);
    h->rcv_n = rcv;
    h->snd_n = snd;
    h->tab_n = tab;
    h->rcv = host__memory(rcv);
    h->snd = host__memory(snd);
    h->tab = host__memory(tab);
    CHECK_EQ(tcpsm_init(&h->c, cfg), 0);
    if (rcv)
        CHECK_EQ(tcpsm_attach(&h->c, TCPSM_RECEIVE, h->rcv, rcv, NULL), 0);
    if (snd)
        CHECK_EQ(tcpsm_attach(&h->c, TCPSM_SEND, h->snd, snd, NULL), 0);
    if (tab)
        CHECK_EQ(tcpsm_attach(&h->c, TCPSM_TABLES, h->tab + 1, tab - 1, NULL),
                 0);
}

TEST__UNUSED static void host_free(host *h)
{
    host__free(h->rcv, h->rcv_n);
    host__free(h->snd, h->snd_n);
    host__free(h->tab, h->tab_n);
    memset(h, 0, sizeof *h);
}

#endif /* CONN_STATES_H */
