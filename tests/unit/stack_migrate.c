/* Connections that move out of one tcpsm_stack into another, and stacks
   whose block is copied elsewhere (law 11). The strongest test of "the peer
   is none the wiser" is used throughout: the same run with and without the
   move puts the same bytes on the wire at the same times.

   Machines A and B share one address and one place on the wire; PEER is at
   the other end. Each has a clock and a key of its own. */

#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

#include "netsim.h"

enum { A, B, PEER, MACHINES };
enum { FLOWS = 24, RCV = 20000, SND = 16000, STEP = 1024, PACKET = 1600 };
#define MS ((tcpsm_time)1000)
#define SECOND ((tcpsm_time)1000000)
/* A shift of this many microseconds leaves every coarser unit of the
   control block as it is: then even timestamps are the same bytes. */
#define EVEN ((int64_t)1 << 30)

typedef struct {
    tcpsm_stack *st;
    uint8_t *block, *mem; /* what malloc gave; where the stack's begins */
    size_t size;
    tcpsm_stack_config cfg;
    int64_t shift; /* its clock is the world's plus this */
    struct tcpsm_counters n;
    uint32_t strayed; /* datagrams that it sent while off the wire */
} machine;

/* One end of a flow: the application's state, which moves as well */
typedef struct {
    int at; /* the machine */
    tcpsm_conn *c;
    uint64_t ref;
    uint32_t total, sent, got, seed;
    uint32_t events; /* all that were taken */
    uint8_t *ring[2];
    uint8_t used, shut, was_shut, eof, deaf, idle, over;
    tcpsm_ret error;
    tcpsm_time when; /* it was over */
} end;

static machine m[MACHINES];
static end ours[FLOWS], theirs[FLOWS];
static netsim net;
static uint64_t net_memory[NETSIM_WORDS(600, PACKET)];
static tcpsm_time now;
static int unattended; /* A accepts nothing */
static int wire, mute; /* who of A and B is on it; nothing gets through */
static uint8_t family;
static uint8_t blob[1 << 18], blob2[1 << 18], packet[70000];
static uint64_t seed;

