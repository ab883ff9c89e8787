/* TCP Fast Open (RFC 7413, errata 4238, 4239, 5373 and 8015), one connection:
   the client's requests, cookies, data in its SYN and what it remembers; the
   server's cookies, what it serves before the handshake ends, and how much
   it says meanwhile. Layer 2 is in stack_ecn.c. */

#define PAIR_RING 262144
#define PAIR_SLOTS 1024
#include "test.h"
#include "tcpsm.h"

#include "wire.h"

#include "../wire/stream.h"

static tcpsm_fastopen entry; /* the client's memory */

#define COOKIE "raw 220A0102030405060708"
static const uint8_t bytes[16] = {1, 2,  3,  4,  5,  6,  7,  8,
                                  9, 10, 11, 12, 13, 14, 15, 16};

static void config(uint32_t flags)
{
    START();
    w.cfg.flags = WIRE_PLAIN | TCPSM_NODELAY | TCPSM_NO_PROBE | flags;
    memset(&entry, 0, sizeof entry);
}

static void open_fast(void)
{
    tcpsm_ret r;

    WIRE__STEP("tcpsm_open_fast");
    if (!w.ready)
        wire__aim(), wire__init();
    r = tcpsm_open_fast(w.c, &w.tuple, &entry, w.p.now);
    if (r)
        WIRE_FAIL("returned %d", r);
    wire__touched();
}

static void have_cookie(uint8_t len, uint16_t mss)
{
    memset(&entry, 0, sizeof entry);
    memcpy(entry.cookie, bytes, len);
    entry.len = len;
    entry.mss = mss;
}

/* The option in the last segment out; its length, 0: none */
static const uint8_t *option;
static uint32_t option_len(void)
{
    const uint8_t *p = w.last.bytes + 20, *end;

    end = w.last.bytes + w.seg.hdr_len;
    for (; p < end && *p != 0; p += *p == 1 ? 1 : p[1])
        if (*p == 34) {
            option = p;
            return p[1];
        }
    option = NULL;
    return 0;
}

/* The next timer that sends something */
static void next(void)
{
    int k;

    for (k = 0; w.q_n == 0; k++) {
        tcpsm_time d = tcpsm_deadline(w.c);

        WIRE__STEP("next timer");
        if (d == TCPSM_NEVER || k > 20)
            WIRE_FAIL("no timer");
        if (d > w.p.now)
            w.p.now = d;
        wire__fill();
    }
}

/* ---- client: asking ----------------------------------------------------- */

/* RFC7413-1: nobody does it by itself; nor with no entry, nor where it was
   refused (RFC7413-5). */
TEST(RFC7413_1_off_by_default)
{
    config(0);
    OPEN();
    SEND(100);
    OUT("S 0 mss 1460");
    CHECK_EQ(option_len(), 0);
    CHECK_EQ(tcpsm_fastopen_learn(w.c, &entry), 0);
    CHECK_EQ(stream_info().fast_open, 0);

    config(TCPSM_FASTOPEN); /* which is LISTEN's */
    OPEN();
    SEND(100);
    OUT("S 0 mss 1460");
    CHECK_EQ(option_len(), 0);

    config(0);
    wire__init();
    CHECK_EQ(tcpsm_open_fast(w.c, &w.tuple, NULL, w.p.now), 0);
    wire__touched();
    SEND(100);
    OUT("S 0 mss 1460");
    CHECK_EQ(option_len(), 0);

    config(0);
    have_cookie(8, 1000);
    entry.refused = 1;
    open_fast();
    SEND(100);
    OUT("S 0 mss 1460");
    CHECK_EQ(option_len(), 0);
    CHECK_EQ(tcpsm_fastopen_learn(w.c, &entry), 0);
    CHECK_EQ(entry.refused, 1); /* it is the owner who forgets */
}

/* RFC7413-7, erratum 4239: first a request, of length 2, and no data. The
   answer's cookie and MSS are for the next time (RFC7413-4). */
TEST(RFC7413_7_RFC7413_4_request)
{
    config(0);
    open_fast();
    SEND(100);
    OUT("S 0 mss 1460");
    CHECK_EQ(option_len(), 2);
    CHECK_EQ(tcpsm_fastopen_learn(w.c, &entry), 0); /* nothing yet */
    IN("SA 0 ack 1 mss 1000 " COOKIE);
    CHECK_EQ(tcpsm_fastopen_learn(w.c, &entry), 1);
    CHECK_EQ(entry.len, 8);
    CHECK_MEM(entry.cookie, bytes, 8);
    CHECK_EQ(entry.mss, 1000);
    CHECK_EQ(entry.refused, 0);
    CHECK_EQ(tcpsm_fastopen_learn(w.c, &entry), 0); /* no news */
    stream_drain();
    CHECK_EQ(w.seg.len, 100);
    CHECK_EQ(option_len(), 0);
    CHECK_EQ(stream_info().fast_open, 0);
    IN("A 1 ack 101");
    ABORT();
    stream_drain();

    START(); /* the same server, again */
    w.cfg.flags = WIRE_PLAIN | TCPSM_NODELAY;
    open_fast();
    SEND(100);
    OUT("S 0 mss 1460 len 100");
    CHECK_EQ(option_len(), 10);
    CHECK_MEM(option + 2, bytes, 8);
}

/* RFC7413-5: it knows nothing of it: not again for a while. RFC7413-8: nor
   is the request in a SYN that is sent again. */
