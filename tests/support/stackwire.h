/* stackwire.h - a stack against hand-written peers - 0BSD

   wire.h's words, for a tcpsm_stack and many peers. A test reads as a
   trace; SEQ and ACK are relative to the current peer's handshake.

       #include "test.h"
       #define TCPSM_IMPLEMENTATION
       #include "tcpsm.h"
       #include "stackwire.h"

       TEST(two_clients) {
           tcpsm_conn *c;
           START();                  // then set sw.cfg.conns and so on
           UP();                     // a stack that owns 10.0.0.1/24 and
           LISTENER(80, 0, 0);       //   fd00::1/64; listen(port, backlog,
           PEER(0);                  //   flags)
           IN("S  0       mss 1000");
           PEER(1);
           IN("S  0       mss 1000");
           PEER(0);
           OUT("SA 0 ack 1 mss 1460");
           PEER(1);
           OUT("SA 0 ack 1 mss 1460");
           WAIT(0.5);                // fails if anything is sent before
           IN("A  1 ack 1");
           c = ACCEPT();             // tcpsm_stack_accept; not NULL
           CHECK_EQ(INFO(syns), 1);
       }

   The segments' words are those of wire.h. Peer k is 10.0.0.(2 + k) port
   40000 + k, or fd00::(2 + k) after START6, talking to port 80; change
   w.tuple, w.zone, w.irs, w.src, w.dst after PEER(k). FRESH() forgets the
   handshake of the current peer. IN_DROP, IN_RET, IN_ANY are as in wire.h;
   IN_NOTHING(drop, ...) is not answered.

   OUT(...)          the next segment of the stack, now, to the current peer
   NONE()            nothing to send now
   AT(s) WAIT(s)     as in wire.h
   DRAIN()           throws away what is to be sent; returns how many
   HANDSHAKE(...)    a passive one of the current peer, who adds this to its
                     SYN; returns the accepted connection
   SENT(c, n)  GOT(c, n)   tcpsm_send, tcpsm_receive and compare; all n
   NEWS(c)           what tcpsm_stack_next said of it since the last NEWS
   INFO(field)       of tcpsm_stack_status
   STATUS(c, field)  of tcpsm_status
   By itself tcpsm_stack_next is called after each step; sw.by_hand
   = 1 turns that off.

   After each step tcpsm_stack_check must be 0, and no output may come
   before the deadline that was promised ("never late"). */

#ifndef STACKWIRE_H
#define STACKWIRE_H

#include "wire.h"

#define STACKWIRE_PEERS 64
#define STACKWIRE_CONNS 64

typedef struct {
    int known, ts;
    tcpsm_tuple tuple;
    uint32_t irs, iss, ts_clock, tsval, peer_win, sent, got;
    const uint8_t *src, *dst;
    uint16_t zone;
    uint8_t family;
} stackwire_peer;

typedef struct {
    tcpsm_stack *st;
    tcpsm_stack_config cfg;
    uint8_t *memory;
    size_t size;
    stackwire_peer peer[STACKWIRE_PEERS];
    int at;
    int by_hand;    /* no tcpsm_stack_next by itself */
    int unchecked;  /* no tcpsm_stack_check by itself */
    int no_address; /* UP adds none */
    tcpsm_out o;    /* of the last OUT */
    uint8_t out[PAIR_TRAIN + 1];
    uint32_t out_len;
    struct {
        tcpsm_conn *c;
        uint32_t ev;
    } news[STACKWIRE_CONNS];
    uint32_t news_n;
    struct tcpsm_stack_info info;
    struct tcpsm_info status;
} stackwire;

static stackwire sw TEST__UNUSED;

WIRE_FN void stackwire_down(void)
{
    free(sw.memory);
    sw.memory = NULL;
    sw.st = NULL;
}

WIRE_FN void stackwire__start(uint8_t family)
{
    stackwire_down();
    wire__start(family);
    memset(&sw, 0, sizeof sw);
    sw.cfg.conn = w.cfg;
    sw.cfg.conns = 4;
    sw.cfg.syn_entries = 4;
    sw.cfg.timewait_entries = 4;
    sw.cfg.rcv_ring = sw.cfg.snd_ring = 8192;
    sw.cfg.resets_per_second = TCPSM_OFF;
    sw.at = -1;
}

/* --- peers --- */

