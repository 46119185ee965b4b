"""What scrapers of metrics are told, as types: figures, and durations counted by how long they were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Json = dict[str, Any]
Numbers = npt.NDArray[Any]


class Histogram:
    """Only grows, so that two looks can be compared.

    `counts` has, for each of the `bounds` (seconds, ascending), how many were at most that and above the one before.
    The last count is of those above all bounds. `total` is their sum, seconds.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts: Numbers = np.zeros(len(self.bounds) + 1, np.int64)
        self.total = 0.0

    def add(self, seconds: Numbers) -> None:
        """Count these."""
        self.counts += np.bincount(np.searchsorted(self.bounds, seconds), minlength=len(self.counts))
        self.total += float(seconds.sum())

    def add_all(self, other: "Histogram") -> None:
        """Count what another of the same bounds has counted."""
        self.counts += other.counts
        self.total += other.total

    def copy(self) -> "Histogram":
        """The histogram as it is now."""
        made = Histogram(self.bounds)
        made.add_all(self)
        return made


@dataclass(frozen=True)
class Measures:
    """`status` as the API has it; by name, how many connections are in a state and of a verdict, and how many ended so.

    `replies` is how long the queues of connections were not empty, each time; `turns` how long the loops worked in
    each turn.
    """

    status: Json
    rates: Json
    states: Mapping[str, int]
    verdicts: Mapping[str, int]
    ends: Mapping[str, int]
    replies: Histogram
    turns: Histogram
    beat_age_s: float
