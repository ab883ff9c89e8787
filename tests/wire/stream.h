/* stream.h - what the stream_*.c tests share, on top of wire.h - 0BSD */

#ifndef STREAM_H
#define STREAM_H

/* n segments of len bytes each from seq on, now: flags are not compared. */
#define FLIGHT(seq, n, len)                                                  \
    (WIRE__STEP("FLIGHT"), stream__flight((seq), (n), (len)))

WIRE_FN void stream__flight(uint32_t seq, uint32_t n, uint32_t len)
{
    for (; n > 0; n--, seq += len) {
        wire__fill();
        if (w.q_n == 0)
            WIRE_FAIL("segment %u is not sent", seq);
        wire__take();
        if (w.seg.seq - w.iss != seq || w.seg.len != len)
            WIRE_FAIL("not %u len %u: %s", seq, len, wire_show(&w.seg));
    }
}

/* IN with numbers from variables */
#define INF(...) (WIRE__STEP(__VA_ARGS__), wire__in_expect(0, 0))
#define OUTF(...) (WIRE__STEP(__VA_ARGS__), wire__out())

/* Throws away what is sent now; how many segments it was. */
WIRE_FN uint32_t stream_drain(void)
{
    uint32_t n = 0;

    for (;; n++) {
        wire__fill();
        if (w.q_n == 0)
            return n;
        wire__take();
    }
}

WIRE_FN struct tcpsm_info stream_info(void)
{
    struct tcpsm_info i;

    tcpsm_status(w.c, &i);
    return i;
}

#endif /* STREAM_H */
