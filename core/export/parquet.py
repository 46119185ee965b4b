"""Parquet: what pandas, Polars and DuckDB open; written a row group at a time into memory and handed on."""

import io
from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from core.log.format.gather import gathered
from core.log.format.schema import SCHEMA

GROUP_ROWS: Final = 65536
_DICTIONARIES: Final = [
    field.name for field in SCHEMA if pa.types.is_dictionary(field.type) or pa.types.is_uint32(field.type)
]
# Numbers that rise from row to row: differences take a fraction of the space, and are the faster ones to write.
_RISING: Final = dict.fromkeys(("seq", "time", "conn"), "DELTA_BINARY_PACKED")


def parquet(batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """Pieces of one file of SCHEMA, zstd."""
    sink = _Sink()
    writer = pq.ParquetWriter(
        pa.PythonFile(sink, "w"), SCHEMA, compression="zstd", use_dictionary=_DICTIONARIES, column_encoding=_RISING
    )
    with writer:
        for batch in gathered(batches, GROUP_ROWS):
            for start in range(0, batch.num_rows, GROUP_ROWS):
                writer.write_table(pa.Table.from_batches([batch.slice(start, GROUP_ROWS)]))
                yield sink.take()
    yield sink.take()


class _Sink(io.RawIOBase):
    """Keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._pieces.append(piece)
        return len(piece)

    def take(self) -> bytes:
        """What was written since the last call."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data
