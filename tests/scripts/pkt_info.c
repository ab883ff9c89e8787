/* pkt_info.c - TCP_INFO as Linux has it, from tcpsm's status. 0BSD.

   Linux counts segments where tcpsm counts bytes. What a status in bytes
   cannot say (how many segments are unacknowledged, sacked, sent again) is
   counted here from the segments themselves, as they pass. A field that
   neither tells is not answered, and the script is skipped. */

#include "pkt.h"

#include <string.h>

/* A segment that was sent, until it is acknowledged. */
struct segment {
    uint32_t seq, end;
    uint32_t text; /* bytes of data in it */
    uint8_t sacked, again;
};

/* What went by of one connection. Times are the script's, in us. */
struct track {
    struct track *next;
    uint8_t family, local[16], remote[16];
    uint16_t local_port, remote_port;
    int known, active, synchronized; /* known: we have sent */
    uint32_t una, max;               /* of what we sent */
    struct segment *seg;
    uint32_t n, cap;
    int64_t segs_in, segs_out, data_segs_in, data_segs_out;
    int64_t bytes_sent, bytes_again, segs_again, delivered;
    int64_t data_sent, data_received, ack_received;
    uint16_t advmss;
    int ect_seen;
    int64_t syn_bytes, fin_in;
    uint32_t irs, rcv_max;
};

struct pkt_info {
    struct track *all;
};

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static int before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static struct track *find(struct pkt_run *run, const tcpsm_tuple *t, int make)
{
    struct track *k;
    if (run->info == NULL)
        run->info = pkt_alloc(&run->arena, sizeof *run->info);
    for (k = run->info->all; k != NULL; k = k->next)
        if (k->family == t->family && k->local_port == t->local_port &&
            k->remote_port == t->remote_port &&
            memcmp(k->local, t->local, 16) == 0 &&
            memcmp(k->remote, t->remote, 16) == 0)
            return k;
    if (!make)
        return NULL;
    k = pkt_alloc(&run->arena, sizeof *k);
    k->family = t->family;
    memcpy(k->local, t->local, 16);
    memcpy(k->remote, t->remote, 16);
    k->local_port = t->local_port;
    k->remote_port = t->remote_port;
    k->next = run->info->all;
    run->info->all = k;
    return k;
}

/* ---- what goes by ------------------------------------------------------ */

static void add(struct pkt_run *run, struct track *k, uint32_t seq,
                uint32_t end, uint32_t text)
{
    struct segment *old = k->seg;
    if (k->n == k->cap) {
        k->cap = k->cap != 0 ? 2 * k->cap : 64;
        k->seg = pkt_alloc(&run->arena, k->cap * sizeof *k->seg);
        if (k->n != 0)
            memcpy(k->seg, old, k->n * sizeof *k->seg);
    }
    memset(&k->seg[k->n], 0, sizeof *k->seg);
    k->seg[k->n].seq = seq;
    k->seg[k->n].end = end;
    k->seg[k->n].text = text;
    k->n++;
    k->max = end;
}

static void sent(struct pkt_run *run, struct track *k, uint32_t seq,
                 uint32_t len, int syn_fin)
{
    uint32_t end = seq + len + (uint32_t)syn_fin, i;
    k->segs_out++;
    if (len != 0) {
        k->data_segs_out++;
        k->bytes_sent += len;
        k->data_sent = run->now;
    }
    if (end == seq)
        return;
    if (before(seq, k->max) && !before(seq, k->una)) {
        k->segs_again++;
        k->bytes_again += len;
        for (i = 0; i < k->n; i++)
            if (before(seq, k->seg[i].end) && before(k->seg[i].seq, end))
                k->seg[i].again = 1;
    }
    if (before(k->max, end))
        add(run, k, before(seq, k->max) ? k->max : seq, end, len);
}

static void acked(struct track *k, uint32_t ack)
{
    uint32_t i = 0;
    if (!before(k->una, ack) || before(k->max, ack))
        return;
    k->una = ack;
    while (i < k->n && !before(ack, k->seg[i].end)) {
        k->delivered += !k->seg[i].sacked;
        i++;
    }
    k->n -= i;
    memmove(k->seg, k->seg + i, k->n * sizeof *k->seg);
    if (k->n != 0 && before(k->seg[0].seq, ack))
        k->seg[0].seq = ack;
}

