/* >>ranges: every sequence of insertions over a universe of nine octets,
   with tables of one to four entries, against a bit map and a list of
   which block was changed when (RFC 2018 s4); then long random ones. */

#include "test.h"
#define TCPSM_IMPLEMENTATION
#include "tcpsm.h"

enum { U = 9, CAP = 4, MAX = 64 };

/* ---- the oracle: one bit per octet, blocks found by looking ------------- */

typedef struct {
    uint8_t here[MAX + 2];     /* octets beyond RCV.NXT: index 1.. */
    uint32_t changed[MAX + 2]; /* when the block of this octet was changed */
    uint32_t clock;
} model;

static uint32_t model_blocks(const model *m)
{
    uint32_t i, n = 0;
    for (i = 1; i <= MAX; i++)
        n += m->here[i] && !m->here[i - 1];
    return n;
}

/* Does [a, b) overlap or touch a block? */
static int model_touches(const model *m, uint32_t a, uint32_t b)
{
    uint32_t i;
    for (i = a - 1; i <= b; i++)
        if (m->here[i])
            return 1;
    return 0;
}

static int model_add(model *m, uint32_t a, uint32_t b, uint32_t cap)
{
    uint32_t i;
    if (!model_touches(m, a, b) && model_blocks(m) == cap)
        return 0;
    for (i = a; i < b; i++)
        m->here[i] = 1;
    m->clock++;
    while (m->here[a - 1])
        a--;
    for (i = a; m->here[i]; i++)
        m->changed[i] = m->clock;
    return 1;
}

/* ---- the table under test, with guards ---------------------------------- */

typedef struct {
    uint32_t guard0, start[MAX], guard1, end[MAX], guard2;
    uint8_t order[MAX], guard3[4];
} memory;

static struct tcpsm__ranges view(memory *m, uint32_t base, uint32_t cap)
{
    struct tcpsm__ranges r;
    memset(m, 0, sizeof *m);
    m->guard0 = m->guard1 = m->guard2 = 0xA5A5A5A5u;
    memset(m->guard3, 0xA5, 4);
    r.start = m->start;
    r.end = m->end;
    r.order = m->order;
    r.base = base;
    r.n = 0;
    r.cap = (uint8_t)cap;
    return r;
}

static void check_against(const struct tcpsm__ranges *r, const model *m,
                          const memory *mem, uint32_t limit)
{
    uint32_t i, k, n = 0, when, last = 0xFFFFFFFFu;
    CHECK(tcpsm__ranges_valid(r, limit));
    for (i = 1; i <= MAX; i++)
        if (m->here[i] && !m->here[i - 1]) {
            CHECK_LT(n, r->n);
            CHECK_EQ(r->start[n] - r->base, i);
            while (m->here[i])
                i++;
            CHECK_EQ(r->end[n] - r->base, i);
            n++;
        }
    CHECK_EQ(r->n, n);
    for (i = 0; i < n; i++) { /* the most recently changed comes first */
        when = m->changed[r->start[r->order[i]] - r->base];
        CHECK_LT(when, last);
        last = when;
    }
    for (k = n; k < r->cap; k++) /* dead fields are zero */
        CHECK(r->start[k] == 0 && r->end[k] == 0 && r->order[k] == 0);
    CHECK(mem->guard0 == 0xA5A5A5A5u && mem->guard1 == 0xA5A5A5A5u &&
          mem->guard2 == 0xA5A5A5A5u && mem->guard3[0] == 0xA5);
}

/* overlap(a, b): the first part of it that is there. */
static void check_overlap(const struct tcpsm__ranges *r, const model *m,
                          uint32_t a, uint32_t b)
{
    uint32_t at = 0, n = 0, i, got;
    for (i = a; i < b && !m->here[i]; i++)
        ;
    got = tcpsm__ranges_overlap(r, r->base + a, r->base + b, &at);
    while (i + n < b && m->here[i + n])
        n++;
    CHECK_EQ(got, n);
    if (n)
        CHECK_EQ(at - r->base, i);
}

/* ---- exhaustively ------------------------------------------------------- */

static uint64_t visited;

static void all_from(const struct tcpsm__ranges *was, const memory *wasm,
                     const model *wasmod, int depth)
{
    uint32_t a, b;
    for (a = 1; a <= U; a++)
        for (b = a + 1; b <= U + 1; b++) {
            memory mem = *wasm;
            model mod = *wasmod;
            struct tcpsm__ranges r = *was;
            int ok;
            r.start = mem.start;
            r.end = mem.end;
            r.order = mem.order;
            check_overlap(&r, &mod, a, b);
            ok = tcpsm__ranges_add(&r, r.base + a, r.base + b);
            CHECK_EQ(ok, model_add(&mod, a, b, r.cap));
            check_against(&r, &mod, &mem, U + 1);
            visited++;
            if (depth > 1)
                all_from(&r, &mem, &mod, depth - 1);
        }
}

/* 45 insertions are possible; all sequences of three, from a base whose
   octets cross the end of the sequence space. */