TEST(RFC7413_5_RFC7413_8_request_refused)
{
    config(0);
    open_fast();
    OUT("S 0 mss 1460");
    IN("SA 0 ack 1 mss 1000");
    CHECK_EQ(tcpsm_fastopen_learn(w.c, &entry), 1);
    CHECK_EQ(entry.refused, 1);
    CHECK_EQ(entry.len, 0);

    config(0);
    open_fast();
    OUT("S 0 mss 1460");
    CHECK_EQ(option_len(), 2);
    next();
    OUT("S 0 mss 1460");
    CHECK_EQ(option_len(), 0);
    IN("SA 0 ack 1 mss 1000");
    OUT("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
    CHECK_EQ(tcpsm_fastopen_learn(w.c, &entry), 1);
    CHECK_EQ(entry.refused, 1); /* "failed to respond to cookie requests" */
}

/* RFC7413-2: cookies have 4 to 16 octets, an even number of them; others are
   ignored, and so is one without a SYN. */
TEST(RFC7413_2_lengths)
{
    uint32_t len;

    for (len = 2; len <= 22; len++) {
        int good = len >= 6 && len <= 18 && !(len & 1);
        char hex[64];
        uint32_t i, n;

        CONTEXT("option of %u", len);
        n = (uint32_t)snprintf(hex, sizeof hex, "22%02X", len);
        for (i = 0; i + 2 < len; i++)
            n += (uint32_t)snprintf(hex + n, sizeof hex - n, "%02X", i + 1);
        config(0);
        open_fast();
        OUT("S 0 mss 1460");
        INF("SA 0 ack 1 mss 1000 raw %s", hex);
        STATE(TCPSM_ESTABLISHED);
        CHECK_EQ(tcpsm_fastopen_learn(w.c, &entry), 1);
        CHECK_EQ(entry.len, good ? len - 2 : 0);
        CHECK_EQ(entry.refused, !good);
        if (!good)
            continue;
        CHECK_MEM(entry.cookie, bytes, len - 2);
        ABORT();
        stream_drain();
        START();
        w.cfg.flags = TCPSM_NODELAY | TCPSM_NO_ECN; /* all other options */
        open_fast();
        SEND(100);
        wire__fill();
        wire__take();
        CHECK_EQ(w.seg.flags & 0x3F, PAIR_SYN);
        CHECK_LE(w.seg.hdr_len, 60u);
        CHECK_EQ(option_len(), len);
        CHECK_MEM(option + 2, bytes, len - 2);
        CHECK(w.seg.timestamps && w.seg.sack_permitted && w.seg.mss == 1460);
        CHECK_EQ(w.seg.len, 100);
    }
    config(0);
    open_fast();
    OUT("S 0 mss 1460");
    IN("SA 0 ack 1 mss 1000");
    IN("A 1 ack 1 " COOKIE);
    tcpsm_fastopen_learn(w.c, &entry);
    CHECK_EQ(entry.len, 0);
}

/* What cannot be an entry is refused, or does no harm on the wire. */
TEST(RFC7413_2_odd_entries)
{
    uint32_t len;

    for (len = 0; len <= 17; len++) {
        tcpsm_ret r;
        uint32_t n;

        config(0);
        wire__init();
        have_cookie((uint8_t)(len > 16 ? 16 : len), 1000);
        entry.len = (uint8_t)len;
        r = tcpsm_open_fast(w.c, &w.tuple, &entry, w.p.now);
        if (r != 0) {
            CHECK_EQ(r, TCPSM_E_ARG);
            CHECK(len & 1 || len == 2 || len > 16);
            continue;
        }
        wire__touched();
        SEND(10);
        wire__fill();
        wire__take();
        n = option_len();
        CHECKF(n == 0 || n == 2 || (n >= 6 && n <= 18 && !(n & 1)),
               "an entry of %u gives an option of %u", len, n);
    }
}

/* ---- client: data in the SYN -------------------------------------------- */

/* RFC7413-7, erratum 8015: up to the cached MSS, 536 or 1220 without; that
   of our own path in any case. */
TEST(RFC7413_7_how_much)
{
    static const uint32_t row[][3] = {/* family, MSS, at most */
                                      {4, 0, 536},     {4, 300, 300},
                                      {4, 1460, 1460}, {4, 8960, 1460},
                                      {6, 0, 1220},    {6, 1440, 1440}};
    uint32_t k;

    for (k = 0; k < sizeof row / sizeof *row; k++) {
        CONTEXT("row %u", k);
        if (row[k][0] == 4)
            START();
        else
            START6();
        w.cfg.flags = WIRE_PLAIN | TCPSM_NODELAY;
        have_cookie(8, (uint16_t)row[k][1]);
        open_fast();
        SEND(5000);
        wire__fill();
        wire__take();
        CHECK_EQ(w.seg.flags & PAIR_SYN, PAIR_SYN);
        CHECK_LE(w.seg.len, row[k][2]);
        CHECK_GE(w.seg.len + w.seg.hdr_len - 20, row[k][2]);
        CHECK_EQ(stream_info().snd_nxt, w.iss + 1 + w.seg.len);
        NONE();
    }
}

/* RFC7413-9: the server took it: nothing is sent again. */
TEST(RFC7413_9_taken)
{
    config(0);
    have_cookie(8, 1000);
    open_fast();
    SEND(500);
    OUT("S 0 len 500 mss 1460");
    NONE();
    AT(0.1);
    IN("SA 0 ack 501 mss 1200");
    STATE(TCPSM_ESTABLISHED);
    CHECK_EQ(stream_info().fast_open, 1);
    OUT("A 501 ack 1");
    NONE();
    EVENTS(TCPSM_EV_CONNECTED | TCPSM_EV_SENT);
    CHECK_EQ(tcpsm_fastopen_learn(w.c, &entry), 1); /* the MSS */
    CHECK_EQ(entry.mss, 1200);
    CHECK_EQ(entry.len, 8);
    CHECK_EQ(entry.refused, 0);
    SEND(10);
    OUT("PA 501 ack 1 len 10");
    CHECK_EQ(COUNT(retransmits), 0);
}

/* More than fits: the rest after the handshake */
TEST(RFC7413_9_more_than_fits)
{
    config(0);
    have_cookie(8, 1000);
    open_fast();
    SEND(3000);
    wire__fill();
    wire__take();
    CHECK_GE(w.seg.len, 980u);
    CHECK_LE(w.seg.len, 1000u);
    NONE();
    AT(0.1);
    {
        uint32_t n = w.seg.len;

        INF("SA 0 ack %u mss 1000", 1 + n);
        wire__fill();
        wire__take();
        if (w.seg.len == 0) {
            wire__fill();
            wire__take();
        }
        CHECK_EQ(w.seg.seq, w.iss + 1 + n);
        CHECK_EQ(w.seg.len, 1000);
    }
}

/* RFC7413-11: it did not: data goes with or right behind the first ACK, and
   that is no loss. A new cookie tells why. */
TEST(RFC7413_11_not_taken)
{
    config(0);
    have_cookie(8, 1000);
    open_fast();
    SEND(500);
    OUT("S 0 len 500 mss 1460");
    AT(0.1);
    IN("SA 0 ack 1 mss 1000 raw 2208111213141516");
    STATE(TCPSM_ESTABLISHED);
    wire__fill();
    wire__take();
    if (w.seg.len == 0) {
        wire__fill();
        wire__take();
    }
    CHECK_EQ(w.seg.seq, w.iss + 1);
    CHECK_EQ(w.seg.len, 500);
    CHECK_EQ(w.seg.ack, w.irs + 1);
    CHECK_EQ(stream_info().cwnd, 10000);
    CHECK_EQ(stream_info().in_recovery, 0);
    CHECK_EQ(stream_info().fast_open, 0);
    CHECK_EQ(tcpsm_fastopen_learn(w.c, &entry), 1);
    CHECK_EQ(entry.len, 6);
    CHECK_EQ(entry.cookie[0], 0x11);
    CHECK_EQ(entry.refused, 0);
    AT(0.2);
    IN("A 1 ack 501");
    CHECK_EQ(stream_info().snd_queued, 0);
    CHECK_EQ(COUNT(timeouts), 0);
}

/* ... or a part of it. */
TEST(RFC7413_11_a_part)
{
    config(0);
    have_cookie(8, 1000);
    open_fast();
    SEND(500);
    OUT("S 0 len 500 mss 1460");
    AT(0.1);
    IN("SA 0 ack 201 mss 1000");
    CHECK_EQ(stream_info().fast_open, 1);
    stream_drain();
    CHECK_EQ(w.seg.seq, w.iss + 201);
    CHECK_EQ(w.seg.len, 300);
    IN("A 1 ack 501");
    CHECK_EQ(stream_info().snd_queued, 0);
}

/* RFC7413-5: "Negative responses include the server not acknowledging the
   data in the SYN": without even a new cookie */
TEST(RFC7413_5_not_taken_no_cookie)
{
    config(0);
    have_cookie(8, 1000);
    open_fast();
    SEND(500);
    OUT("S 0 len 500 mss 1460");
    IN("SA 0 ack 1 mss 1000");
    CHECK_EQ(tcpsm_fastopen_learn(w.c, &entry), 1);
    CHECK_EQ(entry.refused, 1);
}

/* RFC7413-8: the SYN again: neither data nor option. RFC7413-5: no answer to
   the first is a negative one. */
TEST(RFC7413_8_RFC7413_5_syn_lost)
{
    config(0);
    have_cookie(8, 1000);
    open_fast();
    SEND(500);
    OUT("S 0 len 500 mss 1460");
    next();
    OUT("S 0 mss 1460");
    CHECK_EQ(option_len(), 0);
    next();
    OUT("S 0 mss 1460");
    CHECK_EQ(option_len(), 0);
    IN("SA 0 ack 1 mss 1000");
    STATE(TCPSM_ESTABLISHED);
    stream_drain();
    CHECK_EQ(w.seg.seq, w.iss + 1);
    CHECK_EQ(w.seg.len, 500);
    CHECK_EQ(tcpsm_fastopen_learn(w.c, &entry), 1);
    CHECK_EQ(entry.refused, 1);
    IN("A 1 ack 501");
    CHECK_EQ(stream_info().snd_queued, 0);
}

/* The SYN-ACK to the first was late: its data was taken after all. */
TEST(RFC7413_8_syn_ack_late)
{
    config(0);
    have_cookie(8, 1000);
    open_fast();
    SEND(500);
    OUT("S 0 len 500 mss 1460");
    next();
    OUT("S 0 mss 1460");
    IN("SA 0 ack 501 mss 1000");
    STATE(TCPSM_ESTABLISHED);
    OUT("A 501 ack 1");
    NONE();
    CHECK_EQ(stream_info().snd_queued, 0);
    CHECK_EQ(stream_info().fast_open, 1);
    tcpsm_fastopen_learn(w.c, &entry);
    CHECK_EQ(entry.refused, 0);
}

/* It acknowledges what was never sent: a reset, as ever. */
TEST(RFC7413_9_ack_beyond)
{
    config(0);
    have_cookie(8, 1000);
    open_fast();
    SEND(500);
    OUT("S 0 len 500 mss 1460");
    IN_DROP(TCPSM_DROP_BAD_ACK, "SA 0 ack 502 mss 1000");
    OUT("R 502");
    STATE(TCPSM_SYN_SENT);
    IN("SA 0 ack 501 mss 1000");
    STATE(TCPSM_ESTABLISHED);
}

/* RFC7413-5: "and (most importantly) no response at all"; ICMP errors */
TEST(RFC7413_5_no_answer)
{
    int k;

    config(0);
    w.cfg.syn_limit_ms = 180000;
    have_cookie(8, 1000);
    open_fast();
    SEND(500);
    for (k = 0; k < 50 && tcpsm_state(w.c) == TCPSM_SYN_SENT; k++) {
        stream_drain();
        w.p.now =
            tcpsm_deadline(w.c) > w.p.now ? tcpsm_deadline(w.c) : w.p.now;
    }
    ERROR_IS(TCPSM_E_TIMEOUT);
    CHECK_EQ(tcpsm_fastopen_learn(w.c, &entry), 1);
    CHECK_EQ(entry.refused, 1);
}

TEST(RFC7413_5_icmp)
{
    static uint8_t msg[64];

    config(0);
    have_cookie(8, 1000);
    open_fast();
    SEND(500);
    OUT("S 0 len 500 mss 1460");
    memset(msg, 0, sizeof msg);
    msg[0] = 3;
    msg[1] = 10; /* administratively prohibited */
    msg[8] = 0x45;
    msg[17] = 6;
    memcpy(msg + 20, w.tuple.local, 4);
    memcpy(msg + 24, w.tuple.remote, 4);
    pair_put16(msg + 28, w.tuple.local_port);
    pair_put16(msg + 30, w.tuple.remote_port);
    pair_put32(msg + 32, w.iss);
    CHECK_GE(tcpsm_icmp(w.c, msg, 36, 4, w.p.now), 0);
    wire__touched();
    if (tcpsm_error(w.c) == TCPSM_E_UNREACHABLE) {
        CHECK_EQ(tcpsm_fastopen_learn(w.c, &entry), 1);
        CHECK_EQ(entry.refused, 1);
    }
}

/* What is queued after the first output is for later; a cookie goes without
   data, too. */
TEST(RFC7413_7_nothing_queued)
{
    config(0);
    have_cookie(8, 1000);
    open_fast();
    OUT("S 0 mss 1460");
    CHECK_EQ(option_len(), 10);
    SEND(500);
    NONE();
    IN("SA 0 ack 1 mss 1000");
    stream_drain();
    CHECK_EQ(w.seg.seq, w.iss + 1);
    CHECK_EQ(w.seg.len, 500);
    CHECK_EQ(stream_info().fast_open, 0);
    tcpsm_fastopen_learn(w.c, &entry);
    CHECK_EQ(entry.refused, 0); /* there was nothing to take */
}

/* The server's text in its SYN-ACK, and behind it */
TEST(RFC7413_9_data_in_the_syn_ack)
{
    config(0);
    have_cookie(8, 1000);
    open_fast();
    SEND(500);
    OUT("S 0 len 500 mss 1460");
    IN("SA 0 ack 501 len 300 mss 1000");
    STATE(TCPSM_ESTABLISHED);
    READ(300);
    IN("PA 301 ack 501 len 100");
    READ(100);
    stream_drain();
    CHECK_EQ(w.seg.ack, w.irs + 401);
}

/* Text of the server that overtook its SYN-ACK is no use yet. */
TEST(RFC7413_9_overtaken_syn_ack)
{
    config(0);
    have_cookie(8, 1000);
    open_fast();
    SEND(500);
    OUT("S 0 len 500 mss 1460");
    IN_ANY("A 1 ack 501 len 300");
    stream_drain();
    STATE(TCPSM_SYN_SENT);
    IN("SA 0 ack 501 mss 1000");
    STATE(TCPSM_ESTABLISHED);
    IN("A 1 ack 501 len 300");
    READ(300);
}

/* 4.2.2: simultaneous open works as without; nothing is lost or doubled. */
TEST(RFC7413_simultaneous_open)
{
    config(0);
    have_cookie(8, 1000);
    open_fast();
    SEND(500);
    OUT("S 0 len 500 mss 1460");
    IN_ANY("S 0 mss 1000 len 200");
    wire__fill();
    wire__take();
    CHECK_EQ(w.seg.flags & 0x3F, PAIR_SYN | PAIR_ACK);
    CHECK_EQ(w.seg.seq, w.iss);
    INF("SA 0 ack 501 mss 1000");
    stream_drain();
    STATE(TCPSM_ESTABLISHED);
    CHECK_EQ(stream_info().snd_una, w.iss + 501);
    CHECK_EQ(stream_info().snd_queued, 0);
    if (stream_info().rcv_nxt == w.irs + 1)
        IN("A 1 ack 501 len 200");
    READ(200);

    config(0); /* and one that takes only the SYN */
    have_cookie(8, 1000);
    open_fast();
    SEND(500);
    OUT("S 0 len 500 mss 1460");
    IN_ANY("S 0 mss 1000");
    stream_drain();
    IN("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
    while (stream_info().snd_queued != 0) {
        if (!stream_drain())
            next(), stream_drain();
        CHECK_EQ(w.seg.seq, w.iss + 1);
        CHECK_EQ(w.seg.len, 500);
        IN("A 1 ack 501");
    }
}

/* A half-close queued with the request */
TEST(RFC7413_fin)
{
    config(0);
    have_cookie(8, 1000);
    open_fast();
    SEND(500);
    SHUTDOWN();
    wire__fill();
    wire__take();
    CHECK_EQ(w.seg.flags & PAIR_SYN, PAIR_SYN);
    CHECK_EQ(w.seg.flags & PAIR_FIN, 0); /* who would read it? */
    CHECK_EQ(w.seg.len, 500);
    IN("SA 0 ack 501 mss 1000");
    stream_drain();
    CHECK_EQ(w.seg.flags & PAIR_FIN, PAIR_FIN);
    CHECK_EQ(w.seg.seq, w.iss + 501);
    IN("FA 1 ack 502");
    OUT("A 502 ack 2");
    STATE(TCPSM_TIME_WAIT);
}

/* A reset says no to everything. */
TEST(RFC7413_refused)
{
    config(0);
    have_cookie(8, 1000);
    open_fast();
    SEND(500);
    OUT("S 0 len 500 mss 1460");
    IN("RA 0 ack 501");
    ERROR_IS(TCPSM_E_REFUSED);
    tcpsm_fastopen_learn(w.c, &entry);
    CHECK_EQ(entry.len, 8);
}

/* ---- server ------------------------------------------------------------- */

static char cookie[64]; /* " raw 220A..." as last seen */

static void cookie_seen(void)
{
    uint32_t i, n, len = option_len();

    CHECK_GE(len, 6u);
    CHECK_LE(len, 18u);
    CHECK_EQ(len & 1, 0);
    n = (uint32_t)snprintf(cookie, sizeof cookie, "raw ");
    for (i = 0; i < len; i++)
        n += (uint32_t)snprintf(cookie + n, sizeof cookie - n, "%02X",
                                option[i]);
}

/* Listens, and has handed out a cookie; listens again. */
static void server(void)
{
    config(TCPSM_FASTOPEN);
    w.cfg.msl_ms = 10;
    LISTEN();
    IN("S 0 mss 1000 raw 2202");
    OUT("SA 0 ack 1 mss 1460");
    cookie_seen();
    IN("R 1");
    if (tcpsm_state(w.c) != TCPSM_LISTEN)
        LISTEN();
    stream_drain();
    STATE(TCPSM_LISTEN);
    w.irs += 1000000;
    w.tuple.remote_port++;
    tcpsm_take(w.c);
}

/* A SYN with n bytes and that cookie is served. */
static void served(uint32_t n)
{
    server();
    INF("S 0 mss 1000 len %u %s", n, cookie);
    STATE(TCPSM_SYN_RECEIVED);
}

static void complete(uint32_t n)
{
    INF("A %u ack 1", 1 + n);
    STATE(TCPSM_ESTABLISHED);
}

/* RFC7413-6: not enabled: all options of it are ignored. */
TEST(RFC7413_1_RFC7413_6_not_enabled)
{
    config(0);
    LISTEN();
    IN("S 0 mss 1000 raw 2202");
    OUT("SA 0 ack 1 mss 1460");
    CHECK_EQ(option_len(), 0);
    server();
    CHECK_EQ(tcpsm_init(w.c, &w.cfg), 0);
    w.cfg.flags &= ~(uint32_t)TCPSM_FASTOPEN;
    w.ready = 0;
    LISTEN();
    tcpsm_take(w.c);
    IN_ANY("S 0 mss 1000 len 100 %s", cookie);
    EVENTS(0);
    READ_IS(0); /* not before the handshake */
    wire__fill();
    wire__take();
    CHECK_EQ(option_len(), 0);
    CHECK_EQ(stream_info().fast_open, 0);
}

/* A request gets a cookie and an ordinary handshake; its text, if any, is
   not served. */
TEST(RFC7413_9_request)
{
    config(TCPSM_FASTOPEN);
    LISTEN();
    IN("S 0 mss 1000 raw 2202");
    OUT("SA 0 ack 1 mss 1460");
    CHECK_EQ(option_len(), 10);
    IN("A 1 ack 1");
    STATE(TCPSM_ESTABLISHED);
    CHECK_EQ(stream_info().fast_open, 0);

    config(TCPSM_FASTOPEN); /* who does not ask, gets none */
    LISTEN();
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    CHECK_EQ(option_len(), 0);

    config(TCPSM_FASTOPEN);
    LISTEN();
    IN_ANY("S 0 mss 1000 len 100 raw 2202");
    OUT("SA 0 ack 1 mss 1460");
    READ_IS(0);
    IN("PA 1 ack 1 len 100");
    READ(100);
}

/* RFC7413-9: served before the handshake ends. */
TEST(RFC7413_9_served)
{
    served(100);
    EVENTS(TCPSM_EV_READABLE);
    CHECK_EQ(stream_info().fast_open, 1);
    READ(100);
    READ_IS(0);
    OUT("SA 0 ack 101 mss 1460");
    NONE();
    AT(0.1);
    complete(100);
    EVENTS(TCPSM_EV_CONNECTED);
    READ_IS(0); /* once */
    IN("PA 101 ack 1 len 10");
    READ(10);
}

/* ... and it may answer: RFC7413-10: up to the initial window, and the
   peer's. */
TEST(RFC7413_10_answers)
{
    uint32_t n;

    served(100);
    READ(100);
    SEND(60000);
    for (n = 0, wire__fill(); w.q_n; wire__fill()) {
        wire__take();
        CHECK_EQ(w.seg.ack, w.irs + 101);
        CHECK_EQ(w.seg.seq, w.iss + n + (w.seg.flags & PAIR_SYN ? 0 : 1));
        n += w.seg.len;
    }
    CHECK_LE(n, 10000u);
    CHECK_GE(n, 9000u); /* the SYN takes its octet */
    STATE(TCPSM_SYN_RECEIVED);
    AT(0.1);
    INF("A 101 ack %u", n + 1);
    STATE(TCPSM_ESTABLISHED);
    CHECK_GE(stream_drain(), 9u);
    CHECK_EQ(COUNT(retransmits), 0);
    CHECK_EQ(COUNT(opened), 1);

    server(); /* a small window, unscaled */
    INF("S 0 mss 1000 win 2500 ws 7 len 100 %s", cookie);
    READ(100);
    SEND(60000);
    for (n = 0, wire__fill(); w.q_n; wire__fill()) {
        wire__take();
        n += w.seg.len;
    }
    CHECK_LE(n, 2500u);
    CHECK_GE(n, 2000u);
}

/* The third ACK is lost, data acknowledges: it may even be a part. */
TEST(RFC7413_10_partial_ack)
{
    served(100);
    READ(100);
    SEND(5000);
    stream_drain();
    IN("PA 101 ack 2001 len 50");
    STATE(TCPSM_ESTABLISHED);
    READ(50);
    CHECK_EQ(stream_info().snd_una, w.iss + 2001);
}

/* RFC7413-9: no good cookie: only the SYN is acknowledged, a new cookie is
   in the answer, and it is an ordinary handshake. */
TEST(RFC7413_9_wrong_cookie)
{
    int k;

    for (k = 0; k < 3; k++) {
        CONTEXT("case %d", k);
        server();
        if (k == 0)
            cookie[9] = cookie[9] == '0' ? '1' : '0';
        else if (k == 1) /* shorter */
            snprintf(cookie, sizeof cookie, "raw 2208111213141516");
        else /* longer, and its beginning is right */
            memcpy(cookie + 4, "220C", 4), strcat(cookie, "AABB");
        IN_DROP(TCPSM_DROP_NO_DATA, "S 0 mss 1000 len 100 %s", cookie);
        EVENTS(0);
        READ_IS(0);
        OUT("SA 0 ack 1 mss 1460");
        CHECK_EQ(option_len(), 10);
        CHECK_EQ(stream_info().fast_open, 0);
        SEND(100);
        NONE();
        AT(0.1);
        IN("PA 1 ack 1 len 100");
        STATE(TCPSM_ESTABLISHED);
        READ(100);
        READ_IS(0);
    }
}

/* RFC7413-2: an option of a wrong length is no option. */
TEST(RFC7413_2_server)
{
    static const char *const wrong[] = {
        "raw 220301", "raw 22040102", "raw 220B010203040506070809",
        "raw 22130102030405060708090A0B0C0D0E0F1011"};
    uint32_t k;

    for (k = 0; k < 4; k++) {
        config(TCPSM_FASTOPEN);
        LISTEN();
        INF("S 0 mss 1000 %s", wrong[k]);
        OUT("SA 0 ack 1 mss 1460");
        CHECK_EQ(option_len(), 0);
        IN("A 1 ack 1");
        STATE(TCPSM_ESTABLISHED);
    }
}

/* RFC7413-3: it is the client's address's, not its port's; ours, too; it is
   nobody else's, and another key makes another. */
TEST(RFC7413_3_whose)
{
    char was[64];
    int k;

    server(); /* another port already */
    memcpy(was, cookie, sizeof was);
    for (k = 0; k < 2; k++) {
        server();
        CHECK_STR(cookie, was); /* no need to keep it */
        if (k == 0)
            w.tuple.remote[3] ^= 8;
        else {
            w.cfg.key[0] ^= 1;
            CHECK_EQ(tcpsm_init(w.c, &w.cfg), 0);
            w.ready = 0;
            LISTEN();
        }
        IN_ANY("S 0 mss 1000 len 100 %s", cookie);
        OUT("SA 0 ack 1 mss 1460");
        cookie_seen();
        CHECK(strcmp(cookie, was) != 0);
    }
}

/* ... and it expires: good for days, not for weeks, and never in between
   without a new one. */
TEST(RFC7413_3_expires)
{
    static const uint32_t day = 86400;
    uint32_t k, good = 1, changes = 0;

    for (k = 0; k < 20; k++) {
        int is;

        server();
        WAIT((double)k * day);
        IN_ANY("S 0 mss 1000 len 100 %s", cookie);
        is = stream_info().fast_open;
        wire__fill();
        wire__take();
        CHECK_EQ(w.seg.ack, w.irs + (is ? 101 : 1));
        CHECK(is || option_len() == 10);
        if (is != (int)good)
            changes++;
        good = (uint32_t)is;
        if (k <= 1)
            CHECK(is);
    }
    CHECK_EQ(changes, 1);
    CHECK_EQ(good, 0);
}

/* RFC7413-8: the SYN-ACK again: neither data nor option. */
TEST(RFC7413_8_syn_ack_lost)
{
    config(TCPSM_FASTOPEN);
    LISTEN();
    IN("S 0 mss 1000 raw 2202");
    OUT("SA 0 ack 1 mss 1460");
    CHECK_EQ(option_len(), 10);
    next();
    OUT("SA 0 ack 1 mss 1460");
    CHECK_EQ(option_len(), 0);

    served(100);
    READ(100);
    SEND(3000);
    stream_drain();
    next();
    OUT("SA 0 ack 101 mss 1460");
    CHECK_EQ(option_len(), 0);
    complete(100);
    while (stream_info().snd_queued) {
        if (!stream_drain())
            next(), stream_drain();
        INF("A 101 ack %u", w.seg.seq - w.iss + w.seg.len);
    }
}

/* The client's SYN again, with or without its text: once is enough. */
TEST(RFC7413_9_syn_again)
{
    served(100);
    READ(100);
    OUT("SA 0 ack 101 mss 1460");
    IN_ANY("S 0 mss 1000 len 100 %s", cookie);
    READ_IS(0);
    stream_drain();
    IN_ANY("S 0 mss 1000");
    while (!w.q_n)
        next();
    wire__take();
    CHECK_EQ(w.seg.flags & 0x3F, PAIR_SYN | PAIR_ACK);
    CHECK_EQ(w.seg.ack, w.irs + 101);
    complete(100);
    READ_IS(0);
}

/* It is reset, or never completed: LISTEN again, with nothing left of it. */
TEST(RFC7413_reset_and_again)
{
    int k;

    for (k = 0; k < 4; k++) {
        CONTEXT("case %d", k);
        served(100);
        if (k & 1)
            READ(40);
        SEND(500);
        stream_drain();
        if (k & 2) {
            int i;

            for (i = 0; i < 40 && tcpsm_state(w.c) == TCPSM_SYN_RECEIVED;
                 i++) {
                tcpsm_time d = tcpsm_deadline(w.c);

                if (d == TCPSM_NEVER)
                    break;
                w.p.now = d > w.p.now ? d : w.p.now;
                stream_drain();
            }
        } else
            IN("R 101");
        CHECK_NE(tcpsm_state(w.c), TCPSM_SYN_RECEIVED);
        CHECK_EQ(COUNT(opened), 0);
        if (tcpsm_state(w.c) != TCPSM_LISTEN) {
            CHECK_NE(tcpsm_error(w.c), 0);
            LISTEN();
        }
        w.irs += 77777;
        w.tuple.remote_port++;
        w.sent = w.got = 0;
        IN("S 0 mss 1000");
        OUT("SA 0 ack 1 mss 1460");
        IN("A 1 ack 1");
        STATE(TCPSM_ESTABLISHED);
        CHECK_EQ(stream_info().fast_open, 0);
        READ_IS(0);
        NONE(); /* none of the 500 */
        IN("PA 1 ack 1 len 30");
        READ(30);
    }
}

/* It closes at once: HTTP/1.0 in one round trip */
TEST(RFC7413_9_answer_and_close)
{
    uint32_t fin = 0, n = 0;

    served(100);
    READ(100);
    SEND(2000);
    SHUTDOWN();
    for (wire__fill(); w.q_n; wire__fill()) {
        wire__take();
        n += w.seg.len;
        fin += !!(w.seg.flags & PAIR_FIN);
    }
    CHECK_EQ(n, 2000);
    IN("A 101 ack 2001");
    stream_drain();
    fin += !!(w.seg.flags & PAIR_FIN);
    CHECK_GE(fin, 1u);
    IN("FA 101 ack 2002");
    stream_drain();
    STATE(TCPSM_TIME_WAIT);
}

/* A FIN in the SYN, no ring, more text than the ring has: nothing breaks. */
TEST(RFC7413_9_odd_syns)
{
    server();
    IN_ANY("SF 0 mss 1000 len 100 %s", cookie);
    CHECK_EQ(w.ret, 0);
    READ(100);
    stream_drain();
    complete(100);
    IN("FA 101 ack 1");
    READ_IS(TCPSM_E_EOF);

    config(TCPSM_FASTOPEN);
    w.rcv_ring = 300;
    LISTEN();
    IN("S 0 mss 1000 raw 2202");
    stream_drain();
    cookie_seen();
    IN("R 1");
    stream_drain();
    if (tcpsm_state(w.c) != TCPSM_LISTEN)
        LISTEN();
    w.irs += 1000000;
    IN_ANY("S 0 mss 1000 len 500 %s", cookie);
    READ(300);
    wire__fill();
    wire__take();
    CHECK_EQ(w.seg.ack, w.irs + 301);
}

/* ---- moving ------------------------------------------------------------- */

static uint8_t blob[PAIR_RING * 2 + 4096];

static void move(void)
{
    tcpsm_ret n = tcpsm_export(w.c, blob, sizeof blob, w.p.now);

    CHECK(n > 0);
    CHECK_EQ(tcpsm_init(w.c, &w.cfg), 0);
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_RECEIVE, w.p.rcv[0], w.rcv_ring, NULL),
             0);
    CHECK_EQ(tcpsm_attach(w.c, TCPSM_SEND, w.p.snd[0], w.snd_ring, NULL), 0);
    CHECK_EQ(tcpsm_import(w.c, &w.cfg, blob, (uint32_t)n, w.p.now), 0);
    wire__touched();
}

