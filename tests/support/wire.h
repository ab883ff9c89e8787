/* wire.h - one connection against a hand-written peer - 0BSD

   A test reads as a trace. Time is virtual and explicit; numbers are
   relative: SEQ and ACK 0 are the SYN of either side, 1 its first byte.

       #include "test.h"
       #define TCPSM_IMPLEMENTATION     // or link the library
       #include "tcpsm.h"
       #include "wire.h"

       TEST(passive_open) {
           START();                     // fresh, CLOSED, time 0
           LISTEN();
           IN("S   0        win 5000 mss 1000");
           OUT("SA 0 ack 1  mss 1460");
           AT(0.1);                     // fails if anything is sent before
           IN("A   1 ack 1  win 5000");
           STATE(TCPSM_ESTABLISHED);
           IN("PA  1 ack 1  len 10");
           NONE();                      // nothing to send now,
           DEADLINE(0.14);              // but here: the delayed ACK
           AT(0.14);
           OUT("A  1 ack 11");
           READ(10);                    // and compare with the pattern
       }

   A segment is: FLAGS SEQ, then in any order (numbers as %lld):
     ack N  win N  len N  urg N    window as in the header, never scaled
     mss N  ws N  sackok  ts VAL ECR  sack A:B ...
   FLAGS is S F R P A U E C in any order, or "." for none. An ACK number is
   there if "ack" is; without the A flag too.
   OUT checks flags, SEQ, ACK, payload (length and every byte), options
   exactly as listed, checksum, ports, urgent pointer; the window if "win"
   is listed. "*" as a number is not compared (or: the last value seen).
   IN also takes:
     badsum          a wrong checksum        off N   data offset field
     raw HEX         option bytes            cut N   that many bytes only
     nots            no automatic timestamp  link    came by link broadcast
     nodata          TCPSM_IN_NO_DATA        csumok  TCPSM_IN_CSUM_OK
     abs             SEQ and ACK as they are tos N
   With w.ts (timestamps negotiated by ESTABLISHED or ACCEPTED) segments in
   get "ts" by themselves, and those out must have one; TSval is
   w.ts_clock + milliseconds, TSecr the last TSval seen.

   IN(...)            input; must return 0 and be accepted (drop 0)
   IN_DROP(d, ...)    ... must return 0 with that drop reason
   IN_RET(r, ...)     ... must return r
   IN_ANY(...)        ... any
   IN_NOTHING(d, ...) as IN_DROP; not one byte of the connection changes,
                      and nothing is sent
   OUT(...)           the next segment, now
   NONE()             no segment now (all that is due is run)
   AT(s) / WAIT(s)    time goes to s seconds after START / s seconds on; a
                      segment due before that fails the test; one due
                      exactly then is left for OUT
   DEADLINE(s)        tcpsm_deadline is exactly then; DEADLINE_NEVER()
   STATE(s)           SEND(n) READ(n) SHUTDOWN() CLOSE() ABORT()
   EVENTS(e)          what tcpsm_take returns      ERROR_IS(e)
   STRANGER(...)      what tcpsm_stranger answers to the last IN
   STRANGER_NONE()
   COUNT(field)       a counter, e.g. COUNT(drops[TCPSM_DROP_PAWS])

   Between START and LISTEN / OPEN set w.cfg, w.rcv_ring, w.snd_ring,
   w.irs (the peer's ISN), w.want_iss (ours; 0: any), w.tuple. By default
   no option but MSS is used; w.cfg.flags = 0 allows all.
   ACCEPTED() and OPENED(...) are the handshakes; each takes what the peer
   adds to its SYN, as in OPENED("mss 1000 win 5000").

   After each step tcpsm_check and the laws are tested by pair.h. */

#ifndef WIRE_H
#define WIRE_H

#ifndef PAIR_SLOTS
#define PAIR_SLOTS 4 /* nothing goes through the network here */
#endif
#include "pair.h"

#define WIRE_FN PAIR_FN
#define WIRE_QUEUE 64
#define WIRE_PLAIN                                                           \
    (TCPSM_NO_SACK | TCPSM_NO_TS | TCPSM_NO_ECN | TCPSM_NO_SCALE)

