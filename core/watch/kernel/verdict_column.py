"""The verdicts of all connections at once: by the record alone, exact where the kernel was asked."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.watch.kernel.verdict import CODES, IDLE_S, SILENT_S
from core.watch.now.table import STATES, Table

Numbers = npt.NDArray[Any]

VERDICTS: Final = tuple(CODES)
_IDLE, _FINE, _UNKNOWN, _CLOSING, _CLOSED, _LATE = (
    VERDICTS.index(code) for code in ("idle", "fine", "unknown", "closing", "closed", "loop_late")
)


def from_record(table: Table, now: int, *, is_late: bool) -> Numbers:
    """Index into VERDICTS of each row, a byte: what `judge` says of it at `now` (wall clock, ns) without a sample.

    `is_late`: the loop of these connections does not turn.
    """
    states = table.states()
    idle_s = (now - table["last"]) / 1e9
    is_idle = (idle_s >= IDLE_S) | ((idle_s >= SILENT_S) & (table["bytes_in"] == 0))
    verdicts = np.where(is_idle, np.uint8(_IDLE), np.uint8(_FINE))
    waits = (table["queue_bytes"] > 0) | (states == STATES.index("blocked")) | (states == STATES.index("paused"))
    verdicts[waits] = _UNKNOWN
    verdicts[states == STATES.index("closing")] = _CLOSING
    if is_late:
        verdicts[:] = _LATE
    verdicts[states == STATES.index("closed")] = _CLOSED
    return verdicts
