"""Any moment that the log still holds: the newest checkpoint before it, and the events from there on."""

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from core.bad_value import BadValueError
from core.durable import set_aside
from core.filter.query import EVENT_FIELDS, Query, parse
from core.log.format.rows import from_batch
from core.log.read.log import Log
from core.ring.records import Records
from core.watch.moment import Moment, Moved
from core.watch.now.recent import ROWS_KEPT
from core.watch.now.recent import history as history_of
from core.watch.now.series import Series
from core.watch.now.sums import Sums
from core.watch.now.tally import Rates
from core.watch.then import checkpoint, history, runs
from core.watch.then.checkpoint import Checkpoint, CheckpointError
from core.watch.then.history import counted, read_history
from core.watch.then.picture import Picture
from core.watch.then.runs import Run, read_runs, run_at
from core.watch.times import rfc3339

_NEVER: Final = 2**63 - 1
_ALL: Final = Query()
_SECOND: Final = 1_000_000_000
_KEPT: Final = 8
"""Moments in memory: a viewer that plays goes on from the last one."""
_UNKNOWN: Final = Run(0, 0, 0, {}, {}, {"model": None, "reply": None, "workers": None, "echo": None, "marks": None})
_CHECKPOINTS_KEPT: Final = 2
_MOST_UNUSABLE: Final = 1000
_log = logging.getLogger("echoscope.past")


def given(directory: Path) -> tuple[dict[int, int], int]:
    """By worker the greatest number that any file beside the log knows of, and the greatest connection."""
    marks, conn = dict(counted(directory)[0]), 0
    for run in read_runs(directory):
        for worker, seq in (*run.recovered.items(), *run.marks.items()):
            marks[worker] = max(marks.get(worker, 0), seq)
    for _, path in reversed(checkpoint.list_checkpoints(directory / checkpoint.FOLDER)):
        try:
            tallies = checkpoint.read(path).tallies
        except CheckpointError:
            continue
        for tally in tallies:
            marks[tally.table.worker] = max(marks.get(tally.table.worker, 0), tally.taken)
            conn = max(conn, int(tally.table["conn"][-1]))
        break
    return marks, conn


def set_damaged_aside(directory: Path) -> list[str]:
    """Renames what is damaged of the files that keep the past beside the log; what is to be told, a line each.

    Raises OSError.
    """
    told = [runs.damage_of(directory), *history.set_damaged_aside(directory)]
    for _, path in checkpoint.list_checkpoints(directory / checkpoint.FOLDER)[-1:]:
        try:
            checkpoint.read(path)
        except CheckpointError as error:
            told.append(f"{error}; kept as {set_aside(path).name}")
    return [line for line in told if line]


def rows_between(log: Log, worker: int, since: int, after: int, upto: int) -> Iterator[Records]:
    """The records of a worker behind a number up to another, none of which is older than `since` (ns)."""
    query = parse(f"worker:{worker} seq>{after} seq<={upto}", EVENT_FIELDS)
    for batch in log.batches(query, since):
        records = from_batch(batch)
        yield records[np.argsort(records["seq"], kind="stable")]


