/* pkt_sock.c - sockets as packetdrill's scripts see them, over tcpsm. 0BSD.

   What a script can see follows Linux; where FreeBSD differs, and the
   profile is freebsd, it follows FreeBSD. */

#include "pkt_sock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

static int is_profile(const struct pkt_run *run, const char *name)
{
    return run->conf.profile != NULL && strcmp(run->conf.profile, name) == 0;
}

int pkt_sock_bsd(const struct pkt_run *run)
{
    return is_profile(run, "freebsd");
}

/* ---- descriptors ------------------------------------------------------- */

struct pkt_sock *pkt_sock_find(struct pkt_run *run, int64_t fd)
{
    struct pkt_sock *s;
    for (s = run->sockets->all; s != NULL; s = s->next)
        if (fd >= 0 && s->fd == fd)
            return s;
    return NULL;
}

tcpsm_conn *pkt_sock_of(struct pkt_run *run, int fd)
{
    struct pkt_sock *s = pkt_sock_find(run, fd);
    return s != NULL ? s->c : NULL;
}

tcpsm_conn *pkt_sock_conn(struct pkt_run *run)
{
    struct pkt_sock *s = run->sockets != NULL ? run->sockets->last : NULL;
    return s != NULL ? s->c : NULL;
}

struct pkt_sock *pkt_sock_new(struct pkt_run *run)
{
    struct pkt_sock *s = pkt_alloc(&run->arena, sizeof *s);
    s->fd = -1;
    s->listener = -1;
    s->children_end = &s->children;
    s->o.reuseaddr = s->o.reuseport = s->o.sndbuf = s->o.rcvbuf = -1;
    s->o.keepalive = s->o.nodelay = s->o.cork = s->o.maxseg = -1;
    s->o.user_timeout = s->o.keepidle = s->o.keepintvl = s->o.keepcnt = -1;
    s->o.syncnt = s->o.linger2 = s->o.quickack = s->o.notsent_lowat = -1;
    s->o.tos = s->o.ttl = s->o.mtu_discover = s->o.linger_on = -1;
    s->o.linger_s = s->o.fastopen = s->o.fastopen_connect = -1;
    s->o.oobinline = s->o.rto_max_ms = s->o.rto_min_us = -1;
    s->o.delack_max_us = s->o.noopt = s->o.freebind = -1;
    s->o.rcvtimeo_us = s->o.sndtimeo_us = s->o.inq = -1;
    s->later_end = &s->later;
    if (run->conf.notsent_lowat > 0)
        s->o.notsent_lowat = (int64_t)run->conf.notsent_lowat;
    s->next = run->sockets->all;
    run->sockets->all = s;
    return s;
}

/* As Linux has them: an active opener's SYN counts as acknowledged, a FIN
   received as received. */
int pkt_sock_bytes(struct pkt_run *run, tcpsm_conn *c, int64_t *acked,
                   int64_t *received)
{
    struct pkt_sock *s = tcpsm_user(c);
    struct tcpsm_info i;
    (void)run;
    if (s == NULL)
        return -1;
    tcpsm_status(c, &i);
    *acked = (int64_t)s->wrote - pkt_sock_queued(s) +
             (s->active && s->established);
    if (s->shut & 2 && i.state != TCPSM_FIN_WAIT_1 &&
        i.state != TCPSM_CLOSING && i.state != TCPSM_LAST_ACK)
        *acked += 1;
    *received = (int64_t)s->nread + i.rcv_queued + s->fin;
    return 0;
}

/* ---- what a script will ask for ---------------------------------------- */

static const tcpsm_cc newreno = TCPSM_CC_BUILT_IN(TCPSM_CC_NEWRENO);
static const tcpsm_cc cubic = TCPSM_CC_BUILT_IN(TCPSM_CC_CUBIC);

const struct tcpsm_cc *pkt_sock_cc(const char *name)
{
    if (strcmp(name, "reno") == 0 || strcmp(name, "newreno") == 0)
        return &newreno;
    return strcmp(name, "cubic") == 0 ? &cubic : NULL;
}

static int names(const struct pkt_expr *e, const char *s)
{
    return e != NULL && e->kind == PKT_NAME && strcmp(e->s, s) == 0;
}

/* A stack's rings have one size, and a connection keeps the controller that
   it began with: what a script sets before it listens, or as soon as it has
   accepted, is looked up here. */
static void look_ahead(struct pkt_run *run)
{
    struct pkt_sockets *k = run->sockets;
    const struct pkt_event *e;
    const struct pkt_expr *a, *v;
    int64_t fd, n;
    int listens = 0;
    for (e = run->script->events; e != NULL; e = e->next) {
        if (e->kind != PKT_SYSCALL)
            continue;
        listens |= strcmp(e->call->name, "listen") == 0;
        a = e->call->args;
        if (strcmp(e->call->name, "setsockopt") != 0 || a == NULL ||
            !pkt_quiet_value(a, &fd) || a->next == NULL ||
            a->next->next == NULL || a->next->next->next == NULL)
            continue;
        v = pkt_only(a->next->next->next);
        a = a->next->next;
        if (v == NULL)
            continue;
        if (names(a, "TCP_CONGESTION") && v->kind == PKT_STRING &&
            k->cc == NULL)
            k->cc = pkt_sock_cc(v->s);
        if (listens || !pkt_quiet_value(v, &n) || n <= 0)
            continue;
        if ((names(a, "SO_RCVBUF") || names(a, "SO_RCVBUFFORCE")) &&
            k->rcv_ring == 0)
            k->rcv_ring = (uint32_t)n;
        if ((names(a, "SO_SNDBUF") || names(a, "SO_SNDBUFFORCE")) &&
            k->snd_ring == 0)
            k->snd_ring = pkt_sock_sndbuf(run, n);
    }
    if (!listens)
        k->rcv_ring = k->snd_ring = 0;
}

/* Linux doubles the value, and takes a large write whole as long as there
   is any room: the ring holds one more of those. */
enum { LARGE_WRITE = 65536 };

static uint32_t linux_sndbuf(int64_t n)
{
    return n < 4608 / 2 ? 4608 : (uint32_t)(2 * n);
}

uint32_t pkt_sock_sndbuf(const struct pkt_run *run, int64_t n)
{
    return is_profile(run, "linux") ? linux_sndbuf(n) + LARGE_WRITE
                                    : (uint32_t)n;
}

int pkt_sock_init(struct pkt_run *run)
{
    run->sockets = pkt_alloc(&run->arena, sizeof *run->sockets);
    look_ahead(run);
    return PKT_OK;
}

void pkt_sock_rings(struct pkt_run *run)
{
    struct pkt_sockets *k = run->sockets;
    tcpsm_stack_config *f = &run->conf.stack;
    f->rcv_ring = k->rcv_ring != 0 ? k->rcv_ring : run->conf.rcvbuf;
    f->snd_ring = k->snd_ring != 0 ? k->snd_ring : run->conf.sndbuf;
    if (f->conns == 0)
        f->conns = 32;
}

void pkt_sock_free(struct pkt_run *run)
{
    run->sockets = NULL; /* the arena's */
}

/* ---- calls and their ends ---------------------------------------------- */

int pkt_done(struct pkt_call *call, int64_t result)
{
    call->result = result;
    call->err = 0;
    call->moved = 1;
    return 1;
}

int pkt_errs(struct pkt_call *call, int err)
{
    call->result = -1;
    call->err = err;
    call->moved = 1;
    return 1;
}

