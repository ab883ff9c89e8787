/* loss.h - what the tests of loss recovery share, on top of wire.h - 0BSD

   A connection with SACK whose first round trip took exactly 100 ms: SRTT
   and min_RTT 100 ms, RTTVAR 50 ms, RTO 300 ms, and so a PTO of 200 ms and
   a reordering window of 25 ms. Segments have 1000 octets; the window is
   not in the way. Time 0.1 is when ESTABLISHED was reached. */

#ifndef LOSS_H
#define LOSS_H

#define PAIR_RING 262144
#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#include "../wire/stream.h"

/* Its numbers are the RFCs' own: half of the flight. */
static const tcpsm_cc loss_reno = {
    TCPSM_CC_NEWRENO, NULL, NULL, NULL, NULL, NULL, NULL, NULL};

WIRE_FN void loss_config(void)
{
    START();
    w.cfg.flags = (WIRE_PLAIN & ~(uint32_t)(TCPSM_NO_SACK | TCPSM_NO_SCALE)) |
                  TCPSM_NODELAY | TCPSM_NO_PROBE;
    w.cfg.cc = &loss_reno;
    w.cfg.rto_min_us = 1;
}

/* After loss_config and changes to it; what the peer adds to its SYN */
WIRE_FN void loss_open(const char *peer)
{
    OPEN();
    wire__fill();
    wire__take();
    AT(0.1);
    INF("SA 0 ack 1 win 65535 mss 1000 ws 2 %s", peer);
    wire__fill();
    wire__take();
    w.ts = stream_info().timestamps;
    w.ts_clock = 5000 - 100; /* as in the SYN */
    IN("A 1 ack 1");         /* the window, scaled */
    STATE(TCPSM_ESTABLISHED);
    CHECK_EQ(stream_info().rto_us, 300000);
}

WIRE_FN void loss_begin(void)
{
    loss_config();
    loss_open("sackok");
    CHECK_EQ(stream_info().sack, 1);
}

/* Tables of so many runs, lent. */
WIRE_FN void loss_tables(uint32_t n)
{
    static uint32_t table[255 * 5 + 8];

    CHECK_LE(n, 255u);
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_TABLES, table, n * 20 + 8, NULL), 0);
    wire__touched();
    CHECK_GE(stream_info().run_cap, n);
}

/* What was sent is what the scoreboard accounts for. */
WIRE_FN void loss_sum(void)
{
    struct tcpsm_info i = stream_info();

    CHECK_EQ(i.flight + i.sacked + i.lost, i.snd_nxt - i.snd_una);
}

/* The timer that is next fires, whatever is sent then. */
WIRE_FN void loss_next(void)
{
    tcpsm_time d = tcpsm_deadline(w.c);

    WIRE__STEP("next timer");
    if (d == TCPSM_NEVER)
        WIRE_FAIL("no timer");
    if (d > w.p.now)
        w.p.now = d;
    wire__fill();
}

/* Timers, until the retransmission timeout has fired and sent one segment,
   w.seg; what is sent before is thrown away. */
WIRE_FN void loss_timeout(void)
{
    uint64_t was = COUNT(timeouts);
    int k;

    stream_drain();
    for (k = 0; COUNT(timeouts) == was; k++) {
        CHECK(k < 50);
        loss_next();
        if (COUNT(timeouts) == was)
            stream_drain();
    }
    wire__fill();
    if (w.q_n == 0)
        WIRE_FAIL("the timeout sends nothing");
    wire__take(); /* w.seg: what the timeout sent */
}

/* The peer acknowledges everything, until all is said. */
WIRE_FN void loss_heal(void)
{
    int k;

    for (k = 0; stream_info().snd_queued != 0; k++) {
        CHECK(k < 5000);
        if (stream_drain() == 0 &&
            stream_info().snd_nxt == stream_info().snd_una)
            loss_next();
        stream_drain();
        INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
    }
    CHECK_EQ(stream_info().flight, 0);
    CHECK_EQ(stream_info().sacked, 0);
    CHECK_EQ(stream_info().lost, 0);
    STATE(TCPSM_ESTABLISHED);
}

#endif /* LOSS_H */
