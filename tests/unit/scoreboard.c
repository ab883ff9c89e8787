/* The scoreboard, RACK (RFC 8985) and PRR (RFC 9937) against a model that
   knows every octet: when it was sent last, whether more than once, whether
   it is SACKed, whether it is lost. The model follows the pseudo-code of
   the RFCs, octet by octet, from nothing but the segments that go out and
   the ACKs that come in; after each of them tcpsm_status must agree.

   Runs are coarser than octets only where segments are less than min_RTT/8
   apart in time; here they are either of the same instant or further apart,
   and the lent table is large. Other stories have small tables and hostile
   ACKs: there the sums are only bounds, and no octet may get lost. */

#define TCPSM_IMPLEMENTATION
#include "loss.h"

enum {
    MSS = 50,
    TICK = 1600, /* the grain of time: more than min_RTT/8 */
    RTT = 8000,
    OCTETS = 1 << 17
};

/* what must agree: sums and no more; what is SACKed; everything */
enum { BOUNDS, SACKED, ALL };

typedef struct {
    tcpsm_time at; /* of the last transmission */
    uint8_t sacked, lost, retx, got;
} octet;

static octet oct[OCTETS]; /* by number since the ISS + 1 */

/* RFC 8985's variables, and RFC 9937's */
static struct {
    uint32_t una, nxt;
    tcpsm_time xmit; /* RACK.xmit_ts */
    uint32_t end;    /* RACK.end_seq */
    uint32_t rtt, fack, mult, persist, reo_wnd;
    int seen, dsack_round;
    uint32_t dsack_nxt;
    tcpsm_time timer; /* reordering; 0: none */
    int recovery;     /* 1: fast, 2: RTO */
    int entered;      /* a fast recovery, by this */
    uint32_t recover, sacked, lost, newly_lost;
    uint32_t segs; /* SACKed since the last recovery: s3.3.2 (1a) */
    uint64_t undone;
    uint64_t prr_delivered, prr_out, recover_fs;
    uint32_t ssthresh;
    uint32_t min_rtt, srtt;
} m;

static struct {
    uint64_t seed;
    uint32_t rcv_nxt; /* of the peer */
    uint32_t blocks[4][2], n_blocks;
    uint32_t dup[2];
    struct {
        uint32_t seq, len;
        tcpsm_time at;
    } air[512];
    uint32_t n_air;
    int exact, trace;
    uint32_t table[255 * 5 + 8];
} s;

static uint32_t rnd(uint32_t n)
{
    return (uint32_t)(netsim_random(&s.seed) >> 16) % n;
}

/* ---- the model --------------------------------------------------------- */

static uint32_t count(size_t what)
{
    uint32_t k, n = 0;

    for (k = m.una; k < m.nxt; k++)
        n += ((const uint8_t *)&oct[k])[what];
    return n;
}

static void sums(void)
{
    m.sacked = count(offsetof(octet, sacked));
    m.lost = count(offsetof(octet, lost));
}

/* 6.1 */
static void model_sent(uint32_t seq, uint32_t len)
{
    uint32_t k;

    for (k = seq; k < seq + len; k++) {
        oct[k].retx = k < m.nxt;
        oct[k].at = w.p.now;
        oct[k].lost = 0;
    }
    if (seq + len > m.nxt)
        m.nxt = seq + len;
    m.prr_out += len;
    sums();
}

/* RACK_sent_after(RACK.xmit_ts, RACK.end_seq, octet k) */
static int before_rack(uint32_t k)
{
    return m.xmit > oct[k].at || (m.xmit == oct[k].at && m.end > k + 1);
}

static uint32_t reo_wnd(void)
{
    uint64_t v;

    if (!m.seen && (m.recovery || m.segs >= 3))
        return 0;
    v = (uint64_t)m.mult * m.min_rtt / 4;
    return v < m.srtt ? (uint32_t)v : m.srtt;
}

/* RFC 9937 s6.1, when what this ACK tells has been taken */
static void begin_prr(uint32_t delivered)
{
    m.ssthresh = stream_info().ssthresh;
    m.prr_delivered = m.prr_out = 0;
    m.recover_fs = m.nxt - m.una - m.sacked + delivered;
}

