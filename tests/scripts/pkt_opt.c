/* pkt_opt.c - getsockopt, setsockopt, ioctl, fcntl. 0BSD.

   Three kinds of options: those that tcpsm has, those that no TCP need know
   of, and all others, which skip the script by their name. */

#include "pkt_sock.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

enum { SOCKET = 1, IP = 0, TCP = 6, IP6 = 41 };

/* How a value is kept. */
enum {
    FLAG,   /* 0 or 1 */
    NUMBER, /* min..max, else EINVAL */
    OWN     /* by a function below */
};

static const struct option {
    const char *name;
    int level, how;
    size_t at; /* in struct pkt_sockopts */
    int64_t min, max, unset;
} options[] = {
#define AT(f) offsetof(struct pkt_sockopts, f)
    {"SO_REUSEADDR", SOCKET, FLAG, AT(reuseaddr), 0, 0, 0},
    {"SO_REUSEPORT", SOCKET, FLAG, AT(reuseport), 0, 0, 0},
    {"SO_REUSEPORT_LB", SOCKET, FLAG, AT(reuseport), 0, 0, 0},
    {"SO_KEEPALIVE", SOCKET, FLAG, AT(keepalive), 0, 0, 0},
    {"SO_OOBINLINE", SOCKET, FLAG, AT(oobinline), 0, 0, 0},
    {"SO_SNDBUF", SOCKET, OWN, AT(sndbuf), 1, 0x1FFFFFFF, 0},
    {"SO_SNDBUFFORCE", SOCKET, OWN, AT(sndbuf), 1, 0x1FFFFFFF, 0},
    {"SO_RCVBUF", SOCKET, OWN, AT(rcvbuf), 1, 0x1FFFFFFF, 0},
    {"SO_RCVBUFFORCE", SOCKET, OWN, AT(rcvbuf), 1, 0x1FFFFFFF, 0},
    {"TCP_NODELAY", TCP, FLAG, AT(nodelay), 0, 0, 0},
    {"TCP_CORK", TCP, FLAG, AT(cork), 0, 0, 0},
    {"TCP_NOPUSH", TCP, FLAG, AT(cork), 0, 0, 0},
    {"TCP_NOOPT", TCP, FLAG, AT(noopt), 0, 0, 0},
    {"TCP_INQ", TCP, FLAG, AT(inq), 0, 0, 0},
    {"TCP_MAXSEG", TCP, NUMBER, AT(maxseg), 88, 32767, 536},
    {"TCP_KEEPIDLE", TCP, NUMBER, AT(keepidle), 1, 32767, 7200},
    {"TCP_KEEPINTVL", TCP, NUMBER, AT(keepintvl), 1, 32767, 75},
    {"TCP_KEEPCNT", TCP, NUMBER, AT(keepcnt), 1, 127, 9},
    {"TCP_SYNCNT", TCP, NUMBER, AT(syncnt), 1, 127, 6},
    {"TCP_LINGER2", TCP, NUMBER, AT(linger2), INT32_MIN, INT32_MAX, 60},
    {"TCP_QUICKACK", TCP, NUMBER, AT(quickack), INT32_MIN, INT32_MAX, 1},
    {"TCP_USER_TIMEOUT", TCP, NUMBER, AT(user_timeout), 0, INT32_MAX, 0},
    {"TCP_NOTSENT_LOWAT", TCP, NUMBER, AT(notsent_lowat), INT32_MIN,
     UINT32_MAX, UINT32_MAX},
    {"TCP_FASTOPEN", TCP, NUMBER, AT(fastopen), 0, INT32_MAX, 0},
    {"TCP_FASTOPEN_CONNECT", TCP, NUMBER, AT(fastopen_connect), 0, 1, 0},
    {"TCP_RTO_MAX_MS", TCP, NUMBER, AT(rto_max_ms), 1000, 120000, 120000},
    {"TCP_RTO_MIN_US", TCP, NUMBER, AT(rto_min_us), 1, 120000000, 200000},
    {"TCP_DELACK_MAX_US", TCP, NUMBER, AT(delack_max_us), 1, 200000, 200000},
    {"IP_TOS", IP, OWN, AT(tos), 0, 255, 0},
    {"IP_TTL", IP, NUMBER, AT(ttl), 1, 255, 64},
    {"IP_MTU_DISCOVER", IP, OWN, AT(mtu_discover), 0, 5, 1},
    {"IP_FREEBIND", IP, FLAG, AT(freebind), 0, 0, 0},
    {"IP_TRANSPARENT", IP, FLAG, AT(freebind), 0, 0, 0},
    {"IPV6_TCLASS", IP6, OWN, AT(tos), -1, 255, 0},
    {"IPV6_UNICAST_HOPS", IP6, NUMBER, AT(ttl), 1, 255, 64},
    {"IPV6_MTU_DISCOVER", IP6, OWN, AT(mtu_discover), 0, 5, 1},
    {"IPV6_FREEBIND", IP6, FLAG, AT(freebind), 0, 0, 0},
    {"IPV6_TRANSPARENT", IP6, FLAG, AT(freebind), 0, 0, 0},
#undef AT
};

