/* draw - a capture of tun-httpd or tun-get as a sequence diagram - 0BSD

   Reads what loop.h's --pcap writes (not any pcapng: little-endian, one raw
   IP interface, microseconds) and draws one connection of it. In the
   margins are the states that RFC 9293's diagram (figure 5) gives each end
   after what it sent and received: a capture holds no states. */

#define TCPSM_IMPLEMENTATION
#define TCPSM_STATIC /* of all of it we need tcpsm_ip_parse, and names */
#define TCPSM_NAMES
#include "../../tcpsm.h"
#include "../../tests/support/seqdiag.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char about[] =
    "draw FILE [N [TITLE [TEXT]]]\n"
    "    draws the N-th connection (1) that the capture FILE shows the\n"
    "    beginning of; longer stretches of data are left out. Times are\n"
    "    milliseconds.\n"
    "Exit status: 0 drawn, 1 no such connection or file, 2 wrong usage.\n";

#define SEGMENTS 65536
enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

struct segment {
    uint64_t us;
    uint32_t seq, ack, len;
    uint8_t from, flags; /* from 0: who opened the connection */
    uint16_t mss;        /* of the option; 0: none */
    char text[48];       /* the first line, if it is HTTP */
};

static struct {
    struct segment s[SEGMENTS];
    unsigned n;
    char name[2][INET6_ADDRSTRLEN + 8];
    uint8_t address[2][16];
    uint16_t port[2];
    uint8_t family;
    uint32_t isn[2], high[2]; /* the highest SEQ + LEN so far */
    uint32_t fin[2];          /* SEQ after the FIN; 0: none yet */
    int state[2];
} d;

/* ---- reading ---------------------------------------------------------- */

static uint32_t le32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static uint32_t be32(const uint8_t *p)
{
    return ntohl(le32(p));
}

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* Whose segment is it? 0 or 1: from that end; -1: not of our connection */
static int side(const tcpsm_in *in, const uint8_t *t)
{
    unsigned n = in->family == 6 ? 16 : 4;
    int i;

    for (i = 0; i < 2 && in->family == d.family; i++)
        if (be16(t) == d.port[i] && be16(t + 2) == d.port[!i] &&
            memcmp(in->src, d.address[i], n) == 0 &&
            memcmp(in->dst, d.address[!i], n) == 0)
            return i;
    return -1;
}

static void begin(const tcpsm_in *in, const uint8_t *t)
{
    int i, n = in->family == 6 ? 16 : 4;
    char text[INET6_ADDRSTRLEN];

    d.family = in->family;
    for (i = 0; i < 2; i++) {
        memcpy(d.address[i], i == 0 ? in->src : in->dst, (size_t)n);
        d.port[i] = be16(t + 2 * i);
        inet_ntop(n == 16 ? AF_INET6 : AF_INET, d.address[i], text,
                  sizeof text);
        snprintf(d.name[i], sizeof d.name[i], "%s %s",
                 i == 0 ? "client" : text, i == 0 ? text : "server");
    }
    d.isn[0] = be32(t + 4);
}

static void keep(const tcpsm_in *in, const uint8_t *t, uint64_t us)
{
    uint32_t head = (uint32_t)(t[12] >> 4) * 4, i;
    int from = side(in, t);
    struct segment *s = &d.s[d.n];
    const char *p = (const char *)t + head;

    if (from < 0 || d.n == SEGMENTS || head < 20 || head > in->len)
        return;
    d.n++;
    s->us = us;
    s->from = (uint8_t)from;
    s->flags = t[13];
    if (s->flags & SYN)
        d.isn[from] = be32(t + 4);
    s->seq = be32(t + 4) - d.isn[from];
    s->ack = be32(t + 8) - d.isn[!from];
    s->len = in->len - head;
    if (head >= 24 && t[20] == 2)
        s->mss = be16(t + 22);
    if (s->len > 16 &&
        (memcmp(p, "GET ", 4) == 0 || memcmp(p, "PUT ", 4) == 0 ||
         memcmp(p, "HTTP/1.", 7) == 0))
        for (i = 0;
             i + 1 < sizeof s->text && i < s->len && p[i] > 31 && p[i] < 127;
             i++)
            s->text[i] = p[i];
    if (strstr(s->text, " HTTP/") != NULL) /* of a request */
        *strstr(s->text, " HTTP/") = 0;
}