/* s6.2; advanced: SND.UNA did */
static void prr(uint32_t delivered, int advanced)
{
    uint32_t inflight = m.nxt - m.una - m.sacked - m.lost;
    uint32_t cwnd = stream_info().cwnd;
    int64_t n, ss = m.ssthresh;

    if (delivered == 0)
        return;
    m.prr_delivered += delivered;
    if (inflight > m.ssthresh) {
        n = (int64_t)((m.prr_delivered * m.ssthresh + m.recover_fs - 1) /
                      m.recover_fs);
        n -= (int64_t)m.prr_out;
    } else {
        n = (int64_t)m.prr_delivered - (int64_t)m.prr_out;
        n = n > delivered ? n : delivered;
        if (advanced && !m.newly_lost)
            n += MSS;
        n = n < ss - inflight ? n : ss - inflight;
    }
    if (m.prr_out == 0 && n < MSS) /* octets: less than a segment is none */
        n = MSS;
    if (m.prr_out == 0 && inflight == 0 && n < 3 * MSS) /* see the header */
        n = ss < 3 * MSS ? ss : 3 * MSS;
    if (s.trace)
        printf("  prr: delivered %llu of %llu, out %llu, inflight %u, "
               "ssthresh %u: %lld; cwnd %u\n",
               (unsigned long long)m.prr_delivered,
               (unsigned long long)m.recover_fs,
               (unsigned long long)m.prr_out, inflight, m.ssthresh,
               (long long)n, cwnd);
    if (n <= 0) /* no more than is there, or an octet's rounding */
        CHECKF(cwnd <= inflight, "cwnd %u, not %u", cwnd, inflight);
    else
        CHECKF(cwnd == inflight + (uint64_t)n, "cwnd %u, not %u + %lld", cwnd,
               inflight, (long long)n);
}

/* Step 5 */
static void detect(void)
{
    uint32_t k, was = m.lost;
    tcpsm_time at;

    m.timer = 0;
    m.reo_wnd = reo_wnd();
    for (k = m.una; k < m.nxt; k++) {
        if (oct[k].sacked || oct[k].lost || m.xmit == 0 || !before_rack(k))
            continue;
        at = oct[k].at + m.rtt + m.reo_wnd;
        if (at <= w.p.now)
            oct[k].lost = 1;
        else if (at > m.timer)
            m.timer = at;
    }
    sums();
    m.newly_lost = m.lost > was;
    if (m.lost > was && !m.recovery) {
        m.recovery = m.entered = 1;
        m.dsack_round = 0;
        m.recover = m.nxt;
    }
}

static int inside(uint32_t x, uint32_t lo, uint32_t hi)
{
    return x >= lo && x <= hi;
}

static void deliver(uint32_t k, tcpsm_time *xmit, uint32_t *end)
{
    if (k + 1 < m.fack && !oct[k].retx)
        m.seen = 1;
    if (oct[k].retx && (oct[k].lost || w.p.now - oct[k].at < m.min_rtt))
        return; /* lost: its xmit_ts is INFINITE_TS */
    if (oct[k].at > *xmit || (oct[k].at == *xmit && k + 1 > *end)) {
        *xmit = oct[k].at;
        *end = k + 1;
    }
}

/* 6.2. b: blocks as absolute numbers, 32 bits, that may be anything.
   Returns what was delivered. */
