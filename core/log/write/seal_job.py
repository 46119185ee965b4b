"""Rewriting a hot segment as a sealed one, a slice at a time, in bounded memory."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.durable import PARTIAL, sync
from core.log.format.files import JournalError
from core.log.format.hot_segment import Entry, Head, read_unit
from core.log.format.log_state import LogState
from core.log.format.parquet_segment import GROUP_ROWS, Runs, SealedWriter
from core.log.format.schema import SCHEMA
from core.log.read.index import HotSegment, load

_WRITTEN: Final = "written"
_ORDER: Final = [("time", "ascending"), ("worker", "ascending"), ("seq", "ascending")]


class Abandoned(Exception):  # noqa: N818 - it is no error
    """The rewriting was called off."""


def rewrite(source: Path, keep_on: Callable[[], bool] = lambda: True) -> Path:
    """Writes the rows of a hot segment to a new file beside it, synced to disk, and answers its path.

    What is damaged is left out; the file says what that was. `keep_on` is asked after each slice; False raises
    Abandoned. Raises OSError when it can't be written, JournalError when nothing can be read: then there is no file.
    """
    target = source.with_suffix(PARTIAL)
    try:
        try:
            _rewrite(source, target, keep_on, by_time=True)
        except _NotRisingError:
            _rewrite(source, target, keep_on, by_time=False)
        _sync(target, source)
    except BaseException:
        with suppress(OSError):
            target.unlink()
        raise
    return target


class _NotRisingError(Exception):
    """The numbers of a worker do not rise, so the order of writing can't be found again."""


def _rewrite(source: Path, target: Path, keep_on: Callable[[], bool], *, by_time: bool) -> None:
    segment = load(source)
    assert isinstance(segment, HotSegment)
    assert segment.head is not None
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with SealedWriter(target, _state(segment)) as writer:
            merge = _Merge(fd, source, segment.head, [unit.entry for unit in segment.units], by_time)
            for table in merge.groups():
                writer.write(table)
                if not keep_on():
                    raise Abandoned
            writer.finish(merge.runs(), [*segment.damage, *merge.damage])
    finally:
        os.close(fd)


def _state(segment: HotSegment) -> LogState:
    """Where the log stood before a segment; of one with a damaged head that is not known."""
    try:
        return segment.state()
    except JournalError:
        return LogState()


class _Merge:
    """The rows of the units as row groups in order; no more of them in memory than overlap in time."""

    def __init__(self, fd: int, source: Path, head: Head, entries: list[Entry], by_time: bool) -> None:
        self._fd, self._source, self._head = fd, source, head
        starts = np.cumsum([0, *(entry.summary.rows for entry in entries)]).tolist()
        units = list(zip(entries, starts, strict=False))
        self._units = sorted(units, key=lambda unit: unit[0].summary.first) if by_time else units
        self._by_time = by_time
        self._runs: dict[int, Runs] = {}
        self.damage: list[str] = []
        """What could not be read of the units."""
        self._is_as_written = True
        self._rows = 0

    def groups(self) -> Iterator[pa.Table]:
        """Tables of GROUP_ROWS rows, the last of fewer. Raises _NotRisingError at the end."""
        pending: list[pa.Table] = []
        rows = 0
        for i, (entry, start) in enumerate(self._units):
            pending.append(self._read(entry, start))
            rows += len(pending[-1])
            if rows >= GROUP_ROWS:
                following = self._units[i + 1][0].summary.first if i + 1 < len(self._units) else None
                done, rest = self._split(pa.concat_tables(pending), following)
                while len(done) >= GROUP_ROWS:
                    yield self._checked(done.slice(0, GROUP_ROWS))
                    done = done.slice(GROUP_ROWS)
                pending = [done, rest]
                rows = len(done) + len(rest)
        if rows:
            done, _ = self._split(pa.concat_tables(pending), None)
            for first in range(0, len(done), GROUP_ROWS):
                yield self._checked(done.slice(first, GROUP_ROWS))
        if not any(len(runs) for runs in self._runs.values()):
            raise JournalError(f"{self._source}: no row of it can be read")
        if self._by_time and not self._joined().is_rising():
            raise _NotRisingError

    def runs(self) -> Runs | None:
        """The order of writing; None when the rows are in it."""
        return None if self._is_as_written else self._joined()

    def _joined(self) -> Runs:
        return Runs.joined([self._runs[start] for start in sorted(self._runs)])

    def _read(self, entry: Entry, start: int) -> pa.Table:
        try:
            batch = read_unit(self._fd, self._source, self._head, entry)
        except JournalError as error:
            self.damage.append(f"{str(error).removeprefix(f'{self._source}: ')}: {entry.summary.rows} rows")
            return _empty_table()
        self._runs[start] = Runs.of(batch.column("worker").to_numpy(), batch.column("seq").to_numpy())
        written = pa.array(np.arange(start, start + batch.num_rows))
        return pa.Table.from_batches([batch]).append_column(_WRITTEN, written)

    def _split(self, table: pa.Table, following: int | None) -> tuple[pa.Table, pa.Table]:
        """The rows that come before all that are still to be read, in order, and the others."""
        table = table.unify_dictionaries().combine_chunks()
        if not self._by_time:
            return table, table.slice(0, 0)
        if not _is_in_order(table):
            table = table.take(pa.compute.sort_indices(table, sort_keys=_ORDER))
        time = _times(table)
        end = len(table) if following is None else int(np.searchsorted(time, following))
        return table.slice(0, end), table.slice(end)

    def _checked(self, table: pa.Table) -> pa.Table:
        written = table.column(_WRITTEN).to_numpy()
        self._is_as_written &= bool((written == np.arange(self._rows, self._rows + len(written))).all())
        self._rows += len(written)
        return table.select(SCHEMA.names)


def _empty_table() -> pa.Table:
    return SCHEMA.append(pa.field(_WRITTEN, pa.int64())).empty_table()


def _is_in_order(table: pa.Table) -> bool:
    """Whether the rows are in order already, as those of a single worker are; many have the same time."""
    steps = np.diff(_times(table))
    if (steps < 0).any():
        return False
    ties = np.flatnonzero(steps == 0)
    worker, seq = (table.column(name).to_numpy() for name in ("worker", "seq"))
    before, after = worker[ties], worker[ties + 1]
    return not ((after < before) | ((after == before) & (seq[ties + 1] < seq[ties]))).any()


def _times(table: pa.Table) -> npt.NDArray[Any]:
    """Nanoseconds since 1970."""
    return table.column("time").combine_chunks().view(pa.int64()).to_numpy()  # type: ignore[no-any-return]


def _sync(target: Path, source: Path) -> None:
    """To the disk, with the time of the last write of the source: by it goes the age."""
    status = source.stat()
    os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))
    sync(target)
