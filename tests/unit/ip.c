/* The IPv4 and IPv6 helpers, in and out: RFC 791, 1122 s3.2, 6864 and 6946
   (IPv4), 8200, 6437 and 6946 (IPv6). What is malformed, a fragment or not
   for us is dropped, counted and answered by nothing, and no byte beyond
   the datagram is read: each is an exact copy on the heap. */

#include "test.h"
#include "tcpsm.h"

#include "datagram.h"

static host h;
static peer p;
static uint8_t buf[DG_MAX];

static void start(void)
{
    tcpsm_stack_config cfg = host_config();
    host_start(&h, &cfg);
    host_listen(&h, 80);
}

static uint64_t dropped(void)
{
    return host_info(&h).ip_dropped;
}

/* n bytes of q are a datagram that nothing comes of but a count. */
static void refused(const uint8_t *q, uint32_t n)
{
    uint64_t was = dropped();
    CHECK_EQ(host_in(&h, q, n), 0);
    CHECK_EQ(h.in.drop, TCPSM_DROP_IP);
    CHECK(h.in.conn == NULL);
    CHECK_EQ(dropped(), was + 1);
    CHECK_EQ(host_out(&h), 0);
    CHECK_EQ(host_info(&h).syns, 0);
}

/* ... are a good one, but nothing is in it. */
static void empty(const uint8_t *q, uint32_t n)
{
    CHECK_EQ(host_in(&h, q, n), 0);
    CHECK(h.in.drop == TCPSM_DROP_IP || h.in.drop == TCPSM_DROP_SHORT);
    CHECK(h.in.conn == NULL);
    CHECK_EQ(host_out(&h), 0);
    CHECK_EQ(host_info(&h).syns, 0);
}

/* ... and these a SYN, which is answered. */
static void taken(const uint8_t *q, uint32_t n)
{
    uint64_t was = dropped();
    CHECK_EQ(host_in(&h, q, n), 0);
    CHECK_EQ(h.in.drop, 0);
    CHECK_EQ(dropped(), was);
    CHECK_GT(host_out(&h), 0u);
    CHECK_EQ(h.v.flags & 0x3F, DG_SYN | DG_ACK);
    CHECK_EQ(h.v.ack, p.snd_nxt + 1);
    /* it goes away again, so that the next is a new one */
    CHECK_EQ(peer_send(&h, &p, p.snd_nxt + 1, 0, DG_RST, 0), 0);
    CHECK_EQ(host_info(&h).syns, 0);
    CHECK_EQ(host_out(&h), 0);
}

static uint32_t a_syn(uint8_t family)
{
    peer_init(&h, &p, family, 1, 80);
    return peer_make(&p, buf, p.snd_nxt, 0, DG_SYN, 0);
}

/* ---- IPv4 in ------------------------------------------------------------ */

TEST(ip4_syn_is_answered)
{
    start();
    taken(buf, a_syn(4));
    host_stop(&h);
}

/* RFC 1122 s3.2.1.1: another version is silently discarded. */
TEST(ip4_version)
{
    uint32_t v, n;
    start();
    n = a_syn(4);
    for (v = 0; v < 16; v++) {
        if (v == 4)
            continue;
        CONTEXT("version %u", v);
        buf[0] = (uint8_t)(v << 4 | 5);
        dg_seal4(buf);
        refused(buf, n);
    }
    host_stop(&h);
}

