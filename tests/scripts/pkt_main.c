/* pkt_main.c - build/pkt: command line, files and counts. 0BSD. */

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "pkt.h"

static const char usage[] =
    "usage: pkt [OPTION ...] FILE|DIRECTORY ...\n"
    "Runs packet scripts, in the language of packetdrill, against tcpsm: in\n"
    "virtual time, in this process, without privileges. Directories are\n"
    "searched for *.pkt, without those named \"wrong\".\n"
    "\n"
    "  --profile NAME    whose habits scripts describe: tcpsm (default),\n"
    "                    linux, freebsd\n"
    "  --strict LIST     what is compared beyond the certain: all, none, or\n"
    "                    win,optorder,opts,psh,sizes,tsval,mss,scale,ecn,\n"
    "                    time,sack,rst,probe,others; -NAME: without it\n"
    "  -D NAME=VALUE     replaces NAME in packets and system calls\n"
    "  --layer=1|2       one connection, or a stack of them (default)\n"
    "  --remote_isn=N    the peer's first sequence number on the wire\n"
    "  -v                shows each event with its time and line, and what\n"
    "                    is sent before the script names it (out)\n"
    "  --list-skips      counts at the end why scripts were skipped\n"
    "  --wrong           runs scripts that must fail, for the reason in\n"
    "                    their line \"// expect: TEXT\"\n"
    "  --dry_run         only reads the scripts\n"
    "  --NAME=VALUE      any option of packetdrill: --tolerance_usecs=N,\n"
    "                    --ip_version=ipv4|ipv6|ipv4-mapped-ipv6, --mtu=N,\n"
    "                    ...; stronger than the same line in a script\n"
    "\n"
    "In the comments before the first line of a script:\n"
    "  // profile: NAME      // strict: LIST      // expect: TEXT\n"
    "  // needs: sack ts full (not run, or counted, by the tiny build)\n"
    "  // needs: stack        (... with --layer=1)\n"
    "\n"
    "Prints a line for each script and \"N passed, N failed, N skipped\".\n"
    "Exit status: 0 nothing failed, 1 something did, 2 wrong usage.\n";

/* Names and counts of constructs, for --list-skips; or names of files. */
struct names {
    struct name {
        char *s;
        int count;
    } * v;
    size_t n, cap;
};

struct main {
    const char *profile, *strict;
    struct pkt_define *defines;
    struct pkt_option *options, **option_end;
    int verbose, list_skips, wrong;
    int count[3]; /* by PKT_OK, PKT_FAIL, PKT_SKIP */
    struct names skips;
    pkt_arena arena; /* what the command line said */
};

__attribute__((noreturn, format(printf, 1, 2))) static void
die(const char *fmt, ...)
{
    va_list ap;
    fputs("pkt: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputs("\nTry pkt --help.\n", stderr);
    exit(2);
}

/* ---- lists of names ---------------------------------------------------- */

static void names_add(struct names *l, const char *s)
{
    char *copy = strdup(s);
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->v = realloc(l->v, l->cap * sizeof l->v[0]);
    }
    if (!l->v || !copy)
        die("out of memory");
    l->v[l->n].s = copy;
    l->v[l->n++].count = 1;
}

static void names_count(struct names *l, const char *s)
{
    size_t i;
    for (i = 0; i < l->n; i++)
        if (!strcmp(l->v[i].s, s)) {
            l->v[i].count++;
            return;
        }
    names_add(l, s);
}

static int by_name(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    return strcmp(x->s, y->s);
}

static int by_count(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    return x->count != y->count ? y->count - x->count : strcmp(x->s, y->s);
}

static void names_sort(struct names *l,
                       int (*order)(const void *, const void *))
{
    if (l->n)
        qsort(l->v, l->n, sizeof l->v[0], order);
}

static void names_free(struct names *l)
{
    size_t i;
    for (i = 0; i < l->n; i++)
        free(l->v[i].s);
    free(l->v);
    memset(l, 0, sizeof *l);
}

/* ---- traces ------------------------------------------------------------ */

/* Time, line of the script, what happens. */
static void trace(int64_t us, int line, const char *what, const char *text)
{
    char number[16] = "";
    if (line)
        snprintf(number, sizeof number, "%d", line);
    printf("%5lld.%06lld %4s  %-5s %s\n", (long long)(us / 1000000),
           (long long)(us % 1000000), number, what, text);
}

