"""One at a time: what loads the whole machine (a lab run, an animal of the zoo) is not begun beside another."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self


@dataclass(frozen=True)
class Running:
    """What is under way: since when (wall clock, seconds), and how many seconds it may take (None: unknown)."""

    what: str
    since: float
    seconds: float | None


class BusyError(Exception):
    """Something else is under way; the text names it, and says since when and how long it may still take."""

    def __init__(self, running: Running, now: float) -> None:
        since = datetime.fromtimestamp(running.since, UTC)
        text = f"{running.what} has been running since {since:%H:%M:%S} UTC"
        if running.seconds is not None:
            left = max(0.0, running.since + running.seconds - now)
            text += f" and may take {left:.0f} s more"
        super().__init__(f"{text}; only one run at a time: wait for its end, or cancel it")
        self.running = running


class Claim:
    """The right to run, until `release`, which may be repeated; also a context manager."""

    def __init__(self, running: Running, release: Callable[["Claim"], None]) -> None:
        self.running = running
        self._release = release

    def release(self) -> None:
        """Let the next one run."""
        self._release(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class OneAtATime:
    """Gives the one right to run away. May be used from any thread."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._claim: Claim | None = None

    def claim(self, what: str, seconds: float | None = None) -> Claim:
        """The right for `what`, which may take so many seconds. Raises BusyError while another has it."""
        with self._lock:
            now = self._clock()
            if self._claim is not None:
                raise BusyError(self._claim.running, now)
            self._claim = Claim(Running(what, now, seconds), self._released)
            return self._claim

    def running(self) -> Running | None:
        """What is under way now."""
        claim = self._claim
        return None if claim is None else claim.running

    def _released(self, claim: Claim) -> None:
        with self._lock:
            if self._claim is claim:
                self._claim = None
