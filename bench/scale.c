/* scale - what one operation costs in a stack of N connections, and how
   often a stack of N idle ones wakes up; see tests/house/scale.sh.

   usage: scale count N [TURNS]   under callgrind: one dump per operation
          scale idle N            wake-ups in virtual hours, natively
          scale sizes             bytes per entry of tcpsm_stack_size
   exit status: 1 it did not go as planned, 2 wrong usage

   The peers are made by hand. Checksums are the hardware's, both ways, so
   that what depends on N is not hidden behind what depends on bytes. */

#ifdef STEPS
static unsigned long steps;
#define TCPSM_STEP() ((void)steps++)
#endif
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef CALLGRIND
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION ((void)0)
#define CALLGRIND_TOGGLE_COLLECT ((void)0)
#define CALLGRIND_ZERO_STATS ((void)0)
#define CALLGRIND_DUMP_STATS_AT(name) ((void)(name))
#endif

enum { TEXT = 100, RING = 1024, HOUR_S = 3600 };

typedef struct {
    tcpsm_conn *c;
    tcpsm_time due; /* its own deadline, as it last told */
    uint32_t snd_nxt, rcv_nxt;
} peer;

static tcpsm_stack *st;
static peer *peers;
static uint32_t many;
static tcpsm_time now = 1000000;
static tcpsm_in in;
static tcpsm_out out;
static uint8_t packet[2048], segment[20 + TEXT], text[TEXT];
static const uint8_t here[4] = {192, 0, 2, 1};

#define STEP __attribute__((noinline)) static

