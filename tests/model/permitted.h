/* permitted.h - where tcpsm may differ from the reference - 0BSD

   One table. A difference between tcpsm and reference.c is a failure unless
   an entry's clause allows it; an entry says when it applies and what comes
   instead, exactly: it rewrites the reference's outcome, mostly by having the
   reference look at the same segment as the clause sees it. Each entry must
   be used by a test, and how often is printed. */

#ifndef PERMITTED_H
#define PERMITTED_H

#include "reference.h"

#include <string.h>

typedef struct {
    ref_tcb r; /* after the segment */
    ref_list list;
} outcome;

typedef struct {
    const ref_tcb *before;
    const ref_seg *seg;
    int closed;    /* the owner has closed for good: nobody reads */
    int stack;     /* a tcpsm_stack: SYN and TIME-WAIT are table entries */
    int limited;   /* ten answers of this kind within five seconds */
    int malformed; /* options that cannot be stepped over */
} permit_case;

enum {
    PERMIT_SERVER = 1, /* not in the tiny configuration */
    PERMIT_DECIDED = 2 /* tcpsm does so whenever it applies: not to do so is a
                          failure, too */
};

typedef struct {
    const char *id, *clause, *text;
    /* 1: applies. `before` changes what the reference is given: its state or
       the segment; `after` changes what it made of that. Both NULL: the
       comparison itself knows (see model.h). */
    int (*before)(const permit_case *, ref_tcb *t, ref_seg *s);
    int (*after)(const permit_case *, outcome *o);
    unsigned how; /* PERMIT_SERVER ... */
    unsigned long hits;
} permit;

#define PERMIT_FN __attribute__((unused)) static

PERMIT_FN int permit__lt(uint32_t a, uint32_t b)
{
    return a != b && b - a < 0x80000000u;
}

PERMIT_FN int permit__has(const permit_case *k, unsigned flag)
{
    return (k->seg->flags & flag) != 0;
}

/* From SYN-RECEIVED on */
PERMIT_FN int permit__in_other(const permit_case *k)
{
    return k->before->state >= REF_SYN_RECEIVED;
}

PERMIT_FN void permit__nothing(const permit_case *k, outcome *o)
{
    ref_copy(&o->r, k->before);
    memset(&o->list, 0, sizeof o->list);
}

PERMIT_FN void permit__say(outcome *o, uint32_t seq, uint32_t ack,
                           unsigned flags)
{
    ref_reply *r = &o->list.at[o->list.n++];

    memset(r, 0, sizeof *r);
    r->seg.seq = seq;
    r->seg.ack = ack;
    r->seg.flags = (uint16_t)flags;
}

PERMIT_FN uint32_t permit__len(const permit_case *k)
{
    return k->seg->len + (uint32_t)permit__has(k, REF_SYN) +
           (uint32_t)permit__has(k, REF_FIN);
}

/* Is there an ACK that the fifth step takes? */
PERMIT_FN int permit__ack_ok(const permit_case *k)
{
    const ref_tcb *t = k->before;
    uint32_t ack = k->seg->ack;

    if (!permit__has(k, REF_ACK) || permit__lt(t->snd_nxt, ack))
        return 0;
    if (t->state == REF_SYN_RECEIVED)
        return permit__lt(t->snd_una, ack);
    return !permit__lt(ack, t->snd_una - t->max_snd_wnd);
}

/* Would RFC 7323's checks let it pass? */
PERMIT_FN int permit__ts_ok(const permit_case *k)
{
    const ref_tcb *t = k->before;

    return !t->ts_on ||
           (k->seg->has_ts && !permit__lt(k->seg->tsval, t->ts_recent));
}

/* --- the handshake --- */

PERMIT_FN int permit_syn_text(const permit_case *k, ref_tcb *t, ref_seg *s)
{
    if (!permit__has(k, REF_SYN) || t->state > REF_SYN_SENT ||
        (permit__has(k, REF_ACK) && t->state == REF_SYN_SENT) ||
        (s->len == 0 && !permit__has(k, REF_FIN)))
        return 0;
    s->len = 0;
    s->flags &= (uint16_t)~REF_FIN;
    return 1;
}

