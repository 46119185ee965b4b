"""What a run of the lab shall measure: which points, in which order, and how long that takes. Pure."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

from core.bad_value import BadValueError

MODELS: Final = ("blocking", "busy", "threads", "select", "poll", "epoll", "epoll-et")
REFERENCES: Final = ("asyncio", "uvloop")
"""Echo servers of others, in one process each; they count nothing."""
PRESETS: Final[dict[str, dict[str, Any]]] = {
    "quick": {"models": ["select", "poll", "epoll"], "idle": [0, 800], "seconds": 1.0, "repeats": 3, "active": 100},
    "full": {"models": list(MODELS), "idle": [0, 100, 1_000, 10_000], "seconds": 2.0, "repeats": 3, "active": 100},
}
MOST_POINTS: Final = 200
MOST_SECONDS: Final = 4 * 3600.0

WARM_S: Final = 0.3
"""How long a server is warmed up by connections that are closed again."""
PROBE_S: Final = 0.25
"""The slices in which it is found out which connections are served."""
QUIET_S: Final = 0.3
"""How long nothing is sent, to see what waiting costs."""
_START_S: Final = 0.9
_CONNECT_S: Final = 1 / 9_000


class OrderError(BadValueError):
    """An order that can't be run; the text names the field."""


class Point(NamedTuple):
    """One combination that is measured."""

    model: str
    workers: int
    idle: int


class Measurement(NamedTuple):
    """One measurement: a point in one of the repeats, from 0."""

    repeat: int
    point: Point


@dataclass(frozen=True, kw_only=True)
class LabOrder:
    """What to measure. Raises OrderError for values that make no sense."""

    models: Sequence[str] = MODELS
    workers: Sequence[int] = (1,)
    """Server processes; references have one always."""
    idle: Sequence[int] = (0, 100, 1_000, 10_000)
    """Silent connections, opened before the active ones."""
    active: int = 100
    """Connections that send."""
    size: int = 64
    """Bytes of a message."""
    depth: int = 1
    """Messages in flight on each connection."""
    seconds: float = 2.0
    """Length of one measurement."""
    repeats: int = 3
    seed: int = 1
    """Of the shuffled order in which the points are measured."""

    def __post_init__(self) -> None:
        _each("models", self.models, known_models())
        _numbers("workers", self.workers, 1, 8)
        _numbers("idle", self.idle, 0, 100_000)
        _within("active", self.active, 1, 5_000)
        _within("size", self.size, 1, 2**20)
        _within("depth", self.depth, 1, 64)
        _within("seconds", self.seconds, 0.1, 60)
        _within("repeats", self.repeats, 1, 20)
        _within("seed", self.seed, 0, 2**31 - 1)
        total = len(points(self))
        if total > MOST_POINTS:
            raise OrderError(f"models, workers and idle make {total} points: at most {MOST_POINTS}")
        if estimate(self) > MOST_SECONDS:
            raise OrderError(f"the run would take {estimate(self) / 3600:.1f} hours: at most {MOST_SECONDS / 3600:.0f}")

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        values = asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def known_models() -> tuple[str, ...]:
    """What can be measured here: uvloop only where it is installed."""
    return MODELS + tuple(name for name in REFERENCES if name == "asyncio" or find_spec(name))


def order_of(values: Mapping[str, Any]) -> LabOrder:
    """The order that JSON values describe; what is left out is as by default. Raises OrderError."""
    known = [field.name for field in fields(LabOrder)]
    unknown = next((name for name in values if name not in known), None)
    if unknown is not None:
        raise OrderError(f'unknown field "{unknown:.60}"; known: {", ".join(known)}')
    lists = {name: tuple(_list(name, values[name])) for name in ("models", "workers", "idle") if name in values}
    return LabOrder(**{**values, **lists})


def points(order: LabOrder) -> list[Point]:
    """All combinations, each once."""
    return combinations(order.models, order.workers, order.idle)


def combinations(models: Sequence[str], workers: Sequence[int], idle: Sequence[int]) -> list[Point]:
    """The points that these make."""
    found = {
        Point(model, 1 if model in REFERENCES else processes, silent): None
        for model in models
        for processes in workers
        for silent in idle
    }
    return list(found)


def schedule(order: LabOrder) -> list[Measurement]:
    """Every point once a repeat, each repeat in an order of its own: drift of the machine falls on all alike."""
    shuffled = random.Random(order.seed)  # noqa: S311 (no secret)
    steps = []
    for repeat in range(order.repeats):
        these = points(order)
        shuffled.shuffle(these)
        steps += [Measurement(repeat, point) for point in these]
    return steps


def step_seconds(order: LabOrder, point: Point) -> float:
    """About how long one measurement takes, its preparations included."""
    connecting = (point.idle + 2 * order.active) * _CONNECT_S
    return _START_S + WARM_S + connecting + 2 * PROBE_S + QUIET_S + order.seconds


def estimate(order: LabOrder) -> float:
    """About how many seconds the whole run takes."""
    return order.repeats * sum(step_seconds(order, point) for point in points(order))


def _list(name: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise OrderError(f'"{name}" must be a list, not {value!r:.60}')
    return value


def _each(name: str, values: Sequence[Any], known: Sequence[str]) -> None:
    _once(name, values)
    for value in values:
        if value not in known:
            raise OrderError(f'"{name}" must be of {", ".join(known)}, not {value!r:.60}')


def _numbers(name: str, values: Sequence[Any], low: int, high: int) -> None:
    _once(name, values)
    for value in values:
        _within(name, value, low, high)


def _once(name: str, values: Sequence[Any]) -> None:
    if not values:
        raise OrderError(f'"{name}" names nothing')
    if len(values) > 32 or any(value in values[:index] for index, value in enumerate(values)):
        raise OrderError(f'"{name}" must be of at most 32 different values')


def _within(name: str, value: Any, low: int | float, high: int | float) -> None:
    whole = name != "seconds"
    right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not right or not low <= value <= high:
        kind = "a whole number" if whole else "a number"
        raise OrderError(f'"{name}" must be {kind} from {low:,} to {high:,}, not {value!r:.60}')
