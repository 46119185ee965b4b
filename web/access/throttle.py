"""Slows down who guesses: after some wrong passwords an address waits, longer each time."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

FREE: Final = 5
"""Wrong ones that cost nothing."""
LONGEST_S: Final = 60.0
MOST: Final = 4096
"""Addresses that are remembered; the oldest are forgotten first."""


class Throttle:
    """Wrong attempts by address. May be used from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds that the address has to wait before its next attempt; 0: none."""
        with self._lock:
            count, since = self._wrong.get(address, (0, 0.0))
        pause = min(LONGEST_S, 2.0 ** (count - FREE)) if count >= FREE else 0.0
        return max(0.0, since + pause - self._clock())

    def failed(self, address: str) -> None:
        """Count a wrong attempt."""
        with self._lock:
            count, _ = self._wrong.pop(address, (0, 0.0))
            self._wrong[address] = count + 1, self._clock()
            while len(self._wrong) > MOST:
                self._wrong.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the wrong attempts of an address."""
        with self._lock:
            self._wrong.pop(address, None)
