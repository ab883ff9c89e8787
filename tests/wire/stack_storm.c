/* Weather for many: hundreds of connections between two stacks, over a
   network that loses, reorders, copies and damages, while their users open,
   close, half-close, abort and release as they like. What is read is what
   was written, who closed politely has all of it, and in the end nothing is
   left: no connection, no ring, no half-open entry. The laws are looked at
   all along.

   What goes wrong is a seed: STORM=17 runs that one alone, STORM=1:1000
   that many. */

#include "test.h"

#define TCPSM_IMPLEMENTATION
#define TCPSM_NAMES
#include "tcpsm.h"

#include "stackpair.h"

#include <stdlib.h>

enum { CONNS = 160, TOTAL = 420, SEEDS = 6 };

/* One connection from its opener's plan to both ends of it */
typedef struct {
    uint32_t want[2]; /* bytes that each side sends: 0 the opener */
    uint32_t sent[2], got[2];
    uint8_t shut[2], eof[2];
    uint8_t abort_at[2];   /* this many bytes << 8, then abort; 0: never */
    uint8_t release_at[2]; /* ... or leave */
    uint8_t gone[2];       /* released by that side's user */
    uint8_t failed[2];
    uint8_t polite; /* neither aborts nor leaves early */
    uint8_t side;   /* of the opener */
    uint64_t ref[2];
    uint64_t seed;
} life;

static sp_net n;
static life lives[TOTAL];
static uint32_t opened, open_now[2], open_max;
static uint64_t state;
static uint8_t mine[2][CONNS * 2][3000];

static uint32_t below(uint32_t k)
{
    return (uint32_t)((netsim_random(&state) >> 32) * k >> 32);
}

static int once_in(uint32_t k)
{
    return below(k) == 0;
}

/* ---- the users --------------------------------------------------------- */

/* The first four bytes from the opener are the number of its life; which
   end of it a connection is, is in its user pointer: 2 * life + end. */
static void *tag(uint32_t i, uint32_t end)
{
    return (void *)(uintptr_t)(4 + 2 * i + end);
}

static void leave(sp_net *w, int side, tcpsm_conn *c, life *l, uint32_t end)
{
    CHECK_GE(tcpsm_stack_release(w->h[side].st, c), 0);
    CHECK(tcpsm_stack_deref(w->h[side].st, l->ref[end]) == NULL);
    l->gone[end] = 1;
    open_now[side] -= end == 0;
}

static uint8_t octet(const life *l, uint32_t end, uint32_t at)
{
    uint32_t i = (uint32_t)(l - lives);
    if (end == 0 && at < 4)
        return (uint8_t)(i >> 8 * at);
    return pair_pattern(l->seed + end, at);
}

/* Reads what is there, and compares. */
static void take(tcpsm_conn *c, life *l, uint32_t end)
{
    uint8_t buf[700];
    tcpsm_ret r, i;
    while ((r = tcpsm_receive(c, buf, 1 + below(sizeof buf))) > 0) {
        for (i = 0; i < r; i++)
            CHECKF(l->got[end] + (uint32_t)i < l->sent[!end] &&
                       buf[i] == octet(l, !end, l->got[end] + (uint32_t)i),
                   "life %u, end %u: byte %u is wrong", (unsigned)(l - lives),
                   end, l->got[end] + (uint32_t)i);
        l->got[end] += (uint32_t)r;
    }
    if (r == TCPSM_E_EOF) {
        CHECK(l->got[end] == l->sent[!end] || l->gone[!end]);
        l->eof[end] = 1;
    } else if (r != 0 && r != TCPSM_E_CLOSED) {
        l->failed[end] = 1;
    }
}

static void say(tcpsm_conn *c, life *l, uint32_t end)
{
    uint8_t buf[700];
    uint32_t k, i;
    tcpsm_ret r;
    while (l->sent[end] < l->want[end]) {
        k = 1 + below(sizeof buf);
        if (k > l->want[end] - l->sent[end])
            k = l->want[end] - l->sent[end];
        for (i = 0; i < k; i++)
            buf[i] = octet(l, end, l->sent[end] + i);
        r = tcpsm_send(c, buf, k, 0);
        if (r <= 0)
            return;
        l->sent[end] += (uint32_t)r;
    }
    if (!l->shut[end]) {
        l->shut[end] = 1;
        if (l->polite || once_in(2))
            (void)tcpsm_shutdown(c);
        else
            (void)tcpsm_close(c);
    }
}

