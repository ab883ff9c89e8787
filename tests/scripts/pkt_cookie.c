/* pkt_cookie.c - cookies of TCP Fast Open that a script knows beforehand.
   0BSD.

   A server's cookie is its secret, and so other bytes in tcpsm than in the
   kernel. Scripts of the kernel's have one that is right for the key that
   they set: there, it is SipHash-2-4 of the peer's and our address. Such a
   cookie becomes what tcpsm would grant to that peer; any other goes in as it
   is, and is wrong. */

#include "pkt_sock.h"
#include "pkt_wire.h"

#include <string.h>

static uint64_t get64(const uint8_t *p)
{
    uint64_t v = 0;
    int i;

    for (i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static uint64_t turn(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static void rounds(uint64_t v[4], int n)
{
    while (n-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = turn(v[1], 13) ^ v[0];
        v[3] = turn(v[3], 16) ^ v[2];
        v[0] = turn(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = turn(v[1], 17) ^ v[2];
        v[3] = turn(v[3], 21) ^ v[0];
        v[2] = turn(v[2], 32);
    }
}

/* Of a whole number of words. */
static uint64_t siphash(const uint8_t key[16], const uint8_t *p, size_t n)
{
    uint64_t k0 = get64(key), k1 = get64(key + 8), m, v[4];
    size_t i;

    v[0] = k0 ^ 0x736f6d6570736575u;
    v[1] = k1 ^ 0x646f72616e646f6du;
    v[2] = k0 ^ 0x6c7967656e657261u;
    v[3] = k1 ^ 0x7465646279746573u;
    for (i = 0; i <= n; i += 8) {
        m = i < n ? get64(p + i) : (uint64_t)n << 56;
        v[3] ^= m;
        rounds(v, 2);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* key: four numbers, as in the sysctl, of which the bytes are swapped. */
static int fits(const struct pkt_map *m, const uint8_t *key, int swapped,
                const uint8_t *cookie)
{
    uint32_t n = m->tuple.family == 4 ? 4 : 16;
    uint8_t k[16], who[32];
    int i;

    for (i = 0; i < 16; i++)
        k[i] = key[swapped ? (i & ~3) + 3 - (i & 3) : i];
    memcpy(who, m->tuple.remote, n);
    memcpy(who + n, m->tuple.local, n);
    return siphash(k, who, (size_t)2 * n) == get64(cookie);
}

int pkt_cookie_right(const struct pkt_run *run, const struct pkt_map *m,
                     const uint8_t *cookie, int n)
{
    static const uint8_t usual[16] = {0xa1, 0xa1, 0xa1, 0xa1, 0xb2, 0xb2,
                                      0xb2, 0xb2, 0xc3, 0xc3, 0xc3, 0xc3,
                                      0xd4, 0xd4, 0xd4, 0xd4};
    const struct pkt_sock *s = run->sockets ? run->sockets->all : NULL;
    int i;

    if (n != 8)
        return 0;
    for (; s; s = s->next)
        if (s->listening && s->o.key_len >= 16) { /* a second one is old */
            for (i = 0; i + 16 <= s->o.key_len; i += 16)
                if (fits(m, s->o.key + i, 0, cookie))
                    return 1;
            return 0;
        }
    return fits(m,
                run->conf.fastopen_key_given ? run->conf.fastopen_key : usual,
                1, cookie);
}

int pkt_cookie_live(struct pkt_run *run, const struct pkt_map *m,
                    uint8_t cookie[40])
{
    static const uint8_t asks[] = {34, 2, 1, 1};
    uint8_t syn[24], buf[256], rcv[2048], snd[2048];
    uint32_t n = m->tuple.family == 4 ? 4 : 16;
    tcpsm_config cfg = run->conf.tcp;
    struct pkt_seg s;
    tcpsm_tuple t;
    tcpsm_conn c;
    tcpsm_out out;
    tcpsm_in in;
    tcpsm_ret r;
    int i;

    /* another server of the same secret, in front of the same peer */
    memset(&t, 0, sizeof t);
    t.family = m->tuple.family;
    t.local_port = m->tuple.local_port;
    memcpy(t.local, m->tuple.local, n);
    cfg.flags |= TCPSM_FASTOPEN;
    cfg.counters = NULL;
    cfg.rcv_max = 0;
    if (tcpsm_init(&c, &cfg) != 0 ||
        tcpsm_attach(&c, TCPSM_RECEIVE, rcv, sizeof rcv, NULL) != 0 ||
        tcpsm_attach(&c, TCPSM_SEND, snd, sizeof snd, NULL) != 0 ||
        tcpsm_listen(&c, &t, pkt_now(run)) != 0)
        return 0;
    memset(syn, 0, sizeof syn);
    syn[0] = (uint8_t)(m->tuple.remote_port >> 8);
    syn[1] = (uint8_t)m->tuple.remote_port;
    syn[2] = (uint8_t)(m->tuple.local_port >> 8);
    syn[3] = (uint8_t)m->tuple.local_port;
    syn[12] = 6 << 4;
    syn[13] = PKT_SYN;
    syn[14] = 0xFF;
    memcpy(syn + 20, asks, sizeof asks);
    memset(&in, 0, sizeof in);
    in.src = m->tuple.remote;
    in.dst = m->tuple.local;
    in.data = syn;
    in.len = sizeof syn;
    in.family = m->tuple.family;
    in.flags = TCPSM_IN_CSUM_OK;
    memset(&out, 0, sizeof out);
    out.buf = buf;
    out.cap = sizeof buf;
    if (tcpsm_input(&c, &in, pkt_now(run)) != 0)
        return 0;
    r = tcpsm_output(&c, &out, pkt_now(run));
    if (r < 20)
        return 0;
    pkt_seg_parse(&s, buf, (uint32_t)r);
    for (i = 0; i < s.opts; i++)
        if (s.opt[i].what == PKT_OPT_FO) {
            memcpy(cookie, s.opt[i].bytes, (size_t)s.opt[i].n);
            return s.opt[i].n;
        }
    return 0;
}
