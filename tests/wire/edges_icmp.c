/* ICMP messages that are cut short, lie about their lengths or tell nothing,
   and segments that are for somebody else: RFC 5927 section 4, RFC 1191
   sections 5 and 7.1, RFC 4443 section 3.4. The ordinary ones are in
   states_icmp.c. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

static uint8_t msg[128];

/* About our segment with this relative SEQ; its length, as far as an IP
   header and eight bytes are quoted */
static uint32_t quote(int type, int code, uint32_t total, uint32_t seq)
{
    uint8_t *ip = msg + 8, *tcp;

    memset(msg, 0, sizeof msg);
    msg[0] = (uint8_t)type;
    msg[1] = (uint8_t)code;
    if (w.family == 4) {
        ip[0] = 0x45;
        pair_put16(ip + 2, total);
        ip[9] = 6;
        memcpy(ip + 12, w.tuple.local, 4);
        memcpy(ip + 16, w.tuple.remote, 4);
        tcp = ip + 20;
    } else {
        ip[0] = 0x60;
        pair_put16(ip + 4, total - 40);
        ip[6] = 6;
        memcpy(ip + 8, w.tuple.local, 16);
        memcpy(ip + 24, w.tuple.remote, 16);
        tcp = ip + 40;
    }
    pair_put16(tcp, w.tuple.local_port);
    pair_put16(tcp + 2, w.tuple.remote_port);
    pair_put32(tcp + 4, w.iss + seq);
    return (uint32_t)(tcp + 8 - msg);
}

static tcpsm_ret give(uint32_t len)
{
    tcpsm_ret r = tcpsm_icmp(w.c, msg, len, w.family, w.p.now);

    wire__touched();
    return r;
}

static uint32_t mtu(void)
{
    struct tcpsm_info i;
    tcpsm_status(w.c, &i);
    return i.mtu;
}

static void in_flight(void)
{
    OPENED("win 60000 mss 1460");
    SEND(1000);
    OUT("PA 1 ack 1 len 1000");
}

/* Each byte that is missing from the quotation, each wrong version, protocol
   or header length makes it nobody's. */
TEST(RFC5927_1_a_quotation_that_is_cut_short_is_not_ours)
{
    uint32_t n, k;
    int v6;

    for (v6 = 0; v6 < 2; v6++) {
        if (v6)
            START6();
        else
            START();
        in_flight();
        n = quote(v6 ? 1 : 3, v6 ? 4 : 1, 1040, 1);
        for (k = 8; k < n; k++)
            CHECK_EQ(give(k), TCPSM_E_NOT_MINE);
        msg[8] ^= 0x20; /* the version */
        CHECK_EQ(give(n), TCPSM_E_NOT_MINE);
        msg[8] ^= 0x20;
        msg[v6 ? 14 : 17] = 17; /* UDP */
        CHECK_EQ(give(n), TCPSM_E_NOT_MINE);
        msg[v6 ? 14 : 17] = 6;
        EVENTS(0);
        CHECK_EQ(give(n), 0);
        EVENTS(TCPSM_EV_TROUBLE);
    }
}

TEST(RFC791_a_header_of_less_than_five_words_is_none)
{
    uint32_t n, k;

    START();
    in_flight();
    n = quote(3, 1, 1040, 1);
    for (k = 0; k < 5; k++) {
        msg[8] = (uint8_t)(0x40 | k);
        CHECK_EQ(give(sizeof msg), TCPSM_E_NOT_MINE);
    }
    msg[8] = 0x46; /* with options: the ports are four bytes on */
    CHECK_EQ(give(sizeof msg), TCPSM_E_NOT_MINE);
    memmove(msg + 32, msg + 28, 8);
    CHECK_EQ(give(n + 3), TCPSM_E_NOT_MINE);
    CHECK_EQ(give(n + 4), 0);
    EVENTS(TCPSM_EV_TROUBLE);
}

/* RFC 4443 s3.4: a parameter problem has the codes 0 to 2. */
TEST(RFC4443_3_4_parameter_problem_has_three_codes)
{
    uint32_t n;

    START6();
    in_flight();
    n = quote(4, 3, 1040, 1);
    CHECK_EQ(give(n), TCPSM_DROP_ICMP);
    EVENTS(0);
    msg[1] = 2;
    CHECK_EQ(give(n), 0);
    EVENTS(TCPSM_EV_TROUBLE);
}

/* RFC 1191 s5 and s7.1: an old router tells no MTU: the next plateau below
   what was sent. Below the last one ours ends at 296, its lowest. */
