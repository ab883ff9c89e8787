/* test.h - the smallest test harness that does the job. 0BSD.

   One test program is one file that includes this header once:

       #include "test.h"

       TEST(add_wraps) {
           CHECK(1 + 1 == 2);
           CHECK_EQ(seq_add(0xFFFFFFFF, 1), 0);
       }

   Tests register themselves and run in the order of the file. A failed
   CHECK ends its test at once (by longjmp, so also from a helper function)
   and the next one runs. main() is in here. Output, for people and for
   tests/run.sh alike:

       ok NAME
       FAIL NAME: reason (file:line)
       SKIP NAME: reason
       N passed, N failed, N skipped

   CHECK(cond)                  CHECKF(cond, fmt, ...)   with a message
   CHECK_EQ(a, b)  CHECK_NE     any integers, by value: -1 != 0xFFFFFFFF
   CHECK_LT  CHECK_LE  CHECK_GT  CHECK_GE   in the operands' own types
   CHECK_MEM(a, b, n)           CHECK_STR(a, b)
   FAIL(fmt, ...)               SKIP(fmt, ...)
   CONTEXT(fmt, ...)            what a failure also prints: a seed, a row
   test_context("")             forgets it; so does the end of the test

   With a sanitizer, a report ends the program, and the test that caused it
   is named in a FAIL line. */

#ifndef TEST_H
#define TEST_H

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
#define TEST__C extern "C"
#else
#define TEST__C extern
#endif

#define TEST__UNUSED __attribute__((unused))
#define TEST__PRINTF(f, a) __attribute__((format(printf, f, a)))

typedef struct test__case {
    const char *name;
    void (*run)(void);
    struct test__case *next;
} test__case;

static test__case *test__first, **test__last = &test__first;
static const char *test__running;
static char test__why[512], test__ctx[256];
static jmp_buf test__out;

#define TEST(name)                                                           \
    static void test_##name(void);                                           \
    static test__case test__case_##name = {#name, test_##name, NULL};        \
    __attribute__((constructor)) static void test__add_##name(void)          \
    {                                                                        \
        *test__last = &test__case_##name;                                    \
        test__last = &test__case_##name.next;                                \
    }                                                                        \
    static void test_##name(void)

/* what: 1 failed, 2 skipped */
TEST__UNUSED __attribute__((noreturn))
TEST__PRINTF(4, 5) static void test__stop(int what, const char *file,
                                          int line, const char *fmt, ...)
{
    const char *base = strrchr(file, '/');
    size_t n;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(test__why, sizeof test__why - 64, fmt, ap);
    va_end(ap);
    n = strlen(test__why);
    if (what == 1)
        snprintf(test__why + n, sizeof test__why - n, " (%s:%d)",
                 base ? base + 1 : file, line);
    longjmp(test__out, what);
}

TEST__UNUSED TEST__PRINTF(1, 2) static void test_context(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(test__ctx, sizeof test__ctx, fmt, ap);
    va_end(ap);
}

TEST__UNUSED static void test__eq(long long a, long long b, int want,
                                  const char *as, const char *bs,
                                  const char *file, int line)
{
    if ((a == b) == want)
        return;
    test__stop(1, file, line, "%s %s %s: %lld (0x%llx) and %lld (0x%llx)", as,
               want ? "==" : "!=", bs, a, (unsigned long long)a, b,
               (unsigned long long)b);
}

TEST__UNUSED static void test__mem(const void *a, const void *b, size_t n,
                                   const char *as, const char *bs,
                                   const char *file, int line)
{
    const unsigned char *x = (const unsigned char *)a;
    const unsigned char *y = (const unsigned char *)b;
    size_t i;
    for (i = 0; i < n; i++)
        if (x[i] != y[i])
            test__stop(1, file, line,
                       "%s and %s differ at byte %lu: %02x and %02x", as, bs,
                       (unsigned long)i, x[i], y[i]);
}

TEST__UNUSED static void test__str(const char *a, const char *b,
                                   const char *file, int line)
{
    if (!a || !b || strcmp(a, b) != 0)
        test__stop(1, file, line, "\"%s\" is not \"%s\"", a ? a : "(null)",
                   b ? b : "(null)");
}

