/* smoke.c - the goals, each measured - 0BSD
   A row is a function that runs in a process of its own and prints lines
   `name | measured | goal | ok` by verdict(). Seeds are fixed: the same
   header gives the same lines everywhere. */

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"
#include "pair.h"

#define MBIT ((uint64_t)1000000)

static int missed;

__attribute__((format(printf, 4, 5))) static void
verdict(int good, const char *name, const char *goal, const char *fmt, ...)
{
    char measured[160];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(measured, sizeof measured, fmt, ap);
    va_end(ap);
    printf("%-34s %-44s %-34s %s\n", name, measured, goal,
           good ? "ok" : "MISSED");
    missed |= !good;
}

static tcpsm_config with(const tcpsm_cc *cc, uint32_t flags)
{
    tcpsm_config k;

    memset(&k, 0, sizeof k);
    k.cc = cc;
    k.flags = flags;
    return k;
}

/* A bulk flow that has run for so long; the laboratory is still there. */
static lab_flow *bulk(lab *l, const tcpsm_config *k, tcpsm_time us)
{
    lab_flow *f = l->flows ? l->flow[0] : lab_add(l, k, NULL);

    lab_open(l, f);
    lab_run(l, l->now + us);
    return f;
}

static double share(const lab *l, uint64_t bytes, tcpsm_time us)
{
    return (double)bytes / ((double)us / 1e6) / lab_payload_rate(l->rate);
}

/* ---- does the simulator tell the truth? -------------------------------- */

static void row_simulator(void)
{
    static const struct {
        uint64_t rate;
        tcpsm_time rtt;
        uint32_t window;
    } t[] = {
        {100 * MBIT, 20000, 20},     {100 * MBIT, 20000, 150},
        {100 * MBIT, 20000, 190},    {10 * MBIT, 200000, 40},
        {1 * MBIT, 1000, 10},        {1000 * MBIT, 1000, 30},
        {10000 * MBIT, 20000, 1000},
    };
    double worst = 0, off, want, got, round;
    tcpsm_config k = with(&lab_fixed, TCPSM_NO_PROBE), b = with(NULL, 0);
    size_t i;

    b.ack_every = 1;
    for (i = 0; i < sizeof t / sizeof *t; i++) {
        lab *l = lab_new(t[i].rate, t[i].rtt, 0, 1);
        tcpsm_time us = 10 * LAB_S + 20 * t[i].rtt;
        lab_flow *f;
        uint64_t was;

        if (t[i].rate > 500 * MBIT)
            us = LAB_S;
        lab_fixed_segments = t[i].window;
        lab_add(l, &k, &b);
        f = bulk(l, &k, LAB_S / 2 + 4 * t[i].rtt);
        was = f->got;
        lab_run(l, l->now + us);
        /* a window each round trip: propagation, and the serialization of
           a segment and of its ACK; or what the link carries */
        round = (double)t[i].rtt / 1e6 +
                (LAB_PACKET + 52) * 8.0 / (double)t[i].rate;
        want = t[i].window * (double)LAB_PAYLOAD / round;
        if (want > lab_payload_rate(t[i].rate))
            want = lab_payload_rate(t[i].rate);
        got = (double)(f->got - was) / ((double)us / 1e6);
        off = fabs(got / want - 1);
        if (off > worst)
            worst = off;
        lab_free(l);
    }
    verdict(worst <= 0.01, "simulator-fixed-window", "within 1 %",
            "%.2f %% from W/RTT or the rate, worst of %d", worst * 100,
            (int)i);
}

/* ---- the tail of a flow ------------------------------------------------ */

static struct {
    uint64_t from, to; /* of the stream: dropped when first sent */
    tcpsm_time ref;    /* when the probe's timer was last set anew */
    tcpsm_time probe;  /* when anything was sent again */
    uint64_t una;
} tail;

static unsigned drop_tail(lab *l, const lab_event *e)
{
    (void)l;
    return e->side == 0 && e->len != 0 && !e->again && e->at >= tail.from &&
                   e->at < tail.to
               ? NETSIM_DO_DROP
               : 0;
}

static void watch_tail(lab *l, const lab_event *e)
{
    if (e->what == LAB_SENT && e->side == 0 && e->len != 0) {
        if (!e->again && tail.probe == 0)
            tail.ref = l->now;
        else if (e->again && tail.probe == 0)
            tail.probe = l->now;
    } else if (e->what == LAB_TAKEN && e->side == 1 && tail.probe == 0)
        tail.ref = l->now; /* RFC 8985 s7.2: an ACK sets it anew */
}

static uint64_t goal_una;

static int acknowledged(lab *l)
{
    return l->flow[0]->una >= goal_una;
}

/* A flow that has sent for a while and paused sends n segments, of which
   the last `lost` are dropped; a fifth of a percent more is lost at random. */
typedef struct {
    int probed, repaired, no_timeout;
    double probe, repair; /* in SRTT */
} tail_result;