WIRE_FN void stackwire__save(void)
{
    stackwire_peer *p = &sw.peer[sw.at];

    p->tuple = w.tuple;
    p->irs = w.irs, p->iss = w.iss, p->ts = w.ts;
    p->ts_clock = w.ts_clock, p->tsval = w.tsval;
    p->peer_win = w.peer_win, p->sent = w.sent, p->got = w.got;
    p->src = w.src, p->dst = w.dst;
    p->zone = w.zone, p->family = w.family;
}

WIRE_FN void stackwire__first(stackwire_peer *p, int k)
{
    pair__names(&w.p, w.family);
    p->known = 1;
    p->tuple = w.p.tuple[PAIR_A];
    p->tuple.remote[w.family == 4 ? 3 : 15] = (uint8_t)(2 + k);
    p->tuple.local_port = 80;
    p->tuple.remote_port = (uint16_t)(40000 + k);
    p->family = w.family;
    p->irs = 0x10000000u + ((uint32_t)k << 20);
    p->ts_clock = 1000000;
    p->peer_win = 65535;
}

WIRE_FN void stackwire__peer(int k)
{
    stackwire_peer *p = &sw.peer[k];

    if (k < 0 || k >= STACKWIRE_PEERS)
        WIRE_FAIL("no such peer");
    if (sw.at >= 0)
        stackwire__save();
    if (!p->known)
        stackwire__first(p, k);
    sw.at = k;
    w.tuple = p->tuple;
    w.irs = p->irs, w.iss = p->iss, w.ts = p->ts;
    w.ts_clock = p->ts_clock, w.tsval = p->tsval;
    w.peer_win = p->peer_win, w.sent = p->sent, w.got = p->got;
    w.src = p->src, w.dst = p->dst;
    w.zone = p->zone, w.family = p->family;
}

WIRE_FN void stackwire__fresh(void)
{
    w.ts = 0;
    w.sent = w.got = 0;
    w.peer_win = 65535;
}

/* --- the stack --- */

WIRE_FN void stackwire__touched(void)
{
    tcpsm_conn *c;
    tcpsm_ret r;
    uint32_t ev, i;

    if (!sw.unchecked && (r = tcpsm_stack_check(sw.st)) != 0)
        WIRE_FAIL("tcpsm_stack_check: invariant %d", -r);
    while (!sw.by_hand && (c = tcpsm_stack_next(sw.st, &ev)) != NULL) {
        for (i = 0; i < sw.news_n && sw.news[i].c != c; i++)
            continue;
        if (i == STACKWIRE_CONNS)
            continue; /* nobody asks for it */
        if (i == sw.news_n)
            sw.news[sw.news_n].ev = 0, sw.news[sw.news_n++].c = c;
        sw.news[i].ev |= ev;
    }
}

WIRE_FN uint32_t stackwire__news(const tcpsm_conn *c)
{
    uint32_t i, ev;

    for (i = 0; i < sw.news_n; i++)
        if (sw.news[i].c == c) {
            ev = sw.news[i].ev;
            sw.news[i].ev = 0;
            return ev;
        }
    return 0;
}

/* One of our addresses on (1) or off (0), in the current peer's zone. */
WIRE_FN tcpsm_ret stackwire_address(const char *text, uint8_t family,
                                    uint16_t zone, uint8_t prefix,
                                    uint32_t on)
{
    tcpsm_tuple t;
    unsigned v[4];

    memset(&t, 0, sizeof t);
    t.family = family;
    t.zone = zone;
    if (family == 4) {
        if (sscanf(text, "%u.%u.%u.%u", &v[0], &v[1], &v[2], &v[3]) != 4)
            WIRE_FAIL("not an address: %s", text);
        t.local[0] = (uint8_t)v[0], t.local[1] = (uint8_t)v[1];
        t.local[2] = (uint8_t)v[2], t.local[3] = (uint8_t)v[3];
    } else {
        if (sscanf(text, "fd00::%x", &v[0]) != 1)
            WIRE_FAIL("not an address: %s", text);
        t.local[0] = 0xfd;
        t.local[14] = (uint8_t)(v[0] >> 8), t.local[15] = (uint8_t)v[0];
    }
    return tcpsm_stack_address(sw.st, &t, prefix, on);
}

