/* stack - two stacks in virtual time over a bad network, the same on every
   processor: handshakes by the SYN table and by cookies, a listener that
   asks first, data both ways over IPv4 and IPv6 with loss, duplication and
   corruption, a stack that is copied elsewhere, a connection that moves
   through a blob, aborts, closed ports, TIME-WAITs and those who disturb
   them, ICMP and echo. Prints every datagram, deadline and event, and last
   a hash of all that. stack.sh compares.

   usage: stack [SEED]      exit status: 1 a stream was damaged */

#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNS = 12, PACKETS = 256, SIZE = 1600, OPENS = 36, END_S = 100 };
#define TEXT_OF(i) (3000u + 700u * (uint32_t)(i))

typedef struct {
    uint64_t at;
    uint32_t len, order;
    int to, used;
    uint8_t data[SIZE];
} packet;

typedef struct { /* what the program knows of a connection */
    uint32_t sent, got, number;
    int used, eof, shut;
} state;

typedef struct {
    tcpsm_stack *st;
    void *mem;
    size_t size;
    state of[CONNS];
} end_point;

static end_point ep[2];
static packet net[PACKETS];
static uint64_t now_us = 1000000, hash = 0xcbf29ce484222325u;
static uint32_t rnd = 1, order, opened, whole, closed_early;
static int bad, copied, moved, asked, waited;
static uint8_t last[2][SIZE]; /* of the server's segments with text: the */
static uint32_t last_n[2];    /* last one over IPv4 and over IPv6 */

static uint32_t chance(uint32_t percent)
{
    rnd = rnd * 1664525u + 1013904223u;
    return (rnd >> 8) % 100u < percent;
}

static uint8_t byte_at(uint32_t i, uint32_t from)
{
    return (uint8_t)(i * 7u + (i >> 8) * 13u + from);
}

static void mix(uint64_t v)
{
    int i;
    for (i = 0; i < 8; i++)
        hash = (hash ^ (v >> (8 * i) & 255)) * 0x100000001b3u;
}

static void note(const char *what, int who, uint64_t v)
{
    printf("%llu %d %s %llu\n", (unsigned long long)now_us, who, what,
           (unsigned long long)v);
    mix(now_us);
    mix(v);
}

static void bytes(const char *what, int who, const uint8_t *p, uint32_t n)
{
    uint32_t i;
    printf("%llu %d %s ", (unsigned long long)now_us, who, what);
    for (i = 0; i < n; i++) {
        hash = (hash ^ p[i]) * 0x100000001b3u;
        printf("%02x", p[i]);
    }
    putchar('\n');
    mix(now_us);
}

static void must(int what, int ok)
{
    if (!ok) {
        printf("went wrong: %d\n", what);
        bad = 1;
    }
}

/* ---- the network -------------------------------------------------------- */

static void put(int to, const uint8_t *p, uint32_t n, uint64_t delay)
{
    int i;
    for (i = 0; i < PACKETS && net[i].used; i++) {
    }
    if (i == PACKETS || n > SIZE)
        return;
    net[i].used = 1;
    net[i].to = to;
    net[i].at = now_us + delay;
    net[i].order = order++;
    net[i].len = n;
    memcpy(net[i].data, p, n);
    if (chance(1))
        net[i].data[(rnd >> 3) % n] ^= (uint8_t)(1u << (rnd >> 29));
}

static void drain(int who)
{
    static uint8_t buf[SIZE];
    tcpsm_ret n;
    for (;;) {
        tcpsm_out o;
        memset(&o, 0, sizeof o);
        o.buf = buf;
        o.cap = sizeof buf;
        n = tcpsm_ip_output(ep[who].st, &o, now_us);
        if (n <= 0)
            break;
        bytes("out", who, buf, (uint32_t)n);
        mix(o.hdr_len);
        mix((uint64_t)(o.conn != NULL));
        if (who == 0 && (uint32_t)n > o.hdr_len + 50u && o.conn != NULL) {
            memcpy(last[buf[0] >> 4 == 6], buf, (uint32_t)n);
            last_n[buf[0] >> 4 == 6] = (uint32_t)n;
        }
        if (chance(4))
            continue; /* lost */
        put(!who, buf, (uint32_t)n, chance(5) ? 26000 : 20000);
        if (chance(2))
            put(!who, buf, (uint32_t)n, 21000);
    }
    must(1, n == 0);
}

