"""Where one connection of the load generator stands."""

import socket

from core.clients.connect import place
from core.clients.reply_check import Verifier


class Stream:
    """One connection. Its stream is a run of messages, numbered; it begins at message `first`."""

    __slots__ = (
        *("fd", "sock", "recv", "send", "verifier", "first", "answered"),
        *("sent", "target", "since", "writing", "ending", "wrong"),
    )

    def __init__(self, sock: socket.socket, first: int, size: int, depth: int, verifier: Verifier) -> None:
        self.fd = sock.fileno()
        self.sock = sock
        self.recv = sock.recv
        self.send = sock.send
        self.verifier = verifier
        self.first = first
        self.answered = first  # number of the oldest message whose reply is not whole
        self.sent = first * size  # position in the stream: what the kernel took
        self.target = first * size  # … and what it shall take
        self.since = [0] * depth  # [number % depth]: when a message in flight was begun, ns
        self.writing = False  # the poller watches for room in the send buffer
        self.ending = False  # our side has been ended
        self.wrong = False  # a reply was wrong: the rest is read and thrown away

    def local_name(self) -> str:
        """Our address, as the server's log names its peer."""
        return place(*self.sock.getsockname()[:2])
