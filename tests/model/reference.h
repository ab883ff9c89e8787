/* reference.h - RFC 9293 section 3.10, transcribed - 0BSD

   A TCP that is slow and plain on purpose, to hold others against. It was
   written from the RFC's text, paragraph by paragraph; reference.c has each
   paragraph's place beside it. It shares nothing with tcpsm.h, knows no time
   and sends nothing by itself:

       static ref_tcb t;                    // large: both streams whole
       ref_list out;                        // what 3.10 says to send
       ref_init(&t, 4096);                  // octets of receive buffer
       ref_open(&t, 1, iss, &out);          // active; 0: LISTEN
       ref_sent(&t, &segment);              // it went out like this
       ref_segment(&t, &segment, &out);     // SEGMENT ARRIVES
       ref_send(&t, "hello", 5);            // and the other user calls
       ref_output(&t, 1460, &out);          // data, as the window allows

   Where the RFC leaves a choice (how much to send and when, how large a
   window to offer), the reference does not choose: ref_sent() is told what
   went out, says whether it was allowed, and takes note of it. Where the RFC
   is definite, `out` has the answer, and the state follows.

   RFC 5961's checks are those that RFC 9293 contains. Timestamps (RFC 7323)
   take part when both SYNs had them. Errata 8167 and 8805 and what section
   3.10 forgot (RFC 1122 4.2.2.20(c)) are in; each such place says so. */

#ifndef REFERENCE_H
#define REFERENCE_H

#include <stddef.h>
#include <stdint.h>

#ifndef REF_STREAM
#define REF_STREAM 8192u /* octets of each stream, for a whole connection */
#endif
#define REF_OUT 8

/* RFC 9293 section 3.3.2, in the order of its list */
enum {
    REF_CLOSED,
    REF_LISTEN,
    REF_SYN_SENT,
    REF_SYN_RECEIVED,
    REF_ESTABLISHED,
    REF_FIN_WAIT_1,
    REF_FIN_WAIT_2,
    REF_CLOSE_WAIT,
    REF_CLOSING,
    REF_LAST_ACK,
    REF_TIME_WAIT,
    REF_STATES
};

enum {
    REF_FIN = 1,
    REF_SYN = 2,
    REF_RST = 4,
    REF_PSH = 8,
    REF_ACK = 16,
    REF_URG = 32
};

/* What the user is told: "signal" in the RFC's words */
enum {
    REF_SIG_OPEN = 1,     /* ESTABLISHED was reached */
    REF_SIG_RESET = 2,    /* "connection reset" */
    REF_SIG_REFUSED = 4,  /* "connection refused" */
    REF_SIG_CLOSING = 8,  /* "connection closing": the peer's FIN */
    REF_SIG_URGENT = 16,  /* the remote side has urgent data */
    REF_SIG_TIMEOUT = 32, /* "connection aborted due to user timeout" */
    REF_SIG_ACKED = 64    /* all SENDs are returned with "ok" */
};

/* Answers of user calls, in the RFC's words "error: ..." */
enum {
    REF_OK = 0,
    REF_E_NOT_OPEN = -1,  /* connection does not exist */
    REF_E_EXISTS = -2,    /* connection already exists */
    REF_E_CLOSING = -3,   /* connection closing */
    REF_E_RESOURCES = -4, /* insufficient resources */
    REF_E_RESET = -5      /* connection reset */
};

typedef struct {
    uint32_t seq, ack;
    uint32_t wnd;   /* octets: scaled already */
    uint32_t up;    /* urgent pointer field: from SEQ on */
    uint16_t flags; /* REF_FIN ... */
    uint32_t len;   /* of the text: SYN and FIN not counted */
    const uint8_t *text;
    uint32_t tsval, tsecr;
    uint8_t has_ts;
    uint8_t void_fin; /* its FIN has a sequence number and no effect: for
                         those who do not believe it (permitted.h) */
} ref_seg;

/* One segment that 3.10 says to send. `soon`: "should be piggybacked on a
   segment being transmitted if possible without incurring undue delay". */
typedef struct {
    ref_seg seg;
    uint8_t soon;
    uint8_t challenge; /* in answer to something not acceptable */
} ref_reply;

typedef struct {
    ref_reply at[REF_OUT];
    uint32_t n;
    const char *clause; /* where it was decided; never NULL */
} ref_list;