/* These change nothing that a TCP shows; they succeed. */
static const struct {
    const char *name;
    int level;
} ignored[] = {
    {"SO_DEBUG", SOCKET},
    {"SO_DONTROUTE", SOCKET},
    {"SO_BROADCAST", SOCKET},
    {"SO_PRIORITY", SOCKET},
    {"SO_BINDTODEVICE", SOCKET},
    {"SO_MARK", SOCKET},
    {"SO_BUSY_POLL", SOCKET},
    {"SO_INCOMING_CPU", SOCKET},
    {"SO_NOSIGPIPE", SOCKET},
    {"IP_RECVERR", IP},
    {"IP_RECVTTL", IP},
    {"IP_RECVTOS", IP},
    {"IP_BIND_ADDRESS_NO_PORT", IP},
    {"IPV6_RECVERR", IP6},
    {"IPV6_RECVTCLASS", IP6},
    {"IPV6_V6ONLY", IP6},
    {"IPV6_AUTOFLOWLABEL", IP6},
};

static int is_profile(const struct pkt_run *run, const char *name)
{
    return run->conf.profile != NULL && strcmp(run->conf.profile, name) == 0;
}

static int64_t *field(struct pkt_sock *s, const struct option *o)
{
    return (int64_t *)(void *)((char *)&s->o + o->at);
}

static const struct option *find(int64_t level, int64_t number)
{
    size_t i;
    int64_t n;
    for (i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].level == level && pkt_const(options[i].name, &n) &&
            n == number)
            return &options[i];
    return NULL;
}

static int is(int64_t level, int64_t number, int l, const char *name)
{
    int64_t n;
    return level == l && pkt_const(name, &n) && n == number;
}

static int ignores(int64_t level, int64_t number)
{
    size_t i;
    for (i = 0; i < sizeof ignored / sizeof *ignored; i++)
        if (is(level, number, ignored[i].level, ignored[i].name))
            return 1;
    return 0;
}

/* The name that the script has for it. */
static const char *spelled(struct pkt_run *run, const struct pkt_expr *e)
{
    int64_t n = -1;
    if (e->kind == PKT_NAME)
        return e->s;
    (void)pkt_quiet_value(e, &n);
    return pkt_printf(&run->arena, "socket option %" PRId64, n);
}

/* ---- setsockopt -------------------------------------------------------- */

static int set_linger(struct pkt_run *run, struct pkt_call *call)
{
    const struct pkt_expr *v = call->arg[3], *on, *s;
    if (v->kind == PKT_LIST && v->kids != NULL && v->kids->kind == PKT_STRUCT)
        v = v->kids;
    on = pkt_member(v, "onoff", 0);
    s = pkt_member(v, "linger", 1);
    if (on == NULL)
        on = pkt_member(v, "l_onoff", 99);
    if (s == NULL)
        s = pkt_member(v, "l_linger", 99);
    if (!pkt_value(run, on, &call->s->o.linger_on) ||
        !pkt_value(run, s, &call->s->o.linger_s))
        return 1;
    call->s->o.linger_on = call->s->o.linger_on != 0;
    pkt_sock_apply(run, call->s);
    return pkt_done(call, 0);
}

