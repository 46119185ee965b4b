"""What a run of rows holds, in a few numbers, so that it is counted or passed over without being read."""

import re
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pyarrow as pa

from core.ring.events import KINDS

_NOTE: Final = re.compile(rb"(\d+) (-?\d+) (-?\d+)(?: (\d+) (\d+) (\d+) (\d+) ([\d,]+))?")

SUMMARY_COLUMNS: Final = ("time", "conn", "kind", "bytes_in", "bytes_out")
"""What `Summary.of` looks at."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Rows, times (ns, of the first and the last, inclusive), connections (least and greatest), sums, rows by kind."""

    rows: int
    first: int
    last: int
    low_conn: int
    high_conn: int
    bytes_in: int
    bytes_out: int
    kinds: tuple[int, ...]

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> Self:
        """Of a batch that is not empty and has SUMMARY_COLUMNS."""
        time = batch.column("time").view(pa.int64()).to_numpy()
        conn, bytes_in, bytes_out = (batch.column(name).to_numpy() for name in ("conn", "bytes_in", "bytes_out"))
        return cls(
            batch.num_rows,
            int(time.min()),
            int(time.max()),
            int(conn.min()),
            int(conn.max()),
            int(bytes_in.sum(dtype=np.int64)),
            int(bytes_out.sum(dtype=np.int64)),
            _kinds(batch.column("kind")),
        )

    def to_note(self) -> bytes:
        """As text, for the metadata of a unit."""
        numbers = (self.rows, self.first, self.last, self.low_conn, self.high_conn, self.bytes_in, self.bytes_out)
        return f"{' '.join(map(str, numbers))} {','.join(map(str, self.kinds))}".encode()

    @classmethod
    def from_note(cls, note: bytes) -> Self | None:
        """What `to_note` wrote; what a log of version 1 wrote has no counts and gives none by kind. None: neither."""
        match = _NOTE.fullmatch(note)
        if not match:
            return None
        rows, first, last, *rest = match.groups()
        if rest[0] is None:
            return cls(int(rows), int(first), int(last), 0, 2**63 - 1, 0, 0, ())
        low, high, bytes_in, bytes_out = map(int, rest[:4])
        kinds = tuple(map(int, rest[4].split(b",")))
        return cls(int(rows), int(first), int(last), low, high, bytes_in, bytes_out, kinds)

    @property
    def is_whole(self) -> bool:
        """Whether it has counts; those of a log of version 1 have not."""
        return bool(self.kinds)


def _kinds(column: pa.DictionaryArray) -> tuple[int, ...]:
    counts = np.bincount(column.indices.to_numpy(), minlength=len(column.dictionary))
    by_name = dict(zip(column.dictionary.to_pylist(), counts.tolist(), strict=True))
    return tuple(by_name.get(kind, 0) for kind in KINDS)
