"""Who watches what, and which frame is due to whom. No sockets and no clock of its own.

A frame's acknowledgement is the credit for the next frame of that view, so a viewer never has more than one frame
of a view under way, and what it gets then is the newest state. Equal requests share one computed and encoded
answer in a tick.

Frames come at the steady pace of their view. When something happens of which a view can tell cheaply that it shows it
(its sign is another one, or it has a source of its own), the next frame comes at once, or QUICK_S after the last that
came before its time.
Between such news and the steady frames nothing is looked at.
"""

import logging
import threading
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from math import ceil
from typing import Any, Final

from web.api.parameters import Watch
from web.live.encoding import encode

TICK_S: Final = 0.25
LONGEST_PAUSE_S: Final = 1.0
"""Between two ticks while someone watches: whoever is silent has to be noticed."""
QUICK_S: Final = 0.1
LARGE: Final = 8000
"""Characters of a frame after which the next one keeps the steady pace: there is much to read."""
SILENCE_S: Final = 30.0
MOST_FRAMES_S: Final = 60.0
"""Frames a second to all viewers together; with more views than this allows, everyone gets them less often."""
BUSY_SHARE: Final = 0.05
"""Of one core, for computing frames: when they cost more, everyone gets them less often."""
log = logging.getLogger("echoscope.live")


class Frame:
    """One frame on its way; `text` is its JSON."""

    __slots__ = ("text",)

    def __init__(self, view: str, n: int, time: str, data: str, id: int | None = None) -> None:
        named = "" if id is None else f'"id":{id},'
        self.text = f'{{"view":"{view}","n":{n},{named}"time":"{time}","data":{data}}}'


class Last(str):
    """The data of a view's last frame."""

    __slots__ = ()


Take = Callable[[float], str | None]
"""What gives a view its data when they are not the same for all who ask: the time of the tick -> JSON text.

None: nothing yet. After a Last there is no more.
"""


@dataclass(slots=True)
class _View:
    request: Watch
    take: Take | None
    n: int = 0
    due: float = 0.0
    soonest: float = 0.0
    sign: Hashable = None
    has_news: bool = False
    unacknowledged: bool = False
    ended: bool = False
    id: int | None = None
    """What the viewer calls this watch: its frames say so, and so can't be taken for another's."""

    def next_at(self) -> float:
        """When it is to be looked at."""
        return min(self.due, self.soonest) if self.has_news else self.due


@dataclass(slots=True)
class _Viewer:
    views: dict[str, _View] = field(default_factory=dict)
    silent_since: float | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """Where frames come from: the data of a view, and a sign that is another one when something happened in it."""

    compute: Callable[[Watch], Any]
    sign: Callable[[Watch], Hashable]


@dataclass(frozen=True, slots=True)
class Outlets:
    """What the hub does to the world.

    Put one frame on its way (with whom to tell of its arrival), cut a viewer, ask for a tick before its time.
    """

    send: Callable[[str, Frame, Callable[[], None]], None]
    cut: Callable[[str], None]
    wake: Callable[[], None]


