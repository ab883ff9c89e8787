/* Law 7 by search: two connections with rings of a few octets, every order
   of sending, reading, closing, losing, copying, reordering and waiting,
   to a small depth; then long random walks. In every situation whoever has
   something outstanding has a deadline, and from every situation a healed
   network brings everything home. */

#include "test.h"

#include "tcpsm.h"

#include "pair.h"

#define QUEUE 3
#define PACKET 112
#define RING 8
#define TOTAL 12
#define PATH 64

typedef struct {
    tcpsm_conn c[2];
    uint8_t rcv[2][RING], snd[2][RING];
    uint8_t q[2][QUEUE][PACKET]; /* q[s]: what side s sent */
    uint8_t q_len[2][QUEUE], q_n[2];
    uint8_t sent[2], got[2], shut[2], eof[2];
    tcpsm_time now;
} world;

typedef struct {
    world w;
    uint8_t path[PATH], n;
} node;

static world v; /* rings point in here */
static tcpsm_tuple tuple[2];
static uint8_t path[PATH], path_n;

static uint8_t octet(int side, uint32_t k)
{
    return (uint8_t)(100 * side + (int)k + 1);
}

static const char *told(void)
{
    static char text[200];
    uint32_t i, n = 0;
    text[0] = 0;
    for (i = 0; i < path_n && n < 180; i++)
        n += (uint32_t)snprintf(text + n, sizeof text - n, "%u ", path[i]);
    return text;
}

static void give(int to, const uint8_t *seg, uint32_t len)
{
    tcpsm_in in;
    memset(&in, 0, sizeof in);
    in.src = tuple[!to].local;
    in.dst = tuple[to].local;
    in.data = seg;
    in.len = len;
    in.family = 4;
    if (tcpsm_state(&v.c[to]) == TCPSM_CLOSED)
        return; /* after the end, an old copy */
    CHECK_EQ(tcpsm_input(&v.c[to], &in, v.now), 0);
    CHECK_EQ(tcpsm_check(&v.c[to]), 0);
}

/* All that is due at a side goes into its queue (what finds no room is
   lost) or straight to the peer. */
static int drain(int s, int direct)
{
    uint8_t buf[256];
    tcpsm_out o;
    tcpsm_ret n;
    int any = 0;
    memset(&o, 0, sizeof o);
    o.buf = buf;
    o.cap = sizeof buf;
    while (tcpsm_deadline(&v.c[s]) <= v.now) {
        n = tcpsm_output(&v.c[s], &o, v.now);
        CHECK_GE(n, 0);
        CHECK_EQ(tcpsm_check(&v.c[s]), 0);
        CHECKF(++any < 200, "output does not end: %s", told());
        if (n == 0)
            continue;
        CHECK_LE(n, PACKET);
        if (direct) {
            give(!s, buf, (uint32_t)n);
        } else if (v.q_n[s] < QUEUE) {
            memcpy(v.q[s][v.q_n[s]], buf, (size_t)n);
            v.q_len[s][v.q_n[s]++] = (uint8_t)n;
        }
    }
    return any;
}

/* The predicate: something outstanding, so there is a deadline. */
static void law_7(int s)
{
    struct tcpsm_info i;
    int fin;
    tcpsm_status(&v.c[s], &i);
    fin = i.state == TCPSM_FIN_WAIT_1 || i.state == TCPSM_CLOSING ||
          i.state == TCPSM_LAST_ACK;
    if (i.state == TCPSM_CLOSED && (i.error || !v.shut[0] || !v.shut[1]))
        FAIL("closed, error %d: %s", i.error, told());
    if ((i.snd_queued != 0 || i.unsent != 0 || fin) &&
        tcpsm_deadline(&v.c[s]) == TCPSM_NEVER)
        FAIL("stuck: %s", told());
}

