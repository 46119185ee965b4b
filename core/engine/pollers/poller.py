"""Readiness: one small interface, one backend a system call.

A backend owns the kernel handle and nothing else: no callbacks, no timers, no table. `wait` answers pairs
`(descriptor, mask)`. READ and WRITE are the kernel's own POLLIN and POLLOUT, so that nothing is translated
a descriptor; an error or hang-up sets further bits, without READ or WRITE being certain (a reset connection
may show POLLHUP alone). A visit therefore treats every bit that it does not know as "both": the next read or
write finds the real errno.

Who watches for READ is also told URGENT, which is POLLPRI: TCP urgent data has come. A read ends in front of it, and
is short although more has arrived (tcp_recvmsg_locked() in net/ipv4/tcp.c).
"""

import select
from collections.abc import Callable
from typing import Final, Protocol

READ: Final = select.POLLIN
WRITE: Final = select.POLLOUT
URGENT: Final = select.POLLPRI

MAX_READY: Final = 1024
"""Descriptors handled in one turn at most, so that timers and other threads get theirs."""


class Poller(Protocol):
    """What a backend answers. Descriptors are ints, timeouts seconds (None: for ever)."""

    name: str
    descriptor_limit: int | None
    """Descriptors of this number and above can't be watched; None: no limit of its own."""
    scans: bool
    """Whether a wait looks at every descriptor, ready or not."""
    asks: bool
    """Whether a wait is a system call."""

    def register(self, fd: int, mask: int) -> None:
        """Watch `fd`. Raises ValueError above `descriptor_limit`, FileExistsError when it is watched already."""

    def modify(self, fd: int, mask: int) -> None:
        """Change what is watched for; mask 0 leaves errors and hang-ups only. Raises KeyError or FileNotFoundError."""

    def rearm(self, fd: int, mask: int) -> None:
        """Tell again of readiness that a visit did not use up; `mask` is what is watched for.

        Level-triggered backends do so by themselves.
        """

    def unregister(self, fd: int) -> None:
        """Forget `fd`, which must still be open. Raises KeyError or FileNotFoundError when it is not watched."""

    def wait(self, timeout: float | None) -> list[tuple[int, int]]:
        """Up to MAX_READY ready pairs; empty after `timeout`."""

    def kernel_table(self) -> int | None:
        """The descriptor under which the kernel keeps the table; None: there is none."""

    def close(self) -> None:
        """Give the kernel handle back."""


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
        self._epoll.register(fd, _events(mask) | self._trigger)

    def modify(self, fd: int, mask: int) -> None:
        self._epoll.modify(fd, _events(mask) | self._trigger)

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


class PollPoller:
    """poll(2): the table crosses into the kernel at every wait, which looks at each entry."""

    name = "poll"
    scans = True
    asks = True
    descriptor_limit: int | None = None

    def __init__(self) -> None:
        self._poll = select.poll()
        self._watched: set[int] = set()
        self._from = 0

    def register(self, fd: int, mask: int) -> None:
        if fd in self._watched:
            raise FileExistsError(f"descriptor {fd} is already watched")
        self._watched.add(fd)
        self._poll.register(fd, _events(mask))

    def modify(self, fd: int, mask: int) -> None:
        if fd not in self._watched:
            raise KeyError(fd)
        self._poll.modify(fd, _events(mask))

    def rearm(self, fd: int, mask: int) -> None:
        pass

    def unregister(self, fd: int) -> None:
        self._watched.remove(fd)
        self._poll.unregister(fd)

    def wait(self, timeout: float | None) -> list[tuple[int, int]]:
        return _fair(self._poll.poll(None if timeout is None else timeout * 1000), self)

    def kernel_table(self) -> int | None:
        return None

    def close(self) -> None:
        self._watched.clear()


class SelectPoller:
    """select(2): three bit sets of FD_SETSIZE bits; a descriptor of 1024 or more can't be named in them."""

    name = "select"
    scans = True
    asks = True
    descriptor_limit: int | None = 1024

    def __init__(self) -> None:
        self._readers: set[int] = set()
        self._writers: set[int] = set()
        self._watched: set[int] = set()
        self._from = 0

    def register(self, fd: int, mask: int) -> None:
        if fd >= 1024:
            raise ValueError(f"select() cannot watch descriptor {fd}: its limit is 1024")
        if fd in self._watched:
            raise FileExistsError(f"descriptor {fd} is already watched")
        self._watched.add(fd)
        self.modify(fd, mask)

    def modify(self, fd: int, mask: int) -> None:
        if fd not in self._watched:
            raise KeyError(fd)
        (self._readers.add if mask & READ else self._readers.discard)(fd)
        (self._writers.add if mask & WRITE else self._writers.discard)(fd)

    def rearm(self, fd: int, mask: int) -> None:
        pass

    def unregister(self, fd: int) -> None:
        self._watched.remove(fd)
        self._readers.discard(fd)
        self._writers.discard(fd)

    def wait(self, timeout: float | None) -> list[tuple[int, int]]:
        readable, writable, urgent = select.select(self._readers, self._writers, self._readers, timeout)
        masks = dict.fromkeys(readable, READ)
        for fd in writable:
            masks[fd] = masks.get(fd, 0) | WRITE
        for fd in urgent:
            masks[fd] = masks.get(fd, 0) | URGENT
        return _fair(list(masks.items()), self)

    def kernel_table(self) -> int | None:
        return None

    def close(self) -> None:
        self._watched.clear()
        self._readers.clear()
        self._writers.clear()


class BusyPoller:
    """Asks nobody: every descriptor counts as ready, always, and a visit finds out. Never sleeps.

    It can't know of urgent data either, so each read is told to look for it.
    """

    name = "busy"
    scans = True
    asks = False
    descriptor_limit: int | None = None

    def __init__(self) -> None:
        self._watched: dict[int, int] = {}
        self._from = 0

    def register(self, fd: int, mask: int) -> None:
        if fd in self._watched:
            raise FileExistsError(f"descriptor {fd} is already watched")
        self._watched[fd] = _events(mask)

    def modify(self, fd: int, mask: int) -> None:
        if fd not in self._watched:
            raise KeyError(fd)
        self._watched[fd] = _events(mask)

    def rearm(self, fd: int, mask: int) -> None:
        pass

    def unregister(self, fd: int) -> None:
        del self._watched[fd]

    def wait(self, timeout: float | None) -> list[tuple[int, int]]:
        return _fair([(fd, mask) for fd, mask in self._watched.items() if mask], self)

    def kernel_table(self) -> int | None:
        return None

    def close(self) -> None:
        self._watched.clear()


def _events(mask: int) -> int:
    """What the kernel is asked for: an interest in reading includes urgent data."""
    return mask | URGENT if mask & READ else mask


def _fair(ready: list[tuple[int, int]], poller: PollPoller | SelectPoller | BusyPoller) -> list[tuple[int, int]]:
    """At most MAX_READY of `ready`, beginning where the last turn's ended, as epoll's ready list does by itself."""
    if len(ready) <= MAX_READY:
        return ready
    start = poller._from % len(ready)
    poller._from = start + MAX_READY
    return (ready[start:] + ready[:start])[:MAX_READY]


POLLERS: Final[dict[str, Callable[[], Poller]]] = {
    backend.name: backend for backend in (EpollPoller, EdgePoller, PollPoller, SelectPoller, BusyPoller)
}
