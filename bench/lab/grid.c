/* grid.c - rate x RTT x trouble x controller; and completion times of
   short flows, and shares of many - 0BSD */

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"

/* ---- troubles ---------------------------------------------------------- */

static const char *const trouble_name[] = {
    "none",        "loss-0.01",   "loss-0.1",  "loss-1",      "loss-5",
    "loss-20",     "bursts",      "reorder-1", "reorder-10",  "reorder-30",
    "duplicate-5", "ack-loss-20", "tail-4",    "bufferbloat", "ecn",
    "policer",     "blackout-2s", "mtu-hole",
};
enum { TROUBLES = (int)(sizeof trouble_name / sizeof *trouble_name) };

int lab_trouble_by_name(const char *name)
{
    int i;

    for (i = 0; i < TROUBLES; i++)
        if (strcmp(name, trouble_name[i]) == 0)
            return i;
    return -1;
}

const char *lab_trouble_name(int i)
{
    return i < TROUBLES ? trouble_name[i] : NULL;
}

uint64_t lab_trouble_queue(int trouble, uint64_t rate, tcpsm_time rtt)
{
    uint64_t bdp = lab_bdp(rate, rtt), q = 4 * bdp, second = rate / 8;

    if (strcmp(trouble_name[trouble], "bufferbloat") != 0)
        return 0;
    if (second > 32000000)
        second = 32000000;
    return q > second ? q : second;
}

/* us: how long the flow will run; flags: what it must be configured with */
void lab_trouble(lab *l, int trouble, tcpsm_time us, uint32_t *flags)
{
    static const uint32_t ppm[] = {100, 1000, 10000, 50000, 200000};
    const char *name = trouble_name[trouble];
    netsim_link *d = &l->net.link[0];
    uint64_t bdp = lab_bdp(l->rate, l->rtt);

    if (trouble >= 1 && trouble <= 5)
        d->loss_ppm = ppm[trouble - 1];
    else if (strcmp(name, "bursts") == 0) {
        /* Gilbert-Elliott: one in 500 packets begins a burst of 5, three
           quarters of which are lost: the chain moves with packets, and
           without that quarter a lone retransmission would never leave */
        d->burst_ppm = 2000;
        d->burst_end_ppm = 200000;
        d->burst_loss_ppm = 750000;
    } else if (strncmp(name, "reorder-", 8) == 0) {
        d->reorder_ppm = (uint32_t)atoi(name + 8) * 10000u;
        d->reorder_us = l->rtt / 4;
    } else if (strncmp(name, "duplicate", 9) == 0) {
        d->copy_ppm = 50000;
        d->copy_us = l->rtt / 10;
    } else if (strncmp(name, "ack-loss", 8) == 0)
        l->net.link[1].loss_ppm = 200000;
    else if (strcmp(name, "ecn") == 0) {
        d->mark_bytes = (uint32_t)(bdp / 2);
        if (d->mark_bytes < 5 * LAB_PACKET)
            d->mark_bytes = 5 * LAB_PACKET;
        d->queue_bytes *= 2;
        *flags |= TCPSM_ACCECN;
    } else if (strcmp(name, "policer") == 0) {
        /* the wire is four times as fast as what is let through */
        l->police_rate = l->rate;
        l->police_burst = bdp > 20 * LAB_PACKET ? bdp : 20 * LAB_PACKET;
        d->rate = 4 * l->rate;
    } else if (strcmp(name, "blackout-2s") == 0) {
        l->black_from = l->now + us / 4;
        l->black_to = l->black_from + 2 * LAB_S;
    } else if (strcmp(name, "mtu-hole") == 0) {
        l->hole_bytes = 1400;
        l->hole_from = l->now + us / 4;
    }
}

/* ---- one cell ---------------------------------------------------------- */

typedef struct {
    uint64_t rate;
    tcpsm_time rtt;
    int trouble, cc, done;
} cell;

typedef struct {
    double fraction, late; /* of what the link allows; in the second half */
    double seconds, queue_ms, queue_max_ms, srtt_ms;
    uint64_t packets, again, spurious, timeouts, probes, undone, wrong;
} result;

static const uint64_t rates[] = {100000,    1000000,    10000000,
                                 100000000, 1000000000, 10000000000u};
