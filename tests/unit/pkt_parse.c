/* The reader of packet scripts: every form that the language has, and what
   it says of texts that are not in it. 0BSD. */

#include "test.h"

#include "../scripts/pkt_arena.c"
#include "../scripts/pkt_parse.c"

static pkt_arena arena;
static struct pkt_script script;
static struct pkt_verdict verdict;

static int parse_with(const char *text, const struct pkt_define *defines)
{
    pkt_free_all(&arena);
    memset(&verdict, 0, sizeof verdict);
    CONTEXT("%.200s", text);
    return pkt_parse(&arena, "test.pkt", text, strlen(text), defines, &script,
                     &verdict);
}

/* The events of a text that must be right. */
static struct pkt_event *parse(const char *text)
{
    if (parse_with(text, NULL))
        FAIL("line %d: %s", verdict.line, verdict.what);
    return script.events;
}

static int events(void)
{
    const struct pkt_event *e;
    int n = 0;
    for (e = script.events; e; e = e->next)
        n++;
    return n;
}

/* A text that must not be right. */
static void refuse(int kind, int line, const char *text, const char *why)
{
    CHECK_EQ(parse_with(text, NULL), kind);
    CHECK_EQ(verdict.line, line);
    if (!strstr(verdict.what, why))
        FAIL("\"%s\" is not about \"%s\"", verdict.what, why);
}

static void time_is(const char *text, int kind, int64_t us, int64_t to,
                    int64_t dur)
{
    static char line[100];
    const struct pkt_event *e;
    snprintf(line, sizeof line, "%s %s", text,
             dur == PKT_ANY ? "> . 1:1(0) ack 1" : "read(4, ..., 1) = 1");
    e = parse(line);
    CHECK_EQ(events(), 1);
    CHECK_EQ(e->time.kind, kind);
    CHECK_EQ(e->time.us, us);
    if (kind != PKT_ANYTIME)
        CHECK_EQ(e->time.to, to);
    CHECK_EQ(e->time.dur, dur);
}

TEST(times)
{
    const int none = PKT_ANY;
    time_is("0", PKT_AT, 0, 0, none);
    time_is("1", PKT_AT, 1000000, 1000000, none);
    time_is("0.100", PKT_AT, 100000, 100000, none);
    time_is(".1", PKT_AT, 100000, 100000, none);
    time_is("1.", PKT_AT, 1000000, 1000000, none);
    time_is("12.345678", PKT_AT, 12345678, 12345678, none);
    time_is("0.0000004", PKT_AT, 0, 0, none);
    time_is("0.0000005", PKT_AT, 1, 1, none);
    time_is("0.00000149999", PKT_AT, 1, 1, none);
    time_is("+0", PKT_AFTER, 0, 0, none);
    time_is("+.1", PKT_AFTER, 100000, 100000, none);
    time_is("+ 0.1", PKT_AFTER, 100000, 100000, none);
    time_is("+0.000001", PKT_AFTER, 1, 1, none);
    time_is("*", PKT_ANYTIME, 0, 0, none);
    time_is("+0.1~+0.2", PKT_AFTER_RANGE, 100000, 200000, none);
    time_is("+.1 ~ +.2", PKT_AFTER_RANGE, 100000, 200000, none);
    time_is(".1~.2", PKT_AT_RANGE, 100000, 200000, none);
    time_is("0.5~1", PKT_AT_RANGE, 500000, 1000000, none);
    time_is("0.1...0.3", PKT_AT, 100000, 100000, 200000);
    time_is("+0...0.2", PKT_AFTER, 0, 0, 200000);
    time_is("+0...+0.2", PKT_AFTER, 0, 0, 200000);
    time_is("+.1...0.2", PKT_AFTER, 100000, 100000, 100000);
    time_is("+0...0", PKT_AFTER, 0, 0, 0);
    time_is("0 ... 1", PKT_AT, 0, 0, 1000000);
}

TEST(comments_and_layout)
{
    const struct pkt_event *e;
    CHECK(!parse(""));
    CHECK(!parse("// nothing\n# at all\n/* here\n */"));
    CHECK(!parse("\xEF\xBB\xBF// a mark of the order of bytes\r\n"));
    e = parse("// head\n\n+0 // at once\n close(3) /* three */ = \n 0 # so\n"
              "/* a\n b */ +.1 > F. 1:1(0) ack 1//end");
    CHECK_EQ(events(), 2);
    CHECK_EQ(e->line, 4);
    CHECK_STR(e->source, "close(3) = 0");
    CHECK_EQ(e->next->line, 7);
    CHECK_STR(e->next->source, "> F. 1:1(0) ack 1");
    /* the end of a line is a blank like others */
    parse("+0 close(3)\n= 0 +0 > .\n1:1(0)\nack 1 .5 < . 1:1(0) ack 1 win 9 "
          "1 close(4) = -1 EBADF (Bad (very) file) 2 close(5) = 3");
    CHECK_EQ(events(), 5);
    /* signs of comments in strings are none */
    e = parse("0 write(4, \"//#/*\", 5) = 5");
    CHECK_STR(e->call->args->next->s, "//#/*");
}

