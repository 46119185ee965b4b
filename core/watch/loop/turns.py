"""The loop turn by turn: how long it waited and worked, what it found ready, which calls it made."""

import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.ring.flight_recorder import TURN, LatestReader
from core.ring.recorder import Files
from core.ring.turn_columns import CALLS, PHASES, turn_columns

Json = dict[str, Any]
Numbers = npt.NDArray[Any]

WINDOW_S: Final = 10.0
_LATEST: Final = 240
_SHARES: Final = {"p50": 50, "p90": 90, "p99": 99, "max": 100}


class Turns:
    """The turn records of all workers; may be used from any thread."""

    def __init__(self, directory: Path, workers: list[int]) -> None:
        """Raises OSError and RingError when a file is not there, or another's."""
        self._readers = {worker: LatestReader(Files.of(directory, worker).turns, TURN) for worker in workers}
        # What was recorded before now is an earlier server's.
        self._first = {worker: reader.newest() for worker, reader in self._readers.items()}

    def close(self) -> None:
        """Give the files back."""
        for reader in self._readers.values():
            reader.close()

    def columns(self, worker: int) -> dict[str, Numbers]:
        """The turns that are still kept, oldest first, a column a fact.

        `began`, `woken`, `ended` (wall clock, ns): the wait began, it ended, all visits had been made. `ready` and
        `scanned`: descriptors. `accepts`, `reads`, `writes`: system calls; `eagains`: those of them that would
        have blocked. `measured`: 1 where it is known how many ns `accept`, `read` and `write` took.
        """
        reader = self._readers[worker]
        first = self._first[worker]
        records = reader.since(first)
        if len(records) and records[0]["seq"] == first + 1:  # the loop's first turn: before it, it had counted nothing
            records = np.concatenate([np.zeros(1, TURN.record), records])
        return turn_columns(records, reader.wall_offset)

    def worked_since(self, worker: int, after: int) -> tuple[Numbers, int]:
        """How long (seconds) each turn after number `after` worked, as far as they are kept, and the last one's number.

        0: all of this server's.
        """
        records = self._readers[worker].since(max(after, self._first[worker]))
        upto = int(records["seq"][-1]) if len(records) else after
        return (records["ended"] - records["woken"]) / 1e9, upto

    def summary(self, worker: int) -> Json:
        """The last WINDOW_S seconds in figures, and the latest turns."""
        reader = self._readers[worker]
        return summary(self.columns(worker), time.monotonic_ns() + reader.wall_offset)


def summary(columns: dict[str, Numbers], now: int) -> Json:
    """Figures of the turns that ended in the last WINDOW_S seconds before `now` (ns); times in microseconds."""
    start = now - int(WINDOW_S * 1e9)
    first = int(np.searchsorted(columns["ended"], start, "right"))
    recent = {name: column[first:] for name, column in columns.items()}
    wait = (recent["woken"] - recent["began"]) / 1000
    busy = (recent["ended"] - recent["woken"]) / 1000
    # The first of them may have begun before: what it did until then is no part of the time.
    span = (now - max(start, int(recent["began"][0]))) / 1e9 if len(wait) else 0.0
    worked = float((recent["ended"] - np.maximum(recent["woken"], start)).sum()) / 1e9
    return {
        "span_s": round(span, 3),
        "turns": len(wait),
        "turns_per_s": round(len(wait) / span, 1) if span else 0.0,
        "busy": round(worked / span, 4) if span else 0.0,
        "wait_us": _spread(wait),
        "busy_us": _spread(busy),
        "ready": _spread(recent["ready"]) | {"histogram": _histogram(recent["ready"])},
        "scanned_per_ready": _ratio(recent["scanned"].sum(), recent["ready"].sum()),
        "calls_per_s": {name: round(float(recent[name].sum()) / span, 1) if span else 0.0 for name in CALLS},
        "phases": _phases(recent),
        "latest": _latest(columns),
        "measured": _latest({name: column[columns["measured"] > 0] for name, column in columns.items()}),
    }


def _spread(values: Numbers) -> Json:
    if not len(values):
        return dict.fromkeys(_SHARES)
    return {
        name: round(float(value), 1)
        for name, value in zip(_SHARES, np.percentile(values, list(_SHARES.values())), strict=True)
    }


def _histogram(ready: Numbers) -> list[list[int]]:
    """Pairs: a lower bound (0, 1, 2, 4, 8, ...), and how many turns had from it to the next one ready."""
    bucket = np.zeros(len(ready), np.int64)
    some = ready > 0
    bucket[some] = np.log2(ready[some]).astype(np.int64) + 1
    counts = np.bincount(bucket)
    return [[0 if index == 0 else 1 << index - 1, count] for index, count in enumerate(counts.tolist())]


def _phases(recent: dict[str, Numbers]) -> Json:
    """Of the turns that were measured: microseconds in all, and of each phase with how many calls that was."""
    measured = {name: column[recent["measured"] > 0] for name, column in recent.items()}
    busy = measured["ended"] - measured["woken"]
    return {
        "turns": len(busy),
        "busy_us": round(float(busy.sum()) / 1000, 1),
        **{f"{phase}_us": round(float(measured[phase].sum()) / 1000, 1) for phase in PHASES},
        **{calls: int(measured[calls].sum()) for calls in PHASES.values()},
    }


def _latest(columns: dict[str, Numbers]) -> Json:
    last = {name: column[-_LATEST:] for name, column in columns.items()}
    known = last["measured"] > 0
    return {
        "time": (last["began"] / 1e9).round(6).tolist(),
        "wait_us": ((last["woken"] - last["began"]) / 1000).round(1).tolist(),
        "busy_us": ((last["ended"] - last["woken"]) / 1000).round(1).tolist(),
        **{f"{phase}_us": _where(known, (last[phase] / 1000).round(1)) for phase in PHASES},
        **{name: last[name].tolist() for name in ("ready", "scanned", *CALLS)},
    }


def _where(known: Numbers, values: Numbers) -> list[float | None]:
    return [value if is_known else None for is_known, value in zip(known.tolist(), values.tolist(), strict=True)]


def _ratio(part: Any, whole: Any) -> float | None:
    return round(float(part) / float(whole), 2) if whole else None
