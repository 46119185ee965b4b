"""One time for all: the monotonic clock, tied to the wall clock once, so that setting the latter moves nothing."""

import time
from typing import Final

WALL_OFFSET: Final = time.time_ns() - time.monotonic_ns()
"""What makes wall time of monotonic time, in this process and those that it forks (ns)."""


def wall_ns() -> int:
    """Nanoseconds since 1970."""
    return time.monotonic_ns() + WALL_OFFSET
