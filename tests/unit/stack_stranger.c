/* Segments for nobody: the reset of RFC 9293 s3.10.7.1, its limit, the reply
   ring; and floods and random segments, which must cost and change nothing.
   Law 9 and law 10. */
#include "test.h"
#include "tcpsm.h"
#include "stackwire.h"

static void begin(void)
{
    START();
    UP();
    LISTENER(80, 0, 0);
    w.tuple.local_port = 81; /* nobody is there */
}

/* --- s3.10.7.1 --- */

TEST(ack_bit_on)
{
    begin();
    IN_DROP(TCPSM_DROP_NOT_MINE, "A 5 ack 1000");
    CHECK(w.in.conn == NULL);
    OUT("R 1000"); /* SEQ=SEG.ACK, no ACK */
    CHECK(sw.o.conn == NULL);
    CHECK_EQ(w.seg.hdr_len, 20);
    CHECK_EQ(w.seg.ack, 0);
    IN_DROP(TCPSM_DROP_NOT_MINE, "SA 5 ack 1000");
    OUT("R 1000");
    IN_DROP(TCPSM_DROP_NOT_MINE, "FPA 5 ack 1000 len 40");
    OUT("R 1000");
    IN_DROP(TCPSM_DROP_NOT_MINE, "FPUA 5 ack -1 len 1");
    OUT("R -1");
    IN_DROP(TCPSM_DROP_NOT_MINE, "A 5 ack 0 abs");
    CHECK(stackwire_next_out() != 0);
    CHECK_EQ(w.seg.flags, PAIR_RST);
    CHECK_EQ(w.seg.seq, 0);
    NONE();
    CHECK_EQ(INFO(resets), 5);
}

TEST(ack_bit_off)
{
    static const struct {
        const char *in;
        uint32_t ack; /* SEG.SEQ + SEG.LEN */
    } row[] = {{"S 0", 1},
               {"F 0", 1},
               {"SF 0", 2},
               {"P 0", 0},
               {". 7", 7},
               {"P 0 len 10", 10},
               {"S 0 len 10", 11},
               {"SF 0 len 10", 12},
               {"F 0 len 10", 11},
               {"SP 5 mss 1000 ws 3 sackok", 6},
               {"U 0 urg 5", 0},
               {"EC 9 len 3", 12},
               {"P 0 ack 77 len 1", 1}}; /* an ACK field without the bit */
    uint32_t i, wrap;

    for (wrap = 0; wrap < 2; wrap++)
        for (i = 0; i < sizeof row / sizeof *row; i++) {
            begin();
            if (wrap)
                w.irs = 0xFFFFFFFF;
            IN_DROP(TCPSM_DROP_NOT_MINE, "%s", row[i].in);
            OUT("RA * ack %u", row[i].ack);
            CHECK_EQ(w.seg.seq, 0);
            CHECK_EQ(w.seg.hdr_len, 20);
            NONE();
        }
}

TEST(rst_is_never_answered)
{
    begin();
    IN_NOTHING(TCPSM_DROP_NOT_MINE, "R 0");
    IN_NOTHING(TCPSM_DROP_NOT_MINE, "RA 0 ack 5");
    IN_NOTHING(TCPSM_DROP_NOT_MINE, "SR 0");
    IN_NOTHING(TCPSM_DROP_NOT_MINE, "SFRPAUEC 0 ack 5 len 100");
    CHECK_EQ(INFO(resets), 0);
}

TEST(timestamps_are_echoed) /* RFC 7323 s5.2 */
{
    begin();
    IN_ANY("S 0 ts 12345 0");
    OUT("RA * ack 1 ts 0 12345");
    IN_ANY("A 0 ack 9 ts 7 99");
    OUT("R 9 ts 0 7");
}

