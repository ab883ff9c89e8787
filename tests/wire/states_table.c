/* Every flag combination in every state, at every interesting place, held
   against a reference that is RFC 9293 section 3.10.7 and nothing else; and
   the acceptability table, cell by cell. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

/* ---- the reference ----------------------------------------------------- */

enum {
    R_SILENT,   /* dropped, no reply, not one byte changed */
    R_ACK,      /* dropped, <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>: 9293-u8 */
    R_RST,      /* dropped, <SEQ=SEG.ACK><CTL=RST> */
    R_STRANGER, /* nobody's: tcpsm_stranger */
    R_SYN_ACK,  /* <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK> */
    R_END,      /* the connection ended or listens: no reply */
    R_TAKEN     /* accepted: an ACK or none, now or later */
};

typedef struct {
    int state, passive;
    int held;  /* ranges beyond a gap */
    int shut;  /* the owner half-closed before the handshake was done */
    int newer; /* the SYN has a newer timestamp than the old connection */
    uint32_t una, nxt, rcv, wnd, max_wnd;
} tcb;

typedef struct {
    uint32_t flags, seq, ack, len;
} segment;

typedef struct {
    int reply, state;
    uint32_t rcv; /* RCV.NXT after it */
    int gap;      /* text or a FIN held beyond a gap may come on top */
} outcome;

static outcome say(const tcb *t, int reply, int state)
{
    outcome o;

    o.reply = reply;
    o.state = state;
    o.rcv = t->rcv;
    o.gap = t->held && reply == R_TAKEN;
    return o;
}

static int has(const segment *s, int flag)
{
    return (s->flags & (uint32_t)flag) != 0;
}

static int in_window(const tcb *t, uint32_t seq)
{
    return seq - t->rcv < t->wnd;
}

/* Table 6, and the decided exceptions of docs/design.md: at a window of
   zero what is at RCV.NXT still counts; an empty segment at the right edge
   counts; so does one that hangs out on both sides. */
static int acceptable(const tcb *t, const segment *s)
{
    uint32_t len = s->len + (uint32_t)has(s, PAIR_FIN);
    uint32_t i;

    if (t->wnd == 0)
        return s->seq == t->rcv;
    if (len == 0)
        return in_window(t, s->seq) || s->seq - t->rcv == t->wnd;
    for (i = 0; i < len; i++) /* is any octet in the window? */
        if (in_window(t, s->seq + i))
            return 1;
    return 0;
}

/* 3.10.7.2 */
static outcome in_listen(const tcb *t, const segment *s)
{
    if (has(s, PAIR_RST))
        return say(t, R_SILENT, t->state);
    if (has(s, PAIR_ACK))
        return say(t, R_STRANGER, t->state);
    if (has(s, PAIR_SYN))
        return say(t, R_SYN_ACK, TCPSM_SYN_RECEIVED);
    return say(t, R_SILENT, t->state);
}

static outcome take_text(const tcb *t, const segment *s, int state,
                         uint32_t text, int reads)
{
    outcome o = say(t, R_TAKEN, state);
    uint32_t end = text + s->len;
    uint32_t edge = t->rcv + t->wnd;

    if (!reads || (int32_t)(text - t->rcv) > 0)
        return o; /* after a FIN, or to wait */
    if ((int32_t)(end - t->rcv) < 0)
        return o;
    if ((int32_t)(end - edge) > 0) {
        o.rcv = edge;
        return o;
    }
    o.rcv = end;
    if (!has(s, PAIR_FIN))
        return o;
    o.rcv++;
    if (state == TCPSM_ESTABLISHED)
        o.state = TCPSM_CLOSE_WAIT;
    if (state == TCPSM_FIN_WAIT_1)
        o.state = TCPSM_CLOSING;
    if (state == TCPSM_FIN_WAIT_2)
        o.state = TCPSM_TIME_WAIT;
    return o;
}

