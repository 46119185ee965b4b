"""Batches that are counted as they pass."""

from collections.abc import Iterable, Iterator

import pyarrow as pa


class Counted(Iterator[pa.RecordBatch]):
    """The same batches; `rows` have been taken so far."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = iter(batches)
        self.rows = 0

    def __next__(self) -> pa.RecordBatch:
        batch = next(self._batches)
        self.rows += batch.num_rows
        return batch
