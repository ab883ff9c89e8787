/* A controller of the user's: each hook is called when the comment at
   tcpsm_cc says, with the event filled in; what a controller leaves out is
   the built-in's of its id; and an exported connection finds its controller
   again, or NewReno. Segments have 1000 octets, a round trip 100 ms. */

#define PAIR_RING 1048576
#define PAIR_SLOTS 2048
#include "test.h"
#include "tcpsm.h"

#include "wire.h"

#include "../wire/stream.h"

enum { MSS = 1000 };
enum { INIT, ACKED, LOSS, TIMEOUT, IDLE, ECN, UNDO, HOOKS };

static struct {
    uint32_t n[HOOKS];
    tcpsm_cc_event last[HOOKS];
    tcpsm_cc_state before[HOOKS]; /* as the hook found it */
    uint32_t rounds, limited, total, sacks, order[16], orders;
    tcpsm_time first_round, last_round;
} saw;

static void note(int what, const tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    if (what == ACKED && e->acked == 0) { /* SACKed: an RTT sample */
        saw.sacks++;
        CHECK_NE(e->rtt_us, 0);
        CHECK_NE(e->sacked, 0);
        return;
    }
    saw.n[what]++;
    saw.last[what] = *e;
    saw.before[what] = *s;
    if (what != ACKED && saw.orders < 16)
        saw.order[saw.orders++] = (uint32_t)what;
    if (what != ACKED)
        return;
    saw.total += e->acked;
    saw.limited += e->app_limited;
    if (e->round_start) {
        if (saw.rounds++ == 0)
            saw.first_round = e->now;
        saw.last_round = e->now;
    }
}

static void my_init(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    note(INIT, s, e);
    s->cwnd = 20 * e->mss;
    s->ssthresh = 1000 * e->mss;
    s->w[0] = 11;
    s->w[3] = 44;
}

static void my_acked(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    note(ACKED, s, e);
}

static void my_loss(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    note(LOSS, s, e);
    s->ssthresh = 12 * e->mss;
}

static void my_timeout(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    note(TIMEOUT, s, e);
    s->ssthresh = 9 * e->mss;
    s->cwnd = 2 * e->mss;
}

static void my_idle(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    note(IDLE, s, e);
    s->cwnd = 5 * e->mss;
}

static void my_ecn(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    note(ECN, s, e);
    s->cwnd = s->ssthresh = 8 * e->mss;
}

static void my_undo(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    note(UNDO, s, e);
    s->w[1]++;
}

static const tcpsm_cc mine = {200,        my_init, my_acked, my_loss,
                              my_timeout, my_idle, my_ecn,   my_undo};

static struct tcpsm_info info(void)
{
    return stream_info();
}

static uint32_t una(void)
{
    return info().snd_una - w.iss;
}

/* What the checks of pair.h do to copies would be seen by the hooks. */
static void begin(const tcpsm_cc *cc, const char *options)
{
    memset(&saw, 0, sizeof saw);
    START();
    w.p.no_laws = 1;
    w.cfg.cc = cc;
    w.cfg.flags = TCPSM_NO_TS | TCPSM_NODELAY;
    OPEN();
    CHECK_EQ(saw.n[INIT], 0);
    wire__fill();
    wire__take();
    WAIT(0.1);
    WIRE__STEP("SA 0 ack 1 mss %u win 65535 ws 4 %s", MSS, options);
    wire__in_expect(0, 0);
    w.peer_win = 65535;
    wire__fill();
    wire__take();
    STATE(TCPSM_ESTABLISHED);
    IN("A 1 ack 1");
}

/* ---- one hook after the other ------------------------------------------- */

/* Once, at ESTABLISHED, with zeroed words */
TEST(init)
{
    tcpsm_cc_state zero;
    memset(&zero, 0, sizeof zero);
    begin(&mine, "sackok");
    CHECK_EQ(saw.n[INIT], 1);
    CHECK_EQ(saw.last[INIT].mss, MSS);
    CHECK_EQ(saw.last[INIT].initial_window, 10 * MSS);
    CHECK_EQ(saw.last[INIT].flight, 0);
    CHECK_EQ(saw.last[INIT].now, w.p.now);
    CHECK_EQ(saw.last[INIT].srtt_us, 100000);
    CHECK_MEM(saw.before[INIT].w, zero.w, sizeof zero.w);
    CHECK_EQ(info().cwnd, 20 * MSS);
    CHECK_EQ(info().ssthresh, 1000 * MSS);
    CHECK_EQ(info().cc_id, 200);
    CHECK_EQ(saw.orders, 1);
}

