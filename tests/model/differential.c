/* Random walks: tcpsm and the reference get the same segments and the same
   calls, and are compared after each. A failure names the seed and the step;
   MODEL_SEED=N walks that one alone, aloud; MODEL_WALKS=N walks N. */

#include "test.h"

#include "tcpsm.h"

#include "model.h"

enum { WALKS = 2500, STEPS = 80 };

static uint64_t dice;
static int aloud;
static unsigned long seen[REF_STATES];

static uint32_t roll(uint32_t n)
{
    dice = netsim_mix(dice + 1);
    return (uint32_t)(dice >> 32) % n;
}

/* ---- segments ----------------------------------------------------------- */

/* Mostly what moves the connection on, so that all states are seen. */
static ref_seg throw_segment(uint32_t ts_clock)
{
    static const uint8_t usual[] = {
        REF_ACK,           REF_ACK, REF_ACK | REF_PSH, REF_ACK | REF_URG,
        REF_ACK | REF_FIN, REF_SYN, REF_SYN | REF_ACK, REF_RST};
    const ref_tcb *t = &tw.r;
    uint32_t k = roll(14);
    ref_seg s;

    memset(&s, 0, sizeof s);
    s.flags = roll(4) ? usual[roll(30) ? roll(6) : roll(8)] : 0;
    if (!s.flags && roll(8))
        s.flags = (uint16_t)(roll(64) & ~(unsigned)REF_RST);
    if (t->state <= REF_SYN_SENT && roll(2))
        s.flags = roll(4) ? REF_SYN : REF_SYN | REF_ACK;
    if (t->state == REF_SYN_RECEIVED && roll(2))
        s.flags = REF_ACK;
    s.len = roll(3) ? 0 : 1 + roll(roll(4) ? 100 : 600);
    s.seq = t->rcv_nxt;
    if (t->state <= REF_SYN_SENT)
        s.seq = tw.irs;
    else if (s.flags & REF_SYN && t->state == REF_SYN_RECEIVED && k > 2)
        s.seq = t->irs;
    else if (k == 0)
        s.seq = t->rcv_nxt - 1 - roll(200);
    else if (k == 1)
        s.seq = t->rcv_nxt + 1 + roll(200);
    else if (k == 2)
        s.seq = t->rcv_nxt + t->rcv_wnd - roll(3);
    else if (k == 3)
        s.seq = t->rcv_nxt + t->rcv_wnd + 1 + roll(100000);
    else if (k == 4)
        s.seq = t->rcv_nxt - s.len;
    k = roll(12);
    s.ack = t->snd_nxt;
    if (k == 0)
        s.ack = t->snd_una;
    else if (k == 1)
        s.ack = t->snd_una + roll(t->snd_nxt - t->snd_una + 1);
    else if (k == 2)
        s.ack = t->snd_nxt + 1 + roll(3);
    else if (k == 3)
        s.ack = t->snd_una - roll(6000);
    k = roll(8);
    s.wnd = k == 0 ? 0 : k == 1 ? roll(300) : 1000 + roll(5000);
    if (s.flags & REF_URG || !roll(8))
        s.up = roll(4) ? roll(200) : roll(65536);
    s.text = model_text(s.seq + ((s.flags & REF_SYN) != 0), s.len);
    if (t->ts_on || (s.flags & REF_SYN && t->want_ts && roll(2))) {
        s.has_ts = roll(20) != 0;
        s.tsval = ts_clock - (roll(12) ? 0 : roll(500));
    }
    return s;
}

static void tell(const char *what, int n)
{
    if (aloud)
        printf("  %s %d: %s una%+d nxt%+d wnd %u rcv%+d wnd %u\n", what, n,
               ref_state_name(tw.r.state), (int)(tw.r.snd_una - tw.iss),
               (int)(tw.r.snd_nxt - tw.iss), tw.r.snd_wnd,
               (int)(tw.r.rcv_nxt - tw.irs), tw.r.rcv_wnd);
}

/* ---- calls -------------------------------------------------------------- */

static const char *read_some(uint32_t n)
{
    uint8_t a[MODEL_RING], b[MODEL_RING];
    int got = ref_receive(&tw.r, a, n);
    tcpsm_ret r = tcpsm_receive(&tw.c, b, n);

    if ((got > 0 ? got : 0) != (r > 0 ? r : 0))
        return "RECEIVE gives more or less";
    if (got > 0 && memcmp(a, b, (size_t)got) != 0)
        return "RECEIVE gives other octets";
    if ((got == REF_E_CLOSING) != (r == TCPSM_E_EOF))
        return "RECEIVE: end of file";
    return model_settle();
}

