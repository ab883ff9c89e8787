/* hello - one TCP connection on a Linux TUN device, answering curl - 0BSD

   As root: `build/tun/hello`, and beside it `curl http://10.9.8.2/` or
   `curl -g 'http://[fd09:8::2]/'`. A body (curl -T FILE) comes back.
   tun.h has what is not TCP; bulk.c does more over the same glue. */

#define TCPSM_IMPLEMENTATION
#include "../../tcpsm.h"
#include "tun.h"

static tcpsm_conn c;
static struct tun tun;
static struct {
    char head[2048];
    size_t got;
    unsigned long long left; /* body bytes to give back */
    int done;                /* the answer's head is sent */
} req;

static void answer(void)
{
    const char *length = strcasestr(req.head, "\r\nContent-Length:");
    const char *page = length ? "" : "Hello from one tcpsm_conn.\n";
    char text[200];

    req.left = length ? strtoull(length + 17, NULL, 10) : 0;
    req.done = snprintf(text, sizeof text,
                        "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                        "Content-Length: %llu\r\n\r\n%s",
                        req.left + strlen(page), page);
    tcpsm_send(&c, text, (uint32_t)req.done, 0);
}

/* The request is copied byte by byte into memory of our own, so that it
   does not matter where the ring wraps. */
static void serve(void)
{
    tcpsm_span to[2];
    tcpsm_ret n = 0;

    while (!req.done && (n = tcpsm_receive(&c, req.head + req.got, 1)) == 1)
        if (++req.got == sizeof req.head - 1 || strstr(req.head, "\r\n\r\n"))
            answer();
    while (req.left > 0 && tcpsm_send_reserve(&c, to) > 0) {
        if (to[0].n > req.left)
            to[0].n = (uint32_t)req.left;
        if ((n = tcpsm_receive(&c, to[0].p, to[0].n)) <= 0)
            break;
        req.left -= (uint32_t)tcpsm_send_commit(&c, (uint32_t)n, 0);
    }
    /* All is said; or the peer has closed, and then so must we, whether it
       asked anything or not, or CLOSE-WAIT would last for ever. */
    if (n < 0 || (req.done && req.left == 0))
        tcpsm_close(&c);
}

int main(int argc, char **argv)
{
    tcpsm_config cfg = TCPSM_ZERO;
    tcpsm_tuple me = {.local_port = 80}; /* at any address, from anyone */
    tcpsm_out out = {.buf = tun.out + TUN_HEAD, .cap = 65536};
    tcpsm_in in;
    tcpsm_ret n;
    int got = -1;

    tun_options(&tun, argc, argv, "hello: then try curl http://10.9.8.2/");
    tun_start(&tun);
    cfg.mtu = tun.mtu;
    cfg.clock_us = 10000; /* poll() and two schedulers may be so late */
    tun_must(getrandom(cfg.key, 16, 0) == 16, "getrandom");
    tcpsm_init(&c, &cfg);
    tcpsm_attach(&c, TCPSM_RECEIVE, tun.rx, tun.ring, NULL);
    tcpsm_attach(&c, TCPSM_SEND, tun.tx, tun.ring, NULL);
    tcpsm_listen(&c, &me, tun_now());
    while (got != TUN_STOP) {
        got = tun_read(&tun, &in, tcpsm_deadline(&c));
        if (got == TUN_STOP)
            tcpsm_abort(&c);
        if (got == IPPROTO_TCP &&
            tcpsm_input(&c, &in, tun_now()) == TCPSM_E_NOT_MINE &&
            (n = tcpsm_stranger(&in, &out)) > 0)
            tun_write(&tun, &out, n);
        serve();
        while ((n = tcpsm_output(&c, &out, tun_now())) > 0)
            tun_write(&tun, &out, n);
        /* We have one connection, so none to spend on TIME-WAIT. */
        if ((tcpsm_take(&c) & TCPSM_EV_DONE) != 0 ||
            tcpsm_state(&c) == TCPSM_TIME_WAIT) {
            memset(&req, 0, sizeof req);
            tcpsm_listen(&c, &me, tun_now());
        }
    }
    return 0;
}
