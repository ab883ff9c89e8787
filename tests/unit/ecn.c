/* ECN by RFC 3168 (with erratum 3639, and as RFC 8311 and 9768 left it): who
   asks, what is marked ECN-capable, what is echoed and for how long, and how
   a sender slows down (RFC 8511, RFC 9438). See ecn.h for the numbers. */

#define PAIR_SLOTS 1024
#include "ecn.h"

/* ESTABLISHED at 0.1 s, ECN negotiated; we asked. */
static void client(uint32_t flags, const tcpsm_cc *cc)
{
    ecn_start(TCPSM_ECN | flags, cc);
    OPEN();
    OUT("SEC 0 mss 1460");
    TOS(NOT_ECT); /* RFC3168-4 */
    AT(0.1);
    IN("SAE 0 ack 1 win 65535 mss 1000");
    OUT("A 1 ack 1");
    TOS(NOT_ECT);
    STATE(TCPSM_ESTABLISHED);
    CHECK_EQ(stream_info().ecn, 1);
}

/* ... and ten segments on the way, up to 10001 */
static void flight_of_ten(const tcpsm_cc *cc)
{
    client(0, cc);
    SEND(60000);
    FLIGHT(1, 10, 1000);
    NONE();
    CHECK_EQ(cwnd(), 10000);
    AT(0.2);
}

/* The peer asked. */
static void server(void)
{
    ecn_start(0, &ecn_reno);
    LISTEN();
    IN("SEC 0 mss 1000");
    OUT("SAE 0 ack 1 mss 1460");
    TOS(NOT_ECT);
    IN("A 1 ack 1");
    NONE();
    CHECK_EQ(stream_info().ecn, 1);
}

static void ack_says(int echo)
{
    ecn_ack();
    if (!!(w.seg.flags & PAIR_ECE) != echo || (w.seg.flags & PAIR_CWR))
        FAIL("ECE should be %d: %s", echo, wire_show(&w.seg));
    TOS(NOT_ECT); /* RFC3168-11 */
}

/* ---- negotiation (6.1.1) ------------------------------------------------ */

/* RFC3168-1, RFC3168-6: both sides, and new data is ECT(0). */
TEST(RFC3168_1_RFC3168_6_both_sides)
{
    client(0, NULL);
    SEND(1000);
    OUT("PA 1 ack 1 len 1000");
    TOS(ECT_0);
    server();
    SEND(1500);
    OUT("A 1 ack 1 len 1000");
    TOS(ECT_0);
    OUT("PA 1001 ack 1 len 500");
    TOS(ECT_0);
}

