/* Law 3 for many connections: the deadline is never late and early by at
   most one empty wake-up per connection and re-arming, no expired deadline
   comes twice, and deadline, output and next cost the same however many
   timers are due. And who goes first: the ready queue, replies, events. */

#include "test.h"

static unsigned long steps;

#define TCPSM_IMPLEMENTATION
#define TCPSM_NAMES
#define TCPSM_STEP() ((void)steps++)
#include "tcpsm.h"

#include "stackpair.h"

enum { MANY = 4000, FEW = 48 };

static sp_host h;
static sp_ghost g[10000];
static uint64_t state;

static void up(uint32_t conns, tcpsm_time now)
{
    tcpsm_stack_config cfg = sp_config(conns);
    cfg.rcv_ring = cfg.snd_ring = 512;
    sp_up(&h, &cfg, 8, now);
    h.ghosts = g;
    h.ghost_n = sizeof g / sizeof *g;
    sp_listen(&h, 80, 0);
}

static uint32_t below(uint32_t n)
{
    return (uint32_t)((netsim_random(&state) >> 32) * n >> 32);
}

/* Times that are equally likely to be microseconds and days */
static tcpsm_time some_time(void)
{
    return ((tcpsm_time)1 << below(38)) + below(1000);
}

static tcpsm_conn *meet(uint32_t i)
{
    return sp_meet(&h, &g[i], i, 80);
}

/* ---- never late -------------------------------------------------------- */

static void some_input(sp_ghost *q)
{
    static const uint8_t text[300] = {1, 2, 3};
    switch (below(9)) {
    case 0:
        sp_say(&h, q, PAIR_ACK, text, below(200));
        break;
    case 1: /* a gap */
        (void)sp_raw(&h, q, q->seq + 50, q->ack, PAIR_ACK, text, 100);
        break;
    case 2:
        q->wnd = (uint16_t)(below(2) ? 0 : 5000);
        sp_say(&h, q, PAIR_ACK, NULL, 0);
        break;
    case 3:
        sp_say(&h, q, PAIR_ACK | PAIR_FIN, NULL, 0);
        break;
    case 4:
        if (below(8) == 0)
            sp_say(&h, q, PAIR_RST, NULL, 0);
        break;
    default:
        sp_say(&h, q, PAIR_ACK, NULL, 0);
    }
}

static void some_call(sp_ghost *q)
{
    static uint8_t text[400];
    switch (below(12)) {
    case 0:
        (void)tcpsm_shutdown(q->c);
        break;
    case 1:
        if (below(6) == 0)
            (void)tcpsm_abort(q->c);
        break;
    case 2:
        (void)tcpsm_set(q->c, TCPSM_SET_KEEPALIVE, below(2));
        break;
    case 3:
        (void)tcpsm_set(q->c, TCPSM_SET_KEEP_IDLE, 1 + (1u << below(30)));
        break;
    case 4:
        (void)tcpsm_set(q->c, TCPSM_SET_USER_TIMEOUT, 1 + (1u << below(30)));
        break;
    case 5:
        (void)tcpsm_set(q->c, TCPSM_SET_CORK, below(2));
        break;
    case 6:
        (void)tcpsm_receive(q->c, text, below(sizeof text));
        break;
    case 7:
        (void)tcpsm_take(q->c);
        break;
    case 8:
        CHECK_EQ(tcpsm_stack_release(h.st, q->c), 0);
        q->c = NULL;
        break;
    default:
        (void)tcpsm_send(q->c, text, 1 + below(sizeof text - 1), 0);
    }
}

/* A ghost without a connection gets one, of either kind, or half of one. */
static void begin(uint32_t i)
{
    static uint16_t port = 1000;
    sp_ghost *q = &g[i];
    tcpsm_tuple t;
    port = (uint16_t)(port == 60000 ? 1000 : port + 1);
    if (below(2)) {
        sp_ghost_init(q, i, port);
        sp_name(q, &t);
        if (tcpsm_stack_connect(h.st, &t, NULL, &q->c, h.now) != 0)
            q->c = NULL;
        return;
    }
    sp_ghost_init(q, i, 80);
    q->seq = (uint32_t)netsim_random(&state);
    sp_say(&h, q, PAIR_SYN, NULL, 0);
    if (below(3) == 0)
        return;
    sp_drain(&h);
    sp_say(&h, q, PAIR_ACK, NULL, 0);
    q->c = tcpsm_stack_accept(h.st, NULL);
}

/* Whatever is done in whatever order: the stack's deadline is never after
   that of any connection, and after a drain nothing is overdue. */
TEST(deadline_is_never_after_any_connections)
{
    uint32_t i, k, news, most = 0;
    state = 1;
    memset(g, 0, sizeof g);
    up(FEW, 3 * SP_SECOND);
    for (k = 0; k < 6000; k++) {
        CONTEXT("step %u", k);
        i = below(FEW);
        if (g[i].c == NULL)
            begin(i);
        else if (below(2))
            some_input(&g[i]);
        else
            some_call(&g[i]);
        sp_look(&h);
        news = below(4) ? sp_news(&h, NULL, NULL) : 0;
        if (below(3) == 0)
            (void)sp_output(&h);
        sp_look(&h);
        if (below(4) == 0) {
            sp_quiet(&h);
            CHECK(tcpsm_stack_deadline(h.st) > h.now);
            CHECK(sp_earliest(&h) > h.now);
            h.now += below(2) ? some_time()
                     : tcpsm_stack_deadline(h.st) - h.now < SP_DAY
                         ? tcpsm_stack_deadline(h.st) - h.now
                         : 0;
            sp_look(&h);
        }
        if (sp_info(&h).conns > most)
            most = sp_info(&h).conns;
        (void)news;
    }
    CHECK(most > FEW / 2); /* it was not all for nothing */
    sp_down(&h);
}

/* One timer at whatever distance, from whatever hour: at most one wake-up
   in vain comes before it, and it is not late by a microsecond. */
TEST(deadline_of_one_timer_costs_at_most_one_vain_wake_up)
{
    static const tcpsm_time start[] = {0,
                                       1,
                                       SP_SECOND,
                                       ((tcpsm_time)1 << 32) - 3 * SP_SECOND,
                                       ((tcpsm_time)1 << 32) - 1,
                                       ((tcpsm_time)1 << 47) - SP_HOUR,
                                       ((tcpsm_time)1 << 48) - 3 * SP_SECOND,
                                       ((tcpsm_time)1 << 48) - 1,
                                       ((tcpsm_time)1 << 62) + 12345};
    static const uint32_t ms[] = {
        1,     2,     3,      7,       15,       16,         17,
        63,    64,    65,     255,     256,      257,        1000,
        1023,  1024,  1025,   4095,    4096,     4097,       8000,
        65000, 66000, 262000, 264000,  1048000,  1049000,    4194000,
        41950, 71580, 71590,  7200000, 86400000, 2592000000u};
    tcpsm_time due;
    sp_sleep s;
    size_t i, k;
    for (i = 0; i < sizeof start / sizeof *start; i++)
        for (k = 0; k < sizeof ms / sizeof *ms; k++) {
            CONTEXT("from %llu, %u ms", (unsigned long long)start[i], ms[k]);
            up(4, start[i]);
            meet(0);
            sp_idle(&h, h.now + SP_SECOND, NULL);
            CHECK_EQ(tcpsm_set(g[0].c, TCPSM_SET_KEEP_IDLE, ms[k]), 0);
            CHECK_EQ(tcpsm_set(g[0].c, TCPSM_SET_KEEPALIVE, 1), 0);
            /* the user's call is one wake-up; it may move nothing */
            sp_drain(&h);
            due = tcpsm_deadline(g[0].c);
            if (due <= h.now)
                continue; /* idle for longer than that already */
            CHECK(tcpsm_stack_deadline(h.st) > h.now);
            sp_idle(&h, due - 1, &s);
            CHECK_EQ(s.sent, 0);
            CHECKF(s.calls <= 1, "%u calls in vain", (unsigned)s.calls);
            CHECK_EQ(tcpsm_stack_deadline(h.st), due);
            sp_idle(&h, due, &s);
            CHECK_EQ(s.sent, 1);
            CHECK_EQ(h.log[0].at, due);
        }
    sp_down(&h);
}

