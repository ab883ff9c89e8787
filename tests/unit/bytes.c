/* >>bytes against the definitions: loads and stores, the ones' complement
   sum of RFC 1071, the pseudo-header of RFC 9293 s3.1, and the 16-bit
   encodings of durations and sizes. */

#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

static uint64_t seed = 1;

static uint32_t rnd(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 32);
}

/* RFC 1071 s1, to the letter: 16-bit big-endian words, an odd byte padded
   with zero, carries added back until there is none. */
static uint32_t sum_by_definition(const uint8_t *p, size_t n)
{
    uint64_t s = 0;
    size_t i;
    for (i = 0; i < n; i++)
        s += i % 2 ? p[i] : (uint64_t)p[i] << 8;
    while (s >> 16)
        s = (s & 0xFFFF) + (s >> 16);
    return (uint32_t)s;
}

/* 0x0000 and 0xFFFF are the same number in ones' complement. */
static int same_sum(uint32_t a, uint32_t b)
{
    return a == b || (a % 0xFFFFu == 0 && b % 0xFFFFu == 0);
}

TEST(loads_and_stores)
{
    uint8_t b[9] = {0, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0xF0};
    uint32_t at;
    for (at = 0; at < 4; at++) { /* any alignment */
        uint8_t w[8] = {0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE};
        CHECK_EQ(tcpsm__get16(b + at), b[at] << 8 | b[at + 1]);
        CHECK_EQ(tcpsm__get32(b + at),
                 (uint32_t)b[at] << 24 | (uint32_t)b[at + 1] << 16 |
                     (uint32_t)b[at + 2] << 8 | b[at + 3]);
        tcpsm__put32(w + at, tcpsm__get32(b + at));
        CHECK_MEM(w + at, b + at, 4);
        CHECK_EQ(w[at + 4], 0xEE);
        tcpsm__put16(w, 0xABCD1234);
        CHECK_EQ(tcpsm__get16(w), 0x1234);
    }
    CHECK_EQ(tcpsm__get32((const uint8_t *)"\xFF\xFF\xFF\xFF"), 0xFFFFFFFFu);
}

/* RFC 1071 s3: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2. */
TEST(sum_of_rfc1071)
{
    const uint8_t b[8] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    CHECK_EQ(tcpsm__sum(b, 8), 0xddf2);
    CHECK_EQ(tcpsm__sum_plain(NULL, b, 8), 0xddf2);
}

TEST(sum_all_lengths_and_offsets)
{
    static uint8_t src[16 + 301], dst[16 + 301 + 16];
    uint32_t n, off, i, to;
    for (i = 0; i < sizeof src; i++)
        src[i] = (uint8_t)(rnd() | (i % 7 == 0 ? 0xFF : 0));
    for (n = 0; n <= 300; n++)
        for (off = 0; off < 16; off++) {
            uint32_t want = sum_by_definition(src + off, n), got;
            got = tcpsm__sum(src + off, n);
            CHECKF(same_sum(got, want), "n %u off %u", n, off);
            CHECK(same_sum(tcpsm__sum_plain(NULL, src + off, n), want));
            to = (off * 5 + n) % 16;
            memset(dst, 0xEE, sizeof dst);
            got = tcpsm__sum_copy(dst + to, src + off, n);
            CHECKF(same_sum(got, want), "copy n %u off %u", n, off);
            CHECK_MEM(dst + to, src + off, n);
            for (i = 0; i < to; i++)
                CHECK_EQ(dst[i], 0xEE);
            for (i = to + n; i < sizeof dst; i++)
                CHECK_EQ(dst[i], 0xEE);
        }
}

/* The carries of the vector shape: all ones, and single bits. */
TEST(sum_extremes)
{
    static uint8_t b[65536];
    uint32_t i;
    memset(b, 0xFF, sizeof b);
    for (i = 65500; i <= 65536; i++)
        CHECK(same_sum(tcpsm__sum_copy(NULL, b, i), sum_by_definition(b, i)));
    memset(b, 0, sizeof b);
    CHECK_EQ(tcpsm__sum(b, 65536), 0);
    for (i = 0; i < 300; i++) {
        b[i] = 0x80;
        CHECK_EQ(tcpsm__sum(b, 300), i % 2 ? 0x0080 : 0x8000);
        b[i] = 0;
    }
}