static uint32_t model_ack(uint32_t ack, uint32_t b[4][2], uint32_t n)
{
    uint32_t i, k, from, to, delivered = 0, top = m.fack, sacked = 0;
    tcpsm_time xmit = 0;
    uint32_t end = 0;
    int dsack = 0, exits = 0, advanced = ack > m.una, was = m.recovery;

    if (ack > m.nxt)
        return 0;
    if (n > 0) { /* RFC 2883 s4 */
        dsack = b[0][0] < b[0][1] && b[0][1] <= ack;
        if (n > 1 && b[0][0] < b[0][1] && inside(b[0][0], b[1][0], b[1][1]) &&
            inside(b[0][1], b[1][0], b[1][1]))
            dsack = 1;
    }
    if (ack < m.una)
        ack = m.una;
    for (k = m.una; k < ack; k++)
        if (!oct[k].sacked) {
            delivered++;
            deliver(k, &xmit, &end);
        }
    if (ack > top)
        top = ack;
    m.una = ack;
    for (i = 0; i < n; i++) {
        from = b[i][0];
        to = b[i][1];
        if (!(from > m.una && from < to && to <= m.nxt))
            continue;
        for (k = from; k < to; k++)
            if (!oct[k].sacked) {
                delivered++;
                deliver(k, &xmit, &end);
                sacked++;
                oct[k].sacked = 1;
                oct[k].lost = 0;
            }
        if (to > top)
            top = to;
    }
    m.fack = top;
    if (end != 0) {
        m.rtt = (uint32_t)(w.p.now - xmit);
        if (xmit > m.xmit || (xmit == m.xmit && end > m.end)) {
            m.xmit = xmit;
            m.end = end;
        }
    }
    sums();
    m.segs += (sacked + MSS - 1) / MSS;
    if (COUNT(undone) != m.undone) { /* not lost at all */
        m.undone = COUNT(undone);
        m.seen |= m.recovery == 1; /* not in the RFC: late, not lost */
        for (k = m.una; k < m.nxt; k++)
            oct[k].lost = 0;
        m.recovery = 0;
        m.segs = 0;
        sums();
    }
    if (m.recovery && m.una >= m.recover) {
        m.recovery = 0;
        exits = 1;
    }
    if (exits || (advanced && m.sacked + m.lost == 0))
        m.segs = 0;
    /* step 4; with a fast recovery as one round */
    if (was == 1 && m.recovery != 1 && m.dsack_round)
        m.dsack_nxt = m.nxt;
    else if (was != 1 && m.dsack_round && m.una >= m.dsack_nxt)
        m.dsack_round = 0;
    if (!m.dsack_round && dsack) {
        m.dsack_round = 1;
        m.dsack_nxt = m.nxt;
        m.mult++;
        m.persist = 16;
    } else if (exits && m.persist > 0 && --m.persist == 0) {
        m.mult = 1;
    }
    return delivered;
}

/* 6.3, and RFC2018-6 */
static void model_timeout(void)
{
    uint32_t k;

    m.reo_wnd = reo_wnd();
    for (k = m.una; k < m.nxt; k++) {
        if (oct[k].sacked)
            continue;
        if (k < m.una + MSS || oct[k].at + m.rtt + m.reo_wnd <= w.p.now)
            oct[k].lost = 1;
    }
    if (m.recovery == 1)
        m.dsack_nxt = m.nxt;
    m.recovery = 2;
    m.recover = m.nxt;
    m.timer = 0;
    sums();
}

static void forget_sacks(void)
{
    uint32_t k;

    for (k = m.una; k < m.nxt; k++)
        oct[k].sacked = 0;
    sums();
}

/* ---- the two compared -------------------------------------------------- */

static void show(const char *when)
{
    uint32_t k;

    if (!s.trace)
        return;
    printf("%s t %llu una %u nxt %u rack %llu/%u rtt %u reo %u (%u):", when,
           (unsigned long long)w.p.now, m.una, m.nxt,
           (unsigned long long)m.xmit, m.end, m.rtt, reo_wnd(),
           stream_info().reo_wnd_us);
    for (k = m.una; k < m.nxt; k += MSS)
        printf(" %s%s%llu",
               oct[k].sacked ? "S"
               : oct[k].lost ? "L"
                             : "",
               oct[k].retx ? "r" : "",
               (unsigned long long)(oct[k].at / TICK % 1000));
    printf("\n");
}

static void agree(const char *when)
{
    struct tcpsm_info i = stream_info();

    show(when);
    CHECK_EQ(i.snd_una - w.iss - 1, m.una);
    CHECK_EQ(i.snd_nxt - w.iss - 1, m.nxt);
    CHECK_EQ(i.flight + i.sacked + i.lost, m.nxt - m.una);
    if (s.exact == BOUNDS) {
        CHECKF(i.sacked <= m.sacked, "%s: %u SACKed, not %u", when, i.sacked,
               m.sacked);
        return;
    }
    CHECKF(i.sacked == m.sacked, "%s: %u SACKed, not %u", when, i.sacked,
           m.sacked);
    if (s.exact == SACKED)
        return;
    CHECKF(i.lost == m.lost, "%s: %u lost, not %u", when, i.lost, m.lost);
    CHECKF(i.reordering == m.seen, "%s: reordering %u", when, i.reordering);
    CHECKF(i.rack_rtt_us == m.rtt, "%s: RACK.rtt %u, not %u", when,
           i.rack_rtt_us, m.rtt);
    CHECKF(i.in_recovery == m.recovery, "%s: recovery %u, not %d", when,
           i.in_recovery, m.recovery);
}

