"""Made-up runs of the lab."""

from typing import Any

from core.lab.plan import LabOrder
from core.lab.results.figures import METRICS, summary


def sample(model: str, idle: int, repeat: int = 0, *, served: int = 100, errors: int = 0, **figures: float) -> Any:
    """One measurement; every figure that is not given is 1."""
    known = dict.fromkeys(METRICS, 1.0) | {"quiet": 0.0, "busy": 1.0, "generator": 0.5} | figures
    told = {"figures": known, "served": served, "errors": errors, "error": ""}
    return {"model": model, "workers": 1, "idle": idle, "repeat": repeat, **told}


def rates(model: str, idle: int, *values: float, **figures: Any) -> list[Any]:
    """Repeats that differ in their rate."""
    return [sample(model, idle, repeat, rate=rate, **figures) for repeat, rate in enumerate(values)]


def cannot(model: str, idle: int, why: str) -> Any:
    """A measurement that the model could not do."""
    return {"model": model, "workers": 1, "idle": idle, "repeat": 0, "cannot": why}


def run(samples: list[Any], run_id: str = "20261123-120000-abcd", **order: Any) -> Any:
    """A run that is done, with its points."""
    asked = LabOrder(**order).as_dict()
    return {
        "id": run_id,
        "state": "done",
        "error": "",
        "began": "2026-11-23T12:00:00Z",
        "ended": "2026-11-23T12:01:00Z",
        "order": asked,
        "machine": {"processor": "made up", "cores": 2},
        "samples": samples,
        "points": summary(samples, asked),
    }