class Hub:
    """All viewers. `tick` is called by one thread; the other methods by any."""

    def __init__(
        self,
        sources: Sources,
        outlets: Outlets,
        clock: Callable[[], float],
        cpu_clock: Callable[[], float],
    ) -> None:
        self._sources = sources
        self._outlets = outlets
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._lock = threading.Lock()
        self._viewers: dict[str, _Viewer] = {}
        self._stretch = 1
        self._spent = 0.0
        self._spent_since = float("-inf")

    def __len__(self) -> int:
        return len(self._viewers)

    def add(self, sid: str, most: int) -> bool:
        """Take a viewer in, unless there are `most` already."""
        with self._lock:
            if len(self._viewers) >= most:
                return False
            self._viewers[sid] = _Viewer()
            return True

    def remove(self, sid: str) -> None:
        """Forget a viewer that has gone."""
        with self._lock:
            self._viewers.pop(sid, None)

    def sids(self) -> list[str]:
        """Who is there."""
        with self._lock:
            return list(self._viewers)

    def watch(self, sid: str, request: Watch, take: Take | None = None, id: int | None = None) -> None:
        """Begin a view, or replace it; `take` gives its data when they depend on what it has had, frames carry `id`."""
        with self._lock:
            viewer = self._viewers.get(sid)
            if viewer is None:
                return
            old = viewer.views.get(request.view, _View(request, take))
            viewer.views[request.view] = _View(request, take, n=old.n, unacknowledged=old.unacknowledged, id=id)

    def unwatch(self, sid: str, name: str) -> None:
        """End a view. Its count goes on if it is watched again."""
        with self._lock:
            viewer = self._viewers.get(sid)
            if viewer is not None and name in viewer.views:
                viewer.views[name].ended = True

    def acknowledge(self, sid: str, name: str, n: int) -> None:
        """Frame `n` of a view has arrived: the credit for the next one."""
        with self._lock:
            viewer = self._viewers.get(sid)
            if viewer is None or viewer.views[name].n != n:
                return
            view = viewer.views[name]
            view.unacknowledged = False
            waiting = any(view.unacknowledged for view in viewer.views.values())
            now = self._clock()
            viewer.silent_since = now if waiting else None
        if view.next_at() <= now:
            self._outlets.wake()

    def news(self) -> None:
        """Something happened: who shows it gets a frame before its time."""
        signs: dict[Watch, Hashable] = {}
        with self._lock:
            views = [view for viewer in self._viewers.values() for view in viewer.views.values()]
            told = [view for view in views if not view.has_news and self._shows_news(view, signs)]
            for view in told:
                view.has_news = True
        if told:
            self._outlets.wake()

    def _shows_news(self, view: _View, signs: dict[Watch, Hashable]) -> bool:
        """Whether there may be another frame of it; a source of its own is asked later, and may have nothing."""
        if view.ended or view.take is not None:
            return not view.ended
        if not view.request.quick:
            return False
        if view.request not in signs:
            signs[view.request] = self._sources.sign(view.request)
        return signs[view.request] != view.sign

    def tick(self) -> float | None:
        """Send what is due, cut who is silent; seconds until the next call is needed, None while no one watches."""
        now, cpu = self._clock(), self._cpu_clock()
        for sid in self._silent(now):
            self._outlets.cut(sid)
        shared: dict[Watch, str] = {}
        for sid, view in self._due(now):
            try:
                self._publish(sid, view, now, shared)
            except Exception:
                log.exception("no frame of %r", view.request)
                view.due = view.soonest = now + SILENCE_S
        self._pace(now, self._cpu_clock() - cpu)
        return self._pause()

    def _pause(self) -> float | None:
        """Until the first that is to be looked at; an acknowledgement that is late asks for a tick itself."""
        with self._lock:
            views = [view for viewer in self._viewers.values() for view in viewer.views.values()]
            now = self._clock()
            times = [view.next_at() for view in views if not view.ended]
            first = min((time for time in times if time > now), default=now + LONGEST_PAUSE_S)
            is_late = any(not view.unacknowledged and not view.ended and view.next_at() <= now for view in views)
        if not views:
            return None
        return 0.0 if is_late else min(first - now, LONGEST_PAUSE_S)

    def _pace(self, now: float, cpu: float) -> None:
        """Make everyone's frames as rare as what they cost asks for."""
        self._spent += cpu
        if now - self._spent_since < TICK_S:
            return
        busy = self._spent / (BUSY_SHARE * min(now - self._spent_since, LONGEST_PAUSE_S))
        self._stretch = max(1, ceil(busy), ceil(self._wanted() / MOST_FRAMES_S))
        self._spent, self._spent_since = 0.0, now

    def _wanted(self) -> float:
        """Frames a second that all views together would have at their own pace."""
        with self._lock:
            views = (view for viewer in self._viewers.values() for view in viewer.views.values() if not view.ended)
            return sum(1 / view.request.pace for view in views)

    def _silent(self, now: float) -> list[str]:
        with self._lock:
            return [
                sid
                for sid, viewer in self._viewers.items()
                if viewer.silent_since is not None and now - viewer.silent_since >= SILENCE_S
            ]

    def _due(self, now: float) -> Iterable[tuple[str, _View]]:
        with self._lock:
            return [
                (sid, view)
                for sid, viewer in self._viewers.items()
                for view in viewer.views.values()
                if not view.ended and not view.unacknowledged and view.next_at() <= now
            ]

    def _publish(self, sid: str, view: _View, now: float, shared: dict[Watch, str]) -> None:
        request = view.request
        # Before the data are made: what happens meanwhile is news still.
        view.has_news = False
        view.sign = self._sources.sign(request) if view.take is None else None
        if view.take is not None:
            taken = view.take(now)
            if taken is None:
                view.due = self._next_due(view, now)
                return
            data = taken
        elif request in shared:
            data = shared[request]
        else:
            data = shared[request] = encode(self._sources.compute(request))
        with self._lock:
            viewer = self._viewers.get(sid)
            # Replaced or ended while its data were computed: they would answer a question no longer asked.
            if viewer is None or viewer.views[request.view] is not view or view.ended:
                return
            view.n += 1
            view.ended = isinstance(data, Last)
            view.unacknowledged = True
            self._schedule(view, now, len(data))
            if viewer.silent_since is None:
                viewer.silent_since = now
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        frame = Frame(request.view, view.n, time, data, view.id)
        self._outlets.send(sid, frame, partial(self.acknowledge, sid, request.view, view.n))

    def _schedule(self, view: _View, now: float, size: int) -> None:
        """When the next frame of a view is due, and when it may come at the soonest; the lock is held."""
        was_early = view.due > now
        view.due = self._next_due(view, now)
        views = sum(len(viewer.views) for viewer in self._viewers.values())
        gap = views / MOST_FRAMES_S
        if was_early:
            gap = max(QUICK_S * self._stretch, gap)
        is_quick = view.request.quick and size < LARGE
        view.soonest = now + gap if is_quick else view.due

    def _next_due(self, view: _View, now: float) -> float:
        """The next moment of its steady pace."""
        period = view.request.pace * self._stretch
        return (now // period + 1) * period
