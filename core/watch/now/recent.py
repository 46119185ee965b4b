"""The newest events, read from the rings when someone looks, and live tails over them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from core.filter.query import EVENT_FIELDS, Query, parse
from core.log.format.rows import ADDRESS_KINDS, event_columns, peers_of, to_batch
from core.log.format.text import to_dicts
from core.ring.events import Kind
from core.ring.records import Block, Numbers, Records
from core.ring.ring import RingReader

Json = dict[str, Any]

ROWS_KEPT: Final = 200_000
"""Rows of all workers together that count as the newest."""
ROWS_A_LOOK: Final = 16_384
"""Rows that are made of records at once."""
_KEY: Final = itemgetter("time", "worker", "seq")


class RingView(NamedTuple):
    """A ring up to record `taken`, the `wall_offset` behind it, and the peers of its connections, which are in order.

    Nothing of it but the ring changes.
    """

    worker: int
    ring: RingReader
    taken: int
    wall_offset: int
    conns: Numbers
    peers: pa.StringArray

    def oldest(self, most: int) -> int:
        """The number behind which its newest rows begin, `most` of them; the rest of the ring is the writer's."""
        return max(self.ring.begin, self.taken - min(most, self.ring.capacity // 4 * 3))

    def batches(self, after: int, conn: int | None = None) -> Iterator[pa.RecordBatch]:
        """The rows behind a number (of a connection only), newest batch first, as far as they are still there."""
        upto, offset = self.taken, self.wall_offset
        while upto > after:
            begin = max(after, upto - ROWS_A_LOOK)
            block = self.ring.block(begin, upto)
            if block is None:
                return
            offset -= block.moved()
            upto = begin
            if conn is not None and not len(block.steps()):
                block = block.of_conn(conn)
            if len(block):
                yield self._batch(block, offset)

    def _batch(self, block: Block, offset: int) -> pa.RecordBatch:
        records, _ = block.records(offset)
        conns = records["conn"]
        places = np.searchsorted(self.conns, conns)
        places[places == len(self.conns)] = 0
        places[self.conns[places] != conns] = 0
        carriers = np.flatnonzero(ADDRESS_KINDS[records["kind"]])
        if not len(carriers):
            return to_batch(records, self.worker, places, self.peers)
        places[carriers] = np.arange(len(self.peers), len(self.peers) + len(carriers))
        self._find_forgotten(records, places, carriers)
        peers = pa.concat_arrays([self.peers, pa.array(peers_of(records[carriers]), pa.string())])
        return to_batch(records, self.worker, places, peers)

    @staticmethod
    def _find_forgotten(records: Records, places: Numbers, carriers: Numbers) -> None:
        """The peers of connections that have left the table, where their `open` is among the records."""
        lost = np.flatnonzero((places == 0) & (records["conn"] > 0))
        opens = carriers[records["kind"][carriers] == Kind.OPEN]
        if not len(lost) or not len(opens):
            return
        opens = opens[np.argsort(records["conn"][opens])]
        opened = records["conn"][opens]
        found = np.minimum(np.searchsorted(opened, records["conn"][lost]), len(opened) - 1)
        known = opened[found] == records["conn"][lost]
        places[lost[known]] = places[opens[found[known]]]


class Recent:
    """The newest rows of all rings, which are where the loops have written them until they are overwritten."""

    def __init__(self, views: Callable[[], Sequence[RingView]] = tuple, rows_kept: int = ROWS_KEPT) -> None:
        """`views` answers the rings as they are when it is called."""
        self._views = views
        self._rows_kept = rows_kept

    def look(self, position: Mapping[int, int]) -> "Look":
        """What came behind a position, which is a number by worker."""
        views = self._views()
        most = self._rows_kept // max(1, len(views))
        return Look([(view, position.get(view.worker, 0), view.oldest(most)) for view in views])

    def history(self, conn: int, limit: int) -> tuple[list[Json], int]:
        """The newest rows of a connection, oldest first, and of how many rows in all."""
        look = self.look({})
        streams = (view.batches(max(after, oldest), conn) for view, after, oldest in look.parts)
        return history((batch for stream in streams for batch in stream), conn, limit), look.rows


class Look(NamedTuple):
    """Rings, each with the number behind which it was looked at, and that behind which rows are still there."""

    parts: list[tuple[RingView, int, int]]

    @property
    def position(self) -> dict[int, int]:
        """Where the next look goes on."""
        return {view.worker: view.taken for view, _, _ in self.parts}

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(view.taken - max(after, oldest) for view, after, oldest in self.parts)

    @property
    def gone(self) -> int:
        """How many rows were there once."""
        return sum(max(0, oldest - after) for _, after, oldest in self.parts)

    def streams(self) -> list[Iterator[pa.RecordBatch]]:
        """The rows of each ring, the newest batch first."""
        return [view.batches(max(after, oldest)) for view, after, oldest in self.parts]


def matching(batch: pa.RecordBatch, query: Query) -> Any:
    """Indices of the rows that match, ascending."""
    if not query.terms:
        return np.arange(batch.num_rows)
    return np.flatnonzero(query.mask(event_columns(batch, query.fields)))


def history(batches: Iterable[pa.RecordBatch], conn: int, limit: int) -> list[Json]:
    """The newest rows of a connection in batches, of which the newest comes first; oldest first."""
    return newest(batches, parse(f"conn:{conn}", EVENT_FIELDS), limit)


def newest(batches: Iterable[pa.RecordBatch], query: Query, limit: int) -> list[Json]:
    """The newest rows that match, oldest first; looks no further back than it must. The newest batch comes first."""
    found: list[Json] = []
    for batch in batches:
        rows = matching(batch, query)[len(found) - limit :]
        found = [*to_dicts(batch.take(pa.array(rows))), *found]
        if len(found) == limit:
            break
    return found


class Tail:
    """One viewer's place in the live events; of rows that match `mark` it says so."""

    def __init__(self, recent: Recent, query: Query, mark: Query | None = None) -> None:
        self._recent = recent
        self._query = query
        self._mark = mark
        self._position: dict[int, int] | None = None

    def take(self, limit: int = 100) -> Json:
        """The `items` that came since the last call, the newest `limit` of them, and how many were `skipped`.

        The first call answers the newest that are known. With a filter, rows that were no longer kept when it was
        called are not counted. With a mark: `marks`, the places of the items that match it,
        and `skipped_marks`, how many of those left out do.
        """
        first, look = self._position is None, self._recent.look(self._position or {})
        self._position = look.position
        parts: list[list[tuple[Json, bool]]] = []
        matched = marked = 0
        for stream in look.streams():
            rows, count, marks = self._of_ring(stream, limit, is_whole=not first)
            parts.append(rows)
            matched, marked = matched + count, marked + marks
        found = list(merge(*parts, key=lambda row: _KEY(row[0])))[-limit:]
        if not self._query.terms:  # of all that came, also what is gone
            matched = look.rows + look.gone
        is_cut = not first and len(found) > 0
        answer: Json = {"items": [row for row, _ in found], "skipped": matched - len(found) if is_cut else 0}
        if self._mark is None:
            return answer
        places = [place for place, (_, is_marked) in enumerate(found) if is_marked]
        return answer | {"marks": places, "skipped_marks": marked - len(places) if answer["skipped"] else 0}

    def _of_ring(
        self, stream: Iterator[pa.RecordBatch], limit: int, *, is_whole: bool
    ) -> tuple[list[tuple[Json, bool]], int, int]:
        """The newest rows with whether they are marked, and how many match and are marked of all (`is_whole`)."""
        found: list[tuple[Json, bool]] = []
        matched = marked = 0
        is_counted = is_whole and (self._query.terms or self._mark is not None)
        for batch in stream:
            rows = matching(batch, self._query)
            marks = np.zeros(batch.num_rows, np.bool_)
            if self._mark is not None:
                marks[matching(batch, self._mark)] = True
                marked += int(np.count_nonzero(marks[rows]))
            matched += len(rows)
            if len(found) < limit:
                rows = rows[len(found) - limit :]
                found = [*zip(to_dicts(batch.take(pa.array(rows))), marks[rows].tolist(), strict=True), *found]
            if len(found) == limit and not is_counted:
                break
        return found, matched, marked
