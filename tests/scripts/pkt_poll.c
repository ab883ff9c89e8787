/* pkt_poll.c - poll and epoll. 0BSD. */

#include "pkt_sock.h"

#include <inttypes.h>
#include <string.h>

enum { ALWAYS = PKT_ERR | PKT_HUP };
#define ONESHOT ((uint32_t)1 << 30)
#define EDGE ((uint32_t)1 << 31)

static void set_deadline(const struct pkt_run *run, struct pkt_call *call,
                         int64_t ms)
{
    call->blocking = ms != 0;
    if (ms >= 0)
        call->deadline = run->now + ms * 1000;
}

static int expired(const struct pkt_run *run, const struct pkt_call *call)
{
    return !call->blocking || run->now >= call->deadline;
}

/* ---- poll -------------------------------------------------------------- */

static const struct pkt_expr *first_of(const struct pkt_expr *e)
{
    if (e == NULL)
        return NULL;
    return e->kind == PKT_STRUCT ? e : e->kids;
}

static const struct pkt_expr *after(const struct pkt_expr *list,
                                    const struct pkt_expr *e)
{
    return list->kind == PKT_STRUCT ? NULL : e->next;
}

static uint32_t ready(struct pkt_run *run, int64_t fd, uint32_t events)
{
    struct pkt_sock *s = pkt_sock_find(run, fd);
    if (fd < 0)
        return 0;
    if (s == NULL)
        return PKT_NVAL;
    pkt_sock_look(run, s);
    return pkt_sock_mask(s) & (events | ALWAYS);
}

static int pollfd(struct pkt_run *run, const struct pkt_expr *e, int64_t *fd,
                  int64_t *events)
{
    return pkt_value(run, pkt_member(e, "fd", 0), fd) &&
           pkt_value(run, pkt_member(e, "events", 1), events);
}

static int step_poll(struct pkt_run *run, struct pkt_call *call)
{
    const struct pkt_expr *e, *want;
    int64_t fd, events, v;
    uint32_t m;
    int n = 0;
    for (e = first_of(call->arg[0]); e != NULL; e = after(call->arg[0], e)) {
        if (!pollfd(run, e, &fd, &events))
            return 1;
        n += ready(run, fd, (uint32_t)events) != 0;
    }
    if (n == 0 && !expired(run, call))
        return 0;
    for (e = first_of(call->arg[0]); e != NULL; e = after(call->arg[0], e)) {
        if (!pollfd(run, e, &fd, &events))
            return 1;
        m = ready(run, fd, (uint32_t)events);
        want = pkt_member(e, "revents", 2);
        if (pkt_is_any(want))
            continue;
        if (!pkt_value(run, want, &v))
            return 1;
        if (m != (uint32_t)v) {
            pkt_blame(run, call,
                      "value: revents of %" PRId64 ": script 0x%x live 0x%x",
                      fd, (unsigned)v, (unsigned)m);
            break;
        }
    }
    return pkt_done(call, n);
}

static int call_poll(struct pkt_run *run, struct pkt_call *call)
{
    int64_t ms;
    const struct pkt_expr *a = call->arg[0];
    if (call->n < 3 || (a->kind != PKT_LIST && a->kind != PKT_STRUCT)) {
        pkt_fail(run, "syntax: poll([{fd, events, revents}], n, ms)");
        return 1;
    }
    if (!pkt_value(run, call->arg[2], &ms))
        return 1;
    set_deadline(run, call, ms);
    call->step = step_poll;
    return 1;
}

/* ---- epoll ------------------------------------------------------------- */

static int64_t data_of(struct pkt_run *run, const struct pkt_expr *e,
                       int64_t otherwise)
{
    static const char *const names[] = {"fd", "u32", "u64", "ptr", "data"};
    const struct pkt_expr *k = NULL;
    size_t i;
    int64_t v;
    for (i = 0; i < sizeof names / sizeof *names && k == NULL; i++)
        k = pkt_member(e, names[i], 99);
    if (k == NULL)
        k = pkt_member(e, "", 1);
    if (k != NULL && (k->kind == PKT_STRUCT || k->kind == PKT_LIST))
        k = pkt_only(k);
    if (pkt_is_any(k))
        return otherwise;
    return pkt_value(run, k, &v) ? v : otherwise;
}

static const struct pkt_expr *event_of(const struct pkt_expr *e)
{
    if (e != NULL && e->kind == PKT_LIST)
        e = e->kids;
    return e != NULL && e->kind == PKT_STRUCT ? e : NULL;
}

