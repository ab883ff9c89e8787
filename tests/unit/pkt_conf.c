/* What options and shell commands of packet scripts become: configuration,
   nothing, or a reason to skip the script. 0BSD. */

#include <stdarg.h>

#include "test.h"

#include "../scripts/pkt_arena.c"
#include "../scripts/pkt_conf.c"
#include "../scripts/pkt_shell.c"
#include "../scripts/pkt_sysctl.c"

static struct pkt_conf conf;
static struct pkt_verdict verdict;

int pkt_verdict(struct pkt_verdict *v, int kind, int line, const char *fmt,
                ...)
{
    va_list ap;
    v->kind = kind;
    v->line = line;
    va_start(ap, fmt);
    vsnprintf(v->what, sizeof v->what, fmt, ap);
    va_end(ap);
    return kind;
}

static void fresh(const char *profile)
{
    pkt_conf_profile(&conf, profile);
    memset(&verdict, 0, sizeof verdict);
}

static int run(const char *command)
{
    memset(&verdict, 0, sizeof verdict);
    CONTEXT("`%.200s`", command);
    return pkt_conf_command(&conf, command, 7, &verdict);
}

/* A command on a fresh profile of Linux that must be understood. */
static void ok(const char *command)
{
    fresh("linux");
    if (run(command) != PKT_OK)
        FAIL("%s", verdict.what);
}

static void skips(const char *command, const char *why)
{
    fresh("linux");
    CHECK_EQ(run(command), PKT_SKIP);
    CHECK_EQ(verdict.line, 7);
    CHECK_STR(verdict.what, why);
}

/* A command that changes nothing. */
static void ignores(const char *command)
{
    struct pkt_conf before;
    fresh("linux");
    before = conf;
    if (run(command) != PKT_OK)
        FAIL("%s", verdict.what);
    CHECK_MEM(&conf, &before, sizeof conf);
}

TEST(profiles)
{
    fresh("tcpsm");
    CHECK_EQ(conf.strict, PKT_S_ALL);
    CHECK_EQ(conf.tcp.flags, 0);
    CHECK_EQ(conf.tcp.mtu, 1500);
    CHECK_EQ(conf.connect_port, 8080);
    CHECK_EQ(conf.tolerance_us, 4000);
    CHECK_EQ(conf.layer, 2);
    CHECK_EQ(conf.local_ip[0], 192);
    fresh("linux");
    CHECK(!(conf.strict & (PKT_S_WIN | PKT_S_OPTORDER | PKT_S_PSH)));
    CHECK(conf.strict & PKT_S_OPTS);
    CHECK_EQ(conf.tcp.initial_segments, 10);
    CHECK_EQ(conf.tcp.rto_min_us, 200000);
    CHECK_EQ(conf.tcp.user_timeout_ms, 924600); /* tcp_retries2 15 */
    CHECK_EQ(conf.tcp.syn_limit_ms, 127000);    /* tcp_syn_retries 6 */
    CHECK(conf.quickacks > 0);
    fresh("freebsd");
    CHECK_EQ(conf.tcp.rto_min_us, 230000);
    pkt_conf_profile(&conf, "none such");
    CHECK(!conf.profile);
}

TEST(strict_lists)
{
    fresh("tcpsm");
    CHECK_EQ(pkt_conf_strict(&conf, "none"), 0);
    CHECK_EQ(conf.strict, 0);
    CHECK_EQ(pkt_conf_strict(&conf, "all,-psh"), 0);
    CHECK_EQ(conf.strict, PKT_S_ALL & ~PKT_S_PSH);
    CHECK_EQ(pkt_conf_strict(&conf, "-win"), 0);
    CHECK_EQ(conf.strict, PKT_S_ALL & ~PKT_S_PSH & ~PKT_S_WIN);
    CHECK_EQ(pkt_conf_strict(&conf, "win,optorder,opts,psh,sizes,tsval,mss,"
                                    "scale,ecn,time,sack,rst,probe,others"),
             0);
    CHECK_EQ(conf.strict, PKT_S_ALL);
    CHECK_EQ(pkt_conf_strict(&conf, "win"), 0);
    CHECK_EQ(conf.strict, PKT_S_WIN);
    CHECK_EQ(pkt_conf_strict(&conf, "wine"), -1);
    CHECK_EQ(pkt_conf_strict(&conf, "win,"), -1);
    CHECK_EQ(pkt_conf_strict(&conf, ""), -1);
    CHECK_EQ(conf.strict, PKT_S_WIN);
}