/* After a lost SYN the initial window is one segment. RFC5681-4 */
TEST(init_after_a_lost_syn)
{
    memset(&saw, 0, sizeof saw);
    START();
    w.p.no_laws = 1;
    w.cfg.cc = &mine;
    OPEN();
    OUT("S 0 mss 1460");
    AT(1);
    OUT("S 0 mss 1460");
    AT(1.1);
    IN("SA 0 ack 1 mss 1000");
    OUT("A 1 ack 1");
    CHECK_EQ(saw.last[INIT].initial_window, MSS);
    CHECK_EQ(saw.last[INIT].srtt_us, 0);
}

/* For every ACK of new data, with what it is about */
TEST(acked)
{
    const tcpsm_cc_event *e = &saw.last[ACKED];
    begin(&mine, "sackok");
    SEND(60000);
    FLIGHT(1, 20, MSS);
    NONE();
    AT(0.2);
    IN("A 1 ack 2001");
    CHECK_EQ(saw.n[ACKED], 1);
    CHECK_EQ(e->now, w.p.now);
    CHECK_EQ(e->mss, MSS);
    CHECK_EQ(e->flight, 20 * MSS);
    CHECK_EQ(e->acked, 2000);
    CHECK_EQ(e->sacked, 0);
    CHECK_EQ(e->ce_bytes, 0);
    CHECK_EQ(e->rtt_us, 100000);
    CHECK_EQ(e->min_rtt_us, 100000);
    CHECK_EQ(e->srtt_us, 100000);
    CHECK_EQ(e->app_limited, 0);
    CHECK_EQ(e->round_start, 1);
    CHECK_EQ(e->again, 0);
    CHECK_EQ(e->paced, 0);
    FLIGHT(20001, 2, MSS);
    AT(0.25);
    IN("A 1 ack 3001");
    CHECK_EQ(saw.n[ACKED], 2);
    CHECK_EQ(e->acked, 1000);
    CHECK_EQ(e->rtt_us, 150000);
    CHECK_EQ(e->round_start, 0);
    FLIGHT(22001, 1, MSS);
    IN("A 1 ack 3001 win 60000"); /* nothing new */
    IN("A 1 ack 2001");
    CHECK_EQ(saw.n[ACKED], 2);
    IN("A 1 ack 3501"); /* part of a segment */
    CHECK_EQ(saw.n[ACKED], 3);
    CHECK_EQ(e->acked, 500);
    CHECK_EQ(saw.before[ACKED].w[0], 11);
    CHECK_EQ(saw.before[ACKED].w[3], 44);
}

/* The first ACK of a round: of what was sent after the last such ACK */
TEST(round_start)
{
    uint32_t k, round;
    begin(&mine, "sackok");
    SEND(400000);
    for (round = 0; round < 10; round++) {
        uint32_t n, was = saw.rounds;
        stream_drain();
        n = (info().snd_nxt - info().snd_una) / MSS;
        CHECK_EQ(n, 20);
        w.p.now += 100000;
        for (k = 0; k < n; k++) {
            INF("A 1 ack %u", una() + MSS);
            CHECK_EQ(saw.last[ACKED].round_start, k == 0);
            stream_drain();
        }
        CHECK_EQ(saw.rounds, was + 1);
    }
}

/* A sample is of what was sent once. RFC6298-7 */
TEST(rtt_and_karn)
{
    begin(&mine, "");
    SEND(60000);
    FLIGHT(1, 20, MSS);
    while (saw.n[TIMEOUT] == 0) {
        w.p.now = tcpsm_deadline(w.c);
        stream_drain();
    }
    WAIT(0.1);
    IN("A 1 ack 1001");
    CHECK_EQ(saw.last[ACKED].acked, 1000);
    CHECK_EQ(saw.last[ACKED].rtt_us, 0);
}