static tail_result one_tail(uint64_t seed, uint32_t n, uint32_t lost,
                            uint64_t rate, tcpsm_time rtt)
{
    tcpsm_config k = with(NULL, TCPSM_NODELAY);
    lab *l = lab_new(rate, rtt, 0, seed);
    lab_flow *f = lab_add(l, &k, NULL);
    struct tcpsm_info info;
    tail_result r;
    double slack = 5.0 * LAB_PACKET * 8 / (double)rate * 1e6;
    double allow, wait;
    uint64_t timeouts, goal;
    int i;

    memset(&r, 0, sizeof r);
    memset(&tail, 0, sizeof tail);
    tail.from = tail.to = LAB_ENDLESS;
    f->total = 0;
    lab_open(l, f);
    lab_until(l, lab_established, l->now + LAB_S);
    for (i = 0; i < 8; i++) {
        f->total += 12 * (uint64_t)LAB_PAYLOAD;
        lab_more(l, f);
        lab_run(l, l->now + 3 * rtt + 100 * LAB_MS);
    }
    goal = f->total + n * (uint64_t)LAB_PAYLOAD;
    tail.from = goal - lost * (uint64_t)LAB_PAYLOAD;
    tail.to = goal;
    l->script = drop_tail;
    l->watch = watch_tail;
    l->net.link[0].loss_ppm = 2000;
    timeouts = f->n[0].timeouts;
    f->total = goal;
    lab_more(l, f);
    lab_info(f, 0, &info);
    while (f->una < goal) {
        goal_una = goal;
        if (tail.probe == 0)
            lab_info(f, 0, &info);
        if (lab_until(l, acknowledged, l->now + LAB_MS))
            break;
        if (l->now > 100 * LAB_S)
            break;
    }
    /* the maximum ACK delay, if one segment is in flight (RFC8985-12) */
    allow = 2.0 * info.srtt_us + (info.flight <= LAB_PAYLOAD ? 200000 : 0);
    wait = (double)tail.probe - (double)tail.ref;
    r.probe = wait / info.srtt_us;
    r.probed = wait <= allow + slack;
    r.repair = ((double)l->now - (double)tail.ref) / info.srtt_us;
    r.repaired = (double)l->now - (double)tail.ref <=
                 allow + 2.0 * info.srtt_us + slack;
    r.no_timeout = f->n[0].timeouts == timeouts;
    lab_free(l);
    return r;
}

static void row_tail(void)
{
    static const tcpsm_time rtts[] = {1000, 20000, 60000, 200000};
    int probed = 0, repaired = 0, four = 0, quiet = 0, all = 0, i;
    double probe = 0, repair = 0;
    uint64_t dice = 11;

    for (i = 0; i < 400; i++) {
        uint32_t lost = 1 + (uint32_t)(i / 4) % 4;
        uint32_t n = lost + (uint32_t)lab_random(&dice, 30);
        tail_result r =
            one_tail((uint64_t)i + 1, n, lost, 100 * MBIT, rtts[i % 4]);

        if (getenv("LAB_DEBUG") &&
            (!r.probed || !r.no_timeout || (lost == 4 && !r.repaired)))
            fprintf(stderr,
                    "tail %d: %u of %u lost, rtt %d ms: probe %.2f repair "
                    "%.2f SRTT%s\n",
                    i + 1, lost, n, (int)(rtts[i % 4] / 1000), r.probe,
                    r.repair, r.no_timeout ? "" : ", RTO");
        all++;
        probed += r.probed;
        quiet += r.no_timeout;
        probe += r.probe;
        if (lost == 4) {
            four++;
            repaired += r.repaired;
            repair += r.repair;
        }
    }
    verdict(probed >= all * 0.95, "tail-probe", "in 95 % by 2 SRTT",
            "%.1f %% of %d, mean %.2f SRTT", 100.0 * probed / all, all,
            probe / all);
    verdict(repaired >= four * 0.95, "tail-of-4-repaired",
            "in 95 % by 4 SRTT", "%.1f %% of %d, mean %.2f SRTT",
            100.0 * repaired / four, four, repair / four);
    verdict(quiet >= all * 0.95, "tail-without-timeout", "in 95 % no RTO",
            "%.1f %% of %d", 100.0 * quiet / all, all);
}

/* ---- reordering -------------------------------------------------------- */

