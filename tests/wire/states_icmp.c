/* ICMP: RFC 9293 section 3.9.2.2, RFC 5927, RFC 1191, RFC 8201. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

/* The ICMP message that a router sends about our segment with this
   relative SEQ; word is its bytes 4 to 7. Returns what tcpsm_icmp said. */
static uint8_t msg[256];
static uint32_t msg_len;

static void quote(int type, int code, uint32_t word, uint32_t seq)
{
    uint8_t *ip = msg + 8, *tcp;

    memset(msg, 0, sizeof msg);
    msg[0] = (uint8_t)type;
    msg[1] = (uint8_t)code;
    pair_put32(msg + 4, word);
    if (w.family == 4) {
        ip[0] = 0x45;
        pair_put16(ip + 2, 1500);
        ip[9] = 6;
        memcpy(ip + 12, w.tuple.local, 4);
        memcpy(ip + 16, w.tuple.remote, 4);
        tcp = ip + 20;
    } else {
        ip[0] = 0x60;
        ip[6] = 6;
        memcpy(ip + 8, w.tuple.local, 16);
        memcpy(ip + 24, w.tuple.remote, 16);
        tcp = ip + 40;
    }
    pair_put16(tcp, w.tuple.local_port);
    pair_put16(tcp + 2, w.tuple.remote_port);
    pair_put32(tcp + 4, w.iss + seq);
    msg_len = (uint32_t)(tcp + 8 - msg);
}

static tcpsm_ret give(void)
{
    tcpsm_ret r = tcpsm_icmp(w.c, msg, msg_len, w.family, w.p.now);

    wire__touched();
    return r;
}

static tcpsm_ret icmp(int type, int code, uint32_t word, uint32_t seq)
{
    WIRE__STEP("ICMP %d/%d word %u seq %u", type, code, word, seq);
    quote(type, code, word, seq);
    return give();
}

static void drain(void)
{
    while (wire__fill(), w.q_n)
        wire__take();
}

/* v4: everything that is soft, the whole list of s3.9.2.2 and more */
TEST(RFC9293_MUST_56_soft_errors_never_abort_v4)
{
    struct {
        int type, code;
    } const soft[] = {{3, 0},  {3, 1},  {3, 5},  {11, 0}, {11, 1},
                      {12, 0}, {12, 1}, {12, 2}, {3, 6},  {3, 13}};
    uint32_t i;

    for (i = 0; i < sizeof soft / sizeof *soft; i++) {
        START(); /* even in SYN-SENT */
        OPEN();
        OUT("S 0 mss 1460");
        CHECK_EQ(icmp(soft[i].type, soft[i].code, 0, 0), 0);
        STATE(TCPSM_SYN_SENT);
        /* RFC9293-SHLD-25, RFC9293-MUST-47, RFC9293-MUST-54 */
        EVENTS(TCPSM_EV_TROUBLE);
        ERROR_IS(0);
        START();
        OPENED("win 5000");
        SEND(10);
        OUT("PA 1 ack 1 len 10");
        CHECK_EQ(icmp(soft[i].type, soft[i].code, 0, 1), 0);
        STATE(TCPSM_ESTABLISHED);
        EVENTS(TCPSM_EV_TROUBLE);
        ERROR_IS(0);
    }
}

TEST(RFC9293_MUST_56_soft_errors_never_abort_v6)
{
    struct {
        int type, code;
    } const soft[] = {{1, 0}, {1, 3}, {3, 0}, {3, 1}, {4, 0}, {4, 1}, {4, 2}};
    uint32_t i;

    for (i = 0; i < sizeof soft / sizeof *soft; i++) {
        START6();
        OPEN();
        OUT("S 0 mss 1440");
        CHECK_EQ(icmp(soft[i].type, soft[i].code, 0, 0), 0);
        STATE(TCPSM_SYN_SENT);
        EVENTS(TCPSM_EV_TROUBLE);
        ERROR_IS(0);
    }
}

/* RFC9293-SHLD-26 where RFC 5927 leaves it: only a handshake ends. */
TEST(RFC9293_SHLD_26_hard_errors_end_a_handshake)
{
    START();
    OPEN();
    OUT("S 0 mss 1460");
    CHECK_EQ(icmp(3, 3, 0, 0), 0);
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_UNREACHABLE);
    EVENTS(TCPSM_EV_ERROR | TCPSM_EV_DONE);
    READ_IS(TCPSM_E_UNREACHABLE);
    DEADLINE_NEVER();
    START();
    OPEN();
    OUT("S 0 mss 1460");
    CHECK_EQ(icmp(3, 2, 0, 0), 0);
    STATE(TCPSM_CLOSED);
    START6();
    OPEN();
    OUT("S 0 mss 1440");
    CHECK_EQ(icmp(1, 4, 0, 0), 0);
    STATE(TCPSM_CLOSED);
    ERROR_IS(TCPSM_E_UNREACHABLE);
}

