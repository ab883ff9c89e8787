/* Reassembly against a byte map: every sequence of segments over a small
   universe, then long random ones over larger ones; the ACK that follows,
   its SACK and D-SACK blocks too (RFC9293-SHLD-31, RFC2018-2, -3, -4,
   RFC2883-1, -2, RFC5681-10, -15). */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#include "stream.h"

#define UNIVERSE 400
#define RANGES 64

/* What a receiver must hold. Octets count from 0; `fin` is the place of
   the FIN, or UNIVERSE when none was taken. */
typedef struct {
    tcpsm_conn c;
    uint8_t ring[UNIVERSE];
    uint8_t have[UNIVERSE + 1];
    uint32_t order[RANGES]; /* an octet in each range, newest first */
    uint32_t n, nxt, edge, fin, most;
    int eof;
} model;

static model m;
static uint32_t base; /* sequence number of octet 0 */
static uint8_t *ring; /* the memory that the connection knows */
static uint32_t cap, head;

static void setup(uint32_t size, uint32_t tables, int sack)
{
    static uint32_t table[19 * RANGES / 4 + 4];
    START();
    if (sack)
        w.cfg.flags &= ~(uint32_t)TCPSM_NO_SACK;
    w.rcv_ring = size;
    if (sack)
        ACCEPTED("mss 1460 sackok");
    else
        ACCEPTED("mss 1460");
    if (tables != 0)
        CHECK_EQ(
            tcpsm_attach(w.c, TCPSM_TABLES, table, tables * 19 + 3, NULL), 0);
    head = size / 2 + 1;
    if (head < size) {
        INF("PA 1 ack 1 len %u", head);
        wire__read(head);
        stream_drain();
    } else {
        head = 0;
    }
    w.p.no_laws = 1;
    base = stream_info().rcv_nxt;
    ring = w.p.rcv[0];
    cap = size;
    memset(&m, 0, sizeof m);
    m.edge = stream_info().rcv_wnd;
    CHECK_EQ(m.edge, cap);
    m.fin = UNIVERSE;
    m.most = stream_info().range_cap;
}

static void save(model *to)
{
    *to = m;
    to->c = *w.c;
    memcpy(to->ring, ring, cap);
}

static void restore(const model *from)
{
    m = *from;
    *w.c = from->c;
    memcpy(ring, from->ring, cap);
}

static uint8_t octet(uint32_t i)
{
    return (uint8_t)(0x51 + 7 * i);
}

/* The range that holds octet i. */
static void range_of(uint32_t i, uint32_t *a, uint32_t *b)
{
    for (*a = i; *a > 0 && m.have[*a - 1]; (*a)--)
        ;
    for (*b = i + 1; *b <= UNIVERSE && m.have[*b]; (*b)++)
        ;
}

/* How many ranges lie beyond nxt. */
static uint32_t count_ranges(void)
{
    uint32_t i, n = 0;
    for (i = m.nxt + 1; i <= UNIVERSE; i++)
        n += m.have[i] && !m.have[i - 1];
    return n;
}

/* What [a, b), with a FIN after it or not, does to a receiver. dup: the
   first part of it that was there already. */
static void expect(uint32_t a, uint32_t b, int fin, uint32_t *dup_a,
                   uint32_t *dup_b)
{
    uint32_t i, k, out, end = b + (fin != 0), touch = a;
    *dup_a = *dup_b = 0;
    if (m.eof)
        return;
    if (b > m.edge || (m.fin < UNIVERSE && b > m.fin)) {
        b = m.fin < UNIVERSE && m.fin < m.edge ? m.fin : m.edge;
        end = b;
    }
    for (i = a; i < end && !m.have[i]; i++)
        ;
    for (k = i; k < end && m.have[k]; k++)
        ;
    *dup_a = i;
    *dup_b = k;
    if (end <= m.nxt || a >= end)
        return;
    if (m.nxt == m.edge && a != m.nxt) /* table 6, RCV.WND = 0 */
        return;
    if (a > m.nxt) {
        if (end == b + 1 && b == m.edge) /* no FIN beyond the edge */
            end = b;
        for (i = b; end == b + 1 && i <= UNIVERSE; i++)
            if (m.have[i]) /* nor before what is there */
                end = b;
        if (a >= end)
            return;
        for (i = a, k = 0; i <= end; i++)
            k += m.have[i];
        k += m.have[a - 1];
        if (k == 0 && m.n == m.most)
            return; /* the table is full */
    } else if (end == b + 1) {
        for (i = b; i <= UNIVERSE; i++)
            if (m.have[i] && (i != m.fin || b != m.fin))
                end = b;
    }
    if (end == b + 1)
        m.fin = b;
    for (i = a; i < end; i++)
        m.have[i] = 1;
    while (m.nxt <= UNIVERSE && m.have[m.nxt])
        m.nxt++;
    m.eof = m.nxt > m.fin;
    /* recency: what lies beyond nxt, the touched one first */
    for (i = out = 0; i < m.n; i++) {
        uint32_t x, y, j, again = 0;
        range_of(m.order[i], &x, &y);
        if (x < m.nxt || (touch >= x && touch < y))
            continue;
        for (j = 0; j < out; j++)
            again |= m.order[j] >= x && m.order[j] < y;
        if (!again)
            m.order[out++] = m.order[i];
    }
    m.n = out;
    if (touch > m.nxt && m.have[touch]) {
        memmove(m.order + 1, m.order, m.n * sizeof *m.order);
        m.order[0] = touch;
        m.n++;
    }
}

