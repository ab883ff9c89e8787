/* Law 5 for many connections: yours until released, in every state; gone
   in the end after that, whatever the peer does; references that know it;
   and lent memory that is not touched once an event has given it back. */

#include "test.h"

#include "tcpsm.h"

#include "stackpair.h"

enum { ROOM = 64 };

static sp_host h, other;
static sp_ghost g[6000];
static uint8_t fin_said[6000];
static uint8_t mine[2][8192], text[4096];

static void up_with(const tcpsm_stack_config *cfg)
{
    sp_up(&h, cfg, 16, 7 * SP_SECOND);
    h.ghosts = g;
    h.ghost_n = sizeof g / sizeof *g;
    memset(g, 0, sizeof g);
    memset(fin_said, 0, sizeof fin_said);
    sp_listen(&h, 80, 0);
}

static void up(uint32_t conns)
{
    tcpsm_stack_config cfg = sp_config(conns);
    up_with(&cfg);
}

static tcpsm_conn *meet(uint32_t i)
{
    return sp_meet(&h, &g[i], i, 80);
}

/* ---- a connection in each state ---------------------------------------- */

static void syn_sent(uint32_t i)
{
    sp_call(&h, &g[i], i, (uint16_t)(2000 + i));
}

static void syn_received(uint32_t i)
{
    sp_call(&h, &g[i], i, (uint16_t)(2000 + i));
    sp_say(&h, &g[i], PAIR_SYN, NULL, 0); /* both at once */
    sp_drain(&h);
}

static void established(uint32_t i)
{
    meet(i);
}

static void called(uint32_t i)
{
    sp_call_up(&h, &g[i], i, (uint16_t)(2000 + i));
}

static void unread(uint32_t i)
{
    meet(i);
    sp_say(&h, &g[i], PAIR_ACK, text, 700);
}

static void unsent(uint32_t i)
{
    meet(i);
    g[i].wnd = 100;
    sp_say(&h, &g[i], PAIR_ACK, NULL, 0);
    CHECK_EQ(tcpsm_send(g[i].c, text, 3000, 0), 3000);
    sp_drain(&h);
}

static void fin_wait_1(uint32_t i)
{
    meet(i);
    CHECK_EQ(tcpsm_shutdown(g[i].c), 0);
    sp_drain(&h);
}

static void fin_wait_2(uint32_t i)
{
    fin_wait_1(i);
    sp_say(&h, &g[i], PAIR_ACK, NULL, 0);
}

static void close_wait(uint32_t i)
{
    meet(i);
    sp_say(&h, &g[i], PAIR_ACK | PAIR_FIN, NULL, 0);
    fin_said[i] = 1;
}

static void closing(uint32_t i)
{
    fin_wait_1(i);
    g[i].ack--; /* it has not seen ours */
    sp_say(&h, &g[i], PAIR_ACK | PAIR_FIN, NULL, 0);
    g[i].ack++;
    fin_said[i] = 1;
}

static void last_ack(uint32_t i)
{
    close_wait(i);
    CHECK_EQ(tcpsm_shutdown(g[i].c), 0);
    sp_drain(&h);
}

static void time_wait(uint32_t i)
{
    fin_wait_2(i);
    sp_say(&h, &g[i], PAIR_ACK | PAIR_FIN, NULL, 0);
    fin_said[i] = 1;
}

static void over(uint32_t i)
{
    time_wait(i);
    sp_drain(&h);
}

static void was_reset(uint32_t i)
{
    unread(i);
    sp_say(&h, &g[i], PAIR_RST, NULL, 0);
}

static void aborting(uint32_t i)
{
    meet(i);
    CHECK_EQ(tcpsm_abort(g[i].c), 0);
}

static void aborted(uint32_t i)
{
    aborting(i);
    sp_drain(&h);
}

static void timed_out(uint32_t i)
{
    meet(i);
    CHECK_EQ(tcpsm_set(g[i].c, TCPSM_SET_USER_TIMEOUT, 1000), 0);
    CHECK_EQ(tcpsm_send(g[i].c, "x", 1, 0), 1);
    sp_idle(&h, h.now + 5 * SP_SECOND, NULL);
    CHECK_EQ(tcpsm_error(g[i].c), TCPSM_E_TIMEOUT);
}

static const struct {
    const char *name;
    int state;
    void (*make)(uint32_t);
} scene[] = {
    {"SYN-SENT", TCPSM_SYN_SENT, syn_sent},
    {"SYN-RECEIVED", TCPSM_SYN_RECEIVED, syn_received},
    {"ESTABLISHED", TCPSM_ESTABLISHED, established},
    {"ESTABLISHED, active", TCPSM_ESTABLISHED, called},
    {"ESTABLISHED, unread", TCPSM_ESTABLISHED, unread},
    {"ESTABLISHED, unsent", TCPSM_ESTABLISHED, unsent},
    {"FIN-WAIT-1", TCPSM_FIN_WAIT_1, fin_wait_1},
    {"FIN-WAIT-2", TCPSM_FIN_WAIT_2, fin_wait_2},
    {"CLOSE-WAIT", TCPSM_CLOSE_WAIT, close_wait},
    {"CLOSING", TCPSM_CLOSING, closing},
    {"LAST-ACK", TCPSM_LAST_ACK, last_ack},
    {"TIME-WAIT", -1, time_wait}, /* or in its table already */
    {"CLOSED, both FINs", TCPSM_CLOSED, over},
    {"CLOSED, reset", TCPSM_CLOSED, was_reset},
    {"CLOSED, aborting", TCPSM_CLOSED, aborting},
    {"CLOSED, aborted", TCPSM_CLOSED, aborted},
    {"CLOSED, timed out", TCPSM_CLOSED, timed_out},
};
#define SCENES ((uint32_t)(sizeof scene / sizeof *scene))

static void make(uint32_t i)
{
    CONTEXT("%s", scene[i].name);
    scene[i].make(i);
    CHECK(g[i].c != NULL);
    if (scene[i].state >= 0)
        CHECK_EQ(tcpsm_state(g[i].c), scene[i].state);
    sp_look(&h);
}

/* A ghost that goes along: acknowledges, and closes after us. */
static void go_along(uint32_t n, uint32_t turns)
{
    uint32_t i;
    while (turns-- > 0) {
        sp_quiet(&h);
        for (i = 0; i < n; i++) {
            sp_ghost *q = &g[i];
            if (q->segments == 0 || (q->flags & PAIR_RST) ||
                q->flags == PAIR_SYN)
                continue;
            q->wnd = 60000;
            q->segments = 0;
            sp_say(&h, q, PAIR_ACK | (fin_said[i] || !q->fin ? 0 : PAIR_FIN),
                   NULL, 0);
            fin_said[i] |= q->fin;
        }
        sp_idle(&h, h.now + 300000, NULL);
    }
}

static void all_free(void)
{
    struct tcpsm_stack_info x = sp_info(&h);
    CHECK_EQ(x.conns, 0);
    CHECK_EQ(x.orphans, 0);
    CHECK_EQ(x.unaccepted, 0);
    CHECK_EQ(x.rings, 0);
    CHECK_EQ(x.syns, 0);
    CHECK_EQ(tcpsm_stack_check(h.st), 0);
}

static void release(uint32_t i)
{
    uint64_t ref = tcpsm_stack_ref(h.st, g[i].c);
    CHECK(tcpsm_stack_deref(h.st, ref) == g[i].c);
    CHECK_GE(tcpsm_stack_release(h.st, g[i].c), 0);
    CHECK(tcpsm_stack_deref(h.st, ref) == NULL);
    CHECK_EQ(tcpsm_stack_release(h.st, g[i].c), TCPSM_E_ARG);
    CHECK(tcpsm_stack_deref(h.st, ref) == NULL);
    sp_look(&h);
}

/* ---- release ----------------------------------------------------------- */

