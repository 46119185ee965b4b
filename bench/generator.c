/* A load generator that costs less than any server it measures: one message in flight on each connection.
 *
 * generator HOST PORT CONNECTIONS SIZE SECONDS IDLE EXTRA
 *
 * EXTRA is how many bytes a reply is longer than its message (27 for a stamp). Replies are counted by their
 * length only; checking their bytes is what `app.py load` is for. Prints one JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { HALF = 128, BUCKETS = 58 * HALF, READY = 1024, BUFFER = 1 << 20, PATIENCE = 5 };

struct link {
    int fd;
    size_t unsent, awaited; /* of the message in flight, and of its reply */
    uint64_t since;
};

static uint64_t counts[BUCKETS], echoes, bytes_in, bytes_out, longest;
static size_t size, extra;
static char *message;
static char buffer[BUFFER];
static int poller;

static void die(const char *what)
{
    fprintf(stderr, "generator: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

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

static int connected(const struct sockaddr_in *address)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address))
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
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
    ssize_t sent = send(link->fd, message + size - link->unsent, link->unsent, MSG_DONTWAIT | MSG_NOSIGNAL);
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
    ssize_t got = recv(link->fd, buffer, sizeof buffer, MSG_DONTWAIT);
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

static void run(int connections, uint64_t deadline)
{
    static struct epoll_event ready[READY];
    uint64_t at = now(), in_time = 0, started = at, ended = 0;
    int open = connections;
    while (open && at < deadline + PATIENCE * 1000000000ull) {
        int n = epoll_wait(poller, ready, READY, 100);
        for (int i = 0; i < n; i++) {
            struct link *link = ready[i].data.ptr;
            if (ready[i].events & EPOLLOUT && link->unsent)
                push(link);
            if (!(ready[i].events & ~EPOLLOUT) || !pull(link))
                continue;
            at = now();
            count(at - link->since);
            echoes++;
            if (at < deadline)
                begin(link, at);
            else
                open--;
        }
        at = now();
        if (at >= deadline && !ended) {
            ended = at;
            in_time = echoes;
        }
    }
    printf("{\"echoes\": %llu, \"echoes_per_s\": %.1f, \"bytes_out\": %llu, \"bytes_in\": %llu, \"missing\": %d, "
           "\"latency_us\": {\"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}}\n",
           (unsigned long long)echoes, in_time * 1e9 / (double)(ended - started), (unsigned long long)bytes_out,
           (unsigned long long)bytes_in, open, percentile_us(0.5), percentile_us(0.99), longest / 1000.0);
}

int main(int argc, char **argv)
{
    if (argc != 8) {
        fprintf(stderr, "usage: generator HOST PORT CONNECTIONS SIZE SECONDS IDLE EXTRA\n");
        return 2;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    int connections = atoi(argv[3]), idle = atoi(argv[6]);
    size = (size_t)atol(argv[4]);
    extra = (size_t)atol(argv[7]);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    struct link *links = calloc((size_t)connections, sizeof *links);
    message = malloc(size);
    if (inet_pton(AF_INET, argv[1], &address.sin_addr) != 1 || !links || !message)
        die("set-up");
    memset(message, 'm', size);
    poller = epoll_create1(0);
    for (int i = 0; i < connections; i++) {
        links[i].fd = connected(&address);
        watch(&links[i], EPOLL_CTL_ADD);
    }
    for (int i = 0; i < idle; i++)
        connected(&address);
    uint64_t started = now();
    for (int i = 0; i < connections; i++)
        begin(&links[i], started);
    run(connections, started + (uint64_t)(atof(argv[5]) * 1e9));
    return 0;
}
