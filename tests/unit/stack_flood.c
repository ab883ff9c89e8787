/* Laws 2, 9 and 10 under a flood: hundreds of thousands of SYNs, resets,
   ACKs or random segments take nothing but what the SYN table and the
   reply ring have room for, and change no connection: its control block
   stays what it was byte for byte, and its stream goes on. */

#include "test.h"
#include "tcpsm.h"

#include "datagram.h"

#include <stddef.h>

enum { MANY = 24, WAITING = 8, FLOOD = 100000, SYNS = 64, REPLIES = 16 };

static host h;
static peer ps[MANY], tw[WAITING];
static tcpsm_conn was[MANY];
static uint8_t ring[MANY][4096]; /* what the receive rings hold */
static struct tcpsm_stack_info before;
static uint64_t seed;

static uint32_t rnd(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 32);
}

/* ---- connections of every kind, and TIME-WAITs -------------------------- */

static void a_time_wait(peer *p, uint32_t number)
{
    peer_accepted(&h, p, number & 1 ? 6 : 4, number, 80);
    CHECK_EQ(tcpsm_close(p->c), 0);
    CHECK_GT(host_out(&h), 0u);
    p->rcv_nxt++;
    peer_say(&h, p, 0, DG_FIN);
    CHECK_GT(host_out(&h), 0u);
    CHECK_EQ(tcpsm_stack_release(h.st, p->c), 0);
}

/* i % 6: idle, unread data, data out of order, data in flight, half
   closed by the peer, half closed by us */
static void a_connection(uint32_t i)
{
    static const uint8_t b[600] = {7};
    peer *p = &ps[i];
    peer_accepted(&h, p, i & 1 ? 6 : 4, i, 80);
    switch (i % 6) {
    case 1:
        peer_say(&h, p, 500, 0);
        break;
    case 2:
        CHECK_EQ(peer_send(&h, p, p->snd_nxt + 100, p->rcv_nxt, DG_ACK, 50),
                 0);
        break;
    case 3:
        CHECK_EQ(tcpsm_send(p->c, b, sizeof b, 0), (int)sizeof b);
        break;
    case 4:
        peer_say(&h, p, 0, DG_FIN);
        break;
    case 5:
        CHECK_EQ(tcpsm_shutdown(p->c), 0);
        break;
    default:
        break;
    }
    while (host_out(&h) > 0)
        if (h.v.len != 0 || h.v.flags & DG_FIN)
            p->rcv_nxt = h.v.seq + h.v.len + (h.v.flags & DG_FIN ? 1 : 0);
}

static void read_rings(uint8_t into[MANY][4096])
{
    uint32_t i;
    memset(into, 0, MANY * sizeof into[0]);
    for (i = 0; i < MANY; i++) {
        tcpsm_cspan s[2];
        tcpsm_ret n = tcpsm_receive_peek(ps[i].c, s);
        if (n <= 0)
            continue;
        memcpy(into[i], s[0].p, s[0].n);
        if (s[1].n != 0)
            memcpy(into[i] + s[0].n, s[1].p, s[1].n);
    }
}

static void remember(void)
{
    uint32_t i;
    for (i = 0; i < MANY; i++)
        memcpy(&was[i], ps[i].c, sizeof was[i]);
    read_rings(ring);
    before = host_info(&h);
}

static void start(uint32_t flags)
{
    tcpsm_stack_config cfg = host_config();
    uint32_t i;
    cfg.conns = MANY + WAITING + 8;
    cfg.syn_entries = SYNS;
    cfg.replies = REPLIES;
    cfg.flags = flags;
    host_start(&h, &cfg);
    host_listen(&h, 80);
    for (i = 0; i < WAITING; i++)
        a_time_wait(&tw[i], 1000 + i);
    for (i = 0; i < MANY; i++)
        a_connection(i);
    h.now += 1000000; /* delayed ACKs, a retransmission */
    host_drain(&h);
    while (tcpsm_stack_next(h.st, NULL) != NULL) {
    }
    CHECK_EQ(host_info(&h).timewaits, WAITING);
    remember();
    seed = 4711;
}