PERMIT_FN int permit_syn_text_acked(const permit_case *k, ref_tcb *t,
                                    ref_seg *s)
{
    if (t->state != REF_LISTEN || s->len == 0 || k->stack)
        return 0;
    s->flags &= (uint16_t)~REF_FIN;
    return 1;
}

PERMIT_FN int permit_syn_text_acked_now(const permit_case *k, outcome *o)
{
    uint32_t i, n = k->seg->len;

    if (o->r.state != REF_SYN_RECEIVED)
        return 0;
    if (n > o->r.rcv_buff)
        n = o->r.rcv_buff;
    o->r.rcv_nxt += n;
    for (i = 0; i < o->list.n; i++)
        o->list.at[i].seg.ack += n;
    return 1;
}

PERMIT_FN int permit_refused(const permit_case *k, outcome *o)
{
    if (k->before->state != REF_SYN_SENT || !(o->r.signals & REF_SIG_RESET))
        return 0;
    o->r.signals =
        (o->r.signals & ~(unsigned)REF_SIG_RESET) | REF_SIG_REFUSED;
    return 1;
}

PERMIT_FN int permit_syn_again(const permit_case *k, outcome *o)
{
    if (k->before->state != REF_SYN_RECEIVED || !permit__has(k, REF_SYN) ||
        permit__has(k, REF_ACK) || permit__has(k, REF_RST) ||
        k->seg->seq != k->before->irs)
        return 0;
    permit__nothing(k, o);
    permit__say(o, k->before->iss, k->before->rcv_nxt, REF_SYN | REF_ACK);
    return 1;
}

PERMIT_FN int permit_syn_at_irs(const permit_case *k, ref_tcb *t, ref_seg *s)
{
    uint32_t old;

    if (t->state != REF_SYN_RECEIVED || !permit__has(k, REF_SYN) ||
        !permit__has(k, REF_ACK) || permit__has(k, REF_RST) ||
        s->seq != t->irs)
        return 0;
    s->flags &= (uint16_t)~REF_SYN;
    s->seq++;
    s->up--;
    old = t->rcv_nxt - s->seq; /* text of an earlier SYN, taken already */
    if (s->len < old) {
        s->len = old;
        s->flags &= (uint16_t)~REF_FIN;
    }
    s->seq += old;
    s->text += old;
    s->len -= old;
    s->up = s->up - old;
    if (k->stack) { /* the entry becomes a connection; the rest comes again */
        s->len = 0;
        s->flags &= (uint16_t) ~(REF_FIN | REF_URG);
    }
    return 1;
}

PERMIT_FN int permit_syn_at_irs_acked(const permit_case *k, outcome *o)
{
    if (o->r.state >= REF_ESTABLISHED && !o->list.n)
        permit__say(o, o->r.snd_nxt, o->r.rcv_nxt, REF_ACK);
    if (o->r.state >= REF_ESTABLISHED && !k->stack)
        o->r.snd_wl1 = k->seg->seq;
    return 1;
}

PERMIT_FN int permit_other_syn(const permit_case *k, outcome *o)
{
    const ref_tcb *t = k->before;

    if (t->state != REF_SYN_RECEIVED || !permit__has(k, REF_SYN) ||
        permit__has(k, REF_RST) || k->seg->seq == t->irs ||
        k->seg->seq - t->rcv_nxt < t->rcv_wnd)
        return 0;
    permit__nothing(k, o);
    permit__say(o, t->snd_nxt, t->rcv_nxt, REF_ACK);
    return 1;
}

PERMIT_FN int permit_future_ack_reset(const permit_case *k, outcome *o)
{
    if (k->before->state != REF_SYN_RECEIVED || o->list.n != 1 ||
        !o->list.at[0].challenge || !permit__has(k, REF_ACK) ||
        (permit__has(k, REF_SYN) && k->seg->seq != k->before->irs) ||
        !strstr(o->list.clause, "Fifth"))
        return 0;
    if (permit__lt(k->before->snd_una, k->seg->ack) &&
        !permit__lt(k->before->snd_nxt, k->seg->ack))
        return 0;
    if (!permit__ts_ok(k))
        return 0; /* RFC 7323's answer comes first */
    permit__nothing(k, o);
    permit__say(o, k->seg->ack, 0, REF_RST);
    return 1;
}

