/* ecn_bulk - examples/tun/bulk with flags of its own - 0BSD

   TCPSM_TEST_FLAGS in the environment, a number, is added to the flags of
   the configuration; when it ends it prints what the counters say of ECN,
   and of the last connection:

       ecn_bulk: ecn 2 fast_open 0 ce 17 reductions 4 */

#define TCPSM_IMPLEMENTATION
#define TCPSM_NAMES
#include "../../tcpsm.h"

#include <stdio.h>
#include <stdlib.h>

static struct tcpsm_counters seen;
static struct tcpsm_info final;

static tcpsm_ret with_flags(tcpsm_conn *c, const tcpsm_config *cfg)
{
    const char *text = getenv("TCPSM_TEST_FLAGS");
    tcpsm_config mine = *cfg;

    if (text)
        mine.flags |= (uint32_t)strtoul(text, NULL, 0);
    mine.counters = &seen;
    return tcpsm_init(c, &mine);
}

/* The last state in which something was negotiated */
static tcpsm_ret watched(tcpsm_conn *c, tcpsm_out *out, tcpsm_time now)
{
    struct tcpsm_info i;
    tcpsm_ret r = tcpsm_output(c, out, now);

    tcpsm_status(c, &i);
    if (i.state >= TCPSM_ESTABLISHED)
        final = i;
    return r;
}

__attribute__((destructor)) static void report(void)
{
    fprintf(stderr, "ecn_bulk: ecn %d fast_open %d ce %llu reductions %llu\n",
            final.ecn, final.fast_open, (unsigned long long)seen.ce,
            (unsigned long long)seen.ecn_reductions);
}

#undef tcpsm_init
#define tcpsm_init(c, cfg) with_flags((c), (cfg))
#define tcpsm_output(c, out, now) watched((c), (out), (now))
#include "../../examples/tun/bulk.c"
