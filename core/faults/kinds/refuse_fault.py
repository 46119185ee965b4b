"""A new connection is reset as soon as it was accepted."""

from dataclasses import dataclass

from core.faults.effect import Deed, Effect, FaultKind


@dataclass(frozen=True)
class Refuse(FaultKind):
    """For new connections only."""

    name = "refuse"
    meaning = "accepted and reset at once"
    for_new_only = True

    def effect(self, now: float, seed: int) -> Effect:
        """See FaultKind."""
        return RefuseEffect()


class RefuseEffect(Effect):
    """Asks for the reset at once."""

    def deed(self, waiting: int, now: float) -> Deed | None:
        """See Effect."""
        return Deed.RESET
