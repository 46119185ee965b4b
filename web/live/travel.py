"""Views of the past: of one moment, or played from it on. Computed in a thread of their own: a moment takes a while."""

import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from core.bad_value import BadValueError
from web.api.parameters import (
    BEAT_S,
    PastWatch,
    WatchConnection,
    WatchConnections,
    WatchEvents,
    WatchMap,
    WatchOverview,
)
from web.live.encoding import encode
from web.live.frames import Last
from web.monitor_protocol import Json, Monitor

ROWS: Final = 100
LAG_S: Final = 3.0
"""A page asks for another view from the moment of its last frame; within so long that is where the others are."""
_NS: Final = 1_000_000_000


class PlayClock:
    """The moment that a viewer's views play: from `start` (ns) on by `speed` seconds a second; None: not at all."""

    def __init__(self, start: int, speed: float | None) -> None:
        self.speed = speed
        self._start = start
        self._latest = start
        self._began: float | None = None

    def at(self, now: float) -> int:
        """The moment (ns) at a time of the clock; it begins with the first one that asks."""
        self._began = now if self._began is None else self._began
        beats = int((now - self._began) / BEAT_S)
        self._latest = self._start + int(beats * BEAT_S * (self.speed or 0.0) * _NS)
        return self._latest

    def plays(self, start: int, speed: float) -> bool:
        """Whether it is what a view wants that begins there."""
        return self.speed == speed and 0 <= self._latest - start <= speed * LAG_S * _NS


class Travel:
    """Makes such views; `ready` is called when one has its next frame."""

    def __init__(self, monitor: Monitor, ready: Callable[[], None]) -> None:
        self._monitor = monitor
        self._ready = ready
        self._worker = ThreadPoolExecutor(1, "travel")
        self._reels: weakref.WeakValueDictionary[str, PlayClock] = weakref.WeakValueDictionary()

    def begin(self, asked: PastWatch, viewer: str = "") -> "Playback":
        """The view that a viewer asks for; of the last moment when it names none.

        ValueError for what can't be understood, or a moment that is not held.
        """
        start = self._monitor.latest() if asked.at is None else self._monitor.moment(asked.at)
        match asked:
            case WatchConnections():
                self._monitor.connections(asked.q, asked.sort, 1, 0)
            case WatchMap():
                self._monitor.map(asked.sort)
            case WatchEvents():
                self._monitor.tail(asked.q, asked.mark)
        reel = self._reel(viewer, start, asked.speed)
        return Playback(_Answers(self._monitor, asked), reel, self._monitor.latest, self._submit)

    def _reel(self, viewer: str, start: int, speed: float | None) -> PlayClock:
        """All views of a viewer that play have one, so that a page is of one moment."""
        known = self._reels.get(viewer)
        if known is not None and speed is not None and known.plays(start, speed):
            return known
        reel = self._reels[viewer] = PlayClock(start, speed)
        return reel

    def stop(self) -> None:
        """Compute nothing more."""
        self._worker.shutdown(cancel_futures=True)

    def _submit(self, compute: Callable[[], str]) -> Future[str]:
        future = self._worker.submit(compute)
        future.add_done_callback(lambda _: self._ready())
        return future


class Playback:
    """One view: `take` answers each frame once it is there."""

    def __init__(
        self,
        answer: Callable[[int], Json],
        reel: PlayClock,
        latest: Callable[[], int],
        submit: Callable[[Callable[[], str]], Future[str]],
    ) -> None:
        self._answer = answer
        self._reel = reel
        self._latest = latest
        self._submit = submit
        self._coming: Future[str] | None = None

    def take(self, now: float) -> str | None:
        """The next frame's data as JSON, None while it is not there; the last of the view is a Last."""
        if self._coming is None:
            # Weakly: a view that has been replaced or left is not computed any more.
            self._coming = self._submit(partial(_compute, weakref.ref(self), self._reel.at(now)))
        if not self._coming.done():
            return None
        coming, self._coming = self._coming, None
        return coming.result()

    def compute(self, moment: int) -> str:
        """The data of a frame: the view as it was at a moment (ns)."""
        end = self._latest()
        try:
            answer = self._answer(min(moment, end))
        except BadValueError as error:  # retention may have dropped it since it was asked for
            return Last(encode({"error": str(error), "end": True}))
        if self._reel.speed is None:
            return Last(encode(answer))
        text = encode({**answer, "end": moment >= end})
        return Last(text) if moment >= end else text


def _compute(view: "weakref.ref[Playback]", moment: int) -> str:
    wanted = view()
    return wanted.compute(moment) if wanted is not None else ""


class _Answers:
    """What a view shows at each moment; events are those since the moment before."""

    def __init__(self, monitor: Monitor, asked: PastWatch) -> None:
        self._monitor = monitor
        self._asked = asked
        self._before: int | None = None

    def __call__(self, at: int) -> dict[str, Any]:
        match self._asked:
            case WatchOverview():
                return self._monitor.overview(at)
            case WatchConnections(q=q, sort=sort, limit=limit, offset=offset):
                return self._monitor.connections(q, sort, limit, offset, at)
            case WatchMap(sort=sort):
                return self._monitor.map(sort, at)
            case WatchConnection(conn=conn):
                return self._monitor.connection(conn, at) or self._monitor.unknown(conn, at)
            case WatchEvents(q=q, mark=mark):
                before, self._before = self._before, at
                return self._monitor.events_until(q, before, at, ROWS, mark)
