/* pkt_code.c - %{ }% blocks: as much Python as scripts use. 0BSD.

   Statements: assert, assignment, print (ignored), pass. Expressions:
   numbers, names, or/and/not, chained comparisons, in, arithmetic, abs,
   min, max, int, float, round, tuples. Anything else skips the script by its
   name. */

#include "pkt_sock.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct value {
    int real; /* d, else i */
    int64_t i;
    double d;
    int n; /* of a tuple's elements, -1: it is none */
    struct value *item;
};

struct variable {
    const char *name;
    struct value v;
    struct variable *next;
};

struct pkt_code { /* what outlives a block */
    struct variable *vars;
};

struct lookup { /* a tcpi_ field that a statement has used */
    const char *name;
    int64_t v;
};

struct code {
    struct pkt_run *run;
    const char *p;
    int depth;   /* of parentheses: newlines are spaces in them */
    int nesting; /* of calls here: bounded */
    int bad;
    struct pkt_code *keep;
    struct lookup used[16];
    int n_used;
};

static struct value whole(int64_t i)
{
    struct value v = {0, 0, 0, -1, NULL};
    v.i = i;
    return v;
}

static struct value real(double d)
{
    struct value v = {1, 0, 0, -1, NULL};
    v.d = d;
    return v;
}

static double to_real(const struct value *v)
{
    return v->real ? v->d : (double)v->i;
}

static int truth(const struct value *v)
{
    if (v->n >= 0)
        return v->n != 0;
    return v->real ? v->d < 0 || v->d > 0 : v->i != 0;
}

static void skip_it(struct code *c, const char *s, size_t n)
{
    if (!c->bad)
        pkt_skip(c->run, "%%{ %.*s", (int)(n < 60 ? n : 60), s);
    c->bad = 1;
}

static void broken(struct code *c, const char *what)
{
    if (!c->bad)
        pkt_fail(c->run, "syntax: %s in %%{ }%%", what);
    c->bad = 1;
}

/* ---- words ------------------------------------------------------------- */

static void space(struct code *c)
{
    for (;;) {
        if (*c->p == ' ' || *c->p == '\t' || *c->p == '\r' ||
            (*c->p == '\n' && c->depth > 0))
            c->p++;
        else if (c->p[0] == '\\' && c->p[1] == '\n')
            c->p += 2;
        else if (*c->p == '#')
            c->p += strcspn(c->p, "\n");
        else
            return;
    }
}

static size_t word_len(const char *p)
{
    size_t n = 0;
    if (!isalpha((unsigned char)*p) && *p != '_')
        return 0;
    while (isalnum((unsigned char)p[n]) || p[n] == '_')
        n++;
    return n;
}

static int word(struct code *c, const char *w)
{
    size_t n = strlen(w);
    space(c);
    if (word_len(c->p) != n || strncmp(c->p, w, n) != 0)
        return 0;
    c->p += n;
    return 1;
}

/* An operator, if it is not the beginning of a longer one. */
static int op(struct code *c, const char *s)
{
    size_t n = strlen(s);
    space(c);
    if (strncmp(c->p, s, n) != 0)
        return 0;
    if (n == 1 && strchr("<>*/|&=", s[0]) != NULL &&
        (c->p[1] == s[0] || c->p[1] == '='))
        return 0;
    c->p += n;
    return 1;
}

/* ---- names ------------------------------------------------------------- */

static int constant(struct code *c, const char *s, size_t n, int64_t *v)
{
    const char *name = pkt_strdup(&c->run->arena, s, n);
    *v = strcmp(name, "True") == 0;
    return *v || strcmp(name, "False") == 0 || strcmp(name, "None") == 0 ||
           (isupper((unsigned char)*s) && pkt_const(name, v));
}

