/* trace - two connections in virtual time over a bad network, the same on
   every processor: open, data both ways with loss, duplication, reordering
   and corruption, a move of one side through a blob into other ring sizes
   and another clock, close, TIME-WAIT. Prints the bytes of every segment
   and of the blob, and last a hash of all that. trace.sh compares.

   usage: trace [--hash] [SEED]     exit status 1: the stream was damaged */

#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOTAL 60000u   /* bytes from client to server */
#define BACK 20000u    /* and from server to client */
#define MOVE_AT 25000u /* the server moves after this many */
#define PACKETS 512

typedef struct {
    tcpsm_conn c;
    uint8_t rx[9000], tx[7000], rx2[20000], tx2[9001];
    tcpsm_config cfg;
    uint64_t clock; /* its clock minus the network's */
    uint32_t to_send, sent, want, got, eof, closed, moved;
    char name;
} end_point;

typedef struct {
    uint64_t at;
    int to, used;
    uint32_t len, order;
    tcpsm_tuple tuple;
    uint8_t tos, data[1600];
} packet;

static end_point ep[2];
static packet net[PACKETS];
static uint64_t now_us = 1000000, hash = 0xcbf29ce484222325u;
static uint32_t rnd = 1, order;
static int quiet, bad;

static uint32_t chance(uint32_t percent)
{
    rnd = rnd * 1664525u + 1013904223u;
    return (rnd >> 8) % 100u < percent;
}

static uint8_t byte_at(uint32_t i, char from)
{
    return (uint8_t)(i * 7u + (i >> 8) * 13u + (uint8_t)from);
}

static void emit(const char *what, char from, const uint8_t *p, uint32_t n)
{
    uint32_t i;
    if (!quiet)
        printf("%llu %s %c ", (unsigned long long)now_us, what, from);
    for (i = 0; i < n; i++) {
        hash = (hash ^ p[i]) * 0x100000001b3u;
        if (!quiet)
            printf("%02x", p[i]);
    }
    hash = (hash ^ now_us) * 0x100000001b3u;
    if (!quiet)
        putchar('\n');
}

static void put(int to, const tcpsm_out *o, uint32_t len, uint64_t delay)
{
    int i;
    for (i = 0; i < PACKETS && net[i].used; i++) {
    }
    if (i == PACKETS)
        return; /* tail drop */
    net[i].used = 1;
    net[i].to = to;
    net[i].at = now_us + delay;
    net[i].order = order++;
    net[i].len = len;
    net[i].tuple = o->tuple;
    net[i].tos = o->tos;
    memcpy(net[i].data, o->buf, len);
    if (chance(1))
        net[i].data[rnd % len] ^= (uint8_t)(1u << (rnd >> 29));
}

static void drain(int who)
{
    static uint8_t buf[1600];
    end_point *e = &ep[who];
    tcpsm_ret n;
    do {
        tcpsm_out o;
        memset(&o, 0, sizeof o);
        o.buf = buf;
        o.cap = sizeof buf;
        n = tcpsm_output(&e->c, &o, now_us + e->clock);
        if (n <= 0)
            break;
        emit("segment", e->name, buf, (uint32_t)n);
        if (chance(4))
            continue; /* lost */
        put(!who, &o, (uint32_t)n, chance(5) ? 26000 : 20000);
        if (chance(2))
            put(!who, &o, (uint32_t)n, 21000);
    } while (n > 0);
    if (n < 0)
        bad |= 1;
}

static void setup(end_point *e, const tcpsm_config *cfg, int big)
{
    if (tcpsm_init(&e->c, cfg) < 0 ||
        tcpsm_attach(&e->c, TCPSM_RECEIVE, big ? e->rx2 : e->rx,
                     big ? sizeof e->rx2 : sizeof e->rx, NULL) < 0 ||
        tcpsm_attach(&e->c, TCPSM_SEND, big ? e->tx2 : e->tx,
                     big ? sizeof e->tx2 : sizeof e->tx, NULL) < 0)
        bad |= 2;
}

/* Out through a blob, and in again elsewhere. */
static void move(end_point *e)
{
    static uint8_t blob[40000];
    tcpsm_ret n = tcpsm_export(&e->c, blob, sizeof blob, now_us + e->clock);
    if (n <= 0) {
        bad |= 4;
        return;
    }
    emit("blob", e->name, blob, (uint32_t)n);
    memset(&e->c, 0xAA, sizeof e->c);
    e->clock += 77777777777u;
    setup(e, &e->cfg, 1);
    if (tcpsm_import(&e->c, &e->cfg, blob, (uint32_t)n, now_us + e->clock) <
            0 ||
        tcpsm_check(&e->c) != 0)
        bad |= 8;
}

