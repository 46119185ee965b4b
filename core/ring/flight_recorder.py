"""The latest records of one kind in a small memory-mapped file: the writer never waits, the oldest are overwritten.

For what is worth having but not worth keeping: turns of the loop, last samples of connections. As in the ring of
events, what was written survives the death of the process. Layout, little-endian: a header of one page, then
`capacity` records, whose last field is their number, from 1; record `s` is in slot `s % capacity`.
"""

import mmap
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

import numpy as np
import numpy.typing as npt

from core.ring.capacity import shrunk
from core.ring.clock import wall_offset
from core.ring.ring import RingError

Records = npt.NDArray[Any]

_MAGIC: Final = b"echolast"
_HEADER_SIZE: Final = mmap.PAGESIZE
_HEADER: Final = struct.Struct("<8s16sIIQq")  # magic, kind, version, record size, capacity, wall offset
_CHUNK: Final = 512
_MARGIN: Final = 64
"""Of a whole file, the oldest may be overwritten while they are read."""


@dataclass(frozen=True)
class Layout:
    """A kind of records: `record` and `packer` are the same fields, `seq` the last of both."""

    kind: bytes
    version: int
    record: np.dtype[Any]
    packer: struct.Struct
    capacity: int

    @property
    def size(self) -> int:
        """Bytes of a file."""
        return _HEADER_SIZE + self.capacity * self.record.itemsize


TURN: Final = Layout(
    b"turns",
    2,
    np.dtype(
        [
            ("began", "<u8"),  # CLOCK_MONOTONIC, ns: the wait began, it ended, all visits had been made
            ("woken", "<u8"),
            ("ended", "<u8"),
            ("ready", "<u4"),  # descriptors that the wait answered, and those that it looked at for that
            ("scanned", "<u4"),
            ("echoes", "<u8"),  # since the loop began: visits of the hot path, each one read and one write
            ("accepts", "<u8"),  # since the loop began: calls made besides, and how many of all would have blocked
            ("reads", "<u8"),
            ("writes", "<u8"),
            ("eagains", "<u8"),
            ("measured", "<u8"),  # 1: it was measured how long the turn took to accept, to read and to write, ns
            ("accept", "<u8"),
            ("read", "<u8"),
            ("write", "<u8"),
            ("seq", "<u8"),
        ]
    ),
    struct.Struct("<QQQIIQQQQQQQQQQ"),
    shrunk(1 << 15),
)
"""A turn of the loop."""

INFO_SIZE: Final = 480
SAMPLE: Final = Layout(
    b"samples",
    1,
    np.dtype([("time", "<u8"), ("conn", "<u8"), ("length", "<u8"), ("info", f"V{INFO_SIZE}"), ("seq", "<u8")]),
    struct.Struct(f"<QQQ{INFO_SIZE}sQ"),
    shrunk(1 << 13),
)
"""What the kernel knew of a connection just before its close: `time` is wall clock, `info` a struct tcp_info."""

FACTS_SIZE: Final = 472
ORIGIN: Final = Layout(
    b"origins",
    1,
    np.dtype(
        [
            ("conn", "<u8"),
            ("via", "V16"),
            ("port", "<u4"),
            ("length", "<u4"),
            ("facts", f"V{FACTS_SIZE}"),
            ("seq", "<u8"),
        ]
    ),
    struct.Struct(f"<Q16sII{FACTS_SIZE}sQ"),
    shrunk(1 << 15),
)
"""How a connection came: `via` and `port` are the address of the proxy (all zero: none) as an `open` record has its
peer's, `facts` a JSON object of `length` bytes."""


class OtherVersionError(RingError):
    """A file of latest records that another version of the program wrote."""


class LatestWriter:
    """The writing end; `write(*fields but seq)` is a closure over local variables, for the loop's sake."""

    write: Callable[..., None]

    def __init__(self, path: Path, layout: Layout) -> None:
        """Go on with the file at `path`, or make it. Raises OSError, and RingError when it is another's.

        A file of another version is begun anew: what is in it was not worth keeping.
        """
        try:
            self._map = _made(path, layout)
        except OtherVersionError:
            path.unlink()
            self._map = _made(path, layout)
        _HEADER.pack_into(self._map, 0, *_HEADER.unpack(_header(layout)))
        slots = np.frombuffer(self._map, layout.record, layout.capacity, _HEADER_SIZE)
        newest = int(slots["seq"].max())
        del slots
        self._bind(layout, newest)

    def _bind(self, layout: Layout, seq: int) -> None:
        view, size, mask, start, pack = (
            self._map,
            layout.record.itemsize,
            layout.capacity - 1,
            _HEADER_SIZE,
            layout.packer,
        )
        pack_into = pack.pack_into

        def write(*fields: Any) -> None:
            nonlocal seq
            seq += 1
            pack_into(view, start + (seq & mask) * size, *fields, seq)

        self.write = write

    def close(self) -> None:
        """Give the map back."""
        self._map.close()


