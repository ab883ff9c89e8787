/* ICMP and ICMPv6 to a stack of many connections: an error finds the one
   connection that its quotation names, and does there what RFC 1122
   s3.2.2 and s4.2.3.9, RFC 1191, 8201 and 5927 say, and nothing to any
   other. Echo (RFC 1122 s3.2.2.6, RFC 4443 s4) is answered if asked for. */

#include "test.h"
#include "tcpsm.h"

#include "datagram.h"

enum { MANY = 40 };

static host h;
static peer ps[MANY];
static uint8_t msg[DG_MAX];
static tcpsm_conn was[MANY];

/* A router between: neither end's address */
static void from_router(dg_ip *ip, uint8_t family)
{
    static const uint8_t r4[4] = {203, 0, 113, 7};
    static const uint8_t r6[16] = {0x20, 1, 0xd, 0xb8, 0, 7, [15] = 7};
    memset(ip, 0, sizeof *ip);
    ip->family = family;
    ip->ttl = 200;
    ip->proto = family == 4 ? 1 : 58;
    memcpy(ip->src, family == 4 ? r4 : r6, family == 4 ? 4 : 16);
    memcpy(ip->dst, family == 4 ? h.addr4 : h.addr6, 16);
}

/* Puts the checksum into an ICMP message; ICMPv6's covers addresses. */
static void seal(const dg_ip *ip, uint8_t *m, uint32_t n)
{
    uint32_t s = 0;
    if (ip->family == 6)
        s = dg_pseudo(6, ip->src, ip->dst, 58, n);
    dg_put16(m + 2, 0);
    dg_put16(m + 2, ~dg_add(s, m, n) & 0xFFFF);
}

/* Writes an ICMP datagram with q behind its eight bytes; its length */
static uint32_t an_error(uint8_t *b, const dg_ip *ip, uint8_t type,
                         uint8_t code, uint32_t word, const uint8_t *q,
                         uint32_t n)
{
    uint32_t at = dg_header(b, ip, 8 + n);
    uint8_t *m = b + at;
    m[0] = type;
    m[1] = code;
    dg_put32(m + 4, word);
    memmove(m + 8, q, n);
    seal(ip, m, 8 + n);
    return at + 8 + n;
}

/* ... given to the stack */
static tcpsm_ret tell(uint8_t family, uint8_t type, uint8_t code,
                      uint32_t word, const uint8_t *q, uint32_t n)
{
    dg_ip ip;
    from_router(&ip, family);
    return host_in(&h, msg, an_error(msg, &ip, type, code, word, q, n));
}

static uint16_t mtu_of(const tcpsm_conn *c)
{
    struct tcpsm_info i;
    tcpsm_status(c, &i);
    return i.mtu;
}

/* quote[i]: the datagram that connection i has in flight */
static uint8_t quote[MANY][1600];
static uint32_t quoted[MANY];

static void fly(uint32_t i)
{
    static uint8_t b[1400];
    tcpsm_ret r = tcpsm_send(ps[i].c, b, sizeof b, 0);
    CHECK_EQ(r, (int)sizeof b);
    CHECK_GT(host_out(&h), 0u);
    CHECK(peer_is(&h, &ps[i]));
    CHECK_GT(h.v.len, 500u);
    memcpy(quote[i], h.buf, h.n);
    quoted[i] = h.n;
    host_drain(&h);
}

/* Half of them IPv4, half IPv6, each with data in flight */
static void start(uint32_t flags)
{
    tcpsm_stack_config cfg = host_config();
    uint32_t i;
    cfg.conns = MANY + 4;
    cfg.flags = flags;
    host_start(&h, &cfg);
    host_listen(&h, 80);
    for (i = 0; i < MANY; i++) {
        peer_accepted(&h, &ps[i], i & 1 ? 6 : 4, i, 80);
        fly(i);
    }
    while (tcpsm_stack_next(h.st, NULL) != NULL) {
    }
}

static void remember(void)
{
    uint32_t i;
    host_settle(&h);
    for (i = 0; i < MANY; i++)
        memcpy(&was[i], ps[i].c, sizeof was[i]);
}

/* No connection but this one has changed by a byte; -1: none has. */
static void others_unchanged(int but)
{
    uint32_t i;
    for (i = 0; i < MANY; i++)
        if ((int)i != but)
            CHECKF(memcmp(&was[i], ps[i].c, sizeof was[i]) == 0,
                   "connection %u changed", i);
    CHECK_EQ(tcpsm_stack_check(h.st), 0);
}

/* ---- packet too big ----------------------------------------------------- */