static void serve(sp_net *w, int side, tcpsm_conn *c, uint32_t ev)
{
    uintptr_t t = (uintptr_t)tcpsm_user(c);
    uint8_t id[4];
    life *l;
    uint32_t end;
    if (t == 0) { /* accepted, and not yet known */
        tcpsm_cspan s[2];
        uint32_t k, i;
        if (tcpsm_receive_peek(c, s) < 4) {
            if (ev & (TCPSM_EV_ERROR | TCPSM_EV_EOF | TCPSM_EV_DONE))
                CHECK_GE(tcpsm_stack_release(w->h[side].st, c), 0);
            return;
        }
        for (k = 0; k < 4; k++)
            id[k] = k < s[0].n ? s[0].p[k] : s[1].p[k - s[0].n];
        i = pair_get32(id);
        i = i >> 24 | (i >> 8 & 0xFF00); /* it was little-endian */
        CHECK_LT(i, opened);
        CHECK_EQ(lives[i].side, !side);
        if (lives[i].ref[1] != 0) {
            /* An old duplicate of what proved a cookie could prove it again
               only when the TIME-WAIT table forgot for want of room. */
            struct tcpsm_stack_info x = sp_info(&w->h[side]);
            CHECKF(x.cookies_good != 0 && x.timewaits_evicted != 0,
                   "life %u a second time", i);
            CHECK_GE(tcpsm_stack_release(w->h[side].st, c), 0);
            return;
        }
        lives[i].ref[1] = tcpsm_stack_ref(w->h[side].st, c);
        tcpsm_set_user(c, tag(i, 1));
        t = (uintptr_t)tag(i, 1);
    }
    end = (uint32_t)(t & 1);
    l = &lives[(t - 4) >> 1];
    CHECK(!l->gone[end]);
    take(c, l, end);
    say(c, l, end);
    if (l->abort_at[end] &&
        l->got[end] + l->sent[end] >= (uint32_t)l->abort_at[end] << 8) {
        (void)tcpsm_abort(c);
        leave(w, side, c, l, end);
    } else if (l->release_at[end] && l->got[end] + l->sent[end] >=
                                         (uint32_t)l->release_at[end] << 8) {
        leave(w, side, c, l, end);
    } else if ((ev & (TCPSM_EV_DONE | TCPSM_EV_ERROR)) ||
               (l->eof[end] && l->shut[end] && once_in(2))) {
        leave(w, side, c, l, end);
    }
}

/* A reset may be lost; then only keepalive finds out. */
static void watch_over(tcpsm_conn *c)
{
    CHECK_EQ(tcpsm_set(c, TCPSM_SET_KEEP_IDLE, 20000), 0);
    CHECK_EQ(tcpsm_set(c, TCPSM_SET_KEEP_INTERVAL, 2000), 0);
    CHECK_EQ(tcpsm_set(c, TCPSM_SET_KEEPALIVE, 1), 0);
}

static void open_one(sp_net *w, int side)
{
    life *l = &lives[opened];
    tcpsm_tuple t;
    tcpsm_conn *c = NULL;
    tcpsm_ret r;
    uint32_t ring;
    memset(l, 0, sizeof *l);
    sp_address(&t, side);
    t.remote_port = 80;
    if (once_in(2))
        memset(t.local, 0, sizeof t.local);
    r = tcpsm_stack_connect(w->h[side].st, &t, NULL, &c, w->now);
    if (r == TCPSM_E_SPACE)
        return;
    CHECKF(r == 0, "tcpsm_stack_connect: %d", (int)r);
    l->side = (uint8_t)side;
    l->seed = (uint64_t)opened * 2 + 1000;
    l->ref[0] = tcpsm_stack_ref(w->h[side].st, c);
    l->want[0] = 4 + (once_in(4) ? 0 : below(9000));
    l->want[1] = once_in(4) ? 0 : below(9000);
    l->polite = !once_in(4);
    if (!l->polite) {
        if (once_in(2))
            l->abort_at[below(2)] = (uint8_t)(1 + below(40));
        else
            l->release_at[below(2)] = (uint8_t)(1 + below(40));
    }
    tcpsm_set_user(c, tag(opened, 0));
    watch_over(c);
    if (once_in(8)) { /* memory of its own, which must come back */
        ring = (uint32_t)l->ref[0];
        CHECK_LT(ring, 2u * CONNS);
        (void)tcpsm_attach(c, TCPSM_SEND, mine[side][ring], 3000, NULL);
    }
    opened++;
    open_now[side]++;
    say(c, l, 0);
}

