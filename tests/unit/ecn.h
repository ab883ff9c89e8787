/* ecn.h - the bits of ECN, on top of wire.h - 0BSD

   The three flags of RFC 9768 are one number here: AE CWR ECE, as its tables
   have them, so 7 is a SYN that asks for Accurate ECN, 3 one that asks for
   RFC 3168's. The rest of a segment is text for wire.h, with the ECN field
   of its IP header as "tos N": 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE.

       IN_ECN(7, "S 0 mss 1000 tos 0");
       OUT_ECN(2, "SA 0 ack 1 mss 1460");
       TOS(0);                      // of the last segment out

   Segments have 1000 octets, and the handshake of a client takes 100 ms:
   SRTT 100 ms, RTO 300 ms. */

#ifndef ECN_H
#define ECN_H

#ifndef PAIR_RING
#define PAIR_RING 262144
#endif
#include "test.h"

#include "tcpsm.h"

#include "wire.h"

#include "../wire/stream.h"

enum { NOT_ECT, ECT_1, ECT_0, CE };

/* The windows are the RFCs' own. */
static const tcpsm_cc ecn_reno TEST__UNUSED = {
    TCPSM_CC_NEWRENO, NULL, NULL, NULL, NULL, NULL, NULL, NULL};

/* Puts them into the segment that wire__build made. */
WIRE_FN void ecn__bits(uint32_t bits)
{
    tcpsm_tuple sums;

    w.buf[12] = (uint8_t)(w.buf[12] | (bits >> 2 & 1));
    w.buf[13] = (uint8_t)(w.buf[13] | (bits & 3) << 6);
    memset(&sums, 0, sizeof sums);
    sums.family = w.family;
    memcpy(sums.local, w.tuple.remote, 16);
    memcpy(sums.remote, w.tuple.local, 16);
    pair_set_checksum(&sums, w.buf, w.in.len);
    w.in.data = wire__exact(w.buf, w.in.len);
}

/* w.text, with these flags, in n segments of which ce were marked */
WIRE_FN void ecn__in(uint32_t bits, uint32_t segs, uint32_t ce, int drop)
{
    int was = tcpsm_state(w.c);

    wire__build(w.text);
    ecn__bits(bits);
    if (segs) {
        w.in.segs = (uint16_t)segs;
        w.in.ce = (uint16_t)ce;
        w.in.gso_size = 1000;
    }
    w.ret = tcpsm_input(w.c, &w.in, w.p.now);
    if (was != tcpsm_state(w.c) && tcpsm_state(w.c) <= TCPSM_SYN_RECEIVED)
        w.p.watch[PAIR_A].edge_known = 0;
    wire__touched();
    if (w.ret != 0 || (drop >= 0 && w.in.drop != drop))
        WIRE_FAIL("input returned %d, drop %d", w.ret, w.in.drop);
}

/* AE CWR ECE of the last segment out */
WIRE_FN uint32_t ecn_bits(void)
{
    return (uint32_t)((w.last.bytes[12] & 1) << 2 | w.last.bytes[13] >> 6);
}

WIRE_FN void ecn__out(uint32_t bits)
{
    wire__fill();
    if (w.q_n == 0)
        WIRE_FAIL("nothing is sent");
    wire__take();
    w.seg.flags &= 0x3F;
    wire__compare(&w.seg, w.text);
    if (ecn_bits() != bits)
        WIRE_FAIL("AE CWR ECE are %u%u%u", ecn_bits() >> 2,
                  ecn_bits() >> 1 & 1, ecn_bits() & 1);
}

WIRE_FN void ecn__tos(uint32_t want)
{
    if ((w.last.tos & 3u) != want)
        WIRE_FAIL("its ECN field is %u, not %u: %s", w.last.tos & 3u, want,
                  wire_show(&w.seg));
}

#define IN_ECN(bits, ...) (WIRE__STEP(__VA_ARGS__), ecn__in((bits), 0, 0, 0))
#define IN_ECN_DROP(drop, bits, ...)                                         \
    (WIRE__STEP(__VA_ARGS__), ecn__in((bits), 0, 0, (drop)))
/* A train (GRO) of segs segments, ce of them marked */
#define IN_TRAIN(bits, segs, ce, ...)                                        \
    (WIRE__STEP(__VA_ARGS__), ecn__in((bits), (segs), (ce), 0))
#define OUT_ECN(bits, ...) (WIRE__STEP(__VA_ARGS__), ecn__out(bits))
#define TOS(ecn) ecn__tos(ecn)

/* The option of this kind in the last segment out, or NULL */
WIRE_FN const uint8_t *ecn_option(uint8_t kind)
{
    const uint8_t *p = w.last.bytes + 20, *end;

    end = w.last.bytes + w.seg.hdr_len;
    while (p < end && *p != 0) {
        if (*p == kind)
            return p;
        p += *p == 1 ? 1 : p[1];
    }
    return NULL;
}

WIRE_FN uint32_t cwnd(void)
{
    return stream_info().cwnd;
}

WIRE_FN uint32_t ssthresh(void)
{
    return stream_info().ssthresh;
}

/* The next timer; what it sends is left for OUT. */
WIRE_FN void ecn_next(void)
{
    tcpsm_time d = tcpsm_deadline(w.c);

    WIRE__STEP("next timer");
    if (d == TCPSM_NEVER)
        WIRE_FAIL("no timer");
    if (d > w.p.now)
        w.p.now = d;
    wire__fill();
}

/* The ACK that is owed, at once or delayed, into w.seg */
WIRE_FN void ecn_ack(void)
{
    WIRE__STEP("the ACK");
    wire__fill();
    if (w.q_n == 0)
        ecn_next();
    if (w.q_n == 0)
        WIRE_FAIL("no ACK");
    wire__take();
}

/* Until a retransmission timeout has sent something, w.seg; what goes out
   before it is thrown away. */
WIRE_FN void ecn_timeout(void)
{
    uint64_t was = COUNT(timeouts);
    int k;

    stream_drain();
    for (k = 0; COUNT(timeouts) == was; k++) {
        CHECK(k < 50);
        ecn_next();
        if (COUNT(timeouts) == was)
            stream_drain();
    }
    wire__fill();
    if (w.q_n == 0)
        WIRE_FAIL("the timeout sends nothing");
    wire__take();
}

/* No option but MSS, unless the flags are changed */
WIRE_FN void ecn_start(uint32_t flags, const tcpsm_cc *cc)
{
    START();
    w.cfg.flags = (WIRE_PLAIN & ~(uint32_t)TCPSM_NO_ECN) | TCPSM_NODELAY |
                  TCPSM_NO_PROBE | flags;
    w.cfg.cc = cc;
}

#endif /* ECN_H */