TEST(too_big_lowers_one)
{
    uint32_t i;
    start(0);
    for (i = 0; i < MANY; i++) {
        uint8_t f = ps[i].ip.family;
        uint32_t mtu = 1300 + i;
        CONTEXT("connection %u", i);
        remember();
        CHECK_EQ(mtu_of(ps[i].c), 1500);
        CHECK_GE(tell(f, f == 4 ? 3 : 2, f == 4 ? 4 : 0, mtu, quote[i],
                      f == 4             ? 28
                      : quoted[i] < 1232 ? quoted[i]
                                         : 1232),
                 0);
        CHECK_EQ(h.in.drop, 0);
        CHECK(h.in.conn == NULL || h.in.conn == ps[i].c);
        CHECK_EQ(mtu_of(ps[i].c), mtu);
        others_unchanged((int)i);
    }
    host_stop(&h);
}

/* The stack's own call says whose it was by what it returns. */
TEST(stack_icmp_call)
{
    uint8_t m[8 + 1600];
    uint32_t i;
    start(0);
    for (i = 0; i < 4; i++) {
        uint8_t f = ps[i].ip.family;
        memset(m, 0, 8);
        m[0] = f == 4 ? 3 : 2;
        m[1] = f == 4 ? 4 : 0;
        dg_put32(m + 4, 1400);
        memcpy(m + 8, quote[i], quoted[i]);
        remember();
        CHECK_EQ(tcpsm_stack_icmp(h.st, m, 8 + quoted[i], f, 1, h.now),
                 TCPSM_E_NOT_MINE); /* another zone */
        CHECK_EQ(tcpsm_stack_icmp(h.st, m, 8 + quoted[i], (uint8_t)(10 - f),
                                  0, h.now),
                 TCPSM_E_NOT_MINE);
        others_unchanged(-1);
        CHECK_EQ(tcpsm_stack_icmp(h.st, m, 8 + quoted[i], f, 0, h.now), 0);
        CHECK_EQ(mtu_of(ps[i].c), 1400);
        others_unchanged((int)i);
        CHECK_EQ(tcpsm_stack_icmp(h.st, m, 7, f, 0, h.now), TCPSM_E_ARG);
        CHECK_EQ(tcpsm_stack_icmp(h.st, NULL, 28, f, 0, h.now), TCPSM_E_ARG);
        CHECK_EQ(tcpsm_icmp(ps[i].c, m, 8 + quoted[i], f, h.now),
                 TCPSM_E_OWNED);
    }
    host_stop(&h);
}

/* The same from other zones by ip_input */
TEST(other_zones)
{
    uint32_t i, z;
    start(0);
    remember();
    for (i = 0; i < 2; i++)
        for (z = 1; z < 0x10000; z = z * 2 + 1) {
            uint8_t f = ps[i].ip.family;
            CONTEXT("IPv%u, zone %u", f, z);
            h.zone = (uint16_t)z;
            tell(f, f == 4 ? 3 : 2, f == 4 ? 4 : 0, 1300, quote[i], 600);
            others_unchanged(-1);
        }
    host_stop(&h);
}

/* Each field of the quotation that names the connection must be right. */
TEST(quotation_names_it_exactly)
{
    uint32_t i, at;
    start(0);
    remember();
    for (i = 0; i < 2; i++) {
        uint8_t f = ps[i].ip.family, q[1600];
        uint32_t first = f == 4 ? 12 : 8, last = f == 4 ? 24 : 44;
        for (at = first; at < last; at++) {
            CONTEXT("IPv%u, byte %u", f, at);
            memcpy(q, quote[i], quoted[i]);
            q[at] ^= 0x40;
            tell(f, f == 4 ? 3 : 2, f == 4 ? 4 : 0, 1300, q, 600);
            others_unchanged(-1);
        }
        memcpy(q, quote[i], quoted[i]); /* not TCP at all */
        q[f == 4 ? 9 : 6] = 17;
        tell(f, f == 4 ? 3 : 2, f == 4 ? 4 : 0, 1300, q, 600);
        others_unchanged(-1);
        memcpy(q, quote[i], quoted[i]); /* nor of this version */
        q[0] ^= 0x20;
        tell(f, f == 4 ? 3 : 2, f == 4 ? 4 : 0, 1300, q, 600);
        others_unchanged(-1);
        /* RFC 5927 s4.1: what is not in flight is not believed. */
        for (at = 0; at < 4; at++) {
            static const uint32_t off[] = {0xFFFFFFFF, 0x80000000, 1400,
                                           100000};
            memcpy(q, quote[i], quoted[i]);
            dg_put32(q + (f == 4 ? 24 : 44),
                     dg_get32(q + (f == 4 ? 24 : 44)) + off[at]);
            tell(f, f == 4 ? 3 : 2, f == 4 ? 4 : 0, 1300, q, 600);
            CHECK_EQ(mtu_of(ps[i].c), 1500);
            others_unchanged(-1);
        }
    }
    host_stop(&h);
}