/* Keeps the segments of the n-th connection; up to where the file is cut,
   if it is. */
static int read_capture(FILE *f, unsigned n)
{
    static uint8_t b[1 << 17];
    const uint8_t *t;
    uint32_t len;
    tcpsm_in in;

    while (fread(b, 1, 8, f) == 8) {
        len = le32(b + 4);
        if (len < 12 || len > sizeof b || len % 4 != 0 ||
            fread(b + 8, 1, len - 8, f) != len - 8)
            break;
        memset(&in, 0, sizeof in);
        if (le32(b) != 6 || len < 32 || le32(b + 20) > len - 32 ||
            tcpsm_ip_parse(b + 28, le32(b + 20), &in) != 6 || in.len < 20)
            continue;
        t = in.data;
        if (n > 0 && (t[13] & (SYN | ACK)) == SYN && --n == 0)
            begin(&in, t);
        if (n == 0)
            keep(&in, t, (uint64_t)le32(b + 12) << 32 | le32(b + 16));
    }
    return d.n > 0;
}

/* ---- drawing ---------------------------------------------------------- */

/* RFC 9293 figure 5: what a segment does to whom it comes from, */
static int sent(int state, uint8_t flags)
{
    if (flags & RST)
        return TCPSM_CLOSED;
    if (flags & SYN)
        return flags & ACK ? TCPSM_SYN_RECEIVED : TCPSM_SYN_SENT;
    if (flags & FIN)
        return state == TCPSM_ESTABLISHED  ? TCPSM_FIN_WAIT_1
               : state == TCPSM_CLOSE_WAIT ? TCPSM_LAST_ACK
                                           : state;
    return state;
}

/* and to whom it comes. */
static int received(int state, uint8_t flags, int acks_fin)
{
    if (flags & RST)
        return TCPSM_CLOSED;
    if (state == TCPSM_SYN_SENT && (flags & SYN))
        return TCPSM_ESTABLISHED;
    if (state == TCPSM_SYN_RECEIVED && (flags & ACK))
        state = TCPSM_ESTABLISHED;
    if (acks_fin)
        state = state == TCPSM_FIN_WAIT_1 ? TCPSM_FIN_WAIT_2
                : state == TCPSM_CLOSING  ? TCPSM_TIME_WAIT
                : state == TCPSM_LAST_ACK ? TCPSM_CLOSED
                                          : state;
    if (flags & FIN)
        state = state == TCPSM_ESTABLISHED  ? TCPSM_CLOSE_WAIT
                : state == TCPSM_FIN_WAIT_1 ? TCPSM_CLOSING
                : state == TCPSM_FIN_WAIT_2 ? TCPSM_TIME_WAIT
                                            : state;
    return state;
}

/* Moves both ends on. Returns 1 if the segment was sent before. */
static int follow(const struct segment *s)
{
    int me = s->from, you = !me, again;
    uint32_t end = s->seq + s->len + ((s->flags & (SYN | FIN)) != 0);

    again = end > s->seq && end <= d.high[me];
    if (end > d.high[me])
        d.high[me] = end;
    if (s->flags & FIN)
        d.fin[me] = end;
    d.state[me] = sent(d.state[me], s->flags);
    d.state[you] =
        received(d.state[you], s->flags,
                 (s->flags & ACK) && d.fin[you] != 0 && s->ack >= d.fin[you]);
    return again;
}