static void sacked(struct track *k, uint32_t start, uint32_t end)
{
    uint32_t i;
    for (i = 0; i < k->n; i++)
        if (!before(k->seg[i].seq, start) && !before(end, k->seg[i].end) &&
            !k->seg[i].sacked) {
            k->seg[i].sacked = 1;
            k->delivered++;
        }
}

/* Options: our MSS, the peer's SACK blocks. */
static void options(struct track *k, const uint8_t *p, uint32_t n,
                    int inbound)
{
    uint32_t i = 0, j, len;
    while (i < n && p[i] != 0) {
        if (p[i] == 1) {
            i++;
            continue;
        }
        if (i + 1 >= n)
            return;
        len = p[i + 1];
        if (len < 2 || i + len > n)
            return;
        if (p[i] == 2 && len == 4 && !inbound)
            k->advmss = get16(p + i + 2);
        for (j = 2; p[i] == 5 && inbound && j + 8 <= len; j += 8)
            sacked(k, get32(p + i + j), get32(p + i + j + 4));
        i += len;
    }
}

static void segment(struct pkt_run *run, struct track *k, int inbound,
                    const uint8_t *p, uint32_t n)
{
    uint32_t hdr = (uint32_t)(p[12] >> 4) * 4, seq = get32(p + 4), len;
    int syn = (p[13] & 2) != 0, fin = p[13] & 1, rst = (p[13] & 4) != 0;
    if (hdr < 20 || hdr > n)
        return;
    len = n - hdr;
    if (syn && !inbound) {
        if (k->synchronized || !k->known || k->n == 0) {
            memset(&k->segs_in, 0,
                   (size_t)((char *)&k->syn_bytes - (char *)&k->segs_in));
            k->active = !(p[13] & 16);
            k->synchronized = 0;
            k->una = k->max = seq;
            k->n = 0;
            k->data_sent = k->data_received = k->ack_received = run->now;
        }
    }
    if (!inbound) {
        k->known = 1;
        options(k, p + 20, hdr - 20, 0);
        if (!rst)
            sent(run, k, seq, len, syn + fin);
        else
            k->segs_out++;
        return;
    }
    if (!k->known)
        return; /* the SYN of a passive one */
    k->segs_in++;
    if (len != 0) {
        k->data_segs_in++;
        k->data_received = run->now;
    }
    if (rst || !(p[13] & 16))
        return;
    k->ack_received = run->now;
    if (!k->synchronized && !before(k->max, get32(p + 8)) &&
        before(k->una, get32(p + 8))) {
        k->synchronized = 1;
        k->data_sent = k->data_received = run->now;
        if (!k->active) { /* Linux counts from here on */
            k->segs_in = 1;
            k->segs_out = 0;
            k->bytes_sent = k->data_segs_out = 0;
        }
    }
    options(k, p + 20, hdr - 20, 1);
}

void pkt_info_seen(struct pkt_run *run, int inbound, const uint8_t *d,
                   uint32_t len)
{
    tcpsm_tuple t;
    struct track *k;
    uint32_t hdr, size;
    const uint8_t *src, *dst;
    uint8_t ecn;
    memset(&t, 0, sizeof t);
    if (len < 40)
        return;
    if (d[0] >> 4 == 4) {
        hdr = (uint32_t)(d[0] & 15) * 4;
        if (d[9] != 6)
            return;
        t.family = 4;
        size = 4;
        src = d + 12;
        ecn = d[1] & 3;
    } else {
        hdr = 40;
        if (d[6] != 6)
            return;
        t.family = 6;
        size = 16;
        src = d + 8;
        ecn = d[1] >> 4 & 3;
    }
    dst = src + size;
    if (len < hdr + 20)
        return;
    memcpy(t.local, inbound ? dst : src, size);
    memcpy(t.remote, inbound ? src : dst, size);
    t.local_port = get16(d + hdr + (inbound ? 2 : 0));
    t.remote_port = get16(d + hdr + (inbound ? 0 : 2));
    k = find(run, &t, 1);
    if (inbound && ecn != 0 && k->synchronized)
        k->ect_seen = 1;
    segment(run, k, inbound, d + hdr, len - hdr);
}

