/* >>seq: the modular comparisons of RFC 9293 s3.4, against signed 64-bit
   arithmetic on a line. */

#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

static const uint32_t bases[] = {0,          1,          0x7FFFFFFE,
                                 0x7FFFFFFF, 0x80000000, 0x80000001,
                                 0xFFFFFFFE, 0xFFFFFFFF, 0x12345678};

/* b is a + d, -2^31 < d < 2^31: then the order is that of 0 and d. */
static void check_pair(uint32_t a, int64_t d)
{
    uint32_t b = a + (uint32_t)d;
    CHECKF(tcpsm__seq_lt(a, b) == (0 < d), "%u %lld", a, (long long)d);
    CHECKF(tcpsm__seq_le(a, b) == (0 <= d), "%u %lld", a, (long long)d);
    CHECK_EQ(tcpsm__seq_lt(b, a), d < 0);
    CHECK_EQ(tcpsm__seq_max(a, b), d > 0 ? b : a);
    CHECK_EQ(tcpsm__seq_min(a, b), d > 0 ? a : b);
    CHECK_EQ(tcpsm__seq_max(b, a), d > 0 ? b : a);
    CHECK_EQ(tcpsm__seq_min(b, a), d > 0 ? a : b);
    CHECK_EQ(tcpsm__seq_ahead(a, b), d > 0 ? d : 0);
}

TEST(order_near_and_far)
{
    static const int64_t far[] = {0x7FFFFFFF, 0x7FFFFFFE, 0x40000000, 65536,
                                  0x3FFFC000};
    uint32_t i, k;
    int64_t d;
    for (i = 0; i < sizeof bases / sizeof *bases; i++) {
        for (d = -300; d <= 300; d++)
            check_pair(bases[i], d);
        for (k = 0; k < sizeof far / sizeof *far; k++) {
            check_pair(bases[i], far[k]);
            check_pair(bases[i], -far[k]);
        }
    }
}

TEST(order_at_random)
{
    uint64_t s = 7;
    uint32_t i;
    for (i = 0; i < 1000000; i++) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        check_pair((uint32_t)s, (int64_t)((s >> 32) & 0x7FFFFFFF) -
                                    (i & 1 ? 0x7FFFFFFF : 0));
    }
}

/* At exactly half the space there is no order: neither max nor min may
   then invent a number, and ahead says the distance. */
TEST(half_the_space)
{
    uint32_t i;
    for (i = 0; i < sizeof bases / sizeof *bases; i++) {
        uint32_t a = bases[i], b = a + 0x80000000u;
        CHECK(tcpsm__seq_max(a, b) == a || tcpsm__seq_max(a, b) == b);
        CHECK(tcpsm__seq_min(a, b) == a || tcpsm__seq_min(a, b) == b);
        CHECK_EQ(tcpsm__seq_lt(a, b), tcpsm__seq_lt(b, a));
        CHECK_EQ(tcpsm__seq_le(a, b), tcpsm__seq_le(b, a));
    }
}

/* Among three numbers within half the space, < is transitive. */
TEST(transitive)
{
    uint32_t i, a;
    uint32_t b, c;
    for (i = 0; i < sizeof bases / sizeof *bases; i++)
        for (a = bases[i], b = 1; b < 0x40000000u; b = b * 3 + 1)
            for (c = 1; c < 0x40000000u; c = c * 5 + 2) {
                CHECK(tcpsm__seq_lt(a, a + b));
                CHECK(tcpsm__seq_lt(a + b, a + b + c));
                CHECK(tcpsm__seq_lt(a, a + b + c));
            }
}
