/* cells.h - the rows and columns of the matrix - 0BSD

   Which states, how a twin gets there, and which segments come then. */

#ifndef CELLS_H
#define CELLS_H

#include "model.h"

enum { CELL_WINDOW = 5000, CELL_UPDATE = 6000, CELL_FLIGHT = 100 };

typedef struct {
    int state;
    const char *variant;
    void (*make)(void);
    int kernel; /* a kernel can be brought there */
} row;

/* ---- the rows ----------------------------------------------------------- */

MODEL_FN void row_closed(void)
{
}

MODEL_FN void row_listen(void)
{
    model_open(0);
}

MODEL_FN void row_syn_sent(void)
{
    model_open(1);
}

MODEL_FN void row_syn_received_passive(void)
{
    tw.now -= 1000;
    model_open(0);
    model_in(REF_SYN, tw.irs, 0, 0, CELL_WINDOW);
    tw.iss = tw.r.iss;
}

/* The peer's SYN offers no window: our SYN,ACK needs none. */
MODEL_FN void row_syn_received_zero(void)
{
    tw.now -= 1000;
    model_open(0);
    model_in(REF_SYN, tw.irs, 0, 0, 0);
    tw.iss = tw.r.iss;
}

MODEL_FN void row_syn_received_active(void)
{
    model_open(1);
    model_in(REF_SYN, tw.irs, 0, 0, CELL_WINDOW);
}

MODEL_FN void row_syn_received_close(void)
{
    row_syn_received_passive();
    (void)model_send(CELL_FLIGHT);
    model_shutdown();
    model_must(model_settle());
}

MODEL_FN void row_syn_received_closed(void)
{
    row_syn_received_passive();
    CHECK_EQ(tcpsm_close(&tw.c), 0);
    tw.closed = 1;
    (void)ref_close(&tw.r);
    model_must(model_settle());
}

MODEL_FN void row_established(void)
{
    model_open(1);
    model_in(REF_SYN | REF_ACK, tw.irs, tw.r.snd_nxt, 0, CELL_WINDOW);
}

MODEL_FN void row__write(void)
{
    tw.now += 1000;
    (void)model_send(CELL_FLIGHT);
    model_must(model_settle());
}

MODEL_FN void row__shut(void)
{
    tw.now += 1000;
    model_shutdown();
    model_must(model_settle());
}

/* So many octets of the stream, in order; acknowledged */
MODEL_FN void row__feed(uint32_t n)
{
    uint32_t k;

    while (n) {
        k = n < 500 ? n : 500;
        model_in(REF_ACK, tw.r.rcv_nxt, tw.r.snd_una, k, CELL_WINDOW);
        n -= k;
    }
    tw.now += 100000; /* the delayed ACK */
    model_must(model_settle());
}

MODEL_FN void row_established_flight(void)
{
    row_established();
    row__write();
}

MODEL_FN void row_established_passive(void)
{
    row_syn_received_passive();
    model_in(REF_ACK, tw.r.rcv_nxt, tw.r.snd_nxt, 0, CELL_WINDOW);
}

MODEL_FN void row_established_gap(void)
{
    row_established();
    model_in(REF_ACK, tw.r.rcv_nxt + 10, tw.r.snd_una, 20, CELL_WINDOW);
}

MODEL_FN void row_established_gap_fin(void)
{
    row_established();
    model_in(REF_ACK | REF_FIN, tw.r.rcv_nxt + 10, tw.r.snd_una, 20,
             CELL_WINDOW);
}

MODEL_FN void row_established_zero(void)
{
    row_established();
    row__feed(MODEL_RING);
}

MODEL_FN void row_established_small(void)
{
    row_established();
    row__feed(MODEL_RING - 40);
}

/* The peer has taken back what it offered (RFC9293-MUST-34). */
MODEL_FN void row_established_shrunk(void)
{
    row_established_flight();
    model_in(REF_ACK, tw.r.rcv_nxt, tw.r.snd_una, 0, 10);
}

MODEL_FN void row_established_urgent(void)
{
    ref_seg s;

    row_established();
    memset(&s, 0, sizeof s);
    s.flags = REF_ACK | REF_URG;
    s.seq = tw.r.rcv_nxt;
    s.ack = tw.r.snd_una;
    s.wnd = CELL_WINDOW;
    s.len = 10;
    s.up = 6;
    s.text = model_text(s.seq, s.len);
    model_must(model_segment(&s, 0));
    tw.now += 100000;
    model_must(model_settle());
}

MODEL_FN void row_fin_wait_1(void)
{
    row_established();
    row__shut();
}

MODEL_FN void row_fin_wait_1_flight(void)
{
    row_established_flight();
    row__shut();
}

/* The FIN waits behind a closed window. */
MODEL_FN void row_fin_wait_1_queued(void)
{
    row_established();
    model_in(REF_ACK, tw.r.rcv_nxt, tw.r.snd_una, 0, 0);
    (void)model_send(CELL_FLIGHT);
    row__shut();
}

