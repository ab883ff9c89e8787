/* Every flag combination, at every place of the window, with every kind of
   ACK, with and without text, in every state: 11 states in 31 variants. What
   must come of it is what reference.c makes of the same segment: state,
   RCV.NXT, SND.UNA, SND.WND and SND.WL1, what is to be read, what the user
   is told, and what is sent in answer. */

#include "test.h"

#include "tcpsm.h"

#include "cells.h"

enum { LINES = 3 };

static unsigned long cells, rows_done, failures;

static uint32_t dice;

static uint32_t roll(void)
{
    dice = dice * 1664525u + 1013904223u;
    return dice >> 8;
}

/* A line that a person can read, for the first few of a row. */
static void wrong(const row *r, uint32_t flags, const place *seq,
                  const place *ack, uint32_t len, const char *more,
                  const char *why)
{
    if (failures++ < LINES)
        printf("  %s/%s, %s %s%+d ack %s%+d len %u%s: %s\n",
               ref_state_name(r->state), r->variant, model_flags(flags),
               seq->base, seq->off, ack->base, ack->off, len, more, why);
}

/* One cell: the twin is in its state; afterwards it is anywhere. */
static void cell(const row *r, uint32_t flags, const place *seq,
                 const place *ack, uint32_t len, const twin *saved)
{
    static const uint16_t ups[8] = {3, 3, 3, 0, 1, 10, 11, 60000};
    ref_seg s;
    uint32_t extra = 0, k = roll();
    const char *why;

    memset(&s, 0, sizeof s);
    s.flags = (uint16_t)flags;
    s.seq = seq->value;
    s.ack = ack->value;
    s.len = len;
    s.wnd = k & 0x700 ? CELL_UPDATE : 0;
    s.up = ups[k & 7]; /* without URG, too: then it says nothing */
    s.text = model_text(s.seq + ((flags & REF_SYN) != 0), len);
    if ((k & 0xF8) == 0) /* one in 32 has ECE, CWR or AE */
        extra = (k >> 11 & 3) << 6 | (k >> 13 & 1) << 8;
    cells++;
    why = model_segment(&s, extra);
    if (why) {
        wrong(r, flags, seq, ack, len, "", why);
        return;
    }
    /* What was held is there when the gap is filled. */
    if (!ref_same_text(&tw.r, &saved->r) || tw.r.fin_have) {
        tw.now += 1000;
        memset(&s, 0, sizeof s);
        s.flags = REF_ACK;
        s.seq = tw.r.rcv_nxt;
        s.ack = tw.r.snd_nxt;
        s.wnd = CELL_WINDOW;
        s.len = tw.r.rcv_wnd < 10 ? tw.r.rcv_wnd : 10;
        s.text = model_text(s.seq, s.len);
        why = model_segment(&s, 0);
        if (why)
            wrong(r, flags, seq, ack, len, ", the gap filled", why);
    }
}

static void all_cells(int state, const char *variant, uint8_t family,
                      uint32_t iss, uint32_t irs)
{
    static twin saved;
    const row *r = NULL;
    uint32_t i, f, k, a, l;
    columns c;

    for (i = 0; i < ROWS && !r; i++)
        if (rows[i].state == state && !strcmp(rows[i].variant, variant))
            r = &rows[i];
    CHECK(r != NULL);
    row_make(r, family, iss, irs);
    rows_done++;
    failures = 0;
    memcpy(&saved, &tw, sizeof saved);
    for (f = 0; f < 64; f++)
        for (l = 0; l < cell_lens(r); l++) {
            cell_columns(&c, cell_len(l) + (f & 1) + (f >> 1 & 1));
            for (k = 0; k < c.seqs; k++)
                for (a = 0; a < c.acks; a++) {
                    cell(r, f, &c.seq[k], &c.ack[a], cell_len(l), &saved);
                    model_restore(&saved);
                }
        }
    if (failures)
        FAIL("%lu cells differ, see above", failures);
}

#define ORDINARY 0x12345678u, 0x23456789u
#define WRAPPING 0xFFFFFFC0u, 0xFFFFFFF8u /* in the flight, in the window */

