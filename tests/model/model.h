/* model.h - tcpsm and the reference, side by side - 0BSD

   A twin is one connection of tcpsm and one ref_tcb. Both get the same
   segments and the same calls; after each, what can be seen of them must be
   equal, or the difference must stand in permitted.h. Include after test.h
   and tcpsm.h. One twin is enough, `tw`: it is plain data, so that a state
   is kept and brought back by a copy. */

#ifndef MODEL_H
#define MODEL_H

#ifndef PAIR_SLOTS
#define PAIR_SLOTS 4
#endif
#include "pair.h"
#include "permitted.h"

#define MODEL_FN __attribute__((unused)) static

enum {
    MODEL_RING = 4096, /* receive buffer */
    MODEL_EMITS = 12,
    MODEL_MSL_MS = 30000, /* tcpsm's default */
    MODEL_DEPTH = 3,      /* entries of the table for one segment */
    MODEL_PLAIN = TCPSM_NO_SACK | TCPSM_NO_TS | TCPSM_NO_ECN | TCPSM_NO_SCALE
};

/* A segment that came out */
typedef struct {
    ref_seg s;
    uint32_t reserved; /* flags beyond the six */
    uint8_t text[1500];
} emitted;

typedef struct {
    tcpsm_conn c;
    ref_tcb r;
    uint8_t rx[MODEL_RING], tx[MODEL_RING];
    tcpsm_time now;
    uint32_t irs, iss; /* of the peer, and ours; the peer's is its choice */
    int closed;        /* tcpsm_close was called */
    uint32_t answers;  /* RFC 5961 section 7: challenge ACKs so far */
    tcpsm_time answered;
} twin;

static twin tw;

typedef struct {
    tcpsm_tuple tuple;
    tcpsm_config cfg;
    uint32_t rcv_ring;
    tcpsm_time t0;
    /* what the last step was */
    ref_seg seg;
    uint8_t raw[4]; /* option bytes that no TCP sends */
    uint32_t raw_n;
    uint32_t extra; /* flags beyond the six, as they stand in the header */
    tcpsm_ret ret;
    uint8_t drop;
    emitted out[MODEL_EMITS];
    uint32_t outs;
    ref_view view;
    uint32_t old_wnd; /* SND.WND before the segment */
    uint32_t ts;      /* the peer's clock, while a state is made */
    int partial;      /* of which only the state is to be seen */
    tcpsm_ret error;
    tcpsm_time deadline;
    const char *clause; /* the reference's */
    char why[1000];
    /* how it was explained */
    uint32_t used[4], used_n;
    unsigned long steps, differences;
} model_context;

static model_context mx;

/* ---- bytes -------------------------------------------------------------- */

/* The octet with this number of either stream */
MODEL_FN uint8_t model_byte(int ours, uint32_t at)
{
    return (uint8_t)(ours ? at * 7 + 3 : at * 31 + 7);
}

MODEL_FN const uint8_t *model_text(uint32_t seq, uint32_t len)
{
    static uint8_t b[MODEL_RING + 4096];
    uint32_t i;

    for (i = 0; i < len && i < sizeof b; i++)
        b[i] = model_byte(0, seq + i - tw.irs);
    return b;
}

MODEL_FN const char *model_flags(uint32_t f)
{
    static char text[4][12];
    static int turn;
    char *p = text[turn = (turn + 1) % 4], *q = p;
    int i;

    for (i = 0; i < 6; i++)
        if (f >> i & 1)
            *q++ = "FSRPAU"[i];
    if (p == q)
        *q++ = '.';
    *q = 0;
    return p;
}

/* ---- in and out of tcpsm ------------------------------------------------ */

