/* trace.c - one connection, as columns for gnuplot or lines to read - 0BSD */

#include <stdlib.h>
#include <string.h>

#include "lab.h"
#include "pair.h"

static struct {
    FILE *sent, *again, *lost, *ack, *sack, *window;
    int print;
    tcpsm_time from, to, step, last;
    const char *drops;
} out;

static double seconds(tcpsm_time t)
{
    return (double)t / 1e6 - 1; /* laboratories begin at one second */
}

static FILE *column(const char *prefix, const char *name)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof path, "%s.%s", prefix, name);
    f = fopen(path, "w");
    if (!f) {
        perror(path);
        exit(3);
    }
    return f;
}

static void put_window(const lab_event *e)
{
    struct tcpsm_info i;

    if (e->now < out.last + out.step)
        return;
    out.last = e->now;
    lab_info(e->flow, 0, &i);
    if (out.window)
        fprintf(out.window, "%.6f %u %u %u %u %u %u\n", seconds(e->now),
                i.cwnd / LAB_PAYLOAD,
                i.ssthresh > 0x10000000 ? 0 : i.ssthresh / LAB_PAYLOAD,
                i.flight / LAB_PAYLOAD, i.in_recovery, i.srtt_us,
                i.pacing_rate);
}

static uint64_t of_stream(const lab_event *e, uint32_t seq)
{
    uint32_t low = seq - e->flow->isn[0] - 1;

    return e->flow->una +
           (uint64_t)(int64_t)(int32_t)(low - (uint32_t)e->flow->una);
}

static void on_data(const lab_event *e)
{
    double t = seconds(e->now), a = (double)e->at / LAB_PAYLOAD,
           b = (double)(e->at + e->len) / LAB_PAYLOAD;
    FILE *to = e->again ? out.again : out.sent;

    if (e->what != LAB_SENT || e->len == 0)
        return;
    if (to)
        fprintf(to, "%.6f %.2f %.2f\n", t, a, b);
    if (out.lost && (e->fate & NETSIM_DROPPED))
        fprintf(out.lost, "%.6f %.2f\n", t, a);
    put_window(e);
}

static void line(const lab_event *e)
{
    pair_segment s;
    struct tcpsm_info info;
    uint32_t len = e->header[12] / 16u * 4u;
    int i;

    if (pair_parse(&s, e->header, len) != 0)
        return;
    if (e->side == 0 && e->what == LAB_SENT) {
        printf("%9.6f > %7.2f +%-4u%s%s%s", seconds(e->now),
               (double)e->at / LAB_PAYLOAD, e->len, e->again ? " AGAIN" : "",
               e->fate & NETSIM_DROPPED ? " lost" : "",
               s.flags & PAIR_SYN ? " SYN" : "");
    } else if (e->side == 1 && e->what == LAB_TAKEN) {
        printf("%9.6f < ack %7.2f", seconds(e->now),
               (double)of_stream(e, s.ack) / LAB_PAYLOAD);
        for (i = 0; i < s.sacks; i++)
            printf(" [%.2f %.2f)",
                   (double)of_stream(e, s.sack[i][0]) / LAB_PAYLOAD,
                   (double)of_stream(e, s.sack[i][1]) / LAB_PAYLOAD);
    } else
        return;
    lab_info(e->flow, 0, &info);
    printf("  cwnd %.1f ssthresh %.1f flight %.1f sacked %u lost %u rec %u "
           "srtt %.1f ms rto %.0f ms reo %.1f ms\n",
           (double)info.cwnd / LAB_PAYLOAD,
           info.ssthresh > 0x10000000 ? 0.0
                                      : (double)info.ssthresh / LAB_PAYLOAD,
           (double)info.flight / LAB_PAYLOAD, info.sacked, info.lost,
           info.in_recovery, info.srtt_us / 1e3, info.rto_us / 1e3,
           info.reo_wnd_us / 1e3);
}

