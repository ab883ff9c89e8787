/* tcpsm_stack_check: for each number that it can return a damage that causes
   exactly that number, in a stack that was sound before. (That nothing else
   causes one, every other test of a stack says after each step.) */

#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

#include "stackwire.h"

/* Everything that a stack can hold: a connection in use (0), two with data
   in flight (1, 2), a released one (3), one not yet accepted, one free, a
   listener that asks, three half-open SYNs of which one is held, two
   TIME-WAITs, free ones of each. */
static tcpsm_conn *held[4];

static void scene(void)
{
    int k;

    START();
    sw.cfg.conns = 6;
    sw.cfg.syn_entries = 5;
    UP();
    LISTENER(80, 0, 0);
    LISTENER(81, 0, TCPSM_LISTEN_ASK);
    sw.by_hand = 0;
    for (k = 8; k < 10; k++) { /* to TIME-WAIT */
        tcpsm_conn *c;
        PEER(k);
        c = HANDSHAKE("mss 1000");
        CHECK_EQ(tcpsm_close(c), 0);
        OUT("FA 1 ack 1");
        IN("FA 1 ack 2");
        OUT("A 2 ack 2");
        CHECK_EQ(tcpsm_stack_release(sw.st, c), 0);
    }
    for (k = 0; k < 4; k++) {
        PEER(k);
        held[k] = HANDSHAKE("mss 1000");
    }
    PEER(1);
    SENT(held[1], 100);
    OUT("PA 1 ack 1 len 100");
    PEER(2);
    SENT(held[2], 100);
    OUT("PA 1 ack 1 len 100");
    PEER(3);
    CHECK_EQ(tcpsm_stack_release(sw.st, held[3]), 0);
    OUT("FA 1 ack 1");
    PEER(4);
    IN("S 0 mss 1000");
    OUT("SA 0 ack 1 mss 1460");
    IN("A 1 ack 1"); /* nobody accepts it */
    for (k = 5; k < 7; k++) {
        PEER(k);
        IN("S 0 mss 1000");
        OUT("SA 0 ack 1 mss 1460");
    }
    PEER(7);
    w.tuple.local_port = 81;
    IN("S 0 mss 1000");
    CHECK_EQ(INFO(timewaits), 2);
    CHECK_EQ(INFO(syns), 3);
    CHECK_EQ(INFO(held), 1);
    CHECK_EQ(INFO(orphans), 1);
    CHECK_EQ(INFO(unaccepted), 1);
    CHECK_EQ(tcpsm_stack_check(sw.st), 0);
}

static struct tcpsm__link *link_of(int k)
{
    return tcpsm__link_at(sw.st, tcpsm__index(sw.st, held[k]));
}

static struct tcpsm__syn *syn_in(uint32_t q)
{
    CHECK(sw.st->syn_queue[q].head != 0);
    return tcpsm__syn_at(sw.st, sw.st->syn_queue[q].head - 1);
}

static uint32_t timewait(void)
{
    uint32_t i;
    for (i = 0; i < sw.st->g.timewaits; i++)
        if (tcpsm__tw_live(tcpsm__tw_at(sw.st, i)))
            return i;
    FAIL("no TIME-WAIT");
    return 0;
}