static void die(const char *why, long long n)
{
    fprintf(stderr, "scale: %s (%lld)\n", why, n);
    exit(1);
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

static uint32_t get16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

/* Every call on the way is made here: its steps are counted. */
#ifdef STEPS
static unsigned long worst;
#define COUNTED(call)                                                        \
    do {                                                                     \
        steps = 0;                                                           \
        call;                                                                \
        worst = steps > worst ? steps : worst;                               \
    } while (0)
#else
#define COUNTED(call) call
#endif

STEP tcpsm_ret step_input(void)
{
    tcpsm_ret r;
    COUNTED(r = tcpsm_stack_input(st, &in, now));
    return r;
}

STEP tcpsm_ret step_output(void)
{
    tcpsm_ret r;
    COUNTED(r = tcpsm_stack_output(st, &out, now));
    return r;
}

STEP tcpsm_time step_deadline(void)
{
    tcpsm_time d;
    COUNTED(d = tcpsm_stack_deadline(st));
    return d;
}

STEP tcpsm_conn *step_next(uint32_t *ev)
{
    tcpsm_conn *c;
    COUNTED(c = tcpsm_stack_next(st, ev));
    return c;
}

static tcpsm_ret output(void)
{
    tcpsm_ret n;
    out.buf = packet;
    out.cap = sizeof packet;
    n = step_output();
    if (n < 0)
        die("output", n);
    return n;
}

/* The segment of peer i, in segment[] and in */
static void make(uint32_t i, uint32_t seq, uint32_t ack, uint32_t flags,
                 uint32_t len)
{
    static uint8_t src[4];
    src[0] = 10;
    src[1] = (uint8_t)(i >> 16);
    src[2] = (uint8_t)(i >> 8);
    src[3] = (uint8_t)i;
    memset(segment, 0, 20);
    put16(segment, 1024 + i % 60000);
    put16(segment + 2, 80);
    put32(segment + 4, seq);
    put32(segment + 8, ack);
    put16(segment + 12, 5u << 12 | flags);
    put16(segment + 14, 30000);
    memset(&in, 0, sizeof in);
    in.src = src;
    in.dst = here;
    in.data = segment;
    in.len = 20 + len;
    in.family = 4;
    in.flags = TCPSM_IN_CSUM_OK;
}

static void input(void)
{
    tcpsm_ret r = step_input();
    if (r != 0 || in.drop != 0)
        die("input", r != 0 ? r : in.drop);
}

/* The handshake of peer i, and its acceptance */
static void handshake(uint32_t i)
{
    peer *p = &peers[i];
    tcpsm_ret n;
    p->snd_nxt = i * 77777u;
    make(i, p->snd_nxt++, 0, 2, 0);
    input();
    n = output();
    if (n <= 0 || get16(packet + 2) != 1024 + i % 60000)
        die("no SYN-ACK", i);
    p->rcv_nxt = get32(packet + 4) + 1;
    make(i, p->snd_nxt, p->rcv_nxt, 16, 0);
    input();
    p->c = tcpsm_stack_accept(st, NULL);
    if (p->c == NULL)
        die("not accepted", i);
    tcpsm_set_user(p->c, p);
    now += 10;
}

/* Nothing is to be said, but a call does not do it all. */
static void settle(void)
{
    do
        if (output() != 0)
            die("a word too much", many);
    while (step_deadline() <= now);
}

static void start(uint32_t n)
{
    tcpsm_stack_config cfg = TCPSM_ZERO;
    tcpsm_tuple t = TCPSM_ZERO;
    size_t size;
    void *mem;
    uint32_t i;
    many = n;
    peers = (peer *)calloc(n, sizeof *peers);
    cfg.conn.key[0] = 1;
    cfg.conn.flags = TCPSM_TX_ZERO;
    cfg.conns = n;
    cfg.rcv_ring = cfg.snd_ring = RING;
    size = tcpsm_stack_size(&cfg);
    mem = malloc(size);
    if (size == 0 || mem == NULL || peers == NULL)
        die("no memory", (long long)size);
    if (tcpsm_stack_init(&st, mem, size, &cfg, now) != 0)
        die("init", 0);
    t.family = 4;
    memcpy(t.local, here, 4);
    if (tcpsm_stack_address(st, &t, 24, 1) != 0)
        die("address", 0);
    memset(&t, 0, sizeof t);
    t.local_port = 80;
    if (tcpsm_stack_listen(st, &t, 0, 0, NULL) < 0)
        die("listen", 0);
    for (i = 0; i < n; i++)
        handshake(i);
    while (step_next(NULL) != NULL) {
    }
    settle();
}

/* ---- instructions ------------------------------------------------------- */

enum { DATA_IN, NEXT, ACK_OUT, DEADLINE, SEGMENT_OUT, ACK_IN, SILENT, OPS };
static const char *const ops[OPS] = {
    "data-in",     "next",   "ack-out",    "idle-deadline",
    "segment-out", "ack-in", "idle-output"};

#define MEASURE(op, call)                                                    \
    do {                                                                     \
        if (what == (op))                                                    \
            CALLGRIND_TOGGLE_COLLECT;                                        \
        call;                                                                \
        if (what == (op))                                                    \
            CALLGRIND_TOGGLE_COLLECT;                                        \
    } while (0)

/* 100 bytes there and 100 back; only `what` is counted. */
static void turn(uint32_t i, int what)
{
    peer *p = &peers[i];
    tcpsm_conn *c;
    tcpsm_ret n = 0;
    tcpsm_time d;
    uint32_t ev;
    now += 100;
    make(i, p->snd_nxt, p->rcv_nxt, 16, TEXT);
    MEASURE(DATA_IN, n = step_input());
    if (n != 0 || in.drop != 0 || in.conn != p->c)
        die("data in", in.drop);
    p->snd_nxt += TEXT;
    MEASURE(NEXT, c = step_next(&ev));
    if (c != p->c || !(ev & TCPSM_EV_READABLE))
        die("next", i);
    if (tcpsm_receive(p->c, text, TEXT) != TEXT)
        die("receive", i);
    if (step_next(&ev) != NULL)
        die("next once more", i);
    out.buf = packet;
    out.cap = sizeof packet;
    MEASURE(ACK_OUT, n = step_output());
    if (n != 20)
        die("ack out", n);
    MEASURE(SILENT, n = step_output());
    if (n != 0)
        die("output while silent", n);
    MEASURE(DEADLINE, d = step_deadline());
    if (d <= now)
        die("deadline", (long long)d);
    if (tcpsm_send(p->c, text, TEXT, 0) != TEXT)
        die("send", i);
    MEASURE(SEGMENT_OUT, n = step_output());
    if (n != 20 + TEXT)
        die("segment out", n);
    p->rcv_nxt += TEXT;
    make(i, p->snd_nxt, p->rcv_nxt, 16, 0);
    MEASURE(ACK_IN, n = step_input());
    if (n != 0 || in.drop != 0)
        die("ack in", in.drop);
    while (step_next(&ev) != NULL) {
    }
    if (step_output() != 0)
        die("a word too much", i);
}

static void count(uint32_t n, uint32_t turns)
{
    uint32_t k, i;
    int what;
    start(n);
    /* something in the wheel for each; and each is used once, so that
       what a first use costs is not counted */
    for (i = 0; i < n; i++)
        if (tcpsm_set(peers[i].c, TCPSM_SET_KEEPALIVE, 1) < 0 ||
            tcpsm_set(peers[i].c, TCPSM_SET_ACK_EVERY, 1) < 0)
            die("set", i);
    settle();
    for (k = 0, i = 1; k < turns; k++, i = i * 69069u + 1)
        turn((i >> 8) % n, OPS);
    CALLGRIND_START_INSTRUMENTATION;
    for (what = 0; what < OPS; what++) {
        CALLGRIND_ZERO_STATS;
        for (k = 0, i = 1; k < turns; k++, i = i * 69069u + 1)
            turn((i >> 8) % n, what);
        CALLGRIND_DUMP_STATS_AT(ops[what]);
    }
    if (tcpsm_stack_check(st) != 0)
        die("check", tcpsm_stack_check(st));
}

/* ---- wake-ups ----------------------------------------------------------- */

static unsigned long wakes, empty, armings, said;

static void look(peer *p)
{
    p->due = tcpsm_deadline(p->c);
}

/* All that it has to say now; a probe is answered. */
static int drain(int probes)
{
    uint32_t ev;
    int any = 0, rounds = 0;
    do {
        while (output() > 0) {
            peer *p = (peer *)tcpsm_user(out.conn);
            any = 1;
            said++;
            if (!probes)
                continue;
            /* law 3: never late, and exact for what is sent */
            if (p->due != now)
                die("a probe is late or early, us",
                    (long long)(now - p->due));
            make((uint32_t)(p - peers), p->snd_nxt, p->rcv_nxt, 16, 0);
            input();
            armings++; /* the next one */
            look(p);
        }
        while (step_next(&ev) != NULL)
            any = 1;
        if (++rounds > 1000000)
            die("the deadline stays at once", (long long)wakes);
    } while (step_deadline() <= now);
    return any;
}

/* Sleeps from deadline to deadline until `end`. */
static void sleep_until(tcpsm_time end, int probes)
{
    for (;;) {
        tcpsm_time d = step_deadline();
        if (d <= now)
            die("a deadline twice", (long long)(now - d));
        if (d > end)
            return;
        now = d;
        wakes++;
        if (!drain(probes))
            empty++;
    }
}

static void report(const char *what)
{
    printf("%-12s %8lu connections %8lu said %8lu wake-ups %8lu empty %8lu "
           "armings\n",
           what, (unsigned long)many, said, wakes, empty, armings);
    if (empty > armings)
        die("more empty wake-ups than armings", (long long)empty);
    wakes = empty = armings = said = 0;
}

static void idle(uint32_t n)
{
    uint32_t i;
    tcpsm_time d;
    start(n);
    /* Each handshake armed a timer in the SYN table, and none is left. */
    armings = n;
    drain(0);
    sleep_until(now + (tcpsm_time)HOUR_S * 1000000, 0);
    if (step_deadline() != TCPSM_NEVER)
        die("idle, and there is a deadline", (long long)step_deadline());
    if (said != 0)
        die("idle, and something is said", (long long)said);
    report("handshakes");
    /* Keepalive: two hours, again and again, each probe answered */
    for (i = 0; i < n; i++) {
        if (tcpsm_set(peers[i].c, TCPSM_SET_KEEPALIVE, 1) < 0)
            die("keepalive", i);
        if (output() != 0)
            die("keepalive says something", i);
        armings++;
        now += 13;
    }
    drain(0);
    for (i = 0; i < n; i++)
        look(&peers[i]);
    said = 0;
    sleep_until(now + (tcpsm_time)5 * HOUR_S * 1000000, 1);
    if (said != 2 * n)
        die("probes in five hours", (long long)said);
    report("keepalive");
    /* An exchange with every tenth moves its keepalive: what was armed may
       fire in vain, once. */
    for (i = 0; i < n; i += 10) {
        make(i, peers[i].snd_nxt, peers[i].rcv_nxt, 16, TEXT);
        input();
        peers[i].snd_nxt += TEXT;
        if (tcpsm_receive(peers[i].c, text, TEXT) != TEXT ||
            tcpsm_send(peers[i].c, text, TEXT, 0) != TEXT)
            die("a turn", i);
        if (output() != 20 + TEXT)
            die("no segment", i);
        peers[i].rcv_nxt += TEXT;
        make(i, peers[i].snd_nxt, peers[i].rcv_nxt, 16, 0);
        input();
        armings += 3;
        now += 7;
    }
    drain(0);
    for (i = 0; i < n; i += 10)
        look(&peers[i]);
    said = 0;
    sleep_until(now + (tcpsm_time)5 * HOUR_S * 1000000, 1);
    if (said < 2 * n)
        die("probes after the exchanges", (long long)said);
    report("exchanges");
    /* and without it: nothing any more */
    for (i = 0; i < n; i++)
        if (tcpsm_set(peers[i].c, TCPSM_SET_KEEPALIVE, 0) < 0)
            die("keepalive", i);
    armings = n;
    drain(0);
    sleep_until(now + (tcpsm_time)5 * HOUR_S * 1000000, 0);
    d = step_deadline();
    if (d != TCPSM_NEVER || said != 0)
        die("keepalive is off", (long long)d);
    report("off");
#ifdef STEPS
    printf("steps of the costliest call: %lu\n", worst);
#endif
    if (tcpsm_stack_check(st) != 0)
        die("check", tcpsm_stack_check(st));
}

/* ---- sizes -------------------------------------------------------------- */

static tcpsm_stack_config base(void)
{
    tcpsm_stack_config cfg = TCPSM_ZERO;
    cfg.conn.key[0] = 1;
    cfg.conns = cfg.syn_entries = cfg.timewait_entries = cfg.replies = 64;
    cfg.rings = cfg.listeners = cfg.addresses = 64;
    cfg.rcv_ring = cfg.snd_ring = 4096;
    return cfg;
}

static size_t size_of(const tcpsm_stack_config *cfg)
{
    size_t n = tcpsm_stack_size(cfg);
    if (n == 0)
        die("size", 0);
    return n;
}

static void per(const char *what, size_t more, size_t less, double n)
{
    printf("%-16s %8.1f\n", what, (double)(more - less) / n);
}

static void sizes(void)
{
    tcpsm_stack_config a = base(), b = base();
    size_t none;
    a.conns = 64 + 65536;
    per("connection", size_of(&a), size_of(&b), 65536);
    a = base();
    a.syn_entries = 64 + 65536;
    per("syn-entry", size_of(&a), size_of(&b), 65536);
    a = base();
    a.timewait_entries = 64 + 65536;
    per("timewait", size_of(&a), size_of(&b), 65536);
    per("timewait-alone", sizeof(struct tcpsm__timewait), 0, 1);
    a = base();
    a.replies = 64 + 16384;
    per("reply", size_of(&a), size_of(&b), 16384);
    a = base();
    a.conns = b.conns = 65536 + 64;
    a.rings = 64 + 65536;
    per("ring-pair", size_of(&a), size_of(&b) + (size_t)65536 * 8192, 65536);
    a = b = base();
    a.listeners = 64 + 16384;
    per("listener", size_of(&a), size_of(&b), 16384);
    a = base();
    a.addresses = 64 + 16384;
    per("address", size_of(&a), size_of(&b), 16384);
    memset(&a, 0, sizeof a);
    a.conn.key[0] = 1;
    a.conns = 1;
    none = size_of(&a);
    per("stack-of-one", none, 0, 1);
    a.conns = 1000;
    per("stack-of-1000", size_of(&a), 0, 1);
    a.conns = 100000;
    per("stack-of-100000", size_of(&a), 0, 1);
}

int main(int argc, char **argv)
{
    uint32_t n = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
    uint32_t turns = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 300;
    if (argc == 2 && strcmp(argv[1], "sizes") == 0) {
        sizes();
    } else if (argc > 2 && n > 0 && strcmp(argv[1], "count") == 0) {
        count(n, turns);
    } else if (argc == 3 && n > 0 && strcmp(argv[1], "idle") == 0) {
        idle(n);
    } else {
        int help = argc == 2 && strcmp(argv[1], "--help") == 0;
        fprintf(help ? stdout : stderr,
                "usage: %s count N [TURNS] | idle N | sizes\n", argv[0]);
        return help ? 0 : 2;
    }
    return 0;
}
