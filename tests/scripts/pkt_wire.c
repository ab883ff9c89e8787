/* pkt_wire.c - script space and live space: whose packets, building those
   that go in, and what is always checked of those that come out. 0BSD.

   The bytes are made and checked here by hand and not by tcpsm's own
   helpers: those are under test. */

#include "pkt_wire.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* The peer's sequence space: odd, and 7295 bytes before it wraps. */
#define REMOTE_BASE 0xFFFFE381u
/* Ours, until tcpsm's SYN tells: for segments to nobody. */
#define LOCAL_BASE 0x5EED0001u

enum { FIRST_PORT = 40001 };

/* ---- bytes ------------------------------------------------------------- */

static uint32_t get16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) << 16 | get16(p + 2);
}

static uint32_t get24(const uint8_t *p)
{
    return (uint32_t)p[0] << 16 | get16(p + 1);
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put24(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 16);
    put16(p + 1, v & 0xFFFFu);
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xFFFFu);
}

static uint32_t sum(const uint8_t *p, uint32_t n, uint32_t s)
{
    uint32_t i;

    for (i = 0; i + 1 < n; i += 2) {
        s += get16(p + i);
        s = (s & 0xFFFFu) + (s >> 16);
    }
    if (n & 1)
        s += (uint32_t)p[n - 1] << 8;
    return (s & 0xFFFFu) + (s >> 16);
}

/* Of a transport segment: 0 is right, or what belongs into a zero field. */
static uint32_t checksum(const uint8_t *src, const uint8_t *dst, int v4,
                         uint32_t proto, const uint8_t *p, uint32_t n)
{
    uint32_t s = sum(src, v4 ? 4 : 16, 0);

    s = sum(dst, v4 ? 4 : 16, s) + proto + (n & 0xFFFFu) + (n >> 16);
    s = sum(p, n, (s & 0xFFFFu) + (s >> 16));
    s = (s & 0xFFFFu) + (s >> 16);
    return ~s & 0xFFFFu;
}

static int before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

uint8_t pkt_byte(int peer, uint32_t offset)
{
    /* no period that an offset gone wrong by a power of two would hit */
    uint32_t x = (offset + (peer ? 0x80000003u : 0u)) * 2654435761u;

    return (uint8_t)((x ^ x >> 15) >> 9);
}

/* ---- whose ------------------------------------------------------------- */

struct pkt_wire *pkt_wire_state(struct pkt_run *run)
{
    if (run->wire == NULL) {
        run->wire =
            (struct pkt_wire *)pkt_alloc(&run->arena, sizeof *run->wire);
        run->wire->next_port = FIRST_PORT;
    }
    return run->wire;
}

static int is_v4(const struct pkt_run *run)
{
    return run->conf.ip_version != 6;
}

void pkt_side_syn(struct pkt_side *s, uint32_t base0, uint32_t isn)
{
    s->base = s->base0 = base0;
    s->isn = isn;
    s->open = isn != 0;
}

static uint32_t apart(uint32_t a, uint32_t b)
{
    return before(a, b) ? b - a : a - b;
}

uint32_t pkt_side_base(struct pkt_side *s, uint32_t number, int syn)
{
    int from_1 = s->isn >= PKT_OTHER_ISN &&
                 apart(number, 1) < apart(number, s->isn + 1);

    if (syn)
        return s->base0;
    if (s->open)
        s->base = s->base0 + (from_1 ? s->isn : 0);
    s->open = 0;
    return s->base;
}

static struct pkt_map *map_of(struct pkt_run *run, const tcpsm_tuple *t,
                              int make)
{
    struct pkt_wire *w = pkt_wire_state(run);
    struct pkt_map *m;

    for (m = w->maps; m; m = m->next)
        if (m->tuple.family == t->family &&
            m->tuple.local_port == t->local_port &&
            m->tuple.remote_port == t->remote_port &&
            memcmp(m->tuple.local, t->local, 16) == 0 &&
            memcmp(m->tuple.remote, t->remote, 16) == 0)
            return m;
    if (!make)
        return NULL;
    m = (struct pkt_map *)pkt_alloc(&run->arena, sizeof *m);
    m->tuple = *t;
    m->local_isn = LOCAL_BASE;
    m->remote_isn = m->in_next =
        run->conf.remote_isn_given ? run->conf.remote_isn : REMOTE_BASE;
    pkt_side_syn(&m->local, m->local_isn, 0);
    pkt_side_syn(&m->remote, m->remote_isn, 0);
    m->in_win = 65535;
    m->next = w->maps;
    w->maps = m;
    return m;
}

/* From the peer's port to a port of ours. */
static struct pkt_map *passive(struct pkt_run *run, uint16_t local,
                               uint16_t remote)
{
    uint32_t n = is_v4(run) ? 4 : 16;
    tcpsm_tuple t;

    memset(&t, 0, sizeof t);
    t.family = is_v4(run) ? 4 : 6;
    memcpy(t.local, run->conf.local_ip, n);
    memcpy(t.remote, run->conf.remote_ip, n);
    t.local_port = local ? local : run->conf.bind_port;
    t.remote_port = remote;
    return map_of(run, &t, 1);
}

void pkt_wire_listen(struct pkt_run *run, uint16_t port)
{
    struct pkt_wire *w = pkt_wire_state(run);

    w->listening = 1;
    w->listen_port = port;
}

