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
_LOW: Final = 0xFFFF_FFFF
_KIND_AND_REASON: Final = 0xFF | 0xFF << 32  # in the word that holds both
_CLOCK_MOVED: Final = Kind.START | Reason.CLOCK << 32
_WIDENED: Final = ("time", "conn", "seq")


def steps_of(array: Numbers) -> tuple[Numbers, Numbers]:
    """Which of some records (dtype RECORD) say that the clock moved, and by how many ns each."""
    rows = np.flatnonzero((array["kind"] == Kind.START) & (array["reason"] == Reason.CLOCK))
    step = array["queue_chunks"][rows].astype(np.uint64) << np.uint64(32) | array["queue_bytes"][rows]
    return rows, step.view(np.int64)


class Block:
    """A run of consecutive records, copied from a ring: six rows of words of 8 bytes, as they lie in RECORD.

    Numpy copies records of named fields one field of one record after the other, ten times slower than words; and
    nearly all runs hold echoes with an empty queue only, of which few words are looked at.
    """

    def __init__(self, words: Numbers) -> None:
        self._words = words
        self._is_plain: bool | None = None

    def __len__(self) -> int:
        return int(self._words.shape[1])

    @property
    def times(self) -> Numbers:
        """Monotonic, ns."""
        column: Numbers = self._words[0].view(np.int64)
        return column

    @property
    def conns(self) -> Numbers:
        """Connections."""
        column: Numbers = self._words[1].view(np.int64)
        return column

    @property
    def first(self) -> int:
        """Number of the first record."""
        return int(self._words[5, 0])

    @property
    def last(self) -> int:
        """Number of the last record."""
        return int(self._words[5, -1])

    def bytes(self) -> tuple[Numbers, Numbers]:
        """Bytes in and out of records that carry no peer."""
        return (self._words[2] & np.uint64(_LOW)).view(np.int64), (self._words[2] >> np.uint64(32)).view(np.int64)

    def holds_echoes_only(self) -> bool:
        """Whether all are echoes that left nothing in a queue."""
        if self._is_plain is None:
            words = self._words
            self._is_plain = not words[3].any() and bool(((words[4] & np.uint64(0xFF)) == Kind.ECHO).all())
        return self._is_plain

    def steps(self) -> Numbers:
        """Places of the records that say that the clock moved."""
        return np.flatnonzero((self._words[4] & np.uint64(_KIND_AND_REASON)) == _CLOCK_MOVED)

    def moved(self) -> int:
        """By how many ns the clock moved in all, within these records."""
        # The ns are where others keep what is queued.
        return int(self._words[3, self.steps()].view(np.int64).sum())

    def of_conn(self, conn: int) -> Self:
        """The records of a connection."""
        return type(self)(np.ascontiguousarray(self._words[:, np.flatnonzero(self.conns == conn)]))

    def __getitem__(self, part: slice) -> Self:
        return type(self)(self._words[:, part]) if part != slice(0, len(self)) else self

    def records(self, wall_offset: int) -> tuple["Records", int]:
        """As columns with wall time, and the offset behind them: see `Records.with_steps`."""
        rows = self._words.T
        array = np.ascontiguousarray(rows).view(RECORD).ravel()
        return Records.with_steps(array, wall_offset)


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