/* ---- what others send --------------------------------------------------- */

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static uint32_t sum(uint32_t s, const uint8_t *p, uint32_t n)
{
    uint32_t i;
    for (i = 0; i < n; i++)
        s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    while (s >> 16)
        s = (s & 0xFFFF) + (s >> 16);
    return s;
}

static void feed(int who, const uint8_t *p, uint32_t n)
{
    tcpsm_in in;
    tcpsm_ret r;
    memset(&in, 0, sizeof in);
    r = tcpsm_ip_input(ep[who].st, p, n, &in, now_us);
    must(2, r == 0);
    note("in", who, (uint64_t)in.drop << 8 | (uint64_t)(in.conn != NULL));
}

/* An ICMP message with n bytes of q behind its head, to the server */
static void icmp(int v6, uint8_t type, uint8_t code, uint32_t word,
                 const uint8_t *q, uint32_t n)
{
    static uint8_t b[2 * SIZE];
    uint32_t ip = v6 ? 40 : 24, s = 0; /* with an IPv4 option */
    uint8_t *m = b + ip;
    memset(b, 0, ip);
    if (v6) {
        b[0] = 0x60;
        put16(b + 4, 8 + n);
        b[6] = 58;
        b[7] = 64;
        b[8] = b[24] = 0xfd;
        b[23] = 9;
        b[39] = 1;
        s = sum(sum(8 + n + 58, b + 8, 16), b + 24, 16);
    } else {
        b[0] = 0x46;
        put16(b + 2, ip + 8 + n);
        b[8] = 64;
        b[9] = 1;
        b[12] = b[16] = 10;
        b[15] = 9;
        b[19] = 1;
        b[20] = b[21] = 1;
        put16(b + 10, ~sum(0, b, ip) & 0xFFFF);
    }
    m[0] = type;
    m[1] = code;
    put16(m + 2, 0);
    put16(m + 4, word >> 16);
    put16(m + 6, word);
    memcpy(m + 8, q, n);
    put16(m + 2, ~sum(s, m, 8 + n) & 0xFFFF);
    feed(0, b, ip + 8 + n);
}

/* A SYN from nobody that comes back: the SYN table fills. */
static void stray(uint32_t i, uint32_t flags)
{
    uint8_t b[48];
    memset(b, 0, sizeof b);
    b[0] = 0x45;
    put16(b + 2, 40);
    b[8] = 64;
    b[9] = 6;
    b[12] = b[16] = 10;
    b[14] = (uint8_t)(i + 1);
    b[15] = 77;
    b[19] = 1;
    put16(b + 10, ~sum(0, b, 20) & 0xFFFF);
    put16(b + 20, 5000 + i);
    put16(b + 22, i % 5 == 4 ? 82 : 80);
    put16(b + 24, 1 + i * 999);
    put16(b + 32, 5u << 12 | flags);
    put16(b + 34, 9000);
    put16(b + 36, ~sum(6 + 20, b + 12, 28) & 0xFFFF);
    feed(0, b, 40 + i % 7);
}

/* ---- the programs at both ends ------------------------------------------ */

static state *of(int who, tcpsm_conn *c)
{
    uint64_t ref = tcpsm_stack_ref(ep[who].st, c);
    tcpsm_conn *d = tcpsm_stack_deref(ep[who].st, ref);
    must(3, d == c || d == NULL); /* NULL: released */
    must(4, (uint32_t)ref < CONNS);
    return &ep[who].of[(uint32_t)ref % CONNS];
}

