"""The frames in which the exporter answers."""

import socket
import struct
from enum import IntEnum
from typing import Final, NamedTuple

HEADER: Final = struct.Struct("<BQQI")
"""Of a frame: what it is, rows and bytes (before gzip) up to and including it, length of what follows."""


class What(IntEnum):
    """What a frame is."""

    DATA = 0
    END = 1
    FAILED = 2


class Piece(NamedTuple):
    """A piece of the file, its end, or why there is no more (`data` is the text)."""

    what: What
    rows: int
    size: int
    data: bytes


def send_frame(sock: socket.socket, frame: Piece) -> None:
    """Write a whole frame. Raises OSError when the reader has gone."""
    sock.sendall(HEADER.pack(frame.what, frame.rows, frame.size, len(frame.data)))
    sock.sendall(frame.data)


def read_frame(sock: socket.socket) -> Piece:
    """Read a whole frame. Raises EOFError when the writer has gone."""
    what, rows, size, length = HEADER.unpack(_exactly(sock, HEADER.size))
    return Piece(What(what), rows, size, _exactly(sock, length))


def _exactly(sock: socket.socket, length: int) -> bytes:
    data = bytearray(length)
    rest = memoryview(data)
    # Not MSG_WAITALL alone: a signal that some other part of the process handles ends it early (recv(2)).
    while rest:
        got = sock.recv_into(rest, 0, socket.MSG_WAITALL)
        if not got:
            raise EOFError
        rest = rest[got:]
    return bytes(data)
