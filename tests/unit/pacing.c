/* TCPSM_PACE: data leaves at a rate, in bursts of two segments, a
   millisecond's worth or a clock tick's worth, whichever is most. Segments
   have 1000 octets. Most tests use a controller with a fixed window, so
   that the rate is fixed: it is the core that paces. */

#define PAIR_RING 2097152
#define PAIR_SLOTS 4096
#include "test.h"
#include "tcpsm.h"

#include "wire.h"

#include "../wire/stream.h"

enum { MSS = 1000 };

/* ---- a window that never changes ---------------------------------------- */

static uint32_t fixed_cwnd, fixed_ssthresh;

static void fix(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    (void)e;
    s->cwnd = fixed_cwnd;
    s->ssthresh = fixed_ssthresh;
}

static const tcpsm_cc fixed = {201, fix, fix, fix, fix, fix, fix, fix};

/* ---- what leaves when --------------------------------------------------- */

static struct {
    tcpsm_time at;
    uint32_t len, seq;
} out[4096];
static uint32_t outs;
static uint32_t tick; /* the caller's clock; 0: exact */

static void note(void)
{
    wire__take();
    if (w.seg.len == 0)
        return;
    CHECK_LT(outs, 4096u);
    out[outs].at = w.p.now;
    out[outs].seq = w.seg.seq - w.iss;
    out[outs++].len = w.seg.len;
}

static void now(void)
{
    for (;;) {
        wire__fill();
        if (w.q_n == 0)
            return;
        while (w.q_n > 0)
            note();
    }
}

/* Runs the connection for so long, as its deadlines say. */
static void run(double s)
{
    tcpsm_time end = w.p.now + (tcpsm_time)(s * 1e6 + 0.5), d;
    WIRE__STEP("run");
    for (;;) {
        now();
        d = tcpsm_deadline(w.c);
        if (tick && d != TCPSM_NEVER)
            d = (d + tick - 1) / tick * tick;
        if (d > end)
            break;
        CHECK_GT(d, w.p.now);
        w.p.now = d;
    }
    w.p.now = end;
}

static uint32_t octets(void)
{
    uint32_t i, n = 0;
    for (i = 0; i < outs; i++)
        n += out[i].len;
    return n;
}

/* No interval has more than the rate allows, and one burst. */
static void conforms(double rate, double burst)
{
    uint32_t i, k;
    for (i = 0; i < outs; i++) {
        double sum = 0;
        for (k = i; k < outs; k++) {
            double dt = (double)(out[k].at - out[i].at) / 1e6;
            sum += out[k].len;
            CHECKF(sum <= rate * dt * 1.01 + burst + MSS,
                   "%.0f octets in %.6f s from %.6f s on", sum, dt,
                   (double)(out[i].at - w.t0) / 1e6);
        }
    }
}

/* The most that left in one instant */
static uint32_t largest_burst(void)
{
    uint32_t i, n = 0, most = 0;
    for (i = 0; i < outs; i++) {
        n = i > 0 && out[i].at == out[i - 1].at ? n + out[i].len : out[i].len;
        most = n > most ? n : most;
    }
    return most;
}

/* Seconds from the first to the last */
static double took(void)
{
    return (double)(out[outs - 1].at - out[0].at) / 1e6;
}

static void handshake(double ms, uint32_t lost)
{
    OPEN();
    wire__fill();
    wire__take();
    while (lost-- > 0) { /* the SYN, sent again: no sample */
        w.p.now = tcpsm_deadline(w.c);
        wire__fill();
        wire__take();
    }
    w.p.now += (tcpsm_time)(ms * 1000);
    if (tick)
        w.p.now = (w.p.now + tick - 1) / tick * tick;
    w.peer_win = 65535;
    WIRE__STEP("SA 0 ack 1 mss %u win 65535 ws 7", MSS);
    wire__in_expect(0, 0);
    wire__fill();
    wire__take();
    STATE(TCPSM_ESTABLISHED);
    IN("A 1 ack 1");
    outs = 0;
}

