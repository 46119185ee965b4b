"""What is in the log and where: the units of every segment, hot or sealed, with their summaries."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.record.files import FOLDER, SEALED, JournalError, is_sealed, list_segments, segment_path
from core.record.sealed import SealedFile, SealedReader
from core.record.segment import END_OF_STREAM, Entry, Head, read_head, read_state, read_unit, walk
from core.record.state import State
from core.record.summary import SUMMARY_COLUMNS, Summary

Numbers = npt.NDArray[Any]


class Unit(NamedTuple):
    """What is decoded in one go: `start` is the number of its first row in the segment, `place` where it lies."""

    start: int
    place: int
    length: int
    summary: Summary


class Reader(Protocol):
    """An open segment; it can be read to the end whatever happens to its name."""

    def read(self, unit: Unit, columns: Sequence[str] = ()) -> pa.RecordBatch:
        """The rows of a unit; only the named columns when some are named. Raises JournalError when it is damaged."""


class HotSegment:
    """An Arrow stream that may be growing; `units` are in order of their rows."""

    is_as_written: Final = True
    """Whether the rows are in the order in which they were written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.units: list[Unit] = []
        self.head: Head | None = None
        self._known = 0

    def extend(self, length: int, *, is_newest: bool) -> None:
        """Takes in what has been written up to `length`; raises JournalError when it is damaged."""
        if length <= self._known:
            return
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._extend(fd, length, is_newest)
        finally:
            os.close(fd)

    def _extend(self, fd: int, length: int, is_newest: bool) -> None:
        self.head = self.head or read_head(fd, self.path)
        if self.head:
            self._known = self._known or self.head.end
            for entry in walk(fd, self._known, length):
                start = self.units[-1].start + self.units[-1].summary.rows if self.units else 0
                self.units.append(Unit(start, entry.offset, entry.length, _summary(fd, self.path, self.head, entry)))
                self._known = entry.offset + entry.length
        # Only the newest can be in the middle of a write, or have been torn by a crash and not yet been mended.
        rest = os.pread(fd, len(END_OF_STREAM) + 1, self._known)
        if rest not in (b"", END_OF_STREAM) and not is_newest:
            raise JournalError(f"{self.path}: damaged at byte {self._known}")

    def state(self) -> State:
        """Where the log stood before this segment; raises JournalError when that is damaged."""
        return read_state(self.head, self.path) if self.head else State()

    def may_hold(self, unit: Unit, low: int | None, high: int | None) -> bool:
        """Whether a unit may have a row of a connection from `low` to `high` (inclusive; None: no bound)."""
        summary = unit.summary
        return (low is None or summary.high_conn >= low) and (high is None or summary.low_conn <= high)

    def written(self, unit: Unit, batch: pa.RecordBatch) -> Numbers:
        """As which row of the segment each row of a unit's batch (`worker`, `seq`) was written."""
        return np.arange(unit.start, unit.start + batch.num_rows)


