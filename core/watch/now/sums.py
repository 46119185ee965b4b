"""What a run of records adds up to."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from core.ring.events import Kind
from core.ring.records import Records

_NONE: Final = np.empty(0, np.int64)


@dataclass
class Sums:
    """Counts of events and bytes; an echo is a chunk that was read and answered."""

    events: int = 0
    lost: int = 0
    accepted: int = 0
    closed: int = 0
    refused: int = 0
    echoes: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def __iadd__(self, other: Self) -> Self:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)
        return self

    @classmethod
    def of(cls, records: Records) -> Self:
        """The sums of `records`, whose payload of peers is zeroed."""
        kinds = np.bincount(records["kind"], minlength=len(Kind))
        bytes_in = records["bytes_in"]
        losses = np.flatnonzero(records["kind"] == Kind.LOST) if kinds[Kind.LOST] else _NONE
        return cls(
            len(records),
            int(records["queue_chunks"][losses].sum(dtype=np.uint64)),
            int(kinds[Kind.OPEN]),
            int(kinds[Kind.CLOSE]),
            int(kinds[Kind.REFUSE]),
            int(np.count_nonzero(bytes_in)) - int(np.count_nonzero(bytes_in[losses])),
            int(bytes_in.sum(dtype=np.uint64)),
            int(records["bytes_out"].sum(dtype=np.uint64)),
        )


def by_second(records: Records) -> Iterator[tuple[int, Sums]]:
    """The sums of each second (since 1970) that `records`, which are in order of time, fall into."""
    start = 0
    while start < len(records):
        second = int(records["time"][start]) // 1_000_000_000
        end = int(np.searchsorted(records["time"], (second + 1) * 1_000_000_000))
        yield second, Sums.of(records[start:end])
        start = end