/* A SYN-ACK's timer has no connection: 1, 2, 4 and 8 s, and 16 s later the
   entry is gone, all of it without input and to the microsecond. */
TEST(deadline_covers_half_open_entries)
{
    static const uint32_t at[] = {0, 1, 3, 7, 15};
    tcpsm_time t0 = 12345678, end = t0 + 31 * SP_SECOND;
    uint32_t i;
    sp_sleep s;
    up(10, t0);
    sp_ghost_init(&g[0], 0, 80);
    sp_say(&h, &g[0], PAIR_SYN, NULL, 0);
    for (i = 0; i < 5; i++) {
        sp_idle(&h, t0 + at[i] * SP_SECOND, &s);
        CHECK_EQ(s.sent, 1);
        CHECK_EQ(h.log[0].at, t0 + at[i] * SP_SECOND);
        CHECK_EQ(h.log[0].s.flags, PAIR_SYN | PAIR_ACK);
        CHECK_EQ(s.empty, 0);
    }
    sp_idle(&h, end - 1, &s);
    CHECK_EQ(s.sent + s.empty, 0);
    CHECK_EQ(sp_info(&h).syns, 1);
    CHECK_EQ(tcpsm_stack_deadline(h.st), end);
    sp_idle(&h, end, &s);
    CHECK_EQ(sp_info(&h).syns, 0);
    CHECK_EQ(s.sent, 0);
    CHECK_EQ(tcpsm_stack_deadline(h.st), TCPSM_NEVER);
    sp_down(&h);
}

/* Among many of different ages each comes at its own time. */
TEST(deadline_covers_each_of_many_half_open_entries)
{
    uint32_t i, n = 700;
    tcpsm_time t0 = SP_SECOND, last = 0;
    unsigned seen[16] = {0};
    up(1000, t0);
    for (i = 0; i < n; i++) {
        sp_idle(&h, t0 + i * 1013, NULL);
        sp_ghost_init(&g[i], i, 80);
        sp_say(&h, &g[i], PAIR_SYN, NULL, 0);
        sp_drain(&h);
    }
    CHECK_EQ(sp_info(&h).syns, n);
    while (sp_info(&h).syns != 0) {
        tcpsm_time d = tcpsm_stack_deadline(h.st);
        uint32_t k;
        CHECK(d != TCPSM_NEVER && d > last);
        last = h.now = d;
        sp_drain(&h);
        for (k = 0; k < h.log_n; k++) {
            i = h.log[k].tuple.remote_port - SP_PORT;
            CHECK_LT(i, n);
            d = h.now - (t0 + i * 1013);
            CHECKF(d % SP_SECOND == 0 && d <= 15 * SP_SECOND,
                   "SYN-ACK after %llu us", (unsigned long long)d);
            seen[d / SP_SECOND]++;
        }
    }
    for (i = 0; i < 16; i++)
        CHECK_EQ(seen[i], i == 1 || i == 3 || i == 7 || i == 15 ? n : 0);
    CHECK_EQ(last, t0 + (n - 1) * 1013 + 31 * SP_SECOND);
    sp_down(&h);
}

/* ---- what layer 1 does, the stack does, and when ----------------------- */

/* A connection of a stack and one of layer 1, with the same key and name,
   see the same: what comes out is the same to the bit and the microsecond,
   until TIME-WAIT, which is an entry here. The stack has others besides. */
static tcpsm_conn twin;
static uint8_t twin_ring[2][512];

static void twin_drain(void)
{
    static uint8_t buf[2000];
    uint32_t i;
    tcpsm_out o;
    tcpsm_ret r;
    do {
        (void)sp_news(&h, NULL, NULL);
        while ((r = sp_output(&h)) > 0) {
            const sp_sent *x = &h.log[(h.log_n - 1) % SP_LOG];
            if (x->tuple.remote_port != g[0].port)
                continue;
            memset(&o, 0, sizeof o);
            o.buf = buf;
            o.cap = 1500;
            CHECK_EQ(tcpsm_output(&twin, &o, h.now), r);
            CHECK_MEM(buf, h.out, r);
            CHECK_MEM(&o.tuple, &x->tuple, sizeof o.tuple);
        }
    } while (tcpsm_stack_deadline(h.st) <= h.now);
    memset(&o, 0, sizeof o);
    o.buf = buf;
    o.cap = 1500;
    for (i = 0; i < 3; i++) /* no more from layer 1, either */
        CHECK_EQ(tcpsm_output(&twin, &o, h.now), 0);
}

static void twin_input(uint32_t seq, uint32_t flags, uint32_t n)
{
    static const uint8_t text[600] = {9, 8, 7};
    tcpsm_in in;
    (void)sp_raw(&h, &g[0], seq, g[0].ack, flags, text, n);
    in = h.in;
    CHECK_EQ(tcpsm_input(&twin, &in, h.now), 0);
    CHECK_EQ(in.drop, h.in.drop);
}

static void twin_call(void)
{
    static uint8_t text[700];
    uint32_t n = 1 + below(600), v = 1u << below(28);
    uint8_t a[600], b[600];
    tcpsm_ret r;
    switch (below(9)) {
    case 0:
        r = tcpsm_receive(g[0].c, a, n);
        CHECK_EQ(tcpsm_receive(&twin, b, n), r);
        if (r > 0)
            CHECK_MEM(a, b, r);
        break;
    case 1:
        CHECK_EQ(tcpsm_set(g[0].c, TCPSM_SET_KEEP_IDLE, v),
                 tcpsm_set(&twin, TCPSM_SET_KEEP_IDLE, v));
        CHECK_EQ(tcpsm_set(g[0].c, TCPSM_SET_KEEPALIVE, v & 1),
                 tcpsm_set(&twin, TCPSM_SET_KEEPALIVE, v & 1));
        break;
    case 2:
        CHECK_EQ(tcpsm_set(g[0].c, TCPSM_SET_CORK, n & 1),
                 tcpsm_set(&twin, TCPSM_SET_CORK, n & 1));
        break;
    case 3:
        if (below(12) == 0)
            CHECK_EQ(tcpsm_shutdown(g[0].c), tcpsm_shutdown(&twin));
        break;
    case 4:
        if (below(30) == 0)
            CHECK_EQ(tcpsm_abort(g[0].c), tcpsm_abort(&twin));
        break;
    default:
        CHECK_EQ(tcpsm_send(g[0].c, text, n, 0),
                 tcpsm_send(&twin, text, n, 0));
    }
}