TEST(malformed_is_not_answered)
{
    begin();
    IN_NOTHING(TCPSM_DROP_CHECKSUM, "S 0 badsum");
    IN_NOTHING(TCPSM_DROP_CHECKSUM, "A 0 ack 1 badsum");
    IN_NOTHING(TCPSM_DROP_SHORT, "S 0 cut 19");
    IN_NOTHING(TCPSM_DROP_SHORT, "S 0 cut 0");
    IN_NOTHING(TCPSM_DROP_OFFSET, "S 0 off 4");
    IN_NOTHING(TCPSM_DROP_OFFSET, "S 0 off 6");
    IN_NOTHING(TCPSM_DROP_OPTIONS, "S 0 raw 02000000");
    IN_NOTHING(TCPSM_DROP_OPTIONS, "S 0 raw 0202020F");
    IN_NOTHING(TCPSM_DROP_ADDRESS, "S 0 link");
    CHECK_EQ(INFO(resets), 0);
    /* but what the hardware has verified is believed */
    IN_ANY("S 0 badsum csumok");
    OUT("RA * ack 1");
}

TEST(zone_and_family_of_the_answer)
{
    START6();
    UP();
    CHECK_EQ(stackwire_address("fd00::1", 6, 7, 64, 1), 0);
    w.zone = w.tuple.zone = 7;
    IN_ANY("S 0");
    OUT("RA * ack 1"); /* OUT compares them */
    CHECK_EQ(sw.o.ttl, 64);
    CHECK_EQ(sw.o.tos, 0);
    CHECK_EQ(sw.o.gso_size, 0);
}

/* A train is one long segment, here. */
TEST(train_for_nobody)
{
    begin();
    wire__build("P 0 len 3000");
    w.in.gso_size = 1000;
    w.in.segs = 3;
    CHECK_EQ(tcpsm_stack_input(sw.st, &w.in, w.p.now), 0);
    OUT("RA * ack 3000");
    NONE();
}

TEST(answer_says_what_its_checksum_is)
{
    static const uint32_t flag[] = {0, TCPSM_TX_PARTIAL, TCPSM_TX_ZERO};
    static const uint8_t csum[] = {TCPSM_CSUM_FULL, TCPSM_CSUM_PARTIAL,
                                   TCPSM_CSUM_ZERO};
    uint32_t i, sum;
    tcpsm_out o;
    uint8_t buf[256];
    tcpsm_ret n;

    for (i = 0; i < 3; i++) {
        START();
        sw.cfg.conn.flags |= flag[i];
        UP();
        w.tuple.local_port = 81;
        IN_ANY("S 0");
        memset(&o, 0xEE, sizeof o);
        o.buf = buf;
        o.cap = sizeof buf;
        n = tcpsm_stack_output(sw.st, &o, w.p.now);
        CHECK_GT(n, 0);
        sum = pair_checksum(&o.tuple, buf, (uint32_t)n);
        if (o.csum == TCPSM_CSUM_PARTIAL) {
            uint16_t pseudo = (uint16_t)~pair_checksum(&o.tuple, buf, 0);

            /* of 20 bytes, where pair_checksum counted 0 */
            pseudo = (uint16_t)(pseudo + n > 65535 ? pseudo + n - 65535
                                                   : pseudo + n);
            CHECK_EQ(pair_get16(buf + 16), pseudo);
        }
        CHECK(o.csum == TCPSM_CSUM_FULL || o.csum == csum[i]);
        if (o.csum == TCPSM_CSUM_FULL)
            CHECK_EQ(sum, 0);
        if (o.csum == TCPSM_CSUM_ZERO)
            CHECK_EQ(pair_get16(buf + 16), 0);
        CHECK(o.ref[0].n == 0 && o.ref[1].n == 0);
        CHECK(o.conn == NULL);
        CHECK_EQ(o.segs, 1);
        CHECK_EQ(o.gso_size, 0);
    }
}

/* --- limits --- */

TEST(resets_are_limited)
{
    uint32_t i, n = 0, late = 0;

    START();
    sw.cfg.resets_per_second = 10;
    UP();
    sw.unchecked = 1;
    for (i = 0; i < 1000; i++) { /* one second */
        IN_ANY("S 0");
        n += (uint32_t)DRAIN();
        w.p.now += 1000;
    }
    CHECK_GE(n, 5u);
    CHECK_LE(n, 25u);
    CHECK_EQ(INFO(resets), n);
    CHECK_EQ(INFO(resets_held_back), 1000 - n);
    w.p.now += 3600000000u; /* an hour of silence saves up nothing */
    for (i = 0; i < 1000; i++) {
        IN_ANY("S 0");
        late += (uint32_t)DRAIN();
        w.p.now += 1000;
    }
    CHECK_GE(late, 5u);
    CHECK_LE(late, 25u);
}

