"""What scrapers of metrics are told: figures of now, and histograms that only grow."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from core.watch.kernel.verdict import LATE_S
from core.watch.kernel.verdict_column import VERDICTS, from_record
from core.watch.loop.turns import Turns
from core.watch.measures import Histogram, Measures
from core.watch.moment import Moment
from core.watch.now.table import ENDS, REPLY_WAIT_BOUNDS, STATES

Json = dict[str, Any]

TURN_BOUNDS: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_EVERY_S: Final = 0.25
"""A loop at its limit turns some 40,000 times a second, and 32,768 turns are kept."""
_REMEMBERED_S: Final = 600.0
"""Who has not scraped for so long has gone: the turns are no longer counted."""


def measures(status: Json, rates: Json, moment: Moment, ages: Mapping[int, float], turns: Histogram) -> Measures:
    """The measures of a moment; `ages` are the seconds since each worker's loop turned."""
    states, verdicts = np.zeros(len(STATES), np.int64), np.zeros(len(VERDICTS), np.int64)
    ends, replies = np.zeros(len(ENDS), np.int64), Histogram(REPLY_WAIT_BOUNDS)
    for tally in moment.tallies:
        is_late = ages.get(tally.table.worker, 0.0) > LATE_S
        # The closed have a state and a verdict of their own, which is left out; row 0 is the server itself.
        states += np.bincount(tally.table.states()[1:], minlength=len(STATES))
        judged = from_record(tally.table, moment.now, is_late=is_late)
        verdicts += np.bincount(judged[1:], minlength=len(VERDICTS))
        ends += tally.ended
        replies.add_all(tally.table.reply_waits)
    return Measures(
        status,
        rates,
        _named(STATES[:-1], states),
        {code: count for code, count in _named(VERDICTS, verdicts).items() if code != "closed"},
        _named(ENDS[1:], ends[1:]),
        replies,
        turns,
        max(ages.values(), default=0.0),
    )


def _named(names: Sequence[str], counts: Any) -> dict[str, int]:
    return dict(zip(names, counts.tolist(), strict=False))


class TurnTimes:
    """How long the loops worked in each turn, since someone first asked. Counts in a thread of its own while asked."""

    def __init__(self, turns: Turns, workers: list[int]) -> None:
        self._turns = turns
        self._counted = dict.fromkeys(workers, 0)
        self._histogram = Histogram(TURN_BOUNDS)
        self._lock = threading.Lock()
        self._asked = 0.0
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def histogram(self) -> Histogram:
        """All turns that were counted; a copy."""
        with self._lock:
            self._asked = time.monotonic()
            self._count()
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._go_on, name="turn-times", daemon=True)
                self._thread.start()
            return self._histogram.copy()

    def close(self) -> None:
        """Count no more."""
        with self._lock:
            self._stop.set()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _go_on(self) -> None:
        while not self._stop.wait(_EVERY_S):
            with self._lock:
                if time.monotonic() - self._asked > _REMEMBERED_S:
                    self._thread = None
                    return
                self._count()

    def _count(self) -> None:
        if self._stop.is_set():
            return
        for worker, after in self._counted.items():
            seconds, self._counted[worker] = self._turns.worked_since(worker, after)
            self._histogram.add(seconds)