/* Law 3, with what is lent copied as well. */
static void law3(void)
{
    static tcpsm_conn before, copy;
    static uint32_t table[sizeof s.table / sizeof *s.table];
    static uint8_t buf[2048];
    tcpsm_time d = tcpsm_deadline(w.c), at;
    tcpsm_out o;
    int k;

    for (k = 0; k < 2; k++) {
        if (k == 1 && d == TCPSM_NEVER)
            return;
        at = k == 0 ? w.p.now : d > w.p.now ? d : w.p.now;
        memcpy(table, s.table, sizeof table);
        before = *w.c;
        before.p.counters = NULL;
        copy = before;
        memset(&o, 0, sizeof o);
        o.buf = buf;
        o.cap = sizeof buf;
        if ((tcpsm_output(&copy, &o, at) > 0 ||
             memcmp(&copy, &before, sizeof copy) != 0 ||
             memcmp(table, s.table, sizeof table) != 0) != (d <= at))
            FAIL("law 3: deadline %llu, at %llu", (unsigned long long)d,
                 (unsigned long long)at);
        memcpy(s.table, table, sizeof table);
    }
}

static void sent_one(void)
{
    uint32_t seq = w.seg.seq - w.iss - 1, k;

    for (k = 0; k < w.seg.len; k++)
        if (w.seg.payload[k] != wire_byte(1, seq + 1 + k))
            FAIL("octet %u of %u is wrong", k, seq);
    if (w.seg.len == 0)
        return;
    CHECK(seq + w.seg.len < OCTETS);
    model_sent(seq, w.seg.len);
    if (s.n_air < 512) {
        s.air[s.n_air].seq = seq;
        s.air[s.n_air].len = w.seg.len;
        s.air[s.n_air++].at = w.p.now;
    }
}

/* What is due now goes out, one by one. */
static void drain(void)
{
    uint64_t timeouts;
    int turns = 0, entered = 0;

    while (tcpsm_deadline(w.c) <= w.p.now) {
        CHECK(++turns < 3000);
        timeouts = COUNT(timeouts);
        if (m.timer != 0 && m.timer <= w.p.now) {
            m.entered = 0;
            detect();
            entered = m.entered;
        }
        pair__output(&w.p, PAIR_A);
        if (entered)
            begin_prr(0);
        entered = 0;
        if (COUNT(timeouts) != timeouts) {
            if (stream_info().sacked == 0)
                forget_sacks();
            model_timeout();
        }
        while (w.q_n) {
            wire__take();
            sent_one();
        }
    }
    agree("output");
    law3();
}

static void ack(uint32_t no, uint32_t b[4][2], uint32_t n)
{
    char text[200];
    uint32_t at, i, delivered, una;

    at = (uint32_t)snprintf(text, sizeof text, "A 1 ack %u%s", no + 1,
                            n ? " sack" : "");
    for (i = 0; i < n; i++)
        at += (uint32_t)snprintf(text + at, sizeof text - at, " %u:%u",
                                 b[i][0] + 1, b[i][1] + 1);
    if (s.trace)
        printf("< %s\n", text);
    wire__step(__FILE__, __LINE__, "%s", text);
    wire__in(text);
    m.min_rtt = stream_info().min_rtt_us;
    m.srtt = stream_info().srtt_us;
    m.entered = 0;
    una = m.una;
    delivered = model_ack(no, b, n);
    detect();
    agree("input");
    law3();
    if (m.recovery != 1 || s.exact != ALL)
        return;
    if (m.entered)
        begin_prr(delivered);
    prr(delivered, m.una != una);
}

/* ---- a peer ------------------------------------------------------------ */

