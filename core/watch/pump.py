"""From the rings to table, series, memory and log: a whole array of records at a time, twenty times a second."""

import itertools
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.record.clock import wall_ns
from core.record.events import Kind, Reason
from core.record.journal import Journal
from core.record.records import Records
from core.record.ring import RingReader
from core.record.rows import to_batch
from core.watch.recent import Recent
from core.watch.series import Series
from core.watch.sums import Sums, by_second
from core.watch.table import Table

Numbers = npt.NDArray[Any]

TICK: Final = 0.05
_RATE_WINDOW_NS: Final = 1_000_000_000
_ROWS_A_WRITE: Final = 5000  # a batch has a fixed cost, on disk and to read; the ring keeps what is not written yet
_LONGEST_UNWRITTEN: Final = 0.5
_LONGEST_WAIT_NS: Final = 1_200_000_000
_NOTABLE_KEPT: Final = 20
_NOTABLE: Final = np.isin(
    np.arange(256), (Kind.START, Kind.STOP, Kind.FULL, Kind.PAUSE, Kind.CLOSE, Kind.REFUSE, Kind.LOST)
)


@dataclass(frozen=True)
class _Sample:
    """What rates are made of: monotonic ns, sums, ns that the loops waited."""

    at: int
    echoes: int
    bytes_in: int
    bytes_out: int
    waited: int


@dataclass(frozen=True)
class Rates:
    """A second per figure; `loop_busy` is the share of time that the loops did not wait, 0..1."""

    echoes_per_s: float = 0.0
    bytes_in_per_s: float = 0.0
    bytes_out_per_s: float = 0.0
    loop_busy: float = 0.0


class Feed:
    """A worker's ring and the table that is folded from it."""

    def __init__(self, table: Table, taken: int) -> None:
        self.table = table
        self.taken = taken  # number of the last record that was folded
        self.ring: RingReader


