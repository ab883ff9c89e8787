/* pkt.h - what the parts of the packet-script runner share. 0BSD.

     pkt_main.c   command line, files, the closing counts
     pkt_parse.c  text -> struct pkt_script (no knowledge of tcpsm)
     pkt_conf.c   options, profiles -> struct pkt_conf; with it pkt_conf.h,
                  and of shell commands pkt_shell.c and pkt_sysctl.c
     pkt_run.c    virtual time: runs one script, event by event
     pkt_wire.c   packets: script space <-> live bytes, what is always
                  checked; with it pkt_wire.h and
     pkt_match.c  what tcpsm sent against what the script says
     pkt_cookie.c cookies of Fast Open that scripts of the kernel's have
     pkt_sock.c   system calls -> tcpsm, as pending completions; with it
                  pkt_sock.h, and pkt_const.c pkt_opt.c pkt_io.c pkt_poll.c
     pkt_info.c   TCP_INFO
     pkt_code.c   %{ }% blocks

   One script is one struct pkt_run: nothing outlives it. Everything a
   script allocates comes from its arena and goes with it. */

#ifndef PKT_H
#define PKT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tcpsm.h"

struct pkt_run;
struct pkt_live;

/* ---- the arena -------------------------------------------------------- */

typedef struct pkt_arena {
    struct pkt_block *first;
} pkt_arena;
void *pkt_alloc(pkt_arena *, size_t); /* zeroed; never NULL (exits) */
char *pkt_strdup(pkt_arena *, const char *, size_t len);
char *pkt_printf(pkt_arena *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void pkt_free_all(pkt_arena *);

/* ---- the script (pkt_parse.c) ----------------------------------------- */

enum { PKT_ANY = -1 }; /* of a quantity: not given, or anything */

/* When an event happens, in us. Times are doubles in scripts; here they
   are rounded. */
enum {
    PKT_AT,         /* 1.5      at, from the start of the script */
    PKT_AFTER,      /* +1.5     at + the time of the previous event */
    PKT_ANYTIME,    /* *        whenever */
    PKT_AT_RANGE,   /* 1.5~2    */
    PKT_AFTER_RANGE /* +1.5~+2 */
};
struct pkt_time {
    int kind;
    int64_t us, to; /* to: the later end of a range */
    int64_t dur;    /* t...t2: how long a blocking call takes from its
                        beginning; PKT_ANY: no such thing was said */
};

/* An expression of a system call. */
enum {
    PKT_INT,      /* i: 1, -1, 0x10; also 1:2(3) of nothing else */
    PKT_STRING,   /* s, n: "text", escapes undone */
    PKT_NAME,     /* s: MSG_PEEK, a constant not yet looked up */
    PKT_ELLIPSIS, /* ... */
    PKT_LIST,     /* kids: [a, b] */
    PKT_STRUCT,   /* kids: {a=b, c}; also {a, b} without names */
    PKT_FIELD,    /* s = name, a = value, kids: msg_name(...)=... args */
    PKT_CALL,     /* s = name, kids = arguments: inet_addr("1.2.3.4") */
    PKT_BINARY,   /* s = operator, a, b: A | B */
    PKT_UNARY     /* s = operator, a: ~A */
};
struct pkt_expr {
    int kind, line;
    int64_t i;
    const char *s;
    size_t n;
    struct pkt_expr *a, *b, *kids, *next;
};

struct pkt_syscall {
    const char *name;
    struct pkt_expr *args;   /* a list by ->next */
    struct pkt_expr *result; /* NULL: not given (void) */
    const char *error;       /* "EAGAIN", or NULL */
};

/* TCP options as the script has them, in order. */
enum {
    PKT_OPT_EOL,
    PKT_OPT_NOP,
    PKT_OPT_MSS,
    PKT_OPT_WSCALE,
    PKT_OPT_SACKOK,
    PKT_OPT_SACK,
    PKT_OPT_TS,
    PKT_OPT_MD5,
    PKT_OPT_FO,     /* kind 34; bytes: the cookie, n 0: asks for one */
    PKT_OPT_FOEXP,  /* kind 254, magic F989 */
    PKT_OPT_ACCECN, /* kind 172 (order 0: EE0B, CEB, EE1B) or 174 (order 1) */
    PKT_OPT_BYTES   /* verbatim: the whole option, kind and length too */
};
struct pkt_opt {
    int what, kind;
    int64_t v[10]; /* mss; scale; TS val, ecr (PKT_ANY); SACK: start, end
                      ...; AccECN: e0b ceb e1b (PKT_ANY: absent) */
    int nv;        /* how many of them */
    uint8_t bytes[40];
    int n; /* of bytes; for FO PKT_ANY: any cookie ("...") */
    struct pkt_opt *next;
};

enum { /* pkt_tcp.flags: as in the header's 13th byte, then AE */
       PKT_FIN = 1,
       PKT_SYN = 2,
       PKT_RST = 4,
       PKT_PSH = 8,
       PKT_ACK = 16,
       PKT_URG = 32,
       PKT_ECE = 64,
       PKT_CWR = 128,
       PKT_AE = 256
};
enum {
    PKT_ECN_NONE,
    PKT_ECN_ECT1,
    PKT_ECN_ECT0,
    PKT_ECN_CE,
    PKT_ECN_ECT01 /* either of the two */
};

struct pkt_tcp {
    uint32_t flags; /* ACE digits are E, W and A already */
    int seq_given;  /* 0: outbound: any; inbound: the next in sequence */
    uint32_t seq, end;
    uint32_t len;          /* in parentheses; a parse error if it is not
                       end - seq */
    int64_t ack, win, urg; /* PKT_ANY: not given */
    int abs_seq;           /* "seq" as it is on the wire: not mapped */
    struct pkt_opt *opts;  /* the list */
    int opts_given;        /* 0: none written; 1: <a,b>; 2: <...> */
};

struct pkt_icmp {
    int v6;
    uint8_t type, code; /* v6 0 with IPv6: translate, 3/4 is 2/0 ... */
    int64_t mtu;        /* PKT_ANY: none */
    int quoted;         /* 0: no [..]: SND.UNA, nothing more */
    uint32_t seq, len;  /* of the quoted segment: [seq:end(len)] */
};

struct pkt_packet {
    int inbound;  /* < */
    int ecn;      /* PKT_ECN_*, PKT_ANY */
    int tos, ttl; /* PKT_ANY */
    int sock;     /* sock(N): of that descriptor; PKT_ANY */
    int is_icmp;
    struct pkt_tcp tcp;
    struct pkt_icmp icmp;
};

enum { PKT_PACKET, PKT_SYSCALL, PKT_COMMAND, PKT_CODE };
struct pkt_event {
    int kind, line;
    struct pkt_time time;
    struct pkt_packet *packet;
    struct pkt_syscall *call;
    const char *text;   /* command or code */
    const char *source; /* as the script has it, in one line, without its
                           time: for messages and traces */
    struct pkt_event *next;
};

struct pkt_option {           /* --name=value lines, in order */
    const char *name, *value; /* value NULL: none */
    int line;
    struct pkt_option *next;
};

struct pkt_script {
    const char *path;
    struct pkt_option *options;
    struct pkt_event *events; /* initial commands first, at time 0 */
};

/* Why a script was not run to its end. what: the message, or the name of
   the construct for a skip. */
enum { PKT_OK, PKT_FAIL, PKT_SKIP };
struct pkt_verdict {
    int kind, line;
    char what[512]; /* PKT_SKIP: the construct's name */
};
/* Sets the verdict unless there is one already; returns kind. */
int pkt_verdict(struct pkt_verdict *, int kind, int line, const char *fmt,
                ...) __attribute__((format(printf, 4, 5)));

struct pkt_define { /* -D NAME=VALUE */
    const char *name, *value;
    struct pkt_define *next;
};

/* A malformed script is a PKT_FAIL ("syntax: ..."), a well-formed but
   unknown construct (udp, sctp, gre ...) a PKT_SKIP. */
int pkt_parse(pkt_arena *, const char *path, const char *text, size_t len,
              const struct pkt_define *, struct pkt_script *,
              struct pkt_verdict *);

/* ---- configuration (pkt_conf.c) ---------------------------------------- */

enum { /* strict fields, by name for --strict: all, none, a,b,-c */
       PKT_S_WIN = 1, /* win      advertised window where the script has it */
       PKT_S_OPTORDER = 2, /* optorder  options in order, nops included */
       PKT_S_OPTS = 4,     /* opts     options where the script writes none */
       PKT_S_PSH = 8,      /* psh      PSH of data segments */
       PKT_S_SIZES =
           16, /* sizes    one segment of the script is one live one */
       PKT_S_TSVAL = 32,  /* tsval    TS values advance as time does */
       PKT_S_MSS = 64,    /* mss      value of the MSS option in our SYN */
       PKT_S_SCALE = 128, /* scale   value of the window scale in our SYN */
       PKT_S_ECN = 256, /* ecn      IP's ECN bits where the script has none */
       PKT_S_TIME = 512, /* time     tolerance is exact (1 ms) */
       PKT_S_SACKORDER =
           1024,         /* sack  order of SACK blocks after the first */
       PKT_S_RST = 2048, /* rst      the ACK bit of resets */
       PKT_S_PROBE =
           4096, /* probe   a window probe has an octet, at SND.UNA */
       PKT_S_OTHERS =
           8192, /* others  what connections send that are not under test */
       PKT_S_ALL = 16383
};

/* How the RTO is made of SRTT and RTTVAR. */
enum {
    PKT_RTO_RFC,   /* max(min, SRTT + 4 RTTVAR) */
    PKT_RTO_LINUX, /* SRTT + max(min, 4 RTTVAR) */
    PKT_RTO_BSD    /* max(min, SRTT + 4 RTTVAR) + slop */
};

struct pkt_conf {
    const char *profile;  /* tcpsm linux freebsd */
    uint32_t strict;      /* PKT_S_* */
    int verbose, layer;   /* layer: 2 (a stack), or 1 (one connection) */
    int ip_version;       /* 4, 6, 46 (ipv4-mapped-ipv6) */
    int64_t tolerance_us; /* 4000 */
    int64_t ts_tick_us;   /* 1000; 0: TS values unchecked */
    uint8_t local_ip[16], remote_ip[16]; /* 4 or 16 bytes are used */
    uint16_t connect_port, bind_port;    /* the remote and the local one of an
                                         active open; the local one of a
                                         passive one: 8080 */
    int mtu, mss;                        /* mtu 1500 */
    int dry_run;                         /* read only */
    tcpsm_config tcp;                    /* from the profile, then sysctls */
    tcpsm_stack_config stack;            /* its .conn is filled in from tcp */
    uint32_t rcvbuf, sndbuf;             /* default rings, bytes */
    int quickacks;         /* the first n ACKs are not delayed */
    int rto_form;          /* PKT_RTO_* */
    uint32_t rto_least_us; /* min of these; 0: tcp.rto_min_us */
    uint32_t rto_slop_us;
    int nagle_small; /* Minshall's: only small segments wait for each other */
    int fastopen_client, fastopen_server; /* bits of tcp_fastopen */
    int nonlocal_bind;                    /* and what else sysctls may say */
    int no_tlp;                           /* a loss probe: skip the script */
    uint32_t notsent_lowat;               /* of new sockets; 0: none */
    int local_given, remote_given; /* addresses by option: their family */
    uint32_t remote_isn; /* --remote_isn=N: live - script of the peer's */
    uint8_t fastopen_key[16]; /* the sysctl's, its bytes as they are read */
    int fastopen_key_given;
    int remote_isn_given; /* sequence numbers; else a fixed odd number */
};
void pkt_conf_profile(struct pkt_conf *, const char *name);
/* --name=value of command line and scripts alike. PKT_OK, or a verdict:
   PKT_FAIL for a bad value, PKT_SKIP for an option nobody knows. */
int pkt_conf_option(struct pkt_conf *, const char *name, const char *value,
                    int line, struct pkt_verdict *);
/* After the last option: do they go together? */
int pkt_conf_done(const struct pkt_conf *, struct pkt_verdict *);
/* `sysctl -q net.ipv4.tcp_ecn=1` and friends: configuration, nothing (on
   the list of those that do not matter), or PKT_SKIP. */
int pkt_conf_command(struct pkt_conf *, const char *command, int line,
                     struct pkt_verdict *);
int pkt_conf_strict(struct pkt_conf *, const char *list); /* 0, or -1 */

/* ---- -v (pkt_main.c): nothing without conf.verbose ---------------------- */

/* When an event begins, or an outbound one was matched; when tcpsm sends. */
void pkt_trace_event(struct pkt_run *, const struct pkt_event *);
void pkt_trace_sent(struct pkt_run *, const struct pkt_live *);

/* ---- a run (pkt_run.c) -------------------------------------------------- */

struct pkt_map; /* script and live space of one connection: pkt_wire.c's */

/* A segment that tcpsm sent, kept until the script has named it. */
struct pkt_live {
    int64_t at;     /* script time, us */
    uint8_t *bytes; /* the IP datagram */
    uint32_t len;
    const uint8_t *tcp;  /* the TCP header in it; NULL: it is not TCP */
    uint32_t tcp_len;    /* header and payload */
    struct pkt_map *map; /* whose; pkt_wire_check sets it */
    uint32_t used;       /* payload that the script has named already, in */
    uint32_t piece;      /* segments of this size */
    struct pkt_live *next;
};

struct pkt_run {
    pkt_arena arena;
    const struct pkt_script *script;
    struct pkt_conf conf;
    struct pkt_verdict verdict;
    const struct pkt_event *event; /* the current one */

    int64_t now; /* script time, us; live time is base + now */
    tcpsm_time base;
    tcpsm_stack *stack; /* layer 2, or NULL */
    tcpsm_conn *conn;   /* layer 1: the one; NULL before listen or connect.
                           pkt_sock.c's */
    void *stack_mem;
    struct pkt_live *sent, **sent_end; /* a queue */
    struct pkt_map *map;               /* the connection under test; NULL */
    int64_t prev, prev_first; /* when the previous event was: relative times
                                 count from it. After a range or `*`: live,
                                 and the range's beginning */
    int64_t matched, last;    /* when the named segment was sent; the end */
    uint32_t turns;           /* of the loops over time: bounded */
    uint32_t sent_count;      /* segments, likewise */
    uint8_t drop;             /* of the last pkt_inject: TCPSM_DROP_* */
    uint8_t *buf;             /* for one datagram */
    int is_up;                /* the stack was made */
    struct tcpsm_counters counters;

    struct pkt_sockets *sockets; /* pkt_sock.c's */
    struct pkt_info *info;       /* pkt_info.c's */
    struct pkt_code *code;       /* pkt_code.c's */
    struct pkt_wire *wire;       /* pkt_wire.c's */
};

/* Runs it. Returns PKT_OK, PKT_FAIL or PKT_SKIP. */
int pkt_run(struct pkt_run *);

/* What the parts may call while an event is executed. */
int pkt_fail(struct pkt_run *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))); /* PKT_FAIL, at the event's line */
int pkt_skip(struct pkt_run *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
tcpsm_time pkt_now(const struct pkt_run *); /* live */
/* How far a segment may be off its time, in us. */
int64_t pkt_tolerance(const struct pkt_run *);
/* Takes everything out of tcpsm that goes out now, into run->sent; checks
   tcpsm_stack_check / tcpsm_check and law 3 (deadline <= now if and only if
   output would do something); lets pending calls complete. */
int pkt_settle(struct pkt_run *);
/* Moves time to `until`, stopping at each deadline on the way and settling
   there. until_sent: stops as soon as anything is sent. */
int pkt_advance(struct pkt_run *, int64_t until, int until_sent);
/* An IP datagram to tcpsm, at now. */
int pkt_inject(struct pkt_run *, const uint8_t *datagram, uint32_t len);

/* ---- packets (pkt_wire.c) ----------------------------------------------- */

/* Builds the live datagram of an inbound event (payload: the pattern of
   pkt_byte by offset in the peer's stream) and injects it. */
int pkt_wire_in(struct pkt_run *, const struct pkt_packet *);
/* Waits for, takes from run->sent and compares what an outbound event
   describes: one live segment, or several, or a part of one. from..to is the
   window of script time in which it must be sent (both PKT_ANY: any). */
int pkt_wire_out(struct pkt_run *, const struct pkt_packet *, int64_t from,
                 int64_t to);
/* Checked of everything that is sent: checksums, lengths, payload pattern,
   TS.ecr, reserved bits. Called for each before it enters run->sent. */
int pkt_wire_check(struct pkt_run *, struct pkt_live *);
/* A socket listens on this port: the next inbound packet opens a connection
   of its own, from a new remote port. */
void pkt_wire_listen(struct pkt_run *, uint16_t port);
/* The command `peer N`: the next packets are of the remote port base + N. */
void pkt_wire_peer(struct pkt_run *, uint32_t n);
/* At the end: what of a segment the script has left over. */
int pkt_wire_end(struct pkt_run *);
/* "P. 1:1001(1000) ack 1 win 256 <nop,...>", in script space, for messages. */
const char *pkt_wire_text(struct pkt_run *, const struct pkt_live *);
/* The byte at an offset (0: the first after the SYN) of our (0) or the
   peer's (1) stream. Never depends on anything else. */
uint8_t pkt_byte(int peer, uint32_t offset);

/* ---- system calls (pkt_sock.c) ------------------------------------------ */

int pkt_sock_init(struct pkt_run *);
/* Starts a call. When it completes at once its result is compared at once;
   else it stays pending (only if time.dur was given; a call that would block
   where the script says nothing of it is a failure). */
int pkt_sock_call(struct pkt_run *, const struct pkt_event *);
/* Before the stack is made: how large its rings must be (conf.stack). */
void pkt_sock_rings(struct pkt_run *);
/* After every change: accepts, events, pending calls. 1: it did something,
   so tcpsm may have something to say; else 0. */
int pkt_sock_progress(struct pkt_run *);
/* When a pending call times out, in script time; INT64_MAX: never. */
int64_t pkt_sock_deadline(const struct pkt_run *);
/* The connection behind a descriptor; NULL. */
tcpsm_conn *pkt_sock_of(struct pkt_run *, int fd);
/* At the end: a pending call that never returned is a failure. */
int pkt_sock_end(struct pkt_run *);
/* The connection that TCP_INFO and %{ }% are about: the last one that was
   connected or accepted; NULL. */
tcpsm_conn *pkt_sock_conn(struct pkt_run *);
/* How much of what was written is acknowledged, and was received in order:
   octets. -1: not a connection of these. */
int pkt_sock_bytes(struct pkt_run *, tcpsm_conn *, int64_t *acked,
                   int64_t *received);
void pkt_sock_free(struct pkt_run *);

/* ---- %{ }% (pkt_info.c) -------------------------------------------------- */

/* One tcpi_ field's value, by its name without "tcpi_". -1: tcpsm's status
   does not answer it. */
int pkt_info_field(struct pkt_run *, tcpsm_conn *, const char *name,
                   int64_t *value);
/* Every datagram, before tcpsm gets it or as soon as it gave it. */
void pkt_info_seen(struct pkt_run *, int inbound, const uint8_t *datagram,
                   uint32_t len);
/* The least data in one of its segments that are not acknowledged;
   UINT32_MAX: there are none. */
uint32_t pkt_info_least(struct pkt_run *, tcpsm_conn *);
/* Runs the block: `assert EXPR`, `assert EXPR, EXPR`, comparisons, and/or/
   not, arithmetic, constants like TCP_CA_Open; print() is ignored. */
int pkt_info_code(struct pkt_run *, const char *text);

#endif /* PKT_H */
