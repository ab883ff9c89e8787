/* RFC 9293's numbered requirements: one short trace for each. They are
   kept apart from the tests that go deeper, so that each can be read beside
   its clause. tests/musts/requirements.txt is the list of them, and the
   edits there are the changes to tcpsm.h that these tests must notice. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

/* ---- helpers ---------------------------------------------------------- */

static struct tcpsm_info status(void)
{
    struct tcpsm_info i;

    tcpsm_status(w.c, &i);
    return i;
}

/* Lets time pass until s seconds; returns how many segments were sent. */
static int run_to(double s)
{
    tcpsm_time end = w.t0 + wire__us(s), d;
    int n = 0;

    for (;;) {
        for (wire__fill(); w.q_n != 0; wire__fill(), n++)
            wire__take();
        d = tcpsm_deadline(w.c);
        if (d > end)
            break;
        w.p.now = d > w.p.now ? d : w.p.now;
    }
    w.p.now = end;
    return n;
}

/* Changes no byte of the connection? */
static tcpsm_conn kept;
static void keep(void)
{
    memcpy(&kept, w.c, sizeof kept);
}
static int is_kept(void)
{
    return memcmp(&kept, w.c, sizeof kept) == 0;
}

/* An ICMP error about the last segment out, as a router would send it */
static uint8_t icmp_bytes[8 + 40 + 8];
static uint32_t icmp_len;

static void icmp_build(uint8_t type, uint8_t code)
{
    uint8_t *ip = icmp_bytes + 8;
    uint32_t n = w.family == 4 ? 4 : 16, hdr = w.family == 4 ? 20 : 40;

    memset(icmp_bytes, 0, sizeof icmp_bytes);
    icmp_bytes[0] = type;
    icmp_bytes[1] = code;
    ip[0] = w.family == 4 ? 0x45 : 0x60;
    ip[w.family == 4 ? 9 : 6] = 6;
    pair_put16(ip + 2, 40);
    memcpy(ip + hdr - 2 * n, w.last.tuple.local, n);
    memcpy(ip + hdr - n, w.last.tuple.remote, n);
    memcpy(ip + hdr, w.last.bytes, 8);
    icmp_len = 8 + hdr + 8;
}

static tcpsm_ret icmp(uint8_t type, uint8_t code)
{
    tcpsm_ret r;

    icmp_build(type, code);
    r = tcpsm_icmp(w.c, icmp_bytes, icmp_len, w.family, w.p.now);
    wire__touched();
    return r;
}