static int set_timeo(struct pkt_run *run, struct pkt_call *call, int64_t *us)
{
    const struct pkt_expr *v = call->arg[3], *a, *b;
    int64_t s, rest;
    if (v->kind == PKT_LIST && v->kids != NULL && v->kids->kind == PKT_STRUCT)
        v = v->kids;
    a = pkt_member(v, "tv_sec", 0);
    b = pkt_member(v, "tv_usec", 1);
    if (!pkt_value(run, a, &s) || !pkt_value(run, b, &rest))
        return 1;
    if (rest < 0 || rest >= 1000000)
        return pkt_errs(call, PKT_EDOM);
    *us = s * 1000000 + rest;
    return pkt_done(call, 0);
}

static const char *cc_name(struct pkt_run *run, const struct pkt_sock *s)
{
    const struct tcpsm_cc *cc = s->o.cc;
    struct tcpsm_info i;
    uint32_t id = TCPSM_CC_DEFAULT;
    if (s->c != NULL) {
        tcpsm_status(s->c, &i);
        id = i.cc_id;
    } else if (cc != NULL || (cc = run->sockets->cc) != NULL ||
               (cc = run->conf.tcp.cc) != NULL) {
        id = cc->id;
    }
    if (id == TCPSM_CC_NEWRENO)
        return is_profile(run, "freebsd") ? "newreno" : "reno";
    return "cubic";
}

/* A connection keeps the controller that it began with. */
static int set_cc(struct pkt_run *run, struct pkt_call *call)
{
    const struct pkt_expr *v = pkt_only(call->arg[3]);
    const struct tcpsm_cc *cc;
    struct tcpsm_info i;
    if (v == NULL || v->kind != PKT_STRING) {
        pkt_fail(run, "syntax: a string is wanted here");
        return 1;
    }
    cc = pkt_sock_cc(v->s);
    if (cc == NULL && call->sys->error != NULL)
        return pkt_errs(call, PKT_ENOENT);
    if (cc == NULL) {
        pkt_skip(run, "TCP_CONGESTION %s", v->s);
        return 1;
    }
    if (call->s->c != NULL) {
        tcpsm_status(call->s->c, &i);
        if (i.cc_id != cc->id) {
            pkt_skip(run, "TCP_CONGESTION of a connection");
            return 1;
        }
    }
    call->s->o.cc = cc;
    pkt_sock_relisten(run, call->s);
    return pkt_done(call, 0);
}

/* Which of its TCPs a FreeBSD has: its default is meant. */
static int set_function(struct pkt_run *run, struct pkt_call *call)
{
    const struct pkt_expr *v = call->arg[3];
    const struct pkt_expr *name = pkt_member(v, "function_set_name", 0);
    if (name == NULL)
        name = pkt_only(v);
    if (name == NULL || name->kind != PKT_STRING ||
        strcmp(name->s, "freebsd") != 0)
        pkt_skip(run, "TCP_FUNCTION_BLK %s",
                 name != NULL && name->kind == PKT_STRING ? name->s : "");
    return pkt_done(call, 0);
}

static int set_key(struct pkt_run *run, struct pkt_call *call)
{
    const struct pkt_expr *v = pkt_only(call->arg[3]);
    int64_t n = 16;
    if (call->n > 4 && !pkt_value(run, pkt_only(call->arg[4]), &n))
        return 1;
    if (n != 16 && n != 32)
        return pkt_errs(call, PKT_EINVAL);
    if (v != NULL && v->kind == PKT_STRING) {
        memset(call->s->o.key, 0, sizeof call->s->o.key);
        memcpy(call->s->o.key, v->s, v->n < (size_t)n ? v->n : (size_t)n);
        call->s->o.key_len = (int)n;
    }
    return pkt_done(call, 0);
}

