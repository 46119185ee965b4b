"""The course of one connection: what its rows come to over time, or the newest part of it where time is short."""

import time
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.bad_value import BadValueError
from core.filter.query import EVENT_FIELDS, parse
from core.log.read.index import Index
from core.log.read.scan import Scan, Selection, UnitScan

Numbers = npt.NDArray[Any]

MOST_STEPS: Final = 600
_SECOND: Final = 1_000_000_000
_READ: Final = ("time", "kind", "bytes_in", "bytes_out", "queue_bytes")


class ConnectionSeries(NamedTuple):
    """Steps of `step` whole seconds, oldest first, `time` being where they begin (unix seconds).

    `bytes_in` and `bytes_out` are bytes a second, `queue_bytes` what was queued at the end of a step, or left when it
    was closed in it; NaN where it is not known. `is_whole`: all of the asked time was looked at.
    """

    step: int
    time: Numbers
    bytes_in: Numbers
    bytes_out: Numbers
    queue_bytes: Numbers
    is_whole: bool


def course(index: Index, conn: int, since: int, until: int, budget: float) -> ConnectionSeries:
    """Of a connection, since <= time < until (ns), in at most MOST_STEPS steps.

    After `budget` seconds it comes with what has been looked at, the newest part. Raises ValueError for an empty range.
    """
    if until <= since:
        raise BadValueError("since must be before until")
    end = time.monotonic() + budget
    query = parse(f"conn:{conn}", EVENT_FIELDS)
    sums = _Sums(since, until)
    for step in Scan(index, Selection(query, since, until), reverse=True):
        sums.add(_rows(step))
        if not step.is_last and time.monotonic() > end:
            return sums.course(np.nan, is_whole=False)
    for step in Scan(index, Selection(query, None, since), reverse=True):
        earlier = _rows(step)
        if earlier is not None:
            return sums.course(float(_kept(earlier)[-1]), is_whole=True)
        if time.monotonic() > end:
            break
    return sums.course(np.nan, is_whole=True)


def _rows(step: UnitScan) -> pa.RecordBatch | None:
    """The rows of a unit that match, in the order of time; None where there is none."""
    rows, batch = step.matches(_READ)
    return batch.take(pa.array(rows)) if len(rows) else None


def _kept(batch: pa.RecordBatch) -> Numbers:
    """What is queued from each row on: nothing after the close, which tells what was left."""
    return np.where(pa.compute.equal(batch.column("kind"), "close"), 0, batch.column("queue_bytes"))


class _Sums:
    """Adds up what comes, newest first."""

    def __init__(self, since: int, until: int) -> None:
        self._first = since // _SECOND
        length = -(-until // _SECOND) - self._first
        self._step = -(-length // MOST_STEPS)
        count = -(-length // self._step)
        self._bytes = {name: np.zeros(count) for name in ("bytes_in", "bytes_out")}
        self._queue, self._kept = np.full(count, np.nan), np.full(count, np.nan)
        self._oldest = count

    def add(self, batch: pa.RecordBatch | None) -> None:
        if batch is None:
            return
        seconds = batch.column("time").view(pa.int64()).to_numpy() // _SECOND
        places = (seconds - self._first) // self._step
        for name, sums in self._bytes.items():
            sums += np.bincount(places, batch.column(name).to_numpy(), len(sums))
        self._queue = _earlier(self._queue, places, batch.column("queue_bytes").to_numpy())
        self._kept = _earlier(self._kept, places, _kept(batch))
        self._oldest = min(self._oldest, int(places[0]))

    def course(self, before: float, *, is_whole: bool) -> ConnectionSeries:
        """`before`: what was queued when the first step began."""
        places = np.arange(len(self._queue))
        told = np.maximum.accumulate(np.where(np.isnan(self._queue), -1, places))
        queue = np.where(told < 0, before, np.where(told == places, self._queue, self._kept[told]))
        # The oldest step may have been looked at in part.
        unknown = places <= self._oldest if not is_whole else np.zeros(len(places), np.bool_)
        bytes_in, bytes_out = (np.where(unknown, np.nan, sums / self._step) for sums in self._bytes.values())
        return ConnectionSeries(self._step, self._first + places * self._step, bytes_in, bytes_out, queue, is_whole)


def _earlier(newer: Numbers, places: Numbers, values: Numbers) -> Numbers:
    """The last value of each place where no newer one is known."""
    last = np.full(len(newer), np.nan)
    last[places] = values  # of repeated indices the last one wins
    return np.where(np.isnan(newer), last, newer)
