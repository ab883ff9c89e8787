/* The smallest build (TCPSM_TINY): two runs, one range, no SACK and no
   timestamps. The data path must be as sound, and not much slower. */

#define TCPSM_TINY
#define TCPSM_IMPLEMENTATION
#define PAIR_SLOTS 256
#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#include "stream.h"

/* After the timer everything lost goes again, under slow start (RFC 5681
   s3.1, RFC 6298 5.4): with two runs no less than with many. */
TEST(everything_lost_again_under_slow_start)
{
    START();
    OPENED("mss 1000 win 65535");
    SEND(20000);
    FLIGHT(1, 10, 1000);
    AT(0.2);
    FLIGHT(1, 1, 1000);
    NONE();
    IN("A 1 ack 1001");
    FLIGHT(1001, 2, 1000);
    NONE();
    IN("A 1 ack 2001");
    FLIGHT(3001, 2, 1000);
    NONE();
    IN("A 1 ack 3001");
    FLIGHT(5001, 2, 1000);
    NONE();
    IN("A 1 ack 7001");
    FLIGHT(7001, 3, 1000);
    CHECK_EQ(COUNT(timeouts), 1);
}

/* Three losses of one window: one round trip each, no timer (RFC 6582). */
TEST(RFC6582_partial_acks)
{
    uint32_t k;
    START();
    OPENED("mss 1000 win 65535");
    SEND(20000);
    FLIGHT(1, 10, 1000);
    for (k = 0; k < 3; k++)
        IN("A 1 ack 1");
    OUT("A 1 ack 1 len 1000");
    NONE();
    IN("A 1 ack 3001");
    OUT("A 3001 ack 1 len 1000");
    stream_drain();
    IN("A 1 ack 7001");
    OUT("A 7001 ack 1 len 1000");
    CHECK_EQ(COUNT(timeouts), 0);
}

/* One range: the second hole is refused, and comes again. */
TEST(one_range)
{
    START();
    OPENED("mss 1460");
    IN("A 101 ack 1 len 10");
    OUT("A 1 ack 1");
    IN_DROP(TCPSM_DROP_RANGES, "A 201 ack 1 len 10");
    OUT("A 1 ack 1");
    IN("A 1 ack 1 len 100");
    OUT("A 1 ack 111");
    IN("A 201 ack 1 len 10");
    OUT("A 1 ack 111");
    IN("A 111 ack 1 len 90");
    OUT("A 1 ack 211");
    READ(210);
}

/* A transfer through loss; the time it takes is bounded. */
static pair p;

TEST(law_4_transfer_through_loss)
{
    uint64_t seed;
    for (seed = 1; seed <= 20; seed++) {
        pair_options o = TCPSM_ZERO;
        tcpsm_time t;
        CONTEXT("seed %llu", (unsigned long long)seed);
        o.seed = seed;
        o.cfg[0].mtu = o.cfg[1].mtu = 576;
        o.rcv_ring[0] = o.rcv_ring[1] = 8192;
        pair_init(&p, &o);
        p.no_laws = seed > 2;
        p.net.link[0].delay_us = p.net.link[1].delay_us = 10000;
        CHECK(pair_connect(&p));
        p.net.link[0].loss_ppm = p.net.link[1].loss_ppm = 20000;
        t = p.now;
        CHECK(pair_transfer(&p, 100000, 30000, 600 * PAIR_SECOND));
        CHECKF(p.now - t < 20 * PAIR_SECOND, "%f s",
               (double)(p.now - t) / 1e6);
    }
}