typedef struct {
    pair p;        /* the connection is p.c[PAIR_A] */
    tcpsm_conn *c; /* that */
    tcpsm_config cfg;
    tcpsm_tuple tuple; /* for OPEN, and for LISTEN with "any" remote */
    tcpsm_time t0;
    uint32_t irs, iss, want_iss, ts_clock, tsval;
    uint32_t rcv_ring, snd_ring;
    uint32_t peer_win; /* window of IN when none is given */
    uint32_t sent, got;
    int ready, ts;
    const uint8_t *src, *dst; /* of IN; NULL: as the tuple says */
    uint16_t zone;
    uint8_t family;
    struct tcpsm_counters n;
    tcpsm_in in;      /* the last IN */
    tcpsm_ret ret;    /* and what it returned */
    pair_segment seg; /* the last OUT */
    tcpsm_out head;   /* and the rest of tcpsm_out, without pointers */
    uint8_t buf[PAIR_TRAIN + 64]; /* bytes of the last IN */
    struct {
        uint8_t bytes[PAIR_PACKET];
        uint32_t len;
        uint8_t tos, ttl;
        tcpsm_tuple tuple;
    } q[WIRE_QUEUE], last;
    uint32_t q_head, q_n;
    const char *file;
    int line;
    char text[256];
} wire;

static wire w TEST__UNUSED;

/* ---- reporting -------------------------------------------------------- */

#define WIRE_FAIL(...) wire__fail(__VA_ARGS__)

TEST__UNUSED __attribute__((noreturn))
TEST__PRINTF(1, 2) static void wire__fail(const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    test__stop(1, w.file, w.line, "%s%s%s", w.text, w.text[0] ? ": " : "",
               text);
}

/* Every macro says where it stands. */
TEST__UNUSED TEST__PRINTF(3, 4) static void wire__step(const char *file,
                                                       int line,
                                                       const char *fmt, ...)
{
    va_list ap;

    w.file = file;
    w.line = line;
    va_start(ap, fmt);
    vsnprintf(w.text, sizeof w.text, fmt, ap);
    va_end(ap);
    test_context("at %s:%d %s",
                 strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line,
                 w.text);
}

WIRE_FN double wire_seconds(void)
{
    return (double)(w.p.now - w.t0) / 1e6;
}

/* ---- segments as text ------------------------------------------------- */

typedef struct {
    uint8_t flags;
    uint32_t seq, ack, win, len, urg;
    uint32_t mss, ws, ts_val, ts_ecr, sack[4][2];
    int has_ack, has_win, has_mss, has_ws, has_sackok, has_ts, sacks;
    int any_seq, any_ack, any_tsval, any_tsecr, any_mss, any_ws, any_len;
    int nots, badsum, link, nodata, csumok, absolute, off, cut;
    uint32_t tos;
    uint8_t raw[40];
    uint32_t raw_n;
} wire_text;

WIRE_FN uint8_t wire__flags(const char *t)
{
    static const char letters[] = "FSRPAUEC";
    uint8_t f = 0;

    for (; *t; t++) {
        const char *l = strchr(letters, *t);

        if (*t == '.')
            continue;
        if (!l)
            WIRE_FAIL("no such flag: %c", *t);
        f = (uint8_t)(f | 1 << (l - letters));
    }
    return f;
}

WIRE_FN uint32_t wire__number(const char *t, int *any)
{
    char *end;
    long long v;

    if (any)
        *any = 0;
    if (t && any && strcmp(t, "*") == 0) {
        *any = 1;
        return 0;
    }
    v = t ? strtoll(t, &end, 0) : 0;
    if (!t || *end)
        WIRE_FAIL("not a number: %s", t ? t : "(end)");
    return (uint32_t)v;
}