void pkt_wire_peer(struct pkt_run *run, uint32_t n)
{
    struct pkt_wire *w = pkt_wire_state(run);

    w->listening = 0;
    run->map = passive(run, w->listen_port, (uint16_t)(FIRST_PORT + n));
    run->map->addressed = 1;
    if (w->next_port <= run->map->tuple.remote_port)
        w->next_port = (uint16_t)(run->map->tuple.remote_port + 1);
}

static struct pkt_map *by_fd(struct pkt_run *run, const struct pkt_packet *p)
{
    struct pkt_wire *w = pkt_wire_state(run);
    tcpsm_conn *c = pkt_sock_of(run, p->sock);
    tcpsm_tuple t;

    if (c != NULL) {
        tcpsm_name(c, &t);
        if (p->sock < PKT_FDS && t.remote_port != 0)
            w->fd[p->sock] = map_of(run, &t, 1);
    }
    /* a listener's: somebody new asks, or who asked last goes on */
    if (p->sock < PKT_FDS && (w->fd[p->sock] == NULL || c == NULL) &&
        p->inbound && (p->tcp.flags & (PKT_SYN | PKT_ACK)) == PKT_SYN &&
        (w->fd[p->sock] == NULL || w->fd[p->sock]->synced))
        w->fd[p->sock] = passive(run, w->listen_port, w->next_port++);
    if (p->sock < PKT_FDS && w->fd[p->sock] != NULL) {
        w->fd[p->sock]->addressed = 1;
        w->listening = 0;
        return w->fd[p->sock];
    }
    return NULL;
}

struct pkt_map *pkt_wire_whose(struct pkt_run *run,
                               const struct pkt_packet *p)
{
    struct pkt_wire *w = pkt_wire_state(run);

    if (p->sock >= 0) {
        struct pkt_map *m = by_fd(run, p);

        if (m == NULL)
            pkt_fail(run, "sock(%d): no such connection", p->sock);
        return m;
    }
    if (p->inbound && (w->listening || run->map == NULL)) {
        w->listening = 0;
        run->map = passive(run, w->listen_port, w->next_port++);
    }
    return run->map;
}

/* ---- options ----------------------------------------------------------- */

static void bytes_opt(struct pkt_opt *o, const uint8_t *p, uint32_t n)
{
    o->what = PKT_OPT_BYTES;
    o->n = (int)n;
    memcpy(o->bytes, p, n);
}

/* One known option of n bytes; a length that is wrong leaves it bytes. */
static void take_opt(struct pkt_seg *s, struct pkt_opt *o, const uint8_t *p,
                     uint32_t n)
{
    uint32_t i;

    bytes_opt(o, p, n);
    o->kind = p[0];
    if (p[0] == 2 && n == 4) {
        o->what = PKT_OPT_MSS;
        o->v[0] = get16(p + 2);
    } else if (p[0] == 3 && n == 3) {
        o->what = PKT_OPT_WSCALE;
        o->v[0] = p[2];
    } else if (p[0] == 4 && n == 2) {
        o->what = PKT_OPT_SACKOK;
    } else if (p[0] == 5 && n >= 10 && (n - 2) % 8 == 0) {
        o->what = PKT_OPT_SACK;
        o->nv = (int)(n - 2) / 4;
        for (i = 0; i < (n - 2) / 4; i++)
            o->v[i] = get32(p + 2 + 4 * i);
    } else if (p[0] == 8 && n == 10) {
        o->what = PKT_OPT_TS;
        o->v[0] = s->tsval = get32(p + 2);
        o->v[1] = s->tsecr = get32(p + 6);
        o->nv = 2;
        s->ts = 1;
    } else if (p[0] == 19 && n == 18) {
        o->what = PKT_OPT_MD5;
        o->n = 16;
        memcpy(o->bytes, p + 2, 16);
    } else if (p[0] == 34) {
        o->what = PKT_OPT_FO;
        o->n = (int)n - 2;
        memcpy(o->bytes, p + 2, n - 2);
    } else if (p[0] == 254 && n >= 4 && get16(p + 2) == 0xF989u) {
        o->what = PKT_OPT_FOEXP;
        o->n = (int)n - 4;
        memcpy(o->bytes, p + 4, n - 4);
    } else if ((p[0] == 172 || p[0] == 174) && n <= 11 && (n - 2) % 3 == 0) {
        o->what = PKT_OPT_ACCECN;
        o->v[0] = o->v[1] = o->v[2] = PKT_ANY;
        o->nv = 3;
        for (i = 0; i < (n - 2) / 3; i++)
            o->v[p[0] == 174 ? 2 - i : i] = get24(p + 2 + 3 * i);
    }
}

void pkt_seg_parse(struct pkt_seg *s, const uint8_t *tcp, uint32_t len)
{
    uint32_t i, end, n;

    memset(s, 0, sizeof *s);
    s->seq = get32(tcp + 4);
    s->ack = get32(tcp + 8);
    s->flags = tcp[13] | (tcp[12] & 1u) << 8;
    s->win = get16(tcp + 14);
    s->urg = get16(tcp + 18);
    end = (uint32_t)(tcp[12] >> 4) * 4u;
    if (end < 20 || end > len) {
        s->bad = "data offset";
        end = 20;
    }
    s->hdr = end;
    s->len = len - end;
    s->data = tcp + end;
    for (i = 20; i < end; i += n) {
        struct pkt_opt *o = &s->opt[s->opts];

        memset(o, 0, sizeof *o);
        n = 1;
        if (tcp[i] == 0) {
            o->what = PKT_OPT_EOL;
            for (; i < end; i++)
                if (tcp[i] != 0)
                    s->bad = "padding after the end of options is not zero";
            s->opts++;
            break;
        }
        if (tcp[i] == 1) {
            o->what = PKT_OPT_NOP;
            o->kind = 1;
        } else {
            n = i + 1 < end ? tcp[i + 1] : 0;
            if (n < 2 || i + n > end) {
                s->bad = "length";
                break;
            }
            take_opt(s, o, tcp + i, n);
        }
        s->opts++;
    }
}

