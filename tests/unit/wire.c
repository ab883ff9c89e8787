/* >>wire: the header of RFC 9293 s3.1 and the options of RFC 9293, 7323
   and 2018, against a parser that is written from the RFC's tables alone. */

#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

#ifdef TCPSM_TINY
#define FULL 0
#else
#define FULL 1
#endif

static uint64_t seed = 11;

static uint32_t rnd(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 32);
}

/* ---- the oracle --------------------------------------------------------- */

typedef struct {
    int ok;
    uint32_t mss, scale, sack_ok, ts, tsval, tsecr, nsack, sack[8];
} options;

static uint32_t be(const uint8_t *p, int n)
{
    uint32_t v = 0;
    while (n-- > 0)
        v = v * 256 + *p++;
    return v;
}

/* Kind 0 ends the list, 1 is one octet, all others have a length that
   counts kind and length (RFC 9293 s3.1). What is known must have its own
   length; MSS, scale and SACK-permitted belong on a SYN, SACK does not. */
static options oracle(const uint8_t *o, uint32_t n, int syn)
{
    options r;
    uint32_t i = 0, k, len;
    memset(&r, 0, sizeof r);
    r.scale = 255;
    r.ok = 1;
    while (i < n && o[i] != 0) {
        if (o[i] == 1) {
            i++;
            continue;
        }
        if (i + 1 == n || o[i + 1] < 2 || i + o[i + 1] > n) {
            r.ok = 0;
            return r;
        }
        len = o[i + 1];
        if (o[i] == 2 && len == 4 && syn)
            r.mss = be(o + i + 2, 2);
        if (o[i] == 3 && len == 3 && syn)
            r.scale = o[i + 2] > 14 ? 14 : o[i + 2]; /* RFC 7323 s2.3 */
        if (o[i] == 4 && len == 2 && syn && FULL)
            r.sack_ok = 1;
        if (o[i] == 8 && len == 10 && FULL) {
            r.ts = 1;
            r.tsval = be(o + i + 2, 4);
            r.tsecr = be(o + i + 6, 4);
        }
        if (o[i] == 5 && !syn && FULL &&
            (len == 10 || len == 18 || len == 26 || len == 34)) {
            r.nsack = (len - 2) / 8;
            for (k = 0; k < 2 * r.nsack; k++)
                r.sack[k] = be(o + i + 2 + 4 * k, 4);
        }
        i += len;
    }
    return r;
}

/* A segment with these option bytes (n a multiple of 4), in memory of
   exactly its size, so that a sanitizer sees any byte read beyond. */
static void check_options(const uint8_t *o, uint32_t n, uint8_t flags)
{
    uint8_t *p = (uint8_t *)malloc(20 + n);
    struct tcpsm__seg s;
    options want = oracle(o, n, (flags & TCPSM__SYN) != 0);
    uint8_t why;
    memset(p, 0, 20);
    p[12] = (uint8_t)((20 + n) / 4 << 4);
    p[13] = flags;
    if (n)
        memcpy(p + 20, o, n);
    why = tcpsm__parse(&s, p, 20 + n);
    free(p);
    CHECK_EQ(why, want.ok ? TCPSM_DROP_NONE : TCPSM_DROP_OPTIONS);
    if (!want.ok)
        return;
    CHECK_EQ(s.mss, want.mss);
    CHECK_EQ(s.scale, want.scale);
    CHECK_EQ(s.sack_ok, want.sack_ok);
    CHECK_EQ(s.ts, want.ts);
    CHECK_EQ(s.tsval, want.tsval);
    CHECK_EQ(s.tsecr, want.tsecr);
    if (want.nsack) {
        CHECK_EQ(s.nsack, want.nsack);
        CHECK_MEM(s.sack, want.sack, 8 * want.nsack);
    }
}

/* ---- the header --------------------------------------------------------- */

