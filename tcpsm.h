/* tcpsm.h - v0.1.0 - a complete TCP in one header - 0BSD (see the end)

   Segment bytes and a time go in; segment bytes, a deadline and event
   bits come out. No I/O, no allocation, no clock, no thread, no libc.

   WHAT IT IS
     RFC 9293 with RFC 5681/6582/9438/9406 (NewReno, CUBIC, HyStart++),
     8985/9937/5682/4015 (RACK-TLP, PRR, F-RTO, undo), 6298 (timer), 7323
     (window scale, timestamps, PAWS), 2018/2883 (SACK, D-SACK), 3168/8511/
     9768 (ECN, Accurate ECN), 7413 (Fast Open), 4821/8899 (path MTU
     without ICMP), 5961 (blind attacks), 6528 (ISNs), 1191/8201/5927.
     One connection is one struct that you own: static, on a stack, in an
     array, copied, exported to another machine. Many are a tcpsm_stack:
     listeners, SYN cookies, TIME-WAIT, timers in one block of memory.

   WHAT IT IS NOT
     An IP stack: no routes, no fragments, no ARP. One connection takes and
     gives TCP segments with their addresses; a stack of many also whole
     IPv4 and IPv6 datagrams. A socket library: nothing blocks and nothing
     calls back.

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
     tcpsm_attach hands them back. What you have not read by then still lies
     in the receive ring: read it first.

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
     TCPSM_NO_STACK    layer 1 only: one connection, no tcpsm_stack
Only where TCPSM_IMPLEMENTATION is defined:
     TCPSM_STATIC      all functions static (no symbols; also elsewhere)
     TCPSM_NAMES       tcpsm_state_name() and friends (also elsewhere)
     TCPSM_TRACE(conn, what, a, b)   a hook, default nothing
     TCPSM_STEP()                    counts the turns of loops that foreign
                                     bytes or table sizes make long

   CONTENTS (search for the mark)
     >>types  >>calls  >>many  >>names         the public half
     >>bytes >>seq >>hash >>wire >>ring >>ranges >>runs >>rtt >>cc
     >>recovery >>conn >>blob >>stack >>ip     the implementation

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
    {                                                                        \
        0                                                                    \
    }
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

#if TCPSM_RUNS < 2 || TCPSM_RUNS > 255 || TCPSM_RANGES < 1 ||                \
    TCPSM_RANGES > 255
#error "TCPSM_RUNS is 2..255 and TCPSM_RANGES 1..255"
#endif

/* ---- >>types -------------------------------------------------------- */

typedef uint64_t tcpsm_time;   /* us of the caller's monotonic clock; a now
                                before the last one counts as the last */
typedef int32_t tcpsm_ret;     /* >= 0: done, or a count; < 0: TCPSM_E_* */
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
    uint8_t family, zero; /* 4 or 6; 0 for listen: either */
} tcpsm_tuple;

/* One segment, or one train of equal segments (GRO), coming in. Pointers
   are used during the call only. */
typedef struct {
    const uint8_t *src, *dst; /* 4 or 16 bytes, normally in the IP header */
    const void *data;         /* TCP header + payload; any alignment */
    uint32_t len;
    uint16_t zone;
    uint16_t gso_size; /* 0: one segment; else payload bytes per segment */
    uint16_t segs, ce; /* segments in the train and CE-marked ones among
                           them; 0, 0: count by gso_size, and tos tells */
    uint8_t family;    /* 4 or 6 */
    uint8_t tos;       /* DSCP << 2 | ECN, as it stood in the IP header */
    uint8_t flags;     /* TCPSM_IN_* */
    uint8_t drop;      /* out: TCPSM_DROP_*; 0 = accepted */
    tcpsm_conn *conn;  /* out: whose it was, else NULL */
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
    uint32_t cap;       /* in: bytes at buf, >= TCPSM_MIN_CAP; less than a
                           full segment works, a piece at a time */
    tcpsm_tuple tuple;  /* out: whom to, and from whom */
    tcpsm_cspan ref[2]; /* TCPSM_GATHER: the payload, valid until the next
                           call that is not const */
    uint16_t hdr_len;   /* TCP header, options included */
    uint16_t gso_size;  /* 0: one segment */
    uint16_t segs;      /* segments in it; 1 without GSO */
    uint8_t tos;        /* for the IP header: DSCP << 2 | ECN */
    uint8_t ttl;        /* for the IP header: TTL or hop limit */
    uint8_t csum;       /* TCPSM_CSUM_* */
    uint8_t flow[3];    /* for the IPv6 header: the flow label, 20 bits in
                           network order; a stack sets it, else 0 */
    tcpsm_conn *conn;   /* NULL: nobody's (a reset for a stranger) */
} tcpsm_out;
enum {
    TCPSM_CSUM_FULL = 0,    /* the checksum is in the header */
    TCPSM_CSUM_PARTIAL = 1, /* pseudo-header sum, folded, not inverted */
    TCPSM_CSUM_ZERO = 2     /* zero: the MAC inserts it */
};

/* Errors. >= 0 is never one. */
enum {
    TCPSM_E_ARG = -1,          /* a null, a length or a value out of range */
    TCPSM_E_KEY = -2,          /* the key is all zero (RFC 6528) */
    TCPSM_E_STATE = -3,        /* not in this state; nothing changed */
    TCPSM_E_SPACE = -4,        /* buffer too small; nothing changed */
    TCPSM_E_RING = -5,         /* payload needs a ring: attach, call again */
    TCPSM_E_NOT_MINE = -6,     /* the segment belongs to nobody here */
    TCPSM_E_EOF = -7,          /* the peer's FIN, after its last byte */
    TCPSM_E_CLOSED = -8,       /* you closed this direction yourself */
    TCPSM_E_RESET = -9,        /* the peer aborted (RST) */
    TCPSM_E_REFUSED = -10,     /* RST in answer to our SYN */
    TCPSM_E_TIMEOUT = -11,     /* R2, user timeout, keepalive, SYN limit */
    TCPSM_E_UNREACHABLE = -12, /* a hard ICMP error before ESTABLISHED */
    TCPSM_E_NONE = -13,        /* there is none */
    TCPSM_E_OWNED = -14,       /* a stack owns it: use the stack's call */
    TCPSM_E_BLOB = -15,        /* not a blob, or not a sane one */
    TCPSM_E_ABI = -16,         /* built with other TCPSM_ macros */
    TCPSM_E_CORRUPT = -17      /* an invariant does not hold */
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
    TCPSM_DROP_ICMP,
    /* an ICMP message that proves nothing */
    TCPSM_DROP_TIME_WAIT, /* RFC 1337: not in TIME-WAIT */
    TCPSM_DROP_FULL,      /* a SYN or its ACK: no room, it comes again */
    TCPSM_DROP_IP,        /* the datagram: malformed, or a fragment */
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
    uint64_t loss_probes;         /* tail loss probes (RFC 8985 s7) */
    uint64_t dsacks;              /* duplicates that the peer reported */
    uint64_t undone;              /* reductions taken back as spurious */
    uint64_t ecn_reductions;      /* of the window, for CE marks */
    uint64_t ce;                  /* CE-marked segments received */
    uint64_t mtu_probes;          /* RFC 4821: larger segments tried */
    uint64_t mtu_holes;           /* black holes found */
    uint64_t opened, failed;      /* reached ESTABLISHED; ended in error */
    uint64_t drops[TCPSM_DROPS];
};

/* Congestion control: an id and functions over a few words. A NULL
   function means the built-in of that id (unknown: NewReno), so that
     static const tcpsm_cc reno = TCPSM_CC_BUILT_IN(TCPSM_CC_NEWRENO);
   selects one. The words are zeroed before init. Windows are bytes, times
   microseconds.
     init     ESTABLISHED was reached
     acked    new data was acknowledged, outside fast recovery; or, with
              `acked` 0, SACKed, which gives an RTT sample, or the peer's
              window is closed (app_limited)
     loss     fast recovery begins: set ssthresh (PRR steers cwnd)
     timeout  the retransmission timer fired: set ssthresh and cwnd
     idle     nothing was sent for an RTO (RFC 5681 s4.1)
     ecn      CE marks were reported, at most once a round: set both
     undo     the last reduction was spurious; cwnd and ssthresh have
              been restored
   delivered and interval_us, a rate sample, are not filled in yet.
   docs/recovery.md has a controller of one's own. */
#define TCPSM_CC_WORDS (TCPSM__TINY ? 1 : 4)
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
    uint8_t app_limited;             /* the window was not full */
    uint8_t round_start;             /* first ACK of a new round trip */
    uint8_t again; /* timeout: not the first for this data */
    uint8_t paced; /* bursts are none of your concern */
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
#define TCPSM_CC_BUILT_IN(id)                                                \
    {                                                                        \
        (id), NULL, NULL, NULL, NULL, NULL, NULL, NULL                       \
    }
enum { TCPSM_CC_DEFAULT = 0, TCPSM_CC_NEWRENO = 1, TCPSM_CC_CUBIC = 2 };

/* Zeroed is a sane default, but for the key. Copied by tcpsm_init; what
   its pointers name must outlive the connection. Durations are exact up
   to four digits (8191 x 10^n); beyond, they are rounded up. */
typedef struct {
    uint8_t key[16];                 /* all zero: TCPSM_E_KEY */
    const struct tcpsm_cc *cc;       /* NULL: CUBIC (tiny: NewReno) */
    struct tcpsm_counters *counters; /* NULL: none */
    void *user;                      /* tcpsm_user() gives it back */
    uint32_t flags;                  /* TCPSM_NODELAY ... below */
    uint32_t rcv_max;         /* largest receive ring ever: fixes the window
                              scale. 0: the one attached at open/listen */
    uint32_t rcv_promise;     /* window offered while there is no ring */
    uint32_t clock_us;        /* tick of your clock, or how late you may come:
                              RFC 6298's G (1) */
    uint32_t ack_delay_us;    /* delayed ACK (40 000; at most 499 999; OFF) */
    uint32_t rto_min_us;      /* (200 000; RFC 6298 says 1 000 000) */
    uint32_t rto_max_ms;      /* (120 000; at most 1 800 000) */
    uint32_t syn_limit_ms;    /* R2 for a SYN (180 000): RFC9293-MUST-23 */
    uint32_t user_timeout_ms; /* R2 for data (300 000; OFF: never):
                                 RFC9293-SHLD-11 */
    uint32_t keep_idle_ms;    /* (7 200 000: RFC9293-MUST-28) keepalive
                                 itself is off */
    uint32_t keep_interval_ms; /* (75 000) */
    uint32_t msl_ms;           /* (30 000): TIME-WAIT, and FIN-WAIT-2 once
                                  you closed, last twice that */
    uint16_t mtu; /* of the path, IP header included (1500; at least 108) */
    uint8_t initial_segments; /* initial window (10) */
    uint8_t keep_count;       /* unanswered keepalives until E_TIMEOUT (9) */
    uint8_t dscp;             /* 0..63 */
    uint8_t ttl;              /* (64) */
    uint8_t ack_every;        /* an ACK at least every n segments (2) */
    uint8_t challenge_limit;  /* RFC 5961 s7: ACKs in 5 s (10) */
    uint16_t pace_start;      /* pacing rate in slow start, % of cwnd/SRTT
                                 (200; 25 to 375, in steps of 25) */
    uint16_t pace_steady;     /* and after it (125) */
} tcpsm_config;
enum {                    /* tcpsm_config.flags; opt-outs and offloads */
       TCPSM_NODELAY = 1, /* no Nagle (RFC9293-MUST-17) */
       TCPSM_NO_SACK = 2,
       TCPSM_NO_TS = 4,
       TCPSM_NO_ECN = 8, /* else: who asks for it, gets it */
       TCPSM_NO_SCALE = 16,
       TCPSM_GATHER = 32,     /* payload by reference in tcpsm_out.ref */
       TCPSM_TX_PARTIAL = 64, /* TCPSM_CSUM_PARTIAL, for virtio */
       TCPSM_TX_ZERO = 128,   /* TCPSM_CSUM_ZERO */
       TCPSM_LOOPBACK = 256,  /* 127/8 and ::1 are welcome */
       TCPSM_GSO = 512,       /* cap may be filled with a train */
       TCPSM_PACE = 1024,     /* spread data over the round trip */
       TCPSM_ECN = 2048,      /* our SYN asks for ECN (RFC 3168) */
       TCPSM_ACCECN = 4096,   /* and for Accurate ECN (RFC 9768) first */
       TCPSM_FASTOPEN = 8192, /* LISTEN takes data in SYNs (RFC 7413) */
       TCPSM_NO_PROBE = 16384 /* no larger segments tried (RFC 4821) */
};

/* tcpsm_set: the option, and what its value means. 0 is a value here. */
enum {
    TCPSM_SET_NODELAY = 1,   /* 1: no Nagle (RFC9293-MUST-17) */
    TCPSM_SET_CORK,          /* 1: full segments only; what is short goes
                                200 ms after all else was acknowledged */
    TCPSM_SET_DSCP,          /* 0..63 (RFC9293-MUST-48, RFC9293-SHLD-21) */
    TCPSM_SET_TTL,           /* 1..255 (RFC9293-MUST-49) */
    TCPSM_SET_MTU,           /* path MTU, up or down */
    TCPSM_SET_MAXSEG,        /* the largest segment to send in this
                                connection; before open or listen: in the
                                next one, and the largest to ask for */
    TCPSM_SET_KEEPALIVE,     /* 0 / 1 (RFC9293-MUST-24, RFC9293-MUST-25) */
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
    TCPSM_SET_PROMISE,       /* bytes: the window offered without a ring */
    TCPSM_SET_PACE           /* 0 / 1 */
};

/* tcpsm_send flags */
enum {
    TCPSM_MORE = 1, /* more follows at once: hold a short segment */
    TCPSM_EOR = 2,  /* no new segment spans the end of these bytes */
    TCPSM_URG = 4   /* these bytes are urgent (RFC9293-SHLD-13: do not) */
};

/* tcpsm_attach: what */
enum { TCPSM_RECEIVE = 1, TCPSM_SEND = 2, TCPSM_TABLES = 3 };

/* An intrusive list of connections that want attention: something made
   the deadline earlier or raised an event. Push and pop are O(1), first
   come, first served. Zeroed is empty. */
typedef struct tcpsm_wake {
    tcpsm_conn *head, *tail;
    uint32_t owner; /* 1: a stack's, private */
} tcpsm_wake;

/* tcpsm's tcp_info. Sequence numbers are the wire's. */
struct tcpsm_info {
    uint8_t state, family, snd_scale, rcv_scale;
    uint8_t timestamps, sack, scaling; /* negotiated; 0/1 */
    uint8_t in_recovery;               /* 1: fast; 2: after a timeout */
    uint8_t backoff, dupacks, tos_seen, soft_error; /* ICMP type << 4|code */
    uint8_t cc_id, persist, keepalive;
    uint8_t ecn; /* 0: none; 1: RFC 3168; 2: RFC 9768 */
    uint8_t reordering, pacing, fast_open, zero; /* seen; on; SYN data taken
                                                    by the peer or by us */
    uint16_t mtu, peer_mss, smss; /* smss: payload of a full segment */
    uint16_t probed_mtu;          /* under way; 0: none */
    uint16_t runs, run_cap, ranges, range_cap;
    uint32_t snd_una, snd_nxt, snd_wnd, rcv_nxt, rcv_wnd;
    uint32_t snd_queued, snd_free; /* ring bytes: held / free */
    uint32_t rcv_queued, rcv_free; /* ring bytes: readable / free */
    uint32_t unsent;               /* queued and never sent */
    uint32_t urgent; /* bytes still to read up to the urgent pointer */
    uint32_t cwnd, ssthresh, flight;
    uint32_t sacked, lost; /* bytes, of those sent */
    uint32_t srtt_us, rttvar_us, min_rtt_us, rto_us;
    uint32_t rack_rtt_us, reo_wnd_us; /* RFC 8985 */
    uint32_t pacing_rate;             /* bytes/s; 0: not paced */
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
    uint8_t ecn;    /* 0: none; 1: RFC 3168; 2: RFC 9768 */
    uint8_t no_ect; /* our data must not be ECN-capable (RFC 9768 s3.1.5) */
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

   512 bytes on x86-64 in the server configuration, with everything. */

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
    uint32_t flags2; /* TCPSM__N_*, and the counters of RFC 9768's ACE */
    uint32_t rtx_at; /* retransmit-like timer, low 32 bits of us */
    uint32_t ack_at; /* delayed ACK, low 32 bits of us */
    uint32_t oof;    /* bytes of the runs that are SACKed or lost */
#if !TCPSM__TINY
    uint32_t pace_at;             /* nothing before that, low 32 bits of us */
    uint32_t rack_xmit, rack_end; /* RFC 8985: the latest sent segment that
                                     was delivered; rtt below */
#endif
    uint32_t srtt, rttvar, min_rtt; /* us; srtt 0: no sample yet */
    uint32_t ts_recent, ts_offset;
    /* colder */
    uint32_t snd_up, rcv_up; /* urgent pointers: the octet after. Without
                                urgent data, while N_UNDO: SND.UNA when the
                                reduction was made, and when first something
                                was sent again, in us (0: not yet) */
    uint32_t recover; /* RFC 6582; in SYN states the SEQ of a reply RST */
    uint32_t eor;     /* no unsent segment may span this octet's left */
    union {
        struct { /* in fast recovery with SACK: RFC 9937 */
            uint32_t delivered, out, flight;
        } prr;
        struct {                /* else */
            uint32_t sent_at;   /* data was sent, in 1.024 ms ticks */
            uint32_t round_end; /* the round ends with this octet's ACK */
            uint32_t tlp_end;   /* RFC 8985: of the probe; N_TLP: is one */
        } open;
    } u;
    uint32_t aux_lo, uto_lo; /* timers of 48 bits: keepalive/TIME-WAIT/ */
    uint16_t aux_hi, uto_hi; /* FIN-WAIT-2, and user timeout */
    uint16_t local_port, remote_port;
    uint8_t local[16], remote[16];
    uint8_t key[16];
    uint16_t zone;
    uint16_t opts;     /* tcpsm_config.flags; bit 10: IPv6; bit 11: LISTEN
                         for both; top 4 bits: the configured scale */
    uint16_t mtu;      /* path MTU as known now */
    uint16_t ptb_mtu;  /* a Packet Too Big held back (RFC 5927 s7.2); up
                            to SYN-RECEIVED the user's MSS limit */
    uint16_t mss;      /* the peer's MSS option or its default */
    uint16_t wnd_max;  /* largest SEG.WND ever, >> snd_scale */
    uint16_t events;   /* edges not yet taken */
    uint16_t ts_age;   /* when ts_recent was set, in 2^30 us */
    uint16_t chal_at;  /* RFC 5961 limiter's start, in 2^16 us */
    uint16_t link_mtu; /* as configured: each connection starts there */
    uint16_t promise;  /* window without a ring; binary float */
    /* durations in tcpsm's 16-bit decimal float */
    uint16_t k_ack_delay, k_rto_min, k_rto_max, k_syn_limit;
    uint16_t k_uto, k_keep_idle, k_keep_interval, k_msl, k_linger;
    uint16_t lowat; /* binary float */
    uint8_t state;
    uint8_t scales;      /* window shifts: SND << 4 | RCV */
    uint8_t tos, ttl;    /* of outgoing segments */
    uint8_t tos_seen;    /* of the last acceptable segment */
    uint8_t error, soft; /* minus the sticky error; last soft error */
    uint8_t dupacks, backoff, probes;
    uint8_t owed;     /* duplicate ACKs that must each be sent */
    uint8_t ack_segs; /* data segments since our last ACK */
    uint8_t ack_every, quick;
    uint8_t chal_n, chal_limit;
    uint8_t keep_count, iw, clock; /* clock: 8-bit decimal float */
    uint8_t timers;                /* armed bits, and the kinds */
    uint8_t more;                  /* second flag byte */
    uint8_t ranges_n;
    uint8_t table_cap; /* of the lent tables, see lent_runs; 0: inline */
    uint8_t min_age;   /* when min_rtt was seen, in 2^26 us */
    uint8_t min_next;  /* the least since then: five bits of exponent */
#if !TCPSM__TINY
    uint8_t reo;     /* RACK: multiplier, and << 4 recoveries left - 1 */
    uint8_t pace;    /* rates in quarters of cwnd/SRTT: steady, start << 4 */
    uint8_t undo_n;  /* sent again, and not reported as duplicates */
    uint8_t acc[12]; /* RFC 9768: r.e0b, r.ceb, r.e1b, s.ceb, 24 bits */
    uint16_t rack_rtt;                   /* binary float; us */
    uint16_t prior_cwnd, prior_ssthresh; /* before; binary float */
    uint16_t pmtu; /* RFC 4821: the least size known to be too big, and in
                      its low two bits the probes lost; or when to try
                      again, in 2^20 us (N_RAISE) */
#endif
    uint16_t runs_n;
    uint32_t dsack_seq[2]; /* duplicates still to be reported */
    uint16_t dsack_len[2];
    /* the inline tables: see >>runs and >>ranges */
    uint32_t run_end[TCPSM_RUNS], run_first[TCPSM_RUNS];
    uint32_t range_start[TCPSM_RANGES], range_end[TCPSM_RANGES];
    uint16_t run_meta[TCPSM_RUNS];
    uint8_t range_order[TCPSM_RANGES];
    struct tcpsm__lent p;
};

#define TCPSM_ABI                                                            \
    ((uint32_t)TCPSM_RUNS << 24 | (uint32_t)TCPSM_RANGES << 16 |             \
     (uint32_t)TCPSM__TINY << 15 | (TCPSM_VERSION >> 4 & 0x7FFFu))

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
   must be given (RFC9293-MUST-44: your IP layer chose the address).
   E_ARG: broadcast, multicast or zero remote (RFC9293-MUST-46). E_STATE:
   not CLOSED. */
TCPSM_DEF tcpsm_ret tcpsm_open(tcpsm_conn *, const tcpsm_tuple *,
                               tcpsm_time now);

/* What a client remembers of a server for TCP Fast Open (RFC 7413 s4.1.3):
   plain, yours to keep, one for each pair of addresses. Zeroed: nothing. */
typedef struct {
    uint8_t cookie[16];
    uint8_t len;     /* of the cookie; 0: ask for one */
    uint8_t refused; /* SYNs with data that got no answer, or no cookie
                        came: do not try for a while */
    uint16_t mss;    /* the server's */
} tcpsm_fastopen;
/* Between tcpsm_open (or tcpsm_stack_connect) and the first output: what
   tcpsm_send queues by then goes with the SYN if there is a cookie
   (RFC7413-7); without one the SYN asks for it. Data in a SYN may be
   delivered twice: only for idempotent requests. With `refused` set nothing
   changes. E_ARG: a cookie of an odd length, or not of 4 to 16 bytes;
   E_STATE: too late, or not opened. */
TCPSM_DEF tcpsm_ret tcpsm_fastopen_use(tcpsm_conn *, const tcpsm_fastopen *);
/* tcpsm_open and tcpsm_fastopen_use in one; the entry may be NULL. */
TCPSM_DEF tcpsm_ret tcpsm_open_fast(tcpsm_conn *, const tcpsm_tuple *,
                                    const tcpsm_fastopen *, tcpsm_time now);
/* After EV_CONNECTED (or a failure), before the next input: what there is
   to remember. Returns 1 if the entry changed, else 0. */
TCPSM_DEF tcpsm_ret tcpsm_fastopen_learn(const tcpsm_conn *,
                                         tcpsm_fastopen *);

/* Passive OPEN: LISTEN. Zero local address, remote address or remote port
   mean any (RFC9293-MUST-43). From CLOSED, also again after EV_DONE (unread
   data of the last connection is forgotten), and from TIME-WAIT, which then
   ends.
   A SYN whose handshake is not completed holds the connection for about
   seven seconds; then it listens again, and what was queued is forgotten. */
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
/* The readable bytes in place, as two spans (the ring wraps:
   look at both); returns their sum, or as tcpsm_receive. Stable until
   consume or attach; input may come between. The window moves in steps of
   half the ring or an MSS: who consumes nothing before a whole message is
   there needs a ring of twice its length. */
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
TCPSM_DEF void tcpsm_name(const tcpsm_conn *, tcpsm_tuple *); /* whose */
/* Sets TCPSM_SET_*. E_ARG: no such option, or a value out of range. */
TCPSM_DEF tcpsm_ret tcpsm_set(tcpsm_conn *, uint32_t option, uint32_t value);
TCPSM_DEF void *tcpsm_user(const tcpsm_conn *);
TCPSM_DEF void tcpsm_set_user(tcpsm_conn *, void *);

/* Lends, replaces or (mem NULL, len 0) takes back a ring or the tables.
   Contents move to the new memory, which must not overlap the old; the old
   pointer goes to *old. E_STATE: the receive ring could not hold what was
   offered to the peer (law 8), or is worth less than four units of the
   window scale, or the send ring what it holds; nothing changed.
   TCPSM_TABLES: about 10 bytes per run and 9 per range, in equal numbers, and
   beyond 255 (at most 2160) runs alone; any alignment. What an ACK with SACK
   may cost grows with them. E_ARG: too large or too small. Cost: a copy of
   the contents. */
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

#ifndef TCPSM_NO_STACK
/* ---- >>many: layer 2, many connections -------------------------------

   A stack is one block of your memory: connections, listeners, a table of
   half-open SYNs, a table of TIME-WAITs, timers and queues, all of the size
   that you asked for. Datagrams or segments go in; datagrams or segments,
   one deadline and connections with news come out:

       for (;;) {
           wait_until(tcpsm_stack_deadline(st));        // or a packet
           while (packet(buf, &n)) tcpsm_ip_input(st, buf, n, &in, now());
           while ((c = tcpsm_stack_accept(st, &l)) != NULL) hello(c, l);
           while ((c = tcpsm_stack_next(st, &ev)) != NULL) serve(c, ev);
           while ((n = tcpsm_ip_output(st, &out, now())) > 0) wire(&out, n);
       }

   The stream calls of layer 1 (send, receive, shutdown, close, abort, set,
   attach, take, status, export ...) work on its connections, and the stack
   notices. tcpsm_open, _listen, _input, _output, _icmp and _import say
   E_OWNED; tcpsm_init must not be called on them.

   WHO OWNS WHAT. A connection is yours from tcpsm_stack_accept or _connect
   on until tcpsm_stack_release, whatever becomes of it on the wire: it is
   never reused before. After release its pointer is dead; the connection
   finishes in the background. A slab ring goes back by itself; when you had
   attached memory of your own, tcpsm_stack_next names the connection once
   more, with TCPSM_EV_DONE, and then that memory is yours again.
   TIME-WAIT costs you nothing: once both FINs are acknowledged, EV_DONE
   comes and an entry of 64 bytes answers for 2 MSL.

   A SYN costs an entry in the SYN table, and when that is full nothing: it
   is answered with a cookie (RFC 4987 s3.6). When all connections, all slab
   rings or the listener's backlog are in use, SYNs are dropped: the peer
   tries again. */

typedef struct tcpsm_stack tcpsm_stack; /* lives in your block */

/* Zeroed, but for conns and conn.key, is a sane default. */
typedef struct {
    tcpsm_config conn;    /* defaults for all; its key serves the stack */
    uint32_t conns;       /* connections, 1 .. 2^24 - 1 */
    uint32_t syn_entries; /* half-open ones, < 2^20 (as conns, <= 1024) */
    uint32_t timewait_entries; /* 64 bytes each, < 2^24 (as conns) */
    uint32_t replies; /* resets, cookies, ACKs between two drains (16) */
    uint32_t rings;   /* slab of ring pairs, one for each connection from
                         its beginning to its end (as conns) */
    uint32_t rcv_ring, snd_ring; /* bytes of each; 0: you attach them,
                                    receive rings when input says E_RING */
    uint32_t quantum; /* bytes, or one train, that a connection may send
                         before the next has its turn (16 384) */
    uint32_t resets_per_second;    /* for strangers (about 200; OFF: all) */
    uint32_t fastopen_pending;     /* TCPSM_FASTOPEN: connections served whose
                                       handshake goes on (16; OFF: none) */
    uint16_t listeners, addresses; /* at most this many (4; 4) */
    uint16_t port_first, port_last; /* ephemeral (49 152 to 65 535) */
    uint32_t flags;                 /* TCPSM_PROMISCUOUS ... */
} tcpsm_stack_config;
enum {                        /* tcpsm_stack_config.flags */
       TCPSM_PROMISCUOUS = 1, /* every destination address is ours */
       TCPSM_SILENT = 2,      /* no resets for strangers */
       TCPSM_ECHO = 4,        /* ip_input answers ICMP echo requests */
       TCPSM_NO_COOKIES = 8   /* when the SYN table is full: drop */
};
enum {                           /* tcpsm_stack_listen */
       TCPSM_LISTEN_ASK = 1,     /* hold each SYN for tcpsm_stack_ask */
       TCPSM_LISTEN_ANY_ZONE = 2 /* whatever zone it comes from */
};
enum { TCPSM_ACCEPT, TCPSM_RESET, TCPSM_IGNORE }; /* tcpsm_stack_answer */

struct tcpsm_stack_info {
    uint32_t conns, conn_cap;     /* in use, all states; and there are */
    uint32_t orphans, unaccepted; /* of those: released; not accepted */
    uint32_t syns, syn_cap, held; /* half-open; of those awaiting you */
    uint32_t timewaits, timewait_cap;
    uint32_t rings, ring_cap;    /* slab pairs in use */
    uint32_t replies, reply_cap; /* waiting for output */
    uint32_t listeners, addresses;
    size_t bytes;                 /* the block */
    uint64_t accepted, connected; /* reached ESTABLISHED, by side */
    uint64_t syns_dropped;        /* no room anywhere, or not yours */
    uint64_t cookies_sent, cookies_good, cookies_bad;
    uint64_t resets, resets_held_back; /* for strangers; by the limit */
    uint64_t replies_lost;             /* the reply ring was full */
    uint64_t timewaits_evicted;        /* the oldest, for want of room */
    uint64_t ip_dropped; /* datagrams: malformed, fragments, neither TCP
                            nor ICMP of use */
    uint64_t echoes;
};

/* Bytes of memory that this configuration needs, alignment included; 0:
   it makes no sense, or would overflow. */
TCPSM_DEF size_t tcpsm_stack_size(const tcpsm_stack_config *);
/* Makes a stack in mem (any alignment). E_KEY, E_ARG, or E_SPACE: size is
   less than tcpsm_stack_size. E_ABI as tcpsm_init. Cost: O(N). */
#define tcpsm_stack_init(st, mem, size, cfg, now)                            \
    tcpsm_stack_init_((st), (mem), (size), (cfg), (now), sizeof(tcpsm_conn), \
                      TCPSM_ABI)
TCPSM_DEF tcpsm_ret tcpsm_stack_init_(tcpsm_stack **, void *mem, size_t size,
                                      const tcpsm_stack_config *,
                                      tcpsm_time now, size_t conn_size,
                                      uint32_t abi);
/* mem holds a copy of a stack's block: makes it work there. Connections
   have moved with it: find them by their references. Pointers that you gave
   (user, counters, cc, rings of yours) must still be good. E_BLOB: mem holds
   no stack. The copy that it was made from must not be used any more.
   Cost: O(N). */
TCPSM_DEF tcpsm_ret tcpsm_stack_rebase(tcpsm_stack **, void *mem,
                                       size_t size);

/* Adds (on 1) or removes (0) one of our addresses, with the length of its
   network's prefix (0: the host alone), in local->zone. The prefix tells
   broadcast addresses, and which address tcpsm_stack_connect takes. E_ARG,
   E_SPACE, E_NONE: removed what was not there. Connections stay. */
TCPSM_DEF tcpsm_ret tcpsm_stack_address(tcpsm_stack *, const tcpsm_tuple *,
                                        uint8_t prefix, uint32_t on);

/* Passive OPEN for many. Returns the listener's number, >= 0. Zero address:
   any (family 0: either family); zero port: any. The most specific listener
   gets a SYN. backlog: connections waiting for accept (0: as conns). The
   configuration, NULL for the stack's, is that of its connections (its key
   is not used). E_ARG, E_SPACE; E_STATE: there is one for exactly this. */
TCPSM_DEF tcpsm_ret tcpsm_stack_listen(tcpsm_stack *, const tcpsm_tuple *,
                                       uint32_t backlog, uint32_t flags,
                                       const tcpsm_config *);
/* Half-open and unaccepted connections of it are reset. E_NONE. O(N). */
TCPSM_DEF tcpsm_ret tcpsm_stack_unlisten(tcpsm_stack *, tcpsm_ret listener);

/* LISTEN_ASK: the next SYN that awaits a verdict, each once: a number for
   tcpsm_stack_answer, who asks in *who, or E_NONE. */
TCPSM_DEF tcpsm_ret tcpsm_stack_ask(tcpsm_stack *, tcpsm_tuple *who);
/* TCPSM_ACCEPT, TCPSM_RESET or TCPSM_IGNORE. E_NONE: it is gone: its sender
   reset it, or you took longer than a minute. */
TCPSM_DEF tcpsm_ret tcpsm_stack_answer(tcpsm_stack *, tcpsm_ret ask,
                                       uint32_t verdict);

/* The oldest connection that awaits acceptance, of any listener (NULL: not
   asked which), or NULL. Its slab rings are there, data may be; it may even
   be over already. */
TCPSM_DEF tcpsm_conn *tcpsm_stack_accept(tcpsm_stack *, tcpsm_ret *listener);

/* Active OPEN. A zero local address is chosen by the prefixes, a zero local
   port by RFC 6056. Configuration as for listen. E_ARG; E_SPACE: no
   connection, ring or port is free; E_NONE: no address of that family;
   E_STATE: such a connection exists, or is in TIME-WAIT. Cost: O(1); O(N)
   in ports where nearly all are taken. */
TCPSM_DEF tcpsm_ret tcpsm_stack_connect(tcpsm_stack *, const tcpsm_tuple *,
                                        const tcpsm_config *, tcpsm_conn **,
                                        tcpsm_time now);

/* The next connection that something happened to, and what (as tcpsm_take,
   which it calls; NULL: not asked). Each at most once a round; NULL ends
   the round. Only accepted and connected ones. Call it after every input:
   while there is news, the deadline is at once. */
TCPSM_DEF tcpsm_conn *tcpsm_stack_next(tcpsm_stack *, uint32_t *taken);

/* Ends your use of it, in any state: closes what is not closed (as
   tcpsm_close: unread data resets it). E_ARG: not yours. */
TCPSM_DEF tcpsm_ret tcpsm_stack_release(tcpsm_stack *, tcpsm_conn *);
/* Removes it without a word to the peer, after tcpsm_export: it goes on
   elsewhere. Rings of yours are yours again at once. */
TCPSM_DEF tcpsm_ret tcpsm_stack_forget(tcpsm_stack *, tcpsm_conn *);
/* Goes on with an exported connection; it is yours, as if accepted. Its
   rings are yours (rings[0] to receive, rings[1] to send), or NULL: slab
   rings. E_BLOB, E_SPACE, E_STATE as tcpsm_import and tcpsm_stack_connect
   have them; E_STATE also for one that was CLOSED or in LISTEN. Its local
   address need not be ours. */
TCPSM_DEF tcpsm_ret tcpsm_stack_import(tcpsm_stack *, const void *blob,
                                       uint32_t len, const tcpsm_config *,
                                       const tcpsm_span rings[2],
                                       tcpsm_conn **, tcpsm_time now);

/* generation << 32 | index: for workers, other languages, arrays. */
TCPSM_DEF uint64_t tcpsm_stack_ref(const tcpsm_stack *, const tcpsm_conn *);
/* NULL once it was released. */
TCPSM_DEF tcpsm_conn *tcpsm_stack_deref(const tcpsm_stack *, uint64_t ref);

/* Every connection, orphans and unaccepted ones too: *at starts at 0; NULL
   ends it. Only to look at, or to abort, those that are not yours. */
TCPSM_DEF tcpsm_conn *tcpsm_stack_walk(const tcpsm_stack *, uint32_t *at);
/* Aborts all connections that match (zero: any): an interface went down, an
   address was lost. Returns how many. Cost: O(N). */
TCPSM_DEF tcpsm_ret tcpsm_stack_abort(tcpsm_stack *, const tcpsm_tuple *);

/* One segment or train, for whomever it is: a connection, a listener, a
   TIME-WAIT, or nobody (a reset). As tcpsm_input: in->drop and in->conn
   tell; E_RING: attach a ring to in->conn and call again, or call again
   with TCPSM_IN_NO_DATA. Never E_NOT_MINE. Cost: O(1), and O(N) in the
   listeners of one port and in the addresses where no connection is. */
TCPSM_DEF tcpsm_ret tcpsm_stack_input(tcpsm_stack *, tcpsm_in *,
                                      tcpsm_time now);
/* n of them, memory fetched ahead: faster than n calls where connections
   are many. Returns how many were taken in; when that is less than n, the
   next one got E_RING. */
TCPSM_DEF tcpsm_ret tcpsm_stack_input_batch(tcpsm_stack *, tcpsm_in *,
                                            uint32_t n, tcpsm_time now);
/* Runs what is due; writes at most one segment (or train), as tcpsm_output.
   Call until it returns 0. Cost: O(1): 0 with a deadline of at once means
   that there is more to do. */
TCPSM_DEF tcpsm_ret tcpsm_stack_output(tcpsm_stack *, tcpsm_out *,
                                       tcpsm_time now);
/* When to call output (and next) again; 0: at once. Never late. */
TCPSM_DEF tcpsm_time tcpsm_stack_deadline(const tcpsm_stack *);
/* An ICMP or ICMPv6 error, as tcpsm_icmp, for whomever it is. */
TCPSM_DEF tcpsm_ret tcpsm_stack_icmp(tcpsm_stack *, const void *msg,
                                     uint32_t len, uint8_t family,
                                     uint16_t zone, tcpsm_time now);

TCPSM_DEF void tcpsm_stack_status(const tcpsm_stack *,
                                  struct tcpsm_stack_info *);
/* 0, or minus the number of the first invariant that does not hold, of the
   stack (from 200 on) or of a connection. Cost: O(N). */
TCPSM_DEF tcpsm_ret tcpsm_stack_check(const tcpsm_stack *);

/* An IPv4 or IPv6 datagram: its header is checked and taken off, TCP goes
   to tcpsm_stack_input, ICMP errors to their connection, echo requests are
   answered (TCPSM_ECHO). in is zeroed but for zone, gso_size, segs, ce and
   flags; afterwards it describes the segment: after E_RING attach, and give
   it to tcpsm_stack_input. IPv4 options and IPv6 extension headers are
   passed over, fragments are dropped (an atomic one is none, RFC 6946). */
TCPSM_DEF tcpsm_ret tcpsm_ip_input(tcpsm_stack *, const void *datagram,
                                   uint32_t len, tcpsm_in *, tcpsm_time now);
/* As tcpsm_stack_output, with the IP header before it: hdr_len counts both.
   DF is set. out->cap >= TCPSM_MIN_CAP + 40. An echo reply (hdr_len counts
   its ICMP header) goes out here, too. */
TCPSM_DEF tcpsm_ret tcpsm_ip_output(tcpsm_stack *, tcpsm_out *,
                                    tcpsm_time now);
/* The helpers alone, without a stack. Take apart: in as for tcpsm_ip_input;
   returns the protocol (6: in->data is the segment; 1, 58: the message) or
   E_ARG: not to be used. */
TCPSM_DEF tcpsm_ret tcpsm_ip_parse(const void *datagram, uint32_t len,
                                   tcpsm_in *);
/* Put together: writes the header for n bytes of segment as out describes
   them (with GATHER: plus out->ref) just before p, where 40 bytes are free;
   returns its length, 20 or 40. */
TCPSM_DEF tcpsm_ret tcpsm_ip_build(void *p, uint32_t n, const tcpsm_out *);
#endif /* TCPSM_NO_STACK */

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

/* ===================================================================== */
#if defined(TCPSM_IMPLEMENTATION) && !defined(TCPSM_IMPLEMENTED)
#define TCPSM_IMPLEMENTED

/* The only outside symbols (law 1); no <string.h> in a freestanding build */
#ifdef __cplusplus
extern "C" {
#endif
#if defined(__STDC_HOSTED__) && __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *, const void *, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);
#endif

#ifndef TCPSM_TRACE
#define TCPSM_TRACE(conn, what, a, b) ((void)0)
#endif
#ifndef TCPSM_STEP
#define TCPSM_STEP() ((void)0)
#endif
/* what TCPSM_TRACE is told */
enum {
    TCPSM_TRACE_STATE = 1, /* a: old, b: new */
    TCPSM_TRACE_DROP,      /* a: TCPSM_DROP_* */
    TCPSM_TRACE_TIMER,     /* a: TCPSM__T_*, b: kind */
    TCPSM_TRACE_RTT,       /* a: sample, b: srtt */
    TCPSM_TRACE_CWND,      /* a: cwnd, b: ssthresh */
    TCPSM_TRACE_RETRANSMIT /* a: seq, b: len */
};

#define TCPSM__FN static TCPSM__UNUSED
#if defined(__GNUC__)
#define TCPSM__APART static __attribute__((unused, noinline))
#else
#define TCPSM__APART static
#endif
/* ---- >>bytes --------------------------------------------------------
   The only code that touches packet memory. Sums are ones' complement
   sums of big-endian 16-bit words (RFC 1071), folded to 16 bits. */

TCPSM__FN uint16_t tcpsm__get16(const uint8_t *p)
{
    return (uint16_t)((uint16_t)((uint16_t)p[0] << 8) | p[1]);
}

TCPSM__FN uint32_t tcpsm__get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

TCPSM__FN void tcpsm__put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

TCPSM__FN uint32_t tcpsm__get24(const uint8_t *p)
{
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

TCPSM__FN void tcpsm__put24(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 16);
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)v;
}

TCPSM__FN void tcpsm__put32(uint8_t *p, uint32_t v)
{
    tcpsm__put16(p, v >> 16);
    tcpsm__put16(p + 2, v);
}

TCPSM__FN uint32_t tcpsm__min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

TCPSM__FN uint64_t tcpsm__min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

TCPSM__FN uint32_t tcpsm__max(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

TCPSM__FN uint32_t tcpsm__fold(uint32_t s)
{
    s = (s & 0xFFFFu) + (s >> 16);
    return (s & 0xFFFFu) + (s >> 16);
}

TCPSM__FN uint32_t tcpsm__swap16(uint32_t s)
{
    return (s & 0xFFu) << 8 | s >> 8;
}

/* One word at a time: for short runs of bytes and small processors. dst
   may be NULL: sum only. n <= 65 536. */
TCPSM__FN uint32_t tcpsm__sum_plain(uint8_t *dst, const uint8_t *p,
                                    uint32_t n)
{
    uint32_t s = 0, i, w;
    if (dst != NULL)
        memcpy(dst, p, n);
    for (i = 0; i + 3 < n; i += 4) {
        w = tcpsm__get32(p + i);
        s += (w & 0xFFFFu) + (w >> 16);
        TCPSM_STEP();
    }
    if (n & 2)
        s += tcpsm__get16(p + i);
    if (n & 1)
        s += (uint32_t)p[n - 1] << 8;
    return tcpsm__fold(s);
}

#if defined(__GNUC__) && !defined(TCPSM_TINY) && UINTPTR_MAX > 0xFFFFFFFFu
/* Generic vectors: two of four words a turn, the low and the high halves
   of each word in sums of their own, so that no carry is ever lost. */
typedef uint32_t tcpsm__v4 __attribute__((vector_size(16)));

TCPSM__FN uint32_t tcpsm__sum_copy(uint8_t *dst, const uint8_t *p, uint32_t n)
{
    const tcpsm__v4 mask = {0xFFFFu, 0xFFFFu, 0xFFFFu, 0xFFFFu};
    const uint16_t one = 1;
    tcpsm__v4 lo0 = {0, 0, 0, 0}, hi0 = lo0, lo1 = lo0, hi1 = lo0, a, b;
    uint32_t i, s, t;
    uint8_t little;
    if (n < 64 || n > 65536)
        return tcpsm__sum_plain(dst, p, n);
    for (i = 0; i + 32 <= n; i += 32) {
        memcpy(&a, p + i, 16);
        memcpy(&b, p + i + 16, 16);
        if (dst != NULL) {
            memcpy(dst + i, &a, 16);
            memcpy(dst + i + 16, &b, 16);
        }
        lo0 += a & mask;
        hi0 += a >> 16;
        lo1 += b & mask;
        hi1 += b >> 16;
        TCPSM_STEP();
    }
    lo0 += lo1;
    hi0 += hi1;
    s = tcpsm__fold(lo0[0]) + tcpsm__fold(lo0[1]) + tcpsm__fold(lo0[2]) +
        tcpsm__fold(lo0[3]) + tcpsm__fold(hi0[0]) + tcpsm__fold(hi0[1]) +
        tcpsm__fold(hi0[2]) + tcpsm__fold(hi0[3]);
    s = tcpsm__fold(s);
    memcpy(&little, &one, 1);
    if (little)
        s = tcpsm__swap16(s);
    t = tcpsm__sum_plain(dst != NULL ? dst + i : NULL, p + i, n - i);
    return tcpsm__fold(s + t);
}
#else
TCPSM__FN uint32_t tcpsm__sum_copy(uint8_t *dst, const uint8_t *p, uint32_t n)
{
    return tcpsm__sum_plain(dst, p, n);
}
#endif

TCPSM__FN uint32_t tcpsm__sum(const uint8_t *p, uint32_t n)
{
    uint32_t s = 0, k;
    for (; n > 65536u; n -= k, p += k) {
        k = 65536u;
        s = tcpsm__fold(s + tcpsm__sum_copy(NULL, p, k));
    }
    return tcpsm__fold(s + tcpsm__sum_copy(NULL, p, n));
}

/* Pseudo-header: the same words for IPv4 (RFC 9293 s3.1) and IPv6. */
TCPSM__FN uint32_t tcpsm__sum_pseudo(const uint8_t *src, const uint8_t *dst,
                                     uint8_t family, uint32_t len)
{
    uint32_t alen = family == 4 ? 4u : 16u;
    return tcpsm__fold(tcpsm__sum_plain(NULL, src, alen) +
                       tcpsm__sum_plain(NULL, dst, alen) + 6u + (len >> 16) +
                       (len & 0xFFFFu));
}

TCPSM__FN int tcpsm__bytes_equal(const uint8_t *a, const uint8_t *b,
                                 uint32_t n)
{
    uint32_t i, d = 0;
    for (i = 0; i < n; i++)
        d |= (uint32_t)(a[i] ^ b[i]);
    return d == 0;
}

TCPSM__FN int tcpsm__bytes_zero(const uint8_t *a, uint32_t n)
{
    uint32_t i, d = 0;
    for (i = 0; i < n; i++)
        d |= a[i];
    return d == 0;
}

/* Durations and sizes in 16 bits, so that a connection holds a dozen of
   them. Decimal: 13 bits times 10^(top three), exact for what people
   write; encoding rounds up. Binary: 12 bits times 2^(top four), rounds
   down. */
#define TCPSM__K_OFF 0xFFFFu

TCPSM__FN uint32_t tcpsm__pow10(uint32_t e)
{
    static const uint32_t t[8] = {1,     10,     100,     1000,
                                  10000, 100000, 1000000, 10000000};
    return t[e & 7];
}

TCPSM__FN uint16_t tcpsm__k_enc(uint32_t v)
{
    uint32_t e, up = 0;
    if (v == TCPSM_OFF)
        return TCPSM__K_OFF;
    v = tcpsm__min(v, 4294000000u);
    for (e = 0; v > 8190u && e < 7; e++) {
        up = (v % 10u) != 0;
        v = v / 10u + up;
        TCPSM_STEP();
    }
    return (uint16_t)(e << 13 | v);
}

TCPSM__FN uint32_t tcpsm__k_dec(uint16_t k)
{
    if (k == TCPSM__K_OFF)
        return TCPSM_OFF;
    return (uint32_t)(k & 0x1FFFu) * tcpsm__pow10((uint32_t)k >> 13);
}

TCPSM__FN uint16_t tcpsm__size_enc(uint32_t v)
{
    uint32_t e;
    for (e = 0; v > 4095u && e < 15; e++) {
        v >>= 1;
        TCPSM_STEP();
    }
    return (uint16_t)(e << 12 | tcpsm__min(v, 4095u));
}

TCPSM__FN uint32_t tcpsm__size_dec(uint16_t k)
{
    return (uint32_t)(k & 0xFFFu) << (k >> 12);
}

/* ---- >>seq ----------------------------------------------------------
   The only place that knows wrap-around (RFC 9293 s3.4: modulo 2^32). */

TCPSM__FN int tcpsm__seq_lt(uint32_t a, uint32_t b)
{
    return ((a - b) & 0x80000000u) != 0;
}

TCPSM__FN int tcpsm__seq_le(uint32_t a, uint32_t b)
{
    return !tcpsm__seq_lt(b, a);
}

TCPSM__FN uint32_t tcpsm__seq_max(uint32_t a, uint32_t b)
{
    return tcpsm__seq_lt(a, b) ? b : a;
}

TCPSM__FN uint32_t tcpsm__seq_min(uint32_t a, uint32_t b)
{
    return tcpsm__seq_lt(a, b) ? a : b;
}

/* how far b is ahead of a; 0 when it is not */
TCPSM__FN uint32_t tcpsm__seq_ahead(uint32_t a, uint32_t b)
{
    return tcpsm__seq_lt(a, b) ? b - a : 0;
}

/* ---- >>hash ---------------------------------------------------------
   SipHash-2-4 (Aumasson, Bernstein). */

TCPSM__FN uint64_t tcpsm__le64(const uint8_t *p)
{
    uint64_t v = 0;
    uint32_t i;
    for (i = 8; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

TCPSM__FN uint64_t tcpsm__rotl(uint64_t x, uint32_t n)
{
    return x << n | x >> (64 - n);
}

TCPSM__FN void tcpsm__sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = tcpsm__rotl(v[1], 13) ^ v[0];
    v[3] = tcpsm__rotl(v[3], 16) ^ v[2];
    v[0] = tcpsm__rotl(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = tcpsm__rotl(v[1], 17) ^ v[2];
    v[3] = tcpsm__rotl(v[3], 21) ^ v[0];
    v[2] = tcpsm__rotl(v[2], 32);
}

TCPSM__FN uint64_t tcpsm__siphash(const uint8_t key[16], const uint8_t *p,
                                  uint32_t n)
{
    uint64_t k0 = tcpsm__le64(key), k1 = tcpsm__le64(key + 8), m, v[4];
    uint32_t i, j;
    v[0] = k0 ^ ((uint64_t)0x736f6d65u << 32 | 0x70736575u);
    v[1] = k1 ^ ((uint64_t)0x646f7261u << 32 | 0x6e646f6du);
    v[2] = k0 ^ ((uint64_t)0x6c796765u << 32 | 0x6e657261u);
    v[3] = k1 ^ ((uint64_t)0x74656462u << 32 | 0x79746573u);
    for (i = 0; i + 8 <= n; i += 8) {
        m = tcpsm__le64(p + i);
        v[3] ^= m;
        tcpsm__sip_round(v);
        tcpsm__sip_round(v);
        v[0] ^= m;
        TCPSM_STEP();
    }
    m = (uint64_t)(n & 0xFFu) << 56;
    for (j = 0; i + j < n; j++)
        m |= (uint64_t)p[i + j] << (8 * j);
    v[3] ^= m;
    tcpsm__sip_round(v);
    tcpsm__sip_round(v);
    v[0] ^= m;
    v[2] ^= 0xFFu;
    for (j = 0; j < 4; j++)
        tcpsm__sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

TCPSM__FN void tcpsm__sip_key(uint64_t v[4], const uint8_t key[16])
{
    uint64_t k0 = tcpsm__le64(key), k1 = tcpsm__le64(key + 8);
    v[0] = k0 ^ ((uint64_t)0x736f6d65u << 32 | 0x70736575u);
    v[1] = k1 ^ ((uint64_t)0x646f7261u << 32 | 0x6e646f6du);
    v[2] = k0 ^ ((uint64_t)0x6c796765u << 32 | 0x6e657261u);
    v[3] = k1 ^ ((uint64_t)0x74656462u << 32 | 0x79746573u);
}

TCPSM__FN uint64_t tcpsm__word64(const uint8_t *p)
{
    return (uint64_t)tcpsm__get32(p) << 32 | tcpsm__get32(p + 4);
}

TCPSM__FN void tcpsm__sip_word(uint64_t v[4], uint64_t m)
{
    v[3] ^= m;
    tcpsm__sip_round(v);
    v[0] ^= m;
}

/* ---- >>wire ---------------------------------------------------------
   The TCP header (RFC 9293 s3.1) and its options. One walker reads
   option bytes; nothing else does. */

enum {
    TCPSM__FIN = 1,
    TCPSM__SYN = 2,
    TCPSM__RST = 4,
    TCPSM__PSH = 8,
    TCPSM__ACK = 16,
    TCPSM__URG = 32,
    TCPSM__ECE = 64,
    TCPSM__CWR = 128,
    TCPSM__AE = 256
};
#define TCPSM__NO_SCALE 0xFFu
#define TCPSM__HAVE_OPTIONS (!TCPSM__TINY) /* SACK and timestamps */

struct tcpsm__seg {
    const uint8_t *text; /* payload */
    uint32_t len;        /* of the payload */
    uint32_t seq, ack;
    uint32_t tsval, tsecr;
    uint32_t sack[8]; /* left, right; as many as nsack says */
    uint16_t sport, dport;
    uint16_t wnd, up;
    uint16_t flags;      /* nine bits, AE the ninth */
    uint16_t mss;        /* 0: no such option */
    uint16_t segs;       /* segments in the train */
    uint8_t hdr;         /* header length */
    uint8_t scale;       /* TCPSM__NO_SCALE: no such option */
    uint8_t sack_ok, ts; /* present: 1 */
    uint8_t nsack;
    uint8_t acc_n;   /* fields of an AccECN option + 1; 0: none. What came:
                        not 0 if there was one */
    uint8_t has_ceb; /* came: ceb holds something */
    uint8_t fo_len;  /* Fast Open cookie + 2; 0: no such option */
    const uint8_t *fo, *acc; /* the cookie; the counters */
    uint32_t ceb;
};

/* SEG.LEN counts SYN and FIN (RFC 9293 s3.4) */
TCPSM__FN uint32_t tcpsm__seg_len(const struct tcpsm__seg *s)
{
    return s->len + ((s->flags & TCPSM__SYN) != 0) +
           ((s->flags & TCPSM__FIN) != 0);
}

/* The sequence number after the SYN, where text begins. */
TCPSM__FN uint32_t tcpsm__seg_text(const struct tcpsm__seg *s)
{
    return s->seq + ((s->flags & TCPSM__SYN) != 0);
}

TCPSM__FN void tcpsm__opt_sack(struct tcpsm__seg *s, const uint8_t *p,
                               uint32_t len)
{
    uint32_t i;
    if (len < 10 || (len - 2) % 8 != 0 || (len - 2) / 8 > 4)
        return;
    s->nsack = (uint8_t)((len - 2) / 8);
    for (i = 0; i < 2u * s->nsack; i++) {
        s->sack[i] = tcpsm__get32(p + 2 + 4 * i);
        TCPSM_STEP();
    }
}

/* A known option of the wrong length, or MSS, window scale and
   SACK-permitted without SYN, is an ignored option (law 6). */
TCPSM__FN void tcpsm__opt_take(struct tcpsm__seg *s, const uint8_t *p,
                               uint32_t len)
{
    int syn = (s->flags & TCPSM__SYN) != 0;
    switch (p[0]) {
    case 2: /* RFC9293-MUST-14 */
        if (len == 4 && syn)
            s->mss = tcpsm__get16(p + 2);
        break;
    case 3: /* RFC7323-1 */
        if (len == 3 && syn)
            s->scale = (uint8_t)tcpsm__min(p[2], 14); /* RFC7323-4 */
        break;
    case 4: /* RFC 2018 s2 */
        if (TCPSM__HAVE_OPTIONS && len == 2 && syn)
            s->sack_ok = 1;
        break;
    case 5: /* RFC 2018 s3 */
        if (TCPSM__HAVE_OPTIONS && !syn)
            tcpsm__opt_sack(s, p, len);
        break;
    case 8: /* RFC7323-7 */
        if (!TCPSM__HAVE_OPTIONS || len != 10)
            break;
        s->ts = 1;
        s->tsval = tcpsm__get32(p + 2);
        s->tsecr = tcpsm__get32(p + 6);
        break;
    case 34: /* RFC7413-2, errata 4238 and 4239 */
        if (!TCPSM__HAVE_OPTIONS || !syn || len > 18 || (len & 1) != 0 ||
            (len > 2 && len < 6))
            break;
        s->fo_len = (uint8_t)len;
        s->fo = p + 2;
        break;
    case 172: /* RFC 9768 s3.2.3: in either order CE is the second field */
    case 174:
        if (!TCPSM__HAVE_OPTIONS || syn)
            break;
        s->acc_n = 1;
        if (len < 8)
            break;
        s->has_ceb = 1;
        s->ceb = tcpsm__get24(p + 5);
        break;
    default: /* RFC9293-MUST-6 */
        break;
    }
}

/* One step of the walk over header p[20..n): takes the option at i and
   returns the index after it, n at the end of the list, or 0 when it
   cannot be stepped over (RFC9293-MUST-7). Total for every i < n. */
TCPSM__FN uint32_t tcpsm__opt_step(struct tcpsm__seg *s, const uint8_t *p,
                                   uint32_t n, uint32_t i)
{
    uint32_t len;
    if (p[i] == 0)
        return n; /* RFC9293-MUST-4, RFC9293-MUST-69 */
    if (p[i] == 1)
        return i + 1; /* RFC9293-MUST-64: any alignment */
    if (n - i < 2)
        return 0;
    len = p[i + 1]; /* RFC9293-MUST-68 */
    if (len < 2 || len > n - i)
        return 0;
    tcpsm__opt_take(s, p + i, len);
    return i + len;
}

/* Returns TCPSM_DROP_*. RFC9293-MUST-5: options in any segment. */
TCPSM__FN uint8_t tcpsm__parse(struct tcpsm__seg *s, const uint8_t *p,
                               uint32_t n)
{
    uint32_t i, hdr;
    memset(s, 0, sizeof *s);
    s->scale = TCPSM__NO_SCALE;
    if (n < 20)
        return TCPSM_DROP_SHORT;
    hdr = (uint32_t)(p[12] >> 4) * 4u;
    if (hdr < 20 || hdr > n)
        return TCPSM_DROP_OFFSET;
    s->sport = tcpsm__get16(p);
    s->dport = tcpsm__get16(p + 2);
    s->seq = tcpsm__get32(p + 4);
    s->ack = tcpsm__get32(p + 8);
    s->flags = (uint16_t)((p[12] & 1) << 8 | p[13]);
    s->wnd = tcpsm__get16(p + 14); /* RFC9293-MUST-1 */
    s->up = tcpsm__get16(p + 18);
    s->hdr = (uint8_t)hdr;
    s->text = p + hdr;
    s->len = n - hdr;
    s->segs = 1;
    for (i = 20; i < hdr;) {
        i = tcpsm__opt_step(s, p, hdr, i);
        if (i == 0)
            return TCPSM_DROP_OPTIONS;
        TCPSM_STEP();
    }
    return TCPSM_DROP_NONE;
}

/* RFC9293-MUST-3 */
TCPSM__FN int tcpsm__sum_good(const tcpsm_in *in)
{
    uint32_t s = tcpsm__sum_pseudo(in->src, in->dst, in->family, in->len);
    s = tcpsm__fold(s + tcpsm__sum((const uint8_t *)in->data, in->len));
    return s == 0xFFFFu;
}

/* The AccECN option in order 0, NOPs before it: what is added. */
TCPSM__FN uint32_t tcpsm__acc_len(uint32_t fields)
{
    return (2 + 3 * fields + 3) & ~3u;
}

/* Options in the order that most stacks use; NOPs keep 32-bit alignment.
   Returns the header length. RFC9293-MUST-65: MSS only with SYN;
   RFC9293-MUST-69: no EOL is ever needed, so nothing follows one. */
TCPSM__FN uint32_t tcpsm__build_options(uint8_t *p,
                                        const struct tcpsm__seg *s)
{
    uint32_t n = 20, i;
    if (s->mss != 0) {
        p[n] = 2;
        p[n + 1] = 4;
        tcpsm__put16(p + n + 2, s->mss);
        n += 4;
    }
    if (TCPSM__HAVE_OPTIONS && (s->sack_ok || s->ts)) {
        p[n] = s->sack_ok ? 4 : 1;
        p[n + 1] = s->sack_ok ? 2 : 1;
        n += 2;
        if (!s->ts) {
            p[n] = 1;
            p[n + 1] = 1;
            n += 2;
        }
    }
    if (TCPSM__HAVE_OPTIONS && s->ts) {
        p[n] = 8;
        p[n + 1] = 10;
        tcpsm__put32(p + n + 2, s->tsval);
        tcpsm__put32(p + n + 6, s->tsecr);
        n += 10;
    }
    if (s->scale != TCPSM__NO_SCALE) {
        p[n] = 1;
        p[n + 1] = 3;
        p[n + 2] = 3;
        p[n + 3] = s->scale;
        n += 4;
    }
    if (TCPSM__HAVE_OPTIONS && s->nsack != 0) {
        p[n] = 1;
        p[n + 1] = 1;
        p[n + 2] = 5;
        p[n + 3] = (uint8_t)(2u + 8u * s->nsack);
        n += 4;
        for (i = 0; i < 2u * s->nsack; i++, n += 4) {
            tcpsm__put32(p + n, s->sack[i]);
            TCPSM_STEP();
        }
    }
    if (TCPSM__HAVE_OPTIONS && s->fo_len != 0) { /* padded behind */
        p[n] = 34;
        p[n + 1] = s->fo_len;
        memcpy(p + n + 2, s->fo, s->fo_len - 2u);
        n += s->fo_len;
        for (; (n & 3u) != 0; n++)
            p[n] = 1;
    }
    if (TCPSM__HAVE_OPTIONS && s->acc_n != 0) {
        uint32_t len = 2u + 3u * (s->acc_n - 1u);
        for (i = len; (i & 3u) != 0; i++)
            p[n++] = 1;
        p[n] = 172;
        p[n + 1] = (uint8_t)len;
        memcpy(p + n + 2, s->acc, len - 2);
        n += len;
    }
    return n;
}

/* How long tcpsm__build will make the header. */
TCPSM__FN uint32_t tcpsm__build_len(const struct tcpsm__seg *s)
{
    uint32_t n = 20;
    if (s->mss != 0)
        n += 4;
    if (s->ts)
        n += 12;
    if (s->sack_ok && !s->ts)
        n += 4;
    if (s->scale != TCPSM__NO_SCALE)
        n += 4;
    if (s->nsack != 0)
        n += 4 + 8u * s->nsack;
    if (s->fo_len != 0)
        n += (s->fo_len + 3u) & ~3u;
    if (s->acc_n != 0)
        n += tcpsm__acc_len(s->acc_n - 1u);
    return n;
}

/* Writes the header, checksum zero; returns its length, 20..60. */
TCPSM__FN uint32_t tcpsm__build(uint8_t *p, const struct tcpsm__seg *s)
{
    uint32_t n = tcpsm__build_options(p, s);
    tcpsm__put16(p, s->sport);
    tcpsm__put16(p + 2, s->dport);
    tcpsm__put32(p + 4, s->seq);
    tcpsm__put32(p + 8, s->ack);
    p[12] = (uint8_t)((n / 4) << 4 | (s->flags >> 8 & 1));
    p[13] = (uint8_t)s->flags;
    tcpsm__put16(p + 14, s->wnd);
    tcpsm__put16(p + 16, 0);
    tcpsm__put16(p + 18, s->up);
    return n;
}

/* ---- >>ring ---------------------------------------------------------
   Bytes over caller memory of any size: offset plus conditional subtract.

        head           head+len
     ----|===============|--------|      len readable, cap - len free;
     0                            cap    the free part may hold ranges */

TCPSM__FN uint32_t tcpsm__ring_at(uint32_t cap, uint32_t head, uint32_t off)
{
    uint32_t at = head + off; /* head < cap, off <= cap <= 2^30 */
    return at >= cap ? at - cap : at;
}

/* Splits n bytes from off on into what lies before the wrap and the rest. */
TCPSM__FN uint32_t tcpsm__ring_first(uint32_t cap, uint32_t head,
                                     uint32_t off, uint32_t n)
{
    return tcpsm__min(n, cap - tcpsm__ring_at(cap, head, off));
}

TCPSM__FN void tcpsm__ring_write(uint8_t *ring, uint32_t cap, uint32_t head,
                                 uint32_t off, const uint8_t *p, uint32_t n)
{
    uint32_t k;
    if (n == 0)
        return;
    k = tcpsm__ring_first(cap, head, off, n);
    memcpy(ring + tcpsm__ring_at(cap, head, off), p, k);
    if (k < n)
        memcpy(ring, p + k, n - k);
}

TCPSM__FN void tcpsm__ring_read(uint8_t *p, const uint8_t *ring, uint32_t cap,
                                uint32_t head, uint32_t off, uint32_t n)
{
    uint32_t k;
    if (n == 0)
        return;
    k = tcpsm__ring_first(cap, head, off, n);
    memcpy(p, ring + tcpsm__ring_at(cap, head, off), k);
    if (k < n)
        memcpy(p + k, ring, n - k);
}

/* Reads n bytes and returns their checksum, in one pass. p NULL: only the
   sum. n <= 65 536. */
TCPSM__FN uint32_t tcpsm__ring_sum(uint8_t *p, const uint8_t *ring,
                                   uint32_t cap, uint32_t head, uint32_t off,
                                   uint32_t n)
{
    uint32_t k, s, t;
    if (n == 0)
        return 0;
    k = tcpsm__ring_first(cap, head, off, n);
    s = tcpsm__sum_copy(p, ring + tcpsm__ring_at(cap, head, off), k);
    if (k == n)
        return s;
    t = tcpsm__sum_copy(p != NULL ? p + k : NULL, ring, n - k);
    return tcpsm__fold(s + (k & 1 ? tcpsm__swap16(t) : t));
}

/* Writes n bytes and returns their checksum, in one pass. n <= 65 536. */
TCPSM__FN uint32_t tcpsm__ring_put(uint8_t *ring, uint32_t cap, uint32_t head,
                                   uint32_t off, const uint8_t *p, uint32_t n)
{
    uint32_t k, s, t;
    if (n == 0)
        return 0;
    k = tcpsm__ring_first(cap, head, off, n);
    s = tcpsm__sum_copy(ring + tcpsm__ring_at(cap, head, off), p, k);
    if (k == n)
        return s;
    t = tcpsm__sum_copy(ring, p + k, n - k);
    return tcpsm__fold(s + (k & 1 ? tcpsm__swap16(t) : t));
}

/* ---- >>ranges -------------------------------------------------------
   What lies out of order beyond RCV.NXT: sorted, disjoint and never
   touching, start < end; order[] names them from the most to the least
   recently changed (RFC 2018 s4).

     before    RCV.NXT   [100 200)         [400 500)
     insert [150 420)
     after     RCV.NXT   [100                   500)        */

struct tcpsm__ranges {
    uint32_t *start, *end;
    uint8_t *order;
    uint32_t base; /* RCV.NXT: distances are from here */
    uint8_t n, cap;
};

TCPSM__FN int tcpsm__ranges_valid(const struct tcpsm__ranges *r,
                                  uint32_t limit)
{
    uint32_t i, prev = 0, seen = 0, a, b;
    if (r->n > r->cap)
        return 0;
    for (i = 0; i < r->n; i++) {
        a = r->start[i] - r->base;
        b = r->end[i] - r->base;
        if (a <= prev || b <= a || b > limit)
            return 0;
        if (r->order[i] >= r->n)
            return 0;
        prev = b;
        TCPSM_STEP();
    }
    for (i = 0; i < r->n; i++) { /* a permutation: each index once */
        uint32_t j, k = 0;
        for (j = 0; j < r->n; j++)
            k += r->order[j] == i;
        seen += k == 1;
        TCPSM_STEP();
    }
    return seen == r->n;
}

/* Makes range i the most recent one. */
TCPSM__FN void tcpsm__ranges_touch(struct tcpsm__ranges *r, uint32_t i)
{
    uint32_t k;
    for (k = 0; k + 1 < r->n && r->order[k] != i; k++)
        TCPSM_STEP();
    memmove(r->order + 1, r->order, k);
    r->order[0] = (uint8_t)i;
}

/* Takes out k ranges from i on. */
TCPSM__FN void tcpsm__ranges_cut(struct tcpsm__ranges *r, uint32_t i,
                                 uint32_t k)
{
    uint32_t j, out = 0, rest = (uint32_t)r->n - i - k;
    for (j = 0; j < r->n; j++) {
        if (r->order[j] >= i && r->order[j] < i + k)
            continue;
        r->order[out++] =
            (uint8_t)(r->order[j] - (r->order[j] >= i + k ? k : 0));
        TCPSM_STEP();
    }
    memmove(r->start + i, r->start + i + k, rest * sizeof *r->start);
    memmove(r->end + i, r->end + i + k, rest * sizeof *r->end);
    r->n = (uint8_t)(r->n - k);
    memset(r->start + r->n, 0, k * sizeof *r->start); /* dead fields */
    memset(r->end + r->n, 0, k * sizeof *r->end);     /* are zero */
    memset(r->order + r->n, 0, k);
}

TCPSM__FN int tcpsm__ranges_insert_at(struct tcpsm__ranges *r, uint32_t i,
                                      uint32_t a, uint32_t b)
{
    uint32_t k, rest = (uint32_t)r->n - i;
    if (r->n == r->cap)
        return 0;
    memmove(r->start + i + 1, r->start + i, rest * sizeof *r->start);
    memmove(r->end + i + 1, r->end + i, rest * sizeof *r->end);
    r->start[i] = a;
    r->end[i] = b;
    for (k = 0; k < r->n; k++) {
        r->order[k] = (uint8_t)(r->order[k] + (r->order[k] >= i));
        TCPSM_STEP();
    }
    memmove(r->order + 1, r->order, r->n);
    r->order[0] = (uint8_t)i;
    r->n++;
    return 1;
}

/* The first range whose end is at or beyond a. */
TCPSM__FN uint32_t tcpsm__ranges_find(const struct tcpsm__ranges *r,
                                      uint32_t a)
{
    uint32_t i;
    for (i = 0; i < r->n && r->end[i] - r->base < a - r->base; i++)
        TCPSM_STEP();
    return i;
}

/* Adds [a, b), which lies beyond base. 0: the table is full and it touches
   nothing in it. */
TCPSM__FN int tcpsm__ranges_add(struct tcpsm__ranges *r, uint32_t a,
                                uint32_t b)
{
    uint32_t i = tcpsm__ranges_find(r, a), k;
    if (i == r->n || b - r->base < r->start[i] - r->base)
        return tcpsm__ranges_insert_at(r, i, a, b);
    if (a - r->base < r->start[i] - r->base)
        r->start[i] = a;
    if (b - r->base > r->end[i] - r->base)
        r->end[i] = b;
    for (k = 1;
         i + k < r->n && r->start[i + k] - r->base <= r->end[i] - r->base;
         k++) {
        if (r->end[i + k] - r->base > r->end[i] - r->base)
            r->end[i] = r->end[i + k];
        TCPSM_STEP();
    }
    if (k > 1)
        tcpsm__ranges_cut(r, i + 1, k - 1);
    tcpsm__ranges_touch(r, i);
    return 1;
}

/* The first part of [a, b) that is already there; its length, or 0. */
TCPSM__FN uint32_t tcpsm__ranges_overlap(const struct tcpsm__ranges *r,
                                         uint32_t a, uint32_t b, uint32_t *at)
{
    uint32_t i = tcpsm__ranges_find(r, a + 1), lo, hi;
    if (i == r->n)
        return 0;
    lo = tcpsm__max(a - r->base, r->start[i] - r->base);
    hi = tcpsm__min(b - r->base, r->end[i] - r->base);
    if (lo >= hi)
        return 0;
    *at = r->base + lo;
    return hi - lo;
}

/* ---- >>runs ---------------------------------------------------------
   What is in flight, oldest first: the scoreboard of RFC 2018, 6675 and
   8985. Run i covers [end[i-1], end[i]), the first from SND.UNA, the last
   to SND.NXT. Segments that were sent within min_RTT/8 of each other share
   a run: `first` is the time of the first of them (RTT samples use it),
   `last` of the last (loss deadlines use it), so the error only ever
   delays. meta: six flags and last - first in ten bits, rounded up.

     SND.UNA                              SND.NXT
     |  run 0  | run 1  |  run 2  | run 3  |
     | t 10-11 | SACKED | LOST    | t 18   |   sent at 10 ms to 11 ms; ...

   oof, "out of flight", counts the bytes that are SACKed or lost. */

enum {
    TCPSM__R_SACKED = 1,
    TCPSM__R_LOST = 2,   /* to be sent again, not in flight */
    TCPSM__R_RETX = 4,   /* was sent more than once (Karn) */
    TCPSM__R_PROBE = 8,  /* never merges */
    TCPSM__R_MULTI = 16, /* merged for want of room: its times say little */
    TCPSM__R_TLP = 32,   /* a tail loss probe: never merges either */
    TCPSM__R_FLAGS = 63
};
#define TCPSM__R_OUT (TCPSM__R_SACKED | TCPSM__R_LOST)

struct tcpsm__runs {
    uint32_t *end, *first;
    uint16_t *meta;
    uint32_t base; /* SND.UNA */
    uint32_t oof;
    uint16_t n, cap;
};

/* What an ACK newly delivered: filled in by runs_sack and runs_ack. */
struct tcpsm__delivery {
    uint32_t now, min_rtt;
    uint32_t echo;      /* when what TSecr echoes was sent, in us / 2^10 */
    uint32_t again;     /* when first something was sent again; 0: not so */
    uint32_t fack;      /* highest octet delivered before this ACK */
    uint32_t bytes;     /* delivered now, and not before */
    uint32_t sacked;    /* of those, by SACK */
    uint32_t xmit, end; /* the latest sent of them: RACK's segment */
    uint32_t rtt;       /* its round-trip time */
    uint32_t sample;    /* RTT of the newest segment that Karn allows */
    uint32_t least;     /* the least of those SACKed now; 0: none */
    uint8_t has_echo, found, has_sample, exact;
    uint8_t rough;     /* rtt is that at least */
    uint8_t dsack;     /* the echo is of something that came twice */
    uint8_t reordered; /* never sent again, and below fack */
    uint8_t fresh;     /* something never sent again */
    uint8_t again_too; /* something that was */
    uint8_t original;  /* sent again, but the original arrived (Eifel) */
    uint32_t probe;    /* a path MTU probe of so many bytes arrived */
};

/* 5-bit exponent, 5-bit mantissa; rounds up */
TCPSM__FN uint16_t tcpsm__delta_enc(uint32_t d)
{
    uint32_t e = 0, up;
    while (d > 31u) {
        up = d & 1;
        d = (d >> 1) + up;
        e++;
        TCPSM_STEP();
    }
    return (uint16_t)((e << 5 | d) << 6);
}

TCPSM__FN uint32_t tcpsm__delta_dec(uint16_t meta)
{
    uint32_t e = (uint32_t)meta >> 11, m = (uint32_t)meta >> 6 & 31u;
    return m << e;
}

TCPSM__FN uint32_t tcpsm__run_start(const struct tcpsm__runs *r, uint32_t i)
{
    return i == 0 ? r->base : r->end[i - 1];
}

TCPSM__FN uint32_t tcpsm__run_len(const struct tcpsm__runs *r, uint32_t i)
{
    return r->end[i] - tcpsm__run_start(r, i);
}

TCPSM__FN uint32_t tcpsm__run_last(const struct tcpsm__runs *r, uint32_t i)
{
    return r->first[i] + tcpsm__delta_dec(r->meta[i]);
}

/* Bytes with any of these flags. */
TCPSM__FN uint32_t tcpsm__runs_bytes(const struct tcpsm__runs *r,
                                     uint16_t flags)
{
    uint32_t i, n = 0;
    for (i = 0; i < r->n; i++) {
        if (r->meta[i] & flags)
            n += tcpsm__run_len(r, i);
        TCPSM_STEP();
    }
    return n;
}

TCPSM__FN int tcpsm__runs_valid(const struct tcpsm__runs *r, uint32_t nxt)
{
    uint32_t i, prev = 0, d;
    if (r->n > r->cap)
        return 0;
    if ((r->n == 0) != (nxt == r->base))
        return 0;
    for (i = 0; i < r->n; i++) {
        d = r->end[i] - r->base;
        if (d <= prev || (r->meta[i] >> 11) > 27 ||
            (r->meta[i] & TCPSM__R_OUT) == TCPSM__R_OUT)
            return 0;
        prev = d;
        TCPSM_STEP();
    }
    return prev == nxt - r->base &&
           r->oof == tcpsm__runs_bytes(r, TCPSM__R_OUT);
}

TCPSM__FN void tcpsm__runs_delete(struct tcpsm__runs *r, uint32_t i,
                                  uint32_t k)
{
    uint32_t rest = (uint32_t)r->n - i - k, j;
    memmove(r->end + i, r->end + i + k, rest * sizeof *r->end);
    memmove(r->first + i, r->first + i + k, rest * sizeof *r->first);
    memmove(r->meta + i, r->meta + i + k, rest * sizeof *r->meta);
    for (j = r->n - k; j < r->n; j++) {
        r->end[j] = r->first[j] = 0;
        r->meta[j] = 0;
        TCPSM_STEP();
    }
    r->n = (uint16_t)(r->n - k);
}

/* How badly runs i and i+1 go together: the lower the better. From
   0x80000000 on, SACK information would be lost. */
TCPSM__FN uint32_t tcpsm__runs_misfit(const struct tcpsm__runs *r, uint32_t i)
{
    uint32_t m = r->meta[i], n = r->meta[i + 1], x = m ^ n, a, b, d;
    if (x & TCPSM__R_SACKED) /* the one that costs least */
        return 0x80000000u |
               tcpsm__min(tcpsm__run_len(r, i), tcpsm__run_len(r, i + 1));
    if (m & n & TCPSM__R_OUT) /* their times mean nothing any more */
        return x & TCPSM__R_RETX;
    a = tcpsm__run_last(r, i);
    b = tcpsm__run_last(r, i + 1);
    d = (tcpsm__seq_lt(a, b) ? b - a : a - b) >> 3;
    if (x & TCPSM__R_LOST)
        d |= 0x20000000u;
    if ((m | n) & (TCPSM__R_PROBE | TCPSM__R_TLP))
        d |= 0x40000000u;
    return d;
}

/* Makes runs i and i+1 one, from the earlier first to the later last time:
   losses are called late rather than early. What is lost stays lost,
   what is SACKed only if both are; then it passes for sent twice, so that
   nothing is learned from its time. */
TCPSM__FN void tcpsm__runs_merge(struct tcpsm__runs *r, uint32_t i)
{
    uint16_t a = r->meta[i], b = r->meta[i + 1], flags;
    uint32_t at = r->first[i], bt = r->first[i + 1];
    uint32_t al = tcpsm__run_last(r, i), bl = tcpsm__run_last(r, i + 1);
    uint32_t la = tcpsm__run_len(r, i), lb = tcpsm__run_len(r, i + 1);
    flags = (uint16_t)((a | b) & (TCPSM__R_RETX | TCPSM__R_LOST));
    if (a & b & TCPSM__R_SACKED)
        flags = (uint16_t)(flags | TCPSM__R_SACKED);
    else if ((a | b) & TCPSM__R_SACKED)
        flags = (uint16_t)(flags | TCPSM__R_RETX);
    r->oof -= (a & TCPSM__R_OUT ? la : 0) + (b & TCPSM__R_OUT ? lb : 0);
    r->oof += flags & TCPSM__R_OUT ? la + lb : 0;
    if (a & TCPSM__R_SACKED) { /* no times */
        at = bt;
        al = bl;
    } else if (b & TCPSM__R_SACKED) {
        bt = at;
        bl = al;
    }
    at = tcpsm__seq_min(at, bt);
    al = tcpsm__seq_max(al, bl);
    r->first[i] = at;
    r->meta[i] = (uint16_t)(flags | TCPSM__R_MULTI);
    if (!(flags & TCPSM__R_SACKED))
        r->meta[i] = (uint16_t)(r->meta[i] | tcpsm__delta_enc(al - at));
    r->end[i] = r->end[i + 1];
    tcpsm__runs_delete(r, i + 1, 1);
}

/* Are runs i and i+1 in the same state, so that one entry can speak for
   both? What a block of SACK reports may not cost what is known of another
   run: least of all when something was sent again, or it would pass for
   lost at once. */
TCPSM__FN int tcpsm__runs_alike(const struct tcpsm__runs *r, uint32_t i)
{
    const uint32_t state =
        TCPSM__R_OUT | TCPSM__R_RETX | TCPSM__R_PROBE | TCPSM__R_TLP;
    uint32_t x = (uint32_t)r->meta[i] ^ r->meta[i + 1];
    if (r->meta[i] & r->meta[i + 1] & TCPSM__R_OUT)
        return 1;
    return (x & state) == 0 &&
           !(r->meta[i] & (TCPSM__R_PROBE | TCPSM__R_TLP));
}

/* Can an RTT sample be taken of run i? */
TCPSM__FN int tcpsm__run_timed(const struct tcpsm__runs *r, uint32_t i)
{
    return !(r->meta[i] & (TCPSM__R_RETX | TCPSM__R_OUT | TCPSM__R_PROBE |
                           TCPSM__R_MULTI));
}

/* Bytes of such runs. */
TCPSM__FN uint32_t tcpsm__runs_timed(const struct tcpsm__runs *r)
{
    uint32_t i, n = 0;
    for (i = 0; i < r->n; i++) {
        if (tcpsm__run_timed(r, i))
            n += tcpsm__run_len(r, i);
        TCPSM_STEP();
    }
    return n;
}

/* Frees one entry: the two neighbours that go best together become one.
   Data is never lost; SACK information only if `lossy` allows it. 0: no
   entry was freed. n >= 2. */
TCPSM__FN int tcpsm__runs_squeeze(struct tcpsm__runs *r, int lossy)
{
    uint32_t i, best = 0, cost = 0xFFFFFFFFu, d, timed;
    for (timed = 0; timed < r->n && !tcpsm__run_timed(r, timed); timed++)
        TCPSM_STEP();
    for (i = 0; i + 1u < r->n && cost != 0; i++) {
        TCPSM_STEP();
        if (!lossy && !tcpsm__runs_alike(r, i))
            continue;
        d = tcpsm__runs_misfit(r, i);
        if (r->n > 3 && (i == timed || i + 1 == timed))
            d |= 0x10000000u; /* RFC6298-8: one stays timed */
        if (d < cost) {
            cost = d;
            best = i;
        }
    }
    if (cost == 0xFFFFFFFFu)
        return 0;
    tcpsm__runs_merge(r, best);
    return 1;
}

/* May something sent now with these flags join run i? */
TCPSM__FN int tcpsm__run_joins(const struct tcpsm__runs *r, uint32_t i,
                               uint16_t flags, uint32_t now, uint32_t min_rtt)
{
    uint32_t mask = TCPSM__R_FLAGS & ~(uint32_t)TCPSM__R_MULTI;
    if ((r->meta[i] & mask) != flags || (r->meta[i] & TCPSM__R_MULTI))
        return 0;
    if (flags & (TCPSM__R_PROBE | TCPSM__R_TLP | TCPSM__R_OUT))
        return 0;
    return now - r->first[i] <= min_rtt >> 3;
}

TCPSM__FN void tcpsm__run_join(struct tcpsm__runs *r, uint32_t i,
                               uint32_t end, uint32_t now)
{
    uint32_t f = r->meta[i] & TCPSM__R_FLAGS;
    r->end[i] = end;
    r->meta[i] = (uint16_t)(f | tcpsm__delta_enc(now - r->first[i]));
}

/* New data [SND.NXT, end) was sent now. */
TCPSM__FN void tcpsm__runs_push(struct tcpsm__runs *r, uint32_t end,
                                uint16_t flags, uint32_t now,
                                uint32_t min_rtt)
{
    uint32_t at = r->n > 0 ? r->end[r->n - 1] : r->base;
    if (r->n > 0 && tcpsm__run_joins(r, r->n - 1u, flags, now, min_rtt)) {
        tcpsm__run_join(r, r->n - 1u, end, now);
        return;
    }
    if (r->n == r->cap)
        (void)tcpsm__runs_squeeze(r, 1);
    r->end[r->n] = end;
    r->first[r->n] = now;
    r->meta[r->n] = flags;
    r->n++;
    if (flags & TCPSM__R_OUT)
        r->oof += end - at;
}

/* The run that holds seq, which lies in [base, last end). */
TCPSM__FN uint32_t tcpsm__runs_find(const struct tcpsm__runs *r, uint32_t seq)
{
    uint32_t lo = 0, hi = r->n > 0 ? r->n - 1u : 0, mid;
    while (lo < hi) {
        mid = (lo + hi) / 2;
        if (r->end[mid] - r->base <= seq - r->base)
            lo = mid + 1;
        else
            hi = mid;
        TCPSM_STEP();
    }
    return lo;
}

/* Is seq, in [base, last end], where a run begins or the last ends? */
TCPSM__FN int tcpsm__runs_edge(const struct tcpsm__runs *r, uint32_t seq)
{
    return seq == r->end[r->n - 1] ||
           tcpsm__run_start(r, tcpsm__runs_find(r, seq)) == seq;
}

/* Makes seq a boundary between runs, if there is room; returns the index
   of the run that then starts at or before it. */
TCPSM__FN uint32_t tcpsm__runs_split(struct tcpsm__runs *r, uint32_t seq)
{
    uint32_t i = tcpsm__runs_find(r, seq), rest;
    if (tcpsm__run_start(r, i) == seq || r->n == r->cap)
        return i;
    rest = (uint32_t)r->n - i;
    memmove(r->end + i + 1, r->end + i, rest * sizeof *r->end);
    memmove(r->first + i + 1, r->first + i, rest * sizeof *r->first);
    memmove(r->meta + i + 1, r->meta + i, rest * sizeof *r->meta);
    r->end[i] = seq;
    r->n++;
    return i + 1;
}

/* The same, making room first; SACK information may be lost for it. */
TCPSM__FN uint32_t tcpsm__runs_cut(struct tcpsm__runs *r, uint32_t seq)
{
    if (r->n == r->cap && r->n > 1 && !tcpsm__runs_edge(r, seq))
        (void)tcpsm__runs_squeeze(r, 1);
    return tcpsm__runs_split(r, seq);
}

/* All of it has to be sent again. */
TCPSM__FN void tcpsm__runs_lose_all(struct tcpsm__runs *r)
{
    if (r->n == 0)
        return;
    r->first[0] = tcpsm__run_last(r, r->n - 1u);
    r->end[0] = r->end[r->n - 1];
    r->meta[0] = TCPSM__R_LOST | TCPSM__R_MULTI | TCPSM__R_RETX;
    tcpsm__runs_delete(r, 1, (uint32_t)r->n - 1);
    r->oof = r->end[0] - r->base;
}

TCPSM__FN void tcpsm__run_lose(struct tcpsm__runs *r, uint32_t i)
{
    if (!(r->meta[i] & TCPSM__R_OUT))
        r->oof += tcpsm__run_len(r, i);
    r->meta[i] &=
        (uint16_t) ~(TCPSM__R_SACKED | TCPSM__R_PROBE | TCPSM__R_TLP);
    r->meta[i] |= TCPSM__R_LOST;
}

/* Marks [base, end) lost: the first segment, for fast retransmit. */
TCPSM__FN void tcpsm__runs_lose_first(struct tcpsm__runs *r, uint32_t end)
{
    uint32_t i, k;
    if (r->n == 0)
        return;
    if (end - r->base < r->end[r->n - 1] - r->base)
        k = tcpsm__runs_cut(r, end); /* >= 1: it makes room */
    else
        k = r->n;
    for (i = 0; i < k; i++) {
        tcpsm__run_lose(r, i);
        TCPSM_STEP();
    }
}

/* Takes marks back from all runs: LOST, when nothing was. */
TCPSM__FN void tcpsm__runs_clear(struct tcpsm__runs *r, uint16_t flags)
{
    uint32_t i;
    for (i = 0; i < r->n; i++) {
        r->meta[i] = (uint16_t)(r->meta[i] & ~(uint32_t)flags);
        TCPSM_STEP();
    }
    r->oof = tcpsm__runs_bytes(r, TCPSM__R_OUT);
}

/* The first lost run, or n. */
TCPSM__FN uint32_t tcpsm__runs_lost(const struct tcpsm__runs *r)
{
    uint32_t i;
    if (r->oof == 0)
        return r->n;
    for (i = 0; i < r->n && !(r->meta[i] & TCPSM__R_LOST); i++)
        TCPSM_STEP();
    return i;
}

/* The end of the highest SACKed run; base if there is none. */
TCPSM__FN uint32_t tcpsm__runs_fack(const struct tcpsm__runs *r)
{
    uint32_t i = r->n;
    if (r->oof == 0)
        return r->base;
    for (; i > 0 && !(r->meta[i - 1] & TCPSM__R_SACKED); i--)
        TCPSM_STEP();
    return i == 0 ? r->base : r->end[i - 1];
}

/* Bytes in flight: sent, and neither SACKed nor lost. */
TCPSM__FN uint32_t tcpsm__runs_flight(const struct tcpsm__runs *r)
{
    return r->n == 0 ? 0 : r->end[r->n - 1] - r->base - r->oof;
}

/* The start of lost run i, up to end (in that run), was sent again now. */
TCPSM__FN void tcpsm__runs_resent(struct tcpsm__runs *r, uint32_t i,
                                  uint32_t end, uint32_t now,
                                  uint32_t min_rtt)
{
    uint32_t start = tcpsm__run_start(r, i);
    if (end != r->end[i] && r->n == r->cap && i > 0 &&
        (r->meta[i - 1] & TCPSM__R_FLAGS & ~(uint32_t)TCPSM__R_MULTI) ==
            TCPSM__R_RETX) {
        r->end[i - 1] = end; /* no room: it joins, and the later time wins */
        r->first[i - 1] = now;
        r->meta[i - 1] = TCPSM__R_RETX | TCPSM__R_MULTI;
        r->oof -= end - start;
        return;
    }
    if (end != r->end[i]) {
        (void)tcpsm__runs_cut(r, end);
        i = tcpsm__runs_find(r, start);
    }
    if (i > 0 && tcpsm__run_joins(r, i - 1, TCPSM__R_RETX, now, min_rtt)) {
        r->oof -= tcpsm__run_len(r, i);
        tcpsm__run_join(r, i - 1, r->end[i], now);
        tcpsm__runs_delete(r, i, 1);
        return;
    }
    if (r->meta[i] & TCPSM__R_OUT)
        r->oof -= tcpsm__run_len(r, i);
    r->first[i] = now;
    r->meta[i] = TCPSM__R_RETX;
}

/* The last segment, from seq on, was sent again as a probe. */
TCPSM__FN void tcpsm__runs_again(struct tcpsm__runs *r, uint32_t seq,
                                 uint32_t now, uint16_t flags)
{
    uint32_t i = tcpsm__runs_find(r, seq);
    if (r->meta[i] & TCPSM__R_OUT)
        r->oof -= tcpsm__run_len(r, i);
    r->first[i] = now;
    r->meta[i] = (uint16_t)(TCPSM__R_RETX | flags);
}

/* Was what d's TSecr echoes sent before t? 22 bits of 1.024 ms. */
TCPSM__FN int tcpsm__echo_before(const struct tcpsm__delivery *d, uint32_t t)
{
    return d->has_echo && ((d->echo - (t >> 10)) & 0x200000u) != 0;
}

/* len octets of run i, up to end, have arrived (RFC8985-5, -6). */
TCPSM__FN void tcpsm__run_delivered(const struct tcpsm__runs *r, uint32_t i,
                                    uint32_t len, uint32_t end,
                                    struct tcpsm__delivery *d)
{
    uint16_t m = r->meta[i];
    uint32_t last = tcpsm__seq_min(tcpsm__run_last(r, i), d->now);
    if (m & TCPSM__R_SACKED)
        return;
    d->bytes += len;
    if ((m & (TCPSM__R_PROBE | TCPSM__R_RETX | TCPSM__R_LOST)) ==
        TCPSM__R_PROBE)
        d->probe = len;
    if (m & TCPSM__R_RETX)
        d->again_too = 1;
    if (!(m & TCPSM__R_RETX)) {
        d->fresh = 1;
        if (tcpsm__seq_lt(end, d->fack))
            d->reordered = 1;
    } else if (m & TCPSM__R_LOST) {
        return; /* sent again, and that was given up: which one was it? */
    } else if (tcpsm__echo_before(d, r->first[i])) {
        if (d->again != 0 && tcpsm__echo_before(d, d->again))
            d->original = 1; /* RFC 3522: than the first time */
        return;
    } else if (d->now - last < d->min_rtt) {
        return;
    }
    if ((m & TCPSM__R_MULTI) && (m & TCPSM__R_RETX))
        last = r->first[i]; /* nobody knows better; what was sent once was
                               sent in the order of its octets */
    if (d->found && (tcpsm__seq_lt(last, d->xmit) ||
                     (last == d->xmit && tcpsm__seq_lt(end, d->end))))
        return;
    d->found = 1;
    d->xmit = last;
    d->end = end;
    d->rough = (m & TCPSM__R_MULTI) != 0;
    d->rtt = tcpsm__max(d->now - (d->rough ? last : r->first[i]), 1);
}

/* The lesser, where 0 is none. */
TCPSM__FN uint32_t tcpsm__least(uint32_t a, uint32_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* A block [a, b) of a SACK option, base < a < b <= last end. A block that
   finds no room is not remembered: SACK is advisory. */
TCPSM__FN void tcpsm__runs_sack(struct tcpsm__runs *r, uint32_t a, uint32_t b,
                                struct tcpsm__delivery *d)
{
    uint32_t i = tcpsm__runs_find(r, a), len;
    if ((r->meta[i] & TCPSM__R_SACKED) && r->end[i] - r->base >= b - r->base)
        return; /* old news */
    while ((uint32_t)r->n + !tcpsm__runs_edge(r, a) +
               !tcpsm__runs_edge(r, b) >
           r->cap) {
        if (!tcpsm__runs_squeeze(r, 0))
            break;
        TCPSM_STEP();
    }
    (void)tcpsm__runs_split(r, a);
    if (b != r->end[r->n - 1])
        (void)tcpsm__runs_split(r, b);
    i = tcpsm__runs_find(r, a);
    if (tcpsm__run_start(r, i) != a)
        i++;
    for (; i < r->n && r->end[i] - r->base <= b - r->base; i++) {
        TCPSM_STEP();
        if (r->meta[i] & TCPSM__R_SACKED)
            continue;
        len = tcpsm__run_len(r, i);
        tcpsm__run_delivered(r, i, len, r->end[i], d);
        if (!(r->meta[i] & (TCPSM__R_RETX | TCPSM__R_MULTI)))
            d->least = tcpsm__least(d->least, d->now - r->first[i]);
        d->sacked += len;
        if (!(r->meta[i] & TCPSM__R_LOST))
            r->oof += len;
        r->meta[i] =
            (uint16_t)((r->meta[i] & TCPSM__R_RETX) | TCPSM__R_SACKED);
        r->first[i] = d->now; /* later than its sending: errors delay */
    }
    /* neighbours that are both SACKed need one entry */
    i = tcpsm__runs_find(r, a);
    i = i > 0 ? i - 1 : 0;
    while (i + 1u < r->n && tcpsm__run_start(r, i) - r->base <= b - r->base) {
        if (r->meta[i] & r->meta[i + 1] & TCPSM__R_SACKED)
            tcpsm__runs_merge(r, i);
        else
            i++;
        TCPSM_STEP();
    }
}

/* Everything below una is acknowledged. The newest octet of it gives the
   RTT sample, unless Karn forbids (RFC6298-7). */
TCPSM__FN void tcpsm__runs_ack(struct tcpsm__runs *r, uint32_t una,
                               struct tcpsm__delivery *d)
{
    uint32_t i, dist = una - r->base, start, end, len;
    for (i = 0; i < r->n; i++) {
        start = tcpsm__run_start(r, i);
        if (start - r->base >= dist)
            break;
        end = r->end[i] - r->base < dist ? r->end[i] : una;
        len = end - start;
        tcpsm__run_delivered(r, i, len, end, d);
        if (r->meta[i] & TCPSM__R_OUT)
            r->oof -= len;
        d->has_sample = 0;
        if (tcpsm__run_timed(r, i)) {
            d->has_sample = 1;
            d->sample = d->now - r->first[i];
            d->exact = tcpsm__delta_dec(r->meta[i]) == 0;
        }
        TCPSM_STEP();
        if (end != r->end[i])
            break; /* the rest of this run stays */
    }
    tcpsm__runs_delete(r, 0, i);
    r->base = una;
}

/* ---- >>rtt ----------------------------------------------------------
   RFC 6298 (RFC9293-MUST-18). Times in us. */

struct tcpsm__rtt {
    uint32_t srtt, rttvar;
};

/* RFC6298-2, -3, -4; shift is log2 of the samples per round trip beyond
   one (RFC 7323 appendix G). */
TCPSM__FN void tcpsm__rtt_sample(struct tcpsm__rtt *t, uint32_t r,
                                 uint32_t shift)
{
    uint32_t d;
    r = tcpsm__min(tcpsm__max(r, 1), 0x0FFFFFFFu);
    if (t->srtt == 0) {
        t->srtt = r;
        t->rttvar = r / 2;
        return;
    }
    d = t->srtt > r ? t->srtt - r : r - t->srtt;
    if (d > t->rttvar) /* RTTVAR first, with the old SRTT */
        t->rttvar += (d - t->rttvar) >> (2 + shift);
    else
        t->rttvar -= (t->rttvar - d) >> (2 + shift);
    if (r > t->srtt)
        t->srtt += (r - t->srtt) >> (3 + shift);
    else
        t->srtt -= (t->srtt - r) >> (3 + shift);
}

/* RFC6298-1, -5, -6, -9 and, after a lost SYN, -14. Note: where the variance
   has vanished, a round trip's worth, up to lo, stays as a margin for the
   peer's delayed ACK and for probes. */
TCPSM__FN uint32_t tcpsm__rtt_rto(const struct tcpsm__rtt *t, uint32_t g,
                                  uint32_t lo, uint32_t hi, int syn_lost)
{
    uint32_t rto = syn_lost ? 3000000u : 1000000u;
    if (t->srtt != 0)
        rto = t->srtt + tcpsm__max(tcpsm__max(g, 4 * t->rttvar),
                                   tcpsm__min(lo, t->srtt));
    return tcpsm__min(tcpsm__max(rto, lo), hi);
}

/* RFC6298-13: doubled n times, at most hi. */
TCPSM__FN uint32_t tcpsm__rtt_backoff(uint32_t rto, uint32_t n, uint32_t hi)
{
    while (n-- > 0 && rto < hi) {
        rto = rto > hi / 2 ? hi : rto * 2;
        TCPSM_STEP();
    }
    return rto;
}

/* ---- >>cc -----------------------------------------------------------
   NewReno (RFC 5681, 6582; RFC9293-MUST-19) and CUBIC (RFC 9438), both
   with HyStart++ (RFC 9406) in their first slow start. Integers only, and
   no division wider than 32 bits. What happens inside fast recovery is in
   >>recovery. */

#define TCPSM__MAX_CWND 0x3FFFFFFFu

/* a * b / c, rounded up; at most 2^32 - 1. c > 0. */
TCPSM__FN uint32_t tcpsm__muldiv(uint32_t a, uint32_t b, uint32_t c)
{
    uint64_t p = (uint64_t)a * b;
    uint32_t hi = (uint32_t)(p >> 32), lo = (uint32_t)p, q = 0, top, i;
    if (hi == 0)
        return lo / c + (lo % c != 0);
    if (hi >= c)
        return 0xFFFFFFFFu;
    for (i = 0; i < 32; i++) { /* hi is the remainder */
        top = hi & 0x80000000u;
        hi = hi << 1 | lo >> 31;
        lo <<= 1;
        q <<= 1;
        if (top != 0 || hi >= c) {
            hi -= c;
            q |= 1;
        }
    }
    return q + (hi != 0 && q != 0xFFFFFFFFu);
}

/* At most so many SMSS for one ACK: RFC 9406 s4.2 in the initial slow start,
   RFC 3465 s2.3 in others; one after a timeout (RFC 3465 s2.3, too). */
#define TCPSM__CC_L_FIRST 8u
#define TCPSM__CC_L 2u

#if !TCPSM__TINY
/* HyStart++: w[0] the last round's least RTT, w[1] this round's, w[2] the
   baseline that conservative slow start began with (0: not in it), w[3]
   RTT samples of this round | rounds in CSS << 8. */
#define TCPSM__HY_SAMPLES 8u
#define TCPSM__HY_ROUNDS 5u
#define TCPSM__CU_CALM 0x40000000u /* ssthresh is HyStart's: no loss yet */

TCPSM__FN void tcpsm__hystart_round(tcpsm_cc_state *s)
{
    uint32_t rounds = s->w[3] >> 8;
    s->w[0] = s->w[1];
    s->w[1] = 0;
    if (s->w[2] != 0 && rounds < 255)
        rounds++;
    s->w[3] = rounds << 8;
}

/* RFC 9406 s4.2. Returns by what the growth is divided. */
TCPSM__FN uint32_t tcpsm__hystart(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    uint32_t rise;
    if (e->round_start)
        tcpsm__hystart_round(s);
    if (e->rtt_us != 0) {
        if (s->w[1] == 0 || e->rtt_us < s->w[1])
            s->w[1] = e->rtt_us;
        if ((s->w[3] & 255u) < 255u)
            s->w[3]++;
    }
    if ((s->w[3] & 255u) >= TCPSM__HY_SAMPLES && s->w[0] != 0) {
        rise = tcpsm__min(tcpsm__max(s->w[0] / 8, 4000u), 16000u);
        if (s->w[2] == 0 && s->w[1] >= s->w[0] + rise) {
            s->w[2] = s->w[1]; /* into CSS */
            s->w[3] &= 255u;
        } else if (s->w[2] != 0 && s->w[1] < s->w[2]) {
            s->w[2] = 0; /* it was a jitter: out of it again */
        }
    }
    if (s->w[2] != 0 && s->w[3] >> 8 >= TCPSM__HY_ROUNDS) {
        memset(s->w, 0, sizeof s->w);
        s->w[3] = TCPSM__CU_CALM;
        s->ssthresh = s->cwnd; /* congestion avoidance from here on */
    }
    return s->w[2] != 0 ? 4 : 1;
}
#endif

/* RFC9406-1 and RFC 3465 (byte counting; RFC5681-6 has L = 1), RFC9438-12 */
TCPSM__FN void tcpsm__slow_start(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    uint32_t by = 1, most = TCPSM__CC_L * e->mss;
#if !TCPSM__TINY
    if (s->ssthresh == TCPSM__MAX_CWND) {
        by = tcpsm__hystart(s, e);
        most = e->paced ? e->acked : TCPSM__CC_L_FIRST * e->mss;
    }
#endif
    s->cwnd = tcpsm__min(s->cwnd + tcpsm__min(e->acked, most) / by,
                         tcpsm__max(s->ssthresh, s->cwnd));
}

/* RFC 6928: about ten segments; RFC 5681 s3.1's bounds for a large MSS
   are inside it. */
TCPSM__FN void tcpsm__newreno_init(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    s->cwnd = e->initial_window;
    s->ssthresh = TCPSM__MAX_CWND; /* RFC5681-5 */
    memset(s->w, 0, sizeof s->w);
}

TCPSM__FN void tcpsm__newreno_acked(tcpsm_cc_state *s,
                                    const tcpsm_cc_event *e)
{
    if (e->app_limited)
        return;
    if (s->cwnd < s->ssthresh) {
        tcpsm__slow_start(s, e);
        return;
    }
    /* RFC5681-7: one SMSS a window, counted in bytes */
    s->w[0] += e->acked;
    if (s->w[0] >= s->cwnd) {
        s->w[0] -= s->cwnd;
        s->w[0] = tcpsm__min(s->w[0], s->cwnd);
        s->cwnd += e->mss;
    }
}

TCPSM__FN void tcpsm__newreno_loss(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    s->ssthresh = tcpsm__max(e->flight / 2, 2 * e->mss); /* RFC5681-12 */
    s->cwnd = s->ssthresh;
    memset(s->w, 0, sizeof s->w);
}

TCPSM__FN void tcpsm__newreno_timeout(tcpsm_cc_state *s,
                                      const tcpsm_cc_event *e)
{
    if (!e->again) /* RFC5681-8: held on repeats */
        s->ssthresh = tcpsm__max(e->flight / 2, 2 * e->mss);
    s->cwnd = e->mss; /* RFC5681-9 */
    memset(s->w, 0, sizeof s->w);
}

TCPSM__FN void tcpsm__newreno_idle(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    s->cwnd = tcpsm__min(s->cwnd, e->initial_window); /* RFC5681-14 */
}

/* RFC 8511: a mark is a milder sign than a loss; RFC9438-6, -8 */
TCPSM__FN void tcpsm__ecn_cut(tcpsm_cc_state *s, const tcpsm_cc_event *e,
                              uint32_t of_20)
{
    uint32_t w = tcpsm__muldiv(e->flight, of_20, 20);
    s->ssthresh = tcpsm__max(w, 2 * e->mss);
    s->cwnd = tcpsm__max(w, e->mss);
}

#if !TCPSM__TINY
/* CUBIC: w[0] W_max; w[1] the time of the plateau, epoch_start + K, in ticks
   of 1.024 ms: W_cubic(t) = C (t - w[1])^3 + W_max; w[2] W_est; w[3] acked
   bytes not yet used, and whether the epoch runs: while it stands still,
   w[1] is the time since the plateau; and CU_CALM. W_est 0: there is none
   yet. */
#define TCPSM__CU_EPOCH 0x80000000u
#define TCPSM__CU_ACC 0x3FFFFFFFu
#define TCPSM__CU_FAR 50000u /* 51 s: as far as 64 bits reach */

/* C d^3 MSS, d in ticks: 0.4 * (1.024 ms)^3 = 0.92234 / 2^31. Far from the
   plateau in eighths of a tick's precision. */
TCPSM__FN uint32_t tcpsm__cubed(uint32_t d, uint32_t mss)
{
    uint32_t far = d > TCPSM__CU_FAR;
    uint64_t x;
    d = tcpsm__min(far ? d >> 3 : d, TCPSM__CU_FAR);
    x = (uint64_t)d * d;
    x = (x * d) >> 10;
    x = x * (mss * 60446u >> 6);
    x >>= far ? 22 : 31;
    return (uint32_t)tcpsm__min64(x, TCPSM__MAX_CWND);
}

/* The inverse: ticks until C d^3 MSS makes up for so many bytes. */
TCPSM__FN uint32_t tcpsm__cube_root(uint32_t bytes, uint32_t mss)
{
    uint32_t segs = tcpsm__min(bytes / mss, 0x7FFFFFu), d = 0, bit;
    uint32_t part = (bytes % mss) * 256u / mss;
    uint64_t v = (uint64_t)(segs << 8 | part) * 9094947u, t;
    for (bit = 1u << 18; bit != 0; bit >>= 1) {
        t = d | bit;
        if (t * t * t <= v)
            d |= bit;
    }
    return d;
}

TCPSM__FN uint32_t tcpsm__cubic_at(const tcpsm_cc_state *s, uint32_t now,
                                   uint32_t mss)
{
    int32_t d = (int32_t)(now - s->w[1]);
    uint32_t x = tcpsm__cubed(d < 0 ? 0u - (uint32_t)d : (uint32_t)d, mss);
    if (d >= 0)
        return tcpsm__min(s->w[0] + x, TCPSM__MAX_CWND);
    return s->w[0] > x ? s->w[0] - x : 0;
}

/* Congestion avoidance begins, or goes on after a time without use of the
   window (RFC9438-1, -2, -10). */
TCPSM__FN void tcpsm__cubic_epoch(tcpsm_cc_state *s, uint32_t now,
                                  uint32_t mss)
{
    s->w[3] = (s->w[3] & TCPSM__CU_CALM) | TCPSM__CU_EPOCH;
    if (s->w[2] != 0) {
        s->w[1] = now - s->w[1];
        return;
    }
    s->w[0] = tcpsm__max(s->w[0], s->cwnd);
    s->w[1] = now + tcpsm__cube_root(s->w[0] - s->cwnd, mss);
    s->w[2] = s->cwnd;
}

/* RFC9438-1: time stands still. */
TCPSM__FN void tcpsm__cubic_pause(tcpsm_cc_state *s, uint32_t now)
{
    if (!(s->w[3] & TCPSM__CU_EPOCH))
        return;
    s->w[1] = now - s->w[1];
    s->w[3] &= ~TCPSM__CU_EPOCH;
}

/* RFC 9438 s4.2 to s4.5, in eighths of a window: no division for each
   ACK but one of 32 bits. */
TCPSM__FN void tcpsm__cubic_avoid(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    uint32_t now = (uint32_t)(e->now >> 10), step = s->cwnd / 8, k, prior;
    uint32_t target, flags, acc;
    if (!(s->w[3] & TCPSM__CU_EPOCH))
        tcpsm__cubic_epoch(s, now, e->mss);
    flags = s->w[3] & ~TCPSM__CU_ACC;
    acc = (s->w[3] & TCPSM__CU_ACC) + tcpsm__min(e->acked, 2 * s->cwnd);
    step = tcpsm__max(step, 1);
    k = tcpsm__min(acc / step, 16);
    s->w[3] = flags | tcpsm__min(acc - k * step, step);
    if (k == 0)
        return;
    /* RFC9438-3: alpha is 9/17, and 1 from cwnd_prior on, of which ssthresh
       is 0.7 */
    prior = s->ssthresh;
    if (!(flags & TCPSM__CU_CALM))
        prior += s->ssthresh / 7 * 3;
    s->w[2] += s->w[2] < prior ? e->mss * 9 * k / 136 : e->mss * k / 8;
    s->w[2] = tcpsm__min(s->w[2], TCPSM__MAX_CWND);
    if (tcpsm__cubic_at(s, now, e->mss) < s->w[2]) {
        s->cwnd = tcpsm__max(s->cwnd, s->w[2]);
        return;
    }
    target = tcpsm__cubic_at(s, now + (e->srtt_us >> 10), e->mss);
    target = tcpsm__min(target, s->cwnd + s->cwnd / 2);
    if (target > s->cwnd) /* RFC9438-4 */
        s->cwnd += (target - s->cwnd) / 8 * k;
}

TCPSM__FN void tcpsm__cubic_acked(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    if (s->cwnd < s->ssthresh) {
        if (!e->app_limited)
            tcpsm__slow_start(s, e);
        return;
    }
    if (e->app_limited)
        tcpsm__cubic_pause(s, (uint32_t)(e->now >> 10));
    else
        tcpsm__cubic_avoid(s, e);
}

/* The ACK clock is gone: a new epoch, from where slow start will end. */
TCPSM__FN void tcpsm__cubic_stop(tcpsm_cc_state *s)
{
    if (s->ssthresh == TCPSM__MAX_CWND) {
        memset(s->w, 0, sizeof s->w); /* those words are HyStart's */
        return;
    }
    s->w[1] = s->w[2] = s->w[3] = 0;
}

/* RFC9438-5, -6, -9: W_max, and a new epoch to come */
TCPSM__FN void tcpsm__cubic_prior(tcpsm_cc_state *s)
{
    uint32_t w_max = s->w[0];
    if (s->ssthresh == TCPSM__MAX_CWND)
        w_max = 0; /* those words were HyStart's */
    s->w[0] = s->cwnd;
    if (s->cwnd < w_max)
        s->w[0] = s->cwnd - s->cwnd / 20 * 3; /* (1 + 0.7) / 2 */
    s->w[1] = s->w[2] = s->w[3] = 0;
}

/* RFC9438-7: of cwnd, not of the flight: what is not used does not grow, and
   goes when idle. */
TCPSM__FN void tcpsm__cubic_loss(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    uint32_t w = tcpsm__muldiv(s->cwnd, 7, 10);
    tcpsm__cubic_prior(s);
    s->ssthresh = tcpsm__max(w, 2 * e->mss);
    s->cwnd = s->ssthresh;
}

/* RFC9438-10: after it K is 0 and W_max is where avoidance begins */
TCPSM__FN void tcpsm__cubic_timeout(tcpsm_cc_state *s,
                                    const tcpsm_cc_event *e)
{
    uint32_t w = tcpsm__muldiv(s->cwnd, 7, 10);
    if (!e->again)
        s->ssthresh = tcpsm__max(w, 2 * e->mss);
    s->cwnd = e->mss;
    memset(s->w, 0, sizeof s->w);
}

TCPSM__FN void tcpsm__cubic_ecn(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    tcpsm__cubic_prior(s);
    tcpsm__ecn_cut(s, e, 17);
}

/* RFC9438-11 */
TCPSM__FN void tcpsm__cubic_undo(tcpsm_cc_state *s)
{
    if (s->ssthresh == TCPSM__MAX_CWND) {
        memset(s->w, 0, sizeof s->w); /* slow start goes on */
        return;
    }
    s->w[0] = tcpsm__max(s->w[0], s->cwnd);
    s->w[1] = s->w[2] = s->w[3] = 0;
}
#endif

enum {
    TCPSM__CC_INIT,
    TCPSM__CC_ACKED,
    TCPSM__CC_LOSS,
    TCPSM__CC_TIMEOUT,
    TCPSM__CC_IDLE,
    TCPSM__CC_ECN,
    TCPSM__CC_UNDO
};

TCPSM__FN void tcpsm__cc_newreno(int what, tcpsm_cc_state *s,
                                 const tcpsm_cc_event *e)
{
    switch (what) {
    case TCPSM__CC_INIT:
        tcpsm__newreno_init(s, e);
        break;
    case TCPSM__CC_ACKED:
        tcpsm__newreno_acked(s, e);
        break;
    case TCPSM__CC_LOSS:
        tcpsm__newreno_loss(s, e);
        break;
    case TCPSM__CC_TIMEOUT:
        tcpsm__newreno_timeout(s, e);
        break;
    case TCPSM__CC_IDLE:
        tcpsm__newreno_idle(s, e);
        break;
    case TCPSM__CC_ECN:
        memset(s->w, 0, sizeof s->w);
        tcpsm__ecn_cut(s, e, 16);
        break;
    default:
        memset(s->w, 0, sizeof s->w);
        break;
    }
}

#if !TCPSM__TINY
TCPSM__FN void tcpsm__cc_cubic(int what, tcpsm_cc_state *s,
                               const tcpsm_cc_event *e)
{
    switch (what) {
    case TCPSM__CC_ACKED:
        tcpsm__cubic_acked(s, e);
        break;
    case TCPSM__CC_LOSS:
        tcpsm__cubic_loss(s, e);
        break;
    case TCPSM__CC_TIMEOUT:
        tcpsm__cubic_timeout(s, e);
        break;
    case TCPSM__CC_ECN:
        tcpsm__cubic_ecn(s, e);
        break;
    case TCPSM__CC_UNDO:
        tcpsm__cubic_undo(s);
        break;
    case TCPSM__CC_IDLE:
        tcpsm__newreno_idle(s, e);
        tcpsm__cubic_stop(s);
        break;
    default:
        tcpsm__cc_newreno(what, s, e);
        break;
    }
}
#endif

static TCPSM__UNUSED const tcpsm_cc tcpsm__reno =
    TCPSM_CC_BUILT_IN(TCPSM_CC_NEWRENO);

TCPSM__FN uint32_t tcpsm__cc_id(const tcpsm_cc *cc)
{
    if (cc != NULL && cc->id != TCPSM_CC_DEFAULT)
        return cc->id;
    return TCPSM__TINY ? TCPSM_CC_NEWRENO : TCPSM_CC_CUBIC;
}

TCPSM__FN void tcpsm__cc_builtin(uint32_t id, int what, tcpsm_cc_state *s,
                                 const tcpsm_cc_event *e)
{
#if !TCPSM__TINY
    if (id == TCPSM_CC_CUBIC) {
        tcpsm__cc_cubic(what, s, e);
        return;
    }
#endif
    (void)id;
    tcpsm__cc_newreno(what, s, e);
}

TCPSM__FN void (*tcpsm__cc_hook(const tcpsm_cc *cc,
                                int what))(tcpsm_cc_state *,
                                           const tcpsm_cc_event *)
{
    if (cc == NULL)
        return NULL;
    switch (what) {
    case TCPSM__CC_INIT:
        return cc->init;
    case TCPSM__CC_ACKED:
        return cc->acked;
    case TCPSM__CC_LOSS:
        return cc->loss;
    case TCPSM__CC_TIMEOUT:
        return cc->timeout;
    case TCPSM__CC_ECN:
        return cc->ecn;
    case TCPSM__CC_UNDO:
        return cc->undo;
    default:
        return cc->idle;
    }
}

TCPSM__FN void tcpsm__cc_call(const tcpsm_cc *cc, int what, tcpsm_cc_state *s,
                              const tcpsm_cc_event *e)
{
    void (*f)(tcpsm_cc_state *, const tcpsm_cc_event *) =
        tcpsm__cc_hook(cc, what);
    if (f != NULL)
        f(s, e);
    else
        tcpsm__cc_builtin(tcpsm__cc_id(cc), what, s, e);
    if (s->cwnd < e->mss)
        s->cwnd = e->mss;
    s->cwnd = tcpsm__min(s->cwnd, TCPSM__MAX_CWND);
    s->ssthresh =
        tcpsm__min(tcpsm__max(s->ssthresh, 2 * e->mss), TCPSM__MAX_CWND);
}

/* ---- >>recovery -----------------------------------------------------
   RACK's loss detection (RFC 8985 s6) and Proportional Rate Reduction (RFC
   9937), on the runs. TLP, F-RTO, the undoing, and NewReno (RFC 6582) for
   peers without SACK are decisions of >>conn. */

#if !TCPSM__TINY
struct tcpsm__rack {
    uint32_t xmit, end; /* the latest sent segment that was delivered */
    uint32_t rtt;       /* and its round-trip time */
    uint32_t reo_wnd;
};

/* RFC 8985 s6.2 */
TCPSM__FN int tcpsm__sent_after(uint32_t t1, uint32_t seq1, uint32_t t2,
                                uint32_t seq2)
{
    return tcpsm__seq_lt(t2, t1) || (t1 == t2 && tcpsm__seq_lt(seq2, seq1));
}

/* RFC8985-9: marks what is lost and returns how much; *wait is when the
   last of the others would be (0: there are none); *again: something that
   had been sent again was lost again (RFC5681-16); *probe: a path MTU probe
   of so many bytes was lost, which is not counted (RFC 4821 s7.6.1). */
TCPSM__FN uint32_t tcpsm__rack_detect(struct tcpsm__runs *r,
                                      const struct tcpsm__rack *k,
                                      uint32_t now, uint32_t *wait,
                                      int *again, uint32_t *probe)
{
    uint32_t i, last, due = k->rtt + k->reo_wnd, n = 0;
    *wait = 0;
    for (i = 0; i < r->n; i++) {
        TCPSM_STEP();
        if (r->meta[i] & TCPSM__R_OUT)
            continue;
        last = tcpsm__run_last(r, i);
        if (!tcpsm__sent_after(k->xmit, k->end, last, r->end[i]))
            continue;
        if (tcpsm__seq_lt(now, last + due)) {
            *wait = tcpsm__max(*wait, last + due - now);
            continue;
        }
        if (r->meta[i] & TCPSM__R_RETX)
            *again = 1;
        if (r->meta[i] & TCPSM__R_PROBE) /* no sign of congestion */
            *probe = tcpsm__run_len(r, i);
        else
            n += tcpsm__run_len(r, i);
        tcpsm__run_lose(r, i);
    }
    return n;
}

/* RFC8985-10: at a timeout the first segment, up to end, and what has been
   under way for longer than it should. */
TCPSM__FN void tcpsm__rack_timeout(struct tcpsm__runs *r,
                                   const struct tcpsm__rack *k, uint32_t now,
                                   uint32_t end)
{
    uint32_t i, due = k->rtt + k->reo_wnd;
    for (i = 0; i < r->n; i++) {
        TCPSM_STEP();
        if (!(r->meta[i] & TCPSM__R_OUT) &&
            tcpsm__seq_le(tcpsm__run_last(r, i) + due, now))
            tcpsm__run_lose(r, i);
    }
    if (r->n > 0 && !(r->meta[0] & TCPSM__R_LOST))
        tcpsm__runs_lose_first(r, end);
}

struct tcpsm__prr {
    uint32_t delivered, out, flight; /* flight: RecoverFS */
};

/* RFC9937-6, -7: SndCnt for an ACK that delivered so much. */
TCPSM__FN uint32_t tcpsm__prr_count(struct tcpsm__prr *p, uint32_t delivered,
                                    uint32_t inflight, uint32_t ssthresh,
                                    uint32_t mss, int safe)
{
    uint32_t n, all;
    p->delivered = tcpsm__min(p->delivered + delivered, TCPSM__MAX_CWND);
    if (inflight > ssthresh) { /* proportional rate reduction */
        all = tcpsm__muldiv(p->delivered, ssthresh, tcpsm__max(p->flight, 1));
        n = all > p->out ? all - p->out : 0;
    } else {
        n = p->delivered > p->out ? p->delivered - p->out : 0;
        n = tcpsm__max(n, delivered); /* conservative bound */
        if (safe)
            n += mss; /* slow start, to catch up */
        n = tcpsm__min(ssthresh - inflight, n);
    }
    if (p->out == 0 && n < mss)
        n = mss; /* force the fast retransmission */
    return n;
}
#endif

/* ---- >>conn ---------------------------------------------------------
   The state machine. Input judges a segment without changing anything,
   then acts on the verdict; output is the only place that sends.

   Which segments may change what, by state (law 9). "ok" is SEQ and ACK
   both acceptable; the rest are the exceptions that the RFCs name.

     state         text  SND.WND  TS.Recent  RST by      SYN
     LISTEN        -     SYN      SYN        ignored     opens
     SYN-SENT      ok    SYN      SYN        ACK of SYN  opens, or crosses
     SYN-RECEIVED  ok    ok       ok         SEQ (5961)  to LISTEN, or ACK
     ESTABLISHED   ok    ok       ok         SEQ (5961)  challenge ACK
     FIN-WAIT-1,2  ok    ok       ok         SEQ (5961)  challenge ACK
     CLOSE-WAIT    -     ok       ok         SEQ (5961)  challenge ACK
     CLOSING       -     ok       ok         SEQ (5961)  challenge ACK
     LAST-ACK      -     ok       ok         SEQ (5961)  challenge ACK
     TIME-WAIT     -     -        -          ignored     RFC 6191

   At zero window ACK, URG and RST of a segment at RCV.NXT still count
   (RFC9293-MUST-66); the exact old FIN restarts 2 MSL; a wholly old
   segment is reported by D-SACK; a RST needs no acceptable ACK. */

/* tcpsm_conn.flags */
#define TCPSM__F_PASSIVE 0x1u   /* came from LISTEN (RFC9293-MUST-11) */
#define TCPSM__F_ANY_LOCAL 0x2u /* LISTEN: what to forget again */
#define TCPSM__F_ANY_REMOTE 0x4u
#define TCPSM__F_ANY_RPORT 0x8u
#define TCPSM__F_TS 0x10u /* negotiated */
#define TCPSM__F_SACK 0x20u
#define TCPSM__F_WS 0x40u
#define TCPSM__F_SYN_OUT                                                     \
    0x80u                       /* our SYN is not acknowledged: it is
                                     the octet at SND.UNA */
#define TCPSM__F_SYN_DUE 0x100u /* send the SYN (again) */
#define TCPSM__F_FIN_QUEUED 0x200u
#define TCPSM__F_FIN_SENT 0x400u /* the FIN is the octet before SND.NXT */
#define TCPSM__F_FIN_RCVD 0x800u
#define TCPSM__F_FIN_HELD 0x1000u /* the last range ends with the FIN */
#define TCPSM__F_CLOSED 0x2000u   /* the owner closed for good */
#define TCPSM__F_ACK_NOW 0x4000u
#define TCPSM__F_RST_DUE 0x8000u
#define TCPSM__F_REPLY_RST 0x10000u /* <SEQ=recover><CTL=RST> */
#define TCPSM__F_PROBE_DUE 0x20000u
#define TCPSM__F_KEEP_DUE 0x40000u
#define TCPSM__F_OVERRIDE 0x80000u /* SWS override or cork flush */
#define TCPSM__F_FORCE 0x100000u   /* one retransmission past cwnd */
#define TCPSM__F_RECOVERY 0x200000u
#define TCPSM__F_SYN_LOST 0x400000u
#define TCPSM__F_SND_URG 0x800000u
#define TCPSM__F_RCV_URG 0x1000000u
#define TCPSM__F_EOR 0x2000000u
#define TCPSM__F_REPLY_TS 0x4000000u /* ... with TSecr = rcv_up */
#define TCPSM__F_ACE_3RD                                                     \
    0x4000000u /* once synchronized: the handshake's encoding of ACE; a
                  client has to send it, a server may get it */
#define TCPSM__F_WOKEN 0x8000000u /* on the wake list */
#define TCPSM__F_KEEP 0x10000000u /* options of the owner */
#define TCPSM__F_CORK 0x20000000u
#define TCPSM__F_MORE 0x40000000u
#define TCPSM__F_QUIET 0x80000000u /* no reports (RFC9293-SHLD-20) */
/* what survives from one connection to the next */
#define TCPSM__F_OWNER                                                       \
    (TCPSM__F_WOKEN | TCPSM__F_KEEP | TCPSM__F_CORK | TCPSM__F_QUIET)
#define TCPSM__F_LISTENER                                                    \
    (TCPSM__F_ANY_LOCAL | TCPSM__F_ANY_REMOTE | TCPSM__F_ANY_RPORT)

/* tcpsm_conn.timers: four armed bits, and the kind of aux above them */
#define TCPSM__T_RTX 1u
#define TCPSM__T_ACK 2u
#define TCPSM__T_AUX 4u
#define TCPSM__T_UTO 8u
#define TCPSM__T_ALL 15u
#define TCPSM__T_KIND 48u
#define TCPSM__T_PACE 64u   /* pace_at lies ahead */
#define TCPSM__T_AGAIN 128u /* what was sent last had been sent before */
enum {
    TCPSM__AUX_NONE,
    TCPSM__AUX_KEEP,
    TCPSM__AUX_FIN_2,
    TCPSM__AUX_TIME_WAIT
};
/* tcpsm_conn.more: the kind of the retransmit-like timer, and flags */
enum {
    TCPSM__RTX_NONE,
    TCPSM__RTX_RTO,
    TCPSM__RTX_PERSIST,
    TCPSM__RTX_FLUSH, /* sender SWS override, cork: RFC9293-MUST-60 */
    TCPSM__RTX_TLP,   /* tail loss probe */
    TCPSM__RTX_REO    /* RACK's reordering timer */
};
#define TCPSM__M_KIND 7u
#define TCPSM__M_FULL_ACKED 8u  /* a packet of today's MTU got through */
#define TCPSM__M_SHORT_SEND 16u /* EV_WRITABLE is wanted */
#define TCPSM__M_TS_VALID 32u   /* ts_recent holds something */
#define TCPSM__M_SENT 64u       /* sent_at holds something */
#define TCPSM__M_PROBED 128u    /* a window probe is unanswered */

/* tcpsm_conn.flags2; the first five are tcpsm_config.flags >> 10 */
#define TCPSM__N_PACE 0x1u
#define TCPSM__N_ASK_ECN 0x2u
#define TCPSM__N_ASK_ACE 0x4u
#define TCPSM__N_FASTOPEN 0x8u
#define TCPSM__N_NO_PROBE 0x10u
#define TCPSM__N_CONFIG 0x1Fu
#define TCPSM__N_REORDER 0x20u   /* RACK.reordering_seen */
#define TCPSM__N_DSACKED 0x40u   /* a D-SACK in this round */
#define TCPSM__N_TLP 0x80u       /* a probe is outstanding: tlp_end */
#define TCPSM__N_TLP_RETX 0x100u /* and it was sent before */
#define TCPSM__N_SAMPLED 0x200u  /* an RTT sample since the last probe */
#define TCPSM__N_TLP_DUE 0x400u
#define TCPSM__N_LOSS 0x800u      /* after a timeout, until `recover` */
#define TCPSM__N_FRTO_1 0x1000u   /* RFC 5682: the first ACK is awaited */
#define TCPSM__N_FRTO_2 0x2000u   /* the second; meanwhile only new data */
#define TCPSM__N_UNDO 0x4000u     /* prior_cwnd and prior_ssthresh hold */
#define TCPSM__N_REO 0x8000u      /* the reordering timer is wanted */
#define TCPSM__N_ECN 0x10000u     /* RFC 3168, negotiated */
#define TCPSM__N_ACE 0x20000u     /* RFC 9768, negotiated */
#define TCPSM__N_ECE 0x40000u     /* echo: a CE mark came, no CWR yet */
#define TCPSM__N_DEAF 0x40000u    /* with N_ACE: marks mean nothing */
#define TCPSM__N_CWR 0x80000u     /* the next new data tells that we slowed */
#define TCPSM__N_NO_ECT 0x100000u /* our data must not be ECN-capable */
#define TCPSM__N_RAISE 0x200000u  /* pmtu is a time */
#define TCPSM__N_ACE_SHIFT 22     /* r.cep, s.cep and the one last sent */
#define TCPSM__N_CEP 0x7FC00000u
/* Fast Open. A client: range_start holds struct tcpsm__fo; a server: text of
   the SYN was taken, and the handshake goes on. */
#define TCPSM__N_FO 0x80000000u

#define TCPSM__O_V6 0x400u
#define TCPSM__O_ANY_FAMILY 0x800u /* LISTEN: the SYN decides */
#define TCPSM__O_FLAGS 0x3FFu      /* of tcpsm_config.flags: in opts */
#define TCPSM__O_MORE 0x7C00u      /* and in opts2, from its bit 0 on */
#define TCPSM__FLUSH_US 200000u    /* RFC 9293 s3.8.6.2.1: 0.1 to 1 s */
#define TCPSM__CHALLENGE_TICKS 76u /* RFC 5961 s7: 5 s in 2^16 us */
#define TCPSM__MSS_FLOOR 48u       /* a smaller MSS option is taken as this */
#define TCPSM__MTU_LEAST 108u      /* both headers, IPv6, and that MSS */
#define TCPSM__MTU4_FLOOR 296u     /* of an ICMP claim; RFC 1191 s3 */
#define TCPSM__MTU6_LEAST 1280u    /* RFC 8201 s4 */
#define TCPSM__R1 3u               /* RFC9293-SHLD-10 */
#define TCPSM__SYN_ACKS 3u         /* then a LISTEN listens again */

#define TCPSM__COUNT(c, field, n)                                            \
    do {                                                                     \
        if ((c)->p.counters != NULL)                                         \
            (c)->p.counters->field += (n);                                   \
    } while (0)

TCPSM__FN int tcpsm__is(const tcpsm_conn *c, uint32_t flag)
{
    return (c->flags & flag) != 0;
}

TCPSM__FN int tcpsm__is2(const tcpsm_conn *c, uint32_t flag)
{
    return (c->flags2 & flag) != 0;
}

/* Timestamps and SACK, where they are compiled in, are negotiated. */
TCPSM__FN int tcpsm__ts_on(const tcpsm_conn *c)
{
    return TCPSM__HAVE_OPTIONS && tcpsm__is(c, TCPSM__F_TS);
}

TCPSM__FN int tcpsm__sack_on(const tcpsm_conn *c)
{
    return TCPSM__HAVE_OPTIONS && tcpsm__is(c, TCPSM__F_SACK);
}

/* In fast recovery with SACK: PRR steers, and u.prr is what u holds. */
TCPSM__FN int tcpsm__prr_on(const tcpsm_conn *c)
{
    return tcpsm__sack_on(c) && tcpsm__is(c, TCPSM__F_RECOVERY);
}

TCPSM__FN uint32_t tcpsm__snd_shift(const tcpsm_conn *c)
{
    return (uint32_t)c->scales >> 4;
}

TCPSM__FN uint32_t tcpsm__rcv_shift(const tcpsm_conn *c)
{
    return c->scales & 15u;
}

TCPSM__FN void tcpsm__set_scales(tcpsm_conn *c, uint32_t snd, uint32_t rcv)
{
    c->scales = (uint8_t)(snd << 4 | rcv);
}

TCPSM__FN uint8_t tcpsm__family(const tcpsm_conn *c)
{
    return c->opts & TCPSM__O_V6 ? 6 : 4;
}

TCPSM__FN uint32_t tcpsm__alen(uint8_t family)
{
    return family == 4 ? 4u : 16u;
}

TCPSM__FN uint32_t tcpsm__ip_len(const tcpsm_conn *c)
{
    return tcpsm__family(c) == 4 ? 20u : 40u;
}

TCPSM__FN uint32_t tcpsm__rtx_kind(const tcpsm_conn *c)
{
    return c->more & TCPSM__M_KIND;
}

TCPSM__FN uint32_t tcpsm__aux_kind(const tcpsm_conn *c)
{
    return (uint32_t)c->timers >> 4 & 3u;
}

/* ESTABLISHED and later */
TCPSM__FN int tcpsm__synchronized(const tcpsm_conn *c)
{
    return c->state >= TCPSM_ESTABLISHED;
}

/* A server that took the text of a SYN by its cookie: the owner may read and
   write although the handshake goes on (RFC7413-9). */
TCPSM__FN int tcpsm__fo_served(const tcpsm_conn *c)
{
    return TCPSM__HAVE_OPTIONS && c->state == TCPSM_SYN_RECEIVED &&
           tcpsm__is(c, TCPSM__F_PASSIVE) && tcpsm__is2(c, TCPSM__N_FO);
}

/* States in which text from the peer is taken. */
TCPSM__FN int tcpsm__reads(const tcpsm_conn *c)
{
    return c->state == TCPSM_ESTABLISHED || c->state == TCPSM_FIN_WAIT_1 ||
           c->state == TCPSM_FIN_WAIT_2;
}

/* States in which our text or FIN may still have to go out. */
TCPSM__FN int tcpsm__writes(const tcpsm_conn *c)
{
    return c->state == TCPSM_ESTABLISHED || c->state == TCPSM_CLOSE_WAIT ||
           c->state == TCPSM_FIN_WAIT_1 || c->state == TCPSM_CLOSING ||
           c->state == TCPSM_LAST_ACK ||
           (tcpsm__fo_served(c) && !tcpsm__is(c, TCPSM__F_SYN_DUE));
}

/* --- the tables as views --- */

TCPSM__FN uint32_t *tcpsm__lent_words(const tcpsm_conn *c)
{
    return (uint32_t *)(void *)(((uintptr_t)c->p.tables + 3u) &
                                ~(uintptr_t)3u);
}

/* lent: for n runs end[n] first[n], for m ranges, m the lesser of n and 255,
   start[m] end[m], then meta[n], then order[m]. n is one byte: above 128 in
   sixteens. */
#define TCPSM__LENT_RUN 10u
#define TCPSM__LENT_RANGE 9u
#define TCPSM__LENT_MOST (128u + 127u * 16u)

TCPSM__FN uint32_t tcpsm__lent_runs(const tcpsm_conn *c)
{
    uint32_t v = c->table_cap;
    return v <= 128 ? v : 128 + (v - 128) * 16;
}

/* How many runs len bytes hold, as table_cap has it. */
TCPSM__FN uint8_t tcpsm__lent_fit(uint32_t len)
{
    uint32_t n = len >= 3 ? len - 3 : 0, both;
    both = 255u * (TCPSM__LENT_RUN + TCPSM__LENT_RANGE);
    if (n <= both)
        n /= TCPSM__LENT_RUN + TCPSM__LENT_RANGE;
    else
        n = 255u + (n - both) / TCPSM__LENT_RUN;
    n = tcpsm__min(n, TCPSM__LENT_MOST);
    return (uint8_t)(n <= 128 ? n : 128 + (n - 128) / 16);
}

TCPSM__FN struct tcpsm__runs tcpsm__runs_of(tcpsm_conn *c)
{
    struct tcpsm__runs r;
    uint32_t n = tcpsm__lent_runs(c), *w;
    r.base = c->snd_una;
    r.oof = c->oof;
    r.n = c->runs_n;
    if (n == 0) {
        r.end = c->run_end;
        r.first = c->run_first;
        r.meta = c->run_meta;
        r.cap = TCPSM_RUNS;
        return r;
    }
    w = tcpsm__lent_words(c);
    r.end = w;
    r.first = w + n;
    r.meta = (uint16_t *)(void *)(w + 2 * n + 2 * tcpsm__min(n, 255));
    r.cap = (uint16_t)n;
    return r;
}

/* What has changed besides the table itself. */
TCPSM__FN void tcpsm__runs_put(tcpsm_conn *c, const struct tcpsm__runs *r)
{
    c->runs_n = r->n;
    c->oof = r->oof;
}

TCPSM__FN struct tcpsm__ranges tcpsm__ranges_of(tcpsm_conn *c)
{
    struct tcpsm__ranges r;
    uint32_t n = tcpsm__lent_runs(c), m = tcpsm__min(n, 255), *w;
    r.base = c->rcv_nxt;
    r.n = c->ranges_n;
    if (n == 0) {
        r.start = c->range_start;
        r.end = c->range_end;
        r.order = c->range_order;
        r.cap = TCPSM_RANGES;
        return r;
    }
    w = tcpsm__lent_words(c);
    r.start = w + 2 * n;
    r.end = r.start + m;
    r.order = (uint8_t *)(void *)(r.end + m) + 2 * n;
    r.cap = (uint8_t)m;
    return r;
}

/* Views of a connection that is only read. */
TCPSM__FN struct tcpsm__runs tcpsm__runs_in(const tcpsm_conn *c)
{
    return tcpsm__runs_of((tcpsm_conn *)(uintptr_t)(const void *)c);
}

TCPSM__FN struct tcpsm__ranges tcpsm__ranges_in(const tcpsm_conn *c)
{
    return tcpsm__ranges_of((tcpsm_conn *)(uintptr_t)(const void *)c);
}

/* --- time --- */

TCPSM__FN uint32_t tcpsm__now32(const tcpsm_conn *c)
{
    return (uint32_t)c->now;
}

/* RFC7323-14: a tick of 1.024 ms, so that nothing is divided */
TCPSM__FN uint32_t tcpsm__ticks(tcpsm_time t)
{
    return (uint32_t)(t >> 10);
}

TCPSM__FN tcpsm_time tcpsm__ms(uint16_t k)
{
    return (tcpsm_time)tcpsm__k_dec(k) * 1000u;
}

/* A 32-bit time within 2^31 us of c->now, and a 48-bit one, made whole. */
TCPSM__FN tcpsm_time tcpsm__at32(const tcpsm_conn *c, uint32_t lo)
{
    uint32_t d = lo - (uint32_t)c->now, back = 0u - d;
    if (!(d & 0x80000000u))
        return c->now + d;
    return c->now > back ? c->now - back : 0;
}

TCPSM__FN tcpsm_time tcpsm__at48(const tcpsm_conn *c, uint16_t hi,
                                 uint32_t lo)
{
    const tcpsm_time mask = ((tcpsm_time)1 << 48) - 1;
    tcpsm_time d = (((tcpsm_time)hi << 32 | lo) - c->now) & mask;
    tcpsm_time back = (0 - d) & mask;
    if (d >> 47 == 0)
        return c->now + d;
    return c->now > back ? c->now - back : 0;
}

TCPSM__FN tcpsm_time tcpsm__timer(const tcpsm_conn *c, uint32_t which)
{
    switch (which) {
    case TCPSM__T_RTX:
        return tcpsm__at32(c, c->rtx_at);
    case TCPSM__T_ACK:
        return tcpsm__at32(c, c->ack_at);
    case TCPSM__T_AUX:
        return tcpsm__at48(c, c->aux_hi, c->aux_lo);
    default:
        return tcpsm__at48(c, c->uto_hi, c->uto_lo);
    }
}

/* Arms a timer d after c->now. */
TCPSM__FN void tcpsm__arm(tcpsm_conn *c, uint32_t which, tcpsm_time d)
{
    tcpsm_time t = c->now + d;
    c->timers = (uint8_t)(c->timers | which);
    switch (which) {
    case TCPSM__T_RTX:
        c->rtx_at = (uint32_t)t;
        break;
    case TCPSM__T_ACK:
        c->ack_at = (uint32_t)t;
        break;
    case TCPSM__T_AUX:
        c->aux_lo = (uint32_t)t;
        c->aux_hi = (uint16_t)(t >> 32);
        break;
    default:
        c->uto_lo = (uint32_t)t;
        c->uto_hi = (uint16_t)(t >> 32);
        break;
    }
}

/* Dead fields are zero. */
TCPSM__FN void tcpsm__disarm(tcpsm_conn *c, uint32_t which)
{
    c->timers = (uint8_t)(c->timers & ~which);
    if (which & TCPSM__T_RTX)
        c->rtx_at = 0;
    if (which & TCPSM__T_ACK)
        c->ack_at = 0;
    if (which & TCPSM__T_AUX)
        c->aux_lo = c->aux_hi = 0;
    if (which & TCPSM__T_UTO)
        c->uto_lo = c->uto_hi = 0;
}

#if !TCPSM__TINY
TCPSM__FN int tcpsm__waits_for_pace(const tcpsm_conn *c);
#endif

/* The earliest armed timer; *which 0: none. Pacing counts only where all
   else allows sending. */
TCPSM__FN tcpsm_time tcpsm__earliest(const tcpsm_conn *c, uint32_t *which)
{
    tcpsm_time t, best = TCPSM_NEVER;
    uint32_t i;
    *which = 0;
#if !TCPSM__TINY
    if (tcpsm__waits_for_pace(c)) {
        best = tcpsm__at32(c, c->pace_at);
        *which = TCPSM__T_PACE;
    }
#endif
    if (!(c->timers & TCPSM__T_ALL))
        return best;
    for (i = 1; i <= TCPSM__T_UTO; i <<= 1) {
        if (!(c->timers & i))
            continue;
        t = tcpsm__timer(c, i);
        if (t < best) {
            best = t;
            *which = i;
        }
    }
    return best;
}

TCPSM__FN void tcpsm__pin48(tcpsm_conn *c, uint32_t which, tcpsm_time now)
{
    tcpsm_time t = tcpsm__timer(c, which);
    if ((c->timers & which) && t < now && (now - t) >> 46 != 0)
        tcpsm__arm(c, which, now - c->now);
}

/* Time moves on. Timers that are long overdue are pinned to now, so that a
   wrap of their 32 or 48 bits can never bring them back. */
TCPSM__FN void tcpsm__tick(tcpsm_conn *c, tcpsm_time now)
{
    const tcpsm_time far = (tcpsm_time)1 << 30;
    if (now <= c->now)
        return;
#if !TCPSM__TINY
    if ((c->timers & TCPSM__T_PACE) && tcpsm__at32(c, c->pace_at) <= now)
        c->timers = (uint8_t)(c->timers & ~TCPSM__T_PACE);
#endif
    if (now - c->now > far) {
        if ((c->timers & TCPSM__T_RTX) &&
            tcpsm__at32(c, c->rtx_at) + far < now)
            c->rtx_at = (uint32_t)now;
        if ((c->timers & TCPSM__T_ACK) &&
            tcpsm__at32(c, c->ack_at) + far < now)
            c->ack_at = (uint32_t)now;
        tcpsm__pin48(c, TCPSM__T_AUX, now);
        tcpsm__pin48(c, TCPSM__T_UTO, now);
    }
    c->now = now;
}

/* The clock's tick: one byte, 5 bits times 10^(top three), rounded up */
TCPSM__FN uint32_t tcpsm__tick_us(const tcpsm_conn *c)
{
    return (c->clock & 31u) * tcpsm__pow10((uint32_t)c->clock >> 5);
}

TCPSM__FN uint8_t tcpsm__clock_enc(uint32_t v)
{
    uint32_t e;
    for (e = 0; v > 31u && e < 7; e++)
        v = v / 10u + (v % 10u != 0);
    return (uint8_t)(e << 5 | tcpsm__min(v, 31));
}

TCPSM__FN uint32_t tcpsm__rto(const tcpsm_conn *c)
{
    struct tcpsm__rtt t;
    t.srtt = c->srtt;
    t.rttvar = c->rttvar;
    return tcpsm__rtt_rto(
        &t, tcpsm__tick_us(c), tcpsm__k_dec(c->k_rto_min),
        tcpsm__k_dec(c->k_rto_max) * 1000u,
        (c->flags & (TCPSM__F_SYN_LOST | TCPSM__F_SYN_OUT)) ==
            TCPSM__F_SYN_LOST);
}

TCPSM__FN uint32_t tcpsm__rto_backed(const tcpsm_conn *c, uint32_t n)
{
    return tcpsm__rtt_backoff(tcpsm__rto(c), n,
                              tcpsm__k_dec(c->k_rto_max) * 1000u);
}

/* --- events, wake list --- */

TCPSM__FN void tcpsm__wake_up(tcpsm_conn *c)
{
    if (c->p.wake == NULL || tcpsm__is(c, TCPSM__F_WOKEN))
        return;
    c->flags |= TCPSM__F_WOKEN;
    c->p.wake_next = NULL;
    if (c->p.wake->head == NULL)
        c->p.wake->head = c;
    else
        c->p.wake->tail->p.wake_next = c;
    c->p.wake->tail = c;
}

/* A stack's connection: only the stack may feed and drain it. */
TCPSM__FN int tcpsm__owned(const tcpsm_conn *c)
{
    return c->p.wake != NULL && c->p.wake->owner != 0;
}

TCPSM__FN void tcpsm__raise(tcpsm_conn *c, uint32_t ev)
{
    c->events = (uint16_t)(c->events | ev);
}

/* RFC9293-MUST-47, RFC9293-SHLD-9, RFC9293-SHLD-20, RFC9293-SHLD-25 */
TCPSM__FN void tcpsm__report(tcpsm_conn *c)
{
    if (!tcpsm__is(c, TCPSM__F_QUIET))
        tcpsm__raise(c, TCPSM_EV_TROUBLE);
}

TCPSM__FN void tcpsm__set_state(tcpsm_conn *c, uint8_t state)
{
    TCPSM_TRACE(c, TCPSM_TRACE_STATE, c->state, state);
    c->state = state;
}

/* --- sequence arithmetic of this connection --- */

/* The sequence number of the first byte in the send ring. */
TCPSM__FN uint32_t tcpsm__snd_base(const tcpsm_conn *c)
{
    return c->snd_una + (uint32_t)tcpsm__is(c, TCPSM__F_SYN_OUT);
}

TCPSM__FN uint32_t tcpsm__outstanding(const tcpsm_conn *c)
{
    return c->snd_nxt - c->snd_una;
}

/* Bytes queued and never sent. */
TCPSM__FN uint32_t tcpsm__unsent(const tcpsm_conn *c)
{
    if (tcpsm__is(c, TCPSM__F_FIN_SENT))
        return 0;
    return c->snd_len - tcpsm__seq_ahead(tcpsm__snd_base(c), c->snd_nxt);
}

TCPSM__FN int tcpsm__fin_unsent(const tcpsm_conn *c)
{
    return (c->flags & (TCPSM__F_FIN_QUEUED | TCPSM__F_FIN_SENT |
                        TCPSM__F_SYN_OUT)) == TCPSM__F_FIN_QUEUED;
}

/* SND.NXT, but never beyond the peer's window: there the peer would not
   accept it, and two ends whose probes crossed would be deaf. At a closed
   window nobody knows whether the peer took what lies beyond, so every
   second probe's time the answer is SND.NXT after all. */
TCPSM__FN uint32_t tcpsm__ack_seq(const tcpsm_conn *c)
{
    if (c->snd_wnd == 0 && c->probes != 0 && !(c->probes & 1u))
        return c->snd_nxt;
    return tcpsm__seq_min(c->snd_nxt, tcpsm__snd_base(c) + c->snd_wnd);
}

TCPSM__FN uint32_t tcpsm__read_seq(const tcpsm_conn *c)
{
    return c->rcv_nxt - (uint32_t)tcpsm__is(c, TCPSM__F_FIN_RCVD) -
           c->rcv_len;
}

/* --- segment sizes (RFC9293-MUST-16) --- */

/* RFC9293-MUST-67, RFC9293-SHLD-6; a ring smaller than 2 MSS offers half
   of it */
TCPSM__FN uint32_t tcpsm__adv_mss(const tcpsm_conn *c)
{
    uint32_t m = c->mtu - tcpsm__ip_len(c) - 20;
    if (c->state <= TCPSM_SYN_RECEIVED && c->ptb_mtu != 0)
        m = tcpsm__min(m, c->ptb_mtu);
    if (c->rcv_cap != 0 && c->rcv_cap / 2 < m)
        m = c->rcv_cap / 2;
    return tcpsm__max(m, 1);
}

/* Text of a full segment with n bytes of options. */
TCPSM__FN uint32_t tcpsm__payload(const tcpsm_conn *c, uint32_t options)
{
    uint32_t m = tcpsm__min(c->mss, (uint32_t)c->mtu - tcpsm__ip_len(c) - 20);
    return m - options; /* m >= TCPSM__MSS_FLOOR > 40 >= options */
}

/* SMSS for congestion control */
TCPSM__FN uint32_t tcpsm__smss(const tcpsm_conn *c)
{
    return tcpsm__payload(c, tcpsm__ts_on(c) ? 12 : 0);
}

TCPSM__FN uint32_t tcpsm__sack_blocks(const tcpsm_conn *c)
{
    uint32_t room = tcpsm__ts_on(c) ? 3 : 4;
    if (!tcpsm__sack_on(c))
        return 0;
    return tcpsm__min(c->ranges_n, room);
}

/* Text of a full segment sent now, with the options that it would have. */
TCPSM__FN uint32_t tcpsm__full(const tcpsm_conn *c)
{
    uint32_t n = tcpsm__sack_blocks(c);
    uint32_t o = tcpsm__ts_on(c) ? 12 : 0;
    return tcpsm__payload(c, o + (n != 0 ? 4 + 8 * n : 0));
}

/* --- the receive window (law 8, RFC9293-MUST-39) --- */

/* Bytes beyond RCV.NXT that we could offer: the reserve of 2^shift - 1
   ring bytes, into which the window field is rounded up, is left out. */
TCPSM__FN uint32_t tcpsm__room(const tcpsm_conn *c)
{
    uint32_t reserve = ((uint32_t)1 << tcpsm__rcv_shift(c)) - 1, room;
    if (c->rcv_cap == 0) { /* whole units: nothing to round up into */
        room = tcpsm__size_dec(c->promise) & ~reserve;
    } else {
        room = c->rcv_cap - c->rcv_len;
        room = room > reserve ? room - reserve : 0;
    }
    return tcpsm__min(room, (uint32_t)65535u << tcpsm__rcv_shift(c));
}

/* The least useful move of the right edge: min(Fr * RCV.BUFF, MSS). */
TCPSM__FN uint32_t tcpsm__sws_step(const tcpsm_conn *c)
{
    uint32_t whole =
        c->rcv_cap != 0 ? c->rcv_cap : tcpsm__size_dec(c->promise);
    return tcpsm__max(tcpsm__min(whole / 2, tcpsm__adv_mss(c)), 1);
}

/* The right edge to offer now; never left of what was offered
   (RFC9293-SHLD-14). */
TCPSM__FN uint32_t tcpsm__offer(const tcpsm_conn *c)
{
    uint32_t edge = c->rcv_nxt + tcpsm__room(c);
    if (tcpsm__is(c, TCPSM__F_FIN_RCVD) || c->state == TCPSM_SYN_RECEIVED)
        return c->rcv_edge; /* a SYN that comes again can say no more */
    if (tcpsm__seq_ahead(c->rcv_edge, edge) < tcpsm__sws_step(c))
        return c->rcv_edge;
    return edge;
}

/* The window field for an offer; moves rcv_edge. A new edge is rounded
   down; an old one is repeated rounded up, into the reserve as far as that
   reaches. Note: an edge whose field cannot be exact may then show up to
   2^shift - 1 lower on the wire (RFC 7323 s2.4); what lies up to rcv_edge
   is taken all the same. */
TCPSM__FN uint16_t tcpsm__window(tcpsm_conn *c, int syn)
{
    uint32_t shift = syn ? 0 : tcpsm__rcv_shift(c); /* RFC7323-2, -3 */
    uint32_t raw, old, free = c->rcv_cap - c->rcv_len;
    raw = tcpsm__seq_ahead(c->rcv_nxt, tcpsm__offer(c)) >> shift;
    old = tcpsm__seq_ahead(c->rcv_nxt, c->rcv_edge);
    if (c->state != TCPSM_SYN_RECEIVED)
        old += ((uint32_t)1 << shift) - 1;
    old >>= shift;
    if (c->rcv_cap != 0 && old << shift > free)
        old = free >> shift;
    raw = tcpsm__min(tcpsm__max(raw, old), 65535);
    c->rcv_edge = tcpsm__seq_max(c->rcv_edge, c->rcv_nxt + (raw << shift));
    return (uint16_t)raw;
}

/* The reader made room: is it worth an ACK of its own? Not if one is
   coming anyway and the sender has something left to go on with. */
TCPSM__FN void tcpsm__update_window(tcpsm_conn *c)
{
    uint32_t old = c->rcv_edge - c->rcv_nxt, room = tcpsm__room(c);
    if (!tcpsm__reads(c) || room < old + tcpsm__sws_step(c))
        return;
    if (room < 2 * old)
        return;
    if ((c->timers & TCPSM__T_ACK) && old >= 4 * tcpsm__adv_mss(c))
        return;
    c->flags |= TCPSM__F_ACK_NOW;
}

TCPSM__FN uint8_t tcpsm__scale_for(uint32_t bytes)
{
    uint8_t s = 0;
    while (s < 14 && ((uint32_t)65535u << s) < bytes)
        s++; /* RFC7323-4 */
    return s;
}

/* The shift to ask for: what the configuration wants, or what the ring
   needs; but a ring must be worth four units of it, or its window could
   not be spoken of. */
TCPSM__FN void tcpsm__choose_scale(tcpsm_conn *c)
{
    uint32_t ring = c->rcv_cap;
    uint8_t scale = tcpsm__scale_for(ring);
    if (scale < c->opts >> 12)
        scale = (uint8_t)(c->opts >> 12);
    if (ring == 0)
        ring = tcpsm__size_dec(c->promise);
    while (scale > 0 && ring != 0 && ring >> scale < 4)
        scale--;
    tcpsm__set_scales(c, 0, c->opts & TCPSM_NO_SCALE ? 0 : scale);
}

/* --- congestion control glue --- */

TCPSM__FN uint32_t tcpsm__initial_window(const tcpsm_conn *c)
{
    uint32_t mss = tcpsm__smss(c);
    if (tcpsm__is(c, TCPSM__F_SYN_LOST))
        return mss; /* RFC5681-4 */
    /* RFC 6928 s2: min(10 MSS, max(2 MSS, 14600)) at the default of 10 */
    return tcpsm__min(c->iw * mss, tcpsm__max(2 * mss, c->iw * 1460u));
}

TCPSM__FN void tcpsm__cc_event(const tcpsm_conn *c, tcpsm_cc_event *e)
{
    memset(e, 0, sizeof *e);
    e->now = c->now;
    e->mss = tcpsm__smss(c);
    e->initial_window = tcpsm__initial_window(c);
    e->flight = tcpsm__outstanding(c); /* RFC5681-8: not cwnd */
    e->srtt_us = c->srtt;
    e->min_rtt_us = c->min_rtt;
}

TCPSM__FN void tcpsm__cc(tcpsm_conn *c, int what, tcpsm_cc_event *e)
{
    tcpsm__cc_call(c->p.cc, what, &c->cc, e);
    TCPSM_TRACE(c, TCPSM_TRACE_CWND, c->cc.cwnd, c->cc.ssthresh);
}

/* --- ECN (RFC 3168) and Accurate ECN (RFC 9768) --- */

/* RFC3168-9: after any reduction the next new data says so. */
TCPSM__FN void tcpsm__tell_cwr(tcpsm_conn *c)
{
    if (tcpsm__is2(c, TCPSM__N_ECN))
        c->flags2 |= TCPSM__N_CWR;
}

/* How many segments came as one. */
TCPSM__FN uint16_t tcpsm__train(const tcpsm_in *in, uint32_t text)
{
    uint32_t n = in->segs;
    if (n == 0 && in->gso_size != 0)
        n = (text + in->gso_size - 1u) / in->gso_size;
    return (uint16_t)tcpsm__min(tcpsm__max(n, 1), 255);
}

#if !TCPSM__TINY
enum { TCPSM__CEP_IN = 0, TCPSM__CEP_OUT = 3, TCPSM__CEP_TOLD = 6 };
#define TCPSM__ECN_BITS (TCPSM__AE | TCPSM__CWR | TCPSM__ECE)
#define TCPSM__CE_ACKS 3u /* RFC 9768 s3.2.2.5.1: an ACK for so many marks */

/* One of the three 3-bit counters: r.cep, s.cep, and r.cep as last told. */
TCPSM__FN uint32_t tcpsm__cep(const tcpsm_conn *c, uint32_t which)
{
    return c->flags2 >> (TCPSM__N_ACE_SHIFT + which) & 7u;
}

TCPSM__FN void tcpsm__set_cep(tcpsm_conn *c, uint32_t which, uint32_t v)
{
    c->flags2 &= ~((uint32_t)7u << (TCPSM__N_ACE_SHIFT + which));
    c->flags2 |= (v & 7u) << (TCPSM__N_ACE_SHIFT + which);
}

/* AE, CWR, ECE as a number of three bits, and back. */
TCPSM__FN uint32_t tcpsm__ace_of(uint32_t flags)
{
    return flags >> 6 & 7u;
}

/* What an IP-ECN field becomes in a handshake: tables 2 and 3. */
TCPSM__FN uint32_t tcpsm__ace_echo(uint32_t ip_ecn)
{
    static const uint8_t t[4] = {2, 3, 4, 6};
    return t[ip_ecn & 3u];
}

TCPSM__FN void tcpsm__ace_begin(tcpsm_conn *c)
{
    c->flags2 |= TCPSM__N_ACE;
    tcpsm__set_cep(c, TCPSM__CEP_IN, 5);
    tcpsm__set_cep(c, TCPSM__CEP_OUT, 5);
    tcpsm__set_cep(c, TCPSM__CEP_TOLD, 5);
    memset(c->acc, 0, sizeof c->acc);
    c->acc[2] = 1; /* r.e0b */
    c->acc[8] = 1; /* r.e1b */
}

/* Which feedback a SYN asks for: 0 none, 1 classic, 2 accurate (RFC 9768
   s3.1.3: also the reserved combinations). */
TCPSM__FN uint32_t tcpsm__ecn_asked(uint32_t flags, uint32_t opts)
{
    uint32_t ace = tcpsm__ace_of(flags);
    if (ace == 0 || (opts & TCPSM_NO_ECN))
        return 0;
    return ace == 3 ? 1 : 2; /* RFC3168-1 */
}

/* Which feedback a SYN leads to. When two have crossed, what both asked for:
   both ends see both. */
TCPSM__FN uint32_t tcpsm__ecn_kind(const tcpsm_conn *c, uint32_t flags)
{
    uint32_t theirs = tcpsm__ecn_asked(flags, c->opts), ours = 0;
    if (tcpsm__is(c, TCPSM__F_PASSIVE))
        return theirs;
    if (tcpsm__is2(c, TCPSM__N_ASK_ACE))
        ours = 2;
    else if (tcpsm__is2(c, TCPSM__N_ASK_ECN))
        ours = 1;
    return tcpsm__min(theirs, ours);
}

/* A SYN that comes again, with other bits: 1, two kinds of feedback in one
   handshake, which RFC 9768 s3.1.5 has reset. None at all: then our data
   may not be ECN-capable (RFC3168-3). */
TCPSM__FN int tcpsm__ecn_mixed(tcpsm_conn *c, uint32_t flags)
{
    uint32_t kind = tcpsm__ecn_asked(flags, c->opts);
    if (!tcpsm__is2(c, TCPSM__N_ECN | TCPSM__N_ACE))
        return 0;
    if (kind == 0)
        c->flags2 |= TCPSM__N_NO_ECT;
    return kind == (tcpsm__is2(c, TCPSM__N_ACE) ? 1u : 2u);
}

/* The bits of our SYN (RFC 9768 s3.1.4.1: after two of them without). */
TCPSM__FN uint32_t tcpsm__ecn_ask(const tcpsm_conn *c)
{
    if (c->probes > 1 || (c->opts & TCPSM_NO_ECN))
        return 0;
    if (tcpsm__is2(c, TCPSM__N_ASK_ACE))
        return TCPSM__ECN_BITS;
    return tcpsm__is2(c, TCPSM__N_ASK_ECN) ? TCPSM__CWR | TCPSM__ECE : 0;
}

/* The bits of our SYN-ACK; tries: how many went before. */
TCPSM__FN uint32_t tcpsm__ecn_answer(uint32_t mode, uint32_t ip_ecn,
                                     uint32_t tries)
{
    if (mode == 1)
        return TCPSM__ECE; /* RFC3168-1, -2 */
    if (mode == 0 || tries > 1)
        return 0;
    return tcpsm__ace_echo(ip_ecn) << 6;
}

/* The peer's SYN-ACK decides (RFC 9768 table 2; RFC3168-3). */
TCPSM__FN void tcpsm__ecn_answered(tcpsm_conn *c, uint32_t flags,
                                   uint32_t ip_ecn)
{
    uint32_t ace = tcpsm__ace_of(flags);
    if (c->opts & TCPSM_NO_ECN)
        return;
    if (tcpsm__is2(c, TCPSM__N_ASK_ACE)) {
        if (ace == 1)
            c->flags2 |= TCPSM__N_ECN;
        if (ace <= 1 || ace == 7)
            return; /* 7: a server that only reflects */
        tcpsm__ace_begin(c);
        if (ace != 2 && ace != 5) /* the SYN was not-ECT: mangled */
            c->flags2 |= TCPSM__N_NO_ECT;
        if ((ip_ecn & 3u) == 3)
            tcpsm__set_cep(c, TCPSM__CEP_IN, 6);
        return;
    }
    if (tcpsm__is2(c, TCPSM__N_ASK_ECN) &&
        (flags & (TCPSM__CWR | TCPSM__ECE)) == TCPSM__ECE)
        c->flags2 |= TCPSM__N_ECN | (c->probes > 1 ? TCPSM__N_NO_ECT : 0);
}

/* May new data be ECN-capable? RFC3168-6: ECT(0) */
TCPSM__FN uint8_t tcpsm__ect(const tcpsm_conn *c)
{
    if (!tcpsm__is2(c, TCPSM__N_ECN | TCPSM__N_ACE) ||
        tcpsm__is2(c, TCPSM__N_NO_ECT))
        return 0;
    return 2;
}

/* The congestion bits of an acceptable segment, as a data receiver: r.cep
   and the byte counters, or the echo until CWR (RFC3168-10: CWR first,
   erratum 3639). */
TCPSM__FN void tcpsm__ecn_in(tcpsm_conn *c, const tcpsm_in *in,
                             const struct tcpsm__seg *s)
{
    uint32_t ecn = in->tos & 3u, n = in->ce, bytes = s->len, k;
    if (n == 0 && in->segs == 0 && ecn == 3)
        n = tcpsm__train(in, s->len);
    TCPSM__COUNT(c, ce, n);
    if (tcpsm__is2(c, TCPSM__N_ECN)) {
        if (s->flags & TCPSM__CWR)
            c->flags2 &= ~TCPSM__N_ECE;
        if (n != 0) { /* and the sender hears of it at once */
            c->flags2 |= TCPSM__N_ECE;
            if (s->len != 0)
                c->flags |= TCPSM__F_ACK_NOW;
        }
        return;
    }
    if (!tcpsm__is2(c, TCPSM__N_ACE))
        return;
    tcpsm__set_cep(c, TCPSM__CEP_IN, tcpsm__cep(c, TCPSM__CEP_IN) + n);
    k = tcpsm__min(in->gso_size != 0 ? n * in->gso_size : bytes, bytes);
    if (n == 0)
        k = 0;
    tcpsm__put24(c->acc + 3, tcpsm__get24(c->acc + 3) + k);
    bytes -= k;
    if (ecn == 2 || (ecn == 3 && in->ce != 0))
        tcpsm__put24(c->acc, tcpsm__get24(c->acc) + bytes);
    if (ecn == 1)
        tcpsm__put24(c->acc + 6, tcpsm__get24(c->acc + 6) + bytes);
    if (n != 0 && (s->len != 0 || ((tcpsm__cep(c, TCPSM__CEP_IN) -
                                    tcpsm__cep(c, TCPSM__CEP_TOLD)) &
                                   7u) >= TCPSM__CE_ACKS))
        c->flags |= TCPSM__F_ACK_NOW;
}

/* The congestion bits of what we send, other than SYNs. */
TCPSM__FN uint32_t tcpsm__ecn_out(tcpsm_conn *c, int pure)
{
    uint32_t r = tcpsm__cep(c, TCPSM__CEP_IN);
    if (tcpsm__is2(c, TCPSM__N_ECN))
        return tcpsm__is2(c, TCPSM__N_ECE) ? TCPSM__ECE : 0;
    if (!tcpsm__is2(c, TCPSM__N_ACE))
        return 0;
    if (tcpsm__is(c, TCPSM__F_ACE_3RD) && !tcpsm__is(c, TCPSM__F_PASSIVE) &&
        tcpsm__synchronized(c) && pure) {
        c->flags &= ~TCPSM__F_ACE_3RD;
        return tcpsm__ace_echo(c->tos_seen) << 6;
    }
    tcpsm__set_cep(c, TCPSM__CEP_TOLD, r);
    return r << 6;
}

/* How many fields of an AccECN option say something; + 1, 0: none. */
TCPSM__FN uint8_t tcpsm__acc_fields(const tcpsm_conn *c)
{
    if (!tcpsm__is2(c, TCPSM__N_ACE))
        return 0;
    if (tcpsm__get24(c->acc + 6) != 1 ||
        (tcpsm__is(c, TCPSM__F_ACE_3RD) && !tcpsm__is(c, TCPSM__F_PASSIVE)))
        return 4; /* s3.2.3.2: the handshake's last ACK tries the path */
    if (tcpsm__get24(c->acc + 3) != 0)
        return 3;
    return tcpsm__get24(c->acc) != 1 ? 2 : 0;
}

/* RFC9293-SHLD-8. The network marked what we sent: slower, once a round
   (RFC3168-7). With one segment in the window the timer sets the pace
   (RFC3168-8). */
TCPSM__FN void tcpsm__ecn_react(tcpsm_conn *c, uint32_t flight,
                                uint32_t ce_bytes, tcpsm_cc_event *e)
{
    if (tcpsm__is(c, TCPSM__F_RECOVERY) || tcpsm__is2(c, TCPSM__N_LOSS))
        return;
    if (tcpsm__sack_on(c)) {
        if (!tcpsm__seq_lt(c->recover, c->snd_una))
            return;
        c->recover = c->snd_nxt;
    } else { /* there `recover` is RFC 6582's; N_DSACKED has no other use */
        if (tcpsm__is2(c, TCPSM__N_DSACKED) &&
            !tcpsm__seq_lt(c->u.open.round_end, c->snd_una))
            return;
        c->flags2 |= TCPSM__N_DSACKED;
        c->u.open.round_end = c->snd_nxt;
    }
    tcpsm__cc_event(c, e);
    if (c->cc.cwnd <= e->mss) {
        c->pace_at = tcpsm__now32(c) + tcpsm__rto(c);
        c->timers |= TCPSM__T_PACE;
    }
    e->flight = tcpsm__min(flight, c->cc.cwnd);
    e->ce_bytes = ce_bytes;
    tcpsm__cc(c, TCPSM__CC_ECN, e);
    c->flags2 &= ~TCPSM__N_UNDO;
    TCPSM__COUNT(c, ecn_reductions, 1);
    tcpsm__tell_cwr(c);
}

/* How many marks an ACK reports that delivered so many bytes. With the
   option there is no doubt; without, the counter of three bits may have
   wrapped: the safest likely case (RFC 9768 s3.2.2.5.2, A.2). */
TCPSM__FN uint32_t tcpsm__ace_marks(tcpsm_conn *c, const struct tcpsm__seg *s,
                                    uint32_t delivered, uint32_t *bytes)
{
    uint32_t mss = tcpsm__smss(c), n = 0, d, segs = delivered / mss;
    d = (tcpsm__ace_of(s->flags) - tcpsm__cep(c, TCPSM__CEP_OUT)) & 7u;
    tcpsm__set_cep(c, TCPSM__CEP_OUT, tcpsm__ace_of(s->flags));
    *bytes = tcpsm__min(d * mss, delivered);
    if (s->acc_n != 0) { /* without the field: unchanged (s3.2.3.3) */
        if (s->has_ceb) {
            n = (s->ceb - tcpsm__get24(c->acc + 9)) & 0xFFFFFFu;
            tcpsm__put24(c->acc + 9, s->ceb);
        }
        if (n != 0 && d == 0 && segs <= 7)
            c->flags2 |= TCPSM__N_NO_ECT; /* s3.2.3.2.5: mangled */
        if (n < 0x800000u && n <= delivered) {
            *bytes = n;
            return n == 0 ? d : tcpsm__max(d, 1 + (n - 1) / mss);
        }
    }
    if (segs <= 7)
        return d;
    d = segs - ((segs - d) & 7u);
    *bytes = tcpsm__min(d * mss, delivered);
    return d;
}

/* RFC 9768 table 4: the first ACK of a client, if it is a pure one. */
TCPSM__FN void tcpsm__ace_third(tcpsm_conn *c, const struct tcpsm__seg *s)
{
    uint32_t ace = tcpsm__ace_of(s->flags);
    if (ace == 0) /* note 1: whoever that is, he counts nothing */
        c->flags2 |= TCPSM__N_NO_ECT | TCPSM__N_DEAF;
    if (ace == 3 || ace == 4 || ace == 6) /* our SYN-ACK was not-ECT */
        c->flags2 |= TCPSM__N_NO_ECT;
    tcpsm__set_cep(c, TCPSM__CEP_OUT, ace == 6 ? 6 : 5);
}

/* What an ACK says about marks; 1: it says that there were some. */
TCPSM__FN int tcpsm__ecn_marked(tcpsm_conn *c, const struct tcpsm__seg *s,
                                uint32_t flight, uint32_t delivered,
                                tcpsm_cc_event *e)
{
    uint32_t n, bytes = 0;
    if (s->flags & TCPSM__SYN)
        return 0;
    if (tcpsm__is2(c, TCPSM__N_ECN)) {
        if (!(s->flags & TCPSM__ECE))
            return 0;
        tcpsm__ecn_react(c, flight, delivered, e);
        return 1;
    }
    if (!tcpsm__is2(c, TCPSM__N_ACE))
        return 0;
    if (tcpsm__is(c, TCPSM__F_ACE_3RD) && tcpsm__is(c, TCPSM__F_PASSIVE)) {
        c->flags &= ~TCPSM__F_ACE_3RD;
        if (s->len == 0 && s->nsack == 0) {
            tcpsm__ace_third(c, s);
            return 0;
        }
    }
    if (delivered == 0)
        return 0; /* perhaps older than what was seen last */
    n = tcpsm__ace_marks(c, s, delivered, &bytes);
    if (n == 0 || tcpsm__is2(c, TCPSM__N_DEAF))
        return 0;
    tcpsm__ecn_react(c, flight, bytes, e);
    return 1;
}

/* RFC 4015 s3.4: with a mark, no reduction is taken back. e is filled in anew
   when there was one; not looked at when nothing was delivered. */
TCPSM__FN int tcpsm__ecn_ack(tcpsm_conn *c, const struct tcpsm__seg *s,
                             uint32_t flight, uint32_t delivered,
                             tcpsm_cc_event *e)
{
    int marked = tcpsm__ecn_marked(c, s, flight, delivered, e);
    if (marked)
        c->flags2 &= ~(TCPSM__N_UNDO | TCPSM__N_FRTO_1 | TCPSM__N_FRTO_2);
    return marked;
}
#endif

/* --- what may be sent: the one predicate --- */

/* Bytes of flight that congestion control allows. RFC5681-11: one segment
   more for each of the first two duplicate ACKs (limited transmit); with
   SACK what they report is out of flight already (RFC6675-8). */
TCPSM__FN uint32_t tcpsm__cwnd(const tcpsm_conn *c)
{
    uint32_t extra = 0;
    if (!tcpsm__sack_on(c) && !tcpsm__is(c, TCPSM__F_RECOVERY) &&
        c->dupacks < 3)
        extra = c->dupacks * tcpsm__smss(c);
    return c->cc.cwnd + extra;
}

TCPSM__FN uint32_t tcpsm__flight(const tcpsm_conn *c)
{
    return c->snd_nxt - c->snd_una - c->oof;
}

/* Does something wait to be sent again? */
TCPSM__FN int tcpsm__has_lost(const tcpsm_conn *c)
{
    struct tcpsm__runs r;
    if (c->oof == 0)
        return 0;
    r = tcpsm__runs_in(c);
    return tcpsm__runs_lost(&r) < r.n;
}

/* Bytes of send window left from seq on; RFC9293-MUST-34: may be negative,
   which is none (RFC9293-SHLD-15). */
TCPSM__FN uint32_t tcpsm__window_left(const tcpsm_conn *c, uint32_t seq)
{
    return tcpsm__seq_ahead(seq, c->snd_una + c->snd_wnd);
}

/* Is a segment of len, of the unsent bytes, one to send now? RFC 9293
   s3.8.6.2.1 (RFC9293-MUST-38) and Nagle (RFC9293-SHLD-7). `whole`: it
   takes all that is queued, or reaches a record's end. */
TCPSM__FN int tcpsm__worth_sending(const tcpsm_conn *c, uint32_t len,
                                   uint32_t unsent, int record)
{
    int whole = record || len == unsent;
    int last = tcpsm__is(c, TCPSM__F_FIN_QUEUED);
    int nagle = tcpsm__snd_base(c) != c->snd_nxt && /* a SYN is no data */
                !(c->opts & TCPSM_NODELAY) && !(whole && last);
    int corked =
        tcpsm__is(c, TCPSM__F_CORK | TCPSM__F_MORE) && !last && !record;
    uint32_t most = (uint32_t)c->wnd_max << tcpsm__snd_shift(c);
    if (len >= tcpsm__full(c))
        return 1; /* RFC9293-SHLD-28 */
    if (tcpsm__is(c, TCPSM__F_OVERRIDE))
        return 1;
    if (nagle)
        return 0;
    if (whole && !corked)
        return 1;
    return len >= tcpsm__max(most / 2, 1) && (len < unsent || !corked);
}

/* How many new bytes the next data segment would carry; 0: none now. */
TCPSM__FN uint32_t tcpsm__new_len(const tcpsm_conn *c)
{
    uint32_t unsent = tcpsm__unsent(c), len, to_eor, flight;
    int record = 0;
    if (unsent == 0 || !tcpsm__writes(c))
        return 0;
    len = tcpsm__min(unsent, tcpsm__window_left(c, c->snd_nxt));
    len = tcpsm__min(len, tcpsm__full(c));
    if (tcpsm__is(c, TCPSM__F_EOR)) {
        to_eor = tcpsm__seq_ahead(c->snd_nxt, c->eor);
        if (to_eor != 0 && to_eor <= len) {
            len = to_eor;
            record = 1;
        }
    }
    if (len == 0 || !tcpsm__worth_sending(c, len, unsent, record))
        return 0;
    if (!tcpsm__is2(c, TCPSM__N_FRTO_2) && tcpsm__has_lost(c))
        return 0; /* those go first */
    flight = tcpsm__flight(c);
    return flight == 0 || flight + len <= tcpsm__cwnd(c) ? len : 0;
}

/* May a FIN without text go now? */
TCPSM__FN int tcpsm__bare_fin(const tcpsm_conn *c)
{
    if (!tcpsm__fin_unsent(c) || !tcpsm__writes(c))
        return 0;
    if (tcpsm__unsent(c) != 0)
        return 0;
    return !tcpsm__has_lost(c) && tcpsm__window_left(c, c->snd_nxt) != 0;
}

/* The lost run to send again now, and how much of it; 0: none. Inside the
   window, even a shrunk one (RFC9293-SHLD-16). */
TCPSM__FN uint32_t tcpsm__resend_len(const tcpsm_conn *c, uint32_t *run)
{
    struct tcpsm__runs r;
    uint32_t len, flight;
    if (c->oof == 0 || !tcpsm__writes(c) || tcpsm__is2(c, TCPSM__N_FRTO_2))
        return 0;
    r = tcpsm__runs_in(c);
    *run = tcpsm__runs_lost(&r);
    if (*run == r.n)
        return 0;
    len = tcpsm__window_left(c, tcpsm__run_start(&r, *run));
    len = tcpsm__min(len, tcpsm__run_len(&r, *run));
    len = tcpsm__min(len, tcpsm__full(c));
    if (tcpsm__is(c, TCPSM__F_FORCE))
        return len;
    flight = tcpsm__runs_flight(&r);
    return flight == 0 || flight + len <= c->cc.cwnd ? len : 0;
}

/* --- which timers should run --- */

/* RFC8985-11, -12: is a tail loss probe what comes next? */
TCPSM__FN int tcpsm__wants_tlp(const tcpsm_conn *c)
{
    return tcpsm__sack_on(c) && c->oof == 0 && c->srtt != 0 &&
           !tcpsm__is(c, TCPSM__F_RECOVERY) &&
           (c->flags2 & (TCPSM__N_LOSS | TCPSM__N_TLP | TCPSM__N_SAMPLED)) ==
               TCPSM__N_SAMPLED &&
           c->backoff == 0;
}

TCPSM__FN uint32_t tcpsm__want_rtx(const tcpsm_conn *c)
{
    uint32_t out = tcpsm__outstanding(c);
    if (c->state < TCPSM_SYN_SENT || c->state == TCPSM_TIME_WAIT)
        return TCPSM__RTX_NONE;
    if (tcpsm__is(c, TCPSM__F_SYN_OUT))
        return out != 0 ? TCPSM__RTX_RTO : TCPSM__RTX_NONE;
    if (out == 0 && tcpsm__unsent(c) == 0 && !tcpsm__fin_unsent(c))
        return TCPSM__RTX_NONE;
    if (c->snd_wnd == 0)
        return TCPSM__RTX_PERSIST; /* RFC9293-MUST-35 */
    if (out == 0)
        return TCPSM__RTX_FLUSH;
    if (tcpsm__is2(c, TCPSM__N_REO))
        return TCPSM__RTX_REO;
    return tcpsm__wants_tlp(c) ? TCPSM__RTX_TLP : TCPSM__RTX_RTO;
}

TCPSM__FN uint32_t tcpsm__want_aux(const tcpsm_conn *c)
{
    if (c->state == TCPSM_TIME_WAIT)
        return TCPSM__AUX_TIME_WAIT;
    if (c->state == TCPSM_FIN_WAIT_2 && tcpsm__is(c, TCPSM__F_CLOSED))
        return TCPSM__AUX_FIN_2;
    if (!tcpsm__is(c, TCPSM__F_KEEP))
        return TCPSM__AUX_NONE;
    if (c->state != TCPSM_ESTABLISHED && c->state != TCPSM_CLOSE_WAIT &&
        c->state != TCPSM_FIN_WAIT_2)
        return TCPSM__AUX_NONE;
    if (tcpsm__outstanding(c) != 0 || c->snd_len != 0)
        return TCPSM__AUX_NONE; /* RFC9293-MUST-26 */
    return TCPSM__AUX_KEEP;
}

/* A linger time is a limit: progress does not prolong it. */
TCPSM__FN int tcpsm__lingers(const tcpsm_conn *c)
{
    return tcpsm__is(c, TCPSM__F_CLOSED) && c->k_linger != TCPSM__K_OFF;
}

/* The user timeout now in force, in us; TCPSM_NEVER: none. */
TCPSM__FN tcpsm_time tcpsm__uto(const tcpsm_conn *c)
{
    uint16_t k = c->k_uto;
    tcpsm_time t, l;
    if (c->state == TCPSM_SYN_SENT)
        k = c->k_syn_limit;
    t = k == TCPSM__K_OFF ? TCPSM_NEVER : tcpsm__ms(k);
    if (!tcpsm__lingers(c))
        return t;
    l = tcpsm__ms(c->k_linger);
    return l < t ? l : t;
}

TCPSM__FN int tcpsm__want_uto(const tcpsm_conn *c)
{
    if (c->state < TCPSM_SYN_SENT || c->state == TCPSM_TIME_WAIT)
        return 0;
    if (c->state == TCPSM_SYN_RECEIVED && tcpsm__is(c, TCPSM__F_PASSIVE))
        return 0; /* limited by TCPSM__SYN_ACKS */
    if (tcpsm__uto(c) == TCPSM_NEVER)
        return 0;
    if (tcpsm__lingers(c))
        return c->snd_len != 0 || tcpsm__outstanding(c) != 0 ||
               tcpsm__fin_unsent(c);
    if (tcpsm__want_rtx(c) == TCPSM__RTX_PERSIST)
        /* RFC9293-MUST-37: as long as an owner wants it, and probes are
           answered, it lives. Without an owner it is bounded. */
        return tcpsm__is(c, TCPSM__F_CLOSED) ||
               (c->more & TCPSM__M_PROBED) != 0;
    return tcpsm__outstanding(c) != 0;
}

/* Do the timers not match what should run? (Stream calls know no time:
   the next output arms what they made necessary.) */
TCPSM__FN int tcpsm__unsynced(const tcpsm_conn *c)
{
    uint32_t rtx = tcpsm__want_rtx(c), aux = tcpsm__want_aux(c);
    if (rtx != tcpsm__rtx_kind(c) ||
        (rtx != TCPSM__RTX_NONE) != ((c->timers & TCPSM__T_RTX) != 0))
        return 1;
    if (aux != tcpsm__aux_kind(c) ||
        (aux != TCPSM__AUX_NONE) != ((c->timers & TCPSM__T_AUX) != 0))
        return 1;
    return tcpsm__want_uto(c) != ((c->timers & TCPSM__T_UTO) != 0);
}

#define TCPSM__TLP_ACK_DELAY 200000u /* a peer's delayed ACK, at most */

/* RFC8985-11; the RTO counts from the oldest segment's sending. A clock or a
   caller that is late by G at both ends must not cause a probe: 2 G more,
   which a clock of 1 us has not. */
TCPSM__FN uint32_t tcpsm__pto(const tcpsm_conn *c)
{
    struct tcpsm__runs r = tcpsm__runs_in(c);
    uint32_t t = 2 * (c->srtt + tcpsm__tick_us(c) - 1);
    uint32_t rto = tcpsm__rto(c), now = tcpsm__now32(c), end;
    if (tcpsm__outstanding(c) <= tcpsm__smss(c))
        t += TCPSM__TLP_ACK_DELAY;
    end = tcpsm__run_last(&r, 0) + rto;
    if (tcpsm__rtx_kind(c) == TCPSM__RTX_TLP &&
        (c->timers & TCPSM__T_RTX)) /* never later than what already runs */
        end = tcpsm__seq_max(end, c->rtx_at);
    else
        end = now + rto;
    return tcpsm__min(t, tcpsm__seq_ahead(now, end));
}

TCPSM__FN tcpsm_time tcpsm__rtx_time(const tcpsm_conn *c, uint32_t kind)
{
    if (kind == TCPSM__RTX_FLUSH)
        return TCPSM__FLUSH_US;
    if (kind == TCPSM__RTX_TLP)
        return tcpsm__pto(c);
    /* RFC9293-SHLD-29, RFC9293-SHLD-30 for persist */
    return tcpsm__rto_backed(c,
                             kind == TCPSM__RTX_RTO ? c->backoff : c->probes);
}

TCPSM__FN tcpsm_time tcpsm__aux_time(const tcpsm_conn *c, uint32_t kind)
{
    if (kind == TCPSM__AUX_KEEP)
        return tcpsm__ms(c->probes ? c->k_keep_interval : c->k_keep_idle);
    return 2 * tcpsm__ms(c->k_msl); /* RFC9293-MUST-13 */
}

/* One of the three timers of data in flight (RFC8985-16)? */
TCPSM__FN int tcpsm__rtx_of_data(uint32_t kind)
{
    return kind == TCPSM__RTX_RTO || kind >= TCPSM__RTX_TLP;
}

TCPSM__FN void tcpsm__sync(tcpsm_conn *c)
{
    uint32_t rtx = tcpsm__want_rtx(c), aux = tcpsm__want_aux(c);
    int data = tcpsm__rtx_of_data(tcpsm__rtx_kind(c));
    if (rtx != TCPSM__RTX_PERSIST)
        c->flags &= ~TCPSM__F_PROBE_DUE;
    if (rtx != TCPSM__RTX_REO)
        c->flags2 &= ~TCPSM__N_REO;
    if (rtx != TCPSM__RTX_TLP)
        c->flags2 &= ~TCPSM__N_TLP_DUE;
    if (aux != TCPSM__AUX_KEEP)
        c->flags &= ~TCPSM__F_KEEP_DUE;
    if (rtx != tcpsm__rtx_kind(c)) {
        c->more = (uint8_t)((c->more & ~TCPSM__M_KIND) | rtx);
        tcpsm__disarm(c, TCPSM__T_RTX);
        if (!data || !tcpsm__rtx_of_data(rtx))
            c->probes = 0;
    }
    if (rtx != TCPSM__RTX_NONE && !(c->timers & TCPSM__T_RTX))
        tcpsm__arm(c, TCPSM__T_RTX, tcpsm__rtx_time(c, rtx));
    if (aux != tcpsm__aux_kind(c)) {
        tcpsm__disarm(c, TCPSM__T_AUX);
        c->timers = (uint8_t)((c->timers & ~TCPSM__T_KIND) | aux << 4);
        if (aux == TCPSM__AUX_KEEP)
            c->probes = 0;
    }
    if (aux != TCPSM__AUX_NONE && !(c->timers & TCPSM__T_AUX))
        tcpsm__arm(c, TCPSM__T_AUX, tcpsm__aux_time(c, aux));
    if (!tcpsm__want_uto(c))
        tcpsm__disarm(c, TCPSM__T_UTO);
    else if (!(c->timers & TCPSM__T_UTO))
        tcpsm__arm(c, TCPSM__T_UTO, tcpsm__uto(c));
}

/* --- what output would do: one predicate, one place --- */

enum {
    TCPSM__DO_NOTHING,
    TCPSM__DO_RST,
    TCPSM__DO_REPLY_RST,
    TCPSM__DO_SYN,
    TCPSM__DO_DUPACK,
    TCPSM__DO_RESEND,
    TCPSM__DO_TLP,
    TCPSM__DO_DATA,
    TCPSM__DO_PROBE,
    TCPSM__DO_KEEP,
    TCPSM__DO_ACK,
    TCPSM__DO_SYNC
};

/* Must text wait for its time? What a timeout resends never does. */
TCPSM__FN int tcpsm__held(const tcpsm_conn *c)
{
    return (c->timers & TCPSM__T_PACE) && !tcpsm__is(c, TCPSM__F_FORCE);
}

#if !TCPSM__TINY
TCPSM__FN int tcpsm__waits_for_pace(const tcpsm_conn *c)
{
    uint32_t run;
    return tcpsm__held(c) && (tcpsm__resend_len(c, &run) != 0 ||
                              tcpsm__new_len(c) != 0 || tcpsm__bare_fin(c));
}
#endif

TCPSM__FN int tcpsm__plan(const tcpsm_conn *c)
{
    uint32_t run;
    int held = tcpsm__held(c);
    if (tcpsm__is(c, TCPSM__F_RST_DUE))
        return TCPSM__DO_RST;
    if (c->state <= TCPSM_LISTEN)
        return TCPSM__DO_NOTHING;
    if (tcpsm__is(c, TCPSM__F_REPLY_RST))
        return TCPSM__DO_REPLY_RST;
    if (tcpsm__is(c, TCPSM__F_SYN_DUE))
        return TCPSM__DO_SYN;
    if (c->owed != 0)
        return TCPSM__DO_DUPACK;
    if (tcpsm__is2(c, TCPSM__N_ACE) && tcpsm__is(c, TCPSM__F_ACE_3RD) &&
        tcpsm__is(c, TCPSM__F_ACK_NOW) && !tcpsm__is(c, TCPSM__F_PASSIVE) &&
        tcpsm__synchronized(c))
        return TCPSM__DO_ACK; /* RFC 9768 s3.2.2.1: a pure ACK first */
    if (!held && tcpsm__resend_len(c, &run) != 0)
        return TCPSM__DO_RESEND;
    if (tcpsm__is2(c, TCPSM__N_TLP_DUE) && c->runs_n != 0 &&
        tcpsm__want_rtx(c) == TCPSM__RTX_TLP)
        return TCPSM__DO_TLP;
    if (!held && (tcpsm__new_len(c) != 0 || tcpsm__bare_fin(c)))
        return TCPSM__DO_DATA;
    if (tcpsm__is(c, TCPSM__F_PROBE_DUE) &&
        tcpsm__want_rtx(c) == TCPSM__RTX_PERSIST)
        return TCPSM__DO_PROBE;
    if (tcpsm__is(c, TCPSM__F_KEEP_DUE))
        return TCPSM__DO_KEEP;
    if (tcpsm__is(c, TCPSM__F_ACK_NOW))
        return TCPSM__DO_ACK;
    return tcpsm__unsynced(c) ? TCPSM__DO_SYNC : TCPSM__DO_NOTHING;
}

TCPSM_DEF tcpsm_time tcpsm_deadline(const tcpsm_conn *c)
{
    uint32_t which;
    tcpsm_time t;
    if (tcpsm__plan(c) != TCPSM__DO_NOTHING)
        return 0;
    t = tcpsm__earliest(c, &which);
    return t <= c->now ? 0 : t;
}

/* --- life and death --- */

/* Forgets everything of the last connection but what the owner set. */
TCPSM__FN void tcpsm__forget(tcpsm_conn *c)
{
    struct tcpsm__runs r = tcpsm__runs_of(c);
    struct tcpsm__ranges g = tcpsm__ranges_of(c);
    c->flags &= TCPSM__F_OWNER;
    c->more = c->timers = 0;
    memset(r.end, 0, (size_t)r.cap * sizeof *r.end);
    memset(r.first, 0, (size_t)r.cap * sizeof *r.first);
    memset(r.meta, 0, (size_t)r.cap * sizeof *r.meta);
    memset(g.start, 0, (size_t)g.cap * sizeof *g.start);
    memset(g.end, 0, (size_t)g.cap * sizeof *g.end);
    memset(g.order, 0, g.cap);
    memset(&c->cc, 0, sizeof c->cc);
    memset(c->dsack_seq, 0, sizeof c->dsack_seq);
    memset(c->dsack_len, 0, sizeof c->dsack_len);
    c->rcv_nxt = c->rcv_edge = c->last_ack = c->rcv_head = c->rcv_len = 0;
    c->snd_una = c->snd_nxt = c->snd_wnd = c->snd_wl1 = 0;
    c->snd_head = c->snd_len = 0;
    c->rtx_at = c->ack_at = c->aux_lo = c->uto_lo = 0;
    c->aux_hi = c->uto_hi = 0;
    c->srtt = c->rttvar = c->min_rtt = 0;
    c->ts_recent = c->ts_offset = c->snd_up = c->rcv_up = 0;
    c->recover = c->eor = c->oof = 0;
    memset(&c->u, 0, sizeof c->u);
    if (tcpsm__is2(c, TCPSM__N_FO)) {
        memset(c->range_start, 0, sizeof c->range_start);
        memset(c->range_end, 0, sizeof c->range_end);
    }
    c->flags2 &= TCPSM__N_CONFIG;
#if !TCPSM__TINY
    c->pace_at = c->rack_xmit = c->rack_end = 0;
    c->rack_rtt = c->prior_cwnd = c->prior_ssthresh = c->pmtu = 0;
    c->reo = c->undo_n = 0;
    memset(c->acc, 0, sizeof c->acc);
#endif
    c->min_next = 0;
    c->min_age = 0;
    c->ptb_mtu = c->wnd_max = c->ts_age = c->chal_at = 0;
    c->scales = (uint8_t)(c->opts >> 12);
    c->error = c->soft = c->dupacks = c->backoff = c->probes = 0;
    c->owed = c->ack_segs = c->chal_n = c->ranges_n = 0;
    c->runs_n = 0;
    c->tos_seen = 0;
}

/* Nothing more is to be sent or received; unread bytes stay readable. */
TCPSM__FN void tcpsm__flush(tcpsm_conn *c)
{
    struct tcpsm__runs r = tcpsm__runs_of(c);
    struct tcpsm__ranges g = tcpsm__ranges_of(c);
    tcpsm__runs_delete(&r, 0, r.n);
    c->runs_n = 0;
    c->oof = 0;
    if (tcpsm__prr_on(c))
        memset(&c->u, 0, sizeof c->u);
    c->flags2 &= TCPSM__N_CONFIG | TCPSM__N_ACE | TCPSM__N_ECN |
                 TCPSM__N_CEP | TCPSM__N_NO_ECT | TCPSM__N_FO;
    if (g.n != 0)
        tcpsm__ranges_cut(&g, 0, g.n);
    c->ranges_n = 0;
    c->snd_una = c->snd_nxt;
    c->snd_len = c->snd_head = 0;
    c->flags &= TCPSM__F_OWNER | TCPSM__F_LISTENER | TCPSM__F_PASSIVE |
                TCPSM__F_FIN_RCVD | TCPSM__F_FIN_QUEUED | TCPSM__F_FIN_SENT |
                TCPSM__F_CLOSED | TCPSM__F_TS | TCPSM__F_SACK | TCPSM__F_WS |
                TCPSM__F_RCV_URG | TCPSM__F_ACK_NOW;
    c->owed = c->ack_segs = c->dupacks = c->backoff = c->probes = 0;
    memset(c->dsack_seq, 0, sizeof c->dsack_seq);
    memset(c->dsack_len, 0, sizeof c->dsack_len);
    tcpsm__disarm(c, TCPSM__T_ALL);
    c->timers = 0;
#if !TCPSM__TINY
    c->pace_at = 0;
#endif
    c->more &= TCPSM__M_TS_VALID | TCPSM__M_SENT;
    c->eor = c->recover = c->snd_up = 0;
    c->ptb_mtu = 0;
}

/* CLOSED, with an error (0: a normal end). */
TCPSM__FN void tcpsm__finish(tcpsm_conn *c, tcpsm_ret error)
{
    tcpsm__flush(c);
    c->flags &= ~TCPSM__F_ACK_NOW;
    tcpsm__set_state(c, TCPSM_CLOSED);
    tcpsm__raise(c, TCPSM_EV_DONE);
    if (error == 0)
        return;
    c->error = (uint8_t)-error;
    tcpsm__raise(c, TCPSM_EV_ERROR);
    TCPSM__COUNT(c, failed, 1);
}

/* CLOSED once a reset has gone out. SND.NXT is kept for it, and may not
   lie beyond the peer's window or the peer could not believe it. */
TCPSM__FN void tcpsm__reset(tcpsm_conn *c, tcpsm_ret error)
{
    uint32_t seq = tcpsm__ack_seq(c);
    tcpsm__finish(c, error);
    c->snd_una = c->snd_nxt = seq;
    c->events = (uint16_t)(c->events & ~(uint32_t)TCPSM_EV_DONE);
    c->flags |= TCPSM__F_RST_DUE;
}

/* SYN-RECEIVED that came from LISTEN goes back there; what the wildcards
   let in is forgotten (erratum 8710). */
TCPSM__FN void tcpsm__relisten(tcpsm_conn *c)
{
    uint32_t keep = c->flags & TCPSM__F_LISTENER;
    uint16_t limit = c->ptb_mtu;
    if (tcpsm__is(c, TCPSM__F_CLOSED)) { /* by an owner who has left */
        tcpsm__finish(c, 0);
        return;
    }
    tcpsm__forget(c);
    c->ptb_mtu = limit;
    c->mtu = c->link_mtu;
    c->mss = 0;
    c->flags |= keep | TCPSM__F_PASSIVE;
    if (keep & TCPSM__F_ANY_LOCAL)
        memset(c->local, 0, 16);
    if (keep & TCPSM__F_ANY_REMOTE)
        memset(c->remote, 0, 16);
    if (keep & TCPSM__F_ANY_RPORT)
        c->remote_port = 0;
    tcpsm__choose_scale(c);
    tcpsm__set_state(c, TCPSM_LISTEN);
}

TCPSM__FN void tcpsm__time_wait(tcpsm_conn *c)
{
    tcpsm__flush(c); /* turn off the other timers */
    tcpsm__set_state(c, TCPSM_TIME_WAIT);
}

/* RFC9293-MUST-45: what was there at the handshake, ever after. */
TCPSM__FN void tcpsm__tuple_of(const tcpsm_conn *c, tcpsm_tuple *t)
{
    memcpy(t->local, c->local, 16);
    memcpy(t->remote, c->remote, 16);
    t->local_port = c->local_port;
    t->remote_port = c->remote_port;
    t->zone = c->zone;
    t->family = tcpsm__family(c);
    t->zero = 0;
}

/* F(local, remote, key) of RFC 6528 s3, for a purpose. */
TCPSM__FN uint64_t tcpsm__name_hash(const uint8_t key[16],
                                    const tcpsm_tuple *t, uint8_t purpose)
{
    uint8_t b[40];
    memcpy(b, t->local, 16);
    memcpy(b + 16, t->remote, 16);
    tcpsm__put16(b + 32, t->local_port);
    tcpsm__put16(b + 34, t->remote_port);
    tcpsm__put16(b + 36, t->zone);
    b[38] = t->family;
    b[39] = purpose;
    return tcpsm__siphash(key, b, 40);
}

TCPSM__FN uint32_t tcpsm__tuple_hash(const tcpsm_conn *c, uint8_t purpose)
{
    tcpsm_tuple t;
    tcpsm__tuple_of(c, &t);
    return (uint32_t)tcpsm__name_hash(c->key, &t, purpose);
}

/* RFC6528-1: ISN = M + F, M ticking every 4 us (RFC9293-MUST-8, RFC9293-MUST-9,
   RFC9293-SHLD-1); and the timestamp offset (RFC7323-15), which has no clock in
   it. Beyond the SND.NXT of the last connection, if that one had the same
   name (RFC9293-MAY-2): begin() left it in SND.NXT, and F in recover. */
TCPSM__FN void tcpsm__isn(tcpsm_conn *c)
{
    uint32_t f = tcpsm__tuple_hash(c, 0);
    uint32_t iss = (uint32_t)(c->now >> 2) + f;
    if (c->recover == f && tcpsm__seq_le(iss, c->snd_nxt))
        iss = c->snd_nxt + 0x10000u;
    c->snd_una = c->snd_nxt = c->snd_up = c->recover = iss;
    if (TCPSM__HAVE_OPTIONS)
        c->ts_offset = tcpsm__tuple_hash(c, 1);
}

/* --- addresses (RFC9293-MUST-46, RFC9293-MUST-57, RFC9293-MUST-63) --- */

/* May this be somebody's address on the wire? */
TCPSM__FN int tcpsm__unicast(const uint8_t *a, uint8_t family, int loopback)
{
    if (family == 4) {
        if (a[0] == 0 || a[0] >= 224)
            return 0;
        return a[0] != 127 || loopback;
    }
    if (a[0] == 0xFF)
        return 0;
    if (!tcpsm__bytes_zero(a, 15))
        return 1;
    return a[15] > 1 || (a[15] == 1 && loopback);
}

TCPSM__FN int tcpsm__any_or_unicast(const uint8_t *a, uint8_t family)
{
    return tcpsm__bytes_zero(a, 16) || tcpsm__unicast(a, family, 1);
}

TCPSM__FN int tcpsm__tuple_ok(const tcpsm_tuple *t)
{
    if (t->family != 4 && t->family != 6)
        return 0;
    return t->family == 6 || (tcpsm__bytes_zero(t->local + 4, 12) &&
                              tcpsm__bytes_zero(t->remote + 4, 12));
}

TCPSM__FN void tcpsm__take_tuple(tcpsm_conn *c, const tcpsm_tuple *t)
{
    memcpy(c->local, t->local, 16);
    memcpy(c->remote, t->remote, 16);
    c->local_port = t->local_port;
    c->remote_port = t->remote_port;
    c->zone = t->zone;
    c->opts = (uint16_t)(c->opts & ~(TCPSM__O_V6 | TCPSM__O_ANY_FAMILY));
    if (t->family == 0)
        c->opts = (uint16_t)(c->opts | TCPSM__O_ANY_FAMILY);
    if (t->family == 6)
        c->opts = (uint16_t)(c->opts | TCPSM__O_V6);
}

/* --- initialisation and the OPEN calls (RFC 9293 s3.10.1) --- */

TCPSM__FN uint32_t tcpsm__or(uint32_t v, uint32_t dflt)
{
    return v != 0 ? v : dflt;
}

/* A pacing rate, per cent, in quarters; 0: the default. */
TCPSM__FN int tcpsm__pace_ok(uint32_t percent)
{
    return percent == 0 || (percent >= 25 && percent <= 375);
}

TCPSM__FN uint32_t tcpsm__pace_enc(uint32_t percent)
{
    return (percent + 12) / 25;
}

TCPSM__FN int tcpsm__config_ok(const tcpsm_config *f)
{
    if (f->flags & ~(uint32_t)(TCPSM__O_FLAGS | TCPSM__O_MORE))
        return 0;
    if (!tcpsm__pace_ok(f->pace_start) || !tcpsm__pace_ok(f->pace_steady))
        return 0;
    if (f->rcv_max > TCPSM_MAX_RING || f->dscp > 63)
        return 0;
    if (f->cc != NULL && f->cc->id > 255)
        return 0;
    if (f->mtu != 0 && f->mtu < TCPSM__MTU_LEAST)
        return 0;
    if (f->msl_ms == TCPSM_OFF || f->keep_idle_ms == TCPSM_OFF ||
        f->keep_interval_ms == TCPSM_OFF)
        return 0;
    if (f->keep_count == 1)
        return 0; /* RFC9293-MUST-29 */
    if (f->ack_delay_us != TCPSM_OFF && f->ack_delay_us > 499999u)
        return 0;
    if (f->rto_max_ms > 1800000u)
        return 0;
    return f->clock_us <= 10000000u && f->rto_min_us <= 60000000u;
}

/* RFC9293-MUST-40: below 0.5 s, also when rounded */
TCPSM__FN uint16_t tcpsm__k_delay(uint32_t v)
{
    return tcpsm__k_enc(v == TCPSM_OFF ? v : tcpsm__min(v, 499900u));
}

TCPSM__FN void tcpsm__knobs(tcpsm_conn *c, const tcpsm_config *f)
{
    c->clock = tcpsm__clock_enc(tcpsm__or(f->clock_us, 1));
    c->flags2 = f->flags >> 10 & TCPSM__N_CONFIG;
#if !TCPSM__TINY
    c->pace = (uint8_t)(tcpsm__pace_enc(tcpsm__or(f->pace_start, 200)) << 4 |
                        tcpsm__pace_enc(tcpsm__or(f->pace_steady, 125)));
#endif
    c->k_ack_delay = tcpsm__k_delay(tcpsm__or(f->ack_delay_us, 40000));
    c->k_rto_min = tcpsm__k_enc(tcpsm__or(f->rto_min_us, 200000));
    c->k_rto_max = tcpsm__k_enc(tcpsm__or(f->rto_max_ms, 120000));
    c->k_syn_limit = tcpsm__k_enc(tcpsm__or(f->syn_limit_ms, 180000));
    c->k_uto = tcpsm__k_enc(tcpsm__or(f->user_timeout_ms, 300000));
    c->k_keep_idle = tcpsm__k_enc(tcpsm__or(f->keep_idle_ms, 7200000));
    c->k_keep_interval = tcpsm__k_enc(tcpsm__or(f->keep_interval_ms, 75000));
    c->k_msl = tcpsm__k_enc(tcpsm__or(f->msl_ms, 30000));
    c->k_linger = TCPSM__K_OFF;
    c->lowat = tcpsm__size_enc(1);
    c->promise = tcpsm__size_enc(f->rcv_promise);
    c->mtu = c->link_mtu = (uint16_t)tcpsm__or(f->mtu, 1500);
    c->iw = (uint8_t)tcpsm__or(f->initial_segments, 10);
    c->keep_count = (uint8_t)tcpsm__or(f->keep_count, 9);
    c->tos = (uint8_t)(f->dscp << 2);
    c->ttl = (uint8_t)tcpsm__or(f->ttl, 64);
    c->ack_every = (uint8_t)tcpsm__or(f->ack_every, 2);
    c->chal_limit = (uint8_t)tcpsm__or(f->challenge_limit, 10);
}

TCPSM_DEF tcpsm_ret tcpsm_init_(tcpsm_conn *c, const tcpsm_config *f,
                                size_t size, uint32_t abi)
{
    uint8_t scale;
    if (size != sizeof *c || abi != TCPSM_ABI)
        return TCPSM_E_ABI;
    if (c == NULL || f == NULL || !tcpsm__config_ok(f))
        return TCPSM_E_ARG;
    if (tcpsm__bytes_zero(f->key, 16))
        return TCPSM_E_KEY;
    memset(c, 0, sizeof *c);
    memcpy(c->key, f->key, 16);
    c->p.cc = f->cc;
    c->p.counters = f->counters;
    c->p.user = f->user;
    scale = tcpsm__scale_for(tcpsm__max(f->rcv_max, f->rcv_promise));
    c->opts = (uint16_t)((f->flags & TCPSM__O_FLAGS) | (uint32_t)scale << 12);
    tcpsm__knobs(c, f);
    return 0;
}

TCPSM__FN void tcpsm__begin(tcpsm_conn *c, const tcpsm_tuple *t,
                            tcpsm_time now)
{
    uint16_t limit = c->ptb_mtu;
    uint32_t nxt = c->snd_nxt, f = 0;
    if (c->local_port != 0)
        f = tcpsm__tuple_hash(c, 0); /* the last connection's */
    tcpsm__forget(c);
    c->ptb_mtu = limit;
    c->mtu = c->link_mtu; /* what was learned belongs to another path */
    c->events = 0;
    tcpsm__take_tuple(c, t);
    tcpsm__tick(c, now);
    c->snd_una = c->snd_nxt = nxt;
    c->recover = f;
    tcpsm__choose_scale(c);
}

TCPSM_DEF tcpsm_ret tcpsm_open(tcpsm_conn *c, const tcpsm_tuple *t,
                               tcpsm_time now)
{
    int lo;
    if (c == NULL || t == NULL || !tcpsm__tuple_ok(t))
        return TCPSM_E_ARG;
    if (tcpsm__owned(c))
        return TCPSM_E_OWNED;
    lo = (c->opts & TCPSM_LOOPBACK) != 0;
    if (!tcpsm__unicast(t->remote, t->family, lo) ||
        !tcpsm__unicast(t->local, t->family, lo) || t->local_port == 0 ||
        t->remote_port == 0)
        return TCPSM_E_ARG; /* RFC9293-MUST-44, RFC9293-MUST-46 */
    if (c->state != TCPSM_CLOSED || tcpsm__is(c, TCPSM__F_RST_DUE))
        return TCPSM_E_STATE;
    tcpsm__begin(c, t, now);
    tcpsm__isn(c);
    c->flags |= TCPSM__F_SYN_OUT | TCPSM__F_SYN_DUE;
    tcpsm__set_state(c, TCPSM_SYN_SENT);
    tcpsm__sync(c);
    tcpsm__wake_up(c);
    return 0;
}

#if !TCPSM__TINY
#define TCPSM__FO_ASKED 1u   /* what the SYN says: a cookie, or a request */
#define TCPSM__FO_TAKEN 2u   /* the peer took our text */
#define TCPSM__FO_LEARNED 4u /* cookie is the peer's new one */
#define TCPSM__FO_REFUSED 8u
#define TCPSM__FO_HEARD 16u /* mss is the peer's */

/* What a client knows of a Fast Open, in the bytes of the inline ranges
   that no connection uses before text comes out of order. */
struct tcpsm__fo {
    uint8_t *cookie, *len, *flags, *mss; /* 16 bytes, one, one, two */
};
#define TCPSM__FO_ROOM (TCPSM_RANGES >= 3)

TCPSM__FN struct tcpsm__fo tcpsm__fo_of(const tcpsm_conn *c)
{
    struct tcpsm__fo f;
    f.cookie = (uint8_t *)(uintptr_t)(const void *)c +
               offsetof(struct tcpsm_conn, range_start);
    f.len = f.cookie + 16;
    f.flags = f.cookie + 17;
    f.mss = f.cookie + 18;
    return f;
}

/* The ranges need their place. */
TCPSM__FN void tcpsm__fo_forget(tcpsm_conn *c)
{
    if (!tcpsm__is2(c, TCPSM__N_FO) || tcpsm__is(c, TCPSM__F_PASSIVE))
        return;
    memset(c->range_start, 0, sizeof c->range_start);
    memset(c->range_end, 0, sizeof c->range_end);
    c->flags2 &= ~TCPSM__N_FO;
}

/* RFC7413-3: a MAC over both addresses that only this key makes, and that
   goes with its period of about three days. */
TCPSM__FN void tcpsm__fo_cookie(const uint8_t key[16], const tcpsm_tuple *who,
                                uint32_t period, uint8_t p[8])
{
    tcpsm_tuple t = *who;
    uint64_t v;
    t.local_port = (uint16_t)(period >> 16);
    t.remote_port = (uint16_t)period;
    v = tcpsm__name_hash(key, &t, 0xF0);
    tcpsm__put32(p, (uint32_t)(v >> 32));
    tcpsm__put32(p + 4, (uint32_t)v);
}

TCPSM__FN int tcpsm__fo_good(const uint8_t key[16], const tcpsm_tuple *who,
                             tcpsm_time now, const struct tcpsm__seg *s)
{
    uint32_t period = (uint32_t)(now >> 38), i;
    uint8_t want[8];
    for (i = 0; i < 2 && s->fo_len == 10; i++) {
        tcpsm__fo_cookie(key, who, period - i, want);
        if (tcpsm__bytes_equal(want, s->fo, 8))
            return 1;
    }
    return 0;
}

/* The client's side of the SYN: the option, and how much text goes with it
   (RFC7413-7, erratum 8015). */
TCPSM__FN uint32_t tcpsm__fo_syn(const tcpsm_conn *c, struct tcpsm__seg *s)
{
    struct tcpsm__fo f = tcpsm__fo_of(c);
    uint32_t dflt = tcpsm__family(c) == 4 ? 536 : 1220, mss;
    if (!tcpsm__is2(c, TCPSM__N_FO) || c->probes != 0)
        return 0; /* RFC7413-8 */
    s->fo_len = (uint8_t)(*f.len + 2);
    s->fo = f.cookie;
    if (*f.len == 0)
        return 0;
    mss = tcpsm__or(tcpsm__get16(f.mss), dflt);
    mss = tcpsm__max(mss, TCPSM__MSS_FLOOR);
    mss = tcpsm__min(mss, (uint32_t)c->mtu - tcpsm__ip_len(c) - 20);
    mss -= tcpsm__build_len(s) - 20; /* >= TCPSM__MSS_FLOOR - 40 */
    return tcpsm__min(c->snd_len, mss);
}

/* The answer to a SYN that had the option: what to remember. Text that was
   not taken is as if it had never been sent (RFC7413-11). */
TCPSM__FN void tcpsm__fo_answered(tcpsm_conn *c, const struct tcpsm__seg *s)
{
    struct tcpsm__fo f = tcpsm__fo_of(c);
    if (!tcpsm__is2(c, TCPSM__N_FO) || tcpsm__is(c, TCPSM__F_PASSIVE))
        return;
    if (s->fo_len > 2 && s->fo_len <= 18) {
        memset(f.cookie, 0, 16);
        memcpy(f.cookie, s->fo, s->fo_len - 2u);
        *f.len = (uint8_t)(s->fo_len - 2);
        *f.flags |= TCPSM__FO_LEARNED;
    } else if (*f.len == 0 ||
               (s->ack == c->snd_una + 1 && tcpsm__outstanding(c) > 1)) {
        *f.flags |= TCPSM__FO_REFUSED; /* RFC7413-5 */
    }
    tcpsm__put16(f.mss, c->mss);
    *f.flags |= TCPSM__FO_HEARD;
    if (tcpsm__seq_lt(c->snd_una + 1, s->ack)) {
        *f.flags |= TCPSM__FO_TAKEN;
        *f.flags &= (uint8_t)~TCPSM__FO_REFUSED;
    }
}

/* SEG.ACK has moved SND.UNA to the end of what the peer took. */
TCPSM__FN void tcpsm__fo_take_back(tcpsm_conn *c)
{
    struct tcpsm__runs r = tcpsm__runs_of(c);
    if (!tcpsm__is2(c, TCPSM__N_FO) || tcpsm__is(c, TCPSM__F_PASSIVE) ||
        c->snd_una == c->snd_nxt)
        return;
    tcpsm__runs_delete(&r, 0, r.n);
    r.oof = 0;
    tcpsm__runs_put(c, &r);
    c->snd_nxt = c->snd_una;
}
#endif

/* RFC7413-2 */
TCPSM__FN int tcpsm__fo_sane(const tcpsm_fastopen *f)
{
    return f->len == 0 || (f->len >= 4 && f->len <= 16 && (f->len & 1) == 0);
}

TCPSM_DEF tcpsm_ret tcpsm_fastopen_use(tcpsm_conn *c, const tcpsm_fastopen *f)
{
    if (c == NULL || f == NULL || !tcpsm__fo_sane(f))
        return TCPSM_E_ARG;
    if (c->state != TCPSM_SYN_SENT || c->snd_nxt != c->snd_una)
        return TCPSM_E_STATE;
#if !TCPSM__TINY
    if (!f->refused && TCPSM__FO_ROOM) {
        struct tcpsm__fo a = tcpsm__fo_of(c);
        memcpy(a.cookie, f->cookie, f->len);
        *a.len = f->len;
        *a.flags = TCPSM__FO_ASKED;
        tcpsm__put16(a.mss, f->mss);
        c->flags2 |= TCPSM__N_FO;
    }
#endif
    return 0;
}

TCPSM_DEF tcpsm_ret tcpsm_open_fast(tcpsm_conn *c, const tcpsm_tuple *t,
                                    const tcpsm_fastopen *f, tcpsm_time now)
{
    tcpsm_ret e;
    if (f != NULL && !tcpsm__fo_sane(f))
        return TCPSM_E_ARG;
    e = tcpsm_open(c, t, now);
    return e < 0 || f == NULL ? e : tcpsm_fastopen_use(c, f);
}

TCPSM_DEF tcpsm_ret tcpsm_fastopen_learn(const tcpsm_conn *c,
                                         tcpsm_fastopen *f)
{
    tcpsm_fastopen old;
    if (c == NULL || f == NULL)
        return TCPSM_E_ARG;
    old = *f;
#if !TCPSM__TINY
    if (tcpsm__is2(c, TCPSM__N_FO) && !tcpsm__is(c, TCPSM__F_PASSIVE)) {
        struct tcpsm__fo a = tcpsm__fo_of(c);
        if (*a.flags & TCPSM__FO_LEARNED) {
            memcpy(f->cookie, a.cookie, 16);
            f->len = *a.len;
        }
        if (*a.flags & TCPSM__FO_HEARD)
            f->mss = (uint16_t)tcpsm__get16(a.mss);
        f->refused = (*a.flags & TCPSM__FO_REFUSED) != 0;
    }
#endif
    return !tcpsm__bytes_equal((const uint8_t *)f->cookie, old.cookie, 16) ||
           f->len != old.len || f->refused != old.refused ||
           f->mss != old.mss;
}

TCPSM_DEF tcpsm_ret tcpsm_listen(tcpsm_conn *c, const tcpsm_tuple *t,
                                 tcpsm_time now)
{
    int any = t != NULL && t->family == 0 &&
              tcpsm__bytes_zero(t->local, 16) &&
              tcpsm__bytes_zero(t->remote, 16);
    if (c == NULL || t == NULL || t->local_port == 0 ||
        (!any && !tcpsm__tuple_ok(t)))
        return TCPSM_E_ARG;
    if (!any && (!tcpsm__any_or_unicast(t->local, t->family) ||
                 !tcpsm__any_or_unicast(t->remote, t->family)))
        return TCPSM_E_ARG; /* RFC9293-MUST-46 */
    if (tcpsm__owned(c))
        return TCPSM_E_OWNED;
    if ((c->state != TCPSM_CLOSED && c->state != TCPSM_TIME_WAIT) ||
        tcpsm__is(c, TCPSM__F_RST_DUE))
        return TCPSM_E_STATE; /* RFC9293-MUST-41 */
    tcpsm__begin(c, t, now);
    c->flags |= TCPSM__F_PASSIVE;
    if (tcpsm__bytes_zero(t->local, 16))
        c->flags |= TCPSM__F_ANY_LOCAL;
    if (tcpsm__bytes_zero(t->remote, 16))
        c->flags |= TCPSM__F_ANY_REMOTE;
    if (t->remote_port == 0)
        c->flags |= TCPSM__F_ANY_RPORT;
    tcpsm__set_state(c, TCPSM_LISTEN);
    tcpsm__wake_up(c);
    return 0;
}

/* --- SEGMENT ARRIVES: at the door --- */

TCPSM__FN int tcpsm__match(const tcpsm_conn *c, const tcpsm_in *in,
                           uint16_t sport, uint16_t dport)
{
    uint32_t n = tcpsm__alen(in->family);
    if (c->state == TCPSM_CLOSED || dport != c->local_port ||
        in->zone != c->zone)
        return 0;
    if (in->family != tcpsm__family(c) &&
        !(c->state == TCPSM_LISTEN && (c->opts & TCPSM__O_ANY_FAMILY)))
        return 0;
    if (sport != c->remote_port &&
        !(c->state == TCPSM_LISTEN && tcpsm__is(c, TCPSM__F_ANY_RPORT)))
        return 0;
    if (!tcpsm__bytes_equal(in->src, c->remote, n) &&
        !(c->state == TCPSM_LISTEN && tcpsm__is(c, TCPSM__F_ANY_REMOTE)))
        return 0;
    return tcpsm__bytes_equal(in->dst, c->local, n) ||
           (c->state == TCPSM_LISTEN && tcpsm__is(c, TCPSM__F_ANY_LOCAL));
}

TCPSM__FN int tcpsm__in_ok(const tcpsm_in *in)
{
    return in->src != NULL && in->dst != NULL && in->data != NULL &&
           (in->family == 4 || in->family == 6);
}

/* RFC9293-MUST-57, RFC9293-MUST-63; LAND but for a connection to itself. */
TCPSM__FN int tcpsm__addresses_ok(const tcpsm_in *in, uint16_t sport,
                                  uint16_t dport, int loopback, int self)
{
    uint32_t n = tcpsm__alen(in->family);
    if (in->flags & TCPSM_IN_LINK_BROADCAST)
        return 0;
    if (!tcpsm__unicast(in->src, in->family, loopback) ||
        !tcpsm__unicast(in->dst, in->family, loopback))
        return 0;
    return self || sport != dport || !tcpsm__bytes_equal(in->src, in->dst, n);
}

/* RFC 5961 s7 (RFC5961-12, -13): a counter and a time per connection, for
   ACKs that answer what is not acceptable and carries no text. */
TCPSM__FN int tcpsm__may_challenge(tcpsm_conn *c)
{
    uint16_t t = (uint16_t)(c->now >> 16);
    if (c->chal_n == 0 ||
        (uint16_t)(t - c->chal_at) >= TCPSM__CHALLENGE_TICKS) {
        c->chal_at = t;
        c->chal_n = 0;
    }
    if (c->chal_n >= c->chal_limit)
        return 0;
    c->chal_n++;
    return 1;
}

/* --- the judgement: changes nothing --- */

enum {
    TCPSM__V_ACCEPT,
    TCPSM__V_DROP,      /* silently */
    TCPSM__V_ACK,       /* drop, and an ACK */
    TCPSM__V_CHALLENGE, /* drop, and an ACK if the limit allows */
    TCPSM__V_STRANGER,  /* the reset of tcpsm_stranger */
    TCPSM__V_REPLY,     /* <SEQ=SEG.ACK><CTL=RST>, nothing else changes */
    TCPSM__V_RESET,     /* a reset that counts */
    TCPSM__V_LISTEN,    /* SYN-RECEIVED: back to LISTEN */
    TCPSM__V_SYN,       /* a SYN that opens (LISTEN, SYN-SENT) */
    TCPSM__V_SYN_AGAIN, /* our SYN,ACK was lost */
    TCPSM__V_FIN_AGAIN, /* TIME-WAIT: restart 2 MSL */
    TCPSM__V_REUSE,     /* RFC 6191: a new connection */
    TCPSM__V_CLOSED,    /* text for a reader that closed */
    TCPSM__V_RING       /* text needs a ring */
};

struct tcpsm__verdict {
    uint8_t what, why; /* TCPSM__V_*, TCPSM_DROP_* */
};

TCPSM__FN struct tcpsm__verdict tcpsm__say(int what, int why)
{
    struct tcpsm__verdict v;
    v.what = (uint8_t)what;
    v.why = (uint8_t)why;
    return v;
}

/* RFC 9293 s3.10.7.2 */
TCPSM__FN struct tcpsm__verdict
tcpsm__judge_listen(const struct tcpsm__seg *s)
{
    if (s->flags & TCPSM__RST)
        return tcpsm__say(TCPSM__V_DROP, TCPSM_DROP_RST);
    if (s->flags & TCPSM__ACK)
        return tcpsm__say(TCPSM__V_STRANGER, TCPSM_DROP_BAD_ACK);
    if (s->flags & TCPSM__SYN)
        return tcpsm__say(TCPSM__V_SYN, TCPSM_DROP_NONE);
    return tcpsm__say(TCPSM__V_DROP, TCPSM_DROP_NO_SYN);
}

/* RFC 9293 s3.10.7.3; RFC5961-5; erratum 8167 */
TCPSM__FN struct tcpsm__verdict
tcpsm__judge_syn_sent(const tcpsm_conn *c, const struct tcpsm__seg *s)
{
    int ack = (s->flags & TCPSM__ACK) != 0;
    int good = ack && s->ack - c->snd_una - 1 < tcpsm__outstanding(c);
    if (s->flags & TCPSM__RST)
        return good ? tcpsm__say(TCPSM__V_RESET, TCPSM_DROP_NONE)
                    : tcpsm__say(TCPSM__V_DROP, TCPSM_DROP_RST);
    if (ack && !good)
        return tcpsm__say(TCPSM__V_REPLY, TCPSM_DROP_BAD_ACK);
    if (s->flags & TCPSM__SYN)
        return tcpsm__say(TCPSM__V_SYN, TCPSM_DROP_NONE);
    return tcpsm__say(TCPSM__V_DROP, TCPSM_DROP_NO_SYN);
}

/* RFC7323-15: TS.Recent is good for 24 days. */
TCPSM__FN int tcpsm__ts_valid(const tcpsm_conn *c, tcpsm_time now)
{
    uint16_t age = (uint16_t)((uint16_t)(now >> 30) - c->ts_age);
    return (c->more & TCPSM__M_TS_VALID) && age < 1931; /* x 1074 s */
}

/* RFC7323-12 */
TCPSM__FN int tcpsm__paws_old(const tcpsm_conn *c, const struct tcpsm__seg *s,
                              tcpsm_time now)
{
    return s->ts && tcpsm__ts_valid(c, now) &&
           tcpsm__seq_lt(s->tsval, c->ts_recent);
}

/* RFC 6191 s2 and RFC9293-MAY-2: may this SYN end TIME-WAIT? The last
   sequence number that the old incarnation used is its FIN's. */
TCPSM__FN int tcpsm__reuse_ok(const tcpsm_conn *c, const struct tcpsm__seg *s,
                              tcpsm_time now)
{
    int ts = TCPSM__HAVE_OPTIONS && s->ts && !(c->opts & TCPSM_NO_TS);
    if ((s->flags & (TCPSM__SYN | TCPSM__ACK)) != TCPSM__SYN)
        return 0;
    if (ts && !tcpsm__ts_on(c))
        return 1;
    if (ts && tcpsm__ts_valid(c, now)) {
        if (tcpsm__seq_lt(c->ts_recent, s->tsval))
            return 1;
        if (s->tsval != c->ts_recent)
            return 0;
    }
    return tcpsm__seq_le(c->rcv_nxt, s->seq); /* RFC9293-SHLD-4 */
}

/* RST, in states from SYN-RECEIVED on. By SEQ alone (RFC5961-1 to -4);
   RFC 1337: not in TIME-WAIT. */
TCPSM__FN struct tcpsm__verdict tcpsm__judge_rst(const tcpsm_conn *c,
                                                 const struct tcpsm__seg *s)
{
    uint32_t d = s->seq - c->rcv_nxt; /* text or not: RFC9293-SHLD-2 */
    if (c->state == TCPSM_TIME_WAIT)
        return tcpsm__say(TCPSM__V_DROP, TCPSM_DROP_TIME_WAIT);
    if (d == 0)
        return tcpsm__say(TCPSM__V_RESET, TCPSM_DROP_NONE);
    if (d < c->rcv_edge - c->rcv_nxt)
        return tcpsm__say(TCPSM__V_CHALLENGE, TCPSM_DROP_RST);
    return tcpsm__say(TCPSM__V_DROP, TCPSM_DROP_RST);
}

/* Is any part of the segment in the window? RFC 9293 table 6, and a
   segment that covers the whole window from left to right. Note: an empty
   segment at the right edge is acceptable, too. Who has filled our window
   sends every ACK from there, as at a window of zero (RFC9293-MUST-66); if
   both ends had and refused them, no ACK would be read again. */
TCPSM__FN int tcpsm__acceptable(const tcpsm_conn *c,
                                const struct tcpsm__seg *s)
{
    uint32_t wnd = c->rcv_edge - c->rcv_nxt, len = tcpsm__seg_len(s);
    uint32_t first = s->seq - c->rcv_nxt, last;
    if (wnd == 0)
        return first == 0; /* RFC9293-MUST-66 and probes */
    if (first < wnd)
        return 1;
    if (len == 0)
        return first == wnd;
    last = first + (len - 1);
    return last < wnd || (first >= 0x80000000u && last < 0x80000000u);
}

/* The last octet that we took, in a segment that ends there: the FIN that
   TIME-WAIT waits for. ACK must be SND.NXT (design: no ACK war). */
TCPSM__FN int tcpsm__exact_fin(const tcpsm_conn *c,
                               const struct tcpsm__seg *s)
{
    return (s->flags & (TCPSM__FIN | TCPSM__SYN | TCPSM__ACK)) ==
               (TCPSM__FIN | TCPSM__ACK) &&
           s->seq + tcpsm__seg_len(s) == c->rcv_nxt && s->ack == c->snd_nxt;
}

TCPSM__FN struct tcpsm__verdict
tcpsm__judge_unacceptable(const tcpsm_conn *c, const struct tcpsm__seg *s)
{
    int old = tcpsm__seq_le(s->seq + tcpsm__seg_len(s), c->rcv_nxt);
    int why = old ? TCPSM_DROP_OLD_DATA : TCPSM_DROP_WINDOW;
    if (c->state == TCPSM_TIME_WAIT && tcpsm__exact_fin(c, s))
        return tcpsm__say(TCPSM__V_FIN_AGAIN, TCPSM_DROP_OLD_DATA);
    if (s->len != 0)
        return tcpsm__say(TCPSM__V_ACK, why);
    return tcpsm__say(TCPSM__V_CHALLENGE, why);
}

/* Fourth: the SYN bit, from SYN-RECEIVED on. */
TCPSM__FN struct tcpsm__verdict tcpsm__judge_syn(const tcpsm_conn *c,
                                                 const struct tcpsm__seg *s,
                                                 tcpsm_time now)
{
    uint32_t d = s->seq - c->rcv_nxt;
    int irs = s->seq == c->rcv_nxt - c->rcv_len - 1 ||
              (tcpsm__fo_served(c) && s->seq == c->snd_wl1);
    if (c->state == TCPSM_TIME_WAIT && tcpsm__reuse_ok(c, s, now))
        return tcpsm__say(TCPSM__V_REUSE, TCPSM_DROP_TIME_WAIT);
    if (c->state == TCPSM_SYN_RECEIVED) {
        if (irs && !(s->flags & TCPSM__ACK))
            return tcpsm__say(TCPSM__V_SYN_AGAIN, TCPSM_DROP_OLD_DATA);
        if (irs)
            return tcpsm__say(TCPSM__V_ACCEPT, TCPSM_DROP_NONE);
        if (d < c->rcv_edge - c->rcv_nxt && tcpsm__is(c, TCPSM__F_PASSIVE))
            return tcpsm__say(TCPSM__V_LISTEN, TCPSM_DROP_SYN);
    }
    return tcpsm__say(TCPSM__V_CHALLENGE, TCPSM_DROP_SYN); /* RFC5961-7 */
}

/* Fifth: the ACK field. */
TCPSM__FN struct tcpsm__verdict tcpsm__judge_ack(const tcpsm_conn *c,
                                                 const struct tcpsm__seg *s)
{
    uint32_t ahead = s->ack - c->snd_una;
    uint32_t most = (uint32_t)c->wnd_max << tcpsm__snd_shift(c);
    if (!(s->flags & TCPSM__ACK))
        return tcpsm__say(TCPSM__V_DROP, TCPSM_DROP_NO_ACK);
    if (c->state == TCPSM_SYN_RECEIVED) {
        if (ahead - 1 < tcpsm__outstanding(c))
            return tcpsm__say(TCPSM__V_ACCEPT, TCPSM_DROP_NONE);
        return tcpsm__say(TCPSM__V_REPLY, TCPSM_DROP_BAD_ACK);
    }
    if (ahead <= tcpsm__outstanding(c) || 0u - ahead <= most)
        return tcpsm__say(TCPSM__V_ACCEPT, TCPSM_DROP_NONE);
    return tcpsm__say(TCPSM__V_CHALLENGE, /* RFC5961-10 */
                      tcpsm__seq_lt(s->ack, c->snd_una) ? TCPSM_DROP_OLD_ACK
                                                        : TCPSM_DROP_BAD_ACK);
}

/* Text beyond RCV.NXT and inside the window? */
TCPSM__FN int tcpsm__brings_text(const tcpsm_conn *c,
                                 const struct tcpsm__seg *s)
{
    uint32_t a = tcpsm__seg_text(s), b = a + s->len;
    if (s->len == 0 || tcpsm__is(c, TCPSM__F_FIN_RCVD))
        return 0;
    return tcpsm__seq_lt(c->rcv_nxt, b) && tcpsm__seq_lt(a, c->rcv_edge) &&
           c->rcv_edge != c->rcv_nxt;
}

/* RFC 9293 s3.10.7.4, the eight checks up to where something changes. */
TCPSM__FN struct tcpsm__verdict tcpsm__judge_other(const tcpsm_conn *c,
                                                   const struct tcpsm__seg *s,
                                                   tcpsm_time now)
{
    struct tcpsm__verdict v;
    int ts = tcpsm__ts_on(c);
    if (s->flags & TCPSM__RST)
        return tcpsm__judge_rst(c, s);
    if (s->flags & TCPSM__SYN) {
        v = tcpsm__judge_syn(c, s, now);
        if (v.what != TCPSM__V_ACCEPT)
            return v;
    }
    if (ts && !s->ts) /* RFC7323-8 */
        return tcpsm__say(TCPSM__V_DROP, TCPSM_DROP_NO_TS);
    if (ts && tcpsm__paws_old(c, s, now))
        return tcpsm__say(s->len != 0 ? TCPSM__V_ACK : TCPSM__V_CHALLENGE,
                          TCPSM_DROP_PAWS);
    if (!(s->flags & TCPSM__SYN) && !tcpsm__acceptable(c, s))
        return tcpsm__judge_unacceptable(c, s);
    v = tcpsm__judge_ack(c, s);
    if (v.what != TCPSM__V_ACCEPT)
        return v;
    if (tcpsm__is(c, TCPSM__F_CLOSED) && tcpsm__brings_text(c, s))
        return tcpsm__say(TCPSM__V_CLOSED, TCPSM_DROP_CLOSED);
    return v;
}

TCPSM__FN struct tcpsm__verdict tcpsm__judge(const tcpsm_conn *c,
                                             const struct tcpsm__seg *s,
                                             tcpsm_time now, int no_data)
{
    struct tcpsm__verdict v;
    if (c->state == TCPSM_LISTEN)
        return tcpsm__judge_listen(s);
    if (c->state == TCPSM_SYN_SENT) {
        v = tcpsm__judge_syn_sent(c, s);
        if (v.what == TCPSM__V_SYN && (s->flags & TCPSM__ACK) &&
            s->len != 0 && c->rcv_cap == 0 && c->rcv_edge != 0 && !no_data)
            v.what = TCPSM__V_RING;
        return v;
    }
    v = tcpsm__judge_other(c, s, now);
    if (v.what == TCPSM__V_ACCEPT && c->rcv_cap == 0 && !no_data &&
        tcpsm__brings_text(c, s))
        return tcpsm__say(TCPSM__V_RING, TCPSM_DROP_NONE);
    return v;
}

/* --- acting on a segment --- */

TCPSM__FN void tcpsm__refuse(tcpsm_conn *c, tcpsm_in *in, uint8_t why)
{
    in->drop = why;
    TCPSM_TRACE(c, TCPSM_TRACE_DROP, why, 0);
    TCPSM__COUNT(c, drops[why], 1);
}

TCPSM__FN void tcpsm__ack_now(tcpsm_conn *c)
{
    c->flags |= TCPSM__F_ACK_NOW;
}

TCPSM__FN void tcpsm__challenge(tcpsm_conn *c)
{
    if (!tcpsm__may_challenge(c))
        return;
    TCPSM__COUNT(c, challenges, 1);
    tcpsm__ack_now(c);
}

/* RFC2883-1: each duplicate is reported once, in an ACK of its own. */
TCPSM__FN void tcpsm__dsack(tcpsm_conn *c, uint32_t seq, uint32_t len)
{
    uint32_t i = c->dsack_len[0] != 0;
    if (!tcpsm__sack_on(c) || len == 0)
        return;
    if (c->dsack_len[i] != 0)
        return; /* the queue is full */
    c->dsack_seq[i] = seq;
    c->dsack_len[i] = (uint16_t)tcpsm__min(len, 65535);
}

TCPSM__FN void tcpsm__owe(tcpsm_conn *c)
{
    if (c->owed < 255)
        c->owed++;
}

/* RFC7323-11; PAWS has seen to it that SEG.TSval >= TS.Recent. */
TCPSM__FN void tcpsm__ts_take(tcpsm_conn *c, const struct tcpsm__seg *s)
{
    if (!tcpsm__ts_on(c) || tcpsm__seq_lt(c->last_ack, s->seq))
        return;
    c->ts_recent = s->tsval;
    c->ts_age = (uint16_t)(c->now >> 30);
    c->more |= TCPSM__M_TS_VALID;
}

#define TCPSM__MIN_RTT_AGE 5u /* x 67 s: RFC8985-4 */

/* 5-bit exponent, 3-bit mantissa; rounds up */
TCPSM__FN uint8_t tcpsm__rough_enc(uint32_t v)
{
    uint32_t e = 0;
    for (; v > 7; e++)
        v = v / 2 + (v & 1u);
    return (uint8_t)(e << 3 | v);
}

TCPSM__FN uint32_t tcpsm__rough_dec(uint8_t k)
{
    return (k & 7u) << (k >> 3);
}

/* The least RTT of the last five minutes or so. When the least one is older
   than that, the least since then takes its place. */
TCPSM__FN void tcpsm__min_sample(tcpsm_conn *c, uint32_t r)
{
    uint8_t t = (uint8_t)(c->now >> 26);
    uint32_t next = tcpsm__rough_dec(c->min_next);
    int old = (uint8_t)(t - c->min_age) >= TCPSM__MIN_RTT_AGE;
    if (c->min_rtt == 0 || r <= c->min_rtt) {
        c->min_rtt = r;
        c->min_age = t;
        c->min_next = 0;
        return;
    }
    next = next == 0 ? r : tcpsm__min(next, r);
    c->min_next = tcpsm__rough_enc(next);
    if (!old)
        return;
    c->min_rtt = tcpsm__max(next, c->min_rtt);
    c->min_age = t;
    c->min_next = 0;
}

/* One RTT sample (RFC6298-2, -3, -8); ends the backoff (Karn). */
TCPSM__FN void tcpsm__sample(tcpsm_conn *c, uint32_t r, int exact, uint32_t n)
{
    struct tcpsm__rtt t;
    uint32_t shift = 0;
    while (n > 1 && shift < 6) { /* RFC7323-10: n samples a round trip */
        n >>= 1;
        shift++;
        TCPSM_STEP();
    }
    t.srtt = c->srtt;
    t.rttvar = c->rttvar;
    tcpsm__rtt_sample(&t, r, shift);
    c->srtt = t.srtt;
    c->rttvar = t.rttvar;
    c->backoff = 0;
    c->flags2 |= TCPSM__N_SAMPLED;
    if (exact || c->min_rtt == 0 || r < c->min_rtt) /* none is too short */
        tcpsm__min_sample(c, tcpsm__max(r, 1));
    TCPSM_TRACE(c, TCPSM_TRACE_RTT, r, c->srtt);
}

/* What this ACK will be held against. */
TCPSM__FN void tcpsm__delivery_begin(const tcpsm_conn *c,
                                     const struct tcpsm__seg *s,
                                     const struct tcpsm__runs *r,
                                     struct tcpsm__delivery *d)
{
    memset(d, 0, sizeof *d);
    d->now = tcpsm__now32(c);
    d->min_rtt = c->min_rtt;
    d->fack = tcpsm__runs_fack(r);
    if (tcpsm__ts_on(c) && s->ts) {
        d->has_echo = 1;
        d->echo = s->tsecr - c->ts_offset;
        if (tcpsm__is2(c, TCPSM__N_UNDO))
            d->again = c->rcv_up;
    }
}

/* An RTT sample from the runs or, where Karn forbids, from the timestamp
   (RFC7323-9). flight: bytes outstanding before the ACK. */
TCPSM__FN void tcpsm__take_sample(tcpsm_conn *c, const struct tcpsm__seg *s,
                                  struct tcpsm__delivery *d, uint32_t flight)
{
    struct tcpsm__runs r;
    uint32_t age;
    if (tcpsm__is(c, TCPSM__F_SYN_OUT) && tcpsm__is(c, TCPSM__F_SYN_LOST))
        return;         /* RFC6298-14 */
    if (!d->has_echo) { /* only of those runs more will come */
        r = tcpsm__runs_of(c);
        flight = tcpsm__min(flight, tcpsm__runs_timed(&r));
    }
    if (!d->has_sample && d->has_echo && s->tsecr != 0 && !d->dsack) {
        age = tcpsm__ticks(c->now) - d->echo;
        d->has_sample = age < 0x20000u;
        d->sample = (age + 1) << 10;
        d->exact = 0;
    }
    if (d->has_sample) /* RFC7323-10: how many like this a round trip has */
        tcpsm__sample(c, d->sample, d->exact,
                      tcpsm__min(flight / (2 * tcpsm__smss(c)),
                                 flight / (s->ack - c->snd_una)));
}

TCPSM__FN void tcpsm__established(tcpsm_conn *c)
{
    tcpsm_cc_event e;
    c->backoff = c->probes = c->dupacks = 0;
    tcpsm__disarm(c, TCPSM__T_RTX | TCPSM__T_UTO);
    if (tcpsm__is(c, TCPSM__F_REPLY_RST))
        c->rcv_up = 0;
    c->flags &= ~(TCPSM__F_SYN_DUE | TCPSM__F_REPLY_RST | TCPSM__F_REPLY_TS);
    c->recover = c->snd_una - 1;
    c->u.open.round_end = c->snd_nxt;
    c->ptb_mtu = 0;
    tcpsm__set_state(c, TCPSM_ESTABLISHED);
    tcpsm__cc_event(c, &e);
    tcpsm__cc(c, TCPSM__CC_INIT, &e); /* RFC5681-3 */
    tcpsm__raise(c, TCPSM_EV_CONNECTED);
    if (c->rcv_len != 0)
        tcpsm__raise(c, TCPSM_EV_READABLE);
    TCPSM__COUNT(c, opened, 1);
    if (tcpsm__is(c, TCPSM__F_FIN_QUEUED))
        tcpsm__set_state(c, TCPSM_FIN_WAIT_1);
    if (tcpsm__is2(c, TCPSM__N_ACE))
        c->flags |= TCPSM__F_ACE_3RD;
}

/* The window was in use if what was in flight filled most of it. */
TCPSM__FN int tcpsm__app_limited(const tcpsm_conn *c, uint32_t flight)
{
    if (c->cc.cwnd < c->cc.ssthresh)
        return flight < c->cc.cwnd / 2;
    return flight + 2 * tcpsm__smss(c) < c->cc.cwnd;
}

/* The stream part of an advance of SND.UNA by n octets. */
TCPSM__FN void tcpsm__release(tcpsm_conn *c, uint32_t n)
{
    n = tcpsm__min(n, c->snd_len);
    if (n == 0)
        return;
    c->snd_head = tcpsm__ring_at(c->snd_cap, c->snd_head, n);
    c->snd_len -= n;
    if (c->snd_len == 0)
        c->snd_head = 0;
    if ((c->more & TCPSM__M_SHORT_SEND) &&
        c->snd_cap - c->snd_len >= tcpsm__size_dec(c->lowat)) {
        c->more = (uint8_t)(c->more & ~TCPSM__M_SHORT_SEND);
        tcpsm__raise(c, TCPSM_EV_WRITABLE);
    }
}

/* SND.UNA < SEG.ACK =< SND.NXT: the stream moves on. */
TCPSM__FN void tcpsm__advance(tcpsm_conn *c, const struct tcpsm__seg *s)
{
    uint32_t acked = s->ack - c->snd_una, text = acked;
    if (tcpsm__is(c, TCPSM__F_SYN_OUT))
        text--;
    if (tcpsm__is(c, TCPSM__F_FIN_SENT) && s->ack == c->snd_nxt)
        text--;
    c->flags &= ~TCPSM__F_SYN_OUT;
    c->snd_una = s->ack;
    c->snd_wnd -= tcpsm__min(acked, c->snd_wnd);
    tcpsm__release(c, text);
    if (text >= tcpsm__smss(c))
        c->more |= TCPSM__M_FULL_ACKED;
    if (tcpsm__is(c, TCPSM__F_SND_URG) &&
        tcpsm__seq_le(c->snd_up, c->snd_una))
        c->flags &= ~TCPSM__F_SND_URG;
    if (c->snd_una == c->snd_nxt && c->snd_len == 0 &&
        c->state >= TCPSM_ESTABLISHED)
        tcpsm__raise(c, TCPSM_EV_SENT);
    if (c->state == TCPSM_SYN_RECEIVED || c->state == TCPSM_SYN_SENT)
        return;
    c->ptb_mtu = 0; /* RFC5927-9: something got through */
    if (c->oof == 0)
        c->flags &= ~TCPSM__F_FORCE; /* what it was for has arrived */
    if (tcpsm__rtx_of_data(tcpsm__rtx_kind(c)))
        c->probes = 0;
    tcpsm__disarm(c, TCPSM__T_RTX); /* RFC6298-11 */
    if (!tcpsm__lingers(c))
        tcpsm__disarm(c, TCPSM__T_UTO);
}

/* The controller hears of bytes that were acknowledged. */
TCPSM__FN void tcpsm__grow(tcpsm_conn *c, tcpsm_cc_event *e, uint32_t acked,
                           uint32_t flight, const struct tcpsm__delivery *d)
{
    if (tcpsm__seq_lt(c->u.open.round_end, c->snd_una)) {
        c->u.open.round_end = c->snd_nxt;
        c->flags2 &= ~TCPSM__N_DSACKED;
        if (!tcpsm__is2(c, TCPSM__N_LOSS))
            c->flags2 &= ~TCPSM__N_UNDO; /* no report is to come now */
        e->round_start = 1;
    }
    e->acked = acked;
    if (tcpsm__is2(c, TCPSM__N_LOSS)) /* RFC 3465 s2.3: there L is 1 */
        e->acked = tcpsm__min(acked, e->mss);
    e->sacked = d->sacked;
    e->rtt_us = d->has_sample ? tcpsm__max(d->sample, 1) : 0;
    e->rtt_us = tcpsm__least(e->rtt_us, d->least);
    e->app_limited = (uint8_t)tcpsm__app_limited(c, flight);
    e->paced = (uint8_t)tcpsm__is2(c, TCPSM__N_PACE);
    tcpsm__cc(c, TCPSM__CC_ACKED, e);
}

/* Before a reduction: what to go back to if it proves spurious. */
TCPSM__FN void tcpsm__remember(tcpsm_conn *c)
{
    c->flags2 &= ~(TCPSM__N_TLP | TCPSM__N_TLP_RETX | TCPSM__N_TLP_DUE);
#if !TCPSM__TINY

    if (tcpsm__is(c, TCPSM__F_SND_URG | TCPSM__F_RCV_URG)) {
        c->flags2 &= ~TCPSM__N_UNDO; /* no place to note it in */
        return;
    }
    c->undo_n = 0;
    c->snd_up = c->snd_una;
    c->rcv_up = 0;
    c->prior_cwnd = tcpsm__size_enc(c->cc.cwnd);
    c->prior_ssthresh = tcpsm__size_enc(c->cc.ssthresh);
    c->flags2 |= TCPSM__N_UNDO;
#endif
}

/* Out of fast recovery: u holds what it holds outside of it. */
TCPSM__FN void tcpsm__leave_recovery(tcpsm_conn *c)
{
    if (tcpsm__prr_on(c)) {
        memset(&c->u, 0, sizeof c->u);
        c->u.open.round_end = c->snd_nxt;
        c->u.open.sent_at = tcpsm__ticks(c->now);
    }
    c->flags &= ~TCPSM__F_RECOVERY;
    c->dupacks = 0;
}

#if !TCPSM__TINY
/* The reduction was for nothing (RFC 4015, RFC 5682 s4, RFC9438-11): cwnd
   and ssthresh are what they were, and nothing is lost. Never more than
   that, so a peer that lies gains what it had. e is filled in anew. */
TCPSM__FN void tcpsm__undo(tcpsm_conn *c, tcpsm_cc_event *e)
{
    struct tcpsm__runs r = tcpsm__runs_of(c);
    uint32_t ssthresh = tcpsm__size_dec(c->prior_ssthresh);
    if (!tcpsm__is2(c, TCPSM__N_UNDO))
        return;
    if (tcpsm__is(c, TCPSM__F_RECOVERY)) /* they were only late */
        c->flags2 |= TCPSM__N_REORDER;
    if (c->prior_ssthresh == 0xFFFFu)
        ssthresh = TCPSM__MAX_CWND;
    tcpsm__leave_recovery(c);
    tcpsm__runs_clear(&r, TCPSM__R_LOST);
    tcpsm__runs_put(c, &r);
    c->flags2 &= ~(TCPSM__N_LOSS | TCPSM__N_FRTO_1 | TCPSM__N_FRTO_2 |
                   TCPSM__N_UNDO | TCPSM__N_REO);
    c->flags &= ~TCPSM__F_FORCE;
    c->recover = c->snd_una - 1; /* the backoff stays until a sample comes */
    c->cc.cwnd = tcpsm__max(c->cc.cwnd, tcpsm__size_dec(c->prior_cwnd));
    c->cc.ssthresh = tcpsm__max(c->cc.ssthresh, ssthresh);
    tcpsm__cc_event(c, e);
    tcpsm__cc(c, TCPSM__CC_UNDO, e);
    TCPSM__COUNT(c, undone, 1);
}

/* RFC 2883: is the first block a report of a duplicate? */
TCPSM__FN int tcpsm__is_dsack(const struct tcpsm__seg *s)
{
    uint32_t a, b;
    if (s->nsack == 0)
        return 0;
    a = s->sack[0];
    b = s->sack[1];
    if (!tcpsm__seq_lt(a, b))
        return 0;
    if (tcpsm__seq_le(b, s->ack))
        return 1;
    return s->nsack > 1 && tcpsm__seq_le(s->sack[2], a) &&
           tcpsm__seq_le(b, s->sack[3]);
}

/* Was what the D-SACK reports sent again, as far as is known? */
TCPSM__FN int tcpsm__was_again(const tcpsm_conn *c,
                               const struct tcpsm__seg *s)
{
    struct tcpsm__runs r = tcpsm__runs_in(c);
    if (tcpsm__seq_lt(s->sack[0], c->snd_una) || r.n == 0)
        return 1;
    return (r.meta[tcpsm__runs_find(&r, s->sack[0])] & TCPSM__R_RETX) != 0;
}

/* RFC8985-8: a wider window for reordering, once a round (then 1). And a
   retransmission that was not needed: when none was, undo. */
TCPSM__FN int tcpsm__dsacked(tcpsm_conn *c, const struct tcpsm__seg *s,
                             tcpsm_cc_event *e)
{
    uint32_t mult = tcpsm__max(c->reo & 15u, 1);
    int wider = 0;
    TCPSM__COUNT(c, dsacks, 1);
    if (!tcpsm__prr_on(c) && tcpsm__seq_le(c->u.open.round_end, c->snd_una))
        c->flags2 &= ~TCPSM__N_DSACKED;
    if (!tcpsm__is2(c, TCPSM__N_DSACKED)) {
        wider = 1;
        c->flags2 |= TCPSM__N_DSACKED;
        c->reo = (uint8_t)(15u << 4 | tcpsm__min(mult + 1, 15));
        if (!tcpsm__prr_on(c))
            c->u.open.round_end = c->snd_nxt;
    }
    if (tcpsm__is2(c, TCPSM__N_TLP) && s->sack[1] == c->u.open.tlp_end) {
        /* RFC 8985 s7.4.2, case 1: both copies arrived */
        c->flags2 &= ~(TCPSM__N_TLP | TCPSM__N_TLP_RETX);
        c->u.open.tlp_end = 0;
        return wider;
    }
    if (!tcpsm__is2(c, TCPSM__N_UNDO) || c->undo_n == 0 || c->undo_n == 255 ||
        !tcpsm__seq_le(s->sack[1], c->recover) ||
        tcpsm__seq_lt(s->sack[0], c->snd_up) || !tcpsm__was_again(c, s))
        return wider;
    c->undo_n--;
    if (c->undo_n == 0)
        tcpsm__undo(c, e);
    return wider;
}

/* RFC8985-7, -8 */
TCPSM__FN uint32_t tcpsm__reo_wnd(const tcpsm_conn *c)
{
    uint32_t mult = tcpsm__max(c->reo & 15u, 1);
    if (!tcpsm__is2(c, TCPSM__N_REORDER) &&
        (tcpsm__is(c, TCPSM__F_RECOVERY) || tcpsm__is2(c, TCPSM__N_LOSS) ||
         c->dupacks >= 3))
        return 0;
    return tcpsm__min(mult * (c->min_rtt / 4), c->srtt);
}

/* A recovery is over: the widened window lasts for sixteen. */
TCPSM__FN void tcpsm__reo_persist(tcpsm_conn *c)
{
    if (c->reo >> 4 == 0)
        c->reo = 0;
    else
        c->reo = (uint8_t)(c->reo - 16u);
}

TCPSM__FN struct tcpsm__rack tcpsm__rack_of(const tcpsm_conn *c)
{
    struct tcpsm__rack k;
    k.xmit = c->rack_xmit;
    k.end = c->rack_end;
    k.rtt = tcpsm__size_dec(c->rack_rtt);
    k.reo_wnd = tcpsm__reo_wnd(c);
    return k;
}

/* RFC8985-5: the latest sent of what was delivered. */
TCPSM__FN void tcpsm__rack_take(tcpsm_conn *c,
                                const struct tcpsm__delivery *d)
{
    uint32_t rtt;
    if (d->reordered)
        c->flags2 |= TCPSM__N_REORDER;
    if (!d->found)
        return;
    if (c->rack_rtt == 0 ||
        tcpsm__sent_after(d->xmit, d->end, c->rack_xmit, c->rack_end)) {
        c->rack_xmit = d->xmit;
        c->rack_end = d->end;
    }
    rtt = d->rtt;
    if (d->rough)
        rtt = tcpsm__max(rtt, c->rack_rtt != 0 ? tcpsm__size_dec(c->rack_rtt)
                                               : c->srtt);
    c->rack_rtt = tcpsm__size_enc(rtt);
}

/* --- path MTU discovery without ICMP (RFC 4821, RFC 8899) --- */

#define TCPSM__RAISE_AFTER 572u /* x 2^20 us: 600 s (RFC 8899 s5.1.1) */
#define TCPSM__MTU_STEP 16u     /* no search for less than that */
#define TCPSM__MAX_PROBES 3u    /* RFC 8899 s5.1.2 */

/* BASE_PLPMTU: what passes nearly everywhere. */
TCPSM__FN uint32_t tcpsm__base_mtu(const tcpsm_conn *c)
{
    return tcpsm__family(c) == 4 ? 1200 : TCPSM__MTU6_LEAST;
}

/* The largest packet that both ends would take. */
TCPSM__FN uint32_t tcpsm__most_mtu(const tcpsm_conn *c)
{
    return tcpsm__min(c->link_mtu, c->mss + tcpsm__ip_len(c) + 20);
}

/* The packet that carries so much text. */
TCPSM__FN uint32_t tcpsm__packet(const tcpsm_conn *c, uint32_t text)
{
    return text + tcpsm__ip_len(c) + 20 + (tcpsm__ts_on(c) ? 12 : 0);
}

/* Today's MTU stays, until it may be too small again. */
TCPSM__FN void tcpsm__raise_later(tcpsm_conn *c)
{
    c->pmtu = 0;
    c->flags2 &= ~TCPSM__N_RAISE;
    if (tcpsm__is2(c, TCPSM__N_NO_PROBE) || c->mtu >= tcpsm__most_mtu(c))
        return;
    c->pmtu = (uint16_t)((c->now >> 20) + TCPSM__RAISE_AFTER);
    c->flags2 |= TCPSM__N_RAISE;
}

/* Looks for something larger than today's, and smaller than hi. */
TCPSM__FN void tcpsm__search_mtu(tcpsm_conn *c, uint32_t hi)
{
    c->flags2 &= ~TCPSM__N_RAISE;
    c->pmtu = (uint16_t)(tcpsm__min(hi, 0xFFFFu) & ~3u);
    if (c->pmtu < c->mtu + TCPSM__MTU_STEP || c->mtu >= tcpsm__most_mtu(c))
        tcpsm__raise_later(c);
}

TCPSM__FN void tcpsm__probe_lost(tcpsm_conn *c, uint32_t text)
{
    uint32_t size = tcpsm__packet(c, text), lost = (c->pmtu & 3u) + 1;
    if (c->pmtu == 0 || tcpsm__is2(c, TCPSM__N_RAISE))
        return;
    if (lost < TCPSM__MAX_PROBES)
        c->pmtu++;
    else
        tcpsm__search_mtu(c, size);
}

/* A larger segment than cwnd would never be sent (law 7). */
TCPSM__FN void tcpsm__grow_mtu(tcpsm_conn *c, uint32_t mtu)
{
    c->mtu = (uint16_t)mtu;
    if (!tcpsm__synchronized(c))
        return;
    c->cc.cwnd = tcpsm__max(c->cc.cwnd, tcpsm__smss(c));
    c->cc.ssthresh = tcpsm__max(c->cc.ssthresh, 2 * tcpsm__smss(c));
}

TCPSM__FN void tcpsm__probe_arrived(tcpsm_conn *c, uint32_t text)
{
    uint32_t size = tcpsm__packet(c, text);
    if (c->pmtu == 0 || tcpsm__is2(c, TCPSM__N_RAISE) || size <= c->mtu ||
        size > tcpsm__most_mtu(c))
        return;
    tcpsm__grow_mtu(c, size);
    tcpsm__search_mtu(c, c->pmtu);
}

/* What to try now; 0: nothing. At the top of the range first: after a rise
   it is the likeliest. */
TCPSM__FN uint32_t tcpsm__next_mtu(const tcpsm_conn *c)
{
    uint32_t hi = c->pmtu & ~3u, most = tcpsm__most_mtu(c), size;
    if (c->pmtu == 0 || !tcpsm__sack_on(c) ||
        tcpsm__is(c, TCPSM__F_RECOVERY) ||
        (c->flags2 & (TCPSM__N_LOSS | TCPSM__N_RAISE | TCPSM__N_NO_PROBE)))
        return 0;
    size = hi > most ? most : (c->mtu + hi) / 2;
    return size > c->mtu ? size : 0;
}

/* Is a probe on its way? Its text; 0: none. */
TCPSM__FN uint32_t tcpsm__probe_out(const tcpsm_conn *c)
{
    struct tcpsm__runs r = tcpsm__runs_in(c);
    uint32_t i;
    for (i = 0; i < r.n; i++) {
        TCPSM_STEP();
        if ((r.meta[i] & (TCPSM__R_PROBE | TCPSM__R_RETX)) == TCPSM__R_PROBE)
            return tcpsm__run_len(&r, i);
    }
    return 0;
}

/* The text of a probe to send instead of the next segment; 0: none. There
   must be a segment behind it, whose SACK will tell of its loss. It may go
   past cwnd by what it is larger than a segment: the window has no room for
   it otherwise while the ACK clock runs (RFC 4821 s7.4). */
TCPSM__FN uint32_t tcpsm__probe_len(const tcpsm_conn *c)
{
    uint32_t size = tcpsm__next_mtu(c), n, flight = tcpsm__flight(c);
    if (size == 0)
        return 0;
    n = size - tcpsm__packet(c, 0);
    if (tcpsm__unsent(c) < n + tcpsm__full(c) ||
        tcpsm__window_left(c, c->snd_nxt) < n + tcpsm__full(c) ||
        flight + tcpsm__full(c) > c->cc.cwnd ||
        n + tcpsm__full(c) > c->cc.cwnd || tcpsm__sack_blocks(c) != 0 ||
        tcpsm__is(c, TCPSM__F_EOR) || tcpsm__probe_out(c) != 0)
        return 0;
    return n;
}

/* RFC 4821 s7.7: nothing of the present size gets through any more. */
TCPSM__FN int tcpsm__black_hole(const tcpsm_conn *c)
{
    return c->probes == 2 && tcpsm__synchronized(c) &&
           !tcpsm__is2(c, TCPSM__N_NO_PROBE) &&
           tcpsm__packet(c, tcpsm__smss(c)) > tcpsm__base_mtu(c) &&
           tcpsm__packet(c, tcpsm__outstanding(c)) > tcpsm__base_mtu(c);
}

/* RFC8985-9: marks losses, and arms the reordering timer for the rest
   (RFC8985-16). Returns the bytes newly lost. */
TCPSM__FN uint32_t tcpsm__detect(tcpsm_conn *c)
{
    struct tcpsm__runs r = tcpsm__runs_of(c);
    struct tcpsm__rack k = tcpsm__rack_of(c);
    uint32_t wait = 0, probe = 0, n;
    int again = 0;
    if (c->rack_rtt == 0)
        return 0;
    n = tcpsm__rack_detect(&r, &k, tcpsm__now32(c), &wait, &again, &probe);
    tcpsm__runs_put(c, &r);
    if (probe != 0)
        tcpsm__probe_lost(c, probe);
    if (again) /* a loss of a retransmission is a real one */
        c->flags2 &= ~TCPSM__N_UNDO;
    c->flags2 &= ~TCPSM__N_REO;
    if (wait != 0 && wait <= tcpsm__rto(c)) {
        c->flags2 |= TCPSM__N_REO;
        c->more = (uint8_t)((c->more & ~TCPSM__M_KIND) | TCPSM__RTX_REO);
        tcpsm__arm(c, TCPSM__T_RTX, wait);
    }
    return n;
}

/* RFC9937-1, -2; RFC9438-5. flight: what was outstanding before the ACK;
   delivered: what it delivered. */
TCPSM__FN void tcpsm__enter_recovery(tcpsm_conn *c, uint32_t flight,
                                     uint32_t delivered)
{
    struct tcpsm__runs r = tcpsm__runs_of(c);
    tcpsm_cc_event e;
    uint32_t sacked = tcpsm__runs_bytes(&r, TCPSM__R_SACKED);
    tcpsm__remember(c);
    tcpsm__cc_event(c, &e);
    e.flight = tcpsm__min(flight, c->cc.cwnd); /* limited transmit apart */
    tcpsm__cc(c, TCPSM__CC_LOSS, &e);
    c->recover = c->snd_nxt;
    c->flags |= TCPSM__F_RECOVERY;
    tcpsm__tell_cwr(c);
    c->flags2 &= ~TCPSM__N_DSACKED; /* a round of its own */
    memset(&c->u, 0, sizeof c->u);
    c->u.prr.flight = tcpsm__outstanding(c) - sacked + delivered;
    TCPSM__COUNT(c, fast_retransmits, 1);
}

/* RFC9937-3 to -7, on every ACK that begins or goes on with recovery. Note:
   when nothing is in flight at its beginning, there is no ACK clock to keep
   to (a tail was lost, and a probe told); what RFC 3390 lets a new
   connection send, three segments, but no more than ssthresh, goes out. */
TCPSM__FN void tcpsm__reduce(tcpsm_conn *c, uint32_t delivered, int safe)
{
    struct tcpsm__prr p;
    uint32_t n, inflight = tcpsm__flight(c);
    p.delivered = c->u.prr.delivered;
    p.out = c->u.prr.out;
    p.flight = c->u.prr.flight;
    n = tcpsm__prr_count(&p, delivered, inflight, c->cc.ssthresh,
                         tcpsm__smss(c), safe);
    if (p.out == 0 && inflight == 0)
        n = tcpsm__max(n, tcpsm__min(3 * tcpsm__smss(c), c->cc.ssthresh));
    c->u.prr.delivered = p.delivered;
    c->cc.cwnd =
        tcpsm__min(tcpsm__max(inflight + n, tcpsm__smss(c)), TCPSM__MAX_CWND);
    TCPSM_TRACE(c, TCPSM_TRACE_CWND, c->cc.cwnd, c->cc.ssthresh);
}

/* A reduction without a recovery: a loss that a probe repaired. */
TCPSM__FN void tcpsm__slow_down(tcpsm_conn *c, uint32_t flight)
{
    tcpsm_cc_event e;
    tcpsm__cc_event(c, &e);
    e.flight = tcpsm__min(flight, c->cc.cwnd);
    tcpsm__cc(c, TCPSM__CC_LOSS, &e);
    c->recover = c->snd_nxt;
    c->flags2 &= ~TCPSM__N_UNDO; /* this one was no mistake */
}

/* RFC8985-14: what does this ACK say about the probe? */
TCPSM__FN void tcpsm__tlp_ack(tcpsm_conn *c, const struct tcpsm__seg *s,
                              uint32_t acked, uint32_t flight)
{
    uint32_t end = c->u.open.tlp_end;
    if (!tcpsm__is2(c, TCPSM__N_TLP) || tcpsm__seq_lt(s->ack, end))
        return;
    if (tcpsm__is2(c, TCPSM__N_TLP_RETX)) {
        if (s->ack == end &&
            (acked != 0 || s->nsack != 0 || s->len != 0 ||
             (s->flags & TCPSM__FIN) ||
             (uint32_t)s->wnd << tcpsm__snd_shift(c) != c->snd_wnd))
            return; /* no duplicate: was it the original or the probe? */
        if (s->ack != end)
            tcpsm__slow_down(c, flight); /* nobody told of a duplicate */
    }
    c->flags2 &= ~(TCPSM__N_TLP | TCPSM__N_TLP_RETX);
    c->u.open.tlp_end = 0;
}

/* RFC 5682 s3.1 with SACK, s2.1 without. Returns 1 if that is all that this
   ACK does to the window. */
TCPSM__FN int tcpsm__frto(tcpsm_conn *c, uint32_t acked,
                          const struct tcpsm__delivery *d, tcpsm_cc_event *e)
{
    struct tcpsm__runs r = tcpsm__runs_of(c);
    uint32_t mss = tcpsm__smss(c);
    int first = tcpsm__is2(c, TCPSM__N_FRTO_1);
    if (!first && !tcpsm__is2(c, TCPSM__N_FRTO_2))
        return 0;
    if (first && acked == 0 && tcpsm__sack_on(c))
        return 0; /* SACK information is waited for */
    c->flags2 &= ~(TCPSM__N_FRTO_1 | TCPSM__N_FRTO_2);
    if (first) { /* step 2 */
        if (acked == 0 || tcpsm__seq_le(c->recover, c->snd_una) ||
            tcpsm__is(c, TCPSM__F_FORCE) ||
            (r.n != 0 && (r.meta[0] & TCPSM__R_RETX) &&
             !(r.meta[0] & TCPSM__R_LOST)) ||
            tcpsm__unsent(c) < tcpsm__full(c) || tcpsm__is(c, TCPSM__F_EOR) ||
            tcpsm__window_left(c, c->snd_nxt) < mss)
            return 0; /* conventional */
        c->recover = c->snd_nxt;
        c->flags2 |= TCPSM__N_FRTO_2;
        c->cc.cwnd = tcpsm__flight(c) + 2 * mss;
        return 1;
    }
    /* step 3 */
    if (tcpsm__seq_lt(c->recover, c->snd_una) ||
        tcpsm__seq_lt(c->recover, tcpsm__runs_fack(&r)) ||
        (tcpsm__sack_on(c) ? !d->fresh : acked == 0)) {
        c->cc.cwnd = 3 * mss; /* two round trips have gone by */
        return 0;
    }
    tcpsm__undo(c, e);
    return 1;
}

/* RFC9937-8, RFC6675-11; a timeout's recovery ends the same way. */
TCPSM__FN void tcpsm__maybe_done(tcpsm_conn *c, int wider)
{
    if (!tcpsm__is(c, TCPSM__F_RECOVERY) && !tcpsm__is2(c, TCPSM__N_LOSS))
        return;
    if (tcpsm__seq_lt(c->snd_una, c->recover))
        return;
    if (tcpsm__is(c, TCPSM__F_RECOVERY)) {
        c->cc.cwnd = tcpsm__max(c->cc.ssthresh, tcpsm__smss(c));
        tcpsm__leave_recovery(c);
    }
    c->u.open.round_end = c->snd_nxt; /* reports of it may come so long */
    c->flags2 &= ~(TCPSM__N_LOSS | TCPSM__N_FRTO_1 | TCPSM__N_FRTO_2);
    c->dupacks = 0;
    if (!wider)
        tcpsm__reo_persist(c);
}

/* Marks what s reports in SACK blocks and acknowledges (RFC6675-6): a block
   counts only if UNA < left < right <= NXT. */
TCPSM__FN void tcpsm__scoreboard(tcpsm_conn *c, const struct tcpsm__seg *s,
                                 int dsack, struct tcpsm__delivery *d)
{
    struct tcpsm__runs r = tcpsm__runs_of(c);
    uint32_t i, a, b, out = tcpsm__outstanding(c), una = s->ack - c->snd_una;
    uint8_t echo;
    tcpsm__delivery_begin(c, s, &r, d);
    /* the echo is of what was last at the left edge (RFC7323-11): it says
       nothing about what is only SACKed */
    echo = d->has_echo;
    d->has_echo = 0;
    for (i = dsack != 0; i < s->nsack && r.n != 0; i++) {
        a = s->sack[2 * i] - c->snd_una;
        b = s->sack[2 * i + 1] - c->snd_una;
        if (a > una && a < b && b <= out)
            tcpsm__runs_sack(&r, s->sack[2 * i], s->sack[2 * i + 1], d);
        TCPSM_STEP();
    }
    d->has_echo = echo;
    d->dsack = dsack != 0;
    if (una != 0)
        tcpsm__runs_ack(&r, s->ack, d);
    tcpsm__runs_put(c, &r);
}

/* An ACK, on a connection with SACK: RFC 8985 s6.2, RFC 9937 s6.2. Apart, as
   the other two that an ACK may lead to, so that only one frame is there. */
TCPSM__APART void tcpsm__ack_sack(tcpsm_conn *c, const struct tcpsm__seg *s)
{
    struct tcpsm__delivery d;
    tcpsm_cc_event e;
    uint32_t acked = s->ack - c->snd_una, flight = tcpsm__outstanding(c);
    uint32_t lost, was, segs;
    int dsack = tcpsm__is_dsack(s), wider = 0, marked;
    if (acked == 0 && s->nsack == 0 && c->oof == 0 &&
        !(c->flags2 & (TCPSM__N_TLP | TCPSM__N_LOSS | TCPSM__N_ECN)))
        return;
    tcpsm__cc_event(c, &e);
    tcpsm__scoreboard(c, s, dsack, &d);
    was = c->flags & TCPSM__F_RECOVERY;
    d.again_too =
        (uint8_t)(d.again_too | tcpsm__is2(c, TCPSM__N_LOSS | TCPSM__N_REO));
    if (acked != 0) {
        tcpsm__take_sample(c, s, &d, flight);
        tcpsm__advance(c, s);
    }
    tcpsm__rack_take(c, &d);
    marked = tcpsm__ecn_ack(c, s, flight, d.bytes, &e);
    if (dsack)
        wider = tcpsm__dsacked(c, s, &e);
    if (d.probe != 0) {
        tcpsm__probe_arrived(c, d.probe);
        e.mss = tcpsm__smss(c);
    }
    tcpsm__tlp_ack(c, s, acked, flight);
    if (d.original)
        tcpsm__undo(c, &e); /* an echo from before it was sent again */
    if (tcpsm__is2(c, TCPSM__N_FRTO_1 | TCPSM__N_FRTO_2) &&
        tcpsm__frto(c, acked, &d, &e))
        marked = 1; /* that is all that it does to the window */
    if (d.sacked != 0) {
        segs = 1 + (d.sacked - 1) / e.mss;
        c->dupacks = (uint8_t)tcpsm__min(c->dupacks + segs, 255);
    }
    if (acked != 0) {
        tcpsm__maybe_done(c, wider);
        if (c->oof == 0)
            c->dupacks = 0;
        if (tcpsm__seq_lt(c->recover, c->snd_una))
            c->recover = c->snd_una - 1; /* or it would wrap one day */
    }
    /* all in order: whatever is left was sent later */
    if (s->nsack == 0 && c->oof == 0 && !was && !d.again_too)
        lost = 0;
    else
        lost = tcpsm__detect(c);
    if (lost != 0 && !tcpsm__is(c, TCPSM__F_RECOVERY) &&
        !tcpsm__is2(c, TCPSM__N_LOSS)) {
        tcpsm__enter_recovery(c, flight, d.bytes);
        was = 0;
    }
    if (tcpsm__is(c, TCPSM__F_RECOVERY)) {
        if (d.bytes != 0 || !was) /* RFC9937-7 */
            tcpsm__reduce(c, d.bytes, acked != 0 && lost == 0);
    } else if ((acked != 0 || d.least != 0) && !was && !marked) {
        tcpsm__grow(c, &e, acked, flight, &d);
    }
}
#endif

/* RFC 6582 s3.2 steps 2 to 4 and RFC5681-13, on an ACK of new data. */
TCPSM__FN void tcpsm__recovery_ack(tcpsm_conn *c, uint32_t acked)
{
    struct tcpsm__runs r;
    uint32_t mss = tcpsm__smss(c);
    if (tcpsm__seq_le(c->recover, c->snd_una)) { /* full */
        c->cc.cwnd = tcpsm__min(c->cc.ssthresh,
                                tcpsm__max(tcpsm__outstanding(c), mss) + mss);
        tcpsm__leave_recovery(c);
        return;
    }
    r = tcpsm__runs_of(c);
    tcpsm__runs_lose_first(&r, c->snd_una + mss);
    tcpsm__runs_put(c, &r);
    c->flags |= TCPSM__F_FORCE;
    c->cc.cwnd -= tcpsm__min(acked, c->cc.cwnd);
    if (acked >= mss)
        c->cc.cwnd += mss;
    c->cc.cwnd = tcpsm__max(c->cc.cwnd, mss);
}

/* SND.UNA < SEG.ACK =< SND.NXT, without SACK */
TCPSM__APART void tcpsm__ack_new(tcpsm_conn *c, const struct tcpsm__seg *s)
{
    uint32_t flight = tcpsm__outstanding(c), acked = s->ack - c->snd_una;
    struct tcpsm__runs r = tcpsm__runs_of(c);
    struct tcpsm__delivery d;
    tcpsm_cc_event e;
    int opening, marked = 0;
    tcpsm__cc_event(c, &e);
    tcpsm__delivery_begin(c, s, &r, &d);
    tcpsm__runs_ack(&r, s->ack, &d);
    tcpsm__runs_put(c, &r);
    tcpsm__take_sample(c, s, &d, flight);
    opening = c->state == TCPSM_SYN_RECEIVED || c->state == TCPSM_SYN_SENT;
    tcpsm__advance(c, s);
    if (opening)
        return; /* RFC5681-4: the handshake grows nothing */
#if !TCPSM__TINY
    marked = tcpsm__ecn_ack(c, s, flight, d.bytes, &e);
    if (d.original)
        tcpsm__undo(c, &e);
    if (tcpsm__frto(c, acked, &d, &e))
        return;
#endif
    if (tcpsm__is(c, TCPSM__F_RECOVERY)) {
        tcpsm__recovery_ack(c, acked);
        return;
    }
    c->dupacks = 0;
    if (tcpsm__is2(c, TCPSM__N_LOSS) &&
        tcpsm__seq_le(c->recover, c->snd_una)) {
        c->flags2 &= ~(TCPSM__N_LOSS | TCPSM__N_FRTO_1 | TCPSM__N_FRTO_2);
        c->u.open.round_end = c->snd_nxt;
    }
    if (tcpsm__seq_lt(c->recover, c->snd_una))
        c->recover = c->snd_una - 1; /* or it would wrap one day */
    if (!marked)
        tcpsm__grow(c, &e, acked, flight, &d);
}

/* RFC 5681 s2's duplicate, from a peer without SACK. */
TCPSM__FN int tcpsm__is_dupack(const tcpsm_conn *c,
                               const struct tcpsm__seg *s, uint32_t wnd)
{
    return tcpsm__outstanding(c) != 0 && s->len == 0 && wnd == c->snd_wnd &&
           !(s->flags & (TCPSM__SYN | TCPSM__FIN)) &&
           tcpsm__rtx_kind(c) != TCPSM__RTX_PERSIST; /* a probe's answer */
}

/* RFC5681-11, -12, -13 and RFC 6582 s3.2 step 1: `recover` keeps one
   window's losses from starting two recoveries. */
TCPSM__APART void tcpsm__dupack(tcpsm_conn *c, const struct tcpsm__seg *s)
{
    struct tcpsm__runs r;
    tcpsm_cc_event e;
    uint32_t mss = tcpsm__smss(c);
#if !TCPSM__TINY
    struct tcpsm__delivery d;
    memset(&d, 0, sizeof d);
    (void)tcpsm__frto(c, 0, &d, &e);
#endif
    (void)s;
    if (c->dupacks < 255)
        c->dupacks++;
    if (tcpsm__is(c, TCPSM__F_RECOVERY)) {
        c->cc.cwnd = tcpsm__min(c->cc.cwnd + mss, TCPSM__MAX_CWND);
        return;
    }
    if (c->dupacks != 3 || !tcpsm__seq_lt(c->recover, c->snd_una))
        return;
    tcpsm__remember(c);
    tcpsm__cc_event(c, &e);
    e.flight = tcpsm__min(e.flight, c->cc.cwnd); /* limited transmit apart */
    tcpsm__cc(c, TCPSM__CC_LOSS, &e);
    c->cc.cwnd = tcpsm__min(c->cc.ssthresh + 3 * mss, TCPSM__MAX_CWND);
    c->recover = c->snd_nxt;
    r = tcpsm__runs_of(c);
    tcpsm__runs_lose_first(&r, c->snd_una + mss);
    tcpsm__runs_put(c, &r);
    c->flags |= TCPSM__F_RECOVERY | TCPSM__F_FORCE;
    tcpsm__tell_cwr(c);
    TCPSM__COUNT(c, fast_retransmits, 1);
}

TCPSM__FN uint32_t tcpsm__seg_wnd(const tcpsm_conn *c,
                                  const struct tcpsm__seg *s)
{
    return (uint32_t)s->wnd
           << (s->flags & TCPSM__SYN ? 0 : tcpsm__snd_shift(c));
}

TCPSM__FN void tcpsm__set_wnd(tcpsm_conn *c, const struct tcpsm__seg *s)
{
    c->snd_wnd = tcpsm__seg_wnd(c, s);
    c->snd_wl1 = s->seq;
    c->wnd_max =
        (uint16_t)tcpsm__max(c->wnd_max, c->snd_wnd >> tcpsm__snd_shift(c));
}

/* Fifth, acting: RFC 9293 s3.10.7.4. The judge has admitted SEG.ACK. */
TCPSM__FN void tcpsm__take_ack(tcpsm_conn *c, const struct tcpsm__seg *s)
{
    uint32_t ahead = s->ack - c->snd_una, seq;
    if (ahead > tcpsm__outstanding(c))
        return; /* old: RFC5961-10 */
    if (c->state == TCPSM_SYN_RECEIVED) {
        tcpsm__ack_new(c, s);
#if !TCPSM__TINY
        tcpsm__fo_take_back(c);
#endif
        tcpsm__set_wnd(c, s);
        tcpsm__established(c);
#if !TCPSM__TINY
        if (tcpsm__is2(c, TCPSM__N_ACE))
            (void)tcpsm__ecn_ack(c, s, 0, 0, NULL);
#endif
        return;
    }
#if !TCPSM__TINY
    if (ahead == 0 && tcpsm__is2(c, TCPSM__N_ACE) &&
        tcpsm__is(c, TCPSM__F_ACE_3RD) && tcpsm__is(c, TCPSM__F_PASSIVE))
        (void)tcpsm__ecn_ack(c, s, 0, 0, NULL); /* a stack's handshake */
    if (tcpsm__sack_on(c))
        tcpsm__ack_sack(c, s);
    else
#endif
        if (ahead != 0)
        tcpsm__ack_new(c, s);
    else if (tcpsm__is_dupack(c, s, tcpsm__seg_wnd(c, s)))
        tcpsm__dupack(c, s);
    c->more = (uint8_t)(c->more & ~TCPSM__M_PROBED); /* RFC9293-MUST-37,
                                                 RFC9293-SHLD-17 */
    seq = tcpsm__seq_max(s->seq, c->rcv_nxt);        /* without what is old */
    if (tcpsm__seq_le(c->snd_wl1, seq)) {
        tcpsm__set_wnd(c, s);
        c->snd_wl1 = seq;
    }
}

/* Our FIN is acknowledged: the state after that. 1: nothing is left. */
TCPSM__FN int tcpsm__fin_acked(tcpsm_conn *c)
{
    if (!tcpsm__is(c, TCPSM__F_FIN_SENT) || c->snd_una != c->snd_nxt)
        return 0;
    switch (c->state) {
    case TCPSM_FIN_WAIT_1:
        tcpsm__set_state(c, TCPSM_FIN_WAIT_2);
        return 0;
    case TCPSM_CLOSING:
        tcpsm__time_wait(c);
        return 1;
    case TCPSM_LAST_ACK:
        tcpsm__finish(c, 0);
        return 1;
    default:
        return 0;
    }
}

/* Sixth: RFC9293-MUST-30, RFC9293-MUST-31, RFC9293-MUST-32,
   RFC9293-MUST-62. The pointer is a hint and never enters arithmetic on
   lengths. */
TCPSM__FN void tcpsm__take_urg(tcpsm_conn *c, const struct tcpsm__seg *s)
{
    uint32_t up = s->seq + s->up;
    if (!(s->flags & TCPSM__URG) || s->up == 0 || !tcpsm__reads(c))
        return;
    if (!tcpsm__seq_lt(tcpsm__read_seq(c), up))
        return;
    if (tcpsm__is(c, TCPSM__F_RCV_URG) && !tcpsm__seq_lt(c->rcv_up, up))
        return;
    c->rcv_up = up;
    c->flags2 &= ~TCPSM__N_UNDO;
    c->flags |= TCPSM__F_RCV_URG;
    tcpsm__raise(c, TCPSM_EV_URGENT);
}

/* Eighth. */
TCPSM__FN void tcpsm__take_fin(tcpsm_conn *c)
{
    c->rcv_nxt++;
    c->rcv_edge = tcpsm__seq_max(c->rcv_edge, c->rcv_nxt);
    c->flags |= TCPSM__F_FIN_RCVD;
    c->flags &= ~TCPSM__F_FIN_HELD;
    tcpsm__ack_now(c);
    tcpsm__raise(c, TCPSM_EV_EOF);
    if (c->state == TCPSM_ESTABLISHED)
        tcpsm__set_state(c, TCPSM_CLOSE_WAIT);
    else if (c->state == TCPSM_FIN_WAIT_1) /* ours: not yet (erratum 8805) */
        tcpsm__set_state(c, TCPSM_CLOSING);
    else /* FIN-WAIT-2 */
        tcpsm__time_wait(c);
}

/* Ranges that RCV.NXT has reached become readable; 1: up to a held FIN. */
TCPSM__FN int tcpsm__absorb(tcpsm_conn *c, struct tcpsm__ranges *r)
{
    uint32_t d = c->rcv_nxt - r->base, k = 0, n, fin = 0;
    while (k < r->n && r->start[k] - r->base <= d) {
        if (r->end[k] - r->base > d) {
            n = r->end[k] - r->base - d;
            fin = tcpsm__is(c, TCPSM__F_FIN_HELD) && k + 1u == r->n;
            c->rcv_nxt += n - fin;
            c->rcv_len += n - fin;
            d = c->rcv_nxt - r->base;
        }
        k++;
        TCPSM_STEP();
    }
    if (k != 0)
        tcpsm__ranges_cut(r, 0, k);
    c->ranges_n = r->n;
    return fin != 0;
}

/* When to acknowledge n bytes that arrived in order: RFC9293-MUST-40,
   RFC9293-SHLD-18, RFC9293-SHLD-19; RFC5681-10, -15. */
TCPSM__FN void tcpsm__schedule_ack(tcpsm_conn *c, uint32_t segs, int gap)
{
    uint32_t delay = tcpsm__k_dec(c->k_ack_delay);
    uint32_t mss = tcpsm__adv_mss(c);
    c->ack_segs = (uint8_t)tcpsm__min(c->ack_segs + segs, 255);
    if (gap || c->quick != 0 || delay == TCPSM_OFF || delay == 0 ||
        c->ack_segs >= c->ack_every ||
        c->rcv_nxt - c->last_ack >= c->ack_every * mss ||
        c->rcv_cap < 2 * (c->mtu - tcpsm__ip_len(c) - 20)) {
        tcpsm__ack_now(c);
        return;
    }
    if (!(c->timers & TCPSM__T_ACK))
        tcpsm__arm(c, TCPSM__T_ACK, delay);
}

TCPSM__FN void tcpsm__text_in_order(tcpsm_conn *c, struct tcpsm__ranges *r,
                                    const uint8_t *p, uint32_t n,
                                    uint32_t segs, int told)
{
    uint32_t at = 0,
             dup = tcpsm__ranges_overlap(r, c->rcv_nxt, c->rcv_nxt + n, &at);
    int gap = r->n != 0;
    if (dup != 0 && !told) {
        tcpsm__dsack(c, at, dup);
        tcpsm__owe(c);
    }
    tcpsm__ring_write(c->p.rcv, c->rcv_cap, c->rcv_head, c->rcv_len, p, n);
    c->rcv_nxt += n;
    c->rcv_len += n;
    TCPSM__COUNT(c, in_bytes, n);
    if (n != 0)
        tcpsm__schedule_ack(c, segs, gap);
}

/* RFC9293-SHLD-31: held in place, beyond a gap. An immediate duplicate
   ACK for each (RFC5681-10, RFC9293-MAY-13). */
TCPSM__FN void tcpsm__text_out_of_order(tcpsm_conn *c, tcpsm_in *in,
                                        struct tcpsm__ranges *r, uint32_t a,
                                        const uint8_t *p, uint32_t n,
                                        uint32_t fin)
{
    uint32_t at = 0, dup = tcpsm__ranges_overlap(r, a, a + n + fin, &at);
    tcpsm__owe(c);
    if (dup != 0)
        tcpsm__dsack(c, at, dup);
#if !TCPSM__TINY
    tcpsm__fo_forget(c);
#endif
    if (!tcpsm__ranges_add(r, a, a + n + fin)) {
        tcpsm__refuse(c, in, TCPSM_DROP_RANGES);
        return;
    }
    c->ranges_n = r->n;
    if (fin)
        c->flags |= TCPSM__F_FIN_HELD;
    tcpsm__ring_write(c->p.rcv, c->rcv_cap, c->rcv_head,
                      c->rcv_len + (a - c->rcv_nxt), p, n);
    TCPSM__COUNT(c, out_of_order, 1);
    TCPSM__COUNT(c, in_bytes, n);
}

/* Seventh and eighth: what is left of the text after trimming at both
   edges, and the FIN if it was not trimmed with it. */
TCPSM__FN void tcpsm__take_text(tcpsm_conn *c, tcpsm_in *in,
                                const struct tcpsm__seg *s)
{
    struct tcpsm__ranges r = tcpsm__ranges_of(c);
    uint32_t a = tcpsm__seg_text(s), b = a + s->len, skip = 0, last;
    uint32_t fin = (s->flags & TCPSM__FIN) != 0;
    int told = 0; /* RFC2883-2: only the first duplicate part */
    if (s->len == 0 && !fin)
        return;
    if (tcpsm__is(c, TCPSM__F_FIN_RCVD)) {
        if (s->len != 0)
            tcpsm__refuse(c, in, TCPSM_DROP_AFTER_FIN);
        return;
    }
    if (tcpsm__seq_lt(a, c->rcv_nxt)) { /* the left edge */
        last = tcpsm__seq_min(b, c->rcv_nxt);
        if (s->len != 0) {
            tcpsm__dsack(c, a, last - a);
            tcpsm__owe(c);
            told = 1;
        }
        skip = last - a;
        a = last;
        tcpsm__ack_now(c);
        if (tcpsm__seq_lt(b, c->rcv_nxt))
            return;
    }
    last = c->rcv_edge;
    if (r.n != 0 && tcpsm__is(c, TCPSM__F_FIN_HELD))
        last = r.end[r.n - 1] - 1;
    if (tcpsm__seq_lt(last, b)) { /* the right edge */
        b = tcpsm__seq_max(last, a);
        fin = 0;
        tcpsm__ack_now(c);
        tcpsm__refuse(c, in, TCPSM_DROP_WINDOW);
    }
    if (b != a && c->rcv_cap == 0) { /* TCPSM_IN_NO_DATA */
        tcpsm__ack_now(c);
        tcpsm__refuse(c, in, TCPSM_DROP_NO_DATA);
        return;
    }
    if (a != c->rcv_nxt) {
        if (fin && (b == c->rcv_edge || c->rcv_cap == 0))
            fin = 0; /* nothing is held without a ring */
        if (fin && r.n != 0 && tcpsm__seq_lt(b, r.end[r.n - 1]))
            fin = 0; /* a FIN before text that is already here: a lie */
        if (b != a || fin)
            tcpsm__text_out_of_order(c, in, &r, a, s->text + skip, b - a,
                                     fin);
        else
            tcpsm__owe(c); /* it came out of order all the same */
        return;
    }
    tcpsm__text_in_order(c, &r, s->text + skip, b - a, s->segs, told);
    if (r.n != 0 && tcpsm__absorb(c, &r))
        fin = 1; /* the one that was held */
    else if (c->rcv_nxt != b || r.n != 0)
        fin = 0; /* text beyond it is here already: a lie */
    if (c->rcv_len != 0 && tcpsm__synchronized(c) && b != a)
        tcpsm__raise(c, TCPSM_EV_READABLE);
    if (fin)
        tcpsm__take_fin(c);
}

/* What a SYN says (RFC 9293 s3.10.7.2 and s3.10.7.3, fourth). */
TCPSM__FN void tcpsm__take_syn(tcpsm_conn *c, const struct tcpsm__seg *s)
{
    uint32_t dflt = tcpsm__family(c) == 4 ? 536 : 1220; /* RFC9293-MUST-15 */
    uint32_t mss = tcpsm__or(s->mss, dflt);
    mss = tcpsm__max(mss, TCPSM__MSS_FLOOR);
    if (c->ptb_mtu != 0)
        mss = tcpsm__min(mss, c->ptb_mtu);
    c->mss = (uint16_t)mss;
    c->rcv_edge = c->rcv_edge - c->rcv_nxt + s->seq + 1;
    c->rcv_nxt = c->last_ack = s->seq + 1;
    if (s->scale != TCPSM__NO_SCALE && !(c->opts & TCPSM_NO_SCALE)) {
        tcpsm__set_scales(c, s->scale, tcpsm__rcv_shift(c));
        c->flags |= TCPSM__F_WS;
    } else {
        c->scales = 0;
    }
    if (TCPSM__HAVE_OPTIONS && s->ts && !(c->opts & TCPSM_NO_TS)) {
        c->flags |= TCPSM__F_TS;
        c->ts_recent = s->tsval;
        c->ts_age = (uint16_t)(c->now >> 30);
        c->more |= TCPSM__M_TS_VALID;
    }
    if (TCPSM__HAVE_OPTIONS && s->sack_ok && !(c->opts & TCPSM_NO_SACK))
        c->flags |= TCPSM__F_SACK;
#if !TCPSM__TINY
    if (s->flags & TCPSM__ACK)
        tcpsm__ecn_answered(c, s->flags, c->tos_seen);
    else if (tcpsm__ecn_kind(c, s->flags) == 1)
        c->flags2 |= TCPSM__N_ECN;
    else if (tcpsm__ecn_kind(c, s->flags) == 2)
        tcpsm__ace_begin(c);
#endif
    /* RFC 1122 4.2.2.20(c): also on the way to ESTABLISHED */
    tcpsm__set_wnd(c, s);
}

#if !TCPSM__TINY
/* The option in a SYN for a LISTEN that allows it: 1, its cookie is good,
   and the text may be served at once; else a new one goes back. */
TCPSM__FN int tcpsm__fo_arrives(tcpsm_conn *c, const struct tcpsm__seg *s)
{
    tcpsm_cc_event e;
    tcpsm_tuple t;
    tcpsm__tuple_of(c, &t);
    if (!tcpsm__fo_good(c->key, &t, c->now, s)) {
        c->dupacks = 1;
        return 0;
    }
    c->flags2 |= TCPSM__N_FO;
    tcpsm__cc_event(c, &e);
    tcpsm__cc(c, TCPSM__CC_INIT, &e); /* RFC7413-10 */
    return 1;
}
#endif

/* A SYN for a LISTEN. */
TCPSM__APART void tcpsm__open_passive(tcpsm_conn *c, tcpsm_in *in,
                                      const struct tcpsm__seg *s)
{
    uint32_t n = tcpsm__alen(in->family);
    int fast = 1; /* without Fast Open the text waits for the handshake */
    c->opts = (uint16_t)(c->opts & ~TCPSM__O_V6);
    if (in->family == 6)
        c->opts = (uint16_t)(c->opts | TCPSM__O_V6);
    memcpy(c->local, in->dst, n);
    memcpy(c->remote, in->src, n);
    c->remote_port = s->sport;
    tcpsm__isn(c);
    c->tos_seen = in->tos;
    c->flags |= TCPSM__F_SYN_OUT | TCPSM__F_SYN_DUE;
    tcpsm__take_syn(c, s);
    c->rcv_edge = c->rcv_nxt + tcpsm__min(tcpsm__room(c), 65535);
    tcpsm__set_state(c, TCPSM_SYN_RECEIVED);
#if !TCPSM__TINY
    if (tcpsm__is2(c, TCPSM__N_FASTOPEN) && s->fo_len != 0)
        fast = tcpsm__fo_arrives(c, s);
#endif
    if (s->len != 0 && (c->rcv_cap == 0 || !fast))
        tcpsm__refuse(c, in, TCPSM_DROP_NO_DATA);
    if (s->len != 0 && c->rcv_cap != 0 && fast) {
        /* text in a SYN waits, unread, for the handshake (9293-u12); a
           FIN with it comes again */
        struct tcpsm__seg t = *s;
        t.flags = (uint16_t)(t.flags & ~TCPSM__FIN);
        tcpsm__take_text(c, in, &t);
        c->flags &= ~TCPSM__F_ACK_NOW;
        tcpsm__disarm(c, TCPSM__T_ACK);
        if (tcpsm__fo_served(c) && c->rcv_len != 0)
            tcpsm__raise(c, TCPSM_EV_READABLE);
    }
}

/* SYN in SYN-SENT: with an ACK of ours it opens, alone the two crossed
   (RFC9293-MUST-10). */
TCPSM__FN void tcpsm__open_active(tcpsm_conn *c, tcpsm_in *in,
                                  const struct tcpsm__seg *s)
{
    int sent;
    c->tos_seen = in->tos;
    tcpsm__take_syn(c, s);
    if (!(s->flags & TCPSM__ACK)) {
        tcpsm__set_state(c, TCPSM_SYN_RECEIVED);
        c->flags |= TCPSM__F_SYN_DUE;
        if (s->len != 0)
            tcpsm__refuse(c, in, TCPSM_DROP_NO_DATA);
        return;
    }
    sent = tcpsm__outstanding(c) > 1;
#if !TCPSM__TINY
    tcpsm__fo_answered(c, s);
#endif
    tcpsm__ack_new(c, s);
#if !TCPSM__TINY
    tcpsm__fo_take_back(c);
#endif
    tcpsm__set_wnd(c, s);
    tcpsm__established(c);
    if (c->snd_una == c->snd_nxt && c->snd_len == 0 && sent)
        tcpsm__raise(c, TCPSM_EV_SENT); /* it went with the SYN */
    tcpsm__ack_now(c);
    tcpsm__take_urg(c, s);
    tcpsm__take_text(c, in, s); /* RFC9293-u4 */
}

/* Something acceptable came: the idle time begins anew. */
TCPSM__FN void tcpsm__heard(tcpsm_conn *c)
{
    if (tcpsm__aux_kind(c) != TCPSM__AUX_KEEP)
        return;
    c->probes = 0; /* RFC9293-MUST-26 */
    c->flags &= ~TCPSM__F_KEEP_DUE;
    tcpsm__disarm(c, TCPSM__T_AUX);
}

TCPSM__FN void tcpsm__accept(tcpsm_conn *c, tcpsm_in *in,
                             const struct tcpsm__seg *s)
{
    uint32_t before = c->rcv_nxt;
    c->tos_seen = in->tos; /* RFC9293-MAY-9 */
    if (c->state == TCPSM_TIME_WAIT) {
        if (s->len != 0)
            tcpsm__refuse(c, in, TCPSM_DROP_AFTER_FIN);
        return;
    }
    tcpsm__ts_take(c, s);
    tcpsm__heard(c);
#if !TCPSM__TINY
    tcpsm__ecn_in(c, in, s);
#endif
    tcpsm__take_ack(c, s);
    if (s->flags & TCPSM__SYN)
        tcpsm__ack_now(c);
    if (tcpsm__fin_acked(c))
        return;
    tcpsm__take_urg(c, s);
    tcpsm__take_text(c, in, s);
    /* A probe, or text beyond a window that is full, gets its ACK. */
    if (s->len != 0 && c->rcv_nxt == before && c->ranges_n == 0)
        tcpsm__ack_now(c);
}

TCPSM__FN void tcpsm__take_rst(tcpsm_conn *c)
{
    int lost = c->snd_len != 0;
    switch (c->state) {
    case TCPSM_SYN_SENT:
        tcpsm__finish(c, TCPSM_E_REFUSED);
        break;
    case TCPSM_SYN_RECEIVED:
        if (tcpsm__fo_served(c))
            tcpsm__finish(c, TCPSM_E_RESET);
        else if (tcpsm__is(c, TCPSM__F_PASSIVE))
            tcpsm__relisten(c); /* the user need not be informed */
        else
            tcpsm__finish(c, TCPSM_E_REFUSED);
        break;
    case TCPSM_CLOSING:
    case TCPSM_LAST_ACK:
        tcpsm__finish(c, lost ? TCPSM_E_RESET : 0);
        break;
    default:
        tcpsm__finish(c, TCPSM_E_RESET);
        break;
    }
}

/* RFC 6191: the SYN of a new connection while the old one is in TIME-WAIT,
   which ends. The owner, told EV_DONE, may listen and hand the segment in
   again; it comes again anyway. */
TCPSM__FN void tcpsm__reuse(tcpsm_conn *c, tcpsm_in *in)
{
    tcpsm__finish(c, 0);
    tcpsm__refuse(c, in, TCPSM_DROP_TIME_WAIT);
}

TCPSM__FN tcpsm_ret tcpsm__act(tcpsm_conn *c, tcpsm_in *in,
                               const struct tcpsm__seg *s,
                               struct tcpsm__verdict v)
{
    if (v.why != TCPSM_DROP_NONE && v.what != TCPSM__V_REUSE)
        tcpsm__refuse(c, in, v.why);
    switch (v.what) {
    case TCPSM__V_ACCEPT:
        tcpsm__accept(c, in, s);
        break;
    case TCPSM__V_ACK:
        if (v.why == TCPSM_DROP_OLD_DATA) {
            tcpsm__dsack(c, tcpsm__seg_text(s), s->len);
            tcpsm__owe(c);
            TCPSM__COUNT(c, duplicates, 1);
        } else {
            tcpsm__ack_now(c);
        }
        break;
    case TCPSM__V_CHALLENGE:
        /* RFC 9768 s3.2.2.1: also for the SYN-ACK that comes again */
        if (v.why == TCPSM_DROP_SYN && (s->flags & TCPSM__ACK) &&
            s->seq + 1 == c->rcv_nxt && s->ack == c->snd_una &&
            tcpsm__is2(c, TCPSM__N_ACE) && !tcpsm__is(c, TCPSM__F_PASSIVE)) {
            c->flags |= TCPSM__F_ACE_3RD;
            c->tos_seen = in->tos;
        }
        tcpsm__challenge(c);
        break;
    case TCPSM__V_STRANGER:
        return TCPSM_E_NOT_MINE;
    case TCPSM__V_REPLY:
        c->flags |= TCPSM__F_REPLY_RST;
        c->recover = s->ack;
        c->flags &= ~TCPSM__F_REPLY_TS;
        c->rcv_up = 0;
        if (s->ts) {
            c->flags |= TCPSM__F_REPLY_TS;
            c->rcv_up = s->tsval;
        }
        break;
    case TCPSM__V_RESET:
        tcpsm__take_rst(c);
        break;
    case TCPSM__V_LISTEN:
        if (tcpsm__fo_served(c))
            tcpsm__finish(c, TCPSM_E_RESET);
        else
            tcpsm__relisten(c);
        break;
    case TCPSM__V_SYN:
        if (c->state == TCPSM_LISTEN)
            tcpsm__open_passive(c, in, s);
        else
            tcpsm__open_active(c, in, s);
        break;
    case TCPSM__V_SYN_AGAIN:
        c->tos_seen = in->tos; /* RFC 9768 s3.1.5: the latest SYN's */
#if !TCPSM__TINY
        if (tcpsm__ecn_mixed(c, s->flags)) {
            tcpsm__take_rst(c);      /* as if the peer had reset it */
            return TCPSM_E_NOT_MINE; /* the reset of tcpsm_stranger */
        }
#endif
        if (tcpsm__may_challenge(c))
            c->flags |= TCPSM__F_SYN_DUE;
        break;
    case TCPSM__V_FIN_AGAIN:
        tcpsm__disarm(c, TCPSM__T_AUX);
        tcpsm__challenge(c);
        break;
    case TCPSM__V_REUSE:
        tcpsm__reuse(c, in);
        break;
    case TCPSM__V_CLOSED: /* RFC9293-SHLD-3 */
        if (s->ack - c->snd_una <= tcpsm__outstanding(c)) {
            c->snd_una = s->ack; /* the reset may not come before it */
            if (tcpsm__seq_le(c->snd_wl1, s->seq))
                c->snd_wnd = tcpsm__seg_wnd(c, s);
        }
        tcpsm__reset(c, TCPSM_E_CLOSED);
        break;
    default:
        break;
    }
    return 0;
}

/* Header prediction (Van Jacobson): the next data segment in order, or a
   pure ACK, of an ESTABLISHED connection with nothing out of order; its
   only option the timestamp, if one was negotiated, where everybody puts
   it. Fills s; 0: take the long way. Nothing is changed. */
TCPSM__FN int tcpsm__predicted(const tcpsm_conn *c, const tcpsm_in *in,
                               const uint8_t *p, tcpsm_time now,
                               struct tcpsm__seg *s)
{
    uint32_t hdr = tcpsm__ts_on(c) ? 32 : 20, ahead;
    uint32_t ace = tcpsm__is2(c, TCPSM__N_ACE) ? TCPSM__ECE | TCPSM__CWR : 0;
    if (c->state != TCPSM_ESTABLISHED || (p[12] & ~(ace >> 7)) != hdr << 2 ||
        (p[13] & ~(TCPSM__PSH | ace)) != TCPSM__ACK || in->len < hdr ||
        c->ranges_n != 0 || tcpsm__is(c, TCPSM__F_CLOSED) ||
        (in->flags & TCPSM_IN_LINK_BROADCAST) || in->len > 65536u)
        return 0;
    s->seq = tcpsm__get32(p + 4);
    s->ack = tcpsm__get32(p + 8);
    s->len = in->len - hdr;
    ahead = s->ack - c->snd_una;
    if (s->seq != c->rcv_nxt || ahead > tcpsm__outstanding(c) ||
        s->len > c->rcv_edge - c->rcv_nxt || c->rcv_edge == c->rcv_nxt ||
        (s->len != 0 && c->rcv_cap == 0))
        return 0;
    s->ts = 0;
    if (hdr == 32) {
        if (tcpsm__get32(p + 20) != 0x0101080Au)
            return 0;
        s->ts = 1;
        s->tsval = tcpsm__get32(p + 24);
        s->tsecr = tcpsm__get32(p + 28);
        if (tcpsm__paws_old(c, s, now))
            return 0;
    }
    s->flags = (uint16_t)((p[12] & 1) << 8 | p[13]);
    s->wnd = tcpsm__get16(p + 14);
    s->up = 0;
    s->nsack = s->has_ceb = s->acc_n = 0;
    s->text = p + hdr;
    return 1;
}

/* Verifies while it copies, into ring bytes that hold nothing yet: 0 when
   the sum is wrong, and nothing has happened. */
TCPSM__FN int tcpsm__fast_copy(tcpsm_conn *c, const tcpsm_in *in,
                               const struct tcpsm__seg *s)
{
    uint32_t sum, hdr = in->len - s->len;
    if (in->flags & TCPSM_IN_CSUM_OK) {
        tcpsm__ring_write(c->p.rcv, c->rcv_cap, c->rcv_head, c->rcv_len,
                          s->text, s->len);
        return 1;
    }
    sum = tcpsm__sum_pseudo(in->src, in->dst, in->family, in->len) +
          tcpsm__sum_plain(NULL, (const uint8_t *)in->data, hdr) +
          tcpsm__ring_put(c->p.rcv, c->rcv_cap, c->rcv_head, c->rcv_len,
                          s->text, s->len);
    return tcpsm__fold(sum) == 0xFFFFu;
}

/* The same steps as tcpsm__accept, where nothing can be out of order. */
TCPSM__FN void tcpsm__fast(tcpsm_conn *c, tcpsm_in *in,
                           const struct tcpsm__seg *s, tcpsm_time now)
{
    tcpsm__tick(c, now);
    c->tos_seen = in->tos;
    tcpsm__ts_take(c, s);
    tcpsm__heard(c);
#if !TCPSM__TINY
    if (tcpsm__is2(c, TCPSM__N_ECN | TCPSM__N_ACE))
        tcpsm__ecn_in(c, in, s);
#endif
    tcpsm__take_ack(c, s);
    if (s->len != 0) {
        c->rcv_nxt += s->len;
        c->rcv_len += s->len;
        TCPSM__COUNT(c, in_bytes, s->len);
        tcpsm__schedule_ack(c, tcpsm__train(in, s->len), 0);
        tcpsm__raise(c, TCPSM_EV_READABLE);
    }
    TCPSM__COUNT(c, in_segments, 1);
    tcpsm__sync(c);
    tcpsm__wake_up(c);
}

TCPSM__FN tcpsm_ret tcpsm__input(tcpsm_conn *c, tcpsm_in *in, tcpsm_time now)
{
    struct tcpsm__seg s;
    struct tcpsm__verdict v;
    const uint8_t *p;
    tcpsm_time t;
    tcpsm_ret ret;
    int self;
    p = (const uint8_t *)in->data;
    in->drop = TCPSM_DROP_NONE;
    in->conn = NULL;
    if (in->len < 20) {
        tcpsm__refuse(c, in, TCPSM_DROP_SHORT);
        return 0;
    }
    if (!tcpsm__match(c, in, tcpsm__get16(p), tcpsm__get16(p + 2))) {
        tcpsm__refuse(c, in, TCPSM_DROP_NOT_MINE);
        return TCPSM_E_NOT_MINE;
    }
    in->conn = c;
    t = now > c->now ? now : c->now;
    if (tcpsm__predicted(c, in, p, t, &s) && tcpsm__fast_copy(c, in, &s)) {
        tcpsm__fast(c, in, &s, t);
        return 0;
    }
    self = c->state != TCPSM_LISTEN;
    in->drop = tcpsm__parse(&s, p, in->len);
    if (in->drop == TCPSM_DROP_NONE &&
        !tcpsm__addresses_ok(in, s.sport, s.dport,
                             (c->opts & TCPSM_LOOPBACK) != 0, self))
        in->drop = TCPSM_DROP_ADDRESS;
    if ((in->drop == TCPSM_DROP_NONE || in->drop == TCPSM_DROP_OPTIONS) &&
        !(in->flags & TCPSM_IN_CSUM_OK) && !tcpsm__sum_good(in))
        in->drop = TCPSM_DROP_CHECKSUM;
    if (in->drop != TCPSM_DROP_NONE) { /* law 6 */
        tcpsm__refuse(c, in, in->drop);
        return 0;
    }
    s.segs = tcpsm__train(in, s.len);
    v = tcpsm__judge(c, &s, t, (in->flags & TCPSM_IN_NO_DATA) != 0);
    if (v.what == TCPSM__V_RING)
        return TCPSM_E_RING;
    TCPSM__COUNT(c, in_segments, 1);
    if (v.what == TCPSM__V_DROP || v.what == TCPSM__V_STRANGER)
        return tcpsm__act(c, in, &s, v); /* changes nothing */
    tcpsm__tick(c, t);
    ret = tcpsm__act(c, in, &s, v);
    tcpsm__sync(c);
    tcpsm__wake_up(c);
    return ret;
}

TCPSM_DEF tcpsm_ret tcpsm_input(tcpsm_conn *c, tcpsm_in *in, tcpsm_time now)
{
    if (c == NULL || in == NULL || !tcpsm__in_ok(in))
        return TCPSM_E_ARG;
    if (tcpsm__owned(c))
        return TCPSM_E_OWNED;
    return tcpsm__input(c, in, now);
}

/* --- timers that fire (RFC 9293 s3.10.8) --- */

TCPSM__FN void tcpsm__set_mtu(tcpsm_conn *c, uint32_t mtu)
{
    struct tcpsm__runs r;
    c->mtu = (uint16_t)mtu;
    if (!tcpsm__synchronized(c))
        return;
    c->more = (uint8_t)(c->more & ~TCPSM__M_FULL_ACKED);
    c->ptb_mtu = 0;
#if !TCPSM__TINY
    tcpsm__raise_later(c);
#endif
    if (c->runs_n == 0)
        return;
    r = tcpsm__runs_of(c); /* RFC 1191 s6.5: send again, no penalty */
    tcpsm__runs_lose_first(&r, r.end[0]);
    tcpsm__runs_put(c, &r);
    c->flags |= TCPSM__F_FORCE;
}

TCPSM__FN void tcpsm__syn_timeout(tcpsm_conn *c)
{
    c->flags |= TCPSM__F_SYN_LOST;
    if (c->probes < 255)
        c->probes++;
    if (c->backoff < 255)
        c->backoff++;
#if !TCPSM__TINY
    if (tcpsm__is2(c, TCPSM__N_FO) && !tcpsm__is(c, TCPSM__F_PASSIVE))
        *tcpsm__fo_of(c).flags |= TCPSM__FO_REFUSED; /* RFC7413-5 */
#endif
    if (c->state == TCPSM_SYN_RECEIVED && tcpsm__is(c, TCPSM__F_PASSIVE) &&
        c->probes >= TCPSM__SYN_ACKS) {
        if (tcpsm__fo_served(c))
            tcpsm__finish(c, TCPSM_E_TIMEOUT);
        else
            tcpsm__relisten(c);
        return;
    }
    c->flags |= TCPSM__F_SYN_DUE;
    if (c->probes == TCPSM__R1)
        tcpsm__report(c); /* RFC9293-MUST-22 */
}

/* What of the runs a timeout calls lost: without SACK everything, with it
   what RACK says (RFC8985-10). The peer's SACKs are forgotten if it must
   have reneged: the first octet cannot be SACKed (RFC2018-5, -6). */
TCPSM__FN void tcpsm__rto_marks(tcpsm_conn *c)
{
    struct tcpsm__runs r = tcpsm__runs_of(c);
#if !TCPSM__TINY
    struct tcpsm__rack k = tcpsm__rack_of(c);
    if (k.rtt == 0) /* nothing was delivered yet */
        k.rtt = c->srtt;
    if (tcpsm__sack_on(c)) {
        if (r.n != 0 && (r.meta[0] & TCPSM__R_SACKED))
            tcpsm__runs_lose_all(&r);
        else
            tcpsm__rack_timeout(&r, &k, tcpsm__now32(c),
                                c->snd_una + tcpsm__smss(c));
        tcpsm__runs_put(c, &r);
        return;
    }
#endif
    tcpsm__runs_lose_all(&r);
    tcpsm__runs_put(c, &r);
}

/* RFC6298-10 to -13, RFC5681-8, -9, RFC 6582 s3.2 (recover) */
TCPSM__FN void tcpsm__rto_fires(tcpsm_conn *c)
{
    tcpsm_cc_event e;
    uint32_t was;
    int frto, fresh = !tcpsm__is2(c, TCPSM__N_LOSS) &&
                      !tcpsm__is(c, TCPSM__F_RECOVERY) && c->probes == 0;
    if (tcpsm__is(c, TCPSM__F_SYN_OUT)) {
        tcpsm__syn_timeout(c);
        return;
    }
    tcpsm__leave_recovery(c);
    frto = c->probes != 0 && tcpsm__is2(c, TCPSM__N_FRTO_1);
    c->flags2 &= ~(TCPSM__N_FRTO_1 | TCPSM__N_FRTO_2 | TCPSM__N_REO);
    if (fresh) /* RFC 5682: not while another recovery is under way */
        tcpsm__remember(c);
    else if (c->probes == 0) /* a loss of what was sent again is real */
        c->flags2 &= ~TCPSM__N_UNDO;
    c->flags2 &= ~(TCPSM__N_TLP | TCPSM__N_TLP_RETX | TCPSM__N_TLP_DUE);
    if ((fresh || frto) && !TCPSM__TINY) /* s2.2: also time after time */
        c->flags2 |= TCPSM__N_FRTO_1;
    c->flags2 |= TCPSM__N_LOSS;
    tcpsm__cc_event(c, &e);
    e.again = c->probes != 0;
    was = c->cc.ssthresh;
    if (!fresh) /* the flight of a recovery is no measure (RFC5681-16) */
        e.flight = tcpsm__min(e.flight, was);
    tcpsm__cc(c, TCPSM__CC_TIMEOUT, &e);
    if (!fresh)
        c->cc.ssthresh = tcpsm__min(c->cc.ssthresh, was);
    TCPSM__COUNT(c, timeouts, 1);
    tcpsm__tell_cwr(c);
    c->flags |= TCPSM__F_FORCE;
    c->recover = c->snd_nxt;
    tcpsm__rto_marks(c);
    if (c->backoff < 255)
        c->backoff++;
    if (c->probes < 255)
        c->probes++;
    if (c->probes == TCPSM__R1)
        tcpsm__report(c); /* RFC9293-MUST-20 */
    if (c->ptb_mtu != 0)
        tcpsm__set_mtu(c, c->ptb_mtu); /* RFC5927-9 */
#if !TCPSM__TINY
    else if (tcpsm__black_hole(c)) {
        was = c->mtu;
        tcpsm__set_mtu(c, tcpsm__base_mtu(c));
        tcpsm__search_mtu(c, was);
        TCPSM__COUNT(c, mtu_holes, 1);
    }
#endif
}

#if !TCPSM__TINY
/* RFC8985-9: time has passed for the others, too. */
TCPSM__FN void tcpsm__reo_fires(tcpsm_conn *c)
{
    uint32_t flight = tcpsm__outstanding(c), cwnd = c->cc.cwnd;
    int recovering = tcpsm__is(c, TCPSM__F_RECOVERY);
    c->flags2 &= ~TCPSM__N_REO;
    if (tcpsm__detect(c) == 0)
        return;
    if (!recovering && !tcpsm__is2(c, TCPSM__N_LOSS))
        tcpsm__enter_recovery(c, flight, 0);
    if (!tcpsm__prr_on(c))
        return;
    tcpsm__reduce(c, 0, 0);
    if (recovering) /* as an ACK of one segment would have had it */
        c->cc.cwnd = tcpsm__max(
            c->cc.cwnd, tcpsm__min(cwnd, tcpsm__flight(c) + tcpsm__smss(c)));
}
#endif

/* All that is in flight is the octet of a window probe. */
TCPSM__FN int tcpsm__only_a_probe(const struct tcpsm__runs *r)
{
    const uint16_t mine = TCPSM__R_LOST | TCPSM__R_RETX | TCPSM__R_PROBE;
    return r->n == 1 && tcpsm__run_len(r, 0) == 1 &&
           (r->meta[0] & mine) == mine;
}

/* RFC9293-MUST-36 */
TCPSM__FN void tcpsm__persist_fires(tcpsm_conn *c)
{
    struct tcpsm__runs r = tcpsm__runs_of(c);
    tcpsm_cc_event e;
    if (c->probes == 0 && (c->more & TCPSM__M_SENT) &&
        !tcpsm__is(c, TCPSM__F_RECOVERY)) {
        c->flags2 &= ~TCPSM__N_UNDO;
        tcpsm__cc_event(c, &e);
        e.app_limited = 1; /* RFC9438-1, s5.8: time that does not count */
        tcpsm__cc(c, TCPSM__CC_ACKED, &e);
    }
    if (c->probes < 255)
        c->probes++;
    c->flags |= TCPSM__F_PROBE_DUE;
    if (tcpsm__only_a_probe(&r))
        return;               /* it stays marked, for tcpsm__unprobe */
    tcpsm__runs_lose_all(&r); /* beyond a closed window nothing is kept */
    tcpsm__runs_put(c, &r);
}

TCPSM__FN void tcpsm__keep_fires(tcpsm_conn *c)
{
    if (c->probes >= c->keep_count) { /* RFC9293-MUST-29 */
        tcpsm__reset(c, TCPSM_E_TIMEOUT);
        return;
    }
    c->probes++;
    c->flags |= TCPSM__F_KEEP_DUE;
}

TCPSM__FN void tcpsm__uto_fires(tcpsm_conn *c)
{
    if (tcpsm__is(c, TCPSM__F_CLOSED) && c->k_linger != TCPSM__K_OFF)
        tcpsm__reset(c, TCPSM_E_TIMEOUT);
    else
        tcpsm__finish(c, TCPSM_E_TIMEOUT);
}

TCPSM__FN void tcpsm__rtx_fires(tcpsm_conn *c, uint32_t kind)
{
    switch (kind) {
    case TCPSM__RTX_RTO:
        tcpsm__rto_fires(c);
        break;
    case TCPSM__RTX_PERSIST:
        tcpsm__persist_fires(c);
        break;
#if !TCPSM__TINY
    case TCPSM__RTX_TLP:
        c->flags2 |= TCPSM__N_TLP_DUE;
        break;
    case TCPSM__RTX_REO:
        tcpsm__reo_fires(c);
        break;
#endif
    default:
        c->flags |= TCPSM__F_OVERRIDE;
        break;
    }
}

TCPSM__FN void tcpsm__fire(tcpsm_conn *c, uint32_t which)
{
    uint32_t rtx = tcpsm__rtx_kind(c), aux = tcpsm__aux_kind(c);
    TCPSM_TRACE(c, TCPSM_TRACE_TIMER, which, rtx);
    tcpsm__disarm(c, which);
    switch (which) {
    case TCPSM__T_PACE: /* the gate is open */
        break;
    case TCPSM__T_RTX:
        tcpsm__rtx_fires(c, rtx);
        break;
    case TCPSM__T_ACK:
        tcpsm__ack_now(c);
        break;
    case TCPSM__T_AUX:
        if (aux == TCPSM__AUX_KEEP)
            tcpsm__keep_fires(c);
        else
            tcpsm__finish(c, 0);
        break;
    default:
        tcpsm__uto_fires(c);
        break;
    }
}

/* --- sending --- */

/* Every segment with ACK carries all that one owes (RFC9293-MUST-58,
   RFC9293-MUST-59: input never sends, so what came in one batch is
   acknowledged at once). */
TCPSM__FN void tcpsm__acked(tcpsm_conn *c)
{
    c->last_ack = c->rcv_nxt;
    c->flags &= ~TCPSM__F_ACK_NOW;
    c->ack_segs = 0;
    tcpsm__disarm(c, TCPSM__T_ACK);
    if (c->quick != 0 && c->quick != 255)
        c->quick--;
}

TCPSM__FN void tcpsm__fill_sack(tcpsm_conn *c, struct tcpsm__seg *s,
                                int with_dsack)
{
    struct tcpsm__ranges r = tcpsm__ranges_of(c);
    uint32_t most = tcpsm__ts_on(c) ? 3 : 4, i, k;
    if (!tcpsm__sack_on(c))
        return;                               /* RFC2018-1 */
    if (with_dsack && c->dsack_len[0] != 0) { /* RFC2883-1 */
        s->sack[0] = c->dsack_seq[0];
        s->sack[1] = c->dsack_seq[0] + c->dsack_len[0];
        s->nsack = 1;
        c->dsack_seq[0] = c->dsack_seq[1];
        c->dsack_len[0] = c->dsack_len[1];
        c->dsack_seq[1] = 0;
        c->dsack_len[1] = 0;
    }
    for (i = 0; i < r.n && s->nsack < most; i++) { /* RFC2018-2 to -4 */
        k = 2u * s->nsack;
        s->sack[k] = r.start[r.order[i]];
        s->sack[k + 1] = r.end[r.order[i]];
        s->nsack++;
        TCPSM_STEP();
    }
}

TCPSM__FN void tcpsm__fill(tcpsm_conn *c, struct tcpsm__seg *s,
                           uint32_t flags, uint32_t seq)
{
    memset(s, 0, sizeof *s);
    s->scale = TCPSM__NO_SCALE;
    s->sport = c->local_port;
    s->dport = c->remote_port;
    s->flags = (uint16_t)flags;
    s->seq = seq;
    if (flags & TCPSM__ACK)
        s->ack = c->rcv_nxt;
    if (tcpsm__ts_on(c)) { /* RFC7323-7 */
        s->ts = 1;
        s->tsval = tcpsm__ticks(c->now) + c->ts_offset;
        s->tsecr = flags & TCPSM__ACK ? c->ts_recent : 0;
    }
    if (flags & (TCPSM__RST | TCPSM__SYN))
        return;
    if (tcpsm__is(c, TCPSM__F_SND_URG) && tcpsm__seq_lt(seq, c->snd_up)) {
        s->flags |= TCPSM__URG;
        s->up = (uint16_t)tcpsm__min(c->snd_up - seq, 65535);
    }
}

/* Writes s and n bytes of the send ring from off on. RFC9293-MUST-2. */
TCPSM__FN tcpsm_ret tcpsm__emit(tcpsm_conn *c, tcpsm_out *out,
                                const struct tcpsm__seg *s, uint32_t off,
                                uint32_t n)
{
    uint8_t *p = (uint8_t *)out->buf;
    uint32_t hdr = tcpsm__build(p, s), sum, k;
    int gather = (c->opts & TCPSM_GATHER) != 0;
    int full = !(c->opts & (TCPSM_TX_PARTIAL | TCPSM_TX_ZERO));
    tcpsm__tuple_of(c, &out->tuple);
    out->conn = c;
    out->hdr_len = (uint16_t)hdr;
    out->gso_size = 0;
    out->segs = 1;
    out->tos = (uint8_t)(c->tos & ~3u);
    out->ttl = c->ttl; /* RFC9293-MUST-49, RFC9293-SHLD-22 */
    memset(out->flow, 0, sizeof out->flow);
    memset(out->ref, 0, sizeof out->ref);
    out->csum = TCPSM_CSUM_FULL;
    sum = tcpsm__sum_pseudo(c->local, c->remote, tcpsm__family(c), hdr + n);
    if (full) {
        uint32_t t = tcpsm__ring_sum(gather ? NULL : p + hdr, c->p.snd,
                                     c->snd_cap, c->snd_head, off, n);
        sum = tcpsm__fold(sum + t + tcpsm__sum_plain(NULL, p, hdr));
        tcpsm__put16(p + 16, ~sum & 0xFFFFu);
    } else {
        if (!gather)
            tcpsm__ring_read(p + hdr, c->p.snd, c->snd_cap, c->snd_head, off,
                             n);
        out->csum = TCPSM_CSUM_ZERO;
        if (c->opts & TCPSM_TX_PARTIAL) {
            out->csum = TCPSM_CSUM_PARTIAL;
            tcpsm__put16(p + 16, sum);
        }
    }
    TCPSM__COUNT(c, out_segments, 1);
    TCPSM__COUNT(c, out_bytes, n);
    if (!gather || n == 0)
        return (tcpsm_ret)(hdr + n);
    k = tcpsm__ring_first(c->snd_cap, c->snd_head, off, n);
    out->ref[0].p = c->p.snd + tcpsm__ring_at(c->snd_cap, c->snd_head, off);
    out->ref[0].n = k;
    out->ref[1].p = k < n ? c->p.snd : NULL;
    out->ref[1].n = n - k;
    return (tcpsm_ret)hdr;
}

TCPSM__FN tcpsm_ret tcpsm__do_rst(tcpsm_conn *c, tcpsm_out *out)
{
    struct tcpsm__seg s;
    tcpsm__fill(c, &s, TCPSM__RST | TCPSM__ACK, c->snd_nxt);
    c->flags &= ~TCPSM__F_RST_DUE;
    tcpsm__raise(c, TCPSM_EV_DONE);
    return tcpsm__emit(c, out, &s, 0, 0);
}

TCPSM__FN tcpsm_ret tcpsm__do_reply_rst(tcpsm_conn *c, tcpsm_out *out)
{
    struct tcpsm__seg s;
    tcpsm__fill(c, &s, TCPSM__RST, c->recover);
    s.ts = (c->flags & TCPSM__F_REPLY_TS) != 0; /* RFC7323-13 */
    s.tsval = 0;
    s.tsecr = c->rcv_up;
    c->flags &= ~(TCPSM__F_REPLY_RST | TCPSM__F_REPLY_TS);
    c->recover = c->snd_una;
    c->rcv_up = 0;
    return tcpsm__emit(c, out, &s, 0, 0);
}

#if !TCPSM__TINY
/* A cookie in the SYN-ACK for who asked: dupacks has no other use yet. */
TCPSM__FN void tcpsm__fo_grant(const tcpsm_conn *c, struct tcpsm__seg *s,
                               uint8_t cookie[8])
{
    tcpsm_tuple t;
    if (c->dupacks == 0 || c->probes != 0)
        return; /* RFC7413-8 */
    tcpsm__tuple_of(c, &t);
    tcpsm__fo_cookie(c->key, &t, (uint32_t)(c->now >> 38), cookie);
    s->fo = cookie;
    s->fo_len = 10;
}

/* The ECN bits of a SYN or SYN-ACK. A server that has to send one without
   them may not use ECT for the rest (RFC 9768 s3.1.4.2, s3.1.5). */
TCPSM__FN void tcpsm__syn_ecn(tcpsm_conn *c, struct tcpsm__seg *s, int answer)
{
    uint32_t mode = tcpsm__is2(c, TCPSM__N_ECN)   ? 1
                    : tcpsm__is2(c, TCPSM__N_ACE) ? 2
                                                  : 0;
    uint32_t bits = answer ? tcpsm__ecn_answer(mode, c->tos_seen, c->probes)
                           : tcpsm__ecn_ask(c);
    s->flags = (uint16_t)(s->flags | bits);
    if (answer && mode == 2 && bits == 0)
        c->flags2 |= TCPSM__N_NO_ECT;
    if (answer && mode == 2 && c->probes == 0) { /* RFC 9768 s3.2.3.2 */
        s->acc_n = 4;
        s->acc = c->acc;
    }
}
#endif

TCPSM__FN tcpsm_ret tcpsm__do_syn(tcpsm_conn *c, tcpsm_out *out)
{
    struct tcpsm__seg s;
    struct tcpsm__runs r = tcpsm__runs_of(c);
    uint32_t n = 0;
    int answer = c->state == TCPSM_SYN_RECEIVED;
    int again = c->snd_nxt != c->snd_una;
#if !TCPSM__TINY
    uint8_t cookie[8];
#endif
    tcpsm__fill(c, &s, answer ? TCPSM__SYN | TCPSM__ACK : TCPSM__SYN,
                c->snd_una);
    s.mss = (uint16_t)tcpsm__adv_mss(c); /* RFC9293-MUST-14, RFC9293-SHLD-5 */
    if (!answer || tcpsm__is(c, TCPSM__F_WS))
        s.scale = (uint8_t)tcpsm__rcv_shift(c);
    if (c->opts & TCPSM_NO_SCALE)
        s.scale = TCPSM__NO_SCALE;
    s.sack_ok = answer ? tcpsm__sack_on(c) != 0
                       : TCPSM__HAVE_OPTIONS && !(c->opts & TCPSM_NO_SACK);
    if (!answer && TCPSM__HAVE_OPTIONS && !(c->opts & TCPSM_NO_TS)) {
        s.ts = 1;
        s.tsval = tcpsm__ticks(c->now) + c->ts_offset;
    }
#if !TCPSM__TINY
    tcpsm__syn_ecn(c, &s, answer);
#endif
#if !TCPSM__TINY
    if (!answer)
        n = tcpsm__fo_syn(c, &s);
    else
        tcpsm__fo_grant(c, &s, cookie);
    n = tcpsm__min(n, out->cap - tcpsm__build_len(&s));
    if (tcpsm__is(c, TCPSM__F_EOR))
        n = 0; /* the record's end would be lost with the SYN's text */
    if (tcpsm__build_len(&s) > 60)
        s.acc_n = 0;
#endif
    s.wnd = tcpsm__window(c, 1);
    if (again) {
        tcpsm__runs_again(&r, c->snd_una, tcpsm__now32(c), 0);
        tcpsm__runs_put(c, &r);
        TCPSM__COUNT(c, retransmits, 1);
    } else {
        c->snd_nxt = c->snd_una + 1 + n;
        tcpsm__runs_push(&r, c->snd_nxt, 0, tcpsm__now32(c), 0);
        tcpsm__runs_put(c, &r);
    }
    c->flags &= ~TCPSM__F_SYN_DUE;
    if (answer)
        tcpsm__acked(c);
    return tcpsm__emit(c, out, &s, 0, again ? 0 : n);
}

TCPSM__FN tcpsm_ret tcpsm__do_ack(tcpsm_conn *c, tcpsm_out *out, uint32_t seq,
                                  int dup)
{
    struct tcpsm__seg s;
    tcpsm__fill(c, &s, TCPSM__ACK, seq);
    tcpsm__fill_sack(c, &s, dup);
#if !TCPSM__TINY
    s.acc_n = tcpsm__acc_fields(c);
    s.flags = (uint16_t)(s.flags | tcpsm__ecn_out(c, s.nsack == 0));
    s.acc = c->acc;
    if (tcpsm__build_len(&s) > 60)
        s.acc_n = 0;
#endif
    s.wnd = tcpsm__window(c, 0);
    tcpsm__acked(c);
    return tcpsm__emit(c, out, &s, 0, 0);
}

/* n bytes and possibly a FIN at seq, which is in the send ring. */
TCPSM__FN tcpsm_ret tcpsm__do_text(tcpsm_conn *c, tcpsm_out *out,
                                   uint32_t seq, uint32_t n, int fin,
                                   uint32_t mss)
{
    struct tcpsm__seg s;
    uint32_t off = seq - tcpsm__snd_base(c), segs = 1;
    int record = tcpsm__is(c, TCPSM__F_EOR) && seq + n == c->eor;
    tcpsm_ret ret;
    tcpsm__fill(c, &s, TCPSM__ACK, seq);
    tcpsm__fill_sack(c, &s, 0);
#if !TCPSM__TINY
    s.flags = (uint16_t)(s.flags | tcpsm__ecn_out(c, 0));
    if (seq == c->snd_nxt && n != 0 && tcpsm__is2(c, TCPSM__N_CWR) &&
        !tcpsm__is(c, TCPSM__F_PROBE_DUE)) { /* RFC3168-13 */
        s.flags |= TCPSM__CWR; /* RFC3168-9: the first new data */
        c->flags2 &= ~TCPSM__N_CWR;
    }
#endif
    s.wnd = tcpsm__window(c, 0);
    if (n != 0 && (off + n == c->snd_len || record))
        s.flags |= TCPSM__PSH; /* RFC9293-MUST-61, RFC9293-SHLD-27 */
    if (fin)
        s.flags |= TCPSM__FIN;
    tcpsm__acked(c);
    ret = tcpsm__emit(c, out, &s, off, n);
    if (n > mss) {
        segs = (n + mss - 1) / mss;
        out->gso_size = (uint16_t)mss;
        out->segs = (uint16_t)segs;
    }
    return ret;
}

/* What fits behind the header that a text segment would have now. */
TCPSM__FN uint32_t tcpsm__fit(const tcpsm_conn *c, const tcpsm_out *out)
{
    uint32_t n = tcpsm__sack_blocks(c), hdr = 20;
    if (tcpsm__ts_on(c))
        hdr += 12;
    if (n != 0)
        hdr += 4 + 8 * n;
    if (c->opts & TCPSM_GATHER)
        return 65495u - hdr;
    return tcpsm__min(out->cap, 65495u) - hdr;
}

#if !TCPSM__TINY
/* How long so many bytes take at the pacing rate: a multiple of cwnd / SRTT
   (RFC9937-9). */
TCPSM__FN uint32_t tcpsm__pace_time(const tcpsm_conn *c, uint32_t n)
{
    uint32_t q = c->cc.cwnd < c->cc.ssthresh ? c->pace >> 4 : c->pace & 15u;
    return tcpsm__muldiv(n, c->srtt, tcpsm__max(c->cc.cwnd / 4 * q, 1));
}

/* The longest burst: two segments, or what a millisecond or a tick of the
   clock is worth. */
TCPSM__FN uint32_t tcpsm__pace_burst(const tcpsm_conn *c)
{
    return tcpsm__max(tcpsm__pace_time(c, 2 * tcpsm__smss(c)),
                      tcpsm__max(1000, tcpsm__tick_us(c)));
}

/* n bytes went out: when may the next? pace_at runs ahead of now by what was
   sent; when the next segment would make that more than a burst, the gate
   closes until pace_at. Who comes late, by a tick of his clock at most, has
   that to his credit. */
TCPSM__FN void tcpsm__pace(tcpsm_conn *c, uint32_t n)
{
    uint32_t burst, ahead = c->pace_at - tcpsm__now32(c);
    if (!tcpsm__is2(c, TCPSM__N_PACE) || c->srtt == 0)
        return;
    if (c->cc.ssthresh == TCPSM__MAX_CWND &&
        c->cc.cwnd <= tcpsm__initial_window(c))
        return; /* RFC 6928: the initial window goes out as one */
    burst = tcpsm__pace_burst(c);
    if (ahead > burst && 0u - ahead > tcpsm__tick_us(c))
        ahead = 0;
    ahead += tcpsm__min(tcpsm__pace_time(c, n), tcpsm__rto(c));
    c->pace_at = tcpsm__now32(c) + ahead;
    if (ahead < 0x80000000u &&
        ahead + tcpsm__pace_time(c, tcpsm__smss(c)) > burst)
        c->timers |= TCPSM__T_PACE;
}

/* Bytes that one train may have, so as not to be a longer burst. */
TCPSM__FN uint32_t tcpsm__pace_train(const tcpsm_conn *c)
{
    uint32_t q = c->cc.cwnd < c->cc.ssthresh ? c->pace >> 4 : c->pace & 15u;
    uint32_t burst, ahead = c->pace_at - tcpsm__now32(c);
    if (!tcpsm__is2(c, TCPSM__N_PACE) || c->srtt == 0)
        return 0xFFFFFFFFu;
    burst = tcpsm__pace_burst(c);
    if (ahead <= burst)
        burst -= ahead;
    return tcpsm__muldiv(c->cc.cwnd / 4 * q, burst, c->srtt);
}
#endif

/* A train's length, from one segment's; whole segments only. */
TCPSM__FN uint32_t tcpsm__train_len(const tcpsm_conn *c, const tcpsm_out *out,
                                    uint32_t len)
{
    uint32_t full = tcpsm__full(c), most, flight = tcpsm__flight(c);
    uint32_t cwnd = tcpsm__cwnd(c);
    if (!(c->opts & TCPSM_GSO) || len != full ||
        tcpsm__is(c, TCPSM__F_SND_URG | TCPSM__F_EOR))
        return len;
#if !TCPSM__TINY
    /* segmentation offloads clear CWR after the first segment */
    if (tcpsm__is2(c, TCPSM__N_CWR) ||
        (tcpsm__is2(c, TCPSM__N_ACE) &&
         (tcpsm__cep(c, TCPSM__CEP_IN) & 2u) != 0))
        return len;
#endif
    most = tcpsm__min(tcpsm__unsent(c), tcpsm__window_left(c, c->snd_nxt));
    most = tcpsm__min(most, tcpsm__fit(c, out));
#if !TCPSM__TINY
    most = tcpsm__min(most, tcpsm__pace_train(c));
#endif
    most = tcpsm__min(most, cwnd > flight ? cwnd - flight : 0);
    return tcpsm__max(len, most - most % full);
}

/* RFC5681-14: nothing was sent for an RTO, so the ACK clock is gone. */
TCPSM__FN void tcpsm__after_idle(tcpsm_conn *c)
{
    tcpsm_cc_event e;
    uint32_t idle = tcpsm__ticks(c->now) - c->u.open.sent_at;
    if (tcpsm__outstanding(c) != 0 || !(c->more & TCPSM__M_SENT))
        return;
    if (idle <= tcpsm__rto(c) >> 10)
        return;
    c->flags2 &= ~TCPSM__N_UNDO;
    tcpsm__cc_event(c, &e);
    tcpsm__cc(c, TCPSM__CC_IDLE, &e);
}

/* Has SND.NXT reached the record's end? Then the next may be queued. */
TCPSM__FN void tcpsm__record_sent(tcpsm_conn *c)
{
    if (!tcpsm__is(c, TCPSM__F_EOR) || tcpsm__seq_lt(c->snd_nxt, c->eor))
        return;
    c->flags &= ~TCPSM__F_EOR;
    c->eor = 0;
    if (c->more & TCPSM__M_SHORT_SEND)
        tcpsm__raise(c, TCPSM_EV_WRITABLE);
    c->more = (uint8_t)(c->more & ~TCPSM__M_SHORT_SEND);
}

/* Text of n bytes has gone out: PRR counts it (RFC9937-5), or else the time
   (RFC5681-14). */
TCPSM__FN void tcpsm__sent(tcpsm_conn *c, uint32_t n)
{
    c->more |= TCPSM__M_SENT;
    if (tcpsm__prr_on(c))
        c->u.prr.out += n;
    else
        c->u.open.sent_at = tcpsm__ticks(c->now);
#if !TCPSM__TINY
    tcpsm__pace(c, n);
#endif
}

TCPSM__FN uint8_t tcpsm__new_ect(const tcpsm_conn *c)
{
#if TCPSM__TINY
    (void)c;
    return 0;
#else
    return (c->tos & 3u) != 0 ? 0 : tcpsm__ect(c);
#endif
}

/* Within an eighth of this segments join one run. Not where something old
   was sent between two new ones, or the other way round: a run that spans
   that would turn RACK's order around (RFC 8985 s6.2). */
TCPSM__FN uint32_t tcpsm__near(tcpsm_conn *c, uint32_t again)
{
    uint32_t old = c->timers & TCPSM__T_AGAIN;
    c->timers = (uint8_t)((c->timers & ~TCPSM__T_AGAIN) | again);
    return old == again ? c->min_rtt : 0;
}

/* n bytes that were never sent, and the FIN if it is next. */
TCPSM__FN tcpsm_ret tcpsm__send_new(tcpsm_conn *c, tcpsm_out *out, uint32_t n,
                                    uint16_t flags)
{
    struct tcpsm__runs r;
    uint32_t seq = c->snd_nxt, mss = tcpsm__full(c);
    tcpsm_ret ret;
    int fin = tcpsm__fin_unsent(c) && n == tcpsm__unsent(c) &&
              tcpsm__window_left(c, seq) > n;
    if (flags & TCPSM__R_PROBE)
        mss = n;
    ret = tcpsm__do_text(c, out, seq, n, fin, mss);
    if (n != 0) /* ECT on new data only (RFC3168-12, -13) */
        out->tos = (uint8_t)(c->tos | tcpsm__new_ect(c));
    c->snd_nxt = seq + n + (uint32_t)fin;
    if (fin)
        c->flags |= TCPSM__F_FIN_SENT;
    tcpsm__record_sent(c);
    c->flags &= ~TCPSM__F_OVERRIDE;
    tcpsm__sent(c, c->snd_nxt - seq);
    r = tcpsm__runs_of(c);
#if !TCPSM__TINY
    if (r.n == 0) { /* what RACK knew may be hours old */
        c->rack_xmit = tcpsm__now32(c);
        c->rack_end = c->snd_una;
    }
#endif
    tcpsm__runs_push(&r, c->snd_nxt, flags, tcpsm__now32(c),
                     tcpsm__near(c, 0));
    tcpsm__runs_put(c, &r);
    if (tcpsm__rtx_kind(c) == TCPSM__RTX_TLP) /* RFC8985-11 */
        tcpsm__arm(c, TCPSM__T_RTX, tcpsm__pto(c));
    return ret;
}

TCPSM__FN tcpsm_ret tcpsm__do_data(tcpsm_conn *c, tcpsm_out *out)
{
    uint32_t n;
    tcpsm__after_idle(c);
#if !TCPSM__TINY
    if (tcpsm__is2(c, TCPSM__N_RAISE) &&
        (uint16_t)(c->pmtu - (uint16_t)(c->now >> 20) - 1u) >=
            TCPSM__RAISE_AFTER)
        tcpsm__search_mtu(c, tcpsm__most_mtu(c) + TCPSM__MTU_STEP);
    n = tcpsm__probe_len(c);
    if (n != 0 && n <= tcpsm__fit(c, out)) {
        TCPSM__COUNT(c, mtu_probes, 1);
        return tcpsm__send_new(c, out, n, TCPSM__R_PROBE);
    }
#endif
    n = tcpsm__new_len(c);
    n = tcpsm__train_len(c, out, tcpsm__min(n, tcpsm__fit(c, out)));
    return tcpsm__send_new(c, out, n, 0);
}

#if !TCPSM__TINY
/* RFC8985-12: new data if there is some and the peer has room, or else the
   last segment again; past the congestion window. */
TCPSM__FN tcpsm_ret tcpsm__do_tlp(tcpsm_conn *c, tcpsm_out *out)
{
    struct tcpsm__runs r = tcpsm__runs_of(c);
    uint32_t n = tcpsm__min(tcpsm__unsent(c), tcpsm__full(c)), seq;
    tcpsm_ret ret;
    int fin;
    if (n > tcpsm__window_left(c, c->snd_nxt))
        n = 0; /* no crumbs: RFC9293-MUST-38 */
    n = tcpsm__min(n, tcpsm__fit(c, out));
    c->flags2 &= ~(TCPSM__N_TLP_DUE | TCPSM__N_SAMPLED);
    c->flags2 |= TCPSM__N_TLP;
    TCPSM__COUNT(c, loss_probes, 1);
    if (n != 0 || tcpsm__bare_fin(c)) {
        ret = tcpsm__send_new(c, out, n, TCPSM__R_TLP);
        c->u.open.tlp_end = c->snd_nxt;
        return ret;
    }
    fin = tcpsm__is(c, TCPSM__F_FIN_SENT);
    n = tcpsm__min(tcpsm__full(c), tcpsm__fit(c, out)) + (uint32_t)fin;
    n = tcpsm__min(n, tcpsm__run_len(&r, r.n - 1u));
    seq = c->snd_nxt - n;
    (void)tcpsm__runs_cut(&r, seq);
    tcpsm__runs_again(&r, seq, tcpsm__now32(c), TCPSM__R_TLP);
    (void)tcpsm__near(c, TCPSM__T_AGAIN);
    tcpsm__runs_put(c, &r);
    c->flags2 |= TCPSM__N_TLP_RETX;
    c->u.open.tlp_end = c->snd_nxt;
    tcpsm__sent(c, n);
    TCPSM__COUNT(c, retransmits, 1);
    TCPSM_TRACE(c, TCPSM_TRACE_RETRANSMIT, seq, n);
    return tcpsm__do_text(c, out, seq, n - (uint32_t)fin, fin,
                          tcpsm__full(c));
}
#endif

/* The window has opened, and all that is in flight is a probe's octet: it
   goes with the text behind it, in one segment (RFC9293-SHLD-28). */
TCPSM__FN int tcpsm__unprobe(tcpsm_conn *c)
{
    struct tcpsm__runs r = tcpsm__runs_of(c);
    if (!tcpsm__only_a_probe(&r) ||
        tcpsm__is(c, TCPSM__F_FIN_SENT | TCPSM__F_SYN_OUT) ||
        tcpsm__unsent(c) == 0)
        return 0;
    tcpsm__runs_delete(&r, 0, 1);
    r.oof = 0;
    tcpsm__runs_put(c, &r);
    c->snd_nxt = c->snd_una;
    if (tcpsm__new_len(c) != 0)
        return 1;
    c->snd_nxt = c->snd_una + 1; /* held back: then the octet alone */
    tcpsm__runs_push(&r, c->snd_nxt,
                     TCPSM__R_LOST | TCPSM__R_RETX | TCPSM__R_PROBE,
                     tcpsm__now32(c), 0);
    tcpsm__runs_put(c, &r);
    return 0;
}

TCPSM__FN tcpsm_ret tcpsm__do_resend(tcpsm_conn *c, tcpsm_out *out)
{
    struct tcpsm__runs r = tcpsm__runs_of(c);
    uint32_t i = 0, len = tcpsm__resend_len(c, &i), seq, end, text;
    int fin;
    if (tcpsm__unprobe(c))
        return tcpsm__do_data(c, out);
    len = tcpsm__min(len, tcpsm__fit(c, out));
    seq = tcpsm__run_start(&r, i);
    end = seq + len;
    fin = tcpsm__is(c, TCPSM__F_FIN_SENT) && end == c->snd_nxt;
    text = len - (uint32_t)fin;
    tcpsm__runs_resent(&r, i, end, tcpsm__now32(c),
                       tcpsm__near(c, TCPSM__T_AGAIN));
    tcpsm__runs_put(c, &r);
    c->flags &= ~TCPSM__F_FORCE;
    /* RFC6298-10: no timeout within one RTO of this. Note: so NewReno here
       is the "slow but steady" variant of RFC 6582 s4. */
    if (seq == c->snd_una && tcpsm__rtx_kind(c) != TCPSM__RTX_REO)
        tcpsm__disarm(c, TCPSM__T_RTX);
    tcpsm__sent(c, len);
#if !TCPSM__TINY
    if (c->undo_n < 255)
        c->undo_n++;
    if (tcpsm__is2(c, TCPSM__N_UNDO) && c->rcv_up == 0)
        c->rcv_up = tcpsm__now32(c) != 0 ? tcpsm__now32(c) : 1;
#endif
    TCPSM__COUNT(c, retransmits, 1);
    TCPSM_TRACE(c, TCPSM_TRACE_RETRANSMIT, seq, len);
    return tcpsm__do_text(c, out, seq, text, fin, text);
}

/* One octet at SND.UNA past the window's edge (RFC 9293 s3.8.6.1): the
   peer answers with an ACK and its window. It stays marked as lost, to be
   sent again when the window opens. */
TCPSM__FN tcpsm_ret tcpsm__do_probe(tcpsm_conn *c, tcpsm_out *out)
{
    struct tcpsm__runs r = tcpsm__runs_of(c);
    uint32_t seq = c->snd_una;
    int fin = c->snd_len == 0;
    tcpsm_ret ret = tcpsm__do_text(c, out, seq, fin ? 0 : 1, fin, 1);
    c->flags &= ~TCPSM__F_PROBE_DUE;
    c->more |= TCPSM__M_PROBED;
    TCPSM__COUNT(c, probes, 1);
    if (c->snd_nxt != seq)
        return ret;
    c->snd_nxt = seq + 1;
    tcpsm__record_sent(c);
    if (fin)
        c->flags |= TCPSM__F_FIN_SENT;
    tcpsm__runs_push(&r, c->snd_nxt,
                     TCPSM__R_LOST | TCPSM__R_RETX | TCPSM__R_PROBE,
                     tcpsm__now32(c), 0);
    tcpsm__runs_put(c, &r);
    return ret;
}

TCPSM__FN tcpsm_ret tcpsm__do(tcpsm_conn *c, tcpsm_out *out, int what)
{
    switch (what) {
    case TCPSM__DO_RST:
        return tcpsm__do_rst(c, out);
    case TCPSM__DO_REPLY_RST:
        return tcpsm__do_reply_rst(c, out);
    case TCPSM__DO_SYN:
        return tcpsm__do_syn(c, out);
    case TCPSM__DO_DUPACK:
        c->owed--;
        return tcpsm__do_ack(c, out, tcpsm__ack_seq(c), 1);
    case TCPSM__DO_RESEND:
        return tcpsm__do_resend(c, out);
#if !TCPSM__TINY
    case TCPSM__DO_TLP:
        return tcpsm__do_tlp(c, out);
#endif
    case TCPSM__DO_DATA:
        return tcpsm__do_data(c, out);
    case TCPSM__DO_PROBE:
        return tcpsm__do_probe(c, out);
    case TCPSM__DO_KEEP: /* RFC9293-SHLD-12: no octet */
        c->flags &= ~TCPSM__F_KEEP_DUE;
        TCPSM__COUNT(c, probes, 1);
        return tcpsm__do_ack(c, out, c->snd_una - 1, 0);
    default:
        return tcpsm__do_ack(c, out, tcpsm__ack_seq(c), 0);
    }
}

TCPSM__FN tcpsm_ret tcpsm__output(tcpsm_conn *c, tcpsm_out *out,
                                  tcpsm_time now)
{
    uint32_t which, turn;
    tcpsm_time t;
    tcpsm_ret n;
    int what;
    t = now > c->now ? now : c->now;
    for (turn = 0; turn < 16; turn++) { /* each turn ends a timer's cause */
        what = tcpsm__plan(c);
        if (what == TCPSM__DO_NOTHING) {
            if (tcpsm__earliest(c, &which) > t)
                return 0;
            tcpsm__tick(c, t);
            tcpsm__fire(c, which);
            tcpsm__sync(c);
            tcpsm__wake_up(c);
            continue;
        }
        tcpsm__tick(c, t);
        if (what == TCPSM__DO_SYNC) {
            tcpsm__sync(c);
            continue;
        }
        n = tcpsm__do(c, out, what);
        tcpsm__sync(c);
        if (c->events != 0)
            tcpsm__wake_up(c);
        return n;
    }
    return 0;
}

TCPSM_DEF tcpsm_ret tcpsm_output(tcpsm_conn *c, tcpsm_out *out,
                                 tcpsm_time now)
{
    if (c == NULL || out == NULL || out->buf == NULL)
        return TCPSM_E_ARG;
    if (out->cap < TCPSM_MIN_CAP)
        return TCPSM_E_SPACE;
    if (tcpsm__owned(c))
        return TCPSM_E_OWNED;
    return tcpsm__output(c, out, now);
}

/* --- strangers (RFC 9293 s3.10.7.1) --- */

/* A segment of no connection, complete: the rest of *out. */
TCPSM__FN tcpsm_ret tcpsm__emit_alone(tcpsm_out *out, const tcpsm_tuple *t,
                                      const struct tcpsm__seg *s,
                                      uint32_t opts, uint8_t ttl)
{
    uint8_t *p = (uint8_t *)out->buf;
    uint32_t hdr = tcpsm__build(p, s), sum;
    sum = tcpsm__sum_pseudo(t->local, t->remote, t->family, hdr);
    out->csum = TCPSM_CSUM_FULL;
    if (opts & TCPSM_TX_PARTIAL) {
        out->csum = TCPSM_CSUM_PARTIAL;
        tcpsm__put16(p + 16, sum);
    } else if (opts & TCPSM_TX_ZERO) {
        out->csum = TCPSM_CSUM_ZERO;
    } else {
        sum = tcpsm__fold(sum + tcpsm__sum_plain(NULL, p, hdr));
        tcpsm__put16(p + 16, ~sum & 0xFFFFu);
    }
    out->tuple = *t;
    out->tuple.zero = 0;
    memset(out->ref, 0, sizeof out->ref);
    memset(out->flow, 0, sizeof out->flow);
    out->hdr_len = (uint16_t)hdr;
    out->gso_size = 0;
    out->segs = 1;
    out->tos = 0;
    out->ttl = ttl;
    out->conn = NULL;
    return (tcpsm_ret)hdr;
}

/* 127/8 and ::1 talk to each other only. */
TCPSM__FN int tcpsm__both_loopback(const tcpsm_in *in)
{
    return !tcpsm__unicast(in->src, in->family, 0) &&
           !tcpsm__unicast(in->dst, in->family, 0);
}

TCPSM_DEF tcpsm_ret tcpsm_stranger(const tcpsm_in *in, tcpsm_out *out)
{
    struct tcpsm__seg s, r;
    tcpsm_tuple t;
    uint32_t n;
    if (in == NULL || out == NULL || !tcpsm__in_ok(in) || out->buf == NULL)
        return TCPSM_E_ARG;
    if (out->cap < TCPSM_MIN_CAP)
        return TCPSM_E_SPACE;
    if (tcpsm__parse(&s, (const uint8_t *)in->data, in->len) != 0 ||
        (s.flags & TCPSM__RST) ||
        !tcpsm__addresses_ok(in, s.sport, s.dport, tcpsm__both_loopback(in),
                             0) ||
        (!(in->flags & TCPSM_IN_CSUM_OK) && !tcpsm__sum_good(in)))
        return 0;
    memset(&r, 0, sizeof r);
    r.scale = TCPSM__NO_SCALE;
    r.sport = s.dport;
    r.dport = s.sport;
    if (s.flags & TCPSM__ACK) {
        r.flags = TCPSM__RST;
        r.seq = s.ack;
    } else {
        r.flags = TCPSM__RST | TCPSM__ACK;
        r.ack = s.seq + tcpsm__seg_len(&s);
    }
    if (s.ts) { /* RFC7323-13 */
        r.ts = 1;
        r.tsecr = s.tsval;
    }
    n = tcpsm__alen(in->family);
    memset(&t, 0, sizeof t);
    memcpy(t.local, in->dst, n);
    memcpy(t.remote, in->src, n);
    t.local_port = r.sport;
    t.remote_port = r.dport;
    t.zone = in->zone;
    t.family = in->family;
    return tcpsm__emit_alone(out, &t, &r, 0, 64);
}

/* --- ICMP (RFC 9293 s3.9.2.2, RFC 5927, 1191, 8201) --- */

enum {
    TCPSM__ICMP_IGNORE, /* RFC9293-MUST-55: source quench and all else */
    TCPSM__ICMP_SOFT,
    TCPSM__ICMP_HARD,
    TCPSM__ICMP_BIG
};

TCPSM__FN int tcpsm__icmp4_kind(uint8_t type, uint8_t code)
{
    if (type == 11 || type == 12)
        return TCPSM__ICMP_SOFT;
    if (type != 3)
        return TCPSM__ICMP_IGNORE;
    if (code == 4)
        return TCPSM__ICMP_BIG;
    return code == 2 || code == 3 ? TCPSM__ICMP_HARD : TCPSM__ICMP_SOFT;
}

TCPSM__FN int tcpsm__icmp6_kind(uint8_t type, uint8_t code)
{
    if (type == 2)
        return TCPSM__ICMP_BIG;
    if (type == 3)
        return TCPSM__ICMP_SOFT;
    if (type == 1)
        return code == 1 || code == 4 ? TCPSM__ICMP_HARD : TCPSM__ICMP_SOFT;
    return type == 4 && code < 3 ? TCPSM__ICMP_SOFT : TCPSM__ICMP_IGNORE;
}

/* RFC 1191 s7: a router that does not tell; the next plateau below. */
TCPSM__FN uint32_t tcpsm__plateau(uint32_t len)
{
    static const uint16_t t[] = {32000, 17914, 8166, 4352,
                                 2002,  1492,  1006, 508};
    uint32_t i;
    for (i = 0; i < sizeof t / sizeof *t; i++) {
        if (t[i] < len)
            return t[i];
        TCPSM_STEP();
    }
    return TCPSM__MTU4_FLOOR;
}

TCPSM__FN uint8_t tcpsm__too_big(tcpsm_conn *c, const uint8_t *m,
                                 const uint8_t *ip)
{
    int v4 = tcpsm__family(c) == 4;
    uint32_t mtu = v4 ? tcpsm__get16(m + 6) : tcpsm__get32(m + 4);
    if (v4 && mtu == 0)
        mtu = tcpsm__plateau(tcpsm__get16(ip + 2));
    if (!v4 && mtu < TCPSM__MTU6_LEAST)
        return TCPSM_DROP_ICMP; /* RFC 8201 s4: MUST discard it */
    if (v4)
        mtu = tcpsm__max(mtu, TCPSM__MTU4_FLOOR);
    if (mtu >= c->mtu)
        return TCPSM_DROP_ICMP; /* RFC5927-7, -10 */

    if (c->more & TCPSM__M_FULL_ACKED)
        c->ptb_mtu = (uint16_t)mtu; /* RFC5927-9: wait for a timeout */
    else
        tcpsm__set_mtu(c, mtu); /* RFC5927-8 */
    return TCPSM_DROP_NONE;
}

/* RFC5927-3: hard errors end a handshake, never a connection. */
TCPSM__FN void tcpsm__icmp_error(tcpsm_conn *c, int kind, const uint8_t *m)
{
    int opening =
        c->state == TCPSM_SYN_SENT ||
        (c->state == TCPSM_SYN_RECEIVED && !tcpsm__is(c, TCPSM__F_PASSIVE));
    c->soft = (uint8_t)((m[0] & 15u) << 4 | (m[1] & 15u));
    if (kind == TCPSM__ICMP_HARD && opening) { /* RFC9293-SHLD-26 */
        tcpsm__finish(c, TCPSM_E_UNREACHABLE);
        return;
    }
    tcpsm__report(c); /* RFC9293-MUST-54, RFC9293-MUST-56 */
}

/* Is the quoted datagram this connection's, with SEQ in flight? */
TCPSM__FN int tcpsm__icmp_mine(const tcpsm_conn *c, const uint8_t *ip,
                               uint32_t n, const uint8_t **tcp)
{
    uint8_t f = tcpsm__family(c);
    uint32_t hdr = 40, at = 8, alen = tcpsm__alen(f);
    if (f == 4) {
        if (n < 20 || ip[0] >> 4 != 4 || ip[9] != 6)
            return 0;
        hdr = (ip[0] & 15u) * 4u;
        at = 12;
    } else if (n < 40 || ip[0] >> 4 != 6 || ip[6] != 6) {
        return 0;
    }
    if (hdr < 20 || n < hdr + 8)
        return 0;
    *tcp = ip + hdr;
    return tcpsm__bytes_equal(ip + at, c->local, alen) &&
           tcpsm__bytes_equal(ip + at + alen, c->remote, alen) &&
           tcpsm__get16(*tcp) == c->local_port &&
           tcpsm__get16(*tcp + 2) == c->remote_port;
}

TCPSM__FN tcpsm_ret tcpsm__icmp(tcpsm_conn *c, const uint8_t *m, uint32_t len,
                                uint8_t family, tcpsm_time now)
{
    const uint8_t *tcp = NULL;
    uint8_t why = TCPSM_DROP_NONE;
    int kind;
    if (c->state <= TCPSM_LISTEN || family != tcpsm__family(c) ||
        !tcpsm__icmp_mine(c, m + 8, len - 8, &tcp))
        return TCPSM_E_NOT_MINE;
    kind = family == 4 ? tcpsm__icmp4_kind(m[0], m[1])
                       : tcpsm__icmp6_kind(m[0], m[1]);
    /* RFC5927-1: SND.UNA =< SEQ < SND.NXT */
    if (kind == TCPSM__ICMP_IGNORE ||
        tcpsm__get32(tcp + 4) - c->snd_una >= tcpsm__outstanding(c)) {
        TCPSM__COUNT(c, drops[TCPSM_DROP_ICMP], 1);
        return TCPSM_DROP_ICMP;
    }
    tcpsm__tick(c, now);
    if (kind == TCPSM__ICMP_BIG)
        why = tcpsm__too_big(c, m, m + 8);
    if (kind == TCPSM__ICMP_BIG)
        TCPSM__COUNT(c, drops[why], why != TCPSM_DROP_NONE);
    else
        tcpsm__icmp_error(c, kind, m);
    tcpsm__sync(c);
    tcpsm__wake_up(c);
    return why;
}

TCPSM_DEF tcpsm_ret tcpsm_icmp(tcpsm_conn *c, const void *msg, uint32_t len,
                               uint8_t family, tcpsm_time now)
{
    if (c == NULL || msg == NULL || len < 8)
        return TCPSM_E_ARG;
    if (tcpsm__owned(c))
        return TCPSM_E_OWNED;
    return tcpsm__icmp(c, (const uint8_t *)msg, len, family, now);
}

/* --- the stream calls (RFC 9293 s3.10.2 to s3.10.5) --- */

TCPSM_DEF tcpsm_ret tcpsm_error(const tcpsm_conn *c)
{
    return -(tcpsm_ret)c->error;
}

TCPSM_DEF tcpsm_ret tcpsm_state(const tcpsm_conn *c)
{
    return c->state;
}

TCPSM_DEF void tcpsm_name(const tcpsm_conn *c, tcpsm_tuple *t)
{
    tcpsm__tuple_of(c, t);
}

/* May bytes be queued? 0 or the reason why not. */
TCPSM__FN tcpsm_ret tcpsm__may_send(const tcpsm_conn *c)
{
    if (c->error != 0)
        return tcpsm_error(c);
    if (tcpsm__is(c, TCPSM__F_FIN_QUEUED | TCPSM__F_CLOSED))
        return TCPSM_E_CLOSED;
    if (c->state < TCPSM_SYN_SENT || c->state == TCPSM_TIME_WAIT)
        return TCPSM_E_STATE;
    return c->snd_cap == 0 ? TCPSM_E_RING : 0;
}

TCPSM__FN void tcpsm__queued(tcpsm_conn *c, uint32_t n, uint32_t flags)
{
    uint32_t end;
    c->snd_len += n;
    end = tcpsm__snd_base(c) + c->snd_len;
    c->flags &= ~TCPSM__F_MORE;
    if (flags & TCPSM_MORE)
        c->flags |= TCPSM__F_MORE;
    if ((flags & TCPSM_EOR) && tcpsm__unsent(c) != 0) {
        c->flags |= TCPSM__F_EOR;
        c->eor = end;
    }
    /* RFC9293-MUST-30, RFC9293-MUST-62 */
    if ((flags & TCPSM_URG) && n != 0) {
        c->flags |= TCPSM__F_SND_URG;
        c->flags2 &= ~TCPSM__N_UNDO;
        c->snd_up = end;
        if (c->snd_wnd == 0 && tcpsm__synchronized(c))
            tcpsm__ack_now(c);
    }
    tcpsm__wake_up(c);
}

TCPSM_DEF tcpsm_ret tcpsm_send_reserve(tcpsm_conn *c, tcpsm_span s[2])
{
    uint32_t free, k, at;
    tcpsm_ret e;
    if (c == NULL || s == NULL)
        return TCPSM_E_ARG;
    s[0].p = s[1].p = NULL;
    s[0].n = s[1].n = 0;
    e = tcpsm__may_send(c);
    if (e < 0)
        return e;
    free = c->snd_cap - c->snd_len;
    if (free == 0) {
        c->more |= TCPSM__M_SHORT_SEND;
        return 0;
    }
    at = tcpsm__ring_at(c->snd_cap, c->snd_head, c->snd_len);
    k = tcpsm__min(free, c->snd_cap - at);
    s[0].p = c->p.snd + at;
    s[0].n = k;
    if (k < free) {
        s[1].p = c->p.snd;
        s[1].n = free - k;
    }
    return (tcpsm_ret)free;
}

TCPSM_DEF tcpsm_ret tcpsm_send_commit(tcpsm_conn *c, uint32_t len,
                                      uint32_t flags)
{
    tcpsm_ret e;
    if (c == NULL || len > TCPSM_MAX_RING || (flags & ~7u))
        return TCPSM_E_ARG;
    e = tcpsm__may_send(c);
    if (e < 0)
        return e;
    if (len > c->snd_cap - c->snd_len)
        return TCPSM_E_ARG;
    if ((flags & TCPSM_EOR) && tcpsm__is(c, TCPSM__F_EOR)) {
        c->more |= TCPSM__M_SHORT_SEND;
        return 0;
    }
    tcpsm__queued(c, len, flags);
    return (tcpsm_ret)len;
}

TCPSM_DEF tcpsm_ret tcpsm_send(tcpsm_conn *c, const void *p, uint32_t len,
                               uint32_t flags)
{
    uint32_t free, n;
    tcpsm_ret e;
    if (c == NULL || (p == NULL && len != 0) || (flags & ~7u))
        return TCPSM_E_ARG;
    e = tcpsm__may_send(c);
    if (e < 0)
        return e;
    if ((flags & TCPSM_EOR) && tcpsm__is(c, TCPSM__F_EOR)) {
        c->more |= TCPSM__M_SHORT_SEND;
        return 0;
    }
    free = c->snd_cap - c->snd_len;
    n = tcpsm__min(len, free);
    if (n < len) {
        c->more |= TCPSM__M_SHORT_SEND;
        flags &= ~(uint32_t)TCPSM_EOR; /* the record's end is not in yet */
    }
    if (n == 0 && len != 0)
        return 0;
    tcpsm__ring_write(c->p.snd, c->snd_cap, c->snd_head, c->snd_len,
                      (const uint8_t *)p, n);
    tcpsm__queued(c, n, flags);
    return (tcpsm_ret)n;
}

/* What a reader gets when nothing is readable. */
TCPSM__FN tcpsm_ret tcpsm__read_end(const tcpsm_conn *c)
{
    if (c->error != 0)
        return tcpsm_error(c); /* RFC9293-MUST-12 */
    if (tcpsm__is(c, TCPSM__F_FIN_RCVD))
        return TCPSM_E_EOF;
    return c->state == TCPSM_CLOSED ? TCPSM_E_STATE : 0;
}

TCPSM_DEF tcpsm_ret tcpsm_receive_peek(const tcpsm_conn *c, tcpsm_cspan s[2])
{
    uint32_t k;
    if (c == NULL || s == NULL)
        return TCPSM_E_ARG;
    s[0].p = s[1].p = NULL;
    s[0].n = s[1].n = 0;
    if (tcpsm__is(c, TCPSM__F_CLOSED))
        return TCPSM_E_CLOSED;
    if (c->state >= TCPSM_LISTEN && !tcpsm__synchronized(c) &&
        !tcpsm__fo_served(c))
        return 0;
    if (c->rcv_len == 0)
        return tcpsm__read_end(c);
    k = tcpsm__min(c->rcv_len, c->rcv_cap - c->rcv_head);
    s[0].p = c->p.rcv + c->rcv_head;
    s[0].n = k;
    if (k < c->rcv_len) {
        s[1].p = c->p.rcv;
        s[1].n = c->rcv_len - k;
    }
    return (tcpsm_ret)c->rcv_len;
}

TCPSM_DEF tcpsm_ret tcpsm_receive_consume(tcpsm_conn *c, uint32_t len)
{
    if (c == NULL || len > c->rcv_len)
        return TCPSM_E_ARG;
    if (tcpsm__is(c, TCPSM__F_CLOSED))
        return TCPSM_E_CLOSED;
    if (len == 0)
        return 0;
    c->rcv_head = tcpsm__ring_at(c->rcv_cap, c->rcv_head, len);
    c->rcv_len -= len;
    if (tcpsm__is(c, TCPSM__F_RCV_URG) &&
        !tcpsm__seq_lt(tcpsm__read_seq(c), c->rcv_up))
        c->flags &= ~TCPSM__F_RCV_URG; /* RFC9293-MUST-33 */
    tcpsm__update_window(c);
    tcpsm__wake_up(c);
    return (tcpsm_ret)len;
}

TCPSM_DEF tcpsm_ret tcpsm_receive(tcpsm_conn *c, void *p, uint32_t cap)
{
    tcpsm_cspan s[2];
    uint32_t n;
    tcpsm_ret e;
    if (c == NULL || (p == NULL && cap != 0))
        return TCPSM_E_ARG;
    e = tcpsm_receive_peek(c, s);
    if (e <= 0)
        return e;
    n = tcpsm__min((uint32_t)e, cap);
    tcpsm__ring_read((uint8_t *)p, c->p.rcv, c->rcv_cap, c->rcv_head, 0, n);
    return tcpsm_receive_consume(c, n);
}

/* RFC 9293 s3.10.4. In SYN-SENT and SYN-RECEIVED the FIN waits for the
   handshake: the SYN goes on being sent. */
TCPSM_DEF tcpsm_ret tcpsm_shutdown(tcpsm_conn *c)
{
    if (c == NULL)
        return TCPSM_E_ARG;
    if (c->error != 0)
        return tcpsm_error(c);
    if (tcpsm__is(c, TCPSM__F_FIN_QUEUED))
        return 0;
    switch (c->state) {
    case TCPSM_SYN_SENT:
    case TCPSM_SYN_RECEIVED:
        break;
    case TCPSM_ESTABLISHED:
        tcpsm__set_state(c, TCPSM_FIN_WAIT_1);
        break;
    case TCPSM_CLOSE_WAIT:
        tcpsm__set_state(c, TCPSM_LAST_ACK);
        break;
    default:
        return TCPSM_E_STATE;
    }
    c->flags |= TCPSM__F_FIN_QUEUED;
    tcpsm__wake_up(c);
    return 0;
}

/* The owner reads and writes no more. */
TCPSM__FN void tcpsm__leave(tcpsm_conn *c)
{
    c->flags |= TCPSM__F_CLOSED;
    c->rcv_len = c->rcv_head = 0;
    tcpsm__wake_up(c);
}

TCPSM_DEF tcpsm_ret tcpsm_abort(tcpsm_conn *c)
{
    if (c == NULL)
        return TCPSM_E_ARG;
    if (c->state == TCPSM_CLOSED)
        return 0;
    if (c->state == TCPSM_LISTEN || c->state == TCPSM_SYN_SENT ||
        c->state == TCPSM_CLOSING || c->state == TCPSM_LAST_ACK ||
        c->state == TCPSM_TIME_WAIT) /* RFC 9293 s3.10.5: no reset */
        tcpsm__finish(c, 0);
    else
        tcpsm__reset(c, 0);
    tcpsm__leave(c);
    return 0;
}

TCPSM_DEF tcpsm_ret tcpsm_close(tcpsm_conn *c)
{
    int unread;
    if (c == NULL)
        return TCPSM_E_ARG;
    if (c->state == TCPSM_CLOSED || tcpsm__is(c, TCPSM__F_CLOSED))
        return 0;
    unread = c->rcv_len != 0; /* also what came with a SYN */
    if (unread && c->state != TCPSM_TIME_WAIT) {
        tcpsm__reset(c, 0); /* RFC9293-SHLD-3; RFC 2525 s2.17 */
        tcpsm__leave(c);
        return 1;
    }
    if (c->k_linger == 0) {
        tcpsm_abort(c);
        return 1;
    }
    if (c->state == TCPSM_LISTEN ||
        (c->state == TCPSM_SYN_SENT && c->snd_len == 0)) {
        tcpsm_abort(c);
        return 0;
    }
    (void)tcpsm_shutdown(c);
    tcpsm__leave(c);
    if (c->k_linger != TCPSM__K_OFF)
        tcpsm__disarm(c, TCPSM__T_UTO); /* it may be shorter */
    return 0;
}

TCPSM_DEF uint32_t tcpsm_events(const tcpsm_conn *c)
{
    uint32_t ev = 0;
    int on = tcpsm__synchronized(c);
    if (on)
        ev |= TCPSM_EV_CONNECTED;
    if (c->rcv_len != 0 &&
        (on || c->state == TCPSM_CLOSED || tcpsm__fo_served(c)))
        ev |= TCPSM_EV_READABLE;
    if (on && tcpsm__may_send(c) == 0 &&
        c->snd_cap - c->snd_len >= tcpsm__size_dec(c->lowat))
        ev |= TCPSM_EV_WRITABLE;
    if (tcpsm__is(c, TCPSM__F_FIN_RCVD))
        ev |= TCPSM_EV_EOF;
    if (on && c->snd_una == c->snd_nxt && c->snd_len == 0)
        ev |= TCPSM_EV_SENT;
    if (tcpsm__is(c, TCPSM__F_RCV_URG))
        ev |= TCPSM_EV_URGENT;
    if (c->probes >= TCPSM__R1 && tcpsm__rtx_of_data(tcpsm__rtx_kind(c)))
        ev |= TCPSM_EV_TROUBLE;
    if (c->error != 0)
        ev |= TCPSM_EV_ERROR;
    if (c->state == TCPSM_CLOSED && !tcpsm__is(c, TCPSM__F_RST_DUE))
        ev |= TCPSM_EV_DONE;
    return ev;
}

TCPSM_DEF uint32_t tcpsm_take(tcpsm_conn *c)
{
    uint32_t ev = c->events;
    c->events = 0;
    return ev;
}

TCPSM_DEF void *tcpsm_user(const tcpsm_conn *c)
{
    return c->p.user;
}

TCPSM_DEF void tcpsm_set_user(tcpsm_conn *c, void *user)
{
    c->p.user = user;
}

/* --- options --- */

TCPSM__FN void tcpsm__flag(tcpsm_conn *c, uint32_t flag, uint32_t on)
{
    if (on)
        c->flags |= flag;
    else
        c->flags &= ~flag;
}

TCPSM__FN tcpsm_ret tcpsm__set_durations(tcpsm_conn *c, uint32_t option,
                                         uint32_t v)
{
    switch (option) {
    case TCPSM_SET_KEEP_IDLE:
        if (v == 0 || v == TCPSM_OFF)
            return TCPSM_E_ARG;
        c->k_keep_idle = tcpsm__k_enc(v);
        if (tcpsm__aux_kind(c) == TCPSM__AUX_KEEP)
            tcpsm__disarm(c, TCPSM__T_AUX);
        return 0;
    case TCPSM_SET_KEEP_INTERVAL:
        if (v == 0 || v == TCPSM_OFF)
            return TCPSM_E_ARG;
        c->k_keep_interval = tcpsm__k_enc(v);
        return 0;
    case TCPSM_SET_USER_TIMEOUT:
        if (v == 0)
            return TCPSM_E_ARG;
        c->k_uto = tcpsm__k_enc(v);
        tcpsm__disarm(c, TCPSM__T_UTO); /* it runs anew */
        return 0;
    case TCPSM_SET_LINGER:
        c->k_linger = tcpsm__k_enc(v);
        return 0;
    case TCPSM_SET_MSL:
        if (v == TCPSM_OFF)
            return TCPSM_E_ARG;
        c->k_msl = tcpsm__k_enc(v);
        return 0;
    case TCPSM_SET_ACK_DELAY:
        if (v != TCPSM_OFF && v > 499999u)
            return TCPSM_E_ARG;
        c->k_ack_delay = tcpsm__k_delay(v);
        return 0;
    case TCPSM_SET_RTO_MIN:
        if (v > 60000000u)
            return TCPSM_E_ARG;
        c->k_rto_min = tcpsm__k_enc(v);
        return 0;
    case TCPSM_SET_RTO_MAX:
        if (v == 0 || v > 1800000u)
            return TCPSM_E_ARG;
        c->k_rto_max = tcpsm__k_enc(v);
        return 0;
    case TCPSM_SET_SYN_LIMIT:
        if (v == 0)
            return TCPSM_E_ARG;
        c->k_syn_limit = tcpsm__k_enc(v);
        if (c->state == TCPSM_SYN_SENT)
            tcpsm__disarm(c, TCPSM__T_UTO);
        return 0;
    default:
        return TCPSM_E_ARG;
    }
}

#if TCPSM__TINY
/* A larger segment than cwnd would never be sent (law 7). */
TCPSM__FN void tcpsm__grow_mtu(tcpsm_conn *c, uint32_t mtu)
{
    c->mtu = (uint16_t)mtu;
    if (!tcpsm__synchronized(c))
        return;
    c->cc.cwnd = tcpsm__max(c->cc.cwnd, tcpsm__smss(c));
    c->cc.ssthresh = tcpsm__max(c->cc.ssthresh, 2 * tcpsm__smss(c));
}
#endif

TCPSM__FN tcpsm_ret tcpsm__set_sizes(tcpsm_conn *c, uint32_t option,
                                     uint32_t v)
{
    switch (option) {
    case TCPSM_SET_MTU:
        if (v > 65535u || v < TCPSM__MTU_LEAST)
            return TCPSM_E_ARG;
        if (c->state <= TCPSM_LISTEN)
            c->link_mtu = (uint16_t)v;
        if (v < c->mtu)
            tcpsm__set_mtu(c, v);
        else
            tcpsm__grow_mtu(c, v);
#if !TCPSM__TINY
        c->pmtu = 0; /* the owner knows: no search */
        c->flags2 &= ~TCPSM__N_RAISE;
#endif
        return 0;
    case TCPSM_SET_MAXSEG:
        if (v > 65535u || v < TCPSM__MSS_FLOOR)
            return TCPSM_E_ARG;
        if (c->state <= TCPSM_SYN_RECEIVED)
            c->ptb_mtu = (uint16_t)v;
        if (v < c->mss)
            c->mss = (uint16_t)v;
        return 0;
    case TCPSM_SET_LOWAT:
        if (v == 0)
            return TCPSM_E_ARG;
        c->lowat = tcpsm__size_enc(v);
        return 0;
    case TCPSM_SET_PROMISE:
        if (v > TCPSM_MAX_RING)
            return TCPSM_E_ARG;
        c->promise = tcpsm__size_enc(v);
        return 0;
    default:
        return tcpsm__set_durations(c, option, v);
    }
}

TCPSM__FN tcpsm_ret tcpsm__set_bits(tcpsm_conn *c, uint32_t option,
                                    uint32_t v)
{
    switch (option) {
    case TCPSM_SET_NODELAY:
        c->opts = (uint16_t)(c->opts & ~(uint32_t)TCPSM_NODELAY);
        if (v)
            c->opts = (uint16_t)(c->opts | (uint32_t)TCPSM_NODELAY);
        return 0;
    case TCPSM_SET_CORK:
        tcpsm__flag(c, TCPSM__F_CORK, v);
        return 0;
    case TCPSM_SET_KEEPALIVE:
        tcpsm__flag(c, TCPSM__F_KEEP, v);
        return 0;
    case TCPSM_SET_PACE:
        c->flags2 &= ~TCPSM__N_PACE;
        c->timers = (uint8_t)(c->timers & ~TCPSM__T_PACE);
        if (v)
            c->flags2 |= TCPSM__N_PACE;
        return 0;
    case TCPSM_SET_REPORTS:
        tcpsm__flag(c, TCPSM__F_QUIET, !v);
        return 0;
    case TCPSM_SET_DSCP:
        if (v > 63)
            return TCPSM_E_ARG;
        c->tos = (uint8_t)(v << 2 | (c->tos & 3u));
        return 0;
    case TCPSM_SET_ECN:
        if (v > 3)
            return TCPSM_E_ARG;
        c->tos = (uint8_t)((c->tos & 0xFCu) | v);
        return 0;
    case TCPSM_SET_TTL:
        if (v == 0 || v > 255)
            return TCPSM_E_ARG;
        c->ttl = (uint8_t)v;
        return 0;
    case TCPSM_SET_KEEP_COUNT:
        if (v < 2 || v > 255)
            return TCPSM_E_ARG;
        c->keep_count = (uint8_t)v;
        return 0;
    case TCPSM_SET_QUICKACK:
        if (v > 255)
            return TCPSM_E_ARG;
        c->quick = (uint8_t)v;
        return 0;
    case TCPSM_SET_ACK_EVERY:
        if (v == 0 || v > 255)
            return TCPSM_E_ARG;
        c->ack_every = (uint8_t)v;
        return 0;
    default:
        return tcpsm__set_sizes(c, option, v);
    }
}

TCPSM_DEF tcpsm_ret tcpsm_set(tcpsm_conn *c, uint32_t option, uint32_t v)
{
    tcpsm_ret e;
    if (c == NULL)
        return TCPSM_E_ARG;
    e = tcpsm__set_bits(c, option, v);
    if (e == 0)
        tcpsm__wake_up(c);
    return e;
}

/* --- memory --- */

TCPSM__FN tcpsm_ret tcpsm__attach_rcv(tcpsm_conn *c, uint8_t *mem,
                                      uint32_t len)
{
    int live = tcpsm__reads(c) || c->state == TCPSM_SYN_SENT ||
               c->state == TCPSM_SYN_RECEIVED;
    uint32_t wnd = live ? c->rcv_edge - c->rcv_nxt : 0;
    uint32_t held = 0, need;
    struct tcpsm__ranges r = tcpsm__ranges_of(c);
    if (r.n != 0)
        held = r.end[r.n - 1] - c->rcv_nxt;
    need = c->rcv_len + tcpsm__max(wnd, held);
    if (len == 0) {
        if (c->rcv_len + held != 0 && c->state != TCPSM_CLOSED)
            return TCPSM_E_STATE;
        if (wnd > (tcpsm__size_dec(c->promise) >> tcpsm__rcv_shift(c))
                      << tcpsm__rcv_shift(c))
            return TCPSM_E_STATE;
        c->rcv_len = 0;
    } else if (len < need || (live && len >> tcpsm__rcv_shift(c) < 4 &&
                              tcpsm__rcv_shift(c) != 0)) {
        return TCPSM_E_STATE; /* law 8 */
    } else {
        tcpsm__ring_read(mem, c->p.rcv, c->rcv_cap, c->rcv_head, 0,
                         c->rcv_len + held);
    }
    c->p.rcv = mem;
    c->rcv_cap = len;
    c->rcv_head = 0;
    if (c->state <= TCPSM_LISTEN)
        tcpsm__choose_scale(c);
    tcpsm__update_window(c);
    return 0;
}

TCPSM__FN tcpsm_ret tcpsm__attach_snd(tcpsm_conn *c, uint8_t *mem,
                                      uint32_t len)
{
    if (len < c->snd_len)
        return TCPSM_E_STATE;
    tcpsm__ring_read(mem, c->p.snd, c->snd_cap, c->snd_head, 0, c->snd_len);
    c->p.snd = mem;
    c->snd_cap = len;
    c->snd_head = 0;
    if ((c->more & TCPSM__M_SHORT_SEND) && len > c->snd_len &&
        len - c->snd_len >= tcpsm__size_dec(c->lowat)) {
        c->more = (uint8_t)(c->more & ~TCPSM__M_SHORT_SEND);
        tcpsm__raise(c, TCPSM_EV_WRITABLE);
    }
    return 0;
}

TCPSM__FN tcpsm_ret tcpsm__attach_tables(tcpsm_conn *c, void *mem,
                                         uint32_t len)
{
    struct tcpsm__runs r, to;
    struct tcpsm__ranges g = tcpsm__ranges_of(c), at;
    uint32_t runs = TCPSM_RUNS, ranges = TCPSM_RANGES;
    uint32_t least = tcpsm__max(runs, ranges);
    uint8_t n = tcpsm__lent_fit(len);
    int inlined = c->table_cap == 0;
    if (mem != NULL) {
        runs = n <= 128 ? n : 128 + (n - 128u) * 16;
        ranges = tcpsm__min(runs, 255);
        if (runs < least)
            return TCPSM_E_ARG;
    }
    if (c->ranges_n > ranges)
        return TCPSM_E_STATE;
    if (inlined && mem == NULL)
        return 0;
#if !TCPSM__TINY
    tcpsm__fo_forget(c);
#endif
    r = tcpsm__runs_of(c);
    while (r.n > runs)
        (void)tcpsm__runs_squeeze(&r, 1);
    tcpsm__runs_put(c, &r);
    c->p.tables = (uint32_t *)mem;
    c->table_cap = mem != NULL ? n : 0;
    if (mem != NULL)
        memset(mem, 0, len);
    to = tcpsm__runs_of(c);
    at = tcpsm__ranges_of(c);
    memcpy(to.end, r.end, (size_t)r.n * sizeof *r.end);
    memcpy(to.first, r.first, (size_t)r.n * sizeof *r.first);
    memcpy(to.meta, r.meta, (size_t)r.n * sizeof *r.meta);
    memcpy(at.start, g.start, (size_t)g.n * sizeof *g.start);
    memcpy(at.end, g.end, (size_t)g.n * sizeof *g.end);
    memcpy(at.order, g.order, g.n);
    if (inlined) { /* the inline tables are dead from now on */
        memset(c->run_end, 0, sizeof c->run_end);
        memset(c->run_first, 0, sizeof c->run_first);
        memset(c->run_meta, 0, sizeof c->run_meta);
        memset(c->range_start, 0, sizeof c->range_start);
        memset(c->range_end, 0, sizeof c->range_end);
        memset(c->range_order, 0, sizeof c->range_order);
    }
    return 0;
}

TCPSM_DEF tcpsm_ret tcpsm_attach(tcpsm_conn *c, uint32_t what, void *mem,
                                 uint32_t len, void **old)
{
    void *was;
    tcpsm_ret e;
    if (c == NULL || (mem == NULL) != (len == 0) || len > TCPSM_MAX_RING)
        return TCPSM_E_ARG;
    switch (what) {
    case TCPSM_RECEIVE:
        was = c->p.rcv;
        e = tcpsm__attach_rcv(c, (uint8_t *)mem, len);
        break;
    case TCPSM_SEND:
        was = c->p.snd;
        e = tcpsm__attach_snd(c, (uint8_t *)mem, len);
        break;
    case TCPSM_TABLES:
        was = c->p.tables;
        e = tcpsm__attach_tables(c, mem, len);
        break;
    default:
        return TCPSM_E_ARG;
    }
    if (e < 0)
        return e;
    if (old != NULL)
        *old = was;
    tcpsm__wake_up(c);
    return 0;
}

/* --- handshakes done elsewhere --- */

TCPSM_DEF tcpsm_ret tcpsm_open_from(tcpsm_conn *c, const tcpsm_tuple *t,
                                    const tcpsm_facts *f, tcpsm_time now)
{
    if (c == NULL || t == NULL || f == NULL || !tcpsm__tuple_ok(t) ||
        t->local_port == 0 || t->remote_port == 0 || f->snd_scale > 14 ||
        f->rcv_scale > 14 || f->snd_wnd > TCPSM_MAX_RING)
        return TCPSM_E_ARG;
    if (c->rcv_cap != 0 && f->scaling && f->rcv_scale != 0 &&
        c->rcv_cap >> f->rcv_scale < 4)
        return TCPSM_E_ARG; /* as tcpsm_attach has it */
    if (f->rcv_wnd >
        (c->rcv_cap != 0 ? c->rcv_cap : tcpsm__size_dec(c->promise)))
        return TCPSM_E_ARG;
    if (tcpsm__owned(c))
        return TCPSM_E_OWNED;
    if (c->state != TCPSM_CLOSED || tcpsm__is(c, TCPSM__F_RST_DUE))
        return TCPSM_E_STATE;
    tcpsm__begin(c, t, now);
    tcpsm__isn(c);
    c->flags |= TCPSM__F_PASSIVE;
    if (f->timestamps)
        c->flags |= TCPSM__F_TS;
    if (f->sack)
        c->flags |= TCPSM__F_SACK;
    if (f->scaling)
        c->flags |= TCPSM__F_WS;
    if (f->syn_lost)
        c->flags |= TCPSM__F_SYN_LOST;
#if !TCPSM__TINY
    if (f->ecn == 1)
        c->flags2 |= TCPSM__N_ECN;
    if (f->ecn == 2)
        tcpsm__ace_begin(c);
    if (f->no_ect)
        c->flags2 |= TCPSM__N_NO_ECT;
#endif
    c->snd_una = c->snd_nxt = c->snd_up = f->snd_nxt;
    c->rcv_nxt = c->last_ack = f->rcv_nxt;
    c->rcv_edge = f->rcv_nxt + f->rcv_wnd;
    c->scales = 0;
    if (f->scaling)
        tcpsm__set_scales(c, f->snd_scale, f->rcv_scale);
    c->snd_wnd = f->snd_wnd;
    c->snd_wl1 = f->rcv_nxt;
    c->wnd_max =
        (uint16_t)tcpsm__min(f->snd_wnd >> tcpsm__snd_shift(c), 65535);
    c->ts_offset = f->ts_offset;
    c->mss = (uint16_t)tcpsm__max(f->peer_mss, TCPSM__MSS_FLOOR);
    if (c->ptb_mtu != 0)
        c->mss = (uint16_t)tcpsm__min(c->mss, c->ptb_mtu);
    if (f->timestamps) {
        c->ts_recent = f->ts_recent;
        c->ts_age = (uint16_t)(c->now >> 30);
        c->more |= TCPSM__M_TS_VALID;
    }
    tcpsm__established(c);
    if (f->rtt_us != 0 && !f->syn_lost)
        tcpsm__sample(c, f->rtt_us, 1, 0);
    tcpsm__sync(c);
    tcpsm__wake_up(c);
    return 0;
}

TCPSM_DEF void tcpsm_facts_of(const tcpsm_conn *c, tcpsm_facts *f)
{
    memset(f, 0, sizeof *f);
    f->snd_nxt = c->snd_nxt;
    f->rcv_nxt = c->rcv_nxt;
    f->snd_wnd = c->snd_wnd;
    f->rcv_wnd = c->rcv_edge - c->rcv_nxt;
    f->ts_recent = c->ts_recent;
    f->ts_offset = c->ts_offset;
    f->rtt_us = c->srtt;
    f->peer_mss = c->mss;
    f->snd_scale = (uint8_t)tcpsm__snd_shift(c);
    f->rcv_scale = (uint8_t)tcpsm__rcv_shift(c);
    f->timestamps = tcpsm__ts_on(c) != 0;
    f->sack = tcpsm__sack_on(c) != 0;
    f->scaling = tcpsm__is(c, TCPSM__F_WS) != 0;
    f->syn_lost = tcpsm__is(c, TCPSM__F_SYN_LOST) != 0;
    f->ecn = tcpsm__is2(c, TCPSM__N_ECN)   ? 1
             : tcpsm__is2(c, TCPSM__N_ACE) ? 2
                                           : 0;
    f->no_ect = tcpsm__is2(c, TCPSM__N_NO_ECT) != 0;
}

/* --- status --- */

TCPSM_DEF void tcpsm_status(const tcpsm_conn *c, struct tcpsm_info *i)
{
    struct tcpsm__runs r = tcpsm__runs_in(c);
    struct tcpsm__ranges g = tcpsm__ranges_in(c);
    memset(i, 0, sizeof *i);
    i->state = c->state;
    i->family = tcpsm__family(c);
    i->snd_scale = (uint8_t)tcpsm__snd_shift(c);
    i->rcv_scale = (uint8_t)tcpsm__rcv_shift(c);
    i->timestamps = tcpsm__ts_on(c) != 0;
    i->sack = tcpsm__sack_on(c) != 0;
    i->scaling = tcpsm__is(c, TCPSM__F_WS) != 0;
    i->in_recovery = tcpsm__is(c, TCPSM__F_RECOVERY) != 0;
    if (tcpsm__is2(c, TCPSM__N_LOSS))
        i->in_recovery = 2;
    if (tcpsm__is2(c, TCPSM__N_ECN | TCPSM__N_ACE))
        i->ecn = tcpsm__is2(c, TCPSM__N_ECN) ? 1 : 2;
#if !TCPSM__TINY
    if (tcpsm__is2(c, TCPSM__N_FO))
        i->fast_open = tcpsm__is(c, TCPSM__F_PASSIVE) ||
                       (*tcpsm__fo_of(c).flags & TCPSM__FO_TAKEN) != 0;
#endif
    i->reordering = tcpsm__is2(c, TCPSM__N_REORDER) != 0;
    i->sacked = tcpsm__runs_bytes(&r, TCPSM__R_SACKED);
    i->lost = tcpsm__runs_bytes(&r, TCPSM__R_LOST);
#if !TCPSM__TINY
    i->rack_rtt_us = tcpsm__size_dec(c->rack_rtt);
    if (tcpsm__sack_on(c))
        i->reo_wnd_us = tcpsm__reo_wnd(c);
    if (tcpsm__probe_out(c) != 0)
        i->probed_mtu = (uint16_t)tcpsm__packet(c, tcpsm__probe_out(c));
    i->pacing = tcpsm__is2(c, TCPSM__N_PACE) != 0;
    if (i->pacing && c->srtt != 0)
        i->pacing_rate = tcpsm__muldiv(
            c->cc.cwnd / 4 *
                (c->cc.cwnd < c->cc.ssthresh ? c->pace >> 4 : c->pace & 15u),
            1000000u, c->srtt);
#endif
    i->backoff = c->backoff;
    i->dupacks = c->dupacks;
    i->tos_seen = c->tos_seen;
    i->soft_error = c->soft;
    i->cc_id = (uint8_t)tcpsm__cc_id(c->p.cc);
    i->persist = tcpsm__rtx_kind(c) == TCPSM__RTX_PERSIST;
    i->keepalive = tcpsm__is(c, TCPSM__F_KEEP) != 0;
    i->mtu = c->mtu;
    i->peer_mss = c->mss;
    if (tcpsm__synchronized(c))
        i->smss = (uint16_t)tcpsm__smss(c);
    i->runs = r.n;
    i->run_cap = r.cap;
    i->ranges = g.n;
    i->range_cap = g.cap;
    i->snd_una = c->snd_una;
    i->snd_nxt = c->snd_nxt;
    i->snd_wnd = c->snd_wnd;
    i->rcv_nxt = c->rcv_nxt;
    i->rcv_wnd = c->rcv_edge - c->rcv_nxt;
    i->snd_queued = c->snd_len;
    i->snd_free = c->snd_cap - c->snd_len;
    i->rcv_queued = c->rcv_len;
    i->rcv_free = c->rcv_cap - c->rcv_len;
    i->unsent = tcpsm__unsent(c);
    if (tcpsm__is(c, TCPSM__F_RCV_URG))
        i->urgent = tcpsm__seq_ahead(tcpsm__read_seq(c), c->rcv_up);
    i->cwnd = c->cc.cwnd;
    i->ssthresh = c->cc.ssthresh;
    i->flight = tcpsm__runs_flight(&r);
    i->srtt_us = c->srtt;
    i->rttvar_us = c->rttvar;
    i->min_rtt_us = c->min_rtt;
    i->rto_us = tcpsm__rto_backed(c, c->backoff);
    i->error = tcpsm_error(c);
}

/* --- invariants (law 2, law 11): what every call may rely on --- */

TCPSM__FN int tcpsm__check_rings(const tcpsm_conn *c)
{
    uint32_t wnd = c->rcv_edge - c->rcv_nxt;
    int live = tcpsm__reads(c) || c->state == TCPSM_SYN_RECEIVED ||
               c->state == TCPSM_SYN_SENT;
    if (c->state == TCPSM_SYN_SENT && (c->rcv_len != 0 || c->rcv_nxt != 0))
        return 18;
    if ((c->rcv_cap == 0) != (c->p.rcv == NULL))
        return 10;
    if (c->rcv_cap > TCPSM_MAX_RING || c->rcv_len > c->rcv_cap)
        return 11;
    if (c->rcv_head != 0 && c->rcv_head >= c->rcv_cap)
        return 12;
    if ((c->snd_cap == 0) != (c->p.snd == NULL))
        return 13;
    if (c->snd_cap > TCPSM_MAX_RING || c->snd_len > c->snd_cap)
        return 14;
    if (c->snd_head != 0 && c->snd_head >= c->snd_cap)
        return 15;
    if (wnd > TCPSM_MAX_RING + 0x10000u)
        return 16;
    if (live && c->rcv_cap != 0 && c->rcv_len + wnd > c->rcv_cap)
        return 17;
    return 0;
}

TCPSM__FN int tcpsm__check_tables(const tcpsm_conn *c)
{
    struct tcpsm__ranges g;
    struct tcpsm__runs r;
    uint32_t least = tcpsm__max(TCPSM_RUNS, TCPSM_RANGES);
    if ((c->table_cap == 0) != (c->p.tables == NULL))
        return 20;
    if (c->table_cap != 0 && tcpsm__lent_runs(c) < least)
        return 21;
    r = tcpsm__runs_in(c);
    g = tcpsm__ranges_in(c);
    if (!tcpsm__runs_valid(&r, c->snd_nxt))
        return 22;
    if (!tcpsm__ranges_valid(&g, c->rcv_edge - c->rcv_nxt))
        return 23;
    if (g.n != 0 && !tcpsm__reads(c) && c->state != TCPSM_SYN_RECEIVED)
        return 24;
    if (g.n != 0 && c->rcv_cap == 0)
        return 25;
    if (tcpsm__is(c, TCPSM__F_FIN_HELD) && g.n == 0)
        return 26;
    if (c->dsack_len[0] == 0 && c->dsack_len[1] != 0)
        return 27;
    return 0;
}

TCPSM__FN int tcpsm__check_flags(const tcpsm_conn *c)
{
    int syn = tcpsm__is(c, TCPSM__F_SYN_OUT);
    int opening =
        c->state == TCPSM_SYN_SENT || c->state == TCPSM_SYN_RECEIVED;
    int fin_in = c->state == TCPSM_CLOSE_WAIT || c->state == TCPSM_CLOSING ||
                 c->state == TCPSM_LAST_ACK || c->state == TCPSM_TIME_WAIT;
    int fin_out = c->state == TCPSM_FIN_WAIT_1 ||
                  c->state == TCPSM_FIN_WAIT_2 || c->state == TCPSM_CLOSING ||
                  c->state == TCPSM_LAST_ACK;
    int sent = tcpsm__is(c, TCPSM__F_FIN_SENT);
    uint32_t out = tcpsm__outstanding(c);
    if (syn != opening)
        return 30;
    if (c->state != TCPSM_CLOSED && tcpsm__is(c, TCPSM__F_FIN_RCVD) != fin_in)
        return 31;
    if (fin_out && !tcpsm__is(c, TCPSM__F_FIN_QUEUED))
        return 32;
    if (sent && !tcpsm__is(c, TCPSM__F_FIN_QUEUED))
        return 33;
    if (syn && out > 1 + c->snd_len)
        return 34;
    if (!syn && out > c->snd_len + (uint32_t)sent)
        return 35;
    if (sent && out != 0 && out != c->snd_len + 1)
        return 36;
    if (sent && out == 0 && c->snd_len != 0)
        return 37;
    if (c->state == TCPSM_FIN_WAIT_2 && (!sent || out != 0))
        return 38;
    if ((c->state == TCPSM_CLOSED || c->state == TCPSM_LISTEN ||
         c->state == TCPSM_TIME_WAIT) &&
        (out != 0 || c->snd_len != 0))
        return 39;
    if (tcpsm__is(c, TCPSM__F_EOR) && !tcpsm__seq_lt(c->snd_nxt, c->eor))
        return 40;
    if (tcpsm__is(c, TCPSM__F_EOR) &&
        c->eor - tcpsm__snd_base(c) > c->snd_len)
        return 41;
    if (c->state > TCPSM_LISTEN && tcpsm__is(c, TCPSM__F_RST_DUE))
        return 42;
    if (tcpsm__is(c, TCPSM__F_PROBE_DUE) &&
        tcpsm__rtx_kind(c) != TCPSM__RTX_PERSIST)
        return 43;
    if (tcpsm__is(c, TCPSM__F_SYN_DUE | TCPSM__F_REPLY_RST) && !syn)
        return 45;
    if (syn && sent)
        return 46;
    if (!opening && !fin_out && c->state != TCPSM_CLOSED &&
        c->state != TCPSM_TIME_WAIT && tcpsm__is(c, TCPSM__F_FIN_QUEUED))
        return 47;
    if (sent && out == 0 && fin_out && c->state != TCPSM_FIN_WAIT_2)
        return 48;
    if (tcpsm__is(c, TCPSM__F_KEEP_DUE) &&
        (tcpsm__aux_kind(c) != TCPSM__AUX_KEEP || !tcpsm__synchronized(c)))
        return 44;
    return 0;
}

TCPSM__FN int tcpsm__check_numbers(const tcpsm_conn *c)
{
    uint32_t kind = tcpsm__rtx_kind(c);
    if (c->state >= TCPSM_STATES)
        return 1;
    if (tcpsm__snd_shift(c) > 14 || tcpsm__rcv_shift(c) > 14)
        return 2;
    if (c->opts >> 12 > 14)
        return 3;
    if (c->mtu < TCPSM__MTU_LEAST || c->link_mtu < TCPSM__MTU_LEAST)
        return 4;
    if (c->state > TCPSM_SYN_SENT && c->mss < TCPSM__MSS_FLOOR)
        return 5;
    if (c->snd_wnd > TCPSM_MAX_RING)
        return 6;
    if (c->ptb_mtu != 0 &&
        (tcpsm__synchronized(c)
             ? c->ptb_mtu < TCPSM__MTU_LEAST || c->ptb_mtu >= c->mtu
             : c->ptb_mtu < TCPSM__MSS_FLOOR))
        return 8;
    if (tcpsm__bytes_zero(c->key, 16))
        return 7;
    if (kind > TCPSM__RTX_REO)
        return 50;
    if (kind == TCPSM__RTX_NONE && (c->timers & TCPSM__T_RTX))
        return 51;
    if (tcpsm__aux_kind(c) == 0 && (c->timers & TCPSM__T_AUX))
        return 52;
    if (c->state <= TCPSM_LISTEN && (c->timers & TCPSM__T_ALL))
        return 53;
    if (tcpsm__synchronized(c) && c->state != TCPSM_TIME_WAIT) {
        if (c->cc.cwnd < tcpsm__smss(c))
            return 54;
        if (c->cc.cwnd > TCPSM__MAX_CWND)
            return 55;
        if (c->cc.ssthresh > TCPSM__MAX_CWND ||
            c->cc.ssthresh < 2 * tcpsm__smss(c))
            return 56;
    }
    if (c->srtt > 0x0FFFFFFFu || c->rttvar > 0x0FFFFFFFu)
        return 57;
    if (c->error > 17)
        return 58;
    return 0;
}

TCPSM__FN int tcpsm__check_recovery(const tcpsm_conn *c)
{
    uint32_t kind = tcpsm__rtx_kind(c);
    if (tcpsm__is2(c, TCPSM__N_REO) && kind != TCPSM__RTX_REO)
        return 70;
    if (tcpsm__is2(c, TCPSM__N_TLP_DUE) && kind != TCPSM__RTX_TLP)
        return 71;
    if (tcpsm__is2(c, TCPSM__N_FRTO_1 | TCPSM__N_FRTO_2) &&
        !tcpsm__is2(c, TCPSM__N_LOSS))
        return 72;
    if (tcpsm__is2(c, TCPSM__N_TLP | TCPSM__N_REO | TCPSM__N_TLP_DUE) &&
        !tcpsm__sack_on(c))
        return 73;
    if (tcpsm__is2(c, TCPSM__N_TLP) &&
        (tcpsm__prr_on(c) ||
         c->u.open.tlp_end - c->snd_una > tcpsm__outstanding(c)))
        return 73;
    if (tcpsm__is(c, TCPSM__F_RECOVERY) && tcpsm__is2(c, TCPSM__N_LOSS))
        return 74;
    if (tcpsm__is2(c, TCPSM__N_UNDO) &&
        tcpsm__is(c, TCPSM__F_SND_URG | TCPSM__F_RCV_URG))
        return 76;
#if !TCPSM__TINY
    if ((c->pace & 15u) == 0 || c->pace >> 4 == 0)
        return 75;
#endif
    return 0;
}

TCPSM__FN int tcpsm__check_knobs(const tcpsm_conn *c)
{
    uint32_t d = tcpsm__k_dec(c->k_ack_delay), m = tcpsm__k_dec(c->k_rto_max);
    if (c->ack_every == 0 || c->iw == 0 || c->ttl == 0)
        return 60;
    if (c->keep_count < 2)
        return 61;
    if (d != TCPSM_OFF && d > 499999u)
        return 62;
    if (m == 0 || m > 1800000u)
        return 63;
    if (tcpsm__k_dec(c->k_rto_min) > 60000000u)
        return 64;
    if (tcpsm__tick_us(c) > 10000000u || tcpsm__tick_us(c) == 0)
        return 65;
    if (c->k_keep_idle == TCPSM__K_OFF || c->k_msl == TCPSM__K_OFF ||
        c->k_keep_interval == TCPSM__K_OFF)
        return 66;
    return 0;
}

TCPSM_DEF tcpsm_ret tcpsm_check(const tcpsm_conn *c)
{
    int e = tcpsm__check_numbers(c);
    if (e == 0)
        e = tcpsm__check_knobs(c);
    if (e == 0)
        e = tcpsm__check_rings(c);
    if (e == 0)
        e = tcpsm__check_tables(c);
    if (e == 0)
        e = tcpsm__check_flags(c);
    if (e == 0)
        e = tcpsm__check_recovery(c);
    return -(tcpsm_ret)e;
}

/* --- wake list, clock, version --- */

TCPSM_DEF void tcpsm_set_wake(tcpsm_conn *c, tcpsm_wake *w)
{
    if (tcpsm__owned(c))
        return;
    c->p.wake = w;
    c->p.wake_next = NULL;
    c->flags &= ~TCPSM__F_WOKEN;
    if (w != NULL && (c->events != 0 || tcpsm_deadline(c) != TCPSM_NEVER))
        tcpsm__wake_up(c);
}

TCPSM_DEF tcpsm_conn *tcpsm_wake_pop(tcpsm_wake *w)
{
    tcpsm_conn *c = w->head;
    if (c == NULL)
        return NULL;
    w->head = c->p.wake_next;
    c->p.wake_next = NULL;
    c->flags &= ~TCPSM__F_WOKEN;
    return c;
}

TCPSM_DEF tcpsm_time tcpsm_widen(uint64_t *last, uint32_t ticks,
                                 uint32_t unit)
{
    *last += (uint32_t)(ticks - (uint32_t)*last);
    return *last * unit;
}

TCPSM_DEF uint32_t tcpsm_version(void)
{
    return TCPSM_VERSION;
}

/* ---- >>blob ---------------------------------------------------------
   Export and import (law 11). "tcpsm", a version byte, two zero bytes;
   then entries: tag (16 bits), length (32), value; all big-endian; last
   the entry 0 with a checksum of all before it. Times are distances from
   the export's now; sequence numbers are the wire's. A reader skips tags
   that it does not know. docs/design.md has the table. */

#define TCPSM__BLOB_VERSION 1
/* clang-format off */
#define TCPSM__BLOB_FIELDS(F32, F16, F8, FB)                                 \
    F32(1, rcv_nxt) F32(2, rcv_edge) F32(3, last_ack) F32(4, rcv_len)        \
    F32(5, snd_una) F32(6, snd_nxt) F32(7, snd_wnd) F32(8, snd_wl1)          \
    F32(9, snd_len) F32(10, cc.cwnd) F32(11, cc.ssthresh)                    \
    F32(13, flags) F32(14, srtt) F32(15, rttvar) F32(16, min_rtt)            \
    F32(17, ts_recent) F32(18, snd_up) F32(20, recover)                      \
    F32(21, eor) F32(22, dsack_seq[0]) F32(23, dsack_seq[1])                 \
    F16(30, local_port) F16(31, remote_port) F16(32, zone) F16(33, opts)     \
    F16(34, mtu) F16(35, ptb_mtu) F16(36, mss) F16(37, wnd_max)              \
    F16(38, events) F16(39, promise) F16(40, k_ack_delay)                    \
    F16(41, k_rto_min) F16(42, k_rto_max) F16(43, k_syn_limit)               \
    F16(44, k_uto) F16(45, k_keep_idle) F16(46, k_keep_interval)             \
    F16(47, k_msl) F16(48, k_linger) F16(49, lowat) F16(50, dsack_len[0])    \
    F16(51, dsack_len[1])                                                    \
    F8(83, min_next)                                                        \
    F8(60, state) F8(61, scales) F8(63, tos)                                 \
    F8(64, ttl) F8(65, tos_seen) F8(66, error) F8(67, soft)                  \
    F8(68, dupacks) F8(69, backoff) F8(70, probes) F8(71, owed)              \
    F8(72, ack_segs) F8(73, ack_every) F8(74, quick) F8(75, chal_n)          \
    F8(76, chal_limit) F8(77, keep_count) F8(78, iw) F8(79, timers)          \
    F8(80, more)                                                             \
    FB(90, local) FB(91, remote)
/* These may be missing, and are then zero. */
#if TCPSM__TINY
#define TCPSM__BLOB_MORE(F32, F16, F8) F32(12, cc.w[0]) F32(24, flags2)
#else
#define TCPSM__BLOB_MORE(F32, F16, F8)                                       \
    F32(12, cc.w[0]) F32(24, flags2) F32(26, cc.w[2]) F32(27, cc.w[3])       \
    F32(28, rack_end) F16(53, rack_rtt)                                      \
    F16(54, prior_cwnd) F16(55, prior_ssthresh) F8(81, reo) F8(82, undo_n)
#endif
/* clang-format on */
enum {
    TCPSM__TAG_END = 0,
    TCPSM__TAG_TSVAL = 100, /* the timestamp that now would have */
    TCPSM__TAG_TS_AGE,      /* 2^30 us since TS.Recent was set */
    TCPSM__TAG_CHAL_AGE,    /* 2^16 us since the limiter began */
    TCPSM__TAG_SENT_AGE,    /* 2^10 us since data was sent */
    TCPSM__TAG_TIMERS,      /* us until each of the four; 64 bits */
    TCPSM__TAG_RUNS,        /* end, age of the first, meta */
    TCPSM__TAG_RANGES,      /* start, end, order */
    TCPSM__TAG_RECEIVED,    /* the readable bytes */
    TCPSM__TAG_HELD,        /* the bytes of each range, in their order */
    TCPSM__TAG_SEND,        /* the send ring */
    TCPSM__TAG_CC,          /* the controller's id: whose words they are */
    TCPSM__TAG_PRR,         /* in recovery: delivered, out, RecoverFS */
    TCPSM__TAG_OPEN,        /* else: the round's end, the probe's */
    TCPSM__TAG_RACK_AGE,    /* us since RACK's segment was sent */
    TCPSM__TAG_PACE,        /* us until pacing allows the next */
    TCPSM__TAG_MTU,         /* bytes, or 2^20 us until the next search */
    TCPSM__TAG_ACC,         /* RFC 9768's byte counters */
    TCPSM__TAG_CC_TIME,     /* the controller's w[1]; CUBIC's as an age */
    TCPSM__TAG_UNDO_AGE,    /* us since first something was sent again */
    TCPSM__TAG_RCV_UP = 19
};

struct tcpsm__blob {
    uint8_t *p; /* what does not fit is only counted */
    uint32_t n, cap;
};

TCPSM__FN void tcpsm__blob_raw(struct tcpsm__blob *b, const uint8_t *p,
                               uint32_t n)
{
    if (b->n <= b->cap && n <= b->cap - b->n && n != 0)
        memcpy(b->p + b->n, p, n);
    b->n += n;
}

TCPSM__FN void tcpsm__blob_int(struct tcpsm__blob *b, uint64_t v,
                               uint32_t bytes)
{
    uint8_t w[8];
    uint32_t i;
    for (i = 0; i < bytes; i++)
        w[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
    tcpsm__blob_raw(b, w, bytes);
}

TCPSM__FN void tcpsm__blob_head(struct tcpsm__blob *b, uint32_t tag,
                                uint32_t len)
{
    tcpsm__blob_int(b, tag, 2);
    tcpsm__blob_int(b, len, 4);
}

TCPSM__FN void tcpsm__blob_entry(struct tcpsm__blob *b, uint32_t tag,
                                 uint64_t v, uint32_t bytes)
{
    tcpsm__blob_head(b, tag, bytes);
    tcpsm__blob_int(b, v, bytes);
}

TCPSM__FN void tcpsm__blob_ring(struct tcpsm__blob *b, const uint8_t *ring,
                                uint32_t cap, uint32_t head, uint32_t off,
                                uint32_t n)
{
    uint32_t k;
    if (n == 0)
        return;
    k = tcpsm__ring_first(cap, head, off, n);
    tcpsm__blob_raw(b, ring + tcpsm__ring_at(cap, head, off), k);
    tcpsm__blob_raw(b, ring, n - k);
}

#if !TCPSM__TINY
/* Is w[1] a time of CUBIC's? */
TCPSM__FN int tcpsm__cubic_runs(const tcpsm_conn *c)
{
    return tcpsm__cc_id(c->p.cc) == TCPSM_CC_CUBIC &&
           c->cc.ssthresh != TCPSM__MAX_CWND &&
           (c->cc.w[3] & TCPSM__CU_EPOCH) != 0;
}
#endif

/* Is rcv_up the time of the first retransmission? */
TCPSM__FN int tcpsm__undo_timed(const tcpsm_conn *c)
{
    return tcpsm__is2(c, TCPSM__N_UNDO) && c->rcv_up != 0;
}

TCPSM__FN void tcpsm__blob_times(struct tcpsm__blob *b, const tcpsm_conn *c,
                                 tcpsm_time now)
{
    uint32_t i;
    tcpsm_time t;
    tcpsm__blob_entry(b, TCPSM__TAG_TSVAL, tcpsm__ticks(now) + c->ts_offset,
                      4);
    tcpsm__blob_entry(b, TCPSM__TAG_TS_AGE,
                      (uint16_t)((uint16_t)(now >> 30) - c->ts_age), 2);
    tcpsm__blob_entry(b, TCPSM__TAG_CHAL_AGE,
                      (uint16_t)((uint16_t)(now >> 16) - c->chal_at), 2);
    if (tcpsm__prr_on(c)) {
        tcpsm__blob_head(b, TCPSM__TAG_PRR, 12);
        tcpsm__blob_int(b, c->u.prr.delivered, 4);
        tcpsm__blob_int(b, c->u.prr.out, 4);
        tcpsm__blob_int(b, c->u.prr.flight, 4);
    } else {
        tcpsm__blob_entry(b, TCPSM__TAG_SENT_AGE,
                          tcpsm__ticks(now) - c->u.open.sent_at, 4);
        tcpsm__blob_head(b, TCPSM__TAG_OPEN, 8);
        tcpsm__blob_int(b, c->u.open.round_end, 4);
        tcpsm__blob_int(b, c->u.open.tlp_end, 4);
    }
    tcpsm__blob_entry(b, TCPSM__TAG_CC, tcpsm__cc_id(c->p.cc), 4);
    tcpsm__blob_entry(b, TCPSM__TAG_RCV_UP,
                      tcpsm__undo_timed(c) ? 0 : c->rcv_up, 4);
    if (tcpsm__undo_timed(c))
        tcpsm__blob_entry(b, TCPSM__TAG_UNDO_AGE, (uint32_t)now - c->rcv_up,
                          4);
#if !TCPSM__TINY
    tcpsm__blob_entry(b, TCPSM__TAG_RACK_AGE, (uint32_t)now - c->rack_xmit,
                      4);
    t = c->timers & TCPSM__T_PACE ? tcpsm__at32(c, c->pace_at) : 0;
    tcpsm__blob_entry(b, TCPSM__TAG_PACE, t > now ? t - now : 0, 4);
    tcpsm__blob_entry(b, TCPSM__TAG_MTU,
                      tcpsm__is2(c, TCPSM__N_RAISE)
                          ? (uint16_t)(c->pmtu - (uint16_t)(now >> 20))
                          : c->pmtu,
                      2);
    tcpsm__blob_head(b, TCPSM__TAG_ACC, 12);
    tcpsm__blob_raw(b, c->acc, 12);
    tcpsm__blob_entry(b, TCPSM__TAG_CC_TIME,
                      tcpsm__cubic_runs(c) ? tcpsm__ticks(now) - c->cc.w[1]
                                           : c->cc.w[1],
                      4);
#endif
    tcpsm__blob_head(b, TCPSM__TAG_TIMERS, 32);
    for (i = 1; i <= TCPSM__T_UTO; i <<= 1) {
        t = c->timers & i ? tcpsm__timer(c, i) : 0;
        tcpsm__blob_int(b, t > now ? t - now : 0, 8);
    }
}

TCPSM__FN void tcpsm__blob_tables(struct tcpsm__blob *b, const tcpsm_conn *c,
                                  tcpsm_time now)
{
    struct tcpsm__runs r = tcpsm__runs_in(c);
    struct tcpsm__ranges g = tcpsm__ranges_in(c);
    uint32_t i, held = 0, fin;
    tcpsm__blob_head(b, TCPSM__TAG_RUNS, 10u * r.n);
    for (i = 0; i < r.n; i++) {
        tcpsm__blob_int(b, r.end[i], 4);
        tcpsm__blob_int(b, (uint32_t)now - r.first[i], 4);
        tcpsm__blob_int(b, r.meta[i], 2);
        TCPSM_STEP();
    }
    tcpsm__blob_head(b, TCPSM__TAG_RANGES, 9u * g.n);
    for (i = 0; i < g.n; i++) {
        tcpsm__blob_int(b, g.start[i], 4);
        tcpsm__blob_int(b, g.end[i], 4);
        tcpsm__blob_int(b, g.order[i], 1);
        held += g.end[i] - g.start[i];
        TCPSM_STEP();
    }
    tcpsm__blob_head(b, TCPSM__TAG_HELD, held);
    for (i = 0; i < g.n; i++) {
        fin = tcpsm__is(c, TCPSM__F_FIN_HELD) && i + 1u == g.n;
        tcpsm__blob_ring(b, c->p.rcv, c->rcv_cap, c->rcv_head,
                         c->rcv_len + (g.start[i] - c->rcv_nxt),
                         g.end[i] - g.start[i] - fin);
        if (fin) /* its octet holds no byte of the stream */
            tcpsm__blob_int(b, 0, 1);
        TCPSM_STEP();
    }
}

/* Not a secret: it finds damage, not malice. */
TCPSM__FN uint64_t tcpsm__blob_sum(const uint8_t *p, uint32_t n)
{
    static const uint8_t key[16] = {'t', 'c', 'p', 's', 'm'};
    return tcpsm__siphash(key, p, n);
}

TCPSM_DEF tcpsm_ret tcpsm_export(const tcpsm_conn *c, void *p, uint32_t cap,
                                 tcpsm_time now)
{
    static const uint8_t magic[8] = {
        't', 'c', 'p', 's', 'm', TCPSM__BLOB_VERSION, 0, 0};
    struct tcpsm__blob b;
    uint64_t sum = 0;
    if (c == NULL || (p == NULL && cap != 0))
        return TCPSM_E_ARG;
    if (now < c->now)
        now = c->now;
    b.p = (uint8_t *)p;
    b.n = 0;
    b.cap = cap;
    tcpsm__blob_raw(&b, magic, 8);
#define TCPSM__F32(tag, m) tcpsm__blob_entry(&b, tag, c->m, 4);
#define TCPSM__F16(tag, m) tcpsm__blob_entry(&b, tag, c->m, 2);
#define TCPSM__F8(tag, m) tcpsm__blob_entry(&b, tag, c->m, 1);
#define TCPSM__FB(tag, m)                                                    \
    tcpsm__blob_head(&b, tag, 16);                                           \
    tcpsm__blob_raw(&b, c->m, 16);
    TCPSM__BLOB_FIELDS(TCPSM__F32, TCPSM__F16, TCPSM__F8, TCPSM__FB)
    TCPSM__BLOB_MORE(TCPSM__F32, TCPSM__F16, TCPSM__F8)
#undef TCPSM__F32
#undef TCPSM__F16
#undef TCPSM__F8
#undef TCPSM__FB
    tcpsm__blob_times(&b, c, now);
    tcpsm__blob_tables(&b, c, now);
    tcpsm__blob_head(&b, TCPSM__TAG_RECEIVED, c->rcv_len);
    tcpsm__blob_ring(&b, c->p.rcv, c->rcv_cap, c->rcv_head, 0, c->rcv_len);
    tcpsm__blob_head(&b, TCPSM__TAG_SEND, c->snd_len);
    tcpsm__blob_ring(&b, c->p.snd, c->snd_cap, c->snd_head, 0, c->snd_len);
    if (b.n <= cap)
        sum = tcpsm__blob_sum(b.p, b.n);
    tcpsm__blob_entry(&b, TCPSM__TAG_END, sum, 8);
    if (cap != 0 && b.n > cap)
        return TCPSM_E_SPACE;
    return (tcpsm_ret)b.n;
}

/* One entry off the front; 0 when there is no whole one. */
struct tcpsm__entry {
    const uint8_t *p;
    uint32_t tag, len;
};

TCPSM__FN int tcpsm__blob_next(const uint8_t *p, uint32_t n, uint32_t *at,
                               struct tcpsm__entry *e)
{
    if (n - *at < 6)
        return 0;
    e->tag = tcpsm__get16(p + *at);
    e->len = tcpsm__get32(p + *at + 2);
    if (e->len > n - *at - 6)
        return 0;
    e->p = p + *at + 6;
    *at += 6 + e->len;
    return 1;
}

/* Header, structure and checksum. */
TCPSM__FN int tcpsm__blob_ok(const uint8_t *p, uint32_t n)
{
    struct tcpsm__entry e;
    uint32_t at = 8, sum_at = 8, count = 0;
    uint64_t sum;
    if (p == NULL || n < 8 + 14 || p[0] != 't' || p[1] != 'c' ||
        p[2] != 'p' || p[3] != 's' || p[4] != 'm' ||
        p[5] != TCPSM__BLOB_VERSION || p[6] != 0 || p[7] != 0)
        return 0;
    e.tag = 1;
    while (e.tag != TCPSM__TAG_END) {
        sum_at = at;
        if (!tcpsm__blob_next(p, n, &at, &e) || ++count > 255)
            return 0; /* each is looked at once for each tag: law 2 */
        TCPSM_STEP();
    }
    if (e.len != 8 || at != n)
        return 0;
    sum = tcpsm__blob_sum(p, sum_at);
    return tcpsm__get32(e.p) == (uint32_t)(sum >> 32) &&
           tcpsm__get32(e.p + 4) == (uint32_t)sum;
}

/* The entry with this tag, or an empty one; 0: it is not there. */
TCPSM__FN int tcpsm__blob_find(const uint8_t *p, uint32_t n, uint32_t tag,
                               struct tcpsm__entry *e)
{
    uint32_t at = 8;
    while (tcpsm__blob_next(p, n, &at, e)) {
        if (e->tag == tag)
            return 1;
        TCPSM_STEP();
    }
    e->p = p;
    e->len = 0;
    return 0;
}

TCPSM__FN uint32_t tcpsm__blob_get(const uint8_t *p, uint32_t n, uint32_t tag,
                                   uint32_t bytes, int *bad)
{
    struct tcpsm__entry e;
    if (!tcpsm__blob_find(p, n, tag, &e) || e.len != bytes) {
        *bad = 1;
        return 0;
    }
    if (bytes == 1)
        return e.p[0];
    return bytes == 2 ? tcpsm__get16(e.p) : tcpsm__get32(e.p);
}

TCPSM__FN int tcpsm__import_fields(tcpsm_conn *c, const uint8_t *p,
                                   uint32_t n)
{
    struct tcpsm__entry e;
    int bad = 0, gone = 0;
#define TCPSM__F32(tag, m) c->m = tcpsm__blob_get(p, n, tag, 4, &bad);
#define TCPSM__F16(tag, m)                                                   \
    c->m = (uint16_t)tcpsm__blob_get(p, n, tag, 2, &bad);
#define TCPSM__F8(tag, m) c->m = (uint8_t)tcpsm__blob_get(p, n, tag, 1, &bad);
#define TCPSM__FB(tag, m)                                                    \
    if (tcpsm__blob_find(p, n, tag, &e) && e.len == 16)                      \
        memcpy(c->m, e.p, 16);                                               \
    else                                                                     \
        bad = 1;
    TCPSM__BLOB_FIELDS(TCPSM__F32, TCPSM__F16, TCPSM__F8, TCPSM__FB)
#undef TCPSM__F32
#undef TCPSM__F16
#undef TCPSM__F8
#undef TCPSM__FB
#define TCPSM__F32(tag, m) c->m = tcpsm__blob_get(p, n, tag, 4, &gone);
#define TCPSM__F16(tag, m)                                                   \
    c->m = (uint16_t)tcpsm__blob_get(p, n, tag, 2, &gone);
#define TCPSM__F8(tag, m)                                                    \
    c->m = (uint8_t)tcpsm__blob_get(p, n, tag, 1, &gone);
    TCPSM__BLOB_MORE(TCPSM__F32, TCPSM__F16, TCPSM__F8)
#undef TCPSM__F32
#undef TCPSM__F16
#undef TCPSM__F8
    c->rcv_up = tcpsm__blob_get(p, n, TCPSM__TAG_RCV_UP, 4, &bad);
    return !bad;
}

/* Loss recovery's state. What is missing is as at its beginning. */
TCPSM__FN void tcpsm__import_recovery(tcpsm_conn *c, const uint8_t *p,
                                      uint32_t n)
{
    struct tcpsm__entry e;
    int gone = 0;
    uint32_t d, id = tcpsm__blob_get(p, n, TCPSM__TAG_CC, 4, &gone);
#if !TCPSM__TINY
    c->cc.w[1] = tcpsm__blob_get(p, n, TCPSM__TAG_CC_TIME, 4, &gone);
#endif
    if (gone || id != tcpsm__cc_id(c->p.cc))
        memset(c->cc.w, 0, sizeof c->cc.w); /* another's words */
    if (id >= 128 && c->p.cc == NULL)
        c->p.cc = &tcpsm__reno; /* nobody knows that controller here */
    gone = 0;
    d = tcpsm__blob_get(p, n, TCPSM__TAG_UNDO_AGE, 4, &gone);
    if (!gone && tcpsm__is2(c, TCPSM__N_UNDO))
        c->rcv_up = tcpsm__or(tcpsm__now32(c) - d, 1);
    c->min_age = (uint8_t)(c->now >> 26);
    c->u.open.round_end = c->snd_nxt;
    if (tcpsm__blob_find(p, n, TCPSM__TAG_OPEN, &e) && e.len == 8) {
        c->u.open.round_end = tcpsm__get32(e.p);
        c->u.open.tlp_end = tcpsm__get32(e.p + 4);
    }
    if (tcpsm__prr_on(c)) {
        memset(&c->u, 0, sizeof c->u);
        if (tcpsm__blob_find(p, n, TCPSM__TAG_PRR, &e) && e.len == 12) {
            c->u.prr.delivered = tcpsm__get32(e.p);
            c->u.prr.out = tcpsm__get32(e.p + 4);
            c->u.prr.flight = tcpsm__get32(e.p + 8);
        }
    }
#if !TCPSM__TINY
    if (tcpsm__cubic_runs(c))
        c->cc.w[1] = (uint32_t)(c->now >> 10) - c->cc.w[1];
    c->rack_xmit = tcpsm__now32(c) -
                   tcpsm__blob_get(p, n, TCPSM__TAG_RACK_AGE, 4, &gone);
    if (tcpsm__blob_find(p, n, TCPSM__TAG_PACE, &e) && e.len == 4 &&
        (c->timers & TCPSM__T_PACE))
        c->pace_at = tcpsm__now32(c) + (tcpsm__get32(e.p) & 0xFFFFFFu);
    else
        c->timers = (uint8_t)(c->timers & ~TCPSM__T_PACE);
    if (tcpsm__blob_find(p, n, TCPSM__TAG_MTU, &e) && e.len == 2) {
        c->pmtu = tcpsm__get16(e.p);
        if (tcpsm__is2(c, TCPSM__N_RAISE))
            c->pmtu =
                (uint16_t)((c->pmtu & 1023u) + (uint32_t)(c->now >> 20));
    }
    if (tcpsm__blob_find(p, n, TCPSM__TAG_ACC, &e) && e.len == 12)
        memcpy(c->acc, e.p, 12);
#endif
}

TCPSM__FN int tcpsm__import_times(tcpsm_conn *c, const uint8_t *p, uint32_t n)
{
    struct tcpsm__entry e;
    uint32_t i, k, armed = c->timers & TCPSM__T_ALL;
    tcpsm_time d;
    int bad = 0;
    c->ts_offset = tcpsm__blob_get(p, n, TCPSM__TAG_TSVAL, 4, &bad) -
                   tcpsm__ticks(c->now);
    c->ts_age = (uint16_t)((uint16_t)(c->now >> 30) -
                           tcpsm__blob_get(p, n, TCPSM__TAG_TS_AGE, 2, &bad));
    c->chal_at =
        (uint16_t)((uint16_t)(c->now >> 16) -
                   tcpsm__blob_get(p, n, TCPSM__TAG_CHAL_AGE, 2, &bad));
    if (!tcpsm__prr_on(c))
        c->u.open.sent_at =
            tcpsm__ticks(c->now) -
            tcpsm__blob_get(p, n, TCPSM__TAG_SENT_AGE, 4, &bad);
    if (!tcpsm__blob_find(p, n, TCPSM__TAG_TIMERS, &e) || e.len != 32)
        return 0;
    for (i = 0, k = 1; i < 4; i++, k <<= 1) {
        d = (tcpsm_time)tcpsm__get32(e.p + 8 * i) << 32 |
            tcpsm__get32(e.p + 8 * i + 4);
        if (!(armed & k))
            continue;
        if (d >> (k == TCPSM__T_RTX || k == TCPSM__T_ACK ? 31 : 47))
            return 0;
        tcpsm__arm(c, k, d);
    }
    return !bad;
}

TCPSM__FN int tcpsm__import_runs(tcpsm_conn *c, const uint8_t *p, uint32_t n)
{
    struct tcpsm__entry e;
    struct tcpsm__runs r = tcpsm__runs_of(c);
    uint32_t i, count, prev = 0, d;
    r.oof = 0;
    tcpsm__blob_find(p, n, TCPSM__TAG_RUNS, &e);
    count = e.len / 10;
    if (e.len % 10 != 0)
        return 0;
    for (i = 0; i < count; i++) {
        d = tcpsm__get32(e.p + 10 * i) - c->snd_una;
        if (d <= prev || d > c->snd_nxt - c->snd_una)
            return 0;
        prev = d;
        if (r.n == r.cap)
            (void)tcpsm__runs_squeeze(&r, 1);
        r.end[r.n] = tcpsm__get32(e.p + 10 * i);
        r.first[r.n] = tcpsm__now32(c) - tcpsm__get32(e.p + 10 * i + 4);
        r.meta[r.n] = tcpsm__get16(e.p + 10 * i + 8);
        if (r.meta[r.n] >> 11 > 27 ||
            (r.meta[r.n] & TCPSM__R_OUT) == TCPSM__R_OUT)
            return 0;
        r.n++;
        r.oof = tcpsm__runs_bytes(&r, TCPSM__R_OUT);
        TCPSM_STEP();
    }
    tcpsm__runs_put(c, &r);
    return prev == c->snd_nxt - c->snd_una;
}

/* Ranges and the bytes in them. A smaller table keeps the lowest: a
   receiver may forget what it only SACKed (RFC 2018 s8). */
TCPSM__FN int tcpsm__import_ranges(tcpsm_conn *c, const uint8_t *p,
                                   uint32_t n)
{
    struct tcpsm__entry e, held;
    struct tcpsm__ranges r = tcpsm__ranges_of(c);
    uint32_t i, count, at = 0, prev = 0, a, b, want;
    uint32_t wnd = c->rcv_edge - c->rcv_nxt;
    tcpsm__blob_find(p, n, TCPSM__TAG_RANGES, &e);
    tcpsm__blob_find(p, n, TCPSM__TAG_HELD, &held);
    count = e.len / 9;
    if (e.len % 9 != 0 || count > 255 || wnd > c->rcv_cap - c->rcv_len)
        return e.len == 0;
    for (i = 0; i < count; i++) {
        a = tcpsm__get32(e.p + 9 * i) - c->rcv_nxt;
        b = tcpsm__get32(e.p + 9 * i + 4) - c->rcv_nxt;
        if (a <= prev || b <= a || b > wnd || b - a > held.len - at)
            return 0;
        prev = b;
        if (i < r.cap) {
            r.start[i] = c->rcv_nxt + a;
            r.end[i] = c->rcv_nxt + b;
            tcpsm__ring_write(c->p.rcv, c->rcv_cap, c->rcv_head,
                              c->rcv_len + a, held.p + at, b - a);
        }
        at += b - a;
        TCPSM_STEP();
    }
    if (at != held.len)
        return 0;
    r.n = (uint8_t)tcpsm__min(count, r.cap);
    if (count > r.cap)
        c->flags &= ~TCPSM__F_FIN_HELD;
    /* the order, as a permutation of those that were kept */
    for (i = 0, at = 0; i < count; i++) {
        want = e.p[9 * i + 8];
        if (want >= count)
            return 0;
        if (want < r.cap && at < r.n)
            r.order[at++] = (uint8_t)want;
        TCPSM_STEP();
    }
    c->ranges_n = r.n;
    return at == r.n;
}

TCPSM_DEF tcpsm_ret tcpsm_blob_rings(const void *blob, uint32_t len,
                                     uint32_t *rcv, uint32_t *snd)
{
    const uint8_t *p = (const uint8_t *)blob;
    int bad = 0;
    uint32_t edge, nxt, state, shift;
    if (rcv == NULL || snd == NULL || p == NULL)
        return TCPSM_E_ARG;
    if (!tcpsm__blob_ok(p, len))
        return TCPSM_E_BLOB;
    nxt = tcpsm__blob_get(p, len, 1, 4, &bad);
    edge = tcpsm__blob_get(p, len, 2, 4, &bad);
    *rcv = tcpsm__blob_get(p, len, 4, 4, &bad);
    *snd = tcpsm__blob_get(p, len, 9, 4, &bad);
    state = tcpsm__blob_get(p, len, 60, 1, &bad);
    shift = tcpsm__blob_get(p, len, 61, 1, &bad) & 15u;
    if (bad || *rcv > TCPSM_MAX_RING || *snd > TCPSM_MAX_RING ||
        edge - nxt > TCPSM_MAX_RING + 0x10000u)
        return TCPSM_E_BLOB;
    if (state < TCPSM_SYN_SENT || state > TCPSM_FIN_WAIT_2)
        return 0;
    *rcv += edge - nxt;
    if (shift != 0) /* as tcpsm_attach has it */
        *rcv = tcpsm__max(*rcv, (uint32_t)4 << shift);
    return 0;
}

/* Do the rings hold what the blob says? 0, E_SPACE or E_BLOB. */
TCPSM__FN tcpsm_ret tcpsm__import_rings(tcpsm_conn *c, const uint8_t *p,
                                        uint32_t n)
{
    struct tcpsm__entry e;
    uint32_t rcv, snd, wnd = 0;
    if (tcpsm_blob_rings(p, n, &rcv, &snd) < 0)
        return TCPSM_E_BLOB;
    if (snd > c->snd_cap)
        return TCPSM_E_SPACE;
    if (c->rcv_cap != 0 && rcv > c->rcv_cap)
        return TCPSM_E_SPACE;
    if (c->state >= TCPSM_SYN_SENT && c->state <= TCPSM_FIN_WAIT_2)
        wnd = c->rcv_edge - c->rcv_nxt; /* later nothing more comes */
    if (c->rcv_cap == 0 &&
        (c->rcv_len != 0 || wnd > tcpsm__size_dec(c->promise)))
        return TCPSM_E_SPACE;
    tcpsm__blob_find(p, n, TCPSM__TAG_RECEIVED, &e);
    if (e.len != c->rcv_len)
        return TCPSM_E_BLOB;
    tcpsm__ring_write(c->p.rcv, c->rcv_cap, 0, 0, e.p, e.len);
    tcpsm__blob_find(p, n, TCPSM__TAG_SEND, &e);
    if (e.len != c->snd_len)
        return TCPSM_E_BLOB;
    tcpsm__ring_write(c->p.snd, c->snd_cap, 0, 0, e.p, e.len);
    return 0;
}

/* Could a connection have this name? */
TCPSM__FN int tcpsm__name_sane(const tcpsm_conn *c)
{
    uint8_t f = tcpsm__family(c);
    return c->local_port != 0 && c->remote_port != 0 &&
           tcpsm__unicast(c->local, f, 1) && tcpsm__unicast(c->remote, f, 1);
}

TCPSM__FN tcpsm_ret tcpsm__import_all(tcpsm_conn *c, const uint8_t *p,
                                      uint32_t n, uint16_t opts)
{
    const uint32_t mine = TCPSM_GATHER | TCPSM_TX_PARTIAL | TCPSM_TX_ZERO |
                          TCPSM_LOOPBACK | TCPSM_GSO;
    tcpsm_ret e;
    uint32_t flags2;
    flags2 = c->flags2 & TCPSM__N_CONFIG;
    if (!tcpsm__import_fields(c, p, n))
        return TCPSM_E_BLOB;
    c->opts = (uint16_t)((c->opts & ~mine) | (opts & mine));
    c->flags2 = (c->flags2 & ~TCPSM__N_CONFIG) | flags2;
    if (!tcpsm__is(c, TCPSM__F_PASSIVE))
        c->flags2 &= ~TCPSM__N_FO; /* the cookie stays behind */
    tcpsm__import_recovery(c, p, n);
    c->flags &= ~TCPSM__F_WOKEN;
    e = tcpsm__import_rings(c, p, n);
    if (e < 0)
        return e;
    if (c->state > TCPSM_LISTEN && !tcpsm__name_sane(c))
        return TCPSM_E_BLOB; /* RFC9293-MUST-46 */
    if (c->state >= TCPSM_STATES || !tcpsm__import_times(c, p, n) ||
        !tcpsm__import_runs(c, p, n) || !tcpsm__import_ranges(c, p, n) ||
        tcpsm_check(c) != 0)
        return TCPSM_E_BLOB;
    return 0;
}

TCPSM_DEF tcpsm_ret tcpsm_import(tcpsm_conn *c, const tcpsm_config *f,
                                 const void *blob, uint32_t len,
                                 tcpsm_time now)
{
    const uint8_t *p = (const uint8_t *)blob;
    tcpsm_conn old;
    tcpsm_ret e;
    uint32_t woken;
    uint16_t opts;
    if (c == NULL || f == NULL || blob == NULL)
        return TCPSM_E_ARG;
    if (tcpsm__owned(c))
        return TCPSM_E_OWNED;
    if (c->state != TCPSM_CLOSED)
        return TCPSM_E_STATE;
    if (!tcpsm__blob_ok(p, len))
        return TCPSM_E_BLOB;
    memcpy(&old, c, sizeof old);
    e = tcpsm_init(c, f);
    if (e < 0) {
        memcpy(c, &old, sizeof old);
        return e;
    }
    opts = c->opts;
    woken = old.flags & TCPSM__F_WOKEN;
    c->flags |= woken;
    c->p.rcv = old.p.rcv;
    c->p.snd = old.p.snd;
    c->p.tables = old.p.tables;
    c->p.wake = old.p.wake;
    c->p.wake_next = old.p.wake_next;
    c->rcv_cap = old.rcv_cap;
    c->snd_cap = old.snd_cap;
    c->table_cap = old.table_cap;
    c->now = now > old.now ? now : old.now;
    old = *c;
    e = tcpsm__import_all(c, p, len, opts);
    if (e < 0) {
        memcpy(c, &old, sizeof old);
        tcpsm__forget(c);
        return e;
    }
    c->flags |= woken;
    tcpsm__wake_up(c);
    return 0;
}

/* ---- >>stack --------------------------------------------------------
   Many connections in one block. Nothing in the block points into it but
   the connections' own pointers; all else is an index, plus one, so that
   zero is none.

     struct tcpsm_stack | links | connections | hash | SYN entries, hash |
     TIME-WAIT entries, hash | replies | listeners | addresses | free rings |
     echo | rings

   Where a segment goes: a connection, else a SYN entry, else a TIME-WAIT,
   else a listener, else nobody. One keyed hash finds the first three; a
   name is in at most one of the connections that are not CLOSED.

   Which lists a connection is on:
     ready   st->ready, the wake list: output looks at it next
     wheel   its deadline when output last had nothing to say
     news    something for tcpsm_stack_next; before acceptance the same link
             is that of the accept queue, and when unused of the free list */

#ifndef TCPSM_NO_STACK

struct tcpsm__link {
    tcpsm_time at;       /* in the wheel: when it is due, or earlier */
    uint32_t next, prev; /* in a slot of the wheel */
    uint32_t chain;      /* in a bucket of the hash */
    uint32_t tag;        /* 32 bits of its hash; the flow label's source */
    uint32_t queue;      /* news, accept queue or free list */
    uint32_t gen;        /* how often the slot was freed */
    uint32_t ring;       /* slab pair, or 0 */
    uint16_t listener;   /* where it came from: number + 1; 0: connect */
    uint8_t slot;        /* of the wheel, or TCPSM__SLOT_NONE */
    uint8_t flags;       /* TCPSM__L_* */
};
enum {
    TCPSM__L_USED = 1,
    TCPSM__L_YOURS = 2, /* accepted, connected or imported */
    TCPSM__L_RELEASED = 4,
    TCPSM__L_NEWS = 8, /* on the news list */
    TCPSM__L_HASHED = 16,
    TCPSM__L_LAST = 32,   /* told for the last time: freed by next() */
    TCPSM__L_COOKIE = 64, /* born of a cookie */
    TCPSM__L_FAST = 128   /* born of a Fast Open, in SYN-RECEIVED */
};

/* A half-open connection (law 10). flags has room for the three bits that
   ECN, AccECN and Fast Open will want. */
struct tcpsm__syn {
    tcpsm_tuple name;
    tcpsm_time due; /* when its queue is through with it */
    uint32_t irs, iss, ts_recent;
    uint32_t sent; /* the first SYN-ACK, low 32 bits of us */
    uint32_t chain, next, prev;
    uint16_t mss, wnd; /* the peer's, unscaled */
    uint16_t listener, gen;
    uint16_t chal_at; /* RFC 5961 s7, as in a connection */
    uint8_t chal_n, scale, tries, queue, flags;
    uint8_t ecn; /* the feedback agreed on; the SYN's IP-ECN << 2 */
};
enum {
    TCPSM__S_TS = 1,
    TCPSM__S_SACK = 2,
    TCPSM__S_WS = 4,
    TCPSM__S_RESENT = 8,  /* our SYN-ACK was lost */
    TCPSM__S_UNSURE = 16, /* or answered twice: no RTT sample (Karn) */
    TCPSM__S_FO = 32      /* it asked for a Fast Open cookie */
};
/* Queues of SYN entries: each but the first has one timeout, so that first
   come is first due. */
enum {
    TCPSM__Q_FREE,
    TCPSM__Q_DUE, /* the SYN-ACK is to be sent now */
    TCPSM__Q_1,   /* sent once, twice ... five times */
    TCPSM__Q_2,
    TCPSM__Q_3,
    TCPSM__Q_4,
    TCPSM__Q_5,
    TCPSM__Q_HELD, /* awaits the owner's verdict */
    TCPSM__QUEUES
};
#define TCPSM__HELD_US 60000000u
#define TCPSM__COOKIE_SHIFT 26u /* us of a period, of which two count */
#define TCPSM__QUIET_TURNS 64u  /* of one call that finds nothing to say */

/* 64 bytes. That one has expired is found when somebody looks, so TIME-WAIT
   has no timers. In name, family also holds the window (five bits, above
   the family's three) and zero holds 2 MSL, both rounded up. An odd family
   is a guard: not a TIME-WAIT, but a name that had its cookie. */
struct tcpsm__timewait {
    tcpsm_tuple name;
    uint32_t snd_nxt, rcv_nxt, ts_recent, ts_offset;
    uint32_t until; /* in 2^16 us, rounded up */
    uint32_t more;  /* chain: 24 bits; timestamps: 1; ACKs sent: 3, in the
                       5 s that the last 4 bits count */
};
#define TCPSM__TW_CHAIN 0xFFFFFFu
#define TCPSM__TW_TS 0x1000000u

struct tcpsm__reply {
    tcpsm_tuple name;
    uint32_t seq, ack, tsval, tsecr;
    uint16_t flags, wnd, mss;
    uint8_t scale, sack_ok, ts, tos, ttl;
    uint8_t acc; /* an AccECN option, its counters as they begin */
    uint8_t fo;  /* a Fast Open cookie */
};

struct tcpsm__listener {
    tcpsm_conn proto; /* what its connections are at birth */
    tcpsm_tuple name;
    uint32_t backlog, waiting; /* for accept: at most, and now */
    uint16_t chain, flags;
    uint16_t mss[2], wnd[2]; /* IPv4, IPv6; without and with scaling */
    uint8_t scale, used;
};

struct tcpsm__address {
    uint8_t ip[16];
    uint16_t zone;
    uint8_t family, prefix; /* family 0: free */
};

struct tcpsm__echo {
    tcpsm_tuple name;
    uint32_t len; /* of the ICMP message behind it */
    uint8_t tos;
};
#define TCPSM__ECHOES 4u

/* Sixteen slots to a level, each level sixteen times as wide; a tick is
   256 us. An entry stands at the highest digit in which its tick differs
   from w->tick, so a lower level is all earlier than a higher one, and the
   first slot of the lowest level in use has the minimum. */
#define TCPSM__LEVELS 8u
enum {
    TCPSM__SLOT_FAR = 128, /* beyond all levels */
    TCPSM__SLOT_SOON,      /* in the present tick */
    TCPSM__SLOT_CASCADE,   /* being emptied, a few a call */
    TCPSM__SLOTS,
    TCPSM__SLOT_NONE = 255
};
struct tcpsm__wheel {
    tcpsm_time tick; /* slots up to here are empty */
    tcpsm_time min[TCPSM__SLOTS];
    uint32_t head[TCPSM__SLOTS];
    uint16_t map[TCPSM__LEVELS]; /* slots in use */
};

struct tcpsm__geometry {
    uint32_t conns, syns, timewaits, replies, rings, listeners, addresses;
    uint32_t buckets, syn_buckets, timewait_buckets, port_buckets;
    uint32_t rcv, snd, echo;
    size_t link, conn, bucket, syn, syn_bucket, timewait, timewait_bucket;
    size_t reply, listener, port_bucket, address, ring_list, echoes;
    size_t ring, total; /* rings last: they are not touched before use */
};

struct tcpsm__queue {
    uint32_t head, tail;
};

struct tcpsm_stack {
    uint64_t magic;
    uint64_t self; /* where it is, for rebase */
    tcpsm_time now;
    uint64_t sip[4]; /* the key, mixed in */
    uint8_t key[16];
    struct tcpsm__geometry g;
    tcpsm_wake ready;
    uint32_t flags, quantum, spent, turn;
    uint32_t free_conn, free_ring, free_syn, free_timewait;
    struct tcpsm__queue news, accept;
    struct tcpsm__queue syn_queue[TCPSM__QUEUES];
    uint32_t news_n, round, last; /* of the news */
    uint32_t ask;                 /* the first held SYN not asked about */
    uint32_t timewait_hand;       /* where the oldest is looked for */
    uint32_t reply_first, reply_n, echo_first, echo_n, echoed;
    uint32_t used, orphans, unaccepted, syns, held, timewaits, rings;
    uint32_t listening, addressed;
    tcpsm_time expired_at; /* no timer was due any more */
    tcpsm_time overflow;   /* when a cookie was last given; 0: never */
    uint32_t reset_second, resets_left, resets_per_second;
    uint32_t port_at[8]; /* RFC 6056 s3.3.4 */
    uint16_t port_first, port_last;
    struct tcpsm__wheel wheel;
    struct tcpsm_stack_info n; /* the counters of it */
    tcpsm_config config; /* of connections, unless they have their own */
    tcpsm_conn proto;
    tcpsm_conn scratch;      /* an entry, dressed up for tcpsm__judge */
    struct tcpsm__syn guest; /* a cookie as the entry that it spares */
    uint32_t fo_pending, fo_limit;
};
#define TCPSM__MAGIC ((uint64_t)0x74637073u << 32 | 0x6d737461u)

/* --- where things are --- */

TCPSM__FN void *tcpsm__at(const struct tcpsm_stack *st, size_t off)
{
    return (void *)((uintptr_t)st + off);
}

TCPSM__FN struct tcpsm__link *tcpsm__link_at(const struct tcpsm_stack *st,
                                             uint32_t i)
{
    return (struct tcpsm__link *)tcpsm__at(st, st->g.link) + i;
}

TCPSM__FN tcpsm_conn *tcpsm__conn_at(const struct tcpsm_stack *st, uint32_t i)
{
    return (tcpsm_conn *)tcpsm__at(st, st->g.conn) + i;
}

TCPSM__FN struct tcpsm__syn *tcpsm__syn_at(const struct tcpsm_stack *st,
                                           uint32_t i)
{
    return (struct tcpsm__syn *)tcpsm__at(st, st->g.syn) + i;
}

TCPSM__FN struct tcpsm__timewait *tcpsm__tw_at(const struct tcpsm_stack *st,
                                               uint32_t i)
{
    return (struct tcpsm__timewait *)tcpsm__at(st, st->g.timewait) + i;
}

TCPSM__FN struct tcpsm__listener *
tcpsm__listener_at(const struct tcpsm_stack *st, uint32_t i)
{
    return (struct tcpsm__listener *)tcpsm__at(st, st->g.listener) + i;
}

TCPSM__FN struct tcpsm__address *
tcpsm__address_at(const struct tcpsm_stack *st, uint32_t i)
{
    return (struct tcpsm__address *)tcpsm__at(st, st->g.address) + i;
}

TCPSM__FN uint32_t *tcpsm__bucket(const struct tcpsm_stack *st, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (st->g.buckets - 1);
    return (uint32_t *)(void *)tcpsm__at(st, st->g.bucket) + at;
}

TCPSM__FN uint32_t *tcpsm__syn_bucket(const struct tcpsm_stack *st,
                                      uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (st->g.syn_buckets - 1);
    return (uint32_t *)(void *)tcpsm__at(st, st->g.syn_bucket) + at;
}

TCPSM__FN uint32_t *tcpsm__tw_bucket(const struct tcpsm_stack *st,
                                     uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (st->g.timewait_buckets - 1);
    return (uint32_t *)(void *)tcpsm__at(st, st->g.timewait_bucket) + at;
}

TCPSM__FN uint16_t *tcpsm__port_bucket(const struct tcpsm_stack *st,
                                       uint16_t port)
{
    uint32_t at = (uint32_t)port & (st->g.port_buckets - 1);
    return (uint16_t *)(void *)tcpsm__at(st, st->g.port_bucket) + at;
}

TCPSM__FN struct tcpsm__reply *tcpsm__reply_at(const struct tcpsm_stack *st,
                                               uint32_t i)
{
    return (struct tcpsm__reply *)tcpsm__at(st, st->g.reply) + i;
}

TCPSM__FN struct tcpsm__echo *tcpsm__echo_at(const struct tcpsm_stack *st,
                                             uint32_t i)
{
    return (struct tcpsm__echo *)tcpsm__at(st, st->g.echoes +
                                                   (size_t)st->g.echo * i);
}

/* The free pair after a free pair. */
TCPSM__FN uint32_t *tcpsm__ring_next(const struct tcpsm_stack *st, uint32_t i)
{
    return (uint32_t *)(void *)tcpsm__at(st, st->g.ring_list) + i;
}

TCPSM__FN uint8_t *tcpsm__slab(const struct tcpsm_stack *st, uint32_t i)
{
    size_t pair = (size_t)st->g.rcv + st->g.snd;
    return (uint8_t *)tcpsm__at(st, st->g.ring + pair * i);
}

TCPSM__FN uint32_t tcpsm__index(const struct tcpsm_stack *st,
                                const tcpsm_conn *c)
{
    return (uint32_t)(((uintptr_t)c - (uintptr_t)tcpsm__conn_at(st, 0)) /
                      sizeof *c);
}

/* Is c one of the stack's, in use? */
TCPSM__FN int tcpsm__ours(const struct tcpsm_stack *st, const tcpsm_conn *c)
{
    uintptr_t base = (uintptr_t)tcpsm__conn_at(st, 0), p = (uintptr_t)c;
    if (p < base || (p - base) / sizeof *c >= st->g.conns ||
        (p - base) % sizeof *c != 0)
        return 0;
    return (tcpsm__link_at(st, tcpsm__index(st, c))->flags & TCPSM__L_USED) !=
           0;
}

/* --- the block --- */

#define TCPSM__STACK_ALIGN (sizeof(void *) > 4 ? 64u : 8u)

TCPSM__FN uint32_t tcpsm__pow2(uint32_t n)
{
    uint32_t p = 1;
    while (p < n)
        p <<= 1;
    return p;
}

/* Room for n things of `each` bytes, aligned; returns where. */
TCPSM__FN size_t tcpsm__room_for(uint64_t *total, uint64_t n, uint64_t each)
{
    uint64_t at = *total;
    *total += (n * each + (TCPSM__STACK_ALIGN - 1)) &
              ~(uint64_t)(TCPSM__STACK_ALIGN - 1);
    return (size_t)at;
}

TCPSM__FN int tcpsm__stack_config_ok(const tcpsm_stack_config *f)
{
    return f->conns != 0 && f->conns <= 0xFFFFFFu &&
           f->syn_entries < 0x100000u && f->timewait_entries <= 0xFFFFFFu &&
           f->replies <= 0xFFFFFFu && f->rings <= f->conns &&
           f->rcv_ring <= TCPSM_MAX_RING && f->snd_ring <= TCPSM_MAX_RING &&
           f->listeners < 0xFFFFu && f->addresses < 0xFFFFu &&
           !(f->flags & ~15u) && f->port_first <= f->port_last &&
           tcpsm__config_ok(&f->conn);
}

/* The sizes, and where everything is. 0: nonsense. */
TCPSM__FN int tcpsm__measure(const tcpsm_stack_config *f,
                             struct tcpsm__geometry *g)
{
    uint64_t t = (sizeof(struct tcpsm_stack) + 63u) & ~(uint64_t)63u;
    memset(g, 0, sizeof *g);
    if (!tcpsm__stack_config_ok(f))
        return 0;
    g->conns = f->conns;
    g->syns = tcpsm__or(f->syn_entries, tcpsm__min(f->conns, 1024));
    g->timewaits = tcpsm__or(f->timewait_entries, f->conns);
    g->replies = tcpsm__or(f->replies, 16);
    g->listeners = tcpsm__or(f->listeners, 4);
    g->addresses = tcpsm__or(f->addresses, 4);
    g->rcv = f->rcv_ring;
    g->snd = f->snd_ring;
    if (g->rcv != 0 || g->snd != 0)
        g->rings = tcpsm__or(f->rings, f->conns);
    if (f->flags & TCPSM_ECHO)
        g->echo = (uint32_t)((sizeof(struct tcpsm__echo) +
                              tcpsm__or(f->conn.mtu, 1500) + 7u) &
                             ~(size_t)7u);
    g->buckets = tcpsm__pow2(g->conns);
    g->syn_buckets = tcpsm__pow2(g->syns);
    g->timewait_buckets = tcpsm__pow2(g->timewaits);
    g->port_buckets = tcpsm__pow2(g->listeners);
    g->link = tcpsm__room_for(&t, g->conns, sizeof(struct tcpsm__link));
    g->conn = tcpsm__room_for(&t, g->conns, sizeof(tcpsm_conn));
    g->bucket = tcpsm__room_for(&t, g->buckets, 4);
    g->syn = tcpsm__room_for(&t, g->syns, sizeof(struct tcpsm__syn));
    g->syn_bucket = tcpsm__room_for(&t, g->syn_buckets, 4);
    g->timewait =
        tcpsm__room_for(&t, g->timewaits, sizeof(struct tcpsm__timewait));
    g->timewait_bucket = tcpsm__room_for(&t, g->timewait_buckets, 4);
    g->reply = tcpsm__room_for(&t, g->replies, sizeof(struct tcpsm__reply));
    g->listener =
        tcpsm__room_for(&t, g->listeners, sizeof(struct tcpsm__listener));
    g->port_bucket = tcpsm__room_for(&t, g->port_buckets, 2);
    g->address =
        tcpsm__room_for(&t, g->addresses, sizeof(struct tcpsm__address));
    g->ring_list = tcpsm__room_for(&t, g->rings, 4);
    g->echoes = tcpsm__room_for(&t, TCPSM__ECHOES, g->echo);
    g->ring = tcpsm__room_for(&t, g->rings, (uint64_t)g->rcv + g->snd);
    t += TCPSM__STACK_ALIGN - 1;
    g->total = (size_t)t;
    return (uint64_t)g->total == t && t < (uint64_t)1 << 62;
}

TCPSM_DEF size_t tcpsm_stack_size(const tcpsm_stack_config *f)
{
    struct tcpsm__geometry g;
    return f != NULL && tcpsm__measure(f, &g) ? g.total : 0;
}

TCPSM__FN void tcpsm__free_lists(struct tcpsm_stack *st)
{
    uint32_t i;
    for (i = st->g.conns; i-- > 0;) {
        tcpsm__link_at(st, i)->slot = TCPSM__SLOT_NONE;
        tcpsm__link_at(st, i)->queue = st->free_conn;
        st->free_conn = i + 1;
    }
    for (i = st->g.syns; i-- > 0;) {
        tcpsm__syn_at(st, i)->chain = st->free_syn;
        st->free_syn = i + 1;
    }
    for (i = st->g.rings; i-- > 0;) {
        *tcpsm__ring_next(st, i) = st->free_ring;
        st->free_ring = i + 1;
    }
    for (i = st->g.timewaits; i-- > 0;) {
        tcpsm__tw_at(st, i)->more = st->free_timewait;
        st->free_timewait = i + 1;
    }
}

TCPSM_DEF tcpsm_ret tcpsm_stack_init_(tcpsm_stack **out, void *mem,
                                      size_t size,
                                      const tcpsm_stack_config *f,
                                      tcpsm_time now, size_t conn_size,
                                      uint32_t abi)
{
    struct tcpsm__geometry g;
    struct tcpsm_stack *st;
    uintptr_t p = (uintptr_t)mem;
    if (conn_size != sizeof(tcpsm_conn) || abi != TCPSM_ABI)
        return TCPSM_E_ABI;
    if (out == NULL || mem == NULL || f == NULL || !tcpsm__measure(f, &g))
        return TCPSM_E_ARG;
    if (tcpsm__bytes_zero(f->conn.key, 16))
        return TCPSM_E_KEY;
    if (size < g.total)
        return TCPSM_E_SPACE;
    p = (p + (TCPSM__STACK_ALIGN - 1)) & ~(uintptr_t)(TCPSM__STACK_ALIGN - 1);
    st = (struct tcpsm_stack *)(void *)p;
    memset(st, 0, g.ring);
    (void)tcpsm_init(&st->proto, &f->conn);
    st->magic = TCPSM__MAGIC;
    st->self = (uint64_t)p;
    st->g = g;
    st->now = now;
    st->config = f->conn;
    memcpy(st->key, f->conn.key, 16);
    tcpsm__sip_key(st->sip, st->key);
    st->ready.owner = 1;
    st->flags = f->flags;
    st->quantum = tcpsm__or(f->quantum, 16384);
    st->resets_per_second = tcpsm__or(f->resets_per_second, 200);
    st->fo_limit = f->fastopen_pending == TCPSM_OFF
                       ? 0
                       : tcpsm__or(f->fastopen_pending, 16);
    st->port_first = f->port_first;
    st->port_last = f->port_last;
    if (f->port_last == 0) {
        st->port_first = 49152; /* RFC 6335 s6 */
        st->port_last = 65535;
    }
    if (st->port_first == 0)
        st->port_first = 1;
    st->wheel.tick = now >> 8;
    tcpsm__free_lists(st);
    *out = st;
    return 0;
}

TCPSM__FN void tcpsm__move_pointer(uint8_t **p, uint64_t from, uint64_t to,
                                   uint64_t bytes)
{
    uint64_t v = (uint64_t)(uintptr_t)*p;
    if (*p != NULL && v >= from && v - from < bytes)
        *p = (uint8_t *)(uintptr_t)(v - from + to);
}

TCPSM__FN void tcpsm__move_conn(tcpsm_conn **c, uint64_t from, uint64_t to,
                                uint64_t bytes)
{
    uint8_t *p = (uint8_t *)*c;
    tcpsm__move_pointer(&p, from, to, bytes);
    *c = (tcpsm_conn *)(void *)p;
}

/* A stack's block, copied to mem, maybe at another alignment. */
TCPSM__FN struct tcpsm_stack *tcpsm__find_block(void *mem, size_t size)
{
    uintptr_t p = (uintptr_t)mem, to;
    uint64_t word;
    uint32_t i;
    size_t n;
    for (i = 0; i < TCPSM__STACK_ALIGN; i++) {
        if (size < i + sizeof(struct tcpsm_stack))
            return NULL;
        memcpy(&word, (const uint8_t *)mem + i, sizeof word);
        if (word == TCPSM__MAGIC)
            break;
    }
    if (i == TCPSM__STACK_ALIGN)
        return NULL;
    memcpy(&n,
           (const uint8_t *)mem + i + offsetof(struct tcpsm_stack, g) +
               offsetof(struct tcpsm__geometry, total),
           sizeof n);
    if (size < n || n < sizeof(struct tcpsm_stack))
        return NULL;
    to =
        (p + (TCPSM__STACK_ALIGN - 1)) & ~(uintptr_t)(TCPSM__STACK_ALIGN - 1);
    if (to != p + i)
        memmove((void *)to, (const uint8_t *)mem + i,
                n - (TCPSM__STACK_ALIGN - 1));
    memset(mem, 0, (size_t)(to - p)); /* no second beginning */
    return (struct tcpsm_stack *)(void *)to;
}

TCPSM_DEF tcpsm_ret tcpsm_stack_rebase(tcpsm_stack **out, void *mem,
                                       size_t size)
{
    struct tcpsm_stack *st;
    tcpsm_conn *c;
    uint64_t from, to, n;
    uint32_t i;
    if (out == NULL || mem == NULL)
        return TCPSM_E_ARG;
    st = tcpsm__find_block(mem, size);
    if (st == NULL)
        return TCPSM_E_BLOB;
    from = st->self;
    to = (uint64_t)(uintptr_t)st;
    n = st->g.total - (TCPSM__STACK_ALIGN - 1);
    st->self = to;
    tcpsm__move_conn(&st->ready.head, from, to, n);
    tcpsm__move_conn(&st->ready.tail, from, to, n);
    for (i = 0; i < st->g.conns; i++) {
        if (!(tcpsm__link_at(st, i)->flags & TCPSM__L_USED))
            continue;
        c = tcpsm__conn_at(st, i);
        tcpsm__move_pointer(&c->p.rcv, from, to, n);
        tcpsm__move_pointer(&c->p.snd, from, to, n);
        tcpsm__move_conn(&c->p.wake_next, from, to, n);
        c->p.wake = &st->ready;
    }
    *out = st;
    return 0;
}

/* --- the timing wheel --- */

TCPSM__FN uint32_t tcpsm__digit(tcpsm_time tick, uint32_t level)
{
    return (uint32_t)(tick >> (4 * level)) & 15u;
}

TCPSM__FN uint8_t tcpsm__slot_of(const struct tcpsm__wheel *w, tcpsm_time at)
{
    tcpsm_time tick = at >> 8, x = tick ^ w->tick;
    uint32_t level = 0;
    if (tick <= w->tick)
        return TCPSM__SLOT_SOON;
    if (x >> 32 != 0)
        return TCPSM__SLOT_FAR;
    for (x >>= 4; x != 0; x >>= 4)
        level++;
    return (uint8_t)(16 * level + tcpsm__digit(tick, level));
}

TCPSM__FN void tcpsm__wheel_remove(struct tcpsm_stack *st, uint32_t i)
{
    struct tcpsm__wheel *w = &st->wheel;
    struct tcpsm__link *l = tcpsm__link_at(st, i);
    uint32_t s = l->slot;
    if (s == TCPSM__SLOT_NONE)
        return;
    if (l->next != 0)
        tcpsm__link_at(st, l->next - 1)->prev = l->prev;
    if (l->prev != 0)
        tcpsm__link_at(st, l->prev - 1)->next = l->next;
    else
        w->head[s] = l->next;
    if (s == TCPSM__SLOT_CASCADE && l->next != 0)
        tcpsm__link_at(st, l->next - 1)->slot = TCPSM__SLOT_CASCADE;
    if (w->head[s] == 0 && s < TCPSM__SLOT_FAR)
        w->map[s / 16] =
            (uint16_t)(w->map[s / 16] & ~((uint32_t)1 << (s % 16)));
    l->next = l->prev = 0;
    l->slot = TCPSM__SLOT_NONE;
}

TCPSM__FN void tcpsm__wheel_put(struct tcpsm_stack *st, uint32_t i,
                                uint32_t s)
{
    struct tcpsm__wheel *w = &st->wheel;
    struct tcpsm__link *l = tcpsm__link_at(st, i);
    if (w->head[s] == 0 || l->at < w->min[s])
        w->min[s] = l->at;
    l->prev = 0;
    l->next = w->head[s];
    if (l->next != 0)
        tcpsm__link_at(st, l->next - 1)->prev = i + 1;
    w->head[s] = i + 1;
    l->slot = (uint8_t)s;
    if (s < TCPSM__SLOT_FAR)
        w->map[s / 16] = (uint16_t)(w->map[s / 16] | (uint32_t)1 << (s % 16));
}

/* Re-arms lazily: an entry that is due earlier than wanted stays. */
TCPSM__FN void tcpsm__wheel_arm(struct tcpsm_stack *st, uint32_t i,
                                tcpsm_time at)
{
    struct tcpsm__link *l = tcpsm__link_at(st, i);
    if (at == TCPSM_NEVER) {
        tcpsm__wheel_remove(st, i);
        return;
    }
    if (l->slot != TCPSM__SLOT_NONE && l->at <= at)
        return;
    tcpsm__wheel_remove(st, i);
    l->at = at;
    tcpsm__wheel_put(st, i, tcpsm__slot_of(&st->wheel, at));
}

TCPSM__FN uint32_t tcpsm__lowest_bit(uint32_t map)
{
    uint32_t i = 0;
    if (!(map & 0xFFu)) {
        map >>= 8;
        i = 8;
    }
    if (!(map & 15u)) {
        map >>= 4;
        i += 4;
    }
    if (!(map & 3u)) {
        map >>= 2;
        i += 2;
    }
    return i + !(map & 1u);
}

/* The slot with the earliest entry. */
TCPSM__FN uint32_t tcpsm__wheel_first(const struct tcpsm__wheel *w)
{
    uint32_t level;
    if (w->head[TCPSM__SLOT_SOON] != 0)
        return TCPSM__SLOT_SOON;
    for (level = 0; level < TCPSM__LEVELS; level++)
        if (w->map[level] != 0)
            return 16 * level + tcpsm__lowest_bit(w->map[level]);
    return w->head[TCPSM__SLOT_FAR] != 0 ? TCPSM__SLOT_FAR : TCPSM__SLOT_NONE;
}

TCPSM__FN tcpsm_time tcpsm__wheel_deadline(const struct tcpsm__wheel *w)
{
    uint32_t s;
    if (w->head[TCPSM__SLOT_CASCADE] != 0)
        return 0;
    s = tcpsm__wheel_first(w);
    return s == TCPSM__SLOT_NONE ? TCPSM_NEVER : w->min[s];
}

/* The first tick of a slot. */
TCPSM__FN tcpsm_time tcpsm__slot_start(const struct tcpsm__wheel *w,
                                       uint32_t s)
{
    uint32_t shift = 4 * (s / 16);
    if (s == TCPSM__SLOT_SOON)
        return w->tick;
    if (s == TCPSM__SLOT_FAR)
        return w->min[s] >> 40 << 32;
    return ((w->tick >> shift >> 4 << 4) | s % 16) << shift;
}

/* Moves time on to now, up to the first slot that begins before; that one
   is then to be emptied. 0: nothing is to be emptied. */
TCPSM__FN int tcpsm__wheel_turn(struct tcpsm_stack *st)
{
    struct tcpsm__wheel *w = &st->wheel;
    tcpsm_time tick = st->now >> 8, start;
    uint32_t s, i;
    if (w->head[TCPSM__SLOT_CASCADE] != 0)
        return 1;
    s = tcpsm__wheel_first(w);
    if (s == TCPSM__SLOT_SOON && tick == w->tick && w->min[s] > st->now)
        return 0;
    if (s != TCPSM__SLOT_NONE) {
        start = tcpsm__slot_start(w, s);
        if (start <= tick) {
            if (start > w->tick)
                w->tick = start;
            w->head[TCPSM__SLOT_CASCADE] = w->head[s];
            w->head[s] = 0;
            if (s < TCPSM__SLOT_FAR)
                w->map[s / 16] =
                    (uint16_t)(w->map[s / 16] & ~((uint32_t)1 << (s % 16)));
            i = w->head[TCPSM__SLOT_CASCADE] - 1;
            /* the first must know where its list begins now; the others
               hang by their prev, and learn it when they come first */
            tcpsm__link_at(st, i)->slot = TCPSM__SLOT_CASCADE;
            return 1;
        }
    }
    if (tick > w->tick)
        w->tick = tick;
    return 0;
}

/* --- names and the hash --- */

/* SipHash-1-3 of a name: nobody without the key can make chains long. The
   low half chooses the bucket, the high half is the tag. */
TCPSM__FN uint64_t tcpsm__demux(const struct tcpsm_stack *st,
                                const uint8_t *local, const uint8_t *remote,
                                uint16_t lport, uint16_t rport, uint16_t zone,
                                uint8_t family)
{
    uint64_t v[4];
    memcpy(v, st->sip, sizeof v);
    tcpsm__sip_word(v, (uint64_t)lport << 48 | (uint64_t)rport << 32 |
                           (uint32_t)zone << 16 | family);
    if (family == 4) {
        tcpsm__sip_word(v, (uint64_t)tcpsm__get32(local) << 32 |
                               tcpsm__get32(remote));
    } else {
        tcpsm__sip_word(v, tcpsm__word64(local));
        tcpsm__sip_word(v, tcpsm__word64(local + 8));
        tcpsm__sip_word(v, tcpsm__word64(remote));
        tcpsm__sip_word(v, tcpsm__word64(remote + 8));
    }
    v[2] ^= 0xFFu;
    tcpsm__sip_round(v);
    tcpsm__sip_round(v);
    tcpsm__sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

TCPSM__FN uint64_t tcpsm__demux_name(const struct tcpsm_stack *st,
                                     const tcpsm_tuple *t)
{
    return tcpsm__demux(st, t->local, t->remote, t->local_port,
                        t->remote_port, t->zone, t->family);
}

TCPSM__FN uint32_t tcpsm__tag(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

TCPSM__FN int tcpsm__same_name(const tcpsm_tuple *a, const tcpsm_tuple *b)
{
    return a->local_port == b->local_port &&
           a->remote_port == b->remote_port && a->zone == b->zone &&
           a->family == b->family &&
           tcpsm__bytes_equal(a->remote, b->remote, 16) &&
           tcpsm__bytes_equal(a->local, b->local, 16);
}

/* A connection by name, or NULL: the CLOSED have none. */
TCPSM__FN tcpsm_conn *tcpsm__find(const struct tcpsm_stack *st,
                                  const tcpsm_tuple *t, uint64_t hash)
{
    uint32_t i = *tcpsm__bucket(st, hash);
    const struct tcpsm__link *l;
    tcpsm_tuple u;
    tcpsm_conn *c;
    for (; i != 0; i = l->chain) {
        l = tcpsm__link_at(st, i - 1);
        TCPSM_STEP();
        if (l->tag != tcpsm__tag(hash))
            continue;
        c = tcpsm__conn_at(st, i - 1);
        tcpsm__tuple_of(c, &u);
        if (c->state != TCPSM_CLOSED && tcpsm__same_name(&u, t))
            return c;
    }
    return NULL;
}

TCPSM__FN void tcpsm__hash_add(struct tcpsm_stack *st, uint32_t i,
                               uint64_t hash)
{
    struct tcpsm__link *l = tcpsm__link_at(st, i);
    uint32_t *b = tcpsm__bucket(st, hash);
    l->tag = tcpsm__tag(hash);
    l->chain = *b;
    *b = i + 1;
    l->flags |= TCPSM__L_HASHED;
}

TCPSM__FN void tcpsm__hash_remove(struct tcpsm_stack *st, uint32_t i)
{
    struct tcpsm__link *l = tcpsm__link_at(st, i);
    tcpsm_tuple t;
    uint32_t *b;
    if (!(l->flags & TCPSM__L_HASHED))
        return;
    tcpsm__tuple_of(tcpsm__conn_at(st, i), &t);
    b = tcpsm__bucket(st, tcpsm__demux_name(st, &t));
    while (*b != i + 1) {
        b = &tcpsm__link_at(st, *b - 1)->chain;
        TCPSM_STEP();
    }
    *b = l->chain;
    l->chain = 0;
    l->flags = (uint8_t)(l->flags & ~TCPSM__L_HASHED);
}

/* --- connections are born and go --- */

/* Two FIFOs through the same link: nothing is on both. */
TCPSM__FN void tcpsm__queue_push(struct tcpsm_stack *st,
                                 struct tcpsm__queue *q, uint32_t i)
{
    tcpsm__link_at(st, i)->queue = 0;
    if (q->head == 0)
        q->head = i + 1;
    else
        tcpsm__link_at(st, q->tail - 1)->queue = i + 1;
    q->tail = i + 1;
}

TCPSM__FN uint32_t tcpsm__queue_pop(struct tcpsm_stack *st,
                                    struct tcpsm__queue *q)
{
    uint32_t i = q->head;
    if (i == 0)
        return 0;
    q->head = tcpsm__link_at(st, i - 1)->queue;
    if (q->head == 0)
        q->tail = 0;
    tcpsm__link_at(st, i - 1)->queue = 0;
    return i;
}

TCPSM__FN void tcpsm__tell(struct tcpsm_stack *st, uint32_t i)
{
    struct tcpsm__link *l = tcpsm__link_at(st, i);
    if (l->flags & TCPSM__L_NEWS)
        return;
    l->flags |= TCPSM__L_NEWS;
    tcpsm__queue_push(st, &st->news, i);
    st->news_n++;
}

/* Something happened to connection i: is it news? */
TCPSM__FN void tcpsm__news(struct tcpsm_stack *st, uint32_t i)
{
    const uint8_t mask = TCPSM__L_YOURS | TCPSM__L_RELEASED;
    if (tcpsm__conn_at(st, i)->events != 0 &&
        (tcpsm__link_at(st, i)->flags & mask) == TCPSM__L_YOURS)
        tcpsm__tell(st, i);
}

TCPSM__FN int tcpsm__room_for_one(const struct tcpsm_stack *st)
{
    return st->free_conn != 0 && (st->g.rings == 0 || st->free_ring != 0);
}

/* Takes a slab pair for connection i. */
TCPSM__FN void tcpsm__take_ring(struct tcpsm_stack *st, uint32_t i)
{
    tcpsm_conn *c = tcpsm__conn_at(st, i);
    uint32_t r = st->free_ring;
    uint8_t *p = tcpsm__slab(st, r - 1);
    st->free_ring = *tcpsm__ring_next(st, r - 1);
    tcpsm__link_at(st, i)->ring = r;
    st->rings++;
    if (st->g.rcv != 0)
        (void)tcpsm__attach_rcv(c, p, st->g.rcv);
    if (st->g.snd != 0)
        (void)tcpsm__attach_snd(c, p + st->g.rcv, st->g.snd);
}

TCPSM__FN void tcpsm__give_ring(struct tcpsm_stack *st, uint32_t i)
{
    struct tcpsm__link *l = tcpsm__link_at(st, i);
    if (l->ring == 0)
        return;
    *tcpsm__ring_next(st, l->ring - 1) = st->free_ring;
    st->free_ring = l->ring;
    l->ring = 0;
    st->rings--;
}

/* A connection like proto, CLOSED, with slab rings if slab says so; its
   number, plus one, or 0: there is no room. */
TCPSM__FN uint32_t tcpsm__birth(struct tcpsm_stack *st,
                                const tcpsm_conn *proto, int slab)
{
    uint32_t i = st->free_conn;
    struct tcpsm__link *l;
    if (i == 0 || (slab && !tcpsm__room_for_one(st)))
        return 0;
    l = tcpsm__link_at(st, i - 1);
    st->free_conn = l->queue;
    l->queue = 0;
    l->flags = TCPSM__L_USED;
    l->listener = 0;
    memcpy(tcpsm__conn_at(st, i - 1), proto, sizeof *proto);
    if (slab)
        tcpsm__take_ring(st, i - 1);
    st->used++;
    return i;
}

/* The slot is free for another. It is on no list but maybe the ready one,
   from which only output may take it. */
TCPSM__FN void tcpsm__death(struct tcpsm_stack *st, uint32_t i)
{
    struct tcpsm__link *l = tcpsm__link_at(st, i);
    tcpsm__hash_remove(st, i);
    tcpsm__wheel_remove(st, i);
    tcpsm__give_ring(st, i);
    if (l->flags & TCPSM__L_RELEASED)
        st->orphans--;
    st->used--;
    st->fo_pending -= (l->flags & TCPSM__L_FAST) != 0;
    l->flags = 0;
    l->gen++;
    l->tag = 0;
    memset(tcpsm__conn_at(st, i), 0, sizeof(tcpsm_conn));
    l->queue = st->free_conn;
    st->free_conn = i + 1;
}

/* Does it still hold memory that the caller lent? */
TCPSM__FN int tcpsm__holds(const struct tcpsm_stack *st, uint32_t i)
{
    const struct tcpsm__lent *p = &tcpsm__conn_at(st, i)->p;
    const uint8_t *slab = NULL;
    uint32_t r = tcpsm__link_at(st, i)->ring;
    if (r != 0)
        slab = tcpsm__slab(st, r - 1);
    if (p->tables != NULL)
        return 1;
    if (p->rcv != NULL && (slab == NULL || p->rcv != slab))
        return 1;
    return p->snd != NULL && (slab == NULL || p->snd != slab + st->g.rcv);
}

/* --- TIME-WAIT entries (law 10) --- */

/* Units of 2^shift, the last one begun. */
TCPSM__FN uint32_t tcpsm__round_up(uint32_t bytes, uint32_t shift)
{
    return (bytes + ((uint32_t)1 << shift) - 1) >> shift;
}

/* A window as a power of two, rounded up: what the peer was offered never
   shrinks. */
TCPSM__FN uint8_t tcpsm__wnd5_enc(uint32_t v)
{
    uint32_t e = 0;
    if (v == 0)
        return 0;
    while (((uint32_t)1 << e) < v && e < 16)
        e++;
    return (uint8_t)(e + 1);
}

TCPSM__FN uint16_t tcpsm__wnd5_dec(uint32_t k)
{
    if (k == 0)
        return 0;
    return (uint16_t)tcpsm__min((uint32_t)1 << (k - 1), 65535);
}

/* A duration in units of 2^16 us, rounded up: 4 bits and one, times 2^(other
   4). The most is 18 hours, so a 2 MSL beyond that restarts with less. */
TCPSM__FN uint8_t tcpsm__wait8_enc(uint32_t v)
{
    uint32_t e = 0;
    while (v > 31 && e < 15) {
        v = (v + 1) >> 1;
        e++;
    }
    v = tcpsm__min(tcpsm__max(v, 16), 31);
    return (uint8_t)(e << 4 | (v - 16));
}

TCPSM__FN uint32_t tcpsm__wait8_dec(uint8_t k)
{
    return (16u + (k & 15u)) << (k >> 4);
}

TCPSM__FN uint32_t tcpsm__wait_units(tcpsm_time us)
{
    return (uint32_t)((us + 0xFFFFu) >> 16);
}

TCPSM__FN int tcpsm__tw_live(const struct tcpsm__timewait *w)
{
    return w->name.family != 0;
}

/* 2 MSL are less than 2^27 units: what seems to be further ahead is past,
   even if nobody looked for years. */
TCPSM__FN int tcpsm__tw_expired(const struct tcpsm_stack *st,
                                const struct tcpsm__timewait *w)
{
    return w->until - (uint32_t)(st->now >> 16) - 1 >= 0x8000000u;
}

TCPSM__FN tcpsm_tuple tcpsm__tw_name(const struct tcpsm__timewait *w)
{
    tcpsm_tuple t = w->name;
    t.family &= 6;
    t.zero = 0;
    return t;
}

TCPSM__FN uint16_t tcpsm__tw_wnd(const struct tcpsm__timewait *w)
{
    return tcpsm__wnd5_dec((uint32_t)w->name.family >> 3);
}

TCPSM__FN void tcpsm__tw_remove(struct tcpsm_stack *st, uint32_t i)
{
    struct tcpsm__timewait *w = tcpsm__tw_at(st, i), *p;
    tcpsm_tuple t = tcpsm__tw_name(w);
    uint32_t *b = tcpsm__tw_bucket(st, tcpsm__demux_name(st, &t));
    uint32_t next = w->more & TCPSM__TW_CHAIN, k = *b;
    if (k == i + 1) {
        *b = next;
    } else {
        p = tcpsm__tw_at(st, k - 1);
        while ((p->more & TCPSM__TW_CHAIN) != i + 1) {
            p = tcpsm__tw_at(st, (p->more & TCPSM__TW_CHAIN) - 1);
            TCPSM_STEP();
        }
        p->more = (p->more & ~TCPSM__TW_CHAIN) | next;
    }
    memset(w, 0, sizeof *w);
    w->more = st->free_timewait;
    st->free_timewait = i + 1;
    st->timewaits--;
}

/* Time moves on; not back. After a leap of years every TIME-WAIT is over:
   their 32 bits could not tell. */
TCPSM__FN void tcpsm__clock(struct tcpsm_stack *st, tcpsm_time now)
{
    uint32_t i;
    if (now <= st->now)
        return;
    if ((now - st->now) >> 46 != 0)
        for (i = 0; i < st->g.timewaits; i++)
            if (tcpsm__tw_live(tcpsm__tw_at(st, i)))
                tcpsm__tw_remove(st, i);
    st->now = now;
}

TCPSM__FN struct tcpsm__timewait *tcpsm__tw_find(struct tcpsm_stack *st,
                                                 const tcpsm_tuple *t,
                                                 uint64_t hash, uint8_t guard)
{
    uint32_t i = *tcpsm__tw_bucket(st, hash);
    struct tcpsm__timewait *w;
    tcpsm_tuple u;
    for (; i != 0; i = w->more & TCPSM__TW_CHAIN) {
        w = tcpsm__tw_at(st, i - 1);
        TCPSM_STEP();
        u = tcpsm__tw_name(w);
        if ((w->name.family & 1u) != guard || !tcpsm__same_name(&u, t))
            continue;
        if (!tcpsm__tw_expired(st, w))
            return w;
        tcpsm__tw_remove(st, i - 1);
        return NULL;
    }
    return NULL;
}

TCPSM__FN void tcpsm__tw_forget(struct tcpsm_stack *st, const tcpsm_tuple *t,
                                uint64_t hash)
{
    struct tcpsm__timewait *w = tcpsm__tw_find(st, t, hash, 0);
    if (w != NULL)
        tcpsm__tw_remove(st, (uint32_t)(w - tcpsm__tw_at(st, 0)));
}

/* The table is full: of the next few at the hand, which goes around, one
   that has expired goes, or the one that will first. Where none went before
   its time they stand in the order of arrival, and that is the oldest. */
#define TCPSM__TW_LOOK 8u
TCPSM__FN void tcpsm__tw_evict(struct tcpsm_stack *st)
{
    uint32_t now = (uint32_t)(st->now >> 16), k, best = 0, at, left;
    uint32_t n = tcpsm__min(st->g.timewaits, TCPSM__TW_LOOK);
    uint32_t least = 0xFFFFFFFFu;
    for (k = 0, at = st->timewait_hand; k < n; k++) {
        left = tcpsm__tw_at(st, at)->until - now;
        if (tcpsm__tw_expired(st, tcpsm__tw_at(st, at)))
            left = 0;
        if (left < least) {
            least = left;
            best = at;
        }
        if (++at == st->g.timewaits)
            at = 0;
        TCPSM_STEP();
    }
    st->n.timewaits_evicted += least != 0;
    tcpsm__tw_remove(st, best);
    if (++st->timewait_hand == st->g.timewaits)
        st->timewait_hand = 0;
}

/* RFC9293-MUST-13, with nothing but the facts. */
TCPSM__FN void tcpsm__tw_add(struct tcpsm_stack *st, const tcpsm_conn *c,
                             uint8_t guard)
{
    struct tcpsm__timewait *w;
    tcpsm_facts f;
    uint32_t at, *b, wnd;
    tcpsm_time wait = 2 * tcpsm__ms(c->k_msl), end = c->now + wait;
    uint64_t hash;
    if (c->timers & TCPSM__T_AUX)
        end = tcpsm__timer(c, TCPSM__T_AUX);
    if (st->free_timewait == 0)
        tcpsm__tw_evict(st);
    at = st->free_timewait - 1;
    w = tcpsm__tw_at(st, at);
    st->free_timewait = w->more;
    st->timewaits++;
    tcpsm_facts_of(c, &f);
    tcpsm__tuple_of(c, &w->name);
    hash = tcpsm__demux_name(st, &w->name);
    wnd = tcpsm__round_up(f.rcv_wnd, f.rcv_scale);
    w->name.family =
        (uint8_t)(w->name.family | guard | tcpsm__wnd5_enc(wnd) << 3);
    w->name.zero = tcpsm__wait8_enc(tcpsm__wait_units(wait));
    w->snd_nxt = f.snd_nxt;
    w->rcv_nxt = f.rcv_nxt;
    w->ts_recent = f.ts_recent;
    w->ts_offset = f.ts_offset;
    if (guard) /* as long as the cookie is good */
        end = st->now + ((tcpsm_time)2 << TCPSM__COOKIE_SHIFT);
    w->until = tcpsm__wait_units(end);
    b = tcpsm__tw_bucket(st, hash);
    w->more = *b | (f.timestamps ? TCPSM__TW_TS : 0);
    *b = at + 1;
}

/* --- SYN entries --- */

TCPSM__FN void tcpsm__syn_leave(struct tcpsm_stack *st, uint32_t i)
{
    struct tcpsm__syn *e = tcpsm__syn_at(st, i);
    struct tcpsm__queue *q = &st->syn_queue[e->queue];
    if (e->queue == TCPSM__Q_FREE)
        return;
    if (e->queue == TCPSM__Q_HELD) {
        st->held--;
        if (st->ask == i + 1)
            st->ask = e->next;
    }
    if (e->next != 0)
        tcpsm__syn_at(st, e->next - 1)->prev = e->prev;
    else
        q->tail = e->prev;
    if (e->prev != 0)
        tcpsm__syn_at(st, e->prev - 1)->next = e->next;
    else
        q->head = e->next;
    e->next = e->prev = 0;
    e->queue = TCPSM__Q_FREE;
}

TCPSM__FN void tcpsm__syn_queue(struct tcpsm_stack *st, uint32_t i,
                                uint8_t queue, tcpsm_time wait)
{
    struct tcpsm__syn *e = tcpsm__syn_at(st, i);
    struct tcpsm__queue *q = &st->syn_queue[queue];
    tcpsm__syn_leave(st, i);
    e->queue = queue;
    e->due = st->now + wait;
    e->prev = q->tail;
    if (q->tail != 0)
        tcpsm__syn_at(st, q->tail - 1)->next = i + 1;
    else
        q->head = i + 1;
    q->tail = i + 1;
    if (queue != TCPSM__Q_HELD)
        return;
    st->held++;
    if (st->ask == 0)
        st->ask = i + 1;
}

TCPSM__FN struct tcpsm__syn *tcpsm__syn_find(const struct tcpsm_stack *st,
                                             const tcpsm_tuple *t,
                                             uint64_t hash)
{
    uint32_t i = *tcpsm__syn_bucket(st, hash);
    struct tcpsm__syn *e;
    for (; i != 0; i = e->chain) {
        e = tcpsm__syn_at(st, i - 1);
        TCPSM_STEP();
        if (tcpsm__same_name(&e->name, t))
            return e;
    }
    return NULL;
}

TCPSM__FN void tcpsm__syn_remove(struct tcpsm_stack *st, uint32_t i)
{
    struct tcpsm__syn *e = tcpsm__syn_at(st, i);
    uint32_t *b = tcpsm__syn_bucket(st, tcpsm__demux_name(st, &e->name));
    uint16_t gen = (uint16_t)(e->gen + 1);
    tcpsm__syn_leave(st, i);
    while (*b != i + 1) {
        b = &tcpsm__syn_at(st, *b - 1)->chain;
        TCPSM_STEP();
    }
    *b = e->chain;
    memset(e, 0, sizeof *e);
    e->gen = gen;
    e->chain = st->free_syn;
    st->free_syn = i + 1;
    st->syns--;
}

/* What a SYN says, for an entry or a cookie. */
TCPSM__FN void tcpsm__syn_read(struct tcpsm__syn *e,
                               const struct tcpsm__seg *s, uint8_t tos,
                               const struct tcpsm__listener *ls)
{
    uint32_t dflt = e->name.family == 4 ? 536 : 1220; /* RFC9293-MUST-15 */
    uint32_t opts = ls->proto.opts;
    e->irs = s->seq;
    e->wnd = s->wnd;
    e->mss = (uint16_t)tcpsm__max(tcpsm__or(s->mss, dflt), TCPSM__MSS_FLOOR);
    e->flags = 0;
    e->scale = 0;
    e->ecn = 0;
#if !TCPSM__TINY
    e->ecn = (uint8_t)(tcpsm__ecn_asked(s->flags, opts) | (tos & 3u) << 2);
    if (s->fo_len != 0 && tcpsm__is2(&ls->proto, TCPSM__N_FASTOPEN))
        e->flags |= TCPSM__S_FO;
#endif
    (void)tos;
    if (s->scale != TCPSM__NO_SCALE && !(opts & TCPSM_NO_SCALE)) {
        e->flags |= TCPSM__S_WS;
        e->scale = s->scale;
    }
    if (TCPSM__HAVE_OPTIONS && s->ts && !(opts & TCPSM_NO_TS)) {
        e->flags |= TCPSM__S_TS;
        e->ts_recent = s->tsval;
    }
    if (TCPSM__HAVE_OPTIONS && s->sack_ok && !(opts & TCPSM_NO_SACK))
        e->flags |= TCPSM__S_SACK;
}

/* --- replies that need no connection --- */

TCPSM__FN void tcpsm__reply_begin(struct tcpsm__reply *r,
                                  const tcpsm_tuple *to)
{
    memset(r, 0, sizeof *r);
    r->name = *to;
    r->name.zero = 0;
    r->scale = TCPSM__NO_SCALE;
}
TCPSM__FN struct tcpsm__reply *tcpsm__answer(struct tcpsm_stack *st,
                                             const tcpsm_tuple *to)
{
    struct tcpsm__reply *r;
    uint32_t at = st->reply_first + st->reply_n;
    if (st->reply_n == st->g.replies) {
        st->n.replies_lost++;
        return NULL;
    }
    if (at >= st->g.replies)
        at -= st->g.replies;
    st->reply_n++;
    r = tcpsm__reply_at(st, at);
    tcpsm__reply_begin(r, to);
    r->ttl = st->proto.ttl;
    return r;
}

/* RFC6528-1 for a name without a connection. */
TCPSM__FN uint32_t tcpsm__isn_for(const struct tcpsm_stack *st,
                                  const tcpsm_tuple *t)
{
    return (uint32_t)(st->now >> 2) +
           (uint32_t)tcpsm__name_hash(st->key, t, 0);
}

TCPSM__FN uint32_t tcpsm__tsval_for(const struct tcpsm_stack *st,
                                    const tcpsm_tuple *t)
{
    return tcpsm__ticks(st->now) + (uint32_t)tcpsm__name_hash(st->key, t, 1);
}

/* One reset in answer to a segment for nobody (RFC 9293 s3.10.7.1). The
   limit is a bucket a second, of a size that nobody can know, so that it
   tells a stranger nothing about others. */
TCPSM__FN int tcpsm__may_reset(struct tcpsm_stack *st)
{
    uint32_t second = (uint32_t)(st->now >> 20) + 1; /* nearly */
    uint32_t n = st->resets_per_second;
    uint8_t b[4];
    if (st->flags & TCPSM_SILENT)
        return 0;
    if (n == TCPSM_OFF)
        return 1;
    if (second != st->reset_second) {
        st->reset_second = second;
        tcpsm__put32(b, second);
        st->resets_left =
            n - n / 4 + (uint32_t)tcpsm__siphash(st->key, b, 4) % (n / 2 + 1);
    }
    if (st->resets_left == 0) {
        st->n.resets_held_back++;
        return 0;
    }
    st->resets_left--;
    return 1;
}

TCPSM__FN void tcpsm__reset_stranger(struct tcpsm_stack *st,
                                     const tcpsm_tuple *who,
                                     const struct tcpsm__seg *s)
{
    struct tcpsm__reply *r;
    if ((s->flags & TCPSM__RST) || !tcpsm__may_reset(st))
        return;
    r = tcpsm__answer(st, who);
    if (r == NULL)
        return;
    st->n.resets++;
    r->flags = TCPSM__RST;
    if (s->flags & TCPSM__ACK) {
        r->seq = s->ack;
    } else {
        r->flags = TCPSM__RST | TCPSM__ACK;
        r->ack = s->seq + tcpsm__seg_len(s);
    }
    if (s->ts) { /* RFC7323-13 */
        r->ts = 1;
        r->tsecr = s->tsval;
    }
}

/* The SYN-ACK for an entry, or for a cookie that looks like one. */
TCPSM__FN void tcpsm__syn_ack(const struct tcpsm_stack *st,
                              struct tcpsm__reply *r,
                              const struct tcpsm__syn *e)
{
    const struct tcpsm__listener *ls = tcpsm__listener_at(st, e->listener);
    int ws = (e->flags & TCPSM__S_WS) != 0;
    r->flags = TCPSM__SYN | TCPSM__ACK;
    r->tos = (uint8_t)(ls->proto.tos & ~3u); /* RFC9293-MUST-48 */
    r->ttl = ls->proto.ttl;
    r->seq = e->iss;
    r->ack = e->irs + 1;
    r->wnd = ls->wnd[ws];
    r->mss = ls->mss[e->name.family == 6];
    if (ws)
        r->scale = ls->scale;
    r->sack_ok = (e->flags & TCPSM__S_SACK) != 0;
#if !TCPSM__TINY
    r->flags =
        (uint16_t)(r->flags | tcpsm__ecn_answer(e->ecn & 3u, e->ecn >> 2 & 3u,
                                                e->tries));
    r->acc = (e->ecn & 3u) == 2 && e->tries == 0;
    r->fo = (e->flags & TCPSM__S_FO) != 0 && e->tries == 0;
#endif
    if (e->flags & TCPSM__S_TS) {
        r->ts = 1;
        r->tsval = tcpsm__tsval_for(st, &e->name);
        r->tsecr = e->ts_recent;
    }
}

/* --- SEGMENT ARRIVES, for a name that has no connection --- */

/* A segment on its way through the tables. */
struct tcpsm__visit {
    struct tcpsm__seg s;
    tcpsm_tuple who;
    uint64_t hash;
    uint32_t least; /* the ISS must be beyond this ... */
    int reuse;      /* ... when a TIME-WAIT is to be reused */
};

TCPSM__FN tcpsm_ret tcpsm__stack_refuse(struct tcpsm_stack *st, tcpsm_in *in,
                                        uint8_t why)
{
    tcpsm__refuse(&st->proto, in, why);
    return 0;
}

TCPSM__FN tcpsm_conn *tcpsm__nobody(struct tcpsm_stack *st, tcpsm_in *in,
                                    uint8_t why)
{
    (void)tcpsm__stack_refuse(st, in, why);
    return NULL;
}

/* RFC9293-MUST-57, RFC9293-MUST-63: also our networks' broadcasts. */
TCPSM__FN int tcpsm__broadcast(const struct tcpsm_stack *st, const uint8_t *a,
                               uint16_t zone)
{
    uint32_t i, host, ip = tcpsm__get32(a);
    const struct tcpsm__address *k;
    for (i = 0; i < st->g.addresses; i++) {
        k = tcpsm__address_at(st, i);
        TCPSM_STEP();
        if (k->family != 4 || k->zone != zone || k->prefix > 30)
            continue;
        host = 0xFFFFFFFFu >> k->prefix;
        if ((ip | host) == (tcpsm__get32(k->ip) | host) &&
            ((ip & host) == host || (ip & host) == 0))
            return 1;
    }
    return 0;
}

TCPSM__FN struct tcpsm__address *
tcpsm__address_find(const struct tcpsm_stack *st, const uint8_t *a,
                    uint8_t family, uint16_t zone)
{
    struct tcpsm__address *k;
    uint32_t i;
    for (i = 0; i < st->g.addresses; i++) {
        k = tcpsm__address_at(st, i);
        TCPSM_STEP();
        if (k->family == family && k->zone == zone &&
            tcpsm__bytes_equal(k->ip, a, tcpsm__alen(family)))
            return k;
    }
    return NULL;
}

TCPSM__FN int tcpsm__local(const struct tcpsm_stack *st, const uint8_t *a,
                           uint8_t family, uint16_t zone)
{
    return (st->flags & TCPSM_PROMISCUOUS) ||
           tcpsm__address_find(st, a, family, zone) != NULL;
}

/* How well a listener fits: 0 not at all. */
TCPSM__FN uint32_t tcpsm__fits(const struct tcpsm__listener *ls,
                               const tcpsm_tuple *who)
{
    const tcpsm_tuple *t = &ls->name;
    uint32_t fit;
    int any = tcpsm__bytes_zero(t->local, 16);
    int any_remote = tcpsm__bytes_zero(t->remote, 16);
    if (!ls->used || (t->local_port != 0 && t->local_port != who->local_port))
        return 0;
    if (t->family != 0 && t->family != who->family)
        return 0;
    if (!(ls->flags & TCPSM_LISTEN_ANY_ZONE) && t->zone != who->zone)
        return 0;
    if (!any && !tcpsm__bytes_equal(t->local, who->local, 16))
        return 0;
    if (!any_remote && !tcpsm__bytes_equal(t->remote, who->remote, 16))
        return 0;
    if (t->remote_port != 0 && t->remote_port != who->remote_port)
        return 0;
    fit = t->family != 0 ? 2 : 1;
    fit += ls->flags & TCPSM_LISTEN_ANY_ZONE ? 0 : 2;
    fit += t->local_port != 0 ? 4 : 0;
    fit += any ? 0 : 8;
    fit += any_remote ? 0 : 16;
    return fit + (t->remote_port != 0 ? 16u : 0u);
}

/* The most specific listener, or NULL. RFC9293-MUST-42, -43. */
TCPSM__FN struct tcpsm__listener *
tcpsm__listener_for(const struct tcpsm_stack *st, const tcpsm_tuple *who)
{
    struct tcpsm__listener *best = NULL, *ls;
    uint32_t top = 0, fit, i, turn;
    for (turn = 0; turn < 2; turn++) {
        i = *tcpsm__port_bucket(st, turn ? 0 : who->local_port);
        for (; i != 0; i = ls->chain) {
            ls = tcpsm__listener_at(st, i - 1);
            TCPSM_STEP();
            fit = tcpsm__fits(ls, who);
            if (fit > top) {
                top = fit;
                best = ls;
            }
        }
    }
    return best;
}

TCPSM__FN uint32_t tcpsm__listener_number(const struct tcpsm_stack *st,
                                          const struct tcpsm__listener *ls)
{
    return (uint32_t)(ls - tcpsm__listener_at(st, 0));
}

/* What our SYN-ACK offers: the window of the ring that there will be. */
TCPSM__FN uint16_t tcpsm__offered(const struct tcpsm__listener *ls, int ws)
{
    return ls->wnd[ws ? 1 : 0];
}

/* The handshake is complete: an ESTABLISHED connection that awaits accept.
   The caller has seen to it that there is room. */
TCPSM__FN tcpsm_conn *tcpsm__hatch(struct tcpsm_stack *st,
                                   struct tcpsm__listener *ls,
                                   const struct tcpsm__visit *v,
                                   const tcpsm_facts *f)
{
    uint32_t i = tcpsm__birth(st, &ls->proto, st->g.rings != 0);
    tcpsm_conn *c = tcpsm__conn_at(st, i - 1);
    if (tcpsm_open_from(c, &v->who, f, st->now) < 0) {
        tcpsm__death(st, i - 1);
        return NULL;
    }
    tcpsm__tw_forget(st, &v->who, v->hash);
    tcpsm__hash_add(st, i - 1, v->hash);
    tcpsm_set_wake(c, &st->ready);
    tcpsm__link_at(st, i - 1)->listener =
        (uint16_t)(tcpsm__listener_number(st, ls) + 1);
    tcpsm__queue_push(st, &st->accept, i - 1);
    ls->waiting++;
    st->unaccepted++;
    st->n.accepted++;
    return c;
}

TCPSM__FN void tcpsm__facts_begin(const struct tcpsm_stack *st,
                                  const struct tcpsm__visit *v,
                                  const struct tcpsm__listener *ls,
                                  const struct tcpsm__syn *e, tcpsm_facts *f)
{
    memset(f, 0, sizeof *f);
    f->snd_nxt = e->iss + 1;
    f->rcv_nxt = e->irs + 1;
    f->scaling = (e->flags & TCPSM__S_WS) != 0;
    f->timestamps = (e->flags & TCPSM__S_TS) != 0;
    f->sack = (e->flags & TCPSM__S_SACK) != 0;
    f->syn_lost = (e->flags & TCPSM__S_RESENT) != 0;
    f->ecn = e->ecn & 3u;
    f->no_ect = e->ecn >> 4 & 1u;
    f->rcv_wnd = tcpsm__offered(ls, f->scaling);
    if (f->scaling) /* law 8: an ACK for the entry rounded it up */
        f->rcv_wnd = tcpsm__round_up(f->rcv_wnd, ls->scale) << ls->scale;
    f->snd_wnd = e->wnd;
    f->snd_scale = f->scaling ? e->scale : 0;
    f->rcv_scale = f->scaling ? ls->scale : 0;
    f->peer_mss = e->mss;
    f->ts_recent = e->ts_recent;
    if (f->timestamps)
        f->ts_offset = (uint32_t)tcpsm__name_hash(st->key, &v->who, 1);
}

/* An ACK for what has no connection: <SEQ=SND.NXT><ACK=RCV.NXT>. */
TCPSM__FN void tcpsm__ack_for(struct tcpsm_stack *st, const tcpsm_conn *c,
                              const tcpsm_tuple *who, uint16_t wnd)
{
    struct tcpsm__reply *r = tcpsm__answer(st, who);
    if (r == NULL)
        return;
    r->flags = TCPSM__ACK;
    r->tos = (uint8_t)(st->proto.tos & ~3u);
    r->seq = c->snd_nxt;
    r->ack = c->rcv_nxt;
    r->wnd = wnd;
    r->ts = tcpsm__ts_on(c) != 0;
    r->tsval = tcpsm__ticks(st->now) + c->ts_offset;
    r->tsecr = c->ts_recent;
}

TCPSM__FN void tcpsm__dress(struct tcpsm_stack *st, uint8_t state, int ts,
                            uint16_t opts)
{
    tcpsm_conn *c = &st->scratch;
    memset(c, 0, sizeof *c);
    c->now = st->now;
    c->state = state;
    c->opts = opts;
    c->ts_age = (uint16_t)(st->now >> 30);
    if (ts) {
        c->flags |= TCPSM__F_TS;
        c->more |= TCPSM__M_TS_VALID;
    }
}

/* A SYN entry as the connection in SYN-RECEIVED that it stands for. */
TCPSM__FN tcpsm_conn *tcpsm__dress_syn(struct tcpsm_stack *st,
                                       const struct tcpsm__syn *e)
{
    tcpsm_conn *c = &st->scratch;
    const struct tcpsm__listener *ls = tcpsm__listener_at(st, e->listener);
    tcpsm__dress(st, TCPSM_SYN_RECEIVED, e->flags & TCPSM__S_TS,
                 ls->proto.opts);
    c->flags |= TCPSM__F_PASSIVE | TCPSM__F_SYN_OUT;
    c->snd_una = e->iss;
    c->snd_nxt = e->iss + 1;
    c->rcv_nxt = e->irs + 1;
    c->rcv_edge =
        c->rcv_nxt + tcpsm__offered(ls, (e->flags & TCPSM__S_WS) != 0);
    c->ts_recent = e->ts_recent;
    if (e->flags & TCPSM__S_TS)
        c->ts_offset = (uint32_t)tcpsm__name_hash(st->key, &e->name, 1);
    c->chal_at = e->chal_at;
    c->chal_n = e->chal_n;
    c->chal_limit = ls->proto.chal_limit;
    return c;
}

/* RFC 5961 s7 for a SYN entry. */
TCPSM__FN int tcpsm__syn_may(struct tcpsm__syn *e, tcpsm_conn *dressed)
{
    int may = tcpsm__may_challenge(dressed);
    e->chal_at = dressed->chal_at;
    e->chal_n = dressed->chal_n;
    return may;
}

TCPSM__FN int tcpsm__cookie_good(struct tcpsm_stack *st,
                                 const struct tcpsm__visit *v,
                                 const struct tcpsm__listener *ls);
TCPSM__FN tcpsm_conn *tcpsm__listen_ack(struct tcpsm_stack *st, tcpsm_in *in,
                                        struct tcpsm__visit *v,
                                        struct tcpsm__listener *ls);
/* The third segment of the handshake, and all that rides on it. */
TCPSM__FN tcpsm_conn *tcpsm__syn_complete(struct tcpsm_stack *st,
                                          tcpsm_in *in,
                                          struct tcpsm__visit *v, uint32_t i)
{
    struct tcpsm__syn *e = tcpsm__syn_at(st, i);
    struct tcpsm__listener *ls = tcpsm__listener_at(st, e->listener);
    tcpsm_facts f;
    tcpsm_conn *c;
    if (ls->waiting >= ls->backlog || !tcpsm__room_for_one(st))
        return tcpsm__nobody(st, in, TCPSM_DROP_FULL);
    tcpsm__facts_begin(st, v, ls, e, &f);
    f.snd_wnd = (uint32_t)v->s.wnd << f.snd_scale; /* s3.10.7.4, fifth */
    if (!(e->flags & (TCPSM__S_RESENT | TCPSM__S_UNSURE)))
        f.rtt_us = tcpsm__max((uint32_t)st->now - e->sent, 1);
    c = tcpsm__hatch(st, ls, v, &f);
    if (c == NULL)
        return tcpsm__nobody(st, in, TCPSM_DROP_FULL);
    tcpsm__syn_remove(st, i);
    return c;
}

TCPSM__FN tcpsm_conn *tcpsm__syn_arrives(struct tcpsm_stack *st, tcpsm_in *in,
                                         struct tcpsm__visit *v, uint32_t i)
{
    struct tcpsm__syn *e = tcpsm__syn_at(st, i);
    tcpsm_conn *c = tcpsm__dress_syn(st, e);
    struct tcpsm__verdict j = tcpsm__judge(c, &v->s, st->now, 1);
    struct tcpsm__reply *r;
    struct tcpsm__listener *ls;
    uint16_t wnd = (uint16_t)(c->rcv_edge - c->rcv_nxt);
    uint32_t mode = 0;
    int held = e->queue == TCPSM__Q_HELD;
    (void)mode;
    if (j.why != TCPSM_DROP_NONE)
        (void)tcpsm__stack_refuse(st, in, j.why);
    switch (j.what) {
    case TCPSM__V_ACCEPT:
        if (!held)
            return tcpsm__syn_complete(st, in, v, i);
        (void)tcpsm__stack_refuse(st, in, TCPSM_DROP_BAD_ACK);
        tcpsm__reset_stranger(st, &v->who, &v->s); /* a lucky guess */
        break;
    case TCPSM__V_RESET:
    case TCPSM__V_LISTEN: /* back to LISTEN: the entry is all there was */
        tcpsm__syn_remove(st, i);
        break;
    case TCPSM__V_SYN_AGAIN: /* our SYN-ACK was lost */
        if (held && (e->flags & TCPSM__S_TS) && v->s.ts)
            e->ts_recent = v->s.tsval; /* it is the one we shall answer */
#if !TCPSM__TINY
        e->ecn = (uint8_t)((e->ecn & ~0xCu) | (in->tos & 3u) << 2);
        mode = e->ecn & 3u;
        if (mode != 0 && !(v->s.flags & TCPSM__ECN_BITS))
            e->ecn |= 16; /* RFC 9768 s3.1.5: no ECT from us */
        if (mode != 0 && mode + tcpsm__ecn_asked(v->s.flags, c->opts) == 3) {
            tcpsm__syn_remove(st, i); /* both kinds: reset */
            tcpsm__reset_stranger(st, &v->who, &v->s);
            break;
        }
#endif
        if (held || e->queue == TCPSM__Q_DUE || !tcpsm__syn_may(e, c))
            break;
        e->flags |= TCPSM__S_UNSURE; /* its own clock runs on */
        r = tcpsm__answer(st, &v->who);
        if (r != NULL)
            tcpsm__syn_ack(st, r, e);
        break;
    case TCPSM__V_ACK:
    case TCPSM__V_CHALLENGE:
        if (e->flags & TCPSM__S_WS)
            wnd = (uint16_t)tcpsm__round_up(
                wnd, tcpsm__listener_at(st, e->listener)->scale);
        if (!held && (j.what == TCPSM__V_ACK || tcpsm__syn_may(e, c)))
            tcpsm__ack_for(st, c, &v->who, wnd);
        break;
    case TCPSM__V_REPLY:
        ls = tcpsm__listener_at(st, e->listener);
        if (!(v->s.flags & TCPSM__SYN) && tcpsm__cookie_good(st, v, ls)) {
            tcpsm__syn_remove(st, i); /* an earlier SYN got a cookie */
            return tcpsm__listen_ack(st, in, v, ls);
        }
        tcpsm__reset_stranger(st, &v->who, &v->s);
        break;
    default:
        break;
    }
    return NULL;
}

/* --- TIME-WAIT --- */

TCPSM__FN tcpsm_conn *tcpsm__dress_tw(struct tcpsm_stack *st,
                                      const struct tcpsm__timewait *w,
                                      const struct tcpsm__listener *ls)
{
    tcpsm_conn *c = &st->scratch;
    tcpsm__dress(st, TCPSM_TIME_WAIT, (w->more & TCPSM__TW_TS) != 0,
                 ls != NULL ? ls->proto.opts : st->proto.opts);
    c->flags |= TCPSM__F_FIN_RCVD;
    c->snd_una = c->snd_nxt = w->snd_nxt;
    c->rcv_nxt = w->rcv_nxt;
    c->rcv_edge = w->rcv_nxt + tcpsm__tw_wnd(w);
    c->ts_recent = w->ts_recent;
    c->ts_offset = w->ts_offset;
    return c;
}

/* RFC 5961 s7 in seven bits: at most seven in five seconds. */
TCPSM__FN int tcpsm__tw_may(const struct tcpsm_stack *st,
                            struct tcpsm__timewait *w)
{
    uint32_t period = (uint32_t)(st->now >> 20) / 5u & 15u;
    uint32_t n = w->more >> 25 & 7u;
    if (w->more >> 28 != period)
        n = 0;
    if (n == 7)
        return 0;
    w->more = (w->more & 0x1FFFFFFu) | (n + 1) << 25 | period << 28;
    return 1;
}

/* RFC 9293 s3.10.7.4 for TIME-WAIT. 1: a SYN that may open anew. */
TCPSM__FN int tcpsm__tw_arrives(struct tcpsm_stack *st, tcpsm_in *in,
                                struct tcpsm__visit *v,
                                struct tcpsm__timewait *w)
{
    const struct tcpsm__listener *ls = tcpsm__listener_for(st, &v->who);
    tcpsm_conn *c = tcpsm__dress_tw(st, w, ls);
    struct tcpsm__verdict j = tcpsm__judge(c, &v->s, st->now, 1);
    uint16_t wnd = tcpsm__tw_wnd(w);
    if (j.what == TCPSM__V_REUSE && ls == NULL)
        j = tcpsm__say(TCPSM__V_CHALLENGE, TCPSM_DROP_SYN);
    if (j.what == TCPSM__V_REUSE) {
        v->reuse = 1;
        v->least = w->snd_nxt;
        return 1;
    }
    if (j.what == TCPSM__V_ACCEPT && v->s.len != 0)
        j.why = TCPSM_DROP_AFTER_FIN;
    if (j.why != TCPSM_DROP_NONE)
        (void)tcpsm__stack_refuse(st, in, j.why);
    if (j.what == TCPSM__V_FIN_AGAIN)
        w->until =
            tcpsm__wait_units(st->now) + tcpsm__wait8_dec(w->name.zero);
    if (j.what == TCPSM__V_ACK ||
        ((j.what == TCPSM__V_FIN_AGAIN || j.what == TCPSM__V_CHALLENGE) &&
         tcpsm__tw_may(st, w)))
        tcpsm__ack_for(st, c, &v->who, wnd);
    return 0;
}

/* --- SYN cookies (RFC 4987 s3.6) ---

     ISS      index of the MSS: 3 bits | MAC: 29 bits
     TSval    ... 26 bits of the clock | 0 | SACK: 1 bit | scale: 4 bits

   The MAC is over the name, IRS, the period of 67 s, the index, the options
   and what the listener offers, so whoever did not get our SYN-ACK has one
   chance in 2^28 a guess, and only for two minutes after the table was
   full. */

TCPSM__FN uint32_t tcpsm__cookie_mac(const struct tcpsm_stack *st,
                                     const tcpsm_tuple *t, uint32_t irs,
                                     uint32_t period, uint32_t what)
{
    uint8_t b[52];
    memcpy(b, t->local, 16);
    memcpy(b + 16, t->remote, 16);
    tcpsm__put16(b + 32, t->local_port);
    tcpsm__put16(b + 34, t->remote_port);
    tcpsm__put16(b + 36, t->zone);
    b[38] = t->family;
    b[39] = 2; /* the purpose, as in tcpsm__name_hash */
    tcpsm__put32(b + 40, irs);
    tcpsm__put32(b + 44, period);
    tcpsm__put32(b + 48, what);
    return (uint32_t)tcpsm__siphash(st->key, b, 52) & 0x1FFFFFFFu;
}

TCPSM__FN uint32_t tcpsm__cookie_mss(uint32_t i)
{
    static const uint16_t t[8] = {48,   536,  1024, 1220,
                                  1360, 1440, 1460, 8960};
    return t[i & 7];
}

TCPSM__FN uint32_t tcpsm__cookie_index(uint32_t mss)
{
    uint32_t i = 7;
    while (i > 0 && tcpsm__cookie_mss(i) > mss)
        i--;
    return i;
}

#define TCPSM__COOKIE_TS 64u /* the SYN had timestamps */
#define TCPSM__COOKIE_SACK 16u
#define TCPSM__COOKIE_NO_SCALE 15u

/* What a listener lets its SYN-ACKs say: a later one on the same port may
   be another. */
TCPSM__FN uint32_t tcpsm__cookie_kind(const struct tcpsm__listener *ls)
{
    uint32_t no = TCPSM_NO_SACK | TCPSM_NO_TS | TCPSM_NO_SCALE;
    return (uint32_t)ls->scale << 12 | (ls->proto.opts & no) << 16;
}

/* Answers a SYN without keeping anything: e is nobody's entry. Without
   timestamps there is no place to remember scale and SACK in. */
TCPSM__FN void tcpsm__cookie_send(struct tcpsm_stack *st,
                                  struct tcpsm__syn *e)
{
    struct tcpsm__reply *r = tcpsm__answer(st, &e->name);
    uint32_t index = tcpsm__cookie_index(e->mss), what = 0, period, v;
    if (r == NULL)
        return;
    if (!(e->flags & TCPSM__S_TS))
        e->flags = 0;
    tcpsm__syn_ack(st, r, e);
    if (e->flags & TCPSM__S_TS) {
        what = TCPSM__COOKIE_TS | TCPSM__COOKIE_NO_SCALE;
        if (e->flags & TCPSM__S_WS)
            what = TCPSM__COOKIE_TS | e->scale;
        if (e->flags & TCPSM__S_SACK)
            what |= TCPSM__COOKIE_SACK;
        v = r->tsval;
        r->tsval = (v & ~(uint32_t)63u) | (what & 63u);
        if (tcpsm__seq_lt(v, r->tsval)) /* later ones must not precede it */
            r->tsval -= 64;
    }
    period = (uint32_t)(st->now >> TCPSM__COOKIE_SHIFT);
    what |= index << 8;
    what |= tcpsm__cookie_kind(tcpsm__listener_at(st, e->listener));
    r->seq =
        index << 29 | tcpsm__cookie_mac(st, &e->name, e->irs, period, what);
    st->n.cookies_sent++;
    st->overflow = st->now + 1;
}

/* Was one given so lately that it may come back? */
TCPSM__FN int tcpsm__cookie_days(const struct tcpsm_stack *st)
{
    const tcpsm_time window = (tcpsm_time)2 << TCPSM__COOKIE_SHIFT;
    return st->overflow != 0 && st->now - (st->overflow - 1) <= window;
}

/* Does this ACK bring one back? Then st->guest is what it stands for. */
TCPSM__FN int tcpsm__cookie_good(struct tcpsm_stack *st,
                                 const struct tcpsm__visit *v,
                                 const struct tcpsm__listener *ls)
{
    struct tcpsm__syn *e = &st->guest;
    const struct tcpsm__timewait *guard;
    const struct tcpsm__seg *s = &v->s;
    uint32_t iss = s->ack - 1, index = iss >> 29, what = 0, period, i;
    if (!tcpsm__cookie_days(st) || (ls->flags & TCPSM_LISTEN_ASK))
        return 0;
    if (s->ts)
        what = TCPSM__COOKIE_TS | (s->tsecr & 63u);
    period = (uint32_t)(st->now >> TCPSM__COOKIE_SHIFT);
    for (i = 0; i < 2; i++)
        if (tcpsm__cookie_mac(st, &v->who, s->seq - 1, period - i,
                              what | index << 8 | tcpsm__cookie_kind(ls)) ==
            (iss & 0x1FFFFFFFu))
            break;
    if (i == 2)
        return 0;
    guard = tcpsm__tw_find(st, &v->who, v->hash, 1);
    if (guard != NULL && tcpsm__seq_le(s->seq, guard->rcv_nxt))
        return 0;
    memset(e, 0, sizeof *e);
    e->name = v->who;
    e->irs = s->seq - 1;
    e->iss = iss;
    e->mss = (uint16_t)tcpsm__cookie_mss(index);
    e->wnd = s->wnd;
    if (!s->ts)
        return 1;
    e->flags = TCPSM__S_TS;
    e->ts_recent = s->tsval;
    if (what & TCPSM__COOKIE_SACK)
        e->flags |= TCPSM__S_SACK;
    if ((what & 15u) != TCPSM__COOKIE_NO_SCALE) {
        e->flags |= TCPSM__S_WS;
        e->scale = (uint8_t)tcpsm__min(what & 15u, 14);
    }
    return 1;
}

/* --- LISTEN (RFC 9293 s3.10.7.2) --- */

TCPSM__FN tcpsm_conn *tcpsm__listen_ack(struct tcpsm_stack *st, tcpsm_in *in,
                                        struct tcpsm__visit *v,
                                        struct tcpsm__listener *ls)
{
    tcpsm_facts f;
    tcpsm_conn *c = NULL;
    if ((v->s.flags & TCPSM__SYN) || !tcpsm__cookie_good(st, v, ls)) {
        if (tcpsm__cookie_days(st) && !(v->s.flags & TCPSM__SYN))
            st->n.cookies_bad++;
        (void)tcpsm__stack_refuse(st, in, TCPSM_DROP_BAD_ACK);
        /* Text may have overtaken the segment at IRS + 1, which alone can
           prove a cookie: it comes again, and a reset would be wrong, unless
           the connection has been and gone. */
        if (v->s.len == 0 || !tcpsm__cookie_days(st) ||
            tcpsm__tw_find(st, &v->who, v->hash, 1) != NULL)
            tcpsm__reset_stranger(st, &v->who, &v->s);
        return NULL;
    }
    st->n.cookies_good++;
    tcpsm__facts_begin(st, v, ls, &st->guest, &f);
    f.snd_wnd = (uint32_t)st->guest.wnd << f.snd_scale;
    if (ls->waiting < ls->backlog && tcpsm__room_for_one(st))
        c = tcpsm__hatch(st, ls, v, &f);
    if (c != NULL) {
        tcpsm__link_at(st, tcpsm__index(st, c))->flags |= TCPSM__L_COOKIE;
        return c;
    }
    /* silence would strand a client that listens */
    (void)tcpsm__stack_refuse(st, in, TCPSM_DROP_FULL);
    tcpsm__reset_stranger(st, &v->who, &v->s);
    return NULL;
}

#if !TCPSM__TINY
/* A SYN with a good Fast Open cookie has its connection at once: one in
   LISTEN for nobody else, which then takes the SYN. There is room. */
TCPSM__FN tcpsm_conn *tcpsm__listen_fast(struct tcpsm_stack *st,
                                         struct tcpsm__visit *v,
                                         struct tcpsm__listener *ls)
{
    uint32_t i = tcpsm__birth(st, &ls->proto, st->g.rings != 0);
    tcpsm_conn *c = tcpsm__conn_at(st, i - 1);
    (void)tcpsm_listen(c, &v->who, st->now); /* fresh, and a proper name */
    tcpsm__tw_forget(st, &v->who, v->hash);
    tcpsm__hash_add(st, i - 1, v->hash);
    tcpsm_set_wake(c, &st->ready);
    tcpsm__link_at(st, i - 1)->listener =
        (uint16_t)(tcpsm__listener_number(st, ls) + 1);
    tcpsm__link_at(st, i - 1)->flags |= TCPSM__L_FAST;
    st->fo_pending++;
    tcpsm__queue_push(st, &st->accept, i - 1);
    ls->waiting++;
    st->unaccepted++;
    st->n.accepted++;
    return c;
}
#endif

TCPSM__FN tcpsm_conn *tcpsm__listen_syn(struct tcpsm_stack *st, tcpsm_in *in,
                                        struct tcpsm__visit *v,
                                        struct tcpsm__listener *ls)
{
    struct tcpsm__syn *e = &st->guest;
    uint32_t i = st->free_syn, *b;
    int ask = (ls->flags & TCPSM_LISTEN_ASK) != 0;
    if (ls->waiting >= ls->backlog || !tcpsm__room_for_one(st)) {
        st->n.syns_dropped++;
        return tcpsm__nobody(st, in, TCPSM_DROP_FULL);
    }
#if !TCPSM__TINY
    if (!ask && !v->reuse && tcpsm__is2(&ls->proto, TCPSM__N_FASTOPEN) &&
        v->s.fo_len > 2 && st->fo_pending < st->fo_limit && /* RFC7413-6 */
        tcpsm__fo_good(st->key, &v->who, st->now, &v->s))
        return tcpsm__listen_fast(st, v, ls);
#endif
    if (i == 0) {
        if (ask || v->reuse || (st->flags & TCPSM_NO_COOKIES)) {
            st->n.syns_dropped++;
            return tcpsm__nobody(st, in, TCPSM_DROP_FULL);
        }
        memset(e, 0, sizeof *e);
        e->name = v->who;
        e->listener = (uint16_t)tcpsm__listener_number(st, ls);
        tcpsm__syn_read(e, &v->s, in->tos, ls);
        e->ecn = 0; /* a cookie has no room for it */
        e->flags = (uint8_t)(e->flags & ~TCPSM__S_FO);
        tcpsm__cookie_send(st, e);
        return NULL;
    }
    e = tcpsm__syn_at(st, i - 1);
    st->free_syn = e->chain;
    st->syns++;
    e->name = v->who;
    e->listener = (uint16_t)tcpsm__listener_number(st, ls);
    b = tcpsm__syn_bucket(st, v->hash);
    e->chain = *b;
    *b = i;
    tcpsm__syn_read(e, &v->s, in->tos, ls);
    e->iss = tcpsm__isn_for(st, &v->who);
    if (v->reuse && tcpsm__seq_le(e->iss, v->least))
        e->iss = v->least + 0x10000u; /* RFC9293-MAY-2 */
    e->tries = 0;
    tcpsm__syn_queue(st, i - 1, ask ? TCPSM__Q_HELD : TCPSM__Q_DUE,
                     ask ? TCPSM__HELD_US : 0);
    return NULL;
}

TCPSM__FN tcpsm_conn *tcpsm__listen_arrives(struct tcpsm_stack *st,
                                            tcpsm_in *in,
                                            struct tcpsm__visit *v,
                                            struct tcpsm__listener *ls)
{
    struct tcpsm__verdict j = tcpsm__judge_listen(&v->s);
    if (j.what == TCPSM__V_STRANGER)
        return tcpsm__listen_ack(st, in, v, ls);
    if (j.what == TCPSM__V_SYN)
        return tcpsm__listen_syn(st, in, v, ls);
    return tcpsm__nobody(st, in, j.why);
}

/* Connection i is CLOSED from now on, and an entry answers for it; what
   was not read stays readable. An ACK that it still owes the entry pays. */
TCPSM__FN void tcpsm__to_timewait(struct tcpsm_stack *st, uint32_t i)
{
    tcpsm_conn *c = tcpsm__conn_at(st, i);
    tcpsm_tuple t;
    int owes = tcpsm__is(c, TCPSM__F_ACK_NOW) || c->owed != 0;
    tcpsm__tw_add(st, c, 0);
    tcpsm__link_at(st, i)->flags &= (uint8_t)~TCPSM__L_COOKIE;
    tcpsm__hash_remove(st, i);
    if (owes) {
        tcpsm__tuple_of(c, &t);
        tcpsm__ack_for(st, c, &t, tcpsm__window(c, 0));
    }
    tcpsm__finish(c, 0);
}

/* --- the door --- */

/* Law 6: what is malformed is dropped before anybody looks at it. */
TCPSM__FN uint8_t tcpsm__stack_door(const struct tcpsm_stack *st,
                                    const tcpsm_in *in,
                                    struct tcpsm__visit *v)
{
    uint8_t why = tcpsm__parse(&v->s, (const uint8_t *)in->data, in->len);
    int loopback = (st->proto.opts & TCPSM_LOOPBACK) != 0;
    if (why != TCPSM_DROP_NONE && why != TCPSM_DROP_OPTIONS)
        return why;
    if (!tcpsm__addresses_ok(in, v->s.sport, v->s.dport, loopback, 0))
        return TCPSM_DROP_ADDRESS;
    if (in->family == 4 && (tcpsm__broadcast(st, in->src, in->zone) ||
                            tcpsm__broadcast(st, in->dst, in->zone)))
        return TCPSM_DROP_ADDRESS;
    if (!(in->flags & TCPSM_IN_CSUM_OK) && !tcpsm__sum_good(in))
        return TCPSM_DROP_CHECKSUM;
    if (why == TCPSM_DROP_NONE &&
        !tcpsm__local(st, in->dst, in->family, in->zone))
        return TCPSM_DROP_NOT_MINE;
    return why;
}

TCPSM__FN void tcpsm__who(const tcpsm_in *in, tcpsm_tuple *t)
{
    const uint8_t *p = (const uint8_t *)in->data;
    uint32_t n = tcpsm__alen(in->family);
    memset(t, 0, sizeof *t);
    memcpy(t->local, in->dst, n);
    memcpy(t->remote, in->src, n);
    t->local_port = tcpsm__get16(p + 2);
    t->remote_port = tcpsm__get16(p);
    t->zone = in->zone;
    t->family = in->family;
}

/* Law 6: nothing moves for a SYN that is not worth one. */
TCPSM__APART int tcpsm__sound_syn(const struct tcpsm_stack *st,
                                  const tcpsm_in *in)
{
    struct tcpsm__visit v;
    return tcpsm__stack_door(st, in, &v) == TCPSM_DROP_NONE &&
           (v.s.flags & TCPSM__SYN);
}

/* Apart, so that its frame is gone when the connection gets the segment. */
TCPSM__APART tcpsm_conn *tcpsm__stack_slow(struct tcpsm_stack *st,
                                           tcpsm_in *in, uint64_t hash)
{
    struct tcpsm__visit v;
    struct tcpsm__syn *e;
    struct tcpsm__timewait *w;
    struct tcpsm__listener *ls;
    uint8_t why;
    memset(&v, 0, sizeof v);
    why = tcpsm__stack_door(st, in, &v);
    if (why != TCPSM_DROP_NONE)
        return tcpsm__nobody(st, in, why);
    tcpsm__who(in, &v.who);
    v.hash = hash;
    v.s.segs = tcpsm__train(in, v.s.len);
    e = tcpsm__syn_find(st, &v.who, hash);
    if (e != NULL)
        return tcpsm__syn_arrives(st, in, &v,
                                  (uint32_t)(e - tcpsm__syn_at(st, 0)));
    w = tcpsm__tw_find(st, &v.who, hash, 0);
    if (w != NULL && !tcpsm__tw_arrives(st, in, &v, w))
        return NULL;
    ls = tcpsm__listener_for(st, &v.who);
    if (ls != NULL)
        return tcpsm__listen_arrives(st, in, &v, ls);
    tcpsm__reset_stranger(st, &v.who, &v.s);
    return tcpsm__nobody(st, in, TCPSM_DROP_NOT_MINE);
}

/* Hands a segment to its connection. */
TCPSM__FN tcpsm_ret tcpsm__stack_given(struct tcpsm_stack *st, tcpsm_conn *c,
                                       tcpsm_in *in)
{
    uint32_t i = tcpsm__index(st, c);
    uint8_t before = c->state;
    tcpsm_ret e = tcpsm__input(c, in, st->now);
    if (before <= TCPSM_SYN_RECEIVED && c->state >= TCPSM_ESTABLISHED)
        st->n.connected++;
    in->conn = c;
    tcpsm__news(st, i);
    if (c->state == TCPSM_CLOSED)
        tcpsm__hash_remove(st, i);
    return e;
}

/* The connection of a segment whose hash is known. */
TCPSM__FN tcpsm_conn *tcpsm__find_in(const struct tcpsm_stack *st,
                                     const tcpsm_in *in, uint64_t hash)
{
    const uint8_t *p = (const uint8_t *)in->data;
    uint32_t i = *tcpsm__bucket(st, hash);
    const struct tcpsm__link *l;
    tcpsm_conn *c;
    for (; i != 0; i = l->chain) {
        l = tcpsm__link_at(st, i - 1);
        TCPSM_STEP();
        if (l->tag != tcpsm__tag(hash))
            continue;
        c = tcpsm__conn_at(st, i - 1);
        if (tcpsm__match(c, in, tcpsm__get16(p), tcpsm__get16(p + 2)))
            return c;
    }
    return NULL;
}

TCPSM__FN uint64_t tcpsm__hash_in(const struct tcpsm_stack *st,
                                  const tcpsm_in *in)
{
    const uint8_t *p = (const uint8_t *)in->data;
    return tcpsm__demux(st, in->dst, in->src, tcpsm__get16(p + 2),
                        tcpsm__get16(p), in->zone, in->family);
}

TCPSM__FN tcpsm_ret tcpsm__stack_takes(struct tcpsm_stack *st, tcpsm_in *in,
                                       uint64_t hash, tcpsm_time now)
{
    tcpsm_conn *c;
    tcpsm__clock(st, now);
    in->drop = TCPSM_DROP_NONE;
    in->conn = NULL;
    if (in->len < 20)
        return tcpsm__stack_refuse(st, in, TCPSM_DROP_SHORT);
    c = tcpsm__find_in(st, in, hash);
    if (c != NULL && c->state == TCPSM_TIME_WAIT &&
        tcpsm__sound_syn(st, in)) {
        /* not drained yet; the entry knows what to do with a SYN */
        tcpsm__to_timewait(st, tcpsm__index(st, c));
        tcpsm__wake_up(c);
        c = NULL;
    }
    if (c == NULL)
        c = tcpsm__stack_slow(st, in, hash);
    return c != NULL ? tcpsm__stack_given(st, c, in) : 0;
}

TCPSM_DEF tcpsm_ret tcpsm_stack_input(tcpsm_stack *st, tcpsm_in *in,
                                      tcpsm_time now)
{
    if (st == NULL || in == NULL || !tcpsm__in_ok(in))
        return TCPSM_E_ARG;
    return tcpsm__stack_takes(st, in,
                              in->len < 20 ? 0 : tcpsm__hash_in(st, in), now);
}

#if defined(__GNUC__)
#define TCPSM__FETCH(p) __builtin_prefetch(p)
#else
#define TCPSM__FETCH(p) ((void)(p))
#endif
#define TCPSM__BATCH (sizeof(void *) > 4 ? 16u : 4u)

/* Buckets, then links, then connections are asked for before the first is
   needed. */
TCPSM__FN void tcpsm__fetch(const struct tcpsm_stack *st, const tcpsm_in *in,
                            uint64_t *hash, uint32_t n)
{
    const tcpsm_conn *c;
    uint32_t i, k;
    for (k = 0; k < n; k++) {
        hash[k] = in[k].len < 20 ? 0 : tcpsm__hash_in(st, &in[k]);
        TCPSM__FETCH(tcpsm__bucket(st, hash[k]));
    }
    for (k = 0; k < n; k++) {
        i = *tcpsm__bucket(st, hash[k]);
        if (i != 0)
            TCPSM__FETCH(tcpsm__link_at(st, i - 1));
    }
    for (k = 0; k < n; k++) {
        i = *tcpsm__bucket(st, hash[k]);
        while (i != 0 &&
               tcpsm__link_at(st, i - 1)->tag != tcpsm__tag(hash[k]))
            i = tcpsm__link_at(st, i - 1)->chain;
        if (i == 0)
            continue;
        c = tcpsm__conn_at(st, i - 1);
        TCPSM__FETCH(&c->now);
        TCPSM__FETCH(&c->flags);
        TCPSM__FETCH(&c->local_port);
        TCPSM__FETCH(&c->remote);
        TCPSM__FETCH(&c->p);
    }
}

TCPSM_DEF tcpsm_ret tcpsm_stack_input_batch(tcpsm_stack *st, tcpsm_in *in,
                                            uint32_t n, tcpsm_time now)
{
    uint64_t hash[sizeof(void *) > 4 ? 16 : 4];
    uint32_t done, k, part;
    if (st == NULL || (in == NULL && n != 0) || n > 0x7FFFFFFFu)
        return TCPSM_E_ARG;
    for (k = 0; k < n; k++)
        if (!tcpsm__in_ok(&in[k]))
            return TCPSM_E_ARG;
    for (done = 0; done < n; done += part) {
        part = tcpsm__min(n - done, TCPSM__BATCH);
        tcpsm__fetch(st, in + done, hash, part);
        for (k = 0; k < part; k++)
            if (tcpsm__stack_takes(st, &in[done + k], hash[k], now) ==
                TCPSM_E_RING)
                return (tcpsm_ret)(done + k);
    }
    return (tcpsm_ret)n;
}

TCPSM_DEF tcpsm_ret tcpsm_stack_icmp(tcpsm_stack *st, const void *msg,
                                     uint32_t len, uint8_t family,
                                     uint16_t zone, tcpsm_time now)
{
    const uint8_t *m = (const uint8_t *)msg, *ip;
    uint32_t hdr = 40, at = 8, n, alen = tcpsm__alen(family);
    tcpsm_tuple t;
    tcpsm_conn *c;
    tcpsm_ret e;
    if (st == NULL || m == NULL || len < 8 || (family != 4 && family != 6))
        return TCPSM_E_ARG;
    tcpsm__clock(st, now);
    n = len - 8;
    ip = m + 8;
    if (family == 4) {
        if (n < 20)
            return TCPSM_E_NOT_MINE;
        hdr = (ip[0] & 15u) * 4u;
        at = 12;
    }
    if (hdr < 20 || n < hdr + 8)
        return TCPSM_E_NOT_MINE;
    memset(&t, 0, sizeof t);
    memcpy(t.local, ip + at, alen);
    memcpy(t.remote, ip + at + alen, alen);
    t.local_port = tcpsm__get16(ip + hdr);
    t.remote_port = tcpsm__get16(ip + hdr + 2);
    t.zone = zone;
    t.family = family;
    c = tcpsm__find(st, &t, tcpsm__demux_name(st, &t));
    if (c == NULL)
        return TCPSM_E_NOT_MINE;
    e = tcpsm__icmp(c, m, len, family, st->now);
    tcpsm__news(st, tcpsm__index(st, c));
    if (c->state == TCPSM_CLOSED)
        tcpsm__hash_remove(st, tcpsm__index(st, c));
    return e;
}

/* It is CLOSED and nothing is to be sent. */
TCPSM__FN void tcpsm__over(struct tcpsm_stack *st, uint32_t i)
{
    struct tcpsm__link *l = tcpsm__link_at(st, i);
    /* Law 4: a cookie can be proved again by an old copy of the segment
       that did it; a guard stands in the way while that is so. */
    if ((l->flags & TCPSM__L_COOKIE) && tcpsm__cookie_days(st))
        tcpsm__tw_add(st, tcpsm__conn_at(st, i), 1);
    l->flags = (uint8_t)(l->flags & ~TCPSM__L_COOKIE);
    tcpsm__hash_remove(st, i);
    tcpsm__wheel_remove(st, i);
    if (!(l->flags & TCPSM__L_RELEASED))
        return;
    if (l->flags & TCPSM__L_LAST) {
        if (st->last != i + 1)
            tcpsm__death(st, i);
    } else if (tcpsm__holds(st, i)) {
        tcpsm__conn_at(st, i)->events = TCPSM_EV_DONE;
        tcpsm__tell(st, i);
    } else if (!(l->flags & TCPSM__L_NEWS)) {
        tcpsm__death(st, i);
    } /* else next() finds it */
}

/* --- output --- */
/* Output has nothing to say for connection i now: where does it wait? */
TCPSM__FN void tcpsm__settle(struct tcpsm_stack *st, uint32_t i)
{
    tcpsm_conn *c = tcpsm__conn_at(st, i);
    if ((tcpsm__link_at(st, i)->flags & TCPSM__L_FAST) &&
        c->state != TCPSM_SYN_RECEIVED) {
        tcpsm__link_at(st, i)->flags &= (uint8_t)~TCPSM__L_FAST;
        st->fo_pending--;
    }
    if (c->state == TCPSM_TIME_WAIT)
        tcpsm__to_timewait(st, i);
    tcpsm__news(st, i);
    if (c->state == TCPSM_CLOSED) {
        tcpsm__over(st, i);
        return;
    }
    tcpsm__wheel_arm(st, i, tcpsm_deadline(c));
}

/* Puts the first ready connection behind the others. */
TCPSM__FN void tcpsm__ready_rotate(struct tcpsm_stack *st)
{
    tcpsm_conn *c = st->ready.head;
    st->spent = 0;
    if (c->p.wake_next == NULL)
        return;
    st->ready.head = c->p.wake_next;
    c->p.wake_next = NULL;
    st->ready.tail->p.wake_next = c;
    st->ready.tail = c;
}

/* The first ready connection speaks, or is taken off the list. */
TCPSM__FN tcpsm_ret tcpsm__serve(struct tcpsm_stack *st, tcpsm_out *out)
{
    tcpsm_conn *c = st->ready.head;
    uint32_t i = tcpsm__index(st, c), n;
    tcpsm_ret len = tcpsm__output(c, out, st->now);
    if (len > 0) {
        n = (uint32_t)len + out->ref[0].n + out->ref[1].n;
        st->spent += n;
        if (st->spent >= st->quantum)
            tcpsm__ready_rotate(st);
        return len;
    }
    (void)tcpsm_wake_pop(&st->ready);
    st->spent = 0;
    tcpsm__settle(st, i);
    return 0;
}

TCPSM__FN tcpsm_ret tcpsm__emit_reply(struct tcpsm_stack *st, tcpsm_out *out,
                                      const struct tcpsm__reply *r)
{
    static const uint8_t begin[9] = {0, 0, 1, 0, 0, 0, 0, 0, 1};
    struct tcpsm__seg s;
    tcpsm_ret n;
#if !TCPSM__TINY
    uint8_t cookie[8];
#endif
    memset(&s, 0, sizeof s);
    s.sport = r->name.local_port;
    s.dport = r->name.remote_port;
    s.flags = r->flags;
    s.seq = r->seq;
    s.ack = r->ack;
    s.wnd = r->wnd;
    s.mss = r->mss;
    s.scale = r->scale;
    s.sack_ok = r->sack_ok;
    s.ts = r->ts;
    s.tsval = r->tsval;
    s.tsecr = r->tsecr;
#if !TCPSM__TINY
    if (r->fo) {
        tcpsm__fo_cookie(st->key, &r->name, (uint32_t)(st->now >> 38),
                         cookie);
        s.fo = cookie;
        s.fo_len = 10;
    }
#endif
    if (r->acc && !r->fo) { /* RFC 9768 s3.2.1 */
        s.acc_n = 4;
        s.acc = begin;
    }
    TCPSM__COUNT(&st->proto, out_segments, 1);
    n = tcpsm__emit_alone(out, &r->name, &s, st->proto.opts, r->ttl);
    out->tos = r->tos;
    return n;
}

TCPSM__FN tcpsm_ret tcpsm__pop_reply(struct tcpsm_stack *st, tcpsm_out *out)
{
    const struct tcpsm__reply *r = tcpsm__reply_at(st, st->reply_first);
    st->reply_n--;
    if (++st->reply_first == st->g.replies)
        st->reply_first = 0;
    return tcpsm__emit_reply(st, out, r);
}

TCPSM__FN tcpsm_ret tcpsm__emit_syn(struct tcpsm_stack *st, tcpsm_out *out)
{
    uint32_t i = st->syn_queue[TCPSM__Q_DUE].head - 1;
    struct tcpsm__syn *e = tcpsm__syn_at(st, i);
    struct tcpsm__reply r;
    uint32_t tries = e->tries;
    tcpsm__reply_begin(&r, &e->name);
    tcpsm__syn_ack(st, &r, e);
    if (tries == 0)
        e->sent = (uint32_t)st->now;
    else
        e->flags |= TCPSM__S_RESENT;
    if ((e->ecn & 3u) == 2 && tries > 1)
        e->ecn |= 16; /* it went without the bits */
    if (tries < TCPSM__Q_5 - TCPSM__Q_1 + 1)
        e->tries = (uint8_t)++tries;
    /* RFC6298-11: one second, two, four ... 31 in all */
    tcpsm__syn_queue(st, i, (uint8_t)(TCPSM__Q_1 + tries - 1),
                     (tcpsm_time)1000000u << (tries - 1));
    return tcpsm__emit_reply(st, out, &r);
}

/* One SYN entry whose time has come. 0: there is none. */
TCPSM__FN int tcpsm__syn_expire(struct tcpsm_stack *st)
{
    uint32_t q, i;
    for (q = TCPSM__Q_1; q < TCPSM__QUEUES; q++) {
        i = st->syn_queue[q].head;
        if (i == 0 || tcpsm__syn_at(st, i - 1)->due > st->now)
            continue;
        if (q >= TCPSM__Q_5)
            tcpsm__syn_remove(st, i - 1);
        else
            tcpsm__syn_queue(st, i - 1, TCPSM__Q_DUE, 0);
        return 1;
    }
    return 0;
}

/* One entry of the wheel whose time has come, or whose slot has. */
TCPSM__FN int tcpsm__wheel_expire(struct tcpsm_stack *st)
{
    uint32_t i;
    struct tcpsm__link *l;
    if (!tcpsm__wheel_turn(st))
        return 0;
    i = st->wheel.head[TCPSM__SLOT_CASCADE];
    l = tcpsm__link_at(st, i - 1);
    tcpsm__wheel_remove(st, i - 1);
    if (l->at <= st->now)
        tcpsm__wake_up(tcpsm__conn_at(st, i - 1));
    else
        tcpsm__wheel_arm(st, i - 1, l->at);
    return 1;
}

/* Up to n timers, even while others speak. 0: none was due. */
#define TCPSM__EXPIRE_FIRST 4u
TCPSM__FN int tcpsm__expire(struct tcpsm_stack *st, uint32_t n)
{
    uint32_t k;
    if (st->expired_at == st->now)
        return 0; /* nothing can have become due since */
    for (k = 0; k < n; k++)
        if (!tcpsm__syn_expire(st) && !tcpsm__wheel_expire(st)) {
            st->expired_at = st->now;
            return k != 0;
        }
    return 1;
}

enum {
    TCPSM__SAYS_NOBODY,
    TCPSM__SAYS_REPLY,
    TCPSM__SAYS_SYN,
    TCPSM__SAYS_CONN
};

/* Who speaks next? They take turns. */
TCPSM__FN uint32_t tcpsm__speaker(const struct tcpsm_stack *st)
{
    uint32_t k, who;
    for (k = 0; k < 3; k++) {
        who = 1 + (st->turn + k) % 3;
        if ((who == TCPSM__SAYS_REPLY && st->reply_n != 0) ||
            (who == TCPSM__SAYS_SYN &&
             st->syn_queue[TCPSM__Q_DUE].head != 0) ||
            (who == TCPSM__SAYS_CONN && st->ready.head != NULL))
            return who;
    }
    return TCPSM__SAYS_NOBODY;
}

TCPSM__FN uint8_t tcpsm__speaker_family(const struct tcpsm_stack *st,
                                        uint32_t who)
{
    uint32_t i;
    if (who == TCPSM__SAYS_REPLY)
        return tcpsm__reply_at(st, st->reply_first)->name.family;
    if (who == TCPSM__SAYS_CONN)
        return tcpsm__family(st->ready.head);
    i = st->syn_queue[TCPSM__Q_DUE].head - 1;
    return tcpsm__syn_at(st, i)->name.family;
}

TCPSM__FN tcpsm_ret tcpsm__say_it(struct tcpsm_stack *st, tcpsm_out *out,
                                  uint32_t who)
{
    tcpsm_ret n;
    switch (who) {
    case TCPSM__SAYS_REPLY:
        n = tcpsm__pop_reply(st, out);
        break;
    case TCPSM__SAYS_SYN:
        n = tcpsm__emit_syn(st, out);
        break;
    default:
        n = tcpsm__serve(st, out);
        break;
    }
    if (n > 0)
        st->turn = who % 3; /* the next one is asked first */
    return n;
}

/* The flow label (RFC 6437): constant, and nobody's to guess. */
TCPSM__FN void tcpsm__flow(const struct tcpsm_stack *st, tcpsm_out *out)
{
    uint32_t label =
        out->conn != NULL
            ? tcpsm__link_at(st, tcpsm__index(st, out->conn))->tag
            : tcpsm__tag(tcpsm__demux_name(st, &out->tuple));
    if (out->tuple.family != 6)
        return;
    label = tcpsm__max(label >> 12, 1);
    out->flow[0] = (uint8_t)(label >> 16);
    tcpsm__put16(out->flow + 1, label);
}

/* room: bytes that go before a segment of IPv4 and of IPv6. */
TCPSM__FN tcpsm_ret tcpsm__stack_speaks(struct tcpsm_stack *st,
                                        tcpsm_out *out, tcpsm_time now,
                                        const uint8_t room[2])
{
    uint32_t turn, who, head;
    tcpsm_ret n;
    tcpsm__clock(st, now);
    tcpsm__expire(st, TCPSM__EXPIRE_FIRST);
    for (turn = 0; turn < TCPSM__QUIET_TURNS; turn++) {
        TCPSM_STEP();
        who = tcpsm__speaker(st);
        if (who == TCPSM__SAYS_NOBODY) {
            if (!tcpsm__expire(st, 1))
                return 0;
            continue;
        }
        head = room[tcpsm__speaker_family(st, who) == 6];
        out->buf = (uint8_t *)out->buf + head;
        out->cap -= head;
        n = tcpsm__say_it(st, out, who);
        out->buf = (uint8_t *)out->buf - head;
        out->cap += head;
        if (n > 0)
            return n;
    }
    return 0;
}

TCPSM_DEF tcpsm_ret tcpsm_stack_output(tcpsm_stack *st, tcpsm_out *out,
                                       tcpsm_time now)
{
    static const uint8_t none[2] = {0, 0};
    tcpsm_ret n;
    if (st == NULL || out == NULL || out->buf == NULL)
        return TCPSM_E_ARG;
    if (out->cap < TCPSM_MIN_CAP)
        return TCPSM_E_SPACE;
    st->n.replies_lost += st->echo_n; /* only ip_output can send those */
    st->echo_n = 0;
    n = tcpsm__stack_speaks(st, out, now, none);
    if (n > 0)
        tcpsm__flow(st, out);
    return n;
}

TCPSM_DEF tcpsm_time tcpsm_stack_deadline(const tcpsm_stack *st)
{
    tcpsm_time d, t;
    uint32_t q, i;
    if (st->ready.head != NULL || st->reply_n != 0 || st->echo_n != 0 ||
        st->news_n != 0 || st->last != 0 ||
        st->syn_queue[TCPSM__Q_DUE].head != 0)
        return 0;
    d = tcpsm__wheel_deadline(&st->wheel);
    for (q = TCPSM__Q_1; q < TCPSM__QUEUES; q++) {
        i = st->syn_queue[q].head;
        if (i == 0)
            continue;
        t = tcpsm__syn_at(st, i - 1)->due;
        if (t < d)
            d = t;
    }
    return d <= st->now ? 0 : d;
}

/* --- the owner's calls --- */

TCPSM__FN int tcpsm__local_ok(const tcpsm_tuple *t)
{
    if (t->family != 4 && t->family != 6)
        return 0;
    return t->family == 6 || tcpsm__bytes_zero(t->local + 4, 12);
}

TCPSM_DEF tcpsm_ret tcpsm_stack_address(tcpsm_stack *st, const tcpsm_tuple *t,
                                        uint8_t prefix, uint32_t on)
{
    struct tcpsm__address *k;
    uint32_t i;
    if (st == NULL || t == NULL || !tcpsm__local_ok(t) ||
        prefix > tcpsm__alen(t->family) * 8u ||
        !tcpsm__unicast(t->local, t->family,
                        (st->proto.opts & TCPSM_LOOPBACK) != 0))
        return TCPSM_E_ARG;
    k = tcpsm__address_find(st, t->local, t->family, t->zone);
    if (!on) {
        if (k == NULL)
            return TCPSM_E_NONE;
        memset(k, 0, sizeof *k);
        st->addressed--;
        return 0;
    }
    for (i = 0; k == NULL && i < st->g.addresses; i++)
        if (tcpsm__address_at(st, i)->family == 0) {
            k = tcpsm__address_at(st, i);
            st->addressed++;
        }
    if (k == NULL)
        return TCPSM_E_SPACE;
    memcpy(k->ip, t->local, 16);
    k->zone = t->zone;
    k->family = t->family;
    k->prefix = prefix != 0 ? prefix : (uint8_t)(8 * tcpsm__alen(t->family));
    return 0;
}

/* proto for one's own configuration, or the stack's. */
TCPSM__FN tcpsm_ret tcpsm__proto(const struct tcpsm_stack *st,
                                 const tcpsm_config *f, tcpsm_conn *to)
{
    tcpsm_config own;
    if (f == NULL) {
        memcpy(to, &st->proto, sizeof *to);
        return 0;
    }
    own = *f;
    memcpy(own.key, st->key, 16);
    return tcpsm_init(to, &own);
}

/* What its SYN-ACKs will say, once for all. */
TCPSM__FN void tcpsm__offer_of(const struct tcpsm_stack *st,
                               struct tcpsm__listener *ls)
{
    tcpsm_conn *c = &ls->proto;
    uint32_t v6;
    c->rcv_cap = st->g.rcv;
    tcpsm__choose_scale(c);
    ls->scale = (uint8_t)tcpsm__rcv_shift(c);
    ls->wnd[1] = (uint16_t)tcpsm__min(tcpsm__room(c), 65535);
    c->scales = 0;
    ls->wnd[0] = (uint16_t)tcpsm__min(tcpsm__room(c), 65535);
    for (v6 = 0; v6 < 2; v6++) {
        c->opts =
            (uint16_t)((c->opts & ~TCPSM__O_V6) | (v6 ? TCPSM__O_V6 : 0));
        ls->mss[v6] = (uint16_t)tcpsm__adv_mss(c);
    }
    c->opts = (uint16_t)(c->opts & ~TCPSM__O_V6);
    c->rcv_cap = 0;
}

TCPSM__FN int tcpsm__listen_ok(const tcpsm_tuple *t, uint32_t flags)
{
    if (flags & ~3u)
        return 0;
    if (t->family == 0)
        return tcpsm__bytes_zero(t->local, 16) &&
               tcpsm__bytes_zero(t->remote, 16);
    return tcpsm__tuple_ok(t) && tcpsm__any_or_unicast(t->local, t->family) &&
           tcpsm__any_or_unicast(t->remote, t->family);
}

TCPSM_DEF tcpsm_ret tcpsm_stack_listen(tcpsm_stack *st, const tcpsm_tuple *t,
                                       uint32_t backlog, uint32_t flags,
                                       const tcpsm_config *f)
{
    struct tcpsm__listener *ls = NULL;
    uint32_t i, at = 0;
    uint16_t *b;
    tcpsm_ret e;
    if (st == NULL || t == NULL || !tcpsm__listen_ok(t, flags))
        return TCPSM_E_ARG;
    for (i = 0; i < st->g.listeners; i++) {
        ls = tcpsm__listener_at(st, i);
        if (ls->used && tcpsm__same_name(&ls->name, t) &&
            ((ls->flags ^ flags) & TCPSM_LISTEN_ANY_ZONE) == 0)
            return TCPSM_E_STATE; /* RFC9293-MUST-41 */
        if (!ls->used && at == 0)
            at = i + 1;
    }
    if (at == 0)
        return TCPSM_E_SPACE;
    ls = tcpsm__listener_at(st, at - 1);
    e = tcpsm__proto(st, f, &ls->proto);
    if (e < 0) {
        memset(ls, 0, sizeof *ls);
        return e;
    }
    ls->name = *t;
    ls->name.zero = 0;
    ls->backlog = tcpsm__or(backlog, st->g.conns);
    ls->waiting = 0;
    ls->flags = (uint16_t)flags;
    ls->used = 1;
    tcpsm__offer_of(st, ls);
    b = tcpsm__port_bucket(st, t->local_port);
    ls->chain = *b;
    *b = (uint16_t)at;
    st->listening++;
    return (tcpsm_ret)(at - 1);
}

/* Unaccepted connections of a listener that goes: reset, and released. */
TCPSM__FN void tcpsm__unlisten_accept(struct tcpsm_stack *st, uint32_t number)
{
    struct tcpsm__queue old = st->accept;
    uint32_t i;
    st->accept.head = st->accept.tail = 0;
    while ((i = tcpsm__queue_pop(st, &old)) != 0) {
        TCPSM_STEP();
        if (tcpsm__link_at(st, i - 1)->listener != number + 1) {
            tcpsm__queue_push(st, &st->accept, i - 1);
            continue;
        }
        st->unaccepted--;
        st->orphans++;
        tcpsm__link_at(st, i - 1)->flags |= TCPSM__L_RELEASED;
        (void)tcpsm_abort(tcpsm__conn_at(st, i - 1));
        tcpsm__wake_up(tcpsm__conn_at(st, i - 1));
    }
}

TCPSM_DEF tcpsm_ret tcpsm_stack_unlisten(tcpsm_stack *st, tcpsm_ret number)
{
    struct tcpsm__listener *ls;
    struct tcpsm__syn *e;
    struct tcpsm__reply *r;
    uint16_t *b;
    uint32_t i, n = (uint32_t)number;
    if (st == NULL || number < 0 || n >= st->g.listeners ||
        !tcpsm__listener_at(st, n)->used)
        return TCPSM_E_NONE;
    ls = tcpsm__listener_at(st, n);
    for (i = 0; i < st->g.syns; i++) {
        e = tcpsm__syn_at(st, i);
        if (e->queue == TCPSM__Q_FREE || e->listener != n)
            continue;
        r = tcpsm__answer(st, &e->name);
        if (r != NULL) {
            r->flags = TCPSM__RST | TCPSM__ACK;
            r->seq = e->tries != 0 ? e->iss + 1 : 0;
            r->ack = e->irs + 1;
        }
        tcpsm__syn_remove(st, i);
    }
    tcpsm__unlisten_accept(st, n);
    for (b = tcpsm__port_bucket(st, ls->name.local_port); *b != n + 1;)
        b = &tcpsm__listener_at(st, (uint32_t)*b - 1)->chain;
    *b = ls->chain;
    memset(ls, 0, sizeof *ls);
    st->listening--;
    return 0;
}

TCPSM_DEF tcpsm_ret tcpsm_stack_ask(tcpsm_stack *st, tcpsm_tuple *who)
{
    struct tcpsm__syn *e;
    uint32_t i;
    if (st == NULL || who == NULL)
        return TCPSM_E_ARG;
    i = st->ask;
    if (i == 0)
        return TCPSM_E_NONE;
    e = tcpsm__syn_at(st, i - 1);
    st->ask = e->next;
    *who = e->name;
    return (tcpsm_ret)((i - 1) | (uint32_t)(e->gen & 0x7FFu) << 20);
}

TCPSM_DEF tcpsm_ret tcpsm_stack_answer(tcpsm_stack *st, tcpsm_ret ask,
                                       uint32_t verdict)
{
    uint32_t i = (uint32_t)ask & 0xFFFFFu, gen = (uint32_t)ask >> 20;
    struct tcpsm__reply *r;
    struct tcpsm__syn *e;
    if (st == NULL || verdict > TCPSM_IGNORE)
        return TCPSM_E_ARG;
    if (ask < 0 || i >= st->g.syns)
        return TCPSM_E_NONE;
    e = tcpsm__syn_at(st, i);
    if (e->queue != TCPSM__Q_HELD || (e->gen & 0x7FFu) != gen)
        return TCPSM_E_NONE;
    if (verdict == TCPSM_ACCEPT) {
        tcpsm__syn_queue(st, i, TCPSM__Q_DUE, 0);
        return 0;
    }
    if (verdict == TCPSM_RESET) {
        r = tcpsm__answer(st, &e->name);
        if (r != NULL) {
            r->flags = TCPSM__RST | TCPSM__ACK;
            r->ack = e->irs + 1;
        }
    }
    tcpsm__syn_remove(st, i);
    return 0;
}

TCPSM_DEF tcpsm_conn *tcpsm_stack_accept(tcpsm_stack *st, tcpsm_ret *listener)
{
    struct tcpsm__link *l;
    uint32_t i;
    if (st == NULL)
        return NULL;
    i = tcpsm__queue_pop(st, &st->accept);
    if (i == 0)
        return NULL;
    l = tcpsm__link_at(st, i - 1);
    l->flags |= TCPSM__L_YOURS;
    tcpsm__listener_at(st, (uint32_t)l->listener - 1)->waiting--;
    st->unaccepted--;
    if (listener != NULL)
        *listener = (tcpsm_ret)l->listener - 1;
    tcpsm__news(st, i - 1);
    return tcpsm__conn_at(st, i - 1);
}

/* How many leading bits two addresses share; 128: all. */
TCPSM__FN uint32_t tcpsm__common_bits(const uint8_t *a, const uint8_t *b)
{
    uint32_t n = 0;
    while (n < 128 && !((a[n / 8] ^ b[n / 8]) >> (7 - n % 8) & 1))
        n++;
    return n;
}

/* RFC 6724 in short: the address whose network the other one is in, else
   the first. */
TCPSM__FN const struct tcpsm__address *
tcpsm__source_for(const struct tcpsm_stack *st, const tcpsm_tuple *t)
{
    const struct tcpsm__address *best = NULL, *k;
    uint32_t i, most = 0, same;
    for (i = 0; i < st->g.addresses; i++) {
        k = tcpsm__address_at(st, i);
        if (k->family != t->family || k->zone != t->zone)
            continue;
        same = tcpsm__common_bits(k->ip, t->remote);
        if (best == NULL || (same >= k->prefix && k->prefix > most)) {
            best = k;
            most = same >= k->prefix ? k->prefix : 0;
        }
        TCPSM_STEP();
    }
    return best;
}

TCPSM__FN int tcpsm__taken(struct tcpsm_stack *st, const tcpsm_tuple *t)
{
    uint64_t hash = tcpsm__demux_name(st, t);
    return tcpsm__find(st, t, hash) != NULL ||
           tcpsm__syn_find(st, t, hash) != NULL ||
           tcpsm__tw_find(st, t, hash, 0) != NULL;
}

TCPSM__FN int tcpsm__listened(const struct tcpsm_stack *st, uint16_t port)
{
    uint32_t i = *tcpsm__port_bucket(st, port);
    while (i != 0 && tcpsm__listener_at(st, i - 1)->name.local_port != port)
        i = tcpsm__listener_at(st, i - 1)->chain;
    return i != 0;
}

/* RFC 6056 s3.3.4: each destination has a sequence of its own. */
TCPSM__FN int tcpsm__choose_port(struct tcpsm_stack *st, tcpsm_tuple *t)
{
    uint32_t n = (uint32_t)st->port_last - st->port_first + 1, i, at;
    uint32_t *count;
    uint64_t f;
    t->local_port = 0;
    f = tcpsm__name_hash(st->key, t, 3);
    count = &st->port_at[f >> 61];
    for (i = 0; i < n; i++) {
        at = ((uint32_t)f + (*count)++) % n;
        t->local_port = (uint16_t)(st->port_first + at);
        TCPSM_STEP();
        if (!tcpsm__taken(st, t) && !tcpsm__listened(st, t->local_port))
            return 1;
    }
    return 0;
}

TCPSM__FN tcpsm_ret tcpsm__connect_name(struct tcpsm_stack *st,
                                        tcpsm_tuple *t)
{
    const struct tcpsm__address *k;
    if (tcpsm__bytes_zero(t->local, 16)) {
        k = tcpsm__source_for(st, t);
        if (k == NULL)
            return TCPSM_E_NONE;
        memcpy(t->local, k->ip, 16);
    } else if (!tcpsm__local(st, t->local, t->family, t->zone)) {
        return TCPSM_E_NONE;
    }
    if (t->local_port == 0)
        return tcpsm__choose_port(st, t) ? 0 : TCPSM_E_SPACE;
    return tcpsm__taken(st, t) ? TCPSM_E_STATE : 0;
}

/* A connection that is the caller's from the beginning. */
TCPSM__FN void tcpsm__adopt(struct tcpsm_stack *st, uint32_t i)
{
    tcpsm_conn *c = tcpsm__conn_at(st, i);
    tcpsm_tuple t;
    tcpsm__tuple_of(c, &t);
    tcpsm__link_at(st, i)->flags |= TCPSM__L_YOURS;
    tcpsm__hash_add(st, i, tcpsm__demux_name(st, &t));
    tcpsm_set_wake(c, &st->ready);
    tcpsm__news(st, i);
}

TCPSM_DEF tcpsm_ret tcpsm_stack_connect(tcpsm_stack *st, const tcpsm_tuple *t,
                                        const tcpsm_config *f,
                                        tcpsm_conn **out, tcpsm_time now)
{
    tcpsm_tuple name;
    tcpsm_conn *c;
    uint32_t i;
    tcpsm_ret e;
    if (st == NULL || t == NULL || out == NULL || !tcpsm__tuple_ok(t) ||
        t->remote_port == 0 ||
        !tcpsm__unicast(t->remote, t->family,
                        (st->proto.opts & TCPSM_LOOPBACK) != 0) ||
        (t->family == 4 && tcpsm__broadcast(st, t->remote, t->zone)))
        return TCPSM_E_ARG;
    tcpsm__clock(st, now);
    name = *t;
    name.zero = 0;
    if (!tcpsm__room_for_one(st))
        return TCPSM_E_SPACE;
    e = tcpsm__connect_name(st, &name);
    if (e < 0)
        return e;
    e = tcpsm__proto(st, f, &st->scratch);
    if (e < 0)
        return e;
    i = tcpsm__birth(st, &st->scratch, st->g.rings != 0);
    c = tcpsm__conn_at(st, i - 1);
    e = tcpsm_open(c, &name, st->now);
    if (e < 0) {
        tcpsm__death(st, i - 1);
        return e;
    }
    tcpsm__adopt(st, i - 1);
    *out = c;
    return 0;
}

TCPSM_DEF tcpsm_conn *tcpsm_stack_next(tcpsm_stack *st, uint32_t *taken)
{
    struct tcpsm__link *l;
    tcpsm_conn *c;
    uint32_t i, ev, turn;
    if (st == NULL)
        return NULL;
    i = st->last; /* named for the last time, a call ago */
    st->last = 0;
    if (i != 0 && !tcpsm__is(tcpsm__conn_at(st, i - 1), TCPSM__F_WOKEN))
        tcpsm__death(st, i - 1);
    if (st->round == 0)
        st->round = st->news_n + 1;
    for (turn = 0; turn < TCPSM__QUIET_TURNS && --st->round != 0; turn++) {
        i = tcpsm__queue_pop(st, &st->news);
        st->news_n--;
        l = tcpsm__link_at(st, i - 1);
        l->flags = (uint8_t)(l->flags & ~TCPSM__L_NEWS);
        c = tcpsm__conn_at(st, i - 1);
        ev = tcpsm_take(c);
        TCPSM_STEP();
        if (l->flags & TCPSM__L_RELEASED) {
            if (!tcpsm__is(c, TCPSM__F_WOKEN) && c->state == TCPSM_CLOSED &&
                !tcpsm__is(c, TCPSM__F_RST_DUE)) {
                if (!tcpsm__holds(st, i - 1)) {
                    tcpsm__death(st, i - 1);
                    continue;
                }
                l->flags |= TCPSM__L_LAST;
                st->last = i;
            } else {
                continue;
            }
        } else if (ev == 0) {
            continue;
        }
        if (taken != NULL)
            *taken = ev;
        return c;
    }
    return NULL;
}

TCPSM_DEF tcpsm_ret tcpsm_stack_release(tcpsm_stack *st, tcpsm_conn *c)
{
    struct tcpsm__link *l;
    uint32_t i;
    if (st == NULL || c == NULL || !tcpsm__ours(st, c))
        return TCPSM_E_ARG;
    i = tcpsm__index(st, c);
    l = tcpsm__link_at(st, i);
    if ((l->flags & (TCPSM__L_YOURS | TCPSM__L_RELEASED)) != TCPSM__L_YOURS)
        return TCPSM_E_ARG;
    l->flags |= TCPSM__L_RELEASED;
    st->orphans++;
    if (c->k_uto == TCPSM__K_OFF && c->k_linger == TCPSM__K_OFF)
        (void)tcpsm_set(c, TCPSM_SET_USER_TIMEOUT, 300000); /* bounded */
    if (c->k_syn_limit == TCPSM__K_OFF)
        (void)tcpsm_set(c, TCPSM_SET_SYN_LIMIT, 180000);
    (void)tcpsm_close(c);
    c->events = 0;
    if (!tcpsm__is(c, TCPSM__F_WOKEN) && c->state == TCPSM_CLOSED &&
        !tcpsm__is(c, TCPSM__F_RST_DUE))
        tcpsm__over(st, i);
    else
        tcpsm__wake_up(c);
    return 0;
}

TCPSM_DEF tcpsm_ret tcpsm_stack_forget(tcpsm_stack *st, tcpsm_conn *c)
{
    struct tcpsm__link *l;
    uint32_t i;
    if (st == NULL || c == NULL || !tcpsm__ours(st, c))
        return TCPSM_E_ARG;
    i = tcpsm__index(st, c);
    l = tcpsm__link_at(st, i);
    if ((l->flags & (TCPSM__L_YOURS | TCPSM__L_RELEASED)) != TCPSM__L_YOURS)
        return TCPSM_E_ARG;
    tcpsm__hash_remove(st, i);
    tcpsm__wheel_remove(st, i);
    l->flags = (uint8_t)((l->flags & ~TCPSM__L_COOKIE) | TCPSM__L_RELEASED);
    st->orphans++;
    tcpsm__finish(c, 0);
    c->flags |= TCPSM__F_CLOSED;
    c->rcv_len = c->rcv_head = 0;
    c->events = 0;
    c->p.rcv = c->p.snd = NULL; /* never touched again */
    c->p.tables = NULL;
    c->rcv_cap = c->snd_cap = 0;
    c->table_cap = 0;
    if (!tcpsm__is(c, TCPSM__F_WOKEN)) /* else output does it */
        tcpsm__over(st, i);
    return 0;
}

TCPSM_DEF tcpsm_ret tcpsm_stack_import(tcpsm_stack *st, const void *blob,
                                       uint32_t len, const tcpsm_config *f,
                                       const tcpsm_span rings[2],
                                       tcpsm_conn **out, tcpsm_time now)
{
    tcpsm_config own;
    tcpsm_tuple t;
    tcpsm_conn *c;
    uint32_t i;
    tcpsm_ret e;
    if (st == NULL || blob == NULL || out == NULL)
        return TCPSM_E_ARG;
    tcpsm__clock(st, now);
    i = tcpsm__birth(st, &st->proto, rings == NULL && st->g.rings != 0);
    if (i == 0)
        return TCPSM_E_SPACE;
    c = tcpsm__conn_at(st, i - 1);
    if (rings != NULL && rings[0].n != 0)
        (void)tcpsm_attach(c, TCPSM_RECEIVE, rings[0].p, rings[0].n, NULL);
    if (rings != NULL && rings[1].n != 0)
        (void)tcpsm_attach(c, TCPSM_SEND, rings[1].p, rings[1].n, NULL);
    own = f != NULL ? *f : st->config;
    memcpy(own.key, st->key, 16);
    e = tcpsm_import(c, &own, blob, len, st->now);
    if (e == 0 && c->state <= TCPSM_LISTEN)
        e = TCPSM_E_STATE;
    if (e == 0) {
        tcpsm__tuple_of(c, &t);
        if (tcpsm__taken(st, &t))
            e = TCPSM_E_STATE;
    }
    if (e < 0) {
        tcpsm__death(st, i - 1);
        return e;
    }
    tcpsm__adopt(st, i - 1);
    *out = c;
    return 0;
}

TCPSM_DEF uint64_t tcpsm_stack_ref(const tcpsm_stack *st, const tcpsm_conn *c)
{
    uint32_t i;
    if (st == NULL || c == NULL || !tcpsm__ours(st, c))
        return 0;
    i = tcpsm__index(st, c);
    return (uint64_t)(tcpsm__link_at(st, i)->gen + 1) << 32 | i;
}

TCPSM_DEF tcpsm_conn *tcpsm_stack_deref(const tcpsm_stack *st, uint64_t ref)
{
    const uint8_t mask = TCPSM__L_USED | TCPSM__L_YOURS | TCPSM__L_RELEASED;
    const struct tcpsm__link *l;
    uint32_t i = (uint32_t)ref;
    if (st == NULL || i >= st->g.conns)
        return NULL;
    l = tcpsm__link_at(st, i);
    if ((l->flags & mask) != (TCPSM__L_USED | TCPSM__L_YOURS) ||
        (uint32_t)(l->gen + 1) != (uint32_t)(ref >> 32))
        return NULL;
    return tcpsm__conn_at(st, i);
}

TCPSM_DEF tcpsm_conn *tcpsm_stack_walk(const tcpsm_stack *st, uint32_t *at)
{
    if (st == NULL || at == NULL)
        return NULL;
    while (*at < st->g.conns) {
        (*at)++;
        TCPSM_STEP();
        if (tcpsm__link_at(st, *at - 1)->flags & TCPSM__L_USED)
            return tcpsm__conn_at(st, *at - 1);
    }
    return NULL;
}

TCPSM__FN int tcpsm__matches(const tcpsm_conn *c, const tcpsm_tuple *t)
{
    if (c->state == TCPSM_CLOSED)
        return 0;
    if ((t->family != 0 && t->family != tcpsm__family(c)) ||
        (t->zone != 0 && t->zone != c->zone))
        return 0;
    if ((t->local_port != 0 && t->local_port != c->local_port) ||
        (t->remote_port != 0 && t->remote_port != c->remote_port))
        return 0;
    return (tcpsm__bytes_zero(t->local, 16) ||
            tcpsm__bytes_equal(t->local, c->local, 16)) &&
           (tcpsm__bytes_zero(t->remote, 16) ||
            tcpsm__bytes_equal(t->remote, c->remote, 16));
}

TCPSM_DEF tcpsm_ret tcpsm_stack_abort(tcpsm_stack *st, const tcpsm_tuple *t)
{
    tcpsm_conn *c;
    uint32_t at = 0;
    tcpsm_ret n = 0;
    if (st == NULL || t == NULL)
        return TCPSM_E_ARG;
    while ((c = tcpsm_stack_walk(st, &at)) != NULL) {
        if (!tcpsm__matches(c, t))
            continue;
        (void)tcpsm_abort(c);
        n++;
    }
    return n;
}

TCPSM_DEF void tcpsm_stack_status(const tcpsm_stack *st,
                                  struct tcpsm_stack_info *n)
{
    uint32_t i;
    *n = st->n;
    n->conns = st->used;
    n->conn_cap = st->g.conns;
    n->orphans = st->orphans;
    n->unaccepted = st->unaccepted;
    n->syns = st->syns;
    n->syn_cap = st->g.syns;
    n->held = st->held;
    for (i = 0; i < st->g.timewaits; i++)
        n->timewaits += tcpsm__tw_live(tcpsm__tw_at(st, i)) &&
                        !tcpsm__tw_expired(st, tcpsm__tw_at(st, i));
    n->timewait_cap = st->g.timewaits;
    n->rings = st->rings;
    n->ring_cap = st->g.rings;
    n->replies = st->reply_n + st->echo_n;
    n->reply_cap = st->g.replies;
    n->listeners = st->listening;
    n->addresses = st->addressed;
    n->bytes = st->g.total;
}

/* --- invariants --- */

TCPSM__FN int tcpsm__in_bucket(const struct tcpsm_stack *st, uint32_t i)
{
    tcpsm_tuple t;
    uint32_t k;
    tcpsm__tuple_of(tcpsm__conn_at(st, i), &t);
    k = *tcpsm__bucket(st, tcpsm__demux_name(st, &t));
    while (k != 0 && k != i + 1)
        k = tcpsm__link_at(st, k - 1)->chain;
    return k != 0;
}

/* One connection and its link. */
TCPSM__FN tcpsm_ret tcpsm__check_link(const struct tcpsm_stack *st,
                                      uint32_t i)
{
    const struct tcpsm__link *l = tcpsm__link_at(st, i);
    const tcpsm_conn *c = tcpsm__conn_at(st, i);
    tcpsm_time d;
    tcpsm_ret e = tcpsm_check(c);
    if (e < 0)
        return e;
    if (c->p.wake != &st->ready)
        return -202;
    if ((l->flags & TCPSM__L_HASHED) && !tcpsm__in_bucket(st, i))
        return -203;
    if (c->state != TCPSM_CLOSED && !(l->flags & TCPSM__L_HASHED))
        return -204;
    if (l->slot != TCPSM__SLOT_NONE && l->slot >= TCPSM__SLOTS)
        return -205;
    if (tcpsm__is(c, TCPSM__F_WOKEN) || c->state == TCPSM_CLOSED)
        return 0;
    d = tcpsm_deadline(c); /* law 7: it waits in the wheel, or for ever */
    if (d != TCPSM_NEVER && (l->slot == TCPSM__SLOT_NONE || l->at > d))
        return -206;
    return 0;
}

TCPSM__FN tcpsm_ret tcpsm__check_conns(const struct tcpsm_stack *st)
{
    uint32_t i, used = 0, orphans = 0, woken = 0, news = 0, rings = 0, n;
    const tcpsm_conn *c;
    tcpsm_ret e;
    for (i = 0; i < st->g.conns; i++) {
        uint8_t f = tcpsm__link_at(st, i)->flags;
        if (!(f & TCPSM__L_USED))
            continue;
        used++;
        orphans += (f & TCPSM__L_RELEASED) != 0;
        news += (f & TCPSM__L_NEWS) != 0;
        rings += tcpsm__link_at(st, i)->ring != 0;
        woken += (uint32_t)tcpsm__is(tcpsm__conn_at(st, i), TCPSM__F_WOKEN);
        e = tcpsm__check_link(st, i);
        if (e < 0)
            return e;
    }
    if (used != st->used || orphans != st->orphans || rings != st->rings)
        return -210;
    for (n = 0, i = st->free_conn; i != 0 && n <= st->g.conns; n++)
        i = tcpsm__link_at(st, i - 1)->queue;
    if (n + used != st->g.conns)
        return -211;
    for (n = 0, i = st->news.head; i != 0 && n <= st->g.conns; n++) {
        if (!(tcpsm__link_at(st, i - 1)->flags & TCPSM__L_NEWS))
            return -212;
        i = tcpsm__link_at(st, i - 1)->queue;
    }
    if (n != news || n != st->news_n)
        return -213;
    for (n = 0, i = st->accept.head; i != 0 && n <= st->g.conns; n++) {
        if (tcpsm__link_at(st, i - 1)->flags &
            (TCPSM__L_YOURS | TCPSM__L_NEWS))
            return -214;
        i = tcpsm__link_at(st, i - 1)->queue;
    }
    if (n != st->unaccepted)
        return -215;
    for (n = 0, c = st->ready.head; c != NULL; c = c->p.wake_next, n++)
        if (!tcpsm__ours(st, c) || !tcpsm__is(c, TCPSM__F_WOKEN) ||
            (c->p.wake_next == NULL && c != st->ready.tail))
            return -216;
    return n == woken ? 0 : -217;
}

TCPSM__FN tcpsm_ret tcpsm__check_wheel(const struct tcpsm_stack *st)
{
    const struct tcpsm__wheel *w = &st->wheel;
    const struct tcpsm__link *l;
    uint32_t s, i, prev, n = 0, armed = 0;
    for (i = 0; i < st->g.conns; i++)
        armed += tcpsm__link_at(st, i)->slot != TCPSM__SLOT_NONE;
    for (s = 0; s < TCPSM__SLOTS; s++) {
        if (s < TCPSM__SLOT_FAR && (((uint32_t)w->map[s / 16] >> (s % 16) &
                                     1u) == 0) != (w->head[s] == 0))
            return -220;
        prev = 0;
        for (i = w->head[s]; i != 0 && n <= st->g.conns; i = l->next) {
            l = tcpsm__link_at(st, i - 1);
            if (l->prev != prev || (prev == 0 && l->slot != s))
                return -221;
            if (s != TCPSM__SLOT_CASCADE &&
                (l->at < w->min[s] || l->slot != s ||
                 tcpsm__slot_of(w, l->at) != s))
                return -222;
            prev = i;
            n++;
        }
    }
    return n == armed ? 0 : -223;
}

TCPSM__FN tcpsm_ret tcpsm__check_syns(const struct tcpsm_stack *st)
{
    const struct tcpsm__syn *e;
    uint32_t q, i, prev, n = 0, held = 0;
    tcpsm_time last;
    for (q = TCPSM__Q_DUE; q < TCPSM__QUEUES; q++) {
        prev = 0;
        last = 0;
        for (i = st->syn_queue[q].head; i != 0 && n <= st->g.syns;
             i = e->next) {
            e = tcpsm__syn_at(st, i - 1);
            if (e->prev != prev || e->queue != q || e->due < last)
                return -230;
            if (tcpsm__syn_find(st, &e->name,
                                tcpsm__demux_name(st, &e->name)) != e)
                return -231;
            if (!tcpsm__listener_at(st, e->listener)->used)
                return -232;
            last = e->due;
            prev = i;
            n++;
            held += q == TCPSM__Q_HELD;
        }
        if (st->syn_queue[q].tail != prev)
            return -233;
    }
    if (n != st->syns || held != st->held)
        return -234;
    for (i = st->free_syn; i != 0 && n <= st->g.syns; n++)
        i = tcpsm__syn_at(st, i - 1)->chain;
    return n == st->g.syns ? 0 : -235;
}

TCPSM__FN tcpsm_ret tcpsm__check_timewaits(const struct tcpsm_stack *st)
{
    const struct tcpsm__timewait *w;
    tcpsm_tuple t;
    uint32_t i, k, n = 0;
    for (i = 0; i < st->g.timewaits; i++) {
        w = tcpsm__tw_at(st, i);
        if (!tcpsm__tw_live(w))
            continue;
        n++;
        t = tcpsm__tw_name(w);
        k = *tcpsm__tw_bucket(st, tcpsm__demux_name(st, &t));
        while (k != 0 && k != i + 1)
            k = tcpsm__tw_at(st, k - 1)->more & TCPSM__TW_CHAIN;
        if (k == 0)
            return -241;
    }
    if (n != st->timewaits)
        return -242;
    for (i = st->free_timewait; i != 0 && n <= st->g.timewaits; n++)
        i = tcpsm__tw_at(st, i - 1)->more;
    if (n != st->g.timewaits)
        return -243;
    return 0;
}

TCPSM_DEF tcpsm_ret tcpsm_stack_check(const tcpsm_stack *st)
{
    uint32_t i, n;
    tcpsm_ret e;
    if (st == NULL || st->magic != TCPSM__MAGIC ||
        st->self != (uint64_t)(uintptr_t)st)
        return -200;
    if (st->reply_n > st->g.replies || st->reply_first >= st->g.replies ||
        st->echo_n > TCPSM__ECHOES || st->timewait_hand >= st->g.timewaits)
        return -201;
    for (n = 0, i = st->free_ring; i != 0 && n <= st->g.rings; n++)
        i = *tcpsm__ring_next(st, i - 1);
    if (n + st->rings != st->g.rings)
        return -207;
    e = tcpsm__check_conns(st);
    if (e == 0)
        e = tcpsm__check_wheel(st);
    if (e == 0)
        e = tcpsm__check_syns(st);
    return e == 0 ? tcpsm__check_timewaits(st) : e;
}
#endif /* TCPSM_NO_STACK */

/* ---- >>ip -----------------------------------------------------------
   Datagrams in and out: RFC 791, RFC 8200. No fragments are joined. */

#ifndef TCPSM_NO_STACK

/* One step over the options of a header of len bytes: where the next one
   is, or 0: this one wants the packet to be dropped (RFC 8200 s4.2), or
   cannot be stepped over. */
TCPSM__FN uint32_t tcpsm__ext_option(const uint8_t *p, uint32_t len,
                                     uint32_t at)
{
    if (p[at] == 0)
        return at + 1;
    if (len - at < 2 || p[at] >> 6 != 0 || 2u + p[at + 1] > len - at)
        return 0;
    return at + 2u + p[at + 1];
}

#define TCPSM__EXT_OPTIONS 16u /* RFC 8504 s5.3 lets a host set a limit */
TCPSM__FN int tcpsm__ext_options(const uint8_t *p, uint32_t len)
{
    uint32_t at = 2, n = 0;
    while (at != 0 && at < len && n++ < TCPSM__EXT_OPTIONS) {
        at = tcpsm__ext_option(p, len, at);
        TCPSM_STEP();
    }
    return at != 0 && at >= len;
}

/* Passes over one IPv6 extension header at p[at..n): returns the offset
   behind it and its successor in *next, or 0: not to be used. Total for
   every at <= n. */
TCPSM__FN uint32_t tcpsm__ext_step(const uint8_t *p, uint32_t n, uint32_t at,
                                   uint8_t *next)
{
    uint32_t len;
    uint8_t kind = *next;
    if (n - at < 8)
        return 0;
    *next = p[at];
    len = 8u * p[at + 1] + 8u;
    if (len > n - at && kind != 44 && kind != 51)
        return 0;
    switch (kind) {
    case 0:  /* hop-by-hop */
    case 60: /* destination options */
        if (!tcpsm__ext_options(p + at, len))
            return 0;
        break;
    case 43: /* routing: done with it, or not for us */
        if (p[at + 3] != 0)
            return 0;
        break;
    case 44: /* an atomic fragment is none (RFC 6946) */
        if ((tcpsm__get16(p + at + 2) & 0xFFF9u) != 0)
            return 0;
        len = 8;
        break;
    case 51: /* authentication: counted in 32-bit words */
        len = 4u * p[at + 1] + 8u;
        break;
    default:
        return 0;
    }
    return len > n - at ? 0 : at + len;
}

#define TCPSM__EXT_MOST 8u

TCPSM__FN tcpsm_ret tcpsm__ip6_parse(const uint8_t *p, uint32_t n,
                                     tcpsm_in *in)
{
    uint32_t at = 40, i, len;
    uint8_t next;
    if (n < 40)
        return TCPSM_E_ARG;
    len = (uint32_t)40 + tcpsm__get16(p + 4); /* no jumbograms */
    if (len > n)
        return TCPSM_E_ARG;
    next = p[6];
    in->src = p + 8;
    in->dst = p + 24;
    in->family = 6;
    in->tos = (uint8_t)(tcpsm__get16(p) >> 4);
    for (i = 0; next != 6 && next != 58; i++) {
        if (i == TCPSM__EXT_MOST)
            return TCPSM_E_ARG;
        at = tcpsm__ext_step(p, len, at, &next);
        if (at == 0 || next == 0) /* hop-by-hop comes first, or never */
            return TCPSM_E_ARG;
        TCPSM_STEP();
    }
    in->data = p + at;
    in->len = len - at;
    return next;
}

TCPSM__FN tcpsm_ret tcpsm__ip4_parse(const uint8_t *p, uint32_t n,
                                     tcpsm_in *in)
{
    uint32_t hdr, len;
    if (n < 20)
        return TCPSM_E_ARG;
    hdr = (p[0] & 15u) * 4u;
    len = tcpsm__get16(p + 2);
    if (hdr < 20 || hdr > len || len > n) /* beyond len is padding */
        return TCPSM_E_ARG;
    if (tcpsm__sum_plain(NULL, p, hdr) != 0xFFFFu)
        return TCPSM_E_ARG;
    if ((tcpsm__get16(p + 6) & 0x3FFFu) != 0) /* MF, or an offset */
        return TCPSM_E_ARG;
    in->src = p + 12;
    in->dst = p + 16;
    in->family = 4;
    in->tos = p[1];
    in->data = p + hdr; /* RFC9293-MUST-50: options are passed over */
    in->len = len - hdr;
    return p[9];
}

TCPSM_DEF tcpsm_ret tcpsm_ip_parse(const void *datagram, uint32_t len,
                                   tcpsm_in *in)
{
    const uint8_t *p = (const uint8_t *)datagram;
    if (p == NULL || in == NULL || len == 0)
        return TCPSM_E_ARG;
    if (p[0] >> 4 == 4)
        return tcpsm__ip4_parse(p, len, in);
    return p[0] >> 4 == 6 ? tcpsm__ip6_parse(p, len, in) : TCPSM_E_ARG;
}

/* The header of a datagram with n bytes behind p. DF is set, so the ID is
   nobody's to see (RFC 6864 s4.1). */
TCPSM__FN tcpsm_ret tcpsm__ip_head(uint8_t *p, uint32_t n,
                                   const tcpsm_out *out, uint8_t protocol)
{
    const tcpsm_tuple *t = &out->tuple;
    if (t->family == 6) {
        if (n > 65535u)
            return TCPSM_E_ARG;
        p -= 40;
        p[0] = (uint8_t)(0x60u | out->tos >> 4);
        p[1] = (uint8_t)((uint32_t)out->tos << 4 | (out->flow[0] & 15u));
        p[2] = out->flow[1];
        p[3] = out->flow[2];
        tcpsm__put16(p + 4, n);
        p[6] = protocol;
        p[7] = out->ttl;
        memcpy(p + 8, t->local, 16);
        memcpy(p + 24, t->remote, 16);
        return 40;
    }
    if (n > 65515u)
        return TCPSM_E_ARG;
    p -= 20;
    p[0] = 0x45;
    p[1] = out->tos;
    tcpsm__put16(p + 2, 20u + n);
    tcpsm__put32(p + 4, 0x4000u);
    p[8] = out->ttl;
    p[9] = protocol;
    tcpsm__put16(p + 10, 0);
    memcpy(p + 12, t->local, 4);
    memcpy(p + 16, t->remote, 4);
    tcpsm__put16(p + 10, ~tcpsm__sum_plain(NULL, p, 20) & 0xFFFFu);
    return 20;
}

TCPSM_DEF tcpsm_ret tcpsm_ip_build(void *p, uint32_t n, const tcpsm_out *out)
{
    if (p == NULL || out == NULL || n > 65535u ||
        (out->tuple.family != 4 && out->tuple.family != 6))
        return TCPSM_E_ARG;
    return tcpsm__ip_head((uint8_t *)p, n + out->ref[0].n + out->ref[1].n,
                          out, 6);
}

/* --- ICMP --- */

TCPSM__FN uint32_t tcpsm__icmp_sum(const uint8_t *src, const uint8_t *dst,
                                   uint8_t family, const uint8_t *m,
                                   uint32_t n)
{
    uint32_t sum = tcpsm__sum(m, n);
    if (family == 6) /* RFC 4443 s2.3: protocol 58, where TCP has 6 */
        sum += tcpsm__sum_pseudo(src, dst, 6, n) + 52u;
    return tcpsm__fold(sum);
}

/* RFC 1122 s3.2.2.6, RFC 4443 s4.2: all that came goes back. Note: what
   the link could not carry is dropped, not truncated; IPv6 forbids that, and
   it came by a path with another MTU than ours. */
TCPSM__FN uint8_t tcpsm__echo_take(struct tcpsm_stack *st, const tcpsm_in *in)
{
    const uint8_t *m = (const uint8_t *)in->data;
    uint32_t at = st->echo_first + st->echo_n, n = tcpsm__alen(in->family);
    struct tcpsm__echo *e;
    uint8_t *p;
    int loopback = (st->proto.opts & TCPSM_LOOPBACK) != 0;
    if (!(st->flags & TCPSM_ECHO) ||
        in->len > st->proto.mtu - (in->family == 4 ? 20u : 40u) ||
        !tcpsm__unicast(in->src, in->family, loopback) ||
        !tcpsm__unicast(in->dst, in->family, loopback) ||
        (in->flags & TCPSM_IN_LINK_BROADCAST) ||
        !tcpsm__local(st, in->dst, in->family, in->zone))
        return TCPSM_DROP_ICMP;
    if (in->family == 4 && (tcpsm__broadcast(st, in->src, in->zone) ||
                            tcpsm__broadcast(st, in->dst, in->zone)))
        return TCPSM_DROP_ICMP;
    if (st->echo_n == TCPSM__ECHOES) {
        st->n.replies_lost++;
        return TCPSM_DROP_FULL;
    }
    e = tcpsm__echo_at(st, at % TCPSM__ECHOES);
    st->echo_n++;
    memset(e, 0, sizeof *e);
    memcpy(e->name.local, in->dst, n);
    memcpy(e->name.remote, in->src, n);
    e->name.zone = in->zone;
    e->name.family = in->family;
    e->len = in->len;
    e->tos = (uint8_t)(in->tos & ~3u);
    p = (uint8_t *)(e + 1);
    memcpy(p, m, in->len);
    p[0] = in->family == 4 ? 0 : 129;
    tcpsm__put16(p + 2, 0);
    tcpsm__put16(p + 2,
                 ~tcpsm__icmp_sum(in->dst, in->src, in->family, p, in->len) &
                     0xFFFFu);
    return TCPSM_DROP_NONE;
}

TCPSM__FN tcpsm_ret tcpsm__icmp_takes(struct tcpsm_stack *st, tcpsm_in *in,
                                      tcpsm_time now)
{
    const uint8_t *m = (const uint8_t *)in->data;
    uint8_t ask = in->family == 4 ? 8 : 128, why = TCPSM_DROP_ICMP;
    tcpsm_ret e;
    if (in->len >= 8 && tcpsm__icmp_sum(in->src, in->dst, in->family, m,
                                        in->len) == 0xFFFFu) {
        if (m[0] == ask && m[1] == 0) {
            why = tcpsm__echo_take(st, in);
        } else {
            e = tcpsm_stack_icmp(st, m, in->len, in->family, in->zone, now);
            if (e >= 0) { /* its connection has counted it */
                in->drop = (uint8_t)e;
                return 0;
            }
        }
    }
    if (why == TCPSM_DROP_NONE)
        return 0;
    st->n.ip_dropped++;
    return tcpsm__stack_refuse(st, in, why);
}

TCPSM_DEF tcpsm_ret tcpsm_ip_input(tcpsm_stack *st, const void *datagram,
                                   uint32_t len, tcpsm_in *in, tcpsm_time now)
{
    tcpsm_ret protocol;
    if (st == NULL || datagram == NULL || in == NULL)
        return TCPSM_E_ARG;
    tcpsm__clock(st, now);
    in->drop = TCPSM_DROP_NONE;
    in->conn = NULL;
    protocol = tcpsm_ip_parse(datagram, len, in);
    if (protocol == 6)
        return tcpsm_stack_input(st, in, now);
    if ((protocol == 1 && in->family == 4) ||
        (protocol == 58 && in->family == 6))
        return tcpsm__icmp_takes(st, in, now);
    st->n.ip_dropped++;
    return tcpsm__stack_refuse(st, in, TCPSM_DROP_IP);
}

TCPSM__FN tcpsm_ret tcpsm__emit_echo(struct tcpsm_stack *st, tcpsm_out *out)
{
    const struct tcpsm__echo *e =
        tcpsm__echo_at(st, st->echo_first % TCPSM__ECHOES);
    uint32_t head;
    if (st->echo_n == 0)
        return 0;
    head = e->name.family == 6 ? 40 : 20;
    st->echo_first = (st->echo_first + 1) % TCPSM__ECHOES;
    st->echo_n--;
    if (out->cap < head + e->len) {
        st->n.replies_lost++;
        return 0;
    }
    out->tuple = e->name;
    memset(out->ref, 0, sizeof out->ref);
    memset(out->flow, 0, sizeof out->flow);
    out->hdr_len = (uint16_t)(head + 8);
    out->gso_size = 0;
    out->segs = 1;
    out->tos = e->tos;
    out->ttl = st->proto.ttl;
    out->csum = TCPSM_CSUM_FULL;
    out->conn = NULL;
    memcpy((uint8_t *)out->buf + head, e + 1, e->len);
    st->n.echoes++;
    return (tcpsm_ret)e->len + tcpsm__ip_head((uint8_t *)out->buf + head,
                                              e->len, out,
                                              e->name.family == 6 ? 58 : 1);
}

TCPSM_DEF tcpsm_ret tcpsm_ip_output(tcpsm_stack *st, tcpsm_out *out,
                                    tcpsm_time now)
{
    static const uint8_t room[2] = {20, 40};
    uint32_t head;
    tcpsm_ret n;
    if (st == NULL || out == NULL || out->buf == NULL)
        return TCPSM_E_ARG;
    if (out->cap < TCPSM_MIN_CAP + 40u)
        return TCPSM_E_SPACE;
    n = st->echoed ? 0 : tcpsm__emit_echo(st, out);
    st->echoed = n > 0; /* echoes take turns with all others */
    if (n > 0)
        return n;
    n = tcpsm__stack_speaks(st, out, now, room);
    if (n <= 0)
        return tcpsm__emit_echo(st, out);
    tcpsm__flow(st, out);
    head = room[out->tuple.family == 6];
    (void)tcpsm_ip_build((uint8_t *)out->buf + head, (uint32_t)n, out);
    out->hdr_len = (uint16_t)(out->hdr_len + head);
    return n + (tcpsm_ret)head;
}
#endif /* TCPSM_NO_STACK */

/* --- names --- */
/* clang-format off */
#ifdef TCPSM_NAMES
TCPSM_DEF const char *tcpsm_state_name(int state)
{
    switch (state) {
    case TCPSM_CLOSED:
        return "CLOSED";
    case TCPSM_LISTEN:
        return "LISTEN";
    case TCPSM_SYN_SENT:
        return "SYN-SENT";
    case TCPSM_SYN_RECEIVED:
        return "SYN-RECEIVED";
    case TCPSM_ESTABLISHED:
        return "ESTABLISHED";
    case TCPSM_FIN_WAIT_1:
        return "FIN-WAIT-1";
    case TCPSM_FIN_WAIT_2:
        return "FIN-WAIT-2";
    case TCPSM_CLOSE_WAIT:
        return "CLOSE-WAIT";
    case TCPSM_CLOSING:
        return "CLOSING";
    case TCPSM_LAST_ACK:
        return "LAST-ACK";
    case TCPSM_TIME_WAIT:
        return "TIME-WAIT";
    default:
        return "?";
    }
}

TCPSM_DEF const char *tcpsm_error_name(int error)
{
    switch (error) {
    case 0:
        return "none";
    case TCPSM_E_ARG:
        return "bad argument";
    case TCPSM_E_KEY:
        return "the key is all zero";
    case TCPSM_E_STATE:
        return "not in this state";
    case TCPSM_E_SPACE:
        return "buffer too small";
    case TCPSM_E_RING:
        return "no ring";
    case TCPSM_E_NOT_MINE:
        return "not this connection's";
    case TCPSM_E_EOF:
        return "end of stream";
    case TCPSM_E_CLOSED:
        return "closed";
    case TCPSM_E_RESET:
        return "connection reset";
    case TCPSM_E_REFUSED:
        return "connection refused";
    case TCPSM_E_TIMEOUT:
        return "timed out";
    case TCPSM_E_UNREACHABLE:
        return "unreachable";
    case TCPSM_E_NONE:
        return "there is none";
    case TCPSM_E_OWNED:
        return "owned by a stack";
    case TCPSM_E_BLOB:
        return "not a sane blob";
    case TCPSM_E_ABI:
        return "built with other macros";
    case TCPSM_E_CORRUPT:
        return "corrupt";
    default:
        return "?";
    }
}

TCPSM_DEF const char *tcpsm_drop_name(int drop)
{
    switch (drop) {
    case TCPSM_DROP_NONE:
        return "none";
    case TCPSM_DROP_SHORT:
        return "short";
    case TCPSM_DROP_OFFSET:
        return "data offset";
    case TCPSM_DROP_CHECKSUM:
        return "checksum";
    case TCPSM_DROP_OPTIONS:
        return "options";
    case TCPSM_DROP_ADDRESS:
        return "address";
    case TCPSM_DROP_NOT_MINE:
        return "not mine";
    case TCPSM_DROP_NO_SYN:
        return "no SYN";
    case TCPSM_DROP_BAD_ACK:
        return "bad ACK";
    case TCPSM_DROP_OLD_ACK:
        return "old ACK";
    case TCPSM_DROP_NO_ACK:
        return "no ACK";
    case TCPSM_DROP_PAWS:
        return "PAWS";
    case TCPSM_DROP_NO_TS:
        return "no timestamp";
    case TCPSM_DROP_OLD_DATA:
        return "old data";
    case TCPSM_DROP_WINDOW:
        return "outside the window";
    case TCPSM_DROP_RST:
        return "RST";
    case TCPSM_DROP_SYN:
        return "SYN";
    case TCPSM_DROP_NO_DATA:
        return "payload left behind";
    case TCPSM_DROP_AFTER_FIN:
        return "after FIN";
    case TCPSM_DROP_CLOSED:
        return "reader closed";
    case TCPSM_DROP_RANGES:
        return "range table full";
    case TCPSM_DROP_ICMP:
        return "ICMP";    case TCPSM_DROP_TIME_WAIT:
        return "TIME-WAIT";
    case TCPSM_DROP_FULL:
        return "no room";
    case TCPSM_DROP_IP:
        return "datagram";
    default:
        return "?";
    }
}
#endif
/* clang-format on */

#ifdef __cplusplus
}
#endif
/* tcpsm: end of implementation */
#endif /* TCPSM_IMPLEMENTATION */

/*
   BSD Zero Clause License

   Copyright (c) 2026 the tcpsm authors

   Permission to use, copy, modify, and/or distribute this software for any
   purpose with or without fee is hereby granted.

   THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES
   WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF
   MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR
   ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES
   WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN
   ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF
   OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE. */
