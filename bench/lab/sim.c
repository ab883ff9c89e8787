/* sim.c - see lab.h - 0BSD */

#include <stdlib.h>
#include <sys/mman.h>

#include "lab.h"
#include "pair.h"

/* What is sent, again and again; a copy of its beginning follows it, so
   that no piece of it ever wraps. */
#define PERIOD 262144u
static uint8_t pattern[PERIOD + 65536u];
#define PREFIX 4u /* in front of each packet: flow, -, payload length */

static void make_pattern(void)
{
    uint64_t state = 7, word = 0;
    uint32_t i;

    if (pattern[0] != 0 || pattern[1] != 0)
        return;
    for (i = 0; i < PERIOD; i++) {
        if (i % 8 == 0)
            word = netsim_random(&state);
        pattern[i] = (uint8_t)(word >> i % 8 * 8);
    }
    memcpy(pattern + PERIOD, pattern, sizeof pattern - PERIOD);
}

static void die(const char *why, long long n)
{
    fprintf(stderr, "lab: %s (%lld)\n", why, n);
    exit(3);
}

uint64_t lab_random(uint64_t *state, uint64_t below)
{
    return (netsim_random(state) >> 32) * below >> 32;
}

uint64_t lab_bdp(uint64_t rate, tcpsm_time rtt)
{
    return rate / 8u * rtt / LAB_S;
}

double lab_payload_rate(uint64_t rate)
{
    return (double)rate / 8 * LAB_PAYLOAD / LAB_PACKET;
}

/* ---- controllers ------------------------------------------------------- */

const tcpsm_cc lab_reno = {TCPSM_CC_NEWRENO, 0, 0, 0, 0, 0, 0, 0};
const tcpsm_cc lab_cubic = {TCPSM_CC_CUBIC, 0, 0, 0, 0, 0, 0, 0};
uint32_t lab_fixed_segments = 10;

static void fix(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    s->cwnd = s->ssthresh = lab_fixed_segments * e->mss;
}

const tcpsm_cc lab_fixed = {200, fix, fix, fix, fix, fix, fix, fix};

/* ---- memory ------------------------------------------------------------ */

static void *pages(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        die("no memory", (long long)n);
    return p;
}

/* ---- the path ---------------------------------------------------------- */

/* A token bucket that drops and never queues */
static int policed(lab *l, uint32_t wire)
{
    double full = (double)l->police_burst;

    l->tokens +=
        (double)(l->now - l->tokens_at) * ((double)l->police_rate / 8e6);
    l->tokens_at = l->now;
    if (l->tokens > full)
        l->tokens = full;
    if (l->tokens < wire)
        return 1;
    l->tokens -= wire;
    return 0;
}

static unsigned orders(void *ctx, const netsim_packet *p)
{
    lab *l = (lab *)ctx;

    if (l->now >= l->black_from && l->now < l->black_to)
        return NETSIM_DO_DROP;
    if (l->hole_bytes != 0 && p->dir == 0 && p->wire > l->hole_bytes &&
        l->now >= l->hole_from)
        return NETSIM_DO_DROP;
    if (l->police_rate != 0 && p->dir == 0 && policed(l, p->wire)) {
        l->policed++;
        return NETSIM_DO_DROP;
    }
    return l->script ? l->script(l, &l->event) : 0;
}

lab *lab_new(uint64_t rate, tcpsm_time rtt, uint64_t queue, uint64_t seed)
{
    lab *l = (lab *)calloc(1, sizeof *l);
    uint64_t bdp = lab_bdp(rate, rtt);
    int d;

    if (l == NULL)
        die("no memory", 0);
    make_pattern();
    l->rate = rate;
    l->rtt = rtt;
    l->now = LAB_S;
    if (queue == 0)
        queue = bdp > 20 * LAB_PACKET ? bdp : 20 * LAB_PACKET;
    l->net.seed = seed;
    l->dice = seed;
    for (d = 0; d < 2; d++) {
        l->net.link[d].rate = rate;
        l->net.link[d].delay_us = d == 0 ? rtt / 2 : rtt - rtt / 2;
        l->net.link[d].queue_bytes =
            queue > UINT32_MAX ? UINT32_MAX : (uint32_t)queue;
    }
    return l;
}

