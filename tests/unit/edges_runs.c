/* >>bytes, >>wire and >>runs where they are easily one off: what a single
   call leaves behind, and not only what comes out at the end. 0BSD. */

#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

/* ---- >>bytes ----------------------------------------------------------- */

TEST(octets_of_24_bits)
{
    uint8_t b[5] = {0xEE, 0xEE, 0xEE, 0xEE, 0xEE};
    tcpsm__put24(b + 1, 0x123456);
    CHECK_EQ(b[0], 0xEE);
    CHECK_EQ(b[1], 0x12);
    CHECK_EQ(b[2], 0x34);
    CHECK_EQ(b[3], 0x56);
    CHECK_EQ(b[4], 0xEE);
    CHECK_EQ(tcpsm__get24(b + 1), 0x123456);
}

/* Each power of ten that a duration can have. */
TEST(durations_of_every_size)
{
    uint32_t v, e;
    for (v = 1234, e = 0; e < 7; e++) {
        CHECK_EQ(tcpsm__k_dec(tcpsm__k_enc(v)), v);
        if (e < 6)
            v *= 10;
    }
    CHECK_EQ(v, 1234000000);
}

/* ---- >>wire ------------------------------------------------------------ */

static void accecn_header(uint8_t *p, uint8_t kind, uint8_t len)
{
    memset(p, 0, 32);
    p[12] = 8 << 4;
    p[13] = 0x10;
    p[20] = kind;
    p[21] = len;
    tcpsm__put24(p + 22, 0x010203);
    tcpsm__put24(p + 25, 0x040506);
    tcpsm__put24(p + 28, 0x070809);
    p[31] = 1;
}

/* RFC 9768 s3.2.3: two kinds for two orders; CE is the second field of
   either, and no other kind is one of them. */
TEST(RFC9768_s3_2_3_kinds)
{
    struct tcpsm__seg s;
    uint8_t p[32], kind;
    for (kind = 170; kind < 177; kind++) {
        int is = kind == 172 || kind == 174;
        accecn_header(p, kind, 11);
        CHECK_EQ(tcpsm__parse(&s, p, sizeof p), TCPSM_DROP_NONE);
        CHECK_EQ(s.has_ceb, is);
        if (is)
            CHECK_EQ(s.ceb, 0x040506);
    }
}

/* The header is as long as was said before it was built, and what is behind
   it was not touched, whichever options it has. */
TEST(header_length_is_known_before)
{
    static const uint8_t cookie[16] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const uint8_t counters[16] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
    uint8_t p[256];
    uint32_t k, n, i;
    for (k = 0; k < 256; k++) {
        struct tcpsm__seg s;
        memset(&s, 0, sizeof s);
        s.scale = k & 1 ? 7 : TCPSM__NO_SCALE;
        s.mss = k & 2 ? 1460 : 0;
        s.ts = k & 4 ? 1 : 0;
        s.sack_ok = k & 8 ? 1 : 0;
        s.acc_n = (uint8_t)(k >> 4 & 3);
        s.nsack = k & 64 ? 1 : 0;
        s.fo_len = k & 128 ? 10 : 0;
        s.fo = cookie;
        s.acc = counters;
        n = tcpsm__build_len(&s);
        if (n > 60)
            continue;
        memset(p, 0xEE, sizeof p);
        CHECK_EQ(tcpsm__build_options(p, &s), n);
        CHECK_EQ(n % 4, 0);
        for (i = n; i < sizeof p; i++)
            CHECKF(p[i] == 0xEE, "options %u: octet %u behind the header",
                   (unsigned)k, (unsigned)(i - n));
    }
}

/* ---- >>runs ------------------------------------------------------------ */

enum { CAP = 8, BASE = 1000 };

typedef struct {
    uint32_t end[CAP], first[CAP];
    uint16_t meta[CAP];
    struct tcpsm__runs r;
    struct tcpsm__delivery d;
} table;

/* Runs of 100 octets, the first from BASE on; oof as flags have it. */
static void start(table *t, uint16_t cap)
{
    memset(t, 0, sizeof *t);
    t->r.end = t->end;
    t->r.first = t->first;
    t->r.meta = t->meta;
    t->r.cap = cap;
    t->r.base = BASE;
}

static void run(table *t, uint16_t flags, uint32_t first)
{
    uint32_t i = t->r.n++;
    t->end[i] = BASE + 100u * (i + 1);
    t->first[i] = first;
    t->meta[i] = flags;
    if (flags & TCPSM__R_OUT)
        t->r.oof += 100;
}