/* Nothing but the SYN table, the reply ring and counters */
static void nothing_taken(void)
{
    struct tcpsm_stack_info i = host_info(&h);
    CHECK_EQ(i.conns, before.conns);
    CHECK_EQ(i.orphans, before.orphans);
    CHECK_EQ(i.unaccepted, before.unaccepted);
    CHECK_EQ(i.rings, before.rings);
    CHECK_EQ(i.timewaits, before.timewaits);
    CHECK_EQ(i.timewaits_evicted, before.timewaits_evicted);
    CHECK_EQ(i.listeners, before.listeners);
    CHECK_EQ(i.addresses, before.addresses);
    CHECK_EQ(i.accepted, before.accepted);
    CHECK_EQ(i.connected, before.connected);
    CHECK_EQ(i.bytes, before.bytes);
    CHECK_EQ(i.held, 0);
    CHECK_LE(i.syns, (uint32_t)SYNS);
    CHECK_EQ(i.syn_cap, SYNS);
    CHECK_LE(i.replies, (uint32_t)REPLIES);
}

static void unchanged(void)
{
    static uint8_t now[MANY][4096];
    uint32_t i;
    for (i = 0; i < MANY; i++)
        CHECKF(memcmp(&was[i], ps[i].c, sizeof was[i]) == 0,
               "connection %u changed", i);
    read_rings(now);
    CHECK_MEM(ring, now, sizeof now);
    CHECK_EQ(tcpsm_stack_check(h.st), 0);
}

/* Each connection still takes and gives what it would have. */
static void streams_go_on(void)
{
    uint32_t i, k;
    for (i = 0; i < MANY; i++) {
        peer *p = &ps[i];
        uint8_t b[700];
        tcpsm_ret n;
        CONTEXT("connection %u goes on", i);
        CHECK_EQ(tcpsm_error(p->c), 0);
        while ((n = tcpsm_receive(p->c, b, sizeof b)) > 0) {
        }
        if (i % 6 == 2) { /* the gap is filled */
            peer_say(&h, p, 100, 0);
            p->snd_nxt += 50;
            CHECK_EQ(tcpsm_receive(p->c, b, sizeof b), 150);
            for (k = 0; k < 150; k++)
                CHECK_EQ(b[k], dg_byte(p->snd_nxt - 150 + k));
        }
        if (i % 6 == 4) {
            CHECK_EQ(n, TCPSM_E_EOF);
        } else {
            peer_say(&h, p, 333, 0);
            CHECK_EQ(tcpsm_receive(p->c, b, sizeof b), 333);
            for (k = 0; k < 333; k++)
                CHECK_EQ(b[k], dg_byte(p->snd_nxt - 333 + k));
        }
        if (i % 6 != 5) {
            for (k = 0; k < 200; k++)
                b[k] = dg_byte(p->rcv_nxt + k);
            host_drain(&h);
            CHECK_EQ(tcpsm_send(p->c, b, 200, 0), 200);
            CHECK_GT(host_out(&h), 0u);
            CHECK(peer_is(&h, p));
            CHECK_EQ(h.v.seq, p->rcv_nxt);
            CHECK_EQ(h.v.len, 200);
            CHECK_MEM(h.v.text, b, 200);
            p->rcv_nxt += 200;
            CHECK_EQ(peer_send(&h, p, p->snd_nxt, p->rcv_nxt, DG_ACK, 0), 0);
        }
        host_drain(&h);
    }
    CONTEXT("%s", "a TIME-WAIT answers");
    h.now += 6000000; /* the limit on such ACKs is over */
    host_drain(&h);
    for (i = 0; i < WAITING; i++) {
        CHECK_EQ(peer_send(&h, &tw[i], tw[i].snd_nxt - 1, tw[i].rcv_nxt,
                           DG_FIN | DG_ACK, 0),
                 0);
        CHECK_GT(host_out(&h), 0u);
        CHECK(peer_is(&h, &tw[i]));
        CHECK_EQ(h.v.flags & 0x3F, DG_ACK);
        CHECK_EQ(h.v.ack, tw[i].snd_nxt);
        CHECK_EQ(h.v.seq, tw[i].rcv_nxt);
    }
    host_stop(&h);
}

