/* What implementations of TCP have been attacked with, as tests of this one.
   Each row of tests/wire/regressions.txt that begins with REG-D is here; the
   comment above a test says what goes wrong where it is done badly.

   REG-D1   option lengths that never end the walk
   REG-D2   an option, or the data offset, past the end of the segment
   REG-D3   a truncated header
   REG-D4   an MSS of 0, 1, 8; options larger than the MSS
   REG-D5   urgent pointers that point nowhere
   REG-D6   one malformed segment ends the connection
   REG-D7   an IP datagram shorter than its headers
   REG-D8   an ISN that can be guessed
   REG-D9   a reset or SYN that is only in the window
   REG-D10  challenge ACKs that others can count
   REG-D11  SACK with a tiny MSS
   REG-D12  many tiny segments out of order (cost: regress_cost.c)
   REG-D13  SACK blocks that make long chains (cost: regress_cost.c)
   REG-D14  SACK edges 2^31 away
   REG-D15  a long send map (cost: regress_cost.c)
   REG-D16  a window of zero for ever
   REG-D17  a flood of SYNs
   REG-D18  a timestamp from the future
   REG-D19  forged ICMP
   REG-D20  what is touched after the end
   REG-D21  short segments in every state
   REG-D22  impossible addresses
   REG-D23  optimistic ACKs
   REG-D24  all flags in all states
   REG-D25  TIME-WAIT assassination
   REG-D26  a peer that vanishes at close */

#define TCPSM_NAMES
#include "regress.h"

/* ---- bytes as they are ------------------------------------------------ */

/* A segment of a header with these option bytes (a multiple of four), in a
   block that ends where the segment does. The sum is said to be right. */
static void raw_build(uint8_t flags, uint32_t seq, uint32_t ack,
                      const uint8_t *opt, uint32_t n)
{
    static uint8_t *block[61];
    uint8_t *b = block[20 + n];

    if (b == NULL)
        b = block[20 + n] = (uint8_t *)malloc(20 + n);
    memset(b, 0, 20);
    pair_put16(b, w.tuple.remote_port);
    pair_put16(b + 2, w.tuple.local_port);
    pair_put32(b + 4, w.irs + seq);
    pair_put32(b + 8, w.iss + ack);
    b[12] = (uint8_t)((20 + n) / 4 << 4);
    b[13] = flags;
    pair_put16(b + 14, 5000);
    memcpy(b + 20, opt, n);
    memset(&w.in, 0, sizeof w.in);
    w.in.src = w.tuple.remote;
    w.in.dst = w.tuple.local;
    w.in.data = b;
    w.in.len = 20 + n;
    w.in.family = w.family;
    w.in.flags = TCPSM_IN_CSUM_OK;
    w.in.drop = 0xEE;
}

static void raw_in(uint8_t flags, uint32_t seq, uint32_t ack,
                   const uint8_t *opt, uint32_t n)
{
    raw_build(flags, seq, ack, opt, n);
    w.ret = LAYER1 ? tcpsm_input(w.c, &w.in, w.p.now)
                   : tcpsm_stack_input(sw.st, &w.in, w.p.now);
}

/* Option bytes in which an option of this kind and length has `rest` bytes
   left up to the end of the header; NOPs before it. Its values are 7, and
   after it the list ends, with rubbish behind. Returns their number. */
static uint32_t option_at(uint8_t *o, uint32_t kind, uint32_t len,
                          uint32_t rest)
{
    uint32_t n = (rest + 3) & ~3u, at = n - rest, i;

    memset(o, 1, at);
    for (i = 0; i < rest; i++)
        o[at + i] = i < len ? 7 : i == len ? 0 : 0xFF;
    o[at] = (uint8_t)kind;
    if (rest > 1 && kind > 1)
        o[at + 1] = (uint8_t)len;
    if (kind < 2 && rest > 1)
        o[at + 1] = 0;
    return n;
}

/* May an option of this kind and length be stepped over? */
static int steps_over(uint32_t kind, uint32_t len, uint32_t rest)
{
    return kind < 2 || (rest > 1 && len >= 2 && len <= rest);
}

/* ---- REG-D1 ----------------------------------------------------------- */

/* REG-D1, CVE-2026-6985: an option of length 0 (or 1) does not move the
   walker on, and it turns for ever or reads the length as an option. Byte
   for byte: every kind, every length, every number of bytes left. */
TEST(every_option_at_every_distance_from_the_end)
{
    uint32_t rest, kind, len, n, seen = 0;
    tcpsm_conn listening, before;
    struct tcpsm_info i;
    uint8_t o[40];

    reg_layer = 1;
    START();
    w.cfg.flags = 0;
    LISTEN();
    listening = *w.c;
    for (rest = 1; rest <= 40; rest++)
        for (kind = 0; kind < 256; kind++)
            for (len = 0; len <= rest + 2; len++) {
                if (kind < 2 && len != 0)
                    break;
                n = option_at(o, kind, len == rest + 2 ? 255 : len, rest);
                *w.c = listening;
                raw_in(PAIR_SYN, 0, 0, o, n);
                CONTEXT("kind %u length %u of %u", kind, len, rest);
                CHECK_EQ(w.ret, 0);
                seen++;
                if (!steps_over(kind, len == rest + 2 ? 255 : len, rest)) {
                    CHECK_EQ(w.in.drop, TCPSM_DROP_OPTIONS);
                    before = listening;
                    CHECK_MEM(&before, w.c, sizeof before);
                    continue;
                }
                CHECK_EQ(w.in.drop, 0);
                tcpsm_status(w.c, &i);
                CHECK_EQ(i.peer_mss, kind == 2 && len == 4 ? 0x0707 : 536);
                CHECK_EQ(i.scaling, kind == 3 && len == 3);
                CHECK_EQ(i.snd_scale, kind == 3 && len == 3 ? 7 : 0);
                CHECK_EQ(i.sack, kind == 4 && len == 2);
                CHECK_EQ(i.timestamps, kind == 8 && len == 10);
            }
    CHECK_GT(seen, 200000u);
    *w.c = listening;
}

/* The same where the options of a SYN mean nothing. */
TEST(every_option_in_a_segment_without_syn)
{
    uint32_t rest, kind, len, n;
    uint8_t o[40];
    tcpsm_conn before;

    reg_layer = 1;
    START();
    OPENED("win 5000");
    IN("A 1 ack 1 win 5000");
    for (rest = 1; rest <= 40; rest++)
        for (kind = 0; kind < 256; kind++)
            for (len = 0; len <= rest + 1; len++) {
                if (kind < 2 && len != 0)
                    break;
                n = option_at(o, kind, len, rest);
                before = *w.c;
                raw_in(PAIR_ACK, 1, 1, o, n);
                CONTEXT("kind %u length %u of %u", kind, len, rest);
                CHECK_EQ(w.ret, 0);
                CHECK_EQ(w.in.drop, steps_over(kind, len, rest)
                                        ? 0
                                        : TCPSM_DROP_OPTIONS);
                CHECK_MEM(&before, w.c, sizeof before);
            }
    NONE();
}

/* A stack reads a SYN's options before there is a connection. */
TEST(every_option_at_a_listener_of_a_stack)
{
    static const uint8_t kinds[] = {0, 1,  2,   3,   4,   5,   8,
                                    9, 34, 172, 174, 253, 254, 255};
    static const uint8_t none[4] = {0};
    uint32_t rest, k, len, n;
    uint8_t o[40];
    int good;

    reg_layer = 2;
    START();
    w.cfg.flags = TCPSM_FASTOPEN;
    LISTEN();
    for (rest = 1; rest <= 40; rest++)
        for (k = 0; k < sizeof kinds; k++)
            for (len = 0; len <= rest + 1; len++) {
                if (kinds[k] < 2 && len != 0)
                    break;
                n = option_at(o, kinds[k], len, rest);
                good = steps_over(kinds[k], len, rest);
                raw_in(PAIR_SYN, 0, 0, o, n);
                CONTEXT("kind %u length %u of %u", kinds[k], len, rest);
                CHECK_EQ(w.ret, 0);
                CHECK_EQ(w.in.drop, good ? 0 : TCPSM_DROP_OPTIONS);
                CHECK_EQ(INFO(syns), good);
                if (!good) {
                    CHECK_EQ(tcpsm_stack_deadline(sw.st), TCPSM_NEVER);
                    continue;
                }
                CHECK_EQ(DRAINED(), 1);
                raw_in(PAIR_RST, 1, 0, none, 0);
                CHECK_EQ(INFO(syns), 0);
            }
}