static void app(end_point *e, char peer)
{
    uint8_t buf[700];
    tcpsm_ret n;
    uint32_t i, k;
    while ((n = tcpsm_receive(&e->c, buf, sizeof buf)) > 0)
        for (i = 0; i < (uint32_t)n; i++, e->got++)
            if (buf[i] != byte_at(e->got, peer))
                bad |= 16;
    e->eof |= n == TCPSM_E_EOF;
    while (e->sent < e->to_send) {
        k = e->to_send - e->sent;
        k = k < sizeof buf ? k : (uint32_t)sizeof buf;
        for (i = 0; i < k; i++)
            buf[i] = byte_at(e->sent + i, e->name);
        n = tcpsm_send(&e->c, buf, k, 0);
        if (n <= 0)
            break;
        e->sent += (uint32_t)n;
    }
    if (e->sent == e->to_send && !e->closed && (e->name == 'A' || e->eof)) {
        e->closed = 1;
        tcpsm_shutdown(&e->c);
    }
    if (e->name == 'B' && e->got >= MOVE_AT && !e->moved) {
        e->moved = 1;
        move(e);
    }
}

static void deliver(packet *p)
{
    end_point *e = &ep[p->to];
    tcpsm_in in;
    memset(&in, 0, sizeof in);
    in.src = p->tuple.local;
    in.dst = p->tuple.remote;
    in.family = p->tuple.family;
    in.tos = p->tos;
    in.data = p->data;
    in.len = p->len;
    tcpsm_input(&e->c, &in, now_us + e->clock);
    p->used = 0;
    app(e, ep[!p->to].name);
}

static uint64_t due(int who)
{
    uint64_t d = tcpsm_deadline(&ep[who].c);
    if (d == TCPSM_NEVER)
        return d;
    return d > ep[who].clock ? d - ep[who].clock : 0;
}

int main(int argc, char **argv)
{
    tcpsm_tuple a, b;
    int i, steps;

    for (i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--hash"))
            quiet = 1;
        else
            rnd = (uint32_t)strtoul(argv[i], NULL, 10);
    }
    memset(&a, 0, sizeof a);
    a.family = 4;
    a.local[0] = a.remote[0] = 10;
    a.local[3] = 1;
    a.remote[3] = 2;
    a.local_port = 40000;
    a.remote_port = 80;
    memset(&b, 0, sizeof b);
    b.family = 4;
    b.local_port = 80;
    for (i = 0; i < 2; i++) {
        ep[i].name = (char)('A' + i);
        memset(ep[i].cfg.key, 17 + i, sizeof ep[i].cfg.key);
        ep[i].to_send = i ? BACK : TOTAL;
        ep[i].want = i ? TOTAL : BACK;
        setup(&ep[i], &ep[i].cfg, 0);
    }
    ep[1].clock = 123456789;
    if (tcpsm_listen(&ep[1].c, &b, now_us + ep[1].clock) < 0 ||
        tcpsm_open(&ep[0].c, &a, now_us) < 0)
        bad |= 32;

    for (steps = 0; steps < 100000; steps++) {
        packet *p = NULL;
        uint64_t next = TCPSM_NEVER;
        for (i = 0; i < 2; i++) {
            app(&ep[i], ep[!i].name);
            drain(i);
        }
        for (i = 0; i < PACKETS; i++)
            if (net[i].used &&
                (!p || net[i].at < p->at ||
                 (net[i].at == p->at && net[i].order < p->order)))
                p = &net[i];
        for (i = 0; i < 2; i++)
            next = due(i) < next ? due(i) : next;
        if (p && p->at <= next) {
            now_us = p->at > now_us ? p->at : now_us;
            deliver(p);
        } else if (next == TCPSM_NEVER) {
            break;
        } else {
            now_us = next > now_us ? next : now_us;
        }
    }
    for (i = 0; i < 2; i++) {
        if (ep[i].got != ep[i].want || !ep[i].eof)
            bad |= 64;
        if (tcpsm_state(&ep[i].c) != TCPSM_CLOSED || tcpsm_error(&ep[i].c))
            bad |= 128;
    }
    printf("hash %016llx end %llu bad %d moved %u steps %s\n",
           (unsigned long long)hash, (unsigned long long)now_us, bad,
           ep[1].moved, steps < 100000 ? "few" : "too many");
    return bad != 0;
}