/* netsim_init forgets what was set, so it comes late and gives it back. */
static void make_network(lab *l)
{
    netsim n = l->net;
    uint64_t data = lab_bdp(l->rate, l->rtt) + n.link[0].queue_bytes;
    uint64_t slots = 4 * (data / LAB_PACKET + 64) + 4096;
    int d;

    l->copy = l->whole ? LAB_COPY : 128u;
    l->mem_len = NETSIM_WORDS(slots, l->copy) * 8;
    l->mem = (uint64_t *)pages(l->mem_len);
    netsim_init(&l->net, n.seed, l->mem, l->mem_len, l->copy);
    for (d = 0; d < 2; d++) {
        netsim_link *to = &l->net.link[d], *from = &n.link[d];

        from->heap = to->heap;
        from->queue_head = to->queue_head;
        from->queue_tail = to->queue_tail;
        *to = *from;
        to->corrupt_skip = PREFIX;
    }
    l->net.script = orders;
    l->net.script_ctx = l;
    l->tokens = (double)l->police_burst;
    l->tokens_at = l->now;
}

/* ---- one flow ---------------------------------------------------------- */

static void name(lab_flow *f)
{
    tcpsm_tuple *a = &f->tuple[0], *b = &f->tuple[1];
    int i;

    a->family = b->family = 4;
    a->local[0] = a->remote[0] = b->local[0] = b->remote[0] = 10;
    a->local[3] = b->remote[3] = 1;
    a->remote[3] = b->local[3] = 2;
    a->local_port = b->remote_port = (uint16_t)(40000 + f->number);
    a->remote_port = b->local_port = 80;
    for (i = 0; i < 2; i++)
        f->due[i] = TCPSM_NEVER;
}

lab_flow *lab_add(lab *l, const tcpsm_config *cfg, const tcpsm_config *cfg_b)
{
    lab_flow *f = (lab_flow *)pages(sizeof *f);
    uint64_t need = lab_bdp(l->rate, l->rtt) + l->net.link[0].queue_bytes,
             bits;
    int s;

    if (l->flows == LAB_FLOWS)
        die("too many flows", l->flows);
    need = 2 * need + 65536; /* a window of holes, and one beyond them */
    if (need > TCPSM_MAX_RING)
        need = TCPSM_MAX_RING;
    f->number = l->flows;
    f->whole = l->whole;
    f->total = LAB_ENDLESS;
    f->ring_len = (uint32_t)need;
    for (bits = 65536; bits < need; bits *= 2)
        ;
    f->seen_bits = bits;
    f->seen = (uint64_t *)pages(bits / 8);
    name(f);
    for (s = 0; s < 2; s++) {
        const tcpsm_config *given = s == 0 ? cfg : cfg_b;
        tcpsm_config k;
        tcpsm_ret r;

        memset(&k, 0, sizeof k);
        if (given)
            k = *given;
        memset(k.key, 0xA1 + s + 2 * f->number, 16);
        k.counters = &f->n[s];
        if (l->tick > 1)
            k.clock_us = (uint32_t)l->tick;
        if (!f->whole)
            k.flags |= TCPSM_GATHER | TCPSM_TX_ZERO;
        f->ring[s] = (uint8_t *)pages(need);
        r = tcpsm_init(&f->c[s], &k);
        if (r == 0)
            r = tcpsm_attach(&f->c[s], s == 0 ? TCPSM_SEND : TCPSM_RECEIVE,
                             f->ring[s], f->ring_len, NULL);
        if (r == 0 && !l->inline_tables)
            r = tcpsm_attach(&f->c[s], TCPSM_TABLES, f->tables[s],
                             sizeof f->tables[s], NULL);
        if (r != 0)
            die("a connection cannot be made", r);
    }
    l->flow[l->flows++] = f;
    return f;
}

