"""The lab: what it says of the models, how long it takes, and whether its figures are those of the other benchmarks."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from bench.echo_cases import peer_speed
from bench.measure import Plan, Row, Speed, interleaved, ratios
from bench.processes import BenchError, cpu_seconds, echoscope, generate
from core.lab.measure import measure
from core.lab.plan import PRESETS, LabOrder, Point
from core.lab.results.figures import Spread, figures, overlap, summary
from core.lab.run import LabRun

Json = dict[str, Any]

MOST_S: Final = 600
MANY: Final = max(PRESETS["full"]["idle"])
BEYOND_SELECT: Final = 1_000
SHORT: Final = {"idle": [0, BEYOND_SELECT, MANY], "seconds": 0.5, "repeats": 1}
TALKING: Final = 100


def lab(plan: Plan) -> list[Row]:
    """Seven models against the number of idle connections; and the same servers by the other tables' generator."""
    order = LabOrder(**{**PRESETS["full"], **({} if plan.repeats > 1 else SHORT)})
    began = time.monotonic()
    run = LabRun("bench", order, _told)
    run.work()
    took = time.monotonic() - began
    found = run.as_dict()
    if found["state"] != "done":
        raise BenchError(f"the lab's run {found['state']}: {found['error']}")
    points = {(point["model"], point["idle"]): point for point in summary(found["samples"], found["order"])}
    what = f"{len(order.models)} models × {', '.join(f'{idle:,}' for idle in order.idle)} idle connections"
    return [
        Row(f"{what}, {order.repeats} × {order.seconds:g} s", f"≤ {MOST_S} s", f"{took:.0f} s", took <= MOST_S),
        _refused(points["select", BEYOND_SELECT]),
        *(_steady(model, found["samples"]) for model in ("epoll", "epoll-et")),
        _falling("poll", points, found["samples"]),
        *_agreeing(plan),
    ]


def _told(run: LabRun) -> None:
    at = run.progress()
    if at["state"] == "running" and at["done"] % 7 == 0:
        print(f"  {at['done']} of {at['total']} measured", flush=True)


def _refused(point: Json) -> Row:
    why = str(point["cannot"])
    return Row(f"select, {BEYOND_SELECT:,} idle connections", "refused", why or "measured", "1024" in why)


def _by_repeat(model: str, samples: list[Json]) -> list[float]:
    """Rates with MANY idle connections against none, both of the same repeat."""
    rates = {(one["repeat"], one["idle"]): one["figures"]["rate"] for one in samples if one["model"] == model}
    repeats = sorted({repeat for repeat, _ in rates})
    return [rates[repeat, MANY] / rates[repeat, 0] for repeat in repeats]


def _steady(model: str, samples: list[Json]) -> Row:
    middle, text = ratios(_by_repeat(model, samples))
    return Row(f"{model}, {MANY:,} idle connections against none: echoes", "≥ 0.95", text, middle >= 0.95)


def _falling(model: str, points: dict[tuple[str, int], Json], samples: list[Json]) -> Row:
    middle, text = ratios(_by_repeat(model, samples))
    rates = [point["figures"]["rate"]["median"] for (name, _), point in sorted(points.items()) if name == model]
    falls = all(more < fewer for fewer, more in pairwise(rates))
    each = " → ".join(f"{rate:,.0f}" for rate in rates)
    return Row(f"{model}, the same", "falls with each step", f"{text}; {each} a second", falls and middle < 1)


def _agreeing(plan: Plan) -> list[Row]:
    """Echoes for a second of processor time, against uvloop's server: in the lab, and by `bench/generator.c`."""
    variants: dict[str, Callable[[], Speed]] = {
        **{f"lab {name}": partial(_in_the_lab, name, plan) for name in ("epoll", "asyncio", "uvloop")},
        "C epoll": partial(_worker, plan),
        **{f"C {name}": partial(peer_speed, name, plan) for name in ("asyncio", "uvloop")},
    }
    rounds = interleaved(variants, plan.repeats)
    rows = []
    for name in ("epoll", "asyncio"):
        by = {
            who: [each[f"{who} {name}"].per_cpu / each[f"{who} uvloop"].per_cpu for each in rounds]
            for who in ("lab", "C")
        }
        spreads = [Spread(statistics.median(values), min(values), max(values)) for values in by.values()]
        measured = " and ".join(ratios(values)[1] for values in by.values())
        what = f"echoes of {name} for its processor time, against uvloop's: in the lab, and by the C generator"
        rows.append(Row(what, "within noise", measured, overlap(*spreads) if plan.repeats > 1 else None))
    return rows


def _in_the_lab(name: str, plan: Plan) -> Speed:
    order = LabOrder(models=(name,), idle=(0,), active=TALKING, seconds=plan.seconds, repeats=1)
    point = Point(name, 1, 0)
    found = measure(order, point, lambda: False, lambda _doing: None)
    if "result" not in found:
        raise BenchError(f"the lab: {found['cannot']}")
    of = figures(point, found["result"])
    return Speed(of["rate"] or 0.0, 1e6 / (of["cpu_us"] or 1e6))


def _worker(plan: Plan) -> Speed:
    """Of a worker process of `app.py serve`, as the lab's servers are: what watches it is another process."""
    with echoscope("--reply", "echo", "--workers", "1") as server:
        is_worker = b"core.engine.processes.worker"
        pid = next(pid for pid in server.pids() if is_worker in Path(f"/proc/{pid}/cmdline").read_bytes())
        generate(server.port, 0.3)
        before = cpu_seconds(pid)
        result = generate(server.port, plan.seconds)
        return Speed(float(result["echoes_per_s"]), result["echoes"] / max(cpu_seconds(pid) - before, 0.01))