static const char *close_it(void)
{
    uint8_t nobody[REF_STREAM];
    tcpsm_ret r;

    if (tw.r.state == REF_SYN_SENT || tw.r.state == REF_LISTEN)
        return NULL;
    r = tcpsm_close(&tw.c);
    if (r == 1) /* what is unread is lost: SHLD-3 */
        return model_aborted(1);
    tw.closed = 1;
    (void)ref_close(&tw.r);
    (void)ref_receive(&tw.r, nobody, sizeof nobody);
    return model_settle();
}

static const char *call(void)
{
    switch (roll(12)) {
    case 0:
    case 1:
    case 2:
        if (!tw.closed)
            (void)model_send(1 + roll(roll(3) ? 60 : 700));
        return model_settle();
    case 3:
    case 4:
    case 5:
        return tw.closed ? NULL : read_some(1 + roll(1000));
    case 6:
        if (roll(4) || tw.r.state <= REF_SYN_SENT || tw.closed)
            return NULL;
        if (tcpsm_shutdown(&tw.c) == 0)
            (void)ref_close(&tw.r);
        return model_settle();
    case 7:
        if (roll(8))
            return NULL;
        return close_it();
    case 8:
        if (roll(40) || tw.r.state == REF_CLOSED)
            return NULL;
        (void)tcpsm_abort(&tw.c);
        return model_aborted(0);
    default: /* time */
        tw.now += roll(4) ? roll(30000) : roll(400000);
        return model_settle();
    }
}

/* ---- a walk ------------------------------------------------------------- */

static const char *walk(uint64_t seed, int *step)
{
    static const uint32_t places[] = {0,           0x7FFFFFF0u, 0x80000000u,
                                      0xFFFFFF00u, 0xFFFFFFFEu, 0x12345678u};
    const char *why = NULL;
    uint32_t ts_clock;
    ref_seg s;

    dice = seed * 1000003;
    model_defaults();
    mx.cfg.challenge_limit = 255;
    if (!TCPSM__TINY && roll(2))
        mx.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    if (roll(2))
        mx.cfg.flags &= ~(uint32_t)TCPSM_NODELAY;
    if (roll(2)) /* whose window closes soon */
        mx.rcv_ring = 200 + roll(800);
    model_start(roll(2) ? 4 : 6, places[roll(6)] + roll(64),
                places[roll(6)] + roll(64));
    tw.r.want_ts = !(mx.cfg.flags & TCPSM_NO_TS);
    ts_clock = roll(2) ? 0xFFFFFFF0u : 1000;
    model_open((int)roll(2));
    for (*step = 0; *step < STEPS && !why; ++*step) {
        if (tw.r.state == REF_CLOSED || tw.r.sent_n > REF_STREAM - 1000 ||
            tw.r.highest > REF_STREAM - 2000)
            return NULL;
        seen[tw.r.state]++;
        why = call();
        tell("call", *step);
        if (why || tw.r.state == REF_CLOSED)
            return why;
        if (roll(3) == 0)
            ts_clock += roll(100);
        s = throw_segment(ts_clock);
        if (aloud)
            printf("  in %s seq rcv%+d edge%+d ack una%+d nxt%+d len %u wnd "
                   "%u up %u ts %u\n",
                   model_flags(s.flags), (int)(s.seq - tw.r.rcv_nxt),
                   (int)(s.seq - tw.r.rcv_nxt - tw.r.rcv_wnd),
                   (int)(s.ack - tw.r.snd_una), (int)(s.ack - tw.r.snd_nxt),
                   s.len, s.wnd, s.up, s.has_ts);
        if (s.flags & REF_SYN && tw.r.state <= REF_SYN_SENT)
            tw.irs = s.seq;
        why = model_segment(&s, 0);
        if (tw.r.state == REF_SYN_RECEIVED)
            tw.iss = tw.r.iss;
        tell("segment", *step);
    }
    return why;
}

