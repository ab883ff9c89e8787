/* >>rtt: RFC 6298 by hand. All times in microseconds; G is the clock's
   tick. */

#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

#define MS 1000u
#define S 1000000u

static struct tcpsm__rtt none(void)
{
    struct tcpsm__rtt t;
    t.srtt = t.rttvar = 0;
    return t;
}

/* RFC6298-1 (2.1): until there is a measurement, one second. */
TEST(before_any_sample)
{
    struct tcpsm__rtt t = none();
    CHECK_EQ(tcpsm__rtt_rto(&t, 1, 200 * MS, 120 * S, 0), 1 * S);
    /* RFC6298-14 (5.7): after a lost SYN, three when data begins */
    CHECK_EQ(tcpsm__rtt_rto(&t, 1, 200 * MS, 120 * S, 1), 3 * S);
    /* the floor of 2.4 and the ceiling of 2.5 hold here too */
    CHECK_EQ(tcpsm__rtt_rto(&t, 1, 2 * S, 120 * S, 0), 2 * S);
    CHECK_EQ(tcpsm__rtt_rto(&t, 1, 200 * MS, 60 * S, 0), 1 * S);
    CHECK_EQ(tcpsm__rtt_rto(&t, 1, 200 * MS, 500 * MS, 0), 500 * MS);
}

/* RFC6298-2 (2.2): SRTT = R, RTTVAR = R/2, RTO = SRTT + max(G, 4 RTTVAR). */
TEST(first_sample)
{
    struct tcpsm__rtt t = none();
    tcpsm__rtt_sample(&t, 100 * MS, 0);
    CHECK_EQ(t.srtt, 100 * MS);
    CHECK_EQ(t.rttvar, 50 * MS);
    CHECK_EQ(tcpsm__rtt_rto(&t, 1, 0, 120 * S, 0), 300 * MS);
    /* a sample was taken: the 3 s of a lost SYN are over */
    CHECK_EQ(tcpsm__rtt_rto(&t, 1, 0, 120 * S, 1), 300 * MS);
    /* 2.4 as the RFC has it: rounded up to one second */
    CHECK_EQ(tcpsm__rtt_rto(&t, 1, 1 * S, 120 * S, 0), 1 * S);
}

/* RFC6298-3 (2.3): RTTVAR = 3/4 RTTVAR + 1/4 |SRTT - R'| with the old
   SRTT, then SRTT = 7/8 SRTT + 1/8 R'. */
TEST(later_samples)
{
    struct tcpsm__rtt t = none();
    tcpsm__rtt_sample(&t, 100 * MS, 0);
    tcpsm__rtt_sample(&t, 180 * MS, 0);
    CHECK_EQ(t.rttvar, 57500);  /* 0.75 * 50 + 0.25 * 80 */
    CHECK_EQ(t.srtt, 110 * MS); /* 0.875 * 100 + 0.125 * 180 */
    CHECK_EQ(tcpsm__rtt_rto(&t, 1, 0, 120 * S, 0), 340 * MS);
    tcpsm__rtt_sample(&t, 30 * MS, 0);
    CHECK_EQ(t.rttvar, 63125);  /* 0.75 * 57.5 + 0.25 * 80 */
    CHECK_EQ(t.srtt, 100 * MS); /* 0.875 * 110 + 0.125 * 30 */
    tcpsm__rtt_sample(&t, 100 * MS, 0);
    CHECK_EQ(t.srtt, 100 * MS);
    CHECK_EQ(t.rttvar, 63125 - 63125 / 4);
}

/* The formulas in doubles, over a long random walk. */
TEST(random_walk)
{
    struct tcpsm__rtt t = none();
    double srtt = 0, var = 0, d;
    uint64_t s = 5;
    uint32_t i, r;
    for (i = 0; i < 100000; i++) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        r = 1000 + (uint32_t)(s >> 40) % (i % 1000 < 500 ? 100000 : 900000);
        tcpsm__rtt_sample(&t, r, 0);
        if (i == 0) {
            srtt = r;
            var = r / 2.0;
        } else {
            d = srtt > r ? srtt - r : r - srtt;
            var += (d - var) / 4;
            srtt += (r - srtt) / 8;
        }
        CHECKF(t.srtt + 10 > srtt && t.srtt < srtt + 10, "%u: %u %f", i,
               t.srtt, srtt);
        CHECKF(t.rttvar + 20 > var && t.rttvar < var + 20, "%u: %u %f", i,
               t.rttvar, var);
    }
}

/* RFC 7323 appendix G: with n samples a round trip the gains become 1/8n
   and 1/4n: shift is log2 n. */
TEST(several_samples_a_round)
{
    struct tcpsm__rtt t = none();
    tcpsm__rtt_sample(&t, 100 * MS, 0);
    tcpsm__rtt_sample(&t, 180 * MS, 2);
    CHECK_EQ(t.rttvar, 50 * MS + 30 * MS / 16);
    CHECK_EQ(t.srtt, 100 * MS + 80 * MS / 32);
}

/* RFC6298-6 (2.3 and 4): RTTVAR never counts for less than the tick. */
TEST(granularity)
{
    struct tcpsm__rtt t = none();
    uint32_t i;
    for (i = 0; i < 200; i++)
        tcpsm__rtt_sample(&t, 100 * MS, 0);
    CHECK_LE(t.rttvar, 4u);
    CHECK_EQ(tcpsm__rtt_rto(&t, 10 * MS, 0, 120 * S, 0), 110 * MS);
    CHECK_LE(tcpsm__rtt_rto(&t, 1, 0, 120 * S, 0), 100 * MS + 16u);
    CHECK_EQ(tcpsm__rtt_rto(&t, 1, 200 * MS, 120 * S, 0), 200 * MS);
}

/* 5.5: "back off the timer"; 2.5: a maximum may be placed on it. */
TEST(backoff)
{
    uint32_t n, want = 300 * MS;
    for (n = 0; n < 300; n++) {
        CHECK_EQ(tcpsm__rtt_backoff(300 * MS, n, 120 * S), want);
        want = want * 2 > 120 * S ? 120 * S : want * 2;
    }
    CHECK_EQ(tcpsm__rtt_backoff(120 * S, 1, 120 * S), 120 * S);
    CHECK_EQ(tcpsm__rtt_backoff(1, 255, 1800u * S), 1800u * S);
}

/* Neither a zero nor an absurd sample breaks the estimator. */
TEST(extremes)
{
    static const uint32_t r[] = {0, 1, 2, 7, 0x0FFFFFFF, 0xFFFFFFFF};
    uint32_t i, k, n;
    for (i = 0; i < 6; i++)
        for (k = 0; k < 6; k++) {
            struct tcpsm__rtt t = none();
            tcpsm__rtt_sample(&t, r[i], 0);
            CHECK_GE(t.srtt, 1u); /* 0 would mean: no sample yet */
            for (n = 0; n < 300; n++)
                tcpsm__rtt_sample(&t, r[k], n % 7);
            CHECK_GE(t.srtt, 1u);
            CHECK_LE(t.srtt, 0x0FFFFFFFu);
            CHECK_LE(t.rttvar, 0x0FFFFFFFu);
            CHECK_LE(tcpsm__rtt_rto(&t, 1, 200 * MS, 1800 * S, 0), 1800 * S);
        }
}