static uint64_t twin_life(uint64_t seed)
{
    tcpsm_tuple t;
    uint32_t k, n;
    state = seed;
    memset(g, 0, sizeof g);
    up(8, some_time());
    for (k = 1; k < 5; k++)
        meet(k);
    sp_ghost_init(&g[0], 0, 900);
    g[0].wnd = 3000;
    sp_name(&g[0], &t);
    CHECK_EQ(tcpsm_init(&twin, &h.cfg.conn), 0);
    tcpsm_attach(&twin, TCPSM_RECEIVE, twin_ring[0], 512, NULL);
    tcpsm_attach(&twin, TCPSM_SEND, twin_ring[1], 512, NULL);
    sp_quiet(&h);
    CHECK_EQ(tcpsm_open(&twin, &t, h.now), 0);
    CHECK_EQ(tcpsm_stack_connect(h.st, &t, NULL, &g[0].c, h.now), 0);
    for (k = 0; k < 400; k++) {
        tcpsm_time d;
        CONTEXT("seed %u, step %u", (unsigned)seed, k);
        twin_drain();
        if (tcpsm_state(&twin) == TCPSM_TIME_WAIT ||
            tcpsm_state(&twin) == TCPSM_CLOSED)
            break;
        CHECK_EQ(tcpsm_state(g[0].c), tcpsm_state(&twin));
        d = tcpsm_deadline(&twin);
        CHECK_EQ(tcpsm_deadline(g[0].c), d);
        CHECK(tcpsm_stack_deadline(h.st) <= d);
        n = below(300);
        switch (below(10)) {
        case 0:
        case 1:
        case 2: /* the stack's own clock: to its deadline, if not too far */
            d = tcpsm_stack_deadline(h.st);
            h.now = d < h.now + SP_HOUR && below(2)
                        ? d
                        : h.now + below(2 * (uint32_t)SP_SECOND);
            break;
        case 3:
            twin_call();
            break;
        case 4:
            twin_input(g[0].seq + 40, PAIR_ACK, n);
            break;
        case 5:
            if (below(20) == 0)
                twin_input(g[0].seq++, PAIR_ACK | PAIR_FIN, 0);
            break;
        case 6:
            (void)tcpsm_send(g[1 + below(4)].c, "noise", 5, 0);
            sp_say(&h, &g[1 + below(4)], PAIR_ACK, "z", 1);
            break;
        default:
            if (tcpsm_state(&twin) == TCPSM_SYN_SENT) {
                twin_input(g[0].seq++, PAIR_SYN | PAIR_ACK, 0);
                break;
            }
            twin_input(g[0].seq, PAIR_ACK, n);
            if (h.in.drop == 0)
                g[0].seq += n;
        }
    }
    sp_down(&h);
    return k;
}

TEST(stack_adds_nothing_and_is_never_late)
{
    uint64_t seed, steps_done = 0;
    for (seed = 1; seed <= 60; seed++)
        steps_done += twin_life(seed);
    CHECK_GE(steps_done, 6000u);
}

/* ---- thousands at once ------------------------------------------------- */

/* MANY connections whose SYNs are lost: all timers are due at the same
   microsecond. Each call costs what one costs for a single connection. */
static unsigned long dearest(uint32_t n, uint32_t *calls)
{
    unsigned long most = 0, before;
    uint32_t i, sent = 0, vain = 0;
    tcpsm_time t0 = 77 * SP_SECOND, d;
    tcpsm_tuple t;
    tcpsm_conn *c;
    up(n, t0);
    for (i = 0; i < n; i++) {
        sp_ghost_init(&g[i], i, (uint16_t)(1000 + i));
        sp_name(&g[i], &t);
        CHECK_EQ(tcpsm_stack_connect(h.st, &t, NULL, &c, h.now), 0);
    }
    CHECK_EQ(sp_drain(&h), n);
    d = tcpsm_stack_deadline(h.st);
    CHECK_EQ(d, t0 + SP_SECOND);
    h.now = d;
    for (*calls = 0; (d = tcpsm_stack_deadline(h.st)) <= h.now; ++*calls) {
        uint32_t ev;
        CHECKF(++vain < 1000, "%u calls in vain", vain);
        before = steps;
        (void)tcpsm_stack_deadline(h.st);
        (void)tcpsm_stack_next(h.st, &ev);
        if (steps - before > most)
            most = steps - before;
        before = steps;
        if (sp_output(&h) > 0) {
            sent++;
            vain = 0;
            CHECK_EQ(h.log[(h.log_n - 1) % SP_LOG].s.flags, PAIR_SYN);
        }
        if (steps - before > most)
            most = steps - before;
    }
    CHECK_EQ(sent, n);
    CHECK_EQ(d, t0 + 3 * SP_SECOND); /* backed off */
    sp_down(&h);
    return most;
}

TEST(deadline_of_thousands_at_once_is_bounded_per_call)
{
    uint32_t calls;
    unsigned long one = dearest(1, &calls), many = dearest(MANY, &calls);
    CHECKF(many <= 20 * one, "%lu steps for one, %lu for many", one, many);
    CHECKF(calls <= MANY + MANY / 2, "%u calls for %d segments", calls, MANY);
}

/* Half-open entries, too: a thousand SYN-ACKs again at one instant, and the
   end of a thousand at another. */
TEST(deadline_of_a_thousand_half_open_at_once_is_bounded_per_call)
{
    unsigned long most = 0, before;
    uint32_t i, n = 1000, calls = 0, sent = 0;
    up(n, SP_SECOND);
    for (i = 0; i < n; i++) {
        sp_ghost_init(&g[i], i, 80);
        sp_say(&h, &g[i], PAIR_SYN, NULL, 0);
    }
    CHECK_EQ(sp_drain(&h), n);
    while (tcpsm_stack_deadline(h.st) != TCPSM_NEVER) {
        if (tcpsm_stack_deadline(h.st) > h.now)
            h.now = tcpsm_stack_deadline(h.st);
        before = steps;
        sent += sp_output(&h) > 0;
        if (steps - before > most)
            most = steps - before;
        CHECKF(++calls <= 6 * n, "output never ends");
    }
    CHECK_EQ(sent, 4 * n);
    CHECK_EQ(h.now, 32 * SP_SECOND);
    CHECK_EQ(sp_info(&h).syns, 0);
    CHECKF(most <= 400, "%lu steps in one call", most);
    sp_down(&h);
}

/* The same with timers that have moved: all of them are stale when the wheel
   comes to them, and still no call is dear, and each is looked at once. */