TEST(options_and_initial_commands)
{
    const struct pkt_option *o;
    const struct pkt_event *e;
    parse("// head\n--tolerance_usecs=10000\n--ip_version=ipv4-mapped-ipv6 "
          "--local_ip=fd3d::1 // here\n--verbose\n--x = \"a b\"\n"
          "`./defaults.sh\n sysctl -q net.ipv4.tcp_ecn=1`\n`true`\n"
          "0 `false` +0 %{ assert tcpi_unacked == 1\nassert True }%");
    o = script.options;
    CHECK_STR(o->name, "tolerance_usecs");
    CHECK_STR(o->value, "10000");
    CHECK_EQ(o->line, 2);
    o = o->next;
    CHECK_STR(o->value, "ipv4-mapped-ipv6");
    o = o->next;
    CHECK_STR(o->name, "local_ip");
    CHECK_STR(o->value, "fd3d::1");
    CHECK_EQ(o->line, 3);
    o = o->next;
    CHECK_STR(o->name, "verbose");
    CHECK(!o->value);
    o = o->next;
    CHECK_STR(o->value, "a b");
    CHECK(!o->next);
    e = script.events;
    CHECK_EQ(events(), 4);
    CHECK_EQ(e->kind, PKT_COMMAND);
    CHECK_EQ(e->time.kind, PKT_AT);
    CHECK_EQ(e->time.us, 0);
    CHECK_STR(e->text, "./defaults.sh\n sysctl -q net.ipv4.tcp_ecn=1");
    CHECK_EQ(e->line, 6);
    e = e->next;
    CHECK_STR(e->text, "true");
    e = e->next;
    CHECK_STR(e->text, "false");
    e = e->next;
    CHECK_EQ(e->kind, PKT_CODE);
    CHECK_STR(e->text, " assert tcpi_unacked == 1\nassert True ");
    CHECK_EQ(e->line, 9);
}

static const struct pkt_tcp *tcp(const char *text)
{
    static char line[400];
    const struct pkt_event *e;
    snprintf(line, sizeof line, "+0 %s", text);
    e = parse(line);
    CHECK_EQ(events(), 1);
    CHECK_EQ(e->kind, PKT_PACKET);
    CHECK(!e->packet->is_icmp);
    CHECK_STR(e->source, text);
    return &e->packet->tcp;
}

TEST(flags)
{
    static const struct {
        const char *text;
        uint32_t flags;
    } all[] = {{"F", PKT_FIN},
               {"S", PKT_SYN},
               {"R", PKT_RST},
               {"P", PKT_PSH},
               {".", PKT_ACK},
               {"U", PKT_URG},
               {"E", PKT_ECE},
               {"W", PKT_CWR},
               {"A", PKT_AE},
               {"-", 0},
               {"FSRPUEWA.", 0x1FF},
               {"S.", PKT_SYN | PKT_ACK},
               {"SEWA", PKT_SYN | PKT_ECE | PKT_CWR | PKT_AE},
               {"FP.", PKT_FIN | PKT_PSH | PKT_ACK},
               {".PF", PKT_FIN | PKT_PSH | PKT_ACK},
               {"0", 0},
               {"0.", PKT_ACK},
               {".5", PKT_ACK | PKT_AE | PKT_ECE},
               {"5.", PKT_ACK | PKT_AE | PKT_ECE},
               {"P6.", PKT_PSH | PKT_ACK | PKT_AE | PKT_CWR},
               {"S7", PKT_SYN | PKT_AE | PKT_CWR | PKT_ECE},
               {"S2.", PKT_SYN | PKT_ACK | PKT_CWR}};
    size_t i;
    for (i = 0; i < sizeof all / sizeof all[0]; i++) {
        char text[60];
        snprintf(text, sizeof text, "> %s 1:1(0)", all[i].text);
        CHECK_EQ(tcp(text)->flags, all[i].flags);
    }
}