MODEL_FN uint32_t model_build(uint8_t *b, const ref_seg *s, uint32_t extra)
{
    tcpsm_tuple sums;
    uint32_t n = 20;

    memset(b, 0, 40);
    pair_put16(b, mx.tuple.remote_port);
    pair_put16(b + 2, mx.tuple.local_port);
    pair_put32(b + 4, s->seq);
    pair_put32(b + 8, s->ack);
    if (s->has_ts) {
        b[20] = b[21] = 1;
        b[22] = 8, b[23] = 10;
        pair_put32(b + 24, s->tsval);
        pair_put32(b + 28, s->tsecr);
        n = 32;
    }
    b[12] = (uint8_t)(n / 4 << 4 | (extra >> 8 & 1));
    b[13] = (uint8_t)(s->flags | (extra & 0xC0));
    pair_put16(b + 14, s->wnd);
    pair_put16(b + 18, s->up);
    if (mx.raw_n) {
        memcpy(b + n, mx.raw, mx.raw_n);
        n += mx.raw_n;
        b[12] = (uint8_t)(n / 4 << 4);
    }
    if (s->len)
        memcpy(b + n, s->text, s->len);
    n += s->len;
    memset(&sums, 0, sizeof sums);
    sums.family = mx.tuple.family;
    memcpy(sums.local, mx.tuple.remote, 16);
    memcpy(sums.remote, mx.tuple.local, 16);
    pair_set_checksum(&sums, b, n);
    return n;
}

MODEL_FN void model_describe(tcpsm_in *in, const uint8_t *b, uint32_t n)
{
    memset(in, 0, sizeof *in);
    in->src = mx.tuple.remote;
    in->dst = mx.tuple.local;
    in->family = mx.tuple.family;
    in->data = b;
    in->len = n;
}

/* A segment that tcpsm gave out, taken apart by pair.h */
MODEL_FN void model_emit(const tcpsm_out *o, const uint8_t *b, uint32_t n)
{
    pair_segment p;
    emitted *e;

    if (mx.outs == MODEL_EMITS)
        FAIL("more than %d segments in answer", MODEL_EMITS);
    e = &mx.out[mx.outs++];
    if (pair_parse(&p, b, n) != 0 || p.len > sizeof e->text)
        FAIL("not a segment went out");
    if (pair_checksum(&o->tuple, b, n) != 0)
        FAIL("a wrong checksum goes out (MUST-2)");
    if (p.sport != mx.tuple.local_port || p.dport != mx.tuple.remote_port)
        FAIL("to or from another port");
    memset(&e->s, 0, sizeof e->s);
    e->s.seq = p.seq;
    e->s.ack = p.ack;
    e->s.wnd = p.wnd;
    e->s.flags = p.flags & 0x3F;
    e->reserved = (uint32_t)(p.flags & 0xC0) | (uint32_t)(b[12] & 0x0F) << 8;
    e->s.up = p.urg;
    e->s.has_ts = (uint8_t)p.timestamps;
    e->s.tsval = p.ts_val;
    e->s.tsecr = p.ts_ecr;
    e->s.len = p.len;
    memcpy(e->text, p.payload, p.len);
    e->s.text = e->text;
}

MODEL_FN void model_drain(void)
{
    static uint8_t b[1600];
    tcpsm_out o;
    tcpsm_ret r;
    int turns = 0;

    while (tcpsm_deadline(&tw.c) <= tw.now) {
        memset(&o, 0, sizeof o);
        o.buf = b;
        o.cap = sizeof b;
        r = tcpsm_output(&tw.c, &o, tw.now);
        if (r < 0 || ++turns > 100)
            FAIL("output returned %d, or does not end", r);
        if (r > 0)
            model_emit(&o, b, (uint32_t)r);
    }
}

MODEL_FN unsigned model_signals(uint32_t ev, tcpsm_ret error)
{
    unsigned s = 0;

    if (ev & TCPSM_EV_CONNECTED)
        s |= REF_SIG_OPEN;
    if (ev & TCPSM_EV_EOF)
        s |= REF_SIG_CLOSING;
    if (ev & TCPSM_EV_URGENT)
        s |= REF_SIG_URGENT;
    if (ev & TCPSM_EV_SENT)
        s |= REF_SIG_ACKED;
    if (!(ev & TCPSM_EV_ERROR))
        return s;
    if (error == TCPSM_E_RESET)
        s |= REF_SIG_RESET;
    else if (error == TCPSM_E_REFUSED)
        s |= REF_SIG_REFUSED;
    else if (error == TCPSM_E_TIMEOUT)
        s |= REF_SIG_TIMEOUT;
    else if (error != TCPSM_E_CLOSED) /* what SHLD-3 does is our own doing */
        s |= 0x8000;
    return s;
}

