"""Chrome's trace-event JSON, which the Perfetto UI opens: a track a connection, a counter a queue, the loop's turns.

Layout: "Trace Event Format" (Google, 2016) and docs/concepts of perfetto.dev. Times are microseconds since a midnight
that `otherData` names, so that nanoseconds survive readers that take numbers as doubles. Process 1 is the server: a
thread for its own events and one for the turns of each worker's loop. The connections of worker N are the threads
of process N + 2, each under its own number; their queues are counters of that process.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import Final

import numpy as np
import pyarrow as pa

from core.log.format import text_columns as cells
from core.log.format.gather import gathered
from core.log.format.text_columns import Numbers, Piece
from core.ring.events import KINDS, Kind

Turns = Mapping[str, Numbers]
"""Turns of a loop in columns: `began` `woken` `ended` (ns since 1970), `ready` `reads` `writes` `accepts` (counts).

`worker` may be there as well; without it they are worker 0's.
"""

_CHUNK: Final = 16384
_DAY_NS: Final = 86_400 * 10**9
_PAGE: Final = 1 << 16
_COLOURS: Final = {
    Kind.FULL: "terrible",
    Kind.NOT_FULL: "good",
    Kind.PAUSE: "bad",
    Kind.RESUME: "good",
    Kind.LOST: "black",
    Kind.REFUSE: "terrible",
}
"""Reserved names of chrome://tracing; the Perfetto UI gives every event name a colour of its own."""
_COUNTS: Final = ("ready", "reads", "writes", "accepts")
_KIND_TEXTS: Final = {
    KINDS[kind]: json.dumps(KINDS[kind]) + (f',"cname":"{_COLOURS[kind]}"' if kind in _COLOURS else "") for kind in Kind
}


def perfetto(batches: Iterable[pa.RecordBatch], turns: Iterable[Turns] = ()) -> Iterator[bytes]:
    """One JSON object; valid also when there are no rows."""
    rows, loops = gathered(batches, _CHUNK), iter(turns)
    first, first_turns = next(rows, None), next(loops, None)
    trace = _Trace(_origin(first, first_turns))
    yield trace.head()
    for batch in chain([first] if first is not None else [], rows):
        yield from trace.batch(batch)
    for some in chain([first_turns] if first_turns is not None else [], loops):
        yield from trace.turns(some)
    yield b"\n]}\n"


def _origin(batch: pa.RecordBatch | None, turns: Turns | None) -> int:
    """Midnight UTC of the day before the first: workers may be a little out of order, and times are not negative."""
    firsts = [int(_times(batch).min())] if batch is not None else []
    firsts += [int(turns["began"].min())] if turns is not None and len(turns["began"]) else []
    first = min(firsts, default=_DAY_NS)
    return max(0, first - first % _DAY_NS - _DAY_NS)


def _times(batch: pa.RecordBatch) -> Numbers:
    return batch.column("time").view(pa.int64()).to_numpy()  # type: ignore[no-any-return]


def _is_close(batch: pa.RecordBatch) -> Numbers:
    kind = batch.column("kind")
    names = np.array(kind.dictionary.to_pylist(), object)
    return (names == KINDS[Kind.CLOSE])[kind.indices.to_numpy()]  # type: ignore[no-any-return]


class _Seen:
    """Which connections have a track: a byte each, since their numbers are dense."""

    def __init__(self) -> None:
        self._pages: dict[int, Numbers] = {}

    def first(self, conns: Numbers) -> Numbers:
        """Index of the first row of each connection that was not seen before, ascending."""
        numbers, rows = np.unique(conns, return_index=True)
        pages = numbers // _PAGE
        fresh = np.zeros(len(numbers), np.bool_)
        for number in np.unique(pages).tolist():
            page = self._pages.setdefault(number, np.zeros(_PAGE, np.bool_))
            here = pages == number
            within = numbers[here] % _PAGE
            fresh[here] = ~page[within]
            page[within] = True
        return np.sort(rows[fresh])


