/* pkt_run.c - virtual time: runs one script, event by event. 0BSD.

   Times are the script's, in microseconds from its start; tcpsm's clock is
   run->base later. Time passes only in pkt_advance, which stops at every
   deadline on the way, so that what tcpsm sends is sent when it said. */

#include "pkt.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    DATAGRAM = 65535 + 40, /* the largest train */
    MAX_TURNS = 2000000,   /* of time's loop, in one script */
    MAX_IDLE = 64,         /* wake-ups in a row that do nothing */
    MAX_SENT = 100000,     /* segments of one script */
    DIRTY = 65536
};

int pkt_fail(struct pkt_run *run, const char *fmt, ...)
{
    char text[sizeof run->verdict.what];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return pkt_verdict(&run->verdict, PKT_FAIL,
                       run->event ? run->event->line : 0, "%s", text);
}

int pkt_skip(struct pkt_run *run, const char *fmt, ...)
{
    char text[sizeof run->verdict.what];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return pkt_verdict(&run->verdict, PKT_SKIP,
                       run->event ? run->event->line : 0, "%s", text);
}

tcpsm_time pkt_now(const struct pkt_run *run)
{
    return run->base + (tcpsm_time)run->now;
}

int64_t pkt_tolerance(const struct pkt_run *run)
{
    int64_t t = run->conf.tolerance_us;

    return (run->conf.strict & PKT_S_TIME) && t > 1000 ? 1000 : t;
}

/* ---- what both layers can do ------------------------------------------- */

static tcpsm_time deadline(const struct pkt_run *run)
{
    if (run->stack)
        return tcpsm_stack_deadline(run->stack);
    return run->conn ? tcpsm_deadline(run->conn) : TCPSM_NEVER;
}

/* One datagram that tcpsm gave; a segment, since nobody asked for trains. */
static void taken(struct pkt_run *run, const uint8_t *p, uint32_t len)
{
    struct pkt_live *live =
        (struct pkt_live *)pkt_alloc(&run->arena, sizeof *live);
    uint32_t ip = p[0] >> 4 == 4 ? (p[0] & 15u) * 4u : 40u;
    uint8_t next = p[0] >> 4 == 4 ? p[9] : p[6];

    live->at = run->now;
    live->len = len;
    live->bytes = (uint8_t *)pkt_alloc(&run->arena, len);
    memcpy(live->bytes, p, len);
    if (next == 6 && ip + 20u <= len) {
        live->tcp = live->bytes + ip;
        live->tcp_len = len - ip;
    }
    pkt_info_seen(run, 0, live->bytes, len);
    pkt_wire_check(run, live);
    pkt_trace_sent(run, live);
    *run->sent_end = live;
    run->sent_end = &live->next;
    if (++run->sent_count > MAX_SENT)
        pkt_fail(run, "runaway: more than %d segments", MAX_SENT);
}

/* One call of output. 1: a segment; 0: nothing. */
static int output_stack(struct pkt_run *run)
{
    tcpsm_time due = tcpsm_stack_deadline(run->stack), now = pkt_now(run);
    tcpsm_out out;
    tcpsm_ret n;

    memset(&out, 0, sizeof out);
    out.buf = run->buf;
    out.cap = DATAGRAM;
    n = tcpsm_ip_output(run->stack, &out, now);
    if (n < 0) {
        pkt_fail(run, "tcpsm_ip_output: %d", (int)n);
        return 0;
    }
    if (n > 0 && due > now)
        pkt_fail(run, "law 3: a segment was sent %.6f s before the deadline",
                 due == TCPSM_NEVER ? 0.0 : (double)(due - now) / 1e6);
    if (n > 0)
        taken(run, run->buf, (uint32_t)n);
    return n > 0;
}

/* Behind 40 bytes for the IP header. */
static void with_ip(struct pkt_run *run, const tcpsm_out *out, tcpsm_ret n)
{
    tcpsm_ret ip = tcpsm_ip_build(run->buf + 40, (uint32_t)n, out);

    if (ip < 0)
        pkt_fail(run, "tcpsm_ip_build: %d", (int)ip);
    else
        taken(run, run->buf + 40 - ip, (uint32_t)(n + ip));
}

/* Law 3 to the letter: the deadline is not after now if and only if output
   sends, or changes a byte. 1: a segment; 0: nothing. */
