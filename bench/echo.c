/* The least that an echo server can do: epoll, recv, send. The ceiling of what any of the others can reach.
 *
 * Prints its port and serves 127.0.0.1 until it is killed. A reply that the send buffer does not take
 * whole ends the connection: it has no queue, so it is for one small message in flight a connection.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READY = 1024, BACKLOG = 4096 };

static char buffer[65536];

static void serve(int poller, int listener)
{
    static struct epoll_event ready[READY];
    int n = epoll_wait(poller, ready, READY, -1);
    for (int i = 0; i < n; i++) {
        int fd = ready[i].data.fd;
        if (fd == listener) {
            struct epoll_event event = {.events = EPOLLIN, .data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)};
            if (event.data.fd >= 0)
                epoll_ctl(poller, EPOLL_CTL_ADD, event.data.fd, &event);
            continue;
        }
        ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0 || send(fd, buffer, (size_t)got, MSG_NOSIGNAL) != got)
            close(fd);
    }
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, BACKLOG) ||
        getsockname(listener, (struct sockaddr *)&address, &size) ||
        epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event)) {
        perror("echo");
        return 1;
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;)
        serve(poller, listener);
}
