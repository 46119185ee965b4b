"""From the rings to table, series, memory and log: a whole array of records at a time, twenty times a second."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from core.log.format.dropped import Dropped
from core.log.format.rows import joined, to_batch
from core.log.write.journal import Journal
from core.log.write.seal_thread import Rewriter, Sealer
from core.ring.clock import STEP_NS, adopt, found_offset, wall_ns, wall_offset
from core.ring.events import Kind, Reason
from core.ring.records import Records
from core.ring.ring import RingReader
from core.watch.moment import Moment
from core.watch.now.recent import Recent
from core.watch.now.series import Series
from core.watch.now.sums import Sums
from core.watch.now.table import Table
from core.watch.now.tally import Rates, Tally, gauges, totals

TICK: Final = 0.05
_RATE_WINDOW_NS: Final = 1_000_000_000
_ROWS_A_WRITE: Final = 5000  # a batch has a fixed cost, on disk and to read; the ring keeps what is not written yet
_NEVER: Final = 2**63 - 1
NOT_TURNED: Final = "the echo loop has not turned"
_STALLED: Final = 3.0
_BETWEEN_CATCH_UPS: Final = 0.05
"""Seconds: a script that asks for events as fast as it can would make a batch of a few rows each time."""
_HUNG: Final = 1.5
SEAL_S: Final = 10.0
"""Seconds that sealing the log may take when the server stops."""
_LONGEST_UNWRITTEN: Final = 0.5
_LONGEST_WAIT_NS: Final = 1_200_000_000


def _several(lines: Sequence[str]) -> str:
    """The first of some lines, and how many more there are."""
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    return f"{lines[0]}{more}" if lines else ""


@dataclass(frozen=True)
class _Sample:
    """What rates are made of: monotonic ns, sums, ns that the loops waited."""

    at: int
    echoes: int
    bytes_in: int
    bytes_out: int
    waited: int


class WorkerFeed(Tally):
    """A worker's ring and what is folded from it."""

    def __init__(self, table: Table, taken: int) -> None:
        super().__init__(table, taken)
        self.ring: RingReader
        self._copy: Tally | None = None
        self._waited_before = self._waited_last = 0

    def as_of_now(self) -> Tally:
        """A copy that does not change any more; the same one until something is folded."""
        if self._copy is None or self._copy.taken != self.taken:
            self._copy = self.copy()
        return self._copy

    def begin(self) -> None:
        """Count from here."""
        super().begin()
        self._copy = None

    def waited(self, now: int) -> int:
        """Ns that the worker has waited until `now`, also before it was replaced or stopped and its count fell."""
        progress = self.ring.progress()
        if progress.waited < self._waited_last:
            self._waited_before += self._waited_last
        self._waited_last = progress.waited
        # The wait that is going on is not counted yet; a turn at the least every second ends it.
        going_on = min(max(0, now - progress.beat), _LONGEST_WAIT_NS)
        return self._waited_before + progress.waited + going_on


