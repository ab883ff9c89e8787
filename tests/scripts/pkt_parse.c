/* pkt_parse.c - text of a packet script -> struct pkt_script. 0BSD.

   The language is free-form: line breaks mean nothing, an event ends where
   the time of the next one begins. What is told apart by context (flags
   like "5." or "-", times like "0...1.5") makes a table of tokens awkward,
   so the grammar's functions read the text themselves:

     script   option* command* event*
     option   --NAME[=VALUE]
     event    time (packet | call | `command` | %{ code }%)
     time     [+]T  [+]T~[+]T  [+]T...[+]T  *
     packet   (< | >) [ip info] flags [A:B(N)] [ack N] [win N] [urg N]
              [<tcp option, ...>]
              < [A:B(N)] icmp type [code] [mtu N] [A:B(N)]
     flags    of FSRP.UEWA, a digit of 0 to 7 for the last three; or -
     ip info  ect0 ect1 ect01 ce noecn, tos N, ttl N
     tcp option   mss N, wscale N, sackOK, sack A:B ..., TS val N ecr N, nop,
              eol, FO [HEX], FOEXP [HEX], ECN e0b N ceb N e1b N (or the other
              way round), md5 [HEX], and ours, for what has no name, or is
              malformed: 0xKIND [0xDATA], raw 0xBYTES
     call     NAME(expr, ...) [= expr [ERRNO] [(remark)]]
     expr     1 0x1F "text" NAME A|B [a, b] {a=b, c} f(a) ...

   The first thing that is wrong (a failure) or unknown (a skip) ends the
   reading, by longjmp. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "pkt.h"

struct parser {
    pkt_arena *arena;
    const char *p;        /* what comes next; ends with a NUL */
    const char *end;      /* that NUL */
    const char *last_end; /* of the last token: blanks do not count */
    int line, last_line, depth;
    struct pkt_verdict *verdict;
    jmp_buf out;
};

int pkt_verdict(struct pkt_verdict *v, int kind, int line, const char *fmt,
                ...)
{
    va_list ap;
    if (v->kind != PKT_OK)
        return v->kind;
    v->kind = kind;
    v->line = line;
    va_start(ap, fmt);
    vsnprintf(v->what, sizeof v->what, fmt, ap);
    va_end(ap);
    return kind;
}

/* ---- errors ------------------------------------------------------------ */

__attribute__((noreturn, format(printf, 2, 3))) static void
wrong(struct parser *P, const char *fmt, ...)
{
    char what[400], near[48];
    size_t n = 0;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    while (n < 30 && P->p[n] && P->p[n] != '\n' && P->p[n] != '\r')
        n++;
    memcpy(near, P->p, n);
    near[n] = 0;
    if (n)
        pkt_verdict(P->verdict, PKT_FAIL, P->line, "syntax: %s, at \"%s\"",
                    what, near);
    else
        pkt_verdict(P->verdict, PKT_FAIL, P->line,
                    "syntax: %s, at the end of the %s", what,
                    P->p[0] ? "line" : "script");
    longjmp(P->out, 1);
}

