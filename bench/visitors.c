/* Clients that say nothing.
 *
 * visitors hold COUNT SOURCE HOST PORT: opens COUNT connections from the address SOURCE, prints a line once it has
 * them, and keeps them until it is killed.
 *
 * visitors churn SECONDS ABREAST HOST PORT: opens a connection, ends its side at once and waits until the server has
 * done the same, ABREAST at a time; prints one JSON object. What is counted has been accepted, read to its
 * end, and closed by the server.
 */
#include "clients.h"

enum { READY = 256, SOURCES = 64, PATIENCE_MS = 5000 };

static _Noreturn void hold(int count, const char *source, const struct sockaddr_in *address)
{
    struct sockaddr_in from = address_of(source, 0);
    for (int i = 0; i < count; i++)
        connected(address, &from);
    printf("%d\n", count);
    fflush(stdout);
    for (;;)
        pause();
}

/* From many addresses in turn: closed connections keep their ports for a while. */
static void visit(int poller, const struct sockaddr_in *address)
{
    static unsigned number;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000101u + number++ % SOURCES)};
    struct epoll_event event = {.events = EPOLLIN, .data.fd = connected(address, &from)};
    if (shutdown(event.data.fd, SHUT_WR) || epoll_ctl(poller, EPOLL_CTL_ADD, event.data.fd, &event))
        die("visit");
}

static void leave(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, 0);
    if (got) {
        errno = got < 0 ? errno : EPROTO;
        die("recv");
    }
    close(fd);
}

static int churn(double seconds, int abreast, const struct sockaddr_in *address)
{
    static struct epoll_event ready[READY];
    int poller = epoll_create1(0), open = abreast;
    uint64_t started = now(), deadline = started + (uint64_t)(seconds * 1e9), at = started, visits = 0;
    for (int i = 0; i < abreast; i++)
        visit(poller, address);
    while (open) {
        int n = epoll_wait(poller, ready, READY, PATIENCE_MS);
        if (n <= 0) {
            errno = n ? errno : ETIMEDOUT;
            die("epoll_wait");
        }
        for (int i = 0; i < n; i++) {
            leave(ready[i].data.fd);
            at = now();
            if (at < deadline) {
                visits++;
                visit(poller, address);
            } else
                open--;
        }
    }
    printf("{\"visits\": %llu, \"visits_per_s\": %.1f}\n", (unsigned long long)visits, (double)visits / seconds);
    return 0;
}

int main(int argc, char **argv)
{
    int holds = argc == 6 && !strcmp(argv[1], "hold"), churns = argc == 6 && !strcmp(argv[1], "churn");
    if (!holds && !churns) {
        fprintf(stderr, "usage: visitors hold COUNT SOURCE HOST PORT | visitors churn SECONDS ABREAST HOST PORT\n");
        return 2;
    }
    struct sockaddr_in address = address_of(argv[4], atoi(argv[5]));
    raise_descriptor_limit();
    if (holds)
        hold(atoi(argv[2]), argv[3], &address);
    return churn(atof(argv[2]), atoi(argv[3]), &address);
}
