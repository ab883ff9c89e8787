/* netsim.h - one deterministic network in virtual time - 0BSD

   Two directions of one path. Opaque packets go in with a time and come
   out with a time; nothing sleeps, nothing allocates, nothing is random
   but the seed. It knows nothing of TCP.

       static uint64_t mem[NETSIM_WORDS(256, 1600)];   // 256 packets
       netsim n;
       netsim_init(&n, 1, mem, sizeof mem, 1600);
       n.link[0].rate = 10000000;        // bit/s; 0: infinite
       n.link[0].delay_us = 20000;
       n.link[0].loss_ppm = 20000;       // 2 %
       netsim_send(&n, 0, packet, len, tos, now);
       now = netsim_next(&n);            // UINT64_MAX: nothing under way
       while ((len = netsim_receive(&n, 0, buf, sizeof buf, now, &info)))
           use(buf, len, info.tos);

   What happens to a packet, in this order:

       script -> queue -> ECN mark -> serialization -> loss -> corruption
                  |                                     |
                drop-tail                      propagation delay
                                                (+ reordering) -> copies

   A packet that is lost on the way has still used the queue and the rate.
   netsim_send_as() sends a packet that is longer on the wire than in
   memory: who can make the payload again need not have it carried.
   The n-th packet of a burst sent at t leaves the serializer at exactly
   t + ceil(n * bits * 10^6 / rate) microseconds, however many they are:
   the remainder is carried along.

   The fate of the i-th packet of a direction is a hash of (seed,
   direction, kind of trouble, i). So turning duplication on does not
   change which packets are lost, and a failure at packet 7123 is the same
   failure when everything else is turned off. Burst loss is a chain and
   depends on the packets before. Equal delivery times come out in the
   order in which they were sent.

   Times must not run backwards; one that does counts as the last one. */

#ifndef NETSIM_H
#define NETSIM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __GNUC__
#define NETSIM_FN static __attribute__((unused))
#else
#define NETSIM_FN static
#endif

#define NETSIM_NEVER UINT64_MAX
#define NETSIM_SCRIPT 16 /* packets that can be dropped by number */

/* What netsim_send says about a packet, and netsim_info.fate again */
enum {
    NETSIM_LOST = 1,       /* random or burst loss, on the wire */
    NETSIM_QUEUE_DROP = 2, /* the queue was full */
    NETSIM_SCRIPTED = 4,   /* the script dropped it */
    NETSIM_NO_SLOT = 8,    /* the caller's memory is too small: a bug */
    NETSIM_DROPPED = 15,   /* any of these */
    NETSIM_COPIED = 16,    /* a copy follows it */
    NETSIM_DELAYED = 32,   /* held back, so that later ones overtake it */
    NETSIM_DAMAGED = 64,   /* one bit is wrong */
    NETSIM_MARKED = 128,   /* ECT became CE */
    NETSIM_COPY = 256      /* receive only: this is the copy */
};

/* What a script may order (OR-ed); 0: leave it to chance */
enum {
    NETSIM_DO_DROP = 1,
    NETSIM_DO_COPY = 2,
    NETSIM_DO_DELAY = 4,
    NETSIM_DO_DAMAGE = 8,
    NETSIM_DO_MARK = 16,
    NETSIM_DO_KEEP = 32 /* no random trouble for this one */
};

typedef struct {
    int dir;
    uint64_t index; /* the how-manieth of this direction, from 0 */
    uint64_t now;
    const uint8_t *bytes;
    uint32_t len;
    uint8_t tos;
    uint32_t wire; /* length on the wire, without the link's overhead */
} netsim_packet;

typedef unsigned netsim_script(void *ctx, const netsim_packet *);

typedef struct {
    uint64_t index, sent, at; /* number, time of sending, of delivery */
    uint32_t fate;
    uint8_t tos;
} netsim_info;

typedef struct {
    uint64_t sent, delivered; /* packets; delivered counts copies */
    uint64_t sent_bytes, delivered_bytes;
    uint64_t lost, queue_drops, scripted, no_slot;
    uint64_t copied, delayed, damaged, marked;
    uint64_t max_queue_bytes, max_queue_packets;
} netsim_stats;