static int output_conn(struct pkt_run *run)
{
    tcpsm_conn *c = run->conn, before;
    tcpsm_time now = pkt_now(run);
    int due, changed;
    tcpsm_out out;
    tcpsm_ret n;

    if (c == NULL)
        return 0;
    due = tcpsm_deadline(c) <= now;
    memset(&out, 0, sizeof out);
    out.buf = run->buf + 40;
    out.cap = DATAGRAM - 40;
    memcpy(&before, c, sizeof before);
    n = tcpsm_output(c, &out, now);
    if (n < 0) {
        pkt_fail(run, "tcpsm_output: %d", (int)n);
        return 0;
    }
    changed = n > 0 || memcmp(&before, c, sizeof before) != 0;
    if (due != changed)
        pkt_fail(run, due ? "law 3: the deadline came, and nothing happened"
                          : "law 3: output did something before the "
                            "deadline");
    if (n > 0)
        with_ip(run, &out, n);
    return changed;
}

/* Invariants, and of each connection that nothing of it is overdue. */
static void check(struct pkt_run *run)
{
    tcpsm_time due = deadline(run), now = pkt_now(run);
    const tcpsm_conn *c;
    uint32_t at = 0;
    tcpsm_ret r;

    if (run->stack == NULL) {
        if (run->conn != NULL && (r = tcpsm_check(run->conn)) != 0)
            pkt_fail(run, "tcpsm_check: %d", (int)r);
        return;
    }
    r = tcpsm_stack_check(run->stack);
    if (r != 0)
        pkt_fail(run, "tcpsm_stack_check: %d", (int)r);
    while ((c = tcpsm_stack_walk(run->stack, &at)) != NULL) {
        r = tcpsm_check(c);
        if (r != 0)
            pkt_fail(run, "tcpsm_check: %d", (int)r);
        if (tcpsm_deadline(c) <= now)
            pkt_fail(run, "law 3: a connection's deadline came, and nothing "
                          "happened");
        if (tcpsm_deadline(c) < due)
            pkt_fail(run, "law 3: the stack's deadline is after a "
                          "connection's");
    }
}

int pkt_settle(struct pkt_run *run)
{
    int idle = 0;

    if (run->stack == NULL && run->conf.layer != 1)
        return run->verdict.kind;
    while (run->verdict.kind == PKT_OK) {
        int did = 0;

        while (run->verdict.kind == PKT_OK &&
               (run->stack ? output_stack(run) : output_conn(run)))
            did = 1;
        if (run->verdict.kind == PKT_OK && pkt_sock_progress(run))
            did = 1;
        if (run->verdict.kind != PKT_OK)
            break;
        if (did) {
            idle = 0;
            if (++run->turns > MAX_TURNS)
                return pkt_fail(run, "runaway: it does not come to rest");
            continue;
        }
        if (deadline(run) > pkt_now(run))
            break;
        /* 0 with a deadline of at once: the stack has more to do */
        if (++idle > MAX_IDLE)
            return pkt_fail(run, "law 3: the deadline came, and nothing "
                                 "happened");
    }
    if (run->verdict.kind == PKT_OK)
        check(run);
    if (run->conf.no_tlp && run->counters.loss_probes > 0)
        pkt_skip(run, "sysctl net.ipv4.tcp_early_retrans=0");
    return run->verdict.kind;
}

int pkt_advance(struct pkt_run *run, int64_t until, int until_sent)
{
    uint32_t sent = run->sent_count;

    while (run->verdict.kind == PKT_OK) {
        int64_t t = until, d;
        tcpsm_time due = deadline(run);

        if (until_sent && run->sent_count != sent)
            break;
        if (due != TCPSM_NEVER &&
            due < run->base + (tcpsm_time)INT32_MAX * (tcpsm_time)100000) {
            d = (int64_t)due - (int64_t)run->base;
            t = d < t ? d : t;
        }
        d = pkt_sock_deadline(run);
        t = d < t ? d : t;
        if (t <= run->now) {
            if (until <= run->now)
                break;
            t = run->now;
        }
        run->now = t;
        if (++run->turns > MAX_TURNS)
            return pkt_fail(run, "runaway: time does not pass");
        pkt_settle(run);
    }
    return run->verdict.kind;
}

static void inject_conn(struct pkt_run *run, tcpsm_in *in)
{
    tcpsm_ret r = TCPSM_E_NOT_MINE;
    tcpsm_out out;

    if (run->conn != NULL)
        r = tcpsm_input(run->conn, in, pkt_now(run));
    if (r == TCPSM_E_RING) {
        in->flags |= TCPSM_IN_NO_DATA;
        r = tcpsm_input(run->conn, in, pkt_now(run));
    }
    if (r == TCPSM_E_NOT_MINE) {
        memset(&out, 0, sizeof out);
        out.buf = run->buf + 40;
        out.cap = DATAGRAM - 40;
        in->drop = TCPSM_DROP_NOT_MINE;
        r = tcpsm_stranger(in, &out);
        if (r > 0)
            with_ip(run, &out, r);
    }
    if (r < 0)
        pkt_fail(run, "tcpsm_input: %d", (int)r);
}

