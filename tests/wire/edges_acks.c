/* What an ACK decides at the edges: path MTU probes, what was lost and what
   only seemed so, the ends of recoveries; and what becomes of text and FINs
   that come in odd order. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#include "stream.h"

/* ---- path MTU probes -------------------------------------------------- */

/* ICMP "fragmentation needed" about the segment at SND.UNA */
static void too_big(uint32_t mtu)
{
    uint8_t msg[36];

    memset(msg, 0, sizeof msg);
    msg[0] = 3;
    msg[1] = 4;
    pair_put16(msg + 6, mtu);
    msg[8] = 0x45;
    pair_put16(msg + 10, 1500);
    msg[17] = 6;
    memcpy(msg + 20, w.tuple.local, 4);
    memcpy(msg + 24, w.tuple.remote, 4);
    pair_put16(msg + 28, w.tuple.local_port);
    pair_put16(msg + 30, w.tuple.remote_port);
    pair_put32(msg + 32, stream_info().snd_una);
    CHECK_EQ(tcpsm_icmp(w.c, msg, 36, 4, w.p.now), 0);
    wire__touched();
    CHECK_EQ(stream_info().mtu, mtu);
}

/* A path that takes 1000 bytes and said so, some 600 s ago, when no full
   segment had arrived yet */
static void narrow(double pause)
{
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SACK;
    w.cfg.flags |= TCPSM_NODELAY;
    OPENED("mss 1460 sackok win 65535");
    SEND(100);
    OUT("PA 1 ack 1 len 100");
    too_big(1000);
    stream_drain();
    WAIT(0.1);
    IN("A 1 ack 101");
    stream_drain();
    w.p.now += (tcpsm_time)(pause * 1e6);
}

static uint32_t una, high, hole, hole_end; /* of the peer */
static uint32_t probe[64], probes;

/* The peer takes all that is sent now but a segment larger than 1000 bytes,
   and tells 20 ms later. */
static void round_trip(void)
{
    for (;;) {
        uint32_t seq, end;

        wire__fill();
        if (w.q_n == 0)
            break;
        wire__take();
        seq = w.seg.seq - w.iss;
        end = seq + w.seg.len;
        if (w.seg.len > 960) {
            CHECK_EQ(hole, 0); /* one at a time */
            CHECK_LT(probes, 64u);
            probe[probes++] = w.seg.len;
            hole = seq;
            hole_end = end;
        } else if (seq == una) {
            una = end;
        }
        if (end > high)
            high = end;
        if (hole != 0 && una >= hole_end) {
            una = high;
            hole = 0;
        }
    }
    w.p.now += 20000;
    if (high > una && hole_end != high)
        INF("A 1 ack %u sack %u:%u", una, hole_end, high);
    else
        INF("A 1 ack %u", una);
}

/* RFC 8899 s5.1.2 (MAX_PROBES): a size is tried three times, one probe at a
   time, and then a smaller one. */
TEST(RFC8899_s5_1_2_three_probes_of_a_size)
{
    uint32_t k, n;

    narrow(610);
    una = high = 101;
    hole = probes = 0;
    for (k = 0; k < 100; k++) {
        if (stream_info().unsent < 20000)
            SEND(20000);
        round_trip();
    }
    CHECK_GE(probes, 6u);
    for (k = 0; k < probes; k += n) {
        for (n = 1; k + n < probes && probe[k + n] == probe[k]; n++)
            ;
        CHECK_EQ(n, 3);
        CHECK(k == 0 || probe[k] < probe[k - 1]);
    }
    CHECK_EQ(probe[0], 1460);
    CHECK_EQ(stream_info().mtu, 1000);
}

/* tcpsm_info.probed_mtu, RFC 4821 s7.4: there must be room behind the probe in
   the peer's window, which what is under way has used already. */
TEST(RFC4821_s7_4_window_behind_a_probe)
{
    narrow(610);
    IN("A 1 ack 101 win 3000");
    SEND(960);
    OUT("PA 101 ack 1 len 960");
    SEND(2500);
    FLIGHT(1061, 2, 960);
    CHECK_EQ(COUNT(mtu_probes), 0);
}

