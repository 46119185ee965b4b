"""The turns of a loop as columns: counts as of each turn, from records that count on."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]

CALLS: Final = ("accepts", "reads", "writes", "eagains")
PHASES: Final = {"accept": "accepts", "read": "reads", "write": "writes"}


def turn_columns(records: Numbers, wall_offset: int) -> dict[str, Numbers]:
    """Records of TURN as columns, counts as of each turn alone; without the first, which they are counted from."""
    columns = {name: records[name][1:].astype(np.int64) + wall_offset for name in ("began", "woken", "ended")}
    columns |= {name: records[name][1:].astype(np.int64) for name in ("ready", "scanned", "measured", *PHASES)}
    echoes, *counts = (_since_last(records[name]) for name in ("echoes", *CALLS))
    columns |= dict(zip(CALLS, counts, strict=True))
    columns["reads"] += echoes
    columns["writes"] += echoes
    return columns


def _since_last(values: Numbers) -> Numbers:
    steps = np.diff(values.astype(np.int64))
    # A new loop of the same worker begins at 0 again.
    return np.where(steps < 0, values[1:].astype(np.int64), steps)