/* The sender's program: as much as there is room for */
static void fill(lab_flow *f)
{
    tcpsm_span s[2];
    uint64_t left = f->total - f->queued;
    uint32_t n, i;
    tcpsm_ret r;

    if (left == 0 || (r = tcpsm_send_reserve(&f->c[0], s)) <= 0)
        return;
    n = left < (uint64_t)r ? (uint32_t)left : (uint32_t)r;
    if (f->whole)
        for (i = 0; i < n; i++)
            *(i < s[0].n ? s[0].p + i : s[1].p + (i - s[0].n)) =
                pattern[(f->queued + i) % PERIOD];
    r = tcpsm_send_commit(&f->c[0], n, 0);
    if (r > 0)
        f->queued += (uint32_t)r;
}

static void forget_seen(lab_flow *f, uint64_t from, uint64_t to)
{
    uint64_t i;

    for (i = from; i < to;)
        if (i % 64 == 0 && to - i >= 64) {
            f->seen[i % f->seen_bits / 64] = 0;
            i += 64;
        } else {
            f->seen[i % f->seen_bits / 64] &= ~((uint64_t)1 << i % 64);
            i++;
        }
}

/* The reader's program: everything, at once, compared */
static void drain(lab *l, lab_flow *f)
{
    tcpsm_cspan s[2];
    uint64_t was = f->got;
    uint32_t n, at;
    tcpsm_ret r;
    int i;

    while ((r = tcpsm_receive_peek(&f->c[1], s)) > 0) {
        for (i = 0; i < 2; i++)
            for (at = 0; at < s[i].n; at += n) {
                n = s[i].n - at < 65536u ? s[i].n - at : 65536u;
                if (memcmp(s[i].p + at, pattern + f->got % PERIOD, n) != 0)
                    f->wrong += n;
                f->got += n;
            }
        tcpsm_receive_consume(&f->c[1], (uint32_t)r);
    }
    if (f->got > was && f->seen_to > was)
        forget_seen(f, was, f->got);
    if (f->done == 0 && f->got >= f->total)
        f->done = l->now;
}

static uint32_t mark_seen(lab_flow *f, uint64_t a, uint64_t b)
{
    uint32_t again = 0;
    uint64_t i;

    if (b > f->got + f->seen_bits)
        return 0;
    if (b > f->seen_to)
        f->seen_to = b;
    for (i = a; i < b;) {
        uint64_t *w = &f->seen[i % f->seen_bits / 64], bits = ~(uint64_t)0;
        uint64_t n = 64 - i % 64;

        if (b - i < n) {
            n = b - i;
            bits = ((uint64_t)1 << n) - 1;
        }
        bits <<= i % 64;
        again += (uint32_t)__builtin_popcountll(*w & bits);
        *w |= bits;
        i += n;
    }
    return again;
}

/* The stream's offset of a sequence number that is near `near` */
static uint64_t place(const lab_flow *f, int side, uint32_t seq,
                      uint64_t near)
{
    uint32_t low = seq - f->isn[side] - 1;

    return near + (uint64_t)(int64_t)(int32_t)(low - (uint32_t)near);
}

/* ---- the wire ---------------------------------------------------------- */

static void tell(lab *l, int what, uint32_t fate)
{
    if (!l->watch)
        return;
    l->event.what = what;
    l->event.fate = fate;
    l->watch(l, &l->event);
}

static void count_sent(lab *l, lab_flow *f, uint64_t at, uint32_t len)
{
    f->packets++;
    f->sent_bytes += len;
    l->event.again = at < f->high;
    if (l->event.again) {
        uint64_t old = f->high - at;

        f->again_bytes += old < len ? old : len;
        f->again_packets++;
        f->last_again = l->now;
    }
    if (at + len > f->high) {
        f->high = at + len;
        f->last_new = l->now;
    }
}

