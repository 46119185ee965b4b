"""What the server processes of a measurement have taken and counted so far, read from outside of them."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np

from core.ring.flight_recorder import TURN, LatestReader
from core.ring.recorder import Files
from core.ring.ring import RingReader

_CPUCLOCK_SCHED: Final = 2
_COUNTS: Final = ("accepts", "reads", "writes")


@dataclass(frozen=True)
class Reading:
    """Sums over all processes since their start; those of the engine are 0 where nothing is counted.

    `cpu`: seconds of processor time. `switches`: how often a thread slept and was woken. `records`: events.
    `turns`: waits of the loops. `calls`: calls on sockets. `waited`: seconds that loops have waited.
    """

    time: float
    cpu: float
    switches: int
    records: int
    turns: int
    calls: int
    waited: float

    def since(self, earlier: Self) -> dict[str, float]:
        """What has been added, by name."""
        return {name: getattr(self, name) - getattr(earlier, name) for name in self.__dataclass_fields__}


class Probe:
    """Of processes and, for the engine's, of the rings and turns in a directory (workers 1..N)."""

    def __init__(self, pids: list[int], directory: Path | None) -> None:
        """Raises OSError and RingError when the files are not there."""
        self._pids = pids
        files = [Files.of(directory, number + 1) for number in range(len(pids))] if directory else []
        self._rings = [RingReader(each.ring) for each in files]
        self._turns = [LatestReader(each.turns, TURN) for each in files]
        self._newest = [0] * len(files)
        self._began = [0] * len(files)

    def take(self, first: bool) -> Reading:
        """All at about the same time; the switches, which take long to read, before the rest or after it."""
        switches = self._switches() if first else 0
        now, cpu = time.perf_counter(), sum(_cpu_seconds(pid) for pid in self._pids)
        progress = [ring.progress() for ring in self._rings]
        turns, calls = self._counts()
        if first:
            self._began = list(self._newest)
        return Reading(
            now,
            cpu,
            switches or self._switches(),
            sum(each.head for each in progress),
            turns,
            calls,
            sum(each.waited for each in progress) / 1e9,
        )

    def records(self) -> int:
        """How many events have been recorded."""
        return sum(ring.progress().head for ring in self._rings)

    def scanned_a_turn(self) -> float:
        """Descriptors that a wait looks at, on average of the turns since the `first` reading that are still kept."""
        kept = [reader.since(began)["scanned"] for reader, began in zip(self._turns, self._began, strict=True)]
        scanned = np.concatenate(kept) if kept else np.zeros(0)
        return float(scanned.mean()) if len(scanned) else 0.0

    def close(self) -> None:
        """Give the maps back."""
        for ring in self._rings:
            ring.close()
        for turns in self._turns:
            turns.close()

    def _counts(self) -> tuple[int, int]:
        turns = calls = 0
        for index, reader in enumerate(self._turns):
            self._newest[index] = newest = reader.newest(self._newest[index])
            turns += newest
            if newest:
                last = reader.since(newest - 1)[-1]
                # The hot path makes one read and one write; all other calls are counted where they are made.
                calls += 2 * int(last["echoes"]) + sum(int(last[name]) for name in _COUNTS)
        return turns, calls

    def _switches(self) -> int:
        return sum(_switches(task) for pid in self._pids for task in Path(f"/proc/{pid}/task").iterdir())


def _cpu_seconds(pid: int) -> float:
    """User and system time of a whole process (clock_getcpuclockid(3); the encoding is that of the kernel's ABI)."""
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


def _switches(task: Path) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                return int(line.split()[1])
    return 0


def pin(cores: set[int]) -> None:
    """Stay on these processors."""
    os.sched_setaffinity(0, cores)