static void open_one(void)
{
    static const uint16_t ports[] = {80, 80, 81, 80, 80, 99, 80, 81};
    tcpsm_tuple t;
    tcpsm_conn *c;
    tcpsm_ret r;
    state *s;
    memset(&t, 0, sizeof t);
    t.family = opened & 1 ? 6 : 4;
    t.remote[0] = opened & 1 ? 0xfd : 10;
    t.remote[opened & 1 ? 15 : 3] = 1;
    t.remote_port = ports[opened % 8];
    r = tcpsm_stack_connect(ep[1].st, &t, NULL, &c, now_us);
    note("connect", 1, (uint64_t)(uint32_t)r);
    if (r != 0)
        return;
    s = of(1, c);
    memset(s, 0, sizeof *s);
    s->used = 1;
    s->number = opened++;
}

/* The server gives back what it gets, and closes after the client. */
static void serve(int who, tcpsm_conn *c)
{
    state *s = of(who, c);
    uint8_t b[700];
    uint32_t i, k, total = who ? TEXT_OF(s->number) : s->got;
    tcpsm_ret n;
    if (!s->used)
        return;
    while ((n = tcpsm_receive(c, b, sizeof b)) > 0)
        for (i = 0; i < (uint32_t)n; i++, s->got++)
            must(5, b[i] == byte_at(s->got, 3));
    s->eof |= n == TCPSM_E_EOF;
    if (who == 0)
        total = s->got;
    while (s->sent < total) {
        k = total - s->sent < sizeof b ? total - s->sent : (uint32_t)sizeof b;
        for (i = 0; i < k; i++)
            b[i] = byte_at(s->sent + i, 3);
        n = tcpsm_send(c, b, k, 0);
        if (n <= 0)
            break;
        s->sent += (uint32_t)n;
    }
    if (s->sent == total && !s->shut && (who || s->eof)) {
        s->shut = 1;
        tcpsm_shutdown(c);
    }
    if (who && s->number % 9 == 8 && s->got > 2000 && !s->eof) {
        closed_early++;
        s->used = 0;
        tcpsm_abort(c);
        tcpsm_stack_release(ep[who].st, c);
    } else if (tcpsm_state(c) == TCPSM_CLOSED || (s->eof && s->shut)) {
        if (who && s->eof && s->shut) {
            must(6, s->got == TEXT_OF(s->number));
            whole++;
        }
        s->used = 0;
        note("release", who,
             (uint64_t)(uint32_t)tcpsm_stack_release(ep[who].st, c));
    }
}

static void app(int who)
{
    tcpsm_conn *c;
    tcpsm_tuple t;
    tcpsm_ret l;
    uint32_t ev, at = 0;
    while ((l = tcpsm_stack_ask(ep[who].st, &t)) >= 0) {
        asked++;
        note("ask", who, t.remote_port);
        note("answer", who,
             (uint64_t)(uint32_t)tcpsm_stack_answer(
                 ep[who].st, l, chance(20) ? TCPSM_RESET : TCPSM_ACCEPT));
    }
    while ((c = tcpsm_stack_accept(ep[who].st, &l)) != NULL) {
        state *s = of(who, c);
        memset(s, 0, sizeof *s);
        s->used = 1;
        note("accept", who, (uint64_t)(uint32_t)l);
    }
    while ((c = tcpsm_stack_next(ep[who].st, &ev)) != NULL)
        note("event", who,
             (uint64_t)ev << 32 | (uint32_t)tcpsm_stack_ref(ep[who].st, c));
    while ((c = tcpsm_stack_walk(ep[who].st, &at)) != NULL)
        serve(who, c);
}