TEST(release_in_every_state_and_the_peer_goes_along)
{
    uint32_t i;
    for (i = 0; i < SCENES; i++) {
        up(ROOM);
        make(i);
        release(i);
        go_along(i + 1, 30);
        all_free();
        CHECK_EQ(sp_news(&h, NULL, NULL), 0);
        sp_down(&h);
    }
}

TEST(release_in_every_state_and_the_peer_is_gone)
{
    uint32_t i;
    for (i = 0; i < SCENES; i++) {
        up(ROOM);
        make(i);
        release(i);
        sp_idle(&h, h.now + SP_HOUR, NULL);
        all_free();
        CHECK_EQ(tcpsm_stack_deadline(h.st), TCPSM_NEVER);
        sp_down(&h);
    }
}

/* All at once in one stack, released in one go, with and without news */
TEST(release_of_everything_at_once)
{
    uint32_t i, turn;
    for (turn = 0; turn < 2; turn++) {
        up(ROOM);
        for (i = 0; i < SCENES; i++)
            make(i);
        if (turn)
            sp_quiet(&h);
        for (i = 0; i < SCENES; i++)
            release(i);
        CHECK_EQ(sp_news(&h, NULL, NULL), 0);
        CHECK_EQ(sp_info(&h).orphans, sp_info(&h).conns);
        sp_idle(&h, h.now + SP_HOUR, NULL);
        all_free();
        sp_down(&h);
    }
}

/* Unread data, or data that comes, resets: the peer learns of the loss. */
TEST(release_with_unread_data_resets)
{
    up(4);
    make(4);
    (void)sp_news(&h, NULL, NULL);
    CHECK_EQ(tcpsm_stack_release(h.st, g[4].c), 0);
    sp_drain(&h);
    CHECK_EQ(h.log_n, 1);
    CHECK(h.log[0].s.flags & PAIR_RST);
    all_free();
    meet(0);
    (void)sp_news(&h, NULL, NULL);
    CHECK_EQ(tcpsm_stack_release(h.st, g[0].c), 0);
    sp_drain(&h);
    CHECK(h.log[0].s.flags & PAIR_FIN);
    sp_say(&h, &g[0], PAIR_ACK, "too late", 8);
    sp_drain(&h);
    CHECK_EQ(h.log_n, 1);
    CHECK(h.log[0].s.flags & PAIR_RST);
    all_free();
    sp_down(&h);
}

/* What was queued before the release still arrives, and then the FIN. */
TEST(release_sends_what_was_queued)
{
    uint32_t k;
    up(4);
    meet(0);
    g[0].answer = 1;
    CHECK_EQ(tcpsm_send(g[0].c, text, 4096, 0), 4096);
    CHECK_EQ(tcpsm_stack_release(h.st, g[0].c), 0);
    for (k = 0; k < 10 && !(g[0].flags & PAIR_FIN); k++) {
        sp_drain(&h);
        sp_idle(&h, h.now + SP_SECOND, NULL);
    }
    CHECK_EQ(g[0].got, 4096);
    CHECK(g[0].flags & PAIR_FIN);
    sp_say(&h, &g[0], PAIR_ACK | PAIR_FIN, NULL, 0);
    sp_drain(&h);
    all_free();
    sp_down(&h);
}

/* ---- orphans end ------------------------------------------------------- */

/* A peer that never opens its window, but answers every probe, for ever */
static void stubborn(uint32_t timeout_ms, uint32_t linger)
{
    tcpsm_stack_config cfg = sp_config(4);
    tcpsm_time end;
    uint32_t ack, turn = 0;
    cfg.conn.user_timeout_ms = timeout_ms;
    up_with(&cfg);
    meet(0);
    if (linger)
        CHECK_EQ(tcpsm_set(g[0].c, TCPSM_SET_LINGER, linger), 0);
    g[0].wnd = 0;
    sp_say(&h, &g[0], PAIR_ACK, NULL, 0);
    ack = g[0].ack;
    CHECK_EQ(tcpsm_send(g[0].c, text, 1000, 0), 1000);
    sp_drain(&h);
    CHECK_EQ(tcpsm_stack_release(h.st, g[0].c), 0);
    for (end = h.now + 7 * SP_DAY; h.now < end && sp_info(&h).conns != 0;) {
        tcpsm_time d = tcpsm_stack_deadline(h.st);
        CHECK(d != TCPSM_NEVER); /* law 7 */
        CHECKF(++turn < 100000, "time stands still");
        if (d > h.now)
            h.now = d;
        (void)sp_news(&h, NULL, NULL);
        while (sp_output(&h) > 0)
            if (!(g[0].flags & PAIR_RST)) /* takes nothing, answers all */
                (void)sp_raw(&h, &g[0], g[0].seq, ack, PAIR_ACK, NULL, 0);
    }
    all_free();
    sp_down(&h);
}

TEST(orphan_at_a_zero_window_ends)
{
    stubborn(0, 0);
}

TEST(orphan_at_a_zero_window_ends_without_a_user_timeout)
{
    stubborn(TCPSM_OFF, 0);
}

TEST(orphan_at_a_zero_window_ends_when_linger_says)
{
    stubborn(0, 3000);
}

TEST(orphan_whose_peer_vanished_ends_without_a_user_timeout)
{
    tcpsm_stack_config cfg = sp_config(ROOM);
    uint32_t i;
    cfg.conn.user_timeout_ms = TCPSM_OFF;
    for (i = 0; i < SCENES; i++) {
        if (scene[i].make == timed_out)
            continue;
        up_with(&cfg);
        make(i);
        release(i);
        sp_idle(&h, h.now + 7 * SP_DAY, NULL);
        all_free();
        sp_down(&h);
    }
}

/* Nor does a SYN that nobody answers go on for ever, with data behind it. */
TEST(orphan_in_syn_sent_ends_without_any_limit)
{
    tcpsm_stack_config cfg = sp_config(4);
    cfg.conn.syn_limit_ms = cfg.conn.user_timeout_ms = TCPSM_OFF;
    up_with(&cfg);
    sp_call(&h, &g[0], 0, 900);
    CHECK_EQ(tcpsm_send(g[0].c, text, 100, 0), 100);
    CHECK_EQ(tcpsm_stack_release(h.st, g[0].c), 0);
    sp_idle(&h, h.now + 7 * SP_DAY, NULL);
    all_free();
    sp_down(&h);
}

/* A peer that acknowledges our FIN and then only keeps talking */
TEST(orphan_in_fin_wait_2_ends)
{
    tcpsm_time end;
    up(4);
    meet(0);
    CHECK_EQ(tcpsm_stack_release(h.st, g[0].c), 0);
    sp_drain(&h);
    for (end = h.now + SP_HOUR; h.now < end && sp_info(&h).conns != 0;) {
        sp_idle(&h, h.now + SP_SECOND, NULL);
        if (sp_info(&h).conns != 0)
            sp_say(&h, &g[0], PAIR_ACK, NULL, 0);
    }
    all_free();
    sp_down(&h);
}

/* Orphans count as connections: they are never more than there are. */
TEST(orphans_are_bounded_by_the_connections)
{
    tcpsm_tuple t;
    tcpsm_conn *c = NULL;
    uint32_t i;
    up(10);
    for (i = 0; i < 10; i++)
        meet(i);
    for (i = 0; i < 10; i++)
        CHECK_EQ(tcpsm_stack_release(h.st, g[i].c), 0);
    sp_quiet(&h);
    CHECK_EQ(sp_info(&h).orphans, 10);
    sp_ghost_init(&g[20], 20, 999);
    sp_name(&g[20], &t);
    CHECK_EQ(tcpsm_stack_connect(h.st, &t, NULL, &c, h.now), TCPSM_E_SPACE);
    sp_ghost_init(&g[21], 21, 80);
    sp_say(&h, &g[21], PAIR_SYN, NULL, 0);
    CHECK_EQ(h.in.drop, TCPSM_DROP_FULL);
    sp_idle(&h, h.now + SP_HOUR, NULL);
    all_free();
    CHECK_EQ(tcpsm_stack_connect(h.st, &t, NULL, &c, h.now), 0);
    sp_down(&h);
}