/* RFC 9293 s3.1, figure 1: every field where the figure has it. */
TEST(header_fields)
{
    /* clang-format off */
    static const uint8_t p[23] = {
        0x12, 0x34, 0x56, 0x78,             /* ports */
        0x9a, 0xbc, 0xde, 0xf0,             /* sequence number */
        0x0f, 0xed, 0xcb, 0xa9,             /* acknowledgment number */
        0x51, 0xc2, 0xfe, 0xdc,             /* offset 5, AE; CWR ECE SYN */
        0x11, 0x11, 0xba, 0x98,             /* checksum, urgent pointer */
        'a', 'b', 'c'};
    /* clang-format on */
    struct tcpsm__seg s;
    CHECK_EQ(tcpsm__parse(&s, p, 23), 0);
    CHECK_EQ(s.sport, 0x1234);
    CHECK_EQ(s.dport, 0x5678);
    CHECK_EQ(s.seq, 0x9abcdef0);
    CHECK_EQ(s.ack, 0x0fedcba9);
    CHECK_EQ(s.flags, TCPSM__AE | TCPSM__CWR | TCPSM__ECE | TCPSM__SYN);
    CHECK_EQ(s.wnd, 0xfedc); /* RFC9293-MUST-1: unsigned */
    CHECK_EQ(s.up, 0xba98);
    CHECK_EQ(s.hdr, 20);
    CHECK_EQ(s.len, 3);
    CHECK(s.text == p + 20);
    CHECK_EQ(tcpsm__seg_len(&s), 4);
    CHECK_EQ(tcpsm__seg_text(&s), 0x9abcdef1);
}

TEST(lengths_and_offsets)
{
    uint32_t n, off, r;
    for (n = 0; n <= 80; n++)
        for (off = 0; off < 16; off++)
            for (r = 0; r < 16; r += 7) { /* reserved bits are ignored */
                uint8_t *p = (uint8_t *)malloc(n ? n : 1);
                struct tcpsm__seg s;
                uint8_t want = n < 20                   ? TCPSM_DROP_SHORT
                               : off < 5 || off * 4 > n ? TCPSM_DROP_OFFSET
                                                        : 0;
                memset(p, 1, n); /* all options NOP */
                if (n > 12)
                    p[12] = (uint8_t)(off << 4 | r);
                CHECK_EQ(tcpsm__parse(&s, p, n), want);
                if (want == 0) {
                    CHECK_EQ(s.hdr, off * 4);
                    CHECK_EQ(s.len, n - off * 4);
                }
                free(p);
            }
}

/* ---- options ------------------------------------------------------------ */

/* Every kind with every length at every place in every header length: all
   that does not fit is truncated by the end of the header (RFC9293-MUST-5,
   -MUST-6, -MUST-7, -MUST-64, -MUST-68). */
TEST(every_kind_length_place)
{
    uint8_t o[40];
    uint32_t n, at, kind, len, i;
    for (n = 4; n <= 40; n += 4)
        for (at = 0; at < n; at++)
            for (kind = 0; kind < 256; kind += kind < 10 ? 1 : 61)
                for (len = 0; len < 256; len += len < 42 ? 1 : 71) {
                    for (i = 0; i < n; i++)
                        o[i] = i < at ? 1 : (uint8_t)(i * 37 + kind);
                    o[at] = (uint8_t)kind;
                    if (at + 1 < n)
                        o[at + 1] = (uint8_t)len;
                    for (i = at + len; len >= 2 && i < n; i++)
                        o[i] = 0;
                    CONTEXT("n %u at %u kind %u len %u", n, at, kind, len);
                    check_options(o, n, 0x10);
                    check_options(o, n, 0x02);
                }
}

TEST(random_options)
{
    static const uint8_t kinds[] = {0, 1, 2, 3, 4, 5, 8, 30, 254};
    static const uint8_t lens[] = {0, 1, 2, 3, 4, 10, 18, 26, 34, 5, 40};
    uint8_t o[40];
    uint32_t turn, n, i;
    for (turn = 0; turn < 200000; turn++) {
        n = rnd() % 11 * 4;
        for (i = 0; i < n; i++)
            o[i] = (uint8_t)rnd();
        for (i = 0; i + 1 < n; i += lens[rnd() % sizeof lens] | 1u) {
            o[i] = kinds[rnd() % sizeof kinds];
            o[i + 1] = lens[rnd() % sizeof lens];
        }
        CONTEXT("turn %u", turn);
        check_options(o, n, rnd() & 1 ? 0x10 : 0x12);
    }
}

