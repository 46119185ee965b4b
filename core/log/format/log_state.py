"""Where the log stands: last numbers used, and the connections that are open in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.ring.events import KINDS, Kind

STATE_COLUMNS: Final = ("seq", "worker", "conn", "peer", "kind")
"""What `LogState.fold` looks at."""


_MOST_WORKERS: Final = 64


@dataclass(slots=True)
class LogState:
    """The sum of all rows so far, as far as a restart needs it.

    `last_seq` by worker; `max_conn` the greatest connection number.
    """

    last_seq: dict[int, int] = field(default_factory=dict)
    max_conn: int = 0
    _open: dict[int, dict[int, str]] = field(default_factory=dict)
    """By worker {conn: "conn peer"}: the text of a head, which has to be made quickly while the live path waits."""
    max_given_conn: int = 0
    """No connection number above it can have been given, also in what can't be read."""
    _unread: int = 0
    """Rows that could not be read, at most."""
    _unread_before: dict[int, int] = field(default_factory=dict)
    """By worker: how many of these stood before its last row."""

    @property
    def open_conns(self) -> dict[int, dict[int, str]]:
        """By worker {conn: peer}: the connections that have an `open` row and no `close` row."""
        return {
            worker: {conn: text.partition(" ")[2] for conn, text in conns.items()}
            for worker, conns in self._open.items()
        }

    def fold(self, batch: pa.RecordBatch) -> None:
        """Takes the rows of a batch in, which is not empty."""
        worker, seq, conn = (batch.column(name).to_numpy() for name in ("worker", "seq", "conn"))
        self.max_conn = max(self.max_conn, int(conn.max()))
        self.max_given_conn = max(self.max_given_conn, self.max_conn)
        workers = np.unique(worker) if (worker != worker[0]).any() else worker[:1]
        for one in workers.tolist():
            last = int(seq[worker == one].max())
            self.last_seq[one] = max(self.last_seq.get(one, 0), last)
            self._unread_before[one] = self._unread
        opens, closes = (_is_kind(batch, kind) for kind in (Kind.OPEN, Kind.CLOSE))
        rows = np.flatnonzero(opens | closes)
        if len(rows):
            peers = batch.column("peer").take(pa.array(rows)).cast(pa.string()).to_pylist()
            places = zip(worker[rows].tolist(), conn[rows].tolist(), peers, opens[rows].tolist(), strict=True)
            for one, number, peer, is_open in places:
                self._note(one, number, peer if is_open else None)

    def pass_over(self, rows: int, max_conn: int | None = None) -> None:
        """Some rows can't be read: `rows` of them at most, with no connection above `max_conn` (None: not known)."""
        self._unread += rows
        # Each row may have opened one, and the numbers of a worker are as far apart as there are workers.
        self.max_given_conn = max(self.max_given_conn, max_conn or self.max_given_conn + rows * _MOST_WORKERS)

    def last_given(self, worker: int) -> int:
        """The greatest number that a worker may have given, also to rows that can't be read."""
        return self.last_seq.get(worker, 0) + self._unread - self._unread_before.get(worker, 0)

    def _note(self, worker: int, conn: int, peer: str | None) -> None:
        """A connection opened (its peer) or closed (None)."""
        conns = self._open.setdefault(worker, {})
        if peer is None:
            conns.pop(conn, None)
        else:
            conns[conn] = f"{conn} {peer}"

    def to_metadata(self) -> dict[bytes, bytes]:
        """As metadata of an Arrow schema: plain text, a line an entry."""
        conns = "".join(
            f"{worker} " + f"\n{worker} ".join(conns.values()) + "\n" for worker, conns in self._open.items() if conns
        )
        return {
            b"last_seq": "".join(f"{worker} {seq}\n" for worker, seq in self.last_seq.items()).encode(),
            b"max_conn": str(self.max_conn).encode(),
            b"open_conns": conns.encode(),
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[bytes, bytes]) -> Self:
        """What `to_metadata` wrote; raises KeyError or ValueError when it did not."""
        state = cls(max_conn=int(metadata[b"max_conn"]), max_given_conn=int(metadata[b"max_conn"]))
        for line in metadata[b"last_seq"].decode().splitlines():
            worker, seq = line.split()
            state.last_seq[int(worker)] = int(seq)
        for line in metadata[b"open_conns"].decode().splitlines():
            worker, conn, peer = line.split(" ", 2)
            state._note(int(worker), int(conn), peer)
        return state


def _is_kind(batch: pa.RecordBatch, kind: Kind) -> npt.NDArray[Any]:
    column = batch.column("kind")
    code = column.dictionary.to_pylist().index(KINDS[kind])
    return column.indices.to_numpy() == code  # type: ignore[no-any-return]