MODEL_FN void model_view_conn(const tcpsm_conn *c, uint32_t ev, ref_view *v)
{
    struct tcpsm_info i;
    uint32_t k;

    tcpsm_status(c, &i);
    memset(v, 0, sizeof *v);
    v->state = i.state;
    v->ts_recent = i.timestamps ? c->ts_recent : 0;
    v->snd_una = i.snd_una;
    v->snd_nxt = i.snd_nxt;
    v->snd_wnd = i.snd_wnd;
    v->snd_wl1 = c->snd_wl1;
    v->max_snd_wnd = (uint32_t)c->wnd_max << i.snd_scale;
    v->rcv_nxt = i.rcv_nxt;
    v->rcv_edge = i.rcv_nxt + i.rcv_wnd;
    v->readable = i.rcv_queued;
    v->urgent = i.urgent;
    for (k = 0; k < c->ranges_n; k++) /* nothing is lent here */
        v->held += c->range_end[k] - c->range_start[k];
    if (k)
        v->held_end = c->range_end[k - 1];
    v->signals = model_signals(ev, tcpsm_error(c));
    mx.error = tcpsm_error(c);
}

/* What waits for the user must be what the reference has got. */
MODEL_FN const char *model_bytes(const tcpsm_conn *c, const ref_tcb *r)
{
    tcpsm_cspan s[2];
    uint32_t i, at = r->consumed;
    int k;

    if (tcpsm_receive_peek(c, s) <= 0)
        return NULL;
    for (k = 0; k < 2; k++)
        for (i = 0; i < s[k].n; i++, at++)
            if (at >= REF_STREAM || !r->have[at] || s[k].p[i] != r->got[at])
                return "what is to be read";
    return NULL;
}

MODEL_FN void permit_hit(const char *id)
{
    uint32_t i;

    for (i = 0; i < PERMITS; i++)
        permits[i].hits += !strcmp(permits[i].id, id);
}

/* ---- does tcpsm's answer fit an outcome? -------------------------------- */

/* Behind a window that shrank an ACK may say its edge: ack-seq. A SYN needs
   no window. */
MODEL_FN int model_ack_seq(const ref_tcb *t, uint32_t seq)
{
    return permit__lt(seq, t->snd_nxt) &&
           seq == t->snd_una + t->snd_wnd + (t->snd_una == t->iss);
}

/* ref_sent(), with that */
MODEL_FN const char *model_sent(ref_tcb *t, const ref_seg *e)
{
    ref_seg at = *e;

    if (e->flags == REF_ACK && !e->len && model_ack_seq(t, e->seq))
        at.seq = t->snd_nxt;
    return ref_sent(t, &at);
}

MODEL_FN const char *model_reply(const ref_reply *r, const ref_tcb *t,
                                 int *by)
{
    uint32_t i;

    for (i = 0; i < mx.outs; i++) {
        const ref_seg *e = &mx.out[i].s;
        unsigned f = e->flags & ~(unsigned)REF_PSH;

        if (r->seg.flags == REF_ACK) {
            if ((f & (REF_SYN | REF_RST | REF_ACK)) != REF_ACK ||
                e->ack != r->seg.ack)
                continue;
            if (!e->len && !(f & REF_FIN) && e->seq != r->seg.seq &&
                !model_ack_seq(t, e->seq))
                continue;
        } else if (f != r->seg.flags || e->ack != r->seg.ack || e->len) {
            continue;
        } else if (e->seq != r->seg.seq &&
                   (f != (REF_RST | REF_ACK) ||
                    (!model_ack_seq(t, e->seq) &&
                     e->seq != t->snd_una + mx.old_wnd))) {
            continue;
        }
        *by = (int)i;
        return NULL;
    }
    return "missing or wrong answer";
}

