/* Layer 2's SYN table: what a half-open connection answers, remembers and
   costs, and how it becomes a connection. RFC 9293 s3.10.7.2 to 4, RFC 5961,
   RFC 7323, RFC 6528, RFC 4987. */
#include "test.h"
#include "tcpsm.h"
#include "stackwire.h"

/* --- the handshake, and what it costs --- */

TEST(no_control_block_before_the_handshake)
{
    START();
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1460");
    CHECK(w.in.conn == NULL);
    CHECK_EQ(INFO(conns), 0);
    CHECK_EQ(INFO(rings), 0);
    CHECK_EQ(INFO(syns), 1);
    CHECK(tcpsm_stack_accept(sw.st, NULL) == NULL);
    OUT("SA 0 ack 1 win 8192 mss 1460");
    CHECK(sw.o.conn == NULL);
    NONE();
    CHECK(tcpsm_stack_accept(sw.st, NULL) == NULL);
    IN("A 1 ack 1");
    CHECK(w.in.conn != NULL);
    CHECK_EQ(INFO(syns), 0);
    CHECK_EQ(INFO(conns), 1);
    CHECK_EQ(INFO(rings), 1);
    CHECK_EQ(INFO(unaccepted), 1);
    CHECK_EQ(INFO(accepted), 1);
    CHECK_EQ(INFO(connected), 0);
    CHECK(ACCEPT() == w.in.conn);
    CHECK_EQ(INFO(unaccepted), 0);
    CHECK_EQ(tcpsm_state(w.in.conn), TCPSM_ESTABLISHED);
    CHECK_EQ(NEWS(w.in.conn) & TCPSM_EV_CONNECTED, TCPSM_EV_CONNECTED);
    NONE();
}

TEST(connection_is_named_as_the_segment_said)
{
    tcpsm_tuple t;
    tcpsm_conn *c;

    START();
    UP();
    LISTENER(80, 0, 0);
    c = HANDSHAKE("mss 1000");
    tcpsm_name(c, &t);
    CHECK_MEM(t.local, w.tuple.local, 16);
    CHECK_MEM(t.remote, w.tuple.remote, 16);
    CHECK_EQ(t.local_port, 80);
    CHECK_EQ(t.remote_port, 40000);
    CHECK_EQ(t.family, 4);
    CHECK_EQ(t.zone, 0);
}

TEST(many_handshakes_at_once_do_not_mix)
{
    tcpsm_conn *c[4];
    int i;

    START();
    UP();
    LISTENER(80, 0, 0);
    for (i = 0; i < 4; i++) {
        PEER(i);
        /* the same port, and the same address but for one bit: a hash that
           leaves something out mixes these */
        w.tuple.remote_port = 40000;
        w.irs = 77;
        IN("S 0 mss 1000 win 1000");
    }
    for (i = 0; i < 4; i++) {
        PEER(i);
        OUT("SA 0 ack 1 mss 1460");
    }
    NONE();
    for (i = 3; i >= 0; i--) {
        PEER(i);
        IN("PA 1 ack 1 len 10");
    }
    for (i = 3; i >= 0; i--) {
        tcpsm_tuple t;

        PEER(i);
        c[i] = ACCEPT(); /* in the order of the third ACKs */
        tcpsm_name(c[i], &t);
        CHECK_MEM(t.remote, w.tuple.remote, 16);
        GOT(c[i], 10);
    }
    WAIT(0.039);
    for (i = 3; i >= 0; i--)
        CHECK_EQ(STATUS(c[i], rcv_nxt), 88);
}

TEST(zones_tell_equal_tuples_apart)
{
    tcpsm_conn *a, *b;
    tcpsm_tuple t;

    START();
    UP();
    CHECK_EQ(stackwire_address("10.0.0.1", 4, 7, 24, 1), 0);
    LISTENER(80, 0, TCPSM_LISTEN_ANY_ZONE);
    PEER(0);
    PEER(1);
    w.tuple = sw.peer[0].tuple;
    w.zone = w.tuple.zone = 7;
    PEER(0);
    IN("S 0 mss 1000");
    PEER(1);
    IN("S 0 mss 1000");
    CHECK_EQ(INFO(syns), 2);
    PEER(0);
    OUT("SA 0 ack 1 mss 1460");
    PEER(1);
    OUT("SA 0 ack 1 mss 1460");
    CHECK_NE(w.iss, sw.peer[0].iss);
    IN("A 1 ack 1");
    a = ACCEPT();
    tcpsm_name(a, &t);
    CHECK_EQ(t.zone, 7);
    PEER(0);
    IN("A 1 ack 1");
    b = ACCEPT();
    CHECK(a != b);
    tcpsm_name(b, &t);
    CHECK_EQ(t.zone, 0);
    IN("PA 1 ack 1 len 5");
    CHECK(w.in.conn == b);
    PEER(1);
    IN("PA 1 ack 1 len 5");
    CHECK(w.in.conn == a);
}

/* --- retransmission and expiry --- */

TEST(syn_ack_goes_out_five_times_in_31_seconds)
{
    static const double at[] = {0, 1, 3, 7, 15}; /* RFC 6298 s5.5 */
    uint32_t i;

    START();
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1460");
    for (i = 0; i < 5; i++) {
        if (i)
            AT(at[i]);
        OUT("SA 0 ack 1 win 8192 mss 1460");
    }
    AT(30.99);
    NONE();
    CHECK_EQ(INFO(syns), 1);
    AT(31.01);
    NONE();
    CHECK_EQ(INFO(syns), 0);
    CHECK_EQ(tcpsm_stack_deadline(sw.st), TCPSM_NEVER);
    IN_ANY("A 1 ack 1");
    OUT("R 1");
}

/* Time passes, SYN-ACKs are lost. */
static void lose_until(double s)
{
    tcpsm_time t = w.t0 + wire__us(s), d;

    while ((d = tcpsm_stack_deadline(sw.st)) < t) {
        if (d > w.p.now)
            w.p.now = d;
        DRAIN();
    }
    AT(s);
}

TEST(the_last_moment_still_completes)
{
    START();
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1460");
    lose_until(30.9);
    w.iss = w.seg.seq;
    IN("A 1 ack 1");
    ACCEPT();
    WAIT(20);
    NONE();
}

/* RFC 5681 s3.1: one segment after a lost SYN-ACK. RFC 6298 s3 (Karn): no
   sample then, and s5.7: an RTO of at least 3 s. */
TEST(lost_syn_ack_is_remembered)
{
    tcpsm_conn *c;

    START();
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    AT(1);
    OUT("SA 0 ack 1 mss 1460");
    AT(1.1);
    IN("A 1 ack 1");
    c = ACCEPT();
    CHECK_EQ(STATUS(c, srtt_us), 0);
    CHECK_EQ(STATUS(c, cwnd), 1000);
    CHECK_EQ(STATUS(c, rto_us), 3000000);
    SENT(c, 5000);
    OUT("A 1 ack 1 len 1000");
    NONE();
}

TEST(the_handshake_is_the_first_rtt_sample)
{
    tcpsm_conn *c;

    START();
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1000");
    w.p.now += 5000; /* the SYN-ACK waits for the wire */
    OUT("SA 0 ack 1 mss 1460");
    WAIT(0.1);
    IN("A 1 ack 1");
    c = ACCEPT();
    /* kept in coarser units, but never less than the truth: an RTO that
       is too short retransmits for nothing */
    CHECK_GE(STATUS(c, srtt_us), 100000u);
    CHECK_LE(STATUS(c, srtt_us), 106100u);
    CHECK_GE(STATUS(c, cwnd), 10000u);
}

TEST(syn_again_is_answered_again)
{
    START();
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1460");
    OUT("SA 0 ack 1 win 8192 mss 1460");
    AT(0.5);
    IN_ANY("S 0 mss 1460");
    OUT("SA 0 ack 1 win 8192 mss 1460");
    NONE();
    CHECK_EQ(INFO(syns), 1);
    IN("A 1 ack 1");
    ACCEPT();
    CHECK_EQ(INFO(conns), 1);
}

/* Each SYN a SYN-ACK, for as many as somebody sends in our peer's name:
   that is what RFC 5961's limit is for. */
TEST(syn_again_is_answered_within_limits)
{
    int i, n = 0;

    START();
    UP();
    LISTENER(80, 0, 0);
    for (i = 0; i < 200; i++) {
        IN_ANY("S 0 mss 1460");
        n += DRAIN();
    }
    CHECK_GE(n, 2);
    CHECK_LE(n, 20);
    CHECK_EQ(INFO(syns), 1);
}

/* Whoever repeats a SYN does not keep the place for ever. */
TEST(syn_again_does_not_prolong_the_entry)
{
    double at;

    START();
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1460");
    for (at = 0.9; at < 31; at += 3) {
        lose_until(at);
        IN_ANY("S 0 mss 1460");
        DRAIN();
    }
    lose_until(31.5);
    CHECK_EQ(INFO(syns), 0);
}

/* A bulk flow that never pauses, and a caller who can send one segment a
   millisecond: the others' timers run all the same. */
TEST(syn_ack_is_sent_again_beside_a_bulk_flow)
{
    tcpsm_conn *c;
    uint32_t i, again = 0;

    START();
    sw.cfg.snd_ring = 65536;
    UP();
    LISTENER(80, 0, 0);
    c = HANDSHAKE("mss 500");
    PEER(1);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    PEER(0);
    for (i = 0; i < 8000; i++) {
        struct tcpsm_info s;

        tcpsm_status(c, &s);
        if (s.snd_free >= 20000)
            SENT(c, 20000);
        sw.o.buf = sw.out + 1;
        sw.o.cap = PAIR_TRAIN;
        CHECK_GE(tcpsm_stack_output(sw.st, &sw.o, w.p.now), 0);
        again += sw.out[14] == (PAIR_SYN | PAIR_ACK);
        sw.out[14] = 0;
        tcpsm_status(c, &s);
        if (i % 4 == 3)
            IN("A 1 ack %u", s.snd_nxt - w.iss);
        w.p.now += 1000;
    }
    CHECKF(again >= 2, "%u SYN-ACKs", again); /* at 1, 3 and 7 s */
}