static void app(sp_net *w, int side)
{
    sp_host *h = &w->h[side];
    tcpsm_conn *c;
    uint32_t ev;
    while ((c = tcpsm_stack_accept(h->st, NULL)) != NULL) {
        CHECK_EQ(tcpsm_user(c) == NULL, 1);
        watch_over(c);
        serve(w, side, c, 0);
    }
    while ((c = tcpsm_stack_next(h->st, &ev)) != NULL) {
        uint64_t r = tcpsm_stack_ref(h->st, c);
        if (tcpsm_stack_deref(h->st, r) == NULL) {
            CHECK(ev & TCPSM_EV_DONE); /* released, with its memory */
            continue;
        }
        serve(w, side, c, ev);
    }
    if (opened < TOTAL && open_now[side] < open_max && once_in(3))
        open_one(w, side);
}

/* What is left in the end, if anything */
static void nothing_left(const sp_host *h)
{
    struct tcpsm_stack_info x = sp_info(h);
    uint32_t at = 0;
    tcpsm_conn *c = tcpsm_stack_walk(h->st, &at);
    tcpsm_tuple t;
    if (c != NULL) {
        tcpsm_name(c, &t);
        FAIL("%u left: %s, %u to %u, life %u, yours %d, deadline %llu",
             x.conns, tcpsm_state_name(tcpsm_state(c)), t.local_port,
             t.remote_port, (unsigned)((uintptr_t)tcpsm_user(c) / 2),
             tcpsm_stack_deref(h->st, tcpsm_stack_ref(h->st, c)) == c,
             (unsigned long long)tcpsm_deadline(c));
    }
    CHECK_EQ(x.conns, 0);
    CHECK_EQ(x.rings, 0);
    CHECK_EQ(x.syns, 0);
    CHECK_EQ(x.orphans, 0);
    CHECK_EQ(x.unaccepted, 0);
    CHECK_EQ(x.replies, 0);
    CHECK_EQ(tcpsm_stack_deadline(h->st), TCPSM_NEVER);
}

/* ---- a run ------------------------------------------------------------- */

static void roll_link(netsim_link *l)
{
    l->rate = once_in(2) ? 2000000 + below(40000000) : 0;
    l->delay_us = below(30000);
    l->queue_packets = once_in(3) ? 20 + below(100) : 0;
    l->loss_ppm = below(60000);
    l->reorder_ppm = below(100000);
    l->reorder_us = below(40000);
    l->copy_ppm = below(60000);
    l->copy_us = below(300000);
    l->corrupt_ppm = once_in(2) ? below(20000) : 0;
}

static tcpsm_stack_config roll_config(void)
{
    tcpsm_stack_config cfg = sp_config(CONNS / 4 + below(CONNS));
    memset(cfg.conn.key, (int)(1 + below(255)), 16);
    cfg.rings = once_in(3) ? 1 + cfg.conns * 3 / 4 : 0;
    cfg.rcv_ring = 500 + below(4000);
    cfg.snd_ring = 500 + below(4000);
    cfg.syn_entries = once_in(2) ? 1 + below(8) : 0; /* and cookies */
    cfg.timewait_entries = once_in(3) ? 1 + below(20) : 0;
    cfg.replies = once_in(2) ? 1 + below(4) : 0;
    cfg.quantum = once_in(2) ? 1 + below(3000) : 0;
    cfg.conn.flags = (once_in(3) ? TCPSM_NO_SACK : 0) |
                     (once_in(3) ? TCPSM_NO_TS : 0) |
                     (once_in(3) ? TCPSM_NODELAY : 0);
    cfg.conn.msl_ms = 1000;
    cfg.conn.rto_max_ms = 4000;
    if (once_in(3)) /* few ports: names come again */
        cfg.port_first = 50000, cfg.port_last = 50255;
    return cfg;
}

