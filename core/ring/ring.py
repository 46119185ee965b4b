"""A ring of event records in a memory-mapped file: one writer, any readers, no lock.

The writer fills slots and publishes its position once a turn; readers copy whole runs of records out. One of them, the
recorder, gives slots back when they are safe in the log; the others check that what they copied was not overwritten
meanwhile. None ever waits for another. The pages belong to the
kernel's page cache, so all that was written survives the death of the process, SIGKILL included: every
record ends with its sequence number, and :func:`leftover` finds those that were written but not yet published.

The words of the header that change are stored through a memoryview, each at once. `Struct.pack_into` would clear them
first (CPython's s_pack_internal begins with a memset), and another process would now and then see the zero. Of a record
that is an advantage: its old number is cleared before the new one is written behind everything else.

Layout, little-endian: a header of one page, then `capacity` records of :data:`~core.ring.events.RECORD`;
the record with sequence number `s` is in slot `s % capacity`.
"""

import contextlib
import fcntl
import mmap
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Self

import numpy as np

from core.ring.capacity import shrunk
from core.ring.clock import STEP_NS, found_offset, wall_offset
from core.ring.events import ECHO_STRUCT, NUMBERED_STRUCT, PEER_STRUCT, RECORD, RECORD_STRUCT, Kind, Reason
from core.ring.records import Block, Records, steps_of

