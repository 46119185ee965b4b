"""The connection map: a byte for each open connection, of all workers, in one order."""

import base64
import zlib
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.bad_value import BadValueError
from core.watch.now.table import STATES, Table

Numbers = npt.NDArray[Any]

MAP_SORTS: Final = ("conn", "peer", "-queue_bytes")
_ACTIVE_WITHIN_NS: Final = (1_000_000_000, 10_000_000_000, 60_000_000_000)
_LEVEL_SHIFT: Final = 4


class ShownOrder:
    """In which order the open connections were shown last: it stays while no one comes and no one goes."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, Numbers]] = {}

    def of(self, tables: list[Table], sort: str) -> Numbers:
        """Rows of the open connections, counted through all tables, by `conn` or `peer`, or else as they stand."""
        # A table never has the same size, last connection and number of closed ones with other rows open.
        key = [(table.worker, table.size, table.closed_count, int(table["conn"][-1])) for table in tables]
        known = self._known.get(sort)
        if known is None or known[0] != key:
            known = self._known[sort] = (key, _ordered(tables, sort))
        return known[1]


def cells(tables: list[Table], sort: str, now: int, orders: ShownOrder) -> dict[str, Any]:
    """A byte for each open connection, in order: its state, and how lately it was active at `now` (wall clock, ns).

    `cells` is base64 of deflated bytes: index into STATES | level << 4; level 3 to 0: active within 1, 10, 60 s, or
    longer ago. Raises ValueError for an unknown sort.
    """
    if sort not in MAP_SORTS:
        raise BadValueError(f'unknown sort "{sort}"; known: {", ".join(MAP_SORTS)}')
    rows = orders.of(tables, sort)
    states = _joined(table.states() for table in tables)
    if sort == "-queue_bytes":
        rows = _queued_first(rows, _joined(table["queue_bytes"] for table in tables))
    shown = states[rows]
    levels = _joined(_levels(table, now) for table in tables)[rows]
    counts = np.bincount(shown, minlength=len(STATES)).tolist()
    return {
        "total": len(rows),
        "sort": sort,
        "states": dict(zip(STATES[:-1], counts, strict=False)),
        "cells": base64.b64encode(zlib.compress((shown | levels << _LEVEL_SHIFT).tobytes(), 1)).decode(),
    }


def _joined(parts: Iterable[Numbers]) -> Numbers:
    return np.concatenate([np.empty(0, np.uint8), *parts])


def _levels(table: Table, now: int) -> Numbers:
    """How lately each row was active, a byte."""
    levels = np.zeros(table.size, np.uint8)
    for limit in _ACTIVE_WITHIN_NS:
        levels += table["last"] > now - limit
    return levels


def _queued_first(rows: Numbers, queues: Numbers) -> Numbers:
    """The longest queue first; of equal ones the order stays."""
    lengths = queues[rows].astype(np.int64)
    queued = np.flatnonzero(lengths)
    first = queued[np.argsort(-lengths[queued], kind="stable")]
    rest = np.delete(rows, queued)
    return np.concatenate([rows[first], rest])


def _ordered(tables: list[Table], sort: str) -> Numbers:
    starts = np.cumsum([0, *(table.size for table in tables)])
    is_open = [table.is_open() for table in tables]
    rows = np.concatenate(
        [np.empty(0, np.int64), *(np.flatnonzero(one) + start for one, start in zip(is_open, starts, strict=False))]
    )
    if sort == "conn":
        conns = np.concatenate([table["conn"] for table in tables])[rows]
        by_age: Numbers = rows[np.argsort(conns, kind="stable")]
        return by_age
    if sort != "peer":
        return rows
    peers = pa.concat_arrays([table.peers for table in tables]).take(pa.array(rows))
    keys = pa.table({"peer": peers, "place": np.arange(len(rows))})
    order: Numbers = pc.sort_indices(keys, sort_keys=[("peer", "ascending"), ("place", "ascending")]).to_numpy()
    in_order: Numbers = rows[order]
    return in_order
