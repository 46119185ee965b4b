"""Where the time of a turn goes: accepting, reading, writing. Measured in some turns, so that the others cost nothing.

A turn that is measured is dispatched by `Phases.turn` in place of the loop: it takes the time around every visit, and
between the read and the write of the hot path, whose record is made just between the two.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from core.engine.loop.calls import Calls
from core.engine.loop.loop import Ready, Visit

Record = Callable[[int, int, int, int], None]

_EVERY_NS: Final = 20_000_000
_SHARE: Final = 40
"""A measured turn takes longer, so after a long one at least this many times its length pass before the next."""


class Phases:
    """Measures a turn every 20 ms at most.

    `replace(record)` puts another function where the hot path records; `record` is its own.
    """

    def __init__(self, record: Record, replace: Callable[[Record], Any], calls: Calls) -> None:
        self._record = record
        self._replace = replace
        self._calls = calls
        self._recorded = 0
        self._spent = (0, 0, 0, 0)

    def turn(self, ready: Ready, visits: dict[int, Visit]) -> int:
        """Make the visits; when the next turn is to be measured (monotonic ns)."""
        began = time.monotonic_ns()
        self._replace(self._noted)
        try:
            self._spent = (1, *self._visit_all(ready, visits))
        finally:
            self._replace(self._record)
        ended = time.monotonic_ns()
        return ended + max(_EVERY_NS, _SHARE * (ended - began))

    def spent(self) -> tuple[int, int, int, int]:
        """1, and the ns that the turn just made took to accept, to read, to write; zeros if it was not measured."""
        spent, self._spent = self._spent, (0, 0, 0, 0)
        return spent

    def _noted(self, conn: int, received: int, sent: int, code: int) -> None:
        self._recorded = time.monotonic_ns()
        self._record(conn, received, sent, code)

    def _visit_all(self, ready: Ready, visits: dict[int, Visit]) -> tuple[int, int, int]:
        """What a visit did is told by the calls that it counted; the hot path counts none, but records."""
        calls, clock = self._calls, time.monotonic_ns
        accept = read = write = 0
        for fd, mask in ready:
            visit = visits.get(fd)
            if visit is None:
                continue
            accepts, reads, writes = calls.accepts, calls.reads, calls.writes
            self._recorded = 0
            began = clock()
            visit(mask)
            ended = clock()
            if self._recorded:
                read += self._recorded - began
                write += ended - self._recorded
            elif calls.writes != writes:
                write += ended - began
            elif calls.reads != reads:
                read += ended - began
            elif calls.accepts != accepts:
                accept += ended - began
        return accept, read, write