void pkt_trace_event(struct pkt_run *r, const struct pkt_event *e)
{
    if (!r->conf.verbose)
        return;
    trace(r->now, e->line,
          e->kind == PKT_PACKET    ? e->packet->inbound ? "in" : "out"
          : e->kind == PKT_SYSCALL ? "call"
          : e->kind == PKT_COMMAND ? "sh"
                                   : "code",
          e->source);
}

void pkt_trace_sent(struct pkt_run *r, const struct pkt_live *l)
{
    if (r->conf.verbose)
        trace(l->at, 0, "sent", pkt_wire_text(r, l));
}

/* ---- what the head of a script says ------------------------------------ */

struct head {
    char profile[32], strict[128], expect[256], needs[64];
};

static void head_field(const char *line, size_t n, const char *name,
                       char *out, size_t cap)
{
    size_t k = strlen(name);
    if (n < k || memcmp(line, name, k) != 0)
        return;
    for (line += k, n -= k; n && (*line == ' ' || *line == '\t'); n--)
        line++;
    while (n && strchr(" \t\r", line[n - 1]))
        n--;
    if (n >= cap)
        n = cap - 1;
    memcpy(out, line, n);
    out[n] = 0;
}

/* The lines of comments that a script begins with. */
static void head_read(struct head *h, const char *text, size_t len)
{
    const char *end = text + len, *eol;
    memset(h, 0, sizeof *h);
    for (; text < end; text = eol + 1) {
        eol = memchr(text, '\n', (size_t)(end - text));
        if (!eol)
            eol = end;
        while (text < eol && strchr(" \t\r", *text))
            text++;
        if (text == eol)
            continue;
        if (*text == '#')
            text++;
        else if (end - text > 1 && text[0] == '/' && text[1] == '/')
            text += 2;
        else
            return;
        while (text < eol && strchr(" \t", *text))
            text++;
        {
            size_t n = (size_t)(eol - text);
            head_field(text, n, "profile:", h->profile, sizeof h->profile);
            h->profile[strcspn(h->profile, " \t,(")] = 0; /* a version */
            head_field(text, n, "strict:", h->strict, sizeof h->strict);
            head_field(text, n, "expect:", h->expect, sizeof h->expect);
            head_field(text, n, "needs:", h->needs, sizeof h->needs);
        }
    }
}

/* Is the word in the list? */
static int listed(const char *list, const char *word)
{
    size_t n = strlen(word), k;
    for (; *list; list += k + (list[k] != 0)) {
        k = strcspn(list, " ,\t");
        if (k == n && !memcmp(list, word, n))
            return 1;
    }
    return 0;
}

/* Does this build, and does the layer, have what the script is about? */
static int has_needs(const struct main *m, const struct head *h)
{
    const struct pkt_option *o;
    int layer = 2, tiny = 0;
    for (o = m->options; o; o = o->next)
        if (!strcmp(o->name, "layer"))
            layer = atoi(o->value);
#ifdef TCPSM_TINY
    tiny = listed(h->needs, "sack") || listed(h->needs, "ts") ||
           listed(h->needs, "full");
#endif
    return !tiny && !(layer == 1 && listed(h->needs, "stack"));
}

/* ---- one script -------------------------------------------------------- */

static char *read_file(pkt_arena *a, const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    char *text;
    long n;
    if (!f)
        return NULL;
    if (fseek(f, 0, SEEK_END) || (n = ftell(f)) < 0 ||
        fseek(f, 0, SEEK_SET)) {
        fclose(f);
        return NULL;
    }
    text = pkt_alloc(a, (size_t)n + 1);
    *len = fread(text, 1, (size_t)n, f);
    fclose(f);
    return *len == (size_t)n ? text : NULL;
}

static int apply_options(struct pkt_run *r, const struct pkt_option *o,
                         int line)
{
    for (; o; o = o->next)
        if (pkt_conf_option(&r->conf, o->name, o->value,
                            line ? o->line : line, &r->verdict))
            return r->verdict.kind;
    return PKT_OK;
}

/* Reads, configures and runs: the profile of the script's own head, then
   its options, then the command line's. */