/* ---- the flood ---------------------------------------------------------- */

typedef struct {
    uint8_t src[16], seg[60];
    uint32_t n;
    uint8_t family;
    uint16_t sport, dport;
    uint32_t seq, ack, flags;
} shot;

/* A source that is none of the peers' (198.51.100/22, 2001:db8:1::) */
static void from_anywhere(shot *s)
{
    s->family = rnd() & 1 ? 4 : 6;
    memset(s->src, 0, sizeof s->src);
    dg_put32(s->src, rnd());
    s->src[0] = (uint8_t)(11 + s->src[0] % 90);
    if (s->family == 6) {
        s->src[0] = 0x2a;
        dg_put32(s->src + 8, rnd());
        dg_put32(s->src + 12, rnd());
    }
    s->sport = (uint16_t)(1 + rnd() % 65535);
    s->dport = 80;
    s->seq = rnd();
    s->ack = rnd();
}

static void fire(shot *s)
{
    static uint8_t text[64];
    uint8_t *p = s->seg;
    memset(&h.in, 0, sizeof h.in);
    dg_put16(p, s->sport);
    dg_put16(p + 2, s->dport);
    dg_put32(p + 4, s->seq);
    dg_put32(p + 8, s->ack);
    dg_put16(p + 12, 5u << 12 | s->flags);
    dg_put16(p + 14, rnd() & 0xFFFF);
    dg_put32(p + 16, rnd() & 0xFFFF);
    memcpy(p + 20, text, 40);
    h.in.src = s->src;
    h.in.dst = s->family == 4 ? h.addr4 : h.addr6;
    h.in.data = p;
    h.in.len = s->n;
    h.in.family = s->family;
    h.in.flags = TCPSM_IN_CSUM_OK;
    CHECK_EQ(tcpsm_stack_input(h.st, &h.in, h.now), 0);
}

enum { SYN_FLOOD, RST_FLOOD, ACK_FLOOD, ANY_FLOOD, KINDS };
static const char *const names[KINDS] = {"SYN", "RST", "ACK", "any"};

static void aim(shot *s, int kind)
{
    static const uint16_t flags[KINDS] = {DG_SYN, DG_RST, DG_ACK, 0};
    s->flags = kind == ANY_FLOOD ? rnd() & 0x1FF : flags[kind];
    s->n = 20;
    if (kind == RST_FLOOD && rnd() & 1)
        s->flags |= DG_ACK;
    if (kind == ACK_FLOOD || kind == ANY_FLOOD)
        s->n += rnd() % 40;
    if (kind == ANY_FLOOD && rnd() % 4 == 0)
        s->dport = (uint16_t)(1 + rnd() % 65535);
}

/* Time stands still: not one byte of any connection may differ. */
static void a_flood_in_no_time(int kind, uint32_t flags)
{
    static shot s;
    uint32_t i;
    start(flags);
    for (i = 0; i < FLOOD; i++) {
        CONTEXT("%s flood, segment %u", names[kind], i);
        from_anywhere(&s);
        aim(&s, kind);
        fire(&s);
        CHECK(h.in.conn == NULL);
        if (i % 32 == 0) {
            while (host_out(&h) > 0)
                CHECK(h.out.conn == NULL);
            nothing_taken();
        }
    }
    while (host_out(&h) > 0)
        CHECK(h.out.conn == NULL);
    nothing_taken();
    unchanged();
    /* about 200 a second, and this was none */
    CHECK_LE(host_info(&h).resets, before.resets + 400);
    CHECK(tcpsm_stack_accept(h.st, NULL) == NULL);
    CHECK(tcpsm_stack_next(h.st, NULL) == NULL);
    streams_go_on();
}

TEST(syn_flood)
{
    a_flood_in_no_time(SYN_FLOOD, 0);
}

TEST(syn_flood_without_cookies)
{
    a_flood_in_no_time(SYN_FLOOD, TCPSM_NO_COOKIES);
}

TEST(rst_flood)
{
    a_flood_in_no_time(RST_FLOOD, 0);
}

