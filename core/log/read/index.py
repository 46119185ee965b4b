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

from core.log.format.files import (
    FOLDER,
    SEALED,
    JournalError,
    NewerVersionError,
    is_sealed,
    list_segments,
    segment_path,
)
from core.log.format.hot_segment import Entry, Gap, Head, find_head, is_torn, read_state, read_unit, survey
from core.log.format.log_state import LogState
from core.log.format.parquet_segment import SealedFile, SealedReader
from core.log.format.summary import SUMMARY_COLUMNS, Summary

Numbers = npt.NDArray[Any]


class Unit(NamedTuple):
    """What is decoded in one go: `start` is the number of its first row in the segment, `place` where it lies.

    `crc_at` is where the checksum of one in a hot segment lies, 0 where it has none.
    """

    start: int
    place: int
    length: int
    summary: Summary
    crc_at: int = 0

    @property
    def entry(self) -> Entry:
        """As a hot segment has it."""
        return Entry(self.place, self.length, self.summary, self.crc_at)


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
        self.gaps: list[Gap] = []
        """What is damaged between the units, behind them, or before them; the units themselves may be damaged too."""
        self._known = 0

    @property
    def damage(self) -> list[str]:
        """What is known to be damaged, a text each."""
        return [str(gap) for gap in self.gaps]

    def extend(self, length: int, *, is_newest: bool, is_written: bool = True) -> None:
        """Takes in what has been written up to `length`; raises JournalError when none of it can be read.

        Of the newest, whatever is behind the last unit may be just being written (`is_written`), or have been when its
        writer was killed; then it is the first part of a unit.
        """
        if self.head and length <= self._known:
            return
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._extend(fd, length, is_newest, is_written)
        finally:
            os.close(fd)

    def _extend(self, fd: int, length: int, is_newest: bool, is_written: bool) -> None:
        if self.head is None:
            self.head = find_head(fd, self.path, length)
            if self.head is None:
                if is_newest and is_torn(fd, 0, length):
                    return
                raise JournalError(f"{self.path}: not a segment of an echoscope log, or all of it is damaged")
            self._known = self.head.end
        for part in survey(fd, self._known, length):
            if isinstance(part, Gap):
                is_rest = part.offset + part.length == length
                if is_rest and is_newest and (is_written or is_torn(fd, part.offset, length)):
                    return
                self.gaps.append(part)
                self._known = part.offset + part.length
                continue
            self._known = part.offset + part.length
            start = self.units[-1].start + self.units[-1].summary.rows if self.units else 0
            summary = _summary(fd, self.path, self.head, part)
            self.units.append(Unit(start, part.offset, part.length, summary, part.crc_at))

    def state(self) -> LogState:
        """Where the log stood before this segment; raises JournalError when that is damaged."""
        return read_state(self.head, self.path) if self.head else LogState()

    @property
    def size(self) -> int:
        """Bytes that are known."""
        return self._known

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
        self.damage = self._file.damage
        self._held: tuple[tuple[int | None, int | None], list[bool]] = ((None, None), [])
        self.is_as_written = self._file.runs is None
        starts = np.cumsum([0, *(group.rows for group in self._file.groups)]).tolist()
        self.units = [
            Unit(start, i, 1, group) for i, (start, group) in enumerate(zip(starts, self._file.groups, strict=False))
        ]

    def state(self) -> LogState:
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
        return read_unit(self.fd, self.path, self.head, unit.entry, columns)


@dataclass(frozen=True, slots=True)
class _SealedReader:
    file: SealedReader

    def read(self, unit: Unit, columns: Sequence[str] = ()) -> pa.RecordBatch:
        """See Reader."""
        return self.file.read(unit.place, columns)


class Index:
    """The segments of a log; may be used from several threads. Raises JournalError when there is no log.

    What is damaged is left out, and noted once in `damaged`: the rest of the log can be read.
    """

    def __init__(self, directory: Path) -> None:
        self.folder: Final = Path(directory) / FOLDER
        if not self.folder.is_dir():
            raise JournalError(f"{directory}: no log of echoscope in this directory")
        self.damaged: dict[str, str] = {}
        """By name of a segment what was found damaged in it first, one clear line."""
        self._known: dict[int, Segment] = {}
        self._unusable: dict[Path, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def blame(self, path: Path, what: str) -> None:
        """Notes that something of a segment can't be read."""
        self.damaged.setdefault(path.stem, f"{path}: {what.removeprefix(f'{path}: ')}")

    def views(self) -> list[View]:
        """The segments as they are now, oldest first; raises JournalError for one of a newer version."""
        with self._lock:
            found = list_segments(self.folder)
            known: dict[int, Segment] = {}
            for number, path in found:
                with suppress(FileNotFoundError):  # retention has just dropped it
                    segment = self._usable(number, path, is_newest=number == found[-1][0])
                    if segment is not None:
                        known[number] = segment
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

    def _usable(self, number: int, path: Path, *, is_newest: bool) -> Segment | None:
        """A segment as far as it can be read; None when nothing of it can, which is looked at once."""
        status = path.stat()
        if self._unusable.get(path) == (status.st_size, status.st_mtime_ns):
            return None
        try:
            segment = self._segment(number, path, is_newest=is_newest)
        except NewerVersionError:
            raise
        except JournalError as error:
            self._unusable[path] = status.st_size, status.st_mtime_ns
            self.blame(path, str(error))
            return None
        for what in segment.damage[:1]:
            self.blame(path, what)
        return segment

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
                except JournalError as error:
                    self.blame(segment_path(self.folder, number, SEALED), str(error))
                    return None
                self._known[number] = known
            return known


def load(path: Path, *, is_newest: bool = False, is_written: bool = True) -> Segment:
    """A segment as far as it can be read; see HotSegment.extend.

    Raises JournalError when nothing of it can be read, FileNotFoundError.
    """
    if is_sealed(path):
        return SealedSegment(path)
    hot = HotSegment(path)
    hot.extend(path.stat().st_size, is_newest=is_newest, is_written=is_written)
    return hot


@contextmanager
def opened(segment: Segment) -> Iterator[Reader]:
    """A reader of a segment. Raises FileNotFoundError."""
    with _reader(segment) as reader:
        if reader is None:
            raise FileNotFoundError(segment.path)
        yield reader


def _summary(fd: int, path: Path, head: Head, entry: Entry) -> Summary:
    """Of a unit; where a log of version 1 has no counts, from its rows."""
    if entry.summary.is_whole:
        return entry.summary
    try:
        return Summary.of(read_unit(fd, path, head, entry, SUMMARY_COLUMNS))
    except JournalError:  # told when it is read
        return entry.summary


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
    except (FileNotFoundError, JournalError):  # the footer was read before: whoever asks finds what is wrong
        yield None
        return
    with file:
        yield _SealedReader(file)
