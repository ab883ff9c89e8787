/* >>cc: CUBIC in integers against RFC 9438 in double precision, one ACK at
   a time. The reference is written from the text of the RFC; figures and
   sections below are its. Windows of the reference are segments. */

#define PAIR_RING 262144
#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

#include "wire.h"

#include "../wire/stream.h"

static const tcpsm_cc cubic = {TCPSM_CC_CUBIC, NULL, NULL, NULL,
                               NULL,           NULL, NULL, NULL};

#define BETA 0.7
#define C 0.4
#define MS ((uint64_t)1000)
#define SEC ((uint64_t)1000000)
#define HIGHEST 0x3FFFFFFFu /* the header's largest window */

/* ---- the reference ------------------------------------------------------ */

/* No test is linked with libm. */
static double cube_root(double x)
{
    double y = x > 1 ? x : 1;
    int i;
    if (x <= 0)
        return 0;
    for (i = 0; i < 200; i++)
        y -= (y - x / (y * y)) / 3;
    return y;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

static double distance(double a, double b)
{
    return a > b ? a - b : b - a;
}

typedef struct {
    double cwnd, ssthresh, w_max, k, w_est, prior;
    double t;     /* seconds of this stage that count */
    int staged;   /* a congestion avoidance stage has begun */
    int timedout; /* s4.8: its first stage is to come */
} reference;

static double ref_w(const reference *r, double t)
{
    t -= r->k;
    return C * t * t * t + r->w_max; /* Figure 1 */
}

/* s4.2: the stage begins; s4.8: after a timeout K is 0 */
static void ref_stage(reference *r)
{
    r->staged = 1;
    r->t = 0;
    r->w_est = r->cwnd; /* s4.3 */
    if (r->timedout || r->w_max < r->cwnd)
        r->w_max = r->cwnd;
    r->timedout = 0;
    r->k = cube_root((r->w_max - r->cwnd) / C); /* Figure 2 */
}

static void ref_acked(reference *r, double acked, double dt, double rtt)
{
    double alpha = 3 * (1 - BETA) / (1 + BETA), target;
    if (r->cwnd < r->ssthresh) {
        r->cwnd += acked < 8 ? acked : 8; /* RFC 9406's L */
        return;
    }
    if (r->staged)
        r->t += dt;
    else
        ref_stage(r);
    if (r->w_est >= r->prior)
        alpha = 1;
    r->w_est += alpha * acked / r->cwnd; /* Figure 4 */
    if (ref_w(r, r->t) < r->w_est) {
        r->cwnd = larger(r->cwnd, r->w_est);
        return;
    }
    target = ref_w(r, r->t + rtt);
    target = smaller(larger(target, r->cwnd), 1.5 * r->cwnd);
    r->cwnd += (target - r->cwnd) / r->cwnd * acked; /* s4.4, s4.5 */
}

static void ref_reduce(reference *r, double flight, double beta)
{
    r->w_max = r->cwnd < r->w_max ? r->cwnd * (1 + BETA) / 2 : r->cwnd;
    r->prior = r->cwnd;
    r->ssthresh = larger(flight * beta, 2);
    r->staged = r->timedout = 0;
}

/* ---- both at once ------------------------------------------------------- */

typedef struct {
    tcpsm_cc_state s;
    reference r;
    uint64_t now, last;
    uint32_t mss, rtt, round_end;
    double worst; /* the largest difference so far, relative */
} twin;

static tcpsm_cc_event event(const twin *t, uint32_t acked)
{
    tcpsm_cc_event e;
    memset(&e, 0, sizeof e);
    e.now = t->now;
    e.mss = t->mss;
    e.initial_window = 10 * t->mss;
    e.flight = t->s.cwnd;
    e.acked = acked;
    e.rtt_us = e.srtt_us = e.min_rtt_us = t->rtt;
    return e;
}

static double segments(const twin *t)
{
    return (double)t->s.cwnd / (double)t->mss;
}

static void compare(twin *t, double most)
{
    double d = distance(segments(t), t->r.cwnd),
           limit = 0.5 + most * t->r.cwnd;
    if (d / (t->r.cwnd + 1) > t->worst)
        t->worst = d / (t->r.cwnd + 1);
    CHECKF(d <= limit,
           "cwnd is %.3f segments and not %.3f, %.3f s into the stage "
           "(K %.3f, W_max %.2f, W_est %.2f)",
           segments(t), t->r.cwnd, t->r.t, t->r.k, t->r.w_max, t->r.w_est);
}

static void acked(twin *t, uint32_t n, double most)
{
    tcpsm_cc_event e = event(t, n);
    uint32_t was = t->s.cwnd;
    tcpsm__cc_call(&cubic, TCPSM__CC_ACKED, &t->s, &e);
    CHECK_GE(t->s.cwnd, was); /* an ACK takes nothing away */
    if (most < 0)
        return;
    ref_acked(&t->r, (double)n / (double)t->mss,
              (double)(t->now - t->last) / 1e6, (double)t->rtt / 1e6);
    t->last = t->now;
    if (t->r.cwnd * (double)t->mss > HIGHEST)
        t->r.cwnd = (double)HIGHEST / (double)t->mss;
    compare(t, most);
}

/* us of full windows, each ACK for n bytes */
static void run(twin *t, uint64_t us, uint32_t n, double most)
{
    uint64_t end = t->now + us;
    uint32_t acks, i;
    while (t->now < end) {
        uint64_t start = t->now;
        acks = t->s.cwnd / n;
        acks = acks ? acks : 1;
        for (i = 1; i <= acks && t->now < end; i++) {
            t->now = start + (uint64_t)t->rtt * i / acks;
            acked(t, n, most);
        }
    }
}

/* Fast recovery began and is over, a round trip later: PRR leaves cwnd at
   ssthresh (RFC 9937 s6.4). */
static void loss(twin *t)
{
    tcpsm_cc_event e = event(t, 0);
    tcpsm__cc_call(&cubic, TCPSM__CC_LOSS, &t->s, &e);
    ref_reduce(&t->r, t->r.cwnd, BETA);
    t->s.cwnd = t->s.ssthresh;
    t->r.cwnd = t->r.ssthresh;
    t->now += t->rtt;
    t->last = t->now;
}

static void timeout(twin *t, int again)
{
    tcpsm_cc_event e = event(t, 0);
    e.again = (uint8_t)again;
    tcpsm__cc_call(&cubic, TCPSM__CC_TIMEOUT, &t->s, &e);
    if (!again)
        ref_reduce(&t->r, t->r.cwnd, BETA);
    t->r.timedout = 1;
    t->r.staged = 0;
    t->r.cwnd = 1;
    t->now += t->rtt;
    t->last = t->now;
}

/* A window of so many segments in the initial slow start */
static void begin(twin *t, uint32_t mss, uint32_t rtt, double window)
{
    tcpsm_cc_event e;
    memset(t, 0, sizeof *t);
    t->now = t->last = 5 * SEC;
    t->mss = mss;
    t->rtt = rtt;
    e = event(t, 0);
    tcpsm__cc_call(&cubic, TCPSM__CC_INIT, &t->s, &e);
    CHECK_EQ(t->s.cwnd, 10 * mss);
    CHECK_GE(t->s.ssthresh, HIGHEST / 2);
    t->s.cwnd = (uint32_t)(window * mss);
    t->r.cwnd = window;
    t->r.ssthresh = 1e12;
}

/* ---- the window function ------------------------------------------------ */

/* RFC9438-5, -6, -7: 0.7 of cwnd, which does not grow unused, and not of
   what was in flight */
TEST(multiplicative_decrease)
{
    twin t;
    tcpsm_cc_event e;
    begin(&t, 1000, 100000, 100);
    loss(&t);
    CHECK_EQ(t.s.ssthresh, 70000);
    begin(&t, 1000, 100000, 100);
    e = event(&t, 0);
    e.flight = 50000;
    tcpsm__cc_call(&cubic, TCPSM__CC_LOSS, &t.s, &e);
    CHECK_EQ(t.s.ssthresh, 70000);
    begin(&t, 1000, 100000, 100);
    timeout(&t, 0);
    CHECK_EQ(t.s.ssthresh, 70000);
    CHECK_EQ(t.s.cwnd, 1000);
}

/* RFC9438-2, -4: W_max 1000 segments: K = cbrt(300 / 0.4) = 9.086 s. At K
   the window is W_max again; it came there ever slower and leaves ever
   faster. 200 ms keep the Reno-friendly region away. */
TEST(concave_then_convex)
{
    twin t;
    double at[7], last;
    int i;
    begin(&t, 1000, 200000, 1000);
    loss(&t);
    CHECK_EQ(t.s.cwnd, 700000);
    last = segments(&t);
    for (i = 0; i < 7; i++) {
        run(&t, 3 * SEC, 1000, 0.01);
        at[i] = segments(&t) - last;
        last = segments(&t);
        if (i == 2) /* t is 9 s */
            CHECKF(last > 990 && last < 1005, "at K: %.1f", last);
    }
    CHECKF(at[0] > 1.5 * at[1] && at[1] > 1.5 * at[2],
           "concave: %.1f %.1f "
           "%.1f",
           at[0], at[1], at[2]);
    CHECKF(at[4] > 1.5 * at[3] && at[5] > 1.5 * at[4] && at[6] > at[5],
           "convex: %.1f %.1f %.1f %.1f", at[3], at[4], at[5], at[6]);
}

/* RFC9438-2, -4 on a grid of windows, round trips, segment sizes and of
   segments acknowledged at once, through three losses */
TEST(against_the_reference)
{
    static const uint32_t mss[] = {536, 1460, 8960};
    static const uint32_t rtt[] = {1000, 20000, 100000, 300000};
    static const double window[] = {4, 30, 300, 3000};
    uint32_t m, k, i, j;
    for (m = 0; m < 3; m++)
        for (k = 0; k < 4; k++)
            for (i = 0; i < 4; i++) {
                twin t;
                uint32_t n =
                    (window[i] < 100 ? 1 : (uint32_t)window[i] / 20) * mss[m];
                CONTEXT("mss %u, rtt %u us, window %.0f", mss[m], rtt[k],
                        window[i]);
                begin(&t, mss[m], rtt[k], window[i]);
                for (j = 0; j < 3; j++) {
                    loss(&t);
                    run(&t, rtt[k] < 10000 ? SEC / 4 : rtt[k] * 60, n,
                        window[i] < 10 ? 0.02 : 0.01);
                    if (rtt[k] * window[i] < 1e4)
                        break; /* Reno's growth has no end there */
                }
            }
}

/* The averages that the RFC predicts (s5.1, tables 1 and 2), for one loss
   every 1/p packets */
TEST(average_windows_of_the_rfc)
{
    static const struct {
        uint32_t rtt, packets;
        double average;
    } row[] = {{100000, 100, 12},       {100000, 1000, 38},
               {100000, 10000, 187},    {100000, 100000, 1054},
               {100000, 1000000, 5926}, {10000, 1000, 38},
               {10000, 100000, 379}};
    uint32_t i, k, n;
    for (i = 0; i < sizeof row / sizeof *row; i++) {
        twin t;
        double sum = 0, time = 0, sent, average;
        CONTEXT("p = 1 / %u, rtt %u us", row[i].packets, row[i].rtt);
        begin(&t, 1460, row[i].rtt, row[i].average);
        n = row[i].packets > 10000 ? 10 : 1;
        for (k = 0; k < 24; k++) {
            loss(&t);
            for (sent = 0; sent < row[i].packets; sent += n) {
                double dt = t.rtt / 1e6 * n / segments(&t);
                t.now += (uint64_t)(dt * 1e6 + 0.5);
                acked(&t, n * 1460, -1);
                if (k >= 8) {
                    sum += segments(&t) * dt;
                    time += dt;
                }
            }
        }
        average = sum / time;
        CHECKF(distance(average / row[i].average, 1) < 0.15,
               "average window %.1f and not %.0f", average, row[i].average);
    }
}

/* RFC9438-3: where Reno would have more, as much as Reno: alpha is 9/17 of
   a segment a round trip up to cwnd_prior, then one */
TEST(reno_friendly_region)
{
    twin t;
    uint32_t i;
    begin(&t, 1000, 10000, 40);
    loss(&t);
    CHECK_EQ(t.s.cwnd, 28000);
    for (i = 0; i < 20; i++)
        run(&t, 10000, 1000, 0.01);
    CHECKF(distance(segments(&t), 28 + 20 * 9.0 / 17) < 0.7, "%.2f",
           segments(&t));
    while (segments(&t) < 40.2)
        run(&t, 10000, 1000, 0.02);
    {
        double was = segments(&t);
        for (i = 0; i < 10; i++)
            run(&t, 10000, 1000, 0.02);
        CHECKF(distance(segments(&t), was + 10) < 1, "%.2f in ten rounds",
               segments(&t) - was);
    }
}

/* s4.3 counts octets: the same with whole, half and stretched ACKs */
TEST(reno_friendly_counts_octets)
{
    static const uint32_t piece[] = {100, 500, 1000, 2000, 7000};
    uint32_t i;
    for (i = 0; i < 5; i++) {
        twin t;
        CONTEXT("%u octets an ACK", piece[i]);
        begin(&t, 1000, 10000, 40);
        loss(&t);
        run(&t, 200000, piece[i], 0.02);
        CHECKF(piece[i] > 2000 || distance(segments(&t), 38.6) < 1.1, "%.2f",
               segments(&t)); /* few large ones fall short of a window */
    }
}

/* s4.2: at most half as much again in a round trip, however late it is */
TEST(no_faster_than_half_a_window_a_round_trip)
{
    twin t;
    uint32_t i;
    begin(&t, 1460, 200000, 500);
    loss(&t);
    run(&t, t.rtt, 1460, 0.01);
    t.now += 3000 * SEC; /* no ACK for long: this would be 10^10 segments */
    t.rtt = 200000;
    acked(&t, 1460, -1);
    for (i = 0; i < 5; i++) {
        uint32_t was = t.s.cwnd;
        run(&t, t.rtt, 1460, -1);
        CHECK_LE(t.s.cwnd, was + was / 2 + was / 4); /* e^0.5 is 1.65 */
    }
}

/* ---- convergence -------------------------------------------------------- */

/* RFC9438-9: a loss below W_max: W_max is 0.85 of cwnd, and the plateau is
   there */
TEST(fast_convergence)
{
    twin t;
    begin(&t, 1000, 200000, 1000);
    loss(&t);
    run(&t, SEC, 1000, 0.01);
    t.s.cwnd = 800000;
    t.r.cwnd = 800;
    loss(&t); /* W_max 680, K = cbrt(120 / 0.4) = 6.69 s */
    CHECK_EQ(t.s.cwnd, 560000);
    run(&t, 6700 * MS, 1000, 0.01);
    CHECKF(segments(&t) > 675 && segments(&t) < 685, "plateau at %.1f",
           segments(&t));
    run(&t, 2 * SEC, 1000, 0.01);
}

/* Above W_max it is not: the plateau is where the loss was */
TEST(no_fast_convergence_above_w_max)
{
    twin t;
    begin(&t, 1000, 200000, 1000);
    loss(&t);
    run(&t, SEC, 1000, 0.01);
    t.s.cwnd = 1200000;
    t.r.cwnd = 1200;
    loss(&t); /* W_max 1200, K = cbrt(360 / 0.4) = 9.65 s */
    run(&t, 9700 * MS, 1000, 0.01);
    CHECKF(segments(&t) > 1194 && segments(&t) < 1206, "plateau at %.1f",
           segments(&t));
}

/* ---- time that does not count ------------------------------------------- */

/* RFC9438-1, s5.8: two minutes in which the application had little to say
   are as if they had not been */
TEST(application_limited_time)
{
    twin t;
    uint64_t end;
    double before;
    begin(&t, 1000, 100000, 500);
    loss(&t);
    run(&t, 4 * SEC, 1000, 0.01);
    before = segments(&t);
    for (end = t.now + 120 * SEC; t.now < end; t.now += 50000) {
        tcpsm_cc_event e = event(&t, 500);
        e.flight = 2000;
        e.app_limited = 1;
        tcpsm__cc_call(&cubic, TCPSM__CC_ACKED, &t.s, &e);
        CHECK_EQ(t.s.cwnd, (uint32_t)(before * 1000 + 0.5));
    }
    t.last = t.now;
    run(&t, 8 * SEC, 1000, 0.02);
}

/* The same in pieces: every second round trip is limited */
TEST(application_limited_now_and_then)
{
    twin t;
    int i;
    begin(&t, 1000, 100000, 500);
    loss(&t);
    for (i = 0; i < 60; i++) {
        tcpsm_cc_event e;
        run(&t, 200000, 1000, 0.02);
        e = event(&t, 500);
        e.app_limited = 1;
        tcpsm__cc_call(&cubic, TCPSM__CC_ACKED, &t.s, &e);
        t.now += 100000;
        e = event(&t, 500);
        e.app_limited = 1;
        tcpsm__cc_call(&cubic, TCPSM__CC_ACKED, &t.s, &e);
        t.last = t.now;
    }
}

/* And an hour in which nothing was sent: it starts again from the restart
   window (RFC5681-14), and what comes back is slow start to ssthresh and
   then no leap. */
TEST(idle_time)
{
    twin t;
    tcpsm_cc_event e;
    double was;
    int i;
    begin(&t, 1000, 100000, 500);
    loss(&t);
    run(&t, 4 * SEC, 1000, 0.01);
    was = segments(&t);
    t.now += 3600 * SEC;
    e = event(&t, 0);
    e.flight = 0;
    tcpsm__cc_call(&cubic, TCPSM__CC_IDLE, &t.s, &e);
    CHECK_LE(t.s.cwnd, 10000u);
    CHECK_LE(t.s.ssthresh, (uint32_t)(was * 1000 + 1));
    for (i = 0; i < 10; i++)
        run(&t, t.rtt, 1000, -1);
    CHECKF(segments(&t) < was + 30, "%.1f, and was %.1f", segments(&t), was);
}

/* ---- timeouts ----------------------------------------------------------- */

/* RFC9438-10: after a timeout slow start up to 0.7 of the flight, then
   convex from there: K is 0 and W_max the window at that time */
TEST(after_a_timeout)
{
    twin t;
    begin(&t, 1000, 200000, 500);
    timeout(&t, 0);
    CHECK_EQ(t.s.ssthresh, 350000);
    while (t.s.cwnd < t.s.ssthresh)
        acked(&t, 1000, 0.01);
    CHECK_EQ(t.s.cwnd, 350000);
    run(&t, 12 * SEC, 1000, 0.01);
    CHECK_GT(segments(&t), 900.0); /* 350 + 0.4 * 12^3 is 1041 */
}

/* The first stage only: a loss in it is like any */
TEST(after_a_timeout_a_loss)
{
    twin t;
    begin(&t, 1000, 200000, 500);
    timeout(&t, 0);
    while (t.s.cwnd < t.s.ssthresh)
        acked(&t, 1000, 0.01);
    run(&t, 10 * SEC, 1000, 0.01);
    loss(&t);
    run(&t, 12 * SEC, 1000, 0.01);
}

/* RFC5681-8: the same data again: ssthresh is held */
TEST(timeouts_in_a_row)
{
    twin t;
    begin(&t, 1000, 200000, 500);
    timeout(&t, 0);
    CHECK_EQ(t.s.ssthresh, 350000);
    timeout(&t, 1);
    timeout(&t, 1);
    CHECK_EQ(t.s.ssthresh, 350000);
    CHECK_EQ(t.s.cwnd, 1000);
    while (t.s.cwnd < t.s.ssthresh)
        acked(&t, 1000, 0.01);
    run(&t, 5 * SEC, 1000, 0.01);
}

/* ---- floors ------------------------------------------------------------- */

/* RFC9438-6: never less than two segments on loss */
TEST(floors_on_loss)
{
    static const uint32_t window[] = {1000, 1999, 2000, 2857, 3000};
    uint32_t i;
    for (i = 0; i < 5; i++) {
        twin t;
        tcpsm_cc_event e;
        begin(&t, 1000, 50000, 4);
        t.s.cwnd = window[i];
        e = event(&t, 0);
        tcpsm__cc_call(&cubic, TCPSM__CC_LOSS, &t.s, &e);
        CHECK_EQ(t.s.ssthresh, window[i] <= 2857 ? 2000 : 2100);
        t.s.cwnd = window[i];
        tcpsm__cc_call(&cubic, TCPSM__CC_TIMEOUT, &t.s, &e);
        CHECK_EQ(t.s.cwnd, 1000);
        CHECK_GE(t.s.ssthresh, 2000u);
        CHECK_LE(t.s.ssthresh, 2100u);
    }
}

/* Windows of two segments: they come out of it as Reno's would */
TEST(from_two_segments)
{
    static const uint32_t rtt[] = {1000, 50000, 400000};
    uint32_t i;
    for (i = 0; i < 3; i++) {
        twin t;
        CONTEXT("rtt %u us", rtt[i]);
        begin(&t, 1460, rtt[i], 2);
        loss(&t);
        CHECK_EQ(t.s.cwnd, 2920);
        t.r.prior = t.r.ssthresh / BETA; /* as if there were no floor */
        run(&t, 30 * (uint64_t)rtt[i], 1460, 0.02);
        CHECK_GT(segments(&t), 14.0);
    }
}

/* RFC9438-8: on ECE cwnd goes down to one segment; ssthresh to two. RFC
   8511: by 0.85, not 0.7. */
TEST(floors_on_ecn)
{
    twin t;
    int i;
    tcpsm_cc_event e;
    begin(&t, 1000, 50000, 100);
    e = event(&t, 0);
    tcpsm__cc_call(&cubic, TCPSM__CC_ECN, &t.s, &e);
    CHECK_EQ(t.s.ssthresh, 85000);
    CHECK_EQ(t.s.cwnd, 85000);
    for (i = 0; i < 60; i++) {
        uint32_t was = t.s.cwnd;
        e = event(&t, 0);
        tcpsm__cc_call(&cubic, TCPSM__CC_ECN, &t.s, &e);
        CHECK(t.s.cwnd < was || was == 1000);
        CHECK_GE(t.s.cwnd, 1000u);
        CHECK_GE(t.s.ssthresh, 2000u);
    }
    CHECK_EQ(t.s.cwnd, 1000);
    CHECK_EQ(t.s.ssthresh, 2000);
}

/* An ECN reduction begins a stage like a loss does */
TEST(ecn_begins_a_stage)
{
    twin t;
    tcpsm_cc_event e;
    begin(&t, 1000, 200000, 1000);
    e = event(&t, 0);
    tcpsm__cc_call(&cubic, TCPSM__CC_ECN, &t.s, &e);
    ref_reduce(&t.r, 1000, 0.85);
    t.r.cwnd = 850;
    t.now += t.rtt;
    t.last = t.now;
    run(&t, 10 * SEC, 1000, 0.01);
}

/* ---- 32 bits ------------------------------------------------------------ */

/* 10 Gbit/s x 200 ms: 171 000 segments; K is 50 s. Nothing wraps on the
   way down, up to W_max, and far beyond it. */
TEST(ten_gigabit)
{
    twin t;
    begin(&t, 1460, 200000, 171233);
    loss(&t);
    CHECK_EQ(t.s.ssthresh / 1460, 119863);
    run(&t, 30 * SEC, 44 * 1460, 0.01);
    run(&t, 60 * SEC, 440 * 1460, 0.01);
    CHECK_GT(segments(&t), 190000.0);
    loss(&t);
    run(&t, 10 * SEC, 440 * 1460, 0.01);
}

/* The largest window there can be, and small segments */
TEST(largest_windows)
{
    static const uint32_t mss[] = {1, 48, 1460, 65000};
    uint32_t i;
    for (i = 0; i < 4; i++) {
        twin t;
        CONTEXT("mss %u", mss[i]);
        begin(&t, mss[i], 200000, (double)(HIGHEST / mss[i]));
        loss(&t);
        CHECK_GE(t.s.cwnd, (uint32_t)(HIGHEST * 0.699));
        CHECK_LE(t.s.cwnd, (uint32_t)(HIGHEST * 0.7) + 1);
        run(&t, 4 * SEC, HIGHEST / 100, mss[i] > 10 ? 0.01 : -1);
        CHECK_LE(t.s.cwnd, HIGHEST);
        run(&t, 400 * SEC, HIGHEST / 10, -1);
        CHECK_LE(t.s.cwnd, HIGHEST);
    }
}

/* Hours and days without a loss, past 2^32 us and 2^32 ms: an ACK never
   takes anything away (acked() tests it) and never gives more than half of
   what it acknowledges. */
TEST(stages_of_days)
{
    static const uint64_t far[] = {
        60 * SEC,    4294 * SEC,    4295 * SEC,        4296 * SEC,
        86400 * SEC, 4294967 * SEC, (uint64_t)1 << 43, (uint64_t)1 << 52};
    uint32_t i, k;
    for (i = 0; i < 8; i++) {
        twin t;
        CONTEXT("after %.0f s", (double)far[i] / 1e6);
        begin(&t, 1460, 200000, 1000);
        loss(&t);
        run(&t, 2 * SEC, 1460, 0.01);
        t.now += far[i];
        for (k = 0; k < 40; k++) { /* in eighths of a window at the most */
            uint32_t was = t.s.cwnd, n = 0;
            for (; n < was / 8; n += 1460) {
                t.now += 200;
                acked(&t, 1460, -1);
            }
            CHECK_LE(t.s.cwnd, was + was / 8);
        }
        CHECK_GE(segments(&t), 1000 * BETA);
    }
}

/* One stage, ACKs all the time, across the wrap of 32-bit microseconds and
   with a clock that begins anywhere */
TEST(any_clock)
{
    static const uint64_t start[] = {0, 4290 * SEC, ((uint64_t)1 << 32) - 1,
                                     ((uint64_t)1 << 42) - 3 * SEC,
                                     UINT64_MAX - 200 * SEC};
    uint32_t i;
    for (i = 0; i < 5; i++) {
        twin t;
        CONTEXT("clock from %" PRIu64, start[i]);
        begin(&t, 1460, 100000, 300);
        t.now = t.last = start[i] + 1;
        loss(&t);
        run(&t, 15 * SEC, 1460, 0.01);
    }
}

/* Whatever happens, and in any order: within bounds. */
TEST(bounds)
{
    static const int what[] = {TCPSM__CC_INIT,    TCPSM__CC_LOSS,
                               TCPSM__CC_TIMEOUT, TCPSM__CC_IDLE,
                               TCPSM__CC_ECN,     TCPSM__CC_UNDO};
    uint64_t r = 3;
    uint32_t i;
    twin t;
    begin(&t, 1460, 100000, 10);
    for (i = 0; i < 300000; i++) {
        tcpsm_cc_event e;
        uint32_t was = t.s.cwnd;
        r = r * 6364136223846793005u + 1442695040888963407u;
        t.now += r >> (20 + (r >> 59));
        if ((r >> 50) % 64 == 0)
            t.mss = 1 + (uint32_t)(r >> 40) % 9000;
        t.rtt = (uint32_t)(r >> 34);
        e = event(&t, (uint32_t)(r >> 20) % 0x3FFFFFFF);
        e.flight = (uint32_t)(r >> 33);
        e.app_limited = (uint8_t)(r >> 41 & 1);
        e.again = (uint8_t)(r >> 40 & 1);
        e.round_start = (uint8_t)(r >> 42 & 1);
        if (r >> 59 < 6) {
            tcpsm__cc_call(&cubic, what[r >> 59], &t.s, &e);
        } else {
            tcpsm__cc_call(&cubic, TCPSM__CC_ACKED, &t.s, &e);
            CHECK(t.s.cwnd >= was || was < t.mss);
            CHECK(t.s.cwnd <= (uint64_t)was + e.acked + was / 8 + t.mss);
        }
        CHECK_GE(t.s.cwnd, t.mss);
        CHECK_LE(t.s.cwnd, HIGHEST);
        CHECK_GE(t.s.ssthresh, 2 * t.mss);
        CHECK_LE(t.s.ssthresh, HIGHEST);
    }
}

/* ---- undo --------------------------------------------------------------- */

/* RFC9438-11: a reduction that was spurious: cwnd and ssthresh are as they
   were when `undo` is called, and the window goes on from there: it does
   not fall behind by more than it would have grown, and does not leap. */
TEST(undo)
{
    twin t;
    tcpsm_cc_state was;
    tcpsm_cc_event e;
    begin(&t, 1000, 200000, 1000);
    loss(&t);
    run(&t, 9 * SEC, 1000, 0.01); /* on the plateau, at 1000 */
    was = t.s;
    e = event(&t, 0);
    tcpsm__cc_call(&cubic, TCPSM__CC_LOSS, &t.s, &e);
    t.now += t.rtt;
    t.s.cwnd = was.cwnd;
    t.s.ssthresh = was.ssthresh;
    e = event(&t, 0);
    tcpsm__cc_call(&cubic, TCPSM__CC_UNDO, &t.s, &e);
    CHECK_EQ(t.s.cwnd, was.cwnd);
    CHECK_EQ(t.s.ssthresh, was.ssthresh);
    run(&t, 5 * SEC, 1000, -1);
    /* 0.4 * 5^3 is 50; from a fresh stage with K 0 the same */
    CHECKF(segments(&t) > 1020 && segments(&t) < 1100, "%.1f", segments(&t));
}

/* ---- in a connection ---------------------------------------------------- */

/* The default is CUBIC: 0.7 and not a half of the ten segments. */
TEST(default_controller)
{
    struct tcpsm_info i;
    START();
    OPENED("mss 1000 win 65535");
    i = stream_info();
    CHECK_EQ(i.cc_id, TCPSM_CC_CUBIC);
    SEND(60000);
    FLIGHT(1, 10, 1000);
    CHECK_EQ(stream_info().cwnd, 10000);
    AT(0.2);
    OUT("A 1 ack 1 len 1000");
    CHECK_EQ(stream_info().ssthresh, 7000);
    CHECK_EQ(stream_info().cwnd, 1000);
}

TEST(newreno_selected)
{
    static const tcpsm_cc reno = {
        TCPSM_CC_NEWRENO, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    START();
    w.cfg.cc = &reno;
    OPENED("mss 1000 win 65535");
    CHECK_EQ(stream_info().cc_id, TCPSM_CC_NEWRENO);
    SEND(60000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    OUT("A 1 ack 1 len 1000");
    CHECK_EQ(stream_info().ssthresh, 5000);
}

static uint8_t elsewhere_rcv[PAIR_RING], elsewhere_snd[PAIR_RING];

static void drain(tcpsm_conn *c, tcpsm_time now)
{
    static uint8_t buf[2048];
    tcpsm_out o;
    memset(&o, 0, sizeof o);
    o.buf = buf;
    o.cap = sizeof buf;
    while (tcpsm_output(c, &o, now) > 0)
        ;
}

/* Law 11: moved in the middle of a stage to a machine with another clock,
   the window goes on as if it had not been. */
TEST(moved_in_the_middle_of_a_stage)
{
    static tcpsm_conn c2;
    static uint8_t blob[2 * PAIR_RING];
    struct tcpsm_info a, b;
    tcpsm_time shift = 0;
    uint32_t ack, k, growth = 0;
    tcpsm_ret n;
    START();
    w.p.no_laws = 1;
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
    OPENED("mss 1000 win 65535 ws 4");
    IN("A 1 ack 1");
    SEND(200000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    OUT("A 1 ack 1 len 1000");
    INF("A 1 ack 10001");
    ack = 10001;
    for (k = 0; k < 4000; k++) {
        wire__send(4000, 0);
        drain(w.c, w.p.now);
        w.p.now += 1000 + k / 50;
        ack = w.c->snd_una - w.iss + 1000;
        wire__step(__FILE__, __LINE__, "A 1 ack %u", ack);
        wire__build(w.text);
        CHECK_EQ(tcpsm_input(w.c, &w.in, w.p.now), 0);
        if (k == 2000) {
            drain(w.c, w.p.now);
            n = tcpsm_export(w.c, blob, sizeof blob, w.p.now);
            CHECK_GT(n, 0);
            shift = 7777777777u;
            CHECK_EQ(tcpsm_init(&c2, &w.cfg), 0);
            tcpsm_attach(&c2, TCPSM_RECEIVE, elsewhere_rcv, PAIR_RING, NULL);
            tcpsm_attach(&c2, TCPSM_SEND, elsewhere_snd, PAIR_RING, NULL);
            CHECK_EQ(
                tcpsm_import(&c2, &w.cfg, blob, (uint32_t)n, w.p.now + shift),
                0);
            tcpsm_status(w.c, &a);
            growth = a.cwnd;
        }
        if (k > 2000) {
            static uint8_t some[4000];
            CHECK_EQ(tcpsm_input(&c2, &w.in, w.p.now + shift), 0);
            tcpsm_send(&c2, some, sizeof some, 0);
            drain(&c2, w.p.now + shift);
            tcpsm_status(w.c, &a);
            tcpsm_status(&c2, &b);
            CHECK_EQ(a.cc_id, b.cc_id);
            CHECKF(b.cwnd <= a.cwnd + 1000 && a.cwnd <= b.cwnd + 1000,
                   "%u here and %u there after %u ACKs", a.cwnd, b.cwnd,
                   k - 2000);
        }
    }
    tcpsm_status(w.c, &a);
    CHECK_GT(a.cwnd, growth + 3000); /* it did grow meanwhile */
}