int pkt_inject(struct pkt_run *run, const uint8_t *p, uint32_t len)
{
    /* a copy of exactly its size: reading past its end is seen */
    uint8_t *copy = (uint8_t *)malloc(len ? len : 1);
    tcpsm_in in;
    tcpsm_ret r;

    if (copy == NULL)
        exit(2);
    memcpy(copy, p, len);
    memset(&in, 0, sizeof in);
    pkt_info_seen(run, 1, copy, len);
    if (run->stack != NULL) {
        r = tcpsm_ip_input(run->stack, copy, len, &in, pkt_now(run));
        if (r == TCPSM_E_RING) {
            in.flags |= TCPSM_IN_NO_DATA;
            r = tcpsm_stack_input(run->stack, &in, pkt_now(run));
        }
        if (r < 0)
            pkt_fail(run, "tcpsm_ip_input: %d", (int)r);
    } else {
        r = tcpsm_ip_parse(copy, len, &in);
        if (r == 6)
            inject_conn(run, &in);
        else if ((r == 1 || r == 58) && run->conn != NULL)
            tcpsm_icmp(run->conn, in.data, in.len, r == 1 ? 4 : 6,
                       pkt_now(run));
        else if (r < 0)
            in.drop = TCPSM_DROP_IP;
    }
    run->drop = in.drop;
    free(copy);
    return run->verdict.kind;
}

/* ---- the script -------------------------------------------------------- */

static uint64_t turned(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdu;
    return x ^ x >> 29;
}

/* The stack, as late as possible: commands at the beginning configure it. */
static int set_up(struct pkt_run *run)
{
    struct pkt_conf *conf = &run->conf;
    tcpsm_stack_config *sc = &conf->stack;
    static const uint8_t none[16];
    tcpsm_tuple me;
    size_t size;
    tcpsm_ret r;
    int v4 = conf->ip_version != 6, i;

    if (memcmp(conf->tcp.key, none, 16) == 0)
        for (i = 0; i < 16; i++)
            conf->tcp.key[i] = (uint8_t)turned(0x5eed + (uint64_t)i);
    conf->tcp.counters = &run->counters;
    if (conf->tcp.mtu == 0 && conf->mtu > 0)
        conf->tcp.mtu = (uint16_t)conf->mtu;
    if (v4 ? conf->local_ip[0] == 127
           : memcmp(conf->local_ip, none, 15) == 0 && conf->local_ip[15] == 1)
        conf->tcp.flags |= TCPSM_LOOPBACK;
    pkt_sock_rings(run);
    if (conf->layer == 1)
        return PKT_OK;
    sc->conn = conf->tcp;
    if (sc->conns == 0)
        sc->conns = 16;
    if (sc->rcv_ring == 0)
        sc->rcv_ring = conf->rcvbuf;
    if (sc->snd_ring == 0)
        sc->snd_ring = conf->sndbuf;
    if (sc->resets_per_second == 0)
        sc->resets_per_second = TCPSM_OFF;
    size = tcpsm_stack_size(sc);
    if (size == 0)
        return pkt_fail(run, "tcpsm_stack_size: this configuration makes no "
                             "sense");
    /* of its own, and not of the arena: reading past its end is seen. What is
       in front must not count on zeros; to touch the rings costs time */
    run->stack_mem = calloc(1, size);
    if (run->stack_mem == NULL)
        exit(2);
    memset(run->stack_mem, 0xA5, size < DIRTY ? size : DIRTY);
    r = tcpsm_stack_init(&run->stack, run->stack_mem, size, sc, pkt_now(run));
    if (r != 0) {
        run->stack = NULL;
        return pkt_fail(run, "tcpsm_stack_init: %d", (int)r);
    }
    memset(&me, 0, sizeof me);
    me.family = v4 ? 4 : 6;
    memcpy(me.local, conf->local_ip, v4 ? 4 : 16);
    r = tcpsm_stack_address(run->stack, &me, v4 ? 16 : 64, 1);
    if (r != 0)
        return pkt_fail(run, "tcpsm_stack_address: %d", (int)r);
    return PKT_OK;
}

/* Is there a packet or a call after this event; a socket() call? */
static void what_follows(const struct pkt_run *run, int *more, int *sockets)
{
    const struct pkt_event *e;

    *more = *sockets = 0;
    for (e = run->event->next; e; e = e->next) {
        *more |= e->kind == PKT_PACKET || e->kind == PKT_SYSCALL;
        *sockets |=
            e->kind == PKT_SYSCALL && strcmp(e->call->name, "socket") == 0;
    }
}

/* What comes too late to have its effect is not passed over in silence; but
   at the end scripts put things back. */
