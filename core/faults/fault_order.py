"""What is ordered: a kind of fault with its attributes, for whom, for how long; checked, and as JSON for workers."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final, Self

from core.bad_value import BadValueError
from core.faults.effect import FaultKind
from core.faults.registry import FAULT_KINDS
from core.faults.selection import NewOnes, new_ones

DEFAULT_SECONDS: Final = 60.0
LONGEST_SECONDS: Final = 3600.0
MOST_NEXT: Final = 1_000_000
MOST_SEED: Final = 2**53 - 1
LONGEST_WHY: Final = 200
TARGETS: Final = ("conn", "q", "next", "share")
_COMMON: Final = ("kind", "on", "seconds", "why", "dry_run")


@dataclass(frozen=True)
class Target:
    """Whom a fault is for; exactly one of the four is set, and `seed` with `share` alone."""

    conn: int | None = None
    q: str | None = None
    next: int | None = None
    share: float | None = None
    seed: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As it was ordered."""
        values = ((one.name, getattr(self, one.name)) for one in fields(self))
        return {name: value for name, value in values if value is not None}


@dataclass(frozen=True)
class FaultRequest:
    """An order as it was given."""

    kind: FaultKind
    on: Target
    seconds: float = DEFAULT_SECONDS
    why: str = ""
    dry_run: bool = False

    @classmethod
    def from_json(cls, body: Any) -> Self:
        """The order that a JSON object is. Raises BadValueError naming the field that is wrong."""
        if not isinstance(body, dict):
            raise BadValueError('the body is not a JSON object with "kind" and "on"')
        name = body.get("kind")
        kind = FAULT_KINDS.get(name) if isinstance(name, str) else None
        if kind is None:
            raise BadValueError(f'field "kind": {name!r:.40} is unknown; known: {", ".join(FAULT_KINDS)}')
        allowed = {one.name: one.default is MISSING for one in fields(kind)}
        unknown = next((key for key in body if key not in _COMMON and key not in allowed), None)
        if unknown is not None:
            known = ", ".join((*_COMMON, *allowed))
            raise BadValueError(f'unknown field "{unknown:.60}"; known with kind {kind.name}: {known}')
        missing = next((key for key, is_needed in allowed.items() if is_needed and key not in body), None)
        if missing is not None:
            raise BadValueError(f'field "{missing}" is missing: a fault {kind.name} needs it')
        on = _target(body.get("on"))
        if kind.for_new_only and on.next is None and on.share is None:
            raise BadValueError(f'field "on": {kind.name} is for new connections only: give "next" or "share"')
        made = kind(**{key: body[key] for key in allowed if key in body})
        return cls(made, on, _seconds(body), _why(body), _dry_run(body))


@dataclass(frozen=True)
class FaultOrder:
    """What an engine is told: a fault until `until` (CLOCK_MONOTONIC, s), and the new connections that it is for.

    `slot` is where those are counted, for all workers together.
    """

    number: int
    kind: FaultKind
    until: float
    seed: int = 0
    new: NewOnes | None = None
    slot: int = 0

    def to_json(self) -> dict[str, Any]:
        """For a worker process."""
        return {
            "number": self.number,
            "kind": self.kind.name,
            "attributes": self.kind.attributes(),
            "until": self.until,
            "seed": self.seed,
            "new": None if self.new is None else self.new.to_json(),
            "slot": self.slot,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """What `to_json` of one was."""
        kind = FAULT_KINDS[values["kind"]](**values["attributes"])
        new = None if values["new"] is None else new_ones(values["new"])
        return cls(values["number"], kind, values["until"], values["seed"], new, values["slot"])


def _target(on: Any) -> Target:
    if not isinstance(on, dict):
        raise BadValueError('field "on": give one of {"conn": 17}, {"q": "peer:10.0.0.*"}, {"next": 5}, {"share": 0.1}')
    given = [name for name in TARGETS if name in on]
    unknown = next((name for name in on if name not in (*TARGETS, "seed")), None)
    if unknown is not None:
        raise BadValueError(f'field "on": unknown "{unknown:.60}"; known: {", ".join(TARGETS)}, seed')
    if len(given) != 1:
        raise BadValueError(f'field "on": give exactly one of {", ".join(TARGETS)}, not {", ".join(given) or "none"}')
    if "seed" in on and "share" not in on:
        raise BadValueError('field "on.seed": a seed goes with "share" only')
    (name,) = given
    if name == "q":
        if not isinstance(on["q"], str):
            raise BadValueError('field "on.q": a filter is a text, such as "peer:10.0.0.*"')
        return Target(q=on["q"])
    if name == "share":
        return Target(share=_number("on.share", on["share"], 0, 1), seed=_seed(on))
    most = MOST_NEXT if name == "next" else 2**62
    value = on[name]
    if type(value) is not int or not 1 <= value <= most:
        raise BadValueError(f'field "on.{name}": {value!r:.40} is no whole number from 1 to {most:,}')
    return Target(next=value) if name == "next" else Target(conn=value)


def _seed(on: Mapping[str, Any]) -> int | None:
    seed = on.get("seed")
    if seed is not None and (type(seed) is not int or not 0 <= seed <= MOST_SEED):
        raise BadValueError(f'field "on.seed": {seed!r:.40} is no whole number from 0 to {MOST_SEED:,}')
    return seed


def _number(name: str, value: Any, least: float, most: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not least <= value <= most:
        raise BadValueError(f'field "{name}": {value!r:.40} is no number from {least:g} to {most:,g}')
    return float(value)


def _seconds(body: Mapping[str, Any]) -> float:
    return _number("seconds", body.get("seconds", DEFAULT_SECONDS), 0.001, LONGEST_SECONDS)


def _why(body: Mapping[str, Any]) -> str:
    why = body.get("why", "")
    if not isinstance(why, str) or len(why) > LONGEST_WHY or any("\ud800" <= c <= "\udfff" for c in why):
        raise BadValueError(f'field "why": give a text of at most {LONGEST_WHY} characters')
    return why


def _dry_run(body: Mapping[str, Any]) -> bool:
    dry_run = body.get("dry_run", False)
    if not isinstance(dry_run, bool):
        raise BadValueError(f'field "dry_run": {dry_run!r:.40} is neither true nor false')
    return dry_run
