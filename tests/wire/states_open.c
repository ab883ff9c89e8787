/* Opening: RFC 9293 sections 3.4, 3.5, 3.10.1, 3.10.7.2 and 3.10.7.3. */

#include "test.h"

#include "tcpsm.h"

#define PAIR_SLOTS 64
#include "wire.h"

/* RFC 9293 figure 6, the side of TCP peer B */
TEST(RFC9293_s3_5_passive_open)
{
    START();
    LISTEN();
    STATE(TCPSM_LISTEN);
    DEADLINE_NEVER();
    IN("S 0 win 5000 mss 1000");
    STATE(TCPSM_SYN_RECEIVED);
    OUT("SA 0 ack 1 mss 1460 win 65535");
    AT(0.1);
    IN("A 1 ack 1 win 5000");
    STATE(TCPSM_ESTABLISHED);
    CHECK(tcpsm_take(w.c) & TCPSM_EV_CONNECTED);
    NONE();
    DEADLINE_NEVER();
}

/* ... and of TCP peer A. RFC9293-MUST-14, RFC9293-SHLD-5: MSS in the SYN */
TEST(RFC9293_s3_5_active_open)
{
    START();
    OPEN();
    STATE(TCPSM_SYN_SENT);
    OUT("S 0 mss 1460 win 65535");
    CHECK_EQ(w.seg.ack, 0);
    AT(0.1);
    IN("SA 0 ack 1 win 5000 mss 1000");
    STATE(TCPSM_ESTABLISHED);
    OUT("A 1 ack 1");
    CHECK(tcpsm_take(w.c) & TCPSM_EV_CONNECTED);
    DEADLINE_NEVER();
}

/* 9293-u4: data rides on the ACK of the SYN,ACK */
TEST(RFC9293_u4_text_rides_on_the_third_segment)
{
    START();
    OPEN();
    SEND(100);
    OUT("S 0 mss 1460");
    NONE();
    IN("SA 0 ack 1 win 5000");
    OUT("PA 1 ack 1 len 100");
    NONE();
}

/* The third ACK may bring text and even the FIN: nothing is lost. */
TEST(third_segment_with_text_and_fin)
{
    START();
    LISTEN();
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    IN("FPA 1 ack 1 win 5000 len 20");
    STATE(TCPSM_CLOSE_WAIT);
    OUT("A 1 ack 22");
    READ(20);
    READ_IS(TCPSM_E_EOF);
}

/* ... nor if there is no ring yet: it is asked for, without a change. */
TEST(third_segment_with_text_asks_for_a_ring)
{
    tcpsm_conn before;

    START();
    w.rcv_ring = 0;
    w.cfg.rcv_promise = 4096;
    LISTEN();
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460 win 4096");
    before = *w.c;
    IN_RET(TCPSM_E_RING, "PA 1 ack 1 win 5000 len 20");
    CHECK_MEM(&before, w.c, sizeof before);
    CHECK(w.in.conn == w.c);
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_RECEIVE, w.p.rcv[0], 8192, NULL), 0);
    IN("PA 1 ack 1 win 5000 len 20");
    STATE(TCPSM_ESTABLISHED);
    READ(20);
}

/* SYN,ACK with text and FIN: RFC 9293 s3.10.7.3 goes on at the sixth */
TEST(syn_ack_with_text_and_fin)
{
    START();
    OPEN();
    OUT("S 0 mss 1460");
    IN("FSA 0 ack 1 win 5000 len 7");
    STATE(TCPSM_CLOSE_WAIT);
    OUT("A 1 ack 9");
    READ(7);
    READ_IS(TCPSM_E_EOF);
}

/* RFC9293-MUST-10: figure 7 */
TEST(RFC9293_MUST_10_simultaneous_open)
{
    START();
    OPEN();
    OUT("S 0 mss 1460");
    IN("S 0 win 5000 mss 1000");
    STATE(TCPSM_SYN_RECEIVED);
    OUT("SA 0 ack 1 mss 1460");
    IN("SA 0 ack 1 win 5000");
    STATE(TCPSM_ESTABLISHED);
    OUT("A 1 ack 1");
    NONE();
    SEND(10);
    OUT("PA 1 ack 1 len 10");
}

/* The peer's SYN,ACK is lost; its ACK of ours does it. */
TEST(RFC9293_MUST_10_simultaneous_open_by_pure_ack)
{
    START();
    OPEN();
    OUT("S 0 mss 1460");
    IN("S 0 win 5000 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1 win 5000");
    STATE(TCPSM_ESTABLISHED);
    NONE();
}

