"""From the rings to tables, series and sums, a whole run of records at a time, twenty times a second; nothing else."""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from core.log.format.dropped import Dropped
from core.log.format.files import JournalError
from core.ring.clock import STEP_NS, adopt, found_offset, wall_ns, wall_offset
from core.ring.records import Block, Records
from core.ring.ring import RingReader
from core.watch.moment import Moment
from core.watch.now.feed import WorkerFeed
from core.watch.now.rates import RateWindow
from core.watch.now.recent import Recent, RingView
from core.watch.now.series import Series
from core.watch.now.sums import Sums
from core.watch.now.tally import Folded, Rates, gauges, totals

_log: Final = logging.getLogger("echoscope.watch")
TICK: Final = 0.05
_SAMPLES_NS: Final = 200_000_000
"""How often rates and gauges are taken."""
_ROWS_A_FOLD: Final = 8192
_NEVER: Final = 2**63 - 1
NOT_TURNED: Final = "the echo loop has not turned"
_STALLED: Final = 3.0
_BETWEEN_CATCH_UPS: Final = 0.05
"""Seconds: a script that asks for events as fast as it can would make a batch of a few rows each time."""


Missing = Callable[[int, int, int, int], Iterable[Records]]
"""Of a worker, since a time (ns), the records behind a number up to another, in order."""


class Recording(Protocol):
    """What the watch asks of the recorder, which reads the same rings and writes the log."""

    @property
    def dropped(self) -> Dropped:
        """What retention has dropped."""

    @property
    def log_bytes(self) -> int:
        """Size of the log."""

    def flush(self) -> None:
        """Have the log brought up to what is published."""

    def trouble(self) -> str:
        """What is wrong with it; empty: nothing. Never waits."""

    def damage(self) -> Sequence[str]:
        """What is damaged in the log, a line each."""


class Unrecorded:
    """No recorder yet."""

    dropped = Dropped()
    log_bytes = 0

    def flush(self) -> None:
        """Nothing is written."""

    def trouble(self) -> str:
        """None."""
        return ""

    def damage(self) -> Sequence[str]:
        """None."""
        return ()


