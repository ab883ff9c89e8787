/* lab.h - connections of tcpsm over a simulated path, many and fast - 0BSD

   tests/support/pair.h checks every law after every step; this one checks
   only that the right bytes arrive, and is a hundred times as fast.

       lab *l = lab_new(10000000, 20000, 0, seed);  // bit/s, RTT, queue
       lab_flow *f = lab_add(l, NULL, NULL);        // CUBIC
       l->net.link[0].loss_ppm = 10000;
       lab_open(l, f);
       lab_run(l, l->now + 10 * LAB_S);
       ... f->got, f->again_bytes ...
       lab_free(l);

   Side 0 of a flow sends and side 1 reads; link 0 carries data. Payload is
   not carried through the network but made again where it arrives, unless
   l->whole is set before lab_add (for corruption). */

#ifndef LAB_H
#define LAB_H

#include <stdio.h>

#include "tcpsm.h"

#include "netsim.h"

#define LAB_MS ((tcpsm_time)1000)
#define LAB_S ((tcpsm_time)1000000)
#define LAB_ENDLESS UINT64_MAX
#define LAB_FLOWS 8
#define LAB_PACKET 1500u  /* on the wire */
#define LAB_PAYLOAD 1448u /* of a full segment with timestamps */
#define LAB_COPY 1600u    /* bytes of a packet carried in full */

typedef struct lab lab;
typedef struct lab_flow lab_flow;

enum {
    LAB_SENT = 1, /* by either side; fate says what the network does */
    LAB_TAKEN = 2 /* was given to its receiver */
};

typedef struct {
    int what, side; /* side: that sent it */
    lab_flow *flow;
    tcpsm_time now;
    const uint8_t *header; /* TCP's, options included */
    uint32_t fate;         /* NETSIM_* */
    uint64_t at;           /* place in the stream; 0 for the SYN */
    uint32_t len;          /* payload */
    uint8_t again;         /* a part of it was sent before */
    uint8_t tos;
} lab_event;

struct lab_flow {
    tcpsm_conn c[2];
    struct tcpsm_counters n[2];
    tcpsm_tuple tuple[2];
    tcpsm_time due[2];
    int number;
    uint64_t total;         /* bytes to send, LAB_ENDLESS; may be raised */
    uint64_t queued, got;   /* by the sender's program, at the reader's */
    uint64_t una, high;     /* of the stream: acknowledged, ever sent */
    uint64_t sent_bytes;    /* payload, all transmissions */
    uint64_t again_bytes;   /* of those, sent before */
    uint64_t again_packets; /* and how many packets */
    uint64_t spurious;      /* bytes that arrived more often than once,
                               not counting the network's own copies */
    uint64_t wrong;         /* bytes that were read and are not right */
    uint64_t packets;       /* with payload, sent */
    tcpsm_time opened, up;  /* open was called; the sender is up */
    tcpsm_time last_new;    /* new data was sent */
    tcpsm_time last_again;
    tcpsm_time done; /* the reader has `total`; 0: not yet */
    /* private */
    uint32_t isn[2];
    uint8_t *ring[2];
    uint32_t ring_len;
    uint64_t *seen; /* a bit for each byte that waits beyond a gap */
    uint64_t seen_bits, seen_to;
    uint32_t tables[2][6400]; /* the largest of use */
    uint8_t whole, dead;
};

struct lab {
    netsim net;
    tcpsm_time now;
    uint64_t rate; /* of link 0, as lab_new was told; bit/s */
    tcpsm_time rtt;
    int flows;
    lab_flow *flow[LAB_FLOWS];
    uint8_t whole;
    tcpsm_time jitter; /* a sender answers an ACK after up to so long:
                              without, drop-tail queues lock flows in */
    uint64_t dice;
    tcpsm_time tick;       /* of the hosts' clocks, us; 0: 1. Also clock_us */
    uint8_t inline_tables; /* lend none: 8 runs, 4 ranges */
    /* troubles that netsim does not have, all on link 0 */
    uint64_t police_rate, police_burst; /* bit/s, bytes: a token bucket */
    tcpsm_time black_from, black_to;    /* both directions are dead */
    uint32_t hole_bytes;                /* larger packets vanish */
    tcpsm_time hole_from;
    /* whatever else: as netsim_script, with what is being sent */
    unsigned (*script)(lab *, const lab_event *);
    void (*watch)(lab *, const lab_event *);
    void *ctx;
    /* what link 0's queue held after each packet of data was put there */
    double queue_sum;
    uint64_t queue_n, queue_max;
    /* private */
    double tokens;
    tcpsm_time tokens_at;
    lab_event event;
    uint64_t *mem;
    size_t mem_len;
    uint32_t copy;
    uint64_t dropped, policed;
};

extern const tcpsm_cc lab_reno, lab_cubic;
/* A window that never changes: f->c[0] gets it before lab_open, by
   lab_fixed_segments. What a simulator must do with it can be calculated. */
extern const tcpsm_cc lab_fixed;
extern uint32_t lab_fixed_segments;

/* The path's BDP in bytes */
uint64_t lab_bdp(uint64_t rate, tcpsm_time rtt);
/* queue: bytes; 0: a BDP, and at least 20 packets. */
lab *lab_new(uint64_t rate, tcpsm_time rtt, uint64_t queue, uint64_t seed);
/* cfg: of the sender; NULL or zeroed: the defaults. cfg_b: of the reader. */
lab_flow *lab_add(lab *, const tcpsm_config *cfg, const tcpsm_config *cfg_b);
void lab_open(lab *, lab_flow *);
/* Until that time; or until done(l) says so. Returns done's last word. */
void lab_run(lab *, tcpsm_time until);
int lab_until(lab *, int (*done)(lab *), tcpsm_time until);
int lab_established(lab *);
int lab_all_done(lab *);
/* f->total was raised: more to send, at once. */
void lab_more(lab *, lab_flow *);
void lab_info(const lab_flow *, int side, struct tcpsm_info *);
void lab_free(lab *);

/* Payload bytes per second that the link can carry */
double lab_payload_rate(uint64_t rate);
/* Of a bitstream of n numbers: the i-th of 0..below-1 */
uint64_t lab_random(uint64_t *state, uint64_t below);

/* Troubles of the grid, by name: -1, NULL: no such. */
int lab_trouble_by_name(const char *);
const char *lab_trouble_name(int);
/* The queue that it wants (0: the usual); then what it does to the path of
   a flow that will run for so long, and to its configuration's flags. */
uint64_t lab_trouble_queue(int, uint64_t rate, tcpsm_time rtt);
void lab_trouble(lab *, int, tcpsm_time us, uint32_t *flags);

/* ---- the parts of the program ---------------------------------------- */
int lab_grid(int argc, char **argv);
int lab_flows(int argc, char **argv);
int lab_fair(int argc, char **argv);
int lab_smoke(int argc, char **argv);
int lab_trace(int argc, char **argv);

#endif /* LAB_H */
