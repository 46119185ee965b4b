"""What happened in the last second, from sums that are looked at a few times a second."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.watch.now.feed import WorkerFeed
from core.watch.now.sums import Sums
from core.watch.now.tally import Rates

_WINDOW_NS: Final = 1_000_000_000


@dataclass(frozen=True)
class _Sample:
    """What rates are made of: monotonic ns, sums, ns that the loops waited."""

    at: int
    echoes: int
    bytes_in: int
    bytes_out: int
    waited: int


class RateWindow:
    """The samples of the last second."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque()
        self.rates = Rates()

    def clear(self) -> None:
        """Begin anew."""
        self._samples.clear()

    def sample(self, totals: Sums, feeds: Sequence[WorkerFeed]) -> None:
        """Note what the sums are now, and what came of them in the last second."""
        now = time.monotonic_ns()
        waited = sum(feed.waited(now) for feed in feeds)
        self._samples.append(_Sample(now, totals.echoes, totals.bytes_in, totals.bytes_out, waited))
        while len(self._samples) > 2 and now - self._samples[1].at >= _WINDOW_NS:
            self._samples.popleft()
        first, last = self._samples[0], self._samples[-1]
        if last.at > first.at and feeds:
            span = (last.at - first.at) / 1e9
            self.rates = Rates(
                (last.echoes - first.echoes) / span,
                (last.bytes_in - first.bytes_in) / span,
                (last.bytes_out - first.bytes_out) / span,
                min(1.0, max(0.0, 1 - (last.waited - first.waited) / (last.at - first.at) / len(feeds))),
            )
