"""Whether a log is whole: numbers, sums, openings and closings; what is damaged, and what can still be read."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.filter.query import Query
from core.log.format.dropped import Dropped, read_dropped
from core.log.format.files import JournalError, is_sealed, list_damaged, list_segments
from core.log.format.log_state import LogState
from core.log.format.summary import Summary
from core.log.read.index import Index, Reader, Segment, Unit, View, load
from core.log.read.log import Log
from core.log.read.open_close_check import OPEN, OpenCloseCheck, StateByConnection
from core.ring.events import Reason

Numbers = npt.NDArray[Any]

MOST_PROBLEMS: Final = 100
_LOST_ON_DISK: Final = f"{Reason.DISK.name.lower()}:"
_COUNT: Final = re.compile(r"(?:ring_full|disk):(\d+)")


@dataclass(frozen=True, slots=True)
class NumberRange:
    """The rows of a worker: first and last number, and how many rows there are."""

    first: int
    last: int
    rows: int


@dataclass(slots=True)
class Report:
    """What `verify` found. The log is whole when `found` is 0: how many `problems`, of which the first are kept.

    `segments` of which `sealed` are Parquet; `rows` that could be read, `unreadable` ones that are known to be there;
    `lost` events that are no rows because they could not be recorded (the log says so itself, so it is no problem);
    `connections` of which `open` have no close; times (ns) of the `first` and `last` row; `runs` by worker; what
    retention has `dropped`.
    """

    segments: int = 0
    sealed: int = 0
    rows: int = 0
    unreadable: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    lost: int = 0
    connections: int = 0
    open: int = 0
    first: int | None = None
    last: int | None = None
    runs: dict[int, NumberRange] = field(default_factory=dict)
    dropped: Dropped = field(default_factory=Dropped)
    problems: list[str] = field(default_factory=list)
    found: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.found

    def blame(self, path: Path, what: str) -> None:
        """Notes a problem of a file, in one line."""
        self.found += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(f"{path.name}: {what.removeprefix(f'{path}: ')}")

    def excuse(self, path: Path, what: str) -> None:
        """Takes a problem back."""
        self.found -= 1
        line = f"{path.name}: {what}"
        if line in self.problems:
            self.problems.remove(line)


@dataclass(slots=True)
class Stats:
    """Sums over rows: by kind, reason (those that have one) and worker; distinct `connections`; events `lost`.

    `first` and `last` are the times (ns) of the rows, `log_bytes` is the size of the whole log.
    """

    rows: int = 0
    first: int | None = None
    last: int | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    connections: int = 0
    lost: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    workers: dict[int, int] = field(default_factory=dict)
    log_bytes: int = 0


def verify(directory: Path) -> Report:
    """Reads the whole log of a data directory, past all that is damaged. Raises JournalError when there is none."""
    index = Index(directory)
    report = Report()
    report.dropped, damage = read_dropped(index.folder)
    if damage:
        report.blame(index.folder, damage)
    check = _Check(index, report)
    segments = list_segments(index.folder)
    for number, path in segments:
        check.segment(number, path, is_newest=number == segments[-1][0])
    check.finish()
    for _, path in list_damaged(index.folder):
        report.blame(path, "set aside, as it is damaged")
    return report


def stats(
    log: Log,
    query: Query,
    since: int | None = None,
    until: int | None = None,
    visit: Callable[[pa.RecordBatch], None] = lambda _: None,
) -> Stats:
    """Sums over the rows that match; reads them a batch at a time, and shows each to `visit`."""
    sums, conns = Stats(), StateByConnection()
    for batch in log.batches(query, since, until):
        visit(batch)
        _add(sums, batch)
        conn = np.unique(batch.column("conn").to_numpy())
        conns.put(conn[conn > 0], OPEN)
    sums.connections = conns.count(OPEN)
    sums.log_bytes = sum(path.stat().st_size for _, path in list_segments(log.index.folder))
    return sums


class _Check:
    """Goes through the segments in order."""

    def __init__(self, index: Index, report: Report) -> None:
        self._index = index
        self._report = report
        self._lives: OpenCloseCheck | None = None
        self._next: dict[int, int] = {}
        self._gaps: dict[tuple[int, int], tuple[Path, str]] = {}
        """By worker and length: the numbers that are missing and that no row has told of yet."""
        self._number: int | None = None

    def segment(self, number: int, path: Path, *, is_newest: bool) -> None:
        """Checks one, as far as it can be read."""
        report = self._report
        if self._number is not None and number != self._number + 1:
            report.blame(path, f"segments {self._number + 1} to {number - 1} before it are missing")
            self._forgive()
        self._number = number
        report.segments += 1
        try:
            segment = load(path, is_newest=is_newest)
        except FileNotFoundError:  # dropped, or sealed, since the folder was listed
            self._forgive()
            return
        except JournalError as error:
            report.blame(path, f"can't be read: {str(error).removeprefix(f'{path}: ')}")
            self._forgive()
            return
        report.sealed += is_sealed(path)
        for what in segment.damage:
            report.blame(path, what)
        if self._lives is None:
            self._begin(segment)
        if segment.damage:
            self._forgive()
        self._units(number, segment)

    def _begin(self, segment: Segment) -> None:
        """Takes up where the log stood before its first segment, as far as that is known."""
        try:
            state = segment.state()
        except JournalError:
            state = LogState()
        self._lives = OpenCloseCheck(state)
        self._next = {worker: last + 1 for worker, last in state.last_seq.items()}

    def finish(self) -> None:
        """Takes the sums that are known at the end."""
        if self._lives is not None:
            self._report.connections, self._report.open = self._lives.seen, self._lives.open_count

    def _units(self, number: int, segment: Segment) -> None:
        rows = sum(unit.summary.rows for unit in segment.units)
        with self._index.opened(View(number, segment.path, segment, rows)) as opened:
            if opened is None:
                self._forgive()
                return
            segment, reader = opened
            for unit in segment.units:
                self._unit(segment.path, reader, unit)

    def _unit(self, path: Path, reader: Reader, unit: Unit) -> None:
        report = self._report
        try:
            batch = reader.read(unit)
            batch.validate(full=True)
        except (JournalError, pa.ArrowException) as error:
            report.unreadable += unit.summary.rows
            report.blame(path, f"{str(error).removeprefix(f'{path}: ')}: {unit.summary.rows} rows")
            self._forgive()
            return
        if Summary.of(batch) != unit.summary:
            report.blame(path, f"rows {unit.start} to {unit.start + batch.num_rows - 1} are not what its index says")
        self._count(batch)
        for what in self._numbers(path, batch):
            report.blame(path, what)
        self._excuse(batch)
        for what in self._lives.fold(batch) if self._lives else ():
            report.blame(path, what)

    def _count(self, batch: pa.RecordBatch) -> None:
        report, sums = self._report, Stats()
        _add(sums, batch)
        report.rows += sums.rows
        report.bytes_in += sums.bytes_in
        report.bytes_out += sums.bytes_out
        report.lost += sums.lost
        report.first = _least(report.first, sums.first)
        report.last = _greatest(report.last, sums.last)

    def _excuse(self, batch: pa.RecordBatch) -> None:
        """Numbers are no problem when the log itself says how many it has lost."""
        reason = batch.column("reason")
        for text in reason.dictionary.to_pylist():
            if text.startswith(_LOST_ON_DISK):
                for row in np.flatnonzero(pa.compute.equal(reason, text)).tolist():
                    key = batch.column("worker")[row].as_py(), int(text.removeprefix(_LOST_ON_DISK))
                    if key in self._gaps:
                        self._report.excuse(*self._gaps.pop(key))

    def _numbers(self, path: Path, batch: pa.RecordBatch) -> list[str]:
        """What is wrong with the numbers of the workers."""
        worker, seq = batch.column("worker").to_numpy(), batch.column("seq").to_numpy()
        wrong = []
        for one in np.unique(worker).tolist():
            mine = seq[worker == one]
            first, last = int(mine[0]), int(mine[-1])
            before = np.concatenate(([self._next.get(one, 1) - 1], mine[:-1]))
            for at in np.flatnonzero(mine - before != 1)[:MOST_PROBLEMS].tolist():
                there, here = int(before[at]), int(mine[at])
                what = (
                    f"events {there + 1} to {here - 1} are missing"
                    if here > there
                    else f"event {here} comes after {there}"
                )
                wrong.append(f"worker {one}: {what}")
                if here > there:
                    self._gaps[one, here - there - 1] = path, wrong[-1]
                    self._forgive()
            self._next[one] = last + 1
            run = self._report.runs.get(one, NumberRange(first, last, 0))
            self._report.runs[one] = replace(run, last=last, rows=run.rows + len(mine))
        return wrong

    def _forgive(self) -> None:
        if self._lives is not None:
            self._lives.forgive()


def _add(sums: Stats, batch: pa.RecordBatch) -> None:
    """Adds the rows of a batch, its connections aside."""
    time = batch.column("time").view(pa.int64()).to_numpy()
    sums.rows += batch.num_rows
    sums.first, sums.last = _least(sums.first, int(time.min())), _greatest(sums.last, int(time.max()))
    sums.bytes_in += int(batch.column("bytes_in").to_numpy().sum(dtype=np.int64))
    sums.bytes_out += int(batch.column("bytes_out").to_numpy().sum(dtype=np.int64))
    reasons = {reason: rows for reason, rows in _texts(batch.column("reason")).items() if reason}
    for reason, rows in reasons.items():
        lost = _COUNT.fullmatch(reason)
        sums.lost += int(lost[1]) * rows if lost else 0
    worker, counts = np.unique(batch.column("worker").to_numpy(), return_counts=True)
    _merge(sums.workers, dict(zip(worker.tolist(), counts.tolist(), strict=True)))
    _merge(sums.kinds, _texts(batch.column("kind")))
    _merge(sums.reasons, reasons)


def _texts(column: pa.DictionaryArray) -> dict[str, int]:
    """Rows by text, of those that occur."""
    counts = np.bincount(column.indices.to_numpy(), minlength=len(column.dictionary)).tolist()
    return {text: rows for text, rows in zip(column.dictionary.to_pylist(), counts, strict=True) if rows}


def _merge(into: dict[Any, int], more: Mapping[Any, int]) -> None:
    for key, rows in more.items():
        into[key] = into.get(key, 0) + rows


def _least(one: int | None, other: int | None) -> int | None:
    return min((value for value in (one, other) if value is not None), default=None)


def _greatest(one: int | None, other: int | None) -> int | None:
    return max((value for value in (one, other) if value is not None), default=None)
