/* pkt_sysctl.c - variables of Linux and FreeBSD -> struct pkt_conf. 0BSD.

   What tcpsm can be told becomes configuration. What cannot matter to a TCP,
   or only in a way that the profiles allow for, is in the table below with
   the reason. Of the rest only the values that describe what tcpsm does are
   accepted: a script that passes was not helped by something that it asked
   for and did not get. */

#include <string.h>

#include "pkt_conf.h"

static uint32_t ms_of(int64_t seconds)
{
    return seconds > 4000000 ? 4000000000u : (uint32_t)(seconds * 1000);
}

/* ---- sysctls that become configuration --------------------------------- */

/* 0: done; -1: tcpsm cannot do that. v: the words of the value. */
typedef int set_fn(struct pkt_conf *, char *const v[], int n);

static int flag(struct pkt_conf *c, char *const v[], uint32_t bit, int on)
{
    int64_t x;
    if (pkt_conf_range(v[0], 0, 2, &x))
        return -1;
    if ((x != 0) == on)
        c->tcp.flags |= bit;
    else
        c->tcp.flags &= ~bit;
    return 0;
}

static int set_sack(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return flag(c, v, TCPSM_NO_SACK, 0);
}

static int set_timestamps(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return flag(c, v, TCPSM_NO_TS, 0);
}

static int set_scaling(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return flag(c, v, TCPSM_NO_SCALE, 0);
}

/* 0 never; 1 ask and grant; 2 grant; 3 as 1, Accurate ECN first; 4 ask for
   the old one, grant both; 5 grant both. What is asked for, tcpsm grants. */
static void ecn_mode(struct pkt_conf *c, int64_t mode)
{
    static const uint32_t flags[] = {
        TCPSM_NO_ECN, TCPSM_ECN, 0, TCPSM_ECN | TCPSM_ACCECN, TCPSM_ECN, 0};
    c->tcp.flags &= ~(uint32_t)(TCPSM_NO_ECN | TCPSM_ECN | TCPSM_ACCECN);
    c->tcp.flags |= flags[mode];
}

static int set_ecn(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 0, 5, &x))
        return -1;
    ecn_mode(c, x);
    return 0;
}

static int set_fastopen(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 0, UINT32_MAX, &x))
        return -1;
    if (x & 0x4) /* data in SYNs without a cookie */
        return -1;
    c->fastopen_client = (int)(x & 0x1);
    c->fastopen_server = (int)(x & 0x602);
    return 0;
}

/* Four words of eight hexadecimal digits, with - between them. A second key,
   after a comma, is for cookies from before a change. */
static int set_fastopen_key(struct pkt_conf *c, char *const v[], int n)
{
    unsigned w[4];
    int i, end = 0;
    (void)n;
    if (sscanf(v[0], "%8x-%8x-%8x-%8x%n", &w[0], &w[1], &w[2], &w[3], &end) !=
            4 ||
        v[0][end])
        return -1;
    for (i = 0; i < 16; i++)
        c->fastopen_key[i] = (uint8_t)(w[i / 4] >> (24 - i % 4 * 8));
    c->fastopen_key_given = 1;
    return 0;
}

/* The controllers, and each without a restart after idleness. */
static void no_idle(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    (void)s;
    (void)e;
}
enum { CC_RENO, CC_CUBIC };
static const tcpsm_cc controllers[2][2] = {
    {TCPSM_CC_BUILT_IN(TCPSM_CC_NEWRENO),
     {TCPSM_CC_NEWRENO, NULL, NULL, NULL, NULL, no_idle, NULL, NULL}},
    {TCPSM_CC_BUILT_IN(TCPSM_CC_CUBIC),
     {TCPSM_CC_CUBIC, NULL, NULL, NULL, NULL, no_idle, NULL, NULL}}};

static int cc_is(const struct pkt_conf *c)
{
#ifdef TCPSM_TINY
    (void)c;
    return CC_RENO;
#else
    return c->tcp.cc && c->tcp.cc->id == TCPSM_CC_NEWRENO ? CC_RENO
                                                          : CC_CUBIC;
#endif
}