static int set(const char *name, const char *value)
{
    memset(&verdict, 0, sizeof verdict);
    CONTEXT("--%s=%s", name, value ? value : "(none)");
    return pkt_conf_option(&conf, name, value, 3, &verdict);
}

TEST(options)
{
    static const char *const bad[][2] = {
        {"tolerance_usecs", "x"},  {"tolerance_usecs", "-1"},
        {"tolerance_usecs", NULL}, {"ip_version", "ipv5"},
        {"ip_version", NULL},      {"mtu", "60"},
        {"mtu", "65536"},          {"mss", "1 0"},
        {"local_ip", "1.2.3"},     {"local_ip", NULL},
        {"remote_ip", "::1::"},    {"connect_port", "0"},
        {"bind_port", "65536"},    {"layer", "3"},
        {"tcp_ts_tick_usecs", ""}, {"remote_isn", "4294967296"}};
    static const char *const none[] = {
        "speed",       "gateway_ip",         "netmask_ip",    "init_scripts",
        "non_fatal",   "wire_server",        "so_filename",   "no_cleanup",
        "wire_client", "persistent_tun_dev", "send_omit_free"};
    struct pkt_conf before;
    size_t i;
    fresh("tcpsm");
    CHECK_EQ(set("tolerance_usecs", "75000"), PKT_OK);
    CHECK_EQ(conf.tolerance_us, 75000);
    CHECK(!(conf.strict & PKT_S_TIME));
    CHECK_EQ(set("mtu", "1400"), PKT_OK);
    CHECK_EQ(conf.tcp.mtu, 1400);
    CHECK_EQ(set("mss", "1000"), PKT_OK);
    CHECK_EQ(conf.mss, 1000);
    CHECK_EQ(conf.tcp.mtu, 1400);
    CHECK_EQ(set("ip_version", "ipv6"), PKT_OK);
    CHECK_EQ(conf.ip_version, 6);
    CHECK_EQ(conf.local_ip[0], 0xFD);
    CHECK_EQ(set("remote_ip", "2001:db8::5"), PKT_OK);
    CHECK_EQ(conf.remote_ip[0], 0x20);
    CHECK_EQ(set("ip_version", "ipv4-mapped-ipv6"), PKT_OK);
    CHECK_EQ(conf.ip_version, 46);
    CHECK_EQ(conf.local_ip[0], 192);
    CHECK_EQ(set("local_ip", "10.0.0.1/8"), PKT_OK);
    CHECK_EQ(conf.local_ip[3], 1);
    CHECK_EQ(set("ip_version", "ipv4"), PKT_OK);
    CHECK_EQ(conf.local_ip[0], 10);
    CHECK_EQ(pkt_conf_done(&conf, &verdict), PKT_FAIL);
    CHECK(strstr(verdict.what, "remote_ip"));
    CHECK_EQ(set("remote_ip", "10.0.0.2"), PKT_OK);
    CHECK_EQ(pkt_conf_done(&conf, &verdict), PKT_OK);
    CHECK_EQ(set("connect_port", "80"), PKT_OK);
    CHECK_EQ(conf.connect_port, 80);
    CHECK_EQ(set("bind_port", "81"), PKT_OK);
    CHECK_EQ(conf.bind_port, 81);
    CHECK_EQ(set("tcp_ts_tick_usecs", "0"), PKT_OK);
    CHECK(!(conf.strict & PKT_S_TSVAL));
    CHECK_EQ(set("tcp_ts_tick_usecs", "1000"), PKT_OK);
    CHECK(conf.strict & PKT_S_TSVAL);
    CHECK_EQ(set("tcp_ts_tick_usecs", "10000"), PKT_OK);
    CHECK_EQ(conf.ts_tick_us, 10000);
    CHECK_EQ(set("remote_isn", "0xFFFFFFF0"), PKT_OK);
    CHECK_EQ(conf.remote_isn, 0xFFFFFFF0);
    CHECK(conf.remote_isn_given);
    CHECK_EQ(set("layer", "1"), PKT_OK);
    CHECK_EQ(conf.layer, 1);
    CHECK_EQ(set("dry_run", NULL), PKT_OK);
    CHECK(conf.dry_run);
    for (i = 0; i < sizeof none / sizeof none[0]; i++) {
        before = conf;
        CHECK_EQ(set(none[i], "1"), PKT_OK);
        CHECK_MEM(&conf, &before, sizeof conf);
    }
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(set(bad[i][0], bad[i][1]), PKT_FAIL);
        CHECK_EQ(verdict.line, 3);
        CHECK(strstr(verdict.what, bad[i][0]));
    }
    CHECK_EQ(set("udp_encaps", "tcp"), PKT_SKIP);
    CHECK_STR(verdict.what, "option --udp_encaps");
}

