/* The rows REG-D1, D12, D13, D15 and D17 of tests/wire/regressions.txt once
   more: what hostile bytes may cost (law 2). Where it is done badly each
   piece makes a list longer and each one more walks it, so that a slow link
   keeps a fast processor busy. Counted in TCPSM_STEP, the turns of loops that
   foreign bytes or table sizes make long. */

static unsigned long steps;
#define TCPSM_STEP() ((void)steps++)
#define TCPSM_IMPLEMENTATION
#define PAIR_RING 262144
#include "regress.h"

static uint32_t table[255 * 19 / 4 + 8];

/* What one input costs, with the answers to it. */
static unsigned long cost(const char *text)
{
    unsigned long n;

    wire__build(text);
    w.in.flags |= TCPSM_IN_CSUM_OK;
    steps = 0;
    w.ret = LAYER1 ? tcpsm_input(w.c, &w.in, w.p.now)
                   : tcpsm_stack_input(sw.st, &w.in, w.p.now);
    n = steps;
    CHECK_EQ(w.ret, 0);
    sw.unchecked = 1; /* only now and then, below */
    w.p.no_laws = 1;
    DRAINED();
    return n;
}

#define COST(...) (WIRE__STEP(__VA_ARGS__), cost(w.text))

static void with_sack(int large)
{
    START();
    w.cfg.flags = (WIRE_PLAIN & ~(uint32_t)TCPSM_NO_SACK) | TCPSM_NO_PROBE |
                  TCPSM_NODELAY;
    w.cfg.initial_segments = 255;
    w.rcv_ring = w.snd_ring = 65536;
    OPENED("win 65535 mss 100 sackok");
    if (large)
        CHECK_EQ(tcpsm_attach(w.c, TCPSM_TABLES, table, 255 * 19, NULL), 0);
    IN("A 1 ack 1 win 65535");
}

static void sound(void)
{
    CHECK_EQ(tcpsm_check(w.c), 0);
    CHECK(LAYER1 || tcpsm_stack_check(sw.st) == 0);
}

/* REG-D1: no list of options takes more turns than it has bytes. */
BOTH(options_cost_no_more_than_their_bytes)
{
    with_sack(0);
    CHECK_LE(COST("A 1 ack 1 win 65535 raw 0101010101010101010101010101"
                  "01010101010101010101010101010101010101010101010101"),
             44u);
    CHECK_LE(COST("A 1 ack 1 raw FE02FE02FE02FE02FE02FE02FE02FE02FE02"
                  "FE02FE02FE02FE02FE02FE02FE02FE02FE02FE02FE02"),
             44u);
    CHECK_LE(COST("A 1 ack 1 raw 0200"), 4u);
}

/* REG-D12: tens of thousands of pieces of one octet, every second one. */
BOTH(tiny_segments_out_of_order_cost_by_the_table)
{
    unsigned long most = 0, n;
    uint32_t i, cap, large;

    for (large = 0; large < 2; large++) {
        with_sack((int)large);
        cap = ST(range_cap);
        most = 0;
        for (i = 0; i < 30000; i++) {
            n = COST("A %u ack 1 len 1", 3 + 2 * (i * 7919 % 30000));
            most = n > most ? n : most;
            if (i % 4096 == 0)
                sound();
        }
        CHECKF(most <= 3 * cap + 40, "%lu turns, and %u ranges", most, cap);
        CHECK_LE(ST(ranges), cap);
        CHECK_GT(most, 0u);
    }
}

/* The same, each one to the left of all others: the place where an array
   must be moved. */
BOTH(segments_from_right_to_left_cost_by_the_table)
{
    unsigned long most = 0, n;
    uint32_t i, cap;

    with_sack(1);
    cap = ST(range_cap);
    for (i = 0; i < 30000; i++) {
        n = COST("A %u ack 1 len 1", 60003 - 2 * i);
        most = n > most ? n : most;
    }
    sound();
    CHECKF(most <= 3 * cap + 40, "%lu turns, and %u ranges", most, cap);
}

/* REG-D13: four blocks of one octet each, never the same ones. */
BOTH(crafted_sack_blocks_cost_by_the_table)
{
    unsigned long most, n, all;
    uint32_t i, a, cap, large, sent;

    for (large = 0; large < 2; large++) {
        with_sack((int)large);
        SEND(25000);
        DRAINED();
        cap = ST(run_cap);
        most = all = 0;
        sent = ST(snd_nxt) - w.iss - 1;
        CHECK_GT(sent, 10000u);
        for (i = 0; i < 5000; i++) {
            a = 3 + 2 * (i * 7919 % (sent / 2 - 50));
            n = COST("A 1 ack 1 win 65535 sack %u:%u %u:%u %u:%u %u:%u", a,
                     a + 1, a + 40, a + 41, a + 8, a + 9, a + 80, a + 81);
            most = n > most ? n : most;
            all += n;
            if (i % 1024 == 0)
                sound();
        }
        CHECKF(most <= 12ul * cap + 120, "%lu turns, and %u runs", most, cap);
        CHECK_GT(all, 5000u);
        CHECK_LE(ST(runs), cap);
    }
}

/* REG-D15: what each ACK of a long flight costs, one segment at a time, with
   as many records as there can be. */
BOTH(long_flights_cost_by_the_table)
{
    unsigned long most = 0, n;
    uint32_t i, cap;

    with_sack(1);
    cap = ST(run_cap);
    for (i = 0; i < 250; i++) {
        SEND(100);
        DRAINED();
        w.p.now += 300 + i % 7 * 100;
    }
    CHECK_GT(ST(runs), 100u);
    for (i = 1; i < 250; i += 2) {
        n = COST("A 1 ack 1 win 65535 sack %u:%u", 1 + 100 * i,
                 101 + 100 * i);
        most = n > most ? n : most;
    }
    CHECKF(most <= 6ul * cap + 80, "%lu turns, and %u runs", most, cap);
    for (i = 1; i < 251; i++) {
        n = COST("A 1 ack %u win 65535", 1 + 100 * i);
        most = n > most ? n : most;
    }
    sound();
    CHECKF(most <= 6ul * cap + 80, "%lu turns, and %u runs", most, cap);
    CHECK_EQ(ST(runs), 0);
}

/* REG-D17: the last SYN of a flood costs what the first one did. */
TEST(syns_of_a_flood_cost_the_same)
{
    unsigned long most = 0, n;
    uint32_t i;

    reg_layer = 2;
    START();
    sw.cfg.conns = 2;
    sw.cfg.syn_entries = 512;
    LISTEN();
    for (i = 0; i < 20000; i++) {
        PEER(1);
        w.tuple.remote[2] = (uint8_t)(i >> 8);
        w.tuple.remote[3] = (uint8_t)(2 + i % 200);
        w.tuple.remote_port = (uint16_t)(1024 + i);
        n = COST("S 0 win 5000 mss 1460 sackok ws 7");
        most = n > most ? n : most;
    }
    CHECK_EQ(tcpsm_stack_check(sw.st), 0);
    CHECK_LE(INFO(syns), 512u);
    CHECKF(most < 60, "%lu turns for a SYN", most);
    CHECK_GT(most, 0u);
}
