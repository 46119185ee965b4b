"""Replies come in small pieces."""

import random
from dataclasses import dataclass

from core.bad_value import BadValueError
from core.faults.effect import Effect, FaultKind, attribute


@dataclass(frozen=True)
class Slicer(FaultKind):
    """Pieces of `average_size` bytes, give or take up to `size_variation`, at least `delay` µs apart."""

    name = "slicer"
    meaning = "replies in small pieces"

    average_size: int = attribute("bytes", 1, 1_000_000)
    size_variation: int = attribute("bytes", 0, 1_000_000, default=0)
    delay: int = attribute("µs", 0, 60_000_000, default=0)

    def __post_init__(self) -> None:
        """See FaultKind."""
        super().__post_init__()
        if self.size_variation >= self.average_size:
            raise BadValueError(
                f'field "size_variation": {self.size_variation} is not less than average_size, {self.average_size}'
            )

    def effect(self, now: float, seed: int) -> Effect:
        """See FaultKind."""
        return SlicerEffect(self, random.Random(seed), now)  # noqa: S311 - to be repeated, not to be secret


class SlicerEffect(Effect):
    """One piece goes at a time."""

    def __init__(self, kind: Slicer, chance: random.Random, now: float) -> None:
        self._kind = kind
        self._chance = chance
        self._next = now
        self._queued = 0
        self._piece = self._size()

    def queued(self, count: int, now: float) -> None:
        """See Effect."""
        self._queued += count

    def room(self, now: float) -> int:
        """See Effect."""
        return self._piece if now >= self._next else 0

    def sent(self, count: int, now: float) -> None:
        """See Effect."""
        self._queued -= count
        self._piece -= count
        if self._piece <= 0 or not self._queued:  # a reply that ends early ends its piece
            self._piece = self._size()
            self._next = now + self._kind.delay / 1e6

    def due(self, now: float) -> float | None:
        """See Effect."""
        return self._next if self._queued and now < self._next else None

    def _size(self) -> int:
        return self._kind.average_size + self._chance.randint(-self._kind.size_variation, self._kind.size_variation)
