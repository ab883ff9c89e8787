/* Timestamps and PAWS (RFC 7323). */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#include "stream.h"

/* Timestamps by hand: w.ts stays 0, each segment says its own. */
static void start(void)
{
    START();
    w.cfg.flags = TCPSM_NO_SACK | TCPSM_NO_SCALE;
    LISTEN();
    IN("S 0 mss 1460 win 65535 ts 100 0");
    OUT("SA 0 ack 1 mss 1460 ts * 100");
    IN("A 1 ack 1 win 65535 ts 101 *");
    STATE(TCPSM_ESTABLISHED);
}

static uint32_t tsval(void)
{
    return w.seg.ts_val;
}

/* RFC7323-7: once negotiated, in every segment but a RST; offered in a SYN
   with TSecr 0, answered only if offered */
TEST(RFC7323_7_negotiation)
{
    START();
    w.cfg.flags = TCPSM_NO_SACK | TCPSM_NO_SCALE;
    OPEN();
    OUT("S 0 mss 1460 ts * 0");
    IN("SA 0 ack 1 mss 1460"); /* the peer does not want them */
    OUT("A 1 ack 1");
    IN("PA 1 ack 1 len 10 ts 5 5"); /* RFC7323-8: un-negotiated: ignored */
    AT(0.04);
    OUT("A 1 ack 11");
    START();
    w.cfg.flags = TCPSM_NO_SACK | TCPSM_NO_SCALE;
    LISTEN();
    IN("S 0 mss 1460");
    OUT("SA 0 ack 1 mss 1460");
    START(); /* we do not want them */
    LISTEN();
    IN("S 0 mss 1460 ts 100 0");
    OUT("SA 0 ack 1 mss 1460");
    start();
    SEND(10);
    OUT("PA 1 ack 1 len 10 ts * 101");
    IN("FA 1 ack 11 ts 102 *");
    OUT("A 11 ack 2 ts * 102");
    SHUTDOWN();
    OUT("FA 11 ack 2 ts * 102");
}

/* The clock of TSval: RFC7323-14: 1 ms to 1 s a tick, and it moves on */
TEST(RFC7323_14_the_clock)
{
    uint32_t a, ticks;
    start();
    SEND(10);
    OUT("PA 1 ack 1 len 10 ts * 101");
    a = tsval();
    IN("A 1 ack 11 ts 101 *");
    AT(1000);
    SEND(10);
    OUT("PA 11 ack 1 len 10 ts * 101");
    ticks = tsval() - a;
    CHECK(ticks >= 1000 && ticks <= 1000000);
}

/* RFC7323-15: the offset differs from connection to connection */
TEST(RFC7323_15_random_offset)
{
    uint32_t a;
    start();
    SEND(1);
    OUT("PA 1 ack 1 len 1 ts * 101");
    a = tsval();
    START();
    w.cfg.flags = TCPSM_NO_SACK | TCPSM_NO_SCALE;
    w.tuple.remote_port++;
    LISTEN();
    IN("S 0 mss 1460 ts 100 0");
    OUT("SA 0 ack 1 mss 1460 ts * 100");
    CHECK(tsval() - a > 1000000u || a - tsval() > 1000000u);
}

/* RFC7323-11: TS.Recent only from a segment that is not beyond
   Last.ACK.sent: with a delayed ACK the *first* segment's is echoed
   (RFC 7323 s4.3 (A)) */
TEST(RFC7323_11_delayed_ack_echoes_the_first)
{
    start();
    IN("PA 1 ack 1 len 10 ts 201 *");
    AT(0.01);
    IN("PA 11 ack 1 len 10 ts 202 *");
    OUT("A 1 ack 21 ts * 201");
    IN("PA 21 ack 1 len 10 ts 203 *");
    AT(0.05);
    OUT("A 1 ack 31 ts * 203");
}

/* RFC 7323 s4.3, the example in its appendix of (B) and (C): segments A
   to E, C first missing: "the earliest one" until the gap is filled */
TEST(RFC7323_11_gap)
{
    start();
    SET(TCPSM_SET_ACK_DELAY, TCPSM_OFF);
    IN("A 1 ack 1 len 10 ts 201 *");
    OUT("A 1 ack 11 ts * 201");
    IN("A 21 ack 1 len 10 ts 203 *"); /* C: B is missing */
    OUT("A 1 ack 11 ts * 201");
    IN("A 11 ack 1 len 10 ts 202 *"); /* B */
    OUT("A 1 ack 31 ts * 202");
    IN("A 41 ack 1 len 10 ts 205 *"); /* E: D is missing */
    OUT("A 1 ack 31 ts * 202");
    IN("A 31 ack 1 len 10 ts 204 *"); /* D */
    OUT("A 1 ack 51 ts * 204");
}

/* An old duplicate's larger TSval beyond the window changes nothing; nor
   does what is below TS.Recent. */