/* One direction. Set what you want after netsim_init, also in flight. */
typedef struct {
    uint64_t rate;           /* bit/s; 0: infinite (and then no queue) */
    uint64_t delay_us;       /* propagation */
    int32_t overhead;        /* bytes on the wire besides len; may be < 0 */
    uint32_t queue_bytes;    /* drop-tail, waiting and in service; and */
    uint32_t queue_packets;  /* in packets; 0: no limit */
    uint32_t mark_bytes;     /* CE on ECT packets that find more than */
    uint32_t mark_packets;   /* this before them; 0: never */
    uint32_t loss_ppm;       /* outside bursts */
    uint32_t burst_ppm;      /* per packet: a burst begins */
    uint32_t burst_end_ppm;  /* per packet: it ends; mean length 10^6/this */
    uint32_t burst_loss_ppm; /* loss inside; 0 means all */
    uint32_t reorder_ppm;
    uint64_t reorder_us; /* how long those are held back */
    uint32_t copy_ppm;
    uint64_t copy_us; /* how long after the original */
    uint32_t corrupt_ppm;
    uint32_t corrupt_skip; /* bytes at the front that are never damaged */
    uint64_t drop[NETSIM_SCRIPT]; /* see netsim_drop */
    uint32_t drops;
    netsim_stats stats;
    /* private */
    uint64_t busy_us, busy_frac; /* the serializer is free at us+frac/rate */
    uint64_t index, queue_now_bytes;
    uint32_t queue_now, queue_head, queue_tail;
    uint32_t heap_n;
    uint32_t *heap;
    uint32_t in_burst;
} netsim_link;

typedef struct {
    uint64_t at, depart, id, index, sent;
    uint32_t len, wire, next, fate;
    uint8_t tos, queued, heaped, zero;
} netsim__slot;

typedef struct {
    netsim_link link[2];
    netsim_script *script;
    void *script_ctx;
    uint64_t seed;
    /* private */
    uint64_t now, id;
    uint32_t slots, max_packet, unused;
    netsim__slot *slot;
    uint8_t *data;
} netsim;

/* uint64_t words for so many packets (both directions) of so many bytes */
#define NETSIM_WORDS(packets, max_packet)                                    \
    (((packets) *                                                            \
          (sizeof(netsim__slot) + 8u + ((max_packet) + 7u) / 8u * 8u) +      \
      7u) /                                                                  \
     8u)

/* ---- chance ---------------------------------------------------------- */

/* splitmix64's finalizer: a bijection that passes for random */
NETSIM_FN uint64_t netsim_mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* A generator for whoever wants a sequence: splitmix64 itself */
NETSIM_FN uint64_t netsim_random(uint64_t *state)
{
    uint64_t r = netsim_mix(*state);

    *state += 0x9E3779B97F4A7C15u;
    return r;
}

NETSIM_FN uint64_t netsim__draw(const netsim *n, int dir, unsigned kind,
                                uint64_t index)
{
    uint64_t k = netsim_mix(n->seed) ^ ((uint64_t)kind << 1 | (uint64_t)dir);

    return netsim_mix(netsim_mix(k) + index);
}

NETSIM_FN int netsim__chance(const netsim *n, int dir, unsigned kind,
                             uint64_t index, uint32_t ppm)
{
    /* 32 random bits scaled to 0..999999: the bias is under 1/4000 ppm */
    return ((netsim__draw(n, dir, kind, index) >> 32) * 1000000u >> 32) < ppm;
}

/* ---- memory: a pool of slots, a heap and a queue per direction -------- */

/* Returns 0, or -1 if mem is too small for a single packet. mem must be
   aligned for uint64_t. */
NETSIM_FN int netsim_init(netsim *n, uint64_t seed, void *mem, size_t size,
                          uint32_t max_packet)
{
    size_t stride = ((size_t)max_packet + 7) / 8 * 8;
    size_t each = sizeof(netsim__slot) + 2 * sizeof(uint32_t) + stride;
    uint32_t i, slots = (uint32_t)(size / each);
    uint8_t *at = (uint8_t *)mem;

    memset(n, 0, sizeof *n);
    if (slots == 0)
        return -1;
    n->seed = seed;
    n->slots = slots;
    n->max_packet = max_packet;
    n->slot = (netsim__slot *)mem;
    at += slots * sizeof(netsim__slot);
    n->data = at;
    at += slots * stride;
    n->link[0].heap = (uint32_t *)(void *)at;
    n->link[1].heap = n->link[0].heap + slots;
    for (i = 0; i < slots; i++) {
        memset(&n->slot[i], 0, sizeof n->slot[i]);
        n->slot[i].next = i + 1;
    }
    for (i = 0; i < 2; i++)
        n->link[i].queue_head = n->link[i].queue_tail = slots;
    return 0;
}