/* A state is impossible only beyond the longest time that is encoded. */
TEST(longest_time_in_a_run)
{
    table t;
    start(&t, CAP);
    run(&t, (27 << 5 | 31) << 6, 1);
    CHECK(tcpsm__runs_valid(&t.r, BASE + 100));
    t.meta[0] = (uint16_t)(28 << 11);
    CHECK(!tcpsm__runs_valid(&t.r, BASE + 100));
}

/* The cost of one entry for two is how far apart they were sent, whichever
   was sent first. */
TEST(misfit_is_a_distance)
{
    table t;
    start(&t, CAP);
    run(&t, 0, 10000);
    run(&t, 0, 18000);
    run(&t, 0, 2000);
    run(&t, 0, 2000);
    CHECK_EQ(tcpsm__runs_misfit(&t.r, 0), 1000);
    CHECK_EQ(tcpsm__runs_misfit(&t.r, 1), 2000);
    CHECK_EQ(tcpsm__runs_misfit(&t.r, 2), 0);
}

/* What was sent once stays so. */
TEST(merging_adds_no_retransmission)
{
    table t;
    start(&t, CAP);
    run(&t, 0, 10);
    run(&t, 0, 12);
    tcpsm__runs_merge(&t.r, 0);
    CHECK_EQ(t.r.n, 1);
    CHECK_EQ(t.meta[0] & TCPSM__R_FLAGS, TCPSM__R_MULTI);
    start(&t, CAP);
    run(&t, TCPSM__R_SACKED, 10);
    run(&t, 0, 12);
    tcpsm__runs_merge(&t.r, 0);
    CHECK_EQ(t.meta[0] & TCPSM__R_FLAGS, TCPSM__R_MULTI | TCPSM__R_RETX);
    CHECK_EQ(t.first[0], 12);
    CHECK_EQ(t.r.oof, 0);
}

/* Nothing is lost when two runs that are both out of flight become one. */
TEST(lost_is_like_lost)
{
    table t;
    start(&t, CAP);
    run(&t, TCPSM__R_LOST, 10);
    run(&t, TCPSM__R_LOST | TCPSM__R_RETX, 12);
    run(&t, TCPSM__R_RETX, 14);
    run(&t, 0, 16);
    CHECK(tcpsm__runs_alike(&t.r, 0));
    CHECK(!tcpsm__runs_alike(&t.r, 1));
    CHECK(!tcpsm__runs_alike(&t.r, 2));
}

/* RFC6298-8: one sample a round trip needs one run that can give it; it is
   not squeezed with the one before it or behind it. */
TEST(RFC6298_8_squeezing_leaves_one_timed)
{
    table t;
    start(&t, CAP);
    run(&t, TCPSM__R_RETX, 0);
    run(&t, TCPSM__R_RETX, 10000);
    run(&t, 0, 10008);
    run(&t, TCPSM__R_RETX, 10016);
    CHECK(tcpsm__runs_squeeze(&t.r, 1));
    CHECK_EQ(t.r.n, 3);
    CHECK_EQ(t.end[0], BASE + 200);
    CHECK(tcpsm__run_timed(&t.r, 1));
}

/* One entry for all of it, as late as the last of it. */
TEST(losing_all_is_as_late_as_the_last)
{
    table t;
    start(&t, CAP);
    run(&t, 0, 10);
    run(&t, 0, 20);
    run(&t, (uint16_t)(5 << 6), 30); /* to 35 */
    tcpsm__runs_lose_all(&t.r);
    CHECK_EQ(t.r.n, 1);
    CHECK_EQ(t.first[0], 35);
    CHECK_EQ(tcpsm__run_last(&t.r, 0), 35);
    CHECK_EQ(t.end[0], BASE + 300);
    CHECK_EQ(t.r.oof, 300);
}

/* What is lost is no probe any more, and not SACKed (RFC 2018 s8). */
TEST(lost_and_nothing_else)
{
    static const uint16_t flags[] = {TCPSM__R_SACKED, TCPSM__R_PROBE,
                                     TCPSM__R_TLP, 0};
    uint32_t i;
    for (i = 0; i < 4; i++) {
        table t;
        start(&t, CAP);
        run(&t, (uint16_t)(flags[i] | TCPSM__R_RETX), 10);
        tcpsm__run_lose(&t.r, 0);
        CHECK_EQ(t.meta[0], TCPSM__R_LOST | TCPSM__R_RETX);
        CHECK_EQ(t.r.oof, 100);
    }
}

