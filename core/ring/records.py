"""A run of records as columns of their own."""

from collections.abc import Mapping
from typing import Any, Final, Self, overload

import numpy as np
import numpy.typing as npt

from core.ring.events import NUMBERED, RECORD, Kind, Reason

Numbers = npt.NDArray[Any]

PAYLOAD: Final = ("bytes_in", "bytes_out", "queue_bytes", "queue_chunks")
"""The columns in which `open` and `refuse` records carry the peer's address."""

_NAMES: Final = tuple(name for name in RECORD.names or () if name not in ("pad", "number_high"))
_WIDENED: Final = ("time", "conn", "seq")


def steps_of(array: Numbers) -> tuple[Numbers, Numbers]:
    """Which of some records (dtype RECORD) say that the clock moved, and by how many ns each."""
    rows = np.flatnonzero((array["kind"] == Kind.START) & (array["reason"] == Reason.CLOCK))
    step = array["queue_chunks"][rows].astype(np.uint64) << np.uint64(32) | array["queue_bytes"][rows]
    return rows, step.view(np.int64)


class Records:
    """Columns by name: those of RECORD, with `time` as wall clock (ns), and time, conn and seq as int64.

    `number` is that of the order whose row it is, else 0.

    Those that were read from the log have a column `peer` instead of peers in the PAYLOAD.
    Contiguous: every pass over a column of 48-byte records would fetch a cache line a row, and there are many passes.
    """

    def __init__(self, columns: Mapping[str, Numbers]) -> None:
        self._columns = columns

    @classmethod
    def of(cls, array: Numbers, wall_offset: int) -> Self:
        """Columns of an array of dtype RECORD, copied; `wall_offset` (ns) is added to the monotonic times."""
        columns = {name: array[name].astype(np.int64) if name in _WIDENED else array[name].copy() for name in _NAMES}
        columns["time"] += wall_offset
        columns["number"] = np.zeros(len(array), np.uint32)
        numbered = np.flatnonzero(columns["kind"] >= NUMBERED[0])
        if len(numbered):
            high = array["number_high"][numbered].astype(np.uint32)
            columns["number"][numbered] = high << np.uint32(16) | array["port"][numbered]
        return cls(columns)

    @classmethod
    def with_steps(cls, array: Numbers, wall_offset: int) -> tuple[Self, int]:
        """As `of`, for records in which the clock may move; the offset of those that follow, too.

        A row of such a move keeps its seconds in `queue_chunks`, and whether they are negative in `emptied`.
        """
        records = cls.of(array, wall_offset)
        rows, steps = steps_of(array)
        for row, step in zip(rows.tolist(), steps.tolist(), strict=True):
            records["time"][row:] += step
            records["queue_bytes"][row], records["queue_chunks"][row] = 0, min(round(abs(step) / 1e9), 2**32 - 1)
            records["emptied"][row] = step < 0
        return records, wall_offset + sum(steps.tolist())

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def __len__(self) -> int:
        return len(self._columns["seq"])

    @overload
    def __getitem__(self, key: str) -> Numbers: ...
    @overload
    def __getitem__(self, key: slice | Numbers) -> Self: ...
    def __getitem__(self, key: str | slice | Numbers) -> Numbers | Self:
        """A column, or the records that a slice or an index chooses."""
        if isinstance(key, str):
            return self._columns[key]
        return type(self)({name: column[key] for name, column in self._columns.items()})