/* 3.10.7.3 */
static outcome in_syn_sent(const tcb *t, const segment *s)
{
    int good = s->ack - t->una - 1 < t->nxt - t->una;

    if (has(s, PAIR_ACK) && !good)
        return say(t, has(s, PAIR_RST) ? R_SILENT : R_RST, t->state);
    if (has(s, PAIR_RST))
        return has(s, PAIR_ACK) ? say(t, R_END, TCPSM_CLOSED)
                                : say(t, R_SILENT, t->state);
    if (!has(s, PAIR_SYN))
        return say(t, R_SILENT, t->state);
    if (!has(s, PAIR_ACK))
        return say(t, R_SYN_ACK, TCPSM_SYN_RECEIVED);
    {
        tcb after = *t;

        after.rcv = s->seq + 1;
        after.wnd = 65535;
        return take_text(&after, s,
                         t->shut ? TCPSM_FIN_WAIT_1 : TCPSM_ESTABLISHED,
                         s->seq + 1, 1);
    }
}

static int reads(int state)
{
    return state == TCPSM_ESTABLISHED || state == TCPSM_FIN_WAIT_1 ||
           state == TCPSM_FIN_WAIT_2;
}

/* 3.10.7.4 with RFC 5961, RFC 1337, RFC 6191 and erratum 8710 */
static outcome in_other(const tcb *t, const segment *s)
{
    uint32_t text = s->seq + (uint32_t)has(s, PAIR_SYN);
    int state = t->state;

    if (has(s, PAIR_RST)) {
        if (state == TCPSM_TIME_WAIT)
            return say(t, R_SILENT, state);
        if (s->seq == t->rcv)
            return say(t, R_END,
                       state == TCPSM_SYN_RECEIVED && t->passive
                           ? TCPSM_LISTEN
                           : TCPSM_CLOSED);
        return say(t, in_window(t, s->seq) ? R_ACK : R_SILENT, state);
    }
    if (has(s, PAIR_SYN)) {
        int irs = s->seq == t->rcv - 1 && state == TCPSM_SYN_RECEIVED;

        if (state == TCPSM_TIME_WAIT && !has(s, PAIR_ACK) &&
            (t->newer || (int32_t)(s->seq - (t->rcv - 1)) > 0))
            return say(t, R_END, TCPSM_CLOSED); /* RFC 6191 */
        if (irs && !has(s, PAIR_ACK))
            return say(t, R_SYN_ACK, state);
        if (!irs && state == TCPSM_SYN_RECEIVED && t->passive &&
            in_window(t, s->seq))
            return say(t, R_END, TCPSM_LISTEN);
        if (!irs)
            return say(t, R_ACK, state);
    } else if (!acceptable(t, s)) {
        return say(t, R_ACK, state);
    }
    if (!has(s, PAIR_ACK))
        return say(t, R_SILENT, state);
    if (state == TCPSM_SYN_RECEIVED) {
        if (s->ack - t->una - 1 >= t->nxt - t->una)
            return say(t, R_RST, state);
        state = t->shut ? TCPSM_FIN_WAIT_1 : TCPSM_ESTABLISHED;
        return take_text(t, s, state, text, 1);
    } else if (s->ack - (t->una - t->max_wnd) >
               t->nxt - (t->una - t->max_wnd)) {
        return say(t, R_ACK, state);
    }
    if (s->ack == t->nxt && s->ack != t->una) {
        if (state == TCPSM_FIN_WAIT_1)
            state = TCPSM_FIN_WAIT_2;
        else if (state == TCPSM_CLOSING)
            return say(t, R_TAKEN, TCPSM_TIME_WAIT);
        else if (state == TCPSM_LAST_ACK)
            return say(t, R_END, TCPSM_CLOSED);
    }
    return take_text(t, s, state, text, reads(state));
}

static outcome reference(const tcb *t, const segment *s)
{
    if (t->state == TCPSM_CLOSED)
        return say(t, R_STRANGER, t->state);
    if (t->state == TCPSM_LISTEN)
        return in_listen(t, s);
    if (t->state == TCPSM_SYN_SENT)
        return in_syn_sent(t, s);
    return in_other(t, s);
}

/* ---- the connection ---------------------------------------------------- */

/* In one of its states; variant 1: SYN-RECEIVED from SYN-SENT, and data in
   flight where that is possible. */
