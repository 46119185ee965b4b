"""epoll(7), level-triggered and edge-triggered."""

import select

from core.engine.pollers.poller import MAX_READY, events


class EpollPoller:
    """Level-triggered epoll(7): the kernel keeps the table, a wait costs what is ready."""

    name = "epoll"
    scans = False
    asks = True
    descriptor_limit: int | None = None
    _trigger = 0

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.unregister = self._epoll.unregister
        self.close = self._epoll.close

    def register(self, fd: int, mask: int) -> None:
        self._epoll.register(fd, events(mask) | self._trigger)

    def modify(self, fd: int, mask: int) -> None:
        self._epoll.modify(fd, events(mask) | self._trigger)

    def rearm(self, fd: int, mask: int) -> None:
        pass

    def wait(self, timeout: float | None) -> list[tuple[int, int]]:
        return self._epoll.poll(timeout, MAX_READY)

    def kernel_table(self) -> int | None:
        return self._epoll.fileno()


class EdgePoller(EpollPoller):
    """Edge-triggered epoll(7): a change is told once, so what a visit leaves behind must be asked for again.

    EPOLL_CTL_MOD looks at the descriptor anew and puts it on the ready list when it is ready (ep_modify() in
    fs/eventpoll.c), so every change of interest re-arms as well, and bounded visits need no list of their own.
    An end of stream that came with data shares their edge: EPOLLRDHUP tells of it.
    """

    name = "epoll-et"
    _trigger = select.EPOLLET | select.EPOLLRDHUP

    def rearm(self, fd: int, mask: int) -> None:
        self.modify(fd, mask)