TEST(tcp_fields)
{
    const struct pkt_tcp *t = tcp("< S 0:0(0) win 65535");
    CHECK(script.events->packet->inbound);
    CHECK_EQ(t->win, 65535);
    CHECK_EQ(t->ack, PKT_ANY);
    CHECK_EQ(t->urg, PKT_ANY);
    CHECK_EQ(t->opts_given, 0);
    CHECK_EQ(script.events->packet->ecn, PKT_ANY);
    CHECK_EQ(script.events->packet->tos, PKT_ANY);
    CHECK_EQ(script.events->packet->ttl, PKT_ANY);
    CHECK_EQ(script.events->packet->sock, PKT_ANY);
    t = tcp("> PU. 1001:2001(1000) ack 4294967295 win 0 urg 10 <nop>");
    CHECK(!script.events->packet->inbound);
    CHECK(t->seq_given);
    CHECK_EQ(t->seq, 1001);
    CHECK_EQ(t->end, 2001);
    CHECK_EQ(t->len, 1000);
    CHECK_EQ(t->ack, 4294967295);
    CHECK_EQ(t->win, 0);
    CHECK_EQ(t->urg, 10);
    CHECK_EQ(t->opts_given, 1);
    t = tcp("> . 4294967000:704(1000)"); /* over the end of the space */
    CHECK_EQ(t->len, 1000);
    t = tcp("> .");
    CHECK(!t->seq_given);
    t = tcp("> . ack 5");
    CHECK(!t->seq_given);
    CHECK_EQ(t->ack, 5);
    t = tcp(">S. 0:0(0) ack 1 <...>");
    CHECK_EQ(t->opts_given, 2);
    CHECK(!t->opts);
    t = tcp("< R seq 0x10:0x10(0)");
    CHECK(t->abs_seq);
    CHECK_EQ(t->seq, 16);
    tcp("sock(5) > F. 1:1(0) ack 1 <>");
    CHECK_EQ(script.events->packet->sock, 5);
    CHECK_EQ(script.events->packet->tcp.opts_given, 1);
    /* what follows the flags may be the next event's time */
    parse("+0 > .\n0.1 > . 1:1(0) ack 1");
    CHECK_EQ(events(), 2);
}

TEST(ip_fields)
{
    static const struct {
        const char *text;
        int ecn, tos, ttl;
    } all[] = {{"[ce]", PKT_ECN_CE, -1, -1},
               {"[ect0]", PKT_ECN_ECT0, -1, -1},
               {"[ect1]", PKT_ECN_ECT1, -1, -1},
               {"[ect01]", PKT_ECN_ECT01, -1, -1},
               {"[noecn]", PKT_ECN_NONE, -1, -1},
               {"(ce)", PKT_ECN_CE, -1, -1},
               {"[tos 0x10]", -1, 16, -1},
               {"[ttl 5]", -1, -1, 5},
               {"[ect0,tos 0x20,ttl 1]", PKT_ECN_ECT0, 32, 1},
               {"[tos 4, ect1]", PKT_ECN_ECT1, 4, -1}};
    size_t i;
    for (i = 0; i < sizeof all / sizeof all[0]; i++) {
        char text[60];
        snprintf(text, sizeof text, "> %s . 1:1(0) ack 1", all[i].text);
        tcp(text);
        CHECK_EQ(script.events->packet->ecn, all[i].ecn);
        CHECK_EQ(script.events->packet->tos, all[i].tos);
        CHECK_EQ(script.events->packet->ttl, all[i].ttl);
    }
}

/* The only option of a segment. */
static const struct pkt_opt *opt(const char *text)
{
    char line[200];
    const struct pkt_tcp *t;
    snprintf(line, sizeof line, "> . 1:1(0) ack 1 <%s>", text);
    t = tcp(line);
    CHECK_EQ(t->opts_given, 1);
    CHECK(t->opts && !t->opts->next);
    return t->opts;
}

TEST(tcp_options)
{
    const struct pkt_opt *o;
    static const uint8_t cookie[] = {0xAB, 0xCD, 0x12, 0x34};
    static const uint8_t raw[] = {0x1E, 0x04, 0xAB, 0xCD};
    o = tcp("> S 0:0(0) <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>")
            ->opts;
    CHECK_EQ(o->what, PKT_OPT_MSS);
    CHECK_EQ(o->v[0], 1460);
    CHECK_EQ(o->kind, 2);
    o = o->next;
    CHECK_EQ(o->what, PKT_OPT_SACKOK);
    o = o->next;
    CHECK_EQ(o->what, PKT_OPT_TS);
    CHECK_EQ(o->v[0], 100);
    CHECK_EQ(o->v[1], 0);
    CHECK_EQ(o->nv, 2);
    o = o->next;
    CHECK_EQ(o->what, PKT_OPT_NOP);
    o = o->next;
    CHECK_EQ(o->what, PKT_OPT_WSCALE);
    CHECK_EQ(o->v[0], 7);
    CHECK(!o->next);
    CHECK_EQ(opt("eol")->what, PKT_OPT_EOL);
    CHECK_EQ(opt("TS val ... ecr *")->v[0], PKT_ANY);
    CHECK_EQ(opt("TS val 4294967295 ecr 1")->v[0], 4294967295);
    o = opt("sack 1:2 3:4 5:6 7:8");
    CHECK_EQ(o->nv, 8);
    CHECK_EQ(o->v[7], 8);
    CHECK_EQ(opt("sack 1001:2001")->nv, 2);
    CHECK_EQ(opt("FO")->n, 0);
    CHECK_EQ(opt("FO ...")->n, PKT_ANY);
    CHECK_EQ(opt("FO TFO_COOKIE")->n, PKT_ANY);
    o = opt("FO abcd1234");
    CHECK_EQ(o->what, PKT_OPT_FO);
    CHECK_EQ(o->n, 4);
    CHECK_MEM(o->bytes, cookie, 4);
    CHECK_MEM(opt("FO 0xabcd1234")->bytes, cookie, 4);
    o = opt("FOEXP ABCD1234");
    CHECK_EQ(o->what, PKT_OPT_FOEXP);
    CHECK_MEM(o->bytes, cookie, 4);
    o = opt("ECN e1b 1 ceb 0 e0b 2");
    CHECK_EQ(o->what, PKT_OPT_ACCECN);
    CHECK_EQ(o->kind, 174);
    CHECK_EQ(o->v[0], 2); /* e0b */
    CHECK_EQ(o->v[1], 0); /* ceb */
    CHECK_EQ(o->v[2], 1); /* e1b */
    o = opt("ECN e0b 16777215 ceb 3");
    CHECK_EQ(o->kind, 172);
    CHECK_EQ(o->v[0], 16777215);
    CHECK_EQ(o->v[1], 3);
    CHECK_EQ(o->v[2], PKT_ANY);
    CHECK_EQ(opt("AccECN e1b 1")->kind, 174);
    CHECK_EQ(opt("accecn ee0b 1 eceb 2 ee1b 3")->v[1], 2);
    CHECK_EQ(opt("ECN")->v[0], PKT_ANY);
    o = opt("md5 000102030405060708090a0b0c0d0e0f");
    CHECK_EQ(o->what, PKT_OPT_MD5);
    CHECK_EQ(o->n, 16);
    CHECK_EQ(opt("md5")->n, 0);
    CHECK_EQ(opt("md5 ...")->n, PKT_ANY);
    o = opt("0x1e 0xabcd");
    CHECK_EQ(o->what, PKT_OPT_BYTES);
    CHECK_EQ(o->kind, 0x1E);
    CHECK_EQ(o->n, 4);
    CHECK_MEM(o->bytes, raw, 4);
    CHECK_MEM(opt("raw 1e04abcd")->bytes, raw, 4);
    CHECK_MEM(opt("kind 30 abcd")->bytes, raw, 4);
    CHECK_EQ(opt("raw 0x0200")->n, 2);
}

