/* pkt_conf.h - what the files about configuration share. 0BSD.

     pkt_conf.c     profiles and options
     pkt_sysctl.c   variables of Linux and FreeBSD
     pkt_shell.c    commands, most of which set such variables */

#ifndef PKT_CONF_H
#define PKT_CONF_H

#include "pkt.h"

/* A whole number, decimal or hexadecimal, within bounds; else -1. */
int pkt_conf_range(const char *, int64_t min, int64_t max, int64_t *);
int pkt_conf_int(int *out, const char *, int64_t min, int64_t max);
/* Addresses, the MTU and the RTO's minimum follow from other options. */
void pkt_conf_derive(struct pkt_conf *);
/* How long Linux tries: n retransmissions at doubled intervals from `first`
   ms on, which grow no longer than two minutes. */
uint32_t pkt_conf_tries_ms(uint32_t n, uint32_t first);
/* Sets a variable: 0, or -1: unknown, or tcpsm cannot do that. */
int pkt_conf_sysctl(struct pkt_conf *, const char *name, const char *value);

#endif /* PKT_CONF_H */