/* ---- yours until released ---------------------------------------------- */

TEST(connection_that_is_over_stays_until_released)
{
    uint32_t i, k;
    uint64_t ref;
    char buf[64];
    up(3);
    meet(0);
    ref = tcpsm_stack_ref(h.st, g[0].c);
    sp_say(&h, &g[0], PAIR_ACK | PAIR_FIN, "the last words", 14);
    CHECK_EQ(tcpsm_shutdown(g[0].c), 0);
    sp_drain(&h);
    sp_say(&h, &g[0], PAIR_ACK, NULL, 0);
    CHECK_EQ(tcpsm_state(g[0].c), TCPSM_CLOSED);
    sp_quiet(&h);
    for (i = 1; i < 500; i++) { /* others come and go */
        for (k = 0; k < 2; k++)
            meet(2 * i + k);
        for (k = 0; k < 2; k++) {
            CHECK(g[2 * i + k].c != g[0].c);
            sp_say(&h, &g[2 * i + k], PAIR_RST, NULL, 0);
            CHECK_EQ(tcpsm_stack_release(h.st, g[2 * i + k].c), 0);
        }
        sp_quiet(&h);
        CHECK_EQ(sp_info(&h).conns, 1);
    }
    CHECK(tcpsm_stack_deref(h.st, ref) == g[0].c);
    CHECK_EQ(tcpsm_receive(g[0].c, buf, sizeof buf), 14);
    CHECK_MEM(buf, "the last words", 14);
    CHECK_EQ(tcpsm_receive(g[0].c, buf, sizeof buf), TCPSM_E_EOF);
    CHECK_EQ(tcpsm_stack_release(h.st, g[0].c), 0);
    sp_drain(&h);
    all_free();
    sp_down(&h);
}

/* Nothing frees them, however long and however dead. */
TEST(connections_that_are_over_are_not_reused)
{
    uint32_t i;
    tcpsm_tuple t;
    tcpsm_conn *c = NULL;
    up(SCENES - 12);
    for (i = 12; i < SCENES; i++)
        make(i);
    sp_quiet(&h);
    sp_idle(&h, h.now + SP_DAY, NULL);
    CHECK_EQ(sp_info(&h).conns, SCENES - 12);
    sp_ghost_init(&g[100], 100, 999);
    sp_name(&g[100], &t);
    CHECK_EQ(tcpsm_stack_connect(h.st, &t, NULL, &c, h.now), TCPSM_E_SPACE);
    CHECK(c == NULL);
    for (i = 12; i < SCENES; i++)
        release(i);
    sp_quiet(&h);
    all_free();
    sp_down(&h);
}

/* Aborted, and the reset is not out yet: its name is nobody's. */
TEST(name_of_an_aborted_connection_is_free_at_once)
{
    tcpsm_conn *c;
    up(4);
    meet(0);
    sp_quiet(&h);
    CHECK_EQ(tcpsm_abort(g[0].c), 0);
    CHECK_EQ(sp_raw(&h, &g[0], g[0].seq, g[0].ack, PAIR_ACK, "x", 1), 0);
    CHECK(h.in.conn == NULL);
    CHECK_EQ(sp_raw(&h, &g[0], g[0].seq + 5000, 0, PAIR_SYN, NULL, 0), 0);
    CHECK_EQ(sp_info(&h).syns, 1);
    sp_quiet(&h);
    g[0].seq += 5001;
    sp_idle(&h, h.now + SP_SECOND, NULL); /* the SYN-ACK again */
    sp_say(&h, &g[0], PAIR_ACK, NULL, 0);
    c = tcpsm_stack_accept(h.st, NULL);
    CHECK(c != NULL && c != g[0].c);
    CHECK_EQ(tcpsm_state(c), TCPSM_ESTABLISHED);
    CHECK_EQ(tcpsm_state(g[0].c), TCPSM_CLOSED);
    CHECK_EQ(tcpsm_stack_release(h.st, g[0].c), 0);
    CHECK_EQ(tcpsm_stack_release(h.st, c), 0);
    sp_idle(&h, h.now + SP_HOUR, NULL);
    all_free();
    sp_down(&h);
}

/* ... for a connection of our own as well. */
TEST(name_of_an_aborted_connection_can_be_called_again)
{
    tcpsm_tuple t;
    tcpsm_conn *c = NULL;
    up(4);
    sp_call_up(&h, &g[0], 0, 900);
    sp_quiet(&h);
    sp_name(&g[0], &t);
    CHECK_EQ(tcpsm_stack_connect(h.st, &t, NULL, &c, h.now), TCPSM_E_STATE);
    CHECK_EQ(tcpsm_abort(g[0].c), 0);
    CHECK_EQ(tcpsm_stack_connect(h.st, &t, NULL, &c, h.now), 0);
    CHECK(c != g[0].c);
    CHECK_EQ(tcpsm_state(c), TCPSM_SYN_SENT);
    sp_look(&h);
    sp_quiet(&h);
    sp_look(&h);
    CHECK_EQ(tcpsm_stack_release(h.st, g[0].c), 0);
    CHECK_EQ(tcpsm_stack_release(h.st, c), 0);
    sp_quiet(&h);
    all_free();
    sp_down(&h);
}

/* TIME-WAIT ends, also when nobody looked for longer than any counter */
TEST(time_wait_is_over_however_long_nobody_looked)
{
    static const tcpsm_time leap[] = {61 * SP_SECOND,
                                      SP_DAY,
                                      (tcpsm_time)1 << 32,
                                      ((tcpsm_time)1 << 47) + 1,
                                      ((tcpsm_time)1 << 47) + SP_DAY,
                                      ((tcpsm_time)1 << 48) + SP_SECOND,
                                      (tcpsm_time)3 << 47};
    uint32_t i;
    for (i = 0; i < sizeof leap / sizeof *leap; i++) {
        CONTEXT("leap %llu", (unsigned long long)leap[i]);
        up(4);
        over(0);
        CHECK_EQ(tcpsm_stack_release(h.st, g[0].c), 0);
        sp_quiet(&h);
        CHECK_EQ(sp_info(&h).timewaits, 1);
        h.now += leap[i];
        CHECK_EQ(sp_output(&h), 0);
        CHECK_EQ(sp_info(&h).timewaits, 0);
        sp_down(&h);
    }
}

/* ---- not accepted yet -------------------------------------------------- */

TEST(accept_gives_one_that_was_reset)
{
    char buf[8];
    tcpsm_conn *c;
    up(4);
    sp_ghost_init(&g[0], 0, 80);
    sp_say(&h, &g[0], PAIR_SYN, NULL, 0);
    sp_drain(&h);
    sp_say(&h, &g[0], PAIR_ACK, "abc", 3);
    sp_say(&h, &g[0], PAIR_RST, NULL, 0);
    sp_drain(&h);
    CHECK_EQ(sp_news(&h, NULL, NULL), 0);
    c = tcpsm_stack_accept(h.st, NULL);
    CHECK(c != NULL);
    CHECK_EQ(tcpsm_state(c), TCPSM_CLOSED);
    CHECK_EQ(tcpsm_error(c), TCPSM_E_RESET);
    CHECK_EQ(sp_news(&h, NULL, NULL), 1);
    CHECK_EQ(tcpsm_receive(c, buf, sizeof buf), 3);
    CHECK_EQ(tcpsm_receive(c, buf, sizeof buf), TCPSM_E_RESET);
    CHECK(tcpsm_stack_accept(h.st, NULL) == NULL);
    CHECK_EQ(tcpsm_stack_release(h.st, c), 0);
    sp_drain(&h);
    all_free();
    sp_down(&h);
}

/* They die in the queue, in every way; accept still gives each once, in
   order, and the backlog is free again after. */