static int set_cc(struct pkt_conf *c, char *const v[], int n)
{
    int idle = c->tcp.cc && c->tcp.cc->idle, which;
    (void)n;
    if (!strcmp(v[0], "reno") || !strcmp(v[0], "newreno"))
        which = CC_RENO;
    else if (!strcmp(v[0], "cubic"))
        which = CC_CUBIC;
    else
        return -1;
    c->tcp.cc = &controllers[which][idle];
    return 0;
}

static int set_idle(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 0, 1, &x))
        return -1;
    c->tcp.cc = &controllers[cc_is(c)][!x];
    return 0;
}

static void set_rcv_max(struct pkt_conf *c, int64_t x)
{
    if (x > (int64_t)TCPSM_MAX_RING)
        x = TCPSM_MAX_RING;
    if (x > 0 && (uint32_t)x > c->tcp.rcv_max)
        c->tcp.rcv_max = (uint32_t)x;
}

/* min default max. Half of a receive buffer is window, in Linux. */
static int set_rmem(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x[3];
    int i;
    for (i = 0; i < n; i++)
        if (i == 3 || pkt_conf_range(v[i], 1, INT32_MAX, &x[i]))
            return -1;
    if (n != 3)
        return -1;
    c->rcvbuf = (uint32_t)(x[1] / 2 < 1 ? 1 : x[1] / 2);
    c->tcp.rcv_max = c->rcvbuf;
    set_rcv_max(c, x[2]);
    return 0;
}

/* Linux grows a send buffer to at least twice the initial window. */
static int set_wmem(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x[3], size;
    int i;
    for (i = 0; i < n; i++)
        if (i == 3 || pkt_conf_range(v[i], 1, INT32_MAX, &x[i]))
            return -1;
    if (n != 3)
        return -1;
    size = x[1] < 131072 ? 131072 : x[1];
    if (size > x[2])
        size = x[2];
    c->sndbuf = size > 16777216 ? 16777216 : (uint32_t)size;
    return 0;
}

static int set_rmem_max(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 1, INT32_MAX, &x))
        return -1;
    if (!strcmp(c->profile, "linux"))
        set_rcv_max(c, x);
    return 0;
}

static int set_space(uint32_t *out, const char *value)
{
    int64_t x;
    if (pkt_conf_range(value, 128, 16777216, &x))
        return -1;
    *out = (uint32_t)x;
    return 0;
}

static int set_recvspace(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return set_space(&c->rcvbuf, v[0]);
}

static int set_sendspace(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return set_space(&c->sndbuf, v[0]);
}

static int set_syncookies(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 0, 1, &x)) /* 2: always, a test's own */
        return -1;
    if (x)
        c->stack.flags &= ~(uint32_t)TCPSM_NO_COOKIES;
    else
        c->stack.flags |= TCPSM_NO_COOKIES;
    return 0;
}

static int set_syn_retries(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 0, 20, &x))
        return -1;
    c->tcp.syn_limit_ms = pkt_conf_tries_ms((uint32_t)x, 1000);
    return 0;
}

static int set_retries2(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 1, 255, &x))
        return -1;
    c->tcp.user_timeout_ms = pkt_conf_tries_ms((uint32_t)x, 200);
    return 0;
}

/* Durations that are configured as they are, in ms or in s. */
static int duration(uint32_t *out, const char *value, int64_t unit,
                    int64_t min, int64_t max)
{
    int64_t x;
    if (pkt_conf_range(value, min, max / unit, &x))
        return -1;
    *out = (uint32_t)(x * unit);
    return 0;
}

static int set_keep_idle_s(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return duration(&c->tcp.keep_idle_ms, v[0], 1000, 1, 4000000000);
}

static int set_keep_intvl_s(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return duration(&c->tcp.keep_interval_ms, v[0], 1000, 1, 4000000000);
}

static int set_keep_idle_ms(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return duration(&c->tcp.keep_idle_ms, v[0], 1, 1, 4000000000);
}

static int set_keep_intvl_ms(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return duration(&c->tcp.keep_interval_ms, v[0], 1, 1, 4000000000);
}

