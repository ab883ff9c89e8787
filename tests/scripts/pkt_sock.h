/* pkt_sock.h - what the files of the socket layer share. 0BSD.

     pkt_const.c  names of constants and errors <-> numbers (Linux's)
     pkt_sock.c   descriptors, connections, listeners; calls and their ends
     pkt_io.c     read and write and their kin
     pkt_opt.c    getsockopt, setsockopt, ioctl, fcntl
     pkt_poll.c   poll, epoll

   A call is a struct pkt_call. Its step() is tried when it is made and after
   every change, until it returns 1; result and error are compared then. */

#ifndef PKT_SOCK_H
#define PKT_SOCK_H

#include "pkt.h"

/* Errors by Linux's numbers, whatever this machine's are. */
enum {
    PKT_ENOENT = 2,
    PKT_EBADF = 9,
    PKT_EAGAIN = 11,
    PKT_EFAULT = 14,
    PKT_EEXIST = 17,
    PKT_EINVAL = 22,
    PKT_EPIPE = 32,
    PKT_EDOM = 33,
    PKT_EDESTADDRREQ = 89,
    PKT_ENOPROTOOPT = 92,
    PKT_EOPNOTSUPP = 95,
    PKT_EADDRINUSE = 98,
    PKT_EADDRNOTAVAIL = 99,
    PKT_ENETUNREACH = 101,
    PKT_ECONNABORTED = 103,
    PKT_ECONNRESET = 104,
    PKT_EISCONN = 106,
    PKT_ENOTCONN = 107,
    PKT_ETIMEDOUT = 110,
    PKT_ECONNREFUSED = 111,
    PKT_EHOSTDOWN = 112,
    PKT_EHOSTUNREACH = 113,
    PKT_EALREADY = 114,
    PKT_EINPROGRESS = 115
};

/* Constants, likewise, where the code speaks of them. */
enum {
    PKT_IN = 1,
    PKT_PRI = 2,
    PKT_OUT = 4,
    PKT_ERR = 8,
    PKT_HUP = 16,
    PKT_NVAL = 32,
    PKT_RDNORM = 0x40,
    PKT_WRNORM = 0x100,
    PKT_RDHUP = 0x2000,
    PKT_MSG_OOB = 1,
    PKT_MSG_PEEK = 2,
    PKT_MSG_TRUNC = 0x20,
    PKT_MSG_DONTWAIT = 0x40,
    PKT_MSG_EOR = 0x80,
    PKT_MSG_WAITALL = 0x100,
    PKT_MSG_NOSIGNAL = 0x4000,
    PKT_MSG_MORE = 0x8000,
    PKT_MSG_FASTOPEN = 0x20000000,
    PKT_NONBLOCK = 04000 /* O_ and SOCK_ */
};

/* ---- pkt_const.c ------------------------------------------------------- */

int pkt_const(const char *name, int64_t *v);         /* 0: unknown */
int pkt_errno(const char *name);                     /* 0: unknown */
const char *pkt_errno_name(pkt_arena *, int number); /* never NULL */
/* An integer expression. An unknown name skips the script by that name;
   anything else that is no integer is a failure. 0: not. */
int pkt_value(struct pkt_run *, const struct pkt_expr *, int64_t *v);
/* The same without verdicts: 0 if it is no integer. */
int pkt_quiet_value(const struct pkt_expr *, int64_t *v);
/* The value of [x], {x}, {name=x} or x. */
const struct pkt_expr *pkt_only(const struct pkt_expr *);
/* {name=x}: x, or NULL; without names the nth of the struct. */
const struct pkt_expr *pkt_member(const struct pkt_expr *, const char *name,
                                  int nth);
int pkt_is_any(const struct pkt_expr *); /* NULL or ... */

/* ---- descriptors ------------------------------------------------------- */

struct pkt_sockopts { /* what was set; -1: was not */
    int64_t reuseaddr, reuseport, sndbuf, rcvbuf, keepalive, nodelay, cork;
    int64_t maxseg, user_timeout, keepidle, keepintvl, keepcnt, syncnt;
    int64_t linger2, quickack, notsent_lowat, tos, ttl, mtu_discover;
    int64_t linger_on, linger_s, fastopen, fastopen_connect, oobinline;
    int64_t rto_max_ms, rto_min_us, delack_max_us, noopt, freebind;
    int64_t rcvtimeo_us, sndtimeo_us, inq;
    const struct tcpsm_cc *cc; /* NULL: not set */
    uint8_t key[32];
    int key_len;
};

struct pkt_later { /* written, and not yet given to tcpsm */
    uint32_t len, flags;
    struct pkt_later *next;
};

struct pkt_watch { /* an epoll's interest */
    struct pkt_sock *of;
    uint32_t events;
    int64_t data;
    uint32_t seen; /* of->activity when it was reported; EPOLLET */
    int fresh;     /* added or changed: report whatever holds */
    struct pkt_watch *next;
};

struct pkt_sock {
    struct pkt_sock *next;
    int fd;       /* the script's number; -1: closed, or not yet accepted */
    int is_epoll; /* and then only watches */
    struct pkt_watch *watches;
    int nonblock, family;
    struct pkt_sockopts o;
    int bound;
    uint8_t local[16];
    uint16_t port;

    int listening; /* then: */
    tcpsm_ret listener;
    uint32_t backlog;
    struct pkt_sock *children, **children_end; /* by ->sibling */
    struct pkt_sock *sibling;