static void row_reordering(void)
{
    static const uint32_t part[] = {16, 8, 4},
                          much[] = {10000, 100000, 300000};
    static const tcpsm_time rtts[] = {20000, 100000};
    uint64_t spurious = 0, packets = 0, before;
    double least = 1, x;
    int i, j, k;

    for (i = 0; i < 3; i++)
        for (j = 0; j < 3; j++)
            for (k = 0; k < 2; k++) {
                /* a queue that never overflows: this is not about loss */
                lab *l = lab_new(20 * MBIT, rtts[k],
                                 100 * lab_bdp(20 * MBIT, rtts[k]), 5);
                tcpsm_config c = with(NULL, 0);
                struct tcpsm_info info;
                lab_flow *f;
                uint64_t was;

                l->net.link[0].reorder_ppm = much[j];
                l->net.link[0].reorder_us = rtts[k] / part[i];
                /* the first round: that there is reordering at all must
                   have been seen once */
                f = bulk(l, &c, LAB_S / 2);
                do {
                    lab_run(l, l->now + LAB_S / 10);
                    lab_info(f, 0, &info);
                } while (!info.reordering && l->now < 4 * LAB_S);
                lab_run(l, l->now + 2 * rtts[k]);
                before = f->spurious;
                was = f->got;
                lab_run(l, l->now + 5 * LAB_S);
                spurious += f->spurious - before;
                packets += f->packets;
                x = share(l, f->got - was, 5 * LAB_S);
                if (getenv("LAB_DEBUG"))
                    fprintf(stderr,
                            "reorder %u ppm by RTT/%u, %d ms: %.0f of %.0f "
                            "needlessly, %.3f of the link\n",
                            much[j], part[i], (int)(rtts[k] / 1000),
                            (double)(f->spurious - before) / LAB_PAYLOAD,
                            (double)f->packets, x);
                if (x < least)
                    least = x;
                lab_free(l);
            }
    verdict(spurious == 0, "reordering-to-min-RTT/4",
            "nothing sent needlessly", "%.0f of %.0f segments, 18 cells",
            ceil((double)spurious / LAB_PAYLOAD), (double)packets);
    verdict(least >= 0.85, "reordering-goodput", "at least 0.85 of the link",
            "%.3f, the least of 18 cells", least);
}

/* ---- heavy loss, damage, copies ---------------------------------------- */

static void row_loss_20(void)
{
    double worst = 0, sum = 0, t;
    int i;

    for (i = 0; i < 20; i++) {
        lab *l = lab_new(10 * MBIT, 20000, 0, (uint64_t)i + 1);
        tcpsm_config k = with(NULL, 0);
        lab_flow *f = lab_add(l, &k, NULL);

        l->net.link[0].loss_ppm = 200000;
        f->total = 1000000;
        lab_open(l, f);
        lab_until(l, lab_all_done, l->now + 600 * LAB_S);
        t = f->done ? (double)(f->done - f->opened) / 1e6 : 600;
        sum += t;
        if (t > worst)
            worst = t;
        lab_free(l);
    }
    verdict(worst <= 30, "loss-20-percent", "1 MB in at most 30 s, 20 ms",
            "worst of 20 %.1f s, mean %.1f s", worst, sum / 20);
}

static void row_damage(void)
{
    uint64_t wrong = 0, got = 0, damaged = 0, copied = 0;
    int i, stuck = 0;

    for (i = 0; i < 6; i++) {
        lab *l = lab_new(20 * MBIT, 10000, 0, (uint64_t)i + 1);
        tcpsm_config k = with(i & 1 ? &lab_reno : NULL, 0);
        lab_flow *f;
        int d;

        l->whole = 1;
        f = lab_add(l, &k, NULL);
        for (d = 0; d < 2; d++) {
            l->net.link[d].corrupt_ppm = 10000;
            l->net.link[d].copy_ppm = 50000;
            l->net.link[d].copy_us = 3000;
            l->net.link[d].reorder_ppm = 20000;
            l->net.link[d].reorder_us = 2000;
        }
        f->total = 2000000;
        lab_open(l, f);
        lab_until(l, lab_all_done, l->now + 120 * LAB_S);
        stuck += f->done == 0;
        wrong += f->wrong;
        got += f->got;
        for (d = 0; d < 2; d++) {
            damaged += l->net.link[d].stats.damaged;
            copied += l->net.link[d].stats.copied;
        }
        lab_free(l);
    }
    verdict(wrong == 0 && !stuck && damaged > 50 && copied > 500,
            "corruption-and-duplication", "no wrong byte, nothing missing",
            "%.0f wrong of %.0f MB; %.0f bits, %.0f copies", (double)wrong,
            (double)got / 1e6, (double)damaged, (double)copied);
}

/* ---- two seconds of silence -------------------------------------------- */

static struct {
    tcpsm_time from, to;
    tcpsm_time last_before, first_after;
    uint32_t gap_limit;
    uint64_t window_got;
} black;

static void watch_black(lab *l, const lab_event *e)
{
    if (e->what != LAB_SENT || e->side != 0 || e->len == 0)
        return;
    if (l->now < black.to)
        black.last_before = l->now;
    else if (black.first_after == 0)
        black.first_after = l->now;
}