/* --- the sequence number --- */

PERMIT_FN int permit_right_edge(const permit_case *k, ref_tcb *t, ref_seg *s)
{
    if (!permit__in_other(k) || permit__len(k) != 0 || t->rcv_wnd == 0 ||
        s->seq != t->rcv_nxt + t->rcv_wnd || permit__has(k, REF_RST))
        return 0;
    t->rcv_wnd++;
    return 1;
}

PERMIT_FN int permit_right_edge_back(const permit_case *k, outcome *o)
{
    (void)k;
    if (o->r.rcv_wnd)
        o->r.rcv_wnd--;
    return 1;
}

PERMIT_FN int permit_both_sides(const permit_case *k, ref_tcb *t, ref_seg *s)
{
    uint32_t last = s->seq + permit__len(k) - 1;

    if (!permit__in_other(k) || permit__len(k) == 0 || t->rcv_wnd == 0 ||
        !permit__lt(s->seq, t->rcv_nxt) ||
        permit__lt(last, t->rcv_nxt + t->rcv_wnd) ||
        (s->flags & (REF_SYN | REF_RST)))
        return 0;
    s->len = t->rcv_nxt + t->rcv_wnd - s->seq; /* trimmed on the right */
    s->flags &= (uint16_t)~REF_FIN;
    return 1;
}

/* What is at RCV.NXT is not refused, so nothing need be said of it: there is
   no ACK, or no connection any more, or nothing that counts. */
PERMIT_FN int permit_zero_quiet(const permit_case *k, outcome *o)
{
    const ref_tcb *t = k->before;

    if (!permit__in_other(k) || t->rcv_wnd != 0 ||
        k->seg->seq != t->rcv_nxt || !permit__ts_ok(k) ||
        (k->seg->flags & (REF_SYN | REF_RST)))
        return 0;
    if (o->list.n == 2) { /* a reset says it all */
        o->list.at[0] = o->list.at[1];
        o->list.n = 1;
        return 1;
    }
    if (permit__has(k, REF_ACK) && o->r.state != REF_CLOSED &&
        !(t->state == REF_CLOSING && o->r.state == REF_TIME_WAIT) &&
        !(t->fin_rcvd && k->seg->flags & REF_FIN && !k->seg->len &&
          permit__ack_ok(k)))
        return 0;
    o->list.n = 0;
    return 1;
}

/* The FIN is the octet at the right edge, and all before it is in. */
PERMIT_FN int permit_fin_at_edge(const permit_case *k, ref_tcb *t, ref_seg *s)
{
    if (!permit__in_other(k) || !permit__has(k, REF_FIN) ||
        (s->flags & (REF_SYN | REF_RST)) ||
        s->seq + s->len != t->rcv_nxt + t->rcv_wnd ||
        permit__lt(t->rcv_nxt, s->seq) || t->fin_rcvd ||
        (t->rcv_wnd == 0 && s->seq != t->rcv_nxt))
        return 0;
    t->rcv_wnd++;
    return 1;
}

PERMIT_FN int permit_fin_at_edge_back(const permit_case *k, outcome *o)
{
    if (o->r.state == REF_CLOSED || o->r.fin_rcvd)
        return 1;
    if (o->r.rcv_wnd)
        o->r.rcv_wnd--;
    o->r.fin_have = k->before->fin_have; /* beyond a gap it comes again */
    o->r.fin_at = k->before->fin_at;
    return 1;
}

PERMIT_FN int permit_fin_after_fin(const permit_case *k, ref_tcb *t,
                                   ref_seg *s)
{
    if (!permit__in_other(k) || !(s->flags & REF_FIN) || s->void_fin ||
        !(t->fin_rcvd || t->fin_have) || permit__has(k, REF_SYN))
        return 0;
    s->void_fin = 1;
    return 1;
}

PERMIT_FN int permit_fin_before_text(const permit_case *k, ref_tcb *t,
                                     ref_seg *s)
{
    uint32_t at = s->seq + s->len - (t->irs + 1);

    if (!permit__in_other(k) || !(s->flags & REF_FIN) || s->void_fin ||
        permit__has(k, REF_SYN) || at >= t->highest)
        return 0;
    s->void_fin = 1;
    return 1;
}

