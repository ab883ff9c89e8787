/* The driver that joins two connections must notice when a law is broken.
   So here it drives two forgeries: the calls of tcpsm.h below are fakes,
   honest by default, and each test tells them to break one law. */

#include "test.h"

static int broken;
static char why[200];

static void note(const char *text)
{
    if (broken++ == 0)
        snprintf(why, sizeof why, "%s", text);
}
#define PAIR_FAIL(p, text) note(text)
#include "tcpsm.h"
#include "pair.h"

/* ---- the fakes ---------------------------------------------------------- */

enum {
    HONEST,
    CHECK_FAILS,   /* tcpsm_check finds something */
    EARLY_SEGMENT, /* output sends before its deadline */
    EARLY_BYTE,    /* output changes a byte before its deadline */
    LAZY,          /* it does nothing when it is due */
    LAZY_LATER,    /* it promises a deadline that it will not keep */
    IDLE_WAKE,     /* deadline never, yet output acts after an hour */
    EDGE_BACK,     /* the right edge moves left */
    CHECKSUM,      /* a wrong one */
    PORT,
    HEADER_LENGTH,
    BEYOND, /* payload beyond the peer's edge */
    SEGS,   /* a train of another number of segments */
    TTL,
    WRONG_BYTE, /* the receiver reads what was not sent */
    EARLY_EOF,
    WITHDRAWN, /* tcpsm_status does not know what was offered */
    NOT_ZERO   /* TX_ZERO, and the checksum is not zero */
};

static int trick;

/* In the fake, rtx_at is the deadline (0: never), snd_len the segments
   still to send, probes something to change. */
static tcpsm_conn *fake(void *c)
{
    return (tcpsm_conn *)c;
}

tcpsm_ret tcpsm_init_(tcpsm_conn *c, const tcpsm_config *cfg, size_t size,
                      uint32_t abi)
{
    memset(c, 0, sizeof *c);
    c->opts = (uint16_t)cfg->flags;
    return size == sizeof *c && abi == TCPSM_ABI ? 0 : TCPSM_E_ABI;
}

tcpsm_ret tcpsm_attach(tcpsm_conn *c, uint32_t what, void *mem, uint32_t len,
                       void **old)
{
    (void)c;
    (void)what;
    (void)old;
    return mem && len ? 0 : TCPSM_E_ARG;
}

tcpsm_ret tcpsm_open(tcpsm_conn *c, const tcpsm_tuple *t, tcpsm_time now)
{
    (void)now;
    c->local_port = t->local_port;
    c->remote_port = t->remote_port;
    memcpy(c->local, t->local, 16);
    memcpy(c->remote, t->remote, 16);
    c->state = TCPSM_ESTABLISHED;
    return 0;
}

tcpsm_ret tcpsm_listen(tcpsm_conn *c, const tcpsm_tuple *t, tcpsm_time now)
{
    return tcpsm_open(c, t, now);
}

tcpsm_time tcpsm_deadline(const tcpsm_conn *c)
{
    return c->rtx_at ? c->rtx_at : TCPSM_NEVER;
}

static void put(const tcpsm_conn *c, uint8_t *b, uint32_t len)
{
    tcpsm_tuple t;

    memset(&t, 0, sizeof t);
    t.family = 4;
    memcpy(t.local, c->local, 16);
    memcpy(t.remote, c->remote, 16);
    memset(b, 0, 20);
    pair_put16(b, c->local_port);
    pair_put16(b + 2, c->remote_port);
    pair_put32(b + 4, 100 + (trick == BEYOND ? 50000u : 0));
    pair_put32(b + 8, 200);
    b[12] = 0x50;
    b[13] = PAIR_ACK;
    pair_put16(b + 14, trick == EDGE_BACK && c->snd_len == 1 ? 3999 : 4000);
    if (c->opts & TCPSM_TX_ZERO)
        pair_put16(b + 16, trick == NOT_ZERO);
    else if (c->opts & TCPSM_TX_PARTIAL)
        pair_put16(b + 16, (uint16_t)~pair_checksum(&t, NULL, 0) + len);
    else
        pair_set_checksum(&t, b, len);
    if (trick == CHECKSUM)
        b[17] ^= 1;
}