/* Neither end made trouble, so all of it must be there. */
static void judge(void)
{
    uint32_t i, polite = 0, failed = 0;
    for (i = 0; i < opened; i++) {
        const life *l = &lives[i];
        CONTEXT("life %u", i);
        if (!l->polite)
            continue;
        if (l->failed[0] || l->ref[1] == 0) {
            /* a SYN without room for its whole limit: allowed, if rare */
            failed++;
            continue;
        }
        polite++;
        CHECK_EQ(l->got[1], l->want[0]);
        CHECK_EQ(l->got[0], l->want[1]);
        CHECK(l->eof[0] && l->eof[1]);
    }
    CHECKF(polite > opened / 2, "%u of %u, and %u failed", polite, opened,
           failed);
    CHECKF(failed <= opened / 50, "%u of %u failed", failed, opened);
}

static void storm(uint64_t seed)
{
    tcpsm_stack_config a, b;
    int s;
    tcpsm_time end;
    CONTEXT("seed %llu", (unsigned long long)seed);
    state = seed * 7919;
    opened = 0;
    memset(lives, 0, sizeof lives);
    a = roll_config();
    b = roll_config();
    /* Two that are full of their own connections have no room for those of
       the other. */
    open_now[0] = open_now[1] = 0;
    open_max = (a.rings ? a.rings : a.conns) / 3;
    if (open_max > (b.rings ? b.rings : b.conns) / 3)
        open_max = (b.rings ? b.rings : b.conns) / 3;
    sp_net_up(&n, &a, &b, seed);
    n.every = 64;
    n.app = app;
    n.batch = (uint8_t)below(2);
    roll_link(&n.net.link[0]);
    roll_link(&n.net.link[1]);
    for (s = 0; s < 2; s++)
        sp_listen(&n.h[s], 80, once_in(2) ? 1 + below(20) : 0);
    for (end = n.now + 2000 * SP_SECOND; n.now < end;) {
        sp_net_run(&n, SP_SECOND);
        if (opened == TOTAL && sp_info(&n.h[0]).conns == 0 &&
            sp_info(&n.h[1]).conns == 0)
            break;
    }
    CHECK_EQ(opened, TOTAL);
    CHECK_EQ(n.lost, 0);
    sp_net_run(&n, 20 * SP_SECOND); /* SYN entries and old copies */
    for (s = 0; s < 2; s++)
        nothing_left(&n.h[s]);
    judge();
    sp_net_down(&n);
}

TEST(storm_of_stacks)
{
    const char *e = getenv("STORM");
    uint64_t from = 1, to = SEEDS;
    if (e != NULL) {
        char *rest;
        from = to = strtoull(e, &rest, 10);
        if (*rest == ':')
            to = strtoull(rest + 1, NULL, 10);
    }
    for (; from <= to; from++)
        storm(from);
}

/* ---- a stack, and connections of layer 1 that know nothing of it ------- */

enum { PLAIN = 24, ROUNDS = 3 };

typedef struct {
    uint32_t want, sent, got, round;
    uint8_t shut, eof;
} echo;

static tcpsm_conn plain[PLAIN];
static uint8_t plain_ring[PLAIN][2][5000];
static echo e[PLAIN];
static uint32_t echoed;

static void plain_begin(uint32_t i, tcpsm_time now)
{
    tcpsm_config cfg;
    tcpsm_tuple t;
    uint32_t round = e[i].round;
    memset(&cfg, 0, sizeof cfg);
    memset(cfg.key, 0x11, sizeof cfg.key);
    cfg.msl_ms = 500;
    cfg.rto_max_ms = 4000;
    cfg.flags = (once_in(3) ? TCPSM_NO_SACK : 0) |
                (once_in(3) ? TCPSM_NO_TS : 0) |
                (once_in(3) ? TCPSM_NO_SCALE : 0);
    memset(&e[i], 0, sizeof e[i]);
    e[i].round = round + 1;
    e[i].want = below(8000);
    CHECK_EQ(tcpsm_init(&plain[i], &cfg), 0);
    tcpsm_attach(&plain[i], TCPSM_RECEIVE, plain_ring[i][0],
                 200 + below(4000), NULL);
    tcpsm_attach(&plain[i], TCPSM_SEND, plain_ring[i][1], 200 + below(4000),
                 NULL);
    sp_address(&t, 1);
    t.local_port = (uint16_t)(20000 + i);
    t.remote_port = 80;
    CHECK_EQ(tcpsm_open(&plain[i], &t, now), 0);
}

