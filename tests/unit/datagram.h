/* datagram.h - a stack among IP datagrams that are made and read by hand.
   0BSD. Include after test.h and tcpsm.h.

   Nothing of the header's own is used for reading and writing them: sums
   and offsets are counted here once more, from the RFCs.

       static host h;
       static peer p;
       tcpsm_stack_config cfg = host_config();
       host_start(&h, &cfg);            // 192.0.2.1/24 and 2001:db8::1/64
       host_listen(&h, 80);
       peer_open(&h, &p, 4, 1, 80);     // 198.51.100.1, the third ACK sent
       peer_say(&h, &p, 100, DG_PSH);   // 100 bytes in order
       CHECK_GT(host_out(&h), 0);       // h.v is what came out, looked at
       host_stop(&h);

   host_in gives the stack an exact copy on the heap, so that a sanitizer
   sees any read beyond the datagram. */

#ifndef DATAGRAM_H
#define DATAGRAM_H

enum {
    DG_FIN = 1,
    DG_SYN = 2,
    DG_RST = 4,
    DG_PSH = 8,
    DG_ACK = 16,
    DG_URG = 32,
    DG_MAX = 66000,
    DG_SECOND = 1000000
};

TEST__UNUSED static void dg_put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

TEST__UNUSED static void dg_put32(uint8_t *p, uint32_t v)
{
    dg_put16(p, v >> 16);
    dg_put16(p + 2, v);
}

TEST__UNUSED static uint32_t dg_get16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

TEST__UNUSED static uint32_t dg_get32(const uint8_t *p)
{
    return dg_get16(p) << 16 | dg_get16(p + 2);
}

/* RFC 1071: big-endian words added up, the carries too; s is what was
   added before (an even number of bytes). */
TEST__UNUSED static uint32_t dg_add(uint32_t s, const uint8_t *p, uint32_t n)
{
    uint32_t i;
    for (i = 0; i < n; i++)
        s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    while (s >> 16)
        s = (s & 0xFFFF) + (s >> 16);
    return s;
}

/* The sum over a pseudo-header (RFC 9293 s3.1, RFC 8200 s8.1) */
TEST__UNUSED static uint32_t dg_pseudo(uint8_t family, const uint8_t *src,
                                       const uint8_t *dst, uint32_t proto,
                                       uint32_t len)
{
    uint32_t a = family == 4 ? 4 : 16;
    uint8_t w[8];
    dg_put32(w, len);
    dg_put32(w + 4, proto);
    return dg_add(dg_add(dg_add(0, src, a), dst, a), w, 8);
}

/* Sets the checksum of an IPv4 header (RFC 791: "the header checksum") */
TEST__UNUSED static void dg_seal4(uint8_t *ip)
{
    dg_put16(ip + 10, 0);
    dg_put16(ip + 10, ~dg_add(0, ip, (ip[0] & 15u) * 4u) & 0xFFFF);
}

/* ---- making ------------------------------------------------------------- */

typedef struct {
    uint8_t family, proto, tos, ttl;
    uint8_t src[16], dst[16];
    const uint8_t *opt; /* IPv4 options, a multiple of four bytes */
    uint32_t opt_n;
    const uint8_t *ext; /* IPv6 extension headers, the last one's next */
    uint32_t ext_n;     /* header being proto */
    uint8_t ext_first;  /* and what the first of them is */
    uint32_t label;
    uint16_t frag, id; /* IPv4: flags and fragment offset */
} dg_ip;

