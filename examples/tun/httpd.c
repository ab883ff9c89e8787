/* tun-httpd - an HTTP/1.1 server on tcpsm_stack and a TUN device - 0BSD

   As root: `build/tun-httpd DIRECTORY`, and beside it
   `curl http://10.9.8.2/` or `curl -g 'http://[fd09:8::2]/bytes/1G'`.
   The loop is in main(); what becomes of a connection, in serve(). A
   connection costs its rings and a struct client: requests are parsed where
   they lie, and bodies go between ring and file without a buffer. */

#define TCPSM_IMPLEMENTATION
#define TCPSM_NAMES
#include "../../tcpsm.h"
#include "loop.h"
#include "http.h"
#include <dirent.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const char about[] =
    "tun-httpd [OPTION...] [DIRECTORY]\n"
    "    HTTP/1.1 on a TUN device:\n"
    "    GET /bytes/N     N bytes of `seq 100000000 999999999`; N may end\n"
    "                     in k, M or G\n"
    "    GET /stats       counters\n"
    "    GET anything     a file in DIRECTORY\n"
    "    PUT, POST /echo  the body comes back while it arrives\n"
    "    PUT, POST        to nowhere; answers how many bytes there were\n"
    "SIGINT or SIGTERM: no new connections; what runs may finish, for five\n"
    "seconds or until the next signal; then statistics.\n"
    "  -P, --port N         (80)\n"
    "  -c, --conns N        connections that there can be (4096)\n"
    "  -n, --clients N      connections to accept at a time (as conns)\n"
    "  -b, --backlog N      connections that wait for that (as conns)\n"
    "  -s, --syn-entries N  half-open connections; when there are more, SYN\n"
    "                       cookies (as conns, at most 1024)\n"
    "      --timewait N     connections in TIME-WAIT (as conns)\n"
    "  -t, --idle SECONDS   to close a connection without progress (60)\n"
    "  -u, --put DIR        PUT makes files there\n"
    "      --max-body BYTES of an upload (no limit)\n"
    "  -l, --log            tells each request on standard error";

#define GRACE 5000000       /* us for requests to finish, once stopped */
#define SEQ_END 9000000000u /* bytes of `seq 100000000 999999999` */
#define LINGER (16u << 20)  /* bytes not wanted that are still taken */

enum phase {
    HEAD,  /* waits for a request, or the rest of it */
    TAKE,  /* its body comes, and goes to a file or nowhere */
    ECHO,  /* its body comes, and goes back */
    GIVE,  /* the answer's body goes */
    LEAVE, /* all is said and our FIN is queued; the client's is to come */
};

struct client {
    tcpsm_conn *conn;
    struct client *older, *newer; /* by their last sign of life */
    tcpsm_time seen;
    uint32_t una; /* SND.UNA when it was last looked at */
    int file;     /* read in GIVE, written in TAKE; or -1 */
    struct http_text text;
    struct http_body body; /* of the request */
    uint64_t at, left;     /* of the answer's body, or the echo's piece */
    uint64_t took;
    uint8_t phase, keep, minor, head_only, chunked;
};

static struct {
    struct loop loop;
    struct client *oldest, *newest;
    uint32_t clients, clients_max, backlog, idle;
    uint16_t port;
    int log, stopping, root, put;
    uint64_t max_body;
    uint64_t requests, refused, timed_out, took, gave;
} d = {.clients_max = UINT32_MAX,
       .idle = 60,
       .port = 80,
       .root = -1,
       .put = -1,
       .max_body = UINT64_MAX};

/* ---- clients, in the order of their last sign of life ----------------- */

static void unlink_client(struct client *k)
{
    *(k->older != NULL ? &k->older->newer : &d.oldest) = k->newer;
    *(k->newer != NULL ? &k->newer->older : &d.newest) = k->older;
}

static void link_client(struct client *k)
{
    k->seen = loop_now();
    k->newer = NULL;
    k->older = d.newest;
    *(k->older != NULL ? &k->older->newer : &d.oldest) = k;
    d.newest = k;
}

/* A download to a slow reader may bring no news for long, and yet move. */
static int moved(struct client *k)
{
    struct tcpsm_info info;
    uint32_t before = k->una;

    tcpsm_status(k->conn, &info);
    k->una = info.snd_una;
    return k->una != before;
}