/* A walk without end would hang here: only lengths of 0, then only of 1. */
BOTH(option_of_length_zero_or_one_is_a_silent_drop)
{
    static const char *const bad[] = {
        "raw 0200",     "raw 0201",     "raw 05000000", "raw 05010101",
        "raw 08000000", "raw 08010000", "raw 0101FE00", "raw 010101FD",
        "raw 0300",     "raw 030101",   "raw 0401",     "raw 1E00",
        "raw 2200",     "raw AC01",     "raw 0000",     "raw 01010101"};
    uint32_t s, k;
    int state;

    for (k = 0; k < 14; k++)
        for (s = TCPSM_LISTEN; s <= TCPSM_TIME_WAIT; s++) {
            be((int)s);
            state = reg__state();
            IN_NOTHING(TCPSM_DROP_OPTIONS, "S %u %s", be_rcv, bad[k]);
            IN_NOTHING(TCPSM_DROP_OPTIONS, "PA %u ack %u len 5 %s", be_rcv,
                       be_snd, bad[k]);
            IN_NOTHING(TCPSM_DROP_OPTIONS, "R %u %s", be_rcv, bad[k]);
            STATE(state);
        }
    START();
    OPENED("win 5000");
    IN("PA 1 ack 1 len 5 %s", bad[14]);
    IN("PA 6 ack 1 len 5 %s", bad[15]);
    READ(10);
}

/* ---- REG-D2 ----------------------------------------------------------- */

/* REG-D2, CVE-2023-34100: the last byte of the header is the kind of an
   option, and its length is read from whatever follows; or the values of an
   MSS are read where the header has ended. */
BOTH(option_kind_is_the_last_byte_of_the_header)
{
    uint32_t kind, n;
    uint8_t o[40];

    for (n = 4; n <= 40; n += 4)
        for (kind = 2; kind < 256; kind++) {
            if (kind == 2) {
                START();
                w.cfg.flags = 0;
                LISTEN();
            }
            memset(o, 1, n);
            o[n - 1] = (uint8_t)kind;
            raw_in(PAIR_SYN, 0, 0, o, n);
            CHECK_EQ(w.in.drop, TCPSM_DROP_OPTIONS);
            CHECK_EQ(DUE(), TCPSM_NEVER);
        }
    STATE(TCPSM_LISTEN);
}

BOTH(mss_option_that_the_header_cuts)
{
    START();
    LISTEN();
    IN_NOTHING(TCPSM_DROP_OPTIONS, "S 0 raw 0101010101010204");
    IN_NOTHING(TCPSM_DROP_OPTIONS, "S 0 raw 0101010101020405");
    IN_NOTHING(TCPSM_DROP_OPTIONS, "S 0 raw 0103030001010103");
    IN_NOTHING(TCPSM_DROP_OPTIONS, "S 0 raw 0101080A00000001");
    STATE(TCPSM_LISTEN);
    IN("S 0 raw 0102020102030501"); /* wrong lengths: no such options */
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1 win 5000");
    TAKE();
    CHECK_EQ(ST(peer_mss), 536);
}

/* The header ends where the data offset says: it is checked against 20 and
   against the segment before anything else is read. */
BOTH(data_offset_below_five_or_past_the_end)
{
    static const int states[] = {TCPSM_LISTEN, TCPSM_SYN_SENT,
                                 TCPSM_SYN_RECEIVED, TCPSM_ESTABLISHED,
                                 TCPSM_TIME_WAIT};
    uint32_t s, off, len;

    for (s = 0; s < sizeof states / sizeof *states; s++) {
        be(states[s]);
        for (off = 0; off < 16; off++)
            for (len = 20; len < 62; len += len == 20 ? 1 : 3) {
                if (off >= 5 && off * 4 <= len)
                    continue;
                IN_NOTHING(TCPSM_DROP_OFFSET,
                           "SA %u ack %u len 44 off %u cut %u csumok", be_rcv,
                           be_snd, off, len);
                IN_NOTHING(TCPSM_DROP_OFFSET,
                           "RA %u ack %u len 44 off %u cut %u csumok", be_rcv,
                           be_snd, off, len);
            }
        STATE(states[s]);
    }
}

/* ---- REG-D3 ----------------------------------------------------------- */

/* REG-D3, CVE-2023-37459: flags or ports are read from a segment that is
   shorter than a header. */
BOTH(header_cut_at_every_byte)
{
    uint32_t s, n;

    for (s = TCPSM_LISTEN; s <= TCPSM_TIME_WAIT; s++) {
        be((int)s);
        for (n = 0; n < 20; n++) {
            IN_NOTHING(TCPSM_DROP_SHORT, "S %u cut %u csumok", be_rcv, n);
            IN_NOTHING(TCPSM_DROP_SHORT, "RA %u ack %u cut %u csumok", be_rcv,
                       be_snd, n);
        }
        STATE((int)s);
    }
}

TEST(header_cut_at_every_byte_and_a_stranger)
{
    uint32_t n;

    reg_layer = 1;
    be(TCPSM_LISTEN);
    for (n = 0; n < 20; n++) {
        IN_ANY("A 1 ack 1 cut %u csumok", n);
        STRANGER_NONE();
    }
}

/* ---- REG-D4 ----------------------------------------------------------- */

/* REG-D4, CVE-2023-35847: the peer's MSS is divided by, or options are taken
   off it: 0 traps, 1 and 8 make each byte a segment or wrap. There is a
   floor, and 0 is none at all. */
BOTH(mss_of_zero_one_and_eight)
{
    static const uint16_t mss[] = {0, 1, 8, 12, 20, 40, 47, 48, 65535};
    static const char *const more[] = {"", "sackok", "ws 3", "ts 900000 0",
                                       "sackok ts 900000 0 ws 14"};
    uint32_t i, k, active, n;

    for (i = 0; i < sizeof mss / sizeof *mss; i++)
        for (k = 0; k < 5; k++)
            for (active = 0; active < 2; active++) {
                START();
                w.cfg.flags = k ? 0 : WIRE_PLAIN;
                w.cfg.cc = NULL;
                if (active)
                    OPENED("win 60000 mss %u %s", mss[i], more[k]);
                else
                    ACCEPTED("win 60000 mss %u %s", mss[i], more[k]);
                CHECK_GE(ST(peer_mss), mss[i] == 0 ? 536 : 48);
                CHECK_GE(ST(smss), 32);
                SEND(4000);
                for (n = 0; n < 4000; n += w.seg.len) {
                    CHECK(NEXT());
                    CHECK_GT(w.seg.len, 0u);
                    CHECK_LE(w.seg.len, 1460u);
                    CHECK_LE(w.seg.len + w.seg.hdr_len - 20,
                             mss[i] == 0   ? 536u
                             : mss[i] < 48 ? 48u
                                           : 1460u);
                    IN("A 1 ack %u", 1 + n + w.seg.len);
                    if (n == 0) /* time passes: pacing and controllers */
                        w.p.now += 1000;
                }
            }
}

BOTH(mss_of_one_over_ipv6)
{
    START6();
    OPENED("win 60000 mss 1");
    CHECK_EQ(ST(peer_mss), 48);
    SEND(100);
    OUT("A 1 ack 1 len 48");
    START6();
    OPENED("win 60000 mss 0");
    CHECK_EQ(ST(peer_mss), 1220);
}

BOTH(mss_outside_a_syn_is_no_option)
{
    START();
    OPENED("win 60000 mss 1000");
    IN("A 1 ack 1 mss 8");
    IN("PA 1 ack 1 len 4 raw 02040001");
    CHECK_EQ(ST(peer_mss), 1000);
    SEND(2000);
    FLIGHT(1, 2, 1000);
}

/* A cookie has three bits for the MSS. */
TEST(mss_of_zero_one_and_eight_in_a_cookie)
{
    static const uint16_t mss[][2] = {{0, 536},  {1, 48},      {8, 48},
                                      {100, 48}, {1460, 1460}, {65535, 8960}};
    uint32_t i;
    tcpsm_conn *c;

    for (i = 0; i < sizeof mss / sizeof *mss; i++) {
        reg_layer = 2;
        START();
        sw.cfg.syn_entries = 1;
        LISTEN();
        PEER(1);
        IN("S 0 win 5000"); /* the table is full */
        DRAINED();
        PEER(2);
        IN("S 0 win 5000 mss %u", mss[i][0]);
        CHECK(NEXT());
        CHECK_EQ(INFO(cookies_sent), 1);
        IN("A 1 ack 1 win 60000");
        c = tcpsm_stack_accept(sw.st, NULL);
        CHECK(c != NULL);
        CHECK_EQ(STATUS(c, peer_mss), mss[i][1]);
    }
}

/* ---- REG-D5 ----------------------------------------------------------- */

/* REG-D5: the urgent pointer is used as a length: 0 underflows, one past the
   text is read past it, one past the window, or before the handshake, is
   an index. Here it is a hint: the stream is what it was. */