/* The step is total: for every index it ends, refuses, or moves on inside
   the header; and it never reads beyond p[n - 1]. */
TEST(step_is_total)
{
    uint32_t turn, n, i, next;
    for (turn = 0; turn < 60000; turn++) {
        uint8_t *p;
        struct tcpsm__seg s;
        n = 21 + rnd() % 40;
        p = (uint8_t *)malloc(n);
        for (i = 0; i < n; i++)
            p[i] = (uint8_t)(rnd() % (rnd() & 1 ? 12 : 256));
        memset(&s, 0, sizeof s);
        s.flags = (uint16_t)(rnd() & 0x1FF);
        for (i = 20; i < n; i++) {
            next = tcpsm__opt_step(&s, p, n, i);
            CHECKF(next == 0 || (next > i && next <= n), "%u of %u: %u", i, n,
                   next);
            CHECK_LE(s.nsack, 4);
        }
        free(p);
    }
}

/* RFC 9293 s3.2: an end of list before the end of the header; what follows
   is padding, whatever it is (RFC9293-MUST-69). */
TEST(nothing_after_the_end)
{
    static const uint8_t o[8] = {0, 2, 4, 1, 2, 99, 0, 8};
    check_options(o, 8, 0x02);
}

/* ---- building ----------------------------------------------------------- */

static void random_seg(struct tcpsm__seg *s)
{
    uint32_t i, room;
    memset(s, 0, sizeof *s);
    s->seq = rnd();
    s->ack = rnd();
    s->sport = (uint16_t)rnd();
    s->dport = (uint16_t)rnd();
    s->wnd = (uint16_t)rnd();
    s->up = (uint16_t)rnd();
    s->flags = (uint16_t)(rnd() & 0x1FF);
    s->scale = TCPSM__NO_SCALE;
    s->segs = 1;
    if (FULL && rnd() % 2) {
        s->ts = 1;
        s->tsval = rnd();
        s->tsecr = rnd();
    }
    if (s->flags & TCPSM__SYN) {
        s->mss = (uint16_t)(rnd() % 3 ? 1 + rnd() % 65535 : 0);
        s->sack_ok = FULL && rnd() % 2;
        if (rnd() % 2)
            s->scale = (uint8_t)(rnd() % 15);
    } else if (FULL) {
        room = s->ts ? 3 : 4;
        s->nsack = (uint8_t)(rnd() % (room + 1));
        for (i = 0; i < 2u * s->nsack; i++)
            s->sack[i] = rnd();
    }
}

/* What is built is parsed as it was; the length is what build_len says, a
   multiple of four, at most 60; the checksum field is zero. */
TEST(build_then_parse)
{
    uint32_t turn, n;
    for (turn = 0; turn < 200000; turn++) {
        struct tcpsm__seg a, b;
        uint8_t p[64];
        random_seg(&a);
        memset(p, 0xEE, sizeof p);
        n = tcpsm__build(p, &a);
        CHECK_EQ(n, tcpsm__build_len(&a));
        CHECK_LE(n, 60u);
        CHECK_EQ(n % 4, 0);
        CHECK_EQ(p[n], 0xEE);
        CHECK_EQ(tcpsm__get16(p + 16), 0);
        CHECK_EQ(p[12] & 0x0E, 0); /* reserved bits: zero */
        CHECK_EQ(tcpsm__parse(&b, p, n), 0);
        CHECK_EQ(b.hdr, n);
        a.hdr = b.hdr;
        a.text = b.text;
        CHECK_MEM(a.sack, b.sack, sizeof a.sack);
        CHECK(a.seq == b.seq && a.ack == b.ack && a.sport == b.sport &&
              a.dport == b.dport && a.wnd == b.wnd && a.up == b.up);
        CHECK(a.flags == b.flags && a.mss == b.mss && a.scale == b.scale);
        CHECK(a.sack_ok == b.sack_ok && a.ts == b.ts && a.tsval == b.tsval &&
              a.tsecr == b.tsecr && a.nsack == b.nsack);
    }
}