/* NULL: it fits, and *o is up to date with what went out. */
MODEL_FN const char *model_fits(const permit_case *k, outcome *o,
                                unsigned *used)
{
    int answers[MODEL_EMITS] = {0};
    uint32_t i;
    const char *why;
    ref_view v;

    *used = 0;
    for (i = 0; i < o->list.n; i++) {
        const ref_reply *r = &o->list.at[i];
        int by = -1;

        why = model_reply(r, &o->r, &by);
        if (!why) {
            answers[by] = r->seg.flags & REF_RST ? 2 : 1;
            continue;
        }
        if (!r->soon || mx.deadline >= tw.now + 500000) /* MUST-40 */
            return why;
        *used |= 1u << PERMIT_DELAYED;
    }
    for (i = 0; i < mx.outs; i++) {
        const ref_seg *e = &mx.out[i].s;
        int bare = e->flags == REF_ACK && !e->len;

        if (mx.out[i].reserved) {
            if (!mx.extra || !(k->seg->flags & REF_SYN))
                return "reserved or ECN bits";
            *used |= 1u << PERMIT_ECN;
        }
        if (answers[i] == 2)
            continue;
        if (bare && !answers[i]) {
            if (!permit__len(k) || (k->seg->flags & REF_RST) ||
                (o->list.n && !o->list.at[0].soon))
                return "an answer that nobody asked for";
            *used |= 1u << PERMIT_EXTRA_ACK;
        }
        if (bare && model_ack_seq(&o->r, e->seq))
            *used |= 1u << PERMIT_ACK_SEQ;
        why = model_sent(&o->r, e);
        if (why)
            return why;
    }
    /* RFC 5681 4.2, MUST-40: text that was looked at has an ACK, now or soon;
       a peer that hears nothing sends it again for ever. */
    if (k->seg->len && (k->seg->flags & (REF_SYN | REF_RST)) == 0 &&
        permit__ack_ok(k) && permit__ts_ok(k) && !k->malformed &&
        o->r.state >= REF_ESTABLISHED && o->r.state != REF_TIME_WAIT &&
        !mx.outs && mx.deadline >= tw.now + 500000)
        return "text without an answer";
    ref_look(&o->r, &v);
    if (mx.partial)
        return v.state == mx.view.state ? NULL : "state";
    return ref_differ(&v, &mx.view);
}

MODEL_FN void model_count(unsigned used)
{
    uint32_t i;

    for (i = 0; i < PERMIT_REWRITES; i++)
        if (used >> i & 1)
            permits[i].hits++;
    for (i = 0; i < mx.used_n; i++)
        permits[mx.used[i]].hits++;
    if (used || mx.used_n)
        mx.differences++;
}

/* The reference's outcome, with the entries in mx.used; 0: they do not
   apply. */
MODEL_FN int model_outcome(const permit_case *k, outcome *o)
{
    static ref_seg s;
    uint32_t i;

    s = *k->seg;
    ref_copy(&o->r, k->before);
    for (i = 0; i < mx.used_n; i++)
        if (permits[mx.used[i]].before &&
            !permits[mx.used[i]].before(k, &o->r, &s))
            return 0;
    ref_segment(&o->r, &s, &o->list);
    for (i = 0; i < mx.used_n; i++)
        if (permits[mx.used[i]].after && !permits[mx.used[i]].after(k, o))
            return 0;
    return 1;
}

/* Is there a set of entries, up to so many more and of those from this one
   on, with which it fits? */
