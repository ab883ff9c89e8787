/* http.h - as much of HTTP/1.1 as a server and a client share - 0BSD

   RFC 9112 on top of a connection's rings. Nothing here minds where a ring
   wraps, or how the peer cut what it sent into segments: a head is copied
   out of both spans and looked at again until it is complete, and a body is
   lent in pieces that do not wrap. What waits stays in the receive ring, so
   a connection needs no buffer of its own. Include tcpsm.h first. */

#ifndef HTTP_H
#define HTTP_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HTTP_HEAD 8192    /* a longer head is refused */
#define HTTP_FRAMING 4096 /* so are longer trailers, and chunk extensions */
#define HTTP_NONE UINT64_MAX /* no Content-Length */

/* ---- text to be sent -------------------------------------------------- */

/* What the send ring has no room for yet. Empty nearly always. */
struct http_text {
    char *p;
    uint32_t n, at;
};

/* Sends as much as there is room for. 0: all of it; 1: some is left, and
   TCPSM_EV_WRITABLE will come; or an error. */
static tcpsm_ret http_flush(tcpsm_conn *c, struct http_text *t)
{
    tcpsm_ret n;

    if (t->at == t->n)
        return 0;
    n = tcpsm_send(c, t->p + t->at, t->n - t->at, 0);
    if (n < 0)
        return n;
    t->at += (uint32_t)n;
    if (t->at < t->n)
        return 1;
    free(t->p);
    memset(t, 0, sizeof *t);
    return 0;
}

static void http_put(struct http_text *t, const char *p, size_t n)
{
    char *q = realloc(t->p, t->n + n);

    if (q == NULL)
        abort();
    memcpy(q + t->n, p, n);
    t->p = q;
    t->n += (uint32_t)n;
}