TEST(app_limited)
{
    begin(&mine, "sackok");
    SEND(1000);
    FLIGHT(1, 1, MSS);
    WAIT(0.1);
    IN("A 1 ack 1001");
    CHECK_EQ(saw.last[ACKED].app_limited, 1);
    SEND(60000);
    FLIGHT(1001, 20, MSS);
    WAIT(0.1);
    IN("A 1 ack 2001");
    CHECK_EQ(saw.last[ACKED].app_limited, 0);
}

/* Once, when recovery begins; in it `acked` is silent and PRR steers; at
   its end cwnd is ssthresh (RFC9937-8). */
TEST(loss)
{
    uint32_t k, n;
    begin(&mine, "sackok");
    SEND(60000);
    FLIGHT(1, 20, MSS);
    AT(0.2);
    for (k = 2; k <= 10; k++) {
        INF("A 1 ack 1 sack 1001:%u", 1 + 1000 * k);
        stream_drain();
    }
    CHECK_EQ(saw.n[LOSS], 1);
    CHECK_EQ(saw.n[ACKED], 0);
    CHECK_EQ(saw.sacks, 2); /* before it began */
    CHECK_EQ(saw.last[LOSS].flight, 20 * MSS);
    CHECK_EQ(saw.last[LOSS].mss, MSS);
    CHECK_EQ(saw.before[LOSS].cwnd, 20 * MSS);
    CHECK_EQ(info().ssthresh, 12 * MSS);
    CHECK_EQ(info().in_recovery, 1);
    n = info().snd_nxt - w.iss;
    INF("A 1 ack 1 sack 1001:%u", n); /* the rest has arrived */
    stream_drain();
    CHECK_EQ(saw.n[ACKED], 0);
    w.p.now += 50000;
    stream_drain();
    INF("A 1 ack %u", n);
    CHECK_EQ(info().in_recovery, 0);
    CHECK_EQ(info().cwnd, 12 * MSS);
    CHECK_EQ(saw.n[LOSS], 1);
    stream_drain();
    k = saw.n[ACKED];
    WAIT(0.1);
    INF("A 1 ack %u", una() + MSS);
    CHECK_EQ(saw.n[ACKED], k + 1);
}

/* Without SACK the same, by three duplicates */
TEST(loss_without_sack)
{
    uint32_t k;
    begin(&mine, "");
    SEND(60000);
    FLIGHT(1, 20, MSS);
    AT(0.2);
    for (k = 0; k < 6; k++) {
        IN("A 1 ack 1");
        stream_drain();
    }
    CHECK_EQ(saw.n[LOSS], 1);
    CHECK_EQ(saw.n[ACKED], 0);
    CHECK_EQ(saw.last[LOSS].flight, 20 * MSS); /* limited transmit apart */
    CHECK_EQ(info().ssthresh, 12 * MSS);
    WAIT(0.1);
    INF("A 1 ack %u", info().snd_nxt - w.iss);
    CHECK_EQ(info().in_recovery, 0);
    CHECK_LE(info().cwnd, 12u * MSS);
}

/* ssthresh and cwnd are the controller's; `again` tells repeats. */
TEST(timeout)
{
    begin(&mine, "sackok");
    SEND(60000);
    FLIGHT(1, 20, MSS);
    while (saw.n[TIMEOUT] == 0) {
        w.p.now = tcpsm_deadline(w.c);
        stream_drain();
    }
    CHECK_EQ(info().ssthresh, 9 * MSS);
    CHECK_EQ(info().cwnd, 2 * MSS);
    CHECK_EQ(saw.last[TIMEOUT].again, 0);
    CHECK_GE(saw.last[TIMEOUT].flight, 20u * MSS);
    CHECK_LE(saw.last[TIMEOUT].flight, 21u * MSS); /* a probe may be more */
    while (saw.n[TIMEOUT] == 1) {
        w.p.now = tcpsm_deadline(w.c);
        stream_drain();
    }
    CHECK_EQ(saw.last[TIMEOUT].again, 1);
    WAIT(0.1);
    INF("A 1 ack %u", info().snd_nxt - w.iss);
    stream_drain();
    while (saw.n[TIMEOUT] == 2) {
        w.p.now = tcpsm_deadline(w.c);
        stream_drain();
    }
    CHECK_EQ(saw.last[TIMEOUT].again, 0); /* other data */
    CHECK_EQ(saw.n[LOSS], 0);
}

