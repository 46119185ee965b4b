"""The charts' history: a second of detail for an hour, ten seconds for a day, in fixed memory.

Rates are counted by the time of the events, gauges are what they were at the end of a step.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.watch.sums import Sums

Numbers = npt.NDArray[Any]

RATES: Final = ("echoes", "bytes_in", "bytes_out", "accepted", "closed")
GAUGES: Final = ("open", "blocked", "queue_bytes", "loop_busy")
MAX_POINTS: Final = 900
LONGEST: Final = 86_400
_LEVELS: Final = ((1, 3600), (10, 8640))  # seconds a step, steps kept


class _Level:
    """Steps of one length, in a ring; `stamps` says which step is in a slot."""

    def __init__(self, step: int, kept: int) -> None:
        self.step = step
        self.kept = kept
        self.stamps = np.full(kept, -1, np.int64)
        self.values = {name: np.zeros(kept) for name in (*RATES, *GAUGES)}

    def slot(self, second: int) -> int:
        """The slot of the step that holds `second`, emptied when it held an older one."""
        stamp = second // self.step
        slot = stamp % self.kept
        if self.stamps[slot] != stamp:
            self.stamps[slot] = stamp
            for column in self.values.values():
                column[slot] = 0
        return int(slot)

    def window(self, first: int, last: int) -> tuple[Numbers, Numbers]:
        """Slots of the steps from `first` to `last` (step numbers) and whether each is known."""
        stamps = np.arange(first, last + 1)
        slots = stamps % self.kept
        return slots, self.stamps[slots] == stamps


class Series:
    """What the overview's charts show."""

    def __init__(self) -> None:
        self._levels = [_Level(step, kept) for step, kept in _LEVELS]

    def count(self, second: int, sums: Sums) -> None:
        """Add what happened in `second` (since 1970)."""
        for level in self._levels:
            slot = level.slot(second)
            for name in RATES:
                level.values[name][slot] += getattr(sums, name)

    def gauge(self, second: int, gauges: Mapping[str, float]) -> None:
        """Note what the gauges show in `second` (since 1970)."""
        for level in self._levels:
            slot = level.slot(second)
            for name, value in gauges.items():
                level.values[name][slot] = value

    def columns(self, range_s: int, now: int) -> dict[str, Any]:
        """At most MAX_POINTS points of the `range_s` seconds (60..86400) before `now`, oldest first.

        The running second is left out: it is not whole. None stands where nothing is known.
        Raises ValueError for a range outside.
        """
        if not 60 <= range_s <= LONGEST:
            raise ValueError(f"range must be between 60 and {LONGEST} seconds, not {range_s}")
        level = next(level for level in self._levels if range_s <= level.step * level.kept)
        group = -(-range_s // (level.step * MAX_POINTS))
        points = range_s // (level.step * group)
        last = (now // level.step) // group * group - 1
        slots, known = level.window(last - points * group + 1, last)
        known = known.reshape(points, group)
        held = known.sum(axis=1)
        step = level.step * group
        end = (last + 1) * level.step
        answer: dict[str, Any] = {"range": range_s, "step": step}
        answer["time"] = [end - step * (points - i) for i in range(points)]
        for name, column in level.values.items():
            sums = np.where(known, column[slots].reshape(points, group), 0).sum(axis=1)
            per = held * level.step if name in RATES else held
            mean = np.divide(sums, per, out=np.full(points, np.nan), where=held > 0)
            answer[f"{name}_per_s" if name in RATES else name] = [
                None if value != value else value for value in mean.round(4).tolist()
            ]
        return answer
