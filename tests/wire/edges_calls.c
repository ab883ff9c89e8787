/* What the calls of one connection say to arguments that make no sense, at
   the wrong time, and that nothing changes by it. Each call's paragraph in
   tcpsm.h says which is which. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

static uint8_t big[70000];

/* The connection is as it was. */
#define UNCHANGED(call, result)                                              \
    do {                                                                     \
        tcpsm_conn before__ = *w.c;                                          \
        CHECK_EQ(call, result);                                              \
        CHECK_MEM(&before__, w.c, sizeof before__);                          \
    } while (0)

TEST(no_connection_is_an_argument_error)
{
    tcpsm_fastopen f;
    tcpsm_cspan cs[2];
    tcpsm_span s[2];
    tcpsm_tuple t;
    tcpsm_out o;
    uint32_t n;

    START();
    wire__init();
    t = w.tuple;
    memset(&f, 0, sizeof f);
    memset(&o, 0, sizeof o);
    o.buf = big;
    o.cap = sizeof big;
    CHECK_EQ(tcpsm_listen(NULL, &t, 0), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_output(NULL, &o, 0), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_icmp(NULL, big, 64, 4, 0), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_send(NULL, big, 1, 0), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_send_reserve(NULL, s), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_send_commit(NULL, 1, 0), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_receive(NULL, big, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_receive_peek(NULL, cs), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_receive_consume(NULL, 0), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_shutdown(NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_abort(NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_close(NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_set(NULL, TCPSM_SET_NODELAY, 1), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_export(NULL, big, sizeof big, 0), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_fastopen_use(NULL, &f), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_fastopen_learn(NULL, &f), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_blob_rings(NULL, 64, &n, &n), TCPSM_E_ARG);
}

TEST(nowhere_to_put_the_answer_is_an_argument_error)
{
    uint32_t n = 0;
    tcpsm_out o;

    START();
    OPENED("mss 1000");
    IN("PA 1 ack 1 len 100");
    memset(&o, 0, sizeof o);
    o.cap = 2000;
    UNCHANGED(tcpsm_output(w.c, &o, w.p.now), TCPSM_E_ARG);
    UNCHANGED(tcpsm_icmp(w.c, NULL, 64, 4, w.p.now), TCPSM_E_ARG);
    UNCHANGED(tcpsm_send_reserve(w.c, NULL), TCPSM_E_ARG);
    UNCHANGED(tcpsm_receive_peek(w.c, NULL), TCPSM_E_ARG);
    UNCHANGED(tcpsm_send(w.c, NULL, 1, 0), TCPSM_E_ARG);
    UNCHANGED(tcpsm_receive(w.c, NULL, 1), TCPSM_E_ARG);
    UNCHANGED(tcpsm_export(w.c, NULL, 1, w.p.now), TCPSM_E_ARG);
    CHECK_GT(tcpsm_export(w.c, NULL, 0, w.p.now), 100); /* the length */
    UNCHANGED(tcpsm_fastopen_learn(w.c, NULL), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_blob_rings(big, 64, NULL, &n), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_blob_rings(big, 64, &n, NULL), TCPSM_E_ARG);
    READ(100);
}

/* "len 0 ... ends what MORE began", from nowhere; a read of nothing */
TEST(nothing_from_nowhere_is_fine)
{
    START();
    OPENED("mss 1000");
    SEND_FLAGS(10, TCPSM_MORE);
    NONE();
    CHECK_EQ(tcpsm_send(w.c, NULL, 0, 0), 0);
    wire__touched();
    OUT("PA 1 ack 1 len 10");
    IN("PA 1 ack 11 len 10");
    CHECK_EQ(tcpsm_receive(w.c, NULL, 0), 0);
    READ(10);
}

TEST(stranger_wants_a_segment_and_room)
{
    uint8_t seg[20] = {0}, a[4] = {192, 0, 2, 1};
    tcpsm_out o;
    tcpsm_in in;

    START();
    memset(&in, 0, sizeof in);
    memset(&o, 0, sizeof o);
    o.buf = big;
    o.cap = sizeof big;
    in.family = 4;
    in.data = seg;
    in.len = sizeof seg;
    in.src = in.dst = a;
    CHECK_EQ(tcpsm_stranger(NULL, &o), TCPSM_E_ARG);
    CHECK_EQ(tcpsm_stranger(&in, NULL), TCPSM_E_ARG);
    in.src = NULL;
    CHECK_EQ(tcpsm_stranger(&in, &o), TCPSM_E_ARG);
    in.src = a;
    in.family = 5;
    CHECK_EQ(tcpsm_stranger(&in, &o), TCPSM_E_ARG);
    in.family = 4;
    o.buf = NULL;
    CHECK_EQ(tcpsm_stranger(&in, &o), TCPSM_E_ARG);
    o.buf = big;
    o.cap = TCPSM_MIN_CAP - 1;
    CHECK_EQ(tcpsm_stranger(&in, &o), TCPSM_E_SPACE);
}

TEST(commit_is_of_what_was_reserved)
{
    tcpsm_span s[2];

    START();
    w.snd_ring = 1024;
    OPENED("mss 1000");
    CHECK_EQ(tcpsm_send_reserve(w.c, s), 1024);
    CHECK_EQ(s[0].n, 1024);
    CHECK(s[1].p == NULL && s[1].n == 0);
    UNCHANGED(tcpsm_send_commit(w.c, 1025, 0), TCPSM_E_ARG);
    UNCHANGED(tcpsm_send_commit(w.c, TCPSM_MAX_RING + 1, 0), TCPSM_E_ARG);
    UNCHANGED(tcpsm_send_commit(w.c, 1024, 8), TCPSM_E_ARG);
    UNCHANGED(tcpsm_send(w.c, big, 1, 8), TCPSM_E_ARG);
}

/* RFC 9293 s3.10.2: in TIME-WAIT, "connection closing" */
TEST(nothing_is_sent_from_time_wait)
{
    tcpsm_span s[2];

    START();
    OPENED("mss 1000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("FA 1 ack 2");
    OUT("A 2 ack 2");
    STATE(TCPSM_TIME_WAIT);
    UNCHANGED(tcpsm_send(w.c, big, 1, 0), TCPSM_E_CLOSED);
    UNCHANGED(tcpsm_send_commit(w.c, 1, 0), TCPSM_E_CLOSED);
    UNCHANGED(tcpsm_send_reserve(w.c, s), TCPSM_E_CLOSED);
}

/* ---- OPEN ---------------------------------------------------------------- */

TEST(listen_on_any_family_has_no_address)
{
    tcpsm_tuple t;

    START();
    wire__init();
    memset(&t, 0, sizeof t);
    t.local_port = 7;
    t.remote[15] = 1;
    UNCHANGED(tcpsm_listen(w.c, &t, 0), TCPSM_E_ARG);
    t.remote[15] = 0;
    t.local[15] = 1;
    UNCHANGED(tcpsm_listen(w.c, &t, 0), TCPSM_E_ARG);
    t.local[15] = 0;
    CHECK_EQ(tcpsm_listen(w.c, &t, 0), 0);
    STATE(TCPSM_LISTEN);
}

/* RFC9293-MUST-46: as an OPEN, so a LISTEN */
TEST(listen_at_a_group_is_refused)
{
    tcpsm_tuple t;

    START();
    wire__init();
    t = w.tuple;
    memset(t.remote, 0, 16);
    t.local[0] = 224;
    UNCHANGED(tcpsm_listen(w.c, &t, 0), TCPSM_E_ARG);
    t = w.tuple;
    t.remote[7] = 1; /* not zero after an IPv4 address */
    UNCHANGED(tcpsm_listen(w.c, &t, 0), TCPSM_E_ARG);
    UNCHANGED(tcpsm_open(w.c, &t, 0), TCPSM_E_ARG);
}

/* RFC 4291 s2.5: :: is nobody, ::1 is here, the rest of ::/96 is unicast. */
TEST(RFC4291_2_5_low_addresses)
{
    tcpsm_tuple t;
    int low;

    for (low = 0; low < 4; low++) {
        START6();
        wire__init();
        t = w.tuple;
        memset(t.remote, 0, 16);
        t.remote[15] = (uint8_t)low;
        CHECK_EQ(tcpsm_open(w.c, &t, w.p.now), low < 2 ? TCPSM_E_ARG : 0);
        wire__touched();
    }
}

/* The last reset of the old connection is still to be sent. */
TEST(the_reset_goes_before_the_next_open)
{
    tcpsm_fastopen f;
    tcpsm_facts facts;

    START();
    OPENED("mss 1000");
    ABORT();
    memset(&f, 0, sizeof f);
    memset(&facts, 0, sizeof facts);
    UNCHANGED(tcpsm_listen(w.c, &w.tuple, w.p.now), TCPSM_E_STATE);
    UNCHANGED(tcpsm_open(w.c, &w.tuple, w.p.now), TCPSM_E_STATE);
    UNCHANGED(tcpsm_open_fast(w.c, &w.tuple, &f, w.p.now), TCPSM_E_STATE);
    UNCHANGED(tcpsm_open_from(w.c, &w.tuple, &facts, w.p.now), TCPSM_E_STATE);
    OUT("RA 1 ack 1");
    CHECK_EQ(tcpsm_listen(w.c, &w.tuple, w.p.now), 0);
    wire__touched();
    STATE(TCPSM_LISTEN);
}

/* "E_STATE: the SYN has been sent"; and only of a client's */
TEST(a_cookie_is_used_before_the_syn)
{
    tcpsm_fastopen f;

    START();
    w.cfg.flags = 0;
    wire__init();
    memset(&f, 0, sizeof f);
    f.len = 3; /* RFC7413-6: 4 to 16 */
    UNCHANGED(tcpsm_fastopen_use(w.c, &f), TCPSM_E_ARG);
    UNCHANGED(tcpsm_fastopen_use(w.c, NULL), TCPSM_E_ARG);
    UNCHANGED(tcpsm_open_fast(w.c, &w.tuple, &f, w.p.now), TCPSM_E_ARG);
    f.len = 8;
    UNCHANGED(tcpsm_fastopen_use(w.c, &f), TCPSM_E_STATE);
    OPEN();
    OUT("S 0 mss 1460 ws * sackok ts * 0");
    UNCHANGED(tcpsm_fastopen_use(w.c, &f), TCPSM_E_STATE);
}

/* As tcpsm_attach: four units of the window scale, or it cannot move. */
TEST(a_handshake_from_elsewhere_fits_the_ring)
{
    tcpsm_facts f;

    START();
    w.rcv_ring = 32768;
    wire__init();
    memset(&f, 0, sizeof f);
    f.snd_nxt = 101;
    f.rcv_nxt = 201;
    f.peer_mss = 1000;
    f.scaling = 1;
    f.rcv_scale = 14;
    UNCHANGED(tcpsm_open_from(w.c, &w.tuple, &f, w.p.now), TCPSM_E_ARG);
    f.rcv_scale = 13; /* 32768 = 4 units */
    f.rcv_wnd = 32769;
    UNCHANGED(tcpsm_open_from(w.c, &w.tuple, &f, w.p.now), TCPSM_E_ARG);
    f.rcv_wnd = 32768;
    CHECK_EQ(tcpsm_open_from(w.c, &w.tuple, &f, w.p.now), 0);
    wire__touched();
}
