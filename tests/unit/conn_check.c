/* tcpsm_check: for each number that it can return one damage that causes
   exactly that number, in a connection that was sound before. (That
   nothing else causes one, every other test says after each step.) */

#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

#include "pair.h"

#include "conn_states.h"

static pair p;
static uint32_t words[2000];

static tcpsm_conn *scene(const char *name)
{
    int i;
    for (i = 0; i < SCENES; i++)
        if (strcmp(scenes[i].name, name) == 0)
            return &p.c[scene_make(&p, i)];
    FAIL("no scene %s", name);
    return NULL;
}

#define RICH "established, everything"

#define DAMAGE(number, name, change)                                         \
    TEST(invariant_##number)                                                 \
    {                                                                        \
        tcpsm_conn *c = scene(name);                                         \
        CHECK_EQ(tcpsm_check(c), 0);                                         \
        change;                                                              \
        CHECK_EQ(tcpsm_check(c), -(number));                                 \
    }

/* numbers that are out of range */
DAMAGE(1, RICH, c->state = TCPSM_STATES)
DAMAGE(2, RICH, c->scales |= 15)
DAMAGE(3, RICH, c->opts |= 15u << 12)
DAMAGE(4, RICH, c->mtu = 20 + 20 + TCPSM__MSS_FLOOR - 1)
DAMAGE(5, RICH, c->mss = TCPSM__MSS_FLOOR - 1)
DAMAGE(6, RICH, c->snd_wnd = TCPSM_MAX_RING + 1)
DAMAGE(7, RICH, memset(c->key, 0, 16))

DAMAGE(8, RICH, c->ptb_mtu = c->mtu)

/* rings */
DAMAGE(10, RICH, c->p.rcv = NULL)
DAMAGE(11, RICH, c->rcv_len = c->rcv_cap + 1)
DAMAGE(12, RICH, c->rcv_head = c->rcv_cap)
DAMAGE(13, RICH, c->p.snd = NULL)
DAMAGE(14, RICH, c->snd_cap = TCPSM_MAX_RING + 1)
DAMAGE(15, RICH, c->snd_head = c->snd_cap)
DAMAGE(16, RICH, c->rcv_edge = c->rcv_nxt + TCPSM_MAX_RING + 0x10001u)
DAMAGE(17, RICH, c->rcv_edge = c->rcv_nxt + c->rcv_cap - c->rcv_len + 1)

DAMAGE(18, "syn-sent", c->rcv_len = 1)

/* tables */
DAMAGE(20, RICH, c->p.tables = words)
DAMAGE(21, RICH, c->p.tables = words; c->table_cap = TCPSM_RUNS - 1)
DAMAGE(22, RICH, c->run_end[0] = c->snd_una)
DAMAGE(23, RICH, c->range_start[0] = c->rcv_nxt)
DAMAGE(24, "close-wait", c->ranges_n = 1; c->rcv_edge = c->rcv_nxt + 100;
       c->range_start[0] = c->rcv_nxt + 1; c->range_end[0] = c->rcv_nxt + 2;
       c->range_order[0] = 0)
DAMAGE(25, RICH, c->p.rcv = NULL; c->rcv_cap = c->rcv_len = c->rcv_head = 0)
DAMAGE(26, "established, keepalive", c->flags |= TCPSM__F_FIN_HELD)
DAMAGE(27, RICH, c->dsack_len[1] = 5; c->dsack_len[0] = 0)

/* flags and states */
DAMAGE(30, RICH, c->flags |= TCPSM__F_SYN_OUT)
DAMAGE(31, RICH, c->flags |= TCPSM__F_FIN_RCVD)
DAMAGE(32, "fin-wait-1", c->flags &= ~TCPSM__F_FIN_QUEUED)
DAMAGE(33, RICH, c->flags |= TCPSM__F_FIN_SENT)
DAMAGE(34, "syn-sent", c->snd_nxt = c->snd_una + c->snd_len + 2;
       c->run_end[0] = c->snd_nxt)
DAMAGE(35, RICH, c->snd_len = 1)
DAMAGE(36, "last-ack", c->flags |= TCPSM__F_FIN_SENT | TCPSM__F_FIN_QUEUED;
       c->snd_len++)
DAMAGE(37, "closing", c->snd_una = c->snd_nxt; c->runs_n = 0; c->snd_len = 1)
DAMAGE(38, "fin-wait-2", c->flags &= ~TCPSM__F_FIN_SENT)
DAMAGE(39, "listen", c->snd_len = 1)
DAMAGE(40, "established, marks", c->eor = c->snd_nxt)
DAMAGE(41, "established, marks", c->eor = c->snd_una + c->snd_len + 1)
DAMAGE(42, RICH, c->flags |= TCPSM__F_RST_DUE)

DAMAGE(43, RICH, c->flags |= TCPSM__F_PROBE_DUE)
DAMAGE(44, RICH, c->flags |= TCPSM__F_KEEP_DUE)

DAMAGE(45, RICH, c->flags |= TCPSM__F_SYN_DUE)
DAMAGE(46, "syn-sent", c->flags |= TCPSM__F_FIN_QUEUED | TCPSM__F_FIN_SENT;
       c->snd_len = 0)
DAMAGE(47, RICH, c->flags |= TCPSM__F_FIN_QUEUED)
DAMAGE(48, "closing", c->snd_una = c->snd_nxt; c->runs_n = 0)

/* timers and estimates */
DAMAGE(50, RICH, c->more |= TCPSM__M_KIND)
DAMAGE(51, RICH, c->more &= (uint8_t)~TCPSM__M_KIND)
DAMAGE(52, RICH, c->timers |= TCPSM__T_AUX)
DAMAGE(53, "closed", c->timers |= TCPSM__T_ACK)
DAMAGE(54, RICH, c->cc.cwnd = 1)
DAMAGE(55, RICH, c->cc.cwnd = TCPSM__MAX_CWND + 1)
DAMAGE(56, RICH, c->cc.ssthresh = TCPSM__MAX_CWND + 1)
DAMAGE(57, RICH, c->srtt = 0x10000000u)
DAMAGE(58, RICH, c->error = 18)

/* options */
DAMAGE(60, RICH, c->ack_every = 0)
DAMAGE(61, RICH, c->keep_count = 1)
DAMAGE(62, RICH, c->k_ack_delay = tcpsm__k_enc(500000))
DAMAGE(63, RICH, c->k_rto_max = 0)
DAMAGE(64, RICH, c->k_rto_min = tcpsm__k_enc(61000000))
DAMAGE(65, RICH, c->clock = 0xFF)
DAMAGE(66, RICH, c->k_msl = TCPSM__K_OFF)

/* recovery */
DAMAGE(70, RICH, c->flags2 |= TCPSM__N_REO)
DAMAGE(71, RICH, c->flags2 |= TCPSM__N_TLP_DUE;
       c->more = (uint8_t)((c->more & ~TCPSM__M_KIND) | TCPSM__RTX_RTO))
DAMAGE(72, RICH, c->flags2 |= TCPSM__N_FRTO_1)
DAMAGE(73, RICH, c->flags2 |= TCPSM__N_TLP;
       c->u.open.tlp_end = c->snd_nxt + 1)
DAMAGE(74, RICH, c->flags |= TCPSM__F_RECOVERY; c->flags2 |= TCPSM__N_LOSS)
DAMAGE(75, RICH, c->pace = 0)
DAMAGE(76, RICH, c->flags2 |= TCPSM__N_UNDO; c->flags |= TCPSM__F_SND_URG)

/* Every number in the source is in this file. */
TEST(every_number_has_a_test)
{
    static char line[400];
    static uint8_t have[100];
    FILE *f = fopen(__FILE__, "r");
    int n, inside = 0, found = 0;
    if (f == NULL)
        SKIP("the source is not here");
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "DAMAGE(%d,", &n) == 1)
            have[n] = 1;
    fclose(f);
    f = fopen("tcpsm.h", "r");
    if (f == NULL)
        SKIP("tcpsm.h is not in the working directory");
    while (fgets(line, sizeof line, f)) {
        if (strstr(line, "int tcpsm__check_"))
            inside = 1;
        if (inside && strstr(line, "tcpsm_ret tcpsm_check("))
            break;
        if (inside && sscanf(line, " return %d;", &n) == 1 && n > 0) {
            CHECKF(n < 100 && have[n], "invariant %d has no test", n);
            found++;
        }
    }
    fclose(f);
    CHECK_GT(found, 40);
}

