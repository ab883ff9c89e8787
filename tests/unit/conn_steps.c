/* Law 2: every call costs O(1), or O(N) in a table size that the caller
   chose; no input, however hostile, costs more than 20 times an ordinary
   one. TCPSM_STEP() counts the turns of every loop; a table's own size N
   (the lent maximum, 255) may add to it, but only linearly. And the other
   hook, TCPSM_TRACE. */

#include "test.h"

static unsigned long steps;
static unsigned traced[16];
static const void *traced_conn;
static uint32_t traced_a[16], traced_b[16];

#define TCPSM_IMPLEMENTATION
#define TCPSM_STEP() ((void)steps++)
#define TCPSM_TRACE(conn, what, a, b)                                        \
    ((void)(traced_conn = (conn), traced[what]++,                            \
            traced_a[what] = (uint32_t)(a), traced_b[what] = (uint32_t)(b)))
#include "tcpsm.h"

#include "pair.h"

#include "conn_states.h"

static pair p;
/* 272 runs, and so 255 ranges */
static uint8_t rx[65536], tables[272 * 10 + 255 * 9 + 3];
static uint8_t buf[2048];

/* One segment for side A, without timestamps; how many steps it took, with
   all the output and the deadlines that follow. */
static unsigned long cost(uint32_t off, uint8_t flags, uint32_t len,
                          const uint32_t *sack, uint32_t blocks,
                          unsigned long *input_only)
{
    static uint8_t seg[2000], text[1460];
    tcpsm_conn *c = &p.c[PAIR_A];
    tcpsm_in in;
    tcpsm_out out;
    struct tcpsm__seg s;
    uint32_t n;
    memset(&s, 0, sizeof s);
    s.sport = c->remote_port;
    s.dport = c->local_port;
    s.seq = c->rcv_nxt + off;
    s.ack = c->snd_nxt;
    s.flags = flags;
    s.wnd = 60000;
    s.scale = TCPSM__NO_SCALE;
    if (blocks) {
        s.ack = c->snd_una;
        s.nsack = (uint8_t)blocks;
        memcpy(s.sack, sack, 8 * blocks);
    }
    n = tcpsm__build(seg, &s);
    memcpy(seg + n, text, len);
    n += len;
    pair_set_checksum(&p.tuple[PAIR_B], seg, n);
    memset(&in, 0, sizeof in);
    in.src = c->remote;
    in.dst = c->local;
    in.data = seg;
    in.len = n;
    in.family = 4;
    steps = 0;
    CHECK_EQ(tcpsm_input(c, &in, p.now), 0);
    if (input_only)
        *input_only = steps;
    memset(&out, 0, sizeof out);
    out.buf = buf;
    out.cap = sizeof buf;
    while (tcpsm_deadline(c) <= p.now)
        (void)tcpsm_output(c, &out, p.now);
    n = (uint32_t)steps;
    CHECK_EQ(tcpsm_check(c), 0);
    return n;
}

static void ready(int lend)
{
    pair_options o = TCPSM_ZERO;
    o.cfg[0].flags = TCPSM_NO_TS;
    pair_init(&p, &o);
    CHECK(pair_connect(&p));
    p.muted[0] = p.muted[1] = 1;
    CHECK_EQ(tcpsm_attach(&p.c[PAIR_A], TCPSM_RECEIVE, rx, 65536, NULL), 0);
    if (lend)
        CHECK_EQ(tcpsm_attach(&p.c[PAIR_A], TCPSM_TABLES, tables,
                              sizeof tables, NULL),
                 0);
}

/* An ordinary segment: 1460 bytes in order, and its ACK. */
static unsigned long ordinary(void)
{
    unsigned long n;
    ready(0);
    n = cost(0, PAIR_ACK | PAIR_PSH, 1460, NULL, 0, NULL);
    CHECK_GT(n, 10u);
    return n;
}

/* N in the tables may be walked a fixed number of times. */
enum { N = 255, WALKS = 40 };

static void bound(const char *what, unsigned long n, unsigned long base)
{
    printf("# %-38s %6lu steps, %5.1f x ordinary\n", what, n,
           (double)n / (double)base);
    CHECKF(n <= 20 * base + WALKS * N, "%s: %lu steps", what, n);
}

