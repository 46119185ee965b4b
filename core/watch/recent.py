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
    found: list[list[dict[str, Any]]] = []
    left = limit
    for batch in reversed(batches):
        rows = matching(batch, query)[-left:]
        if len(rows):
            found.append(to_dicts(batch.take(pa.array(rows))))
            left -= len(rows)
        if left == 0:
            break
    return [row for part in reversed(found) for row in part]


class Tail:
    """One viewer's place in the live events."""

    def __init__(self, recent: Recent, query: Query) -> None:
        self._recent = recent
        self._query = query
        self._next: int | None = None

    def take(self, limit: int = 100) -> dict[str, Any]:
        """The `items` that came since the last call, the newest `limit` of them, and how many were `skipped`.

        The first call answers the newest that are known.
        """
        first = self._next is None
        batches, self._next = self._recent.since(self._next or 0)
        items = newest(batches, self._query, limit)
        if first or not items:
            return {"items": items, "skipped": 0}
        matched = sum(len(matching(batch, self._query)) for batch in batches)
        return {"items": items, "skipped": matched - len(items)}