static void arrow(seqdiag *diagram, const struct segment *s, int again)
{
    char label[128], flags[16] = "";
    seqdiag_arrow a = {0};
    int n;

    if (s->flags & (SYN | FIN | RST))
        snprintf(flags, sizeof flags, "%s%s%s%s", s->flags & SYN ? "SYN" : "",
                 s->flags & FIN ? "FIN" : "", s->flags & RST ? "RST" : "",
                 s->flags & SYN && s->flags & ACK ? "+ACK" : "");
    if (s->text[0] != 0)
        n = snprintf(label, sizeof label, "%s%s%s", flags,
                     flags[0] != 0 ? " " : "", s->text);
    else if (s->len > 0 || flags[0] != 0)
        n = snprintf(label, sizeof label, "%s%sseq=%u", flags,
                     flags[0] != 0 ? " " : "", s->seq);
    else
        n = snprintf(label, sizeof label, "ACK %u", s->ack);
    if (s->mss != 0)
        n += snprintf(label + n, sizeof label - (size_t)n, " mss=%u", s->mss);
    if (s->len > 0)
        n += snprintf(label + n, sizeof label - (size_t)n, " len=%u", s->len);
    if (flags[0] != 0 && s->flags & ACK)
        n += snprintf(label + n, sizeof label - (size_t)n, " ack=%u", s->ack);
    if (again)
        snprintf(label + n, sizeof label - (size_t)n, " again");
    a.from = s->from;
    a.color = again            ? SEQDIAG_RED
              : s->flags & RST ? SEQDIAG_RED
              : flags[0] != 0  ? SEQDIAG_YELLOW
              : s->len > 0     ? SEQDIAG_CYAN
                               : SEQDIAG_DIM;
    a.at[0] = s->us * 1000; /* what is printed as seconds is then ms */
    a.at[1] = SEQDIAG_NOWHEN;
    a.state[0] = tcpsm_state_name(d.state[0]);
    a.state[1] = tcpsm_state_name(d.state[1]);
    a.label = label;
    seqdiag_draw(diagram, &a);
}

/* Something begins or ends there. */
static int turning_point(unsigned i)
{
    return i < d.n && (i + 1 == d.n || (d.s[i].flags & (SYN | FIN | RST)) ||
                       d.s[i].text[0] != 0);
}

/* A turning point, the two segments before it or the three after it */
static int worth_drawing(unsigned i)
{
    unsigned k;

    for (k = i >= 3 ? i - 3 : 0; k <= i + 2; k++)
        if (turning_point(k))
            return 1;
    return 0;
}

static void draw(seqdiag *diagram)
{
    unsigned i, hidden = 0;
    char text[64];
    int again;

    d.state[0] = TCPSM_CLOSED;
    d.state[1] = TCPSM_LISTEN;
    seqdiag_ends(diagram, d.name[0], d.name[1]);
    for (i = 0; i < d.n; i++) {
        again = follow(&d.s[i]);
        if (!worth_drawing(i)) {
            hidden++;
            continue;
        }
        if (hidden > 0) {
            snprintf(text, sizeof text, "%u segment%s not drawn", hidden,
                     hidden == 1 ? "" : "s");
            seqdiag_gap(diagram, text);
            hidden = 0;
        }
        arrow(diagram, &d.s[i], again);
    }
}

static int utf8(void)
{
    static const char *names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *v;
    size_t i;

    for (i = 0; i < 3; i++)
        if ((v = getenv(names[i])) != NULL && *v != 0)
            return strcasestr(v, "UTF-8") || strcasestr(v, "UTF8");
    return 0;
}

int main(int argc, char **argv)
{
    struct winsize w = {0, 0, 0, 0};
    static seqdiag diagram;
    FILE *f;

    if (argc < 2 || argc > 5 || argv[1][0] == '-') {
        fputs(about,
              argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    f = fopen(argv[1], "rb");
    if (f == NULL) {
        perror(argv[1]);
        return 1;
    }
    if (!read_capture(f, argc > 2 ? (unsigned)atoi(argv[2]) : 1)) {
        fprintf(stderr, "draw: %s: no such connection\n", argv[1]);
        return 1;
    }
    fclose(f);
    if (ioctl(1, TIOCGWINSZ, &w) != 0 || w.ws_col == 0)
        w.ws_col = 80;
    seqdiag_init(&diagram, stdout, utf8(),
                 isatty(1) && getenv("NO_COLOR") == NULL, w.ws_col);
    diagram.zero = d.s[0].us * 1000;
    if (argc > 3)
        seqdiag_scene(&diagram, argv[3], argc > 4 ? argv[4] : "");
    draw(&diagram);
    return 0;
}
