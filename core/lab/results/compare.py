"""Two runs side by side. Pure."""

from typing import Any

from core.lab.results.conclusion import of
from core.lab.results.figures import METRICS, Spread, overlap

Json = dict[str, Any]


def compare(before: Json, after: Json) -> Json:
    """How `after` differs from `before`: two runs with `points`.

    `points`: those in both, each figure as `{before, after, change, noise}`; `change` is a share of `before` (None
    where that is 0), `noise` whether the spreads overlap or one was measured once only. `apart`: what was asked for or
    measured on differs, as `{name, before, after}`. `missing`: points in one run only.
    """
    old, new = (_by_key(run["points"]) for run in (before, after))
    both = [key for key in new if key in old]
    return {
        "points": [_point(old[key], new[key]) for key in both],
        "apart": _apart(before, after),
        "missing": [
            dict(zip(("model", "workers", "idle"), key, strict=True)) for key in [*old, *new] if key not in both
        ],
    }


def _by_key(points: list[Json]) -> dict[tuple[str, int, int], Json]:
    return {(point["model"], point["workers"], point["idle"]): point for point in points if point["figures"]}


def _point(before: Json, after: Json) -> Json:
    once = min(before["repeats"], after["repeats"]) < 2
    figures = {
        name: _difference(one, other, once)
        for name in METRICS
        if (one := of(before, name)) and (other := of(after, name))
    }
    return {**{name: after[name] for name in ("model", "workers", "idle")}, "figures": figures}


def _difference(before: Spread, after: Spread, once: bool) -> Json:
    return {
        "before": before._asdict(),
        "after": after._asdict(),
        "change": after.median / before.median - 1 if before.median else None,
        "noise": once or overlap(before, after),
    }


def _apart(before: Json, after: Json) -> list[Json]:
    asked = ("active", "size", "depth", "seconds")
    pairs = [(name, before["order"][name], after["order"][name]) for name in asked]
    pairs += [(name, value, after["machine"].get(name)) for name, value in before["machine"].items()]
    return [{"name": name, "before": one, "after": other} for name, one, other in pairs if one != other]