NETSIM_FN uint8_t *netsim__bytes(const netsim *n, uint32_t slot)
{
    return n->data + (size_t)slot * (((size_t)n->max_packet + 7) / 8 * 8);
}

NETSIM_FN void netsim__release(netsim *n, uint32_t s)
{
    if (n->slot[s].queued || n->slot[s].heaped)
        return;
    n->slot[s].next = n->unused;
    n->unused = s;
}

NETSIM_FN uint32_t netsim__take(netsim *n)
{
    uint32_t s = n->unused;

    if (s != n->slots) {
        n->unused = n->slot[s].next;
        memset(&n->slot[s], 0, sizeof n->slot[s]);
        n->slot[s].next = n->slots;
    }
    return s;
}

NETSIM_FN int netsim__before(const netsim *n, uint32_t a, uint32_t b)
{
    const netsim__slot *x = &n->slot[a], *y = &n->slot[b];

    return x->at != y->at ? x->at < y->at : x->id < y->id;
}

NETSIM_FN void netsim__heap_push(netsim *n, netsim_link *l, uint32_t s)
{
    uint32_t i = l->heap_n++;

    for (; i > 0 && netsim__before(n, s, l->heap[(i - 1) / 2]);
         i = (i - 1) / 2)
        l->heap[i] = l->heap[(i - 1) / 2];
    l->heap[i] = s;
    n->slot[s].heaped = 1;
}

NETSIM_FN uint32_t netsim__heap_pop(netsim *n, netsim_link *l)
{
    uint32_t top = l->heap[0], last = l->heap[--l->heap_n], i = 0, child;

    while ((child = 2 * i + 1) < l->heap_n) {
        if (child + 1 < l->heap_n &&
            netsim__before(n, l->heap[child + 1], l->heap[child]))
            child++;
        if (!netsim__before(n, l->heap[child], last))
            break;
        l->heap[i] = l->heap[child];
        i = child;
    }
    l->heap[i] = last;
    n->slot[top].heaped = 0;
    return top;
}

/* ---- one direction ---------------------------------------------------- */

NETSIM_FN uint32_t netsim__size(const netsim_link *l, uint32_t len)
{
    return len + (uint32_t)l->overhead;
}

/* What has left the serializer by now no longer fills the queue. */
NETSIM_FN void netsim__depart(netsim *n, netsim_link *l)
{
    uint32_t s;

    while ((s = l->queue_head) != n->slots && n->slot[s].depart <= n->now) {
        l->queue_head = n->slot[s].next;
        if (l->queue_head == n->slots)
            l->queue_tail = n->slots;
        l->queue_now--;
        l->queue_now_bytes -= netsim__size(l, n->slot[s].wire);
        n->slot[s].queued = 0;
        netsim__release(n, s);
    }
}

NETSIM_FN void netsim__tick(netsim *n, uint64_t now)
{
    if (now > n->now)
        n->now = now;
    netsim__depart(n, &n->link[0]);
    netsim__depart(n, &n->link[1]);
}

/* When the last bit of a packet given to the serializer now has left it,
   rounded up to the microsecond. */
NETSIM_FN uint64_t netsim__serialize(netsim *n, netsim_link *l, uint32_t len)
{
    uint64_t work;

    if (l->rate == 0)
        return n->now;
    if (l->busy_us < n->now) {
        l->busy_us = n->now;
        l->busy_frac = 0;
    }
    work = (uint64_t)netsim__size(l, len) * 8000000u + l->busy_frac;
    l->busy_us += work / l->rate;
    l->busy_frac = work % l->rate;
    return l->busy_us + (l->busy_frac != 0);
}

NETSIM_FN int netsim__queue_full(const netsim_link *l, uint32_t len)
{
    if (l->rate == 0)
        return 0;
    if (l->queue_packets != 0 && l->queue_now >= l->queue_packets)
        return 1;
    return l->queue_bytes != 0 &&
           l->queue_now_bytes + netsim__size(l, len) > l->queue_bytes;
}

NETSIM_FN int netsim__congested(const netsim_link *l)
{
    return (l->mark_bytes != 0 && l->queue_now_bytes > l->mark_bytes) ||
           (l->mark_packets != 0 && l->queue_now > l->mark_packets);
}