static int call_ctl(struct pkt_run *run, struct pkt_call *call)
{
    int64_t ep, op, fd, events = 0;
    struct pkt_sock *e, *s;
    struct pkt_watch **p, *w;
    const struct pkt_expr *ev = NULL;
    if (call->n < 3 || !pkt_value(run, call->arg[0], &ep) ||
        !pkt_value(run, call->arg[1], &op) ||
        !pkt_value(run, call->arg[2], &fd))
        return 1;
    if (call->n > 3)
        ev = event_of(call->arg[3]);
    if (op != 2 &&
        (ev == NULL || !pkt_value(run, pkt_member(ev, "events", 0), &events)))
        return 1;
    e = pkt_sock_find(run, ep);
    s = pkt_sock_find(run, fd);
    if (e == NULL || s == NULL)
        return pkt_errs(call, PKT_EBADF);
    if (!e->is_epoll || s == e)
        return pkt_errs(call, PKT_EINVAL);
    for (p = &e->watches; *p != NULL && (*p)->of != s; p = &(*p)->next)
        ;
    w = *p;
    if (op == 1 && w != NULL)
        return pkt_errs(call, PKT_EEXIST);
    if (op != 1 && w == NULL)
        return pkt_errs(call, PKT_ENOENT);
    if (op == 2) {
        *p = w->next;
        return pkt_done(call, 0);
    }
    if (op != 1 && op != 3)
        return pkt_errs(call, PKT_EINVAL);
    if (w == NULL) {
        w = *p = pkt_alloc(&run->arena, sizeof *w);
        w->of = s;
    }
    w->events = (uint32_t)events;
    w->data = data_of(run, ev, fd);
    w->fresh = 1;
    return pkt_done(call, 0);
}

void pkt_poll_forget(struct pkt_run *run, struct pkt_sock *s)
{
    struct pkt_sock *e;
    struct pkt_watch **p;
    for (e = run->sockets->all; e != NULL; e = e->next)
        for (p = &e->watches; *p != NULL;)
            if ((*p)->of == s)
                *p = (*p)->next;
            else
                p = &(*p)->next;
}

/* What it would report now; 0: nothing. */
static uint32_t reports(struct pkt_run *run, const struct pkt_watch *w)
{
    uint32_t m;
    if (w->events == 0) /* EPOLLONESHOT, and it was */
        return 0;
    pkt_sock_look(run, w->of);
    m = pkt_sock_mask(w->of) & (w->events | ALWAYS);
    if ((w->events & EDGE) && !w->fresh && w->seen == w->of->activity)
        return 0;
    return m;
}

static int step_wait(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *ep = pkt_sock_find(run, call->i[0]);
    struct pkt_watch *w;
    const struct pkt_expr *e;
    int64_t n = 0, events;
    uint32_t m;
    int found;
    if (ep == NULL)
        return pkt_errs(call, PKT_EBADF);
    for (w = ep->watches; w != NULL; w = w->next)
        n += reports(run, w) != 0;
    if (n == 0 && !expired(run, call))
        return 0;
    if (n > call->i[1])
        n = call->i[1];
    /* Every event of the script must be one of ours. */
    for (e = first_of(call->arg[1]); e != NULL && n != 0;
         e = after(call->arg[1], e)) {
        if (pkt_is_any(e))
            continue;
        if (!pkt_value(run, pkt_member(e, "events", 0), &events))
            return 1;
        found = 0;
        m = 0;
        for (w = ep->watches; w != NULL && !found; w = w->next) {
            if (data_of(run, e, w->data) != w->data)
                continue;
            m = reports(run, w);
            found = m != 0 && m == (uint32_t)events;
        }
        if (!found) {
            pkt_blame(run, call, "value: events: script 0x%x live 0x%x",
                      (unsigned)events, (unsigned)m);
            break;
        }
    }
    found = 0;
    for (w = ep->watches; w != NULL && found < n; w = w->next) {
        if (reports(run, w) == 0)
            continue;
        found++;
        w->seen = w->of->activity;
        w->fresh = 0;
        if (w->events & ONESHOT)
            w->events = 0;
    }
    return pkt_done(call, n);
}

static int call_wait(struct pkt_run *run, struct pkt_call *call)
{
    int64_t ms;
    struct pkt_sock *ep;
    if (call->n < 4 || !pkt_value(run, call->arg[0], &call->i[0]) ||
        !pkt_value(run, call->arg[2], &call->i[1]) ||
        !pkt_value(run, call->arg[3], &ms))
        return 1;
    ep = pkt_sock_find(run, call->i[0]);
    if (ep == NULL)
        return pkt_errs(call, PKT_EBADF);
    if (!ep->is_epoll || call->i[1] <= 0)
        return pkt_errs(call, PKT_EINVAL);
    set_deadline(run, call, ms);
    call->step = step_wait;
    return 1;
}

static int call_create(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = pkt_sock_new(run);
    s->is_epoll = 1;
    return pkt_sock_number(run, call, s);
}

int pkt_poll_call(struct pkt_run *run, struct pkt_call *call)
{
    static const struct {
        const char *name;
        int (*start)(struct pkt_run *, struct pkt_call *);
    } calls[] = {
        {"poll", call_poll},
        {"epoll_create", call_create},
        {"epoll_create1", call_create},
        {"epoll_ctl", call_ctl},
        {"epoll_wait", call_wait},
        {"epoll_pwait", call_wait},
    };
    size_t i;
    for (i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(call->sys->name, calls[i].name) == 0) {
            (void)calls[i].start(run, call);
            return 1;
        }
    return 0;
}
