/* The simulated network against closed forms: before anything is concluded
   from a test over it, it must be what it says it is. */

#include "test.h"
#include "netsim.h"

#define PACKET 1500
static uint64_t mem[NETSIM_WORDS(4096, PACKET)];
static netsim n;
static uint8_t packet[PACKET], buf[PACKET];

static void fresh(uint64_t seed)
{
    CHECK_EQ(netsim_init(&n, seed, mem, sizeof mem, PACKET), 0);
    CHECK_EQ(n.slots, 4096);
}

/* Sends `count` packets at `now`, one every `gap`; returns how many were
   not dropped. The packet's number stands in its first four bytes. */
static uint32_t burst(uint32_t count, uint32_t len, uint64_t now,
                      uint64_t gap, uint8_t tos)
{
    uint32_t i, carried = 0;

    for (i = 0; i < count; i++) {
        memcpy(packet, &i, 4);
        if (!(netsim_send(&n, 0, packet, len, tos, now + gap * i) &
              NETSIM_DROPPED))
            carried++;
    }
    return carried;
}

/* |hits - n p| within five standard deviations: with n p (1 - p) >= 25 an
   honest source fails once in a million. In integers. */
static void check_binomial(uint64_t hits, uint64_t trials, uint64_t ppm)
{
    int64_t mean = (int64_t)(trials * ppm / 1000000);
    int64_t off = (int64_t)hits - mean;
    uint64_t variance = trials * ppm / 1000000 * (1000000 - ppm) / 1000000;

    CHECKF((uint64_t)(off * off) <= 25 * (variance + 1),
           "%llu of %llu at %llu ppm", (unsigned long long)hits,
           (unsigned long long)trials, (unsigned long long)ppm);
}

TEST(too_little_memory_is_refused)
{
    CHECK_EQ(netsim_init(&n, 1, mem, 100, PACKET), -1);
}

TEST(words_is_exact)
{
    CHECK_EQ(netsim_init(&n, 1, mem, 8 * NETSIM_WORDS(7, 999), 999), 0);
    CHECK_EQ(n.slots, 7);
    CHECK_EQ(netsim_init(&n, 1, mem, 8 * NETSIM_WORDS(7, 999) - 8, 999), 0);
    CHECK_EQ(n.slots, 6);
}

TEST(nothing_under_way_is_never)
{
    fresh(1);
    CHECK(netsim_next(&n) == NETSIM_NEVER);
    CHECK_EQ(netsim_receive(&n, 0, buf, PACKET, UINT64_MAX, NULL), 0);
}

TEST(ideal_path_is_at_once_and_in_order)
{
    netsim_info info;
    uint32_t i, k;

    fresh(1);
    CHECK_EQ(burst(1000, PACKET, 5, 0, 2), 1000);
    CHECK_EQ(netsim_next(&n), 5);
    for (i = 0; i < 1000; i++) {
        CHECK_EQ(netsim_receive(&n, 0, buf, PACKET, 5, &info), PACKET);
        memcpy(&k, buf, 4);
        CHECK_EQ(k, i);
        CHECK_EQ(info.index, i);
        CHECK_EQ(info.sent, 5);
        CHECK_EQ(info.tos, 2);
        CHECK_EQ(info.fate, 0);
    }
    CHECK_EQ(netsim_receive(&n, 0, buf, PACKET, 5, NULL), 0);
    CHECK_EQ(n.link[0].stats.delivered, 1000);
    CHECK_EQ(n.link[0].stats.delivered_bytes, 1000 * PACKET);
}

TEST(delay_is_exact)
{
    fresh(1);
    n.link[0].delay_us = 12345;
    burst(1, 100, 1000, 0, 0);
    CHECK_EQ(netsim_next(&n), 13345);
    CHECK_EQ(netsim_receive(&n, 0, buf, PACKET, 13344, NULL), 0);
    CHECK_EQ(netsim_receive(&n, 0, buf, PACKET, 13345, NULL), 100);
}