/* A router may have put options into what it quotes (RFC 1122 s3.2.2). */
TEST(quotation_with_options)
{
    uint32_t n;
    start(0);
    for (n = 4; n <= 40; n += 4) {
        uint8_t q[1700];
        uint32_t i = n / 4 * 2;
        CONTEXT("%u bytes of options", n);
        memcpy(q, quote[i], 20);
        memset(q + 20, 1, n);
        memcpy(q + 20 + n, quote[i] + 20, quoted[i] - 20);
        q[0] = (uint8_t)(0x45 + n / 4);
        dg_put16(q + 2, quoted[i] + n);
        dg_seal4(q);
        remember();
        CHECK_GE(tell(4, 3, 4, 1299, q, 28 + n), 0);
        CHECK_EQ(mtu_of(ps[i].c), 1299);
        others_unchanged((int)i);
        /* one byte less than eight of TCP's proves nothing */
        tell(4, 3, 4, 1250, q, 27 + n);
        CHECK_EQ(mtu_of(ps[i].c), 1299);
    }
    host_stop(&h);
}

TEST(quotation_truncated_anywhere)
{
    uint32_t i, n;
    start(0);
    remember();
    for (i = 0; i < 2; i++) {
        uint8_t f = ps[i].ip.family;
        for (n = 0; n < (f == 4 ? 28u : 48u); n++) {
            CONTEXT("IPv%u, %u bytes of it", f, n);
            tell(f, f == 4 ? 3 : 2, f == 4 ? 4 : 0, 1300, quote[i], n);
            CHECK_EQ(host_out(&h), 0u);
            others_unchanged(-1);
        }
        CHECK_GE(tell(f, f == 4 ? 3 : 2, f == 4 ? 4 : 0, 1300, quote[i], n),
                 0);
        CHECK_EQ(mtu_of(ps[i].c), 1300);
        others_unchanged((int)i);
        remember();
    }
    host_stop(&h);
}

/* An ICMP message cut off anywhere, its length as its IP header has it */
TEST(message_truncated_anywhere)
{
    uint32_t i, n;
    start(0);
    remember();
    for (i = 0; i < 2; i++) {
        uint8_t f = ps[i].ip.family;
        dg_ip ip;
        from_router(&ip, f);
        for (n = 0; n < 8; n++) {
            uint32_t at = dg_header(msg, &ip, n);
            CONTEXT("IPv%u, %u bytes", f, n);
            memset(msg + at, 0, 8);
            msg[at] = 3;
            if (n >= 4)
                seal(&ip, msg + at, n);
            host_in(&h, msg, at + n);
            CHECK_EQ(host_out(&h), 0u);
            others_unchanged(-1);
        }
    }
    host_stop(&h);
}

/* RFC 1122 s3.2.2 and RFC 4443 s2.3: damaged on the way */
TEST(checksum_is_verified)
{
    uint32_t i, bit, n;
    start(TCPSM_ECHO);
    remember();
    for (i = 0; i < 2; i++) {
        uint8_t f = ps[i].ip.family;
        dg_ip ip;
        uint32_t at = f == 4 ? 20 : 40;
        from_router(&ip, f);
        n = an_error(msg, &ip, f == 4 ? 3 : 2, f == 4 ? 4 : 0, 1300, quote[i],
                     100);
        for (bit = at * 8; bit < n * 8; bit++) {
            uint64_t d = host_info(&h).ip_dropped;
            CONTEXT("IPv%u, bit %u", f, bit);
            msg[bit / 8] ^= (uint8_t)(1u << bit % 8);
            host_in(&h, msg, n);
            msg[bit / 8] ^= (uint8_t)(1u << bit % 8);
            CHECK_NE(h.in.drop, 0);
            CHECK_EQ(host_info(&h).ip_dropped, d + 1);
            others_unchanged(-1);
        }
        if (f == 6) { /* the addresses are in the sum */
            msg[23] ^= 1;
            host_in(&h, msg, n);
            msg[23] ^= 1;
            others_unchanged(-1);
        }
        n = an_error(msg, &ip, f == 4 ? 8 : 128, 0, 0x00010001, quote[i], 56);
        for (bit = at * 8; bit < n * 8; bit++) {
            CONTEXT("IPv%u, echo, bit %u", f, bit);
            msg[bit / 8] ^= (uint8_t)(1u << bit % 8);
            host_in(&h, msg, n);
            msg[bit / 8] ^= (uint8_t)(1u << bit % 8);
            CHECK_EQ(host_out(&h), 0u);
        }
    }
    CHECK_EQ(host_info(&h).echoes, 0);
    host_stop(&h);
}

