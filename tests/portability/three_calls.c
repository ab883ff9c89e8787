/* TCPSM_STATIC, and three calls used: no warning about the others. */
#define TCPSM_STATIC
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

int main(void)
{
    static tcpsm_conn c;
    tcpsm_config cfg = TCPSM_ZERO;
    cfg.key[0] = 1;
    if (tcpsm_init(&c, &cfg) < 0)
        return 1;
    if (tcpsm_deadline(&c) != TCPSM_NEVER)
        return 2;
    return tcpsm_check(&c) != 0;
}
