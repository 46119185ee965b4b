"""The turns of the loops of a data directory, for a trace."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.ring.flight_recorder import TURN, LatestReader
from core.ring.ring import RingError
from core.ring.turn_columns import turn_columns


def turns_of(directory: Path, since: int | None, until: int | None) -> Iterator[Mapping[str, npt.NDArray[Any]]]:
    """The latest turns of every loop, as far as they are kept and in the time; a column a fact, `worker` besides.

    Turns that another version wrote, and files that are damaged, are left out. Raises OSError.
    """
    for path in sorted(directory.glob("turns-[0-9]*")):
        try:
            reader = LatestReader(path, TURN)
        except RingError:
            continue
        with reader:
            columns = turn_columns(reader.since(0), reader.wall_offset)
        wanted = np.ones(len(columns["ended"]), np.bool_)
        if since is not None:
            wanted &= columns["ended"] >= since
        if until is not None:
            wanted &= columns["began"] < until
        worker = np.full(len(wanted), int(path.name.rpartition("-")[2]))
        yield {name: column[wanted] for name, column in (columns | {"worker": worker}).items()}