/* The invariants hold whatever the configuration says, when it is taken at
   all: nonsense is refused by tcpsm_init and not by a later check. */
TEST(configurations_are_sound_or_refused)
{
    static const uint32_t v[] = {
        0,          1,          47,       68,       88,       107,
        108,        255,        499900,   499901,   499999,   500000,
        600000,     1800000,    1800001,  60000000, 60000001, 0x3FFFC000,
        0x3FFFC001, 0xFFFFFFFE, TCPSM_OFF};
    uint32_t field, i, taken = 0;
    for (field = 0; field < 20; field++)
        for (i = 0; i < sizeof v / sizeof *v; i++) {
            tcpsm_config f = TCPSM_ZERO;
            tcpsm_conn c;
            tcpsm_tuple t = TCPSM_ZERO;
            static uint8_t ring[512];
            uint32_t *w[] = {
                &f.flags,        &f.rcv_max,          &f.rcv_promise,
                &f.clock_us,     &f.ack_delay_us,     &f.rto_min_us,
                &f.rto_max_ms,   &f.syn_limit_ms,     &f.user_timeout_ms,
                &f.keep_idle_ms, &f.keep_interval_ms, &f.msl_ms};
            uint8_t *b[] = {
                &f.initial_segments, &f.keep_count,     &f.dscp, &f.ttl,
                &f.ack_every,        &f.challenge_limit};
            int k;
            CONTEXT("field %u value %u", field, v[i]);
            f.key[0] = 1;
            if (field < 12)
                *w[field] = v[i];
            else if (field < 18)
                *b[field - 12] = (uint8_t)v[i];
            else
                f.mtu = (uint16_t)v[i];
            if (tcpsm_init(&c, &f) != 0)
                continue;
            taken++;
            CHECK_EQ(tcpsm_check(&c), 0);
            if (field != 2) /* a ring smaller than the promise */
                CHECK_EQ(tcpsm_attach(&c, TCPSM_RECEIVE, ring, 512, NULL), 0);
            for (k = 4; k <= 6; k += 2) {
                tcpsm_conn d = c;
                memset(&t, 0, sizeof t);
                t.family = (uint8_t)k;
                t.local[0] = t.remote[0] = 0xA;
                t.remote[3] = 1;
                t.local_port = t.remote_port = 1;
                CHECK_EQ(tcpsm_open(&d, &t, 5), 0);
                CHECK_EQ(tcpsm_check(&d), 0);
                d = c;
                CHECK_EQ(tcpsm_listen(&d, &t, 5), 0);
                CHECK_EQ(tcpsm_check(&d), 0);
            }
        }
    CHECK_GT(taken, 100u);
}