static void hello(tcpsm_conn *conn)
{
    struct client *k = calloc(1, sizeof *k);

    tun_must(k != NULL, "a client");
    k->conn = conn;
    k->file = -1;
    tcpsm_set_user(conn, k);
    link_client(k);
    moved(k);
    d.clients++;
}

/* Accepts who waits, as far as there is room. */
static void welcome(void)
{
    tcpsm_ret listener;
    tcpsm_conn *c;

    while (d.clients < d.clients_max &&
           (c = tcpsm_stack_accept(d.loop.stack, &listener)) != NULL)
        hello(c);
}

/* Whatever is queued still goes out: the stack sees to that. */
static void goodbye(struct client *k)
{
    tcpsm_stack_release(d.loop.stack, k->conn);
    if (k->file >= 0)
        close(k->file);
    free(k->text.p);
    unlink_client(k);
    free(k);
    d.clients--;
    welcome();
}

/* Who showed no life for too long leaves. Returns when to look again. */
static tcpsm_time expire(void)
{
    tcpsm_time limit = (tcpsm_time)d.idle * 1000000;
    struct client *k;

    while ((k = d.oldest) != NULL && k->seen + limit <= loop_now()) {
        if (moved(k)) {
            unlink_client(k);
            link_client(k);
            continue;
        }
        if (k->phase != HEAD)
            tcpsm_abort(k->conn);
        d.timed_out++;
        goodbye(k);
    }
    return k != NULL ? k->seen + limit : TCPSM_NEVER;
}

/* ---- answers ---------------------------------------------------------- */

static void answer(struct client *k, const char *status, const char *type,
                   uint64_t length, const char *more)
{
    time_t now = time(NULL);
    char date[64];

    strftime(date, sizeof date, "%a, %d %b %Y %T GMT", gmtime(&now));
    http_say(&k->text, "HTTP/1.1 %s\r\nDate: %s\r\nContent-Type: %s\r\n",
             status, date, type);
    if (length == HTTP_NONE)
        http_say(&k->text, "Transfer-Encoding: chunked\r\n");
    else
        http_say(&k->text, "Content-Length: %llu\r\n",
                 (unsigned long long)length);
    if (!k->keep)
        http_say(&k->text, "Connection: close\r\n");
    else if (k->minor == 0)
        http_say(&k->text, "Connection: keep-alive\r\n");
    http_say(&k->text, "%s\r\n", more);
    k->left = 0;
    k->phase = GIVE;
}

/* A whole answer, of text */
static void page(struct client *k, const char *status, const char *type,
                 const char *more, const char *text, size_t n)
{
    answer(k, status, type, n, more);
    if (!k->head_only)
        http_put(&k->text, text, n);
}

/* An error. A body that comes and is not wanted cannot be told from the
   next request, so nothing more is read. */
static void refuse(struct client *k, const char *status, const char *more)
{
    char text[128];

    if (k->body.kind != HTTP_EMPTY)
        k->keep = 0;
    d.refused++;
    page(k, status, "text/plain", more, text,
         (size_t)snprintf(text, sizeof text, "%s\n", status));
}

/* One range of a body of that size (RFC 9110 s14.2). Returns 0: none, all
   of it; 1: from *first to *last; -1: not satisfiable. */
static int range(const struct http *h, uint64_t size, uint64_t *first,
                 uint64_t *last)
{
    const char *p = h->range;

    if (p == NULL || h->if_range || strncmp(p, "bytes=", 6) != 0)
        return 0;
    p = http_digits(p + 6, first);
    if (*p != '-' || *http_digits(p + 1, last) != 0)
        return 0;
    if (*first == HTTP_NONE) { /* the last so many */
        if (*last == HTTP_NONE)
            return 0;
        if (*last == 0 || size == 0)
            return -1;
        *first = *last < size ? size - *last : 0;
        *last = size - 1;
        return 1;
    }
    if (*last < *first)
        return 0;
    if (*last >= size)
        *last = size - 1;
    return *first < size ? 1 : -1;
}