/* ---- hard and soft errors ----------------------------------------------- */

/* RFC 5927 s5.2: established connections survive them; and they hear. */
TEST(hard_errors_do_not_end_connections)
{
    static const uint8_t v4[][2] = {{3, 0},  {3, 1},  {3, 2},  {3, 3}, {3, 5},
                                    {3, 13}, {11, 0}, {11, 1}, {12, 0}};
    static const uint8_t v6[][2] = {{1, 0}, {1, 1}, {1, 3}, {1, 4},
                                    {3, 0}, {4, 0}, {4, 1}};
    uint32_t i, k, n, ev;
    start(0);
    for (i = 0; i < 2; i++) {
        uint8_t f = ps[i].ip.family;
        n = f == 4 ? sizeof v4 / 2 : sizeof v6 / 2;
        for (k = 0; k < n; k++) {
            uint8_t type = f == 4 ? v4[k][0] : v6[k][0];
            uint8_t code = f == 4 ? v4[k][1] : v6[k][1];
            struct tcpsm_info info;
            CONTEXT("IPv%u, type %u code %u", f, type, code);
            remember();
            CHECK_GE(tell(f, type, code, 0, quote[i], 64), 0);
            CHECK_EQ(tcpsm_state(ps[i].c), TCPSM_ESTABLISHED);
            CHECK_EQ(tcpsm_error(ps[i].c), 0);
            tcpsm_status(ps[i].c, &info);
            CHECK_EQ(info.soft_error, type << 4 | code);
            others_unchanged((int)i);
            CHECK(tcpsm_stack_next(h.st, &ev) == ps[i].c);
            CHECK_EQ(ev, TCPSM_EV_TROUBLE);
            CHECK(tcpsm_stack_next(h.st, &ev) == NULL);
        }
    }
    host_stop(&h);
}

/* They end what is being opened, that alone, and say so. */
TEST(hard_errors_end_handshakes)
{
    static const uint8_t hard4[] = {2, 3}, hard6[] = {1, 4};
    tcpsm_tuple t;
    uint32_t f, k, ev;
    start(0);
    for (f = 4; f <= 6; f += 2)
        for (k = 0; k < 2; k++) {
            tcpsm_conn *c, *d;
            CONTEXT("IPv%u, code %u", f, f == 4 ? hard4[k] : hard6[k]);
            memset(&t, 0, sizeof t);
            t.family = (uint8_t)f;
            memcpy(t.remote, ps[f == 4 ? 0 : 1].ip.src, 16);
            t.remote_port = 7777;
            CHECK_EQ(tcpsm_stack_connect(h.st, &t, NULL, &d, h.now), 0);
            CHECK_GT(host_out(&h), 0u);
            t.remote_port = 8888;
            CHECK_EQ(tcpsm_stack_connect(h.st, &t, NULL, &c, h.now), 0);
            CHECK_GT(host_out(&h), 0u);
            CHECK_EQ(h.v.dport, 8888);
            CHECK_EQ(h.v.flags & 0x3F, DG_SYN);
            memcpy(quote[0], h.buf, h.n);
            quoted[0] = h.n;
            remember();
            CHECK_GE(tell((uint8_t)f, f == 4 ? 3 : 1,
                          f == 4 ? hard4[k] : hard6[k], 0, quote[0],
                          quoted[0]),
                     0);
            CHECK_EQ(tcpsm_error(c), TCPSM_E_UNREACHABLE);
            CHECK_EQ(tcpsm_state(c), TCPSM_CLOSED);
            CHECK_EQ(tcpsm_state(d), TCPSM_SYN_SENT);
            others_unchanged(-1);
            CHECK(tcpsm_stack_next(h.st, &ev) == c);
            CHECK(ev & TCPSM_EV_ERROR);
            CHECK(ev & TCPSM_EV_DONE);
            CHECK(tcpsm_stack_next(h.st, &ev) == NULL);
            CHECK_EQ(host_out(&h), 0u);
            CHECK_EQ(tcpsm_stack_release(h.st, c), 0);
            CHECK_EQ(tcpsm_abort(d), 0);
            CHECK_EQ(tcpsm_stack_release(h.st, d), 0);
            host_drain(&h);
            while (tcpsm_stack_next(h.st, NULL) != NULL) {
            }
        }
    host_stop(&h);
}

