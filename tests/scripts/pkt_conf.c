/* pkt_conf.c - profiles, options and shell commands -> struct pkt_conf.
   0BSD.

   Commands are not executed. Those that set what tcpsm can be told become
   configuration; those that cannot matter to a TCP are on lists below, with
   the reason; all others skip the script, by name. So a script that passes
   was not helped by something that it asked for and did not get. */

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pkt.h"

/* ---- profiles ---------------------------------------------------------- */

/* What tcpsm says of its own scripts is exact. Of other stacks' scripts the
   ones left out here differ legitimately: how much window is offered and
   with which scale, the order of options, PSH, and how a burst is cut. */
#define LENIENT                                                              \
    (PKT_S_ALL & ~(uint32_t)(PKT_S_WIN | PKT_S_OPTORDER | PKT_S_PSH |        \
                             PKT_S_SIZES | PKT_S_TSVAL | PKT_S_SCALE |       \
                             PKT_S_ECN | PKT_S_TIME | PKT_S_SACKORDER))

/* How long Linux tries: n retransmissions at doubled intervals from `first`
   on, which grow no longer than two minutes. */
static uint32_t linux_tries_ms(uint32_t n, uint32_t first)
{
    uint64_t sum = 0, wait = first;
    uint32_t i;
    for (i = 0; i <= n; i++) {
        sum += wait;
        wait = wait * 2 < 120000 ? wait * 2 : 120000;
    }
    return sum < 4000000000u ? (uint32_t)sum : 4000000000u;
}

/* The addresses and the MTU follow from other options. */
static void derive(struct pkt_conf *c)
{
    static const uint8_t local6[16] = {
        0xFD, 0x3D, 0x0A, 0x0B, 0x17, 0xD6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t remote6[16] = {
        0xFD, 0x3D, 0xFA, 0x7B, 0xD1, 0x7D, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t local4[16] = {192, 168, 0, 1};
    static const uint8_t remote4[16] = {192, 0, 2, 1};
    if (!c->local_given)
        memcpy(c->local_ip, c->ip_version == 6 ? local6 : local4, 16);
    if (!c->remote_given)
        memcpy(c->remote_ip, c->ip_version == 6 ? remote6 : remote4, 16);
    c->tcp.mtu =
        (uint16_t)(c->mss ? c->mss + (c->ip_version == 6 ? 60 : 40) : c->mtu);
}

static void profile_linux(struct pkt_conf *c)
{
    c->strict = LENIENT;
    c->ts_tick_us = 0; /* packetdrill's default: values are not looked at */
    c->quickacks = 16;
    c->nagle_small = 1;
    c->rcvbuf = 131072 / 2; /* tcp_rmem; the other half is overhead */
    c->sndbuf = 262144;
    c->tcp.rcv_max = 6291456; /* scale 7 */
    c->tcp.flags = TCPSM_NO_PROBE;
    c->tcp.initial_segments = 10;
    c->tcp.ack_delay_us = 40000;
    c->tcp.rto_min_us = 200000;
    c->tcp.syn_limit_ms = linux_tries_ms(6, 1000);
    c->tcp.user_timeout_ms = linux_tries_ms(15, 200);
    c->tcp.challenge_limit = 255; /* as good as none */
    c->fastopen_client = 1;
}

/* The RTO has 200 ms of "slop" on top, at least 30 ms of its own. */
enum { FREEBSD_SLOP_MS = 200, FREEBSD_MIN_MS = 30 };

static void profile_freebsd(struct pkt_conf *c)
{
    c->strict = LENIENT;
    c->ts_tick_us = 0;
    c->nagle_small = 1; /* nearly */
    c->rcvbuf = 65536;
    c->sndbuf = 262144;       /* sendspace is 32 768, but grows */
    c->tcp.rcv_max = 4194304; /* scale 6 or 7, as maxsockbuf has it */
    c->tcp.flags = TCPSM_NO_PROBE;
    c->tcp.initial_segments = 10;
    c->tcp.ack_delay_us = 40000;
    c->tcp.rto_min_us = (FREEBSD_MIN_MS + FREEBSD_SLOP_MS) * 1000;
    c->tcp.challenge_limit = 255;
}

void pkt_conf_profile(struct pkt_conf *c, const char *name)
{
    memset(c, 0, sizeof *c);
    c->strict = PKT_S_ALL;
    c->layer = 2;
    c->ip_version = 4;
    c->tolerance_us = 4000;
    c->ts_tick_us = 1000;
    c->connect_port = c->bind_port = 8080;
    c->mtu = 1500;
    c->rcvbuf = 65535; /* no scale: scripts have the windows themselves */
    c->sndbuf = 262144;
    c->fastopen_client = c->fastopen_server = 0;
    c->profile = name;
    if (!strcmp(name, "linux"))
        profile_linux(c);
    else if (!strcmp(name, "freebsd"))
        profile_freebsd(c);
    else if (strcmp(name, "tcpsm") != 0)
        c->profile = NULL;
    derive(c);
}

int pkt_conf_strict(struct pkt_conf *c, const char *list)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } names[] = {{"all", PKT_S_ALL},        {"none", 0},
                 {"win", PKT_S_WIN},        {"optorder", PKT_S_OPTORDER},
                 {"opts", PKT_S_OPTS},      {"psh", PKT_S_PSH},
                 {"sizes", PKT_S_SIZES},    {"tsval", PKT_S_TSVAL},
                 {"mss", PKT_S_MSS},        {"scale", PKT_S_SCALE},
                 {"ecn", PKT_S_ECN},        {"time", PKT_S_TIME},
                 {"sack", PKT_S_SACKORDER}, {"sackorder", PKT_S_SACKORDER}};
    uint32_t set = list[0] == '-' ? c->strict : 0;
    size_t i, n;
    for (;; list += n + 1) {
        int minus = *list == '-';
        list += minus;
        n = strcspn(list, ",");
        for (i = 0; i < sizeof names / sizeof names[0]; i++)
            if (strlen(names[i].name) == n && !memcmp(names[i].name, list, n))
                break;
        if (i == sizeof names / sizeof names[0])
            return -1;
        set = minus ? set & ~names[i].bit : set | names[i].bit;
        if (!list[n])
            break;
    }
    c->strict = set;
    return 0;
}