#define ROW(name, state, variant)                                            \
    TEST(name##_ipv4)                                                        \
    {                                                                        \
        dice = 4;                                                            \
        all_cells(state, variant, 4, ORDINARY);                              \
        all_cells(state, variant, 4, WRAPPING);                              \
    }                                                                        \
    TEST(name##_ipv6)                                                        \
    {                                                                        \
        dice = 6;                                                            \
        all_cells(state, variant, 6, WRAPPING);                              \
    }

ROW(closed, REF_CLOSED, "none")
ROW(listen, REF_LISTEN, "none")
ROW(syn_sent, REF_SYN_SENT, "none")
ROW(syn_received_passive, REF_SYN_RECEIVED, "passive")
ROW(syn_received_active, REF_SYN_RECEIVED, "active")
ROW(syn_received_zero_window, REF_SYN_RECEIVED, "zero")
ROW(syn_received_close_queued, REF_SYN_RECEIVED, "close")
ROW(syn_received_closed_for_good, REF_SYN_RECEIVED, "closed")
ROW(established, REF_ESTABLISHED, "idle")
ROW(established_passive, REF_ESTABLISHED, "passive")
ROW(established_in_flight, REF_ESTABLISHED, "flight")
ROW(established_gap, REF_ESTABLISHED, "gap")
ROW(established_gap_and_fin, REF_ESTABLISHED, "gap_fin")
ROW(established_zero_window, REF_ESTABLISHED, "zero")
ROW(established_small_window, REF_ESTABLISHED, "small")
ROW(established_shrunk_window, REF_ESTABLISHED, "shrunk")
ROW(established_urgent, REF_ESTABLISHED, "urgent")
ROW(fin_wait_1, REF_FIN_WAIT_1, "idle")
ROW(fin_wait_1_in_flight, REF_FIN_WAIT_1, "flight")
ROW(fin_wait_1_fin_queued, REF_FIN_WAIT_1, "queued")
ROW(fin_wait_1_closed_for_good, REF_FIN_WAIT_1, "closed")
ROW(fin_wait_2, REF_FIN_WAIT_2, "none")
ROW(fin_wait_2_gap, REF_FIN_WAIT_2, "gap")
ROW(fin_wait_2_closed_for_good, REF_FIN_WAIT_2, "closed")
ROW(close_wait, REF_CLOSE_WAIT, "idle")
ROW(close_wait_in_flight, REF_CLOSE_WAIT, "flight")
ROW(closing, REF_CLOSING, "none")
ROW(closing_in_flight, REF_CLOSING, "flight")
ROW(last_ack, REF_LAST_ACK, "none")
ROW(last_ack_in_flight, REF_LAST_ACK, "flight")
ROW(time_wait, REF_TIME_WAIT, "none")

/* ---- the differences that no cell shows --------------------------------- */

static void plain_row(void (*make)(void))
{
    model_defaults();
    model_start(4, ORDINARY);
    make();
}

static ref_seg bare(unsigned flags, uint32_t seq, uint32_t ack)
{
    ref_seg s;

    memset(&s, 0, sizeof s);
    s.flags = (uint16_t)flags;
    s.seq = seq;
    s.ack = ack;
    s.wnd = CELL_WINDOW;
    return s;
}

/* RFC5961-12: ten in five seconds, then silence; five seconds later again. */
TEST(answers_to_what_is_not_acceptable_are_limited)
{
    unsigned long n = 0, i;
    ref_seg s;

    plain_row(row_established);
    s = bare(REF_SYN, tw.r.rcv_nxt + 100, 0);
    for (i = 0; i < 15; i++) {
        model_must(model_segment(&s, 0));
        n += mx.outs;
    }
    CHECK_EQ(n, 10);
    tw.now += 5100000;
    model_must(model_segment(&s, 0));
    CHECK_EQ(mx.outs, 1);
}

/* But text is always answered: it may be a probe, or a retransmission whose
   ACK was lost. */
TEST(answers_to_text_are_not_limited)
{
    unsigned long n = 0, i;
    ref_seg s;

    plain_row(row_established_gap);
    s = bare(REF_ACK, tw.r.rcv_nxt - 100, tw.r.snd_una);
    s.len = 10;
    s.text = model_text(s.seq, s.len);
    for (i = 0; i < 40; i++) {
        if (i == 20)
            s.seq = tw.r.rcv_nxt + tw.r.rcv_wnd;
        model_must(model_segment(&s, 0));
        n += mx.outs;
    }
    CHECK_EQ(n, 40);
    if (TCPSM__TINY)
        return;
    model_defaults();
    mx.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    model_start(4, ORDINARY);
    tw.r.want_ts = 1;
    row_established();
    s = bare(REF_ACK, tw.r.rcv_nxt, tw.r.snd_una);
    s.len = 10;
    s.text = model_text(s.seq, s.len);
    s.has_ts = 1;
    s.tsval = mx.ts - 1; /* PAWS */
    for (n = i = 0; i < 20; i++) {
        model_must(model_segment(&s, 0));
        n += mx.outs;
    }
    CHECK_EQ(n, 20);
}

/* RFC9293-MUST-7: length 0, and one that is longer than the header */
TEST(malformed_options_change_nothing)
{
    static const uint8_t bad[2][4] = {{253, 0, 0, 0}, {253, 40, 0, 0}};
    uint32_t i, state;
    ref_seg s;

    for (state = 0; state < ROWS; state++)
        for (i = 0; i < 2; i++) {
            row_make(&rows[state], 4, ORDINARY);
            memcpy(mx.raw, bad[i], 4);
            mx.raw_n = 4;
            s = bare(REF_ACK, tw.r.rcv_nxt, tw.r.snd_nxt);
            if (tw.r.state <= REF_SYN_SENT)
                s = bare(REF_SYN | REF_ACK, tw.irs, tw.r.snd_nxt);
            s.len = 5;
            s.text = model_text(s.seq, s.len);
            model_must(model_segment(&s, 0));
            CHECK_EQ(mx.outs, 0);
            CHECK_EQ(mx.drop, tw.r.state == REF_CLOSED ? TCPSM_DROP_NOT_MINE
                                                       : TCPSM_DROP_OPTIONS);
            mx.raw_n = 0;
        }
}

/* RFC9293-SHLD-31, as far as the table goes; what is at RCV.NXT always. */
TEST(text_beyond_many_gaps)
{
    uint32_t i;
    ref_seg s;

    plain_row(row_established);
    for (i = 1; i <= TCPSM_RANGES + 2; i++) {
        s = bare(REF_ACK, tw.r.rcv_nxt + 20 * i, tw.r.snd_una);
        s.len = 10;
        s.text = model_text(s.seq, s.len);
        model_must(model_segment(&s, 0));
    }
    s = bare(REF_ACK, tw.r.rcv_nxt, tw.r.snd_una);
    s.len = 300;
    s.text = model_text(s.seq, s.len);
    model_must(model_segment(&s, 0));
    CHECK_EQ(tw.r.rcv_nxt - tw.irs, 301);
}

TEST(last_ack_while_the_fin_waits)
{
    ref_seg s;

    plain_row(row_last_ack_queued);
    CHECK_EQ(tcpsm_state(&tw.c), TCPSM_LAST_ACK);
    s = bare(REF_ACK, tw.r.rcv_nxt, tw.r.snd_nxt);
    model_must(model_segment(&s, 0)); /* opens the window: all goes out */
    CHECK_EQ(tw.r.state, REF_LAST_ACK);
    s = bare(REF_ACK, tw.r.rcv_nxt, tw.r.snd_nxt);
    model_must(model_segment(&s, 0));
    CHECK_EQ(tw.r.state, REF_CLOSED);
}

#ifndef TCPSM_TINY /* which has neither timestamps nor ECN */
/* RFC 7323 5.3, in front of the other checks: no timestamp, older, the same
   and newer ones; a SYN with a newer one may end TIME-WAIT (SHLD-4). */
static void timestamps(void (*make)(void), uint32_t ts)
{
    static const int offs[] = {-1, 0, 1};
    static twin saved;
    columns c;
    uint32_t f, k, a, t;

    model_defaults();
    mx.cfg.flags &= ~(uint32_t)TCPSM_NO_TS;
    model_start(4, ORDINARY);
    tw.r.want_ts = 1;
    mx.ts = ts;
    make();
    CHECK(tw.r.ts_on);
    tw.now += 100000;
    model_must(model_settle());
    memcpy(&saved, &tw, sizeof saved);
    for (f = 0; f < 64; f++) {
        cell_columns(&c, 10);
        for (k = 0; k < c.seqs; k++)
            for (a = 0; a < c.acks; a++)
                for (t = 0; t < 4; t++) {
                    ref_seg s = bare(f, c.seq[k].value, c.ack[a].value);

                    s.len = a & 1 ? 10 : 0;
                    s.text = model_text(s.seq + (f >> 1 & 1), s.len);
                    s.has_ts = t < 3;
                    s.tsval = t < 3 ? mx.ts + (uint32_t)offs[t] : 0;
                    model_must(model_segment(&s, 0));
                    model_restore(&saved);
                }
    }
}

TEST(timestamps_in_five_states)
{
    timestamps(row_syn_received_passive, 1000);
    timestamps(row_established_flight, 0x7FFFFFFF);
    timestamps(row_close_wait, 0x80000000u);
    timestamps(row_closing, 0);
    timestamps(row_time_wait, 0xFFFFFFFFu);
}

/* A SYN that asks for ECN, where it is allowed */
TEST(ecn_bits_in_answer_to_a_syn)
{
    static const uint32_t asks[] = {0xC0, 0x1C0, 0x40, 0x80};
    uint32_t i;
    ref_seg s;

    for (i = 0; i < 4; i++) {
        model_defaults();
        mx.cfg.flags &= ~(uint32_t)TCPSM_NO_ECN;
        model_start(4, ORDINARY);
        row_listen();
        s = bare(REF_SYN, tw.irs, 0);
        model_must(model_segment(&s, asks[i]));
        CHECK_EQ(tw.r.state, REF_SYN_RECEIVED);
    }
}
#endif

/* ---- user calls (3.10.2 to 3.10.6) -------------------------------------- */

/* 3.10.5: a reset, where there is somebody to reset; CLOSED in any case. */
TEST(abort_in_every_state)
{
    uint32_t i;

    for (i = 0; i < ROWS; i++) {
        row_make(&rows[i], 4, WRAPPING);
        CONTEXT("%s/%s", ref_state_name(rows[i].state), rows[i].variant);
        CHECK_EQ(tcpsm_abort(&tw.c), 0);
        model_must(model_aborted(0));
    }
}

/* 3.10.2, 3.10.3, 3.10.6: taken, refused, or "connection closing" */
TEST(send_and_receive_in_every_state)
{
    uint8_t a[REF_STREAM], b[REF_STREAM];
    uint32_t i;

    for (i = 0; i < ROWS; i++) {
        int send, got;
        tcpsm_ret r;

        row_make(&rows[i], 4, WRAPPING);
        CONTEXT("%s/%s", ref_state_name(rows[i].state), rows[i].variant);
        CHECK_EQ(tcpsm_state(&tw.c), tw.r.state);
        if (tw.closed)
            continue;
        send = ref_send(&tw.r, "?", 1, 0);
        r = tcpsm_send(&tw.c, "?", 1, 0);
        CHECK_EQ(r == 1, send == REF_OK);
        if (send == REF_E_NOT_OPEN)
            CHECK_EQ(r, TCPSM_E_STATE);
        if (send == REF_E_CLOSING)
            CHECK(r == TCPSM_E_CLOSED || r == TCPSM_E_STATE);
        got = ref_receive(&tw.r, a, sizeof a);
        r = tcpsm_receive(&tw.c, b, sizeof b);
        CHECK_EQ(got < 0 ? 0 : got, r < 0 ? 0 : r);
        CHECK_EQ(got == REF_E_CLOSING, r == TCPSM_E_EOF);
        if (got > 0)
            CHECK_MEM(a, b, got);
        model_must(model_settle());
    }
}

/* 3.10.4, but for SYN-SENT, where a FIN may be queued (docs/design.md) */
TEST(close_in_every_state)
{
    uint32_t i;

    for (i = 0; i < ROWS; i++) {
        row_make(&rows[i], 4, WRAPPING);
        CONTEXT("%s/%s", ref_state_name(rows[i].state), rows[i].variant);
        if (tw.r.state == REF_SYN_SENT || tw.r.state <= REF_LISTEN)
            continue;
        (void)ref_close(&tw.r);
        (void)tcpsm_shutdown(&tw.c);
        model_must(model_settle());
    }
}

/* ---- the table of permitted differences --------------------------------- */

TEST(permitted_differences_are_each_used)
{
    uint32_t i, unused = 0, counted = 0;

    printf("  %lu cells in %lu rows, %lu segments; %lu of them with a "
           "permitted difference:\n",
           cells, rows_done, mx.steps, mx.differences);
    if (rows_done < 3 * ROWS)
        SKIP("only some of the rows were run");
    for (i = 0; i < PERMITS; i++) {
        const permit *p = &permits[i];
        int here = !TCPSM__TINY || !(p->how & PERMIT_SERVER);

        printf("  %7lu  %-18s RFC %s: %s\n", p->hits, p->id, p->clause,
               p->text);
        unused += here && !p->hits;
        counted += (uint32_t)here;
    }
    if (unused)
        FAIL("%u of %u permitted differences were never seen", unused,
             counted);
}
