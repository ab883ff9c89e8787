/* >>hash: SipHash-2-4 against the vectors of its authors (Aumasson and
   Bernstein, "SipHash: a fast short-input PRF", appendix A and vectors.h):
   key 00 01 .. 0f, message 00 01 .. n-1. */

#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

/* An implementation of its own, word by word from the paper's section 2. */
#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
static void round1(uint64_t *a, uint64_t *b, uint64_t *c, uint64_t *d)
{
    *a += *b, *b = ROTL(*b, 13), *b ^= *a, *a = ROTL(*a, 32);
    *c += *d, *d = ROTL(*d, 16), *d ^= *c;
    *a += *d, *d = ROTL(*d, 21), *d ^= *a;
    *c += *b, *b = ROTL(*b, 17), *b ^= *c, *c = ROTL(*c, 32);
}

static uint64_t word(const uint8_t *p)
{
    uint64_t v = 0;
    int i;
    for (i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static uint64_t paper(const uint8_t *k, const uint8_t *p, uint32_t n)
{
    uint64_t k0 = word(k), k1 = word(k + 8), m;
    uint64_t a = k0 ^ 0x736f6d6570736575u, b = k1 ^ 0x646f72616e646f6du;
    uint64_t c = k0 ^ 0x6c7967656e657261u, d = k1 ^ 0x7465646279746573u;
    uint8_t last[8] = {0};
    uint32_t i, rest = n % 8;
    for (i = 0; i <= n / 8; i++) {
        if (i == n / 8) {
            if (rest)
                memcpy(last, p + 8 * i, rest);
            last[7] = (uint8_t)n;
            m = word(last);
        } else {
            m = word(p + 8 * i);
        }
        d ^= m;
        round1(&a, &b, &c, &d);
        round1(&a, &b, &c, &d);
        a ^= m;
    }
    c ^= 0xff;
    for (i = 0; i < 4; i++)
        round1(&a, &b, &c, &d);
    return a ^ b ^ c ^ d;
}

static void sequence(uint8_t *p, uint32_t n)
{
    uint32_t i;
    for (i = 0; i < n; i++)
        p[i] = (uint8_t)i;
}

TEST(reference_vectors)
{
    /* n: the output bytes as the authors list them, little-endian */
    static const struct {
        uint32_t n;
        uint8_t out[8];
    } v[] = {
        {0, {0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72}},
        {1, {0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74}},
        {2, {0x5a, 0x4f, 0xa9, 0xd9, 0x09, 0x80, 0x6c, 0x0d}},
        {3, {0x2d, 0x7e, 0xfb, 0xd7, 0x96, 0x66, 0x67, 0x85}},
        {7, {0x37, 0xd1, 0x01, 0x8b, 0xf5, 0x00, 0x02, 0xab}},
        {8, {0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93}},
        {15, {0xe5, 0x45, 0xbe, 0x49, 0x61, 0xca, 0x29, 0xa1}},
    };
    uint8_t key[16], msg[64], out[8];
    uint64_t h;
    uint32_t i, k;
    sequence(key, 16);
    sequence(msg, 64);
    for (i = 0; i < sizeof v / sizeof *v; i++) {
        h = tcpsm__siphash(key, msg, v[i].n);
        for (k = 0; k < 8; k++)
            out[k] = (uint8_t)(h >> (8 * k));
        CHECK_MEM(out, v[i].out, 8);
    }
    /* appendix A of the paper: 15 bytes */
    CHECK(tcpsm__siphash(key, msg, 15) == 0xa129ca6149be45e5u);
}

TEST(every_length_and_alignment)
{
    static uint8_t msg[300 + 8];
    uint8_t key[16] = {0};
    uint32_t n, off, i;
    uint64_t s = 3;
    for (i = 0; i < sizeof msg; i++) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        msg[i] = (uint8_t)(s >> 56);
        key[i % 16] ^= msg[i];
    }
    for (n = 0; n <= 300; n++) /* the length counts modulo 256 */
        for (off = 0; off < 8; off++)
            CHECKF(tcpsm__siphash(key, msg + off, n) ==
                       paper(key, msg + off, n),
                   "n %u offset %u", n, off);
}

/* RFC6528-1: ISN = M + F(4-tuple, key): the clock ticks every 4 us, and
   every part of the name and of the key matters. */
static uint32_t isn(const uint8_t key[16], const uint8_t *tuple,
                    tcpsm_time now, uint32_t *ts)
{
    static tcpsm_conn c;
    memset(&c, 0, sizeof c);
    memcpy(c.key, key, 16);
    memcpy(c.local, tuple, 16);
    memcpy(c.remote, tuple + 16, 16);
    c.local_port = (uint16_t)(tuple[32] << 8 | tuple[33]);
    c.remote_port = (uint16_t)(tuple[34] << 8 | tuple[35]);
    c.zone = (uint16_t)(tuple[36] << 8 | tuple[37]);
    c.now = now;
    tcpsm__isn(&c);
    *ts = c.ts_offset;
    return c.snd_una;
}

TEST(isn_depends_on_all)
{
    uint8_t key[16], tuple[38];
    uint32_t i, a, ta, b, tb;
    sequence(key, 16);
    sequence(tuple, 38);
    a = isn(key, tuple, 1000, &ta);
    CHECK_EQ(isn(key, tuple, 1000, &tb), a);
    CHECK_EQ(isn(key, tuple, 1004, &tb), a + 1); /* RFC9293-SHLD-1 */
    CHECK_EQ(tb, ta); /* RFC7323-15: no clock in the offset */
    CHECK_EQ(isn(key, tuple, 1000 + ((tcpsm_time)1 << 34), &tb), a);
    for (i = 0; i < 16; i++) {
        key[i] ^= 0x40;
        b = isn(key, tuple, 1000, &tb);
        CHECKF(b != a, "key byte %u", i);
        CHECKF(tb != ta || TCPSM__TINY, "key byte %u", i);
        key[i] ^= 0x40;
    }
    for (i = 0; i < 38; i++) {
        tuple[i] ^= 1;
        b = isn(key, tuple, 1000, &tb);
        CHECKF(b != a, "tuple byte %u", i);
        CHECKF(tb != ta || TCPSM__TINY, "tuple byte %u", i);
        tuple[i] ^= 1;
    }
}
