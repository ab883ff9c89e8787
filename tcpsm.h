/* tcpsm.h - v0.1.0 - a complete TCP in one header - 0BSD (see the end)

   Segment bytes and a time go in; segment bytes, a deadline and event
   bits come out. No I/O, no allocation, no clock, no thread, no libc.

   WHAT IT IS
     RFC 9293 with RFC 5681/6582/3042 (congestion control), 6298 (timer),
     7323 (window scale, timestamps, PAWS), 2018/2883 (SACK, D-SACK),
     5961 (blind attacks), 6528 (ISNs), 1191/8201/5927 (ICMP, path MTU).
     One connection is one struct that you own: static, on a stack, in an
     array, copied, exported to another machine.

   WHAT IT IS NOT
     An IP stack: you hand over TCP segments with their addresses, and you
     put an IP header before what comes out. A socket library: nothing
     blocks and nothing calls back.

   STEP BY STEP
     In exactly one C or C++ file:

         #define TCPSM_IMPLEMENTATION
         #include "tcpsm.h"

     and in the others just the #include. Then, to answer one peer:

         static tcpsm_conn c; static uint8_t rx[8192], tx[8192];
         tcpsm_config cfg = TCPSM_ZERO; tcpsm_tuple me = TCPSM_ZERO;
         entropy(cfg.key, 16);               // never all zero, see below
         me.family = 4; me.local_port = 7;   // any address, port 7
         tcpsm_init(&c, &cfg);
         tcpsm_attach(&c, TCPSM_RECEIVE, rx, sizeof rx, NULL);
         tcpsm_attach(&c, TCPSM_SEND, tx, sizeof tx, NULL);
         tcpsm_listen(&c, &me, now());
         for (;;) {
             wait_until(tcpsm_deadline(&c));         // or until a packet
             while (packet(&in)) tcpsm_input(&c, &in, now());
             n = tcpsm_receive(&c, buf, sizeof buf);         // echo it
             if (n > 0) tcpsm_send(&c, buf, (uint32_t)n, 0);
             if (n == TCPSM_E_EOF) tcpsm_close(&c);
             while ((n = tcpsm_output(&c, &out, now())) > 0) wire(&out, n);
         }

   WHO FREES, AND WHEN A RING IS YOURS AGAIN
     Nothing is ever freed, moved or reused by the library. Rings and
     tables that you attach are yours again after TCPSM_EV_DONE, or when
     tcpsm_attach hands them back.

   WHEN TRANSMIT IS FULL
     What tcpsm_output returned counts as sent. So ask the NIC for room
     before you call it; when there is none, wait for the NIC and not for
     the deadline. A segment that you drop is repaired like any loss.

   THE KEY
     cfg.key is 16 bytes that nobody else knows; ISNs and the timestamp
     offset come from it (RFC 6528). A key that is the same after a reboot
     needs a clock that never restarts, or ISNs repeat.

   CONFIGURATION (define the same in every file that includes this)
     TCPSM_TINY        one switch for the smallest build: IPv4 and IPv6,
                       NewReno, no SACK, no timestamps, smaller tables
     TCPSM_RUNS n      in-flight records in the struct    (8; tiny 2)
     TCPSM_RANGES n    out-of-order ranges in the struct  (4; tiny 1)
     Only where TCPSM_IMPLEMENTATION is defined:
     TCPSM_STATIC      all functions static (no symbols; also elsewhere)
     TCPSM_NAMES       tcpsm_state_name() and friends (also elsewhere)
     TCPSM_TRACE(conn, what, a, b)   a hook, default nothing
     TCPSM_STEP()                    counts the turns of every loop

   CONTENTS (search for the mark)
     >>types  >>calls  >>layer1  >>names       the public half
     >>bytes >>seq >>hash >>wire >>ring >>ranges >>runs >>rtt >>cc
     >>recovery >>conn >>blob                  the implementation

   CONVENTIONS
     Integers are in host order, addresses are bytes in network order.
     Times are microseconds; names say _ms where they are not. Every call
     returns tcpsm_ret: >= 0 is success or a count, < 0 is TCPSM_E_*.
     "Cost" is O(1) unless said; N is a table size that you chose.
     One thread or interrupt level at a time per connection; distinct
     connections share nothing but what you lent to several of them. */

#ifndef TCPSM_H
#define TCPSM_H

#include <stddef.h>
#include <stdint.h>

#define TCPSM_VERSION_MAJOR 0
#define TCPSM_VERSION_MINOR 1
#define TCPSM_VERSION_PATCH 0
#define TCPSM_VERSION 0x000100u /* major << 16 | minor << 8 | patch */

#ifdef __cplusplus
#define TCPSM_ZERO                                                           \
    {                                                                        \
    }