static int read_some(int s, uint32_t most)
{
    uint8_t buf[RING];
    tcpsm_ret r = tcpsm_receive(&v.c[s], buf, most), i;
    for (i = 0; i < r; i++)
        CHECKF(buf[i] == octet(!s, v.got[s]++), "wrong octet: %s", told());
    if (r == TCPSM_E_EOF && !v.eof[s]) {
        v.eof[s] = 1;
        CHECK_EQ(v.got[s], v.sent[!s]);
        return 1;
    }
    return r > 0;
}

static int write_some(int s, uint32_t n, uint32_t flags)
{
    uint8_t buf[RING];
    uint32_t k;
    tcpsm_ret r;
    if (v.sent[s] + n > TOTAL)
        return 0;
    for (k = 0; k < n; k++)
        buf[k] = octet(s, v.sent[s] + k);
    r = tcpsm_send(&v.c[s], buf, n, flags);
    if (r <= 0)
        return 0;
    v.sent[s] = (uint8_t)(v.sent[s] + r);
    return 1;
}

static void remove_packet(int s, uint32_t i)
{
    v.q_n[s]--;
    for (; i < v.q_n[s]; i++) {
        memcpy(v.q[s][i], v.q[s][i + 1], PACKET);
        v.q_len[s][i] = v.q_len[s][i + 1];
    }
    memset(v.q[s][v.q_n[s]], 0, PACKET);
    v.q_len[s][v.q_n[s]] = 0;
}

static int deliver(int s, uint32_t i, int keep)
{
    uint8_t seg[PACKET];
    uint32_t n;
    if (i >= v.q_n[s])
        return 0;
    n = v.q_len[s][i];
    memcpy(seg, v.q[s][i], n);
    if (!keep)
        remove_packet(s, i);
    give(!s, seg, n);
    return 1;
}

/* Action a of a side; 0: not possible, or nothing happened. */
enum { ACTIONS = 12 };

static int act(uint32_t a, int s)
{
    tcpsm_time d;
    switch (a) {
    case 0:
        return write_some(s, 1, 0);
    case 1:
        return write_some(s, 5, 0);
    case 2:
        return write_some(s, 1, TCPSM_MORE);
    case 3:
        return write_some(s, 1, TCPSM_EOR);
    case 4:
        return read_some(s, 1);
    case 5:
        return read_some(s, RING);
    case 6:
        return deliver(s, 0, 0);
    case 7:
        return v.q_n[s] > 1 && deliver(s, v.q_n[s] - 1u, 0);
    case 8:
        return deliver(s, 0, 1);
    case 9:
        if (v.q_n[s] == 0)
            return 0;
        remove_packet(s, 0);
        return 1;
    case 10:
        if (v.shut[s])
            return 0;
        v.shut[s] = 1;
        return tcpsm_shutdown(&v.c[s]) == 0;
    default:
        d = tcpsm_deadline(&v.c[s]);
        if (d == TCPSM_NEVER || d < v.now)
            return 0;
        v.now = d;
        return 1;
    }
}

static int do_step(uint32_t choice)
{
    int s = (int)(choice / ACTIONS);
    if (!act(choice % ACTIONS, s))
        return 0;
    drain(0, 0);
    drain(1, 0);
    law_7(0);
    law_7(1);
    return 1;
}

static int home(void)
{
    int s;
    for (s = 0; s < 2; s++)
        if (v.got[!s] != v.sent[s] || (v.shut[s] && !v.eof[!s]))
            return 0;
    return 1;
}

/* The network heals, both read: everything arrives, and soon. */
static void heal(void)
{
    tcpsm_time d, end = v.now + 60 * PAIR_SECOND;
    uint32_t k, any;
    int s;
    for (k = 0; !home(); k++) {
        CHECKF(k < 1000, "a storm: %s", told());
        for (s = 0, any = 0; s < 2; s++) {
            any |= (uint32_t)read_some(s, RING);
            any |= (uint32_t)drain(s, 1);
            if (v.q_n[s]) {
                deliver(s, 0, 0);
                any = 1;
            }
        }
        if (any)
            continue;
        d = tcpsm_deadline(&v.c[0]);
        if (tcpsm_deadline(&v.c[1]) < d)
            d = tcpsm_deadline(&v.c[1]);
        CHECKF(d <= end, "never comes home: %s (%d %d of %d %d)", told(),
               v.got[1], v.got[0], v.sent[0], v.sent[1]);
        if (d > v.now)
            v.now = d;
    }
}

