/* One half of a program in two translation units, see abi.sh. Compiled
   with -DUNIT=1 it has the implementation and sets a connection up; with
   -DUNIT=2 it has only the declarations, and uses that connection. */
#if UNIT == 1
#define TCPSM_IMPLEMENTATION
#endif
#include "tcpsm.h"
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif
extern tcpsm_conn shared;
extern uint8_t shared_rx[1024], shared_tx[1024];
tcpsm_ret here_init(tcpsm_conn *);
tcpsm_ret there_init(tcpsm_conn *);
int there_use(void);
#ifdef __cplusplus
}
#endif

#if UNIT == 1
tcpsm_conn shared;
uint8_t shared_rx[1024], shared_tx[1024];
#define INIT here_init
#else
#define INIT there_init
#endif

tcpsm_ret INIT(tcpsm_conn *c)
{
    tcpsm_config cfg = TCPSM_ZERO;
    memset(cfg.key, 7, sizeof cfg.key);
    return tcpsm_init(c, &cfg);
}

#if UNIT == 2
/* The other unit's connection, driven from here: listen, send, status. */
int there_use(void)
{
    tcpsm_tuple me = TCPSM_ZERO;
    struct tcpsm_info info;
    me.family = 4;
    me.local_port = 7;
    if (tcpsm_attach(&shared, TCPSM_RECEIVE, shared_rx, sizeof shared_rx,
                     NULL) < 0 ||
        tcpsm_attach(&shared, TCPSM_SEND, shared_tx, sizeof shared_tx, NULL) <
            0)
        return 1;
    if (tcpsm_listen(&shared, &me, 1000) < 0)
        return 2;
    tcpsm_status(&shared, &info);
    if (info.state != TCPSM_LISTEN || shared.state != TCPSM_LISTEN)
        return 3;
    return 0;
}
#else
int main(void)
{
    static union {
        tcpsm_conn c;
        uint8_t room[4096];
    } u;
    int used;
    tcpsm_ret theirs, ours = here_init(&shared);
    theirs = there_init(&u.c);
    used = ours == 0 && theirs == 0 ? there_use() : -1;
    printf("here %d, there %d, used %d, check %d\n", (int)ours, (int)theirs,
           used, (int)tcpsm_check(&shared));
    return 0;
}
#endif