WIRE_FN void stackwire__up(void)
{
    tcpsm_ret r;

    sw.size = tcpsm_stack_size(&sw.cfg);
    if (sw.size == 0)
        WIRE_FAIL("tcpsm_stack_size: 0");
    /* odd, and nothing behind it */
    sw.memory = (uint8_t *)malloc(sw.size + 1);
    if (!sw.memory)
        WIRE_FAIL("no memory");
    memset(sw.memory, 0xA5, sw.size + 1);
    r = tcpsm_stack_init(&sw.st, sw.memory + 1, sw.size, &sw.cfg, w.p.now);
    if (r)
        WIRE_FAIL("tcpsm_stack_init: %d", r);
    if (!sw.no_address && ((r = stackwire_address("10.0.0.1", 4, 0, 24, 1)) ||
                           (r = stackwire_address("fd00::1", 6, 0, 64, 1))))
        WIRE_FAIL("tcpsm_stack_address: %d", r);
    stackwire__touched();
    if (sw.at < 0)
        stackwire__peer(0);
}

WIRE_FN tcpsm_ret stackwire__listen(uint16_t port, uint32_t backlog,
                                    uint32_t flags)
{
    tcpsm_tuple t;
    tcpsm_ret r;

    memset(&t, 0, sizeof t);
    t.local_port = port;
    r = tcpsm_stack_listen(sw.st, &t, backlog, flags, NULL);
    if (r < 0)
        WIRE_FAIL("tcpsm_stack_listen: %d", r);
    stackwire__touched();
    return r;
}

/* --- in --- */

WIRE_FN tcpsm_ret stackwire__in(const char *text)
{
    wire__build(text);
    w.in.conn = (tcpsm_conn *)(void *)sw.memory; /* input must set it */
    w.ret = tcpsm_stack_input(sw.st, &w.in, w.p.now);
    if (w.ret == TCPSM_E_NOT_MINE)
        WIRE_FAIL("tcpsm_stack_input: E_NOT_MINE");
    if (w.ret == 0 && w.in.drop >= TCPSM_DROPS)
        WIRE_FAIL("input did not set the drop reason");
    if (w.in.conn == (tcpsm_conn *)(void *)sw.memory)
        WIRE_FAIL("input did not set in->conn");
    stackwire__touched();
    return w.ret;
}

WIRE_FN void stackwire__in_expect(tcpsm_ret ret, int drop)
{
    tcpsm_ret r = stackwire__in(w.text);

    if (r != ret)
        WIRE_FAIL("input returned %d, not %d (drop %d)", r, ret, w.in.drop);
    if (drop >= 0 && w.in.drop != drop)
        WIRE_FAIL("drop reason %d, not %d", w.in.drop, drop);
}

/* --- out --- */

/* The next segment into sw.out: its length, 0 for none. */
WIRE_FN uint32_t stackwire_next_out(void)
{
    tcpsm_ret r = 0;
    tcpsm_time d;
    int turns;

    sw.out_len = 0;
    for (turns = 0; turns < 64 && r == 0; turns++) {
        d = tcpsm_stack_deadline(sw.st);
        memset(&sw.o, 0, sizeof sw.o);
        sw.o.buf = sw.out + 1;
        sw.o.cap = PAIR_TRAIN;
        r = tcpsm_stack_output(sw.st, &sw.o, w.p.now);
        if (r < 0)
            WIRE_FAIL("tcpsm_stack_output: %d", r);
        stackwire__touched();
        if (r > 0 && d > w.p.now)
            WIRE_FAIL("output at %f before the deadline", wire_seconds());
        if (r == 0 && d > w.p.now)
            break;
    }
    sw.out_len = (uint32_t)r;
    if (r == 0)
        return 0;
    if (pair_parse(&w.seg, sw.out + 1, (uint32_t)r) != 0)
        WIRE_FAIL("not a segment");
    if (pair_checksum(&sw.o.tuple, sw.out + 1, (uint32_t)r) != 0)
        WIRE_FAIL("a wrong checksum goes out");
    if (w.seg.sport != sw.o.tuple.local_port ||
        w.seg.dport != sw.o.tuple.remote_port ||
        w.seg.hdr_len != sw.o.hdr_len || sw.o.segs != 1 || sw.o.ttl == 0)
        WIRE_FAIL("tcpsm_out does not describe the segment");
    return sw.out_len;
}

