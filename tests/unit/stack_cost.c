/* Law 2 at the door of a stack: whose a segment is takes as many steps among
   thousands as among a few. Counted, not timed. */

static unsigned long steps;
#define TCPSM_STEP() ((void)steps++)
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"
#include "test.h"

enum { MANY = 4000, FEW = 4, PORT = 1000 };

static tcpsm_stack *st;
static void *block;
static uint16_t from; /* the peers' port */

static void name(tcpsm_tuple *t, uint32_t i)
{
    memset(t, 0, sizeof *t);
    t->family = 4;
    t->local[0] = t->remote[0] = 10;
    t->local[3] = 1;
    t->remote[1] = 1;
    t->remote[2] = (uint8_t)(i >> 8);
    t->remote[3] = (uint8_t)i;
    t->local_port = 80;
    t->remote_port = PORT;
}

/* A segment without payload, from the i-th peer; how many steps it took. */
static unsigned long arrives(uint32_t i, uint8_t flags)
{
    uint8_t tcp[20] = {0};
    tcpsm_in in = TCPSM_ZERO;
    tcpsm_tuple t;

    name(&t, i);
    tcp[0] = (uint8_t)(from >> 8);
    tcp[1] = (uint8_t)from;
    tcp[3] = 80;
    tcp[7] = 1;  /* SEQ */
    tcp[11] = 1; /* ACK: of nothing that was ever sent */
    tcp[12] = 5 << 4;
    tcp[13] = flags;
    in.family = 4;
    in.src = t.remote;
    in.dst = t.local;
    in.data = tcp;
    in.len = sizeof tcp;
    in.flags = TCPSM_IN_CSUM_OK;
    steps = 0;
    CHECK_EQ(tcpsm_stack_input(st, &in, 1000), 0);
    return steps;
}

static void up(uint32_t n)
{
    tcpsm_stack_config cfg = TCPSM_ZERO;
    tcpsm_tuple t;
    size_t size;

    from = PORT;
    cfg.conn.key[3] = 7;
    cfg.conns = cfg.syn_entries = n;
    cfg.resets_per_second = TCPSM_OFF;
    size = tcpsm_stack_size(&cfg);
    CHECK(size != 0);
    block = malloc(size);
    CHECK(block != NULL);
    CHECK_EQ(tcpsm_stack_init(&st, block, size, &cfg, 1000), 0);
    name(&t, 0);
    CHECK_EQ(tcpsm_stack_address(st, &t, 24, 1), 0);
}

/* The sum and the most of the steps of `flags` from each peer. */
static void cost(uint32_t n, uint8_t flags, unsigned long *sum,
                 unsigned long *most)
{
    unsigned long s;
    uint32_t i;

    *sum = *most = 0;
    for (i = 0; i < n; i++) {
        s = arrives(i, flags);
        *sum += s;
        *most = s > *most ? s : *most;
    }
}

static void compare(const char *what, unsigned long few, unsigned long all,
                    unsigned long most)
{
    CHECKF(all / MANY <= few / FEW + 4,
           "%s: %lu steps among %d, %lu among "
           "%d",
           what, few / FEW, FEW, all / MANY, MANY);
    /* by chance eight names or so meet in the fullest of 4096 buckets */
    CHECKF(most <= few / FEW + 24, "%s: %lu steps", what, most);
}

static void connect_all(uint32_t n)
{
    tcpsm_conn *c;
    tcpsm_tuple t;
    uint32_t i;

    up(n);
    for (i = 0; i < n; i++) {
        name(&t, i);
        CHECK_EQ(tcpsm_stack_connect(st, &t, NULL, &c, 1000), 0);
    }
}

static void listen_for_all(uint32_t n)
{
    unsigned long sum, most;
    struct tcpsm_stack_info info;
    tcpsm_tuple t;

    up(n);
    name(&t, 0);
    memset(t.remote, 0, sizeof t.remote);
    t.remote_port = 0;
    CHECK(tcpsm_stack_listen(st, &t, 0, 0, NULL) >= 0);
    cost(n, TCPSM__SYN, &sum, &most);
    tcpsm_stack_status(st, &info);
    CHECK_EQ(info.syns, n);
}

TEST(connection_is_found_among_many)
{
    unsigned long few, all, most;

    connect_all(FEW);
    cost(FEW, TCPSM__ACK, &few, &most);
    free(block);
    connect_all(MANY);
    cost(MANY, TCPSM__ACK, &all, &most);
    free(block);
    compare("a connection", few, all, most);
}

TEST(nobody_is_found_among_many)
{
    unsigned long few, all, most;

    connect_all(FEW);
    from = PORT + 1;
    cost(FEW, TCPSM__ACK, &few, &most);
    free(block);
    connect_all(MANY);
    from = PORT + 1;
    cost(MANY, TCPSM__ACK, &all, &most);
    free(block);
    compare("a stranger", few, all, most);
}

TEST(half_open_entry_is_found_among_many)
{
    unsigned long few, all, most;

    listen_for_all(FEW);
    cost(FEW, TCPSM__SYN, &few, &most);
    free(block);
    listen_for_all(MANY);
    cost(MANY, TCPSM__SYN, &all, &most);
    free(block);
    compare("a half-open entry", few, all, most);
}