TEST(every_three_insertions)
{
    uint32_t cap;
    for (cap = 1; cap <= CAP; cap++) {
        memory mem;
        model mod;
        struct tcpsm__ranges r = view(&mem, 0xFFFFFFFBu, cap);
        memset(&mod, 0, sizeof mod);
        CONTEXT("cap %u", cap);
        all_from(&r, &mem, &mod, 3);
    }
    CHECK_EQ(visited, 4 * (45 + 45 * 45 + 45 * 45 * 45));
}

/* Longer sequences: every set of blocks that sequences can reach, with
   every order, and from each of them every insertion. The same set in the
   same order behaves the same, so each is visited once: this covers all
   sequences of any length over this universe. */
typedef struct {
    uint16_t bits;
    uint8_t rank[U + 2]; /* per octet: how recent its block is; 0: newest */
} key;

enum { SLOTS = 65536 };
static key keys[SLOTS / 2];
static uint32_t keys_n, slots[SLOTS]; /* 1 + index into keys; 0: free */

static key key_of(const struct tcpsm__ranges *r)
{
    key k;
    uint32_t i, j;
    memset(&k, 0, sizeof k);
    for (i = 0; i < r->n; i++)
        for (j = r->start[r->order[i]] - r->base;
             j < r->end[r->order[i]] - r->base; j++) {
            k.bits = (uint16_t)(k.bits | 1u << j);
            k.rank[j] = (uint8_t)i;
        }
    return k;
}

static int seen(const key *k)
{
    uint32_t i, h = k->bits;
    for (i = 0; i < U + 2; i++)
        h = h * 31 + k->rank[i];
    for (h = h * 2654435761u >> 16; slots[h]; h = (h + 1) % SLOTS)
        if (memcmp(&keys[slots[h] - 1], k, sizeof *k) == 0)
            return 1;
    CHECK_LT(keys_n, SLOTS / 2u);
    keys[keys_n++] = *k;
    slots[h] = keys_n;
    return 0;
}

static void load(struct tcpsm__ranges *r, memory *mem, model *mod,
                 const key *k, uint32_t cap)
{
    uint32_t i, a, rank, at[MAX + 2];
    *r = view(mem, 0x7FFFFFFCu, cap);
    memset(mod, 0, sizeof *mod);
    mod->clock = 100;
    for (i = 1; i <= U; i++)
        if (k->bits >> i & 1) {
            mod->here[i] = 1;
            mod->changed[i] = 100u - k->rank[i];
        }
    for (i = 1; i <= U; i++)
        if (mod->here[i] && !mod->here[i - 1]) {
            for (a = i; mod->here[a]; a++)
                ;
            at[k->rank[i]] = r->n;
            r->start[r->n] = r->base + i;
            r->end[r->n++] = r->base + a;
        }
    for (rank = 0; rank < r->n; rank++)
        r->order[rank] = (uint8_t)at[rank];
}

TEST(every_reachable_state)
{
    uint32_t cap, done, a, b;
    for (cap = 1; cap <= CAP; cap++) {
        key empty;
        memset(&empty, 0, sizeof empty);
        keys_n = 0;
        memset(slots, 0, sizeof slots);
        seen(&empty);
        for (done = 0; done < keys_n; done++)
            for (a = 1; a <= U; a++)
                for (b = a + 1; b <= U + 1; b++) {
                    struct tcpsm__ranges r;
                    memory mem;
                    model mod;
                    key k;
                    int ok;
                    load(&r, &mem, &mod, &keys[done], cap);
                    CONTEXT("cap %u bits %x add [%u %u)", cap,
                            keys[done].bits, a, b);
                    check_against(&r, &mod, &mem, U + 1);
                    check_overlap(&r, &mod, a, b);
                    ok = tcpsm__ranges_add(&r, r.base + a, r.base + b);
                    CHECK_EQ(ok, model_add(&mod, a, b, cap));
                    check_against(&r, &mod, &mem, U + 1);
                    k = key_of(&r);
                    seen(&k);
                }
        /* blocks of a universe of 9: at most 5 fit; this many states */
        CHECK_GT(keys_n, cap == 1 ? 40u : 100u);
    }
}

/* ---- deleting and touching ---------------------------------------------- */

TEST(delete_keeps_the_others)
{
    uint32_t n, i, k, turn;
    for (n = 1; n <= 6; n++)
        for (i = 0; i < n; i++)
            for (turn = 0; turn < 30; turn++) {
                struct tcpsm__ranges r;
                memory mem;
                uint32_t start[8];
                uint8_t order[8];
                r = view(&mem, 1000, 6);
                for (k = 0; k < n; k++) /* added in an order of its own */
                    tcpsm__ranges_add(&r, 1010 + 10 * ((k * 7 + turn) % n),
                                      1015 + 10 * ((k * 7 + turn) % n));
                if (r.n != n)
                    continue;
                for (k = 0; k < n; k++) {
                    start[k] = r.start[k];
                    order[k] = r.order[k];
                }
                tcpsm__ranges_cut(&r, i, 1);
                CHECK(tcpsm__ranges_valid(&r, 1000));
                CHECK_EQ(r.n, n - 1);
                for (k = 0; k + 1 < n; k++)
                    CHECK_EQ(r.start[k], start[k < i ? k : k + 1]);
                for (k = 0; k + 1 < n; k++) { /* the same order without i */
                    uint32_t j, o = 0;
                    for (j = 0; j < n; j++)
                        if (order[j] != i && o++ == k)
                            CHECK_EQ(r.start[r.order[k]], start[order[j]]);
                }
                CHECK(mem.start[n - 1] == 0 && mem.end[n - 1] == 0 &&
                      mem.order[n - 1] == 0);
            }
}