/* Writes the header(s) before n bytes of payload; returns their length. */
TEST__UNUSED static uint32_t dg_header(uint8_t *p, const dg_ip *ip,
                                       uint32_t n)
{
    if (ip->family == 4) {
        memset(p, 0, 20);
        p[0] = (uint8_t)(0x40 | (5 + ip->opt_n / 4));
        p[1] = ip->tos;
        dg_put16(p + 2, 20 + ip->opt_n + n);
        dg_put16(p + 4, ip->id);
        dg_put16(p + 6, ip->frag);
        p[8] = ip->ttl;
        p[9] = ip->proto;
        memcpy(p + 12, ip->src, 4);
        memcpy(p + 16, ip->dst, 4);
        if (ip->opt_n != 0)
            memcpy(p + 20, ip->opt, ip->opt_n);
        dg_seal4(p);
        return 20 + ip->opt_n;
    }
    dg_put32(p, 6u << 28 | (uint32_t)ip->tos << 20 | ip->label);
    dg_put16(p + 4, ip->ext_n + n);
    p[6] = ip->ext_n != 0 ? ip->ext_first : ip->proto;
    p[7] = ip->ttl;
    memcpy(p + 8, ip->src, 16);
    memcpy(p + 24, ip->dst, 16);
    if (ip->ext_n != 0)
        memcpy(p + 40, ip->ext, ip->ext_n);
    return 40 + ip->ext_n;
}

typedef struct {
    uint16_t sport, dport, win, flags;
    uint32_t seq, ack;
    const uint8_t *opt; /* a multiple of four bytes */
    uint32_t opt_n;
    uint32_t len; /* payload: dg_byte(seq + i) */
} dg_tcp;

/* The payload's octet at a sequence number (that of the SYN left out) */
TEST__UNUSED static uint8_t dg_byte(uint32_t seq)
{
    return (uint8_t)(seq * 7u + (seq >> 8) * 13u + 3u);
}

TEST__UNUSED static uint32_t dg_segment(uint8_t *p, const dg_ip *ip,
                                        const dg_tcp *t)
{
    uint32_t hdr = 20 + t->opt_n, i, s;
    dg_put16(p, t->sport);
    dg_put16(p + 2, t->dport);
    dg_put32(p + 4, t->seq);
    dg_put32(p + 8, t->ack);
    dg_put16(p + 12, hdr / 4 << 12 | t->flags);
    dg_put16(p + 14, t->win);
    dg_put32(p + 16, 0);
    if (t->opt_n != 0)
        memcpy(p + 20, t->opt, t->opt_n);
    for (i = 0; i < t->len; i++)
        p[hdr + i] = dg_byte(t->seq + i);
    s = dg_pseudo(ip->family, ip->src, ip->dst, 6, hdr + t->len);
    dg_put16(p + 16, ~dg_add(s, p, hdr + t->len) & 0xFFFF);
    return hdr + t->len;
}

/* A datagram of both; returns its length. */
TEST__UNUSED static uint32_t dg_make(uint8_t *p, const dg_ip *ip,
                                     const dg_tcp *t)
{
    uint32_t at = ip->family == 4 ? 20 + ip->opt_n : 40 + ip->ext_n;
    uint32_t n = dg_segment(p + at, ip, t);
    dg_ip with = *ip;
    with.proto = 6;
    dg_header(p, &with, n);
    return at + n;
}

/* ---- reading ------------------------------------------------------------ */

typedef struct {
    uint8_t family, tos, ttl, proto;
    const uint8_t *src, *dst, *text;
    uint32_t ip_hdr, n, label, id, frag;
    uint32_t sport, dport, seq, ack, flags, win, tcp_hdr, len;
} dg_view;