/* ---- values ------------------------------------------------------------ */

/* A whole number, decimal or hexadecimal; 0, or -1: it is none. */
static int to_int(const char *s, int64_t *v)
{
    char *end;
    if (!s || !*s)
        return -1;
    errno = 0;
    *v = strtoll(s, &end, 0);
    return *end || errno ? -1 : 0;
}

/* min <= *v <= max, else -1. */
static int in_range(const char *s, int64_t min, int64_t max, int64_t *v)
{
    return to_int(s, v) || *v < min || *v > max ? -1 : 0;
}

static uint32_t ms_of(int64_t seconds)
{
    return seconds > 4000000 ? 4000000000u : (uint32_t)(seconds * 1000);
}

/* ---- options ----------------------------------------------------------- */

/* An address, perhaps with the length of its prefix. */
static int to_address(const char *s, uint8_t out[16])
{
    char copy[64];
    size_t n = strcspn(s, "/");
    if (n >= sizeof copy)
        return -1;
    memcpy(copy, s, n);
    copy[n] = 0;
    memset(out, 0, 16);
    return inet_pton(strchr(copy, ':') ? AF_INET6 : AF_INET, copy, out) == 1
               ? 0
               : -1;
}

static int opt_int(int *out, const char *value, int64_t min, int64_t max)
{
    int64_t v;
    if (in_range(value, min, max, &v))
        return -1;
    *out = (int)v;
    return 0;
}

static int opt_port(uint16_t *out, const char *value)
{
    int v;
    if (opt_int(&v, value, 1, 65535))
        return -1;
    *out = (uint16_t)v;
    return 0;
}

static int opt_tolerance(struct pkt_conf *c, const char *value)
{
    c->strict &= ~(uint32_t)PKT_S_TIME;
    return in_range(value, 0, 3600000000, &c->tolerance_us);
}

static int opt_ip_version(struct pkt_conf *c, const char *value)
{
    if (!value)
        return -1;
    if (!strcmp(value, "ipv4"))
        c->ip_version = 4;
    else if (!strcmp(value, "ipv6"))
        c->ip_version = 6;
    else if (!strcmp(value, "ipv4-mapped-ipv6"))
        c->ip_version = 46;
    else
        return -1;
    return 0;
}

static int opt_tick(struct pkt_conf *c, const char *value)
{
    if (in_range(value, 0, 10000000, &c->ts_tick_us))
        return -1;
    if (c->ts_tick_us)
        c->strict |= PKT_S_TSVAL;
    else
        c->strict &= ~(uint32_t)PKT_S_TSVAL;
    return 0;
}

static int opt_isn(struct pkt_conf *c, const char *value)
{
    int64_t v;
    if (in_range(value, 0, UINT32_MAX, &v))
        return -1;
    c->remote_isn = (uint32_t)v;
    c->remote_isn_given = 1;
    return 0;
}

/* Options of packetdrill that choose how packets travel, or what a person
   sees: here they travel by a function call. */
