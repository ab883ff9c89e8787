/* pkt_wire.h - what pkt_wire.c and pkt_match.c share. 0BSD. */

#ifndef PKT_WIRE_H
#define PKT_WIRE_H

#include "pkt.h"

/* A smaller number of a SYN than that, and not 0, is no other way to count
   but a mistake. */
enum { PKT_OTHER_ISN = 100 };
enum { PKT_PAIRS = 64, PKT_OPTS = 40, PKT_FDS = 64 };

/* One side's sequence numbers: live = script + base. Where the script's SYN
   has a number N other than 0, those after it go on from there, or count from
   1, as packetdrill has it; the first of them tells which. Those of SYNs are
   always live - base0. */
struct pkt_side {
    uint32_t base, base0, isn; /* isn: N */
    int open;                  /* nothing has told yet */
};

/* Script space and live space of one connection: live = script + base. */
struct pkt_map {
    tcpsm_tuple tuple;
    int local_known;                /* a live SYN of ours was seen */
    int named;                      /* and the script has named it */
    int remote_known;               /* a SYN of the peer's was injected */
    int synced;                     /* we acknowledged it */
    int ended;                      /* a RST or FIN was seen since */
    int addressed;                  /* by `peer` or sock(N) */
    uint32_t local_isn, remote_isn; /* live, of the SYNs */
    struct pkt_side local, remote;
    uint32_t syn_seq; /* live, of the peer's last SYN */
    int syn_seen;
    uint32_t in_next;      /* live, after what the peer sent last */
    uint32_t mss;          /* of the peer's SYN; 0: it had none */
    int smaller;           /* an ICMP message may have made it so */
    int64_t in_win;        /* what it had in its window field last */
    uint32_t una;          /* live, what the peer acknowledged last */
    uint32_t scale, offer; /* of our window: in force, and in our SYN */
    uint32_t last_ack;     /* live, what we acknowledged last */
    uint32_t our_ts;       /* live, of our last segment */
    uint32_t last_tsval;   /* of the peer's last segment */
    int acked, una_known, last_ts;
    /* RFC 7323: TS.Recent by the rules, and one that tcpsm may have taken
       instead, because it saw fit to refuse the segment */
    int recent_known, alt_known;
    uint32_t recent, alt;
    int64_t recent_at;
    /* our TS values: the first, and those that the script has named */
    int ts_known;
    int64_t ts_at;
    uint32_t ts_live, ts_script;
    struct {
        uint32_t live, script;
    } pair[PKT_PAIRS];
    uint32_t pairs;
    /* the first TS value of an established connection, against the clock */
    int clock_known;
    int64_t clock_at;
    uint32_t clock_live;
    struct pkt_map *next;
};

struct pkt_cookie {
    uint8_t script[40], live[40];
    int script_n, live_n;
    struct pkt_cookie *next;
};

struct pkt_wire {
    struct pkt_map *maps;
    struct pkt_map *fd[PKT_FDS]; /* whom sock(N) meant last */
    struct pkt_cookie *cookies;
    uint8_t granted[40]; /* the last live cookie of our server's */
    int granted_n;
    int listening;
    uint16_t listen_port, next_port;
};

/* A live segment taken apart; options in wire space. */
struct pkt_seg {
    uint32_t seq, ack, flags, win, urg, hdr, len;
    const uint8_t *data;
    struct pkt_opt opt[PKT_OPTS];
    int opts, ts;
    uint32_t tsval, tsecr;
    const char *bad; /* malformed options: how */
};

void pkt_side_syn(struct pkt_side *, uint32_t base0, uint32_t isn);
/* The base for a number of the script's, of a SYN or not. */
uint32_t pkt_side_base(struct pkt_side *, uint32_t number, int syn);
void pkt_seg_parse(struct pkt_seg *, const uint8_t *tcp, uint32_t len);
struct pkt_wire *pkt_wire_state(struct pkt_run *);
/* The connection that a packet of the script belongs to; NULL: none yet. */
struct pkt_map *pkt_wire_whose(struct pkt_run *, const struct pkt_packet *);
struct pkt_cookie *pkt_wire_cookie(struct pkt_run *, const uint8_t *script,
                                   int n);
void pkt_wire_learn(struct pkt_run *, const struct pkt_opt *script,
                    const struct pkt_opt *live);
/* Would the kernel have given this cookie? And what does tcpsm give: its
   length, 0: none. */
int pkt_cookie_right(const struct pkt_run *, const struct pkt_map *,
                     const uint8_t *cookie, int n);
int pkt_cookie_live(struct pkt_run *, const struct pkt_map *,
                    uint8_t cookie[40]);
/* Flags and options as scripts have them, into buf. */
const char *pkt_flags_text(uint32_t flags, char *buf);
void pkt_opt_text(const struct pkt_opt *, char *buf, size_t size);
/* To script space. */
void pkt_opt_script(const struct pkt_map *, const struct pkt_seg *,
                    struct pkt_opt *);

/* The connection behind a map, closed or not; NULL. */
tcpsm_conn *pkt_wire_conn(struct pkt_run *, const struct pkt_map *);

#endif