__attribute__((noreturn, format(printf, 2, 3))) static void
unknown(struct parser *P, const char *fmt, ...)
{
    char what[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    pkt_verdict(P->verdict, PKT_SKIP, P->line, "%s", what);
    longjmp(P->out, 1);
}

/* ---- characters -------------------------------------------------------- */

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int is_word(char c)
{
    return is_alpha(c) || is_digit(c);
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Where the comment at s ends, or s: there is none. */
static const char *comment_end(const char *s)
{
    const char *e;
    if (*s == '#' || (s[0] == '/' && s[1] == '/')) {
        while (*s && *s != '\n')
            s++;
        return s;
    }
    if (s[0] == '/' && s[1] == '*') {
        e = strstr(s + 2, "*/");
        return e ? e + 2 : NULL;
    }
    return s;
}

/* Passes over n characters, and over the blanks and comments after them. */
static void pass(struct parser *P, size_t n)
{
    const char *stop = P->p + n, *e;
    if (n) {
        P->last_end = stop;
        P->last_line = P->line;
    }
    for (;;) {
        while (P->p < stop || (P->p < P->end && strchr(" \t\r\n\f\v", *P->p)))
            P->line += *P->p++ == '\n';
        e = comment_end(P->p);
        if (!e)
            wrong(P, "a comment without its end");
        if (e == P->p)
            return;
        stop = e;
    }
}

static int at(const struct parser *P, const char *s)
{
    return strncmp(P->p, s, strlen(s)) == 0;
}

static int accept(struct parser *P, const char *s)
{
    if (!at(P, s))
        return 0;
    pass(P, strlen(s));
    return 1;
}

static void expect(struct parser *P, const char *s, const char *where)
{
    if (!accept(P, s))
        wrong(P, "expected '%s' %s", s, where);
}

static size_t word_len(const struct parser *P)
{
    size_t n = 0;
    if (is_alpha(P->p[0]))
        while (is_word(P->p[n]))
            n++;
    return n;
}

/* The next word is w. */
static int at_word(const struct parser *P, const char *w)
{
    return word_len(P) == strlen(w) && at(P, w);
}

static int accept_word(struct parser *P, const char *w)
{
    if (!at_word(P, w))
        return 0;
    pass(P, strlen(w));
    return 1;
}

static const char *word(struct parser *P)
{
    size_t n = word_len(P);
    const char *s = pkt_strdup(P->arena, P->p, n);
    pass(P, n);
    return s;
}

/* ---- numbers ----------------------------------------------------------- */

/* A run of decimal digits, or 0x and hexadecimal ones; no blanks passed. */
static uint64_t digits(struct parser *P, const char *what)
{
    const char *s = P->p;
    uint64_t v = 0;
    int base = 10, d;
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
        base = 16;
        s += 2;
    }
    if (hex_digit(*s) < 0 || hex_digit(*s) >= base) {
        if (*s == '$')
            unknown(P, "undefined symbol");
        wrong(P, "expected %s", what);
    }
    for (; (d = hex_digit(*s)) >= 0 && d < base; s++) {
        if (v > (UINT64_MAX - (uint64_t)d) / (uint64_t)base)
            wrong(P, "%s is too large", what);
        v = v * (uint64_t)base + (uint64_t)d;
    }
    P->last_end = P->p = s;
    P->last_line = P->line;
    return v;
}

static uint32_t number(struct parser *P, const char *what, uint32_t max)
{
    const char *s = P->p;
    uint64_t v;
    /* A symbol that a -D would have defined. */
    if (word_len(P) > 1 && P->p[0] >= 'A' && P->p[0] <= 'Z')
        unknown(P, "undefined symbol %.*s", (int)word_len(P), P->p);
    v = digits(P, what);
    if (is_alpha(*P->p))
        wrong(P, "letters in %s", what);
    if (v > max) {
        P->p = s;
        wrong(P, "%s is more than %lu", what, (unsigned long)max);
    }
    pass(P, 0);
    return (uint32_t)v;
}

/* ---- times ------------------------------------------------------------- */

/* Seconds in decimal, as microseconds. Note: the first dot of "0...1" is
   not a decimal point. */
static int64_t seconds(struct parser *P)
{
    const char *s = P->p;
    int64_t us = 0, unit = 100000;
    int any = 0;
    for (; is_digit(*s); s++, any = 1) {
        if (us > 1000000000)
            wrong(P, "a time of more than thirty years");
        us = us * 10 + (*s - '0');
    }
    us *= 1000000;
    if (s[0] == '.' && s[1] != '.') {
        for (s++; is_digit(*s); s++, any = 1, unit /= 10)
            us += unit ? unit * (*s - '0') : (s[-7] == '.' && *s >= '5');
    }
    if (!any)
        wrong(P, "expected a time");
    if (is_alpha(*s))
        wrong(P, "letters in a time");
    pass(P, (size_t)(s - P->p));
    return us;
}

static void parse_time(struct parser *P, struct pkt_time *t)
{
    int rel;
    t->dur = PKT_ANY;
    if (accept(P, "*")) {
        t->kind = PKT_ANYTIME;
        return;
    }
    rel = accept(P, "+");
    if (!is_digit(*P->p) && *P->p != '.')
        wrong(P, rel ? "expected a time after '+'"
                     : "expected the time of an event");
    t->kind = rel ? PKT_AFTER : PKT_AT;
    t->us = t->to = seconds(P);
    if (accept(P, "~")) {
        t->kind = rel ? PKT_AFTER_RANGE : PKT_AT_RANGE;
        if (accept(P, "+") != rel)
            wrong(P, "one end of the range is relative, the other not");
        t->to = seconds(P);
        if (t->to < t->us)
            wrong(P, "the range ends before it begins");
    } else if (accept(P, "...")) {
        if (accept(P, "+") && !rel)
            wrong(P, "one end of the call is relative, the other not");
        t->dur = seconds(P) - t->us;
        if (t->dur < 0)
            wrong(P, "the call returns before it begins");
    }
}

/* ---- expressions ------------------------------------------------------- */

static struct pkt_expr *expression(struct parser *P, int result);

static struct pkt_expr *expr_new(struct parser *P, int kind)
{
    struct pkt_expr *e = pkt_alloc(P->arena, sizeof *e);
    e->kind = kind;
    e->line = P->line;
    return e;
}

/* The character of the escape sequence at *s, which moves on. */
static char escape(struct parser *P, const char **s)
{
    static const char from[] = "abefnrtv", to[] = "\a\b\033\f\n\r\t\v";
    const char *f;
    char c = *(*s)++;
    int v = 0, n;
    if (c == 'x') {
        for (n = 0; n < 2 && hex_digit(**s) >= 0; n++)
            v = v * 16 + hex_digit(*(*s)++);
        if (!n)
            wrong(P, "\\x without hexadecimal digits");
        return (char)v;
    }
    if (c >= '0' && c <= '7') {
        for (v = c - '0', n = 1; n < 3 && **s >= '0' && **s <= '7'; n++)
            v = v * 8 + (*(*s)++ - '0');
        return (char)v;
    }
    f = c ? strchr(from, c) : NULL;
    return f ? to[f - from] : c;
}

static struct pkt_expr *string(struct parser *P)
{
    struct pkt_expr *e = expr_new(P, PKT_STRING);
    const char *s;
    char *out = pkt_alloc(P->arena, strcspn(P->p, "\n") + 1);
    e->s = out;
    for (s = P->p + 1; *s != '"'; e->n++) {
        if (!*s || *s == '\n')
            wrong(P, "a string without its end");
        if (*s == '\\' && s[1] && s[1] != '\n') {
            s++;
            *out++ = escape(P, &s);
        } else {
            *out++ = *s++;
        }
    }
    pass(P, (size_t)(s + 1 - P->p));
    return e;
}

static struct pkt_expr *integer(struct parser *P)
{
    struct pkt_expr *e = expr_new(P, PKT_INT);
    const char *s = P->p;
    e->i = (int64_t)digits(P, "a number");
    if (P->p[0] == '.' && P->p[1] != '.') {
        /* An address without quotes, or a fraction: a word like others. */
        while (is_word(*P->p) || (*P->p == '.' && is_word(P->p[1])))
            P->p++;
        e->kind = PKT_NAME;
        e->s = pkt_strdup(P->arena, s, (size_t)(P->p - s));
    }
    while (*P->p && strchr("uUlL", *P->p))
        P->p++;
    if (is_alpha(*P->p))
        wrong(P, "letters in a number");
    P->last_end = P->p;
    pass(P, 0);
    return e;
}

/* expr, expr, ... up to the closing character, which is passed. */
static struct pkt_expr *arguments(struct parser *P, const char *close,
                                  struct pkt_expr *(*one)(struct parser *))
{
    struct pkt_expr *first = NULL, **end = &first;
    if (accept(P, close))
        return NULL;
    do {
        *end = one(P);
        end = &(*end)->next;
    } while (accept(P, ","));
    if (!accept(P, close))
        wrong(P, "expected ',' or '%s'", close);
    return first;
}

static struct pkt_expr *argument(struct parser *P)
{
    return expression(P, 0);
}

static struct pkt_expr *name(struct parser *P, int result)
{
    struct pkt_expr *e = expr_new(P, PKT_NAME);
    size_t n = word_len(P);
    while (P->p[n] == '.' && is_alpha(P->p[n + 1])) /* a member's member */
        for (n++; is_word(P->p[n]);)
            n++;
    e->s = pkt_strdup(P->arena, P->p, n);
    /* After a result, what stands in parentheses is a remark. */
    if (result && P->p[n] != '(') {
        pass(P, n);
        return e;
    }
    pass(P, n);
    if (accept(P, "(")) {
        e->kind = PKT_CALL;
        e->kids = arguments(P, ")", argument);
    }
    return e;
}

/* a, name=a, name(b, c)=a */
static struct pkt_expr *member(struct parser *P)
{
    struct pkt_expr *e = expression(P, 0);
    if ((e->kind != PKT_NAME && e->kind != PKT_CALL) || at(P, "==") ||
        !accept(P, "="))
        return e;
    e->kind = PKT_FIELD;
    e->a = expression(P, 0);
    return e;
}

static struct pkt_expr *primary(struct parser *P, int result)
{
    struct pkt_expr *e;
    if (is_digit(*P->p))
        return integer(P);
    if (*P->p == '"') {
        e = string(P);
        if (accept(P, "...")) /* "text"...: and more */
            e->i = 1;
        return e;
    }
    if (is_alpha(*P->p))
        return name(P, result);
    if (*P->p == '$')
        unknown(P, "undefined symbol $%.*s",
                (int)strspn(
                    P->p + 1,
                    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
                    "0123456789{}"),
                P->p + 1);
    if (at(P, "...") || (result && *P->p == '?')) {
        e = expr_new(P, PKT_ELLIPSIS);
        pass(P, *P->p == '?' ? 1 : 3);
        return e;
    }
    if (*P->p == '[' || *P->p == '{') {
        int list = *P->p == '[';
        e = expr_new(P, list ? PKT_LIST : PKT_STRUCT);
        pass(P, 1);
        e->kids =
            list ? arguments(P, "]", argument) : arguments(P, "}", member);
        return e;
    }
    if (accept(P, "(")) {
        e = expression(P, 0);
        expect(P, ")", "after an expression in parentheses");
        return e;
    }
    wrong(P, "expected an expression");
}

static struct pkt_expr *unary(struct parser *P, int result)
{
    struct pkt_expr *e;
    char op = *P->p;
    if (!op || !strchr("-~!&", op))
        return primary(P, result);
    e = expr_new(P, PKT_UNARY);
    e->s = pkt_strdup(P->arena, &op, 1);
    pass(P, 1);
    if (P->depth++ > 60)
        wrong(P, "an expression nested too deeply");
    e->a = unary(P, result);
    P->depth--;
    if (op == '-' && e->a->kind == PKT_INT) {
        e->a->i = (int64_t)(0 - (uint64_t)e->a->i);
        e = e->a;
    }
    return e;
}

/* Note: neither + nor * is an operator, because the time of the next event
   begins with them. */
static struct pkt_expr *expression(struct parser *P, int result)
{
    static const char *const ops[] = {"||", "&&", "<<", "|", "&", "^"};
    struct pkt_expr *left, *e;
    size_t i;
    if (P->depth++ > 60)
        wrong(P, "an expression nested too deeply");
    left = unary(P, result);
    for (i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (!at(P, ops[i]))
            continue;
        e = expr_new(P, PKT_BINARY);
        e->s = ops[i];
        pass(P, strlen(ops[i]));
        e->a = left;
        e->b = unary(P, result);
        left = e;
        i = (size_t)-1;
    }
    P->depth--;
    return left;
}

/* ---- system calls ------------------------------------------------------ */

/* (Operation now in progress) */
static void remark(struct parser *P)
{
    const char *s = P->p;
    int depth = 0;
    if (*s != '(')
        return;
    do {
        if (!*s || *s == '\n')
            wrong(P, "a remark without its end");
        depth += (*s == '(') - (*s == ')');
        s++;
    } while (depth);
    pass(P, (size_t)(s - P->p));
}

static struct pkt_syscall *parse_call(struct parser *P)
{
    struct pkt_syscall *c = pkt_alloc(P->arena, sizeof *c);
    c->name = word(P);
    if (*P->p == '<' || *P->p == '>' || *P->p == ':')
        unknown(P, "%s", c->name); /* tun0 > ... */
    if (*P->p != '(')
        wrong(P, "expected '(' after \"%s\"", c->name);
    pass(P, 1);
    c->args = arguments(P, ")", argument);
    if (!accept(P, "="))
        return c;
    c->result = expression(P, 1);
    if (is_alpha(*P->p))
        c->error = word(P);
    remark(P);
    return c;
}

/* ---- TCP options ------------------------------------------------------- */

/* Hexadecimal digits, with 0x or quotes or without, to bytes of o from n
   on. */
static void hex_bytes(struct parser *P, struct pkt_opt *o)
{
    const char *s = P->p;
    int quoted = *s == '"';
    s += quoted;
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
        s += 2;
    while (hex_digit(*s) >= 0) {
        if (hex_digit(s[1]) < 0)
            wrong(P, "an odd number of hexadecimal digits");
        if (o->n == 40)
            wrong(P, "more bytes than TCP options have room for");
        o->bytes[o->n++] = (uint8_t)(hex_digit(s[0]) * 16 + hex_digit(s[1]));
        s += 2;
    }
    if (quoted && *s++ != '"')
        wrong(P, "expected hexadecimal digits and '\"'");
    if (is_word(*s)) {
        if (is_alpha(*P->p))
            unknown(P, "undefined symbol %.*s", (int)word_len(P), P->p);
        wrong(P, "expected hexadecimal digits");
    }
    pass(P, (size_t)(s - P->p));
}

static int at_option_end(const struct parser *P)
{
    return *P->p == ',' || *P->p == '>' || *P->p == 0;
}

/* A number, or * or ... for any. */
static int64_t number_or_any(struct parser *P, const char *what)
{
    if (accept(P, "...") || accept(P, "*"))
        return PKT_ANY;
    if (*P->p == '.' || *P->p == '!')
        unknown(P, "%c as %s", *P->p, what);
    return number(P, what, UINT32_MAX);
}

static void opt_sack(struct parser *P, struct pkt_opt *o)
{
    while (is_digit(*P->p)) {
        if (o->nv == 8)
            wrong(P, "more than four SACK blocks");
        o->v[o->nv++] = number(P, "a SACK block's start", UINT32_MAX);
        expect(P, ":", "in a SACK block");
        o->v[o->nv++] = number(P, "a SACK block's end", UINT32_MAX);
    }
    if (!o->nv && !at_option_end(P))
        wrong(P, "expected SACK blocks, start:end");
}

static void opt_ts(struct parser *P, struct pkt_opt *o)
{
    o->nv = 2;
    if (!accept_word(P, "val"))
        wrong(P, "expected 'val' after TS");
    o->v[0] = number_or_any(P, "TS val");
    if (!accept_word(P, "ecr"))
        wrong(P, "expected 'ecr' after TS val");
    o->v[1] = number_or_any(P, "TS ecr");
}

static void opt_cookie(struct parser *P, struct pkt_opt *o)
{
    /* "=" and blanks are optional before it. A cookie can only be known to
       whom made it, so the usual name for it, undefined, is any. */
    accept(P, "=");
    if (accept(P, "..."))
        o->n = PKT_ANY;
    else if (at(P, "TFO_COOKIE")) {
        pass(P, word_len(P));
        o->n = PKT_ANY;
    } else if (!at_option_end(P))
        hex_bytes(P, o);
}

/* ECN e0b N ceb N e1b N: the first counter tells the order. */
static void opt_accecn(struct parser *P, struct pkt_opt *o)
{
    static const char *const names[] = {"e0b", "ceb", "e1b"};
    static const char *const other[] = {"ee0b", "eceb", "ee1b"};
    int order[3] = {0, 1, 2}, n = 0, i;
    o->nv = 3;
    o->v[0] = o->v[1] = o->v[2] = PKT_ANY;
    while (!at_option_end(P)) {
        for (i = 0; i < 3; i++)
            if (accept_word(P, names[i]) || accept_word(P, other[i]))
                break;
        if (i == 3)
            wrong(P, "expected e0b, ceb or e1b");
        if (n == 0 && i == 2) {
            order[0] = 2;
            order[2] = 0;
        }
        if (n == 3 || order[n] != i)
            wrong(P, "AccECN counters go e0b, ceb, e1b or e1b, ceb, e0b");
        o->v[i] = number(P, names[i], 0xFFFFFF);
        n++;
    }
    o->kind = order[0] == 2 ? 174 : 172;
}

/* 0xKK [0xDATA], or raw 0xKKLLDATA: any option, well formed or not. */
static void opt_bytes(struct parser *P, struct pkt_opt *o, int raw)
{
    if (!raw) {
        o->bytes[0] = (uint8_t)number(P, "a TCP option's kind", 255);
        o->n = o->bytes[0] > 1 ? 2 : 1;
    }
    if (!at_option_end(P))
        hex_bytes(P, o);
    if (raw && !o->n)
        wrong(P, "expected the option's bytes");
    if (!raw && o->n > 1)
        o->bytes[1] = (uint8_t)o->n;
    o->kind = o->bytes[0];
}

static const struct {
    const char *name;
    int what, kind;
} opt_names[] = {
    {"eol", PKT_OPT_EOL, 0},         {"EOL", PKT_OPT_EOL, 0},
    {"nop", PKT_OPT_NOP, 1},         {"NOP", PKT_OPT_NOP, 1},
    {"mss", PKT_OPT_MSS, 2},         {"MSS", PKT_OPT_MSS, 2},
    {"wscale", PKT_OPT_WSCALE, 3},   {"WScale", PKT_OPT_WSCALE, 3},
    {"sackOK", PKT_OPT_SACKOK, 4},   {"sackok", PKT_OPT_SACKOK, 4},
    {"SackOK", PKT_OPT_SACKOK, 4},   {"sack", PKT_OPT_SACK, 5},
    {"Sack", PKT_OPT_SACK, 5},       {"SACK", PKT_OPT_SACK, 5},
    {"TS", PKT_OPT_TS, 8},           {"ts", PKT_OPT_TS, 8},
    {"md5", PKT_OPT_MD5, 19},        {"MD5", PKT_OPT_MD5, 19},
    {"FO", PKT_OPT_FO, 34},          {"fo", PKT_OPT_FO, 34},
    {"FOEXP", PKT_OPT_FOEXP, 254},   {"foexp", PKT_OPT_FOEXP, 254},
    {"ECN", PKT_OPT_ACCECN, 172},    {"AccECN", PKT_OPT_ACCECN, 172},
    {"accecn", PKT_OPT_ACCECN, 172}, {"ACCECN", PKT_OPT_ACCECN, 172},
    {"acc", PKT_OPT_ACCECN, 172},    {"AccEcn", PKT_OPT_ACCECN, 172},
    {"raw", PKT_OPT_BYTES, -1},      {"kind", PKT_OPT_BYTES, 0}};

static struct pkt_opt *tcp_option(struct parser *P)
{
    struct pkt_opt *o = pkt_alloc(P->arena, sizeof *o);
    size_t i, n = word_len(P);
    int raw;
    o->what = PKT_OPT_BYTES;
    if (is_digit(*P->p)) {
        opt_bytes(P, o, 0);
        return o;
    }
    if (at(P, "..."))
        wrong(P, "'...' cannot stand for some of the options");
    if (!n)
        wrong(P, "expected a TCP option");
    for (i = 0; i < sizeof opt_names / sizeof opt_names[0]; i++)
        if (at_word(P, opt_names[i].name))
            break;
    if (i == sizeof opt_names / sizeof opt_names[0])
        unknown(P, "TCP option %.*s", (int)n, P->p);
    o->what = opt_names[i].what;
    raw = opt_names[i].kind < 0;
    o->kind = raw ? 0 : opt_names[i].kind;
    pass(P, n);
    switch (o->what) {
    case PKT_OPT_MSS:
        o->nv = 1;
        o->v[0] = number(P, "an MSS", 65535);
        break;
    case PKT_OPT_WSCALE:
        o->nv = 1;
        o->v[0] = number(P, "a window scale", 255);
        break;
    case PKT_OPT_SACK:
        opt_sack(P, o);
        break;
    case PKT_OPT_TS:
        opt_ts(P, o);
        break;
    case PKT_OPT_MD5:
    case PKT_OPT_FO:
    case PKT_OPT_FOEXP:
        opt_cookie(P, o);
        break;
    case PKT_OPT_ACCECN:
        opt_accecn(P, o);
        break;
    case PKT_OPT_BYTES:
        opt_bytes(P, o, raw);
        break;
    default:
        break;
    }
    return o;
}

static void tcp_options(struct parser *P, struct pkt_packet *k)
{
    struct pkt_opt **end = &k->tcp.opts;
    k->tcp.opts_given = 1;
    if (accept(P, "...")) {
        expect(P, ">", "after '<...'");
        if (k->inbound)
            wrong(P, "<...> is for what we send, not for what we receive");
        k->tcp.opts_given = 2;
        return;
    }
    if (accept(P, ">"))
        return;
    do {
        *end = tcp_option(P);
        end = &(*end)->next;
    } while (accept(P, ","));
    expect(P, ">", "or ',' after a TCP option");
}

/* ---- packets ----------------------------------------------------------- */

/* What of an IP header can be said, in brackets: [ect0, ttl 5]. */
static void ip_info(struct parser *P, struct pkt_packet *k, const char *close)
{
    static const struct {
        const char *name;
        int ecn;
    } ecns[] = {{"noecn", PKT_ECN_NONE},
                {"ect0", PKT_ECN_ECT0},
                {"ect1", PKT_ECN_ECT1},
                {"ect01", PKT_ECN_ECT01},
                {"ce", PKT_ECN_CE}};
    size_t i;
    do {
        for (i = 0; i < sizeof ecns / sizeof ecns[0]; i++)
            if (accept_word(P, ecns[i].name))
                break;
        if (i < sizeof ecns / sizeof ecns[0]) {
            k->ecn = ecns[i].ecn;
            if (k->ecn == PKT_ECN_ECT01 && k->inbound)
                wrong(P, "ect01 is for what we send: say which");
        } else if (accept_word(P, "tos") || accept_word(P, "tclass"))
            k->tos = (int)number(P, "a TOS", 255);
        else if (accept_word(P, "ttl") || accept_word(P, "hlim"))
            k->ttl = (int)number(P, "a TTL", 255);
        else if (word_len(P))
            unknown(P, "[%.*s] of a packet", (int)word_len(P), P->p);
        else if (*P->p == '!')
            unknown(P, "[%.*s] of a packet", (int)strcspn(P->p, "],\n "),
                    P->p);
        else
            wrong(P, "expected ect0, ect1, ect01, ce, noecn, tos or ttl");
    } while (accept(P, ","));
    expect(P, close, "or ',' after what the IP header has");
}

/* a:b(n); 0 if there is none here. */
static int seq_range(struct parser *P, uint32_t *seq, uint32_t *end,
                     uint32_t *len)
{
    const char *s = P->p;
    if (!is_digit(*s))
        return 0;
    /* It could be the time of the next event. */
    while (is_word(*s))
        s++;
    while (*s == ' ' || *s == '\t')
        s++;
    if (*s != ':' && *s != '(')
        return 0;
    *seq = number(P, "a sequence number", UINT32_MAX);
    expect(P, ":", "after the first sequence number");
    *end = number(P, "a sequence number", UINT32_MAX);
    expect(P, "(", "and the length after the sequence numbers");
    *len = number(P, "a length", 65535);
    expect(P, ")", "after the length");
    if (*end - *seq != *len)
        wrong(P, "%lu:%lu is %lu bytes long, not %lu", (unsigned long)*seq,
              (unsigned long)*end, (unsigned long)(*end - *seq),
              (unsigned long)*len);
    return 1;
}

static void tcp_flags(struct parser *P, struct pkt_tcp *t)
{
    static const char letters[] = "FSRP.UEWA";
    const char *s = P->p, *f;
    int none = 0, ace = 0;
    uint32_t bit;
    for (; *s && !strchr(" \t\r\n\f\v<>[(!:", *s); s++) {
        f = strchr(letters, *s);
        if (*s == '-') {
            none = 1;
        } else if (*s >= '0' && *s <= '7') {
            if (ace++)
                wrong(P, "two ACE digits");
            t->flags |= (*s & 1 ? PKT_ECE : 0u) | (*s & 2 ? PKT_CWR : 0u) |
                        (*s & 4 ? PKT_AE : 0u);
        } else if (f) {
            bit = 1u << (f - letters);
            if (t->flags & bit)
                wrong(P,
                      ace && bit >= PKT_ECE
                          ? "the flag %c beside an ACE digit"
                          : "the flag %c twice",
                      *s);
            t->flags |= bit;
        } else {
            wrong(P, "no TCP flag is called '%c'", *s);
        }
    }
    if (s == P->p)
        wrong(P, "expected TCP flags");
    if (none && (t->flags || s - P->p > 1))
        wrong(P, "'-' is: no flags at all");
    pass(P, (size_t)(s - P->p));
    if (*P->p == '!')
        unknown(P, "flags with !");
}

static void parse_tcp(struct parser *P, struct pkt_packet *k)
{
    static const char *const fields[] = {"ack", "win", "urg"};
    struct pkt_tcp *t = &k->tcp;
    int64_t *values[3];
    int i, j;
    tcp_flags(P, t);
    values[0] = &t->ack;
    values[1] = &t->win;
    values[2] = &t->urg;
    if (accept_word(P, "seq"))
        t->abs_seq = 1;
    t->seq_given = seq_range(P, &t->seq, &t->end, &t->len);
    if (t->abs_seq && !t->seq_given)
        wrong(P, "expected start:end(length) after seq");
    for (i = 0; i < 3; i++)
        if (accept_word(P, fields[i]))
            *values[i] = number(P, fields[i], i ? 65535 : UINT32_MAX);
    if (accept(P, "<"))
        tcp_options(P, k);
    for (i = 0; i < 3; i++)
        if (at_word(P, fields[i])) {
            if (*values[i] != PKT_ANY)
                wrong(P, "%s twice", fields[i]);
            for (j = i + 1; j < 3 && *values[j] == PKT_ANY;)
                j++;
            wrong(P, "%s comes before %s", fields[i],
                  j < 3 ? fields[j] : "the options");
        }
    if (t->ack != PKT_ANY && !(t->flags & PKT_ACK))
        wrong(P, "ack without the flag '.'");
    if (t->urg != PKT_ANY && t->urg && !(t->flags & PKT_URG))
        wrong(P, "urg without the flag U");
}

/* ---- ICMP -------------------------------------------------------------- */

static const struct icmp_name {
    const char *name;
    int v6, type, code; /* code PKT_ANY: the name of a type */
} icmp_names[] = {
    /* types */
    {"unreachable", 0, 3, PKT_ANY},
    {"unreachable", 1, 1, PKT_ANY},
    {"source_quench", 0, 4, PKT_ANY},
    {"redirect", 0, 5, PKT_ANY},
    {"time_exceeded", 0, 11, PKT_ANY},
    {"time_exceeded", 1, 3, PKT_ANY},
    {"parameter_problem", 0, 12, PKT_ANY},
    {"parameter_problem", 1, 4, PKT_ANY},
    {"packet_too_big", 1, 2, PKT_ANY},
    /* their codes, RFC 792, 1122, 1812 and 4443 */
    {"net_unreachable", 0, 3, 0},
    {"host_unreachable", 0, 3, 1},
    {"protocol_unreachable", 0, 3, 2},
    {"port_unreachable", 0, 3, 3},
    {"frag_needed", 0, 3, 4},
    {"source_route_failed", 0, 3, 5},
    {"net_unknown", 0, 3, 6},
    {"host_unknown", 0, 3, 7},
    {"source_host_isolated", 0, 3, 8},
    {"net_prohibited", 0, 3, 9},
    {"host_prohibited", 0, 3, 10},
    {"net_unreachable_for_tos", 0, 3, 11},
    {"net_tos", 0, 3, 11},
    {"host_unreachable_for_tos", 0, 3, 12},
    {"host_tos", 0, 3, 12},
    {"packet_filtered", 0, 3, 13},
    {"prohibited", 0, 3, 13},
    {"precedence_violation", 0, 3, 14},
    {"precedence_cutoff", 0, 3, 15},
    {"ttl_exceeded", 0, 11, 0},
    {"exceeded_transit", 0, 11, 0},
    {"exceeded_reassembly", 0, 11, 1},
    {"no_route", 1, 1, 0},
    {"admin_prohibited", 1, 1, 1},
    {"beyond_scope", 1, 1, 2},
    {"address_unreachable", 1, 1, 3},
    {"addr_unreachable", 1, 1, 3},
    {"port_unreachable", 1, 1, 4},
    {"source_policy", 1, 1, 5},
    {"reject_route", 1, 1, 6},
    {"hop_limit_exceeded", 1, 3, 0}};
enum { ICMP_NAMES = sizeof icmp_names / sizeof icmp_names[0] };

/* By name, in this family or, if it has none, in the other. */
static const struct icmp_name *icmp_name(struct parser *P, int v6, int type)
{
    const struct icmp_name *found = NULL;
    size_t i;
    for (i = 0; i < ICMP_NAMES; i++) {
        const struct icmp_name *n = &icmp_names[i];
        if (!at_word(P, n->name) || (n->code == PKT_ANY) != (type < 0) ||
            (type >= 0 && n->v6 == v6 && n->type != type))
            continue;
        if (!found || n->v6 == v6)
            found = n;
    }
    return found;
}

/* [start:end(length)] of the segment that the message is about: stands before
   "icmp" or at the end. */
static int icmp_quoted(struct parser *P, struct pkt_icmp *m)
{
    uint32_t end;
    if (*P->p != '[' || !is_digit(P->p[1 + strspn(P->p + 1, " ")]))
        return 0;
    pass(P, 1);
    if (m->quoted || !seq_range(P, &m->seq, &end, &m->len))
        wrong(P, "expected start:end(length) of the quoted segment, once");
    expect(P, "]", "after the quoted segment");
    m->quoted = 1;
    return 1;
}

static void parse_icmp(struct parser *P, struct pkt_packet *k, int v6)
{
    struct pkt_icmp *m = &k->icmp;
    const struct icmp_name *n;
    int by_number;
    k->is_icmp = 1;
    m->mtu = PKT_ANY;
    m->v6 = v6;
    if (!k->inbound)
        unknown(P, "icmp that we send");
    by_number = accept_word(P, "type") || is_digit(*P->p);
    if (by_number)
        m->type = (uint8_t)number(P, "an ICMP type", 255);
    else if ((n = icmp_name(P, v6, -1)) != NULL) {
        m->v6 = n->v6;
        m->type = (uint8_t)n->type;
        pass(P, strlen(n->name));
    } else if (word_len(P))
        unknown(P, "icmp %.*s", (int)word_len(P), P->p);
    else
        wrong(P, "expected an ICMP type");
    if (accept_word(P, "code") || (by_number && is_digit(*P->p)))
        m->code = (uint8_t)number(P, "an ICMP code", 255);
    else if ((n = icmp_name(P, m->v6, m->type)) != NULL) {
        m->v6 = n->v6;
        m->type = (uint8_t)n->type;
        m->code = (uint8_t)n->code;
        pass(P, strlen(n->name));
    } else if (word_len(P) && !at_word(P, "mtu"))
        unknown(P, "icmp %.*s", (int)word_len(P), P->p);
    if (accept_word(P, "mtu"))
        m->mtu = number(P, "an MTU", UINT32_MAX);
    if (!icmp_quoted(P, m) && accept(P, "["))
        unknown(P, "icmp about %.*s", (int)word_len(P), P->p);
    if (m->mtu == PKT_ANY && accept_word(P, "mtu"))
        m->mtu = number(P, "an MTU", UINT32_MAX);
}

/* ---- events ------------------------------------------------------------ */

static struct pkt_packet *parse_packet(struct parser *P, int sock)
{
    static const char *const others[] = {
        "udp", "udplite", "sctp", "gre",   "mpls", "ipv4", "ipv6", "ip",
        "eth", "vxlan",   "dccp", "mptcp", "arp",  "esp",  "tcp"};
    struct pkt_packet *k = pkt_alloc(P->arena, sizeof *k);
    size_t i;
    k->inbound = *P->p == '<';
    k->ecn = k->tos = k->ttl = PKT_ANY;
    k->sock = sock;
    k->tcp.ack = k->tcp.win = k->tcp.urg = PKT_ANY;
    pass(P, 1);
    while (*P->p == '[' || *P->p == '(') {
        const char *close = *P->p == '[' ? "]" : ")";
        if (icmp_quoted(P, &k->icmp))
            continue;
        pass(P, 1);
        if (*close == ')' && is_digit(*P->p))
            unknown(P, "addresses of a packet");
        ip_info(P, k, close);
    }
    for (i = 0; i < sizeof others / sizeof others[0]; i++)
        if (at_word(P, others[i]))
            unknown(P, "%s", others[i]);
    if (at_word(P, "addr") || (word_len(P) && P->p[word_len(P)] == '['))
        unknown(P, "addresses of a packet");
    if (accept_word(P, "icmp") || accept_word(P, "icmpv4"))
        parse_icmp(P, k, 0);
    else if (accept_word(P, "icmpv6"))
        parse_icmp(P, k, 1);
    else if (k->icmp.quoted)
        wrong(P, "expected icmp after the segment that it is about");
    else
        parse_tcp(P, k);
    /* A word on the same line is a field that is not known; on another one,
       an event without its time. */
    if (word_len(P) && P->line == P->last_line && P->p[word_len(P)] != '(')
        unknown(P, "%.*s of a packet", (int)word_len(P), P->p);
    return k;
}

/* What stands between two marks, verbatim; blanks after it are passed. */
static const char *quoted(struct parser *P, const char *open,
                          const char *close, const char *what)
{
    const char *s = P->p + strlen(open), *e = strstr(s, close), *text;
    if (!e)
        wrong(P, "%s without its end %s", what, close);
    text = pkt_strdup(P->arena, s, (size_t)(e - s));
    pass(P, (size_t)(e - P->p) + strlen(close));
    return text;
}

/* What the event says, in one line. */
static const char *one_line(struct parser *P, const char *from,
                            const char *to)
{
    char *text = pkt_alloc(P->arena, (size_t)(to - from) + 1), *o = text;
    const char *e;
    while (from < to) {
        e = *from == '/' ? comment_end(from) : from;
        if (e && e != from && e < to)
            from = e;
        else if (strchr(" \t\r\n\f\v", *from)) {
            if (o > text && o[-1] != ' ')
                *o++ = ' ';
            from++;
        } else
            *o++ = *from++;
    }
    while (o > text && o[-1] == ' ')
        o--;
    *o = 0;
    return text;
}

static void action(struct parser *P, struct pkt_event *e)
{
    int sock = PKT_ANY;
    if (at_word(P, "sock") && P->p[4] == '(') {
        pass(P, 4);
        pass(P, 1);
        sock = (int)number(P, "a descriptor", 65535);
        expect(P, ")", "after a descriptor");
        if (*P->p != '<' && *P->p != '>')
            wrong(P, "expected '<' or '>' after sock()");
    }
    if (*P->p == '<' || *P->p == '>') {
        e->kind = PKT_PACKET;
        e->packet = parse_packet(P, sock);
    } else if (*P->p == '`') {
        e->kind = PKT_COMMAND;
        e->text = quoted(P, "`", "`", "a command");
    } else if (at(P, "%{")) {
        e->kind = PKT_CODE;
        e->text = quoted(P, "%{", "}%", "code");
    } else if (word_len(P)) {
        e->kind = PKT_SYSCALL;
        e->call = parse_call(P);
    } else {
        wrong(P, "expected a packet, a system call, `a command` or "
                 "%%{ code }%%");
    }
}

static struct pkt_event *parse_event(struct parser *P)
{
    struct pkt_event *e = pkt_alloc(P->arena, sizeof *e);
    const char *from;
    e->line = P->line;
    e->time.dur = PKT_ANY;
    if (*P->p != '`') /* an initial command has none */
        parse_time(P, &e->time);
    e->line = P->line;
    from = P->p;
    action(P, e);
    e->source = one_line(P, from, P->last_end);
    if (e->time.dur != PKT_ANY && e->kind != PKT_SYSCALL)
        pkt_verdict(P->verdict, PKT_FAIL, e->line,
                    "syntax: only a system call can last (...)");
    else if (e->kind != PKT_PACKET || e->packet->inbound) {
        if (e->time.kind == PKT_ANYTIME || e->time.kind == PKT_AT_RANGE ||
            e->time.kind == PKT_AFTER_RANGE)
            pkt_verdict(P->verdict, PKT_FAIL, e->line,
                        "syntax: only a packet that we send can have a "
                        "range of times, or *");
    }
    if (P->verdict->kind)
        longjmp(P->out, 1);
    return e;
}

static struct pkt_option *parse_option(struct parser *P)
{
    struct pkt_option *o = pkt_alloc(P->arena, sizeof *o);
    const char *s;
    o->line = P->line;
    P->p += 2;
    if (!word_len(P))
        wrong(P, "expected the name of an option after --");
    o->name = word(P);
    if (!accept(P, "="))
        return o;
    if (*P->p == '"') {
        o->value = string(P)->s;
        return o;
    }
    for (s = P->p; *s && !strchr(" \t\r\n\f\v`", *s);)
        s++;
    if (s == P->p)
        wrong(P, "expected a value of the option --%s", o->name);
    o->value = pkt_strdup(P->arena, P->p, (size_t)(s - P->p));
    pass(P, (size_t)(s - P->p));
    return o;
}

/* ---- definitions ------------------------------------------------------- */

static const char *define_of(const struct pkt_define *d, const char *s,
                             size_t n)
{
    for (; d; d = d->next)
        if (strlen(d->name) == n && memcmp(d->name, s, n) == 0)
            return d->value;
    return NULL;
}

/* Where the string, command, code or comment at s ends, or s. */
static const char *opaque_end(const char *s)
{
    const char *e = s;
    if (*s == '"') {
        for (s++; *s && *s != '"' && *s != '\n'; s++)
            if (*s == '\\' && s[1])
                s++;
        return *s ? s + 1 : s;
    }
    if (*s == '`')
        e = strchr(s + 1, '`');
    else if (s[0] == '%' && s[1] == '{')
        e = strstr(s, "}%");
    else if (*s == '#' || *s == '/')
        e = comment_end(s);
    if (!e)
        return s + strlen(s);
    return e + (*s == '`');
}

/* A copy of the text with the -D's put in, in packets and system calls;
   $NAME and ${NAME} also in commands. */
static const char *substitute(pkt_arena *a, const struct pkt_define *defines,
                              const char *text, size_t len, size_t *out_len)
{
    const char *s = text, *end = text + len, *opaque = text, *v;
    char *out, *o;
    size_t longest = 0, n, name, brace;
    const struct pkt_define *d;
    if (!defines) {
        *out_len = len;
        return text;
    }
    for (d = defines; d; d = d->next)
        if (strlen(d->value) > longest)
            longest = strlen(d->value);
    o = out = pkt_alloc(a, (len + 1) * (longest + 1));
    while (s < end) {
        int dollar = *s == '$';
        if (s >= opaque)
            opaque = opaque_end(s);
        brace = dollar && s[1] == '{';
        name = (size_t)dollar + brace;
        for (n = name; is_word(s[n]);)
            n++;
        v = n > name && (dollar || (s >= opaque && is_alpha(*s)))
                ? define_of(defines, s + name, n - name)
                : NULL;
        if (v) {
            memcpy(o, v, strlen(v));
            o += strlen(v);
            s += n + (brace && s[n] == '}');
        } else if (s >= opaque && n && !dollar) {
            memcpy(o, s, n);
            o += n;
            s += n;
        } else {
            *o++ = *s++;
        }
    }
    *o = 0;
    *out_len = (size_t)(o - out);
    return out;
}

/* ---- the whole --------------------------------------------------------- */

static void parse_all(struct parser *P, struct pkt_script *script)
{
    struct pkt_option **option = &script->options;
    struct pkt_event **event = &script->events;
    int bare;
    if (at(P, "\xEF\xBB\xBF"))
        P->p += 3;
    pass(P, 0);
    while (at(P, "--")) {
        *option = parse_option(P);
        option = &(*option)->next;
    }
    while (*P->p == '`') {
        *event = parse_event(P);
        event = &(*event)->next;
    }
    while (P->p < P->end) {
        if (at(P, "--"))
            wrong(P, "options come before everything else");
        bare = *P->p == '`'; /* it cleans up at the end */
        *event = parse_event(P);
        if (bare)
            (*event)->time.kind = PKT_AFTER;
        event = &(*event)->next;
    }
}

int pkt_parse(pkt_arena *arena, const char *path, const char *text,
              size_t len, const struct pkt_define *defines,
              struct pkt_script *script, struct pkt_verdict *verdict)
{
    struct parser P;
    const char *nul = len ? memchr(text, 0, len) : NULL;
    memset(script, 0, sizeof *script);
    memset(&P, 0, sizeof P);
    script->path = path;
    P.arena = arena;
    P.verdict = verdict;
    P.line = 1;
    if (nul) {
        for (; text < nul; text++)
            P.line += *text == '\n';
        return pkt_verdict(verdict, PKT_FAIL, P.line,
                           "syntax: a zero byte: this is not a text");
    }
    P.p = pkt_strdup(arena, text, len); /* with a NUL after it */
    P.p = substitute(arena, defines, P.p, len, &len);
    P.end = P.p + len;
    P.last_end = P.p;
    if (!setjmp(P.out))
        parse_all(&P, script);
    return verdict->kind;
}
