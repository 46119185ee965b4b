"""How connections came: through which proxy, and what its header said, from the files that the loops write."""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.ring.flight_recorder import ORIGIN, LatestReader
from core.ring.peer_text import peer_text
from core.ring.recorder import Files
from core.ring.ring import RingError
from core.watch.now.table import Table

Json = dict[str, Any]
Numbers = npt.NDArray[Any]
DIRECT: Final[Json] = {"via": ""}
HERE: Final = "tls_here"
"""A fact of connections whose TLS ends at this server; what the header of a proxy says of its own has other names."""
"""The origin of a connection that came through no proxy."""


class Origins:
    """The latest 32,768 connections of each worker that came through a proxy; of older ones nothing is known."""

    def __init__(self, directory: Path) -> None:
        """Nothing is opened before it is asked for: a worker makes its file when it starts."""
        self._directory = directory
        self._readers: dict[int, LatestReader] = {}

    def add_to(self, items: Iterable[Json]) -> None:
        """Give each item of the API its `via`, and what the header of its proxy said as `proxy`."""
        by_worker: dict[int, dict[int, Json]] = {}
        for item in items:
            item |= DIRECT
            by_worker.setdefault(item["worker"], {})[item["conn"]] = item
        for worker, wanted in by_worker.items():
            reader = self._reader(worker)
            if reader is None:
                continue
            for found in reader.find("conn", *wanted):
                facts = json.loads(found["facts"].tobytes()[: int(found["length"])])
                item = wanted[int(found["conn"])]
                if HERE in facts:
                    item["tls"] = {"version": facts.pop(HERE), **facts}
                else:
                    item |= {"via": peer_text(found["via"].tobytes(), int(found["port"])), "proxy": facts}

    def column(self, tables: Iterable[Table]) -> tuple[Numbers, list[str]]:
        """Of each row of the tables the proxy's address alone: a code, and what it stands for."""
        values, parts = {"": 0}, []
        for table in tables:
            codes = np.zeros(table.size, np.int64)
            reader = self._reader(table.worker)
            found = None if reader is None else reader.since(0)
            if found is not None:
                found = found[found["port"] > 0]  # of the others only TLS is known
            if found is not None and len(found):
                addresses, of = np.unique(found["via"], return_inverse=True)
                names = [peer_text(address.tobytes(), 0).rpartition(":")[0] for address in addresses]
                known = np.array([values.setdefault(name, len(values)) for name in names])
                conns = found["conn"].astype(np.int64)
                rows = np.minimum(np.searchsorted(table["conn"], conns), table.size - 1)
                is_here = table["conn"][rows] == conns
                codes[rows[is_here]] = known[of][is_here]
            parts.append(codes)
        return np.concatenate(parts), list(values)

    def close(self) -> None:
        """Give the files back."""
        for reader in self._readers.values():
            reader.close()

    def _reader(self, worker: int) -> LatestReader | None:
        if worker not in self._readers:
            with suppress(FileNotFoundError, RingError):
                self._readers[worker] = LatestReader(Files.of(self._directory, worker).origins, ORIGIN)
        return self._readers.get(worker)
