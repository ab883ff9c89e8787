/* setup.h - options, TUN device and addresses of the examples - 0BSD

   System chores, of no interest to a reader of TCP. Linux only. */

#ifndef SETUP_H
#define SETUP_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Not every program uses everything here. */
#define TUN_UNUSED __attribute__((unused))

struct tun {
    const char *name, *ipv4, *ipv6;
    uint32_t ring; /* bytes of each ring */
    uint16_t mtu;
    int headers; /* 1: each packet with a struct virtio_net_hdr */
    int queue;   /* packets that the device holds for us; 0: the usual */
    int fd, signals;
    uint8_t *rx, *tx; /* the rings */
    uint8_t in[65536], out[40 + 65536];
};

static void tun_must(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    if (errno == EPERM || errno == EACCES)
        fprintf(stderr, "this needs root, or CAP_NET_ADMIN\n");
    exit(1);
}

static void tun_usage(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s; try --help\n", why, what);
    exit(2);
}

/* "ADDRESS/PREFIX" for the kernel's end of the link; the rest of the
   prefix is then routed to us. "none" gives none. */
static void tun_address(const char *name, int family, const char *text)
{
    struct in6_ifreq { /* linux/ipv6.h clashes with netinet/in.h */
        struct in6_addr address;
        uint32_t prefix;
        int index;
    } r6;
    struct sockaddr_in *a;
    struct ifreq r;
    char host[64];
    int s, prefix;

    if (strcmp(text, "none") == 0)
        return;
    memset(&r, 0, sizeof r);
    memset(&r6, 0, sizeof r6);
    strcpy(r.ifr_name, name);
    a = (struct sockaddr_in *)(void *)&r.ifr_addr;
    if (sscanf(text, "%63[^/]/%d", host, &prefix) != 2 || prefix < 1 ||
        prefix > (family == AF_INET ? 30 : 126) ||
        inet_pton(family, host,
                  family == AF_INET ? (void *)&a->sin_addr
                                    : (void *)&r6.address) != 1)
        tun_usage(text, "not an ADDRESS/PREFIX");
    s = socket(family, SOCK_DGRAM, 0);
    tun_must(s >= 0, "socket");
    if (family == AF_INET) {
        a->sin_family = AF_INET;
        tun_must(ioctl(s, SIOCSIFADDR, &r) == 0, text);
        a->sin_addr.s_addr = htonl(UINT32_MAX << (32 - prefix));
        tun_must(ioctl(s, SIOCSIFNETMASK, &r) == 0, text);
    } else {
        tun_must(ioctl(s, SIOCGIFINDEX, &r) == 0, text);
        r6.index = r.ifr_ifindex;
        r6.prefix = (uint32_t)prefix;
        tun_must(ioctl(s, SIOCSIFADDR, &r6) == 0, text);
    }
    close(s);
}

static uint32_t tun_number(const char *text, uint32_t min, uint32_t max)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != 0 || n < min || n > max)
        tun_usage(text, "not a number in range");
    return (uint32_t)n;
}

/* ---- options that all programs have ----------------------------------- */

static const char tun_help[] =
    "  -d, --device NAME    the TUN device to make (tcpsm0)\n"
    "  -4, --ipv4 ADDR/LEN  the kernel's end; every other address under\n"
    "                       the prefix is routed here (10.9.8.1/24; or "
    "none)\n"
    "  -6, --ipv6 ADDR/LEN  the same (fd09:8::1/64; or none)\n"
    "  -m, --mtu BYTES      of the device: 68 to 65535; below 1280 there\n"
    "                       is no IPv6 (1500)\n"
    "  -r, --ring BYTES     each ring: 256 to 16777216 (262144)\n"
    "  -h, --help           this text\n"
    "Needs root. SIGINT or SIGTERM ends it, and the device with it.\n"
    "Exit status: 0 done or stopped, 1 failed, 2 wrong usage.\n";

