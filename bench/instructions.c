/* instructions - a steady state to be counted by callgrind, one function
   (step_NAME) per thing counted; see instructions.sh.

   Two connections with the default configuration (timestamps, SACK) and an
   MTU of 1512, so that a full segment carries 1460 bytes. One segment is
   in flight at a time: what is counted is the straight path.

     step_data_send       tcpsm_send of 1460 bytes, tcpsm_output
     step_data_receive    tcpsm_input, tcpsm_receive
     step_ack_send        tcpsm_output of the ACK
     step_ack_receive     tcpsm_input of it
     step_rr              64 bytes there and 64 back, both ends, all calls

   The memory functions are in here, so that the count does not depend on
   the C library or on what the processor can do.

   usage: instructions [TURNS]     exit status 1: it did not go as planned */

#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"
#include <stdio.h>
#include <stdlib.h>

typedef uint32_t wide __attribute__((vector_size(16), aligned(1), may_alias));

void *memcpy(void *d, const void *s, size_t n)
{
    uint8_t *to = (uint8_t *)d;
    const uint8_t *from = (const uint8_t *)s;
    for (; n >= 16; n -= 16, to += 16, from += 16)
        *(wide *)(void *)to = *(const wide *)(const void *)from;
    while (n--)
        *to++ = *from++;
    return d;
}

void *memmove(void *d, const void *s, size_t n)
{
    uint8_t *to = (uint8_t *)d;
    const uint8_t *from = (const uint8_t *)s;
    if (to <= from)
        return memcpy(d, s, n);
    while (n--)
        to[n] = from[n];
    return d;
}

void *memset(void *d, int c, size_t n)
{
    uint8_t *to = (uint8_t *)d;
    const uint8_t b = (uint8_t)c;
    const uint32_t w = b * 0x01010101u;
    const wide v = {w, w, w, w};
    for (; n >= 16; n -= 16, to += 16)
        *(wide *)(void *)to = v;
    while (n--)
        *to++ = b;
    return d;
}

#define STEP __attribute__((noinline)) static void

static tcpsm_conn end[2];
static uint8_t ring[4][65536], packet[1600], text[1460];
static tcpsm_time now = 1000000;
static tcpsm_ret length; /* of what is in packet */
static tcpsm_tuple tuple;
static unsigned long bad;

static void output(int who)
{
    static tcpsm_out out;
    out.buf = packet;
    out.cap = sizeof packet;
    length = tcpsm_output(&end[who], &out, now);
    tuple = out.tuple;
}

static void input(int who)
{
    static tcpsm_in in;
    in.src = tuple.local;
    in.dst = tuple.remote;
    in.family = 4;
    in.data = packet;
    in.len = (uint32_t)length;
    in.gso_size = 0;
    bad += tcpsm_input(&end[who], &in, now) != 0;
    bad += in.drop != 0;
}

STEP step_data_send(void)
{
    bad += tcpsm_send(&end[0], text, 1460, 0) != 1460;
    output(0);
}

STEP step_data_receive(void)
{
    input(1);
    bad += tcpsm_receive(&end[1], text, sizeof text) != 1460;
}

STEP step_ack_send(void)
{
    output(1);
}

STEP step_ack_receive(void)
{
    input(0);
}

STEP step_rr(void)
{
    bad += tcpsm_send(&end[0], text, 64, 0) != 64;
    output(0);
    input(1);
    bad += tcpsm_receive(&end[1], text, sizeof text) != 64;
    bad += tcpsm_send(&end[1], text, 64, 0) != 64;
    output(1);
    input(0);
    bad += tcpsm_receive(&end[0], text, sizeof text) != 64;
}

/* All that is owed, there and back, until both are silent. */
static void settle(void)
{
    int who, said;
    do {
        said = 0;
        for (who = 0; who < 2; who++)
            for (output(who); length > 0; output(who), said = 1)
                input(!who);
    } while (said);
}

int main(int argc, char **argv)
{
    long turns = argc > 1 ? strtol(argv[1], NULL, 10) : 1000, i;
    tcpsm_config cfg = TCPSM_ZERO;
    tcpsm_tuple a = TCPSM_ZERO, b = TCPSM_ZERO;

    cfg.mtu = 1512;
    a.family = b.family = 4;
    a.local[0] = a.remote[0] = 10;
    a.local[3] = 1;
    a.remote[3] = 2;
    a.local_port = 40000;
    a.remote_port = b.local_port = 80;
    for (i = 0; i < 2; i++) {
        cfg.key[0] = (uint8_t)(i + 1);
        bad += tcpsm_init(&end[i], &cfg) < 0;
        bad += tcpsm_attach(&end[i], TCPSM_RECEIVE, ring[2 * i],
                            sizeof ring[0], NULL) < 0;
        bad += tcpsm_attach(&end[i], TCPSM_SEND, ring[2 * i + 1],
                            sizeof ring[0], NULL) < 0;
    }
    bad += tcpsm_listen(&end[1], &b, now) < 0;
    bad += tcpsm_open(&end[0], &a, now) < 0;
    settle();
    bad += tcpsm_state(&end[1]) != TCPSM_ESTABLISHED;
    bad += tcpsm_set(&end[1], TCPSM_SET_ACK_EVERY, 1) < 0;
    for (i = 0; i < turns && !bad; i++, now += 100) {
        step_data_send();
        bad += length < 1460 + 20;
        step_data_receive();
        step_ack_send();
        bad += length <= 0 || length > 60;
        step_ack_receive();
        output(0);
        bad += length != 0;
    }
    bad += tcpsm_set(&end[1], TCPSM_SET_ACK_EVERY, 2) < 0;
    settle();
    for (i = 0; i < turns && !bad; i++, now += 100)
        step_rr();
    if (bad)
        fprintf(stderr, "instructions: %lu things went wrong, turn %ld\n",
                bad, i);
    return bad != 0;
}