/* --- what an entry does with segments (RFC 9293 s3.10.7.4) --- */

static void half_open(void)
{
    START();
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 win 8192 mss 1460");
}

TEST(rst_by_exact_sequence_number_ends_the_entry) /* RFC 5961 s3 */
{
    half_open();
    IN_ANY("R 1");
    NONE();
    CHECK_EQ(INFO(syns), 0);
    CHECK_EQ(INFO(conns), 0);
    CHECK(tcpsm_stack_accept(sw.st, NULL) == NULL);
    IN_ANY("A 1 ack 1");
    OUT("R 1");
}

TEST(rst_in_the_window_is_challenged)
{
    half_open();
    IN_ANY("R 2");
    OUT("A 1 ack 1");
    NONE();
    CHECK_EQ(INFO(syns), 1);
    IN_ANY("RA 8000 ack 1");
    OUT("A 1 ack 1");
    CHECK_EQ(INFO(syns), 1);
    IN("A 1 ack 1");
    ACCEPT();
}

TEST(rst_outside_the_window_is_ignored)
{
    half_open();
    IN_NOTHING(TCPSM_DROP_RST, "R 0");
    IN_NOTHING(TCPSM_DROP_RST, "RA -1 ack 1");
    IN_NOTHING(TCPSM_DROP_RST, "R 8193");
    IN_NOTHING(TCPSM_DROP_RST, "R 2000000000");
    CHECK_EQ(INFO(syns), 1);
    IN("A 1 ack 1");
    ACCEPT();
}

TEST(challenges_of_an_entry_are_limited)
{
    int i, n = 0;

    START();
    w.p.now += 1000000000; /* long after any zero */
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    for (i = 0; i < 500; i++) {
        IN_ANY("R %d", 2 + i);
        n += DRAIN();
    }
    CHECK_GE(n, 1);
    CHECK_LE(n, 20);
    CHECK_EQ(INFO(syns), 1);
}

/* s3.10.7.4, fourth: passive SYN-RECEIVED returns to LISTEN. */
TEST(another_syn_in_the_window_ends_the_entry)
{
    half_open();
    IN_ANY("S 100 mss 1000");
    CHECK_EQ(INFO(conns), 0);
    DRAIN();
    IN_ANY("A 1 ack 1");
    CHECK(tcpsm_stack_accept(sw.st, NULL) == NULL);
    CHECK_EQ(INFO(conns), 0);
}

TEST(another_syn_outside_the_window_is_challenged)
{
    half_open();
    IN_ANY("S -100 mss 1000");
    OUT("A 1 ack 1");
    CHECK_EQ(INFO(syns), 1);
    IN("A 1 ack 1");
    ACCEPT();
}

TEST(wrong_ack_is_reset_and_the_entry_stays)
{
    half_open();
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack 0");
    OUT("R 0");
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack 2");
    OUT("R 2");
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack -2000000000");
    OUT("R -2000000000");
    NONE();
    CHECK_EQ(INFO(syns), 1);
    CHECK_EQ(INFO(conns), 0);
    IN("A 1 ack 1");
    ACCEPT();
}

TEST(segment_without_ack_is_dropped)
{
    half_open();
    IN_NOTHING(TCPSM_DROP_NO_ACK, "P 1 len 10");
    IN_NOTHING(TCPSM_DROP_NO_ACK, "F 1");
    IN_NOTHING(TCPSM_DROP_NO_ACK, ". 1");
    CHECK_EQ(INFO(syns), 1);
    CHECK_EQ(INFO(conns), 0);
}

TEST(unacceptable_segment_is_acked_and_not_taken)
{
    half_open();
    IN_ANY("A 8194 ack 1");
    OUT("A 1 ack 1");
    IN_ANY("A 0 ack 1");
    OUT("A 1 ack 1");
    IN_ANY("PA -10 ack 1 len 5");
    OUT("A 1 ack 1");
    CHECK_EQ(INFO(syns), 1);
    CHECK_EQ(INFO(conns), 0);
    IN("A 1 ack 1");
    ACCEPT();
}

TEST(broken_segments_change_nothing)
{
    half_open();
    IN_NOTHING(TCPSM_DROP_CHECKSUM, "A 1 ack 1 badsum");
    IN_NOTHING(TCPSM_DROP_CHECKSUM, "R 1 badsum");
    IN_NOTHING(TCPSM_DROP_OFFSET, "A 1 ack 1 off 4");
    IN_NOTHING(TCPSM_DROP_OFFSET, "A 1 ack 1 off 15");
    IN_NOTHING(TCPSM_DROP_SHORT, "A 1 ack 1 cut 19");
    IN_NOTHING(TCPSM_DROP_OPTIONS, "A 1 ack 1 raw 05FF0000");
    IN_NOTHING(TCPSM_DROP_ADDRESS, "A 1 ack 1 link");
    CHECK_EQ(INFO(syns), 1);
    CHECK_EQ(INFO(conns), 0);
    /* and of a SYN */
    PEER(1);
    IN_NOTHING(TCPSM_DROP_CHECKSUM, "S 0 badsum");
    IN_NOTHING(TCPSM_DROP_OFFSET, "S 0 off 3");
    IN_NOTHING(TCPSM_DROP_OPTIONS, "S 0 raw 0200");
    IN_NOTHING(TCPSM_DROP_SHORT, "S 0 cut 12");
    IN_NOTHING(TCPSM_DROP_SHORT, "S 0 cut 0");
    IN_NOTHING(TCPSM_DROP_ADDRESS, "S 0 link");
    CHECK_EQ(INFO(syns), 1);
}

/* s3.10.7.2: first RST, then ACK, then SYN. */
TEST(listen_checks_rst_then_ack_then_syn)
{
    START();
    UP();
    LISTENER(80, 0, 0);
    IN_ANY("SR 0");
    NONE();
    IN_ANY("SRA 0 ack 5");
    NONE();
    IN_ANY("SA 0 ack 5");
    OUT("R 5");
    IN_ANY("A 0 ack 7 len 3");
    OUT("R 7");
    IN_ANY("F 0");
    DRAIN();
    CHECK_EQ(INFO(syns), 0);
    IN_ANY("S 0 badsum");
    IN_ANY("SP 0");
    OUT("SA 0 ack 1 mss 1460");
}