static void one_blackout(const tcpsm_cc *cc, tcpsm_time rtt, double *late,
                         double *rounds)
{
    uint64_t rate = 20 * MBIT, bdp = lab_bdp(rate, rtt);
    lab *l = lab_new(rate, rtt, 3 * bdp, 3);
    tcpsm_config k = with(cc, 0);
    struct tcpsm_info info;
    lab_flow *f = bulk(l, &k, 8 * LAB_S);
    double doubling, limit;
    uint64_t was;

    memset(&black, 0, sizeof black);
    l->black_from = black.from = l->now;
    l->black_to = black.to = l->now + 2 * LAB_S;
    l->watch = watch_black;
    lab_run(l, black.to - 1);
    lab_info(f, 0, &info);
    /* what the timer was set to when it was last set */
    limit = (double)info.rto_us;
    if (getenv("LAB_DEBUG"))
        fprintf(stderr, "rto %u backoff %u cwnd %u ssthresh %u last %.3f\n",
                info.rto_us, info.backoff, info.cwnd, info.ssthresh,
                (double)(black.to - black.last_before) / 1e6);
    lab_run(l, black.to + 20 * LAB_S > black.to ? black.to : black.to);
    while (black.first_after == 0 && l->now < black.to + 20 * LAB_S)
        lab_run(l, l->now + LAB_MS);
    *late = ((double)black.first_after - (double)black.last_before) / limit;
    /* from the first retransmission that arrives: one segment, then twice
       as many each round, until a round carries what the link carries */
    doubling = ceil(log2((double)bdp / LAB_PAYLOAD)) + 1;
    l->now = l->now < black.first_after ? black.first_after : l->now;
    for (;;) {
        was = f->got;
        lab_run(l, l->now + rtt);
        if (share(l, f->got - was, rtt) >= 0.95 ||
            l->now > black.to + 60 * LAB_S)
            break;
    }
    *rounds =
        (double)(l->now - rtt - black.first_after) / (double)rtt - doubling;
    lab_free(l);
}

static void row_blackout(void)
{
    static const tcpsm_time rtts[] = {20000, 50000, 100000};
    double late = 0, rounds = -99, a, b;
    int i, j;

    for (i = 0; i < 3; i++)
        for (j = 0; j < 2; j++) {
            one_blackout(j ? &lab_reno : NULL, rtts[i], &a, &b);
            if (getenv("LAB_DEBUG"))
                fprintf(stderr, "%d %d: %.2f %.2f\n", i, j, a, b);
            late = a > late ? a : late;
            rounds = b > rounds ? b : rounds;
        }
    verdict(late <= 1.01, "blackout-first-retransmission",
            "by the backed-off RTO", "%.2f of that RTO after the one before",
            late);
    verdict(rounds <= 2, "blackout-full-rate",
            "2 RTT after slow start's doubling",
            "%+.1f RTT, the worst of 6 cells", rounds);
}

/* ---- sharing ----------------------------------------------------------- */

static double two_flows(uint64_t rate, tcpsm_time rtt, uint64_t queue,
                        const tcpsm_cc *a, const tcpsm_cc *b, tcpsm_time us,
                        uint64_t seed)
{
    lab *l = lab_new(rate, rtt, queue, seed);
    tcpsm_config ka = with(a, 0), kb = with(b, 0);
    lab_flow *f = lab_add(l, &ka, NULL), *g = lab_add(l, &kb, NULL);
    double r;

    l->jitter = LAB_PACKET * 8 * LAB_S / rate;
    lab_open(l, f);
    lab_run(l, l->now + rtt * 3 + 777);
    lab_open(l, g);
    lab_run(l, l->now + us);
    r = (double)f->got / (double)(f->got + g->got);
    lab_free(l);
    return r;
}

static void row_fairness(void)
{
    int j;

    for (j = 0; j < 2; j++) {
        const tcpsm_cc *cc = j ? &lab_reno : &lab_cubic;
        double worst = 0, x;
        uint64_t seed;

        for (seed = 1; seed <= 4; seed++) {
            x = two_flows(10 * MBIT, 20000, 0, cc, cc, 60 * LAB_S, seed);
            if (getenv("LAB_DEBUG"))
                fprintf(stderr, "fair %d: %.3f\n", j, x);
            x = fabs(2 * x - 1);
            worst = x > worst ? x : worst;
        }
        verdict(worst <= 0.10, j ? "fairness-newreno" : "fairness-cubic",
                "60 s, within 10 % of a half", "%.1f %% off, the worst of 4",
                worst * 100);
    }
}

static void row_coexist(void)
{
    double sum = 0, x;
    uint64_t seed;

    /* where CUBIC follows Reno (RFC 9438 s4.3, s5.1) */
    for (seed = 1; seed <= 4; seed++)
        sum += two_flows(10 * MBIT, 20000, 0, &lab_cubic, &lab_reno,
                         60 * LAB_S, seed) /
               4;
    x = sum / (1 - sum);
    verdict(x >= 0.67 && x <= 1.5, "coexist-reno-friendly",
            "CUBIC : NewReno 0.67 to 1.5", "%.2f at 10 Mbit/s, 20 ms", x);
}

static void row_coexist_long(void)
{
    double x = two_flows(200 * MBIT, 100000, 0, &lab_cubic, &lab_reno,
                         60 * LAB_S, 1);

    /* and where it uses what Reno leaves (s5.2) */
    x = x / (1 - x);
    verdict(x >= 1.5, "coexist-long-fat", "CUBIC : NewReno at least 1.5",
            "%.2f at 200 Mbit/s, 100 ms", x);
}