/* What tcpsm believes to be acknowledged: not every ACK is acceptable. */
static struct track *track_of(struct pkt_run *run, const tcpsm_conn *c)
{
    struct tcpsm_info i;
    struct track *k;
    tcpsm_tuple t;
    uint32_t n;
    tcpsm_name(c, &t);
    k = find(run, &t, 0);
    if (k == NULL)
        return NULL;
    tcpsm_status(c, &i);
    if (i.state != TCPSM_CLOSED)
        acked(k, i.snd_una);
    for (n = 0; n < k->n && i.sacked == 0; n++) {
        k->delivered -= k->seg[n].sacked;
        k->seg[n].sacked = 0; /* reneged, or never believed */
    }
    return k;
}

uint32_t pkt_info_least(struct pkt_run *run, tcpsm_conn *c)
{
    const struct track *k = track_of(run, c);
    uint32_t i, least = UINT32_MAX;
    for (i = 0; k != NULL && i < k->n; i++)
        if (k->seg[i].text != 0 && k->seg[i].text < least)
            least = k->seg[i].text;
    return least;
}

/* ---- the fields -------------------------------------------------------- */

static int64_t freebsd_state(int state)
{
    static const uint8_t t[TCPSM_STATES] = {0, 1, 2, 3, 4, 6, 9, 5, 7, 8, 10};
    return t[state];
}

static int64_t linux_state(int state)
{
    static const uint8_t t[TCPSM_STATES] = {7, 10, 2,  3, 1, 4,
                                            5, 8,  11, 9, 6};
    return t[state];
}

static int64_t per_mss(const struct tcpsm_info *i, uint64_t bytes)
{
    return i->smss != 0 ? (int64_t)(bytes / i->smss) : 0;
}

static int64_t counted(const struct track *k, int what)
{
    uint32_t i;
    int64_t n = 0;
    for (i = 0; i < k->n; i++)
        n += what == 0   ? 1
             : what == 1 ? k->seg[i].sacked
                         : k->seg[i].again && !k->seg[i].sacked;
    return n;
}

/* Open, Disorder, CWR, Recovery, Loss. tcpsm does not tell how long a
   reduction for a mark lasts: -1. */
static int64_t ca_state(const struct pkt_run *run, const struct tcpsm_info *i)
{
    if (i->in_recovery != 0)
        return i->in_recovery == 2 ? 4 : 3;
    if (run->counters.ecn_reductions != 0)
        return -1;
    return i->sacked != 0 || i->dupacks != 0;
}

static int64_t option_bits(const struct track *k, const struct tcpsm_info *i)
{
    return (i->timestamps ? 1 : 0) | (i->sack ? 2 : 0) |
           (i->scaling ? 4 : 0) | (i->ecn ? 8 : 0) | (k->ect_seen ? 16 : 0) |
           (i->fast_open ? 32 : 0);
}

static int64_t ms_since(const struct pkt_run *run, int64_t at)
{
    return (run->now - at) / 1000;
}

