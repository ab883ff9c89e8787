/* The steps over IPv6 extension headers and over the options in one, for
   every length, every index and every content: they read nothing outside,
   move forward or stop, and never past the end. The walks are trivial loops
   over them.

   UNWIND: 1
   CANARY: s/if (len - at < 2 ||/if (len - at < 1 ||/
   CANARY: s/2u + p\[at + 1\] > len - at)/2u + p[at + 1] > len - at + 1)/
   CANARY: s/if (n - at < 8)/if (n - at < 1)/
   CANARY: s/return len > n - at ? 0 : at + len;/return at + len;/ */

#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"
#include <assert.h>
#include <stdlib.h>

uint32_t nondet_length(void);
uint32_t nondet_index(void);
uint8_t nondet_kind(void);

int main(void)
{
    uint32_t n = nondet_length(), at = nondet_index(), next;
    uint8_t kind = nondet_kind(), *p;

    __CPROVER_assume(n >= 8 && n <= 2048 && at < n);
    p = (uint8_t *)malloc(n); /* exactly n, of any content */
    __CPROVER_assume(p != NULL);

    next = tcpsm__ext_option(p, n, at);
    assert(next == 0 || (next > at && next <= n));

    /* those of options, whose step is above, are a loop over it */
    __CPROVER_assume(kind != 0 && kind != 60);
    next = tcpsm__ext_step(p, n, at, &kind);
    assert(next == 0 || (next >= at + 8 && next <= n));
    return 0;
}
