/* pkt_io.c - read and write and their kin. 0BSD.

   What is written is pkt_byte(0, offset), whatever buffer the script names;
   what is read must be pkt_byte(1, offset). */

#include "pkt_sock.h"

#include <string.h>

enum { TOTAL, FLAGS }; /* in call->i */

static int has(const struct pkt_call *call, int64_t flag)
{
    return (call->i[FLAGS] & flag) != 0;
}

static int timed_out(const struct pkt_run *run, const struct pkt_call *call)
{
    return !call->blocking || run->now >= call->deadline;
}

/* ---- write ------------------------------------------------------------- */

/* Linux makes buffers of the socket's of this size as long as it has any
   room: whole segments, half the peer's window at most. */
static uint32_t size_goal(const struct pkt_sock *s)
{
    struct tcpsm_info i;
    uint32_t n = 65536 - 320, mss;
    tcpsm_status(s->c, &i);
    mss = i.smss != 0 ? i.smss : 536;
    if (i.snd_wnd / 2 < n)
        n = i.snd_wnd / 2;
    return n < mss ? mss : n - n % mss;
}

/* Of the first of these, when nothing else waits, this much is sent before
   the next is made, and what is left of it is filled up. */
static uint32_t goes_at_once(const struct pkt_sock *s)
{
    struct tcpsm_info i;
    uint32_t n, out, most = size_goal(s);
    tcpsm_status(s->c, &i);
    out = i.snd_nxt - i.snd_una;
    n = i.cwnd < i.snd_wnd ? i.cwnd : i.snd_wnd;
    if (i.unsent != 0 || s->later != NULL || n <= out || i.smss == 0)
        return 0;
    n -= out;
    n -= n % i.smss;
    return n < most ? n : most;
}

/* As much as goes; the flags hold for the last byte. */
static void push(struct pkt_run *run, struct pkt_call *call, uint32_t most)
{
    struct pkt_sock *s = call->s;
    uint32_t flags, n, left, most_now;
    while (call->did < most) {
        left = n = most - call->did;
        if (s->limit != 0) {
            if (pkt_sock_queued(s) >= s->limit)
                return;
            most_now = size_goal(s) + (call->did == 0 ? goes_at_once(s) : 0);
            if (n > most_now)
                n = most_now;
        }
        flags = n < left || has(call, PKT_MSG_MORE) ? TCPSM_MORE : 0;
        if (n == left && has(call, PKT_MSG_EOR))
            flags |= TCPSM_EOR;
        if (n == left && has(call, PKT_MSG_OOB))
            flags |= TCPSM_URG;
        n = pkt_sock_send(run, s, n, flags);
        if (n == 0)
            return;
        call->did += n;
        call->moved = 1;
    }
}

static int lowat_allows(const struct pkt_sock *s)
{
    struct tcpsm_info i;
    if (s->o.notsent_lowat <= 0)
        return 1;
    tcpsm_status(s->c, &i);
    return (int64_t)i.unsent + s->later_bytes < s->o.notsent_lowat;
}

static int step_write(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    int e;
    pkt_sock_look(run, s);
    if (s->err != 0 || (s->shut & 2) || pkt_sock_dead(s)) {
        if (call->did != 0)
            return pkt_done(call, call->did);
        if (pkt_sock_bsd(run) && ((s->shut & 2) || s->established))
            return pkt_errs(call, PKT_EPIPE); /* the error stays */
        e = pkt_sock_error(s);
        return pkt_errs(call, e != 0 ? e : PKT_EPIPE);
    }
    if (call->i[TOTAL] == 0)
        return pkt_done(call, 0);
    if (s->established) {
        if (lowat_allows(s) &&
            (!call->began || s->limit == 0 || pkt_sock_writable(s)))
            push(run, call, (uint32_t)call->i[TOTAL]);
        call->began = 1; /* from now on it sleeps until poll() says OUT */
        if (call->did == call->i[TOTAL])
            return pkt_done(call, call->did);
    }
    if (!timed_out(run, call))
        return 0;
    return call->did != 0 ? pkt_done(call, call->did)
                          : pkt_errs(call, PKT_EAGAIN);
}