static void transmit(lab *l, lab_flow *f, int side, const tcpsm_out *o,
                     uint8_t *packet, uint32_t len)
{
    uint8_t *seg = packet + PREFIX;
    uint32_t hdr = o->hdr_len, seq = pair_get32(seg + 4), fate;
    uint32_t n = f->whole ? len - hdr : o->ref[0].n + o->ref[1].n;
    netsim_link *link = &l->net.link[side];

    if (seg[13] & PAIR_SYN)
        f->isn[side] = seq;
    memset(&l->event, 0, sizeof l->event);
    l->event.flow = f;
    l->event.side = side;
    l->event.now = l->now;
    l->event.header = seg;
    l->event.len = n;
    l->event.tos = o->tos;
    if (side == 0 && !(seg[13] & PAIR_SYN)) {
        l->event.at = place(f, 0, seq, f->una);
        if (n != 0)
            count_sent(l, f, l->event.at, n);
    }
    packet[0] = (uint8_t)f->number;
    packet[1] = 0;
    pair_put16(packet + 2, n);
    fate = netsim_send_as(&l->net, side, packet, PREFIX + len, 20 + hdr + n,
                          o->tos, l->now);
    if (fate & NETSIM_NO_SLOT)
        die("the network's memory is too small", (long long)l->net.slots);
    if (side == 0 && n != 0) {
        l->queue_sum += (double)link->queue_now_bytes;
        l->queue_n++;
        if (link->queue_now_bytes > l->queue_max)
            l->queue_max = link->queue_now_bytes;
    }
    if (fate & NETSIM_DROPPED)
        l->dropped++;
    tell(l, LAB_SENT, fate);
}

/* What a host takes for now, and when it will look again: its clock has
   ticks, and no timer of it is finer. */
static tcpsm_time clock_of(const lab *l)
{
    return l->tick > 1 ? l->now - l->now % l->tick : l->now;
}

static tcpsm_time wake_at(const lab *l, tcpsm_time deadline)
{
    if (l->tick <= 1 || deadline > TCPSM_NEVER - l->tick)
        return deadline;
    return (deadline + l->tick - 1) / l->tick * l->tick;
}

static void step(lab *l, lab_flow *f, int side)
{
    tcpsm_time now = clock_of(l);
    uint8_t packet[PREFIX + LAB_COPY];
    uint32_t turns = 0;
    tcpsm_out o;
    tcpsm_ret r;

    if (side == 0)
        fill(f);
    else
        drain(l, f);
    memset(&o, 0, sizeof o);
    for (;;) {
        o.buf = packet + PREFIX;
        o.cap = f->whole ? LAB_COPY : 128u;
        if (tcpsm_deadline(&f->c[side]) > now)
            break;
        r = tcpsm_output(&f->c[side], &o, now);
        if (r < 0 || ++turns > 10000000u)
            die("output fails, or does not end", r);
        if (r > 0)
            transmit(l, f, side, &o, packet, (uint32_t)r);
    }
    f->due[side] = wake_at(l, tcpsm_deadline(&f->c[side]));
    if (f->up == 0 && side == 0 && tcpsm_state(&f->c[0]) == TCPSM_ESTABLISHED)
        f->up = l->now;
}

/* The sender's host is busy for a while (Floyd and Jacobson 1991, on phase
   effects, propose up to the bottleneck's service time). */
static void linger(lab *l, lab_flow *f)
{
    tcpsm_time at = tcpsm_deadline(&f->c[0]);

    fill(f);
    if (at <= l->now || tcpsm_deadline(&f->c[0]) <= l->now)
        at = l->now + lab_random(&l->dice, l->jitter + 1);
    if (at < f->due[0] || f->due[0] <= l->now)
        f->due[0] = at;
}

