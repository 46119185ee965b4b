"""The lab as the dashboard sees it: one run at a time, and the saved ones."""

import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from core.lab.machine import machine
from core.lab.plan import PRESETS, REFERENCES, LabOrder, estimate, known_models, order_of, schedule
from core.lab.results.compare import compare
from core.lab.results.conclusion import verdict
from core.lab.results.figures import METRICS, summary
from core.lab.results.points_table import to_csv
from core.lab.results.store import Store
from core.lab.run import LabRun
from core.orders.exclusive import Claim, OneAtATime

FOLDER: Final = "lab"
_STOP_S: Final = 10.0

Json = dict[str, Any]


class LabRuns:
    """Starts, follows and keeps runs in a data directory. May be used from any thread."""

    def __init__(self, data_dir: Path, guard: OneAtATime) -> None:
        self._store = Store(data_dir / FOLDER)
        self._guard = guard
        self._lock = threading.Lock()
        self._run: LabRun | None = None
        self._thread: threading.Thread | None = None
        self._changes = 0
        self._heads: dict[tuple[str, int], Json] = {}

    def options(self) -> Json:
        """What can be asked for: models, defaults, presets, the figures and what they mean, and this machine."""
        return {
            "models": list(known_models()),
            "references": list(REFERENCES),
            "defaults": LabOrder().as_dict(),
            "presets": {name: {**LabOrder().as_dict(), **preset} for name, preset in PRESETS.items()},
            "metrics": {name: metric._asdict() for name, metric in METRICS.items()},
            "machine": machine(),
        }

    def estimate(self, values: Mapping[str, Any]) -> Json:
        """About how long an order takes, `seconds`, and how many `measurements` it is. Raises OrderError."""
        order = order_of(values)
        return {"seconds": round(estimate(order), 1), "measurements": len(schedule(order)), "order": order.as_dict()}

    def start(self, values: Mapping[str, Any]) -> Json:
        """Begin a run: its `id`. Raises OrderError, BusyError while something else runs, and OSError."""
        order = order_of(values)
        run_id = self._store.new_id()
        claim = self._guard.claim(f"lab run {run_id}", estimate(order))
        try:
            run = LabRun(run_id, order, self._changed)
            thread = threading.Thread(target=self._work, args=(run, claim), name="lab", daemon=True)
            with self._lock:
                self._run, self._thread = run, thread
                self._store.save(run.as_dict())
                thread.start()  # it may be one too many for the system
        except BaseException:
            self._run = None
            claim.release()
            self._store.delete(run_id)
            raise
        return {"id": run_id, "seconds": round(estimate(order), 1)}

    def cancel(self, run_id: str) -> bool:
        """Whether that run is under way; it is called off, which takes a moment."""
        run = self._current(run_id)
        if run is None:
            return False
        run.cancel()
        return True

    def live(self) -> Json:
        """What is under way: `running` (null: nothing) with its progress, and a number that changes with the runs."""
        run = self._run
        running = None
        if run is not None and (progress := run.progress())["state"] == "running":
            running = {"id": run.id, **progress}
        other = self._guard.running()
        return {"running": running, "busy": other and asdict(other), "changes": self._changes}

    def runs(self) -> list[Json]:
        """All runs, newest first, without their samples."""
        versions = self._store.versions()
        # A run that is over does not change: its samples, which may be megabytes, are read once.
        self._heads = {key: head for key, head in self._heads.items() if versions.get(key[0]) == key[1]}
        for key in versions.items():
            run = None if key in self._heads else self._load(key[0])
            if run is not None:
                self._heads[key] = {name: run[name] for name in ("id", "state", "began", "ended", "order")}
        heads = [self._heads[key] for key in versions.items() if key in self._heads]
        current = self._run
        return [current.head() if current and head["id"] == current.id else dict(head) for head in heads]

    def run(self, run_id: str) -> Json | None:
        """A run with its `points` and its `verdict`; None: there is none."""
        run = self._load(run_id)
        if run is None:
            return None
        points = summary(run["samples"], run["order"])
        return {**run, "points": points, "verdict": verdict(points, run)}

    def compare(self, before: str, after: str) -> Json | None:
        """How two runs differ; None: one of them is not there."""
        one, other = self.run(before), self.run(after)
        return None if one is None or other is None else compare(one, other)

    def csv(self, run_id: str) -> str | None:
        """The points of a run as CSV."""
        run = self.run(run_id)
        return None if run is None else to_csv(run, run["points"])

    def delete(self, run_id: str) -> bool:
        """Whether there was such a run, one that is not under way; it is gone."""
        with self._lock:
            if self._current(run_id) is not None or not self._store.delete(run_id):
                return False
            if self._run is not None and self._run.id == run_id:
                self._run = None  # what it may still have to save is not wanted any more
            self._changes += 1
            return True

    def stop(self) -> None:
        """Call off what is under way and wait until its processes are gone."""
        with self._lock:
            run, thread = self._run, self._thread
        if run is not None and thread is not None:
            run.cancel()
            thread.join(_STOP_S)

    def _work(self, run: LabRun, claim: Claim) -> None:
        with claim:
            run.work()

    def _changed(self, run: LabRun) -> None:
        with self._lock:
            if run is self._run:
                self._store.save(run.as_dict())
                self._changes += 1

    def _current(self, run_id: str) -> LabRun | None:
        run = self._run
        return run if run is not None and run.id == run_id and run.progress()["state"] == "running" else None

    def _load(self, run_id: str) -> Json | None:
        current = self._run
        if current is not None and current.id == run_id:
            return current.as_dict()  # its file may be a measurement behind
        run = self._store.load(run_id)
        # One that says it runs and is not ours was cut off by the end of its server.
        if run is not None and run["state"] == "running":
            run["state"] = "interrupted"
        return run