/* RFC9293-MUST-55: source quench; and whatever else is no error. */
TEST(others_are_ignored)
{
    static const uint8_t v4[][2] = {{4, 0},  {5, 0},  {5, 1},  {0, 0},
                                    {8, 0},  {13, 0}, {14, 0}, {15, 0},
                                    {17, 0}, {18, 0}, {40, 0}, {255, 255}};
    static const uint8_t v6[][2] = {{0, 0},   {5, 0},   {100, 0},
                                    {128, 0}, {129, 0}, {133, 0},
                                    {135, 0}, {137, 0}, {255, 0}};
    uint32_t i, k, n;
    start(0);
    remember();
    for (i = 0; i < 2; i++) {
        uint8_t f = ps[i].ip.family;
        n = f == 4 ? sizeof v4 / 2 : sizeof v6 / 2;
        for (k = 0; k < n; k++) {
            CONTEXT("IPv%u, type %u", f, f == 4 ? v4[k][0] : v6[k][0]);
            CHECK_GE(tell(f, f == 4 ? v4[k][0] : v6[k][0],
                          f == 4 ? v4[k][1] : v6[k][1], 1300, quote[i], 64),
                     0);
            CHECK_EQ(host_out(&h), 0u);
            others_unchanged(-1);
        }
    }
    CHECK(tcpsm_stack_next(h.st, NULL) == NULL);
    host_stop(&h);
}

/* For an entry of the SYN table nothing is believed: the handshake goes
   on. Nor does anything come of one for a TIME-WAIT. */
TEST(half_open_and_time_wait)
{
    static peer p;
    uint32_t f, k, n;
    static const uint8_t type4[][2] = {{3, 2}, {3, 3}, {3, 4}, {3, 1}};
    static const uint8_t type6[][2] = {{1, 1}, {1, 4}, {2, 0}, {1, 0}};
    start(0);
    for (f = 4; f <= 6; f += 2)
        for (k = 0; k < 4; k++) {
            uint8_t type = f == 4 ? type4[k][0] : type6[k][0];
            uint8_t code = f == 4 ? type4[k][1] : type6[k][1];
            CONTEXT("IPv%u, type %u code %u", f, type, code);
            peer_init(&h, &p, (uint8_t)f, 500 + k, 80);
            CHECK_EQ(peer_send(&h, &p, p.snd_nxt, 0, DG_SYN, 0), 0);
            CHECK_GT(host_out(&h), 0u);
            memcpy(quote[0], h.buf, h.n);
            n = h.n;
            p.snd_nxt++;
            p.rcv_nxt = h.v.seq + 1;
            remember();
            CHECK_GE(tell((uint8_t)f, type, code, 1300, quote[0], n), 0);
            CHECK_EQ(host_out(&h), 0u);
            CHECK_EQ(host_info(&h).syns, 1);
            others_unchanged(-1);
            peer_say(&h, &p, 0, 0);
            p.c = tcpsm_stack_accept(h.st, NULL);
            CHECK(p.c != NULL);
            /* both FINs, ours first */
            CHECK_EQ(tcpsm_close(p.c), 0);
            CHECK_GT(host_out(&h), 0u);
            CHECK(h.v.flags & DG_FIN);
            memcpy(quote[0], h.buf, h.n);
            n = h.n;
            p.rcv_nxt++;
            peer_say(&h, &p, 0, DG_FIN);
            CHECK_GT(host_out(&h), 0u);
            CHECK_EQ(host_out(&h), 0u);
            CHECK_EQ(host_info(&h).timewaits, (f - 4) / 2 * 4 + k + 1);
            CHECK_EQ(tcpsm_stack_release(h.st, p.c), 0);
            while (tcpsm_stack_next(h.st, NULL) != NULL) {
            }
            CHECK_GE(tell((uint8_t)f, type, code, 1300, quote[0], n), 0);
            CHECK_EQ(host_out(&h), 0u);
            CHECK_EQ(host_info(&h).timewaits, (f - 4) / 2 * 4 + k + 1);
            others_unchanged(-1);
            CHECK(tcpsm_stack_next(h.st, NULL) == NULL);
            /* it still answers */
            CHECK_EQ(peer_send(&h, &p, p.snd_nxt - 1, p.rcv_nxt,
                               DG_FIN | DG_ACK, 0),
                     0);
            CHECK_GT(host_out(&h), 0u);
            CHECK_EQ(h.v.flags & 0x3F, DG_ACK);
        }
    host_stop(&h);
}