/* As full as a table gets: 255 ranges of one octet. */
static void full(void)
{
    uint32_t i;
    ready(1);
    for (i = 1; i <= N; i++)
        (void)cost(4 * i, PAIR_ACK, 1, NULL, 0, NULL);
    CHECK_EQ(p.c[PAIR_A].ranges_n, N);
}

/* As many runs: N segments that cannot share one. */
static void full_runs(void)
{
    uint32_t i;
    tcpsm_set(&p.c[PAIR_A], TCPSM_SET_NODELAY, 1);
    p.c[PAIR_A].cc.cwnd = 1 << 20;
    p.c[PAIR_A].snd_wnd = 60000;
    for (i = 0; i < N; i++) {
        scene__fill(&p, PAIR_A, 100, TCPSM_EOR);
        p.now += 100000;
        p.c[PAIR_A].min_rtt = 8;
        tcpsm__disarm(&p.c[PAIR_A], TCPSM__T_RTX);
        while (tcpsm_deadline(&p.c[PAIR_A]) <= p.now) {
            tcpsm_out out = TCPSM_ZERO;
            out.buf = buf;
            out.cap = sizeof buf;
            tcpsm__disarm(&p.c[PAIR_A], TCPSM__T_RTX);
            (void)tcpsm_output(&p.c[PAIR_A], &out, p.now);
        }
    }
    CHECK_GT(p.c[PAIR_A].runs_n, N - 5);
}