TEST(idle)
{
    begin(&mine, "sackok");
    SEND(20 * MSS);
    stream_drain();
    WAIT(0.1);
    INF("A 1 ack %u", 20 * MSS + 1);
    WAIT(10);
    CHECK_EQ(saw.n[IDLE], 0); /* when something is to be sent */
    SEND(60000);
    CHECK_EQ(stream_drain(), 5);
    CHECK_EQ(saw.n[IDLE], 1);
    CHECK_EQ(saw.last[IDLE].now, w.p.now);
    CHECK_EQ(saw.last[IDLE].flight, 0);
    CHECK_EQ(saw.last[IDLE].initial_window, 10 * MSS);
    CHECK_EQ(saw.before[IDLE].cwnd, 20 * MSS);
}

/* cwnd and ssthresh are as before the reduction when it is called. */
TEST(undo)
{
    uint32_t n;
    begin(&mine, "sackok");
    SEND(60000);
    FLIGHT(1, 20, MSS);
    AT(0.2);
    IN("A 1 ack 1 sack 1001:2001");
    IN("A 1 ack 1 sack 1001:3001");
    IN("A 1 ack 1 sack 1001:4001");
    stream_drain();
    CHECK_EQ(saw.n[LOSS], 1);
    CHECK_EQ(COUNT(retransmits), 1);
    n = info().snd_nxt - w.iss;
    INF("A 1 ack %u", n);
    CHECK_EQ(saw.n[UNDO], 0);
    stream_drain();
    INF("A 1 ack %u sack 1:1001", n);
    CHECK_EQ(saw.n[UNDO], 1);
    CHECK_EQ(saw.before[UNDO].cwnd, 20 * MSS);
    CHECK_LE(saw.before[UNDO].ssthresh, 1000u * MSS); /* kept in 16 bits */
    CHECK_GE(saw.before[UNDO].ssthresh, 999u * MSS);
    CHECK_EQ(saw.before[UNDO].w[0], 11);
    CHECK_EQ(COUNT(undone), 1);
}

/* Whatever a controller sets, the core keeps to 1 SMSS and 2^30. */
static void nonsense(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    (void)e;
    s->cwnd = 0;
    s->ssthresh = 0xFFFFFFFF;
}

static void nonsense_too(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    (void)e;
    s->cwnd = 0xFFFFFFFF;
    s->ssthresh = 0;
}

TEST(nonsense_is_bounded)
{
    static const tcpsm_cc low = {250,      nonsense, nonsense, nonsense,
                                 nonsense, nonsense, nonsense, nonsense};
    static const tcpsm_cc high = {251,          nonsense_too, nonsense_too,
                                  nonsense_too, nonsense_too, nonsense_too,
                                  nonsense_too, nonsense_too};
    uint32_t k;
    begin(&low, "sackok");
    CHECK_EQ(info().cwnd, MSS);
    CHECK_LE(info().ssthresh, 0x3FFFFFFFu);
    SEND(30000);
    for (k = 0; k < 30; k++) {
        CHECK_EQ(stream_drain(), 1);
        INF("A 1 ack %u", una() + MSS);
        CHECK_EQ(tcpsm_check(w.c), 0);
    }
    begin(&high, "sackok");
    CHECK_LE(info().cwnd, 0x3FFFFFFFu);
    CHECK_EQ(info().ssthresh, 2 * MSS);
    SEND(400000);
    for (k = 0; k < 50; k++) {
        while (stream_drain())
            ;
        if (info().snd_nxt == info().snd_una)
            break;
        w.p.now += 100000;
        switch (k % 4) {
        case 0:
            INF("A 1 ack %u sack %u:%u", una(), una() + 1000, una() + 9000);
            break;
        case 1:
            w.p.now =
                tcpsm_deadline(w.c) > w.p.now ? tcpsm_deadline(w.c) : w.p.now;
            break;
        default:
            INF("A 1 ack %u", una() + MSS);
            break;
        }
        CHECK_EQ(tcpsm_check(w.c), 0);
        CHECK_LE(info().cwnd, 0x3FFFFFFFu);
    }
}