TEST(resets_default_is_about_200)
{
    uint32_t i, n = 0;

    START();
    sw.cfg.resets_per_second = 0;
    UP();
    sw.unchecked = 1;
    for (i = 0; i < 10000; i++) { /* ten seconds */
        IN_ANY("A 0 ack 1");
        n += (uint32_t)DRAIN();
        w.p.now += 1000;
    }
    CHECK_GE(n, 1000u);
    CHECK_LE(n, 3000u);
    CHECK_EQ(INFO(resets) + INFO(resets_held_back), 10000);
}

/* The limit must not tell a scanner how many others were answered
   (CVE-2016-5696): nobody knows how many a second allows. A second is 2^20
   us here, so that each is begun and exhausted. */
TEST(reset_limit_has_jitter)
{
    uint32_t i, s, n, first = 0, varies = 0;

    START();
    sw.cfg.resets_per_second = 200;
    w.p.now = w.t0 = (tcpsm_time)100 << 20;
    UP();
    sw.unchecked = 1;
    for (s = 0; s < 10; s++) {
        n = 0;
        for (i = 0; i < 512; i++) {
            IN_ANY("A 0 ack 1");
            n += (uint32_t)DRAIN();
            w.p.now += 2048;
        }
        CHECK_GE(n, 100u);
        CHECK_LE(n, 300u);
        if (s == 0)
            first = n;
        varies += n != first;
    }
    CHECK_GE(varies, 5u);
}

TEST(resets_without_a_limit)
{
    uint32_t i, n = 0;

    begin();
    sw.unchecked = 1;
    for (i = 0; i < 3000; i++) {
        IN_ANY("S 0");
        n += (uint32_t)DRAIN();
    }
    CHECK_EQ(n, 3000);
    CHECK_EQ(INFO(resets), 3000);
    CHECK_EQ(INFO(resets_held_back), 0);
}

TEST(silent_mode)
{
    tcpsm_conn *c;

    START();
    sw.cfg.flags = TCPSM_SILENT;
    UP();
    LISTENER(80, 0, 0);
    w.tuple.local_port = 81;
    IN_NOTHING(TCPSM_DROP_NOT_MINE, "S 0");
    IN_NOTHING(TCPSM_DROP_NOT_MINE, "A 0 ack 1");
    IN_NOTHING(TCPSM_DROP_NOT_MINE, "F 0");
    CHECK_EQ(INFO(resets), 0);
    /* what is ours resets as ever */
    w.tuple.local_port = 80;
    c = HANDSHAKE("mss 1000");
    CHECK_EQ(tcpsm_abort(c), 0);
    OUT("RA 1 ack 1");
}

TEST(reply_ring_overflows_and_counts)
{
    int i;

    START();
    sw.cfg.replies = 4;
    UP();
    for (i = 0; i < 10; i++) {
        PEER(i);
        w.tuple.local_port = 81;
        IN_ANY("A 0 ack %d", 100 + i);
    }
    CHECK_EQ(INFO(replies), 4);
    CHECK_EQ(INFO(reply_cap), 4);
    CHECK_EQ(INFO(replies_lost), 6);
    CHECK_EQ(tcpsm_stack_deadline(sw.st), 0);
    for (i = 0; i < 4; i++) {
        PEER(i);
        OUT("R %d", 100 + i); /* in their order */
    }
    NONE();
    CHECK_EQ(INFO(replies), 0);
    CHECK_EQ(tcpsm_stack_deadline(sw.st), TCPSM_NEVER);
    PEER(7);
    IN_ANY("A 0 ack 5");
    OUT("R 5");
}

