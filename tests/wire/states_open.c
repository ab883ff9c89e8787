/* Opening: the three-way handshake and its neighbours. */

#include "test.h"

#include "tcpsm.h"

#include "wire.h"

TEST(passive_open)
{
    START();
    LISTEN();
    STATE(TCPSM_LISTEN);
    DEADLINE_NEVER();
    IN("S 0 win 5000 mss 1000");
    STATE(TCPSM_SYN_RECEIVED);
    OUT("SA 0 ack 1 mss 1460 win 65535");
    AT(0.1);
    IN("A 1 ack 1 win 5000");
    STATE(TCPSM_ESTABLISHED);
    EVENTS(TCPSM_EV_CONNECTED | TCPSM_EV_SENT);
    IN("PA 1 ack 1 len 10");
    NONE();
    DEADLINE(0.14);
    AT(0.14);
    OUT("A 1 ack 11");
    READ(10);
}