/* ---- marks (needs ECN on the wire) -------------------------------------- */

/* Once a round, outside recovery too; RFC3168: ECE in ACKs */
TEST(ecn)
{
    memset(&saw, 0, sizeof saw);
    START();
    w.p.no_laws = 1;
    w.cfg.cc = &mine;
    w.cfg.flags = TCPSM_NO_TS | TCPSM_NODELAY | TCPSM_ECN;
    OPEN();
    OUT("SEC 0 mss 1460 ws * sackok");
    WAIT(0.1);
    IN("SAE 0 ack 1 mss 1000 win 65535 ws 4 sackok");
    OUT("A 1 ack 1");
    CHECK_EQ(info().ecn, 1);
    SEND(60000);
    FLIGHT(1, 20, MSS);
    WAIT(0.1);
    IN("AE 1 ack 1001");
    CHECK_EQ(saw.n[ECN], 1);
    CHECK_EQ(saw.before[ECN].cwnd, 20 * MSS);
    CHECK_EQ(saw.last[ECN].flight, 20 * MSS);
    CHECK_EQ(info().cwnd, 8 * MSS);
    CHECK_EQ(info().ssthresh, 8 * MSS);
    CHECK_EQ(COUNT(ecn_reductions), 1);
    IN("AE 1 ack 2001");
    IN("AE 1 ack 20001");
    CHECK_EQ(saw.n[ECN], 1); /* the same round */
    stream_drain();
    WAIT(0.1);
    INF("AE 1 ack %u", info().snd_nxt - w.iss);
    CHECK_EQ(saw.n[ECN], 2);
}

/* ---- what is left out --------------------------------------------------- */

static void only_acked(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    note(ACKED, s, e);
    if (e->acked != 0)
        s->cwnd += 3 * e->mss;
}

static uint32_t reduced_by(const tcpsm_cc *cc, int by_timer)
{
    uint32_t was;
    begin(cc, "sackok");
    CHECK_EQ(info().cwnd, 10 * MSS); /* the built-in's init */
    SEND(60000);
    FLIGHT(1, 10, MSS);
    AT(0.2);
    IN("A 1 ack 1001");
    CHECK_EQ(saw.n[ACKED], 1);
    CHECK_EQ(info().cwnd, 13 * MSS);
    stream_drain();
    was = info().snd_nxt - info().snd_una;
    CHECK_EQ(was, 13 * MSS);
    if (by_timer) {
        while (COUNT(timeouts) == 0) {
            w.p.now = tcpsm_deadline(w.c);
            stream_drain();
        }
        CHECK_EQ(info().cwnd, MSS);
    } else {
        IN("A 1 ack 1001 sack 2001:3001");
        IN("A 1 ack 1001 sack 2001:4001");
        IN("A 1 ack 1001 sack 2001:5001");
        stream_drain();
        CHECK_EQ(info().in_recovery, 1);
    }
    return info().ssthresh;
}

/* A NULL hook is the built-in's of that id; an unknown id's is NewReno's. */
TEST(left_out)
{
    static const uint32_t ids[] = {
        TCPSM_CC_NEWRENO, 200, 3, 255, TCPSM_CC_CUBIC, TCPSM_CC_DEFAULT};
    uint32_t k;
    for (k = 0; k < 6; k++) {
        tcpsm_cc cc;
        int is_cubic = k >= 4;
        memset(&cc, 0, sizeof cc);
        cc.id = ids[k];
        cc.acked = only_acked;
        CONTEXT("id %u", ids[k]);
        CHECK_EQ(reduced_by(&cc, 0), is_cubic ? 9100 : 6500);
        CHECK_GE(reduced_by(&cc, 1), is_cubic ? 9100u : 6500u);
        CHECK_LE(info().ssthresh, is_cubic ? 9900u : 7100u);
        CHECK_EQ(info().cc_id, is_cubic ? TCPSM_CC_CUBIC : ids[k]);
    }
}

/* An id that does not fit is refused. */
TEST(id_out_of_range)
{
    static const uint32_t ids[] = {256, 1000, 0xFFFFFFFF};
    uint32_t k;
    for (k = 0; k < 3; k++) {
        tcpsm_cc cc = mine;
        cc.id = ids[k];
        START();
        w.cfg.cc = &cc;
        CHECK_EQ(tcpsm_init(w.c, &w.cfg), TCPSM_E_ARG);
    }
}