TEST(RFC7413_export)
{
    config(0);
    have_cookie(8, 1000);
    open_fast();
    SEND(500);
    OUT("S 0 len 500 mss 1460");
    move();
    IN("SA 0 ack 201 mss 1000");
    move();
    CHECK_EQ(stream_info().snd_una, w.iss + 201);
    while (stream_info().snd_queued != 0) {
        if (!stream_drain() || w.seg.len == 0)
            next(), stream_drain();
        CHECK_EQ(w.seg.seq, w.iss + 201);
        CHECK_EQ(w.seg.len, 300);
        IN("A 1 ack 501");
    }
}

/* Before its SYN is out: the stream at least */
TEST(RFC7413_export_before_the_syn)
{
    config(0);
    have_cookie(8, 1000);
    open_fast();
    SEND(500);
    move();
    wire__fill();
    wire__take();
    CHECK_EQ(w.seg.flags, PAIR_SYN);
    if (w.seg.len != 0) {
        CHECK_EQ(option_len(), 10);
        CHECK_MEM(option + 2, bytes, 8);
    }
    IN("SA 0 ack 1 mss 1000");
    stream_drain();
    CHECK_EQ(w.seg.seq, w.iss + 1);
    CHECK_EQ(w.seg.len, 500);
}

TEST(RFC7413_export_server)
{

    served(100);
    move();
    READ(100);
    SEND(20000);
    move();
    stream_drain();
    CHECK_GE(stream_info().snd_nxt - w.iss, 9001u);
    move();
    INF("A 101 ack %u", stream_info().snd_nxt - w.iss);
    STATE(TCPSM_ESTABLISHED);
}