/* A train may be longer than 64 KiB; nothing may overflow on the way. */
TEST(sum_beyond_64k)
{
    static uint8_t b[300001];
    static const uint32_t n[] = {65535,  65536,  65537,  65538,  131071,
                                 131072, 131073, 196608, 300000, 300001};
    uint32_t i;
    for (i = 0; i < sizeof b; i++)
        b[i] = (uint8_t)(rnd() | 0xF0);
    for (i = 0; i < sizeof n / sizeof *n; i++)
        CHECK(same_sum(tcpsm__sum(b, n[i]), sum_by_definition(b, n[i])));
    memset(b, 0xFF, sizeof b);
    CHECK(same_sum(tcpsm__sum(b, sizeof b), sum_by_definition(b, sizeof b)));
}

/* RFC9293-MUST-2, -MUST-3: addresses, zero, protocol 6, length, for both
   families the same words; the length of a train does not fit in 16 bits. */
TEST(sum_of_pseudo_header)
{
    static const uint32_t len[] = {20, 21, 60, 1500, 65535, 65536, 300000};
    uint8_t ph[40], a[16], b[16];
    uint32_t i, k;
    for (k = 0; k < 200; k++) {
        uint32_t l = len[k % (sizeof len / sizeof *len)];
        for (i = 0; i < 16; i++) {
            a[i] = (uint8_t)rnd();
            b[i] = (uint8_t)(rnd() | (k & 1 ? 0xFF : 0));
        }
        memset(ph, 0, sizeof ph); /* RFC 8200 s8.1 */
        memcpy(ph, a, 16);
        memcpy(ph + 16, b, 16);
        tcpsm__put32(ph + 32, l);
        ph[39] = 6;
        CHECK(same_sum(tcpsm__sum_pseudo(a, b, 6, l),
                       sum_by_definition(ph, 40)));
        if (l > 65535)
            continue;
        memset(ph, 0, sizeof ph); /* RFC 9293 s3.1 */
        memcpy(ph, a, 4);
        memcpy(ph + 4, b, 4);
        ph[9] = 6;
        tcpsm__put16(ph + 10, l);
        CHECK(same_sum(tcpsm__sum_pseudo(a, b, 4, l),
                       sum_by_definition(ph, 12)));
    }
}

TEST(fold_and_swap)
{
    uint32_t i;
    CHECK_EQ(tcpsm__fold(0), 0);
    CHECK_EQ(tcpsm__fold(0xFFFF), 0xFFFF);
    CHECK_EQ(tcpsm__fold(0x10000), 1);
    CHECK_EQ(tcpsm__fold(0xFFFFFFFF), 0xFFFF);
    CHECK_EQ(tcpsm__fold(0xFFFF0001), 1 + 0); /* two carries */
    for (i = 0; i < 100000; i++) {
        uint32_t v = rnd();
        CHECK_LE(tcpsm__fold(v), 0xFFFFu);
        CHECK_EQ(tcpsm__fold(v) % 0xFFFFu, v % 0xFFFFu);
        CHECK_EQ(tcpsm__swap16(v & 0xFFFF),
                 (v & 0xFF) << 8 | (v >> 8 & 0xFF));
    }
}

TEST(bytes_equal_and_zero)
{
    uint8_t a[16] = {0}, b[16] = {0};
    uint32_t i, k;
    CHECK(tcpsm__bytes_zero(a, 16));
    CHECK(tcpsm__bytes_equal(a, b, 16));
    for (i = 0; i < 16; i++)
        for (k = 0; k < 8; k++) {
            a[i] = (uint8_t)(1 << k);
            CHECK(!tcpsm__bytes_zero(a, 16));
            CHECK(!tcpsm__bytes_equal(a, b, 16));
            CHECK(tcpsm__bytes_zero(a, i));
            CHECK(tcpsm__bytes_equal(a, b, i));
            a[i] = 0;
        }
}