/* A segment arrives: what the peer then says. */
static void arrives(uint32_t i, int dsack)
{
    uint32_t seq = s.air[i].seq, len = s.air[i].len, k, n = 0, from, to, j;
    uint32_t b[4][2], keep[4][2], kept = 0;
    int dup = 1;

    memmove(s.air + i, s.air + i + 1, (s.n_air - i - 1) * sizeof *s.air);
    s.n_air--;
    for (k = seq; k < seq + len; k++) {
        dup &= oct[k].got;
        oct[k].got = 1;
    }
    while (oct[s.rcv_nxt].got)
        s.rcv_nxt++;
    if (dup && dsack) {
        b[n][0] = seq;
        b[n++][1] = seq + len;
    }
    if (seq + len > s.rcv_nxt) { /* the block that it is in comes first */
        for (from = seq; from > 0 && oct[from - 1].got; from--)
            ;
        for (to = seq + len; oct[to].got; to++)
            ;
        keep[kept][0] = from;
        keep[kept++][1] = to;
    }
    for (j = 0; j < s.n_blocks && kept < 4; j++) {
        from = s.blocks[j][0];
        if (from < s.rcv_nxt)
            continue;
        for (to = from; oct[to].got; to++)
            ;
        for (; from > 0 && oct[from - 1].got; from--)
            ;
        if (kept && keep[0][0] == from)
            continue;
        keep[kept][0] = from;
        keep[kept++][1] = to;
    }
    memcpy(s.blocks, keep, sizeof keep);
    s.n_blocks = kept;
    for (j = 0; j < kept && n < 4; j++, n++) {
        b[n][0] = keep[j][0];
        b[n][1] = keep[j][1];
    }
    if (rnd(12) == 0)
        return; /* the ACK is lost */
    ack(s.rcv_nxt, b, n);
}

static void begin(uint32_t seed, uint32_t runs)
{
    memset(oct, 0, sizeof oct);
    memset(&m, 0, sizeof m);
    memset(&s, 0, sizeof s);
    s.seed = seed;
    m.mult = 1;
    START();
    w.cfg.flags = (WIRE_PLAIN & ~(uint32_t)TCPSM_NO_SACK) | TCPSM_NO_PROBE;
    w.cfg.cc = &loss_reno;
    w.cfg.rto_min_us = 30000;
    /* 32-bit times in all quarters; every third soon wraps */
    w.p.now = w.t0 = (tcpsm_time)seed * 0x37777777u;
    if (seed % 3 == 0)
        w.p.now = w.t0 |= 0xFFF00000u;
    if (seed % 4 == 0) /* sequence numbers, too */
        w.want_iss = 0u - 1000 - seed;
    OPEN();
    wire__fill();
    wire__take();
    w.p.now += RTT;
    w.peer_win = 64 * MSS;
    INF("SA 0 ack 1 win %u mss %u sackok", 64 * MSS, MSS);
    wire__fill();
    wire__take();
    if (runs)
        CHECK_EQ(
            tcpsm_attach(w.c, TCPSM_TABLES, s.table, runs * 20 + 8, NULL), 0);
    wire__touched();
    CHECK_EQ(stream_info().min_rtt_us, RTT);
}

/* The next thing happens; 0: all is said. */
static int step(uint32_t loss, uint32_t reorder, int dsack)
{
    tcpsm_time next = tcpsm_deadline(w.c), t;
    uint32_t i, ready = 0;

    for (i = 0; i < s.n_air; i++) {
        t = s.air[i].at + RTT;
        if (t <= w.p.now)
            ready++;
        else if (t < next)
            next = t;
    }
    if (ready != 0 && rnd(8) != 0) {
        for (i = 0; s.air[i].at + RTT > w.p.now; i++)
            ;
        if (rnd(100) < reorder)
            i = rnd(s.n_air);
        if (s.air[i].at + RTT > w.p.now)
            return 1;
        if (rnd(100) < loss) {
            memmove(s.air + i, s.air + i + 1,
                    (s.n_air - i - 1) * sizeof *s.air);
            s.n_air--;
        } else {
            arrives(i, dsack);
            drain();
        }
        return 1;
    }
    if (ready == 0 && next == TCPSM_NEVER)
        return 0;
    if (ready == 0 && next > w.p.now) /* to the next tick after it */
        w.p.now += (next - w.p.now + TICK - 1) / TICK * TICK;
    else
        w.p.now += TICK;
    drain();
    return 1;
}

