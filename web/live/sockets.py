"""The TCP socket behind a request: cutting it, and giving up on a peer that takes nothing."""

import contextlib
import select
import socket
from typing import Any


def socket_of(environ: dict[str, Any]) -> socket.socket | None:
    """The socket that `environ`'s request came over, where the web server tells."""
    sock = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    return sock if isinstance(sock, socket.socket) else None


def give_up_after(sock: socket.socket | None, seconds: float) -> None:
    """Let the kernel end the connection when the peer has taken nothing for `seconds` (tcp(7), TCP_USER_TIMEOUT)."""
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def cut(sock: socket.socket) -> None:
    """End the connection at once: threads that wait in its recv or send wake up."""
    # It may be gone already; then there is nothing to cut.
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def has_gone(sock: socket.socket | None) -> bool:
    """Whether the peer has closed its end. One that has only ended its requests looks the same (poll(2), POLLRDHUP)."""
    poll = select.poll()
    if sock is not None:
        with contextlib.suppress(ValueError):
            poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))


def wait_for(descriptor: int, sock: socket.socket | None) -> bool:
    """Wait until `descriptor` can be read, or the peer of `sock` has gone or was cut; whether it is the former."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if sock is not None:
        with contextlib.suppress(ValueError):  # closed already: then there is nothing to wait for but the other
            poll.register(sock, select.POLLRDHUP)
    return [number for number, _ in poll.poll()] == [descriptor]
