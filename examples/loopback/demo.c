/* The life of a TCP connection, drawn.

   Two connections of tcpsm.h in one process, joined by a simulated network
   (tests/support/netsim.h) in virtual time. Nothing here does I/O but to
   draw, to read the file and to write the capture; two minutes of TCP take
   a moment. Built and started by `make demo`; see --help.

   The scenes, from "three handshakes" to "four waves" and what comes
   after, are at the end of this file, above main(); what is needed to draw
   and to record them comes before. */

#define TCPSM_IMPLEMENTATION
#define TCPSM_NAMES
#include "tcpsm.h"

#include "pair.h"
#include "pcapng.h"
#include "seqdiag.h"
#include "sha256.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define CLIENT PAIR_A
#define SERVER PAIR_B
#define MS PAIR_MS
#define SECOND PAIR_SECOND

#define RATE 20000000u  /* bit/s */
#define DELAY (20 * MS) /* one way */
#define HELD (1300u)    /* us: two later segments overtake this one */
#define LOSS_PPM 20000u /* 2 % */
#define ODD_PPM 10000u  /* 1 % overtaken, 1 % copied */
#define RECORDS 2048u   /* more than can be under way */
#define LOST_MAX 64u    /* lost segments whose time has not come yet */

/* A segment under way: what its sender knew */
typedef struct {
    tcpsm_time sent;
    int state; /* of its sender */
    char label[64], comment[96];
    int color;
    uint8_t draw, late, again;
} record;

/* A segment at the end of its way, with all that its arrow needs */
typedef struct {
    record r;
    tcpsm_time at;
    int from, kind;
    int taken; /* the state of its receiver; -1: it never arrived */
} hidden;

/* A segment that will not arrive, until the time at which it would have */
typedef struct {
    record r;
    tcpsm_time at;
    int from;
    tcpsm_tuple tuple;
    uint8_t tos, ttl;
    uint32_t len;
    uint8_t seg[PAIR_PACKET];
} lost_record;

/* A loss or a late segment in the middle of the file that is shown from
   beginning to end */
typedef struct {
    uint32_t seq, end; /* relative */
    int active, repeats, told_losses, told_late, told_copies, told_acks;
    int dsack; /* the answer to a copy is still to be shown */
} focus;

typedef struct {
    const char *path, *pcap;
    uint64_t seed;
    int terminal, color, unicode, slow;

    FILE *file;
    uint64_t size, sent, received;
    sha256 sent_hash, received_hash;
    int all_sent, sending, receiving;

    pair p;
    pcapng capture;
    seqdiag diagram;
    int scene, bulk, bar;
    uint32_t isn[2], high[2];
    int high_known[2];
    record records[2][RECORDS];
    lost_record lost[LOST_MAX];
    uint32_t lost_n;
    focus focus;
    uint64_t hidden; /* how many since the last arrow */
    hidden last_hidden;
    int challenge;   /* the next ACK of the server is one */
    uint8_t syn[60]; /* the client's first segment, to be sent again */
    uint32_t syn_len;
    uint64_t data_index; /* data segments sent so far, in the bulk */
    uint64_t n_lost, n_lost_data, n_again, n_late,
        n_copies; /* during the bulk */
} demo;

static demo d;

/* ---- failing ---------------------------------------------------------- */

static void bar_off(void *);
static void flush_lost(tcpsm_time);