static const struct pkt_icmp *icmp(const char *text)
{
    static char line[200];
    const struct pkt_event *e;
    snprintf(line, sizeof line, "+0 < %s", text);
    e = parse(line);
    CHECK_EQ(events(), 1);
    CHECK(e->packet->is_icmp && e->packet->inbound);
    return &e->packet->icmp;
}

TEST(icmp)
{
    const struct pkt_icmp *m;
    m = icmp("icmp unreachable frag_needed mtu 1200 [1:1461(1460)]");
    CHECK_EQ(m->v6, 0);
    CHECK_EQ(m->type, 3);
    CHECK_EQ(m->code, 4);
    CHECK_EQ(m->mtu, 1200);
    CHECK(m->quoted);
    CHECK_EQ(m->seq, 1);
    CHECK_EQ(m->len, 1460);
    m = icmp("icmp unreachable frag_needed [5:7(2)] mtu 0x100");
    CHECK_EQ(m->mtu, 256);
    CHECK_EQ(m->seq, 5);
    m = icmp("[1:1461(1460)] icmp unreachable frag_needed mtu 1200");
    CHECK_EQ(m->mtu, 1200);
    CHECK_EQ(m->len, 1460);
    m = icmp("[ect0] [5:5(0)] icmp unreachable host_unreachable");
    CHECK_EQ(m->seq, 5);
    CHECK_EQ(m->mtu, PKT_ANY);
    m = icmp("icmp 3 4");
    CHECK_EQ(m->code, 4);
    parse("0 < icmp source_quench 1 close(3) = 0");
    CHECK_EQ(events(), 2);
    m = icmp("icmp unreachable host_unreachable [0:0(0)]");
    CHECK_EQ(m->code, 1);
    CHECK_EQ(m->mtu, PKT_ANY);
    m = icmp("icmp unreachable port_unreachable");
    CHECK_EQ(m->v6, 0);
    CHECK_EQ(m->code, 3);
    CHECK(!m->quoted);
    m = icmp("icmpv6 unreachable port_unreachable");
    CHECK_EQ(m->v6, 1);
    CHECK_EQ(m->type, 1);
    CHECK_EQ(m->code, 4);
    m = icmp("icmp unreachable no_route"); /* only IPv6 has it */
    CHECK_EQ(m->v6, 1);
    CHECK_EQ(m->type, 1);
    CHECK_EQ(m->code, 0);
    m = icmp("icmp unreachable address_unreachable [1:2(1)]");
    CHECK_EQ(m->v6, 1);
    CHECK_EQ(m->code, 3);
    m = icmp("icmpv6 packet_too_big mtu 1280 [1:1001(1000)]");
    CHECK_EQ(m->v6, 1);
    CHECK_EQ(m->type, 2);
    CHECK_EQ(m->mtu, 1280);
    m = icmp("icmp packet_too_big mtu 1280 [1:1001(1000)]");
    CHECK_EQ(m->v6, 1);
    m = icmp("icmp type 3 code 13 [1:2(1)]");
    CHECK_EQ(m->type, 3);
    CHECK_EQ(m->code, 13);
    m = icmp("icmp source_quench [1:2(1)]");
    CHECK_EQ(m->type, 4);
    parse("+0 < icmp source_quench\n0.1 > . 1:1(0) ack 1");
    CHECK_EQ(events(), 2);
}

