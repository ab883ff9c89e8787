/* pkt_conf.c - profiles and options -> struct pkt_conf. 0BSD. */

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pkt_conf.h"

/* ---- profiles ---------------------------------------------------------- */

/* What tcpsm says of its own scripts is exact. Of other stacks' scripts the
   ones left out here differ legitimately: how much window is offered and
   with which scale, the order of options, PSH, and how a burst is cut. */
#define LENIENT                                                              \
    (PKT_S_ALL &                                                             \
     ~(uint32_t)(PKT_S_WIN | PKT_S_OPTORDER | PKT_S_PSH | PKT_S_SIZES |      \
                 PKT_S_TSVAL | PKT_S_SCALE | PKT_S_ECN | PKT_S_TIME |        \
                 PKT_S_SACKORDER | PKT_S_RST | PKT_S_PROBE | PKT_S_OTHERS))

/* How long Linux tries: n retransmissions at doubled intervals from `first`
   on, which grow no longer than two minutes. */
uint32_t pkt_conf_tries_ms(uint32_t n, uint32_t first)
{
    uint64_t sum = 0, wait = first;
    uint32_t i;
    for (i = 0; i <= n; i++) {
        sum += wait;
        wait = wait * 2 < 120000 ? wait * 2 : 120000;
    }
    return sum < 4000000000u ? (uint32_t)sum : 4000000000u;
}

/* Addresses, the MTU and the RTO's minimum follow from other options. */
void pkt_conf_derive(struct pkt_conf *c)
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
    c->tcp.mtu = (uint16_t)c->mtu;
    if (c->rto_least_us + c->rto_slop_us)
        c->tcp.rto_min_us = c->rto_least_us + c->rto_slop_us;
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
    c->tcp.clock_us = 1000; /* two of them more before a loss probe */
    c->rto_form = PKT_RTO_LINUX;
    c->tcp.syn_limit_ms = pkt_conf_tries_ms(6, 1000);
    c->tcp.user_timeout_ms = pkt_conf_tries_ms(15, 200);
    c->tcp.challenge_limit = 255; /* as good as none */
    c->fastopen_server = 0;
}

static void profile_freebsd(struct pkt_conf *c)
{
    c->strict = LENIENT;
    c->ts_tick_us = 0;
    c->fastopen_client = c->fastopen_server = 0;
    c->nagle_small = 1; /* nearly */
    c->rcvbuf = 65536;
    c->sndbuf = 262144;       /* sendspace is 32 768, but grows */
    c->tcp.rcv_max = 2097152; /* maxsockbuf: scale 6 */
    c->tcp.flags = TCPSM_NO_PROBE;
    c->tcp.initial_segments = 10;
    c->tcp.ack_delay_us = 40000;
    c->rto_form = PKT_RTO_BSD;
    c->rto_least_us = 30000;
    c->rto_slop_us = 200000;
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
    c->fastopen_client = 1;
    c->fastopen_server = 2; /* where the socket asks for it */
    c->profile = name;
    if (!strcmp(name, "linux"))
        profile_linux(c);
    else if (!strcmp(name, "freebsd"))
        profile_freebsd(c);
    else if (strcmp(name, "tcpsm") != 0)
        c->profile = NULL;
    pkt_conf_derive(c);
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
                 {"sack", PKT_S_SACKORDER}, {"sackorder", PKT_S_SACKORDER},
                 {"rst", PKT_S_RST},        {"probe", PKT_S_PROBE},
                 {"others", PKT_S_OTHERS}};
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
int pkt_conf_range(const char *s, int64_t min, int64_t max, int64_t *v)
{
    return to_int(s, v) || *v < min || *v > max ? -1 : 0;
}

/* ---- options ----------------------------------------------------------- */