tcpsm_ret tcpsm_output(tcpsm_conn *c, tcpsm_out *o, tcpsm_time now)
{
    uint32_t len = 20 + 10;
    uint8_t *b = (uint8_t *)o->buf;

    if (trick == EARLY_BYTE && c->rtx_at)
        c->probes++;
    if (trick == IDLE_WAKE && !c->rtx_at && now >= 3600 * PAIR_SECOND)
        c->probes++;
    if (now < tcpsm_deadline(c) && !(trick == EARLY_SEGMENT && c->rtx_at))
        return 0;
    if (trick == LAZY || (trick == LAZY_LATER && c->rtx_at > PAIR_SECOND))
        return 0;
    memset(b + 20, 'x', 3000);
    o->hdr_len = trick == HEADER_LENGTH ? 24 : 20;
    o->ttl = trick == TTL ? 0 : 64;
    o->tuple.family = 4;
    o->tuple.local_port = (uint16_t)(c->local_port + (trick == PORT));
    o->tuple.remote_port = c->remote_port;
    memcpy(o->tuple.local, c->local, 16);
    memcpy(o->tuple.remote, c->remote, 16);
    o->csum = c->opts & TCPSM_TX_ZERO      ? TCPSM_CSUM_ZERO
              : c->opts & TCPSM_TX_PARTIAL ? TCPSM_CSUM_PARTIAL
                                           : TCPSM_CSUM_FULL;
    o->segs = 1;
    if (c->opts & TCPSM_GSO) {
        o->gso_size = 1000;
        o->segs = trick == SEGS ? 2 : 3;
        len = 20 + 2100;
    }
    put(c, b, len);
    if (c->opts & TCPSM_GATHER) {
        static const uint8_t more[5] = "12345";

        o->ref[1].p = more;
        o->ref[1].n = 5;
    }
    if (c->snd_len-- == 1)
        c->rtx_at = 0;
    return (tcpsm_ret)len;
}

static uint8_t last[4096];
static uint32_t last_len, last_count;

tcpsm_ret tcpsm_input(tcpsm_conn *c, tcpsm_in *in, tcpsm_time now)
{
    (void)c;
    (void)now;
    memcpy(last, in->data, in->len);
    last_len = in->len;
    last_count++;
    return 0;
}

tcpsm_ret tcpsm_stranger(const tcpsm_in *in, tcpsm_out *o)
{
    (void)in;
    (void)o;
    return 0;
}

static uint8_t fake_stream[100];
static uint32_t fake_n, fake_at;

tcpsm_ret tcpsm_send(tcpsm_conn *c, const void *p, uint32_t n, uint32_t flags)
{
    (void)c;
    (void)flags;
    memcpy(fake_stream, p, n);
    fake_n = n;
    return (tcpsm_ret)n;
}

tcpsm_ret tcpsm_receive(tcpsm_conn *c, void *p, uint32_t cap)
{
    (void)cap;
    if (c->local_port != 80)
        return 0; /* only B has something to read */
    if (trick == EARLY_EOF && fake_at == fake_n / 2)
        return TCPSM_E_EOF;
    if (fake_at == fake_n)
        return TCPSM_E_EOF;
    *(uint8_t *)p = (uint8_t)(fake_stream[fake_at] ^
                              (trick == WRONG_BYTE && fake_at == 7));
    fake_at++;
    return 1;
}

tcpsm_ret tcpsm_shutdown(tcpsm_conn *c)
{
    (void)c;
    return 0;
}

tcpsm_ret tcpsm_close(tcpsm_conn *c)
{
    return tcpsm_shutdown(c);
}

tcpsm_ret tcpsm_abort(tcpsm_conn *c)
{
    return tcpsm_shutdown(c);
}

tcpsm_ret tcpsm_state(const tcpsm_conn *c)
{
    return c->state;
}

tcpsm_ret tcpsm_check(const tcpsm_conn *c)
{
    (void)c;
    return trick == CHECK_FAILS ? -7 : 0;
}

void tcpsm_status(const tcpsm_conn *c, struct tcpsm_info *info)
{
    (void)c;
    memset(info, 0, sizeof *info);
    info->rcv_nxt = 200;
    info->rcv_wnd = trick == WITHDRAWN ? 3999 : 4000;
}

/* ---- the tests ---------------------------------------------------------- */

static pair p;

/* A has `count` segments to send, 5 ms from now; B gets its edge known by
   sending one itself before that. */
