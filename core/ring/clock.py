"""One time for all: the monotonic clock, tied to the wall clock.

Whoever writes the record looks twice a second whether the two have moved against each other, as they do when the
machine was suspended or its clock was set. New rows then have the new time.
"""

import time
from typing import Final

STEP_NS: Final = 1_000_000_000
"""By less the clocks may differ: slewing moves both."""
_wall_offset = time.time_ns() - time.monotonic_ns()


def found_offset() -> int:
    """What makes wall time of monotonic time at the moment (ns)."""
    return time.time_ns() - time.monotonic_ns()


def wall_offset() -> int:
    """What makes wall time of monotonic time, in this process and those that it forks (ns), until `adopt`."""
    return _wall_offset


def adopt(offset: int) -> None:
    """Go on with another offset."""
    global _wall_offset
    _wall_offset = offset


def wall_ns() -> int:
    """Nanoseconds since 1970."""
    return time.monotonic_ns() + _wall_offset