static void watch(lab *l, const lab_event *e)
{
    pair_segment s;
    int i;

    if (l->now < out.from || l->now > out.to || e->flow->number != 0)
        return;
    if (out.print)
        line(e);
    if (e->side == 0) {
        on_data(e);
        return;
    }
    if (e->what != LAB_TAKEN ||
        pair_parse(&s, e->header, e->header[12] / 16u * 4u) != 0 ||
        (s.flags & PAIR_SYN))
        return;
    put_window(e);
    if (out.ack)
        fprintf(out.ack, "%.6f %.2f\n", seconds(e->now),
                (double)of_stream(e, s.ack) / LAB_PAYLOAD);
    for (i = 0; out.sack && i < s.sacks; i++)
        fprintf(out.sack, "%.6f %.2f %.2f\n", seconds(e->now),
                (double)of_stream(e, s.sack[i][0]) / LAB_PAYLOAD,
                (double)of_stream(e, s.sack[i][1]) / LAB_PAYLOAD);
}

/* The first transmission of these segments is dropped: "10,12-14" */
static unsigned drop_listed(lab *l, const lab_event *e)
{
    const char *at = out.drops;
    uint64_t n = e->at / LAB_PAYLOAD, a, b;
    char *end;

    (void)l;
    if (e->side != 0 || e->len == 0 || e->again)
        return 0;
    while (at && *at) {
        a = b = strtoull(at, &end, 10);
        if (*end == '-')
            b = strtoull(end + 1, &end, 10);
        if (n >= a && n <= b)
            return NETSIM_DO_DROP;
        at = *end == ',' ? end + 1 : NULL;
    }
    return 0;
}

static double number(const char *s)
{
    char *end;
    double x = strtod(s, &end);

    return *end == 'k'   ? x * 1e3
           : *end == 'M' ? x * 1e6
           : *end == 'G' ? x * 1e9
                         : x;
}

static const char usage[] =
    "usage: lab trace [OPTIONS]\n"
    "  --rate BIT/S (10M)  --rtt MS (40)  --queue BYTES (a BDP)\n"
    "  --cc cubic|newreno  --trouble NAME (see lab grid --help)\n"
    "  --loss %  --reorder %  --late MS\n"
    "  --drop 10,12-14     the first transmission of these segments\n"
    "  --segments N        how much to send (endless)\n"
    "  --seconds S (2)     --seed N (1)    --flags N (tcpsm_config.flags)\n"
    "  --from S --to S     the part to record\n"
    "  --step MS           at most one line of .window in so long\n"
    "  --tick MS           of the hosts' clocks (0: exact)\n"
    "  --inline-tables     8 runs and 4 ranges, none lent\n"
    "  --print             one line for each segment sent and ACK taken\n"
    "  --prefix PATH       PATH.sent, .again, .lost, .ack, .sack, .window\n"
    "Columns: seconds, then segments of 1448 bytes; .window: cwnd, ssthresh "
    "(0: none yet),\nin flight, recovery, SRTT us, pacing bytes/s.\n";