/* Gilbert-Elliott: the chain moves first, then decides. */
NETSIM_FN int netsim__lose(const netsim *n, netsim_link *l, int dir,
                           uint64_t i)
{
    uint32_t ppm = l->loss_ppm;

    if (l->burst_ppm != 0) {
        uint32_t turn = l->in_burst ? l->burst_end_ppm : l->burst_ppm;

        if (netsim__chance(n, dir, 1, i, turn))
            l->in_burst = !l->in_burst;
        if (l->in_burst)
            ppm = l->burst_loss_ppm ? l->burst_loss_ppm : 1000000u;
    }
    return netsim__chance(n, dir, 2, i, ppm);
}

NETSIM_FN unsigned netsim__orders(netsim *n, const netsim_packet *p)
{
    const netsim_link *l = &n->link[p->dir];
    unsigned orders = n->script ? n->script(n->script_ctx, p) : 0;
    uint32_t i;

    for (i = 0; i < l->drops; i++)
        if (l->drop[i] == p->index)
            orders |= NETSIM_DO_DROP;
    return orders;
}

NETSIM_FN uint32_t netsim__deliver(netsim *n, netsim_link *l, uint32_t s,
                                   const netsim_packet *p, uint64_t at,
                                   uint32_t fate)
{
    netsim__slot *slot = &n->slot[s];

    slot->at = at;
    slot->id = n->id++;
    slot->index = p->index;
    slot->sent = n->now;
    slot->len = p->len;
    slot->wire = p->wire;
    slot->tos = p->tos;
    slot->fate = fate;
    netsim__heap_push(n, l, s);
    return fate;
}

NETSIM_FN void netsim__damage(const netsim *n, const netsim_link *l,
                              const netsim_packet *p, uint8_t *bytes)
{
    uint64_t r = netsim__draw(n, p->dir, 3, p->index);
    uint32_t bits = (p->len - l->corrupt_skip) * 8u;
    uint32_t bit = (uint32_t)((r >> 32) * bits >> 32);

    bytes[l->corrupt_skip + bit / 8u] ^= (uint8_t)(1u << bit % 8u);
}

NETSIM_FN void netsim__enqueue(netsim *n, netsim_link *l, uint32_t s,
                               uint32_t wire, uint64_t depart)
{
    netsim__slot *slot = &n->slot[s];

    slot->depart = depart;
    slot->wire = wire;
    slot->next = n->slots;
    slot->queued = 1;
    if (l->queue_tail == n->slots)
        l->queue_head = s;
    else
        n->slot[l->queue_tail].next = s;
    l->queue_tail = s;
    l->queue_now++;
    l->queue_now_bytes += netsim__size(l, wire);
    if (l->queue_now > l->stats.max_queue_packets)
        l->stats.max_queue_packets = l->queue_now;
    if (l->queue_now_bytes > l->stats.max_queue_bytes)
        l->stats.max_queue_bytes = l->queue_now_bytes;
}

/* ---- the calls -------------------------------------------------------- */

/* Orders the index-th packet (from 0) of a direction to be dropped.
   Returns 0, or -1 when NETSIM_SCRIPT such orders are there already. */
NETSIM_FN int netsim_drop(netsim *n, int dir, uint64_t index)
{
    netsim_link *l = &n->link[dir];

    if (l->drops == NETSIM_SCRIPT)
        return -1;
    l->drop[l->drops++] = index;
    return 0;
}

/* Gives a packet to the network; the bytes are copied. Returns its fate
   (NETSIM_*): & NETSIM_DROPPED tells that it will never arrive. wire is
   what queue and rate see. */