/* A record's end is no place for a segment of another size. */
TEST(no_probe_across_a_record)
{
    narrow(610);
    SEND_FLAGS(4000, TCPSM_EOR);
    SEND(8000);
    FLIGHT(101, 4, 960);
    OUT("PA 3941 ack 1 len 160");
    CHECK_EQ(COUNT(mtu_probes), 0);
    OUT("A 4101 ack 1 len 1460"); /* behind it */
    CHECK_EQ(stream_info().probed_mtu, 1500);
}

/* RFC 8899 s4.6, s5.1.1: once a message told, the loss of a probe that was
   under way is no news: nothing is looked for before PMTU_RAISE_TIMER. */
TEST(RFC8899_s4_6_the_probe_under_way_is_forgotten)
{
    uint32_t k, n;

    for (k = 0; k < 4; k++) {
        CONTEXT("%u s later", k);
        narrow(610 + 1.048576 * k);
        SEND(960);
        OUT("PA 101 ack 1 len 960");
        SEND(8000);
        OUT("A 1061 ack 1 len 1460");
        FLIGHT(2521, 5, 960);
        CHECK_EQ(COUNT(mtu_probes), 1);
        too_big(800);
        stream_drain();
        w.p.now += 20000;
        IN("A 1 ack 1061 sack 2521:7321");
        for (n = 0; n < 4; n++) {
            stream_drain();
            w.p.now += 20000;
            INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
            SEND(8000);
        }
        CHECK_EQ(COUNT(mtu_probes), 1);
        CHECK_EQ(stream_info().probed_mtu, 0);
    }
}

/* ---- what was lost ---------------------------------------------------- */

static void begin(int sack)
{
    START();
    w.cfg.flags |= TCPSM_NODELAY | TCPSM_NO_PROBE;
    if (sack)
        w.cfg.flags &= ~(uint32_t)TCPSM_NO_SACK;
    OPEN();
    wire__fill();
    wire__take();
    WAIT(0.1);
    INF("SA 0 ack 1 mss 1000 win 65535 %s", sack ? "sackok" : "");
    stream_drain();
}

/* Time goes to the next timeout. */
static void timeout(void)
{
    uint64_t n = COUNT(timeouts);

    while (COUNT(timeouts) == n) {
        tcpsm_time d = tcpsm_deadline(w.c);

        CHECK(d != TCPSM_NEVER);
        w.p.now = d > w.p.now ? d : w.p.now;
        stream_drain();
    }
}

/* RFC 5682 s3.1 and s2.1: the timeout was spurious, and is undone. */
TEST(RFC5682_undone_with_and_without_sack)
{
    int sack;

    for (sack = 0; sack < 2; sack++) {
        uint32_t cwnd;

        CONTEXT("%s SACK", sack ? "with" : "without");
        begin(sack);
        SEND(60000);
        FLIGHT(1, 10, 1000);
        cwnd = stream_info().cwnd;
        timeout();
        CHECK_EQ(stream_info().in_recovery, 2);
        CHECK_LT(stream_info().cwnd, cwnd);
        w.p.now += 10000;
        IN("A 1 ack 2001");
        CHECK_EQ(stream_drain(), 2);
        CHECK_EQ(COUNT(undone), 0);
        w.p.now += 10000;
        IN("A 1 ack 3001");
        CHECK_EQ(COUNT(undone), 1);
        CHECK_EQ(stream_info().in_recovery, 0);
        CHECK_GE(stream_info().cwnd, cwnd);
    }
}

/* RFC 5682 s3.1: with SACK a first ACK that moves nothing is no answer: the
   algorithm waits for one that does. */
TEST(RFC5682_s3_1_waits_for_an_advance)
{
    begin(1);
    SEND(60000);
    FLIGHT(1, 10, 1000);
    timeout();
    w.p.now += 10000;
    IN("A 1 ack 1 sack 5001:6001");
    stream_drain();
    w.p.now += 10000;
    IN("A 1 ack 2001 sack 5001:6001");
    stream_drain();
    w.p.now += 10000;
    IN("A 1 ack 3001 sack 5001:6001");
    CHECK_EQ(COUNT(undone), 1);
}

/* RFC 5682 s2.1 step 2a: an ACK of everything up to `recover` says nothing
   about a spurious timeout: slow start goes on. */
