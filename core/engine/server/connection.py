"""One connection without I/O: what waits to be sent, the marks, the state. Bytes in, bytes out.

A chunk that was read is answered by a reply; what the kernel did not take of it waits here. Above the
high-water mark reading stops, below the low-water mark it goes on. When the peer has ended its side, what waits
is still delivered (half-close).
"""

from collections import deque
from enum import Enum
from itertools import islice
from typing import Final, NamedTuple

from core.engine.pollers.poller import READ, WRITE

MAX_CHUNKS: Final = 1024
"""Replies handed to one sendmsg(2) at most (IOV_MAX)."""


class State(Enum):
    """OPEN: reads and writes. DRAINING: only delivers what is queued. CLOSED: nothing more."""

    OPEN = "open"
    DRAINING = "draining"
    CLOSED = "closed"

    __hash__ = object.__hash__  # Enum hashes the name, in Python, at every look into the table


class Transition(Enum):
    """What can happen to the state of a connection."""

    EOF = "eof"
    SHUTDOWN = "shutdown"
    CLOSE = "close"

    __hash__ = object.__hash__


TRANSITIONS: Final = {
    (State.OPEN, Transition.EOF): State.DRAINING,
    (State.OPEN, Transition.SHUTDOWN): State.DRAINING,
    (State.DRAINING, Transition.SHUTDOWN): State.DRAINING,
    (State.OPEN, Transition.CLOSE): State.CLOSED,
    (State.DRAINING, Transition.CLOSE): State.CLOSED,
}


class WaterMarks(NamedTuple):
    """Bytes of queued reply: reading stops above `high` and is taken up again at `low` or below."""

    high: int
    low: int


class QueueRoom:
    """Bytes of queued reply that all connections of a loop may have together, and how many they have.

    When there are more, those whose queue is above an equal share of the room are not read, so that the largest
    queues stop growing first.
    """

    __slots__ = ("connections", "most", "queued")

    def __init__(self, most: int) -> None:
        """`most`: 0 for no bound."""
        self.most = most
        self.queued = 0
        self.connections = 0  # those that have a queue

    def is_exceeded_by(self, queue_bytes: int) -> bool:
        """Whether there is too much, and a queue of so many bytes is part of the reason."""
        return 0 < self.most < self.queued and queue_bytes * self.connections > self.most


_UNBOUNDED: Final = QueueRoom(0)


class Connection:
    """The sans-I/O half of a connection; the server does the reading and writing."""

    faulted = False
    """Whether faults are on it; core.engine.faults.faulted."""

    __slots__ = ("_head", "_marks", "_queue", "_room", "full", "id", "paused", "queue_bytes", "reason", "state")

    def __init__(self, id: int, marks: WaterMarks, room: QueueRoom = _UNBOUNDED) -> None:
        self.id = id
        self.state = State.OPEN
        self.full = False  # the last send took less than it was offered
        self.paused = False
        self.queue_bytes = 0
        self.reason = 0  # why it will close once drained
        self._marks = marks
        self._room = room
        # Few connections ever queue anything: the deque is made when one does.
        self._queue: deque[bytes] | None = None
        self._head = 0  # bytes of the first chunk that are sent

    def hand_over(self, other: "Connection") -> None:
        """Have another object go on as this connection."""
        for name in Connection.__slots__:
            setattr(other, name, getattr(self, name))

    @property
    def queue_chunks(self) -> int:
        """Replies that wait, a partly sent one included."""
        return len(self._queue) if self._queue else 0

    @property
    def wants(self) -> int:
        """READ and WRITE, as the state asks for."""
        reading = READ if self.state is State.OPEN and not self.paused else 0
        return reading | (WRITE if self._queue else 0)

    @property
    def drained(self) -> bool:
        """Whether there is nothing left to do but to close."""
        return self.state is State.DRAINING and not self._queue

    def step(self, step: Transition) -> None:
        """Change the state. Raises ValueError for a move that the table does not know."""
        try:
            self.state = TRANSITIONS[self.state, step]
        except KeyError:
            raise ValueError(f"connection {self.id} is {self.state.value}: no {step.value} from there") from None
        if self._queue and self.state is State.CLOSED:
            self._room.queued -= self.queue_bytes
            self._room.connections -= 1

    def receive(self, reply: bytes) -> None:
        """Queue the reply (or what is left of it) to a chunk that was read."""
        if self.state is not State.OPEN:
            raise ValueError(f"connection {self.id} is {self.state.value}: it reads nothing more")
        if not reply:
            return
        if self._queue is None:
            self._queue = deque()
            self._room.connections += 1
        self._queue.append(reply)
        self.queue_bytes += len(reply)
        self._room.queued += len(reply)

    def receive_eof(self) -> None:
        """The peer ended its side: deliver what is queued, then close."""
        self.step(Transition.EOF)

    def pending(self, limit: int) -> list[bytes | memoryview]:
        """The next chunks to send: at most MAX_CHUNKS, and not more after `limit` bytes are reached."""
        chunks: list[bytes | memoryview] = []
        total = 0
        for chunk in islice(self._queue or (), MAX_CHUNKS):
            part = chunk if chunks or not self._head else memoryview(chunk)[self._head :]
            chunks.append(part if total + len(part) <= limit else memoryview(part)[: limit - total])
            total += len(chunks[-1])
            if total >= limit:
                break
        return chunks

    def sent(self, count: int) -> None:
        """The kernel took the first `count` bytes of what is pending. Raises ValueError for more than waits."""
        if count > self.queue_bytes:
            raise ValueError(f"connection {self.id}: {count} bytes sent of {self.queue_bytes} queued")
        self.queue_bytes -= count
        self._room.queued -= count
        count += self._head
        queue = self._queue
        while queue and count >= len(queue[0]):
            count -= len(queue.popleft())
        self._head = count
        if queue is not None and not queue:
            self._queue = None
            self._room.connections -= 1

    def drop(self) -> None:
        """Forget what waits: it will not be sent."""
        if self._queue:
            self.sent(self.queue_bytes)

    def throttle(self) -> bool | None:
        """Stop or take up reading by the marks and the room for all.

        True when it just paused, False when it just resumed, else None.
        """
        if self.state is not State.OPEN:
            return None
        is_much = self._room.is_exceeded_by(self.queue_bytes)
        if not self.paused and (is_much or self.queue_bytes > self._marks.high):
            self.paused = True
        elif self.paused and not is_much and self.queue_bytes <= self._marks.low:
            self.paused = False
        else:
            return None
        return self.paused