static void play(int what, uint32_t flags, uint32_t count)
{
    pair_options o;

    memset(&o, 0, sizeof o);
    o.cfg[PAIR_A].flags = o.cfg[PAIR_B].flags = flags;
    trick = HONEST;
    broken = 0;
    why[0] = 0;
    last_count = 0;
    pair_init(&p, &o);
    CHECK(pair_connect(&p));
    fake(&p.c[PAIR_B])->snd_len = 1;
    fake(&p.c[PAIR_B])->rtx_at = (uint32_t)p.now + 1000;
    pair_run(&p, 2000);
    CHECKF(broken == 0, "%s", why);
    trick = what;
    fake(&p.c[PAIR_A])->snd_len = count;
    if (count)
        fake(&p.c[PAIR_A])->rtx_at = (uint32_t)p.now + 5000;
    pair_touched(&p, PAIR_A);
    pair_run(&p, 10000);
}

static void noticed(int what, uint32_t flags, const char *as)
{
    play(HONEST, flags, 2);
    CHECKF(broken == 0, "honest, and: %s", why);
    play(what, flags, 2);
    CHECKF(broken > 0, "not noticed: %s", as);
    CHECKF(strstr(why, as) != NULL, "wanted %s, got %s", as, why);
}

TEST(honest_fakes_pass)
{
    play(HONEST, 0, 3);
    CHECKF(broken == 0, "%s", why);
    CHECK_EQ(last_count, 4);
    CHECK_EQ(last_len, 30);
}

TEST(invariants_are_checked)
{
    noticed(CHECK_FAILS, 0, "tcpsm_check");
}

TEST(law3_segment_before_the_deadline)
{
    noticed(EARLY_SEGMENT, 0, "acts before its deadline");
}

TEST(law3_byte_before_the_deadline)
{
    noticed(EARLY_BYTE, 0, "acts before its deadline");
}

TEST(law3_due_and_nothing_done)
{
    noticed(LAZY, 0, "does nothing");
}

TEST(law3_deadline_not_kept)
{
    noticed(LAZY_LATER, 0, "at its deadline output does nothing");
}

TEST(law3_wake_up_while_idle)
{
    noticed(IDLE_WAKE, 0, "acts before its deadline");
}

TEST(law8_right_edge)
{
    noticed(EDGE_BACK, 0, "law 8");
}

TEST(law8_offers_are_honoured)
{
    noticed(WITHDRAWN, 0, "not honoured");
}

TEST(wire_checksum)
{
    noticed(CHECKSUM, 0, "checksum");
}

TEST(wire_ports)
{
    noticed(PORT, 0, "ports");
}

TEST(wire_header_length)
{
    noticed(HEADER_LENGTH, 0, "hdr_len");
}

TEST(wire_ttl)
{
    noticed(TTL, 0, "ttl");
}

TEST(wire_beyond_the_edge)
{
    noticed(BEYOND, 0, "right edge");
}

TEST(card_completes_partial_checksums)
{
    play(HONEST, TCPSM_TX_PARTIAL, 1);
    CHECKF(broken == 0, "%s", why);
    CHECK_EQ(pair_checksum(&p.tuple[PAIR_A], last, last_len), 0);
    noticed(CHECKSUM, TCPSM_TX_PARTIAL, "checksum");
}

TEST(card_fills_in_zero_checksums)
{
    play(HONEST, TCPSM_TX_ZERO, 1);
    CHECKF(broken == 0, "%s", why);
    CHECK_EQ(pair_checksum(&p.tuple[PAIR_A], last, last_len), 0);
    noticed(NOT_ZERO, TCPSM_TX_ZERO, "checksum not zero");
}

TEST(card_gathers)
{
    play(HONEST, TCPSM_GATHER | TCPSM_TX_ZERO, 1);
    CHECKF(broken == 0, "%s", why);
    CHECK_EQ(last_len, 35);
    CHECK_MEM(last + 28, "xx12345", 7);
}

TEST(card_cuts_trains)
{
    play(HONEST, TCPSM_GSO, 1);
    CHECKF(broken == 0, "%s", why);
    CHECK_EQ(last_count, 3 + 3);
    CHECK_EQ(last_len, 120);
    CHECK_EQ(pair_get32(last + 4), 2100);
    noticed(SEGS, TCPSM_GSO, "segs");
}

static void flow(int what)
{
    play(HONEST, 0, 1);
    trick = what;
    fake_at = fake_n = 0;
    pair_transfer(&p, 50, 0, 1000);
}

