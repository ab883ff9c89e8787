/* Applies an edit to a file: apply EDIT <IN >OUT

   An edit holds one or more

       <<<<
       old text
       ====
       new text
       >>>>

   and may say what it likes around them. The old text must occur exactly
   once; white space does not count, so that a line that was wrapped in
   another place is still found. Exit status: 0, 1 not exactly once, 2 no
   such file or not an edit. */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *slurp(FILE *f)
{
    size_t n = 0, cap = 1 << 20;
    char *s = (char *)malloc(cap);

    while (s && (n += fread(s + n, 1, cap - n - 1, f)) == cap - 1)
        s = (char *)realloc(s, cap *= 2);
    if (!s)
        exit(2);
    s[n] = 0;
    return s;
}

/* What follows white space and comments */
static const char *skip(const char *s)
{
    const char *end;

    for (;;) {
        while (isspace((unsigned char)*s))
            s++;
        if (s[0] != '/' || s[1] != '*' || !(end = strstr(s + 2, "*/")))
            return s;
        s = end + 2;
    }
}

/* If s begins with old, but for those: where that ends. */
static const char *match(const char *s, const char *old)
{
    for (;; s++, old++) {
        old = skip(old);
        if (!*old)
            return s;
        s = skip(s);
        if (*s != *old)
            return NULL;
    }
}

static char *replace(char *text, const char *old, const char *new_text)
{
    const char *s, *end, *from = NULL, *to = NULL;
    int found = 0;
    size_t head, n = strlen(text) + strlen(new_text) + 1;
    char *out;

    for (s = skip(text); *s; s = skip(s + 1)) {
        if ((end = match(s, old)) == NULL)
            continue;
        from = s;
        to = end;
        found++;
    }
    if (found != 1) {
        fprintf(stderr, "found %d times: %s", found, old);
        exit(1);
    }
    out = (char *)malloc(n);
    if (!out)
        exit(2);
    head = (size_t)(from - text);
    memcpy(out, text, head);
    strcpy(out + head, new_text);
    strcat(out, to);
    free(text);
    return out;
}

/* Cuts s at the line that is mark; returns what follows that line. */
static char *cut(char *s, const char *mark)
{
    size_t n = strlen(mark);

    for (; s; s = strchr(s, '\n'), s = s ? s + 1 : NULL)
        if (strncmp(s, mark, n) == 0 && s[n] == '\n') {
            *s = 0;
            return s + n + 1;
        }
    return NULL;
}

int main(int argc, char **argv)
{
    FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
    char *edit, *text, *old, *new_text;
    int hunks = 0;

    if (!f) {
        fprintf(stderr, "usage: apply EDIT <IN >OUT\n");
        return 2;
    }
    edit = slurp(f);
    text = slurp(stdin);
    for (; (old = cut(edit, "<<<<")) != NULL; hunks++) {
        new_text = cut(old, "====");
        edit = new_text ? cut(new_text, ">>>>") : NULL;
        if (!edit || !old[strspn(old, " \n")]) {
            hunks = 0;
            break;
        }
        text = replace(text, old, new_text);
    }
    if (!hunks) {
        fprintf(stderr, "%s: not an edit\n", argv[1]);
        return 2;
    }
    fputs(text, stdout);
    return 0;
}
