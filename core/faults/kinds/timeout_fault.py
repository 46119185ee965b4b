"""Nothing comes back, then the connection is closed."""

from dataclasses import dataclass

from core.faults.effect import Deed, Effect, FaultKind, attribute


@dataclass(frozen=True)
class Timeout(FaultKind):
    """Closed after `timeout` ms; with 0 never, as with Toxiproxy: replies are kept until the fault ends."""

    name = "timeout"
    meaning = "nothing comes back, then closed"

    timeout: int = attribute("ms", 0, 3_600_000)

    def effect(self, now: float, seed: int) -> Effect:
        """See FaultKind."""
        return TimeoutEffect(now + self.timeout / 1000 if self.timeout else None)


class TimeoutEffect(Effect):
    """Lets nothing go until the close."""

    def __init__(self, until: float | None) -> None:
        self._until = until

    def room(self, now: float) -> int:
        """See Effect."""
        return 0

    def due(self, now: float) -> float | None:
        """See Effect."""
        return self._until

    def deed(self, waiting: int, now: float) -> Deed | None:
        """See Effect."""
        return Deed.CLOSE if self._until is not None and now >= self._until else None