MODEL_FN int model_permitted(const permit_case *k, uint32_t from,
                             uint32_t more, outcome *good, unsigned *used)
{
    uint32_t i;

    for (i = from; i < PERMITS; i++) {
        mx.used[mx.used_n++] = i;
        if (model_outcome(k, good) && !model_fits(k, good, used))
            return 1;
        mx.used_n--;
    }
    for (i = from; more > 1 && i < PERMITS; i++) {
        mx.used[mx.used_n++] = i;
        if (model_outcome(k, good) &&
            model_permitted(k, i + 1, more - 1, good, used))
            return 1;
        mx.used_n--;
    }
    return 0;
}

/* With entry i, and another one or none, it fits, or i does not apply. */
MODEL_FN int model_with(const permit_case *k, uint32_t i)
{
    static outcome other;
    unsigned used;
    uint32_t j;

    mx.used_n = 1;
    mx.used[0] = i;
    if (!model_outcome(k, &other) || !model_fits(k, &other, &used))
        return 1;
    mx.used_n = 2;
    for (j = PERMIT_REWRITES; j < PERMITS; j++) {
        mx.used[0] = j < i ? j : i; /* in the table's order */
        mx.used[1] = j < i ? i : j;
        if (j != i && model_outcome(k, &other) &&
            !model_fits(k, &other, &used))
            return 1;
    }
    return 0;
}

/* The reference's own outcome fits. Is there a difference that should have
   been made instead? Its name, or NULL. A hook that says 0 has changed
   nothing, so the copies are good for the next. */
MODEL_FN const char *model_undecided(const permit_case *k,
                                     const outcome *first)
{
    static outcome scratch;
    uint32_t i;
    int fine = 1;

    ref_copy(&scratch.r, &first->r);
    scratch.list = first->list;
    for (i = PERMIT_REWRITES; i < PERMITS && fine; i++) {
        const permit *p = &permits[i];

        if (!(p->how & PERMIT_DECIDED))
            continue;
        if (p->before) {
            static ref_tcb t;
            ref_seg s = *k->seg;

            ref_copy(&t, k->before);
            if (p->before(k, &t, &s))
                fine = model_with(k, i);
        } else if (p->after(k, &scratch)) {
            ref_copy(&scratch.r, &first->r);
            scratch.list = first->list;
            fine = model_with(k, i);
        }
    }
    mx.used_n = 0;
    return fine ? NULL : permits[i - 1].id;
}

MODEL_FN const char *model_show(const ref_seg *e)
{
    static char text[4][96];
    static int turn;
    char *p = text[turn = (turn + 1) % 4];

    snprintf(p, sizeof text[0], "%s seq ISS%+d ack IRS%+d len %u win %u",
             model_flags(e->flags), (int)(e->seq - tw.iss),
             (int)(e->ack - tw.irs), e->len, e->wnd);
    return p;
}

/* One line that a person can read */
MODEL_FN void model_explain(const permit_case *k, const outcome *o,
                            const char *why)
{
    ref_view v;
    char got[160] = "nothing", want[160] = "nothing";
    int n = 0;
    uint32_t i;
    const ref_seg *s = k->seg;

    ref_look(&o->r, &v);
    for (i = 0; i < mx.outs && n < 100; i++)
        n += snprintf(got + n, sizeof got - (size_t)n, "%s%s", i ? "; " : "",
                      model_show(&mx.out[i].s));
    for (n = 0, i = 0; i < o->list.n && n < 100; i++)
        n += snprintf(want + n, sizeof want - (size_t)n, "%s%s%s",
                      i ? "; " : "", model_show(&o->list.at[i].seg),
                      o->list.at[i].soon ? " (soon)" : "");
    snprintf(
        mx.why, sizeof mx.why,
        "%s: %s %s seq IRS%+d (nxt%+d edge%+d) ack ISS%+d (una%+d nxt%+d)"
        " len %u wnd %u up %u: want %s una%+d nxt%+d rcv%+d wnd %u sig %x"
        " say %s; got %s una%+d nxt%+d rcv%+d wnd %u sig %x drop %d say "
        "%s; RFC 9293 %s",
        why, ref_state_name(k->before->state), model_flags(s->flags),
        (int)(s->seq - tw.irs), (int)(s->seq - k->before->rcv_nxt),
        (int)(s->seq - k->before->rcv_nxt - k->before->rcv_wnd),
        (int)(s->ack - tw.iss), (int)(s->ack - k->before->snd_una),
        (int)(s->ack - k->before->snd_nxt), s->len, s->wnd, s->up,
        ref_state_name(v.state), (int)(v.snd_una - tw.iss),
        (int)(v.snd_nxt - tw.iss), (int)(v.rcv_nxt - tw.irs), v.snd_wnd,
        v.signals, want, ref_state_name(mx.view.state),
        (int)(mx.view.snd_una - tw.iss), (int)(mx.view.snd_nxt - tw.iss),
        (int)(mx.view.rcv_nxt - tw.irs), mx.view.snd_wnd, mx.view.signals,
        mx.drop, got, mx.clause);
}

