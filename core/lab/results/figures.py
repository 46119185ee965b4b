"""What a measurement comes to in figures, and several of them in a median and a spread. Pure."""

import statistics
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from core.engine.pollers.backends import POLLERS
from core.lab.plan import REFERENCES, Point

Json = dict[str, Any]


class Metric(NamedTuple):
    """A figure: what it is called, its unit, whether more of it is better (None: neither), and what it means."""

    label: str
    unit: str
    more: bool | None
    meaning: str


METRICS: Final = {
    "rate": Metric("Echoes", "/s", True, "Messages that came back whole, a second, on all active connections together"),
    "p50": Metric("Median reply", "µs", False, "Half of the replies took at most this long, from send to receive"),
    "p99": Metric("p99 reply", "µs", False, "99 of 100 replies took at most this long"),
    "p999": Metric("p99.9 reply", "µs", False, "999 of 1,000 replies took at most this long"),
    "cpu_us": Metric("CPU", "µs an echo", False, "Processor time of the server, all its threads, for each echo"),
    "calls": Metric(
        "System calls",
        "an echo",
        False,
        "Waits, accepts, reads and writes of the server an echo, counted by the engine; references count none",
    ),
    "scanned": Metric(
        "Looked at",
        "a ready one",
        False,
        "Descriptors that the server looks at for each one that had something to read; epoll looks at no other",
    ),
    "wakeups": Metric(
        "Wake-ups", "/s", None, "How often a thread of the server slept and was woken, counted by the kernel"
    ),
    "turns": Metric("Turns", "/s", None, "Waits of the loop a second; models that block have no loop"),
    "busy": Metric("Server busy", "of a core", None, "Processor time of the server, a second, while it is loaded"),
    "quiet": Metric("At rest", "of a core", False, "Processor time that it takes while all are connected and silent"),
    "generator": Metric(
        "Generator busy", "of a core", None, "Near 1 while the server is not: then it is the load generator that limits"
    ),
}


class Spread(NamedTuple):
    """The middle of the repeats, the least and the most."""

    median: float
    low: float
    high: float


def figures(point: Point, result: Mapping[str, Any]) -> dict[str, float | None]:
    """The METRICS of one measurement (what core.lab.generator reports); None where nothing was counted."""
    took, echoes = result["took"], result["echoes"]
    seconds, latency = max(took["time"], 1e-9), result["latency_us"]
    looped = point.model in POLLERS
    return {
        "rate": echoes / max(result["seconds"], 1e-9),
        **{name: latency[name] for name in ("p50", "p99", "p999")},
        "cpu_us": 1e6 * took["cpu"] / echoes if echoes else None,
        "calls": _calls(point, took, echoes),
        "scanned": result["scanned_a_turn"] * took["turns"] / took["records"] if looped and took["records"] else None,
        "wakeups": took["switches"] / seconds,
        "turns": took["turns"] / seconds if looped else None,
        "busy": took["cpu"] / seconds,
        "quiet": result["quiet"]["cpu"] / max(result["quiet"]["time"], 1e-9),
        "generator": result["generator_cpu"] / max(result["seconds"], 1e-9),
    }


def _calls(point: Point, took: Mapping[str, float], echoes: int) -> float | None:
    if not echoes or point.model in REFERENCES:
        return None
    if point.model in POLLERS:
        waits = took["turns"] if POLLERS[point.model]().asks else 0
        return (took["calls"] + waits) / echoes
    # Models that block make one read and one write for each row that they record.
    return 2 * took["records"] / echoes


def spread(values: Iterable[float | None]) -> Spread | None:
    """Of the values that are known; None without any."""
    known = [value for value in values if value is not None]
    return Spread(statistics.median(known), min(known), max(known)) if known else None


def overlap(one: Spread, other: Spread) -> bool:
    """Whether what was measured of both has values in common: then a difference may be noise."""
    return one.low <= other.high and other.low <= one.high


def summary(samples: list[Json], order: Json) -> list[Json]:
    """The points of a run that have been measured, models as they were asked for, each with its spreads.

    A sample is `{model, workers, idle, repeat}` and `figures` with `served` and `errors`, or `cannot`, or `failed`. A
    point has `figures` of `{median, low, high}`, and `cannot` (why, or empty).
    """
    grouped: dict[tuple[str, int, int], list[Json]] = {}
    for sample in samples:
        grouped.setdefault((sample["model"], sample["workers"], sample["idle"]), []).append(sample)
    rank = {model: index for index, model in enumerate(order["models"])}
    return [_point(key, grouped[key]) for key in sorted(grouped, key=lambda key: (rank[key[0]], *key[1:]))]


def _point(key: tuple[str, int, int], group: list[Json]) -> Json:
    measured = [sample for sample in group if "figures" in sample]
    cannot = next((sample["cannot"] for sample in group if "cannot" in sample), "")
    failed = next((sample["failed"] for sample in group if "failed" in sample), "")
    spreads = {name: spread(sample["figures"].get(name) for sample in measured) for name in METRICS}
    return {
        **dict(zip(("model", "workers", "idle"), key, strict=True)),
        "repeats": len(measured),
        "served": min((sample["served"] for sample in measured), default=0),
        "errors": sum(sample["errors"] for sample in measured),
        "cannot": cannot,
        "failed": failed,
        "figures": {name: found and found._asdict() for name, found in spreads.items()} if measured else {},
    }
