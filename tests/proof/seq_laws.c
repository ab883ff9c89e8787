/* The laws of the sequence compares, for every pair and triple of 32-bit
   numbers (RFC 9293 s3.4): they are an order on any half of the circle.

   CANARY: s/return ((a - b) \& 0x80000000u) != 0;/return a < b;/
   CANARY: s/return !tcpsm__seq_lt(b, a);/return tcpsm__seq_lt(a, b);/
   CANARY: s/return tcpsm__seq_lt(a, b) ? b : a;/return a > b ? a : b;/ */

#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"
#include <assert.h>

uint32_t nondet_a(void);
uint32_t nondet_d(void);
uint32_t nondet_e(void);

int main(void)
{
    uint32_t a = nondet_a(), d = nondet_d(), e = nondet_e();

    __CPROVER_assume(d < 0x80000000u);
    /* distance decides, wherever on the circle a is */
    assert(!!tcpsm__seq_lt(a, a + d) == (d != 0));
    assert(tcpsm__seq_le(a, a + d));
    assert(!tcpsm__seq_lt(a + d, a));
    assert(!!tcpsm__seq_le(a + d, a) == (d == 0));
    assert(tcpsm__seq_max(a, a + d) == a + d);
    assert(tcpsm__seq_max(a + d, a) == a + d);
    assert(tcpsm__seq_min(a, a + d) == a);
    assert(tcpsm__seq_min(a + d, a) == a);
    assert(tcpsm__seq_ahead(a, a + d) == d);
    assert(tcpsm__seq_ahead(a + d, a) == 0);
    /* transitive as long as all is within half the circle */
    __CPROVER_assume(e < 0x80000000u && d + e < 0x80000000u);
    if (tcpsm__seq_lt(a, a + d) && tcpsm__seq_lt(a + d, a + d + e))
        assert(tcpsm__seq_lt(a, a + d + e));
    return 0;
}