/* ESTABLISHED with a round trip of half a second measured: RTO 1.5 s */
static void accepted_slowly(const char *extra)
{
    LISTEN();
    IN("S 0 %s", extra);
    OUT("SA 0 ack 1 mss *");
    AT(0.5);
    IN("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
    tcpsm_take(w.c);
}

/* ---- the header ------------------------------------------------------- */

/* RFC9293-MUST-1: a window above 32 767 is not negative */
TEST(window_unsigned)
{
    int i;

    START();
    w.cfg.initial_segments = 60;
    ACCEPTED("mss 1000 win 60000");
    SEND(50000);
    for (i = 0; i < 50; i++)
        OUT("%s %d ack 1 len 1000", i == 49 ? "PA" : "A", 1 + 1000 * i);
    CHECK_EQ(status().snd_wnd, 60000);
    IN("A 1 ack 50001 win 40000");
    CHECK_EQ(status().snd_wnd, 40000);
    IN("FA 1 ack 50001 win 65535");
    CHECK_EQ(status().snd_wnd, 65535);
}

/* RFC9293-MUST-2 */
TEST(checksum_sent)
{
    START();
    LISTEN();
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    CHECK_NE(pair_get16(w.last.bytes + 16), 0);
    CHECK_EQ(pair_checksum(&w.last.tuple, w.last.bytes, w.last.len), 0);
    IN("A 1 ack 1");
    SEND(37);
    OUT("PA 1 ack 1 len 37");
    CHECK_EQ(pair_checksum(&w.last.tuple, w.last.bytes, w.last.len), 0);
}

/* RFC9293-MUST-3: in every state, on the straight path and beside it */
TEST(checksum_verified)
{
    START();
    LISTEN();
    IN_NOTHING(TCPSM_DROP_CHECKSUM, "S 0 mss 1000 badsum");
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN_NOTHING(TCPSM_DROP_CHECKSUM, "A 1 ack 1 badsum");
    IN("A 1 ack 1");
    IN_NOTHING(TCPSM_DROP_CHECKSUM, "PA 1 ack 1 len 10 badsum");
    IN_NOTHING(TCPSM_DROP_CHECKSUM, "RA 1 ack 1 badsum");
    IN_NOTHING(TCPSM_DROP_CHECKSUM, "FA 1 ack 1 len 1 badsum");
    IN("PA 1 ack 1 len 10 badsum csumok"); /* hardware said that it is good */
    READ(10);
}

/* RFC9293-MUST-4, RFC9293-MUST-64: NOP, EOL and MSS at every alignment */
TEST(options_alignment)
{
    static const char *const raw[] = {"020403e8",         "01020403e8",
                                      "0101020403e8",     "010101020403e8",
                                      "01020403e8010100", "fd0300020403e800"};
    size_t i;

    for (i = 0; i < sizeof raw / sizeof *raw; i++) {
        START();
        LISTEN();
        IN("S 0 raw %s", raw[i]);
        OUT("SA 0 ack 1 mss 1460");
        CHECK_EQ(status().peer_mss, 1000);
    }
}

/* RFC9293-MUST-5, RFC9293-MUST-6: in a data segment as in a SYN; what is
   not known is stepped over */
TEST(options_in_any_segment)
{
    START();
    w.cfg.flags = TCPSM_NO_SACK | TCPSM_NO_SCALE | TCPSM_NO_ECN;
    LISTEN();
    IN("S 0 raw fd04beef020403e81e06000000000101080a0000006400000000");
    OUT("SA 0 ack 1 mss 1460 ts * 100");
    CHECK_EQ(status().peer_mss, 1000);
    w.ts = 1;
    IN("A 1 ack 1");
    IN("PA 1 ack 1 len 10 raw fd04beef");
    READ(10);
    IN("FA 11 ack 1 raw 1e0300");
    STATE(TCPSM_CLOSE_WAIT);
}

/* RFC9293-MUST-7: zero, one, and past the end of the header */
TEST(option_lengths)
{
    static const char *const bad[] = {"01010204", "02000000", "02010000",
                                      "fd050000", "010101fd", "fd000000",
                                      "080a0000", "fd010101"};
    size_t i;

    START();
    LISTEN();
    for (i = 0; i < sizeof bad / sizeof *bad; i++)
        IN_NOTHING(TCPSM_DROP_OPTIONS, "S 0 raw %s", bad[i]);
    START();
    ACCEPTED("mss 1000");
    for (i = 0; i < sizeof bad / sizeof *bad; i++)
        IN_NOTHING(TCPSM_DROP_OPTIONS, "PA 1 ack 1 len 9 raw %s", bad[i]);
    IN("PA 1 ack 1 len 9");
}

/* RFC9293-MUST-68: what an unknown option holds is not read as options */
TEST(unknown_options_have_lengths)
{
    START();
    LISTEN();
    IN("S 0 raw fd0602040064020403e80000");
    OUT("SA 0 ack 1 mss 1460");
    CHECK_EQ(status().peer_mss, 1000);
}

/* RFC9293-MUST-69: nothing but zeros after EOL, in both directions; and
   RFC9293-MUST-68 of what we send */
TEST(padding)
{
    static const uint16_t flags[] = {
        0,
        TCPSM_NO_SACK,
        TCPSM_NO_TS,
        TCPSM_NO_SCALE,
        TCPSM_NO_SACK | TCPSM_NO_TS,
        TCPSM_NO_SACK | TCPSM_NO_SCALE,
        TCPSM_NO_TS | TCPSM_NO_SCALE,
    };
    size_t i;
    uint32_t k, hdr;

    for (i = 0; i < sizeof flags / sizeof *flags; i++) {
        START();
        w.cfg.flags = flags[i];
        OPEN();
        wire__fill();
        CHECK_EQ(w.q_n, 1);
        wire__take();
        hdr = (uint32_t)(w.last.bytes[12] >> 4) * 4;
        for (k = 20; k < hdr && w.last.bytes[k] != 0;) {
            if (w.last.bytes[k] == 1) {
                k++;
                continue;
            }
            CHECK_GE(hdr - k, 2u);
            CHECK_GE(w.last.bytes[k + 1], 2);
            k += w.last.bytes[k + 1];
        }
        CHECK_LE(k, hdr);
        for (; k < hdr; k++)
            CHECK_EQ(w.last.bytes[k], 0);
    }
    START();
    LISTEN();
    IN("S 0 raw 020403e800020400640000ff");
    CHECK_EQ(status().peer_mss, 1000);
}

/* RFC9293-MUST-14, RFC9293-SHLD-5: sent and read, in both directions */
TEST(mss_option)
{
    START();
    LISTEN();
    IN("S 0 mss 700");
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    SEND(1400);
    OUT("A 1 ack 1 len 700");
    OUT("PA 701 ack 1 len 700");
    START();
    w.cfg.mtu = 1000;
    OPEN();
    OUT("S 0 mss 960");
    IN("SA 0 ack 1 mss 800");
    OUT("A 1 ack 1");
    SEND(1600);
    OUT("A 1 ack 1 len 800");
    OUT("PA 801 ack 1 len 800");
}

/* RFC9293-MUST-15 */
TEST(mss_default)
{
    START();
    LISTEN();
    IN("S 0");
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1");
    SEND(600);
    OUT("A 1 ack 1 len 536");
    START6();
    LISTEN();
    IN("S 0");
    OUT("SA 0 ack 1 mss 1440");
    IN("A 1 ack 1");
    SEND(1300);
    OUT("A 1 ack 1 len 1220");
}

/* RFC9293-MUST-16: the smaller of what the peer and the path take, less
   the options of this segment */
TEST(mss_effective)
{
    START();
    w.cfg.mtu = 1000;
    ACCEPTED("mss 1460");
    SEND(3000);
    OUT("A 1 ack 1 len 960");
    START();
    w.cfg.flags = TCPSM_NO_SACK | TCPSM_NO_SCALE | TCPSM_NO_ECN;
    ACCEPTED("mss 1000 ts 100 0");
    SEND(3000);
    OUT("A 1 ack 1 len 988 ts * *");
}

/* RFC9293-MUST-65 */
TEST(mss_only_with_syn)
{
    START();
    ACCEPTED("mss 1000");
    IN("PA 1 ack 1 len 10");
    AT(0.04);
    OUT("A 1 ack 11");
    SEND(10);
    OUT("PA 1 ack 11 len 10");
    SHUTDOWN();
    OUT("FA 11 ack 11");
    IN("A 11 ack 12");
    IN("FA 11 ack 12");
    OUT("A 12 ack 12");
    START();
    ACCEPTED("mss 1000");
    ABORT();
    OUT("RA 1 ack 1");
}

/* RFC9293-MUST-67 */
TEST(mss_advertised)
{
    START();
    w.cfg.mtu = 1280;
    LISTEN();
    IN("S 0");
    OUT("SA 0 ack 1 mss 1240");
    START6();
    w.cfg.mtu = 1280;
    OPEN();
    OUT("S 0 mss 1220");
}

/* ---- initial sequence numbers ----------------------------------------- */

static uint32_t iss_of(uint8_t key, uint16_t port, uint8_t host, double s)
{
    START();
    memset(w.cfg.key, key, 16);
    w.tuple.remote_port = port;
    w.tuple.remote[3] = host;
    w.p.now += wire__us(s);
    return wire__probe_iss();
}

/* RFC9293-MUST-8: one more every 4 us */
TEST(isn_clock)
{
    uint32_t a = iss_of(1, 80, 9, 0);

    CHECK_EQ(iss_of(1, 80, 9, 0), a);
    CHECK_EQ((uint32_t)(iss_of(1, 80, 9, 1) - a), 250000);
    CHECK_EQ((uint32_t)(iss_of(1, 80, 9, 60) - a), 15000000);
}

/* RFC9293-MUST-9: nothing that goes over the wire determines it */
TEST(isn_secret)
{
    START();
    memset(w.cfg.key, 0, 16);
    CHECK_EQ(tcpsm_init(w.c, &w.cfg), TCPSM_E_KEY);
    CHECK_NE(iss_of(1, 80, 9, 0), iss_of(2, 80, 9, 0));
    CHECK_NE(iss_of(2, 80, 9, 0), iss_of(3, 80, 9, 0));
}

/* RFC9293-SHLD-1: each pair of sockets has a sequence of its own */
TEST(isn_per_connection)
{
    CHECK_NE(iss_of(1, 80, 9, 0), iss_of(1, 81, 9, 0));
    CHECK_NE(iss_of(1, 80, 9, 0), iss_of(1, 80, 8, 0));
}

/* ---- opening ---------------------------------------------------------- */

/* RFC9293-MUST-10 */
TEST(simultaneous_open)
{
    START();
    OPEN();
    OUT("S 0 mss 1460");
    IN("S 0 mss 1000");
    STATE(TCPSM_SYN_RECEIVED);
    OUT("SA 0 ack 1 mss 1460");
    IN("SA 0 ack 1 mss 1000");
    STATE(TCPSM_ESTABLISHED);
    CHECK_NE(tcpsm_take(w.c) & TCPSM_EV_CONNECTED, 0);
}

/* RFC9293-MUST-11 */
TEST(opened_by_whom)
{
    START();
    LISTEN();
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN("R 1");
    STATE(TCPSM_LISTEN);
    ERROR_IS(0);
    IN("S 7 mss 1000");
    STATE(TCPSM_SYN_RECEIVED);
    START();
    OPEN();
    OUT("S 0 mss 1460");
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN("R 1");
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_REFUSED);
}