static void make(int who, int on)
{
    tcpsm_stack_config cfg;
    tcpsm_tuple t;
    end_point *e = &ep[who];
    memset(&cfg, 0, sizeof cfg);
    memset(cfg.conn.key, 17 + who, sizeof cfg.conn.key);
    cfg.conn.msl_ms = 4000;
    cfg.conns = CONNS;
    cfg.syn_entries = 3;
    cfg.timewait_entries = 5;
    cfg.replies = 4;
    cfg.rcv_ring = 3000;
    cfg.snd_ring = 2500;
    cfg.flags = TCPSM_ECHO;
    e->size = tcpsm_stack_size(&cfg);
    e->mem = malloc(e->size + 3);
    must(7, e->size != 0 && e->mem != NULL);
    must(8, tcpsm_stack_init(&e->st, e->mem, e->size, &cfg, now_us) == 0);
    memset(&t, 0, sizeof t);
    t.family = 4;
    t.local[0] = 10;
    t.local[3] = (uint8_t)(who + 1);
    must(9, tcpsm_stack_address(e->st, &t, 8, 1) == 0);
    memset(&t, 0, sizeof t);
    t.family = 6;
    t.local[0] = 0xfd;
    t.local[15] = (uint8_t)(who + 1);
    must(10, tcpsm_stack_address(e->st, &t, 64, 1) == 0);
    if (!on)
        return;
    memset(&t, 0, sizeof t);
    t.local_port = 80;
    note("listen", who, (uint64_t)tcpsm_stack_listen(e->st, &t, 0, 0, NULL));
    t.local_port = 81;
    note("listen", who,
         (uint64_t)tcpsm_stack_listen(e->st, &t, 0, TCPSM_LISTEN_ASK, NULL));
}

/* The whole stack to other memory, at another alignment */
static void copy(end_point *e)
{
    uint8_t *mem = (uint8_t *)malloc(e->size + 3);
    must(11, mem != NULL);
    memcpy(mem, e->mem, e->size);
    memset(e->mem, 0xAA, e->size);
    free(e->mem);
    e->mem = mem;
    note("rebase", 0,
         (uint64_t)(uint32_t)tcpsm_stack_rebase(&e->st, mem, e->size));
    copied++;
}

/* One connection out of the stack, and in again */
static void move(end_point *e)
{
    static uint8_t blob[20000];
    uint32_t at = 0;
    tcpsm_conn *c, *d;
    state s;
    tcpsm_ret n;
    while ((c = tcpsm_stack_walk(e->st, &at)) != NULL)
        if (of(0, c)->used && of(0, c)->got > 1000 &&
            tcpsm_state(c) == TCPSM_ESTABLISHED)
            break;
    if (c == NULL)
        return;
    s = *of(0, c);
    n = tcpsm_export(c, blob, sizeof blob, now_us);
    must(12, n > 0);
    bytes("blob", 0, blob, (uint32_t)n);
    of(0, c)->used = 0;
    must(13, tcpsm_stack_forget(e->st, c) == 0);
    n = tcpsm_stack_import(e->st, blob, (uint32_t)n, NULL, NULL, &d, now_us);
    note("import", 0, (uint64_t)(uint32_t)n);
    must(14, n == 0);
    *of(0, d) = s;
    moved++;
}

static void status(int who)
{
    struct tcpsm_stack_info i;
    tcpsm_stack_status(ep[who].st, &i);
    note("conns", who, i.conns);
    note("orphans", who, i.orphans);
    note("unaccepted", who, i.unaccepted);
    note("syns", who, i.syns);
    note("held", who, i.held);
    note("timewaits", who, i.timewaits);
    waited += i.timewaits != 0;
    note("rings", who, i.rings);
    note("replies", who, i.replies);
    note("accepted", who, i.accepted);
    note("connected", who, i.connected);
    note("syns-dropped", who, i.syns_dropped);
    note("cookies-sent", who, i.cookies_sent);
    note("cookies-good", who, i.cookies_good);
    note("cookies-bad", who, i.cookies_bad);
    note("resets", who, i.resets);
    note("held-back", who, i.resets_held_back);
    note("lost", who, i.replies_lost);
    note("evicted", who, i.timewaits_evicted);
    note("ip-dropped", who, i.ip_dropped);
    note("echoes", who, i.echoes);
}

