/* A load generator that costs less than any server it measures: one message in flight on each connection.
 *
 * generator [-c CONNECTIONS] [-s SIZE] [-t SECONDS] [-x EXTRA] [-r RATE] HOST PORT
 *
 * EXTRA is how many bytes a reply is longer than its message (27 for a stamp). Replies are counted by their
 * length only; checking their bytes is what `app.py load` is for. Large messages are sent and received without
 * being copied by this program. Prints one JSON object.
 *
 * With RATE (messages a second, on all connections together) the next message does not wait for a reply: each has its
 * time, evenly spaced, and reply times count from then, also when the connection was still busy. It spins, so it
 * needs a core of its own.
 */
#include "clients.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

enum { HALF = 128, BUCKETS = 58 * HALF, READY = 1024, LARGE = 1 << 16, PATIENCE = 5 };

struct link {
    int fd;
    size_t unsent, awaited; /* of the message in flight, and of its reply */
    uint64_t since;
    uint64_t begun, due; /* paced messages: how many of this connection have been sent, and should have been */
};

static uint64_t counts[BUCKETS], echoes, bytes_in, bytes_out, longest;
static size_t size = 64, extra;
static char *message, buffer[LARGE];
static int poller, file = -1;

/* Log-linear: below 256 ns a bucket a value, then 128 buckets an octave. */
static void count(uint64_t ns)
{
    int shift = ns < 256 ? 0 : 56 - __builtin_clzll(ns);
    counts[(uint64_t)shift * HALF + (ns >> shift)]++;
    if (ns > longest)
        longest = ns;
}

static double percentile_us(double share)
{
    uint64_t reached = 0;
    for (int bucket = 0; bucket < BUCKETS; bucket++)
        if (counts[bucket] && (reached += counts[bucket]) >= share * echoes) {
            int shift = bucket < 2 * HALF ? 0 : bucket / HALF - 1;
            return (double)((uint64_t)(bucket - shift * HALF) << shift) / 1000;
        }
    return 0;
}

static void watch(struct link *link, int how)
{
    struct epoll_event event = {.events = EPOLLIN | (link->unsent ? EPOLLOUT : 0), .data.ptr = link};
    if (epoll_ctl(poller, how, link->fd, &event))
        die("epoll_ctl");
}

static void push(struct link *link)
{
    size_t before = link->unsent;
    off_t at = (off_t)(size - before);
    ssize_t sent = file < 0 ? send(link->fd, message + at, before, 0) : sendfile(link->fd, file, &at, before);
    if (sent < 0 && errno != EAGAIN)
        die("send");
    if (sent > 0) {
        link->unsent -= (size_t)sent;
        bytes_out += (uint64_t)sent;
    }
    if (link->unsent || before < size)
        watch(link, EPOLL_CTL_MOD);
}

static void begin(struct link *link, uint64_t at)
{
    link->since = at;
    link->unsent = size;
    link->awaited = size + extra;
    push(link);
}

/* Returns 1 when the reply is whole. */
static int pull(struct link *link)
{
    /* tcp(7): with MSG_TRUNC the bytes are discarded. */
    ssize_t got = file < 0 ? recv(link->fd, buffer, sizeof buffer, 0) : recv(link->fd, NULL, size + extra, MSG_TRUNC);
    if (got < 0 && errno == EAGAIN)
        return 0;
    if (got <= 0 || (size_t)got > link->awaited) {
        errno = got < 0 ? errno : got ? EPROTO : ECONNRESET;
        die("recv");
    }
    bytes_in += (uint64_t)got;
    link->awaited -= (size_t)got;
    return link->awaited == 0;
}

/* Waits at most so long; calls back for each reply that is whole, at the time that it gets. */
static void turn(int timeout_ms, void (*replied)(struct link *, uint64_t))
{
    static struct epoll_event ready[READY];
    int n = epoll_wait(poller, ready, READY, timeout_ms);
    for (int i = 0; i < n; i++) {
        struct link *link = ready[i].data.ptr;
        if (ready[i].events & EPOLLOUT && link->unsent)
            push(link);
        if (ready[i].events & ~EPOLLOUT && pull(link)) {
            uint64_t at = now();
            count(at - link->since);
            echoes++;
            replied(link, at);
        }
    }
}

