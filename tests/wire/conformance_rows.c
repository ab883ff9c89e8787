/* Rows of docs/conformance.md whose other tests would not notice when they
   are violated on one of two ways: with SACK, or off the fast path. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#include "stream.h"

static void on(uint32_t flags, const char *syn, const char *syn_ack)
{
    START();
    w.cfg.flags = flags;
    OPEN();
    OUTF("%s", syn);
    AT(0.1);
    INF("%s", syn_ack);
    OUT("A 1 ack 1");
}

/* RFC3168-7: with SACK, too, ECE counts once a round trip. */
TEST(RFC3168_7_once_a_round_with_sack)
{
    uint32_t k;

    on(TCPSM_ECN | TCPSM_NO_TS | TCPSM_NO_SCALE, "SEC 0 mss 1460 sackok",
       "SAE 0 ack 1 mss 1000 win 65535 sackok");
    SEND(60000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    for (k = 1; k <= 10; k++) {
        INF("AE 1 ack %u", 1 + 1000 * k);
        CHECK_EQ(COUNT(ecn_reductions), 1);
        stream_drain();
    }
    AT(0.3);
    IN("AE 1 ack 11001"); /* of the next window */
    CHECK_EQ(COUNT(ecn_reductions), 2);
}

/* RFC7323-9: a duplicate ACK has a TSecr, and its SACK block reports what
   has just arrived; neither is a sample. */
TEST(RFC7323_9_no_sample_from_a_duplicate_with_sack)
{
    struct tcpsm_info i;

    START();
    w.cfg.flags = TCPSM_NO_SCALE | TCPSM_NO_ECN;
    OPEN();
    OUT("S 0 mss 1460 sackok ts * 0");
    AT(0.1);
    IN("SA 0 ack 1 mss 1460 win 65535 sackok ts 5000 *");
    w.ts = 1;
    w.ts_clock = 5000;
    OUT("A 1 ack 1 ts * 5000");
    SEND(4344);
    FLIGHT(1, 3, 1448);
    i = stream_info();
    AT(0.25);
    IN("A 1 ack 1 sack 1449:2897 ts 5150 *");
    CHECK_EQ(stream_info().sacked, 1448);
    CHECK_EQ(stream_info().srtt_us, i.srtt_us);
    CHECK_EQ(stream_info().rttvar_us, i.rttvar_us);
}

/* RFC9293-MAY-9: also of a segment that comes out of order. */
TEST(RFC9293_MAY_9_out_of_order)
{
    START();
    OPENED("win 5000");
    IN("PA 1 ack 1 len 5 tos 184");
    CHECK_EQ(stream_info().tos_seen, 184);
    IN("PA 100 ack 1 len 5 tos 40");
    CHECK_EQ(stream_info().tos_seen, 40);
}

/* RFC6675-12: after a timeout, what was sent again and is lost again begins
   no fast recovery: RecoveryPoint has not been reached. */
TEST(RFC6675_12_lost_again_after_a_timeout)
{
    uint32_t ssthresh, k;

    on(TCPSM_NO_TS | TCPSM_NO_ECN | TCPSM_NO_SCALE, "S 0 mss 1460 sackok",
       "SA 0 ack 1 mss 1000 win 65535 sackok");
    SEND(10000); /* nothing new for F-RTO to send */
    FLIGHT(1, 10, 1000);
    while (COUNT(timeouts) == 0) {
        w.p.now = tcpsm_deadline(w.c);
        stream_drain();
    }
    WAIT(0.1);
    IN("A 1 ack 1001");
    CHECK_EQ(stream_drain(), 2); /* 1001 and 2001 */
    WAIT(0.1);
    IN("A 1 ack 1001 sack 2001:3001"); /* so 1001 is lost again */
    ssthresh = stream_info().ssthresh;
    for (k = 0; k < 3; k++) {
        stream_drain();
        WAIT(0.05);
        CHECK_EQ(stream_info().in_recovery, 2);
        CHECK_EQ(stream_info().ssthresh, ssthresh);
    }
    CHECK_EQ(COUNT(fast_retransmits), 0);
}