TEST(ack_flood)
{
    a_flood_in_no_time(ACK_FLOOD, 0);
}

TEST(any_flood)
{
    a_flood_in_no_time(ANY_FLOOD, 0);
}

TEST(any_flood_silent)
{
    a_flood_in_no_time(ANY_FLOOD, TCPSM_SILENT);
}

/* Nobody drains: the reply ring overflows, and nothing else does. */
TEST(flood_without_output)
{
    static shot s;
    uint32_t i;
    uint64_t lost;
    start(0);
    for (i = 0; i < FLOOD / 2; i++) {
        CONTEXT("segment %u", i);
        from_anywhere(&s);
        aim(&s, (int)(i % KINDS));
        fire(&s);
    }
    nothing_taken();
    unchanged();
    lost = host_info(&h).replies_lost + host_info(&h).syns_dropped +
           host_info(&h).resets_held_back;
    CHECK_GT(lost, (uint64_t)FLOOD / 8);
    CHECK_LE(host_drain(&h), (uint32_t)(SYNS + REPLIES));
    streams_go_on();
}

/* Time goes on, for minutes: what time changes is what it would have
   changed without the flood. */
TEST(flood_for_minutes)
{
    static shot s;
    static tcpsm_conn quiet[MANY];
    uint32_t i, k, turn;
    for (turn = 0; turn < 2; turn++) {
        start(0);
        for (i = 0; i < FLOOD; i++) {
            CONTEXT("turn %u, segment %u", turn, i);
            h.now += 1500; /* two and a half minutes of it */
            if (turn == 1) {
                from_anywhere(&s);
                aim(&s, (int)(i % KINDS));
                fire(&s);
            }
            if (tcpsm_stack_deadline(h.st) > h.now)
                continue;
            while (host_out(&h) > 0)
                if (h.out.conn == NULL && turn == 0)
                    FAIL("a word to nobody");
        }
        for (k = 0; k < MANY; k++) {
            CONTEXT("turn %u, connection %u", turn, k);
            if (turn == 0)
                memcpy(&quiet[k], ps[k].c, sizeof quiet[k]);
            else
                CHECK_MEM(&quiet[k], ps[k].c,
                          offsetof(tcpsm_conn, p)); /* but its pointers */
        }
        CHECK_EQ(tcpsm_stack_check(h.st), 0);
        host_stop(&h);
    }
}

/* The flood knows each connection's name, but no sequence number: blind
   (RFC 5961). What it may cost are challenge ACKs, and they are few. */
TEST(flood_at_the_connections)
{
    static shot s;
    uint32_t i, out = 0;
    start(0);
    for (i = 0; i < FLOOD; i++) {
        const peer *p = &ps[rnd() % MANY];
        CONTEXT("segment %u", i);
        s.family = p->ip.family;
        memcpy(s.src, p->ip.src, 16);
        s.sport = p->port;
        s.dport = 80;
        /* anywhere but near what is expected */
        s.seq = p->snd_nxt + 0x10000 + rnd() % 0xFFFD0000u;
        s.ack = p->rcv_nxt + 0x100000 + rnd() % 0xFFD00000u;
        aim(&s, (int)(i % KINDS));
        s.dport = 80;
        fire(&s);
        if (i % 8 == 0)
            out += host_drain(&h);
    }
    out += host_drain(&h);
    nothing_taken();
    for (i = 0; i < MANY; i++) {
        tcpsm_conn c = *ps[i].c;
        CONTEXT("connection %u", i);
        c.now = was[i].now;
        c.chal_at = was[i].chal_at;
        c.chal_n = was[i].chal_n;
        CHECK_MEM(&was[i], &c, sizeof c);
    }
    CHECK_EQ(tcpsm_stack_check(h.st), 0);
    /* payload outside the window is answered, or the peer might hang */
    CHECK_LE(out, (uint32_t)FLOOD);
    while (tcpsm_stack_next(h.st, NULL) != NULL) {
    }
    streams_go_on();
}