static int run_script(struct main *m, struct pkt_run *r, const char *path,
                      const struct head *h, const char *text, size_t len)
{
    struct pkt_script script;
    pkt_conf_profile(&r->conf, h->profile[0] ? h->profile
                               : m->profile  ? m->profile
                                             : "tcpsm");
    if (!r->conf.profile)
        return pkt_verdict(&r->verdict, PKT_FAIL, 1,
                           "no profile is called "
                           "\"%s\"",
                           h->profile);
    if (h->strict[0] && pkt_conf_strict(&r->conf, h->strict))
        return pkt_verdict(&r->verdict, PKT_FAIL, 1,
                           "\"%s\" is no list of strict fields", h->strict);
    r->conf.verbose = m->verbose;
    if (pkt_parse(&r->arena, path, text, len, m->defines, &script,
                  &r->verdict))
        return r->verdict.kind;
    r->script = &script;
    if (apply_options(r, script.options, 1) ||
        apply_options(r, m->options, 0) ||
        pkt_conf_done(&r->conf, &r->verdict))
        return r->verdict.kind;
    if (m->strict)
        pkt_conf_strict(&r->conf, m->strict);
    if (r->conf.dry_run)
        return PKT_OK;
    return pkt_run(r);
}

static void report(struct main *m, const struct head *h, const char *path,
                   const struct pkt_verdict *v)
{
    static const char *const words[] = {"ok", "FAIL", "SKIP"};
    char what[sizeof v->what + 32] = "";
    int kind = v->kind;
    if (kind != PKT_OK && v->line)
        snprintf(what, sizeof what, "line %d: %s", v->line, v->what);
    else if (kind != PKT_OK)
        snprintf(what, sizeof what, "%s", v->what);
    if (kind == PKT_SKIP)
        names_count(&m->skips, v->what);
    if (!m->wrong)
        printf("%s %s%s%s\n", words[kind], path, what[0] ? ": " : "", what);
    else if (kind == PKT_FAIL && h->expect[0] && strstr(what, h->expect)) {
        kind = PKT_OK;
        printf("ok %s%s%s\n", path, m->verbose ? ": " : "",
               m->verbose ? what : "");
    } else if (!h->expect[0]) {
        kind = PKT_FAIL;
        printf("FAIL %s: no line \"// expect: TEXT\"\n", path);
    } else {
        const char *did = kind == PKT_OK     ? "it passed"
                          : kind == PKT_SKIP ? "skipped: "
                                             : "";
        kind = PKT_FAIL;
        printf("FAIL %s: expected to fail with \"%s\": %s%s\n", path,
               h->expect, did, what);
    }
    m->count[kind]++;
}

static void one_file(struct main *m, const char *path)
{
    struct pkt_run r;
    struct head h;
    size_t len;
    char *text;
    memset(&r, 0, sizeof r);
    memset(&h, 0, sizeof h);
    text = read_file(&r.arena, path, &len);
    if (!text) {
        pkt_verdict(&r.verdict, PKT_FAIL, 0, "cannot be read: %s",
                    strerror(errno));
        report(m, &h, path, &r.verdict);
        pkt_free_all(&r.arena);
        return;
    }
    head_read(&h, text, len);
    if (!has_needs(m, &h)) {
        if (m->verbose)
            printf("not for this configuration: %s\n", path);
    } else {
        if (m->verbose)
            printf("%s\n", path);
        run_script(m, &r, path, &h, text, len);
        report(m, &h, path, &r.verdict);
    }
    pkt_free_all(&r.arena);
}

/* ---- files and directories --------------------------------------------- */

static int ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

static void search(struct main *m, const char *path, struct names *found)
{
    DIR *d = opendir(path);
    struct dirent *e;
    struct stat st;
    pkt_arena a = {NULL};
    if (!d)
        die("%s: %s", path, strerror(errno));
    while ((e = readdir(d)) != NULL) {
        const char *p;
        if (e->d_name[0] == '.')
            continue;
        p = pkt_printf(&a, "%s%s%s", path, ends_with(path, "/") ? "" : "/",
                       e->d_name);
        if (stat(p, &st))
            continue;
        if (S_ISDIR(st.st_mode)) {
            if (m->wrong || strcmp(e->d_name, "wrong") != 0)
                search(m, p, found);
        } else if (ends_with(p, ".pkt"))
            names_add(found, p);
    }
    closedir(d);
    pkt_free_all(&a);
}

static void one_argument(struct main *m, const char *path)
{
    struct names found = {NULL, 0, 0};
    struct stat st;
    size_t i;
    if (stat(path, &st))
        die("%s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode)) {
        one_file(m, path);
        return;
    }
    search(m, path, &found);
    names_sort(&found, by_name);
    for (i = 0; i < found.n; i++)
        one_file(m, found.v[i].s);
    names_free(&found);
}

/* ---- the command line -------------------------------------------------- */

/* The value of option NAME at argv[*i]: --NAME=VALUE or --NAME VALUE; NULL:
   it is another option. */
