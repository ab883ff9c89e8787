/* Law 4 at length: random networks, options, rings and readers. Whatever
   happens, what is read is a prefix of what was written, and when the
   network heals everything arrives, and the end. pair.h compares. */

#define PAIR_SLOTS 4096
#include "test.h"

#include "tcpsm.h"

#include "pair.h"

static pair p;
static uint64_t rnd;
static uint8_t spare[2][2][PAIR_RING], tables[2][19 * 70];

static uint32_t roll(uint32_t n)
{
    return (uint32_t)(netsim_random(&rnd) >> 33) % n;
}

static uint32_t one_of(const uint32_t *list, uint32_t n)
{
    return list[roll(n)];
}

#define ONE_OF(...)                                                          \
    one_of((const uint32_t[]){__VA_ARGS__},                                  \
           sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void app(void *ctx, pair *q, int side)
{
    (void)ctx;
    q->flow[side].flags = ONE_OF(0, 0, 0, TCPSM_MORE, TCPSM_EOR, TCPSM_URG);
    if (q->flow[side].sent + PAIR_RING / 2 > q->flow[side].total)
        q->flow[side].flags &= TCPSM_EOR;
    pair__flow_out(q, side);
    pair__flow_in(q, side);
}

static void configure(pair_options *o)
{
    uint32_t s, f;
    memset(o, 0, sizeof *o);
    o->seed = netsim_random(&rnd);
    o->family = roll(4) ? 4 : 6;
    for (s = 0; s < 2; s++) {
        tcpsm_config *c = &o->cfg[s];
        for (f = 1; f <= TCPSM_GSO; f <<= 1)
            if (f != TCPSM_LOOPBACK && f != TCPSM_TX_ZERO && !roll(4))
                c->flags |= f;
        if (!(c->flags & TCPSM_TX_PARTIAL) && !roll(8))
            c->flags |= TCPSM_TX_ZERO;
        o->rcv_ring[s] = ONE_OF(1, 7, 48, 100, 333, 1000, 1460, 3000, 8192,
                                20000, 65535, 65536, 65536);
        o->snd_ring[s] = ONE_OF(1, 13, 100, 1000, 3000, 20000, 65536, 65536);
        c->mtu = (uint16_t)ONE_OF(108, 200, 576, 1000, 1500, 1500, 1500);
        if (o->family == 6)
            c->mtu = (uint16_t)ONE_OF(1280, 1500);
        if (!roll(3) && o->rcv_ring[s] > 40000)
            c->rcv_max = ONE_OF(65536, 1000000);
        c->ack_every = (uint8_t)ONE_OF(0, 1, 2, 5, 255);
        c->ack_delay_us = ONE_OF(0, 1000, 200000, 499000, TCPSM_OFF);
        c->initial_segments = (uint8_t)ONE_OF(0, 1, 2, 40);
        c->clock_us = ONE_OF(0, 1, 1000, 10000);
        c->rto_min_us = ONE_OF(0, 0, 1000, 1000000);
        c->rto_max_ms = 10000;
        c->user_timeout_ms = TCPSM_OFF;
    }
}

static void trouble(int on)
{
    int s;
    for (s = 0; s < 2; s++) {
        netsim_link *l = &p.net.link[s];
        l->loss_ppm = on ? ONE_OF(0, 10000, 50000, 200000) : 0;
        l->burst_ppm = on ? ONE_OF(0, 0, 5000) : 0;
        l->burst_end_ppm = 200000;
        l->reorder_ppm = on ? ONE_OF(0, 100000, 400000) : 0;
        l->reorder_us = ONE_OF(1000, 20000, 300000);
        l->copy_ppm = on ? ONE_OF(0, 50000, 300000) : 0;
        l->copy_us = ONE_OF(0, 5000, 500000);
        l->corrupt_ppm = on ? ONE_OF(0, 20000, 100000) : 0;
    }
}

/* Rings and tables change hands while data is under way. */
static void juggle(void)
{
    uint32_t s = roll(2), n = 1 + roll(PAIR_RING);
    tcpsm_conn *c = &p.c[s];
    struct tcpsm_info i;
    uint8_t *to;
    tcpsm_status(c, &i);
    switch (roll(4)) {
    case 0:
        to = c->p.rcv == spare[s][0] ? p.rcv[s] : spare[s][0];
        tcpsm_attach(c, TCPSM_RECEIVE, to, n, NULL);
        break;
    case 1:
        to = c->p.snd == spare[s][1] ? p.snd[s] : spare[s][1];
        tcpsm_attach(c, TCPSM_SEND, to, n, NULL);
        break;
    case 2:
        if (c->p.tables == NULL)
            tcpsm_attach(c, TCPSM_TABLES, tables[s], sizeof tables[s], NULL);
        else
            tcpsm_attach(c, TCPSM_TABLES, NULL, 0, NULL);
        break;
    default:
        tcpsm_set(c, TCPSM_SET_MTU,
                  i.family == 6 ? 1280 + roll(220) : 108 + roll(1392));
        tcpsm_set(c, TCPSM_SET_CORK, roll(2));
        break;
    }
    pair_touched(&p, (int)s);
}

static const char *story(void)
{
    static char text[400];
    struct tcpsm_info a, b;
    tcpsm_status(&p.c[0], &a);
    tcpsm_status(&p.c[1], &b);
    snprintf(
        text, sizeof text,
        "A state %u queued %u unsent %u flight %u wnd %u cwnd %u smss %u "
        "rcv %u/%u; B state %u queued %u unsent %u flight %u wnd %u "
        "cwnd %u smss %u rcv %u/%u; errors %d %d; got %u %u",
        a.state, a.snd_queued, a.unsent, a.flight, a.snd_wnd, a.cwnd, a.smss,
        a.rcv_wnd, a.rcv_free, b.state, b.snd_queued, b.unsent, b.flight,
        b.snd_wnd, b.cwnd, b.smss, b.rcv_wnd, b.rcv_free, a.error, b.error,
        (unsigned)p.flow[0].got, (unsigned)p.flow[1].got);
    return text;
}

static void one_run(uint64_t seed, int laws, int change)
{
    pair_options o;
    uint32_t s, k, least;
    tcpsm_time end;
    rnd = seed;
    CONTEXT("seed %llu", (unsigned long long)seed);
    configure(&o);
    pair_init(&p, &o);
    p.no_laws = (uint8_t)!laws;
    p.batch = (uint8_t)roll(2);
    p.app = app;
    for (s = 0; s < 2; s++) {
        p.net.link[s].delay_us = ONE_OF(0, 100, 10000, 100000);
        p.net.link[s].rate = ONE_OF(0, 0, 1000000, 50000000);
        p.net.link[s].queue_packets = ONE_OF(0, 5, 30);
        if (p.net.link[s].rate == 0)
            p.net.link[s].queue_packets = 0;
    }
    CHECK(pair_connect(&p));
    trouble(1);
    least = o.rcv_ring[0] < o.rcv_ring[1] ? o.rcv_ring[0] : o.rcv_ring[1];
    least = least < o.snd_ring[0] ? least : o.snd_ring[0];
    least = least < o.snd_ring[1] ? least : o.snd_ring[1];
    for (s = 0; s < 2; s++) {
        p.flow[s].total =
            roll(4) ? roll(least * 60 < 150000 ? least * 60 : 150000) : 0;
        p.flow[s].shut = 1;
    }
    for (k = 0; k < 40 && !pair_transferred(&p); k++) {
        pair_run(&p, 10000 + roll(1000000));
        if (change)
            juggle();
        for (s = 0; s < 2; s++)
            p.flow[s].deaf = !roll(4);
        if (!roll(4))
            trouble(1);
        if (!roll(10)) /* a blackout */
            p.net.link[roll(2)].loss_ppm = 1000000;
    }
    trouble(0);
    p.net.link[0].queue_packets = p.net.link[1].queue_packets = 0;
    p.flow[0].deaf = p.flow[1].deaf = 0;
    /* 10 s of backed-off timer at most, then a clean network */
    end = p.now + 60 * PAIR_SECOND +
          (p.flow[0].total + p.flow[1].total) / least * PAIR_SECOND;
    while (p.now < end && !pair_transferred(&p))
        pair_run(&p, PAIR_SECOND);
    CHECKF(pair_transferred(&p), "does not end: %s", story());
}

static void runs(uint64_t first, uint64_t n, int laws, int change)
{
    uint64_t k;
    for (k = first; k < first + n; k++)
        one_run(k, laws, change);
}

TEST(law_4_random_runs)
{
    runs(1, 250, 0, 0);
}

TEST(law_4_random_runs_with_changing_memory)
{
    runs(1000, 250, 0, 1);
}

TEST(laws_3_4_8_random_runs_watched)
{
    runs(5000, 30, 1, 0);
    runs(6000, 30, 1, 1);
}
