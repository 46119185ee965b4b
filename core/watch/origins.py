"""How connections came: through which proxy, and what its header said, from the files that the loops write."""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from core.log.format.rows import peer_text
from core.ring.flight_recorder import ORIGIN, LatestReader
from core.ring.recorder import Files
from core.ring.ring import RingError

Json = dict[str, Any]
DIRECT: Final[Json] = {"via": ""}
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
                via = peer_text(found["via"].tobytes(), int(found["port"]))
                facts = json.loads(found["facts"].tobytes()[: int(found["length"])])
                wanted[int(found["conn"])] |= {"via": via, "proxy": facts}

    def close(self) -> None:
        """Give the files back."""
        for reader in self._readers.values():
            reader.close()

    def _reader(self, worker: int) -> LatestReader | None:
        if worker not in self._readers:
            with suppress(FileNotFoundError, RingError):
                self._readers[worker] = LatestReader(Files.of(self._directory, worker).origins, ORIGIN)
        return self._readers.get(worker)