static const tcpsm_time rtts[] = {1000, 20000, 200000};
static const char *const cc_name[] = {"newreno", "cubic"};
enum { RATES = 6, RTTS = 3, CELLS = RATES * RTTS * TROUBLES * 2 };

static uint64_t tail_from, tail_to;

static unsigned drop_tail(lab *l, const lab_event *e)
{
    (void)l;
    return e->side == 0 && e->len != 0 && !e->again && e->at >= tail_from &&
                   e->at < tail_to
               ? NETSIM_DO_DROP
               : 0;
}

/* 100 segments, the last four dropped: how much longer does it take? */
static double tail_time(const cell *c, const tcpsm_config *k, uint32_t lost,
                        result *r)
{
    lab *l = lab_new(c->rate, c->rtt, 200 * LAB_PACKET, 1);
    lab_flow *f = lab_add(l, k, NULL);
    double t;

    tail_to = f->total = 100 * LAB_PAYLOAD;
    tail_from = tail_to - lost * LAB_PAYLOAD;
    l->script = drop_tail;
    lab_open(l, f);
    lab_until(l, lab_all_done, l->now + 600 * LAB_S);
    t = f->done ? (double)(f->done - f->opened) : 600e6;
    r->packets = f->packets;
    r->again = f->again_packets;
    r->spurious = (f->spurious + LAB_PAYLOAD - 1) / LAB_PAYLOAD;
    r->timeouts = f->n[0].timeouts;
    r->probes = f->n[0].loss_probes;
    r->seconds = t / 1e6;
    lab_free(l);
    return t;
}

static tcpsm_time duration(const cell *c)
{
    double packets = (double)c->rate / 8 / LAB_PACKET;
    double s = 20, most = 500000 / packets, rtt = (double)c->rtt / 1e6;

    if (s < 100 * rtt)
        s = 100 * rtt;
    if (s < 1000 / packets)
        s = 1000 / packets;
    if (s > most)
        s = most;
    /* slow start alone takes up to 14 rounds */
    rtt *= c->rate > 1000000000u ? 25 : 60;
    if (s < rtt)
        s = rtt;
    return (tcpsm_time)(s * 1e6);
}

static void run_cell(const cell *c, result *r)
{
    tcpsm_time us = duration(c), silent = 0;
    struct tcpsm_info info;
    netsim_link link[2];
    tcpsm_config k;
    lab_flow *f;
    uint64_t half;
    double bits;
    lab *l;
    int d;

    memset(r, 0, sizeof *r);
    memset(&k, 0, sizeof k);
    k.cc = c->cc ? &lab_cubic : &lab_reno;
    if (strcmp(trouble_name[c->trouble], "tail-4") == 0) {
        double whole = tail_time(c, &k, 0, r);

        r->fraction = r->late = whole / tail_time(c, &k, 4, r);
        return;
    }
    if (strcmp(trouble_name[c->trouble], "blackout-2s") == 0) {
        silent = 2 * LAB_S;
        us = (us < 6 * LAB_S ? 6 * LAB_S : us) + silent;
    }
    l = lab_new(c->rate, c->rtt,
                lab_trouble_queue(c->trouble, c->rate, c->rtt), 1);
    lab_trouble(l, c->trouble, us - silent, &k.flags);
    f = lab_add(l, &k, NULL);
    /* a lost SYN costs seconds; `lab flows` is where that counts */
    memcpy(link, l->net.link, sizeof link);
    for (d = 0; d < 2; d++)
        l->net.link[d].loss_ppm = l->net.link[d].burst_ppm = 0;
    lab_open(l, f);
    lab_until(l, lab_established, l->now + 60 * LAB_S);
    for (d = 0; d < 2; d++) {
        l->net.link[d].loss_ppm = link[d].loss_ppm;
        l->net.link[d].burst_ppm = link[d].burst_ppm;
    }
    lab_run(l, f->up + us / 2);
    half = f->got;
    lab_run(l, f->up + us);
    bits = lab_payload_rate(c->rate) / 1e6;
    r->fraction = (double)f->got / bits / (double)(us - silent);
    r->late = (double)(f->got - half) / bits / (double)(us / 2);
    r->seconds = (double)us / 1e6;
    r->packets = f->packets;
    r->again = f->again_packets;
    r->spurious = (f->spurious + LAB_PAYLOAD - 1) / LAB_PAYLOAD;
    r->timeouts = f->n[0].timeouts;
    r->probes = f->n[0].loss_probes;
    r->undone = f->n[0].undone;
    r->wrong = f->wrong;
    if (l->queue_n)
        r->queue_ms = l->queue_sum / (double)l->queue_n * 8e3 /
                      (double)l->net.link[0].rate;
    r->queue_max_ms =
        (double)l->queue_max * 8e3 / (double)l->net.link[0].rate;
    lab_info(f, 0, &info);
    r->srtt_ms = info.srtt_us / 1e3;
    lab_free(l);
}