/* Nobody reads any more, and the peer had taken its window back. */
MODEL_FN void row_fin_wait_1_closed(void)
{
    row_established_flight();
    model_in(REF_ACK, tw.r.rcv_nxt, tw.r.snd_una, 0, 0);
    CHECK_EQ(tcpsm_close(&tw.c), 0);
    tw.closed = 1;
    (void)ref_close(&tw.r);
    model_must(model_settle());
}

MODEL_FN void row_fin_wait_2(void)
{
    row_fin_wait_1();
    model_in(REF_ACK, tw.r.rcv_nxt, tw.r.snd_nxt, 0, CELL_WINDOW);
}

MODEL_FN void row_fin_wait_2_gap(void)
{
    row_fin_wait_2();
    model_in(REF_ACK, tw.r.rcv_nxt + 10, tw.r.snd_una, 20, CELL_WINDOW);
}

MODEL_FN void row_fin_wait_2_closed(void)
{
    row_established();
    tw.now += 1000;
    CHECK_EQ(tcpsm_close(&tw.c), 0);
    tw.closed = 1;
    (void)ref_close(&tw.r);
    model_must(model_settle());
    model_in(REF_ACK, tw.r.rcv_nxt, tw.r.snd_nxt, 0, CELL_WINDOW);
}

MODEL_FN void row_close_wait(void)
{
    row_established();
    model_in(REF_FIN | REF_ACK, tw.r.rcv_nxt, tw.r.snd_una, 0, CELL_WINDOW);
}

MODEL_FN void row_close_wait_flight(void)
{
    row_close_wait();
    row__write();
}

MODEL_FN void row_closing(void)
{
    row_fin_wait_1();
    model_in(REF_FIN | REF_ACK, tw.r.rcv_nxt, tw.r.snd_una, 0, CELL_WINDOW);
}

MODEL_FN void row_closing_flight(void)
{
    row_fin_wait_1_flight();
    model_in(REF_FIN | REF_ACK, tw.r.rcv_nxt, tw.r.snd_una, 0, CELL_WINDOW);
}

MODEL_FN void row_last_ack(void)
{
    row_close_wait();
    row__shut();
}

MODEL_FN void row_last_ack_flight(void)
{
    row_close_wait_flight();
    row__shut();
}

MODEL_FN void row_time_wait(void)
{
    row_fin_wait_2();
    model_in(REF_FIN | REF_ACK, tw.r.rcv_nxt, tw.r.snd_una, 0, CELL_WINDOW);
    tw.now += 1000000; /* a new start of 2 MSL will show */
}

/* Text and a FIN wait behind a closed window. */
MODEL_FN void row_last_ack_queued(void)
{
    row_close_wait();
    model_in(REF_ACK, tw.r.rcv_nxt, tw.r.snd_una, 0, 0);
    (void)model_send(CELL_FLIGHT);
    row__shut();
}

static const row rows[] = {
    {REF_CLOSED, "none", row_closed, 1},
    {REF_LISTEN, "none", row_listen, 1},
    {REF_SYN_SENT, "none", row_syn_sent, 1},
    {REF_SYN_RECEIVED, "passive", row_syn_received_passive, 1},
    {REF_SYN_RECEIVED, "active", row_syn_received_active, 1},
    {REF_SYN_RECEIVED, "zero", row_syn_received_zero, 0},
    {REF_SYN_RECEIVED, "close", row_syn_received_close, 0},
    {REF_SYN_RECEIVED, "closed", row_syn_received_closed, 0},
    {REF_ESTABLISHED, "idle", row_established, 1},
    {REF_ESTABLISHED, "passive", row_established_passive, 0},
    {REF_ESTABLISHED, "flight", row_established_flight, 1},
    {REF_ESTABLISHED, "gap", row_established_gap, 1},
    {REF_ESTABLISHED, "gap_fin", row_established_gap_fin, 0},
    {REF_ESTABLISHED, "zero", row_established_zero, 0},
    {REF_ESTABLISHED, "small", row_established_small, 0},
    {REF_ESTABLISHED, "shrunk", row_established_shrunk, 0},
    {REF_ESTABLISHED, "urgent", row_established_urgent, 0},
    {REF_FIN_WAIT_1, "idle", row_fin_wait_1, 1},
    {REF_FIN_WAIT_1, "flight", row_fin_wait_1_flight, 1},
    {REF_FIN_WAIT_1, "queued", row_fin_wait_1_queued, 0},
    {REF_FIN_WAIT_1, "closed", row_fin_wait_1_closed, 0},
    {REF_FIN_WAIT_2, "none", row_fin_wait_2, 1},
    {REF_FIN_WAIT_2, "gap", row_fin_wait_2_gap, 0},
    {REF_FIN_WAIT_2, "closed", row_fin_wait_2_closed, 0},
    {REF_CLOSE_WAIT, "idle", row_close_wait, 1},
    {REF_CLOSE_WAIT, "flight", row_close_wait_flight, 1},
    {REF_CLOSING, "none", row_closing, 1},
    {REF_CLOSING, "flight", row_closing_flight, 0},
    {REF_LAST_ACK, "none", row_last_ack, 1},
    {REF_LAST_ACK, "flight", row_last_ack_flight, 0},
    {REF_TIME_WAIT, "none", row_time_wait, 1}};