TEST(RFC5682_s2_1_everything_acknowledged_is_conventional)
{
    int sack;

    for (sack = 0; sack < 2; sack++) {
        CONTEXT("%s SACK", sack ? "with" : "without");
        begin(sack);
        SEND(10000);
        FLIGHT(1, 10, 1000);
        timeout();
        CHECK_EQ(stream_info().cwnd, 1000);
        SEND(20000);
        w.p.now += 10000;
        IN("A 1 ack 10001");
        CHECK_EQ(stream_info().in_recovery, 0);
        CHECK_EQ(stream_info().cwnd, 3000); /* RFC 3465: L = 2 */
        CHECK_EQ(COUNT(undone), 0);
    }
}

/* RFC8985-10: at a timeout the first segment is lost, and others only when
   they have been under way for RACK's round trip and more. */
TEST(RFC8985_10_only_the_first_is_lost)
{
    uint32_t k;

    START();
    w.cfg.rto_min_us = 1;
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SACK;
    w.cfg.flags |= TCPSM_NODELAY | TCPSM_NO_PROBE;
    OPEN();
    OUT("S 0 mss 1460 sackok");
    AT(0.1);
    IN("SA 0 ack 1 mss 1000 win 65535 sackok");
    OUT("A 1 ack 1");
    SEND(2000);
    FLIGHT(1, 2, 1000);
    WAIT(0.1);
    IN("A 1 ack 1 sack 1001:2001");
    w.p.now += 1000;
    IN("A 1 ack 2001"); /* this path reorders: the window is open */
    CHECK_EQ(stream_info().reordering, 1);
    for (k = 0; k < 100; k++) { /* the variance vanishes */
        SEND(10);
        stream_drain();
        w.p.now += 100000;
        INF("A 1 ack %u", stream_info().snd_nxt - w.iss);
    }
    SEND(1000);
    FLIGHT(3001, 1, 1000);
    CHECK_LT(stream_info().rto_us,
             stream_info().rack_rtt_us + stream_info().reo_wnd_us);
    w.p.now = tcpsm_deadline(w.c);
    CHECK_EQ(stream_drain(), 1);
    CHECK_EQ(COUNT(loss_probes), 1);
    SEND(4000);
    FLIGHT(4001, 4, 1000);
    w.p.now = tcpsm_deadline(w.c);
    CHECK_EQ(stream_drain(), 1);
    CHECK_EQ(COUNT(timeouts), 1);
    CHECK_EQ(w.seg.seq - w.iss, 3001);
    CHECK_EQ(stream_info().lost, 0);
    CHECK_EQ(stream_info().flight, 5000);
}

/* RFC 8985 s7.4.2: the probe repaired a loss that nobody else noticed: a
   reduction, and no report of an older duplicate takes it back. */
TEST(RFC8985_s7_4_2_a_repaired_loss_is_not_undone)
{
    uint32_t ssthresh;

    begin(1);
    SEND(10000);
    FLIGHT(1, 10, 1000);
    WAIT(0.1);
    IN("A 1 ack 1 sack 1001:2001");
    IN("A 1 ack 1 sack 1001:3001");
    IN("A 1 ack 1 sack 1001:4001");
    CHECK_EQ(stream_drain(), 1); /* the first, again */
    w.p.now += 50000;
    IN("A 1 ack 10001");
    CHECK_EQ(stream_info().in_recovery, 0);
    SEND(2000);
    FLIGHT(10001, 2, 1000);
    while (COUNT(loss_probes) == 0) {
        w.p.now = tcpsm_deadline(w.c);
        stream_drain();
    }
    CHECK_EQ(COUNT(timeouts), 0);
    CHECK_EQ(w.seg.seq - w.iss, 11001);
    SEND(1000);
    stream_drain();
    w.p.now += 100000;
    ssthresh = stream_info().ssthresh;
    IN("A 1 ack 13001"); /* beyond the probe, and no duplicate */
    CHECK_LT(stream_info().ssthresh, ssthresh);
    ssthresh = stream_info().ssthresh;
    IN("A 1 ack 13001 sack 1:1001");
    CHECK_EQ(COUNT(dsacks), 1);
    CHECK_EQ(COUNT(undone), 0);
    CHECK_EQ(stream_info().ssthresh, ssthresh);
}

/* The same where the ACK echoes a timestamp from before all retransmissions, as
   only a liar's can: the reduction before is not taken back (RFC 4015). */
