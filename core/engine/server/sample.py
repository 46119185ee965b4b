"""What the kernel knows of a connected socket: a sample on demand, and struct tcp_info for the one before a close.

Samples are plain dicts of numbers and the bytes of struct tcp_info; core.watch.kernel.facts gives them names.
"""

import fcntl
import select
import socket
import struct
import termios
import time
from typing import Any, Final

Sample = dict[str, Any]
"""`at` (CLOCK_MONOTONIC, ns), `info` (struct tcp_info), `unread`, `outstanding`, `unsent`, `send_memory`, `send_limit`,
`receive_memory`, `receive_limit` (bytes) and `error` (0 or 1)."""

MOST_SAMPLES: Final = 64
"""Connections sampled by one order at most: about 0.3 ms of the loop's time."""

# The kernel fills what it knows and answers how much that was (tcp(7), TCP_INFO); the structure only ever grows.
_INFO_SIZE: Final = 512
# linux/sockios.h; unread is FIONREAD, outstanding TIOCOUTQ (tcp(7)).
_SIOCOUTQNSD: Final = 0x894B
_SIOCATMARK: Final = 0x8905
_ASK: Final = b"\0\0\0\0"
_INT: Final = struct.Struct("i")
# SO_MEMINFO (include/uapi/asm-generic/socket.h), which Python does not name: nine numbers in the order of SK_MEMINFO_*
# in include/uapi/linux/sock_diag.h.
_SO_MEMINFO: Final = 55
_MEMORY: Final = struct.Struct("9I")


def take(sock: socket.socket) -> Sample:
    """Sample a connected socket. Raises OSError when it is not one.

    SO_ERROR is not read: reading clears it (sock_error() in include/net/sock.h), and the next recv would then take
    a reset for an ordinary end. Whether an error waits is what poll(2) says without touching it.
    """
    poll = select.poll()
    poll.register(sock, 0)
    return {
        "at": time.monotonic_ns(),
        "info": tcp_info(sock),
        "unread": unread(sock),
        "outstanding": _ioctl(sock, termios.TIOCOUTQ),
        "unsent": _ioctl(sock, _SIOCOUTQNSD),
        **_memory(sock),
        "error": int(any(mask & select.POLLERR for _, mask in poll.poll(0))),
    }


def unread(sock: socket.socket) -> int:
    """Bytes in the receive buffer: SIOCINQ, which is FIONREAD (tcp(7))."""
    return _ioctl(sock, termios.FIONREAD)


_NOTHING: Final = bytes(4)


def has_stopped_short(sock: socket.socket) -> bool:
    """Whether the last read ended in front of urgent data (sockatmark(3)), which waits to be read."""
    # An empty receive buffer takes no memory. Unlike an ioctl, getsockopt keeps the interpreter from other threads.
    if sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4) == _NOTHING:
        return False
    return _ioctl(sock, _SIOCATMARK) == 1 and unread(sock) > 0


def tcp_info(sock: socket.socket) -> bytes:
    """The struct tcp_info of a socket, as long as this kernel makes it."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)


def _memory(sock: socket.socket) -> dict[str, int]:
    """What the buffers take and may take: the kernel counts whole pages and heads of packets, not bytes of data."""
    found = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMORY.size)
    received, receive_limit, _, send_limit, _, queued, *_ = _MEMORY.unpack(found)
    limits = {"send_limit": send_limit, "receive_limit": receive_limit}
    return {"send_memory": queued, "receive_memory": received, **limits}


def _ioctl(sock: socket.socket, request: int) -> int:
    return int(_INT.unpack(fcntl.ioctl(sock, request, _ASK))[0])