/* What is allowed only before there is a connection, or is not to be had. */
static int refused(struct pkt_run *run, const struct pkt_call *call,
                   const struct option *o, int64_t v)
{
    const struct pkt_sock *s = call->s;
    if (strcmp(o->name, "TCP_FASTOPEN") == 0 && s->c != NULL)
        return PKT_EINVAL;
    if (strcmp(o->name, "TCP_FASTOPEN_CONNECT") == 0) {
        if (run->conf.fastopen_client == 0)
            return PKT_EOPNOTSUPP;
        if (s->c != NULL || s->listening)
            return PKT_EINVAL;
    }
    if (strcmp(o->name, "TCP_KEEPCNT") == 0 && v == 1)
        pkt_skip(run, "TCP_KEEPCNT 1"); /* tcpsm: two or more */
    if (o->at == offsetof(struct pkt_sockopts, mtu_discover) && v > 2)
        pkt_skip(run, "IP_MTU_DISCOVER %d", (int)v);
    return 0;
}

static int set_number(struct pkt_run *run, struct pkt_call *call,
                      const struct option *o)
{
    struct pkt_sock *s = call->s;
    const struct pkt_expr *ve = pkt_only(call->arg[3]);
    int64_t v, len = 4;
    int e;
    if (call->n > 4 && !pkt_is_any(call->arg[4]) &&
        !pkt_value(run, pkt_only(call->arg[4]), &len))
        return 1;
    if (!pkt_value(run, ve, &v))
        return 1;
    if (len < (o->level == IP ? 1 : 4))
        return pkt_errs(call, PKT_EINVAL);
    if (o->how == FLAG)
        v = v != 0;
    else if (v < o->min || v > o->max)
        return pkt_errs(call, PKT_EINVAL);
    e = refused(run, call, o, v);
    if (e != 0)
        return pkt_errs(call, e);
    if (o->at == offsetof(struct pkt_sockopts, tos))
        v = v < 0 ? 0 : v & ~3; /* the ECN bits are TCP's */
    *field(s, o) = v;
    if (o->at == offsetof(struct pkt_sockopts, quickack) && s->c != NULL)
        (void)tcpsm_set(s->c, TCPSM_SET_QUICKACK, v & 1 ? 16 : 0);
    if (o->at == offsetof(struct pkt_sockopts, nodelay) && v &&
        s->o.cork > 0 && s->c != NULL) {
        /* As Linux: what waits goes, and the cork holds what comes. */
        s->o.cork = 0;
        s->recork = 1;
    }
    pkt_sock_apply(run, s);
    if (s->c != NULL && strcmp(run->conf.profile, "tcpsm") != 0 &&
        (o->at == offsetof(struct pkt_sockopts, nodelay)
             ? v != 0
             : o->at == offsetof(struct pkt_sockopts, cork) && v == 0))
        (void)tcpsm_send(s->c, NULL, 0, 0); /* ends MSG_MORE there */
    if (strcmp(o->name, "TCP_MAXSEG") == 0 ||
        strcmp(o->name, "TCP_FASTOPEN") == 0 ||
        o->at == offsetof(struct pkt_sockopts, tos) ||
        o->at == offsetof(struct pkt_sockopts, ttl))
        pkt_sock_relisten(run, s);
    return pkt_done(call, 0);
}

static int call_set(struct pkt_run *run, struct pkt_call *call)
{
    int64_t level, number;
    const struct option *o;
    if (!pkt_value(run, call->arg[1], &level) ||
        !pkt_value(run, call->arg[2], &number))
        return 1;
    o = find(level, number);
    if (o != NULL)
        return set_number(run, call, o);
    if (is(level, number, SOCKET, "SO_LINGER"))
        return set_linger(run, call);
    if (is(level, number, SOCKET, "SO_RCVTIMEO"))
        return set_timeo(run, call, &call->s->o.rcvtimeo_us);
    if (is(level, number, SOCKET, "SO_SNDTIMEO"))
        return set_timeo(run, call, &call->s->o.sndtimeo_us);
    if (is(level, number, TCP, "TCP_CONGESTION"))
        return set_cc(run, call);
    if (is(level, number, TCP, "TCP_FASTOPEN_KEY"))
        return set_key(run, call);
    if (is(level, number, TCP, "TCP_FUNCTION_BLK"))
        return set_function(run, call);
    if (ignores(level, number))
        return pkt_done(call, 0);
    if (is(level, number, SOCKET, "SO_ERROR") ||
        is(level, number, SOCKET, "SO_TYPE") ||
        is(level, number, SOCKET, "SO_ACCEPTCONN") ||
        is(level, number, SOCKET, "SO_PROTOCOL") ||
        is(level, number, SOCKET, "SO_DOMAIN"))
        return pkt_errs(call, PKT_ENOPROTOOPT);
    pkt_skip(run, "%s", spelled(run, call->arg[2]));
    return 1;
}