TEST(deadline_of_thousands_of_stale_timers_is_bounded_per_call)
{
    unsigned long most = 0, before;
    uint32_t i, calls = 0;
    tcpsm_time t0 = 5 * SP_SECOND;
    up(MANY, t0);
    for (i = 0; i < MANY; i++) {
        meet(i);
        CHECK_EQ(tcpsm_set(g[i].c, TCPSM_SET_KEEP_IDLE, 60000), 0);
        CHECK_EQ(tcpsm_set(g[i].c, TCPSM_SET_KEEPALIVE, 1), 0);
    }
    sp_quiet(&h);
    CHECK_EQ(tcpsm_stack_deadline(h.st), t0 + 60 * SP_SECOND);
    h.now = t0 + 30 * SP_SECOND;
    for (i = 0; i < MANY; i++)
        sp_say(&h, &g[i], PAIR_ACK, NULL, 0);
    sp_quiet(&h);
    while (tcpsm_stack_deadline(h.st) < t0 + 90 * SP_SECOND) {
        if (tcpsm_stack_deadline(h.st) > h.now)
            h.now = tcpsm_stack_deadline(h.st);
        before = steps;
        CHECK_EQ(sp_output(&h), 0);
        if (steps - before > most)
            most = steps - before;
        CHECKF(++calls <= MANY, "%u calls in vain", calls);
    }
    CHECK_GE(calls, 1u); /* or this is no test */
    CHECKF(most <= 400, "%lu steps in one call", most);
    CHECK_EQ(tcpsm_stack_deadline(h.st), t0 + 90 * SP_SECOND);
    h.now = t0 + 90 * SP_SECOND;
    for (calls = 0; tcpsm_stack_deadline(h.st) <= h.now; calls++)
        (void)sp_output(&h);
    CHECK_EQ(h.sent, 2 * MANY); /* a SYN-ACK and a probe each */
    CHECK_LE(calls, MANY + MANY / 16u);
    sp_down(&h);
}

/* ---- great leaps ------------------------------------------------------- */

/* Nobody called for a long time: everything that was due is done, in
   bounded calls, and the deadlines after that are right again. */
TEST(time_may_leap)
{
    static const tcpsm_time leap[] = {SP_HOUR,
                                      SP_DAY,
                                      49 * SP_DAY,
                                      ((tcpsm_time)1 << 31) + 1,
                                      ((tcpsm_time)1 << 32) - 1,
                                      (tcpsm_time)1 << 32,
                                      ((tcpsm_time)1 << 32) + 1,
                                      (tcpsm_time)5 << 32,
                                      ((tcpsm_time)1 << 47) - 1,
                                      ((tcpsm_time)1 << 48) - 1,
                                      ((tcpsm_time)1 << 48) + 1,
                                      (tcpsm_time)3 << 48,
                                      (tcpsm_time)1 << 60};
    size_t i;
    uint32_t k, live;
    for (i = 0; i < sizeof leap / sizeof *leap; i++) {
        CONTEXT("leap %llu", (unsigned long long)leap[i]);
        memset(g, 0, sizeof g);
        up(20, 1000);
        for (k = 0; k < 12; k++) {
            meet(k);
            CHECK_EQ(tcpsm_send(g[k].c, "x", 1, 0), 1);
            CHECK_EQ(tcpsm_set(g[k].c, TCPSM_SET_USER_TIMEOUT,
                               k < 6 ? TCPSM_OFF : 30000),
                     0);
        }
        sp_call(&h, &g[12], 12, 999);
        sp_ghost_init(&g[13], 13, 80);
        sp_say(&h, &g[13], PAIR_SYN, NULL, 0);
        sp_quiet(&h);
        h.now += leap[i];
        CHECK(tcpsm_stack_deadline(h.st) <= h.now);
        steps = 0;
        while (tcpsm_stack_deadline(h.st) <= h.now) {
            sp_quiet(&h);
            sp_look(&h);
        }
        CHECKF(steps < 40000, "%lu steps", steps);
        CHECK_EQ(sp_info(&h).syns, 1); /* its SYN-ACK goes out first */
        for (k = live = 0; k < 12; k++) {
            live += tcpsm_state(g[k].c) == TCPSM_ESTABLISHED;
            CHECK_EQ(tcpsm_error(g[k].c), k < 6 ? 0 : TCPSM_E_TIMEOUT);
        }
        CHECK_EQ(live, 6);
        CHECK_EQ(tcpsm_error(g[12].c), TCPSM_E_TIMEOUT);
        CHECK_EQ(sp_earliest(&h), tcpsm_stack_deadline(h.st));
        /* and the survivors go on */
        for (k = 0; k < 6; k++)
            sp_say(&h, &g[k], PAIR_ACK, "y", 1);
        sp_quiet(&h);
        sp_idle(&h, h.now + 40 * SP_SECOND, NULL);
        CHECK_EQ(sp_info(&h).syns, 0);
        for (k = 0; k < 6; k++) {
            CHECK_EQ(g[k].segments > 1 && g[k].flags == PAIR_ACK, 1);
            sp_look(&h);
        }
    }
    sp_down(&h);
}

/* now before the last one counts as the last one */
TEST(time_backwards_counts_as_the_last)
{
    tcpsm_time d, t0 = SP_HOUR;
    sp_sleep s;
    uint32_t i;
    up(10, t0);
    meet(0);
    meet(1);
    CHECK_EQ(tcpsm_send(g[0].c, "x", 1, 0), 1);
    sp_quiet(&h);
    d = tcpsm_stack_deadline(h.st);
    CHECK(d > t0);
    for (i = 0; i < 100; i++) {
        h.now = i & 1 ? 0 : t0 - i * SP_SECOND;
        CHECK_EQ(sp_output(&h), 0);
        CHECK_EQ(tcpsm_stack_deadline(h.st), d);
        sp_say(&h, &g[1], PAIR_ACK, NULL, 0);
        CHECK_EQ(tcpsm_stack_check(h.st), 0);
        CHECK(tcpsm_stack_deadline(h.st) <= d);
    }
    h.now = t0 - SP_SECOND;
    sp_say(&h, &g[1], PAIR_ACK, "late", 4); /* a delayed ACK is armed */
    sp_quiet(&h);
    CHECK(tcpsm_stack_deadline(h.st) >= t0);
    CHECK(tcpsm_stack_deadline(h.st) <= t0 + 500000);
    h.now = t0;
    sp_idle(&h, d, &s);
    CHECK_EQ(g[1].segments, 2); /* the SYN-ACK, and an ACK for this */
    CHECK_GE(s.sent, 1u);       /* x again at its time */
    CHECK_EQ(h.log[0].at, d);
    sp_down(&h);
}

/* Half-open entries have no connection that would know better. */
TEST(time_backwards_counts_as_the_last_for_syns)
{
    tcpsm_time t0 = SP_HOUR;
    uint32_t i;
    sp_sleep s;
    up(10, t0);
    for (i = 0; i < 3; i++) {
        h.now = t0 - i * 5 * SP_SECOND;
        sp_ghost_init(&g[i], i, 80);
        sp_say(&h, &g[i], PAIR_SYN, NULL, 0);
        (void)sp_output(&h);
        CHECK_EQ(tcpsm_stack_check(h.st), 0);
        CHECK_EQ(tcpsm_stack_deadline(h.st), t0 + SP_SECOND);
    }
    h.now = t0;
    sp_idle(&h, t0 + SP_SECOND - 1, &s);
    CHECK_EQ(s.calls, 0);
    sp_idle(&h, t0 + SP_SECOND, &s);
    CHECK_EQ(s.sent, 3);
    sp_down(&h);
}

