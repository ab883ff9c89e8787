/* idle - holds many HTTP connections that do nothing, and asks each of them
   for a byte when it is told to - 0BSD

   A client of the kernel's TCP. Linux. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define AT_ONCE 100 /* handshakes or questions that wait for an answer */
#define PATIENCE_MS 20000
#define MAX 60000

static const char help[] =
    "idle COUNT PORT ADDRESS...\n"
    "    opens COUNT connections, to each address in turn; prints `idle: N\n"
    "    open`. At SIGUSR1 sends GET /bytes/1 on each, of which none may\n"
    "    have heard anything meanwhile, and prints `idle: N answered`.\n"
    "    SIGUSR2: the same, and asks again at the next signal.\n"
    "Exit status: 0 all answered, 1 not all, 2 wrong usage.\n";

static const char question[] = "GET /bytes/1 HTTP/1.1\r\nHost: idle\r\n\r\n";

static struct {
    int fd;
    char tail[5]; /* the last bytes that came */
} c[MAX];
static int epoll, count, port, addresses;
static char **address;

static int begin(int i)
{
    struct sockaddr_in a4;
    struct sockaddr_in6 a6;
    struct epoll_event e;
    const char *a = address[i % addresses];
    int six = strchr(a, ':') != NULL;
    int s = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    memset(&a4, 0, sizeof a4);
    memset(&a6, 0, sizeof a6);
    a4.sin_family = AF_INET;
    a4.sin_port = htons((uint16_t)port);
    a6.sin6_family = AF_INET6;
    a6.sin6_port = htons((uint16_t)port);
    if (s < 0 ||
        inet_pton(six ? AF_INET6 : AF_INET, a,
                  six ? (void *)&a6.sin6_addr : (void *)&a4.sin_addr) != 1)
        return -1;
    if (connect(s, six ? (void *)&a6 : (void *)&a4,
                six ? sizeof a6 : sizeof a4) < 0 &&
        errno != EINPROGRESS)
        return -1;
    c[i].fd = s;
    e.events = EPOLLOUT;
    e.data.u32 = (uint32_t)i;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, s, &e);
}

static int ask(int i)
{
    struct epoll_event e;
    char byte;

    if (recv(c[i].fd, &byte, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN)
        return -1; /* something came, or it is over */
    memset(c[i].tail, 0, sizeof c[i].tail);
    e.events = EPOLLIN;
    e.data.u32 = (uint32_t)i;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c[i].fd, &e) < 0)
        return -1;
    return send(c[i].fd, question, sizeof question - 1, MSG_NOSIGNAL) ==
                   (ssize_t)sizeof question - 1
               ? 0
               : -1;
}

/* 1: done, 0: not yet, -1: failed */
static int went_on(int i, int asked)
{
    char buf[2048];
    int error = 0;
    socklen_t len = sizeof error;
    ssize_t n, k;

    if (!asked) {
        getsockopt(c[i].fd, SOL_SOCKET, SO_ERROR, &error, &len);
        return error == 0 ? 1 : -1;
    }
    n = recv(c[i].fd, buf, sizeof buf, MSG_DONTWAIT);
    if (n <= 0)
        return n < 0 && errno == EAGAIN ? 0 : -1;
    for (k = 0; k < n; k++) {
        memmove(c[i].tail, c[i].tail + 1, 4);
        c[i].tail[4] = buf[k];
    }
    return memcmp(c[i].tail, "\r\n\r\n1", 5) == 0;
}

/* How many get through all of it. */
static int all(int asked)
{
    struct epoll_event e[AT_ONCE];
    int next = 0, waiting = 0, good = 0, n, k, i;

    while (next < count || waiting > 0) {
        for (; next < count && waiting < AT_ONCE; next++)
            if (asked ? c[next].fd > 0 && ask(next) == 0 : begin(next) == 0)
                waiting++;
            else if (asked)
                fprintf(stderr, "idle: %d did not last\n", next);
            else
                fprintf(stderr, "idle: %d: %s\n", next, strerror(errno));
        n = epoll_wait(epoll, e, AT_ONCE, PATIENCE_MS);
        if (n <= 0) {
            fprintf(stderr, "idle: %d got no answer\n", waiting);
            break;
        }
        for (k = 0; k < n; k++) {
            i = (int)e[k].data.u32;
            switch (went_on(i, asked)) {
            case 0:
                continue;
            case 1:
                good++;
                break;
            default:
                fprintf(stderr, "idle: %d failed\n", i);
            }
            waiting--;
            epoll_ctl(epoll, EPOLL_CTL_DEL, c[i].fd, NULL);
        }
    }
    return good;
}

int main(int argc, char **argv)
{
    struct rlimit files;
    sigset_t set;
    int sig = 0, good;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    count = argc > 1 ? atoi(argv[1]) : 0;
    port = argc > 2 ? atoi(argv[2]) : 0;
    address = argv + 3;
    addresses = argc - 3;
    if (addresses < 1 || count < 1 || count > MAX || port < 1 ||
        port > 65535) {
        fputs("idle: wrong usage; try --help\n", stderr);
        return 2;
    }
    files.rlim_cur = files.rlim_max = (rlim_t)count + 64;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        perror("idle: open files");
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    epoll = epoll_create1(0);
    good = all(0);
    printf("idle: %d open\n", good);
    fflush(stdout);
    while (good == count && sig != SIGUSR1) {
        sigwait(&set, &sig);
        good = all(1);
        printf("idle: %d answered\n", good);
        fflush(stdout);
    }
    return good == count ? 0 : 1;
}
