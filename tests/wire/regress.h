/* regress.h - one trace, two layers - 0BSD

   What can be done badly by a connection can be done badly by a stack, too:
   on its way to a connection, in its table of SYNs, in TIME-WAIT. So most
   of the regress_*.c tests are written once and run twice:

       BOTH(window_in_a_bad_segment_is_not_stored) { ... }

   is a test of that name, where wire.h's words (START LISTEN OPEN IN OUT AT
   ...) mean one tcpsm_conn, and a second one, NAME_in_a_stack, where they
   mean a tcpsm_stack with one peer. w.c is the connection in both; in a
   stack it is NULL until there is one. Words that are new:

   ACCEPTED(...) OPENED(...)  also set w.c in a stack
   TAKE()                 in a stack: accepts into w.c what was completed
   NEXT()                 1: the next segment that is due is in w.seg
   FLIGHT(seq, n, len)    n segments of len octets come out, from seq on
   DRAINED()              throws away what is due; returns how many
   STATE(s)               a stack's SYN or TIME-WAIT entry counts as such
   ST(field)              of tcpsm_status(w.c)
   DUE()                  the deadline; TCPSM_NEVER
   RUN_OUT(s)             all timers, until none is left: fails if that
                          takes more than s seconds; returns what was sent
   be(state)              a fresh connection in that state
   reg_icmp(...)          a message about a segment of ours

   LAYER1 and LAYER2 are for what only one of them has. */

#ifndef REGRESS_H
#define REGRESS_H

#include "test.h"

#include "tcpsm.h"

#include "stackwire.h"

static int reg_layer = 1;
#define LAYER1 (reg_layer == 1)
#define LAYER2 (reg_layer == 2)