WIRE_FN int stackwire__is_for(const tcpsm_tuple *t, const uint8_t *src,
                              const uint8_t *dst, uint16_t zone,
                              uint8_t family)
{
    uint32_t n = family == 4 ? 4 : 16;

    return sw.o.tuple.family == family && sw.o.tuple.zone == zone &&
           sw.o.tuple.local_port == t->local_port &&
           sw.o.tuple.remote_port == t->remote_port &&
           memcmp(sw.o.tuple.remote, src ? src : t->remote, n) == 0 &&
           memcmp(sw.o.tuple.local, dst ? dst : t->local, n) == 0;
}

/* Whom the segment in sw.out is for; -1: none of those known */
WIRE_FN int stackwire_whose(void)
{
    int k;

    stackwire__save();
    for (k = 0; k < STACKWIRE_PEERS; k++) {
        const stackwire_peer *p = &sw.peer[k];

        if (p->known &&
            stackwire__is_for(&p->tuple, p->src, p->dst, p->zone, p->family))
            return k;
    }
    return -1;
}

WIRE_FN void stackwire__learn(void)
{
    if (w.seg.timestamps && !(w.seg.flags & PAIR_RST))
        w.tsval = w.seg.ts_val;
    if (w.seg.flags & PAIR_SYN)
        w.iss = w.seg.seq;
}

WIRE_FN void stackwire__out(void)
{
    if (stackwire_next_out() == 0) {
        tcpsm_time d = tcpsm_stack_deadline(sw.st);

        WIRE_FAIL("nothing is sent (now %f, deadline %f)", wire_seconds(),
                  d == TCPSM_NEVER ? -1.0 : ((double)d - (double)w.t0) / 1e6);
    }
    if (!stackwire__is_for(&w.tuple, w.src, w.dst, w.zone, w.family))
        WIRE_FAIL("goes to peer %d: %s", stackwire_whose(),
                  wire_show(&w.seg));
    stackwire__learn();
    wire__compare(&w.seg, w.text);
}

WIRE_FN void stackwire__none(void)
{
    if (stackwire_next_out() != 0)
        WIRE_FAIL("sent at %f to peer %d: %s", wire_seconds(),
                  stackwire_whose(), wire_show(&w.seg));
}

WIRE_FN int stackwire__drain(void)
{
    int n = 0;

    while (stackwire_next_out() != 0)
        if (++n > 100000)
            WIRE_FAIL("output does not end");
    return n;
}

WIRE_FN void stackwire__at(tcpsm_time t)
{
    tcpsm_time d;
    uint32_t turns = 0;

    if (t < w.p.now)
        WIRE_FAIL("time goes back");
    if (t > w.p.now)
        stackwire__none();
    while ((d = tcpsm_stack_deadline(sw.st)) < t) {
        if (d > w.p.now)
            w.p.now = d;
        stackwire__none();
        if (tcpsm_stack_deadline(sw.st) <= w.p.now && ++turns > 100)
            WIRE_FAIL("the deadline does not move on");
    }
    w.p.now = t;
}

/* --- the application --- */

WIRE_FN tcpsm_conn *stackwire__accept(void)
{
    tcpsm_ret l = -1;
    tcpsm_conn *c = tcpsm_stack_accept(sw.st, &l);

    if (!c)
        WIRE_FAIL("nothing to accept");
    if (l < 0)
        WIRE_FAIL("accept names no listener");
    stackwire__touched();
    return c;
}

WIRE_FN tcpsm_conn *stackwire__handshake(void)
{
    char extra[sizeof w.text], text[sizeof w.text + 16];
    wire_text x;

    memcpy(extra, w.text, sizeof extra);
    stackwire__fresh();
    snprintf(text, sizeof text, "S 0 %s", extra);
    wire__parse(&x, text);
    if (x.has_win)
        w.peer_win = x.win;
    if (x.has_ts) /* the peer's clock shows that now */
        w.ts_clock = x.ts_val - (uint32_t)((w.p.now - w.t0) / 1000);
    if (stackwire__in(text) || w.in.drop)
        WIRE_FAIL("SYN refused, %d %d", w.ret, w.in.drop);
    if (stackwire_next_out() == 0)
        WIRE_FAIL("no SYN-ACK");
    if (!stackwire__is_for(&w.tuple, w.src, w.dst, w.zone, w.family))
        WIRE_FAIL("SYN-ACK goes to peer %d", stackwire_whose());
    stackwire__learn();
    if (w.seg.flags != (PAIR_SYN | PAIR_ACK) || w.seg.ack != w.irs + 1)
        WIRE_FAIL("no SYN-ACK: %s", wire_show(&w.seg));
    w.ts = w.seg.timestamps;
    if (stackwire__in("A 1 ack 1") || w.in.drop)
        WIRE_FAIL("third ACK refused, %d %d", w.ret, w.in.drop);
    stackwire__none();
    return stackwire__accept();
}