struct pkt_cookie *pkt_wire_cookie(struct pkt_run *run, const uint8_t *script,
                                   int n)
{
    struct pkt_cookie *c;

    for (c = pkt_wire_state(run)->cookies; c; c = c->next)
        if (c->script_n == n && memcmp(c->script, script, (size_t)n) == 0)
            return c;
    return NULL;
}

void pkt_wire_learn(struct pkt_run *run, const struct pkt_opt *script,
                    const struct pkt_opt *live)
{
    struct pkt_wire *w = pkt_wire_state(run);
    struct pkt_cookie *c =
        (struct pkt_cookie *)pkt_alloc(&run->arena, sizeof *c);

    c->script_n = script->n;
    c->live_n = live->n;
    memcpy(c->script, script->bytes, (size_t)script->n);
    memcpy(c->live, live->bytes, (size_t)live->n);
    c->next = w->cookies;
    w->cookies = c;
}

/* An echo of ours: what the script named it, else by the first one's base.
   0 that was never named is 0: nothing to echo yet. */
static uint32_t live_ecr(const struct pkt_map *m, uint32_t ecr)
{
    uint32_t i, n = m->pairs < PKT_PAIRS ? m->pairs : PKT_PAIRS;

    for (i = 1; i <= n; i++)
        if (m->pair[(m->pairs - i) % PKT_PAIRS].script == ecr)
            return m->pair[(m->pairs - i) % PKT_PAIRS].live;
    return ecr != 0 && m->ts_known ? ecr - m->ts_script + m->ts_live : ecr;
}

/* The cookie of a segment that goes in: to a server what tcpsm granted by
   that name, or would grant; to a client the script's. Returns its length. */
static uint32_t in_cookie(struct pkt_run *run, const struct pkt_map *m,
                          const struct pkt_tcp *t, const struct pkt_opt *o,
                          uint8_t cookie[40])
{
    const struct pkt_wire *w = run->wire;
    const struct pkt_cookie *c = NULL;
    int n = o->n;

    if (n == 0)
        return 0;
    if (n == PKT_ANY && w->granted_n > 0) {
        memcpy(cookie, w->granted, (size_t)w->granted_n);
        return (uint32_t)w->granted_n;
    }
    if (n == PKT_ANY && (t->flags & PKT_ACK)) {
        memset(cookie, 0xFC, 8);
        return 8;
    }
    if (n > 0)
        c = pkt_wire_cookie(run, o->bytes, n);
    if (c != NULL) {
        memcpy(cookie, c->live, (size_t)c->live_n);
        return (uint32_t)c->live_n;
    }
    if (!(t->flags & PKT_ACK) &&
        (n == PKT_ANY || pkt_cookie_right(run, m, o->bytes, n)) &&
        (n = pkt_cookie_live(run, m, cookie)) > 0)
        return (uint32_t)n;
    if (o->n == PKT_ANY) {
        pkt_skip(run, "a cookie that nobody gave");
        return 0;
    }
    memcpy(cookie, o->bytes, (size_t)o->n);
    return (uint32_t)o->n;
}

/* Writes one option of the script's; returns its length. */
static uint32_t put_opt(struct pkt_run *run, const struct pkt_map *m,
                        const struct pkt_tcp *t, const struct pkt_opt *o,
                        uint8_t *p)
{
    const uint8_t *bytes = o->bytes;
    uint8_t cookie[40];
    uint32_t n = o->n > 0 ? (uint32_t)o->n : 0, i, k;

    switch (o->what) {
    case PKT_OPT_EOL:
        p[0] = 0;
        return 1;
    case PKT_OPT_NOP:
        p[0] = 1;
        return 1;
    case PKT_OPT_MSS:
        p[0] = 2, p[1] = 4;
        put16(p + 2, (uint32_t)o->v[0]);
        return 4;
    case PKT_OPT_WSCALE:
        p[0] = 3, p[1] = 3, p[2] = (uint8_t)o->v[0];
        return 3;
    case PKT_OPT_SACKOK:
        p[0] = 4, p[1] = 2;
        return 2;
    case PKT_OPT_SACK:
        p[0] = 5, p[1] = (uint8_t)(2 + 4 * o->nv);
        for (i = 0; i < (uint32_t)o->nv; i++)
            put32(p + 2 + 4 * i, (uint32_t)o->v[i] + m->local.base);
        return p[1];
    case PKT_OPT_TS:
        p[0] = 8, p[1] = 10;
        put32(p + 2, (uint32_t)o->v[0]);
        put32(p + 6, o->v[1] == PKT_ANY ? 0 : live_ecr(m, (uint32_t)o->v[1]));
        return 10;
    case PKT_OPT_MD5:
        p[0] = 19, p[1] = 18;
        memcpy(p + 2, bytes, 16);
        return 18;
    case PKT_OPT_FO:
    case PKT_OPT_FOEXP:
        n = in_cookie(run, m, t, o, cookie);
        bytes = cookie;
        p[0] = o->what == PKT_OPT_FO ? 34 : 254;
        k = 2;
        if (o->what == PKT_OPT_FOEXP) {
            put16(p + 2, 0xF989u);
            k = 4;
        }
        p[1] = (uint8_t)(k + n);
        memcpy(p + k, bytes, n);
        return k + n;
    case PKT_OPT_ACCECN:
        p[0] = (uint8_t)(o->kind == 174 ? 174 : 172);
        for (i = 0, k = 2; i < 3; i++) {
            int64_t v = o->v[p[0] == 174 ? 2 - i : i];

            if (v == PKT_ANY)
                break;
            put24(p + k, (uint32_t)v & 0xFFFFFFu);
            k += 3;
        }
        p[1] = (uint8_t)k;
        return k;
    default:
        memcpy(p, bytes, n);
        return n;
    }
}