TEST(output_wants_room)
{
    uint8_t buf[256];
    tcpsm_out o;

    begin();
    IN_ANY("A 0 ack 5");
    memset(&o, 0, sizeof o);
    o.buf = buf;
    o.cap = TCPSM_MIN_CAP - 1;
    CHECK_EQ(tcpsm_stack_output(sw.st, &o, w.p.now), TCPSM_E_SPACE);
    CHECK_EQ(INFO(replies), 1);
    OUT("R 5");
}

TEST(nonsense_is_refused)
{
    tcpsm_out o;

    begin();
    memset(&o, 0, sizeof o);
    CHECK_EQ(tcpsm_stack_output(sw.st, &o, w.p.now), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_output(sw.st, NULL, w.p.now), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_input(sw.st, NULL, w.p.now), TCPSM_E_ARG);
    wire__build("S 0");
    w.in.src = NULL;
    CHECK_EQ(tcpsm_stack_input(sw.st, &w.in, w.p.now), TCPSM_E_ARG);
    wire__build("S 0");
    w.in.dst = NULL;
    CHECK_EQ(tcpsm_stack_input(sw.st, &w.in, w.p.now), TCPSM_E_ARG);
    wire__build("S 0");
    w.in.data = NULL;
    CHECK_EQ(tcpsm_stack_input(sw.st, &w.in, w.p.now), TCPSM_E_ARG);
    wire__build("S 0");
    w.in.family = 5;
    CHECK_EQ(tcpsm_stack_input(sw.st, &w.in, w.p.now), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_check(sw.st), 0);
    NONE();
}

