/* What an ACK proves about a reduction, where the sequence numbers wrap and
   where its options were never negotiated. Segments have 1000 octets, ten are
   on the way. */

#define PAIR_RING 262144
#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#include "stream.h"

enum { SACK = 1, TS = 2 };

static uint32_t first_tsval;

static void begin(int options, uint32_t iss)
{
    START();
    w.cfg.flags |= TCPSM_NODELAY | TCPSM_NO_PROBE;
    if (options & SACK)
        w.cfg.flags &= ~(uint32_t)TCPSM_NO_SACK;
    if (options & TS)
        w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    w.want_iss = iss;
    OPEN();
    wire__fill();
    wire__take();
    WAIT(0.1);
    if (options & TS)
        INF("SA 0 ack 1 mss 1012 win 65535 %s ts %u %u",
            options & SACK ? "sackok" : "", w.ts_clock, w.seg.ts_val);
    else
        INF("SA 0 ack 1 mss 1000 win 65535 %s",
            options & SACK ? "sackok" : "");
    w.ts = (options & TS) != 0;
    stream_drain();
    SEND(30000);
    FLIGHT(1, 10, 1000);
    first_tsval = w.seg.ts_val;
}

/* The first segment seems lost and is sent again. */
static void reordered(void)
{
    WAIT(0.1);
    INF("A 1 ack 1 sack 1001:2001");
    INF("A 1 ack 1 sack 1001:3001");
    INF("A 1 ack 1 sack 1001:4001");
    stream_drain();
    CHECK_EQ(COUNT(retransmits), 1);
    CHECK_EQ(stream_info().in_recovery, 1);
    CHECK_EQ(stream_info().reordering, 0);
}

/* RFC 8985 s6.2 step 4: what was only late has shown that this path reorders;
   from now on the window for it is open. */
TEST(RFC8985_7_an_undone_recovery_was_reordering)
{
    begin(SACK | TS, 0);
    reordered();
    WAIT(0.01);
    INF("A 1 ack 4001 ts %u %u",
        w.ts_clock + (uint32_t)((w.p.now - w.t0) / 1000), first_tsval);
    CHECK_EQ(COUNT(undone), 1);
    CHECK_EQ(stream_info().reordering, 1);
    CHECK_EQ(stream_info().sack, 1);
    CHECK_GT(stream_info().reo_wnd_us, 0u);
}

/* RFC 2883, RFC 3708: the end of the recovery lies beyond 2^32, what was sent
   twice before it. */
TEST(RFC2883_undo_where_numbers_wrap)
{
    uint32_t nxt;

    begin(SACK, 0xFFFFFFFFu - 1500);
    reordered();
    WAIT(0.01);
    nxt = stream_info().snd_nxt - w.iss;
    INF("A 1 ack %u", nxt);
    CHECK_EQ(COUNT(undone), 0);
    stream_drain();
    WAIT(0.1);
    INF("A 1 ack %u sack 1:1001", nxt);
    CHECK_EQ(COUNT(dsacks), 1);
    CHECK_EQ(COUNT(undone), 1);
}

/* RFC 2883 s4: a duplicate above the ACK is told by the second block around
   it, also where that one ends beyond 2^32. */
TEST(RFC2883_2_duplicate_above_the_ack_where_numbers_wrap)
{
    begin(SACK, 0xFFFFFFFFu - 2500);
    WAIT(0.1);
    INF("A 1 ack 1 sack 1001:4001");
    CHECK_EQ(COUNT(dsacks), 0);
    INF("A 1 ack 1 sack 1001:2001 1001:4001");
    CHECK_EQ(COUNT(dsacks), 1);
}

/* RFC 7323 s3.2: without negotiation a timestamp says nothing, and Karn's rule
   holds: what was sent twice gives no sample (RFC6298-7). */
TEST(RFC6298_7_a_timestamp_that_was_not_negotiated_is_no_sample)
{
    uint32_t srtt, var;

    begin(0, 0);
    srtt = stream_info().srtt_us;
    var = stream_info().rttvar_us;
    CHECK_GT(srtt, 90000u);
    while (COUNT(timeouts) == 0) {
        tcpsm_time d = tcpsm_deadline(w.c);

        CHECK(d != TCPSM_NEVER);
        w.p.now = d > w.p.now ? d : w.p.now;
        stream_drain();
    }
    CHECK_GE(COUNT(retransmits), 1u);
    WAIT(0.02);
    INF("A 1 ack 1001 ts 77 %u",
        (uint32_t)((w.p.now - 5000) >> 10) + w.c->ts_offset);
    CHECK_EQ(stream_info().srtt_us, srtt);
    CHECK_EQ(stream_info().rttvar_us, var);
}
