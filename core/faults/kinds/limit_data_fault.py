"""The connection is closed after a number of reply bytes."""

from dataclasses import dataclass

from core.faults.effect import Deed, Effect, FaultKind, attribute


@dataclass(frozen=True)
class LimitData(FaultKind):
    """Exactly `bytes` of replies are sent from when the fault begins; with 0 it is closed at its first reply."""

    name = "limit_data"
    meaning = "closed after so many reply bytes"

    bytes: int = attribute("bytes", 0, 1_000_000_000_000)

    def effect(self, now: float, seed: int) -> Effect:
        """See FaultKind."""
        return LimitDataEffect(self.bytes)


class LimitDataEffect(Effect):
    """Lets what is left go, then asks for the close."""

    def __init__(self, left: int) -> None:
        self._left = left
        self._is_over = False

    def room(self, now: float) -> int:
        """See Effect."""
        return self._left

    def sent(self, count: int, now: float) -> None:
        """See Effect."""
        self._left -= count
        self._is_over = not self._left

    def deed(self, waiting: int, now: float) -> Deed | None:
        """See Effect."""
        return Deed.CLOSE if self._is_over or (not self._left and waiting) else None