static int command(struct pkt_run *run, const char *text)
{
    struct pkt_conf before;
    int more, sockets;
    unsigned n;

    if (sscanf(text, " peer %u", &n) == 1) {
        pkt_wire_peer(run, n);
        return PKT_OK;
    }
    memcpy(&before, &run->conf, sizeof before);
    pkt_conf_command(&run->conf, text, run->event->line, &run->verdict);
    what_follows(run, &more, &sockets);
    if (run->is_up && more &&
        (memcmp(&before.stack, &run->conf.stack, sizeof before.stack) != 0 ||
         (run->map != NULL && !sockets &&
          memcmp(&before, &run->conf, sizeof before) != 0)))
        pkt_skip(run, "%s (too late)", text);
    return run->verdict.kind;
}

/* The window of an event, in script time. */
static void window(const struct pkt_run *run, const struct pkt_time *t,
                   int64_t *from, int64_t *to)
{
    *from = *to = PKT_ANY;
    switch (t->kind) {
    case PKT_AT:
        *from = *to = t->us;
        break;
    case PKT_AFTER:
        *from = run->prev_first + t->us;
        *to = run->prev + t->us;
        break;
    case PKT_AT_RANGE:
        *from = t->us;
        *to = t->to;
        break;
    case PKT_AFTER_RANGE:
        *from = run->prev_first + t->us;
        *to = run->prev + t->to;
        break;
    default:
        break;
    }
}

/* The event took place at `at`: what relative times count from next. */
static void passed(struct pkt_run *run, const struct pkt_time *t,
                   int64_t from, int64_t to, int64_t at)
{
    int ranged = t->kind == PKT_AT_RANGE || t->kind == PKT_AFTER_RANGE;

    if (t->kind == PKT_ANYTIME) {
        run->prev = run->prev_first = at;
        return;
    }
    run->prev = at < from ? from : at > to ? to : at;
    run->prev_first = ranged ? from : run->prev;
}

static int one_event(struct pkt_run *run, const struct pkt_event *e)
{
    int64_t from, to, at;

    run->event = e;
    window(run, &e->time, &from, &to);
    if (e->kind != PKT_COMMAND && run->stack_mem == NULL && !run->is_up) {
        run->is_up = 1;
        if (pkt_sock_init(run) != PKT_OK || set_up(run) != PKT_OK)
            return run->verdict.kind;
        pkt_settle(run);
    }
    if (e->kind == PKT_PACKET && !e->packet->inbound) {
        pkt_trace_event(run, e);
        pkt_wire_out(run, e->packet, from, to);
        passed(run, &e->time, from, to, run->matched);
        return run->verdict.kind;
    }
    at = to == PKT_ANY ? run->now : to;
    if (at > run->now)
        pkt_advance(run, at, 0);
    if (run->now > at + pkt_tolerance(run))
        return pkt_fail(run,
                        "time: it is %.6f s, this was to happen at "
                        "%.6f s",
                        (double)run->now / 1e6, (double)at / 1e6);
    if (run->verdict.kind != PKT_OK)
        return run->verdict.kind;
    pkt_trace_event(run, e);
    switch (e->kind) {
    case PKT_PACKET:
        pkt_wire_in(run, e->packet);
        break;
    case PKT_SYSCALL:
        pkt_sock_call(run, e);
        break;
    case PKT_COMMAND:
        command(run, e->text);
        break;
    default:
        pkt_info_code(run, e->text);
        break;
    }
    pkt_settle(run);
    run->prev = run->prev_first = at;
    return run->verdict.kind;
}

/* Pending calls return; then what was sent and not named is too much. */
static void finish(struct pkt_run *run)
{
    int64_t last = run->now, slack = pkt_tolerance(run), d;

    slack = slack > 4000 ? 4000 : slack;
    pkt_advance(run, run->now + slack, 0);
    run->last = last + slack;
    pkt_wire_end(run);
    while (run->verdict.kind == PKT_OK &&
           (d = pkt_sock_deadline(run)) != INT64_MAX)
        pkt_advance(run, d, 0);
    if (run->verdict.kind == PKT_OK)
        pkt_sock_end(run);
}

int pkt_run(struct pkt_run *run)
{
    const struct pkt_event *e;

    run->sent = NULL;
    run->sent_end = &run->sent;
    /* 32 bits of it pass through zero in the first second, and 32 bits of
       1.024 ms do so after a few days */
    if (run->base == 0)
        run->base = 0xFFFFFFFFu - 499999u;
    run->buf = (uint8_t *)malloc(DATAGRAM + 40);
    if (run->buf == NULL)
        exit(2);
    for (e = run->script->events; e && run->verdict.kind == PKT_OK;
         e = e->next)
        one_event(run, e);
    if (run->verdict.kind == PKT_OK && run->is_up)
        finish(run);
    if (run->is_up)
        pkt_sock_free(run);
    free(run->stack_mem);
    free(run->buf);
    run->stack = NULL;
    run->stack_mem = NULL;
    run->buf = NULL;
    return run->verdict.kind;
}