BOTH(urgent_pointer_is_never_a_length)
{
    static const uint32_t up[] = {0,   1,    9,    10,    11,    100,
                                  999, 4999, 5000, 32767, 32768, 65535};
    uint32_t i, k, seq;

    for (k = 0; k < 3; k++) {
        START();
        w.cfg.challenge_limit = 255;
        w.rcv_ring = 5000;
        OPENED("win 5000");
        for (i = 0, seq = 1; i < sizeof up / sizeof *up; i++) {
            IN("UPA %u ack 1 len 10 urg %u", seq, up[i]);
            seq += 10;
            IN("UA %u ack 1 urg %u", seq, up[i]); /* nothing with it */
            /* ahead of a gap, and what is here already */
            IN("UA %u ack 1 len 5 urg %u", seq + 5, up[i]);
            IN_ANY("UA %u ack 1 len 5 urg %u", seq - 5, up[i]);
            IN("UA %u ack 1 len 5 urg %u", seq, up[i]);
            seq += 10;
            CHECK_EQ(ST(rcv_nxt) - w.irs, seq);
            if (k == 0)
                READ(20);
        }
        IN_ANY("UFA %u ack 1 urg 65535", seq);
        if (k)
            READ(20 * (sizeof up / sizeof *up));
        DRAINED();
        STATE(TCPSM_CLOSE_WAIT);
    }
}

BOTH(urgent_pointer_before_the_handshake_is_over)
{
    static const uint32_t up[] = {0, 1, 2, 100, 65535};
    uint32_t i;

    for (i = 0; i < sizeof up / sizeof *up; i++) {
        START();
        LISTEN();
        IN("SU 0 win 5000 urg %u", up[i]);
        OUT("SA 0 ack 1 mss 1460");
        IN_ANY("UA 1 ack 7 urg %u", up[i]);
        DRAINED();
        IN("UPA 1 ack 1 len 3 urg %u", up[i]);
        TAKE();
        READ(3);
        START();
        OPEN();
        OUT("S 0 mss 1460");
        IN_ANY("UPA 1 ack 1 len 3 urg %u", up[i]);
        IN("SAU 0 ack 1 win 5000 urg %u", up[i]);
        OUT("A 1 ack 1");
        IN("PA 1 ack 1 len 3");
        READ(3);
    }
}

/* In every state, with and without text; and with an option of kind 29 that
   is too short for what it should hold. */
BOTH(urgent_pointer_in_every_state)
{
    static const char *const more[] = {"", "raw 1D021D03", "raw 1D041010",
                                       "raw 1D03"};
    uint32_t s, k, up;

    for (s = TCPSM_LISTEN; s <= TCPSM_TIME_WAIT; s++)
        for (k = 0; k < 4; k++) {
            be((int)s);
            for (up = 0; up < 65536; up = up * 5 + 1) {
                IN_ANY("U %u len 3 urg %u %s", be_rcv, up, more[k]);
                IN_ANY("UA %u ack %u urg %u %s", be_rcv, be_snd, up, more[k]);
                IN_ANY("UPA %u ack %u len 3 urg %u %s", be_rcv + 500, be_snd,
                       up, more[k]);
                DRAINED();
            }
            IN_ANY("UPA %u ack %u len 3 urg 7 %s", be_rcv, be_snd, more[k]);
            DRAINED();
            if (s != TCPSM_ESTABLISHED)
                continue;
            CHECK_EQ(ST(rcv_nxt) - w.irs, k == 1 ? 1 : 4);
            READ(k == 1 ? 0 : 3); /* the list of k = 1 is malformed */
        }
}

/* ---- REG-D6 ----------------------------------------------------------- */

/* REG-D6, CVE-2019-12258: a segment with a bad option, from anybody who
   knows the four numbers of the name, ends the connection or is answered
   with a reset. */
BOTH(malformed_segments_leave_the_connection_alone)
{
    static const struct {
        const char *what;
        int drop;
    } bad[] = {{"raw 0200", TCPSM_DROP_OPTIONS},
               {"raw 08FF", TCPSM_DROP_OPTIONS},
               {"raw 010105", TCPSM_DROP_OPTIONS},
               {"off 4", TCPSM_DROP_OFFSET},
               {"off 15", TCPSM_DROP_OFFSET},
               {"badsum", TCPSM_DROP_CHECKSUM},
               {"raw 0200 badsum", TCPSM_DROP_CHECKSUM},
               {"cut 19", TCPSM_DROP_SHORT}};
    static const char *const seg[] = {"A",  "PA", "FA", "R",
                                      "RA", "S",  "SA", "FSRPAU"};
    uint32_t s, k, i;

    for (s = TCPSM_LISTEN; s <= TCPSM_TIME_WAIT; s++) {
        be((int)s);
        for (k = 0; k < sizeof bad / sizeof *bad; k++)
            for (i = 0; i < sizeof seg / sizeof *seg; i++)
                IN_NOTHING(bad[k].drop, "%s %u ack %u len 4 %s", seg[i],
                           be_rcv, be_snd, bad[k].what);
        STATE((int)s);
    }
}

/* ---- REG-D7 ----------------------------------------------------------- */

/* The last segment as a datagram, in a block that ends with it. */
static uint8_t *datagram(uint32_t *n)
{
    static uint8_t *d;
    uint32_t hdr = w.family == 4 ? 20 : 40, i, sum = 0;

    free(d);
    *n = hdr + w.in.len;
    d = (uint8_t *)malloc(*n);
    memset(d, 0, hdr);
    if (w.family == 4) {
        d[0] = 0x45;
        pair_put16(d + 2, *n);
        d[8] = 64;
        d[9] = 6;
        memcpy(d + 12, w.tuple.remote, 4);
        memcpy(d + 16, w.tuple.local, 4);
        for (i = 0; i < 20; i += 2)
            sum += pair_get16(d + i);
        pair_put16(d + 10, ~(sum % 0xFFFF));
    } else {
        d[0] = 0x60;
        pair_put16(d + 4, w.in.len);
        d[6] = 6;
        d[7] = 64;
        memcpy(d + 8, w.tuple.remote, 16);
        memcpy(d + 24, w.tuple.local, 16);
    }
    memcpy(d + hdr, w.in.data, w.in.len);
    return d;
}

/* A field of the header says v; the sum of IPv4's is right again. */
static void says16(uint8_t *d, uint32_t at, uint32_t v)
{
    uint32_t was = pair_get16(d + at), sum;

    pair_put16(d + at, v);
    if (w.family != 4)
        return;
    sum = (~(uint32_t)pair_get16(d + 10) & 0xFFFF) + 0xFFFF - was + v;
    pair_put16(d + 10, ~(sum % 0xFFFF));
}

static void datagram_in(const uint8_t *d, uint32_t n)
{
    uint8_t *exact = (uint8_t *)malloc(n ? n : 1);

    memcpy(exact, d, n);
    memset(&w.in, 0, sizeof w.in);
    w.in.flags = TCPSM_IN_CSUM_OK; /* so that nothing hides behind it */
    w.ret = tcpsm_ip_input(sw.st, exact, n, &w.in, w.p.now);
    stackwire__touched();
    free(exact);
}

/* REG-D7: the length of the segment is the datagram's minus
   the header's, and that is negative. REG-D3: or the datagram is cut. */
TEST(datagram_shorter_than_its_headers)
{
    uint32_t v6, n, k, hdr;
    uint8_t *d;

    reg_layer = 2;
    for (v6 = 0; v6 < 2; v6++) {
        if (v6)
            START6();
        else
            START();
        LISTEN();
        hdr = v6 ? 40 : 20;
        wire__build("S 0 win 5000 mss 1000");
        d = datagram(&n);
        for (k = 0; k < n; k++) { /* cut */
            datagram_in(d, k);
            CHECK_NE(w.in.drop, 0);
        }
        for (k = 0; k < 65536; k = k < 100 ? k + 1 : k * 3) { /* a lie */
            if (k == (v6 ? n - hdr : n))
                continue;
            wire__build("S 0 win 5000 mss 1000");
            d = datagram(&n);
            says16(d, v6 ? 4 : 2, k);
            datagram_in(d, n);
            CHECKF(w.in.drop != 0, "a length of %u is taken", k);
        }
        CHECK_EQ(INFO(syns), 0);
        NONE();
        wire__build("S 0 win 5000 mss 1000");
        d = datagram(&n);
        datagram_in(d, n);
        CHECK_EQ(w.in.drop, 0);
        CHECK_EQ(INFO(syns), 1);
        OUT("SA 0 ack 1 mss %u", v6 ? 1440 : 1460);
    }
}

TEST(ip_header_length_out_of_range)
{
    uint32_t n, k, i, sum;
    uint8_t *d;

    reg_layer = 2;
    START();
    LISTEN();
    for (k = 0; k < 256; k++) {
        wire__build("S 0 win 5000 mss 1000");
        d = datagram(&n);
        if (k == d[0])
            continue;
        d[0] = (uint8_t)k;
        pair_put16(d + 10, 0);
        for (i = sum = 0; i < 4 * (k & 15) && i < n; i += 2)
            sum += pair_get16(d + i);
        pair_put16(d + 10, ~(sum % 0xFFFF)); /* right for that length */
        datagram_in(d, n);
        CHECK_NE(w.in.drop, 0);
    }
    CHECK_EQ(INFO(syns), 0);
}

/* What a link adds behind the datagram is not text. */
TEST(padding_behind_a_datagram_is_no_text)
{
    static uint8_t padded[200];
    uint32_t n;
    uint8_t *d;

    reg_layer = 2;
    START();
    ACCEPTED("win 5000");
    wire__build("PA 1 ack 1 len 3");
    d = datagram(&n);
    memset(padded, 0x5C, sizeof padded);
    memcpy(padded, d, n);
    memset(&w.in, 0, sizeof w.in);
    CHECK_EQ(tcpsm_ip_input(sw.st, padded, 60, &w.in, w.p.now), 0);
    CHECK_EQ(w.in.drop, 0);
    READ(3);
    READ(0);
}