TEST(inline_tables)
{
    static const uint32_t lie[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    unsigned long base = ordinary(), worst = 0, n;
    uint32_t i;
    ready(0);
    for (i = 1; i <= 50; i++) {
        n = cost(1 + i * 37 % 200, PAIR_ACK, i % 3, NULL, 0, NULL);
        worst = n > worst ? n : worst;
        n = cost(0, PAIR_ACK, 0, lie, TCPSM__HAVE_OPTIONS ? 4 : 0, NULL);
        worst = n > worst ? n : worst;
        n = cost(0xFFFFFF00u, PAIR_ACK, 100, NULL, 0, NULL);
        worst = n > worst ? n : worst;
    }
    printf("# ordinary: %lu steps; inline, at worst: %lu\n", base, worst);
    CHECK_LE(worst, 20 * base);
}

TEST(many_tiny_segments_out_of_order)
{
    unsigned long base = ordinary(), worst = 0, n;
    uint32_t i;
    ready(1);
    for (i = N; i >= 1; i--) { /* each before all the others */
        n = cost(4 * i, PAIR_ACK, 1, NULL, 0, NULL);
        worst = n > worst ? n : worst;
    }
    bound("tiny segments, last first", worst, base);
    for (i = 1; i <= N; i++) { /* each again, and one beyond the table */
        n = cost(4 * i, PAIR_ACK, 1, NULL, 0, NULL);
        worst = n > worst ? n : worst;
        n = cost(4 * i + 2, PAIR_ACK, 1, NULL, 0, NULL);
        worst = n > worst ? n : worst;
    }
    bound("the same again, and more than fit", worst, base);
}

TEST(one_segment_over_all_ranges)
{
    unsigned long base = ordinary();
    full();
    bound("one that swallows 255 ranges",
          cost(2, PAIR_ACK, 1300, NULL, 0, NULL), base);
    CHECK_EQ(p.c[PAIR_A].ranges_n, 1);
}

TEST(the_hole_is_filled)
{
    unsigned long base = ordinary();
    full();
    bound("in order over 255 ranges", cost(0, PAIR_ACK, 1300, NULL, 0, NULL),
          base);
    CHECK_EQ(p.c[PAIR_A].ranges_n, 0);
}

TEST(a_reset_forgets_all)
{
    unsigned long base = ordinary();
    full();
    bound("a reset with 255 ranges", cost(0, PAIR_RST, 0, NULL, 0, NULL),
          base);
    CHECK_EQ(tcpsm_state(&p.c[PAIR_A]), TCPSM_CLOSED);
}

TEST(acks_over_many_runs)
{
    unsigned long base = ordinary(), n, worst = 0;
    uint32_t i, sack[8];
    ready(1);
    full_runs();
    for (i = 0; i < 50; i++) {
        uint32_t k;
        for (k = 0; k < 8; k++)
            sack[k] = p.c[PAIR_A].snd_una + 100 * (3 * i + k + 1);
        n = cost(0, PAIR_ACK, 0, sack, TCPSM__HAVE_OPTIONS ? 4 : 0, NULL);
        worst = n > worst ? n : worst;
    }
    bound("SACKs over 255 runs", worst, base);
    bound("an ACK for 255 runs", cost(0, PAIR_ACK, 0, NULL, 0, NULL), base);
    CHECK_EQ(p.c[PAIR_A].runs_n, 0);
}

TEST(timeout_over_many_runs)
{
    unsigned long base = ordinary();
    tcpsm_out out = TCPSM_ZERO;
    ready(1);
    full_runs();
    p.now += 200 * PAIR_SECOND;
    out.buf = buf;
    out.cap = sizeof buf;
    steps = 0;
    (void)tcpsm_output(&p.c[PAIR_A], &out, p.now);
    bound("a timeout with 255 runs", steps, base);
}

/* Stream calls and deadlines do not walk what input would. */
TEST(calls_with_full_tables)
{
    unsigned long base = ordinary(), worst = 0;
    uint32_t i;
    struct tcpsm_info info;
    full();
    full_runs();
    for (i = 0; i < 8; i++) {
        steps = 0;
        switch (i) {
        case 0:
            (void)tcpsm_deadline(&p.c[PAIR_A]);
            break;
        case 1:
            (void)tcpsm_events(&p.c[PAIR_A]);
            break;
        case 2:
            tcpsm_status(&p.c[PAIR_A], &info);
            break;
        case 3:
            (void)tcpsm_send(&p.c[PAIR_A], buf, 100, 0);
            break;
        case 4:
            (void)tcpsm_receive(&p.c[PAIR_A], buf, 100);
            break;
        case 5:
            (void)tcpsm_set(&p.c[PAIR_A], TCPSM_SET_MTU, 600);
            break;
        case 6:
            (void)tcpsm_export(&p.c[PAIR_A], NULL, 0, p.now);
            break;
        default:
            (void)tcpsm_abort(&p.c[PAIR_A]);
            break;
        }
        worst = steps > worst ? steps : worst;
    }
    bound("calls, at worst", worst, base);
}

/* ---- TCPSM_TRACE -------------------------------------------------------- */

TEST(trace_tells_what_happens)
{
    memset(traced, 0, sizeof traced);
    scene__rich(&p);
    CHECK_EQ(traced[TCPSM_TRACE_STATE], 2 + 4); /* A opens; B does all */
    CHECK_GT(traced[TCPSM_TRACE_RTT], 1u);
    CHECK_GT(traced[TCPSM_TRACE_CWND], 2u);
    pair_shutdown(&p, PAIR_A);
    CHECK(traced_conn == &p.c[PAIR_A]);
    CHECK_EQ(traced_a[TCPSM_TRACE_STATE], TCPSM_ESTABLISHED);
    CHECK_EQ(traced_b[TCPSM_TRACE_STATE], TCPSM_FIN_WAIT_1);
    p.no_laws = 1; /* those would time out on copies */
    traced[TCPSM_TRACE_TIMER] = traced[TCPSM_TRACE_RETRANSMIT] = 0;
    pair_run(&p, 3 * PAIR_SECOND);
    CHECK_GT(traced[TCPSM_TRACE_TIMER], 0u);
    CHECK_GT(traced[TCPSM_TRACE_RETRANSMIT], 0u);
}

TEST(trace_tells_drops)
{
    scene__connected(&p);
    memset(traced, 0, sizeof traced);
    memset(buf, 0, 20);
    buf[12] = 5 << 4;
    pair_put16(buf, 80);
    pair_put16(buf + 2, 40000);
    (void)pair_inject(&p, PAIR_A, buf, 20, 1);
    CHECK_EQ(traced[TCPSM_TRACE_DROP], 1);
    CHECK_EQ(traced_a[TCPSM_TRACE_DROP], TCPSM_DROP_CHECKSUM);
}
