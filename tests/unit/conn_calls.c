/* The calls around a connection: handshakes done elsewhere
   (tcpsm_open_from, tcpsm_facts_of), the wake list, the widened clock,
   names and version. */

#include "test.h"
#define TCPSM_NAMES
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

#include "pair.h"

#include "conn_states.h"

static pair p;

/* ---- tcpsm_open_from, tcpsm_facts_of ------------------------------------ */

static void fresh(int side)
{
    tcpsm_conn *c = &p.c[side];
    CHECK_EQ(tcpsm_init(c, &p.cfg[side]), 0);
    CHECK_EQ(tcpsm_attach(c, TCPSM_RECEIVE, p.rcv[side], PAIR_RING, NULL), 0);
    CHECK_EQ(tcpsm_attach(c, TCPSM_SEND, p.snd[side], PAIR_RING, NULL), 0);
}

/* The facts of a connection are those of the next one by the same name:
   the peer goes on without a word. */
static void resume(uint32_t flags_a, uint32_t flags_b, uint8_t family)
{
    pair_options o = TCPSM_ZERO;
    tcpsm_facts f, g;
    int i;
    o.cfg[0].flags = flags_a;
    o.cfg[1].flags = flags_b;
    o.family = family;
    pair_init(&p, &o);
    p.net.link[0].delay_us = p.net.link[1].delay_us = 3000;
    CHECK(pair_connect(&p));
    pair_run(&p, PAIR_SECOND);
    for (i = 0; i < 2; i++) {
        memset(&f, 0xEE, sizeof f);
        tcpsm_facts_of(&p.c[i], &f);
        CHECK_EQ(f.snd_nxt, p.c[i].snd_nxt);
        CHECK_EQ(f.rcv_nxt, p.c[i].rcv_nxt);
        CHECK_EQ(f.rcv_wnd, p.c[i].rcv_edge - p.c[i].rcv_nxt);
        fresh(i);
        CHECK_EQ(tcpsm_open_from(&p.c[i], &p.tuple[i], &f, p.now), 0);
        CHECK_EQ(tcpsm_state(&p.c[i]), TCPSM_ESTABLISHED);
        CHECK(tcpsm_take(&p.c[i]) & TCPSM_EV_CONNECTED);
        tcpsm_facts_of(&p.c[i], &g);
        CHECK_MEM(&f, &g, sizeof f);
        pair_touched(&p, i);
    }
    CHECK(pair_transfer(&p, 200000, 100000, 60 * PAIR_SECOND));
    pair_run(&p, 200 * PAIR_SECOND);
    CHECK_EQ(tcpsm_error(&p.c[0]), 0);
    CHECK_EQ(tcpsm_error(&p.c[1]), 0);
}

TEST(resumed_from_its_facts)
{
    static const uint32_t flags[] = {0, TCPSM_NO_TS, TCPSM_NO_SACK,
                                     TCPSM_NO_SCALE,
                                     TCPSM_NO_TS | TCPSM_NO_SCALE};
    uint32_t i;
    for (i = 0; i < 5; i++) {
        CONTEXT("flags %u", flags[i]);
        resume(flags[i], 0, 4);
        resume(0, flags[i], 6);
    }
}

static tcpsm_facts sane(void)
{
    tcpsm_facts f;
    memset(&f, 0, sizeof f);
    f.snd_nxt = 1000;
    f.rcv_nxt = 2000;
    f.snd_wnd = 5000;
    f.rcv_wnd = 5000;
    f.peer_mss = 1460;
    return f;
}

TEST(open_from_uses_the_facts)
{
    tcpsm_facts f = sane();
    struct tcpsm_info i;
    pair_init(&p, NULL);
    f.rtt_us = 80000;
    f.timestamps = TCPSM__HAVE_OPTIONS;
    f.sack = TCPSM__HAVE_OPTIONS;
    f.scaling = 1;
    f.snd_scale = 3;
    f.rcv_scale = 1;
    f.ts_recent = 77;
    f.ts_offset = 99;
    f.peer_mss = 1000;
    CHECK_EQ(tcpsm_open_from(&p.c[0], &p.tuple[0], &f, p.now), 0);
    CHECK_EQ(tcpsm_check(&p.c[0]), 0);
    CHECK(tcpsm_deadline(&p.c[0]) == TCPSM_NEVER); /* nothing to say */
    tcpsm_status(&p.c[0], &i);
    CHECK_EQ(i.snd_una, 1000);
    CHECK_EQ(i.snd_nxt, 1000);
    CHECK_EQ(i.rcv_nxt, 2000);
    CHECK_EQ(i.snd_wnd, 5000);
    CHECK_EQ(i.rcv_wnd, 5000);
    CHECK_EQ(i.srtt_us, 80000); /* RFC 6298 s2.2 */
    CHECK_EQ(i.rttvar_us, 40000);
    CHECK_EQ(i.peer_mss, 1000);
    CHECK_EQ(i.snd_scale, 3);
    CHECK_EQ(i.rcv_scale, 1);
    CHECK_EQ(i.smss, TCPSM__HAVE_OPTIONS ? 988 : 1000);
    CHECK_EQ(i.cwnd, 10u * i.smss);
}