static struct value field(struct code *c, const char *s, size_t n)
{
    const char *name = pkt_strdup(&c->run->arena, s, n);
    tcpsm_conn *conn = pkt_sock_conn(c->run);
    int64_t v = 0;
    int i;
    if (conn == NULL) {
        if (!c->bad)
            pkt_fail(c->run, "assert: %s: there is no connection", name);
        c->bad = 1;
        return whole(0);
    }
    if (pkt_info_field(c->run, conn, name + 5, &v) < 0) {
        if (!c->bad)
            pkt_skip(c->run, "%s", name);
        c->bad = 1;
        return whole(0);
    }
    for (i = 0; i < c->n_used && strcmp(c->used[i].name, name) != 0; i++)
        ;
    if (i == c->n_used && i < 16) {
        c->used[i].name = name;
        c->used[i].v = v;
        c->n_used++;
    }
    return whole(v);
}

static double floor_of(double d)
{
    double t = (double)(int64_t)d;
    return d < t ? t - 1 : t;
}

/* ---- expressions ------------------------------------------------------- */

static struct value expression(struct code *c);

static struct value tuple(struct code *c, char close)
{
    struct value item[32], v = whole(0);
    int n = 0, comma = 0;
    c->depth++;
    space(c);
    while (!c->bad && *c->p != close) {
        if (n == 32) {
            broken(c, "a long tuple");
            break;
        }
        item[n++] = expression(c);
        space(c);
        if (*c->p == ',') {
            comma = 1;
            c->p++;
            space(c);
        } else if (*c->p != close) {
            broken(c, "a missing parenthesis");
        }
    }
    c->depth--;
    if (!c->bad)
        c->p++;
    if (n == 1 && !comma && close == ')')
        return item[0];
    v.n = n;
    v.item = pkt_alloc(&c->run->arena, sizeof item);
    memcpy(v.item, item, (size_t)n * sizeof *item);
    return v;
}

static struct value call(struct code *c, const char *s, size_t n)
{
    struct value a, *x;
    int i, most;
    a = tuple(c, ')');
    if (a.n < 0) { /* one argument */
        x = pkt_alloc(&c->run->arena, sizeof *x);
        *x = a;
        a.n = 1;
        a.item = x;
    }
    if (c->bad || a.n == 0) {
        skip_it(c, s, n);
        return whole(0);
    }
    x = a.item;
    if (n == 3 && strncmp(s, "abs", 3) == 0)
        return x->real ? real(x->d < 0 ? -x->d : x->d)
                       : whole(x->i < 0 ? -x->i : x->i);
    if (n == 3 && strncmp(s, "int", 3) == 0)
        return whole(x->real ? (int64_t)x->d : x->i);
    if (n == 5 && strncmp(s, "float", 5) == 0)
        return real(to_real(x));
    if (n == 5 && strncmp(s, "round", 5) == 0 && a.n == 1)
        return whole((int64_t)floor_of(to_real(x) + 0.5));
    if (n == 3 && (strncmp(s, "min", 3) == 0 || strncmp(s, "max", 3) == 0)) {
        for (i = most = 0; i < a.n; i++)
            if (s[1] == 'i' ? to_real(&x[i]) < to_real(&x[most])
                            : to_real(&x[i]) > to_real(&x[most]))
                most = i;
        return x[most];
    }
    skip_it(c, s, n);
    return whole(0);
}

static struct value number(struct code *c)
{
    char *end, *point;
    int64_t i;
    if (c->p[0] == '0' && (c->p[1] == 'b' || c->p[1] == 'o')) {
        skip_it(c, c->p, 2);
        return whole(0);
    }
    i = (int64_t)strtoull(c->p, &end, 0);
    if (*end == '.' || ((*end == 'e' || *end == 'E') && c->p[1] != 'x')) {
        double d = strtod(c->p, &point);
        c->p = point;
        return real(d);
    }
    if (end == c->p)
        broken(c, "a number");
    c->p = end;
    if (word_len(c->p) != 0)
        broken(c, "a number");
    return whole(i);
}

