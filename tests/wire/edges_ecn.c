/* Accurate ECN where a SYN comes again: what is a SYN-ACK and what is not,
   RFC 9768 sections 3.2.2.1 and 3.2.2.2. The handshake is in accecn.c. */

#include "../unit/ecn.h"

/* s3.2.2.1: the handshake's encoding is for the ACK of the server's SYN-ACK.
   Any other SYN gets a challenge (RFC5961-7) with the counter in it, which
   is 6 after a CE mark on the SYN-ACK, and what follows has it, too. */
TEST(RFC9768_s3_2_2_1_only_the_syn_ack_again)
{
    static const char *const other[] = {
        "S 0 ack 1 tos 1",    /* no ACK bit: no SYN-ACK */
        "SA 1 ack 1 tos 1",   /* another number */
        "SA -1 ack 1 tos 1",  /* and another */
        "SA 0 ack 0 tos 1",   /* of another SYN */
        "SA 0 ack 200 tos 1", /* or of text */
    };
    uint32_t i;

    for (i = 0; i < sizeof other / sizeof *other; i++) {
        START();
        w.cfg.flags = TCPSM_NO_SACK | TCPSM_NO_TS | TCPSM_NO_SCALE |
                      TCPSM_NODELAY | TCPSM_NO_PROBE | TCPSM_ACCECN;
        OPEN();
        OUT_ECN(7, "S 0 mss 1460");
        AT(0.1);
        IN_ECN(2, "SA 0 ack 1 mss 1000 tos 3");
        OUT_ECN(6, "A 1 ack 1");
        (WIRE__STEP("%s", other[i]), ecn__in(2, 0, 0, -1));
        CHECK_EQ(w.in.drop, TCPSM_DROP_SYN);
        OUT_ECN(6, "A 1 ack 1"); /* 3 would be "your SYN-ACK had ECT(1)" */
    }
}
