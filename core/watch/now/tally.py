"""What the events of a worker add up to: connections, sums, what was notable. The same for live and for past events."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.log.format.rows import to_batch
from core.log.format.text import to_dicts
from core.ring.events import Kind
from core.ring.records import Block, Records
from core.watch.flow import Mark, marked
from core.watch.measures import Histogram
from core.watch.now.sums import Sums, by_second
from core.watch.now.table import ABNORMAL, ENDS, REPLY_WAIT_BOUNDS, Table
from core.watch.times import rfc3339

Numbers = npt.NDArray[Any]

NOTABLE_KEPT: Final = 20
_NOTABLE: Final = np.isin(
    np.arange(256), (Kind.START, Kind.STOP, Kind.FULL, Kind.PAUSE, Kind.CLOSE, Kind.REFUSE, Kind.LOST)
)


class Folded(NamedTuple):
    """Records that were folded, the peer of each (`places` in `peers`), and their sums by second since 1970."""

    records: Records
    places: Numbers
    peers: pa.StringArray
    seconds: list[tuple[int, Sums]]


@dataclass(frozen=True)
class Rates:
    """A second per figure; `loop_busy` is the share of time that the loops did not wait, 0..1; None: not known."""

    echoes_per_s: float = 0.0
    bytes_in_per_s: float = 0.0
    bytes_out_per_s: float = 0.0
    loop_busy: float | None = 0.0


class Tally:
    """The state of one worker after its record number `taken`.

    `horizon` (wall clock, ns): no record of a time up to it is yet to come. The same records lead to the same state in
    whatever runs they come.
    """

    def __init__(self, table: Table, taken: int) -> None:
        self.table = table
        self.taken = taken
        self.horizon = 0
        self.sums = Sums()
        self.ended = np.zeros(len(ENDS), np.int64)
        """How many connections ended so, by index into ENDS."""
        self.marks: tuple[Mark, ...] = ()
        """What rates are made of."""
        self.notable: deque[pa.RecordBatch] = deque(maxlen=NOTABLE_KEPT)

    def begin(self) -> None:
        """Count from here."""
        self.sums = Sums()
        self.ended = np.zeros(len(ENDS), np.int64)
        self.table.reply_waits = Histogram(REPLY_WAIT_BOUNDS)
        self.notable.clear()

    def fold(self, records: Records) -> Iterator[Folded]:
        """Take `records` in (in order; altered here); to be exhausted. More than one part where the table shrinks."""
        if len(records) and not self.marks:
            self.marks = marked((), self.table, int(records["time"][0]))
        while len(records):
            end = self.table.room(records)
            part, records = records[:end], records[end:]
            index, peers = self.table.fold(part)
            seconds = list(by_second(part))
            for _, sums in seconds:
                self.sums += sums
            self._note(part, index, peers)
            self.taken = int(part["seq"][-1])
            self.table.compact()
            self.marks = marked(self.marks, self.table, int(part["time"][-1]))
            yield Folded(part, index, peers, seconds)

    def fold_echoes(self, block: Block, wall_offset: int) -> Sums | None:
        """As `fold`, for echoes of one second that left nothing in a queue; None: nothing is done, fold them.

        Of what nearly all runs are, this takes a tenth of the time.
        """
        bytes_in, bytes_out = block.bytes()
        begin, end = (int(at) + wall_offset for at in (block.times[0], block.times[-1]))
        marks = self.marks or marked((), self.table, begin)
        if not self.table.fold_echoes(block.conns, block.times, wall_offset, bytes_in, bytes_out):
            return None
        self.marks = marked(marks, self.table, end)
        sums = Sums(
            events=len(block),
            echoes=int(np.count_nonzero(bytes_in)),
            bytes_in=int(bytes_in.sum()),
            bytes_out=int(bytes_out.sum()),
        )
        self.sums += sums
        self.taken = block.last
        return sums

    def copy(self) -> "Tally":
        """The tally as it is now, with memory of its own."""
        made = Tally(self.table.copy(), self.taken)
        made.horizon = self.horizon
        made.sums += self.sums
        made.ended += self.ended
        made.marks = self.marks
        made.notable.extend(self.notable)
        return made

    def _note(self, records: Records, index: Numbers, peers: pa.StringArray) -> None:
        notable = _NOTABLE[records["kind"]]
        closes = np.flatnonzero(records["kind"] == Kind.CLOSE)
        ends = self.table.ends_of(index[closes])
        self.ended += np.bincount(ends, minlength=len(ENDS))
        notable[closes] = ends == ABNORMAL
        rows = np.flatnonzero(notable)[-NOTABLE_KEPT:]
        if len(rows):
            self.notable.append(to_batch(records[rows], self.table.worker, index[rows], peers))


def totals(tallies: Iterable[Tally]) -> Sums:
    """The sums of all workers."""
    sums = Sums()
    for tally in tallies:
        sums += tally.sums
    return sums


def gauges(tallies: Iterable[Tally]) -> dict[str, int]:
    """`open` and `blocked` connections, `bytes`, `chunks` and `max_bytes` of their queues."""
    sums = {"open": 0, "blocked": 0, "bytes": 0, "chunks": 0, "max_bytes": 0}
    for table in (tally.table for tally in tallies):
        sums["open"] += table.open_count
        stuck = table.stuck()
        # As their states say: one whose peer has ended its side is closing, whatever still waits for it.
        sums["blocked"] += len(stuck) - int(np.count_nonzero(table["eof"][stuck]))
        queued = table.queued()
        if not len(queued):
            continue
        queues = table["queue_bytes"][queued]
        sums["bytes"] += int(queues.sum())
        sums["chunks"] += int(table["queue_chunks"][queued].sum())
        sums["max_bytes"] = max(sums["max_bytes"], int(queues.max(initial=0)))
    return sums


def notable(batches: Iterable[pa.RecordBatch]) -> list[dict[str, Any]]:
    """The latest of the notable rows, newest first."""
    rows: list[dict[str, Any]] = []
    # Those of a worker are in order, so what ends before the last that counts holds none that does.
    for batch in sorted(batches, key=_end, reverse=True):
        if len(rows) == NOTABLE_KEPT and rfc3339(_end(batch)) < rows[-1]["time"]:
            break
        rows = sorted([*rows, *to_dicts(batch)], key=_order, reverse=True)[:NOTABLE_KEPT]
    return rows


class Notes:
    """The latest notable rows, made anew only when there are others."""

    def __init__(self) -> None:
        self._last: tuple[list[pa.RecordBatch], list[dict[str, Any]]] = ([], [])

    def of(self, batches: list[pa.RecordBatch]) -> list[dict[str, Any]]:
        """As `notable`; a copy."""
        known, rows = self._last
        if len(known) != len(batches) or any(one is not other for one, other in zip(known, batches, strict=True)):
            rows = notable(batches)
            self._last = (batches, rows)
        return [dict(row) for row in rows]


def _end(batch: pa.RecordBatch) -> int:
    """When (ns) its last row was."""
    return int(batch.column("time")[-1].value)


def _order(row: dict[str, Any]) -> tuple[str, int, int]:
    return row["time"], row["worker"], row["seq"]