class Past:
    """The past of a data directory; may be used from any thread. Holds no lock of the live side while it works.

    `written` brings the log up to a moment and says up to when it is whole (ns). Raises ValueError for moments that
    the log does not hold, JournalError and OSError where it can't be read.
    """

    def __init__(self, directory: Path, log: Log, written: Callable[[int], int]) -> None:
        self.directory = directory
        self.log = log
        self._written = written
        self._lock = threading.Lock()
        self._pictures: dict[int, Picture] = {}
        self._reading = threading.Lock()
        self._checkpoints: dict[Path, Checkpoint] = {}
        self._unusable: set[Path] = set()
        self._first: tuple[int, int, int] | None = None

    def span(self) -> tuple[int, int]:
        """The first moment that the log holds the state of, and its last event (ns). ValueError when it is empty."""
        span = self.log.span()
        if span is None:
            self._written(_NEVER)
            span = self.log.span()
        if span is None:
            raise BadValueError("the log is empty")
        run = self._run(span[0])
        if self._is_whole(run):
            return span
        for at, path in checkpoint.list_checkpoints(self.directory / checkpoint.FOLDER):
            known = self._read(path) if at >= span[0] else None
            if known and known.since >= span[0]:
                return min(known.time, span[1]), span[1]
        return span

    def moment(self, now: int) -> Moment:
        """The state at `now` (ns), with every event up to it."""
        whole = self._written(now)
        first, _ = self.span()
        if now < first:
            raise BadValueError(f"{rfc3339(now)} is before the log's beginning, {rfc3339(first)}")
        picture = self._picture(now, whole)
        series = Series()
        series.load(read_history(self.directory, now // _SECOND, 60))
        sums, moved = self._last_second(now, picture.run)
        return Moment(
            now,
            (now - picture.run.begun) / _SECOND,
            picture.run.about,
            picture.tallies,
            Rates(sums.echoes, sums.bytes_in, sums.bytes_out, series.latest("loop_busy", now // _SECOND - 1)),
            lambda conn, limit: self._history(now, conn, limit),
            lambda range_s: self._columns(now, range_s),
            last_second=lambda: moved,
        )

    def _picture(self, now: int, whole: int) -> Picture:
        """The picture of a moment: not to be altered, others look at it as well."""
        with self._lock:
            found = self._pictures.pop(now, None)
            if found is None:
                found = self._base(now)
                for batch in self.log.batches(_ALL, found.since, now + 1):
                    found.take(batch)
                found.since = min(now, whole)
            if now <= whole:
                self._pictures[now] = found
                while len(self._pictures) > _KEPT:
                    del self._pictures[next(iter(self._pictures))]
            return found

    def _base(self, now: int) -> Picture:
        """The nearest state before a moment that is at hand: one of the last looked at, a checkpoint, or nothing."""
        run = self._run(now)
        near = max((at for at, one in self._pictures.items() if at <= now and one.run.begun == run.begun), default=0)
        for time, path in reversed(checkpoint.list_checkpoints(self.directory / checkpoint.FOLDER)):
            if time <= max(near, run.since - 1):
                break
            found = self._read(path) if time <= now else None
            if found and found.begun == run.begun:
                return Picture(run, found.since, (tally.copy() for tally in found.tallies))
        if near:
            picture = self._pictures[near].copy()
            picture.run = run
            return picture
        return Picture(run, run.since, begins_anywhere=not self._is_whole(run))

    def _read(self, path: Path) -> Checkpoint | None:
        """A checkpoint; None for one that can't be used, which is said once."""
        with self._reading:
            if path not in self._checkpoints and path not in self._unusable:
                try:
                    self._checkpoints[path] = checkpoint.read(path)
                except CheckpointError as error:
                    _log.warning("ignored: %s", error)
                    self._unusable = {*self._unusable, path} if len(self._unusable) < _MOST_UNUSABLE else {path}
                while len(self._checkpoints) > _CHECKPOINTS_KEPT:
                    del self._checkpoints[next(iter(self._checkpoints))]
            return self._checkpoints.get(path)

    def _run(self, now: int) -> Run:
        """The run of a moment; of a log that tells of none, all of it is one."""
        runs = read_runs(self.directory)
        return run_at(runs, now) or (runs or [_UNKNOWN])[0]

    def _is_whole(self, run: Run) -> bool:
        """Whether the log holds the run from its first event on."""
        begin = (self.log.span() or (0, 0))[0]
        if self._first is None or self._first[0] != begin:
            first = next(self.log.batches(_ALL), None)
            if first is None:
                return True
            self._first = (begin, first.column("worker")[0].as_py(), first.column("seq")[0].as_py())
        _, worker, seq = self._first
        return seq <= run.recovered.get(worker, 0) + 1

    def _history(self, now: int, conn: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        batches = self._recent(now)
        return history_of(batches[::-1], conn, limit), sum(batch.num_rows for batch in batches)

    def _recent(self, now: int) -> list[pa.RecordBatch]:
        batches: list[pa.RecordBatch] = []
        rows = 0
        for batch in self.log.batches(_ALL, None, now + 1, reverse=True):
            batches.append(batch.take(pa.array(np.arange(batch.num_rows)[::-1])))
            rows += batch.num_rows
            if rows >= ROWS_KEPT:
                break
        return batches[::-1]

    def _columns(self, now: int, range_s: int) -> dict[str, Any]:
        series = Series()
        series.load(read_history(self.directory, now // _SECOND, range_s))
        return series.columns(range_s, now // _SECOND)

    def _last_second(self, now: int, run: Run) -> tuple[Sums, Moved]:
        """What happened in the second up to a moment, in all and row by row."""
        sums = Sums()
        parts: dict[int, list[Any]] = {}
        for batch in self.log.batches(_ALL, max(now - _SECOND + 1, run.begun), now + 1):
            records = from_batch(batch)
            sums += Sums.of(records)
            columns = np.stack([records[name].astype(np.int64) for name in ("conn", "bytes_in", "bytes_out")])
            for worker in np.unique(records["worker"]).tolist():
                parts.setdefault(worker, []).append(columns[:, records["worker"] == worker])
        return sums, {worker: tuple(np.concatenate(found, axis=1)) for worker, found in parts.items()}