static void name_rate(char *s, size_t n, uint64_t rate)
{
    if (rate >= 1000000000u)
        snprintf(s, n, "%dG", (int)(rate / 1000000000u));
    else if (rate >= 1000000u)
        snprintf(s, n, "%dM", (int)(rate / 1000000u));
    else
        snprintf(s, n, "%dk", (int)(rate / 1000u));
}

/* ---- many cells, on all processors ------------------------------------- */

typedef struct {
    uint32_t next, finished;
    cell c[CELLS];
    result r[CELLS];
} board;

static void work(board *b, uint32_t n)
{
    uint32_t i;

    while ((i = __sync_fetch_and_add(&b->next, 1)) < n) {
        run_cell(&b->c[i], &b->r[i]);
        b->c[i].done = 1;
        __sync_fetch_and_add(&b->finished, 1);
    }
}

static int on_all_processors(board *b, uint32_t n, long jobs)
{
    int bad = 0, status, tty = isatty(2);
    uint32_t last = 0, at;
    long i;

    for (i = 0; i < jobs; i++) {
        pid_t p = fork();

        if (p < 0)
            return -1;
        if (p == 0) {
            work(b, n);
            _exit(0);
        }
    }
    for (i = 0; i < jobs;) {
        pid_t p = waitpid(-1, &status, WNOHANG);

        if (p > 0) {
            i++;
            bad |= status != 0;
            continue;
        }
        usleep(200000);
        at = __sync_fetch_and_add(&b->finished, 0);
        if (at != last && (tty || at * 10 / n != last * 10 / n))
            fprintf(stderr, "%slab: %u of %u cells%s", tty ? "\r" : "", at, n,
                    tty ? "" : "\n");
        last = at;
    }
    if (tty)
        fputs("\n", stderr);
    return bad ? -1 : 0;
}

static void write_json(FILE *to, const board *b, uint32_t n)
{
    uint32_t i;

    fputs("[", to);
    for (i = 0; i < n; i++) {
        const cell *c = &b->c[i];
        const result *r = &b->r[i];

        fprintf(to,
                "%s\n{\"rate\":%llu,\"rtt_us\":%llu,\"trouble\":\"%s\","
                "\"cc\":\"%s\",\"seconds\":%.3f,\"fraction\":%.4f,"
                "\"second_half\":%.4f,\"packets\":%llu,\"again\":%llu,"
                "\"spurious\":%llu,\"timeouts\":%llu,\"probes\":%llu,"
                "\"undone\":%llu,\"wrong\":%llu,\"queue_ms\":%.3f,"
                "\"queue_max_ms\":%.3f,\"srtt_ms\":%.3f}",
                i ? "," : "", (unsigned long long)c->rate,
                (unsigned long long)c->rtt, trouble_name[c->trouble],
                cc_name[c->cc], r->seconds, r->fraction, r->late,
                (unsigned long long)r->packets, (unsigned long long)r->again,
                (unsigned long long)r->spurious,
                (unsigned long long)r->timeouts,
                (unsigned long long)r->probes, (unsigned long long)r->undone,
                (unsigned long long)r->wrong, r->queue_ms, r->queue_max_ms,
                r->srtt_ms);
    }
    fputs("\n]\n", to);
}

static const result *find(const board *b, uint32_t n, const cell *want)
{
    uint32_t i;

    for (i = 0; i < n; i++)
        if (b->c[i].rate == want->rate && b->c[i].rtt == want->rtt &&
            b->c[i].trouble == want->trouble && b->c[i].cc == want->cc)
            return &b->r[i];
    return NULL;
}

