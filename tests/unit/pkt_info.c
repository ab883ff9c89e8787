/* What packet scripts say of TCP_INFO: the expressions in %{ }%, the names
   of constants, and the segments that are counted as they pass. 0BSD. */

#include "test.h"

#include "../scripts/pkt_arena.c"
#include "../scripts/pkt_code.c"
#include "../scripts/pkt_const.c"
#include "../scripts/pkt_info.c"

/* ---- a run that has one connection, and fields of our choice ----------- */

static struct pkt_run run;
static tcpsm_conn conn, *the_conn = &conn;

tcpsm_conn *pkt_sock_conn(struct pkt_run *r)
{
    (void)r;
    return the_conn;
}

int pkt_sock_bytes(struct pkt_run *r, tcpsm_conn *c, int64_t *a, int64_t *b)
{
    (void)r;
    *a = 1000;
    *b = 2000;
    return c == &conn ? 0 : -1;
}

static int verdict(int kind, const char *fmt, va_list ap)
{
    if (run.verdict.kind == PKT_OK) {
        run.verdict.kind = kind;
        vsnprintf(run.verdict.what, sizeof run.verdict.what, fmt, ap);
    }
    return kind;
}

int pkt_fail(struct pkt_run *r, const char *fmt, ...)
{
    va_list ap;
    (void)r;
    va_start(ap, fmt);
    verdict(PKT_FAIL, fmt, ap);
    va_end(ap);
    return PKT_FAIL;
}

int pkt_skip(struct pkt_run *r, const char *fmt, ...)
{
    va_list ap;
    (void)r;
    va_start(ap, fmt);
    verdict(PKT_SKIP, fmt, ap);
    va_end(ap);
    return PKT_SKIP;
}

enum { MSS = 1000 };

/* ESTABLISHED, with MSS-sized segments and a window of ten of them. */
static void begin(void)
{
    tcpsm_config f = TCPSM_ZERO;
    tcpsm_tuple t = TCPSM_ZERO;
    tcpsm_facts k = TCPSM_ZERO;
    static uint8_t ring[20000];
    pkt_free_all(&run.arena);
    memset(&run, 0, sizeof run);
    run.conf.profile = "linux";
    the_conn = &conn;
    f.key[0] = 1;
    t.family = 4;
    t.local[0] = t.remote[0] = 10;
    t.local[3] = 1;
    t.remote[3] = 2;
    t.local_port = 80;
    t.remote_port = 1234;
    k.snd_nxt = 1001;
    k.rcv_nxt = 5001;
    k.snd_wnd = 50000;
    k.peer_mss = MSS;
    k.sack = 1;
    CHECK_EQ(tcpsm_init(&conn, &f), 0);
    CHECK_EQ(tcpsm_attach(&conn, TCPSM_SEND, ring, sizeof ring, NULL), 0);
    CHECK_EQ(tcpsm_open_from(&conn, &t, &k, 1000), 0);
}

static int code(const char *text)
{
    memset(&run.verdict, 0, sizeof run.verdict);
    CONTEXT("%s: %s", text, run.verdict.what);
    (void)pkt_info_code(&run, text);
    CONTEXT("%s: %s", text, run.verdict.what);
    return run.verdict.kind;
}

static void holds(const char *expr)
{
    char text[300];
    snprintf(text, sizeof text, "assert %s", expr);
    CHECK_EQ(code(text), PKT_OK);
    snprintf(text, sizeof text, "assert not (%s)", expr);
    CHECK_EQ(code(text), PKT_FAIL);
}

static void says(int kind, const char *text, const char *why)
{
    CHECK_EQ(code(text), kind);
    CHECK_STR(run.verdict.what, why);
}

/* ---- expressions ------------------------------------------------------- */

TEST(numbers_and_arithmetic)
{
    begin();
    holds("0x10 == 16 and 1e3 == 1000 and 1.5 * 2 == 3");
    holds("2 + 3 * 4 == 14");
    holds("(2 + 3) * 4 == 20");
    holds("10 - 3 - 2 == 5");
    holds("7 // 2 == 3 and -7 // 2 == -4 and -7 % 3 == 2");
    holds("7 / 2 == 3.5 and 7.5 // 2 == 3 and 7.5 % 2 == 1.5");
    holds("2 ** 10 == 1024 and -2 ** 2 == -4");
    holds("1 << 4 | 1 == 17 or 1 << 4 == 16");
    holds("6 & 3 | 8 ^ 1 == 11 or True");
    holds("(6 & 3 | 8 ^ 1) == 11");
    holds("256 >> 4 == 16 and ~0 == -1 and +5 == 5 and -(-5) == 5");
    holds("7 // -1 == -7 and 7 % -1 == 0");
}