TEST(connections_that_die_before_accept)
{
    tcpsm_stack_config cfg = sp_config(16);
    uint32_t i, n = 6;
    tcpsm_tuple t;
    tcpsm_ret l, got;
    up_with(&cfg);
    memset(&t, 0, sizeof t);
    t.local_port = 81;
    l = tcpsm_stack_listen(h.st, &t, n, 0, NULL);
    CHECK_GE(l, 0);
    for (i = 0; i < n; i++) {
        sp_ghost_init(&g[i], i, 81);
        sp_say(&h, &g[i], PAIR_SYN, NULL, 0);
        sp_drain(&h);
        sp_say(&h, &g[i], PAIR_ACK, NULL, 0);
    }
    CHECK_EQ(sp_info(&h).unaccepted, n);
    sp_ghost_init(&g[n], n, 81);
    sp_say(&h, &g[n], PAIR_SYN, NULL, 0);
    CHECK_EQ(h.in.drop, TCPSM_DROP_FULL);
    sp_say(&h, &g[0], PAIR_RST, NULL, 0);
    sp_say(&h, &g[1], PAIR_ACK | PAIR_FIN, NULL, 0);
    sp_say(&h, &g[2], PAIR_ACK, text, 1000);
    sp_say(&h, &g[2], PAIR_RST, NULL, 0);
    sp_say(&h, &g[5], PAIR_RST, NULL, 0);
    sp_drain(&h);
    sp_idle(&h, h.now + SP_DAY, NULL);
    sp_look(&h);
    for (i = 0; i < n; i++) {
        tcpsm_conn *c = tcpsm_stack_accept(h.st, &got);
        CHECK(c != NULL);
        CHECK_EQ(got, l);
        tcpsm_name(c, &t);
        CHECK_EQ(t.remote_port, g[i].port);
        g[i].c = c;
        CHECK_EQ(tcpsm_error(c),
                 i == 0 || i == 2 || i == 5 ? TCPSM_E_RESET : 0);
    }
    CHECK(tcpsm_stack_accept(h.st, NULL) == NULL);
    for (i = 0; i < n; i++)
        CHECK_GE(tcpsm_stack_release(h.st, g[i].c), 0);
    sp_idle(&h, h.now + SP_HOUR, NULL);
    all_free();
    sp_say(&h, &g[n], PAIR_SYN, NULL, 0);
    CHECK_EQ(h.in.drop, TCPSM_DROP_NONE);
    sp_down(&h);
}

/* A cookie is proved once: whatever comes again after the connection has
   been and gone is reset, and its bytes are not read twice (law 4). */
TEST(cookie_connection_does_not_come_again)
{
    tcpsm_stack_config cfg = sp_config(4);
    tcpsm_conn *c;
    uint32_t i;
    char buf[8];
    cfg.syn_entries = 1;
    up_with(&cfg);
    sp_ghost_init(&g[1], 1, 80);
    sp_say(&h, &g[1], PAIR_SYN, NULL, 0); /* the table is full */
    sp_ghost_init(&g[0], 0, 80);
    sp_say(&h, &g[0], PAIR_SYN, NULL, 0);
    sp_drain(&h);
    CHECK_EQ(sp_info(&h).cookies_sent, 1);
    (void)sp_raw(&h, &g[0], g[0].seq, g[0].ack, PAIR_ACK | PAIR_FIN, "once",
                 4);
    CHECK_EQ(sp_info(&h).cookies_good, 1);
    c = tcpsm_stack_accept(h.st, NULL);
    CHECK(c != NULL);
    CHECK_EQ(tcpsm_receive(c, buf, sizeof buf), 4);
    CHECK_EQ(tcpsm_shutdown(c), 0);
    sp_drain(&h);
    CHECK_EQ(tcpsm_state(c), TCPSM_LAST_ACK);
    CHECK_EQ(tcpsm_abort(c), 0); /* in LAST-ACK nobody is told */
    CHECK_EQ(tcpsm_stack_release(h.st, c), 0);
    sp_quiet(&h);
    for (i = 0; i < 5; i++) {
        h.now += SP_SECOND << i;
        g[0].flags = 0;
        CHECK_EQ(sp_raw(&h, &g[0], g[0].seq, g[0].ack, PAIR_ACK | PAIR_FIN,
                        "once", 4),
                 0);
        CHECK(tcpsm_stack_accept(h.st, NULL) == NULL);
        sp_quiet(&h);
        CHECK(g[0].flags & PAIR_RST);
    }
    CHECK_EQ(sp_info(&h).conns, 0);
    sp_down(&h);
}

TEST(unlisten_resets_what_nobody_accepted)
{
    uint32_t i, resets = 0;
    tcpsm_tuple t;
    tcpsm_ret l;
    up(8);
    memset(&t, 0, sizeof t);
    t.local_port = 81;
    l = tcpsm_stack_listen(h.st, &t, 0, 0, NULL);
    for (i = 0; i < 6; i++) {
        sp_ghost_init(&g[i], i, 81);
        sp_say(&h, &g[i], PAIR_SYN, NULL, 0);
        sp_drain(&h);
        if (i < 4)
            sp_say(&h, &g[i], PAIR_ACK, NULL, 0);
    }
    g[0].c = tcpsm_stack_accept(h.st, NULL);
    CHECK_GE(tcpsm_stack_unlisten(h.st, l), 0);
    CHECK_EQ(tcpsm_stack_unlisten(h.st, l), TCPSM_E_NONE);
    CHECK(tcpsm_stack_accept(h.st, NULL) == NULL);
    sp_drain(&h);
    for (i = 0; i < 6; i++)
        resets += !!(g[i].flags & PAIR_RST);
    CHECK_EQ(resets, 5);
    CHECK(!(g[0].flags & PAIR_RST));
    CHECK_EQ(sp_info(&h).conns, 1);
    CHECK_EQ(sp_info(&h).syns, 0);
    CHECK_EQ(tcpsm_state(g[0].c), TCPSM_ESTABLISHED);
    sp_down(&h);
}

/* ---- references -------------------------------------------------------- */

TEST(references_know_their_generation)
{
    static uint64_t ref[5000];
    uint32_t i, k, n = sizeof ref / sizeof *ref;
    up(2);
    for (i = 0; i < n; i++) {
        meet(i);
        ref[i] = tcpsm_stack_ref(h.st, g[i].c);
        CHECK((uint32_t)ref[i] < 2);
        CHECK(tcpsm_stack_deref(h.st, ref[i]) == g[i].c);
        if (i > 0)
            CHECK(tcpsm_stack_deref(h.st, ref[i - 1]) == NULL);
        sp_say(&h, &g[i], PAIR_RST, NULL, 0);
        CHECK(tcpsm_stack_deref(h.st, ref[i]) == g[i].c); /* only dead */
        CHECK_EQ(tcpsm_stack_release(h.st, g[i].c), 0);
        CHECK(tcpsm_stack_deref(h.st, ref[i]) == NULL);
        sp_quiet(&h);
    }
    all_free();
    meet(0);
    for (k = 0; k < n; k++)
        CHECK(tcpsm_stack_deref(h.st, ref[k]) == NULL);
    for (i = 0; i < n; i += 37)
        for (k = i + 1; k < n; k++)
            CHECK(ref[i] != ref[k]);
    CHECK(tcpsm_stack_deref(h.st, UINT64_MAX) == NULL);
    CHECK(tcpsm_stack_deref(h.st, tcpsm_stack_ref(h.st, g[0].c) + 2) == NULL);
    CHECK(tcpsm_stack_deref(h.st, tcpsm_stack_ref(h.st, g[0].c) ^
                                      (uint64_t)1 << 63) == NULL);
    sp_down(&h);
}

TEST(references_to_what_is_free_or_not_accepted)
{
    uint64_t i;
    uint32_t at = 0;
    tcpsm_conn *c;
    up(3);
    for (i = 0; i < 8; i++) /* nothing is there yet */
        CHECK(tcpsm_stack_deref(h.st, i) == NULL);
    sp_ghost_init(&g[0], 0, 80);
    sp_say(&h, &g[0], PAIR_SYN, NULL, 0);
    sp_drain(&h);
    sp_say(&h, &g[0], PAIR_ACK, NULL, 0);
    c = tcpsm_stack_walk(h.st, &at);
    CHECK(c != NULL);
    CHECK_EQ(tcpsm_stack_release(h.st, c), TCPSM_E_ARG); /* not yours yet */
    CHECK(tcpsm_stack_walk(h.st, &at) == NULL);
    CHECK(tcpsm_stack_accept(h.st, NULL) == c);
    CHECK_EQ(tcpsm_stack_release(h.st, c), 0);
    sp_down(&h);
}