static void story(uint32_t seed, uint32_t runs, uint32_t loss,
                  uint32_t reorder, int dsack, int exact)
{
    uint32_t steps = 0;

    begin(seed, runs);
    s.exact = exact;
    s.trace = getenv("SCOREBOARD_TRACE") != NULL;
    if (s.trace)
        printf("story(%u, %u, %u, %u, %d, %d)\n", seed, runs, loss, reorder,
               dsack, exact);
    SEND(MSS * 400);
    drain();
    while (step(loss, reorder, dsack)) {
        CONTEXT("seed %u runs %u loss %u reorder %u dsack %d step %u", seed,
                runs, loss, reorder, dsack, steps);
        CHECK(++steps < 20000);
    }
    CHECK_EQ(s.rcv_nxt, MSS * 400);
    CHECK_EQ(stream_info().snd_queued, 0);
}

/* ---- exactly as the RFC says ------------------------------------------- */

TEST(RFC8985_exactly_with_losses)
{
    uint32_t k;

    for (k = 1; k <= 12; k++)
        story(k, 255, k, 0, 0, ALL);
    story(30046, 255, 21, 0, 0, ALL); /* an RTO's recovery ends in order */
    story(68, 255, 18, 0, 0, ALL);    /* undone, and then in order */
}

TEST(RFC8985_exactly_with_reordering)
{
    uint32_t k;

    for (k = 1; k <= 12; k++)
        story(100 + k, 255, 0, 3 * k, k & 1, ALL);
}

TEST(RFC8985_exactly_with_both)
{
    uint32_t k;

    for (k = 1; k <= 16; k++)
        story(200 + k, 255, k, 2 * k, k & 1, ALL);
}

/* ---- small tables ------------------------------------------------------ */

/* Marks are forgotten, and the newest time of neighbours is taken for both;
   what was sent arrives. */
TEST(eight_runs)
{
    uint32_t k;

    for (k = 1; k <= 12; k++)
        story(300 + k, 0, 1 + k, 2 * k, k & 1, BOUNDS);
}

TEST(ten_to_twenty_runs)
{
    uint32_t k;

    for (k = 10; k <= 20; k++)
        story(400 + k, k, k, k, k & 1, BOUNDS);
}

/* ---- a hole more or less ----------------------------------------------- */

/* Sends n segments at once. */
static void flight(uint32_t n, uint32_t runs)
{
    begin(1, runs);
    START();
    w.cfg.flags = (WIRE_PLAIN & ~(uint32_t)TCPSM_NO_SACK) | TCPSM_NO_PROBE;
    w.cfg.cc = &loss_reno;
    w.cfg.initial_segments = (uint8_t)n;
    OPEN();
    wire__fill();
    wire__take();
    w.p.now += RTT;
    INF("SA 0 ack 1 win 65535 mss %u sackok", MSS);
    wire__fill();
    wire__take();
    if (runs)
        CHECK_EQ(
            tcpsm_attach(w.c, TCPSM_TABLES, s.table, runs * 20 + 8, NULL), 0);
    wire__touched();
    SEND(n * MSS);
    FLIGHT(1, n, MSS);
    NONE();
    w.p.now += RTT;
}

/* What goes out now; each octet below `n` that goes again is counted. */
static uint32_t again(uint8_t *times, uint32_t n)
{
    uint32_t k = 0;

    for (wire__fill(); w.q_n != 0; wire__fill(), k++) {
        wire__take();
        if (w.seg.seq - w.iss - 1 < n * MSS)
            times[(w.seg.seq - w.iss - 1) / MSS]++;
    }
    return k;
}

/* A lossy bulk connection with lent tables tracks 64 holes and more: each
   is sent again, once, and nothing else. */
