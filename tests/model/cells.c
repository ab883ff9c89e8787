/* cells - cells of the matrix as text, for something else than tcpsm to be
   held against the reference. Without arguments: a test of itself. */

#define main test_main
#include "test.h"
#undef main

#include "tcpsm.h"

#include "cells.h"

enum { SAMPLE = 200, FIELD = 200 };

static uint64_t dice;

static uint32_t roll(uint32_t n)
{
    dice = netsim_mix(dice + 1);
    return (uint32_t)(dice >> 32) % n;
}

/* A number that the answer carries, as a word: our variables before the
   segment, or what stood in it. */
static const char *word(const ref_tcb *t, const ref_seg *s, uint32_t v,
                        int is_ack)
{
    static char text[4][32];
    static int turn;
    char *p = text[turn = (turn + 1) & 3];
    uint32_t len = s->len + (s->flags & REF_FIN ? 1u : 0u) +
                   (s->flags & REF_SYN ? 1u : 0u);

    if (t->state > REF_SYN_SENT && is_ack && v - t->rcv_nxt < 5000)
        snprintf(p, 32, "RCV.NXT+%u", v - t->rcv_nxt);
    else if (!is_ack && t->state > REF_LISTEN && v == t->snd_nxt)
        snprintf(p, 32, "SND.NXT+0");
    else if (is_ack && s->flags & REF_SYN && v == s->seq + 1)
        snprintf(p, 32, "SEG.SEQ+1");
    else if (is_ack)
        snprintf(p, 32, v == s->seq + len ? "SEG.SEQ+SEG.LEN" : "SEG.SEQ+%u",
                 v - s->seq);
    else if (s->flags & REF_ACK && v == s->ack)
        snprintf(p, 32, "SEG.ACK");
    else if (v == 0)
        snprintf(p, 32, "0");
    else
        snprintf(p, 32, "ISS");
    return p;
}

static void print_replies(FILE *f, const ref_tcb *t, const ref_seg *s,
                          const ref_list *o)
{
    uint32_t i;

    if (!o->n)
        fputs(" reply=none", f);
    for (i = 0; i < o->n; i++) {
        const ref_seg *r = &o->at[i].seg;
        const char *letters = r->flags == REF_RST               ? "R"
                              : r->flags == (REF_RST | REF_ACK) ? "RA"
                              : r->flags == (REF_SYN | REF_ACK) ? "SA"
                                                                : "A";

        fprintf(f, "%s%s:%s:%s", i ? "," : " reply=", letters,
                r->flags & REF_SYN    ? "ISS"
                : r->flags == REF_RST ? "SEG.ACK"
                                      : word(t, s, r->seq, 0),
                r->flags & REF_ACK ? word(t, s, r->ack, 1) : "-");
    }
}

static void print_user(FILE *f, unsigned signals)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{REF_SIG_OPEN, "connected"},
                 {REF_SIG_RESET, "reset"},
                 {REF_SIG_REFUSED, "refused"},
                 {REF_SIG_CLOSING, "eof"},
                 {REF_SIG_URGENT, "urgent"}};
    uint32_t i, n = 0;

    for (i = 0; i < sizeof names / sizeof *names; i++)
        if (signals & names[i].bit)
            fprintf(f, "%s%s", n++ ? "+" : " user=", names[i].name);
    if (!n)
        fputs(" user=none", f);
}

/* The twin is in the row's state. */
static void print_cell(FILE *f, unsigned number, const row *r, ref_seg *s,
                       const place *seq, const place *ack)
{
    static ref_tcb after;
    ref_list o;
    const char *may = "none";
    ref_view a, b;
    int moved;

    ref_copy(&after, &tw.r);
    after.signals = 0;
    ref_segment(&after, s, &o);
    ref_look(&tw.r, &a);
    ref_look(&after, &b);
    moved = tw.r.state > REF_SYN_SENT && after.state > REF_LISTEN;
    if (o.n == 1 && o.at[0].soon)
        may = "delay";
    else if (!o.n && moved && tw.r.state >= REF_SYN_RECEIVED &&
             s->flags & REF_ACK && !(s->flags & (REF_SYN | REF_RST)) &&
             (s->len || s->flags & REF_FIN))
        may = "extra";
    fprintf(f,
            "cell=%u state=%s variant=%s family=%u flags=%s seq=%s%+d "
            "ack=%s%+d len=%u wnd=%u up=%u next=%s rcv_nxt=%+d snd_una=%+d "
            "deliver=%u",
            number, ref_state_name(r->state), r->variant, mx.tuple.family,
            model_flags(s->flags), seq->base, seq->off, ack->base, ack->off,
            s->len, s->wnd, s->up, ref_state_name(after.state),
            moved ? (int)(after.rcv_nxt - tw.r.rcv_nxt) : 0,
            moved ? (int)(after.snd_una - tw.r.snd_una) : 0,
            after.state >= REF_ESTABLISHED ? b.readable - a.readable : 0);
    print_replies(f, &tw.r, s, &o);
    fprintf(f, " may=%s", may);
    print_user(f, after.signals);
    {
        char clause[64];
        char *c;

        snprintf(clause, sizeof clause, "%s", o.clause);
        for (c = clause; *c; c++)
            if (*c == ' ')
                *c = '.';
        fprintf(f, " clause=%s\n", clause);
    }
}

