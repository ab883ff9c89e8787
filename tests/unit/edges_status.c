/* What a stack says of itself, and of what it gave up: numbers that nothing
   else depends on, so that only these tests would miss them. */

#include "test.h"

#include "tcpsm.h"

#include "stackwire.h"

static uint8_t datagram[2048];

TEST(capacities_are_those_asked_for)
{
    START();
    sw.cfg.conns = 7;
    sw.cfg.syn_entries = 5;
    sw.cfg.timewait_entries = 9;
    sw.cfg.replies = 11;
    sw.cfg.rings = 3;
    UP();
    CHECK_EQ(INFO(conn_cap), 7);
    CHECK_EQ(INFO(syn_cap), 5);
    CHECK_EQ(INFO(timewait_cap), 9);
    CHECK_EQ(INFO(reply_cap), 11);
    CHECK_EQ(INFO(ring_cap), 3);
    CHECK_EQ(INFO(bytes), tcpsm_stack_size(&sw.cfg));
}

/* An address taken away is one less, and its place is free again. */
TEST(addresses_are_counted_down)
{
    uint32_t n;
    START();
    UP();
    n = INFO(addresses);
    CHECK_EQ(stackwire_address("10.9.0.1", 4, 0, 24, 1), 0);
    CHECK_EQ(INFO(addresses), n + 1);
    CHECK_EQ(stackwire_address("10.9.0.1", 4, 0, 24, 0), 0);
    CHECK_EQ(INFO(addresses), n);
}

/* Without a prefix an address is a network of its own: nothing beside it is
   its broadcast address, and it serves no destination but itself. */
TEST(no_prefix_is_the_host_alone)
{
    tcpsm_tuple t;
    tcpsm_conn *c;
    START();
    sw.no_address = 1;
    UP();
    CHECK_EQ(stackwire_address("10.9.0.254", 4, 0, 0, 1), 0);
    memset(&t, 0, sizeof t);
    t.family = 4;
    t.remote_port = 80;
    /* 10.9.0.255 would be the broadcast address of any network around it */
    t.remote[0] = 10, t.remote[1] = 9, t.remote[3] = 255;
    CHECK_EQ(tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now), 0);
}

/* RFC 6437: a connection keeps its flow label; the twenty bits of all
   connections together are used, the topmost as well. */
TEST(RFC6437_flow_labels_use_twenty_bits)
{
    uint32_t k, ones[20] = {0}, label, i;
    tcpsm_conn *c;
    START6();
    sw.cfg.conns = 40;
    UP();
    LISTENER(80, 0, 0);
    for (k = 0; k < 40; k++) {
        PEER((int)k);
        c = HANDSHAKE("mss 1000");
        SENT(c, 100);
        OUT("PA 1 ack 1 len 100");
        label = (uint32_t)sw.o.flow[0] << 16 | (uint32_t)sw.o.flow[1] << 8 |
                sw.o.flow[2];
        CHECK_LT(label, 1u << 20);
        CHECK_NE(label, 0);
        for (i = 0; i < 20; i++)
            ones[i] += label >> i & 1;
        IN("A 1 ack 101");
        SENT(c, 100);
        OUT("PA 101 ack 1 len 100");
        CHECK_EQ((uint32_t)sw.o.flow[0] << 16 | (uint32_t)sw.o.flow[1] << 8 |
                     sw.o.flow[2],
                 label);
    }
    for (i = 0; i < 20; i++)
        CHECKF(ones[i] > 5 && ones[i] < 35, "bit %u: %u of 40", i, ones[i]);
}

/* What an output buffer of the caller's holds is the caller's again after
   the call: its size is what it was, whatever was written in between. */
TEST(output_leaves_the_capacity_alone)
{
    tcpsm_out o;
    int k;
    START();
    UP();
    LISTENER(80, 0, 0);
    PEER(0);
    for (k = 0; k < 3; k++) {
        IN("S 0 mss 1000");
        memset(&o, 0, sizeof o);
        o.buf = datagram;
        o.cap = 1000;
        CHECK_GT(tcpsm_ip_output(sw.st, &o, w.p.now), 0);
        CHECK_EQ(o.cap, 1000);
        CHECK_EQ(o.csum, TCPSM_CSUM_FULL);
        IN("R 1");
        FRESH();
    }
}
