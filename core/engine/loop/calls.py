"""What a turn of the loop came to, for its record."""

from collections.abc import Callable

from core.engine.loop.loop import Turn
from core.ring.recorder import Recorder


class Calls:
    """System calls made outside the hot path, and EAGAINs of all, since the server began."""

    __slots__ = ("accepts", "eagains", "reads", "writes")

    def __init__(self) -> None:
        self.accepts = self.reads = self.writes = self.eagains = 0


def turn_end(
    recorder: Recorder, calls: Calls, spent: Callable[[], tuple[int, int, int, int]]
) -> Callable[[int, Turn], None]:
    """What the loop calls before each wait: shows the turn's events to the reader, then records the turn.

    The hot path counts nothing: how often it ran is what the ring has taken less what was written by others.
    `spent` is Phases.spent.
    """
    publish, write = recorder.publish, recorder.turn

    def end(waited: int, turn: Turn) -> None:
        number, began, woken, ended, ready, scanned = turn
        echoes = publish(number, waited, ended)
        counts = echoes, calls.accepts, calls.reads, calls.writes, calls.eagains
        if number:
            write(began, woken, ended, ready, scanned, *counts, *spent())

    return end