/* ---- getsockopt -------------------------------------------------------- */

static int same(struct pkt_run *run, struct pkt_call *call, const char *what,
                const struct pkt_expr *e, int64_t live)
{
    int64_t v;
    if (pkt_is_any(e))
        return 1;
    if (!pkt_value(run, e, &v))
        return 0;
    if (v == live)
        return 1;
    pkt_blame(run, call, "value: %s: script %" PRId64 " live %" PRId64, what,
              v, live);
    return 0;
}

static int get_info(struct pkt_run *run, struct pkt_call *call)
{
    const struct pkt_expr *k, *e = call->arg[3];
    int64_t v;
    if (e != NULL && e->kind == PKT_LIST && e->kids != NULL &&
        e->kids->kind == PKT_STRUCT)
        e = e->kids;
    if (e == NULL || e->kind != PKT_STRUCT)
        return pkt_done(call, 0);
    for (k = e->kids; k != NULL; k = k->next) {
        if (k->kind != PKT_FIELD || pkt_is_any(k->a))
            continue;
        if (strncmp(k->s, "tcpi_", 5) != 0 ||
            pkt_info_field(run, call->s->c, k->s + 5, &v) < 0) {
            pkt_skip(run, "%s", k->s);
            return 1;
        }
        if (!same(run, call, k->s, k->a, v))
            break;
    }
    return pkt_done(call, 0);
}

static int get_linger(struct pkt_run *run, struct pkt_call *call)
{
    const struct pkt_expr *v = call->arg[3], *on, *s;
    const struct pkt_sockopts *o = &call->s->o;
    if (v != NULL && v->kind == PKT_LIST && v->kids != NULL &&
        v->kids->kind == PKT_STRUCT)
        v = v->kids;
    on = pkt_member(v, "onoff", 0);
    s = pkt_member(v, "linger", 1);
    if (on == NULL)
        on = pkt_member(v, "l_onoff", 99);
    if (s == NULL)
        s = pkt_member(v, "l_linger", 99);
    (void)(same(run, call, "SO_LINGER", on, o->linger_on > 0) &&
           same(run, call, "SO_LINGER", s,
                o->linger_s > 0 ? o->linger_s : 0));
    return pkt_done(call, 0);
}

static int get_string(struct pkt_run *run, struct pkt_call *call,
                      const char *live)
{
    const struct pkt_expr *v = pkt_only(call->arg[3]);
    if (pkt_is_any(v))
        return pkt_done(call, 0);
    if (v->kind != PKT_STRING)
        pkt_fail(run, "syntax: a string is wanted here");
    else if (strcmp(v->s, live) != 0)
        pkt_blame(run, call, "value: %s: script %s live %s",
                  spelled(run, call->arg[2]), v->s, live);
    return pkt_done(call, 0);
}

static int get_key(struct pkt_run *run, struct pkt_call *call)
{
    const struct pkt_expr *v = pkt_only(call->arg[3]);
    const struct pkt_sockopts *o = &call->s->o;
    if (o->key_len == 0) /* the configuration's */
        return pkt_done(call, 0);
    if (v != NULL && v->kind == PKT_STRING &&
        (v->n != (size_t)o->key_len ||
         memcmp(v->s, o->key, (size_t)o->key_len) != 0))
        pkt_blame(run, call, "value: TCP_FASTOPEN_KEY: another one");
    return pkt_done(call, 0);
}