static struct value atom(struct code *c)
{
    size_t n;
    const char *s;
    int64_t k;
    struct variable *var;
    space(c);
    if (*c->p == '(' || *c->p == '[') {
        c->p++;
        return tuple(c, c->p[-1] == '(' ? ')' : ']');
    }
    if (isdigit((unsigned char)*c->p) || *c->p == '.')
        return number(c);
    n = word_len(c->p);
    s = c->p;
    if (n == 0) {
        if (*s == '"' || *s == '\'')
            skip_it(c, "a string", 8);
        else
            broken(c, "an operand is missing");
        return whole(0);
    }
    c->p += n;
    space(c);
    if (*c->p == '(') {
        c->p++;
        return call(c, s, n);
    }
    if (*c->p == '.' || *c->p == '[') {
        skip_it(c, s, n);
        return whole(0);
    }
    if (constant(c, s, n, &k))
        return whole(k);
    for (var = c->keep->vars; var != NULL; var = var->next)
        if (strlen(var->name) == n && strncmp(var->name, s, n) == 0)
            return var->v;
    if (n > 5 && strncmp(s, "tcpi_", 5) == 0)
        return field(c, s, n);
    skip_it(c, s, n);
    return whole(0);
}

static struct value unary(struct code *c);

static struct value power(struct code *c, struct value v)
{
    struct value w = unary(c);
    uint64_t p = 1;
    int64_t i;
    if (v.real || w.real || w.i < 0 || w.i > 63) {
        skip_it(c, "**", 2);
        return v;
    }
    for (i = 0; i < w.i; i++)
        p *= (uint64_t)v.i;
    return whole((int64_t)p);
}