WIRE_FN void stackwire__sent(tcpsm_conn *c, uint32_t n)
{
    static uint8_t buf[PAIR_RING];
    tcpsm_ret r;
    uint32_t i;

    for (i = 0; i < n && i < sizeof buf; i++)
        buf[i] = wire_byte(1, 1 + w.sent + i);
    r = tcpsm_send(c, buf, n, 0);
    if (r != (tcpsm_ret)n)
        WIRE_FAIL("tcpsm_send: %d", r);
    w.sent += n;
    stackwire__touched();
}

WIRE_FN void stackwire__got(tcpsm_conn *c, uint32_t n)
{
    static uint8_t buf[PAIR_RING];
    tcpsm_ret r = tcpsm_receive(c, buf, n < sizeof buf ? n : sizeof buf), i;

    if (r != (tcpsm_ret)n)
        WIRE_FAIL("tcpsm_receive: %d", r);
    for (i = 0; i < r; i++, w.got++)
        if (buf[i] != wire_byte(0, 1 + w.got))
            WIRE_FAIL("byte %u is not what was sent", w.got);
    stackwire__touched();
}

WIRE_FN const struct tcpsm_stack_info *stackwire__info(void)
{
    memset(&sw.info, 0xEE, sizeof sw.info);
    tcpsm_stack_status(sw.st, &sw.info);
    return &sw.info;
}

WIRE_FN const struct tcpsm_info *stackwire__status(const tcpsm_conn *c)
{
    memset(&sw.status, 0, sizeof sw.status);
    tcpsm_status(c, &sw.status);
    return &sw.status;
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
#undef DEADLINE
#undef DEADLINE_NEVER
#undef ACCEPTED
#undef OPENED
#define START() (WIRE__STEP("START"), stackwire__start(4))
#define START6() (WIRE__STEP("START6"), stackwire__start(6))
#define UP() (WIRE__STEP("UP"), stackwire__up())
#define LISTENER(port, backlog, flags)                                       \
    (WIRE__STEP("LISTENER"), stackwire__listen((port), (backlog), (flags)))
#define PEER(k) (WIRE__STEP("PEER"), stackwire__peer(k))
#define FRESH() stackwire__fresh()
#define IN(...) (WIRE__STEP(__VA_ARGS__), stackwire__in_expect(0, 0))
#define IN_DROP(drop, ...)                                                   \
    (WIRE__STEP(__VA_ARGS__), stackwire__in_expect(0, (drop)))
#define IN_RET(ret, ...)                                                     \
    (WIRE__STEP(__VA_ARGS__), stackwire__in_expect((ret), -1))
#define IN_ANY(...) (WIRE__STEP(__VA_ARGS__), stackwire__in(w.text))
#define IN_NOTHING(drop, ...)                                                \
    (WIRE__STEP(__VA_ARGS__), stackwire__in_expect(0, (drop)),               \
     stackwire__none())
#define OUT(...) (WIRE__STEP(__VA_ARGS__), stackwire__out())
#define NONE() (WIRE__STEP("NONE"), stackwire__none())
#define DRAIN() (WIRE__STEP("DRAIN"), stackwire__drain())
#define AT(s) (WIRE__STEP("AT"), stackwire__at(w.t0 + wire__us(s)))
#define WAIT(s) (WIRE__STEP("WAIT"), stackwire__at(w.p.now + wire__us(s)))
#define ACCEPT() (WIRE__STEP("ACCEPT"), stackwire__accept())
#define HANDSHAKE(...) (WIRE__STEP(__VA_ARGS__), stackwire__handshake())
#define SENT(c, n) (WIRE__STEP("SENT"), stackwire__sent((c), (n)))
#define GOT(c, n) (WIRE__STEP("GOT"), stackwire__got((c), (n)))
#define NEWS(c) stackwire__news(c)
#define INFO(field) (stackwire__info()->field)
#define STATUS(c, field) (stackwire__status(c)->field)

#endif /* STACKWIRE_H */