class LatestReader:
    """The reading end, in the same or another process."""

    def __init__(self, path: Path, layout: Layout) -> None:
        """Open the file at `path`. Raises OSError, and RingError when it is another's."""
        with open(path, "rb") as file:  # it may be on a medium that is only read
            self._map = _mapped(file, path, layout, mmap.ACCESS_READ)
        self._slots = np.frombuffer(self._map, layout.record, layout.capacity, _HEADER_SIZE)
        self._capacity = layout.capacity

    @property
    def wall_offset(self) -> int:
        """What makes wall time of the writer's monotonic time, ns."""
        return int(_HEADER.unpack_from(self._map)[5])

    def newest(self, after: int = 0) -> int:
        """Number of the newest record, given one that is not newer."""
        while True:
            numbers = self._slots["seq"].take(np.arange(after + 1, after + 1 + _CHUNK), mode="wrap")
            wrong = np.flatnonzero(numbers != np.arange(after + 1, after + 1 + _CHUNK, dtype=np.uint64))
            if len(wrong) and numbers[wrong[0]] > after:  # the writer is a whole lap ahead
                after = int(self._slots["seq"].max())
                continue
            if len(wrong):
                return after + int(wrong[0])
            after += _CHUNK

    def since(self, after: int) -> Records:
        """The records after number `after`, as far as they are not overwritten: a copy, in order."""
        upto = self.newest(after)
        first = max(after, upto - self._capacity) + 1
        found = self._slots.take(np.arange(first, upto + 1), mode="wrap")
        kept = found["seq"] > max(0, self.newest(upto) - self._capacity + _MARGIN)
        kept &= found["seq"] == np.arange(first, upto + 1, dtype=np.uint64)
        return found[kept] if not kept.all() else found

    def find(self, field: str, *values: int) -> Records:
        """The records whose field has one of the values, oldest first: a copy, without what was overwritten."""
        wanted = np.array(values, np.uint64)
        slots = np.flatnonzero(np.isin(self._slots[field], wanted))
        before = self._slots["seq"][slots]
        found = self._slots[slots]
        # The writer clears a slot's number before anything else, and gives it the next one last.
        is_whole = (before > 0) & (self._slots["seq"][slots] == before) & np.isin(found[field], wanted)
        whole: Records = found[is_whole]
        return whole[np.argsort(whole["seq"])]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the map back."""
        del self._slots
        self._map.close()


def _header(layout: Layout) -> bytes:
    return _HEADER.pack(_MAGIC, layout.kind, layout.version, layout.record.itemsize, layout.capacity, wall_offset())


def _made(path: Path, layout: Layout) -> mmap.mmap:
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "rb+") as file:
        if os.fstat(file.fileno()).st_size == 0:
            # Allocated, not sparse: a store into a hole of a full disk is a SIGBUS.
            os.posix_fallocate(file.fileno(), 0, layout.size)
            file.write(_header(layout))
            file.flush()
        return _mapped(file, path, layout)


def _mapped(file: BinaryIO, path: Path, layout: Layout, access: int = mmap.ACCESS_WRITE) -> mmap.mmap:
    """The file as memory, if it is one of this layout."""
    what = layout.kind.decode()
    file.seek(0)
    head = file.read(_HEADER.size)
    magic, kind, version, record_size, capacity, _ = _HEADER.unpack(head.ljust(_HEADER.size, b"\0"))
    if magic != _MAGIC or kind.rstrip(b"\0") != layout.kind:
        raise RingError(f"{path}: not a file of {what} of echoscope")
    if version != layout.version or record_size != layout.record.itemsize or capacity != layout.capacity:
        raise OtherVersionError(f"{path}: {what} of version {version}; this is version {layout.version}")
    if os.fstat(file.fileno()).st_size != layout.size:
        raise RingError(f"{path}: {what} cut short")
    return mmap.mmap(file.fileno(), layout.size, access=access)