@dataclass
class _Trace:
    """What is known of the trace so far; every event but the head begins with a comma."""

    origin: int
    _seen: _Seen = field(default_factory=_Seen)
    _workers: set[int] = field(default_factory=set)
    _queues: dict[int, int] = field(default_factory=dict)
    """Connections whose queue was not empty when last seen."""

    def head(self) -> bytes:
        """All up to the first event, which is metadata."""
        began = f"{datetime.fromtimestamp(self.origin // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"
        return (
            f'{{"displayTimeUnit":"ns","otherData":{{"software":"echoscope","zero":"{began}"}},"traceEvents":['
            f'\n{{"ph":"M","pid":1,"name":"process_name","args":{{"name":"echoscope"}}}}'
        ).encode()

    def batch(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """The events of a batch of rows."""
        conn = batch.column("conn").to_numpy()
        yield self._new_workers(batch.column("worker").to_numpy())
        firsts = self._seen.first(conn)
        yield from self._begins(batch.take(pa.array(firsts[conn[firsts] != 0])))
        yield from self._instants(batch)
        yield from self._counters(batch)
        yield from self._ends(batch.take(pa.array(np.flatnonzero(_is_close(batch) & (conn != 0)))))

    def turns(self, turns: Turns) -> Iterator[bytes]:
        """The turns of a loop: waited for, then worked."""
        began, woken, ended = (np.asarray(turns[name]).astype(np.int64) for name in ("began", "woken", "ended"))
        count = len(began)
        worker = np.asarray(turns.get("worker", np.zeros(count))).astype(np.int64)
        yield self._new_workers(worker)
        args: list[Piece] = []
        for name in _COUNTS:
            args += [
                f'{"," if args else ""}"{name}":'.encode(),
                *cells.numbers(np.maximum(0, np.asarray(turns[name], np.int64))),
            ]
        for name, start, end, more in (("wait", began, woken, []), ("work", woken, ended, args)):
            lead = f',\n{{"ph":"X","name":"{name}","pid":1,"tid":'.encode()
            span = [*cells.numbers(2 * worker + 2), b',"ts":', *self._ts(start), b',"dur":']
            length = cells.microseconds(np.maximum(0, end - start))
            yield from cells.lines([lead, *span, *length, b',"args":{', *more, b"}}"], count)

    def _new_workers(self, worker: Numbers) -> bytes:
        """Names of the tracks of workers that were not seen before."""
        found = sorted(set(np.unique(worker).tolist()) - self._workers)
        self._workers.update(found)
        names = []
        for number in found:
            names.append(("process_name", number + 2, 0, f"connections of worker {number}"))
            names.append(("thread_name", 1, 2 * number + 1, f"server events, worker {number}"))
            names.append(("thread_name", 1, 2 * number + 2, f"loop, worker {number}"))
        return b"".join(
            f',\n{{"ph":"M","pid":{pid},"tid":{tid},"name":"{what}","args":{{"name":"{text}"}}}}'.encode()
            for what, pid, tid, text in names
        )

    def _begins(self, rows: pa.RecordBatch) -> Iterator[bytes]:
        """The name of a connection's track, and the beginning of its life as far as the rows go back."""
        if not rows.num_rows:
            return
        conn = cells.numbers(rows.column("conn").to_numpy())
        peer = cells.texts(rows.column("peer"), lambda text: json.dumps(text)[1:-1])
        where = [b',"pid":', *self._pid(rows), b',"tid":', *conn]
        title = [b'"name":"conn ', *conn, b" ", peer, b'"']
        naming = [b',\n{"ph":"M","name":"thread_name"', *where, b',"args":{', *title, b"}}"]
        begin = [b',\n{"ph":"B",', *title, *where, b',"ts":', *self._ts(_times(rows)), b"}"]
        yield from cells.lines([*naming, *begin], rows.num_rows)

    def _ends(self, rows: pa.RecordBatch) -> Iterator[bytes]:
        if rows.num_rows:
            where = [*self._pid(rows), b',"tid":', *cells.numbers(rows.column("conn").to_numpy())]
            end = [b',"ts":', *self._ts(_times(rows)), b"}"]
            yield from cells.lines([b',\n{"ph":"E","pid":', *where, *end], rows.num_rows)

    def _instants(self, rows: pa.RecordBatch) -> Iterator[bytes]:
        """Every row, on the track of its connection or of the server."""
        conn, worker = (rows.column(name).to_numpy().astype(np.int64) for name in ("conn", "worker"))
        pid = cells.numbers(np.where(conn == 0, 1, worker + 2))
        tid = cells.numbers(np.where(conn == 0, 2 * worker + 1, conn))
        kind = cells.texts(rows.column("kind"), lambda text: _KIND_TEXTS.get(text) or json.dumps(text))
        args: list[Piece] = []
        for name in ("seq", "bytes_in", "bytes_out", "queue_bytes", "queue_chunks"):
            args += [f'{"," if args else ""}"{name}":'.encode(), *cells.numbers(rows.column(name).to_numpy())]
        args += [b',"emptied":', cells.truths(rows.column("emptied"))]
        args += [b',"reason":', cells.texts(rows.column("reason"), json.dumps)]
        where = [b',"pid":', *pid, b',"tid":', *tid, b',"ts":', *self._ts(_times(rows))]
        yield from cells.lines(
            [b',\n{"ph":"i","s":"t","name":', kind, *where, b',"args":{', *args, b"}}"], rows.num_rows
        )

    def _counters(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """The queue of a connection, where it has changed."""
        changed, queue = self._queue_changes(batch)
        rows = batch.take(pa.array(changed))
        if rows.num_rows:
            name = cells.numbers(rows.column("conn").to_numpy())
            where = [b'","pid":', *self._pid(rows), b',"ts":', *self._ts(_times(rows))]
            value = [b',"args":{"bytes":', *cells.numbers(queue), b"}}"]
            yield from cells.lines([b',\n{"ph":"C","name":"queue of conn ', *name, *where, *value], rows.num_rows)

    def _queue_changes(self, batch: pa.RecordBatch) -> tuple[Numbers, Numbers]:
        """Index, and the queue, of the rows whose queue is not as the connection's last row left it."""
        conn = batch.column("conn").to_numpy()
        # What was left in the queue of a closed connection is gone with it.
        queue = np.where(_is_close(batch), 0, batch.column("queue_bytes").to_numpy().astype(np.int64))
        concerned = np.concatenate((conn[queue > 0], np.fromiter(self._queues, np.int64)))
        rows = np.flatnonzero(np.isin(conn, concerned) & (conn != 0))
        if not len(rows):
            return rows, rows
        rows = rows[np.argsort(conn[rows], kind="stable")]
        conn, queue = conn[rows], queue[rows]
        changes = conn[1:] != conn[:-1]
        starts, ends = np.concatenate(([True], changes)), np.concatenate((changes, [True]))
        before = np.concatenate(([0], queue[:-1]))
        before[starts] = [self._queues.get(number, 0) for number in conn[starts].tolist()]
        self._note_queues(conn[ends], queue[ends])
        chosen = np.flatnonzero(queue != before)
        return rows[chosen], queue[chosen]

    def _note_queues(self, conns: Numbers, queues: Numbers) -> None:
        for number, value in zip(conns.tolist(), queues.tolist(), strict=True):
            if value:
                self._queues[number] = value
            else:
                self._queues.pop(number, None)

    def _ts(self, times: Numbers) -> list[Piece]:
        return cells.microseconds(np.maximum(0, times - self.origin))

    @staticmethod
    def _pid(rows: pa.RecordBatch) -> list[Piece]:
        return cells.numbers(rows.column("worker").to_numpy().astype(np.int64) + 2)