TEST(options_of_other_stacks)
{
    fresh("linux");
    CHECK_EQ(set("tcp_ts_tick_usecs", "1000"), PKT_OK);
    CHECK(conf.strict & PKT_S_TSVAL);
    CHECK_EQ(set("tcp_ts_tick_usecs", "4000"), PKT_OK);
    CHECK(!(conf.strict & PKT_S_TSVAL));
    CHECK_EQ(conf.ts_tick_us, 0);
}

TEST(sysctls_that_configure)
{
    static const uint8_t key[16] = {1, 2, 3, 4, 0xA1, 0xB2, 0xC3, 0xD4,
                                    0, 0, 0, 0, 255,  255,  255,  255};
    ok("sysctl -q net.ipv4.tcp_sack=0");
    CHECK(conf.tcp.flags & TCPSM_NO_SACK);
    CHECK_EQ(run("sysctl -w net.ipv4.tcp_sack=1"), PKT_OK);
    CHECK(!(conf.tcp.flags & TCPSM_NO_SACK));
    ok("sysctl -q net.ipv4.tcp_timestamps=0 net.ipv4.tcp_window_scaling=0");
    CHECK(conf.tcp.flags & TCPSM_NO_TS);
    CHECK(conf.tcp.flags & TCPSM_NO_SCALE);
    ok("sysctl -q net/ipv4/tcp_ecn=0");
    CHECK(conf.tcp.flags & TCPSM_NO_ECN);
    ok("sysctl net.ipv4.tcp_ecn = 1");
    CHECK(conf.tcp.flags & TCPSM_ECN);
    CHECK(!(conf.tcp.flags & TCPSM_ACCECN));
    ok("sysctl -q net.ipv4.tcp_ecn=3");
    CHECK(conf.tcp.flags & TCPSM_ACCECN);
    ok("sysctl -q net.ipv4.tcp_rmem=\"4096 131072 $((32*1024*1024))\"");
    CHECK_EQ(conf.rcvbuf, 65536);
    CHECK_EQ(conf.tcp.rcv_max, 33554432);
    ok("sysctl -q 'net.ipv4.tcp_wmem=4096 200000 4194304'");
    CHECK_EQ(conf.sndbuf, 200000);
    ok("sysctl -q net.ipv4.tcp_syn_retries=1 net.ipv4.tcp_retries2=2");
    CHECK_EQ(conf.tcp.syn_limit_ms, 3000);
    CHECK_EQ(conf.tcp.user_timeout_ms, 1400);
    ok("sysctl -q net.ipv4.tcp_keepalive_time=10 "
       "net.ipv4.tcp_keepalive_intvl=2 net.ipv4.tcp_keepalive_probes=3");
    CHECK_EQ(conf.tcp.keep_idle_ms, 10000);
    CHECK_EQ(conf.tcp.keep_interval_ms, 2000);
    CHECK_EQ(conf.tcp.keep_count, 3);
    ok("sysctl -q net.ipv4.tcp_fin_timeout=30");
    CHECK_EQ(conf.tcp.msl_ms, 15000);
    ok("sysctl -q net.ipv4.tcp_congestion_control=reno");
    CHECK_EQ(conf.tcp.cc->id, TCPSM_CC_NEWRENO);
    CHECK(!conf.tcp.cc->idle);
    CHECK_EQ(run("sysctl -q net.ipv4.tcp_slow_start_after_idle=0"), PKT_OK);
    CHECK_EQ(conf.tcp.cc->id, TCPSM_CC_NEWRENO);
    CHECK(conf.tcp.cc->idle);
    CHECK_EQ(run("sysctl -q net.ipv4.tcp_congestion_control=cubic"), PKT_OK);
    CHECK_EQ(conf.tcp.cc->id, TCPSM_CC_CUBIC);
    CHECK(conf.tcp.cc->idle);
    ok("sysctl -q net.ipv4.tcp_fastopen=0x3");
    CHECK_EQ(conf.fastopen_client, 1);
    CHECK_EQ(conf.fastopen_server, 2);
    ok("sysctl -q net.ipv4.tcp_fastopen_key="
       "01020304-a1b2c3d4-0-ffffffff,1-2-3-4");
    CHECK(conf.fastopen_key_given);
    CHECK_MEM(conf.fastopen_key, key, 16);
    ok("sysctl -q net.ipv4.tcp_mtu_probing=1");
    CHECK(!(conf.tcp.flags & TCPSM_NO_PROBE));
    ok("sysctl -q net.ipv4.tcp_early_retrans=0");
    CHECK(conf.no_tlp);
    ok("sysctl -q net.ipv4.tcp_early_retrans=3");
    CHECK(!conf.no_tlp);
    ok("sysctl -q net.ipv4.tcp_syncookies=0");
    CHECK(conf.stack.flags & TCPSM_NO_COOKIES);
    ok("sysctl -q net.ipv4.tcp_rto_min_us=50000");
    CHECK_EQ(conf.tcp.rto_min_us, 50000);
    ok("sysctl -q net.ipv4.tcp_pacing_ca_ratio=120");
    CHECK_EQ(conf.tcp.pace_steady, 125);
    ok("sysctl -q net.ipv4.tcp_notsent_lowat=4096");
    CHECK_EQ(conf.notsent_lowat, 4096);
    ok("echo 1 > /proc/sys/net/ipv4/tcp_ecn");
    CHECK(conf.tcp.flags & TCPSM_ECN);
    ok("echo 4096 20000 30000 >/proc/sys/net/ipv4/tcp_rmem 2>/dev/null");
    CHECK_EQ(conf.rcvbuf, 10000);
    ok("../common/set_sysctls.py /proc/sys/net/ipv4/tcp_sack=0 "
       "/proc/sys/net/ipv4/tcp_wmem=\"4096 300000 400000\"");
    CHECK(conf.tcp.flags & TCPSM_NO_SACK);
    CHECK_EQ(conf.sndbuf, 300000);
    ok("../../common/defaults.sh");
    CHECK_EQ(conf.rcvbuf, 270000);
    CHECK(conf.tcp.flags & TCPSM_NO_ECN);
    CHECK(conf.fastopen_server);
}

