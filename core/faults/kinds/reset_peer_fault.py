"""The connection is reset after a time."""

from dataclasses import dataclass

from core.faults.effect import Deed, Effect, FaultKind, attribute


@dataclass(frozen=True)
class ResetPeer(FaultKind):
    """Served as always for `timeout` ms, then reset."""

    name = "reset_peer"
    meaning = "RST after that time"

    timeout: int = attribute("ms", 0, 3_600_000, default=0)

    def effect(self, now: float, seed: int) -> Effect:
        """See FaultKind."""
        return ResetPeerEffect(now + self.timeout / 1000)


class ResetPeerEffect(Effect):
    """Asks for the reset when its time has come."""

    def __init__(self, at: float) -> None:
        self._at = at

    def due(self, now: float) -> float | None:
        """See Effect."""
        return self._at

    def deed(self, waiting: int, now: float) -> Deed | None:
        """See Effect."""
        return Deed.RESET if now >= self._at else None