WIRE_FN void wire__parse(wire_text *x, const char *text)
{
    static const char *const sep = " \t";
    char copy[256], *t, *save = NULL;

    memset(x, 0, sizeof *x);
    x->off = x->cut = -1;
    snprintf(copy, sizeof copy, "%s", text);
    t = strtok_r(copy, sep, &save);
    if (!t)
        WIRE_FAIL("empty segment");
    x->flags = wire__flags(t);
    x->seq = wire__number(strtok_r(NULL, sep, &save), &x->any_seq);
#define WIRE_ARG(field, any)                                                 \
    (x->field = wire__number(strtok_r(NULL, sep, &save), (any)))
    while ((t = strtok_r(NULL, sep, &save)) != NULL) {
        if (!strcmp(t, "ack"))
            WIRE_ARG(ack, &x->any_ack), x->has_ack = 1;
        else if (!strcmp(t, "win"))
            WIRE_ARG(win, NULL), x->has_win = 1;
        else if (!strcmp(t, "len"))
            WIRE_ARG(len, &x->any_len);
        else if (!strcmp(t, "urg"))
            WIRE_ARG(urg, NULL);
        else if (!strcmp(t, "mss"))
            WIRE_ARG(mss, &x->any_mss), x->has_mss = 1;
        else if (!strcmp(t, "ws"))
            WIRE_ARG(ws, &x->any_ws), x->has_ws = 1;
        else if (!strcmp(t, "sackok"))
            x->has_sackok = 1;
        else if (!strcmp(t, "ts")) {
            WIRE_ARG(ts_val, &x->any_tsval);
            WIRE_ARG(ts_ecr, &x->any_tsecr);
            x->has_ts = 1;
        } else if (!strcmp(t, "sack"))
            ;
        else if (strchr(t, ':') && x->sacks < 4) {
            char *colon = strchr(t, ':');

            *colon = 0;
            x->sack[x->sacks][0] = wire__number(t, NULL);
            x->sack[x->sacks++][1] = wire__number(colon + 1, NULL);
        } else if (!strcmp(t, "raw")) {
            t = strtok_r(NULL, sep, &save);
            for (; t && t[0] && t[1] && x->raw_n < 40; t += 2) {
                char two[3] = {t[0], t[1], 0};

                x->raw[x->raw_n++] = (uint8_t)strtoul(two, NULL, 16);
            }
        } else if (!strcmp(t, "off"))
            x->off = (int)wire__number(strtok_r(NULL, sep, &save), NULL);
        else if (!strcmp(t, "cut"))
            x->cut = (int)wire__number(strtok_r(NULL, sep, &save), NULL);
        else if (!strcmp(t, "tos"))
            WIRE_ARG(tos, NULL);
        else if (!strcmp(t, "nots"))
            x->nots = 1;
        else if (!strcmp(t, "badsum"))
            x->badsum = 1;
        else if (!strcmp(t, "link"))
            x->link = 1;
        else if (!strcmp(t, "nodata"))
            x->nodata = 1;
        else if (!strcmp(t, "csumok"))
            x->csumok = 1;
        else if (!strcmp(t, "abs"))
            x->absolute = 1;
        else
            WIRE_FAIL("no such word: %s", t);
    }
#undef WIRE_ARG
}

WIRE_FN const char *wire_show(const pair_segment *s)
{
    static char text[256];
    static const char letters[] = "FSRPAUEC";
    char flags[9];
    int i, n = 0;

    for (i = 0; i < 8; i++)
        if (s->flags >> i & 1)
            flags[n++] = letters[i];
    flags[n] = 0;
    n = snprintf(text, sizeof text, "%s %d ack %d win %u len %u",
                 flags[0] ? flags : ".", (int)(s->seq - w.iss),
                 (int)(s->ack - w.irs), s->wnd, s->len);
    if (s->urg)
        n += snprintf(text + n, sizeof text - (size_t)n, " urg %u", s->urg);
    if (s->mss >= 0)
        n += snprintf(text + n, sizeof text - (size_t)n, " mss %d", s->mss);
    if (s->wscale >= 0)
        n += snprintf(text + n, sizeof text - (size_t)n, " ws %d", s->wscale);
    if (s->sack_permitted)
        n += snprintf(text + n, sizeof text - (size_t)n, " sackok");
    if (s->timestamps)
        n += snprintf(text + n, sizeof text - (size_t)n, " ts %u %u",
                      s->ts_val, s->ts_ecr);
    for (i = 0; i < s->sacks; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, " %d:%d",
                      (int)(s->sack[i][0] - w.irs),
                      (int)(s->sack[i][1] - w.irs));
    return text;
}

/* The byte with this relative sequence number, in either direction */
WIRE_FN uint8_t wire_byte(int from_us, uint32_t seq)
{
    return pair_pattern(from_us ? 11 : 22, seq);
}

/* ---- set-up ----------------------------------------------------------- */

WIRE_FN void wire__observe(void *ctx, pair *p, const pair_event *e)
{
    uint32_t i = (w.q_head + w.q_n) % WIRE_QUEUE;

    (void)ctx;
    (void)p;
    if (e->what != PAIR_SENT)
        return;
    if (w.q_n == WIRE_QUEUE)
        WIRE_FAIL("more than %d segments at once", WIRE_QUEUE);
    memcpy(w.q[i].bytes, e->seg, e->len);
    w.q[i].len = e->len;
    w.q[i].tos = e->tos;
    w.q[i].ttl = e->ttl;
    w.q[i].tuple = e->tuple;
    w.q_n++;
}

