/* seqdiag.h - sequence diagrams in a terminal. 0BSD.

   Two lifelines, an arrow per segment, the state of each end in its own
   margin (printed where it changes), and the time in seconds at which a
   segment left one end and reached the other:

     0.000 SYN-SENT     |--- SYN seq=0 ------------->| SYN-RECEIVED  0.010
     0.020 ESTABLISHED  |<-- SYN+ACK seq=0 ack=1 ----|               0.010
     0.020              |--- ACK 1 -----x            |

       seqdiag d;
       seqdiag_init(&d, stdout, 1, 0, 80);  // UTF-8, no colour, 80 columns
       seqdiag_scene(&d, "1  Title", "What to look at.");
       seqdiag_draw(&d, &arrow);
       seqdiag_note(&d, 1, "said by the right end");
       seqdiag_gap(&d, "25 segments are not drawn");

   It knows nothing of TCP. Labels are ASCII. */

#ifndef SEQDIAG_H
#define SEQDIAG_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __GNUC__
#define SEQDIAG_FN static __attribute__((unused))
#else
#define SEQDIAG_FN static
#endif

#define SEQDIAG_MARGINS 44 /* columns of the times, states and lifelines */
#define SEQDIAG_LANE 60    /* the widest space between the lifelines */
#define SEQDIAG_NOWHEN UINT64_MAX

enum { SEQDIAG_PLAIN, SEQDIAG_LOST, SEQDIAG_COPY, SEQDIAG_GHOST };

enum { /* colours, as SGR codes; 0: the terminal's own */
       SEQDIAG_RED = 31,
       SEQDIAG_GREEN = 32,
       SEQDIAG_YELLOW = 33,
       SEQDIAG_BLUE = 34,
       SEQDIAG_MAGENTA = 35,
       SEQDIAG_CYAN = 36,
       SEQDIAG_DIM = 2
};

typedef struct {
    int from; /* 0: left to right */
    int kind; /* SEQDIAG_*; a ghost comes out of nowhere */
    int color;
    uint64_t at[2];       /* us at each end, or SEQDIAG_NOWHEN */
    const char *state[2]; /* of each end, NULL: do not say */
    const char *label;    /* on the arrow */
} seqdiag_arrow;

typedef struct {
    FILE *out;
    int unicode, color, lane;
    uint64_t zero;          /* us that are called 0.000 */
    char last[2][16];       /* the state printed last in each margin */
    void (*before)(void *); /* called before and after each line: takes */
    void (*after)(void *);  /* a progress bar away, and puts it back */
    void *ctx;
} seqdiag;

SEQDIAG_FN void seqdiag_init(seqdiag *d, FILE *out, int unicode, int color,
                             int columns)
{
    memset(d, 0, sizeof *d);
    d->out = out;
    d->unicode = unicode;
    d->color = color;
    d->lane = columns - SEQDIAG_MARGINS;
    if (d->lane < 36)
        d->lane = 36;
    if (d->lane > SEQDIAG_LANE)
        d->lane = SEQDIAG_LANE;
}

SEQDIAG_FN void seqdiag__sgr(const seqdiag *d, int code)
{
    if (d->color)
        fprintf(d->out, "\033[%dm", code);
}

SEQDIAG_FN void seqdiag__begin(const seqdiag *d)
{
    if (d->before)
        d->before(d->ctx);
}

SEQDIAG_FN void seqdiag__end(const seqdiag *d)
{
    fputc('\n', d->out);
    if (d->after)
        d->after(d->ctx);
}

SEQDIAG_FN void seqdiag__time(const seqdiag *d, uint64_t at)
{
    seqdiag__sgr(d, SEQDIAG_DIM);
    if (at == SEQDIAG_NOWHEN)
        fprintf(d->out, "%7s", "");
    else
        fprintf(d->out, "%3llu.%03llu",
                (unsigned long long)((at - d->zero) / 1000000),
                (unsigned long long)((at - d->zero) / 1000 % 1000));
    seqdiag__sgr(d, 0);
}

