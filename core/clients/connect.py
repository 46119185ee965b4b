"""Open many connections to one server without overrunning its backlog."""

import errno
import os
import resource
import select
import socket
from collections.abc import Iterator
from typing import Any, Final

AT_ONCE: Final = 500
PER_SOURCE: Final = 25_000
"""Connections from one source address: Linux hands out 28,232 local ports by default."""
STALLED: Final = 10.0
"""Seconds without a connection made before giving up."""

_IP_BIND_ADDRESS_NO_PORT: Final = 24  # include/uapi/linux/in.h; the port is chosen by connect(), not by bind()
_SPARE_DESCRIPTORS: Final = 32


class LoadError(Exception):
    """A load that can't be run; the text is one line for the user."""


def connect_all(host: str, port: int, total: int, patience: float = STALLED) -> list[socket.socket]:
    """Return `total` non-blocking connections to the first address of `host` that answers.

    Raises LoadError, also when none is made for `patience` seconds.
    """
    _raise_descriptor_limit(total)
    family, address = _reachable(host, port)
    opening = _Opening(family, address, total, patience)
    try:
        return opening.run()
    except OSError as error:
        opening.close_all()
        which = f"connection {len(opening.made) + 1} of {total} to {place(host, port)}"
        raise LoadError(f"{which}: {error.strerror or error}") from error


def source_address(number: int) -> str:
    """The loopback address that connection `number` comes from when there are too many for one."""
    block = 1 + number // PER_SOURCE
    return f"127.{block >> 16 & 255}.{block >> 8 & 255}.{block & 255}"


def place(host: str, port: int) -> str:
    """The usual text of an address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _raise_descriptor_limit(total: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    needed = total + _SPARE_DESCRIPTORS + len(os.listdir("/proc/self/fd"))
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise LoadError(f"{total} connections need {needed} descriptors, this process may open {hard} (ulimit -n)")


def _reachable(host: str, port: int) -> tuple[int, Any]:
    """Family and address of the first of the host's addresses that accepts a connection."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise LoadError(f"{host}: {getattr(error, 'strerror', None) or error}") from error
    if len(found) == 1:
        return found[0][0], found[0][4]
    why = ""
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            probe.settimeout(STALLED)
            try:
                probe.connect(address)
            except OSError as error:
                why = error.strerror or str(error)
            else:
                return family, address
    raise LoadError(f"{place(host, port)}: {why}")


class _Opening:
    def __init__(self, family: int, address: Any, total: int, patience: float) -> None:
        self._patience = patience
        self._family = family
        self._address = address
        self._spread = total > PER_SOURCE and family == socket.AF_INET and address[0].startswith("127.")
        self._total = total
        self._begun = 0
        self._pending: dict[int, socket.socket] = {}
        self.made: list[socket.socket] = []

    def run(self) -> list[socket.socket]:
        with select.epoll() as poller:
            while len(self.made) < self._total:
                while self._begun < self._total and len(self._pending) < AT_ONCE:
                    self._begin(poller)
                ready = poller.poll(self._patience)
                if not ready:
                    raise OSError(errno.ETIMEDOUT, f"no answer within {self._patience:.0f} s")
                for fd, _ in ready:
                    self._finish(poller, fd)
        return self.made

    def close_all(self) -> None:
        for sock in self._all():
            sock.close()

    def _all(self) -> Iterator[socket.socket]:
        yield from self.made
        yield from self._pending.values()

    def _begin(self, poller: select.epoll) -> None:
        sock = socket.socket(self._family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._pending[sock.fileno()] = sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._spread:
            sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((source_address(self._begun), 0))
        self._begun += 1
        code = sock.connect_ex(self._address)
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
        poller.register(sock, select.EPOLLOUT)

    def _finish(self, poller: select.epoll, fd: int) -> None:
        sock = self._pending[fd]
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        poller.unregister(fd)
        self.made.append(self._pending.pop(fd))