TEST(directions_are_independent)
{
    fresh(1);
    n.link[0].delay_us = 10;
    n.link[1].delay_us = 20;
    netsim_send(&n, 0, "a", 1, 0, 0);
    netsim_send(&n, 1, "b", 1, 0, 0);
    CHECK_EQ(netsim_next_of(&n, 0), 10);
    CHECK_EQ(netsim_next_of(&n, 1), 20);
    CHECK_EQ(netsim_receive(&n, 1, buf, PACKET, 19, NULL), 0);
    CHECK_EQ(netsim_receive(&n, 1, buf, PACKET, 20, NULL), 1);
    CHECK_EQ(buf[0], 'b');
}

/* The k-th of a burst departs at exactly ceil(k bits 10^6 / rate). */
TEST(rate_serialization_is_exact)
{
    static const uint64_t rates[] = {1,         9600,      56000,
                                     1000000,   10000000,  33333333,
                                     100000001, 999999937, 10000000000u};
    uint64_t bits = 8 * (1448 + 20);
    uint32_t r, k;
    netsim_info info;

    for (r = 0; r < sizeof rates / sizeof *rates; r++) {
        fresh(1);
        n.link[0].rate = rates[r];
        n.link[0].overhead = 20;
        n.link[0].delay_us = 7;
        burst(2000, 1448, 100, 0, 0);
        for (k = 1; k <= 2000; k++) {
            CONTEXT("rate %llu packet %u", (unsigned long long)rates[r], k);
            CHECK_EQ(
                netsim_receive(&n, 0, buf, PACKET, UINT64_MAX / 2, &info),
                1448);
            CHECK_EQ(info.at,
                     100 + 7 +
                         (k * bits * 1000000 + rates[r] - 1) / rates[r]);
        }
    }
}

TEST(rate_starts_afresh_after_idle)
{
    fresh(1);
    n.link[0].rate = 8000; /* 1 ms a byte */
    burst(1, 10, 0, 0, 0);
    CHECK_EQ(netsim_next(&n), 10000);
    netsim_receive(&n, 0, buf, PACKET, 10000, NULL);
    netsim_send(&n, 0, packet, 10, 0, 50000);
    CHECK_EQ(netsim_next(&n), 60000);
    netsim_send(&n, 0, packet, 10, 0, 55000); /* while it is in service */
    netsim_receive(&n, 0, buf, PACKET, 60000, NULL);
    CHECK_EQ(netsim_next(&n), 70000);
}

/* Offered twice the rate for a second, the link carries the rate. */
TEST(rate_throughput_under_overload)
{
    uint64_t i, late = 0;
    netsim_info info;

    fresh(1);
    n.link[0].rate = 12000000; /* 1 000 packets of 1500 a second */
    n.link[0].queue_packets = 100;
    for (i = 0; i < 2000; i++) {
        uint64_t now = i * 500;

        while (netsim_receive(&n, 0, buf, PACKET, now, &info))
            late = info.at - info.sent;
        netsim_send(&n, 0, packet, PACKET, 0, now);
    }
    while (netsim_receive(&n, 0, buf, PACKET, UINT64_MAX / 2, &info))
        late = info.at - info.sent;
    /* Second by second: 1 s of service and the 100 that were queued */
    CHECK_GE(n.link[0].stats.delivered, 1099u);
    CHECK_LE(n.link[0].stats.delivered, 1101u);
    CHECK_EQ(n.link[0].stats.delivered + n.link[0].stats.queue_drops, 2000);
    CHECK_EQ(n.link[0].stats.max_queue_packets, 100);
    CHECK_LE(late, 100u * 1000); /* a full queue is 100 ms */
    CHECK_GE(late, 99u * 1000);
}

TEST(queue_in_packets_drops_exactly_at_capacity)
{
    uint32_t i, cap;

    for (cap = 1; cap <= 64; cap *= 2) {
        fresh(1);
        n.link[0].rate = 8000000; /* 1 us a byte */
        n.link[0].queue_packets = cap;
        for (i = 0; i < cap + 3; i++)
            CHECK_EQ(netsim_send(&n, 0, packet, 1000, 0, 0),
                     i < cap ? 0 : NETSIM_QUEUE_DROP);
        CHECK_EQ(n.link[0].stats.queue_drops, 3);
        /* one place is free when the first has departed, not before */
        CHECK_EQ(netsim_send(&n, 0, packet, 1000, 0, 999), NETSIM_QUEUE_DROP);
        CHECK_EQ(netsim_send(&n, 0, packet, 1000, 0, 1000), 0);
        CHECK_EQ(netsim_send(&n, 0, packet, 1000, 0, 1000),
                 NETSIM_QUEUE_DROP);
    }
}