TEST(fin_in_a_syn_comes_again)
{
    tcpsm_conn *c;

    START();
    UP();
    LISTENER(80, 0, 0);
    IN_ANY("SF 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN("FA 1 ack 1");
    c = ACCEPT();
    OUT("A 1 ack 2");
    CHECK_EQ(tcpsm_state(c), TCPSM_CLOSE_WAIT);
}

TEST(text_in_a_syn_comes_again)
{
    tcpsm_conn *c;

    START();
    UP();
    LISTENER(80, 0, 0);
    IN_ANY("S 0 mss 1000 len 20");
    CHECK(w.ret == 0);
    OUT("SA 0 ack 1 mss 1460");
    IN("PA 1 ack 1 len 20");
    c = ACCEPT();
    GOT(c, 20);
    WAIT(0.04);
    OUT("A 1 ack 21");
}

/* --- the third ACK --- */

TEST(data_on_the_third_ack_is_served_at_once)
{
    tcpsm_conn *c;

    half_open();
    IN("PA 1 ack 1 len 100");
    c = ACCEPT();
    CHECK(w.in.conn == c);
    CHECK_EQ(tcpsm_events(c) & TCPSM_EV_READABLE, TCPSM_EV_READABLE);
    GOT(c, 100);
    SENT(c, 50);
    OUT("PA 1 ack 101 len 50");
}

TEST(fin_on_the_third_ack_is_served_at_once)
{
    tcpsm_conn *c;

    half_open();
    IN("FPA 1 ack 1 len 100");
    OUT("A 1 ack 102");
    c = ACCEPT();
    CHECK_EQ(tcpsm_state(c), TCPSM_CLOSE_WAIT);
    GOT(c, 100);
    CHECK_EQ(tcpsm_receive(c, w.buf, 10), TCPSM_E_EOF);
    CHECK_EQ(NEWS(c), TCPSM_EV_CONNECTED | TCPSM_EV_READABLE | TCPSM_EV_EOF);
    CHECK_EQ(tcpsm_close(c), 0);
    OUT("FA 1 ack 102");
    IN("A 102 ack 2");
    CHECK_EQ(tcpsm_state(c), TCPSM_CLOSED);
}

TEST(lost_third_ack_and_data_beyond_a_hole)
{
    tcpsm_conn *c;

    half_open();
    IN("PA 11 ack 1 len 10"); /* the first ten bytes were lost, too */
    OUT("A 1 ack 1");
    c = ACCEPT();
    CHECK_EQ(tcpsm_receive(c, w.buf, 10), 0);
    IN("PA 1 ack 1 len 10");
    OUT("A 1 ack 21");
    GOT(c, 20);
}

TEST(third_ack_partly_before_the_window)
{
    tcpsm_conn *c;

    half_open();
    IN("PA 0 ack 1 len 10"); /* its first octet is the SYN's */
    c = ACCEPT();
    w.got = 0;
    GOT(c, 9);
}

TEST(window_is_the_third_acks)
{
    tcpsm_conn *c;

    START();
    sw.cfg.conn.flags = 0;
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 win 300 mss 1000 ws 2");
    OUT("SA 0 ack 1 mss 1460 ws 0");
    IN("A 1 ack 1 win 100"); /* times four */
    c = ACCEPT();
    CHECK_EQ(STATUS(c, snd_wnd), 400);
    SENT(c, 1000);
    OUT("A 1 ack 1 len 400");
    NONE();
}

TEST(no_ring_data_on_the_third_ack_asks_for_one)
{
    static uint8_t ring[4096];
    struct tcpsm_info before;
    tcpsm_conn *c;

    START();
    sw.cfg.rcv_ring = sw.cfg.snd_ring = 0;
    sw.cfg.conn.rcv_promise = 4096;
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 win 4096 mss 1460");
    IN_RET(TCPSM_E_RING, "PA 1 ack 1 len 100");
    c = w.in.conn;
    CHECK(c != NULL);
    NONE();
    tcpsm_status(c, &before);
    CHECK_EQ(before.rcv_nxt, w.irs + 1);
    IN_RET(TCPSM_E_RING, "PA 1 ack 1 len 100");
    CHECK(w.in.conn == c);
    CHECK_EQ(INFO(conns), 1);
    CHECK_EQ(tcpsm_attach(c, TCPSM_RECEIVE, ring, sizeof ring, NULL), 0);
    IN("PA 1 ack 1 len 100");
    CHECK(ACCEPT() == c);
    GOT(c, 100);
    CHECK_EQ(STATUS(c, rcv_nxt), w.irs + 101);
    WAIT(0.04);
    OUT("A 1 ack 101");
}

TEST(no_ring_data_on_the_third_ack_left_behind)
{
    static uint8_t ring[4096];
    tcpsm_conn *c;

    START();
    sw.cfg.rcv_ring = sw.cfg.snd_ring = 0;
    sw.cfg.conn.rcv_promise = 4096;
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 win 4096 mss 1460");
    IN_RET(TCPSM_E_RING, "PA 1 ack 1 len 100");
    IN_DROP(TCPSM_DROP_NO_DATA, "PA 1 ack 1 len 100 nodata");
    c = ACCEPT();
    CHECK(w.in.conn == c);
    CHECK_EQ(tcpsm_state(c), TCPSM_ESTABLISHED);
    CHECK_EQ(STATUS(c, rcv_nxt), w.irs + 1);
    DRAIN();
    CHECK_EQ(tcpsm_attach(c, TCPSM_RECEIVE, ring, sizeof ring, NULL), 0);
    IN("PA 1 ack 1 len 100");
    GOT(c, 100);
}

TEST(no_ring_bare_ack_and_fin_need_none)
{
    tcpsm_conn *c;

    START();
    sw.cfg.rcv_ring = sw.cfg.snd_ring = 0;
    sw.cfg.conn.rcv_promise = 4096;
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 win 4096 mss 1460");
    IN("FA 1 ack 1");
    c = ACCEPT();
    CHECK_EQ(tcpsm_state(c), TCPSM_CLOSE_WAIT);
    OUT("A 1 ack 2");
}

/* The promise is kept: a window that SYN-ACK offered is not taken back. */
TEST(window_offered_is_the_ring)
{
    static const struct {
        uint32_t ring, win, mss;
    } row[] = {{8192, 8192, 1460},
               {65535, 65535, 1460},
               {262144, 65535, 1460},
               {2000, 2000, 1000}, /* less than two MSS: half of it */
               {512, 512, 256}};
    uint32_t i;

    for (i = 0; i < sizeof row / sizeof *row; i++) {
        tcpsm_conn *c;

        START();
        CONTEXT("ring %u", row[i].ring);
        sw.cfg.rcv_ring = row[i].ring;
        UP();
        LISTENER(80, 0, 0);
        IN("S 0 mss 1000");
        OUT("SA 0 ack 1 win %u mss %u", row[i].win, row[i].mss);
        IN("A 1 ack 1");
        c = ACCEPT();
        CHECK_EQ(STATUS(c, rcv_wnd), row[i].win);
    }
}

TEST(window_is_never_scaled_in_a_syn_ack) /* RFC 7323 s2.2 */
{
    tcpsm_conn *c;

    START();
    sw.cfg.conn.flags = 0;
    sw.cfg.rcv_ring = 1 << 20;
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1000 ws 3");
    OUT("SA 0 ack 1 win 65535 mss 1460 ws 5");
    IN("PA 1 ack 1 len 1000 win 1000");
    IN("PA 1001 ack 1 len 1000 win 1000");
    c = ACCEPT();
    CHECK_EQ(STATUS(c, rcv_scale), 5);
    CHECK_EQ(STATUS(c, snd_scale), 3);
    CHECK_EQ(STATUS(c, snd_wnd), 8000);
    OUT("A 1 ack 2001");
    /* the whole ring, less the reserve of 31 */
    CHECK_GE((uint32_t)w.seg.wnd << 5, (1u << 20) - 2000 - 64);
    CHECK_LE((uint32_t)w.seg.wnd << 5, (1u << 20) - 2000);
}

/* Law 8: the window of an answer is not less than the SYN-ACK's. */
TEST(window_of_a_challenge_does_not_shrink)
{
    START();
    sw.cfg.conn.flags = TCPSM_NO_SACK | TCPSM_NO_TS | TCPSM_NO_ECN;
    sw.cfg.rcv_ring = 1 << 20;
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1000 ws 3");
    OUT("SA 0 ack 1 win 65535 mss 1460 ws 5");
    IN_ANY("S -100 mss 1000 ws 3");
    OUT("A 1 ack 1");
    CHECK_GE((uint32_t)w.seg.wnd << 5, 65535u);
    IN("PA 1 ack 1 len 10");
    GOT(ACCEPT(), 10);
    WAIT(0.04);
    OUT("A 1 ack 11");
    CHECK_GE((uint32_t)w.seg.wnd << 5, 65525u);
}

/* --- what is negotiated --- */

TEST(options_offered_are_those_asked_for_and_allowed)
{
    uint32_t asked, flags;

    for (asked = 0; asked < 8; asked++)
        for (flags = 0; flags < 8; flags++) {
            uint32_t off = (flags & 1 ? TCPSM_NO_SCALE : 0) |
                           (flags & 2 ? TCPSM_NO_SACK : 0) |
                           (flags & 4 ? TCPSM_NO_TS : 0);
            uint32_t got = asked & ~flags;
            const struct tcpsm_info *i;
            tcpsm_conn *c;

            START();
            sw.cfg.conn.flags = off;
            UP();
            LISTENER(80, 0, 0);
            IN("S 0 mss 1000 %s %s %s", asked & 1 ? "ws 7" : "",
               asked & 2 ? "sackok" : "", asked & 4 ? "ts 777 0" : "");
            OUT("SA 0 ack 1 mss 1460 %s %s %s", got & 1 ? "ws 0" : "",
                got & 2 ? "sackok" : "", got & 4 ? "ts * 777" : "");
            w.ts = w.seg.timestamps;
            w.ts_clock = 777;
            IN("A 1 ack 1 win 10");
            c = ACCEPT();
            i = stackwire__status(c);
            CHECK_EQ(i->scaling, got & 1 ? 1 : 0);
            CHECK_EQ(i->snd_scale, got & 1 ? 7 : 0);
            CHECK_EQ(i->snd_wnd, got & 1 ? 1280 : 10);
            CHECK_EQ(i->sack, got & 2 ? 1 : 0);
            CHECK_EQ(i->timestamps, got & 4 ? 1 : 0);
        }
}

TEST(listener_configuration_counts)
{
    tcpsm_config cfg;
    tcpsm_tuple t;

    START();
    sw.cfg.conn.flags = 0;
    UP();
    LISTENER(80, 0, 0);
    cfg = sw.cfg.conn;
    cfg.flags = TCPSM_NO_TS | TCPSM_NO_SCALE;
    cfg.mtu = 1280;
    cfg.ttl = 17;
    cfg.dscp = 10;
    memset(&t, 0, sizeof t);
    t.local_port = 81;
    CHECK_GE(tcpsm_stack_listen(sw.st, &t, 0, 0, &cfg), 0);
    memset(&cfg, 0xEE, sizeof cfg); /* it was copied */
    PEER(0);
    w.tuple.local_port = 81;
    IN("S 0 mss 1000 ws 7 sackok ts 1 0");
    OUT("SA 0 ack 1 mss 1240 sackok");
    CHECK_EQ(sw.o.ttl, 17);
    CHECK_EQ(sw.o.tos, 40);
    PEER(1);
    IN("S 0 mss 1000 ws 7 sackok ts 1 0");
    OUT("SA 0 ack 1 mss 1460 ws 0 sackok ts * 1");
    CHECK_EQ(sw.o.ttl, 64);
}

TEST(scale_above_14_counts_as_14) /* RFC 7323 s2.3 */
{
    tcpsm_conn *c;
    uint32_t ws;

    for (ws = 13; ws < 256; ws += ws == 16 ? 239 : 1) {
        START();
        sw.cfg.conn.flags = 0;
        UP();
        LISTENER(80, 0, 0);
        c = HANDSHAKE("mss 1000 win 3 ws %u", ws);
        CHECK_EQ(STATUS(c, snd_scale), ws < 14 ? ws : 14);
        CHECK_EQ(STATUS(c, snd_wnd), 3u << (ws < 14 ? ws : 14));
        if (ws == 255)
            break;
    }
}

TEST(mss_default_and_floor)
{
    static const struct {
        const char *options;
        uint32_t v4, v6;
    } row[] = {
        {"", 536, 1220}, /* RFC9293-MUST-15 */
        {"mss 1000", 1000, 1000},
        {"mss 1", 48, 48},
        {"mss 0", 536, 1220},
        {"mss 65535", 1460, 1440},
        {"raw 0203FF00", 536, 1220}, /* a wrong length is no option */
        {"raw 01010204020001", 512, 512},
    };
    uint32_t i, f;

    for (i = 0; i < sizeof row / sizeof *row; i++)
        for (f = 0; f < 2; f++) {
            tcpsm_conn *c;

            if (f)
                START6();
            else
                START();
            UP();
            LISTENER(80, 0, 0);
            c = HANDSHAKE("%s", row[i].options);
            CHECK_EQ(w.seg.mss, f ? 1440 : 1460);
            SENT(c, 3000);
            OUT("%s 1 ack 1 len %u", "A", f ? row[i].v6 : row[i].v4);
        }
}

TEST(mss_offered_follows_the_mtu)
{
    uint32_t mtu;

    for (mtu = 108; mtu < 10000; mtu = mtu * 2 + 77) {
        START();
        sw.cfg.conn.mtu = (uint16_t)mtu;
        sw.cfg.rcv_ring = 65535;
        UP();
        LISTENER(80, 0, 0);
        IN("S 0 mss 1000");
        OUT("SA 0 ack 1 mss %u", mtu - 40);
        START6();
        sw.cfg.conn.mtu = (uint16_t)mtu;
        sw.cfg.rcv_ring = 65535;
        UP();
        LISTENER(80, 0, 0);
        IN("S 0 mss 1000");
        OUT("SA 0 ack 1 mss %u", mtu - 60);
    }
}

TEST(ipv6_handshake)
{
    tcpsm_conn *c;
    tcpsm_tuple t;

    START6();
    sw.cfg.conn.flags = 0;
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1000 ws 7 sackok ts 5 0");
    OUT("SA 0 ack 1 win 8192 mss 1440 ws 0 sackok ts * 5");
    w.ts = 1;
    w.ts_clock = 5;
    AT(1);
    OUT("SA 0 ack 1 win 8192 mss 1440 ws 0 sackok ts * 5");
    IN("PA 1 ack 1 len 10");
    c = ACCEPT();
    tcpsm_name(c, &t);
    CHECK_EQ(t.family, 6);
    CHECK_MEM(t.remote, w.tuple.remote, 16);
    GOT(c, 10);
    WAIT(0.04);
    OUT("A 1 ack 11");
}

/* --- timestamps (RFC 7323) --- */

static tcpsm_conn *with_timestamps(void)
{
    START();
    sw.cfg.conn.flags = 0;
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1000 ts 5000 0");
    OUT("SA 0 ack 1 mss 1460 ts * 5000");
    return NULL;
}

TEST(timestamp_must_be_on_the_third_ack) /* RFC 7323 s3.2 */
{
    with_timestamps();
    IN_NOTHING(TCPSM_DROP_NO_TS, "A 1 ack 1");
    CHECK_EQ(INFO(syns), 1);
    CHECK_EQ(INFO(conns), 0);
    IN("A 1 ack 1 ts 5000 *");
    CHECK_EQ(STATUS(ACCEPT(), timestamps), 1);
}

TEST(old_timestamp_on_the_third_ack) /* RFC 7323 s5.3 */
{
    with_timestamps();
    IN_DROP(TCPSM_DROP_PAWS, "A 1 ack 1 ts 4999 *");
    DRAIN();
    CHECK_EQ(INFO(syns), 1);
    CHECK_EQ(INFO(conns), 0);
    IN("A 1 ack 1 ts 5001 *");
    ACCEPT();
}

TEST(rst_needs_no_timestamp)
{
    with_timestamps();
    IN_ANY("R 1");
    NONE();
    CHECK_EQ(INFO(syns), 0);
}

TEST(ts_recent_is_the_third_acks)
{
    tcpsm_conn *c;

    with_timestamps();
    IN("A 1 ack 1 ts 5007 *");
    c = ACCEPT();
    SENT(c, 10);
    OUT("PA 1 ack 1 len 10 ts * 5007");
}

TEST(tsval_never_goes_back)
{
    uint32_t last, i;
    tcpsm_conn *c;

    with_timestamps();
    last = w.seg.ts_val;
    for (i = 0; i < 2; i++) {
        AT(i ? 3 : 1);
        OUT("SA 0 ack 1 mss 1460 ts * 5000");
        CHECK_GT((int32_t)(w.seg.ts_val - last), 0);
        CHECK_LE(w.seg.ts_val - last, 2100u);
        last = w.seg.ts_val;
    }
    IN("A 1 ack 1 ts 5007 *");
    c = ACCEPT();
    SENT(c, 10);
    OUT("PA 1 ack 1 len 10 ts * 5007");
    CHECK_GE((int32_t)(w.seg.ts_val - last), 0);
    CHECK_LE(w.seg.ts_val - last, 10u);
}

TEST(replies_of_an_entry_carry_timestamps) /* "every non-<RST> segment" */
{
    with_timestamps();
    IN_ANY("S -100 mss 1000 ts 5001 0");
    OUT("A 1 ack 1 ts * 5000");
    IN_ANY("A 1 ack 5 ts 5001 *");
    CHECK_EQ(INFO(syns), 1);
    CHECK(stackwire_next_out() != 0);
    CHECK_EQ(w.seg.flags, PAIR_RST);
    CHECK_EQ(w.seg.seq, w.iss + 5);
    NONE();
}

/* --- sequence numbers (RFC 6528) --- */

static uint32_t iss_of(uint8_t key, uint8_t host, uint16_t port, double at)
{
    START();
    memset(sw.cfg.conn.key, key, 16);
    UP();
    LISTENER(80, 0, 0);
    AT(at);
    w.tuple.remote[3] = host;
    w.tuple.remote_port = port;
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    return w.iss;
}

TEST(iss_is_a_clock_and_a_keyed_hash)
{
    uint32_t a = iss_of(1, 9, 1000, 0);

    CHECK_EQ(iss_of(1, 9, 1000, 1) - a, 250000); /* one each 4 us */
    CHECK_EQ(iss_of(1, 9, 1000, 100) - a, 25000000);
    CHECK_NE(iss_of(2, 9, 1000, 0), a);
    CHECK_NE(iss_of(1, 8, 1000, 0), a);
    CHECK_NE(iss_of(1, 9, 1001, 0), a);
    /* not by a small number, either */
    CHECK_GT(iss_of(1, 9, 1001, 0) - a + 100000, 200000u);
    CHECK_GT(iss_of(1, 9, 1002, 0) - iss_of(1, 9, 1001, 0) + 100000, 200000u);
}

/* --- want of room --- */

TEST(backlog_full_drops_the_syn)
{
    tcpsm_conn *c;

    START();
    UP();
    LISTENER(80, 1, 0);
    PEER(0);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    PEER(1);
    IN_NOTHING(TCPSM_DROP_FULL, "S 0 mss 1000"); /* not reset */
    CHECK_EQ(INFO(syns), 0);
    CHECK_GE(INFO(syns_dropped), 1u);
    c = ACCEPT();
    IN("S 0 mss 1000"); /* it comes again */
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    CHECK(ACCEPT() != c);
}

TEST(backlog_full_at_the_third_ack)
{
    START();
    UP();
    LISTENER(80, 1, 0);
    PEER(0);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    PEER(1);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    PEER(0);
    IN("A 1 ack 1");
    PEER(1);
    IN_NOTHING(TCPSM_DROP_FULL, "PA 1 ack 1 len 10");
    CHECK_EQ(INFO(syns), 1);
    CHECK_EQ(INFO(conns), 1);
    ACCEPT();
    WAIT(1);
    OUT("SA 0 ack 1 mss 1460"); /* asks for it again */
    IN("PA 1 ack 1 len 10");
    GOT(ACCEPT(), 10);
}

TEST(no_connection_free_drops_the_syn)
{
    tcpsm_conn *a;

    START();
    sw.cfg.conns = 1;
    sw.cfg.syn_entries = 4;
    UP();
    LISTENER(80, 0, 0);
    PEER(0);
    a = HANDSHAKE("mss 1000");
    PEER(1);
    IN_NOTHING(TCPSM_DROP_FULL, "S 0 mss 1000");
    PEER(0);
    CHECK_EQ(tcpsm_abort(a), 0);
    OUT("RA 1 ack 1");
    PEER(1);
    /* it stays ours until it is released */
    IN_NOTHING(TCPSM_DROP_FULL, "S 0 mss 1000");
    CHECK_EQ(tcpsm_stack_release(sw.st, a), 0);
    NONE();
    CHECK_EQ(INFO(conns), 0);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
}

TEST(no_connection_free_at_the_third_ack)
{
    tcpsm_conn *a;

    START();
    sw.cfg.conns = 1;
    sw.cfg.syn_entries = 4;
    UP();
    LISTENER(80, 0, 0);
    PEER(0);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    PEER(1);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    a = ACCEPT();
    PEER(0);
    IN_NOTHING(TCPSM_DROP_FULL, "FPA 1 ack 1 len 10");
    CHECK_EQ(INFO(syns), 1);
    PEER(1);
    CHECK_EQ(tcpsm_abort(a), 0);
    OUT("RA 1 ack 1");
    CHECK_EQ(tcpsm_stack_release(sw.st, a), 0);
    NONE();
    PEER(0);
    IN("FPA 1 ack 1 len 10");
    OUT("A 1 ack 12");
    GOT(ACCEPT(), 10);
}

TEST(no_ring_free_drops_the_syn)
{
    tcpsm_conn *a;

    START();
    sw.cfg.conns = 4;
    sw.cfg.rings = 1;
    UP();
    LISTENER(80, 0, 0);
    PEER(0);
    a = HANDSHAKE("mss 1000");
    CHECK_EQ(INFO(rings), 1);
    PEER(1);
    IN_NOTHING(TCPSM_DROP_FULL, "S 0 mss 1000");
    CHECK_EQ(INFO(conns), 1);
    PEER(0);
    CHECK_EQ(tcpsm_abort(a), 0);
    OUT("RA 1 ack 1");
    CHECK_EQ(tcpsm_stack_release(sw.st, a), 0);
    NONE();
    CHECK_EQ(INFO(rings), 0);
    PEER(1);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
}

/* --- LISTEN_ASK: held SYNs --- */

static tcpsm_ret ask(void)
{
    tcpsm_tuple who;

    return tcpsm_stack_ask(sw.st, &who);
}

static void asked(void)
{
    START();
    UP();
    LISTENER(80, 0, TCPSM_LISTEN_ASK);
    CHECK_EQ(ask(), TCPSM_E_NONE);
    IN("S 0 mss 1000");
    NONE();
    CHECK_EQ(INFO(held), 1);
    CHECK_EQ(INFO(syns), 1);
    CHECK_EQ(INFO(conns), 0);
}

TEST(held_syn_is_asked_once)
{
    tcpsm_tuple who;
    tcpsm_ret n;

    asked();
    memset(&who, 0xEE, sizeof who);
    n = tcpsm_stack_ask(sw.st, &who);
    CHECK_GE(n, 0);
    CHECK_MEM(who.local, w.tuple.local, 16);
    CHECK_MEM(who.remote, w.tuple.remote, 16);
    CHECK_EQ(who.local_port, 80);
    CHECK_EQ(who.remote_port, 40000);
    CHECK_EQ(who.family, 4);
    CHECK_EQ(who.zone, 0);
    CHECK_EQ(tcpsm_stack_ask(sw.st, &who), TCPSM_E_NONE);
    WAIT(10);
    NONE();
}

TEST(held_syn_accepted)
{
    tcpsm_tuple who;
    tcpsm_ret n;

    asked();
    n = tcpsm_stack_ask(sw.st, &who);
    WAIT(30); /* upstream took its time */
    CHECK_EQ(tcpsm_stack_answer(sw.st, n, TCPSM_ACCEPT), 0);
    CHECK_EQ(tcpsm_stack_deadline(sw.st), 0);
    CHECK_EQ(INFO(held), 0);
    OUT("SA 0 ack 1 win 8192 mss 1460");
    WAIT(1);
    OUT("SA 0 ack 1 mss 1460");
    CHECK_EQ(tcpsm_stack_answer(sw.st, n, TCPSM_ACCEPT), TCPSM_E_NONE);
    IN("PA 1 ack 1 len 3");
    GOT(ACCEPT(), 3);
}

TEST(held_syn_reset)
{
    tcpsm_ret n;

    asked();
    n = ask();
    CHECK_EQ(tcpsm_stack_answer(sw.st, n, TCPSM_RESET), 0);
    OUT("RA *  ack 1");
    CHECK_EQ(w.seg.seq, 0); /* s3.10.7.1: no ACK came */
    NONE();
    CHECK_EQ(INFO(syns), 0);
    CHECK_EQ(INFO(held), 0);
}

TEST(held_syn_ignored)
{
    tcpsm_ret n;

    asked();
    n = ask();
    CHECK_EQ(tcpsm_stack_answer(sw.st, n, TCPSM_IGNORE), 0);
    NONE();
    CHECK_EQ(INFO(syns), 0);
    IN("S 0 mss 1000"); /* comes again, and we are asked again */
    NONE();
    CHECK_GE(ask(), 0);
}

TEST(held_syn_wrong_answers)
{
    tcpsm_ret n;

    asked();
    CHECK_EQ(tcpsm_stack_answer(sw.st, -1, TCPSM_ACCEPT), TCPSM_E_NONE);
    CHECK_EQ(tcpsm_stack_answer(sw.st, 0x7FFFFFFF, TCPSM_ACCEPT),
             TCPSM_E_NONE);
    n = ask();
    CHECK_EQ(tcpsm_stack_answer(sw.st, n ^ 1, TCPSM_ACCEPT), TCPSM_E_NONE);
    CHECK_EQ(tcpsm_stack_answer(sw.st, n, 77), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_answer(sw.st, n, TCPSM_IGNORE), 0);
    CHECK_EQ(tcpsm_stack_answer(sw.st, n, TCPSM_IGNORE), TCPSM_E_NONE);
}

TEST(held_syn_repeated_is_not_asked_again)
{
    asked();
    CHECK_GE(ask(), 0);
    WAIT(1);
    IN_ANY("S 0 mss 1000");
    NONE();
    CHECK_EQ(INFO(syns), 1);
    CHECK_EQ(ask(), TCPSM_E_NONE);
}

TEST(held_syn_reset_by_its_sender)
{
    tcpsm_ret n;

    asked();
    n = ask();
    IN_ANY("R 1");
    NONE();
    CHECK_EQ(INFO(syns), 0);
    CHECK_EQ(INFO(held), 0);
    CHECK_EQ(tcpsm_stack_answer(sw.st, n, TCPSM_ACCEPT), TCPSM_E_NONE);
    NONE();
    /* and before we were asked */
    IN("S 0 mss 1000");
    IN_ANY("R 1");
    CHECK_EQ(ask(), TCPSM_E_NONE);
    /* but not by a blind one: no SEQ of ours was ever on the wire */
    IN("S 0 mss 1000");
    IN_ANY("R 2");
    DRAIN();
    CHECK_GE(ask(), 0);
}

/* A number names one SYN: answered late, it does not answer for the next
   one in the same place. */
TEST(held_syn_number_is_not_reused_at_once)
{
    tcpsm_ret n, m;
    int i;

    asked();
    n = ask();
    for (i = 0; i < 20; i++) {
        IN_ANY("R 1");
        w.irs += 1000;
        IN("S 0 mss 1000");
        m = ask();
        CHECK_GE(m, 0);
        CHECK_NE(m, n);
        CHECK_EQ(tcpsm_stack_answer(sw.st, n, TCPSM_RESET), TCPSM_E_NONE);
    }
    NONE();
}

TEST(held_syn_times_out_after_a_minute)
{
    tcpsm_ret n;

    asked();
    n = ask();
    AT(59.9);
    NONE();
    CHECK_EQ(INFO(held), 1);
    AT(66);
    NONE();
    CHECK_EQ(tcpsm_stack_answer(sw.st, n, TCPSM_ACCEPT), TCPSM_E_NONE);
    NONE();
    CHECK_EQ(INFO(held), 0);
    CHECK_EQ(INFO(syns), 0);
}

TEST(held_syn_at_59_seconds_is_good)
{
    tcpsm_ret n;

    asked();
    n = ask();
    AT(59.9);
    CHECK_EQ(tcpsm_stack_answer(sw.st, n, TCPSM_ACCEPT), 0);
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    ACCEPT();
}

/* Nothing of ours was sent: any ACK is bad (s3.10.7.2, second). */
TEST(held_syn_and_an_ack)
{
    asked();
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack 77");
    OUT("R 77");
    NONE();
    CHECK_EQ(INFO(held), 1);
    CHECK_EQ(INFO(conns), 0);
}

TEST(held_syns_fill_the_table)
{
    int i;

    START();
    UP();
    LISTENER(80, 0, TCPSM_LISTEN_ASK);
    for (i = 0; i < 4; i++) {
        PEER(i);
        IN("S 0 mss 1000");
    }
    PEER(4);
    IN_NOTHING(TCPSM_DROP_FULL, "S 0 mss 1000"); /* no cookie for these */
    CHECK_EQ(INFO(cookies_sent), 0);
    for (i = 0; i < 4; i++) {
        tcpsm_tuple who;

        PEER(i);
        CHECK_GE(tcpsm_stack_ask(sw.st, &who), 0); /* oldest first */
        CHECK_EQ(who.remote[3], 2 + i);
    }
    CHECK_EQ(ask(), TCPSM_E_NONE);
}

TEST(held_syns_of_a_listener_that_goes)
{
    tcpsm_ret n, l;

    START();
    UP();
    l = LISTENER(80, 0, TCPSM_LISTEN_ASK);
    IN("S 0 mss 1000");
    n = ask();
    CHECK_EQ(tcpsm_stack_unlisten(sw.st, l), 0);
    OUT("RA * ack 1");
    NONE();
    CHECK_EQ(tcpsm_stack_answer(sw.st, n, TCPSM_ACCEPT), TCPSM_E_NONE);
    CHECK_EQ(INFO(syns), 0);
}

TEST(held_syn_waits_for_timestamps_of_now)
{
    tcpsm_conn *c;
    tcpsm_ret n;
    uint32_t ts;

    START();
    sw.cfg.conn.flags = 0;
    UP();
    LISTENER(80, 0, TCPSM_LISTEN_ASK);
    IN("S 0 mss 1000 ts 5 0 sackok ws 2");
    n = ask();
    WAIT(20);
    CHECK_EQ(tcpsm_stack_answer(sw.st, n, TCPSM_ACCEPT), 0);
    OUT("SA 0 ack 1 mss 1460 ws 0 sackok ts * 5");
    ts = w.seg.ts_val;
    WAIT(0.1);
    IN("A 1 ack 1 ts 20105 *");
    c = ACCEPT();
    /* the RTT is the wire's, not ours with upstream */
    CHECK_LE(STATUS(c, srtt_us), 106100u);
    SENT(c, 5);
    OUT("PA 1 ack 1 len 5 ts * 20105");
    CHECK_LE(w.seg.ts_val - ts, 110u);
}

/* --- odd corners --- */

TEST(port_zero_is_nobody)
{
    int i;

    START();
    UP();
    LISTENER(0, 0, 0); /* any port */
    for (i = 0; i < 3; i++) {
        PEER(i);
        if (i != 1)
            w.tuple.remote_port = 0;
        if (i != 0)
            w.tuple.local_port = 0;
        IN_ANY("S 0 mss 1000");
        if (stackwire_next_out() != 0)
            stackwire__learn();
        DRAIN();
        IN_ANY("A 1 ack 1");
        CHECK_NE(w.in.drop, 0);
        DRAIN();
        CHECK(tcpsm_stack_accept(sw.st, NULL) == NULL);
        CHECK_EQ(INFO(conns), 0);
        CHECK_EQ(INFO(rings), 0);
    }
    PEER(3);
    w.tuple.local_port = 12345;
    HANDSHAKE("mss 1000");
}

TEST(sequence_numbers_wrap_in_the_handshake)
{
    tcpsm_conn *c;

    START();
    UP();
    LISTENER(80, 0, 0);
    w.irs = 0xFFFFFFFF;
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    CHECK_EQ(w.seg.ack, 0);
    IN_NOTHING(TCPSM_DROP_RST, "R 0");
    IN("PA 1 ack 1 len 10");
    c = ACCEPT();
    GOT(c, 10);
}

TEST(table_of_1024_serves_each)
{
    uint32_t i, round;

    START();
    sw.cfg.conns = 2000;
    sw.cfg.syn_entries = 1024;
    sw.cfg.rcv_ring = sw.cfg.snd_ring = 256;
    sw.unchecked = 1;
    UP();
    LISTENER(80, 0, 0);
    for (round = 0; round < 2; round++)
        for (i = 0; i < 1024; i++) {
            w.tuple.remote[2] = (uint8_t)(i >> 8);
            w.tuple.remote[3] = (uint8_t)(2 + i % 250);
            w.tuple.remote_port = (uint16_t)(1000 + i);
            w.irs = i * 7919;
            if (round == 0)
                IN("S 0 mss 1000");
            else
                IN_ANY("R 1");
            if (round == 0)
                OUT("SA 0 ack 1 mss 128");
            CHECK_EQ(INFO(syns), round == 0 ? i + 1 : 1023 - i);
            if (i % 256 == 0)
                CHECK_EQ(tcpsm_stack_check(sw.st), 0);
        }
    CHECK_EQ(INFO(cookies_sent), 0);
}

/* The same with connections: chains of the hash, in every order. */
TEST(sixty_connections_are_told_apart)
{
    tcpsm_conn *c[60];
    uint64_t seed;
    int i, k;

    for (seed = 1; seed <= 3; seed++) {
        START();
        sw.cfg.conns = 60;
        sw.cfg.syn_entries = 60;
        sw.cfg.rcv_ring = sw.cfg.snd_ring = 512;
        UP();
        LISTENER(80, 0, 0);
        for (i = 0; i < 60; i++) {
            PEER(i);
            c[i] = HANDSHAKE("mss 1000");
        }
        for (i = 0; i < 60; i++) {
            k = (int)(netsim_mix(seed * 100 + (uint64_t)i) % 60);
            PEER(k);
            if (!c[k])
                continue;
            IN("PA 1 ack 1 len 9");
            CHECK(w.in.conn == c[k]);
            GOT(c[k], 9);
            CHECK_EQ(tcpsm_abort(c[k]), 0);
            CHECK_EQ(tcpsm_stack_release(sw.st, c[k]), 0);
            OUT("RA 1 ack 10");
            c[k] = NULL;
        }
        for (i = 0; i < 60; i++) {
            PEER(i);
            IN_ANY("A 1 ack 1");
            CHECK((w.in.conn != NULL) == (c[i] != NULL));
            CHECK(w.in.conn == c[i]);
            DRAIN();
        }
    }
}

/* Answers of entries that find no place are lost, and nothing else is. */
TEST(answers_wait_in_the_reply_ring)
{
    START();
    sw.cfg.replies = 1;
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN_ANY("A 9000 ack 1");
    IN_ANY("A 9000 ack 1");
    CHECK_EQ(INFO(replies_lost), 1);
    IN_ANY("A 1 ack 9");
    CHECK_EQ(INFO(replies_lost), 2);
    OUT("A 1 ack 1");
    NONE();
    IN("A 1 ack 1");
    ACCEPT();
}

TEST(no_stack_no_answer)
{
    tcpsm_tuple who;

    START();
    UP();
    CHECK_EQ(tcpsm_stack_ask(NULL, &who), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_ask(sw.st, NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_answer(NULL, 0, TCPSM_ACCEPT), TCPSM_E_ARG);
    CHECK(tcpsm_stack_accept(NULL, NULL) == NULL);
}

/* --- layer 1's LISTEN is the model --- */

/* A SYN entry must answer what a connection in SYN-RECEIVED answers, byte
   for byte, and hatch into what that becomes. */

static uint64_t model_rng;

static uint32_t model_dice(uint32_t n)
{
    model_rng = netsim_mix(model_rng + 0x9E3779B97F4A7C15u);
    return (uint32_t)(model_rng >> 33) % n;
}

static tcpsm_conn model;
static uint32_t model_syn_acks; /* in this handshake */

static void model_start(uint64_t seed)
{
    static uint8_t rings[2][1 << 16];
    static const uint32_t sizes[] = {512, 2000, 8192, 65535};
    tcpsm_tuple any;

    START();
    model_rng = seed;
    sw.cfg.rcv_ring = sizes[model_dice(4)];
    sw.cfg.conn.rcv_max = model_dice(2) << 19; /* a scale of 4 */
    sw.cfg.snd_ring = 8192;
    sw.cfg.conn.flags = (model_dice(4) ? 0 : TCPSM_NO_TS) |
                        (model_dice(4) ? 0 : TCPSM_NO_SACK) |
                        (model_dice(4) ? 0 : TCPSM_NO_SCALE);
    sw.cfg.conn.mtu = (uint16_t)(model_dice(2) ? 1500 : 600);
    sw.cfg.conn.ack_delay_us = TCPSM_OFF;
    sw.cfg.conn.counters = NULL;
    sw.cfg.conn.challenge_limit = 200;
    UP();
    LISTENER(80, 0, 0);
    memset(&model, 0, sizeof model);
    CHECK_EQ(tcpsm_init(&model, &sw.cfg.conn), 0);
    CHECK_EQ(
        tcpsm_attach(&model, TCPSM_RECEIVE, rings[0], sw.cfg.rcv_ring, NULL),
        0);
    CHECK_EQ(
        tcpsm_attach(&model, TCPSM_SEND, rings[1], sw.cfg.snd_ring, NULL), 0);
    memset(&any, 0, sizeof any);
    any.family = 4;
    any.local_port = 80;
    CHECK_EQ(tcpsm_listen(&model, &any, w.p.now), 0);
}

/* How far two windows may differ */
static uint32_t model_unit(const pair_segment *s)
{
    if (!sw.cfg.conn.rcv_max)
        return 0;
    return s->flags & PAIR_SYN ? 15 : 1;
}

/* All that is to be said now: both must say the same. stranger: layer 1 left
   that answer to tcpsm_stranger. */
static void model_outputs(int stranger)
{
    static uint8_t buf[PAIR_TRAIN];
    tcpsm_in in = w.in;
    tcpsm_out o;
    uint32_t n, turns;
    tcpsm_ret r = 0;

    for (turns = 0; turns < 100; turns++) {
        memset(&o, 0, sizeof o);
        o.buf = buf;
        o.cap = sizeof buf;
        if (stranger) {
            r = tcpsm_stranger(&in, &o);
            stranger = 0;
            if (r == 0)
                r = tcpsm_output(&model, &o, w.p.now);
        } else
            r = tcpsm_output(&model, &o, w.p.now);
        n = stackwire_next_out();
        if (r > 0 && n == 0) {
            pair_segment s;

            pair_parse(&s, buf, (uint32_t)r);
            FAIL("layer 1 alone says %s", wire_show(&s));
        }
        if (n > 0 && r == 0)
            FAIL("the stack alone says %s", wire_show(&w.seg));
        if (n == 0)
            break;
        stackwire__learn();
        model_syn_acks += (w.seg.flags & PAIR_SYN) != 0;
        if ((uint32_t)r != n || memcmp(buf, sw.out + 1, n) != 0) {
            pair_segment s;
            char text[256];

            snprintf(text, sizeof text, "%s", wire_show(&w.seg));
            pair_parse(&s, buf, (uint32_t)r);
            /* Layer 1 reports old text by D-SACK; an entry has no room for
               that, and nobody has sent any text yet. Where windows are
               rounded, layer 1 remembers to which side it did. */
            if (s.sacks == 1 && w.seg.sacks == 0 &&
                (int32_t)(s.sack[0][1] - w.irs) <= 1)
                s.sacks = 0;
            if ((uint16_t)(s.wnd - w.seg.wnd + model_unit(&s)) <=
                2 * model_unit(&s))
                s.wnd = w.seg.wnd;
            if (strcmp(text, wire_show(&s)) == 0)
                continue;
            FAIL("the stack says %s, layer 1 %s", text, wire_show(&s));
        }
    }
}

/* What was put in last goes to the model, too. */
static void model_compare(void)
{
    tcpsm_in in = w.in;
    tcpsm_ret e = tcpsm_input(&model, &in, w.p.now);

    CHECK(e == 0 || e == TCPSM_E_NOT_MINE);
    model_outputs(e == TCPSM_E_NOT_MINE);
}

static int model_hatched(void)
{
    tcpsm_conn *c = tcpsm_stack_accept(sw.st, NULL);
    struct tcpsm_info a, b;

    CHECK_EQ(c != NULL, tcpsm_state(&model) > TCPSM_SYN_RECEIVED);
    if (!c)
        return 0;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    tcpsm_status(&model, &a);
    tcpsm_status(c, &b);
    CHECK_EQ(b.state, a.state);
    CHECK_EQ(b.snd_scale, a.snd_scale);
    CHECK_EQ(b.rcv_scale, a.rcv_scale);
    CHECK_EQ(b.timestamps, a.timestamps);
    CHECK_EQ(b.sack, a.sack);
    CHECK_EQ(b.scaling, a.scaling);
    CHECK_EQ(b.peer_mss, a.peer_mss);
    CHECK_EQ(b.smss, a.smss);
    CHECK_EQ(b.snd_una, a.snd_una);
    CHECK_EQ(b.snd_nxt, a.snd_nxt);
    CHECK_EQ(b.snd_wnd, a.snd_wnd);
    CHECK_EQ(b.rcv_nxt, a.rcv_nxt);
    /* no less, and no more than rounding gives */
    CHECK_LE(b.rcv_wnd - a.rcv_wnd + 16, 32u);
    if (!a.rcv_scale)
        CHECK_EQ(b.rcv_wnd, a.rcv_wnd);
    CHECK_EQ(b.rcv_queued, a.rcv_queued);
    CHECK_EQ(b.ranges, a.ranges);
    if (model_syn_acks > 1)
        return 1; /* was the first lost? The entry says yes */
    CHECK_EQ(b.cwnd, a.cwnd);
    CHECK_EQ(b.ssthresh, a.ssthresh);
    CHECK_EQ(b.srtt_us, a.srtt_us);
    CHECK_EQ(b.rto_us, a.rto_us);
    return 1;
}

static void model_step(void)
{
    static const char *const flags[] = {"A",  "A",   "PA",  "FA", "R",
                                        "RA", "S",   "UPA", "F",  "P",
                                        ".",  "FPA", "SR",  "UA", "SF"};
    static const int seqs[] = {1, 1, 1, 0, 2, -1, 100, 9000, 8193, 70000};
    static const int acks[] = {1, 1, 1, 1, 0, 2, -1, 100000};
    static const int lens[] = {0, 0, 0, 1, 100};
    uint32_t f = model_dice(sizeof flags / sizeof *flags);
    char ts[32] = "";
    int seq = seqs[model_dice(10)];

    if (seq == 8193 && sw.cfg.conn.rcv_max)
        seq = 9000; /* the edge is rounded */
    if (model_dice(8) == 0)
        snprintf(ts, sizeof ts, "ts %u *", w.ts_clock - 5 + model_dice(10));
    else if (model_dice(12) == 0)
        snprintf(ts, sizeof ts, "nots");
    IN_ANY(
        "%s %d ack %d len %d win %u %s", flags[f], seq, acks[model_dice(8)],
        strchr(flags[f], 'S') ? 0 : lens[model_dice(5)], model_dice(500), ts);
}

TEST(entry_does_what_layer_1_does)
{
    uint32_t i, hatched = 0;
    uint64_t seed;

    for (seed = 1; seed <= 400; seed++) {
        model_start(seed);
        CONTEXT("seed %llu", (unsigned long long)seed);
        for (i = 0; i < 30; i++) {
            if (tcpsm_state(&model) == TCPSM_LISTEN) {
                w.irs += 123456;
                w.ts = 0;
                w.ts_clock = 1000;
                model_syn_acks = 0;
                IN_ANY("S 0 %s %s %s %s", model_dice(2) ? "mss 500" : "",
                       model_dice(2) ? "ws 3" : "",
                       model_dice(2) ? "sackok" : "",
                       model_dice(2) ? "ts 1000 0" : "");
                model_compare();
                w.ts = w.seg.timestamps;
            }
            w.p.now += model_dice(3000);
            model_step();
            CONTEXT("seed %llu step %u: %s", (unsigned long long)seed, i,
                    w.text);
            model_compare();
            if (model_hatched()) {
                hatched++;
                break;
            }
        }
    }
    CHECK_GE(hatched, 100u);
}

/* --- names, clocks --- */

/* A connection that is over and still its owner's does not stand in the way
   of the next one of that name; nor does its release hurt that one. */
TEST(name_is_free_when_the_connection_is_over)
{
    tcpsm_conn *old, *c;

    START();
    UP();
    LISTENER(80, 0, 0);
    old = HANDSHAKE("mss 1000");
    IN("PA 1 ack 1 len 10");
    IN_ANY("R 11");
    CHECK_EQ(tcpsm_state(old), TCPSM_CLOSED);
    w.irs += 5000;
    c = HANDSHAKE("mss 1000");
    CHECK(c != old);
    CHECK_EQ(INFO(conns), 2);
    GOT(old, 10);
    CHECK_EQ(tcpsm_stack_release(sw.st, old), 0);
    NONE();
    CHECK_EQ(INFO(conns), 1);
    w.got = 0;
    IN("PA 1 ack 1 len 10");
    CHECK(w.in.conn == c);
    GOT(c, 10);
    /* aborted, and the next SYN is there before the reset is out */
    CHECK_EQ(tcpsm_abort(c), 0);
    w.irs += 5000;
    IN("S 0 mss 1000");
    CHECK_EQ(INFO(syns), 1);
    {
        int resets = 0, answers = 0;

        while (stackwire_next_out() != 0) {
            stackwire__learn();
            resets += (w.seg.flags & PAIR_RST) != 0;
            answers += w.seg.flags == (PAIR_SYN | PAIR_ACK);
        }
        CHECK_EQ(resets, 1);
        CHECK_EQ(answers, 1);
    }
    IN("A 1 ack 1");
    old = ACCEPT();
    CHECK(old != c);
    CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    w.got = 0;
    IN("PA 1 ack 1 len 10");
    CHECK(w.in.conn == old);
    GOT(old, 10);
}

/* Any clock will do, and any time to start at. */
TEST(clock_may_start_anywhere)
{
    uint32_t p;
    int d;

    for (p = 0; p < 63; p += p == 0 ? 8 : 1)
        for (d = -1; d <= 1; d++) {
            tcpsm_time t = (tcpsm_time)1 << p;
            tcpsm_conn *c;
            tcpsm_ret n;
            int i;

            /* at, shortly before, and a minute before the power of two */
            t = d == 0 ? t : t > 60000000 && d < 0 ? t - 60000000 : t - 1;
            START();
            CONTEXT("start 2^%u, %d", p, d);
            sw.cfg.conn.flags = TCPSM_NO_ECN;
            sw.cfg.syn_entries = 1;
            w.p.now = w.t0 = p == 0 && d < 0 ? 0 : t;
            UP();
            LISTENER(80, 0, 0);
            LISTENER(81, 0, TCPSM_LISTEN_ASK);
            IN("S 0 mss 1000 ts 5 0 sackok ws 2");
            OUT("SA 0 ack 1 mss 1460 ws 0 sackok ts * 5");
            WAIT(1);
            OUT("SA 0 ack 1 mss 1460 ws 0 sackok ts * 5");
            WAIT(2);
            OUT("SA 0 ack 1 mss 1460 ws 0 sackok ts * 5");
            w.ts = 1;
            w.ts_clock = 5;
            IN("A 1 ack 1");
            c = ACCEPT();
            SENT(c, 10);
            OUT("PA 1 ack 1 len 10");
            IN("PA 1 ack 11 len 10");
            WAIT(0.04);
            OUT("A 11 ack 11");
            GOT(c, 10);
            CHECK_EQ(tcpsm_close(c), 0);
            OUT("FA 11 ack 11");
            IN("FA 11 ack 12");
            OUT("A 12 ack 12");
            CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
            /* TIME-WAIT for a minute */
            WAIT(59.8);
            IN_ANY("PA 5 ack 12 len 1");
            OUT("A 12 ack 12");
            WAIT(0.4);
            IN_ANY("PA 5 ack 12 len 1");
            CHECK(stackwire_next_out() != 0);
            CHECK_EQ(w.seg.flags, PAIR_RST);
            /* a cookie */
            PEER(1);
            IN("S 0 mss 1000");
            OUT("SA 0 ack 1 mss 1460");
            PEER(2);
            IN("S 0 mss 1000");
            OUT("SA 0 ack 1 mss 1460");
            CHECK_EQ(INFO(cookies_sent), 1);
            w.p.now += 50000000;
            DRAIN();
            IN("A 1 ack 1");
            c = ACCEPT();
            /* a held SYN, for a minute */
            for (i = 0; i < 40; i++) {
                w.p.now += 1000000;
                DRAIN();
            }
            CHECK_EQ(INFO(syns), 0);
            PEER(3);
            w.tuple.local_port = 81;
            IN("S 0 mss 1000");
            n = ask();
            WAIT(59.9);
            CHECK_EQ(tcpsm_stack_answer(sw.st, n, TCPSM_ACCEPT), 0);
            OUT("SA 0 ack 1 mss 1460");
            IN("A 1 ack 1");
            ACCEPT();
        }
}

/* "a now before the last one counts as the last one" */
TEST(clock_going_back_changes_nothing)
{
    START();
    UP();
    LISTENER(80, 0, 0);
    w.p.now += 10000000;
    IN("S 0 mss 1000");
    w.p.now -= 9000000;
    CHECK(stackwire_next_out() != 0);
    stackwire__learn();
    CHECK_EQ(w.seg.flags, PAIR_SYN | PAIR_ACK);
    w.p.now += 9000000;
    NONE();
    WAIT(1);
    OUT("SA 0 ack 1 mss 1460");
    w.p.now -= 5000000;
    IN("PA 1 ack 1 len 10");
    GOT(ACCEPT(), 10);
    w.p.now += 5000000;
    WAIT(0.04);
    OUT("A 1 ack 11");
}

/* A laptop that slept for a year. */
TEST(clock_that_jumps_expires_all)
{
    int i;

    START();
    sw.cfg.conns = 64;
    sw.cfg.syn_entries = 64;
    sw.cfg.rcv_ring = sw.cfg.snd_ring = 512;
    UP();
    LISTENER(80, 0, 0);
    LISTENER(81, 0, TCPSM_LISTEN_ASK);
    for (i = 0; i < 60; i++) {
        PEER(i);
        if (i % 2)
            w.tuple.local_port = 81;
        IN("S 0 mss 1000");
    }
    DRAIN();
    CHECK_EQ(INFO(syns), 60);
    w.p.now += (tcpsm_time)365 * 86400 * 1000000;
    for (i = 0; i < 8; i++) {
        CHECK_LE(DRAIN(), 64);
        w.p.now += 20000000;
    }
    DRAIN();
    CHECK_EQ(INFO(syns), 0);
    CHECK_EQ(INFO(held), 0);
    CHECK_EQ(tcpsm_stack_deadline(sw.st), TCPSM_NEVER);
}

/* The next to be asked about goes away; the others are still asked, in
   their order. */
TEST(held_syns_are_asked_in_order_whoever_leaves)
{
    tcpsm_tuple who;
    int gone, i, n;

    for (gone = 0; gone < 4; gone++) {
        START();
        UP();
        LISTENER(80, 0, TCPSM_LISTEN_ASK);
        for (i = 0; i < 4; i++) {
            PEER(i);
            IN("S 0 mss 1000");
        }
        PEER(gone);
        IN_ANY("R 1");
        for (i = 0, n = 0; i < 4; i++) {
            if (i == gone)
                continue;
            if (n++ == 1) { /* and one that was asked about */
                PEER(gone == 0 ? 1 : 0);
                IN_ANY("R 1");
            }
            CHECK_GE(tcpsm_stack_ask(sw.st, &who), 0);
            CHECK_EQ(who.remote[3], 2 + i);
        }
        CHECK_EQ(ask(), TCPSM_E_NONE);
        PEER(5); /* a new one comes last */
        IN("S 0 mss 1000");
        CHECK_GE(tcpsm_stack_ask(sw.st, &who), 0);
        CHECK_EQ(who.remote[3], 7);
    }
}

TEST(no_ring_fin_with_data_on_the_third_ack)
{
    static uint8_t ring[4096];
    tcpsm_conn *c;

    START();
    sw.cfg.rcv_ring = sw.cfg.snd_ring = 0;
    sw.cfg.conn.rcv_promise = 4096;
    UP();
    LISTENER(80, 0, 0);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 win 4096 mss 1460");
    IN_DROP(TCPSM_DROP_NO_DATA, "FPA 1 ack 1 len 100 nodata");
    c = ACCEPT();
    CHECK_EQ(tcpsm_state(c), TCPSM_ESTABLISHED); /* no FIN before its data */
    DRAIN();
    IN_RET(TCPSM_E_RING, "FPA 1 ack 1 len 100");
    CHECK_EQ(tcpsm_attach(c, TCPSM_RECEIVE, ring, sizeof ring, NULL), 0);
    IN("FPA 1 ack 1 len 100");
    OUT("A 1 ack 102");
    CHECK_EQ(tcpsm_state(c), TCPSM_CLOSE_WAIT);
    GOT(c, 100);
}

/* Tables of one, rings of next to nothing: everything still works. */
TEST(odd_sizes)
{
    static const uint32_t sizes[] = {0, 1, 2, 3, 4, 5, 63, 70000};
    static uint8_t own[2][64];
    uint32_t i, k, conns;

    for (i = 0; i < 8; i++)
        for (k = 0; k < 8; k++)
            for (conns = 1; conns < 4; conns++) {
                tcpsm_conn *c;
                tcpsm_ret r;

                START();
                CONTEXT("rings %u and %u, %u connections", sizes[i], sizes[k],
                        conns);
                sw.cfg.conn.flags = TCPSM_NO_TS;
                sw.cfg.conns = conns;
                sw.cfg.syn_entries = sw.cfg.timewait_entries = 1;
                sw.cfg.replies = 1;
                sw.cfg.listeners = 1;
                sw.cfg.addresses = 2;
                sw.cfg.rcv_ring = sizes[i];
                sw.cfg.snd_ring = sizes[k];
                sw.cfg.rings = sizes[i] + sizes[k] ? conns : 0;
                sw.cfg.conn.rcv_promise = 64;
                UP();
                LISTENER(80, 0, 0);
                IN("S 0 mss 1000 ws 2 sackok");
                CHECK(stackwire_next_out() != 0);
                stackwire__learn();
                CHECK_EQ(w.seg.flags, PAIR_SYN | PAIR_ACK);
                CHECK_EQ(w.seg.wnd, !sizes[i]          ? 64
                                    : sizes[i] < 65535 ? sizes[i]
                                                       : 65535);
                r = IN_ANY("PA 1 ack 1 len 1");
                CHECK_EQ(r, sizes[i] ? 0 : TCPSM_E_RING);
                c = ACCEPT();
                if (r) {
                    CHECK_EQ(tcpsm_attach(c, TCPSM_RECEIVE, own[0], 64, NULL),
                             0);
                    IN("PA 1 ack 1 len 1");
                }
                if (!sizes[k])
                    CHECK_EQ(tcpsm_attach(c, TCPSM_SEND, own[1], 64, NULL),
                             0);
                GOT(c, 1);
                SENT(c, 1);
                while (stackwire_next_out() != 0)
                    continue;
                IN_ANY("A 2 ack 2");
                DRAIN();
                CHECK_EQ(tcpsm_close(c), 0);
                CHECK(stackwire_next_out() != 0);
                CHECK_EQ(w.seg.flags & PAIR_FIN, PAIR_FIN);
                IN("FA 2 ack 3");
                OUT("A 3 ack 3");
                NONE();
                CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
                stackwire__touched();
                stackwire__touched();
                CHECK_EQ(INFO(conns), 0);
                CHECK_EQ(INFO(rings), 0);
                CHECK_EQ(INFO(timewaits), 1);
            }
}

/* And after the handshake: the same segments, the same calls, and every
   answer and every timer of layer 1 at its very microsecond, though the
   stack's wheel knows slots only. */
static void model_time(tcpsm_time to)
{
    tcpsm_time d, e;
    uint32_t turns = 0;

    for (;;) {
        CHECK_LT(++turns, 1000u);
        d = tcpsm_deadline(&model);
        e = tcpsm_stack_deadline(sw.st);
        CHECKF(e <= d || d <= w.p.now, "layer 1 at %llu, the stack at %llu",
               (unsigned long long)d, (unsigned long long)e);
        d = d < e ? d : e;
        if (d > to)
            break;
        if (d > w.p.now)
            w.p.now = d;
        model_outputs(0);
    }
    w.p.now = to;
    model_outputs(0);
}

TEST(connection_does_what_layer_1_does_when_it_does)
{
    static const uint32_t ms[] = {0, 0, 1, 5, 40, 200, 1000, 60000};
    static uint8_t data[2000];
    uint32_t i, n, sent, got;
    uint64_t seed;

    for (seed = 1; seed <= 60; seed++) {
        struct tcpsm_info s;
        tcpsm_conn *c;
        uint32_t put = 1;

        model_start(seed);
        CONTEXT("seed %llu", (unsigned long long)seed);
        w.ts = 0;
        w.ts_clock = 1000;
        IN_ANY("S 0 mss 500 %s %s", model_dice(2) ? "sackok" : "",
               model_dice(2) ? "ts 1000 0" : "");
        model_compare();
        w.ts = w.seg.timestamps;
        w.p.now += 20000;
        IN("A 1 ack 1");
        model_compare();
        c = ACCEPT();
        for (i = 0; i < 120 && tcpsm_state(c) != TCPSM_CLOSED; i++) {
            CONTEXT("seed %llu step %u", (unsigned long long)seed, i);
            tcpsm_status(c, &s);
            switch (model_dice(8)) {
            case 0:
            case 1: /* text, in order, again, or beyond a hole */
                n = 1 + model_dice(300);
                IN_ANY("PA %u ack %u len %u",
                       model_dice(4) ? put : put + model_dice(500),
                       s.snd_una - w.iss, n);
                model_compare();
                tcpsm_status(c, &s);
                put = s.rcv_nxt - w.irs;
                break;
            case 2:
            case 3:
            case 4: /* an ACK, or one again */
                n = model_dice(3) ? s.snd_nxt : s.snd_una;
                IN_ANY("A %u ack %u win %u", put, n - w.iss,
                       model_dice(10) ? 8000 : 0);
                model_compare();
                break;
            case 5:
                n = 1 + model_dice(1500);
                sent = (uint32_t)tcpsm_send(c, data, n, 0);
                CHECK_EQ(tcpsm_send(&model, data, n, 0), (tcpsm_ret)sent);
                model_outputs(0);
                break;
            case 6:
                n = 1 + model_dice(1500);
                got = (uint32_t)tcpsm_receive(c, data, n);
                CHECK_EQ(tcpsm_receive(&model, data, n), (tcpsm_ret)got);
                model_outputs(0);
                break;
            default:
                model_time(w.p.now + (tcpsm_time)ms[model_dice(8)] * 1000 +
                           model_dice(1000));
            }
            stackwire__touched();
        }
        CHECK_EQ(tcpsm_state(&model), tcpsm_state(c));
        CHECK_EQ(tcpsm_error(&model), tcpsm_error(c));
    }
}