WIRE_FN void wire__start(uint8_t family)
{
    pair_options o;

    memset(&w, 0, sizeof w);
    memset(&o, 0, sizeof o);
    o.family = family;
    pair_init(&w.p, &o);
    w.family = family;
    w.c = &w.p.c[PAIR_A];
    w.cfg.flags = WIRE_PLAIN;
    w.cfg.counters = &w.n;
    memset(w.cfg.key, 0x5A, 16);
    w.tuple = w.p.tuple[PAIR_A];
    w.rcv_ring = w.snd_ring = PAIR_RING;
    w.irs = 0x10000000;
    w.ts_clock = 1000000;
    w.peer_win = 65535;
    w.t0 = w.p.now;
    w.p.muted[PAIR_A] = w.p.muted[PAIR_B] = 1;
    w.p.observe = wire__observe;
}

WIRE_FN void wire__touched(void)
{
    pair_touched(&w.p, PAIR_A);
}

WIRE_FN void wire__init(void)
{
    tcpsm_ret r = tcpsm_init(w.c, &w.cfg);

    if (r == 0 && w.rcv_ring)
        r = tcpsm_attach(w.c, TCPSM_RECEIVE, w.p.rcv[0], w.rcv_ring, NULL);
    if (r == 0 && w.snd_ring)
        r = tcpsm_attach(w.c, TCPSM_SEND, w.p.snd[0], w.snd_ring, NULL);
    if (r)
        WIRE_FAIL("init: %d", r);
    w.ready = 1;
    wire__touched();
}

/* The ISS for this tuple now: asked of a connection that is thrown away */
WIRE_FN uint32_t wire__probe_iss(void)
{
    static tcpsm_conn c;
    static uint8_t buf[2048];
    tcpsm_config cfg = w.cfg;
    tcpsm_out o;

    cfg.counters = NULL;
    memset(&o, 0, sizeof o);
    o.buf = buf;
    o.cap = sizeof buf;
    if (tcpsm_init(&c, &cfg) || tcpsm_open(&c, &w.tuple, w.p.now) ||
        tcpsm_output(&c, &o, w.p.now) < 20)
        WIRE_FAIL("cannot probe the ISS");
    return pair_get32(buf + 4);
}

/* Moves time to where the ISN clock gives the wanted ISS. */
WIRE_FN void wire__aim(void)
{
    tcpsm_time start = w.p.now;
    uint32_t off;

    if (!w.want_iss)
        return;
    off = w.want_iss - wire__probe_iss();
    w.p.now = start + (tcpsm_time)off * 4;
    if (wire__probe_iss() != w.want_iss)
        WIRE_FAIL("the ISN clock does not tick once per 4 us");
    w.t0 = w.p.now;
}

WIRE_FN void wire__listen(void)
{
    tcpsm_tuple t = w.tuple;
    tcpsm_ret r;

    if (!w.ready)
        wire__aim(), wire__init();
    memset(t.remote, 0, 16);
    t.remote_port = 0;
    r = tcpsm_listen(w.c, &t, w.p.now);
    if (r)
        WIRE_FAIL("listen: %d", r);
    wire__touched();
}

WIRE_FN void wire__open(void)
{
    tcpsm_ret r;

    if (!w.ready)
        wire__aim(), wire__init();
    r = tcpsm_open(w.c, &w.tuple, w.p.now);
    if (r)
        WIRE_FAIL("open: %d", r);
    wire__touched();
}

/* ---- in --------------------------------------------------------------- */

WIRE_FN uint32_t wire__options(const wire_text *x, uint8_t *o)
{
    uint32_t n = 0;
    int i;

    if (x->has_mss) {
        o[n] = 2, o[n + 1] = 4;
        pair_put16(o + n + 2, x->mss);
        n += 4;
    }
    if (x->has_ws)
        o[n] = 3, o[n + 1] = 3, o[n + 2] = (uint8_t)x->ws, n += 3;
    if (x->has_sackok)
        o[n] = 4, o[n + 1] = 2, n += 2;
    if (x->has_ts) {
        o[n] = 8, o[n + 1] = 10;
        pair_put32(o + n + 2, x->ts_val);
        pair_put32(o + n + 6, x->any_tsecr ? w.tsval : x->ts_ecr);
        n += 10;
    }
    if (x->sacks) {
        o[n] = 5, o[n + 1] = (uint8_t)(2 + 8 * x->sacks), n += 2;
        for (i = 0; i < x->sacks; i++, n += 8) {
            pair_put32(o + n, x->sack[i][0] + w.iss);
            pair_put32(o + n + 4, x->sack[i][1] + w.iss);
        }
    }
    memcpy(o + n, x->raw, x->raw_n);
    n += x->raw_n;
    while (n & 3)
        o[n++] = 0;
    return n;
}