/* One table for each controller, RTT and number */
static void print_tables(const board *b, uint32_t n, int what)
{
    static const char *const title[] = {
        "goodput, as a fraction of what the link allows",
        "retransmissions that were not needed, in % of the packets",
        "mean queue when a packet is put there, ms",
        "retransmission timeouts"};
    int cc, j, t, i;

    for (cc = 0; cc < 2; cc++)
        for (j = 0; j < RTTS; j++) {
            cell c;
            char name[16];

            c.rtt = rtts[j];
            c.cc = cc;
            printf("\n%s, RTT %d ms: %s\n%-12s", cc_name[cc],
                   (int)(rtts[j] / 1000), title[what], "");
            for (i = 0; i < RATES; i++) {
                name_rate(name, sizeof name, rates[i]);
                printf(" %7s", name);
            }
            puts("");
            for (t = 0; t < TROUBLES; t++) {
                printf("%-12s", trouble_name[t]);
                for (i = 0; i < RATES; i++) {
                    const result *r;

                    c.rate = rates[i];
                    c.trouble = t;
                    r = find(b, n, &c);
                    if (r == NULL)
                        printf("       -");
                    else if (what == 0)
                        printf(" %7.3f", r->fraction);
                    else if (what == 1)
                        printf(" %7.2f", r->packets
                                             ? 100.0 * (double)r->spurious /
                                                   (double)r->packets
                                             : 0);
                    else if (what == 2)
                        printf(" %7.1f", r->queue_ms);
                    else
                        printf(" %7.0f", (double)r->timeouts);
                }
                puts("");
            }
        }
}

static long processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n;
}

/* The dearest first, so that no processor waits at the end */
static int dearest(const void *a, const void *b)
{
    const cell *x = (const cell *)a, *y = (const cell *)b;
    double p = (double)x->rate * (double)duration(x);
    double q = (double)y->rate * (double)duration(y);

    return p < q ? 1 : p > q ? -1 : x->trouble - y->trouble;
}

int lab_grid(int argc, char **argv)
{
    const char *json = NULL, *trouble = "", *only_cc = "";
    uint64_t only_rate = 0;
    tcpsm_time only_rtt = 0;
    long jobs = processors();
    uint32_t n = 0, i;
    int a, t, cc, r, d, bad;
    board *b;

    for (a = 1; a < argc; a++)
        if (!strcmp(argv[a], "--json") && a + 1 < argc)
            json = argv[++a];
        else if (!strcmp(argv[a], "--jobs") && a + 1 < argc)
            jobs = atol(argv[++a]);
        else if (!strcmp(argv[a], "--trouble") && a + 1 < argc)
            trouble = argv[++a];
        else if (!strcmp(argv[a], "--cc") && a + 1 < argc)
            only_cc = argv[++a];
        else if (!strcmp(argv[a], "--rate") && a + 1 < argc)
            only_rate = (uint64_t)atof(argv[++a]);
        else if (!strcmp(argv[a], "--rtt") && a + 1 < argc)
            only_rtt = (tcpsm_time)(atof(argv[++a]) * 1000);
        else {
            int help = !strcmp(argv[a], "--help");

            fprintf(help ? stdout : stderr,
                    "usage: lab grid [--json FILE] [--jobs N] [--trouble "
                    "NAME] [--cc newreno|cubic]\n"
                    "                [--rate BIT/S] [--rtt MS]\n"
                    "Exit status: 1 if a byte was wrong, 2 usage, 3 it "
                    "died.\nTroubles:");
            for (t = 0; t < TROUBLES; t++)
                fprintf(help ? stdout : stderr, " %s", trouble_name[t]);
            puts("");
            return help ? 0 : 2;
        }
    b = (board *)mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (b == MAP_FAILED)
        return 3;
    for (t = 0; t < TROUBLES; t++)
        for (cc = 0; cc < 2; cc++)
            for (r = 0; r < RATES; r++)
                for (d = 0; d < RTTS; d++) {
                    cell *c = &b->c[n];

                    if (!strstr(trouble_name[t], trouble) ||
                        !strstr(cc_name[cc], only_cc) ||
                        (only_rate && rates[r] != only_rate) ||
                        (only_rtt && rtts[d] != only_rtt))
                        continue;
                    c->rate = rates[r];
                    c->rtt = rtts[d];
                    c->trouble = t;
                    c->cc = cc;
                    n++;
                }
    qsort(b->c, n, sizeof *b->c, dearest);
    bad = on_all_processors(b, n, jobs) != 0 ? 3 : 0;
    for (i = 0; i < 4; i++)
        print_tables(b, n, (int)i);
    for (i = 0; i < n; i++)
        if (b->r[i].wrong != 0 || !b->c[i].done)
            bad |= 1;
    if (json) {
        FILE *to = fopen(json, "w");

        if (!to) {
            perror(json);
            return 3;
        }
        write_json(to, b, n);
        fclose(to);
    }
    return bad;
}