TEST(sysctls_of_freebsd)
{
    ok("sysctl net.inet.tcp.rfc1323=0");
    CHECK(conf.tcp.flags & TCPSM_NO_TS && conf.tcp.flags & TCPSM_NO_SCALE);
    ok("sysctl net.inet.tcp.ecn.enable=1");
    CHECK(conf.tcp.flags & TCPSM_ECN);
    ok("sysctl -n net.inet.tcp.sack.enable=0");
    CHECK(conf.tcp.flags & TCPSM_NO_SACK);
    ok("sysctl net.inet.tcp.delayed_ack=0");
    CHECK_EQ(conf.tcp.ack_delay_us, TCPSM_OFF);
    ok("sysctl net.inet.tcp.delacktime=100");
    CHECK_EQ(conf.tcp.ack_delay_us, 100000);
    ok("sysctl net.inet.tcp.initcwnd_segments=4");
    CHECK_EQ(conf.tcp.initial_segments, 4);
    ok("sysctl net.inet.tcp.msl=1000");
    CHECK_EQ(conf.tcp.msl_ms, 1000);
    ok("sysctl net.inet.tcp.keepidle=5000");
    CHECK_EQ(conf.tcp.keep_idle_ms, 5000);
    ok("sysctl net.inet.tcp.cc.algorithm=newreno");
    CHECK_EQ(conf.tcp.cc->id, TCPSM_CC_NEWRENO);
    fresh("freebsd");
    CHECK_EQ(run("sysctl net.inet.tcp.rexmit_min=100"), PKT_OK);
    CHECK_EQ(conf.tcp.rto_min_us, 300000);
    CHECK_EQ(run("sysctl net.inet.tcp.rexmit_slop=50"), PKT_OK);
    CHECK_EQ(conf.tcp.rto_min_us, 150000);
    CHECK_EQ(conf.rto_form, PKT_RTO_BSD);
    ignores("sysctl net.inet.tcp.hostcache.purgenow=1");
    ignores("sysctl kern.timecounter.alloweddeviation=0");
    ignores("sysctl net.inet.icmp.icmplim=0");
    ignores("kldload -n tcp_rack");
    skips("sysctl net.inet.tcp.blackhole=2",
          "sysctl net.inet.tcp.blackhole=2");
    skips("sysctl net.inet.tcp.functions_default=rack",
          "sysctl net.inet.tcp.functions_default=rack");
}