/* Durations: exact for what people write, else rounded up, never far. */
static uint32_t k_round(uint32_t v)
{
    return tcpsm__k_dec(tcpsm__k_enc(v));
}

static void check_k(uint32_t v)
{
    uint32_t d = k_round(v), unit = 1;
    while ((v + (unit - 1)) / unit > 8190)
        unit *= 10;
    CHECKF(d >= v, "%u became %u", v, d);
    CHECKF(d - v < unit || d == TCPSM_OFF, "%u became %u", v, d);
    CHECKF(v % unit != 0 || d == v, "%u is exact, became %u", v, d);
}

TEST(durations_exact)
{
    uint32_t v, e, m, d;
    for (v = 0; v <= 8190; v++)
        CHECK_EQ(k_round(v), v);
    for (m = 1, e = 0; e < 6; e++, m *= 10)
        for (v = 1; v <= 8190 && v <= 0xFFFFFFFFu / m; v++) {
            d = k_round(v * m);
            CHECKF(d == v * m, "%u became %u", v * m, d);
        }
    CHECK_EQ(k_round(TCPSM_OFF), TCPSM_OFF);
    CHECK_EQ(tcpsm__k_enc(TCPSM_OFF), TCPSM__K_OFF);
    /* the defaults and the limits of tcpsm_config */
    CHECK_EQ(k_round(40000), 40000);
    CHECK_EQ(k_round(7200000), 7200000);
    CHECK_EQ(k_round(1800000), 1800000);
}

TEST(durations_round_up)
{
    uint32_t i, v;
    for (v = 8000; v < 1200000; v++)
        check_k(v);
    for (i = 0; i < 300000; i++)
        check_k(rnd() % 4200000000u);
}

/* Nothing that is not OFF becomes short because it is long: it saturates,
   after 49 days, at what the header names. */
static uint32_t least(uint32_t v)
{
    return v < 4294000000u ? v : 4294000000u;
}

TEST(durations_at_the_top)
{
    uint32_t v, prev = 0, d;
    for (v = 4000000000u; v < 4294900000u; v += 4999) {
        d = k_round(v);
        CHECKF(d >= least(v), "%u became %u", v, d);
    }
    for (v = 4294967294u; v > 4294967000u; v--) {
        d = k_round(v);
        CHECKF(d >= least(v), "%u became %u", v, d);
    }
    for (v = 0; v < 4294000000u; v += 104729) {
        d = k_round(v);
        CHECK_GE(d, prev);
        prev = d;
    }
}

/* Sizes: twelve bits exactly, else rounded down, by less than 1/2048. */
TEST(sizes_round_down)
{
    uint32_t v, i, d, prev = 0;
    for (v = 0; v <= 4095; v++)
        CHECK_EQ(tcpsm__size_dec(tcpsm__size_enc(v)), v);
    for (v = 0; v < 5000000; v++) {
        d = tcpsm__size_dec(tcpsm__size_enc(v));
        CHECKF(d <= v && v - d <= v / 2048, "%u became %u", v, d);
        CHECK_GE(d, prev);
        prev = d;
    }
    for (i = 0; i < 300000; i++) {
        v = rnd() % (4095u << 15);
        d = tcpsm__size_dec(tcpsm__size_enc(v));
        CHECKF(d <= v && v - d <= v / 2048, "%u became %u", v, d);
    }
    for (i = 0; i < 15; i++)
        for (v = 1; v <= 4095; v += 17)
            CHECK_EQ(tcpsm__size_dec(tcpsm__size_enc(v << i)), v << i);
    /* beyond its range it stays at the largest */
    CHECK_EQ(tcpsm__size_dec(tcpsm__size_enc(TCPSM_MAX_RING)), 4095u << 15);
    CHECK_EQ(tcpsm__size_dec(tcpsm__size_enc(0xFFFFFFFF)), 4095u << 15);
}