enum { ROWS = sizeof rows / sizeof *rows };

MODEL_FN void row_make(const row *r, uint8_t family, uint32_t iss,
                       uint32_t irs)
{
    model_defaults();
    model_start(family, iss, irs);
    r->make();
    if (tw.r.state != r->state)
        FAIL("the row is in %s", ref_state_name(tw.r.state));
}

/* ---- the columns -------------------------------------------------------- */

/* A place: a name of one of our variables, and how far from it */
typedef struct {
    const char *base;
    int off;
    uint32_t value;
} place;

enum { CELL_SEQS = 16, CELL_ACKS = 8, CELL_LENS = 4 };

typedef struct {
    place seq[CELL_SEQS], ack[CELL_ACKS];
    uint32_t seqs, acks;
    uint32_t basic; /* the first seqs; cells.c prints those */
} columns;

MODEL_FN void cell__add(place *p, uint32_t *n, const char *base,
                        uint32_t value, int off)
{
    uint32_t i;

    value += (uint32_t)off;
    for (i = 0; i < *n; i++)
        if (p[i].value == value)
            return;
    p[*n].base = base;
    p[*n].off = off;
    p[(*n)++].value = value;
}

/* Where a segment of so many octets of text and control may begin, and what
   it may acknowledge: old, current, acceptable, future. */
MODEL_FN void cell_columns(columns *c, uint32_t len)
{
    const ref_tcb *t = &tw.r;
    uint32_t nxt = t->rcv_nxt, edge = t->rcv_nxt + t->rcv_wnd;
    int l = (int)len;

    memset(c, 0, sizeof *c);
    if (t->state <= REF_SYN_SENT) {
        cell__add(c->seq, &c->seqs, "ANY", tw.irs, 0);
        cell__add(c->seq, &c->seqs, "ANY", tw.irs, -1);
        cell__add(c->seq, &c->seqs, "ANY", tw.irs, 100000);
    } else {
        cell__add(c->seq, &c->seqs, "RCV.NXT", nxt, -1000); /* below */
        cell__add(c->seq, &c->seqs, "RCV.NXT", nxt, -l);
        cell__add(c->seq, &c->seqs, "RCV.NXT", nxt, -1);
        cell__add(c->seq, &c->seqs, "RCV.NXT", nxt, -5);
        cell__add(c->seq, &c->seqs, "RCV.NXT", nxt, 0); /* the left edge */
        cell__add(c->seq, &c->seqs, "RCV.NXT", nxt, 1); /* inside */
        cell__add(c->seq, &c->seqs, "RCV.NXT", nxt, 5);
        cell__add(c->seq, &c->seqs, "RCV.EDGE", edge, -5);
        cell__add(c->seq, &c->seqs, "RCV.EDGE", edge, -l);
        cell__add(c->seq, &c->seqs, "RCV.EDGE", edge, -1);
        cell__add(c->seq, &c->seqs, "RCV.EDGE", edge, 0); /* the right edge */
        cell__add(c->seq, &c->seqs, "RCV.EDGE", edge, 1); /* beyond */
        cell__add(c->seq, &c->seqs, "RCV.EDGE", edge, 100000);
    }
    c->basic = c->seqs;
    if (t->state > REF_SYN_SENT &&
        l > 1) { /* a FIN alone is new, or is not */
        cell__add(c->seq, &c->seqs, "RCV.NXT", nxt, 1 - l);
        cell__add(c->seq, &c->seqs, "RCV.EDGE", edge, 1 - l);
    }
    if (t->state <= REF_LISTEN) {
        cell__add(c->ack, &c->acks, "ANY", tw.iss, 0);
        cell__add(c->ack, &c->acks, "ANY", tw.iss, 77777);
        return;
    }
    cell__add(c->ack, &c->acks, "SND.UNA", t->snd_una, 0); /* current */
    cell__add(c->ack, &c->acks, "SND.NXT", t->snd_nxt, 0); /* acceptable */
    if (t->snd_nxt - t->snd_una > 2)
        cell__add(c->ack, &c->acks, "SND.UNA", t->snd_una, 50);
    cell__add(c->ack, &c->acks, "SND.UNA", t->snd_una, -1); /* old */
    cell__add(c->ack, &c->acks, "SND.NXT", t->snd_nxt, 1);  /* future */
    if (t->state == REF_SYN_SENT)
        return;
    cell__add(c->ack, &c->acks, "SND.MIN", t->snd_una - t->max_snd_wnd, 0);
    cell__add(c->ack, &c->acks, "SND.MIN", t->snd_una - t->max_snd_wnd, -1);
}

/* How much text: none, some, more than a small window, and a little more. */
MODEL_FN uint32_t cell_len(uint32_t k)
{
    static const uint32_t len[CELL_LENS] = {0, 10, 60, 45};

    return len[k];
}

MODEL_FN uint32_t cell_lens(const row *r)
{
    return r->make == row_established_small ? CELL_LENS : 2;
}

#endif /* CELLS_H */