/* ---- moving ------------------------------------------------------------- */

static tcpsm_conn other;
static uint8_t blob[2 * PAIR_RING], other_rcv[PAIR_RING],
    other_snd[PAIR_RING];

static void move(const tcpsm_cc *to)
{
    tcpsm_config cfg = w.cfg;
    tcpsm_ret n = tcpsm_export(w.c, blob, sizeof blob, w.p.now);
    CHECK_GT(n, 0);
    cfg.cc = to;
    CHECK_EQ(tcpsm_init(&other, &cfg), 0);
    tcpsm_attach(&other, TCPSM_RECEIVE, other_rcv, sizeof other_rcv, NULL);
    tcpsm_attach(&other, TCPSM_SEND, other_snd, sizeof other_snd, NULL);
    w.ret = tcpsm_import(&other, &cfg, blob, (uint32_t)n, w.p.now + 12345);
}

/* Where the controller is known it goes on with its words; where it is not
   NewReno takes over, from the same window, or what the configuration names. */
TEST(export_and_import)
{
    static const tcpsm_cc cubic = {TCPSM_CC_CUBIC, NULL, NULL, NULL,
                                   NULL,           NULL, NULL, NULL};
    const tcpsm_cc *to[3];
    uint32_t k;
    to[0] = NULL;
    to[1] = &cubic;
    to[2] = &mine;
    for (k = 0; k < 3; k++) {
        struct tcpsm_info i;
        uint32_t inits;
        CONTEXT("to %u", k);
        begin(&mine, "sackok");
        SEND(60000);
        FLIGHT(1, 20, MSS);
        WAIT(0.1);
        IN("A 1 ack 1001");
        stream_drain();
        inits = saw.n[INIT];
        move(to[k]);
        CHECK_EQ(w.ret, 0);
        CHECK_EQ(saw.n[INIT], inits);
        CHECK_EQ(tcpsm_check(&other), 0);
        tcpsm_status(&other, &i);
        CHECK_EQ(i.cc_id, k == 2   ? 200
                          : k == 1 ? TCPSM_CC_CUBIC
                                   : TCPSM_CC_NEWRENO);
        CHECK_EQ(i.cwnd, 20 * MSS);
        CHECK_EQ(i.ssthresh, 1000 * MSS);
        wire__step(__FILE__, __LINE__, "A 1 ack 3001");
        wire__build(w.text);
        memset(&saw, 0, sizeof saw);
        CHECK_EQ(tcpsm_input(&other, &w.in, w.p.now + 12345 + 1000), 0);
        tcpsm_status(&other, &i);
        CHECK_EQ(saw.n[ACKED], k == 2);
        if (k == 2)
            CHECK_EQ(saw.before[ACKED].w[3], 44);
        else
            CHECK_EQ(i.cwnd, 22 * MSS); /* slow start */
    }
}

/* A built-in's state means nothing to a controller that it was not, nor
   the other way round: between built-ins as well. */