/* A body that GIVE takes from the file, or without one is a sequence. */
static void give(struct client *k, const struct http *h, const char *type,
                 uint64_t size)
{
    uint64_t first = 0, last = 0;
    char more[96];
    int part = range(h, size, &first, &last);

    if (part < 0) {
        snprintf(more, sizeof more, "Content-Range: bytes */%llu\r\n",
                 (unsigned long long)size);
        refuse(k, "416 Range Not Satisfiable", more);
        return;
    }
    k->at = first;
    if (part == 0) {
        answer(k, "200 OK", type, size, "Accept-Ranges: bytes\r\n");
        k->left = size;
    } else {
        snprintf(more, sizeof more, "Content-Range: bytes %llu-%llu/%llu\r\n",
                 (unsigned long long)first, (unsigned long long)last,
                 (unsigned long long)size);
        answer(k, "206 Partial Content", type, last - first + 1, more);
        k->left = last - first + 1;
    }
    if (k->head_only)
        k->left = 0;
}

/* ---- what there is to get --------------------------------------------- */

/* Bytes at..at+n of `seq 100000000 999999999` */
static void sequence(uint8_t *p, uint32_t n, uint64_t at)
{
    uint32_t skip = (uint32_t)(at % 10), k;
    char line[24];
    int i;

    snprintf(line, sizeof line, "%u\n", (unsigned)(100000000 + at / 10));
    for (; n > 0; p += k, n -= k, skip = 0) {
        k = 10 - skip < n ? 10 - skip : n;
        memcpy(p, line + skip, k);
        for (i = 8; line[i] == '9' && i > 0; i--)
            line[i] = '0';
        line[i]++;
    }
}

/* "1G" -> 2^30, in place; HTTP_NONE: not a size of ours */
static uint64_t size_of(char *text)
{
    char *unit = text + strcspn(text, "kKMG");
    int shift = *unit == 0 ? 0 : *unit == 'M' ? 20 : *unit == 'G' ? 30 : 10;
    uint64_t n;

    if (*unit != 0 && unit[1] != 0)
        return HTTP_NONE;
    *unit = 0;
    n = http_number(text);
    return n > SEQ_END >> shift ? HTTP_NONE : n << shift;
}

static void statistics(FILE *f)
{
    unsigned long resident = 0;
    FILE *m = fopen("/proc/self/statm", "r");

    if (m != NULL && fscanf(m, "%*u %lu", &resident) != 1)
        resident = 0;
    if (m != NULL)
        fclose(m);
    loop_line(f, "requests", d.requests);
    loop_line(f, "requests refused", d.refused);
    loop_line(f, "clients", d.clients);
    loop_line(f, "clients timed out", d.timed_out);
    loop_line(f, "body bytes in", d.took);
    loop_line(f, "body bytes out", d.gave);
    loop_line(f, "client bytes", sizeof(struct client));
    loop_line(f, "connection bytes", sizeof(tcpsm_conn));
    loop_line(f, "resident bytes",
              (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE));
    loop_statistics(&d.loop, f);
}