static void be(int state, int variant)
{
    START();
    if (state == TCPSM_CLOSED) {
        wire__init();
        return;
    }
    if (state == TCPSM_LISTEN || (state == TCPSM_SYN_RECEIVED && !variant)) {
        LISTEN();
        if (state == TCPSM_LISTEN)
            return;
        IN("S 0 win 5000");
        OUT("SA 0 ack 1 mss 1460");
        w.peer_win = 5000;
        return;
    }
    if (state == TCPSM_SYN_SENT || state == TCPSM_SYN_RECEIVED) {
        OPEN();
        OUT("S 0 mss 1460");
        w.peer_win = 5000;
        if (state == TCPSM_SYN_SENT)
            return;
        IN("S 0 win 5000");
        OUT("SA 0 ack 1 mss 1460");
        return;
    }
    OPENED("win 5000");
    if (state == TCPSM_CLOSE_WAIT || state == TCPSM_LAST_ACK) {
        IN("FA 1 ack 1");
        OUT("A 1 ack 2");
    }
    if (variant && state != TCPSM_FIN_WAIT_2 && state != TCPSM_TIME_WAIT) {
        SEND(10);
        wire__fill();
        wire__take();
    }
    if (state == TCPSM_ESTABLISHED || state == TCPSM_CLOSE_WAIT)
        return;
    SHUTDOWN();
    wire__fill();
    wire__take();
    if (state == TCPSM_FIN_WAIT_2 || state == TCPSM_TIME_WAIT)
        IN("A 1 ack 2");
    if (state == TCPSM_CLOSING || state == TCPSM_TIME_WAIT) {
        IN("FA 1 ack %d", state == TCPSM_CLOSING ? 1 : 2);
        wire__fill();
        wire__take();
    }
    wire__none();
    if (tcpsm_state(w.c) != state)
        FAIL("cannot reach state %d", state);
}

static int walking; /* several segments may be waiting to go out */

static const char *const reply_name[] = {
    "silence", "an ACK", "RST", "stranger", "SYN,ACK", "its end", "accepted"};

static void compare(const tcb *t, const segment *s, const tcpsm_conn *before)
{
    outcome want = reference(t, s);
    struct tcpsm_info i;
    int n = 0, changed = memcmp(before, w.c, sizeof *before) != 0;
    pair_segment out;

    memset(&out, 0, sizeof out);
    tcpsm_status(w.c, &i); /* before output */
    wire__fill();
    n = (int)w.q_n;
    if (n) {
        wire__take();
        out = w.seg;
        wire__fill();
        n += (int)w.q_n;
        w.q_n = 0;
    }
    if (tcpsm_state(w.c) != want.state && !want.gap)
        wire__fail("state %d, should be %d (%s)", tcpsm_state(w.c),
                   want.state, reply_name[want.reply]);
    if ((w.ret == TCPSM_E_NOT_MINE) != (want.reply == R_STRANGER))
        wire__fail("input returned %d, should be %s", w.ret,
                   reply_name[want.reply]);
    switch (want.reply) {
    case R_SILENT:
        if (n || changed || !w.in.drop)
            wire__fail("not a silent drop: %d replies, %s, reason %d", n,
                       changed ? "changed" : "unchanged", w.in.drop);
        break;
    case R_STRANGER:
        if (n || changed)
            wire__fail("not left to tcpsm_stranger");
        break;
    case R_ACK:
        if (n != 1 || out.flags != PAIR_ACK || out.len || out.seq != t->nxt ||
            out.ack != t->rcv || !w.in.drop)
            wire__fail("should be an ACK: %d replies, %s, reason %d", n,
                       n ? wire_show(&out) : "", w.in.drop);
        break;
    case R_RST:
        if (n != 1 || out.flags != PAIR_RST || out.seq != s->ack ||
            !w.in.drop)
            wire__fail("should be a RST: %d replies, %s", n,
                       n ? wire_show(&out) : "");
        break;
    case R_SYN_ACK:
        if (n != 1 || out.flags != (PAIR_SYN | PAIR_ACK))
            wire__fail("should be a SYN,ACK: %d replies, %s", n,
                       n ? wire_show(&out) : "");
        break;
    case R_END:
        if (n)
            wire__fail("should end silently: %s", wire_show(&out));
        break;
    default:
        if ((n > 1 && !walking) || (n && out.flags & (PAIR_RST | PAIR_SYN)))
            wire__fail("%d replies, %s", n, wire_show(&out));
        if (i.rcv_nxt != want.rcv && !want.gap)
            wire__fail("RCV.NXT moved by %d, should be %d",
                       (int)(i.rcv_nxt - t->rcv), (int)(want.rcv - t->rcv));
        break;
    }
}