/* What of the first write goes with the SYN: as Linux, a segment of the
   server's MSS without its largest options. */
static uint32_t with_syn(const struct pkt_run *run)
{
    const tcpsm_fastopen *fo = &run->sockets->fo;
    uint32_t mss = fo->mss != 0 ? fo->mss : 536;
    uint32_t mtu = run->conf.tcp.mtu != 0 ? run->conf.tcp.mtu : 1500;
    uint32_t headers = run->conf.ip_version == 6 ? 60 : 40;
    if (mss > mtu - headers)
        mss = mtu - headers;
    return mss - 40;
}

/* Connects with data: sendto(MSG_FASTOPEN), or the first write after
   connect() with TCP_FASTOPEN_CONNECT. */
static int fast(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    uint32_t n = 0, most = with_syn(run);
    uint8_t ip[16];
    uint16_t port;
    int e, given;
    if (run->conf.fastopen_client == 0)
        return pkt_errs(call, PKT_EOPNOTSUPP);
    if (s->phase == PKT_CONNECTED || s->listening)
        return pkt_errs(call, PKT_EISCONN);
    if (s->phase == PKT_CONNECTING) {
        pkt_sock_look(run, s);
        if (!s->established)
            return pkt_errs(call, PKT_EALREADY);
        s->phase = PKT_CONNECTED; /* as Linux: once it is a write */
        return 0;
    }
    if (strcmp(call->sys->name, "sendto") == 0 && call->n > 4) {
        if (!pkt_sock_name(run, call->arg[4], 1, ip, &port, &given))
            return 1;
        if (given) {
            memcpy(run->conf.remote_ip, ip, 16);
            run->conf.connect_port = port;
        }
    }
    s->fo_waiting = 0;
    e = pkt_sock_open(run, s, 1);
    if (e != 0)
        return pkt_errs(call, e);
    if (run->sockets->fo.len != 0 && run->sockets->fo.refused == 0)
        n = call->i[TOTAL] < most ? (uint32_t)call->i[TOTAL] : most;
    if (call->blocking) /* it goes with the handshake's last ACK */
        n = (uint32_t)call->i[TOTAL];
    push(run, call, n);
    if (!call->blocking)
        return call->did != 0 ? pkt_done(call, call->did)
                              : pkt_errs(call, PKT_EINPROGRESS);
    return 0;
}

static int start_write(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    call->blocking = !s->nonblock && !has(call, PKT_MSG_DONTWAIT);
    if (s->o.sndtimeo_us > 0)
        call->deadline = run->now + s->o.sndtimeo_us;
    call->step = step_write;
    if ((has(call, PKT_MSG_FASTOPEN) || s->fo_waiting) && fast(run, call)) {
        call->step = NULL;
        return 1;
    }
    return 1;
}

/* ---- read -------------------------------------------------------------- */

static int check_bytes(struct pkt_run *run, const struct pkt_call *call,
                       const uint8_t *p, uint32_t n, uint32_t offset)
{
    uint32_t i;
    for (i = 0; i < n; i++)
        if (p[i] != pkt_byte(1, offset + i)) {
            pkt_blame(run, call,
                      "payload: byte %u read is 0x%02x, sent was 0x%02x",
                      offset + i, p[i], pkt_byte(1, offset + i));
            return 0;
        }
    return 1;
}

static void take(struct pkt_run *run, struct pkt_call *call, uint32_t n)
{
    struct pkt_sock *s = call->s;
    tcpsm_ret r;
    uint32_t k;
    while (n > 0) {
        k = n < sizeof run->sockets->buf ? n
                                         : (uint32_t)sizeof run->sockets->buf;
        r = tcpsm_receive(s->c, run->sockets->buf, k);
        if (r <= 0) {
            pkt_blame(run, call,
                      "payload: %u bytes that were readable "
                      "are not there",
                      n);
            return;
        }
        if (!check_bytes(run, call, run->sockets->buf, (uint32_t)r, s->nread))
            return;
        s->nread += (uint32_t)r;
        s->arrived = s->nread; /* look() adds what is left */
        call->moved = 1;
        n -= (uint32_t)r;
    }
}

