/* The matrix through a tcpsm_stack, where its path is another one: LISTEN and
   SYN-RECEIVED are entries of the SYN table, TIME-WAIT one of its own table,
   and a connection is what the third ACK makes of an entry. */

#include "test.h"

#include "tcpsm.h"

#include "cells.h"

enum { BLOCK = 1 << 17, LINES = 3 };

static tcpsm_stack *st;
static uint64_t block[BLOCK / 8], kept[BLOCK / 8];
static size_t block_size;
static unsigned long cells, failures;
static uint32_t news; /* what the owner was told */

/* ---- the twin's other half ---------------------------------------------- */

static void stack_drain(void)
{
    static uint8_t b[1600];
    tcpsm_out o;
    tcpsm_ret r;
    uint32_t ev;
    int turns = 0;

    for (;;) {
        while (tcpsm_stack_next(st, &ev) != NULL)
            news |= ev;
        if (tcpsm_stack_deadline(st) > tw.now)
            return;
        memset(&o, 0, sizeof o);
        o.buf = b;
        o.cap = sizeof b;
        r = tcpsm_stack_output(st, &o, tw.now);
        if (r < 0 || ++turns > 100)
            FAIL("output returned %d, or does not end", r);
        if (r > 0)
            model_emit(&o, b, (uint32_t)r);
    }
}

/* Which of its tables has our connection? */
static tcpsm_conn *stack_view(uint32_t was_ended)
{
    struct tcpsm_stack_info i;
    tcpsm_conn *c;
    uint32_t at = 0;

    tcpsm_stack_status(st, &i);
    memset(&mx.view, 0, sizeof mx.view);
    mx.partial = 1;
    c = tcpsm_stack_walk(st, &at);
    if (i.syns) /* TIME-WAIT stays until the handshake is done (MAY-2) */
        mx.view.state = REF_SYN_RECEIVED;
    else if (i.timewaits)
        mx.view.state = REF_TIME_WAIT;
    else if (c && !was_ended) {
        model_view_conn(c, news | tcpsm_take(c), &mx.view);
        mx.partial = 0;
        return c;
    } else
        mx.view.state = REF_LISTEN;
    return NULL;
}

static const char *stack_segment(const ref_seg *s, uint32_t extra)
{
    static uint8_t b[8192];
    const char *why;
    tcpsm_conn *c;
    tcpsm_in in;
    uint32_t ended = tw.r.state == REF_TIME_WAIT;

    mx.seg = *s;
    mx.extra = extra;
    mx.outs = 0;
    news = 0;
    model_describe(&in, b, model_build(b, s, extra));
    mx.ret = tcpsm_stack_input(st, &in, tw.now);
    mx.drop = in.drop;
    if (mx.ret != 0) {
        snprintf(mx.why, sizeof mx.why, "tcpsm_stack_input returned %d",
                 mx.ret);
        return mx.why;
    }
    stack_drain();
    mx.deadline = tcpsm_stack_deadline(st);
    c = stack_view(ended);
    mx.view.time_waits = tw.r.time_waits;
    why = model_compare(s, 1);
    if (!why && c)
        why = model_bytes(c, &tw.r);
    if (!why && tcpsm_stack_check(st) != 0)
        why = "tcpsm_stack_check";
    return why;
}

static void stack_in(unsigned flags, uint32_t seq, uint32_t ack)
{
    ref_seg s;

    memset(&s, 0, sizeof s);
    s.flags = (uint16_t)flags;
    s.seq = seq;
    s.ack = ack;
    s.wnd = CELL_WINDOW;
    tw.now += 1000;
    model_must(stack_segment(&s, 0));
}

/* ---- the rows ----------------------------------------------------------- */

static void stack_start(uint8_t family, uint32_t irs)
{
    tcpsm_stack_config f;
    tcpsm_tuple t;
    ref_list out;

    model_defaults();
    model_start(family, 0x12345678u, irs);
    memset(&f, 0, sizeof f);
    f.conn = mx.cfg;
    f.conns = 2;
    f.syn_entries = f.timewait_entries = 2;
    f.rcv_ring = f.snd_ring = MODEL_RING;
    f.resets_per_second = TCPSM_OFF;
    f.flags = TCPSM_PROMISCUOUS;
    block_size = tcpsm_stack_size(&f);
    CHECK(block_size != 0 && block_size <= sizeof block);
    CHECK_EQ(tcpsm_stack_init(&st, block, block_size, &f, tw.now), 0);
    memset(&t, 0, sizeof t);
    t.local_port = mx.tuple.local_port;
    CHECK_EQ(tcpsm_stack_listen(st, &t, 0, 0, NULL), 0);
    (void)ref_open(&tw.r, 0, 0, &out);
}