#define CONTEXT test_context
#define FAIL(...) test__stop(1, __FILE__, __LINE__, __VA_ARGS__)
#define SKIP(...) test__stop(2, __FILE__, __LINE__, __VA_ARGS__)
#define CHECK(cond)                                                          \
    do {                                                                     \
        if (!(cond))                                                         \
            test__stop(1, __FILE__, __LINE__, "%s", #cond);                  \
    } while (0)
#define CHECKF(cond, ...)                                                    \
    do {                                                                     \
        if (!(cond))                                                         \
            test__stop(1, __FILE__, __LINE__, __VA_ARGS__);                  \
    } while (0)
#define CHECK_EQ(a, b)                                                       \
    test__eq((long long)(a), (long long)(b), 1, #a, #b, __FILE__, __LINE__)
#define CHECK_NE(a, b)                                                       \
    test__eq((long long)(a), (long long)(b), 0, #a, #b, __FILE__, __LINE__)
#define TEST__REL(a, op, b)                                                  \
    do {                                                                     \
        __typeof__(a) test__a = (a);                                         \
        __typeof__(b) test__b = (b);                                         \
        if (!(test__a op test__b))                                           \
            test__stop(1, __FILE__, __LINE__, "%s %s %s: %lld and %lld", #a, \
                       #op, #b, (long long)test__a, (long long)test__b);     \
    } while (0)
#define CHECK_LT(a, b) TEST__REL(a, <, b)
#define CHECK_LE(a, b) TEST__REL(a, <=, b)
#define CHECK_GT(a, b) TEST__REL(a, >, b)
#define CHECK_GE(a, b) TEST__REL(a, >=, b)
#define CHECK_MEM(a, b, n)                                                   \
    test__mem((a), (b), (size_t)(n), #a, #b, __FILE__, __LINE__)
#define CHECK_STR(a, b) test__str((a), (b), __FILE__, __LINE__)

/* Sanitizers abort, so that the handler below can name the test. */
TEST__C const char *__asan_default_options(void);
TEST__C const char *__ubsan_default_options(void);
const char *__asan_default_options(void)
{
    return "abort_on_error=1:detect_stack_use_after_return=0";
}
const char *__ubsan_default_options(void)
{
    return "abort_on_error=1:print_stacktrace=1";
}

static void test__signal(int sig)
{
    if (test__running)
        printf("FAIL %s: aborted, see above%s%s\n", test__running,
               test__ctx[0] ? "; " : "", test__ctx);
    fflush(stdout);
    test__running = NULL;
    signal(sig, SIG_DFL);
    raise(sig);
}

static int test__one(const test__case *t)
{
    int what = setjmp(test__out);
    if (what == 0) {
        test__running = t->name;
        test__ctx[0] = test__why[0] = 0;
        t->run();
    }
    test__running = NULL;
    if (what == 0)
        printf("ok %s\n", t->name);
    else
        printf("%s %s: %s%s%s\n", what == 1 ? "FAIL" : "SKIP", t->name,
               test__why, what == 1 && test__ctx[0] ? "; " : "",
               what == 1 ? test__ctx : "");
    return what;
}

int main(int argc, char **argv)
{
    const char *filter = "";
    const test__case *t;
    int count[3] = {0, 0, 0}, list = 0, i;

    for (i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--list"))
            list = 1;
        else if (!strcmp(argv[i], "--filter") && i + 1 < argc)
            filter = argv[++i];
        else {
            int help = !strcmp(argv[i], "--help");
            fprintf(help ? stdout : stderr,
                    "usage: %s [--list] [--filter SUBSTRING]\n"
                    "Runs the tests in this program. Exit status: 0 all "
                    "passed or skipped,\n1 a failure, 2 wrong usage.\n",
                    argv[0]);
            return help ? 0 : 2;
        }
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGABRT, test__signal);
    for (t = test__first; t; t = t->next) {
        if (!strstr(t->name, filter))
            continue;
        if (list)
            puts(t->name);
        else
            count[test__one(t)]++;
    }
    if (list)
        return 0;
    if (count[0] + count[1] + count[2] == 0) {
        printf("FAIL none: no test matches \"%s\"\n", filter);
        count[1] = 1;
    }
    printf("%d passed, %d failed, %d skipped\n", count[0], count[1],
           count[2]);
    return count[1] != 0;
}

#endif /* TEST_H */