/* ---- REG-D8 ----------------------------------------------------------- */

/* REG-D8, CVE-2020-27213 and others: ISNs from a counter, a weak generator or
   no secret at all. Without a key nothing starts. */
TEST(isn_needs_a_key)
{
    static const uint8_t none[16];
    static uint8_t mem[65536];
    tcpsm_stack_config cfg = TCPSM_ZERO;

    reg_layer = 1;
    START();
    memcpy(w.cfg.key, none, 16);
    CHECK_EQ(tcpsm_init(w.c, &w.cfg), TCPSM_E_KEY);
    cfg.conns = 1;
    CHECK_EQ(
        tcpsm_stack_init(&sw.st, mem, sizeof mem, &cfg, (tcpsm_time)1000),
        TCPSM_E_KEY);
}

/* The ISN that we send to this port, now, with this key. */
static uint32_t isn_for(uint8_t key, uint16_t port, tcpsm_time now)
{
    tcpsm_conn *c;
    tcpsm_time t0;

    START();
    t0 = w.p.now;
    w.p.now += now;
    memset(w.cfg.key, key, 16);
    w.tuple.remote_port = port;
    OPEN();
    CHECK(NEXT());
    w.p.now = t0 + now;
    c = w.c;
    CHECK(c != NULL);
    return w.seg.seq;
}

/* Who sees the ISNs of his own connections learns nothing of others': only
   what is the same name and key goes by the clock of 4 us. */
BOTH(isns_do_not_tell_each_other)
{
    uint32_t isn[64], i, k, a = isn_for(1, 5000, 0);

    CHECK_EQ(isn_for(1, 5000, 4000) - a, 1000);
    CHECK_EQ(isn_for(1, 5000, 8000000) - a, 2000000);
    CHECK_NE(isn_for(2, 5000, 0), a);
    for (i = 0; i < 64; i++)
        isn[i] = isn_for(1, (uint16_t)(5000 + i), 0);
    for (i = 2; i < 64; i++) /* no line through them */
        CHECK_NE(isn[i] - isn[i - 1], isn[i - 1] - isn[i - 2]);
    for (i = 0; i < 64; i++)
        for (k = 0; k < i; k++)
            CHECK_GT(isn[i] - isn[k] + 0x1000u, 0x2000u);
}

TEST(isns_of_a_listener_do_not_tell_each_other)
{
    uint32_t isn[40], i;

    reg_layer = 2;
    START();
    sw.cfg.syn_entries = 20; /* then cookies */
    LISTEN();
    for (i = 0; i < 40; i++) {
        PEER((int)i);
        IN("S 0 win 5000 mss 1460");
        CHECK(NEXT());
        isn[i] = w.seg.seq;
    }
    CHECK_GT(INFO(cookies_sent), 0u);
    for (i = 2; i < 40; i++)
        CHECK_NE(isn[i] - isn[i - 1], isn[i - 1] - isn[i - 2]);
}

/* ---- REG-D9 ----------------------------------------------------------- */

/* REG-D9: a reset or a SYN anywhere in the window ends the connection, so
   one guess in a few thousand is enough. */
BOTH(reset_must_be_exact)
{
    static const int states[] = {TCPSM_SYN_RECEIVED, TCPSM_ESTABLISHED,
                                 TCPSM_FIN_WAIT_1, TCPSM_FIN_WAIT_2};
    uint32_t s;

    for (s = 0; s < 4; s++) {
        be(states[s]);
        IN_DROP(TCPSM_DROP_RST, "R %u", be_rcv + 1);
        OUT("A %u ack %u", be_snd, be_rcv);
        IN_DROP(TCPSM_DROP_RST, "RA %u ack %u", be_rcv + 4000, be_snd);
        OUT("A %u ack %u", be_snd, be_rcv);
        IN_NOTHING(TCPSM_DROP_RST, "R %d", (int)be_rcv - 1);
        IN_NOTHING(TCPSM_DROP_RST, "R %u", be_rcv + 65535);
        IN_NOTHING(TCPSM_DROP_RST, "R %u", be_rcv + 0x80000000u);
        STATE(states[s]);
        IN("R %u", be_rcv);
        CHECK(reg__state() <= TCPSM_LISTEN);
    }
}

BOTH(syn_in_the_window_is_challenged)
{
    uint32_t s;

    for (s = TCPSM_ESTABLISHED; s < TCPSM_TIME_WAIT; s++) {
        be((int)s);
        IN_DROP(TCPSM_DROP_SYN, "S %u", be_rcv);
        OUT("A %u ack %u", be_snd, be_rcv);
        IN_DROP(TCPSM_DROP_SYN, "SA %u ack %u", be_rcv + 9, be_snd);
        OUT("A %u ack %u", be_snd, be_rcv);
        IN_DROP(TCPSM_DROP_SYN, "S %u len 9", be_rcv - 7000000);
        OUT("A %u ack %u", be_snd, be_rcv);
        STATE((int)s);
    }
}

/* ---- REG-D10 ---------------------------------------------------------- */

/* REG-D10: one count of challenge ACKs for all connections: who uses up the
   rest of it over a connection of his own sees whether a guess about another
   one was right. */
TEST(challenges_of_one_connection_are_not_those_of_another)
{
    int i, n = 0;

    reg_layer = 2;
    START();
    LISTEN();
    PEER(0);
    HANDSHAKE("win 5000");
    PEER(1);
    HANDSHAKE("win 5000");
    for (i = 0; i < 50; i++) {
        IN_DROP(TCPSM_DROP_RST, "R 100");
        n += (int)DRAINED();
    }
    CHECK_EQ(n, 10);
    PEER(0);
    for (i = 0; i < 10; i++) {
        IN_DROP(TCPSM_DROP_SYN, "S 100");
        OUT("A 1 ack 1");
    }
    IN_DROP(TCPSM_DROP_SYN, "S 100");
    NONE();
}

/* Half-open ones have a count of their own, too, and so has TIME-WAIT. */
TEST(challenges_of_half_open_connections_are_apart)
{
    int i, k;

    reg_layer = 2;
    START();
    LISTEN();
    for (k = 0; k < 2; k++) {
        PEER(k);
        IN("S 0 win 5000");
        OUT("SA 0 ack 1 mss 1460");
    }
    for (k = 0; k < 2; k++) {
        PEER(k);
        for (i = 0; i < 10; i++) {
            IN_DROP(TCPSM_DROP_RST, "R 100");
            OUT("A 1 ack 1");
        }
        IN_DROP(TCPSM_DROP_RST, "R 100");
        NONE();
    }
}

/* ---- REG-D11 ---------------------------------------------------------- */

static void wide(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    (void)e;
    s->cwnd = s->ssthresh = 1000000;
}

static const tcpsm_cc wide_cc = {200,  wide, wide, NULL,
                                 NULL, NULL, NULL, NULL};

/* REG-D11: with a tiny MSS a window is more segments than a counter holds,
   and SACKs that join them overflow it. Here bytes are counted. */
BOTH(sack_with_a_tiny_mss_counts_bytes)
{
    uint32_t i, k, una = 1, queued = 0, end, seen = 0;

    START();
    w.cfg.flags = WIRE_PLAIN & ~(uint32_t)TCPSM_NO_SACK;
    w.cfg.cc = &wide_cc;
    OPENED("win 65535 mss 48 sackok");
    for (k = 0; una < 300001; k++) {
        CHECK_LT(k, 4000u);
        if (queued < 300000) {
            SEND(una + 59999 - queued);
            queued = una + 59999;
        }
        DRAINED();
        w.p.now += 100000;
        end = ST(snd_nxt) - w.iss;
        if (end - una > 50000 && seen < 3) { /* a thousand segments */
            seen++;
            for (i = una + 48; i + 96 <= end; i += 960) { /* in pieces */
                IN("A 1 ack %u sack %u:%u", una, i,
                   i + 912 < end ? i + 912 : end);
                CHECK_LE(ST(sacked) + ST(lost), end - una);
            }
            IN("A 1 ack %u sack %u:%u", una, una + 48, end); /* joined */
            CHECK_EQ(ST(sacked), end - una - 48);
            CHECK_LE(ST(flight), 96u);
        }
        una = end;
        IN("A 1 ack %u", una);
        CHECK_EQ(ST(sacked), 0);
    }
    CHECK_EQ(seen, 3);
}

/* ---- REG-D12 ---------------------------------------------------------- */

/* REG-D12: each tiny piece out of order costs a node of a list, and each one
   more walks it. Here there are as many ranges as there are, and what does
   not fit comes again. */