static void peek(struct pkt_run *run, struct pkt_call *call, uint32_t n)
{
    struct pkt_sock *s = call->s;
    tcpsm_cspan p[2];
    uint32_t k;
    if (tcpsm_receive_peek(s->c, p) < (tcpsm_ret)n) {
        pkt_blame(run, call, "payload: fewer bytes than readable");
        return;
    }
    k = n < p[0].n ? n : p[0].n;
    if (check_bytes(run, call, p[0].p, k, s->nread))
        (void)check_bytes(run, call, p[1].p, n - k, s->nread + k);
}

/* Bytes that a read may give now. The urgent one is no part of the stream
   (unless SO_OOBINLINE), and a read ends before it. */
static uint32_t readable(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    struct tcpsm_info i;
    if (!(tcpsm_events(s->c) & TCPSM_EV_READABLE))
        return 0;
    tcpsm_status(s->c, &i);
    if (s->oob == 0 || i.urgent == 0 || i.urgent > i.rcv_queued)
        return i.rcv_queued;
    if (i.urgent > 1)
        return i.urgent - 1;
    if (call->did != 0)
        return 0;
    take(run, call, 1);
    s->oob = 0;
    tcpsm_status(s->c, &i);
    return i.rcv_queued;
}

static void keep_count(struct pkt_sock *s)
{
    struct tcpsm_info i;
    tcpsm_status(s->c, &i);
    s->arrived = s->nread + i.rcv_queued;
}

static int nothing_to_read(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    int e;
    if (s->fin && !(pkt_sock_bsd(run) && s->err != 0))
        return pkt_done(call, call->did);
    if (s->err != 0) {
        if (call->did != 0)
            return pkt_done(call, call->did);
        e = pkt_sock_error(s);
        return pkt_errs(call, e);
    }
    if ((s->shut & 1) ||
        (s->c != NULL && pkt_sock_dead(s) && s->phase != PKT_FRESH))
        return pkt_done(call, call->did);
    if (s->c == NULL || s->phase == PKT_FRESH)
        return pkt_errs(call, PKT_ENOTCONN);
    if (!timed_out(run, call))
        return 0;
    return call->did != 0 ? pkt_done(call, call->did)
                          : pkt_errs(call, PKT_EAGAIN);
}

static int step_read(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    uint32_t n, total = (uint32_t)call->i[TOTAL];
    if (s->c == NULL)
        return nothing_to_read(run, call);
    pkt_sock_look(run, s);
    n = readable(run, call);
    if (n > total - call->did)
        n = total - call->did;
    if (n != 0 && has(call, PKT_MSG_PEEK)) {
        if (has(call, PKT_MSG_WAITALL) && n < total && !s->fin &&
            !timed_out(run, call))
            return 0;
        peek(run, call, n);
        return pkt_done(call, n);
    }
    if (n != 0) {
        take(run, call, n);
        keep_count(s);
        call->did += n;
    }
    if (call->did == total || (call->did != 0 && !has(call, PKT_MSG_WAITALL)))
        return pkt_done(call, call->did);
    return nothing_to_read(run, call);
}

/* Fields of msg_control: TCP_INQ's is all that there is. */
static void check_control(struct pkt_run *run, const struct pkt_call *call)
{
    const struct pkt_expr *k;
    struct tcpsm_info i;
    int64_t level, type, n, live;
    for (k = call->control->kids; k != NULL; k = k->next) {
        if (!pkt_value(run, pkt_member(k, "cmsg_level", 0), &level) ||
            !pkt_value(run, pkt_member(k, "cmsg_type", 1), &type) ||
            !pkt_value(run, pkt_member(k, "cmsg_data", 2), &n))
            return;
        tcpsm_status(call->s->c, &i);
        live = (int64_t)i.rcv_queued + (call->s->fin != 0);
        if (live != n)
            pkt_blame(run, call, "value: TCP_CM_INQ: script %d live %d",
                      (int)n, (int)live);
    }
}

