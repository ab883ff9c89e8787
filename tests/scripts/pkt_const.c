/* pkt_const.c - constants of scripts: names and Linux's numbers. 0BSD.

   Numbers, not the C library's names: a script means the same everywhere.
   What only FreeBSD has gets a number that nothing else has. */

#include "pkt_sock.h"

#include <string.h>

struct name {
    const char *s;
    int64_t v;
};

static const struct name constants[] = {
    {"AF_UNSPEC", 0},
    {"AF_INET", 2},
    {"AF_INET6", 10},
    {"PF_INET", 2},
    {"PF_INET6", 10},
    {"SOCK_STREAM", 1},
    {"SOCK_NONBLOCK", PKT_NONBLOCK},
    {"SOCK_CLOEXEC", 02000000},
    {"IPPROTO_IP", 0},
    {"IPPROTO_TCP", 6},
    {"IPPROTO_IPV6", 41},
    {"SOL_IP", 0},
    {"SOL_SOCKET", 1},
    {"SOL_TCP", 6},
    {"SOL_IPV6", 41},
    {"INADDR_ANY", 0},
    {"SHUT_RD", 0},
    {"SHUT_WR", 1},
    {"SHUT_RDWR", 2},
    {"SO_DEBUG", 1},
    {"SO_REUSEADDR", 2},
    {"SO_TYPE", 3},
    {"SO_ERROR", 4},
    {"SO_DONTROUTE", 5},
    {"SO_BROADCAST", 6},
    {"SO_SNDBUF", 7},
    {"SO_RCVBUF", 8},
    {"SO_KEEPALIVE", 9},
    {"SO_OOBINLINE", 10},
    {"SO_PRIORITY", 12},
    {"SO_LINGER", 13},
    {"SO_REUSEPORT", 15},
    {"SO_RCVLOWAT", 18},
    {"SO_SNDLOWAT", 19},
    {"SO_RCVTIMEO", 20},
    {"SO_SNDTIMEO", 21},
    {"SO_BINDTODEVICE", 25},
    {"SO_TIMESTAMP", 29},
    {"SO_ACCEPTCONN", 30},
    {"SO_SNDBUFFORCE", 32},
    {"SO_RCVBUFFORCE", 33},
    {"SO_TIMESTAMPNS", 35},
    {"SO_MARK", 36},
    {"SO_TIMESTAMPING", 37},
    {"SO_PROTOCOL", 38},
    {"SO_DOMAIN", 39},
    {"SO_PEEK_OFF", 42},
    {"SO_BUSY_POLL", 46},
    {"SO_MAX_PACING_RATE", 47},
    {"SO_INCOMING_CPU", 49},
    {"SO_ZEROCOPY", 60},
    {"SO_TXTIME", 61},
    {"SO_NOSIGPIPE", 0x10001},
    {"SO_REUSEPORT_LB", 0x10002},
    {"TCP_NODELAY", 1},
    {"TCP_MAXSEG", 2},
    {"TCP_CORK", 3},
    {"TCP_NOPUSH", 3},
    {"TCP_KEEPIDLE", 4},
    {"TCP_KEEPINTVL", 5},
    {"TCP_KEEPCNT", 6},
    {"TCP_SYNCNT", 7},
    {"TCP_LINGER2", 8},
    {"TCP_DEFER_ACCEPT", 9},
    {"TCP_WINDOW_CLAMP", 10},
    {"TCP_INFO", 11},
    {"TCP_QUICKACK", 12},
    {"TCP_CONGESTION", 13},
    {"TCP_MD5SIG", 14},
    {"TCP_THIN_LINEAR_TIMEOUTS", 16},
    {"TCP_THIN_DUPACK", 17},
    {"TCP_USER_TIMEOUT", 18},
    {"TCP_REPAIR", 19},
    {"TCP_REPAIR_QUEUE", 20},
    {"TCP_QUEUE_SEQ", 21},
    {"TCP_REPAIR_OPTIONS", 22},
    {"TCP_FASTOPEN", 23},
    {"TCP_TIMESTAMP", 24},
    {"TCP_NOTSENT_LOWAT", 25},
    {"TCP_CC_INFO", 26},
    {"TCP_SAVE_SYN", 27},
    {"TCP_SAVED_SYN", 28},
    {"TCP_REPAIR_WINDOW", 29},
    {"TCP_FASTOPEN_CONNECT", 30},
    {"TCP_ULP", 31},
    {"TCP_MD5SIG_EXT", 32},
    {"TCP_FASTOPEN_KEY", 33},
    {"TCP_FASTOPEN_NO_COOKIE", 34},
    {"TCP_ZEROCOPY_RECEIVE", 35},
    {"TCP_INQ", 36},
    {"TCP_CM_INQ", 36},
    {"TCP_TX_DELAY", 37},
    {"TCP_RTO_MAX_MS", 44},
    {"TCP_RTO_MIN_US", 45},
    {"TCP_DELACK_MAX_US", 46},
    {"TCP_NOOPT", 0x10008},
    {"TCP_FUNCTION_BLK", 0x10009},
    {"TCP_KEEPINIT", 0x1000A},
    {"MSG_EOF", (int64_t)1 << 40},
    {"MSG_OOB", PKT_MSG_OOB},
    {"MSG_PEEK", PKT_MSG_PEEK},
    {"MSG_DONTROUTE", 4},
    {"MSG_CTRUNC", 8},
    {"MSG_TRUNC", PKT_MSG_TRUNC},
    {"MSG_DONTWAIT", PKT_MSG_DONTWAIT},
    {"MSG_EOR", PKT_MSG_EOR},
    {"MSG_WAITALL", PKT_MSG_WAITALL},
    {"MSG_CONFIRM", 0x800},
    {"MSG_ERRQUEUE", 0x2000},
    {"MSG_NOSIGNAL", PKT_MSG_NOSIGNAL},
    {"MSG_MORE", PKT_MSG_MORE},
    {"MSG_ZEROCOPY", 0x4000000},
    {"MSG_FASTOPEN", PKT_MSG_FASTOPEN},
    {"MSG_CMSG_CLOEXEC", 0x40000000},
    {"POLLIN", PKT_IN},
    {"POLLPRI", PKT_PRI},
    {"POLLOUT", PKT_OUT},
    {"POLLERR", PKT_ERR},
    {"POLLHUP", PKT_HUP},
    {"POLLNVAL", PKT_NVAL},
    {"POLLRDNORM", PKT_RDNORM},
    {"POLLRDBAND", 0x80},
    {"POLLWRNORM", PKT_WRNORM},
    {"POLLWRBAND", 0x200},
    {"POLLRDHUP", PKT_RDHUP},
    {"EPOLLIN", PKT_IN},
    {"EPOLLPRI", PKT_PRI},
    {"EPOLLOUT", PKT_OUT},
    {"EPOLLERR", PKT_ERR},
    {"EPOLLHUP", PKT_HUP},
    {"EPOLLRDNORM", PKT_RDNORM},
    {"EPOLLRDBAND", 0x80},
    {"EPOLLWRNORM", PKT_WRNORM},
    {"EPOLLWRBAND", 0x200},
    {"EPOLLRDHUP", PKT_RDHUP},
    {"EPOLLEXCLUSIVE", 1 << 28},
    {"EPOLLWAKEUP", 1 << 29},
    {"EPOLLONESHOT", 1 << 30},
    {"EPOLLET", (int64_t)1 << 31},
    {"EPOLL_CTL_ADD", 1},
    {"EPOLL_CTL_DEL", 2},
    {"EPOLL_CTL_MOD", 3},
    {"EPOLL_CLOEXEC", 02000000},
    {"F_GETFD", 1},
    {"F_SETFD", 2},
    {"F_GETFL", 3},
    {"F_SETFL", 4},
    {"FD_CLOEXEC", 1},
    {"O_RDONLY", 0},
    {"O_WRONLY", 1},
    {"O_RDWR", 2},
    {"O_NONBLOCK", PKT_NONBLOCK},
    {"O_NDELAY", PKT_NONBLOCK},
    {"O_CLOEXEC", 02000000},
    {"SIOCINQ", 0x541B},
    {"FIONREAD", 0x541B},
    {"SIOCOUTQ", 0x5411},
    {"TIOCOUTQ", 0x5411},
    {"FIONWRITE", 0x5411},
    {"SIOCOUTQNSD", 0x894B},
    {"FIONBIO", 0x5421},
    {"SIOCATMARK", 0x8905},
    {"IP_TOS", 1},
    {"IP_TTL", 2},
    {"IP_MTU_DISCOVER", 10},
    {"IP_RECVERR", 11},
    {"IP_RECVTTL", 12},
    {"IP_RECVTOS", 13},
    {"IP_MTU", 14},
    {"IP_FREEBIND", 15},
    {"IP_TRANSPARENT", 19},
    {"IP_MINTTL", 21},
    {"IP_BIND_ADDRESS_NO_PORT", 24},
    {"IP_PMTUDISC_DONT", 0},
    {"IP_PMTUDISC_WANT", 1},
    {"IP_PMTUDISC_DO", 2},
    {"IP_PMTUDISC_PROBE", 3},
    {"IP_PMTUDISC_INTERFACE", 4},
    {"IP_PMTUDISC_OMIT", 5},
    {"IPV6_UNICAST_HOPS", 16},
    {"IPV6_MTU_DISCOVER", 23},
    {"IPV6_MTU", 24},
    {"IPV6_RECVERR", 25},
    {"IPV6_V6ONLY", 26},
    {"IPV6_RECVTCLASS", 66},
    {"IPV6_TCLASS", 67},
    {"IPV6_AUTOFLOWLABEL", 70},
    {"IPV6_TRANSPARENT", 75},
    {"IPV6_FREEBIND", 78},
    {"IPV6_PMTUDISC_DONT", 0},
    {"IPV6_PMTUDISC_WANT", 1},
    {"IPV6_PMTUDISC_DO", 2},
    {"IPV6_PMTUDISC_PROBE", 3},
    {"IPTOS_MINCOST", 2},
    {"IPTOS_RELIABILITY", 4},
    {"IPTOS_THROUGHPUT", 8},
    {"IPTOS_LOWDELAY", 16},
    {"TCP_ESTABLISHED", 1},
    {"TCP_SYN_SENT", 2},
    {"TCP_SYN_RECV", 3},
    {"TCP_FIN_WAIT1", 4},
    {"TCP_FIN_WAIT2", 5},
    {"TCP_TIME_WAIT", 6},
    {"TCP_CLOSE", 7},
    {"TCP_CLOSE_WAIT", 8},
    {"TCP_LAST_ACK", 9},
    {"TCP_LISTEN", 10},
    {"TCP_CLOSING", 11},
    {"TCPS_CLOSED", 0},
    {"TCPS_LISTEN", 1},
    {"TCPS_SYN_SENT", 2},
    {"TCPS_SYN_RECEIVED", 3},
    {"TCPS_ESTABLISHED", 4},
    {"TCPS_CLOSE_WAIT", 5},
    {"TCPS_FIN_WAIT_1", 6},
    {"TCPS_CLOSING", 7},
    {"TCPS_LAST_ACK", 8},
    {"TCPS_FIN_WAIT_2", 9},
    {"TCPS_TIME_WAIT", 10},
    {"TCP_CA_Open", 0},
    {"TCP_CA_Disorder", 1},
    {"TCP_CA_CWR", 2},
    {"TCP_CA_Recovery", 3},
    {"TCP_CA_Loss", 4},
    {"TCPI_OPT_TIMESTAMPS", 1},
    {"TCPI_OPT_SACK", 2},
    {"TCPI_OPT_WSCALE", 4},
    {"TCPI_OPT_ECN", 8},
    {"TCPI_OPT_ECN_SEEN", 16},
    {"TCPI_OPT_SYN_DATA", 32},
    {"TCP_INFINITE_SSTHRESH", 0x7FFFFFFF},
    {"NULL", 0},
};

