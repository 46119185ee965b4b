"""Replies come at a limited rate."""

from dataclasses import dataclass
from typing import Final

from core.faults.effect import Effect, FaultKind, attribute

_STEP_S: Final = 0.01
"""Bytes go in steps of this time, so that a slow rate is not a system call for each byte."""
_LATE_S: Final = 0.1
"""So much time that a loop was late is made up for."""


@dataclass(frozen=True)
class Bandwidth(FaultKind):
    """At most `rate` KB/s, of 1,000 bytes each as with Toxiproxy."""

    name = "bandwidth"
    meaning = "replies at most so fast"

    rate: int = attribute("KB/s", 1, 10_000_000)

    def effect(self, now: float, seed: int) -> Effect:
        """See FaultKind."""
        return BandwidthEffect(self.rate * 1000, now)


class BandwidthEffect(Effect):
    """A bucket that fills at the rate; what is not used while nothing waits is not saved up."""

    def __init__(self, rate: int, now: float) -> None:
        self._rate = rate
        self._step = max(1.0, rate * _STEP_S)
        self._tokens = self._step
        self._filled = now
        self._queued = 0

    def queued(self, count: int, now: float) -> None:
        """See Effect."""
        self._fill(now)
        if not self._queued:
            self._tokens = min(self._tokens, self._step)
        self._queued += count

    def room(self, now: float) -> int:
        """See Effect."""
        self._fill(now)
        return int(self._tokens) if self._tokens >= self._needed() else 0

    def sent(self, count: int, now: float) -> None:
        """See Effect."""
        self._tokens -= count
        self._queued -= count

    def due(self, now: float) -> float | None:
        """See Effect."""
        missing = self._needed() - self._tokens
        return self._filled + missing / self._rate if self._queued and missing > 0 else None

    def _needed(self) -> float:
        return min(self._step, float(self._queued)) or 1.0

    def _fill(self, now: float) -> None:
        most = self._step + self._rate * _LATE_S
        self._tokens = min(most, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
