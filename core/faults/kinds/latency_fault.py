"""Replies come later, in order."""

import random
from collections import deque
from dataclasses import dataclass

from core.faults.effect import Effect, FaultKind, attribute


@dataclass(frozen=True)
class Latency(FaultKind):
    """Each reply waits for `latency` ms, give or take up to `jitter` ms; none overtakes another."""

    name = "latency"
    meaning = "replies come that much later, in order"

    latency: int = attribute("ms", 0, 3_600_000)
    jitter: int = attribute("ms", 0, 3_600_000, default=0)

    def effect(self, now: float, seed: int) -> Effect:
        """See FaultKind."""
        return LatencyEffect(self, random.Random(seed))  # noqa: S311 - to be repeated, not to be secret


class LatencyEffect(Effect):
    """What waits already may go at once."""

    def __init__(self, kind: Latency, chance: random.Random) -> None:
        self._kind = kind
        self._chance = chance
        self._waiting: deque[tuple[float, int]] = deque()  # when bytes may go, and how many
        self._ready = 0
        self._began = False

    def queued(self, count: int, now: float) -> None:
        """See Effect."""
        if not self._began:
            self._began = True
            self._ready += count
            return
        jitter = self._kind.jitter and self._chance.uniform(-self._kind.jitter, self._kind.jitter)
        due = now + max(0.0, self._kind.latency + jitter) / 1000
        if self._waiting:
            due = max(due, self._waiting[-1][0])
        self._waiting.append((due, count))

    def room(self, now: float) -> int:
        """See Effect."""
        while self._waiting and self._waiting[0][0] <= now:
            self._ready += self._waiting.popleft()[1]
        return self._ready

    def sent(self, count: int, now: float) -> None:
        """See Effect."""
        self._ready -= count

    def due(self, now: float) -> float | None:
        """See Effect."""
        return self._waiting[0][0] if self._waiting else None