/* The buffer of a socket that has no connection is what it will get. */
static int64_t buffer(struct pkt_run *run, const struct pkt_sock *s,
                      const struct option *o)
{
    int send = o->at == offsetof(struct pkt_sockopts, sndbuf);
    int64_t set = send ? s->o.sndbuf : s->o.rcvbuf, least;
    if (set < 0)
        return send ? run->conf.sndbuf : run->conf.rcvbuf;
    if (!is_profile(run, "linux"))
        return set;
    least = send ? 4608 : 2304;
    return 2 * set > least ? 2 * set : least;
}

static int64_t number(struct pkt_run *run, struct pkt_sock *s,
                      const struct option *o)
{
    struct tcpsm_info i;
    int64_t v = *field(s, o);
    if (o->at == offsetof(struct pkt_sockopts, sndbuf) ||
        o->at == offsetof(struct pkt_sockopts, rcvbuf))
        return buffer(run, s, o);
    if (o->at == offsetof(struct pkt_sockopts, maxseg) && s->c != NULL) {
        tcpsm_status(s->c, &i);
        if (i.smss != 0)
            return i.smss;
    }
    if (o->at == offsetof(struct pkt_sockopts, ttl) && v < 0 &&
        run->conf.tcp.ttl != 0)
        return run->conf.tcp.ttl;
    if (v >= 0 || o->min < 0)
        return v == -1 ? o->unset : v;
    if (o->at == offsetof(struct pkt_sockopts, keepidle) &&
        run->conf.tcp.keep_idle_ms != 0)
        return run->conf.tcp.keep_idle_ms / 1000;
    if (o->at == offsetof(struct pkt_sockopts, keepintvl) &&
        run->conf.tcp.keep_interval_ms != 0)
        return run->conf.tcp.keep_interval_ms / 1000;
    if (o->at == offsetof(struct pkt_sockopts, keepcnt) &&
        run->conf.tcp.keep_count != 0)
        return run->conf.tcp.keep_count;
    if (o->at == offsetof(struct pkt_sockopts, nodelay))
        return (run->conf.tcp.flags & TCPSM_NODELAY) != 0;
    return o->unset;
}

static int call_get(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    int64_t level, n, live;
    const struct option *o;
    struct tcpsm_info i;
    const char *name = spelled(run, call->arg[2]);
    if (!pkt_value(run, call->arg[1], &level) ||
        !pkt_value(run, call->arg[2], &n))
        return 1;
    o = find(level, n);
    if (o != NULL) {
        live = number(run, s, o);
        if (strcmp(o->name, "TCP_NOTSENT_LOWAT") == 0)
            live = (uint32_t)live;
    } else if (is(level, n, SOCKET, "SO_ERROR")) {
        if (s->c != NULL)
            pkt_sock_look(run, s);
        live = pkt_sock_error(s);
    } else if (is(level, n, SOCKET, "SO_TYPE")) {
        live = 1;
    } else if (is(level, n, SOCKET, "SO_PROTOCOL")) {
        live = 6;
    } else if (is(level, n, SOCKET, "SO_DOMAIN")) {
        live = run->conf.ip_version == 4 ? 2 : 10;
    } else if (is(level, n, SOCKET, "SO_ACCEPTCONN")) {
        live = s->listening;
    } else if (is(level, n, SOCKET, "SO_LINGER")) {
        return get_linger(run, call);
    } else if (is(level, n, TCP, "TCP_INFO")) {
        return get_info(run, call);
    } else if (is(level, n, TCP, "TCP_CONGESTION")) {
        return get_string(run, call, cc_name(run, s));
    } else if (is(level, n, TCP, "TCP_FASTOPEN_KEY")) {
        return get_key(run, call);
    } else if (is(level, n, IP, "IP_MTU") || is(level, n, IP6, "IPV6_MTU")) {
        if (pkt_sock_dead(s))
            return pkt_errs(call, PKT_ENOTCONN);
        tcpsm_status(s->c, &i);
        live = i.mtu;
    } else {
        pkt_skip(run, "%s", name);
        return 1;
    }
    (void)same(run, call, name, pkt_only(call->arg[3]), live);
    return pkt_done(call, 0);
}