#define DAMAGE(number, what, change)                                         \
    TEST(invariant_##number##_##what)                                        \
    {                                                                        \
        tcpsm_stack *st;                                                     \
        scene();                                                             \
        st = sw.st;                                                          \
        change;                                                              \
        CHECK_EQ(tcpsm_stack_check(st), -(number));                          \
    }

TEST(invariant_200_no_stack)
{
    CHECK_EQ(tcpsm_stack_check(NULL), -200);
}
DAMAGE(200, magic, st->magic ^= 1)
DAMAGE(200, moved, st->self += 64)

DAMAGE(201, replies, st->reply_n = st->g.replies + 1)
DAMAGE(201, first_reply, st->reply_first = st->g.replies)
DAMAGE(201, echoes, st->echo_n = TCPSM__ECHOES + 1)
DAMAGE(201, hand, st->timewait_hand = st->g.timewaits)

DAMAGE(207, ring_lost, st->free_ring = 0)
DAMAGE(207, rings_in_a_circle,
       *tcpsm__ring_next(st, st->free_ring - 1) = st->free_ring)

/* a connection and its link */
DAMAGE(11, connection_unsound, held[0]->rcv_len = held[0]->rcv_cap + 1)
DAMAGE(202, own_wake_list, held[0]->p.wake = NULL)
DAMAGE(203, not_in_its_bucket, {
    tcpsm_tuple t;
    tcpsm__tuple_of(held[0], &t);
    *tcpsm__bucket(st, tcpsm__demux_name(st, &t)) = 0;
})
DAMAGE(204, not_hashed, link_of(0)->flags &= (uint8_t)~TCPSM__L_HASHED)
DAMAGE(205, slot, link_of(1)->slot = TCPSM__SLOTS)
DAMAGE(206, not_in_the_wheel, link_of(1)->slot = TCPSM__SLOT_NONE)
DAMAGE(206, too_late, link_of(1)->at += 1000000)

DAMAGE(210, one_more_used, st->used++)
DAMAGE(210, one_more_orphan, st->orphans++)
DAMAGE(210, one_ring_more_used, link_of(0)->ring = 0)
DAMAGE(211, free_one_lost, st->free_conn = 0)
DAMAGE(211, free_ones_in_a_circle,
       tcpsm__link_at(st, st->free_conn - 1)->queue = st->free_conn)

/* lists */
static void with_news(void)
{
    sw.by_hand = 1;
    PEER(0);
    IN("PA 1 ack 1 len 10");
    PEER(1);
    IN("PA 1 ack 1 len 10");
    /* into the news list, as tcpsm_stack_next would have it first */
    CHECK(tcpsm_stack_next(sw.st, NULL) != NULL);
    CHECK_EQ(sw.st->news_n, 1);
    CHECK_EQ(tcpsm_stack_check(sw.st), 0);
}
DAMAGE(212, no_news, with_news();
       tcpsm__link_at(st, st->news.head - 1)->flags &=
       (uint8_t)~TCPSM__L_NEWS)
DAMAGE(213, news_not_listed, with_news(); st->news.head = 0)
DAMAGE(213, news_count, with_news(); st->news_n++)
DAMAGE(213, news_in_a_circle, with_news();
       tcpsm__link_at(st, st->news.head - 1)->queue = st->news.head)
DAMAGE(214, accepted_and_listed,
       tcpsm__link_at(st, st->accept.head - 1)->flags |= TCPSM__L_YOURS)
DAMAGE(214, unaccepted_with_news, {
    tcpsm__link_at(st, st->accept.head - 1)->flags |= TCPSM__L_NEWS;
    st->news = st->accept;
    st->news_n = 1;
})
DAMAGE(215, unaccepted_not_listed, st->accept.head = 0)
DAMAGE(215, unaccepted_in_a_circle,
       tcpsm__link_at(st, st->accept.head - 1)->queue = st->accept.head)

static void with_woken(void)
{
    SENT(held[0], 10);
    CHECK(sw.st->ready.head == held[0]);
    CHECK(sw.st->ready.tail == held[0]);
}
DAMAGE(216, listed_and_not_woken, with_woken();
       held[0]->p.wake_next = st->ready.tail = held[3])
DAMAGE(216, tail, with_woken(); st->ready.tail = held[1])
TEST(invariant_216_stranger)
{
    static tcpsm_conn stranger;
    scene();
    with_woken();
    sw.st->ready.head = sw.st->ready.tail = &stranger;
    CHECK_EQ(tcpsm_stack_check(sw.st), -216);
}
DAMAGE(217, woken_not_listed, with_woken();
       st->ready.head = st->ready.tail = NULL)

/* the wheel */
static uint32_t slot(void)
{
    uint32_t s = link_of(1)->slot;
    CHECK_LT(s, (uint32_t)TCPSM__SLOT_FAR);
    return s;
}
DAMAGE(220, map_says_empty,
       st->wheel.map[slot() / 16] &= (uint16_t) ~(1u << slot() % 16))
DAMAGE(220, map_says_used, st->wheel.map[TCPSM__LEVELS - 1] |= 0x8000)
DAMAGE(221, links_back, link_of(1)->prev = 99)
DAMAGE(221, slot_of_the_first,
       tcpsm__link_at(st, st->wheel.head[slot()] - 1)->slot =
           (uint8_t)(slot() ^ 1))
DAMAGE(222, earlier_than_the_minimum, st->wheel.min[slot()] = TCPSM_NEVER)
DAMAGE(222, wrong_slot, {
    uint32_t s = slot();
    st->wheel.min[s] = 0;
    tcpsm__link_at(st, st->wheel.head[s] - 1)->at = 0;
})
DAMAGE(223, armed_not_listed, {
    link_of(0)->slot = 3;
    link_of(0)->at = 0;
})

/* half-open ones */
DAMAGE(230, links_back, syn_in(TCPSM__Q_1)->prev = 5)
DAMAGE(230, queue, syn_in(TCPSM__Q_1)->queue = TCPSM__Q_2)
DAMAGE(230, order, syn_in(TCPSM__Q_1)->due += 60000000)
DAMAGE(231, not_found, syn_in(TCPSM__Q_1)->name.remote_port ^= 1)
DAMAGE(232, no_listener, tcpsm__listener_at(st, 0)->used = 0)
DAMAGE(233, tail, st->syn_queue[TCPSM__Q_3].tail = 1)
DAMAGE(234, count, st->syns++)
DAMAGE(234, held, st->held++)
DAMAGE(
    234, not_listed,
    st->syn_queue[TCPSM__Q_HELD].head = st->syn_queue[TCPSM__Q_HELD].tail = 0)
DAMAGE(235, free_one_lost, st->free_syn = 0)
DAMAGE(235, free_ones_in_a_circle,
       tcpsm__syn_at(st, st->free_syn - 1)->chain = st->free_syn)

/* TIME-WAIT */
DAMAGE(241, not_in_its_bucket,
       tcpsm__tw_at(st, timewait())->name.remote_port ^= 1)
DAMAGE(242, count, st->timewaits++)
DAMAGE(243, free_one_lost, st->free_timewait = 0)
DAMAGE(243, free_ones_in_a_circle,
       tcpsm__tw_at(st, st->free_timewait - 1)->more = st->free_timewait)