/* n cells, spread evenly over the rows; in each row over flags and places. */
static unsigned sample(FILE *f, unsigned n, uint64_t seed, int kernel)
{
    uint32_t order[ROWS], count = 0, i, number = 0;
    unsigned per[ROWS];

    dice = seed;
    for (i = 0; i < ROWS; i++)
        if (rows[i].kernel || !kernel)
            order[count++] = i;
    for (i = 0; i < count; i++)
        per[i] = n / count + (i < n % count);
    for (i = 0; i < count; i++) {
        const row *r = &rows[order[i]];
        unsigned k;
        for (k = 0; k < per[i]; k++) {
            /* half of them may carry any flags, half what is often sent */
            static const uint8_t usual[] = {
                REF_ACK,           REF_ACK,           REF_ACK | REF_PSH,
                REF_ACK | REF_FIN, REF_SYN,           REF_SYN | REF_ACK,
                REF_RST,           REF_RST | REF_ACK, REF_ACK | REF_URG};
            ref_seg s;
            columns c;
            const place *seq, *ack;

            row_make(r, roll(5) < 3 ? 4 : 6, 0x12345678u, 0x23456789u);
            memset(&s, 0, sizeof s);
            s.flags =
                (uint16_t)(roll(2) ? usual[roll(sizeof usual)] : roll(64));
            if (roll(3))
                s.flags &= (uint16_t)~REF_RST; /* of which there are many */
            s.len = roll(2) ? 0 : 10;
            s.wnd = CELL_UPDATE;
            s.up = s.flags & REF_URG ? 3 : 0;
            cell_columns(&c, s.len + (s.flags & 1u) + (s.flags >> 1 & 1u));
            seq = &c.seq[roll(c.basic)];
            ack = &c.ack[roll(c.acks)];
            s.seq = seq->value;
            s.ack = ack->value;
            s.text = model_text(s.seq + ((s.flags & REF_SYN) != 0), s.len);
            print_cell(f, number++, r, &s, seq, ack);
        }
    }
    return number;
}

/* Each line has all its fields, the same seed gives the same lines, and every
   state is there. */
TEST(cells_are_complete_and_repeatable)
{
    char a[1024], b[1024];
    int seen[REF_STATES] = {0}, lines = 0, six = 0, s;
    FILE *f = tmpfile(), *g = tmpfile();

    CHECK(f != NULL && g != NULL);
    CHECK_EQ(sample(f, SAMPLE, 9293, 1), SAMPLE);
    CHECK_EQ(sample(g, SAMPLE, 9293, 1), SAMPLE);
    rewind(f);
    rewind(g);
    while (fgets(a, sizeof a, f)) {
        static const char *const need[] = {
            "cell=",  " state=",   " variant=", " family=",  " flags=",
            " seq=",  " ack=",     " len=",     " wnd=",     " up=",
            " next=", " rcv_nxt=", " snd_una=", " deliver=", " reply=",
            " may=",  " user=",    " clause="};
        uint32_t i;

        CHECK(fgets(b, sizeof b, g) != NULL);
        CHECK_STR(a, b);
        for (i = 0; i < sizeof need / sizeof *need; i++)
            CHECKF(strstr(a, need[i]) != NULL, "no%s in %s", need[i], a);
        for (s = 0; s < REF_STATES; s++) {
            char word_of[32];

            snprintf(word_of, sizeof word_of, " state=%s ",
                     ref_state_name(s));
            seen[s] += strstr(a, word_of) != NULL;
        }
        six += strstr(a, " family=6 ") != NULL;
        lines++;
    }
    CHECK_EQ(lines, SAMPLE);
    CHECK_GT(six, SAMPLE / 4);
    for (s = 0; s < REF_STATES; s++)
        CHECKF(seen[s] > 0, "no cell in %s", ref_state_name(s));
    fclose(f);
    fclose(g);
}

static int usage(FILE *f, const char *name)
{
    fprintf(
        f,
        "usage: %s --sample N [--seed S] [--kernel]\n"
        "Prints N cells of the matrix with what RFC 9293 section 3.10, as "
        "transcribed\nin reference.c, expects: one line each, key=value. "
        "--kernel: only states\nthat a kernel can be brought into. Without "
        "--sample: tests itself.\nExit status: 0 fine, 1 a failure, 2 "
        "wrong usage.\n",
        name);
    return f == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
    volatile unsigned long n = 0, seed = 1;
    volatile int kernel = 0;
    int i;
    char *end = NULL;

    if (argc > 1 &&
        (!strcmp(argv[1], "--filter") || !strcmp(argv[1], "--list")))
        return test_main(argc, argv);
    for (i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help"))
            return usage(stdout, argv[0]);
        if (!strcmp(argv[i], "--kernel")) {
            kernel = 1;
            continue;
        }
        if (i + 1 == argc || (strcmp(argv[i], "--sample") != 0 &&
                              strcmp(argv[i], "--seed") != 0))
            return usage(stderr, argv[0]);
        if (!strcmp(argv[i], "--seed"))
            seed = strtoul(argv[i + 1], &end, 10);
        else
            n = strtoul(argv[i + 1], &end, 10);
        if (*argv[++i] == 0 || *end)
            return usage(stderr, argv[0]);
    }
    if (!n)
        return argc > 1 ? usage(stderr, argv[0]) : test_main(argc, argv);
    printf("# cells of tests/model, seed %lu; see tests/model/cells.h\n",
           seed);
    if (setjmp(test__out)) {
        fprintf(stderr, "cells: %s\n", test__why);
        return 1;
    }
    return sample(stdout, (unsigned)n, seed, kernel) == n ? 0 : 1;
}
