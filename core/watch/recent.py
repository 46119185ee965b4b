"""The newest events in memory, and live tails over them."""

import itertools
import threading
from collections import deque
from typing import Any, Final

import numpy as np
import pyarrow as pa

from core.record.export import to_dicts
from core.record.query import Query
from core.record.rows import event_columns

ROWS_KEPT: Final = 200_000


class Recent:
    """Batches of rows, newest last, numbered from 0; the oldest go when there are too many rows.

    Readers take `since`, a copy, and look at the batches in their own time.
    """

    def __init__(self, rows_kept: int = ROWS_KEPT) -> None:
        self.rows = 0
        self._end = 0
        self._lock = threading.Lock()
        self._rows_kept = rows_kept
        self._batches: deque[pa.RecordBatch] = deque()

    def append(self, batch: pa.RecordBatch) -> None:
        """Add the newest rows."""
        with self._lock:
            self._batches.append(batch)
            self._end += 1
            self.rows += batch.num_rows
            while self.rows > self._rows_kept and len(self._batches) > 1:
                self.rows -= self._batches.popleft().num_rows

    def since(self, number: int) -> tuple[list[pa.RecordBatch], int]:
        """The batches from `number` on, as far as they are kept, and the number of the next one to come."""
        with self._lock:
            first = self._end - len(self._batches)
            return list(itertools.islice(self._batches, max(0, number - first), None)), self._end


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

        The first call answers the newest that are known. With a mark: `marks`, the places of the items that match it,
        and `skipped_marks`, how many of those left out do.
        """
        first = self._next is None
        batches, self._next = self._recent.since(self._next or 0)
        parts = _newest(batches, self._query, limit)
        answer: dict[str, Any] = {"items": [row for part in parts for row in to_dicts(part)], "skipped": 0}
        if not first and answer["items"]:
            answer["skipped"] = _count(batches, self._query) - len(answer["items"])
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