static uint32_t opt_room(const struct pkt_opt *o)
{
    switch (o->what) {
    case PKT_OPT_SACK:
        return 2 + 4 * (uint32_t)o->nv;
    case PKT_OPT_MD5:
        return 18;
    case PKT_OPT_FO:
    case PKT_OPT_FOEXP:
        return 4 + 16 + (uint32_t)(o->n > 0 ? o->n : 0);
    case PKT_OPT_BYTES:
        return (uint32_t)o->n;
    default:
        return 11;
    }
}

/* All of them, padded; returns their length, or UINT32_MAX: too long. */
static uint32_t put_opts(struct pkt_run *run, const struct pkt_map *m,
                         const struct pkt_tcp *t, uint8_t *p)
{
    const struct pkt_opt *o;
    uint32_t n = 0;

    if (t->opts_given != 1)
        return 0;
    for (o = t->opts; o; o = o->next) {
        uint8_t one[64];
        uint32_t k;

        if (opt_room(o) > sizeof one)
            return UINT32_MAX;
        k = put_opt(run, m, t, o, one);
        if (n + k > 40)
            return UINT32_MAX;
        memcpy(p + n, one, k);
        n += k;
    }
    while (n % 4 != 0)
        p[n++] = 0;
    return n;
}

/* ---- in ---------------------------------------------------------------- */

/* The IP header for n bytes behind it; returns its length. */
static uint32_t put_ip(uint8_t *p, int v4, const uint8_t *src,
                       const uint8_t *dst, uint32_t proto, uint32_t n,
                       const struct pkt_packet *k)
{
    uint32_t tos = k && k->tos >= 0 ? (uint32_t)k->tos : 0;
    uint32_t ttl = k && k->ttl >= 0 ? (uint32_t)k->ttl : 255;

    if (k && k->ecn != PKT_ANY)
        tos = (tos & ~3u) | (k->ecn == PKT_ECN_CE     ? 3u
                             : k->ecn == PKT_ECN_ECT1 ? 1u
                             : k->ecn == PKT_ECN_NONE ? 0u
                                                      : 2u);
    memset(p, 0, v4 ? 20 : 40);
    if (!v4) {
        put32(p, 6u << 28 | tos << 20);
        put16(p + 4, n);
        p[6] = (uint8_t)proto;
        p[7] = (uint8_t)ttl;
        memcpy(p + 8, src, 16);
        memcpy(p + 24, dst, 16);
        return 40;
    }
    p[0] = 0x45;
    p[1] = (uint8_t)tos;
    put16(p + 2, 20 + n);
    put16(p + 6, 0x4000u);
    p[8] = (uint8_t)ttl;
    p[9] = (uint8_t)proto;
    memcpy(p + 12, src, 4);
    memcpy(p + 16, dst, 4);
    put16(p + 10, ~sum(p, 20, 0) & 0xFFFFu);
    return 20;
}

/* RFC 7323 s4.3, for what is always checked of TS.ecr. in->drop says that
   tcpsm refused the segment: then it may have let TS.Recent be. */
static void recent(struct pkt_run *run, struct pkt_map *m,
                   const struct pkt_seg *s)
{
    if (!s->ts)
        return;
    m->last_ts = 1;
    m->last_tsval = s->tsval;
    if (s->flags & PKT_RST)
        return;
    if ((s->flags & PKT_SYN) && !m->synced) {
        m->recent = s->tsval;
        m->recent_known = 1;
        return;
    }
    if (m->acked && before(m->last_ack, s->seq))
        return;
    if (m->recent_known && before(s->tsval, m->recent)) {
        /* an old one is valid only after 24 days (RFC 7323 s5.5) */
        m->alt_known = run->now - m->recent_at > 20 * (int64_t)86400000000;
        m->alt = s->tsval;
    } else if (run->drop != TCPSM_DROP_NONE) {
        m->alt = s->tsval;
        m->alt_known = 1;
    } else {
        m->recent = s->tsval;
        m->recent_known = 1;
        m->recent_at = run->now;
    }
}

/* What the segment that goes in tells about the connection. */
static void inbound_seen(struct pkt_map *m, const struct pkt_seg *s)
{
    int i;

    if (s->flags & PKT_SYN) {
        for (i = 0; i < s->opts && !m->synced; i++)
            if (s->opt[i].what == PKT_OPT_WSCALE)
                m->scale = m->offer;
            else if (s->opt[i].what == PKT_OPT_MSS)
                m->mss = (uint32_t)s->opt[i].v[0];
        m->syn_seen = 1;
        m->syn_seq = s->seq;
        if (!m->synced) {
            m->remote_isn = s->seq;
            m->remote_known = 1;
        }
    }
    if (s->flags & (PKT_RST | PKT_FIN))
        m->ended = 1;
    if ((s->flags & (PKT_ACK | PKT_RST)) == PKT_ACK) {
        m->una = s->ack;
        m->una_known = 1;
    }
    m->in_next = s->seq + s->len + ((s->flags & PKT_SYN) != 0) +
                 ((s->flags & PKT_FIN) != 0);
    m->in_win = s->win;
}

