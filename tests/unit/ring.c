/* >>ring: every capacity, head, offset and length of a small universe
   against an array that is indexed modulo the capacity. */

#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

enum { CAPS = 13, GUARD = 8 };

static uint32_t definition(const uint8_t *p, uint32_t n)
{
    uint64_t s = 0;
    uint32_t i;
    for (i = 0; i < n; i++)
        s += i % 2 ? p[i] : (uint64_t)p[i] << 8;
    while (s >> 16)
        s = (s & 0xFFFF) + (s >> 16);
    return (uint32_t)s;
}

static int same_sum(uint32_t a, uint32_t b)
{
    return a == b || (a % 0xFFFFu == 0 && b % 0xFFFFu == 0);
}

static void one(uint32_t cap, uint32_t head, uint32_t off, uint32_t n)
{
    uint8_t mem[CAPS + 2 * GUARD], model[CAPS], in[CAPS], out[CAPS + 1];
    uint8_t *ring = mem + GUARD;
    uint32_t i, s;
    memset(mem, 0xA5, sizeof mem);
    memset(out, 0x5A, sizeof out);
    for (i = 0; i < cap; i++)
        ring[i] = model[i] = (uint8_t)(i + 100);
    for (i = 0; i < n; i++) {
        in[i] = (uint8_t)(0xC0 + i * 7);
        model[(head + off + i) % cap] = in[i];
    }
    CHECK_EQ(tcpsm__ring_at(cap, head, off), (head + off) % cap);
    s = tcpsm__ring_first(cap, head, off, n);
    CHECK(s <= n && (head + off) % cap + s <= cap);
    tcpsm__ring_write(ring, cap, head, off, in, n);
    CHECK_MEM(ring, model, cap);
    tcpsm__ring_read(out, ring, cap, head, off, n);
    CHECK_MEM(out, in, n);
    CHECK_EQ(out[n], 0x5A);
    memset(out, 0x5A, sizeof out);
    s = tcpsm__ring_sum(out, ring, cap, head, off, n);
    CHECK(same_sum(s, definition(in, n)));
    CHECK_MEM(out, in, n);
    CHECK_EQ(out[n], 0x5A);
    CHECK(same_sum(tcpsm__ring_sum(NULL, ring, cap, head, off, n),
                   definition(in, n)));
    for (i = 0; i < cap; i++)
        ring[i] = model[i] = (uint8_t)(i + 100);
    for (i = 0; i < n; i++)
        model[(head + off + i) % cap] = in[i];
    s = tcpsm__ring_put(ring, cap, head, off, in, n);
    CHECK(same_sum(s, definition(in, n)));
    CHECK_MEM(ring, model, cap);
    for (i = 0; i < GUARD; i++)
        CHECK(mem[i] == 0xA5 && ring[cap + i] == 0xA5);
}

TEST(every_small_ring)
{
    uint32_t cap, head, off, n;
    for (cap = 1; cap <= CAPS; cap++)
        for (head = 0; head < cap; head++)
            for (off = 0; off <= cap; off++)
                for (n = 0; n + off <= cap; n++) {
                    CONTEXT("cap %u head %u off %u n %u", cap, head, off, n);
                    one(cap, head, off, n);
                }
}

/* The vector shape of the sum on both sides of the wrap, odd and even. */
TEST(sums_over_the_wrap)
{
    static uint8_t ring[401], out[401], flat[401];
    uint32_t head, n, i;
    uint64_t s = 5;
    for (i = 0; i < 401; i++) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        ring[i] = (uint8_t)(s >> 56);
    }
    for (head = 0; head < 401; head++)
        for (n = 0; n <= 401; n += n < 330 ? 11 : 1) {
            for (i = 0; i < n; i++)
                flat[i] = ring[(head + i) % 401];
            CHECKF(same_sum(tcpsm__ring_sum(out, ring, 401, head, 0, n),
                            definition(flat, n)),
                   "head %u n %u", head, n);
            CHECK_MEM(out, flat, n);
        }
}

/* No ring is no memory: nothing is touched for zero bytes. */
TEST(nothing_of_no_ring)
{
    uint8_t b = 7;
    tcpsm__ring_write(NULL, 0, 0, 0, &b, 0);
    tcpsm__ring_read(NULL, NULL, 0, 0, 0, 0);
    CHECK_EQ(tcpsm__ring_sum(NULL, NULL, 0, 0, 0, 0), 0);
    CHECK_EQ(tcpsm__ring_put(NULL, 0, 0, 0, &b, 0), 0);
}

/* The largest ring: the arithmetic of offsets does not wrap. */
TEST(largest_ring)
{
    const uint32_t cap = TCPSM_MAX_RING;
    CHECK_EQ(tcpsm__ring_at(cap, cap - 1, cap), cap - 1);
    CHECK_EQ(tcpsm__ring_at(cap, cap - 1, 1), 0);
    CHECK_EQ(tcpsm__ring_first(cap, cap - 5, 0, 10), 5);
    CHECK_EQ(tcpsm__ring_first(cap, cap - 5, cap, 10), 5);
}