/* ---- the response function (RFC 9438 s5, tables 1 and 2) --------------- */

static uint64_t every, counted;

static unsigned drop_every(lab *l, const lab_event *e)
{
    (void)l;
    if (e->side != 0 || e->len == 0 || e->again)
        return 0;
    return ++counted % every == 0 ? NETSIM_DO_DROP : NETSIM_DO_KEEP;
}

/* The average window, in segments, when one in n is lost */
static double response(const tcpsm_cc *cc, uint64_t n, tcpsm_time rtt,
                       uint64_t drops)
{
    lab *l = lab_new(2000 * MBIT, rtt, 0, 1);
    tcpsm_config k = with(cc, TCPSM_NO_PROBE), b = with(NULL, 0);
    lab_flow *f;
    tcpsm_time began = 0;
    uint64_t from = 0;

    b.ack_every = 1;
    every = n;
    counted = n - 20; /* an early first loss ends slow start */
    l->script = drop_every;
    f = lab_add(l, &k, &b);
    lab_open(l, f);
    while (counted < (drops + 4) * n && l->now < 20000 * LAB_S) {
        lab_run(l, l->now + rtt);
        if (began == 0 && counted >= 5 * n) {
            began = l->now;
            from = f->got;
        }
    }
    if (getenv("LAB_DEBUG"))
        fprintf(stderr, "response 1/%d: %.1f rtos %d\n", (int)n,
                (double)(f->got - from) / LAB_PAYLOAD /
                    ((double)(l->now - began) / (double)rtt),
                (int)f->n[0].timeouts);
    from = f->got - from;
    began = l->now - began;
    lab_free(l);
    return (double)from / LAB_PAYLOAD / ((double)began / (double)rtt);
}

static void row_response(void)
{
    static const struct {
        const char *name;
        const tcpsm_cc *cc;
        uint64_t n;
        tcpsm_time rtt;
        double want;
    } t[] = {
        {"response-newreno-1e-3-100ms", &lab_reno, 1000, 100000, 38},
        {"response-cubic-1e-3-10ms", &lab_cubic, 1000, 10000, 38},
        {"response-cubic-1e-4-100ms", &lab_cubic, 10000, 100000, 187},
        {"response-cubic-1e-5-100ms", &lab_cubic, 100000, 100000, 1054},
    };
    size_t i;

    for (i = 0; i < sizeof t / sizeof *t; i++) {
        double x =
            response(t[i].cc, t[i].n, t[i].rtt, t[i].n > 50000 ? 5 : 25);
        char goal[40];

        snprintf(goal, sizeof goal, "%.0f segments +- 20 %%", t[i].want);
        verdict(fabs(x / t[i].want - 1) <= 0.2, t[i].name, goal,
                "%.1f on average (%+.0f %%)", x, 100 * x / t[i].want - 100);
    }
}

/* ---- what SACK is worth ------------------------------------------------ */

static double lossy(const tcpsm_cc *cc, tcpsm_time rtt, uint32_t flags,
                    uint64_t seed)
{
    lab *l = lab_new(10 * MBIT, rtt, 0, seed);
    tcpsm_config k = with(cc, flags);
    lab_flow *f;
    double r;

    l->net.link[0].loss_ppm = 50000;
    f = bulk(l, &k, 30 * LAB_S);
    r = share(l, f->got, 30 * LAB_S);
    if (getenv("LAB_DEBUG"))
        fprintf(stderr,
                "5 %% loss, %d ms, flags %u: %.3f, %.0f again, %.0f RTO\n",
                (int)(rtt / 1000), flags, r, (double)f->again_packets,
                (double)f->n[0].timeouts);
    lab_free(l);
    return r;
}

static void sack_gain(const char *name, const tcpsm_cc *cc, tcpsm_time rtt)
{
    double with_it = 0, without = 0;
    uint64_t seed;

    for (seed = 1; seed <= 4; seed++) {
        with_it += lossy(cc, rtt, 0, seed) / 4;
        without += lossy(cc, rtt, TCPSM_NO_SACK, seed) / 4;
    }
    verdict(with_it >= 1.5 * without, name, "at least 1.5 times without SACK",
            "%.2f times (%.3f to %.3f of the link)", with_it / without,
            with_it, without);
}

static void row_sack(void)
{
    /* Where recovery is the limit: at 5 % loss CUBIC's window is about 5
       segments whatever recovery does, which fills 10 Mbit/s at 1 ms; and
       with a window that does not shrink. */
    lab_fixed_segments = 20;
    sack_gain("sack-gain-loss-5", NULL, 1000);
    sack_gain("sack-gain-loss-5-fixed-window", &lab_fixed, 20000);
}

/* ---- a connection to which nobody lent tables ---- */