/* A copy at an odd address with nothing behind it, so that the sanitizer
   sees whoever reads too far or trusts the alignment. */
WIRE_FN const uint8_t *wire__exact(const uint8_t *b, uint32_t n)
{
    static uint8_t *memory;

    free(memory);
    memory = (uint8_t *)malloc(n + 1);
    if (!memory)
        WIRE_FAIL("no memory");
    if (n)
        memcpy(memory + 1, b, n);
    return memory + 1;
}

/* Builds the segment in w.buf and describes it in w.in. */
WIRE_FN void wire__build(const char *text)
{
    static const uint8_t zero[16];
    wire_text x;
    tcpsm_tuple t = w.tuple, sums;
    uint8_t *b = w.buf;
    uint32_t n, i;

    wire__parse(&x, text);
    if (w.ts && !x.has_ts && !x.nots) {
        x.has_ts = x.any_tsecr = 1;
        x.ts_val = w.ts_clock + (uint32_t)((w.p.now - w.t0) / 1000);
    }
    memset(b, 0, 80);
    pair_put16(b, t.remote_port);
    pair_put16(b + 2, t.local_port);
    pair_put32(b + 4, x.seq + (x.absolute ? 0 : w.irs));
    pair_put32(b + 8, x.has_ack ? x.ack + (x.absolute ? 0 : w.iss) : 0);
    n = 20 + wire__options(&x, b + 20);
    if (n > 60)
        WIRE_FAIL("too many options");
    b[12] = (uint8_t)((x.off >= 0 ? (uint32_t)x.off : n / 4) << 4);
    b[13] = x.flags;
    pair_put16(b + 14, x.has_win ? x.win : w.peer_win);
    pair_put16(b + 18, x.urg);
    if (x.len > PAIR_TRAIN - n)
        WIRE_FAIL("too much payload");
    for (i = 0; i < x.len; i++)
        b[n + i] = wire_byte(0, x.seq + i + (x.flags & PAIR_SYN ? 1u : 0u));
    n += x.len;
    if (x.cut >= 0 && (uint32_t)x.cut < n)
        n = (uint32_t)x.cut;
    memset(&sums, 0, sizeof sums);
    sums.family = w.family;
    memcpy(sums.local, w.src ? w.src : t.remote, w.family == 4 ? 4 : 16);
    memcpy(sums.remote, w.dst ? w.dst : t.local, w.family == 4 ? 4 : 16);
    if (n >= 18) {
        pair_set_checksum(&sums, b, n);
        if (x.badsum)
            b[16] ^= 1;
    }
    memset(&w.in, 0, sizeof w.in);
    w.in.src = w.src ? w.src : w.tuple.remote;
    w.in.dst = w.dst ? w.dst : w.tuple.local;
    w.in.data = wire__exact(b, n);
    w.in.len = n;
    w.in.zone = w.zone;
    w.in.family = w.family;
    w.in.tos = (uint8_t)x.tos;
    w.in.flags = (uint8_t)((x.link ? TCPSM_IN_LINK_BROADCAST : 0) |
                           (x.nodata ? TCPSM_IN_NO_DATA : 0) |
                           (x.csumok ? TCPSM_IN_CSUM_OK : 0));
    w.in.drop = 0xEE; /* input must set it */
    (void)zero;
}

WIRE_FN tcpsm_ret wire__in(const char *text)
{
    int was = tcpsm_state(w.c);

    wire__build(text);
    w.ret = tcpsm_input(w.c, &w.in, w.p.now);
    if (was != tcpsm_state(w.c) && tcpsm_state(w.c) <= TCPSM_SYN_RECEIVED)
        w.p.watch[PAIR_A].edge_known = 0; /* another incarnation */
    wire__touched();
    return w.ret;
}