static void holes(uint32_t n, uint32_t runs)
{
    uint8_t times[256] = {0};
    uint32_t k, j, at, una = 0, late = 0;
    char text[200];

    flight(2 * n, runs);
    for (k = 0; k < n; k++) { /* 2k is lost, 2k + 1 arrives */
        at = (uint32_t)snprintf(text, sizeof text, "A 1 ack 1 sack");
        for (j = 0; j < 4 && j <= k; j++)
            at += (uint32_t)snprintf(text + at, sizeof text - at, " %u:%u",
                                     (2 * (k - j) + 1) * MSS + 1,
                                     (2 * (k - j) + 2) * MSS + 1);
        INF("%s", text);
        CHECK_EQ(stream_info().sacked, (k + 1) * MSS);
        again(times, 2 * n);
        CHECK_EQ(stream_info().sacked, (k + 1) * MSS);
        loss_sum();
    }
    while (una < n) { /* a round trip later, and so on */
        CHECK(++late < 1000);
        w.p.now += RTT;
        for (j = una; j < n && times[2 * j]; j++)
            ;
        if (j == una)
            loss_next();
        again(times, 2 * n);
        for (; una < j; una++) {
            INF("A 1 ack %u", (2 * una + 2) * MSS + 1);
            again(times, 2 * n);
        }
    }
    CHECK_EQ(COUNT(timeouts), 0);
    for (k = 0; k < n; k++) {
        CHECKF(times[2 * k] == 1, "hole %u: %u times", k, times[2 * k]);
        CHECKF(times[2 * k + 1] == 0, "%u is SACKed", 2 * k + 1);
    }
    CHECK_EQ(stream_info().snd_queued, 0);
    CHECK_EQ(COUNT(retransmits), n);
}

TEST(sixty_four_holes)
{
    holes(64, 140);
}

TEST(more_holes)
{
    holes(3, 16);
    holes(30, 70);
    holes(120, 255);
}

/* More holes than the table can tell: SACK information is lost, which is
   advice; the octets are not. */
TEST(more_holes_than_runs)
{
    uint8_t times[256] = {0};
    uint32_t k, j, at, una, turn;
    char text[200];

    flight(120, 0);
    for (k = 0; k < 60; k++) {
        at = (uint32_t)snprintf(text, sizeof text, "A 1 ack 1 sack");
        for (j = 0; j < 4 && j <= k; j++)
            at += (uint32_t)snprintf(text + at, sizeof text - at, " %u:%u",
                                     (2 * (k - j) + 1) * MSS + 1,
                                     (2 * (k - j) + 2) * MSS + 1);
        INF("%s", text);
        again(times, 120);
        loss_sum();
        CHECK_LE(stream_info().runs, 8u);
    }
    for (turn = 0; stream_info().snd_queued != 0; turn++) {
        CHECK(turn < 2000);
        w.p.now += RTT;
        again(times, 120);
        for (una = 0; una < 120 && ((una & 1) || times[una]); una++)
            ;
        if (una * MSS + 1 == stream_info().snd_una - w.iss) {
            loss_next();
            again(times, 120);
        } else {
            INF("A 1 ack %u", una * MSS + 1);
        }
    }
    for (k = 0; k < 120; k += 2)
        CHECKF(times[k] >= 1, "hole %u was never sent again", k);
}

/* ---- which blocks count ------------------------------------------------ */

/* UNA < left < right <= NXT, by unsigned distance; each octet once. */
TEST(block_counts)
{
    static const struct {
        const char *blocks;
        uint32_t sacked;
    } row[] = {
        {"101:151", 50},
        {"101:151 101:151", 50}, /* a D-SACK and what it lies in */
        {"151:101", 0},          /* reversed */
        {"101:101", 0},          /* empty */
        {"51:1001", 0},          /* from UNA on: that would be an ACK */
        {"52:1001", 949},
        {"51:52", 0},
        {"52:53", 1},
        {"951:1001", 50}, /* up to NXT */
        {"951:1002", 0},  /* beyond */
        {"1000:1001", 1},
        {"1001:1002", 0},
        {"1001:1101", 0},
        {"0:51", 0}, /* below: D-SACKs */
        {"1:101", 0},
        {"50:101", 0},
        {"-100:101", 0},
        {"-2147483647:101", 0},
        {"101:-2147483000", 0}, /* half way round */
        {"101:2147483748", 0},
        {"2147483600:2147483700", 0},
        {"101:100", 0},
        {"4294967295:151", 0},
        {"201:301 251:401", 200},         /* overlapping */
        {"251:401 201:301", 200},         /* ... */
        {"201:401 251:301", 200},         /* one in the other */
        {"201:251 251:301 301:351", 150}, /* adjacent */
        {"201:251 401:451 301:351 501:551", 200},
        {"951:1002 101:151", 50}, /* one bad, one good */
        {"151:101 201:251", 50},
        {"101:102 103:104 105:106 107:108", 4}, /* tiny */
    };
    uint32_t k;

    for (k = 0; k < sizeof row / sizeof *row; k++) {
        CONTEXT("row %u", k);
        flight(20, 16);
        IN("A 1 ack 51");
        stream_drain();
        INF("A 1 ack 51 sack %s", row[k].blocks);
        CHECK_EQ(stream_info().sacked, row[k].sacked);
        loss_sum();
        stream_drain();
        INF("A 1 ack 51 sack %s", row[k].blocks); /* again */
        CHECK_EQ(stream_info().sacked, row[k].sacked);
        stream_drain();
        loss_heal();
    }
}