static const char *const opt_ignored[] = {"speed",
                                          "gateway_ip",
                                          "live_gateway_ip",
                                          "netmask_ip",
                                          "live_netmask_ip",
                                          "remote_linklocal_ip",
                                          "prefix",
                                          "local_linklocal_ip",
                                          "live_prefix",
                                          "init_scripts",
                                          "non_fatal",
                                          "wire_client",
                                          "wire_server",
                                          "wire_client_dev",
                                          "wire_server_dev",
                                          "wire_server_ip",
                                          "wire_server_port",
                                          "wire_client_ip",
                                          "wire_protocol",
                                          "so_filename",
                                          "so_flags",
                                          "no_cleanup",
                                          "tolerance_percent",
                                          "tcp_ts_ecr_scaled",
                                          "persistent_tun_dev",
                                          "tun_dev",
                                          "is_anyip",
                                          "send_omit_free",
                                          "use_expect",
                                          "debug",
                                          "quiet",
                                          "code_command",
                                          "code_format",
                                          "code_sockopt",
                                          "timeout",
                                          "fm_filename",
                                          "log",
                                          "log_level",
                                          "feature",
                                          "strict_segments",
                                          "checksums",
                                          "live_ttl"};

static int option(struct pkt_conf *c, const char *name, const char *value)
{
    if (!strcmp(name, "tolerance_usecs"))
        return opt_tolerance(c, value);
    if (!strcmp(name, "ip_version"))
        return opt_ip_version(c, value);
    if (!strcmp(name, "mtu"))
        return opt_int(&c->mtu, value, 108, 65535);
    if (!strcmp(name, "mss"))
        return opt_int(&c->mss, value, 68, 65475);
    if (!strcmp(name, "local_ip") || !strcmp(name, "live_local_ip"))
        return c->local_given = 1,
               value ? to_address(value, c->local_ip) : -1;
    if (!strcmp(name, "remote_ip") || !strcmp(name, "live_remote_ip"))
        return c->remote_given = 1,
               value ? to_address(value, c->remote_ip) : -1;
    if (!strcmp(name, "connect_port") || !strcmp(name, "live_connect_port"))
        return opt_port(&c->connect_port, value);
    if (!strcmp(name, "bind_port") || !strcmp(name, "live_bind_port"))
        return opt_port(&c->bind_port, value);
    if (!strcmp(name, "tcp_ts_tick_usecs"))
        return opt_tick(c, value);
    if (!strcmp(name, "layer"))
        return opt_int(&c->layer, value, 1, 2);
    if (!strcmp(name, "remote_isn"))
        return opt_isn(c, value);
    if (!strcmp(name, "dry_run")) {
        c->dry_run = 1;
        return value ? opt_int(&c->dry_run, value, 0, 1) : 0;
    }
    if (!strcmp(name, "verbose")) {
        c->verbose = 1;
        return value ? opt_int(&c->verbose, value, 0, 9) : 0;
    }
    return 1;
}

/* Options for a person, spoken by a name that none of the above has. */
static int ignored_option(const char *name)
{
    size_t i;
    for (i = 0; i < sizeof opt_ignored / sizeof opt_ignored[0]; i++)
        if (!strcmp(name, opt_ignored[i]))
            return 1;
    return 0;
}

int pkt_conf_option(struct pkt_conf *c, const char *name, const char *value,
                    int line, struct pkt_verdict *v)
{
    int r = option(c, name, value);
    if (r > 0 && !ignored_option(name))
        return pkt_verdict(v, PKT_SKIP, line, "option --%s", name);
    if (r < 0)
        return pkt_verdict(v, PKT_FAIL, line, "syntax: --%s cannot be %s%s%s",
                           name, value ? "\"" : "without a value",
                           value ? value : "", value ? "\"" : "");
    derive(c);
    return PKT_OK;
}

/* ---- sysctls that become configuration --------------------------------- */

/* 0: done; -1: tcpsm cannot do that. v: the words of the value. */
typedef int set_fn(struct pkt_conf *, char *const v[], int n);

static int flag(struct pkt_conf *c, char *const v[], uint32_t bit, int on)
{
    int64_t x;
    if (in_range(v[0], 0, 2, &x))
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
    if (in_range(v[0], 0, 5, &x))
        return -1;
    ecn_mode(c, x);
    return 0;
}

static int set_fastopen(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (in_range(v[0], 0, UINT32_MAX, &x))
        return -1;
    if (x & 0x204) /* without cookies */
        return -1;
    c->fastopen_client = (int)(x & 0x5);
    c->fastopen_server = (int)(x & 0x602);
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
    if (in_range(v[0], 0, 1, &x))
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
        if (i == 3 || in_range(v[i], 1, INT32_MAX, &x[i]))
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
        if (i == 3 || in_range(v[i], 1, INT32_MAX, &x[i]))
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
    if (in_range(v[0], 1, INT32_MAX, &x))
        return -1;
    if (!strcmp(c->profile, "linux"))
        set_rcv_max(c, x);
    return 0;
}