extern "C" {
#else
#define TCPSM_ZERO                                                           \
    { 0 }
#endif

#if defined(__GNUC__)
#define TCPSM__UNUSED __attribute__((unused))
#else
#define TCPSM__UNUSED
#endif
#ifdef TCPSM_STATIC
#define TCPSM_DEF static TCPSM__UNUSED
#else
#define TCPSM_DEF extern
#endif

#ifdef TCPSM_TINY
#define TCPSM__TINY 1
#else
#define TCPSM__TINY 0
#endif
#ifndef TCPSM_RUNS
#define TCPSM_RUNS (TCPSM__TINY ? 2 : 8)
#endif
#ifndef TCPSM_RANGES
#define TCPSM_RANGES (TCPSM__TINY ? 1 : 4)
#endif

/* ---- >>types -------------------------------------------------------- */

typedef uint64_t tcpsm_time; /* us of the caller's monotonic clock; a now
                                before the last one counts as the last */
typedef int32_t tcpsm_ret;   /* >= 0: done, or a count; < 0: TCPSM_E_* */
#define TCPSM_NEVER UINT64_MAX /* a deadline that does not come */
#define TCPSM_OFF UINT32_MAX   /* "off / infinite"; 0 is "the default" */
#define TCPSM_MIN_CAP 128u     /* smallest tcpsm_out.cap */
#define TCPSM_MAX_RING 0x3FFFC000u /* largest ring: 65535 << 14 */

typedef struct tcpsm_conn tcpsm_conn;

typedef struct {
    uint8_t *p;
    uint32_t n;
} tcpsm_span; /* rings wrap: calls that lend ring memory lend two */

typedef struct {
    const uint8_t *p;
    uint32_t n;
} tcpsm_cspan;

/* A connection's name. All-zero address or port: "any", where that has a
   meaning (listen). IPv4 addresses are the first 4 bytes, the rest zero. */
typedef struct {
    uint8_t local[16], remote[16];
    uint16_t local_port, remote_port;
    uint16_t zone;        /* interface, VRF or scope: part of the name */
    uint8_t family, zero; /* 4 or 6 */
} tcpsm_tuple;

/* One segment, or one train of equal segments (GRO), coming in. Pointers
   are used during the call only. */
typedef struct {
    const uint8_t *src, *dst; /* 4 or 16 bytes, normally in the IP header */
    const void *data;         /* TCP header + payload; any alignment */
    uint32_t len;
    uint16_t zone;
    uint16_t gso_size;  /* 0: one segment; else payload bytes per segment */
    uint16_t segs, ce;  /* segments in the train and CE-marked ones among
                           them; 0, 0: count by gso_size, and tos tells */
    uint8_t family;     /* 4 or 6 */
    uint8_t tos;        /* DSCP << 2 | ECN, as it stood in the IP header */
    uint8_t flags;      /* TCPSM_IN_* */
    uint8_t drop;       /* out: TCPSM_DROP_*; 0 = accepted */
    tcpsm_conn *conn;   /* out: whose it was, else NULL */
} tcpsm_in;
enum {
    TCPSM_IN_CSUM_OK = 1,        /* hardware verified the checksum */
    TCPSM_IN_LINK_BROADCAST = 2, /* came to a link broadcast/multicast */
    TCPSM_IN_NO_DATA = 4         /* after E_RING: all but the payload */
};

/* One segment, or one train (GSO), going out. buf gets the TCP header and
   the payload, or with TCPSM_GATHER the header only. */
typedef struct {
    void *buf;
    uint32_t cap;      /* in: bytes at buf, >= TCPSM_MIN_CAP */
    tcpsm_tuple tuple; /* out: whom to, and from whom */
    tcpsm_cspan ref[2]; /* TCPSM_GATHER: the payload, valid until the next
                           call that is not const */
    uint16_t hdr_len;  /* TCP header, options included */
    uint16_t gso_size; /* 0: one segment */
    uint16_t segs;     /* segments in it; 1 without GSO */
    uint8_t tos;       /* for the IP header: DSCP << 2 | ECN */
    uint8_t ttl;       /* for the IP header: TTL or hop limit */
    uint8_t csum;      /* TCPSM_CSUM_* */
    uint8_t zero[3];
    tcpsm_conn *conn; /* NULL: nobody's (a reset for a stranger) */
} tcpsm_out;
enum {
    TCPSM_CSUM_FULL = 0,    /* the checksum is in the header */
    TCPSM_CSUM_PARTIAL = 1, /* pseudo-header sum, folded, not inverted */
    TCPSM_CSUM_ZERO = 2     /* zero: the MAC inserts it */
};

/* Errors. >= 0 is never one. */
enum {
    TCPSM_E_ARG = -1,         /* a null, a length or a value out of range */
    TCPSM_E_KEY = -2,         /* the key is all zero (RFC 6528) */
    TCPSM_E_STATE = -3,       /* not in this state; nothing changed */
    TCPSM_E_SPACE = -4,       /* buffer too small; nothing changed */
    TCPSM_E_RING = -5,        /* payload needs a ring: attach, call again */
    TCPSM_E_NOT_MINE = -6,    /* the segment belongs to nobody here */
    TCPSM_E_EOF = -7,         /* the peer's FIN, after its last byte */
    TCPSM_E_CLOSED = -8,      /* you closed this direction yourself */
    TCPSM_E_RESET = -9,       /* the peer aborted (RST) */
    TCPSM_E_REFUSED = -10,    /* RST in answer to our SYN */
    TCPSM_E_TIMEOUT = -11,    /* R2, user timeout, keepalive, SYN limit */
    TCPSM_E_UNREACHABLE = -12, /* a hard ICMP error before ESTABLISHED */
    TCPSM_E_NONE = -13,       /* there is none */
    TCPSM_E_OWNED = -14,      /* a stack owns it: use the stack's call */
    TCPSM_E_BLOB = -15,       /* not a blob, or not a sane one */
    TCPSM_E_ABI = -16,        /* built with other TCPSM_ macros */
    TCPSM_E_CORRUPT = -17     /* an invariant does not hold */
};

/* Events: tcpsm_events() tells what holds, tcpsm_take() what happened. */
enum {
    TCPSM_EV_CONNECTED = 1, /* ESTABLISHED was reached */
    TCPSM_EV_READABLE = 2,  /* bytes wait in the receive ring */
    TCPSM_EV_WRITABLE = 4,  /* after a short send, LOWAT bytes are free */
    TCPSM_EV_EOF = 8,       /* the peer's FIN is in; no more will come */
    TCPSM_EV_SENT = 16,     /* all that was sent is acknowledged */
    TCPSM_EV_URGENT = 32,   /* urgent data came, or the pointer advanced */
    TCPSM_EV_TROUBLE = 64,  /* R1 passed or a soft ICMP error; goes on */
    TCPSM_EV_ERROR = 128,   /* it failed: tcpsm_error() says how */
    TCPSM_EV_DONE = 256     /* over: the rings are yours again */
};

/* RFC 9293 section 3.3.2, in the order of the RFC's own diagram */
enum {
    TCPSM_CLOSED,
    TCPSM_LISTEN,
    TCPSM_SYN_SENT,
    TCPSM_SYN_RECEIVED,
    TCPSM_ESTABLISHED,
    TCPSM_FIN_WAIT_1,
    TCPSM_FIN_WAIT_2,
    TCPSM_CLOSE_WAIT,
    TCPSM_CLOSING,
    TCPSM_LAST_ACK,
    TCPSM_TIME_WAIT,
    TCPSM_STATES
};

/* Why a segment, or a part of it, was not used (tcpsm_in.drop) */
enum {
    TCPSM_DROP_NONE,
    TCPSM_DROP_SHORT,     /* shorter than a TCP header */
    TCPSM_DROP_OFFSET,    /* data offset < 5 or past the end */
    TCPSM_DROP_CHECKSUM,  /* RFC9293-MUST-3 */
    TCPSM_DROP_OPTIONS,   /* an option that cannot be stepped over */
    TCPSM_DROP_ADDRESS,   /* broadcast, multicast, zero, loopback, LAND */
    TCPSM_DROP_NOT_MINE,  /* no such connection */
    TCPSM_DROP_NO_SYN,    /* LISTEN or SYN-SENT, and no use for it */
    TCPSM_DROP_BAD_ACK,   /* acknowledges what was never sent */
    TCPSM_DROP_OLD_ACK,   /* RFC 5961 s5: older than any window */
    TCPSM_DROP_NO_ACK,    /* no ACK bit where one must be */
    TCPSM_DROP_PAWS,      /* RFC 7323 s5: an old timestamp */
    TCPSM_DROP_NO_TS,     /* RFC 7323 s3.2: timestamp missing */
    TCPSM_DROP_OLD_DATA,  /* all of it below RCV.NXT */
    TCPSM_DROP_WINDOW,    /* all of it outside the window */
    TCPSM_DROP_RST,       /* RFC 5961 s3: reset not believed */
    TCPSM_DROP_SYN,       /* RFC 5961 s4: SYN where none belongs */
    TCPSM_DROP_NO_DATA,   /* payload left behind: no ring (NO_DATA) */
    TCPSM_DROP_AFTER_FIN, /* text or FIN after the peer's FIN */
    TCPSM_DROP_CLOSED,    /* data for a reader that closed: answered RST */
    TCPSM_DROP_RANGES,    /* out of order, and the table is full */
    TCPSM_DROP_ICMP,      /* an ICMP message that proves nothing */
    TCPSM_DROP_TIME_WAIT, /* RFC 1337: not in TIME-WAIT */
    TCPSM_DROPS
};

/* Counters live in your memory; any number of connections may share one.
   Plain additions: give each thread its own. */
struct tcpsm_counters {
    uint64_t in_segments, out_segments;
    uint64_t in_bytes, out_bytes; /* payload; retransmissions included */
    uint64_t retransmits;         /* segments sent again */
    uint64_t timeouts;            /* retransmission timer expiries */
    uint64_t fast_retransmits;    /* recoveries entered by duplicate ACKs */
    uint64_t out_of_order;        /* segments kept beyond a gap */
    uint64_t duplicates;          /* segments that brought nothing new */
    uint64_t probes;              /* window and keepalive probes */
    uint64_t challenges;          /* challenge ACKs sent */
    uint64_t opened, failed;      /* reached ESTABLISHED; ended in error */
    uint64_t drops[TCPSM_DROPS];
};

/* Congestion control: an id and functions over a few words. A NULL
   function means the built-in of that id (unknown: NewReno). The words
   are zeroed before init. Windows are bytes, times microseconds. */
#define TCPSM_CC_WORDS 1
typedef struct {
    uint32_t cwnd, ssthresh;
    uint32_t w[TCPSM_CC_WORDS];
} tcpsm_cc_state;
typedef struct {
    tcpsm_time now;
    uint32_t mss;            /* effective send MSS, >= 1 */
    uint32_t initial_window; /* RFC 6928, or 1 MSS after a lost SYN */
    uint32_t flight;         /* SND.NXT - SND.UNA before this event */
    uint32_t acked;          /* bytes this ACK newly acknowledged */
    uint32_t sacked;         /* and newly SACKed */
    uint32_t ce_bytes;       /* of those, reported as CE-marked */
    uint32_t rtt_us;         /* this ACK's sample; 0: none */
    uint32_t srtt_us, min_rtt_us;
    uint32_t delivered, interval_us; /* a rate sample; 0: none */
    uint8_t app_limited;     /* the window was not full */
    uint8_t round_start;     /* first ACK of a new round trip */
    uint8_t again;           /* timeout: not the first for this data */
    uint8_t zero;
} tcpsm_cc_event;
typedef struct tcpsm_cc {
    uint32_t id; /* TCPSM_CC_*, or your own >= 128; < 256 */
    void (*init)(tcpsm_cc_state *, const tcpsm_cc_event *);
    void (*acked)(tcpsm_cc_state *, const tcpsm_cc_event *);
    void (*loss)(tcpsm_cc_state *, const tcpsm_cc_event *); /* ssthresh */
    void (*timeout)(tcpsm_cc_state *, const tcpsm_cc_event *);
    void (*idle)(tcpsm_cc_state *, const tcpsm_cc_event *);
    void (*ecn)(tcpsm_cc_state *, const tcpsm_cc_event *);
    void (*undo)(tcpsm_cc_state *, const tcpsm_cc_event *);
} tcpsm_cc;
enum { TCPSM_CC_DEFAULT = 0, TCPSM_CC_NEWRENO = 1 };

/* Zeroed is a sane default, but for the key. Copied by tcpsm_init; what
   its pointers name must outlive the connection. Durations are exact up
   to four digits (8191 x 10^n); beyond, they are rounded up. */
typedef struct {
    uint8_t key[16];                 /* all zero: TCPSM_E_KEY */
    const struct tcpsm_cc *cc;       /* NULL: NewReno */
    struct tcpsm_counters *counters; /* NULL: none */
    void *user;                      /* tcpsm_user() gives it back */
    uint32_t flags;                  /* TCPSM_NODELAY ... below */
    uint32_t rcv_max;      /* largest receive ring ever: fixes the window
                              scale. 0: the one attached at open/listen */
    uint32_t rcv_promise;  /* window offered while there is no ring */
    uint32_t clock_us;     /* tick of your clock: RFC 6298's G (1) */
    uint32_t ack_delay_us; /* delayed ACK (40 000; at most 499 999; OFF) */
    uint32_t rto_min_us;   /* (200 000; RFC 6298 says 1 000 000) */
    uint32_t rto_max_ms;   /* (120 000; at most 1 800 000) */
    uint32_t syn_limit_ms; /* R2 for a SYN (180 000) */
    uint32_t user_timeout_ms;  /* R2 for data (300 000; OFF: never) */
    uint32_t keep_idle_ms;     /* (7 200 000) keepalive itself is off */
    uint32_t keep_interval_ms; /* (75 000) */
    uint32_t msl_ms;           /* (30 000): TIME-WAIT lasts twice that */
    uint16_t mtu; /* of the path, IP header included (1500); >= 68 / 1280 */
    uint8_t initial_segments; /* initial window (10) */
    uint8_t keep_count;       /* unanswered keepalives until E_TIMEOUT (9) */
    uint8_t dscp;             /* 0..63 */
    uint8_t ttl;              /* (64) */
    uint8_t ack_every;        /* an ACK at least every n segments (2) */
    uint8_t challenge_limit;  /* RFC 5961 s7: ACKs in 5 s (10) */
} tcpsm_config;
enum {                      /* tcpsm_config.flags; opt-outs and offloads */
    TCPSM_NODELAY = 1,      /* no Nagle (RFC9293-MUST-17) */
    TCPSM_NO_SACK = 2,
    TCPSM_NO_TS = 4,
    TCPSM_NO_ECN = 8,
    TCPSM_NO_SCALE = 16,
    TCPSM_GATHER = 32,      /* payload by reference in tcpsm_out.ref */
    TCPSM_TX_PARTIAL = 64,  /* TCPSM_CSUM_PARTIAL, for virtio */
    TCPSM_TX_ZERO = 128,    /* TCPSM_CSUM_ZERO */
    TCPSM_LOOPBACK = 256,   /* 127/8 and ::1 are welcome */
    TCPSM_GSO = 512         /* cap may be filled with a train */
};

/* tcpsm_set: the option, and what its value means. 0 is a value here. */
enum {
    TCPSM_SET_NODELAY = 1,   /* 1: no Nagle (RFC9293-MUST-17) */
    TCPSM_SET_CORK,          /* 1: full segments only, for at most 200 ms */
    TCPSM_SET_DSCP,          /* 0..63 (RFC9293-MUST-48, SHLD-21) */
    TCPSM_SET_TTL,           /* 1..255 (RFC9293-MUST-49) */
    TCPSM_SET_MTU,           /* path MTU, up or down */
    TCPSM_SET_MAXSEG,        /* the largest segment to send; before open:
                                also the largest to ask for */
    TCPSM_SET_KEEPALIVE,     /* 0 / 1 (RFC9293-MUST-24, -25) */
    TCPSM_SET_KEEP_IDLE,     /* ms (RFC9293-MUST-27) */
    TCPSM_SET_KEEP_INTERVAL, /* ms */
    TCPSM_SET_KEEP_COUNT,    /* 2..255 (RFC9293-MUST-29) */
    TCPSM_SET_USER_TIMEOUT,  /* ms, OFF: never (RFC9293-MUST-21) */
    TCPSM_SET_LOWAT,         /* bytes free before EV_WRITABLE (1) */
    TCPSM_SET_LINGER,        /* ms to finish after close, then RST; 0:
                                close is an abort; OFF: no limit (OFF) */
    TCPSM_SET_QUICKACK,      /* the next n ACKs are not delayed; 255: all */
    TCPSM_SET_MSL,           /* ms */
    TCPSM_SET_ACK_DELAY,     /* us, < 500 000 (RFC9293-MUST-40); OFF */
    TCPSM_SET_ACK_EVERY,     /* 1..255 segments */
    TCPSM_SET_RTO_MIN,       /* us */
    TCPSM_SET_RTO_MAX,       /* ms */
    TCPSM_SET_SYN_LIMIT,     /* ms */
    TCPSM_SET_REPORTS,       /* 0: no EV_TROUBLE (RFC9293-SHLD-20) */
    TCPSM_SET_ECN,           /* 0..3: the ECN bits of data segments */
    TCPSM_SET_PROMISE        /* bytes: the window offered without a ring */
};

/* tcpsm_send flags */
enum {
    TCPSM_MORE = 1, /* more follows at once: hold a short segment */
    TCPSM_EOR = 2,  /* no segment spans the end of these bytes */
    TCPSM_URG = 4   /* these bytes are urgent (RFC9293-SHLD-13: do not) */
};

/* tcpsm_attach: what */
enum { TCPSM_RECEIVE = 1, TCPSM_SEND = 2, TCPSM_TABLES = 3 };

/* An intrusive list of connections that want attention: something made
   the deadline earlier or raised an event. Push and pop are O(1). */
typedef struct tcpsm_wake {
    tcpsm_conn *head;
} tcpsm_wake;

/* tcpsm's tcp_info. Sequence numbers are the wire's. */
struct tcpsm_info {
    uint8_t state, family, snd_scale, rcv_scale;
    uint8_t timestamps, sack, scaling, in_recovery; /* negotiated; 0/1 */
    uint8_t backoff, dupacks, tos_seen, soft_error; /* ICMP type << 4|code */
    uint8_t cc_id, persist, keepalive, zero;
    uint16_t mtu, peer_mss, smss; /* smss: payload of a full segment */
    uint16_t runs, run_cap, ranges, range_cap;
    uint32_t snd_una, snd_nxt, snd_wnd, rcv_nxt, rcv_wnd;
    uint32_t snd_queued, snd_free; /* ring bytes: held / free */
    uint32_t rcv_queued, rcv_free; /* ring bytes: readable / free */
    uint32_t unsent;               /* queued and never sent */
    uint32_t urgent;  /* bytes still to read up to the urgent pointer */
    uint32_t cwnd, ssthresh, flight;
    uint32_t srtt_us, rttvar_us, min_rtt_us, rto_us;
    tcpsm_ret error;
};

/* What layer 2, or your own SYN handling, knows at the end of a handshake
   (tcpsm_open_from) and keeps of a TIME-WAIT (tcpsm_facts_of). */
typedef struct {
    uint32_t snd_nxt, rcv_nxt; /* after both SYNs: ISS + 1, IRS + 1 */
    uint32_t snd_wnd;          /* bytes, already scaled */
    uint32_t rcv_wnd;          /* bytes that we offered in our SYN */
    uint32_t ts_recent, ts_offset, rtt_us; /* rtt 0: unknown */
    uint16_t peer_mss;
    uint8_t snd_scale, rcv_scale, timestamps, sack, scaling, syn_lost;
} tcpsm_facts;

/* ---- the control block: complete, so that it can be static; private ----

       1         2          3          4
   ----------|----------|----------|----------     send sequence space
          SND.UNA    SND.NXT    SND.UNA
                               +SND.WND
   1 acknowledged, 2 in flight (the runs), 3 may be sent, 4 may not yet

       1          2          3
   ----------|----------|----------                receive sequence space
          RCV.NXT    RCV.NXT
                    +RCV.WND = rcv_edge
   1 received, 2 may be received (ranges: what already was), 3 not yet

   512 bytes is the whole budget in the server configuration on x86-64.
   Here it is at most 448. What is left over is spoken for:
     CUBIC          w_max, k, epoch, w_est, cwnd_prior        20
     RACK-TLP       xmit, end_seq, rtt, reo_wnd, persist, tlp 20
     PRR            delivered, out, recover_fs                12
     AccECN, layer 2's index                                  12 */

#define TCPSM__TABLE_WORDS (2 * TCPSM_RUNS + 2 * TCPSM_RANGES)
#define TCPSM__TABLE_BYTES                                                   \
    (4 * TCPSM__TABLE_WORDS + 2 * TCPSM_RUNS + TCPSM_RANGES)

struct tcpsm__lent {  /* the only pointers in a connection */
    uint8_t *rcv;     /* receive ring, or NULL */
    uint8_t *snd;     /* send ring, or NULL */
    uint32_t *tables; /* runs and ranges, or NULL: the inline ones */
    const struct tcpsm_cc *cc;
    struct tcpsm_counters *counters;
    void *user;
    struct tcpsm_wake *wake; /* the list it is pushed to, or NULL */
    struct tcpsm_conn *wake_next;
};

struct tcpsm_conn {
    tcpsm_time now; /* the latest time that changed anything */
    /* receive, hot */
    uint32_t rcv_nxt;  /* next octet expected */
    uint32_t rcv_edge; /* largest right edge ever offered (law 8) */
    uint32_t last_ack; /* RFC 7323's Last.ACK.sent */
    uint32_t rcv_cap;  /* ring size; 0: no ring */
    uint32_t rcv_head; /* ring offset of the first unread byte */
    uint32_t rcv_len;  /* readable bytes */
    /* send, hot */
    uint32_t snd_una; /* oldest unacknowledged octet */
    uint32_t snd_nxt; /* next octet never sent */
    uint32_t snd_wnd; /* bytes from SND.UNA */
    uint32_t snd_wl1; /* SEG.SEQ of the last window update. Note: WL2 <=
                         UNA always, so RFC 9293's test on WL2 is implied
                         by SND.UNA =< SEG.ACK and WL2 is not kept */
    uint32_t snd_cap, snd_head;
    uint32_t snd_len; /* bytes in the ring, from SND.UNA on */
    tcpsm_cc_state cc;
    uint32_t flags;  /* TCPSM__F_* */
    uint32_t rtx_at; /* retransmit-like timer, low 32 bits of us */
    uint32_t ack_at; /* delayed ACK, low 32 bits of us */
    uint32_t srtt, rttvar, min_rtt; /* us; srtt 0: no sample yet */
    uint32_t ts_recent, ts_offset;
    /* colder */
    uint32_t snd_up, rcv_up; /* urgent pointers: the octet after */
    uint32_t recover; /* RFC 6582; in SYN states the SEQ of a reply RST */
    uint32_t eor;     /* no unsent segment may span this octet's left */
    uint32_t sent_at; /* last data transmission, in 1.024 ms ticks */
    uint32_t aux_lo, uto_lo; /* timers of 48 bits: keepalive/TIME-WAIT/ */
    uint16_t aux_hi, uto_hi; /* FIN-WAIT-2, and user timeout */
    uint16_t local_port, remote_port;
    uint8_t local[16], remote[16];
    uint8_t key[16];
    uint16_t zone;
    uint16_t opts;    /* tcpsm_config.flags */
    uint16_t mtu;     /* path MTU as known now */
    uint16_t ptb_mtu; /* a Packet Too Big held back (RFC 5927 s7.2) */
    uint16_t mss;     /* the peer's MSS option, or its default */
    uint16_t maxseg;  /* the user's limit; 0: none */
    uint16_t wnd_max; /* largest SEG.WND ever, >> snd_scale */
    uint16_t events;  /* edges not yet taken */
    uint16_t ts_age;  /* when ts_recent was set, in 2^30 us */
    uint16_t chal_at; /* RFC 5961 limiter's start, in 2^16 us */
    uint16_t min_rtt_at; /* in 2^20 us */
    uint16_t promise;    /* window without a ring, >> rcv_scale */
    /* durations in tcpsm's 16-bit decimal float */
    uint16_t k_clock, k_ack_delay, k_rto_min, k_rto_max, k_syn_limit;
    uint16_t k_uto, k_keep_idle, k_keep_interval, k_msl, k_linger;
    uint16_t lowat; /* binary float */
    uint8_t state, family;
    uint8_t snd_scale, rcv_scale;
    uint8_t tos, ttl;     /* of outgoing segments */
    uint8_t tos_seen;     /* of the last acceptable segment */
    uint8_t error, soft;  /* minus the sticky error; last soft error */
    uint8_t dupacks, backoff, probes;
    uint8_t owed;         /* duplicate ACKs that must each be sent */
    uint8_t ack_segs;     /* data segments since our last ACK */
    uint8_t ack_every, quick;
    uint8_t chal_n, chal_limit;
    uint8_t keep_count, iw;
    uint8_t timers; /* armed bits, and the kinds */
    uint8_t more;   /* second flag byte */
    uint8_t runs_n, runs_cap, ranges_n, ranges_cap;
    uint32_t dsack_seq[2]; /* duplicates still to be reported */
    uint16_t dsack_len[2];
    /* runs: end[], first[]; ranges: start[], end[]; then the runs' meta
       (16 bits each) and the ranges' recency order (8 bits each) */
    uint32_t table[(TCPSM__TABLE_BYTES + 3) / 4];
    struct tcpsm__lent p;
};

#define TCPSM_ABI                                                            \
    ((uint32_t)TCPSM_VERSION << 14 ^ (uint32_t)TCPSM_RUNS << 7 ^             \
     (uint32_t)TCPSM_RANGES << 1 ^ (uint32_t)TCPSM__TINY)

/* ---- >>calls: one connection ----------------------------------------- */

/* Sets a connection up from a configuration: CLOSED, no rings. What was
   in *c is forgotten, so only for fresh or DONE connections. E_ABI: this
   file and the implementation were compiled with different TCPSM_ macros.
   E_KEY: the key is all zero. E_ARG: a value out of range. */
#define tcpsm_init(c, cfg)                                                   \
    tcpsm_init_((c), (cfg), sizeof(tcpsm_conn), TCPSM_ABI)
TCPSM_DEF tcpsm_ret tcpsm_init_(tcpsm_conn *, const tcpsm_config *,
                                size_t size, uint32_t abi);

/* Active OPEN (RFC 9293 s3.10.1): SYN-SENT. Local address and both ports
   must be given (RFC9293-MUST-43: your IP layer chose the address; -44).
   E_ARG: broadcast, multicast or zero remote (RFC9293-MUST-46). E_STATE:
   not CLOSED. */
TCPSM_DEF tcpsm_ret tcpsm_open(tcpsm_conn *, const tcpsm_tuple *,
                               tcpsm_time now);

/* Passive OPEN: LISTEN. Zero local address, remote address or remote port
   mean any. From CLOSED, also again after EV_DONE (unread data of the last
   connection is forgotten), and from TIME-WAIT, which then ends.
   A SYN whose handshake is not completed holds the connection for about
   seven seconds; then it listens again. */
TCPSM_DEF tcpsm_ret tcpsm_listen(tcpsm_conn *, const tcpsm_tuple *,
                                 tcpsm_time now);

/* ESTABLISHED at once, from the facts of a handshake done elsewhere. */
TCPSM_DEF tcpsm_ret tcpsm_open_from(tcpsm_conn *, const tcpsm_tuple *,
                                    const tcpsm_facts *, tcpsm_time now);
/* What an entry for this connection's TIME-WAIT must know; any state. */
TCPSM_DEF void tcpsm_facts_of(const tcpsm_conn *, tcpsm_facts *);

/* SEGMENT ARRIVES (RFC 9293 s3.10.7). Returns 0, and in->drop says whether
   and why something was refused: a drop is not an error. Never sends: see
   tcpsm_output. in->conn is set whenever the tuple matched.
   E_NOT_MINE: not this connection's, or a LISTEN's answer to an ACK; the
   reset that it deserves comes from tcpsm_stranger.
   E_RING: it carries payload and there is no ring. Nothing has changed:
   attach one and call again, or call again with TCPSM_IN_NO_DATA.
   Cost: O(1) in order; O(N) in ranges and runs otherwise. */
TCPSM_DEF tcpsm_ret tcpsm_input(tcpsm_conn *, tcpsm_in *, tcpsm_time now);

/* Runs what is due and writes at most one segment (or train). Returns its
   length in buf (with TCPSM_GATHER the header's), or 0: nothing to send
   now, sleep until tcpsm_deadline. Call until it returns 0.
   E_SPACE: cap < TCPSM_MIN_CAP; nothing changed. */
TCPSM_DEF tcpsm_ret tcpsm_output(tcpsm_conn *, tcpsm_out *, tcpsm_time now);

/* When tcpsm_output next has something to do: 0 for at once, TCPSM_NEVER,
   or a time after the last one seen. deadline <= now if and only if
   output(now) would send or change anything. */
TCPSM_DEF tcpsm_time tcpsm_deadline(const tcpsm_conn *);

/* The reset that a segment for nobody deserves (RFC 9293 s3.10.7.1), or
   0 if it deserves none: it was a reset itself, malformed, or from or to
   an address that must not be answered. Stateless. E_SPACE as above. */
TCPSM_DEF tcpsm_ret tcpsm_stranger(const tcpsm_in *, tcpsm_out *);

/* An ICMP (family 4) or ICMPv6 (6) error: msg is the ICMP header and what
   it quotes. Acts by RFC 5927, 1191 and 8201: SEQ must be in flight, soft
   errors are reported (EV_TROUBLE), hard ones end only a handshake, Packet
   Too Big lowers the path MTU. Returns a TCPSM_DROP_* (0: it was used), or
   E_NOT_MINE. */
TCPSM_DEF tcpsm_ret tcpsm_icmp(tcpsm_conn *, const void *msg, uint32_t len,
                               uint8_t family, tcpsm_time now);

/* Queues bytes for sending; returns how many were taken, which may be
   fewer: EV_WRITABLE comes when TCPSM_SET_LOWAT are free again. Before
   ESTABLISHED they wait. With TCPSM_EOR one record end can be pending: 0
   is returned until the previous one has been sent. len 0 with TCPSM_EOR,
   or without MORE, ends what MORE began. E_CLOSED after shutdown or close,
   E_STATE before open, the sticky error after a failure. Cost: a copy. */
TCPSM_DEF tcpsm_ret tcpsm_send(tcpsm_conn *, const void *, uint32_t len,
                               uint32_t flags);
/* The free part of the send ring, as two spans; returns their sum. They
   stay where they are until commit, send or attach. */
TCPSM_DEF tcpsm_ret tcpsm_send_reserve(tcpsm_conn *, tcpsm_span s[2]);
/* Queues the first len bytes of what was reserved, in place. */
TCPSM_DEF tcpsm_ret tcpsm_send_commit(tcpsm_conn *, uint32_t len,
                                      uint32_t flags);

/* Takes up to cap bytes; 0: nothing yet. After the last byte: E_EOF for
   the peer's FIN, or the sticky error (RFC9293-MUST-12). E_CLOSED after
   close. */
TCPSM_DEF tcpsm_ret tcpsm_receive(tcpsm_conn *, void *, uint32_t cap);
/* The readable bytes in place, as two spans (the ring wraps: look at
   both); returns their sum, or as tcpsm_receive. Stable until consume or
   attach; input may come between. */
TCPSM_DEF tcpsm_ret tcpsm_receive_peek(const tcpsm_conn *, tcpsm_cspan s[2]);
TCPSM_DEF tcpsm_ret tcpsm_receive_consume(tcpsm_conn *, uint32_t len);

/* Half-close: a FIN after all that is queued. Reading goes on. */
TCPSM_DEF tcpsm_ret tcpsm_shutdown(tcpsm_conn *);
/* CLOSE for good: as shutdown, and nothing more is read. Unread data, or
   data that still comes, resets the connection so that the peer learns of
   the loss (RFC9293-SHLD-3); returns 1 if so, else 0. */
TCPSM_DEF tcpsm_ret tcpsm_close(tcpsm_conn *);
/* ABORT: a reset, and CLOSED. EV_DONE when the reset has been output. */
TCPSM_DEF tcpsm_ret tcpsm_abort(tcpsm_conn *);

TCPSM_DEF uint32_t tcpsm_events(const tcpsm_conn *); /* what holds now */
TCPSM_DEF uint32_t tcpsm_take(tcpsm_conn *); /* what happened; then none */
TCPSM_DEF tcpsm_ret tcpsm_error(const tcpsm_conn *); /* sticky; 0: clean */
TCPSM_DEF tcpsm_ret tcpsm_state(const tcpsm_conn *); /* TCPSM_CLOSED ... */

/* Sets TCPSM_SET_*. E_ARG: no such option, or a value out of range. */
TCPSM_DEF tcpsm_ret tcpsm_set(tcpsm_conn *, uint32_t option, uint32_t value);
TCPSM_DEF void *tcpsm_user(const tcpsm_conn *);
TCPSM_DEF void tcpsm_set_user(tcpsm_conn *, void *);

/* Lends, replaces or (mem NULL, len 0) takes back a ring or the tables.
   Contents move to the new memory; the old pointer goes to *old. E_STATE:
   the receive ring could not hold what was offered to the peer (law 8),
   the send ring what it holds; nothing changed. TCPSM_TABLES: about 10
   bytes per run and 9 per range, in equal numbers; any alignment. E_ARG:
   too large or too small. Cost: a copy of the contents. */
TCPSM_DEF tcpsm_ret tcpsm_attach(tcpsm_conn *, uint32_t what, void *mem,
                                 uint32_t len, void **old);

/* Writes the whole connection, data in rings included, as a blob that
   does not depend on the machine (docs/design.md); returns its length.
   Call with cap 0 for the length alone. E_SPACE: cap is too small. */
TCPSM_DEF tcpsm_ret tcpsm_export(const tcpsm_conn *, void *, uint32_t cap,
                                 tcpsm_time now);
/* Goes on with what was exported, under a new configuration and clock. c
   has been through tcpsm_init and has its rings (E_SPACE: they are too
   small; tcpsm_blob_rings tells). A blob that is damaged or impossible is
   E_BLOB, and c is as after tcpsm_init. */
TCPSM_DEF tcpsm_ret tcpsm_import(tcpsm_conn *, const tcpsm_config *,
                                 const void *, uint32_t len, tcpsm_time now);
/* How large the rings must be for this blob. E_BLOB: it is none. */
TCPSM_DEF tcpsm_ret tcpsm_blob_rings(const void *, uint32_t len,
                                     uint32_t *rcv, uint32_t *snd);

TCPSM_DEF void tcpsm_status(const tcpsm_conn *, struct tcpsm_info *);
/* 0, or minus the number of the first invariant that does not hold. */
TCPSM_DEF tcpsm_ret tcpsm_check(const tcpsm_conn *);

/* Puts the connection on a wake list from now on (NULL: on none); a
   connection must have left its old list: pop until E. */
TCPSM_DEF void tcpsm_set_wake(tcpsm_conn *, tcpsm_wake *);
/* The next connection that wants attention, taken off the list; NULL. */
TCPSM_DEF tcpsm_conn *tcpsm_wake_pop(tcpsm_wake *);

/* Widens a 32-bit counter of `unit`-microsecond ticks to a tcpsm_time;
   *last starts at 0 and is kept by you. Call at least once a wrap. */
TCPSM_DEF tcpsm_time tcpsm_widen(uint64_t *last, uint32_t ticks,
                                 uint32_t unit);
TCPSM_DEF uint32_t tcpsm_version(void);

#ifdef TCPSM_NAMES
/* ---- >>names --------------------------------------------------------- */
TCPSM_DEF const char *tcpsm_state_name(int state);
TCPSM_DEF const char *tcpsm_error_name(int error);
TCPSM_DEF const char *tcpsm_drop_name(int drop);
#endif

#ifdef __cplusplus
}
#endif
#endif /* TCPSM_H */