/* RFC9293-MUST-41: no OPEN touches a connection that lives */
TEST(listen_leaves_others_alone)
{
    tcpsm_tuple t;

    START();
    ACCEPTED("mss 1000");
    t = w.tuple;
    memset(t.remote, 0, 16);
    t.remote_port = 0;
    keep();
    CHECK_EQ(tcpsm_listen(w.c, &t, w.p.now), TCPSM_E_STATE);
    CHECK_EQ(tcpsm_open(w.c, &w.tuple, w.p.now), TCPSM_E_STATE);
    CHECK(is_kept());
}

/* RFC9293-MUST-43: with a local address, and without one */
TEST(local_address_optional)
{
    static const uint8_t other[16] = {10, 99, 99, 99};
    tcpsm_tuple t;

    START();
    LISTEN(); /* w.tuple.local is given */
    w.dst = other;
    IN_NOTHING(TCPSM_DROP_NOT_MINE, "S 0 mss 1000");
    w.dst = NULL;
    IN("S 0 mss 1000");
    START();
    wire__init();
    t = w.tuple;
    memset(t.local, 0, 16);
    memset(t.remote, 0, 16);
    t.remote_port = 0;
    CHECK_EQ(tcpsm_listen(w.c, &t, w.p.now), 0);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
}

/* RFC9293-MUST-44: the caller asks its IP layer for the local address;
   RFC9293-MUST-46: and no connection goes to a group */
TEST(open_addresses)
{
    static const uint8_t bad4[][4] = {
        {0, 0, 0, 0}, {224, 0, 0, 1}, {239, 1, 2, 3}, {255, 255, 255, 255}};
    tcpsm_tuple t;
    size_t i;

    START();
    wire__init();
    t = w.tuple;
    memset(t.local, 0, 16);
    CHECK_EQ(tcpsm_open(w.c, &t, w.p.now), TCPSM_E_ARG);
    for (i = 0; i < sizeof bad4 / sizeof *bad4; i++) {
        t = w.tuple;
        memcpy(t.remote, bad4[i], 4);
        CHECK_EQ(tcpsm_open(w.c, &t, w.p.now), TCPSM_E_ARG);
    }
    START6();
    wire__init();
    t = w.tuple;
    memset(t.remote, 0, 16);
    CHECK_EQ(tcpsm_open(w.c, &t, w.p.now), TCPSM_E_ARG);
    t.remote[0] = 0xFF;
    t.remote[1] = 2;
    t.remote[15] = 1;
    CHECK_EQ(tcpsm_open(w.c, &t, w.p.now), TCPSM_E_ARG);
    STATE(TCPSM_CLOSED);
}

/* RFC9293-MUST-45: what the SYN came to is used from then on, whatever else
   the host is called */
TEST(local_address_stays)
{
    static const uint8_t other[16] = {10, 99, 99, 99};
    tcpsm_tuple t;

    START();
    wire__init();
    t = w.tuple;
    memset(t.local, 0, 16);
    memset(t.remote, 0, 16);
    t.remote_port = 0;
    CHECK_EQ(tcpsm_listen(w.c, &t, w.p.now), 0);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    CHECK_MEM(w.last.tuple.local, w.tuple.local, 16);
    IN("A 1 ack 1");
    w.dst = other;
    IN_NOTHING(TCPSM_DROP_NOT_MINE, "PA 1 ack 1 len 10");
    w.dst = NULL;
    IN("PA 1 ack 1 len 10");
    SEND(10);
    OUT("PA 1 ack 11 len 10");
    CHECK_MEM(w.last.tuple.local, w.tuple.local, 16);
}

/* RFC9293-MUST-57 */
TEST(syn_to_a_group)
{
    static const uint8_t group[16] = {224, 0, 0, 5};
    static const uint8_t all[16] = {255, 255, 255, 255};
    tcpsm_tuple t;

    START();
    wire__init();
    t = w.tuple;
    memset(t.local, 0, 16);
    memset(t.remote, 0, 16);
    t.remote_port = 0;
    CHECK_EQ(tcpsm_listen(w.c, &t, w.p.now), 0);
    w.dst = group;
    IN_NOTHING(TCPSM_DROP_ADDRESS, "S 0 mss 1000");
    w.dst = all;
    IN_NOTHING(TCPSM_DROP_ADDRESS, "S 0 mss 1000");
    w.dst = NULL;
    IN_NOTHING(TCPSM_DROP_ADDRESS, "S 0 mss 1000 link");
    STRANGER_NONE();
    IN("S 0 mss 1000");
}