/* Established; the window is so many segments, SRTT so many ms. */
static void begin(uint32_t segments, int slow_start, double ms)
{
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
    w.cfg.flags |= TCPSM_PACE | TCPSM_NODELAY;
    w.cfg.clock_us = tick;
    w.cfg.cc = &fixed;
    fixed_cwnd = segments * MSS;
    fixed_ssthresh = slow_start ? 0x3FFFFFFF : 2 * MSS;
    handshake(ms, 0);
}

static double rate(void)
{
    return stream_info().pacing_rate;
}

#define NEAR(a, b, part)                                                     \
    do {                                                                     \
        double a_ = (a), b_ = (b);                                           \
        CHECKF(a_ >= b_ * (1 - (part)) && a_ <= b_ * (1 + (part)),           \
               #a " is %.6f and not %.6f", a_, b_);                          \
    } while (0)

/* ---- the rate ----------------------------------------------------------- */

/* 100 segments in 100 ms: a window takes 80 ms at 1.25 of that, 50 ms at
   twice that in slow start. RFC9937-9 */
TEST(rate)
{
    static const struct {
        int slow;
        uint16_t start, steady;
        double factor;
    } row[] = {{0, 0, 0, 1.25},    {1, 0, 0, 2.0},     {0, 300, 100, 1.0},
               {1, 300, 100, 3.0}, {0, 25, 375, 3.75}, {1, 50, 200, 0.5}};
    uint32_t i;
    tick = 0;
    for (i = 0; i < 6; i++) {
        double want = row[i].factor * 100 * MSS / 0.1;
        CONTEXT("row %u", i);
        START();
        w.cfg.pace_start = row[i].start;
        w.cfg.pace_steady = row[i].steady;
        w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
        w.cfg.flags |= TCPSM_PACE;
        w.cfg.cc = &fixed;
        fixed_cwnd = 100 * MSS;
        fixed_ssthresh = row[i].slow ? 0x3FFFFFFF : 2 * MSS;
        handshake(100, 0);
        NEAR(rate(), want, 0.05);
        CHECK_EQ(stream_info().pacing, 1);
        SEND(100 * MSS);
        run(0.22);
        CHECK_EQ(octets(), 100 * MSS);
        conforms(rate(), want / 1000 > 2 * MSS ? want / 1000 : 2 * MSS);
        NEAR(took(), 100 * MSS / want, 0.06);
    }
}

/* Out of range is refused. */
TEST(configuration)
{
    static const uint16_t bad[] = {1, 24, 376, 65535};
    uint32_t i, k;
    for (i = 0; i < 4; i++)
        for (k = 0; k < 2; k++) {
            START();
            *(k ? &w.cfg.pace_start : &w.cfg.pace_steady) = bad[i];
            CHECK_EQ(tcpsm_init(w.c, &w.cfg), TCPSM_E_ARG);
        }
}

/* Off unless asked for: the window leaves at once. */
TEST(off_by_default)
{
    tick = 0;
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
    w.cfg.cc = &fixed;
    fixed_cwnd = 50 * MSS;
    fixed_ssthresh = 2 * MSS;
    handshake(100, 0);
    CHECK_EQ(stream_info().pacing, 0);
    CHECK_EQ(rate(), 0);
    SEND(100 * MSS);
    now();
    CHECK_EQ(octets(), 50 * MSS);
}

/* Without a sample there is no rate: the first window leaves at once. The
   first sample gives one. */
TEST(not_before_the_first_sample)
{
    tick = 0;
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
    w.cfg.flags |= TCPSM_PACE;
    w.cfg.cc = &fixed;
    fixed_cwnd = 20 * MSS;
    fixed_ssthresh = 2 * MSS;
    handshake(50, 1);
    CHECK_EQ(stream_info().srtt_us, 0);
    CHECK_EQ(rate(), 0);
    SEND(200 * MSS);
    now();
    CHECK_EQ(octets(), 20 * MSS);
    outs = 0;
    w.p.now += 100000;
    IN("A 1 ack 20001");
    NEAR(stream_info().srtt_us, 100000, 0.02);
    NEAR(rate(), 1.25 * 20 * MSS / 0.1, 0.05);
    run(0.09);
    CHECK_EQ(octets(), 20 * MSS);
    conforms(rate(), 2 * MSS);
    CHECK_GT(took(), 0.06);
}

/* ---- the bursts --------------------------------------------------------- */

/* Slow: two segments; fast: a millisecond's worth */
TEST(burst)
{
    static const uint32_t segments[] = {4, 50, 500, 1800};
    uint32_t i;
    tick = 0;
    for (i = 0; i < 4; i++) {
        uint32_t most;
        CONTEXT("%u segments", segments[i]);
        begin(segments[i], 0, 100);
        SEND(segments[i] * MSS);
        run(0.15);
        CHECK_EQ(octets(), segments[i] * MSS);
        most = segments[i] * 1250 / 100;
        most = most < 2 * MSS ? 2 * MSS : most;
        CHECK_GE(largest_burst(), 2u * MSS);
        CHECK_LE(largest_burst(), most + MSS);
        conforms(rate(), most);
        NEAR(took(), (segments[i] * MSS - most) / rate(),
             i == 0 ? 0.5 : 0.08);
    }
}

/* Law 3: one microsecond before the deadline there is nothing to do, and
   at it there is. (pair.h asks at every step; here it is told.) */
TEST(exact_deadlines)
{
    int k;
    tick = 0;
    begin(100, 0, 100);
    SEND(100 * MSS);
    for (k = 0; k < 30; k++) {
        tcpsm_time d;
        now();
        d = tcpsm_deadline(w.c);
        CHECK_GT(d, w.p.now);
        CHECK_LT(d, w.p.now + 5000);
        w.p.now = d - 1;
        outs = 0;
        now();
        CHECK_EQ(outs, 0);
        CHECK_EQ(tcpsm_deadline(w.c), d);
        w.p.now = d;
        now();
        CHECK_GE(outs, 1u);
    }
}

/* With a clock of 1 ms (and of 10 ms): as fast, and nothing more at once
   than ticks went by. A window in 80 ms: 12.5 segments a millisecond, or 2
   in 1.07 ms, so that what is late must not be lost. */
TEST(coarse_clock)
{
    static const struct {
        uint32_t tick, segments;
    } row[] = {{1000, 1000}, {4000, 1000}, {10000, 1000},
               {1000, 150},  {1000, 190},  {4000, 150}};
    uint32_t i;
    for (i = 0; i < 6; i++) {
        CONTEXT("tick %u, %u segments", row[i].tick, row[i].segments);
        tick = row[i].tick;
        begin(row[i].segments, 0, 100);
        SEND(row[i].segments * MSS);
        run(0.17);
        CHECK_EQ(octets(), row[i].segments * MSS);
        conforms(rate(), 2 * rate() * tick / 1e6 + 2 * MSS);
        CHECKF(took() < 0.08 * 1.15 + tick / 1e6, "took %.3f s", took());
        CHECKF(took() > 0.08 * 0.85 - 2 * tick / 1e6, "took %.3f s", took());
    }
    tick = 0;
}

/* A slow flow on a coarse clock is not faster than it should be. */
TEST(coarse_clock_slow_flow)
{
    tick = 10000;
    begin(10, 0, 100);
    SEND(10 * MSS);
    run(0.17);
    CHECK_EQ(octets(), 10 * MSS);
    conforms(rate(), 3 * MSS); /* a tick is 1250 octets */
    tick = 0;
}

/* After a pause nothing has been saved up. */
TEST(no_credit_from_idle_time)
{
    tick = 0;
    begin(100, 0, 100);
    SEND(20 * MSS);
    run(0.1);
    INF("A 1 ack %u", 20 * MSS + 1);
    run(0.15); /* less than an RTO: no restart */
    outs = 0;
    SEND(100 * MSS);
    now();
    CHECK_GE(octets(), 1u * MSS);
    CHECK_LE(octets(), 3u * MSS);
    run(0.1);
    conforms(rate(), 2 * MSS);
}

/* ... nor from an hour, nor past the wrap of 32-bit microseconds */
TEST(after_hours)
{
    static const double s[] = {60, 4294.9, 4295.0, 3 * 4294.967296, 1e6};
    uint32_t i;
    tick = 0;
    for (i = 0; i < 5; i++) {
        CONTEXT("after %.0f s", s[i]);
        begin(100, 0, 100);
        SEND(20 * MSS);
        run(0.1);
        INF("A 1 ack %u", 20 * MSS + 1);
        w.p.no_laws = 1;
        run(s[i]);
        w.p.no_laws = 0;
        outs = 0;
        SEND(100 * MSS);
        now();
        CHECKF(octets() >= MSS && octets() <= 3 * MSS, "%u at once",
               octets());
        run(0.1);
        CHECK_EQ(octets(), 100 * MSS);
        conforms(rate(), 2 * MSS);
    }
}

/* A segment now and then is not held back. */
TEST(interactive_is_not_delayed)
{
    uint32_t k;
    tick = 0;
    begin(10, 0, 100);
    for (k = 0; k < 40; k++) {
        outs = 0;
        SEND(100);
        now();
        CHECK_EQ(octets(), 100);
        run(0.02);
        INF("A 1 ack %u", 100 * k + 101);
    }
}

/* ---- with the rest ------------------------------------------------------ */

/* Trains (GSO) end with the burst: a millisecond's worth, at 1.25 or, in slow
   start, twice a window a round trip. */
static void trains(int slow, uint32_t least, uint32_t largest)
{
    static uint8_t buf[70000];
    tcpsm_out o;
    uint32_t k, total = 0, long_ones = 0, at_once = 0, most = 0;
    tick = 0;
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
    w.cfg.flags |= TCPSM_PACE | TCPSM_GSO;
    w.cfg.cc = &fixed;
    fixed_cwnd = 1000 * MSS;
    fixed_ssthresh = slow ? 0x3FFFFFFF : 2 * MSS;
    handshake(100, 0);
    SEND(1000 * MSS);
    for (k = 0; k < 2000 && total < 1000 * MSS; k++) {
        tcpsm_time d = tcpsm_deadline(w.c);
        tcpsm_ret n;
        CHECK(d != TCPSM_NEVER);
        if (d > w.p.now) {
            w.p.now = d;
            at_once = 0;
        }
        memset(&o, 0, sizeof o);
        o.buf = buf;
        o.cap = sizeof buf;
        n = tcpsm_output(w.c, &o, w.p.now);
        CHECK_GE(n, 0);
        if (n == 0)
            continue;
        n -= o.hdr_len;
        total += (uint32_t)n;
        at_once += (uint32_t)n;
        long_ones += o.segs > 1;
        most = at_once > most ? at_once : most;
    }
    CHECK_EQ(total, 1000 * MSS);
    CHECK_GT(long_ones, slow ? 30u : 50u);
    CHECKF(most >= least * MSS && most <= largest * MSS, "%u at once", most);
}
TEST(trains_are_bursts)
{
    trains(0, 10, 14);
}
TEST(trains_in_slow_start_are_longer)
{
    trains(1, 17, 22);
}

/* Switched off and on again in between */
TEST(set_pace)
{
    tick = 0;
    begin(100, 0, 100);
    SEND(200 * MSS);
    now();
    CHECK_LT(octets(), 5u * MSS);
    CHECK_GT(tcpsm_deadline(w.c), w.p.now);
    SET(TCPSM_SET_PACE, 0);
    CHECK_EQ(stream_info().pacing, 0);
    CHECK_EQ(rate(), 0);
    CHECK_LE(tcpsm_deadline(w.c), w.p.now);
    now();
    CHECK_EQ(octets(), 100 * MSS);
    SET(TCPSM_SET_PACE, 1);
    CHECK_EQ(stream_info().pacing, 1);
    run(0.1);
    outs = 0;
    INF("A 1 ack %u", 100 * MSS + 1);
    now();
    CHECK_LE(octets(), 3u * MSS);
    run(0.1);
    CHECK_EQ(octets(), 100 * MSS);
    conforms(rate(), 2 * MSS);
}

/* Before there is a connection, too */
TEST(set_pace_early)
{
    tick = 0;
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
    w.cfg.cc = &fixed;
    fixed_cwnd = 50 * MSS;
    fixed_ssthresh = 2 * MSS;
    wire__init();
    SET(TCPSM_SET_PACE, 1);
    handshake(100, 0);
    SEND(100 * MSS);
    now();
    CHECK_LE(octets(), 3u * MSS);
}

/* Law 7: held back by the gate alone, with nothing on the way */
TEST(never_stuck)
{
    uint32_t k, got = 0;
    tick = 0;
    begin(4, 0, 1000); /* 5 kB/s: 400 ms a burst */
    SEND(30 * MSS);
    for (k = 0; k < 60 && got < 30 * MSS; k++) {
        outs = 0;
        now();
        got += octets();
        if (octets())
            INF("A 1 ack %u", got + 1);
        now();
        CHECK(tcpsm_deadline(w.c) != TCPSM_NEVER || got == 30 * MSS);
        if (tcpsm_deadline(w.c) != TCPSM_NEVER)
            w.p.now = tcpsm_deadline(w.c);
    }
    CHECK_EQ(got, 30 * MSS);
}

/* The FIN goes out with or after the last segment. */
TEST(fin)
{
    tick = 0;
    begin(20, 0, 100);
    SEND(20 * MSS);
    SHUTDOWN();
    run(0.1);
    CHECK_EQ(octets(), 20 * MSS);
    STATE(TCPSM_FIN_WAIT_1);
    CHECK(w.seg.flags & PAIR_FIN);
    CHECK_LE(out[outs - 1].at, out[0].at + 80000);
}

/* A retransmission that recovery forces does not wait at the gate. */
TEST(fast_retransmit_at_once)
{
    uint32_t k;
    tick = 0;
    begin(20, 0, 100);
    SEND(60 * MSS);
    run(0.1);
    CHECK_EQ(octets(), 20 * MSS);
    IN("A 1 ack 4001");
    outs = 0;
    now(); /* the gate is closed now */
    CHECK_GT(tcpsm_deadline(w.c), w.p.now);
    for (k = 0; k < 3; k++)
        IN("A 1 ack 4001");
    outs = 0;
    now();
    CHECK_GE(outs, 1u);
    CHECK_EQ(out[0].seq, 4001);
    CHECK_EQ(COUNT(retransmits), 1);
}

/* So does the timer's. */
TEST(timeout_at_once)
{
    tcpsm_time d;
    tick = 0;
    begin(20, 0, 100);
    SEND(60 * MSS);
    run(0.1);
    CHECK_EQ(octets(), 20 * MSS);
    while (COUNT(timeouts) == 0) {
        d = tcpsm_deadline(w.c);
        if (d > w.p.now)
            w.p.now = d;
        outs = 0;
        CHECK(pair__output(&w.p, PAIR_A));
        while (w.q_n > 0)
            note();
    }
    now();
    CHECK_GE(outs, 1u);
    CHECK_EQ(out[0].seq, 1);
    CHECK_EQ(out[0].at, w.p.now);
}

/* What is sent in recovery is paced, too: everything was lost, and slow
   start sends it again. */
TEST(retransmissions_are_paced)
{
    uint32_t una = 1, k;
    tick = 0;
    begin(100, 0, 100);
    SEND(100 * MSS);
    run(0.1);
    CHECK_EQ(octets(), 100 * MSS);
    while (COUNT(timeouts) == 0) {
        w.p.now = tcpsm_deadline(w.c);
        wire__fill();
    }
    now();
    run(0.05);
    outs = 0;
    for (k = 0; k < 3; k++) {
        INF("A 1 ack %u", una += MSS);
        run(0.03);
    }
    CHECK_GT(outs, 6u);
    conforms(rate(), 2 * MSS);
}

/* Rates at both ends of what 32 bits hold: nothing overflows. */
TEST(extremes)
{
    tick = 0;
    START(); /* a window in a microsecond */
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
    w.cfg.flags |= TCPSM_PACE;
    w.cfg.cc = &fixed;
    fixed_cwnd = 0x3FFFFFFF;
    fixed_ssthresh = 0x3FFFFFFF;
    handshake(0, 0);
    CHECK_GT(rate(), 1e9);
    SEND(2000 * MSS);
    run(0.003);
    CHECK_EQ(octets(), 2000 * MSS);
    fixed_cwnd = MSS; /* a segment a minute */
    fixed_ssthresh = 2 * MSS;
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
    w.cfg.flags |= TCPSM_PACE;
    w.cfg.cc = &fixed;
    OPEN();
    wire__fill();
    wire__take();
    WIRE__STEP("SA 0 ack 1 mss %u win 65535 ws 7", MSS);
    wire__in_expect(0, 0);
    wire__fill();
    wire__take();
    outs = 0;
    SEND(5 * MSS);
    now();
    CHECK_GE(outs, 1u);
    CHECK(tcpsm_deadline(w.c) != TCPSM_NEVER);
}

/* Law 11: exported while the gate is closed: elsewhere, under another clock,
   it opens in time, and not at once. */
TEST(moved)
{
    static tcpsm_conn c2;
    static uint8_t blob[PAIR_RING + 65536], rcv[PAIR_RING], snd[PAIR_RING];
    static uint8_t buf[2048];
    static const tcpsm_time shift[] = {0, 5, 4294967296u, 123456789012u};
    uint32_t k;
    tick = 0;
    for (k = 0; k < 4; k++) {
        uint32_t n = 0, first = 0;
        tcpsm_time t, d;
        tcpsm_out o;
        tcpsm_ret r;
        CONTEXT("clock %" PRIu64 " us ahead", (uint64_t)shift[k]);
        begin(100, 0, 100);
        SEND(100 * MSS);
        now();
        CHECK_GT(tcpsm_deadline(w.c), w.p.now);
        r = tcpsm_export(w.c, blob, sizeof blob, w.p.now);
        CHECK_GT(r, 0);
        CHECK_EQ(tcpsm_init(&c2, &w.cfg), 0);
        tcpsm_attach(&c2, TCPSM_RECEIVE, rcv, sizeof rcv, NULL);
        tcpsm_attach(&c2, TCPSM_SEND, snd, sizeof snd, NULL);
        CHECK_EQ(
            tcpsm_import(&c2, &w.cfg, blob, (uint32_t)r, w.p.now + shift[k]),
            0);
        memset(&o, 0, sizeof o);
        o.buf = buf;
        o.cap = sizeof buf;
        for (t = w.p.now + shift[k]; t < w.p.now + shift[k] + 90000; t = d) {
            while ((r = tcpsm_output(&c2, &o, t)) > 0) {
                n += (uint32_t)r - o.hdr_len;
                first += t == w.p.now + shift[k];
            }
            d = tcpsm_deadline(&c2);
            CHECK_GT(d, t);
        }
        CHECK_LE(first, 2u);
        CHECKF(n >= 90 * MSS && n <= 100 * MSS, "%u octets", n);
    }
}

/* ---- on a path ---------------------------------------------------------- */

static pair p;

static double transfer(uint32_t flags, uint64_t *queue)
{
    pair_options o;
    tcpsm_time start;
    memset(&o, 0, sizeof o);
    o.cfg[0].flags = flags;
    pair_init(&p, &o);
    p.no_laws = 1;
    p.net.link[PAIR_A].rate = 50000000;
    p.net.link[PAIR_A].delay_us = p.net.link[PAIR_B].delay_us = 20000;
    p.net.link[PAIR_A].queue_bytes = 500000;
    CHECK(pair_connect(&p));
    start = p.now;
    p.flow[PAIR_A].total = 200000;
    p.flow[PAIR_A].shut = 1;
    while (!p.flow[PAIR_A].eof && pair_step(&p, start + 20 * PAIR_SECOND))
        ;
    CHECK(p.flow[PAIR_A].eof);
    *queue = p.net.link[PAIR_A].stats.max_queue_bytes;
    return (double)(p.now - start) / 1e6;
}

/* Two hundred kilobytes through slow start at 50 Mbit/s and 40 ms, less
   than the path holds: hardly slower, and no queue to speak of where the
   whole of a window stood before. */
TEST(shorter_queues_as_fast)
{
    uint64_t paced, plain;
    double a = transfer(TCPSM_PACE, &paced), b = transfer(0, &plain);
    CHECKF(a < b + 0.03, "%.3f s paced, %.3f s not", a, b);
    CHECKF(paced < plain / 2, "queue: %u paced, %u not", (unsigned)paced,
           (unsigned)plain);
}