static const char *value_of(char **argv, int *i, const char *name)
{
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n) != 0)
        return NULL;
    if (argv[*i][n] == '=')
        return argv[*i] + n + 1;
    if (argv[*i][n])
        return NULL;
    if (!argv[*i + 1])
        die("%s needs a value", name);
    return argv[++*i];
}

static void define(struct main *m, const char *text)
{
    struct pkt_define *d = pkt_alloc(&m->arena, sizeof *d);
    const char *eq = strchr(text, '=');
    if (!eq || eq == text)
        die("-D needs NAME=VALUE, not \"%s\"", text);
    d->name = pkt_strdup(&m->arena, text, (size_t)(eq - text));
    d->value = eq + 1;
    d->next = m->defines;
    m->defines = d;
}

static void option(struct main *m, const char *arg)
{
    struct pkt_option *o = pkt_alloc(&m->arena, sizeof *o);
    const char *eq = strchr(arg, '=');
    struct pkt_conf conf;
    struct pkt_verdict v;
    o->name = pkt_strdup(&m->arena, arg + 2,
                         eq ? (size_t)(eq - arg - 2) : strlen(arg + 2));
    o->value = eq ? eq + 1 : NULL;
    memset(&v, 0, sizeof v);
    pkt_conf_profile(&conf, "tcpsm");
    if (pkt_conf_option(&conf, o->name, o->value, 0, &v))
        die("%s%s", v.kind == PKT_SKIP ? "no " : "",
            v.what + (strncmp(v.what, "syntax: ", 8) == 0 ? 8 : 0));
    *m->option_end = o;
    m->option_end = &o->next;
}

static void profile(struct main *m, const char *name)
{
    struct pkt_conf conf;
    pkt_conf_profile(&conf, name);
    if (!conf.profile)
        die("no profile is called \"%s\"", name);
    m->profile = name;
}

static void strict(struct main *m, const char *list)
{
    struct pkt_conf conf;
    pkt_conf_profile(&conf, "tcpsm");
    if (pkt_conf_strict(&conf, list))
        die("\"%s\" is no list of strict fields", list);
    m->strict = list;
}

/* Options wherever they stand; the others are moved to the front of argv.
   Returns how many. */
static int arguments(struct main *m, int argc, char **argv)
{
    const char *v;
    int i, n = 0, only_files = 0;
    for (i = 1; i < argc; i++) {
        if (only_files || argv[i][0] != '-' || !argv[i][1])
            argv[n++] = argv[i];
        else if (!strcmp(argv[i], "--"))
            only_files = 1;
        else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            fputs(usage, stdout);
            exit(0);
        } else if (!strcmp(argv[i], "-v") || !strcmp(argv[i], "--verbose"))
            m->verbose = 1;
        else if (!strcmp(argv[i], "--list-skips"))
            m->list_skips = 1;
        else if (!strcmp(argv[i], "--wrong"))
            m->wrong = 1;
        else if ((v = value_of(argv, &i, "--profile")) != NULL)
            profile(m, v);
        else if ((v = value_of(argv, &i, "--strict")) != NULL)
            strict(m, v);
        else if ((v = value_of(argv, &i, "--define")) != NULL ||
                 (v = value_of(argv, &i, "-D")) != NULL)
            define(m, v);
        else if (!strncmp(argv[i], "-D", 2))
            define(m, argv[i] + 2);
        else if (!strncmp(argv[i], "--", 2))
            option(m, argv[i]);
        else
            die("no option %s", argv[i]);
    }
    return n;
}

int main(int argc, char **argv)
{
    struct main m;
    size_t k;
    int i, n;
    memset(&m, 0, sizeof m);
    m.option_end = &m.options;
    setvbuf(stdout, NULL, _IOLBF, 0);
    n = arguments(&m, argc, argv);
    if (!n)
        die("no script is given");
    for (i = 0; i < n; i++)
        one_argument(&m, argv[i]);
    if (m.list_skips) {
        names_sort(&m.skips, by_count);
        for (k = 0; k < m.skips.n; k++)
            printf("%6d skipped: %s\n", m.skips.v[k].count, m.skips.v[k].s);
    }
    printf("%d passed, %d failed, %d skipped\n", m.count[PKT_OK],
           m.count[PKT_FAIL], m.count[PKT_SKIP]);
    names_free(&m.skips);
    pkt_free_all(&m.arena);
    return m.count[PKT_FAIL] != 0;
}