/* Unaccepted ones and orphans are connections, too. */
TEST(unaccepted_and_orphans)
{
    static peer p;
    uint8_t b[1000] = {0};
    uint32_t ev;
    tcpsm_conn *c;
    start(0);
    peer_accepted(&h, &p, 4, 600, 80);
    CHECK_EQ(tcpsm_send(p.c, b, sizeof b, 0), (int)sizeof b);
    CHECK_GT(host_out(&h), 0u);
    memcpy(quote[0], h.buf, h.n);
    CHECK_EQ(tcpsm_stack_release(h.st, p.c), 0);
    host_drain(&h);
    CHECK_EQ(host_info(&h).orphans, 1);
    CHECK_GE(tell(4, 3, 4, 900, quote[0], 28), 0);
    CHECK_GT(host_out(&h), 0u); /* again, and smaller */
    CHECK_LE(h.n, 900u);
    CHECK_GE(tell(4, 3, 3, 0, quote[0], 28), 0); /* hard, and harmless */
    CHECK_EQ(host_info(&h).orphans, 1);
    host_drain(&h);
    peer_open(&h, &p, 6, 601, 80);
    while (tcpsm_stack_next(h.st, NULL) != NULL) {
    }
    c = tcpsm_stack_accept(h.st, NULL);
    CHECK(c != NULL);
    CHECK(tcpsm_stack_next(h.st, &ev) == NULL || (ev & TCPSM_EV_ERROR) == 0);
    host_stop(&h);
}

/* ---- echo --------------------------------------------------------------- */

static uint8_t ping[DG_MAX];

/* An echo request with n bytes of data; its length */
static uint32_t a_ping(const dg_ip *ip, uint32_t n)
{
    static uint8_t data[DG_MAX];
    uint32_t i;
    for (i = 0; i < n; i++)
        data[i] = (uint8_t)(i * 5 + (i >> 8) + 1);
    return an_error(ping, ip, ip->family == 4 ? 8 : 128, 0, 0xABCD0000 + n,
                    data, n);
}

static uint32_t echoed(uint8_t family, uint32_t n)
{
    dg_ip ip;
    from_router(&ip, family);
    ip.tos = 0xB9; /* EF, ECT(1) */
    return a_ping(&ip, n);
}

/* The reply is here, and is right. */
static void pong(uint32_t n)
{
    uint32_t at = ping[0] >> 4 == 4 ? (ping[0] & 15u) * 4 : 40;
    CHECK_GT(host_out(&h), 0u);
    CHECK_EQ(h.v.proto, at == 40 ? 58 : 1);
    CHECK_EQ(h.v.len, 8 + n);
    CHECK_EQ(h.v.tos, 0xB8); /* RFC 1349 s5.1; not ECN */
    CHECK_MEM(h.v.src, at == 40 ? h.addr6 : h.addr4, at == 40 ? 16 : 4);
    CHECK_MEM(h.v.dst, ping + (at == 40 ? 8 : 12), at == 40 ? 16 : 4);
    CHECK_EQ(h.v.text[0], at == 40 ? 129 : 0);
    CHECK_EQ(h.v.text[1], 0);
    /* identifier, sequence number and all of the data */
    CHECK_MEM(h.v.text + 4, ping + at + 4, n + 4);
    CHECK_EQ(dg_add(at == 40 ? dg_pseudo(6, h.v.src, h.v.dst, 58, 8 + n) : 0,
                    h.v.text, 8 + n),
             0xFFFF);
    CHECK_EQ(h.out.hdr_len, h.v.ip_hdr + 8);
    CHECK_GE(h.v.ttl, 32);
    CHECK(h.out.conn == NULL);
    CHECK_EQ(host_out(&h), 0u);
}

TEST(echo_is_off_by_default)
{
    uint32_t f;
    start(0);
    for (f = 4; f <= 6; f += 2) {
        uint64_t d = host_info(&h).ip_dropped;
        CHECK_EQ(host_in(&h, ping, echoed((uint8_t)f, 56)), 0);
        CHECK_EQ(host_out(&h), 0u);
        CHECK_NE(h.in.drop, 0);
        CHECK_EQ(host_info(&h).ip_dropped, d + 1);
    }
    CHECK_EQ(host_info(&h).echoes, 0);
    host_stop(&h);
}

