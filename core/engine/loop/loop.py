"""The event loop: registrations, timers, dispatch. What a visit does is its callback's business."""

import contextlib
import heapq
import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from core.engine.loop.registrations import Registrations, compare
from core.engine.pollers.poller import READ, Poller

Visit = Callable[[int], None]
"""What is called with the mask when a descriptor is ready."""

Ready = list[tuple[int, int]]
"""Descriptors with their masks, as a wait answers."""

Turn = tuple[int, int, int, int, int, int]
"""Number of the turn (0: none yet); when its wait began, when that ended, when all visits were made (monotonic ns);
descriptors ready, and descriptors that were looked at to know them."""

_MAX_WAIT: Final = 3600.0
_NEVER: Final = 1 << 63
_LONGEST_TURN_NS: Final = 10_000_000
_SLICE: Final = 64
"""Visits between two looks at how long the turn takes."""


class Timer:
    """A callback at a time, until it is cancelled."""

    __slots__ = ("callback", "due")

    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due = due
        self.callback: Callable[[], None] | None = callback


class Loop:
    """Waits for readiness and calls the visits, until `stop`.

    `visits` is the live table, descriptor to visit: whoever owns a registration may exchange the visit in it, which
    costs the loop nothing. Only `call_soon` and `registrations` may be used from other threads.

    Hooks, to be set before `run`: `before_wait(waited, turn)` and `after_wait()` are called once a turn, `waited` being
    the total of ns spent waiting. `measured(ready, visits)` makes the visits of some turns in the loop's place; it
    answers when it wants to make a turn's again, monotonic ns.
    """

    def __init__(self, poller: Poller) -> None:
        """Raises ValueError when the poller can't watch what the loop is woken by."""
        self.before_wait: Callable[[int, Turn], None] = lambda waited, turn: None
        self.after_wait: Callable[[], None] = lambda: None
        self.measured: Callable[[Ready, dict[int, Visit]], int] | None = None
        self.visits: dict[int, Visit] = {}
        self._poller = poller
        self._masks: dict[int, int] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._cancelled = 0
        self._timer_order = itertools.count()
        self._soon: deque[Callable[[], None]] = deque()
        self._running = False
        self._waking = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            self.add(self._wake, READ, self._woken)
        except ValueError:
            self.close()
            raise

    @property
    def poller(self) -> Poller:
        """The backend in use."""
        return self._poller

    def add(self, fd: int, mask: int, visit: Visit) -> None:
        """Watch `fd`. Raises what the poller's `register` raises."""
        self._poller.register(fd, mask)
        self.visits[fd] = visit
        self._masks[fd] = mask

    def change(self, fd: int, mask: int) -> None:
        """Watch `fd` for something else."""
        self._poller.modify(fd, mask)
        self._masks[fd] = mask

    def again(self, fd: int) -> None:
        """Visit `fd` in the next turn too if it is still ready: this visit did not use up all that was there."""
        self._poller.rearm(fd, self._masks[fd])

    def remove(self, fd: int) -> None:
        """Forget `fd`, which must still be open."""
        del self.visits[fd], self._masks[fd]
        self._poller.unregister(fd)

    def exchange(self, poller: Poller) -> None:
        """Go on with another backend, every registration kept; the old one is closed.

        Raises ValueError, and changes nothing, when the new one can't watch a descriptor.
        """
        try:
            for fd, mask in self._masks.items():
                poller.register(fd, mask)
        except BaseException:
            poller.close()
            raise
        self._poller, old = poller, self._poller
        old.close()

    def registrations(self) -> Registrations | None:
        """What is believed to be watched, and what the kernel watches; None for a poller that keeps no table there."""
        poller = self._poller
        fd = poller.kernel_table()
        found = None if fd is None else compare(fd, self._masks)
        # Of one that was exchanged meanwhile the descriptor may be another file's.
        return found if self._poller is poller else None

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call back in `delay` seconds."""
        timer = Timer(time.monotonic() + delay, callback)
        heapq.heappush(self._timers, (timer.due, next(self._timer_order), timer))
        return timer

    def cancel(self, timer: Timer) -> None:
        """Never call back; harmless when it already did."""
        if timer.callback is None:
            return
        timer.callback = None
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self._timers):
            self._timers = [entry for entry in self._timers if entry[2].callback is not None]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call back in the loop's thread, in the next turn; from any thread. After `close`, nothing happens."""
        # Between the two steps a loop that turns anyway may obey, end and be closed, and the number be another file's.
        with self._waking:
            if self._wake >= 0:
                self._soon.append(callback)
                os.eventfd_write(self._wake, 1)

    def stop(self) -> None:
        """End `run` after this turn."""
        self._running = False

    def run(self) -> None:
        """Turn until stopped. What a visit raises ends the loop."""
        self._running = True
        visits, masks, clock = self.visits, self._masks, time.monotonic_ns
        before_wait, after_wait, measured = self.before_wait, self.after_wait, self.measured
        turns = waited = began = woken = scanned = 0
        measure_at = 0 if measured else _NEVER
        ready: Ready = []
        rest: Ready = []
        while self._running:
            timeout = self._run_timers()
            before_wait(waited, (turns, began, woken, clock(), len(ready), scanned))
            began = clock()
            scans = self._poller.scans and not rest
            ready, rest = rest or self._poller.wait(timeout), []
            woken = clock()
            scanned = len(masks) if scans else len(ready)
            waited += woken - began
            turns += 1
            after_wait()
            if woken >= measure_at and measured:
                ready, rest = ready[:_SLICE], ready[_SLICE:]
                measure_at = measured(ready, visits)
                continue
            if len(ready) > _SLICE:
                ready, rest = self._visit_most(ready, woken)
                continue
            for fd, mask in ready:
                # An earlier visit of this turn may have closed it.
                visit = visits.get(fd)
                if visit is not None:
                    visit(mask)
        before_wait(waited, (turns, began, woken, clock(), len(ready), scanned))

    def _visit_most(self, ready: Ready, woken: int) -> tuple[Ready, Ready]:
        """Make visits while the turn is not too long: those made, and those left for the next one.

        Timers, orders and whoever reads the record would wait for a thousand visits that move much data each.
        """
        find, clock = self.visits.get, time.monotonic_ns
        for at in range(0, len(ready), _SLICE):
            if clock() - woken > _LONGEST_TURN_NS:
                return ready[:at], ready[at:]
            for fd, mask in ready[at : at + _SLICE]:
                visit = find(fd)
                if visit is not None:
                    visit(mask)
        return ready, []

    def _run_timers(self) -> float:
        """Call what is due; seconds that may be waited now."""
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if timer.callback is None:
                self._cancelled -= 1
                continue
            callback, timer.callback = timer.callback, None
            callback()
        if not self._running:
            return 0.0
        return min(max(self._timers[0][0] - now, 0.0), _MAX_WAIT) if self._timers else _MAX_WAIT

    def _woken(self, mask: int) -> None:
        with contextlib.suppress(BlockingIOError):  # a backend that asks nobody calls always
            os.eventfd_read(self._wake)
        for _ in range(len(self._soon)):
            self._soon.popleft()()

    def close(self) -> None:
        """Give the descriptors back; the visits' own are their owners' business."""
        self._poller.close()
        with self._waking:
            os.close(self._wake)
            self._wake = -1
