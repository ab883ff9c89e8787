/* A stack's SYNs at their edges: whose numbers are whose, which answer is
   timed, and counts that are exact. */

#include "test.h"

#include "tcpsm.h"

#include "stackwire.h"

/* RFC9293-SHLD-1, RFC 6528: an ISN comes from both addresses and both ports.
   The same peer asks two addresses of ours that differ in one octet. */
static void isn_depends_on(uint32_t octet)
{
    uint32_t first;
    tcpsm_tuple t;

    CONTEXT("octet %u of IPv%d", (unsigned)octet, w.family);
    sw.cfg.flags |= TCPSM_PROMISCUOUS;
    UP();
    LISTENER(80, 0, 0);
    PEER(1);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss %d", w.family == 4 ? 1460 : 1440);
    first = w.seg.seq;
    t = w.tuple;
    FRESH();
    w.tuple = t;
    w.tuple.local[octet] ^= 2;
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss %d", w.family == 4 ? 1460 : 1440);
    CHECK(w.seg.seq != first);
}

TEST(RFC9293_SHLD_1_every_part_of_our_address_counts)
{
    uint32_t i;

    for (i = 0; i < 4; i++) {
        START();
        isn_depends_on(i == 0 ? 1 : i);
    }
    for (i = 2; i < 16; i++) {
        START6();
        isn_depends_on(i);
    }
}

/* RFC6298-7, Karn: when the SYN-ACK was sent twice, nobody knows which of
   them the ACK is for. */
TEST(RFC6298_7_a_syn_ack_sent_again_times_nothing)
{
    tcpsm_conn *c;

    START();
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    WAIT(0.1);
    IN("A 1 ack 1");
    c = ACCEPT();
    CHECK_GE(STATUS(c, srtt_us), 90000u);
    CHECK_LE(STATUS(c, srtt_us), 110000u);
    PEER(1); /* the timer's */
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    AT(1.1);
    OUT("SA 0 ack 1 mss 1460");
    WAIT(0.1);
    IN("A 1 ack 1");
    c = ACCEPT();
    CHECK_EQ(STATUS(c, srtt_us), 0);
    PEER(2); /* the peer asked for it */
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    WAIT(0.5);
    IN_DROP(TCPSM_DROP_OLD_DATA, "S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    WAIT(0.1);
    IN("A 1 ack 1");
    c = ACCEPT();
    CHECK_EQ(STATUS(c, srtt_us), 0);
}

/* RFC 6437 s3: a flow label is a function of the whole name, so flows to
   addresses of ours that differ in one octet hardly ever share it. */
TEST(flow_labels_come_from_every_part_of_our_address)
{
    tcpsm_tuple t;
    uint8_t first[3];
    uint32_t i;

    for (i = 0; i < 16; i++) {
        START6();
        sw.cfg.flags |= TCPSM_PROMISCUOUS;
        UP();
        LISTENER(80, 0, 0);
        PEER(1);
        IN("S 0 mss 1000");
        OUT("SA 0 ack 1 mss 1440");
        memcpy(first, sw.o.flow, 3);
        CHECK((first[0] | first[1] | first[2]) != 0);
        CHECK_LE(first[0], 15);
        t = w.tuple;
        FRESH();
        w.tuple = t;
        w.tuple.local[i] ^= i == 0 ? 1 : 2;
        IN("S 0 mss 1000");
        OUT("SA 0 ack 1 mss 1440");
        CHECKF(memcmp(first, sw.o.flow, 3) != 0, "octet %u", (unsigned)i);
    }
}

/* One wrong cookie is one, and each address that goes is one less. */
TEST(counts_go_the_right_way)
{
    START();
    sw.cfg.syn_entries = 1;
    sw.cfg.conn.flags = 0;
    UP();
    LISTENER(80, 0, 0);
    PEER(60);
    IN_ANY("S 0 mss 1000");
    PEER(61);
    IN_ANY("S 0 mss 1000");
    DRAIN();
    CHECK_EQ(INFO(cookies_bad), 0);
    PEER(1);
    w.iss = 1;
    IN_ANY("A 1 ack 77");
    DRAIN();
    CHECK_EQ(INFO(cookies_bad), 1);
    CHECK_EQ(INFO(addresses), 2);
    CHECK_EQ(stackwire_address("10.0.0.9", 4, 0, 24, 1), 0);
    CHECK_EQ(INFO(addresses), 3);
    CHECK_EQ(stackwire_address("10.0.0.9", 4, 0, 24, 0), 0);
    CHECK_EQ(INFO(addresses), 2);
    CHECK_EQ(stackwire_address("10.0.0.9", 4, 0, 24, 0), TCPSM_E_NONE);
    CHECK_EQ(INFO(addresses), 2);
}

/* Answers to SYNs of both families wait in one queue: each goes out with the
   header of its own, whatever comes behind it. */
TEST(each_answer_has_its_own_header)
{
    uint8_t d[1600];
    tcpsm_out out;
    tcpsm_ret n;
    int i;

    START6();
    UP();
    LISTENER(80, 0, 0);
    PEER(0);
    IN("S 0 mss 1000");
    w.family = 4;
    PEER(1);
    sw.peer[0].family = 6;
    w.src = w.dst = NULL;
    IN("S 0 mss 1000");
    for (i = 0; i < 4; i++) { /* twice: at once, and when they come again */
        int v6 = i % 2 == 0;

        if (i == 2)
            w.p.now += 1100000;
        memset(&out, 0, sizeof out);
        out.buf = d;
        out.cap = TCPSM_MIN_CAP + 40;
        n = tcpsm_ip_output(sw.st, &out, w.p.now);
        CHECK_EQ(n, (v6 ? 40 : 20) + 24);
        CHECK_EQ(d[0] >> 4, v6 ? 6 : 4);
        CHECK_EQ(out.tuple.family, v6 ? 6 : 4);
    }
    memset(&out, 0, sizeof out);
    out.buf = d;
    out.cap = TCPSM_MIN_CAP + 40;
    CHECK_EQ(tcpsm_ip_output(sw.st, &out, w.p.now), 0);
}