static void begin(uint32_t flags, uint32_t rcv, uint32_t snd)
{
    tcpsm_config cfg = TCPSM_ZERO;
    uint32_t s, k;
    path_n = 0;
    memset(&v, 0, sizeof v);
    memset(tuple, 0, sizeof tuple);
    v.now = 1000000;
    cfg.flags = flags;
    cfg.user_timeout_ms = TCPSM_OFF;
    cfg.rto_max_ms = 2000;
    cfg.msl_ms = 4000000; /* nothing goes away while we look */
    for (s = 0; s < 2; s++) {
        memset(cfg.key, (int)s + 1, 16);
        tuple[s].family = 4;
        tuple[s].local[0] = tuple[s].remote[0] = 10;
        tuple[s].local[3] = (uint8_t)(1 + s);
        tuple[s].remote[3] = (uint8_t)(2 - s);
        tuple[s].local_port = (uint16_t)(1000 + s);
        tuple[s].remote_port = (uint16_t)(1001 - s);
        CHECK_EQ(tcpsm_init(&v.c[s], &cfg), 0);
        tcpsm_attach(&v.c[s], TCPSM_RECEIVE, v.rcv[s], rcv, NULL);
        tcpsm_attach(&v.c[s], TCPSM_SEND, v.snd[s], snd, NULL);
    }
    CHECK_EQ(tcpsm_listen(&v.c[1], &tuple[1], v.now), 0);
    CHECK_EQ(tcpsm_open(&v.c[0], &tuple[0], v.now), 0);
    for (k = 0; k < 6; k++) {
        drain((int)k & 1, 1);
        v.now += 10000;
    }
    CHECK_EQ(tcpsm_state(&v.c[0]), TCPSM_ESTABLISHED);
    CHECK_EQ(tcpsm_state(&v.c[1]), TCPSM_ESTABLISHED);
}

/* ---- breadth first ----------------------------------------------------- */

#define FRONTIER 24000
#define SEEN (1u << 20)

static node *now_at, *next_at;
static uint64_t *seen;
static uint32_t seen_n;