/* ... and each TIME-WAIT's. */
TEST(flood_at_the_time_waits)
{
    static shot s;
    uint32_t i, out = 0;
    start(0);
    for (i = 0; i < FLOOD; i++) {
        const peer *p = &tw[rnd() % WAITING];
        CONTEXT("segment %u", i);
        s.family = p->ip.family;
        memcpy(s.src, p->ip.src, 16);
        s.sport = p->port;
        s.dport = 80;
        s.seq = p->snd_nxt - 0x20000 - rnd() % 0x70000000u;
        s.ack = rnd();
        aim(&s, (int)(i % KINDS));
        s.dport = 80;
        s.n = 20; /* with data each gets its ACK */
        if (i % KINDS == ANY_FLOOD)
            s.flags &= ~(uint32_t)DG_FIN;
        fire(&s);
        if (i % 8 == 0)
            out += host_drain(&h);
    }
    out += host_drain(&h);
    nothing_taken();
    unchanged();
    CHECK_LE(out, 20u * WAITING); /* in no time at all */
    streams_go_on();
}

/* ---- and who comes meanwhile -------------------------------------------- */

/* Streams run both ways and connections come and go under it. */
TEST(business_goes_on)
{
    static shot s;
    static peer p;
    uint8_t b[400];
    uint32_t i, k, turn, cookies;
    tcpsm_ret n;
    start(0);
    for (i = 0; i < SYNS; i++) {
        from_anywhere(&s);
        aim(&s, SYN_FLOOD);
        fire(&s);
        host_drain(&h);
    }
    CHECK_EQ(host_info(&h).syns, SYNS);
    for (turn = 0; turn < 200; turn++) {
        peer *q = &ps[turn % MANY / 6 * 6]; /* an idle one */
        CONTEXT("turn %u", turn);
        for (i = 0; i < 200; i++) {
            from_anywhere(&s);
            aim(&s, (int)(i % KINDS));
            fire(&s);
        }
        peer_say(&h, q, 300, 0);
        n = tcpsm_receive(q->c, b, sizeof b);
        CHECK_EQ(n, 300);
        for (k = 0; k < 300; k++)
            CHECK_EQ(b[k], dg_byte(q->snd_nxt - 300 + k));
        for (k = 0; k < 250; k++)
            b[k] = dg_byte(q->rcv_nxt + k);
        CHECK_EQ(tcpsm_send(q->c, b, 250, 0), 250);
        for (k = 0; host_out(&h) > 0;)
            if (h.out.conn == q->c && h.v.len != 0) {
                CHECK_EQ(h.v.seq, q->rcv_nxt);
                CHECK_MEM(h.v.text, b, 250);
                k++;
            }
        CHECK_EQ(k, 1);
        q->rcv_nxt += 250;
        peer_say(&h, q, 0, 0);
        h.now += 10000;
        if (turn % 20 != 7)
            continue;
        /* somebody new, by a cookie or by an entry that became free */
        cookies = (uint32_t)host_info(&h).cookies_good;
        peer_init(&h, &p, turn & 8 ? 6 : 4, 800 + turn, 80);
        CHECK_EQ(peer_send(&h, &p, p.snd_nxt, 0, DG_SYN, 0), 0);
        for (k = 0; host_out(&h) > 0;)
            if (peer_is(&h, &p)) {
                CHECK_EQ(h.v.flags & 0x3F, DG_SYN | DG_ACK);
                p.rcv_nxt = h.v.seq + 1;
                k = 1;
            }
        CHECK_EQ(k, 1);
        p.snd_nxt++;
        peer_say(&h, &p, 123, DG_PSH); /* riding on the third ACK */
        p.c = tcpsm_stack_accept(h.st, NULL);
        CHECK(p.c != NULL);
        CHECK_LE(host_info(&h).cookies_good, cookies + 1u);
        CHECK_EQ(tcpsm_receive(p.c, b, sizeof b), 123);
        for (k = 0; k < 123; k++)
            CHECK_EQ(b[k], dg_byte(p.snd_nxt - 123 + k));
        CHECK_EQ(tcpsm_abort(p.c), 0);
        CHECK_EQ(tcpsm_stack_release(h.st, p.c), 0);
        host_drain(&h);
        while (tcpsm_stack_next(h.st, NULL) != NULL) {
        }
    }
    CHECK_GE(host_info(&h).cookies_good, 1u);
    CHECK_EQ(host_info(&h).conns, MANY);
    /* When it is over, all of it is gone. */
    for (i = 0; i < 40; i++) {
        h.now += 1000000;
        host_settle(&h);
    }
    CHECK_EQ(host_info(&h).syns, 0);
    CHECK_EQ(host_info(&h).replies, 0);
    peer_accepted(&h, &p, 4, 999, 80);
    host_stop(&h);
}

