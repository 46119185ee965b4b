"""The writer of the log: appends batches to Arrow segments, starts new ones, drops the oldest."""

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from core.durable import damaged_path, set_aside, sync
from core.log.format.dropped import Dropped
from core.log.format.files import (
    FOLDER,
    HOT,
    SEALED,
    JournalError,
    is_sealed,
    list_damaged,
    list_segments,
    segment_path,
)
from core.log.format.hot_segment import END_OF_STREAM, Encoder
from core.log.format.log_state import LogState
from core.log.format.parquet_segment import SealedFile
from core.log.write.recovery import recover
from core.log.write.retention import RetentionTotals

__all__ = ["Journal", "JournalError"]

SEGMENT_BYTES: Final = 64 * 1024**2
SEGMENT_AGE: Final = 3600.0
"""Seconds after which a segment of a slow server ends too, so that it is sealed."""
_SMALLEST_SEGMENT: Final = 64 * 1024
_SEGMENTS_KEPT: Final = 4
"""A limit on the log is kept to within one in this many: only whole segments are dropped."""


@dataclass(frozen=True, slots=True)
class _Ended:
    number: int
    path: Path
    size: int
    ended: float


class Journal:
    """The log of one data directory; it has one writer.

    Rows go to `directory/log/segment-NNNNNNNN.arrows`. Segments end at about `segment_bytes`, or after an hour; a
    Sealer exchanges those that have ended for Parquet files. `retain_bytes` and `retain_age` (seconds) drop the oldest
    ones; None keeps all. What a crash left half-written at the end of the newest segment is cut off; what is damaged
    is noted in `damage`, a line each, and kept apart. Raises JournalError for segments of a newer version, OSError when
    the folder can't be used.
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
        self._is_over = False
        self._ledger = RetentionTotals(self._folder)
        self._state, self.damage, self._torn = recover(self._folder, self._ledger)
        self.damage += self._ledger.set_damaged_aside()
        segments = list_segments(self._folder)
        taken = [number for number, _ in (*segments, *list_damaged(self._folder))]
        self._next = 1 + max(0, self._ledger.dropped.through, *taken)
        self._lock = threading.Lock()  # held while the list of ended segments, or a name of one, changes
        self._ended = [_ended(number, path) for number, path in segments]
        self._unsynced: set[int] = set()  # segments that were written to since they were last synced
        self._has_new_name = False

    @property
    def last_seq(self) -> dict[int, int]:
        """Number of the last event in the log, by worker."""
        return self._state.last_seq

    @property
    def max_conn(self) -> int:
        """Greatest connection number in the log."""
        return self._state.max_conn

    def blame_end(self, what: str) -> None:
        """The log once went on behind what can be read of it: the torn end of the newest segment is kept too."""
        path, rest = self._torn
        self.damage.append(f"{path}: its end is missing: {what}")
        if rest:
            damaged_path(path).write_bytes(rest)
            self._torn = path, b""

    @property
    def max_given_conn(self) -> int:
        """No greater connection number can have been given, also in what can't be read of the log."""
        return self._state.max_given_conn

    def last_given(self, worker: int) -> int:
        """The greatest number of an event that a worker can have given, also in what can't be read of the log."""
        return self._state.last_given(worker)

    @property
    def open_conns(self) -> dict[int, dict[int, str]]:
        """By worker {conn: peer}: connections whose `close` is not in the log."""
        return self._state.open_conns

    @property
    def log_bytes(self) -> int:
        """Size of all segments."""
        live = self._live
        return sum(segment.size for segment in list(self._ended)) + (live.size if live else 0)

    @property
    def dropped(self) -> Dropped:
        """What retention has dropped so far, in this run and before."""
        return self._ledger.dropped

    def append(self, batch: pa.RecordBatch) -> None:
        """Writes one batch of SCHEMA to the kernel, whole or not at all.

        Raises OSError when it can't be written; then the log is as it was before, and the batch may be tried again.
        """
        if not batch.num_rows:
            return
        if self._live and (self._is_over or self._live.is_due(self._segment_bytes, self._longest())):
            self._end()
            self._is_over = False
        if self._live is None:
            try:
                self._live = _LiveSegment(self._folder, self._next, self._state, batch)
            except FileExistsError:  # what a failed try left could not be removed
                self._next += 1
                raise
            self._unsynced.add(self._next)
            self._has_new_name = True
            self._next += 1
        else:
            self._live.append(batch)
        self._state.fold(batch)

    def retain(self) -> None:
        """Drops the oldest segments that have ended and are beyond the limits; from any thread, never from `append`.

        The newest segment stays: it alone tells the next start which numbers have been given. Raises OSError; then
        what could not be dropped is the oldest still, and may be tried again.
        """
        while len(self._ended) > (self._live is None) and self._is_beyond(self._ended[0]):
            self._ledger.drop(self._ended[0].number)
            with self._lock:
                del self._ended[0]

    def check(self) -> None:
        """Looks whether the file that is written is still there, and as long as it was; else another one is begun.

        What is wrong is noted in `damage`. From another thread than that which appends.
        """
        with self._lock:
            live = self._live
            if live is None or self._is_over:
                return
            size = live.size
            try:
                status = live.path.stat()
                is_ours = os.path.samestat(status, os.fstat(live.fd))
            except FileNotFoundError:
                is_ours = False
        if not is_ours or status.st_size < size:
            self._is_over = True
            self.damage.append(f"{live.path}: {'cut' if is_ours else 'removed'} while it was written")

    def begin_segment(self) -> None:
        """Lets the next batch begin a segment: within one, the time of a worker's rows never goes back."""
        self._is_over = True

    def sync(self) -> None:
        """Has the disk keep all that was appended, from another thread than that which appends. Raises OSError."""
        with self._lock:
            fd = os.dup(self._live.fd) if self._live else None
        self.sync_ended()
        if fd is not None:
            try:
                os.fdatasync(fd)
            finally:
                os.close(fd)

    def sync_ended(self) -> None:
        """Has the disk keep the segments that have ended; from any thread. Raises OSError."""
        with self._lock:
            waiting = [segment for segment in self._ended if segment.number in self._unsynced]
        for segment in waiting:
            with suppress(FileNotFoundError):  # sealed, which is synced, or dropped
                sync(segment.path)
            self._unsynced.discard(segment.number)
        if self._has_new_name:
            self._has_new_name = False
            try:
                sync(self._folder)
            except OSError:
                self._has_new_name = True
                raise

    def unsealed(self) -> list[tuple[int, Path]]:
        """Segments that have ended and are not sealed, oldest first; from any thread."""
        with self._lock:
            return [(segment.number, segment.path) for segment in self._ended if not is_sealed(segment.path)]

    def seal(self, number: int, whole: Path) -> None:
        """Puts the sealed form of a segment, synced to disk as `whole`, in its place; from any thread.

        Does nothing but remove it when the segment has been dropped meanwhile. A hot form that was damaged is set
        aside. Raises OSError.
        """
        hot, sealed = (segment_path(self._folder, number, suffix) for suffix in (HOT, SEALED))
        with self._lock:
            place = next((i for i, segment in enumerate(self._ended) if segment.number == number), None)
            if place is None:
                whole.unlink()
                return
            os.replace(whole, sealed)
            self._ended[place] = _ended(number, sealed)
        sync(self._folder)
        if SealedFile(sealed).damage:
            set_aside(hot)
        else:
            hot.unlink(missing_ok=True)

    def give_up(self, number: int) -> Path:
        """Sets a segment aside of which nothing can be read; what it is called now. From any thread. Raises OSError."""
        with self._lock:
            kept = set_aside(segment_path(self._folder, number))
            self._ended = [segment for segment in self._ended if segment.number != number]
        return kept

    def close(self) -> None:
        """Ends the live segment with the end-of-stream mark; the journal can't be used after it."""
        if self._live:
            self._end()

    def _is_beyond(self, oldest: _Ended) -> bool:
        if self._retain_bytes is not None and self.log_bytes > self._retain_bytes:
            return True
        return self._retain_age is not None and time.time() - oldest.ended > self._retain_age

    def _longest(self) -> float:
        """Seconds that a segment may be written to, so that rows go soon after their age."""
        return min(SEGMENT_AGE, self._retain_age / _SEGMENTS_KEPT if self._retain_age is not None else SEGMENT_AGE)

    def _end(self) -> None:
        with self._lock:
            live, self._live = self._live, None
            if live:
                try:
                    live.end()
                finally:
                    with suppress(FileNotFoundError):  # someone has removed it
                        self._ended.append(_ended(live.number, live.path))