TEST(queue_in_bytes_drops_exactly_at_capacity)
{
    fresh(1);
    n.link[0].rate = 8000000;
    n.link[0].overhead = 20;
    n.link[0].queue_bytes = 3 * 520;
    CHECK_EQ(burst(4, 500, 0, 0, 0), 3);
    fresh(1);
    n.link[0].rate = 8000000;
    n.link[0].overhead = 20;
    n.link[0].queue_bytes = 3 * 520 - 1;
    CHECK_EQ(burst(4, 500, 0, 0, 0), 2);
    /* a small one still fits where a large one did not */
    CHECK_EQ(netsim_send(&n, 0, packet, 499, 0, 0), 0);
    CHECK_EQ(netsim_send(&n, 0, packet, 1, 0, 0), NETSIM_QUEUE_DROP);
    CHECK_EQ(n.link[0].stats.max_queue_bytes, 3 * 520 - 1);
}

/* A packet that is lost on the wire has used the serializer, and its place
   in the queue until it departed. */
TEST(lost_packets_use_the_rate_and_the_queue)
{
    fresh(1);
    n.link[0].rate = 8000000;
    n.link[0].queue_packets = 2;
    n.link[0].loss_ppm = 1000000;
    CHECK_EQ(netsim_send(&n, 0, packet, 1000, 0, 0), NETSIM_LOST);
    CHECK_EQ(netsim_send(&n, 0, packet, 1000, 0, 0), NETSIM_LOST);
    CHECK_EQ(netsim_send(&n, 0, packet, 1000, 0, 0), NETSIM_QUEUE_DROP);
    n.link[0].loss_ppm = 0;
    CHECK_EQ(netsim_send(&n, 0, packet, 1000, 0, 1000), 0);
    CHECK_EQ(netsim_next(&n), 3000);
}

/* A short packet that queue and rate see as a long one. */
TEST(longer_on_the_wire_than_in_memory)
{
    fresh(1);
    n.link[0].rate = 8000000; /* a byte a microsecond */
    n.link[0].queue_bytes = 3000;
    CHECK_EQ(netsim_send_as(&n, 0, "abc", 3, 1500, 0, 0), 0);
    CHECK_EQ(netsim_send_as(&n, 0, "abc", 3, 1500, 0, 0), 0);
    CHECK_EQ(netsim_send_as(&n, 0, "abc", 3, 1500, 0, 0), NETSIM_QUEUE_DROP);
    CHECK_EQ(n.link[0].stats.max_queue_bytes, 3000);
    CHECK_EQ(netsim_next(&n), 1500);
    CHECK_EQ(netsim_receive(&n, 0, buf, PACKET, 1500, NULL), 3);
    CHECK_EQ(netsim_next(&n), 3000);
    CHECK_EQ(netsim_receive(&n, 0, buf, PACKET, 3000, NULL), 3);
    CHECK_EQ(n.link[0].stats.delivered_bytes, 3000);
    CHECK_EQ(netsim_send_as(&n, 0, "abc", 3, 3000, 0, 3000), 0);
    CHECK_EQ(n.link[0].stats.sent_bytes, 7500);
}

TEST(loss_is_binomial_over_many_seeds)
{
    static const uint32_t ppm[] = {0, 1000, 20000, 100000, 500000, 999999};
    uint32_t p, i;
    uint64_t seed, all, lost;

    for (p = 0; p < sizeof ppm / sizeof *ppm; p++) {
        for (seed = all = lost = 0; seed < 100; seed++) {
            fresh(seed);
            n.link[0].loss_ppm = ppm[p];
            for (i = 0; i < 2000; i++)
                netsim_send(&n, 0, packet, 4, 0, 0);
            CONTEXT("seed %llu", (unsigned long long)seed);
            if (ppm[p] >= 20000)
                check_binomial(n.link[0].stats.lost, 2000, ppm[p]);
            all += n.link[0].stats.sent;
            lost += n.link[0].stats.lost;
            CHECK_EQ(n.link[0].stats.lost + netsim_in_flight(&n, 0), 2000);
        }
        CONTEXT("all seeds");
        check_binomial(lost, all, ppm[p]);
    }
}

