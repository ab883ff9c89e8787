/* blob - law 11 across machines. `write` runs two connections through half
   of a lossy transfer and writes both as blobs, with what is under way
   lost; `go` reads them, on any machine, into rings of other sizes and
   under another clock, and finishes the transfer. blob.sh compares.

   usage: blob write SEED FILE     blob go FILE CLOCK_US RING
   exit status: 1 the stream was damaged or a law broken, 2 wrong usage */

#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"

enum { TOTAL = 120000, BACK = 50000, HALF = 30000 };

static pair p;
static uint8_t file[1 << 18];
static uint64_t hash = 0xcbf29ce484222325u;
static uint32_t segments;

static void put64(uint8_t *q, uint64_t v)
{
    pair_put32(q, (uint32_t)(v >> 32));
    pair_put32(q + 4, (uint32_t)v);
}

static uint64_t get64(const uint8_t *q)
{
    return (uint64_t)pair_get32(q) << 32 | pair_get32(q + 4);
}

static void watch(void *ctx, pair *q, const pair_event *e)
{
    uint32_t i;
    (void)ctx;
    (void)q;
    if (e->what != PAIR_SENT)
        return;
    segments++;
    for (i = 0; i < e->len; i++)
        hash = (hash ^ e->seg[i]) * 0x100000001b3u;
}

static int die(const char *why, long n)
{
    printf("blob: %s (%ld)\n", why, n);
    return 1;
}

static void bad_network(void)
{
    int i;
    for (i = 0; i < 2; i++) {
        p.net.link[i].delay_us = 9000;
        p.net.link[i].rate = 30000000;
        p.net.link[i].loss_ppm = 30000;
        p.net.link[i].reorder_ppm = 40000;
        p.net.link[i].reorder_us = 5000;
        p.net.link[i].copy_ppm = 20000;
    }
    p.observe = watch;
    p.flow[0].total = TOTAL;
    p.flow[1].total = BACK;
    p.flow[0].shut = p.flow[1].shut = 1;
}

static int half(pair *q) /* with something out of order, and in flight */
{
    return q->flow[0].got >= HALF && q->c[1].ranges_n != 0 &&
           q->c[0].runs_n != 0;
}

/* The header: what the two applications know. */
static void flows(int out)
{
    int s;
    uint8_t *q = file;
    for (s = 0; s < 2; s++, q += 24) {
        pair_flow *f = &p.flow[s];
        if (out) {
            put64(q, f->sent);
            put64(q + 8, f->got);
            q[16] = f->was_shut;
            q[17] = f->eof;
        } else {
            f->sent = get64(q);
            f->got = get64(q + 8);
            f->was_shut = q[16];
            f->eof = q[17];
        }
    }
}

static int write_half(uint64_t seed, const char *name)
{
    pair_options o = TCPSM_ZERO;
    uint32_t n = 48;
    int s;
    FILE *f;
    o.seed = seed;
    o.rcv_ring[0] = o.rcv_ring[1] = 20000;
    o.snd_ring[0] = o.snd_ring[1] = 17000;
    pair_init(&p, &o);
    bad_network();
    if (!pair_connect(&p) || !pair_until(&p, half, 100 * PAIR_SECOND))
        return die("half was not reached", (long)p.flow[0].got);
    flows(1);
    for (s = 0; s < 2; s++) {
        tcpsm_ret len =
            tcpsm_export(&p.c[s], file + n + 4, sizeof file - n - 4, p.now);
        if (len <= 0)
            return die("export", len);
        pair_put32(file + n, (uint32_t)len);
        n += 4 + (uint32_t)len;
    }
    printf("%u bytes, ranges %d, runs %d, state %d, sent %u %016llx\n", n,
           p.c[1].ranges_n, p.c[0].runs_n, p.c[0].state, segments,
           (unsigned long long)hash);
    f = fopen(name, "wb");
    if (f == NULL || fwrite(file, 1, n, f) != n || fclose(f) != 0)
        return die("cannot write", (long)n);
    return p.failed != 0;
}

static int go(const char *name, uint64_t clock, uint32_t ring)
{
    pair_options o = TCPSM_ZERO;
    uint32_t at = 48, len, rcv, snd;
    size_t n;
    int s;
    FILE *f = fopen(name, "rb");
    if (f == NULL)
        return die("cannot read", 0);
    n = fread(file, 1, sizeof file, f);
    fclose(f);
    for (s = 0; s < 2; s++) {
        len = pair_get32(file + at);
        if (at + 4 + len > n)
            return die("the file is short", (long)n);
        if (tcpsm_blob_rings(file + at + 4, len, &rcv, &snd) != 0)
            return die("no blob", s);
        o.rcv_ring[s] = rcv + ring;
        o.snd_ring[s] = snd + ring;
        at += 4 + len;
    }
    o.seed = 99;
    o.start = clock;
    pair_init(&p, &o);
    bad_network();
    flows(0);
    for (s = 0, at = 48; s < 2; s++, at += 4 + len) {
        tcpsm_ret e;
        len = pair_get32(file + at);
        e = tcpsm_import(&p.c[s], &p.cfg[s], file + at + 4, len, clock);
        if (e != 0)
            return die("import", e);
        pair_touched(&p, s);
    }
    if (!pair_until(&p, pair_transferred, 300 * PAIR_SECOND))
        return die("did not finish", (long)p.flow[0].got);
    pair_run(&p, 200 * PAIR_SECOND);
    if (p.failed || p.flow[0].got != TOTAL || p.flow[1].got != BACK ||
        p.c[0].state != TCPSM_CLOSED || p.c[1].state != TCPSM_CLOSED ||
        tcpsm_error(&p.c[0]) || tcpsm_error(&p.c[1]))
        return die("not as it should be", p.failed);
    printf("intact, %u segments %016llx\n", segments,
           (unsigned long long)hash);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "write") == 0)
        return write_half(strtoull(argv[2], NULL, 0), argv[3]);
    if (argc == 5 && strcmp(argv[1], "go") == 0)
        return go(argv[2], strtoull(argv[3], NULL, 0),
                  (uint32_t)strtoul(argv[4], NULL, 0));
    fprintf(argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr,
            "usage: %s write SEED FILE\n       %s go FILE CLOCK_US RING\n",
            argv[0], argv[0]);
    return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
}
