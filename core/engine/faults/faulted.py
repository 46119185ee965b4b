"""A connection under faults, without I/O: as any other, but its replies go when the effects of its faults let them."""

from collections.abc import Callable

from core.engine.pollers.poller import READ, WRITE
from core.engine.server.connection import Connection, State
from core.faults.effect import NO_LIMIT, Deed, Effect

_URGENCY = (Deed.RESET, Deed.CLOSE, Deed.END_SIDE)


class FaultedConnection(Connection):
    """Takes the place of a plain connection, and gives it back, with all that waits, when its faults are over.

    Each effect knows all bytes that were queued and sent since it began, so one may come or go at any time.
    """

    __slots__ = ("_clock", "effects")

    faulted = True
    effects: dict[int, Effect]
    """By the number of the order."""
    _clock: Callable[[], float]

    @classmethod
    def of(cls, conn: Connection, clock: Callable[[], float]) -> "FaultedConnection":
        """A connection that goes on as `conn`, which is not to be used any more; `clock` answers monotonic seconds."""
        made = cls.__new__(cls)
        conn.hand_over(made)
        made._clock = clock
        made.effects = {}
        return made

    def plain(self) -> Connection:
        """A connection without faults that goes on as this one."""
        made = Connection.__new__(Connection)
        self.hand_over(made)
        return made

    def begin(self, number: int, effect: Effect) -> None:
        """Put a fault on."""
        self.effects[number] = effect
        effect.queued(self.queue_bytes, self._clock())

    @property
    def wants(self) -> int:
        """As of any connection; WRITE only while something may go."""
        reading = self.state is State.OPEN and not self.paused and all(one.reads for one in self.effects.values())
        return (READ if reading else 0) | (WRITE if self.queue_bytes and self.room() else 0)

    def room(self) -> int:
        """Bytes that may go now."""
        now = self._clock()
        return max(0, min((one.room(now) for one in self.effects.values()), default=NO_LIMIT))

    def receive(self, reply: bytes) -> None:
        """As of any connection."""
        for effect in self.effects.values():
            reply = effect.changed(reply)
        super().receive(reply)
        now = self._clock()
        for effect in self.effects.values():
            effect.queued(len(reply), now)

    def pending(self, limit: int) -> list[bytes | memoryview]:
        """As of any connection, as far as there is room."""
        room = min(limit, self.room())
        return super().pending(room) if room else []

    def sent(self, count: int) -> None:
        """As of any connection."""
        super().sent(count)
        now = self._clock()
        for effect in self.effects.values():
            effect.sent(count, now)

    def due(self) -> float | None:
        """When to look again, though nothing has happened; None: not at all."""
        now = self._clock()
        return min((at for one in self.effects.values() if (at := one.due(now)) is not None), default=None)

    def deed(self) -> Deed | None:
        """What is to be done to the connection now, the most urgent one."""
        now = self._clock()
        wanted = {one.deed(self.queue_bytes, now) for one in self.effects.values()}
        return next((deed for deed in _URGENCY if deed in wanted), None)
