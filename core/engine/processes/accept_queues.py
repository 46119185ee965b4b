"""The accept queues of an address that several sockets listen on, as the kernel tells them: sock_diag(7)."""

import os
import socket
import struct
from typing import Final

from core.engine.server.listener import AcceptQueue, packed

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_DONE, _ERROR = 3, 2  # NLMSG_DONE, NLMSG_ERROR
_REQUEST_DUMP: Final = 0x301
_LISTEN: Final = 1 << 10  # TCP_LISTEN in net/tcp_states.h
_HEAD: Final = struct.Struct("=IHHII")  # struct nlmsghdr
_ASK: Final = struct.Struct("=BBBxI48x")  # struct inet_diag_req_v2, any address
_TOLD: Final = struct.Struct("=4x2s2x16s16x12xIII8x")  # struct inet_diag_msg: port, source, expires, rqueue, wqueue


def accept_queues(address: tuple[str, int]) -> AcceptQueue | None:
    """How many wait on all sockets that listen there, and how many may; None: nobody listens, or it can't be told."""
    host, number = packed(address)
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    source = host if family == socket.AF_INET6 else host[12:].ljust(16, b"\0")
    wanted = number.to_bytes(2, "big"), source
    try:
        found = [(length, limit) for port, place, length, limit in _listening(family) if (port, place) == wanted]
    except OSError:
        return None
    return AcceptQueue(sum(one[0] for one in found), sum(one[1] for one in found)) if found else None


def _listening(family: int) -> list[tuple[bytes, bytes, int, int]]:
    """Port and address of each listening socket, the length of its accept queue and its limit. Raises OSError."""
    found: list[tuple[bytes, bytes, int, int]] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as kernel:
        ask = _ASK.pack(family, socket.IPPROTO_TCP, 0, _LISTEN)
        kernel.send(_HEAD.pack(_HEAD.size + len(ask), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 0, 0) + ask)
        while True:
            answer, at = kernel.recv(1 << 16), 0
            while at < len(answer):
                length, kind, *_ = _HEAD.unpack_from(answer, at)
                if kind == _ERROR:
                    raise OSError(f"sock_diag: {os.strerror(-struct.unpack_from('=i', answer, at + _HEAD.size)[0])}")
                if kind == _DONE:
                    return found
                port, source, _, waiting, limit = _TOLD.unpack_from(answer, at + _HEAD.size)
                found.append((port, source, waiting, limit))
                at += (length + 3) & ~3