TEST(RFC8985_s7_4_2_a_timestamp_undoes_nothing_older)
{
    uint32_t early, ssthresh;

    START();
    w.cfg.flags &= ~(uint32_t)(TCPSM_NO_SACK | TCPSM_NO_TS);
    w.cfg.flags |= TCPSM_NODELAY | TCPSM_NO_PROBE;
    OPEN();
    wire__fill();
    wire__take();
    WAIT(0.1);
    INF("SA 0 ack 1 mss 1012 win 65535 sackok ts %u %u", w.ts_clock,
        w.seg.ts_val);
    w.ts = 1;
    stream_drain();
    SEND(12000);
    FLIGHT(1, 10, 1000);
    early = w.seg.ts_val;
    WAIT(0.1);
    IN("A 1 ack 1 sack 1001:2001");
    IN("A 1 ack 1 sack 1001:3001");
    IN("A 1 ack 1 sack 1001:4001");
    while (stream_info().in_recovery == 0) {
        stream_drain();
        w.p.now = tcpsm_deadline(w.c);
    }
    stream_drain();
    CHECK_EQ(COUNT(fast_retransmits), 1);
    IN("A 1 ack 1 sack 1001:10001");
    stream_drain();
    CHECK_EQ(stream_info().snd_nxt - w.iss, 12001);
    w.p.now += 90000;
    INF("A 1 ack %u", 11001);
    CHECK_EQ(stream_info().in_recovery, 0);
    CHECK_EQ(COUNT(undone), 0);
    while (COUNT(loss_probes) == 0) {
        w.p.now = tcpsm_deadline(w.c);
        stream_drain();
    }
    CHECK_EQ(w.seg.seq - w.iss, 11001);
    CHECK_EQ(COUNT(timeouts), 0);
    SEND(1000);
    stream_drain();
    w.p.now += 50000;
    ssthresh = stream_info().ssthresh;
    INF("A 1 ack 13001 ts %u %u",
        w.ts_clock + (uint32_t)((w.p.now - w.t0) / 1000), early);
    CHECK_EQ(COUNT(undone), 0);
    CHECK_LT(stream_info().ssthresh, ssthresh);
}

/* RFC8985-8, RFC 6675 s5: what counts towards three is what was SACKed since
   the last ACK that left nothing out of order, or since the recovery. */
TEST(RFC8985_8_the_count_begins_anew)
{
    begin(1);
    SEND(10000);
    FLIGHT(1, 10, 1000);
    WAIT(0.1);
    IN("A 1 ack 1 sack 1001:2001");
    CHECK_EQ(stream_info().dupacks, 1);
    IN("A 1 ack 3001");
    CHECK_EQ(stream_info().dupacks, 0);
}

TEST(RFC8985_8_the_count_begins_anew_after_a_recovery)
{
    uint32_t end;

    begin(1);
    SEND(30000);
    FLIGHT(1, 10, 1000);
    WAIT(0.1);
    IN("A 1 ack 1 sack 1001:2001");
    IN("A 1 ack 1 sack 1001:3001");
    IN("A 1 ack 1 sack 1001:7001");
    CHECK_EQ(stream_info().in_recovery, 1);
    end = stream_info().snd_nxt - w.iss;
    stream_drain();
    w.p.now += 20000;
    IN("A 1 ack 1 sack 1001:10001");
    stream_drain();
    w.p.now += 20000;
    CHECK_GE(stream_info().snd_nxt - w.iss, end + 2000);
    INF("A 1 ack %u sack %u:%u", end, end + 1000, end + 2000);
    CHECK_EQ(stream_info().in_recovery, 0);
    CHECK_EQ(stream_info().dupacks, 0);
}

/* RFC 6582 s3.2 step 3: at a full acknowledgment cwnd is
   min(ssthresh, max(FlightSize, SMSS) + SMSS). */