/* And so for tcpsm_set, in every state, for every option. */
TEST(options_are_sound_or_refused)
{
    static const uint32_t v[] = {
        0,       1,       2,          48,         68,       108,   255,
        256,     499900,  499950,     499999,     500000,   65535, 65536,
        1800000, 1800001, 0x3FFFC000, 0xFFFFFFFE, TCPSM_OFF};
    int i;
    uint32_t option, k, taken = 0;
    for (i = 0; i < SCENES; i++) {
        int side = scene_make(&p, i);
        for (option = 0; option <= TCPSM_SET_PROMISE + 1; option++)
            for (k = 0; k < sizeof v / sizeof *v; k++) {
                tcpsm_conn c = p.c[side], was = c;
                tcpsm_ret e;
                CONTEXT("scene: %s, option %u = %u", scenes[i].name, option,
                        v[k]);
                e = tcpsm_set(&c, option, v[k]);
                CHECK(e == 0 || e == TCPSM_E_ARG);
                if (e != 0)
                    CHECK_MEM(&was, &c, sizeof c); /* nothing changed */
                else
                    taken++;
                CHECK_EQ(tcpsm_check(&c), 0);
            }
    }
    CHECK_GT(taken, 2000u);
}

/* RFC9293-MUST-40 holds after rounding, too. */
TEST(ack_delay_below_half_a_second)
{
    tcpsm_config f = TCPSM_ZERO;
    tcpsm_conn c;
    uint32_t v;
    f.key[0] = 1;
    for (v = 490000; v < 500000; v += 7) {
        f.ack_delay_us = v;
        CHECK_EQ(tcpsm_init(&c, &f), 0);
        CHECK_LT(tcpsm__k_dec(c.k_ack_delay), 500000u);
        CHECK_EQ(tcpsm_set(&c, TCPSM_SET_ACK_DELAY, v), 0);
        CHECK_LT(tcpsm__k_dec(c.k_ack_delay), 500000u);
    }
}

/* Law 7: a larger MTU while cwnd is one old segment, and nothing is in
   flight: the next segment goes out all the same. */
TEST(larger_mtu_after_a_timeout)
{
    pair_options o = TCPSM_ZERO;
    o.cfg[0].mtu = o.cfg[1].mtu = 1500;
    pair_init(&p, &o);
    CHECK(pair_connect(&p));
    tcpsm_set(&p.c[PAIR_A], TCPSM_SET_MTU, 200);
    scene__fill(&p, PAIR_A, 400, 0);
    pair_run(&p, 20 * PAIR_SECOND);
    CHECK_EQ(p.c[PAIR_A].snd_una, p.c[PAIR_A].snd_nxt);
    p.c[PAIR_A].cc.cwnd = 160; /* as a timeout leaves it */
    tcpsm_set(&p.c[PAIR_A], TCPSM_SET_MTU, 1500);
    pair_touched(&p, PAIR_A);
    scene__fill(&p, PAIR_A, 8000, 0);
    pair_run(&p, 20 * PAIR_SECOND);
    CHECK_EQ(p.c[PAIR_B].rcv_len, 8400);
}

/* A probe of a zero window that sends the last octet of a record ends the
   record. */
TEST(record_ended_by_a_probe)
{
    pair_options o = TCPSM_ZERO;
    uint8_t b[4000];
    o.rcv_ring[1] = 3000;
    pair_init(&p, &o);
    CHECK(pair_connect(&p));
    scene__fill(&p, PAIR_A, 3000, 0);
    pair_run(&p, 2 * PAIR_SECOND);
    CHECK_EQ(p.c[PAIR_A].snd_wnd, 0);
    scene__fill(&p, PAIR_A, 1, TCPSM_EOR);
    pair_run(&p, 3 * PAIR_SECOND); /* probed */
    while (pair_receive(&p, PAIR_B, b, sizeof b) > 0)
        pair_run(&p, 5 * PAIR_SECOND);
    CHECK_EQ(pair_send(&p, PAIR_A, "x", 1, TCPSM_EOR), 1);
    pair_run(&p, 5 * PAIR_SECOND);
    CHECK_EQ(p.c[PAIR_B].rcv_len, 1);
}