/* An address, perhaps with the length of its prefix. given: its family. */
static int opt_address(const char *s, uint8_t out[16], int *given)
{
    char copy[64];
    size_t n = s ? strcspn(s, "/") : sizeof copy;
    int v6;
    if (n >= sizeof copy)
        return -1;
    memcpy(copy, s, n);
    copy[n] = 0;
    v6 = strchr(copy, ':') != NULL;
    memset(out, 0, 16);
    *given = v6 ? 6 : 4;
    return inet_pton(v6 ? AF_INET6 : AF_INET, copy, out) == 1 ? 0 : -1;
}

int pkt_conf_int(int *out, const char *value, int64_t min, int64_t max)
{
    int64_t v;
    if (pkt_conf_range(value, min, max, &v))
        return -1;
    *out = (int)v;
    return 0;
}

static int opt_port(uint16_t *out, const char *value)
{
    int v;
    if (pkt_conf_int(&v, value, 1, 65535))
        return -1;
    *out = (uint16_t)v;
    return 0;
}

static int opt_tolerance(struct pkt_conf *c, const char *value)
{
    c->strict &= ~(uint32_t)PKT_S_TIME;
    return pkt_conf_range(value, 0, 3600000000, &c->tolerance_us);
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
    if (pkt_conf_range(value, 0, 10000000, &c->ts_tick_us))
        return -1;
    /* Ours is a millisecond; another one is another stack's habit. */
    if (c->ts_tick_us != 1000 && strcmp(c->profile, "tcpsm") != 0)
        c->ts_tick_us = 0;
    if (c->ts_tick_us)
        c->strict |= PKT_S_TSVAL;
    else
        c->strict &= ~(uint32_t)PKT_S_TSVAL;
    return 0;
}

static int opt_isn(struct pkt_conf *c, const char *value)
{
    int64_t v;
    if (pkt_conf_range(value, 0, UINT32_MAX, &v))
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
        return pkt_conf_int(&c->mtu, value, 108, 65535);
    /* Into which segments packetdrill cuts what an offload sent as one: here
       nothing depends on it, and what a SYN says does not either. */
    if (!strcmp(name, "mss"))
        return pkt_conf_int(&c->mss, value, 68, 65475);
    if (!strcmp(name, "local_ip") || !strcmp(name, "live_local_ip"))
        return opt_address(value, c->local_ip, &c->local_given);
    if (!strcmp(name, "remote_ip") || !strcmp(name, "live_remote_ip"))
        return opt_address(value, c->remote_ip, &c->remote_given);
    if (!strcmp(name, "connect_port") || !strcmp(name, "live_connect_port"))
        return opt_port(&c->connect_port, value);
    if (!strcmp(name, "bind_port") || !strcmp(name, "live_bind_port"))
        return opt_port(&c->bind_port, value);
    if (!strcmp(name, "tcp_ts_tick_usecs"))
        return opt_tick(c, value);
    if (!strcmp(name, "layer"))
        return pkt_conf_int(&c->layer, value, 1, 2);
    if (!strcmp(name, "remote_isn"))
        return opt_isn(c, value);
    if (!strcmp(name, "dry_run")) {
        c->dry_run = 1;
        return value ? pkt_conf_int(&c->dry_run, value, 0, 1) : 0;
    }
    if (!strcmp(name, "verbose")) {
        c->verbose = 1;
        return value ? pkt_conf_int(&c->verbose, value, 0, 9) : 0;
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

/* When all options are known. */
int pkt_conf_done(const struct pkt_conf *c, struct pkt_verdict *v)
{
    int family = c->ip_version == 6 ? 6 : 4;
    if ((c->local_given && c->local_given != family) ||
        (c->remote_given && c->remote_given != family))
        return pkt_verdict(
            v, PKT_FAIL, 1, "syntax: --%s_ip is not an address of IPv%d",
            c->local_given && c->local_given != family ? "local" : "remote",
            family);
    return PKT_OK;
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
    pkt_conf_derive(c);
    return PKT_OK;
}