TEST(RFC6582_s3_2_full_acknowledgment)
{
    uint32_t ssthresh, flight;

    begin(0);
    SEND(60000);
    FLIGHT(1, 10, 1000);
    WAIT(0.1);
    IN("A 1 ack 1");
    IN("A 1 ack 1");
    IN("A 1 ack 1");
    stream_drain();
    CHECK_EQ(stream_info().in_recovery, 1);
    IN("A 1 ack 1");
    IN("A 1 ack 1");
    IN("A 1 ack 1");
    IN("A 1 ack 1");
    IN("A 1 ack 1");
    stream_drain();
    ssthresh = stream_info().ssthresh;
    w.p.now += 20000;
    CHECK_GT(stream_info().snd_nxt - w.iss, 14001u);
    flight = stream_info().snd_nxt - w.iss - 12001;
    CHECK_GE(flight, 2000u);
    CHECK_LT(flight + 1000, ssthresh + 5000);
    IN("A 1 ack 12001");
    CHECK_EQ(stream_info().in_recovery, 0);
    CHECK_EQ(stream_info().cwnd,
             flight + 1000 < ssthresh ? flight + 1000 : ssthresh);
}

/* RFC 2883, RFC 3708: a report about the very end of what timed out counts,
   also when one octet more was acknowledged meanwhile. */
TEST(RFC2883_the_last_octet_of_the_recovery)
{
    begin(1);
    SEND(100);
    OUT("PA 1 ack 1 len 100");
    timeout();
    SEND(500);
    OUT("PA 101 ack 1 len 500");
    w.p.now += 10000;
    IN("A 1 ack 101");
    CHECK_EQ(stream_info().in_recovery, 0);
    IN("A 1 ack 102");
    IN("A 1 ack 102 sack 1:101");
    CHECK_EQ(COUNT(dsacks), 1);
    CHECK_EQ(COUNT(undone), 1);
}

/* RFC3168-7: a mark is answered once a window, also 2^31 octets after the last
   reduction, when what it ended at looks as if it were ahead. */
TEST(RFC3168_7_marked_after_two_gigabytes)
{
    static uint8_t ring[1 << 20], header[128], ack[20];
    uint64_t total = 0;
    tcpsm_in in;

    START();
    w.cfg.flags = TCPSM_NODELAY | TCPSM_NO_PROBE | TCPSM_NO_TS | TCPSM_ECN |
                  TCPSM_GATHER | TCPSM_GSO | TCPSM_TX_ZERO;
    OPEN();
    wire__fill();
    wire__take();
    WAIT(0.1);
    IN("SAE 0 ack 1 mss 1460 ws 7 sackok win 65535");
    stream_drain();
    CHECK_EQ(stream_info().ecn, 1);
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_SEND, ring, sizeof ring, NULL), 0);
    in = w.in; /* the addresses */
    in.flags = TCPSM_IN_CSUM_OK;
    in.data = ack;
    in.len = sizeof ack;
    memcpy(ack, w.buf, sizeof ack); /* ports, SEQ */
    pair_put32(ack + 4, w.irs + 1);
    ack[12] = 0x50;
    pair_put16(ack + 14, 65535);
    while (total < (1ull << 31) + 4000000) {
        struct tcpsm_info i;
        tcpsm_span span[2];
        tcpsm_out out;
        tcpsm_ret n = tcpsm_send_reserve(w.c, span);

        CHECK_GE(n, 0);
        CHECK_EQ(tcpsm_send_commit(w.c, (uint32_t)n, 0), n);
        memset(&out, 0, sizeof out);
        out.buf = header;
        out.cap = sizeof header;
        while (tcpsm_output(w.c, &out, w.p.now) > 0)
            ;
        w.p.now += 1000;
        i = stream_info();
        CHECK_NE(i.snd_nxt, i.snd_una);
        total += i.snd_nxt - i.snd_una;
        pair_put32(ack + 8, i.snd_nxt);
        ack[13] = PAIR_ACK;
        if (total >= (1ull << 31) + 3000000 && COUNT(ecn_reductions) == 0)
            ack[13] = PAIR_ACK | PAIR_ECE;
        CHECK_EQ(tcpsm_input(w.c, &in, w.p.now), 0);
        CHECK_EQ(in.drop, 0);
    }
    CHECK_EQ(COUNT(ecn_reductions), 1);
    CHECK_EQ(COUNT(timeouts), 0);
}

/* ---- text and FINs ---------------------------------------------------- */

/* RFC9293-SHLD-18: a ring of exactly two segments is worth waiting in; one
   that holds less makes its reader wait for every ACK. */