static void deliver(lab *l, int from, uint8_t *packet, uint32_t len,
                    const netsim_info *info)
{
    static uint8_t whole[LAB_COPY + 65536];
    uint8_t *seg = packet + PREFIX;
    lab_flow *f = l->flow[packet[0] % LAB_FLOWS];
    uint32_t n = pair_get16(packet + 2), hdr = len - PREFIX;
    uint32_t seq, again = 0;
    uint64_t at = 0, from_at;
    tcpsm_in in;

    if (f->whole)
        hdr -= n;
    seq = pair_get32(seg + 4);
    memset(&in, 0, sizeof in);
    in.src = f->tuple[from].local;
    in.dst = f->tuple[from].remote;
    in.data = seg;
    in.len = len - PREFIX;
    in.family = 4;
    in.tos = info->tos;
    if (from == 0 && n != 0)
        at = place(f, 0, seq, f->got);
    if (!f->whole) {
        in.flags = TCPSM_IN_CSUM_OK;
        if (n != 0) {
            memcpy(whole, seg, hdr);
            memcpy(whole + hdr, pattern + at % PERIOD, n);
            in.data = whole;
            in.len = hdr + n;
        }
    }
    from_at = f->got;
    if (tcpsm_input(&f->c[!from], &in, clock_of(l)) == TCPSM_E_NOT_MINE)
        f->dead = 1;
    if (from == 0 && n != 0 && !(info->fate & NETSIM_DAMAGED)) {
        uint64_t a = at > from_at ? at : from_at, b = at + n;

        again = b <= from_at ? n : (uint32_t)(a - at);
        if (b > a && in.drop == 0 && (a > from_at || f->seen_to > a))
            again += mark_seen(f, a, b);
        if (!(info->fate & NETSIM_COPY))
            f->spurious += again;
    }
    if (from == 1 && (seg[13] & (PAIR_ACK | PAIR_SYN)) == PAIR_ACK) {
        uint64_t una = place(f, 0, pair_get32(seg + 8), f->una);

        if (una > f->una && una <= f->high + 1)
            f->una = una;
    }
    if (l->watch) {
        memset(&l->event, 0, sizeof l->event);
        l->event.flow = f;
        l->event.side = from;
        l->event.now = l->now;
        l->event.header = seg;
        l->event.len = n;
        l->event.at = at;
        l->event.again = again != 0;
        l->event.tos = info->tos;
        tell(l, LAB_TAKEN, info->fate);
    }
    if (from == 1 && l->jitter != 0)
        linger(l, f);
    else
        step(l, f, !from);
}

/* ---- time -------------------------------------------------------------- */

void lab_open(lab *l, lab_flow *f)
{
    if (l->mem == NULL)
        make_network(l);
    f->opened = l->now;
    if (tcpsm_listen(&f->c[1], &f->tuple[1], clock_of(l)) < 0 ||
        tcpsm_open(&f->c[0], &f->tuple[0], clock_of(l)) < 0)
        die("a connection cannot be opened", f->number);
    step(l, f, 1);
    step(l, f, 0);
}

void lab_more(lab *l, lab_flow *f)
{
    f->done = 0;
    step(l, f, 0);
}

static int turn(lab *l, tcpsm_time until)
{
    uint8_t packet[PREFIX + LAB_COPY];
    tcpsm_time next = netsim_next(&l->net);
    netsim_info info;
    uint32_t n;
    int i, s;

    for (i = 0; i < l->flows; i++)
        for (s = 0; s < 2; s++)
            if (l->flow[i]->due[s] < next)
                next = l->flow[i]->due[s];
    if (next > until) {
        if (until > l->now)
            l->now = until;
        return 0;
    }
    if (next > l->now)
        l->now = next;
    for (s = 0; s < 2; s++)
        while (netsim_next_of(&l->net, s) <= l->now &&
               (n = netsim_receive(&l->net, s, packet, sizeof packet, l->now,
                                   &info)) != 0)
            deliver(l, s, packet, n, &info);
    for (i = 0; i < l->flows; i++)
        for (s = 0; s < 2; s++)
            if (l->flow[i]->due[s] <= l->now)
                step(l, l->flow[i], s);
    return 1;
}

void lab_run(lab *l, tcpsm_time until)
{
    while (turn(l, until))
        ;
}

int lab_until(lab *l, int (*done)(lab *), tcpsm_time until)
{
    while (!done(l))
        if (!turn(l, until))
            return done(l);
    return 1;
}

int lab_established(lab *l)
{
    int i;

    for (i = 0; i < l->flows; i++)
        if (l->flow[i]->up == 0)
            return 0;
    return 1;
}

int lab_all_done(lab *l)
{
    int i;

    for (i = 0; i < l->flows; i++)
        if (l->flow[i]->done == 0)
            return 0;
    return 1;
}

void lab_info(const lab_flow *f, int side, struct tcpsm_info *info)
{
    tcpsm_status(&f->c[side], info);
}

void lab_free(lab *l)
{
    int i, s;

    for (i = 0; i < l->flows; i++) {
        lab_flow *f = l->flow[i];

        for (s = 0; s < 2; s++)
            munmap(f->ring[s], f->ring_len);
        munmap(f->seen, f->seen_bits / 8);
        munmap(f, sizeof *f);
    }
    if (l->mem)
        munmap(l->mem, l->mem_len);
    free(l);
}
