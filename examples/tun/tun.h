/* tun.h - between a Linux TUN device and tcpsm: the IP header - 0BSD

   All that a program needs besides TCP to live on one link: an IP header
   off, an IP header on, a clock, and a wait for packet or deadline. No
   fragments, no extension headers, no routing. Include tcpsm.h first. */

#ifndef TUN_H
#define TUN_H

#include <poll.h>
#include <sys/random.h>
#include <time.h>
#include "setup.h"

#define TUN_HEAD 40 /* room for an IP header before the segment in out */
#define TUN_STOP (-2)

/* ---- the IP header ---------------------------------------------------- */

static unsigned ip_be16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* RFC 1071, over an IPv4 header: 0 when the checksum in it is right. */
static unsigned ip_sum(const uint8_t *p, unsigned len)
{
    unsigned sum = 0;

    for (; len > 0; p += 2, len -= 2)
        sum += ip_be16(p);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return ~(sum + (sum >> 16)) & 0xFFFF;
}

/* Describes the payload of an IP packet in *in. Returns its protocol, 6
   for TCP, or -1: malformed, or a fragment. Bytes beyond the length that
   the header states are padding, not payload. */
static int ip_parse(tcpsm_in *in, const uint8_t *p, unsigned n)
{
    unsigned v6 = n > 0 && p[0] >> 4 == 6;
    unsigned head = v6 ? 40 : 20, len;

    memset(in, 0, sizeof *in);
    if (n < head || (!v6 && p[0] >> 4 != 4))
        return -1;
    if (!v6)
        head = (p[0] & 15) * 4u;
    len = v6 ? 40 + ip_be16(p + 4) : ip_be16(p + 2);
    if (head < 20 || len < head || len > n)
        return -1;
    if (!v6 && (ip_sum(p, head) != 0 || (ip_be16(p + 6) & 0x3FFF) != 0))
        return -1;
    in->src = p + (v6 ? 8 : 12);
    in->dst = p + (v6 ? 24 : 16);
    in->data = p + head;
    in->len = len - head;
    in->family = v6 ? 6 : 4;
    in->tos = (uint8_t)(v6 ? ip_be16(p) >> 4 : p[1]);
    return p[v6 ? 6 : 9];
}

/* Writes the IP header that belongs before n bytes of segment at p;
   returns its length. IPv4: DF, for path MTU discovery, so no ID. */
static unsigned ip_prepend(uint8_t *p, const tcpsm_out *out, unsigned n)
{
    const tcpsm_tuple *t = &out->tuple;
    unsigned sum;

    if (t->family == 6) {
        p -= 40;
        memset(p, 0, 40);
        p[0] = (uint8_t)(0x60 | out->tos >> 4);
        p[1] = (uint8_t)(out->tos << 4);
        p[4] = (uint8_t)(n >> 8);
        p[5] = (uint8_t)n;
        p[6] = 6;
        p[7] = out->ttl;
        memcpy(p + 8, t->local, 16);
        memcpy(p + 24, t->remote, 16);
        return 40;
    }
    p -= 20;
    memset(p, 0, 20);
    p[0] = 0x45;
    p[1] = out->tos;
    p[2] = (uint8_t)((20 + n) >> 8);
    p[3] = (uint8_t)(20 + n);
    p[6] = 0x40;
    p[8] = out->ttl;
    p[9] = 6;
    memcpy(p + 12, t->local, 4);
    memcpy(p + 16, t->remote, 4);
    sum = ip_sum(p, 20);
    p[10] = (uint8_t)(sum >> 8);
    p[11] = (uint8_t)sum;
    return 20;
}

/* ---- the device ------------------------------------------------------- */

static tcpsm_time tun_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (tcpsm_time)t.tv_sec * 1000000u + (tcpsm_time)t.tv_nsec / 1000u;
}

/* Waits for a packet until the deadline. Returns its protocol with *in
   filled in; -1: the deadline came, or it is not for us; TUN_STOP: SIGINT
   or SIGTERM. */
static int tun_read(struct tun *t, tcpsm_in *in, tcpsm_time deadline)
{
    struct pollfd p[2] = {{t->fd, POLLIN, 0}, {t->signals, POLLIN, 0}};
    tcpsm_time now = tun_now(), ms = 0;
    ssize_t n;

    /* Up to a millisecond late rather than early and in vain. */
    if (deadline > now)
        ms = (deadline - now - 1) / 1000 + 1;
    if (poll(p, 2, ms > 3600000 ? 3600000 : (int)ms) <= 0)
        return -1;
    if (p[1].revents != 0)
        return TUN_STOP;
    n = read(t->fd, t->in, sizeof t->in);
    tun_must(n >= 0, "read from the TUN device");
    return ip_parse(in, t->in, (unsigned)n);
}

/* Sends the n bytes of segment at t->out + TUN_HEAD. A packet that does
   not get through is lost like any other: TCP repairs that. */
static void tun_write(struct tun *t, const tcpsm_out *out, tcpsm_ret n)
{
    uint8_t *segment = t->out + TUN_HEAD;
    unsigned head = ip_prepend(segment, out, (unsigned)n);

    if (write(t->fd, segment - head, head + (unsigned)n) < 0)
        perror("write to the TUN device");
}

#endif /* TUN_H */
