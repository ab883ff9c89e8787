/* What an ACK costs (law 2): one with a new SACK block on a full scoreboard
   at most four times an ordinary one, the most hostile at most twenty.
   Counted in TCPSM_STEP here, in instructions by tests/house/
   recovery_cost.sh, which runs the tests called count_*. */

static unsigned long steps;
#define TCPSM_STEP() ((void)steps++)
#define TCPSM_IMPLEMENTATION
#include "loss.h"

enum { MSS = 100, TURNS = 100 };

static uint32_t table[255 * 5 + 8];
static uint32_t cap; /* of the runs */
static unsigned long calls;

/* The ACK as it comes, and the question when to go on. What is counted. */
__attribute__((noinline)) static void measured(void)
{
    w.ret = tcpsm_input(w.c, &w.in, w.p.now);
    w.p.steps += tcpsm_deadline(w.c) == TCPSM_NEVER;
}

static void quiet_ack(const char *text)
{
    wire__step(__FILE__, __LINE__, "%s", text);
    wire__build(text);
    CHECK_EQ(tcpsm_input(w.c, &w.in, w.p.now), 0);
    CHECK_EQ(w.in.drop, 0);
}

static unsigned long ack(const char *text)
{
    wire__step(__FILE__, __LINE__, "%s", text);
    wire__build(text);
    steps = 0;
    calls++;
    measured();
    CHECK_EQ(w.ret, 0);
    CHECK_EQ(w.in.drop, 0);
    return steps;
}

/* n segments in flight, all sent at once: one run. */
static void start(uint32_t lent, uint32_t n)
{
    START();
    w.cfg.flags = (WIRE_PLAIN & ~(uint32_t)TCPSM_NO_SACK) | TCPSM_NO_PROBE |
                  TCPSM_NODELAY;
    w.cfg.cc = &loss_reno;
    w.cfg.initial_segments = 250;
    w.cfg.rto_min_us = 60000000;
    OPEN();
    wire__fill();
    wire__take();
    AT(0.1);
    INF("SA 0 ack 1 win 65535 mss %u sackok", MSS);
    wire__fill();
    wire__take();
    if (lent)
        CHECK_EQ(tcpsm_attach(w.c, TCPSM_TABLES, table, lent * 20 + 8, NULL),
                 0);
    wire__touched();
    cap = stream_info().run_cap;
    w.p.no_laws = 1;
    SEND(60000);
    FLIGHT(1, n, MSS);
    w.p.now += 100000;
}

/* Every other segment of what is in flight is SACKed, from the top down,
   until the table has no more room. */
static uint32_t full(uint32_t lent)
{
    char text[96];
    uint32_t k, top = 240;

    start(lent, 250);
    for (k = 0; stream_info().runs + 2u <= cap && k < 118; k++, top -= 2) {
        snprintf(text, sizeof text, "A 1 ack 1 sack %u:%u",
                 1 + (top - 1) * MSS, 1 + top * MSS);
        quiet_ack(text);
        stream_drain();
    }
    if (cap <= 255u && lent < 230)
        CHECK_GE(stream_info().runs, cap - 1);
    return top;
}

/* ---- the kinds --------------------------------------------------------- */

/* Bulk data, no loss: an ACK for two segments. */
static unsigned long ordinary(uint32_t lent)
{
    unsigned long most = 0, n;
    uint32_t k;
    char text[64];

    start(lent, 250);
    for (k = 1; k <= TURNS; k++) {
        snprintf(text, sizeof text, "A 1 ack %u", 1 + 2 * k * MSS);
        n = ack(text);
        most = n > most ? n : most;
        stream_drain();
        w.p.now += 1000;
    }
    return most;
}

/* ... with one new block, when the scoreboard is full. */
static unsigned long one_block(uint32_t lent)
{
    unsigned long most = 0, n;
    uint32_t k, top;
    char text[64];

    for (k = 1; k <= TURNS / 5; k++) {
        top = full(lent) - k;
        if (lent >= 230)
            top = 2 + k % 2; /* what is left */
        snprintf(text, sizeof text, "A 1 ack 1 sack %u:%u",
                 1 + (top - 1) * MSS, 1 + top * MSS);
        n = ack(text);
        most = n > most ? n : most;
    }
    return most;
}

/* Four blocks, each of which splits, merges or squeezes. */
static unsigned long hostile(uint32_t lent)
{
    unsigned long most = 0, n;
    uint64_t seed = 99;
    uint32_t k, j, at, a, len;
    char text[200];

    for (k = 1; k <= TURNS; k++) {
        if (k % 20 == 1)
            full(lent);
        at = (uint32_t)snprintf(text, sizeof text, "A 1 ack %u sack",
                                k % 3 ? 1 : 1 + k % 20);
        for (j = 0; j < 4; j++) {
            a = 30 + (uint32_t)netsim_random(&seed) % (240 * MSS);
            len = 1 + (uint32_t)netsim_random(&seed) % (k % 2   ? 3
                                                        : k % 5 ? 150
                                                                : 9000);
            at +=
                (uint32_t)snprintf(text + at, sizeof text - at, " %u:%u", a,
                                   a + len < 1 + 250 * MSS ? a + len : a + 1);
        }
        n = ack(text);
        most = n > most ? n : most;
        stream_drain();
        CHECK_EQ(tcpsm_check(w.c), 0);
    }
    return most;
}

/* ---- in steps ---------------------------------------------------------- */

static void compare(uint32_t lent)
{
    unsigned long base = ordinary(lent), block = one_block(lent);
    unsigned long worst = hostile(lent);

    if (getenv("RECOVERY_COST"))
        printf("%u runs: ordinary %lu, one block %lu, hostile %lu\n", cap,
               base, block, worst);
    /* and a few walks along the table, which the caller made that long */
    CHECKF(block <= 4 * base + 6 * cap,
           "%u runs: %lu steps, an ordinary ACK %lu", cap, block, base);
    CHECKF(worst <= 20 * base + 12 * cap,
           "%u runs: %lu steps, an ordinary ACK %lu", cap, worst, base);
}

TEST(steps_with_the_inline_table)
{
    compare(0);
}

TEST(steps_with_64_runs)
{
    compare(64);
}

TEST(steps_with_255_runs)
{
    compare(255);
}

/* ---- for the script ---------------------------------------------------- */

static void tell(void)
{
    if (getenv("RECOVERY_COST"))
        printf("calls %lu\n", calls);
    CHECK_GT(calls, 0u);
}

#define COUNT_TESTS(name, lent)                                              \
    TEST(count_ordinary_##name)                                              \
    {                                                                        \
        calls = 0;                                                           \
        ordinary(lent);                                                      \
        tell();                                                              \
    }                                                                        \
    TEST(count_one_block_##name)                                             \
    {                                                                        \
        calls = 0;                                                           \
        one_block(lent);                                                     \
        tell();                                                              \
    }                                                                        \
    TEST(count_hostile_##name)                                               \
    {                                                                        \
        calls = 0;                                                           \
        hostile(lent);                                                       \
        tell();                                                              \
    }

COUNT_TESTS(inline, 0)
COUNT_TESTS(64_runs, 64)