/* RFC 792, RFC 4443 s4.1: a request has code 0. */
TEST(echo_with_a_code)
{
    uint32_t f, code;
    start(TCPSM_ECHO);
    for (f = 4; f <= 6; f += 2)
        for (code = 1; code < 256; code += 51) {
            uint32_t n = echoed((uint8_t)f, 56);
            uint8_t *m = ping + (f == 4 ? 20 : 40);
            dg_ip ip;
            from_router(&ip, (uint8_t)f);
            m[1] = (uint8_t)code;
            seal(&ip, m, 64);
            CHECK_EQ(host_in(&h, ping, n), 0);
            CHECK_NE(h.in.drop, 0);
            CHECK_EQ(host_out(&h), 0u);
        }
    host_stop(&h);
}

TEST(echo_of_every_size)
{
    uint32_t f, n, k = 0;
    start(TCPSM_ECHO);
    for (f = 4; f <= 6; f += 2)
        for (n = 0; n <= 1500 - (f == 4 ? 28u : 48u);
             n += n < 70 || n > 1440 ? 1 : 61) {
            CONTEXT("IPv%u, %u bytes", f, n);
            CHECK_EQ(host_in(&h, ping, echoed((uint8_t)f, n)), 0);
            CHECK_EQ(h.in.drop, 0);
            pong(n);
            CHECK_EQ(host_info(&h).echoes, ++k);
        }
    remember();
    others_unchanged(-1);
    host_stop(&h);
}

/* Larger than the MTU could not come back in one piece: no answer. */
TEST(echo_too_large)
{
    static const uint32_t more[] = {1, 2, 100, 4000, 60000};
    uint32_t f, i;
    start(TCPSM_ECHO);
    h.cap = DG_MAX;
    for (f = 4; f <= 6; f += 2)
        for (i = 0; i < 5; i++) {
            uint64_t d = host_info(&h).ip_dropped;
            CONTEXT("IPv%u, %u beyond the MTU", f, more[i]);
            CHECK_EQ(host_in(&h, ping,
                             echoed((uint8_t)f,
                                    1500 - (f == 4 ? 28u : 48u) + more[i])),
                     0);
            CHECK_NE(h.in.drop, 0);
            CHECK_EQ(host_out(&h), 0u);
            CHECK_EQ(host_info(&h).ip_dropped, d + 1);
        }
    CHECK_EQ(host_info(&h).echoes, 0);
    host_stop(&h);
}

/* RFC 1122 s3.2.2.6 and s3.2.2; RFC 4443 s2.4: not for many, and not to
   where nobody is */
TEST(echo_never_to_or_from_many)
{
    static const uint8_t dst4[][4] = {{192, 0, 2, 255}, {255, 255, 255, 255},
                                      {224, 0, 0, 1},   {192, 0, 2, 0},
                                      {0, 0, 0, 0},     {192, 0, 2, 77},
                                      {127, 0, 0, 1}};
    static const uint8_t src4[][4] = {{192, 0, 2, 255}, {255, 255, 255, 255},
                                      {224, 0, 0, 1},   {0, 0, 0, 0},
                                      {127, 0, 0, 1},   {192, 0, 2, 0}};
    static const uint8_t bad6[][16] = {
        {0xff, 2, [15] = 1}, {0xff, 1, [15] = 1}, {0}, {[15] = 1}};
    uint32_t i;
    dg_ip ip;
    start(TCPSM_ECHO);
    for (i = 0; i < sizeof dst4 / 4; i++) {
        CONTEXT("to IPv4 %u", i);
        from_router(&ip, 4);
        memcpy(ip.dst, dst4[i], 4);
        CHECK_EQ(host_in(&h, ping, a_ping(&ip, 56)), 0);
        CHECK_EQ(host_out(&h), 0u);
    }
    for (i = 0; i < sizeof src4 / 4; i++) {
        CONTEXT("from IPv4 %u", i);
        from_router(&ip, 4);
        memcpy(ip.src, src4[i], 4);
        CHECK_EQ(host_in(&h, ping, a_ping(&ip, 56)), 0);
        CHECK_EQ(host_out(&h), 0u);
    }
    for (i = 0; i < 8; i++) {
        CONTEXT("IPv6 %u", i);
        from_router(&ip, 6);
        memcpy(i < 4 ? ip.dst : ip.src, bad6[i & 3], 16);
        CHECK_EQ(host_in(&h, ping, a_ping(&ip, 56)), 0);
        CHECK_EQ(host_out(&h), 0u);
    }
    /* and what came by a link broadcast */
    for (i = 4; i <= 6; i += 2) {
        CONTEXT("link broadcast, IPv%u", i);
        h.in_flags = TCPSM_IN_LINK_BROADCAST;
        CHECK_EQ(host_in(&h, ping, echoed((uint8_t)i, 56)), 0);
        CHECK_EQ(host_out(&h), 0u);
        h.in_flags = 0;
    }
    CHECK_EQ(host_info(&h).echoes, 0);
    host_stop(&h);
}

