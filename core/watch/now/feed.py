"""A worker's ring as the watch reads it, and what is folded from it."""

from collections.abc import Iterator

from core.ring.records import Block
from core.ring.ring import RingReader
from core.watch.now.sums import Sums
from core.watch.now.table import Table
from core.watch.now.tally import Tally

_LONGEST_WAIT_NS = 1_200_000_000
_SECOND = 1_000_000_000


class WorkerFeed(Tally):
    """A tally, the ring that it is of, and the number of the last record of that ring which is folded (`taken`).

    `skipped` counts the records that were overwritten before they were read and are not in the log either.
    """

    def __init__(self, table: Table, taken: int) -> None:
        super().__init__(table, taken)
        self.ring: RingReader
        self.skipped = 0
        self.is_behind = False
        """Whether what was overwritten is being read from the log."""
        self._copy: Tally | None = None
        self._waited_before = self._waited_last = 0

    def as_of_now(self) -> Tally:
        """A copy that does not change any more; the same one until something is folded."""
        if self._copy is None or self._copy.taken != self.taken:
            self._copy = self.copy()
        return self._copy

    def begin(self) -> None:
        """Count from here."""
        super().begin()
        self._copy = None

    def take(self, block: Block) -> Iterator[tuple[int, Sums]]:
        """Fold the next records, in which the clock does not move; the sums of each second. To be exhausted."""
        begin, end = (int(at) + self.ring.wall_offset for at in (block.times[0], block.times[-1]))
        if begin // _SECOND == end // _SECOND and block.holds_echoes_only():
            sums = self.fold_echoes(block, self.ring.wall_offset)
            if sums is not None:
                yield begin // _SECOND, sums
                return
        records, self.ring.wall_offset = block.records(self.ring.wall_offset)
        for part in self.fold(records):
            yield from part.seconds

    def waited(self, now: int) -> int:
        """Ns that the worker has waited until `now`, also before it was replaced or stopped and its count fell."""
        progress = self.ring.progress()
        if progress.waited < self._waited_last:
            self._waited_before += self._waited_last
        self._waited_last = progress.waited
        # The wait that is going on is not counted yet; a turn at the least every second ends it.
        going_on = min(max(0, now - progress.beat), _LONGEST_WAIT_NS)
        return self._waited_before + progress.waited + going_on