static void row_inline(void)
{
    static const struct {
        const char *trouble;
        uint64_t rate;
        tcpsm_time rtt;
    } t[] = {
        {"none", 10 * MBIT, 40000},       {"loss-1", 10 * MBIT, 40000},
        {"loss-5", 10 * MBIT, 40000},     {"bursts", 10 * MBIT, 40000},
        {"reorder-10", 10 * MBIT, 40000}, {"none", 100 * MBIT, 20000},
    };
    double least = 9, got[2];
    size_t i;
    int p;

    for (i = 0; i < sizeof t / sizeof *t; i++) {
        for (p = 0; p < 2; p++) {
            lab *l = lab_new(t[i].rate, t[i].rtt,
                             2 * lab_bdp(t[i].rate, t[i].rtt), 1);
            uint32_t flags = 0;
            tcpsm_config k;

            lab_trouble(l, lab_trouble_by_name(t[i].trouble), 20 * LAB_S,
                        &flags);
            k = with(NULL, flags);
            l->inline_tables = (uint8_t)p;
            got[p] = share(l, bulk(l, &k, 20 * LAB_S)->got, 20 * LAB_S);
            lab_free(l);
        }
        if (getenv("LAB_DEBUG"))
            fprintf(stderr, "%s, %d Mbit/s: lent %.3f, inline %.3f\n",
                    t[i].trouble, (int)(t[i].rate / MBIT), got[0], got[1]);
        if (got[1] / got[0] < least)
            least = got[1] / got[0];
    }
    verdict(least >= 0.9, "inline-tables", "at least 0.90 of largest tables'",
            "%.2f times their goodput, worst of %d", least, (int)i);
}

/* ---- an MTU black hole ------------------------------------------------- */

static void row_hole(void)
{
    static const uint32_t holes[] = {1499, 1400, 1280};
    double worst = 0, t;
    int i, j, stuck = 0;

    for (i = 0; i < 3; i++)
        for (j = 0; j < 2; j++) {
            lab *l = lab_new(10 * MBIT, 40000, 0, 1);
            tcpsm_config k = with(NULL, 0);
            lab_flow *f = lab_add(l, &k, NULL);
            tcpsm_time from;

            l->hole_bytes = holes[i];
            l->hole_from = j ? l->now + LAB_S : 0;
            f->total = 3000000;
            lab_open(l, f);
            from = j ? l->hole_from : l->now;
            lab_until(l, lab_all_done, l->now + 100 * LAB_S);
            t = (double)((f->done ? f->done : l->now) - from) / 1e6;
            stuck += f->done == 0;
            if (getenv("LAB_DEBUG"))
                fprintf(stderr, "hole %u %d: %.1f s, holes %d\n", holes[i], j,
                        t, (int)f->n[0].mtu_holes);
            worst = t > worst ? t : worst;
            lab_free(l);
        }
    verdict(!stuck && worst <= 15, "mtu-black-hole",
            "no ICMP: 3 MB at 10 Mbit/s in 15 s",
            "%.1f s, the worst of 6; %d never", worst, stuck);
}

/* ---- ECN --------------------------------------------------------------- */

static void row_ecn(void)
{
    static const uint32_t flags[] = {TCPSM_ECN, TCPSM_ACCECN, TCPSM_ECN,
                                     TCPSM_ACCECN};
    double queue = 0, least = 1, plain, x;
    uint64_t drops = 0, again = 0, cuts = ~(uint64_t)0;
    int i;

    for (i = 0; i < 4; i++) {
        uint64_t bdp = lab_bdp(50 * MBIT, 20000);
        lab *l = lab_new(50 * MBIT, 20000, 4 * bdp, 1);
        tcpsm_config k = with(i < 2 ? NULL : &lab_reno, flags[i]);
        lab_flow *f;

        l->net.link[0].mark_bytes = (uint32_t)(bdp / 2);
        f = bulk(l, &k, LAB_S);
        l->queue_sum = 0;
        l->queue_n = 0;
        again = f->got;
        lab_run(l, l->now + 14 * LAB_S);
        x = share(l, f->got - again, 14 * LAB_S);
        least = x < least ? x : least;
        x = l->queue_sum / (double)l->queue_n / (double)bdp;
        queue = x > queue ? x : queue;
        drops += l->net.link[0].stats.queue_drops + f->again_packets;
        if (f->n[0].ecn_reductions < cuts)
            cuts = f->n[0].ecn_reductions;
        lab_free(l);
    }
    {
        uint64_t bdp = lab_bdp(50 * MBIT, 20000);
        lab *l = lab_new(50 * MBIT, 20000, 4 * bdp, 1);

        bulk(l, NULL, 15 * LAB_S);
        plain = l->queue_sum / (double)l->queue_n / (double)bdp;
        lab_free(l);
    }
    verdict(drops == 0 && cuts > 0, "ecn-no-loss", "nothing lost or resent",
            "%.0f packets; at least %.0f reductions", (double)drops,
            (double)cuts);
    verdict(queue <= 0.55, "ecn-queue", "mean at most 0.55 BDP, marks at 0.5",
            "%.2f BDP (without ECN %.2f)", queue, plain);
    verdict(least >= 0.95, "ecn-goodput", "at least 0.95 of the link",
            "%.3f, the least of 4", least);
}