/* RFC9293-MUST-63 */
TEST(syn_from_nowhere)
{
    static const uint8_t bad[][16] = {
        {0}, {224, 0, 0, 5}, {255, 255, 255, 255}, {127, 0, 0, 1}};
    size_t i;

    START();
    LISTEN();
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        w.src = bad[i];
        IN_NOTHING(TCPSM_DROP_ADDRESS, "S 0 mss 1000");
    }
    w.src = NULL;
    IN("S 0 mss 1000");
}

/* ---- closing ---------------------------------------------------------- */

/* RFC9293-MUST-12 */
TEST(close_or_abort)
{
    START();
    ACCEPTED("mss 1000");
    IN("FA 1 ack 1 len 5");
    READ(5);
    READ_IS(TCPSM_E_EOF);
    ERROR_IS(0);
    START();
    ACCEPTED("mss 1000");
    IN("PA 1 ack 1 len 5");
    IN("RA 6 ack 1");
    CHECK_NE(tcpsm_take(w.c) & TCPSM_EV_ERROR, 0);
    READ(5);
    READ_IS(TCPSM_E_RESET);
    ERROR_IS(TCPSM_E_RESET);
}

/* RFC9293-MUST-13 */
TEST(time_wait_2msl)
{
    START();
    w.cfg.msl_ms = 10000;
    ACCEPTED("mss 1000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("A 1 ack 2");
    IN("FA 1 ack 2");
    STATE(TCPSM_TIME_WAIT);
    OUT("A 2 ack 2");
    AT(19.9);
    STATE(TCPSM_TIME_WAIT);
    DEADLINE(20);
    AT(20);
    NONE();
    STATE(TCPSM_CLOSED);
}

/* RFC9293-SHLD-2 */
TEST(reset_with_data)
{
    START();
    ACCEPTED("mss 1000");
    IN("RA 1 ack 1 len 5");
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_RESET);
    START();
    OPEN();
    OUT("S 0 mss 1460");
    IN("RA 0 ack 1 len 5");
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_REFUSED);
}

/* RFC9293-SHLD-3: what is lost is not hidden from the peer */
TEST(close_with_unread_data)
{
    START();
    ACCEPTED("mss 1000");
    IN("PA 1 ack 1 len 10");
    CHECK_EQ(tcpsm_close(w.c), 1);
    OUT("RA 1 ack 11");
    START();
    ACCEPTED("mss 1000");
    CLOSE();
    OUT("FA 1 ack 1");
    IN("A 1 ack 2");
    IN_DROP(TCPSM_DROP_CLOSED, "PA 1 ack 2 len 10");
    OUT("RA 2 ack *");
    STATE(TCPSM_CLOSED);
}

/* RFC9293-SHLD-4: RFC 6191 */
TEST(time_wait_reused)
{
    START();
    w.cfg.flags = TCPSM_NO_SACK | TCPSM_NO_SCALE | TCPSM_NO_ECN;
    ACCEPTED("mss 1000 ts 1000000 0");
    w.ts = 0;
    CLOSE();
    OUT("FA 1 ack 1 ts * *");
    IN("FA 1 ack 2 ts 1000001 0");
    OUT("A 2 ack 2 ts * *");
    STATE(TCPSM_TIME_WAIT);
    IN_DROP(TCPSM_DROP_SYN, "S 0 mss 1000 ts 999900 0");
    STATE(TCPSM_TIME_WAIT);
    OUT("A 2 ack 2 ts * *");
    /* a lower SEQ, and yet newer: a new connection, if the owner likes */
    IN_DROP(TCPSM_DROP_TIME_WAIT, "S 0 mss 1000 ts 1002000 0");
    STATE(TCPSM_CLOSED);
    CHECK_NE(tcpsm_take(w.c) & TCPSM_EV_DONE, 0);
    LISTEN();
    IN("S 0 mss 1000 ts 1002000 0");
    STATE(TCPSM_SYN_RECEIVED);
}

/* ---- sending ---------------------------------------------------------- */