/* The same with sequence numbers that wrap in the middle of the flight. */
TEST(block_counts_across_the_wrap)
{
    uint32_t k;

    for (k = 1; k <= 1011; k += 101) {
        begin(1, 0);
        START();
        w.cfg.flags =
            (WIRE_PLAIN & ~(uint32_t)TCPSM_NO_SACK) | TCPSM_NO_PROBE;
        w.cfg.initial_segments = 20;
        w.want_iss = 0u - k;
        OPEN();
        wire__fill();
        wire__take();
        w.p.now += RTT;
        INF("SA 0 ack 1 win 65535 mss %u sackok", MSS);
        wire__fill();
        wire__take();
        CHECK_EQ(w.iss, 0u - k);
        SEND(20 * MSS);
        FLIGHT(1, 20, MSS);
        w.p.now += RTT;
        IN("A 1 ack 51");
        INF("A 1 ack 51 sack 101:151 401:1001 201:251");
        CHECK_EQ(stream_info().sacked, 700);
        CHECK_EQ(stream_info().lost, 250);
        INF("A 1 ack 51 sack 51:101 951:1002 300:290");
        CHECK_EQ(stream_info().sacked, 700);
        loss_sum();
        loss_heal();
    }
}

/* ---- hostile ----------------------------------------------------------- */

static uint32_t anywhere(void)
{
    switch (rnd(8)) {
    case 0:
        return m.una - rnd(200);
    case 1:
        return m.nxt + rnd(200);
    case 2:
        return m.una + rnd(4) + 1;
    case 3:
        return m.nxt - rnd(4);
    case 4:
        return m.una + 0x7FFFFF80u + rnd(0x100);
    case 5:
        return (uint32_t)netsim_random(&s.seed);
    default:
        return m.una + rnd(m.nxt - m.una + 1);
    }
}

static void hostile_ack(void)
{
    uint32_t b[4][2], n = rnd(5), k, at;

    for (k = 0; k < n; k++) {
        b[k][0] = anywhere();
        switch (rnd(4)) {
        case 0:
            b[k][1] = b[k][0] + 1; /* an island */
            break;
        case 1:
            b[k][1] = b[k][0] + rnd(MSS);
            break;
        case 2:
            b[k][1] = b[k][0] - rnd(MSS);
            break;
        default:
            b[k][1] = anywhere();
            break;
        }
    }
    at = m.una;
    if (rnd(10) == 0) /* never more than was received: data must arrive */
        at = m.una + rnd(s.rcv_nxt - m.una + 1);
    ack(at, b, n);
}

static void hostile(uint32_t seed, uint32_t runs, int exact)
{
    uint32_t steps = 0;

    begin(seed, runs);
    s.exact = exact;
    s.trace = getenv("SCOREBOARD_TRACE") != NULL;
    SEND(MSS * 200);
    drain();
    while (step(rnd(10), rnd(30), 1)) {
        CONTEXT("hostile %u runs %u step %u", seed, runs, steps);
        CHECK(++steps < 40000);
        if (rnd(3) == 0 && w.p.now < w.t0 + 20 * PAIR_SECOND) {
            hostile_ack();
            if (rnd(2))
                drain();
        }
    }
    CHECK_EQ(s.rcv_nxt, MSS * 200);
    CHECK_EQ(stream_info().snd_queued, 0);
    STATE(TCPSM_ESTABLISHED);
}

TEST(hostile_blocks_and_eight_runs)
{
    uint32_t k;

    for (k = 1; k <= 12; k++)
        hostile(500 + k, 0, BOUNDS);
}

TEST(hostile_blocks_and_a_large_table)
{
    uint32_t k;

    for (k = 1; k <= 12; k++)
        hostile(600 + k, 255, BOUNDS);
    hostile(16379, 255, BOUNDS); /* SACKed, reneged, undone */
}