TEST(loss_of_everything_is_everything)
{
    fresh(3);
    n.link[0].loss_ppm = 1000000;
    CHECK_EQ(burst(10000, 4, 0, 0, 0), 0);
    CHECK_EQ(n.link[0].stats.lost, 10000); /* more than there are slots */
}

/* Losses of one seed do not follow those of the next, nor each other:
   pairs of neighbours are lost as often as independence says. */
TEST(loss_is_independent)
{
    uint64_t seed, pairs = 0, both = 0, across = 0;
    static uint8_t last[2000], now[2000];
    uint32_t i;

    memset(last, 0, sizeof last);
    for (seed = 0; seed < 100; seed++) {
        fresh(seed);
        n.link[0].loss_ppm = 100000;
        for (i = 0; i < 2000; i++)
            now[i] = netsim_send(&n, 0, packet, 4, 0, 0) == NETSIM_LOST;
        for (i = 1; i < 2000; i++) {
            pairs++;
            both += now[i] && now[i - 1];
            across += now[i] && last[i];
        }
        memcpy(last, now, sizeof last);
    }
    check_binomial(both, pairs, 10000);
    check_binomial(across, pairs - 1999, 10000);
}

/* Gilbert-Elliott: the chain is in a burst for p / (p + r) of the time, and
   a burst is 1/r long on average. */
TEST(burst_loss_fraction_and_length)
{
    uint64_t seed, sent = 0, lost = 0, bursts = 0;
    uint32_t i;
    int before;

    for (seed = 0; seed < 200; seed++) {
        fresh(seed);
        n.link[0].burst_ppm = 10000;      /* 1 in 100 begins one */
        n.link[0].burst_end_ppm = 200000; /* mean length 5 */
        for (i = 0, before = 0; i < 5000; i++) {
            int now = netsim_send(&n, 0, packet, 4, 0, 0) == NETSIM_LOST;

            bursts += now && !before;
            lost += (uint64_t)now;
            before = now;
            netsim_receive(&n, 0, buf, PACKET, 0, NULL);
        }
        sent += 5000;
    }
    /* 1/21 of 10^6 is 47 619; a burst correlates ~9 packets, so allow 3
       percent, which is over six standard deviations */
    CHECK_GT(lost, sent / 21 * 97 / 100);
    CHECK_LT(lost, sent / 21 * 103 / 100);
    CHECK_GT(lost, bursts * 485 / 100);
    CHECK_LT(lost, bursts * 515 / 100);
}

TEST(burst_loss_can_be_partial)
{
    fresh(9);
    n.link[0].burst_ppm = 1000000; /* in a burst every second packet... */
    n.link[0].burst_end_ppm = 1000000;
    n.link[0].burst_loss_ppm = 500000; /* ... and then in half the cases */
    burst(4000, 4, 0, 0, 0);
    check_binomial(n.link[0].stats.lost, 2000, 500000);
    CHECK_EQ(n.link[0].stats.no_slot, 0);
}

TEST(duplication_counts_and_copies)
{
    uint64_t copies = 0, i = 0;
    netsim_info info;

    fresh(4);
    n.link[0].copy_ppm = 100000;
    n.link[0].copy_us = 50;
    n.link[0].delay_us = 10;
    CHECK_EQ(burst(3000, 64, 0, 0, 0), 3000);
    while (netsim_receive(&n, 0, buf, PACKET, 60, &info)) {
        uint32_t k;

        memcpy(&k, buf, 4);
        CHECK_EQ(k, info.index);
        CHECK_EQ(info.at, info.fate & NETSIM_COPY ? 60 : 10);
        copies += (info.fate & NETSIM_COPY) != 0;
        i++;
    }
    CHECK_EQ(i, 3000 + copies);
    CHECK_EQ(copies, n.link[0].stats.copied);
    check_binomial(copies, 3000, 100000);
}