/* The two SYNs cross before ours has left. */
TEST(simultaneous_open_before_our_syn_is_out)
{
    START();
    OPEN();
    w.iss = wire__probe_iss();
    IN("S 0 win 5000 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN("SA 0 ack 1 win 5000");
    STATE(TCPSM_ESTABLISHED);
    OUT("A 1 ack 1");
}

/* Both ends are tcpsm, and both open. */
TEST(RFC9293_MUST_10_two_of_us)
{
    static pair p;
    pair_options o;

    memset(&o, 0, sizeof o);
    pair_init(&p, &o);
    p.net.link[0].delay_us = p.net.link[1].delay_us = 10000;
    CHECK_EQ(tcpsm_open(&p.c[0], &p.tuple[0], p.now), 0);
    CHECK_EQ(tcpsm_open(&p.c[1], &p.tuple[1], p.now), 0);
    CHECK(pair_reach(&p, 0, TCPSM_ESTABLISHED, PAIR_SECOND));
    CHECK(pair_reach(&p, 1, TCPSM_ESTABLISHED, PAIR_SECOND));
    CHECK(pair_quiet(&p, 10 * PAIR_SECOND));
    CHECK(p.net.link[0].index <= 3);
    CHECK(pair_transfer(&p, 20000, 20000, 60 * PAIR_SECOND));
}

/* One connection whose packets come back to it. */
TEST(self_connect_and_close)
{
    tcpsm_time d;
    int segments = 0, shut = 0;

    START();
    memcpy(w.tuple.remote, w.tuple.local, 16);
    w.tuple.remote_port = w.tuple.local_port;
    OPEN();
    SEND(1000);
    while ((d = tcpsm_deadline(w.c)) <= w.t0 + 30 * PAIR_SECOND) {
        static uint8_t copy[PAIR_PACKET];
        uint32_t n;
        tcpsm_in in;

        if (d > w.p.now)
            w.p.now = d;
        wire__fill();
        if (!w.q_n)
            continue;
        n = w.q[w.q_head].len;
        memcpy(copy, w.q[w.q_head].bytes, n);
        wire__take();
        CHECK_LT(segments++, 20);
        memset(&in, 0, sizeof in);
        in.src = w.tuple.local;
        in.dst = w.tuple.remote;
        in.data = copy;
        in.len = n;
        in.family = 4;
        CHECK_EQ(tcpsm_input(w.c, &in, w.p.now), 0);
        wire__touched();
        if (!shut && tcpsm_events(w.c) & TCPSM_EV_READABLE) {
            STATE(TCPSM_ESTABLISHED);
            SHUTDOWN();
            shut = 1;
        }
    }
    STATE(TCPSM_TIME_WAIT);
    CHECK_EQ(tcpsm_receive(w.c, w.buf, 2000), 1000);
    READ_IS(TCPSM_E_EOF);
}

/* 9293-u12: text in a SYN is not delivered before the handshake is done */
TEST(RFC9293_u12_text_in_a_syn_waits)
{
    START();
    LISTEN();
    IN("S 0 win 5000 len 10");
    READ(0);
    EVENTS(0);
    CHECK(!(tcpsm_events(w.c) & TCPSM_EV_READABLE));
    OUT("SA 0 ack * mss 1460");
    READ(0);
    IN("A 11 ack 1 win 5000");
    STATE(TCPSM_ESTABLISHED);
    CHECK(tcpsm_take(w.c) & TCPSM_EV_READABLE);
    READ(10);
}

/* ... and is forgotten when the SYN proves to be nobody's. */
TEST(RFC9293_u12_text_in_a_syn_is_forgotten)
{
    START();
    LISTEN();
    IN("S 0 win 5000 len 10");
    OUT("SA 0 ack * mss 1460");
    IN("R 11");
    STATE(TCPSM_LISTEN);
    w.irs += 5000;
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    READ(0);
    IN("PA 1 ack 1 len 5");
    READ(5);
}

/* A FIN with the SYN is not taken in LISTEN (RFC 9293 s3.10.7.2). */
TEST(syn_fin_in_listen_opens_without_the_fin)
{
    START();
    LISTEN();
    IN("FS 0 win 5000");
    STATE(TCPSM_SYN_RECEIVED);
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1 win 5000");
    STATE(TCPSM_ESTABLISHED);
}

/* RFC 9293 s3.10.7.2, first to third */
TEST(listen_ignores_reset_refuses_ack_drops_the_rest)
{
    START();
    LISTEN();
    IN_NOTHING(TCPSM_DROP_RST, "R 0");
    IN_NOTHING(TCPSM_DROP_RST, "RA 0 ack 5");
    IN_NOTHING(TCPSM_DROP_RST, "RSA 0 ack 5");
    IN_NOTHING(TCPSM_DROP_NO_SYN, "F 0");
    IN_NOTHING(TCPSM_DROP_NO_SYN, ". 0 len 10");
    IN_RET(TCPSM_E_NOT_MINE, "A 77 ack 1234");
    CHECK_EQ(w.in.drop, TCPSM_DROP_BAD_ACK);
    STRANGER("R 1234"); /* <SEQ=SEG.ACK><CTL=RST> */
    IN_RET(TCPSM_E_NOT_MINE, "SA 77 ack 1234");
    STRANGER("R 1234");
    STATE(TCPSM_LISTEN);
    NONE();
}

/* RFC 9293 s3.10.7.3, first: an unacceptable ACK */
TEST(syn_sent_resets_an_unacceptable_ack)
{
    START();
    OPEN();
    OUT("S 0 mss 1460");
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 500 ack 0");
    OUT("R 0");
    IN_DROP(TCPSM_DROP_BAD_ACK, "SA 500 ack 2");
    OUT("R 2");
    NONE();
    STATE(TCPSM_SYN_SENT);
    IN_NOTHING(TCPSM_DROP_RST, "RA 500 ack 0"); /* never to a reset */
    IN_NOTHING(TCPSM_DROP_RST, "RA 500 ack 2");
    IN_NOTHING(TCPSM_DROP_RST, "R 500"); /* RFC5961-5 */
    IN_NOTHING(TCPSM_DROP_NO_SYN, "A 500 ack 1");
    IN_NOTHING(TCPSM_DROP_NO_SYN, "FA 500 ack 1 len 3");
    IN_NOTHING(TCPSM_DROP_NO_SYN, "F 500");
    STATE(TCPSM_SYN_SENT);
}

/* Before our SYN is out there is nothing to acknowledge. */
TEST(syn_sent_before_the_syn_is_out)
{
    START();
    OPEN();
    w.iss = wire__probe_iss();
    IN_DROP(TCPSM_DROP_RST, "RA 5 ack 0");
    IN_DROP(TCPSM_DROP_RST, "RA 5 ack 1");
    IN_DROP(TCPSM_DROP_BAD_ACK, "SA 500 ack 0");
    STATE(TCPSM_SYN_SENT);
    OUT("R 0");
    IN_DROP(TCPSM_DROP_BAD_ACK, "SA 500 ack 1");
    STATE(TCPSM_SYN_SENT);
    OUT("R 1");
    OUT("S 0 mss 1460");
}

/* RFC9293-MUST-12, RFC5961-5 and erratum 8167: any SEQ, the right ACK */
TEST(RFC5961_5_syn_sent_refused)
{
    START();
    OPEN();
    OUT("S 0 mss 1460");
    IN("RA 123456 ack 1");
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_REFUSED);
    EVENTS(TCPSM_EV_ERROR | TCPSM_EV_DONE);
    READ_IS(TCPSM_E_REFUSED);
    CHECK_EQ(tcpsm_send(w.c, "x", 1, 0), TCPSM_E_REFUSED);
    DEADLINE_NEVER();
    CHECK_EQ(COUNT(failed), 1);
}