/* Takes a datagram apart that the stack made, and is strict about it. */
TEST__UNUSED static void dg_read(dg_view *v, const uint8_t *p, uint32_t n)
{
    const uint8_t *t;
    uint32_t left;
    memset(v, 0, sizeof *v);
    CHECK_GE(n, 20u);
    v->n = n;
    v->family = p[0] >> 4;
    if (v->family == 4) {
        CHECK_EQ(p[0], 0x45);
        CHECK_EQ(dg_get16(p + 2), n);
        CHECK_EQ(dg_add(0, p, 20), 0xFFFF);
        v->ip_hdr = 20;
        v->tos = p[1];
        v->id = dg_get16(p + 4);
        v->frag = dg_get16(p + 6);
        v->ttl = p[8];
        v->proto = p[9];
        v->src = p + 12;
        v->dst = p + 16;
    } else {
        CHECK_EQ(v->family, 6);
        CHECK_GE(n, 40u);
        CHECK_EQ(dg_get16(p + 4), n - 40);
        v->ip_hdr = 40;
        v->tos = (uint8_t)(dg_get16(p) >> 4);
        v->label = dg_get32(p) & 0xFFFFF;
        v->proto = p[6];
        v->ttl = p[7];
        v->src = p + 8;
        v->dst = p + 24;
    }
    CHECK_NE(v->ttl, 0);
    t = p + v->ip_hdr;
    left = n - v->ip_hdr;
    if (v->proto != 6) {
        v->text = t;
        v->len = left;
        return;
    }
    CHECK_GE(left, 20u);
    CHECK_EQ(dg_add(dg_pseudo(v->family, v->src, v->dst, 6, left), t, left),
             0xFFFF);
    v->sport = dg_get16(t);
    v->dport = dg_get16(t + 2);
    v->seq = dg_get32(t + 4);
    v->ack = dg_get32(t + 8);
    v->flags = dg_get16(t + 12) & 0x1FF;
    v->win = dg_get16(t + 14);
    v->tcp_hdr = (uint32_t)(t[12] >> 4) * 4;
    CHECK_GE(v->tcp_hdr, 20u);
    CHECK_LE(v->tcp_hdr, left);
    v->text = t + v->tcp_hdr;
    v->len = left - v->tcp_hdr;
}

/* ---- a host: a stack with an address of each family --------------------- */

typedef struct {
    tcpsm_stack *st;
    void *mem;
    size_t size;
    tcpsm_time now;
    uint16_t zone;
    uint32_t cap;        /* of what it sends */
    uint8_t buf[DG_MAX]; /* what it sent last ... */
    uint32_t n;          /* ... its length ... */
    dg_view v;           /* ... taken apart ... */
    tcpsm_out out;       /* ... and as it was told */
    tcpsm_in in;         /* what it was given last */
    uint16_t gso;        /* in.gso_size of what it is given */
    uint8_t in_flags;    /* and in.flags */
    uint8_t addr4[16], addr6[16];
} host;

TEST__UNUSED static tcpsm_stack_config host_config(void)
{
    tcpsm_stack_config cfg = TCPSM_ZERO;
    uint32_t i;
    for (i = 0; i < sizeof cfg.conn.key; i++)
        cfg.conn.key[i] = (uint8_t)(i * 11 + 5);
    cfg.conns = 16;
    cfg.rcv_ring = cfg.snd_ring = 4096;
    return cfg;
}

TEST__UNUSED static tcpsm_tuple host_tuple(const host *h, uint8_t family)
{
    tcpsm_tuple t = TCPSM_ZERO;
    t.family = family;
    t.zone = h->zone;
    memcpy(t.local, family == 4 ? h->addr4 : h->addr6, 16);
    return t;
}

TEST__UNUSED static void host_start(host *h, const tcpsm_stack_config *cfg)
{
    static const uint8_t a4[16] = {192, 0, 2, 1};
    static const uint8_t a6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
    tcpsm_tuple t;
    free(h->mem);
    memset(h, 0, sizeof *h);
    h->cap = 2000;
    h->now = (tcpsm_time)5 << 32;
    memcpy(h->addr4, a4, 16);
    memcpy(h->addr6, a6, 16);
    h->size = tcpsm_stack_size(cfg);
    CHECK(h->size != 0);
    h->mem = malloc(h->size);
    memset(h->mem, 0xA5, h->size);
    CHECK_EQ(tcpsm_stack_init(&h->st, h->mem, h->size, cfg, h->now), 0);
    t = host_tuple(h, 4);
    CHECK_EQ(tcpsm_stack_address(h->st, &t, 24, 1), 0);
    t = host_tuple(h, 6);
    CHECK_EQ(tcpsm_stack_address(h->st, &t, 64, 1), 0);
}

TEST__UNUSED static void host_stop(host *h)
{
    CHECK_EQ(tcpsm_stack_check(h->st), 0);
    free(h->mem);
    h->mem = NULL;
    h->st = NULL;
}