/* ---- far, and moving --------------------------------------------------- */

/* Keepalive of two hours and user timeouts of weeks, among hundreds. */
TEST(deadline_of_hours_and_weeks)
{
    uint32_t i, n = 300, left = n;
    tcpsm_time t0 = ((tcpsm_time)1 << 32) - 100 * SP_SECOND;
    sp_sleep s;
    memset(g, 0, sizeof g);
    up(n, t0);
    for (i = 0; i < n; i++) {
        meet(i);
        CHECK_EQ(tcpsm_set(g[i].c, TCPSM_SET_RTO_MAX, 1800000), 0);
        CHECK_EQ(
            tcpsm_set(g[i].c, TCPSM_SET_USER_TIMEOUT,
                      i % 3 == 0 ? 2000000000u - i * 1000000u : TCPSM_OFF),
            0);
        if (i % 3 == 0)
            CHECK_EQ(tcpsm_send(g[i].c, "x", 1, 0), 1);
        if (i % 3 == 1)
            CHECK_EQ(tcpsm_set(g[i].c, TCPSM_SET_KEEPALIVE, 1), 0);
    }
    sp_idle(&h, t0 + 2 * SP_HOUR - SP_SECOND, &s);
    for (i = 0; i < n; i++) /* nobody has been probed so far */
        CHECK(i % 3 != 1 || g[i].segments == 1);
    sp_idle(&h, t0 + 2 * SP_HOUR + SP_SECOND, &s);
    for (i = 0; i < n; i++)
        CHECK(i % 3 != 1 || g[i].segments == 2);
    sp_idle(&h, t0 + 2 * SP_HOUR + 9 * 75 * SP_SECOND + SP_SECOND, &s);
    for (i = 0; i < n; i++) /* nine probes of 75 s without an answer */
        CHECK_EQ(tcpsm_error(g[i].c), i % 3 == 1 ? TCPSM_E_TIMEOUT : 0);
    for (i = n; i-- > 0;) {
        tcpsm_time end =
            t0 + ((tcpsm_time)2000000000u - (tcpsm_time)i * 1000000u) * 1000u;
        if (i % 3 != 0)
            continue;
        sp_idle(&h, end - 2 * SP_SECOND, NULL);
        CHECK_EQ(tcpsm_error(g[i].c), 0);
        sp_idle(&h, end + 2 * SP_SECOND, NULL);
        CHECK_EQ(tcpsm_error(g[i].c), TCPSM_E_TIMEOUT);
        left--;
    }
    CHECK_EQ(left, n - n / 3);
    CHECK_EQ(tcpsm_stack_deadline(h.st), TCPSM_NEVER);
    sp_down(&h);
}

/* A timer that moves later each time costs nothing each time: one vain
   wake-up at the oldest place at most, however often it moved. */
TEST(deadline_that_moves_later_fires_in_vain_at_most_once)
{
    uint32_t i, n = 3000;
    sp_sleep s;
    tcpsm_time last;
    up(4, SP_SECOND);
    meet(0);
    CHECK_EQ(tcpsm_set(g[0].c, TCPSM_SET_KEEP_IDLE, 60000), 0);
    CHECK_EQ(tcpsm_set(g[0].c, TCPSM_SET_KEEPALIVE, 1), 0);
    sp_idle(&h, 2 * SP_SECOND, NULL);
    for (i = 0; i < n; i++) { /* each pure ACK moves it */
        h.now += 1000;
        sp_say(&h, &g[0], PAIR_ACK, NULL, 0);
        CHECK(tcpsm_stack_deadline(h.st) <= tcpsm_deadline(g[0].c));
        CHECK_EQ(sp_drain(&h), 0);
    }
    last = tcpsm_deadline(g[0].c);
    CHECK_EQ(last, h.now + 60 * SP_SECOND);
    sp_idle(&h, last - 1, &s);
    CHECKF(s.calls <= 1, "%u calls in vain", (unsigned)s.calls);
    sp_idle(&h, last, &s);
    CHECK_EQ(s.sent, 1);
    sp_down(&h);
}

/* Earlier and later by turns, thousands of times: never late, and in vain
   no more often than it was armed. */
TEST(deadline_that_moves_both_ways)
{
    uint32_t i, n = 4000;
    uint64_t vain = 0;
    sp_sleep s;
    state = 5;
    up(4, SP_SECOND);
    meet(0);
    meet(1);
    CHECK_EQ(tcpsm_set(g[0].c, TCPSM_SET_KEEPALIVE, 1), 0);
    sp_quiet(&h);
    for (i = 0; i < n; i++) {
        CHECK_EQ(tcpsm_set(g[0].c, TCPSM_SET_KEEP_IDLE,
                           100000 + (i & 1 ? 0 : below(2000000))),
                 0);
        CHECK(tcpsm_stack_deadline(h.st) <= tcpsm_deadline(g[0].c));
        sp_drain(&h);
        CHECK(tcpsm_stack_deadline(h.st) <= tcpsm_deadline(g[0].c));
        CHECK(tcpsm_stack_deadline(h.st) > h.now);
        if (i % 8 == 0) {
            sp_idle(&h, h.now + 40 * SP_SECOND, &s);
            CHECK_EQ(s.sent, 0);
            vain += s.empty;
            sp_say(&h, &g[0], PAIR_ACK, NULL, 0); /* not so idle */
        }
    }
    CHECKF(vain <= n, "%u calls in vain", (unsigned)vain);
    sp_down(&h);
}

/* ---- idle -------------------------------------------------------------- */

/* 10 000 connections that have been used, then none is for a day. */
TEST(idle_stack_of_many_sleeps)
{
    uint32_t i, n = 10000, b;
    char buf[16];
    sp_sleep s;
    up(n, SP_SECOND);
    for (i = 0; i < n; i++) {
        meet(i);
        sp_say(&h, &g[i], PAIR_ACK | PAIR_PSH, "hello", 5);
        b = (uint32_t)tcpsm_receive(g[i].c, buf, sizeof buf);
        CHECK_EQ(b, 5);
        CHECK_EQ(tcpsm_send(g[i].c, buf, b, 0), 5);
        h.log_n = 0;
        while (sp_output(&h) > 0)
            ;
        sp_say(&h, &g[i], PAIR_ACK, NULL, 0);
        (void)sp_news(&h, NULL, NULL);
        h.now += 37;
    }
    sp_drain(&h);
    CHECK(tcpsm_stack_deadline(h.st) > h.now);
    /* one armed timer for each answer that was acknowledged, one for each
       delayed ACK that went with it */
    sp_idle(&h, h.now + 10 * SP_SECOND, &s);
    CHECK_EQ(s.sent + s.news, 0);
    CHECKF(s.calls <= 2 * n, "%u calls in vain", (unsigned)s.calls);
    CHECK_EQ(tcpsm_stack_deadline(h.st), TCPSM_NEVER);
    sp_idle(&h, h.now + SP_DAY, &s);
    CHECK_EQ(s.calls, 0);
    sp_down(&h);
}

/* With keepalive each connection costs its probe and its answer, and at
   most one vain call for the answer, which moved the timer. */