BOTH(many_tiny_segments_out_of_order)
{
    uint32_t i;

    START();
    w.cfg.flags = WIRE_PLAIN & ~(uint32_t)TCPSM_NO_SACK;
    OPENED("win 5000 sackok");
    for (i = 0; i < 2000; i++) {
        IN_ANY("A %u ack 1 len 1", 3 + 2 * ((i * 7919) % 2000));
        DRAINED();
        CHECK_LE(ST(ranges), ST(range_cap));
    }
    READ(0);
    for (i = 0; i < 4003; i += 1001) /* all of it comes again */
        IN_ANY("A %u ack 1 len 1001", 1 + i);
    DRAINED();
    CHECK_EQ(ST(ranges), 0);
    CHECK_GE(ST(rcv_nxt) - w.irs, 4004u);
    READ(ST(rcv_queued));
}

/* ---- REG-D13 ---------------------------------------------------------- */

/* REG-D13, CVE-2019-8460: SACK blocks of one octet each make a hole, and a
   record, where nothing was lost. */
BOTH(sack_blocks_of_one_octet_make_no_chain)
{
    uint32_t i, a;

    START();
    w.cfg.flags = (WIRE_PLAIN & ~(uint32_t)TCPSM_NO_SACK) | TCPSM_NO_PROBE;
    w.cfg.initial_segments = 40;
    OPENED("win 65535 mss 1460 sackok");
    SEND(50000);
    FLIGHT(1, 34, 1460);
    for (i = 0; i < 3000; i++) {
        a = 3 + 2 * (i * 7919 % 20000);
        IN_ANY("A 1 ack 1 sack %u:%u %u:%u %u:%u", a, a + 1, a + 4, a + 5,
               a + 90, a + 91);
        CHECK_EQ(w.ret, 0);
        CHECK_LE(ST(runs), ST(run_cap));
        CHECK_LE(ST(sacked) + ST(lost), ST(snd_nxt) - ST(snd_una));
        DRAINED();
    }
    CHECK_GT(ST(sacked), 0u);
    IN("A 1 ack %u", ST(snd_nxt) - w.iss);
    CHECK_EQ(ST(runs), 0);
    CHECK_EQ(ST(sacked), 0);
}

/* ---- REG-D14 ---------------------------------------------------------- */

/* REG-D14: SACK edges are compared by subtraction with a sign: 2^31 away, a
   block is before and after the same octet, and both ends of a hole are
   missing. Every pair of edges, against the rule SND.UNA < left < right =<
   SND.NXT, and with SND.UNA below, at and above 2^31 and 2^32. */
BOTH(sack_edges_two_gigabytes_away)
{
    static const uint32_t iss[] = {0xFFFFF000u, 0x7FFFF000u, 0xFFFFFFFFu,
                                   0x7FFFFFFFu, 12345};
    uint32_t e[40], n, i, k, a, b, round;

    for (round = 0; round < 5; round++) {
        START();
        w.cfg.flags = WIRE_PLAIN & ~(uint32_t)TCPSM_NO_SACK;
        w.want_iss = iss[round];
        OPENED("win 65535 mss 1000 sackok");
        SEND(9000);
        FLIGHT(1, 9, 1000);
        IN("A 1 ack 1001");
        n = 0;
        for (i = 0; i < 3; i++) { /* around UNA, the middle and NXT */
            a = i == 0 ? 1001 : i == 1 ? 5001 : 9001;
            for (k = 0; k < 3; k++) {
                e[n++] = a - 1 + k;
                e[n++] = a - 1 + k + 0x80000000u;
                e[n++] = a - 1 + k + 0x40000000u;
                e[n++] = a - 1 + k - 0x40000000u;
            }
        }
        CHECK_EQ(n, 36);
        for (i = 0; i < n; i++)
            for (k = 0; k < n; k++) {
                tcpsm_conn before;

                a = e[i] - 1001;
                b = e[k] - 1001;
                if (a > 0 && a < b && b <= 8000)
                    continue; /* a good one */
                memcpy(&before, w.c, sizeof before);
                IN_ANY("A 1 ack 1001 sack %u:%u", e[i], e[k]);
                CHECK_EQ(w.ret, 0);
                CHECK_EQ(ST(sacked), 0);
                CHECK_EQ(ST(lost), 0);
                CHECK_EQ(ST(dupacks), 0);
                CHECK_EQ(ST(snd_una) - w.iss, 1001);
                DRAINED();
            }
        IN_ANY("A 1 ack 1001 sack 5001:9001");
        CHECK_EQ(ST(sacked), 4000);
    }
}

/* ---- REG-D15 ---------------------------------------------------------- */

/* REG-D15: one record for each segment in flight, without a bound. Here there
   are as many as there are, the closest in time are joined, and no byte is
   forgotten. */
BOTH(more_segments_in_flight_than_records)
{
    uint32_t i, una = 1, turn;
    uint8_t there[100] = {0};

    START();
    w.cfg.flags = (WIRE_PLAIN & ~(uint32_t)TCPSM_NO_SACK) | TCPSM_NODELAY;
    w.cfg.initial_segments = 255;
    OPENED("win 65535 mss 100 sackok");
    for (i = 0; i < 100; i++) { /* each at another time */
        SEND(100);
        FLIGHT(1 + 100 * i, 1, 100);
        w.p.now += 100 + 7 * (i * i % 11);
        CHECK_LE(ST(runs), ST(run_cap));
    }
    for (i = 1; i < 100; i += 2) { /* every second one arrived */
        IN("A 1 ack 1 sack %u:%u", 1 + 100 * i, 101 + 100 * i);
        there[i] = 1;
        CHECK_LE(ST(runs), ST(run_cap));
    }
    for (turn = 0; una < 101; turn++) { /* una: segments there in order */
        CHECK_LT(turn, 400u);
        while (una < 101 && there[una - 1])
            una++;
        IN_ANY("A 1 ack %u", 100 * una - 99);
        while (NEXT())
            for (i = 0; i < w.seg.len; i++)
                there[(w.seg.seq - w.iss - 1 + i) / 100] = 1;
        if (DUE() != TCPSM_NEVER && DUE() > w.p.now)
            w.p.now = DUE();
    }
    CHECK_EQ(ST(snd_queued), 0);
}

/* ---- REG-D16 ---------------------------------------------------------- */

/* Time goes on for s seconds; each probe of a window is answered so.
   Returns how many there were. */
static uint32_t probes_answered(double s, const char *answer)
{
    tcpsm_time end = w.p.now + wire__us(s), d;
    uint32_t n = 0, k;

    while ((d = DUE()) <= end) {
        if (d > w.p.now)
            w.p.now = d;
        for (k = 0; NEXT(); k++)
            CHECK_LT(k, 100u);
        if (k == 0)
            continue;
        n += k;
        if (answer && tcpsm_state(w.c) != TCPSM_CLOSED)
            reg__in(answer);
    }
    w.p.now = end;
    return n;
}

/* REG-D16: who connects, closes the window and lives on holds memory for
   ever. While the owner wants the connection it may last (RFC 9293 s3.8.6.1),
   but it ends by the user timeout once the owner has closed, answered or
   not, and when the probes are not answered. */
BOTH(window_of_zero_for_ever_and_the_owner_closed)
{
    START();
    OPENED("win 5000");
    IN("A 1 ack 1 win 0");
    SEND(100);
    CHECK_GT(probes_answered(3600, "A 1 ack 1 win 0"), 20u);
    STATE(TCPSM_ESTABLISHED);
    CLOSE();
    CHECK_LT(probes_answered(310, "A 1 ack 1 win 0"), 200u);
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
    CHECK_EQ(DUE(), TCPSM_NEVER);
}

BOTH(window_of_zero_for_ever_and_no_answer)
{
    START();
    OPENED("win 5000");
    IN("A 1 ack 1 win 0");
    SEND(100);
    CHECK_GT(RUN_OUT(400), 3u);
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
}

/* What was released in a stack is the stack's: it ends, and is free again. */
TEST(window_of_zero_for_ever_and_released)
{
    reg_layer = 2;
    START();
    ACCEPTED("win 0");
    SEND(100);
    CHECK_EQ(tcpsm_stack_release(sw.st, w.c), 0);
    CHECK_EQ(INFO(orphans), 1);
    while (DUE() != TCPSM_NEVER && w.p.now < w.t0 + 400 * PAIR_SECOND) {
        if (DUE() > w.p.now)
            w.p.now = DUE();
        if (DRAINED())
            IN_ANY("A 1 ack 1 win 0");
    }
    CHECK_EQ(INFO(conns), 0);
    CHECK_EQ(INFO(rings), 0);
}

/* ---- REG-D17 ---------------------------------------------------------- */

/* REG-D17: each SYN takes a connection, or the number that stands for one can
   be computed. Here a flood fills a table of fixed size, then nothing; and
   who really wants to connect, can. */