    tcpsm_conn *c;      /* NULL: none */
    uint8_t *rcv, *snd; /* rings of our own, where attached */
    enum {
        PKT_FRESH,      /* never connected, or failed and told so */
        PKT_CONNECTING, /* connect() has not told of its success yet */
        PKT_CONNECTED
    } phase;
    int fo_waiting;   /* TCP_FASTOPEN_CONNECT: the first write connects */
    uint32_t rto_min; /* set last, where the RTO has another form */
    int recork;       /* TCP_NODELAY took the cork off, for a moment */
    int nagle_off;    /* tcpsm's, at the moment */
    int shut;         /* 1: to read; 2: to write */
    int fin;          /* the peer's FIN is in */
    int active;       /* it called connect() */
    int established;  /* it was */
    int error_seen;   /* of c */
    int err;          /* pending, Linux's sk_err */
    int oob;          /* 1: a byte out of band awaits recv(MSG_OOB); 2: it
                           was taken and is still in the stream */
    uint8_t oob_byte;
    /* tcpsm has one end of a record pending at a time; others wait here, and
       with them all that is written behind them, a FIN and close(). */
    struct pkt_later *later, **later_end;
    uint32_t later_bytes;
    int fin_later, close_later;
    uint32_t limit;        /* Linux's sk_sndbuf; 0: the ring is the limit */
    uint32_t wrote, nread; /* bytes, modulo 2^32: offsets in the streams */
    uint32_t arrived;      /* nread + readable, when last looked */
    uint32_t mask;         /* poll's, when last looked */
    uint32_t activity;     /* counts wake-ups, for EPOLLET */
};

/* ---- calls ------------------------------------------------------------- */

struct pkt_call {
    struct pkt_call *next;
    const struct pkt_event *ev;
    const struct pkt_syscall *sys;
    int64_t start;    /* script time */
    int64_t deadline; /* of its own, script time; INT64_MAX: none */
    int64_t dur;      /* PKT_ANY: must not block */
    struct pkt_sock *s;
    const struct pkt_expr *arg[8];
    int n;
    int64_t i[8]; /* for step: integers made of the arguments */
    uint32_t did; /* bytes moved */
    int blocking, began;
    const struct pkt_expr *control; /* msg_control of recvmsg */
    int moved;                      /* the last step changed something */
    int (*step)(struct pkt_run *, struct pkt_call *);
    int64_t result;
    int err; /* 0: none */
};

struct pkt_sockets {
    struct pkt_sock *all;
    struct pkt_call *pending;
    struct pkt_sock *last; /* the connection TCP_INFO is about */
    tcpsm_fastopen fo;
    const struct tcpsm_cc *cc; /* what the script will want; NULL */
    uint32_t rcv_ring, snd_ring;
    uint8_t buf[65536];
};

/* Ends a call: with a result, or with an error. Return 1, as step does. */
int pkt_done(struct pkt_call *, int64_t result);
int pkt_errs(struct pkt_call *, int err);
/* A failure at the line of that call, not of the current event. */
int pkt_blame(struct pkt_run *, const struct pkt_call *, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
struct pkt_sock *pkt_sock_find(struct pkt_run *, int64_t fd); /* NULL */

struct pkt_sock *pkt_sock_new(struct pkt_run *);
/* Gives it the descriptor that the script's result names. As pkt_done. */
int pkt_sock_number(struct pkt_run *, struct pkt_call *, struct pkt_sock *);
const struct tcpsm_cc *pkt_sock_cc(const char *name); /* NULL: unknown */
/* The ring for an SO_SNDBUF. */
uint32_t pkt_sock_sndbuf(const struct pkt_run *, int64_t n);

/* The connection's state, refreshed: error, FIN, activity. */
void pkt_sock_look(struct pkt_run *, struct pkt_sock *);
int pkt_sock_dead(const struct pkt_sock *); /* Linux: TCP_CLOSE */
uint32_t pkt_sock_mask(const struct pkt_sock *);
/* Does the profile have FreeBSD's habits? */
int pkt_sock_bsd(const struct pkt_run *);
/* Pending error, and then none. */
int pkt_sock_error(struct pkt_sock *);
/* SYN-SENT with these options; 0 or an errno. fo: with Fast Open. */
int pkt_sock_open(struct pkt_run *, struct pkt_sock *, int fo);
/* Queues what comes next in the stream: how much was taken. */
uint32_t pkt_sock_send(struct pkt_run *, struct pkt_sock *, uint32_t len,
                       uint32_t flags);
/* What is queued, here and there. */
uint32_t pkt_sock_queued(const struct pkt_sock *);
/* As Linux: a third of the buffer is free, and TCP_NOTSENT_LOWAT allows. */
int pkt_sock_writable(const struct pkt_sock *);
/* Options changed on a socket that has a connection or listens. */
void pkt_sock_apply(struct pkt_run *, struct pkt_sock *);
void pkt_sock_relisten(struct pkt_run *, struct pkt_sock *);
/* A sockaddr, or ...: conf's. 0: neither. */
int pkt_sock_name(struct pkt_run *, const struct pkt_expr *, int remote,
                  uint8_t ip[16], uint16_t *port, int *given);

/* Starts by name; 0: not one of this file's. They set call->step. */
int pkt_io_call(struct pkt_run *, struct pkt_call *);
int pkt_opt_call(struct pkt_run *, struct pkt_call *);
int pkt_poll_call(struct pkt_run *, struct pkt_call *);
void pkt_poll_forget(struct pkt_run *, struct pkt_sock *);

#endif /* PKT_SOCK_H */
