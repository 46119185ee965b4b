"""Lists of connections: filter, then sort, then page, over columns of all workers at once."""

from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from operator import itemgetter
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.bad_value import BadValueError
from core.filter.query import Column, Query
from core.ring.events import REASONS
from core.watch.kernel.verdict_column import VERDICTS, Judged
from core.watch.now.fault_spans import FaultSpan
from core.watch.now.table import ABNORMAL, ENDS, PROBE, STATES, Table
from core.watch.times import rfc3339

Numbers = npt.NDArray[Any]
_Places = list[tuple[Table, Numbers, Numbers]]

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
SORTABLE: Final = (
    "conn",
    "worker",
    "peer",
    "state",
    "opened",
    "closed",
    "idle_s",
    "waiting_s",
    *_NUMBERS[3:],
    "bytes_in_per_s",
    "bytes_out_per_s",
    "reason",
    "end",
    "verdict",
)
ITEM_FIELDS: Final = (*SORTABLE, "verdict_age_s", "faults")
"""Of the item of a connection, in order."""
# A filter that names one of these speaks of the past as well.
_SPEAKS_OF_CLOSED: Final = frozenset({"state", "reason", "end", "conn"})


class Listing:
    """All connections of `tables` at time `now` (wall clock, ns).

    `rates` answers what the rows of a table move per second, in and out; without it they are not known, and 0.
    """

    def __init__(
        self,
        tables: Iterable[Table],
        now: int,
        rates: Callable[[Table], tuple[Numbers, Numbers]] | None = None,
        judged: Judged | None = None,
    ) -> None:
        self._tables = list(tables)
        self._now = now
        self._rates = rates or _at_rest
        self._judged = judged or Judged(now)

    def page(self, query: Query, sort: str, limit: int, offset: int) -> dict[str, Any]:
        """`total`, `matched`, the `items` of the page and the `counts` of all; raises ValueError for an unknown sort.

        Closed connections are listed when the filter names a state, a reason, an end or a connection. `counts` has how
        many are in each state, and how many of the closed ones are `abnormal` ends and `probe`s.
        """
        name, descending = sort.removeprefix("-"), sort.startswith("-")
        if name not in SORTABLE:
            raise BadValueError(f'unknown sort "{sort}"; known: {", ".join(SORTABLE)}, each with - for downwards')
        columns, rows, total = self.selected(query, [name], query.fields)
        matched = len(rows)
        rows = _ordered(rows, columns[name], descending, offset + limit)[offset : offset + limit]
        counts = self._counts(columns["state"][0])
        return {"total": total, "matched": matched, "items": self.items(rows), "counts": counts}

    def selected(
        self, query: Query, names: Iterable[str], asked: frozenset[str]
    ) -> tuple[dict[str, Any], Numbers, int]:
        """The columns named, and those of the filter; the rows that match; how many there were to choose from.

        The closed are among them when one of the fields that are `asked` speaks of them.
        """
        columns = self._columns(query.fields | {*names, "conn", "state"})
        listed = columns["conn"] > 0
        if not asked & _SPEAKS_OF_CLOSED:
            listed &= columns["state"][0] != STATES.index("closed")
        rows = np.flatnonzero(listed & query.mask(columns)) if query.terms else np.flatnonzero(listed)
        return columns, rows, int(np.count_nonzero(listed))

    def open_matching(self, query: Query) -> list[tuple[int, int]]:
        """Connection and worker of all open ones that match."""
        columns = self._columns(query.fields | {"conn", "state", "worker"})
        found = columns["state"][0] != STATES.index("closed")
        if query.terms:
            found &= query.mask(columns)
        rows = np.flatnonzero(found)
        return list(zip(columns["conn"][rows].tolist(), columns["worker"][rows].tolist(), strict=True))

    def find(self, conn: int) -> dict[str, Any] | None:
        """The item of one connection."""
        at = 0
        for table in self._tables:
            row = table.find(conn)
            if row is not None:
                return self.items(np.array([at + row]))[0]
            at += table.size
        return None

    def has(self, conn: int) -> bool:
        """Whether it is in one of the tables."""
        return any(table.find(conn) is not None for table in self._tables)

    def waiting(self, count: int) -> list[dict[str, Any]]:
        """Items of the open connections for which something waits, the longest wait first.

        They are those that have waited the longest and those whose queue is the largest, `count` of each.
        """
        found = [np.union1d(table.stuck(), table.queued()) for table in self._tables]
        if not any(map(len, found)):
            return []
        rows = np.concatenate([rows + start for rows, start in zip(found, self._starts(), strict=True)])
        places = self._places(rows)
        waited, queues = (_picked(places, column) for column in (self._waiting_ns, itemgetter("queue_bytes")))
        longest = np.argsort(-waited, kind="stable")
        largest = np.argsort(-queues.astype(np.int64), kind="stable")
        chosen = np.union1d(longest[:count], largest[:count])
        return self.items(rows[chosen[np.argsort(-waited[chosen], kind="stable")]])

    def items(self, rows: Numbers) -> list[dict[str, Any]]:
        """The items of these rows, as the API shows them."""
        places = self._places(rows)

        def pick(column: Callable[[Table], Numbers]) -> Numbers:
            return _picked(places, column)

        columns: dict[str, Any] = {name: pick(itemgetter(name)).tolist() for name in _NUMBERS}
        columns["worker"] = pick(lambda table: np.full(table.size, table.worker)).tolist()
        columns["peer"] = _picked_peers(places)
        columns["state"] = [STATES[state] for state in pick(Table.states).tolist()]
        columns["idle_s"] = (pick(self._idle_ns) / 1e9).round(3).tolist()
        columns["waiting_s"] = (pick(self._waiting_ns) / 1e9).round(3).tolist()
        columns["bytes_in_per_s"] = pick(self._in_per_s).round(1).tolist()
        columns["bytes_out_per_s"] = pick(self._out_per_s).round(1).tolist()
        columns["verdict"] = [VERDICTS[code] for code in pick(self._judged.of).tolist()]
        columns["verdict_age_s"] = [self._judged.age_s(conn) for conn in columns["conn"]]
        columns["faults"] = [self._faults(conn) for conn in columns["conn"]]
        columns["reason"] = [REASONS[code] for code in pick(itemgetter("reason")).tolist()]
        columns["end"] = [ENDS[code] for code in pick(Table.ends).tolist()]
        columns["opened"] = [rfc3339(time) if time else None for time in columns["opened"]]
        columns["closed"] = [rfc3339(time) if time else None for time in columns["closed"]]
        return [
            dict(zip(ITEM_FIELDS, values, strict=True))
            for values in zip(*(columns[name] for name in ITEM_FIELDS), strict=True)
        ]

    def _faults(self, conn: int) -> list[dict[str, Any]]:
        return next((found for table in self._tables if len(table.faults) and (found := table.faults.of(conn))), [])

    def deciding_faults(self, conn: int) -> tuple[FaultSpan, ...]:
        """The faults that what is seen of a connection is due to."""
        for table in self._tables:
            row = table.find(conn) if len(table.faults) else None
            if row is not None:
                return table.faults.deciding(conn, int(table["closed"][row]))
        return ()

    def _starts(self) -> list[int]:
        """The row of each table's first among all."""
        return [0, *accumulate(table.size for table in self._tables[:-1])] if self._tables else []

    def _places(self, rows: Numbers) -> _Places:
        """Where these rows are: table, rows in it, places among `rows`."""
        found = []
        for table, start in zip(self._tables, self._starts(), strict=True):
            at = np.flatnonzero((rows >= start) & (rows < start + table.size))
            if len(at):
                found.append((table, rows[at] - start, at))
        return found

    def _counts(self, states: Numbers) -> dict[str, int]:
        """How many connections are in each state, given those of all rows; how many ended abnormally, or are probes."""
        counts = np.bincount(states, minlength=len(STATES)).tolist()
        counts[0] -= len(self._tables)  # the servers' own rows
        ends = {ENDS[end]: sum(table.end_counts[end] for table in self._tables) for end in (ABNORMAL, PROBE)}
        return {**dict(zip(STATES, counts, strict=True)), **ends}

    def _columns(self, names: Iterable[str]) -> dict[str, Any]:
        made: Mapping[str, Callable[[], Column]] = {
            "worker": self._workers,
            "peer": self._peer_column,
            "state": lambda: (self._states(), STATES),
            "reason": lambda: (self._gather(itemgetter("reason")), REASONS),
            "end": lambda: (self._gather(Table.ends), ENDS),
            "verdict": lambda: (self._gather(self._judged.of), VERDICTS),
            "idle_s": self._idle,
            "waiting_s": lambda: self._gather(self._waiting_ns) / 1e9,
            "bytes_in_per_s": lambda: self._gather(self._in_per_s),
            "bytes_out_per_s": lambda: self._gather(self._out_per_s),
        }
        return {name: made[name]() if name in made else self._gather(itemgetter(name)) for name in names}

    def _peer_column(self) -> Column:
        peers = self._peers()
        return np.arange(len(peers)), peers

    def _in_per_s(self, table: Table) -> Numbers:
        return self._rates(table)[0]

    def _out_per_s(self, table: Table) -> Numbers:
        return self._rates(table)[1]

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
        return self._gather(self._idle_ns) / 1e9

    def _waiting_ns(self, table: Table) -> Numbers:
        until = np.where(table["closed"] > 0, table["closed"], self._now)
        waited: Numbers = np.where(table["waiting"] > 0, np.maximum(until - table["waiting"], 0), 0)
        return waited

    def _idle_ns(self, table: Table) -> Numbers:
        until = np.where(table["closed"] > 0, table["closed"], self._now)
        idle: Numbers = np.maximum(until - table["last"], 0)
        return idle


def _at_rest(table: Table) -> tuple[Numbers, Numbers]:
    return np.zeros(table.size), np.zeros(table.size)


def _picked(places: _Places, column: Callable[[Table], Numbers]) -> Numbers:
    """A column of the rows at these places."""
    values = [column(table)[rows] for table, rows, _ in places]
    order = [at for _, _, at in places]
    picked: Numbers = np.empty(sum(map(len, order)), values[0].dtype if values else np.int64)
    for part, at in zip(values, order, strict=True):
        picked[at] = part
    return picked


def _picked_peers(places: _Places) -> list[str]:
    peers = np.empty(sum(len(rows) for _, rows, _ in places), object)
    for table, rows, at in places:
        peers[at] = table.peers.take(pa.array(rows)).to_pylist()
    return list(peers)


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
        return np.arange(len(values)) if values in (STATES, ENDS) else _ranks(pa.array(values, pa.string()))
    ranks = np.empty(len(values), np.int64)
    ranks[pc.sort_indices(values).to_numpy()] = np.arange(len(values))
    return ranks