TEST(routes)
{
    ok("ip route change 192.0.2.0/24 via 192.168.0.1 dev tun0 initcwnd 20");
    CHECK_EQ(conf.tcp.initial_segments, 20);
    ok("ip route replace default dev tun0 rto_min 50ms quickack 1");
    CHECK_EQ(conf.tcp.rto_min_us, 50000);
    CHECK_EQ(conf.quickacks, 255);
    ok("ip -6 route change fd3d:fa7b:d17d::/48 via fd3d::1 mtu lock 1280");
    CHECK_EQ(conf.tcp.mtu, 1280);
    ok("ip route change 192.0.2.0/24 congctl reno features ecn hoplimit 9");
    CHECK_EQ(conf.tcp.cc->id, TCPSM_CC_NEWRENO);
    CHECK(conf.tcp.flags & TCPSM_ECN);
    CHECK_EQ(conf.tcp.ttl, 9);
    ok("ip link set dev tun0 mtu 1400");
    CHECK_EQ(conf.tcp.mtu, 1400);
    ok("ifconfig tun0 mtu 1300 up");
    CHECK_EQ(conf.tcp.mtu, 1300);
    ignores("ip tcp_metrics flush all > /dev/null 2>&1");
    ignores("ip route flush cache");
    skips("ip route change 192.0.2.0/24 features tcp_usec_ts",
          "ip route features tcp_usec_ts");
    skips("ip route change 192.0.2.0/24 dev tun0 advmss 500",
          "ip route advmss");
    skips("ip route change 192.0.2.0/24 initcwnd", "ip route initcwnd ");
    skips("ip route del default", "ip route del");
    skips("ip xfrm state add", "ip xfrm");
}

TEST(what_cannot_matter)
{
    ignores("true");
    ignores("");
    ignores(" ; \n && true || : # sysctl x=1");
    ignores("# net.ipv4.tcp_sack=0");
    ignores("sysctl net.ipv4.tcp_sack");
    ignores("sysctl -q net.ipv4.tcp_no_metrics_save=1");
    ignores("sysctl -q net.core.somaxconn=100");
    ignores("nstat -n > /dev/null 2>&1; sleep 0.1");
    ignores("tc qdisc replace dev tun0 root fq");
    ignores("ethtool -K tun0 tso off gso off");
    ignores("modprobe -q tcp_cubic");
    ignores("echo hello world");
    ignores("/tmp/sysctl_restore_${PPID}.sh");
    ignores("rm -f /tmp/x; LANG=C date > /tmp/y");
}

