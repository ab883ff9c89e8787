/* What goes out, at the edges of the buffer that it goes into, and after a
   handshake that somebody else did. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

static uint8_t buf[2048];

/* tcpsm_open_from: later TSvals go on where the handshake's stopped, so the
   offset that the facts tell is that of every segment (RFC 7323 s5.4). */
static uint32_t first_tsval(uint32_t offset)
{
    static uint8_t ring[4096];
    tcpsm_facts f;
    tcpsm_conn c;
    tcpsm_out o;

    START();
    w.cfg.key[0] = 1;
    w.cfg.flags = 0;
    memset(&f, 0, sizeof f);
    f.snd_nxt = 1000;
    f.rcv_nxt = 2000;
    f.snd_wnd = 4000;
    f.peer_mss = 1000;
    f.timestamps = 1;
    f.ts_offset = offset;
    CHECK_EQ(tcpsm_init(&c, &w.cfg), 0);
    CHECK_EQ(tcpsm_attach(&c, TCPSM_SEND, ring, sizeof ring, NULL), 0);
    CHECK_EQ(tcpsm_open_from(&c, &w.tuple, &f, 1000000), 0);
    CHECK_EQ(tcpsm_send(&c, "x", 1, 0), 1);
    memset(&o, 0, sizeof o);
    o.buf = buf;
    o.cap = sizeof buf;
    CHECK_EQ(tcpsm_output(&c, &o, 1000000), 33);
    CHECK_EQ(buf[22] << 8 | buf[23], 0x080A);
    return (uint32_t)buf[24] << 24 | (uint32_t)buf[25] << 16 |
           (uint32_t)buf[26] << 8 | buf[27];
}
TEST(RFC7323_5_4_the_clock_of_the_handshake_goes_on)
{
    uint32_t at = first_tsval(0);
    CHECK_EQ(first_tsval(1), at + 1);
    CHECK_EQ(first_tsval(0xFFFF0000u), at + 0xFFFF0000u);
}

/* tcpsm_out.cap: "less than a full segment works, a piece at a time", also
   when SACK blocks and timestamps take their part of it. */
TEST(a_small_buffer_holds_the_options_too)
{
    uint32_t total = 0, k, hdr = 0;
    tcpsm_out o;
    tcpsm_ret n;

    START();
    w.cfg.flags = TCPSM_NODELAY;
    w.rcv_ring = w.snd_ring = 16384;
    OPENED("mss 1000 sackok ts 1000000 *");
    SEND(1000);
    IN("PA 201 ack 1 len 100"); /* three holes */
    IN("PA 401 ack 1 len 100");
    IN("PA 601 ack 1 len 100");
    for (k = 0; k < 100 && total < 1000; k++) {
        memset(&o, 0, sizeof o);
        memset(buf, 0xEE, sizeof buf);
        o.buf = buf;
        o.cap = TCPSM_MIN_CAP;
        n = tcpsm_output(w.c, &o, w.p.now);
        CHECK_GT(n, 0);
        CHECK_LE(n, (tcpsm_ret)TCPSM_MIN_CAP);
        CHECK_EQ(buf[TCPSM_MIN_CAP], 0xEE);
        total += (uint32_t)n - o.hdr_len;
        hdr = o.hdr_len > hdr ? o.hdr_len : hdr;
    }
    CHECK_EQ(total, 1000);
    CHECK_EQ(hdr, 20 + 12 + 28); /* timestamps, three blocks */
}

/* RFC 9293 s3.10.7.4, table 6: a segment whose first octet lies exactly at the
   right edge is outside; one that is older than the window and longer than it
   holds all of it, though neither its first octet nor its last lies inside. */
TEST(RFC9293_3_10_7_4_beside_the_window_and_around_it)
{
    struct tcpsm_info i;

    START();
    w.rcv_ring = 1000;
    OPENED("mss 1000");
    IN("PA 1 ack 1 len 100");
    OUT("A 1 ack 101");
    SEND(100);
    OUT("PA 1 ack 101 len 100");
    IN_DROP(TCPSM_DROP_WINDOW, "PA 1001 ack 101 len 1");
    OUT("A 101 ack 101");
    tcpsm_status(w.c, &i);
    CHECK_EQ(i.snd_queued, 100); /* its ACK does not count */
    IN_DROP(TCPSM_DROP_WINDOW, "PA 51 ack 1 len 1200"); /* the rest of it */
    CHECK_EQ(tcpsm_events(w.c) & TCPSM_EV_READABLE, TCPSM_EV_READABLE);
    READ(1000);
}