static int step_recvmsg(struct pkt_run *run, struct pkt_call *call)
{
    int done = step_read(run, call);
    if (done && call->err == 0)
        check_control(run, call);
    return done;
}

static int step_oob(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    struct tcpsm_info i;
    uint32_t at;
    if (s->c == NULL)
        return pkt_errs(call, PKT_ENOTCONN);
    pkt_sock_look(run, s);
    if (s->oob == 1) {
        tcpsm_status(s->c, &i);
        at = s->nread + i.urgent - 1;
        if (s->oob_byte != pkt_byte(1, at))
            pkt_blame(run, call,
                      "payload: urgent byte %u is 0x%02x, sent was 0x%02x",
                      at, s->oob_byte, pkt_byte(1, at));
        if (!has(call, PKT_MSG_PEEK))
            s->oob = 2;
        return pkt_done(call, call->i[TOTAL] != 0);
    }
    tcpsm_status(s->c, &i);
    return pkt_errs(call, s->oob == 0 && i.urgent != 0 && !s->fin
                              ? PKT_EAGAIN
                              : PKT_EINVAL);
}

static int start_read(struct pkt_run *run, struct pkt_call *call)
{
    struct pkt_sock *s = call->s;
    call->blocking = !s->nonblock && !has(call, PKT_MSG_DONTWAIT);
    if (s->o.rcvtimeo_us > 0)
        call->deadline = run->now + s->o.rcvtimeo_us;
    call->step = has(call, PKT_MSG_OOB)  ? step_oob
                 : call->control != NULL ? step_recvmsg
                                         : step_read;
    return 1;
}

/* ---- arguments --------------------------------------------------------- */

/* The flags, or 0 after a verdict. */
static int flags_of(struct pkt_run *run, struct pkt_call *call,
                    const struct pkt_expr *e, int reads)
{
    static const char *const not_ours[] = {"MSG_ZEROCOPY", "MSG_ERRQUEUE",
                                           "MSG_CTRUNC"};
    int64_t known = PKT_MSG_OOB | PKT_MSG_DONTWAIT | PKT_MSG_NOSIGNAL |
                    0x40000004 /* DONTROUTE, CMSG_CLOEXEC */ | 0x800;
    int64_t bit;
    size_t i;
    known |= reads ? PKT_MSG_PEEK | PKT_MSG_TRUNC | PKT_MSG_WAITALL
                   : PKT_MSG_EOR | PKT_MSG_MORE | PKT_MSG_FASTOPEN;
    if (pkt_is_any(e))
        return 1;
    if (!pkt_value(run, e, &call->i[FLAGS]))
        return 0;
    for (i = 0; i < sizeof not_ours / sizeof *not_ours; i++)
        if (pkt_const(not_ours[i], &bit) && has(call, bit)) {
            pkt_skip(run, "%s", not_ours[i]);
            return 0;
        }
    if (call->i[FLAGS] & ~known) {
        pkt_skip(run, "%s flags 0x%llx", call->sys->name,
                 (unsigned long long)(call->i[FLAGS] & ~known));
        return 0;
    }
    return 1;
}

static int count_of(struct pkt_run *run, struct pkt_call *call,
                    const struct pkt_expr *e)
{
    if (!pkt_value(run, e, &call->i[TOTAL]))
        return 0;
    if (call->i[TOTAL] >= 0 && call->i[TOTAL] <= 0x3FFFFFFF)
        return 1;
    pkt_fail(run, "syntax: that many bytes");
    return 0;
}