/* ---- ioctl, fcntl ------------------------------------------------------ */

/* Queued and not acknowledged, or with unsent not sent; our FIN counts. */
static int64_t out_queue(const struct pkt_sock *s, int unsent)
{
    struct tcpsm_info i;
    tcpsm_ret state;
    uint32_t sent, fin;
    if (s->c == NULL || !s->established || pkt_sock_dead(s))
        return 0;
    tcpsm_status(s->c, &i);
    state = tcpsm_state(s->c);
    fin = state == TCPSM_FIN_WAIT_1 || state == TCPSM_CLOSING ||
          state == TCPSM_LAST_ACK;
    if (!unsent)
        return (int64_t)pkt_sock_queued(s) + fin;
    sent = i.snd_nxt - i.snd_una;
    return (int64_t)i.unsent + s->later_bytes +
           (fin && sent <= i.snd_queued - i.unsent ? 1 : 0);
}

static int call_ioctl(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    struct tcpsm_info i;
    int64_t n, v, live;
    if (call->n < 2 || !pkt_value(run, call->arg[1], &n))
        return 1;
    memset(&i, 0, sizeof i);
    if (s->c != NULL)
        tcpsm_status(s->c, &i);
    switch (n) {
    case 0x541B: /* SIOCINQ */
        if (s->listening)
            return pkt_errs(call, PKT_EINVAL);
        live = i.rcv_queued;
        if (s->oob != 0 && live > 0 && i.urgent != 0 && i.urgent <= live &&
            s->o.oobinline <= 0)
            live = i.urgent - 1; /* up to the mark */
        break;
    case 0x5411: /* SIOCOUTQ */
    case 0x894B: /* SIOCOUTQNSD */
        if (s->listening)
            return pkt_errs(call, PKT_EINVAL);
        live = out_queue(s, n == 0x894B);
        break;
    case 0x8905: /* SIOCATMARK */
        live = s->oob != 0 && i.urgent == 1;
        break;
    case 0x5421: /* FIONBIO */
        if (!pkt_value(run, pkt_only(call->arg[2]), &v))
            return 1;
        s->nonblock = v != 0;
        return pkt_done(call, 0);
    default:
        pkt_skip(run, "%s", spelled(run, call->arg[1]));
        return 1;
    }
    (void)same(run, call, spelled(run, call->arg[1]), pkt_only(call->arg[2]),
               live);
    return pkt_done(call, 0);
}

static int call_fcntl(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    int64_t cmd, v = 0;
    int64_t bit = is_profile(run, "freebsd") ? 4 : PKT_NONBLOCK;
    if (!pkt_value(run, call->arg[1], &cmd) ||
        (call->n > 2 && !pkt_value(run, call->arg[2], &v)))
        return 1;
    switch (cmd) {
    case 1: /* F_GETFD */
    case 2: /* F_SETFD */
        return pkt_done(call, 0);
    case 3: /* F_GETFL */
        return pkt_done(call, 2 | (s->nonblock ? bit : 0));
    case 4: /* F_SETFL */
        s->nonblock = (v & (PKT_NONBLOCK | bit)) != 0;
        return pkt_done(call, 0);
    default:
        pkt_skip(run, "%s", spelled(run, call->arg[1]));
        return 1;
    }
}

int pkt_opt_call(struct pkt_run *run, struct pkt_call *call)
{
    static const struct {
        const char *name;
        int args;
        int (*start)(struct pkt_run *, struct pkt_call *);
    } calls[] = {
        {"setsockopt", 4, call_set},
        {"getsockopt", 4, call_get},
        {"ioctl", 2, call_ioctl},
        {"fcntl", 2, call_fcntl},
    };
    size_t i;
    for (i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(call->sys->name, calls[i].name) == 0) {
            if (call->n < calls[i].args)
                pkt_fail(run, "syntax: %s has more arguments", calls[i].name);
            else
                (void)calls[i].start(run, call);
            return 1;
        }
    return 0;
}
