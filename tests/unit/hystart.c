/* HyStart++ (RFC 9406) in a connection: the initial slow start of both
   built-in controllers. Segments have 1000 octets. Every segment is
   acknowledged so many milliseconds after it was sent, so all samples of a
   round are the same; in the tests that are about samples with a timestamp
   they are up to two ticks (of 1.024 ms) too long. */

#define PAIR_RING 524288
#define PAIR_SLOTS 2048
#include "test.h"
#include "tcpsm.h"

#include "wire.h"

#include "../wire/stream.h"

static const tcpsm_cc reno = {
    TCPSM_CC_NEWRENO, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
static const tcpsm_cc cubic = {TCPSM_CC_CUBIC, NULL, NULL, NULL,
                               NULL,           NULL, NULL, NULL};

enum { MSS = 1000, N_RTT_SAMPLE = 8, CSS_ROUNDS = 5, L = 8 };

/* What is on the way, oldest first */
static struct {
    uint32_t end, tsval;
    tcpsm_time at;
} sent[4096];
static uint32_t first, next_;

static uint32_t cwnd(void)
{
    return stream_info().cwnd;
}

static uint32_t ssthresh(void)
{
    return stream_info().ssthresh;
}

/* The initial slow start has not ended */
static int initial(void)
{
    return ssthresh() > 0x1000000u;
}

static void pump(void)
{
    uint32_t room = stream_info().snd_free;
    if (room >= 32768)
        wire__send(32768, 0);
    for (;;) {
        wire__fill();
        if (w.q_n == 0)
            return;
        wire__take();
        if (w.seg.len == 0)
            continue;
        sent[next_ % 4096].end = w.seg.seq - w.iss + w.seg.len;
        sent[next_ % 4096].tsval = w.seg.ts_val;
        sent[next_++ % 4096].at = w.p.now;
        CHECK_LT(next_ - first, 4096u);
    }
}

static void wait_until(tcpsm_time t)
{
    if (t > w.p.now) {
        WIRE__STEP("until the next ACK");
        wire__at(t);
    }
}

static void ack(uint32_t number, uint32_t tsecr)
{
    WIRE__STEP("A 1 ack %u", number);
    if (w.ts)
        WIRE__STEP("A 1 ack %u ts %u %u", number,
                   w.ts_clock + (uint32_t)((w.p.now - w.t0) / 1000), tsecr);
    wire__in_expect(0, 0);
}

/* The next k segments are acknowledged by one ACK, ms after the last of
   them was sent. */
static void acked(uint32_t k, double ms)
{
    uint32_t last = first + k - 1;
    CHECK_LT(last, next_);
    wait_until(sent[last % 4096].at + (tcpsm_time)(ms * 1000));
    ack(sent[last % 4096].end, sent[last % 4096].tsval);
    first += k;
    pump();
}

/* All that is on the way is, k segments an ACK; returns the octets by
   which cwnd grew. */
static uint32_t round_by(uint32_t k, double ms)
{
    uint32_t n = next_ - first, was = cwnd();
    while (n > 0) {
        uint32_t now = n < k ? n : k;
        acked(now, ms);
        n -= now;
    }
    return cwnd() - was;
}

static uint32_t round_trip(double ms)
{
    return round_by(1, ms);
}

static uint32_t flight(void)
{
    return (next_ - first) * MSS;
}

/* Established after a handshake of so many milliseconds, ten segments on
   the way */
static void begin(const tcpsm_cc *cc, int timestamps, double ms)
{
    START();
    w.p.no_laws = 1; /* thousands of ACKs; others ask for the laws */
    first = next_ = 0;
    w.cfg.cc = cc;
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
    if (timestamps)
        w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    OPEN();
    wire__fill();
    wire__take();
    wait_until(w.p.now + (tcpsm_time)(ms * 1000));
    w.peer_win = 65535;
    if (timestamps) {
        WIRE__STEP("SA 0 ack 1 mss %u win 65535 ws 6 ts %u %u", MSS + 12,
                   w.ts_clock, w.seg.ts_val);
        wire__in_expect(0, 0);
        w.ts = 1;
    } else {
        WIRE__STEP("SA 0 ack 1 mss %u win 65535 ws 6", MSS);
        wire__in_expect(0, 0);
    }
    wire__fill();
    wire__take(); /* the third ACK */
    STATE(TCPSM_ESTABLISHED);
    pump();
    CHECK_EQ(cwnd(), 10 * MSS);
    CHECK_EQ(next_, 10);
    CHECK(initial());
}

/* The four ways to run a test */
#define EACH(i)                                                              \
    for (i = 0; i < 4; i++)                                                  \
        if (CONTEXT("%s, %s timestamps", i & 1 ? "CUBIC" : "NewReno",        \
                    i & 2 ? "with" : "without"),                             \
            1)

static void begin_way(int i, double ms)
{
    begin(i & 1 ? &cubic : &reno, i & 2, ms);
}

/* ---- slow start --------------------------------------------------------- */

/* Nothing happens to the delay: cwnd doubles, round after round. */
TEST(RFC9406_constant_delay)
{
    int i, k;
    EACH(i)
    {
        begin_way(i, 50);
        for (k = 0; k < 5; k++)
            CHECK_EQ(round_trip(50), 10 * MSS << k);
        CHECK(initial());
    }
}

/* cwnd += min(N, L * SMSS) with L = 8, unpaced */
TEST(RFC9406_limit_of_eight)
{
    int i;
    EACH(i)
    {
        begin_way(i, 50);
        CHECK_EQ(round_by(5, 50), 10 * MSS);
        CHECK_EQ(round_by(8, 50), 20 * MSS);
        CHECK_EQ(round_by(10, 50), 32 * MSS); /* four of ten */
        CHECK_EQ(round_by(72, 50), 8 * MSS);
        CHECK(initial());
    }
}

/* s6: ACK division gains nothing. */
TEST(RFC9406_ack_division)
{
    int i, k;
    EACH(i)
    {
        uint32_t una;
        begin_way(i, 50);
        wait_until(w.p.now + 50000);
        una = stream_info().snd_una - w.iss;
        for (k = 1; k <= 1000; k++)
            ack(una + (uint32_t)k, sent[0].tsval);
        CHECK_EQ(cwnd(), 11 * MSS);
    }
}

/* ---- leaving it --------------------------------------------------------- */

/* RttThresh = max(4 ms, min(lastRoundMinRTT / 8, 16 ms)) */
TEST(RFC9406_threshold)
{
    static const struct {
        double base, below, above;
    } row[] = {{10, 13.9, 14.1}, {24, 27.9, 28.1}, {48, 53.9, 54.1},
               {80, 89.9, 90.1}, {128, 143, 145},  {400, 415.9, 416.1},
               {1, 4.9, 5.1}};
    int i, k;
    for (i = 0; i < 7; i++) {
        CONTEXT("%.1f ms", row[i].base);
        begin(i & 1 ? &reno : &cubic, 0, row[i].base);
        for (k = 0; k < 3; k++)
            round_trip(row[i].base);
        CHECK_EQ(round_trip(row[i].below), 80 * MSS);
        CHECK(initial());
        begin(i & 1 ? &reno : &cubic, 0, row[i].base);
        for (k = 0; k < 3; k++)
            round_trip(row[i].base);
        CHECK_EQ(flight(), 80 * MSS);
        { /* full growth for the first eight, a quarter for the others */
            uint32_t g = round_trip(row[i].above);
            CHECKF(g >= 25 * MSS && g <= 28 * MSS, "grew by %u", g);
        }
        CHECK(initial());
    }
}

/* The same by timestamps, which are coarse: on neither side of the edge by
   less than their ticks. */
TEST(RFC9406_threshold_by_timestamps)
{
    int i, k;
    for (i = 0; i < 2; i++) {
        uint32_t g;
        begin(i ? &reno : &cubic, 1, 80);
        for (k = 0; k < 3; k++)
            round_trip(80);
        CHECK_EQ(round_trip(87), 80 * MSS);
        begin(i ? &reno : &cubic, 1, 80);
        for (k = 0; k < 3; k++)
            round_trip(80);
        g = round_trip(93);
        CHECKF(g >= 25 * MSS && g <= 28 * MSS, "grew by %u", g);
    }
}

/* N_RTT_SAMPLE: seven samples in a round prove nothing, eight do. */
TEST(RFC9406_eight_samples)
{
    int i, k;
    EACH(i)
    {
        uint32_t g;
        begin_way(i, 40);
        for (k = 0; k < 3; k++)
            round_trip(40);
        CHECK_EQ(flight(), 80 * MSS);
        CHECK_EQ(round_by(12, 70), 56 * MSS); /* in seven ACKs */
        CHECK_EQ(round_trip(70), 136 * MSS);  /* the last round had 70, too */
        CHECK(initial());
        begin_way(i, 40);
        for (k = 0; k < 3; k++)
            round_trip(40);
        g = round_by(4, 70); /* in twenty; the eighth may be cut */
        CHECKF(g >= 7 * 4 * MSS + 12 * MSS && g <= 8 * 4 * MSS + 15 * MSS,
               "grew by %u", g);
    }
}

/* It is the round's minimum that counts: one quick segment is enough. */
TEST(RFC9406_minimum_of_the_round)
{
    int i, k;
    EACH(i)
    {
        uint32_t was;
        begin_way(i, 40);
        for (k = 0; k < 3; k++)
            round_trip(40);
        was = cwnd();
        acked(1, 41);
        for (k = 1; k < 80; k++)
            acked(1, 70);
        CHECK_EQ(cwnd() - was, 80 * MSS);
        CHECK(initial());
    }
}

/* A delay that was always there is not an increase. */
TEST(RFC9406_first_round_has_none_to_compare)
{
    int i;
    EACH(i)
    {
        begin_way(i, 10);
        CHECK_EQ(round_trip(100), 10 * MSS);
        CHECK_EQ(round_trip(100), 20 * MSS);
        CHECK(initial());
    }
}

/* ---- conservative slow start -------------------------------------------- */

/* Into CSS in the fourth round: 106 or so segments */
static void css(int way)
{
    int k;
    begin_way(way, 40);
    for (k = 0; k < 3; k++)
        round_trip(40);
    CHECK_EQ(flight(), 80 * MSS);
    CHECK_LT(round_trip(60), 30u * MSS);
    CHECK(initial());
}

/* A quarter of the growth; after five rounds, the partial one counted,
   ssthresh is cwnd and congestion avoidance begins. */
TEST(RFC9406_css_lasts_five_rounds)
{
    int i, k;
    EACH(i)
    {
        css(i);
        for (k = 1; k < CSS_ROUNDS; k++) {
            uint32_t n = flight(), g = round_trip(60);
            CHECKF(g >= n / 4 - MSS && g <= n / 4 + MSS,
                   "round %d of CSS: %u segments, %u octets more", k, n / MSS,
                   g);
            CHECK(initial());
        }
        acked(1, 60);
        CHECK(!initial());
        CHECK_LE(ssthresh(), cwnd());
        CHECK_GE(ssthresh() + MSS, cwnd());
        CHECK_LE(round_trip(60), 2u * MSS); /* as Reno, or less */
        CHECK_EQ(COUNT(retransmits), 0);
    }
}

/* RFC9438-12, s4.10: CUBIC then begins with K = 0 and W_max = cwnd, and in
   the Reno-friendly region with alpha = 1. */
TEST(RFC9438_12_cubic_after_css)
{
    uint32_t was, g;
    int k;
    css(1);
    for (k = 1; k < CSS_ROUNDS; k++)
        round_trip(60);
    acked(1, 60);
    was = cwnd();
    for (k = 0; k < 10; k++)
        round_trip(60);
    g = cwnd() - was;
    CHECKF(g >= 9 * MSS && g <= 12 * MSS, "in ten rounds %u", g);
}

/* Below the baseline the increase was none of ours: back to slow start,
   with HyStart++, so that CSS can begin again. */
TEST(RFC9406_css_left_again)
{
    int i;
    EACH(i)
    {
        uint32_t n, g;
        css(i);
        n = flight();
        g = round_trip(45);
        CHECKF(g > n - 10 * MSS && g < n, "%u of %u", g, n);
        n = flight();
        CHECK_EQ(round_trip(45), n);
        CHECK(initial());
        n = flight();
        g = round_trip(65);
        CHECKF(g < n / 3, "%u of %u", g, n);
        CHECK(initial());
    }
}

/* Seven samples below it are not enough, nor is the baseline itself. */
TEST(RFC9406_css_not_left_for_less)
{
    int i;
    EACH(i)
    {
        uint32_t n, g, part;
        css(i);
        n = flight();
        part = n / MSS / 7 + 1; /* in seven ACKs */
        g = round_by(part, 45);
        CHECK_LE(g, n / 4 + MSS);
        n = flight();
        g = round_trip(60);
        CHECKF(g <= n / 4 + MSS, "%u of %u", g, n);
    }
}

/* L is eight here, too; and it is octets that count. */
TEST(RFC9406_css_counts_octets)
{
    int i, k;
    EACH(i)
    {
        uint32_t was, una;
        css(i);
        was = cwnd();
        acked(40, 60);
        CHECK_EQ(cwnd() - was, 2 * MSS);
        was = cwnd();
        una = stream_info().snd_una - w.iss;
        for (k = 1; k <= 1000; k++)
            ack(una + (uint32_t)k, sent[first % 4096].tsval);
        CHECK_LE(cwnd() - was, MSS / 4u);
    }
}

/* ---- only once ---------------------------------------------------------- */

/* s4.3: after a loss slow start is the old one: a growing delay does not
   end it before ssthresh. */
TEST(RFC9406_only_in_the_initial_slow_start)
{
    int i, k;
    EACH(i)
    {
        uint32_t high;
        begin_way(i, 40);
        for (k = 0; k < 4; k++)
            round_trip(40);
        CHECK_EQ(flight(), 160 * MSS);
        k = (int)COUNT(timeouts);
        while (COUNT(timeouts) == (uint64_t)k) { /* all lost */
            tcpsm_time d = tcpsm_deadline(w.c);
            if (d > w.p.now)
                w.p.now = d;
            stream_drain();
        }
        high = ssthresh();
        CHECK(!initial());
        CHECK_GE(high, 80u * MSS);
        CHECK_EQ(cwnd(), MSS);
        wait_until(w.p.now + 40000);
        first = next_; /* the peer had all but the first */
        ack(stream_info().snd_nxt - w.iss, w.tsval);
        CHECK_EQ(ssthresh(), high);
        CHECK_EQ(COUNT(undone), 0);
        pump();
        for (k = 0; k < 8 && cwnd() < high; k++) {
            uint32_t was = cwnd();
            uint32_t n = round_trip(40 + 25 * k);
            CHECKF(n + MSS >= was || cwnd() >= high, "from %u by %u", was, n);
            CHECK_EQ(ssthresh(), high);
        }
        CHECK_GE(cwnd(), high);
    }
}

/* A loss in CSS ends it like any: ssthresh is what the loss says. */
TEST(RFC9406_loss_in_css)
{
    int i;
    EACH(i)
    {
        uint32_t n;
        css(i);
        n = stream_info().snd_nxt - stream_info().snd_una;
        while (COUNT(timeouts) == 0) {
            tcpsm_time d = tcpsm_deadline(w.c);
            if (d > w.p.now)
                w.p.now = d;
            stream_drain();
        }
        CHECK(!initial());
        CHECK_GE(ssthresh(), n / 2 - MSS);
        CHECK_LE(ssthresh(), n * 7 / 10 + MSS);
    }
}

/* ---- on a path ---------------------------------------------------------- */

static pair p;

static void path(uint32_t flags, uint64_t queue)
{
    pair_options o;
    memset(&o, 0, sizeof o);
    o.cfg[0].flags = o.cfg[1].flags = flags;
    pair_init(&p, &o);
    p.no_laws = 1;
    p.net.link[PAIR_A].rate = 10000000;
    p.net.link[PAIR_A].delay_us = p.net.link[PAIR_B].delay_us = 20000;
    p.net.link[PAIR_A].queue_bytes = (uint32_t)queue;
    CHECK(pair_connect(&p));
    p.flow[PAIR_A].total = 20000000;
    pair_run(&p, 4000000);
}

/* 10 Mbit/s and 40 ms are 50 kB, before a queue that nothing overflows: no
   loss would ever end slow start. The round that begins with a standing
   queue has a window of about 230 kB; five rounds of a quarter more at
   most follow. */
TEST(RFC9406_ends_without_a_loss)
{
    static const uint32_t flags[] = {0, TCPSM_NO_TS, TCPSM_NO_SACK,
                                     TCPSM_NO_TS | TCPSM_NO_SACK};
    struct tcpsm_info i;
    int k;
    for (k = 0; k < 4; k++) {
        CONTEXT("flags %u", flags[k]);
        path(flags[k], 4000000);
        tcpsm_status(&p.c[PAIR_A], &i);
        CHECK_EQ(p.net.link[PAIR_A].stats.queue_drops, 0);
        CHECKF(i.ssthresh < 750000, "ssthresh %u", i.ssthresh);
        CHECK_GT(i.ssthresh, 90000u);
        CHECK_GT(p.flow[PAIR_A].got, 4000000u); /* and the link is full */
    }
}