/* A packet held back by d among packets g apart is overtaken by d/g. */
TEST(reordering_counts_and_distance)
{
    static uint8_t seen[4000];
    uint32_t i, k, highest = 0, late = 0;
    netsim_info info;

    fresh(5);
    n.link[0].reorder_ppm = 50000;
    n.link[0].reorder_us = 1000;
    n.link[0].delay_us = 100;
    CHECK_EQ(burst(4000, 64, 0, 300, 0), 4000);
    memset(seen, 0, sizeof seen);
    for (i = 0; i < 4000; i++) {
        CHECK_EQ(netsim_receive(&n, 0, buf, PACKET, 10000000, &info), 64);
        memcpy(&k, buf, 4);
        CHECK(k < 4000 && !seen[k]);
        seen[k] = 1;
        CHECK_EQ(info.at,
                 300 * k + 100 + (info.fate & NETSIM_DELAYED ? 1000u : 0u));
        if (info.fate & NETSIM_DELAYED)
            late++;
        else {
            /* those on time never overtake each other */
            CHECK_GE(k, highest);
            highest = k;
        }
        /* 1000/300: at most three, and those in the same trouble */
        CHECK_LE(i > k ? i - k : k - i, 3u);
    }
    CHECK_EQ(late, n.link[0].stats.delayed);
    check_binomial(late, 4000, 50000);
}

TEST(corruption_flips_one_bit_and_never_the_front)
{
    uint32_t i, j, hits = 0;
    netsim_info info;
    uint64_t where[64] = {0};

    fresh(6);
    n.link[0].corrupt_ppm = 250000;
    n.link[0].corrupt_skip = 8;
    memset(packet, 0x5A, sizeof packet);
    for (i = 0; i < 4000; i++)
        netsim_send(&n, 0, packet, 16, 0, 0);
    for (i = 0; i < 4000; i++) {
        uint32_t bits = 0;

        CHECK_EQ(netsim_receive(&n, 0, buf, PACKET, 0, &info), 16);
        CHECK_MEM(buf, packet, 8);
        for (j = 0; j < 64; j++)
            if ((buf[8 + j / 8] ^ 0x5A) >> j % 8 & 1) {
                bits++;
                where[j]++;
            }
        CHECK_EQ(bits, (info.fate & NETSIM_DAMAGED) != 0);
        hits += bits;
    }
    CHECK_EQ(hits, n.link[0].stats.damaged);
    check_binomial(hits, 4000, 250000);
    for (j = 0; j < 64; j++) /* each bit is as likely as any other */
        check_binomial(where[j], hits, 15625);
}

TEST(ce_marks_above_the_threshold_only)
{
    uint32_t i;

    fresh(7);
    n.link[0].rate = 8000000;
    n.link[0].mark_packets = 10;
    for (i = 0; i < 30; i++) /* packet i finds i before it */
        CHECK_EQ(netsim_send(&n, 0, packet, 1000, 2, 0),
                 i > 10 ? NETSIM_MARKED : 0);
    CHECK_EQ(n.link[0].stats.marked, 19);
    fresh(7);
    n.link[0].rate = 8000000;
    n.link[0].mark_bytes = 5000;
    for (i = 0; i < 30; i++) /* ECT(1), and DSCP untouched */
        netsim_send(&n, 0, packet, 1000, 46 << 2 | 1, 0);
    for (i = 0; i < 30; i++) {
        netsim_info info;

        CHECK_EQ(netsim_receive(&n, 0, buf, PACKET, 30000, &info), 1000);
        CHECK_EQ(info.tos, 46 << 2 | (i > 5 ? 3 : 1));
    }
}

TEST(not_ect_is_never_marked)
{
    fresh(7);
    n.link[0].rate = 8000;
    n.link[0].mark_packets = 1;
    CHECK_EQ(burst(100, 1000, 0, 0, 0), 100);
    CHECK_EQ(n.link[0].stats.marked, 0);
    CHECK_EQ(netsim_send(&n, 0, packet, 100, 3, 0), 0); /* CE already */
    CHECK_EQ(n.link[0].stats.marked, 0);
}

TEST(drop_by_number)
{
    uint32_t i;

    fresh(1);
    CHECK_EQ(netsim_drop(&n, 0, 3), 0);
    CHECK_EQ(netsim_drop(&n, 0, 5), 0);
    for (i = 0; i < 8; i++)
        CHECK_EQ(netsim_send(&n, 0, packet, 4, 0, 0),
                 i == 3 || i == 5 ? NETSIM_SCRIPTED : 0);
    for (i = 2; i < NETSIM_SCRIPT; i++)
        CHECK_EQ(netsim_drop(&n, 0, 100), 0);
    CHECK_EQ(netsim_drop(&n, 0, 100), -1);
}