VERSION: Final = 1
CAPACITY: Final = shrunk(1 << 19)
_MAGIC: Final = b"echoring"
_HEADER_SIZE: Final = mmap.PAGESIZE
_IDENTITY: Final = struct.Struct("<8sIIQQq")  # magic, version, record size, capacity, worker, wall offset
# The places of the header's words of 8 bytes: the writer's and the reader's are on cache lines of their own.
_OFFSET = 4  # the wall offset, signed
_BEGIN = 5  # the number behind which the ring began
_HEAD, _BEAT, _TURNS, _WAITED, _TAIL, _WRITTEN = 16, 17, 18, 19, 32, 33
_HEADER_WORDS: Final = _HEADER_SIZE // 8
_RECORD_WORDS: Final = RECORD.itemsize // 8
_LOOK_NS: Final = 400_000_000
"""How often the clocks are compared; a difference must be found twice."""
_U32: Final = 0xFFFF_FFFF
_EVENTS_LEFT: Final = 2  # of an open connection without data: its end of stream and its close; the open is before them
_ROOM_KEPT: Final = 64  # a start, a stop, refusals
MOST_CONNECTIONS: Final = (CAPACITY // 4 * 3 - _ROOM_KEPT) // _EVENTS_LEFT
"""Connections whose ends one ring has room for beside a quarter of it for data."""
_U64: Final = 0xFFFF_FFFF_FFFF_FFFF


class RingError(Exception):
    """A ring file that is not ours to read; the message names the file."""


class DamagedRingError(RingError):
    """A ring file of which nothing can be read."""


class Progress(NamedTuple):
    """What the writer said last: `beat` and `waited` in monotonic ns."""

    head: int
    beat: int
    turns: int
    waited: int


class RingWriter:
    """The loop's end. Its methods are closures over local variables: attribute access is what costs here.

    `echo(conn, received, sent, code)` writes the hot path's record; `emit(kind, conn, ...)` any other;
    `emit_peer(kind, conn, address, port, reason)` those that carry a peer; `emit_numbered(kind, conn, number,
    queue_bytes, queue_chunks, emptied, reason)` those that carry the number of an order; `revise(kind, conn, received,
    sent, queue_bytes, queue_chunks, emptied)` replaces the record just written, before it is published;
    `publish(turns, waited, now)` shows everything to the reader, learns how much room there is, and answers how often
    `echo` was called and not revised. `room()` is how many records fit. `keep_room(connections)` keeps room for all
    events that so many connections still need to end, and some others, from events with data; False: there is none.
    """

    echo: Callable[[int, int, int, int], None]
    emit: Callable[..., None]
    emit_peer: Callable[[int, int, bytes, int, int], None]
    emit_numbered: Callable[[int, int, int, int, int, int, int], None]
    revise: Callable[[int, int, int, int, int, int, int], None]
    publish: Callable[..., int]
    room: Callable[[], int]
    keep_room: Callable[[int], bool]

    def __init__(self, path: Path, *, worker: int = 0, after: int = 0, capacity: int = CAPACITY) -> None:
        """Make a new ring at `path` whose first record will be number `after` + 1.

        The file appears under its name only when it is whole. Raises OSError.
        """
        if capacity & (capacity - 1) or capacity < 16:
            raise ValueError(f"a ring's capacity is a power of two of at least 16, not {capacity}")
        fresh = path.with_suffix(".new")
        size = _HEADER_SIZE + capacity * RECORD.itemsize
        with open(fresh, "wb+") as file:
            # Allocated, not sparse: a store into a hole of a full disk is a SIGBUS.
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError:
                fresh.unlink()
                raise
            self._map = _locked_map(file, size)
        _IDENTITY.pack_into(self._map, 0, _MAGIC, VERSION, RECORD.itemsize, capacity, worker, wall_offset())
        with memoryview(self._map).cast("Q") as words:
            words[_HEAD], words[_BEAT], words[_TURNS], words[_WAITED] = after, time.monotonic_ns(), 0, 0
            words[_BEGIN] = words[_TAIL] = words[_WRITTEN] = after
        # Touched now, so that the first lap takes no page faults.
        for at in range(_HEADER_SIZE, size, mmap.PAGESIZE):
            self._map[at] = 0
        fresh.rename(path)
        self._bind(after, capacity)

    @classmethod
    def attach(cls, path: Path) -> Self:
        """Go on writing a ring that another process has made, or left. Raises OSError and RingError.

        What that one had written and not yet published is published.
        """
        with RingReader(path) as made:
            last, capacity = made.last_whole(), made.capacity
        self = cls.__new__(cls)
        with open(path, "rb+") as file:
            self._map = _locked_map(file, 0)
        self._bind(last, capacity)
        self.publish(0, 0)
        return self

    def _bind(self, seq: int, capacity: int) -> None:  # noqa: C901 - small closures over shared variables
        view, size, mask, start = self._map, RECORD.itemsize, capacity - 1, _HEADER_SIZE
        words = self._words = memoryview(view).cast("Q")
        pack_echo, pack, pack_peer = ECHO_STRUCT.pack_into, RECORD_STRUCT.pack_into, PEER_STRUCT.pack_into
        pack_numbered = NUMBERED_STRUCT.pack_into
        clock = time.monotonic_ns
        # A quarter, or more, is kept for the events that open and close connections, so that a reader which falls
        # behind costs detail and never a connection's beginning or end.
        kept = capacity // 4
        limit = seq + capacity - kept
        last = seq + capacity
        lost_events = lost_in = lost_out = assumed = 0
        # What `seq` and `missed` count together, less the `others`, are the calls of `echo` that were not revised.
        first, missed, others = seq, 0, 0
        offset, moved, next_look = _signed(words[_OFFSET]), 0, clock() + _LOOK_NS
        losing = False  # once true, every data record is lost until the next publish

        def lose(received: int, sent: int) -> None:
            nonlocal lost_events, lost_in, lost_out, assumed, losing, missed
            missed += 1
            lost_events, lost_in, lost_out = lost_events + 1, lost_in + received, lost_out + sent
            assumed, losing = sent, True

        def echo(conn: int, received: int, sent: int, code: int) -> None:
            nonlocal seq
            if seq >= limit:
                return lose(received, sent)
            seq += 1
            pack_echo(view, start + (seq & mask) * size, clock(), conn, received, sent, code, seq)
            return None

        def emit(
            kind: int,
            conn: int = 0,
            received: int = 0,
            sent: int = 0,
            queue_bytes: int = 0,
            queue_chunks: int = 0,
            emptied: int = 0,
            reason: int = 0,
        ) -> None:
            nonlocal seq, others
            others += 1
            if seq >= (limit if Kind.ECHO <= kind <= Kind.RESUME else last):
                return lose(received, sent)
            seq += 1
            at = start + (seq & mask) * size
            pack(view, at, clock(), conn, received, sent, queue_bytes, queue_chunks, kind, emptied, 0, reason, seq)
            return None

        def emit_peer(kind: int, conn: int, address: bytes, port: int, reason: int = 0) -> None:
            nonlocal seq, others
            others += 1
            if seq >= last:
                return lose(0, 0)
            seq += 1
            pack_peer(view, start + (seq & mask) * size, clock(), conn, address, kind, 0, port, reason, seq)
            return None

        def emit_numbered(
            kind: int, conn: int, number: int, queue_bytes: int, queue_chunks: int, emptied: int, reason: int
        ) -> None:
            nonlocal seq, others
            others += 1
            if seq >= limit:
                return lose(0, 0)
            seq += 1
            at, low, high = start + (seq & mask) * size, number & 0xFFFF, number >> 16 & 0xFFFF
            pack_numbered(view, at, clock(), conn, queue_bytes, queue_chunks, kind, emptied, low, reason, high, seq)
            return None

        def revise(
            kind: int, conn: int, received: int, sent: int, queue_bytes: int, queue_chunks: int, emptied: int
        ) -> None:
            nonlocal seq, lost_out, others
            if losing:
                lost_out += sent - assumed
                others += 1
                return None
            seq -= 1
            return emit(kind, conn, received, sent, queue_bytes, queue_chunks, emptied)

        def look(now: int) -> None:
            """Follow the wall clock when it has moved, and say so in a row."""
            nonlocal offset, moved, next_look
            next_look, found = now + _LOOK_NS, found_offset()
            if abs(found - offset) < STEP_NS:
                moved = 0
            elif abs(found - moved) >= STEP_NS:  # it may be set back at once
                moved = found
            else:
                step = found - offset & _U64
                words[_OFFSET], offset, moved = found & _U64, found, 0
                emit(Kind.START, 0, 0, 0, step & _U32, step >> 32, 0, Reason.CLOCK)

        def publish(turns: int = 0, waited: int = 0, now: int = 0) -> int:
            nonlocal limit, last, losing, lost_events, lost_in, lost_out
            now = now or clock()
            if now >= next_look:
                look(now)
            last = words[_TAIL] + capacity
            limit, losing = last - kept, False
            while (lost_events or lost_in or lost_out) and seq < limit:
                events, received, sent = min(lost_events, _U32), min(lost_in, _U32), min(lost_out, _U32)
                emit(Kind.LOST, 0, received, sent, 0, events, 0, Reason.RING_FULL)
                lost_events, lost_in, lost_out = lost_events - events, lost_in - received, lost_out - sent
            # The beat last: who reads it before the head knows that every record older than it is at or below the head.
            words[_HEAD], words[_TURNS], words[_WAITED], words[_BEAT] = seq, turns, waited, now
            return seq - first + missed - others

        def room() -> int:
            return last - seq

        def keep_room(connections: int) -> bool:
            nonlocal kept, limit
            needed = _ROOM_KEPT + _EVENTS_LEFT * connections
            if last - seq < needed:
                return False
            kept = max(capacity // 4, needed)
            limit = min(limit, last - kept)
            return True

        self.echo, self.emit, self.emit_peer = echo, emit, emit_peer
        self.emit_numbered = emit_numbered
        self.revise, self.publish, self.room, self.keep_room = revise, publish, room, keep_room

    def close(self) -> None:
        """Give the map back; the file stays for the reader."""
        self._words.release()
        self._map.close()


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def _locked_map(file: BinaryIO, size: int) -> mmap.mmap:
    """Map a ring for writing; its lock lasts as long as the map, which keeps a duplicate of the descriptor."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RingError(f"{file.name}: another process is writing it") from None
    return mmap.mmap(file.fileno(), size)


def await_writer(path: Path, timeout: float) -> None:
    """Wait until no one writes the ring at `path` any more. Raises OSError, and RingError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    with open(path, "rb") as file:
        while True:
            try:
                return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RingError(f"{path}: another process is still writing it") from None
                time.sleep(0.02)


def lengthen(path: Path) -> str:
    """Makes a ring that was cut, and that no one writes, as long as it was, with zeros; what was done (empty: nothing).

    Raises OSError.
    """
    with open(path, "rb+") as file:
        head, size = file.read(_IDENTITY.size), os.fstat(file.fileno()).st_size
        if len(head) < _IDENTITY.size or size < _HEADER_SIZE:
            return ""
        magic, version, record_size, capacity, *_ = _IDENTITY.unpack(head)
        whole = _HEADER_SIZE + capacity * record_size
        if magic != _MAGIC or version != VERSION or record_size != RECORD.itemsize or size >= whole:
            return ""
        os.ftruncate(file.fileno(), whole)
        return f"{path}: cut to {size} bytes of {whole}"


def is_written(path: Path) -> bool:
    """Whether a process is writing the ring at `path`. Raises OSError."""
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class RingReader:
    """A reader's end, in the same or another process."""

    def __init__(self, path: Path) -> None:
        """Open the ring at `path`. Raises OSError, RingError when it is of another version, DamagedRingError."""
        self.path = path
        with open(path, "rb+") as file:
            size = os.fstat(file.fileno()).st_size
            if size < _HEADER_SIZE:
                raise DamagedRingError(f"{path}: not a ring of echoscope (too short)")
            self._map = mmap.mmap(file.fileno(), size)
        magic, version, record_size, capacity, self.worker, self.wall_offset = _IDENTITY.unpack_from(self._map)
        self.capacity = int(capacity)
        # What makes wall time of the time of the records that are read next; a row says when it changes.
        if magic != _MAGIC:
            self._map.close()
            raise DamagedRingError(f"{path}: not a ring of echoscope")
        if version != VERSION or record_size != RECORD.itemsize:
            self._refuse(f"a ring of version {version} with {record_size}-byte records; this is version {VERSION}")
        if size != _HEADER_SIZE + self.capacity * RECORD.itemsize:
            self._map.close()
            raise DamagedRingError(f"{path}: a ring of {size} bytes, cut short")
        self._slots = np.frombuffer(self._map, RECORD, self.capacity, _HEADER_SIZE)
        rows = np.frombuffer(self._map, np.uint64, self.capacity * _RECORD_WORDS, _HEADER_SIZE)
        self._rows = rows.reshape(self.capacity, _RECORD_WORDS).T
        self._words: memoryview[int] = memoryview(self._map).cast("Q")

    def _refuse(self, why: str) -> None:
        self._map.close()
        raise RingError(f"{self.path}: {why}")

    @property
    def tail(self) -> int:
        """Number of the last record that has been given back."""
        return self._words[_TAIL]

    @property
    def begin(self) -> int:
        """The number behind which the ring began."""
        return self._words[_BEGIN]

    @property
    def written(self) -> int:
        """Number of the last record that is in the log."""
        return max(self._words[_WRITTEN], self._words[_TAIL])

    @property
    def head(self) -> int:
        """Number of the last record that was published."""
        return self._words[_HEAD]

    def last_whole(self) -> int:
        """Number of the last whole record, published or not, behind which none is; for a ring whose writer is gone."""
        last = self.head
        while self.seq_at(last + 1) == last + 1:
            last += 1
        return last

    def seq_at(self, seq: int) -> int:
        """The number in the slot of a number: another one when it was overwritten, or is not written yet."""
        return self._word_of(seq, _RECORD_WORDS - 1)

    def _word_of(self, seq: int, word: int) -> int:
        return int(self._words[_HEADER_WORDS + seq % self.capacity * _RECORD_WORDS + word])

    def time_of(self, seq: int) -> int:
        """When (monotonic ns) that record was written, which must not have been given back yet."""
        return self._word_of(seq, 0)

    def offset_after(self, after: int) -> int:
        """What makes wall time of the time of the records after that number, which are still there."""
        moved: int = sum(steps_of(self.read(after, self.head))[1].tolist())
        return _signed(self._words[_OFFSET]) - moved

    def progress(self) -> Progress:
        """What the writer published last."""
        words = self._words
        beat, waited, turns = words[_BEAT], words[_WAITED], words[_TURNS]
        return Progress(words[_HEAD], beat, turns, waited)

    def read(self, after: int, upto: int) -> np.ndarray:
        """The records numbered `after` + 1 to `upto`, an array of RECORD: a view, good until they are released."""
        first, last = (after + 1) % self.capacity, (upto + 1) % self.capacity
        if upto <= after:
            return self._slots[:0]
        if first < last:
            return self._slots[first:last]
        return np.concatenate([self._slots[first:], self._slots[:last]])

    def block(self, after: int, upto: int) -> Block | None:
        """A copy of the records numbered `after` + 1 to `upto`, at least one; None when some are no longer there."""
        if upto - after > self.capacity:
            return None
        first, last = (after + 1) % self.capacity, (upto + 1) % self.capacity
        if first < last:
            block = Block(np.ascontiguousarray(self._rows[:, first:last]))
        else:
            block = Block(np.concatenate([self._rows[:, first:], self._rows[:, :last]], axis=1))
        # The writer overwrites the oldest first, so if that is still there, nothing of the run was overwritten.
        return block if block.last == upto and self.seq_at(after + 1) == after + 1 else None

    def mark_written(self, upto: int) -> None:
        """The log has all records up to number `upto`."""
        self._words[_WRITTEN] = upto

    def release(self, upto: int) -> None:
        """Give the slots of all records up to number `upto` back to the writer."""
        if upto > self.tail:
            self._words[_TAIL] = upto

    def left(self, after: int) -> Records:
        """As `leftover`, with wall time."""
        found = self.leftover(after)
        before = _signed(self._words[_OFFSET]) - sum(steps_of(found)[1].tolist())
        return Records.with_steps(found, before)[0]

    def leftover(self, after: int) -> np.ndarray:
        """Every whole record after number `after`, in order, published or not; for a ring whose writer is dead."""
        seq, head = self._slots["seq"], self.progress().head
        # Of all that a ring holds the oldest is less than a lap behind the newest.
        known = (seq > max(after, head - self.capacity)) & (seq <= max(head, after) + self.capacity)
        known &= (seq & np.uint64(self.capacity - 1)) == np.arange(self.capacity, dtype=np.uint64)
        places = np.flatnonzero(known)
        return self._slots[places[np.argsort(seq[places])]]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the map back."""
        del self._slots, self._rows
        self._words.release()
        # A copy made by a caller never keeps the map; a view held by one in error would.
        with contextlib.suppress(BufferError):
            self._map.close()