WIRE_FN void wire__in_expect(tcpsm_ret ret, int drop)
{
    tcpsm_ret r = wire__in(w.text);

    if (r != ret)
        WIRE_FAIL("input returned %d, not %d (drop %d)", r, ret, w.in.drop);
    if (drop >= 0 && w.in.drop != drop)
        WIRE_FAIL("drop reason %d, not %d", w.in.drop, drop);
}

WIRE_FN void wire__fill(void);

WIRE_FN void wire__in_nothing(int drop)
{
    tcpsm_conn before;

    memcpy(&before, w.c, sizeof before);
    wire__in(w.text);
    if (w.ret != (drop == TCPSM_DROP_NOT_MINE ? TCPSM_E_NOT_MINE : 0) ||
        w.in.drop != drop)
        WIRE_FAIL("input returned %d, drop reason %d, not %d", w.ret,
                  w.in.drop, drop);
    if (memcmp(&before, w.c, sizeof before) != 0)
        WIRE_FAIL("the connection changed");
    wire__fill();
    if (w.q_n)
        WIRE_FAIL("was answered");
}

/* ---- out -------------------------------------------------------------- */

/* Runs what is due until there is a segment. */
WIRE_FN void wire__fill(void)
{
    int turns = 0;

    while (w.q_n == 0 && tcpsm_deadline(w.c) <= w.p.now) {
        if (!pair__output(&w.p, PAIR_A) || ++turns > 1000)
            WIRE_FAIL("output does not end, or does not begin");
    }
}

WIRE_FN void wire__take(void)
{
    w.last = w.q[w.q_head];
    w.q_head = (w.q_head + 1) % WIRE_QUEUE;
    w.q_n--;
    if (pair_parse(&w.seg, w.last.bytes, w.last.len) != 0)
        WIRE_FAIL("not a segment");
    if (w.seg.timestamps)
        w.tsval = w.seg.ts_val;
    if (w.seg.flags & PAIR_SYN)
        w.iss = w.seg.seq;
}

WIRE_FN void wire__compare(const pair_segment *s, const char *text)
{
    wire_text x;
    uint32_t i, shift = 0;
    int k, bad;

    wire__parse(&x, text);
    bad = s->flags != x.flags || (!x.any_seq && s->seq - w.iss != x.seq) ||
          (!x.any_len && s->len != x.len) || s->urg != x.urg;
    if (x.has_ack && !x.any_ack)
        bad |= s->ack - w.irs != x.ack;
    if (!x.has_ack)
        bad |= s->ack != 0;
    if (x.has_win)
        bad |= s->wnd != x.win;
    bad |= x.has_mss != (s->mss >= 0) ||
           (x.has_mss && !x.any_mss && s->mss != (int)x.mss);
    bad |= x.has_ws != (s->wscale >= 0) ||
           (x.has_ws && !x.any_ws && s->wscale != (int)x.ws);
    bad |= x.has_sackok != s->sack_permitted;
    if (x.has_ts)
        bad |= !s->timestamps || (!x.any_tsval && s->ts_val != x.ts_val) ||
               (!x.any_tsecr && s->ts_ecr != x.ts_ecr);
    else
        bad |= s->timestamps != (w.ts && !x.nots && !(s->flags & PAIR_RST)) &&
               !(w.ts && (s->flags & PAIR_RST));
    bad |= x.sacks != s->sacks;
    for (k = 0; k < x.sacks && !bad; k++)
        bad |= s->sack[k][0] - w.irs != x.sack[k][0] ||
               s->sack[k][1] - w.irs != x.sack[k][1];
    if (bad)
        WIRE_FAIL("got %s", wire_show(s));
    if (s->flags & PAIR_SYN)
        shift = 1;
    for (i = 0; i < s->len; i++)
        if (s->payload[i] != wire_byte(1, s->seq - w.iss + i + shift))
            WIRE_FAIL("payload differs at %u of %s", i, wire_show(s));
}

WIRE_FN void wire__out(void)
{
    wire__fill();
    if (w.q_n == 0) {
        tcpsm_time d = tcpsm_deadline(w.c);

        WIRE_FAIL("nothing is sent (now %f, deadline %f)", wire_seconds(),
                  d == TCPSM_NEVER ? -1.0 : (double)(d - w.t0) / 1e6);
    }
    wire__take();
    wire__compare(&w.seg, w.text);
}

WIRE_FN void wire__none(void)
{
    wire__fill();
    if (w.q_n) {
        wire__take();
        WIRE_FAIL("sent at %f: %s", wire_seconds(), wire_show(&w.seg));
    }
}