NETSIM_FN uint32_t netsim_send_as(netsim *n, int dir, const void *bytes,
                                  uint32_t len, uint32_t wire, uint8_t tos,
                                  uint64_t now)
{
    netsim_link *l = &n->link[dir];
    netsim_packet p;
    unsigned orders, luck;
    uint32_t s, copy, fate = 0;
    uint64_t at, depart, i;

    netsim__tick(n, now);
    i = p.index = l->index++;
    p.dir = dir;
    p.now = n->now;
    p.bytes = (const uint8_t *)bytes;
    p.len = len;
    p.tos = tos;
    p.wire = wire;
    l->stats.sent++;
    l->stats.sent_bytes += wire;
    orders = netsim__orders(n, &p);
    luck = !(orders & NETSIM_DO_KEEP);
    if (orders & NETSIM_DO_DROP) {
        l->stats.scripted++;
        return NETSIM_SCRIPTED;
    }
    if (netsim__queue_full(l, wire)) {
        l->stats.queue_drops++;
        return NETSIM_QUEUE_DROP;
    }
    if (len > n->max_packet || (s = netsim__take(n)) == n->slots) {
        l->stats.no_slot++;
        return NETSIM_NO_SLOT;
    }
    if ((tos & 3) != 0 && (tos & 3) != 3 &&
        (netsim__congested(l) || (orders & NETSIM_DO_MARK))) {
        p.tos = (uint8_t)(tos | 3);
        fate |= NETSIM_MARKED;
        l->stats.marked++;
    }
    depart = netsim__serialize(n, l, wire);
    if (depart > n->now)
        netsim__enqueue(n, l, s, wire, depart);
    if (netsim__lose(n, l, dir, i) && luck) {
        l->stats.lost++;
        netsim__release(n, s); /* it stays for as long as it is queued */
        return fate | NETSIM_LOST;
    }
    memcpy(netsim__bytes(n, s), bytes, len);
    if (len > l->corrupt_skip &&
        ((orders & NETSIM_DO_DAMAGE) ||
         (luck && netsim__chance(n, dir, 4, i, l->corrupt_ppm)))) {
        netsim__damage(n, l, &p, netsim__bytes(n, s));
        fate |= NETSIM_DAMAGED;
        l->stats.damaged++;
    }
    at = depart + l->delay_us;
    if ((orders & NETSIM_DO_DELAY) ||
        (luck && netsim__chance(n, dir, 5, i, l->reorder_ppm))) {
        at += l->reorder_us;
        fate |= NETSIM_DELAYED;
        l->stats.delayed++;
    }
    if ((orders & NETSIM_DO_COPY) ||
        (luck && netsim__chance(n, dir, 6, i, l->copy_ppm)))
        fate |= NETSIM_COPIED;
    netsim__deliver(n, l, s, &p, at, fate);
    if (!(fate & NETSIM_COPIED))
        return fate;
    if ((copy = netsim__take(n)) == n->slots) {
        l->stats.no_slot++;
        return fate;
    }
    memcpy(netsim__bytes(n, copy), netsim__bytes(n, s), len);
    l->stats.copied++;
    netsim__deliver(n, l, copy, &p, at + l->copy_us, fate | NETSIM_COPY);
    return fate;
}

NETSIM_FN uint32_t netsim_send(netsim *n, int dir, const void *bytes,
                               uint32_t len, uint8_t tos, uint64_t now)
{
    return netsim_send_as(n, dir, bytes, len, len, tos, now);
}

/* The time of the next delivery in one direction; NETSIM_NEVER: none */
NETSIM_FN uint64_t netsim_next_of(const netsim *n, int dir)
{
    const netsim_link *l = &n->link[dir];

    return l->heap_n ? n->slot[l->heap[0]].at : NETSIM_NEVER;
}

NETSIM_FN uint64_t netsim_next(const netsim *n)
{
    uint64_t a = netsim_next_of(n, 0), b = netsim_next_of(n, 1);

    return a < b ? a : b;
}

/* Takes the next packet that has arrived by now; returns its length, or 0
   when there is none. What does not fit into cap is cut off. info may be
   NULL. */
NETSIM_FN uint32_t netsim_receive(netsim *n, int dir, void *buf, uint32_t cap,
                                  uint64_t now, netsim_info *info)
{
    netsim_link *l = &n->link[dir];
    const netsim__slot *slot;
    uint32_t s, len;

    netsim__tick(n, now);
    if (l->heap_n == 0 || netsim_next_of(n, dir) > n->now)
        return 0;
    s = netsim__heap_pop(n, l);
    slot = &n->slot[s];
    len = slot->len;
    memcpy(buf, netsim__bytes(n, s), len < cap ? len : cap);
    if (info) {
        info->index = slot->index;
        info->sent = slot->sent;
        info->at = slot->at;
        info->fate = slot->fate;
        info->tos = slot->tos;
    }
    l->stats.delivered++;
    l->stats.delivered_bytes += slot->wire;
    netsim__release(n, s);
    return len < cap ? len : cap;
}

/* Packets under way in one direction */
NETSIM_FN uint32_t netsim_in_flight(const netsim *n, int dir)
{
    return n->link[dir].heap_n;
}

#endif /* NETSIM_H */