/* ---- pacing: on or off by measurement ---------------------------------- */

/* Flows of 1 to 100 segments, paced: their times divided by those of flows
   that are not, the mean and the worst */
static void paced_short(double *mean, double *most)
{
    static const uint32_t size[] = {1, 4, 10, 20, 50, 100};
    static const double depth[] = {0.1, 1};
    static const tcpsm_time rtts[] = {5000, 20000, 100000};
    int i, j, q, p, n = 0;
    double t[2];

    *mean = *most = 0;
    for (q = 0; q < 2; q++)
        for (j = 0; j < 3; j++)
            for (i = 0; i < 6; i++) {
                for (p = 0; p < 2; p++) {
                    double queue =
                        (double)lab_bdp(50 * MBIT, rtts[j]) * depth[q];
                    lab *l = lab_new(50 * MBIT, rtts[j],
                                     (uint64_t)queue + 15000, 1);
                    tcpsm_config k = with(NULL, p ? TCPSM_PACE : 0);
                    lab_flow *f = lab_add(l, &k, NULL);

                    f->total = size[i] * (uint64_t)LAB_PAYLOAD;
                    lab_open(l, f);
                    lab_until(l, lab_all_done, l->now + 60 * LAB_S);
                    t[p] = (double)(f->done - f->opened);
                    lab_free(l);
                }
                if (getenv("LAB_DEBUG"))
                    fprintf(stderr,
                            "queue %.1f BDP, %3d ms, %3u segments: off %.1f "
                            "ms, on %.1f ms\n",
                            depth[q], (int)(rtts[j] / 1000), size[i],
                            t[0] / 1e3, t[1] / 1e3);
                *mean += t[1] / t[0];
                *most = t[1] / t[0] > *most ? t[1] / t[0] : *most;
                n++;
            }
    *mean /= n;
}

static void row_pacing(void)
{
    static const double depth[] = {0.1, 0.25, 1, 4};
    double off = 0, on = 0, late, most;
    int i, j, p, n = 0;

    for (i = 0; i < 4; i++)
        for (j = 0; j < 3; j++) {
            static const tcpsm_time rtts[] = {5000, 20000, 100000};
            double got[2], again[2];

            for (p = 0; p < 2; p++) {
                double queue = (double)lab_bdp(50 * MBIT, rtts[j]) * depth[i];
                lab *l =
                    lab_new(50 * MBIT, rtts[j], (uint64_t)queue + 3000, 1);
                tcpsm_config k = with(NULL, p ? TCPSM_PACE : 0);
                lab_flow *f = bulk(l, &k, 10 * LAB_S);

                got[p] = share(l, f->got, 10 * LAB_S);
                again[p] =
                    100.0 * (double)f->again_packets / (double)f->packets;
                lab_free(l);
            }
            if (getenv("LAB_DEBUG"))
                fprintf(stderr,
                        "queue %.2f BDP, %3d ms: off %.3f (%.2f %% again) "
                        "on %.3f (%.2f %%)\n",
                        depth[i], (int)(rtts[j] / 1000), got[0], again[0],
                        got[1], again[1]);
            off += got[0];
            on += got[1];
            n++;
        }
    off /= n;
    on /= n;
    paced_short(&late, &most);
    /* the default is off: more than a tenth would be a reason to change it */
    verdict(on >= 0.95 * off && on <= 1.1 * off, "pacing-bulk",
            "0.95 to 1.1 times without",
            "%.3f times (%.3f of the link, without %.3f)", on / off, on, off);
    verdict(late <= 1.05, "pacing-short-flows", "at most 1.05 of the time",
            "%.3f on average, the worst %.2f", late, most);
}

/* A clock of 1 ms, with and without pacing */
static void row_clock(void)
{
    double least = 1, x;
    int p;

    for (p = 0; p < 2; p++) {
        lab *l = lab_new(100 * MBIT, 20000, 0, 1);
        tcpsm_config k = with(NULL, p ? TCPSM_PACE : 0);
        lab_flow *f;

        l->tick = 1000;
        f = bulk(l, &k, 10 * LAB_S);
        x = share(l, f->got, 10 * LAB_S);
        least = x < least ? x : least;
        lab_free(l);
    }
    verdict(least >= 0.95, "clock-of-1-ms", "at least 0.95 of the link",
            "%.3f, the less of paced and not", least);
}

/* ---- plain bulk transfer ----------------------------------------------- */

