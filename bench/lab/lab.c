/* lab.c - the laboratory: what loss recovery and congestion control do
   over simulated paths - 0BSD. docs/recovery.md has what it found. */

#include <string.h>

#include "lab.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} part[] = {
    {"smoke", lab_smoke, "the goals, each measured; exit status 1: missed"},
    {"grid", lab_grid, "rate x RTT x trouble x controller"},
    {"flows", lab_flows, "completion times of 1 to 100 segments"},
    {"fair", lab_fair, "2 to 8 flows through one bottleneck"},
    {"trace", lab_trace, "one connection, as columns for gnuplot"},
};

int main(int argc, char **argv)
{
    size_t i;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (i = 0; argc > 1 && i < sizeof part / sizeof *part; i++)
        if (strcmp(argv[1], part[i].name) == 0)
            return part[i].run(argc - 1, argv + 1);
    fprintf(argc > 1 && strcmp(argv[1], "--help") == 0 ? stdout : stderr,
            "usage: lab PART [OPTIONS], or lab PART --help\n");
    for (i = 0; i < sizeof part / sizeof *part; i++)
        printf("  %-8s %s\n", part[i].name, part[i].what);
    return argc > 1 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
}
