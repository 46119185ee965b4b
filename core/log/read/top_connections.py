"""Who moved the most bytes."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_PAGE: Final = 1 << 16


class TopConnections:
    """Bytes by connection. The numbers of connections are dense, so they are places in pages: 8 bytes each."""

    def __init__(self) -> None:
        self._pages: dict[int, npt.NDArray[Any]] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the rows of a batch."""
        conns, places = np.unique(batch.column("conn").to_numpy(), return_inverse=True)
        moved = np.zeros(len(conns), np.int64)
        for name in ("bytes_in", "bytes_out"):
            np.add.at(moved, places, batch.column(name).to_numpy().astype(np.int64))
        pages = conns // _PAGE
        for number in np.unique(pages).tolist():
            here = pages == number
            page = self._pages.setdefault(number, np.zeros(_PAGE, np.int64))
            page[conns[here] % _PAGE] += moved[here]
        self._pages.get(0, np.empty(1))[0] = 0  # rows of the server itself

    def top(self, count: int) -> list[tuple[int, int]]:
        """The connections that moved the most, with their bytes, the first of all first."""
        found: list[tuple[int, int]] = []
        for number, page in self._pages.items():
            best = np.argsort(page)[-count:]
            found += [(number * _PAGE + place, int(page[place])) for place in best.tolist() if page[place]]
        return sorted(found, key=lambda one: (-one[1], one[0]))[:count]