static uint32_t rnd(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* ---- the trace -------------------------------------------------------- */

enum { TRACE = 20000 };
static uint64_t trace[2][TRACE];
static uint32_t trace_n;
static int tracing; /* into which; -1: not */

static void observe(int from, const uint8_t *p, uint32_t n)
{
    uint64_t h = netsim_mix(now + (uint64_t)from);
    uint32_t i;

    if (tracing < 0)
        return;
    /* an IPv6 flow label depends on the stack's key: it may change */
    for (i = 0; i < n; i++)
        if (p[0] >> 4 == 4 || i == 0 || i > 3)
            h = (h ^ p[i]) * 0x100000001B3u;
    CHECK(trace_n < TRACE);
    trace[tracing][trace_n++] = h;
}

static uint32_t first_run(void)
{
    uint32_t n = trace_n;

    trace_n = 0;
    tracing = 1;
    return n;
}

static void same_as_first_run(uint32_t n)
{
    uint32_t i;

    for (i = 0; i < n && i < trace_n; i++)
        CHECKF(trace[0][i] == trace[1][i], "packet %u of %u differs", i, n);
    CHECK_EQ(trace_n, n);
    trace_n = 0;
    tracing = 0;
}

/* ---- machines --------------------------------------------------------- */

static tcpsm_time clock_of(int i)
{
    return now + (tcpsm_time)m[i].shift;
}

static uint32_t conns(int i)
{
    struct tcpsm_stack_info s;

    tcpsm_stack_status(m[i].st, &s);
    return s.conns;
}

static uint32_t rings(int i)
{
    struct tcpsm_stack_info s;

    tcpsm_stack_status(m[i].st, &s);
    return s.rings;
}

static void name(tcpsm_tuple *t, int i, uint16_t local, uint16_t remote)
{
    memset(t, 0, sizeof *t);
    t->family = family;
    t->local[0] = t->remote[0] = family == 4 ? 10 : 0xfd;
    t->local[family == 4 ? 3 : 15] = i == PEER ? 2 : 1;
    t->remote[family == 4 ? 3 : 15] = i == PEER ? 1 : 2;
    t->local_port = local;
    t->remote_port = remote;
}

static void machine_free(int i)
{
    free(m[i].block);
    memset(&m[i], 0, sizeof m[i]);
}

static void machine_start(int i, const tcpsm_stack_config *cfg, int64_t shift,
                          uint32_t off)
{
    machine *x = &m[i];
    tcpsm_tuple t;

    machine_free(i);
    x->cfg = *cfg;
    x->shift = shift;
    x->cfg.conn.counters = &x->n;
    memset(x->cfg.conn.key, 0x11 * (i + 1), 16);
    x->size = tcpsm_stack_size(&x->cfg);
    CHECK_NE(x->size, 0);
    x->block = (uint8_t *)malloc(x->size + off);
    CHECK(x->block != NULL);
    x->mem = x->block + off;
    CHECK_EQ(tcpsm_stack_init(&x->st, x->mem, x->size, &x->cfg, clock_of(i)),
             0);
    name(&t, i, 0, 0);
    memset(t.remote, 0, 16);
    CHECK_EQ(tcpsm_stack_address(x->st, &t, family == 4 ? 24 : 64, 1), 0);
    CHECK_EQ(tcpsm_stack_check(x->st), 0);
}

static tcpsm_stack_config small(void)
{
    tcpsm_stack_config c = TCPSM_ZERO;

    c.conns = c.rings = c.listeners = FLOWS;
    c.syn_entries = 8;
    c.timewait_entries = 16;
    c.rcv_ring = RCV;
    c.snd_ring = SND;
    return c;
}

static void end_free(end *e)
{
    free(e->ring[0]);
    free(e->ring[1]);
    memset(e, 0, sizeof *e);
}

/* Three machines, nothing on them, an ideal network of 2 x 10 ms. */
static void world(uint8_t fam, int64_t shift)
{
    tcpsm_stack_config c = small();
    uint32_t i;

    for (i = 0; i < FLOWS; i++) {
        end_free(&ours[i]);
        end_free(&theirs[i]);
    }
    family = fam;
    now = ((tcpsm_time)1 << 46) + 123457;
    wire = A;
    mute = unattended = 0;
    seed = 1;
    netsim_init(&net, 5, net_memory, sizeof net_memory, PACKET);
    net.link[0].delay_us = net.link[1].delay_us = 10 * MS;
    machine_start(A, &c, 0, 3);
    machine_start(B, &c, shift, 8);
    machine_start(PEER, &c, -77777, 1);
    tracing = tracing < 0 ? 0 : tracing;
}

static int dir_of(int i)
{
    return i == PEER ? 1 : 0;
}

/* ---- applications ----------------------------------------------------- */

static uint8_t pattern(const end *e, uint32_t at)
{
    return (uint8_t)((at * 2654435761u + e->seed * 40503u) >> 13);
}

static void end_set(end *e, int at, tcpsm_conn *c)
{
    e->at = at;
    e->c = c;
    e->ref = tcpsm_stack_ref(m[at].st, c);
    e->used = 1;
    tcpsm_set_user(c, e);
}

static void end_read(end *e, const end *from)
{
    uint8_t buf[1000];
    tcpsm_ret n, i;

    while ((n = tcpsm_receive(e->c, buf, sizeof buf)) > 0)
        for (i = 0; i < n; i++, e->got++)
            if (buf[i] != pattern(from, e->got))
                FAIL("byte %u of a stream is wrong", e->got);
    if (n == TCPSM_E_EOF)
        e->eof = 1;
    else if (n < 0 && n != TCPSM_E_CLOSED)
        e->error = n;
}

static void end_write(end *e)
{
    uint8_t buf[1000];
    uint32_t i, want;
    tcpsm_ret n;

    while (e->sent < e->total) {
        want = e->total - e->sent;
        want = want < sizeof buf ? want : (uint32_t)sizeof buf;
        for (i = 0; i < want; i++)
            buf[i] = pattern(e, e->sent + i);
        n = tcpsm_send(e->c, buf, want, 0);
        if (n < 0)
            e->error = n;
        if (n <= 0)
            return;
        e->sent += (uint32_t)n;
    }
    if (e->shut && !e->was_shut && tcpsm_shutdown(e->c) == 0)
        e->was_shut = 1;
}

static void end_serve(end *e, end *other)
{
    if (!e->used || e->over || e->idle)
        return;
    if (!e->deaf)
        end_read(e, other);
    if (e->error == 0)
        end_write(e);
}

static void accept_all(int i)
{
    tcpsm_conn *c;
    tcpsm_tuple t;
    tcpsm_ret l;
    uint32_t k;

    while (!(unattended && i == A) &&
           (c = tcpsm_stack_accept(m[i].st, &l)) != NULL) {
        tcpsm_name(c, &t);
        k = (i == PEER ? t.local_port : t.remote_port) % 100u;
        CHECK(k < FLOWS);
        end_set(i == PEER ? &theirs[k] : &ours[k], i, c);
    }
}

static void news(int i)
{
    tcpsm_conn *c;
    uint32_t taken;
    end *e;

    while ((c = tcpsm_stack_next(m[i].st, &taken)) != NULL) {
        e = (end *)tcpsm_user(c);
        CHECK(e != NULL && e->c == c && e->at == i);
        e->events |= taken;
        if (taken & TCPSM_EV_DONE) {
            if (!e->deaf && !e->idle && taken)
                end_serve(e, e >= theirs && e < theirs + FLOWS
                                 ? &ours[e - theirs]
                                 : &theirs[e - ours]);
            e->over = 1;
            e->when = now;
        }
    }
}

/* ---- time ------------------------------------------------------------- */

static void drain(int i)
{
    tcpsm_out out = TCPSM_ZERO;
    tcpsm_ret n;
    int turns = 0, more = 8; /* news may keep the deadline at once */

    do {
        out.buf = packet;
        out.cap = sizeof packet;
        n = tcpsm_ip_output(m[i].st, &out, clock_of(i));
        CHECK_GE(n, 0);
        CHECK_LT(++turns, 5000);
        if (n == 0)
            continue;
        if (i != PEER && i != wire) {
            m[i].strayed++;
            continue;
        }
        observe(i == PEER, packet, (uint32_t)n);
        if (!mute)
            netsim_send(&net, dir_of(i), packet, (uint32_t)n, 0, now);
    } while (n > 0 ||
             (tcpsm_stack_deadline(m[i].st) <= clock_of(i) && more-- > 0));
}

/* What a program does after each packet and each wake-up */
static void turn(int i)
{
    uint32_t k;
    int turns = 0;

    do {
        accept_all(i);
        news(i);
        for (k = 0; k < FLOWS; k++) {
            if (ours[k].used && ours[k].at == i)
                end_serve(&ours[k], &theirs[k]);
            if (theirs[k].used && theirs[k].at == i)
                end_serve(&theirs[k], &ours[k]);
        }
        drain(i);
        CHECK(++turns < 100);
    } while (tcpsm_stack_deadline(m[i].st) <= clock_of(i));
    CHECK_EQ(tcpsm_stack_check(m[i].st), 0);
}

static int arrival(int to)
{
    tcpsm_in in = TCPSM_ZERO;
    uint32_t n = netsim_receive(&net, to == PEER ? 0 : 1, packet,
                                sizeof packet, now, NULL);
    uint8_t *exact;
    end *e;

    if (n == 0)
        return 0;
    exact = (uint8_t *)malloc(n);
    CHECK(exact != NULL);
    memcpy(exact, packet, n);
    if (tcpsm_ip_input(m[to].st, exact, n, &in, clock_of(to)) ==
        TCPSM_E_RING) {
        e = (end *)tcpsm_user(in.conn);
        CHECK(e != NULL && e->ring[0] == NULL);
        e->ring[0] = (uint8_t *)malloc(RCV);
        CHECK_EQ(tcpsm_attach(in.conn, TCPSM_RECEIVE, e->ring[0], RCV, NULL),
                 0);
        CHECK_EQ(tcpsm_stack_input(m[to].st, &in, clock_of(to)), 0);
    }
    free(exact);
    turn(to);
    return 1;
}

static tcpsm_time due(int i)
{
    tcpsm_time d = tcpsm_stack_deadline(m[i].st);

    if (d == TCPSM_NEVER)
        return d;
    return d <= clock_of(i) ? now : d - (tcpsm_time)m[i].shift;
}

static int step(tcpsm_time limit)
{
    tcpsm_time next = netsim_next(&net), d;
    int i;

    for (i = 0; i < MACHINES; i++)
        if ((d = due(i)) < next)
            next = d;
    if (next > limit) {
        now = limit > now ? limit : now;
        return 0;
    }
    now = next > now ? next : now;
    if (arrival(PEER) || arrival(wire))
        return 1;
    for (i = 0; i < MACHINES; i++)
        if (due(i) <= now)
            turn(i);
    return 1;
}

static void run(tcpsm_time us)
{
    tcpsm_time limit = now + us;

    turn(wire);
    turn(PEER);
    while (step(limit))
        ;
}

/* ---- connections ------------------------------------------------------ */

/* Flow k: port 1000 + k here, 2000 + k there. */
static end *dial(int i, uint32_t k)
{
    end *e = i == PEER ? &theirs[k] : &ours[k];
    tcpsm_tuple t;
    tcpsm_conn *c;

    name(&t, i, (uint16_t)((i == PEER ? 2000 : 1000) + k),
         (uint16_t)((i == PEER ? 1000 : 2000) + k));
    CHECK_EQ(tcpsm_stack_connect(m[i].st, &t, NULL, &c, clock_of(i)), 0);
    end_set(e, i, c);
    return e;
}

static void listen_on(int i, uint32_t k)
{
    tcpsm_tuple t;

    name(&t, i, (uint16_t)((i == PEER ? 2000 : 1000) + k), 0);
    memset(t.remote, 0, 16);
    CHECK_GE(tcpsm_stack_listen(m[i].st, &t, 0, 0, NULL), 0);
}

static void flow(uint32_t k, uint32_t out, uint32_t in)
{
    ours[k].seed = 2 * k;
    theirs[k].seed = 2 * k + 1;
    ours[k].total = out;
    theirs[k].total = in;
}

/* Flow k ESTABLISHED; an odd one was opened by the peer. */
static void connected(uint32_t k)
{
    if (k & 1) {
        listen_on(A, k);
        dial(PEER, k);
    } else {
        listen_on(PEER, k);
        dial(A, k);
    }
    run(100 * MS);
    CHECK(ours[k].used && theirs[k].used);
    CHECK_EQ(tcpsm_state(ours[k].c), TCPSM_ESTABLISHED);
    CHECK_EQ(tcpsm_state(theirs[k].c), TCPSM_ESTABLISHED);
}

static uint32_t export_end(const end *e)
{
    tcpsm_ret n = tcpsm_export(e->c, blob, sizeof blob, clock_of(e->at));

    CHECK_GT(n, 0);
    return (uint32_t)n;
}

/* rcv 0: slab rings; else rings of one's own of these sizes or as large as
   the blob needs. */
static void import_end(end *e, int to, uint32_t n, uint32_t rcv, uint32_t snd)
{
    tcpsm_config cfg = TCPSM_ZERO;
    uint8_t *old[2] = {e->ring[0], e->ring[1]};
    tcpsm_span s[2];
    uint32_t r, w;
    tcpsm_conn *c;

    cfg.counters = &m[to].n;
    memset(cfg.key, 0x5A, 16);
    cfg.user = e;
    e->ring[0] = e->ring[1] = NULL;
    if (rcv != 0) {
        CHECK_EQ(tcpsm_blob_rings(blob, n, &r, &w), 0);
        s[0].n = rcv > r ? rcv : r;
        s[1].n = snd > w ? snd : w;
        s[0].p = e->ring[0] = (uint8_t *)malloc(s[0].n);
        s[1].p = e->ring[1] = (uint8_t *)malloc(s[1].n);
    }
    CHECK_EQ(tcpsm_stack_import(m[to].st, blob, n, &cfg, rcv ? s : NULL, &c,
                                clock_of(to)),
             0);
    CHECK(tcpsm_user(c) == e);
    free(old[0]);
    free(old[1]);
    e->at = to;
    e->c = c;
    e->ref = tcpsm_stack_ref(m[to].st, c);
    CHECK(tcpsm_stack_deref(m[to].st, e->ref) == c);
    CHECK_EQ(tcpsm_stack_check(m[to].st), 0);
}

/* A forgotten connection's place is free when output and next have had
   their turn. */
static void settle(int i)
{
    uint32_t taken;

    drain(i);
    CHECK(tcpsm_stack_next(m[i].st, &taken) == NULL);
    CHECK_EQ(tcpsm_stack_check(m[i].st), 0);
}

static void forget_end(end *e)
{
    machine *x = &m[e->at];
    uint32_t before = conns(e->at);
    uint8_t *exact[2] = {e->ring[0], e->ring[1]};

    CHECK_EQ(tcpsm_stack_forget(x->st, e->c), 0);
    /* rings of one's own are free at once: the sanitizer watches */
    free(exact[0]);
    free(exact[1]);
    e->ring[0] = e->ring[1] = NULL;
    CHECK(tcpsm_stack_deref(x->st, e->ref) == NULL);
    CHECK_EQ(tcpsm_stack_check(x->st), 0);
    settle(e->at);
    CHECK_EQ(conns(e->at), before - 1);
}

/* Out of one machine and into the other, with the wire. */
static void move(end *e, uint32_t rcv, uint32_t snd)
{
    int to = e->at == A ? B : A;
    uint32_t n = export_end(e);

    forget_end(e);
    wire = to;
    import_end(e, to, n, rcv, snd);
    turn(to);
}

static void heal(void)
{
    mute = 0;
    memset(&net.link[0].loss_ppm, 0, sizeof net.link[0].loss_ppm);
    memset(&net.link[1].loss_ppm, 0, sizeof net.link[1].loss_ppm);
}

/* Nothing happened that the peer could have told a move by. */
static void no_trouble(void)
{
    struct tcpsm_stack_info s;
    int i;

    for (i = 0; i < MACHINES; i++) {
        tcpsm_stack_status(m[i].st, &s);
        CHECK_EQ(s.resets + s.resets_held_back, 0);
        CHECK_EQ(m[i].n.failed, 0);
        CHECK_EQ(m[i].strayed, 0);
    }
}

static void complete(uint32_t k)
{
    CHECK_EQ(ours[k].error, 0);
    CHECK_EQ(theirs[k].error, 0);
    CHECK_EQ(ours[k].got, theirs[k].total);
    CHECK_EQ(theirs[k].got, ours[k].total);
    CHECK(ours[k].eof && theirs[k].eof);
    CHECK(ours[k].over && theirs[k].over);
}

/* ---- every state ------------------------------------------------------ */

static void syn_sent(void)
{
    listen_on(PEER, 0);
    mute = 1;
    dial(A, 0);
    run(1500 * MS);
}

static void syn_received(void) /* RFC 9293 figure 7 */
{
    dial(A, 0);
    dial(PEER, 0);
    run(15 * MS);
}

static void established(void)
{
    connected(0);
}

static void in_flight(void)
{
    connected(0);
    flow(0, 30000, 30000);
    turn(PEER);
    netsim_drop(&net, 0, net.link[0].index);
    netsim_drop(&net, 0, net.link[0].index + 3);
    netsim_drop(&net, 1, net.link[1].index + 1);
    run(14 * MS);
}

static void recovery(void)
{
    connected(0);
    flow(0, 40000, 0);
    netsim_drop(&net, 0, net.link[0].index);
    run(23 * MS);
    CHECK(tcpsm__is(ours[0].c, TCPSM__F_RECOVERY));
}

static void window_shut(void)
{
    connected(0);
    flow(0, 50000, 50000);
    theirs[0].deaf = ours[0].deaf = 1;
    run(7 * SECOND);
}

static void backed_off(void)
{
    connected(0);
    mute = 1;
    flow(0, 5000, 0);
    run(3 * SECOND);
}

static void fin_wait_1(void)
{
    connected(0);
    ours[0].shut = 1;
    run(5 * MS);
}

static void fin_wait_2(void)
{
    connected(0);
    flow(0, 700, 0);
    ours[0].shut = 1;
    run(500 * MS);
}

static void close_wait(void)
{
    connected(0);
    flow(0, 0, 9000);
    theirs[0].shut = 1;
    ours[0].deaf = 1; /* unread, and the FIN behind it */
    run(500 * MS);
}

static void closing(void)
{
    connected(0);
    ours[0].shut = theirs[0].shut = 1;
    run(15 * MS);
}

static void last_ack(void)
{
    close_wait();
    mute = 1;
    ours[0].deaf = 0;
    ours[0].shut = 1;
    run(300 * MS);
}

static const struct {
    const char *name;
    int state;
    void (*make)(void);
} scenes[] = {{"syn-sent", TCPSM_SYN_SENT, syn_sent},
              {"syn-received", TCPSM_SYN_RECEIVED, syn_received},
              {"established", TCPSM_ESTABLISHED, established},
              {"in flight", TCPSM_ESTABLISHED, in_flight},
              {"recovery", TCPSM_ESTABLISHED, recovery},
              {"window shut", TCPSM_ESTABLISHED, window_shut},
              {"backed off", TCPSM_ESTABLISHED, backed_off},
              {"fin-wait-1", TCPSM_FIN_WAIT_1, fin_wait_1},
              {"fin-wait-2", TCPSM_FIN_WAIT_2, fin_wait_2},
              {"close-wait", TCPSM_CLOSE_WAIT, close_wait},
              {"closing", TCPSM_CLOSING, closing},
              {"last-ack", TCPSM_LAST_ACK, last_ack}};
enum { SCENES = sizeof scenes / sizeof *scenes };

/* After the scene the network heals, and all goes on to its end. */
static void play(int i, uint8_t fam, int64_t shift, int times)
{
    CONTEXT("%s, IPv%d, moved %d times", scenes[i].name, fam, times);
    world(fam, shift);
    scenes[i].make();
    CHECK_EQ(tcpsm_state(ours[0].c), scenes[i].state);
    while (times-- > 0)
        move(&ours[0], 0, 0);
    heal();
    ours[0].deaf = theirs[0].deaf = 0;
    if (ours[0].total < 30000 && !ours[0].was_shut)
        ours[0].total = 30000;
    if (theirs[0].total < 30000 && !theirs[0].was_shut)
        theirs[0].total = 30000;
    ours[0].seed = 0;
    theirs[0].seed = 1;
    ours[0].shut = theirs[0].shut = 1;
    run(300 * SECOND);
    complete(0);
    no_trouble();
    CHECK_EQ(rings(A) + rings(B), 1); /* until its owner releases it */
    CHECK_EQ(tcpsm_stack_release(m[ours[0].at].st, ours[0].c), 0);
    ours[0].used = 0;
    run(MS);
    CHECK_EQ(rings(A) + rings(B) + conns(A) + conns(B), 0);
}

TEST(moves_in_every_state)
{
    uint8_t fam;
    int i;

    for (fam = 4; fam <= 6; fam = (uint8_t)(fam + 2))
        for (i = 0; i < SCENES; i++) {
            uint32_t n;

            tracing = 0;
            trace_n = 0;
            play(i, fam, 0, 0);
            n = first_run();
            play(i, fam, 3 * EVEN, 1);
            same_as_first_run(n);
            tracing = 1;
            play(i, fam, -5 * EVEN, 4);
            same_as_first_run(n);
        }
}

/* Odd clocks: only the low bits of timestamps may differ. */
TEST(moves_in_every_state_any_clock)
{
    int i;

    tracing = -1;
    for (i = 0; i < SCENES; i++) {
        play(i, 4, 1234567890123, 1);
        play(i, 6, -987654321, 3);
    }
    tracing = 0;
}

/* ---- in the middle of a transfer -------------------------------------- */

static void rough(uint32_t loss)
{
    int i;

    for (i = 0; i < 2; i++) {
        net.link[i].rate = 20000000;
        net.link[i].loss_ppm = loss;
        net.link[i].reorder_ppm = loss;
        net.link[i].reorder_us = 4 * MS;
        net.link[i].copy_ppm = loss / 2;
    }
}

static int finished(uint32_t flows)
{
    uint32_t k;

    for (k = 0; k < flows; k++)
        if (!ours[k].over || !theirs[k].over)
            return 0;
    return 1;
}

static void transfer(uint8_t fam, int64_t shift, uint32_t every)
{
    tcpsm_time limit;
    uint32_t steps = 0;

    CONTEXT("IPv%d, moved every %u steps", fam, every);
    world(fam, shift);
    connected(0);
    rough(20000);
    flow(0, 60000, 50000);
    ours[0].shut = theirs[0].shut = 1;
    limit = now + 300 * SECOND;
    turn(A);
    turn(PEER);
    while (!finished(1) && step(limit))
        if (every && ++steps % every == 0 && !ours[0].over)
            move(&ours[0], 0, 0);
    complete(0);
    no_trouble();
    CHECK(every == 0 || steps > 40);
}

TEST(moves_in_mid_transfer)
{
    static const uint32_t every[] = {1, 2, 7, 31};
    uint32_t i, n;
    uint8_t fam;

    for (fam = 4; fam <= 6; fam = (uint8_t)(fam + 2)) {
        tracing = 0;
        trace_n = 0;
        transfer(fam, 0, 0);
        n = first_run();
        for (i = 0; i < 4; i++) {
            tracing = 1;
            transfer(fam, i & 1 ? 7 * EVEN : -3 * EVEN, every[i]);
            same_as_first_run(n);
        }
    }
}

/* Into rings of any size, one's own or the slab's, under odd clocks. */
static void wander(uint32_t loss, uint32_t number)
{
    tcpsm_time limit;
    uint32_t steps = 0, n, r, w;
    int to;

    CONTEXT("loss %u, seed %u", loss, number);
    world(number & 1 ? 6 : 4, (int64_t)number * 1000003 - 5000000);
    connected(0);
    rough(loss);
    net.seed = seed = number;
    flow(0, 60000, 60000);
    ours[0].shut = theirs[0].shut = 1;
    limit = now + 600 * SECOND;
    turn(A);
    turn(PEER);
    while (!finished(1) && step(limit)) {
        if (ours[0].over || ++steps % 5 != 0)
            continue;
        n = export_end(&ours[0]);
        CHECK_EQ(tcpsm_blob_rings(blob, n, &r, &w), 0);
        to = ours[0].at == A ? B : A;
        forget_end(&ours[0]);
        wire = to;
        if (r <= RCV && w <= SND && rnd(3) == 0)
            import_end(&ours[0], to, n, 0, 0);
        else
            import_end(&ours[0], to, n, 1 + rnd(40000), 1 + rnd(30000));
        turn(to);
    }
    complete(0);
    no_trouble();
    if (loss == 0) { /* then nothing at all comes twice */
        CHECK_EQ(m[A].n.retransmits + m[B].n.retransmits, 0);
        CHECK_EQ(m[PEER].n.retransmits, 0);
        CHECK_EQ(m[A].n.duplicates + m[B].n.duplicates, 0);
        CHECK_EQ(m[PEER].n.duplicates, 0);
    }
}

TEST(other_rings_other_clock)
{
    uint32_t i;

    tracing = -1;
    for (i = 1; i <= 6; i++)
        wander(0, i);
    for (i = 1; i <= 6; i++)
        wander(30000, i);
    tracing = 0;
}

/* All that a machine has, at once: as before it is switched off. */
TEST(many_at_once)
{
    enum { N = 16 };
    uint32_t k, moves, total = 0;
    int from, to;

    tracing = -1;
    world(4, 999);
    for (k = 0; k < N; k++)
        connected(k);
    rough(10000);
    net.link[0].rate = net.link[1].rate = 0;
    for (k = 0; k < N; k++) {
        flow(k, 20000 + 100 * k, 15000 - 100 * k);
        ours[k].shut = theirs[k].shut = 1;
    }
    for (moves = 0; moves < 6; moves++) {
        run(11 * MS);
        from = wire;
        to = from == A ? B : A;
        for (k = 0; k < N; k++)
            if (!ours[k].over && ours[k].at == from) {
                uint32_t n = export_end(&ours[k]);

                forget_end(&ours[k]);
                import_end(&ours[k], to, n, k & 2 ? 25000 : 0, 25000);
                total++;
            }
        wire = to;
        turn(to);
    }
    run(300 * SECOND);
    for (k = 0; k < N; k++)
        complete(k);
    CHECK(total > 3 * N);
    CHECK_EQ(m[A].n.failed + m[B].n.failed + m[PEER].n.failed, 0);
    tracing = 0;
}

/* From a stack to a lone connection and on into another stack */
TEST(by_way_of_layer_1)
{
    static uint8_t rcv[RCV], snd[SND];
    uint32_t i, n, k;
    tcpsm_config cfg = TCPSM_ZERO;
    tcpsm_conn c;

    trace_n = 0;
    for (i = 0; i < 2; i++) {
        tracing = (int)i;
        world(4, EVEN);
        in_flight();
        if (i == 1) {
            n = export_end(&ours[0]);
            forget_end(&ours[0]);
            cfg.key[3] = 1;
            CHECK_EQ(tcpsm_init(&c, &cfg), 0);
            CHECK_EQ(tcpsm_attach(&c, TCPSM_RECEIVE, rcv, RCV, NULL), 0);
            CHECK_EQ(tcpsm_attach(&c, TCPSM_SEND, snd, SND, NULL), 0);
            CHECK_EQ(tcpsm_import(&c, &cfg, blob, n, 77 * (tcpsm_time)EVEN),
                     0);
            CHECK_EQ(
                tcpsm_export(&c, blob2, sizeof blob2, 77 * (tcpsm_time)EVEN),
                n);
            CHECK_MEM(blob, blob2, n);
            wire = B;
            import_end(&ours[0], B, n, 0, 0);
            turn(B);
        }
        ours[0].shut = theirs[0].shut = 1;
        run(60 * SECOND);
        complete(0);
        no_trouble();
        if (i == 0)
            k = first_run();
        else
            same_as_first_run(k);
    }
}

/* What happened and was not taken is told in the new stack. */
TEST(events_go_along)
{
    tcpsm_conn *c;
    uint32_t n, taken = 0;

    tracing = -1;
    world(4, 5);
    connected(0);
    ours[0].idle = 1;
    flow(0, 0, 500);
    turn(PEER);
    while ((tcpsm_events(ours[0].c) & TCPSM_EV_READABLE) == 0)
        CHECK(step(now + SECOND));
    CHECK((ours[0].events & TCPSM_EV_READABLE) != 0); /* taken */
    n = export_end(&ours[0]);
    forget_end(&ours[0]);
    wire = B;
    import_end(&ours[0], B, n, 0, 0);
    CHECK((tcpsm_events(ours[0].c) & TCPSM_EV_READABLE) != 0);
    CHECK(tcpsm_stack_next(m[B].st, &taken) == NULL);
    run(SECOND);
    theirs[0].shut = 1;
    turn(PEER);
    /* more comes in, and B is not asked for news before it moves on */
    while (tcpsm_state(ours[0].c) == TCPSM_ESTABLISHED) {
        tcpsm_in in = TCPSM_ZERO;
        uint32_t len;

        CHECK_NE(netsim_next(&net), NETSIM_NEVER);
        now = netsim_next(&net);
        len = netsim_receive(&net, 1, packet, sizeof packet, now, NULL);
        if (len > 0)
            CHECK_EQ(tcpsm_ip_input(m[B].st, packet, len, &in, clock_of(B)),
                     0);
        else
            netsim_receive(&net, 0, packet, sizeof packet, now, NULL);
    }
    CHECK_EQ(tcpsm_state(ours[0].c), TCPSM_CLOSE_WAIT);
    n = export_end(&ours[0]);
    forget_end(&ours[0]);
    wire = A;
    import_end(&ours[0], A, n, 0, 0);
    CHECK_EQ(tcpsm_stack_deadline(m[A].st), 0);
    c = tcpsm_stack_next(m[A].st, &taken);
    CHECK(c == ours[0].c);
    CHECK((taken & TCPSM_EV_EOF) != 0);
    CHECK(tcpsm_stack_next(m[A].st, &taken) == NULL);
    ours[0].idle = 0;
    ours[0].shut = 1;
    run(60 * SECOND);
    complete(0);
    tracing = 0;
}

/* ---- timers: each fires elsewhere when it would have fired at home ---- */

static void set(uint32_t option, uint32_t value)
{
    CHECK_EQ(tcpsm_set(ours[0].c, option, value), 0);
    turn(A);
}

static void keepalive(void)
{
    set(TCPSM_SET_KEEPALIVE, 1);
    set(TCPSM_SET_KEEP_IDLE, 100000);
    run(70 * SECOND);
}

static void keepalive_in_vain(void)
{
    set(TCPSM_SET_KEEP_INTERVAL, 7000);
    set(TCPSM_SET_KEEP_COUNT, 5);
    keepalive();
    mute = 1;
    run(60 * SECOND); /* some probes are out */
}

static void user_timeout(void)
{
    mute = 1;
    set(TCPSM_SET_USER_TIMEOUT, 90000);
    CHECK_EQ(tcpsm_send(ours[0].c, "x", 1, 0), 1);
    run(20 * SECOND);
}

static void handshake_in_vain(void)
{
    mute = 1;
    ours[0].used = 0;
    dial(A, 2);
    memcpy(&ours[0], &ours[2], sizeof ours[0]);
    memset(&ours[2], 0, sizeof ours[2]);
    tcpsm_set_user(ours[0].c, &ours[0]);
    ours[0].idle = 1;
    run(10 * SECOND);
}

static void corked(void)
{
    set(TCPSM_SET_CORK, 1);
    CHECK_EQ(tcpsm_send(ours[0].c, "x", 1, TCPSM_MORE), 1);
    run(50 * MS);
}

static void delayed_ack(void)
{
    CHECK_EQ(tcpsm_send(theirs[0].c, "x", 1, 0), 1);
    run(20 * MS);
    CHECK(ours[0].c->timers & TCPSM__T_ACK);
}

static void half_closed_for_good(void)
{
    CHECK_EQ(tcpsm_close(ours[0].c), 0);
    run(10 * SECOND);
    CHECK_EQ(tcpsm_state(ours[0].c), TCPSM_FIN_WAIT_2);
}

static void lingering(void)
{
    theirs[0].deaf = theirs[0].idle = 1;
    ours[0].total = 60000;
    ours[0].idle = 0;
    run(5 * SECOND);
    ours[0].idle = 1;
    set(TCPSM_SET_LINGER, 77000);
    CHECK_EQ(tcpsm_close(ours[0].c), 0);
    run(5 * SECOND);
}

TEST(timers_go_along)
{
    static const struct {
        const char *name;
        void (*make)(void);
        tcpsm_ret error;
        int over;
    } rows[] = {{"keepalive", keepalive, 0, 0},
                {"keepalive in vain", keepalive_in_vain, TCPSM_E_TIMEOUT, 1},
                {"user timeout", user_timeout, TCPSM_E_TIMEOUT, 1},
                {"handshake", handshake_in_vain, TCPSM_E_TIMEOUT, 1},
                {"cork", corked, 0, 0},
                {"delayed ack", delayed_ack, 0, 0},
                {"FIN-WAIT-2", half_closed_for_good, 0, 1},
                {"linger", lingering, TCPSM_E_TIMEOUT, 1}};
    uint32_t i, k, n = 0;
    tcpsm_time when = 0, base;

    for (i = 0; i < sizeof rows / sizeof *rows; i++)
        for (k = 0; k < 3; k++) {
            CONTEXT("%s, %u", rows[i].name, k);
            tracing = k > 0;
            trace_n = 0;
            world(4, k == 1 ? 3 * EVEN : -2 * EVEN);
            base = now;
            connected(0);
            ours[0].idle = theirs[0].idle = 1;
            rows[i].make();
            if (k > 0)
                move(&ours[0], 0, 0);
            if (k == 2)
                move(&ours[0], 0, 0);
            run(400 * SECOND);
            CHECK_EQ(tcpsm_error(ours[0].c), rows[i].error);
            CHECK_EQ(ours[0].over, rows[i].over);
            if (k == 0) {
                when = ours[0].when - base;
                n = trace_n;
            } else {
                CHECK_EQ(ours[0].when - base, when);
                same_as_first_run(n);
            }
        }
    tracing = 0;
}

/* In TIME-WAIT with its last ACK not sent yet: the other stack sends it,
   and keeps the entry. */
TEST(time_wait_before_its_ack)
{
    struct tcpsm_stack_info s;
    tcpsm_in in = TCPSM_ZERO;
    uint32_t n;

    tracing = -1;
    world(4, 99);
    fin_wait_2();
    theirs[0].shut = 1;
    turn(PEER);
    CHECK_EQ(netsim_next(&net), now + 10 * MS);
    now += 10 * MS;
    n = netsim_receive(&net, 1, packet, sizeof packet, now, NULL);
    CHECK_EQ(tcpsm_ip_input(m[A].st, packet, n, &in, clock_of(A)), 0);
    CHECK_EQ(tcpsm_state(ours[0].c), TCPSM_TIME_WAIT);
    move(&ours[0], 0, 0);
    run(SECOND);
    complete(0);
    no_trouble();
    tcpsm_stack_status(m[A].st, &s);
    CHECK_EQ(s.timewaits, 0);
    tcpsm_stack_status(m[B].st, &s);
    CHECK_EQ(s.timewaits, 1);
    CHECK_EQ(m[PEER].n.retransmits, 0);
    tracing = 0;
}

/* Idle without a receive ring, before and after the move: it is attached
   where the first data comes. */
TEST(without_a_receive_ring)
{
    tcpsm_stack_config c = small();
    uint32_t n;

    tracing = -1;
    world(4, 12345);
    c.rcv_ring = 0;
    c.conn.rcv_promise = 5000;
    machine_start(A, &c, 0, 0);
    machine_start(B, &c, 12345, 0);
    connected(0);
    flow(0, 3000, 0);
    run(SECOND);
    CHECK_EQ(theirs[0].got, 3000);
    CHECK(ours[0].ring[0] == NULL);
    move(&ours[0], 0, 0);
    CHECK(ours[0].ring[0] == NULL);
    theirs[0].total = 30000;
    ours[0].total = 50000;
    turn(PEER);
    run(25 * MS);
    CHECK(ours[0].ring[0] != NULL);
    /* and with data in it, back again into rings of our own */
    n = export_end(&ours[0]);
    forget_end(&ours[0]);
    wire = A;
    import_end(&ours[0], A, n, RCV, SND);
    turn(A);
    ours[0].shut = theirs[0].shut = 1;
    run(60 * SECOND);
    complete(0);
    no_trouble();
    tracing = 0;
}

/* ---- the stack that it left ------------------------------------------- */

TEST(forget_is_silent)
{
    int i;

    tracing = -1;
    for (i = 0; i < SCENES; i++) {
        struct tcpsm_stack_info s;
        tcpsm_time d;

        CONTEXT("%s", scenes[i].name);
        world(4, 0);
        scenes[i].make();
        trace_n = 0;
        tracing = 0; /* even on the wire, it says nothing */
        forget_end(&ours[0]);
        ours[0].used = 0;
        CHECK_EQ(trace_n, 0);
        d = tcpsm_stack_deadline(m[A].st);
        if (d != TCPSM_NEVER) { /* one empty wake-up at most */
            CHECK_GT(d, clock_of(A));
            now = d - (tcpsm_time)m[A].shift;
            drain(A);
        }
        CHECK_EQ(tcpsm_stack_deadline(m[A].st), TCPSM_NEVER);
        CHECK_EQ(trace_n, 0);
        tcpsm_stack_status(m[A].st, &s);
        CHECK_EQ(s.conns + s.rings + s.orphans + s.replies + s.timewaits, 0);
        tracing = -1;
    }
    tracing = 0;
}

/* So the wire must be switched first, or the old stack be silent. */
TEST(old_stack_answers_as_a_stranger)
{
    struct tcpsm_stack_info s;

    tracing = -1;
    world(4, 0);
    connected(0);
    flow(0, 0, 1000);
    forget_end(&ours[0]);
    ours[0].used = 0;
    run(SECOND);
    tcpsm_stack_status(m[A].st, &s);
    CHECK_EQ(s.resets, 1);
    CHECK_EQ(theirs[0].error, TCPSM_E_RESET);
    tracing = 0;
}

/* At once, not when the place is free again: what comes between forget and
   the next call is for a stranger. */
TEST(forgotten_at_once)
{
    tcpsm_in in = TCPSM_ZERO;
    uint32_t n;

    tracing = -1;
    world(4, 0);
    connected(0);
    flow(0, 0, 1000);
    turn(PEER);
    now += 10 * MS;
    n = netsim_receive(&net, 1, packet, sizeof packet, now, NULL);
    CHECK(n > 1000);
    CHECK_EQ(tcpsm_stack_forget(m[A].st, ours[0].c), 0);
    ours[0].used = 0;
    CHECK_EQ(tcpsm_ip_input(m[A].st, packet, n, &in, clock_of(A)), 0);
    CHECK(in.conn == NULL);
    CHECK_EQ(in.drop, TCPSM_DROP_NOT_MINE);
    tracing = 0;
}

TEST(old_stack_may_be_silent)
{
    tcpsm_stack_config c = small();
    struct tcpsm_stack_info s;
    uint32_t n;

    tracing = -1;
    world(4, 31337);
    c.flags = TCPSM_SILENT;
    machine_start(A, &c, 0, 5);
    connected(0);
    flow(0, 40000, 40000);
    run(25 * MS);
    n = export_end(&ours[0]);
    forget_end(&ours[0]);
    ours[0].used = 0;
    run(3 * SECOND); /* the peer sends again and again */
    tcpsm_stack_status(m[A].st, &s);
    CHECK_EQ(s.resets, 0);
    CHECK_EQ(theirs[0].error, 0);
    ours[0].used = 1;
    ours[0].shut = theirs[0].shut = 1;
    wire = B;
    import_end(&ours[0], B, n, 0, 0);
    run(300 * SECOND);
    complete(0);
    tracing = 0;
}

TEST(only_what_is_ours)
{
    tcpsm_conn *c, *unaccepted;
    uint64_t ref;
    uint32_t at = 0, n;

    tracing = -1;
    world(4, 0);
    connected(0);
    c = ours[0].c;
    CHECK_EQ(tcpsm_stack_forget(m[A].st, NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_forget(NULL, c), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_forget(m[B].st, c), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_forget(m[PEER].st, c), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_state(c), TCPSM_ESTABLISHED);
    /* one that nobody has accepted */
    listen_on(A, 1);
    dial(PEER, 1);
    unattended = 1;
    run(SECOND);
    CHECK_EQ(conns(A), 2);
    unaccepted = tcpsm_stack_walk(m[A].st, &at);
    if (unaccepted == ours[0].c)
        unaccepted = tcpsm_stack_walk(m[A].st, &at);
    CHECK(unaccepted != NULL);
    CHECK_EQ(tcpsm_state(unaccepted), TCPSM_ESTABLISHED);
    CHECK_EQ(tcpsm_stack_forget(m[A].st, unaccepted), TCPSM_E_ARG);
    unattended = 0;
    ref = ours[0].ref;
    n = export_end(&ours[0]);
    forget_end(&ours[0]);
    import_end(&ours[0], A, n, 0, 0);
    CHECK_NE(ref, ours[0].ref);
    CHECK(tcpsm_stack_deref(m[A].st, ref) == NULL);
    run(SECOND);
    /* a released one */
    c = ours[0].c;
    CHECK_EQ(tcpsm_stack_release(m[A].st, c), 0);
    ours[0].used = 0;
    CHECK_EQ(tcpsm_stack_forget(m[A].st, c), TCPSM_E_ARG);
    tracing = 0;
}

/* ---- refused ---------------------------------------------------------- */

static struct tcpsm_stack_info before;

static void remember(int i)
{
    memset(&before, 0, sizeof before);
    tcpsm_stack_status(m[i].st, &before);
}

static tcpsm_ret attempt(int i, const uint8_t *b, uint32_t n,
                         const tcpsm_span *s, tcpsm_conn **c)
{
    *c = NULL;
    return tcpsm_stack_import(m[i].st, b, n, NULL, s, c, clock_of(i));
}

static void forget_conn(int i, tcpsm_conn *c)
{
    CHECK_EQ(tcpsm_stack_forget(m[i].st, c), 0);
    settle(i);
}

/* Refused with this error, and no connection, ring or entry is lost. */
static void refused(int i, uint32_t n, const tcpsm_span *s, tcpsm_ret want)
{
    struct tcpsm_stack_info after;
    tcpsm_conn *c;
    uint8_t *exact = (uint8_t *)malloc(n + !n);

    CHECK(exact != NULL);
    memcpy(exact, blob, n);
    remember(i);
    CHECK_EQ(attempt(i, exact, n, s, &c), want);
    CHECK(c == NULL);
    memset(&after, 0, sizeof after);
    tcpsm_stack_status(m[i].st, &after);
    CHECK_MEM(&before, &after, sizeof after);
    CHECK_EQ(tcpsm_stack_check(m[i].st), 0);
    free(exact);
}

TEST(name_that_exists)
{
    uint32_t n;

    tracing = -1;
    world(4, 0);
    in_flight();
    n = export_end(&ours[0]);
    refused(A, n, NULL, TCPSM_E_STATE);
    forget_end(&ours[0]);
    import_end(&ours[0], A, n, 0, 0);
    refused(A, n, NULL, TCPSM_E_STATE);
    ours[0].shut = theirs[0].shut = 1;
    run(60 * SECOND);
    complete(0);
    tracing = 0;
}

TEST(name_in_time_wait)
{
    struct tcpsm_stack_info s;
    uint32_t n;

    tracing = -1;
    world(4, 0);
    connected(0);
    n = export_end(&ours[0]);
    ours[0].shut = 1;
    run(SECOND);
    theirs[0].shut = 1;
    run(SECOND);
    complete(0);
    tcpsm_stack_status(m[A].st, &s);
    CHECK_EQ(s.timewaits, 1);
    CHECK_EQ(tcpsm_stack_release(m[A].st, ours[0].c), 0);
    ours[0].used = 0;
    run(MS);
    refused(A, n, NULL, TCPSM_E_STATE);
    run(61 * SECOND);
    import_end(&ours[0], A, n, 0, 0);
    tracing = 0;
}

/* One that is over, or has not begun, has nothing to go on with. */
TEST(nothing_to_go_on_with)
{
    tcpsm_tuple t = TCPSM_ZERO;
    tcpsm_config cfg = TCPSM_ZERO;
    tcpsm_conn *c, lone;
    uint32_t n, i;

    tracing = -1;
    world(4, 0);
    cfg.key[0] = 1;
    t.local_port = 80;
    for (i = 0; i < 3; i++) {
        struct tcpsm_stack_info after;

        CHECK_EQ(tcpsm_init(&lone, &cfg), 0);
        if (i == 1)
            CHECK_EQ(tcpsm_listen(&lone, &t, now), 0);
        if (i == 2) {
            connected(0);
            CHECK_EQ(tcpsm_abort(ours[0].c), 0); /* its reset has not left */
            n = export_end(&ours[0]);
        } else {
            n = (uint32_t)tcpsm_export(&lone, blob, sizeof blob, now);
        }
        memset(&after, 0, sizeof after);
        remember(B);
        CHECK_LT(attempt(B, blob, n, NULL, &c), 0);
        CHECK(c == NULL);
        tcpsm_stack_status(m[B].st, &after);
        CHECK_MEM(&before, &after, sizeof after);
    }
    tracing = 0;
}

TEST(no_room)
{
    static uint8_t space[2][40000];
    struct tcpsm_stack_info after;
    tcpsm_stack_config c = small();
    tcpsm_span s[2];
    uint32_t n, r, w, i;
    tcpsm_conn *conn;

    tracing = -1;
    world(4, 0);
    in_flight();
    n = export_end(&ours[0]);
    CHECK_EQ(tcpsm_blob_rings(blob, n, &r, &w), 0);
    CHECK(r > 1 && w > 1);
    /* no connection, or no slab ring */
    for (i = 0; i < 2; i++) {
        c = small();
        c.rings = 1;
        c.conns = 1 + i;
        machine_start(B, &c, 0, 0);
        listen_on(B, 1);
        wire = B;
        dial(PEER, 1);
        run(100 * MS);
        CHECK(ours[1].used);
        refused(B, n, NULL, TCPSM_E_SPACE);
        s[0].p = space[0];
        s[1].p = space[1];
        s[0].n = s[1].n = 40000;
        if (i == 0) {
            refused(B, n, s, TCPSM_E_SPACE);
        } else {
            CHECK_EQ(attempt(B, blob, n, s, &conn), 0);
            forget_conn(B, conn);
            refused(B, n, NULL, TCPSM_E_SPACE);
        }
        /* and when there is room again, it goes */
        ours[1].over = 1;
        CHECK_EQ(tcpsm_abort(ours[1].c), 0);
        run(MS);
        CHECK_EQ(tcpsm_stack_release(m[B].st, ours[1].c), 0);
        ours[1].used = 0;
        run(MS);
        CHECK_EQ(attempt(B, blob, n, NULL, &conn), 0);
        forget_conn(B, conn);
        run(SECOND);
        CHECK_EQ(tcpsm_stack_release(m[PEER].st, theirs[1].c), 0);
        theirs[1].used = 0;
        run(MS);
    }
    /* rings that are too small, by one byte */
    for (i = 0; i < 2; i++) {
        s[0].p = space[0];
        s[1].p = space[1];
        s[0].n = r - (i == 0);
        s[1].n = w - (i == 1);
        refused(B, n, s, TCPSM_E_SPACE);
        c = small();
        c.rcv_ring = s[0].n;
        c.snd_ring = s[1].n;
        machine_start(B, &c, 0, 0);
        refused(B, n, NULL, TCPSM_E_SPACE);
        c.rcv_ring = r;
        c.snd_ring = w;
        machine_start(B, &c, 0, 0);
        CHECK_EQ(attempt(B, blob, n, NULL, &conn), 0);
        forget_conn(B, conn);
    }
    /* rings that no connection can have, or none at all */
    c = small();
    machine_start(B, &c, 0, 0);
    for (i = 0; i < 6; i++) {
        s[0].p = i == 0 ? NULL : space[0];
        s[1].p = i == 1 ? NULL : space[1];
        s[0].n = i == 2 ? 0 : i == 3 ? TCPSM_MAX_RING + 1u : 40000;
        s[1].n = i == 4 ? 0 : i == 5 ? TCPSM_MAX_RING + 1u : 40000;
        remember(B);
        CHECK_LT(attempt(B, blob, n, s, &conn), 0);
        tcpsm_stack_status(m[B].st, &after);
        CHECK_EQ(after.conns + after.rings, 0);
        CHECK_EQ(tcpsm_stack_check(m[B].st), 0);
    }
    c.rcv_ring = c.snd_ring = 0; /* "you attach them": not afterwards */
    machine_start(B, &c, 0, 0);
    refused(B, n, NULL, TCPSM_E_SPACE);
    tracing = 0;
}

TEST(damaged_blobs)
{
    uint32_t n, i;

    tracing = -1;
    world(4, 0);
    connected(0);
    flow(0, 700, 300);
    ours[0].idle = 0;
    ours[0].deaf = 1;
    run(15 * MS);
    n = export_end(&ours[0]);
    for (i = 0; i < n; i += i < 500 ? 1 : 7) {
        blob[i] ^= (uint8_t)(1u << i % 8);
        refused(B, n, NULL, TCPSM_E_BLOB);
        blob[i] ^= (uint8_t)(1u << i % 8);
    }
    for (i = 0; i < n; i += i < 50 ? 1 : 11)
        refused(B, i, NULL, TCPSM_E_BLOB);
    CHECK_EQ(tcpsm_stack_import(m[B].st, NULL, n, NULL, NULL, NULL, 0),
             TCPSM_E_ARG);
    CHECK_EQ(conns(B), 0);
    forget_end(&ours[0]);
    import_end(&ours[0], B, n, 0, 0);
    tracing = 0;
}

static uint8_t *blob_entry(uint32_t n, uint32_t tag, uint32_t *len)
{
    struct tcpsm__entry e;

    CHECK(tcpsm__blob_find(blob, n, tag, &e));
    *len = e.len;
    return blob + (e.p - blob);
}

static void blob_seal(uint32_t n)
{
    uint64_t sum = tcpsm__blob_sum(blob, n - 14);
    uint32_t i;

    for (i = 0; i < 8; i++)
        blob[n - 8 + i] = (uint8_t)(sum >> (56 - 8 * i));
}

/* Names that no connection of ours can have: as tcpsm_open refuses them. */
TEST(blobs_with_impossible_names)
{
    static const struct {
        uint32_t tag;
        uint8_t byte[4];
        uint32_t bytes;
    } bad[] = {{91, {224, 0, 0, 1}, 4}, {91, {255, 255, 255, 255}, 4},
               {91, {0, 0, 0, 0}, 4},   {90, {0, 0, 0, 0}, 4},
               {90, {224, 0, 0, 5}, 4}, {30, {0, 0}, 2},
               {31, {0, 0}, 2},         {60, {TCPSM_LISTEN}, 1},
               {60, {TCPSM_STATES}, 1}, {90, {255, 255, 255, 255}, 4}};
    uint32_t i, n, len;
    uint8_t *p;

    tracing = -1;
    world(4, 0);
    in_flight();
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        tcpsm_conn *c;
        struct tcpsm_stack_info after;

        CONTEXT("row %u", i);
        n = export_end(&ours[0]);
        p = blob_entry(n, bad[i].tag, &len);
        memcpy(p, bad[i].byte, bad[i].bytes);
        blob_seal(n);
        remember(B);
        CHECK_LT(attempt(B, blob, n, NULL, &c), 0);
        memset(&after, 0, sizeof after);
        tcpsm_stack_status(m[B].st, &after);
        CHECK_MEM(&before, &after, sizeof after);
    }
    tracing = 0;
}

/* A segment that the connection may well take, with all sorts of flags */
static void prod(int i, tcpsm_conn *c)
{
    static const uint8_t flags[] = {0x10, 0x10, 0x18, 0x11, 0x30,
                                    0x04, 0x14, 0x02, 0x12, 0x01};
    uint8_t b[20 + 12 + 1000];
    struct tcpsm_info x;
    tcpsm_in in = TCPSM_ZERO;
    tcpsm_tuple t;
    uint32_t seq, ack, n = rnd(3) ? 0 : rnd(1000), h, k;

    tcpsm_status(c, &x);
    tcpsm_name(c, &t);
    seq = x.rcv_nxt + (rnd(2) ? 0 : rnd(3000));
    ack = x.snd_una + (rnd(2) ? x.flight : rnd(3000));
    memset(b, 0, sizeof b);
    h = x.timestamps ? 32 : 20;
    b[0] = (uint8_t)(t.remote_port >> 8);
    b[1] = (uint8_t)t.remote_port;
    b[2] = (uint8_t)(t.local_port >> 8);
    b[3] = (uint8_t)t.local_port;
    for (k = 0; k < 4; k++) {
        b[4 + k] = (uint8_t)(seq >> (24 - 8 * k));
        b[8 + k] = (uint8_t)(ack >> (24 - 8 * k));
        b[24 + k] = (uint8_t)(c->ts_recent >> (24 - 8 * k));
    }
    if (h == 32) {
        b[20] = b[21] = 1;
        b[22] = 8;
        b[23] = 10;
    }
    b[12] = (uint8_t)(h << 2);
    b[13] = flags[rnd(sizeof flags)];
    b[14] = (uint8_t)rnd(256);
    b[19] = b[13] & 0x20 ? (uint8_t)rnd(256) : 0;
    in.src = t.remote;
    in.dst = t.local;
    in.family = t.family;
    in.zone = t.zone;
    in.data = b;
    in.len = h + n;
    in.flags = TCPSM_IN_CSUM_OK;
    (void)tcpsm_stack_input(m[i].st, &in, clock_of(i));
}

/* With the checksum made right again: refused, or a connection that passes
   every check and can be used, and no loss of anything either way. */
TEST(hostile_blobs)
{
    uint32_t i, k, n, at, len, taken_in = 0;
    tcpsm_conn *c;
    int scene, turns;

    tracing = -1;
    for (scene = 0; scene < SCENES; scene++) {
        world(scene & 1 ? 6 : 4, 17);
        scenes[scene].make();
        n = export_end(&ours[0]);
        memcpy(blob2, blob, n);
        wire = B;
        CONTEXT("%s", scenes[scene].name);
        for (i = 0; i < 250; i++) {
            struct tcpsm_stack_info after;
            tcpsm_ret e;

            memcpy(blob, blob2, n);
            for (k = 1 + rnd(3); k > 0; k--) {
                at = 8 + rnd(n - 8 - 14 < 900 ? n - 8 - 14 : 900);
                blob[at] =
                    (uint8_t)(rnd(3) ? rnd(256) : blob[at] ^ 1u << rnd(8));
            }
            blob_seal(n);
            len = n;
            remember(B);
            e = attempt(B, blob, len, NULL, &c);
            CHECK(e == 0 || e == TCPSM_E_BLOB || e == TCPSM_E_SPACE ||
                  e == TCPSM_E_STATE || e == TCPSM_E_ARG);
            CHECK_EQ(tcpsm_stack_check(m[B].st), 0);
            if (e == 0) {
                taken_in++;
                CHECK_EQ(tcpsm_check(c), 0);
                tcpsm_set_user(c, NULL);
                for (turns = 0; turns < 5; turns++) {
                    tcpsm_out out = TCPSM_ZERO;
                    uint32_t ev;
                    tcpsm_time d;

                    out.buf = packet;
                    out.cap = sizeof packet;
                    while (tcpsm_stack_next(m[B].st, &ev) != NULL)
                        ;
                    prod(B, c);
                    CHECK_EQ(tcpsm_stack_check(m[B].st), 0);
                    CHECK_GE(tcpsm_ip_output(m[B].st, &out, clock_of(B)), 0);
                    CHECK_EQ(tcpsm_stack_check(m[B].st), 0);
                    d = tcpsm_stack_deadline(m[B].st);
                    if (d > clock_of(B) && d - clock_of(B) < 900 * SECOND)
                        now = d - (tcpsm_time)m[B].shift;
                }
                forget_conn(B, c);
            }
            memset(&after, 0, sizeof after);
            tcpsm_stack_status(m[B].st, &after);
            CHECK_EQ(after.conns, 0);
            CHECK_EQ(after.rings, 0);
            CHECK_EQ(tcpsm_stack_check(m[B].st), 0);
        }
    }
    CHECK(taken_in > 100);
    tracing = 0;
}

/* ---- the whole block elsewhere ---------------------------------------- */

static void rebase(int i)
{
    machine *x = &m[i];
    uint32_t off = rnd(64), k;
    uint8_t *block = (uint8_t *)malloc(x->size + off), *old = x->block;

    CHECK(block != NULL);
    memcpy(block + off, x->mem, x->size);
    memset(x->mem, 0xEE, x->size);
    x->block = block;
    x->mem = block + off;
    x->st = NULL;
    CHECK_EQ(tcpsm_stack_rebase(&x->st, x->mem, x->size), 0);
    free(old); /* only now, so that it cannot be where the old one was */
    for (k = 0; k < FLOWS; k++) {
        if (ours[k].used && ours[k].at == i) {
            ours[k].c = tcpsm_stack_deref(x->st, ours[k].ref);
            CHECK(ours[k].c != NULL);
            CHECK(tcpsm_user(ours[k].c) == &ours[k]);
        }
        if (theirs[k].used && theirs[k].at == i) {
            theirs[k].c = tcpsm_stack_deref(x->st, theirs[k].ref);
            CHECK(theirs[k].c != NULL);
        }
    }
    CHECK_EQ(tcpsm_stack_check(x->st), 0);
}

/* A SYN from an address where nobody is */
static void stray_syn(int to, uint16_t port)
{
    static uint8_t p[200];
    tcpsm_config cfg = TCPSM_ZERO;
    tcpsm_out out = TCPSM_ZERO;
    tcpsm_in in = TCPSM_ZERO;
    tcpsm_tuple t;
    tcpsm_conn c;
    tcpsm_ret n, h;

    cfg.key[0] = 9;
    CHECK_EQ(tcpsm_init(&c, &cfg), 0);
    name(&t, to == PEER ? A : PEER, port,
         (uint16_t)(to == PEER ? 2000 : 1001));
    t.local[family == 4 ? 3 : 15] = 99;
    CHECK_EQ(tcpsm_open(&c, &t, now), 0);
    out.buf = p + 40;
    out.cap = sizeof p - 40;
    n = tcpsm_output(&c, &out, now);
    CHECK_GT(n, 0);
    h = tcpsm_ip_build(p + 40, (uint32_t)n, &out);
    CHECK_EQ(h, family == 4 ? 20 : 40);
    CHECK_EQ(tcpsm_ip_input(m[to].st, p + 40 - h, (uint32_t)(n + h), &in,
                            clock_of(to)),
             0);
    CHECK_EQ(in.drop, 0);
    turn(to);
}

/* As run, but the blocks of A and of PEER are moved about. */
static uint32_t roam(tcpsm_time us, uint32_t every)
{
    tcpsm_time limit = now + us;
    uint32_t steps = 0;

    turn(A);
    turn(PEER);
    while (step(limit))
        if (every != 0 && ++steps % every == 0) {
            rebase(A);
            if (rnd(2))
                rebase(PEER);
        }
    return steps;
}

/* Flows of both directions through loss, some over and in TIME-WAIT, SYNs
   half open, all in one run */
static void town(uint8_t fam, uint32_t every)
{
    enum { N = 14 };
    struct tcpsm_stack_info s;
    uint32_t k, steps;

    CONTEXT("IPv%d, rebased every %u steps", fam, every);
    world(fam, 0);
    for (k = 0; k < N; k++)
        connected(k);
    rough(15000);
    for (k = 0; k < N; k++) {
        flow(k, k < 4 ? 10 : 14000 + 100 * k, k < 4 ? 20 : 12000 - 100 * k);
        ours[k].shut = theirs[k].shut = 1;
    }
    stray_syn(A, 5);
    stray_syn(PEER, 6);
    steps = roam(50 * MS, every);
    stray_syn(A, 7);
    tcpsm_stack_status(m[A].st, &s);
    CHECK_EQ(s.syns, 2);
    steps += roam(100 * SECOND, every);
    for (k = 0; k < N; k++)
        complete(k);
    CHECK(every == 0 || steps > 250);
    tcpsm_stack_status(m[A].st, &s);
    CHECK_EQ(s.syns, 0);
    CHECK_NE(s.timewaits, 0);
    CHECK_EQ(s.listeners, N / 2);
    no_trouble();
}

TEST(rebased_in_mid_transfer)
{
    uint32_t i, n;
    uint8_t fam;

    for (fam = 4; fam <= 6; fam = (uint8_t)(fam + 2)) {
        trace_n = 0;
        tracing = 0;
        town(fam, 0);
        n = first_run();
        for (i = 0; i < 2; i++) {
            tracing = 1;
            town(fam, i == 0 ? 20 : fam == 4 ? 1 : 3);
            same_as_first_run(n);
        }
    }
}

/* What waits in a queue waits there still: an unaccepted connection, a SYN
   that awaits a verdict, a reset for a stranger, news, output. */
TEST(rebased_with_full_queues)
{
    tcpsm_stack_config c = small();
    struct tcpsm_stack_info s, t;
    tcpsm_tuple who, me;
    tcpsm_conn *conn;
    tcpsm_in in = TCPSM_ZERO;
    tcpsm_ret l, ask;
    uint32_t n;

    tracing = -1;
    world(4, 0);
    machine_start(A, &c, 0, 1);
    connected(0);
    name(&me, A, 1003, 0);
    memset(me.remote, 0, 16);
    CHECK_GE(tcpsm_stack_listen(m[A].st, &me, 3, TCPSM_LISTEN_ASK, NULL), 0);
    listen_on(A, 1);
    dial(PEER, 1);
    dial(PEER, 3);
    dial(PEER, 5); /* nobody listens */
    flow(0, 0, 100);
    turn(PEER);
    now += 10 * MS; /* everything is here now, and A is asked nothing */
    while ((n = netsim_receive(&net, 0, packet, sizeof packet, now, NULL)))
        ;
    while ((n = netsim_receive(&net, 1, packet, sizeof packet, now, NULL)))
        CHECK_EQ(tcpsm_ip_input(m[A].st, packet, n, &in, clock_of(A)), 0);
    memset(&s, 0, sizeof s);
    memset(&t, 0, sizeof t);
    tcpsm_stack_status(m[A].st, &s);
    CHECK_EQ(s.syns, 2);
    CHECK_EQ(s.held, 1);
    CHECK_EQ(s.replies, 1);
    rebase(A);
    tcpsm_stack_status(m[A].st, &t);
    CHECK_MEM(&s, &t, sizeof s);
    CHECK_EQ(tcpsm_stack_deadline(m[A].st), 0);
    ask = tcpsm_stack_ask(m[A].st, &who);
    CHECK_GE(ask, 0);
    CHECK_EQ(who.remote_port, 2003);
    rebase(A);
    CHECK_EQ(tcpsm_stack_answer(m[A].st, ask, TCPSM_ACCEPT), 0);
    rebase(A);
    drain(A);
    now += 10 * MS;
    while (arrival(PEER))
        ;
    CHECK_EQ(theirs[5].error, TCPSM_E_REFUSED);
    now += 10 * MS;
    while ((n = netsim_receive(&net, 1, packet, sizeof packet, now, NULL)))
        CHECK_EQ(tcpsm_ip_input(m[A].st, packet, n, &in, clock_of(A)), 0);
    tcpsm_stack_status(m[A].st, &s);
    CHECK_EQ(s.unaccepted, 2);
    rebase(A);
    CHECK((conn = tcpsm_stack_accept(m[A].st, &l)) != NULL);
    tcpsm_name(conn, &who);
    CHECK(who.remote_port == 2001 || who.remote_port == 2003);
    end_set(&ours[who.remote_port - 2000], A, conn);
    rebase(A);
    run(SECOND);
    CHECK(ours[1].used && ours[3].used);
    CHECK_EQ(ours[0].got, 100);
    CHECK_EQ(tcpsm_state(ours[1].c), TCPSM_ESTABLISHED);
    CHECK_EQ(tcpsm_state(ours[3].c), TCPSM_ESTABLISHED);
    tracing = 0;
}

/* Connections with rings of one's own, orphans among them */
TEST(rebased_with_foreign_rings)
{
    uint32_t n, k;

    tracing = -1;
    world(4, 4242);
    for (k = 0; k < 4; k++)
        connected(k);
    for (k = 0; k < 4; k++) {
        flow(k, 30000, 30000);
        ours[k].shut = theirs[k].shut = 1;
    }
    wire = B;
    for (k = 0; k < 4; k++) {
        n = export_end(&ours[k]);
        forget_end(&ours[k]);
        import_end(&ours[k], B, n, 30000, 20000 + k);
    }
    turn(B);
    run(15 * MS);
    rebase(B);
    run(25 * MS);
    rebase(B);
    run(60 * SECOND);
    for (k = 0; k < 4; k++)
        complete(k);
    no_trouble();
    tracing = 0;
}

TEST(rebase_refuses_nonsense)
{
    machine *x = &m[A];
    tcpsm_stack *st = NULL;
    uint32_t i;
    uint8_t *copy;

    tracing = -1;
    world(4, 0);
    CHECK_EQ(tcpsm_stack_rebase(NULL, x->mem, x->size), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stack_rebase(&st, NULL, x->size), TCPSM_E_ARG);
    copy = (uint8_t *)malloc(x->size);
    CHECK(copy != NULL);
    for (i = 0; i < 3; i++) {
        memset(copy, i == 0 ? 0 : i == 1 ? 0xFF : 0x5A, x->size);
        CHECK_EQ(tcpsm_stack_rebase(&st, copy, x->size), TCPSM_E_BLOB);
        CHECK(st == NULL);
    }
    /* memory that is too short to hold one */
    for (i = 0; i < 200; i += 13)
        CHECK_LT(tcpsm_stack_rebase(&st, copy, i), 0);
    memcpy(copy, x->mem, x->size);
    CHECK_LT(tcpsm_stack_rebase(&st, copy, x->size / 2), 0);
    CHECK(st == NULL);
    memcpy(copy, x->mem, x->size);
    CHECK_EQ(tcpsm_stack_rebase(&st, copy, x->size), 0);
    CHECK_EQ(tcpsm_stack_check(st), 0);
    free(copy);
    for (i = 0; i < MACHINES; i++)
        machine_free((int)i);
    tracing = 0;
}