SEQDIAG_FN void seqdiag__state(seqdiag *d, int side, const char *state)
{
    int news = state != NULL && strcmp(state, d->last[side]) != 0;

    if (news)
        snprintf(d->last[side], sizeof d->last[side], "%s", state);
    seqdiag__sgr(d, 1);
    fprintf(d->out, " %-12s ", news ? state : "");
    seqdiag__sgr(d, 0);
}

/* The right margin, with no blanks after the last word */
SEQDIAG_FN void seqdiag__right(seqdiag *d, const char *state, uint64_t at)
{
    int news = state != NULL && strcmp(state, d->last[1]) != 0;

    if (at != SEQDIAG_NOWHEN) {
        seqdiag__state(d, 1, state);
        seqdiag__time(d, at);
    } else if (news) {
        snprintf(d->last[1], sizeof d->last[1], "%s", state);
        seqdiag__sgr(d, 1);
        fprintf(d->out, " %s", state);
        seqdiag__sgr(d, 0);
    }
}

SEQDIAG_FN const char *seqdiag__glyph(const seqdiag *d, char c)
{
    if (!d->unicode)
        return c == '|'   ? "|"
               : c == '-' ? "-"
               : c == '=' ? "."
               : c == '>' ? ">"
               : c == '<' ? "<"
               : c == ':' ? ":"
                          : "x";
    return c == '|'   ? "\342\224\202"  /* light vertical */
           : c == '-' ? "\342\224\200"  /* light horizontal */
           : c == '=' ? "\342\225\214"  /* double dash horizontal */
           : c == '>' ? "\342\226\266"  /* right-pointing triangle */
           : c == '<' ? "\342\227\200"  /* left-pointing triangle */
           : c == ':' ? "\342\213\256"  /* vertical ellipsis */
                      : "\342\234\227"; /* ballot x */
}

SEQDIAG_FN void seqdiag__bar(const seqdiag *d)
{
    seqdiag__sgr(d, SEQDIAG_DIM);
    fputs(seqdiag__glyph(d, '|'), d->out);
    seqdiag__sgr(d, 0);
}

/* One cell of the lane is one column: a letter of the label (upper case
   'L' in kind), or one of seqdiag__glyph's characters. */
SEQDIAG_FN void seqdiag__lane(const seqdiag *d, const seqdiag_arrow *a)
{
    char cell[SEQDIAG_LANE], text[SEQDIAG_LANE];
    char line =
        a->kind == SEQDIAG_PLAIN || a->kind == SEQDIAG_LOST ? '-' : '=';
    /* as seqdiag_init left it; compilers want to see the bounds */
    int n = d->lane < 36 || d->lane > SEQDIAG_LANE ? 36 : d->lane;
    int i, from = 0, to = n, len = (int)strlen(a->label), at;

    if (a->kind == SEQDIAG_LOST) /* it ends before the other side */
        to = a->from ? n : n - n / 6, from = a->from ? n / 6 : 0;
    if (a->kind == SEQDIAG_GHOST) /* it begins on the way */
        to = a->from ? n - n / 6 : n, from = a->from ? 0 : n / 6;
    for (i = 0; i < n; i++) {
        cell[i] = i >= from && i < to ? line : ' ';
        text[i] = 0;
    }
    if (a->kind == SEQDIAG_LOST)
        cell[a->from ? from : to - 1] = 'x';
    else
        cell[a->from ? from : to - 1] = a->from ? '<' : '>';
    if (len > to - from - 4)
        len = to - from - 4;
    at = from + (to - from - len) / 2;
    if (at > from + 1)
        text[at - 1] = ' ';
    for (i = 0; i < len; i++)
        text[at + i] = a->label[i];
    if (at + len < to - 1)
        text[at + len] = ' ';
    if (a->color)
        seqdiag__sgr(d, a->color);
    for (i = 0; i < n; i++)
        if (text[i])
            fputc(text[i], d->out);
        else if (cell[i] == ' ')
            fputc(' ', d->out);
        else
            fputs(seqdiag__glyph(d, cell[i]), d->out);
    seqdiag__sgr(d, 0);
}