TEST(comparisons_and_logic)
{
    begin();
    holds("1 < 2 <= 2 != 3 > 2 >= 2 == 2");
    holds("not 1 < 2 < 2");
    holds("not 0 and not not 1");
    holds("0 or 3");
    holds("(0 or 3) == 3 and (2 and 3) == 3 and (0 and 3) == 0");
    holds("9 in (9, 10) and 8 not in [9, 10] and 9 in (9,)");
    holds("True and not False and None is None and 1 is not 2");
    holds("1 < 1.5 < 2");
    holds("not () and (0,)");
}

TEST(functions)
{
    begin();
    holds("abs(-5) == 5 and abs(2 - 4.5) == 2.5 and abs(5) == 5");
    holds("min(3, 1, 2) == 1 and max(3, 1, 2) == 3");
    holds("int(3.9) == 3 and float(2) == 2 and round(2.5) == 3");
    holds("round(-0.4) == 0 and int(7) == 7");
}

TEST(statements)
{
    begin();
    CHECK_EQ(code(""), PKT_OK);
    CHECK_EQ(code("\n  \n# nothing\n"), PKT_OK);
    CHECK_EQ(code("assert 1; assert 2 # both\n assert 3, 'a (\\'): %d' % 1\n"
                  "pass\n"),
             PKT_OK);
    CHECK_EQ(code("print 1 == 2, 'x'\nprint(tcpi_nonsense)\nassert 1"),
             PKT_OK);
    CHECK_EQ(code("assert (1 ==\n  1), (1,\n 2)\nassert 1 \\\n  == 1"),
             PKT_OK);
    CHECK_EQ(code("a = 3\nb = a * 2; b += 1; b -= 2; b *= 2\nassert b == 10"),
             PKT_OK);
    CHECK_EQ(code("assert b == 10 and a == 3"), PKT_OK); /* they last */
    CHECK_EQ(code("tcpi_snd_cwnd"), PKT_OK);
    CHECK_EQ(code("assert 1, \"to the end"), PKT_OK);
}

TEST(an_assertion_that_fails_says_what_there_is)
{
    begin();
    says(PKT_FAIL, "assert tcpi_snd_cwnd == 9",
         "assert: tcpi_snd_cwnd == 9: live 10");
    says(PKT_FAIL, "assert 1\n  assert  tcpi_snd_cwnd  ==\t9, tcpi_snd_cwnd",
         "assert: tcpi_snd_cwnd == 9: live 10");
    says(PKT_FAIL, "assert tcpi_snd_cwnd < tcpi_state",
         "assert: tcpi_snd_cwnd < tcpi_state: live tcpi_snd_cwnd 10, "
         "tcpi_state 1");
    says(PKT_FAIL, "assert 1 == 2, 'no'; assert 0", "assert: 1 == 2");
    the_conn = NULL;
    says(PKT_FAIL, "assert tcpi_state == 1",
         "assert: tcpi_state: there is no connection");
}

TEST(what_is_not_known_is_skipped_by_name)
{
    begin();
    says(PKT_SKIP, "assert tcpi_busy_time == 0", "tcpi_busy_time");
    says(PKT_SKIP, "assert tcpi_delivery_rate", "tcpi_delivery_rate");
    says(PKT_SKIP, "import sys", "%{ import");
    says(PKT_SKIP, "if tcpi_state == 1:\n  assert 0", "%{ if");
    says(PKT_SKIP, "for i in range(3): pass", "%{ for");
    says(PKT_SKIP, "assert nobody == 1", "%{ nobody");
    says(PKT_SKIP, "assert len('abc') == 3", "%{ a string");
    says(PKT_SKIP, "assert sorted((1, 2))", "%{ sorted");
    says(PKT_SKIP, "assert x.y", "%{ x");
    says(PKT_SKIP, "assert 1 if 2 else 3", "%{ if");
    says(PKT_SKIP, "assert TCP_NO_SUCH == 1", "%{ TCP_NO_SUCH");
    says(PKT_SKIP, "n += 1", "%{ n");
    says(PKT_SKIP, "assert 2 ** -1", "%{ **");
}