int pkt_blame(struct pkt_run *run, const struct pkt_call *call,
              const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return pkt_verdict(&run->verdict, PKT_FAIL, call->ev->line, "%s", text);
}

static int said_nothing(const struct pkt_syscall *sys)
{
    return sys->error == NULL && pkt_is_any(sys->result);
}

static const char *script_result(struct pkt_run *run,
                                 const struct pkt_syscall *sys)
{
    int64_t v;
    if (sys->error != NULL)
        return pkt_printf(&run->arena, "-1 %s", sys->error);
    if (pkt_quiet_value(sys->result, &v))
        return pkt_printf(&run->arena, "%" PRId64, v);
    return "?";
}

static const char *live_result(struct pkt_run *run,
                               const struct pkt_call *call)
{
    if (call->err != 0)
        return pkt_printf(&run->arena, "-1 %s",
                          pkt_errno_name(&run->arena, call->err));
    return pkt_printf(&run->arena, "%" PRId64, call->result);
}

static void compare_result(struct pkt_run *run, struct pkt_call *call)
{
    const struct pkt_syscall *sys = call->sys;
    int64_t want;
    int number;
    if (said_nothing(sys))
        return;
    if (sys->error != NULL && call->err != 0) {
        number = pkt_errno(sys->error);
        if (number == 0)
            pkt_verdict(&run->verdict, PKT_SKIP, call->ev->line, "%s",
                        sys->error);
        else if (number != call->err)
            pkt_blame(run, call, "errno: script %s live %s", sys->error,
                      pkt_errno_name(&run->arena, call->err));
        return;
    }
    if (sys->error == NULL && pkt_value(run, sys->result, &want) &&
        want == call->result)
        return; /* also a bare -1 for any error */
    pkt_blame(run, call, "result: script %s live %s", script_result(run, sys),
              live_result(run, call));
}

static void compare_time(struct pkt_run *run, const struct pkt_call *call)
{
    int64_t due = call->start + call->dur, slack = pkt_tolerance(run);
    if (call->dur == PKT_ANY)
        return;
    if (run->now < due - slack)
        pkt_blame(run, call, "returned too early: %s at %.6f, script %.6f",
                  call->sys->name, (double)run->now / 1e6, (double)due / 1e6);
    else if (run->now > due + slack)
        pkt_blame(run, call, "returned too late: %s at %.6f, script %.6f",
                  call->sys->name, (double)run->now / 1e6, (double)due / 1e6);
}

static void finish(struct pkt_run *run, struct pkt_call *call)
{
    compare_time(run, call);
    compare_result(run, call);
}

int64_t pkt_sock_deadline(const struct pkt_run *run)
{
    const struct pkt_call *call;
    int64_t at = INT64_MAX, late;
    if (run->sockets == NULL)
        return at;
    for (call = run->sockets->pending; call != NULL; call = call->next) {
        if (call->deadline < at)
            at = call->deadline;
        late = call->start + call->dur + pkt_tolerance(run);
        if (late > run->now && late < at)
            at = late;
    }
    return at;
}

static int try_pending(struct pkt_run *run)
{
    struct pkt_call **p = &run->sockets->pending, *call;
    int moved = 0;
    while ((call = *p) != NULL) {
        call->moved = 0;
        if (call->step(run, call)) {
            *p = call->next;
            finish(run, call);
            moved = 1;
        } else {
            moved |= call->moved;
            p = &call->next;
        }
    }
    return moved;
}

int pkt_sock_end(struct pkt_run *run)
{
    struct pkt_call *call = run->sockets->pending;
    if (call != NULL)
        pkt_blame(run, call, "never returned: %s, script %s at %.6f",
                  call->sys->name, script_result(run, call->sys),
                  (double)(call->start + call->dur) / 1e6);
    return run->verdict.kind;
}

/* ---- configuration of connections -------------------------------------- */

static void config(struct pkt_run *run, const struct pkt_sock *s,
                   tcpsm_config *f)
{
    const struct pkt_sockopts *o = &s->o;
    uint32_t headers = s->family == 6 ? 60 : 40;
    *f = run->conf.tcp;
    if (f->counters == NULL)
        f->counters = &run->counters;
    if (o->cc != NULL)
        f->cc = o->cc;
    else if (run->sockets->cc != NULL)
        f->cc = run->sockets->cc;
    if (o->tos >= 0)
        f->dscp = (uint8_t)(o->tos >> 2 & 63);
    if (o->ttl > 0)
        f->ttl = (uint8_t)o->ttl;
    if (o->noopt > 0)
        f->flags |= TCPSM_NO_SACK | TCPSM_NO_TS | TCPSM_NO_SCALE;
    if (o->nodelay >= 0)
        f->flags = (f->flags & ~(uint32_t)TCPSM_NODELAY) |
                   (o->nodelay ? (uint32_t)TCPSM_NODELAY : 0);
    if (s->listening && o->maxseg > 0 &&
        (uint32_t)o->maxseg + headers < (f->mtu != 0 ? f->mtu : 1500u))
        f->mtu = (uint16_t)((uint32_t)o->maxseg + headers);
    if (o->rcvbuf > 0 && f->rcv_max < o->rcvbuf)
        f->rcv_max = (uint32_t)o->rcvbuf;
    if (s->listening && run->conf.quickacks > 0 && run->stack != NULL)
        f->ack_every = 1; /* until it is accepted: data may come sooner */
    if (s->listening && run->conf.fastopen_server != 0 &&
        (o->fastopen > 0 || (run->conf.fastopen_server & 0x400)))
        f->flags |= TCPSM_FASTOPEN;
}

/* The nth retransmission of a SYN is given up after these ms. */
static uint32_t syn_limit(int64_t retries)
{
    return (uint32_t)(((uint64_t)2 << (retries < 9 ? retries : 9)) - 1) *
           1000;
}

static void set(const struct pkt_sock *s, uint32_t option, int64_t v)
{
    (void)tcpsm_set(s->c, option, (uint32_t)v);
}

/* A ring of that size, if that is another size. What tcpsm refuses (law 8)
   does not happen, as Linux does not shrink an offered window either. */
static void resize(struct pkt_run *run, struct pkt_sock *s, uint32_t what,
                   int64_t n)
{
    struct tcpsm_info i;
    uint32_t size;
    void *mem;
    tcpsm_status(s->c, &i);
    size = what == TCPSM_RECEIVE ? i.rcv_queued + i.rcv_free
                                 : i.snd_queued + i.snd_free;
    if (n <= 0 || size == (uint32_t)n)
        return;
    mem = pkt_alloc(&run->arena, (size_t)n);
    (void)tcpsm_attach(s->c, what, mem, (uint32_t)n, NULL);
}