static int set_keep_count(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 2, 255, &x))
        return -1;
    c->tcp.keep_count = (uint8_t)x;
    return 0;
}

static int set_keepinit(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return duration(&c->tcp.syn_limit_ms, v[0], 1, 1, 4000000000);
}

static int set_fin_timeout(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 1, 3600, &x))
        return -1;
    c->tcp.msl_ms = ms_of(x) / 2;
    return 0;
}

static int set_msl(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return duration(&c->tcp.msl_ms, v[0], 1, 1, 3600000);
}

static int set_mtu_probing(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 0, 1, &x)) /* 2: from tcp_base_mss on */
        return -1;
    return flag(c, v, TCPSM_NO_PROBE, 0);
}

/* 3 and 4: with tail loss probes. tcpsm always has them; without, a script
   can only be run until one is due. */
static int set_early_retrans(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 0, 4, &x))
        return -1;
    c->no_tlp = x < 3;
    return 0;
}

static int set_rto_min_us(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return duration(&c->tcp.rto_min_us, v[0], 1, 1000, 60000000);
}

static int set_rto_max_ms(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return duration(&c->tcp.rto_max_ms, v[0], 1, 1000, 1800000);
}

static int set_rexmit_min(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return duration(&c->rto_least_us, v[0], 1000, 1, 30000000);
}

static int set_rexmit_slop(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return duration(&c->rto_slop_us, v[0], 1000, 0, 30000000);
}

static int set_delack_ms(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 1, 499, &x))
        return -1;
    c->tcp.ack_delay_us = (uint32_t)x * 1000;
    return 0;
}

static int set_delayed_ack(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 0, 1, &x))
        return -1;
    c->tcp.ack_delay_us = x ? 40000 : TCPSM_OFF;
    return 0;
}

static int set_initcwnd(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 1, 255, &x))
        return -1;
    c->tcp.initial_segments = (uint8_t)x;
    return 0;
}

/* In steps of 25; only where pacing is on at all. */
static int set_pace(uint16_t *out, const char *value)
{
    int64_t x;
    if (pkt_conf_range(value, 25, 375, &x))
        return -1;
    *out = (uint16_t)((x + 12) / 25 * 25);
    return 0;
}

static int set_pace_ss(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return set_pace(&c->tcp.pace_start, v[0]);
}

static int set_pace_ca(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return set_pace(&c->tcp.pace_steady, v[0]);
}

static int set_challenges(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 1, INT32_MAX, &x))
        return -1;
    c->tcp.challenge_limit = (uint8_t)(x > 255 ? 255 : x);
    return 0;
}

static int set_notsent(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], -1, UINT32_MAX, &x))
        return -1;
    c->notsent_lowat = x < 0 || x >= INT32_MAX ? 0 : (uint32_t)x;
    return 0;
}

static int set_nonlocal(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return pkt_conf_int(&c->nonlocal_bind, v[0], 0, 1);
}

static int set_ttl(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 1, 255, &x))
        return -1;
    c->tcp.ttl = (uint8_t)x;
    return 0;
}

/* RFC 1323's two, together. */
static int set_rfc1323(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 0, 3, &x))
        return -1;
    c->tcp.flags &= ~(uint32_t)(TCPSM_NO_TS | TCPSM_NO_SCALE);
    c->tcp.flags |= (x == 0 || x == 2 ? TCPSM_NO_TS : 0u) |
                    (x == 0 || x == 3 ? TCPSM_NO_SCALE : 0u);
    return 0;
}

/* 0 never; 1 both; 2 grant; 3 Accurate ECN; 4 grant it. */
static int set_bsd_ecn(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (pkt_conf_range(v[0], 0, 4, &x))
        return -1;
    ecn_mode(c, x == 4 ? 5 : x);
    return 0;
}

static int set_bsd_fastopen(struct pkt_conf *c, const char *value, int *out,
                            int bit)
{
    int64_t x;
    (void)c;
    if (pkt_conf_range(value, 0, 1, &x))
        return -1;
    *out = x ? bit : 0;
    return 0;
}

static int set_fo_server(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return set_bsd_fastopen(c, v[0], &c->fastopen_server, 2);
}