SEQDIAG_FN void seqdiag_draw(seqdiag *d, const seqdiag_arrow *a)
{
    seqdiag__begin(d);
    seqdiag__time(d, a->at[0]);
    seqdiag__state(d, 0, a->state[0]);
    seqdiag__bar(d);
    seqdiag__lane(d, a);
    seqdiag__bar(d);
    seqdiag__right(d, a->state[1], a->at[1]);
    seqdiag__end(d);
}

/* Text between the lifelines: by the left end (0), by the right (1), or in
   the middle (2); states may be NULL. */
SEQDIAG_FN void seqdiag_say(seqdiag *d, int side, const char *text,
                            uint64_t at, const char *left, const char *right)
{
    int len = (int)strlen(text), pad;

    if (len > d->lane - 2)
        len = d->lane - 2;
    pad = side == 0 ? 1 : side == 1 ? d->lane - 1 - len : (d->lane - len) / 2;
    seqdiag__begin(d);
    seqdiag__time(d, side == 1 ? SEQDIAG_NOWHEN : at);
    seqdiag__state(d, 0, left);
    seqdiag__bar(d);
    seqdiag__sgr(d, 3);
    fprintf(d->out, "%*s%.*s%*s", pad, "", len, text, d->lane - pad - len,
            "");
    seqdiag__sgr(d, 0);
    seqdiag__bar(d);
    seqdiag__right(d, right, side == 0 ? SEQDIAG_NOWHEN : at);
    seqdiag__end(d);
}

SEQDIAG_FN void seqdiag_note(seqdiag *d, int side, const char *text)
{
    seqdiag_say(d, side, text, SEQDIAG_NOWHEN, NULL, NULL);
}

/* Both lifelines go on, and something between them is not shown. */
SEQDIAG_FN void seqdiag_gap(seqdiag *d, const char *text)
{
    int len = (int)strlen(text), pad = (d->lane - len) / 2;

    seqdiag__begin(d);
    fprintf(d->out, "%21s%s", "", seqdiag__glyph(d, ':'));
    seqdiag__sgr(d, SEQDIAG_DIM);
    fprintf(d->out, "%*s%s%*s", pad, "", text, d->lane - pad - len, "");
    seqdiag__sgr(d, 0);
    fputs(seqdiag__glyph(d, ':'), d->out);
    seqdiag__end(d);
}

/* A heading and what to look at (which may have several lines). The states
   are told anew below it. */
SEQDIAG_FN void seqdiag_scene(seqdiag *d, const char *title, const char *text)
{
    d->last[0][0] = d->last[1][0] = 0;
    seqdiag__begin(d);
    fputc('\n', d->out);
    seqdiag__sgr(d, 1);
    fputs(title, d->out);
    seqdiag__sgr(d, 0);
    fputc('\n', d->out);
    while (*text) {
        size_t n = strcspn(text, "\n");

        fprintf(d->out, "   %.*s\n", (int)n, text);
        text += n + (text[n] == '\n');
    }
    seqdiag__end(d);
}

/* The names of the two ends, over their lifelines */
SEQDIAG_FN void seqdiag_ends(seqdiag *d, const char *left, const char *right)
{
    int pad = d->lane + 2 - (int)strlen(left) - (int)strlen(right);

    seqdiag__begin(d);
    seqdiag__sgr(d, 1);
    fprintf(d->out, "%21s%s%*s%s", "", left, pad, "", right);
    seqdiag__sgr(d, 0);
    seqdiag__end(d);
}

#endif /* SEQDIAG_H */