/* RFC9293-MUST-17, RFC9293-SHLD-7 */
TEST(nagle)
{
    START();
    ACCEPTED("mss 1000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    SEND(10);
    SEND(10);
    NONE();
    SET(TCPSM_SET_NODELAY, 1);
    OUT("PA 11 ack 1 len 20");
    SEND(5);
    OUT("PA 31 ack 1 len 5");
    SET(TCPSM_SET_NODELAY, 0);
    SEND(5);
    NONE();
    IN("A 1 ack 36");
    OUT("PA 36 ack 1 len 5");
}

/* RFC9293-MUST-18: the formula */
TEST(rto_formula)
{
    START();
    accepted_slowly("mss 1000");
    CHECK_EQ(status().srtt_us, 500000);
    CHECK_EQ(status().rttvar_us, 250000);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    DEADLINE(2.0); /* 0.5 + 4 * 0.25 later */
    AT(0.8);
    IN("A 1 ack 11");                     /* a sample of 0.3 s */
    CHECK_EQ(status().srtt_us, 475000);   /* 7/8 * 0.5 + 1/8 * 0.3 */
    CHECK_EQ(status().rttvar_us, 237500); /* 3/4 * 0.25 + 1/4 * 0.2 */
}

/* RFC9293-MUST-18: Karn's rule */
TEST(rto_karn)
{
    START();
    accepted_slowly("mss 1000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    AT(2.0);
    OUT("PA 1 ack 1 len 10");
    AT(2.1);
    IN("A 1 ack 11");
    CHECK_EQ(status().srtt_us, 500000); /* of which was it the ACK? */
    SEND(10);
    OUT("PA 11 ack 1 len 10");
    DEADLINE(5.1); /* the backed-off RTO stays */
    AT(2.6);
    IN("A 1 ack 21");
    CHECK_EQ(status().rto_us, 500000 + 4 * 187500);
}

/* RFC9293-MUST-19 */
TEST(slow_start)
{
    int i;

    START();
    w.cfg.initial_segments = 2;
    ACCEPTED("mss 1000");
    CHECK_EQ(status().cwnd, 2000);
    SEND(40000);
    OUT("A 1 ack 1 len 1000");
    OUT("A 1001 ack 1 len 1000");
    NONE();
    for (i = 0; i < 8; i++) {
        IN("A 1 ack %d", 1001 + 1000 * i);
        CHECK_EQ(status().cwnd, 3000 + 1000 * i);
        OUT("A %d ack 1 len 1000", 2001 + 2000 * i);
        OUT("A %d ack 1 len 1000", 3001 + 2000 * i);
        NONE();
    }
}

/* RFC9293-MUST-19 */
TEST(congestion_avoidance)
{
    static const tcpsm_cc reno = {
        TCPSM_CC_NEWRENO, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    uint32_t cwnd = 1000, una, acked = 0, i;

    START();
    w.cfg.cc = &reno;
    ACCEPTED("mss 1000");
    SEND(10000); /* and nothing new for F-RTO (RFC 5682) to send */
    for (i = 0; i < 10; i++)
        OUT("%s %u ack 1 len 1000", i < 9 ? "A" : "PA", 1 + 1000 * i);
    AT(0.2);
    OUT("A 1 ack 1 len 1000");
    CHECK_EQ(status().ssthresh, 5000);
    CHECK_EQ(status().cwnd, cwnd);
    for (i = 0, una = 1; i < 30; i++) {
        una += 1000;
        IN("A 1 ack %u", una);
        if (i == 0)
            SEND(50000);
        if (cwnd < 5000) {
            cwnd += 1000;
        } else if ((acked += 1000) >= cwnd) {
            acked -= cwnd;
            cwnd += 1000;
        }
        CHECK_EQ(status().cwnd, cwnd);
        for (wire__fill(); w.q_n != 0; wire__fill())
            wire__take();
    }
}

/* RFC9293-MUST-19 */
TEST(rto_backoff)
{
    START();
    accepted_slowly("mss 1000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    AT(2.0);
    OUT("PA 1 ack 1 len 10");
    AT(5.0);
    OUT("PA 1 ack 1 len 10");
    AT(11.0);
    OUT("PA 1 ack 1 len 10");
    AT(23.0);
    OUT("PA 1 ack 1 len 10");
}

/* RFC9293-MUST-20, RFC9293-SHLD-9, RFC9293-SHLD-10, RFC9293-SHLD-11: trouble
   is told at R1, after three retransmissions; R2 ends it much later */
TEST(r1_and_r2)
{
    START();
    accepted_slowly("mss 1000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    EVENTS(0);
    AT(2.0);
    OUT("PA 1 ack 1 len 10");
    AT(5.0);
    OUT("PA 1 ack 1 len 10");
    EVENTS(0);
    AT(11.0);
    OUT("PA 1 ack 1 len 10");
    EVENTS(TCPSM_EV_TROUBLE);
    CHECK_GE(run_to(110.0), 2);
    STATE(TCPSM_ESTABLISHED);
    run_to(300.4);
    STATE(TCPSM_ESTABLISHED);
    run_to(300.6);
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
    CHECK_NE(tcpsm_take(w.c) & TCPSM_EV_ERROR, 0);
}

/* RFC9293-MUST-21 */
TEST(r2_per_connection)
{
    START();
    ACCEPTED("mss 1000");
    SET(TCPSM_SET_USER_TIMEOUT, 10000);
    SEND(10);
    CHECK_GE(run_to(9.9), 5);
    STATE(TCPSM_ESTABLISHED);
    run_to(10.0);
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
    START();
    ACCEPTED("mss 1000");
    SET(TCPSM_SET_USER_TIMEOUT, TCPSM_OFF);
    SEND(10);
    CHECK_GE(run_to(100000.0), 500); /* more than a day */
    STATE(TCPSM_ESTABLISHED);
    ERROR_IS(0);
}

/* RFC9293-MUST-22, RFC9293-MUST-23 */
TEST(syn_retransmissions)
{
    int i;
    double t = 0;

    START();
    OPEN();
    OUT("S 0 mss 1460");
    for (i = 1; i <= 3; i++) {
        EVENTS(0);
        t = (double)(tcpsm_deadline(w.c) - w.t0) / 1e6;
        CHECK_GT(t, 0.9);
        AT(t);
        OUT("S 0 mss 1460");
    }
    EVENTS(TCPSM_EV_TROUBLE); /* the application may give up now */
    CHECK_GE(run_to(179.9), 1);
    STATE(TCPSM_SYN_SENT);
    run_to(180.1);
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
}

/* ---- keep-alive ------------------------------------------------------- */

/* RFC9293-MUST-24, RFC9293-MUST-25, RFC9293-MUST-28, RFC9293-SHLD-12 */
TEST(keepalive_defaults)
{
    START();
    ACCEPTED("mss 1000");
    DEADLINE_NEVER();
    SET(TCPSM_SET_KEEPALIVE, 1);
    NONE();
    DEADLINE(7200);
    AT(7200);
    OUT("A 0 ack 1");
    IN("A 1 ack 1");
    NONE();
    DEADLINE(14400);
    SET(TCPSM_SET_KEEPALIVE, 0);
    NONE();
    DEADLINE_NEVER();
}

/* RFC9293-MUST-26: only where nothing is outstanding and nothing came */
TEST(keepalive_only_when_idle)
{
    START();
    ACCEPTED("mss 1000");
    SET(TCPSM_SET_KEEPALIVE, 1);
    SET(TCPSM_SET_KEEP_IDLE, 100000);
    NONE();
    DEADLINE(100);
    AT(60);
    IN("PA 1 ack 1 len 10");
    AT(60.04);
    OUT("A 1 ack 11");
    AT(90);
    IN("A 11 ack 1");
    NONE();
    DEADLINE(190);
    AT(180);
    SET(TCPSM_SET_USER_TIMEOUT, TCPSM_OFF);
    SEND(10);
    OUT("PA 1 ack 11 len 10");
    while (run_to((double)(w.p.now - w.t0) / 1e6 + 1) == 0 ||
           w.p.now < w.t0 + wire__us(400))
        if (w.seg.seq - w.iss != 1 || w.seg.len != 10)
            FAIL("a keep-alive while data is outstanding");
}

/* RFC9293-MUST-27 */
TEST(keepalive_configurable)
{
    START();
    w.cfg.keep_idle_ms = 50000;
    ACCEPTED("mss 1000");
    SET(TCPSM_SET_KEEPALIVE, 1);
    NONE();
    DEADLINE(50);
    SET(TCPSM_SET_KEEP_IDLE, 60000);
    SET(TCPSM_SET_KEEP_INTERVAL, 20000);
    NONE();
    DEADLINE(60);
    AT(60);
    OUT("A 0 ack 1");
    DEADLINE(80);
    AT(80);
    OUT("A 0 ack 1");
}

/* RFC9293-MUST-29 */
TEST(keepalive_unanswered)
{
    int i;

    START();
    ACCEPTED("mss 1000");
    SET(TCPSM_SET_KEEPALIVE, 1);
    CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_KEEP_COUNT, 1), TCPSM_E_ARG);
    SET(TCPSM_SET_KEEP_COUNT, 2);
    NONE();
    AT(7200);
    for (i = 0; i < 2; i++) {
        OUT("A 0 ack 1");
        STATE(TCPSM_ESTABLISHED);
        WAIT(75);
    }
    OUT("RA 1 ack 1");
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_TIMEOUT);
    START();
    w.cfg.keep_count = 1;
    CHECK_EQ(tcpsm_init(w.c, &w.cfg), TCPSM_E_ARG);
}

/* ---- urgent data ------------------------------------------------------ */

/* RFC9293-MUST-30, RFC9293-MUST-62: the octet after, both ways */
TEST(urgent_pointer)
{
    START();
    ACCEPTED("mss 1000");
    SEND_FLAGS(10, TCPSM_URG);
    OUT("PAU 1 ack 1 len 10 urg 10");
    IN("PAU 1 ack 11 len 10 urg 4");
    CHECK_NE(tcpsm_take(w.c) & TCPSM_EV_URGENT, 0);
    CHECK_EQ(status().urgent, 4);
    READ(10);
}

/* RFC9293-MUST-31 */
TEST(urgent_any_length)
{
    START();
    ACCEPTED("mss 1000");
    SEND_FLAGS(3000, TCPSM_URG);
    OUT("AU 1 ack 1 len 1000 urg 3000");
    OUT("AU 1001 ack 1 len 1000 urg 2000");
    OUT("PAU 2001 ack 1 len 1000 urg 1000");
    IN("A 1 ack 3001");
    SEND(10);
    OUT("PA 3001 ack 1 len 10");
    IN("AU 1 ack 3011 len 1000 urg 40000");
    CHECK_EQ(status().urgent, 40000);
    READ(1000);
    CHECK_EQ(status().urgent, 39000);
}

/* RFC9293-MUST-32, RFC9293-MUST-33 */
TEST(urgent_told)
{
    START();
    ACCEPTED("mss 1000");
    IN("PAU 1 ack 1 len 10 urg 20");
    CHECK_NE(tcpsm_take(w.c) & TCPSM_EV_URGENT, 0);
    IN("PAU 11 ack 1 len 10 urg 10"); /* the same octet */
    CHECK_EQ(tcpsm_take(w.c) & TCPSM_EV_URGENT, 0);
    OUT("A 1 ack 21");
    IN("PAU 21 ack 1 len 10 urg 10"); /* further on */
    CHECK_NE(tcpsm_take(w.c) & TCPSM_EV_URGENT, 0);
    CHECK_EQ(status().urgent, 30);
    READ(29);
    CHECK_EQ(status().urgent, 1);
    CHECK_NE(tcpsm_events(w.c) & TCPSM_EV_URGENT, 0);
    READ(1);
    CHECK_EQ(status().urgent, 0);
    CHECK_EQ(tcpsm_events(w.c) & TCPSM_EV_URGENT, 0);
}

/* ---- windows ---------------------------------------------------------- */

/* RFC9293-MUST-34, RFC9293-SHLD-15, RFC9293-SHLD-16: the right edge moves
   left over what is in flight */
TEST(window_shrunk)
{
    int i;

    START();
    ACCEPTED("mss 1000 win 5000");
    IN("A 1 ack 1 win 5000");
    SEND(6000);
    for (i = 0; i < 5; i++)
        OUT("A %d ack 1 len 1000", 1 + 1000 * i);
    NONE();
    IN("A 1 ack 1001 win 1500");
    NONE(); /* the usable window is -2500 */
    AT(0.2);
    OUT("A 1001 ack 1 len 1000");
    IN("A 1 ack 2001 win 5000");
    for (i = 0; i < 2; i++)
        OUT("A %d ack 1 len 1000", 2001 + 1000 * i);
    IN("A 1 ack 5001 win 5000");
    OUT("PA 5001 ack 1 len 1000");
}

/* RFC9293-MUST-35, RFC9293-SHLD-17: shrunk to nothing, probed, and not given
   up for what lies beyond the edge */
TEST(window_shrunk_to_zero)
{
    int i, n = 0;

    START();
    ACCEPTED("mss 1000 win 3000");
    IN("A 1 ack 1 win 3000");
    SEND(3000);
    for (i = 0; i < 3; i++)
        OUT("%s %d ack 1 len 1000", i == 2 ? "PA" : "A", 1 + 1000 * i);
    IN("A 1 ack 1001 win 0");
    NONE();
    AT(0.2);
    OUT("A 1001 ack 1 len 1");
    IN("A 1 ack 1001 win 0");
    while (w.p.now < w.t0 + wire__us(1000)) {
        tcpsm_time d = tcpsm_deadline(w.c);

        CHECK_LT(d, TCPSM_NEVER);
        w.p.now = d > w.p.now ? d : w.p.now;
        wire__fill();
        if (w.q_n == 0)
            continue;
        OUT("A 1001 ack 1 len 1");
        IN("A 1 ack 1001 win 0");
        n++;
    }
    STATE(TCPSM_ESTABLISHED);
    CHECK_GE(n, 10);
    IN("A 1 ack 1001 win 3000");
    OUT("A 1001 ack 1 len 1000");
}

/* RFC9293-MUST-36, RFC9293-SHLD-29, RFC9293-SHLD-30: after one RTO, then at
   twice the distance each time */
TEST(window_probes)
{
    START();
    w.peer_win = 0;
    accepted_slowly("mss 1000 win 0");
    SEND(1000);
    NONE();
    DEADLINE(2.0);
    AT(2.0);
    OUT("A 1 ack 1 len 1");
    IN("A 1 ack 1 win 0");
    AT(5.0);
    OUT("A 1 ack 1 len 1");
    IN("A 1 ack 1 win 0");
    AT(11.0);
    OUT("A 1 ack 1 len 1");
    AT(11.5);
    IN("A 1 ack 1 win 5000");
    OUT("PA 1 ack 1 len 1000"); /* with the probes' octet: RFC9293-SHLD-28 */
}

/* RFC9293-MUST-37: as long as the probes are answered */
TEST(window_closed_for_long)
{
    int n = 0;

    START();
    w.peer_win = 0;
    ACCEPTED("mss 1000 win 0");
    SEND(1000);
    while (w.p.now < w.t0 + wire__us(3600)) {
        tcpsm_time d = tcpsm_deadline(w.c);

        CHECK_LT(d, TCPSM_NEVER);
        w.p.now = d > w.p.now ? d : w.p.now;
        wire__fill();
        if (w.q_n == 0)
            continue;
        OUT("A 1 ack 1 len 1");
        IN("A 1 ack 1 win 0");
        n++;
    }
    CHECK_GE(n, 20);
    STATE(TCPSM_ESTABLISHED);
    START();
    w.peer_win = 0;
    ACCEPTED("mss 1000 win 0");
    SEND(1000);
    run_to(310); /* and not when nobody answers */
    STATE(TCPSM_CLOSED);
}

/* RFC9293-MUST-38 */
TEST(silly_window_sender)
{
    START();
    w.cfg.flags |= TCPSM_NODELAY;
    ACCEPTED("mss 1000 win 2000");
    IN("A 1 ack 1 win 2000");
    SEND(5000);
    OUT("A 1 ack 1 len 1000");
    OUT("A 1001 ack 1 len 1000");
    NONE();
    IN("A 1 ack 2001 win 100");
    NONE();
    IN("A 1 ack 2001 win 600");
    NONE();
    IN("A 1 ack 2001 win 1000"); /* a full segment */
    OUT("A 2001 ack 1 len 1000");
    IN("A 1 ack 3001 win 100");
    AT(0.2); /* the override */
    OUT("A 3001 ack 1 len 100");
}

/* RFC9293-MUST-39 */
TEST(silly_window_receiver)
{
    int i;

    START();
    w.rcv_ring = 4000;
    ACCEPTED("mss 1000");
    for (i = 0; i < 4; i++)
        IN("A %d ack 1 len 1000", 1 + 1000 * i);
    OUT("A 1 ack 4001 win 0");
    READ(100);
    NONE();
    READ(1300);
    NONE();
    IN_DROP(TCPSM_DROP_WINDOW, "A 4001 ack 1 len 1");
    OUT("A 1 ack 4001 win 0");
    READ(60); /* min(ring / 2, MSS) are free */
    OUT("A 1 ack 4001 win 1460");
}

/* RFC9293-SHLD-14 */
TEST(window_never_shrinks)
{
    int i;

    START();
    w.rcv_ring = 5000;
    ACCEPTED("mss 1000");
    for (i = 1; i <= 5; i++) {
        IN("A %d ack 1 len 1000", 1 + 1000 * (i - 1));
        run_to(0.1 * i);
        CHECK_EQ(w.seg.wnd + (w.seg.ack - w.irs), 5001);
    }
}

/* RFC9293-MUST-66 */
TEST(zero_window_rst_urg)
{
    START();
    w.rcv_ring = 2000;
    ACCEPTED("mss 1000");
    IN("A 1 ack 1 len 1000");
    IN("A 1001 ack 1 len 1000");
    OUT("A 1 ack 2001 win 0");
    tcpsm_take(w.c);
    IN("AU 2001 ack 1 urg 10");
    CHECK_NE(tcpsm_take(w.c) & TCPSM_EV_URGENT, 0);
    SEND(10);
    OUT("PA 1 ack 2001 len 10 win 0");
    IN("A 2001 ack 11");
    CHECK_EQ(status().snd_una - w.iss, 11);
    IN("RA 2001 ack 11");
    STATE(TCPSM_CLOSED);
    READ(2000);
    READ_IS(TCPSM_E_RESET);
}

/* ---- acknowledging ---------------------------------------------------- */

/* RFC9293-MUST-40, RFC9293-SHLD-18 */
TEST(ack_delay)
{
    START();
    ACCEPTED("mss 1000");
    IN("PA 1 ack 1 len 10");
    NONE();
    DEADLINE(0.04);
    AT(0.04);
    OUT("A 1 ack 11");
    CHECK_EQ(tcpsm_set(w.c, TCPSM_SET_ACK_DELAY, 500000), TCPSM_E_ARG);
    SET(TCPSM_SET_ACK_DELAY, 499999);
    AT(1);
    IN("PA 11 ack 1 len 10");
    NONE();
    CHECK_LT(tcpsm_deadline(w.c), w.t0 + wire__us(1.5));
    AT(1.4);
    NONE();
    w.p.now = tcpsm_deadline(w.c);
    OUT("A 1 ack 21");
    START();
    w.cfg.ack_delay_us = 500000;
    CHECK_EQ(tcpsm_init(w.c, &w.cfg), TCPSM_E_ARG);
}

/* RFC9293-SHLD-19 */
TEST(ack_every_second)
{
    int i;

    START();
    ACCEPTED("mss 1000");
    for (i = 0; i < 6; i += 2) {
        IN("A %d ack 1 len 1000", 1 + 1000 * i);
        NONE();
        IN("A %d ack 1 len 1000", 1001 + 1000 * i);
        OUT("A 1 ack %d", 2001 + 1000 * i);
    }
}

/* RFC9293-MUST-58, RFC9293-MUST-59: one ACK for a batch */
TEST(acks_aggregated)
{
    int i;

    START();
    ACCEPTED("mss 1000");
    IN("A 1 ack 1 len 1000");
    IN("A 1001 ack 1 len 1000");
    OUT("A 1 ack 2001");
    NONE();
    for (i = 2; i < 9; i++)
        IN("A %d ack 1 len 1000", 1 + 1000 * i);
    OUT("A 1 ack 9001");
    NONE();
    DEADLINE_NEVER();
}

/* RFC9293-SHLD-31 */
TEST(out_of_order_kept)
{
    START();
    ACCEPTED("mss 1000");
    IN("A 1001 ack 1 len 1000");
    OUT("A 1 ack 1");
    IN("A 2001 ack 1 len 1000");
    OUT("A 1 ack 1");
    IN("A 1 ack 1 len 1000");
    OUT("A 1 ack 3001");
    READ(3000);
}

/* ---- the SEND call ---------------------------------------------------- */

/* RFC9293-MUST-60: held for a fuller segment, and no longer than that */
TEST(not_buffered_for_ever)
{
    START();
    ACCEPTED("mss 1000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    IN("A 1 ack 11");
    SEND_FLAGS(10, TCPSM_MORE);
    NONE();
    DEADLINE(0.2);
    AT(0.2);
    OUT("PA 11 ack 1 len 10");
    IN("A 1 ack 21");
    SET(TCPSM_SET_CORK, 1);
    SEND(10);
    NONE();
    AT(0.4);
    OUT("PA 21 ack 1 len 10");
}

/* RFC9293-MUST-61, RFC9293-SHLD-27, RFC9293-SHLD-28: PSH where the queue
   ends, once, whatever the calls were; else full segments */
TEST(psh)
{
    START();
    ACCEPTED("mss 1000");
    SEND(700);
    SEND(700);
    SEND(1100);
    OUT("A 1 ack 1 len 1000");
    OUT("A 1001 ack 1 len 1000");
    NONE();
    IN("A 1 ack 2001");
    OUT("PA 2001 ack 1 len 500");
    SEND(10);
    SEND(10);
    SEND(10);
    IN("A 1 ack 2501");
    OUT("PA 2501 ack 1 len 30");
}

/* ---- what comes from below -------------------------------------------- */

/* RFC9293-MUST-48, RFC9293-MUST-49, RFC9293-SHLD-21, RFC9293-SHLD-22 */
TEST(dscp_and_ttl)
{
    START();
    w.cfg.dscp = 10;
    w.cfg.ttl = 32;
    ACCEPTED("mss 1000");
    CHECK_EQ(w.last.tos, 10 << 2);
    CHECK_EQ(w.last.ttl, 32);
    SET(TCPSM_SET_DSCP, 46);
    SET(TCPSM_SET_TTL, 255);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    CHECK_EQ(w.last.tos, 46 << 2);
    CHECK_EQ(w.last.ttl, 255);
    START();
    ACCEPTED("mss 1000");
    CHECK_EQ(w.last.tos, 0);
    CHECK_EQ(w.last.ttl, 64);
}

/* RFC9293-MUST-47, RFC9293-SHLD-20, RFC9293-SHLD-25: reported, by kind, and
   not to who does not want to know */
TEST(reports)
{
    START();
    ACCEPTED("mss 1000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    tcpsm_take(w.c);
    CHECK_EQ(icmp(3, 1), 0);
    EVENTS(TCPSM_EV_TROUBLE);
    CHECK_EQ(status().soft_error, 3 << 4 | 1);
    run_to(1.5); /* three retransmissions: 0.2, 0.6, 1.4 */
    EVENTS(TCPSM_EV_TROUBLE);
    IN("PAU 1 ack 11 len 10 urg 10");
    CHECK_NE(tcpsm_take(w.c) & TCPSM_EV_URGENT, 0);
    START();
    ACCEPTED("mss 1000");
    SET(TCPSM_SET_REPORTS, 0);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    CHECK_EQ(icmp(3, 1), 0);
    run_to(10);
    EVENTS(0);
    CHECK_EQ(status().soft_error, 3 << 4 | 1);
}

/* RFC9293-MUST-54: to the connection that caused it, and no other */
TEST(icmp_directed)
{
    int i;

    START();
    ACCEPTED("mss 1000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    tcpsm_take(w.c);
    for (i = 0; i < 5; i++) {
        icmp_build(3, 1);
        if (i < 2)
            icmp_bytes[8 + 20 + 2 * i + 1] ^= 1; /* the ports */
        else if (i < 4)
            icmp_bytes[8 + 12 + 4 * (i - 2) + 3] ^= 1; /* the addresses */
        else
            pair_put32(icmp_bytes + 8 + 20 + 4, w.iss + 11); /* not sent */
        keep();
        CHECK_EQ(tcpsm_icmp(w.c, icmp_bytes, icmp_len, 4, w.p.now),
                 i < 4 ? (int)TCPSM_E_NOT_MINE : (int)TCPSM_DROP_ICMP);
        CHECK(is_kept());
    }
    CHECK_EQ(icmp(3, 1), 0);
    EVENTS(TCPSM_EV_TROUBLE);
}

/* RFC9293-MUST-55 */
TEST(source_quench)
{
    START();
    ACCEPTED("mss 1000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    keep();
    CHECK_EQ(icmp(4, 0), TCPSM_DROP_ICMP);
    CHECK(is_kept());
}

/* RFC9293-MUST-56, RFC9293-SHLD-26: soft errors end nothing; hard ones a
   handshake */
TEST(icmp_soft_and_hard)
{
    static const uint8_t soft4[][2] = {{3, 0},  {3, 1},  {3, 5}, {11, 0},
                                       {11, 1}, {12, 0}, {12, 1}};
    static const uint8_t soft6[][2] = {{1, 0}, {1, 3}, {3, 0},
                                       {3, 1}, {4, 0}, {4, 2}};
    size_t i;

    for (i = 0; i < sizeof soft4 / sizeof *soft4; i++) {
        START();
        OPEN();
        OUT("S 0 mss 1460");
        CHECK_EQ(icmp(soft4[i][0], soft4[i][1]), 0);
        STATE(TCPSM_SYN_SENT);
        CHECK_NE(tcpsm_take(w.c) & TCPSM_EV_TROUBLE, 0);
    }
    for (i = 0; i < sizeof soft6 / sizeof *soft6; i++) {
        START6();
        OPEN();
        OUT("S 0 mss 1440");
        CHECK_EQ(icmp(soft6[i][0], soft6[i][1]), 0);
        STATE(TCPSM_SYN_SENT);
    }
    for (i = 2; i < 4; i++) { /* protocol, port */
        START();
        OPEN();
        OUT("S 0 mss 1460");
        CHECK_EQ(icmp(3, (uint8_t)i), 0);
        STATE(TCPSM_CLOSED);
        ERROR_IS(TCPSM_E_UNREACHABLE);
        START();
        ACCEPTED("mss 1000");
        SEND(10);
        OUT("PA 1 ack 1 len 10");
        CHECK_EQ(icmp(3, (uint8_t)i), 0);
        STATE(TCPSM_ESTABLISHED);
    }
}