__attribute__((noreturn, format(printf, 1, 2))) static void
fail(const char *fmt, ...)
{
    va_list ap;

    bar_off(&d);
    fflush(stdout);
    pcapng_close(&d.capture); /* what there is may help */
    fputs("demo: FAILED: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

static void expect(int side, int state)
{
    int is = tcpsm_state(&d.p.c[side]);

    if (is != state)
        fail("the %s is in %s, not in %s",
             side == CLIENT ? "client" : "server", tcpsm_state_name(is),
             tcpsm_state_name(state));
}

/* ---- drawing ---------------------------------------------------------- */

static const char *state_of(int side)
{
    return tcpsm_state_name(tcpsm_state(&d.p.c[side]));
}

/* On a terminal the picture grows at a pace that eyes can follow. */
static void breathe(long ms)
{
    struct timespec t = {0, ms * 1000000L};

    if (!d.slow)
        return;
    fflush(stdout);
    nanosleep(&t, NULL);
}

static void bar_off(void *ctx)
{
    demo *x = (demo *)ctx;

    if (x->bar)
        fputs("\r\033[K", stdout);
}

static void bar_on(void *ctx)
{
    static const char *eighth[] = {" ",
                                   "\342\226\217",
                                   "\342\226\216",
                                   "\342\226\215",
                                   "\342\226\214",
                                   "\342\226\213",
                                   "\342\226\212",
                                   "\342\226\211"};
    demo *x = (demo *)ctx;
    uint64_t part, i;

    if (!x->bar)
        return;
    part = x->size ? x->received * 30 * 8 / x->size : 30 * 8;
    printf("\r   %s", x->unicode ? "\342\226\225" : "[");
    if (x->color)
        printf("\033[36m");
    for (i = 0; i < 30; i++)
        if (!x->unicode)
            putchar(i * 8 < part ? '#' : '.');
        else if (i * 8 + 8 <= part)
            printf("\342\226\210");
        else
            printf("%s", i * 8 < part ? eighth[part - i * 8] : " ");
    if (x->color)
        printf("\033[0m");
    printf("%s%3u %%  %llu of %llu bytes  %llu lost",
           x->unicode ? "\342\226\217" : "]",
           (unsigned)(x->size ? x->received * 100 / x->size : 100),
           (unsigned long long)x->received, (unsigned long long)x->size,
           (unsigned long long)x->n_lost);
    fflush(stdout);
}

static void scene(const char *title, const char *text)
{
    d.scene++;
    breathe(200);
    seqdiag_scene(&d.diagram, title, text);
}

__attribute__((format(printf, 2, 3))) static void say(int side,
                                                      const char *fmt, ...)
{
    char text[128];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    flush_lost(d.p.now);
    seqdiag_say(&d.diagram, side, text, d.p.now, state_of(CLIENT),
                state_of(SERVER));
    breathe(60);
}

static void arrow(const hidden *h)
{
    const record *r = &h->r;
    seqdiag_arrow a;

    memset(&a, 0, sizeof a);
    a.from = h->from;
    a.kind = h->kind;
    a.color = h->kind == SEQDIAG_LOST    ? SEQDIAG_RED
              : h->kind == SEQDIAG_PLAIN ? r->color
                                         : SEQDIAG_YELLOW;
    a.at[h->from] = h->kind == SEQDIAG_GHOST ? SEQDIAG_NOWHEN : r->sent;
    a.at[!h->from] = h->kind == SEQDIAG_LOST ? SEQDIAG_NOWHEN : h->at;
    a.state[h->from] = h->kind == SEQDIAG_GHOST || h->kind == SEQDIAG_COPY
                           ? NULL
                           : tcpsm_state_name(r->state);
    a.state[!h->from] = h->taken < 0 ? NULL : tcpsm_state_name(h->taken);
    a.label = r->label;
    seqdiag_draw(&d.diagram, &a);
    breathe(d.bulk ? 15 : 60);
}

static void gap(void)
{
    char text[64];

    if (d.hidden == 1) /* saying so would take as much room */
        arrow(&d.last_hidden);
    else if (d.hidden > 1) {
        snprintf(text, sizeof text, "%llu segments not drawn",
                 (unsigned long long)d.hidden);
        seqdiag_gap(&d.diagram, text);
        breathe(20);
    }
    d.hidden = 0;
}

static void draw(const record *r, int from, tcpsm_time at, int taken,
                 int kind)
{
    hidden h;

    memset(&h, 0, sizeof h);
    h.r = *r;
    h.from = from;
    h.at = at;
    h.taken = taken;
    h.kind = kind;
    if (r->draw) {
        gap();
        arrow(&h);
    } else {
        d.hidden++;
        d.last_hidden = h;
    }
}

/* ---- reading segments ------------------------------------------------- */

/* Sequence numbers are told from the ISN, as Wireshark does: the SYN is 0,
   the first byte of the stream is 1. */
static uint32_t from_isn(int side, uint32_t seq)
{
    return seq - d.isn[side];
}

/* RFC 2883: the first block names what came twice, if it lies below the
   ACK or inside of the second block. */
static int is_dsack(const pair_segment *s)
{
    if (s->sacks == 0)
        return 0;
    return (int32_t)(s->sack[0][0] - s->ack) < 0 ||
           (s->sacks > 1 && (int32_t)(s->sack[0][0] - s->sack[1][0]) >= 0 &&
            (int32_t)(s->sack[0][1] - s->sack[1][1]) <= 0);
}

static void describe(int from, const pair_segment *s, record *r)
{
    uint32_t seq = from_isn(from, s->seq), ack = from_isn(!from, s->ack);
    uint32_t lo, hi;
    char *t = r->label;
    size_t n = sizeof r->label;
    const char *again = r->again ? " again" : "";
    const char *late = r->late ? " late" : "";

    if (s->flags & PAIR_RST)
        snprintf(t, n, "RST seq=%u", seq);
    else if ((s->flags & PAIR_SYN) && (s->flags & PAIR_ACK))
        snprintf(t, n, "SYN+ACK seq=0 ack=%u%s", ack, again);
    else if (s->flags & PAIR_SYN)
        snprintf(t, n, "SYN seq=%u mss=%d%s", seq, s->mss, again);
    else if ((s->flags & PAIR_FIN) && s->len)
        snprintf(t, n, "FIN seq=%u len=%u ack=%u%s", seq, s->len, ack, again);
    else if (s->flags & PAIR_FIN)
        snprintf(t, n, "FIN seq=%u ack=%u%s", seq, ack, again);
    else if (s->len && (s->flags & PAIR_URG))
        snprintf(t, n, "URG seq=%u len=%u up=%u", seq, s->len, s->urg);
    else if (s->len)
        snprintf(t, n, "seq=%u len=%u%s%s", seq, s->len, again, late);
    else if (s->sacks) {
        lo = from_isn(!from, s->sack[0][0]);
        hi = from_isn(!from, s->sack[0][1]);
        snprintf(t, n, "ACK %u %s %u-%u", ack, is_dsack(s) ? "twice" : "has",
                 lo, hi);
    } else
        snprintf(t, n, "ACK %u%s", ack,
                 from == SERVER && d.challenge ? " (challenge)" : "");
    r->color = s->flags & PAIR_RST                ? SEQDIAG_RED
               : r->again || r->late              ? SEQDIAG_YELLOW
               : s->flags & PAIR_SYN              ? SEQDIAG_GREEN
               : s->flags & (PAIR_FIN | PAIR_URG) ? SEQDIAG_MAGENTA
               : s->len                           ? SEQDIAG_CYAN
                                                  : 0;
}

/* Of the many segments of the file, these are worth a line: the first few,
   and some losses, late arrivals and copies with all that follows. */
static int worth_drawing(int from, const pair_segment *s, uint32_t fate,
                         const record *r)
{
    focus *f = &d.focus;
    uint32_t seq, ack;

    if (!d.bulk)
        return 1;
    if (from == CLIENT) {
        seq = from_isn(CLIENT, s->seq);
        if (!f->active && s->len &&
            (((fate & NETSIM_DROPPED) && f->told_losses < 2) ||
             ((fate & NETSIM_DELAYED) && f->told_late < 1))) {
            f->active = 1;
            f->seq = seq;
            f->end = seq + s->len;
            f->repeats = 0;
            if (fate & NETSIM_DROPPED)
                f->told_losses++;
            else
                f->told_late++;
            return 1;
        }
        if (f->active && r->again && seq == f->seq)
            return 1;
        return s->len && d.data_index <= 10;
    }
    ack = from_isn(CLIENT, s->ack);
    if (f->dsack && is_dsack(s)) {
        f->dsack = 0;
        return 1;
    }
    if (f->active && ack == f->seq && s->sacks)
        return f->repeats++ < 3;
    if (f->active && (int32_t)(ack - f->end) >= 0) {
        f->active = 0;
        return 1;
    }
    return f->told_acks++ < 2;
}

/* ---- recording -------------------------------------------------------- */

static void record_packet(tcpsm_time at, const tcpsm_tuple *t, uint8_t tos,
                          uint8_t ttl, const uint8_t *seg, uint32_t len,
                          const char *comment)
{
    pcapng_route r;

    r.src = t->local;
    r.dst = t->remote;
    r.family = t->family;
    r.tos = tos;
    r.ttl = ttl;
    pcapng_tcp(&d.capture, at, &r, seg, len, comment);
}

/* The capture stands just before each receiver, on the near side of the
   place where segments are lost: it sees all of them in the order of the
   picture, and a comment says which ones were lost there. */
static void flush_lost(tcpsm_time until)
{
    uint32_t i, k;

    for (i = 0; i < d.lost_n && d.lost[i].at <= until; i++) {
        lost_record *l = &d.lost[i];

        record_packet(l->at, &l->tuple, l->tos, l->ttl, l->seg, l->len,
                      l->r.comment);
        draw(&l->r, l->from, l->at, -1, SEQDIAG_LOST);
    }
    for (k = 0; i < d.lost_n; i++, k++)
        d.lost[k] = d.lost[i];
    d.lost_n = k;
}

static void remember_lost(const pair_event *e, const record *r)
{
    const netsim_link *link = &d.p.net.link[e->from];
    lost_record *l;

    if (d.lost_n == LOST_MAX)
        fail("more than %u losses within a round trip", LOST_MAX);
    l = &d.lost[d.lost_n++];
    l->r = *r;
    snprintf(l->r.comment, sizeof l->r.comment,
             "scene %d: LOST here, the receiver never sees it", d.scene);
    l->at = (link->busy_us > e->now ? link->busy_us : e->now) + DELAY +
            (e->fate & NETSIM_SCRIPTED ? 1u : 0u); /* these take no time */
    l->from = e->from;
    l->tuple = e->tuple;
    l->tos = e->tos;
    l->ttl = e->ttl;
    l->len = e->len;
    memcpy(l->seg, e->seg, e->len);
    while (l > d.lost && l[-1].at > l->at) { /* keep them sorted */
        lost_record swap = l[-1];

        l[-1] = *l;
        *l-- = swap;
    }
}

static void note_sent(const pair_event *e)
{
    int from = e->from, state = tcpsm_state(&d.p.c[from]);
    record *r = &d.records[from][e->number % RECORDS];
    pair_segment s;
    uint32_t end;

    if (pair_parse(&s, e->seg, e->len) != 0)
        fail("a connection sent what is no segment");
    if (s.flags & PAIR_SYN) {
        d.isn[from] = s.seq;
        if (from == CLIENT) {
            d.syn_len = e->len;
            memcpy(d.syn, e->seg, e->len);
        }
    }
    end = s.seq + s.len + ((s.flags & PAIR_SYN) != 0) +
          ((s.flags & PAIR_FIN) != 0);
    memset(r, 0, sizeof *r);
    r->sent = e->now;
    r->state = state;
    r->again = end != s.seq && d.high_known[from] &&
               (int32_t)(end - d.high[from]) <= 0;
    r->late = (e->fate & NETSIM_DELAYED) != 0;
    if (!d.high_known[from] || (int32_t)(end - d.high[from]) > 0)
        d.high[from] = end;
    d.high_known[from] = 1;
    if (d.bulk && from == CLIENT && s.len)
        d.data_index++;
    describe(from, &s, r);
    r->draw = (uint8_t)worth_drawing(from, &s, e->fate, r);
    snprintf(r->comment, sizeof r->comment, "scene %d%s%s", d.scene,
             r->again ? ": sent again" : "",
             r->late ? ": held back, later ones overtook it" : "");
    if (d.bulk) {
        d.n_lost += (e->fate & NETSIM_DROPPED) != 0;
        d.n_lost_data += (e->fate & NETSIM_DROPPED) != 0 && s.len != 0;
        d.n_again += r->again;
        d.n_late += r->late;
        d.n_copies += (e->fate & NETSIM_COPIED) != 0;
    }
    if (e->fate & NETSIM_DROPPED)
        remember_lost(e, r);
}

static void note_ghost(const pair_event *e, record *r)
{
    pair_segment s;

    memset(r, 0, sizeof *r);
    pair_parse(&s, e->seg, e->len);
    r->draw = 1;
    snprintf(r->label, sizeof r->label, "an old SYN seq=%u",
             from_isn(e->from, s.seq));
    snprintf(r->comment, sizeof r->comment,
             "scene %d: an old duplicate SYN (%s)", d.scene,
             tcpsm_drop_name(e->drop));
}

static void note_taken(const pair_event *e)
{
    record r = d.records[e->from][e->number % RECORDS];
    int kind = SEQDIAG_PLAIN;

    if (e->injected) {
        note_ghost(e, &r);
        kind = SEQDIAG_GHOST;
    } else if (e->fate & NETSIM_COPY) {
        kind = SEQDIAG_COPY;
        snprintf(r.comment, sizeof r.comment,
                 "scene %d: a copy made by the network", d.scene);
        if (d.bulk && e->len > 60) { /* of data: the first is shown */
            r.draw = d.focus.told_copies++ == 0;
            d.focus.dsack |= r.draw;
            snprintf(r.label + strlen(r.label),
                     sizeof r.label - strlen(r.label), " copy");
        }
    }
    record_packet(e->now, &e->tuple, e->tos, e->ttl, e->seg, e->len,
                  r.comment);
    draw(&r, e->from, e->now, tcpsm_state(&d.p.c[!e->from]), kind);
}

static void observe(void *ctx, pair *p, const pair_event *e)
{
    (void)ctx;
    (void)p;
    flush_lost(e->now);
    if (e->what == PAIR_SENT)
        note_sent(e);
    else if (e->what == PAIR_TAKEN)
        note_taken(e);
}

/* ---- the two applications --------------------------------------------- */

/* The client reads the file straight into the send ring. */
static void client_sends(tcpsm_conn *c)
{
    tcpsm_span s[2]; /* two, because the ring wraps; one is enough here */

    while (d.sending && !d.all_sent && tcpsm_send_reserve(c, s) > 0) {
        size_t n = fread(s[0].p, 1, s[0].n, d.file);

        if (ferror(d.file))
            fail("%s cannot be read", d.path);
        d.all_sent = n < s[0].n;
        sha256_add(&d.sent_hash, s[0].p, n);
        d.sent += n;
        if (tcpsm_send_commit(c, (uint32_t)n, 0) != (tcpsm_ret)n)
            fail("tcpsm_send_commit");
    }
}

/* The server takes what is there, in place. */
static void server_reads(tcpsm_conn *c)
{
    tcpsm_cspan s[2];
    tcpsm_ret n;

    while (d.receiving && (n = tcpsm_receive_peek(c, s)) > 0) {
        sha256_add(&d.received_hash, s[0].p, s[0].n);
        sha256_add(&d.received_hash, s[1].p, s[1].n);
        d.received += (uint32_t)n;
        if (tcpsm_receive_consume(c, (uint32_t)n) < 0)
            fail("tcpsm_receive_consume");
    }
}

static void applications(void *ctx, pair *p, int side)
{
    static uint64_t shown;

    (void)ctx;
    if (side == CLIENT)
        client_sends(&p->c[CLIENT]);
    else
        server_reads(&p->c[SERVER]);
    if (d.sending || d.receiving)
        pair_touched(p, side);
    if (d.bar && d.size && d.received * 120 / d.size != shown) {
        shown = d.received * 120 / d.size;
        bar_on(&d);
        breathe(8);
    }
}

/* ---- the scenes ------------------------------------------------------- */

static void set_network(int trouble)
{
    int s;

    for (s = 0; s < 2; s++) {
        netsim_link *l = &d.p.net.link[s];

        l->rate = RATE;
        l->delay_us = DELAY;
        l->queue_bytes = 200000;
        l->loss_ppm = trouble ? LOSS_PPM : 0;
        l->reorder_ppm = trouble ? ODD_PPM : 0;
        l->reorder_us = HELD;
        l->copy_ppm = trouble ? ODD_PPM : 0;
    }
}

/* Chance may spare a small file, so one data segment in the first round
   trips is dropped, one is held back and one is copied, whatever the seed;
   the seed says which. */
static unsigned script(void *ctx, const netsim_packet *p)
{
    uint64_t r = netsim_mix(d.seed);

    (void)ctx;
    if (!d.bulk || p->dir != CLIENT || p->len < 500)
        return 0;
    if (d.data_index == 5 + r % 3)
        return NETSIM_DO_DROP;
    if (d.data_index == 28 + (r >> 8) % 8)
        return NETSIM_DO_DELAY | NETSIM_DO_KEEP;
    if (d.data_index == 44 + (r >> 16) % 8)
        return NETSIM_DO_COPY | NETSIM_DO_KEEP;
    return 0;
}

static void scene_handshake(void)
{
    scene("1  Three handshakes",
          "Both sides learn each other's first sequence number (ISN). It is "
          "not 1 but\nhard to guess; the numbers below count from it. A SYN "
          "takes one number.");
    seqdiag_ends(&d.diagram, "client 10.0.0.1", "10.0.0.2 server");
    if (tcpsm_listen(&d.p.c[SERVER], &d.p.tuple[SERVER], d.p.now) < 0)
        fail("tcpsm_listen");
    pair_touched(&d.p, SERVER);
    say(1, "listens");
    if (tcpsm_open(&d.p.c[CLIENT], &d.p.tuple[CLIENT], d.p.now) < 0)
        fail("tcpsm_open");
    pair_touched(&d.p, CLIENT);
    if (!pair_reach(&d.p, CLIENT, TCPSM_ESTABLISHED, 5 * SECOND) ||
        !pair_reach(&d.p, SERVER, TCPSM_ESTABLISHED, 5 * SECOND))
        fail("no handshake within five seconds");
    pair_run(&d.p, 100 * MS);
    say(2, "ISNs were %u and %u", (unsigned)d.isn[CLIENT],
        (unsigned)d.isn[SERVER]);
}

static void scene_old_syn(void)
{
    struct tcpsm_info before, after;
    uint64_t sent = d.p.net.link[SERVER].index;
    int drop;

    scene("2  A SYN from the past",
          "A copy of the first SYN was stuck somewhere in the network and "
          "arrives now.\nIt opens nothing and breaks nothing: the server "
          "answers with a challenge ACK\n(RFC 5961: \"this is where we "
          "are\"), which only a client that had lost its\nmemory would "
          "contradict, by RST. This one has not; life goes on.");
    tcpsm_status(&d.p.c[SERVER], &before);
    d.challenge = 1;
    drop = pair_inject(&d.p, SERVER, d.syn, d.syn_len, 1);
    pair_run(&d.p, 200 * MS);
    d.challenge = 0;
    tcpsm_status(&d.p.c[SERVER], &after);
    /* it fails two tests: its timestamp is old, and it is a SYN */
    if (drop != TCPSM_DROP_SYN && drop != TCPSM_DROP_PAWS)
        fail("the old SYN met \"%s\"",
             drop < 0 ? tcpsm_error_name(drop) : tcpsm_drop_name(drop));
    if (d.p.net.link[SERVER].index != sent + 1)
        fail("the old SYN had %u answers",
             (unsigned)(d.p.net.link[SERVER].index - sent));
    if (before.rcv_nxt != after.rcv_nxt || before.snd_una != after.snd_una)
        fail("the old SYN moved the connection");
    expect(CLIENT, TCPSM_ESTABLISHED);
    expect(SERVER, TCPSM_ESTABLISHED);
}

static int file_is_over(pair *p)
{
    struct tcpsm_info info;

    if (!d.all_sent)
        return 0;
    tcpsm_status(&p->c[CLIENT], &info);
    return info.snd_queued == 0 && d.received == d.sent;
}

static void scene_file(void)
{
    tcpsm_time start = d.p.now;
    char text[400];

    snprintf(
        text, sizeof text,
        "%s over 20 Mbit/s, 40 ms there and back; of all segments 2 %% "
        "are\nlost, 1 %% overtaken by later ones, 1 %% doubled. \"has\": "
        "a selective\nacknowledgment, what is there beyond a hole; "
        "after three of these the hole is\nsent again. \"twice\": the "
        "receiver reports a copy.",
        strlen(d.path) > 24 ? "The file" : d.path);
    scene("3  A file through a bad network", text);
    set_network(1);
    d.bulk = d.sending = d.receiving = 1;
    d.bar = d.terminal;
    bar_on(&d);
    if (!pair_until(&d.p, file_is_over, 36000 * SECOND))
        fail("the file did not arrive");
    set_network(0);
    pair_run(&d.p, SECOND); /* copies and late ACKs find their end */
    flush_lost(d.p.now);
    gap();
    bar_off(&d);
    d.bulk = d.sending = d.receiving = d.bar = 0;
    printf("   %llu bytes in %llu segments and %llu.%03llu s. The network "
           "lost %llu\n   (%llu with data), held %llu back and doubled %llu; "
           "TCP sent %llu again.\n",
           (unsigned long long)d.received, (unsigned long long)d.data_index,
           (unsigned long long)((d.p.now - start - SECOND) / SECOND),
           (unsigned long long)((d.p.now - start - SECOND) / MS % 1000),
           (unsigned long long)d.n_lost, (unsigned long long)d.n_lost_data,
           (unsigned long long)d.n_late, (unsigned long long)d.n_copies,
           (unsigned long long)d.n_again);
    breathe(200);
}

static void scene_urgent(void)
{
    struct tcpsm_info info;
    char buf[64];
    tcpsm_ret n;

    scene("4  Urgent data",
          "It is no second channel. The bytes stay in their place in the "
          "stream; the\nheader's urgent pointer says where \"urgent\" "
          "ends, and the reader is told.");
    tcpsm_take(&d.p.c[SERVER]);
    pair_send(&d.p, CLIENT, "after this: ", 12, TCPSM_MORE);
    pair_send(&d.p, CLIENT, "STOP", 4, TCPSM_URG);
    pair_run(&d.p, 30 * MS);
    tcpsm_status(&d.p.c[SERVER], &info);
    if (!(tcpsm_take(&d.p.c[SERVER]) & TCPSM_EV_URGENT) || info.urgent != 16)
        fail("the reader was not told of urgent data (%u)",
             (unsigned)info.urgent);
    say(1, "told: urgent, %u bytes ahead", (unsigned)info.urgent);
    n = pair_receive(&d.p, SERVER, buf, sizeof buf);
    if (n != 16 || memcmp(buf, "after this: STOP", 16) != 0)
        fail("urgent data did not stay in the stream");
    say(1, "reads \"%.*s\"", (int)n, buf);
    pair_run(&d.p, 300 * MS);
}

static void scene_half_close(void)
{
    char report[128], hex[65], buf[128];
    sha256 sum;
    tcpsm_ret n;
    int len;

    scene("5  Half-closed: waves one and two",
          "\"I have no more to send\" is not \"I hear no more\". The client "
          "closes its\ndirection; the server still tells what it got, and "
          "the client reads that.");
    if (pair_shutdown(&d.p, CLIENT) < 0)
        fail("tcpsm_shutdown");
    pair_run(&d.p, 300 * MS);
    expect(CLIENT, TCPSM_FIN_WAIT_2);
    expect(SERVER, TCPSM_CLOSE_WAIT);
    if (pair_receive(&d.p, SERVER, buf, sizeof buf) != TCPSM_E_EOF)
        fail("the server did not see the end of the stream");
    say(1, "reads the end of the stream");
    sum = d.received_hash; /* a copy: asking ends it */
    sha256_hex(&sum, hex);
    len = snprintf(report, sizeof report, "%llu bytes, sha256 %s\n",
                   (unsigned long long)d.received, hex);
    if (pair_send(&d.p, SERVER, report, (uint32_t)len, 0) != len)
        fail("a half-closed connection did not send");
    pair_run(&d.p, 300 * MS);
    n = pair_receive(&d.p, CLIENT, buf, sizeof buf);
    if (n != len || memcmp(buf, report, (size_t)len) != 0)
        fail("what came the other way is not what was sent");
    say(0, "reads \"%llu bytes, sha256...\"", (unsigned long long)d.received);
}

static void scene_last_ack(void)
{
    tcpsm_time first, second;
    char buf[1];

    scene("6  Waves three and four, and the last one is lost",
          "The server closes too. Nobody acknowledges an ACK, so the client "
          "cannot know\nwhether its last one arrived: it waits for 2 MSL in "
          "TIME-WAIT. It was lost;\nthe server sends its FIN again, is "
          "answered, and the client waits anew.");
    netsim_drop(&d.p.net, CLIENT, d.p.net.link[CLIENT].index);
    if (pair_close(&d.p, SERVER) != 0)
        fail("tcpsm_close");
    if (!pair_reach(&d.p, CLIENT, TCPSM_TIME_WAIT, SECOND))
        fail("no TIME-WAIT");
    pair_run(&d.p, 30 * MS);
    first = tcpsm_deadline(&d.p.c[CLIENT]);
    say(0, "waits 2 MSL, until %llu.%03llu",
        (unsigned long long)((first - d.diagram.zero) / SECOND),
        (unsigned long long)((first - d.diagram.zero) / MS % 1000));
    expect(SERVER, TCPSM_LAST_ACK);
    if (!pair_reach(&d.p, SERVER, TCPSM_CLOSED, 10 * SECOND))
        fail("the server's FIN was never acknowledged");
    second = tcpsm_deadline(&d.p.c[CLIENT]);
    if (pair_receive(&d.p, CLIENT, buf, 1) != TCPSM_E_EOF)
        fail("the client did not see the end of the stream");
    if (second <= first || second == TCPSM_NEVER)
        fail("the FIN that came again did not restart 2 MSL");
    say(0, "2 MSL anew, until %llu.%03llu",
        (unsigned long long)((second - d.diagram.zero) / SECOND),
        (unsigned long long)((second - d.diagram.zero) / MS % 1000));
    if (!pair_reach(&d.p, CLIENT, TCPSM_CLOSED, 3600 * SECOND))
        fail("TIME-WAIT does not end");
    if (d.p.now != second)
        fail("TIME-WAIT ended at another time than it said");
    say(0, "2 MSL are over");
    if (tcpsm_error(&d.p.c[CLIENT]) || tcpsm_error(&d.p.c[SERVER]) ||
        !(tcpsm_events(&d.p.c[CLIENT]) & TCPSM_EV_DONE) ||
        !(tcpsm_events(&d.p.c[SERVER]) & TCPSM_EV_DONE))
        fail("an end without EV_DONE, or with an error");
}

/* ---- setting the stage ------------------------------------------------ */

static void usage(FILE *out)
{
    fputs("usage: demo [--file FILE] [--seed N] [--pcap FILE] [--ascii] "
          "[--fast]\n"
          "Draws the life of a TCP connection over a simulated network: the "
          "handshake, a\nfile through loss, reordering and duplication, "
          "urgent data, half-close, and\nTIME-WAIT. Says whether what "
          "arrived is what was sent.\n"
          "  --file FILE  what to send (tcpsm.h)\n"
          "  --seed N     another network (1); also SEED in the environment\n"
          "  --pcap FILE  the capture (build/demo.pcapng)\n"
          "  --ascii      no line-drawing characters\n"
          "  --fast       on a terminal: do not draw at a readable pace\n"
          "NO_COLOR in the environment: no colours.\n"
          "Exit status: 0 all went as told, 1 it did not, 2 wrong usage.\n",
          out);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t n = strtoull(text, &end, 0);

    if (*text == 0 || *end != 0) {
        fprintf(stderr, "demo: \"%s\" is not a number\n", text);
        exit(2);
    }
    return n;
}

static void arguments(int argc, char **argv)
{
    const char *seed = getenv("SEED");
    int i;

    d.path = "tcpsm.h";
    d.pcap = "build/demo.pcapng";
    d.seed = seed && *seed ? number(seed) : 1;
    d.slow = 1;
    for (i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help")) {
            usage(stdout);
            exit(0);
        } else if (!strcmp(argv[i], "--ascii"))
            d.unicode = -1;
        else if (!strcmp(argv[i], "--fast"))
            d.slow = 0;
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            d.seed = number(argv[++i]);
        else if (!strcmp(argv[i], "--file") && i + 1 < argc)
            d.path = argv[++i];
        else if (!strcmp(argv[i], "--pcap") && i + 1 < argc)
            d.pcap = argv[++i];
        else {
            usage(stderr);
            exit(2);
        }
    }
}

/* The first of these that is set decides, as in setlocale. */
static int utf8(void)
{
    static const char *names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *v;
    size_t i;

    for (i = 0; i < 3; i++)
        if ((v = getenv(names[i])) != NULL && *v)
            return strstr(v, "UTF-8") || strstr(v, "utf8") ||
                   strstr(v, "UTF8") || strstr(v, "utf-8");
    return 0;
}

static void screen(void)
{
    const char *term = getenv("TERM"), *plain = getenv("NO_COLOR");
    struct winsize w;
    int columns = 80;

    d.terminal = isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
    d.color = d.terminal && !(plain && *plain);
    d.unicode = d.unicode == 0 && utf8();
    d.slow = d.slow && d.terminal;
    if (d.terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col)
        columns = w.ws_col;
    seqdiag_init(&d.diagram, stdout, d.unicode, d.color, columns);
    d.diagram.before = bar_off;
    d.diagram.after = bar_on;
    d.diagram.ctx = &d;
}

static void set_up(void)
{
    pair_options o;
    uint64_t r = d.seed;
    int i, s;

    d.file = fopen(d.path, "rb");
    if (d.file == NULL)
        fail("%s cannot be opened", d.path);
    if (fseek(d.file, 0, SEEK_END) == 0 && ftell(d.file) >= 0)
        d.size = (uint64_t)ftell(d.file);
    rewind(d.file);
    if (pcapng_open(&d.capture, d.pcap, "tcpsm demo") != 0)
        fail("%s cannot be written", d.pcap);
    sha256_init(&d.sent_hash);
    sha256_init(&d.received_hash);
    memset(&o, 0, sizeof o);
    o.seed = d.seed;
    for (s = 0; s < 2; s++)
        for (i = 0; i < 16; i++) /* no secret: a demo must be repeatable */
            o.cfg[s].key[i] = (uint8_t)netsim_random(&r);
    pair_init(&d.p, &o);
    d.p.observe = observe;
    d.p.app = applications;
    d.p.net.script = script;
    d.diagram.zero = d.p.now;
    set_network(0);
}

static void verdict(void)
{
    char sent[65], received[65];
    sha256 h = d.received_hash;

    sha256_hex(&d.sent_hash, sent);
    sha256_hex(&h, received);
    if (d.p.failed)
        fail("%d laws were broken, see above", d.p.failed);
    if (strcmp(sent, received) != 0 || d.sent != d.received)
        fail("sent %llu bytes, sha256 %s, and received %llu, sha256 %s",
             (unsigned long long)d.sent, sent, (unsigned long long)d.received,
             received);
    if (pcapng_close(&d.capture) != 0)
        fail("%s could not be written", d.pcap);
    printf("\nAll of it is in %s (%llu packets). To look at it:\n"
           "   wireshark %s\n"
           "   tshark -r %s -o tcp.check_checksum:TRUE\n\n",
           d.pcap, (unsigned long long)d.capture.packets, d.pcap, d.pcap);
    printf("demo: ok sha256=%s bytes=%llu\n", received,
           (unsigned long long)d.received);
}

int main(int argc, char **argv)
{
    arguments(argc, argv);
    screen();
    set_up();
    printf("The life of a TCP connection over a simulated network, seed "
           "%llu.\nStates are in the margins, times in seconds. Another "
           "network: make demo SEED=2\n",
           (unsigned long long)d.seed);
    scene_handshake();
    scene_old_syn();
    scene_file();
    scene_urgent();
    scene_half_close();
    scene_last_ack();
    verdict();
    return fflush(stdout) == 0 ? 0 : 1;
}