int lab_trace(int argc, char **argv)
{
    uint64_t rate = 10000000, queue = 0, seed = 1, segments = 0;
    const char *prefix = NULL;
    double rtt = 40, run = 2, from = 0, to = 1e9;
    double loss = -1, reorder = -1, late = -1, tick = 0;
    int trouble = 0, a, inline_tables = 0;
    struct tcpsm_info info;
    tcpsm_config k;
    lab_flow *f;
    lab *l;

    memset(&k, 0, sizeof k);
    k.cc = &lab_cubic;
    for (a = 1; a < argc; a++) {
        const char *v = a + 1 < argc ? argv[a + 1] : "";

        if (!strcmp(argv[a], "--print")) {
            out.print = 1;
            continue;
        }
        if (!strcmp(argv[a], "--inline-tables")) {
            inline_tables = 1;
            continue;
        }
        if (!strcmp(argv[a], "--rate"))
            rate = (uint64_t)number(v);
        else if (!strcmp(argv[a], "--rtt"))
            rtt = number(v);
        else if (!strcmp(argv[a], "--queue"))
            queue = (uint64_t)number(v);
        else if (!strcmp(argv[a], "--cc"))
            k.cc = strcmp(v, "newreno") == 0 ? &lab_reno : &lab_cubic;
        else if (!strcmp(argv[a], "--trouble") &&
                 (trouble = lab_trouble_by_name(v)) >= 0)
            ;
        else if (!strcmp(argv[a], "--loss"))
            loss = number(v);
        else if (!strcmp(argv[a], "--reorder"))
            reorder = number(v);
        else if (!strcmp(argv[a], "--tick"))
            tick = number(v);
        else if (!strcmp(argv[a], "--late"))
            late = number(v);
        else if (!strcmp(argv[a], "--drop"))
            out.drops = v;
        else if (!strcmp(argv[a], "--segments"))
            segments = (uint64_t)number(v);
        else if (!strcmp(argv[a], "--seconds"))
            run = number(v);
        else if (!strcmp(argv[a], "--seed"))
            seed = (uint64_t)number(v);
        else if (!strcmp(argv[a], "--flags"))
            k.flags = (uint32_t)number(v);
        else if (!strcmp(argv[a], "--from"))
            from = number(v);
        else if (!strcmp(argv[a], "--to"))
            to = number(v);
        else if (!strcmp(argv[a], "--step"))
            out.step = (tcpsm_time)(number(v) * 1e3);
        else if (!strcmp(argv[a], "--prefix"))
            prefix = v;
        else {
            int help = !strcmp(argv[a], "--help");

            fputs(usage, help ? stdout : stderr);
            return help ? 0 : 2;
        }
        a++;
    }
    if (prefix) {
        out.sent = column(prefix, "sent");
        out.again = column(prefix, "again");
        out.lost = column(prefix, "lost");
        out.ack = column(prefix, "ack");
        out.sack = column(prefix, "sack");
        out.window = column(prefix, "window");
    }
    out.from = (tcpsm_time)((from + 1) * 1e6);
    out.to = (tcpsm_time)((to + 1) * 1e6);
    if (queue == 0)
        queue = lab_trouble_queue(trouble, rate, (tcpsm_time)(rtt * 1e3));
    l = lab_new(rate, (tcpsm_time)(rtt * 1e3), queue, seed);
    lab_trouble(l, trouble, (tcpsm_time)(run * 1e6), &k.flags);
    if (loss >= 0)
        l->net.link[0].loss_ppm = (uint32_t)(loss * 1e4);
    if (reorder >= 0)
        l->net.link[0].reorder_ppm = (uint32_t)(reorder * 1e4);
    if (late >= 0)
        l->net.link[0].reorder_us = (uint64_t)(late * 1e3);
    l->watch = watch;
    l->tick = (tcpsm_time)(tick * 1e3);
    l->inline_tables = inline_tables != 0;
    l->script = out.drops ? drop_listed : NULL;
    f = lab_add(l, &k, NULL);
    if (segments)
        f->total = segments * LAB_PAYLOAD;
    lab_open(l, f);
    lab_run(l, l->now + (tcpsm_time)(run * 1e6));
    lab_info(f, 0, &info);
    printf("goodput %.3f of the link; %llu segments, %llu again, %.0f "
           "needlessly, %llu RTO, %llu TLP, %llu undone, %llu recoveries, "
           "queue mean %.1f max %.1f ms%s",
           (double)f->got / run / lab_payload_rate(rate),
           (unsigned long long)f->packets,
           (unsigned long long)f->again_packets,
           (double)f->spurious / LAB_PAYLOAD,
           (unsigned long long)f->n[0].timeouts,
           (unsigned long long)f->n[0].loss_probes,
           (unsigned long long)f->n[0].undone,
           (unsigned long long)f->n[0].fast_retransmits,
           l->queue_sum / (double)(l->queue_n + !l->queue_n) * 8e3 /
               (double)rate,
           (double)l->queue_max * 8e3 / (double)rate,
           f->wrong ? " WRONG BYTES" : "");
    if (f->done)
        printf("; done after %.3f ms", (double)(f->done - f->opened) / 1e3);
    puts("");
    a = f->wrong != 0;
    lab_free(l);
    return a;
}