/* tcpsm has had the segment (or the call) and mx says what came of it: is
   it what the reference says? Then tw.r is brought up to date. */
MODEL_FN const char *model_judge(const permit_case *k)
{
    static outcome first, good;
    unsigned used = 0;
    const char *why, *id;

    mx.used_n = 0;
    (void)model_outcome(k, &first);
    mx.clause = first.list.clause;
    mx.steps++;
    ref_copy(&good.r, &first.r);
    good.list = first.list;
    why = model_fits(k, &good, &used);
    if (why &&
        !model_permitted(k, PERMIT_REWRITES, MODEL_DEPTH, &good, &used)) {
        model_explain(k, &first, why);
        return mx.why;
    }
    if (!mx.used_n && (id = model_undecided(k, &first)) != NULL) {
        model_explain(k, &first, "a decided difference is not made");
        snprintf(mx.why + strlen(mx.why), sizeof mx.why - strlen(mx.why),
                 "; permitted.h: %s", id);
        return mx.why;
    }
    model_count(used);
    if (good.list.n == 1 && good.list.at[0].challenge && !k->seg->len) {
        if (!tw.answers || tw.now - tw.answered >= 5000000)
            tw.answered = tw.now, tw.answers = 0;
        tw.answers++;
    }
    ref_copy(&tw.r, &good.r);
    tw.r.signals = 0;
    return NULL;
}

/* After tcpsm has had the segment */
MODEL_FN const char *model_compare(const ref_seg *s, int stack)
{
    static ref_tcb before;
    permit_case k;
    uint32_t i;

    for (i = 0; i < mx.outs; i++)
        if (mx.out[i].s.flags & REF_SYN && tw.r.state != REF_SYN_RECEIVED)
            tw.r.next_iss = mx.out[i].s.seq; /* whatever it chose */
    ref_copy(&before, &tw.r);
    mx.old_wnd = before.snd_wnd;
    memset(&k, 0, sizeof k);
    k.before = &before;
    k.seg = s;
    k.closed = tw.closed;
    k.stack = stack;
    k.limited = tw.answers >= 10 && tw.now - tw.answered < 5000000;
    k.malformed = mx.raw_n != 0;
    return model_judge(&k);
}

