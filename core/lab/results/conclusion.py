"""What a run shows, in words: computed from its figures, careful about noise. Pure."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from core.lab.plan import combinations
from core.lab.results.figures import Spread, overlap

Json = dict[str, Any]

_SPINS: Final = 0.5
"""Share of a core at rest from which on a model is said to waste it."""
_DEARER: Final = 1.1
"""Times the processor time from which on it is worth a sentence."""
_LIMITED: Final = 0.9
"""Share of a core from which on a process has no more to give."""


def verdict(points: list[Json], run: Json) -> list[Json]:
    """Sentences as `{code, text}`, the most telling first; of a run and its points (see figures.summary)."""
    order, measured = run["order"], [point for point in points if point["figures"]]
    rules: tuple[Callable[[list[Json], Json], list[str]], ...] = (
        _fastest,
        _with_more_idle,
        _dearer,
        _unserved,
        _at_rest,
        _cheapest,
    )
    sentences = [("doubt", text) for text in _broken_off(run)]
    sentences += [(rule.__name__.strip("_"), text) for rule in rules for text in rule(measured, order)]
    sentences += [("cannot", text) for text in _cannot([point for point in points if not point["figures"]])]
    sentences += [("doubt", text) for text in _failed(measured, run["samples"]) + _doubts(measured, order)]
    return [{"code": code, "text": text} for code, text in sentences]


def of(point: Json, metric: str) -> Spread | None:
    """The spread of a figure at a point; None where it is not known."""
    found = point["figures"].get(metric)
    return Spread(**found) if found else None


def name_of(point: Json) -> str:
    """A model, with its workers where there are several."""
    return point["model"] if point["workers"] == 1 else f"{point['model']} × {point['workers']}"


def idle_text(idle: int) -> str:
    """`no idle connection`, `1,000 idle connections`."""
    return {0: "no idle connection", 1: "1 idle connection"}.get(idle, f"{idle:,} idle connections")


def _known(points: list[Json], metric: str) -> list[tuple[Json, Spread]]:
    return [(point, found) for point in points if (found := of(point, metric))]


def _fair(points: list[Json], order: Json) -> list[Json]:
    """Those that served every active connection: the rest did less work."""
    return [point for point in points if point["served"] == order["active"]]


def _fastest(measured: list[Json], order: Json) -> list[str]:
    sentences = []
    for idle in sorted({point["idle"] for point in measured}):
        here = _known([point for point in _fair(measured, order) if point["idle"] == idle], "rate")
        if len(here) < 2:
            continue
        here.sort(key=lambda pair: -pair[1].median)
        best, most = here[0]
        text = f"With {idle_text(idle)} {name_of(best)} is fastest: {most.median:,.0f} echoes/s"
        close = [name_of(point) for point, rate in here[1:] if overlap(rate, most)] if order["repeats"] > 1 else []
        sentences.append(f"{text}; within noise of it: {', '.join(close)}." if close else f"{text}.")
    return sentences


def _with_more_idle(measured: list[Json], order: Json) -> list[str]:
    sentences = []
    for name in dict.fromkeys(name_of(point) for point in measured):
        mine = [point for point in measured if name_of(point) == name and point["served"] == order["active"]]
        rates = sorted(_known(mine, "rate"), key=lambda pair: pair[0]["idle"])
        if len(rates) < 2 or not rates[0][1].median:
            continue
        (few, before), (many, after) = rates[0], rates[-1]
        change = round(100 * (after.median / before.median - 1))
        where = f"from {few['idle']:,} to {many['idle']:,} idle connections"
        if change == 0 or (order["repeats"] > 1 and overlap(before, after)):
            by = f"{change:+d} %" if change else "less than 1 %"
            sentences.append(f"{_of(name)} rate does not change beyond noise {where} ({by}).")
        else:
            sentences.append(f"{_of(name)} rate {'falls' if change < 0 else 'grows'} by {abs(change)} % {where}.")
    return sentences


def _dearer(measured: list[Json], order: Json) -> list[str]:
    """Models whose echo takes more processor time the more is idle: little else disturbs that figure."""
    sentences = []
    for name in dict.fromkeys(name_of(point) for point in _fair(measured, order)):
        costs = _known([point for point in _fair(measured, order) if name_of(point) == name], "cpu_us")
        costs.sort(key=lambda pair: pair[0]["idle"])
        if len(costs) < 2 or overlap(costs[0][1], costs[-1][1]) or not costs[0][1].median:
            continue
        (few, before), (many, after) = costs[0], costs[-1]
        if after.median / before.median < _DEARER:
            continue
        sentences.append(
            f"An echo of {name} takes {after.median / before.median:.1f} times the processor time with "
            f"{idle_text(many['idle'])} that it takes with {idle_text(few['idle'])}."
        )
    return sentences


def _unserved(measured: list[Json], order: Json) -> list[str]:
    found: dict[str, int] = {}
    for point in measured:
        if point["served"] < order["active"]:
            name = name_of(point)
            found[name] = min(point["served"], found.get(name, point["served"]))
    return [
        f"{name} serves {served:,} of {order['active']:,} active connections: the others wait for it to end."
        for name, served in found.items()
    ]


def _at_rest(measured: list[Json], _order: Json) -> list[str]:
    most: dict[str, float] = {}
    for point, quiet in _known(measured, "quiet"):
        most[name_of(point)] = max(quiet.median, most.get(name_of(point), 0.0))
    spinning = {name: share for name, share in most.items() if share >= _SPINS}
    if not spinning:
        return []
    calm = [share for name, share in most.items() if name not in spinning]
    rest = f"; the others at most {_percent(max(calm))}" if calm else ""
    return [
        f"{name} takes {_percent(share)} of a core while nothing is sent{rest}." for name, share in spinning.items()
    ]


def _cheapest(measured: list[Json], order: Json) -> list[str]:
    """Processor time an echo where most is idle: what the machine has to pay."""
    fair = _fair(measured, order)
    if not fair:
        return []
    idle = max(point["idle"] for point in fair)
    here = sorted(_known([point for point in fair if point["idle"] == idle], "cpu_us"), key=lambda pair: pair[1].median)
    if len(here) < 2:
        return []
    (best, least), (worst, most) = here[0], here[-1]
    return [
        f"With {idle_text(idle)} an echo costs {least.median:.1f} µs of processor time with {name_of(best)} "
        f"and {most.median:.1f} µs with {name_of(worst)}."
    ]


def _broken_off(run: Json) -> list[str]:
    how = {"cancelled": "Cancelled", "interrupted": "Interrupted by the end of its server"}.get(run["state"])
    if how is None:
        return []
    order = run["order"]
    planned = order["repeats"] * len(combinations(order["models"], order["workers"], order["idle"]))
    return [f"{how} after {len(run['samples']):,} of {planned:,} measurements."]


def _failed(measured: list[Json], samples: list[Json]) -> list[str]:
    """Of points that have figures all the same."""
    made = Counter((sample["model"], sample["workers"], sample["idle"]) for sample in samples)
    sentences = []
    for point in measured:
        why, repeats = point["cannot"] or point["failed"], made[point["model"], point["workers"], point["idle"]]
        if why:
            failed = f"{repeats - point['repeats']} of {repeats} repeats of {name_of(point)}"
            sentences.append(f"{failed} with {idle_text(point['idle'])} failed: {why}.")
    return sentences


def _cannot(points: list[Json]) -> list[str]:
    first: dict[tuple[str, str], list[int]] = {}
    for point in points:
        why = point["cannot"] or point["failed"]
        if why:
            first.setdefault((name_of(point), _kind(why)), []).append(point["idle"])
    told = {
        (name_of(point), _kind(why)): why for point in reversed(points) if (why := point["cannot"] or point["failed"])
    }
    return [
        f"{name} could not be measured with {_listed(sorted(idle))} idle connections: {told[name, kind]}."
        for (name, kind), idle in first.items()
    ]


def _kind(why: str) -> str:
    """A reason without its numbers."""
    return "".join(character for character in why if not character.isdigit() and character != ",")


def _doubts(measured: list[Json], order: Json) -> list[str]:
    doubts = []
    if order["repeats"] == 1 and measured:
        doubts.append("Measured once: how much of a difference is noise is not known. Repeat it three times or more.")
    limited = [
        f"{name_of(point)} with {point['idle']:,} idle"
        for point in measured
        if (load := of(point, "generator"))
        and (busy := of(point, "busy"))
        and load.median >= _LIMITED > busy.median / point["workers"]
    ]
    if limited:
        doubts.append(
            f"The load generator was the limit of {_listed(limited)}: there compare processor time, not rates."
        )
    wrong = sum(point["errors"] for point in measured)
    if wrong:
        doubts.append(f"{wrong:,} replies were wrong or missing.")
    return doubts


def _of(name: str) -> str:
    """Its possessive."""
    return f"{name}'" if name.endswith("s") else f"{name}'s"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1f} %"


def _listed(items: list[Any]) -> str:
    texts = [f"{item:,}" if isinstance(item, int) else str(item) for item in items]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