TEST(random_walks_beside_the_reference)
{
    const char *only = getenv("MODEL_SEED"), *many = getenv("MODEL_WALKS");
    const char *why;
    uint64_t seed, first = 1, last = WALKS;
    unsigned long steps = 0;
    uint32_t s;
    int step;

    if (only) {
        first = last = strtoul(only, NULL, 10);
        aloud = 1;
    }
    if (many)
        last = strtoul(many, NULL, 10);
    for (seed = first; seed <= last; seed++) {
        CONTEXT("MODEL_SEED=%lu", (unsigned long)seed);
        why = walk(seed, &step);
        steps += (unsigned long)step;
        if (why) {
            printf("  seed %lu, step %d: %s\n", (unsigned long)seed, step,
                   why);
            FAIL("they differ, see above");
        }
    }
    if (only)
        return;
    printf("  %lu walks, %lu steps, %lu with a permitted difference\n",
           (unsigned long)last, steps, mx.differences);
    for (s = REF_LISTEN; s < REF_STATES; s++)
        CHECKF(seen[s] > 100, "%s was seen only %lu times",
               ref_state_name((int)s), seen[s]);
}

/* ---- the reference alone ------------------------------------------------ */

static void carry(ref_tcb *from, ref_tcb *to, ref_list *o, int depth)
{
    uint32_t i;
    ref_list answer;
    ref_view v;

    for (i = 0; i < o->n; i++) {
        ref_seg s = o->at[i].seg;

        ref_look(from, &v);
        s.wnd = from->rcv_buff - v.readable;
        if (s.flags & REF_ACK)
            CHECK(ref_sent(from, &s) == NULL);
        else
            from->rcv_wnd = s.wnd;
        ref_segment(to, &s, &answer);
        CHECK_LT(depth, 20);
        carry(to, from, &answer, depth + 1);
    }
}

/* Two references: handshake, text both ways, a close from one side, then the
   other: every state of Figure 5 on the way is the right one. */
TEST(the_reference_talks_to_itself)
{
    static ref_tcb a, b;
    static uint8_t text[3000], got[3000];
    ref_list o;
    uint32_t i;

    for (i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 13);
    ref_init(&a, 4000);
    ref_init(&b, 4000);
    CHECK_EQ(ref_open(&b, 0, 0xFFFFFFF0u, &o), REF_OK);
    CHECK_EQ(ref_open(&a, 1, 0x7FFFFFF0u, &o), REF_OK);
    CHECK_EQ(ref_open(&a, 1, 1, &o), REF_E_EXISTS);
    ref_timeout(&a, REF_RETRANSMISSION, &o); /* the SYN (again) */
    carry(&a, &b, &o, 0);
    CHECK_EQ(ref_status(&a), REF_ESTABLISHED);
    CHECK_EQ(ref_status(&b), REF_ESTABLISHED);
    CHECK_EQ(ref_send(&a, text, sizeof text, 0), REF_OK);
    CHECK_EQ(ref_send(&b, text, 100, 0), REF_OK);
    while (ref_output(&a, 536, &o))
        carry(&a, &b, &o, 0);
    while (ref_output(&b, 536, &o))
        carry(&b, &a, &o, 0);
    CHECK_EQ(ref_receive(&b, got, sizeof got), sizeof text);
    CHECK_MEM(got, text, sizeof text);
    CHECK_EQ(ref_receive(&a, got, sizeof got), 100);
    CHECK_EQ(ref_close(&a), REF_OK);
    CHECK_EQ(ref_status(&a), REF_FIN_WAIT_1);
    ref_output(&a, 536, &o);
    carry(&a, &b, &o, 0);
    CHECK_EQ(ref_status(&a), REF_FIN_WAIT_2);
    CHECK_EQ(ref_status(&b), REF_CLOSE_WAIT);
    CHECK_EQ(ref_receive(&b, got, 1), REF_E_CLOSING);
    CHECK_EQ(ref_send(&a, text, 1, 0), REF_E_CLOSING);
    CHECK_EQ(ref_close(&b), REF_OK);
    ref_output(&b, 536, &o);
    CHECK_EQ(ref_status(&b), REF_LAST_ACK);
    carry(&b, &a, &o, 0);
    CHECK_EQ(ref_status(&a), REF_TIME_WAIT);
    CHECK_EQ(ref_status(&b), REF_E_NOT_OPEN);
    ref_timeout(&a, REF_TIME_WAIT_TIMEOUT, &o);
    CHECK_EQ(ref_status(&a), REF_E_NOT_OPEN);
}