WIRE_FN void wire__at(tcpsm_time t)
{
    tcpsm_time d;

    if (t < w.p.now)
        WIRE_FAIL("time goes back");
    if (t > w.p.now)
        wire__none();
    while ((d = tcpsm_deadline(w.c)) < t) {
        if (d > w.p.now)
            w.p.now = d;
        wire__none();
    }
    w.p.now = t;
}

WIRE_FN tcpsm_time wire__us(double s)
{
    return (tcpsm_time)(s * 1e6 + 0.5);
}

WIRE_FN void wire__deadline(double s, int never)
{
    tcpsm_time d = tcpsm_deadline(w.c);

    if (never ? d != TCPSM_NEVER : d != w.t0 + wire__us(s))
        WIRE_FAIL("deadline is %f",
                  d == TCPSM_NEVER ? -1.0 : (double)(d - w.t0) / 1e6);
}

WIRE_FN void wire__stranger(const char *text)
{
    static uint8_t buf[256];
    tcpsm_out o;
    tcpsm_ret r;

    memset(&o, 0, sizeof o);
    o.buf = buf;
    o.cap = sizeof buf;
    r = tcpsm_stranger(&w.in, &o);
    if (r < 0 || (text == NULL) != (r == 0))
        WIRE_FAIL("tcpsm_stranger returned %d", r);
    if (r == 0)
        return;
    if (pair_parse(&w.seg, buf, (uint32_t)r) != 0)
        WIRE_FAIL("not a segment");
    w.head = o;
    if (pair_checksum(&o.tuple, buf, (uint32_t)r) != 0 ||
        w.seg.sport != pair_get16(w.buf + 2) ||
        w.seg.dport != pair_get16(w.buf) || o.hdr_len != r ||
        o.conn != NULL || o.segs != 1 ||
        memcmp(o.tuple.local, w.in.dst, w.family == 4 ? 4 : 16) != 0 ||
        memcmp(o.tuple.remote, w.in.src, w.family == 4 ? 4 : 16) != 0)
        WIRE_FAIL("tcpsm_stranger: header, checksum or addresses");
    wire__compare(&w.seg, text);
}

/* ---- the application -------------------------------------------------- */

WIRE_FN tcpsm_ret wire__send(uint32_t n, uint32_t flags)
{
    static uint8_t buf[PAIR_RING];
    tcpsm_ret r;
    uint32_t i;

    for (i = 0; i < n && i < sizeof buf; i++)
        buf[i] = wire_byte(1, 1 + w.sent + i);
    r = tcpsm_send(w.c, buf, n, flags);
    if (r > 0)
        w.sent += (uint32_t)r;
    wire__touched();
    return r;
}

WIRE_FN tcpsm_ret wire__read(uint32_t n)
{
    static uint8_t buf[PAIR_RING];
    tcpsm_ret r = tcpsm_receive(w.c, buf, n < sizeof buf ? n : sizeof buf);
    tcpsm_ret i;

    for (i = 0; i < r; i++, w.got++)
        if (buf[i] != wire_byte(0, 1 + w.got))
            WIRE_FAIL("byte %u is not what was sent", w.got);
    wire__touched();
    return r;
}

WIRE_FN void wire__is(const char *what, long long got, long long want)
{
    if (got != want)
        WIRE_FAIL("%s is %lld (0x%llx), not %lld (0x%llx)", what, got,
                  (unsigned long long)got, want, (unsigned long long)want);
}

#define WIRE__STEP(...) wire__step(__FILE__, __LINE__, __VA_ARGS__)
#define START() (WIRE__STEP("START"), wire__start(4))
#define START6() (WIRE__STEP("START6"), wire__start(6))
#define LISTEN() (WIRE__STEP("LISTEN"), wire__listen())
#define OPEN() (WIRE__STEP("OPEN"), wire__open())
#define IN(...) (WIRE__STEP(__VA_ARGS__), wire__in_expect(0, 0))
#define IN_DROP(drop, ...)                                                   \
    (WIRE__STEP(__VA_ARGS__), wire__in_expect(0, (drop)))
#define IN_RET(ret, ...) (WIRE__STEP(__VA_ARGS__), wire__in_expect((ret), -1))
#define IN_ANY(...) (WIRE__STEP(__VA_ARGS__), wire__in(w.text))
#define IN_NOTHING(drop, ...)                                                \
    (WIRE__STEP(__VA_ARGS__), wire__in_nothing(drop))