/* An expression as text, every node in parentheses. */
static void show(char *out, size_t cap, const struct pkt_expr *e)
{
    size_t n = strlen(out);
    const struct pkt_expr *k;
    const char *open = "", *close = "";
#define PUT(...)                                                             \
    do {                                                                     \
        n = strlen(out);                                                     \
        snprintf(out + n, cap - n, __VA_ARGS__);                             \
    } while (0)
    switch (e->kind) {
    case PKT_INT:
        PUT("%lld", (long long)e->i);
        break;
    case PKT_STRING:
        PUT("'%s'%lu%s", e->s, (unsigned long)e->n, e->i ? "+" : "");
        break;
    case PKT_NAME:
        PUT("%s", e->s);
        break;
    case PKT_ELLIPSIS:
        PUT("...");
        break;
    case PKT_UNARY:
        PUT("%s", e->s);
        show(out, cap, e->a);
        break;
    case PKT_BINARY:
        PUT("(");
        show(out, cap, e->a);
        PUT("%s", e->s);
        show(out, cap, e->b);
        PUT(")");
        break;
    case PKT_LIST:
        open = "[";
        close = "]";
        break;
    case PKT_STRUCT:
        open = "{";
        close = "}";
        break;
    case PKT_FIELD:
        PUT("%s", e->s);
        if (e->kids) {
            open = "(";
            close = ")";
        }
        break;
    case PKT_CALL:
        PUT("%s", e->s);
        open = "(";
        close = ")";
        break;
    default:
        PUT("?");
    }
    PUT("%s", open);
    for (k = e->kids; k; k = k->next) {
        show(out, cap, k);
        if (k->next)
            PUT(" ");
    }
    PUT("%s", close);
    if (e->kind == PKT_FIELD) {
        PUT("=");
        show(out, cap, e->a);
    }
#undef PUT
}

TEST(expressions)
{
    static const char *const all[][2] = {
        {"0", "0"},
        {"-1", "-1"},
        {"0x1F", "31"},
        {"4294967295", "4294967295"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"10UL", "10"},
        {"...", "..."},
        {"MSG_PEEK", "MSG_PEEK"},
        {"A | B|C", "((A|B)|C)"},
        {"~A", "~A"},
        {"(1 << 3)|4", "((1<<3)|4)"},
        {"&x", "&x"},
        {"\"abc\"", "'abc'3"},
        {"\"\"", "''0"},
        {"\"a\\n\\x41\\\"\\\\\\101\"", "'a\nA\"\\A'6"},
        {"\"abc\"...", "'abc'3+"},
        {"[]", "[]"},
        {"[1]", "[1]"},
        {"[1, [2, 3], A|B]", "[1 [2 3] (A|B)]"},
        {"{}", "{}"},
        {"{1, 0}", "{1 0}"},
        {"{onoff=1, linger=0}", "{onoff=1 linger=0}"},
        {"[{fd=4, events=POLLIN|POLLOUT, revents=POLLIN}]",
         "[{fd=4 events=(POLLIN|POLLOUT) revents=POLLIN}]"},
        {"[{..., 1000}, {\"ab\", 2}]", "[{... 1000} {'ab'2 2}]"},
        {"{msg_name(...)=..., msg_iov(1)=[{..., 9}], msg_flags=0}",
         "{msg_name(...)=... msg_iov(1)=[{... 9}] msg_flags=0}"},
        {"{msg_control=[{cmsg_level=SOL_TCP, cmsg_data={a=[1]}}]}",
         "{msg_control=[{cmsg_level=SOL_TCP cmsg_data={a=[1]}}]}"},
        {"{sa_family = AF_INET, sin_port = htons(8080), "
         "sin_addr = inet_addr(\"1.2.3.4\")}",
         "{sa_family=AF_INET sin_port=htons(8080) "
         "sin_addr=inet_addr('1.2.3.4'7)}"},
        {"{AF_INET6, inet_pton(AF_INET6, \"::1\", &sin6_addr)}",
         "{AF_INET6 inet_pton(AF_INET6 '::1'3 &sin6_addr)}"},
        {"{events=EPOLLIN, u.ptr=4}", "{events=EPOLLIN u.ptr=4}"},
        {"1.2.3.4", "1.2.3.4"}};
    size_t i;
    for (i = 0; i < sizeof all / sizeof all[0]; i++) {
        char text[300], out[400] = "";
        const struct pkt_event *e;
        snprintf(text, sizeof text, "0 f(%s) = %s\n1 g() = 0", all[i][0],
                 all[i][0]);
        e = parse(text);
        CHECK_EQ(events(), 2);
        CHECK_STR(e->call->name, "f");
        show(out, sizeof out, e->call->args);
        CHECK_STR(out, all[i][1]);
        CHECK(!e->call->args->next);
        out[0] = 0;
        show(out, sizeof out, e->call->result);
        CHECK_STR(out, all[i][1]);
    }
}

