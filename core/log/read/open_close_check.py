"""Which connections were opened and closed, followed through the log a whole batch at a time."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.log.format.log_state import LogState
from core.ring.events import KINDS, Kind

Numbers = npt.NDArray[Any]

_PAGE: Final = 65_536
UNSEEN, OPEN, CLOSED = 0, 1, 2


class StateByConnection:
    """A small number for each connection, 0 at first; a byte each, in pages that are made when they are needed."""

    def __init__(self) -> None:
        self._pages: dict[int, Numbers] = {}

    def get(self, conns: Numbers) -> Numbers:
        """Of ascending numbers."""
        found = np.zeros(len(conns), np.uint8)
        for page, rows in _by_page(conns):
            if page in self._pages:
                found[rows] = self._pages[page][conns[rows] % _PAGE]
        return found

    def put(self, conns: Numbers, values: Numbers | int) -> None:
        """Of ascending numbers."""
        marks = np.broadcast_to(np.asarray(values, np.uint8), conns.shape)
        for page, rows in _by_page(conns):
            if page not in self._pages:
                self._pages[page] = np.zeros(_PAGE, np.uint8)
            self._pages[page][conns[rows] % _PAGE] = marks[rows]

    def count(self, value: int) -> int:
        """How many have this value, which is not 0."""
        return sum(int(np.count_nonzero(page == value)) for page in self._pages.values())


class OpenCloseCheck:
    """Follows `open` and `close` from where the log stood on; rows come in order."""

    def __init__(self, state: LogState) -> None:
        self._marks = StateByConnection()
        before = [conn for conns in state.open_conns.values() for conn in conns]
        self._marks.put(np.array(sorted(before), np.int64), OPEN)
        self._is_blind = False

    def forgive(self) -> None:
        """Some rows could not be read: what has no beginning from here on is no fault."""
        self._is_blind = True

    @property
    def open_count(self) -> int:
        """Connections that are open."""
        return self._marks.count(OPEN)

    @property
    def seen(self) -> int:
        """Connections of which there were rows, or which were open at the beginning."""
        return self._marks.count(OPEN) + self._marks.count(CLOSED)

    def fold(self, batch: pa.RecordBatch) -> Iterator[str]:
        """Takes the rows of a batch in; what is wrong with them, a line each."""
        rows = np.flatnonzero(batch.column("conn").to_numpy() > 0)
        if not len(rows):
            return
        conn = batch.column("conn").to_numpy()[rows]
        rows = rows[np.argsort(conn, kind="stable")]
        conn, kind = (array[rows] for array in (batch.column("conn").to_numpy(), _kinds(batch)))
        starts = np.flatnonzero(np.concatenate(([True], conn[1:] != conn[:-1])))
        ends = np.append(starts[1:], len(conn)) - 1
        opens, closes = (np.add.reduceat((kind == one).astype(np.int64), starts) for one in (Kind.OPEN, Kind.CLOSE))
        conns, before = conn[starts], self._marks.get(conn[starts])
        self._marks.put(conns, np.where(closes > 0, CLOSED, OPEN))
        wrong = {
            "opened more than once": (opens > 1) | ((opens == 1) & (before != UNSEEN)),
            "closed more than once": closes > 1,
            "has rows before its open": (opens == 1) & (kind[starts] != Kind.OPEN),
            "has rows after its close": (before == CLOSED) | ((closes == 1) & (kind[ends] != Kind.CLOSE)),
            "has no open": (opens == 0) & (before == UNSEEN) & (not self._is_blind),
        }
        for what, mask in wrong.items():
            yield from (f"connection {one} {what}" for one in conns[mask].tolist())


def _kinds(batch: pa.RecordBatch) -> Numbers:
    """Number of the kind of each row."""
    column = batch.column("kind")
    numbers: Numbers = np.array([KINDS.index(kind) for kind in column.dictionary.to_pylist()])
    return numbers[column.indices.to_numpy()]  # type: ignore[no-any-return]


def _by_page(conns: Numbers) -> Iterator[tuple[int, slice]]:
    pages = conns // _PAGE
    starts = np.flatnonzero(np.diff(pages, prepend=-1)).tolist()
    for start, end in pairwise([*starts, len(conns)]):
        yield int(pages[start]), slice(start, end)
