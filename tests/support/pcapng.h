/* pcapng.h - writes a capture that tshark and Wireshark read. 0BSD.

       pcapng w;
       pcapng_open(&w, "x.pcapng", "what wrote it");
       pcapng_tcp(&w, now_us, &addresses, segment, len, "a comment");
       if (pcapng_close(&w) != 0) ...   // -1: some write failed

   One Section Header, one interface of LINKTYPE_RAW (an IPv4 or IPv6
   header comes first) with microseconds, then Enhanced Packet Blocks, each
   with its comment if there is one. Little-endian on every machine, so
   that equal runs give equal files. Format: draft-ietf-opsawg-pcapng. */

#ifndef PCAPNG_H
#define PCAPNG_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __GNUC__
#define PCAPNG_FN static __attribute__((unused))
#else
#define PCAPNG_FN static
#endif

#define PCAPNG_LINKTYPE_RAW 101
#define PCAPNG_MAX 65535

typedef struct {
    FILE *file;
    int failed;
    uint16_t ident; /* of the next IPv4 header */
    uint64_t packets;
} pcapng;

/* Where a segment goes; addresses in network order, 4 or 16 bytes */
typedef struct {
    const uint8_t *src, *dst;
    uint8_t family, tos, ttl;
} pcapng_route;

PCAPNG_FN void pcapng__bytes(pcapng *w, const void *p, size_t n)
{
    if (w->file == NULL || (n > 0 && fwrite(p, 1, n, w->file) != n))
        w->failed = 1;
}

PCAPNG_FN void pcapng__u16(pcapng *w, uint32_t v)
{
    uint8_t b[2];

    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
    pcapng__bytes(w, b, 2);
}

PCAPNG_FN void pcapng__u32(pcapng *w, uint32_t v)
{
    pcapng__u16(w, v);
    pcapng__u16(w, v >> 16);
}

PCAPNG_FN void pcapng__padded(pcapng *w, const void *p, uint32_t n)
{
    pcapng__bytes(w, p, n);
    pcapng__bytes(w, "\0\0\0", (4 - n % 4) % 4);
}

PCAPNG_FN void pcapng__option(pcapng *w, uint32_t code, const void *p,
                              uint32_t n)
{
    pcapng__u16(w, code);
    pcapng__u16(w, n);
    pcapng__padded(w, p, n);
}

PCAPNG_FN uint32_t pcapng__room(uint32_t n)
{
    return (n + 3) / 4 * 4;
}

/* Returns 0, or -1: the file cannot be written. */
PCAPNG_FN int pcapng_open(pcapng *w, const char *path, const char *program)
{
    uint32_t n = (uint32_t)strlen(program);
    uint32_t len = 28 + 4 + pcapng__room(n) + 4;

    memset(w, 0, sizeof *w);
    w->file = fopen(path, "wb");
    if (w->file == NULL)
        return -1;
    pcapng__u32(w, 0x0A0D0D0A); /* Section Header Block */
    pcapng__u32(w, len);
    pcapng__u32(w, 0x1A2B3C4D);
    pcapng__u16(w, 1); /* version 1.0 */
    pcapng__u16(w, 0);
    pcapng__u32(w, UINT32_MAX); /* section length: not given */
    pcapng__u32(w, UINT32_MAX);
    pcapng__option(w, 4, program, n); /* shb_userappl */
    pcapng__u32(w, 0);                /* opt_endofopt */
    pcapng__u32(w, len);
    pcapng__u32(w, 1); /* Interface Description Block */
    pcapng__u32(w, 32);
    pcapng__u16(w, PCAPNG_LINKTYPE_RAW);
    pcapng__u16(w, 0);
    pcapng__u32(w, PCAPNG_MAX);
    pcapng__option(w, 9, "\6", 1); /* if_tsresol: 10^-6 s */
    pcapng__u32(w, 0);
    pcapng__u32(w, 32);
    return w->failed ? -1 : 0;
}

/* comment NULL or "": none */
PCAPNG_FN void pcapng_packet(pcapng *w, uint64_t us, const uint8_t *head,
                             uint32_t head_len, const uint8_t *body,
                             uint32_t body_len, const char *comment)
{
    uint32_t n = comment ? (uint32_t)strlen(comment) : 0;
    uint32_t options = n ? 4 + pcapng__room(n) + 4 : 0;
    uint32_t cap = head_len + body_len;
    uint32_t len = 32 + pcapng__room(cap) + options;

    pcapng__u32(w, 6); /* Enhanced Packet Block */
    pcapng__u32(w, len);
    pcapng__u32(w, 0);
    pcapng__u32(w, (uint32_t)(us >> 32));
    pcapng__u32(w, (uint32_t)us);
    pcapng__u32(w, cap);
    pcapng__u32(w, cap);
    pcapng__bytes(w, head, head_len);
    pcapng__bytes(w, body, body_len);
    pcapng__bytes(w, "\0\0\0", (4 - cap % 4) % 4);
    if (n) {
        pcapng__option(w, 1, comment, n); /* opt_comment */
        pcapng__u32(w, 0);
    }
    pcapng__u32(w, len);
    w->packets++;
}

PCAPNG_FN void pcapng__be16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* Builds the IP header before a TCP segment of len bytes; returns its
   length (h has 40 bytes). */
PCAPNG_FN uint32_t pcapng_ip(uint8_t *h, const pcapng_route *r, uint16_t id,
                             uint32_t len)
{
    uint32_t i, sum = 0;

    memset(h, 0, 40);
    if (r->family == 6) {
        h[0] = (uint8_t)(6 << 4 | r->tos >> 4);
        h[1] = (uint8_t)(r->tos << 4);
        pcapng__be16(h + 4, len);
        h[6] = 6;
        h[7] = r->ttl;
        memcpy(h + 8, r->src, 16);
        memcpy(h + 24, r->dst, 16);
        return 40;
    }
    h[0] = 0x45;
    h[1] = r->tos;
    pcapng__be16(h + 2, 20 + len);
    pcapng__be16(h + 4, id);
    h[6] = 0x40; /* do not fragment */
    h[8] = r->ttl;
    h[9] = 6;
    memcpy(h + 12, r->src, 4);
    memcpy(h + 16, r->dst, 4);
    for (i = 0; i < 20; i += 2)
        sum += (uint32_t)h[i] << 8 | h[i + 1];
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    pcapng__be16(h + 10, ~sum);
    return 20;
}

PCAPNG_FN void pcapng_tcp(pcapng *w, uint64_t us, const pcapng_route *r,
                          const void *segment, uint32_t len,
                          const char *comment)
{
    uint8_t head[40];
    uint32_t n = pcapng_ip(head, r, w->ident++, len);

    pcapng_packet(w, us, head, n, (const uint8_t *)segment, len, comment);
}

/* Returns 0, or -1 if anything could not be written. */
PCAPNG_FN int pcapng_close(pcapng *w)
{
    if (w->file != NULL && fclose(w->file) != 0)
        w->failed = 1;
    w->file = NULL;
    return w->failed ? -1 : 0;
}

#endif /* PCAPNG_H */
