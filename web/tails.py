"""Live events for many viewers: who asks for the same filter shares one tail of the monitor."""

import threading
import weakref
from collections import deque
from itertools import islice
from typing import Any, Final

from web.encoding import encode
from web.monitor import Json, Monitor, Tail

ROWS: Final = 100
"""Rows of a frame: more than a person can read in a moment."""


class _Shared:
    """The newest rows of one filter, how many there have been, and the frames made of them in this tick."""

    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        self._tick: float | None = None
        self._texts: dict[int | None, str] = {}
        self._rows: deque[Json] = deque(maxlen=ROWS)
        self.matched = 0

    def advance(self, tick: float) -> None:
        """Take what is new, once a tick."""
        if tick == self._tick:
            return
        self._tick = tick
        self._texts.clear()
        news = self._tail.take(ROWS)
        self._rows.extend(news["items"])
        self.matched += len(news["items"]) + news["skipped"]

    def text(self, position: int | None) -> str:
        """The rows since `position` (None: the newest that are known) and how many were left out, as JSON."""
        if position not in self._texts:
            count = len(self._rows) if position is None else self.matched - position
            items = list(islice(self._rows, max(0, len(self._rows) - count), None))
            skipped = 0 if position is None else count - len(items)
            self._texts[position] = encode({"items": items, "skipped": skipped})
        return self._texts[position]


class Follower:
    """One viewer's place in the events of a filter."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared
        self._position: int | None = None

    def take(self, tick: float) -> str:
        """What came since the last call, as JSON; the first call answers the newest that are known."""
        self._shared.advance(tick)
        text = self._shared.text(self._position)
        self._position = self._shared.matched
        return text


class Tails:
    """The tails that someone follows."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._lock = threading.Lock()
        self._shared: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()

    def follow(self, q: str) -> Follower:
        """A new place in the events that match; ValueError when `q` can't be understood."""
        with self._lock:
            shared = self._shared.get(q)
            if shared is None:
                shared = self._shared[q] = _Shared(self._monitor.tail(q))
        return Follower(shared)
