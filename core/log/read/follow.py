"""The log as it grows."""

from collections.abc import Callable, Iterator

import pyarrow as pa

from core.filter.query import Query
from core.log.read.log import Log, matching
from core.log.read.scan import Position, Scan, Selection


def follow(log: Log, query: Query, since: int | None, wait: Callable[[], bool]) -> Iterator[pa.RecordBatch]:
    """The rows that match, then those that are written from now on, each once, also when segments are sealed meanwhile.

    `wait` is called when there is nothing new; it answers whether to go on.
    """
    after: Position | None = None
    while True:
        scan = Scan(log.index, Selection(query, since, None), after=after)
        yield from matching(scan)
        if after == scan.end and not wait():
            return
        after = scan.end