TEST(pointers_of_another_stack_are_refused)
{
    tcpsm_stack_config cfg = sp_config(4);
    tcpsm_conn *c, *x;
    tcpsm_conn plain;
    up(4);
    c = meet(0);
    sp_up(&other, &cfg, 32, SP_SECOND);
    sp_listen(&other, 80, 0);
    CHECK_EQ(tcpsm_stack_release(other.st, c), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_forget(other.st, c), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_release(h.st, NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_forget(h.st, NULL), TCPSM_E_ARG);
    memset(&plain, 0, sizeof plain);
    CHECK_EQ(tcpsm_init(&plain, &cfg.conn), 0);
    CHECK_EQ(tcpsm_stack_release(h.st, &plain), TCPSM_E_ARG);
    /* the neighbours, and what is no beginning of any */
    CHECK_EQ(tcpsm_stack_release(h.st, c + 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_release(h.st, c - 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_release(h.st, c + 4), TCPSM_E_ARG);
    x = (tcpsm_conn *)(void *)((uint8_t *)(void *)c + 8);
    CHECK_EQ(tcpsm_stack_release(h.st, x), TCPSM_E_ARG);
    x = (tcpsm_conn *)(void *)h.block;
    CHECK_EQ(tcpsm_stack_release(h.st, x), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_state(c), TCPSM_ESTABLISHED);
    CHECK_EQ(tcpsm_stack_release(h.st, c), 0);
    sp_down(&other);
    sp_down(&h);
}

TEST(feeding_calls_of_layer_1_are_refused)
{
    tcpsm_conn before;
    tcpsm_tuple t;
    tcpsm_in in;
    tcpsm_out o;
    uint8_t out[2048];
    uint32_t i;
    up(ROOM);
    for (i = 0; i < SCENES; i++) {
        make(i);
        memcpy(&before, g[i].c, sizeof before);
        sp_name(&g[i], &t);
        sp_in(&in, h.seg,
              sp_write(h.seg, &g[i], g[i].seq, g[i].ack, PAIR_ACK, NULL, 0,
                       "x", 1));
        memset(&o, 0, sizeof o);
        o.buf = out;
        o.cap = sizeof out;
        CHECK_EQ(tcpsm_open(g[i].c, &t, h.now), TCPSM_E_OWNED);
        CHECK_EQ(tcpsm_listen(g[i].c, &t, h.now), TCPSM_E_OWNED);
        CHECK_EQ(tcpsm_input(g[i].c, &in, h.now), TCPSM_E_OWNED);
        CHECK_EQ(tcpsm_output(g[i].c, &o, h.now), TCPSM_E_OWNED);
        CHECK_EQ(tcpsm_icmp(g[i].c, out, 64, 4, h.now), TCPSM_E_OWNED);
        CHECK_EQ(tcpsm_import(g[i].c, &h.cfg.conn, out, 64, h.now),
                 TCPSM_E_OWNED);
        CHECK_MEM(&before, g[i].c, sizeof before);
    }
    sp_down(&h);
}

TEST(walk_shows_every_connection_once)
{
    uint32_t i, at = 0, n = 0, again = 0;
    tcpsm_conn *c;
    up(ROOM);
    for (i = 0; i < 10; i++)
        meet(i);
    for (i = 0; i < 5; i++)
        CHECK_EQ(tcpsm_stack_release(h.st, g[2 * i].c), 0);
    sp_quiet(&h);
    sp_ghost_init(&g[10], 10, 80);
    sp_say(&h, &g[10], PAIR_SYN, NULL, 0);
    sp_drain(&h);
    sp_say(&h, &g[10], PAIR_ACK, NULL, 0);
    while ((c = tcpsm_stack_walk(h.st, &at)) != NULL) {
        tcpsm_tuple t;
        tcpsm_name(c, &t);
        CHECK_EQ(again >> (t.remote_port - SP_PORT) & 1, 0);
        again |= 1u << (t.remote_port - SP_PORT);
        n++;
    }
    CHECK_EQ(n, 11);
    CHECK_EQ(again, 0x7FF);
    CHECK(tcpsm_stack_walk(h.st, &at) == NULL);
    /* "to abort, those that are not yours" */
    for (at = 0; (c = tcpsm_stack_walk(h.st, &at)) != NULL;)
        CHECK_GE(tcpsm_abort(c), 0);
    sp_quiet(&h);
    CHECK_EQ(sp_info(&h).orphans, 0);
    for (i = 0; i < 11; i++)
        CHECK(g[i].flags & PAIR_RST);
    sp_down(&h);
}

TEST(info_counts_both_sides)
{
    struct tcpsm_stack_info x;
    up(8);
    meet(0);
    meet(1);
    sp_call_up(&h, &g[2], 2, 900);
    sp_call(&h, &g[3], 3, 901); /* SYN-SENT: does not count yet */
    sp_ghost_init(&g[4], 4, 80);
    sp_say(&h, &g[4], PAIR_SYN, NULL, 0);
    x = sp_info(&h);
    CHECK_EQ(x.accepted, 2);
    CHECK_EQ(x.connected, 1);
    CHECK_EQ(x.conns, 4);
    CHECK_EQ(x.unaccepted, 0);
    CHECK_EQ(x.syns, 1);
    sp_say(&h, &g[3], PAIR_RST | PAIR_ACK, NULL, 0);
    CHECK_EQ(tcpsm_error(g[3].c), TCPSM_E_REFUSED);
    sp_quiet(&h);
    CHECK_EQ(sp_info(&h).connected, 1);
    sp_down(&h);
}

TEST(abort_of_all_that_match)
{
    tcpsm_tuple t;
    uint32_t i;
    up(ROOM);
    for (i = 0; i < 10; i++)
        meet(i);
    for (i = 10; i < 14; i++)
        sp_call_up(&h, &g[i], i, 900);
    sp_quiet(&h);
    memset(&t, 0, sizeof t);
    t.local_port = 900;
    CHECK_EQ(tcpsm_stack_abort(h.st, &t), 4);
    sp_quiet(&h);
    for (i = 0; i < 14; i++)
        CHECK_EQ(!!(g[i].flags & PAIR_RST), i >= 10);
    memset(&t, 0, sizeof t);
    CHECK_EQ(tcpsm_stack_abort(h.st, &t), 10);
    sp_quiet(&h);
    for (i = 0; i < 14; i++) {
        CHECK(g[i].flags & PAIR_RST);
        CHECK_EQ(tcpsm_stack_release(h.st, g[i].c), 0);
    }
    all_free();
    sp_down(&h);
}

/* ---- lent memory ------------------------------------------------------- */

static void lend(uint32_t i)
{
    void *old;
    CHECK_EQ(
        tcpsm_attach(g[i].c, TCPSM_RECEIVE, mine[0], sizeof mine[0], &old),
        0);
    CHECK(old != NULL || i < 2);
    CHECK_EQ(tcpsm_attach(g[i].c, TCPSM_SEND, mine[1], sizeof mine[1], &old),
             0);
}

static void untouched(void)
{
    uint32_t k;
    for (k = 0; k < sizeof mine; k++)
        CHECKF(mine[k / sizeof mine[0]][k % sizeof mine[0]] == 0xE7,
               "byte %u was written", k);
}

static uint32_t named(const tcpsm_conn *c, uint32_t *taken)
{
    tcpsm_conn *x;
    uint32_t n = 0, ev = 0;
    while ((x = tcpsm_stack_next(h.st, &ev)) != NULL) {
        CHECK(x == c);
        *taken = ev;
        n++;
    }
    return n;
}

/* Once more, with EV_DONE, whatever the state was; after that the memory
   is not touched, though the peer goes on. */
static void lent(int vanished)
{
    uint32_t i, k, n, ev;
    for (i = 0; i < SCENES; i++) {
        up(ROOM);
        make(i);
        lend(i);
        while (sp_news(&h, NULL, NULL) != 0)
            ;
        release(i);
        for (n = k = 0; k < 4000 && n == 0; k++) {
            ev = 0;
            n = named(g[i].c, &ev);
            if (n != 0)
                break;
            sp_drain(&h);
            if (!vanished && g[i].segments && !(g[i].flags & PAIR_RST) &&
                g[i].flags != PAIR_SYN) {
                g[i].wnd = 60000;
                g[i].segments = 0;
                sp_say(&h, &g[i],
                       PAIR_ACK | (fin_said[i] || !g[i].fin ? 0 : PAIR_FIN),
                       NULL, 0);
                fin_said[i] |= g[i].fin;
            }
            h.now += SP_SECOND;
        }
        CHECK_EQ(n, 1);
        CHECK(ev & TCPSM_EV_DONE);
        memset(mine, 0xE7, sizeof mine);
        CHECK_EQ(sp_news(&h, NULL, NULL), 0);
        for (k = 0; k < 20; k++) {
            sp_say(&h, &g[i], PAIR_ACK, "still here?", 11);
            sp_quiet(&h);
            h.now += SP_SECOND;
        }
        CHECK_EQ(sp_news(&h, NULL, NULL), 0);
        untouched();
        all_free();
        sp_down(&h);
    }
}

TEST(lent_memory_comes_back_when_the_peer_goes_along)
{
    lent(0);
}

TEST(lent_memory_comes_back_when_the_peer_is_gone)
{
    lent(1);
}

/* The tables are memory of yours, too; one of the three is enough. */
TEST(lent_memory_of_each_kind_comes_back)
{
    static const uint32_t what[] = {TCPSM_RECEIVE, TCPSM_SEND, TCPSM_TABLES};
    uint32_t i, k, ev, n;
    for (i = 0; i < 3; i++) {
        CONTEXT("kind %u", what[i]);
        up(8);
        meet(0);
        meet(1);
        while (sp_news(&h, NULL, NULL) != 0)
            ;
        CHECK_EQ(tcpsm_attach(g[0].c, what[i], mine[0], sizeof mine[0], NULL),
                 0);
        CHECK_EQ(tcpsm_stack_release(h.st, g[0].c), 0);
        CHECK_EQ(tcpsm_stack_release(h.st, g[1].c), 0);
        sp_drain(&h);
        sp_say(&h, &g[0], PAIR_RST, NULL, 0);
        sp_say(&h, &g[1], PAIR_RST, NULL, 0);
        for (n = k = 0; k < 5; k++) {
            ev = 0;
            n += named(g[0].c, &ev);
            CHECK(n == 0 || ev == 0 || (ev & TCPSM_EV_DONE));
            sp_drain(&h);
        }
        CHECK_EQ(n, 1);
        all_free();
        sp_down(&h);
    }
}

/* Taken back before the release, there is nothing to report. */
TEST(lent_memory_taken_back_is_not_reported)
{
    void *old;
    up(8);
    meet(0);
    while (sp_news(&h, NULL, NULL) != 0)
        ;
    CHECK_EQ(tcpsm_attach(g[0].c, TCPSM_TABLES, mine[0], 512, NULL), 0);
    CHECK_EQ(tcpsm_attach(g[0].c, TCPSM_TABLES, NULL, 0, &old), 0);
    CHECK(old == mine[0]);
    CHECK_EQ(tcpsm_stack_release(h.st, g[0].c), 0);
    sp_drain(&h);
    sp_say(&h, &g[0], PAIR_RST, NULL, 0);
    sp_drain(&h);
    CHECK_EQ(sp_news(&h, NULL, NULL), 0);
    all_free();
    sp_down(&h);
}

/* EV_DONE of a connection that is still yours gives it back, too: what you
   do with it then is your affair, and nobody writes to it any more. */
TEST(lent_memory_is_yours_from_done_on)
{
    uint32_t i, ev, k;
    for (i = 12; i < SCENES; i++) {
        up(ROOM);
        make(i);
        lend(i);
        for (ev = k = 0; k < 3; k++) {
            uint32_t e = 0;
            (void)named(g[i].c, &e);
            ev |= e;
            sp_drain(&h);
        }
        /* that one's news came while it waited */
        CHECK((ev & TCPSM_EV_DONE) || scene[i].make == timed_out);
        memset(mine, 0xE7, sizeof mine);
        for (k = 0; k < 5; k++) {
            (void)sp_raw(&h, &g[i], g[i].seq, g[i].ack, PAIR_ACK, text, 90);
            (void)tcpsm_send(g[i].c, text, 50, 0);
            sp_quiet(&h);
        }
        untouched();
        CHECK_EQ(tcpsm_stack_release(h.st, g[i].c), 0);
        sp_quiet(&h);
        untouched();
        all_free();
        sp_down(&h);
    }
}

/* Between the naming and the following next the pointer is still good. */
TEST(lent_memory_names_a_connection_that_can_be_read)
{
    uint32_t ev = 0;
    tcpsm_conn *c;
    int tag = 5;
    up(2);
    meet(0);
    meet(1);
    tcpsm_set_user(g[0].c, &tag);
    while (sp_news(&h, NULL, NULL) != 0)
        ;
    lend(0);
    CHECK_EQ(tcpsm_stack_release(h.st, g[0].c), 0);
    sp_drain(&h);
    sp_say(&h, &g[0], PAIR_RST, NULL, 0);
    sp_drain(&h);
    c = tcpsm_stack_next(h.st, &ev);
    CHECK(c == g[0].c);
    CHECK(ev & TCPSM_EV_DONE);
    CHECK(tcpsm_user(c) == &tag);
    CHECK_EQ(tcpsm_error(c), TCPSM_E_RESET);
    CHECK_EQ(sp_info(&h).conns, 2);
    CHECK(tcpsm_stack_next(h.st, &ev) == NULL);
    CHECK_EQ(sp_info(&h).conns, 1);
    sp_down(&h);
}

/* In between it may be used, and then output comes before the next next, or
   after it: it is gone after both. */
TEST(lent_memory_named_and_woken)
{
    uint32_t i, ev;
    for (i = 0; i < 2; i++) {
        void *old = NULL;
        up(2);
        meet(0);
        sp_quiet(&h);
        lend(0);
        CHECK_EQ(tcpsm_stack_release(h.st, g[0].c), 0);
        sp_drain(&h);
        sp_say(&h, &g[0], PAIR_RST, NULL, 0);
        sp_drain(&h);
        CHECK(tcpsm_stack_next(h.st, &ev) == g[0].c);
        CHECK_EQ(ev, TCPSM_EV_DONE);
        CHECK_EQ(tcpsm_attach(g[0].c, TCPSM_SEND, NULL, 0, &old), 0);
        CHECK(old == mine[1]);
        if (i == 0)
            CHECK_EQ(sp_output(&h), 0);
        sp_look(&h);
        CHECK(tcpsm_stack_next(h.st, &ev) == NULL);
        sp_look(&h);
        CHECK_EQ(sp_output(&h), 0);
        all_free();
        CHECK(tcpsm_stack_next(h.st, &ev) == NULL);
        sp_down(&h);
    }
}

/* ---- forget ------------------------------------------------------------ */

TEST(forget_in_every_state_says_nothing)
{
    uint32_t i;
    for (i = 0; i < SCENES; i++) {
        uint64_t ref;
        up(ROOM);
        make(i);
        lend(i);
        ref = tcpsm_stack_ref(h.st, g[i].c);
        CHECK_EQ(tcpsm_stack_forget(h.st, g[i].c), 0);
        sp_look(&h);
        memset(mine, 0xE7, sizeof mine);
        CHECK(tcpsm_stack_deref(h.st, ref) == NULL);
        CHECK_EQ(tcpsm_stack_forget(h.st, g[i].c), TCPSM_E_ARG);
        CHECK_EQ(tcpsm_stack_release(h.st, g[i].c), TCPSM_E_ARG);
        CHECK_EQ(sp_news(&h, NULL, NULL), 0);
        CHECK_EQ(sp_drain(&h), 0);
        all_free();
        sp_idle(&h, h.now + SP_HOUR, NULL);
        CHECK_EQ(h.log_n, 0);
        CHECK_EQ(tcpsm_stack_deadline(h.st), TCPSM_NEVER);
        untouched();
        sp_down(&h);
    }
}

/* ---- everything in any order ------------------------------------------- */

/* A program without sense, and a model of what it owns: references, and
   buffers that are either lent, or its own and then full of 0xE7. */
enum { MEN = 40, BUFFERS = 60, BUFFER = 3000 };

typedef struct {
    uint64_t ref; /* 0: none */
    int mine;     /* else released, and its memory is awaited */
    int buffer[2];
} owned;

static owned own[MEN];
static uint8_t pool[BUFFERS][BUFFER];
static uint8_t pool_lent[BUFFERS];
static uint64_t state;
static tcpsm_ret listener[2];

static uint32_t below(uint32_t n)
{
    return (uint32_t)((netsim_random(&state) >> 32) * n >> 32);
}

static void pool_back(owned *o)
{
    int k;
    for (k = 0; k < 2; k++)
        if (o->buffer[k] >= 0) {
            memset(pool[o->buffer[k]], 0xE7, BUFFER);
            pool_lent[o->buffer[k]] = 0;
            o->buffer[k] = -1;
        }
}

static void pool_check(void)
{
    uint32_t i, k;
    for (i = 0; i < BUFFERS; i++)
        for (k = 0; k < BUFFER && !pool_lent[i]; k++)
            CHECKF(pool[i][k] == 0xE7, "buffer %u, byte %u was written", i,
                   k);
}

static owned *whose(uint64_t ref)
{
    uint32_t i;
    for (i = 0; i < MEN; i++)
        if (own[i].ref == ref)
            return &own[i];
    return NULL;
}

static void get(tcpsm_conn *c)
{
    owned *o;
    CHECK(whose(tcpsm_stack_ref(h.st, c)) == NULL);
    o = whose(0);
    CHECK(o != NULL);
    o->ref = tcpsm_stack_ref(h.st, c);
    CHECK(o->ref != 0);
    o->mine = 1;
    o->buffer[0] = o->buffer[1] = -1;
}

/* Another buffer for one of its two rings; what comes back is known. */
static void swap(owned *o, tcpsm_conn *c)
{
    uint32_t k = below(2), b = below(BUFFERS);
    void *old = NULL;
    if (pool_lent[b] ||
        tcpsm_attach(c, k ? TCPSM_SEND : TCPSM_RECEIVE, pool[b],
                     500 + below(BUFFER - 500), &old) != 0)
        return;
    if (o->buffer[k] >= 0) {
        CHECK(old == pool[o->buffer[k]]);
        pool_lent[o->buffer[k]] = 0;
        memset(pool[o->buffer[k]], 0xE7, BUFFER);
    }
    o->buffer[k] = (int)b;
    pool_lent[b] = 1;
}

static void let_go(owned *o, tcpsm_conn *c)
{
    if (below(6) == 0) {
        CHECK_EQ(tcpsm_stack_forget(h.st, c), 0);
        pool_back(o);
    } else {
        CHECK_EQ(tcpsm_stack_release(h.st, c), 0);
    }
    CHECK(tcpsm_stack_deref(h.st, o->ref) == NULL);
    CHECK_EQ(tcpsm_stack_release(h.st, c), TCPSM_E_ARG);
    o->mine = 0;
    if (o->buffer[0] < 0 && o->buffer[1] < 0)
        o->ref = 0;
}

static void look_at_news(void)
{
    tcpsm_conn *c;
    uint32_t ev = 0, n = 0;
    while (below(20) && (c = tcpsm_stack_next(h.st, &ev)) != NULL) {
        owned *o = whose(tcpsm_stack_ref(h.st, c));
        CHECKF(o != NULL, "events %u of a connection that is not ours", ev);
        if (o->mine) {
            if (below(9) == 0)
                let_go(o, c);
            continue;
        }
        CHECK(ev & TCPSM_EV_DONE);
        pool_back(o);
        o->ref = 0;
        CHECKF(++n <= MEN, "the round does not end");
    }
}

/* Out as a blob, forgotten, and in again: with rings of the slab, or with
   others of our own. */
static void travel(owned *o, tcpsm_conn *c)
{
    static uint8_t blob[20000];
    tcpsm_ret n = tcpsm_export(c, blob, sizeof blob, h.now), r;
    uint32_t b[2], k;
    tcpsm_span ring[2];
    tcpsm_conn *d = NULL;
    if (tcpsm_state(c) <= TCPSM_LISTEN)
        return;
    CHECKF(n > 0, "tcpsm_export: %d", (int)n);
    CHECK_EQ(tcpsm_stack_forget(h.st, c), 0);
    CHECK(tcpsm_stack_deref(h.st, o->ref) == NULL);
    pool_back(o);
    o->ref = 0;
    o->mine = 0;
    for (k = 0; k < 2; k++) {
        b[k] = below(BUFFERS);
        ring[k].p = pool[b[k]];
        ring[k].n = BUFFER;
    }
    if (pool_lent[b[0]] || pool_lent[b[1]] || b[0] == b[1] || below(2)) {
        r = tcpsm_stack_import(h.st, blob, (uint32_t)n, NULL, NULL, &d,
                               h.now);
        b[0] = b[1] = BUFFERS;
    } else {
        r = tcpsm_stack_import(h.st, blob, (uint32_t)n, NULL, ring, &d,
                               h.now);
    }
    if (r != 0) { /* the slab's rings may be too small, or all in use */
        CHECK(r == TCPSM_E_SPACE || r == TCPSM_E_STATE);
        CHECK(d == NULL);
        for (k = 0; k < 2; k++)
            if (b[k] < BUFFERS)
                memset(pool[b[k]], 0xE7, BUFFER);
        return;
    }
    get(d);
    o = whose(tcpsm_stack_ref(h.st, d));
    for (k = 0; k < 2; k++)
        if (b[k] < BUFFERS) {
            o->buffer[k] = (int)b[k];
            pool_lent[b[k]] = 1;
        }
}

/* A verdict on a SYN that is held, or on one that is not any more */
static void judge(void)
{
    static tcpsm_ret old;
    tcpsm_tuple who;
    tcpsm_ret ask = tcpsm_stack_ask(h.st, &who), r;
    if (ask < 0) {
        CHECK_EQ(ask, TCPSM_E_NONE);
        r = tcpsm_stack_answer(h.st, old, below(3));
        CHECK(r == 0 || r == TCPSM_E_NONE);
        return;
    }
    old = ask;
    if (below(4))
        CHECK_EQ(tcpsm_stack_answer(h.st, ask, below(3)), 0);
}

static void use(owned *o)
{
    tcpsm_conn *c = tcpsm_stack_deref(h.st, o->ref);
    uint8_t buf[900];
    CHECK(c != NULL);
    switch (below(13)) {
    case 12:
        travel(o, c);
        break;
    case 0:
        (void)tcpsm_shutdown(c);
        break;
    case 1:
        (void)(below(2) ? tcpsm_close(c) : tcpsm_abort(c));
        break;
    case 2:
    case 3:
        swap(o, c);
        break;
    case 4:
        (void)tcpsm_set(c, TCPSM_SET_LINGER, below(3000));
        break;
    case 5:
        (void)tcpsm_take(c);
        break;
    case 6:
        if (below(2))
            let_go(o, c);
        break;
    case 7:
    case 8:
        (void)tcpsm_receive(c, buf, sizeof buf);
        break;
    default:
        (void)tcpsm_send(c, text, 1 + below(2000), 0);
    }
}

static void ghost_acts(sp_ghost *q, uint32_t i)
{
    tcpsm_ret r;
    uint32_t n = below(900), flags = PAIR_ACK;
    if (q->to == 0 || (q->flags & PAIR_RST) || below(30) == 0) {
        sp_ghost_init(q, i, (uint16_t)(80 + below(3)));
        q->seq = (uint32_t)netsim_random(&state);
        q->wnd = (uint16_t)(below(5) ? 60000 : 0);
        sp_say(&h, q, PAIR_SYN, NULL, 0);
        return;
    }
    if (below(9) == 0)
        flags |= PAIR_FIN;
    if (below(20) == 0)
        flags |= PAIR_RST;
    if (below(30) == 0)
        flags |= PAIR_SYN;
    r = sp_raw(&h, q, q->seq - (below(9) ? 0 : 300), q->ack, flags, text, n);
    if (r == TCPSM_E_RING) {
        owned *o = whose(tcpsm_stack_ref(h.st, h.in.conn));
        if (o != NULL && o->mine && below(3)) {
            swap(o, h.in.conn);
        } else {
            h.in.flags |= TCPSM_IN_NO_DATA;
            CHECK_EQ(tcpsm_stack_input(h.st, &h.in, h.now), 0);
        }
        return;
    }
    CHECK_EQ(r, 0);
    if (h.in.drop == 0)
        q->seq += n + !!(flags & PAIR_FIN);
}

/* Anything at all that has a checksum, from the ghost or to it */
static void ghost_rants(const sp_ghost *q)
{
    uint8_t opt[40];
    uint32_t i, n = below(11) * 4, flags = below(64);
    uint32_t seq = q->seq + (below(2) ? 0 : below(3000) - 1500);
    uint32_t ack = q->ack + (below(2) ? 0 : below(3000) - 1500);
    for (i = 0; i < n; i++)
        opt[i] = (uint8_t)(below(3) ? below(12) : below(256));
    sp_in(&h.in, h.seg,
          sp_write(h.seg, q, below(9) ? seq : (uint32_t)netsim_random(&state),
                   ack, flags, opt, n, text, below(2) ? below(1000) : 0));
    if (below(4) == 0)
        h.in.flags = TCPSM_IN_NO_DATA;
    if (tcpsm_stack_input(h.st, &h.in, h.now) == TCPSM_E_RING)
        CHECK(h.in.conn != NULL && !(h.in.flags & TCPSM_IN_NO_DATA));
}

static void listen_or_not(void)
{
    uint32_t k = below(2);
    tcpsm_tuple t;
    if (listener[k] >= 0) {
        CHECK_EQ(tcpsm_stack_unlisten(h.st, listener[k]), 0);
        listener[k] = -1;
    } else {
        memset(&t, 0, sizeof t);
        t.local_port = (uint16_t)(80 + k);
        listener[k] = tcpsm_stack_listen(h.st, &t, 1 + below(6),
                                         k ? TCPSM_LISTEN_ASK : 0, NULL);
        CHECK_GE(listener[k], 0);
    }
}

static void begin_call(uint32_t i)
{
    tcpsm_tuple t;
    tcpsm_conn *c;
    sp_ghost_init(&g[i], i, (uint16_t)(500 + below(20)));
    sp_name(&g[i], &t);
    if (tcpsm_stack_connect(h.st, &t, NULL, &c, h.now) != 0)
        return;
    get(c);
    sp_drain(&h);
    sp_say(&h, &g[i], below(8) ? PAIR_SYN | PAIR_ACK : PAIR_SYN, NULL, 0);
}

/* In other memory, at another alignment */
static void elsewhere(void)
{
    uint32_t offset = below(64);
    uint8_t *raw = (uint8_t *)malloc(h.size + 2 * SP_GUARD + 64), *p;
    memset(raw, 0xA5, h.size + 2 * SP_GUARD + 64);
    for (p = raw + SP_GUARD; ((uintptr_t)p & 63) != offset;)
        p++;
    memcpy(p, h.block, h.size);
    sp_guard(&h);
    free(h.raw);
    h.raw = raw;
    h.block = p;
    CHECK_EQ(tcpsm_stack_rebase(&h.st, p, h.size), 0);
}

static void any_order(uint64_t seed, uint32_t steps)
{
    tcpsm_stack_config cfg = sp_config(24);
    uint32_t k, i;
    state = seed;
    cfg.rings = below(2) ? 1 + below(24) : 0;
    cfg.rcv_ring = below(3) ? 200 + below(2000) : 0;
    cfg.snd_ring = below(4) ? 200 + below(2000) : 0;
    cfg.syn_entries = 1 + below(12);
    cfg.timewait_entries = 1 + below(12);
    cfg.replies = 1 + below(20);
    cfg.listeners = 3;
    cfg.conn.rcv_promise = below(2) ? 500 : 0;
    cfg.conn.msl_ms = 1000;
    up_with(&cfg);
    CHECK_EQ(tcpsm_stack_unlisten(h.st, 0), 0);
    listener[0] = listener[1] = -1;
    memset(own, 0, sizeof own);
    memset(pool, 0xE7, sizeof pool);
    memset(pool_lent, 0, sizeof pool_lent);
    for (k = 0; k < steps; k++) {
        tcpsm_conn *c;
        CONTEXT("seed %u, step %u", (unsigned)seed, k);
        i = below(MEN);
        switch (below(16)) {
        case 0:
            if ((c = tcpsm_stack_accept(h.st, NULL)) != NULL)
                get(c);
            break;
        case 1:
            if (g[i].to == 0 || (g[i].flags & PAIR_RST))
                begin_call(i);
            break;
        case 2:
            if (below(10) == 0 || (listener[0] < 0 && listener[1] < 0))
                listen_or_not();
            break;
        case 3:
            look_at_news();
            break;
        case 4:
            h.now += below(4) ? below(300000)
                              : (tcpsm_time)below(10800) * SP_SECOND;
            break;
        case 5:
        case 6:
            (void)sp_output(&h);
            break;
        case 7:
            if (below(20) == 0)
                elsewhere();
            judge();
            break;
        case 8:
        case 9:
        case 10:
            if (own[i].ref && own[i].mine)
                use(&own[i]);
            break;
        case 11:
            if (g[i].to != 0)
                ghost_rants(&g[i]);
            break;
        default:
            ghost_acts(&g[i], i);
        }
        for (i = 0; i < MEN; i++)
            if (own[i].ref)
                CHECK_EQ(tcpsm_stack_deref(h.st, own[i].ref) != NULL,
                         own[i].mine);
        sp_look(&h);
        if (k % 64 == 0)
            pool_check();
    }
    for (i = 0; i < 2; i++)
        if (listener[i] >= 0)
            CHECK_EQ(tcpsm_stack_unlisten(h.st, listener[i]), 0);
    for (i = 0; i < MEN; i++)
        if (own[i].ref && own[i].mine)
            let_go(&own[i], tcpsm_stack_deref(h.st, own[i].ref));
    for (k = 0; k < 1000 && sp_info(&h).conns + sp_info(&h).syns != 0; k++) {
        look_at_news();
        sp_drain(&h);
        if (tcpsm_stack_deadline(h.st) != TCPSM_NEVER &&
            tcpsm_stack_deadline(h.st) > h.now)
            h.now = tcpsm_stack_deadline(h.st);
    }
    look_at_news();
    all_free();
    for (i = 0; i < BUFFERS; i++)
        CHECKF(!pool_lent[i], "buffer %u did not come back", i);
    pool_check();
    CHECK(whose(0) == &own[0]);
    sp_down(&h);
}

TEST(any_order_of_calls_keeps_what_is_owned)
{
    const char *e = getenv("ORDER"); /* the last seed, for the patient */
    uint64_t seed, last = e ? strtoull(e, NULL, 10) : 12;
    for (seed = 1; seed <= last; seed++)
        any_order(seed, 1500);
}