class SealedSegment:
    """A Parquet file; see HotSegment."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = SealedFile(path)
        self._held: tuple[tuple[int | None, int | None], list[bool]] = ((None, None), [])
        self.is_as_written = self._file.runs is None
        starts = np.cumsum([0, *(group.rows for group in self._file.groups)]).tolist()
        self.units = [
            Unit(start, i, 1, group) for i, (start, group) in enumerate(zip(starts, self._file.groups, strict=False))
        ]

    def state(self) -> State:
        """See HotSegment."""
        return self._file.state()

    def may_hold(self, unit: Unit, low: int | None, high: int | None) -> bool:
        """See HotSegment."""
        bounds, held = self._held
        if bounds != (low, high) or not held:
            held = self._file.holding(low, high)
            self._held = (low, high), held
        return held[unit.place]

    def written(self, unit: Unit, batch: pa.RecordBatch) -> Numbers:
        """See HotSegment."""
        if self._file.runs is None:
            return np.arange(unit.start, unit.start + batch.num_rows)
        return self._file.runs.places(batch.column("worker").to_numpy(), batch.column("seq").to_numpy())


Segment = HotSegment | SealedSegment
"""What is known of a segment. Its rows have one order as long as it is hot, and may have another once it is sealed."""


class View(NamedTuple):
    """A segment as it was at one moment: `rows` rows of it, in the order of writing, are looked at."""

    number: int
    path: Path
    segment: Segment
    rows: int


@dataclass(frozen=True, slots=True)
class _HotReader:
    fd: int
    path: Path
    head: Head

    def read(self, unit: Unit, columns: Sequence[str] = ()) -> pa.RecordBatch:
        """See Reader."""
        return read_unit(self.fd, self.path, self.head, Entry(unit.place, unit.length, unit.summary), columns)


@dataclass(frozen=True, slots=True)
class _SealedReader:
    file: SealedReader

    def read(self, unit: Unit, columns: Sequence[str] = ()) -> pa.RecordBatch:
        """See Reader."""
        return self.file.read(unit.place, columns)


class Index:
    """The segments of a log; may be used from several threads. Raises JournalError when there is no log."""

    def __init__(self, directory: Path) -> None:
        self.folder: Final = Path(directory) / FOLDER
        if not self.folder.is_dir():
            raise JournalError(f"{directory}: no log of echoscope in this directory")
        self._known: dict[int, Segment] = {}
        self._lock = threading.Lock()

    def views(self) -> list[View]:
        """The segments as they are now, oldest first; raises JournalError for one that is damaged or not ours."""
        with self._lock:
            found = list_segments(self.folder)
            known: dict[int, Segment] = {}
            for number, path in found:
                with suppress(FileNotFoundError):  # retention has just dropped it
                    known[number] = self._segment(number, path, is_newest=number == found[-1][0])
            self._known = known
            return [
                View(number, one.path, one, one.units[-1].start + one.units[-1].summary.rows)
                for number, one in known.items()
                if one.units
            ]

    @contextmanager
    def opened(self, view: View) -> Iterator[tuple[Segment, Reader] | None]:
        """A segment and its reader, in the form that it has now; None when retention has dropped it."""
        with _reader(view.segment) as reader:
            if reader is not None:
                yield view.segment, reader
                return
        segment = self._sealed(view.number)
        if segment is None:
            yield None
            return
        with _reader(segment) as reader:
            yield (segment, reader) if reader is not None else None

    def _segment(self, number: int, path: Path, *, is_newest: bool) -> Segment:
        known = self._known.get(number)
        if is_sealed(path):
            return known if isinstance(known, SealedSegment) else SealedSegment(path)
        try:
            hot = known if isinstance(known, HotSegment) else HotSegment(path)
            hot.extend(path.stat().st_size, is_newest=is_newest)
        except FileNotFoundError:  # sealed, or dropped, since the folder was listed
            return SealedSegment(segment_path(self.folder, number, SEALED))
        return hot

    def _sealed(self, number: int) -> SealedSegment | None:
        with self._lock:
            known = self._known.get(number)
            if not isinstance(known, SealedSegment):
                try:
                    known = SealedSegment(segment_path(self.folder, number, SEALED))
                except FileNotFoundError:
                    return None
                self._known[number] = known
            return known


def load(path: Path, *, is_newest: bool = False) -> tuple[Segment, str]:
    """A segment as far as it can be read, and what is damaged in it ("": nothing).

    Raises JournalError when nothing of it can be read, FileNotFoundError.
    """
    if is_sealed(path):
        return SealedSegment(path), ""
    hot = HotSegment(path)
    try:
        hot.extend(path.stat().st_size, is_newest=is_newest)
    except JournalError as error:
        if hot.head is None:
            raise
        return hot, str(error).removeprefix(f"{path}: ")
    return hot, ""


def _summary(fd: int, path: Path, head: Head, entry: Entry) -> Summary:
    """Of a unit; where a log of version 1 has no counts, from its rows."""
    if entry.summary.is_whole:
        return entry.summary
    return Summary.of(read_unit(fd, path, head, entry, SUMMARY_COLUMNS))


@contextmanager
def _reader(segment: Segment) -> Iterator[Reader | None]:
    """None when there is no such file any more."""
    if isinstance(segment, HotSegment):
        if segment.head is None:
            yield None
            return
        try:
            fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield None
            return
        try:
            yield _HotReader(fd, segment.path, segment.head)
        finally:
            os.close(fd)
        return
    try:
        file = SealedReader(segment.path)
    except FileNotFoundError:
        yield None
        return
    with file:
        yield _SealedReader(file)
