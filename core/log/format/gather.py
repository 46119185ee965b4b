"""Small batches put together: each has a fixed cost."""

from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa

_MOST_BYTES: Final = 16 * 1024**2
"""A batch of a single row may bring a dictionary of thousands of peers."""


def gathered(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of about `rows`, or fewer where they would take much memory until then."""
    waiting: list[pa.RecordBatch] = []
    count = size = 0
    for batch in batches:
        if batch.num_rows >= rows and not waiting:
            yield batch
            continue
        waiting.append(batch)
        count += batch.num_rows
        size += batch.get_total_buffer_size()
        if count >= rows or size >= _MOST_BYTES:
            yield pa.concat_batches(waiting)
            waiting, count, size = [], 0, 0
    if count:
        yield pa.concat_batches(waiting)