static void plain_serve(uint32_t i, tcpsm_time now)
{
    uint8_t buf[1500];
    uint32_t k;
    tcpsm_ret r;
    tcpsm_span s[2];
    uint64_t seed = i * 100u + e[i].round;
    while (e[i].sent < e[i].want && tcpsm_send_reserve(&plain[i], s) > 0) {
        for (k = 0; k < s[0].n && e[i].sent + k < e[i].want; k++)
            s[0].p[k] = pair_pattern(seed, e[i].sent + k);
        CHECK_EQ(tcpsm_send_commit(&plain[i], k, 0), k);
        e[i].sent += k;
    }
    if (e[i].sent == e[i].want && !e[i].shut)
        e[i].shut = tcpsm_shutdown(&plain[i]) >= 0;
    while ((r = tcpsm_receive(&plain[i], buf, sizeof buf)) > 0)
        for (k = 0; k < (uint32_t)r; k++) {
            CHECK_LT(e[i].got, e[i].sent);
            CHECK_EQ(buf[k], pair_pattern(seed, e[i].got));
            e[i].got++;
        }
    if (r == TCPSM_E_EOF && !e[i].eof) {
        CHECK_EQ(e[i].got, e[i].want);
        e[i].eof = 1;
        echoed++;
    }
    CHECKF(r >= 0 || r == TCPSM_E_EOF, "plain %u: %d", i, (int)r);
    if (e[i].eof && tcpsm_state(&plain[i]) == TCPSM_CLOSED &&
        e[i].round < ROUNDS)
        plain_begin(i, now);
}

static void echo_serve(sp_host *h, tcpsm_conn *c)
{
    tcpsm_span s[2];
    tcpsm_ret r = 0, room;
    uint32_t turn;
    for (turn = 0; turn < 2; turn++) { /* the rings wrap: both spans */
        room = tcpsm_send_reserve(c, s);
        if (room <= 0)
            break;
        r = tcpsm_receive(c, s[0].p, s[0].n);
        if (r <= 0)
            break;
        CHECK_EQ(tcpsm_send_commit(c, (uint32_t)r, 0), r);
    }
    if (tcpsm_receive(c, s, 0) == TCPSM_E_EOF ||
        (tcpsm_events(c) & (TCPSM_EV_ERROR | TCPSM_EV_DONE)))
        CHECK_GE(tcpsm_stack_release(h->st, c), 0);
}

static void echo_app(sp_net *w, int side)
{
    sp_host *h = &w->h[0];
    tcpsm_conn *c;
    uint32_t ev, at = 0, i;
    if (side == 1) {
        for (i = 0; i < PLAIN; i++)
            plain_serve(i, w->now);
        return;
    }
    for (i = 0; tcpsm_stack_accept(h->st, NULL) != NULL; i = 1)
        ;
    while ((c = tcpsm_stack_next(h->st, &ev)) != NULL)
        i = 1;
    if (i == 0)
        return;
    /* a lazy program: it looks at all that are still its own */
    while ((c = tcpsm_stack_walk(h->st, &at)) != NULL)
        if (tcpsm_stack_deref(h->st, tcpsm_stack_ref(h->st, c)) == c)
            echo_serve(h, c);
}

TEST(storm_of_a_stack_and_single_connections)
{
    uint64_t seed;
    for (seed = 1; seed <= 2; seed++) {
        tcpsm_stack_config cfg;
        uint32_t i;
        CONTEXT("seed %llu", (unsigned long long)seed);
        state = seed * 31;
        cfg = roll_config();
        cfg.conns = PLAIN * 2;
        cfg.rings = 0;
        cfg.syn_entries = 0;
        sp_net_up(&n, &cfg, NULL, seed);
        n.plain = plain;
        n.plain_n = PLAIN;
        n.plain_port = 20000;
        n.every = 64;
        n.app = echo_app;
        roll_link(&n.net.link[0]);
        roll_link(&n.net.link[1]);
        sp_listen(&n.h[0], 80, 0);
        memset(e, 0, sizeof e);
        echoed = 0;
        for (i = 0; i < PLAIN; i++)
            plain_begin(i, n.now);
        for (i = 0; i < 2000 && echoed < PLAIN * ROUNDS; i++)
            sp_net_run(&n, SP_SECOND);
        CHECK_EQ(echoed, PLAIN * ROUNDS);
        sp_net_run(&n, 100 * SP_SECOND);
        CHECK_EQ(sp_info(&n.h[0]).conns, 0);
        CHECK_EQ(sp_info(&n.h[0]).rings, 0);
        CHECK_EQ(sp_info(&n.h[0]).syns, 0);
        sp_net_down(&n);
    }
}