static int set_fo_client(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return set_bsd_fastopen(c, v[0], &c->fastopen_client, 1);
}

/* ---- the table of sysctls ---------------------------------------------- */

/* set: becomes configuration. only: tcpsm does these values and no other;
   "*": any, because it cannot matter (why says so). */
static const struct sysctl {
    const char *name;
    set_fn *set;
    const char *only, *why;
} sysctls[] = {
#define T(x) "net.ipv4.tcp_" x
    {T("sack"), set_sack, NULL, NULL},
    {T("timestamps"), set_timestamps, NULL, NULL},
    {T("window_scaling"), set_scaling, NULL, NULL},
    {T("ecn"), set_ecn, NULL, NULL},
    {T("fastopen"), set_fastopen, NULL, NULL},
    {T("fastopen_key"), set_fastopen_key, NULL, NULL},
    {T("congestion_control"), set_cc, NULL, NULL},
    {T("slow_start_after_idle"), set_idle, NULL, NULL},
    {T("rmem"), set_rmem, NULL, NULL},
    {T("wmem"), set_wmem, NULL, NULL},
    {T("syncookies"), set_syncookies, NULL, NULL},
    {T("syn_retries"), set_syn_retries, NULL, NULL},
    {T("retries2"), set_retries2, NULL, NULL},
    {T("keepalive_time"), set_keep_idle_s, NULL, NULL},
    {T("keepalive_intvl"), set_keep_intvl_s, NULL, NULL},
    {T("keepalive_probes"), set_keep_count, NULL, NULL},
    {T("fin_timeout"), set_fin_timeout, NULL, NULL},
    {T("mtu_probing"), set_mtu_probing, NULL, NULL},
    {T("early_retrans"), set_early_retrans, NULL, NULL},
    {T("rto_min_us"), set_rto_min_us, NULL, NULL},
    {T("rto_max_ms"), set_rto_max_ms, NULL, NULL},
    {T("delack_min"), set_delack_ms, NULL, NULL},
    {T("delack_max"), set_delack_ms, NULL, NULL},
    {T("init_cwnd"), set_initcwnd, NULL, NULL},
    {T("pacing_ss_ratio"), set_pace_ss, NULL, NULL},
    {T("pacing_ca_ratio"), set_pace_ca, NULL, NULL},
    {T("challenge_ack_limit"), set_challenges, NULL, NULL},
    {T("notsent_lowat"), set_notsent, NULL, NULL},
    {"net.core.rmem_max", set_rmem_max, NULL, NULL},
    {"net.ipv4.ip_nonlocal_bind", set_nonlocal, NULL, NULL},
    {"net.ipv6.ip_nonlocal_bind", set_nonlocal, NULL, NULL},
    {"net.ipv4.ip_default_ttl", set_ttl, NULL, NULL},
    {"net.ipv6.conf.all.hop_limit", set_ttl, NULL, NULL},

    {T("dsack"), NULL, "1", NULL},
    {T("frto"), NULL, "1 2", NULL},
    {T("recovery"), NULL, "1", NULL},
    {T("reordering"), NULL, "3", NULL},
    {T("ecn_fallback"), NULL, "1", NULL},
    {T("ecn_option"), NULL, "1 2", NULL},
    {T("thin_linear_timeouts"), NULL, "0", NULL},
    {T("thin_dupack"), NULL, "0", NULL},
    {T("shrink_window"), NULL, "0", NULL},
    {T("workaround_signed_windows"), NULL, "0", NULL},
    {T("syn_linear_timeouts"), NULL, "0", NULL},
    {T("synack_retries"), NULL, "5", NULL},
    {T("abort_on_overflow"), NULL, "0", NULL},
    {T("tw_recycle"), NULL, "0", NULL},
    {T("stdurg"), NULL, "0", NULL},
    {T("reflect_tos"), NULL, "0", NULL},
    {T("plb_enabled"), NULL, "0", NULL},
    {T("pingpong_thresh"), NULL, "1", NULL},
    {T("default_delack_segs"), NULL, "1", NULL},
    {T("orphan_retries"), NULL, "0", NULL},
    {"net.ipv4.ip_no_pmtu_disc", NULL, "0", NULL},

    {T("fack"), NULL, "*", "no longer in the kernel"},
    {T("abc"), NULL, "*", "no longer in the kernel"},
    {T("low_latency"), NULL, "*", "no longer in the kernel"},
    {T("max_ssthresh"), NULL, "*", "no longer in the kernel"},
    {T("max_reordering"), NULL, "*", "bounds a heuristic of Linux"},
    {T("fastopen_blackhole_timeout"), NULL, "*", "between connections"},
    {T("fastopen_blackhole_timeout_sec"), NULL, "*", "between connections"},
    {T("ecn_option_beacon"), NULL, "*", "how often nothing new is said"},
    {T("moderate_rcvbuf"), NULL, "*", "windows are compared by the profile"},
    {T("adv_win_scale"), NULL, "*", "windows are compared by the profile"},
    {T("app_win"), NULL, "*", "windows are compared by the profile"},
    {T("rfc1337"), NULL, "*", "tcpsm always heeds it"},
    {T("tw_reuse"), NULL, "*", "between connections"},
    {T("tw_reuse_delay"), NULL, "*", "between connections"},
    {T("no_metrics_save"), NULL, "*", "between connections"},
    {T("no_ssthresh_metrics_save"), NULL, "*", "between connections"},
    {T("retries1"), NULL, "*", "asks the routes anew; nothing on the wire"},
    {T("mem"), NULL, "*", "memory of the whole kernel"},
    {T("max_orphans"), NULL, "*", "memory of the whole kernel"},
    {T("max_tw_buckets"), NULL, "*", "memory of the whole kernel"},
    {T("max_syn_backlog"), NULL, "*", "memory of the whole kernel"},
    {T("child_ehash_entries"), NULL, "*", "memory of the whole kernel"},
    {T("base_mss"), NULL, "*", "sizes of MTU probes are tcpsm's own"},
    {T("mtu_probe_floor"), NULL, "*", "sizes of MTU probes are tcpsm's own"},
    {T("probe_threshold"), NULL, "*", "sizes of MTU probes are tcpsm's own"},
    {T("probe_interval"), NULL, "*", "sizes of MTU probes are tcpsm's own"},
    {T("min_snd_mss"), NULL, "*", "a bound that no script comes near"},
    {T("tso_win_divisor"), NULL, "*", "offload"},
    {T("tso_rtt_log"), NULL, "*", "offload"},
    {T("min_tso_segs"), NULL, "*", "offload"},
    {T("limit_output_bytes"), NULL, "*", "queues below TCP"},
    {T("autocorking"), NULL, "*", "queues below TCP"},
    {T("backlog_ack_defer"), NULL, "*", "queues below TCP"},
    {T("comp_sack_nr"), NULL, "*", "tcpsm holds back no SACK"},
    {T("comp_sack_delay_ns"), NULL, "*", "tcpsm holds back no SACK"},
    {T("comp_sack_slack_ns"), NULL, "*", "tcpsm holds back no SACK"},
    {T("comp_sack_rtt_percent"), NULL, "*", "tcpsm holds back no SACK"},
    {T("invalid_ratelimit"), NULL, "*", "the challenge limit bounds these"},
    {T("available_congestion_control"), NULL, "*", "only a list"},
    {T("allowed_congestion_control"), NULL, "*", "only a list"},
    {T("early_demux"), NULL, "*", "lookups"},
    {T("fwmark_accept"), NULL, "*", "lookups"},
    {T("l3mdev_accept"), NULL, "*", "lookups"},
    {T("migrate_req"), NULL, "*", "lookups"},
#undef T

#define B(x) "net.inet.tcp." x
    {B("rfc1323"), set_rfc1323, NULL, NULL},
    {B("sack.enable"), set_sack, NULL, NULL},
    {B("ecn.enable"), set_bsd_ecn, NULL, NULL},
    {B("fastopen.server_enable"), set_fo_server, NULL, NULL},
    {B("fastopen.client_enable"), set_fo_client, NULL, NULL},
    {B("cc.algorithm"), set_cc, NULL, NULL},
    {B("delayed_ack"), set_delayed_ack, NULL, NULL},
    {B("delacktime"), set_delack_ms, NULL, NULL},
    {B("initcwnd_segments"), set_initcwnd, NULL, NULL},
    {B("experimental.initcwnd10"), NULL, "1", NULL},
    {B("rexmit_min"), set_rexmit_min, NULL, NULL},
    {B("rexmit_slop"), set_rexmit_slop, NULL, NULL},
    {B("rexmit_initial"), NULL, "1000", NULL},
    {B("msl"), set_msl, NULL, NULL},
    {B("finwait2_timeout"), NULL, "60000", NULL},
    {B("fast_finwait2_recycle"), NULL, "0", NULL},
    {B("keepidle"), set_keep_idle_ms, NULL, NULL},
    {B("keepintvl"), set_keep_intvl_ms, NULL, NULL},
    {B("keepcnt"), set_keep_count, NULL, NULL},
    {B("keepinit"), set_keepinit, NULL, NULL},
    {B("recvspace"), set_recvspace, NULL, NULL},
    {B("sendspace"), set_sendspace, NULL, NULL},
    {B("syncookies"), set_syncookies, NULL, NULL},
    {B("syncookies_only"), NULL, "0", NULL},
    {B("path_mtu_discovery"), NULL, "1", NULL},
    {B("pmtud_blackhole_detection"), set_mtu_probing, NULL, NULL},
    {B("blackhole"), NULL, "0", NULL},
    {B("drop_synfin"), NULL, "0", NULL},
    {B("insecure_rst"), NULL, "0", NULL},
    {B("insecure_syn"), NULL, "0", NULL},
    {B("insecure_ack"), NULL, "0", NULL},
    {B("tolerate_missing_ts"), NULL, "0", NULL},
    {B("do_prr"), NULL, "1", NULL},
    {B("rfc3042"), NULL, "1", NULL},
    {B("rfc3390"), NULL, "1", NULL},
    {B("rfc3465"), NULL, "1", NULL},
    {B("rfc6675_pipe"), NULL, "1", NULL},
    {B("newcwv"), NULL, "0", NULL},
    {B("sack.newsack"), NULL, "1", NULL},
    {B("sack.revised"), NULL, "1", NULL},
    {B("sack.lrd"), NULL, "1", NULL},
    {B("sack.tso"), NULL, "*", "offload"},
    {B("functions_default"), NULL, "freebsd", NULL},
    {B("functions_inherit_listen_socket_stack"), NULL, "*", "lookups"},
    {B("always_keepalive"), NULL, "0", NULL},
    {B("nolocaltimewait"), NULL, "*", "loopback only"},
    {B("mssdflt"), NULL, "536", NULL},
    {B("v6mssdflt"), NULL, "1220", NULL},
    {B("minmss"), NULL, "*", "a bound that no script comes near"},
    {B("abc_l_var"), NULL, "2", NULL},
    {B("ecn.maxretries"), NULL, "1", NULL},
    {B("hostcache.*"), NULL, "*", "between connections"},
    {B("reass.*"), NULL, "*", "memory of the whole kernel"},
    {B("sendbuf_*"), NULL, "*", "memory of the whole kernel"},
    {B("recvbuf_*"), NULL, "*", "memory of the whole kernel"},
    {B("fastopen.*"), NULL, "*", "cookies are the listener's secret"},
    {B("cc.newreno.*"), NULL, "*", "only of an option that is off"},
    {B("cc.cubic.*"), NULL, "*", "only of an option that is off"},
    {B("cc.available"), NULL, "*", "only a list"},
    {B("functions_available"), NULL, "*", "only a list"},
    {B("syncache.*"), NULL, "*", "memory of the whole kernel"},
    {B("log_*"), NULL, "*", "logs"},
    {B("bb.*"), NULL, "*", "logs"},
    {B("tso"), NULL, "*", "offload"},
    {B("lro.*"), NULL, "*", "offload"},
    {B("hw.*"), NULL, "*", "offload"},
    {B("icmp_may_rst"), NULL, "1", NULL},
    {B("isn_reseed_interval"), NULL, "*", "numbers in scripts are relative"},
    {B("ts_offset_per_conn"), NULL, "*", "numbers in scripts are relative"},
    {B("require_unique_port"), NULL, "*", "lookups"},
    {B("ack_war_timewindow"), NULL, "*", "the challenge limit bounds these"},
    {B("ack_war_cnt"), NULL, "*", "the challenge limit bounds these"},
    {B("maxtcptw"), NULL, "*", "memory of the whole kernel"},
    {B("pcbcount"), NULL, "*", "only read"},
    {B("soreceive_stream"), NULL, "*", "nothing on the wire"},
    {B("persmin"), NULL, "*", "compared as times are"},
    {B("persmax"), NULL, "*", "compared as times are"},
#undef B

    {"net.inet.icmp.*", NULL, "*", "not TCP"},
    {"net.inet6.icmp6.*", NULL, "*", "not TCP"},
    {"net.inet.ip.*", NULL, "*", "not TCP"},
    {"net.inet6.ip6.*", NULL, "*", "not TCP"},
    {"net.inet.udp.*", NULL, "*", "not TCP"},
    {"net.inet.sctp.*", NULL, "*", "not TCP"},
    {"net.ipv4.ip_*", NULL, "*", "not TCP"},
    {"net.ipv4.icmp_*", NULL, "*", "not TCP"},
    {"net.ipv4.udp_*", NULL, "*", "not TCP"},
    {"net.ipv4.conf.*", NULL, "*", "not TCP"},
    {"net.ipv4.neigh.*", NULL, "*", "not TCP"},
    {"net.ipv4.route.*", NULL, "*", "not TCP"},
    {"net.ipv4.ping_group_range", NULL, "*", "not TCP"},
    {"net.ipv4.fib_*", NULL, "*", "not TCP"},
    {"net.ipv6.*", NULL, "*", "not TCP"},
    {"net.core.*", NULL, "*", "queues below TCP"},
    {"net.netfilter.*", NULL, "*", "not TCP"},
    {"net.unix.*", NULL, "*", "not TCP"},
    {"kern.*", NULL, "*", "not TCP"},
    {"kernel.*", NULL, "*", "not TCP"},
    {"vm.*", NULL, "*", "not TCP"},
    {"fs.*", NULL, "*", "not TCP"},
    {"hw.*", NULL, "*", "not TCP"},
    {"debug.*", NULL, "*", "not TCP"},
    {"security.*", NULL, "*", "not TCP"}};

