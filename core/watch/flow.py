"""Bytes per second of each connection, both ways: from what the tables held a second ago, or from the log."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from core.watch.now.table import Table

Numbers = npt.NDArray[Any]
Rates = tuple[Numbers, Numbers]
"""In and out, of each row of a table."""

SECOND: Final = 1_000_000_000


class Mark(NamedTuple):
    """What the connections (ascending) of a worker had moved at `time` (wall clock, ns)."""

    time: int
    conns: Numbers
    bytes_in: Numbers
    bytes_out: Numbers


def marked(marks: Sequence[Mark], table: Table, time: int) -> tuple[Mark, ...]:
    """The two newest marks once a table has come to `time`: one a second, so that rates are of one or two."""
    if marks and 0 <= time - marks[-1].time < SECOND:
        return tuple(marks)
    sums = (table[name].copy() for name in ("conn", "bytes_in", "bytes_out"))
    return (*marks[-1:], Mark(time, *sums))


def since_mark(marks: Sequence[Mark], table: Table, now: int) -> Rates:
    """The rates at `now` since the newest mark that is a second old. Who moved nothing lately moves nothing."""
    old = [mark for mark in marks if now - mark.time >= SECOND] or marks[:1]
    if not old:
        return np.zeros(table.size), np.zeros(table.size)
    mark = old[-1]
    is_known, rows = _places(mark.conns, table["conn"])
    span_s = max(now - mark.time, SECOND // 20) / 1e9
    moves = (table["closed"] == 0) & (now - table["last"] < 2 * SECOND)

    def rate(name: str, before: Numbers) -> Numbers:
        moved = table[name].copy()
        moved[is_known] -= before[rows]
        return np.where(moves, moved / span_s, 0.0)

    return rate("bytes_in", mark.bytes_in), rate("bytes_out", mark.bytes_out)


def _places(before: Numbers, now: Numbers) -> tuple[Any, Any]:
    """Which of the connections of now were there before, and where they stood."""
    if len(before) <= len(now) and np.array_equal(before, now[: len(before)]):  # nothing was forgotten meanwhile
        return slice(0, len(before)), slice(None)
    rows = np.minimum(np.searchsorted(before, now), len(before) - 1)
    is_known = before[rows] == now
    return is_known, rows[is_known]


def of_second(table: Table, conns: Numbers, bytes_in: Numbers, bytes_out: Numbers) -> Rates:
    """The rates of a second in which these connections moved this, row by row of the log."""
    rows = np.minimum(np.searchsorted(table["conn"], conns), table.size - 1)
    is_known = table["conn"][rows] == conns
    rates = []
    for values in (bytes_in, bytes_out):
        rate = np.zeros(table.size)
        np.add.at(rate, rows[is_known], values[is_known])
        rate[table["closed"] > 0] = 0
        rates.append(rate)
    return rates[0], rates[1]