static int is_linux(const struct pkt_run *run)
{
    return run->conf.profile && strcmp(run->conf.profile, "linux") == 0;
}

/* Linux takes segments without a timestamp where timestamps are agreed on,
   and its scripts leave them out; RFC 7323 s3.2 has them dropped. Adds one;
   returns how long the options are. */
static uint32_t add_ts(const struct pkt_run *run, const struct pkt_map *m,
                       const struct pkt_tcp *t, uint8_t *p, uint32_t n)
{
    const struct pkt_opt *o;

    if (!is_linux(run) || n > 28 || !m->recent_known || !m->ts_known ||
        !m->synced || (t->flags & (PKT_SYN | PKT_RST)))
        return n;
    for (o = t->opts; o; o = o->next)
        if (o->what == PKT_OPT_TS)
            return n;
    p[n] = p[n + 1] = 1;
    p[n + 2] = 8;
    p[n + 3] = 10;
    put32(p + n + 4, m->last_tsval);
    put32(p + n + 8, m->our_ts);
    return n + 12;
}

tcpsm_conn *pkt_wire_conn(struct pkt_run *run, const struct pkt_map *m)
{
    tcpsm_tuple t;
    tcpsm_conn *c;
    uint32_t at = 0;

    if (run->stack == NULL)
        return run->conn;
    while ((c = tcpsm_stack_walk(run->stack, &at)) != NULL) {
        tcpsm_name(c, &t);
        if (t.remote_port == m->tuple.remote_port &&
            t.local_port == m->tuple.local_port)
            return c;
    }
    return NULL;
}

/* Linux's window grows in slow start by all that an ACK covers, tcpsm's by
   eight segments an ACK (RFC 9406 s4.2: L). So that its scripts, in which one
   ACK often stands for a whole flight, mean the same, the ACKs that a peer
   without receive offload would have sent come before it. */
enum { STRETCH = 8 };

static void stretch(struct pkt_run *run, const struct pkt_map *m,
                    const uint8_t *d, uint32_t ip, const struct pkt_seg *s)
{
    tcpsm_conn *c = pkt_wire_conn(run, m);
    struct tcpsm_info i;
    tcpsm_tuple t;
    uint8_t one[40 + 60];
    uint8_t *tcp = one + ip;
    uint32_t hdr = (uint32_t)(d[ip + 12] >> 4) * 4, at;
    int k;

    if (!is_linux(run) || !c || !m->una_known ||
        (s->flags & ~(uint32_t)(PKT_PSH | PKT_FIN)) != PKT_ACK)
        return;
    tcpsm_name(c, &t);
    tcpsm_status(c, &i);
    if (t.remote_port != m->tuple.remote_port || i.smss == 0 ||
        i.in_recovery || i.sacked || i.cwnd >= i.ssthresh ||
        before(i.snd_nxt, s->ack))
        return;
    for (k = 0; k < s->opts; k++)
        if (s->opt[k].what == PKT_OPT_SACK)
            return;
    for (at = i.snd_una + STRETCH * i.smss; before(at, s->ack);
         at += STRETCH * i.smss) {
        memcpy(one, d, ip + hdr);
        tcp[13] = PKT_ACK;
        put32(tcp + 8, at);
        put16(tcp + 16, 0);
        put16(tcp + 16, checksum(m->tuple.remote, m->tuple.local,
                                 m->tuple.family == 4, 6, tcp, hdr));
        if (m->tuple.family == 4) {
            put16(one + 2, ip + hdr);
            put16(one + 10, 0);
            put16(one + 10, ~sum(one, 20, 0) & 0xFFFFu);
        } else {
            put16(one + 4, hdr);
        }
        pkt_inject(run, one, ip + hdr);
        pkt_settle(run); /* or the next would find the window not full */
    }
}

/* With bit 0x200 of tcp_fastopen Linux takes the data of a SYN that has no
   cookie, or a wrong one; tcpsm wants one, and gets its own. n: bytes of
   options at p; returns how many there are then. */
static uint32_t add_cookie(struct pkt_run *run, const struct pkt_map *m,
                           const struct pkt_tcp *t, uint8_t *p, uint32_t n)
{
    uint8_t cookie[40];
    uint32_t i, len, was = n;

    if (!(run->conf.fastopen_server & 0x200) || t->len == 0 ||
        (t->flags & (PKT_SYN | PKT_ACK)) != PKT_SYN)
        return n;
    len = (uint32_t)pkt_cookie_live(run, m, cookie);
    if (len == 0)
        return n;
    for (i = 0; i < n && p[i] != 0; i += p[i] > 1 ? p[i + 1] : 1u) {
        if (p[i] > 1 && (i + 1 == n || p[i + 1] < 2 || i + p[i + 1] > n))
            return n;
        if (p[i] == 34 && p[i + 1] == 2 + len)
            memcpy(p + i + 2, cookie, len);
        if (p[i] == 34)
            return n;
    }
    n = i; /* without the end of the list */
    if (n + 2 + len > 40)
        return was;
    p[n] = 34;
    p[n + 1] = (uint8_t)(2 + len);
    memcpy(p + n + 2, cookie, len);
    for (n += 2 + len; n % 4 != 0;)
        p[n++] = 0;
    return n;
}