TEST(calls)
{
    const struct pkt_event *e;
    const struct pkt_syscall *c;
    e = parse("0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in "
              "progress)\n+0 fcntl(3, F_GETFL) = 0x2 (flags O_RDWR)\n"
              "+0 fcntl(3, F_GETFL) = O_RDWR (so it is)\n"
              "+0 f()\n+0 g() = ?\n+0 h(1,2) = -1 EAGAIN\n.5 i() = ...");
    CHECK_EQ(events(), 7);
    c = e->call;
    CHECK_STR(c->name, "connect");
    CHECK_EQ(c->args->i, 3);
    CHECK_EQ(c->args->next->next->kind, PKT_ELLIPSIS);
    CHECK(!c->args->next->next->next);
    CHECK_EQ(c->result->i, -1);
    CHECK_STR(c->error, "EINPROGRESS");
    CHECK_STR(e->source, "connect(3, ..., ...) = -1 EINPROGRESS (Operation "
                         "now in progress)");
    e = e->next;
    CHECK_EQ(e->call->result->i, 2);
    CHECK(!e->call->error);
    e = e->next;
    CHECK_EQ(e->call->result->kind, PKT_NAME);
    CHECK(!e->call->error);
    e = e->next;
    CHECK(!e->call->args && !e->call->result);
    e = e->next;
    CHECK_EQ(e->call->result->kind, PKT_ELLIPSIS);
    e = e->next;
    CHECK_STR(e->call->error, "EAGAIN");
    e = e->next;
    CHECK_EQ(e->call->result->kind, PKT_ELLIPSIS);
    CHECK_EQ(e->time.us, 500000);
}

TEST(defines)
{
    static struct pkt_define cookie = {"COOKIE", "abcd1234", NULL},
                             len = {"LEN", "1000", &cookie},
                             self = {"SELF", "SELF|X", &len};
    const struct pkt_event *e;
    if (parse_with("`echo $LEN ${LEN}s LEN`\n"
                   "+0 write(4, ..., LEN) = $LEN // LEN\n"
                   "+0 > P. 1:1001(LEN) ack 1 <FO COOKIE>\n"
                   "+0 send(4, \"LEN\", LENS, SELF) = 3\n"
                   "+0 %{ assert LEN }%",
                   &self))
        FAIL("line %d: %s", verdict.line, verdict.what);
    e = script.events;
    CHECK_STR(e->text, "echo 1000 1000s LEN");
    e = e->next;
    CHECK_EQ(e->call->args->next->next->i, 1000);
    CHECK_EQ(e->call->result->i, 1000);
    CHECK_EQ(e->line, 2);
    e = e->next;
    CHECK_EQ(e->packet->tcp.len, 1000);
    CHECK_EQ(e->packet->tcp.opts->n, 4);
    e = e->next;
    CHECK_STR(e->call->args->next->s, "LEN");
    CHECK_STR(e->call->args->next->next->s, "LENS");
    CHECK_STR(e->call->args->next->next->next->a->s, "SELF");
    e = e->next;
    CHECK_STR(e->text, " assert LEN ");
    refuse(PKT_SKIP, 1, "0 write(4, ..., $LEN) = 3", "undefined symbol $LEN");
    refuse(PKT_SKIP, 1, "0 > . 1:1(LEN) ack 1", "undefined symbol LEN");
}

