"""The newest events in memory, and live tails over them."""

import threading
from collections import deque
from typing import Any, Final

import numpy as np
import pyarrow as pa

from core.filter.query import Query
from core.log.format.rows import event_columns, joined
from core.log.format.text import to_dicts

ROWS_KEPT: Final = 200_000
JOINED: Final = 256
"""Batches of which one is made."""
LARGE_ROWS: Final = 512
"""Rows of a batch, on average, from which on they are left as they are: copying them would cost more than it saves."""


class Recent:
    """Batches of rows, newest last; the oldest go when there are too many rows.

    Rows are counted from 0. Where batches are small they are joined, since each takes 9 kB whatever it holds.
    Readers take `since`, a copy, and look at the batches in their own time.
    """

    def __init__(self, rows_kept: int = ROWS_KEPT) -> None:
        self.rows = 0
        self._end = 0
        self._lock = threading.Lock()
        self._rows_kept = rows_kept
        self._batches: deque[pa.RecordBatch] = deque()
        self._loose = 0
        """How many of the newest batches have not been looked at for joining."""

    def append(self, batch: pa.RecordBatch) -> None:
        """Add the newest rows."""
        with self._lock:
            self._batches.append(batch)
            self._end += batch.num_rows
            self.rows += batch.num_rows
            self._loose += 1
            if self._loose == JOINED:
                self._join()
            while self.rows > self._rows_kept and len(self._batches) > 1:
                self.rows -= self._batches.popleft().num_rows

    def since(self, row: int) -> tuple[list[pa.RecordBatch], int, int]:
        """The rows from `row` on, as far as they are kept, the number of the next one to come, and how many are not."""
        found: list[pa.RecordBatch] = []
        with self._lock:
            left = self._end - row
            for batch in reversed(self._batches):
                if left <= 0:
                    break
                found.append(batch if batch.num_rows <= left else batch.slice(batch.num_rows - left))
                left -= batch.num_rows
            return found[::-1], self._end, max(0, left)

    def _join(self) -> None:
        """Make one of the loose batches, unless they are large."""
        loose = [self._batches.pop() for _ in range(min(self._loose, len(self._batches)))][::-1]
        are_small = sum(batch.num_rows for batch in loose) < LARGE_ROWS * len(loose)
        self._batches.extend([joined(loose)] if are_small else loose)
        self._loose = 0


def matching(batch: pa.RecordBatch, query: Query) -> Any:
    """Indices of the rows that match, ascending."""
    if not query.terms:
        return np.arange(batch.num_rows)
    return np.flatnonzero(query.mask(event_columns(batch, query.fields)))


def newest(batches: list[pa.RecordBatch], query: Query, limit: int) -> list[dict[str, Any]]:
    """The newest rows that match, oldest first; looks no further back than it must."""
    return [row for part in _newest(batches, query, limit) for row in to_dicts(part)]


def _newest(batches: list[pa.RecordBatch], query: Query, limit: int) -> list[pa.RecordBatch]:
    found: list[pa.RecordBatch] = []
    left = limit
    for batch in reversed(batches):
        rows = matching(batch, query)[-left:]
        if len(rows):
            found.append(batch.take(pa.array(rows)))
            left -= len(rows)
        if left == 0:
            break
    return found[::-1]


class Tail:
    """One viewer's place in the live events; of rows that match `mark` it says so."""

    def __init__(self, recent: Recent, query: Query, mark: Query | None = None) -> None:
        self._recent = recent
        self._query = query
        self._mark = mark
        self._both = mark and query.joined(mark)
        self._next: int | None = None

    def take(self, limit: int = 100) -> dict[str, Any]:
        """The `items` that came since the last call, the newest `limit` of them, and how many were `skipped`.

        The first call answers the newest that are known. With a filter, rows that were no longer kept when it was
        called are not counted. With a mark: `marks`, the places of the items that match it,
        and `skipped_marks`, how many of those left out do.
        """
        first = self._next is None
        batches, self._next, gone = self._recent.since(self._next or 0)
        parts = _newest(batches, self._query, limit)
        answer: dict[str, Any] = {"items": [row for part in parts for row in to_dicts(part)], "skipped": 0}
        if not first and answer["items"]:
            # Which of the rows that are gone would have matched a filter is known to the log alone.
            gone = 0 if self._query.terms else gone
            answer["skipped"] = gone + _count(batches, self._query) - len(answer["items"])
        if self._mark is None or self._both is None:
            return answer
        marks = marked(parts, self._mark)
        skipped = _count(batches, self._both) - len(marks) if answer["skipped"] else 0
        return answer | {"marks": marks, "skipped_marks": skipped}


def marked(parts: list[pa.RecordBatch], mark: Query) -> list[int]:
    """The places of the rows that match, in the batches laid end to end."""
    places: list[int] = []
    start = 0
    for part in parts:
        places += (start + matching(part, mark)).tolist()
        start += part.num_rows
    return places


def _count(batches: list[pa.RecordBatch], query: Query) -> int:
    return sum(len(matching(batch, query)) for batch in batches)