TEST__UNUSED static tcpsm_ret host_listen(host *h, uint16_t port)
{
    tcpsm_tuple t = TCPSM_ZERO;
    tcpsm_ret l;
    t.local_port = port;
    t.zone = h->zone;
    l = tcpsm_stack_listen(h->st, &t, 0, 0, NULL);
    CHECK_GE(l, 0);
    return l;
}

TEST__UNUSED static struct tcpsm_stack_info host_info(const host *h)
{
    struct tcpsm_stack_info i;
    tcpsm_stack_status(h->st, &i);
    return i;
}

/* A datagram for it. Afterwards h->in is what tcpsm_ip_input made of it,
   but its pointers are of no use. */
TEST__UNUSED static tcpsm_ret host_in(host *h, const uint8_t *p, uint32_t n)
{
    uint8_t *copy = (uint8_t *)malloc(n);
    tcpsm_ret r;
    if (n != 0)
        memcpy(copy, p, n);
    memset(&h->in, 0, sizeof h->in);
    h->in.zone = h->zone;
    h->in.gso_size = h->gso;
    h->in.flags = h->in_flags;
    r = tcpsm_ip_input(h->st, copy, n, &h->in, h->now);
    free(copy);
    return r;
}

/* The next datagram from it, checked: its length, or 0. */
TEST__UNUSED static uint32_t host_out(host *h)
{
    tcpsm_ret r;
    memset(&h->out, 0, sizeof h->out);
    h->out.buf = h->buf;
    h->out.cap = h->cap;
    r = tcpsm_ip_output(h->st, &h->out, h->now);
    CHECK_GE(r, 0);
    h->n = (uint32_t)r;
    memset(&h->v, 0, sizeof h->v);
    if (r == 0)
        return 0;
    CHECK_LE(h->n, h->cap);
    dg_read(&h->v, h->buf, h->n);
    CHECK_EQ(h->out.ttl, h->v.ttl);
    CHECK_EQ(h->out.tos, h->v.tos);
    CHECK_EQ(h->out.tuple.family, h->v.family);
    CHECK_MEM(h->out.tuple.local, h->v.src, h->v.family == 4 ? 4 : 16);
    CHECK_MEM(h->out.tuple.remote, h->v.dst, h->v.family == 4 ? 4 : 16);
    if (h->v.proto == 6) {
        CHECK_EQ(h->out.hdr_len, h->v.ip_hdr + h->v.tcp_hdr);
        CHECK_EQ(h->out.tuple.local_port, h->v.sport);
        CHECK_EQ(h->out.tuple.remote_port, h->v.dport);
    }
    return h->n;
}

/* Throws away what it has to say; returns how many datagrams. */
TEST__UNUSED static uint32_t host_drain(host *h)
{
    uint32_t n = 0;
    while (host_out(h) != 0)
        n++;
    return n;
}

/* ... and what is news, until nothing is due any more. */
TEST__UNUSED static uint32_t host_settle(host *h)
{
    uint32_t n = 0, turn = 0;
    do {
        n += host_drain(h);
        while (tcpsm_stack_next(h->st, NULL) != NULL) {
        }
        CHECKF(++turn < 100000, "there is always more to do");
    } while (tcpsm_stack_deadline(h->st) <= h->now);
    return n;
}

/* ---- peers, far away ---------------------------------------------------- */

typedef struct {
    dg_ip ip;
    uint16_t port, to;
    uint32_t snd_nxt, rcv_nxt, rcv_wnd;
    uint16_t win;
    tcpsm_conn *c;
} peer;