static const char *type_of(const char *path)
{
    static const char *const types[][2] = {
        {".html", "text/html"},        {".txt", "text/plain"},
        {".css", "text/css"},          {".js", "text/javascript"},
        {".json", "application/json"}, {".png", "image/png"},
        {".jpg", "image/jpeg"},        {".svg", "image/svg+xml"},
        {".pdf", "application/pdf"},   {".md", "text/markdown"},
    };
    const char *dot = strrchr(path, '.');
    size_t i;

    for (i = 0; dot != NULL && i < sizeof types / sizeof types[0]; i++)
        if (strcasecmp(dot, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

/* No "..", no symbolic link and no mount leads out of the directory: the
   kernel sees to that. */
static int open_below(int dir, const char *path, int flags)
{
    struct open_how how;

    memset(&how, 0, sizeof how);
    how.flags = (unsigned)(flags | O_CLOEXEC | O_NONBLOCK);
    how.mode = flags & O_CREAT ? 0644 : 0;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    path += strspn(path, "/");
    return (int)syscall(SYS_openat2, dir, *path != 0 ? path : ".", &how,
                        sizeof how);
}

static void list(struct client *k, int fd)
{
    struct dirent **e;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    int i, n = scandirat(fd, ".", &e, NULL, alphasort);

    tun_must(f != NULL && n >= 0, "a directory");
    for (i = 0; i < n; free(e[i++]))
        if (e[i]->d_name[0] != '.')
            fprintf(f, "%s%s\n", e[i]->d_name,
                    e[i]->d_type == DT_DIR ? "/" : "");
    free(e);
    fclose(f);
    close(fd);
    page(k, "200 OK", "text/plain", "", text, size);
    free(text);
}

static void get_file(struct client *k, const struct http *h, char *path)
{
    size_t n = strlen(path);
    char name[HTTP_HEAD + 16];
    struct stat s;
    int fd = d.root < 0 ? -1 : open_below(d.root, path, O_RDONLY);

    if (fd >= 0 && fstat(fd, &s) == 0 && S_ISDIR(s.st_mode)) {
        if (path[n - 1] != '/') {
            close(fd);
            snprintf(name, sizeof name, "Location: %s/\r\n", h->word[1]);
            page(k, "301 Moved Permanently", "text/plain", name, "", 0);
            return;
        }
        k->file = open_below(fd, "index.html", O_RDONLY);
        if (k->file < 0) {
            list(k, fd);
            return;
        }
        close(fd);
        fd = k->file;
        path = name;
        strcpy(name, "index.html");
    }
    k->file = fd;
    if (fd < 0 || fstat(fd, &s) != 0 || !S_ISREG(s.st_mode))
        refuse(k, "404 Not Found", "");
    else
        give(k, h, type_of(path), (uint64_t)s.st_size);
}

static void get(struct client *k, const struct http *h, char *path)
{
    uint64_t size;
    char *text = NULL;
    size_t n = 0;
    FILE *f;

    if (strncmp(path, "/bytes/", 7) == 0) {
        size = size_of(path + 7);
        if (size == HTTP_NONE)
            refuse(k, "404 Not Found", "");
        else
            give(k, h, "text/plain", size);
    } else if (strcmp(path, "/stats") == 0) {
        f = open_memstream(&text, &n);
        tun_must(f != NULL, "memory");
        statistics(f);
        fclose(f);
        page(k, "200 OK", "text/plain", "", text, n);
        free(text);
    } else if (strcmp(path, "/echo") == 0) {
        refuse(k, "405 Method Not Allowed", "Allow: PUT, POST\r\n");
    } else if (strcmp(path, "/") == 0 && d.root < 0) {
        page(k, "200 OK", "text/plain", "", about, sizeof about - 1);
    } else {
        get_file(k, h, path);
    }
}

/* ---- requests --------------------------------------------------------- */

static void take(struct client *k, const struct http *h, const char *path)
{
    int echo = strcmp(path, "/echo") == 0;
    int to_file = !echo && d.put >= 0 && strcmp(h->word[0], "PUT") == 0;

    if (k->body.kind == HTTP_EMPTY) {
        refuse(k, "411 Length Required", "");
        return;
    }
    if (k->body.kind == HTTP_LENGTH && k->body.left > d.max_body) {
        refuse(k, "413 Content Too Large", "");
        return;
    }
    if (to_file) {
        k->file = open_below(d.put, path, O_WRONLY | O_CREAT | O_TRUNC);
        if (k->file < 0) {
            refuse(k, "409 Conflict", "");
            return;
        }
    }
    if (h->expect && h->minor >= 1)
        http_say(&k->text, "HTTP/1.1 100 Continue\r\n\r\n");
    k->took = 0;
    k->phase = TAKE;
    if (echo) {
        k->chunked = k->body.kind == HTTP_CHUNKED;
        answer(k, "200 OK", "application/octet-stream",
               k->chunked ? HTTP_NONE : k->body.left, "");
        k->phase = ECHO;
    }
}

/* "http://host/a%20b?c" -> "/a b", in place; NULL: not a path */
static char *path_of(char *target)
{
    char *from, *to;

    if (strncasecmp(target, "http://", 7) == 0) {
        target = strchr(target + 7, '/');
        if (target == NULL)
            return NULL;
    }
    if (*target != '/')
        return NULL;
    target[strcspn(target, "?#")] = 0;
    for (from = to = target; *from != 0; to++) {
        if (*from != '%') {
            *to = *from++;
            continue;
        }
        if (http_hex(from[1]) < 0 || http_hex(from[2]) < 0)
            return NULL;
        *to = (char)(http_hex(from[1]) << 4 | http_hex(from[2]));
        from += 3;
        if (*to == 0)
            return NULL;
    }
    *to = 0;
    return target;
}

static void log_request(const struct client *k, const char *method,
                        const char *target)
{
    char text[INET6_ADDRSTRLEN];
    tcpsm_tuple t;

    tcpsm_name(k->conn, &t);
    inet_ntop(t.family == 6 ? AF_INET6 : AF_INET, t.remote, text,
              sizeof text);
    fprintf(stderr, "%s %u %s %s\n", text, t.remote_port, method, target);
}

static void request(struct client *k, char *text, uint32_t n)
{
    static char target[HTTP_HEAD + 1];
    struct http h;
    char *path;
    int bad = http_parse(&h, text, n) < 0 || h.minor < 0 || h.status != 0 ||
              (h.minor >= 1 && h.host == NULL);

    d.requests++;
    memset(&k->body, 0, sizeof k->body);
    k->keep = k->head_only = 0;
    if (bad) {
        refuse(k, "400 Bad Request", "");
        return;
    }
    http_body(&k->body, &h);
    k->minor = (uint8_t)h.minor;
    k->keep = h.keep && !h.other_coding && !d.stopping;
    k->head_only = strcmp(h.word[0], "HEAD") == 0;
    if (d.log)
        log_request(k, h.word[0], h.word[1]);
    /* The path is decoded in a copy: a redirect quotes the target. */
    strcpy(target, h.word[1]);
    path = path_of(target);
    if (path == NULL)
        refuse(k, "400 Bad Request", "");
    else if (h.other_coding)
        refuse(k, "501 Not Implemented", "");
    else if (strcmp(h.word[0], "PUT") == 0 || strcmp(h.word[0], "POST") == 0)
        take(k, &h, path);
    else if (!k->head_only && strcmp(h.word[0], "GET") != 0)
        refuse(k, "405 Method Not Allowed",
               "Allow: GET, HEAD, PUT, POST\r\n");
    else if (k->body.kind == HTTP_CHUNKED || k->body.left != 0)
        refuse(k, "400 Bad Request", "");
    else
        get(k, &h, path);
}

/* ---- one step of each phase: > 0 go on, 0 wait for events, < 0 over ---- */

static tcpsm_ret step_head(struct client *k)
{
    static char text[HTTP_HEAD + 1];
    uint32_t limit = d.loop.tun.ring / 2;
    tcpsm_ret n;

    n = http_head(k->conn, text, limit < HTTP_HEAD ? limit : HTTP_HEAD);
    if (n == TCPSM_E_SPACE || n == TCPSM_E_ARG) {
        k->keep = k->head_only = 0;
        refuse(k,
               n == TCPSM_E_ARG ? "400 Bad Request"
                                : "431 Request Header Fields Too Large",
               "");
        return 1;
    }
    if (n > 0) {
        tcpsm_receive_consume(k->conn, (uint32_t)n);
        request(k, text, (uint32_t)n);
    }
    return n;
}

static tcpsm_ret step_take(struct client *k)
{
    char text[32];
    tcpsm_cspan s;
    tcpsm_ret n;
    ssize_t wrote;

    while ((n = http_peek(k->conn, &k->body, &s)) > 0) {
        wrote = k->file < 0 ? (ssize_t)s.n : write(k->file, s.p, s.n);
        if (wrote <= 0) {
            refuse(k, "507 Insufficient Storage", "");
            return 1;
        }
        http_consume(k->conn, &k->body, (uint32_t)wrote);
        k->took += (uint64_t)wrote;
        d.took += (uint64_t)wrote;
        if (k->took > d.max_body) {
            refuse(k, "413 Content Too Large", "");
            return 1;
        }
    }
    if (n == TCPSM_E_NONE) {
        snprintf(text, sizeof text, "%llu\n", (unsigned long long)k->took);
        page(k, k->file < 0 ? "200 OK" : "201 Created", "text/plain", "",
             text, strlen(text));
        return 1;
    }
    if (n == TCPSM_E_ARG || n == TCPSM_E_EOF) {
        k->keep = 0;
        refuse(k, "400 Bad Request", "");
        return 1;
    }
    return n;
}

/* From ring to ring. A chunk goes out when its bytes are here: its size has
   to be known. */
static tcpsm_ret step_echo(struct client *k)
{
    tcpsm_cspan from;
    tcpsm_span to[2];
    tcpsm_ret n = http_peek(k->conn, &k->body, &from);

    if (n == TCPSM_E_NONE) {
        if (k->chunked)
            http_say(&k->text, "0\r\n\r\n");
        k->left = 0;
        k->phase = GIVE;
        return 1;
    }
    if (n <= 0)
        return n;
    if (k->left == 0) {
        k->left = from.n;
        if (k->chunked) {
            http_say(&k->text, "%x\r\n", (unsigned)from.n);
            return 1;
        }
    }
    n = tcpsm_send_reserve(k->conn, to);
    if (n <= 0)
        return n;
    if (to[0].n > from.n)
        to[0].n = from.n;
    if (to[0].n > k->left)
        to[0].n = (uint32_t)k->left;
    memcpy(to[0].p, from.p, to[0].n);
    tcpsm_send_commit(k->conn, to[0].n, 0);
    http_consume(k->conn, &k->body, to[0].n);
    k->left -= to[0].n;
    d.took += to[0].n;
    d.gave += to[0].n;
    if (k->left == 0 && k->chunked)
        http_say(&k->text, "\r\n");
    return 1;
}

static tcpsm_ret step_give(struct client *k)
{
    tcpsm_span s[2];
    tcpsm_ret n = 0;
    ssize_t got;

    while (k->left > 0 && (n = tcpsm_send_reserve(k->conn, s)) > 0) {
        got = s[0].n < k->left ? (ssize_t)s[0].n : (ssize_t)k->left;
        if (k->file < 0)
            sequence(s[0].p, (uint32_t)got, k->at);
        else
            got = pread(k->file, s[0].p, (size_t)got, (off_t)k->at);
        if (got <= 0) { /* the file has shrunk: say so by a reset */
            tcpsm_abort(k->conn);
            return TCPSM_E_NONE;
        }
        tcpsm_send_commit(k->conn, (uint32_t)got, 0);
        k->at += (uint64_t)got;
        k->left -= (uint64_t)got;
        d.gave += (uint64_t)got;
    }
    if (k->left > 0)
        return n;
    if (k->file >= 0)
        close(k->file);
    k->file = -1;
    if (k->keep && !d.stopping) {
        k->phase = HEAD;
        return 1;
    }
    /* Not tcpsm_close: if the client still sends, that would reset the
       connection, and the reset might outrun our answer. */
    k->left = LINGER;
    k->phase = LEAVE;
    return tcpsm_shutdown(k->conn) < 0 ? TCPSM_E_CLOSED : 1;
}

static tcpsm_ret step_leave(struct client *k)
{
    tcpsm_cspan s[2];
    tcpsm_ret n;

    while ((n = tcpsm_receive_peek(k->conn, s)) > 0) {
        if (k->left < (uint32_t)n)
            return TCPSM_E_NONE;
        k->left -= (uint32_t)n;
        tcpsm_receive_consume(k->conn, (uint32_t)n);
    }
    return n;
}

/* Goes as far with a client as what came, and the room to send, allow. The
   client may have closed its half long ago: that is an end only where more
   would have to come. */
static void serve(struct client *k)
{
    tcpsm_ret n = 1;

    while (n > 0) {
        n = http_flush(k->conn, &k->text);
        if (n > 0)
            return; /* for room: TCPSM_EV_WRITABLE tells */
        if (n == 0)
            n = k->phase == HEAD   ? step_head(k)
                : k->phase == TAKE ? step_take(k)
                : k->phase == ECHO ? step_echo(k)
                : k->phase == GIVE ? step_give(k)
                                   : step_leave(k);
    }
    if (n < 0)
        goodbye(k);
}

/* ---- main ------------------------------------------------------------- */

static void options(int argc, char **argv)
{
    static const struct option list[] = {
        LOOP_LONG,
        {"port", required_argument, NULL, 'P'},
        {"conns", required_argument, NULL, 'c'},
        {"clients", required_argument, NULL, 'n'},
        {"backlog", required_argument, NULL, 'b'},
        {"syn-entries", required_argument, NULL, 's'},
        {"timewait", required_argument, NULL, 'w'},
        {"idle", required_argument, NULL, 't'},
        {"put", required_argument, NULL, 'u'},
        {"max-body", required_argument, NULL, 'x'},
        {"log", no_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    tcpsm_stack_config *cfg = &d.loop.cfg;
    int o;

    loop_defaults(&d.loop);
    cfg->conns = 4096;
    while ((o = getopt_long(argc, argv, LOOP_SHORT "P:c:n:b:s:t:u:l", list,
                            NULL)) != -1)
        switch (o) {
        case 'P':
            d.port = (uint16_t)tun_number(optarg, 1, 65535);
            break;
        case 'c':
            cfg->conns = tun_number(optarg, 1, (1 << 24) - 1);
            break;
        case 'n':
            d.clients_max = tun_number(optarg, 1, UINT32_MAX);
            break;
        case 'b':
            d.backlog = tun_number(optarg, 1, 1 << 24);
            break;
        case 's':
            cfg->syn_entries = tun_number(optarg, 0, (1 << 20) - 1);
            break;
        case 'w':
            cfg->timewait_entries = tun_number(optarg, 1, (1 << 24) - 1);
            break;
        case 't':
            d.idle = tun_number(optarg, 1, 1000000);
            break;
        case 'u':
            d.put = open(optarg, O_PATH | O_DIRECTORY | O_CLOEXEC);
            tun_must(d.put >= 0, optarg);
            break;
        case 'x':
            d.max_body = http_number(optarg);
            if (d.max_body == HTTP_NONE)
                tun_usage(optarg, "not a number");
            break;
        case 'l':
            d.log = 1;
            break;
        default:
            loop_option(&d.loop, o, about);
        }
    if (optind + 1 < argc)
        tun_usage(argv[optind + 1], "one argument too many");
    if (optind < argc) {
        d.root = open(argv[optind], O_PATH | O_DIRECTORY | O_CLOEXEC);
        tun_must(d.root >= 0, argv[optind]);
    }
}

/* The first signal: nobody new, and who asks for nothing leaves. */
static void stop(tcpsm_ret listener)
{
    struct client *k, *newer;

    d.stopping = 1;
    tcpsm_stack_unlisten(d.loop.stack, listener);
    for (k = d.oldest; k != NULL; k = newer) {
        newer = k->newer;
        if (k->phase == HEAD || k->phase == LEAVE)
            goodbye(k);
    }
}

static int running(void)
{
    struct tcpsm_stack_info s;

    tcpsm_stack_status(d.loop.stack, &s);
    return !d.stopping || s.conns > 0;
}

/* The rest is reset: nobody shall wait for what does not come. */
static void end(void)
{
    tcpsm_tuple all = TCPSM_ZERO;
    tcpsm_time until = loop_now() + 100000;

    while (d.oldest != NULL)
        goodbye(d.oldest);
    tcpsm_stack_abort(d.loop.stack, &all);
    while (running() && loop_now() < until && loop_wait(&d.loop, until)) {
        loop_input(&d.loop);
        loop_output(&d.loop);
    }
    statistics(stderr);
    loop_close(&d.loop);
}

int main(int argc, char **argv)
{
    tcpsm_tuple me = TCPSM_ZERO; /* any address, either family */
    tcpsm_time until = TCPSM_NEVER, idle;
    struct client *k;
    tcpsm_conn *c;
    tcpsm_ret l;
    uint32_t ev;

    options(argc, argv);
    loop_open(&d.loop);
    me.local_port = d.port;
    l = tcpsm_stack_listen(d.loop.stack, &me, d.backlog, 0, NULL);
    if (l < 0)
        tun_usage("listen", tcpsm_error_name(l));
    while (running() && loop_now() < until) {
        idle = expire();
        if (!loop_wait(&d.loop, idle < until ? idle : until)) {
            if (d.stopping)
                break;
            stop(l);
            until = loop_now() + GRACE;
        }
        loop_input(&d.loop);
        welcome();
        while ((c = tcpsm_stack_next(d.loop.stack, &ev)) != NULL) {
            k = tcpsm_user(c);
            unlink_client(k);
            link_client(k);
            serve(k);
        }
        loop_output(&d.loop);
    }
    end();
    return 0;
}
