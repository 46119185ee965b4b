"""A run of the lab: one measurement after the other, until all are made or someone calls it off."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from core.lab.machine import machine
from core.lab.measure import CancelledError, MeasureError, measure
from core.lab.plan import LabOrder, Measurement, Point, schedule, step_seconds
from core.lab.results.figures import figures

Json = dict[str, Any]
Measure = Callable[[LabOrder, Point, Callable[[], bool], Callable[[str], None]], Json]

STATES: Final = ("running", "done", "cancelled", "failed", "interrupted")


class _At(NamedTuple):
    """How many measurements have been made, what is being done, and for which; replaced as one, as others read it."""

    done: int
    doing: str
    step: Measurement


class LabRun:
    """`work` measures and returns; every other method is for any thread.

    `changed(self)` is called whenever a measurement has been made, and at the end.
    """

    def __init__(
        self, run_id: str, order: LabOrder, changed: Callable[["LabRun"], None], measure_one: Measure = measure
    ) -> None:
        self.id = run_id
        self.order = order
        self._changed = changed
        self._measure = measure_one
        self._cancelled = threading.Event()
        self._steps = schedule(order)
        self._planned = [step_seconds(order, step.point) for step in self._steps]
        self._cannot: set[Point] = set()
        self._samples: list[Json] = []
        self._at = _At(0, "starting", self._steps[0])
        self._spent = self._planned_spent = 0.0
        self._began = datetime.now(UTC)
        self._clock = time.monotonic()
        self._ended: datetime | None = None
        self._state, self._error = "running", ""
        self._machine = machine()

    def work(self) -> None:
        """Measure everything; what fails is told, and ends nothing but its own measurement."""
        state, error = "failed", ""
        try:
            for index, step in enumerate(self._steps):
                self._step(index, step)
            state = "done"
        except CancelledError:
            state = "cancelled"
        except OSError as failure:
            error = f"{failure.filename or 'the machine'}: {failure.strerror}"
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
            raise
        finally:
            self._ended = datetime.now(UTC)
            self._error, self._state = error, state
            self._changed(self)

    def cancel(self) -> None:
        """Call it off: within a moment all processes are gone. Does not wait."""
        self._cancelled.set()

    def progress(self) -> Json:
        """How far it is: measurements `done` of `total`, what is being measured, seconds so far and to go."""
        done, doing, step = self._at
        return {
            "state": self._state,
            "done": done,
            "total": len(self._steps),
            "doing": doing,
            "repeat": step.repeat + 1,
            **step.point._asdict(),
            "elapsed_s": round(time.monotonic() - self._clock, 1),
            "left_s": round(self._left(done), 1),
        }

    def head(self) -> Json:
        """What a list shows of it."""
        return {
            "id": self.id,
            "state": self._state,
            "began": _text(self._began),
            "ended": self._ended and _text(self._ended),
            "order": self.order.as_dict(),
        }

    def as_dict(self) -> Json:
        """All that is worth keeping, as JSON values."""
        return {
            **self.head(),
            "error": self._error,
            "machine": self._machine,
            "samples": list(self._samples),
        }

    def _step(self, index: int, step: Measurement) -> None:
        if self._cancelled.is_set():
            raise CancelledError
        began = time.monotonic()
        if step.point not in self._cannot:  # once is enough to know why
            self._samples.append({**step.point._asdict(), "repeat": step.repeat, **self._sample(step)})
            self._spent += time.monotonic() - began
            self._planned_spent += self._planned[index]
        following = self._steps[index + 1] if index + 1 < len(self._steps) else step
        self._at = _At(index + 1, "starting", following)
        self._changed(self)

    def _sample(self, step: Measurement) -> Json:
        def tell(what: str) -> None:
            self._at = self._at._replace(doing=what)

        try:
            found = self._measure(self.order, step.point, self._cancelled.is_set, tell)
        except MeasureError as error:
            return {"failed": str(error)}
        if "cannot" in found:
            self._cannot.add(step.point)
            return {"cannot": found["cannot"]}
        result = found["result"]
        told = {name: result[name] for name in ("served", "errors", "error")}
        return {"figures": _rounded(figures(step.point, result)), **told, "lost": result.get("lost", 0)}

    def _left(self, done: int) -> float:
        """By the pace so far."""
        if self._state != "running":
            return 0.0
        left = sum(
            planned
            for planned, step in zip(self._planned[done:], self._steps[done:], strict=True)
            if step.point not in self._cannot
        )
        return left * (self._spent / self._planned_spent if self._planned_spent else 1.0)


def _rounded(values: dict[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else float(f"{value:.6g}") for name, value in values.items()}


def _text(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")