/* RFC 7323 appendix A: "the timestamps option is aligned on a 32-bit
   boundary" by two NOPs before it. */
TEST(timestamps_as_in_rfc7323)
{
    static const uint8_t want[12] = {1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0, 9};
    struct tcpsm__seg s;
    uint8_t p[64];
    if (!FULL)
        SKIP("no timestamps in the tiny configuration");
    memset(&s, 0, sizeof s);
    s.scale = TCPSM__NO_SCALE;
    s.flags = TCPSM__ACK;
    s.ts = 1;
    s.tsval = 5;
    s.tsecr = 9;
    CHECK_EQ(tcpsm__build(p, &s), 32);
    CHECK_MEM(p + 20, want, 12);
}

/* A valid option region, parsed and built and parsed again, is the same. */
TEST(parse_build_parse)
{
    uint32_t turn, n, i, m;
    for (turn = 0; turn < 100000; turn++) {
        uint8_t p[64], q[64];
        struct tcpsm__seg a, b;
        n = 20 + rnd() % 11 * 4;
        for (i = 0; i < n; i++)
            p[i] = (uint8_t)(i < 20 ? rnd() : rnd() % 11);
        p[12] = (uint8_t)(n / 4 << 4 | (rnd() & 1));
        if (tcpsm__parse(&a, p, n) != 0)
            continue;
        m = tcpsm__build_len(&a);
        if (m > 60) /* more than one of a kind, of both sorts */
            continue;
        CHECK_EQ(tcpsm__build(q, &a), m);
        CHECK_EQ(tcpsm__parse(&b, q, m), 0);
        CHECK(a.mss == b.mss && a.scale == b.scale && a.ts == b.ts &&
              a.tsval == b.tsval && a.tsecr == b.tsecr &&
              a.sack_ok == b.sack_ok && a.nsack == b.nsack &&
              a.flags == b.flags && a.seq == b.seq && a.up == b.up);
        CHECK_MEM(a.sack, b.sack, 8u * a.nsack);
    }
}

/* ---- the checksum of a segment ------------------------------------------ */

/* RFC9293-MUST-3, and that each single bit matters. */
TEST(every_bit_is_summed)
{
    uint8_t src[16], dst[16], seg[61];
    uint32_t k, i, len;
    tcpsm_in in;
    for (k = 0; k < 2; k++)
        for (len = 20; len <= 61; len++) {
            uint32_t s;
            for (i = 0; i < 61; i++)
                seg[i] = (uint8_t)rnd();
            for (i = 0; i < 16; i++) {
                src[i] = (uint8_t)rnd();
                dst[i] = (uint8_t)rnd();
            }
            memset(&in, 0, sizeof in);
            in.src = src;
            in.dst = dst;
            in.data = seg;
            in.len = len;
            in.family = k ? 6 : 4;
            tcpsm__put16(seg + 16, 0);
            s = tcpsm__sum_pseudo(src, dst, in.family, len) +
                tcpsm__sum(seg, len);
            tcpsm__put16(seg + 16, ~tcpsm__fold(s) & 0xFFFF);
            CHECK(tcpsm__sum_good(&in));
            for (i = 0; i < len * 8; i++) {
                seg[i / 8] = (uint8_t)(seg[i / 8] ^ 1u << i % 8);
                CHECKF(!tcpsm__sum_good(&in), "bit %u", i);
                seg[i / 8] = (uint8_t)(seg[i / 8] ^ 1u << i % 8);
            }
            for (i = 0; i < (k ? 128u : 32u); i++) {
                src[i / 8] = (uint8_t)(src[i / 8] ^ 1u << i % 8);
                CHECKF(!tcpsm__sum_good(&in), "address bit %u", i);
                src[i / 8] = (uint8_t)(src[i / 8] ^ 1u << i % 8);
            }
        }
}