TEST(idle_stack_with_keepalive_wakes_for_it_only)
{
    uint32_t i, n = 500;
    sp_sleep s;
    up(n, SP_SECOND);
    for (i = 0; i < n; i++) {
        meet(i);
        CHECK_EQ(tcpsm_set(g[i].c, TCPSM_SET_KEEPALIVE, 1), 0);
        g[i].answer = 1;
        h.now += 100003;
        sp_drain(&h);
    }
    (void)sp_news(&h, NULL, NULL);
    sp_idle(&h, h.now + SP_DAY, &s);
    CHECK_GE(s.sent, 11 * n);
    CHECK_LE(s.sent, 12 * n);
    CHECKF(s.calls <= 3 * s.sent + n, "%u calls for %u probes",
           (unsigned)s.calls, (unsigned)s.sent);
    CHECKF(s.empty <= s.sent + n, "%u calls in vain for %u probes",
           (unsigned)s.empty, (unsigned)s.sent);
    for (i = 0; i < n; i++)
        CHECK_EQ(tcpsm_state(g[i].c), TCPSM_ESTABLISHED);
    sp_down(&h);
}

/* ---- whose turn -------------------------------------------------------- */

static void up_bulk(uint32_t flows, uint32_t quantum)
{
    tcpsm_stack_config cfg = sp_config(flows + 20);
    static uint8_t text[60000];
    uint32_t i;
    cfg.snd_ring = 65536;
    cfg.quantum = quantum;
    cfg.conn.initial_segments = 200;
    cfg.resets_per_second = TCPSM_OFF;
    sp_up(&h, &cfg, 0, SP_SECOND);
    h.ghosts = g;
    h.ghost_n = sizeof g / sizeof *g;
    sp_listen(&h, 80, 0);
    for (i = 0; i <= flows; i++) /* one more, which has nothing to say */
        meet(i);
    (void)sp_news(&h, NULL, NULL);
    sp_drain(&h);
    for (i = 0; i < flows; i++)
        CHECK_GE(tcpsm_send(g[i].c, text, sizeof text, 0), 50000);
}

/* First come, first served, a quantum each. */
TEST(ready_queue_shares_by_quantum)
{
    uint32_t i, flows = 5, q = 2920, turn = 0, bytes = 0, turns[5] = {0};
    uint32_t at = 0;
    up_bulk(flows, q);
    sp_drain(&h);
    CHECK_GE(h.log_n, flows * 40);
    for (i = 0; i < h.log_n; i++) {
        uint32_t who = h.log[i].tuple.remote_port - SP_PORT;
        CHECK_LT(who, flows);
        if (who == at) {
            bytes += h.log[i].s.len;
            CHECKF(bytes <= q, "%u bytes in a turn", bytes);
            continue;
        }
        /* all are ready for the first 40 000 bytes of each: in order */
        if (turns[at] < 10)
            CHECK_EQ(who, (at + 1) % flows);
        turns[at]++;
        turn++;
        at = who;
        bytes = h.log[i].s.len;
    }
    CHECK_GE(turn, flows * 10);
    sp_down(&h);
}

/* The one that asks last is not served last of all, but after a quantum of
   each that is before it. */
TEST(ready_queue_does_not_starve_a_small_one)
{
    uint32_t i;
    up_bulk(4, 2920);
    CHECK_EQ(tcpsm_send(g[4].c, "ping", 4, 0), 4);
    h.log_n = 0;
    for (i = 0; i < 12; i++) {
        CHECK(sp_output(&h) > 0);
        if (h.log[i].conn == g[4].c)
            break;
    }
    CHECKF(i <= 8, "not among the first %u segments", i);
    sp_down(&h);
}

/* A reset for a stranger and a SYN-ACK come within a turn or two, though
   connections could go on for hundreds of segments. */
TEST(replies_and_syn_acks_are_not_starved_by_bulk)
{
    uint32_t i, rst = 0, synack = 0;
    up_bulk(3, 2920);
    sp_ghost_init(&g[20], 20, 81); /* nobody listens there */
    sp_ghost_init(&g[21], 21, 80);
    sp_say(&h, &g[20], PAIR_SYN, NULL, 0);
    sp_say(&h, &g[21], PAIR_SYN, NULL, 0);
    h.log_n = 0;
    for (i = 0; i < 10; i++) {
        CHECK(sp_output(&h) > 0);
        if (h.log[i].tuple.remote_port == g[20].port)
            rst = i + 1;
        if (h.log[i].tuple.remote_port == g[21].port)
            synack = i + 1;
    }
    CHECKF(rst != 0 && rst <= 6, "the reset is number %u", rst);
    CHECKF(synack != 0 && synack <= 6, "the SYN-ACK is number %u", synack);
    sp_down(&h);
}

/* Nor is a connection starved by a flood that has to be answered. */
TEST(bulk_is_not_starved_by_replies)
{
    uint32_t i, text = 0, n = 400;
    up_bulk(1, 0);
    sp_ghost_init(&g[20], 20, 81);
    h.log_n = 0;
    for (i = 0; i < n; i++) {
        if (h.log_n > 80)
            h.log_n = 0;
        sp_say(&h, &g[20], PAIR_SYN, NULL, 0);
        sp_say(&h, &g[20], PAIR_SYN, NULL, 0);
        if (sp_output(&h) <= 0)
            break;
        text += h.log[h.log_n - 1].tuple.remote_port == g[0].port;
        if (text == 30)
            break;
    }
    CHECKF(text == 30, "%u segments of %u", text, i);
    CHECK_LE(i, 150u);
    sp_down(&h);
}

TEST(bulk_is_not_starved_by_syns)
{
    uint32_t i, text = 0, n = 400;
    up_bulk(1, 0);
    h.log_n = 0;
    for (i = 0; i < n; i++) {
        sp_ghost_init(&g[30 + i], 30 + i, 80);
        sp_say(&h, &g[30 + i], PAIR_SYN, NULL, 0);
        if (sp_output(&h) <= 0)
            break;
        text += h.log[h.log_n - 1].tuple.remote_port == g[0].port;
        if (text == 30)
            break;
    }
    CHECKF(text == 30, "%u segments of %u", text, i);
    CHECK_LE(i, 150u);
    sp_down(&h);
}

/* Timers are served though somebody always has more to send: a delayed
   ACK, a retransmission and a SYN-ACK that is due again come in time (here
   within ten segments), not when the bulk pauses. */