/* ---- two of us ---------------------------------------------------------- */

static pair net;
static tcpsm_fastopen memory;
static tcpsm_time served_at, answered_at;

/* B answers 100 bytes with 1000 and closes; A reads. */
static void app(void *ctx, pair *p, int side)
{
    static uint8_t buf[4096];
    uint32_t *got = (uint32_t *)ctx;
    tcpsm_ret n;

    while ((n = pair_receive(p, side, buf, sizeof buf)) > 0) {
        int i;

        for (i = 0; i < n; i++, got[side]++)
            if (buf[i] != (uint8_t)(got[side] * 7 + (uint32_t)side))
                FAIL("byte %u of side %d", got[side], side);
    }
    if (side == PAIR_B && got[PAIR_B] == 100 && !served_at) {
        uint32_t i;

        served_at = p->now;
        for (i = 0; i < 1000; i++)
            buf[i] = (uint8_t)(i * 7 + PAIR_A);
        CHECK_EQ(pair_send(p, PAIR_B, buf, 1000, 0), 1000);
        pair_shutdown(p, PAIR_B);
    }
    if (side == PAIR_A && got[PAIR_A] == 1000 && !answered_at) {
        answered_at = p->now;
        pair_shutdown(p, PAIR_A);
    }
}

static uint32_t got[2];
static struct tcpsm_counters count[2];