class Pump:
    """Owns the aggregates. `tick` may be called from any thread; `lock` is held while they change.

    A record is given back to its ring once the log has it. While the log can't be written, the ring fills and the
    loop counts what it loses; nothing waits, and recording goes on by itself when the log can be written again.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.lock = threading.RLock()
        self.feeds: list[Feed] = []
        self.totals = Sums()
        self.series = Series()
        self.recent = Recent()
        self.notable: deque[pa.RecordBatch] = deque(maxlen=_NOTABLE_KEPT)
        self.rates = Rates()
        self.log_error = ""
        self._unwritten_rows = 0
        self._unwritten: deque[tuple[Feed, pa.RecordBatch, int]] = deque()
        self._samples: deque[_Sample] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
        self.failure = ""

    def start(self) -> None:
        """Tick in a thread of its own until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Take in what is left, seal the log."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self.catch_up()
        with self.lock:
            try:
                self.journal.close()
            except OSError as error:  # without its end mark a segment is as good; what it lacks is still in the rings
                self._blame(error)
            for feed in self.feeds:
                feed.ring.close()
            self.feeds.clear()

    def attach(self, feed: Feed, ring: RingReader) -> None:
        """Read `ring` for `feed` from now on."""
        with self.lock:
            if feed in self.feeds:
                feed.ring.close()
            else:
                self.feeds.append(feed)
            feed.ring = ring

    def remove(self, feed: Feed) -> None:
        """Read this one no more."""
        with self.lock:
            self.feeds.remove(feed)
            feed.ring.close()

    def begin(self) -> None:
        """Count from here: what was recovered of an earlier run stays in the log, not in the figures of this one."""
        with self.lock:
            self.totals = Sums()
            self.notable.clear()
            self._samples.clear()

    def ingest(self, feed: Feed, records: Records) -> None:
        """Fold `records` of a feed (in order; altered here) and put them up for the log."""
        with self.lock:
            index, peers = feed.table.fold(records)
            for second, sums in by_second(records):
                self.totals += sums
                self.series.count(second, sums)
            batch = to_batch(records, feed.table.worker, index, peers)
            feed.table.compact()
            feed.taken = int(records["seq"][-1])
            self.recent.append(batch)
            self._note(records, batch)
            self._unwritten.append((feed, batch, feed.taken))
            self._unwritten_rows += batch.num_rows

    def tick(self) -> None:
        """Take in all that the loops have published."""
        with self.lock:
            for feed in self.feeds:
                head = feed.ring.progress().head
                if head > feed.taken:
                    self.ingest(feed, Records.of(feed.ring.read(feed.taken, head), feed.ring.wall_offset))
            if self._unwritten_rows >= _ROWS_A_WRITE or self.log_lag() >= _LONGEST_UNWRITTEN:
                self.flush()
            self._sample()

    def flush(self) -> None:
        """Hand what waits to the log, in order; what it can't take now is tried again later."""
        with self.lock:
            try:
                while self._unwritten:
                    self._write()
                self.log_error = ""
            except OSError as error:
                self._blame(error)

    def catch_up(self) -> None:
        """Bring the log up to everything that the loops have published."""
        self.tick()
        self.flush()

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
        """Seconds since each worker's loop turned."""
        now = time.monotonic_ns()
        with self.lock:
            return {feed.table.worker: (now - feed.ring.progress().beat) / 1e9 for feed in self.feeds}

    def gauges(self) -> dict[str, int]:
        """`open` and `blocked` connections, `bytes`, `chunks` and `max_bytes` of their queues."""
        with self.lock:
            sums = {"open": 0, "blocked": 0, "bytes": 0, "chunks": 0, "max_bytes": 0}
            for table in (feed.table for feed in self.feeds):
                is_open = table.is_open()
                queues = table["queue_bytes"][is_open]
                sums["open"] += table.open_count
                sums["blocked"] += int(np.count_nonzero((table["blocked"] | table["paused"]) & is_open))
                sums["bytes"] += int(queues.sum())
                sums["chunks"] += int(table["queue_chunks"][is_open].sum())
                sums["max_bytes"] = max(sums["max_bytes"], int(queues.max(initial=0)))
            return sums

    def _run(self) -> None:
        try:
            while not self._stop.wait(TICK):
                self.tick()
        except Exception as error:
            self.failure = f"the monitor stopped: {type(error).__name__}: {error}"
            raise

    def _blame(self, error: OSError) -> None:
        self.log_error = f"the log can't be written: {error.strerror or error}"

    def _write(self) -> None:
        """Write the longest run of batches of the oldest one's feed as one."""
        feed = self._unwritten[0][0]
        run = list(itertools.takewhile(lambda item: item[0] is feed, self._unwritten))
        batch = _joined([item[1] for item in run])
        self.journal.append(batch)
        for _ in run:
            self._unwritten.popleft()
        self._unwritten_rows -= batch.num_rows
        if feed in self.feeds:
            feed.ring.release(run[-1][2])

    def _note(self, records: Records, batch: pa.RecordBatch) -> None:
        notable = _NOTABLE[records["kind"]]
        notable &= (records["kind"] != Kind.CLOSE) | (records["reason"] > Reason.PEER)
        rows = np.flatnonzero(notable)[-_NOTABLE_KEPT:]
        if len(rows):
            self.notable.append(batch.take(pa.array(rows)))

    def _sample(self) -> None:
        """Rates over the last second, and the gauges of the running one."""
        now, totals = time.monotonic_ns(), self.totals
        # The wait that is going on is not counted yet; a turn at the least every second ends it.
        progress = [feed.ring.progress() for feed in self.feeds]
        waited = sum(one.waited + min(max(0, now - one.beat), _LONGEST_WAIT_NS) for one in progress)
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
        self.series.gauge(
            wall_ns() // 1_000_000_000,
            {
                "open": gauges["open"],
                "blocked": gauges["blocked"],
                "queue_bytes": gauges["bytes"],
                "loop_busy": self.rates.loop_busy,
            },
        )


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """One batch of several, whose dictionaries differ."""
    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches).unify_dictionaries().combine_chunks().to_batches()[0]