static void row_bulk(void)
{
    static const struct {
        const char *name;
        uint64_t rate;
        tcpsm_time rtt, us;
        uint32_t loss;
        double goal;
    } t[] = {
        {"bulk-100k-200ms", 100000, 200000, 60 * LAB_S, 0, 0.90},
        {"bulk-10M-20ms", 10 * MBIT, 20000, 20 * LAB_S, 0, 0.95},
        {"bulk-100M-20ms", 100 * MBIT, 20000, 10 * LAB_S, 0, 0.92},
        {"bulk-1G-1ms", 1000 * MBIT, 1000, 3 * LAB_S, 0, 0.95},
        {"bulk-1G-20ms", 1000 * MBIT, 20000, 6 * LAB_S, 0, 0.90},
        {"bulk-100M-200ms", 100 * MBIT, 200000, 20 * LAB_S, 0, 0.75},
        {"bulk-10M-20ms-loss-0.1", 10 * MBIT, 20000, 20 * LAB_S, 1000, 0.93},
        {"bulk-10M-20ms-loss-1", 10 * MBIT, 20000, 20 * LAB_S, 10000, 0.50},
    };
    size_t i, j;

    for (i = 0; i < sizeof t / sizeof *t; i++)
        for (j = 0; j < 2; j++) {
            lab *l = lab_new(t[i].rate, t[i].rtt, 0, 1);
            tcpsm_config k = with(j ? &lab_reno : &lab_cubic, 0);
            char name[40], goal[40];
            lab_flow *f;
            double x;

            /* Reno is slow on long fat paths; that is what it is. */
            if (j && t[i].rate / 1000 * t[i].rtt > 3000000000u)
                continue;
            l->net.link[0].loss_ppm = t[i].loss;
            f = bulk(l, &k, t[i].us);
            x = share(l, f->got, t[i].us);
            snprintf(name, sizeof name, "%s%s", t[i].name,
                     j ? "-newreno" : "");
            snprintf(goal, sizeof goal, "at least %.2f of the link",
                     t[i].goal);
            verdict(x >= t[i].goal, name, goal,
                    "%.3f; %.0f of %.0f sent again, %.0f RTO", x,
                    (double)f->again_packets, (double)f->packets,
                    (double)f->n[0].timeouts);
            lab_free(l);
        }
}

/* ---- running them ------------------------------------------------------ */

static const struct {
    const char *name;
    void (*run)(void);
} row[] = {
    {"simulator", row_simulator},
    {"response", row_response},
    {"coexist-long", row_coexist_long},
    {"tail", row_tail},
    {"reordering", row_reordering},
    {"loss-20", row_loss_20},
    {"damage", row_damage},
    {"blackout", row_blackout},
    {"fairness", row_fairness},
    {"coexist", row_coexist},
    {"sack", row_sack},
    {"hole", row_hole},
    {"inline", row_inline},
    {"ecn", row_ecn},
    {"pacing", row_pacing},
    {"clock", row_clock},
    {"bulk", row_bulk},
};
enum { ROWS = (int)(sizeof row / sizeof *row) };

static void run_row(int i, FILE *out)
{
    fflush(stdout);
    if (dup2(fileno(out), 1) < 0)
        _exit(3);
    row[i].run();
    fflush(stdout);
    _exit(missed);
}

static int print_row(int i, FILE *out, int status)
{
    char line[400];

    rewind(out);
    while (fgets(line, sizeof line, out))
        fputs(line, stdout);
    fclose(out);
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) {
        printf("%-34s died (status %d)\n", row[i].name, status);
        return 2;
    }
    return WEXITSTATUS(status);
}

int lab_smoke(int argc, char **argv)
{
    const char *filter = "";
    long jobs = sysconf(_SC_NPROCESSORS_ONLN);
    FILE *out[ROWS];
    pid_t pid[ROWS];
    int status[ROWS], next = 0, shown = 0, running = 0, i, bad = 0, st;

    for (i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--filter") && i + 1 < argc)
            filter = argv[++i];
        else if (!strcmp(argv[i], "--jobs") && i + 1 < argc)
            jobs = atol(argv[++i]);
        else {
            int help = !strcmp(argv[i], "--help");

            fprintf(help ? stdout : stderr,
                    "usage: lab smoke [--filter ROW] [--jobs N]\n"
                    "Each line: what, measured, the goal, ok or MISSED. "
                    "Exit status: 1 if a goal is missed.\nLAB_DEBUG=1 in "
                    "the environment says more.\nRows:");
            for (i = 0; i < ROWS; i++)
                fprintf(help ? stdout : stderr, " %s", row[i].name);
            puts("");
            return help ? 0 : 2;
        }
    memset(pid, 0, sizeof pid);
    if (jobs < 1)
        jobs = 1;
    while (shown < ROWS) {
        while (next < ROWS && running < jobs) {
            i = next++;
            if (!strstr(row[i].name, filter))
                continue;
            out[i] = tmpfile();
            if (!out[i] || (pid[i] = fork()) < 0) {
                perror("lab");
                return 3;
            }
            if (pid[i] == 0)
                run_row(i, out[i]);
            running++;
        }
        for (; shown < next && pid[shown] <= 0; shown++)
            if (pid[shown] < 0)
                bad |= print_row(shown, out[shown], status[shown]);
        if (running > 0) {
            pid_t p = wait(&st);

            running--;
            for (i = 0; i < ROWS; i++)
                if (pid[i] == p) {
                    pid[i] = -1;
                    status[i] = st;
                }
        }
    }
    puts(bad ? "some goals were missed" : "all goals were met");
    return bad ? 1 : 0;
}
