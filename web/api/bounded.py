"""Bounded work: few expensive answers are computed at once, some wait for a moment, the rest are refused."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from web.api.problems import ProblemError

AT_ONCE: Final = 2
WAITING: Final = 6
"""Each one that waits holds a thread of the web server; others must stay free for /healthz and the pages."""
PATIENCE_S: Final = 1.5


class Bounded:
    """At most `at_once` at work, at most `waiting` more that wait, none longer than `patience_s` seconds."""

    def __init__(self, at_once: int = AT_ONCE, waiting: int = WAITING, patience_s: float = PATIENCE_S) -> None:
        self._places = threading.Semaphore(at_once)
        self._seats = threading.Semaphore(at_once + waiting)
        self._patience_s = patience_s

    @contextmanager
    def work(self, is_wanted: Callable[[], bool]) -> Iterator[None]:
        """A place to work in. Raises ProblemError 503 where there is none, or when it isn't wanted after a wait."""
        if not self._seats.acquire(blocking=False):
            raise _busy()
        try:
            waits = not self._places.acquire(blocking=False)
            if waits and not self._places.acquire(timeout=self._patience_s):
                raise _busy()
            try:
                if waits and not is_wanted():
                    raise ProblemError(503, "whoever asked has gone")
                yield
            finally:
                self._places.release()
        finally:
            self._seats.release()


def _busy() -> ProblemError:
    return ProblemError(503, "too many questions at once: ask again in a second", {"Retry-After": "1"})