/* A flood of them: one or a few wait, the rest is counted; no reply is
   mixed from two; resets and connections go out beside it. */
TEST(echo_flood)
{
    uint32_t i, f, replies = 0;
    uint64_t lost;
    start(TCPSM_ECHO);
    for (i = 0; i < 200; i++) {
        f = i & 1 ? 4 : 6;
        CHECK_EQ(host_in(&h, ping, echoed((uint8_t)f, 100 + i)), 0);
    }
    while (host_out(&h) > 0) {
        uint32_t n = h.v.len - 8, k;
        if (h.v.proto == 6)
            continue;
        replies++;
        for (k = 0; k < n; k++)
            CHECK_EQ(h.v.text[8 + k], (uint8_t)(k * 5 + (k >> 8) + 1));
        CHECK_EQ(dg_get32(h.v.text + 4), 0xABCD0000 + n);
    }
    lost = host_info(&h).replies_lost + host_info(&h).ip_dropped;
    CHECK_GE(replies, 1u);
    CHECK_GE(lost + replies, 200u);
    CHECK_EQ(host_info(&h).echoes, replies);
    host_stop(&h);
}

/* It goes out by ip_output alone: tcpsm_stack_output gives segments, and
   counts the reply as lost. */
TEST(echo_and_stack_output)
{
    tcpsm_out out = TCPSM_ZERO;
    static uint8_t b[2000];
    uint64_t lost;
    start(TCPSM_ECHO);
    CHECK_EQ(host_in(&h, ping, echoed(4, 56)), 0);
    CHECK_EQ(tcpsm_stack_deadline(h.st), 0);
    out.buf = b;
    out.cap = sizeof b;
    lost = host_info(&h).replies_lost;
    CHECK_EQ(tcpsm_stack_output(h.st, &out, h.now), 0);
    CHECK_EQ(host_info(&h).replies_lost, lost + 1);
    CHECK_EQ(tcpsm_stack_output(h.st, &out, h.now), 0);
    CHECK_EQ(host_info(&h).replies_lost, lost + 1);
    host_stop(&h);
}

/* cap smaller than the reply: E_SPACE and it stays, or it is dropped; but
   not a byte beyond cap */
TEST(echo_cap)
{
    tcpsm_out out = TCPSM_ZERO;
    uint8_t *b = (uint8_t *)malloc(TCPSM_MIN_CAP + 40);
    tcpsm_ret r;
    start(TCPSM_ECHO);
    CHECK_EQ(host_in(&h, ping, echoed(4, 1000)), 0);
    out.buf = b;
    out.cap = TCPSM_MIN_CAP + 40;
    r = tcpsm_ip_output(h.st, &out, h.now);
    CHECK(r == TCPSM_E_SPACE || r == 0);
    free(b);
    h.cap = 2000;
    if (r == TCPSM_E_SPACE)
        pong(1000);
    host_stop(&h);
}

/* A datagram out for each that comes in, and all that come are pings: the
   connections have their turns all the same, and their timers run. */
TEST(echo_takes_turns)
{
    uint32_t i, turn, spoke = 0, pongs = 0;
    uint8_t b[1000] = {0};
    start(TCPSM_ECHO);
    for (i = 0; i < MANY; i++) {
        ps[i].rcv_nxt += 1400;
        peer_say(&h, &ps[i], i < MANY / 2 ? 0 : 50, 0);
    }
    host_settle(&h);
    for (i = 0; i < MANY / 2; i++)
        CHECK_EQ(tcpsm_send(ps[i].c, b, sizeof b, 0), (int)sizeof b);
    for (turn = 0; turn < 500; turn++) {
        h.now += 1000;
        for (i = 0; i < 2; i++)
            host_in(&h, ping, echoed(i ? 6 : 4, 56));
        if (host_out(&h) > 0) {
            spoke += h.v.proto == 6;
            pongs += h.v.proto != 6;
        }
    }
    /* data and delayed ACKs */
    CHECK_GE(spoke, (uint32_t)MANY);
    CHECK_GE(pongs, 100u);
    host_stop(&h);
}