TEST(RFC5927_3_hard_errors_in_synchronized_states_are_soft)
{
    START();
    OPENED("win 5000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    CHECK_EQ(icmp(3, 3, 0, 1), 0);
    CHECK_EQ(icmp(3, 2, 0, 10), 0);
    STATE(TCPSM_ESTABLISHED);
    EVENTS(TCPSM_EV_TROUBLE);
    ERROR_IS(0);
    START(); /* a listener's SYN-RECEIVED must not be knocked over either */
    LISTEN();
    IN("S 0");
    OUT("SA 0 ack 1 mss 1460");
    icmp(3, 3, 0, 0);
    STATE(TCPSM_SYN_RECEIVED);
}

/* RFC5927-1: SND.UNA =< SEQ < SND.NXT */
TEST(RFC5927_1_quoted_seq_must_be_in_flight)
{
    const uint32_t out[] = {0, 10, 21, 22, 0x80000000u, 0xFFFFFFFFu};
    tcpsm_conn before;
    uint32_t i;

    START();
    OPENED("win 5000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    IN("A 1 ack 11");
    SEND(10);
    OUT("PA 11 ack 1 len 10");
    tcpsm_take(w.c);
    for (i = 0; i < sizeof out / sizeof *out; i++) {
        before = *w.c;
        CHECK_EQ(icmp(3, 1, 0, out[i]), TCPSM_DROP_ICMP);
        CHECK_EQ(icmp(3, 4, 600, out[i]), TCPSM_DROP_ICMP);
        CHECK_MEM(&before, w.c, sizeof before);
    }
    CHECK_EQ(COUNT(drops[TCPSM_DROP_ICMP]), 12);
    CHECK_EQ(icmp(3, 1, 0, 11), 0);
    CHECK_EQ(icmp(3, 1, 0, 20), 0);
    EVENTS(TCPSM_EV_TROUBLE);
}

/* RFC9293-MUST-55 */
TEST(RFC9293_MUST_55_source_quench_is_discarded)
{
    tcpsm_conn before;

    START();
    OPENED("win 5000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    before = *w.c;
    CHECK_EQ(icmp(4, 0, 0, 1), TCPSM_DROP_ICMP);
    CHECK_EQ(icmp(5, 0, 0, 1), TCPSM_DROP_ICMP); /* redirect: IP's affair */
    CHECK_EQ(icmp(8, 0, 0, 1), TCPSM_DROP_ICMP);
    CHECK_MEM(&before, w.c, sizeof before);
}

/* RFC5927-4: one connection, the quoted one */
TEST(RFC5927_4_other_connections_are_not_touched)
{
    uint32_t i;

    START();
    OPENED("win 5000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    for (i = 0; i < 12; i++) { /* each byte of addresses and ports */
        quote(3, 3, 0, 1);
        msg[8 + 12 + i] ^= 1;
        CHECK_EQ(give(), TCPSM_E_NOT_MINE);
    }
    quote(3, 3, 0, 1);
    msg[8 + 9] = 17;
    CHECK_EQ(give(), TCPSM_E_NOT_MINE); /* UDP */
    CHECK_EQ(tcpsm_icmp(w.c, msg, msg_len, 6, w.p.now), TCPSM_E_NOT_MINE);
    for (i = 8; i < 36; i++) {
        quote(3, 3, 0, 1);
        msg_len = i;
        CHECK_EQ(give(), TCPSM_E_NOT_MINE);
    }
    msg_len = 7;
    CHECK_EQ(give(), TCPSM_E_ARG);
    EVENTS(0);
}

/* RFC9293-SHLD-20 */
TEST(RFC9293_SHLD_20_reports_can_be_turned_off)
{
    START();
    OPENED("win 5000");
    SET(TCPSM_SET_REPORTS, 0);
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    CHECK_EQ(icmp(3, 1, 0, 1), 0);
    EVENTS(0);
    SET(TCPSM_SET_REPORTS, 1);
    CHECK_EQ(icmp(3, 1, 0, 1), 0);
    EVENTS(TCPSM_EV_TROUBLE);
}

/* tcpsm_status tells which it was (RFC9293-SHLD-25). */
TEST(RFC9293_SHLD_25_status_tells_the_soft_error)
{
    struct tcpsm_info i;

    START();
    OPENED("win 5000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    CHECK_EQ(icmp(3, 13, 0, 1), 0);
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.soft_error, 3 << 4 | 13);
}

/* RFC 1191, RFC5927-8: before anything large got through, at once */
TEST(RFC5927_8_packet_too_big_at_once)
{
    START();
    OPENED("win 65535 mss 1460");
    SEND(5000);
    OUT("A 1 ack 1 len 1460");
    drain();
    CHECK_EQ(icmp(3, 4, 1000, 1), 0);
    OUT("A 1 ack 1 len 960"); /* again, smaller, without a timeout */
    CHECK_EQ(tcpsm_take(w.c), 0);
    STATE(TCPSM_ESTABLISHED);
}

/* RFC5927-9: after that, only if the data times out */
TEST(RFC5927_9_packet_too_big_is_held)
{
    struct tcpsm_info i;

    START();
    OPENED("win 65535 mss 1460");
    SEND(1460);
    OUT("PA 1 ack 1 len 1460");
    IN("A 1 ack 1461");
    SEND(2920);
    drain();
    CHECK_EQ(icmp(3, 4, 600, 1461), 0);
    NONE();
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.mtu, 1500);
    IN("A 1 ack 2921"); /* what it claimed to be too big arrived */
    IN("A 1 ack 4381");
    SEND(1460);
    OUT("PA 4381 ack 1 len 1460");
    CHECK_EQ(icmp(3, 4, 600, 4381), 0);
    NONE();
    AT(0.2); /* now it did not */
    OUT("A 4381 ack 1 len 560");
}

/* RFC5927-7: larger than what was sent */
TEST(RFC5927_7_packet_too_big_must_lower)
{
    tcpsm_conn before;

    START();
    OPENED("win 65535 mss 1460");
    SEND(1460);
    drain();
    before = *w.c;
    CHECK_EQ(icmp(3, 4, 1500, 1), TCPSM_DROP_ICMP);
    CHECK_EQ(icmp(3, 4, 65535, 1), TCPSM_DROP_ICMP);
    CHECK_MEM(&before, w.c, sizeof before);
    CHECK_EQ(COUNT(drops[TCPSM_DROP_ICMP]), 2);
}

/* RFC5927-10: a floor, so that nobody makes us send one byte each */
TEST(RFC5927_10_packet_too_big_has_a_floor_v4)
{
    const uint32_t mtu[] = {1, 28, 67, 68, 100, 295};
    struct tcpsm_info i;
    uint32_t k;

    for (k = 0; k < 6; k++) {
        START();
        OPENED("win 65535 mss 1460");
        SEND(1460);
        drain();
        icmp(3, 4, mtu[k], 1);
        tcpsm_status(w.c, &i);
        CHECK_GE(i.mtu, 296);
        drain();
    }
    START(); /* an old router that does not tell: RFC 1191 s7 */
    OPENED("win 65535 mss 1460");
    SEND(1460);
    drain();
    CHECK_EQ(icmp(3, 4, 0, 1), 0);
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.mtu, 1492); /* the plateau below its 1500 */
}

/* RFC 8201 s4: "less than the IPv6 minimum link MTU, it must discard it" */
TEST(RFC8201_s4_packet_too_big_below_1280_is_discarded)
{
    struct tcpsm_info i;
    tcpsm_conn before;

    START6();
    OPENED("win 65535 mss 1440");
    SEND(1440);
    drain();
    before = *w.c;
    CHECK_EQ(icmp(2, 0, 1279, 1), TCPSM_DROP_ICMP);
    CHECK_EQ(icmp(2, 0, 68, 1), TCPSM_DROP_ICMP);
    CHECK_MEM(&before, w.c, sizeof before);
    CHECK_EQ(icmp(2, 0, 1280, 1), 0);
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.mtu, 1280);
    OUT("A 1 ack 1 len 1220");
}

