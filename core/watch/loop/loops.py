"""The loops of all workers: their turns, what waits to be accepted, what the kernel watches for them."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from core.watch.kernel.verdict import LATE_S
from core.watch.loop.turns import Turns

Json = dict[str, Any]

_REPORT_FRESH_S: Final = 2.0
_REPORT_SHARE: Final = 0.01
"""The kernel's table of 15,000 registrations takes 30 ms to list, during which no loop can wait on it: reports take at
most this share of the time."""
_NO_REPORT: Final[tuple[float | None, Mapping[str, Any]]] = None, {}


class Loops:
    """Answers for all workers. May be used from any thread.

    `report(worker)` is what a worker tells of itself beside its record; None when it does not answer.
    """

    def __init__(self, directory: Path, workers: list[int], report: Callable[[int], Mapping[str, Any] | None]) -> None:
        """Raises OSError and RingError when the turns of a worker can't be read."""
        self.turns = Turns(directory, workers)
        self._workers = workers
        self._report = report
        self._reports: dict[int, tuple[float | None, Mapping[str, Any]]] = {}
        self._due: dict[int, float] = {}
        self._lock = threading.Lock()

    def answer(self, ages: Mapping[int, float]) -> list[Json]:
        """An item a worker; `ages` are the seconds since each one turned."""
        with self._lock:
            return [self._item(worker, ages.get(worker)) for worker in self._workers]

    def _item(self, worker: int, age: float | None) -> Json:
        late = age is not None and age > LATE_S
        at, told = self._reports.get(worker, _NO_REPORT) if late else self._told(worker)
        return {
            "worker": worker,
            "beat_age_s": None if age is None else round(max(0.0, age), 3),
            **self.turns.summary(worker),
            "accept_queue": told.get("accept_queue"),
            "registrations": told.get("registrations"),
            "report_age_s": None if at is None else round(time.monotonic() - at, 3),
        }

    def _told(self, worker: int) -> tuple[float | None, Mapping[str, Any]]:
        began = time.monotonic()
        if began >= self._due.get(worker, 0.0):
            answer = self._report(worker) or {}
            self._reports[worker] = time.monotonic(), answer
            cost = time.monotonic() - began
            self._due[worker] = began + max(_REPORT_FRESH_S, cost / _REPORT_SHARE)
        return self._reports[worker]

    def close(self) -> None:
        """Give the files back."""
        self.turns.close()