/* What happens besides, every 250 ms */
static void besides(uint32_t tick)
{
    static const uint8_t data[] = "what comes back";
    uint32_t i;
    if (opened < OPENS && tick < 200)
        for (i = 0; i < 1 + tick % 4 && opened < OPENS; i++)
            open_one();
    if (tick % 5 == 2) {
        icmp(0, 8, 0, tick, data, tick % 16);
        icmp(1, 128, 0, tick, data, tick % 16);
    }
    if (tick == 350) { /* what hangs because its reset was lost, too */
        tcpsm_tuple any;
        memset(&any, 0, sizeof any);
        for (i = 0; i < 2; i++)
            note("abort", (int)i,
                 (uint64_t)tcpsm_stack_abort(ep[i].st, &any));
    }
    if (tick % 7 == 3 && tick < 200) {
        for (i = 0; i < 6; i++)
            stray(tick + i, 2);
        stray(tick, 16);
        stray(tick + 1, 4);
    }
    if (tick % 11 == 5 && last_n[tick & 1] != 0)
        icmp((int)(tick & 1), tick & 1 ? 2 : 3, tick & 1 ? 0 : 4,
             1400 - tick % 90, last[tick & 1], 60);
    if (tick % 13 == 6) /* once more, what is old by now */
        for (i = 0; i < 2; i++)
            if (last_n[i] != 0)
                put(1, last[i], last_n[i], 1);
    if (tick % 17 == 9)
        copy(&ep[0]);
    if (tick % 3 == 2)
        move(&ep[0]);
    if (tick % 40 == 0) {
        status(0);
        status(1);
        must(15, tcpsm_stack_check(ep[0].st) == 0);
        must(16, tcpsm_stack_check(ep[1].st) == 0);
    }
}

int main(int argc, char **argv)
{
    uint32_t steps, tick = 0;
    int i;
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        fprintf(argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr,
                "usage: %s [SEED]\n", argv[0]);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    rnd = argc == 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
    make(0, 1);
    make(1, 0);
    for (steps = 0; steps < 200000 && now_us < END_S * 1000000u; steps++) {
        packet *p = NULL;
        uint64_t d, next = (uint64_t)(tick + 1) * 250000 + 1000000;
        for (i = 0; i < 2; i++) {
            app(i);
            drain(i);
        }
        for (i = 0; i < PACKETS; i++)
            if (net[i].used &&
                (!p || net[i].at < p->at ||
                 (net[i].at == p->at && net[i].order < p->order)))
                p = &net[i];
        for (i = 0; i < 2; i++) {
            d = tcpsm_stack_deadline(ep[i].st);
            note("deadline", i, d);
            next = d < next ? d : next;
        }
        if (p && p->at <= next) {
            now_us = p->at > now_us ? p->at : now_us;
            feed(p->to, p->data, p->len);
            p->used = 0;
        } else {
            now_us = next > now_us ? next : now_us;
        }
        if (now_us >= (uint64_t)(tick + 1) * 250000 + 1000000)
            besides(tick++);
    }
    status(0);
    status(1);
    for (i = 0; i < 2; i++) {
        struct tcpsm_stack_info s;
        tcpsm_stack_status(ep[i].st, &s);
        must(17, s.conns == 0);
        must(18, s.syns == 0);
        must(19, tcpsm_stack_check(ep[i].st) == 0);
        must(20, i == 1 || s.cookies_good != 0);
        must(21, i == 1 || s.resets != 0);
        must(22, i == 1 || s.echoes != 0);
        free(ep[i].mem);
    }
    must(23, steps < 200000);
    must(24, whole >= OPENS / 2 && closed_early > 0);
    must(25, copied > 2 && moved > 2 && asked > 2 && waited > 2);
    printf("hash %016llx end %llu bad %d opened %lu whole %lu copied %d "
           "moved %d\n",
           (unsigned long long)hash, (unsigned long long)now_us, bad,
           (unsigned long)opened, (unsigned long)whole, copied, moved);
    return bad;
}
