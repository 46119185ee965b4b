"""Replies are kept, and released in order when the fault ends."""

from dataclasses import dataclass

from core.faults.effect import Effect, FaultKind


@dataclass(frozen=True)
class Hold(FaultKind):
    """Reading goes on until the queue is above high water."""

    name = "hold"
    meaning = "replies are kept; released in order when it ends"

    def effect(self, now: float, seed: int) -> Effect:
        """See FaultKind."""
        return HoldEffect()


class HoldEffect(Effect):
    """Lets nothing go."""

    def room(self, now: float) -> int:
        """See Effect."""
        return 0