TEST(what_is_no_expression_fails)
{
    begin();
    says(PKT_FAIL, "assert", "syntax: an operand is missing in %{ }%");
    says(PKT_FAIL, "assert 1 ==", "syntax: an operand is missing in %{ }%");
    says(PKT_FAIL, "assert (1", "syntax: a missing parenthesis in %{ }%");
    says(PKT_FAIL, "assert 1 / 0", "syntax: a division by zero in %{ }%");
    says(PKT_FAIL, "assert 1 << 99", "syntax: a shift in %{ }%");
    says(PKT_FAIL, "assert 12ab", "syntax: a number in %{ }%");
    CHECK_EQ(code("assert ((((((((((((((((((((((1))))))))))))))))))))))"),
             PKT_OK);
}

TEST(deep_nesting_ends)
{
    static char text[4000];
    begin();
    memset(text, '(', sizeof text - 1);
    memcpy(text, "assert ", 7);
    says(PKT_FAIL, text, "syntax: nesting in %{ }%");
    memset(text, '-', sizeof text - 1);
    memcpy(text, "assert ", 7);
    says(PKT_FAIL, text, "syntax: nesting in %{ }%");
}

/* ---- constants --------------------------------------------------------- */

TEST(constants_are_linux_numbers)
{
    static const struct {
        const char *name;
        int64_t v;
    } t[] = {
        {"SOL_SOCKET", 1},         {"SO_REUSEADDR", 2},
        {"SO_LINGER", 13},         {"TCP_NODELAY", 1},
        {"TCP_INFO", 11},          {"TCP_CONGESTION", 13},
        {"TCP_USER_TIMEOUT", 18},  {"TCP_FASTOPEN", 23},
        {"MSG_FASTOPEN", 1 << 29}, {"MSG_MORE", 0x8000},
        {"SOCK_NONBLOCK", 04000},  {"EPOLLET", (int64_t)1 << 31},
        {"SIOCINQ", 0x541B},       {"SIOCOUTQ", 0x5411},
        {"POLLRDHUP", 0x2000},     {"ECONNREFUSED", 111},
        {"ETIMEDOUT", 110},        {"TCP_CA_Loss", 4},
        {"TCPI_OPT_SYN_DATA", 32}, {"TCP_CLOSE_WAIT", 8},
    };
    size_t i;
    int64_t v;
    for (i = 0; i < sizeof t / sizeof *t; i++) {
        CONTEXT("%s", t[i].name);
        CHECK(pkt_const(t[i].name, &v));
        CHECK_EQ(v, t[i].v);
    }
    CHECK(!pkt_const("SO_NO_SUCH_THING", &v));
    CHECK_EQ(pkt_errno("EWOULDBLOCK"), 11);
    CHECK_EQ(pkt_errno("ENOSUCH"), 0);
    CHECK_STR(pkt_errno_name(&run.arena, 11), "EAGAIN");
    CHECK_STR(pkt_errno_name(&run.arena, 12345), "error 12345");
}

TEST(expressions_of_system_calls)
{
    struct pkt_expr a = {0}, b = {0}, e = {0};
    int64_t v;
    begin();
    a.kind = b.kind = PKT_NAME;
    a.s = "O_RDWR";
    b.s = "O_NONBLOCK";
    e.kind = PKT_BINARY;
    e.s = "|";
    e.a = &a;
    e.b = &b;
    CHECK(pkt_value(&run, &e, &v));
    CHECK_EQ(v, 04002);
    b.s = "O_NO_SUCH";
    CHECK(!pkt_quiet_value(&e, &v));
    CHECK_EQ(run.verdict.kind, PKT_OK);
    CHECK(!pkt_value(&run, &e, &v));
    CHECK_EQ(run.verdict.kind, PKT_SKIP);
    CHECK_STR(run.verdict.what, "O_NO_SUCH");
    memset(&run.verdict, 0, sizeof run.verdict);
    e.kind = PKT_STRING;
    CHECK(!pkt_value(&run, &e, &v));
    CHECK_EQ(run.verdict.kind, PKT_FAIL);
}

/* ---- segments as they pass --------------------------------------------- */