typedef struct {
    int state;
    int active; /* the OPEN was active (MUST-11) */
    /* 3.3.1, by their names there */
    uint32_t snd_una, snd_nxt, snd_wnd, snd_up, snd_wl1, snd_wl2, iss;
    uint32_t rcv_nxt, rcv_wnd, rcv_up, irs;
    uint32_t max_snd_wnd; /* RFC 5961 */
    uint32_t sent_n;      /* octets SENT by the user */
    uint32_t highest;     /* the place after the last one that has */
    uint32_t consumed;    /* given to the user: RECEIVE */
    uint32_t rcv_buff;    /* octets that may wait for the user */
    int closing;          /* CLOSE was called */
    int fin_sent;         /* it is the octet ISS+1+sent_n */
    int fin_have;         /* a FIN waits for the text before it */
    uint32_t fin_at;      /* its sequence number */
    int fin_rcvd;         /* RCV.NXT is beyond it */
    int urgent;           /* urgent mode: RCV.UP is ahead of consumed */
    int snd_urg;
    int rst_due;         /* ABORT was called: <SEQ=SND.NXT><CTL=RST> */
    uint32_t time_waits; /* how often 2 MSL was started */
    unsigned signals;    /* since the last ref_take */
    /* RFC 7323 */
    int want_ts, ts_on;
    uint32_t ts_recent, last_ack_sent;
    uint32_t next_iss; /* for a SYN that comes to LISTEN */
    /* the whole stream of each side; [0] is the octet after the SYN. Last,
       for ref_copy. */
    uint8_t sent[REF_STREAM]; /* by the user: SEND */
    uint8_t got[REF_STREAM];  /* text that has arrived */
    uint8_t have[REF_STREAM]; /* 1: that octet has */
} ref_tcb;

/* *to = *from, of the streams only what there is. *to has been one before, or
   is zeroed. */
void ref_copy(ref_tcb *to, const ref_tcb *from);
/* Has the same text arrived? */
int ref_same_text(const ref_tcb *, const ref_tcb *);

/* CLOSED, without a stream. rcv_buff <= REF_STREAM */
void ref_init(ref_tcb *, uint32_t rcv_buff);

/* 3.10.1: active: SYN-SENT with this ISS; else LISTEN, and the ISS is for
   whoever comes. */
int ref_open(ref_tcb *, int active, uint32_t iss, ref_list *);
/* 3.10.2: all or "insufficient resources" */
int ref_send(ref_tcb *, const void *, uint32_t len, int urgent);
/* 3.10.3: octets given, 0 when it would have to wait, or an error */
int ref_receive(ref_tcb *, void *, uint32_t cap);
/* 3.10.4 */
int ref_close(ref_tcb *);
/* 3.10.5 */
int ref_abort(ref_tcb *, ref_list *);
/* 3.10.6: the state, or an error */
int ref_status(const ref_tcb *);
/* 3.10.7 */
void ref_segment(ref_tcb *, const ref_seg *, ref_list *);
/* 3.10.8 */
enum { REF_USER_TIMEOUT, REF_RETRANSMISSION, REF_TIME_WAIT_TIMEOUT };
void ref_timeout(ref_tcb *, int which, ref_list *);

/* New text and the FIN, as far as the window allows, in segments of mss;
   they count as sent. At most REF_OUT; returns how many. */
uint32_t ref_output(ref_tcb *, uint32_t mss, ref_list *);

/* This segment went out: NULL, or why it should not have. What it says of
   SND.NXT and of the window is taken note of. */
const char *ref_sent(ref_tcb *, const ref_seg *);

/* The signals since the last call */
unsigned ref_take(ref_tcb *);

/* What two TCPs can be compared by. Numbers count in synchronized states. */
typedef struct {
    int state;
    uint32_t snd_una, snd_nxt, snd_wnd, snd_wl1, max_snd_wnd;
    uint32_t rcv_nxt, rcv_edge; /* RCV.NXT + RCV.WND */
    uint32_t readable;          /* octets that wait for the user */
    uint32_t urgent;            /* of those and to come, up to RCV.UP */
    uint32_t held;              /* octets beyond a gap, FIN included */
    uint32_t held_end;          /* where the last of them ends; 0: none */
    unsigned signals;
    uint32_t ts_recent;  /* 0 without timestamps */
    uint32_t time_waits; /* how often 2 MSL was started */
} ref_view;

void ref_look(const ref_tcb *, ref_view *);
/* The name of the first field that differs, or NULL. */
const char *ref_differ(const ref_view *, const ref_view *);

const char *ref_state_name(int state);

#endif /* REFERENCE_H */