/* Gives it to the connection. */
static void deliver(uint32_t a, uint32_t b, int fin)
{
    uint8_t seg[20 + UNIVERSE];
    uint32_t i;
    memset(seg, 0, 20);
    pair_put16(seg, w.tuple.remote_port);
    pair_put16(seg + 2, w.tuple.local_port);
    pair_put32(seg + 4, base + a);
    pair_put32(seg + 8, w.iss + 1);
    seg[12] = 5 << 4;
    seg[13] = (uint8_t)(PAIR_ACK | (fin ? PAIR_FIN : 0));
    pair_put16(seg + 14, 60000);
    for (i = a; i < b; i++)
        seg[20 + i - a] = octet(i);
    w.in.src = w.tuple.remote;
    w.in.dst = w.tuple.local;
    w.in.data = seg;
    w.in.len = 20 + b - a;
    w.in.family = 4;
    w.in.flags = TCPSM_IN_CSUM_OK;
    CHECK_EQ(tcpsm_input(w.c, &w.in, w.p.now), 0);
}

static void compare(void)
{
    struct tcpsm_info s = stream_info();
    tcpsm_cspan span[2];
    uint32_t i, ready = m.nxt - (uint32_t)m.eof;
    CHECK_EQ(tcpsm_check(w.c), 0);
    CHECK_EQ(s.rcv_nxt - base, m.nxt);
    CHECK_EQ(s.rcv_queued, ready);
    CHECK_EQ(s.ranges, count_ranges());
    CHECK_EQ((tcpsm_events(w.c) & TCPSM_EV_EOF) != 0, m.eof);
    for (i = 0; i < m.edge; i++)
        if (m.have[i] && i != m.fin)
            CHECK_EQ(ring[(head + i) % cap], octet(i));
    if (ready == 0)
        return;
    CHECK_EQ(tcpsm_receive_peek(w.c, span), ready);
    CHECK_EQ(span[0].p[0], octet(0));
}

/* The answers: how many, and the blocks of the only one. */
static void compare_ack(uint32_t a, uint32_t b, int fin, uint32_t dup_a,
                        uint32_t dup_b, int needed)
{
    tcpsm_out o;
    uint8_t buf[2048];
    pair_segment s;
    tcpsm_ret r;
    uint32_t n = 0, i, k = 0, x, y;
    memset(&o, 0, sizeof o);
    o.buf = buf;
    o.cap = sizeof buf;
    while ((r = tcpsm_output(w.c, &o, w.p.now)) > 0) {
        n++;
        CHECK_EQ(pair_parse(&s, buf, (uint32_t)r), 0);
        CHECK_EQ(s.ack - base, m.nxt);
    }
    CHECKF(n <= 1, "%u ACKs for [%u, %u) fin %d", n, a, b, fin);
    CHECKF(n == 1 || !needed, "no ACK for [%u, %u) fin %d", a, b, fin);
    if (n == 0 || fin || m.fin < UNIVERSE || !stream_info().sack)
        return;
    if (dup_a < dup_b) {
        CHECK_GE(s.sacks, 1);
        CHECK_EQ(s.sack[k][0] - base, dup_a);
        CHECK_EQ(s.sack[k][1] - base, dup_b);
        k = 1;
    }
    for (i = 0; i < m.n && k < 4; i++, k++) {
        range_of(m.order[i], &x, &y);
        CHECK_GT((uint32_t)s.sacks, k);
        CHECK_EQ(s.sack[k][0] - base, x);
        CHECK_EQ(s.sack[k][1] - base, y);
    }
    CHECK_EQ(s.sacks, k);
}