TEST(timers_are_not_starved_by_bulk)
{
    static uint8_t text[4000];
    uint32_t i, late[3] = {0, 0, 0};
    tcpsm_time t0;
    up_bulk(2, 0);
    sp_drain(&h);
    for (i = 0; i < 3; i++)
        sp_say(&h, &g[i], PAIR_ACK, NULL, 0);
    sp_ghost_init(&g[3], 3, 80);
    sp_say(&h, &g[3], PAIR_SYN, NULL, 0);
    CHECK_EQ(tcpsm_send(g[2].c, "lost", 4, 0), 4);
    sp_quiet(&h);
    t0 = h.now;
    g[2].segments = g[3].segments = 0;
    for (i = 0; i < 5000; i++) { /* one segment in 500 us: the NIC is full */
        uint32_t who = i & 1;
        h.now += 500;
        CHECK(tcpsm_send(g[who].c, text, sizeof text, 0) >= 0);
        sp_say(&h, &g[who], PAIR_ACK, NULL, 0);
        if (h.log_n > 80)
            h.log_n = 0;
        CHECKF(sp_output(&h) > 0, "there was a pause, at %u", i);
        if (g[2].segments && !late[0])
            late[0] = (uint32_t)(h.now - t0);
        if (g[3].segments && !late[1])
            late[1] = (uint32_t)(h.now - t0);
    }
    CHECKF(late[0] != 0 && late[0] <= 1010000,
           "retransmission after %u us (0: never)", late[0]);
    CHECKF(late[1] != 0 && late[1] <= 1010000,
           "SYN-ACK again after %u us (0: never)", late[1]);
    sp_down(&h);
}

/* The NIC was full for ten seconds: nothing is lost but replies beyond
   their ring, and those are counted. */
TEST(output_that_nobody_drains_waits)
{
    uint32_t i, n = 60, replies = 16, got = 0, rst = 0, synack = 0;
    struct tcpsm_stack_info before;
    up_bulk(3, 0);
    for (i = 0; i < n; i++) {
        sp_ghost_init(&g[100 + i], 100 + i, 81);
        sp_say(&h, &g[100 + i], PAIR_SYN, NULL, 0);
        h.now += 100000;
        sp_look(&h);
        CHECK(tcpsm_stack_deadline(h.st) <= h.now);
    }
    for (i = 0; i < 10; i++) {
        sp_ghost_init(&g[200 + i], 200 + i, 80);
        sp_say(&h, &g[200 + i], PAIR_SYN, NULL, 0);
    }
    before = sp_info(&h);
    CHECK_EQ(before.replies, replies);
    CHECK_EQ(before.replies_lost, n - replies);
    sp_drain(&h);
    for (i = 0; i < h.log_n; i++) {
        uint32_t who = h.log[i].tuple.remote_port - SP_PORT;
        rst += who >= 100 && who < 200;
        synack += who >= 200;
        got += who < 3 ? h.log[i].s.len : 0;
    }
    CHECK_EQ(rst, replies);
    CHECK_EQ(synack, 10);
    CHECK_GE(got, 150000u);
    CHECK_EQ(sp_info(&h).replies, 0);
    sp_down(&h);
}

/* ---- the wake list ----------------------------------------------------- */

/* Each verb of layer 1 on a stack's connection: the deadline is at once
   (or what the verb made it), and output finds the connection. */
static void quiet(void)
{
    sp_quiet(&h);
    CHECK(tcpsm_stack_deadline(h.st) > h.now);
}

static void speaks(uint32_t i, uint32_t flags)
{
    CHECK(tcpsm_stack_deadline(h.st) <= h.now);
    h.log_n = 0;
    CHECK(sp_output(&h) > 0);
    CHECK(h.log[0].conn == g[i].c);
    CHECKF((h.log[0].s.flags & flags) == flags, "flags %u, not %u",
           h.log[0].s.flags, flags);
    quiet();
}

TEST(wake_list_reaches_the_ready_queue)
{
    static uint8_t text[512], mine[4096];
    tcpsm_span s[2];
    uint32_t i;
    void *old;
    up(50, SP_SECOND);
    for (i = 0; i < 50; i++)
        meet(i);
    quiet();
    sp_idle(&h, h.now + 5 * SP_SECOND, NULL);

    CHECK_EQ(tcpsm_send(g[17].c, "x", 1, 0), 1);
    speaks(17, PAIR_ACK);
    CHECK(tcpsm_send_reserve(g[3].c, s) > 0);
    s[0].p[0] = 1;
    CHECK_EQ(tcpsm_stack_deadline(h.st) > h.now, 1);
    CHECK_EQ(tcpsm_send_commit(g[3].c, 1, 0), 1);
    speaks(3, PAIR_ACK);
    CHECK_EQ(tcpsm_shutdown(g[40].c), 0);
    speaks(40, PAIR_FIN);
    CHECK_EQ(tcpsm_close(g[41].c), 0);
    speaks(41, PAIR_FIN);
    CHECK_EQ(tcpsm_abort(g[42].c), 0);
    speaks(42, PAIR_RST);
    CHECK_EQ(tcpsm_stack_release(h.st, g[43].c), 0);
    speaks(43, PAIR_FIN);
    /* corked, then not */
    CHECK_EQ(tcpsm_set(g[6].c, TCPSM_SET_CORK, 1), 0);
    CHECK_EQ(tcpsm_send(g[6].c, "x", 1, 0), 1);
    quiet();
    CHECK_EQ(tcpsm_set(g[6].c, TCPSM_SET_CORK, 0), 0);
    speaks(6, PAIR_ACK);
    /* an earlier keepalive: not at once, but in time */
    CHECK_EQ(tcpsm_set(g[7].c, TCPSM_SET_KEEP_IDLE, 60000), 0);
    CHECK_EQ(tcpsm_set(g[7].c, TCPSM_SET_KEEPALIVE, 1), 0);
    CHECK(tcpsm_stack_deadline(h.st) <= tcpsm_deadline(g[7].c));
    quiet();
    CHECK_EQ(tcpsm_set(g[7].c, TCPSM_SET_KEEP_IDLE, 10), 0);
    quiet();
    CHECK_EQ(tcpsm_stack_deadline(h.st), h.now + 10000);
    h.now += 10000;
    speaks(7, PAIR_ACK);
    /* a closed window opens by reading, and by a larger ring */
    sp_say(&h, &g[8], PAIR_ACK, text, 512);
    sp_say(&h, &g[9], PAIR_ACK, text, 512);
    quiet();
    sp_idle(&h, h.now + SP_SECOND, NULL);
    CHECK_EQ(tcpsm_receive(g[8].c, text, 512), 512);
    speaks(8, PAIR_ACK);
    CHECK_EQ(tcpsm_attach(g[9].c, TCPSM_RECEIVE, mine, sizeof mine, &old), 0);
    speaks(9, PAIR_ACK);
    sp_down(&h);
}

/* ---- rounds of events -------------------------------------------------- */

TEST(events_come_once_per_round_and_none_is_lost)
{
    uint32_t i, k, ev, n = 40, seen[40], round;
    tcpsm_conn *c;
    up(n, SP_SECOND);
    for (i = 0; i < n; i++)
        meet(i);
    while (sp_news(&h, NULL, NULL) != 0)
        ;
    for (round = 0; round < 3; round++) {
        memset(seen, 0, sizeof seen);
        for (k = 0; k < 3; k++)
            for (i = 0; i < n; i++)
                sp_say(&h, &g[i], PAIR_ACK, "a", 1);
        CHECK(tcpsm_stack_deadline(h.st) <= h.now);
        while ((c = tcpsm_stack_next(h.st, &ev)) != NULL) {
            for (i = 0; i < n && g[i].c != c;)
                i++;
            CHECK_LT(i, n);
            CHECK(ev & TCPSM_EV_READABLE);
            CHECKF(++seen[i] == 1, "%u twice in a round", i);
            /* more, for it and for its neighbours, while the round lasts */
            sp_say(&h, &g[i], PAIR_ACK, "b", 1);
        }
        for (i = 0; i < n; i++)
            CHECK_EQ(seen[i], 1);
        memset(seen, 0, sizeof seen);
        while ((c = tcpsm_stack_next(h.st, &ev)) != NULL) {
            for (i = 0; i < n && g[i].c != c;)
                i++;
            CHECK_EQ(++seen[i], 1);
            CHECK(ev & TCPSM_EV_READABLE);
        }
        for (i = 0; i < n; i++)
            CHECK_EQ(seen[i], 1);
        CHECK_EQ(sp_news(&h, NULL, NULL), 0);
        sp_drain(&h);
        CHECK(tcpsm_stack_deadline(h.st) > h.now);
    }
    sp_down(&h);
}