/* An answer to an old duplicate SYN: figure 8 */
TEST(RFC9293_figure_8_old_duplicate_syn)
{
    START();
    LISTEN();
    w.irs -= 30000;
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    IN("R 1"); /* the peer: SEQ = our ACK */
    STATE(TCPSM_LISTEN);
    NONE();
    w.irs += 30000;
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
}

/* The old half of a connection meets a new SYN: figures 9 and 10 */
TEST(RFC9293_figure_9_half_open)
{
    START();
    ACCEPTED("win 5000");
    w.irs += 5000000; /* the peer crashed and opens anew */
    IN_DROP(TCPSM_DROP_SYN, "S 0");
    w.irs -= 5000000;
    OUT("A 1 ack 1");
    IN("R 1"); /* SEQ = SEG.ACK */
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_RESET);
    EVENTS(TCPSM_EV_ERROR | TCPSM_EV_DONE);
    NONE();
}

/* RFC 9293 s3.10.7.4, fifth: in SYN-RECEIVED a bad ACK is reset */
TEST(syn_received_resets_an_unacceptable_ack)
{
    START();
    LISTEN();
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack 0");
    OUT("R 0");
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack 2 len 10");
    OUT("R 2");
    IN_DROP(TCPSM_DROP_BAD_ACK, "FA 1 ack -1000");
    OUT("R -1000");
    STATE(TCPSM_SYN_RECEIVED);
    IN("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
}

/* RFC 7323 s5.2: a reset that answers a segment with a timestamp echoes it
   and has none of its own; one that the owner asked for is as any other. */
TEST(RFC7323_13_reset_echoes_the_timestamp_in_syn_received)
{
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    LISTEN();
    IN("S 0 win 5000 ts 700 0");
    OUT("SA 0 ack 1 mss 1460 ts * 700");
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack 5 ts 701 *");
    OUT("R 5 ts 0 701");
}

TEST(RFC7323_13_reset_echoes_the_timestamp_in_syn_sent)
{
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    OPEN();
    OUT("S 0 mss 1460 ts * 0");
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 500 ack 77 ts 701 5");
    OUT("R 77 ts 0 701");
}

TEST(RFC7323_13_reset_of_an_abort_has_a_timestamp)
{
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    OPENED("win 5000 ts 700 0");
    CHECK(w.seg.timestamps);
    ABORT();
    OUT("RA 1 ack 1 ts * 700");
}

/* RFC 9293 s3.5, erratum 8710 and 9293-u10: RST and SYN */
TEST(RFC9293_u10_passive_syn_received_listens_again)
{
    const char *const back[] = {"R 1", "RA 1 ack 1", "S 100", "S 1"};
    uint32_t i;

    for (i = 0; i < 4; i++) {
        CONTEXT("%s", back[i]);
        START();
        LISTEN();
        IN("S 0 win 5000 mss 700");
        OUT("SA 0 ack 1 mss 1460");
        IN_ANY("%s", back[i]);
        STATE(TCPSM_LISTEN);
        EVENTS(0);
        NONE();
        DEADLINE_NEVER();
        /* The wildcards are back: another host, another port. */
        w.tuple.remote[3] = 77;
        w.tuple.remote_port = 7777;
        IN("S 0 win 5000");
        OUT("SA 0 ack 1 mss 1460");
        CHECK_EQ(w.last.tuple.remote[3], 77);
        IN("A 1 ack 1");
        STATE(TCPSM_ESTABLISHED);
    }
}

/* Nothing at all of the stray SYN is left in the control block. */
TEST(listen_again_is_as_before)
{
    tcpsm_conn before;

    START();
    w.cfg.flags = 0;
    LISTEN();
    before = *w.c;
    IN("S 0 win 5000 mss 700 ws 3 sackok ts 77 0 len 30");
    OUT("SA 0 ack 31 mss 1460 ws * sackok ts * 77");
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 31 ack 99 ts 78 *");
    IN("R 31");
    STATE(TCPSM_LISTEN);
    CHECK_MEM(&before, w.c, sizeof before);
}

/* A bad ACK and the good one in a batch: the reset for the first must not
   go out as one of the connection. */
TEST(reset_for_a_bad_ack_and_then_the_good_one)
{
    START();
    LISTEN();
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack 77");
    IN("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
    wire__fill();
    if (w.q_n)
        OUT("R 77");
    NONE();
}

/* RFC9293-MUST-11: the same in SYN-RECEIVED that came from SYN-SENT */
TEST(RFC9293_MUST_11_active_syn_received_is_refused)
{
    START();
    OPEN();
    OUT("S 0 mss 1460");
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    IN_DROP(TCPSM_DROP_SYN, "S 100"); /* in the window: a challenge */
    OUT("A 1 ack 1");
    STATE(TCPSM_SYN_RECEIVED);
    IN("R 1");
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_REFUSED);
}

/* In SYN-RECEIVED the SYN again: our SYN,ACK was lost. */
TEST(syn_received_answers_the_same_syn_again)
{
    START();
    LISTEN();
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    AT(0.5);
    IN_ANY("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
}

/* ... also if it brought text. */
TEST(syn_received_answers_the_same_syn_with_text_again)
{
    START();
    LISTEN();
    IN("S 0 win 5000 len 10");
    OUT("SA 0 ack * mss 1460");
    AT(0.5);
    IN_ANY("S 0 win 5000 len 10");
    OUT("SA 0 ack * mss 1460");
}

/* A stray SYN holds the only slot for about seven seconds. */
TEST(unanswered_syn_acks_listen_again)
{
    START();
    LISTEN();
    IN("S 0 win 5000");
    OUT("SA 0 ack 1 mss 1460");
    AT(1);
    OUT("SA 0 ack 1 mss 1460");
    AT(3);
    OUT("SA 0 ack 1 mss 1460");
    DEADLINE(7);
    AT(7);
    NONE();
    STATE(TCPSM_LISTEN);
    EVENTS(0);
    DEADLINE_NEVER();
    w.tuple.remote_port = 12345;
    IN("S 0");
    OUT("SA 0 ack 1 mss 1460");
}

/* Wildcards restored one by one: what was given stays required. */
TEST(listen_with_a_given_remote)
{
    tcpsm_tuple t;

    START();
    wire__init();
    t = w.tuple;
    t.remote_port = 0;
    CHECK_EQ(tcpsm_listen(w.c, &t, w.p.now), 0);
    IN("S 0");
    OUT("SA 0 ack 1 mss 1460");
    IN("R 1");
    STATE(TCPSM_LISTEN);
    w.tuple.remote[3] = 99;
    IN_NOTHING(TCPSM_DROP_NOT_MINE, "S 0");
    w.tuple.remote[3] = 2;
    w.tuple.remote_port = 99;
    IN("S 0");
    STATE(TCPSM_SYN_RECEIVED);
}

/* Family 0: whoever comes first */
TEST(listen_for_both_families)
{
    tcpsm_tuple t;
    int round;

    START();
    wire__init();
    memset(&t, 0, sizeof t);
    t.local_port = w.tuple.local_port;
    CHECK_EQ(tcpsm_listen(w.c, &t, w.p.now), 0);
    wire__touched();
    for (round = 0; round < 4; round++) {
        uint8_t family = round & 1 ? 4 : 6;

        pair__names(&w.p, family);
        w.tuple = w.p.tuple[PAIR_A];
        w.family = family;
        IN("S 0 win 5000");
        if (family == 4)
            OUT("SA 0 ack 1 mss 1460");
        else
            OUT("SA 0 ack 1 mss 1440");
        CHECK_EQ(w.last.tuple.family, family);
        CHECK_MEM(w.last.tuple.local, w.tuple.local, 16);
        CHECK_MEM(w.last.tuple.remote, w.tuple.remote, 16);
        if (round < 3)
            IN("R 1");
    }
    IN("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
}

/* RFC9293-MUST-15: no MSS option */
TEST(RFC9293_MUST_15_default_mss)
{
    START();
    OPENED("win 65535");
    SEND(2000);
    OUT("A 1 ack 1 len 536");
    START6();
    OPENED("win 65535");
    SEND(3000);
    OUT("A 1 ack 1 len 1220");
}

/* tcpsm_set(MAXSEG) before listen asks for it too, after each SYN. */
TEST(maxseg_of_a_listener_is_asked_for_and_kept)
{
    START();
    wire__init();
    SET(TCPSM_SET_MAXSEG, 600);
    LISTEN();
    IN("S 0 win 5000 mss 1460");
    OUT("SA 0 ack 1 mss 600");
    IN("R 1");
    STATE(TCPSM_LISTEN);
    IN("S 0 win 5000 mss 1460");
    OUT("SA 0 ack 1 mss 600");
    IN("A 1 ack 1 win 5000");
    SEND(2000);
    OUT("A 1 ack 1 len 600");
}

/* What a peer's path taught is not the listener's. */
TEST(path_mtu_is_forgotten_with_the_syn_that_taught_it)
{
    uint8_t m[64];

    START();
    LISTEN();
    IN("S 0 win 5000 mss 1460");
    OUT("SA 0 ack 1 mss 1460");
    memset(m, 0, sizeof m);
    m[0] = 3, m[1] = 4;
    pair_put16(m + 6, 576);
    m[8] = 0x45;
    pair_put16(m + 10, 44);
    m[17] = 6;
    memcpy(m + 20, w.tuple.local, 4);
    memcpy(m + 24, w.tuple.remote, 4);
    memcpy(m + 28, w.last.bytes, 8);
    CHECK_EQ(tcpsm_icmp(w.c, m, 36, 4, w.p.now), 0);
    wire__touched();
    IN("R 1");
    STATE(TCPSM_LISTEN);
    w.tuple.remote[3] = 99;
    IN("S 0 win 5000 mss 1460");
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1 win 5000");
    SEND(2000);
    OUT("A 1 ack 1 len 1460");
}

/* Everything near 2^32, both directions */
TEST(isns_near_wrap)
{
    uint32_t i;

    for (i = 0; i < 6; i++) {
        const uint32_t edge[] = {0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFF0,
                                 0x7FFFFFFF, 0x80000000, 0xFFFFFC00};

        CONTEXT("ISNs %x", edge[i]);
        START();
        w.want_iss = edge[i];
        w.irs = edge[i];
        OPEN();
        OUT("S 0 mss 1460");
        CHECK_EQ(w.iss, edge[i]);
        IN("SA 0 ack 1 win 5000 mss 1000");
        OUT("A 1 ack 1");
        SEND(2500);
        OUT("A 1 ack 1 len 1000");
        OUT("A 1001 ack 1 len 1000");
        IN("A 1 ack 1001 win 5000");
        IN("A 1 ack 2001 win 5000");
        OUT("PA 2001 ack 1 len 500");
        IN("PA 1 ack 2501 win 5000 len 1000");
        IN("PA 1001 ack 2501 win 5000 len 1000");
        OUT("A 2501 ack 2001");
        IN_DROP(TCPSM_DROP_OLD_DATA, "PA 1001 ack 2501 len 1000");
        OUT("A 2501 ack 2001");
        READ(2000);
        SHUTDOWN();
        OUT("FA 2501 ack 2001");
        IN("FA 2001 ack 2502");
        STATE(TCPSM_TIME_WAIT);
        OUT("A 2502 ack 2002");
    }
}

/* ---- a handshake done elsewhere ---------------------------------------- */

static void from_facts(uint32_t maxseg)
{
    tcpsm_facts f;

    START();
    wire__init();
    if (maxseg)
        SET(TCPSM_SET_MAXSEG, maxseg);
    memset(&f, 0, sizeof f);
    w.iss = 777000;
    f.snd_nxt = w.iss + 1;
    f.rcv_nxt = w.irs + 1;
    f.snd_wnd = 5000;
    f.rcv_wnd = 65535;
    f.peer_mss = 1460;
    CHECK_EQ(tcpsm_open_from(w.c, &w.tuple, &f, w.p.now), 0);
    wire__touched();
    STATE(TCPSM_ESTABLISHED);
}

TEST(open_from_goes_on_like_any_other)
{
    from_facts(0);
    EVENTS(TCPSM_EV_CONNECTED);
    IN("PA 1 ack 1 len 10");
    SEND(2000);
    OUT("A 1 ack 11 len 1460");
    IN("FA 11 ack 1461 win 5000");
    STATE(TCPSM_CLOSE_WAIT);
    OUT("PA 1461 ack 12 len 540");
    READ(10);
    READ_IS(TCPSM_E_EOF);
}

/* SET_MAXSEG before the open is a limit of segments, whatever times out. */
TEST(maxseg_before_open_from)
{
    struct tcpsm_info i;

    from_facts(600);
    SEND(2000);
    OUT("A 1 ack 1 len 600");
    wire__fill();
    w.q_n = 0;
    while (tcpsm_deadline(w.c) <= w.p.now) {
        wire__fill();
        w.q_n = 0;
    }
    wire__at(tcpsm_deadline(w.c));
    OUT("A 1 ack 1 len 600");
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.mtu, 1500);
    from_facts(48);
    SEND(200);
    wire__fill();
    w.q_n = 0;
    while (tcpsm_deadline(w.c) <= w.p.now) {
        wire__fill();
        w.q_n = 0;
    }
    wire__at(tcpsm_deadline(w.c));
    OUT("A 1 ack 1 len 48");
}

/* CLOSED with a reset still to go out is not DONE. */
TEST(open_from_while_a_reset_is_due)
{
    tcpsm_facts f;

    START();
    OPENED("win 5000");
    tcpsm_facts_of(w.c, &f);
    ABORT();
    CHECK_EQ(tcpsm_open_from(w.c, &w.tuple, &f, w.p.now), TCPSM_E_STATE);
    OUT("RA 1 ack 1");
    CHECK_EQ(tcpsm_open_from(w.c, &w.tuple, &f, w.p.now), 0);
}