TEST(what_is_malformed)
{
    static const struct {
        int line;
        const char *text, *why;
    } all[] = {
        {1, "> . 1:1(0) ack 1", "expected the time of an event, at \"> ."},
        {2, "\n+ > . 1:1(0) ack 1", "expected a time after '+'"},
        {1, "0.1s > . 1:1(0)", "letters in a time"},
        {1, "0.2~0.1 > . 1:1(0)", "the range ends before it begins"},
        {1, "+0~1 > . 1:1(0)", "one end of the range is relative"},
        {1, "0.2...0.1 close(3) = 0", "the call returns before it begins"},
        {1, "0...0.1 > . 1:1(0)", "only a system call can last"},
        {1, "* < . 1:1(0) win 1", "only a packet that we send"},
        {1, "0~1 close(3) = 0", "only a packet that we send"},
        {1, "99999999999 close(3) = 0", "more than thirty years"},
        {1, "0", "expected a packet, a system call"},
        {1, "0 ]", "expected a packet, a system call"},
        {1, "0 ack 5", "expected '(' after \"ack\""},
        {2, "0 > . 1:1(0) ack 1\nbind(3) = 0", "expected the time"},
        {2, "0 > . 1:1(0) ack 1\nplen 5", "expected the time"},
        {1, "0 > ", "expected TCP flags, at the end of the script"},
        {1, "0 > X. 1:1(0)", "no TCP flag is called 'X'"},
        {1, "0 > s. 1:1(0)", "no TCP flag is called 's'"},
        {1, "0 > .8 1:1(0)", "no TCP flag is called '8'"},
        {1, "0 > .. 1:1(0)", "the flag . twice"},
        {1, "0 > 5E. 1:1(0)", "the flag E beside an ACE digit"},
        {1, "0 > 12. 1:1(0)", "two ACE digits"},
        {1, "0 > -. 1:1(0)", "'-' is: no flags at all"},
        {1, "0 > . 1:11(9) ack 1", "1:11 is 10 bytes long, not 9"},
        {1, "0 > . 1:1 ack 1", "expected '(' and the length"},
        {1, "0 > . 1(0) ack 1", "expected ':'"},
        {1, "0 > . 1:2(1", "expected ')'"},
        {1, "0 > . 1:70001(70000) ack 1", "a length is more than 65535"},
        {1, "0 > . 4294967296:1(0)", "a sequence number is more than"},
        {1, "0 > . 1:1(0) ack", "expected ack"},
        {1, "0 > . 1:1(0) ack 1x", "letters in ack"},
        {1, "0 > . 1:1(0) win 65536", "win is more than 65535"},
        {1, "0 > . 1:1(0) win 1 ack 1", "ack comes before win"},
        {1, "0 > . 1:1(0) <nop> win 1", "win comes before the options"},
        {1, "0 > . 1:1(0) ack 1 ack 1", "ack twice"},
        {1, "0 > S 1:1(0) ack 1", "ack without the flag '.'"},
        {1, "0 > . 1:1(0) urg 1", "urg without the flag U"},
        {1, "0 < S 0:0(0) win 1 <...>", "<...> is for what we send"},
        {1, "0 > S 0:0(0) <mss>", "expected an MSS"},
        {1, "0 > S 0:0(0) <mss 65536>", "an MSS is more than 65535"},
        {1, "0 > S 0:0(0) <mss 1460", "expected '>' or ','"},
        {1, "0 > S 0:0(0) <mss 1460 nop>", "expected '>' or ','"},
        {1, "0 > S 0:0(0) <mss 1460,>", "expected a TCP option"},
        {1, "0 > S 0:0(0) <mss 1460,...>", "cannot stand for some"},
        {1, "0 > S 0:0(0) <TS 1 ecr 2>", "expected 'val'"},
        {1, "0 > S 0:0(0) <TS val 1>", "expected 'ecr'"},
        {1, "0 > . 1:1(0) <sack 1:2 3:4 5:6 7:8 9:10>", "more than four"},
        {1, "0 > . 1:1(0) <sack 1-2>", "expected ':' in a SACK block"},
        {1, "0 > . 1:1(0) <sack a:b>", "expected SACK blocks"},
        {1, "0 > S 0:0(0) <FO abc>", "odd number"},
        {1, "0 > S 0:0(0) <FO 0xzz>", "expected hexadecimal digits"},
        {1, "0 > . 1:1(0) <ECN ceb 1>", "AccECN counters go"},
        {1, "0 > . 1:1(0) <ECN e0b 1 e1b 2>", "AccECN counters go"},
        {1, "0 > . 1:1(0) <ECN x 1>", "expected e0b, ceb or e1b"},
        {1, "0 > . 1:1(0) <ECN e0b 16777216>", "e0b is more than 16777215"},
        {1, "0 > . 1:1(0) <0x100 00>", "kind is more than 255"},
        {1, "0 > . 1:1(0) <raw>", "expected the option's bytes"},
        {1, "0 < [ect01] . 1:1(0) win 1", "ect01 is for what we send"},
        {1, "0 > [ect0 . 1:1(0)", "expected ']'"},
        {1, "0 > [<] . 1:1(0)", "expected ect0"},
        {1, "0 > [5] . 1:1(0)", "expected start:end"},
        {1, "0 < [1:2(1)] . 1:1(0) win 1", "expected icmp after"},
        {1, "0 < [1:2(1)] icmp 3 1 [1:2(1)]", "once"},
        {1, "0 > [tos 256] . 1:1(0)", "a TOS is more than 255"},
        {1, "0 < icmp 3 4 mtu x", "expected an MTU"},
        {1, "0 < icmp unreachable frag_needed [1]", "expected start:end"},
        {1, "0 < icmp unreachable frag_needed [1:2(1)", "expected ']'"},
        {1, "0 < icmp <", "expected an ICMP type"},
        {1, "0 close(3 = 0", "expected ',' or ')'"},
        {1, "0 close(3) = ", "expected an expression"},
        {1, "0 close(3) = )", "expected an expression"},
        {1, "0 f([1, 2) = 0", "expected ',' or ']'"},
        {1, "0 f({a=1) = 0", "expected ',' or '}'"},
        {1, "0 f((1 = 0", "after an expression in parentheses"},
        {1, "0 f(\"abc) = 0\n", "a string without its end"},
        {1, "0 f(\"\\xg\") = 0", "\\x without hexadecimal digits"},
        {1, "0 f(12ab) = 0", "letters in a number"},
        {1, "0 f(0x) = 0", "expected a number"},
        {1, "0 f(99999999999999999999) = 0", "a number is too large"},
        {1, "0 f() = -1 EAGAIN (no end\n", "a remark without its end"},
        {3, "\n\n0 `sysctl", "a command without its end"},
        {1, "0 %{ assert }\n", "code without its end"},
        {2, "\n/* comment", "a comment without its end"},
        {1, "--", "expected the name of an option"},
        {1, "--mtu=", "expected a value of the option --mtu"},
        {2, "0 close(3) = 0\n--mtu=1500", "options come before"},
        {3, "0 close(3) = 0\n0 close(4) = 0\n1 > . 1:1(1)", "0 bytes long"},
        {2, "0 close(3) = 0\n!", "expected the time of an event"}};
    size_t i;
    char deep[400];
    for (i = 0; i < sizeof all / sizeof all[0]; i++) {
        refuse(PKT_FAIL, all[i].line, all[i].text, all[i].why);
        CHECK(!strncmp(verdict.what, "syntax: ", 8));
    }
    memset(deep, 0, sizeof deep);
    snprintf(deep, sizeof deep, "0 f(");
    memset(deep + 4, '[', 300);
    refuse(PKT_FAIL, 1, deep, "nested too deeply");
    memset(deep + 4, '-', 300);
    refuse(PKT_FAIL, 1, deep, "nested too deeply");
    pkt_free_all(&arena);
    memset(&verdict, 0, sizeof verdict);
    CHECK_EQ(pkt_parse(&arena, "x", "\n0 \0", 4, NULL, &script, &verdict),
             PKT_FAIL);
    CHECK_EQ(verdict.line, 2);
    CHECK(strstr(verdict.what, "zero byte"));
}