static int tcp_in(struct pkt_run *run, struct pkt_map *m,
                  const struct pkt_packet *p)
{
    const struct pkt_tcp *t = &p->tcp;
    uint32_t ack = t->ack == PKT_ANY ? 0 : (uint32_t)t->ack;
    int syn = (t->flags & PKT_SYN) != 0;
    int v4 = m->tuple.family == 4;
    uint32_t ip = v4 ? 20 : 40, opts, n, i, seq, first;
    uint8_t *d, *tcp;
    struct pkt_seg s;

    if (t->len > 65535u - 20 - 20 - 40)
        if (t->len > 65535u - (v4 ? 20 : 0) - 20)
            return pkt_fail(run,
                            "syntax: %u bytes are more than a datagram "
                            "holds",
                            (unsigned)t->len);
    d = (uint8_t *)malloc(40u + 60u + t->len);
    if (d == NULL)
        exit(2);
    tcp = d + ip;
    memset(tcp, 0, 60);
    if (syn && !m->synced && t->seq_given && !t->abs_seq)
        pkt_side_syn(&m->remote, m->remote.base0, t->seq);
    seq = t->abs_seq     ? t->seq
          : t->seq_given ? t->seq + pkt_side_base(&m->remote, t->seq, syn)
                         : m->in_next;
    opts = put_opts(run, m, t, tcp + 20);
    if (opts != UINT32_MAX)
        opts = add_cookie(run, m, t, tcp + 20,
                          add_ts(run, m, t, tcp + 20, opts));
    n = 20 + opts + t->len;
    if (opts == UINT32_MAX || n + (v4 ? 20 : 0) > 65535u) {
        free(d);
        return pkt_fail(run, "syntax: %s",
                        opts == UINT32_MAX
                            ? "more than 40 bytes of options"
                            : "more bytes than a datagram holds");
    }
    put16(tcp, m->tuple.remote_port);
    put16(tcp + 2, m->tuple.local_port);
    put32(tcp + 4, seq);
    if (t->flags & PKT_ACK)
        put32(tcp + 8, ack + pkt_side_base(&m->local, ack, syn));
    else if (t->ack != PKT_ANY)
        put32(tcp + 8, (uint32_t)t->ack);
    tcp[12] = (uint8_t)((20 + opts) / 4 << 4 | (t->flags & PKT_AE ? 1 : 0));
    tcp[13] = (uint8_t)t->flags;
    put16(tcp + 14, (uint32_t)(t->win == PKT_ANY ? m->in_win : t->win));
    if (t->urg != PKT_ANY)
        put16(tcp + 18, (uint32_t)t->urg);
    /* what a SYN says is new: the pattern counts from it */
    first = (t->flags & PKT_SYN) ? 0 : seq - m->remote_isn - 1;
    for (i = 0; i < t->len; i++)
        tcp[20 + opts + i] = pkt_byte(1, first + i);
    put16(tcp + 16, checksum(m->tuple.remote, m->tuple.local, v4, 6, tcp, n));
    put_ip(d, v4, m->tuple.remote, m->tuple.local, 6, n, p);
    pkt_seg_parse(&s, tcp, n);
    stretch(run, m, d, ip, &s);
    inbound_seen(m, &s);
    pkt_inject(run, d, ip + n);
    recent(run, m, &s);
    free(d);
    return run->verdict.kind;
}

static void to_v6(struct pkt_icmp *c)
{
    static const uint8_t code[][2] = {{0, 0}, {1, 3}, {3, 4}, {13, 1}};
    uint32_t i;

    c->v6 = 1;
    if (c->type == 3 && c->code == 4) {
        c->type = 2, c->code = 0;
    } else if (c->type == 3) {
        uint8_t was = c->code;

        c->type = 1, c->code = 0;
        for (i = 0; i < sizeof code / sizeof *code; i++)
            if (code[i][0] == was)
                c->code = code[i][1];
    } else if (c->type == 11) {
        c->type = 3;
    } else if (c->type == 12) {
        c->type = 4, c->code = 0;
    }
}

static int icmp_in(struct pkt_run *run, const struct pkt_map *m,
                   const struct pkt_packet *p)
{
    struct pkt_icmp c = p->icmp;
    int v4 = m->tuple.family == 4;
    uint32_t ip = v4 ? 20 : 40, seq, n;
    uint8_t d[40 + 8 + 40 + 20], *icmp = d + ip, *tcp = icmp + 8 + ip;

    if (!v4 && !c.v6)
        to_v6(&c);
    seq = c.quoted       ? c.seq + m->local.base
          : m->una_known ? m->una
                         : m->local_isn;
    memset(d, 0, sizeof d);
    put_ip(icmp + 8, v4, m->tuple.local, m->tuple.remote, 6,
           20 + (c.quoted ? c.len : 0), NULL);
    put16(tcp, m->tuple.local_port);
    put16(tcp + 2, m->tuple.remote_port);
    put32(tcp + 4, seq);
    put32(tcp + 8, m->last_ack);
    tcp[12] = 5 << 4;
    tcp[13] = PKT_ACK;
    n = 8 + ip + 20;
    icmp[0] = c.type;
    icmp[1] = c.code;
    if (c.mtu != PKT_ANY)
        put32(icmp + 4, (uint32_t)c.mtu);
    put16(icmp + 2,
          v4 ? ~sum(icmp, n, 0) & 0xFFFFu
             : checksum(m->tuple.remote, m->tuple.local, 0, 58, icmp, n));
    put_ip(d, v4, m->tuple.remote, m->tuple.local, v4 ? 1 : 58, n, p);
    return pkt_inject(run, d, ip + n);
}