/* Rings without a scale: a SYN-ACK that is sent again behind text has the
   window field of a SYN, which cannot say more than 65535. */
static void request(uint32_t loss_ppm, uint64_t seed, uint32_t flags)
{
    pair_options o;
    uint8_t buf[100];
    uint32_t i;

    memset(&o, 0, sizeof o);
    memset(count, 0, sizeof count);
    o.cfg[PAIR_A].flags = flags;
    o.cfg[PAIR_B].flags = TCPSM_FASTOPEN;
    for (i = 0; i < 2; i++)
        o.cfg[i].counters = &count[i], o.rcv_ring[i] = 60000;
    o.seed = seed;
    pair_init(&net, &o);
    net.app = app;
    net.ctx = got;
    got[0] = got[1] = 0;
    served_at = answered_at = 0;
    for (i = 0; i < 2; i++) {
        net.net.link[i].delay_us = 10000;
        net.net.link[i].loss_ppm = loss_ppm;
        net.net.link[i].copy_ppm = loss_ppm;
        net.net.link[i].reorder_ppm = loss_ppm;
        net.net.link[i].reorder_us = 15000;
    }
    CHECK_EQ(tcpsm_listen(&net.c[PAIR_B], &net.tuple[PAIR_B], net.now), 0);
    pair_touched(&net, PAIR_B);
    CHECK_EQ(
        tcpsm_open_fast(&net.c[PAIR_A], &net.tuple[PAIR_A], &memory, net.now),
        0);
    for (i = 0; i < 100; i++)
        buf[i] = (uint8_t)(i * 7 + PAIR_B);
    CHECK_EQ(pair_send(&net, PAIR_A, buf, 100, 0), 100);
    pair_run(&net, 40 * PAIR_SECOND);
    tcpsm_fastopen_learn(&net.c[PAIR_A], &memory);
}