static void report(double seconds, uint64_t in_time, uint64_t missing)
{
    printf("{\"echoes\": %llu, \"echoes_per_s\": %.1f, \"bytes_out\": %llu, \"bytes_in\": %llu, \"missing\": %llu, "
           "\"latency_us\": {\"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}}\n",
           (unsigned long long)echoes, (double)in_time / seconds, (unsigned long long)bytes_out,
           (unsigned long long)bytes_in, (unsigned long long)missing, percentile_us(0.5), percentile_us(0.99),
           longest / 1000.0);
}

static uint64_t deadline;
static int open_links;

static void send_another(struct link *link, uint64_t at)
{
    if (at < deadline)
        begin(link, at);
    else
        open_links--;
}

/* As fast as the replies come. */
static void run(struct link *links, int connections, double seconds)
{
    uint64_t at = now(), in_time = 0, started = at, ended = 0;
    deadline = started + (uint64_t)(seconds * 1e9);
    open_links = connections;
    for (int i = 0; i < connections; i++)
        begin(&links[i], started);
    while (open_links && at < deadline + PATIENCE * 1000000000ull) {
        turn(100, send_another);
        at = now();
        if (at >= deadline && !ended) {
            ended = at;
            in_time = echoes;
        }
    }
    report((double)(ended - started) / 1e9, in_time, (uint64_t)open_links);
}

static struct link *paced;
static uint64_t pace_start, paced_links;
static double pace; /* ns from one message to the next */

/* The n-th message of all is the (n / connections)-th of connection n % connections. */
static void begin_paced(struct link *link)
{
    uint64_t number = (uint64_t)(link - paced) + link->begun++ * paced_links;
    begin(link, pace_start + (uint64_t)((double)number * pace));
}

static void send_late(struct link *link, uint64_t at)
{
    (void)at;
    if (link->begun < link->due)
        begin_paced(link);
}

/* Each message at its time. */
static void run_paced(struct link *links, int connections, double seconds, double rate)
{
    uint64_t total = (uint64_t)(seconds * rate), sent = 0, at = now();
    paced = links;
    paced_links = (uint64_t)connections;
    pace = 1e9 / rate;
    pace_start = at;
    deadline = at + (uint64_t)((seconds + PATIENCE) * 1e9);
    while (echoes < total && at < deadline) {
        for (at = now(); sent < total && pace_start + (uint64_t)((double)sent * pace) <= at; sent++) {
            struct link *link = &links[sent % paced_links];
            link->due++;
            if (!link->awaited)
                begin_paced(link);
        }
        turn(sent < total ? 0 : 100, send_late);
    }
    report(seconds, echoes, total - echoes);
}

static void prepare_message(void)
{
    message = malloc(size);
    if (!message)
        die("malloc");
    memset(message, 'm', size);
    if (size < LARGE)
        return;
    file = memfd_create("message", 0);
    if (file < 0 || write(file, message, size) != (ssize_t)size)
        die("memfd");
}

int main(int argc, char **argv)
{
    double seconds = 1, rate = 0;
    int connections = 100, option;
    while ((option = getopt(argc, argv, "c:s:t:x:r:")) != -1)
        switch (option) {
        case 'c': connections = atoi(optarg); break;
        case 's': size = (size_t)atol(optarg); break;
        case 't': seconds = atof(optarg); break;
        case 'x': extra = (size_t)atol(optarg); break;
        case 'r': rate = atof(optarg); break;
        default: return 2;
        }
    if (argc - optind != 2 || connections < 1 || size < 1 || seconds <= 0) {
        fprintf(stderr, "usage: generator [-c CONNECTIONS] [-s SIZE] [-t SECONDS] [-x EXTRA] [-r RATE] HOST PORT\n");
        return 2;
    }
    struct sockaddr_in address = address_of(argv[optind], atoi(argv[optind + 1])), from = {.sin_family = AF_INET};
    struct link *links = calloc((size_t)connections, sizeof *links);
    if (!links)
        die("calloc");
    raise_descriptor_limit();
    signal(SIGPIPE, SIG_IGN);
    prepare_message();
    poller = epoll_create1(0);
    for (int i = 0; i < connections; i++) {
        links[i].fd = connected(&address, &from);
        fcntl(links[i].fd, F_SETFL, O_NONBLOCK);
        watch(&links[i], EPOLL_CTL_ADD);
    }
    if (rate > 0)
        run_paced(links, connections, seconds, rate);
    else
        run(links, connections, seconds);
    return 0;
}
