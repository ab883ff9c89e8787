/* >>cc: NewReno by the equations of RFC 5681, one call at a time. CUBIC and
   HyStart++ have files of their own. */

#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

enum { MSS = 1000 };

static const tcpsm_cc reno = {
    TCPSM_CC_NEWRENO, NULL, NULL, NULL, NULL, NULL, NULL, NULL};

static tcpsm_cc_event event(uint32_t flight, uint32_t acked)
{
    tcpsm_cc_event e;
    memset(&e, 0, sizeof e);
    e.mss = MSS;
    e.initial_window = 10 * MSS;
    e.flight = flight;
    e.acked = acked;
    return e;
}

static tcpsm_cc_state begin(void)
{
    tcpsm_cc_state s;
    tcpsm_cc_event e = event(0, 0);
    memset(&s, 0, sizeof s);
    tcpsm__cc_call(&reno, TCPSM__CC_INIT, &s, &e);
    return s;
}

static void ack(tcpsm_cc_state *s, uint32_t n)
{
    tcpsm_cc_event e = event(s->cwnd, n);
    tcpsm__cc_call(&reno, TCPSM__CC_ACKED, s, &e);
}

/* RFC5681-3, -5: IW from the core; ssthresh arbitrarily high. */
TEST(initial)
{
    tcpsm_cc_state s = begin();
    CHECK_EQ(s.cwnd, 10 * MSS);
    CHECK_EQ(s.ssthresh, TCPSM__MAX_CWND);
}

/* RFC5681-6: by the octets acknowledged: it doubles in a round, and splitting
   an ACK gains nothing; at most eight segments for one (RFC 9406 s4.2). */
TEST(slow_start)
{
    tcpsm_cc_state s = begin();
    uint32_t i;
    for (i = 0; i < 10; i++)
        ack(&s, MSS);
    CHECK_EQ(s.cwnd, 20 * MSS);
    for (i = 0; i < 1000; i++)
        ack(&s, 1);
    CHECK_EQ(s.cwnd, 21 * MSS);
    ack(&s, 5 * MSS); /* a stretch ACK */
    CHECK_EQ(s.cwnd, 26 * MSS);
    ack(&s, 9 * MSS);
    CHECK_EQ(s.cwnd, 34 * MSS);
}

/* RFC 9406 s4.3: only the first slow start is HyStart++'s. In later ones an
   ACK is worth two segments at most, paced or not (RFC 3465 s2.3). */
TEST(later_slow_starts)
{
    tcpsm_cc_state s = begin();
    s.ssthresh = 100 * MSS;
    ack(&s, MSS);
    CHECK_EQ(s.cwnd, 11 * MSS);
    ack(&s, 2 * MSS);
    CHECK_EQ(s.cwnd, 13 * MSS);
    ack(&s, 9 * MSS);
    CHECK_EQ(s.cwnd, 15 * MSS);
}

/* RFC5681-7: in congestion avoidance one SMSS a window, counted in bytes,
   however the ACKs are cut. */
TEST(congestion_avoidance)
{
    static const uint32_t piece[] = {1, 500, 1000, 2000};
    uint32_t i, sent;
    for (i = 0; i < 4; i++) {
        tcpsm_cc_state s = begin();
        s.ssthresh = 10 * MSS;
        for (sent = 0; sent < 10 * MSS; sent += piece[i])
            ack(&s, piece[i]);
        CHECK_EQ(s.cwnd, 11 * MSS);
        for (sent = 0; sent < 11 * MSS; sent += piece[i])
            ack(&s, piece[i]);
        CHECK_EQ(s.cwnd, 12 * MSS);
    }
}

/* RFC 5681 s3.1: a window that was not used does not grow. */
TEST(application_limited)
{
    tcpsm_cc_state s = begin();
    tcpsm_cc_event e = event(MSS, MSS);
    e.app_limited = 1;
    tcpsm__cc_call(&reno, TCPSM__CC_ACKED, &s, &e);
    CHECK_EQ(s.cwnd, 10 * MSS);
}

/* RFC5681-12, equation (4): ssthresh = max(FlightSize / 2, 2 SMSS), from
   the flight and not from cwnd. */