TEST(what_is_skipped)
{
    static const char many[] = "true a a a a a a a a a a a a a a a a a a a a "
                               "a a a a a a a a a a a a a a a a a a a a a a "
                               "a a a a a a a a a a a a a a a a a a a a a a";
    skips("iptables -A INPUT -j DROP", "command iptables");
    skips("./unheard_of.sh", "command unheard_of.sh");
    skips("true && python3 x.py", "command x.py");
    skips("nstat | grep TcpExtTCPTimeouts", "command grep");
    skips("sysctl -q net.ipv4.tcp_recovery=0",
          "sysctl net.ipv4.tcp_recovery=0");
    skips("sysctl -q net.ipv4.tcp_congestion_control=bbr",
          "sysctl net.ipv4.tcp_congestion_control=bbr");
    skips("sysctl -q net.ipv4.tcp_congestion_control=dctcp",
          "sysctl net.ipv4.tcp_congestion_control=dctcp");
    skips("sysctl -q net.ipv4.tcp_unheard_of=1",
          "sysctl net.ipv4.tcp_unheard_of=1");
    skips("sysctl -q net.ipv4.tcp_sack=x", "sysctl net.ipv4.tcp_sack=x");
    skips("sysctl -q net.ipv4.tcp_sack=", "sysctl net.ipv4.tcp_sack=");
    skips("sysctl -q net.ipv4.tcp_rmem=\"1 2\"",
          "sysctl net.ipv4.tcp_rmem=1 2");
    skips("sysctl -q net.ipv4.tcp_rmem=\"1 2 3 4 5 6 7 8 9 10\"",
          "sysctl net.ipv4.tcp_rmem=1 2 3 4 5 6 7 8 9 10");
    skips("sysctl -q net.ipv4.tcp_fastopen=0x207",
          "sysctl net.ipv4.tcp_fastopen=0x207");
    skips("sysctl -q net.ipv4.tcp_fastopen_key=1-2-3",
          "sysctl net.ipv4.tcp_fastopen_key=1-2-3");
    skips("sysctl -q net.ipv4.tcp_keepalive_probes=1",
          "sysctl net.ipv4.tcp_keepalive_probes=1");
    skips("sysctl -q net.ipv4.tcp_syncookies=2",
          "sysctl net.ipv4.tcp_syncookies=2");
    skips("echo 0 > /proc/sys/net/ipv4/tcp_recovery",
          "sysctl net/ipv4/tcp_recovery=0");
    skips("cat x > /proc/sys/net/ipv4/tcp_sack", "command cat");
    skips("echo x > /etc/hosts", "command that writes /etc/hosts");
    skips("sysctl -q net.ipv4.tcp_sack=$(cat /tmp/x)",
          "command with a substitution");
    skips("echo \"never closed", "command with a substitution");
    skips("sysctl -q net.ipv4.tcp_sack=$((1/0))",
          "command with a substitution");
    skips("(true)", "command in parentheses");
    skips("if true; then true; fi", "command if");
    skips("tc qdisc add dev tun0 root netem delay 10ms", "tc 10ms");
    skips(many, "command of more than 64 words");
    skips("sh -c 'sh -c iptables'", "command iptables");
}

TEST(sums)
{
    static const struct {
        const char *sum;
        uint32_t is;
    } all[] = {{"$((4096))", 4096},
               {"$(( 2 * (1000 + 24) ))", 2048},
               {"$((10000/3%1000))", 333},
               {"$((0x1000-96))", 4000}};
    char line[100];
    size_t i;
    for (i = 0; i < sizeof all / sizeof all[0]; i++) {
        snprintf(line, sizeof line, "sysctl net.inet.tcp.recvspace=%s",
                 all[i].sum);
        ok(line);
        CHECK_EQ(conf.rcvbuf, all[i].is);
    }
    skips("echo $((9999999999*9999999999))", "command with a substitution");
    skips("echo $((1+))", "command with a substitution");
    skips("echo $((1)", "command with a substitution");
}