static long tried;

static void all_segments(int state, int variant)
{
    static tcpsm_conn saved;
    static wire was;
    struct tcpsm_info i;
    uint32_t f, k, a, l;
    tcb t;

    be(state, variant);
    tcpsm_status(w.c, &i);
    memset(&t, 0, sizeof t);
    t.state = state;
    t.passive = state == TCPSM_SYN_RECEIVED && !variant;
    t.una = i.snd_una;
    t.nxt = i.snd_nxt;
    t.rcv = i.rcv_nxt;
    t.wnd = i.rcv_wnd;
    t.max_wnd = 5000;
    if (state == TCPSM_SYN_SENT || state <= TCPSM_LISTEN)
        t.rcv = w.irs + 1, t.wnd = 65535;
    saved = *w.c;
    was.t0 = w.t0;
    memcpy(was.p.watch, w.p.watch, sizeof was.p.watch);
    for (f = 0; f < 64; f++)
        for (k = 0; k < 9; k++)
            for (a = 0; a < 7; a++)
                for (l = 0; l <= 10; l += 10) {
                    const uint32_t seqs[] = {
                        t.rcv - 1000,       t.rcv - 1,
                        t.rcv - l,          t.rcv,
                        t.rcv + 1,          t.rcv + t.wnd - 1,
                        t.rcv + t.wnd,      t.rcv + t.wnd + 1,
                        t.rcv + 0x80000000u};
                    const uint32_t acks[] = {t.una - 70000,
                                             t.una - t.max_wnd - 1,
                                             t.una - t.max_wnd,
                                             t.una - 1,
                                             t.una,
                                             t.nxt,
                                             t.nxt + 1};
                    char flags[9];
                    segment s;
                    int n = 0, b;

                    s.flags = f;
                    s.seq = seqs[k];
                    s.ack = acks[a];
                    s.len = l;
                    for (b = 0; b < 6; b++)
                        if (f >> b & 1)
                            flags[n++] = "FSRPAU"[b];
                    flags[n] = 0;
                    *w.c = saved;
                    memcpy(w.p.watch, was.p.watch, sizeof was.p.watch);
                    WIRE__STEP("%s %d ack %d len %u%s", n ? flags : ".",
                               (int)(s.seq - w.irs), (int)(s.ack - w.iss), l,
                               f & 32 ? " urg 3" : "");
                    wire__in(w.text);
                    compare(&t, &s, &saved);
                    tried++;
                }
}