/* tcpsm_take by hand takes the news from next, and only that. */
TEST(events_taken_by_hand_do_not_come_again)
{
    uint32_t ev;
    tcpsm_conn *c;
    up(4, SP_SECOND);
    meet(0);
    meet(1);
    while (sp_news(&h, NULL, NULL) != 0)
        ;
    sp_say(&h, &g[0], PAIR_ACK, "a", 1);
    sp_say(&h, &g[1], PAIR_ACK, "a", 1);
    CHECK(tcpsm_take(g[0].c) & TCPSM_EV_READABLE);
    while ((c = tcpsm_stack_next(h.st, &ev)) != NULL)
        CHECK(c == g[1].c || ev == 0);
    sp_drain(&h);
    CHECK(tcpsm_stack_deadline(h.st) > h.now);
    sp_down(&h);
}

/* One call of next costs the same however many there are that turn out to
   have no news: taken by hand, or released meanwhile. */
static unsigned long dearest_next(uint32_t n, int release)
{
    unsigned long most = 0, before;
    uint32_t i, ev, turn;
    up(n, SP_SECOND);
    for (i = 0; i < n; i++)
        meet(i);
    sp_quiet(&h);
    for (i = 0; i < n; i++)
        sp_say(&h, &g[i], PAIR_RST, NULL, 0);
    sp_drain(&h);
    for (i = 0; i < n; i++)
        if (release)
            CHECK_EQ(tcpsm_stack_release(h.st, g[i].c), 0);
        else
            (void)tcpsm_take(g[i].c);
    for (turn = 0; tcpsm_stack_deadline(h.st) <= h.now; turn++) {
        CHECKF(turn < 4 * n + 10, "the news does not end");
        before = steps;
        (void)tcpsm_stack_next(h.st, &ev);
        if (steps - before > most)
            most = steps - before;
        before = steps;
        (void)sp_output(&h);
        if (steps - before > most)
            most = steps - before;
    }
    CHECK_EQ(sp_info(&h).conns, release ? 0 : n);
    sp_down(&h);
    return most;
}

TEST(next_is_bounded_per_call)
{
    unsigned long n;
    n = dearest_next(MANY, 0);
    CHECKF(n <= 400, "taken by hand: %lu steps in one call", n);
    n = dearest_next(MANY, 1);
    CHECKF(n <= 400, "released: %lu steps in one call", n);
}

/* Not accepted: not shown. Accepted: shown, with what came before. */
TEST(events_before_acceptance_are_kept)
{
    tcpsm_conn *c;
    uint32_t ev;
    up(4, SP_SECOND);
    sp_ghost_init(&g[0], 0, 80);
    sp_say(&h, &g[0], PAIR_SYN, NULL, 0);
    sp_drain(&h);
    sp_say(&h, &g[0], PAIR_ACK, "early", 5);
    sp_say(&h, &g[0], PAIR_ACK | PAIR_FIN, "bird", 4);
    CHECK_EQ(sp_news(&h, NULL, NULL), 0);
    sp_drain(&h);
    sp_idle(&h, h.now + SP_SECOND, NULL);
    CHECK(tcpsm_stack_deadline(h.st) > h.now); /* nothing to do till then */
    c = tcpsm_stack_accept(h.st, NULL);
    CHECK(c != NULL);
    CHECK(tcpsm_stack_next(h.st, &ev) == c);
    CHECK_EQ(ev & (TCPSM_EV_READABLE | TCPSM_EV_EOF),
             TCPSM_EV_READABLE | TCPSM_EV_EOF);
    CHECK(tcpsm_stack_next(h.st, &ev) == NULL);
    sp_down(&h);
}

/* Connections that fail by a timer show up with no input at all. */
TEST(events_of_timers_need_no_input)
{
    tcpsm_conn *c;
    uint32_t ev, i, failed = 0;
    up(8, SP_SECOND);
    meet(0);
    meet(1);
    CHECK_EQ(tcpsm_set(g[0].c, TCPSM_SET_USER_TIMEOUT, 5000), 0);
    CHECK_EQ(tcpsm_send(g[0].c, "x", 1, 0), 1);
    CHECK_EQ(tcpsm_set(g[1].c, TCPSM_SET_KEEP_IDLE, 1000), 0);
    CHECK_EQ(tcpsm_set(g[1].c, TCPSM_SET_KEEP_INTERVAL, 1000), 0);
    CHECK_EQ(tcpsm_set(g[1].c, TCPSM_SET_KEEPALIVE, 1), 0);
    sp_call(&h, &g[2], 2, 1000);
    CHECK_EQ(tcpsm_set(g[2].c, TCPSM_SET_SYN_LIMIT, 4000), 0);
    for (i = 0; i < 1000 && failed != 7; i++) {
        tcpsm_time d = tcpsm_stack_deadline(h.st);
        CHECK(d != TCPSM_NEVER);
        if (d > h.now)
            h.now = d;
        while (sp_output(&h) > 0)
            ;
        while ((c = tcpsm_stack_next(h.st, &ev)) != NULL)
            if (ev & TCPSM_EV_ERROR) {
                CHECK_EQ(tcpsm_error(c), TCPSM_E_TIMEOUT);
                failed |= 1u << (c == g[1].c) << 2 * (c == g[2].c);
            }
    }
    CHECK_EQ(failed, 7);
    CHECK(h.now < SP_HOUR);
    sp_down(&h);
}

/* Nothing after release, however much happens to it then. */
TEST(events_of_the_released_do_not_come)
{
    uint32_t i;
    up(8, SP_SECOND);
    for (i = 0; i < 4; i++)
        meet(i);
    for (i = 0; i < 4; i++)
        sp_say(&h, &g[i], PAIR_ACK, "a", 1); /* news that nobody fetched */
    for (i = 0; i < 4; i++)
        CHECK_EQ(tcpsm_stack_release(h.st, g[i].c), 0);
    CHECK_EQ(sp_news(&h, NULL, NULL), 0);
    sp_drain(&h);
    for (i = 0; i < 4; i++)
        (void)sp_raw(&h, &g[i], g[i].seq, g[i].ack, PAIR_ACK | PAIR_FIN, "b",
                     1);
    CHECK_EQ(sp_news(&h, NULL, NULL), 0);
    sp_idle(&h, h.now + SP_HOUR, NULL);
    CHECK_EQ(sp_info(&h).conns, 0);
    sp_down(&h);
}
