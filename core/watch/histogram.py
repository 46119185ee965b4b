"""Durations, counted by how long they were: for those who compare two looks, so what was counted stays counted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]


class Histogram:
    """`counts` has, for each of the `bounds` (seconds, ascending), how many were at most that and above the one before.

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