/* Three come for each that can go out: the timers of others are not late
   for it, but for their turn. */
TEST(timers_beside_a_flood)
{
    static shot s;
    uint32_t i, turn, acks = 0;
    tcpsm_time t0;
    start(0);
    for (i = 0; i < SYNS; i++) {
        from_anywhere(&s);
        aim(&s, SYN_FLOOD);
        fire(&s);
    }
    for (i = 0; i < MANY; i += 6) /* the idle ones */
        peer_say(&h, &ps[i], 10, 0);
    t0 = h.now;
    for (turn = 0; turn < 100; turn++) {
        h.now += 1000;
        for (i = 0; i < 3; i++) {
            from_anywhere(&s);
            aim(&s, (int)((turn + i) % KINDS));
            fire(&s);
        }
        if (host_out(&h) > 0)
            for (i = 0; i < MANY; i += 6)
                if (peer_is(&h, &ps[i])) {
                    CHECK_LE(h.now, t0 + 70000); /* delayed ACK: 40 ms */
                    acks++;
                }
    }
    CHECK_EQ(acks, MANY / 6);
    host_stop(&h);
}

/* A connection that began with a cookie leaves nothing behind when it is
   forgotten: it may go on in the same stack. */
TEST(forgotten_after_a_cookie)
{
    static shot s;
    static peer p;
    static uint8_t blob[20000];
    tcpsm_ret n;
    uint32_t i;
    start(0);
    for (i = 0; i < SYNS; i++) {
        from_anywhere(&s);
        aim(&s, SYN_FLOOD);
        fire(&s);
    }
    host_settle(&h);
    for (i = 0; i < 2; i++) {
        peer_accepted(&h, &p, i ? 6 : 4, 700 + i, 80);
        CHECK_EQ(host_info(&h).cookies_good, i + 1);
        n = tcpsm_export(p.c, blob, sizeof blob, h.now);
        CHECK_GT(n, 0);
        CHECK_EQ(tcpsm_stack_forget(h.st, p.c), 0);
        host_settle(&h);
        CHECK_EQ(host_info(&h).timewaits, WAITING);
        CHECK_EQ(tcpsm_stack_import(h.st, blob, (uint32_t)n, NULL, NULL, &p.c,
                                    h.now),
                 0);
        peer_say(&h, &p, 77, 0);
        CHECK_EQ(tcpsm_receive(p.c, blob, sizeof blob), 77);
        host_settle(&h);
    }
    streams_go_on();
}

/* A SYN table's entry says what it has to say five times and is gone. */
TEST(syn_table_empties)
{
    static shot s;
    tcpsm_stack_config cfg = host_config();
    uint32_t i, sent = 0;
    tcpsm_time t0, d;
    cfg.syn_entries = SYNS;
    host_start(&h, &cfg);
    host_listen(&h, 80);
    t0 = h.now;
    for (i = 0; i < SYNS; i++) {
        from_anywhere(&s);
        aim(&s, SYN_FLOOD);
        fire(&s);
    }
    for (;;) {
        sent += host_settle(&h);
        d = tcpsm_stack_deadline(h.st);
        if (d == TCPSM_NEVER)
            break;
        CHECK_LE(d, t0 + 40 * DG_SECOND);
        h.now = d;
    }
    CHECK_EQ(host_info(&h).syns, 0);
    CHECK_EQ(sent, 5 * SYNS); /* after 1, 2, 4 and 8 s more; 16 s later */
    CHECK_EQ(h.now, t0 + 31 * DG_SECOND);
    host_stop(&h);
}