PERMIT_FN int permit_text_after_fin(const permit_case *k, ref_tcb *t,
                                    ref_seg *s)
{
    if (!permit__in_other(k) || !t->fin_have || permit__has(k, REF_SYN) ||
        !permit__lt(t->fin_at, s->seq + s->len))
        return 0;
    s->void_fin = 1;
    s->len = permit__lt(s->seq, t->fin_at) ? t->fin_at - s->seq : 0;
    return 1;
}

PERMIT_FN int permit_not_held(const permit_case *k, outcome *o)
{
    const ref_tcb *t = k->before;

    if (o->r.state < REF_ESTABLISHED || o->r.rcv_nxt != t->rcv_nxt ||
        (ref_same_text(&o->r, t) && o->r.fin_have == t->fin_have))
        return 0;
    memcpy(o->r.have, t->have, sizeof o->r.have);
    o->r.highest = t->highest;
    o->r.fin_have = t->fin_have;
    return 1;
}

/* --- the ACK field and the window --- */

PERMIT_FN int permit_edge_stays(const permit_case *k, outcome *o)
{
    const ref_tcb *t = k->before;
    uint32_t n = o->r.snd_una - t->snd_una;

    if (!permit__in_other(k) || n == 0 || t->state == REF_SYN_RECEIVED ||
        o->r.snd_wl1 != t->snd_wl1 || o->r.snd_wl2 != t->snd_wl2 ||
        o->r.snd_wnd != t->snd_wnd || o->r.state == REF_CLOSED)
        return 0;
    o->r.snd_wnd -= n < o->r.snd_wnd ? n : o->r.snd_wnd;
    return 1;
}

PERMIT_FN int permit_first_wl1(const permit_case *k, outcome *o)
{
    const ref_tcb *t = k->before;

    if (t->state != REF_SYN_RECEIVED || o->r.state < REF_ESTABLISHED ||
        !permit__lt(k->seg->seq, t->rcv_nxt) || o->r.snd_wl1 != t->rcv_nxt)
        return 0;
    o->r.snd_wl1 = k->seg->seq;
    return 1;
}

PERMIT_FN int permit_rate_limit(const permit_case *k, outcome *o)
{
    if (!k->limited || o->list.n != 1 || k->seg->len != 0 ||
        !o->list.at[0].challenge)
        return 0;
    o->list.n = 0;
    return 1;
}

PERMIT_FN int permit_reset_told(const permit_case *k, outcome *o)
{
    const ref_tcb *t = k->before;

    if ((t->state != REF_CLOSING && t->state != REF_LAST_ACK) ||
        !permit__has(k, REF_RST) || o->r.state != REF_CLOSED ||
        t->snd_una - (t->iss + 1) >= t->sent_n)
        return 0;
    o->r.signals |= REF_SIG_RESET;
    return 1;
}

/* --- URG --- */

PERMIT_FN int permit_urg_zero(const permit_case *k, ref_tcb *t, ref_seg *s)
{
    (void)t;
    if (!permit__has(k, REF_URG) || k->seg->up != 0)
        return 0;
    s->flags &= (uint16_t)~REF_URG;
    return 1;
}

/* --- closing --- */

/* Text that is inside the window, new or held already. What the ACK and the
   window of the segment say counts, as far as the reset goes. */
PERMIT_FN int permit_closed_text(const permit_case *k, outcome *o)
{
    const ref_tcb *t = k->before;
    uint32_t a = k->seg->seq + (uint32_t)permit__has(k, REF_SYN);

    if (!k->closed || !permit__in_other(k) || k->seg->len == 0 ||
        permit__has(k, REF_RST) || t->fin_rcvd ||
        (permit__has(k, REF_SYN) &&
         (t->state != REF_SYN_RECEIVED || k->seg->seq != t->irs)) ||
        !permit__ack_ok(k) || !permit__ts_ok(k) ||
        !permit__lt(t->rcv_nxt, a + k->seg->len) ||
        !permit__lt(a, t->rcv_nxt + t->rcv_wnd))
        return 0;
    o->r.state = REF_CLOSED;
    o->r.signals = 0;
    o->list.n = 0;
    permit__say(o, t->snd_nxt, t->rcv_nxt, REF_RST | REF_ACK);
    return 1;
}