static unsigned orders[8] = {NETSIM_DO_DROP,
                             NETSIM_DO_COPY,
                             NETSIM_DO_DELAY,
                             NETSIM_DO_DAMAGE,
                             NETSIM_DO_MARK,
                             NETSIM_DO_KEEP,
                             NETSIM_DO_COPY | NETSIM_DO_DELAY,
                             0};

static unsigned script(void *ctx, const netsim_packet *p)
{
    CHECK(ctx == &n && p->dir == 0 && p->len == 20 && p->now == 50);
    CHECK_MEM(p->bytes, packet, 20);
    return orders[p->index];
}

TEST(script_orders_what_it_likes)
{
    static const uint32_t fate[8] = {NETSIM_SCRIPTED,
                                     NETSIM_COPIED,
                                     NETSIM_DELAYED,
                                     NETSIM_DAMAGED,
                                     NETSIM_MARKED,
                                     0,
                                     NETSIM_COPIED | NETSIM_DELAYED,
                                     0};
    uint32_t i;

    fresh(1);
    n.script = script;
    n.script_ctx = &n;
    for (i = 0; i < 8; i++)
        CHECK_EQ(netsim_send(&n, 0, packet, 20, 2, 50), fate[i]);
    fresh(1);
    n.script = script;
    n.script_ctx = &n;
    n.link[0].loss_ppm = 1000000;
    for (i = 1; i < 8; i++) {
        uint32_t got;

        n.link[0].index = i;
        got = netsim_send(&n, 0, packet, 20, 2, 50);
        /* KEEP is spared; everything else is lost all the same */
        CHECK_EQ((got & NETSIM_LOST) == 0, orders[i] == NETSIM_DO_KEEP);
    }
}

static uint64_t digest(uint64_t seed, uint32_t copies)
{
    uint64_t h = 0;
    netsim_info info;
    uint32_t len, i;

    fresh(seed);
    n.link[0].rate = 10000000;
    n.link[0].delay_us = 5000;
    n.link[0].queue_packets = 50;
    n.link[0].loss_ppm = 50000;
    n.link[0].burst_ppm = 5000;
    n.link[0].burst_end_ppm = 300000;
    n.link[0].reorder_ppm = 30000;
    n.link[0].reorder_us = 3000;
    n.link[0].copy_ppm = copies;
    n.link[0].corrupt_ppm = 20000;
    memset(packet, 0, sizeof packet);
    for (i = 0; i < 2000; i++) {
        uint32_t size = 40 + i % 1400;
        uint32_t fate = netsim_send(&n, 0, packet, size, 0, i * 700u);

        h = netsim_mix(h ^ (fate & ~(uint32_t)NETSIM_COPIED));
    }
    while (!copies &&
           (len = netsim_receive(&n, 0, buf, PACKET, UINT64_MAX / 2, &info)))
        for (i = 0, h = netsim_mix(h ^ info.at); i < len; i++)
            h = netsim_mix(h ^ buf[i]);
    return h;
}

TEST(same_seed_same_network)
{
    uint64_t first = digest(1, 0), i;

    CHECK(digest(1, 0) == first);
    for (i = 2; i < 20; i++)
        CHECK(digest(i, 0) != first);
    /* Known by heart, so that another processor or compiler cannot have
       its own idea of it */
    CHECK(first == 0xE343B228D3400D73u);
}

TEST(directions_have_their_own_luck)
{
    uint32_t i, both = 0;

    fresh(1);
    n.link[0].loss_ppm = n.link[1].loss_ppm = 100000;
    for (i = 0; i < 10000; i++) {
        uint32_t a = netsim_send(&n, 0, packet, 4, 0, 0);
        uint32_t b = netsim_send(&n, 1, packet, 4, 0, 0);

        both += (a & b & NETSIM_LOST) != 0;
        netsim_receive(&n, 0, buf, PACKET, 0, NULL);
        netsim_receive(&n, 1, buf, PACKET, 0, NULL);
    }
    check_binomial(both, 10000, 10000);
}

