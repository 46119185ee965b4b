"""The TCP socket behind a request: cutting it, and giving up on a peer that takes nothing."""

import contextlib
import ctypes
import select
import socket
import struct
from typing import Any, Final

_LIBC: Final = ctypes.CDLL(None)


def socket_of(environ: dict[str, Any]) -> socket.socket | None:
    """The socket that `environ`'s request came over, where the web server tells."""
    sock = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    return sock if isinstance(sock, socket.socket) else None


def give_up_after(sock: socket.socket | None, seconds: float) -> None:
    """Let the kernel end the connection when the peer has taken nothing for `seconds` (tcp(7), TCP_USER_TIMEOUT).

    Then it needs no other bound: it may take its time.
    """
    if sock is not None and hasattr(sock, "is_unhurried"):
        sock.is_unhurried = True
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


def wait_for(descriptor: int, sock: socket.socket | None, patience_s: float) -> bool:
    """Wait until `descriptor` can be read, or the peer of `sock` has gone or was cut; whether it is the former.

    A peer that has ended its side may still read (shutdown(2)), or be gone: `patience_s` more are waited for it.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if sock is not None:
        with contextlib.suppress(ValueError):  # closed already: then there is nothing to wait for but the other
            poll.register(sock, select.POLLRDHUP)
    ready = dict(poll.poll())
    if descriptor not in ready and set(ready.values()) == {select.POLLRDHUP}:
        for number in ready:
            poll.modify(number, 0)  # an error and the end of both sides are told all the same
        ready = dict(poll.poll(patience_s * 1000))
    gone = [mask for number, mask in ready.items() if number != descriptor and mask != select.POLLRDHUP]
    return descriptor in ready and not gone


def break_off_by_reset(sock: socket.socket | None, wanted: bool = True) -> None:
    """Whether the connection ends by a reset, however it is closed, also by the end of this process (SO_LINGER)."""
    if sock is not None and sock.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):  # closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", wanted, 0))


def reset(sock: socket.socket) -> None:
    """Reset the connection at once: threads that wait in its recv or send wake up, and the peer sees no orderly end.

    connect(2) to AF_UNSPEC does it, which Python's sockets don't offer; where it can't be had, the connection is cut.
    """
    nowhere = struct.pack("H14x", socket.AF_UNSPEC)
    if sock.family == socket.AF_UNIX or _LIBC.connect(sock.fileno(), nowhere, len(nowhere)) != 0:
        cut(sock)