#define BOTH(name)                                                           \
    static void reg_##name(void);                                            \
    TEST(name)                                                               \
    {                                                                        \
        reg_layer = 1;                                                       \
        reg_##name();                                                        \
    }                                                                        \
    TEST(name##_in_a_stack)                                                  \
    {                                                                        \
        reg_layer = 2;                                                       \
        reg_##name();                                                        \
    }                                                                        \
    static void reg_##name(void)

WIRE_FN void reg__start(uint8_t family)
{
    if (LAYER1) {
        wire__start(family);
    } else {
        stackwire__start(family);
        stackwire__peer(0);
        w.c = NULL;
    }
    w.rcv_ring = w.snd_ring = 65536; /* also where PAIR_RING is more */
}

WIRE_FN void reg__touched(void)
{
    if (LAYER1)
        wire__touched();
    else
        stackwire__touched();
}

WIRE_FN void reg__up(void)
{
    wire__aim();
    sw.cfg.conn = w.cfg;
    sw.cfg.conns = 2;
    sw.cfg.rcv_ring = w.rcv_ring;
    sw.cfg.snd_ring = w.snd_ring;
    stackwire__up();
}

WIRE_FN void reg__listen(void)
{
    if (LAYER1) {
        wire__listen();
        return;
    }
    reg__up();
    stackwire__listen(80, 0, 0);
}

WIRE_FN void reg__open(void)
{
    tcpsm_ret r;

    if (LAYER1) {
        wire__open();
        return;
    }
    reg__up();
    r = tcpsm_stack_connect(sw.st, &w.tuple, NULL, &w.c, w.p.now);
    if (r)
        WIRE_FAIL("connect: %d", r);
    stackwire__touched();
}

WIRE_FN void reg__take(void)
{
    if (LAYER2)
        w.c = stackwire__accept();
}

WIRE_FN tcpsm_ret reg__in(const char *text)
{
    return LAYER1 ? wire__in(text) : stackwire__in(text);
}

WIRE_FN void reg__in_expect(tcpsm_ret ret, int drop)
{
    tcpsm_ret r = reg__in(w.text);

    if (r != ret)
        WIRE_FAIL("input returned %d, not %d (drop %d)", r, ret, w.in.drop);
    if (drop >= 0 && w.in.drop != drop)
        WIRE_FAIL("drop reason %d, not %d", w.in.drop, drop);
}

WIRE_FN int reg__next(void)
{
    if (LAYER2) {
        if (stackwire_next_out() == 0)
            return 0;
        stackwire__learn();
        return 1;
    }
    wire__fill();
    if (w.q_n == 0)
        return 0;
    wire__take();
    return 1;
}

WIRE_FN uint32_t reg__drained(void)
{
    uint32_t n = 0;

    while (reg__next())
        if (++n > 100000)
            WIRE_FAIL("output does not end");
    return n;
}

WIRE_FN void reg__out(void)
{
    if (LAYER1)
        wire__out();
    else
        stackwire__out();
}

WIRE_FN void reg__none(void)
{
    if (LAYER1)
        wire__none();
    else
        stackwire__none();
}

WIRE_FN void reg__in_nothing(int drop)
{
    tcpsm_conn before;
    int known = w.c != NULL;

    if (LAYER1 && drop != TCPSM_DROP_NOT_MINE) {
        wire__in_nothing(drop);
        return;
    }
    if (known)
        memcpy(&before, w.c, sizeof before);
    reg__in(w.text);
    if (w.in.drop != drop)
        WIRE_FAIL("drop reason %d, not %d", w.in.drop, drop);
    if (known && memcmp(&before, w.c, sizeof before) != 0)
        WIRE_FAIL("the connection changed");
    reg__none();
}

WIRE_FN void reg__at(tcpsm_time t)
{
    if (LAYER1)
        wire__at(t);
    else
        stackwire__at(t);
}

WIRE_FN void reg__flight(uint32_t seq, uint32_t n, uint32_t len)
{
    for (; n > 0; n--, seq += len) {
        if (!reg__next())
            WIRE_FAIL("segment %u is not sent", seq);
        if (w.seg.seq - w.iss != seq || w.seg.len != len)
            WIRE_FAIL("not %u len %u: %s", seq, len, wire_show(&w.seg));
    }
}

WIRE_FN void reg__handshake(int active)
{
    char text[sizeof w.text + 16];
    struct tcpsm_info i;
    wire_text x;

    if (LAYER1) {
        wire__handshake(active);
        return;
    }
    if (!active) {
        char extra[sizeof w.text];

        memcpy(extra, w.text, sizeof extra);
        reg__listen();
        memcpy(w.text, extra, sizeof extra);
        w.c = stackwire__handshake();
        return;
    }
    snprintf(text, sizeof text, "SA 0 ack 1 %s", w.text);
    w.text[0] = 0;
    wire__parse(&x, text);
    if (x.has_win)
        w.peer_win = x.win;
    reg__open();
    if (!reg__next())
        WIRE_FAIL("no SYN");
    if (reg__in(text) || w.in.drop || !reg__next())
        WIRE_FAIL("SYN-ACK refused or not acknowledged: %d %d", w.ret,
                  w.in.drop);
    tcpsm_status(w.c, &i);
    w.ts = i.timestamps;
    reg__none();
    if (i.state != TCPSM_ESTABLISHED)
        WIRE_FAIL("state %d", i.state);
}

WIRE_FN int reg__state(void)
{
    int s;

    if (LAYER1)
        return tcpsm_state(w.c);
    s = w.c ? tcpsm_state(w.c) : TCPSM_CLOSED;
    if (s == TCPSM_CLOSED && INFO(timewaits) != 0)
        return TCPSM_TIME_WAIT;
    if (w.c)
        return s;
    if (INFO(syns) != 0)
        return TCPSM_SYN_RECEIVED;
    return INFO(listeners) != 0 ? TCPSM_LISTEN : TCPSM_CLOSED;
}

WIRE_FN tcpsm_time reg__due(void)
{
    return LAYER1 ? tcpsm_deadline(w.c) : tcpsm_stack_deadline(sw.st);
}

WIRE_FN uint32_t reg__run_out(double s)
{
    tcpsm_time end = w.p.now + wire__us(s), d;
    uint32_t n = reg__drained();

    while ((d = reg__due()) != TCPSM_NEVER) {
        if (d > end)
            WIRE_FAIL("a timer is left at %f", (double)(d - w.t0) / 1e6);
        if (d > w.p.now)
            w.p.now = d;
        n += reg__drained();
    }
    return n;
}

WIRE_FN void reg__send(uint32_t n)
{
    if (LAYER1)
        wire__is("tcpsm_send", wire__send(n, 0), (long long)n);
    else
        stackwire__sent(w.c, n);
}

WIRE_FN void reg__read(uint32_t n)
{
    if (LAYER1)
        wire__is("tcpsm_receive", wire__read(n), (long long)n);
    else
        stackwire__got(w.c, n);
}

WIRE_FN struct tcpsm_info reg__info(void)
{
    struct tcpsm_info i;

    tcpsm_status(w.c, &i);
    return i;
}

#undef START
#undef START6
#undef LISTEN
#undef OPEN
#undef IN
#undef IN_DROP
#undef IN_RET
#undef IN_ANY
#undef IN_NOTHING
#undef OUT
#undef NONE
#undef AT
#undef WAIT
#undef ACCEPTED
#undef OPENED
#undef SEND
#undef READ
#undef STATE
#undef WIRE__CALL
#define START() (WIRE__STEP("START"), reg__start(4))
#define START6() (WIRE__STEP("START6"), reg__start(6))
#define LISTEN() (WIRE__STEP("LISTEN"), reg__listen())
#define OPEN() (WIRE__STEP("OPEN"), reg__open())
#define TAKE() (WIRE__STEP("TAKE"), reg__take())
#define IN(...) (WIRE__STEP(__VA_ARGS__), reg__in_expect(0, 0))
#define IN_DROP(drop, ...)                                                   \
    (WIRE__STEP(__VA_ARGS__), reg__in_expect(0, (drop)))
#define IN_RET(ret, ...) (WIRE__STEP(__VA_ARGS__), reg__in_expect((ret), -1))
#define IN_ANY(...) (WIRE__STEP(__VA_ARGS__), reg__in(w.text))
#define IN_NOTHING(drop, ...) (WIRE__STEP(__VA_ARGS__), reg__in_nothing(drop))
#define OUT(...) (WIRE__STEP(__VA_ARGS__), reg__out())
#define NONE() (WIRE__STEP("NONE"), reg__none())
#define NEXT() (WIRE__STEP("NEXT"), reg__next())
#define DRAINED() (WIRE__STEP("DRAINED"), reg__drained())
#define FLIGHT(seq, n, len)                                                  \
    (WIRE__STEP("FLIGHT"), reg__flight((seq), (n), (len)))
#define AT(s) (WIRE__STEP("AT"), reg__at(w.t0 + wire__us(s)))
#define WAIT(s) (WIRE__STEP("WAIT"), reg__at(w.p.now + wire__us(s)))
#define ACCEPTED(...) (WIRE__STEP(__VA_ARGS__), reg__handshake(0))
#define OPENED(...) (WIRE__STEP(__VA_ARGS__), reg__handshake(1))
#define SEND(n) (WIRE__STEP("SEND"), reg__send(n))
#define READ(n) (WIRE__STEP("READ"), reg__read(n))
#define STATE(s) (WIRE__STEP("STATE"), wire__is("state", reg__state(), (s)))
#define WIRE__CALL(text, expr, r)                                            \
    (WIRE__STEP(text), wire__is(text, (expr), (r)), reg__touched())
#define ST(field) (reg__info().field)
#define DUE() reg__due()
#define RUN_OUT(s) (WIRE__STEP("RUN_OUT"), reg__run_out(s))

/* What a router says about our segment with this relative SEQ; word is bytes
   4 to 7 of its message. Returns what tcpsm_icmp did. */
WIRE_FN tcpsm_ret reg_icmp(int type, int code, uint32_t word, uint32_t seq)
{
    static uint8_t msg[64];
    uint8_t *ip = msg + 8, *tcp = ip + (w.family == 4 ? 20 : 40);
    uint32_t alen = w.family == 4 ? 4 : 16, len = (uint32_t)(tcp + 8 - msg);
    tcpsm_ret r;

    memset(msg, 0, sizeof msg);
    msg[0] = (uint8_t)type;
    msg[1] = (uint8_t)code;
    pair_put32(msg + 4, word);
    ip[0] = w.family == 4 ? 0x45 : 0x60;
    ip[w.family == 4 ? 9 : 6] = 6;
    if (w.family == 4)
        pair_put16(ip + 2, 1500);
    memcpy(tcp - 2 * alen, w.tuple.local, alen);
    memcpy(tcp - alen, w.tuple.remote, alen);
    pair_put16(tcp, w.tuple.local_port);
    pair_put16(tcp + 2, w.tuple.remote_port);
    pair_put32(tcp + 4, w.iss + seq);
    WIRE__STEP("ICMP %d/%d word %u seq %u", type, code, word, seq);
    r = LAYER1 ? tcpsm_icmp(w.c, msg, len, w.family, w.p.now)
               : tcpsm_stack_icmp(sw.st, msg, len, w.family, w.zone, w.p.now);
    reg__touched();
    return r;
}

/* Plain segments, no limit to what is answered; RCV.NXT and SND.NXT are in
   be_rcv and be_snd afterwards (relative). */
static uint32_t be_rcv, be_snd;

TEST__UNUSED static void be__opened(int state)
{
    OPENED("win 5000");
    if (state == TCPSM_CLOSE_WAIT || state == TCPSM_LAST_ACK) {
        IN("FA 1 ack 1");
        OUT("A 1 ack 2");
        be_rcv = 2;
    }
    if (state != TCPSM_ESTABLISHED && state != TCPSM_CLOSE_WAIT) {
        SHUTDOWN();
        OUT("FA 1 ack %u", be_rcv);
        be_snd = 2;
    }
    if (state == TCPSM_LAST_ACK)
        IN("A 2 ack 1");
    if (state == TCPSM_FIN_WAIT_2)
        IN("A 1 ack 2");
    if (state == TCPSM_CLOSING || state == TCPSM_TIME_WAIT) {
        IN("FA 1 ack %d", state == TCPSM_CLOSING ? 1 : 2);
        OUT("A 2 ack 2");
        be_rcv = 2;
    }
}

TEST__UNUSED static void be(int state)
{
    START();
    w.cfg.challenge_limit = 255;
    be_rcv = be_snd = 1;
    switch (state) {
    case TCPSM_CLOSED:
        if (LAYER1)
            wire__init();
        else
            reg__up();
        be_rcv = be_snd = 0;
        break;
    case TCPSM_LISTEN:
        LISTEN();
        be_rcv = 0;
        break;
    case TCPSM_SYN_SENT:
        OPEN();
        OUT("S 0 mss 1460");
        be_rcv = 0;
        break;
    case TCPSM_SYN_RECEIVED:
        LISTEN();
        IN("S 0 win 5000");
        OUT("SA 0 ack 1 mss 1460");
        break;
    default:
        be__opened(state);
        break;
    }
    STATE(state);
}

#endif /* REGRESS_H */
