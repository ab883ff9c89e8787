/* pkt_arena.c - memory of one script, freed as a whole. 0BSD. */

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "pkt.h"

/* The union keeps what follows the header aligned for anything. */
struct pkt_block {
    struct pkt_block *next;
    size_t used, cap;
    union {
        long double ld;
        void *p;
        uint64_t u;
    } mem[1];
};

enum {
    PKT__BLOCK = 16384,
    PKT__ALIGN = sizeof(((struct pkt_block *)0)->mem)
};

static struct pkt_block *pkt__block(pkt_arena *a, size_t cap)
{
    struct pkt_block *b =
        cap > SIZE_MAX / 2 ? NULL
                           : calloc(1, offsetof(struct pkt_block, mem) + cap);
    if (!b) {
        fprintf(stderr, "pkt: out of memory\n");
        exit(2);
    }
    b->cap = cap;
    b->next = a->first;
    a->first = b;
    return b;
}

void *pkt_alloc(pkt_arena *a, size_t n)
{
    struct pkt_block *b = a->first;
    size_t at;
    if (n > SIZE_MAX / 2)
        n = SIZE_MAX / 2;
    n = (n + PKT__ALIGN) / PKT__ALIGN * PKT__ALIGN;
    if (n > PKT__BLOCK / 4) {
        /* A large one has its own block, behind the one in use, whose rest
           stays in use; so the sanitizer watches its end. */
        struct pkt_block *own = pkt__block(a, n);
        if (b) {
            a->first = b;
            own->next = b->next;
            b->next = own;
        }
        own->used = n;
        return own->mem;
    }
    if (!b || b->cap - b->used < n)
        b = pkt__block(a, PKT__BLOCK);
    at = b->used;
    b->used += n;
    return (unsigned char *)b->mem + at;
}

char *pkt_strdup(pkt_arena *a, const char *s, size_t len)
{
    char *p = pkt_alloc(a, len + 1);
    if (len)
        memcpy(p, s, len);
    return p;
}

char *pkt_printf(pkt_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    char *p;
    int n;
    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    p = pkt_alloc(a, n < 0 ? 1 : (size_t)n + 1);
    if (n > 0)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

void pkt_free_all(pkt_arena *a)
{
    while (a->first) {
        struct pkt_block *b = a->first;
        a->first = b->next;
        free(b);
    }
}