static int set_space(uint32_t *out, const char *value)
{
    int64_t x;
    if (in_range(value, 128, 16777216, &x))
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
    if (in_range(v[0], 0, 1, &x)) /* 2: always, a test's own */
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
    if (in_range(v[0], 0, 20, &x))
        return -1;
    c->tcp.syn_limit_ms = linux_tries_ms((uint32_t)x, 1000);
    return 0;
}

static int set_retries2(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (in_range(v[0], 1, 255, &x))
        return -1;
    c->tcp.user_timeout_ms = linux_tries_ms((uint32_t)x, 200);
    return 0;
}

/* Durations that are configured as they are, in ms or in s. */
static int duration(uint32_t *out, const char *value, int64_t unit,
                    int64_t min, int64_t max)
{
    int64_t x;
    if (in_range(value, min, max / unit, &x))
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
    if (in_range(v[0], 1, 255, &x))
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
    if (in_range(v[0], 1, 3600, &x))
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
    if (in_range(v[0], 0, 1, &x)) /* 2: from tcp_base_mss on */
        return -1;
    return flag(c, v, TCPSM_NO_PROBE, 0);
}

static int set_rto_min_us(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return duration(&c->tcp.rto_min_us, v[0], 1, 1000, 120000000);
}

static int set_rto_max_ms(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return duration(&c->tcp.rto_max_ms, v[0], 1, 1000, 1800000);
}

static int set_rexmit_min(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (in_range(v[0], 1, 60000, &x))
        return -1;
    c->tcp.rto_min_us = (uint32_t)(x + FREEBSD_SLOP_MS) * 1000;
    return 0;
}

static int set_rexmit_slop(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (in_range(v[0], 0, 60000, &x))
        return -1;
    c->tcp.rto_min_us = (uint32_t)(x + FREEBSD_MIN_MS) * 1000;
    return 0;
}

static int set_delack_ms(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (in_range(v[0], 1, 499, &x))
        return -1;
    c->tcp.ack_delay_us = (uint32_t)x * 1000;
    return 0;
}

static int set_delayed_ack(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (in_range(v[0], 0, 1, &x))
        return -1;
    c->tcp.ack_delay_us = x ? 40000 : TCPSM_OFF;
    return 0;
}

static int set_initcwnd(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (in_range(v[0], 1, 255, &x))
        return -1;
    c->tcp.initial_segments = (uint8_t)x;
    return 0;
}

/* In steps of 25; only where pacing is on at all. */
static int set_pace(uint16_t *out, const char *value)
{
    int64_t x;
    if (in_range(value, 25, 375, &x))
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
    if (in_range(v[0], 1, INT32_MAX, &x))
        return -1;
    c->tcp.challenge_limit = (uint8_t)(x > 255 ? 255 : x);
    return 0;
}

static int set_notsent(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (in_range(v[0], -1, UINT32_MAX, &x))
        return -1;
    c->notsent_lowat = x < 0 || x >= INT32_MAX ? 0 : (uint32_t)x;
    return 0;
}

static int set_nonlocal(struct pkt_conf *c, char *const v[], int n)
{
    (void)n;
    return opt_int(&c->nonlocal_bind, v[0], 0, 1);
}

static int set_ttl(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (in_range(v[0], 1, 255, &x))
        return -1;
    c->tcp.ttl = (uint8_t)x;
    return 0;
}

/* RFC 1323's two, together. */
static int set_rfc1323(struct pkt_conf *c, char *const v[], int n)
{
    int64_t x;
    (void)n;
    if (in_range(v[0], 0, 3, &x))
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
    if (in_range(v[0], 0, 4, &x))
        return -1;
    ecn_mode(c, x == 4 ? 5 : x);
    return 0;
}