#define FLAGS(name, state, variant)                                          \
    TEST(all_flags_in_##name)                                                \
    {                                                                        \
        tried = 0;                                                           \
        all_segments(state, variant);                                        \
        CHECK_EQ(tried, 64 * 9 * 7 * 2);                                     \
    }

FLAGS(closed, TCPSM_CLOSED, 0)
FLAGS(listen, TCPSM_LISTEN, 0)
FLAGS(syn_sent, TCPSM_SYN_SENT, 0)
FLAGS(syn_received_passive, TCPSM_SYN_RECEIVED, 0)
FLAGS(syn_received_active, TCPSM_SYN_RECEIVED, 1)
FLAGS(established, TCPSM_ESTABLISHED, 0)
FLAGS(established_in_flight, TCPSM_ESTABLISHED, 1)
FLAGS(fin_wait_1, TCPSM_FIN_WAIT_1, 0)
FLAGS(fin_wait_1_in_flight, TCPSM_FIN_WAIT_1, 1)
FLAGS(fin_wait_2, TCPSM_FIN_WAIT_2, 0)
FLAGS(close_wait, TCPSM_CLOSE_WAIT, 0)
FLAGS(close_wait_in_flight, TCPSM_CLOSE_WAIT, 1)
FLAGS(closing, TCPSM_CLOSING, 0)
FLAGS(closing_in_flight, TCPSM_CLOSING, 1)
FLAGS(last_ack, TCPSM_LAST_ACK, 0)
FLAGS(last_ack_in_flight, TCPSM_LAST_ACK, 1)
FLAGS(time_wait, TCPSM_TIME_WAIT, 0)

/* ---- random walks ------------------------------------------------------ */

static uint64_t dice;

static uint32_t roll(uint32_t n)
{
    dice = netsim_mix(dice + 1);
    return (uint32_t)(dice >> 32) % n;
}

static tcb look(int passive, int shut)
{
    struct tcpsm_info i;
    tcb t;

    tcpsm_status(w.c, &i);
    memset(&t, 0, sizeof t);
    t.state = i.state;
    t.passive = passive;
    t.una = i.snd_una;
    t.nxt = i.snd_nxt;
    t.rcv = i.rcv_nxt;
    t.wnd = i.rcv_wnd;
    t.held = i.ranges;
    t.shut = shut;
    t.max_wnd = 5000;
    w.ts = i.timestamps;
    t.newer =
        w.ts && (int32_t)(w.ts_clock + (uint32_t)((w.p.now - w.t0) / 1000) -
                          w.c->ts_recent) > 0;
    if (t.state == TCPSM_SYN_SENT || t.state <= TCPSM_LISTEN)
        t.rcv = w.irs + 1, t.wnd = 65535, w.ts = 0;
    return t;
}

static void drain(void)
{
    while (wire__fill(), w.q_n)
        wire__take();
}

/* Mostly what moves the connection on, so that all states are seen. */
static segment throw_segment(const tcb *t)
{
    static const uint8_t usual[] = {PAIR_ACK,
                                    PAIR_ACK,
                                    PAIR_ACK | PAIR_PSH,
                                    PAIR_ACK | PAIR_FIN,
                                    PAIR_SYN,
                                    PAIR_SYN | PAIR_ACK,
                                    PAIR_RST};
    segment s;
    uint32_t k = roll(12);

    s.flags = roll(3) ? usual[roll(20) ? roll(6) : 6] : roll(64);
    if (t->state <= TCPSM_SYN_SENT && roll(2))
        s.flags = roll(4) ? PAIR_SYN : PAIR_SYN | PAIR_ACK;
    s.len = roll(3) ? 0 : 1 + roll(100);
    if (t->state <= TCPSM_SYN_SENT)
        s.len = 0;
    s.seq = t->rcv;
    if (s.flags & PAIR_SYN && t->state <= TCPSM_SYN_RECEIVED && k)
        s.seq = t->rcv - 1;
    else if (k == 0)
        s.seq = t->rcv - 1 - roll(200);
    else if (k == 1)
        s.seq = t->rcv + 1 + roll(200);
    else if (k == 2)
        s.seq = t->rcv + t->wnd - roll(3);
    else if (k == 3)
        s.seq = t->rcv + t->wnd + 1 + roll(100000);
    k = roll(10);
    s.ack = t->nxt;
    if (k == 0)
        s.ack = t->una;
    else if (k == 1)
        s.ack = t->una + roll(t->nxt - t->una + 1);
    else if (k == 2)
        s.ack = t->nxt + 1 + roll(3);
    else if (k == 3)
        s.ack = t->una - roll(6000);
    return s;
}

static int walk(uint64_t seed, long *seen)
{
    int passive, steps, shut = 0;

    dice = seed * 1000003;
    START();
    w.cfg.challenge_limit = 255;
    if (roll(2))
        w.cfg.flags &= ~(uint32_t)(TCPSM_NO_TS | TCPSM_NO_SACK);
    if (roll(2)) /* whose window closes soon */
        w.rcv_ring = 200 + roll(500);
    w.peer_win = 5000;
    w.irs = roll(2) ? 0xFFFFFFF0u : w.irs;
    passive = (int)roll(2);
    if (passive)
        LISTEN();
    else
        OPEN();
    for (steps = 0; steps < 60; steps++) {
        tcb t;
        segment s;
        tcpsm_conn before;
        char flags[9];
        int n = 0, b, state;

        switch (roll(8)) {
        case 0:
            (void)wire__send(1 + roll(50), 0);
            break;
        case 1:
            (void)tcpsm_receive(w.c, w.buf, 5000);
            wire__touched();
            break;
        case 2:
            if (!roll(4) && tcpsm_shutdown(w.c) == 0)
                shut = 1;
            wire__touched();
            break;
        case 3:
            w.p.now += roll(50000);
            break;
        default:
            break;
        }
        drain();
        t = look(passive, shut);
        seen[t.state]++;
        if (t.state == TCPSM_CLOSED)
            break;
        s = throw_segment(&t);
        for (b = 0; b < 6; b++)
            if (s.flags >> b & 1)
                flags[n++] = "FSRPAU"[b];
        flags[n] = 0;
        before = *w.c;
        WIRE__STEP("%s %u ack %u len %u%s%s abs", n ? flags : ".", s.seq,
                   s.ack, s.len, s.flags & 32 ? " urg 3" : "",
                   t.state <= TCPSM_SYN_SENT && s.flags & 2 && roll(2)
                       ? " sackok ts 999999 0"
                       : "");
        wire__in(w.text);
        state = tcpsm_state(w.c);
        compare(&t, &s, &before);
        if (t.state <= TCPSM_SYN_SENT && state > TCPSM_SYN_SENT)
            w.irs = s.seq;
        drain();
        if (t.state == TCPSM_SYN_RECEIVED && state == TCPSM_LISTEN)
            shut = 0, w.irs = roll(2) ? 0x7FFFFFF0u : 5;
    }
    return steps;
}

TEST(random_walks_agree_with_the_reference)
{
    long seen[TCPSM_STATES];
    int seed, s;

    memset(seen, 0, sizeof seen);
    walking = 1;
    for (seed = 1; seed <= 1500; seed++) {
        walk((uint64_t)seed, seen);
        if (seed % 100 == 0)
            test_context("seed %d", seed);
    }
    walking = 0;
    for (s = 0; s < TCPSM_STATES; s++)
        CHECKF(seen[s] > 50, "state %d was seen only %ld times", s, seen[s]);
}

/* ---- RFC 9293 table 6 -------------------------------------------------- */

/* ESTABLISHED with RCV.NXT 2001 and this window */
static void with_window(uint32_t wnd)
{
    START();
    w.rcv_ring = 2000 + (wnd ? wnd : 0);
    OPENED("win 5000 mss 1000");
    if (wnd == 0) {
        IN("PA 1 ack 1 len 1000");
        IN("PA 1001 ack 1 len 1000");
        OUT("A 1 ack 2001 win 0");
    } else {
        IN("PA 1 ack 1 len 1000");
        IN("PA 1001 ack 1 len 1000");
        OUT("A 1 ack 2001 win %u", wnd);
    }
}

/* Is it acceptable? What is not gets an ACK and a drop reason. */
static int ok(const char *text)
{
    tcpsm_conn before = *w.c;
    struct tcpsm_info i;
    int drop;

    IN_ANY("%s", text);
    drop = w.in.drop;
    tcpsm_status(w.c, &i);
    if (drop == TCPSM_DROP_WINDOW || drop == TCPSM_DROP_OLD_DATA) {
        if (i.rcv_nxt - w.irs != 2001 || i.ranges)
            wire__fail("refused, and taken");
        wire__fill();
        if (!w.q_n)
            wire__fail("refused without an ACK");
    }
    w.q_n = 0;
    *w.c = before;
    return drop == 0;
}

/* Row 1: SEG.LEN = 0, RCV.WND = 0: SEG.SEQ = RCV.NXT */
TEST(table_6_row_1_no_text_no_window)
{
    with_window(0);
    CHECK(!ok("A 2000 ack 1"));
    CHECK(ok("A 2001 ack 1"));
    CHECK(!ok("A 2002 ack 1"));
    CHECK(!ok("A 0 ack 1"));
}

/* Row 2: SEG.LEN = 0, RCV.WND > 0 */
TEST(table_6_row_2_no_text)
{
    with_window(500);
    CHECK(!ok("A 2000 ack 1"));
    CHECK(ok("A 2001 ack 1"));
    CHECK(ok("A 2500 ack 1"));
    CHECK(ok("A 2501 ack 1")); /* decided: docs/design.md */
    CHECK(!ok("A 2502 ack 1"));
}

/* Row 3: SEG.LEN > 0, RCV.WND = 0: no text, but RFC9293-MUST-66 */
TEST(table_6_row_3_text_no_window)
{
    with_window(0);
    CHECK(!ok("PA 2001 ack 1 len 1"));
    CHECK(!ok("PA 2001 ack 1 len 100"));
    CHECK(!ok("PA 2000 ack 1 len 1"));
    CHECK(!ok("PA 2000 ack 1 len 2"));
    CHECK(!ok("PA 2002 ack 1 len 1"));
}

/* Row 4: SEG.LEN > 0, RCV.WND > 0: first or last octet inside */
TEST(table_6_row_4_text)
{
    with_window(500);
    CHECK(!ok("PA 1901 ack 1 len 100"));
    CHECK(ok("PA 1901 ack 1 len 101"));
    CHECK(ok("PA 2001 ack 1 len 1"));
    CHECK(ok("PA 2001 ack 1 len 500"));
    CHECK(ok("PA 2500 ack 1 len 1"));
    CHECK(!ok("PA 2501 ack 1 len 1"));
    CHECK(!ok("PA 2501 ack 1 len 500"));
    CHECK(!ok("FA 2000 ack 1")); /* the FIN is an octet */
    CHECK(ok("FA 2001 ack 1"));
    CHECK(ok("FPA 1991 ack 1 len 10"));
    CHECK(!ok("FPA 1990 ack 1 len 10"));
}

/* A segment that hangs out on both sides: no row of the table has it, yet
   all of the window is in it (docs/design.md). */
TEST(table_6_a_segment_larger_than_the_window)
{
    struct tcpsm_info i;

    with_window(500);
    IN_DROP(TCPSM_DROP_WINDOW, "PA 1991 ack 1 len 600");
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.rcv_nxt - w.irs, 2501);
    w.got = 0;
    READ(2500);
}