PERMIT_FN int permit_closed_listen(const permit_case *k, outcome *o)
{
    if (!k->closed || o->r.state != REF_LISTEN)
        return 0;
    o->r.state = REF_CLOSED;
    return 1;
}

PERMIT_FN int permit_last_ack(const permit_case *k, outcome *o)
{
    const ref_tcb *t = k->before;

    if (o->r.state == REF_CLOSE_WAIT && o->r.closing) {
        o->r.state = REF_LAST_ACK;
        return 1;
    }
    if (t->state != REF_CLOSE_WAIT || !t->closing ||
        !(o->r.signals & REF_SIG_RESET) ||
        t->snd_una != t->iss + 1 + t->sent_n)
        return 0;
    o->r.signals &= ~(unsigned)REF_SIG_RESET; /* as in LAST-ACK */
    return 1;
}

/* --- TIME-WAIT --- */

PERMIT_FN int permit_time_wait_quiet(const permit_case *k, outcome *o)
{
    const ref_seg *s = k->seg;

    if (k->before->state != REF_TIME_WAIT || permit__has(k, REF_SYN) ||
        permit__has(k, REF_RST) || !permit__has(k, REF_ACK) ||
        o->r.time_waits == k->before->time_waits)
        return 0;
    if (k->stack && s->ack != k->before->snd_nxt)
        return 0; /* an entry has no MAX.SND.WND: MAY-12 is stricter there */
    permit__nothing(k, o);
    return 1;
}

PERMIT_FN int permit_time_wait_rst(const permit_case *k, outcome *o)
{
    if (k->before->state != REF_TIME_WAIT || !permit__has(k, REF_RST))
        return 0;
    permit__nothing(k, o);
    return 1;
}

PERMIT_FN int permit_time_wait_fin(const permit_case *k, outcome *o)
{
    if (k->before->state != REF_TIME_WAIT || !permit__has(k, REF_FIN) ||
        o->r.state != REF_TIME_WAIT ||
        k->seg->seq + permit__len(k) != k->before->rcv_nxt ||
        k->seg->ack != k->before->snd_nxt || permit__has(k, REF_SYN) ||
        !permit__ts_ok(k) || !permit__has(k, REF_ACK) ||
        permit__has(k, REF_RST))
        return 0;
    o->r.time_waits++;
    return 1;
}

PERMIT_FN int permit_time_wait_syn(const permit_case *k, outcome *o)
{
    const ref_tcb *t = k->before;
    const ref_seg *s = k->seg;
    int beyond = !permit__lt(s->seq, t->rcv_nxt);
    ref_seg bare;

    if (t->state != REF_TIME_WAIT || !permit__has(k, REF_SYN) ||
        permit__has(k, REF_RST) || permit__has(k, REF_ACK))
        return 0;
    if (t->ts_on && s->has_ts) { /* RFC 6191: the timestamp goes first */
        if (permit__lt(s->tsval, t->ts_recent))
            return 0;
        beyond = beyond || s->tsval != t->ts_recent;
    } else if (t->want_ts && s->has_ts) {
        beyond = 1;
    }
    if (!beyond)
        return 0;
    permit__nothing(k, o);
    if (k->stack) { /* the listener that is there answers it at once */
        ref_list none;
        uint32_t iss = k->before->next_iss;

        ref_init(&o->r, k->before->rcv_buff);
        (void)ref_open(&o->r, 0, iss, &none);
        bare = *s;
        bare.len = 0;
        bare.flags &= (uint16_t)~REF_FIN;
        ref_segment(&o->r, &bare, &o->list);
        return 1;
    }
    o->r.state = REF_CLOSED;
    return 1;
}

PERMIT_FN int permit_ts_later(const permit_case *k, outcome *o)
{
    const ref_tcb *t = k->before;

    if (!t->ts_on || o->r.ts_recent == t->ts_recent)
        return 0;
    if (permit__ack_ok(k) && t->state != REF_TIME_WAIT)
        return 0;
    o->r.ts_recent = t->ts_recent;
    return 1;
}