static int iovec_of(struct pkt_run *run, struct pkt_call *call,
                    const struct pkt_expr *e)
{
    const struct pkt_expr *k, *n;
    int64_t v, sum = 0;
    call->i[TOTAL] = 0;
    if (e != NULL && e->kind == PKT_NAME && strcmp(e->s, "NULL") == 0)
        return 1;
    if (e == NULL || e->kind != PKT_LIST) {
        pkt_fail(run, "syntax: a list of {..., length} is wanted here");
        return 0;
    }
    for (k = e->kids; k != NULL; k = k->next) {
        n = pkt_member(k, "iov_len", 1);
        if (n == NULL) {
            pkt_fail(run, "syntax: {..., length} is wanted here");
            return 0;
        }
        if (!pkt_value(run, n, &v))
            return 0;
        sum += v;
    }
    call->i[TOTAL] = sum;
    return sum >= 0 && sum <= 0x3FFFFFFF;
}

static int msghdr_of(struct pkt_run *run, struct pkt_call *call,
                     const struct pkt_expr *e, int reads)
{
    const struct pkt_expr *k = pkt_member(e, "msg_control", 99);
    int64_t flags = 0;
    if (e == NULL || e->kind != PKT_STRUCT) {
        pkt_fail(run, "syntax: a struct msghdr is wanted here");
        return 0;
    }
    if (k != NULL && k->kind == PKT_LIST && k->kids != NULL) {
        const struct pkt_expr *t = pkt_member(k->kids, "cmsg_type", 1);
        if (!reads || call->s->o.inq <= 0 || t == NULL ||
            t->kind != PKT_NAME || strcmp(t->s, "TCP_CM_INQ") != 0) {
            pkt_skip(run, "msg_control %s",
                     t != NULL && t->kind == PKT_NAME ? t->s : "");
            return 0;
        }
        call->control = k;
    } else if (k != NULL && !pkt_is_any(k) && k->kind != PKT_LIST) {
        pkt_skip(run, "msg_control");
        return 0;
    }
    k = pkt_member(e, "msg_flags", 99);
    if (!pkt_is_any(k) && !pkt_value(run, k, &flags))
        return 0;
    if (reads && flags != 0) {
        pkt_skip(run, "msg_flags of recvmsg");
        return 0;
    }
    return iovec_of(run, call, pkt_member(e, "msg_iov", 99));
}

/* An address, where no script has memory. */
static int no_memory(const struct pkt_expr *e)
{
    return e->kind == PKT_INT ||
           (e->kind == PKT_NAME && strcmp(e->s, "NULL") == 0);
}

int pkt_io_call(struct pkt_run *run, struct pkt_call *call)
{
    enum { BUF, IOV, MSG };
    static const struct {
        const char *name;
        int reads, form, flags; /* flags: of the argument with them; 0 */
    } calls[] = {
        {"read", 1, BUF, 0},     {"write", 0, BUF, 0},
        {"readv", 1, IOV, 0},    {"writev", 0, IOV, 0},
        {"recv", 1, BUF, 3},     {"send", 0, BUF, 3},
        {"recvfrom", 1, BUF, 3}, {"sendto", 0, BUF, 3},
        {"recvmsg", 1, MSG, 2},  {"sendmsg", 0, MSG, 2},
    };
    size_t i;
    int ok;
    for (i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(call->sys->name, calls[i].name) == 0)
            break;
    if (i == sizeof calls / sizeof *calls)
        return 0;
    if (call->n < (calls[i].flags != 0 ? calls[i].flags + 1 : 3)) {
        pkt_fail(run, "syntax: %s has more arguments", call->sys->name);
        return 1;
    }
    ok = calls[i].form == BUF ? count_of(run, call, call->arg[2])
         : calls[i].form == IOV
             ? iovec_of(run, call, call->arg[1])
             : msghdr_of(run, call, call->arg[1], calls[i].reads);
    if (!ok ||
        (calls[i].flags != 0 &&
         !flags_of(run, call, call->arg[calls[i].flags], calls[i].reads)))
        return 1;
    if (calls[i].form == BUF && no_memory(call->arg[1]) &&
        call->i[TOTAL] != 0)
        return pkt_errs(call, PKT_EFAULT);
    return calls[i].reads ? start_read(run, call) : start_write(run, call);
}
