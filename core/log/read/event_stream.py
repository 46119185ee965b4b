"""Rows one after the other for those who go on where they stopped: each carries the cursor of the place behind it."""

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from core.bad_value import BadValueError
from core.filter.query import Query
from core.log.format.text import with_cursors
from core.log.read.log import Log
from core.log.read.scan import Position, Scan, Selection

_ROWS: Final = 2048
"""Of a piece: some 500 kB."""
BEGINNING: Final = Position(0, 0, 0)


class GoneError(Exception):
    """The log no longer holds what follows a cursor; one clear line."""


class EventStream:
    """The rows that match, from a place on. `take` may be called again and again, and goes on with what is new.

    Without a cursor it begins at `since` (ns), or where the log ends now. Nothing is read ahead. Raises BadValueError
    for a bad cursor, GoneError for one behind which rows are missing.
    """

    def __init__(self, log: Log, query: Query, since: int | None = None, cursor: str | None = None) -> None:
        self._log = log
        self._selection = Selection(query, since, None)
        self._position = self._begin(since, cursor)

    @property
    def cursor(self) -> str:
        """The place behind all that was looked at."""
        return str(self._position)

    def take(self, *, is_sse: bool) -> Iterator[bytes]:
        """Lines of JSON, or events of a text/event-stream, up to where the log ends now. Raises GoneError."""
        self._check(self._position)
        scan = Scan(self._log.index, self._selection, after=self._position, is_page=True)
        for step in scan:
            rows, batch = step.matches()
            for first in range(0, len(rows), _ROWS):
                part = rows[first : first + _ROWS]
                yield from with_cursors(batch.take(pa.array(part)), step.cursors(part), is_sse=is_sse)
            self._position = step.position()

    def _begin(self, since: int | None, cursor: str | None) -> Position:
        if cursor is None:
            return Scan(self._log.index, self._selection).end if since is None else BEGINNING
        position = Position.parse(cursor)
        self._check(position)
        views = self._log.index.views()
        end = Position(views[-1].number, views[-1].rows, 0) if views else BEGINNING
        if (position.number, position.written) > (end.number, end.written):
            raise BadValueError(f'bad cursor "{cursor[:60]}": it is not of this log')
        return position

    def _check(self, position: Position) -> None:
        views = self._log.index.views()
        if position != BEGINNING and views and position.number < views[0].number:
            raise GoneError("rows behind this cursor were dropped from the log; cursor=0-0-0 begins with what is left")