TEST(RFC7323_11_only_what_is_acceptable)
{
    start();
    IN_DROP(TCPSM_DROP_WINDOW, "A 200001 ack 1 len 10 ts 900 *");
    OUT("A 1 ack 1 ts * 101");
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack 5000 len 10 ts 900 *");
    OUT("A 1 ack 1 ts * 101");
}

/* RFC7323-12: PAWS: an ACK, and dropped; modulo 2^32 */
TEST(RFC7323_12_paws)
{
    start();
    IN_DROP(TCPSM_DROP_PAWS, "A 1 ack 1 len 10 ts 100 *");
    OUT("A 1 ack 1 ts * 101");
    IN_DROP(TCPSM_DROP_PAWS, "A 1 ack 1 len 10 ts 2147483750 *");
    OUT("A 1 ack 1 ts * 101");
    IN("A 1 ack 1 len 10 ts 2147483748 *"); /* 2^31 - 1 later */
    AT(0.04);
    OUT("A 1 ack 11 ts * 2147483748");
    IN("A 11 ack 1 len 10 ts 4294967295 *");
    AT(0.08);
    OUT("A 1 ack 21 ts * 4294967295");
    IN("A 21 ack 1 len 10 ts 0 *"); /* and around */
    AT(0.12);
    OUT("A 1 ack 31 ts * 0");
    IN_DROP(TCPSM_DROP_PAWS, "A 31 ack 1 len 10 ts 4294967295 *");
    OUT("A 1 ack 31 ts * 0");
    READ(30);
}

/* RFC7323-8: a missing timestamp: dropped in silence, not aborted */
TEST(RFC7323_8_missing)
{
    start();
    IN_NOTHING(TCPSM_DROP_NO_TS, "A 1 ack 1 len 10");
    IN_NOTHING(TCPSM_DROP_NO_TS, "FA 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
}

/* RFC7323-13: RST is exempt, and its timestamp is nothing */
TEST(RFC7323_13_rst)
{
    start();
    IN_DROP(TCPSM_DROP_RST, "R 5 ts 900 0"); /* in window, not exact */
    OUT("A 1 ack 1 ts * 101");
    IN("R 1 ts 50 0"); /* old */
    STATE(TCPSM_CLOSED);
    start();
    IN("R 1"); /* none */
    STATE(TCPSM_CLOSED);
}

/* ... and a stranger's reset carries TSval 0 and the echo. */
TEST(RFC7323_13_stranger)
{
    START();
    LISTEN();
    IN_RET(TCPSM_E_NOT_MINE, "A 1 ack 1 abs ts 77 88");
    wire__build("A 1 ack 1 abs ts 77 88");
    w.ts = 0;
    STRANGER("R * ts 0 77");
}

/* RFC7323-15: idle for more than 24 days: the peer's clock may have come
   around; TS.Recent is not valid then */
TEST(RFC7323_15_24_days)
{
    start();
    WAIT(86400.0 * 23.9);
    IN_DROP(TCPSM_DROP_PAWS, "A 1 ack 1 len 10 ts 100 *");
    OUT("A 1 ack 1 ts * 101");
    WAIT(86400.0 * 0.2);
    IN("A 1 ack 1 len 10 ts 50 *");
    WAIT(0.04);
    OUT("A 1 ack 11 ts * 50");
    IN_DROP(TCPSM_DROP_PAWS, "A 11 ack 1 len 10 ts 49 *");
    stream_drain();
}

/* RFC7323-9: only what advances SND.UNA gives a sample; RFC7323-7: TSecr
   of a segment without ACK is nothing (here: none can come); a TSecr from
   the future or from nowhere gives none. */
TEST(RFC7323_9_samples)
{
    struct tcpsm_info i;
    start();
    SEND(1460);
    FLIGHT(1, 1, 1448);
    AT(0.2);
    FLIGHT(1, 1, 1448); /* Karn: only TSecr can tell */
    i = stream_info();
    AT(0.3);
    INF("A 1 ack 1 ts 110 %u", tsval());
    CHECK_EQ(stream_info().srtt_us, i.srtt_us);
    INF("A 1 ack 11 ts 111 %u", tsval() + 1000000);
    CHECK_EQ(stream_info().srtt_us, i.srtt_us);
    INF("A 1 ack 21 ts 112 %u", tsval() - 0x40000000u);
    CHECK_EQ(stream_info().srtt_us, i.srtt_us);
    INF("A 1 ack 31 ts 113 %u", tsval());
    CHECK_GT(stream_info().srtt_us, i.srtt_us);
}

/* The full header: with timestamps a segment carries 12 octets less. */
TEST(RFC9293_MUST_16_with_timestamps)
{
    start();
    SEND(3000);
    OUT("A 1 ack 1 len 1448 ts * 101");
    CHECK_EQ(w.seg.hdr_len + w.seg.len, 1480);
}