void pkt_sock_apply(struct pkt_run *run, struct pkt_sock *s)
{
    const struct pkt_sockopts *o = &s->o;
    if (s->c == NULL || pkt_sock_dead(s))
        return;
    if (o->nodelay >= 0)
        set(s, TCPSM_SET_NODELAY, o->nodelay != 0);
    s->nagle_off = o->nodelay >= 0
                       ? o->nodelay != 0
                       : (run->conf.tcp.flags & TCPSM_NODELAY) != 0;
    if (o->cork >= 0)
        set(s, TCPSM_SET_CORK, o->cork != 0);
    if (o->tos >= 0)
        set(s, TCPSM_SET_DSCP, o->tos >> 2 & 63);
    if (o->ttl > 0)
        set(s, TCPSM_SET_TTL, o->ttl);
    if (o->maxseg > 0)
        set(s, TCPSM_SET_MAXSEG, o->maxseg);
    if (o->keepidle > 0)
        set(s, TCPSM_SET_KEEP_IDLE, o->keepidle * 1000);
    if (o->keepintvl > 0)
        set(s, TCPSM_SET_KEEP_INTERVAL, o->keepintvl * 1000);
    if (o->keepcnt > 0)
        set(s, TCPSM_SET_KEEP_COUNT, o->keepcnt);
    if (o->keepalive >= 0)
        set(s, TCPSM_SET_KEEPALIVE, o->keepalive != 0);
    if (o->user_timeout > 0)
        set(s, TCPSM_SET_USER_TIMEOUT, o->user_timeout);
    else if (o->user_timeout == 0)
        set(s, TCPSM_SET_USER_TIMEOUT,
            run->conf.tcp.user_timeout_ms != 0 ? run->conf.tcp.user_timeout_ms
                                               : 300000);
    if (o->syncnt > 0)
        set(s, TCPSM_SET_SYN_LIMIT, syn_limit(o->syncnt));
    if (o->linger2 > 0)
        set(s, TCPSM_SET_MSL, o->linger2 * 500);
    if (o->rto_max_ms > 0)
        set(s, TCPSM_SET_RTO_MAX, o->rto_max_ms);
    if (o->rto_min_us > 0) {
        set(s, TCPSM_SET_RTO_MIN, o->rto_min_us);
        s->rto_min = 0;
    }
    if (o->delack_max_us > 0)
        set(s, TCPSM_SET_ACK_DELAY, o->delack_max_us);
    if (o->linger_on == 1 && o->linger_s == 0)
        set(s, TCPSM_SET_LINGER, 0);
    else if (o->linger_on >= 0)
        set(s, TCPSM_SET_LINGER, TCPSM_OFF);
    resize(run, s, TCPSM_RECEIVE, o->rcvbuf);
    if (o->sndbuf > 0) {
        resize(run, s, TCPSM_SEND, pkt_sock_sndbuf(run, o->sndbuf));
        s->limit = is_profile(run, "linux") ? linux_sndbuf(o->sndbuf) : 0;
    }
}

/* tcpsm holds a short segment back while anything is unacknowledged (RFC
   9293 s3.7.4). Linux does so only while a short one is, FreeBSD unless all
   was when the bytes were written: their scripts see the difference in the
   tail of every write. 1: it may go now, and could not before. */
static int nagle(struct pkt_run *run, struct pkt_sock *s)
{
    struct tcpsm_info i;
    uint32_t least;
    int off;
    if (s->c == NULL || s->o.nodelay > 0 || pkt_sock_dead(s) ||
        (run->conf.tcp.flags & TCPSM_NODELAY) || !run->conf.nagle_small)
        return 0;
    least = pkt_info_least(run, s->c);
    tcpsm_status(s->c, &i);
    off = pkt_sock_bsd(run) ? least == UINT32_MAX : least >= i.smss;
    if (off == s->nagle_off)
        return 0;
    s->nagle_off = off;
    set(s, TCPSM_SET_NODELAY, off);
    return off;
}

/* Linux's RTO is SRTT + max(min, 4 RTTVAR), FreeBSD's is max(min, SRTT +
   4 RTTVAR) and a slop on top; tcpsm's max(min, SRTT + 4 RTTVAR) becomes
   theirs by the minimum. */
static void tune_rto(struct pkt_run *run, struct pkt_sock *s)
{
    const struct pkt_conf *f = &run->conf;
    struct tcpsm_info i;
    uint32_t min =
        s->o.rto_min_us > 0 ? (uint32_t)s->o.rto_min_us : f->tcp.rto_min_us;
    if (s->c == NULL || f->rto_form == PKT_RTO_RFC || pkt_sock_dead(s))
        return;
    tcpsm_status(s->c, &i);
    if (i.srtt_us == 0)
        return;
    if (f->rto_form == PKT_RTO_LINUX) {
        min += i.srtt_us;
    } else {
        min = i.srtt_us + 4 * i.rttvar_us;
        if (min < f->rto_least_us)
            min = f->rto_least_us;
        min += f->rto_slop_us;
    }
    if (min == s->rto_min || min > 60000000u)
        return;
    s->rto_min = min;
    set(s, TCPSM_SET_RTO_MIN, min);
}

/* What was to go has gone: the cork is back. */
static void recork(struct pkt_run *run, struct pkt_sock *s)
{
    if (!s->recork)
        return;
    s->recork = 0;
    s->o.cork = 1;
    pkt_sock_apply(run, s);
}

/* A connection of ours, new: what a configuration cannot say. */
static void adopt(struct pkt_run *run, struct pkt_sock *s, tcpsm_conn *c)
{
    s->c = c;
    s->shut = s->fin = s->established = s->error_seen = s->oob = 0;
    s->err = 0;
    s->wrote = s->nread = s->arrived = s->later_bytes = 0;
    s->later = NULL;
    s->later_end = &s->later;
    s->rto_min = 0;
    tcpsm_set_user(c, s);
    if (run->conf.quickacks > 0 && run->stack != NULL) /* see config() */
        set(s, TCPSM_SET_ACK_EVERY,
            run->conf.tcp.ack_every != 0 ? run->conf.tcp.ack_every : 2);
    if (s->o.quickack < 0 && run->conf.quickacks > 0)
        set(s, TCPSM_SET_QUICKACK,
            run->conf.quickacks < 255 ? run->conf.quickacks : 255);
    else if (s->o.quickack >= 0)
        set(s, TCPSM_SET_QUICKACK, s->o.quickack ? 16 : 0);
    pkt_sock_apply(run, s);
}

/* ---- names ------------------------------------------------------------- */