TEST(RFC5681_10_delayed_in_a_ring_of_two_segments)
{
    START();
    w.cfg.mtu = 1064;
    w.rcv_ring = 2048;
    OPENED("mss 1000 win 5000");
    IN("PA 1 ack 1 len 100");
    NONE();
    DEADLINE(0.04);
    AT(0.04);
    OUT("A 1 ack 101");
}

/* RFC9293-MUST-40: one octet is text too, and is acknowledged in time. */
TEST(RFC9293_MUST_40_one_octet_after_our_fin)
{
    START();
    OPENED("mss 1000 win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("A 1 ack 2");
    STATE(TCPSM_FIN_WAIT_2);
    IN("PA 1 ack 2 len 1");
    NONE();
    AT(0.04);
    OUT("A 2 ack 2");
}

/* A FIN at the end of what is held beyond a gap is held as well: it need not
   come again. */
TEST(fin_alone_behind_held_text)
{
    START();
    OPENED("mss 1000 win 5000");
    IN("A 1001 ack 1 len 1000");
    OUT("A 1 ack 1");
    IN("FA 2001 ack 1");
    OUT("A 1 ack 1");
    IN("A 1 ack 1 len 1000");
    OUT("A 1 ack 2002");
    STATE(TCPSM_CLOSE_WAIT);
    READ(2000);
}

/* A FIN before text that is here already is a lie: nothing ends there. */
TEST(fin_before_held_text)
{
    START();
    OPENED("mss 1000 win 5000");
    IN("A 2001 ack 1 len 1000");
    OUT("A 1 ack 1");
    IN_ANY("FA 1001 ack 1 len 500");
    OUT("A 1 ack 1");
    IN("A 1 ack 1 len 1000");
    OUT("A 1 ack 1501");
    STATE(TCPSM_ESTABLISHED);
    IN("A 1501 ack 1 len 500");
    OUT("A 1 ack 3001");
    STATE(TCPSM_ESTABLISHED);
    READ(3000);
}

/* RFC7323-13: a reset echoes the timestamp of the segment that it answers, not
   of an earlier one. */
TEST(RFC7323_13_the_last_bad_segment_is_answered)
{
    START();
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    OPEN();
    wire__fill();
    wire__take();
    IN_ANY("A 1 ack 500 ts 77 88");
    IN_ANY("A 1 ack 600 nots");
    OUT("R 600");
}

/* TCPSM_IN_CSUM_OK: with the checksum verified
   elsewhere, text goes where it belongs, whatever waits to be sent. */
TEST(text_with_a_verified_checksum)
{
    START();
    OPENED("mss 1000 win 0");
    SEND(300);
    IN("A 1 ack 1 len 100 win 0 csumok");
    IN("A 101 ack 1 len 100 win 0 csumok");
    IN("A 201 ack 1 len 700 win 0 csumok");
    READ(900);
}

/* RFC 9293 s3.1: a header that says it is shorter than 20 bytes is none, also
   when its reserved bits are set. */
TEST(data_offset_too_small)
{
    uint32_t low;

    START();
    OPENED("mss 1000 win 5000");
    for (low = 0; low < 16; low++) {
        CONTEXT("reserved bits %u", low);
        wire__build("A 1 ack 1 len 100");
        w.buf[12] = (uint8_t)low;
        pair_put16(w.buf + 16, 0);
        w.in.data = w.buf;
        w.in.flags = TCPSM_IN_CSUM_OK;
        CHECK_EQ(tcpsm_input(w.c, &w.in, w.p.now), 0);
        wire__touched();
        CHECK_NE(w.in.drop, 0);
        CHECK_EQ(stream_info().rcv_queued, 0);
    }
}

/* A segment after a gap, right behind a segment in order */
TEST(sequence_number_of_its_own)
{
    static uint8_t second[200];
    uint32_t n;
    tcpsm_in in;

    START();
    OPENED("mss 1000 win 5000");
    wire__build("A 501 ack 1 len 100");
    n = w.in.len;
    memcpy(second, w.in.data, n);
    in = w.in;
    in.data = second;
    wire__build("UA 1 ack 1 urg 0");
    CHECK_EQ(tcpsm_input(w.c, &w.in, w.p.now), 0);
    CHECK_EQ(tcpsm_input(w.c, &in, w.p.now), 0);
    wire__touched();
    CHECK_EQ(stream_info().rcv_queued, 0);
    OUT("A 1 ack 1");
}
