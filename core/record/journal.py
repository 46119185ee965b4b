"""The writer of the log: appends batches to Arrow segments, starts new ones, drops the oldest."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from core.record.segment import (
    END_OF_STREAM,
    FOLDER,
    Encoder,
    JournalError,
    list_segments,
    read_head,
    read_state,
    read_unit,
    segment_path,
    walk,
)
from core.record.state import STATE_COLUMNS, State

__all__ = ["Journal", "JournalError"]

SEGMENT_BYTES: Final = 64 * 1024**2
_SMALLEST_SEGMENT: Final = 64 * 1024
_SEGMENTS_KEPT: Final = 4
"""A limit on the log is kept to within one in this many: only whole segments are dropped."""


@dataclass(frozen=True, slots=True)
class _Sealed:
    path: Path
    size: int
    ended: float


class Journal:
    """The log of one data directory; it has one writer.

    Rows go to `directory/log/segment-NNNNNNNN.arrows`. Segments end at about `segment_bytes`. `retain_bytes` and
    `retain_age` (seconds) drop the oldest ones; None keeps all. What a crash left half-written at the end of the
    newest segment is cut off. Raises JournalError for segments that are not ours, OSError when the folder can't
    be used.
    """

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        retain_bytes: int | None = None,
        retain_age: float | None = None,
    ) -> None:
        self._folder = Path(directory) / FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)
        if retain_bytes is not None:
            segment_bytes = min(segment_bytes, max(_SMALLEST_SEGMENT, retain_bytes // _SEGMENTS_KEPT))
        self._segment_bytes = segment_bytes
        self._retain_bytes = retain_bytes
        self._retain_age = retain_age
        self._live: _LiveSegment | None = None
        self._state = _recover(self._folder)
        segments = list_segments(self._folder)
        self._next = segments[-1][0] + 1 if segments else 1
        self._sealed = [_sealed(path) for _, path in segments]
        self.retain()

    @property
    def last_seq(self) -> dict[int, int]:
        """Number of the last event in the log, by worker."""
        return self._state.last_seq

    @property
    def max_conn(self) -> int:
        """Greatest connection number in the log."""
        return self._state.max_conn

    @property
    def open_conns(self) -> dict[int, dict[int, str]]:
        """By worker {conn: peer}: connections whose `close` is not in the log."""
        return self._state.open_conns

    @property
    def log_bytes(self) -> int:
        """Size of all segments."""
        return sum(segment.size for segment in self._sealed) + (self._live.size if self._live else 0)

    def append(self, batch: pa.RecordBatch) -> None:
        """Writes one batch of SCHEMA to the kernel, whole or not at all.

        Raises OSError when it can't be written; then the log is as it was before, and the batch may be tried again.
        """
        if not batch.num_rows:
            return
        if self._live and self._live.is_due(self._segment_bytes, self._longest()):
            self._seal()
        if self._live is None:
            self._live = _LiveSegment(segment_path(self._folder, self._next), self._state, batch)
            self._next += 1
        else:
            self._live.append(batch)
        self._state.fold(batch)
        self.retain()

    def retain(self) -> None:
        """Drops the oldest sealed segments that are beyond the limits; `append` calls it."""
        while self._sealed and self._is_beyond(self._sealed[0]):
            self._sealed.pop(0).path.unlink(missing_ok=True)

    def close(self) -> None:
        """Ends the live segment with the end-of-stream mark; the journal can't be used after it."""
        if self._live:
            self._seal()

    def _is_beyond(self, oldest: _Sealed) -> bool:
        if self._retain_bytes is not None and self.log_bytes > self._retain_bytes:
            return True
        return self._retain_age is not None and time.time() - oldest.ended > self._retain_age

    def _longest(self) -> float | None:
        """Seconds that a segment may be written to, so that rows go soon after their age."""
        return self._retain_age / _SEGMENTS_KEPT if self._retain_age is not None else None

    def _seal(self) -> None:
        live, self._live = self._live, None
        if live:
            try:
                live.seal()
            finally:
                self._sealed.append(_sealed(live.path))


class _LiveSegment:
    """The segment that is being written; `size` counts what is whole."""

    def __init__(self, path: Path, state: State, batch: pa.RecordBatch) -> None:
        self.path = path
        self.size = 0
        self._started = time.monotonic()
        self._encoder = Encoder(state)
        first = self._encoder.head + self._encoder.unit(batch)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            self._write(first)
        except OSError:
            os.close(self._fd)
            path.unlink()
            raise

    def is_due(self, size: int, seconds: float | None) -> bool:
        """Whether it is time for a new segment."""
        return self.size >= size or (seconds is not None and time.monotonic() - self._started > seconds)

    def append(self, batch: pa.RecordBatch) -> None:
        """Writes a batch, whole or not at all."""
        self._write(self._encoder.unit(batch))

    def seal(self) -> None:
        """Ends the stream and closes the file."""
        try:
            self._write(END_OF_STREAM)
        finally:
            os.close(self._fd)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        offset = self.size
        try:
            while rest:
                written = os.pwrite(self._fd, rest, offset)
                offset += written
                rest = rest[written:]
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        self.size = offset


def _sealed(path: Path) -> _Sealed:
    status = path.stat()
    return _Sealed(path, status.st_size, status.st_mtime)


def _recover(folder: Path) -> State:
    """Checks every segment, cuts the torn tail of the newest one, and says where the log stands."""
    segments = list_segments(folder)
    for _, path in segments[:-1]:
        _check(path)
    for _, path in reversed(segments):
        state = _recover_segment(path)
        if state is not None:
            return state
        # The crash came within the head: there is no row in it.
        path.unlink()
    return State()


def _check(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if read_head(fd, path) is None:
            raise JournalError(f"{path}: ends within its head")
    finally:
        os.close(fd)


def _recover_segment(path: Path) -> State | None:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        head = read_head(fd, path)
        if head is None:
            return None
        state, end = read_state(head, path), head.end
        for entry in walk(fd, head.end, os.fstat(fd).st_size):
            state.fold(read_unit(fd, path, head, entry, STATE_COLUMNS))
            end = entry.offset + entry.length
        if os.pread(fd, len(END_OF_STREAM) + 1, end) != END_OF_STREAM:
            os.ftruncate(fd, end)
        return state
    finally:
        os.close(fd)