class Pump:
    """Owns the aggregates. `tick` may be called from any thread; `lock` is held while they change.

    A record is given back to its ring once the log has it. While the log can't be written, the ring fills and the
    loop counts what it loses; nothing waits, and recording goes on by itself when the log can be written again.
    """

    is_replay = False

    def __init__(self, journal: Journal, rewriter: Rewriter | None = None, sync_s: float = 0.0) -> None:
        """`sync_s`: every so many seconds the disk is asked to keep the log, and only then are records given back.

        0: it is never asked.
        """
        self.journal = journal
        self.sync_s = sync_s
        self._unsynced: dict[WorkerFeed, int] = {}
        self._sync_error = ""
        self.sealer = Sealer(journal, rewriter)
        self.lock = threading.RLock()
        self.feeds: list[WorkerFeed] = []
        self.series = Series()
        self.recent = Recent()
        self.begun, self._begun_at = wall_ns(), time.monotonic_ns()
        self.rates = Rates()
        self.log_error = ""
        self._writing_since: float | None = None
        self._unwritten_rows = 0
        self._unwritten: deque[tuple[WorkerFeed, pa.RecordBatch, int]] = deque()
        self._samples: deque[_Sample] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
        self._syncer = threading.Thread(target=self._sync_on, name="syncer", daemon=True)
        self.failure = ""
        self._oldest: int | None = None
        self._caught_up = 0.0  # monotonic seconds
        self._sign = (0, 0, 0, 0, 0)
        self._moment: Moment | None = None
        self._tell: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Tick in a thread of its own until `stop`, and seal the log in another."""
        self._thread.start()
        self.sealer.start()
        if self.sync_s:
            self._syncer.start()

    def stop(self) -> None:
        """Take in what is left, end the log and seal it; what takes too long is left to the next start."""
        self._stop.set()
        self.sealer.stop()
        for thread in (self._thread, self._syncer):
            if thread.is_alive():
                thread.join()
        self.catch_up()
        if self.sync_s:
            self.sync()
        with self.lock:
            try:
                self.journal.close()
            except OSError as error:  # without its end mark a segment is as good; what it lacks is still in the rings
                self._blame(error)
            self._moment = None
            self.moment()  # the last one, which is answered from now on
            for feed in self.feeds:
                feed.ring.close()
            self.feeds.clear()
        self.sealer.finish(SEAL_S)

    def attach(self, feed: WorkerFeed, ring: RingReader) -> None:
        """Read `ring` for `feed` from now on."""
        with self.lock:
            if feed in self.feeds:
                feed.ring.close()
            else:
                self.feeds.append(feed)
            feed.ring = ring
            self._moment = None

    def remove(self, feed: WorkerFeed) -> None:
        """Read this one no more."""
        with self.lock:
            self.feeds.remove(feed)
            feed.ring.close()
            self._moment = None

    def begin(self) -> int:
        """Count from here: what was recovered of an earlier run stays in the log, not in the figures of this one.

        Answers the time (ns) before which nothing was recovered.
        """
        with self.lock:
            for feed in self.feeds:
                feed.begin()
            self._samples.clear()
            self._moment = None
            self.begun, self._begun_at = wall_ns(), time.monotonic_ns()
            return min(self.begun, self._oldest or self.begun)

    @property
    def totals(self) -> Sums:
        """What happened since `begin`."""
        return totals(self.feeds)

    def ingest(self, feed: WorkerFeed, records: Records) -> None:
        """Fold `records` of a feed (in order; altered here) and put them up for the log."""
        with self.lock:
            self._oldest = min(int(records["time"][0]), self._oldest or _NEVER)
            self._moment = None
            for part in feed.fold(records):
                for second, sums in part.seconds:
                    self.series.count(second, sums)
                batch = to_batch(part.records, feed.table.worker, part.places, part.peers)
                self.recent.append(batch)
                self._unwritten.append((feed, batch, int(part.records["seq"][-1])))
                self._unwritten_rows += batch.num_rows

    def tick(self) -> None:
        """Take in all that the loops have published."""
        has_news = False
        with self.lock:
            if not self.feeds:
                return  # not begun yet, or over
            for feed in self.feeds:
                beat = feed.ring.progress().beat
                head = feed.ring.progress().head  # read after the beat: all that is older than the beat is before it
                if head > feed.taken:
                    offset = feed.ring.wall_offset
                    records = feed.ring.take(feed.taken, head)
                    step = feed.ring.wall_offset - offset
                    if step:
                        self._follow(feed, step, records)
                    else:
                        self.ingest(feed, records)
                    has_news = True
                feed.horizon = max(feed.horizon, beat + feed.ring.wall_offset)
            if self._unwritten_rows >= _ROWS_A_WRITE or self.log_lag() >= _LONGEST_UNWRITTEN:
                self.flush()
            self._sample()
            self._moment = None
        if has_news:
            self._tell()

    def _follow(self, feed: WorkerFeed, step: int, records: Records) -> None:
        """The clock of a feed has moved by `step` ns within `records`."""
        first = int(np.flatnonzero((records["kind"] == Kind.START) & (records["reason"] == Reason.CLOCK))[0])
        if first:
            self.ingest(feed, records[:first])
        self.flush()
        self.journal.begin_segment()
        if abs(found_offset() - wall_offset()) >= STEP_NS:
            adopt(found_offset())
            self.series.forget_after(wall_ns() // 1_000_000_000)
        feed.table.move(step)
        feed.horizon = 0
        self.ingest(feed, records[first:])

    def flush(self) -> None:
        """Hand what waits to the log, in order; what it can't take now is tried again later."""
        with self.lock:
            try:
                while self._unwritten:
                    self._write()
                self.log_error = ""
            except OSError as error:
                self._blame(error)

    def sync(self) -> None:
        """Have the disk keep what the log has, then give it back to the rings. Not to be called under the lock."""
        with self.lock:
            written = dict(self._unsynced)
        try:
            self.journal.sync()
            self._sync_error = ""
        except OSError as error:
            self._sync_error = f"the log can't be synced: {error.strerror or error}"
            return
        with self.lock:
            for feed, seq in written.items():
                if feed in self.feeds:
                    feed.ring.release(seq)
                if self._unsynced[feed] == seq:
                    del self._unsynced[feed]

    def catch_up(self) -> None:
        """Bring the log up to everything that the loops have published.

        Whoever comes soon after another waits for a moment, and shares a batch with those that come meanwhile.
        """
        self.tick()
        early = self._caught_up + _BETWEEN_CATCH_UPS - time.monotonic()
        if early > 0 and self._unwritten:
            time.sleep(early)
            self.tick()
        self.flush()
        self._caught_up = time.monotonic()

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
                    lambda: self.recent.since(0)[0],
                    self._columns,
                    round(self.log_lag() * 1000, 1),
                    self.journal.log_bytes,
                    is_live=True,
                )
            return self._moment

    def _columns(self, range_s: int) -> dict[str, Any]:
        with self.lock:
            return self.series.columns(range_s, wall_ns() // 1_000_000_000)

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
            unwritten = (int(batch.column("time")[0].value) - 1 for _, batch, _ in self._unwritten)
            return min(horizon, min(unwritten, default=horizon))

    def sign(self) -> Hashable:
        """Something else whenever a connection came, went, was refused, blocked or freed, or an event was lost."""
        return self._sign

    def on_news(self, tell: Callable[[], None]) -> None:
        """Call `tell` whenever events were taken in, from any thread; it must not take long."""
        self._tell = tell

    def trouble(self) -> str:
        """What is wrong with the recording, or with the loops; empty: nothing."""
        age = self.beat_age()
        stalled = f"{NOT_TURNED} for {age:.1f} s" if age > _STALLED else ""
        sealer = self.sealer
        log = (self.failure, self.log_error, self._hung(), self._sync_error, sealer.sync_error)
        return next(filter(None, (*log, stalled, sealer.failure, sealer.error)), sealer.retention_error)

    def _hung(self) -> str:
        """Whether the disk has let the log wait for long; asks no lock, as whoever writes holds it."""
        since = self._writing_since
        waited = 0.0 if since is None else time.monotonic() - since
        return f"the log can't be written: the disk has not answered for {waited:.1f} s" if waited > _HUNG else ""

    def dropped(self) -> Dropped:
        """What retention has dropped."""
        return self.journal.dropped

    def damage(self) -> str:
        """What is damaged in the log; the server is well, and has told it once."""
        return _several(self.journal.damage)

    def log_lag(self) -> float:
        """Age of the oldest event that the log has not got yet, in seconds."""
        with self.lock:
            if not self._unwritten:
                return 0.0
            oldest: int = self._unwritten[0][1].column("time")[0].value
            return max(0.0, (wall_ns() - oldest) / 1e9)

    def beat_age(self) -> float:
        """Seconds since the slowest loop turned."""
        return max(self.beat_ages().values(), default=0.0)

    def beat_ages(self) -> dict[int, float]:
        """Seconds since each worker's loop turned. Asks no lock, so it answers while the disk hangs."""
        now, ages = time.monotonic_ns(), {}
        for feed in list(self.feeds):
            with suppress(ValueError):  # it has just been removed
                ages[feed.table.worker] = (now - feed.ring.progress().beat) / 1e9
        return ages

    def gauges(self) -> dict[str, int]:
        """`open` and `blocked` connections, `bytes`, `chunks` and `max_bytes` of their queues."""
        with self.lock:
            return gauges(self.feeds)

    def _run(self) -> None:
        try:
            while not self._stop.wait(TICK):
                self.tick()
        except Exception as error:
            self.failure = f"the monitor stopped: {type(error).__name__}: {error}"
            raise

    def _sync_on(self) -> None:
        while not self._stop.wait(self.sync_s):
            self.sync()

    def _blame(self, error: OSError) -> None:
        self.log_error = f"the log can't be written: {error.strerror or error}"

    def _write(self) -> None:
        """Write the longest run of batches of the oldest one's feed as one."""
        feed = self._unwritten[0][0]
        run = list(itertools.takewhile(lambda item: item[0] is feed, self._unwritten))
        batch = joined([item[1] for item in run])
        self._writing_since = time.monotonic()
        try:
            self.journal.append(batch)
        finally:
            self._writing_since = None
        for _ in run:
            self._unwritten.popleft()
        self._unwritten_rows -= batch.num_rows
        if self.sync_s:
            self._unsynced[feed] = run[-1][2]
        elif feed in self.feeds:
            feed.ring.release(run[-1][2])

    def _sample(self) -> None:
        """Rates over the last second, and the gauges of the running one."""
        now, totals = time.monotonic_ns(), self.totals
        waited = sum(feed.waited(now) for feed in self.feeds)
        self._samples.append(_Sample(now, totals.echoes, totals.bytes_in, totals.bytes_out, waited))
        while len(self._samples) > 2 and now - self._samples[1].at >= _RATE_WINDOW_NS:
            self._samples.popleft()
        first, last = self._samples[0], self._samples[-1]
        if last.at > first.at and self.feeds:
            span = (last.at - first.at) / 1e9
            self.rates = Rates(
                (last.echoes - first.echoes) / span,
                (last.bytes_in - first.bytes_in) / span,
                (last.bytes_out - first.bytes_out) / span,
                min(1.0, max(0.0, 1 - (last.waited - first.waited) / (last.at - first.at) / len(self.feeds))),
            )
        gauges = self.gauges()
        self._sign = (totals.accepted, totals.closed, totals.refused, totals.lost, gauges["blocked"])
        self.series.gauge(
            wall_ns() // 1_000_000_000,
            {
                "open": gauges["open"],
                "blocked": gauges["blocked"],
                "queue_bytes": gauges["bytes"],
                "loop_busy": self.rates.loop_busy or 0.0,
            },
        )