TEST(configuration_nonsense_is_refused)
{
    tcpsm_stack_config good, bad;
    tcpsm_stack *st;
    size_t n;

    START();
    good = sw.cfg;
    CHECK_EQ(tcpsm_stack_size(NULL), 0);
    bad = good;
    bad.conns = 0;
    CHECK_EQ(tcpsm_stack_size(&bad), 0);
    bad = good;
    bad.conns = 1u << 24;
    CHECK_EQ(tcpsm_stack_size(&bad), 0);
    bad = good;
    bad.syn_entries = 1u << 20;
    CHECK_EQ(tcpsm_stack_size(&bad), 0);
    bad = good;
    bad.timewait_entries = 1u << 24;
    CHECK_EQ(tcpsm_stack_size(&bad), 0);
    bad = good;
    bad.rcv_ring = TCPSM_MAX_RING + 1;
    CHECK_EQ(tcpsm_stack_size(&bad), 0);
    bad = good;
    bad.conn.mtu = 60;
    CHECK_EQ(tcpsm_stack_size(&bad), 0);
    n = tcpsm_stack_size(&good);
    sw.memory = (uint8_t *)malloc(n);
    CHECK(sw.memory != NULL);
    CHECK_EQ(tcpsm_stack_init(&st, sw.memory, n - 1, &good, 1),
             TCPSM_E_SPACE);
    CHECK_EQ(tcpsm_stack_init(&st, NULL, n, &good, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_init(NULL, sw.memory, n, &good, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_init(&st, sw.memory, n, NULL, 1), TCPSM_E_ARG);
    bad = good;
    memset(bad.conn.key, 0, 16);
    CHECK_EQ(tcpsm_stack_init(&st, sw.memory, n, &bad, 1), TCPSM_E_KEY);
    CHECK_EQ(tcpsm_stack_init_(&st, sw.memory, n, &good, 1,
                               sizeof(tcpsm_conn) - 8, TCPSM_ABI),
             TCPSM_E_ABI);
    CHECK_EQ(tcpsm_stack_init_(&st, sw.memory, n, &good, 1,
                               sizeof(tcpsm_conn), TCPSM_ABI + 1),
             TCPSM_E_ABI);
    CHECK_EQ(tcpsm_stack_init(&st, sw.memory, n, &good, 1), 0);
    CHECK_EQ(tcpsm_stack_check(st), 0);
}

/* --- floods --- */

/* Two established connections; a flood of one kind of segments, from all
   over the place and to their tuples, with SEQ and ACK that a blind sender
   guesses. */
static void flood(const char *name, const char *flags, uint32_t len)
{
    struct tcpsm_info before[2], after[2];
    tcpsm_conn *c[2];
    stackwire_peer saved[2];
    tcpsm_tuple own[2];
    uint32_t i, k, irs[2];
    size_t size;

    START();
    sw.cfg.conns = 4;
    sw.cfg.conn.flags = 0;
    sw.cfg.resets_per_second = 0;
    UP();
    LISTENER(80, 0, 0);
    CONTEXT("%s", name);
    for (i = 0; i < 2; i++) {
        PEER((int)i);
        c[i] = HANDSHAKE("mss 1000 ws 2 sackok %s", i ? "ts 5 0" : "");
        IN("PA 11 ack 1 len 10"); /* a hole */
        SENT(c[i], 20);
        DRAIN();
        tcpsm_status(c[i], &before[i]);
        own[i] = w.tuple;
        irs[i] = w.irs;
    }
    stackwire__save();
    saved[0] = sw.peer[0];
    saved[1] = sw.peer[1];
    size = INFO(bytes);
    sw.unchecked = 1;
    w.ts = 0;
    for (i = 0; i < 6000; i++) {
        uint64_t r = netsim_mix(i + 77);

        k = i % 4;
        w.tuple = own[k & 1];
        w.irs = irs[k & 1];
        if (k >= 2) {
            w.tuple.remote[1] = (uint8_t)r;
            w.tuple.remote[2] = (uint8_t)(r >> 8);
            w.tuple.remote_port = (uint16_t)(r >> 16 | 1);
        }
        if ((uint32_t)(r >> 32) - irs[k & 1] + 100000 < 200000 ||
            strchr(flags, 'S'))
            r ^= (uint64_t)1 << 62; /* a lucky one is no blind one */
        IN_ANY("%s %u ack %u len %u abs win 1 %s", flags, (uint32_t)(r >> 32),
               (uint32_t)netsim_mix(r), len,
               i & 8 && !(i & 4) ? "ts 1 1" : "");
        CHECK_EQ(w.ret, 0);
        if (i % 64 == 63) {
            CHECK_LE(DRAIN(), 100);
            if (i % 512 == 511)
                CHECK_EQ(tcpsm_stack_check(sw.st), 0);
        }
    }
    CHECK_EQ(INFO(conns), 2);
    CHECK_LE(INFO(syns), INFO(syn_cap));
    CHECK_EQ(INFO(timewaits), 0);
    CHECK_EQ(INFO(rings), 2);
    CHECK_EQ(INFO(bytes), size);
    CHECK(tcpsm_stack_accept(sw.st, NULL) == NULL);
    for (i = 0; i < 2; i++) {
        tcpsm_status(c[i], &after[i]);
        CHECK_MEM(&before[i], &after[i], sizeof before[i]);
        CHECK_EQ(NEWS(c[i]) & ~(uint32_t)(TCPSM_EV_CONNECTED), 0);
    }
    DRAIN();
    sw.peer[0] = saved[0];
    sw.peer[1] = saved[1];
    sw.at = -1; /* what w holds is the flood's */
    for (i = 0; i < 2; i++) {
        PEER((int)i);
        IN("PA 1 ack 21 len 10");
        GOT(c[i], 20);
    }
}

TEST(syn_flood)
{
    flood("SYN", "S", 0);
}
TEST(syn_flood_with_data)
{
    flood("SYN with data", "S", 100);
}
TEST(ack_flood)
{
    flood("ACK", "A", 0);
}
TEST(data_flood)
{
    flood("data", "PA", 100);
}
TEST(rst_flood)
{
    flood("RST", "R", 0);
}
TEST(rst_ack_flood)
{
    flood("RST,ACK", "RA", 0);
}
TEST(fin_flood)
{
    flood("FIN", "FA", 0);
}
TEST(syn_ack_flood)
{
    flood("SYN,ACK", "SA", 0);
}
TEST(null_flood)
{
    flood("no flags", ".", 10);
}
TEST(christmas_tree_flood)
{
    flood("all flags but RST and SYN", "FPAUEC", 5);
}

/* --- random segments near live state --- */

static uint64_t rng;

static uint32_t dice(uint32_t n)
{
    rng = netsim_mix(rng + 0x9E3779B97F4A7C15u);
    return (uint32_t)(rng >> 33) % n;
}

/* One connection that must not suffer (peer 0), and its traffic. */
static struct {
    tcpsm_conn *c;
    uint32_t out;      /* the peer has sent that many bytes */
    uint32_t in, want; /* has got, and is to get */
} live;

static void live_check(void)
{
    const struct tcpsm_info *i = stackwire__status(live.c);

    CHECK_EQ(tcpsm_state(live.c), TCPSM_ESTABLISHED);
    CHECK_EQ(tcpsm_error(live.c), 0);
    CHECK_EQ(i->rcv_nxt - w.irs - 1, live.out);
}

/* Everything that is to be sent goes out; numbers are learned, peer 0 reads
   and acknowledges. */
static void everything_out(void)
{
    uint32_t n, turns = 0, i;
    int k, at = sw.at;

    while ((n = stackwire_next_out()) != 0) {
        CHECK_LT(++turns, 400u);
        k = stackwire_whose();
        CHECK(k >= 0);
        PEER(k);
        stackwire__learn();
        if (k != 0) {
            if (w.seg.flags & PAIR_ACK && !(w.seg.flags & PAIR_RST))
                w.sent = w.seg.seq + w.seg.len - w.iss;
            continue;
        }
        CHECK_EQ(w.seg.flags & (PAIR_RST | PAIR_SYN | PAIR_FIN), 0);
        for (i = 0; i < w.seg.len; i++)
            if (w.seg.seq + i - w.iss == live.in + 1) {
                CHECK_EQ(w.seg.payload[i], wire_byte(1, live.in + 1));
                live.in++;
            }
        CHECK_LE(live.in, live.want);
        IN("A %u ack %u", live.out + 1, live.in + 1);
    }
    PEER(at);
}

static void live_traffic(void)
{
    uint32_t n = 1 + dice(300);
    int at = sw.at;

    PEER(0);
    IN("PA %u ack %u len %u", live.out + 1, live.in + 1, n);
    live.out += n;
    GOT(live.c, n);
    SENT(live.c, n);
    live.want += n;
    everything_out();
    CHECK_EQ(live.in, live.want);
    live_check();
    PEER(at);
}

/* In the name of peer 0, by somebody who guesses. */
static void live_blind(void)
{
    static const char *const flags[] = {"S",  "SA", "A", "R",   "RA",
                                        "FA", "PA", "F", "FPUA"};
    struct tcpsm_info a, b;
    uint32_t seq = dice(0x7FFFFFFF) + 0x40000000u;
    int at = sw.at, ts;

    PEER(0);
    ts = w.ts;
    tcpsm_status(live.c, &a);
    if (seq + 70000 < 140000)
        seq += 1000000;
    w.ts = 0;
    IN_ANY("%s %u ack %u len %u win 9 %s", flags[dice(9)], seq,
           dice(0x7FFFFFFF), dice(2) * dice(1000), dice(2) ? "ts 1 1" : "");
    w.ts = ts;
    CHECK_EQ(w.ret, 0);
    tcpsm_status(live.c, &b);
    CHECK_MEM(&a, &b, sizeof a);
    PEER(at);
}

static void near_by(void)
{
    static const char *const flags[] = {
        "S",  "S",  "S",   "S",   "A",  "A",    "A",  "PA", "FA",
        "FA", "R",  "RA",  "SA",  "SF", "FPA",  "P",  "F",  ".",
        "SR", "SU", "UPA", "FRA", "S",  "SFPA", "SP", "A",  "A"};
    static const uint32_t lens[] = {0, 0, 0, 0, 1, 10, 500};
    uint32_t seq, ack, d = dice(12);
    char ts[48] = "";

    PEER(1 + (int)dice(7));
    seq = d < 5 ? 1 : d < 8 ? w.got : dice(4) - 1;
    if (d == 11)
        seq = dice(20000) - 10000;
    d = dice(10);
    ack = d < 4 ? 1 : d < 8 ? w.sent + dice(2) : dice(5) - 1;
    if (dice(3) == 0)
        snprintf(ts, sizeof ts, "ts %u %u", dice(2) ? 5 : dice(100),
                 dice(8) ? w.tsval : w.tsval ^ 1u << dice(8));
    d = dice(sizeof flags / sizeof *flags);
    if (strchr(flags[d], 'S'))
        seq = dice(5) ? 0 : dice(100000);
    IN_ANY("%s %u ack %u len %u win %u %s %s %s", flags[d], seq, ack,
           lens[dice(7)], dice(3) * 1000, dice(2) ? "mss 500" : "",
           strchr(flags[d], 'S') && dice(2) ? "ws 3 sackok" : "", ts);
    CHECK(w.ret == 0 || w.ret == TCPSM_E_RING);
    if (w.ret == TCPSM_E_RING) {
        CHECK(w.in.conn != NULL);
        w.in.flags |= TCPSM_IN_NO_DATA;
        CHECK_EQ(tcpsm_stack_input(sw.st, &w.in, w.p.now), 0);
    }
    if (w.in.drop == 0)
        w.got = seq + w.in.len - 20;
    stackwire__touched();
}

static tcpsm_conn *mine[8];
static uint32_t mine_n;
static int house_known;

static void somebody_acts(void)
{
    uint32_t i = mine_n ? dice(mine_n) : 0;
    tcpsm_conn *c = mine_n ? mine[i] : NULL;
    tcpsm_tuple t;

    switch (dice(9)) {
    case 0:
    case 1:
        if (mine_n < 8 && (c = tcpsm_stack_accept(sw.st, NULL)) != NULL)
            mine[mine_n++] = c;
        break;
    case 2:
        if (c)
            tcpsm_send(c, "0123456789", dice(10), 0);
        break;
    case 3:
        if (c)
            tcpsm_receive(c, w.buf, dice(600));
        break;
    case 4:
        if (c)
            tcpsm_shutdown(c);
        break;
    case 5:
        if (c && dice(3) == 0)
            tcpsm_abort(c);
        break;
    case 6:
        if (c) {
            CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
            mine[i] = mine[--mine_n];
        }
        break;
    case 7:
        PEER(1 + (int)dice(7));
        t = w.tuple;
        if (tcpsm_stack_connect(sw.st, &t, NULL, &c, w.p.now) == 0)
            mine[mine_n++] = c;
        break;
    default: {
        tcpsm_ret n = tcpsm_stack_ask(sw.st, &t);

        if (n >= 0 && dice(4))
            tcpsm_stack_answer(sw.st, n, dice(3));
    }
    }
    stackwire__touched();
}

/* The block moves, to memory of another alignment; the old one is gone. */
static void moves_house(void)
{
    static uint32_t at = 1; /* where the block begins in sw.memory */
    uint64_t ref[8], live_ref = tcpsm_stack_ref(sw.st, live.c);
    uint32_t to = dice(70), i;
    uint8_t *m;

    if (!house_known)
        at = 1, house_known = 1;
    for (i = 0; i < mine_n; i++)
        ref[i] = tcpsm_stack_ref(sw.st, mine[i]);
    m = (uint8_t *)malloc(sw.size + to);
    CHECK(m != NULL);
    memcpy(m + to, sw.memory + at, sw.size);
    memset(sw.memory, 0x5A, sw.size);
    free(sw.memory);
    sw.memory = m;
    at = to;
    CHECK_EQ(tcpsm_stack_rebase(&sw.st, m + to, sw.size), 0);
    live.c = tcpsm_stack_deref(sw.st, live_ref);
    CHECK(live.c != NULL);
    for (i = 0; i < mine_n; i++) {
        mine[i] = tcpsm_stack_deref(sw.st, ref[i]);
        CHECK(mine[i] != NULL);
    }
    sw.news_n = 0;
    stackwire__touched();
}

/* A connection leaves and comes back: as data, to the same stack. */
static tcpsm_conn *comes_back(tcpsm_conn *c)
{
    static uint8_t blob[65536];
    tcpsm_ret n = tcpsm_export(c, blob, sizeof blob, w.p.now);

    if (n < 0)
        return c; /* over already */
    CHECK_EQ(tcpsm_stack_forget(sw.st, c), 0);
    everything_out();
    n = tcpsm_stack_import(sw.st, blob, (uint32_t)n, NULL, NULL, &c, w.p.now);
    CHECK(n == 0 || n == TCPSM_E_STATE); /* CLOSED ones do not */
    stackwire__touched();
    return n == 0 ? c : NULL;
}

static void somebody_moves(void)
{
    uint32_t i = mine_n ? dice(mine_n) : 0;
    static tcpsm_ret l;

    switch (dice(4)) {
    case 0:
        moves_house();
        break;
    case 1:
        live.c = comes_back(live.c);
        CHECK(live.c != NULL);
        PEER(0);
        live_check();
        break;
    case 2:
        if (mine_n && (mine[i] = comes_back(mine[i])) == NULL)
            mine[i] = mine[--mine_n];
        break;
    default: { /* a listener goes, and comes back */
        tcpsm_tuple t;

        memset(&t, 0, sizeof t);
        t.local_port = 80;
        for (l = 0; l < 2; l++)
            if (tcpsm_stack_unlisten(sw.st, l) == 0)
                break;
        if (l == 1)
            t.local_port = 81;
        stackwire__touched();
        if (dice(2))
            everything_out();
        CHECK_EQ(tcpsm_stack_listen(sw.st, &t, dice(2),
                                    l == 1 ? TCPSM_LISTEN_ASK : 0, NULL),
                 l);
        stackwire__touched();
    }
    }
}

static void time_passes(void)
{
    static const uint32_t ms[] = {0,    1,    10,   40,   200,
                                  1000, 1000, 3000, 7000, 61000};
    tcpsm_time to = w.p.now + (tcpsm_time)ms[dice(10)] * 1000, d;

    while ((d = tcpsm_stack_deadline(sw.st)) < to) {
        if (d > w.p.now)
            w.p.now = d;
        everything_out();
    }
    w.p.now = to;
}

static void random_walk(uint64_t seed, uint32_t steps)
{
    uint32_t i;

    START();
    rng = seed;
    mine_n = 0;
    house_known = 0;
    memset(&live, 0, sizeof live);
    sw.cfg.conns = 2;
    sw.cfg.syn_entries = 4;
    sw.cfg.timewait_entries = 3;
    sw.cfg.replies = 4;
    sw.cfg.listeners = 2;
    sw.cfg.conn.flags = seed & 1 ? 0 : TCPSM_NO_TS;
    sw.cfg.conn.msl_ms = 2000;
    sw.cfg.rcv_ring = seed & 2 ? 1000 : 8192;
    sw.cfg.snd_ring = 1000;
    UP();
    LISTENER(80, seed & 4 ? 1 : 0, 0);
    LISTENER(81, 0, TCPSM_LISTEN_ASK);
    live.c = HANDSHAKE("mss 1000 %s", seed & 8 ? "ts 5 0" : "");
    for (i = 1; i < 8; i++) {
        PEER((int)i);
        w.ts = 0;
        w.sent = w.got = 1;
        if (i == 7)
            w.tuple.local_port = 81;
        if (i == 6)
            w.tuple.local_port = 82;
    }
    for (i = 0; i < steps; i++) {
        CONTEXT("seed %llu step %u", (unsigned long long)seed, i);
        switch (dice(8)) {
        case 0:
            live_traffic();
            break;
        case 1:
            live_blind();
            break;
        case 2:
            somebody_acts();
            break;
        case 3:
            if (dice(3) == 0)
                time_passes();
            else if (dice(10) == 0)
                somebody_moves();
            break;
        default:
            near_by();
        }
        if (dice(3))
            everything_out();
        CHECK_LE(INFO(conns), 2u);
        CHECK_LE(INFO(syns), 4u);
        CHECK_LE(INFO(timewaits), 3u);
    }
    live_traffic();
}

TEST(random_segments_near_live_state)
{
    uint64_t seed;

    for (seed = 1; seed <= 60; seed++)
        random_walk(seed, 1500);
}
