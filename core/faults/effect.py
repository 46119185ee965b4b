"""What a fault does to one connection, without I/O: bytes of replies are counted in and out, time is handed in.

All that waits to be sent is one stream. An effect says how many bytes of it may go now, when that changes, and whether
something is to be done to the connection. Times are monotonic seconds.
"""

from dataclasses import MISSING, dataclass, field, fields
from enum import Enum
from typing import Any, ClassVar, Final

from core.bad_value import BadValueError

NO_LIMIT: Final = 1 << 62
"""Bytes: as many as there are."""


class Deed(Enum):
    """What an effect wants done to its connection."""

    CLOSE = "close"
    RESET = "reset"
    END_SIDE = "end_side"


class Effect:
    """A fault on one connection; this one does nothing."""

    reads = True
    """Whether the server reads from the connection."""

    def changed(self, reply: bytes) -> bytes:
        """A reply, as long as it was, as the client is to get it."""
        return reply

    def queued(self, count: int, now: float) -> None:
        """So many bytes have been added to what waits; at first, all that waits already."""

    def room(self, now: float) -> int:
        """How many bytes may be sent now."""
        return NO_LIMIT

    def sent(self, count: int, now: float) -> None:
        """So many bytes were sent."""

    def due(self, now: float) -> float | None:
        """When `room` or `deed` answers something else by itself; None: not before more is queued or sent."""
        return None

    def deed(self, waiting: int, now: float) -> Deed | None:
        """What is to be done now, `waiting` bytes being queued."""
        return None


def attribute(unit: str, least: int, most: int, default: Any = MISSING) -> Any:
    """A field of a FaultKind: a whole number; without a default it must be given."""
    return field(default=default, metadata={"limits": (unit, least, most)})


@dataclass(frozen=True)
class FaultKind:
    """The attributes of a fault, each made by `attribute`."""

    name: ClassVar[str]
    meaning: ClassVar[str]
    """What the client sees."""
    for_new_only: ClassVar[bool] = False
    """Whether it makes sense only for connections that are being accepted."""

    def __post_init__(self) -> None:
        """Raises BadValueError naming the attribute."""
        for one in fields(self):
            value, (unit, least, most) = getattr(self, one.name), one.metadata["limits"]
            if type(value) is not int or not least <= value <= most:
                span = f"from {least:,} to {most:,} {unit}"
                raise BadValueError(f'field "{one.name}": {value!r:.40} is no whole number {span}')

    def effect(self, now: float, seed: int) -> Effect:
        """What it does to a connection from `now` on; what is random follows `seed`."""
        raise NotImplementedError

    def attributes(self) -> dict[str, int]:
        """By name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}
