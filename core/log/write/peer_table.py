"""The peer of each open connection of a worker: records carry it once, every row of the log has it."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.log.format.rows import ADDRESS_KINDS, peers_of
from core.ring.events import Kind
from core.ring.records import Records

Numbers = npt.NDArray[Any]

_LEAST_FORGOTTEN: Final = 4096


class PeerTable:
    """Connections by number, found by binary search; the first is the server itself."""

    def __init__(self, peers: Mapping[int, str]) -> None:
        """`peers` are those of the connections that are open."""
        self._conns = np.zeros(1, np.int64)
        self._peers = np.array([""], object)
        self._size = 1
        self._ended: list[Numbers] = []
        conns = np.array(sorted(peers), np.int64)
        self._add(conns, np.array([peers[conn] for conn in conns.tolist()], object))

    def places(self, records: Records) -> tuple[Numbers, Numbers]:
        """The place of each record's peer in the peers that are answered too; connections that open are added.

        May be called again for records that could not be written.
        """
        kind, conns = records["kind"], records["conn"]
        carriers = np.flatnonzero(ADDRESS_KINDS[kind])
        refused = np.empty(0, object)
        if len(carriers):
            names = np.array(peers_of(records[carriers]), object)
            opens = kind[carriers] == Kind.OPEN
            self._add(conns[carriers][opens], names[opens])
            refused = names[~opens]
        known = self._conns[: self._size]
        places = np.searchsorted(known, conns)
        places[places == self._size] = 0
        places[known[places] != conns] = 0  # its `open` was lost
        if len(refused):
            places[kind == Kind.REFUSE] = np.arange(self._size, self._size + len(refused))
        peers = self._peers[: self._size]
        return places, np.concatenate([peers, refused]) if len(refused) else peers

    def forget(self, records: Records) -> None:
        """Those that close in records that were written are not needed any more."""
        self._ended.append(records["conn"][records["kind"] == Kind.CLOSE])
        if sum(map(len, self._ended)) < max(_LEAST_FORGOTTEN, self._size // 2):
            return
        conns = self._conns[: self._size]
        kept = ~np.isin(conns, np.concatenate(self._ended))
        self._conns, self._peers = conns[kept], self._peers[: self._size][kept]
        self._size, self._ended = len(self._conns), []

    def _add(self, conns: Numbers, names: Numbers) -> None:
        if not len(conns):
            return
        if conns[0] <= self._conns[self._size - 1] or (np.diff(conns) <= 0).any():
            every = np.concatenate([self._conns[: self._size], conns])
            self._conns, first = np.unique(every, return_index=True)
            self._peers = np.concatenate([self._peers[: self._size], names])[first]
            self._size = len(self._conns)
            return
        added = slice(self._size, self._size + len(conns))
        if added.stop > len(self._conns):
            room = max(len(conns), self._size)
            self._conns = np.concatenate([self._conns, np.zeros(room, np.int64)])
            self._peers = np.concatenate([self._peers, np.full(room, "", object)])
        self._conns[added], self._peers[added] = conns, names
        self._size = added.stop