TEST(RFC1191_7_the_plateaus_end)
{
    static const struct {
        uint32_t total, mtu;
    } row[] = {{1500, 1492}, {1492, 1006}, {1007, 1006}, {1006, 508},
               {509, 508},   {508, 296},   {300, 296}};
    uint32_t i;

    for (i = 0; i < sizeof row / sizeof *row; i++) {
        CONTEXT("a datagram of %u bytes", row[i].total);
        START();
        in_flight();
        CHECK_EQ(mtu(), 1500);
        CHECK_EQ(give(quote(3, 4, row[i].total, 1)), 0);
        CHECK_EQ(mtu(), row[i].mtu);
    }
}

/* ---- whose segment it is ------------------------------------------------- */

/* RFC 9293 s3.10.7: of another address family, port, address or zone: not
   this connection's, whatever else it is. */
TEST(a_segment_of_the_other_family_is_not_ours)
{
    static const uint8_t other[16] = {9};
    tcpsm_conn was;
    tcpsm_in in;

    START();
    OPENED("mss 1000");
    IN("PA 1 ack 1 len 10");
    was = *w.c;
    in = w.in;
    in.data = w.buf;
    in.family = 6; /* its addresses begin with the same bytes */
    in.src = w.tuple.remote;
    in.dst = w.tuple.local;
    in.flags = TCPSM_IN_CSUM_OK;
    CHECK_EQ(tcpsm_input(w.c, &in, w.p.now), TCPSM_E_NOT_MINE);
    in.family = 4;
    in.zone = 1;
    CHECK_EQ(tcpsm_input(w.c, &in, w.p.now), TCPSM_E_NOT_MINE);
    in.zone = 0;
    in.src = other;
    CHECK_EQ(tcpsm_input(w.c, &in, w.p.now), TCPSM_E_NOT_MINE);
    in.src = w.tuple.remote;
    in.dst = other;
    CHECK_EQ(tcpsm_input(w.c, &in, w.p.now), TCPSM_E_NOT_MINE);
    CHECK_MEM(&was, w.c, sizeof was);
}

/* A LISTEN for one peer, or for one address, hears nobody else. */
TEST(a_listen_for_one_peer_hears_nobody_else)
{
    static const uint8_t other[16] = {9, 9, 9, 9};
    tcpsm_tuple t;
    int k;

    for (k = 0; k < 2; k++) {
        START();
        wire__init();
        t = w.tuple;
        if (k)
            t.family = 4, t.remote_port = 0; /* any port of that peer */
        CHECK_EQ(tcpsm_listen(w.c, &t, 0), 0);
        wire__touched();
        w.src = other;
        IN_RET(TCPSM_E_NOT_MINE, "S 0 mss 1000");
        w.src = NULL;
        w.family = 6; /* the same bytes, in the other family */
        IN_RET(TCPSM_E_NOT_MINE, "S 0 mss 1000");
        w.family = 4;
        w.tuple.remote_port++;
        if (k)
            IN("S 0 mss 1000");
        else {
            IN_RET(TCPSM_E_NOT_MINE, "S 0 mss 1000");
            w.tuple.remote_port--;
            IN("S 0 mss 1000");
        }
        STATE(TCPSM_SYN_RECEIVED);
    }
}

/* 127/8 talks to 127/8 only: RFC9293-MUST-63 and RFC 1122 s3.2.1.3. */
TEST(a_reset_never_leaves_for_loopback)
{
    static const uint8_t lo[16] = {127, 0, 0, 1}, us[16] = {192, 0, 2, 1};
    static const uint8_t group[16] = {224, 0, 0, 1};
    const struct {
        const uint8_t *src, *dst;
        int answered;
    } row[] = {{us, us, 1},    {lo, lo, 1},    {us, lo, 0},
               {lo, us, 0},    {group, us, 0}, {us, group, 0},
               {lo, group, 0}, {group, lo, 0}};
    uint32_t i;
    uint8_t buf[256];
    tcpsm_out o;
    tcpsm_in in;

    START();
    OPENED("mss 1000");
    IN("PA 1 ack 1 len 10");
    for (i = 0; i < sizeof row / sizeof *row; i++) {
        CONTEXT("row %u", i);
        memset(&o, 0, sizeof o);
        o.buf = buf;
        o.cap = sizeof buf;
        in = w.in;
        in.data = w.buf;
        in.flags = TCPSM_IN_CSUM_OK;
        in.src = row[i].src;
        in.dst = row[i].dst;
        CHECK_EQ(tcpsm_stranger(&in, &o) > 0, row[i].answered);
    }
}
