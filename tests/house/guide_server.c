/* guide_server - the other side of docs/guide.md's server - 0BSD

   guide_server FIRST LAST [MUST-FAIL]
   Built by tests/house/docs.sh with -DSERVER='"server.c"', the program as it
   stands in the guide. Runs it once for each ring size from FIRST to LAST,
   with clients of every kind and in virtual time, and wants each client
   served and the stack empty at the end; else says why not. Exit status: 0
   if so for every size; 1 at the first that was not. With MUST-FAIL it is
   the other way round: 0 if for no size all were served. */

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define main server_main
#include SERVER
#undef main

enum { BATCH, ASK, MUTE, HALF_LINE, TOO_LONG, SLOW, VANISH, KINDS };
static const char *kind_name[KINDS] = {
    "a client that sends all it has",
    "a client that awaits each answer",
    "a client that says nothing and closes its half",
    "a client that stops in the middle of a line",
    "a client with a line that is too long",
    "a client that reads a byte at a time",
    "a client that resets"};

enum { LINES = 6, TEXT = 70000 };
static struct client {
    tcpsm_conn c;
    uint8_t rx[512], tx[512];
    uint8_t text[TEXT], answer[TEXT]; /* to say; heard */
    uint32_t end[LINES];              /* where the lines end */
    uint32_t len, sent, heard;
    tcpsm_ret how; /* it ended: E_EOF or an error */
    tcpsm_time again;
    int shut;
} client[KINDS];

static tcpsm_time clock_us;
static uint32_t random_state, ring_size, turns;
static int lossy;
static jmp_buf over;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}

static void bad(const char *why, int kind)
{
    printf("ring %u: %s%s%s\n", (unsigned)ring_size, why,
           kind < 0 ? "" : ": ", kind < 0 ? "" : kind_name[kind]);
    longjmp(over, 2);
}

/* ---- the clients ---------------------------------------------------- */

static void start_client(int kind)
{
    struct client *p = &client[kind];
    tcpsm_config cfg = TCPSM_ZERO;
    tcpsm_tuple to = TCPSM_ZERO;
    uint32_t i, n, longest = ring_size / 2;

    memset(p, 0, sizeof *p);
    cfg.key[0] = 1;
    cfg.flags = TCPSM_NODELAY;
    tcpsm_init(&p->c, &cfg);
    tcpsm_attach(&p->c, TCPSM_RECEIVE, p->rx,
                 kind == SLOW ? 16 : sizeof p->rx, NULL);
    tcpsm_attach(&p->c, TCPSM_SEND, p->tx, sizeof p->tx, NULL);
    to.family = 4;
    to.local[0] = to.remote[0] = 10;
    to.local[3] = 2;
    to.remote[3] = 1;
    to.local_port = (uint16_t)(40000 + kind);
    to.remote_port = 7;
    for (i = 0; kind != MUTE && i < LINES; i++) {
        n = kind == ASK && longest > 1 ? longest - i % 2
                                       : 1 + random_below(longest);
        if (kind == SLOW && n > 64)
            n = 64;
        while (n-- > 1)
            p->text[p->len++] = (uint8_t)('a' + random_below(26));
        p->text[p->len++] = '\n';
        p->end[i] = p->len;
    }
    if (kind == HALF_LINE || kind == VANISH)
        p->len -= 1;        /* no end of line */
    if (kind == TOO_LONG) { /* behind a line so short that no window moves */
        p->text[0] = '\n';
        for (n = 1; n <= ring_size + 1; n++)
            p->text[n] = 'x';
        p->len = n;
    }
    tcpsm_open(&p->c, &to, clock_us);
}

static int awaited(const struct client *p, int kind)
{
    int i;

    for (i = 0; kind == ASK && i < LINES; i++)
        if (p->sent == p->end[i] && p->heard < p->end[i])
            return 1;
    return 0;
}

static void client_turn(int kind)
{
    struct client *p = &client[kind];
    uint32_t n, i;
    tcpsm_ret r;

    while (p->sent < p->len && !awaited(p, kind)) {
        n = p->len - p->sent;
        for (i = 0; kind == ASK && i < LINES; i++)
            if (p->sent < p->end[i] && p->sent + n > p->end[i])
                n = p->end[i] - p->sent;
        if ((r = tcpsm_send(&p->c, p->text + p->sent, n, 0)) <= 0)
            break;
        p->sent += (uint32_t)r;
    }
    if (kind == VANISH && p->sent == p->len && !p->shut) {
        tcpsm_abort(&p->c);
        p->shut = 1;
    }
    if (p->sent == p->len && !p->shut && !awaited(p, kind)) {
        tcpsm_shutdown(&p->c);
        p->shut = 1;
    }
    if (p->again > clock_us)
        return;
    n = TEXT - p->heard;
    if (kind == SLOW)
        n = 1;
    r = tcpsm_receive(&p->c, p->answer + p->heard, n);
    if (r > 0) {
        p->heard += (uint32_t)r;
        p->again = kind == SLOW ? clock_us + 100000 : 0;
    } else if (r < 0 && p->how == 0) {
        p->how = r;
        tcpsm_close(&p->c);
    }
}

