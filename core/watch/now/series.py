"""The charts' history: a second of detail for an hour, ten seconds for a day, in fixed memory.

Rates are counted by the time of the events, gauges are what they were at the end of a step.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.bad_value import BadValueError
from core.watch.now.sums import Sums

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

    def slot(self, second: int) -> int | None:
        """The slot of the step that holds `second`, emptied when it held an older one; None when it holds a newer."""
        stamp = second // self.step
        slot = stamp % self.kept
        if self.stamps[slot] > stamp:
            return None
        if self.stamps[slot] < stamp:
            self.stamps[slot] = stamp
            for name, column in self.values.items():
                column[slot] = 0 if name in RATES else np.nan
        return int(slot)

    def load(self, rows: Mapping[str, Numbers]) -> None:
        """Take in columns of `second`, rates and gauges, by the order of rows."""
        stamps = rows["second"] // self.step
        recent = stamps > stamps.max(initial=0) - self.kept  # so many have a slot each
        slots = stamps % self.kept
        fresh = slots[recent & (self.stamps[slots] < stamps)]
        self.stamps[fresh] = stamps[recent & (self.stamps[slots] < stamps)]
        for name, column in self.values.items():
            column[fresh] = 0 if name in RATES else np.nan
            told = recent & (self.stamps[slots] == stamps) & ~np.isnan(rows[name])
            if name in RATES:
                np.add.at(column, slots[told], rows[name][told])
            else:
                column[slots[told]] = rows[name][told]

    def window(self, first: int, last: int) -> tuple[Numbers, Numbers]:
        """Slots of the steps from `first` to `last` (step numbers) and whether each is known."""
        stamps = np.arange(first, last + 1)
        slots = stamps % self.kept
        return slots, self.stamps[slots] == stamps


class Series:
    """What the overview's charts show."""

    def __init__(self) -> None:
        self._levels = [_Level(step, kept) for step, kept in _LEVELS]
        self._news: dict[int, dict[str, float]] = {}

    def count(self, second: int, sums: Sums) -> None:
        """Add what happened in `second` (since 1970)."""
        self.add(second, {name: getattr(sums, name) for name in RATES})

    def gauge(self, second: int, gauges: Mapping[str, float]) -> None:
        """Note what the gauges show in `second` (since 1970)."""
        self.add(second, gauges)

    def add(self, second: int, row: Mapping[str, float]) -> None:
        """Take columns of a second in: rates are added to what is there, gauges take its place."""
        self._enter(second, row)
        self._note(second, row)

    def news(self) -> dict[int, dict[str, float]]:
        """What was added since the last call, by second; a gauge that was not told is not there."""
        news, self._news = self._news, {}
        return news

    def put_back(self, news: Mapping[int, Mapping[str, float]]) -> None:
        """What `news` answered could not be kept: answer it again, with what has come since."""
        since, self._news = self._news, {second: dict(row) for second, row in news.items()}
        for second, row in since.items():
            self._note(second, row)

    def load(self, rows: Mapping[str, Numbers]) -> None:
        """Take in what was kept: columns of `second`, rates and gauges (NaN: not told), in the order of `news`."""
        for level in self._levels:
            level.load(rows)

    def latest(self, name: str, second: int) -> float | None:
        """The value of a gauge in the last second up to `second` that has one, at most a minute back."""
        level = self._levels[0]
        slots, known = level.window(second - 60, second)
        values = level.values[name][slots[known]]
        values = values[~np.isnan(values)]
        return float(values[-1]) if len(values) else None

    def forget_after(self, second: int) -> None:
        """The clock was set back: what stands behind `second` is not the future."""
        for level in self._levels:
            level.stamps[level.stamps > second // level.step] = -1

    def _note(self, second: int, row: Mapping[str, float]) -> None:
        news = self._news.setdefault(second, dict.fromkeys(RATES, 0.0))
        for name, value in row.items():
            news[name] = news[name] + value if name in RATES else value
        if len(self._news) > LONGEST:
            del self._news[next(iter(self._news))]

    def _enter(self, second: int, row: Mapping[str, float]) -> None:
        for level in self._levels:
            slot = level.slot(second)
            if slot is None:
                continue
            for name, value in row.items():
                column = level.values[name]
                column[slot] = column[slot] + value if name in RATES else value

    def columns(self, range_s: int, now: int) -> dict[str, Any]:
        """At most MAX_POINTS points of the `range_s` seconds (60..86400) before `now`, oldest first.

        The running second is left out: it is not whole. None stands where nothing is known.
        Raises ValueError for a range outside.
        """
        if not 60 <= range_s <= LONGEST:
            raise BadValueError(f"range must be between 60 and {LONGEST} seconds, not {range_s}")
        level = next(level for level in self._levels if range_s <= level.step * level.kept)
        group = -(-range_s // (level.step * MAX_POINTS))
        points = range_s // (level.step * group)
        last = (now // level.step) // group * group - 1
        slots, known = level.window(last - points * group + 1, last)
        known = known.reshape(points, group)
        step = level.step * group
        end = (last + 1) * level.step
        answer: dict[str, Any] = {"range": range_s, "step": step}
        answer["time"] = [end - step * (points - i) for i in range(points)]
        for name, column in level.values.items():
            told = known & ~np.isnan(column[slots].reshape(points, group))
            held = told.sum(axis=1)
            sums = np.where(told, column[slots].reshape(points, group), 0).sum(axis=1)
            per = held * level.step if name in RATES else held
            mean = np.divide(sums, per, out=np.full(points, np.nan), where=held > 0)
            answer[f"{name}_per_s" if name in RATES else name] = [
                None if value != value else value for value in mean.round(4).tolist()
            ]
        return answer