class _LiveSegment:
    """The segment that is being written; `size` counts what is whole."""

    def __init__(self, folder: Path, number: int, state: LogState, batch: pa.RecordBatch) -> None:
        self.number = number
        self.path = path = segment_path(folder, number)
        self.size = 0
        self._started = time.monotonic()
        self._encoder = Encoder(state)
        first = self._encoder.head + self._encoder.unit(batch)
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            self._write(first)
        except OSError:
            os.close(self.fd)
            with suppress(OSError):
                path.unlink()
            raise

    def is_due(self, size: int, seconds: float) -> bool:
        """Whether it is time for a new segment."""
        return self.size >= size or time.monotonic() - self._started > seconds

    def append(self, batch: pa.RecordBatch) -> None:
        """Writes a batch, whole or not at all."""
        self._write(self._encoder.unit(batch))

    def end(self) -> None:
        """Ends the stream and closes the file."""
        try:
            self._write(END_OF_STREAM)
        finally:
            os.close(self.fd)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        offset = self.size
        try:
            while rest:
                written = os.pwrite(self.fd, rest, offset)
                offset += written
                rest = rest[written:]
        except OSError:
            os.ftruncate(self.fd, self.size)
            raise
        self.size = offset


def _ended(number: int, path: Path) -> _Ended:
    status = path.stat()
    return _Ended(number, path, status.st_size, status.st_mtime)