TEST(law4_flows)
{
    flow(HONEST);
    CHECKF(broken == 0, "%s", why);
    CHECK_EQ(p.flow[PAIR_A].got, 50);
    flow(WRONG_BYTE);
    CHECKF(strstr(why, "not what was sent") != NULL, "%s", why);
    flow(EARLY_EOF);
    CHECKF(strstr(why, "EOF before") != NULL, "%s", why);
}

TEST(time_goes_from_event_to_event)
{
    play(HONEST, 0, 0);
    p.now = 2000000;
    p.net.link[PAIR_A].delay_us = 300;
    fake(&p.c[PAIR_A])->snd_len = 1;
    fake(&p.c[PAIR_A])->rtx_at = 2000000 + 700;
    last_count = 0;
    while (last_count == 0)
        CHECK(pair_step(&p, UINT64_MAX));
    CHECK_EQ(p.now, 2001000);
    pair_run(&p, 5);
    CHECK_EQ(p.now, 2001005);
}

TEST(injected_segments_are_delivered_at_once)
{
    uint8_t seg[25];
    uint32_t n;

    play(HONEST, 0, 0);
    last_count = 0;
    n = pair_craft(&p, PAIR_A, seg, 1, 2, PAIR_RST, 3, "hello", 5);
    CHECK_EQ(n, 25);
    CHECK_EQ(pair_inject(&p, PAIR_B, seg, n, 0), 0);
    CHECK_EQ(last_count, 1);
    CHECK_EQ(pair_checksum(&p.tuple[PAIR_A], last, last_len), 0);
    CHECK_EQ(pair_get16(last), p.tuple[PAIR_A].local_port);
    n = pair_craft(&p, PAIR_B, seg, 1, 2, PAIR_RST, 3, NULL, 0);
    CHECK_EQ(pair_inject(&p, PAIR_A, seg, n, 0), 0);
    CHECK_EQ(pair_get16(last), p.tuple[PAIR_B].local_port);
}

TEST(segments_are_taken_apart)
{
    static const uint8_t seg[] = {
        0x12, 0x34, 0x00, 0x50, 1,    2,    3, 4, 5, 6,  7,   8,   0xd0, 0x3A,
        0xab, 0xcd, 0x11, 0x22, 0x00, 0x07, /* 52 bytes */
        2,    4,    0x05, 0xb4,             /* MSS 1460 */
        3,    3,    7,    1,                /* scale, NOP */
        4,    2,    8,    10,   0,    0,    0, 9, 0, 0,  0,   8,   5,    10,
        0,    0,    0,    1,    0,    0,    0, 2, 0, 99, 'd', 'a', 't',  'a'};
    pair_segment s;

    CHECK_EQ(pair_parse(&s, seg, sizeof seg), 0);
    CHECK_EQ(s.sport, 0x1234);
    CHECK_EQ(s.dport, 80);
    CHECK_EQ(s.seq, 0x01020304);
    CHECK_EQ(s.ack, 0x05060708);
    CHECK_EQ(s.flags, 0x3A);
    CHECK_EQ(s.wnd, 0xabcd);
    CHECK_EQ(s.urg, 7);
    CHECK_EQ(s.mss, 1460);
    CHECK_EQ(s.wscale, 7);
    CHECK_EQ(s.sack_permitted, 1);
    CHECK_EQ(s.timestamps, 1);
    CHECK_EQ(s.ts_val, 9);
    CHECK_EQ(s.ts_ecr, 8);
    CHECK_EQ(s.sacks, 1);
    CHECK_EQ(s.sack[0][0], 1);
    CHECK_EQ(s.sack[0][1], 2);
    CHECK_EQ(s.len, 4);
    CHECK_MEM(s.payload, "data", 4);
    CHECK_EQ(pair_parse(&s, seg, 19), -1);
    CHECK_EQ(pair_parse(&s, seg, 51), -1);
}

/* RFC 1071's own example, as a segment's payload would add it */
TEST(checksum_of_rfc1071)
{
    static const uint8_t b[8] = {0x00, 0x01, 0xf2, 0x03,
                                 0xf4, 0xf5, 0xf6, 0xf7};
    tcpsm_tuple t;

    memset(&t, 0, sizeof t);
    t.family = 4;
    /* its sum is ddf2; the pseudo-header adds protocol 6 and length 8 */
    CHECK_EQ(pair_checksum(&t, b, 8), (uint16_t) ~(0xddf2 + 6 + 8));
    CHECK_EQ(pair_checksum(&t, b, 7), /* an odd end is padded with zero */
             (uint16_t) ~(0xddf2 - 0xf7 + 6 + 7));
}