/* ---- short flows ------------------------------------------------------- */

static int up(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

int lab_flows(int argc, char **argv)
{
    static const uint32_t size[] = {1, 2, 4, 10, 30, 100};
    static const char *const with[] = {"none", "loss-1", "loss-5", "loss-20",
                                       "bursts"};
    static const uint64_t rate[] = {1000000, 10000000, 100000000};
    enum { RUNS = 100 };
    FILE *json = NULL;
    int a, first = 1;
    size_t r, d, t, s;

    for (a = 1; a < argc; a++)
        if (!strcmp(argv[a], "--json") && a + 1 < argc) {
            json = fopen(argv[++a], "w");
            if (!json) {
                perror(argv[a]);
                return 3;
            }
        } else {
            int help = !strcmp(argv[a], "--help");

            fprintf(help ? stdout : stderr,
                    "usage: lab flows [--json FILE]\n"
                    "From open to the last byte read, ms: the mean, and "
                    "what 95 %% keep.\n");
            return help ? 0 : 2;
        }
    if (json)
        fputs("[", json);
    for (r = 0; r < 3; r++)
        for (d = 0; d < RTTS; d++) {
            printf("\n%d Mbit/s, RTT %d ms: ms from open to the last byte, "
                   "mean and 95th percentile of %d\n%-10s",
                   (int)(rate[r] / 1000000), (int)(rtts[d] / 1000), RUNS,
                   "segments");
            for (s = 0; s < sizeof size / sizeof *size; s++)
                printf("  %5u       ", size[s]);
            puts("");
            for (t = 0; t < sizeof with / sizeof *with; t++) {
                printf("%-10s", with[t]);
                for (s = 0; s < sizeof size / sizeof *size; s++) {
                    double ms[RUNS], sum = 0;
                    int i;

                    for (i = 0; i < RUNS; i++) {
                        lab *l = lab_new(rate[r], rtts[d], 200 * LAB_PACKET,
                                         (uint64_t)i + 1);
                        uint32_t flags = 0;
                        lab_flow *f;

                        lab_trouble(l, lab_trouble_by_name(with[t]), LAB_S,
                                    &flags);
                        f = lab_add(l, NULL, NULL);
                        f->total = size[s] * (uint64_t)LAB_PAYLOAD;
                        lab_open(l, f);
                        lab_until(l, lab_all_done, l->now + 600 * LAB_S);
                        ms[i] = f->done ? (double)(f->done - f->opened) / 1e3
                                        : 600e3;
                        sum += ms[i];
                        lab_free(l);
                    }
                    qsort(ms, RUNS, sizeof *ms, up);
                    printf(" %6.0f %6.0f", sum / RUNS, ms[RUNS * 95 / 100]);
                    if (json)
                        fprintf(json,
                                "%s\n{\"rate\":%llu,\"rtt_us\":%llu,"
                                "\"trouble\":\"%s\",\"segments\":%u,"
                                "\"mean_ms\":%.2f,\"p50_ms\":%.2f,"
                                "\"p95_ms\":%.2f,\"max_ms\":%.2f}",
                                first ? "" : ",", (unsigned long long)rate[r],
                                (unsigned long long)rtts[d], with[t], size[s],
                                sum / RUNS, ms[RUNS / 2], ms[RUNS * 95 / 100],
                                ms[RUNS - 1]);
                    first = 0;
                }
                puts("");
            }
        }
    if (json) {
        fputs("\n]\n", json);
        fclose(json);
    }
    return 0;
}

/* ---- fairness ---------------------------------------------------------- */

int lab_fair(int argc, char **argv)
{
    static const char *const mix[] = {"cubic", "newreno", "half-half"};
    static const struct {
        uint64_t rate;
        tcpsm_time rtt;
    } path[] = {{10000000, 20000}, {100000000, 20000}, {100000000, 100000}};
    const char *prefix = NULL;
    FILE *json = NULL;
    int a, m, n, i, first = 1;
    size_t p;

    for (a = 1; a < argc; a++)
        if (!strcmp(argv[a], "--json") && a + 1 < argc)
            json = fopen(argv[++a], "w");
        else if (!strcmp(argv[a], "--prefix") && a + 1 < argc)
            prefix = argv[++a];
        else {
            int help = !strcmp(argv[a], "--help");

            fprintf(help ? stdout : stderr,
                    "usage: lab fair [--json FILE] [--prefix PATH]\n"
                    "2 to 8 flows, 60 s: the least and the greatest share "
                    "in equal shares, Jain's index,\nuse of the link. "
                    "PATH-MIX-N: time and Mbit/s of each flow, every "
                    "2 s.\n");
            return help ? 0 : 2;
        }
    if (json)
        fputs("[", json);
    for (p = 0; p < 3; p++)
        for (m = 0; m < 3; m++) {
            printf("\n%d Mbit/s, RTT %d ms, %s: least and greatest share, "
                   "Jain, use\n",
                   (int)(path[p].rate / 1000000), (int)(path[p].rtt / 1000),
                   mix[m]);
            for (n = 2; n <= LAB_FLOWS; n += 2) {
                lab *l = lab_new(path[p].rate, path[p].rtt, 0, 1);
                double sum = 0, square = 0, least = 1e30, most = 0, x, cubic;
                uint64_t was[LAB_FLOWS] = {0};
                FILE *series = NULL;
                tcpsm_time start = l->now, end, t;
                double use;

                if (prefix && p == 0) {
                    char name[256];

                    snprintf(name, sizeof name, "%s-%s-%d", prefix, mix[m],
                             n);
                    series = fopen(name, "w");
                }
                l->jitter = LAB_PACKET * 8 * LAB_S / path[p].rate;
                cubic = 0;
                for (i = 0; i < n; i++) {
                    tcpsm_config k;

                    memset(&k, 0, sizeof k);
                    k.cc = m == 0 || (m == 2 && i % 2 == 0) ? &lab_cubic
                                                            : &lab_reno;
                    lab_add(l, &k, NULL);
                }
                end = l->now + 60 * LAB_S;
                for (i = 0; i < n; i++) {
                    lab_open(l, l->flow[i]);
                    lab_run(l, l->now + 3 * path[p].rtt + 777);
                }
                for (t = l->now; t < end; t += 2 * LAB_S) {
                    lab_run(l, t + 2 * LAB_S);
                    if (series)
                        fprintf(series, "%.1f", (double)l->now / 1e6 - 1);
                    for (i = 0; i < n; i++) {
                        if (series)
                            fprintf(series, " %.3f",
                                    (double)(l->flow[i]->got - was[i]) *
                                        4e-6);
                        was[i] = l->flow[i]->got;
                    }
                    if (series)
                        fputs("\n", series);
                }
                if (series)
                    fclose(series);
                for (i = 0; i < n; i++) {
                    x = (double)l->flow[i]->got;
                    sum += x;
                    square += x * x;
                    least = x < least ? x : least;
                    most = x > most ? x : most;
                    if (i % 2 == 0)
                        cubic += x;
                }
                use = sum / ((double)(l->now - start) / 1e6) /
                      lab_payload_rate(path[p].rate);
                printf("  %d flows: %.2f %.2f  Jain %.3f  use %.3f", n,
                       least * n / sum, most * n / sum,
                       sum * sum / n / square, use);
                if (m == 2)
                    printf("  CUBIC : NewReno %.2f", cubic / (sum - cubic));
                puts("");
                if (json)
                    fprintf(json,
                            "%s\n{\"rate\":%llu,\"rtt_us\":%llu,"
                            "\"mix\":\"%s\",\"flows\":%d,\"least\":%.4f,"
                            "\"greatest\":%.4f,\"jain\":%.4f,\"use\":%.4f}",
                            first ? "" : ",",
                            (unsigned long long)path[p].rate,
                            (unsigned long long)path[p].rtt, mix[m], n,
                            least * n / sum, most * n / sum,
                            sum * sum / n / square, use);
                first = 0;
                lab_free(l);
            }
        }
    if (json) {
        fputs("\n]\n", json);
        fclose(json);
    }
    return 0;
}