PERMIT_FN int permit_malformed(const permit_case *k, outcome *o)
{
    if (!k->malformed)
        return 0;
    permit__nothing(k, o);
    return 1;
}

/* ---- the table ---------------------------------------------------------- */

/* The first five are the comparison's own: see model.h. */
enum {
    PERMIT_DELAYED,
    PERMIT_EXTRA_ACK,
    PERMIT_ECN,
    PERMIT_ACK_SEQ,
    PERMIT_RESET_ACK,
    PERMIT_REWRITES
};

static permit permits[] = {
    {"delayed-ack", "9293 3.8.6.3 SHLD-18, 3.10.7.4 Seventh",
     "the ACK of text waits, less than 0.5 s, for company", NULL, NULL, 0, 0},
    {"duplicate-ack", "9293 3.10.7.4 Seventh MAY-13, 5681 4.2",
     "text or a FIN beyond a gap, or seen before, is answered at once", NULL,
     NULL, 0, 0},
    {"ecn-bits", "3168 6.1.1, 9768 3.1.1",
     "ECE, CWR and AE in an answer to a SYN that had them", NULL, NULL,
     PERMIT_SERVER, 0},
    {"ack-seq", "9293 3.8.6 MUST-34, A.2",
     "behind a shrunk window ACKs say its edge, where the peer looks", NULL,
     NULL, 0, 0},
    {"reset-ack", "9293 3.1 (Acknowledgment Number), 3.10.5",
     "the reset of ABORT has an ACK, as every segment of a connection", NULL,
     NULL, 0, 0},
    /* what changes the segment or the state that it meets, */
    {"syn-text-dropped",
     "9293 3.10.7.2 Third, 3.10.7.3 Fourth (should, queue)",
     "text or FIN of a SYN that opens is not kept; it comes again",
     permit_syn_text, NULL, 0, 0},
    {"syn-text-acked", "9293 3.10.7.2 Third (processed in SYN-RECEIVED)",
     "text of a SYN is kept, unread, and acknowledged with it",
     permit_syn_text_acked, permit_syn_text_acked_now, 0, 0},
    {"syn-ack-at-irs", "9293 A.2 (simultaneous open)",
     "SYN,ACK at IRS in SYN-RECEIVED: its ACK counts", permit_syn_at_irs,
     permit_syn_at_irs_acked, 0, 0},
    {"right-edge", "9293 A.2, MUST-66",
     "an empty segment at the right edge is acceptable", permit_right_edge,
     permit_right_edge_back, PERMIT_DECIDED, 0},
    {"both-sides", "9293 3.10.7.4 First (trimming)",
     "text that hangs out of the window on both sides is trimmed",
     permit_both_sides, NULL, PERMIT_DECIDED, 0},
    {"fin-at-edge", "9293 3.10 (in detail), 3.4",
     "a FIN needs no buffer: at the right edge, in order, it is taken",
     permit_fin_at_edge, permit_fin_at_edge_back, PERMIT_DECIDED, 0},
    {"fin-after-fin", "9293 3.10.7.4 Eighth, glossary (FIN)",
     "what comes after the FIN is no second FIN", permit_fin_after_fin, NULL,
     0, 0},
    {"fin-before-text", "9293 glossary (FIN)",
     "a FIN before text that has arrived is not believed",
     permit_fin_before_text, NULL, PERMIT_DECIDED, 0},
    {"text-after-fin", "9293 glossary (FIN)",
     "text beyond a FIN that waits is not believed", permit_text_after_fin,
     NULL, PERMIT_DECIDED, 0},
    {"urg-zero", "9293 3.8.5 MUST-62",
     "an urgent pointer of 0 ends no octet of its segment", permit_urg_zero,
     NULL, PERMIT_DECIDED, 0},
    /* and what changes the outcome */
    {"refused", "9293 3.9.1.8, 3.10.7.4 Second (SYN-RECEIVED)",
     "a reset that answers our SYN is called \"refused\"", NULL,
     permit_refused, PERMIT_DECIDED, 0},
    {"syn-ack-again", "9293 3.10.8 retransmission, 3.10.7.4 First",
     "the peer's SYN again: the ACK that it is owed is our SYN,ACK", NULL,
     permit_syn_again, PERMIT_DECIDED, 0},
    {"other-syn", "9293 3.4, 5961 4.2",
     "SYN-RECEIVED: a SYN from below the window is answered, not trimmed",
     NULL, permit_other_syn, PERMIT_DECIDED, 0},
    {"future-ack-reset", "9293 3.5.2 group 2",
     "SYN-RECEIVED: an ACK of what was never sent gets a reset", NULL,
     permit_future_ack_reset, PERMIT_DECIDED, 0},
    {"zero-window-quiet", "9293 3.10.7.4 First (special allowance), Fifth",
     "at a window of zero what is at RCV.NXT is not refused: no answer", NULL,
     permit_zero_quiet, PERMIT_DECIDED, 0},
    {"not-held", "9293 3.10.7.4 SHLD-31",
     "text beyond a gap is not held: the table is full", NULL,
     permit_not_held, 0, 0},
    {"first-wl1", "9293 3.10.7.4 Fifth SYN-RECEIVED (SND.WL1 <- SEG.SEQ)",
     "the first SND.WL1 is SEG.SEQ as it came, not as it was trimmed", NULL,
     permit_first_wl1, 0, 0},
    {"edge-stays", "9293 3.10.7.4 Fifth (SND.WND), 3.8.6",
     "an ACK that may not update the window moves no right edge", NULL,
     permit_edge_stays, PERMIT_DECIDED, 0},
    {"rate-limit", "5961 7, 9293 3.10.7.4 (ACK throttling)",
     "answers to what is not acceptable and has no text are limited", NULL,
     permit_rate_limit, 0, 0},
    {"ts-later", "9293 3.10.7.4 Fifth, 5961 5.2 (discarded)",
     "TS.Recent is not taken from a segment whose ACK is refused", NULL,
     permit_ts_later, PERMIT_SERVER, 0},
    {"malformed", "9293 3.1 MUST-7",
     "an option that cannot be stepped over: the segment is dropped", NULL,
     permit_malformed, PERMIT_DECIDED, 0},
    {"reset-told", "9293 3.6 MUST-12",
     "CLOSING, LAST-ACK: the user learns that text was lost", NULL,
     permit_reset_told, PERMIT_DECIDED, 0},
    {"closed-text", "9293 3.6.1 SHLD-3, MAY-1",
     "text for a user who closed for good: a reset", NULL, permit_closed_text,
     PERMIT_DECIDED, 0},
    {"closed-listen", "9293 3.10.4 LISTEN",
     "SYN-RECEIVED ends in CLOSED, not LISTEN, once the owner closed", NULL,
     permit_closed_listen, PERMIT_DECIDED, 0},
    {"last-ack", "9293 3.10.4 CLOSE-WAIT, Figure 5",
     "LAST-ACK from CLOSE on, though the FIN still waits", NULL,
     permit_last_ack, PERMIT_DECIDED, 0},
    {"time-wait-quiet", "9293 3.10.7.4 Fifth TIME-WAIT",
     "only the FIN is answered and restarts 2 MSL: no ACK war", NULL,
     permit_time_wait_quiet, PERMIT_DECIDED, 0},
    {"time-wait-rst", "1337 3 (F1), 4", "RST is ignored in TIME-WAIT", NULL,
     permit_time_wait_rst, PERMIT_DECIDED, 0},
    {"time-wait-fin", "9293 3.10.7.4 Fifth TIME-WAIT",
     "the FIN, though it is below the window, restarts 2 MSL", NULL,
     permit_time_wait_fin, PERMIT_DECIDED, 0},
    {"time-wait-syn", "9293 3.6.1 MAY-2 SHLD-4, 6191 2",
     "a SYN beyond the old connection ends TIME-WAIT", NULL,
     permit_time_wait_syn, PERMIT_DECIDED, 0},
};

enum { PERMITS = sizeof permits / sizeof *permits };

#endif /* PERMITTED_H */
