/* pkt_shell.c - shell commands -> struct pkt_conf. 0BSD.

   Commands are not executed. Those that set what tcpsm can be told become
   configuration; those that cannot matter to a TCP are on a list below, with
   the reason; all others skip the script, by name. */

#include <stdlib.h>
#include <string.h>

#include "pkt_conf.h"

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

static int sysctl(struct shell *s, const char *name, const char *value)
{
    if (pkt_conf_sysctl(s->conf, name, value) == 0)
        return PKT_OK;
    if (!strncmp(name, "/proc/sys/", 10))
        name += 10;
    return unknown(s, "sysctl", pkt_printf(&s->arena, "%s=%s", name, value));
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

/* rto_min of a route: 200ms, 1s; plain numbers are milliseconds. */
static int route_rto_min(struct pkt_conf *c, const char *value)
{
    char *unit;
    double d = strtod(value, &unit);
    if (unit == value)
        return -1;
    d *= !strcmp(unit, "us")                 ? 1
         : !strcmp(unit, "s")                ? 1e6
         : !strcmp(unit, "ms") || *unit == 0 ? 1e3
                                             : -1;
    if (!(d >= 1000 && d <= 60e6))
        return -1;
    c->tcp.rto_min_us = (uint32_t)d;
    return 0;
}

static int route_quickack(struct pkt_conf *c, const char *value)
{
    int on;
    if (pkt_conf_int(&on, value, 0, 1))
        return -1;
    if (on)
        c->quickacks = 255;
    return 0;
}

static int route_mtu(struct pkt_conf *c, const char *value)
{
    return pkt_conf_int(&c->mtu, value, 108, 65535);
}

static int route_initcwnd(struct pkt_conf *c, const char *value)
{
    return pkt_conf_sysctl(c, "net.ipv4.tcp_init_cwnd", value);
}

static int route_congctl(struct pkt_conf *c, const char *value)
{
    return pkt_conf_sysctl(c, "net.ipv4.tcp_congestion_control", value);
}

static int route_hoplimit(struct pkt_conf *c, const char *value)
{
    return pkt_conf_sysctl(c, "net.ipv4.ip_default_ttl", value);
}

static int route_features(struct pkt_conf *c, const char *value)
{
    if (strcmp(value, "ecn") != 0)
        return -1;
    c->tcp.flags |= TCPSM_ECN;
    return 0;
}

/* The words of a route, each with a value. NULL: where to, or what Linux
   remembers between connections. */
static const struct {
    const char *name;
    int (*set)(struct pkt_conf *, const char *);
} route_words[] = {{"initcwnd", route_initcwnd},
                   {"rto_min", route_rto_min},
                   {"quickack", route_quickack},
                   {"mtu", route_mtu},
                   {"congctl", route_congctl},
                   {"hoplimit", route_hoplimit},
                   {"features", route_features},
                   {"initrwnd", NULL},
                   {"dev", NULL},
                   {"via", NULL},
                   {"src", NULL},
                   {"proto", NULL},
                   {"scope", NULL},
                   {"table", NULL},
                   {"metric", NULL},
                   {"to", NULL},
                   {"tos", NULL},
                   {"pref", NULL},
                   {"window", NULL},
                   {"rtt", NULL},
                   {"rttvar", NULL},
                   {"ssthresh", NULL}};

static int cmd_route(struct shell *s, char **w, int n)
{
    enum { ROUTE_WORDS = sizeof route_words / sizeof route_words[0] };
    int i, k;
    for (i = 3; i < n; i++) {
        for (k = 0; k < ROUTE_WORDS; k++)
            if (!strcmp(w[i], route_words[k].name))
                break;
        if (k == ROUTE_WORDS) {
            /* an address, perhaps with a prefix */
            if (!w[i][strspn(w[i], "0123456789abcdef.:/")] ||
                !strcmp(w[i], "default") || !strcmp(w[i], "local") ||
                !strcmp(w[i], "onlink"))
                continue;
            return unknown(s, "ip route", w[i]);
        }
        if (i + 2 < n && !strcmp(w[i + 1], "lock"))
            i++;
        if (++i == n ||
            (route_words[k].set && route_words[k].set(s->conf, w[i])))
            return unknown(s, "ip route",
                           pkt_printf(&s->arena, "%s %s", route_words[k].name,
                                      i < n ? w[i] : ""));
    }
    pkt_conf_derive(s->conf);
    return PKT_OK;
}

/* The MTU of the device is that of the path. */
static int cmd_device(struct shell *s, char **w, int n)
{
    int i;
    for (i = 1; i + 1 < n; i++)
        if (!strcmp(w[i], "mtu") &&
            pkt_conf_int(&s->conf->mtu, w[i + 1], 108, 65535))
            return unknown(s, w[0], "mtu");
    pkt_conf_derive(s->conf);
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
                return i + 2 < n && !strcmp(w[i + 1], "limit")
                           ? unknown(s, "tc", "limit")
                           : PKT_OK;
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