/* RFC5681-4, RFC6298-14: after a lost SYN or SYN,ACK one segment, and no
   sample from the handshake. */
TEST(open_from_after_a_lost_syn)
{
    tcpsm_facts f = sane();
    struct tcpsm_info i;
    pair_init(&p, NULL);
    f.rtt_us = 80000;
    f.syn_lost = 1;
    CHECK_EQ(tcpsm_open_from(&p.c[0], &p.tuple[0], &f, p.now), 0);
    tcpsm_status(&p.c[0], &i);
    CHECK_EQ(i.cwnd, i.smss);
    CHECK_EQ(i.srtt_us, 0);
    CHECK_EQ(i.rto_us, 3000000);
}

TEST(open_from_refuses)
{
    tcpsm_facts f = sane(), bad;
    tcpsm_tuple t;
    tcpsm_conn was;
    pair_init(&p, NULL);
    was = p.c[0];
    t = p.tuple[0];
    CHECK_EQ(tcpsm_open_from(NULL, &t, &f, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_open_from(&p.c[0], NULL, &f, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_open_from(&p.c[0], &t, NULL, 1), TCPSM_E_ARG);
#define REFUSED(change)                                                      \
    bad = f;                                                                 \
    t = p.tuple[0];                                                          \
    change;                                                                  \
    CHECK_EQ(tcpsm_open_from(&p.c[0], &t, &bad, 1), TCPSM_E_ARG);            \
    CHECK_MEM(&was, &p.c[0], sizeof was)
    REFUSED(bad.snd_scale = 15);
    REFUSED(bad.rcv_scale = 15);
    REFUSED(bad.snd_wnd = TCPSM_MAX_RING + 1);
    REFUSED(bad.rcv_wnd = PAIR_RING + 1); /* law 8: more than the ring */
    REFUSED(t.family = 5);
    REFUSED(t.family = 0);
    REFUSED(t.local_port = 0);
    REFUSED(t.remote_port = 0);
    REFUSED(t.local[7] = 1); /* bytes beyond an IPv4 address */
    t = p.tuple[0];
    CHECK_EQ(tcpsm_open_from(&p.c[0], &t, &f, 1), 0);
    CHECK_EQ(tcpsm_open_from(&p.c[0], &t, &f, 1), TCPSM_E_STATE);
}

TEST(facts_in_every_state)
{
    int i;
    for (i = 0; i < SCENES; i++) {
        tcpsm_conn *c = &p.c[scene_make(&p, i)], was = *c;
        tcpsm_facts f;
        tcpsm_facts_of(c, &f);
        CHECK_MEM(&was, c, sizeof was);
        CHECK_EQ(f.snd_nxt, c->snd_nxt);
        CHECK_EQ(f.rcv_nxt, c->rcv_nxt);
        CHECK_EQ(f.ts_recent, c->ts_recent);
    }
}

/* ---- the wake list ------------------------------------------------------ */

static void three(tcpsm_wake *w, tcpsm_conn c[3])
{
    tcpsm_config f = TCPSM_ZERO;
    int i;
    f.key[0] = 1;
    w->head = NULL;
    for (i = 0; i < 3; i++) {
        CHECK_EQ(tcpsm_init(&c[i], &f), 0);
        tcpsm_set_wake(&c[i], w);
    }
}

TEST(pushed_once_popped_once)
{
    tcpsm_wake w;
    tcpsm_conn c[3], *a, *b;
    uint32_t i;
    three(&w, c);
    CHECK(tcpsm_wake_pop(&w) == NULL); /* they want nothing yet */
    for (i = 0; i < 5; i++) {
        CHECK_EQ(tcpsm_set(&c[0], TCPSM_SET_TTL, 9 + i), 0);
        CHECK_EQ(tcpsm_set(&c[2], TCPSM_SET_TTL, 9 + i), 0);
    }
    a = tcpsm_wake_pop(&w);
    CHECK(a == &c[0]);
    CHECK_EQ(tcpsm_set(a, TCPSM_SET_TTL, 1), 0); /* and again */
    b = tcpsm_wake_pop(&w);
    CHECK(b == &c[2]);
    b = tcpsm_wake_pop(&w);
    CHECK(b == a);
    CHECK(tcpsm_wake_pop(&w) == NULL);
    CHECK(tcpsm_wake_pop(&w) == NULL);
}

/* First come, first served, and all of a burst come out. */
TEST(order_and_completeness)
{
    static tcpsm_conn many[100];
    tcpsm_config f = TCPSM_ZERO;
    tcpsm_wake w = {NULL};
    int i;
    f.key[0] = 1;
    for (i = 0; i < 100; i++) {
        CHECK_EQ(tcpsm_init(&many[i], &f), 0);
        tcpsm_set_wake(&many[i], &w);
        (void)tcpsm_set(&many[i], TCPSM_SET_TTL, 5);
    }
    for (i = 0; i < 100; i++)
        CHECK(tcpsm_wake_pop(&w) == &many[i]);
    CHECK(tcpsm_wake_pop(&w) == NULL);
}

/* Whatever makes a deadline earlier or raises an event pushes. Each scene,
   each call and each kind of segment: if the deadline moved forward or an
   edge appeared, the connection is on the list. */
static void must_wake(tcpsm_conn *c, tcpsm_wake *w, tcpsm_time was,
                      uint32_t events, const char *what)
{
    tcpsm_time d = tcpsm_deadline(c);
    int news = d < was || (c->events & ~events) != 0;
    tcpsm_conn *x = tcpsm_wake_pop(w);
    CHECKF(x == c || (x == NULL && !news), "%s: deadline or event, no push",
           what);
    CHECK(tcpsm_wake_pop(w) == NULL);
}

static void call(tcpsm_conn *c, int k)
{
    static uint8_t b[4000], ring[40000], tab[2000];
    switch (k) {
    case 0:
        (void)tcpsm_send(c, b, 3000, 0);
        break;
    case 1:
        (void)tcpsm_send(c, b, 10, TCPSM_EOR);
        break;
    case 2:
        (void)tcpsm_receive(c, b, 4000);
        break;
    case 3:
        (void)tcpsm_receive_consume(c, c->rcv_len);
        break;
    case 4:
        (void)tcpsm_shutdown(c);
        break;
    case 5:
        (void)tcpsm_close(c);
        break;
    case 6:
        (void)tcpsm_abort(c);
        break;
    case 7:
        (void)tcpsm_set(c, TCPSM_SET_KEEPALIVE, 1);
        break;
    case 8:
        (void)tcpsm_set(c, TCPSM_SET_CORK, 0);
        break;
    case 9:
        (void)tcpsm_set(c, TCPSM_SET_USER_TIMEOUT, 1);
        break;
    case 10:
        (void)tcpsm_attach(c, TCPSM_RECEIVE, ring, 40000, NULL);
        break;
    case 11:
        (void)tcpsm_attach(c, TCPSM_SEND, ring, 40000, NULL);
        break;
    case 12:
        (void)tcpsm_attach(c, TCPSM_TABLES, tab, 2000, NULL);
        break;
    case 13:
        (void)tcpsm_set(c, TCPSM_SET_LINGER, 0);
        break;
    case 14:
        (void)tcpsm_set(c, TCPSM_SET_MTU, 600);
        break;
    default:
        (void)tcpsm_send_commit(c, 100, 0);
        break;
    }
}

TEST(every_call_in_every_state)
{
    int i, k;
    for (i = 0; i < SCENES; i++)
        for (k = 0; k < 16; k++) {
            tcpsm_conn *c = &p.c[scene_make(&p, i)];
            tcpsm_wake w = {NULL};
            tcpsm_time d;
            uint32_t ev;
            char what[80];
            snprintf(what, sizeof what, "%s, call %d", scenes[i].name, k);
            tcpsm_set_wake(c, &w);
            (void)tcpsm_wake_pop(&w);
            d = tcpsm_deadline(c);
            ev = c->events;
            call(c, k);
            must_wake(c, &w, d, ev, what);
        }
}

/* The same for segments, timers and ICMP while connections talk. */
static tcpsm_wake list;

static void watch(void *ctx, pair *q, const pair_event *e)
{
    static tcpsm_time d;
    static uint32_t ev;
    tcpsm_conn *c = &q->c[!e->from], *x;
    (void)ctx;
    if (e->what == PAIR_ARRIVED) {
        while (tcpsm_wake_pop(&list) != NULL)
            ;
        d = tcpsm_deadline(c);
        ev = c->events;
    } else if (e->what == PAIR_TAKEN) {
        int on = 0, news = tcpsm_deadline(c) < d || (c->events & ~ev) != 0;
        while ((x = tcpsm_wake_pop(&list)) != NULL)
            on |= x == c;
        CHECKF(on || !news, "a segment: deadline or event, no push");
        (void)tcpsm_take(c);
    }
}

TEST(every_segment_of_a_lossy_transfer)
{
    pair_options o = TCPSM_ZERO;
    o.seed = 5;
    pair_init(&p, &o);
    p.net.link[0].delay_us = p.net.link[1].delay_us = 3000;
    p.net.link[0].loss_ppm = p.net.link[1].loss_ppm = 40000;
    list.head = NULL;
    tcpsm_set_wake(&p.c[0], &list);
    tcpsm_set_wake(&p.c[1], &list);
    p.observe = watch;
    CHECK(pair_connect(&p));
    CHECK(pair_transfer(&p, 100000, 50000, 100 * PAIR_SECOND));
    pair_run(&p, 200 * PAIR_SECOND);
}

/* A timer that ends a connection raises events in tcpsm_output. */
TEST(timers_push)
{
    int i;
    for (i = 0; i < SCENES; i++) {
        tcpsm_conn *c = &p.c[scene_make(&p, i)];
        tcpsm_wake w = {NULL};
        tcpsm_time now = p.now;
        int turn;
        tcpsm_set_wake(c, &w);
        (void)tcpsm_take(c);
        for (turn = 0; turn < 200; turn++) {
            tcpsm_out out = TCPSM_ZERO;
            tcpsm_time d = tcpsm_deadline(c);
            while (tcpsm_wake_pop(&w) != NULL)
                ;
            if (d == TCPSM_NEVER)
                break;
            if (d > now)
                now = d;
            out.buf = p.out;
            out.cap = 2000;
            (void)tcpsm_output(c, &out, now);
            if (tcpsm_take(c) != 0)
                CHECKF(tcpsm_wake_pop(&w) == c, "%s: an event, no push",
                       scenes[i].name);
        }
        CHECK_LT(turn, 200);
    }
}

/* Onto a list that it should be on already. */
TEST(set_wake_pushes_who_wants)
{
    int i;
    for (i = 0; i < SCENES; i++) {
        tcpsm_conn *c = &p.c[scene_make(&p, i)];
        tcpsm_wake w = {NULL};
        int wants = c->events != 0 || tcpsm_deadline(c) != TCPSM_NEVER;
        tcpsm_set_wake(c, &w);
        CHECK(tcpsm_wake_pop(&w) == (wants ? c : NULL));
        tcpsm_set_wake(c, NULL);
        call(c, 6);
        CHECK(w.head == NULL);
    }
}

/* ---- clock, version, names ---------------------------------------------- */

TEST(widen)
{
    uint64_t last = 0, s = 1, t = 0;
    uint32_t i;
    CHECK(tcpsm_widen(&last, 0, 1000) == 0);
    CHECK(tcpsm_widen(&last, 7, 1000) == 7000);
    CHECK(tcpsm_widen(&last, 7, 1000) == 7000);
    CHECK(tcpsm_widen(&last, 0xFFFFFFFF, 1000) == 4294967295000u);
    CHECK(tcpsm_widen(&last, 0, 1000) == 4294967296000u);
    CHECK(tcpsm_widen(&last, 0xFFFFFFFF, 1000) == 8589934591000u);
    CHECK(tcpsm_widen(&last, 5, 1000) == 8589934597000u);
    for (last = 0, i = 0; i < 100000; i++) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        t += s >> 33;
        CHECK(tcpsm_widen(&last, (uint32_t)t, 3) == t * 3);
    }
}

TEST(version)
{
    CHECK_EQ(tcpsm_version(), TCPSM_VERSION);
    CHECK_EQ(TCPSM_VERSION >> 16, TCPSM_VERSION_MAJOR);
    CHECK_EQ(TCPSM_VERSION >> 8 & 255, TCPSM_VERSION_MINOR);
    CHECK_EQ(TCPSM_VERSION & 255, TCPSM_VERSION_PATCH);
}

/* Every state, error and drop reason has a name of its own. */
static void all_differ(const char *(*name)(int), int from, int to)
{
    int i, k;
    for (i = from; i <= to; i++) {
        CHECK(name(i) != NULL && name(i)[0] != 0);
        CHECKF(strcmp(name(i), "?") != 0, "%d has no name", i);
        for (k = from; k < i; k++)
            CHECKF(strcmp(name(i), name(k)) != 0, "%d and %d: %s", i, k,
                   name(i));
    }
    CHECK_STR(name(from - 1), "?");
    CHECK_STR(name(to + 1), "?");
}

TEST(names)
{
    all_differ(tcpsm_state_name, 0, TCPSM_STATES - 1);
    all_differ(tcpsm_error_name, TCPSM_E_CORRUPT, 0);
    all_differ(tcpsm_drop_name, 0, TCPSM_DROPS - 1);
    CHECK_STR(tcpsm_state_name(TCPSM_FIN_WAIT_2), "FIN-WAIT-2");
    CHECK_STR(tcpsm_state_name(TCPSM_SYN_RECEIVED), "SYN-RECEIVED");
}
