/* Adding a range to the table of out-of-order ranges, from any valid table
   of up to three and for any range beyond RCV.NXT: the table stays valid
   (sorted, disjoint, its recency order a permutation), what was added is
   the most recent, and a full table that refuses is left as it was.
   Memory operations are within the arrays.

   UNWIND: 5
   UNWINDSET: memmove.0:13,memmove.1:13
   CANARY: s/if (r->n == r->cap)/if (r->n > r->cap)/
   CANARY: /r->start\[i + k\] - r->base <= r->end\[i\]/s/ <= / < /
   CANARY: s/(r->order\[k\] >= i)/(r->order[k] > i)/
   CANARY: s/^    tcpsm__ranges_touch(r, i);// */

#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"
#include <assert.h>

#ifdef CANARY /* a seeded error shows in a smaller table, and sooner */
#define N 2
#else
#define N 3
#endif

/* CBMC's own model of memmove moves too little of an array of words. */
void *memmove(void *d, const void *s, size_t n)
{
    uint8_t hold[4 * N], *to = (uint8_t *)d;
    const uint8_t *from = (const uint8_t *)s;
    size_t i;
    assert(n <= sizeof hold);
    for (i = 0; i < n; i++)
        hold[i] = from[i];
    for (i = 0; i < n; i++)
        to[i] = hold[i];
    return d;
}

uint32_t nondet_seq(void);
uint8_t nondet_count(void);

static uint32_t start[N], end[N], old_start[N], old_end[N];
static uint8_t order[N];

int main(void)
{
    struct tcpsm__ranges r = {0};
    uint32_t a = nondet_seq(), b = nondet_seq(), limit = nondet_seq(), i;
    uint8_t n = nondet_count();
    int added;

    for (i = 0; i < N; i++) {
        old_start[i] = start[i] = nondet_seq();
        old_end[i] = end[i] = nondet_seq();
        order[i] = nondet_count();
    }
    r.start = start;
    r.end = end;
    r.order = order;
    r.base = nondet_seq();
    r.n = n;
    r.cap = N;
    __CPROVER_assume(limit < 0x40000000u);
    __CPROVER_assume(n <= N && tcpsm__ranges_valid(&r, limit));
    __CPROVER_assume(a != r.base && b - r.base <= limit &&
                     a - r.base < b - r.base);

    added = tcpsm__ranges_add(&r, a, b);

    assert(tcpsm__ranges_valid(&r, limit));
    if (added) {
        i = order[0];
        assert(start[i] - r.base <= a - r.base);
        assert(end[i] - r.base >= b - r.base);
    } else {
        assert(n == N && r.n == N);
        for (i = 0; i < N; i++)
            assert(start[i] == old_start[i] && end[i] == old_end[i]);
    }
    return 0;
}
