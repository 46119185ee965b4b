"""What answers are made from, be it now or at a moment of the past."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from core.log.format.dropped import Dropped
from core.watch import flow
from core.watch.kernel.verdict_column import Judged
from core.watch.now.listing import Listing
from core.watch.now.recent import Recent
from core.watch.now.table import Table
from core.watch.now.tally import Rates, Tally

Json = dict[str, Any]
Moved = Mapping[int, tuple[Any, Any, Any]]
"""By worker: connections, bytes in and bytes out, row by row."""
_NOTHING: Final = (np.empty(0, np.int64),) * 3


@dataclass(frozen=True)
class Moment:
    """The state of a server at `now` (wall clock, ns). What a moment of the past can't tell is None.

    `about` is what the server was told, as the status shows it; `history` answers the newest events of a connection, at
    most a number of them, and of how many events in all; `series` the charts' columns of a number of seconds. Nothing
    in it changes, so whoever has one may take as long as it needs.
    """

    now: int
    uptime_s: float
    about: Mapping[str, Any]
    tallies: Sequence[Tally]
    rates: Rates
    history: Callable[[int, int], tuple[list[Json], int]]
    series: Callable[[int], Json]
    lag_ms: float | None = None
    log_bytes: int | None = None
    is_live: bool = False
    last_second: Callable[[], Moved] | None = None
    """What was moved in the second before a moment of the past; of the present the tallies know."""
    _flows: dict[int, flow.Rates] = field(default_factory=dict)

    def listing(self, judged: Judged | None = None) -> Listing:
        """The connections; without `judged` their verdicts are those of the record."""
        return Listing((tally.table for tally in self.tallies), self.now, self.rates_of, judged)

    def rates_of(self, table: Table) -> flow.Rates:
        """Bytes per second of each row, worked out once."""
        found = self._flows.get(table.worker)
        if found is None:
            if self.last_second is not None:
                found = flow.of_second(table, *self.last_second().get(table.worker, _NOTHING))
            else:
                marks = next(tally.marks for tally in self.tallies if tally.table is table)
                found = flow.since_mark(marks, table, self.now)
            self._flows[table.worker] = found
        return found


class Source(Protocol):
    """Where the present comes from: the watch of a running server, or the end of a log."""

    recent: Recent
    """What live tails look at."""
    is_replay: bool
    """Whether there is no server, only its log."""

    def moment(self) -> Moment:
        """The present."""

    def catch_up(self) -> None:
        """Bring the log up to all that has happened."""

    def written(self, upto: int) -> int:
        """Bring the log up to `upto` (ns) if need be; up to when it is whole."""

    def latest(self) -> int:
        """The newest moment that can be asked for (ns)."""

    def sign(self) -> Hashable:
        """Something else whenever a connection came, went, was refused, blocked or freed, or an event was lost."""

    def on_news(self, tell: Callable[[], None]) -> None:
        """Call `tell` whenever something happened, from any thread; it must not take long."""

    def trouble(self) -> str:
        """What is wrong; empty: nothing."""

    def dropped(self) -> Dropped:
        """What retention has dropped from the beginning of the log."""

    def damage(self) -> str:
        """What is damaged in the log, one line; empty: nothing."""

    def skipped(self) -> int:
        """Events that are in no figure."""

    def beat_ages(self) -> dict[int, float]:
        """Seconds since each worker's loop turned."""