/* 5927-6: fragmentation needed is no hard error, also in a handshake */
TEST(RFC5927_6_packet_too_big_never_aborts)
{
    START();
    OPEN();
    OUT("S 0 mss 1460");
    CHECK_EQ(icmp(3, 4, 600, 0), 0);
    STATE(TCPSM_SYN_SENT);
    ERROR_IS(0);
    IN("SA 0 ack 1 win 5000 mss 1460");
    SEND(1000);
    OUT("A 1 ack 1 len 560");
}

/* What was learned of a path ends with its connection. */
TEST(path_mtu_ends_with_the_connection)
{
    START();
    OPENED("win 65535 mss 1460");
    SEND(1460);
    OUT("PA 1 ack 1 len 1460");
    CHECK_EQ(icmp(3, 4, 600, 1), 0);
    OUT("A 1 ack 1 len 560");
    ABORT();
    drain();
    WAIT(1);
    OPEN();
    OUT("S 0 mss 1460");
}

/* In CLOSED, LISTEN and TIME-WAIT nothing is in flight. */
TEST(icmp_where_nothing_is_in_flight)
{
    START();
    LISTEN();
    CHECK_EQ(icmp(3, 3, 0, 0), TCPSM_E_NOT_MINE);
    START();
    OPENED("win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("FA 1 ack 2");
    OUT("A 2 ack 2");
    CHECK_EQ(icmp(3, 3, 0, 1), TCPSM_DROP_ICMP);
    CHECK_EQ(icmp(3, 3, 0, 2), TCPSM_DROP_ICMP);
    STATE(TCPSM_TIME_WAIT);
}
