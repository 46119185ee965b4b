"""The reader of the log: in any process, while it is written or long after."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.bad_value import BadValueError
from core.filter.query import Query
from core.log.format.dropped import Dropped, read_dropped
from core.log.format.files import JournalError
from core.log.format.rows import event_columns
from core.log.format.text import to_dicts
from core.log.read.connection_series import ConnectionSeries, course
from core.log.read.counting import Estimate, Histogram, estimate, histogram
from core.log.read.index import Index
from core.log.read.scan import Position, Scan, Selection, UnitScan

__all__ = ["ConnectionSeries", "Estimate", "Histogram", "JournalError", "Log", "Order", "Page"]

Numbers = npt.NDArray[Any]
Order = Literal["asc", "desc"]
_SLICE: Final = 16_384
"""Most rows of a batch that is handed out: whoever works on one may hold the interpreter for its length."""
BUDGET_S: Final = 1.0


class Page(NamedTuple):
    """Rows, the cursor of what follows (None: nothing), and how many rows of the asked time were looked at, of all.

    `marks`: the places of the items that match the mark that was asked for.
    """

    items: list[dict[str, Any]]
    next: str | None
    scanned: int
    total: int
    marks: list[int]


class Log:
    """Reads the log of a data directory; it may be used from several threads.

    Rows come by segment, and within one by time if it is sealed, as they were written if not: by time within a
    worker in any case. `since` and `until` are nanoseconds since 1970, since <= time < until; None is no bound. What is
    read ends where the log ended when the call was made. What is damaged is left out and noted in `index.damaged`.
    Raises JournalError when the directory has no log, or one of a newer version.
    """

    def __init__(self, directory: Path) -> None:
        self.index: Final = Index(directory)
        self._bounds: dict[tuple[Path, int], tuple[int, int]] = {}

    def batches(
        self, query: Query, since: int | None = None, until: int | None = None, *, reverse: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """The rows that match, a batch at a time; newest first when `reverse`. Empty batches are left out."""
        return matching(Scan(self.index, Selection(query, since, until), reverse=reverse), reverse)

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

        It takes as long as it takes: `search` does not.

        Raises ValueError for a bad cursor, order or limit.
        """
        page = self.search(query, since, until, limit, cursor, order, math.inf)
        return page.items, page.next

    def search(
        self,
        query: Query,
        since: int | None = None,
        until: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
        order: Order = "asc",
        budget: float = BUDGET_S,
        mark: Query | None = None,
    ) -> Page:
        """A page with its progress; after `budget` seconds it comes with the rows that it has, maybe none.

        Whoever follows `next` until it is None gets every row once, also when segments are sealed meanwhile. `mark`
        leaves nothing out: the page says which rows match it. Raises ValueError for a bad cursor, order or limit.
        """
        if limit < 1:
            raise BadValueError(f"bad limit {limit}: at least 1")
        if order not in ("asc", "desc"):
            raise BadValueError(f'bad order "{order}": asc or desc')
        end = time.monotonic() + budget
        after = Position.parse(cursor) if cursor else None
        scan = Scan(self.index, Selection(query, since, until), reverse=order == "desc", after=after, is_page=True)
        items: list[dict[str, Any]] = []
        marks: list[int] = []
        for step in scan:
            rows, batch = step.matches()
            wanted, following = _some(step, rows, limit - len(items), order == "desc")
            if len(wanted):
                batch = batch.take(pa.array(wanted))
                marks += [] if mark is None else (len(items) + _places(batch, mark)).tolist()
                items += to_dicts(batch)
            if following is None and step.is_last:
                break
            if following is not None or time.monotonic() > end:
                return Page(items, following or str(step.position()), step.scanned, scan.total, marks)
        return Page(items, None, scan.total, scan.total, marks)

    def histogram(
        self,
        query: Query,
        since: int | None,
        until: int | None,
        bins: int,
        cursor: str | None = None,
        budget: float = BUDGET_S,
    ) -> Histogram:
        """Rows that match by time and kind, in `bins` bins of one width; see Histogram.

        Without bounds the range is that of the log. Within `budget` seconds; what `next` leads to is to be added.
        Raises ValueError for a bad cursor or number of bins.
        """
        low, high = self.span() or (0, 0)
        since, until = low if since is None else since, high + 1 if until is None else until
        return histogram(self.index, query, since, until, bins, cursor, budget)

    def estimate(self, query: Query, since: int | None = None, until: int | None = None) -> Estimate:
        """How many rows match, without looking at all of them; see Estimate."""
        return estimate(self.index, Selection(query, since, until))

    def course(self, conn: int, since: int, until: int, budget: float = BUDGET_S) -> ConnectionSeries:
        """What the rows of a connection come to over time, within `budget` seconds; see Course."""
        return course(self.index, conn, since, until, budget)

    def dropped(self) -> Dropped:
        """What retention has dropped from the beginning of the log."""
        return read_dropped(self.index.folder)[0]

    def latest(self) -> int | None:
        """Time (ns) of the rows that were written last; None when there is none."""
        views = self.index.views()
        return views[-1].segment.units[-1].summary.last if views else None

    def span(self) -> tuple[int, int] | None:
        """Times (ns) of the first and the last row; None when there is none."""
        bounds = {}
        for view in self.index.views():
            units = view.segment.units
            key = (view.path, len(units))  # of a segment that has not grown since, they are known
            if units:
                bounds[key] = self._bounds.get(key) or (
                    min(unit.summary.first for unit in units),
                    max(unit.summary.last for unit in units),
                )
        self._bounds = bounds
        firsts, lasts = zip(*bounds.values(), strict=True) if bounds else ((), ())
        return (min(firsts), max(lasts)) if bounds else None


def _some(step: UnitScan, rows: Numbers, room: int, reverse: bool) -> tuple[Numbers, str | None]:
    """Rows of a unit for which there is room; the cursor when there is none left before the last row of the scan."""
    chosen = rows[::-1] if reverse else rows
    wanted = chosen[:room]
    if len(wanted) < room or (len(wanted) == len(chosen) and step.is_last):
        return wanted, None
    return wanted, str(step.position(int(wanted[-1])))


def _places(batch: pa.RecordBatch, mark: Query) -> Numbers:
    return np.flatnonzero(mark.mask(event_columns(batch, mark.fields)))


def matching(scan: Scan, reverse: bool = False) -> Iterator[pa.RecordBatch]:
    """The rows of a scan that match, a batch at a time."""
    for step in scan:
        rows, batch = step.matches()
        if not len(rows):
            continue
        if len(rows) == batch.num_rows and not reverse:
            yield from (batch.slice(first, _SLICE) for first in range(0, batch.num_rows, _SLICE))
        else:
            chosen = rows[::-1] if reverse else rows
            yield from (batch.take(pa.array(chosen[at : at + _SLICE])) for at in range(0, len(chosen), _SLICE))