TEST(marks_are_taken_from_all)
{
    table t;
    start(&t, CAP);
    run(&t, TCPSM__R_LOST, 10);
    run(&t, TCPSM__R_SACKED, 20);
    run(&t, TCPSM__R_LOST | TCPSM__R_RETX, 30);
    tcpsm__runs_clear(&t.r, TCPSM__R_LOST);
    CHECK_EQ(t.meta[0], 0);
    CHECK_EQ(t.meta[1], TCPSM__R_SACKED);
    CHECK_EQ(t.meta[2], TCPSM__R_RETX);
    CHECK_EQ(t.r.oof, 100);
}

/* A full table: what is sent again joins what was sent again just before. */
TEST(no_room_for_what_is_sent_again)
{
    table t;
    start(&t, 2);
    run(&t, TCPSM__R_RETX, 10);
    run(&t, TCPSM__R_LOST, 5);
    tcpsm__runs_resent(&t.r, 1, BASE + 150, 900, 8);
    CHECK_EQ(t.r.n, 2);
    CHECK_EQ(t.end[0], BASE + 150);
    CHECK_EQ(t.first[0], 900);
    CHECK_EQ(t.meta[0], TCPSM__R_RETX | TCPSM__R_MULTI);
    CHECK_EQ(t.meta[1], TCPSM__R_LOST);
    CHECK_EQ(t.r.oof, 50);
}

/* RFC 7323: an echo tells which of two transmissions arrived, in 22 bits. */
TEST(echoes_before_and_after)
{
    struct tcpsm__delivery d;
    uint32_t t = 0xFFFFF000u, k;
    memset(&d, 0, sizeof d);
    d.echo = (t >> 10) - 5;
    CHECK(!tcpsm__echo_before(&d, t));
    d.has_echo = 1;
    CHECK(tcpsm__echo_before(&d, t));
    for (k = 0; k < 0x200000u; k += 4099) {
        d.echo = (t >> 10) + k;
        CHECK(!tcpsm__echo_before(&d, t));
        d.echo = (t >> 10) - k - 1;
        CHECK(tcpsm__echo_before(&d, t));
    }
}

/* What an acknowledgment brought: sent once, or again. */
TEST(fresh_or_sent_again)
{
    table t;
    start(&t, CAP);
    run(&t, 0, 1000);
    t.d.now = 5000;
    t.d.min_rtt = 100;
    tcpsm__runs_ack(&t.r, BASE + 100, &t.d);
    CHECK_EQ(t.d.fresh, 1);
    CHECK_EQ(t.d.again_too, 0);
    CHECK_EQ(t.d.sample, 4000);
    start(&t, CAP);
    run(&t, TCPSM__R_RETX, 1000);
    t.d.now = 5000;
    t.d.min_rtt = 100;
    tcpsm__runs_ack(&t.r, BASE + 100, &t.d);
    CHECK_EQ(t.d.fresh, 0);
    CHECK_EQ(t.d.again_too, 1);
    CHECK_EQ(t.d.has_sample, 0);
}

/* A block inside one run of a full table needs two entries, and gets them
   where neighbours are alike. */
TEST(room_for_both_ends_of_a_block)
{
    table t;
    start(&t, 4);
    run(&t, 0, 1000);
    run(&t, 0, 1001);
    run(&t, 0, 1002);
    run(&t, 0, 9000);
    t.d.now = 20000;
    t.d.min_rtt = 100;
    tcpsm__runs_sack(&t.r, BASE + 320, BASE + 360, &t.d);
    CHECK(tcpsm__runs_valid(&t.r, BASE + 400));
    CHECK_EQ(t.d.sacked, 40);
    CHECK_EQ(t.r.oof, 40);
    CHECK_EQ(tcpsm__runs_fack(&t.r), BASE + 360);
    CHECK_EQ(t.d.least, 11000);
}

/* RFC 2018: a block that continues another is one block with it. */
TEST(blocks_that_touch_become_one)
{
    table t;
    start(&t, CAP);
    run(&t, 0, 1000);
    run(&t, TCPSM__R_SACKED, 1000);
    run(&t, 0, 2000);
    run(&t, 0, 3000);
    t.d.now = 20000;
    t.d.min_rtt = 100;
    tcpsm__runs_sack(&t.r, BASE + 200, BASE + 300, &t.d);
    CHECK_EQ(t.r.n, 3);
    CHECK_EQ(t.end[1], BASE + 300);
    CHECK_EQ(t.meta[1] & TCPSM__R_SACKED, TCPSM__R_SACKED);
    CHECK_EQ(t.d.least, 18000);
    CHECK_EQ(t.r.oof, 200);
}
