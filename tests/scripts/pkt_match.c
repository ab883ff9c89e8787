/* pkt_match.c - live segments against those that the script names, and both
   as text in the script's space. 0BSD.

   What differs is one message, of stable form, since tests of the runner
   itself match on it:
     outbound segment: CATEGORY: script X live Y (live: ...)
   with the categories flags seq length ack win urg option TS.val TS.ecr ecn
   tos ttl (and those of pkt_wire.c: checksum payload address), or
     missing segment: ...   surplus segment: ...
     too early: ...         too late: ...  */

#include "pkt_wire.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

/* ---- text -------------------------------------------------------------- */

/* Appends to what is in buf. */
static void add(char *buf, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void add(char *buf, size_t size, const char *fmt, ...)
{
    size_t n = strlen(buf);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(buf + n, size - n, fmt, ap);
    va_end(ap);
}

const char *pkt_flags_text(uint32_t flags, char *buf)
{
    static const struct {
        uint32_t bit;
        char c;
    } all[] = {{PKT_SYN, 'S'}, {PKT_FIN, 'F'}, {PKT_RST, 'R'},
               {PKT_PSH, 'P'}, {PKT_ACK, '.'}, {PKT_URG, 'U'},
               {PKT_ECE, 'E'}, {PKT_CWR, 'W'}, {PKT_AE, 'A'}};
    size_t i, n = 0;

    for (i = 0; i < sizeof all / sizeof *all; i++)
        if (flags & all[i].bit)
            buf[n++] = all[i].c;
    if (n == 0)
        buf[n++] = '-';
    buf[n] = 0;
    return buf;
}

static void add_hex(char *buf, size_t size, const uint8_t *p, int n)
{
    int i;

    for (i = 0; i < n; i++)
        add(buf, size, "%02x", p[i]);
}

static void accecn_text(const struct pkt_opt *o, char *buf, size_t size)
{
    static const char *const name[] = {"e0b", "ceb", "e1b"};
    int i;

    add(buf, size, "ECN");
    for (i = 0; i < 3; i++) {
        int k = o->kind == 174 ? 2 - i : i;

        if (o->v[k] != PKT_ANY)
            add(buf, size, " %s %" PRId64, name[k], o->v[k]);
    }
}

void pkt_opt_text(const struct pkt_opt *o, char *buf, size_t size)
{
    int i;

    switch (o->what) {
    case PKT_OPT_EOL:
        add(buf, size, "eol");
        break;
    case PKT_OPT_NOP:
        add(buf, size, "nop");
        break;
    case PKT_OPT_MSS:
        add(buf, size, "mss %" PRId64, o->v[0]);
        break;
    case PKT_OPT_WSCALE:
        add(buf, size, "wscale %" PRId64, o->v[0]);
        break;
    case PKT_OPT_SACKOK:
        add(buf, size, "sackOK");
        break;
    case PKT_OPT_SACK:
        add(buf, size, "sack");
        for (i = 0; i + 1 < o->nv; i += 2)
            add(buf, size, " %" PRIu32 ":%" PRIu32, (uint32_t)o->v[i],
                (uint32_t)o->v[i + 1]);
        break;
    case PKT_OPT_TS:
        add(buf, size, "TS val %" PRIu32 " ecr %" PRIu32, (uint32_t)o->v[0],
            (uint32_t)o->v[1]);
        break;
    case PKT_OPT_MD5:
        add(buf, size, "md5 ");
        add_hex(buf, size, o->bytes, 16);
        break;
    case PKT_OPT_FO:
    case PKT_OPT_FOEXP:
        add(buf, size, o->what == PKT_OPT_FO ? "FO " : "FOEXP ");
        add_hex(buf, size, o->bytes, o->n);
        break;
    case PKT_OPT_ACCECN:
        accecn_text(o, buf, size);
        break;
    default:
        add(buf, size, "0x");
        add_hex(buf, size, o->bytes, o->n);
        break;
    }
}

void pkt_opt_script(const struct pkt_map *m, const struct pkt_seg *s,
                    struct pkt_opt *o)
{
    int i;

    (void)s;
    if (o->what == PKT_OPT_SACK)
        for (i = 0; i < o->nv; i++)
            o->v[i] = (uint32_t)o->v[i] - m->remote.base;
    if (o->what == PKT_OPT_TS && m->ts_known)
        o->v[0] = (uint32_t)o->v[0] - m->ts_live + m->ts_script;
}

static void options_text(const struct pkt_map *m, const struct pkt_seg *s,
                         char *buf, size_t size)
{
    int i;

    for (i = 0; i < s->opts; i++) {
        struct pkt_opt o = s->opt[i];

        if (m != NULL)
            pkt_opt_script(m, s, &o);
        add(buf, size, i ? "," : " <");
        pkt_opt_text(&o, buf, size);
    }
    if (s->opts > 0)
        add(buf, size, ">");
}

static void list_text(const struct pkt_opt *o, char *buf, size_t size)
{
    const char *sep = "<";

    for (; o; o = o->next) {
        add(buf, size, "%s", sep);
        pkt_opt_text(o, buf, size);
        sep = ",";
    }
    add(buf, size, *sep == '<' ? "none" : ">");
}

const char *pkt_wire_text(struct pkt_run *run, const struct pkt_live *live)
{
    static const char *const ecn[] = {"", "[ect1] ", "[ect0] ", "[ce] "};
    const struct pkt_map *m = live->map;
    char flags[16], buf[512];
    struct pkt_seg s;
    uint32_t seq, tos;
    int syn;

    if (live->tcp == NULL)
        return "a datagram that is not TCP";
    pkt_seg_parse(&s, live->tcp, live->tcp_len);
    syn = (s.flags & PKT_SYN) != 0;
    seq = s.seq - (m ? syn ? m->local.base0 : m->local.base : 0);
    if ((s.flags & PKT_RST) && s.seq == 0)
        seq = 0; /* as seq_differs() takes it */
    tos = live->bytes[0] >> 4 == 4
              ? live->bytes[1]
              : (live->bytes[0] & 15u) << 4 | live->bytes[1] >> 4;
    buf[0] = 0;
    add(buf, sizeof buf, "%s%s %" PRIu32 ":%" PRIu32 "(%" PRIu32 ")",
        ecn[tos & 3], pkt_flags_text(s.flags, flags), seq, seq + s.len,
        s.len);
    if (s.flags & PKT_ACK)
        add(buf, sizeof buf, " ack %" PRIu32,
            s.ack - (m ? syn ? m->remote.base0 : m->remote.base : 0));
    add(buf, sizeof buf, " win %" PRIu32, s.win);
    if (s.flags & PKT_URG)
        add(buf, sizeof buf, " urg %" PRIu32, s.urg);
    options_text(m, &s, buf, sizeof buf);
    return pkt_strdup(&run->arena, buf, strlen(buf));
}

static const char *script_text(struct pkt_run *run,
                               const struct pkt_packet *p)
{
    char flags[16], buf[512];
    const struct pkt_tcp *t = &p->tcp;

    if (run->event && run->event->packet == p && run->event->source)
        return run->event->source;
    buf[0] = 0;
    add(buf, sizeof buf, "> %s %" PRIu32 ":%" PRIu32 "(%" PRIu32 ")",
        pkt_flags_text(t->flags, flags), t->seq, t->end, t->len);
    if (t->ack != PKT_ANY)
        add(buf, sizeof buf, " ack %" PRId64, t->ack);
    return pkt_strdup(&run->arena, buf, strlen(buf));
}

/* ---- comparing --------------------------------------------------------- */

/* One comparison: the piece of the script's segment from `off` on, and the
   live one from live->used on. */
struct match {
    struct pkt_run *run;
    struct pkt_map *m;
    const struct pkt_packet *p;
    const struct pkt_live *live;
    struct pkt_seg s;
    uint32_t off, train; /* train: size of the live segments before it */
    uint32_t n;          /* out: payload that both have here */
    char why[320];       /* out: what differs */
};

/* Returns 1. */
static int differs(struct match *x, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static int differs(struct match *x, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(x->why, sizeof x->why, fmt, ap);
    va_end(ap);
    return 1;
}

static int strict(const struct match *x, uint32_t field)
{
    return (x->run->conf.strict & field) != 0;
}

/* Does the script set a maximum of its own? */
static int sets_maxseg(const struct pkt_run *run)
{
    const struct pkt_event *e;

    for (e = run->script->events; e; e = e->next)
        if (e->kind == PKT_SYSCALL && e->source &&
            strstr(e->source, "TCP_MAXSEG"))
            return 1;
    return 0;
}

/* What a segment of this connection may carry, by the peer's SYN and the MTU,
   with the options that the live one has: RFC 9293 s3.7.1. Where a message
   or a socket option may have made it less, tcpsm is asked. 0: nobody knows
   any more. */
static uint32_t full_segment(const struct match *x)
{
    const tcpsm_conn *c = pkt_wire_conn(x->run, x->m);
    uint32_t headers = x->m->tuple.family == 4 ? 40 : 60, full, mtu;
    struct tcpsm_info info;

    mtu = x->run->conf.mtu > (int)headers ? (uint32_t)x->run->conf.mtu : 1500;
    full = x->m->mss != 0 ? x->m->mss : headers == 40 ? 536 : 1220;
    full = full < mtu - headers ? full : mtu - headers;
    full = full > x->s.hdr - 20 ? full - (x->s.hdr - 20) : 0;
    if (c != NULL)
        tcpsm_status(c, &info);
    if (c != NULL && (x->m->smaller || info.mtu != mtu || info.smss > full ||
                      sets_maxseg(x->run)))
        return info.smss;
    return full;
}

static int flags_differ(struct match *x)
{
    const struct pkt_tcp *t = &x->p->tcp;
    uint32_t want = t->flags, live = x->s.flags, ignore = 0;
    uint32_t left = t->len - x->off, have = x->s.len - x->live->used;
    char a[16], b[16];

    if (left > have) { /* only the last one has them */
        want &= ~(uint32_t)(PKT_PSH | PKT_FIN);
        ignore = PKT_PSH;
    } else if (left < have) {
        live &= ~(uint32_t)(PKT_PSH | PKT_FIN);
        ignore = PKT_PSH;
    }
    if (!strict(x, PKT_S_PSH))
        ignore |= PKT_PSH;
    if (x->off > 0 && !(live & PKT_AE)) /* on the first, RFC 3168 s6.1.2 */
        ignore |= (want & PKT_CWR);
    if ((want & live & PKT_RST) && !strict(x, PKT_S_RST))
        ignore |= PKT_ACK;
    if (((want ^ live) & ~ignore) == 0)
        return 0;
    return differs(x, "flags: script %s live %s", pkt_flags_text(t->flags, a),
                   pkt_flags_text(x->s.flags, b));
}

static int seq_differs(struct match *x)
{
    const struct pkt_tcp *t = &x->p->tcp;
    uint32_t live = x->s.seq + x->live->used, want = t->seq + x->off;

    if (t->abs_seq) {
        if (live != want)
            return differs(x, "seq: script %" PRIu32 " live %" PRIu32, want,
                           live);
        return 0;
    }
    if (!t->seq_given)
        return 0;
    if ((x->s.flags & PKT_SYN) && !x->m->named) { /* it tells our base */
        if (want != 0 && want < PKT_OTHER_ISN)
            return differs(x, "seq: script %" PRIu32 " live 0", want);
        return 0;
    }
    /* to a segment without ACK for nobody: RFC 9293 s3.10.7.1 */
    if ((x->s.flags & PKT_RST) && x->s.seq == 0 && want == 0)
        return 0;
    live -= pkt_side_base(&x->m->local, want, (x->s.flags & PKT_SYN) != 0);
    if (live != want)
        return differs(x, "seq: script %" PRIu32 " live %" PRIu32, want,
                       live);
    return 0;
}

/* One segment of the script is one live one; or longer ones are several
   equal ones, and the last is not longer. */
static int length_differs(struct match *x)
{
    uint32_t left = x->p->tcp.len - x->off, have = x->s.len - x->live->used;
    uint32_t full;
    int ok = 1;

    x->n = left < have ? left : have;
    if (x->train != 0 && have > x->train)
        ok = 0; /* the last was the longest */
    if (left == have) {
        if (x->live->piece != 0 && left > x->live->piece)
            ok = 0;
    } else if (x->n == 0) {
        ok = 0;
    } else if (left > have) {
        if (x->train != 0 && have != x->train)
            ok = 0;
        if (x->live->used != 0)
            ok = 0;
        full = full_segment(x);
        if (strict(x, PKT_S_SIZES) &&
            ((full != 0 && x->p->tcp.len <= full) || have + 40 < full))
            ok = 0;
    } else {
        if (x->off != 0 || strict(x, PKT_S_SIZES))
            ok = 0;
        if (x->live->piece != 0 && left != x->live->piece)
            ok = 0;
    }
    if (!ok)
        return differs(x, "length: script %" PRIu32 " live %" PRIu32,
                       x->off ? left : x->p->tcp.len, x->s.len);
    return 0;
}

/* A SYN-ACK may acknowledge the script's number of the SYN, or count from
   1. */
static uint32_t ack_base(struct match *x, uint32_t want)
{
    struct pkt_side *r = &x->m->remote;

    if (!(x->s.flags & PKT_SYN))
        return pkt_side_base(r, want, 0);
    return r->isn != 0 && x->s.ack - r->base0 - r->isn == want
               ? r->base0 + r->isn
               : r->base0;
}

static int numbers_differ(struct match *x)
{
    const struct pkt_tcp *t = &x->p->tcp;

    if ((x->s.flags & PKT_RST) && !strict(x, PKT_S_RST) &&
        ((t->flags ^ x->s.flags) & PKT_ACK)) {
        ; /* then its ACK field is no matter either */
    } else if (x->s.flags & PKT_ACK) {
        uint32_t want = t->ack == PKT_ANY ? 0 : (uint32_t)t->ack;
        uint32_t live = x->s.ack - ack_base(x, want);

        if (want != live)
            return differs(x, "ack: script %" PRIu32 " live %" PRIu32, want,
                           live);
    } else if (t->ack != PKT_ANY && (uint32_t)t->ack != x->s.ack) {
        return differs(x, "ack: script %" PRId64 " live %" PRIu32, t->ack,
                       x->s.ack);
    }
    if (t->win != PKT_ANY && strict(x, PKT_S_WIN) &&
        (uint32_t)t->win != x->s.win)
        return differs(x, "win: script %" PRId64 " live %" PRIu32, t->win,
                       x->s.win);
    if (t->win == 0 && !(x->s.flags & PKT_RST) &&
        x->s.win << x->m->scale >= (uint32_t)x->run->conf.mtu)
        return differs(x, "win: script 0 live %" PRIu32,
                       x->s.win << x->m->scale);
    if (t->urg != PKT_ANY && (uint32_t)t->urg != x->s.urg)
        return differs(x, "urg: script %" PRId64 " live %" PRIu32, t->urg,
                       x->s.urg);
    return 0;
}

static int ip_differs(struct match *x)
{
    static const char *const name[] = {"noecn", "ect1", "ect0", "ce",
                                       "ect01"};
    const uint8_t *b = x->live->bytes;
    const struct pkt_packet *p = x->p;
    int v4 = b[0] >> 4 == 4;
    int tos = v4 ? b[1] : (b[0] & 15) << 4 | b[1] >> 4;
    int ttl = v4 ? b[8] : b[7], want = p->ecn;

    if (want == PKT_ANY && p->tos == PKT_ANY && strict(x, PKT_S_ECN))
        want = PKT_ECN_NONE;
    if (want != PKT_ANY && want != (tos & 3) &&
        !(want == PKT_ECN_ECT01 && ((tos & 3) == 1 || (tos & 3) == 2)))
        return differs(x, "ecn: script %s live %s",
                       p->ecn == PKT_ANY ? "nothing" : name[want],
                       name[tos & 3]);
    if (p->tos != PKT_ANY &&
        ((p->tos ^ tos) & (want == PKT_ANY ? 0xFF : 0xFC)) != 0)
        return differs(x, "tos: script 0x%02x live 0x%02x", p->tos, tos);
    if (p->ttl != PKT_ANY && p->ttl != ttl)
        return differs(x, "ttl: script %d live %d", p->ttl, ttl);
    return 0;
}

/* ---- options ----------------------------------------------------------- */

static int opt_differs(struct match *x, const struct pkt_opt *a,
                       const struct pkt_opt *b)
{
    struct pkt_opt l = *b;
    char have[160] = "", want[160] = "";

    pkt_opt_script(x->m, &x->s, &l);
    pkt_opt_text(a, want, sizeof want);
    pkt_opt_text(&l, have, sizeof have);
    return differs(x, "option: script %s live %s", want, have);
}

static int sack_differs(struct match *x, const struct pkt_opt *a,
                        const struct pkt_opt *b)
{
    uint32_t base = x->m->remote.base;
    int i, k;

    if (a->nv != b->nv)
        return opt_differs(x, a, b);
    for (i = 0; i + 1 < a->nv; i += 2) {
        int from = i, to = i;

        if (i > 0 && !strict(x, PKT_S_SACKORDER)) {
            from = 2;
            to = a->nv - 2;
        }
        for (k = from; k <= to; k += 2)
            if ((uint32_t)a->v[i] + base == (uint32_t)b->v[k] &&
                (uint32_t)a->v[i + 1] + base == (uint32_t)b->v[k + 1])
                break;
        if (k > to)
            return opt_differs(x, a, b);
    }
    return 0;
}

static int64_t distance(uint32_t a, uint32_t b)
{
    int64_t d = (int32_t)(a - b);

    return d < 0 ? -d : d;
}

/* The script's clock runs as time does, tcpsm's tick of 1.024 ms with it:
   one tick of rounding, the tolerance, and what the ticks differ by. */
static int ts_differs(struct match *x, const struct pkt_opt *a,
                      const struct pkt_opt *b)
{
    const struct pkt_map *m = x->m;
    int64_t tick = x->run->conf.ts_tick_us, slack;
    uint32_t want, live;

    if (a->v[1] != PKT_ANY && (uint32_t)a->v[1] != (uint32_t)b->v[1])
        return differs(x, "TS.ecr: script %" PRId64 " live %" PRId64, a->v[1],
                       b->v[1]);
    if (a->v[0] == PKT_ANY || !m->ts_known || tick == 0 ||
        !strict(x, PKT_S_TSVAL))
        return 0;
    want = (uint32_t)a->v[0] - m->ts_script;
    live = (uint32_t)b->v[0] - m->ts_live;
    slack = 1 + pkt_tolerance(x->run) / tick + distance(live, 0) / 32;
    if (distance(want, live) > slack)
        return differs(x, "TS.val: script %" PRId64 " live %" PRIu32, a->v[0],
                       m->ts_script + live);
    return 0;
}

static int fo_differs(struct match *x, const struct pkt_opt *a,
                      const struct pkt_opt *b)
{
    const struct pkt_cookie *c;
    int server = (x->s.flags & PKT_ACK) != 0;

    if (a->n == PKT_ANY)
        return 0;
    if (a->n == 0 || b->n == 0)
        return a->n != b->n && opt_differs(x, a, b);
    c = pkt_wire_cookie(x->run, a->bytes, a->n);
    if (c != NULL)
        return (c->live_n != b->n ||
                memcmp(c->live, b->bytes, (size_t)b->n) != 0) &&
               opt_differs(x, a, b);
    if (server && (a->n == b->n || !strict(x, PKT_S_OPTS)))
        return 0; /* it is learnt */
    return (a->n != b->n || memcmp(a->bytes, b->bytes, (size_t)a->n) != 0) &&
           opt_differs(x, a, b);
}

/* Two options of the same kind. */
static int values_differ(struct match *x, const struct pkt_opt *a,
                         const struct pkt_opt *b)
{
    int i;

    switch (a->what) {
    case PKT_OPT_MSS:
        return strict(x, PKT_S_MSS) && a->v[0] != b->v[0] &&
               opt_differs(x, a, b);
    case PKT_OPT_WSCALE:
        return strict(x, PKT_S_SCALE) && a->v[0] != b->v[0] &&
               opt_differs(x, a, b);
    case PKT_OPT_SACK:
        return sack_differs(x, a, b);
    case PKT_OPT_TS:
        return ts_differs(x, a, b);
    case PKT_OPT_FO:
    case PKT_OPT_FOEXP:
        return fo_differs(x, a, b);
    case PKT_OPT_ACCECN:
        for (i = 0; i < 3; i++)
            if (a->v[i] != b->v[i])
                return opt_differs(x, a, b);
        /* RFC 9768 s3.2.3: either order of the counters will do */
        return strict(x, PKT_S_OPTORDER) && a->kind != b->kind &&
               opt_differs(x, a, b);
    case PKT_OPT_MD5:
    case PKT_OPT_BYTES:
        return (a->n != b->n || memcmp(a->bytes, b->bytes,
                                       (size_t)(a->n > 0 ? a->n : 0)) != 0) &&
               opt_differs(x, a, b);
    default:
        return 0;
    }
}

static int all_differ(struct match *x)
{
    char want[256] = "", have[256] = "";

    if (x->p->tcp.opts_given == 1)
        list_text(x->p->tcp.opts, want, sizeof want);
    options_text(x->m, &x->s, have, sizeof have);
    return differs(x, "option: script %s live%s", *want ? want : "none",
                   *have ? have : " none");
}

static int is_filler(const struct pkt_opt *o)
{
    return o->what == PKT_OPT_NOP || o->what == PKT_OPT_EOL;
}

static int options_differ(struct match *x)
{
    const struct pkt_tcp *t = &x->p->tcp;
    int in_order = strict(x, PKT_S_OPTORDER), i = 0;
    uint64_t used = 0;
    const struct pkt_opt *a;

    if (t->opts_given == 2)
        return 0;
    if ((x->s.flags & PKT_RST) && !strict(x, PKT_S_RST))
        return 0; /* RFC 7323 s5.2 leaves it open */
    if (t->opts_given == 0)
        return strict(x, PKT_S_OPTS) && x->s.opts > 0 && all_differ(x);
    for (a = t->opts; a; a = a->next) {
        if (is_filler(a) && !in_order)
            continue;
        if (!in_order)
            for (i = 0; i < x->s.opts; i++)
                if (!(used >> i & 1) && x->s.opt[i].what == a->what)
                    break;
        if (i == x->s.opts || x->s.opt[i].what != a->what)
            return all_differ(x);
        if (values_differ(x, a, &x->s.opt[i]))
            return 1;
        used |= (uint64_t)1 << i;
        i++;
    }
    for (i = 0; i < x->s.opts; i++)
        if (!(used >> i & 1) && (in_order || !is_filler(&x->s.opt[i])))
            return all_differ(x);
    return 0;
}

/* Others probe a closed window with nothing at SND.UNA - 1, where RFC 9293
   s3.8.6.1 has an octet. */
static int is_probe(const struct match *x)
{
    const struct pkt_tcp *t = &x->p->tcp;

    return !strict(x, PKT_S_PROBE) && t->len == 0 && x->s.len == 1 &&
           t->seq_given && t->flags == PKT_ACK && x->m->in_win == 0 &&
           t->seq + 1 == x->s.seq - x->m->local.base;
}

static int compare(struct match *x)
{
    pkt_seg_parse(&x->s, x->live->tcp, x->live->tcp_len);
    x->why[0] = 0;
    if (is_probe(x)) {
        x->n = 1;
        return numbers_differ(x) || options_differ(x) || ip_differs(x);
    }
    return flags_differ(x) || seq_differs(x) || length_differs(x) ||
           numbers_differ(x) || options_differ(x) || ip_differs(x);
}

/* Of a server: a client's is as the peer gave it. */
static void learn_cookie(struct pkt_run *run, const struct pkt_opt *script,
                         const struct pkt_opt *live)
{
    struct pkt_wire *w = pkt_wire_state(run);

    memcpy(w->granted, live->bytes, (size_t)live->n);
    w->granted_n = live->n;
    if (script->n > 0 &&
        pkt_wire_cookie(run, script->bytes, script->n) == NULL)
        pkt_wire_learn(run, script, live);
}

/* They are equal: what the live one tells of the mapping. */
static void learn(struct match *x)
{
    struct pkt_map *m = x->m;
    const struct pkt_opt *a;
    int i;

    if ((x->s.flags & PKT_SYN) && !m->named && x->p->tcp.seq_given &&
        !x->p->tcp.abs_seq)
        pkt_side_syn(&m->local, x->s.seq - x->p->tcp.seq, x->p->tcp.seq);
    if (x->s.flags & PKT_SYN)
        m->named = 1;
    for (a = x->p->tcp.opts; a; a = a->next)
        for (i = 0; i < x->s.opts; i++) {
            const struct pkt_opt *b = &x->s.opt[i];

            if (b->what != a->what)
                continue;
            if ((a->what == PKT_OPT_FO || a->what == PKT_OPT_FOEXP) &&
                b->n > 0 && (x->s.flags & PKT_ACK))
                learn_cookie(x->run, a, b);
            if (a->what != PKT_OPT_TS || a->v[0] == PKT_ANY ||
                (x->s.flags & PKT_RST))
                continue;
            if (!m->ts_known) {
                m->ts_known = 1;
                m->ts_live = (uint32_t)b->v[0];
                m->ts_script = (uint32_t)a->v[0];
            }
            m->pair[m->pairs % PKT_PAIRS].live = (uint32_t)b->v[0];
            m->pair[m->pairs % PKT_PAIRS].script = (uint32_t)a->v[0];
            m->pairs++;
        }
}

/* ---- waiting ----------------------------------------------------------- */

/* The connection's oldest segment that the script has not named; time goes
   on up to `limit` for it. */
static struct pkt_live *next_live(struct pkt_run *run,
                                  const struct pkt_packet *p, int64_t limit)
{
    for (;;) {
        const struct pkt_map *m =
            p->sock >= 0 ? pkt_wire_whose(run, p) : run->map;
        struct pkt_live *live;

        for (live = run->sent; live; live = live->next)
            if (live->map == m)
                return live;
        if (run->verdict.kind != PKT_OK || run->now >= limit)
            return NULL;
        pkt_advance(run, limit, 1);
    }
}

static void remove_live(struct pkt_run *run, struct pkt_live *live)
{
    struct pkt_live **at = &run->sent;

    while (*at != live)
        at = &(*at)->next;
    *at = live->next;
    if (*at == NULL)
        run->sent_end = at;
}

static double seconds(int64_t us)
{
    return (double)us / 1e6;
}

static void start(struct match *x, struct pkt_run *run,
                  const struct pkt_packet *p, const struct pkt_live *live)
{
    memset(x, 0, sizeof *x);
    x->run = run;
    x->p = p;
    x->live = live;
    x->m = live->map;
}

static int is_it(struct pkt_run *run, const struct pkt_packet *p,
                 const struct pkt_live *live)
{
    struct match x;

    start(&x, run, p, live);
    return !compare(&x);
}

/* Nothing was sent in time. Is it late, or does it never come? */
static int missing(struct pkt_run *run, const struct pkt_packet *p,
                   uint32_t off, int64_t to, int64_t limit)
{
    int64_t later = run->now + 200000000;
    struct pkt_live *live;
    struct pkt_verdict v = run->verdict;

    if (v.kind != PKT_OK)
        return v.kind;
    if (off != 0)
        return pkt_fail(run,
                        "missing segment: only %u of %u bytes were sent by "
                        "%.6f s (script: %s)",
                        (unsigned)off, (unsigned)p->tcp.len, seconds(limit),
                        script_text(run, p));
    live = next_live(run, p, later);
    run->verdict = v; /* what happens meanwhile is no matter */
    if (live && to != PKT_ANY && is_it(run, p, live))
        return pkt_fail(run, "too late: sent %.6f s too late, at %.6f s: %s",
                        seconds(live->at - to), seconds(live->at),
                        pkt_wire_text(run, live));
    return pkt_fail(run,
                    "missing segment: no segment was sent by %.6f s "
                    "(script: %s)",
                    seconds(limit), script_text(run, p));
}

static int where_differs(const struct match *x)
{
    return strncmp(x->why, "seq", 3) == 0 ||
           strncmp(x->why, "length", 6) == 0 ||
           strncmp(x->why, "ack", 3) == 0;
}

/* They differ: is one of the two too much? */
static int mismatch(struct match *x, int64_t from, int64_t limit)
{
    struct pkt_run *run = x->run;
    const struct pkt_event *e = run->event;
    const char *text = pkt_wire_text(run, x->live);
    const struct pkt_live *l;

    if (x->off == 0 && x->live->used == 0) {
        for (l = x->live->next; l; l = l->next)
            if (l->map == x->m && l->at <= limit && is_it(run, x->p, l))
                return pkt_fail(run,
                                "surplus segment: sent at %.6f s: %s "
                                "(script: %s; it differs in %s)",
                                seconds(x->live->at), text,
                                script_text(run, x->p), x->why);
        if (from != PKT_ANY && x->live->at < from - pkt_tolerance(run))
            return pkt_fail(run,
                            "surplus segment: sent at %.6f s: %s (script: "
                            "%s; it differs in %s)",
                            seconds(x->live->at), text,
                            script_text(run, x->p), x->why);
        /* what stands where it should is not another one */
        if (where_differs(x) && e && e->packet == x->p && e->next &&
            e->next->kind == PKT_PACKET && !e->next->packet->inbound &&
            is_it(run, e->next->packet, x->live))
            return pkt_fail(run,
                            "missing segment: no such segment was sent by "
                            "%.6f s (script: %s; the next was sent: %s)",
                            seconds(x->live->at), script_text(run, x->p),
                            text);
    }
    return pkt_fail(run, "outbound segment: %s (live: %s)", x->why, text);
}

int pkt_wire_out(struct pkt_run *run, const struct pkt_packet *p,
                 int64_t from, int64_t to)
{
    int64_t tolerance = pkt_tolerance(run);
    int64_t limit = to == PKT_ANY ? run->now + 86400000000 : to + tolerance;
    uint32_t off = 0, train = 0;
    struct pkt_live *live;
    struct match x;

    if (p->is_icmp)
        return pkt_skip(run, "outbound ICMP");
    do {
        live = next_live(run, p, limit);
        if (live == NULL)
            return missing(run, p, off, to, limit);
        start(&x, run, p, live);
        x.off = off;
        x.train = train;
        if (compare(&x))
            return mismatch(&x, from, limit);
        if (from != PKT_ANY && live->at < from - tolerance)
            return pkt_fail(run,
                            "too early: sent %.6f s too early, at %.6f "
                            "s: %s",
                            seconds(from - live->at), seconds(live->at),
                            pkt_wire_text(run, live));
        if (to != PKT_ANY && live->at > limit)
            return pkt_fail(run,
                            "too late: sent %.6f s too late, at %.6f s: %s",
                            seconds(live->at - to), seconds(live->at),
                            pkt_wire_text(run, live));
        learn(&x);
        off += x.n;
        run->matched = live->at;
        if (p->tcp.len - off > 0)
            train = x.s.len;
        if (live->used + x.n < x.s.len) {
            live->used += x.n;
            if (live->piece == 0)
                live->piece = x.n;
        } else {
            remove_live(run, live);
        }
    } while (off < p->tcp.len);
    return run->verdict.kind;
}

/* Of the connection under test, as packetdrill has it; of all, where the
   script tells connections apart. What a timer sends after the last event
   is no concern of its. */
int pkt_wire_end(struct pkt_run *run)
{
    const struct pkt_map *m;
    struct pkt_live *l;
    int all = (run->conf.strict & PKT_S_OTHERS) != 0;

    for (m = pkt_wire_state(run)->maps; m; m = m->next)
        all |= m->addressed;
    for (l = run->sent; l && run->verdict.kind == PKT_OK; l = l->next)
        if ((all || l->map == run->map) && l->at <= run->last)
            return pkt_fail(run, "surplus segment: sent at %.6f s: %s",
                            seconds(l->at), pkt_wire_text(run, l));
    return run->verdict.kind;
}
