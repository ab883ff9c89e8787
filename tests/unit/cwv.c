/* The congestion window is what was shown to be good: it does not grow
   unused (RFC 5681 s3.1, RFC9438-7, s5.8), an idle connection begins again
   (RFC5681-14), and so does one that lost its SYN (RFC5681-4). And what
   marks take from it (RFC 8511). Segments have 1000 octets, a round trip
   100 ms. */

#define PAIR_RING 1048576
#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

#include "wire.h"

#include "../wire/stream.h"

static const tcpsm_cc reno = {
    TCPSM_CC_NEWRENO, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
static const tcpsm_cc cubic = {TCPSM_CC_CUBIC, NULL, NULL, NULL,
                               NULL,           NULL, NULL, NULL};

enum { MSS = 1000 };
#define RTT 0.1

static uint32_t cwnd(void)
{
    return stream_info().cwnd;
}

static uint32_t ssthresh(void)
{
    return stream_info().ssthresh;
}

#define BOTH(i)                                                              \
    for (i = 0; i < 2; i++)                                                  \
        if (CONTEXT("%s", i ? "CUBIC" : "NewReno"), 1)

static void begin(int i)
{
    START();
    w.cfg.cc = i ? &cubic : &reno;
    w.cfg.flags &= ~(uint32_t)TCPSM_NO_SCALE;
    w.cfg.flags |= TCPSM_NODELAY;
    OPEN();
    wire__fill();
    wire__take();
    WAIT(RTT);
    WIRE__STEP("SA 0 ack 1 mss %u win 65535 ws 6", MSS);
    wire__in_expect(0, 0);
    wire__fill();
    wire__take();
    STATE(TCPSM_ESTABLISHED);
    IN("A 1 ack 1");
    CHECK_EQ(cwnd(), 10 * MSS);
}

static uint32_t una(void)
{
    return stream_info().snd_una - w.iss;
}

static uint32_t outstanding(void)
{
    return stream_info().snd_nxt - stream_info().snd_una;
}

/* n octets are sent and, a round trip later, acknowledged one by one;
   whatever the ACKs let out is so, too, in the next round. n 0: as much as
   can be */
static void round_trip(uint32_t n)
{
    uint32_t flight;
    if (n == 0 && stream_info().snd_queued < 3 * cwnd())
        n = 3 * cwnd() - stream_info().snd_queued;
    if (n)
        wire__send(n, 0);
    stream_drain();
    flight = outstanding();
    WAIT(RTT);
    for (; flight > 0;) {
        uint32_t k = flight < MSS ? flight : MSS;
        INF("A 1 ack %u", una() + k);
        flight -= k;
        stream_drain();
    }
}

/* All of the ring goes out and is acknowledged. */
static void empty(void)
{
    while (stream_info().snd_queued != 0) {
        stream_drain();
        WAIT(RTT);
        INF("A 1 ack %u", una() + outstanding());
    }
}

/* A timeout at the beginning: congestion avoidance from 5 or 7 segments */
static void in_avoidance(int i, uint32_t rounds)
{
    begin(i);
    SEND(20000);
    stream_drain();
    while (COUNT(timeouts) == 0) {
        w.p.now = tcpsm_deadline(w.c);
        stream_drain();
    }
    CHECK_EQ(ssthresh(), i ? 7000 : 5000);
    CHECK_EQ(cwnd(), MSS);
    WAIT(RTT);
    INF("A 1 ack %u", una() + 10 * MSS);
    CHECK_EQ(COUNT(undone), 0);
    while (rounds-- > 0)
        round_trip(0);
    CHECK_GT(cwnd(), ssthresh());
}

/* ---- not used, not earned ----------------------------------------------- */

/* A twentieth of the window a round trip; in slow start and after it */
TEST(application_limited)
{
    int i, k;
    BOTH(i)
    {
        uint32_t was;
        begin(i);
        for (k = 0; k < 50; k++)
            round_trip(500);
        CHECK_EQ(cwnd(), 10 * MSS);
        in_avoidance(i, 40);
        empty();
        was = cwnd();
        for (k = 0; k < 100; k++)
            round_trip(500);
        CHECK_EQ(cwnd(), was);
    }
}

/* RFC9438-7: nor beyond what the peer's window lets be used. */
TEST(receiver_limited)
{
    int i, k;
    BOTH(i)
    {
        begin(i);
        w.peer_win = 8000 >> 6;
        INF("A 1 ack 1");
        for (k = 0; k < 60; k++)
            round_trip(0);
        CHECKF(cwnd() <= 18 * MSS, "cwnd %u with a window of 8000", cwnd());
    }
}

/* Who fills the window at each beginning of a round and then waits does
   use it. */
TEST(a_window_at_a_time)
{
    int i, k;
    BOTH(i)
    {
        begin(i);
        for (k = 0; k < 4; k++) {
            uint32_t was = cwnd();
            round_trip(was);
            CHECKF(cwnd() >= was + 3 * MSS, "from %u to %u", was, cwnd());
            CHECK_LE(cwnd(), 2 * was);
        }
    }
}

/* ---- time that does not count (RFC9438-1) ------------------------------- */

/* How much cwnd grows in ten rounds of full windows after `pause` */
static uint32_t growth(int i, int emptied, void (*pause)(void))
{
    uint32_t was;
    int k;
    in_avoidance(i, 20);
    if (emptied)
        empty();
    if (pause)
        pause();
    was = cwnd();
    for (k = 0; k < 10; k++)
        round_trip(0);
    return cwnd() > was ? cwnd() - was : 0;
}

static void trickle(void)
{
    int k;
    for (k = 0; k < 600; k++)
        round_trip(100);
}

static void closed_window(void)
{
    int k;
    wire__send(400000, 0);
    w.peer_win = 0;
    WAIT(RTT);
    INF("A 1 ack %u", una() + outstanding());
    for (k = 0; k < 600; k++) {
        tcpsm_time until = w.p.now + 100000;
        while (tcpsm_deadline(w.c) <= until) {
            if (tcpsm_deadline(w.c) > w.p.now)
                w.p.now = tcpsm_deadline(w.c);
            if (stream_drain())
                INF("A 1 ack %u", una()); /* still closed */
        }
        w.p.now = until;
    }
    w.peer_win = 65535;
    INF("A 1 ack %u", una());
}

static void small_window(void)
{
    int k;
    w.peer_win = 2048 >> 6;
    for (k = 0; k < 600; k++)
        round_trip(0);
    w.peer_win = 65535;
    INF("A 1 ack %u", una());
}

static void silence(void)
{
    WAIT(60);
}

/* A minute of little to say, of a closed or a small window: afterwards the
   window grows as if the minute had not been. With it CUBIC's function
   would be 90 000 segments up. */
TEST(RFC9438_1_minutes_that_do_not_count)
{
    static void (*const pause[])(void) = {trickle, silence, closed_window,
                                          small_window};
    static const char *const name[] = {"trickle", "silence", "closed window",
                                       "small window"};
    uint32_t k, normal, g;
    for (k = 0; k < 4; k++) {
        CONTEXT("%s", name[k]);
        normal = growth(1, k < 2, NULL);
        CHECK_GT(normal, 3u * MSS);
        CHECK_LT(normal, 20u * MSS);
        g = growth(1, k < 2, pause[k]);
        CHECKF(g <= normal + 8 * MSS, "%s: %u, and %u without it", name[k], g,
               normal);
    }
}

/* ---- idle --------------------------------------------------------------- */

/* Windows of forty segments and nothing on the way */
static void large_and_idle(int i)
{
    begin(i);
    while (cwnd() < 40 * MSS)
        round_trip(0);
    empty();
    CHECK_EQ(outstanding(), 0);
    CHECK_GE(cwnd(), 40u * MSS);
}

/* RFC5681-14: more than an RTO without data: at most the initial window;
   ssthresh stays. */
TEST(RFC5681_14_restart_after_idle)
{
    int i;
    BOTH(i)
    {
        uint32_t was, high;
        large_and_idle(i);
        high = ssthresh();
        WAIT(stream_info().rto_us / 1e6 + 0.002);
        SEND(200000);
        CHECK_EQ(stream_drain(), 10);
        CHECK_EQ(cwnd(), 10 * MSS);
        CHECK_EQ(ssthresh(), high);
        was = cwnd();
        WAIT(RTT);
        INF("A 1 ack %u", una() + MSS); /* and it grows again */
        CHECK_GT(cwnd(), was);
    }
}

TEST(RFC5681_14_not_before_an_rto)
{
    int i;
    BOTH(i)
    {
        uint32_t was;
        large_and_idle(i);
        was = cwnd();
        WAIT(stream_info().rto_us / 1e6 * 0.4);
        SEND(200000);
        CHECK_GE(stream_drain(), 40u);
        CHECK_EQ(cwnd(), was);
    }
}

/* What is received, and acknowledged by us, keeps nothing alive. */
TEST(RFC5681_14_while_receiving)
{
    int i, k;
    BOTH(i)
    {
        large_and_idle(i);
        for (k = 0; k < 20; k++) {
            w.p.now += 50000;
            stream_drain();
            INF("A %u ack %u len 500", 1 + 500 * k, una());
            stream_drain();
            READ(500);
        }
        SEND(200000);
        CHECK_EQ(stream_drain(), 10);
        CHECK_EQ(cwnd(), 10 * MSS);
    }
}

/* Once: what is sent after it is not idle any more. And a window that is
   smaller is not raised. */
TEST(RFC5681_14_once_and_never_up)
{
    int i;
    BOTH(i)
    {
        uint32_t was;
        large_and_idle(i);
        WAIT(5);
        SEND(MSS);
        CHECK_EQ(stream_drain(), 1);
        CHECK_EQ(cwnd(), 10 * MSS);
        SEND(200000);
        CHECK_EQ(stream_drain(), 9);
        empty();
        begin(i);
        SEND(10 * MSS);
        stream_drain();
        while (COUNT(timeouts) == 0) {
            w.p.now = tcpsm_deadline(w.c);
            stream_drain();
        }
        INF("A 1 ack %u", una() + 10 * MSS);
        was = cwnd();
        CHECK_LT(was, 10u * MSS);
        WAIT(60);
        SEND(200000);
        stream_drain();
        CHECK_EQ(cwnd(), was);
    }
}

/* Something is on the way: not idle, but a matter of the timers. */
TEST(RFC5681_14_not_with_data_on_the_way)
{
    int i;
    BOTH(i)
    {
        uint32_t was;
        large_and_idle(i);
        was = cwnd();
        SEND(MSS);
        CHECK_EQ(stream_drain(), 1);
        WAIT(stream_info().rto_us / 1e6 * 0.9);
        SEND(200000);
        CHECK_GE(stream_drain(), 39u);
        CHECK_EQ(cwnd(), was);
    }
}

/* Also after hours and days: the counters of time are short. */
TEST(RFC5681_14_after_days)
{
    static const double pause[] = {4294.967, 4295.5, 8590, 86400, 4000000};
    int i, k;
    BOTH(i)
    for (k = 0; k < 5; k++) {
        CONTEXT("%.0f s", pause[k]);
        large_and_idle(i);
        w.p.no_laws = 1;
        WAIT(pause[k]);
        SEND(200000);
        CHECK_EQ(stream_drain(), 10);
    }
}

/* ---- the first window --------------------------------------------------- */

/* RFC5681-4: one segment if our SYN had to be sent again */
TEST(RFC5681_4_lost_syn)
{
    int i;
    BOTH(i)
    {
        START();
        w.cfg.cc = i ? &cubic : &reno;
        OPEN();
        OUT("S 0 mss 1460");
        AT(1.0);
        OUT("S 0 mss 1460");
        AT(1.1);
        IN("SA 0 ack 1 mss 1000");
        OUT("A 1 ack 1");
        CHECK_EQ(cwnd(), MSS);
        SEND(20000);
        CHECK_EQ(stream_drain(), 1);
    }
}

/* ... or the SYN-ACK */
TEST(RFC5681_4_lost_syn_ack)
{
    int i;
    BOTH(i)
    {
        START();
        w.cfg.cc = i ? &cubic : &reno;
        LISTEN();
        IN("S 0 mss 1000");
        OUT("SA 0 ack 1 mss 1460");
        AT(1.0);
        OUT("SA 0 ack 1 mss 1460");
        AT(1.1);
        IN("A 1 ack 1");
        STATE(TCPSM_ESTABLISHED);
        CHECK_EQ(cwnd(), MSS);
        SEND(20000);
        CHECK_EQ(stream_drain(), 1);
    }
}

/* ... and whoever did the handshake elsewhere says so. */
TEST(RFC5681_4_open_from)
{
    int i, k;
    BOTH(i)
    for (k = 0; k < 2; k++) {
        tcpsm_facts f;
        START();
        w.cfg.cc = i ? &cubic : &reno;
        wire__init();
        memset(&f, 0, sizeof f);
        f.snd_nxt = 5001;
        f.rcv_nxt = 7001;
        f.snd_wnd = f.rcv_wnd = 60000;
        f.peer_mss = MSS;
        f.syn_lost = (uint8_t)k;
        CHECK_EQ(tcpsm_open_from(w.c, &w.tuple, &f, w.p.now), 0);
        CHECK_EQ(cwnd(), k ? MSS : 10 * MSS);
    }
}

/* ---- marks -------------------------------------------------------------- */

/* RFC 8511 s3.1: beta is 0.8 for NewReno and 0.85 for CUBIC, of what was in
   flight; and RFC9438-8 for both: cwnd down to one segment, ssthresh to
   two. */
TEST(RFC8511_factors)
{
    int i, k;
    BOTH(i)
    {
        tcpsm_cc_state s;
        tcpsm_cc_event e;
        const tcpsm_cc *cc = i ? &cubic : &reno;
        memset(&s, 0, sizeof s);
        memset(&e, 0, sizeof e);
        e.now = 1000000;
        e.mss = MSS;
        e.initial_window = 10 * MSS;
        tcpsm__cc_call(cc, TCPSM__CC_INIT, &s, &e);
        s.cwnd = e.flight = 100 * MSS;
        tcpsm__cc_call(cc, TCPSM__CC_ECN, &s, &e);
        CHECK_EQ(s.ssthresh, i ? 85 * MSS : 80 * MSS);
        CHECK_EQ(s.cwnd, s.ssthresh);
        for (k = 0; k < 60; k++) {
            e.flight = s.cwnd;
            e.now += 100000;
            tcpsm__cc_call(cc, TCPSM__CC_ECN, &s, &e);
            CHECK_GE(s.ssthresh, 2u * MSS);
            CHECK_GE(s.cwnd, 1u * MSS);
        }
        CHECK_EQ(s.cwnd, MSS);
    }
}

/* The same on the wire: once a round, in slow start (which it ends: RFC
   9406 s4.2) and after it; CWR on the next new segment. */
TEST(RFC8511_on_the_wire)
{
    int i;
    BOTH(i)
    {
        uint32_t was, nxt;
        START();
        w.cfg.cc = i ? &cubic : &reno;
        w.cfg.flags = TCPSM_NO_TS | TCPSM_NO_SACK | TCPSM_NODELAY | TCPSM_ECN;
        OPEN();
        OUT("SEC 0 mss 1460 ws *");
        WAIT(RTT);
        IN("SAE 0 ack 1 mss 1000 win 65535 ws 4");
        OUT("A 1 ack 1");
        CHECK_EQ(stream_info().ecn, 1);
        SEND(400000);
        CHECK_EQ(stream_drain(), 10);
        WAIT(RTT);
        IN("AE 1 ack 1001");
        CHECK_EQ(ssthresh(), i ? 8500 : 8000);
        CHECK_EQ(cwnd(), ssthresh());
        stream_drain();
        IN("AE 1 ack 2001");
        stream_drain();
        IN("AE 1 ack 5001");
        CHECK_EQ(ssthresh(), i ? 8500 : 8000);
        CHECK_EQ(COUNT(ecn_reductions), 1);
        wire__fill();
        wire__take();
        CHECK(w.seg.flags & PAIR_CWR);
        stream_drain();
        nxt = stream_info().snd_nxt - w.iss;
        was = cwnd();
        WAIT(RTT);
        INF("AE 1 ack %u", nxt);
        CHECK_EQ(COUNT(ecn_reductions), 2);
        CHECK_LT(cwnd(), was);
        CHECK_EQ(COUNT(retransmits), 0);
    }
}

/* RFC9438-8: down to one segment, with marks on every ACK */
TEST(RFC9438_8_marks_without_end)
{
    int i, k;
    BOTH(i)
    {
        START();
        w.cfg.cc = i ? &cubic : &reno;
        w.cfg.flags = TCPSM_NO_TS | TCPSM_NO_SACK | TCPSM_NODELAY | TCPSM_ECN;
        OPEN();
        OUT("SEC 0 mss 1460 ws *");
        WAIT(RTT);
        IN("SAE 0 ack 1 mss 1000 win 65535 ws 4");
        OUT("A 1 ack 1");
        SEND(400000);
        for (k = 0; k < 60; k++) {
            stream_drain();
            WAIT(RTT);
            INF("AE 1 ack %u", stream_info().snd_nxt - w.iss);
            CHECK_GE(cwnd(), 1u * MSS);
        }
        CHECKF(cwnd() <= 2 * MSS, "cwnd %u", cwnd());
    }
}
