/* >>runs: random operations against an oracle that knows each octet: when
   it was sent first and last, whether it is lost, whether it was sent more
   than once. A run may be coarser than that, but only to the safe side:

     - the runs cover SND.UNA to SND.NXT exactly, whatever was squeezed;
     - an octet that is lost and was not sent again is in a lost run;
     - a SACKed run has no octet that was not SACKed;
     - an octet that was sent twice gives no RTT sample (Karn);
     - a loss deadline counts from no earlier than the octet's last time,
       and from no later than now;
     - what is delivered is counted once;
     - an RTT sample is no shorter than the newest octet's, and longer by
       at most min_RTT/8;
     - with room in the table all marks are exact. */

#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

enum { MAX = 1024, TABLE = 64 };

typedef struct {
    uint32_t first, last; /* times of transmission */
    uint8_t lost, twice, sacked;
} octet;

typedef struct {
    uint32_t end[TABLE], first[TABLE];
    uint16_t meta[TABLE];
    uint32_t guard;
    struct tcpsm__runs r;
    octet o[MAX]; /* of SEQ base .. */
    uint32_t n;   /* octets in flight */
    uint32_t now, min_rtt;
    int squeezed; /* the table was ever full */
} world;

static uint64_t seed;

static uint32_t rnd(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

static void start(world *w, uint32_t cap, uint32_t base, uint32_t min_rtt)
{
    memset(w, 0, sizeof *w);
    w->r.end = w->end;
    w->r.first = w->first;
    w->r.meta = w->meta;
    w->r.cap = (uint8_t)cap;
    w->r.base = base;
    w->guard = 0xA5A5A5A5u;
    w->now = 0xFFFF0000u; /* wraps soon */
    w->min_rtt = min_rtt;
}

static uint32_t nxt(const world *w)
{
    return w->r.base + w->n;
}

static uint32_t sacked_octets(const world *w)
{
    uint32_t k, n = 0;
    for (k = 0; k < w->n; k++)
        n += w->o[k].sacked;
    return n;
}

static void check(const world *w)
{
    const struct tcpsm__runs *r = &w->r;
    uint32_t i, k = 0, flight = 0, sent_flight = 0, sacked = 0;
    CHECK(tcpsm__runs_valid(r, nxt(w)));
    CHECK_EQ(w->guard, 0xA5A5A5A5u);
    for (i = 0; i < r->n; i++) {
        uint32_t s = tcpsm__run_start(r, i) - r->base;
        CHECK_EQ(tcpsm__run_len(r, i), r->end[i] - r->base - s);
        if (!(r->meta[i] & (TCPSM__R_LOST | TCPSM__R_SACKED)))
            flight += r->end[i] - r->base - s;
        for (k = s; k < r->end[i] - r->base; k++) {
            const octet *o = &w->o[k];
            CHECKF(!o->lost || (r->meta[i] & TCPSM__R_LOST),
                   "octet %u is lost and forgotten (run %u)", k, i);
            CHECKF(!o->twice || (r->meta[i] & (TCPSM__R_RETX | TCPSM__R_OUT)),
                   "octet %u was sent twice, run %u does not know", k, i);
            CHECKF((r->meta[i] & TCPSM__R_OUT) || o->sacked ||
                       !tcpsm__seq_lt(tcpsm__run_last(r, i), o->last),
                   "octet %u: its deadline would come early", k);
            CHECKF(o->sacked || !(r->meta[i] & TCPSM__R_SACKED),
                   "octet %u is not SACKed, run %u is", k, i);
            if (!w->squeezed) {
                CHECK_EQ(o->lost, (r->meta[i] & TCPSM__R_LOST) != 0);
                CHECK_EQ(o->sacked, (r->meta[i] & TCPSM__R_SACKED) != 0);
            }
            sacked += (r->meta[i] & TCPSM__R_SACKED) != 0;
            sent_flight += !o->lost && !o->sacked;
        }
        CHECKF((r->meta[i] & TCPSM__R_OUT) ||
                   tcpsm__seq_le(tcpsm__run_last(r, i),
                                 w->now + (w->now - r->first[i]) / 8 + 1),
               "run %u: sent in the future", i);
        CHECK_EQ(tcpsm__runs_find(r, tcpsm__run_start(r, i)), i);
        CHECK_EQ(tcpsm__runs_find(r, r->end[i] - 1), i);
    }
    for (i = r->n; i < r->cap; i++) /* dead fields are zero */
        CHECK(r->end[i] == 0 && r->first[i] == 0 && r->meta[i] == 0);
    CHECK_EQ(tcpsm__runs_flight(r), flight);
    CHECK_EQ(tcpsm__runs_bytes(r, TCPSM__R_SACKED), sacked);
    CHECK_EQ(r->oof, nxt(w) - r->base - flight);
    CHECK_LE(flight + sacked, sent_flight + sacked_octets(w));
    if (!w->squeezed)
        CHECK_EQ(flight, sent_flight);
}

static void op_send(world *w, uint32_t len)
{
    uint32_t i;
    if (w->n + len > MAX)
        return;
    for (i = 0; i < len; i++) {
        memset(&w->o[w->n + i], 0, sizeof *w->o);
        w->o[w->n + i].first = w->o[w->n + i].last = w->now;
    }
    if (w->r.n == w->r.cap)
        w->squeezed = 1;
    tcpsm__runs_push(&w->r, nxt(w) + len, 0, w->now, w->min_rtt);
    w->n += len;
}

static void begin_delivery(const world *w, struct tcpsm__delivery *d)
{
    memset(d, 0, sizeof *d);
    d->now = w->now;
    d->min_rtt = w->min_rtt;
    d->fack = tcpsm__runs_fack(&w->r);
}

static void op_ack(world *w, uint32_t len)
{
    struct tcpsm__delivery d;
    uint32_t i, best, news = 0;
    int part;
    if (len > w->n)
        len = w->n;
    if (len == 0)
        return;
    i = tcpsm__runs_find(&w->r, w->r.base + len - 1);
    part = (w->r.meta[i] & TCPSM__R_MULTI) && w->r.end[i] != w->r.base + len;
    for (i = 0; i < len; i++)
        news += !w->o[i].sacked;
    begin_delivery(w, &d);
    tcpsm__runs_ack(&w->r, w->r.base + len, &d);
    if (!w->squeezed)
        CHECK_EQ(d.bytes, news);
    CHECK_GE(d.bytes, news); /* forgotten SACKs count again */
    CHECK_LE(d.bytes, len);
    /* Karn: the newest octet, was it sent once? */
    i = len - 1;
    CHECKF(!d.has_sample || !(w->o[i].twice | w->o[i].lost),
           "a sample of something sent twice");
    if (!w->squeezed && !d.has_sample && !part)
        CHECK(w->o[i].twice | w->o[i].lost | w->o[i].sacked);
    if (d.has_sample) {
        /* nothing newer than the last one acknowledged */
        best = w->now - w->o[len - 1].last;
        for (i = 0; i < len; i++)
            if (w->now - w->o[i].last < best)
                best = w->now - w->o[i].last;
        CHECKF(d.sample + w->min_rtt / 128 + 1 >= best,
               "sample %u, the newest octet took %u", d.sample, best);
        CHECKF(d.sample < 0x80000000u, "sample %u", d.sample);
        if (d.exact && !w->squeezed) {
            for (i = 0; i < len; i++)
                if (w->now - w->o[i].last == d.sample)
                    break;
            CHECKF(i < len, "exact sample %u is nobody's", d.sample);
        }
    }
    memmove(w->o, w->o + len, (w->n - len) * sizeof *w->o);
    w->n -= len;
}

/* A block [a, b) of the flight; not from UNA on. */
static void op_sack(world *w, uint32_t a, uint32_t len)
{
    struct tcpsm__delivery d;
    uint32_t b, k, news = 0, was;
    if (w->n < 2)
        return;
    a = 1 + a % (w->n - 1);
    b = a + len < w->n ? a + len : w->n;
    for (k = a; k < b; k++)
        news += !w->o[k].sacked;
    begin_delivery(w, &d);
    was = w->r.n;
    tcpsm__runs_sack(&w->r, w->r.base + a, w->r.base + b, &d);
    if (was + 2u > w->r.cap)
        w->squeezed = 1; /* perhaps */
    CHECK_EQ(d.bytes, d.sacked);
    CHECK_LE(d.sacked, b - a);
    if (!w->squeezed)
        CHECK_EQ(d.sacked, news);
    for (k = a; k < b; k++) {
        w->o[k].sacked = 1;
        w->o[k].lost = 0;
    }
    /* what found no room is not SACKed, and lost is what it was */
    for (k = 0; k < w->r.n; k++) {
        uint32_t s = tcpsm__run_start(&w->r, k) - w->r.base;
        for (; s < w->r.end[k] - w->r.base; s++)
            if (w->r.meta[k] & TCPSM__R_LOST)
                w->o[s].sacked = 0;
    }
}

static void op_lose_first(world *w, uint32_t len)
{
    uint32_t i, end = len < w->n ? len : w->n;
    if (w->r.n == w->r.cap)
        w->squeezed = 1;
    tcpsm__runs_lose_first(&w->r, w->r.base + len);
    for (i = 0; i < end; i++)
        w->o[i].lost = 1, w->o[i].sacked = 0;
}

static void op_lose_all(world *w)
{
    uint32_t i;
    tcpsm__runs_lose_all(&w->r);
    for (i = 0; i < w->n; i++)
        w->o[i].lost = 1, w->o[i].sacked = 0;
    CHECK(w->n == 0 || w->r.n == 1);
}

static void op_resend(world *w, uint32_t len)
{
    uint32_t run = tcpsm__runs_lost(&w->r), s, k;
    for (k = 0; k < run && k < w->r.n; k++)
        CHECK(!(w->r.meta[k] & TCPSM__R_LOST));
    if (run == w->r.n)
        return;
    s = tcpsm__run_start(&w->r, run) - w->r.base;
    if (len > tcpsm__run_len(&w->r, run))
        len = tcpsm__run_len(&w->r, run);
    if (w->r.n == w->r.cap)
        w->squeezed = 1;
    tcpsm__runs_resent(&w->r, run, w->r.base + s + len, w->now, w->min_rtt);
    for (k = s; k < s + len; k++) {
        w->o[k].last = w->now;
        w->o[k].lost = 0;
        w->o[k].twice = 1;
        w->o[k].sacked = 0;
    }
}

static void story(uint32_t number, uint32_t cap, uint32_t steps)
{
    static world w;
    uint32_t step;
    seed = number;
    start(&w, cap, number * 0x3FFFFFF5u - 20, number % 5 ? rnd(20000) : 0);
    if (number % 3 == 0) /* anywhere: else it wraps soon */
        w.now = number * 0x37777777u;
    for (step = 0; step < steps; step++) {
        uint32_t what = rnd(26);
        CONTEXT("story %u cap %u step %u op %u", number, cap, step, what);
        w.now += rnd(4) ? rnd(w.min_rtt / 16 + 2) : rnd(w.min_rtt + 5000);
        if (what < 9) {
            op_send(&w, 1 + rnd(12));
        } else if (what < 13) {
            w.now += w.min_rtt; /* nothing is acknowledged sooner */
            op_ack(&w, rnd(2) ? rnd(20) : rnd(w.n + 1));
        } else if (what < 14) {
            op_lose_all(&w);
        } else if (what < 15) {
            op_lose_first(&w, 1 + rnd(30));
        } else if (what < 20) {
            op_resend(&w, 1 + rnd(10));
        } else {
            w.now += w.min_rtt;
            op_sack(&w, rnd(MAX), 1 + rnd(rnd(4) ? 10 : 100));
        }
        check(&w);
    }
}

TEST(with_room)
{
    uint32_t i;
    for (i = 1; i <= 300; i++)
        story(i, TABLE, 40);
}

TEST(eight_runs)
{
    uint32_t i;
    for (i = 1; i <= 400; i++)
        story(i, 8, 120);
}

TEST(three_runs)
{
    uint32_t i;
    for (i = 1; i <= 400; i++)
        story(i, 3, 120);
}

/* The tiny configuration's table. What was lost and has not been sent
   again must stay marked here too, or it waits for another timeout. */
TEST(two_runs)
{
    uint32_t i;
    for (i = 1; i <= 400; i++)
        story(i, 2, 120);
}

/* ---- the pieces --------------------------------------------------------- */

TEST(delta_rounds_up)
{
    uint32_t d, got, prev = 0;
    uint16_t m;
    for (d = 0; d < 70000; d++) {
        m = tcpsm__delta_enc(d);
        got = tcpsm__delta_dec(m);
        CHECKF(got >= d && got - d <= d / 15, "%u became %u", d, got);
        CHECK_GE(got, prev);
        CHECK_EQ(m & TCPSM__R_FLAGS, 0);
        prev = got;
    }
    for (d = 0; d <= 31; d++)
        CHECK_EQ(tcpsm__delta_dec(tcpsm__delta_enc(d)), d);
    for (d = 70000; d < 0x80000000u; d += d / 99) {
        m = tcpsm__delta_enc(d);
        got = tcpsm__delta_dec(m);
        CHECKF(got >= d && got - d <= d / 15, "%u became %u", d, got);
        CHECK_LE(m >> 11, 27);
    }
}

/* Anchored at the first segment: a flight does not chain into one run. */
TEST(joins_within_an_eighth)
{
    static world w;
    uint32_t i;
    start(&w, 8, 0, 8000);
    for (i = 0; i < 12; i++) { /* one every 0.9 ms; an eighth is 1 ms */
        op_send(&w, 10);
        check(&w);
        w.now += 900;
    }
    CHECK_EQ(w.r.n, 6);
    CHECK_EQ(tcpsm__run_len(&w.r, 0), 20);
    CHECK(!(w.r.meta[0] & TCPSM__R_MULTI)); /* not squeezed */
}

/* Without any RTT yet, only what is sent at the same time is one run. */
TEST(no_rtt_no_span)
{
    static world w;
    start(&w, 8, 0, 0);
    op_send(&w, 10);
    op_send(&w, 10);
    CHECK_EQ(w.r.n, 1);
    w.now++;
    op_send(&w, 10);
    CHECK_EQ(w.r.n, 2);
    check(&w);
}

TEST(probes_never_join)
{
    static world w;
    start(&w, 8, 0, 8000);
    op_send(&w, 5);
    tcpsm__runs_push(&w.r, nxt(&w) + 1, TCPSM__R_PROBE, w.now, w.min_rtt);
    tcpsm__runs_push(&w.r, nxt(&w) + 2, TCPSM__R_PROBE, w.now, w.min_rtt);
    tcpsm__runs_push(&w.r, nxt(&w) + 3, 0, w.now, w.min_rtt);
    CHECK_EQ(w.r.n, 4);
}

/* The two neighbours closest in time are the ones that become one, and
   the later time wins. */
TEST(squeeze_takes_the_closest)
{
    static const uint32_t at[5] = {1000, 5000, 5400, 9000, 9900};
    static world w;
    uint32_t i;
    start(&w, 5, 100, 0);
    w.now = 0;
    for (i = 0; i < 5; i++) {
        w.now = at[i];
        op_send(&w, 10);
    }
    CHECK_EQ(w.r.n, 5);
    CHECK(tcpsm__runs_squeeze(&w.r, 1));
    CHECK_EQ(w.r.n, 4);
    CHECK_EQ(w.r.end[1], 130);
    CHECK_EQ(tcpsm__run_last(&w.r, 1), 5400);
    w.squeezed = 1;
    check(&w);
    CHECK(tcpsm__runs_squeeze(&w.r, 1));
    CHECK_EQ(w.r.end[2], 150);
    check(&w);
    /* SACKed runs are spared as long as there are others */
    w.r.meta[0] |= TCPSM__R_SACKED;
    w.r.oof = 10;
    CHECK(tcpsm__runs_squeeze(&w.r, 1));
    CHECK_EQ(w.r.end[0], 110);
    CHECK(w.r.meta[0] & TCPSM__R_SACKED);
    CHECK(!tcpsm__runs_squeeze(&w.r, 0)); /* not without permission */
    CHECK_EQ(w.r.n, 2);
    /* and what is not SACKed any more is in flight again, not lost */
    CHECK(tcpsm__runs_squeeze(&w.r, 1));
    CHECK_EQ(w.r.n, 1);
    CHECK_EQ(tcpsm__runs_flight(&w.r), 50);
}

TEST(valid_sees_everything)
{
    static world w;
    start(&w, 4, 100, 0);
    CHECK(tcpsm__runs_valid(&w.r, 100));
    CHECK(!tcpsm__runs_valid(&w.r, 101));
    op_send(&w, 10);
    w.now++;
    op_send(&w, 10);
    CHECK(tcpsm__runs_valid(&w.r, 120));
    CHECK(!tcpsm__runs_valid(&w.r, 121));
    CHECK(!tcpsm__runs_valid(&w.r, 119));
    w.end[0] = 100; /* empty */
    CHECK(!tcpsm__runs_valid(&w.r, 120));
    w.end[0] = 120; /* the second empty */
    CHECK(!tcpsm__runs_valid(&w.r, 120));
    w.end[0] = 121; /* backwards */
    CHECK(!tcpsm__runs_valid(&w.r, 120));
    w.end[0] = 110;
    w.meta[0] = (uint16_t)(28u << 11); /* a shift of 28 */
    CHECK(!tcpsm__runs_valid(&w.r, 120));
    w.meta[0] = TCPSM__R_SACKED | TCPSM__R_LOST; /* both */
    w.r.oof = 10;
    CHECK(!tcpsm__runs_valid(&w.r, 120));
    w.meta[0] = TCPSM__R_LOST;
    CHECK(tcpsm__runs_valid(&w.r, 120));
    w.r.oof = 9; /* the sum */
    CHECK(!tcpsm__runs_valid(&w.r, 120));
    w.r.oof = 0;
    w.meta[0] = 0;
    w.r.n = 5;
    CHECK(!tcpsm__runs_valid(&w.r, 120));
}