TEST(what_is_only_unknown)
{
    static const struct {
        int line;
        const char *text, *name;
    } all[] = {
        {1, "0 < udp (1000)", "udp"},
        {1, "0 > udplite (1000)", "udplite"},
        {2, "\n0 < sctp: INIT[flgs=0, tag=1]", "sctp"},
        {1, "0 > gre: . 1:1(0)", "gre"},
        {1, "0 < mpls (label 0): . 1:1(0)", "mpls"},
        {1, "0 > ipv4 1.1.1.1 > 2.2.2.2: . 1:1(0)", "ipv4"},
        {1, "0 > [flowlabel 0x5] . 1:1(0)", "[flowlabel] of a packet"},
        {1, "0 > [!FCFS] . 1:1(0)", "[!FCFS] of a packet"},
        {1, "0 > (1.1.1.1:1 > 2.2.2.2:2) . 1:1(0)", "addresses of a packet"},
        {1, "0 < addr[caddr0] > addr[saddr0] S 0:0(0)", "addresses"},
        {1, "0 > S 0:0(0) <mss 1460,mp_capable v1 flags[]>",
         "TCP option mp_capable"},
        {1, "0 > S! 0:0(0)", "flags with !"},
        {1, "0 > . 1:1(0) ack 1 plen 5", "plen of a packet"},
        {1, "0 > icmp unreachable", "icmp that we send"},
        {1, "0 < icmp echo_request", "icmp echo_request"},
        {1, "0 < icmp unreachable frag_needed [udp (5)]", "icmp about udp"},
        {1, "0 tun0 > . 1:1(0)", "tun0"}};
    size_t i;
    for (i = 0; i < sizeof all / sizeof all[0]; i++)
        refuse(PKT_SKIP, all[i].line, all[i].text, all[i].name);
}

/* Whatever a text is cut off to, or one of its characters changed to, the
   reader ends, inside it. */
TEST(any_text)
{
    static const char text[] =
        "--mtu=1500\n`a b`\n+0.1~+.2 > [ect0] SEWA 0:0(0) win 1 <mss 1,"
        "sack 1:2 3:4,TS val 1 ecr 2,FO ab,ECN e0b 1 ceb 2,0x1e ab>\n"
        "0...1 f(\"a\\x41\", [{a=1, b(c)=~D|E}], ...) = -1 EAGAIN (x)\n"
        "1 < icmp unreachable frag_needed mtu 5 [1:2(1)]\n* > .5 1:1(0)\n"
        "2 %{ x }% # end";
    static const char with[] = "\"`({[<.0a\n/#%";
    char copy[sizeof text];
    size_t i, k;
    int kinds[3] = {0, 0, 0};
    for (i = 0; i <= sizeof text - 1; i++) {
        memcpy(copy, text, sizeof text);
        copy[i] = 0;
        kinds[parse_with(copy, NULL)]++;
    }
    for (i = 0; i < sizeof text - 1; i++)
        for (k = 0; with[k]; k++) {
            memcpy(copy, text, sizeof text);
            copy[i] = with[k];
            kinds[parse_with(copy, NULL)]++;
        }
    CHECK(kinds[PKT_OK] > 100 && kinds[PKT_FAIL] > 100);
    pkt_free_all(&arena);
}