/* The first of two names is the one to print. */
static const struct name errors[] = {
    {"EPERM", 1},
    {"ENOENT", PKT_ENOENT},
    {"EINTR", 4},
    {"EIO", 5},
    {"EBADF", PKT_EBADF},
    {"EAGAIN", PKT_EAGAIN},
    {"EWOULDBLOCK", PKT_EAGAIN},
    {"ENOMEM", 12},
    {"EACCES", 13},
    {"EFAULT", PKT_EFAULT},
    {"EBUSY", 16},
    {"EEXIST", PKT_EEXIST},
    {"ENODEV", 19},
    {"EINVAL", PKT_EINVAL},
    {"EMFILE", 24},
    {"ENOTTY", 25},
    {"EPIPE", PKT_EPIPE},
    {"EDOM", PKT_EDOM},
    {"EPROTO", 71},
    {"EOVERFLOW", 75},
    {"ENOTSOCK", 88},
    {"EDESTADDRREQ", PKT_EDESTADDRREQ},
    {"EMSGSIZE", 90},
    {"ENOPROTOOPT", PKT_ENOPROTOOPT},
    {"EPROTONOSUPPORT", 93},
    {"EOPNOTSUPP", PKT_EOPNOTSUPP},
    {"ENOTSUP", PKT_EOPNOTSUPP},
    {"EAFNOSUPPORT", 97},
    {"EADDRINUSE", PKT_EADDRINUSE},
    {"EADDRNOTAVAIL", PKT_EADDRNOTAVAIL},
    {"ENETDOWN", 100},
    {"ENETUNREACH", PKT_ENETUNREACH},
    {"ECONNABORTED", PKT_ECONNABORTED},
    {"ECONNRESET", PKT_ECONNRESET},
    {"ENOBUFS", 105},
    {"EISCONN", PKT_EISCONN},
    {"ENOTCONN", PKT_ENOTCONN},
    {"ETIMEDOUT", PKT_ETIMEDOUT},
    {"ECONNREFUSED", PKT_ECONNREFUSED},
    {"EHOSTDOWN", PKT_EHOSTDOWN},
    {"EHOSTUNREACH", PKT_EHOSTUNREACH},
    {"EALREADY", PKT_EALREADY},
    {"EINPROGRESS", PKT_EINPROGRESS},
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

int pkt_errno(const char *name)
{
    size_t i;
    for (i = 0; i < COUNT(errors); i++)
        if (strcmp(errors[i].s, name) == 0)
            return (int)errors[i].v;
    return 0;
}

const char *pkt_errno_name(pkt_arena *a, int number)
{
    size_t i;
    for (i = 0; i < COUNT(errors); i++)
        if (errors[i].v == number)
            return errors[i].s;
    return pkt_printf(a, "error %d", number);
}

int pkt_const(const char *name, int64_t *v)
{
    size_t i;
    for (i = 0; i < COUNT(constants); i++)
        if (strcmp(constants[i].s, name) == 0) {
            *v = constants[i].v;
            return 1;
        }
    *v = pkt_errno(name);
    return *v != 0;
}

/* 1: *v. 0: an unknown name, *who. -1: no integer at all. */
static int value(const struct pkt_expr *e, int64_t *v, const char **who)
{
    int64_t a, b;
    int r;
    if (e == NULL)
        return -1;
    switch (e->kind) {
    case PKT_INT:
        *v = e->i;
        return 1;
    case PKT_NAME:
        *who = e->s;
        return pkt_const(e->s, v);
    case PKT_UNARY:
        r = value(e->a, &a, who);
        if (r != 1)
            return r;
        *v = e->s[0] == '~' ? ~a : e->s[0] == '-' ? -a : a;
        return strchr("~-+", e->s[0]) != NULL ? 1 : -1;
    case PKT_BINARY:
        r = value(e->a, &a, who);
        if (r != 1)
            return r;
        r = value(e->b, &b, who);
        if (r != 1)
            return r;
        switch (e->s[0]) {
        case '|':
            *v = a | b;
            return 1;
        case '&':
            *v = a & b;
            return 1;
        case '+':
            *v = a + b;
            return 1;
        case '-':
            *v = a - b;
            return 1;
        case '*':
            *v = a * b;
            return 1;
        case '<':
            *v = b >= 0 && b < 63 ? (int64_t)((uint64_t)a << b) : 0;
            return 1;
        default:
            return -1;
        }
    case PKT_CALL: /* byte order is not the script's concern */
        if (e->kids != NULL &&
            (strcmp(e->s, "htons") == 0 || strcmp(e->s, "htonl") == 0 ||
             strcmp(e->s, "ntohs") == 0 || strcmp(e->s, "ntohl") == 0))
            return value(e->kids, v, who);
        *who = e->s;
        return 0;
    default:
        return -1;
    }
}

int pkt_quiet_value(const struct pkt_expr *e, int64_t *v)
{
    const char *who = NULL;
    return value(e, v, &who) == 1;
}

int pkt_value(struct pkt_run *run, const struct pkt_expr *e, int64_t *v)
{
    const char *who = NULL;
    int r = value(e, v, &who);
    if (r == 0)
        pkt_skip(run, "%s", who);
    if (r < 0)
        pkt_fail(run, "syntax: an integer is wanted here");
    return r == 1;
}

const struct pkt_expr *pkt_only(const struct pkt_expr *e)
{
    while (e != NULL && (e->kind == PKT_LIST || e->kind == PKT_STRUCT ||
                         e->kind == PKT_FIELD)) {
        if (e->kind == PKT_FIELD)
            e = e->a;
        else if (e->kids != NULL && e->kids->next == NULL)
            e = e->kids;
        else
            break;
    }
    return e;
}

const struct pkt_expr *pkt_member(const struct pkt_expr *e, const char *name,
                                  int nth)
{
    const struct pkt_expr *k;
    int n = 0;
    if (e == NULL || (e->kind != PKT_STRUCT && e->kind != PKT_LIST))
        return NULL;
    for (k = e->kids; k != NULL; k = k->next) {
        if (k->kind == PKT_FIELD) {
            if (strcmp(k->s, name) == 0)
                return k->a;
        } else if (n++ == nth) {
            return k;
        }
    }
    return NULL;
}

int pkt_is_any(const struct pkt_expr *e)
{
    return e == NULL || e->kind == PKT_ELLIPSIS;
}
