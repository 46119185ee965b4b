"""The verdicts of all connections at once: by the record alone, exact where the kernel was asked."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from core.ring.events import Reason
from core.watch.kernel.verdict import CODES, IDLE_S, LATE_S, SILENT_S
from core.watch.now.table import STATES, Table

Numbers = npt.NDArray[Any]

VERDICTS: Final = tuple(CODES)
_IDLE, _FINE, _UNKNOWN, _CLOSING, _CLOSED, _LATE, _FAULT = (
    VERDICTS.index(code) for code in ("idle", "fine", "unknown", "closing", "closed", "loop_late", "fault")
)


def from_record(table: Table, now: int, *, is_late: bool) -> Numbers:
    """Index into VERDICTS of each row, a byte: what `judge` says of it at `now` (wall clock, ns) without a sample.

    `is_late`: the loop of these connections does not turn.
    """
    states = table.states()
    idle = now - table["last"]
    verdicts = np.full(table.size, _FINE, np.uint8)
    verdicts[(idle >= SILENT_S * 1e9) & (table["bytes_in"] == 0)] = _IDLE
    verdicts[idle >= IDLE_S * 1e9] = _IDLE
    waits = (table["queue_bytes"] > 0) | (states == STATES.index("blocked")) | (states == STATES.index("paused"))
    verdicts[waits] = _UNKNOWN
    verdicts[states == STATES.index("closing")] = _CLOSING
    if is_late:
        verdicts[:] = _LATE
    verdicts[states == STATES.index("closed")] = _CLOSED
    verdicts[_faulted(table)] = _FAULT
    return verdicts


def _faulted(table: Table) -> list[int]:
    """The rows of connections that a fault decides about, or has ended."""
    rows = np.flatnonzero((table["reason"] == Reason.FAULT) & (table["closed"] > 0)).tolist()
    for conn in table.faults.conns():
        row = table.find(conn)
        if row is not None and table.faults.deciding(conn, int(table["closed"][row])):
            rows.append(row)
    return rows


class Sampled(NamedTuple):
    """The verdict of a connection whose kernel side is known, and the age of that (s)."""

    code: str
    age_s: float


class Judged:
    """The verdicts of a moment. `ages` are the seconds since each worker's loop turned; `sampled` is by connection."""

    def __init__(
        self, now: int, ages: Mapping[int, float] | None = None, sampled: Mapping[int, Sampled] | None = None
    ) -> None:
        self._now = now
        self._ages = ages or {}
        self._sampled = sampled or {}

    def of(self, table: Table) -> Numbers:
        """Index into VERDICTS of each row, a byte."""
        verdicts = from_record(table, self._now, is_late=self._ages.get(table.worker, 0.0) > LATE_S)
        for conn, sampled in self._sampled.items():
            row = table.find(conn)
            if row is not None and verdicts[row] != _CLOSED:
                verdicts[row] = VERDICTS.index(sampled.code)
        return verdicts

    def age_s(self, conn: int) -> float | None:
        """How old the sample is that a verdict rests on; None: it rests on the record alone."""
        sampled = self._sampled.get(conn)
        return sampled and sampled.age_s

    def oldest_s(self) -> float | None:
        """The age of the oldest sample."""
        return max((sampled.age_s for sampled in self._sampled.values()), default=None)
