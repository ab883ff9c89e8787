/* What a sender decides at the edges: windows without a ring, the initial
   window of odd segment sizes, records of one octet, timers before the first
   probe, and what a controller is told. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#include "stream.h"

/* RFC9293-MUST-39 without a ring: the promise grows by half of itself, less
   than a segment, and that is worth telling. */
TEST(promise_that_grows_is_told)
{
    START();
    w.rcv_ring = 0;
    w.cfg.rcv_promise = 1000;
    OPENED("win 5000");
    SET(TCPSM_SET_PROMISE, 1900); /* 900: less than half of 1900 */
    IN_ANY("A 0 ack 1");
    OUT("A 1 ack 1 win 1000");
    SET(TCPSM_SET_PROMISE, 2000);
    IN_ANY("A 0 ack 1");
    OUT("A 1 ack 1 win 2000");
}

/* A promise must be worth four units of the scale, or nobody could speak of
   it, however large the rings to come are. */
TEST(small_promise_bounds_the_scale)
{
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
    w.cfg.rcv_max = 16u << 20; /* would be 9 */
    w.cfg.rcv_promise = 1024;
    w.rcv_ring = 0;
    OPEN();
    OUT("S 0 mss 1460 ws 8 win 1024");
}

/* RFC 6928 s2: min(10 MSS, max(2 MSS, 14600)), to the octet */
TEST(RFC6928_initial_window_to_the_octet)
{
    static const uint32_t row[][2] = {
        {536, 5360},   {1460, 14600}, {1461, 14600}, {2000, 14600},
        {7300, 14600}, {7301, 14602}, {8960, 17920}};
    uint32_t k;

    for (k = 0; k < sizeof row / sizeof *row; k++) {
        CONTEXT("MSS %u", row[k][0]);
        START();
        w.cfg.mtu = 9000;
        WIRE__STEP("mss %u win 65535", row[k][0]);
        wire__handshake(1);
        CHECK_EQ(stream_info().cwnd, row[k][1]);
    }
}

static uint32_t told_srtt, told;

static void listen_to(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    (void)s;
    told_srtt = e->srtt_us;
    told++;
}

/* tcpsm_cc_event.srtt_us is what SRTT was when the event happened, which is
   what CUBIC looks a round trip ahead by. */
TEST(controller_is_told_srtt)
{
    static const tcpsm_cc mine = {200,  NULL, listen_to, NULL,
                                  NULL, NULL, NULL,      NULL};

    START();
    w.cfg.cc = &mine;
    OPEN();
    OUT("S 0 mss 1460");
    AT(0.1);
    IN("SA 0 ack 1 mss 1000 win 65535");
    OUT("A 1 ack 1");
    SEND(1000);
    FLIGHT(1, 1, 1000);
    AT(0.2);
    told = 0;
    IN("A 1 ack 1001");
    CHECK_EQ(told, 1);
    CHECK_EQ(told_srtt, 100000);
}

/* tcpsm_send: no segment spans a record's end, not even of one octet */
TEST(record_of_one_octet)
{
    START();
    w.cfg.flags |= TCPSM_NODELAY;
    OPENED("mss 1000 win 5000");
    SEND_FLAGS(1, TCPSM_EOR);
    SEND(10);
    OUT("PA 1 ack 1 len 1");
    OUT("PA 2 ack 1 len 10");
}

/* RFC9293-MUST-26: data that waits for the window is a reason not to send
   keep-alives either: the window probe asks the same. */
TEST(no_keepalive_before_the_first_window_probe)
{
    START();
    OPENED("mss 1000 win 5000");
    SET(TCPSM_SET_KEEP_IDLE, 100);
    SET(TCPSM_SET_KEEPALIVE, 1);
    IN("A 1 ack 1 win 0");
    NONE();
    DEADLINE(0.1);
    SEND(10);
    NONE();
    DEADLINE(stream_info().rto_us / 1e6);
    AT(stream_info().rto_us / 1e6);
    OUT("A 1 ack 1 len 1");
}

/* RFC6298-9: the clock's tick is rounded up, never down, and what needs no
   rounding gets none. */
TEST(clock_granularity_is_rounded_up)
{
    static const uint32_t row[][2] = {
        {31, 31}, {40000, 40000}, {45000, 50000}, {320000, 400000}};
    uint32_t k, i;

    for (k = 0; k < sizeof row / sizeof *row; k++) {
        CONTEXT("%u us", row[k][0]);
        START();
        w.cfg.rto_min_us = 1;
        w.cfg.clock_us = row[k][0];
        OPEN();
        OUT("S 0 mss 1460");
        AT(0.1);
        IN("SA 0 ack 1 mss 1000 win 65535");
        OUT("A 1 ack 1");
        for (i = 0; i < 200; i++) { /* the variance vanishes */
            SEND(10);
            stream_drain();
            w.p.now += 100000;
            INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
        }
        CHECK_LE(stream_info().rttvar_us, 7u);
        CHECK_EQ(stream_info().rto_us, stream_info().srtt_us + row[k][1]);
    }
}

/* RFC9293-SHLD-29: the first probe is an RTO later, not more, though the
   data had timed out twice before the window closed. */
TEST(first_probe_after_timeouts)
{
    START();
    OPENED("mss 1000 win 5000");
    SEND(1000);
    OUT("PA 1 ack 1 len 1000");
    AT(0.2);
    OUT("PA 1 ack 1 len 1000");
    AT(0.6);
    OUT("PA 1 ack 1 len 1000");
    AT(0.7);
    IN("A 1 ack 1 win 0");
    NONE();
    DEADLINE(0.9);
}
