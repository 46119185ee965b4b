"""The server does not read: its window closes."""

from dataclasses import dataclass

from core.faults.effect import Effect, FaultKind


@dataclass(frozen=True)
class StopReading(FaultKind):
    """What has been read is still answered."""

    name = "stop_reading"
    meaning = "the server does not read (its window closes)"

    def effect(self, now: float, seed: int) -> Effect:
        """See FaultKind."""
        return StopReadingEffect()


class StopReadingEffect(Effect):
    """Leaves everything in the kernel's receive buffer."""

    reads = False