/* Nobody asks by default; TCPSM_NO_ECN does not answer either. */
TEST(RFC3168_1_off_unless_asked)
{
    ecn_start(0, NULL);
    OPEN();
    OUT_ECN(0, "S 0 mss 1460");
    TOS(NOT_ECT);
    IN("SAE 0 ack 1 mss 1000"); /* RFC3168-3: we did not ask */
    OUT_ECN(0, "A 1 ack 1");
    CHECK_EQ(stream_info().ecn, 0);
    SEND(1000);
    OUT("PA 1 ack 1 len 1000");
    TOS(NOT_ECT);
    IN("PA 1 ack 1001 len 1000 tos 3");
    ecn_ack();
    CHECK_EQ(ecn_bits(), 0);
    SEND(1000);
    OUT("PA 1001 ack 1001 len 1000");
    IN("AE 1001 ack 2001");
    CHECK_EQ(COUNT(ecn_reductions), 0);

    ecn_start(TCPSM_NO_ECN, NULL);
    LISTEN();
    IN("SEC 0 mss 1000");
    OUT_ECN(0, "SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    CHECK_EQ(stream_info().ecn, 0);
    SEND(1000);
    OUT("PA 1 ack 1 len 1000");
    TOS(NOT_ECT);
}

/* RFC3168-1: every other SYN-ACK is handled, the reflection of our own bits
   (6.1.1.2) above all. */
TEST(RFC3168_1_other_syn_acks)
{
    static const uint32_t bits[] = {0, 2, 3};
    uint32_t k;

    for (k = 0; k < 3; k++) {
        CONTEXT("CWR ECE %u", bits[k]);
        ecn_start(TCPSM_ECN, NULL);
        OPEN();
        OUT("SEC 0 mss 1460");
        IN_ECN(bits[k], "SA 0 ack 1 mss 1000");
        OUT_ECN(0, "A 1 ack 1");
        STATE(TCPSM_ESTABLISHED);
        CHECK_EQ(stream_info().ecn, 0);
        SEND(3000);
        OUT("A 1 ack 1 len 1000");
        TOS(NOT_ECT);
        IN("AE 1 ack 1001");
        CHECK_EQ(COUNT(ecn_reductions), 0);
        IN("PA 1 ack 1001 len 10 tos 3");
        stream_drain();
        CHECK_EQ(ecn_bits(), 0);
    }
}

/* RFC3168-2: an ECN-setup SYN-ACK (ECE alone) answers only an ECN-setup SYN.
   (What other combinations get by RFC 9768 is in accecn.c.) */
TEST(RFC3168_2_only_who_asks)
{
    static const char *const syn[] = {"S 0 mss 1000", "SE 0 mss 1000",
                                      "SC 0 mss 1000"};
    uint32_t k;

    for (k = 0; k < 3; k++) {
        ecn_start(0, NULL);
        LISTEN();
        INF("%s", syn[k]);
        wire__fill();
        CHECK(w.q_n == 1);
        wire__take();
        CHECK_EQ(w.seg.ack, w.irs + 1);
        CHECK_NE(ecn_bits(), 1);
        if (k == 0)
            CHECK_EQ(ecn_bits(), 0);
        IN("A 1 ack 1");
        CHECK_NE(stream_info().ecn, 1);
    }
}

/* RFC3168-3: a host that sent a SYN without the bits never sets ECT, even
   when an ECN-setup SYN-ACK answers the first one; but it still echoes
   marks. RFC3168-5: sooner or later SYNs are without. */
TEST(RFC3168_3_RFC3168_5_syn_lost)
{
    uint32_t k, n;

    for (n = 1; n <= 4; n++) {
        int all = 1;

        ecn_start(TCPSM_ECN, &ecn_reno);
        OPEN();
        OUT("SEC 0 mss 1460");
        for (k = 0; k < n; k++) {
            ecn_next();
            wire__take();
            CHECK_EQ(w.seg.seq, w.iss);
            CHECK(ecn_bits() == 0 || (ecn_bits() == 3 && all));
            TOS(NOT_ECT);
            all = all && ecn_bits() == 3;
        }
        CHECK(!all || n < 3);
        IN("SAE 0 ack 1 mss 1000");
        stream_drain();
        SEND(3000);
        OUT("A 1 ack 1 len 1000");
        TOS(all ? ECT_0 : NOT_ECT);
        IN("A 1 ack 1001 len 1000 tos 3");
        stream_drain();
        CHECK_EQ(ecn_bits(), 1);
    }
}

/* Its answer has no bits: no ECN. */
TEST(RFC3168_5_fallback)
{
    int k;

    ecn_start(TCPSM_ECN, NULL);
    OPEN();
    OUT("SEC 0 mss 1460");
    for (k = 0; k < 3; k++) {
        ecn_next();
        wire__take();
    }
    CHECK_EQ(ecn_bits(), 0);
    IN("SA 0 ack 1 mss 1000");
    OUT_ECN(0, "A 1 ack 1");
    CHECK_EQ(stream_info().ecn, 0);
}

/* RFC3168-3: a client that fell back (a second SYN, without) may not know
   of our answer: no ECT. */
TEST(RFC3168_3_second_syn_without)
{
    ecn_start(0, &ecn_reno);
    LISTEN();
    IN("SEC 0 mss 1000");
    OUT("SAE 0 ack 1 mss 1460");
    WAIT(0.9);
    IN_ANY("S 0 mss 1000");
    stream_drain();
    IN("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
    SEND(1000);
    OUT("PA 1 ack 1 len 1000");
    TOS(NOT_ECT);
}

/* RFC3168-3, RFC3168-4: SYN-ACKs that are sent again: not ECT either, and
   data is ECT only if all of them were ECN-setup ones. */
TEST(RFC3168_3_RFC3168_4_syn_ack_lost)
{
    int all = 1, k;

    ecn_start(0, &ecn_reno);
    LISTEN();
    IN("SEC 0 mss 1000");
    OUT("SAE 0 ack 1 mss 1460");
    for (k = 0; k < 2; k++) {
        ecn_next();
        wire__take();
        CHECK_EQ(w.seg.flags & 0x3F, PAIR_SYN | PAIR_ACK);
        CHECK(ecn_bits() == 0 || ecn_bits() == 1);
        TOS(NOT_ECT);
        all = all && ecn_bits() == 1;
    }
    IN("A 1 ack 1");
    SEND(1000);
    OUT("PA 1 ack 1 len 1000");
    TOS(all ? ECT_0 : NOT_ECT);
}

TEST(RFC3168_1_simultaneous_open)
{
    ecn_start(TCPSM_ECN, &ecn_reno);
    OPEN();
    OUT("SEC 0 mss 1460");
    IN("SEC 0 mss 1000");
    OUT("SAE 0 ack 1 mss 1460");
    TOS(NOT_ECT);
    IN("SAE 0 ack 1 mss 1000");
    stream_drain();
    STATE(TCPSM_ESTABLISHED);
    CHECK_EQ(stream_info().ecn, 1);
    SEND(1000);
    OUT("PA 1 ack 1 len 1000");
    TOS(ECT_0);

    ecn_start(TCPSM_ECN, &ecn_reno); /* the other one does not ask */
    OPEN();
    OUT("SEC 0 mss 1460");
    IN("S 0 mss 1000");
    OUT_ECN(0, "SA 0 ack 1 mss 1460");
    IN("SA 0 ack 1 mss 1000");
    stream_drain();
    CHECK_EQ(stream_info().ecn, 0);
    SEND(1000);
    OUT("PA 1 ack 1 len 1000");
    TOS(NOT_ECT);
}

/* 6.1.1: what the last incarnation negotiated is forgotten. */
TEST(RFC3168_1_forgotten_in_time_wait)
{
    server();
    IN("A 1 ack 1 len 1000 tos 3"); /* and something to be forgotten */
    IN("FA 1001 ack 1");
    stream_drain();
    READ(1000);
    CLOSE();
    stream_drain();
    IN("AE 1002 ack 2");
    CHECK(tcpsm_state(w.c) == TCPSM_CLOSED ||
          tcpsm_state(w.c) == TCPSM_TIME_WAIT);
    LISTEN();
    w.irs += 100000;
    w.sent = w.got = 0;
    IN("S 0 mss 1000");
    OUT_ECN(0, "SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    CHECK_EQ(stream_info().ecn, 0);
    SEND(10);
    OUT_ECN(0, "PA 1 ack 1 len 10");
    TOS(NOT_ECT);
}

/* ---- what is ECN-capable (6.1.2, 6.1.4 to 6.1.6) ------------------------ */

/* RFC3168-11: nothing without data. */
TEST(RFC3168_11_no_data_no_ect)
{
    client(0, &ecn_reno);
    SET(TCPSM_SET_KEEPALIVE, 1);
    IN("PA 1 ack 1 len 2000 tos 2");
    ecn_ack();
    TOS(NOT_ECT);
    READ(2000);
    stream_drain();
    ecn_next(); /* after two hours of silence */
    wire__take();
    CHECK_EQ(COUNT(probes), 1);
    TOS(NOT_ECT);
    IN("A 2001 ack 1");
    SHUTDOWN();
    OUT("FA 1 ack 2001");
    TOS(NOT_ECT);
    ABORT();
    wire__fill();
    wire__take();
    CHECK_EQ(w.seg.flags & PAIR_RST, PAIR_RST);
    TOS(NOT_ECT);
}

/* ... and a FIN with data is data. */
TEST(RFC3168_6_data_with_fin)
{
    client(0, &ecn_reno);
    SEND(100);
    SHUTDOWN();
    OUT("FPA 1 ack 1 len 100");
    TOS(ECT_0);
}

/* RFC3168-12, RFC3168-9: retransmissions are neither ECT nor do they carry
   CWR: by three duplicates, by partial ACKs, by the timer. The first new
   data after it has CWR, whatever the reason for slowing down. */
TEST(RFC3168_12_RFC3168_9_fast_retransmit)
{
    int k, marked = 0;

    flight_of_ten(&ecn_reno);
    for (k = 0; k < 3; k++)
        IN("A 1 ack 1");
    OUT("A 1 ack 1 len 1000");
    TOS(NOT_ECT);
    CHECK_EQ(ecn_bits(), 0);
    for (k = 0; k < 6; k++) {
        IN("A 1 ack 1");
        for (wire__fill(); w.q_n; wire__fill()) {
            wire__take();
            CHECK_GE(w.seg.seq - w.iss, 10001u);
            TOS(ECT_0);
            CHECK_EQ(w.seg.flags & PAIR_CWR, marked++ ? 0 : PAIR_CWR);
        }
    }
    IN("A 1 ack 5001"); /* partial */
    OUT("A 5001 ack 1 len 1000");
    TOS(NOT_ECT);
    CHECK_EQ(ecn_bits(), 0);
    IN("A 1 ack 10001");
    for (wire__fill(); w.q_n; wire__fill()) {
        wire__take();
        CHECK_GE(w.seg.seq - w.iss, 10001u);
        TOS(ECT_0);
        CHECK_EQ(w.seg.flags & PAIR_CWR, marked++ ? 0 : PAIR_CWR);
    }
    CHECK_GE(marked, 1);
}

TEST(RFC3168_12_RFC3168_9_timeout)
{
    int k, marked = 0;

    flight_of_ten(&ecn_reno);
    ecn_timeout();
    CHECK_EQ(w.seg.seq, w.iss + 1);
    TOS(NOT_ECT);
    CHECK_EQ(ecn_bits(), 0);
    WAIT(0.05);
    IN("A 1 ack 1"); /* no F-RTO */
    for (k = 1; k <= 12; k++) {
        for (wire__fill(); w.q_n; wire__fill()) {
            wire__take();
            if (w.seg.seq - w.iss < 10001) {
                TOS(NOT_ECT);
                CHECK_EQ(ecn_bits(), 0);
                continue;
            }
            TOS(ECT_0);
            CHECK_EQ(w.seg.flags & PAIR_CWR, marked++ ? 0 : PAIR_CWR);
        }
        INF("A 1 ack %d", 1 + 1000 * (k < 10 ? k : 10));
    }
    CHECK_GE(marked, 1);
}

/* With SACK: the probe for a lost tail is a copy of the last segment. */
TEST(RFC3168_12_loss_probe)
{
    ecn_start(TCPSM_ECN, &ecn_reno);
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SACK;
    OPEN();
    OUT("SEC 0 mss 1460 sackok");
    AT(0.1);
    IN("SAE 0 ack 1 mss 1000 sackok");
    OUT("A 1 ack 1");
    SEND(3000);
    FLIGHT(1, 3, 1000);
    TOS(ECT_0);
    while (COUNT(loss_probes) == 0)
        ecn_next();
    wire__fill();
    OUT("PA 2001 ack 1 len 1000");
    TOS(NOT_ECT);
    CHECK_EQ(ecn_bits(), 0);
}

/* RFC3168-13: window probes: neither ECT nor CWR, though CWR is due. */
TEST(RFC3168_13_window_probe)
{
    int k, marked = 0;

    client(0, &ecn_reno);
    SEND(12000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    w.peer_win = 0;
    IN("AE 1 ack 10001");
    CHECK_EQ(COUNT(ecn_reductions), 1);
    for (k = 0; k < 3; k++) {
        ecn_next();
        while (w.q_n) {
            wire__take();
            CHECK_LE(w.seg.len, 1u);
            TOS(NOT_ECT);
            CHECK_EQ(w.seg.flags & PAIR_CWR, 0);
        }
    }
    CHECK_GE(COUNT(probes), 1u);
    w.peer_win = 65535;
    INF("A 1 ack 10001");
    for (wire__fill(); w.q_n; wire__fill()) {
        wire__take();
        marked += !!(w.seg.flags & PAIR_CWR);
        CHECK(!(w.seg.flags & PAIR_CWR) || (w.last.tos & 3) == ECT_0);
    }
    CHECK_EQ(marked, 1);
}

/* ---- the sender (6.1.2) ------------------------------------------------- */

/* RFC9293-SHLD-8. RFC3168-7 with RFC 8511: 0.8 of what is in flight, once a
   round, and no growth by the ACKs that say so. RFC3168-9: CWR once. */
TEST(RFC3168_7_RFC3168_9_once_a_round)
{
    uint32_t k, marked = 0;

    flight_of_ten(&ecn_reno);
    IN("AE 1 ack 1001");
    CHECK_EQ(ssthresh(), 8000);
    CHECK_EQ(cwnd(), 8000);
    CHECK_EQ(COUNT(ecn_reductions), 1);
    NONE(); /* nine in flight */
    for (k = 2; k <= 10; k++) {
        INF("AE 1 ack %u", 1 + 1000 * k); /* of the same window */
        CHECK_EQ(COUNT(ecn_reductions), 1);
        CHECK_EQ(ssthresh(), 8000);
        CHECK_EQ(cwnd(), 8000);
        for (wire__fill(); w.q_n; wire__fill()) {
            wire__take();
            TOS(ECT_0);
            CHECK_EQ(w.seg.flags & PAIR_CWR, marked++ ? 0 : PAIR_CWR);
        }
    }
    CHECK_EQ(marked, 8);
    CHECK_EQ(COUNT(retransmits), 0);
    AT(0.3);
    IN("AE 1 ack 11001"); /* of the next window */
    CHECK_EQ(COUNT(ecn_reductions), 2);
    CHECK_EQ(ssthresh(), 6400);
    CHECK_EQ(cwnd(), 6400);
    IN("AE 1 ack 12001");
    CHECK_EQ(COUNT(ecn_reductions), 2);
}

/* RFC 8511 s3.1, RFC 9438 s4.6: CUBIC's factor is 0.85. */
TEST(RFC8511_cubic)
{
    flight_of_ten(NULL);
    IN("AE 1 ack 1001");
    CHECK_EQ(ssthresh(), 8500);
    CHECK_EQ(cwnd(), 8500);
    CHECK_EQ(COUNT(ecn_reductions), 1);
}

/* It is the flight that counts, not what the window would have allowed;
   ssthresh stays at two segments or more. */
TEST(RFC8511_flight_size)
{
    client(0, &ecn_reno);
    SEND(5000);
    FLIGHT(1, 5, 1000);
    AT(0.2);
    IN("AE 1 ack 1001");
    CHECK_EQ(ssthresh(), 4000);
    CHECK_EQ(cwnd(), 4000);

    client(0, &ecn_reno);
    SEND(2000);
    FLIGHT(1, 2, 1000);
    AT(0.2);
    IN("AE 1 ack 2001");
    CHECK_EQ(ssthresh(), 2000);
    CHECK_LE(cwnd(), 2000u);
    CHECK_GE(cwnd(), 1000u); /* RFC9438-6: not below one segment */
}

/* Slow start ends, too. */
TEST(RFC3168_7_in_slow_start)
{
    uint32_t k;

    flight_of_ten(&ecn_reno);
    for (k = 1; k <= 10; k++) {
        INF("A 1 ack %u", 1 + 1000 * k);
        stream_drain();
    }
    CHECK_EQ(cwnd(), 20000);
    AT(0.3);
    IN("AE 1 ack 11001");
    CHECK_EQ(cwnd(), 16000);
    CHECK_EQ(ssthresh(), 16000);
}

/* The peer repeats ECE until it sees CWR, which only new data carries. With
   none to send that may take any number of segments: one reduction. */
TEST(RFC3168_7_nothing_to_send)
{
    uint32_t k, was;

    client(0, &ecn_reno);
    SEND(10000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("AE 1 ack 10001");
    CHECK_EQ(COUNT(ecn_reductions), 1);
    was = cwnd();
    CHECK_EQ(was, 8000);
    for (k = 0; k < 20; k++) {
        WAIT(0.06);
        INF("PAE %u ack 10001 len 1000", 1 + 1000 * k);
        READ(1000);
        ecn_ack();
        CHECK_EQ(w.seg.len, 0);
    }
    CHECK_EQ(COUNT(ecn_reductions), 1);
    CHECK_EQ(cwnd(), was);
    WAIT(0.06);
    SEND(2000); /* and at last */
    OUT("AC 10001 ack 20001 len 1000");
    OUT("PA 11001 ack 20001 len 1000");
}

/* A loss and marks in one window: one reduction (6.1.2). */
TEST(RFC3168_7_in_recovery)
{
    uint32_t k, low;

    flight_of_ten(&ecn_reno);
    for (k = 0; k < 3; k++)
        IN("A 1 ack 1");
    OUT("A 1 ack 1 len 1000");
    low = ssthresh();
    CHECK_EQ(low, 5000);
    for (k = 0; k < 3; k++)
        IN("AE 1 ack 1");
    stream_drain();
    IN("AE 1 ack 10001");
    stream_drain();
    CHECK_EQ(COUNT(ecn_reductions), 0);
    CHECK_EQ(ssthresh(), low);
}

/* RFC3168-8: a window of one segment cannot shrink: the retransmission timer
   starts again, and only when it fires is something new sent. */
TEST(RFC3168_8_one_segment)
{
    const tcpsm_cc *cc[] = {&ecn_reno, NULL};
    int k, i;

    for (k = 0; k < 2; k++) {
        uint32_t seq = 1;

        ecn_start(TCPSM_ECN, cc[k]);
        w.cfg.initial_segments = 1;
        OPEN();
        OUT("SEC 0 mss 1460");
        AT(0.1);
        IN("SAE 0 ack 1 mss 1000");
        OUT("A 1 ack 1");
        SEND(20000);
        OUT("A 1 ack 1 len 1000");
        NONE();
        for (i = 0; i < 4; i++) {
            tcpsm_time then;

            WAIT(0.1);
            seq += 1000;
            INF("AE 1 ack %u", seq);
            CHECK_EQ(cwnd(), 1000);
            NONE();
            CHECK_GE(stream_info().rto_us, 200000u);
            then = w.p.now + stream_info().rto_us;
            CHECK_NE(tcpsm_deadline(w.c), TCPSM_NEVER);
            while (!w.q_n)
                ecn_next();
            CHECK_GE(w.p.now, then);
            wire__take();
            CHECK_EQ(w.seg.seq - w.iss, seq);
            CHECK_EQ(w.seg.len, 1000);
            CHECK_EQ(w.seg.flags & PAIR_CWR, PAIR_CWR);
            TOS(ECT_0);
            NONE();
        }
        WAIT(0.1);
        INF("A 1 ack %u", seq + 1000); /* no more congestion */
        CHECK_GE(stream_drain(), 1u);
        CHECK_EQ(COUNT(retransmits), 0);
        STATE(TCPSM_ESTABLISHED);
    }
}

/* ... also if there was nothing to send at that time */
TEST(RFC3168_8_one_segment_then_idle)
{
    ecn_start(TCPSM_ECN, &ecn_reno);
    w.cfg.initial_segments = 1;
    OPEN();
    OUT("SEC 0 mss 1460");
    AT(0.1);
    IN("SAE 0 ack 1 mss 1000");
    OUT("A 1 ack 1");
    SEND(1000);
    OUT("PA 1 ack 1 len 1000");
    WAIT(0.1);
    IN("AE 1 ack 1001");
    WAIT(0.05);
    SEND(1000);
    NONE();
    WAIT(0.1);
    NONE(); /* 0.15 s of at least 0.2 */
    ecn_next();
    while (!w.q_n)
        ecn_next();
    OUT("PAC 1001 ack 1 len 1000");
}

/* Neither the past nor a stranger slows us down: ECE counts only where the
   ACK does. */
TEST(RFC3168_7_unacceptable)
{
    flight_of_ten(&ecn_reno);
    IN_DROP(TCPSM_DROP_WINDOW, "AE 900000 ack 5001");
    stream_drain();
    IN_ANY("AE 1 ack 90001");
    stream_drain();
    IN_ANY("RE 900000");
    stream_drain();
    CHECK_EQ(COUNT(ecn_reductions), 0);
    CHECK_EQ(cwnd(), 10000);
}

/* No train carries CWR: offloads clear it behind the first. */
TEST(RFC3168_9_alone_in_a_train)
{
    static uint8_t buf[65536];
    int k, marked = 0, trains = 0;

    client(TCPSM_GSO, &ecn_reno);
    SEND(60000);
    stream_drain();
    AT(0.2);
    IN("AE 1 ack 10001");
    for (k = 0; k < 20; k++) {
        tcpsm_out o;
        tcpsm_ret r;

        memset(&o, 0, sizeof o);
        o.buf = buf;
        o.cap = sizeof buf;
        r = tcpsm_output(w.c, &o, w.p.now);
        if (r <= 0)
            break;
        CHECK_EQ(o.tos & 3, ECT_0);
        trains += o.segs > 1;
        if (buf[13] & PAIR_CWR) {
            CHECK_EQ(o.segs, 1);
            CHECK_EQ(k, 0);
            marked++;
        }
    }
    CHECK_EQ(marked, 1);
    CHECK_GE(trains, 1);
}

/* ---- what takes a reduction back --------------------------------------- */

/* RFC 4015 s3.4: "the TCP sender MUST refrain from reversing congestion
   control state" if the ACK has ECE; Eifel by timestamps. */
TEST(RFC4015_s3_4_no_undo_with_ece)
{
    int echo;

    for (echo = 0; echo < 2; echo++) {
        uint32_t first, low;

        ecn_start(TCPSM_ECN, &ecn_reno);
        w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
        OPEN();
        OUT("SEC 0 mss 1460 ts * *");
        AT(0.1);
        INF("SAE 0 ack 1 mss 1012 ts %u %u", w.ts_clock, w.seg.ts_val);
        w.ts = 1;
        wire__fill();
        wire__take();
        SEND(60000);
        FLIGHT(1, 10, 1000);
        first = w.seg.ts_val;
        ecn_timeout();
        low = ssthresh();
        CHECK_EQ(low, 5000);
        WAIT(0.01);
        INF("%s 1 ack 1001 ts %u %u", echo ? "AE" : "A", w.ts_clock + 1000,
            first);
        CHECK_EQ(COUNT(undone), echo ? 0 : 1);
        if (echo) {
            CHECK_EQ(ssthresh(), low);
            CHECK_LE(cwnd(), low);
        } else
            CHECK_GT(ssthresh(), low);
    }
}

/* The same for F-RTO (RFC 5682), on either of its two ACKs. */
TEST(RFC4015_s3_4_no_undo_with_ece_frto)
{
    int echo;

    for (echo = 0; echo < 3; echo++) {
        CONTEXT("ECE on ACK %d", echo);
        flight_of_ten(&ecn_reno);
        ecn_timeout();
        CHECK_EQ(ssthresh(), 5000);
        WAIT(0.01);
        INF("%s 1 ack 1001", echo == 1 ? "AE" : "A");
        stream_drain();
        INF("%s 1 ack 2001", echo == 2 ? "AE" : "A");
        if (COUNT(undone) != !echo)
            FAIL("ECE on ACK %d of 2: undone %d", echo, (int)COUNT(undone));
        CHECK(!echo || ssthresh() <= 5000);
    }
}

/* A reduction for marks is no guess: no echo of a late original, no D-SACK
   takes it back. */
TEST(RFC3168_7_marks_are_not_undone)
{
    uint32_t low;

    ecn_start(TCPSM_ECN, &ecn_reno);
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SACK;
    OPEN();
    OUT("SEC 0 mss 1460 sackok");
    AT(0.1);
    IN("SAE 0 ack 1 mss 1000 sackok");
    OUT("A 1 ack 1");
    SEND(60000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    IN("AE 1 ack 1001");
    low = ssthresh();
    CHECK_EQ(low, 8000);
    IN("AE 1 ack 1001 sack 2001:5001"); /* reordered */
    stream_drain();
    CHECK_EQ(COUNT(fast_retransmits), 1);
    CHECK_LE(ssthresh(), low);
    AT(0.25);
    IN("AE 1 ack 5001");
    stream_drain();
    AT(0.3);
    IN("AE 1 ack 5001 sack 1001:2001"); /* D-SACK: it was not lost */
    CHECK_LE(ssthresh(), low);
    CHECK_LE(cwnd(), low);
}

/* ---- the receiver (6.1.3) ----------------------------------------------- */

/* RFC3168-10: every ACK has ECE until CWR comes, data segments too. */
TEST(RFC3168_10_until_cwr)
{
    int k;

    server();
    IN("A 1 ack 1 len 1000 tos 2");
    ack_says(0);
    IN("A 1001 ack 1 len 1000 tos 3");
    CHECK_EQ(COUNT(ce), 1);
    ack_says(1);
    for (k = 0; k < 3; k++) {
        INF("A %d ack 1 len 1000 tos 2", 2001 + k * 2000);
        INF("A %d ack 1 len 1000 tos 2", 3001 + k * 2000);
        ack_says(1);
    }
    READ(8000);
    stream_drain();
    SEND(1000);
    OUT("PAE 1 ack 8001 len 1000"); /* data acknowledges, too */
    TOS(ECT_0);
    IN("A 9001 ack 1001 len 1000 tos 2"); /* a hole */
    ack_says(1);
    IN("AC 8001 ack 1001 len 1000 tos 2");
    ack_says(0);
    IN("A 10001 ack 1001 len 1000 tos 2");
    ack_says(0);
    CHECK_EQ(COUNT(ce), 1);
    IN("A 11001 ack 1001 len 1000 tos 3"); /* and again */
    ack_says(1);
}

/* One mark among what a delayed ACK covers is enough, whichever it is. */
TEST(RFC3168_10_delayed)
{
    server();
    IN("A 1 ack 1 len 1000 tos 3");
    IN("A 1001 ack 1 len 1000 tos 2");
    ack_says(1);
    IN("AC 2001 ack 1 len 1000 tos 2");
    IN("A 3001 ack 1 len 1000 tos 2");
    ack_says(0);
    IN("A 4001 ack 1 len 1000 tos 2");
    IN("A 5001 ack 1 len 1000 tos 3");
    ack_says(1);
}

/* Erratum 3639: CWR is looked at before CE of the same segment. */
TEST(RFC3168_10_erratum_3639)
{
    server();
    IN("A 1 ack 1 len 1000 tos 3");
    ack_says(1);
    IN("AC 1001 ack 1 len 1000 tos 3");
    ack_says(1);
    IN("A 2001 ack 1 len 1000 tos 2");
    ack_says(1);
    IN("AC 3001 ack 1 len 1000 tos 2");
    ack_says(0);
}

/* ECT(1) is no mark, and neither is Not-ECT. */
TEST(RFC3168_10_only_ce)
{
    server();
    IN("A 1 ack 1 len 1000 tos 1");
    ack_says(0);
    IN("A 1001 ack 1 len 1000 tos 0");
    ack_says(0);
    IN("A 2001 ack 1 len 1000 tos 0x2B"); /* with a DSCP, CE */
    ack_says(1);
}

/* RFC3168-12: marks on what is outside of the window, before it or behind,
   are nobody's. A CWR there is none. */
TEST(RFC3168_12_out_of_window)
{
    server();
    IN("A 1 ack 1 len 1000 tos 2");
    ack_says(0);
    IN_DROP(TCPSM_DROP_OLD_DATA, "A 1 ack 1 len 1000 tos 3");
    ack_says(0);
    IN_DROP(TCPSM_DROP_WINDOW, "A 900001 ack 1 len 1000 tos 3");
    ack_says(0);
    IN("A 1001 ack 1 len 1000 tos 3");
    ack_says(1);
    IN_DROP(TCPSM_DROP_WINDOW, "AC 900001 ack 1 len 1000 tos 2");
    ack_says(1);
    IN("A 2001 ack 1 len 1000 tos 2");
    ack_says(1);
}

/* RFC3168-13: but a mark on a window probe counts: nobody guesses that. */
TEST(RFC3168_13_marked_window_probe)
{
    ecn_start(0, &ecn_reno);
    w.rcv_ring = 4000;
    LISTEN();
    IN("SEC 0 mss 1000");
    OUT("SAE 0 ack 1 win 4000 mss 1460");
    IN("A 1 ack 1");
    IN("A 1 ack 1 len 2000 tos 2");
    stream_drain();
    IN("A 2001 ack 1 len 2000 tos 2");
    stream_drain();
    WAIT(1);
    IN_ANY("A 4001 ack 1 len 1 tos 3");
    OUT("AE 1 ack 4001 win 0");
}

/* Trains: one marked segment among many */
TEST(RFC3168_10_in_a_train)
{
    server();
    IN_TRAIN(0, 4, 0, "PA 1 ack 1 len 4000 tos 2");
    ack_says(0);
    stream_drain();
    IN_TRAIN(0, 4, 1, "PA 4001 ack 1 len 4000 tos 2");
    ack_says(1);
    stream_drain();
    CHECK_EQ(COUNT(ce), 1);
    IN_TRAIN(2, 4, 0, "PA 8001 ack 1 len 4000 tos 2"); /* CWR */
    ack_says(0);
}

/* ---- moving ------------------------------------------------------------- */

static uint8_t blob[PAIR_RING * 2 + 4096];

static void move(void)
{
    tcpsm_ret n = tcpsm_export(w.c, blob, sizeof blob, w.p.now);

    CHECK(n > 0);
    CHECK_EQ(tcpsm_init(w.c, &w.cfg), 0);
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_RECEIVE, w.p.rcv[0], w.rcv_ring, NULL),
             0);
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_SEND, w.p.snd[0], w.snd_ring, NULL), 0);
    CHECK_EQ(tcpsm_import(w.c, &w.cfg, blob, (uint32_t)n, w.p.now), 0);
    wire__touched();
}

/* What is owed moves along: ECE until CWR, CWR with the next new data, and
   that this round has been paid for. */
TEST(RFC3168_9_RFC3168_10_export)
{
    flight_of_ten(&ecn_reno);
    IN("AE 1 ack 1001 len 1000 tos 3");
    CHECK_EQ(COUNT(ecn_reductions), 1);
    move();
    CHECK_EQ(stream_info().ecn, 1);
    ack_says(1);
    IN("AE 1001 ack 5001");
    CHECK_EQ(COUNT(ecn_reductions), 1);
    CHECK_EQ(cwnd(), 8000);
    OUT("ACE 10001 ack 1001 len 1000");
    TOS(ECT_0);
    stream_drain();
    IN("AC 1001 ack 5001 len 1000 tos 2");
    ack_says(0);
    AT(0.3);
    IN("AE 2001 ack 11001");
    CHECK_EQ(COUNT(ecn_reductions), 2);
}

/* ---- a queue that marks ------------------------------------------------- */

static pair net;

/* 10 Mbit/s, 20 ms, marks from 20 packets on: with ECN nothing is lost and
   the queue stays short; without, the same link drops. */
static void marking_link(int ecn)
{
    static struct tcpsm_counters count[2];
    pair_options o;
    netsim_link *l;

    memset(&o, 0, sizeof o);
    memset(count, 0, sizeof count);
    o.cfg[PAIR_A].flags = (uint32_t)(ecn ? TCPSM_ECN : 0) | TCPSM_NO_PROBE;
    o.cfg[PAIR_A].counters = &count[PAIR_A];
    o.cfg[PAIR_B].counters = &count[PAIR_B];
    pair_init(&net, &o);
    l = &net.net.link[PAIR_A];
    l->rate = 10000000;
    l->queue_packets = 100;
    l->mark_packets = 20;
    l->delay_us = net.net.link[PAIR_B].delay_us = 10000;
    CHECK(pair_connect(&net));
    CHECK(pair_transfer(&net, 4000000, 0, 60 * PAIR_SECOND));
    CHECK_EQ(l->stats.marked, count[PAIR_B].ce);
    if (ecn) {
        CHECK_GT(count[PAIR_A].ecn_reductions, 3u);
        CHECK_EQ(count[PAIR_A].retransmits, 0);
        CHECK_EQ(l->stats.queue_drops, 0);
        CHECK_LT(net.now, 6 * PAIR_SECOND); /* 3.4 at full rate */
    } else {
        CHECK_EQ(count[PAIR_A].ecn_reductions, 0);
        CHECK_EQ(l->stats.marked, 0);
    }
}

TEST(marking_queue)
{
    marking_link(1);
    marking_link(0);
}
