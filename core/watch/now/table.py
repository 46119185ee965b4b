"""The connections of one worker, in columns, folded from records a whole array at a time.

Row 0 is the server itself (connection 0). Rows are sorted by connection id, which grows with time, so an id is
found by binary search. Closed connections stay until newer ones of the same kind of end push them out, so that a storm
of probes or of ordinary ends does not wash away the abnormal ones.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.log.format.rows import peers_of
from core.ring.events import ORDINARY_ENDS, Kind
from core.ring.records import PAYLOAD, Records
from core.watch.measures import Histogram
from core.watch.now.fault_spans import FaultSpans

Numbers = npt.NDArray[Any]

_SPARSE, _SPARSE_LEAST = 8, 65_536
"""Numbers of connections for each one that is known, up to which a row is looked up instead of searched for."""
CLOSED_KEPT: Final = 10_000
"""Of each kind of end."""
STATES: Final = ("open", "blocked", "paused", "closing", "closed")
ENDS: Final = ("", "ordinary", "abnormal", "probe")
"""Kinds of end: none yet, by an ordinary reason, by another, and without a byte either way whatever the reason."""
ABNORMAL: Final = ENDS.index("abnormal")
PROBE: Final = ENDS.index("probe")
REPLY_WAIT_BOUNDS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0)
"""Seconds."""

COLUMNS: Final = {
    "conn": np.int64,
    "opened": np.int64,  # wall clock, ns, as are closed and last
    "closed": np.int64,
    "last": np.int64,
    "bytes_in": np.int64,
    "bytes_out": np.int64,
    "echoes": np.int64,
    "fulls": np.int64,
    "queue_bytes": np.int64,
    "queue_chunks": np.int64,
    "queue_peak_bytes": np.int64,
    "waiting": np.int64,  # wall clock, ns: since when its queue has not been empty; 0: it is
    "blocked": np.bool_,
    "paused": np.bool_,
    "eof": np.bool_,
    "reason": np.uint8,
}


def _kinds(*kinds: Kind) -> Numbers:
    """A look-up from kind to whether it is one of these."""
    return np.isin(np.arange(256), kinds)


_CARRIES_PEER: Final = _kinds(Kind.OPEN, Kind.REFUSE)
_SENDS: Final = _kinds(Kind.FULL, Kind.NOT_FULL, Kind.WRITE)
_STICKS: Final = _kinds(Kind.ECHO, Kind.FULL, Kind.PAUSE)
_THROTTLES: Final = _kinds(Kind.PAUSE, Kind.RESUME)
_ENDS_BY_REASON: Final = np.where(np.isin(np.arange(256), ORDINARY_ENDS), 1, ABNORMAL).astype(np.uint8)
_CHANGES: Final = _kinds(Kind.OPEN, Kind.FULL, Kind.NOT_FULL, Kind.WRITE, Kind.PAUSE, Kind.RESUME, Kind.EOF, Kind.CLOSE)


def _ends(reasons: Numbers, has_bytes: Numbers) -> Numbers:
    """The kind of end, an index into ENDS, that each close of such a reason is."""
    ends: Numbers = np.where(has_bytes, _ENDS_BY_REASON[reasons], np.uint8(PROBE))
    return ends


class Table:
    """Every open connection of a worker and the latest closed ones: at least `closed_kept` of each kind of end."""

    def __init__(self, worker: int = 0, closed_kept: int = CLOSED_KEPT) -> None:
        self.worker = worker
        self.size = 1
        self.end_counts = [0] * len(ENDS)
        """How many have ended so, by index into ENDS."""
        self._closed_kept = closed_kept
        self._columns: dict[str, Numbers] = {name: np.zeros(1024, dtype) for name, dtype in COLUMNS.items()}
        self._peers = pa.array([""], pa.string())
        self.reply_waits = Histogram(REPLY_WAIT_BOUNDS)
        """How long queues were not empty, each time that one was."""
        self.faults = FaultSpans()
        self.greatest = 0
        """The greatest connection that there ever was."""
        self._places: Numbers | None = None
        """The row of each connection from the least on; 0: there is none. None: to be made anew."""
        self._stuck: Numbers | None = None
        self._queued: Numbers | None = None

    def __getitem__(self, name: str) -> Numbers:
        """The column `name`, a view of length `size`."""
        column: Numbers = self._columns[name][: self.size]
        return column

    @property
    def peers(self) -> pa.StringArray:
        """The peer of each row."""
        return self._peers

    def names(self) -> tuple[Numbers, pa.StringArray]:
        """The connections and their peers, as they are now, whatever becomes of the table."""
        return self["conn"], self._peers

    @property
    def closed_count(self) -> int:
        """Connections that are closed and not forgotten."""
        return sum(self.end_counts)

    @property
    def open_count(self) -> int:
        """Connections that are open."""
        return self.size - 1 - self.closed_count

    def is_open(self) -> Numbers:
        """Which rows are connections that are open."""
        found: Numbers = self["closed"] == 0
        found[0] = False
        return found

    def stuck(self) -> Numbers:
        """The rows of open connections that are blocked or paused; not to be altered."""
        if self._stuck is None:
            rows = np.flatnonzero(self["blocked"] | self["paused"])
            self._stuck = rows[self["closed"][rows] == 0]
        return self._stuck

    def queued(self) -> Numbers:
        """The rows of open connections whose queue is not empty; not to be altered."""
        if self._queued is None:
            rows = np.flatnonzero(self["queue_bytes"])
            self._queued = rows[self["closed"][rows] == 0]
        return self._queued

    def states(self) -> Numbers:
        """Index into STATES of each row, a byte; the strongest that holds."""
        states = self["blocked"].astype(np.uint8)
        states[self["paused"]] = 2
        states[self["eof"]] = 3
        states[self["closed"] > 0] = 4
        return states

    def ends(self) -> Numbers:
        """Index into ENDS of each row, a byte."""
        ends = self.ends_of(np.arange(self.size))
        ends[self["closed"] == 0] = 0
        return ends

    def ends_of(self, rows: Numbers) -> Numbers:
        """The same of some rows, all of them closed."""
        return _ends(self["reason"][rows], (self["bytes_in"][rows] | self["bytes_out"][rows]) != 0)

    def find(self, conn: int) -> int | None:
        """The row of a connection."""
        row = int(np.searchsorted(self["conn"], conn))
        return row if 0 < row < self.size and self["conn"][row] == conn else None

    def restore(self, peers: dict[int, str]) -> None:
        """Take up connections that the log says are open, by id."""
        conns = np.array(sorted(peers), np.int64)
        self._insert(conns, [peers[conn] for conn in conns.tolist()])

    def fold(self, records: Records) -> tuple[Numbers, pa.StringArray]:
        """Bring the table up to date with `records`, in order, and zero what holds peers in them.

        Returns for each record an index into the returned peers.
        """
        kind = records["kind"]
        refused: list[str] = []
        with_peer = np.flatnonzero(_CARRIES_PEER[kind])
        if len(with_peer):
            refused = self._admit(records, with_peer)
        rows = self._rows(records["conn"])
        self.faults.fold(records)
        self._count(records, rows)
        changes = np.flatnonzero(_CHANGES[kind])
        if len(changes):
            self._change(records[changes], rows[changes])
        if len(self.stuck()):
            self._free(kind, rows)
        peers = self._peers
        if refused:
            rows[kind == Kind.REFUSE] = np.arange(len(peers), len(peers) + len(refused))
            peers = pa.concat_arrays([peers, pa.array(refused, pa.string())])
        return rows, peers

    def fold_echoes(
        self, conns: Numbers, times: Numbers, wall_offset: int, bytes_in: Numbers, bytes_out: Numbers
    ) -> bool:
        """As `fold`, for echoes that left nothing in a queue (times monotonic, ns); False: nothing is done, fold them.

        They are folded where one had something queued, was stuck, or is not known.
        """
        rows = self._looked_up(conns)
        if rows is None:
            return False
        if len(self.queued()) and self["queue_bytes"][rows].any():
            return False
        if len(self.stuck()) and (self["blocked"][rows].any() or self["paused"][rows].any()):
            return False
        np.add.at(self["bytes_in"], rows, bytes_in)
        np.add.at(self["bytes_out"], rows, bytes_out)
        np.add.at(self["echoes"], rows, np.minimum(bytes_in, 1))
        self["last"][rows] = times + wall_offset
        return True

    def _looked_up(self, conns: Numbers) -> Numbers | None:
        """The row of each connection; None where one is not known, or they are too far apart for a look-up."""
        known = self["conn"]
        if self.size == 1:
            return None
        least = int(known[1])
        if self._places is None:
            span = int(known[-1]) - least + 1
            if span > _SPARSE * self.size + _SPARSE_LEAST:
                return None
            self._places = np.zeros(span, np.int64)
            self._places[known[1:] - least] = np.arange(1, self.size)
        rows: Numbers = self._places.take(conns - least, mode="clip")
        return rows if (known.take(rows) == conns).all() else None

    def move(self, step: int) -> None:
        """The clock has moved by `step` ns: since when something lasts moves with it, when something was does not."""
        is_open = self.is_open()
        for name in ("last", "waiting"):
            column = self[name]
            column[is_open & (column > 0)] += step

    def copy(self) -> "Table":
        """The table as it is now, with memory of its own."""
        made = Table(self.worker, self._closed_kept)
        made.fill({name: self[name].copy() for name in COLUMNS}, self._peers)
        made.reply_waits = self.reply_waits.copy()
        made.faults = self.faults.copy()
        return made

    def fill(self, columns: Mapping[str, Numbers], peers: pa.StringArray) -> None:
        """Become the table that these columns (kept, not copied) came from. Raises KeyError when one is missing."""
        self._columns = {name: columns[name] for name in COLUMNS}
        self._peers = peers
        self.size = len(peers)
        self.greatest, self._places = max(self.greatest, int(self["conn"][-1])), None
        self._rows_changed()
        self._count_closed()

    def room(self, records: Records) -> int:
        """How many of `records`, which are not folded yet, may be before the table has to be compacted."""
        closes = np.flatnonzero(records["kind"] == Kind.CLOSE)
        most = 2 * self._closed_kept
        if len(closes) + max(self.end_counts) < most:
            return len(records)
        found = [len(records)]
        ends = self._coming_ends(records, closes)
        for end, count in enumerate(self.end_counts):
            left = max(1, most - count)
            of = closes[ends == end]
            if len(of) >= left:
                found.append(int(of[left - 1]) + 1)
        return min(found)

    def _coming_ends(self, records: Records, closes: Numbers) -> Numbers:
        """The kind of end (index into ENDS) of each of these closes, once all records before them are folded."""
        moved = np.flatnonzero(~_CARRIES_PEER[records["kind"]] & ((records["bytes_in"] | records["bytes_out"]) != 0))
        conns = records["conn"][closes]
        has_bytes = np.isin(conns, records["conn"][moved])
        rows = np.minimum(np.searchsorted(self["conn"], conns), self.size - 1)
        has_bytes |= (self["conn"][rows] == conns) & ((self["bytes_in"][rows] | self["bytes_out"][rows]) != 0)
        return _ends(records["reason"][closes], has_bytes)

    def compact(self) -> None:
        """Forget the oldest connections of a kind of end once there are twice as many of it as are kept."""
        for end, count in enumerate(self.end_counts):
            if count >= 2 * self._closed_kept:
                self._forget(self.ends() == end)

    def forget_closed(self) -> None:
        """Keep those that are open."""
        self._keep(self["closed"] == 0)

    def _forget(self, closed: Numbers) -> None:
        """Keep the newest of these closed connections, and all others."""
        times = self["closed"]
        oldest = np.partition(times[closed], -self._closed_kept)[-self._closed_kept]
        self._keep(~closed | (times >= oldest))

    def _keep(self, keep: Numbers) -> None:
        size = int(keep.sum())
        for name, column in self._columns.items():
            if name == "conn":  # whoever reads events looks for their peers in this very array
                column = self._columns[name] = column.copy()
            column[:size] = column[: self.size][keep]
            column[size:] = 0
        self._places = None
        self._peers = self._peers.filter(pa.array(keep))
        self.size = size
        self.faults.keep(self["conn"])
        self._rows_changed()
        self._count_closed()

    def _rows_changed(self) -> None:
        """Which rows are stuck and which have a queue is to be looked for anew: every tick and every viewer asks."""
        self._stuck = self._queued = None

    def _count_closed(self) -> None:
        ends = self.ends_of(np.flatnonzero(self["closed"]))
        self.end_counts = np.bincount(ends, minlength=len(ENDS)).tolist()

    def _admit(self, records: Records, with_peer: Numbers) -> list[str]:
        """Add the opened connections; the peers of refused ones."""
        carriers = records[with_peer]
        peers = np.array(peers_of(carriers), object)
        opened = carriers["kind"] == Kind.OPEN
        if "peer" not in records:
            for name in PAYLOAD:
                records[name][with_peer] = 0
        if opened.any():
            self._append(carriers[opened], peers[opened].tolist())
        return list(peers[~opened])

    def _append(self, opens: Records, peers: list[str]) -> None:
        conns = opens["conn"]
        if conns[0] <= self["conn"][-1]:
            return self._insert(conns, peers)  # after an event of it was lost, or a restart
        self._grow(len(opens))
        added = slice(self.size, self.size + len(opens))
        self._columns["conn"][added] = conns
        self._columns["opened"][added] = opens["time"]
        self.greatest, self._places = int(conns[-1]), None
        self._peers = pa.concat_arrays([self._peers, pa.array(peers, pa.string())])
        self.size += len(opens)
        return None

    def _insert(self, conns: Numbers, peers: list[str]) -> None:
        """Add rows anywhere; those that exist stay."""
        new = ~np.isin(conns, self["conn"])
        if not new.any():
            return
        conns, names = conns[new], pa.array([peer for peer, is_new in zip(peers, new, strict=True) if is_new])
        order = np.argsort(np.concatenate([self["conn"], conns]), kind="stable")
        for name, dtype in COLUMNS.items():
            added = conns if name == "conn" else np.zeros(len(conns), dtype)
            self._columns[name] = np.concatenate([self[name], added])[order]
        self._peers = pa.concat_arrays([self._peers, names.cast(pa.string())]).take(pa.array(order))
        self.size += len(conns)
        self.greatest, self._places = max(self.greatest, int(self["conn"][-1])), None
        self._rows_changed()

    def _grow(self, count: int) -> None:
        capacity = len(self._columns["conn"])
        if self.size + count > capacity:
            for name, column in self._columns.items():
                self._columns[name] = np.concatenate([column, np.zeros(max(capacity, count), column.dtype)])

    def _rows(self, conns: Numbers) -> Numbers:
        """The row of each connection; those never seen before (their `open` was lost) are added."""
        rows = np.searchsorted(self["conn"], conns)
        rows[rows == self.size] = 0
        unknown = self["conn"][rows] != conns
        if unknown.any():
            missing = np.unique(conns[unknown])
            self._insert(missing, [""] * len(missing))
            rows = np.searchsorted(self["conn"], conns)
        return rows

    def _count(self, records: Records, rows: Numbers) -> None:
        bytes_in, queue_bytes = records["bytes_in"].astype(np.int64), records["queue_bytes"]
        np.add.at(self["bytes_in"], rows, bytes_in)
        np.add.at(self["bytes_out"], rows, records["bytes_out"].astype(np.int64))
        np.add.at(self["echoes"], rows, np.minimum(bytes_in, 1))
        # Of repeated indices the last one wins, which is the newest record.
        self["last"][rows] = records["time"]
        self["queue_bytes"][rows] = queue_bytes
        self["queue_chunks"][rows] = records["queue_chunks"]
        queued = np.flatnonzero(queue_bytes)
        if len(queued):
            np.maximum.at(self["queue_peak_bytes"], rows[queued], queue_bytes[queued].astype(np.int64))
        if len(queued) or self._queued is None or len(self._queued):
            self._rows_changed()
            self._wait(records, rows)

    def _wait(self, records: Records, rows: Numbers) -> None:
        """Note since when what is queued has not been empty, and how long it was not where it is again."""
        waiting = self["waiting"]
        order = np.argsort(rows, kind="stable")
        rows, queued, times = rows[order], records["queue_bytes"][order] > 0, records["time"][order]
        was_queued = np.concatenate([[False], queued[:-1]])
        first = np.concatenate([[True], rows[1:] != rows[:-1]])
        was_queued[first] = waiting[rows[first]] > 0
        begins = queued & ~was_queued
        ends = np.flatnonzero(was_queued & ~queued)
        begun = np.maximum.accumulate(np.where(begins, np.arange(len(rows)), -1))[ends]
        is_here = (begun >= 0) & (rows[begun] == rows[ends])
        since = np.where(is_here, times[begun], waiting[rows[ends]])
        self.reply_waits.add(np.maximum(times[ends] - since, 0) / 1e9)
        # Of repeated indices the last one wins: the last beginning, and whether it has ended since.
        waiting[rows[begins]] = times[begins]
        last = np.concatenate([first[1:], [True]])
        waiting[rows[last & ~queued]] = 0

    def _free(self, kind: Numbers, rows: Numbers) -> None:
        """Who echoes has an empty queue: it is neither blocked nor paused, though the event that said so was lost."""
        at = np.flatnonzero(_STICKS[kind] & (self["blocked"] | self["paused"])[rows])
        stuck, of = np.unique(rows[at], return_inverse=True)
        last = {name: np.full(len(stuck), -1) for name in (Kind.ECHO, Kind.FULL, Kind.PAUSE)}
        for name, newest in last.items():
            mine = kind[at] == name
            np.maximum.at(newest, of[mine], at[mine])
        for column, cause in (("blocked", Kind.FULL), ("paused", Kind.PAUSE)):
            self[column][stuck[last[Kind.ECHO] > last[cause]]] = False
        if len(stuck):
            self._rows_changed()

    def _change(self, records: Records, rows: Numbers) -> None:
        self._rows_changed()
        kind, times = records["kind"], records["time"]
        sends, throttles, closes = _SENDS[kind], _THROTTLES[kind], kind == Kind.CLOSE
        self["blocked"][rows[sends]] = kind[sends] == Kind.FULL
        np.add.at(self["fulls"], rows[kind == Kind.FULL], 1)
        self["paused"][rows[throttles]] = kind[throttles] == Kind.PAUSE
        self["eof"][rows[kind == Kind.EOF]] = True
        fresh = np.flatnonzero(closes & (self["closed"][rows] == 0))
        ends, first = np.unique(rows[fresh], return_index=True)
        self["closed"][ends] = times[fresh[first]]
        self["reason"][ends] = records["reason"][fresh[first]]
        counts = np.bincount(self.ends_of(ends), minlength=len(ENDS)).tolist()
        self.end_counts = [count + more for count, more in zip(self.end_counts, counts, strict=True)]
        unset = np.flatnonzero(self["opened"][rows] == 0)[::-1]  # the first of a connection is the one that stays
        self["opened"][rows[unset]] = times[unset]