static int name_matches(const char *pattern, const char *name)
{
    size_t n = strlen(pattern);
    return pattern[n - 1] == '*' ? !strncmp(pattern, name, n - 1)
                                 : !strcmp(pattern, name);
}

/* Is the word v in the list? */
static int in_list(const char *list, const char *v)
{
    size_t n = strlen(v), k;
    for (; *list; list += k + (list[k] != 0)) {
        k = strcspn(list, " ");
        if (k == n && !memcmp(list, v, n))
            return 1;
    }
    return 0;
}

int pkt_conf_sysctl(struct pkt_conf *c, const char *name, const char *value)
{
    char dotted[128], copy[256], *words[8], *p;
    size_t i;
    int n = 0;
    if (!strncmp(name, "/proc/sys/", 10))
        name += 10;
    if (strlen(name) >= sizeof dotted || strlen(value) >= sizeof copy)
        return -1;
    strcpy(dotted, name);
    strcpy(copy, value);
    for (p = dotted; *p; p++)
        if (*p == '/')
            *p = '.';
    for (p = strtok(copy, " \t\n,"); p && n < 8; p = strtok(NULL, " \t\n,"))
        words[n++] = p;
    if (!n)
        return -1;
    for (i = 0; i < sizeof sysctls / sizeof sysctls[0]; i++) {
        const struct sysctl *y = &sysctls[i];
        if (!name_matches(y->name, dotted))
            continue;
        if (y->set ? y->set(c, words, n)
                   : y->only[0] != '*' && !in_list(y->only, words[0]))
            return -1;
        pkt_conf_derive(c);
        return 0;
    }
    return -1;
}