static void step(uint32_t a, uint32_t b, int fin)
{
    uint32_t dup_a, dup_b, was = m.nxt;
    int ranges = m.n != 0, late = m.eof, needed;
    expect(a, b, fin, &dup_a, &dup_b);
    deliver(a, b, fin);
    compare();
    needed = !late && (a != was || ranges) && a != b;
    compare_ack(a, b, fin, dup_a, dup_b, needed);
}

/* Every sequence of `depth` segments within n octets. */
static uint32_t leaves;
static char path[6][24]; /* how we came here, for a failure */

static void explore(uint32_t n, uint32_t depth, int fins)
{
    model here;
    uint32_t a, b;
    int fin;
    leaves++;
    path[4][0] = depth == 4 ? 0 : path[4][0];
    if (depth == 0)
        return;
    save(&here);
    for (a = 0; a <= n; a++)
        for (b = a; b <= n; b++)
            for (fin = 0; fin <= (fins > 1 || (fins && b == n)); fin++) {
                if (a == b && !fin)
                    continue;
                snprintf(path[depth], sizeof path[depth], "[%u, %u)%s", a, b,
                         fin ? " FIN" : "");
                CONTEXT("%s %s %s %s", depth < 4 ? path[4] : "",
                        depth < 3 ? path[3] : "", depth < 2 ? path[2] : "",
                        path[depth]);
                step(a, b, fin);
                explore(n, depth - 1, fins);
                restore(&here);
            }
}

TEST(RFC9293_SHLD_31_every_overlap)
{
    setup(8, 0, 0);
    explore(6, 4, 0);
    CHECK_GT(leaves, 200000u);
}

TEST(RFC9293_SHLD_31_every_overlap_with_fin)
{
    setup(7, 0, 0);
    explore(5, 4, 1);
}

/* ... and from a peer that does not know where its stream ends */
TEST(every_overlap_with_lying_fins)
{
    setup(7, 0, 0);
    explore(4, 3, 2);
    setup(7, 0, 0);
    explore(3, 4, 2);
}

/* ... and with a window that ends before the segments do */
TEST(every_overlap_trimmed_at_the_right_edge)
{
    setup(4, 0, 0);
    explore(6, 4, 0);
    setup(5, 0, 0);
    explore(5, 3, 1);
    setup(4, 0, 0);
    explore(5, 3, 1);
}

TEST(RFC2018_3_4_RFC2883_1_every_overlap_with_sack)
{
    setup(8, 0, 1);
    explore(6, 4, 0);
    setup(8, 0, 1);
    explore(8, 3, 0);
}

/* Longer, at random: the inline table overflows, a lent one does not. */
static void at_random(uint32_t size, uint32_t tables, uint32_t n,
                      uint64_t seed, int sack)
{
    uint32_t k, a, b, most, i;
    setup(size, tables, sack);
    most = 1 + (uint32_t)netsim_random(&seed) % 40;
    for (k = 0; k < 300 && !m.eof; k++) {
        a = (uint32_t)netsim_random(&seed) % n;
        b = a + 1 + (uint32_t)netsim_random(&seed) % most;
        if (netsim_random(&seed) % 3 == 0)
            a = m.nxt, b = a + 1;
        if (b > n)
            b = n;
        if (a >= b)
            continue;
        CONTEXT("seed %llx, segment %u: [%u, %u)", (unsigned long long)seed,
                k, a, b);
        step(a, b, 0);
    }
    for (i = 0; m.nxt < n && m.nxt < m.edge; i++)
        step(m.nxt, m.nxt + 1, 0);
    CHECK_EQ(wire__read(0), 0);
}

TEST(random_overlaps_four_ranges)
{
    uint64_t seed;
    for (seed = 1; seed < 150; seed++)
        at_random(UNIVERSE - 1 - (uint32_t)seed % 50, 0, 300, seed, seed & 1);
}

TEST(random_overlaps_lent_table)
{
    uint64_t seed;
    for (seed = 1; seed < 150; seed++)
        at_random(UNIVERSE - 1, 8 + (uint32_t)seed % 52, 390, seed, seed & 1);
}