TEST(import_between_built_ins)
{
    static const tcpsm_cc reno = {
        TCPSM_CC_NEWRENO, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    struct tcpsm_info i;
    begin(&reno, "sackok");
    move(NULL);
    CHECK_EQ(w.ret, 0);
    tcpsm_status(&other, &i);
    CHECK(i.cc_id == TCPSM_CC_NEWRENO || i.cc_id == TCPSM_CC_CUBIC);
    CHECK_EQ(i.cwnd, 10 * MSS);
    CHECK_EQ(tcpsm_check(&other), 0);
}

/* ---- on a path ---------------------------------------------------------- */

static void wide(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    note(INIT, s, e);
    s->cwnd = 50 * e->mss;
    s->ssthresh = 2 * e->mss;
}

static void counted(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    double rate = e->interval_us ? e->delivered * 8.0 / e->interval_us : 0;
    note(ACKED, s, e);
    CHECK_GE(e->rtt_us, e->rtt_us ? 40000u : 0u);
    CHECK(e->min_rtt_us == 0 || e->min_rtt_us >= 40000);
    CHECKF(rate < 11, "a rate of %.2f Mbit/s of 10", rate);
}

static pair p;

/* 10 Mbit/s, 40 ms, a window of 50 segments: 58 ms a round trip. Rounds
   are counted right, samples are never below the path's, what is
   acknowledged adds up; a rate sample, if given, is not above the link. */
TEST(on_a_path)
{
    static const tcpsm_cc fixed = {202,  wide, counted, NULL,
                                   NULL, NULL, NULL,    NULL};
    static struct tcpsm_counters n;
    pair_options o;
    double rounds;
    memset(&o, 0, sizeof o);
    memset(&saw, 0, sizeof saw);
    memset(&n, 0, sizeof n);
    o.cfg[0].cc = &fixed;
    o.cfg[0].counters = &n;
    pair_init(&p, &o);
    p.no_laws = 1;
    p.net.link[PAIR_A].rate = 10000000;
    p.net.link[PAIR_A].delay_us = p.net.link[PAIR_B].delay_us = 20000;
    CHECK(pair_connect(&p));
    p.flow[PAIR_A].total = 100000000;
    pair_run(&p, 3 * PAIR_SECOND);
    CHECK_EQ(n.retransmits, 0);
    CHECK_LE(saw.total, p.flow[PAIR_A].got);
    CHECK_GE(saw.total + 100000u, p.flow[PAIR_A].got);
    CHECK_GT(saw.total, 3000000u);
    rounds = (double)(saw.last_round - saw.first_round) / (saw.rounds - 1);
    CHECKF(rounds > 52000 && rounds < 66000, "a round of %.0f us", rounds);
    CHECKF(saw.limited < saw.n[ACKED] / 20, "%u of %u limited", saw.limited,
           saw.n[ACKED]);
}

static uint32_t least_rtt, samples;

static void widest(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    s->cwnd = 500 * e->mss;
    s->ssthresh = 2 * e->mss;
}

static void timed(tcpsm_cc_state *s, const tcpsm_cc_event *e)
{
    (void)s;
    if (e->rtt_us == 0 || e->now < 3 * PAIR_SECOND)
        return;
    samples++;
    if (e->rtt_us < least_rtt)
        least_rtt = e->rtt_us;
}

/* 500 segments on the way at 10 Mbit/s take 600 ms: with eight runs for
   them, samples are no smaller than that (but for a tenth, and a tick);
   nor is the least of all below the path's 40 ms. RFC8985-2, RFC6298-4 */
TEST(samples_of_a_large_flight)
{
    static const tcpsm_cc fixed = {203,  widest, timed, NULL,
                                   NULL, NULL,   NULL,  NULL};
    static const uint32_t flags[] = {0, TCPSM_NO_TS, TCPSM_NO_SACK,
                                     TCPSM_NO_TS | TCPSM_NO_SACK};
    uint32_t k;
    for (k = 0; k < 4; k++) {
        struct tcpsm_info i;
        pair_options o;
        CONTEXT("flags %u", flags[k]);
        memset(&o, 0, sizeof o);
        o.cfg[0].cc = &fixed;
        o.cfg[0].flags = o.cfg[1].flags = flags[k];
        least_rtt = 0xFFFFFFFF;
        samples = 0;
        pair_init(&p, &o);
        p.no_laws = 1;
        p.net.link[PAIR_A].rate = 10000000;
        p.net.link[PAIR_A].delay_us = p.net.link[PAIR_B].delay_us = 20000;
        CHECK(pair_connect(&p));
        p.flow[PAIR_A].total = 100000000;
        pair_run(&p, 5 * PAIR_SECOND);
        tcpsm_status(&p.c[PAIR_A], &i);
        /* without timestamps one a round trip is what there must be */
        CHECK_GE(samples, flags[k] & TCPSM_NO_TS ? 4u : 20u);
        CHECKF(least_rtt > 520000, "a sample of %u us", least_rtt);
        CHECKF(i.srtt_us > (flags[k] & TCPSM_NO_TS ? 150000 : 540000) &&
                   i.srtt_us < 720000,
               "SRTT %u us", i.srtt_us);
        CHECKF(i.min_rtt_us >= 39000, "min_RTT %u us", i.min_rtt_us);
    }
}
