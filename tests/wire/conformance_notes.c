/* What study notes on TCP say, held against the wire: docs/conformance.md
   has the statements. And a requirement that no other test shows. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

/* "ACK = SEQ + 1": it is the octet that is expected next. SYN and FIN take a
   number each, text one an octet, an ACK none. */
TEST(ack_is_the_octet_expected_next)
{
    START();
    ACCEPTED("win 5000"); /* SYN 0, so ACK 1 */
    IN("PA 1 ack 1 len 10");
    AT(0.04);
    OUT("A 1 ack 11");
    SEND(100);
    OUT("PA 1 ack 11 len 100"); /* 1 again: the ACK took no number */
    IN("A 11 ack 101");
    IN("A 11 ack 101");
    IN("FPA 11 ack 101 len 5");
    OUT("A 101 ack 17"); /* five octets and the FIN */
}

/* "Four waves": two FINs and two ACKs, but the second FIN may go with the
   ACK of the first. */
TEST(close_in_three_segments)
{
    START();
    OPENED("win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("FA 1 ack 2");
    OUT("A 2 ack 2");
    STATE(TCPSM_TIME_WAIT);
    START(); /* and we, when we close at once: */
    OPENED("win 5000");
    IN("FA 1 ack 1");
    CLOSE();
    OUT("FA 1 ack 2");
    NONE();
    IN("A 2 ack 2");
    STATE(TCPSM_CLOSED);
    START(); /* four, when the second side has more to say: */
    OPENED("win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("A 1 ack 2");
    IN("PA 1 ack 2 len 10");
    STATE(TCPSM_FIN_WAIT_2);
    AT(0.04);
    OUT("A 2 ack 11");
    IN("FA 11 ack 2");
    OUT("A 2 ack 12");
    STATE(TCPSM_TIME_WAIT);
}

/* "LAST-ACK waits for the peer's last data": its FIN is in, nothing more can
   come; what comes all the same is no part of the stream. */
TEST(no_text_in_last_ack)
{
    START();
    OPENED("win 5000");
    IN("FPA 1 ack 1 len 10");
    SHUTDOWN();
    STATE(TCPSM_LAST_ACK);
    OUT("FA 1 ack 12");
    IN_DROP(TCPSM_DROP_AFTER_FIN, "PA 12 ack 1 len 10");
    READ(10);
    READ_IS(TCPSM_E_EOF);
    STATE(TCPSM_LAST_ACK);
}

/* "The client closes first, and waits": whoever closes first waits. */
TEST(server_closes_first_and_waits)
{
    START();
    ACCEPTED("win 5000");
    SHUTDOWN();
    OUT("FA 1 ack 1");
    IN("FA 1 ack 2");
    OUT("A 2 ack 2");
    STATE(TCPSM_TIME_WAIT);
    DEADLINE(60);
}

/* "One send, one segment, one receive": a stream has no such borders. */
TEST(sends_are_no_messages)
{
    START();
    OPENED("mss 1000 win 5000");
    SEND(10);
    OUT("PA 1 ack 1 len 10");
    SEND(20);
    SEND(30);
    SEND(40);
    NONE(); /* Nagle */
    IN("A 1 ack 11");
    OUT("PA 11 ack 1 len 90");
    IN("PA 1 ack 101 len 7");
    IN("PA 8 ack 101 len 8");
    READ(15);
}

/* "PSH hands the data up": it is there without. */
TEST(readable_without_push)
{
    START();
    OPENED("win 5000");
    IN("A 1 ack 1 len 10");
    CHECK(tcpsm_take(w.c) & TCPSM_EV_READABLE);
    READ(10);
}

/* "The MSS is negotiated": each side says what it takes. */
TEST(each_side_has_its_own_mss)
{
    START();
    OPENED("mss 600 win 5000");
    SEND(1200);
    OUT("A 1 ack 1 len 600");
    OUT("PA 601 ack 1 len 600");
    IN("PA 1 ack 1201 len 1460"); /* what our SYN said */
    IN("PA 1461 ack 1201 len 1460");
    OUT("A 1201 ack 2921");
    READ(2920);
}

/* RFC9293-MAY-8: a user who does not read keeps the window closed, and the
   connection open, for as long as the peer asks. */
TEST(RFC9293_MAY_8_window_closed_for_a_day)
{
    int i;

    START();
    w.rcv_ring = 1000;
    OPENED("win 5000");
    IN("A 1 ack 1 len 500");
    IN("A 501 ack 1 len 500");
    OUT("A 1 ack 1001 win 0");
    for (i = 1; i <= 24; i++) {
        AT(3600. * i);
        IN_ANY("A 1001 ack 1 len 1");
        OUT("A 1 ack 1001 win 0");
        STATE(TCPSM_ESTABLISHED);
    }
    READ(1000);
    OUT("A 1 ack 1001 win 1000");
}
