"""Single bits of replies are flipped."""

from dataclasses import dataclass

from core.faults.effect import Effect, FaultKind, attribute


@dataclass(frozen=True)
class Corrupt(FaultKind):
    """The lowest bit of every byte that is the `every`th, counted over all replies made while the fault lasts."""

    name = "corrupt"
    meaning = "one bit of every so many is flipped"

    every: int = attribute("bytes", 1, 1_000_000_000)

    def effect(self, now: float, seed: int) -> Effect:
        """See FaultKind."""
        return CorruptEffect(self.every)


class CorruptEffect(Effect):
    """Counts the bytes on, from reply to reply."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._until = every  # bytes up to and with the next one to be changed

    def changed(self, reply: bytes) -> bytes:
        """See Effect."""
        if self._until > len(reply):
            self._until -= len(reply)
            return reply
        changed = bytearray(reply)
        places = range(self._until - 1, len(reply), self._every)
        for place in places:
            changed[place] ^= 1
        self._until = self._every - (len(reply) - 1 - places[-1])
        return bytes(changed)
