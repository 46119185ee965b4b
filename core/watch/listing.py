"""Lists of connections: filter, then sort, then page, over columns of all workers at once."""

import base64
import zlib
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.record.events import REASONS
from core.record.query import Column, Query
from core.watch.clock import rfc3339
from core.watch.table import STATES, Table

Numbers = npt.NDArray[Any]

_NUMBERS: Final = (
    "conn",
    "opened",
    "closed",
    "bytes_in",
    "bytes_out",
    "echoes",
    "fulls",
    "queue_bytes",
    "queue_chunks",
    "queue_peak_bytes",
)
SORTABLE: Final = ("conn", "worker", "peer", "state", "opened", "closed", "idle_s", *_NUMBERS[3:], "reason")
MAP_SORTS: Final = ("conn", "peer", "-queue_bytes")
_ACTIVE_WITHIN_S: Final = (1.0, 10.0, 60.0)
# A filter that names one of these speaks of the past as well.
_SPEAKS_OF_CLOSED: Final = frozenset({"state", "reason", "conn"})


class Listing:
    """All connections of `tables` at time `now` (wall clock, ns)."""

    def __init__(self, tables: Iterable[Table], now: int) -> None:
        self._tables = list(tables)
        self._now = now

    def page(self, query: Query, sort: str, limit: int, offset: int) -> dict[str, Any]:
        """`total`, `matched` and the `items` of the page; raises ValueError for an unknown sort.

        Closed connections are listed when the filter names a state, a reason or a connection.
        """
        name, descending = sort.removeprefix("-"), sort.startswith("-")
        if name not in SORTABLE:
            raise ValueError(f'unknown sort "{sort}"; known: {", ".join(SORTABLE)}, each with - for downwards')
        columns = self._columns(query.fields | {name, "conn", "state"})
        states = columns["state"][0]
        listed = columns["conn"] > 0
        if not query.fields & _SPEAKS_OF_CLOSED:
            listed &= states != STATES.index("closed")
        total = int(np.count_nonzero(listed))
        rows = np.flatnonzero(listed & query.mask(columns)) if query.terms else np.flatnonzero(listed)
        matched = len(rows)
        rows = _ordered(rows, columns[name], descending, offset + limit)[offset : offset + limit]
        return {"total": total, "matched": matched, "items": self.items(rows)}

    def map(self, sort: str) -> dict[str, Any]:
        """A byte for each open connection, in order: its state, and how lately it was active.

        `cells` is base64 of deflated bytes: index into STATES | level << 4; level 3 to 0: active within 1, 10, 60 s, or
        longer ago. Raises ValueError for an unknown sort.
        """
        if sort not in MAP_SORTS:
            raise ValueError(f'unknown sort "{sort}"; known: {", ".join(MAP_SORTS)}')
        column = self._columns([sort.removeprefix("-")])[sort.removeprefix("-")]
        states = self._states()
        rows = np.flatnonzero(self._gather(Table.is_open))
        rows = _ordered(rows, column, sort.startswith("-"), len(rows))
        levels = len(_ACTIVE_WITHIN_S) - np.searchsorted(_ACTIVE_WITHIN_S, self._idle()[rows], side="right")
        cells = (states[rows] | levels << 4).astype(np.uint8)
        counts = np.bincount(states[rows], minlength=len(STATES)).tolist()
        return {
            "total": len(rows),
            "sort": sort,
            "states": dict(zip(STATES[:-1], counts, strict=False)),
            "cells": base64.b64encode(zlib.compress(cells.tobytes(), 1)).decode(),
        }

    def find(self, conn: int) -> dict[str, Any] | None:
        """The item of one connection."""
        at = 0
        for table in self._tables:
            row = table.find(conn)
            if row is not None:
                return self.items(np.array([at + row]))[0]
            at += table.size
        return None

    def blocked(self, count: int) -> list[dict[str, Any]]:
        """Items of the open connections that are blocked or paused, largest queue first."""
        columns = self._columns({"queue_bytes"})
        stuck = self._gather(lambda table: (table["blocked"] | table["paused"]) & table.is_open())
        return self.items(_ordered(np.flatnonzero(stuck), columns["queue_bytes"], True, count)[:count])

    def items(self, rows: Numbers) -> list[dict[str, Any]]:
        """The items of these rows, as the API shows them."""
        columns = {name: self._gather(lambda table, name=name: table[name])[rows].tolist() for name in _NUMBERS}
        columns["worker"] = self._workers()[rows].tolist()
        columns["peer"] = self._peers().take(pa.array(rows)).to_pylist()
        columns["state"] = [STATES[state] for state in self._states()[rows].tolist()]
        columns["idle_s"] = self._idle()[rows].round(3).tolist()
        columns["reason"] = [REASONS[code] for code in self._gather(lambda table: table["reason"])[rows].tolist()]
        columns["opened"] = [rfc3339(time) if time else None for time in columns["opened"]]
        columns["closed"] = [rfc3339(time) if time else None for time in columns["closed"]]
        order = ("conn", "worker", "peer", "state", "opened", "closed", "idle_s", *_NUMBERS[3:], "reason")
        return [
            dict(zip(order, values, strict=True)) for values in zip(*(columns[name] for name in order), strict=True)
        ]

    def _columns(self, names: Iterable[str]) -> dict[str, Any]:
        made: dict[str, Column] = {}
        for name in names:
            if name == "worker":
                made[name] = self._workers()
            elif name == "peer":
                peers = self._peers()
                made[name] = (np.arange(len(peers)), peers)
            elif name == "state":
                made[name] = (self._states(), STATES)
            elif name == "reason":
                made[name] = (self._gather(lambda table: table["reason"]), REASONS)
            elif name == "idle_s":
                made[name] = self._idle()
            else:
                made[name] = self._gather(lambda table, name=name: table[name])
        return made

    def _gather(self, column: Any) -> Numbers:
        parts = [column(table) for table in self._tables]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _workers(self) -> Numbers:
        return np.repeat([table.worker for table in self._tables], [table.size for table in self._tables])

    def _peers(self) -> pa.StringArray:
        return pa.concat_arrays([table.peers for table in self._tables])

    def _states(self) -> Numbers:
        return self._gather(Table.states)

    def _idle(self) -> Numbers:
        """Seconds since something was read or written; for a closed one, until it closed."""
        last = self._gather(lambda table: np.where(table["closed"] > 0, table["closed"], self._now) - table["last"])
        return np.maximum(last, 0) / 1e9


def _ordered(rows: Numbers, column: Any, descending: bool, count: int) -> Numbers:
    """The first `count` of `rows` by `column`; equal ones by connection, that is by age."""
    if isinstance(column, tuple):
        codes, values = column
        keys = _ranks(values)[codes[rows]]
    else:
        keys = column[rows]
    if descending:
        keys = -keys.astype(np.float64 if keys.dtype.kind == "f" else np.int64)
    if count < len(rows):
        # Equal keys at the border must be chosen by age: everything up to the border's key is sorted.
        border = np.partition(keys, count)[count]
        near = np.flatnonzero(keys <= border)
        return rows[near[np.argsort(keys[near], kind="stable")]]
    return rows[np.argsort(keys, kind="stable")]


def _ranks(values: Any) -> Numbers:
    """The place of each text in the order of the texts."""
    if not isinstance(values, pa.Array):
        return np.arange(len(values)) if values is STATES else _ranks(pa.array(values, pa.string()))
    ranks = np.empty(len(values), np.int64)
    ranks[pc.sort_indices(values).to_numpy()] = np.arange(len(values))
    return ranks
