"""What a server should answer, checked byte by byte.

TCP is a stream: one message may come back in pieces, several may come back as one, and a stamping server stamps
whatever chunks *it* read. So a reply is checked as a stream too: the verifiers take bytes in any cut.
"""

import calendar
import random
import time
from itertools import count
from typing import Final, Protocol

READ_SIZE: Final = 256 * 1024
"""The most bytes that are offered to the kernel, or to a verifier, at once."""

STAMP_SIZE: Final = 27
"""Bytes of ``[`` + ``time.ctime()`` + ``] ``."""

_CTIME: Final = "%a %b %d %H:%M:%S %Y"
_SLACK: Final = (
    2.0  # seconds that a stamp may be off: it names whole seconds, and a server may read its clock once a turn
)


class MismatchError(Exception):
    """The server answered something else than it should have; the text says what and where."""


class Pattern:
    """The endless stream that every connection sends: `count` different messages of `size` bytes, over and over.

    The bytes are pseudo-random, so a lost, doubled or moved byte shows, and never ``[``, which begins a stamp.
    Connections start at different messages, so one connection's reply is not another's.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.count = 1 << min(10, max(1, (65536 // size).bit_length() - 1))
        self.period = size * self.count
        once = random.Random(size).randbytes(self.period).replace(b"[", b"(")  # noqa: S311 (no secret)
        self.stream = (once * (2 + READ_SIZE // self.period))[: self.period + READ_SIZE]
        """One period and READ_SIZE bytes more: any run of up to READ_SIZE bytes is one slice."""

    def messages(self) -> list[bytes]:
        """The messages, each as an object of its own."""
        return [self.stream[at : at + self.size] for at in range(0, self.period, self.size)]

    def check(self, data: memoryview, position: int) -> None:
        """Raise MismatchError unless `data` (up to READ_SIZE bytes) is the stream from `position` on."""
        start = position % self.period
        if not self.stream.startswith(data, start):
            at = next(i for i in count() if data[i] != self.stream[start + i])
            raise MismatchError(
                f"byte {position + at} came back as {data[at]:#04x}, sent as {self.stream[start + at]:#04x}"
            )


class Stamps:
    """The stamps that the server may give now. Its clock and time zone are learnt from its first stamp."""

    def __init__(self) -> None:
        self.latest = b""
        self.fresh_until = 0.0  # local clock; from then on `latest` must be checked again
        self._known: dict[bytes, int] = {}
        self._ahead = (0.0, 0.0)  # the server's clock minus ours lies between these

    def check(self, stamp: bytes, since: float, now: float) -> None:
        """Raise MismatchError unless the server may have stamped so between `since` and `now` (seconds, one clock)."""
        second = self._known.get(stamp)
        if second is None:
            second = self._learn(stamp, since, now)
        low, high = self._ahead
        if not since + low - 1 - _SLACK <= second <= now + high + _SLACK:
            raise MismatchError(f"stamp {stamp!r} is {second - now - low:+.0f} s off the server's own first stamp")
        if second >= self._known.get(self.latest, 0):
            self.latest = stamp
            self.fresh_until = second - low + 1 + _SLACK

    def _learn(self, stamp: bytes, since: float, now: float) -> int:
        text = stamp[1:-2].decode("latin-1")
        try:
            moment = time.strptime(text, _CTIME)
        except ValueError:
            moment = None
        if moment is None or stamp != b"[%b] " % time.asctime(moment).encode():
            raise MismatchError(f"{stamp!r} is no stamp")
        second = calendar.timegm(moment)
        if not self.latest:
            self._ahead = (second - now, second + 1 - since)
        if len(self._known) > 60:
            self._known = {self.latest: self._known[self.latest]}
        self._known[stamp] = second
        return second


class Verifier(Protocol):
    """Follows the replies of one connection. `position` is how many bytes of its stream have come back."""

    position: int

    def feed(self, data: bytes | bytearray, size: int, sent: int, since: float, now: float) -> None:
        """Check data[:size], which came at `now`; the stream was sent as far as `sent`, its oldest message at `since`.

        Raises MismatchError; the verifier is of no use after that.
        """


class EchoVerifier:
    """Replies of an ``echo`` server: the bytes that were sent."""

    __slots__ = ("_pattern", "position")

    def __init__(self, pattern: Pattern, position: int) -> None:
        self._pattern = pattern
        self.position = position

    def feed(self, data: bytes | bytearray, size: int, sent: int, since: float, now: float) -> None:
        """See Verifier."""
        if self.position + size > sent:
            raise MismatchError(f"{self.position + size - sent} bytes more came back than were sent")
        self._pattern.check(memoryview(data)[:size], self.position)
        self.position += size


class StampVerifier:
    """Replies of a ``stamp`` server: a stamp and a chunk, a stamp and a chunk; where to cut is the server's choice."""

    __slots__ = ("_chunk_empty", "_in_chunk", "_partial", "_pattern", "_stamps", "position")

    def __init__(self, pattern: Pattern, position: int, stamps: Stamps) -> None:
        self._pattern = pattern
        self._stamps = stamps
        self._partial = b""  # the part of a stamp that has come
        self._in_chunk = False
        self._chunk_empty = False
        self.position = position

    def feed(self, data: bytes | bytearray, size: int, sent: int, since: float, now: float) -> None:
        """See Verifier."""
        at = 0
        while at < size:
            if self.position == sent:
                raise MismatchError(f"{size - at} bytes came back that answer nothing")
            at = self._chunk(data, at, size, sent) if self._in_chunk else self._stamp(data, at, size, since, now)
        if self.position == sent:
            self._in_chunk = False  # what is sent from now on will be read, and stamped, later

    def _stamp(self, data: bytes | bytearray, at: int, end: int, since: float, now: float) -> int:
        stop = min(end, at + STAMP_SIZE - len(self._partial))
        self._partial += data[at:stop]
        if len(self._partial) == STAMP_SIZE:
            if self._partial != self._stamps.latest or now > self._stamps.fresh_until:
                self._stamps.check(self._partial, since, now)
            self._partial = b""
            self._in_chunk = self._chunk_empty = True
        return stop

    def _chunk(self, data: bytes | bytearray, at: int, end: int, sent: int) -> int:
        found = data.find(b"[", at, end)
        stop = end if found < 0 else found
        if stop == at and self._chunk_empty:
            raise MismatchError(f"a stamp without a chunk before byte {self.position}")
        if self.position + stop - at > sent:
            raise MismatchError(f"{self.position + stop - at - sent} bytes more came back than were sent")
        self._pattern.check(memoryview(data)[at:stop], self.position)
        self.position += stop - at
        self._in_chunk = found < 0
        self._chunk_empty = False
        return stop