/* Turning one kind of trouble on does not move the others. */
static uint64_t fates(uint64_t seed, uint32_t copies)
{
    uint64_t h = 0;
    uint32_t i;

    fresh(seed);
    n.link[0].loss_ppm = 50000;
    n.link[0].reorder_ppm = 50000;
    n.link[0].copy_ppm = copies;
    for (i = 0; i < 1500; i++)
        h = netsim_mix(h ^ (netsim_send(&n, 0, packet, 40, 0, 0) &
                            ~(uint32_t)NETSIM_COPIED));
    return h;
}

TEST(kinds_of_trouble_are_independent)
{
    uint64_t seed;

    for (seed = 1; seed < 10; seed++)
        CHECK(fates(seed, 0) == fates(seed, 400000));
}

TEST(time_does_not_run_backwards)
{
    fresh(1);
    netsim_send(&n, 0, packet, 10, 0, 1000);
    netsim_send(&n, 0, packet, 20, 0, 500); /* counts as 1000 */
    CHECK_EQ(netsim_next(&n), 1000);
    CHECK_EQ(netsim_receive(&n, 0, buf, PACKET, 0, NULL), 10);
    CHECK_EQ(netsim_receive(&n, 0, buf, PACKET, 0, NULL), 20);
}

TEST(memory_that_runs_out_is_told_and_comes_back)
{
    uint32_t i, round;

    CHECK_EQ(netsim_init(&n, 1, mem, 8 * NETSIM_WORDS(10, 100), 100), 0);
    for (round = 0; round < 50; round++) {
        for (i = 0; i < 12; i++)
            CHECK_EQ(netsim_send(&n, (int)(i & 1), packet, 100, 0, round),
                     i < 10 ? 0 : NETSIM_NO_SLOT);
        for (i = 0; i < 10; i++)
            CHECK_EQ(netsim_receive(&n, (int)(i & 1), buf, 200, round, NULL),
                     100);
    }
    CHECK_EQ(n.link[0].stats.no_slot, 50);
    CHECK_EQ(netsim_send(&n, 0, packet, 101, 0, 0), NETSIM_NO_SLOT);
}

/* Slots that wait in the queue, in the heap, in both, or are lost while
   queued all come back: a million packets through sixteen slots. */
TEST(no_slot_is_ever_leaked)
{
    uint64_t now = 0, state = 1;
    uint32_t i;

    CHECK_EQ(netsim_init(&n, 3, mem, 8 * NETSIM_WORDS(16, 100), 100), 0);
    n.link[0].rate = n.link[1].rate = 8000000;
    n.link[0].delay_us = 150;
    n.link[0].queue_packets = n.link[1].queue_packets = 3;
    n.link[0].loss_ppm = n.link[1].loss_ppm = 300000;
    n.link[0].copy_ppm = 100000;
    n.link[1].reorder_ppm = 100000;
    n.link[1].reorder_us = 200;
    for (i = 0; i < 100000; i++) {
        now += netsim_random(&state) % 100;
        netsim_send(&n, (int)(i & 1), packet, 100, 0, now);
        while (netsim_receive(&n, 0, buf, 200, now, NULL))
            ;
        while (netsim_receive(&n, 1, buf, 200, now, NULL))
            ;
    }
    CHECK_EQ(n.link[0].stats.no_slot + n.link[1].stats.no_slot, 0);
    CHECK_GT(n.link[0].stats.lost, 1000u);
    CHECK_GT(n.link[0].stats.queue_drops, 1000u);
    now += 10000;
    while (netsim_receive(&n, 0, buf, 200, now, NULL))
        ;
    while (netsim_receive(&n, 1, buf, 200, now, NULL))
        ;
    n.link[0].rate = n.link[0].loss_ppm = n.link[0].copy_ppm = 0;
    for (i = 0; i < 16; i++)
        CHECK_EQ(netsim_send(&n, 0, packet, 100, 0, now), 0);
    CHECK_EQ(netsim_send(&n, 0, packet, 100, 0, now), NETSIM_NO_SLOT);
}

TEST(random_is_splitmix64)
{
    /* the reference generator, started with 1234567 */
    static const uint64_t want[3] = {
        6457827717110365317u, 3203168211198807973u, 9817491932198370423u};
    uint64_t state = 1234567;
    int i;

    for (i = 0; i < 3; i++)
        CHECK(netsim_random(&state) == want[i]);
}