/* RFC 2018 s4: "the first SACK block ... MUST specify the contiguous block
   of data containing the segment which triggered this ACK", then the most
   recently reported ones. The RFC's section 7, case 2: the first of eight
   segments of 500 is dropped, the others come in order. */
TEST(rfc2018_section_7)
{
    uint32_t i;
    struct tcpsm__ranges r;
    memory mem;
    r = view(&mem, 5000, 4);
    for (i = 1; i < 8; i++) {
        CHECK(tcpsm__ranges_add(&r, 5000 + 500 * i, 5500 + 500 * i));
        CHECK_EQ(r.n, 1);
        CHECK_EQ(r.start[0], 5500);
        CHECK_EQ(r.end[0], 5500 + 500 * i);
    }
    /* case 3: segments 2, 4, 6 and 8 are dropped: blocks in the order of
       the RFC's table, newest first */
    r = view(&mem, 5500, 4);
    CHECK(tcpsm__ranges_add(&r, 6000, 6500));
    CHECK(tcpsm__ranges_add(&r, 7000, 7500));
    CHECK(tcpsm__ranges_add(&r, 8000, 8500));
    CHECK(r.start[r.order[0]] == 8000 && r.start[r.order[1]] == 7000 &&
          r.start[r.order[2]] == 6000);
    /* "Suppose ... the 4th packet is received out of order" */
    CHECK(tcpsm__ranges_add(&r, 6500, 7000));
    CHECK_EQ(r.n, 2);
    CHECK(r.start[r.order[0]] == 6000 && r.end[r.order[0]] == 7500 &&
          r.start[r.order[1]] == 8000);
}

/* ---- large tables, at random -------------------------------------------- */

TEST(random_and_large)
{
    uint64_t s = 99;
    uint32_t turn, step, cap;
    for (turn = 0; turn < 400; turn++) {
        struct tcpsm__ranges r;
        memory mem;
        model mod;
        cap = 1 + turn % 24;
        r = view(&mem, (uint32_t)(turn * 0x10000001u - 30), cap);
        memset(&mod, 0, sizeof mod);
        for (step = 0; step < 60; step++) {
            uint32_t a, b;
            s = s * 6364136223846793005u + 1442695040888963407u;
            a = 1 + (uint32_t)(s >> 33) % (MAX - 1);
            b = a + 1 + (uint32_t)(s >> 50) % (turn % 3 == 0 ? 20 : 2);
            if (b > MAX)
                b = MAX;
            CONTEXT("turn %u step %u cap %u [%u %u)", turn, step, cap, a, b);
            check_overlap(&r, &mod, a, b);
            CHECK_EQ(tcpsm__ranges_add(&r, r.base + a, r.base + b),
                     model_add(&mod, a, b, cap));
            check_against(&r, &mod, &mem, MAX);
        }
    }
}

/* ranges_valid is what tcpsm_check trusts: it refuses every single
   disorder. */
TEST(valid_sees_everything)
{
    memory mem;
    struct tcpsm__ranges r = view(&mem, 100, 4);
    CHECK(tcpsm__ranges_valid(&r, 0));
    CHECK(tcpsm__ranges_add(&r, 110, 120));
    CHECK(tcpsm__ranges_add(&r, 130, 140));
    CHECK(tcpsm__ranges_valid(&r, 40));
    CHECK(!tcpsm__ranges_valid(&r, 39)); /* beyond the window */
    r.n = 5;
    CHECK(!tcpsm__ranges_valid(&r, 40));
    r.n = 2;
    mem.start[0] = 100; /* touches RCV.NXT */
    CHECK(!tcpsm__ranges_valid(&r, 40));
    mem.start[0] = 99;
    CHECK(!tcpsm__ranges_valid(&r, 40));
    mem.start[0] = 120; /* empty */
    CHECK(!tcpsm__ranges_valid(&r, 40));
    mem.start[0] = 110;
    mem.start[1] = 120; /* touching */
    CHECK(!tcpsm__ranges_valid(&r, 40));
    mem.start[1] = 130;
    mem.order[0] = 0; /* twice the same */
    mem.order[1] = 0;
    CHECK(!tcpsm__ranges_valid(&r, 40));
    mem.order[1] = 2; /* none of them */
    CHECK(!tcpsm__ranges_valid(&r, 40));
    mem.order[1] = 1;
    CHECK(tcpsm__ranges_valid(&r, 40));
}