TEST(flood_of_syns_takes_no_connection)
{
    uint32_t i;
    size_t bytes;

    reg_layer = 2;
    START();
    sw.cfg.syn_entries = 8;
    sw.cfg.replies = 16;
    LISTEN();
    bytes = INFO(bytes);
    for (i = 0; i < 5000; i++) {
        PEER((int)(i % STACKWIRE_PEERS));
        w.tuple.remote[2] = (uint8_t)(i >> 8);
        w.tuple.remote[3] = (uint8_t)(2 + i % 200);
        w.tuple.remote_port = (uint16_t)(1024 + i);
        IN("S %u win 5000 mss 1460", i * 77);
        if (i % 8 == 0)
            DRAINED();
        CHECK_LE(INFO(syns), INFO(syn_cap));
        CHECK_EQ(INFO(conns), 0);
    }
    DRAINED();
    CHECK_EQ(INFO(bytes), bytes);
    CHECK_GT(INFO(cookies_sent), 4000u);
    memset(&sw.peer[60], 0, sizeof sw.peer[60]);
    PEER(60);
    HANDSHAKE("win 5000 mss 1000");
    CHECK_EQ(INFO(cookies_good), 1);
    CHECK_EQ(INFO(conns), 1);
}

/* An ISN that was never sent is no cookie. */
TEST(guessed_cookies_open_nothing)
{
    uint32_t i;

    reg_layer = 2;
    START();
    sw.cfg.syn_entries = 1;
    LISTEN();
    PEER(1);
    IN("S 0 win 5000");
    DRAINED();
    PEER(2);
    IN("S 0 win 5000");
    CHECK(NEXT());
    CHECK_EQ(INFO(cookies_sent), 1);
    for (i = 0; i < 2000; i++) {
        IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack %u", 2 + i * 2654435u);
        CHECK_EQ(DRAINED(), 1); /* a reset */
    }
    PEER(3); /* somebody else's */
    w.iss = sw.peer[2].iss;
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack 1");
    CHECK_EQ(INFO(conns), 0);
    CHECK_EQ(INFO(cookies_good), 0);
}

/* Nor does one SYN hold a connection that listens by itself for long. */
TEST(one_syn_does_not_hold_a_listener)
{
    reg_layer = 1;
    be(TCPSM_SYN_RECEIVED);
    while (tcpsm_state(w.c) != TCPSM_LISTEN) {
        CHECK_LT(w.p.now, w.t0 + 10 * PAIR_SECOND);
        w.p.now = DUE() > w.p.now ? DUE() : w.p.now;
        DRAINED();
    }
}

/* ---- REG-D18 ---------------------------------------------------------- */

/* REG-D18: TS.Recent is taken from a segment that is not acceptable: one
   forged time from the future, and PAWS drops all that the peer sends. */
BOTH(timestamp_from_the_future_is_not_remembered)
{
    static const char *const forged[] = {
        "PA 70000 ack 1 len 5 ts 2000000000 *", /* outside */
        "A -3 ack 1 ts 2000000000 *",           /* left of it */
        "PA 9 ack 1 len 5 ts 2000000000 *",     /* ahead of a gap */
        "A 1 ack 90000 ts 2000000000 *",        /* acknowledges nothing */
        "A 1 ack -90000000 ts 2000000000 *",    /* too old */
        "P 1 len 5 ts 2000000000 *",            /* no ACK */
        "S 1 ts 2000000000 *",
        "R 2 ts 2000000000 *",
        "PA 1 ack 1 len 5 ts 2000000000 * badsum"};
    uint32_t i;

    START();
    w.cfg.flags = TCPSM_NO_SCALE;
    OPENED("win 5000 ts 900000 0");
    for (i = 0; i < sizeof forged / sizeof *forged; i++) {
        IN_ANY("%s", forged[i]);
        DRAINED();
        IN("A 1 ack 1 ts 900001 *");
        CHECK_EQ(w.c->ts_recent, 900001);
    }
    IN("PA 1 ack 1 len 8 ts 900002 *");
    READ(8 + 5); /* and what was held beyond the gap */
}

/* ---- REG-D19 ---------------------------------------------------------- */

/* REG-D19: an ICMP message that anybody could have made resets a connection
   or makes its segments tiny. It must quote what is in flight, never ends an
   established connection, and the MTU has a floor. */
BOTH(forged_icmp_is_no_error)
{
    static const int kinds[][2] = {{3, 0}, {3, 1},  {3, 2},  {3, 3},
                                   {3, 4}, {3, 13}, {11, 0}, {12, 0}};
    static const uint32_t away[] = {0,    101,         102,
                                    5000, 0x80000000u, 0xFFFFFFF0u};
    uint32_t i, k;

    START();
    OPENED("win 5000 mss 1000");
    SEND(100);
    FLIGHT(1, 1, 100);
    for (i = 0; i < 8; i++)
        for (k = 0; k < 6; k++)
            CHECK_EQ(reg_icmp(kinds[i][0], kinds[i][1], 68, away[k]),
                     TCPSM_DROP_ICMP);
    CHECK_EQ(ST(soft_error), 0);
    CHECK_EQ(ST(mtu), 1500);
    NONE();
    for (i = 0; i < 8; i++) /* with the right SEQ: soft */
        reg_icmp(kinds[i][0], kinds[i][1], 68, 1);
    STATE(TCPSM_ESTABLISHED);
    ERROR_IS(0);
    CHECK_GE(ST(mtu), 296);
    CHECK_GE(ST(smss), 48);
    IN("A 1 ack 101");
}

BOTH(forged_icmp_before_the_handshake_is_over)
{
    START();
    OPEN();
    CHECK(NEXT());
    CHECK_EQ(reg_icmp(3, 3, 0, 1), TCPSM_DROP_ICMP);
    CHECK_EQ(reg_icmp(3, 3, 0, 0xFFFFFFFFu), TCPSM_DROP_ICMP);
    CHECK_EQ(reg_icmp(4, 0, 0, 0), TCPSM_DROP_ICMP); /* source quench */
    STATE(TCPSM_SYN_SENT);
    CHECK_EQ(reg_icmp(3, 3, 0, 0), 0); /* it quotes our SYN */
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_UNREACHABLE);
}

/* What is half-open, in TIME-WAIT or closed is not moved by any. */
BOTH(forged_icmp_where_nothing_is_in_flight)
{
    uint32_t s, seq;

    for (s = TCPSM_CLOSED; s <= TCPSM_TIME_WAIT; s++) {
        if (s == TCPSM_SYN_SENT || s == TCPSM_FIN_WAIT_1 ||
            s == TCPSM_CLOSING || s == TCPSM_LAST_ACK)
            continue;
        be((int)s);
        if (s == TCPSM_SYN_RECEIVED && LAYER1)
            continue; /* its SYN is in flight: a soft error */
        for (seq = 0; seq < 4; seq++) {
            CHECK_NE(reg_icmp(3, 3, 0, be_snd + seq), 0);
            CHECK_NE(reg_icmp(3, 4, 68, be_snd + seq), 0);
        }
        STATE((int)s);
        NONE();
    }
}

/* ---- REG-D20 ---------------------------------------------------------- */

/* REG-D20: a text for each value of a field of six bits, indexed by eight;
   every name is total. */
TEST(names_of_impossible_values)
{
    int i;

    for (i = -300; i < 300; i++) {
        CHECK(tcpsm_state_name(i) != NULL && *tcpsm_state_name(i));
        CHECK(tcpsm_error_name(i) != NULL && *tcpsm_error_name(i));
        CHECK(tcpsm_drop_name(i) != NULL && *tcpsm_drop_name(i));
    }
    CHECK(tcpsm_state_name(INT32_MIN) != NULL);
    CHECK(tcpsm_error_name(INT32_MIN) != NULL);
    CHECK(tcpsm_drop_name(INT32_MAX) != NULL);
}

/* Every call, on a connection that is over. */
static void every_call(tcpsm_conn *c)
{
    static uint8_t buf[4096];
    struct tcpsm_info i;
    tcpsm_cspan r[2];
    tcpsm_span s[2];
    tcpsm_tuple t;
    tcpsm_facts f;

    CHECK_LT(tcpsm_send(c, buf, 10, 0), 0);
    CHECK_LT(tcpsm_send_reserve(c, s), 0);
    CHECK_LT(tcpsm_send_commit(c, 1, 0), 0);
    (void)tcpsm_shutdown(c);
    (void)tcpsm_close(c);
    (void)tcpsm_abort(c);
    (void)tcpsm_set(c, TCPSM_SET_CORK, 0);
    (void)tcpsm_events(c);
    (void)tcpsm_take(c);
    tcpsm_status(c, &i);
    tcpsm_facts_of(c, &f);
    tcpsm_name(c, &t);
    (void)tcpsm_receive_peek(c, r);
    CHECK_LE(tcpsm_receive(c, buf, sizeof buf), 0);
    CHECK_EQ(tcpsm_check(c), 0);
}

/* A connection is freed, or its memory is touched, while somebody still has
   it: after EV_DONE the rings are gone here, and each call is made. */
