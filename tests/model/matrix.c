/* Every flag combination, at every place of the window, with every kind of
   ACK, with and without text, in every state: 11 states in 28 variants. What
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
    s.up = flags & REF_URG ? ups[k & 7] : 0;
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
    if (memcmp(tw.r.have, saved->r.have, sizeof tw.r.have) != 0 ||
        tw.r.fin_have) {
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
                    memcpy(&tw, &saved, sizeof tw);
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
        all_cells(state, variant, 6, ORDINARY);                              \
        all_cells(state, variant, 6, WRAPPING);                              \
    }

ROW(closed, REF_CLOSED, "none")
ROW(listen, REF_LISTEN, "none")
ROW(syn_sent, REF_SYN_SENT, "none")
ROW(syn_received_passive, REF_SYN_RECEIVED, "passive")
ROW(syn_received_active, REF_SYN_RECEIVED, "active")
ROW(syn_received_close_queued, REF_SYN_RECEIVED, "close")
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