static int set_bsd_fastopen(struct pkt_conf *c, const char *value, int *out,
                            int bit)
{
    int64_t x;
    (void)c;
    if (in_range(value, 0, 1, &x))
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
    {T("early_retrans"), NULL, "3 4", NULL},
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
    {T("fastopen_key"), NULL, "*", "cookies are the listener's secret"},
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

enum { WORDS = 64 };

/* ---- commands ---------------------------------------------------------- */

struct shell {
    struct pkt_conf *conf;
    struct pkt_verdict *verdict;
    pkt_arena arena;
    int line, depth;
};

static int unknown(struct shell *s, const char *what, const char *which)
{
    return pkt_verdict(s->verdict, PKT_SKIP, s->line, "%s%s%s", what,
                       which ? " " : "", which ? which : "");
}

/* NAME=VALUE, with dots or with slashes, perhaps below /proc/sys. */
static int sysctl(struct shell *s, const char *name, const char *value)
{
    char *dotted, *words[WORDS], *copy, *p;
    size_t i;
    int n = 0;
    if (!strncmp(name, "/proc/sys/", 10))
        name += 10;
    dotted = pkt_strdup(&s->arena, name, strlen(name));
    for (p = dotted; *p; p++)
        if (*p == '/')
            *p = '.';
    copy = pkt_strdup(&s->arena, value, strlen(value));
    for (p = strtok(copy, " \t\n,"); p && n < WORDS;
         p = strtok(NULL, " \t\n,"))
        words[n++] = p;
    if (!n)
        return unknown(s, "sysctl without a value:", dotted);
    for (i = 0; i < sizeof sysctls / sizeof sysctls[0]; i++) {
        const struct sysctl *y = &sysctls[i];
        if (!name_matches(y->name, dotted))
            continue;
        if (y->set ? !y->set(s->conf, words, n)
                   : y->only[0] == '*' || in_list(y->only, words[0])) {
            derive(s->conf);
            return PKT_OK;
        }
        break;
    }
    return unknown(s, "sysctl",
                   pkt_printf(&s->arena, "%s=%s", dotted, value));
}

static int cmd_sysctl(struct shell *s, char **w, int n)
{
    int i;
    for (i = 1; i < n; i++) {
        char *eq = strchr(w[i], '=');
        if (w[i][0] == '-' && !eq)
            continue;
        if (!eq && i + 2 < n && !strcmp(w[i + 1], "=")) {
            if (sysctl(s, w[i], w[i + 2]))
                return s->verdict->kind;
            i += 2;
        } else if (eq) {
            *eq = 0;
            if (sysctl(s, w[i], eq + 1))
                return s->verdict->kind;
        } /* else it is only read */
    }
    return PKT_OK;
}

/* The metrics of a route that a connection starts with. */
static int cmd_route(struct shell *s, char **w, int n)
{
    static const char *const with_value[] = {
        "dev",    "via",    "src",        "proto",   "scope",    "table",
        "onlink", "metric", "initrwnd",   "nexthop", "default",  "to",
        "tos",    "weight", "reordering", "cwnd",    "ssthresh", "window",
        "rtt",    "rttvar", "pref"};
    struct pkt_conf *c = s->conf;
    size_t k;
    int i;
    for (i = 3; i < n; i++) {
        char **v = &w[i + 1];
        int bad = 0, has = i + 1 < n;
        int64_t x;
        for (k = 0; k < sizeof with_value / sizeof with_value[0]; k++)
            if (!strcmp(w[i], with_value[k]))
                break;
        if (k < sizeof with_value / sizeof with_value[0]) {
            if (strcmp(w[i], "onlink") != 0 && strcmp(w[i], "default") != 0)
                i++;
            continue;
        }
        if (strpbrk(w[i], "./:0123456789") && w[i][0] != '$' &&
            !strpbrk(w[i], "ghijklmnopqrstuvwxyz"))
            continue; /* an address */
        if (!strcmp(w[i], "lock") || !strcmp(w[i], "local"))
            continue;
        if (!strcmp(w[i], "initcwnd"))
            bad = !has || set_initcwnd(c, v, 1);
        else if (!strcmp(w[i], "quickack")) {
            bad = !has || in_range(v[0], 0, 1, &x);
            c->quickacks = !bad && x ? 255 : c->quickacks;
        } else if (!strcmp(w[i], "rto_min")) {
            char *end;
            double d = has ? strtod(v[0], &end) : 0;
            uint32_t us;
            bad = !has || d < 0 || d > 1e6;
            us = bad ? 0
                     : (uint32_t)(d * (!strcmp(end, "us") ? 1
                                       : !strcmp(end, "ms") || !*end
                                           ? 1000
                                           : 1000000));
            bad = bad || us < 1000;
            c->tcp.rto_min_us = bad ? c->tcp.rto_min_us : us;
        } else if (!strcmp(w[i], "mtu")) {
            if (has && !strcmp(v[0], "lock")) {
                i++;
                v++;
                has = i + 1 < n;
            }
            bad = !has || opt_int(&c->mtu, v[0], 108, 65535);
        } else if (!strcmp(w[i], "congctl")) {
            if (has && !strcmp(v[0], "lock")) {
                i++;
                v++;
                has = i + 1 < n;
            }
            bad = !has || set_cc(c, v, 1);
        } else if (!strcmp(w[i], "hoplimit"))
            bad = !has || set_ttl(c, v, 1);
        else if (!strcmp(w[i], "features") && has && !strcmp(v[0], "ecn"))
            c->tcp.flags |= TCPSM_ECN;
        else
            bad = 1;
        if (bad)
            return unknown(s, "ip route",
                           has ? pkt_printf(&s->arena, "%s %s", w[i], v[0])
                               : w[i]);
        i++;
    }
    derive(c);
    return PKT_OK;
}

/* The MTU of the device is that of the path. */
static int cmd_device(struct shell *s, char **w, int n)
{
    int i;
    for (i = 1; i + 1 < n; i++)
        if (!strcmp(w[i], "mtu") &&
            opt_int(&s->conf->mtu, w[i + 1], 108, 65535))
            return unknown(s, w[0], "mtu");
    derive(s->conf);
    return PKT_OK;
}

static int cmd_ip(struct shell *s, char **w, int n)
{
    static const char *const ignored[] = {
        "tcp_metrics", "tcpmetrics", "addr", "address", "a",     "neigh",
        "neighbor",    "rule",       "link", "l",       "netns", "maddr"};
    size_t k;
    int i;
    /* ip -6 route ... */
    for (i = 1; i < n && w[i][0] == '-'; i++)
        ;
    w += i - 1;
    n -= i - 1;
    if (n < 2)
        return PKT_OK;
    if (!strncmp(w[1], "ro", 2) || !strcmp(w[1], "r")) {
        if (n < 3 || !strcmp(w[2], "change") || !strcmp(w[2], "replace") ||
            !strcmp(w[2], "add") || !strcmp(w[2], "append"))
            return cmd_route(s, w, n);
        if (!strcmp(w[2], "flush") || !strcmp(w[2], "show") ||
            !strcmp(w[2], "list") || !strcmp(w[2], "get"))
            return PKT_OK;
        return unknown(s, "ip route", w[2]);
    }
    for (k = 0; k < sizeof ignored / sizeof ignored[0]; k++)
        if (!strcmp(w[1], ignored[k]))
            return cmd_device(s, w, n);
    return unknown(s, "ip", w[1]);
}

/* Queueing that only passes packets on does nothing to them. */
static int cmd_tc(struct shell *s, char **w, int n)
{
    static const char *const harmless[] = {
        "pfifo",   "bfifo", "fq",         "fq_codel",
        "noqueue", "mq",    "pfifo_fast", "pfifo_head_drop"};
    int i;
    size_t k;
    if (n > 2 && (!strcmp(w[2], "show") || !strcmp(w[2], "del") ||
                  !strcmp(w[2], "delete")))
        return PKT_OK;
    for (i = 1; i < n; i++)
        for (k = 0; k < sizeof harmless / sizeof harmless[0]; k++)
            if (!strcmp(w[i], harmless[k]))
                return PKT_OK;
    return unknown(s, "tc", n > 1 ? w[n - 1] : NULL);
}

/* What the defaults.sh of packetdrill's collection of scripts sets, as far
   as it matters here. */
static int cmd_defaults(struct shell *s)
{
    static const char *const all[][2] = {
        {"net.ipv4.tcp_rmem", "4096 540000 15728640"},
        {"net.ipv4.tcp_wmem", "4096 262144 4194304"},
        {"net.ipv4.tcp_timestamps", "1"},
        {"net.ipv4.tcp_syn_retries", "5"},
        {"net.ipv4.tcp_sack", "1"},
        {"net.ipv4.tcp_congestion_control", "cubic"},
        {"net.ipv4.tcp_slow_start_after_idle", "0"},
        {"net.ipv4.tcp_ecn", "0"},
        {"net.ipv4.tcp_notsent_lowat", "4294967295"},
        /* 0x70403 there: what "all listeners" means here needs no bit */
        {"net.ipv4.tcp_fastopen", "0x403"},
        {"net.ipv4.tcp_syncookies", "1"}};
    size_t i;
    for (i = 0; i < sizeof all / sizeof all[0]; i++)
        if (sysctl(s, all[i][0], all[i][1]))
            return s->verdict->kind;
    return PKT_OK;
}

/* NAME=VALUE arguments, of a script that sets what is below /proc/sys. */
static int cmd_set_sysctls(struct shell *s, char **w, int n)
{
    int i;
    for (i = 1; i < n; i++) {
        char *eq = strchr(w[i], '=');
        if (!eq)
            return unknown(s, "set_sysctls.py", w[i]);
        *eq = 0;
        if (sysctl(s, w[i], eq + 1))
            return s->verdict->kind;
    }
    return PKT_OK;
}

/* Commands that cannot matter to a TCP, and why. */
static const struct {
    const char *name, *why;
} ignored[] = {{":", "does nothing"},
               {"true", "does nothing"},
               {"sleep", "virtual time"},
               {"usleep", "virtual time"},
               {"sync", "disks"},
               {"date", "only prints"},
               {"uname", "only prints"},
               {"printf", "only prints"},
               {"cat", "only prints"},
               {"ls", "only prints"},
               {"pwd", "only prints"},
               {"env", "only prints"},
               {"id", "only prints"},
               {"netstat", "only prints"},
               {"ss", "only prints"},
               {"nstat", "only prints"},
               {"dmesg", "only prints"},
               {"sockstat", "only prints"},
               {"vmstat", "only prints"},
               {"rm", "files"},
               {"mkdir", "files"},
               {"touch", "files"},
               {"chmod", "files"},
               {"cd", "files"},
               {"export", "files"},
               {"modprobe", "congestion control is named when it is used"},
               {"kldload", "congestion control is named when it is used"},
               {"kldunload", "congestion control is named when it is used"},
               {"ethtool", "offload"},
               {"tcpdump", "looks on"},
               {"killall", "other processes"},
               {"kill", "other processes"},
               {"pkill", "other processes"},
               {"arp", "below IP"},
               {"ndp", "below IP"}};

static int run_text(struct shell *, const char *);

/* One command: its words, and the file that it writes to, or NULL. */
static int simple(struct shell *s, char **w, int n, const char *to)
{
    const char *base;
    size_t i;
    /* VAR=value before it */
    while (n && strchr(w[0], '=') && w[0][0] != '/' && w[0][0] != '=') {
        w++;
        n--;
    }
    if (!n)
        return PKT_OK;
    base = strrchr(w[0], '/') ? strrchr(w[0], '/') + 1 : w[0];
    if (to && !strncmp(to, "/proc/sys/", 10)) {
        if (!strcmp(base, "echo") && n > 1) {
            char *value = pkt_strdup(&s->arena, "", 0);
            for (i = 1; (int)i < n; i++)
                if (strcmp(w[i], "-n") != 0)
                    value = pkt_printf(&s->arena, "%s%s%s", value,
                                       *value ? " " : "", w[i]);
            return sysctl(s, to, value);
        }
        return unknown(s, "command", base);
    }
    if (to && strncmp(to, "/dev/", 5) != 0 && strncmp(to, "/tmp/", 5) != 0)
        return unknown(s, "command that writes", to);
    if (!strcmp(base, "echo"))
        return PKT_OK;
    if (!strcmp(base, "sudo") || !strcmp(base, "exec"))
        return simple(s, w + 1, n - 1, NULL);
    if (!strcmp(base, "sysctl"))
        return cmd_sysctl(s, w, n);
    if (!strcmp(base, "set_sysctls.py"))
        return cmd_set_sysctls(s, w, n);
    if (!strcmp(base, "defaults.sh"))
        return cmd_defaults(s);
    if (!strncmp(base, "sysctl_restore", 14))
        return PKT_OK; /* what set_sysctls.py leaves, for the next script */
    if (!strcmp(base, "ip"))
        return cmd_ip(s, w, n);
    if (!strcmp(base, "ifconfig"))
        return cmd_device(s, w, n);
    if (!strcmp(base, "tc"))
        return cmd_tc(s, w, n);
    if ((!strcmp(base, "sh") || !strcmp(base, "bash")) && n == 3 &&
        !strcmp(w[1], "-c"))
        return run_text(s, w[2]);
    if ((!strcmp(base, "sh") || !strcmp(base, "bash") || !strcmp(base, ".") ||
         !strcmp(base, "source") || !strncmp(base, "python", 6)) &&
        n >= 2 && w[1][0] != '-')
        return simple(s, w + 1, n - 1, NULL);
    for (i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        if (!strcmp(base, ignored[i].name))
            return PKT_OK;
    return unknown(s, "command", base);
}

/* ---- the shell's syntax, as far as scripts use it ---------------------- */

/* $((1024*1024)): + - * / % and parentheses. */
struct sum {
    const char *p;
    int bad;
};

static int64_t sum_add(struct sum *);

static void sum_blanks(struct sum *a)
{
    while (*a->p == ' ' || *a->p == '\t')
        a->p++;
}

static int64_t sum_value(struct sum *a)
{
    int64_t v;
    char *end;
    sum_blanks(a);
    if (*a->p == '(') {
        a->p++;
        v = sum_add(a);
        sum_blanks(a);
        a->bad |= *a->p != ')';
        a->p += *a->p == ')';
        return v;
    }
    if (*a->p < '0' || *a->p > '9') {
        a->bad = 1;
        return 0;
    }
    v = strtoll(a->p, &end, 0);
    a->p = end;
    if (v > INT32_MAX)
        a->bad = 1; /* so that no product overflows */
    return a->bad ? 0 : v;
}

static int64_t sum_multiply(struct sum *a)
{
    int64_t v = sum_value(a), w;
    for (;;) {
        char op;
        sum_blanks(a);
        op = *a->p;
        if (op != '*' && op != '/' && op != '%')
            return v;
        a->p++;
        w = sum_value(a);
        if ((op != '*' && w == 0) || v > INT32_MAX || v < -INT32_MAX) {
            a->bad = 1;
            return 0;
        }
        v = op == '*' ? v * w : op == '/' ? v / w : v % w;
    }
}

static int64_t sum_add(struct sum *a)
{
    int64_t v = sum_multiply(a), w;
    for (;;) {
        char op;
        sum_blanks(a);
        op = *a->p;
        if (op != '+' && op != '-')
            return v;
        a->p++;
        w = sum_multiply(a);
        v = op == '+' ? v + w : v - w;
        if (v > INT64_MAX / 4 || v < INT64_MIN / 4)
            a->bad = 1;
        if (a->bad)
            return 0;
    }
}

/* One word: quotes and $(( )) undone. NULL: more than that is in it. */
static char *shell_word(struct shell *s, const char **at)
{
    const char *p = *at;
    char *out = pkt_alloc(&s->arena, strlen(p) + 32), *o = out;
    char quote = 0;
    while (*p && (quote || !strchr(" \t\n\r;&|<>()", *p))) {
        if (quote ? *p == quote : *p == '"' || *p == '\'') {
            quote = quote ? 0 : *p;
            p++;
        } else if (*p == '\\' && p[1] && quote != '\'') {
            if (p[1] != '\n')
                *o++ = p[1];
            p += 2;
        } else if (!strncmp(p, "$((", 3) && quote != '\'') {
            struct sum a;
            int64_t v;
            a.p = p + 3;
            a.bad = 0;
            v = sum_add(&a);
            sum_blanks(&a);
            if (a.bad || strncmp(a.p, "))", 2) != 0)
                return NULL;
            /* Note: a number is never longer than the sum it is of. */
            o += sprintf(o, "%lld", (long long)v);
            p = a.p + 2;
        } else if (!strncmp(p, "$(", 2) && quote != '\'') {
            return NULL;
        } else
            *o++ = *p++;
    }
    if (quote)
        return NULL;
    *at = p;
    return out;
}

/* > file, 2> file, 2>&1, < file. 1: it was one; to: standard output's. */
static int redirection(struct shell *s, const char **at, const char **to)
{
    const char *p = *at, *file;
    int fd = 1;
    if (*p >= '0' && *p <= '9' && (p[1] == '>' || p[1] == '<'))
        fd = *p++ - '0';
    else if (*p == '&' && p[1] == '>')
        p++;
    if (*p != '>' && *p != '<')
        return 0;
    if (*p == '<')
        fd = 0;
    p += p[1] == *p ? 2 : 1;
    if (*p == '&') { /* 2>&1 */
        *at = p + 1 + strspn(p + 1, "0123456789-");
        return 1;
    }
    p += strspn(p, " \t");
    file = shell_word(s, &p);
    if (!file)
        return -1;
    if (fd == 1)
        *to = file;
    *at = p;
    return 1;
}

/* Commands between ; & && | || and line breaks, each as if alone: which of
   them would be reached does not matter to those that are known. */
static int run_text(struct shell *s, const char *p)
{
    char *w[WORDS];
    const char *to = NULL;
    int n = 0, r;
    if (s->depth++ > 8)
        return unknown(s, "command", "in a command in a command ...");
    for (;;) {
        p += strspn(p, " \t\r");
        if (*p == '\\' && p[1] == '\n') {
            p += 2;
            continue;
        }
        if (*p == '#')
            p += strcspn(p, "\n");
        r = redirection(s, &p, &to);
        if (r < 0)
            return unknown(s, "command", "with a substitution");
        if (r)
            continue;
        if (!*p || strchr("\n;&|", *p)) {
            if (simple(s, w, n, to))
                return s->verdict->kind;
            n = 0;
            to = NULL;
            if (!*p)
                break;
            p++;
            continue;
        }
        if (*p == '(' || *p == ')')
            return unknown(s, "command", "in parentheses");
        if (n == WORDS)
            return unknown(s, "command", "of more than 64 words");
        w[n] = shell_word(s, &p);
        if (!w[n++])
            return unknown(s, "command", "with a substitution");
    }
    s->depth--;
    return PKT_OK;
}

int pkt_conf_command(struct pkt_conf *c, const char *command, int line,
                     struct pkt_verdict *v)
{
    struct shell s;
    int r;
    memset(&s, 0, sizeof s);
    s.conf = c;
    s.verdict = v;
    s.line = line;
    r = run_text(&s, command);
    pkt_free_all(&s.arena);
    return r;
}
