"""The runs of a server: when each began, where the log stood then, and what the server was told."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from core.durable import write_durably

FILE: Final = "runs.jsonl"
VERSION: Final = 1
_MOST: Final = 1000


@dataclass(frozen=True)
class Run:
    """A run as it was from `at` on (wall clock, ns, as is `begun`); a switch of the model makes another line of it.

    By worker: `recovered` is the number of the last event that the log had when the start began, `marks` that of the
    last one before the run, when what an earlier server left had been taken up. `since`: no event after `recovered` is
    older.
    """

    begun: int
    at: int
    since: int
    recovered: Mapping[int, int]
    marks: Mapping[int, int]
    about: Mapping[str, Any]
    """What the status shows of it: model, reply, workers, echo."""

    def to_line(self) -> str:
        """As a line of JSON."""
        return json.dumps({"version": VERSION, **asdict(self)}) + "\n"

    @classmethod
    def of_line(cls, line: str) -> Self | None:
        """The run of such a line; None for one that is torn or of another version."""
        try:
            values = json.loads(line)
            if values.pop("version") != VERSION:
                return None
            for name in ("recovered", "marks"):
                values[name] = {int(worker): int(seq) for worker, seq in values[name].items()}
            return cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


def read_runs(directory: Path) -> list[Run]:
    """The runs that are known, oldest first."""
    try:
        text = (directory / FILE).read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [run for run in map(Run.of_line, text.splitlines()) if run is not None]


def damage_of(directory: Path) -> str:
    """What of the file can't be read; empty: nothing. Half a line at the end is what a killed server left."""
    path = directory / FILE
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    wrong = sum(Run.of_line(line) is None for line in lines[:-1] or lines)
    return f"{path}: {wrong} of its lines can't be read" if wrong else "" if lines else f"{path}: it is empty"


def run_at(runs: Sequence[Run], time: int) -> Run | None:
    """The latest run that had begun at `time`."""
    return next((run for run in reversed(runs) if run.at <= time), None)


class RunBook:
    """The writer of the runs of a directory. Raises OSError."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._runs = read_runs(directory)

    def begin(self, run: Run, oldest: int | None) -> None:
        """Note a new run, and forget those that ended before `oldest` (ns; None: keep all)."""
        kept = self._runs[-_MOST:]
        while oldest is not None and len(kept) > 1 and kept[1].at <= oldest:
            del kept[0]
        self._runs = [*kept, run]
        write_durably(self._path, "".join(one.to_line() for one in self._runs))

    def switch(self, at: int, model: str) -> None:
        """Note that the run goes on with another model from `at` on."""
        run = replace(self._runs[-1], at=at, about={**self._runs[-1].about, "model": model})
        self._runs.append(run)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(run.to_line())
            file.flush()
            os.fsync(file.fileno())

    @property
    def current(self) -> Run:
        """The run that goes on."""
        return self._runs[-1]
