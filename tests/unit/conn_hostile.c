/* Law 11: a blob that is damaged, or made by somebody who means harm, is
   refused, or what it makes passes tcpsm_check and then keeps doing so
   through anything that comes: input, output, timers and user calls, in
   guarded memory, under the sanitizers. */

#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

#include "pair.h"

#include "conn_states.h"

enum { RING = SCENE_RING };

static pair p;
static uint8_t blob[32768], bad[65536];
static uint32_t blob_n;
static tcpsm_config cfg;
static uint64_t seed = 1;
static uint32_t accepted, refused;

static uint32_t rnd(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* Puts the right checksum into the last entry. */
static void seal(uint8_t *b, uint32_t n)
{
    uint64_t s = tcpsm__blob_sum(b, n - 14);
    tcpsm__put32(b + n - 8, (uint32_t)(s >> 32));
    tcpsm__put32(b + n - 4, (uint32_t)s);
}

static void take(int scene)
{
    int side = scene_make(&p, scene);
    tcpsm_ret n = tcpsm_export(&p.c[side], blob, sizeof blob, p.now);
    CHECK_GT(n, 0);
    blob_n = (uint32_t)n;
    memset(&cfg, 0, sizeof cfg);
    cfg.key[3] = 1;
}

/* ---- what may happen to a connection ------------------------------------ */

static void a_segment(tcpsm_conn *c, tcpsm_time now)
{
    uint8_t seg[60 + 300];
    struct tcpsm__seg s;
    tcpsm_in in;
    uint32_t n;
    memset(&s, 0, sizeof s);
    s.sport = c->remote_port;
    s.dport = c->local_port;
    s.seq = c->rcv_nxt + (rnd(3) ? 0 : rnd(3000)) - (rnd(4) ? 0 : rnd(300));
    s.ack = rnd(3) ? c->snd_nxt - (rnd(2) ? 0 : rnd(3000))
                   : c->snd_una + rnd(2000);
    s.flags = (uint16_t)(rnd(8) ? TCPSM__ACK : rnd(512));
    if (rnd(12) == 0)
        s.flags |= TCPSM__FIN;
    if (rnd(40) == 0)
        s.flags |= TCPSM__SYN;
    s.wnd = (uint16_t)(rnd(5) ? rnd(3000) : 0);
    s.up = (uint16_t)rnd(300);
    s.scale = TCPSM__NO_SCALE;
    if (s.flags & TCPSM__SYN) {
        s.mss = (uint16_t)rnd(2000);
        if (rnd(2))
            s.scale = (uint8_t)rnd(20);
        s.sack_ok = (uint8_t)rnd(2);
    } else if (rnd(3) == 0) {
        uint32_t i;
        s.nsack = (uint8_t)rnd(4);
        for (i = 0; i < 8; i++)
            s.sack[i] = c->snd_una + rnd(3000) - rnd(100);
    }
    if ((c->flags & TCPSM__F_TS) || rnd(4) == 0) {
        s.ts = 1;
        s.tsval = c->ts_recent + rnd(3);
        s.tsecr = tcpsm__ticks(now) + c->ts_offset - rnd(500);
    }
    n = tcpsm__build(seg, &s);
    memset(seg + n, 0x42, 300);
    n += rnd(2) ? rnd(300) : 0;
    memset(&in, 0, sizeof in);
    in.src = c->remote;
    in.dst = c->local;
    in.data = seg;
    in.len = n;
    in.zone = c->zone;
    in.family = tcpsm__family(c);
    in.flags = (uint8_t)(TCPSM_IN_CSUM_OK | (rnd(8) ? 0 : 4));
    (void)tcpsm_input(c, &in, now);
}

static void a_call(tcpsm_conn *c, tcpsm_time now)
{
    static uint8_t buf[4000], msg[64];
    struct tcpsm_info info;
    tcpsm_facts facts;
    tcpsm_cspan r[2];
    tcpsm_span w[2];
    tcpsm_ret n;
    switch (rnd(14)) {
    case 0:
    case 1:
    case 2:
        (void)tcpsm_send(c, buf, rnd(3000), rnd(8));
        break;
    case 3:
    case 4:
        (void)tcpsm_receive(c, buf, rnd(4000));
        break;
    case 5:
        n = tcpsm_receive_peek(c, r);
        if (n > 0)
            (void)tcpsm_receive_consume(c, rnd((uint32_t)n + 1));
        break;
    case 6:
        n = tcpsm_send_reserve(c, w);
        if (n > 0) {
            memset(w[0].p, 1, w[0].n);
            if (w[1].n)
                memset(w[1].p, 2, w[1].n);
            (void)tcpsm_send_commit(c, rnd((uint32_t)n + 1), rnd(8));
        }
        break;
    case 7:
        if (rnd(8) == 0)
            (void)tcpsm_shutdown(c);
        break;
    case 8:
        if (rnd(20) == 0)
            (void)tcpsm_close(c);
        break;
    case 9:
        if (rnd(40) == 0)
            (void)tcpsm_abort(c);
        break;
    case 10:
        (void)tcpsm_set(c, 1 + rnd(TCPSM_SET_PROMISE),
                        rnd(2) ? rnd(4) : rnd(3000));
        break;
    case 11:
        tcpsm_status(c, &info);
        tcpsm_facts_of(c, &facts);
        (void)tcpsm_events(c);
        (void)tcpsm_take(c);
        break;
    case 12:
        memset(msg, 0, sizeof msg);
        msg[0] = 3;
        msg[1] = (uint8_t)rnd(6);
        tcpsm__put16(msg + 6, rnd(1500));
        msg[8] = 0x45;
        msg[8 + 9] = 6;
        memcpy(msg + 20, c->local, 4);
        memcpy(msg + 24, c->remote, 4);
        tcpsm__put16(msg + 28, c->local_port);
        tcpsm__put16(msg + 30, c->remote_port);
        tcpsm__put32(msg + 32, c->snd_una);
        (void)tcpsm_icmp(c, msg, 40, 4, now);
        break;
    default:
        (void)tcpsm_export(c, buf, rnd(2) ? sizeof buf : 0, now);
        break;
    }
}

/* Law 3 and law 7 hold for what came out of a blob, too: output acts at
   the deadline and not before it, and who has something to do has one. */
static void deadlines(const tcpsm_conn *c, tcpsm_time now)
{
    static uint8_t buf[2000];
    tcpsm_time d = tcpsm_deadline(c), at;
    int i;
    if (c->state >= TCPSM_SYN_SENT &&
        (c->snd_nxt != c->snd_una || c->snd_len != 0 || tcpsm__fin_unsent(c)))
        CHECKF(d != TCPSM_NEVER, "stuck in state %u", c->state);
    if (c->p.tables != NULL) /* they would not be copied */
        return;
    for (i = 0; i < 3; i++) {
        tcpsm_conn copy = *c;
        tcpsm_out o = TCPSM_ZERO;
        tcpsm_ret n;
        at = i == 0 ? now : i == 1 ? d - 1 : d;
        if (at < now || (i == 2 && d == TCPSM_NEVER))
            at = now;
        o.buf = buf;
        o.cap = sizeof buf;
        n = tcpsm_output(&copy, &o, at);
        CHECKF((d <= at) == (n != 0 || memcmp(c, &copy, sizeof copy) != 0),
               "law 3 in state %u, try %d", c->state, i);
    }
}

static void survive(tcpsm_conn *c, uint32_t ops, tcpsm_time now)
{
    static uint8_t buf[2000];
    tcpsm_time d;
    uint32_t i, k;
    for (i = 0; i < ops; i++) {
        switch (rnd(4)) {
        case 0:
            a_segment(c, now);
            break;
        case 1:
            a_call(c, now);
            break;
        default:
            d = tcpsm_deadline(c);
            if (d != TCPSM_NEVER && d > now && rnd(2))
                now = d;
            for (k = 0; tcpsm_deadline(c) <= now && k < 600; k++) {
                tcpsm_out o = TCPSM_ZERO;
                tcpsm_ret n;
                o.buf = buf;
                o.cap = rnd(2) ? TCPSM_MIN_CAP : sizeof buf;
                n = tcpsm_output(c, &o, now);
                CHECK_GE(n, 0);
                CHECK_LE((uint32_t)n, o.cap);
            }
            CHECKF(k < 600, "output does not end");
            now += rnd(8) ? rnd(30000) : rnd(4000000);
            break;
        }
        k = (uint32_t)-tcpsm_check(c);
        CHECKF(k == 0, "then, after %u operations: invariant %u, state %u",
               i + 1, k, c->state);
        if (i % 16 == 15)
            deadlines(c, now);
    }
}

/* Imports a blob whose checksum is right, and lives with it. */
static void suffer(const uint8_t *b, uint32_t n, uint32_t ops)
{
    static host h; /* what a failure left behind is freed here */
    tcpsm_ret e;
    tcpsm_conn fresh;
    uint32_t tab = rnd(4) ? 0 : 300;
    uint8_t *exact = (uint8_t *)malloc(n);
    host_free(&h);
    memcpy(exact, b, n);
    host_init(&h, &cfg, RING, RING, tab);
    fresh = h.c;
    e = tcpsm_import(&h.c, &cfg, exact, n, p.now);
    free(exact);
    if (e != 0) {
        refused++;
        CHECKF(e == TCPSM_E_BLOB || e == TCPSM_E_SPACE, "import says %d", e);
        fresh.now = h.c.now;
        CHECK_MEM(&fresh, &h.c, sizeof fresh); /* as after tcpsm_init */
    } else {
        accepted++;
        CHECK_EQ(tcpsm_check(&h.c), 0);
        survive(&h.c, ops, p.now);
    }
    host_free(&h);
}

/* ---- damage ------------------------------------------------------------- */

TEST(every_truncation)
{
    int i;
    uint32_t n;
    for (i = 0; i < SCENES; i += i == 7 ? 1 : 3) {
        host h;
        take(i);
        host_init(&h, &cfg, RING, RING, 0);
        for (n = 0; n < blob_n; n += n < 1200 ? 1 : 37) {
            uint8_t *b = (uint8_t *)malloc(n ? n : 1);
            uint32_t rcv, snd;
            if (n)
                memcpy(b, blob, n);
            CHECK_EQ(tcpsm_import(&h.c, &cfg, b, n, p.now), TCPSM_E_BLOB);
            CHECK_EQ(tcpsm_blob_rings(b, n, &rcv, &snd), TCPSM_E_BLOB);
            free(b);
        }
        CHECK_EQ(tcpsm_import(&h.c, &cfg, blob, blob_n, p.now), 0);
        host_free(&h);
    }
}

/* One wrong bit anywhere, and the checksum notices. */
TEST(every_bit)
{
    uint32_t i;
    host h;
    take(7);
    host_init(&h, &cfg, RING, RING, 0);
    for (i = 0; i < blob_n * 8; i += i < 1000 * 8 ? 1 : 5) {
        memcpy(bad, blob, blob_n);
        bad[i / 8] = (uint8_t)(bad[i / 8] ^ 1u << i % 8);
        CHECK_EQ(tcpsm_import(&h.c, &cfg, bad, blob_n, p.now), TCPSM_E_BLOB);
    }
    host_free(&h);
}

/* The bytes before the first ring's contents: what the bits decide. */
static uint32_t interesting(void)
{
    struct tcpsm__entry e;
    CHECK(tcpsm__blob_find(blob, blob_n, TCPSM__TAG_HELD, &e));
    return (uint32_t)(e.p - blob);
}

/* One wrong bit with a checksum that hides it, in every scene. */
TEST(every_bit_with_its_checksum)
{
    uint32_t i, n;
    int k;
    accepted = refused = 0;
    for (k = 0; k < SCENES; k++) {
        take(k);
        n = interesting() * 8;
        for (i = (uint32_t)k % 3; i < n; i += 3) {
            CONTEXT("scene: %s, byte %u, bit %u", scenes[k].name, i / 8,
                    i % 8);
            seed = i + 1;
            memcpy(bad, blob, blob_n);
            bad[i / 8] = (uint8_t)(bad[i / 8] ^ 1u << i % 8);
            seal(bad, blob_n);
            suffer(bad, blob_n, 30);
        }
    }
    CHECK_GT(accepted, 1000u);
    CHECK_GT(refused, 1000u);
}

/* A few fields at once get values that somebody chose. */
static uint32_t nasty(uint32_t old)
{
    static const uint32_t v[] = {0,      1,          2,          47,
                                 255,    0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
                                 0xFFFE, 1000000,    0x3FFFC000, 0x40000000};
    switch (rnd(6)) {
    case 0:
        return old + 1 + rnd(3);
    case 1:
        return old - 1 - rnd(3);
    case 2:
        return old ^ 1u << rnd(32);
    case 3:
        return rnd(0x7FFFFFFF) << 1 | rnd(2);
    default:
        return v[rnd(sizeof v / sizeof *v)];
    }
}

static void poison(uint8_t *b, uint32_t n, char *what, size_t room)
{
    struct tcpsm__entry e;
    uint32_t at = 8, count = 0, pick;
    uint8_t *q;
    while (tcpsm__blob_next(b, n, &at, &e) && e.tag != TCPSM__TAG_END)
        count++;
    pick = rnd(count);
    at = 8;
    for (count = 0; tcpsm__blob_next(b, n, &at, &e) && count < pick; count++)
        ;
    if (e.len == 0)
        return;
    q = b + (e.p - b);
    if (e.len == 1)
        *q = (uint8_t)nasty(*q);
    else if (e.len == 2)
        tcpsm__put16(q, nasty(tcpsm__get16(q)));
    else {
        uint32_t off = (e.len == 4 ? 0 : rnd(e.len - 3));
        tcpsm__put32(q + off, nasty(tcpsm__get32(q + off)));
    }
    snprintf(what + strlen(what), room - strlen(what), " tag %u", e.tag);
}

TEST(chosen_values)
{
    uint32_t i, k;
    char what[120];
    accepted = refused = 0;
    for (i = 0; i < 20000; i++) {
        if (i % 500 == 0)
            take((int)(i / 500) % SCENES);
        seed = i + 77;
        memcpy(bad, blob, blob_n);
        what[0] = 0;
        for (k = 1 + rnd(3); k > 0; k--)
            poison(bad, blob_n, what, sizeof what);
        CONTEXT("scene: %s, turn %u:%s", scenes[i / 500 % SCENES].name, i,
                what);
        seal(bad, blob_n);
        suffer(bad, blob_n, 100);
    }
    CHECK_GT(accepted, 1000u);
}

/* ---- structure ---------------------------------------------------------- */

/* Entries that are dropped, doubled, swapped, stretched or unknown. */
TEST(entries_in_disorder)
{
    uint32_t i;
    for (i = 0; i < 6000; i++) {
        struct tcpsm__entry e;
        uint32_t at = 8, n = 8, what = i % 6, pick, len;
        if (i % 300 == 0)
            take((int)(i / 300) % SCENES);
        seed = i + 5;
        pick = rnd(90);
        memcpy(bad, blob, 8);
        CONTEXT("turn %u, kind %u, entry %u", i, what, pick);
        while (tcpsm__blob_next(blob, blob_n, &at, &e) &&
               e.tag != TCPSM__TAG_END) {
            int twice = pick == 0 && what == 1;
            if (pick-- == 0 && what == 0)
                continue; /* missing */
            do {
                len = e.len;
                if (pick == 0xFFFFFFFFu && what == 2)
                    len = rnd(e.len + 30);
                tcpsm__put16(bad + n, pick == 0xFFFFFFFFu && what == 3
                                          ? 1 + rnd(120)
                                          : e.tag);
                tcpsm__put32(bad + n + 2, len);
                memset(bad + n + 6, 0x5A, len);
                memcpy(bad + n + 6, e.p, len < e.len ? len : e.len);
                n += 6 + len;
            } while (twice-- > 0);
            if (pick == 0xFFFFFFFFu && what == 4) { /* one that is unknown */
                len = rnd(40);
                tcpsm__put16(bad + n, 3000 + rnd(1000));
                tcpsm__put32(bad + n + 2, len);
                memset(bad + n + 6, 0x5A, len);
                n += 6 + len;
            }
        }
        memset(bad + n, 0, 14);
        bad[n + 5] = 8;
        n += 14;
        seal(bad, n);
        if (what == 4 || what == 5) { /* those must do no harm */
            host h;
            host_init(&h, &cfg, RING, RING, 0);
            CHECK_EQ(tcpsm_import(&h.c, &cfg, bad, n, p.now), 0);
            host_free(&h);
        }
        suffer(bad, n, 20);
    }
}

/* Random bytes in the shape of entries, with a good checksum. */
TEST(garbage_entries)
{
    uint32_t i, n, len;
    take(0);
    for (i = 0; i < 4000; i++) {
        host h;
        seed = i + 9;
        memcpy(bad, blob, 8);
        for (n = 8; n < 2000 && rnd(60); n += 6 + len) {
            len = rnd(3) ? 1u << rnd(3) : rnd(60);
            tcpsm__put16(bad + n, rnd(8) ? 1 + rnd(111) : 1 + rnd(65535));
            tcpsm__put32(bad + n + 2, len);
            memset(bad + n + 6, (int)rnd(256), len);
        }
        memset(bad + n, 0, 14);
        bad[n + 5] = 8;
        n += 14;
        if (i % 4 == 0)
            bad[8 + rnd(n - 8)] ^= 0x10; /* an entry that leads astray */
        seal(bad, n);
        host_init(&h, &cfg, RING, RING, 0);
        CHECK_LT(tcpsm_import(&h.c, &cfg, bad, n, p.now), 0);
        host_free(&h);
    }
}

/* A range far beyond the ring, in a state whose window nobody needs: the
   bytes of ranges must not be written before they are judged. */
TEST(ranges_beyond_the_ring)
{
    static const uint32_t off[] = {0,     1,       8000,      9000,
                                   17999, 1000000, 0x3FFF0000};
    uint32_t i, k, nxt, state, len;
    for (state = 0; state < TCPSM_STATES; state++)
        for (k = 0; k < 7; k++)
            for (i = 0; i < 3; i++) {
                struct tcpsm__entry e;
                uint32_t at = 8, n = 8, edge;
                take(11);
                nxt = p.c[PAIR_A].rcv_nxt;
                edge = nxt + off[k] + 40000;
                len = i == 0 ? 1 : i == 1 ? 100 : 30000;
                CONTEXT("state %u offset %u length %u", state, off[k], len);
                memcpy(bad, blob, 8);
                while (tcpsm__blob_next(blob, blob_n, &at, &e)) {
                    uint32_t l = e.len;
                    uint8_t *q = bad + n;
                    memcpy(q + 6, e.p, l);
                    if (e.tag == 2)
                        tcpsm__put32(q + 6, edge);
                    if (e.tag == 60)
                        q[6] = (uint8_t)state;
                    if (e.tag == TCPSM__TAG_HELD)
                        memset(q + 6, 0x66, l = len);
                    if (e.tag == TCPSM__TAG_RANGES) {
                        l = 9;
                        tcpsm__put32(q + 6, nxt + off[k] + 1);
                        tcpsm__put32(q + 10, nxt + off[k] + 1 + len);
                        q[14] = 0;
                    }
                    tcpsm__put16(q, e.tag);
                    tcpsm__put32(q + 2, l);
                    n += 6 + l;
                }
                seal(bad, n);
                suffer(bad, n, 5);
            }
}
