"""Live events for many viewers: who asks for the same filter shares one tail of the monitor."""

import threading
import weakref
from collections import deque
from itertools import islice
from typing import Any, Final, NamedTuple

from web.live.encoding import encode
from web.monitor_protocol import Json, Monitor, Tail

ROWS: Final = 100
"""Rows of a frame: more than a person can read in a moment."""
QUIET_S: Final = 0.45
"""How long nothing is said when nothing comes: then every second time that a frame is due."""


class _Place(NamedTuple):
    """How many rows of a filter there have been, and how many of them were marked."""

    matched: int = 0
    marked: int = 0


class _Shared:
    """The newest rows of one filter and mark, how many there have been, and the frames made of them in this tick."""

    def __init__(self, tail: Tail, *, has_mark: bool) -> None:
        self._tail = tail
        self._has_mark = has_mark
        self._tick: float | None = None
        self._texts: dict[_Place | None, str] = {}
        self._rows: deque[tuple[Json, bool]] = deque(maxlen=ROWS)
        self.place = _Place()

    def advance(self, tick: float) -> None:
        """Take what is new, once a tick."""
        if tick == self._tick:
            return
        self._tick = tick
        self._texts.clear()
        news = self._tail.take(ROWS)
        marks = set(news.get("marks", ()))
        self._rows.extend((row, place in marks) for place, row in enumerate(news["items"]))
        matched, marked = self.place
        self.place = _Place(
            matched + len(news["items"]) + news["skipped"], marked + len(marks) + news.get("skipped_marks", 0)
        )

    def text(self, since: _Place | None) -> str:
        """The rows since `since` (None: the newest that are known) and how many were left out, as JSON."""
        if since not in self._texts:
            count = len(self._rows) if since is None else self.place.matched - since.matched
            rows = list(islice(self._rows, max(0, len(self._rows) - count), None))
            answer: Json = {"items": [row for row, _ in rows], "skipped": 0 if since is None else count - len(rows)}
            if self._has_mark:
                marks = [place for place, (_, is_marked) in enumerate(rows) if is_marked]
                skipped = 0 if since is None else self.place.marked - since.marked - len(marks)
                answer |= {"marks": marks, "skipped_marks": skipped}
            self._texts[since] = encode(answer)
        return self._texts[since]


class Follower:
    """One viewer's place in the events of a filter."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared
        self._position: _Place | None = None
        self._said = float("-inf")

    def take(self, tick: float) -> str | None:
        """What came since the last call, as JSON; the first call answers the newest that are known.

        None: nothing came, and the last answer is not long ago.
        """
        self._shared.advance(tick)
        if self._position == self._shared.place and tick - self._said < QUIET_S:
            return None
        self._said = tick
        text = self._shared.text(self._position)
        self._position = self._shared.place
        return text


class Tails:
    """The tails that someone follows."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._lock = threading.Lock()
        self._shared: weakref.WeakValueDictionary[tuple[str, str], Any] = weakref.WeakValueDictionary()

    def follow(self, q: str, mark: str = "") -> Follower:
        """A new place in the events that match `q`, which tells those that match `mark` (empty: none) from the others.

        ValueError when one of them can't be understood.
        """
        with self._lock:
            shared = self._shared.get((q, mark))
            if shared is None:
                tail = self._monitor.tail(q, mark)
                shared = self._shared[q, mark] = _Shared(tail, has_mark=bool(mark.strip()))
        return Follower(shared)