TEST(loss)
{
    tcpsm_cc_state s = begin();
    tcpsm_cc_event e = event(8 * MSS, 0);
    s.cwnd = 100 * MSS;
    tcpsm__cc_call(&reno, TCPSM__CC_LOSS, &s, &e);
    CHECK_EQ(s.ssthresh, 4 * MSS);
    e = event(3 * MSS, 0);
    tcpsm__cc_call(&reno, TCPSM__CC_LOSS, &s, &e);
    CHECK_EQ(s.ssthresh, 2 * MSS);
}

/* RFC5681-8, -9: one segment after a timeout; ssthresh is held when the
   same data times out again. */
TEST(timeout)
{
    tcpsm_cc_state s = begin();
    tcpsm_cc_event e = event(8 * MSS, 0);
    tcpsm__cc_call(&reno, TCPSM__CC_TIMEOUT, &s, &e);
    CHECK_EQ(s.cwnd, MSS);
    CHECK_EQ(s.ssthresh, 4 * MSS);
    e = event(6 * MSS, 0);
    e.again = 1;
    tcpsm__cc_call(&reno, TCPSM__CC_TIMEOUT, &s, &e);
    CHECK_EQ(s.cwnd, MSS);
    CHECK_EQ(s.ssthresh, 4 * MSS);
}

/* RFC5681-14: after idling RW = min(IW, cwnd); ssthresh stays. */
TEST(idle)
{
    tcpsm_cc_state s = begin();
    tcpsm_cc_event e = event(0, 0);
    s.cwnd = 50 * MSS;
    s.ssthresh = 40 * MSS;
    tcpsm__cc_call(&reno, TCPSM__CC_IDLE, &s, &e);
    CHECK_EQ(s.cwnd, 10 * MSS);
    CHECK_EQ(s.ssthresh, 40 * MSS);
    s.cwnd = 3 * MSS;
    tcpsm__cc_call(&reno, TCPSM__CC_IDLE, &s, &e);
    CHECK_EQ(s.cwnd, 3 * MSS);
}

/* Whatever happens, and in any order: within bounds. */
TEST(bounds)
{
    uint64_t r = 3;
    uint32_t i;
    tcpsm_cc_state s = begin();
    for (i = 0; i < 300000; i++) {
        tcpsm_cc_event e;
        r = r * 6364136223846793005u + 1442695040888963407u;
        e = event((uint32_t)(r >> 34), (uint32_t)(r >> 20) % 0x3FFFFFFF);
        e.mss = 1 + (uint32_t)(r >> 50) % 9000;
        e.again = (uint8_t)(r >> 40 & 1);
        tcpsm__cc_call(&reno,
                       (int)(r >> 61) < 5 ? (int)(r >> 61) : TCPSM__CC_ACKED,
                       &s, &e);
        CHECK_GE(s.cwnd, e.mss);
        CHECK_LE(s.cwnd, TCPSM__MAX_CWND);
        CHECK_GE(s.ssthresh, 2 * e.mss);
        CHECK_LE(s.ssthresh, TCPSM__MAX_CWND);
    }
}

/* ---- a controller of the caller's --------------------------------------- */

static int called[8];

static void one(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    (void)e;
    called[1]++;
    s->cwnd = 0; /* nonsense: the core holds the bounds */
    s->ssthresh = 0xFFFFFFFF;
}

TEST(hooks_and_defaults)
{
    static const tcpsm_cc mine = {200, one,  NULL, NULL,
                                  one, NULL, NULL, NULL};
    tcpsm_cc_state s;
    tcpsm_cc_event e = event(8 * MSS, MSS);
    memset(&s, 0, sizeof s);
    memset(called, 0, sizeof called);
    tcpsm__cc_call(&mine, TCPSM__CC_INIT, &s, &e);
    CHECK_EQ(called[1], 1);
    CHECK_EQ(s.cwnd, MSS); /* at least one segment */
    CHECK_EQ(s.ssthresh, TCPSM__MAX_CWND);
    tcpsm__cc_call(&mine, TCPSM__CC_TIMEOUT, &s, &e);
    CHECK_EQ(called[1], 2);
    tcpsm__cc_call(&mine, TCPSM__CC_ACKED, &s, &e); /* NULL: NewReno */
    CHECK_EQ(called[1], 2);
    CHECK_EQ(s.cwnd, 2 * MSS);
    tcpsm__cc_call(&mine, TCPSM__CC_LOSS, &s, &e);
    CHECK_EQ(s.ssthresh, 4 * MSS);
}