static int is_new(void)
{
    uint64_t h = 0xCBF29CE484222325u;
    const uint8_t *p = (const uint8_t *)&v;
    size_t i;
    uint32_t at;
    for (i = 0; i + 8 <= sizeof v; i += 8) {
        uint64_t x;
        memcpy(&x, p + i, 8);
        h = (h ^ x) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    h |= 1;
    for (at = (uint32_t)(h >> 40) % SEEN; seen[at]; at = (at + 1) % SEEN)
        if (seen[at] == h)
            return 0;
    seen[at] = h;
    seen_n++;
    return 1;
}

static void search(uint32_t flags, uint32_t rcv, uint32_t snd, uint32_t depth)
{
    uint32_t n = 1, m, i, a, level;
    node *t;
    now_at = (node *)malloc(FRONTIER * sizeof(node));
    next_at = (node *)malloc(FRONTIER * sizeof(node));
    seen = (uint64_t *)calloc(SEEN, sizeof *seen);
    CHECK(now_at && next_at && seen);
    seen_n = 0;
    begin(flags, rcv, snd);
    now_at[0].w = v;
    now_at[0].n = 0;
    for (level = 1; level <= depth; level++) {
        for (i = m = 0; i < n; i++)
            for (a = 0; a < 2 * ACTIONS; a++) {
                v = now_at[i].w;
                memcpy(path, now_at[i].path, PATH);
                path_n = now_at[i].n;
                path[path_n++] = (uint8_t)a;
                if (!do_step(a) || !is_new())
                    continue;
                if (m < FRONTIER) {
                    next_at[m].w = v;
                    memcpy(next_at[m].path, path, PATH);
                    next_at[m++].n = path_n;
                }
                if (seen_n % 16 == 0)
                    heal();
            }
        t = now_at;
        now_at = next_at;
        next_at = t;
        n = m;
    }
    CHECK_GT(seen_n, 3000u);
    free(now_at);
    free(next_at);
    free(seen);
}

TEST(law_7_every_order_of_events)
{
    search(0, 4, 8, 4);
    search(TCPSM_NODELAY | TCPSM_NO_SACK | TCPSM_NO_TS, 1, 3, 4);
}

/* ---- found by the walks ------------------------------------------------ */

static void lose(int s)
{
    while (v.q_n[s] != 0)
        remove_packet(s, 0);
}

/* All that is due at s goes out and arrives. */
static void pass(int s)
{
    drain(s, 0);
    while (v.q_n[s] != 0)
        deliver(s, 0, 0);
}

/* Each end's probe carried an octet past a closed window. Both octets were
   taken; the ACKs of both, and the updates when the windows opened, were
   lost. Each end still names the octet before the other's RCV.NXT, so what
   it says is "old" by RFC 9293's table 6: and yet each must hear the other
   (requirements.md, gap 3: crossing window probes). */
TEST(law_7_both_probes_were_taken)
{
    int s;
    begin(TCPSM_NODELAY, 1, 2);
    for (s = 0; s < 2; s++) {
        CHECK(write_some(s, 1, 0));
        pass(s);
        pass(!s); /* the ACK: the window is closed */
    }
    for (s = 0; s < 2; s++) {
        CHECK(write_some(s, 2, 0));
        drain(s, 0);
        CHECK_EQ(v.q_n[s], 0);
    }
    for (s = 0; s < 2; s++) {
        if (tcpsm_deadline(&v.c[s]) > v.now)
            v.now = tcpsm_deadline(&v.c[s]);
        drain(s, 0);
        CHECK_EQ(v.q_n[s], 1); /* the probe */
    }
    for (s = 0; s < 2; s++) {
        uint8_t probe[PACKET];
        uint32_t n = v.q_len[!s][0];
        memcpy(probe, v.q[!s][0], n);
        CHECK(read_some(s, 1));
        drain(s, 0); /* opens: with a probe of its own in front of it */
        while (v.q_n[s] > (s == 0))
            remove_packet(s, v.q_n[s] - 1u);
        give(s, probe, n);
        drain(s, 0);
        while (v.q_n[s] > (s == 0))
            remove_packet(s, v.q_n[s] - 1u);
        CHECK_EQ(v.c[s].rcv_len, 1); /* taken */
    }
    lose(0);
    lose(1);
    heal();
}

/* ---- random walks ------------------------------------------------------ */

static void walks(uint32_t flags, uint32_t rcv, uint32_t snd, uint32_t n,
                  uint64_t seed)
{
    uint32_t k, i, a;
    for (k = 0; k < n; k++) {
        begin(flags, rcv, snd);
        for (i = 0; i < PATH - 1; i++) {
            a = (uint32_t)(netsim_random(&seed) >> 33) % (2 * ACTIONS);
            path[path_n] = (uint8_t)a;
            path_n++;
            if (!do_step(a))
                path_n--;
        }
        heal();
    }
}

TEST(law_7_random_walks)
{
    static const uint32_t flags[] = {
        0, TCPSM_NODELAY, TCPSM_NO_SACK | TCPSM_NO_TS,
        TCPSM_NO_TS | TCPSM_NO_SCALE | TCPSM_NODELAY, TCPSM_GSO};
    static const uint32_t rings[][2] = {
        {1, 1}, {2, 8}, {3, 5}, {8, 8}, {7, 2}};
    uint32_t i;
    for (i = 0; i < 25; i++) {
        walks(flags[i % 5], rings[i / 5][0], rings[i / 5][1], 300, i);
    }
}