TEST(rings_are_not_touched_after_the_end)
{
    static const char *const end[] = {"R 1", "FA 1 ack 2", "SA 1 ack 1"};
    uint8_t *rx, *tx;
    uint32_t k;

    for (k = 0; k < 3; k++) {
        reg_layer = 1;
        START();
        rx = (uint8_t *)malloc(8192);
        tx = (uint8_t *)malloc(8192);
        w.rcv_ring = w.snd_ring = 0;
        w.cfg.user_timeout_ms = 5000;
        wire__init();
        CHECK_EQ(tcpsm_attach(w.c, TCPSM_RECEIVE, rx, 8192, NULL), 0);
        CHECK_EQ(tcpsm_attach(w.c, TCPSM_SEND, tx, 8192, NULL), 0);
        OPENED("win 5000");
        if (k != 1) {
            SEND(100);
            DRAINED();
        } else {
            SHUTDOWN();
            DRAINED();
        }
        IN_ANY("%s", end[k]);
        RUN_OUT(100);
        CHECK(tcpsm_take(w.c) & TCPSM_EV_DONE);
        STATE(TCPSM_CLOSED);
        memset(rx, 0x5C, 8192);
        free(rx);
        free(tx);
        every_call(w.c);
        IN_RET(TCPSM_E_NOT_MINE, "PA 1 ack 1 len 10");
        CHECK_EQ(DUE(), TCPSM_NEVER);
        w.ready = 0;
    }
}

/* In a stack: what comes for a connection that was released meanwhile. */
TEST(segments_for_a_released_connection)
{
    uint64_t ref;
    int i;

    for (i = 0; i < 2; i++) {
        reg_layer = 2;
        START();
        OPENED("win 5000");
        ref = tcpsm_stack_ref(sw.st, w.c);
        CHECK(tcpsm_stack_deref(sw.st, ref) == w.c);
        if (i)
            CHECK_EQ(tcpsm_abort(w.c), 0);
        CHECK_EQ(tcpsm_stack_release(sw.st, w.c), 0);
        CHECK(tcpsm_stack_deref(sw.st, ref) == NULL);
        CHECK_EQ(tcpsm_stack_release(sw.st, w.c), TCPSM_E_ARG);
        stackwire__touched();
        CHECK(NEXT());
        if (i) {
            CHECK_EQ(w.seg.flags & PAIR_RST, PAIR_RST);
            IN_DROP(TCPSM_DROP_NOT_MINE, "PA 1 ack 2 len 10");
            OUT("R 2");
        } else { /* data for nobody: reset */
            IN_DROP(TCPSM_DROP_CLOSED, "PA 1 ack 2 len 10");
            CHECK(NEXT());
            CHECK_EQ(w.seg.flags & PAIR_RST, PAIR_RST);
            IN_DROP(TCPSM_DROP_NOT_MINE, "PA 11 ack 2 len 10");
            OUT("R 2");
        }
        NONE();
        CHECK_EQ(INFO(conns), 0);
    }
}

/* ---- REG-D21 ---------------------------------------------------------- */

/* REG-D21: a segment with all options and text, cut at every byte: what is
   left is a shorter segment, or none, in every state. */
BOTH(segment_cut_at_every_byte_in_every_state)
{
    static const char *const flags[] = {"S", "PA", "FA", "SA", "UPA"};
    uint32_t s, n, k;

    for (s = TCPSM_LISTEN; s <= TCPSM_TIME_WAIT; s++)
        for (k = 0; k < 5; k++) {
            be((int)s);
            for (n = 0; n < 70; n++) {
                IN_ANY("%s %u ack %u len 10 urg 5 mss 1000 ws 7 sackok "
                       "ts 1 0 sack 1:2 cut %u csumok",
                       flags[k], be_rcv + 500, be_snd, n);
                CHECKF(w.in.drop != 0 || n >= 52, "%u octets are enough", n);
                DRAINED();
            }
        }
}

/* ---- REG-D22 ---------------------------------------------------------- */

static const uint8_t odd4[][4] = {{0, 0, 0, 0},   {255, 255, 255, 255},
                                  {224, 0, 0, 1}, {127, 0, 0, 1},
                                  {240, 0, 0, 1}, {239, 255, 255, 255}};