__attribute__((format(printf, 2, 3))) static void
http_say(struct http_text *t, const char *format, ...)
{
    char line[1024 + HTTP_HEAD];
    va_list a;
    int n;

    va_start(a, format);
    n = vsnprintf(line, sizeof line, format, a);
    va_end(a);
    http_put(t, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

/* ---- heads ------------------------------------------------------------ */

/* Copies a complete head, the empty line included, to text and adds a 0.
   Returns its length; 0: not complete yet; E_ARG: it never will be;
   E_SPACE: longer than limit, and text has limit + 1 bytes; or as
   tcpsm_receive_peek. */
static tcpsm_ret http_head(const tcpsm_conn *c, char *text, uint32_t limit)
{
    uint32_t n, k;
    tcpsm_cspan s[2];
    tcpsm_ret have = tcpsm_receive_peek(c, s);
    char *p;

    if (have <= 0)
        return have;
    n = (uint32_t)have < limit ? (uint32_t)have : limit;
    k = s[0].n < n ? s[0].n : n;
    memcpy(text, s[0].p, k);
    if (k < n)
        memcpy(text + k, s[1].p, n - k);
    text[n] = 0;
    for (p = text; (p = memchr(p, '\n', (size_t)(text + n - p))) != NULL;) {
        p++;
        if (*p == '\n' || (*p == '\r' && p[1] == '\n')) {
            p += *p == '\n' ? 1 : 2;
            *p = 0;
            return (tcpsm_ret)(p - text);
        }
    }
    if (n == limit)
        return TCPSM_E_SPACE;
    return (tcpsm_events(c) & TCPSM_EV_EOF) != 0 ? TCPSM_E_ARG : 0;
}

struct http {
    char *word[3];             /* of the first line */
    uint64_t length;           /* Content-Length, or HTTP_NONE */
    const char *host, *range;  /* field values, or NULL */
    int minor;                 /* HTTP/1.minor */
    int status;                /* of a response, else 0 */
    int chunked, other_coding; /* Transfer-Encoding */
    int keep;                  /* the connection may be used again */
    int expect, if_range;      /* 100-continue; there is If-Range */
};

/* Reads decimal digits; *v is HTTP_NONE if there are none, and one less if
   there are too many. Returns where they end. */
static const char *http_digits(const char *p, uint64_t *v)
{
    for (*v = HTTP_NONE; *p >= '0' && *p <= '9'; p++)
        if (*v == HTTP_NONE)
            *v = (uint64_t)(*p - '0');
        else if (*v > (uint64_t)1 << 59)
            *v = HTTP_NONE - 1;
        else
            *v = *v * 10 + (uint64_t)(*p - '0');
    return p;
}

/* A number and nothing else; HTTP_NONE: it is none. */
static uint64_t http_number(const char *p)
{
    uint64_t v;

    return *http_digits(p, &v) == 0 && v < HTTP_NONE - 1 ? v : HTTP_NONE;
}

/* Is that word in the comma-separated list? */
static int http_lists(const char *list, const char *word)
{
    size_t n = strlen(word), k;

    for (;; list += k + (list[k] == ',')) {
        list += strspn(list, " \t,");
        if (*list == 0)
            return 0;
        k = strcspn(list, ",");
        if (strncasecmp(list, word, n) == 0 &&
            strspn(list + n, " \t") == k - n)
            return 1;
    }
}

static int http_field(struct http *h, const char *name, const char *value)
{
    uint64_t n;

    if (strcasecmp(name, "Content-Length") == 0) {
        n = http_number(value);
        if (n == HTTP_NONE || (h->length != HTTP_NONE && h->length != n))
            return -1;
        h->length = n;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        if (strcasecmp(value, "chunked") == 0 && !h->chunked)
            h->chunked = 1;
        else
            h->other_coding = 1;
    } else if (strcasecmp(name, "Connection") == 0) {
        if (http_lists(value, "close"))
            h->keep = 0;
        else if (http_lists(value, "keep-alive"))
            h->keep = 1;
    } else if (strcasecmp(name, "Host") == 0) {
        if (h->host != NULL)
            return -1;
        h->host = value;
    } else if (strcasecmp(name, "Expect") == 0) {
        h->expect = strcasecmp(value, "100-continue") == 0;
    } else if (strcasecmp(name, "Range") == 0) {
        h->range = value;
    } else if (strcasecmp(name, "If-Range") == 0) {
        h->if_range = 1;
    }
    return 0;
}

/* "HTTP/1.1" -> 1; -1: no version of ours */
static int http_version(const char *word)
{
    if (strncmp(word, "HTTP/1.", 7) != 0 || word[7] < '0' || word[7] > '9' ||
        word[8] != 0)
        return -1;
    return word[7] - '0';
}

/* The line at *p, without its end, as a string; moves *p to the next. */
static char *http_line(char **p)
{
    char *line = *p, *end = strchr(line, '\n');

    *p = end + 1;
    if (end > line && end[-1] == '\r')
        end--;
    *end = 0;
    return line;
}

/* No control characters but tabs and ends of lines */
static int http_clean(const char *p, uint32_t n)
{
    for (; n > 0; p++, n--)
        if (((unsigned char)*p < ' ' && *p != '\t' && *p != '\n' &&
             !(*p == '\r' && p[1] == '\n')) ||
            *p == 127)
            return 0;
    return 1;
}

/* Takes a head apart, in place. 0, or -1: malformed (RFC 9112 s2.2, s5). */
static int http_parse(struct http *h, char *text, uint32_t n)
{
    char *line, *colon, *end;
    int i;

    memset(h, 0, sizeof *h);
    h->length = HTTP_NONE;
    if (!http_clean(text, n))
        return -1;
    text += strspn(text, "\r\n"); /* RFC 9112 s2.2 */
    if (*text == 0)
        return -1;
    line = http_line(&text);
    for (i = 0; i < 3; i++) {
        h->word[i] = line;
        end = i < 2 ? strchr(line, ' ') : NULL;
        line = end != NULL ? end + 1 : line + strlen(line);
        if (end != NULL)
            *end = 0;
    }
    h->status = strncmp(h->word[0], "HTTP/", 5) == 0 ? atoi(h->word[1]) : 0;
    h->minor = http_version(h->word[h->status != 0 ? 0 : 2]);
    h->keep = h->minor >= 1;
    while (*(line = http_line(&text)) != 0) {
        colon = strpbrk(line, ": \t"); /* a name has no blanks */
        if (colon == line || colon == NULL || *colon != ':')
            return -1;
        *colon++ = 0;
        colon += strspn(colon, " \t");
        for (end = colon + strlen(colon);
             end > colon && (end[-1] == ' ' || end[-1] == '\t');)
            *--end = 0;
        if (http_field(h, line, colon) < 0)
            return -1;
    }
    return h->chunked && h->length != HTTP_NONE ? -1 : 0;
}

/* ---- bodies ----------------------------------------------------------- */

enum { HTTP_EMPTY, HTTP_LENGTH, HTTP_CHUNKED, HTTP_TO_EOF };
enum { /* where in chunked framing (RFC 9112 s7.1) the next byte is */
       HTTP_SIZE,
       HTTP_EXTENSION,
       HTTP_DATA_END,
       HTTP_TRAILER,
       HTTP_TRAILER_REST
};

struct http_body {
    uint64_t left;    /* bytes of body known to come */
    uint16_t framing; /* bytes that were none, since the last that were */
    uint8_t kind, at, digits, over;
};

static void http_body(struct http_body *b, const struct http *h)
{
    memset(b, 0, sizeof *b);
    b->kind = h->chunked               ? HTTP_CHUNKED
              : h->length != HTTP_NONE ? HTTP_LENGTH
              : h->status != 0         ? HTTP_TO_EOF
                                       : HTTP_EMPTY;
    if (b->kind == HTTP_LENGTH)
        b->left = h->length;
    if (b->kind == HTTP_TO_EOF)
        b->left = UINT64_MAX;
}

static int http_hex(int c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One byte of chunked framing. 0, or -1: malformed. */
static int http_chunk(struct http_body *b, uint8_t c)
{
    if (++b->framing > HTTP_FRAMING)
        return -1;
    switch (b->at) {
    case HTTP_SIZE:
        if (http_hex(c) >= 0) {
            b->left = b->left << 4 | (uint64_t)http_hex(c);
            return ++b->digits > 15 ? -1 : 0;
        }
        if (b->digits == 0 || strchr(";\r\n \t", c) == NULL)
            return -1;
        b->at = HTTP_EXTENSION;
        /* fall through */
    case HTTP_EXTENSION:
        if (c != '\n')
            return 0;
        b->at = b->left != 0 ? HTTP_DATA_END : HTTP_TRAILER;
        b->digits = 0;
        return 0;
    case HTTP_DATA_END:
        if (c == '\n') {
            b->at = HTTP_SIZE;
            b->framing = 0;
        }
        return c == '\n' || c == '\r' ? 0 : -1;
    case HTTP_TRAILER:
        if (c == '\n')
            b->over = 1;
        else if (c != '\r')
            b->at = HTTP_TRAILER_REST;
        return 0;
    default: /* HTTP_TRAILER_REST: a line that we do not want */
        if (c == '\n')
            b->at = HTTP_TRAILER;
        return 0;
    }
}

/* The next bytes of the body, in place and in one piece; returns how many.
   0: none yet; E_NONE: that was all; E_ARG: malformed; else as
   tcpsm_receive_peek. */
static tcpsm_ret http_peek(tcpsm_conn *c, struct http_body *b, tcpsm_cspan *p)
{
    tcpsm_cspan s[2];
    tcpsm_ret n;
    uint8_t byte;

    while (b->kind == HTTP_CHUNKED && !b->over &&
           (b->left == 0 || b->at == HTTP_SIZE || b->at == HTTP_EXTENSION)) {
        n = tcpsm_receive(c, &byte, 1);
        if (n <= 0)
            return n;
        if (http_chunk(b, byte) < 0)
            return TCPSM_E_ARG;
    }
    if (b->left == 0)
        return TCPSM_E_NONE;
    n = tcpsm_receive_peek(c, s);
    if (n == TCPSM_E_EOF && b->kind == HTTP_TO_EOF)
        return TCPSM_E_NONE;
    if (n <= 0)
        return n;
    /* Only span 0: once it is consumed, span 1 is the next span 0. */
    *p = s[0];
    if (p->n > b->left)
        p->n = (uint32_t)b->left;
    return (tcpsm_ret)p->n;
}

static void http_consume(tcpsm_conn *c, struct http_body *b, uint32_t n)
{
    tcpsm_receive_consume(c, n);
    if (b->kind != HTTP_TO_EOF)
        b->left -= n;
}

#endif /* HTTP_H */
