/* The step of the option walker, for every header length, every index in
   it and every content: it reads nothing outside the header, moves forward
   or stops, and never past the end. The walk is a trivial loop over it.

   UNWIND: 9
   CANARY: s/if (n - i < 2)/if (n - i < 1)/
   CANARY: s/if (len < 2 || len > n - i)/if (len > n - i)/
   CANARY: s/len < 2 || len > n - i)/len < 2 || len > n - i + 1)/
   CANARY: s/if (len == 4 \&\& syn)/if (len == 4)/ */

#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"
#include <assert.h>
#include <stdlib.h>

uint32_t nondet_length(void);
uint32_t nondet_index(void);
uint16_t nondet_flags(void);

int main(void)
{
    uint32_t n = nondet_length(), i = nondet_index(), next;
    struct tcpsm__seg s = {0};
    uint8_t *p;

    __CPROVER_assume(n > 20 && n <= 60 && n % 4 == 0 && i >= 20 && i < n);
    p = (uint8_t *)malloc(n); /* exactly n, of any content */
    __CPROVER_assume(p != NULL);
    s.flags = nondet_flags();
    s.scale = TCPSM__NO_SCALE;

    next = tcpsm__opt_step(&s, p, n, i);

    assert(next == 0 || next > i);
    assert(next <= n);
    assert(s.nsack <= 4);
    if ((s.flags & TCPSM__SYN) == 0) /* law 6: not without SYN */
        assert(s.mss == 0 && s.scale == TCPSM__NO_SCALE && !s.sack_ok);
    else
        assert(s.nsack == 0);
    return 0;
}