/* RFC 1122 s3.2.1.2: the header checksum is verified. */
TEST(ip4_header_checksum)
{
    uint32_t n, bit, i;
    start();
    n = a_syn(4);
    for (bit = 0; bit < 160; bit++) {
        CONTEXT("bit %u", bit);
        buf[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        refused(buf, n);
        buf[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
    }
    for (i = 1; i < 0x10000; i += 97) {
        CONTEXT("checksum + %u", i);
        dg_seal4(buf);
        dg_put16(buf + 10, (dg_get16(buf + 10) + i) & 0xFFFF);
        if (dg_add(0, buf, 20) != 0xFFFF)
            refused(buf, n);
    }
    dg_seal4(buf);
    taken(buf, n);
    host_stop(&h);
}

/* A header checksum of all ones and all zeros are the same sum. */
TEST(ip4_header_checksum_zero)
{
    uint32_t n, id;
    start();
    n = a_syn(4);
    for (id = 0; id < 0x10000; id++) {
        dg_put16(buf + 4, id);
        dg_seal4(buf);
        if (dg_get16(buf + 10) == 0)
            break;
    }
    CHECK_LT(id, 0x10000u);
    taken(buf, n);
    dg_put16(buf + 10, 0xFFFF);
    taken(buf, n);
    host_stop(&h);
}

TEST(ip4_header_length)
{
    uint32_t ihl, n;
    start();
    n = a_syn(4);
    for (ihl = 0; ihl < 5; ihl++) {
        CONTEXT("IHL %u", ihl);
        buf[0] = (uint8_t)(0x40 | ihl);
        dg_seal4(buf);
        refused(buf, n);
    }
    /* beyond the end of it: 44 bytes are all there is */
    CHECK_EQ(n, 44);
    for (ihl = 12; ihl < 16; ihl++) {
        CONTEXT("IHL %u", ihl);
        buf[0] = (uint8_t)(0x40 | ihl);
        dg_put16(buf + 10, 0);
        refused(buf, n);
    }
    host_stop(&h);
}

/* The header says how long the datagram is: a frame's padding is none of
   it, and what is not there cannot be made up for. */
TEST(ip4_total_length)
{
    uint32_t n, total;
    start();
    n = a_syn(4);
    for (total = 0; total < 20; total++) {
        CONTEXT("total %u", total);
        dg_put16(buf + 2, total);
        dg_seal4(buf);
        refused(buf, n);
    }
    for (total = n + 1; total < 0x10000; total += total < 100 ? 1 : 977) {
        CONTEXT("total %u", total);
        dg_put16(buf + 2, total);
        dg_seal4(buf);
        refused(buf, n);
    }
    host_stop(&h);
}

TEST(ip4_truncated_anywhere)
{
    uint32_t n, cut;
    static const uint8_t opt[40] = {1, 1, 1, 1};
    start();
    n = a_syn(4);
    for (cut = 0; cut < n; cut++) {
        CONTEXT("%u of %u bytes", cut, n);
        refused(buf, cut);
    }
    p.ip.opt = opt;
    p.ip.opt_n = 40;
    n = peer_make(&p, buf, p.snd_nxt, 0, DG_SYN, 0);
    for (cut = 0; cut < n; cut++) {
        CONTEXT("%u of %u bytes, options", cut, n);
        refused(buf, cut);
    }
    host_stop(&h);
}

TEST(ip4_padding_is_trimmed)
{
    uint8_t got[64];
    uint32_t n, pad;
    start();
    for (pad = 1; pad < 70; pad++) {
        CONTEXT("%u bytes of padding", pad);
        n = a_syn(4);
        memset(buf + n, 0x5A, pad);
        taken(buf, n + pad);
    }
    CONTEXT("%s", "");
    peer_accepted(&h, &p, 4, 2, 80);
    n = peer_make(&p, buf, p.snd_nxt, p.rcv_nxt, DG_ACK, 0);
    memset(buf + n, 0x5A, 6); /* Ethernet's smallest frame */
    CHECK_EQ(host_in(&h, buf, n + 6), 0);
    CHECK_EQ(h.in.drop, 0);
    CHECK_EQ(tcpsm_receive(p.c, got, sizeof got), 0);
    n = peer_make(&p, buf, p.snd_nxt, p.rcv_nxt, DG_ACK, 3);
    memset(buf + n, 0x5A, 3);
    CHECK_EQ(host_in(&h, buf, n + 3), 0);
    CHECK_EQ(h.in.drop, 0);
    CHECK_EQ(tcpsm_receive(p.c, got, sizeof got), 3);
    host_stop(&h);
}

/* RFC9293-MUST-50: options are passed over, whatever they are. */
TEST(ip4_options_are_passed_over)
{
    static const uint8_t opt[][40] = {
        {1, 1, 1, 1},          /* no-operation */
        {0},                   /* end of the list */
        {148, 4, 0, 0},        /* router alert */
        {7, 39, 4},            /* record route */
        {68, 40, 5, 0},        /* timestamp */
        {0x99, 0, 0xFF, 0xFF}, /* length 0 */
        {0x99, 1, 0xFF, 0xFF},
        {0x99, 255, 1, 1} /* and beyond the end */
    };
    uint32_t i, n, len;
    start();
    for (i = 0; i < sizeof opt / sizeof opt[0]; i++)
        for (len = 4; len <= 40; len += 4) {
            CONTEXT("options %u, %u bytes", i, len);
            a_syn(4);
            p.ip.opt = opt[i];
            p.ip.opt_n = len;
            n = peer_make(&p, buf, p.snd_nxt, 0, DG_SYN, 0);
            taken(buf, n);
        }
    host_stop(&h);
}

/* The checksum covers the options. */
TEST(ip4_options_are_summed)
{
    static const uint8_t opt[8] = {148, 4, 0, 0, 1, 1, 1, 0};
    uint32_t n, i;
    start();
    a_syn(4);
    p.ip.opt = opt;
    p.ip.opt_n = 8;
    n = peer_make(&p, buf, p.snd_nxt, 0, DG_SYN, 0);
    for (i = 20; i < 28; i++) {
        buf[i] ^= 0x20;
        refused(buf, n);
        buf[i] ^= 0x20;
    }
    taken(buf, n);
    host_stop(&h);
}

TEST(ip4_fragments_are_refused)
{
    static const uint16_t frag[] = {0x2000, 0x2001, 0x0001, 0x1FFF,
                                    0x3FFF, 0x6000, 0x4001, 0x5FFF,
                                    0xA000, 0x8001, 0x0100};
    uint32_t i, n;
    start();
    for (i = 0; i < sizeof frag / sizeof *frag; i++) {
        CONTEXT("flags and offset %04x", frag[i]);
        a_syn(4);
        p.ip.frag = frag[i];
        n = peer_make(&p, buf, p.snd_nxt, 0, DG_SYN, 0);
        refused(buf, n);
    }
    /* DF or not, and RFC 6864: any ID, it means nothing */
    for (i = 0; i < 0x10000; i += 4369) {
        CONTEXT("id %04x", i);
        a_syn(4);
        p.ip.frag = i & 1 ? 0x4000 : 0;
        p.ip.id = (uint16_t)i;
        n = peer_make(&p, buf, p.snd_nxt, 0, DG_SYN, 0);
        taken(buf, n);
    }
    host_stop(&h);
}

/* RFC 1122 s3.2.1.7: not discarded because its TTL is below 2. */
TEST(ip_any_ttl_in)
{
    uint32_t i;
    start();
    for (i = 0; i < 512; i += i < 8 ? 1 : 83) {
        CONTEXT("TTL %u", i / 2);
        a_syn(i & 1 ? 6 : 4);
        p.ip.ttl = (uint8_t)(i / 2);
        taken(buf, peer_make(&p, buf, p.snd_nxt, 0, DG_SYN, 0));
    }
    host_stop(&h);
}

/* RFC 1122 s3.2.1.3: what is not for us, or from where nobody is. */
TEST(ip4_addresses)
{
    static const uint8_t dst[][4] = {
        {192, 0, 2, 2},       {192, 0, 2, 255},   {192, 0, 2, 0},
        {255, 255, 255, 255}, {224, 0, 0, 1},     {0, 0, 0, 0},
        {127, 0, 0, 1},       {239, 255, 255, 1}, {10, 0, 0, 1}};
    static const uint8_t src[][4] = {{192, 0, 2, 255}, {255, 255, 255, 255},
                                     {224, 0, 0, 1},   {0, 0, 0, 0},
                                     {127, 0, 0, 1},   {192, 0, 2, 1}};
    uint32_t i;
    start();
    for (i = 0; i < sizeof dst / sizeof dst[0]; i++) {
        CONTEXT("to %u.%u.%u.%u", dst[i][0], dst[i][1], dst[i][2], dst[i][3]);
        a_syn(4);
        memcpy(p.ip.dst, dst[i], 4);
        CHECK_EQ(peer_send(&h, &p, p.snd_nxt, 0, DG_SYN, 0), 0);
        CHECK_NE(h.in.drop, 0);
        CHECK_EQ(host_out(&h), 0);
    }
    for (i = 0; i < sizeof src / sizeof src[0]; i++) {
        CONTEXT("from %u.%u.%u.%u", src[i][0], src[i][1], src[i][2],
                src[i][3]);
        a_syn(4);
        memcpy(p.ip.src, src[i], 4);
        p.port = i == 5 ? 80 : p.port; /* LAND */
        CHECK_EQ(peer_send(&h, &p, p.snd_nxt, 0, DG_SYN, 0), 0);
        CHECK_NE(h.in.drop, 0);
        CHECK_EQ(host_out(&h), 0);
    }
    CHECK_EQ(host_info(&h).syns, 0);
    host_stop(&h);
}

/* Neither TCP nor ICMP is nobody's here, and is not answered. */
TEST(ip_other_protocols)
{
    static const uint8_t proto[] = {0,  1,  2,  17,  41, 50,
                                    58, 59, 89, 132, 255};
    uint32_t i, f, n;
    start();
    for (i = 0; i < sizeof proto; i++)
        for (f = 4; f <= 6; f += 2) {
            CONTEXT("protocol %u over IPv%u", proto[i], f);
            n = a_syn((uint8_t)f);
            p.ip.proto = proto[i];
            dg_header(buf, &p.ip, n - (f == 4 ? 20 : 40));
            CHECK_EQ(host_in(&h, buf, n), 0);
            CHECK_NE(h.in.drop, 0);
            CHECK_EQ(host_out(&h), 0);
            CHECK_EQ(host_info(&h).syns, 0);
        }
    CHECK_GE(dropped(), 2 * sizeof proto - 2);
    host_stop(&h);
}

/* ---- IPv6 in ------------------------------------------------------------ */

TEST(ip6_syn_is_answered)
{
    start();
    taken(buf, a_syn(6));
    host_stop(&h);
}

TEST(ip6_version)
{
    uint32_t v, n;
    start();
    n = a_syn(6);
    for (v = 0; v < 16; v++) {
        if (v == 6)
            continue;
        CONTEXT("version %u", v);
        buf[0] = (uint8_t)(v << 4);
        refused(buf, n);
    }
    host_stop(&h);
}

TEST(ip6_truncated_anywhere)
{
    uint32_t n, cut;
    start();
    n = a_syn(6);
    for (cut = 0; cut < n; cut++) {
        CONTEXT("%u of %u bytes", cut, n);
        refused(buf, cut);
    }
    host_stop(&h);
}

/* Payload length 0 is a jumbogram (RFC 2675), which this is not for, or
   nothing at all. */
TEST(ip6_payload_length)
{
    uint32_t n, len;
    start();
    n = a_syn(6);
    dg_put16(buf + 4, 0);
    empty(buf, n);
    empty(buf, 40);
    for (len = n - 40 + 1; len < 0x10000; len += len < 100 ? 1 : 977) {
        CONTEXT("payload length %u", len);
        dg_put16(buf + 4, len);
        refused(buf, n);
    }
    for (len = 1; len < 70; len++) {
        CONTEXT("%u bytes of padding", len);
        n = a_syn(6);
        memset(buf + n, 0x5A, len);
        taken(buf, n + len);
    }
    host_stop(&h);
}

TEST(ip6_padding_is_no_payload)
{
    uint8_t got[64];
    uint32_t n;
    start();
    peer_accepted(&h, &p, 6, 2, 80);
    n = peer_make(&p, buf, p.snd_nxt, p.rcv_nxt, DG_ACK, 3);
    memset(buf + n, 0x5A, 9);
    CHECK_EQ(host_in(&h, buf, n + 9), 0);
    CHECK_EQ(h.in.drop, 0);
    CHECK_EQ(tcpsm_receive(p.c, got, sizeof got), 3);
    host_stop(&h);
}

TEST(ip6_addresses)
{
    static const uint8_t bad[][16] = {
        {0xff, 2, [15] = 1},                 /* multicast */
        {0},                                 /* unspecified */
        {[15] = 1},                          /* loopback */
        {0x20, 1, 0xd, 0xb8, 0, 9, [15] = 1} /* another host */
    };
    uint32_t i;
    start();
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CONTEXT("address %u", i);
        a_syn(6);
        memcpy(p.ip.dst, bad[i], 16);
        CHECK_EQ(peer_send(&h, &p, p.snd_nxt, 0, DG_SYN, 0), 0);
        CHECK_NE(h.in.drop, 0);
        CHECK_EQ(host_out(&h), 0);
        a_syn(6);
        if (i == 3)
            continue;
        memcpy(p.ip.src, bad[i], 16);
        CHECK_EQ(peer_send(&h, &p, p.snd_nxt, 0, DG_SYN, 0), 0);
        CHECK_NE(h.in.drop, 0);
        CHECK_EQ(host_out(&h), 0);
    }
    CHECK_EQ(host_info(&h).syns, 0);
    host_stop(&h);
}

/* ---- extension headers -------------------------------------------------- */

enum {
    HOP = 0,
    ROUTE = 43,
    FRAGMENT = 44,
    ESP = 50,
    AUTH = 51,
    NONE = 59,
    DEST = 60
};

typedef struct {
    uint8_t type;
    uint32_t n; /* bytes, of it all */
} chain_part;

static uint8_t chain[2048];

/* Extension headers of these types and lengths, filled with PadN; returns
   the length of all. Sets p.ip for them. */
static uint32_t chained(const chain_part *part, uint32_t parts)
{
    uint32_t i, at = 0;
    memset(chain, 0, sizeof chain);
    for (i = 0; i < parts; i++) {
        uint8_t *q = chain + at;
        q[0] = i + 1 < parts ? part[i + 1].type : 6;
        if (part[i].type == AUTH) {
            q[1] = (uint8_t)(part[i].n / 4 - 2); /* RFC 4302 s2.2 */
            memset(q + 2, 0x77, part[i].n - 2);
        } else if (part[i].type != FRAGMENT) {
            q[1] = (uint8_t)(part[i].n / 8 - 1);
            if (part[i].type != ROUTE) {
                uint32_t o;
                for (o = 2; o < part[i].n;) { /* PadN has 255 at most */
                    uint32_t left = part[i].n - o, k;
                    if (left == 1) {
                        q[o++] = 0;
                        continue;
                    }
                    k = left - 2 < 250 ? left - 2 : 250;
                    q[o] = 1;
                    q[o + 1] = (uint8_t)k;
                    o += 2 + k;
                }
            }
        }
        at += part[i].n;
    }
    p.ip.ext = chain;
    p.ip.ext_n = at;
    p.ip.ext_first = parts ? part[0].type : 6;
    return at;
}

static uint32_t chained_syn(const chain_part *part, uint32_t parts)
{
    a_syn(6);
    chained(part, parts);
    return peer_make(&p, buf, p.snd_nxt, 0, DG_SYN, 0);
}

TEST(ip6_extension_headers_are_passed_over)
{
    static const chain_part one[][1] = {
        {{HOP, 8}},      {{HOP, 64}},   {{HOP, 2048}}, {{DEST, 8}},
        {{DEST, 2048}},  {{ROUTE, 8}},  {{ROUTE, 24}}, {{ROUTE, 2048}},
        {{AUTH, 16}},    {{AUTH, 24}},  {{AUTH, 32}},  {{AUTH, 64}},
        {{FRAGMENT, 8}}, {{AUTH, 1024}}};
    /* RFC 8200 s4.1: the order that it recommends, all of them */
    static const chain_part all[] = {{HOP, 8},      {DEST, 16}, {ROUTE, 24},
                                     {FRAGMENT, 8}, {AUTH, 24}, {DEST, 8}};
    uint32_t i, n;
    start();
    for (i = 0; i < sizeof one / sizeof one[0]; i++) {
        CONTEXT("header %u of %u bytes", one[i][0].type, one[i][0].n);
        n = chained_syn(one[i], 1);
        taken(buf, n);
    }
    CONTEXT("%s", "");
    n = chained_syn(all, 6);
    taken(buf, n);
    host_stop(&h);
}

TEST(ip6_extension_headers_truncated_anywhere)
{
    static const chain_part some[][3] = {
        {{HOP, 16}, {DEST, 24}, {DEST, 8}},
        {{ROUTE, 8}, {AUTH, 24}, {DEST, 16}},
        {{HOP, 8}, {FRAGMENT, 8}, {AUTH, 16}},
        {{DEST, 8}, {ROUTE, 24}, {FRAGMENT, 8}}};
    uint32_t i, n, cut, ext;
    start();
    for (i = 0; i < sizeof some / sizeof some[0]; i++) {
        n = chained_syn(some[i], 3);
        ext = p.ip.ext_n;
        for (cut = 0; cut < n; cut++) {
            CONTEXT("chain %u, %u of %u bytes", i, cut, n);
            dg_put16(buf + 4, n - 40);
            refused(buf, cut);
            /* and the payload length says so, too */
            if (cut > 40 && cut < 40 + ext) {
                dg_put16(buf + 4, cut - 40);
                refused(buf, cut);
            }
        }
    }
    host_stop(&h);
}

/* A length beyond the payload, although bytes follow in the buffer */
TEST(ip6_extension_header_beyond_the_payload)
{
    static const uint8_t types[] = {HOP, ROUTE, DEST, AUTH};
    uint32_t i, n, len;
    start();
    for (i = 0; i < sizeof types; i++) {
        chain_part one = {types[i], 16};
        n = chained_syn(&one, 1);
        for (len = 0; len < 256; len++) {
            uint32_t bytes = types[i] == AUTH ? len * 4 + 8 : len * 8 + 8;
            if (bytes <= n - 40)
                continue;
            CONTEXT("header %u, length field %u", types[i], len);
            buf[41] = (uint8_t)len;
            memset(buf + n, 6, 3000);
            refused(buf, n);
            refused(buf, n + 3000);
        }
    }
    host_stop(&h);
}

TEST(ip6_fragments_are_refused)
{
    static const uint16_t frag[] = {0x0001, 0x0008, 0xFFF8,
                                    0xFFF9, 0x0100, 0x0009};
    static const uint16_t atomic[] = {0x0000, 0x0002, 0x0004, 0x0006};
    chain_part one = {FRAGMENT, 8};
    uint32_t i, n;
    start();
    for (i = 0; i < sizeof frag / sizeof *frag; i++) {
        CONTEXT("offset and M %04x", frag[i]);
        n = chained_syn(&one, 1);
        dg_put16(buf + 42, frag[i]);
        refused(buf, n);
    }
    /* RFC 6946: offset 0 and no more is a whole datagram; the two bits
       between are reserved and ignored (RFC 8200 s4.5), so is the byte
       before, and the identification is anything */
    for (i = 0; i < sizeof atomic / sizeof *atomic; i++) {
        CONTEXT("offset and M %04x", atomic[i]);
        n = chained_syn(&one, 1);
        buf[41] = (uint8_t)(i * 77);
        dg_put16(buf + 42, atomic[i]);
        dg_put32(buf + 44, 0xDEADBEEF);
        taken(buf, n);
    }
    host_stop(&h);
}

/* RFC 8200 s4.4: with segments left, this is not where it was going. */
TEST(ip6_routing_header_with_segments_left)
{
    chain_part one = {ROUTE, 24};
    uint32_t i, n, type;
    start();
    for (type = 0; type < 6; type++)
        for (i = 1; i < 256; i += i < 3 ? 1 : 51) {
            CONTEXT("type %u, %u left", type, i);
            n = chained_syn(&one, 1);
            buf[42] = (uint8_t)type;
            buf[43] = (uint8_t)i;
            refused(buf, n);
        }
    for (type = 0; type < 6; type++) {
        CONTEXT("type %u, none left", type);
        n = chained_syn(&one, 1);
        buf[42] = (uint8_t)type;
        taken(buf, n);
    }
    host_stop(&h);
}

/* RFC 8200 s4.3: hop-by-hop options come directly after the header. */
TEST(ip6_hop_by_hop_is_first)
{
    static const chain_part late[][2] = {{{DEST, 8}, {HOP, 8}},
                                         {{HOP, 8}, {HOP, 8}},
                                         {{FRAGMENT, 8}, {HOP, 8}}};
    uint32_t i, n;
    start();
    for (i = 0; i < sizeof late / sizeof late[0]; i++) {
        CONTEXT("chain %u", i);
        n = chained_syn(late[i], 2);
        refused(buf, n);
    }
    host_stop(&h);
}

TEST(ip6_no_next_header_and_others)
{
    static const uint8_t next[] = {NONE, ESP, 17,  41, 135,
                                   139,  140, 253, 255};
    chain_part two[] = {{HOP, 8}, {DEST, 8}};
    uint32_t i, n;
    start();
    for (i = 0; i < sizeof next; i++) {
        CONTEXT("next header %u", next[i]);
        n = chained_syn(two, 2);
        buf[48] = next[i];
        refused(buf, n);
        n = chained_syn(two, 1);
        buf[40] = next[i];
        refused(buf, n);
        n = a_syn(6);
        buf[6] = next[i];
        refused(buf, n);
    }
    /* a chain that ends in nothing */
    n = chained_syn(two, 2);
    dg_put16(buf + 4, 16);
    empty(buf, n);
    empty(buf, 56);
    host_stop(&h);
}

/* Hundreds of them are an attack, not a datagram (RFC 7045 s2.1 and
   RFC 8504 s5.3 let a host say where it stops). */
TEST(ip6_extension_headers_are_bounded)
{
    static chain_part many[256];
    uint32_t i, n;
    start();
    for (i = 0; i < 256; i++) {
        many[i].type = DEST;
        many[i].n = 8;
    }
    n = chained_syn(many, 200);
    refused(buf, n);
    n = chained_syn(many, 256);
    refused(buf, n);
    n = chained_syn(many, 4);
    taken(buf, n);
    host_stop(&h);
}

/* RFC 2675: refused, in whichever form. */
TEST(ip6_jumbo_is_refused)
{
    chain_part one = {HOP, 8};
    uint32_t n;
    start();
    n = chained_syn(&one, 1);
    buf[42] = 0xC2;
    buf[43] = 4;
    dg_put32(buf + 44, n - 40);
    dg_put16(buf + 4, 0);
    refused(buf, n);
    dg_put16(buf + 4, n - 40); /* "must be 0" */
    refused(buf, n);
    host_stop(&h);
}

/* RFC 8200 s4.2: the two highest bits of an option that nobody knows say
   what becomes of the datagram: 00 passes over it, the others discard. */
TEST(ip6_options_that_nobody_knows)
{
    static const uint8_t types[] = {HOP, DEST};
    uint32_t i, n, o;
    start();
    for (i = 0; i < 2; i++)
        for (o = 2; o < 256; o++) {
            chain_part one = {types[i], 16};
            CONTEXT("option %02x in header %u", o, types[i]);
            n = chained_syn(&one, 1);
            buf[42] = 1; /* PadN first */
            buf[43] = 1;
            buf[44] = 0;
            buf[45] = (uint8_t)o;
            buf[46] = 2;
            buf[49] = 1;
            buf[50] = 5;
            if (o < 0x40)
                taken(buf, n);
            else
                refused(buf, n);
        }
    host_stop(&h);
}

/* RFC 8504 s5.3 lets a host limit them, so that a header of 2048 octets of
   padding costs no more than another. */
TEST(ip6_options_are_sixteen_at_most)
{
    uint32_t n, i;
    start();
    for (i = 0; i < 2; i++) {
        chain_part one = {HOP, 24};
        CONTEXT("%u options", 16 + i);
        n = chained_syn(&one, 1);
        memset(buf + 42, 0, 15); /* Pad1 */
        buf[57] = i == 0 ? 1 : 0;
        buf[58] = i == 0 ? 5 : 1;
        buf[59] = i == 0 ? 0 : 3;
        memset(buf + 60, 0, 4);
        if (i == 0)
            taken(buf, n);
        else
            refused(buf, n);
    }
    host_stop(&h);
}

/* ---- TOS, traffic class, ECN -------------------------------------------- */

TEST(ip_tos_in)
{
    struct tcpsm_info info;
    uint32_t f, tos;
    start();
    for (f = 4; f <= 6; f += 2) {
        peer_accepted(&h, &p, (uint8_t)f, 10 + f, 80);
        for (tos = 0; tos < 256; tos++) {
            CONTEXT("IPv%u, tos %02x", f, tos);
            p.ip.tos = (uint8_t)tos;
            p.ip.label = (tos * 7919) & 0xFFFFF;
            peer_say(&h, &p, 1, 0);
            CHECK_EQ(h.in.tos, tos);
            tcpsm_status(p.c, &info);
            CHECK_EQ(info.tos_seen, tos);
            host_drain(&h);
        }
    }
    host_stop(&h);
}

TEST(ip_tos_and_ttl_out)
{
    tcpsm_stack_config cfg = host_config();
    uint32_t f, dscp, ecn, ttl;
    uint8_t c = 'x';
    cfg.conn.dscp = 46;
    cfg.conn.ttl = 200;
    host_start(&h, &cfg);
    host_listen(&h, 80);
    for (f = 4; f <= 6; f += 2) {
        peer_init(&h, &p, (uint8_t)f, 10 + f, 80);
        CHECK_EQ(peer_send(&h, &p, p.snd_nxt, 0, DG_SYN, 0), 0);
        CHECK_GT(host_out(&h), 0u); /* the SYN-ACK */
        CHECK_EQ(h.v.ttl, 200);
        CHECK_EQ(h.v.tos, 46 << 2);
        p.snd_nxt++;
        p.rcv_nxt = h.v.seq + 1;
        peer_say(&h, &p, 0, 0);
        p.c = tcpsm_stack_accept(h.st, NULL);
        CHECK(p.c != NULL);
        CHECK_EQ(tcpsm_set(p.c, TCPSM_SET_NODELAY, 1), 0);
        for (dscp = 0; dscp < 64; dscp++) {
            ecn = dscp & 3;
            ttl = 1 + dscp * 4;
            CONTEXT("IPv%u, DSCP %u", f, dscp);
            CHECK_EQ(tcpsm_set(p.c, TCPSM_SET_DSCP, dscp), 0);
            CHECK_EQ(tcpsm_set(p.c, TCPSM_SET_ECN, ecn), 0);
            CHECK_EQ(tcpsm_set(p.c, TCPSM_SET_TTL, ttl), 0);
            CHECK_EQ(tcpsm_send(p.c, &c, 1, 0), 1);
            CHECK_GT(host_out(&h), 0u);
            CHECK_EQ(h.v.len, 1);
            CHECK_EQ(h.v.tos, dscp << 2 | ecn);
            CHECK_EQ(h.v.ttl, ttl);
            p.rcv_nxt += h.v.len;
            peer_say(&h, &p, 0, 0);
        }
    }
    host_stop(&h);
}

/* A reset for a stranger must arrive, too. */
TEST(ip_stranger_is_reset)
{
    uint32_t f;
    start();
    for (f = 4; f <= 6; f += 2) {
        peer_init(&h, &p, (uint8_t)f, 3, 81);
        CHECK_EQ(peer_send(&h, &p, p.snd_nxt, 0, DG_SYN, 0), 0);
        CHECK_GT(host_out(&h), 0u);
        CHECK(peer_is(&h, &p));
        CHECK_EQ(h.v.flags & 0x3F, DG_RST | DG_ACK);
        CHECK_EQ(h.v.ack, p.snd_nxt + 1);
        CHECK_EQ(h.v.seq, 0);
        CHECK_GE(h.v.ttl, 32);
        if (f == 4)
            CHECK_EQ(h.v.frag, 0x4000);
        CHECK(h.out.conn == NULL);
        CHECK_EQ(host_out(&h), 0u);
    }
    host_stop(&h);
}

/* ---- out ---------------------------------------------------------------- */

static void text(uint8_t *b, uint32_t seq, uint32_t n)
{
    uint32_t i;
    for (i = 0; i < n; i++)
        b[i] = dg_byte(seq + i);
}

static void is_text(const dg_view *v)
{
    uint32_t i;
    for (i = 0; i < v->len; i++)
        CHECKF(v->text[i] == dg_byte(v->seq + i), "octet %u is wrong", i);
}

/* DF on everything, offset and MF 0 (RFC 1191); with DF the ID means
   nothing (RFC 6864 s4.1), but nothing else may be in its place. */
TEST(ip4_df_out)
{
    uint8_t b[3000];
    uint32_t got = 0;
    start();
    peer_init(&h, &p, 4, 1, 80);
    CHECK_EQ(peer_send(&h, &p, p.snd_nxt, 0, DG_SYN, 0), 0);
    CHECK_GT(host_out(&h), 0u);
    CHECK_EQ(h.v.frag, 0x4000);
    p.snd_nxt++;
    p.rcv_nxt = h.v.seq + 1;
    peer_say(&h, &p, 0, 0);
    p.c = tcpsm_stack_accept(h.st, NULL);
    text(b, p.rcv_nxt, sizeof b);
    CHECK_EQ(tcpsm_send(p.c, b, sizeof b, 0), (int)sizeof b);
    while (got < sizeof b && host_out(&h) > 0) {
        CHECK_EQ(h.v.frag, 0x4000);
        CHECK_EQ(h.v.seq, p.rcv_nxt);
        CHECK_LE(h.n, 1500u);
        is_text(&h.v);
        got += h.v.len;
        p.rcv_nxt += h.v.len;
        peer_say(&h, &p, 0, 0);
    }
    CHECK_EQ(got, sizeof b);
    host_stop(&h);
}

/* The MTU bounds the datagram: a full one has exactly that many bytes. */
TEST(ip_full_datagrams)
{
    static const uint16_t mtus[] = {576, 1280, 1499, 1500};
    uint8_t b[4096];
    uint32_t i, f;
    for (i = 0; i < sizeof mtus / sizeof *mtus; i++)
        for (f = 4; f <= 6; f += 2) {
            tcpsm_stack_config cfg = host_config();
            if (f == 6 && mtus[i] < 1280)
                continue;
            CONTEXT("IPv%u, MTU %u", f, mtus[i]);
            cfg.conn.mtu = mtus[i];
            host_start(&h, &cfg);
            host_listen(&h, 80);
            peer_accepted(&h, &p, (uint8_t)f, 1, 80);
            text(b, p.rcv_nxt, sizeof b);
            CHECK_EQ(tcpsm_send(p.c, b, sizeof b, 0), (int)sizeof b);
            CHECK_GT(host_out(&h), 0u);
            /* the peer's MSS of 1460 counts as well */
            CHECK_EQ(h.n, f == 6 && mtus[i] > 1500 ? 1500 : mtus[i]);
            is_text(&h.v);
            host_stop(&h);
        }
}

/* RFC 6437 s3: constant for a connection from its first segment to its
   last reply in TIME-WAIT, not zero, and not that of the next one. */
TEST(ip6_flow_label)
{
    uint32_t label[64], i, j, same = 0;
    uint8_t c = 'x';
    tcpsm_stack_config cfg = host_config();
    cfg.conns = 64;
    host_start(&h, &cfg);
    host_listen(&h, 80);
    for (i = 0; i < 64; i++) {
        CONTEXT("connection %u", i);
        peer_init(&h, &p, 6, i, 80);
        CHECK_EQ(peer_send(&h, &p, p.snd_nxt, 0, DG_SYN, 0), 0);
        CHECK_GT(host_out(&h), 0u);
        label[i] = h.v.label;
        CHECK_NE(label[i], 0);
        p.snd_nxt++;
        p.rcv_nxt = h.v.seq + 1;
        peer_say(&h, &p, 10, 0);
        p.c = tcpsm_stack_accept(h.st, NULL);
        CHECK(p.c != NULL);
        CHECK_EQ(tcpsm_send(p.c, &c, 1, 0), 1);
        CHECK_GT(host_out(&h), 0u);
        CHECK_EQ(h.v.label, label[i]);
        p.rcv_nxt++;
        CHECK_EQ(tcpsm_receive(p.c, buf, 100), 10);
        CHECK_EQ(tcpsm_close(p.c), 0);
        CHECK_GT(host_out(&h), 0u);
        CHECK(h.v.flags & DG_FIN);
        CHECK_EQ(h.v.label, label[i]);
        p.rcv_nxt++;
        peer_say(&h, &p, 0, DG_FIN);
        CHECK_GT(host_out(&h), 0u);
        CHECK_EQ(h.v.label, label[i]);
        CHECK_EQ(host_out(&h), 0u);
        CHECK_EQ(host_info(&h).timewaits, i + 1);
        /* TIME-WAIT answers the FIN again */
        CHECK_EQ(
            peer_send(&h, &p, p.snd_nxt - 1, p.rcv_nxt, DG_FIN | DG_ACK, 0),
            0);
        CHECK_GT(host_out(&h), 0u);
        CHECK_EQ(h.v.flags & 0x3F, DG_ACK);
        CHECK_EQ(h.v.label, label[i]);
        CHECK_EQ(tcpsm_stack_release(h.st, p.c), 0);
        for (j = 0; j < i; j++)
            same += label[i] == label[j];
    }
    CHECK_LE(same, 1u); /* of 2016 pairs, in 2^20 labels */
    host_stop(&h);
}

/* Another key, other labels: nobody outside can tell them. */
TEST(ip6_flow_label_is_keyed)
{
    uint32_t label[2], i;
    for (i = 0; i < 2; i++) {
        tcpsm_stack_config cfg = host_config();
        cfg.conn.key[0] = (uint8_t)(i + 1);
        host_start(&h, &cfg);
        host_listen(&h, 80);
        a_syn(6);
        CHECK_EQ(peer_send(&h, &p, p.snd_nxt, 0, DG_SYN, 0), 0);
        CHECK_GT(host_out(&h), 0u);
        label[i] = h.v.label;
        host_stop(&h);
    }
    CHECK_NE(label[0], label[1]);
}

TEST(ip_cap_too_small)
{
    uint32_t f, cap;
    uint8_t *was;
    start();
    was = (uint8_t *)malloc(h.size);
    for (f = 4; f <= 6; f += 2) {
        peer_init(&h, &p, (uint8_t)f, 1, 80);
        CHECK_EQ(peer_send(&h, &p, p.snd_nxt, 0, DG_SYN, 0), 0);
        memcpy(was, h.mem, h.size);
        for (cap = 0; cap < TCPSM_MIN_CAP + 40; cap++) {
            uint8_t *small = (uint8_t *)malloc(cap);
            tcpsm_out out = TCPSM_ZERO;
            CONTEXT("IPv%u, cap %u", f, cap);
            out.buf = small;
            out.cap = cap;
            CHECK_EQ(tcpsm_ip_output(h.st, &out, h.now), TCPSM_E_SPACE);
            CHECK_MEM(was, h.mem, h.size);
            free(small);
        }
        h.cap = TCPSM_MIN_CAP + 40;
        CHECK_GT(host_out(&h), 0u);
        CHECK_EQ(h.v.flags & 0x3F, DG_SYN | DG_ACK);
    }
    CHECK_EQ(tcpsm_ip_output(h.st, NULL, h.now), TCPSM_E_ARG);
    free(was);
    host_stop(&h);
}

/* "less than a full segment works, a piece at a time" */
TEST(ip_small_caps)
{
    uint8_t b[1000];
    uint32_t f, cap, got;
    for (f = 4; f <= 6; f += 2)
        for (cap = TCPSM_MIN_CAP + 40; cap < 400; cap += 31) {
            CONTEXT("IPv%u, cap %u", f, cap);
            start();
            peer_accepted(&h, &p, (uint8_t)f, 1, 80);
            CHECK_EQ(tcpsm_set(p.c, TCPSM_SET_NODELAY, 1), 0);
            text(b, p.rcv_nxt, sizeof b);
            CHECK_EQ(tcpsm_send(p.c, b, sizeof b, 0), (int)sizeof b);
            h.cap = cap;
            for (got = 0; got < sizeof b && host_out(&h) > 0;) {
                CHECK_EQ(h.v.seq, p.rcv_nxt);
                is_text(&h.v);
                got += h.v.len;
                p.rcv_nxt += h.v.len;
                peer_say(&h, &p, 0, 0);
            }
            CHECK_EQ(got, sizeof b);
            host_stop(&h);
        }
}

/* Buffers at every alignment, in and out, and not a byte beyond cap */
TEST(ip_unaligned_buffers)
{
    static uint8_t mem[8192];
    uint8_t b[700];
    uint32_t f, at, i;
    start();
    for (f = 4; f <= 6; f += 2) {
        peer_accepted(&h, &p, (uint8_t)f, 1, 80);
        CHECK_EQ(tcpsm_set(p.c, TCPSM_SET_NODELAY, 1), 0);
        for (at = 0; at < 17; at++) {
            tcpsm_in in = TCPSM_ZERO;
            tcpsm_out out = TCPSM_ZERO;
            tcpsm_ret r;
            uint32_t n;
            CONTEXT("IPv%u, offset %u", f, at);
            n = peer_make(&p, buf, p.snd_nxt, p.rcv_nxt, DG_ACK, 100 + at);
            memcpy(mem + at, buf, n);
            CHECK_EQ(tcpsm_ip_input(h.st, mem + at, n, &in, h.now), 0);
            CHECK_EQ(in.drop, 0);
            CHECK(in.conn == p.c);
            p.snd_nxt += 100 + at;
            CHECK_EQ(tcpsm_receive(p.c, b, sizeof b), (int)(100 + at));
            for (i = 0; i < 100 + at; i++)
                CHECK_EQ(b[i], dg_byte(p.snd_nxt - 100 - at + i));
            text(b, p.rcv_nxt, sizeof b);
            CHECK_EQ(tcpsm_send(p.c, b, sizeof b, 0), (int)sizeof b);
            memset(mem, 0xEE, sizeof mem);
            out.buf = mem + at;
            out.cap = 600;
            for (i = 0; i < sizeof b;) {
                dg_view v;
                r = tcpsm_ip_output(h.st, &out, h.now);
                CHECK_GT(r, 0);
                dg_read(&v, mem + at, (uint32_t)r);
                is_text(&v);
                i += v.len;
            }
            for (i = 0; i < at; i++)
                CHECK_EQ(mem[i], 0xEE);
            for (i = at + 600; i < sizeof mem; i++)
                CHECK_EQ(mem[i], 0xEE);
            p.rcv_nxt += (uint32_t)sizeof b;
            peer_say(&h, &p, 0, 0);
        }
    }
    host_stop(&h);
}

/* The payload by reference: headers in the buffer, lengths of it all */
TEST(ip_gather)
{
    uint8_t b[3000], whole[4096];
    uint32_t f, got, n;
    tcpsm_stack_config cfg = host_config();
    cfg.conn.flags = TCPSM_GATHER;
    host_start(&h, &cfg);
    host_listen(&h, 80);
    for (f = 4; f <= 6; f += 2) {
        peer_accepted(&h, &p, (uint8_t)f, 1, 80);
        CHECK_EQ(tcpsm_set(p.c, TCPSM_SET_NODELAY, 1), 0);
        for (n = 0; n < 5; n++) { /* so that the ring wraps */
            text(b, p.rcv_nxt, sizeof b);
            CHECK_EQ(tcpsm_send(p.c, b, sizeof b, 0), (int)sizeof b);
            for (got = 0; got < sizeof b;) {
                tcpsm_out out = TCPSM_ZERO;
                tcpsm_ret r;
                dg_view v;
                CONTEXT("IPv%u, turn %u, %u there", f, n, got);
                out.buf = buf;
                out.cap = TCPSM_MIN_CAP + 40;
                r = tcpsm_ip_output(h.st, &out, h.now);
                CHECK_GT(r, 0);
                CHECK_EQ(r, out.hdr_len);
                memcpy(whole, buf, (size_t)r);
                if (out.ref[0].n)
                    memcpy(whole + r, out.ref[0].p, out.ref[0].n);
                if (out.ref[1].n)
                    memcpy(whole + r + out.ref[0].n, out.ref[1].p,
                           out.ref[1].n);
                dg_read(&v, whole, (uint32_t)r + out.ref[0].n + out.ref[1].n);
                CHECK_EQ(v.len, out.ref[0].n + out.ref[1].n);
                CHECK_EQ(v.ip_hdr + v.tcp_hdr, out.hdr_len);
                CHECK_GT(v.len, 0u);
                CHECK_EQ(v.seq, p.rcv_nxt);
                is_text(&v);
                got += v.len;
                p.rcv_nxt += v.len;
                peer_say(&h, &p, 0, 0);
            }
        }
    }
    host_stop(&h);
}

/* A train's header counts the whole of it, and no train is longer than an
   IP header can say, however large the buffer is. */
TEST(ip_gso_trains)
{
    static uint8_t b[60000], big[200000];
    static uint8_t mem[2][400000];
    uint32_t f, gather, got, longest, turn;
    for (gather = 0; gather < 2; gather++)
        for (f = 4; f <= 6; f += 2) {
            tcpsm_stack_config cfg = host_config();
            void *old;
            cfg.conn.flags = TCPSM_GSO | (gather ? TCPSM_GATHER : 0u);
            cfg.conn.initial_segments = 255;
            cfg.quantum = 1 << 20;
            cfg.conn.rcv_max = sizeof mem[0];
            host_start(&h, &cfg);
            host_listen(&h, 80);
            peer_init(&h, &p, (uint8_t)f, 1, 80);
            p.win = 65535;
            CHECK_EQ(peer_send(&h, &p, p.snd_nxt, 0, DG_SYN, 0), 0);
            CHECK_GT(host_out(&h), 0u);
            p.snd_nxt++;
            p.rcv_nxt = h.v.seq + 1;
            peer_say(&h, &p, 0, 0);
            p.c = tcpsm_stack_accept(h.st, NULL);
            CHECK(p.c != NULL);
            CHECK_EQ(
                tcpsm_attach(p.c, TCPSM_SEND, mem[1], sizeof mem[1], &old),
                0);
            for (longest = turn = 0; turn < 40; turn++) {
                text(b, p.rcv_nxt, sizeof b);
                CHECK_EQ(tcpsm_send(p.c, b, sizeof b, 0), (int)sizeof b);
                for (got = 0; got < sizeof b;) {
                    tcpsm_out out = TCPSM_ZERO;
                    tcpsm_ret r;
                    dg_view v;
                    uint32_t n;
                    CONTEXT("IPv%u, turn %u, %u there", f, turn, got);
                    out.buf = big;
                    out.cap = sizeof big;
                    r = tcpsm_ip_output(h.st, &out, h.now);
                    CHECK_GT(r, 0);
                    n = (uint32_t)r;
                    if (gather) {
                        CHECK_EQ(n, out.hdr_len);
                        memcpy(big + n, out.ref[0].p, out.ref[0].n);
                        n += out.ref[0].n;
                        if (out.ref[1].n)
                            memcpy(big + n, out.ref[1].p, out.ref[1].n);
                        n += out.ref[1].n;
                    }
                    CHECK_LE(n, 65535u);
                    dg_read(&v, big, n);
                    CHECK_EQ(v.seq, p.rcv_nxt);
                    is_text(&v);
                    if (v.len > 1460) {
                        CHECK_GT(out.segs, 1);
                        CHECK_NE(out.gso_size, 0);
                        CHECK_EQ((v.len + out.gso_size - 1) / out.gso_size,
                                 out.segs);
                    }
                    longest = v.len > longest ? v.len : longest;
                    got += v.len;
                    p.rcv_nxt += v.len;
                    h.now += 100;
                    peer_say(&h, &p, 0, 0);
                }
            }
            CHECK_GT(longest, 30000u);
            host_stop(&h);
        }
}

/* A GRO train in: the total length is the train's. */
TEST(ip_gro_trains)
{
    static uint8_t got[65536];
    uint32_t f;
    for (f = 4; f <= 6; f += 2) {
        tcpsm_stack_config cfg = host_config();
        cfg.rcv_ring = 60000;
        host_start(&h, &cfg);
        host_listen(&h, 80);
        peer_accepted(&h, &p, (uint8_t)f, 1, 80);
        h.gso = 1000;
        peer_say(&h, &p, 40500, 0);
        CHECK_EQ(h.in.gso_size, 1000);
        CHECK_EQ(tcpsm_receive(p.c, got, sizeof got), 40500);
        host_stop(&h);
    }
}

/* The MAC inserts the checksum, or half of it is there. */
TEST(ip_checksum_offload)
{
    uint32_t f, i;
    for (i = 0; i < 2; i++)
        for (f = 4; f <= 6; f += 2) {
            tcpsm_stack_config cfg = host_config();
            tcpsm_out out = TCPSM_ZERO;
            tcpsm_ret r;
            uint32_t ip = f == 4 ? 20 : 40, want = 0;
            cfg.conn.flags = i ? TCPSM_TX_ZERO : TCPSM_TX_PARTIAL;
            host_start(&h, &cfg);
            host_listen(&h, 80);
            peer_init(&h, &p, (uint8_t)f, 1, 80);
            CHECK_EQ(peer_send(&h, &p, p.snd_nxt, 0, DG_SYN, 0), 0);
            out.buf = buf;
            out.cap = sizeof buf;
            r = tcpsm_ip_output(h.st, &out, h.now);
            CHECK_GT(r, 0);
            CHECK_EQ(r, out.hdr_len);
            if (out.csum == TCPSM_CSUM_FULL) /* the stack's own words may */
                want = dg_get16(buf + ip + 16);
            else if (out.csum == TCPSM_CSUM_PARTIAL)
                want = dg_pseudo((uint8_t)f, out.tuple.local,
                                 out.tuple.remote, 6, (uint32_t)r - ip);
            CHECK_EQ(dg_get16(buf + ip + 16), want);
            if (f == 4)
                CHECK_EQ(dg_add(0, buf, 20), 0xFFFF);
            host_stop(&h);
        }
}

/* ---- rings on demand ---------------------------------------------------- */

/* After E_RING *in describes the segment: attach, and give it to
   tcpsm_stack_input. */
TEST(ip_ring_on_demand)
{
    static uint8_t ring[2][4096];
    tcpsm_stack_config cfg = host_config();
    uint8_t got[300];
    uint32_t f, n, i;
    cfg.rcv_ring = cfg.snd_ring = 0;
    cfg.conn.rcv_max = sizeof ring[0];
    cfg.conn.rcv_promise = 2000;
    host_start(&h, &cfg);
    host_listen(&h, 80);
    for (f = 4; f <= 6; f += 2) {
        tcpsm_in in = TCPSM_ZERO;
        peer_accepted(&h, &p, (uint8_t)f, 1, 80);
        p.ip.tos = 0xB8;
        n = peer_make(&p, buf, p.snd_nxt, p.rcv_nxt, DG_ACK, 300);
        CHECK_EQ(tcpsm_ip_input(h.st, buf, n, &in, h.now), TCPSM_E_RING);
        CHECK(in.conn == p.c);
        CHECK_EQ(in.family, f);
        CHECK_EQ(in.tos, 0xB8);
        CHECK_EQ(in.len, 320);
        CHECK((const uint8_t *)in.data == buf + (f == 4 ? 20 : 40));
        CHECK(in.src == buf + (f == 4 ? 12 : 8));
        CHECK(in.dst == buf + (f == 4 ? 16 : 24));
        i = (f - 4) / 2;
        CHECK_EQ(
            tcpsm_attach(p.c, TCPSM_RECEIVE, ring[i], sizeof ring[i], NULL),
            0);
        CHECK_EQ(tcpsm_stack_input(h.st, &in, h.now), 0);
        CHECK_EQ(in.drop, 0);
        CHECK_EQ(tcpsm_receive(p.c, got, sizeof got), 300);
        for (i = 0; i < 300; i++)
            CHECK_EQ(got[i], dg_byte(p.snd_nxt + i));
        h.now += DG_SECOND;
        host_drain(&h);
    }
    host_stop(&h);
}

/* ---- the helpers alone -------------------------------------------------- */

TEST(ip_parse_alone)
{
    tcpsm_in in;
    uint32_t f, n;
    start();
    for (f = 4; f <= 6; f += 2) {
        uint32_t ip = f == 4 ? 20 : 40;
        peer_init(&h, &p, (uint8_t)f, 1, 80);
        p.ip.tos = 0x93;
        n = peer_make(&p, buf, 5, 6, DG_ACK, 33);
        memset(&in, 0, sizeof in);
        in.zone = 77;
        in.gso_size = 11;
        in.segs = 3;
        in.ce = 2;
        in.flags = TCPSM_IN_LINK_BROADCAST;
        CHECK_EQ(tcpsm_ip_parse(buf, n + 9, &in), 6);
        CHECK_EQ(in.zone, 77);
        CHECK_EQ(in.gso_size, 11);
        CHECK_EQ(in.segs, 3);
        CHECK_EQ(in.ce, 2);
        CHECK_EQ(in.flags, TCPSM_IN_LINK_BROADCAST);
        CHECK_EQ(in.family, f);
        CHECK_EQ(in.tos, 0x93);
        CHECK_EQ(in.len, n - ip);
        CHECK((const uint8_t *)in.data == buf + ip);
        CHECK(in.src == buf + (f == 4 ? 12 : 8));
        CHECK(in.dst == buf + (f == 4 ? 16 : 24));
        p.ip.proto = f == 4 ? 1 : 58;
        dg_header(buf, &p.ip, 16);
        CHECK_EQ(tcpsm_ip_parse(buf, ip + 16, &in), p.ip.proto);
        CHECK_EQ(in.len, 16);
        CHECK_EQ(tcpsm_ip_parse(buf, ip + 15, &in), TCPSM_E_ARG);
    }
    CHECK_EQ(tcpsm_ip_parse(NULL, 40, &in), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_ip_parse(buf, 40, NULL), TCPSM_E_ARG);
    host_stop(&h);
}

TEST(ip_build_alone)
{
    static const uint8_t payload[64] = {1, 2, 3};
    static uint8_t mem[66000];
    uint32_t f, n, i, ref;
    start();
    for (f = 4; f <= 6; f += 2)
        for (ref = 0; ref < 2; ref++)
            for (n = 20; n < 65000; n = n * 2 + 1) {
                uint32_t ip = f == 4 ? 20 : 40, at = 41 + n % 7;
                tcpsm_out out = TCPSM_ZERO;
                tcpsm_in in = TCPSM_ZERO;
                dg_view v;
                CONTEXT("IPv%u, %u bytes, by reference %u", f, n, ref);
                peer_init(&h, &p, (uint8_t)f, 1, 80);
                out.tuple.family = (uint8_t)f;
                memcpy(out.tuple.local, p.ip.dst, 16);
                memcpy(out.tuple.remote, p.ip.src, 16);
                out.tuple.local_port = 80;
                out.tuple.remote_port = 4711;
                out.tos = 0xAD;
                out.ttl = 33;
                out.flow[0] = 0xA;
                out.flow[1] = 0xBC;
                out.flow[2] = 0xDE;
                out.hdr_len = 20;
                if (ref) {
                    out.ref[0].p = payload;
                    out.ref[0].n = 33;
                    out.ref[1].p = payload;
                    out.ref[1].n = 31;
                }
                memset(mem, 0x66, sizeof mem);
                CHECK_EQ(tcpsm_ip_build(mem + at, n, &out), (int)ip);
                for (i = 0; i < at - ip; i++)
                    CHECK_EQ(mem[i], 0x66);
                for (i = at; i < at + n && i < sizeof mem; i++)
                    CHECK_EQ(mem[i], 0x66);
                mem[at - ip + (f == 4 ? 9u : 6u)] = 17; /* no TCP in it */
                if (f == 4)
                    dg_seal4(mem + at - ip);
                dg_read(&v, mem + at - ip, ip + n + (ref ? 64 : 0));
                mem[at - ip + (f == 4 ? 9u : 6u)] = 6;
                if (f == 4)
                    dg_seal4(mem + at - ip);
                CHECK_EQ(v.tos, 0xAD);
                CHECK_EQ(v.ttl, 33);
                CHECK_MEM(v.src, p.ip.dst, f == 4 ? 4 : 16);
                CHECK_MEM(v.dst, p.ip.src, f == 4 ? 4 : 16);
                if (f == 4)
                    CHECK_EQ(v.frag, 0x4000);
                else
                    CHECK_EQ(v.label, 0xABCDE);
                CHECK_EQ(tcpsm_ip_parse(mem + at - ip,
                                        ip + n + (ref ? 64 : 0), &in),
                         6);
                CHECK_EQ(in.len, n + (ref ? 64 : 0));
                CHECK_EQ(in.tos, 0xAD);
            }
    host_stop(&h);
}

/* What an IP header cannot say is refused. */
TEST(ip_build_too_long)
{
    static uint8_t mem[256];
    uint32_t f, n;
    for (f = 4; f <= 6; f += 2)
        for (n = f == 4 ? 65516 : 65536; n < 1u << 31; n = n * 2) {
            tcpsm_out out = TCPSM_ZERO;
            CONTEXT("IPv%u, %u bytes", f, n);
            out.tuple.family = (uint8_t)f;
            out.ttl = 1;
            CHECK_LT(tcpsm_ip_build(mem + 100, n, &out), 0);
        }
    {
        tcpsm_out out = TCPSM_ZERO;
        out.tuple.family = 5;
        CHECK_EQ(tcpsm_ip_build(mem + 100, 20, &out), TCPSM_E_ARG);
        out.tuple.family = 4;
        CHECK_EQ(tcpsm_ip_build(NULL, 20, &out), TCPSM_E_ARG);
        CHECK_EQ(tcpsm_ip_build(mem + 100, 20, NULL), TCPSM_E_ARG);
    }
}

/* ---- against a second opinion ------------------------------------------- */

static uint64_t seed = 1;

static uint32_t rnd(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

typedef struct {
    int proto; /* < 0: not to be used; -2: too many headers, perhaps */
    uint32_t at, len, tos;
} opinion;

/* RFC 8200 s4.2 on the options of one header, which is all there */
static int options_pass(const uint8_t *q, uint32_t n)
{
    uint32_t i, count = 0;
    for (i = 2; i < n;) {
        if (++count > 16) /* RFC 8504 s5.3: a limit of ours */
            return 0;
        if (q[i] == 0) {
            i++;
            continue;
        }
        if (i + 2 > n || i + 2 + q[i + 1] > n)
            return 0;
        if (q[i] != 1 && q[i] >> 6 != 0)
            return 0;
        i += 2u + q[i + 1];
    }
    return 1;
}

static opinion read6(const uint8_t *q, uint32_t n)
{
    opinion o = {-1, 40, 0, 0};
    uint32_t headers, next, len;
    if (n < 40 || q[0] >> 4 != 6)
        return o;
    len = dg_get16(q + 4);
    if (40 + len > n)
        return o;
    o.tos = (dg_get16(q) >> 4) & 255;
    n = 40 + len;
    next = q[6];
    for (headers = 0; next != 6 && next != 58; headers++) {
        const uint8_t *e = q + o.at;
        uint32_t size;
        if (next != HOP && next != ROUTE && next != FRAGMENT &&
            next != AUTH && next != DEST)
            return o;
        if (n - o.at < 8 || (next == HOP && headers != 0))
            return o;
        size = next == FRAGMENT ? 8
               : next == AUTH   ? e[1] * 4u + 8
                                : e[1] * 8u + 8;
        if (size > n - o.at || (next == ROUTE && e[3] != 0) ||
            (next == FRAGMENT && dg_get16(e + 2) >> 3 != 0) ||
            (next == FRAGMENT && e[3] & 1) ||
            ((next == HOP || next == DEST) && !options_pass(e, size)))
            return o;
        next = e[0];
        o.at += size;
    }
    o.len = n - o.at;
    if (headers > 6)
        o.proto = -2;
    else
        o.proto = (int)next;
    return o;
}

static opinion read4(const uint8_t *q, uint32_t n)
{
    opinion o = {-1, 0, 0, 0};
    uint32_t total;
    if (n < 20 || q[0] >> 4 != 4)
        return o;
    o.at = (q[0] & 15u) * 4;
    total = dg_get16(q + 2);
    if (o.at < 20 || total < o.at || total > n)
        return o;
    if (dg_add(0, q, o.at) != 0xFFFF || (dg_get16(q + 6) & 0x3FFF) != 0)
        return o;
    o.len = total - o.at;
    o.tos = q[1];
    o.proto = q[9];
    return o;
}

/* A datagram, more or less: most of it is right. */
static uint32_t a_datagram(void)
{
    static uint8_t opt[40];
    static const uint8_t kinds[] = {HOP, ROUTE, FRAGMENT, AUTH, DEST};
    chain_part part[8];
    uint32_t i, n, parts = rnd(8), len = rnd(64);
    peer_init(&h, &p, rnd(2) ? 4 : 6, rnd(40), 80);
    p.ip.tos = (uint8_t)rnd(256);
    p.ip.label = rnd(1 << 20);
    p.ip.ttl = (uint8_t)rnd(256);
    p.ip.opt = opt;
    p.ip.opt_n = rnd(3) ? 0 : rnd(11) * 4;
    for (i = 0; i < sizeof opt; i++)
        opt[i] = (uint8_t)rnd(256);
    for (i = 0; i < parts; i++) {
        part[i].type = kinds[rnd(5)];
        if (part[i].type == HOP && i != 0)
            part[i].type = DEST;
        part[i].n = 8 + 8 * rnd(4);
        if (part[i].type == FRAGMENT)
            part[i].n = 8;
        else if (part[i].type == AUTH)
            part[i].n += 4 * rnd(2);
    }
    if (p.ip.family == 6)
        chained(part, rnd(3) ? parts / 2 : parts);
    n = peer_make(&p, buf, p.snd_nxt + rnd(3), p.rcv_nxt + rnd(3),
                  rnd(2)   ? DG_SYN
                  : rnd(2) ? DG_ACK
                           : rnd(64),
                  len);
    for (i = 0; i < 40; i++)
        buf[n + i] = (uint8_t)rnd(256);
    n += rnd(4) ? 0 : rnd(40);
    n -= rnd(8) ? 0 : rnd(n);
    for (i = rnd(4); i > 0 && n != 0; i--)
        buf[rnd(3) ? rnd(n) : rnd(n < 60 ? n : 60)] ^=
            (uint8_t)(rnd(3) ? 1u << rnd(8) : rnd(256));
    if (p.ip.family == 4 && n >= 20 && rnd(3) &&
        (buf[0] & 15u) * 4u <= sizeof buf)
        dg_seal4(buf);
    return n;
}

/* tcpsm_ip_parse is of the same opinion, always. */
TEST(ip_parse_agrees)
{
    uint32_t i, used[2] = {0, 0}, unused = 0;
    start();
    for (i = 0; i < 150000; i++) {
        uint32_t n = a_datagram();
        uint8_t *copy = (uint8_t *)malloc(n);
        tcpsm_in in = TCPSM_ZERO;
        tcpsm_ret r;
        opinion o = {-1, 0, 0, 0};
        if (n != 0)
            memcpy(copy, buf, n);
        CONTEXT("datagram %u, %u bytes", i, n);
        if (n != 0)
            o = copy[0] >> 4 == 4 ? read4(copy, n) : read6(copy, n);
        r = tcpsm_ip_parse(copy, n, &in);
        if (o.proto == -2) {
            free(copy); /* where it stops is its own business */
            continue;
        }
        if (o.proto < 0) {
            CHECK_EQ(r, TCPSM_E_ARG);
            unused++;
        } else if (o.proto == 6 || r >= 0) {
            CHECK_EQ(r, o.proto);
            CHECK((const uint8_t *)in.data == copy + o.at);
            CHECK_EQ(in.len, o.len);
            CHECK_EQ(in.tos, o.tos);
            CHECK_EQ(in.family, copy[0] >> 4);
            used[in.family == 6]++;
        }
        free(copy);
    }
    CONTEXT("%s", "");
    CHECK_GT(used[0], 20000u);
    CHECK_GT(used[1], 20000u);
    CHECK_GT(unused, 20000u);
    host_stop(&h);
}

/* Random and mutated datagrams: nothing breaks, each that is none is
   counted, and connections that they name go on. */
TEST(ip_random_datagrams)
{
    tcpsm_stack_config cfg = host_config();
    uint64_t none = 0;
    uint32_t i, k, used = 0;
    cfg.flags = TCPSM_ECHO;
    host_start(&h, &cfg);
    host_listen(&h, 80);
    for (i = 0; i < 4; i++)
        peer_accepted(&h, &p, i & 1 ? 6 : 4, i, 80);
    for (i = 0; i < 150000; i++) {
        uint32_t n;
        tcpsm_ret r;
        uint64_t was;
        if (rnd(5)) {
            n = a_datagram();
        } else {
            n = rnd(200);
            for (k = 0; k < n; k++)
                buf[k] = (uint8_t)rnd(256);
            if (n != 0 && rnd(2))
                buf[0] = rnd(2) ? 0x45 : 0x60;
        }
        CONTEXT("datagram %u, %u bytes", i, n);
        was = dropped();
        r = host_in(&h, buf, n);
        CHECK(r == 0 || r == TCPSM_E_RING);
        CHECK_LT(h.in.drop, TCPSM_DROPS);
        if (h.in.drop == TCPSM_DROP_IP) {
            CHECK_EQ(dropped(), was + 1);
            none++;
        }
        used += h.in.drop == 0;
        host_drain(&h);
        if (i % 5000 == 0)
            CHECK_EQ(tcpsm_stack_check(h.st), 0);
        h.now += rnd(2000);
        while (tcpsm_stack_next(h.st, NULL) != NULL) {
        }
    }
    CHECK_GT(none, 30000u);
    CHECK_GT(used, 10000u);
    CHECK_LE(none, dropped());
    host_stop(&h);
}

/* ---- round trips -------------------------------------------------------- */

static host two;

/* Everything that one says to the other, until both are silent */
static void talk(void)
{
    int said;
    do {
        said = 0;
        while (host_out(&h) > 0) {
            host_in(&two, h.buf, h.n);
            said = 1;
        }
        while (host_out(&two) > 0) {
            host_in(&h, two.buf, two.n);
            said = 1;
        }
    } while (said);
}

/* Two stacks, each over the other's datagrams, both families */
TEST(ip_round_trip)
{
    static const uint8_t a4[16] = {192, 0, 2, 9};
    static const uint8_t a6[16] = {0x20, 1, 0xd, 0xb8, [15] = 9};
    static uint8_t b[20000], got[20000];
    tcpsm_stack_config cfg = host_config();
    uint32_t f, i, sent, n;
    for (i = 0; i < sizeof b; i++)
        b[i] = (uint8_t)(i * 31 + (i >> 8));
    for (f = 4; f <= 6; f += 2) {
        tcpsm_tuple t;
        tcpsm_conn *c, *d;
        start();
        cfg.conn.key[3] ^= 0x55;
        host_start(&two, &cfg);
        memset(&t, 0, sizeof t);
        t.family = (uint8_t)f;
        memcpy(t.local, f == 4 ? a4 : a6, 16);
        CHECK_EQ(tcpsm_stack_address(two.st, &t, f == 4 ? 24 : 64, 1), 0);
        memcpy(t.remote, f == 4 ? h.addr4 : h.addr6, 16);
        t.remote_port = 80;
        CHECK_EQ(tcpsm_stack_connect(two.st, &t, NULL, &c, two.now), 0);
        talk();
        d = tcpsm_stack_accept(h.st, NULL);
        CHECK(d != NULL);
        CHECK_EQ(tcpsm_state(c), TCPSM_ESTABLISHED);
        for (sent = n = 0; n < sizeof b;) {
            tcpsm_ret r = tcpsm_send(c, b + sent, sizeof b - sent, 0);
            CHECK_GE(r, 0);
            sent += (uint32_t)r;
            talk();
            r = tcpsm_receive(d, got + n, sizeof got - n);
            CHECK_GE(r, 0);
            n += (uint32_t)r;
            if (r == 0) {
                h.now += 50000;
                two.now += 50000;
            }
        }
        CHECK_MEM(b, got, sizeof b);
        CHECK_EQ(tcpsm_close(c), 0);
        talk();
        CHECK_EQ(tcpsm_receive(d, got, sizeof got), TCPSM_E_EOF);
        CHECK_EQ(tcpsm_close(d), 0);
        talk();
        CHECK_EQ(host_info(&h).ip_dropped, 0);
        CHECK_EQ(host_info(&two).ip_dropped, 0);
        CHECK_EQ(host_info(&two).timewaits, 1);
        host_stop(&h);
        host_stop(&two);
    }
}