static const uint8_t odd6[][16] = {
    {0},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
    {0xFF, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

static void odd_address(const uint8_t *a)
{
    w.src = a;
    IN_DROP(TCPSM_DROP_ADDRESS, "S 0 win 5000");
    if (LAYER1)
        STRANGER_NONE();
    NONE();
    w.src = NULL;
    w.dst = a;
    IN_ANY("S 0 win 5000");
    CHECK(w.in.drop == TCPSM_DROP_ADDRESS ||
          w.in.drop == TCPSM_DROP_NOT_MINE);
    CHECKF(LAYER1 || w.in.drop == TCPSM_DROP_ADDRESS, "not by its address");
    if (LAYER1)
        STRANGER_NONE();
    NONE();
    w.dst = NULL;
    STATE(TCPSM_LISTEN);
}

/* REG-D22: a SYN from the address that it is sent to, or from none, or from
   everybody: it answers itself, or nobody is meant. */
BOTH(syn_from_or_to_an_impossible_address)
{
    uint32_t i;

    START();
    LISTEN();
    for (i = 0; i < sizeof odd4 / sizeof *odd4; i++)
        odd_address(odd4[i]);
    START6();
    LISTEN();
    for (i = 0; i < sizeof odd6 / sizeof *odd6; i++)
        odd_address(odd6[i]);
}

BOTH(syn_from_the_address_that_it_goes_to)
{
    uint32_t v6;

    for (v6 = 0; v6 < 2; v6++) {
        if (v6)
            START6();
        else
            START();
        w.tuple.remote_port = w.tuple.local_port;
        LISTEN();
        w.src = w.tuple.local;
        IN_NOTHING(TCPSM_DROP_ADDRESS, "S 0 win 5000");
        IN_NOTHING(TCPSM_DROP_ADDRESS, "A 1 ack 1");
        if (LAYER1)
            STRANGER_NONE();
        w.src = NULL;
        STATE(TCPSM_LISTEN);
    }
}

BOTH(syn_that_came_to_everybody_on_the_link)
{
    START();
    LISTEN();
    IN_NOTHING(TCPSM_DROP_ADDRESS, "S 0 win 5000 link");
    STATE(TCPSM_LISTEN);
}

/* The network's own broadcast address is known to a stack. */
TEST(syn_to_the_broadcast_of_our_network)
{
    static const uint8_t all[] = {10, 0, 0, 255}, old[] = {10, 0, 0, 0};

    reg_layer = 2;
    START();
    LISTEN();
    w.dst = all;
    IN_NOTHING(TCPSM_DROP_ADDRESS, "S 0 win 5000");
    w.dst = old;
    IN_NOTHING(TCPSM_DROP_ADDRESS, "S 0 win 5000");
    w.dst = NULL;
    w.src = all;
    IN_NOTHING(TCPSM_DROP_ADDRESS, "S 0 win 5000");
    w.src = NULL;
}

/* ---- REG-D23 ---------------------------------------------------------- */

/* REG-D23: an ACK for what was not sent yet makes the sender send more, and
   faster than the network carries. */
BOTH(ack_of_what_was_never_sent_moves_nothing)
{
    uint32_t cwnd;

    START();
    w.cfg.challenge_limit = 255;
    OPENED("win 65535 mss 1000");
    SEND(20000);
    FLIGHT(1, 10, 1000);
    cwnd = ST(cwnd);
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack 10002");
    OUT("A 10001 ack 1");
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack 20001");
    OUT("A 10001 ack 1");
    IN_DROP(TCPSM_DROP_BAD_ACK, "A 1 ack 2147480000");
    OUT("A 10001 ack 1");
    CHECK_EQ(ST(cwnd), cwnd);
    CHECK_EQ(ST(snd_una) - w.iss, 1);
    CHECK_EQ(ST(srtt_us) < 10000000, 1);
    NONE();
}

/* One segment acknowledged octet by octet: cwnd grows by what was
   acknowledged and not by how often. */
BOTH(many_acks_for_one_segment_grow_nothing_more)
{
    static const tcpsm_cc reno = TCPSM_CC_BUILT_IN(TCPSM_CC_NEWRENO);
    uint32_t cwnd, i;

    START();
    w.cfg.cc = &reno;
    OPENED("win 65535 mss 1000");
    SEND(20000);
    FLIGHT(1, 10, 1000);
    cwnd = ST(cwnd);
    for (i = 1; i <= 1000; i++)
        IN("A 1 ack %u", 1 + i);
    CHECK_EQ(ST(cwnd), cwnd + 1000);
    DRAINED();
    cwnd = ST(cwnd);
    IN("A 1 ack 10001"); /* and by one MSS for one ACK: RFC 5681 s3.1 */
    CHECK_LE(ST(cwnd), cwnd + 9000);
}

/* ---- REG-D24 ---------------------------------------------------------- */

/* Column: none F S FS R(FS) A FA SA FSA RA(FS). A cell is the state after,
   and the answer: - none, A an ACK, R a reset, S a SYN,ACK. SEQ is RCV.NXT,
   ACK is SND.NXT; PSH and URG change nothing. * is a SYN that may open anew
   (RFC 6191). */
static const char flags_table[11][10][3] = {
    /* CLOSED */
    {"CR", "CR", "CR", "CR", "C-", "CR", "CR", "CR", "CR", "C-"},
    /* LISTEN */
    {"L-", "L-", "VS", "VS", "L-", "LR", "LR", "LR", "LR", "L-"},
    /* SYN-SENT */
    {"Y-", "Y-", "VS", "VS", "Y-", "Y-", "Y-", "EA", "WA", "C-"},
    /* SYN-RECEIVED, from LISTEN */
    {"V-", "V-", "L-", "L-", "L-", "E-", "WA", "L-", "L-", "L-"},
    /* ESTABLISHED */
    {"E-", "E-", "EA", "EA", "C-", "E-", "WA", "EA", "EA", "C-"},
    /* FIN-WAIT-1 */
    {"1-", "1-", "1A", "1A", "C-", "2-", "TA", "1A", "1A", "C-"},
    /* FIN-WAIT-2 */
    {"2-", "2-", "2A", "2A", "C-", "2-", "TA", "2A", "2A", "C-"},
    /* CLOSE-WAIT */
    {"W-", "W-", "WA", "WA", "C-", "W-", "W-", "WA", "WA", "C-"},
    /* CLOSING */
    {"K-", "K-", "KA", "KA", "C-", "T-", "T-", "KA", "KA", "C-"},
    /* LAST-ACK */
    {"Z-", "Z-", "ZA", "ZA", "C-", "C-", "C-", "ZA", "ZA", "C-"},
    /* TIME-WAIT */
    {"T-", "T-", "*", "*", "T-", "T-", "T-", "TA", "TA", "T-"}};

static char answer_letter(void)
{
    if (LAYER1 && w.ret == TCPSM_E_NOT_MINE) {
        static uint8_t buf[256];
        tcpsm_out o;

        memset(&o, 0, sizeof o);
        o.buf = buf;
        o.cap = sizeof buf;
        return tcpsm_stranger(&w.in, &o) > 0 ? 'R' : '-';
    }
    if (!NEXT())
        return '-';
    if (w.seg.flags & PAIR_RST)
        return 'R';
    if ((w.seg.flags & (PAIR_SYN | PAIR_ACK)) == (PAIR_SYN | PAIR_ACK))
        return 'S';
    return w.seg.flags == PAIR_ACK && w.seg.len == 0 ? 'A' : '?';
}

static char state_letter(void)
{
    if (LAYER2 && w.c == NULL)
        w.c = tcpsm_stack_accept(sw.st, NULL);
    return "CLYVE12WKZT"[reg__state()];
}

/* REG-D24: SYN with FIN, with URG, everything at once: combinations that
   nobody thought of loop, crash or pass a filter. All 64 in all states. */
BOTH(all_flags_in_all_states)
{
    uint32_t s, f, col;
    char text[8], got[3], *t;

    for (s = 0; s < TCPSM_STATES; s++)
        for (f = 0; f < 64; f++) {
            be((int)s);
            for (t = text, col = 0; col < 6; col++)
                if (f >> col & 1)
                    *t++ = "FSRPAU"[col];
            if (f == 0)
                *t++ = '.';
            *t = 0;
            col = f & PAIR_RST ? 4 : f & 3;
            col += f & PAIR_ACK ? 5 : 0;
            IN_ANY("%s %u ack %u", text, be_rcv, be_snd);
            CONTEXT("state %u: %s", s, text);
            got[1] = answer_letter();
            got[0] = state_letter();
            got[2] = 0;
            if (flags_table[s][col][0] == '*')
                CHECK_STR(got, LAYER1 ? "C-" : "TA");
            else
                CHECK_STR(got, flags_table[s][col]);
        }
}

/* The same with all eight and reserved bits, with text and everywhere in the
   sequence space: no crash, and the invariants hold (checked by IN_ANY). */
BOTH(all_flags_everywhere_in_all_states)
{
    static const int32_t at[] = {0, 1, -1, 65534, 65535, 70000, -0x7FFFFFFF};
    static const int32_t ack[] = {0, 1, -1, 9000, -0x7FFFFFFF};
    uint32_t s, f, i, k, turn = 0;
    char text[16], *t;

    for (s = LAYER1 ? 1 : 3; s < TCPSM_STATES; s += LAYER1 ? 1 : 2)
        for (f = 0; f < 256; f++) {
            if (f % 16 == 0)
                be((int)s);
            for (t = text, i = 0; i < 8; i++)
                if (f >> i & 1)
                    *t++ = "FSRPAUEC"[i];
            if (f == 0)
                *t++ = '.';
            *t = 0;
            i = turn % 7;
            k = turn / 7 % 5;
            turn += 3;
            IN_ANY("%s %d ack %d len %u urg %u tos %u", text,
                   (int)be_rcv + at[i], (int)be_snd + ack[k], f % 3, f % 5,
                   f % 4);
            DRAINED();
            if (LAYER2 && tcpsm_stack_accept(sw.st, NULL))
                stackwire__touched();
        }
}

/* ---- REG-D25 ---------------------------------------------------------- */

/* REG-D25: an old duplicate, or a reset in answer to our answer to it, ends
   TIME-WAIT early, and the next connection gets what belongs to this one. */
BOTH(time_wait_outlives_resets_and_duplicates)
{
    static const char *const old[] = {"R 2",
                                      "RA 2 ack 2",
                                      "R 3",
                                      "R 1",
                                      "RFSPAU 2 ack 2",
                                      "PA 1 ack 1 len 5",
                                      "PA 2 ack 2 len 5",
                                      "FA 2 ack 2",
                                      "A 1 ack 1",
                                      "A 90000 ack 2",
                                      "SA 0 ack 1",
                                      "S 1",
                                      "S -70000",
                                      "PA -900 ack 1 len 90"};
    tcpsm_time end;
    uint32_t i;

    be(TCPSM_TIME_WAIT);
    end = w.p.now + 60 * PAIR_SECOND;
    for (i = 0; i < sizeof old / sizeof *old; i++) {
        WAIT(1);
        IN_ANY("%s", old[i]);
        DRAINED();
        STATE(TCPSM_TIME_WAIT);
    }
    reg__at(end - 2 * PAIR_SECOND);
    DRAINED();
    STATE(TCPSM_TIME_WAIT);
    w.p.now = end + 2 * PAIR_SECOND;
    DRAINED();
    if (LAYER2)
        IN_ANY("A 9 ack 9"); /* an entry is looked at when it is needed */
    STATE(TCPSM_CLOSED);
}

/* ---- REG-D26 ---------------------------------------------------------- */

/* REG-D26: a state is left only by the peer's doing, and the peer is gone:
   LAST-ACK, CLOSING, FIN-WAIT-2 stay for ever. Each that waits for something
   has a deadline, and they come to an end. */
BOTH(every_state_ends_when_the_peer_is_gone)
{
    uint32_t s;

    for (s = TCPSM_SYN_SENT; s <= TCPSM_TIME_WAIT; s++) {
        be((int)s);
        if (s == TCPSM_ESTABLISHED || s == TCPSM_CLOSE_WAIT)
            SEND(3000);
        if (s == TCPSM_FIN_WAIT_2)
            CLOSE();
        CONTEXT("state %u", s);
        CHECK_NE(DUE(), TCPSM_NEVER);
        RUN_OUT(400);
        CONTEXT("state %u", s);
        CHECK(reg__state() == (s == TCPSM_SYN_RECEIVED ? (int)TCPSM_LISTEN
                               : LAYER2 && s == TCPSM_TIME_WAIT
                                   ? (int)TCPSM_TIME_WAIT
                                   : (int)TCPSM_CLOSED));
    }
}

/* The FIN of LAST-ACK is sent again, and not only given up some time. */
BOTH(fin_of_last_ack_is_sent_again)
{
    uint32_t i;

    be(TCPSM_LAST_ACK);
    for (i = 0; i < 4; i++) {
        CHECK_NE(DUE(), TCPSM_NEVER);
        w.p.now = DUE() > w.p.now ? DUE() : w.p.now;
        if (!NEXT()) /* a stack's wheel may be early, once */
            continue;
        CHECK_EQ(w.seg.flags & PAIR_FIN, PAIR_FIN);
        CHECK_EQ(w.seg.seq - w.iss, 1);
        CHECK_LT(w.p.now, w.t0 + 20 * PAIR_SECOND);
    }
    IN("A 2 ack 2");
    STATE(TCPSM_CLOSED);
    ERROR_IS(0);
}

/* In a stack there is nobody left to look after it. */
TEST(every_released_connection_ends_when_the_peer_is_gone)
{
    uint32_t s;

    for (s = TCPSM_SYN_SENT; s <= TCPSM_TIME_WAIT; s++) {
        if (s == TCPSM_SYN_RECEIVED)
            continue;
        reg_layer = 2;
        be((int)s);
        if (s == TCPSM_ESTABLISHED || s == TCPSM_CLOSE_WAIT)
            SEND(3000);
        CHECK_EQ(tcpsm_stack_release(sw.st, w.c), 0);
        RUN_OUT(400);
        CHECK_EQ(INFO(conns), 0);
        CHECK_EQ(INFO(rings), 0);
    }
}