/* The first time two round trips, the second time one. */
TEST(RFC7413_one_round_trip)
{
    memset(&memory, 0, sizeof memory);
    request(0, 1, 0);
    CHECK_EQ(got[PAIR_A], 1000);
    CHECK_EQ(answered_at, PAIR_SECOND + 40000);
    CHECK_EQ(memory.len, 8);
    CHECK_EQ(memory.mss, 1460);
    request(0, 2, 0);
    CHECK_EQ(got[PAIR_A], 1000);
    CHECK_EQ(served_at, PAIR_SECOND + 10000);
    CHECK_EQ(answered_at, PAIR_SECOND + 20000);
    CHECK_EQ(count[PAIR_A].retransmits + count[PAIR_B].retransmits, 0);
    request(0, 3, TCPSM_ACCECN);
    CHECK_EQ(answered_at, PAIR_SECOND + 20000);
}

/* Whatever is lost, doubled or overtaken: every byte once, in order. */
TEST(RFC7413_trouble)
{
    uint64_t seed;
    uint32_t fast = 0;

    for (seed = 1; seed <= 60; seed++) {
        CONTEXT("seed %d", (int)seed);
        memset(&memory, 0, sizeof memory);
        request(0, seed, 0);
        CHECK_EQ(memory.len, 8);
        request(250000, seed, seed & 1 ? TCPSM_ACCECN : 0);
        if (got[PAIR_A] != 1000 && tcpsm_error(&net.c[PAIR_A]) == 0 &&
            tcpsm_error(&net.c[PAIR_B]) == 0)
            FAIL("%u bytes, states %d and %d", got[PAIR_A],
                 tcpsm_state(&net.c[PAIR_A]), tcpsm_state(&net.c[PAIR_B]));
        CHECK_LE(got[PAIR_B], 100u);
        fast += served_at != 0 && served_at < PAIR_SECOND + 40000;
    }
    CHECK_GE(fast, 20u);
}
