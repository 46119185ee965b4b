"""A walk over the log in one direction, unit by unit, past what can't match without reading it."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.bad_value import BadValueError
from core.filter.fields import NumberTest
from core.filter.query import Query
from core.log.format.files import JournalError
from core.log.format.rows import KIND_VALUES, event_columns
from core.log.format.summary import Summary
from core.log.read.index import Index, Reader, Segment, Unit, View
from core.ring.events import KINDS

Numbers = npt.NDArray[Any]

_CURSOR: Final = re.compile(r"(\d{1,12})-(\d{1,18})-(\d{1,18})")
_NO_BOUND: Final = 2**62


class Position(NamedTuple):
    """A place between two rows, which stays where it is when the segment is sealed.

    Upwards, what follows are the rows of the segment from the `written`-th in the order of writing, and of these, once
    the segment is sealed in another order, those from its `row`-th row; downwards those before both. 0 is no bound.
    """

    number: int
    written: int
    row: int

    @classmethod
    def parse(cls, cursor: str) -> Self:
        """What `str` made; raises ValueError."""
        match = _CURSOR.fullmatch(cursor)
        if not match:
            raise BadValueError(f'bad cursor "{cursor[:60]}": take the one that came with the last page')
        return cls(*map(int, match.groups()))

    def __str__(self) -> str:
        return f"{self.number}-{self.written}-{self.row}"


class Selection:
    """What is asked for: a filter, and since <= time < until (ns; None: no bound)."""

    def __init__(self, query: Query, since: int | None, until: int | None) -> None:
        self.query = query
        low, high = query.bounds("time")
        self.first = max((value for value in (since, low) if value is not None), default=None)
        self.last = min(
            (value for value in (None if until is None else until - 1, high) if value is not None), default=None
        )
        self._conns = query.bounds("conn")
        codes = np.arange(len(KINDS), dtype=np.int8)
        terms = tuple(term for term in query.terms if term.field == "kind")
        self.kinds: Numbers = Query("", terms).mask({"kind": (codes, KIND_VALUES)})
        """By number of a kind, whether such rows can match."""
        self.by_kind: Final = query.fields <= {"kind"}
        """Whether the filter looks at nothing but the kind."""

    def overlaps(self, summary: Summary) -> bool:
        """Whether rows can be in the time."""
        return (self.first is None or summary.last >= self.first) and (self.last is None or summary.first <= self.last)

    def covers(self, summary: Summary) -> bool:
        """Whether all rows are in the time."""
        return (self.first is None or summary.first >= self.first) and (self.last is None or summary.last <= self.last)

    def may_match(self, segment: Segment, unit: Unit) -> bool:
        """Whether a unit can hold a row that matches."""
        if not any(count for count, wanted in zip(unit.summary.kinds, self.kinds, strict=True) if wanted):
            return False
        return self._conns == (None, None) or segment.may_hold(unit, *self._conns)

    def mask(self, columns: dict[str, Any], summary: Summary) -> Numbers:
        """Which rows of a unit match."""
        found = self.query.mask(columns)
        if not self.covers(summary):
            for operator, bound in ((">=", self.first), ("<=", self.last)):
                if bound is not None:
                    found &= NumberTest(operator, (bound,)).mask(columns["time"])
        return found


class _Window(NamedTuple):
    """Rows of a segment: those written as number w_low to w_high, and of these r_low to r_high in its order."""

    w_low: int = 0
    w_high: int = _NO_BOUND
    r_low: int = 0
    r_high: int = _NO_BOUND

    @classmethod
    def of(cls, rows: int, after: Position | None, reverse: bool) -> Self:
        """Of a segment of which the first `rows` that were written are looked at, behind `after`."""
        if after is None:
            return cls(w_high=rows)
        if reverse:
            return cls(w_high=min(rows, after.written or _NO_BOUND), r_high=after.row or _NO_BOUND)
        return cls(after.written, rows, after.row)


class UnitScan:
    """A unit on the way. `scanned` counts the rows of the asked time up to and including it."""

    def __init__(
        self,
        index: Index,
        selection: Selection,
        number: int,
        segment: Segment,
        reader: Reader | None,
        unit: Unit,
        window: _Window,
        reverse: bool,
    ) -> None:
        self.unit = unit
        self.scanned = 0
        self.is_last = False
        self._index = index
        self._selection = selection
        self._number = number
        self._segment = segment
        self._reader = reader
        self._reverse = reverse
        self._window = window
        low, high = window.r_low, window.r_high
        if self._segment.is_as_written:
            low, high = max(low, window.w_low), min(high, window.w_high)
        self._low = min(max(low - unit.start, 0), unit.summary.rows)
        self._high = max(self._low, min(high - unit.start, unit.summary.rows))

    @property
    def is_ahead(self) -> bool:
        """Whether any of its rows lie behind the cursor."""
        return self._low < self._high

    @property
    def can_match(self) -> bool:
        """Whether there may be rows that match; if not, the unit is not read."""
        return self._reader is not None and self.is_ahead

    @property
    def is_whole(self) -> bool:
        """Whether all rows of the unit are asked for, as far as place and time go."""
        return not self._is_cut() and (self._low, self._high) == (0, self.unit.summary.rows) and self._covers()

    def matches(self, columns: Sequence[str] = ()) -> tuple[Numbers, pa.RecordBatch]:
        """The rows of the unit that match, ascending, and the batch that they are in; see `read`.

        Of a damaged unit nothing matches; the index is told.
        """
        try:
            rows = self.rows()
            return rows, self.read(columns) if len(rows) else None
        except JournalError as error:
            self._index.blame(self._segment.path, str(error))
            return np.empty(0, np.int64), None

    def rows(self) -> Numbers:
        """The rows of the unit that match, ascending. Raises JournalError when it is damaged."""
        if not self.can_match:
            return np.empty(0, np.int64)
        names = set(self._selection.query.fields)
        if not self._covers():
            names.add("time")
        if self._is_cut():
            names |= {"worker", "seq"}
        if not names:
            return np.arange(self._low, self._high)
        # Few rows match most filters: what the filter needs is decoded first, the rest only when some do.
        batch = self.read(sorted(names))
        found = self._selection.mask(event_columns(batch, batch.schema.names), self.unit.summary)
        if self._is_cut():
            written = self._segment.written(self.unit, batch)
            found &= (written >= self._window.w_low) & (written < self._window.w_high)
        return self._low + np.flatnonzero(found[self._low : self._high])

    def read(self, columns: Sequence[str] = ()) -> pa.RecordBatch:
        """All rows of the unit; only the named columns when some are named."""
        if self._reader is None:
            raise ValueError("a unit that can't match is not open")
        return self._reader.read(self.unit, columns)

    def position(self, row: int | None = None) -> Position:
        """The place behind a row of the unit; None: behind the unit."""
        if self._reverse:
            place = self.unit.start + (row or 0)
            if place == 0:
                return Position(max(0, self._number - 1), 0, 0)
            bound = self._window.w_high if self._is_cut_above() else 0
        else:
            place = self.unit.start + (self.unit.summary.rows if row is None else row + 1)
            bound = self._window.w_low
        return Position(self._number, place, 0) if self._segment.is_as_written else Position(self._number, bound, place)

    def cursors(self, rows: Numbers) -> tuple[str, Numbers, str]:
        """The places behind some rows of the unit, upwards, as text in three parts of which the second differs."""
        places = self.unit.start + rows + 1
        if self._segment.is_as_written:
            return f"{self._number}-", places, "-0"
        return f"{self._number}-{self._window.w_low}-", places, ""

    def _covers(self) -> bool:
        return self._selection.covers(self.unit.summary)

    def _is_cut(self) -> bool:
        """Whether the order of writing decides which rows are asked for, and is not that of the rows."""
        return not self._segment.is_as_written and (self._window.w_low > 0 or self._is_cut_above())

    def _is_cut_above(self) -> bool:
        last = self._segment.units[-1]
        return self._window.w_high < last.start + last.summary.rows


class Scan:
    """The units of the asked time, from the oldest on or, when `reverse`, from the newest back, behind `after`.

    What is read ends where the log ended when this was made; `total` is the rows of all units of the asked time. With
    `is_page` a segment that is sealed just then is read to its end, so that the next page can begin where this ends.
    """

    def __init__(
        self,
        index: Index,
        selection: Selection,
        *,
        reverse: bool = False,
        after: Position | None = None,
        is_page: bool = False,
    ) -> None:
        self._index = index
        self._selection = selection
        self._reverse = reverse
        self._after = after
        self._is_open_ended = is_page and not reverse
        seen = index.views()
        self.end: Final = Position(seen[-1].number, seen[-1].rows, 0) if seen else after or Position(0, 0, 0)
        """The place behind all that there is."""
        views = [(view, self._units(view.segment, view.rows)) for view in seen]
        self._views = [view for view, units in (views[::-1] if reverse else views) if units]
        sizes = [sum(unit.summary.rows for unit in self._units(view.segment, view.rows)) for view in self._views]
        self.total: Final = sum(sizes)
        self._before = np.cumsum([0, *sizes]).tolist()

    def __iter__(self) -> Iterator[UnitScan]:
        """Steps, of which the files stay open until the next."""
        for view, before in zip(self._views, self._before, strict=False):
            if not self._is_done(view):
                for step in self._steps(view):
                    step.scanned = min(self.total, step.scanned + before)
                    step.is_last &= view is self._views[-1]
                    yield step

    def _steps(self, view: View) -> Iterator[UnitScan]:
        """Those of a segment; it is opened only when a unit can match."""
        units = self._units(view.segment, view.rows)
        if not any(self._selection.may_match(view.segment, unit) for unit in units):
            yield from self._walk(view, view.segment, None, units)
            return
        with self._index.opened(view) as opened:
            if opened is not None:
                segment, reader = opened
                rows = view.rows if segment is view.segment else _NO_BOUND
                yield from self._walk(view, segment, reader, self._units(segment, rows))

    def _walk(self, view: View, segment: Segment, reader: Reader | None, units: list[Unit]) -> Iterator[UnitScan]:
        after = self._after if self._after and self._after.number == view.number else None
        window = _Window.of(_NO_BOUND if self._is_open_ended else view.rows, after, self._reverse)
        scanned = 0
        for unit in reversed(units) if self._reverse else units:
            wanted = reader if reader and self._selection.may_match(segment, unit) else None
            step = UnitScan(self._index, self._selection, view.number, segment, wanted, unit, window, self._reverse)
            step.scanned = scanned = scanned + unit.summary.rows
            step.is_last = unit is (units[0] if self._reverse else units[-1])
            if step.is_ahead:
                yield step

    def _units(self, segment: Segment, rows: int) -> list[Unit]:
        """The units of the asked time."""
        return [unit for unit in list(segment.units) if unit.start < rows and self._selection.overlaps(unit.summary)]

    def _is_done(self, view: View) -> bool:
        """Whether a segment lies before the cursor."""
        if self._after is None:
            return False
        return view.number > self._after.number if self._reverse else view.number < self._after.number
