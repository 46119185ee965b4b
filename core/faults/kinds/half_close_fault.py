"""The server ends its side and reads on."""

from dataclasses import dataclass

from core.faults.effect import Deed, Effect, FaultKind


@dataclass(frozen=True)
class HalfClose(FaultKind):
    """A FIN can't be taken back: what the client sends after it is read and not answered, also when the fault ends."""

    name = "half_close"
    meaning = "FIN after what is queued, reading goes on"

    def effect(self, now: float, seed: int) -> Effect:
        """See FaultKind."""
        return HalfCloseEffect()


class HalfCloseEffect(Effect):
    """Asks for the FIN as soon as nothing waits."""

    def deed(self, waiting: int, now: float) -> Deed | None:
        """See Effect."""
        return None if waiting else Deed.END_SIDE
