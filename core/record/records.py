"""A run of records as columns of their own."""

from collections.abc import Mapping
from typing import Any, Final, Self, overload

import numpy as np
import numpy.typing as npt

from core.record.events import RECORD

Numbers = npt.NDArray[Any]

PAYLOAD: Final = ("bytes_in", "bytes_out", "queue_bytes", "queue_chunks")
"""The columns in which `open` and `refuse` records carry the peer's address."""

_NAMES: Final = tuple(name for name in RECORD.names or () if name != "pad")
_WIDENED: Final = ("time", "conn", "seq")


class Records:
    """Columns by name: those of RECORD, with `time` as wall clock (ns), and time, conn and seq as int64.

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
        return cls(columns)

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