static int served(void)
{
    struct tcpsm_stack_info info;
    int i;

    for (i = 0; i < KINDS; i++)
        if ((client[i].how == 0 && i != VANISH) ||
            (tcpsm_state(&client[i].c) != TCPSM_CLOSED &&
             tcpsm_state(&client[i].c) != TCPSM_TIME_WAIT))
            return 0;
    tcpsm_stack_status(st, &info);
    return info.conns == 0;
}

static void judge(void)
{
    const struct client *p;
    int i;

    for (i = 0; i < KINDS; i++) {
        p = &client[i];
        if (p->heard > p->len || memcmp(p->text, p->answer, p->heard) != 0)
            bad("a wrong answer", i);
        switch (i) {
        case BATCH:
        case ASK:
        case MUTE:
        case SLOW:
            if (p->heard != p->len || p->how != TCPSM_E_EOF)
                bad("not served to the end", i);
            break;
        case HALF_LINE:
        case TOO_LONG:
            if (p->text[p->len - 1] != '\n' && p->how != TCPSM_E_RESET)
                bad("not reset", i);
            break;
        default:
            break;
        }
    }
}

static void give_up(void)
{
    uint32_t at = 0, left = 0, waiting = 0;
    const tcpsm_conn *c;
    int i;

    while ((c = tcpsm_stack_walk(st, &at)) != NULL) {
        left++;
        waiting += tcpsm_state(c) == TCPSM_CLOSE_WAIT;
    }
    printf("ring %u: %u connections left, %u in CLOSE-WAIT\n",
           (unsigned)ring_size, (unsigned)left, (unsigned)waiting);
    for (i = 0; i < KINDS; i++)
        if (client[i].how == 0 && i != VANISH)
            printf("waits for ever: %s\n", kind_name[i]);
    longjmp(over, 2);
}

/* ---- net.h ---------------------------------------------------------- */

void random_bytes(uint8_t *p, size_t n)
{
    memset(p, 42, n);
}

tcpsm_time now(void)
{
    return clock_us;
}

int packet_room(void)
{
    return turns % 5 != 0; /* as a device that is full now and then */
}

uint32_t packet_in(uint8_t *buf, size_t cap)
{
    uint8_t segment[2048];
    tcpsm_out out = TCPSM_ZERO;
    tcpsm_ret n, h;
    int i;

    for (i = 0; i < KINDS; i++) {
        client_turn(i);
        out.buf = segment + 40;
        out.cap = sizeof segment - 40;
        while ((n = tcpsm_output(&client[i].c, &out, clock_us)) > 0) {
            if (lossy && random_below(20) == 0)
                continue;
            h = tcpsm_ip_build(segment + 40, (uint32_t)n, &out);
            if (h < 0 || (size_t)(n + h) > cap)
                bad("no datagram", i);
            memcpy(buf, segment + 40 - h, (size_t)(n + h));
            return (uint32_t)(n + h);
        }
    }
    return 0;
}

void packet_out(const uint8_t *datagram, uint32_t len)
{
    tcpsm_in in = TCPSM_ZERO;
    const uint8_t *tcp;
    uint32_t kind;

    if (lossy && random_below(20) == 0)
        return;
    if (tcpsm_ip_parse(datagram, len, &in) != 6)
        bad("not a datagram of TCP", -1);
    tcp = (const uint8_t *)in.data;
    kind = ((uint32_t)tcp[2] << 8 | tcp[3]) - 40000u;
    if (kind >= KINDS)
        bad("to nobody", -1);
    tcpsm_input(&client[kind].c, &in, clock_us);
}

void wait_until(tcpsm_time deadline)
{
    tcpsm_time d;
    int i;

    if (tcpsm_stack_check(st) != 0)
        bad("tcpsm_stack_check", -1);
    if (served()) {
        judge();
        longjmp(over, 1);
    }
    if (turns++ > 400000 || clock_us > (tcpsm_time)6 * 3600 * 1000000)
        give_up();
    for (i = 0; i < KINDS; i++) {
        client_turn(i);
        if (client[i].again > clock_us && client[i].again < deadline)
            deadline = client[i].again;
        if ((d = tcpsm_deadline(&client[i].c)) < deadline)
            deadline = d;
    }
    if (!packet_room()) /* there will be some in a moment */
        deadline = clock_us + 1000;
    if (deadline == TCPSM_NEVER)
        give_up();
    if (deadline > clock_us)
        clock_us = deadline;
}

/* --------------------------------------------------------------------- */

static int run(uint32_t size)
{
    int i, how;

    ring_size = ring = size;
    random_state = size;
    lossy = size % 2 == 0;
    clock_us = 1000000;
    turns = 0;
    if ((how = setjmp(over)) == 0) {
        for (i = 0; i < KINDS; i++)
            start_client(i);
        server_main();
        printf("ring %u: the server ended\n", (unsigned)size);
        how = 2;
    }
    return how == 1;
}

int main(int argc, char **argv)
{
    uint32_t size, first, last;
    int must_fail = argc > 3, good;

    if (argc < 3) {
        fprintf(stderr, "usage: guide_server FIRST LAST [MUST-FAIL]\n");
        return 2;
    }
    first = (uint32_t)atoi(argv[1]);
    last = (uint32_t)atoi(argv[2]);
    for (size = first; size <= last; size++) {
        good = run(size);
        if (good == must_fail) {
            if (good)
                printf("ring %u: all served\n", (unsigned)size);
            return 1;
        }
    }
    return 0;
}