#define OUT(...) (WIRE__STEP(__VA_ARGS__), wire__out())
#define NONE() (WIRE__STEP("NONE"), wire__none())
#define AT(s) (WIRE__STEP("AT"), wire__at(w.t0 + wire__us(s)))
#define WAIT(s) (WIRE__STEP("WAIT"), wire__at(w.p.now + wire__us(s)))
#define DEADLINE(s) (WIRE__STEP("DEADLINE"), wire__deadline((s), 0))
#define DEADLINE_NEVER() (WIRE__STEP("DEADLINE_NEVER"), wire__deadline(0, 1))
#define STATE(s)                                                             \
    (WIRE__STEP("STATE"), wire__is("state", tcpsm_state(w.c), (s)))
#define SEND(n)                                                              \
    (WIRE__STEP("SEND"),                                                     \
     wire__is("tcpsm_send", wire__send((n), 0), (long long)(n)))
#define SEND_FLAGS(n, flags)                                                 \
    (WIRE__STEP("SEND"),                                                     \
     wire__is("tcpsm_send", wire__send((n), (flags)), (long long)(n)))
#define READ(n)                                                              \
    (WIRE__STEP("READ"),                                                     \
     wire__is("tcpsm_receive", wire__read((n)), (long long)(n)))
#define READ_IS(r)                                                           \
    (WIRE__STEP("READ_IS"), wire__is("tcpsm_receive", wire__read(1), (r)))
#define WIRE__CALL(text, expr, r)                                            \
    (WIRE__STEP(text), wire__is(text, (expr), (r)), wire__touched())
#define SHUTDOWN() WIRE__CALL("tcpsm_shutdown", tcpsm_shutdown(w.c), 0)
#define CLOSE() WIRE__CALL("tcpsm_close", tcpsm_close(w.c), 0)
#define ABORT() WIRE__CALL("tcpsm_abort", tcpsm_abort(w.c), 0)
#define SET(option, value)                                                   \
    WIRE__CALL("tcpsm_set", tcpsm_set(w.c, (option), (value)), 0)
#define EVENTS(e) WIRE__CALL("tcpsm_take", tcpsm_take(w.c), (e))
#define ERROR_IS(e) WIRE__CALL("tcpsm_error", tcpsm_error(w.c), (e))
#define STRANGER(...) (WIRE__STEP(__VA_ARGS__), wire__stranger(w.text))
#define STRANGER_NONE() (WIRE__STEP("STRANGER"), wire__stranger(NULL))
#define COUNT(field) (w.n.field)

/* Handshakes; the text is what the peer adds to its SYN. */
#define ACCEPTED(...) (WIRE__STEP(__VA_ARGS__), wire__handshake(0))
#define OPENED(...) (WIRE__STEP(__VA_ARGS__), wire__handshake(1))

WIRE_FN void wire__handshake(int active)
{
    char extra[sizeof w.text], text[sizeof w.text + 16];
    struct tcpsm_info i;
    wire_text x;

    memcpy(extra, w.text, sizeof extra);
    w.text[0] = 0;
    if (active)
        wire__open();
    else
        wire__listen();
    if (active) {
        wire__fill();
        if (!w.q_n)
            WIRE_FAIL("no SYN");
        wire__take();
    }
    snprintf(text, sizeof text, "%s 0 %s %s", active ? "SA" : "S",
             active ? "ack 1" : "", extra);
    wire__parse(&x, text);
    if (x.has_win)
        w.peer_win = x.win;
    if (wire__in(text) || w.in.drop)
        WIRE_FAIL("handshake: SYN refused, %d %d", w.ret, w.in.drop);
    wire__fill();
    if (!w.q_n)
        WIRE_FAIL("handshake: no answer");
    wire__take();
    tcpsm_status(w.c, &i);
    w.ts = i.timestamps;
    if (!active && (wire__in("A 1 ack 1") || w.in.drop))
        WIRE_FAIL("handshake: ACK refused, %d %d", w.ret, w.in.drop);
    wire__fill();
    if (w.q_n)
        WIRE_FAIL("handshake: an unexpected segment");
    if (tcpsm_state(w.c) != TCPSM_ESTABLISHED)
        WIRE_FAIL("handshake: state %d", tcpsm_state(w.c));
    tcpsm_take(w.c);
    wire__touched();
}

#endif /* WIRE_H */
