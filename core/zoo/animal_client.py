"""One connection of an animal: what it was sent, what came back, and how it was ended."""

import os
import socket
import struct
from typing import Final

from core.clients.connect import place

PAYLOAD: Final = b"."
"""Everything that the zoo sends; no stamp has one in it, so what was echoed can be counted in any reply."""

_CHUNK: Final = PAYLOAD * 65536
_READ_SIZE: Final = 262_144
_LINGER_0: Final = struct.pack("ii", 1, 0)  # socket(7): close sends a reset


class Client:
    """A non-blocking socket and its sums; `peer` is its address as the server's record names it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.peer = ""
        self.sent = 0
        self.received = 0
        self.echoed = 0
        self.messages = 0
        self.ended = False

    def connected(self) -> None:
        """The handshake is done. Raises OSError when it has failed."""
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        self.peer = place(*self.sock.getsockname()[:2])

    def push(self, most: int) -> int:
        """Send at most so many bytes, as far as the kernel takes them now. Raises OSError."""
        pushed = 0
        while pushed < most:
            try:
                taken = self.sock.send(_CHUNK[: most - pushed])
            except BlockingIOError:
                break
            pushed += taken
        self.sent += pushed
        return pushed

    def pull(self, most: int = _READ_SIZE) -> int:
        """Read at most so many bytes of what is there; at the peer's end `ended` is set. Raises OSError."""
        try:
            data = self.sock.recv(min(most, _READ_SIZE))
        except BlockingIOError:
            return 0
        self.ended = not data
        self.received += len(data)
        self.echoed += data.count(PAYLOAD)
        return len(data)

    def say(self, size: int) -> None:
        """Send one message, small enough for any send buffer. Raises OSError, also where it was not."""
        if self.push(size) != size:
            raise OSError(0, "the kernel did not take a small message at once")
        self.messages += 1

    def finish(self) -> None:
        """End our side; reading goes on. A server that has reset it has ended both."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.ended = True

    def reset(self) -> None:
        """Close with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
        self.sock.close()

    def sums(self) -> dict[str, int | str]:
        """What it did, for the check."""
        names = ("peer", "sent", "received", "echoed", "messages")
        return {name: getattr(self, name) for name in names}