static int hex_of(char c)
{
    const char *at, *digits = "0123456789abcdef";
    if (c >= 'A' && c <= 'F')
        c = (char)(c - 'A' + 'a');
    at = c != 0 ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

static int parse_ip4(const char *s, uint8_t ip[16])
{
    int i, n, any;
    for (i = 0; i < 4; i++) {
        for (n = any = 0; *s >= '0' && *s <= '9' && n < 256; s++, any = 1)
            n = 10 * n + (*s - '0');
        if (!any || n > 255 || *s != (i < 3 ? '.' : '\0'))
            return 0;
        ip[i] = (uint8_t)n;
        s++;
    }
    return 1;
}

static int parse_ip6(const char *s, uint8_t ip[16])
{
    int n = 0, gap = -1, v, digits;
    uint8_t t[16] = {0};
    if (s[0] == ':' && s[1] == ':') {
        gap = 0;
        s += 2;
    }
    while (*s != 0 && n < 8) {
        for (v = digits = 0; hex_of(*s) >= 0 && digits < 4; s++, digits++)
            v = v << 4 | hex_of(*s);
        if (digits == 0)
            return 0;
        t[2 * n] = (uint8_t)(v >> 8);
        t[2 * n + 1] = (uint8_t)v;
        n++;
        if (*s == ':' && s[1] == ':' && gap < 0) {
            gap = n;
            s += 2;
        } else if (*s == ':' && s[1] != 0) {
            s++;
        } else if (*s != 0) {
            return 0;
        }
    }
    if (*s != 0 || (gap < 0 && n != 8))
        return 0;
    memset(ip, 0, 16);
    if (gap < 0)
        gap = n;
    memcpy(ip, t, (size_t)(2 * gap));
    memcpy(ip + 16 - 2 * (n - gap), t + 2 * gap, (size_t)(2 * (n - gap)));
    return 1;
}

static int parse_ip(const struct pkt_expr *e, int family, uint8_t ip[16])
{
    int64_t v;
    int i;
    const struct pkt_expr *k;
    if (e == NULL)
        return 0;
    if (e->kind == PKT_CALL) { /* inet_addr("..."), inet_pton(AF, "...") */
        for (k = e->kids; k != NULL; k = k->next)
            if (k->kind == PKT_STRING)
                return parse_ip(k, family, ip);
        if (e->kids == NULL)
            return 0;
        e = e->kids;
    }
    if (e->kind == PKT_STRING)
        return family == 4 ? parse_ip4(e->s, ip) : parse_ip6(e->s, ip);
    if (!pkt_quiet_value(e, &v))
        return 0;
    memset(ip, 0, 16);
    for (i = 0; family == 4 && i < 4; i++)
        ip[i] = (uint8_t)(v >> (24 - 8 * i));
    return 1;
}

static int wire_family(const struct pkt_run *run)
{
    return run->conf.ip_version == 6 ? 6 : 4;
}

int pkt_sock_name(struct pkt_run *run, const struct pkt_expr *e, int remote,
                  uint8_t ip[16], uint16_t *port, int *given)
{
    int64_t family, n;
    const struct pkt_expr *addr, *p;
    *given = 0;
    memset(ip, 0, 16);
    if (pkt_is_any(e)) {
        memcpy(ip, remote ? run->conf.remote_ip : run->conf.local_ip,
               wire_family(run) == 6 ? 16 : 4);
        *port = remote ? run->conf.connect_port : run->conf.bind_port;
        return 1;
    }
    *given = 1;
    if (e->kind == PKT_NAME) { /* AF_UNSPEC: Linux would disconnect */
        pkt_skip(run, "socket address %s", e->s);
        return 0;
    }
    if (e->kind != PKT_STRUCT) {
        pkt_fail(run, "syntax: a socket address is wanted here");
        return 0;
    }
    family = wire_family(run) == 6 ? 10 : 2;
    p = pkt_member(e, "sa_family", 0);
    if (p == NULL)
        p = pkt_member(e, "sin6_family", 99);
    if (p == NULL)
        p = pkt_member(e, "sin_family", 99);
    if (p != NULL && !pkt_is_any(p) && !pkt_value(run, p, &family))
        return 0;
    p = pkt_member(e, family == 10 ? "sin6_port" : "sin_port", 1);
    if (pkt_is_any(p))
        n = remote ? run->conf.connect_port : run->conf.bind_port;
    else if (!pkt_value(run, p, &n))
        return 0;
    *port = (uint16_t)n;
    addr = pkt_member(e, family == 10 ? "sin6_addr" : "sin_addr", 2);
    if (family == 10 && addr == NULL)
        addr = pkt_member(e, "sin6_addr", 3);
    if (pkt_is_any(addr)) {
        memcpy(ip, remote ? run->conf.remote_ip : run->conf.local_ip,
               wire_family(run) == 6 ? 16 : 4);
        return 1;
    }
    if (!parse_ip(addr, family == 10 ? 6 : 4, ip)) {
        pkt_fail(run, "syntax: an address is wanted here");
        return 0;
    }
    if (family == 10 && wire_family(run) == 4) {
        memmove(ip, ip + 12, 4); /* mapped */
        memset(ip + 4, 0, 12);
    }
    return 1;
}

static void tuple_of(struct pkt_run *run, const struct pkt_sock *s,
                     tcpsm_tuple *t)
{
    memset(t, 0, sizeof *t);
    t->family = (uint8_t)wire_family(run);
    if (s->bound) {
        memcpy(t->local, s->local, 16);
        t->local_port = s->port;
    }
}

/* ---- writing ----------------------------------------------------------- */

static void release(struct pkt_run *run, struct pkt_sock *s);

static void fill(uint8_t *p, uint32_t offset, uint32_t n)
{
    uint32_t i;
    for (i = 0; i < n; i++)
        p[i] = pkt_byte(0, offset + i);
}

static uint32_t give(struct pkt_run *run, struct pkt_sock *s, uint32_t len,
                     uint32_t flags)
{
    uint32_t did = 0, n, f;
    tcpsm_ret r;
    while (did < len) {
        n = len - did;
        f = flags;
        if (n > sizeof run->sockets->buf) {
            n = (uint32_t)sizeof run->sockets->buf;
            f = TCPSM_MORE;
        }
        fill(run->sockets->buf, s->wrote - s->later_bytes + did, n);
        r = tcpsm_send(s->c, run->sockets->buf, n, f);
        if (r <= 0)
            break;
        did += (uint32_t)r;
    }
    return did;
}

static uint32_t put_off(struct pkt_run *run, struct pkt_sock *s, uint32_t len,
                        uint32_t flags)
{
    struct tcpsm_info i;
    struct pkt_later *k;
    uint32_t room;
    tcpsm_status(s->c, &i);
    room = i.snd_free > s->later_bytes ? i.snd_free - s->later_bytes : 0;
    if (len > room) {
        len = room;
        flags &= ~(uint32_t)TCPSM_EOR;
    }
    if (len == 0)
        return 0;
    k = pkt_alloc(&run->arena, sizeof *k);
    k->len = len;
    k->flags = flags;
    *s->later_end = k;
    s->later_end = &k->next;
    s->later_bytes += len;
    s->wrote += len;
    return len;
}

uint32_t pkt_sock_send(struct pkt_run *run, struct pkt_sock *s, uint32_t len,
                       uint32_t flags)
{
    uint32_t n = 0;
    if (s->later == NULL)
        n = give(run, s, len, flags);
    s->wrote += n;
    if (n == 0 && (s->later != NULL || (flags & TCPSM_EOR)))
        n = put_off(run, s, len, flags);
    return n;
}

/* What waits here goes on. 1: something did. */
static int flush(struct pkt_run *run, struct pkt_sock *s)
{
    struct pkt_later *k;
    uint32_t n;
    int did = 0;
    while ((k = s->later) != NULL && s->c != NULL) {
        n = pkt_sock_dead(s) ? k->len : give(run, s, k->len, k->flags);
        if (n == 0)
            return did;
        did = 1;
        s->later_bytes -= n;
        k->len -= n;
        if (k->len != 0)
            continue;
        s->later = k->next;
        if (s->later == NULL)
            s->later_end = &s->later;
    }
    if (s->fin_later && s->c != NULL) {
        s->fin_later = 0;
        (void)tcpsm_shutdown(s->c);
        did = 1;
    }
    if (s->close_later) {
        s->close_later = 0;
        release(run, s);
        did = 1;
    }
    return did;
}

uint32_t pkt_sock_queued(const struct pkt_sock *s)
{
    struct tcpsm_info i;
    tcpsm_status(s->c, &i);
    return i.snd_queued + s->later_bytes;
}

int pkt_sock_writable(const struct pkt_sock *s)
{
    struct tcpsm_info i;
    uint32_t queued = pkt_sock_queued(s), room;
    tcpsm_status(s->c, &i);
    room = i.snd_queued + i.snd_free;
    if (s->limit != 0)
        room = s->limit;
    room = room > queued ? room - queued : 0;
    return room != 0 && room >= queued / 2 &&
           (s->o.notsent_lowat <= 0 ||
            2 * ((uint64_t)i.unsent + s->later_bytes) <
                (uint64_t)s->o.notsent_lowat);
}

/* ---- opening ----------------------------------------------------------- */

/* Layer 1 has one connection; a new one may follow the old one. */
static tcpsm_conn *only_conn(struct pkt_run *run, const struct pkt_sock *s,
                             const tcpsm_config *f)
{
    tcpsm_conn *c = run->conn;
    uint32_t r = s->o.rcvbuf > 0 ? (uint32_t)s->o.rcvbuf : run->conf.rcvbuf;
    uint32_t n = s->o.sndbuf > 0 ? pkt_sock_sndbuf(run, s->o.sndbuf)
                                 : run->conf.sndbuf;
    if (c != NULL && tcpsm_state(c) != TCPSM_CLOSED) {
        pkt_skip(run, "a second connection at a time (layer 1)");
        return NULL;
    }
    c = pkt_alloc(&run->arena, sizeof *c);
    if (tcpsm_init(c, f) < 0) {
        pkt_fail(run, "configuration: tcpsm refuses it");
        return NULL;
    }
    (void)tcpsm_attach(c, TCPSM_RECEIVE, pkt_alloc(&run->arena, r), r, NULL);
    (void)tcpsm_attach(c, TCPSM_SEND, pkt_alloc(&run->arena, n), n, NULL);
    run->conn = c;
    return c;
}

static int errno_of_open(tcpsm_ret e)
{
    switch (e) {
    case TCPSM_E_STATE:
        return PKT_EADDRNOTAVAIL; /* as Linux: that tuple is taken */
    case TCPSM_E_SPACE:
        return PKT_EADDRNOTAVAIL;
    case TCPSM_E_NONE:
        return PKT_ENETUNREACH;
    default:
        return PKT_ENETUNREACH; /* broadcast, multicast */
    }
}

static void release(struct pkt_run *run, struct pkt_sock *s)
{
    if (s->c == NULL)
        return;
    tcpsm_set_user(s->c, NULL);
    if (run->stack != NULL)
        (void)tcpsm_stack_release(run->stack, s->c);
    else
        (void)tcpsm_close(s->c);
    s->c = NULL;
    if (run->sockets->last == s)
        run->sockets->last = NULL;
}

int pkt_sock_open(struct pkt_run *run, struct pkt_sock *s, int fo)
{
    tcpsm_config f;
    tcpsm_tuple t;
    tcpsm_conn *c;
    tcpsm_ret e;
    release(run, s); /* of a failed attempt */
    config(run, s, &f);
    tuple_of(run, s, &t);
    memcpy(t.remote, run->conf.remote_ip, t.family == 6 ? 16 : 4);
    t.remote_port = run->conf.connect_port;
    if (run->stack != NULL) {
        e = tcpsm_stack_connect(run->stack, &t, &f, &c, pkt_now(run));
    } else {
        if (!s->bound) {
            memcpy(t.local, run->conf.local_ip, t.family == 6 ? 16 : 4);
            t.local_port = run->conf.bind_port;
        }
        c = only_conn(run, s, &f);
        if (c == NULL)
            return PKT_EADDRNOTAVAIL;
        if (s->o.maxseg > 0)
            (void)tcpsm_set(c, TCPSM_SET_MAXSEG, (uint32_t)s->o.maxseg);
        e = tcpsm_open(c, &t, pkt_now(run));
    }
    if (e < 0)
        return errno_of_open(e);
    adopt(run, s, c);
    tcpsm_name(c, &t);
    memcpy(s->local, t.local, 16);
    s->port = t.local_port;
    s->phase = PKT_CONNECTING;
    s->active = 1;
    run->sockets->last = s;
    if (fo)
        (void)tcpsm_fastopen_use(c, &run->sockets->fo);
    return 0;
}

static int start_listening(struct pkt_run *run, struct pkt_sock *s)
{
    tcpsm_config f;
    tcpsm_tuple t;
    tcpsm_conn *c;
    uint32_t room = s->backlog + 1; /* Linux: more than it, not so many */
    s->listening = 1;
    config(run, s, &f);
    tuple_of(run, s, &t);
    if (run->stack != NULL) {
        /* One connection is accepted before anybody asks for it. */
        if (room > 1)
            room--;
        s->listener = tcpsm_stack_listen(run->stack, &t, room, 0, &f);
        return s->listener < 0 ? PKT_EADDRINUSE : 0;
    }
    memcpy(t.local, run->conf.local_ip, t.family == 6 ? 16 : 4);
    c = only_conn(run, s, &f);
    if (c == NULL)
        return PKT_EADDRINUSE;
    if (s->o.maxseg > 0)
        (void)tcpsm_set(c, TCPSM_SET_MAXSEG, (uint32_t)s->o.maxseg);
    if (tcpsm_listen(c, &t, pkt_now(run)) < 0)
        return PKT_EADDRINUSE;
    return 0;
}

/* Options that show in a SYN-ACK, set after listen(). */
void pkt_sock_relisten(struct pkt_run *run, struct pkt_sock *s)
{
    struct tcpsm_stack_info i;
    if (s->listening && run->stack == NULL && run->conn != NULL &&
        tcpsm_user(run->conn) == NULL) {
        s->c = run->conn;
        pkt_sock_apply(run, s);
        s->c = NULL;
        return;
    }
    if (!s->listening || run->stack == NULL || s->listener < 0)
        return;
    tcpsm_stack_status(run->stack, &i);
    if (i.syns != 0 || i.unaccepted != 0)
        return;
    (void)tcpsm_stack_unlisten(run->stack, s->listener);
    (void)start_listening(run, s);
}

/* ---- what became of a connection --------------------------------------- */

int pkt_sock_dead(const struct pkt_sock *s)
{
    return s->c == NULL || tcpsm_state(s->c) == TCPSM_CLOSED ||
           tcpsm_state(s->c) == TCPSM_TIME_WAIT;
}

/* ICMP's type and code, as tcpsm keeps them: 0 if none. */
static int errno_of_icmp(const struct pkt_sock *s)
{
    struct tcpsm_info i;
    tcpsm_status(s->c, &i);
    if (i.soft_error == 0)
        return 0;
    if (i.family == 6) {
        if (i.soft_error >> 4 != 1)
            return i.soft_error >> 4 == 4 ? 71 : PKT_EHOSTUNREACH;
        switch (i.soft_error & 15) {
        case 0:
            return PKT_ENETUNREACH;
        case 1:
            return 13;
        case 4:
            return PKT_ECONNREFUSED;
        default:
            return PKT_EHOSTUNREACH;
        }
    }
    if (i.soft_error >> 4 == 12)
        return 71;
    if (i.soft_error >> 4 != 3)
        return PKT_EHOSTUNREACH;
    switch (i.soft_error & 15) {
    case 0:
    case 6:
    case 8:
    case 9:
    case 11:
        return i.soft_error == 0x38 ? 64 : PKT_ENETUNREACH;
    case 2:
        return PKT_ENOPROTOOPT;
    case 3:
        return PKT_ECONNREFUSED;
    case 4:
        return 90;
    case 5:
        return PKT_EOPNOTSUPP;
    case 7:
        return PKT_EHOSTDOWN;
    default:
        return PKT_EHOSTUNREACH;
    }
}

static int errno_of_end(const struct pkt_run *run, const struct pkt_sock *s)
{
    int icmp = errno_of_icmp(s);
    switch (tcpsm_error(s->c)) {
    case TCPSM_E_RESET:
        return s->fin && !pkt_sock_bsd(run) ? PKT_EPIPE : PKT_ECONNRESET;
    case TCPSM_E_REFUSED:
        return PKT_ECONNREFUSED;
    case TCPSM_E_TIMEOUT:
        return icmp != 0 ? icmp : PKT_ETIMEDOUT;
    case TCPSM_E_UNREACHABLE:
        return icmp != 0 ? icmp : PKT_EHOSTUNREACH;
    default:
        return PKT_ECONNABORTED;
    }
}

/* Linux's user part gives up a connect() for errors that RFC 9293 calls
   soft (RFC9293-MUST-56 is about connections; RFC 5461 s4.1). */
static void give_up(struct pkt_run *run, struct pkt_sock *s)
{
    int e;
    if (!is_profile(run, "linux") || s->phase != PKT_CONNECTING ||
        s->established || s->error_seen ||
        tcpsm_state(s->c) != TCPSM_SYN_SENT)
        return;
    e = errno_of_icmp(s);
    if (e == 0)
        return;
    s->err = e;
    s->error_seen = 1;
    (void)tcpsm_abort(s->c);
}

uint32_t pkt_sock_mask(const struct pkt_sock *s)
{
    struct tcpsm_info i;
    uint32_t m = 0;
    int shut, dead = pkt_sock_dead(s);
    if (s->listening)
        return s->children != NULL ? PKT_IN | PKT_RDNORM : 0;
    if (s->fo_waiting)
        return PKT_OUT | PKT_WRNORM;
    if (s->err != 0)
        m |= PKT_ERR;
    if (s->c == NULL)
        return m | PKT_HUP | PKT_OUT | PKT_WRNORM;
    shut = s->shut | (s->fin ? 1 : 0);
    if (dead && (s->established || s->error_seen))
        shut = 3;
    if (shut == 3 || dead)
        m |= PKT_HUP;
    if (shut & 1)
        m |= PKT_IN | PKT_RDNORM | PKT_RDHUP;
    tcpsm_status(s->c, &i);
    if (!s->established && !dead && !(tcpsm_events(s->c) & TCPSM_EV_READABLE))
        return m; /* SYN-SENT */
    if (tcpsm_events(s->c) & TCPSM_EV_READABLE)
        m |= PKT_IN | PKT_RDNORM;
    if (i.rcv_queued == 1 && i.urgent == 1 && s->o.oobinline <= 0 &&
        !(shut & 1))
        m &= ~(uint32_t)(PKT_IN | PKT_RDNORM);
    if (s->oob == 1)
        m |= PKT_PRI;
    if ((shut & 2) || pkt_sock_writable(s))
        m |= PKT_OUT | PKT_WRNORM;
    return m;
}

/* The urgent byte is taken out of the stream, as sockets have it, when it
   is the next but for what is readable before it. */
static void look_for_oob(struct pkt_sock *s)
{
    struct tcpsm_info i;
    tcpsm_cspan p[2];
    tcpsm_ret n;
    tcpsm_status(s->c, &i);
    if (i.urgent == 0 || i.urgent > i.rcv_queued || s->o.oobinline > 0 ||
        s->oob != 0)
        return;
    n = tcpsm_receive_peek(s->c, p);
    if (n < (tcpsm_ret)i.urgent)
        return;
    s->oob_byte = i.urgent <= p[0].n ? p[0].p[i.urgent - 1]
                                     : p[1].p[i.urgent - 1 - p[0].n];
    s->oob = 1;
}

void pkt_sock_look(struct pkt_run *run, struct pkt_sock *s)
{
    struct tcpsm_info i;
    uint32_t ev, mask, arrived;
    if (s->c != NULL) {
        ev = tcpsm_events(s->c);
        if (ev & TCPSM_EV_CONNECTED)
            s->established = 1;
        if (ev & TCPSM_EV_EOF)
            s->fin = 1;
        if (tcpsm_error(s->c) != 0 && !s->error_seen) {
            s->error_seen = 1;
            s->err = errno_of_end(run, s);
        }
        give_up(run, s);
        tcpsm_status(s->c, &i);
        look_for_oob(s);
        arrived = s->nread + i.rcv_queued;
        if (arrived != s->arrived)
            s->activity++;
        s->arrived = arrived;
    }
    mask = pkt_sock_mask(s);
    if (mask & ~s->mask)
        s->activity++;
    s->mask = mask;
}

int pkt_sock_error(struct pkt_sock *s)
{
    int e = s->err;
    s->err = 0;
    return e;
}

/* ---- progress ---------------------------------------------------------- */

static void child(struct pkt_run *run, struct pkt_sock *l, tcpsm_conn *c)
{
    struct pkt_sock *s = pkt_sock_new(run);
    tcpsm_tuple t;
    s->o = l->o;
    s->o.reuseport = -1;
    s->o.fastopen = s->o.fastopen_connect = -1;
    s->o.rcvtimeo_us = l->o.rcvtimeo_us;
    s->family = l->family;
    s->bound = 1;
    tcpsm_name(c, &t);
    memcpy(s->local, t.local, 16);
    s->port = t.local_port;
    adopt(run, s, c);
    s->phase = PKT_CONNECTED;
    s->established = 1;
    *l->children_end = s;
    l->children_end = &s->sibling;
    l->activity++;
    pkt_sock_look(run, s);
}

static int accept_all(struct pkt_run *run)
{
    struct pkt_sock *s, *l = NULL;
    struct tcpsm_stack_info i;
    tcpsm_ret number;
    tcpsm_conn *c;
    int listeners = 0, waiting = 0;
    if (run->stack == NULL)
        return 0;
    for (s = run->sockets->all; s != NULL; s = s->next)
        if (s->listening && s->listener >= 0) {
            listeners++;
            waiting += s->children != NULL;
        }
    tcpsm_stack_status(run->stack, &i);
    if (i.unaccepted == 0 || (listeners == 1 && waiting != 0))
        return 0;
    c = tcpsm_stack_accept(run->stack, &number);
    if (c == NULL)
        return 0;
    for (s = run->sockets->all; s != NULL; s = s->next)
        if (s->listening && s->listener == number)
            l = s;
    if (l != NULL)
        child(run, l, c);
    return 1;
}

/* Layer 1: the listener becomes the connection. */
static int accept_only(struct pkt_run *run)
{
    struct pkt_sock *s;
    if (run->stack != NULL || run->conn == NULL ||
        tcpsm_user(run->conn) != NULL)
        return 0;
    for (s = run->sockets->all; s != NULL; s = s->next)
        if (s->listening && s->fd >= 0)
            break;
    if (s == NULL ||
        !(tcpsm_events(run->conn) & (TCPSM_EV_CONNECTED | TCPSM_EV_READABLE)))
        return 0;
    child(run, s, run->conn);
    return 1;
}

static void news(struct pkt_run *run, tcpsm_conn *c, uint32_t ev)
{
    struct pkt_sock *s = tcpsm_user(c);
    if (s == NULL)
        return;
    if (ev & TCPSM_EV_CONNECTED)
        s->established = 1;
    if (ev & TCPSM_EV_EOF)
        s->fin = 1;
    if (ev & (TCPSM_EV_CONNECTED | TCPSM_EV_ERROR))
        (void)tcpsm_fastopen_learn(c, &run->sockets->fo);
    pkt_sock_look(run, s);
}

int pkt_sock_progress(struct pkt_run *run)
{
    struct pkt_sock *s;
    tcpsm_conn *c;
    uint32_t ev;
    int did = 0, turn;
    if (run->sockets == NULL)
        return 0;
    do {
        turn = 0;
        while (run->stack != NULL &&
               (c = tcpsm_stack_next(run->stack, &ev)) != NULL) {
            news(run, c, ev);
            turn = 1;
        }
        if (run->stack == NULL && run->conn != NULL) {
            ev = tcpsm_take(run->conn);
            if (ev != 0)
                news(run, run->conn, ev);
            turn |= ev != 0;
        }
        turn |= accept_all(run);
        turn |= accept_only(run);
        for (s = run->sockets->all; s != NULL; s = s->next)
            if (!s->is_epoll) {
                pkt_sock_look(run, s);
                recork(run, s);
                tune_rto(run, s);
                turn |= nagle(run, s);
                turn |= flush(run, s);
            }
        turn |= try_pending(run);
        did |= turn;
    } while (turn && run->verdict.kind == PKT_OK);
    return did;
}

/* ---- socket, bind, listen, accept -------------------------------------- */

static int want_args(struct pkt_run *run, const struct pkt_call *call, int n)
{
    if (call->n >= n)
        return 1;
    pkt_fail(run, "syntax: %s has %d arguments, not %d", call->sys->name, n,
             call->n);
    return 0;
}

/* The descriptor that the script's result names. */
int pkt_sock_number(struct pkt_run *run, struct pkt_call *call,
                    struct pkt_sock *s)
{
    int64_t fd;
    if (call->sys->error != NULL || !pkt_quiet_value(call->sys->result, &fd))
        fd = 1000000 + call->ev->line; /* the comparison will complain */
    if (fd < 0 || fd > INT32_MAX)
        fd = 1000000 + call->ev->line;
    if (pkt_sock_find(run, fd) != NULL) {
        pkt_blame(run, call, "result: %d is an open descriptor", (int)fd);
        return pkt_done(call, fd);
    }
    s->fd = (int)fd;
    return pkt_done(call, fd);
}

static int call_socket(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s;
    int64_t domain, type, protocol = 0;
    if (!want_args(run, call, 3))
        return 1;
    domain = wire_family(run) == 6 || run->conf.ip_version == 46 ? 10 : 2;
    if (!pkt_is_any(call->arg[0]) && !pkt_value(run, call->arg[0], &domain))
        return 1;
    if (!pkt_value(run, call->arg[1], &type) ||
        !pkt_value(run, call->arg[2], &protocol))
        return 1;
    if (domain != 2 && domain != 10)
        return pkt_errs(call, 97);
    if ((type & 0xF) != 1 || (protocol != 0 && protocol != 6))
        return pkt_errs(call, 93);
    s = pkt_sock_new(run);
    s->family = domain == 10 && run->conf.ip_version != 46 ? 6 : 4;
    s->nonblock = (type & PKT_NONBLOCK) != 0;
    return pkt_sock_number(run, call, s);
}

/* May it have this port? Linux: two may if both say SO_REUSEADDR and none
   listens. */
static int port_taken(struct pkt_run *run, const struct pkt_sock *s,
                      uint16_t port)
{
    const struct pkt_sock *o;
    for (o = run->sockets->all; o != NULL; o = o->next) {
        if (o == s || o->port != port || (o->fd < 0 && o->sibling == NULL) ||
            !(o->bound || o->c != NULL))
            continue;
        if (s->o.reuseport > 0 && o->o.reuseport > 0)
            continue;
        if (s->o.reuseaddr > 0 && o->o.reuseaddr > 0 && !o->listening)
            continue;
        return 1;
    }
    return 0;
}

static int is_zero(const uint8_t *p, size_t n)
{
    while (n > 0 && *p == 0) {
        p++;
        n--;
    }
    return n == 0;
}

static int call_bind(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    uint8_t ip[16];
    uint16_t port;
    int given;
    size_t n = wire_family(run) == 6 ? 16 : 4;
    if (!want_args(run, call, 2) ||
        !pkt_sock_name(run, call->arg[1], 0, ip, &port, &given))
        return 1;
    if (s->bound || s->listening || s->c != NULL)
        return pkt_errs(call, PKT_EINVAL);
    if (!is_zero(ip, n) && memcmp(ip, run->conf.local_ip, n) != 0 &&
        s->o.freebind <= 0 && !run->conf.nonlocal_bind)
        return pkt_errs(call, PKT_EADDRNOTAVAIL);
    if (port_taken(run, s, port))
        return pkt_errs(call, PKT_EADDRINUSE);
    s->bound = 1;
    memcpy(s->local, ip, 16);
    s->port = port;
    return pkt_done(call, 0);
}

static int call_listen(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    int64_t backlog;
    int e, given;
    if (!want_args(run, call, 2) || !pkt_value(run, call->arg[1], &backlog))
        return 1;
    if (s->c != NULL)
        return pkt_errs(call, PKT_EINVAL);
    if (s->listening)
        return pkt_done(call, 0);
    if (!s->bound) {
        s->bound = 1;
        if (!pkt_sock_name(run, NULL, 0, s->local, &s->port, &given))
            return 1;
    }
    s->backlog = backlog < 0 || backlog > 4096 ? 4096 : (uint32_t)backlog;
    e = start_listening(run, s);
    if (e != 0) {
        s->listening = 0;
        return pkt_errs(call, e);
    }
    pkt_wire_listen(run, s->port);
    return pkt_done(call, 0);
}

static int step_accept(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *l = call->s, *s = l->children;
    if (s == NULL && !call->blocking)
        return pkt_errs(call, PKT_EAGAIN);
    if (s == NULL && run->now >= call->deadline)
        return pkt_errs(call, PKT_EAGAIN);
    if (s == NULL)
        return 0;
    l->children = s->sibling;
    if (l->children == NULL)
        l->children_end = &l->children;
    s->sibling = NULL;
    s->nonblock = (call->i[0] & PKT_NONBLOCK) != 0;
    if (pkt_sock_bsd(run) && l->nonblock)
        s->nonblock = 1;
    run->sockets->last = s;
    return pkt_sock_number(run, call, s);
}

static void times_out(struct pkt_run *run, struct pkt_call *call, int64_t us)
{
    if (us > 0)
        call->deadline = run->now + us;
}

static int call_accept(struct pkt_run *run, struct pkt_call *call)
{
    if (!want_args(run, call, 1))
        return 1;
    if (strcmp(call->sys->name, "accept4") == 0 &&
        (!want_args(run, call, 4) ||
         !pkt_value(run, call->arg[3], &call->i[0])))
        return 1;
    if (!call->s->listening)
        return pkt_errs(call, PKT_EINVAL);
    call->blocking = !call->s->nonblock;
    times_out(run, call, call->s->o.rcvtimeo_us);
    call->step = step_accept;
    return step_accept(run, call);
}

/* ---- connect ----------------------------------------------------------- */

static int step_connect(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    int e;
    pkt_sock_look(run, s);
    if (s->error_seen && !s->established) {
        e = pkt_sock_error(s);
        s->phase = PKT_FRESH;
        return pkt_errs(call, e != 0 ? e : PKT_ECONNABORTED);
    }
    if (s->established) {
        s->phase = PKT_CONNECTED;
        return pkt_done(call, 0);
    }
    if (s->c == NULL) /* somebody shut it down */
        return pkt_errs(call, PKT_ECONNABORTED);
    if (!call->blocking || run->now >= call->deadline)
        return pkt_errs(call, call->i[0] ? PKT_EALREADY : PKT_EINPROGRESS);
    return 0;
}

static int call_connect(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    uint8_t ip[16];
    uint16_t port;
    int given, e, fo;
    if (!want_args(run, call, 2) ||
        !pkt_sock_name(run, call->arg[1], 1, ip, &port, &given))
        return 1;
    call->blocking = !s->nonblock;
    times_out(run, call, s->o.sndtimeo_us);
    call->step = step_connect;
    if (s->listening && pkt_sock_bsd(run))
        return pkt_errs(call, PKT_EOPNOTSUPP);
    if (s->listening || s->phase == PKT_CONNECTED || s->fo_waiting)
        return pkt_errs(call, PKT_EISCONN);
    if (s->phase == PKT_CONNECTING) {
        call->i[0] = 1;
        pkt_sock_look(run, s);
        if (s->established && pkt_sock_bsd(run))
            return pkt_errs(call, PKT_EISCONN);
        return step_connect(run, call);
    }
    if (given) {
        memcpy(run->conf.remote_ip, ip, 16);
        run->conf.connect_port = port;
    }
    fo = s->o.fastopen_connect > 0 && run->conf.fastopen_client != 0;
    if (fo && run->sockets->fo.len != 0) {
        s->fo_waiting = 1;
        return pkt_done(call, 0);
    }
    e = pkt_sock_open(run, s, fo);
    return e != 0 ? pkt_errs(call, e) : step_connect(run, call);
}

/* ---- shutdown and close ------------------------------------------------ */

static void stop_listening(struct pkt_run *run, struct pkt_sock *s)
{
    struct pkt_sock *k;
    while ((k = s->children) != NULL) {
        s->children = k->sibling;
        k->sibling = NULL;
        (void)tcpsm_set(k->c, TCPSM_SET_LINGER, 0);
        release(run, k);
    }
    s->children_end = &s->children;
    if (run->stack != NULL && s->listener >= 0)
        (void)tcpsm_stack_unlisten(run->stack, s->listener);
    else if (run->stack == NULL && run->conn != NULL &&
             tcpsm_user(run->conn) == NULL)
        (void)tcpsm_close(run->conn);
    s->listener = -1;
    s->listening = 0;
}

static int call_shutdown(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    int64_t how;
    if (!want_args(run, call, 2) || !pkt_value(run, call->arg[1], &how))
        return 1;
    if (how < 0 || how > 2)
        return pkt_errs(call, PKT_EINVAL);
    how++; /* bits: 1 to read, 2 to write */
    if (s->listening) {
        if (how & 1)
            stop_listening(run, s);
        return pkt_done(call, 0);
    }
    if (pkt_sock_dead(s))
        return pkt_errs(call, PKT_ENOTCONN);
    if (tcpsm_state(s->c) == TCPSM_SYN_SENT) { /* as Linux: disconnects */
        (void)tcpsm_abort(s->c);
        release(run, s);
        s->phase = PKT_FRESH;
        s->err = PKT_ECONNRESET;
        return pkt_done(call, 0);
    }
    s->shut |= (int)how;
    if ((how & 2) && s->later != NULL)
        s->fin_later = 1;
    else if (how & 2)
        (void)tcpsm_shutdown(s->c);
    pkt_sock_look(run, s);
    return pkt_done(call, 0);
}

/* SO_LINGER with a time: until the peer has acknowledged our FIN. */
static int step_linger(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    tcpsm_ret state = tcpsm_state(s->c);
    if (state != TCPSM_FIN_WAIT_1 && state != TCPSM_CLOSING &&
        state != TCPSM_LAST_ACK) {
        release(run, s);
        return pkt_done(call, 0);
    }
    if (run->now < call->deadline)
        return 0;
    release(run, s);
    return pkt_done(call, 0);
}

static int call_close(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    s->fd = -1;
    pkt_poll_forget(run, s);
    if (s->listening)
        stop_listening(run, s);
    if (s->c == NULL)
        return pkt_done(call, 0);
    if (s->o.linger_on == 1 && s->o.linger_s > 0 && !s->nonblock &&
        !pkt_sock_dead(s) && s->later == NULL && tcpsm_close(s->c) == 0) {
        call->deadline = run->now + s->o.linger_s * 1000000;
        call->step = step_linger;
        return step_linger(run, call);
    }
    if (s->later != NULL && !pkt_sock_dead(s) &&
        !(tcpsm_events(s->c) & TCPSM_EV_READABLE)) {
        s->close_later = 1;
        return pkt_done(call, 0);
    }
    release(run, s);
    return pkt_done(call, 0);
}

/* Names are not compared. */
static int call_name(struct pkt_run *run, struct pkt_call *call)
{
    (void)run;
    if (strcmp(call->sys->name, "getpeername") == 0 && pkt_sock_dead(call->s))
        return pkt_errs(call, PKT_ENOTCONN);
    return pkt_done(call, 0);
}

/* ---- all calls --------------------------------------------------------- */

static const char *const skipped[] = {
    "splice",  "tee",          "vmsplice", "sendfile", "mmap",     "munmap",
    "pipe",    "open",         "dup",      "dup2",     "sendmmsg", "recvmmsg",
    "select",  "ppoll",        "pselect",  "kqueue",   "kevent",   "fork",
    "cap_set", "sctp_sendmsg", "fsync",    "lseek",    "io_submit"};

static int by_name(struct pkt_run *run, struct pkt_call *call)
{
    static const struct {
        const char *name;
        int (*start)(struct pkt_run *, struct pkt_call *);
    } calls[] = {
        {"bind", call_bind},        {"listen", call_listen},
        {"accept", call_accept},    {"accept4", call_accept},
        {"connect", call_connect},  {"shutdown", call_shutdown},
        {"close", call_close},      {"getsockname", call_name},
        {"getpeername", call_name},
    };
    int64_t fd;
    size_t i;
    const char *name = call->sys->name;
    if (strcmp(name, "socket") == 0)
        return call_socket(run, call);
    for (i = 0; i < sizeof skipped / sizeof *skipped; i++)
        if (strcmp(name, skipped[i]) == 0)
            return pkt_skip(run, "%s", name), 1;
    if (pkt_poll_call(run, call))
        return call->step == NULL || call->step(run, call);
    if (!want_args(run, call, 1) || !pkt_value(run, call->arg[0], &fd))
        return 1;
    call->s = pkt_sock_find(run, fd);
    if (call->s == NULL)
        return pkt_errs(call, PKT_EBADF);
    for (i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(name, calls[i].name) == 0) {
            if (call->s->is_epoll && calls[i].start != call_close)
                return pkt_errs(call, 88);
            return calls[i].start(run, call);
        }
    if (call->s->is_epoll)
        return pkt_errs(call, 88);
    if (pkt_io_call(run, call) || pkt_opt_call(run, call))
        return call->step == NULL || call->step(run, call);
    return pkt_skip(run, "%s", name), 1;
}

int pkt_sock_call(struct pkt_run *run, const struct pkt_event *ev)
{
    struct pkt_call *call = pkt_alloc(&run->arena, sizeof *call), **p;
    const struct pkt_expr *a;
    call->ev = ev;
    call->sys = ev->call;
    call->start = run->now;
    call->dur = ev->time.dur;
    call->deadline = INT64_MAX;
    call->err = -1; /* nothing came of it */
    for (a = ev->call->args; a != NULL && call->n < 8; a = a->next)
        call->arg[call->n++] = a;
    (void)pkt_sock_progress(run);
    if (by_name(run, call)) {
        if (run->verdict.kind == PKT_OK && call->err != -1)
            finish(run, call);
        return run->verdict.kind;
    }
    if (run->verdict.kind != PKT_OK)
        return run->verdict.kind;
    if (call->dur == PKT_ANY)
        return pkt_blame(run, call, "would block: %s (script %s)",
                         call->sys->name, script_result(run, call->sys));
    for (p = &run->sockets->pending; *p != NULL; p = &(*p)->next)
        ;
    *p = call;
    return run->verdict.kind;
}
