"""Samples of connections that someone looks at: asked for once for all who look, the last few kept."""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from core.ring.clock import wall_offset
from core.ring.flight_recorder import SAMPLE, LatestReader
from core.ring.ring import RingError
from core.watch.kernel.facts import Value, decode

Ask = Callable[[int, list[int], float], Mapping[int, Mapping[str, Any]]]
"""Samples of connections of a worker, as far as they are answered within so many seconds."""

FRESH_S: Final = 0.25
_TIMEOUT_S: Final = 1.0
_SILENCE_S: Final = 2.0
_MOST: Final = 64
_KEPT: Final = 256
_SAMPLES_OF: Final = re.compile(r"samples-(\d{1,4})")
_SAMPLES: Final = 8  # two seconds of one that is looked at


class Seen(NamedTuple):
    """The latest sample, an earlier one if there is, and the seconds between the two."""

    now: Mapping[str, Value]
    before: Mapping[str, Value] | None
    span: float
    at: int
    """When the latest was taken, CLOCK_MONOTONIC, ns."""


class _Series:
    """The samples of one connection; `asked` is when they were last asked for."""

    def __init__(self) -> None:
        self.asked = float("-inf")
        self.samples: deque[tuple[int, Mapping[str, Value]]] = deque(maxlen=_SAMPLES)

    def seen(self) -> Seen | None:
        if not self.samples:
            return None
        (first, before), (at, now) = self.samples[0], self.samples[-1]
        return Seen(now, before if at > first else None, (at - first) / 1e9, at)


class Sampler:
    """Answers from samples that are at most FRESH_S old; may be used from any thread."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._series: dict[int, _Series] = {}
        self._silent: dict[int, float] = {}  # worker: until when it is not asked
        self._lock = threading.Lock()

    def look(self, conns: Mapping[int, int]) -> dict[int, Seen]:
        """Samples of `conns` (connection: worker); those that nothing is known of are left out."""
        with self._lock:
            now = time.monotonic()
            stale: dict[int, list[int]] = {}
            for conn, worker in conns.items():
                # Those looked at last stand last.
                self._series[conn] = series = self._series.pop(conn, None) or _Series()
                if now - series.asked >= FRESH_S:
                    stale.setdefault(worker, []).append(conn)
            for worker, wanted in stale.items():
                self._refresh(worker, wanted[:_MOST])
            while len(self._series) > _KEPT:
                del self._series[next(iter(self._series))]
            found = {conn: self._series[conn].seen() for conn in conns if conn in self._series}
        return {conn: seen for conn, seen in found.items() if seen is not None}

    def known(self, within_s: float) -> dict[int, Seen]:
        """By connection the samples that are at most so old; asks nothing."""
        oldest = time.monotonic_ns() - int(within_s * 1e9)
        with self._lock:
            found = ((conn, series.seen()) for conn, series in self._series.items())
            return {conn: seen for conn, seen in found if seen is not None and seen.at >= oldest}

    def _refresh(self, worker: int, conns: list[int]) -> None:
        now = time.monotonic()
        if now < self._silent.get(worker, 0.0):
            return self._forget(conns)
        answers = self._ask(worker, conns, _TIMEOUT_S)
        if not answers and time.monotonic() - now >= _TIMEOUT_S:
            self._silent[worker] = time.monotonic() + _SILENCE_S
        for conn in conns:
            series = self._series[conn]
            series.asked = time.monotonic()
            sample = answers.get(conn)
            if sample is None:
                series.samples.clear()
            elif not series.samples or sample["at"] > series.samples[-1][0]:
                series.samples.append((sample["at"], decode(sample)))
        return None

    def _forget(self, conns: list[int]) -> None:
        """What was sampled before a silence says nothing of now."""
        for conn in conns:
            self._series[conn].samples.clear()


class LastSamples:
    """The samples that were taken just before the latest closes, also by workers and servers that are gone."""

    def __init__(self, directory: Path) -> None:
        """Files that are damaged or of another version are left out. Raises OSError."""
        self._readers: dict[int, LatestReader] = {}
        for path in sorted(directory.iterdir()):
            name = _SAMPLES_OF.fullmatch(path.name)
            if name:
                with suppress(RingError):
                    self._readers[int(name[1])] = LatestReader(path, SAMPLE)

    def find(self, conn: int, worker: int) -> Seen | None:
        """The last sample of a closed connection, if it is still kept."""
        if worker not in self._readers:
            return None
        found = self._readers[worker].find("conn", conn)
        if not len(found):
            return None
        last = found[-1]
        info = last["info"].tobytes()[: int(last["length"])]
        return Seen(decode({"info": info}), None, 0.0, int(last["time"]) - wall_offset())

    def close(self) -> None:
        """Give the files back."""
        for reader in self._readers.values():
            reader.close()