#define TUN_SHORT "hd:4:6:m:r:"
#define TUN_LONG                                                             \
    {"help", no_argument, NULL, 'h'},                                        \
        {"device", required_argument, NULL, 'd'},                            \
        {"ipv4", required_argument, NULL, '4'},                              \
        {"ipv6", required_argument, NULL, '6'},                              \
        {"mtu", required_argument, NULL, 'm'},                               \
    {                                                                        \
        "ring", required_argument, NULL, 'r'                                 \
    }

static void tun_defaults(struct tun *t)
{
    t->name = "tcpsm0";
    t->ipv4 = "10.9.8.1/24";
    t->ipv6 = "fd09:8::1/64";
    t->mtu = 1500;
    t->ring = 1 << 18;
}

/* Acts on what getopt_long returned, if it is one of the above. */
static void tun_option(struct tun *t, int o, const char *about)
{
    if (o == 'h') {
        printf("%s\n%s", about, tun_help);
        exit(0);
    } else if (o == 'd')
        t->name = optarg;
    else if (o == '4')
        t->ipv4 = optarg;
    else if (o == '6')
        t->ipv6 = optarg;
    else if (o == 'm')
        t->mtu = (uint16_t)tun_number(optarg, 68, 65535);
    else if (o == 'r')
        t->ring = tun_number(optarg, 256, 1 << 24);
    else
        exit(2); /* getopt has said why */
    if (t->name[0] == 0 || strlen(t->name) >= IFNAMSIZ)
        tun_usage(t->name, "not a device name");
}

/* ---- the device ------------------------------------------------------- */

/* Brings up the device and its addresses. */
static void tun_open(struct tun *t)
{
    struct ifreq r;
    sigset_t set;
    int s;

    memset(&r, 0, sizeof r);
    strcpy(r.ifr_name, t->name);
    r.ifr_flags =
        (short)(IFF_TUN | IFF_NO_PI | (t->headers ? IFF_VNET_HDR : 0));
    t->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    tun_must(t->fd >= 0, "/dev/net/tun");
    tun_must(ioctl(t->fd, TUNSETIFF, &r) == 0, t->name);
    s = socket(AF_INET, SOCK_DGRAM, 0);
    tun_must(s >= 0, "socket");
    r.ifr_mtu = t->mtu;
    tun_must(ioctl(s, SIOCSIFMTU, &r) == 0, "the MTU");
    r.ifr_qlen = t->queue;
    tun_must(t->queue == 0 || ioctl(s, SIOCSIFTXQLEN, &r) == 0, "the queue");
    tun_must(ioctl(s, SIOCGIFFLAGS, &r) == 0, t->name);
    r.ifr_flags |= IFF_UP;
    tun_must(ioctl(s, SIOCSIFFLAGS, &r) == 0, t->name);
    close(s);
    tun_address(t->name, AF_INET, t->ipv4);
    if (t->mtu >= 1280) /* RFC 8200 s5 */
        tun_address(t->name, AF_INET6, t->ipv6);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    t->signals = signalfd(-1, &set, SFD_CLOEXEC);
    tun_must(t->signals >= 0, "signalfd");
    fprintf(stderr, "%s is up\n", t->name);
}

/* For programs with one connection (tun.h): reads the options above, so
   that argv[optind...] is left, */
static TUN_UNUSED void tun_options(struct tun *t, int argc, char **argv,
                                   const char *about)
{
    static const struct option options[] = {TUN_LONG, {NULL, 0, NULL, 0}};
    int o;

    tun_defaults(t);
    while ((o = getopt_long(argc, argv, TUN_SHORT, options, NULL)) != -1)
        tun_option(t, o, about);
}

/* and makes two rings besides the device. */
static TUN_UNUSED void tun_start(struct tun *t)
{
    t->rx = malloc(t->ring);
    t->tx = malloc(t->ring);
    tun_must(t->rx != NULL && t->tx != NULL, "rings");
    tun_open(t);
}

#endif /* SETUP_H */