static void stack_syn_received(void)
{
    stack_in(REF_SYN, tw.irs, 0);
    tw.iss = tw.r.iss;
}

static void stack_established(void)
{
    stack_syn_received();
    stack_in(REF_ACK, tw.r.rcv_nxt, tw.r.snd_nxt);
}

/* What window does the entry offer? It is a rounded one. */
static void stack_ask_window(void)
{
    ref_seg s;

    memset(&s, 0, sizeof s);
    s.flags = REF_ACK;
    s.seq = tw.r.rcv_nxt - 1;
    s.ack = tw.r.snd_nxt;
    model_must(stack_segment(&s, 0));
    CHECK_EQ(mx.outs, 1);
}

static void stack_time_wait(void)
{
    tcpsm_conn *c;
    uint32_t i;

    stack_established();
    c = tcpsm_stack_accept(st, NULL);
    CHECK(c != NULL);
    CHECK_EQ(tcpsm_shutdown(c), 0);
    (void)ref_close(&tw.r);
    mx.outs = 0;
    stack_drain();
    for (i = 0; i < mx.outs; i++)
        model_must(ref_sent(&tw.r, &mx.out[i].s));
    stack_in(REF_ACK, tw.r.rcv_nxt, tw.r.snd_nxt);
    tw.r.signals = 0;
    {
        /* the last FIN: from here on the entry answers */
        ref_seg s;

        memset(&s, 0, sizeof s);
        s.flags = REF_FIN | REF_ACK;
        s.seq = tw.r.rcv_nxt;
        s.ack = tw.r.snd_nxt;
        s.wnd = CELL_WINDOW;
        tw.now += 1000;
        tw.r.state = REF_FIN_WAIT_2;
        model_must(stack_segment(&s, 0));
    }
    CHECK_EQ(tw.r.state, REF_TIME_WAIT);
    tw.now += 1000000;
    stack_ask_window();
}

/* ---- the cells ---------------------------------------------------------- */

static void all_cells(int state, void (*make)(void), uint8_t family,
                      uint32_t irs)
{
    static twin saved;
    uint32_t f, l, k, a;
    columns c;

    failures = 0;
    stack_start(family, irs);
    if (make)
        make();
    CHECK_EQ(tw.r.state, state);
    memcpy(&saved, &tw, sizeof saved);
    memcpy(kept, block, block_size);
    for (f = 0; f < 64; f++)
        for (l = 0; l < 2; l++) {
            cell_columns(&c, cell_len(l) + (f & 1) + (f >> 1 & 1));
            for (k = 0; k < c.seqs; k++)
                for (a = 0; a < c.acks; a++) {
                    ref_seg s;
                    const char *why;

                    memset(&s, 0, sizeof s);
                    s.flags = (uint16_t)f;
                    s.seq = c.seq[k].value;
                    s.ack = c.ack[a].value;
                    s.len = cell_len(l);
                    s.wnd = CELL_UPDATE;
                    s.up = f & REF_URG ? 3 : 0;
                    s.text = model_text(s.seq + ((f & REF_SYN) != 0), s.len);
                    cells++;
                    why = stack_segment(&s, 0);
                    if (why && failures++ < LINES)
                        printf("  %s, %s %s%+d ack %s%+d len %u: %s\n",
                               ref_state_name(state), model_flags(f),
                               c.seq[k].base, c.seq[k].off, c.ack[a].base,
                               c.ack[a].off, s.len, why);
                    model_restore(&saved);
                    memcpy(block, kept, block_size);
                }
        }
    if (failures)
        FAIL("%lu cells differ, see above", failures);
}

#define ROW(name, state, make)                                               \
    TEST(stack_##name##_ipv4)                                                \
    {                                                                        \
        all_cells(state, make, 4, 0x23456789u);                              \
        all_cells(state, make, 4, 0xFFFFFFF8u);                              \
    }                                                                        \
    TEST(stack_##name##_ipv6)                                                \
    {                                                                        \
        all_cells(state, make, 6, 0x23456789u);                              \
        all_cells(state, make, 6, 0xFFFFFFF8u);                              \
    }

ROW(listen, REF_LISTEN, NULL)
ROW(syn_received, REF_SYN_RECEIVED, stack_syn_received)
ROW(established, REF_ESTABLISHED, stack_established)
ROW(time_wait, REF_TIME_WAIT, stack_time_wait)

TEST(cells_of_the_stack)
{
    uint32_t i;

    printf("  %lu cells, %lu of them with a permitted difference:\n", cells,
           mx.differences);
    for (i = 0; i < PERMITS; i++)
        if (permits[i].hits)
            printf("  %7lu  %s\n", permits[i].hits, permits[i].id);
}