class Watch:
    """Owns the aggregates. `tick` may be called from any thread; `lock` is held while they change, never over I/O."""

    is_replay = False

    def __init__(self, missing: Missing = lambda *_: ()) -> None:
        """`missing` answers records that were overwritten before they were read, from the log."""
        self.recorder: Recording = Unrecorded()
        self.lock = threading.RLock()
        self.feeds: list[WorkerFeed] = []
        self.series = Series()
        self.recent = Recent(self._views)
        self.begun, self._begun_at = wall_ns(), time.monotonic_ns()
        self.failure = ""
        self._missing = missing
        self._window = RateWindow()
        self._sampled = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._reader: threading.Thread | None = None
        self._oldest: int | None = None
        self._caught_up = 0.0  # monotonic seconds
        self._sign = (0, 0, 0, 0, 0)
        self._moment: Moment | None = None
        self._tell: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Tick in a thread of its own until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Take in what is left; the moment that is then is answered from now on."""
        self._stop.set()
        for thread in (self._thread, self._reader):
            if thread is not None and thread.is_alive():
                thread.join()
        self.tick()
        with self.lock:
            self._moment = None
            self.moment()
            for feed in list(self.feeds):
                self.remove(feed)

    def attach(self, feed: WorkerFeed, ring: RingReader) -> None:
        """Read `ring` for `feed` from now on."""
        with self.lock:
            if feed not in self.feeds:
                self.feeds.append(feed)
            feed.ring = ring
            self._moment = None

    def remove(self, feed: WorkerFeed) -> None:
        """Read this one no more."""
        with self.lock:
            self.feeds.remove(feed)
            del feed.ring  # which is given back when nobody looks at it any more

    def begin(self) -> int:
        """Count from here: what was recovered of an earlier run stays in the log, not in the figures of this one.

        Answers the time (ns) before which nothing was recovered.
        """
        with self.lock:
            for feed in self.feeds:
                feed.begin()
            self._window.clear()
            self._moment = None
            self.begun, self._begun_at = wall_ns(), time.monotonic_ns()
            rings = [feed.ring for feed in self.feeds if feed.ring.head > feed.ring.begin]
            # What a kill left open was closed there.
            closes: list[int] = [ring.time_of(ring.begin + 1) + ring.wall_offset for ring in rings]
            return min(self.begun, self._oldest or self.begun, *closes)

    @property
    def rates(self) -> Rates:
        """Of the last second."""
        return self._window.rates

    @property
    def totals(self) -> Sums:
        """What happened since `begin`."""
        return totals(self.feeds)

    def fold(self, feed: WorkerFeed, records: Records) -> list[Folded]:
        """Fold `records` of a feed (in order; altered here) that are not read from its ring."""
        with self.lock:
            self._oldest = min(int(records["time"][0]), self._oldest or _NEVER)
            self._moment = None
            parts = list(feed.fold(records))
            for part in parts:
                for second, sums in part.seconds:
                    self.series.count(second, sums)
            return parts

    def tick(self) -> None:
        """Take in all that the loops have published."""
        has_news = False
        with self.lock:
            if not self.feeds:
                return  # not begun yet, or over
            for feed in self.feeds:
                beat = feed.ring.progress().beat
                head = feed.ring.head  # read after the beat: all that is older than the beat is before it
                while head > feed.taken and not feed.is_behind:
                    has_news = True
                    self._take(feed, min(head, feed.taken + _ROWS_A_FOLD))
                if not feed.is_behind:
                    feed.horizon = max(feed.horizon, beat + feed.ring.wall_offset)
            self._sample(has_news)
            self._moment = None
        if has_news:
            self._tell()

    def _take(self, feed: WorkerFeed, upto: int) -> None:
        block = feed.ring.block(feed.taken, upto)
        if block is None:
            return self._fall_behind(feed)
        steps = [] if block.holds_echoes_only() else block.steps().tolist()
        for begin, end in zip([0, *steps], [*steps, len(block)], strict=True):
            if begin in steps:
                self._follow(feed, block[begin : begin + 1])
            if end > begin:
                for second, sums in feed.take(block[begin:end]):
                    self.series.count(second, sums)
        return None

    def _follow(self, feed: WorkerFeed, step: Block) -> None:
        """The clock of a feed moves with that record."""
        if abs(found_offset() - wall_offset()) >= STEP_NS:
            adopt(found_offset())
            self.series.forget_after(wall_ns() // 1_000_000_000)
        feed.table.move(step.moved())
        feed.horizon = 0

    def _fall_behind(self, feed: WorkerFeed) -> None:
        """Records were overwritten before they were read: this process was stopped, say, and the recorder was not."""
        feed.is_behind = True
        self._reader = threading.Thread(target=self._read_missing, args=(feed,), name="behind", daemon=True)
        self._reader.start()

    def _read_missing(self, feed: WorkerFeed) -> None:
        """Take what the ring has no more from the log, as far as that has it."""
        try:
            self.recorder.flush()
            upto, after = feed.ring.written, feed.taken
            for records in self._missing(feed.table.worker, feed.horizon, after, upto):
                with self.lock:
                    feed.skipped += int(records["seq"][0]) - feed.taken - 1
                    self.fold(feed, records)
        except (OSError, JournalError) as error:
            _log.warning("what was recorded while nobody watched can't be read: %s", error)
        finally:
            with self.lock:
                last = max(feed.taken, feed.ring.head - feed.ring.capacity // 4 * 3)
                feed.skipped += last - feed.taken
                feed.taken = last
                feed.ring.wall_offset = feed.ring.offset_after(last)
                feed.is_behind = False

    def catch_up(self) -> None:
        """Bring the log up to everything that the loops have published.

        Whoever comes soon after another waits for a moment, and shares a batch with those that come meanwhile.
        """
        self.tick()
        if self._unwritten():
            early = self._caught_up + _BETWEEN_CATCH_UPS - time.monotonic()
            if early > 0:
                time.sleep(early)
            self.recorder.flush()
            self._caught_up = time.monotonic()

    def _unwritten(self) -> list[int]:
        """When (monotonic ns) the oldest record was made that the log has not got, of each ring that has any."""
        with self.lock:
            rings = [feed.ring for feed in self.feeds]
            return [ring.time_of(ring.written + 1) for ring in rings if ring.head > ring.written]

    def moment(self) -> Moment:
        """The present: made when it is first asked for after a tick, and shared by all who ask until the next."""
        with self.lock:
            if self._moment is None:
                now = wall_ns()
                self._moment = Moment(
                    now,
                    (time.monotonic_ns() - self._begun_at) / 1e9,
                    {},
                    [feed.as_of_now() for feed in self.feeds],
                    self.rates,
                    self.recent.history,
                    self._columns,
                    round(self.log_lag() * 1000, 1),
                    self.recorder.log_bytes,
                    is_live=True,
                )
            return self._moment

    def _columns(self, range_s: int) -> dict[str, Any]:
        with self.lock:
            return self.series.columns(range_s, wall_ns() // 1_000_000_000)

    def _views(self) -> list[RingView]:
        with self.lock:
            return [
                RingView(feed.table.worker, feed.ring, feed.taken, feed.ring.wall_offset, *feed.table.names())
                for feed in self.feeds
            ]

    def latest(self) -> int:
        """Now (wall clock, ns)."""
        return wall_ns()

    def written(self, upto: int) -> int:
        """Bring the log up to `upto` (ns) if need be; up to when it has everything."""
        if self._whole() < upto:
            self.catch_up()
        return self._whole()

    def _whole(self) -> int:
        with self.lock:
            horizon = min((feed.horizon for feed in self.feeds), default=0)
            # Another worker's may be older than the one that came first.
            return min(horizon, min((at + wall_offset() - 1 for at in self._unwritten()), default=horizon))

    def sign(self) -> Hashable:
        """Something else whenever a connection came, went, was refused, blocked or freed, or an event was lost."""
        return self._sign

    def on_news(self, tell: Callable[[], None]) -> None:
        """Call `tell` whenever events were taken in, from any thread; it must not take long."""
        self._tell = tell

    def trouble(self) -> str:
        """What is wrong with the watch, the loops or the recording; empty: nothing. Asks no lock."""
        age = max(self.beat_ages().values(), default=0.0)
        stalled = f"{NOT_TURNED} for {age:.1f} s" if age > _STALLED else ""
        return self.failure or self.recorder.trouble() or stalled

    def dropped(self) -> Dropped:
        """What retention has dropped."""
        return self.recorder.dropped

    def damage(self) -> str:
        """What is damaged in the log; the server is well, and has told it once."""
        lines = self.recorder.damage()
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        return f"{lines[0]}{more}" if lines else ""

    def skipped(self) -> int:
        """Events that are in no figure, since they were overwritten before they were read, and are not in the log."""
        return sum(feed.skipped for feed in list(self.feeds))

    def log_lag(self) -> float:
        """Age of the oldest event that the log has not got yet, in seconds."""
        oldest = min(self._unwritten(), default=None)
        return 0.0 if oldest is None else max(0.0, (time.monotonic_ns() - oldest) / 1e9)

    def beat_ages(self) -> dict[int, float]:
        """Seconds since each worker's loop turned."""
        now, ages = time.monotonic_ns(), {}
        for feed in list(self.feeds):
            with suppress(AttributeError):  # it has just been removed
                ages[feed.table.worker] = (now - feed.ring.progress().beat) / 1e9
        return ages

    def _run(self) -> None:
        try:
            while not self._stop.wait(TICK):
                self.tick()
        except Exception as error:
            self.failure = f"the monitor stopped: {type(error).__name__}: {error}"
            raise

    def _sample(self, has_news: bool) -> None:
        """Rates over the last second, and the gauges of the running one."""
        now = time.monotonic_ns()
        is_due = now - self._sampled >= _SAMPLES_NS
        if not has_news and not is_due:
            return
        totals, gauged = self.totals, gauges(self.feeds)
        self._sign = (totals.accepted, totals.closed, totals.refused, totals.lost, gauged["blocked"])
        if not is_due:
            return
        self._sampled = now
        self._window.sample(totals, self.feeds)
        self.series.gauge(
            wall_ns() // 1_000_000_000,
            {
                "open": gauged["open"],
                "blocked": gauged["blocked"],
                "queue_bytes": gauged["bytes"],
                "loop_busy": self.rates.loop_busy or 0.0,
            },
        )