/* The number-th peer of that family; sends from ports 20000 + number. */
TEST__UNUSED static void peer_init(const host *h, peer *p, uint8_t family,
                                   uint32_t number, uint16_t to)
{
    static const uint8_t a6[16] = {0x20, 1, 0xd, 0xb8, 0, 1};
    memset(p, 0, sizeof *p);
    p->ip.family = family;
    p->ip.proto = 6;
    p->ip.ttl = 60;
    p->ip.frag = 0x4000;
    if (family == 4) {
        p->ip.src[0] = 198;
        p->ip.src[1] = 51;
        p->ip.src[2] = (uint8_t)(100 + (number >> 8));
        p->ip.src[3] = (uint8_t)number;
        memcpy(p->ip.dst, h->addr4, 16);
    } else {
        memcpy(p->ip.src, a6, 16);
        dg_put32(p->ip.src + 12, number + 1);
        memcpy(p->ip.dst, h->addr6, 16);
    }
    p->port = (uint16_t)(20000 + number % 40000);
    p->to = to;
    p->snd_nxt = number * 0x01234567u + 0xFFFFF000u; /* wraps soon, some */
    p->win = 60000;
}

/* A segment of len bytes at seq, with these flags, to the stack's buffer;
   nothing about the peer changes. */
TEST__UNUSED static uint32_t peer_make(const peer *p, uint8_t *buf,
                                       uint32_t seq, uint32_t ack,
                                       uint32_t flags, uint32_t len)
{
    static const uint8_t mss[4] = {2, 4, 1460 >> 8, 1460 & 255};
    dg_tcp t = TCPSM_ZERO;
    t.sport = p->port;
    t.dport = p->to;
    t.seq = seq;
    t.ack = ack;
    t.flags = (uint16_t)flags;
    t.win = p->win;
    t.len = len;
    if (flags & DG_SYN) {
        t.opt = mss;
        t.opt_n = 4;
    }
    return dg_make(buf, &p->ip, &t);
}

TEST__UNUSED static tcpsm_ret peer_send(host *h, const peer *p, uint32_t seq,
                                        uint32_t ack, uint32_t flags,
                                        uint32_t len)
{
    static uint8_t buf[DG_MAX];
    return host_in(h, buf, peer_make(p, buf, seq, ack, flags, len));
}

/* The next octets in order, and an ACK of all that it knows. */
TEST__UNUSED static void peer_say(host *h, peer *p, uint32_t len,
                                  uint32_t flags)
{
    CHECK_EQ(peer_send(h, p, p->snd_nxt, p->rcv_nxt, flags | DG_ACK, len), 0);
    CHECK_EQ(h->in.drop, 0);
    p->snd_nxt += len + (flags & DG_FIN ? 1 : 0);
}

/* Is what the host sent last for this peer? */
TEST__UNUSED static int peer_is(const host *h, const peer *p)
{
    return h->v.family == p->ip.family && h->v.sport == p->to &&
           h->v.dport == p->port &&
           memcmp(h->v.dst, p->ip.src, p->ip.family == 4 ? 4 : 16) == 0;
}

/* SYN, SYN-ACK, ACK. The host is silent before and after. */
TEST__UNUSED static void peer_open(host *h, peer *p, uint8_t family,
                                   uint32_t number, uint16_t to)
{
    peer_init(h, p, family, number, to);
    CHECK_EQ(peer_send(h, p, p->snd_nxt, 0, DG_SYN, 0), 0);
    CHECK_EQ(h->in.drop, 0);
    p->snd_nxt++;
    CHECK_GT(host_out(h), 0u);
    CHECK(peer_is(h, p));
    CHECK_EQ(h->v.flags & 0x3F, DG_SYN | DG_ACK);
    CHECK_EQ(h->v.ack, p->snd_nxt);
    p->rcv_nxt = h->v.seq + 1;
    CHECK_EQ(host_out(h), 0u);
    peer_say(h, p, 0, 0);
    CHECK_EQ(host_out(h), 0u);
}

/* ... and accepted. */
TEST__UNUSED static tcpsm_conn *
peer_accepted(host *h, peer *p, uint8_t family, uint32_t number, uint16_t to)
{
    peer_open(h, p, family, number, to);
    p->c = tcpsm_stack_accept(h->st, NULL);
    CHECK(p->c != NULL);
    CHECK_EQ(tcpsm_state(p->c), TCPSM_ESTABLISHED);
    return p->c;
}

#endif