/* SEGMENT ARRIVES at both. NULL, or what differs. */
MODEL_FN const char *model_segment(const ref_seg *s, uint32_t extra)
{
    static uint8_t b[MODEL_RING + 4200], reply[256];
    const char *why;
    tcpsm_in in;

    mx.seg = *s;
    mx.extra = extra;
    mx.outs = 0;
    if (tw.r.state == REF_TIME_WAIT)
        tw.now++; /* or a new start of 2 MSL could not be told */
    model_describe(&in, b, model_build(b, s, extra));
    mx.ret = tcpsm_input(&tw.c, &in, tw.now);
    mx.drop = in.drop;
    if (mx.ret == TCPSM_E_NOT_MINE) {
        tcpsm_out o;
        tcpsm_ret r;

        memset(&o, 0, sizeof o);
        o.buf = reply;
        o.cap = sizeof reply;
        if ((r = tcpsm_stranger(&in, &o)) > 0)
            model_emit(&o, reply, (uint32_t)r);
    } else if (mx.ret != 0) {
        snprintf(mx.why, sizeof mx.why, "tcpsm_input returned %d", mx.ret);
        return mx.why;
    }
    model_drain();
    mx.deadline = tcpsm_deadline(&tw.c);
    model_view_conn(&tw.c, tcpsm_take(&tw.c), &mx.view);
    mx.view.time_waits =
        tw.r.time_waits + (mx.view.state == REF_TIME_WAIT &&
                           mx.deadline == tw.now + 2000ull * MODEL_MSL_MS);
    why = model_compare(s, 0);
    if (!why)
        why = model_bytes(&tw.c, &tw.r);
    if (!why && tcpsm_check(&tw.c) != 0)
        why = "tcpsm_check";
    return why;
}

/* The twin as it was; what lies in the rings matters only if text came. */
MODEL_FN void model_restore(const twin *saved)
{
    if (tw.r.highest != saved->r.highest ||
        tw.r.rcv_nxt != saved->r.rcv_nxt || tw.r.irs != saved->r.irs ||
        tw.r.state != saved->r.state)
        memcpy(tw.rx, saved->rx, sizeof tw.rx);
    memcpy(&tw.c, &saved->c, sizeof tw.c);
    ref_copy(&tw.r, &saved->r);
    tw.now = saved->now;
    tw.irs = saved->irs;
    tw.iss = saved->iss;
    tw.closed = saved->closed;
    tw.answers = saved->answers;
    tw.answered = saved->answered;
}

/* ---- making states ------------------------------------------------------ */

/* What went out by itself, or after a call: the reference must agree. */
MODEL_FN const char *model_settle(void)
{
    uint32_t i;
    const char *why = NULL;
    ref_view v;

    mx.outs = 0;
    model_drain();
    for (i = 0; i < mx.outs && !why; i++)
        why = model_sent(&tw.r, &mx.out[i].s);
    if (why)
        return why;
    model_view_conn(&tw.c, tcpsm_take(&tw.c), &mx.view);
    ref_look(&tw.r, &v);
    tw.r.signals = 0;
    mx.view.time_waits = v.time_waits;
    if (v.state == REF_CLOSE_WAIT && tw.r.closing) {
        v.state = REF_LAST_ACK;
        permit_hit("last-ack");
    }
    return ref_differ(&v, &mx.view);
}

/* ABORT: at most a reset goes out. Or a close that loses what was not read:
   then SHLD-3 asks for one in any state. */
MODEL_FN const char *model_aborted(int close)
{
    const ref_tcb was = tw.r;
    const ref_seg *e = &mx.out[0].s;
    ref_list o;

    (void)ref_abort(&tw.r, &o);
    if (close && !o.n) {
        o.at[o.n++].seg.seq = was.snd_nxt;
        permit_hit("closed-text");
    }
    mx.outs = 0;
    model_drain();
    model_view_conn(&tw.c, tcpsm_take(&tw.c), &mx.view);
    tw.r.signals = 0;
    if (mx.view.state != REF_CLOSED || mx.view.signals)
        return "not CLOSED, or an error";
    if (mx.outs != o.n)
        return "a reset too many or too few";
    if (!o.n)
        return NULL;
    if (!(e->flags & REF_RST) || e->len ||
        (e->seq != o.at[0].seg.seq && !model_ack_seq(&was, e->seq)))
        return "another reset than <SEQ=SND.NXT><CTL=RST>";
    if (e->flags == REF_RST)
        return NULL;
    permits[PERMIT_RESET_ACK].hits++;
    return e->flags == (REF_RST | REF_ACK) && e->ack == was.rcv_nxt
               ? NULL
               : "a reset with other flags";
}

MODEL_FN void model_must(const char *why)
{
    if (why)
        FAIL("bringing it into its state: %s", why);
}

