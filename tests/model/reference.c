/* reference.c - RFC 9293 section 3.10, transcribed - 0BSD

   See reference.h. Quotations are marked by the section and, inside 3.10.7,
   by its steps: "3.10.7.4 First". Comments in brackets are ours. */

#include "reference.h"

#include <string.h>

/* ---- 3.4: "all arithmetic on sequence numbers ... is modulo 2^32" ------- */

static int lt(uint32_t a, uint32_t b)
{
    return a != b && b - a < 0x80000000u;
}

static int le(uint32_t a, uint32_t b)
{
    return a == b || lt(a, b);
}

static uint32_t seq_max(uint32_t a, uint32_t b)
{
    return lt(a, b) ? b : a;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* SEG.LEN = "the number of octets occupied by the data in the segment
   (counting SYN and FIN)" (3.3.1) */
static uint32_t seg_len(const ref_seg *s)
{
    return s->len + ((s->flags & REF_SYN) != 0) + ((s->flags & REF_FIN) != 0);
}

/* ---- what is said in answer --------------------------------------------- */

static void say(ref_list *o, uint32_t seq, uint32_t ack, unsigned flags)
{
    ref_reply *r;

    if (o->n == REF_OUT)
        return;
    r = &o->at[o->n++];
    memset(r, 0, sizeof *r);
    r->seg.seq = seq;
    r->seg.ack = ack;
    r->seg.flags = (uint16_t)flags;
}

/* <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>. MUST-58: of several that one segment
   asks for, one is sent, and its ACK is the latest RCV.NXT. */
static void say_ack(ref_tcb *t, ref_list *o, int soon)
{
    uint32_t i;

    for (i = 0; i < o->n; i++)
        if (o->at[i].seg.flags == REF_ACK) {
            o->at[i].seg.ack = t->rcv_nxt;
            o->at[i].soon = (uint8_t)(o->at[i].soon && soon);
            return;
        }
    say(o, t->snd_nxt, t->rcv_nxt, REF_ACK);
    o->at[o->n - 1].soon = (uint8_t)soon;
}

static void say_challenge(ref_tcb *t, ref_list *o)
{
    say_ack(t, o, 0);
    o->at[o->n - 1].challenge = 1;
}

/* <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK> or <SEQ=SEG.ACK><CTL=RST> */
static void say_reset(const ref_seg *s, ref_list *o)
{
    if (s->flags & REF_ACK)
        say(o, s->ack, 0, REF_RST);
    else
        say(o, 0, s->seq + seg_len(s), REF_RST | REF_ACK);
}

/* ---- pieces of state ---------------------------------------------------- */

static int synchronized_state(int state)
{
    return state >= REF_ESTABLISHED; /* 3.5.2, group 3 */
}

/* "delete the TCB, enter the CLOSED state": what the user has not received
   yet is still there, for whoever wants to compare it. */
static void delete_tcb(ref_tcb *t)
{
    t->state = REF_CLOSED;
}

static void listen_again(ref_tcb *t)
{
    uint32_t buff = t->rcv_buff, iss = t->next_iss;
    unsigned signals = t->signals;
    int want_ts = t->want_ts;

    ref_init(t, buff);
    t->state = REF_LISTEN;
    t->next_iss = iss;
    t->signals = signals;
    t->want_ts = want_ts;
}

static void start_time_wait(ref_tcb *t)
{
    t->state = REF_TIME_WAIT;
    t->time_waits++;
}

/* Has the octet at this place of the stream arrived? */
static int arrived(const ref_tcb *t, uint32_t seq)
{
    uint32_t at = seq - (t->irs + 1);

    return at < REF_STREAM && t->have[at];
}

static void hold_text(ref_tcb *t, uint32_t seq, const uint8_t *p, uint32_t n)
{
    uint32_t i, at = seq - (t->irs + 1);

    for (i = 0; i < n; i++)
        if (at + i < REF_STREAM && !t->have[at + i]) {
            t->have[at + i] = 1;
            t->got[at + i] = p[i];
            if (t->highest <= at + i)
                t->highest = at + i + 1;
        }
}

/* Text in order that the user has not received */
static uint32_t waiting(const ref_tcb *t)
{
    return t->rcv_nxt - (t->irs + 1) - (uint32_t)t->fin_rcvd - t->consumed;
}

static uint32_t fin_seq(const ref_tcb *t)
{
    return t->iss + 1 + t->sent_n;
}

static int fin_acked(const ref_tcb *t)
{
    return t->fin_sent && t->snd_una == fin_seq(t) + 1;
}

static void set_window(ref_tcb *t, const ref_seg *s, uint32_t seq)
{
    t->snd_wnd = s->wnd;
    t->snd_wl1 = seq;
    t->snd_wl2 = s->ack;
    if (t->max_snd_wnd < s->wnd)
        t->max_snd_wnd = s->wnd;
}

/* ---- 3.10.7.1 CLOSED ---------------------------------------------------- */

static void in_closed(const ref_seg *s, ref_list *o)
{
    o->clause = "3.10.7.1";
    /* "all data in the incoming segment is discarded. An incoming segment
       containing a RST is discarded. An incoming segment not containing a
       RST causes a RST to be sent in response." */
    if (s->flags & REF_RST)
        return;
    say_reset(s, o);
}

/* ---- 3.10.7.2 LISTEN ---------------------------------------------------- */

/* "any other control or text should be queued for processing later" */
static void queue_text(ref_tcb *t, const ref_seg *s)
{
    uint32_t room = t->rcv_buff;

    hold_text(t, s->seq + 1, s->text, least(s->len, room));
    if ((s->flags & REF_FIN) && s->len <= room) {
        t->fin_have = 1;
        t->fin_at = s->seq + 1 + s->len;
    }
}

static void take_syn(ref_tcb *t, const ref_seg *s)
{
    t->irs = s->seq;
    t->rcv_nxt = s->seq + 1;
    t->last_ack_sent = t->rcv_nxt;
    t->rcv_up = t->rcv_nxt;
    if (t->max_snd_wnd < s->wnd) /* RFC 5961 5.2: "ever received" */
        t->max_snd_wnd = s->wnd;
    /* RFC 7323 3.2: both SYNs must have it */
    t->ts_on = t->want_ts && s->has_ts;
    if (t->ts_on)
        t->ts_recent = s->tsval;
}

static void in_listen(ref_tcb *t, const ref_seg *s, ref_list *o)
{
    o->clause = "3.10.7.2";
    /* "First, check for a RST: An incoming RST should be ignored." */
    if (s->flags & REF_RST)
        return;
    /* "Second, check for an ACK: Any acknowledgment is bad if it arrives on
       a connection still in the LISTEN state. <SEQ=SEG.ACK><CTL=RST>" */
    if (s->flags & REF_ACK) {
        say(o, s->ack, 0, REF_RST);
        return;
    }
    /* "Third, check for a SYN" [there is no security/compartment here] */
    if (s->flags & REF_SYN) {
        /* "Set RCV.NXT to SEG.SEQ+1, IRS is set to SEG.SEQ, and any other
           control or text should be queued for processing later. ISS should
           be selected and a SYN segment sent of the form
           <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>. SND.NXT is set to ISS+1 and
           SND.UNA to ISS." */
        take_syn(t, s);
        queue_text(t, s);
        t->iss = t->next_iss;
        t->snd_nxt = t->iss + 1;
        t->snd_una = t->iss;
        t->active = 0;
        t->state = REF_SYN_RECEIVED;
        say(o, t->iss, t->rcv_nxt, REF_SYN | REF_ACK);
        return;
    }
    /* "Fourth, other data or control: This should not be reached. Drop the
       segment and return." */
}

/* ---- 3.10.7.4, the steps that others share ------------------------------ */

/* "Sixth, check the URG bit" */
static void check_urg(ref_tcb *t, const ref_seg *s)
{
    uint32_t up = s->seq + s->up, read = t->irs + 1 + t->consumed;

    switch (t->state) {
    case REF_ESTABLISHED:
    case REF_FIN_WAIT_1:
    case REF_FIN_WAIT_2:
        /* "If the URG bit is set, RCV.UP <- max(RCV.UP,SEG.UP), and signal
           the user that the remote side has urgent data if the urgent
           pointer (RCV.UP) is in advance of the data consumed. If the user
           has already been signaled ... do not signal the user again." But
           MUST-32: again "whenever the urgent pointer advances". */
        if (!(s->flags & REF_URG))
            return;
        if (!lt(read, up) || (t->urgent && !lt(t->rcv_up, up)))
            return;
        t->rcv_up = up;
        t->urgent = 1;
        t->signals |= REF_SIG_URGENT;
        return;
    default:
        /* "This should not occur since a FIN has been received from the
           remote side. Ignore the URG." */
        return;
    }
}

/* "Eighth, check the FIN bit", of the idealized segment: the FIN is the
   octet at RCV.NXT. */
static void take_fin(ref_tcb *t, ref_list *o)
{
    /* "If the FIN bit is set, signal the user "connection closing" and return
       any pending RECEIVEs with same message, advance RCV.NXT over the FIN,
       and send an acknowledgment for the FIN." */
    t->signals |= REF_SIG_CLOSING;
    t->rcv_nxt++;
    if (t->rcv_wnd)
        t->rcv_wnd--;
    t->fin_rcvd++;
    t->fin_have = 0;
    say_ack(t, o, 0);
    switch (t->state) {
    case REF_SYN_RECEIVED:
    case REF_ESTABLISHED:
        /* "Enter the CLOSE-WAIT state." */
        t->state = REF_CLOSE_WAIT;
        break;
    case REF_FIN_WAIT_1:
        /* "If our FIN has been ACKed (perhaps in this segment), then enter
           TIME-WAIT ...; otherwise, enter the CLOSING state." [Erratum 8805:
           if it had been, step five would have left FIN-WAIT-1.] */
        t->state = REF_CLOSING;
        break;
    case REF_FIN_WAIT_2:
        /* "Enter the TIME-WAIT state. Start the time-wait timer, turn off the
           other timers." */
        start_time_wait(t);
        break;
    case REF_CLOSE_WAIT: /* "Remain in the CLOSE-WAIT state." */
    case REF_CLOSING:    /* "Remain in the CLOSING state." */
    case REF_LAST_ACK:   /* "Remain in the LAST-ACK state." */
        break;
    case REF_TIME_WAIT:
        /* "Remain in the TIME-WAIT state. Restart the 2 MSL time-wait
           timeout." */
        t->time_waits++;
        break;
    default:
        break;
    }
}

/* Held text that RCV.NXT has reached, and a held FIN after it: "further
   processing is done in SEG.SEQ order". */
static uint32_t absorb(ref_tcb *t, ref_list *o)
{
    uint32_t n = 0;

    if (t->fin_rcvd)
        return 0;
    while (arrived(t, t->rcv_nxt)) {
        if (t->fin_have && t->fin_at == t->rcv_nxt)
            break;
        t->rcv_nxt++;
        if (t->rcv_wnd)
            t->rcv_wnd--; /* "The total of RCV.NXT and RCV.WND should not
                             be reduced." */
        n++;
    }
    if (n)
        say_ack(t, o, 1);
    if (t->fin_have && t->fin_at == t->rcv_nxt)
        take_fin(t, o);
    return n;
}

/* ESTABLISHED, FIN-WAIT-1, FIN-WAIT-2: states in which text can come */
static int reads(int state)
{
    return state == REF_ESTABLISHED || state == REF_FIN_WAIT_1 ||
           state == REF_FIN_WAIT_2;
}

/* "Seventh, process the segment text" and the eighth step, for text at
   [a, a + n) that is inside the window, and a FIN at its end or not. */
static void take_text(ref_tcb *t, uint32_t a, const uint8_t *p, uint32_t n,
                      int fin, ref_list *o)
{
    if (!reads(t->state)) {
        /* CLOSE-WAIT, CLOSING, LAST-ACK, TIME-WAIT: "This should not occur
           since a FIN has been received from the remote side. Ignore the
           segment text." */
        if (fin && a + n == t->rcv_nxt)
            take_fin(t, o);
        return;
    }
    /* "Segments with higher beginning sequence numbers SHOULD be held for
       later processing (SHLD-31)." [A flag per octet; what is at RCV.NXT is
       then taken at once. Steps two to six look at every segment when it
       arrives: step two itself speaks of a RST that is not at RCV.NXT, and
       MAY-13 below of segments that are in the window but not at its edge.]
       "Once in the ESTABLISHED state, it is possible to deliver segment data
       to user RECEIVE buffers." */
    hold_text(t, a, p, n);
    if (fin) {
        t->fin_have = 1;
        t->fin_at = a + n;
    }
    /* "When the TCP endpoint takes responsibility for delivering the data to
       the user, it must also acknowledge the receipt of the data ... advances
       RCV.NXT over the data accepted, and adjusts RCV.WND ... Send an
       acknowledgment <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>. This acknowledgment
       should be piggybacked on a segment being transmitted if possible
       without incurring undue delay." [MAY-13 is not made use of.] */
    (void)absorb(t, o);
}

/* What was queued before ESTABLISHED, by the peer (3.10.7.2, .3: "queue them
   for processing after the ESTABLISHED state has been reached") and by the
   user (3.10.4: "queue for processing after entering ESTABLISHED state"). */
static void established(ref_tcb *t, ref_list *o)
{
    t->state = REF_ESTABLISHED;
    t->signals |= REF_SIG_OPEN;
    if (t->closing)
        t->state = REF_FIN_WAIT_1;
    (void)absorb(t, o);
}

/* ---- 3.10.7.3 SYN-SENT -------------------------------------------------- */

static void in_syn_sent(ref_tcb *t, const ref_seg *s, ref_list *o)
{
    int acceptable = 0;

    o->clause = "3.10.7.3";
    /* "First, check the ACK bit: If SEG.ACK =< ISS or SEG.ACK > SND.NXT, send
       a reset (unless the RST bit is set, if so drop the segment and return)
       <SEQ=SEG.ACK><CTL=RST> and discard the segment. Return. If SND.UNA <
       SEG.ACK =< SND.NXT, then the ACK is acceptable." */
    if (s->flags & REF_ACK) {
        if (le(s->ack, t->iss) || lt(t->snd_nxt, s->ack)) {
            if (!(s->flags & REF_RST))
                say(o, s->ack, 0, REF_RST);
            return;
        }
        acceptable = lt(t->snd_una, s->ack) && le(s->ack, t->snd_nxt);
    }
    /* "Second, check the RST bit" [erratum 8167 removed the first paragraph]:
       "If the ACK was acceptable, then signal to the user "error: connection
       reset", drop the segment, enter CLOSED state, delete TCB, and return.
       Otherwise (no ACK), drop the segment and return." */
    if (s->flags & REF_RST) {
        if (acceptable) {
            t->signals |= REF_SIG_RESET;
            delete_tcb(t);
        }
        return;
    }
    /* "Third, check the security" [none] */
    /* "Fourth, check the SYN bit: RCV.NXT is set to SEG.SEQ+1, IRS is set to
       SEG.SEQ. SND.UNA should be advanced to equal SEG.ACK (if there is an
       ACK), and any segments on the retransmission queue that are thereby
       acknowledged should be removed." */
    if (s->flags & REF_SYN) {
        take_syn(t, s);
        if (acceptable)
            t->snd_una = s->ack;
        /* "If SND.UNA > ISS (our SYN has been ACKed), change the connection
           state to ESTABLISHED, form an ACK segment <SEQ=SND.NXT>
           <ACK=RCV.NXT><CTL=ACK> and send it." */
        if (lt(t->iss, t->snd_una)) {
            /* [RFC 1122 4.2.2.20(c): SND.WND, SND.WL1 and SND.WL2 are set
               on this transition; RFC 9293 forgot it.] */
            set_window(t, s, s->seq);
            say_ack(t, o, 0);
            established(t, o);
            /* "If there are other controls or text in the segment, then
               continue processing at the sixth step under Section 3.10.7.4
               where the URG bit is checked; otherwise, return." */
            check_urg(t, s);
            {
                uint32_t n = least(s->len, t->rcv_wnd);

                take_text(t, s->seq + 1, s->text, n,
                          (s->flags & REF_FIN) && s->len < t->rcv_wnd, o);
            }
            return;
        }
        /* "Otherwise, enter SYN-RECEIVED, form a SYN,ACK segment <SEQ=ISS>
           <ACK=RCV.NXT><CTL=SYN,ACK> and send it. Set the variables: SND.WND
           <- SEG.WND, SND.WL1 <- SEG.SEQ, SND.WL2 <- SEG.ACK. If there are
           other controls or text in the segment, queue them for processing
           after the ESTABLISHED state has been reached, return." */
        t->state = REF_SYN_RECEIVED;
        say(o, t->iss, t->rcv_nxt, REF_SYN | REF_ACK);
        set_window(t, s, s->seq);
        queue_text(t, s);
        return;
    }
    /* "Fifth, if neither of the SYN or RST bits is set, then drop the segment
       and return." */
}

/* ---- 3.10.7.4 the other states ------------------------------------------ */

/* RCV.NXT =< x < RCV.NXT+RCV.WND */
static int in_window(const ref_tcb *t, uint32_t x)
{
    return x - t->rcv_nxt < t->rcv_wnd;
}

/* Table 6 */
static int acceptable(const ref_tcb *t, const ref_seg *s)
{
    uint32_t len = seg_len(s);

    if (len == 0 && t->rcv_wnd == 0)
        return s->seq == t->rcv_nxt;
    if (len == 0)
        return in_window(t, s->seq);
    if (t->rcv_wnd == 0)
        return 0;
    return in_window(t, s->seq) || in_window(t, s->seq + len - 1);
}

/* "Second, check the RST bit", with RFC 5961's three checks; 1: return */
static int check_rst(ref_tcb *t, const ref_seg *s, ref_list *o)
{
    if (!(s->flags & REF_RST))
        return 0;
    o->clause = "3.10.7.4 Second";
    /* "2) If the RST bit is set and the sequence number exactly matches the
       next expected sequence number (RCV.NXT), then TCP endpoints MUST reset
       the connection in the manner prescribed below according to the
       connection state." [Also at a window of zero: MUST-66.] */
    if (s->seq != t->rcv_nxt) {
        /* "1) If the RST bit is set and the sequence number is outside the
           current receive window, silently drop the segment." */
        if (!in_window(t, s->seq))
            return 1;
        /* "3) If the RST bit is set and the sequence number does not exactly
           match the next expected sequence value, yet is within the current
           receive window, TCP endpoints MUST send an acknowledgment
           (challenge ACK) <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>. After sending
           the challenge ACK, TCP endpoints MUST drop the unacceptable segment
           and stop processing the incoming packet further." */
        say_challenge(t, o);
        return 1;
    }
    switch (t->state) {
    case REF_SYN_RECEIVED:
        /* "If this connection was initiated with a passive OPEN (i.e., came
           from the LISTEN state), then return this connection to LISTEN state
           and return. The user need not be informed. If this connection was
           initiated with an active OPEN (i.e., came from SYN-SENT state), then
           the connection was refused; signal the user "connection refused".
           In either case, the retransmission queue should be flushed. And in
           the active OPEN case, enter the CLOSED state and delete the TCB, and
           return." */
        if (!t->active) {
            listen_again(t);
            return 1;
        }
        t->signals |= REF_SIG_REFUSED;
        delete_tcb(t);
        return 1;
    case REF_ESTABLISHED:
    case REF_FIN_WAIT_1:
    case REF_FIN_WAIT_2:
    case REF_CLOSE_WAIT:
        /* "any outstanding RECEIVEs and SEND should receive "reset" responses.
           All segment queues should be flushed. Users should also receive an
           unsolicited general "connection reset" signal. Enter the CLOSED
           state, delete the TCB, and return." */
        t->signals |= REF_SIG_RESET;
        delete_tcb(t);
        return 1;
    default:
        /* CLOSING, LAST-ACK, TIME-WAIT: "If the RST bit is set, then enter the
           CLOSED state, delete the TCB, and return." */
        delete_tcb(t);
        return 1;
    }
}

/* "Fourth, check the SYN bit"; 1: return */
static int check_syn(ref_tcb *t, const ref_seg *s, ref_list *o)
{
    if (!(s->flags & REF_SYN))
        return 0;
    /* SYN-RECEIVED: "If the connection was initiated with a passive OPEN, then
       return this connection to the LISTEN state and return. Otherwise, handle
       per the directions for synchronized states below." [Of the idealized
       segment: a SYN outside of the window has been trimmed off.] */
    if (t->state == REF_SYN_RECEIVED && !in_window(t, s->seq))
        return 0;
    o->clause = "3.10.7.4 Fourth";
    if (t->state == REF_SYN_RECEIVED && !t->active) {
        listen_again(t);
        return 1;
    }
    /* "RFC 5961 recommends that in these synchronized states, if the SYN bit
       is set, irrespective of the sequence number, TCP endpoints MUST send a
       "challenge ACK" to the remote peer: <SEQ=SND.NXT><ACK=RCV.NXT>
       <CTL=ACK>. After sending the acknowledgment, TCP implementations MUST
       drop the unacceptable segment and stop processing further." */
    say_challenge(t, o);
    return 1;
}

/* ESTABLISHED, in the fifth step. `seq` is the idealized segment's. */
static void ack_established(ref_tcb *t, const ref_seg *s, uint32_t seq)
{
    /* "If SND.UNA < SEG.ACK =< SND.NXT, then set SND.UNA <- SEG.ACK. Any
       segments on the retransmission queue that are thereby entirely
       acknowledged are removed. Users should receive positive acknowledgments
       for buffers that have been SENT and fully acknowledged. If the ACK is a
       duplicate (SEG.ACK =< SND.UNA), it can be ignored." */
    if (lt(t->snd_una, s->ack) && le(s->ack, t->snd_nxt)) {
        int was_syn = t->snd_una == t->iss;

        t->snd_una = s->ack;
        if (!was_syn && t->snd_una == t->snd_nxt &&
            t->snd_nxt == fin_seq(t) + (uint32_t)t->fin_sent)
            t->signals |= REF_SIG_ACKED;
    }
    /* "If SND.UNA =< SEG.ACK =< SND.NXT, the send window should be updated.
       If (SND.WL1 < SEG.SEQ or (SND.WL1 = SEG.SEQ and SND.WL2 =< SEG.ACK)),
       set SND.WND <- SEG.WND, set SND.WL1 <- SEG.SEQ, and set SND.WL2 <-
       SEG.ACK." */
    if (le(t->snd_una, s->ack) && le(s->ack, t->snd_nxt) &&
        (lt(t->snd_wl1, seq) ||
         (t->snd_wl1 == seq && le(t->snd_wl2, s->ack))))
        set_window(t, s, seq);
}

/* "Fifth, check the ACK field"; 1: return */
static int check_ack(ref_tcb *t, const ref_seg *s, uint32_t seq, ref_list *o)
{
    /* "if the ACK bit is off, drop the segment and return" */
    if (!(s->flags & REF_ACK)) {
        o->clause = "3.10.7.4 Fifth";
        return 1;
    }
    /* "The ACK value is acceptable only if it is in the range of ((SND.UNA -
       MAX.SND.WND) =< SEG.ACK =< SND.NXT). All incoming segments whose ACK
       value doesn't satisfy the above condition MUST be discarded and an ACK
       sent back." (MAY-12) */
    if (lt(s->ack, t->snd_una - t->max_snd_wnd) || lt(t->snd_nxt, s->ack)) {
        o->clause = "3.10.7.4 Fifth";
        say_challenge(t, o);
        return 1;
    }
    switch (t->state) {
    case REF_SYN_RECEIVED:
        /* "If SND.UNA < SEG.ACK =< SND.NXT, then enter ESTABLISHED state and
           continue processing with the variables below set to: SND.WND <-
           SEG.WND, SND.WL1 <- SEG.SEQ, SND.WL2 <- SEG.ACK. If the segment
           acknowledgment is not acceptable, form a reset segment
           <SEQ=SEG.ACK><CTL=RST> and send it." */
        if (!lt(t->snd_una, s->ack) || lt(t->snd_nxt, s->ack)) {
            o->clause = "3.10.7.4 Fifth";
            say(o, s->ack, 0, REF_RST);
            return 1;
        }
        set_window(t, s, seq);
        ack_established(t, s, seq);
        established(t, o);
        return t->state != REF_ESTABLISHED && t->state != REF_FIN_WAIT_1;
    case REF_ESTABLISHED:
    case REF_FIN_WAIT_2: /* "In addition to the processing for the ESTABLISHED
                            state, if the retransmission queue is empty, the
                            user's CLOSE can be acknowledged" */
    case REF_CLOSE_WAIT: /* "Do the same processing as for the ESTABLISHED
                            state." */
        ack_established(t, s, seq);
        return 0;
    case REF_FIN_WAIT_1:
        /* "In addition to the processing for the ESTABLISHED state, if the FIN
           segment is now acknowledged, then enter FIN-WAIT-2 and continue
           processing in that state." */
        ack_established(t, s, seq);
        if (fin_acked(t))
            t->state = REF_FIN_WAIT_2;
        return 0;
    case REF_CLOSING:
        /* "In addition to the processing for the ESTABLISHED state, if the ACK
           acknowledges our FIN, then enter the TIME-WAIT state; otherwise,
           ignore the segment." */
        ack_established(t, s, seq);
        if (!fin_acked(t)) {
            o->clause = "3.10.7.4 Fifth";
            return 1;
        }
        start_time_wait(t);
        return 0;
    case REF_LAST_ACK:
        /* "The only thing that can arrive in this state is an acknowledgment
           of our FIN. If our FIN is now acknowledged, delete the TCB, enter
           the CLOSED state, and return." [Text before the FIN may still be in
           flight, so its ACKs count here as in ESTABLISHED.] */
        ack_established(t, s, seq);
        if (fin_acked(t)) {
            o->clause = "3.10.7.4 Fifth";
            delete_tcb(t);
            return 1;
        }
        return 0;
    default:
        /* TIME-WAIT: "The only thing that can arrive in this state is a
           retransmission of the remote FIN. Acknowledge it, and restart the 2
           MSL timeout." */
        say_ack(t, o, 0);
        t->time_waits++;
        return 0;
    }
}

/* RFC 7323 3.2 and 5.3 R1; 1: return. "PAWS processing MUST take precedence
   over the regular TCP acceptability check". */
static int check_timestamp(ref_tcb *t, const ref_seg *s, ref_list *o)
{
    if (!t->ts_on || (s->flags & REF_RST))
        return 0;
    o->clause = "RFC 7323 5.3";
    /* 3.2: "If a non-<RST> segment is received without a TSopt, a TCP SHOULD
       silently drop the segment." */
    if (!s->has_ts)
        return 1;
    /* R1: "SEG.TSval < TS.Recent ... Send an acknowledgment in reply ... and
       drop the segment." */
    if (lt(s->tsval, t->ts_recent)) {
        say_challenge(t, o);
        return 1;
    }
    return 0;
}

static void in_other(ref_tcb *t, const ref_seg *s, ref_list *o)
{
    uint32_t a = s->seq + ((s->flags & REF_SYN) != 0), b = a + s->len;
    uint32_t edge = t->rcv_nxt + t->rcv_wnd, seq = s->seq;
    int fin = (s->flags & REF_FIN) && !s->void_fin, zero, was;

    o->clause = "3.10.7.4 First";
    /* [SYN in a synchronized state "irrespective of the sequence number":
       its timestamp is not looked at either.] */
    if (!(s->flags & REF_SYN) && check_timestamp(t, s, o))
        return;
    o->clause = "3.10.7.4 First";
    /* "First, check sequence number ... If the RCV.WND is zero, no segments
       will be acceptable, but special allowance should be made to accept valid
       ACKs, URGs, and RSTs." [MUST-66: those at RCV.NXT] */
    zero = t->rcv_wnd == 0 && s->seq == t->rcv_nxt;
    if (!acceptable(t, s)) {
        /* "If an incoming segment is not acceptable, an acknowledgment should
           be sent in reply (unless the RST bit is set, if so drop the segment
           and return): <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>. After sending the
           acknowledgment, drop the unacceptable segment and return." */
        if (!(s->flags & REF_RST)) {
            say_challenge(t, o);
            if (!zero || (s->flags & REF_SYN))
                return;
        } else if (!zero) {
            return;
        }
    }
    if (check_rst(t, s, o))
        return;
    /* R3: "If an arriving segment satisfies SEG.TSval >= TS.Recent and SEG.SEQ
       <= Last.ACK.sent, then record its timestamp in TS.Recent." */
    if (t->ts_on && s->has_ts && le(s->seq, t->last_ack_sent) &&
        !(s->flags & REF_SYN))
        t->ts_recent = s->tsval;
    /* "Third, check security" [none] */
    if (check_syn(t, s, o))
        return;
    /* "In the following it is assumed that the segment is the idealized segment
       that begins at RCV.NXT and does not exceed the window. One could tailor
       actual segments to fit this assumption by trimming off any portions that
       lie outside the window (including SYN and FIN)". 3.10: "and adjust the
       header fields to be consistent." */
    if (lt(seq, t->rcv_nxt))
        seq = t->rcv_nxt;
    if (lt(edge, b + (uint32_t)fin))
        fin = 0;
    if (lt(edge, b))
        b = edge;
    was = t->state;
    if (check_ack(t, s, seq, o))
        return;
    o->clause = was == REF_TIME_WAIT ? "3.10.7.4 Fifth" : "3.10.7.4 Seventh";
    check_urg(t, s);
    /* [The FIN is at b; all of it before RCV.NXT: it was taken before.] */
    if (lt(b, t->rcv_nxt))
        return;
    if (lt(a, t->rcv_nxt))
        a = t->rcv_nxt;
    if (lt(b, a))
        b = a;
    if (a != b || fin)
        take_text(t, a, s->text + (a - s->seq - ((s->flags & REF_SYN) != 0)),
                  b - a, fin, o);
    else if (s->len != 0 && reads(t->state))
        say_ack(t, o, 1); /* nothing of it was new: as in the first step */
}

void ref_segment(ref_tcb *t, const ref_seg *s, ref_list *o)
{
    memset(o, 0, sizeof *o);
    switch (t->state) {
    case REF_CLOSED:
        in_closed(s, o);
        break;
    case REF_LISTEN:
        in_listen(t, s, o);
        break;
    case REF_SYN_SENT:
        in_syn_sent(t, s, o);
        break;
    default:
        in_other(t, s, o);
        break;
    }
}

/* ---- 3.10.1 OPEN -------------------------------------------------------- */

void ref_copy(ref_tcb *to, const ref_tcb *from)
{
    uint32_t n = to->highest > from->highest ? to->highest : from->highest;

    memcpy(to, from, offsetof(ref_tcb, sent));
    memcpy(to->sent, from->sent, from->sent_n);
    memcpy(to->got, from->got, n);
    memcpy(to->have, from->have, n);
}

int ref_same_text(const ref_tcb *a, const ref_tcb *b)
{
    uint32_t n = a->highest > b->highest ? a->highest : b->highest;

    return memcmp(a->have, b->have, n) == 0;
}

void ref_init(ref_tcb *t, uint32_t rcv_buff)
{
    memset(t, 0, sizeof *t);
    t->rcv_buff = least(rcv_buff, REF_STREAM);
}

int ref_open(ref_tcb *t, int active, uint32_t iss, ref_list *o)
{
    memset(o, 0, sizeof *o);
    o->clause = "3.10.1";
    /* "If passive, enter the LISTEN state and return. ... [If active] an
       initial send sequence number (ISS) is selected. A SYN segment of the form
       <SEQ=ISS><CTL=SYN> is sent. Set SND.UNA to ISS, SND.NXT to ISS+1, enter
       SYN-SENT state, and return." LISTEN: "If the OPEN call is active and the
       remote socket is specified, then change the connection from passive to
       active ..." All other states: "error: connection already exists". */
    if (t->state != REF_CLOSED && t->state != REF_LISTEN)
        return REF_E_EXISTS;
    t->next_iss = iss;
    t->active = active;
    if (!active) {
        t->state = REF_LISTEN;
        return REF_OK;
    }
    t->iss = t->snd_una = iss;
    t->snd_nxt = iss + 1;
    t->state = REF_SYN_SENT;
    say(o, iss, 0, REF_SYN);
    return REF_OK;
}

/* ---- 3.10.2 SEND -------------------------------------------------------- */

int ref_send(ref_tcb *t, const void *p, uint32_t len, int urgent)
{
    switch (t->state) {
    case REF_CLOSED:
    case REF_LISTEN: /* "error: remote socket unspecified" */
        return REF_E_NOT_OPEN;
    case REF_SYN_SENT:
    case REF_SYN_RECEIVED:
        /* "Queue the data for transmission after entering ESTABLISHED state. If
           no space to queue, respond with "error: insufficient resources"." */
    case REF_ESTABLISHED:
    case REF_CLOSE_WAIT:
        /* "Segmentize the buffer and send it with a piggybacked acknowledgment
           ... If there is insufficient space to remember this buffer, simply
           return "error: insufficient resources"." [ref_output segmentizes] */
        if (t->closing)
            return REF_E_CLOSING;
        if (len > REF_STREAM - t->sent_n)
            return REF_E_RESOURCES;
        memcpy(t->sent + t->sent_n, p, len);
        t->sent_n += len;
        /* "If the URGENT flag is set, then SND.UP <- SND.NXT and set the urgent
           pointer in the outgoing segments." [MUST-62: the octet after] */
        if (urgent && len) {
            t->snd_urg = 1;
            t->snd_up = t->iss + 1 + t->sent_n;
        }
        return REF_OK;
    default:
        /* "Return "error: connection closing" and do not service request." */
        return REF_E_CLOSING;
    }
}

/* ---- 3.10.3 RECEIVE ----------------------------------------------------- */

int ref_receive(ref_tcb *t, void *p, uint32_t cap)
{
    uint32_t n;

    switch (t->state) {
    case REF_CLOSED:
        return REF_E_NOT_OPEN;
    case REF_LISTEN:
    case REF_SYN_SENT:
    case REF_SYN_RECEIVED:
        return 0; /* "Queue for processing after entering ESTABLISHED state." */
    default:
        break;
    }
    n = least(waiting(t), cap);
    /* CLOSE-WAIT: "If no text is awaiting delivery, the RECEIVE will get an
       "error: connection closing" response. Otherwise, any remaining data can
       be used to satisfy the RECEIVE." [CLOSING, LAST-ACK and TIME-WAIT have
       the same, or the user could not get what has arrived.] */
    if (n == 0 && t->fin_rcvd)
        return REF_E_CLOSING;
    /* "Reassemble queued incoming segments into receive buffer and return to
       user. If RCV.UP is in advance of the data currently being passed to the
       user, notify the user of the presence of urgent data." */
    memcpy(p, t->got + t->consumed, n);
    t->consumed += n;
    if (t->urgent && !lt(t->irs + 1 + t->consumed, t->rcv_up))
        t->urgent = 0;
    return (int)n;
}

/* ---- 3.10.4 CLOSE ------------------------------------------------------- */

int ref_close(ref_tcb *t)
{
    switch (t->state) {
    case REF_CLOSED:
        return REF_E_NOT_OPEN;
    case REF_LISTEN:
        /* "Delete TCB, enter CLOSED state, and return." */
    case REF_SYN_SENT:
        /* "Delete the TCB and return "error: closing" responses to any queued
           SENDs, or RECEIVEs." */
        delete_tcb(t);
        return REF_OK;
    case REF_SYN_RECEIVED:
        /* "If no SENDs have been issued and there is no pending data to send,
           then form a FIN segment and send it, and enter FIN-WAIT-1 state;
           otherwise, queue for processing after entering ESTABLISHED state."
           [Always the latter: in FIN-WAIT-1 with the SYN not acknowledged its
           retransmission would not be provided for.] */
        t->closing = 1;
        return REF_OK;
    case REF_ESTABLISHED:
        /* "Queue this until all preceding SENDs have been segmentized, then
           form a FIN segment and send it. In any case, enter FIN-WAIT-1
           state." */
        t->closing = 1;
        t->state = REF_FIN_WAIT_1;
        return REF_OK;
    case REF_FIN_WAIT_1:
    case REF_FIN_WAIT_2:
        /* "Strictly speaking, this is an error ... An "ok" response would be
           acceptable, too, as long as a second FIN is not emitted." */
        return REF_OK;
    case REF_CLOSE_WAIT:
        /* "Queue this request until all preceding SENDs have been segmentized;
           then send a FIN segment, enter LAST-ACK state." [ref_sent does] */
        t->closing = 1;
        return REF_OK;
    default:
        /* "Respond with "error: connection closing"." */
        return REF_E_CLOSING;
    }
}

/* ---- 3.10.5 ABORT ------------------------------------------------------- */

int ref_abort(ref_tcb *t, ref_list *o)
{
    memset(o, 0, sizeof *o);
    o->clause = "3.10.5";
    switch (t->state) {
    case REF_CLOSED:
        return REF_E_NOT_OPEN;
    case REF_LISTEN:
    case REF_SYN_SENT:
        /* "Delete [the] TCB, enter CLOSED state, and return." */
        break;
    case REF_SYN_RECEIVED:
    case REF_ESTABLISHED:
    case REF_FIN_WAIT_1:
    case REF_FIN_WAIT_2:
    case REF_CLOSE_WAIT:
        /* "Send a reset segment: <SEQ=SND.NXT><CTL=RST>. All queued SENDs and
           RECEIVEs should be given "connection reset" notification; all
           segments queued for transmission (except for the RST formed above)
           or retransmission should be flushed." */
        say(o, t->snd_nxt, 0, REF_RST);
        break;
    default:
        /* CLOSING, LAST-ACK, TIME-WAIT: "Respond with "ok" and delete the TCB,
           enter CLOSED state, and return." */
        break;
    }
    delete_tcb(t);
    return REF_OK;
}

/* ---- 3.10.6 STATUS ------------------------------------------------------ */

int ref_status(const ref_tcb *t)
{
    return t->state == REF_CLOSED ? REF_E_NOT_OPEN : t->state;
}

/* ---- 3.10.8 timeouts ---------------------------------------------------- */

void ref_timeout(ref_tcb *t, int which, ref_list *o)
{
    memset(o, 0, sizeof *o);
    o->clause = "3.10.8";
    if (t->state == REF_CLOSED || t->state == REF_LISTEN)
        return;
    switch (which) {
    case REF_USER_TIMEOUT:
        /* "For any state if the user timeout expires, flush all queues, signal
           the user "error: connection aborted due to user timeout" ..., delete
           the TCB, enter the CLOSED state, and return." */
        t->signals |= REF_SIG_TIMEOUT;
        delete_tcb(t);
        return;
    case REF_RETRANSMISSION:
        /* "... send the segment at the front of the retransmission queue again,
           reinitialize the retransmission timer, and return." */
        if (t->snd_una == t->iss && t->state == REF_SYN_SENT)
            say(o, t->iss, 0, REF_SYN);
        else if (t->snd_una == t->iss)
            say(o, t->iss, t->rcv_nxt, REF_SYN | REF_ACK);
        else if (lt(t->snd_una, t->snd_nxt)) {
            uint32_t at = t->snd_una - (t->iss + 1);
            uint32_t n = t->snd_nxt - t->snd_una - (uint32_t)t->fin_sent;

            say(o, t->snd_una, t->rcv_nxt,
                REF_ACK | (t->fin_sent ? REF_FIN : 0));
            o->at[0].seg.text = t->sent + at;
            o->at[0].seg.len = n;
        }
        return;
    default:
        /* "If the time-wait timeout expires on a connection, delete the TCB,
           enter the CLOSED state, and return." */
        if (t->state == REF_TIME_WAIT)
            delete_tcb(t);
        return;
    }
}

/* ---- what goes out ------------------------------------------------------ */

static int may_send_text(int state)
{
    return state == REF_ESTABLISHED || state == REF_CLOSE_WAIT ||
           state == REF_FIN_WAIT_1 || state == REF_CLOSING ||
           state == REF_LAST_ACK;
}

static void note_fin(ref_tcb *t)
{
    t->fin_sent = 1;
    if (t->state == REF_CLOSE_WAIT)
        t->state = REF_LAST_ACK;
}

uint32_t ref_output(ref_tcb *t, uint32_t mss, ref_list *o)
{
    memset(o, 0, sizeof *o);
    o->clause = "3.10.2";
    while (may_send_text(t->state) && !t->fin_sent && o->n < REF_OUT) {
        uint32_t at = t->snd_nxt - (t->iss + 1);
        uint32_t edge = t->snd_una + t->snd_wnd;
        uint32_t room = lt(t->snd_nxt, edge) ? edge - t->snd_nxt : 0;
        uint32_t n = least(least(t->sent_n - at, mss), room);
        int fin = t->closing && at + n == t->sent_n && n < room;

        if (n == 0 && !fin)
            break;
        say(o, t->snd_nxt, t->rcv_nxt, REF_ACK | (fin ? REF_FIN : 0));
        o->at[o->n - 1].seg.text = t->sent + at;
        o->at[o->n - 1].seg.len = n;
        t->snd_nxt += n + (uint32_t)fin;
        if (fin)
            note_fin(t);
    }
    return o->n;
}

/* The window that a segment offers: RCV.NXT + RCV.WND never moves left
   (SHLD-14), nor beyond what the buffer can hold. */
static const char *note_window(ref_tcb *t, const ref_seg *s)
{
    uint32_t old = t->rcv_nxt + t->rcv_wnd, now = s->ack + s->wnd;

    if (lt(now, old))
        return "the window shrinks (SHLD-14)";
    if (lt(t->irs + 1 + t->consumed + t->rcv_buff + (uint32_t)t->fin_rcvd,
           now))
        return "the window is larger than the buffer";
    if (lt(old, now))
        t->rcv_wnd = now - t->rcv_nxt;
    t->last_ack_sent = s->ack;
    return NULL;
}

const char *ref_sent(ref_tcb *t, const ref_seg *s)
{
    uint32_t end = s->seq + seg_len(s), at = s->seq - (t->iss + 1);
    uint32_t allowed;
    int fin = (s->flags & REF_FIN) != 0;

    if (s->flags & REF_RST)
        return "a reset that nobody asked for";
    if (t->state == REF_CLOSED || t->state == REF_LISTEN)
        return "a segment without a connection";
    if (s->flags & REF_SYN) {
        unsigned want =
            t->state == REF_SYN_SENT ? REF_SYN : REF_SYN | REF_ACK;

        if (t->state != REF_SYN_SENT && t->state != REF_SYN_RECEIVED)
            return "a SYN in this state";
        if ((s->flags & ~(unsigned)REF_PSH) != want || s->seq != t->iss)
            return "a SYN with other flags, or not at ISS";
        if (s->flags & REF_ACK) {
            if (s->ack != t->rcv_nxt)
                return "ACK is not RCV.NXT";
            return note_window(t, s);
        }
        t->rcv_wnd = s->wnd; /* from RCV.NXT, once that is known */
        return NULL;
    }
    if (t->state == REF_SYN_SENT)
        return "no SYN in SYN-SENT";
    if (!(s->flags & REF_ACK))
        return "no ACK bit (3.1)";
    if (s->ack != t->rcv_nxt)
        return "ACK is not RCV.NXT";
    /* RFC 7323 3.2: "TSopt MUST be sent in every non-<RST> segment"; 4.3:
       TSecr is TS.Recent */
    if (t->ts_on && (!s->has_ts || s->tsecr != t->ts_recent))
        return "no timestamp, or TSecr is not TS.Recent";
    if (!t->ts_on && s->has_ts)
        return "a timestamp that was not negotiated";
    if (s->len == 0 && !fin) {
        if (s->seq != t->snd_nxt && s->seq != t->snd_una - 1)
            return "SEQ is not SND.NXT";
        return note_window(t, s);
    }
    if (!may_send_text(t->state) && t->state != REF_FIN_WAIT_2)
        return "text or FIN in this state";
    if (lt(s->seq, t->snd_una) || lt(t->snd_nxt, s->seq))
        return "text that was acknowledged, or leaves a gap";
    if (at > t->sent_n || s->len > t->sent_n - at)
        return "text that the user did not send";
    if (memcmp(s->text, t->sent + at, s->len) != 0)
        return "text differs from what the user sent";
    if (fin && (!t->closing || at + s->len != t->sent_n))
        return "a FIN that is not at the end of a closed stream";
    /* "only send up to what the window allows"; 3.8.6.1: a probe's octet; a
       FIN is no text. MAY-7: old text may be sent again. */
    allowed = t->snd_una + t->snd_wnd;
    if (lt(t->snd_nxt, end) && lt(allowed, end - (uint32_t)fin) &&
        !(s->len == 1 && s->seq == t->snd_una))
        return "new text beyond the window";
    t->snd_nxt = seq_max(t->snd_nxt, end);
    if (fin)
        note_fin(t);
    return note_window(t, s);
}

unsigned ref_take(ref_tcb *t)
{
    unsigned was = t->signals;

    t->signals = 0;
    return was;
}

/* ---- comparing ---------------------------------------------------------- */

void ref_look(const ref_tcb *t, ref_view *v)
{
    uint32_t i;

    memset(v, 0, sizeof *v);
    v->state = t->state;
    v->signals = t->signals;
    v->time_waits = t->time_waits;
    if (t->state <= REF_SYN_SENT)
        return;
    v->ts_recent = t->ts_on ? t->ts_recent : 0;
    v->snd_una = t->snd_una;
    v->snd_nxt = t->snd_nxt;
    v->snd_wnd = t->snd_wnd;
    v->snd_wl1 = t->snd_wl1;
    v->max_snd_wnd = t->max_snd_wnd;
    v->rcv_nxt = t->rcv_nxt;
    v->rcv_edge = t->rcv_nxt + t->rcv_wnd;
    v->readable = waiting(t);
    v->held = (uint32_t)t->fin_have;
    for (i = t->rcv_nxt - (t->irs + 1); i < t->highest; i++)
        v->held += t->have[i];
    if (v->held)
        v->held_end = t->irs + 1 + t->highest;
    if (t->fin_have &&
        lt(v->held > 1 ? v->held_end : t->rcv_nxt, t->fin_at + 1))
        v->held_end = t->fin_at + 1;
    v->urgent = t->urgent ? t->rcv_up - (t->irs + 1 + t->consumed) : 0;
}

const char *ref_differ(const ref_view *a, const ref_view *b)
{
    if (a->state != b->state)
        return "state";
    if (a->signals != b->signals)
        return "signals";
    if (a->state <= REF_SYN_SENT)
        return NULL;
    if (a->time_waits != b->time_waits)
        return "starts of 2 MSL";
    if (a->snd_una != b->snd_una)
        return "SND.UNA";
    if (a->snd_nxt != b->snd_nxt)
        return "SND.NXT";
    if (a->rcv_nxt != b->rcv_nxt)
        return "RCV.NXT";
    if (a->rcv_edge != b->rcv_edge && a->state != REF_TIME_WAIT)
        return "RCV.NXT+RCV.WND";
    if (a->ts_recent != b->ts_recent)
        return "TS.Recent";
    if (a->readable != b->readable)
        return "octets to read";
    if ((a->held != b->held || a->held_end != b->held_end) &&
        a->state != REF_TIME_WAIT)
        return "octets held beyond a gap";
    if (a->urgent != b->urgent)
        return "RCV.UP";
    if (!synchronized_state(a->state) || a->state == REF_TIME_WAIT)
        return NULL;
    if (a->snd_wnd != b->snd_wnd)
        return "SND.WND";
    if (a->snd_wl1 != b->snd_wl1)
        return "SND.WL1";
    if (a->max_snd_wnd != b->max_snd_wnd)
        return "MAX.SND.WND";
    return NULL;
}

const char *ref_state_name(int state)
{
    static const char *const name[] = {
        "CLOSED",      "LISTEN",     "SYN-SENT",   "SYN-RECEIVED",
        "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",
        "CLOSING",     "LAST-ACK",   "TIME-WAIT"};

    return state >= 0 && state < REF_STATES ? name[state] : "?";
}