static const uint8_t addresses[8] = {10, 0, 0, 1, 10, 0, 0, 2};

/* An IPv4 header before a segment; nothing in it but what is looked at. */
static void seen(int inbound, uint8_t *d, uint32_t len)
{
    memset(d, 0, 20);
    d[0] = 0x45;
    d[9] = 6;
    memcpy(d + 12, addresses + (inbound ? 4 : 0), 4);
    memcpy(d + 16, addresses + (inbound ? 0 : 4), 4);
    pkt_info_seen(&run, inbound, d, 20 + len);
}

static void put(uint8_t *p, uint32_t v)
{
    int i;
    for (i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* A segment, without ports and options at first. */
static uint32_t build(uint8_t *p, uint32_t seq, uint32_t ack, uint8_t flags)
{
    memset(p, 0, 20);
    put(p + 4, seq);
    put(p + 8, ack);
    p[12] = 5 << 4;
    p[13] = flags;
    p[14] = 0xC0;
    return 20;
}

/* From the peer: to the counters, and to tcpsm. */
static void in(int64_t at, uint32_t seq, uint32_t len, uint32_t ack,
               uint8_t flags, uint32_t from, uint32_t to)
{
    uint8_t d[20 + 32 + 2000];
    uint8_t *p = d + 20;
    uint32_t n = build(p, seq, ack, flags);
    tcpsm_in i = TCPSM_ZERO;
    p[0] = 0x04;
    p[1] = 0xD2;
    p[3] = 80;
    if (from != to) {
        p[20] = p[21] = 1;
        p[22] = 5;
        p[23] = 10;
        put(p + 24, from);
        put(p + 28, to);
        p[12] = 8 << 4;
        n = 32;
    }
    memset(p + n, 0, len);
    run.now = at;
    seen(1, d, n + len);
    i.src = addresses + 4;
    i.dst = addresses;
    i.data = p;
    i.len = n + len;
    i.family = 4;
    i.flags = TCPSM_IN_CSUM_OK;
    (void)tcpsm_input(&conn, &i, (tcpsm_time)at + 1000);
}

/* All that tcpsm sends now. */
static void out(int64_t at)
{
    uint8_t d[20 + 1600];
    tcpsm_out o = TCPSM_ZERO;
    tcpsm_ret n;
    run.now = at;
    o.buf = d + 20;
    o.cap = 1600;
    while ((n = tcpsm_output(&conn, &o, (tcpsm_time)at + 1000)) > 0)
        seen(0, d, (uint32_t)n);
}

static void put_out(int64_t at, uint32_t n)
{
    static const uint8_t zero[4000];
    CHECK_EQ(tcpsm_send(&conn, zero, n, 0), n);
    out(at);
}

static int64_t get(const char *name)
{
    int64_t v = -1;
    CONTEXT("%s", name);
    CHECK_EQ(pkt_info_field(&run, &conn, name, &v), 0);
    return v;
}

/* The counters have seen one; tcpsm begins after it. */
static void handshake(void)
{
    uint8_t d[60];
    begin();
    run.now = 0;
    build(d + 20, 1000, 5001, 18);
    d[21] = 80;
    d[22] = 0x04;
    d[23] = 0xD2;
    seen(0, d, 20);
    in(100000, 5001, 0, 1001, 16, 0, 0);
}

TEST(segments_are_counted_until_acknowledged)
{
    handshake();
    CHECK_EQ(get("unacked"), 0);
    CHECK_EQ(get("segs_in"), 1);
    CHECK_EQ(get("segs_out"), 0);
    CHECK_EQ(get("delivered"), 1);
    tcpsm_set(&conn, TCPSM_SET_NODELAY, 1);
    put_out(100000, 2010);
    CHECK_EQ(get("unacked"), 3);
    CHECK_EQ(pkt_info_least(&run, &conn), 10);
    CHECK_EQ(get("bytes_sent"), 2010);
    CHECK_EQ(get("data_segs_out"), 3);
    in(200000, 5001, 0, 2001, 16, 0, 0);
    CHECK_EQ(get("unacked"), 2);
    CHECK_EQ(get("delivered"), 2);
    in(200000, 5001, 0, 1001, 16, 0, 0);    /* old */
    in(200000, 5001, 0, 9001, 16, 0, 0);    /* never sent */
    in(200000, 9999999, 0, 3011, 16, 0, 0); /* outside the window */
    CHECK_EQ(get("unacked"), 2);
    in(200000, 5001, 0, 3011, 16, 0, 0);
    CHECK_EQ(get("unacked"), 0);
    CHECK_EQ(get("total_retrans"), 0);
    CHECK_EQ(pkt_info_least(&run, &conn), UINT32_MAX);
}

TEST(sacked_and_sent_again)
{
    handshake();
    put_out(100000, 4 * MSS);
    in(200000, 5001, 0, 1001, 16, 2001, 3001);
    CHECK_EQ(get("sacked"), 1);
    CHECK_EQ(get("delivered"), 2);
    in(200000, 5001, 0, 1001, 16, 2001, 5001);
    CHECK_EQ(get("sacked"), 3);
    CHECK_EQ(get("total_retrans"), 0);
    out(200000);
    CHECK_EQ(get("retrans"), 1);
    CHECK_EQ(get("total_retrans"), 1);
    CHECK_EQ(get("bytes_retrans"), MSS);
    CHECK_EQ(get("bytes_sent"), 5 * MSS);
    CHECK_EQ(get("ca_state"), 3);
    in(300000, 5001, 0, 5001, 16, 0, 0);
    CHECK_EQ(get("retrans"), 0);
    CHECK_EQ(get("sacked"), 0);
    CHECK_EQ(get("delivered"), 5);
    CHECK_EQ(get("total_retrans"), 1);
}

TEST(a_fin_is_a_segment_and_a_keepalive_is_none)
{
    handshake();
    tcpsm_set(&conn, TCPSM_SET_KEEP_IDLE, 1000);
    tcpsm_set(&conn, TCPSM_SET_KEEPALIVE, 1);
    out(100000);
    out(1200000);
    CHECK_EQ(get("segs_out"), 1);
    CHECK_EQ(get("unacked"), 0);
    CHECK_EQ(tcpsm_shutdown(&conn), 0);
    out(1200000);
    CHECK_EQ(get("unacked"), 1);
    CHECK_EQ(pkt_info_least(&run, &conn), UINT32_MAX);
    in(1300000, 5001, 0, 1002, 16, 0, 0);
    CHECK_EQ(get("unacked"), 0);
}

TEST(times_since)
{
    handshake();
    put_out(150000, MSS);
    in(200000, 5001, 0, 2001, 16, 0, 0);
    in(210000, 5001, 100, 2001, 24, 0, 0);
    run.now = 250000;
    CHECK_EQ(get("last_data_sent"), 100);
    CHECK_EQ(get("last_data_recv"), 40);
    CHECK_EQ(get("last_ack_recv"), 40);
    CHECK_EQ(get("last_ack_sent"), 0);
    CHECK_EQ(get("data_segs_in"), 1);
}

TEST(windows_in_segments_or_bytes)
{
    begin();
    CHECK_EQ(get("state"), 1);
    CHECK_EQ(get("snd_cwnd"), 10);
    CHECK_EQ(get("snd_ssthresh"), 0x7FFFFFFF);
    CHECK_EQ(get("snd_mss"), MSS);
    CHECK_EQ(get("ca_state"), 0);
    CHECK_EQ(get("bytes_acked"), 1000);
    CHECK_EQ(get("bytes_received"), 2000);
    CHECK_EQ(get("options"), TCPSM__TINY ? 0 : 2);
    run.conf.profile = "freebsd";
    CHECK_EQ(get("snd_cwnd"), 10 * MSS);
    run.counters.ecn_reductions = 1; /* CWR, or no longer: who knows */
    CHECK_EQ(code("assert tcpi_ca_state == TCP_CA_Open"), PKT_SKIP);
}

TEST(truncated_and_foreign_datagrams_are_passed_over)
{
    uint8_t d[60];
    uint32_t n;
    handshake();
    memset(d, 0xFF, sizeof d);
    for (n = 0; n <= sizeof d; n++) {
        d[0] = 0x45;
        pkt_info_seen(&run, 1, d, n);
        d[0] = 0x60;
        pkt_info_seen(&run, 0, d, n);
        d[0] = 0x4F;
        d[9] = 6;
        pkt_info_seen(&run, 1, d, n);
    }
    CHECK_EQ(get("segs_in"), 1);
}