int pkt_wire_in(struct pkt_run *run, const struct pkt_packet *p)
{
    struct pkt_map *m = pkt_wire_whose(run, p);

    if (m == NULL)
        return run->verdict.kind;
    if (!p->is_icmp)
        return tcp_in(run, m, p);
    m->smaller = 1;
    return icmp_in(run, m, p);
}

/* ---- what is always checked -------------------------------------------- */

/* Prefixes what is wrong with a segment by the segment. */
static int bad(struct pkt_run *run, const struct pkt_live *live,
               const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int bad(struct pkt_run *run, const struct pkt_live *live,
               const char *fmt, ...)
{
    char why[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return pkt_fail(run, "outbound segment: %s (live: %s)", why,
                    pkt_wire_text(run, live));
}

static int ip_check(struct pkt_run *run, const struct pkt_live *live,
                    tcpsm_tuple *t)
{
    const uint8_t *p = live->bytes;
    int v4 = p[0] >> 4 == 4;

    memset(t, 0, sizeof *t);
    if (live->tcp == NULL)
        return pkt_fail(run, "outbound datagram: not TCP, %u bytes",
                        (unsigned)live->len);
    if (v4) {
        if (p[0] != 0x45 || get16(p + 2) != live->len)
            return pkt_fail(run, "outbound datagram: IPv4 header length or "
                                 "total length");
        if (sum(p, 20, 0) != 0xFFFFu)
            return pkt_fail(run, "outbound datagram: checksum of the IPv4 "
                                 "header");
        if ((get16(p + 6) & 0xBFFFu) != 0)
            return pkt_fail(run, "outbound datagram: a fragment");
    } else if (p[0] >> 4 != 6 || get16(p + 4) + 40u != live->len) {
        return pkt_fail(run, "outbound datagram: IPv6 version or length");
    }
    t->family = v4 ? 4 : 6;
    memcpy(t->local, p + (v4 ? 12 : 8), v4 ? 4 : 16);
    memcpy(t->remote, p + (v4 ? 16 : 24), v4 ? 4 : 16);
    t->local_port = (uint16_t)get16(live->tcp);
    t->remote_port = (uint16_t)get16(live->tcp + 2);
    return PKT_OK;
}

/* Whose it is; a SYN without ACK may be of a connection that is new. */
static struct pkt_map *live_map(struct pkt_run *run, const tcpsm_tuple *t,
                                const struct pkt_seg *s)
{
    struct pkt_wire *w = pkt_wire_state(run);
    struct pkt_map *m = map_of(run, t, 0);
    int is_syn = (s->flags & (PKT_SYN | PKT_ACK | PKT_RST)) == PKT_SYN;

    if (m == NULL && is_syn) {
        m = map_of(run, t, 1);
        run->map = m;
        w->listening = 0;
    }
    return m;
}

static void forget(struct pkt_map *m)
{
    m->named = m->synced = m->ended = m->acked = m->una_known = 0;
    m->ts_known = m->clock_known = m->alt_known = 0;
    m->pairs = 0;
}

/* A SYN of ours: the sequence space it opens is the known one, or a new one
   where that may be. */
static int syn_check(struct pkt_run *run, struct pkt_map *m,
                     const struct pkt_live *live, const struct pkt_seg *s)
{
    int answer = (s->flags & PKT_ACK) != 0;
    int other = answer && m->syn_seen && m->syn_seq != m->remote_isn &&
                s->ack - m->syn_seq - 1 < 65535u;
    int i;

    for (m->scale = 0, i = 0; i < s->opts; i++)
        if (s->opt[i].what == PKT_OPT_WSCALE && answer)
            m->scale = (uint32_t)s->opt[i].v[0];
        else if (s->opt[i].what == PKT_OPT_WSCALE)
            m->offer = (uint32_t)s->opt[i].v[0];
    if (m->local_known && s->seq == m->local_isn && !other && !m->ended)
        return PKT_OK;
    if (m->local_known && s->seq != m->local_isn && !m->ended && !other)
        return bad(run, live,
                   "seq: a SYN sent again has another initial "
                   "sequence number, %u later",
                   (unsigned)(s->seq - m->local_isn));
    forget(m);
    if (!answer) {
        m->recent_known = 0;
        m->remote_known = m->syn_seen = 0;
        run->map = m;
    } else if (m->syn_seen) {
        m->remote_isn = m->syn_seq;
        pkt_side_syn(&m->remote, m->remote.base0,
                     m->syn_seq - m->remote.base0);
        if (m->last_ts) {
            m->recent = m->last_tsval;
            m->recent_known = 1;
        }
    }
    m->local_known = 1;
    m->local_isn = s->seq;
    pkt_side_syn(&m->local, s->seq, 0);
    return PKT_OK;
}

static int options_check(struct pkt_run *run, const struct pkt_live *live,
                         const struct pkt_seg *s)
{
    uint32_t seen = 0;
    int i;

    if (s->bad)
        return bad(run, live, "option: %s", s->bad);
    for (i = 0; i < s->opts; i++) {
        int what = s->opt[i].what;

        if (what == PKT_OPT_NOP || what == PKT_OPT_EOL ||
            what == PKT_OPT_BYTES)
            continue;
        if (seen & 1u << what)
            return bad(run, live, "option: one of kind %d twice",
                       s->opt[i].kind);
        seen |= 1u << what;
        if (!(s->flags & PKT_SYN) &&
            (what == PKT_OPT_MSS || what == PKT_OPT_WSCALE ||
             what == PKT_OPT_SACKOK || what == PKT_OPT_FO))
            return bad(run, live, "option: kind %d belongs to a SYN",
                       s->opt[i].kind);
        if ((s->flags & PKT_SYN) && what == PKT_OPT_SACK)
            return bad(run, live, "option: SACK in a SYN");
    }
    return PKT_OK;
}

/* RFC 7323 s3.2 and s4.3: what it echoes; its own clock never goes back. */
static int ts_check(struct pkt_run *run, struct pkt_map *m,
                    const struct pkt_live *live, const struct pkt_seg *s)
{
    int64_t tick = run->conf.ts_tick_us, gone, dt;

    if (!s->ts)
        return PKT_OK;
    m->our_ts = s->tsval;
    if (!(s->flags & PKT_ACK) && !(s->flags & PKT_RST) && s->tsecr != 0)
        return bad(run, live, "TS.ecr: %u without ACK, must be 0",
                   (unsigned)s->tsecr);
    if ((s->flags & PKT_RST) && m->last_ts && s->tsecr == m->last_tsval)
        return PKT_OK; /* in answer to that one, s5.2 */
    if ((s->flags & PKT_ACK) && m->recent_known && s->tsecr != m->recent &&
        !(m->alt_known && s->tsecr == m->alt))
        return bad(run, live, "TS.ecr: TS.Recent is %u live %u",
                   (unsigned)m->recent, (unsigned)s->tsecr);
    if (m->alt_known && s->tsecr == m->alt) {
        m->recent = m->alt;
        m->recent_known = 1;
        m->alt_known = 0;
    }
    if ((s->flags & (PKT_SYN | PKT_RST)) || tick == 0)
        return PKT_OK;
    if (!m->clock_known) {
        m->clock_known = 1;
        m->clock_at = live->at;
        m->clock_live = s->tsval;
        return PKT_OK;
    }
    /* tcpsm's tick is 1.024 ms where scripts have 1 ms */
    gone = (int64_t)(int32_t)(s->tsval - m->clock_live) * tick;
    dt = live->at - m->clock_at;
    if (gone < dt - dt / 32 - 2 * tick || gone > dt + dt / 32 + 2 * tick)
        return bad(run, live, "TS.val: %.6f s later it is %d later",
                   (double)dt / 1e6, (int)(s->tsval - m->clock_live));
    return PKT_OK;
}

static int payload_check(struct pkt_run *run, const struct pkt_map *m,
                         const struct pkt_live *live, const struct pkt_seg *s)
{
    uint32_t first = (s->flags & PKT_SYN) ? 0 : s->seq - m->local_isn - 1, i;

    if (s->len > 0 && !m->local_known)
        return bad(run, live, "payload: before a SYN of ours");
    for (i = 0; i < s->len; i++)
        if (s->data[i] != pkt_byte(0, first + i))
            return bad(run, live,
                       "payload: byte %u of the stream: script 0x%02x live "
                       "0x%02x",
                       (unsigned)(first + i), pkt_byte(0, first + i),
                       s->data[i]);
    return PKT_OK;
}

int pkt_wire_check(struct pkt_run *run, struct pkt_live *live)
{
    const uint8_t *p = live->bytes;
    struct pkt_map *m;
    struct pkt_seg s;
    tcpsm_tuple t;
    uint32_t c;

    if (ip_check(run, live, &t) != PKT_OK)
        return run->verdict.kind;
    pkt_seg_parse(&s, live->tcp, live->tcp_len);
    m = live->map = live_map(run, &t, &s);
    if (m == NULL)
        return bad(run, live, "address: port %u to port %u of nobody",
                   t.local_port, t.remote_port);
    c = checksum(t.local, t.remote, t.family == 4, 6, live->tcp,
                 live->tcp_len);
    if (c != 0)
        return bad(run, live, "checksum: off by 0x%04x", (unsigned)c);
    if ((live->tcp[12] & 0x0E) != 0)
        return bad(run, live, "flags: reserved bits are set");
    if (p[0] >> 4 == 4 && p[8] == 0)
        return bad(run, live, "ttl: 0");
    if (!(s.flags & PKT_URG) && s.urg != 0)
        return bad(run, live, "urg: %u without URG", (unsigned)s.urg);
    if ((s.flags & PKT_SYN) && (s.flags & (PKT_FIN | PKT_RST)))
        return bad(run, live, "flags: SYN with FIN or RST");
    if (options_check(run, live, &s) != PKT_OK)
        return run->verdict.kind;
    if ((s.flags & PKT_SYN) && syn_check(run, m, live, &s) != PKT_OK)
        return run->verdict.kind;
    if (ts_check(run, m, live, &s) != PKT_OK ||
        payload_check(run, m, live, &s) != PKT_OK)
        return run->verdict.kind;
    if (s.flags & (PKT_RST | PKT_FIN))
        m->ended = 1;
    if ((s.flags & PKT_ACK) && !(s.flags & PKT_RST)) {
        m->last_ack = s.ack;
        m->acked = m->synced = 1;
    }
    return run->verdict.kind;
}