/* -2: no such field here. -1 is a value. */
static int64_t of_status(struct pkt_run *run, const struct tcpsm_info *i,
                         const struct track *k, const char *name)
{
    int freebsd = run->conf.profile != NULL &&
                  strcmp(run->conf.profile, "freebsd") == 0;
#define IS(s) (strcmp(name, s) == 0)
    if (IS("state"))
        return freebsd ? freebsd_state(i->state) : linux_state(i->state);
    if (IS("ca_state")) {
        int64_t v = ca_state(run, i);
        return v < 0 ? -2 : v;
    }
    if (IS("retransmits") || IS("backoff"))
        return i->persist ? -2 : i->backoff;
    if (IS("probes"))
        return i->persist || i->keepalive ? -2 : 0;
    if (IS("options"))
        return option_bits(k, i);
    if (IS("snd_wscale"))
        return i->scaling ? i->snd_scale : 0;
    if (IS("rcv_wscale"))
        return i->scaling ? i->rcv_scale : 0;
    if (IS("rto"))
        return i->rto_us;
    if (IS("snd_mss"))
        return i->smss;
    if (IS("advmss"))
        return k->advmss != 0 ? k->advmss : -2;
    if (IS("pmtu"))
        return i->mtu;
    if (IS("rtt"))
        return i->srtt_us;
    if (IS("rttvar"))
        return i->rttvar_us;
    if (IS("min_rtt"))
        return i->min_rtt_us;
    if (IS("snd_cwnd"))
        return freebsd ? i->cwnd : per_mss(i, i->cwnd);
    if (IS("snd_ssthresh"))
        return i->ssthresh > TCPSM_MAX_RING ? 0x7FFFFFFF
               : freebsd                    ? i->ssthresh
                                            : per_mss(i, i->ssthresh);
    if (IS("unacked"))
        return counted(k, 0);
    if (IS("sacked"))
        return counted(k, 1);
    if (IS("retrans"))
        return counted(k, 2);
    if (IS("lost"))
        return per_mss(i, (uint64_t)i->lost + (i->smss ? i->smss - 1u : 0));
    if (IS("reordering")) /* what RACK began with, RFC 8985 s6.2 */
        return i->reordering ? -2 : 3;
    if (IS("reord_seen"))
        return i->reordering ? -2 : 0;
    if (IS("fackets"))
        return 0;
    if (IS("last_data_sent"))
        return ms_since(run, k->data_sent);
    if (IS("last_data_recv"))
        return ms_since(run, k->data_received);
    if (IS("last_ack_recv"))
        return ms_since(run, k->ack_received);
    if (IS("last_ack_sent"))
        return 0;
    if (IS("total_retrans") || IS("snd_rexmitpack"))
        return k->segs_again;
    if (IS("pacing_rate"))
        return i->pacing_rate != 0 ? (int64_t)i->pacing_rate : -2;
    if (IS("notsent_bytes"))
        return i->unsent;
    if (IS("segs_out"))
        return k->segs_out;
    if (IS("segs_in"))
        return k->segs_in;
    if (IS("data_segs_out"))
        return k->data_segs_out;
    if (IS("data_segs_in"))
        return k->data_segs_in;
    if (IS("bytes_sent"))
        return k->bytes_sent;
    if (IS("bytes_retrans"))
        return k->bytes_again;
    if (IS("delivered"))
        return k->delivered;
    if (IS("dsack_dups"))
        return (int64_t)run->counters.dsacks;
    if (IS("rcv_ooopack"))
        return (int64_t)run->counters.out_of_order;
    if (IS("total_rto"))
        return (int64_t)run->counters.timeouts;
    if (IS("received_ce"))
        return i->ecn == 2 ? (int64_t)run->counters.ce : -2;
    if (IS("snd_wnd"))
        return i->snd_wnd;
    if (IS("rcv_wnd"))
        return i->rcv_wnd;
    if (IS("snd_una"))
        return -2; /* the wire's, not the script's */
#undef IS
    return -2;
}

int pkt_info_field(struct pkt_run *run, tcpsm_conn *c, const char *name,
                   int64_t *value)
{
    struct tcpsm_info i;
    const struct track *k;
    struct track none;
    int64_t acked_bytes, received;
    memset(&i, 0, sizeof i);
    memset(&none, 0, sizeof none);
    k = &none;
    if (c != NULL) {
        tcpsm_status(c, &i);
        k = track_of(run, c);
        if (k == NULL)
            k = &none;
    }
    if (strcmp(name, "bytes_acked") == 0 ||
        strcmp(name, "bytes_received") == 0) {
        if (c == NULL || pkt_sock_bytes(run, c, &acked_bytes, &received) < 0)
            return -1;
        *value = name[6] == 'a' ? acked_bytes : received;
        return 0;
    }
    *value = of_status(run, &i, k, name);
    return *value == -2 ? -1 : 0;
}
