"""The listening socket."""

import errno
import socket
import struct
from contextlib import suppress
from typing import Final, NamedTuple

from core.ring.events import LINK_LOCAL

BACKLOG: Final = 4096
EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""What accept(2) reports when it is this side that lacks something: the connection still waits."""

# Asked after 2 min of silence, then every 15 s; given up after 8 without an answer (tcp(7)).
_KEEPALIVE: Final = {socket.TCP_KEEPIDLE: 120, socket.TCP_KEEPINTVL: 15, socket.TCP_KEEPCNT: 8}
# struct tcp_info (linux/tcp.h): of a listening socket, tcp_get_info() in net/ipv4/tcp.c gives the length of the accept
# queue as tcpi_unacked and its limit as tcpi_sacked.
_ACCEPT_QUEUE: Final = struct.Struct("24xII")


class AcceptQueue(NamedTuple):
    """Connections that the kernel has made and nobody has accepted, and how many may be."""

    length: int
    limit: int


def accept_queue(listener: socket.socket) -> AcceptQueue | None:
    """The listener's accept queue; None once it is closed. From any thread."""
    try:
        info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACCEPT_QUEUE.size)
    except OSError:
        return None
    return AcceptQueue(*_ACCEPT_QUEUE.unpack(info))


def listen(host: str, port: int, backlog: int = BACKLOG, *, shared: bool = False) -> socket.socket:
    """A non-blocking TCP listener on `host` (a name, an IPv4 or an IPv6 address) and `port` (0: a free one).

    A `shared` one lets other listeners of the same user share the port; a `backlog` of 0 only takes the address.
    Raises OSError (socket.gaierror included) when it can't be had.
    """
    family, kind, proto, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
    )[0]
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and address[0] == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # Accepted sockets inherit what follows (tcp(7)): no system call for each.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A byte that is sent as urgent is one of the stream, in its place; otherwise the kernel would take it out.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        # Peers that have vanished from the network are noticed, though nothing is sent to them.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            listener.setsockopt(socket.IPPROTO_TCP, name, value)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        if backlog:
            listener.listen(backlog)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def close_port(listener: socket.socket) -> None:
    """Listen no more: the kernel refuses new clients at once and resets those that wait to be accepted.

    Of a listening socket shutdown(2) ends the listening (inet_shutdown() in net/ipv4/af_inet.c), also where another
    process or thread has it; to close it is up to whoever has made it.
    """
    with suppress(OSError):  # it has not been listening
        listener.shutdown(socket.SHUT_RD)


def reset_on_close(sock: socket.socket) -> None:
    """Let close(2) send a reset: SO_LINGER with a time of 0 (socket(7))."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def packed(address: tuple[str, int] | tuple[str, int, int, int]) -> tuple[bytes, int]:
    """A peer's address as 16 bytes (IPv4 mapped into IPv6) and its port.

    A link-local address means something on its link only, so the number of the interface stands in the second four
    bytes, which are zero in such addresses (RFC 4291, section 2.5.6).
    """
    host, port = address[:2]
    if ":" in host:
        ip = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
        if len(address) == 4 and address[3] and ip[:4] == LINK_LOCAL:
            ip = ip[:4] + address[3].to_bytes(4, "big") + ip[8:]
        return ip, port
    return b"\0\0\0\0\0\0\0\0\0\0\xff\xff" + socket.inet_aton(host), port
