"""The present of a server that is gone: the end of its log."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from core.faults.fault_order import FaultOrder
from core.log.format.dropped import Dropped
from core.watch.moment import Moment
from core.watch.now.recent import Recent
from core.watch.then.past import Past


class LogEnd:
    """The end of a log as a Source. May be used from any thread."""

    is_replay = True

    def __init__(self, past: Past) -> None:
        self.recent = Recent()
        self._past = past
        self._lock = threading.Lock()
        self._last: Moment | None = None

    def moment(self) -> Moment:
        """The state after the last event."""
        with self._lock:
            latest = self.latest()
            if self._last is None or self._last.now != latest:
                self._last = self._past.moment(latest)
            return self._last

    def catch_up(self) -> None:
        """There is no one who could write."""

    def written(self, upto: int) -> int:
        """The log is what it is."""
        return upto

    def latest(self) -> int:
        """The time of the last event (ns)."""
        return self._past.span()[1]

    def sign(self) -> int:
        """Nothing happens any more."""
        return 0

    def on_news(self, tell: Callable[[], None]) -> None:
        """There is no news."""

    def trouble(self) -> str:
        """None."""
        return ""

    def dropped(self) -> Dropped:
        """What retention had dropped."""
        return self._past.log.dropped()

    def skipped(self) -> int:
        """None."""
        return 0

    def damage(self) -> str:
        """What the log says of itself is all there is."""
        return ""

    def beat_ages(self) -> dict[int, float]:
        """No loop turns."""
        return {}


class NoEngine:
    """What the monitor asks of a server where there is none."""

    def __init__(self, model: str) -> None:
        self._model = model

    def failure(self) -> str:
        """None."""
        return ""

    def close_connection(self, conn: int, worker: int, how: str) -> None:
        """Nothing is open."""

    def sample(self, worker: int, conns: list[int], timeout: float) -> Mapping[int, Mapping[str, Any]]:
        """No kernel knows these connections."""
        return {}

    def switch(self, model: str) -> str:
        """Why it can't be."""
        return "this is a replay of a log: there is no server"

    def begin_fault(self, order: FaultOrder) -> str:
        """Why it can't be."""
        return "this is a replay of a log: there is no server"

    def touch(self, number: int, conns: Mapping[int, list[int]]) -> int:
        """Nothing is open."""
        return 0

    def note_order(self, code: int, number: int, conn: int, worker: int) -> None:
        """A log that is only read tells of no orders."""

    def end_fault(self, number: int) -> None:
        """None has begun."""

    def model(self) -> str:
        """The one that was in use."""
        return self._model

    def report(self, worker: int) -> Mapping[str, Any] | None:
        """No worker answers."""
        return None

    def accept_queue(self) -> tuple[int, int] | None:
        """No one listens."""
        return None