MODEL_FN void model_in(unsigned flags, uint32_t seq, uint32_t ack,
                       uint32_t len, uint32_t wnd)
{
    ref_seg s;

    memset(&s, 0, sizeof s);
    s.flags = (uint16_t)flags;
    s.seq = seq;
    s.ack = ack;
    s.len = len;
    s.wnd = wnd;
    s.text = model_text(seq + ((flags & REF_SYN) != 0), len);
    s.has_ts = (uint8_t)tw.r.want_ts;
    s.tsval = tw.r.want_ts ? mx.ts : 0;
    tw.now += 1000;
    model_must(model_segment(&s, 0));
}

MODEL_FN int model_send(uint32_t n)
{
    uint8_t b[MODEL_RING];
    uint32_t i, from = tw.r.sent_n;
    tcpsm_ret r;

    for (i = 0; i < n; i++)
        b[i] = model_byte(1, from + i);
    r = tcpsm_send(&tw.c, b, n, 0);
    if (r > 0 && ref_send(&tw.r, b, (uint32_t)r, 0) != REF_OK)
        FAIL("the reference does not take what tcpsm takes");
    return r;
}

MODEL_FN void model_defaults(void)
{
    memset(&mx.cfg, 0, sizeof mx.cfg);
    mx.cfg.flags = MODEL_PLAIN | TCPSM_NODELAY;
    mx.rcv_ring = MODEL_RING;
    mx.partial = 0;
    mx.ts = 1000;
    mx.raw_n = 0;
}

MODEL_FN void model_start(uint8_t family, uint32_t iss, uint32_t irs)
{
    tcpsm_conn probe;

    memset(&tw, 0, sizeof tw);
    memset(&mx.tuple, 0, sizeof mx.tuple);
    mx.tuple.family = family;
    if (family == 4) {
        memcpy(mx.tuple.local, "\x0a\0\0\1", 4);
        memcpy(mx.tuple.remote, "\x0a\0\0\2", 4);
    } else {
        mx.tuple.local[0] = mx.tuple.remote[0] = 0xfd;
        mx.tuple.local[15] = 1;
        mx.tuple.remote[15] = 2;
    }
    mx.tuple.local_port = 80;
    mx.tuple.remote_port = 40000;
    memset(mx.cfg.key, 0x5A, 16);
    tw.irs = irs;
    tw.iss = iss;
    /* an ISN is a function of the time (RFC 9293 3.4.1): 4 us a tick */
    memset(&probe, 0, sizeof probe);
    tw.now = (tcpsm_time)1 << 36;
    model_must(tcpsm_init(&probe, &mx.cfg) ? "init" : NULL);
    model_must(tcpsm_open(&probe, &mx.tuple, tw.now) ? "open" : NULL);
    tw.now += (tcpsm_time)(uint32_t)(iss - probe.snd_una) * 4;
    ref_init(&tw.r, mx.rcv_ring);
    model_must(tcpsm_init(&tw.c, &mx.cfg) ? "init" : NULL);
    tcpsm_attach(&tw.c, TCPSM_RECEIVE, tw.rx, mx.rcv_ring, NULL);
    tcpsm_attach(&tw.c, TCPSM_SEND, tw.tx, MODEL_RING, NULL);
}

MODEL_FN void model_open(int active)
{
    ref_list out;

    if (active)
        model_must(tcpsm_open(&tw.c, &mx.tuple, tw.now) ? "open" : NULL);
    else
        model_must(tcpsm_listen(&tw.c, &mx.tuple, tw.now) ? "listen" : NULL);
    if (active && tw.c.snd_una != tw.iss)
        FAIL("the ISN is not the one that was aimed at");
    (void)ref_open(&tw.r, active, tw.iss, &out);
    model_must(model_settle());
}

MODEL_FN void model_shutdown(void)
{
    model_must(tcpsm_shutdown(&tw.c) ? "shutdown" : NULL);
    (void)ref_close(&tw.r);
}

#endif /* MODEL_H */