static struct value unary(struct code *c)
{
    struct value v;
    if (++c->nesting > 200)
        broken(c, "nesting");
    if (c->bad) {
        c->nesting--;
        return whole(0);
    }
    space(c);
    if (*c->p == '-' || *c->p == '+' || *c->p == '~') {
        char o = *c->p++;
        v = unary(c);
        if (o == '-')
            v = v.real ? real(-v.d) : whole((int64_t)(0 - (uint64_t)v.i));
        else if (o == '~')
            v = whole(~v.i);
    } else {
        v = atom(c);
        if (op(c, "**"))
            v = power(c, v);
    }
    c->nesting--;
    return v;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

static struct value divide(struct code *c, struct value a, struct value b,
                           char how)
{
    if (!truth(&b)) {
        broken(c, "a division by zero");
        return whole(0);
    }
    if (how == '/')
        return real(to_real(&a) / to_real(&b));
    if (a.real || b.real) {
        double q = floor_of(to_real(&a) / to_real(&b));
        return real(how == 'f' ? q : to_real(&a) - q * to_real(&b));
    }
    if (b.i == -1)
        return whole(how == 'f' ? (int64_t)(0 - (uint64_t)a.i) : 0);
    return whole(how == 'f' ? floor_div(a.i, b.i)
                            : a.i - b.i * floor_div(a.i, b.i));
}

static struct value product(struct code *c)
{
    struct value a = unary(c), b;
    while (!c->bad) {
        if (op(c, "//")) {
            b = unary(c);
            a = divide(c, a, b, 'f');
        } else if (op(c, "*")) {
            b = unary(c);
            a = a.real || b.real
                    ? real(to_real(&a) * to_real(&b))
                    : whole((int64_t)((uint64_t)a.i * (uint64_t)b.i));
        } else if (op(c, "/")) {
            b = unary(c);
            a = divide(c, a, b, '/');
        } else if (op(c, "%")) {
            b = unary(c);
            a = divide(c, a, b, '%');
        } else {
            break;
        }
    }
    return a;
}

static struct value sum(struct code *c)
{
    struct value a = product(c), b;
    while (!c->bad) {
        int minus = op(c, "-");
        if (!minus && !op(c, "+"))
            break;
        b = product(c);
        if (a.real || b.real)
            a = real(minus ? to_real(&a) - to_real(&b)
                           : to_real(&a) + to_real(&b));
        else
            a = whole((int64_t)(minus ? (uint64_t)a.i - (uint64_t)b.i
                                      : (uint64_t)a.i + (uint64_t)b.i));
    }
    return a;
}

static struct value shifted(struct code *c)
{
    struct value a = sum(c), b;
    while (!c->bad) {
        int left = op(c, "<<");
        if (!left && !op(c, ">>"))
            break;
        b = sum(c);
        if (b.i < 0 || b.i > 62)
            broken(c, "a shift");
        else
            a = whole(left ? (int64_t)((uint64_t)a.i << b.i) : a.i >> b.i);
    }
    return a;
}

static struct value both(struct code *c)
{
    struct value a = shifted(c), b;
    while (!c->bad && op(c, "&")) {
        b = shifted(c);
        a = whole(a.i & b.i);
    }
    return a;
}

static struct value either(struct code *c)
{
    struct value a = both(c), b;
    while (!c->bad && op(c, "^")) {
        b = both(c);
        a = whole(a.i ^ b.i);
    }
    return a;
}

static struct value bits(struct code *c)
{
    struct value a = either(c), b;
    while (!c->bad && op(c, "|")) {
        b = either(c);
        a = whole(a.i | b.i);
    }
    return a;
}

static int compare(const struct value *a, const struct value *b)
{
    double x, y;
    if (!a->real && !b->real)
        return a->i < b->i ? -1 : a->i > b->i;
    x = to_real(a);
    y = to_real(b);
    return x < y ? -1 : x > y;
}

static int member(const struct value *a, const struct value *b)
{
    int i;
    for (i = 0; i < b->n; i++)
        if (compare(a, &b->item[i]) == 0)
            return 1;
    return 0;
}

static struct value comparison(struct code *c)
{
    static const char *const ops[] = {"==", "!=", "<=", ">=", "<", ">"};
    struct value a = bits(c), b;
    int k, r, ok = 1, any = 0, not ;
    while (!c->bad) {
        const char *at = c->p;
        for (k = 0; k < 6 && !op(c, ops[k]); k++)
            ;
        if (k == 6) {
            not = word(c, "not");
            if (word(c, "in")) {
                b = bits(c);
                ok &= member(&a, &b) != not ;
            } else if (!not &&word(c, "is")) {
                not = word(c, "not");
                b = bits(c);
                ok &= (compare(&a, &b) == 0) != not ;
            } else {
                c->p = at;
                break;
            }
        } else {
            b = bits(c);
            r = compare(&a, &b);
            ok &= k == 0   ? r == 0
                  : k == 1 ? r != 0
                  : k == 2 ? r <= 0
                  : k == 3 ? r >= 0
                  : k == 4 ? r < 0
                           : r > 0;
        }
        any = 1;
        a = b;
    }
    return any ? whole(ok) : a;
}

static struct value negation(struct code *c)
{
    struct value v;
    int n = 0;
    while (word(c, "not"))
        n++;
    v = comparison(c);
    if (n == 0)
        return v;
    return whole(truth(&v) == (n % 2 == 0));
}

static struct value conjunction(struct code *c)
{
    struct value a = negation(c), b;
    while (!c->bad && word(c, "and")) {
        b = negation(c);
        if (truth(&a))
            a = b;
    }
    return a;
}

static struct value expression(struct code *c)
{
    struct value a, b;
    if (++c->nesting > 200)
        broken(c, "nesting");
    a = conjunction(c);
    while (!c->bad && word(c, "or")) {
        b = conjunction(c);
        if (!truth(&a))
            a = b;
    }
    space(c);
    if (!c->bad && (word_len(c->p) == 2 && strncmp(c->p, "if", 2) == 0))
        skip_it(c, "if", 2);
    c->nesting--;
    return a;
}

/* ---- statements -------------------------------------------------------- */

/* To the end of a statement, over strings and brackets. */
static void pass_over(struct code *c)
{
    char quote;
    int depth = 0;
    while (*c->p != 0 && (depth > 0 || (*c->p != '\n' && *c->p != ';'))) {
        if (*c->p == '"' || *c->p == '\'') {
            quote = *c->p++;
            while (*c->p != 0 && *c->p != quote)
                c->p += *c->p == '\\' && c->p[1] != 0 ? 2 : 1;
            if (*c->p == 0)
                return;
        } else if (strchr("([{", *c->p) != NULL) {
            depth++;
        } else if (strchr(")]}", *c->p) != NULL) {
            depth--;
        } else if (*c->p == '\\' && c->p[1] == '\n') {
            c->p++;
        }
        c->p++;
    }
}

/* One line of what stands between two places. */
static const char *source(struct code *c, const char *from, const char *to)
{
    char *s = pkt_strdup(&c->run->arena, from, (size_t)(to - from)), *w = s,
         *r;
    for (r = s; *r != 0; r++) {
        if (isspace((unsigned char)*r)) {
            if (w != s && w[-1] != ' ')
                *w++ = ' ';
        } else {
            *w++ = *r;
        }
    }
    while (w != s && w[-1] == ' ')
        w--;
    *w = 0;
    return s;
}

static void assertion(struct code *c)
{
    const char *from = c->p, *to;
    const char *live = "";
    struct value v;
    int i;
    c->n_used = 0;
    v = expression(c);
    to = c->p;
    space(c);
    if (c->bad)
        return;
    if (*c->p == ',')
        pass_over(c);
    if (truth(&v))
        return;
    for (i = 0; i < c->n_used; i++)
        live = c->n_used == 1 ? pkt_printf(&c->run->arena, ": live %" PRId64,
                                           c->used[i].v)
                              : pkt_printf(&c->run->arena, "%s%s%s %" PRId64,
                                           live, i == 0 ? ": live " : ", ",
                                           c->used[i].name, c->used[i].v);
    pkt_fail(c->run, "assert: %s%s", source(c, from, to), live);
    c->bad = 1;
}

/* NAME = EXPR, NAME += EXPR; 0: it is none. */
static int assignment(struct code *c)
{
    size_t n = word_len(c->p);
    const char *at = c->p, *name = c->p;
    struct variable *var;
    struct value v;
    char how = 0;
    if (n == 0)
        return 0;
    c->p += n;
    space(c);
    if (strchr("+-*", *c->p) != NULL && *c->p != 0 && c->p[1] == '=')
        how = *c->p++;
    if (*c->p != '=' || c->p[1] == '=') {
        c->p = at;
        return 0;
    }
    c->p++;
    for (var = c->keep->vars; var != NULL; var = var->next)
        if (strlen(var->name) == n && strncmp(var->name, name, n) == 0)
            break;
    if (var == NULL) {
        if (how != 0) {
            skip_it(c, name, n);
            return 1;
        }
        v = expression(c);
        var = pkt_alloc(&c->run->arena, sizeof *var);
        var->name = pkt_strdup(&c->run->arena, name, n);
        var->next = c->keep->vars;
        c->keep->vars = var;
    } else {
        v = expression(c);
        if (how == '*')
            v = whole(var->v.i * v.i);
        else if (how != 0)
            v = whole(how == '+' ? var->v.i + v.i : var->v.i - v.i);
    }
    var->v = v;
    return 1;
}

static void statement(struct code *c)
{
    static const char *const others[] = {
        "if",   "for",    "while", "def",    "import", "from", "class", "try",
        "with", "return", "del",   "global", "lambda", "exec", "raise"};
    size_t i, n = word_len(c->p);
    for (i = 0; i < sizeof others / sizeof *others; i++)
        if (strlen(others[i]) == n && strncmp(others[i], c->p, n) == 0) {
            skip_it(c, others[i], n);
            return;
        }
    if (word(c, "assert"))
        assertion(c);
    else if (word(c, "print"))
        pass_over(c);
    else if (!word(c, "pass") && !assignment(c))
        (void)expression(c);
    space(c);
    if (!c->bad && *c->p != 0 && *c->p != '\n' && *c->p != ';')
        skip_it(c, c->p, strcspn(c->p, " \n"));
}

int pkt_info_code(struct pkt_run *run, const char *text)
{
    struct code c;
    memset(&c, 0, sizeof c);
    c.run = run;
    if (run->code == NULL)
        run->code = pkt_alloc(&run->arena, sizeof *run->code);
    c.keep = run->code;
    c.p = text;
    for (;;) {
        while (*c.p == '\n' || *c.p == ';' || *c.p == ' ' || *c.p == '\t' ||
               *c.p == '\r' || *c.p == '#') {
            if (*c.p == '#')
                space(&c);
            else
                c.p++;
        }
        if (*c.p == 0 || c.bad)
            break;
        statement(&c);
    }
    return run->verdict.kind;
}