/* RFC9293-MUST-66: at a window of zero ACK, URG and RST still count. */
TEST(RFC9293_MUST_66_zero_window_ack)
{
    with_window(0);
    SEND(10);
    OUT("PA 1 ack 2001 len 10");
    IN("A 2001 ack 11");
    DEADLINE_NEVER(); /* nothing in flight */
}

TEST(RFC9293_MUST_66_zero_window_ack_with_text)
{
    struct tcpsm_info i;

    with_window(0);
    SEND(10);
    OUT("PA 1 ack 2001 len 10");
    IN_DROP(TCPSM_DROP_WINDOW, "PA 2001 ack 11 len 10");
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.flight, 0);
    CHECK_EQ(i.rcv_nxt - w.irs, 2001);
    OUT("A 11 ack 2001 win 0"); /* a probe has its answer */
}

TEST(RFC9293_MUST_66_zero_window_urgent)
{
    with_window(0);
    tcpsm_take(w.c);
    IN_ANY("UA 2001 ack 1 urg 5");
    CHECK(tcpsm_take(w.c) & TCPSM_EV_URGENT);
    with_window(0);
    tcpsm_take(w.c);
    IN_ANY("UPA 2001 ack 1 urg 1 len 1");
    CHECK(tcpsm_take(w.c) & TCPSM_EV_URGENT);
}

TEST(RFC9293_MUST_66_zero_window_reset)
{
    with_window(0);
    IN_NOTHING(TCPSM_DROP_RST, "R 2000");
    IN_NOTHING(TCPSM_DROP_RST, "R 2002");
    IN("R 2001");
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_RESET);
}

/* Window probes are answered, however many: they are not challenges. */
TEST(every_probe_of_a_zero_window_is_answered)
{
    int i;

    with_window(0);
    for (i = 0; i < 100; i++) {
        IN_DROP(TCPSM_DROP_WINDOW, "PA 2001 ack 1 len 1");
        OUT("A 1 ack 2001 win 0");
    }
    for (i = 0; i < 100; i++) { /* and old text too */
        IN_DROP(TCPSM_DROP_OLD_DATA, "PA 1901 ack 1 len 100");
        OUT("A 1 ack 2001 win 0");
    }
}

/* The window that counts is the largest ever offered (RFC7323-5). */
TEST(what_was_offered_is_taken)
{
    with_window(500);
    IN("PA 2001 ack 1 len 500");
    wire__fill();
    w.q_n = 0;
    READ(2500);
}
