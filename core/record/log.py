"""The reader of the log: in any process, while it is written or long after."""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.record.export import to_dicts
from core.record.fields import NumberTest
from core.record.query import Query
from core.record.rows import event_columns
from core.record.segment import (
    END_OF_STREAM,
    FOLDER,
    Entry,
    Head,
    JournalError,
    list_segments,
    read_head,
    read_unit,
    walk,
)

__all__ = ["JournalError", "Log", "Order", "SegmentView"]

Order = Literal["asc", "desc"]
_CURSOR: Final = re.compile(r"(\d{1,12})-(\d{1,18})-(\d{1,12})")


class SegmentView(NamedTuple):
    """A segment as it was at one moment: `length` bytes of it are looked at."""

    number: int
    path: Path
    length: int


class _Position(NamedTuple):
    """A row: segment, offset of its unit, row in the batch."""

    number: int
    offset: int
    row: int


class _Place(NamedTuple):
    """A unit that has to be looked at."""

    view: SegmentView
    head: Head
    entry: Entry


@dataclass(slots=True)
class _Index:
    """What is known of a segment, so that a batch is found without reading what is before it."""

    head: Head | None = None
    entries: list[Entry] = field(default_factory=list)
    known: int = 0


class Log:
    """Reads the log of a data directory; it may be used from several threads.

    Rows come in the order of the log: by time within a worker. `since` and `until` are nanoseconds since 1970,
    since <= time < until; None is no bound. What is read ends where the log ended when the call was made.
    Raises JournalError when the directory has no log, or for segments that are damaged or not ours.
    """

    def __init__(self, directory: Path) -> None:
        self._folder = Path(directory) / FOLDER
        if not self._folder.is_dir():
            raise JournalError(f"{directory}: no log of echoscope in this directory")
        self._indexes: dict[int, _Index] = {}
        self._lock = threading.Lock()

    def snapshot(self) -> list[SegmentView]:
        """The segments and how long they are now, oldest first."""
        views = []
        for number, path in list_segments(self._folder):
            with suppress(FileNotFoundError):  # retention has just dropped it
                views.append(SegmentView(number, path, path.stat().st_size))
        return views

    def batches(
        self, query: Query, since: int | None = None, until: int | None = None, *, reverse: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """The rows that match, a batch at a time; newest first when `reverse`. Empty batches are left out."""
        places = self._places(self.snapshot(), query, since, until)
        return self._matching(places[::-1] if reverse else places, query, since, until, reverse)

    def page(
        self,
        query: Query,
        since: int | None = None,
        until: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
        order: Order = "asc",
    ) -> tuple[list[dict[str, Any]], str | None]:
        """At most `limit` rows that match, and the cursor of the next page (None: this was the last).

        Raises ValueError for a bad cursor, order or limit.
        """
        if limit < 1:
            raise ValueError(f"bad limit {limit}: at least 1")
        if order not in ("asc", "desc"):
            raise ValueError(f'bad order "{order}": asc or desc')
        reverse = order == "desc"
        places = self._places(self.snapshot(), query, since, until)
        after = _parse_cursor(cursor) if cursor else None
        if after:
            places = [place for place in places if _is_left(place, after, reverse)]
        items: list[dict[str, Any]] = []
        for place, batch, rows in _scan(places[::-1] if reverse else places, query, since, until):
            chosen = rows[::-1] if reverse else rows
            if after and _is_at(place, after):
                chosen = chosen[chosen < after.row] if reverse else chosen[chosen > after.row]
            wanted = chosen[: limit - len(items)]
            items += to_dicts(batch.take(pa.array(wanted)))
            if len(items) == limit:
                is_end = len(wanted) == len(chosen) and place == (places[0] if reverse else places[-1])
                here = _Position(place.view.number, place.entry.offset, int(wanted[-1]))
                return items, None if is_end else "-".join(map(str, here))
        return items, None

    def span(self) -> tuple[int, int] | None:
        """Times (ns) of the first and the last row; None when there is none."""
        units = [entry for _, _, entries in self._indexed(self.snapshot()) for entry in entries]
        return (min(unit.first for unit in units), max(unit.last for unit in units)) if units else None

    def _matching(
        self, places: list[_Place], query: Query, since: int | None, until: int | None, reverse: bool
    ) -> Iterator[pa.RecordBatch]:
        for _, batch, rows in _scan(places, query, since, until):
            if reverse:
                yield batch.take(pa.array(rows[::-1]))
            elif len(rows) == batch.num_rows:
                yield batch
            else:
                yield batch.take(pa.array(rows))

    def _places(self, views: list[SegmentView], query: Query, since: int | None, until: int | None) -> list[_Place]:
        """The units that can hold rows that match, in the order of the log."""
        low, high = query.bounds("time")
        first = max((value for value in (since, low) if value is not None), default=None)
        last = min((value for value in (until, high) if value is not None), default=None)
        return [
            _Place(view, head, entry)
            for view, head, entries in self._indexed(views)
            for entry in entries
            if (first is None or entry.last >= first) and (last is None or entry.first <= last)
            if entry.offset + entry.length <= view.length
        ]

    def _indexed(self, views: list[SegmentView]) -> Iterator[tuple[SegmentView, Head, list[Entry]]]:
        """Views whose head is whole, with their head and their units."""
        with self._lock:
            self._indexes = {view.number: self._indexes.get(view.number, _Index()) for view in views}
            found = []
            for view in views:
                index = self._indexes[view.number]
                if index.known < view.length:
                    with _opened(view.path) as fd:
                        _extend(index, fd, view, is_newest=view is views[-1])
                if index.head:
                    found.append((view, index.head, list(index.entries)))
        return iter(found)


def _extend(index: _Index, fd: int | None, view: SegmentView, *, is_newest: bool) -> None:
    """Takes into the index what has been written since; raises JournalError when the segment is damaged."""
    if fd is None:
        return
    index.head = index.head or read_head(fd, view.path)
    if index.head:
        index.known = index.known or index.head.end
        for entry in walk(fd, index.known, view.length):
            index.entries.append(entry)
            index.known = entry.offset + entry.length
    # Only the newest can be in the middle of a write, or have been torn by a crash and not yet been mended.
    rest = os.pread(fd, len(END_OF_STREAM) + 1, index.known)
    if rest not in (b"", END_OF_STREAM) and not is_newest:
        raise JournalError(f"{view.path}: damaged at byte {index.known}")


def _scan(
    places: list[_Place], query: Query, since: int | None, until: int | None
) -> Iterator[tuple[_Place, pa.RecordBatch, npt.NDArray[Any]]]:
    """Place, whole batch and matching rows (ascending) of each unit where some match."""
    start = 0
    while start < len(places):
        path = places[start].view.path
        end = next((i for i in range(start, len(places)) if places[i].view.path != path), len(places))
        with _opened(path) as fd:
            if fd is not None:
                for place in places[start:end]:
                    batch, rows = _match(fd, place, query, since, until)
                    if batch is not None:
                        yield place, batch, rows
        start = end


def _match(
    fd: int, place: _Place, query: Query, since: int | None, until: int | None
) -> tuple[pa.RecordBatch | None, npt.NDArray[Any]]:
    """A batch and its rows that match, ascending; None when there are none."""
    view, head, entry = place
    low = since if since is not None and since > entry.first else None
    high = until if until is not None and until <= entry.last else None
    names = set(query.fields)
    if low is not None or high is not None:
        names.add("time")
    if not names:
        return read_unit(fd, view.path, head, entry), np.arange(entry.rows)
    # Few rows match most filters: what the filter needs is decoded first, the rest only when some do.
    columns = event_columns(read_unit(fd, view.path, head, entry, sorted(names)), sorted(names))
    mask = query.mask(columns)
    if low is not None:
        mask &= NumberTest(">=", (low,)).mask(columns["time"])
    if high is not None:
        mask &= NumberTest("<", (high,)).mask(columns["time"])
    rows = np.flatnonzero(mask)
    return (read_unit(fd, view.path, head, entry) if len(rows) else None), rows


def _is_left(place: _Place, after: _Position, reverse: bool) -> bool:
    """Whether a unit can hold rows behind the cursor (before it, when reverse)."""
    here, there = (place.view.number, place.entry.offset), (after.number, after.offset)
    return here <= there if reverse else here >= there


def _is_at(place: _Place, after: _Position) -> bool:
    return (place.view.number, place.entry.offset) == (after.number, after.offset)


def _parse_cursor(cursor: str) -> _Position:
    match = _CURSOR.fullmatch(cursor)
    if not match:
        raise ValueError(f'bad cursor "{cursor[:60]}": take the one that came with the last page')
    return _Position(*map(int, match.groups()))


@contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    """A descriptor of the file; None when retention has dropped it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)
