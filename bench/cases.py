"""What is measured. A case returns rows of the table; every ratio is of figures from the same run."""

import io
import statistics
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import quote

import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from bench.processes import (
    CLIENT_CORE,
    STAMP,
    BenchError,
    Echoscope,
    Server,
    echoscope,
    generate,
    load,
    peer,
    process,
    viewers,
    wait_for,
)

IDLE: Final = 15_000
VIEWERS: Final = 20
STALL_LIMIT: Final = 35.0  # the limit is looked at every few seconds
STALL_DEADLINE: Final = 60.0


@dataclass(frozen=True)
class Plan:
    """How long a measurement lasts, and how often all of them are repeated."""

    seconds: float
    repeats: int


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    asked: str
    measured: str
    holds: bool | None


class Speed(NamedTuple):
    """Echoes a second, by the clock and by the processor time that the server took, all its threads together."""

    rate: float
    per_cpu: float = 0.0


Rounds = list[dict[str, Speed]]


def interleaved(variants: dict[str, Callable[[], Speed]], repeats: int) -> Rounds:
    """Measure each variant once a round, in an order that rotates, so that drift of the machine falls on all alike."""
    names = list(variants)
    rounds: Rounds = []
    for number in range(repeats):
        shift = number % len(names)
        rounds.append({name: variants[name]() for name in names[shift:] + names[:shift]})
        print("  " + ", ".join(f"{name} {rounds[-1][name].rate:,.0f}" for name in names), flush=True)
    return rounds


def ratio_row(what: str, rounds: Rounds, ours: str, theirs: str, least: float | None) -> Row:
    """The median over the rounds of ours / theirs, with the lowest and the highest."""
    ratios = [each[ours].rate / each[theirs].rate for each in rounds]
    middle = statistics.median(ratios)
    rates = " / ".join(f"{statistics.median(each[name].rate for each in rounds):,.0f}" for name in (ours, theirs))
    measured = f"{middle:.2f} ({min(ratios):.2f}-{max(ratios):.2f}); {rates} a second"
    if all(each[theirs].per_cpu for each in rounds):
        cpu = statistics.median(each[ours].per_cpu / each[theirs].per_cpu for each in rounds)
        measured += f"; {cpu:.2f} by processor time"
    return Row(what, f"≥ {least:.2f}" if least else "-", measured, middle >= least if least else None)


def speed(server: Server, plan: Plan, idle: int = 0, extra: int = 0, warm: bool = True) -> Speed:
    """Of a server with 64 bytes on 100 connections, after a short warming-up."""
    if warm:
        generate(server.port, 0.3, extra=extra)
    before = server.cpu_seconds()
    result = generate(server.port, plan.seconds, idle=idle, extra=extra)
    taken = server.cpu_seconds() - before
    return Speed(float(result["echoes_per_s"]), result["echoes"] / max(taken, 0.01))


def peer_speed(name: str, plan: Plan, warm: bool = True) -> Speed:
    """Of a server that records nothing."""
    with peer(name) as server:
        return speed(server, plan, warm=warm)


def our_speed(plan: Plan, *, watching: int = 1, idle: int = 0, reply: str = "echo") -> Speed:
    """Of app.py serve in thread mode, recording everything, with so many dashboards open."""
    with echoscope("--reply", reply) as server, viewers(server, watching):
        return speed(server, plan, idle, STAMP if reply == "stamp" else 0)


def peers(plan: Plan) -> list[Row]:
    """Against the echo servers of uvloop, asyncio and Tornado; 64 bytes, 100 connections."""
    variants: dict[str, Callable[[], Speed]] = {
        "echoscope": lambda: our_speed(plan),
        "stamping": lambda: our_speed(plan, reply="stamp"),
        **{name: partial(peer_speed, name, plan) for name in ("uvloop", "asyncio", "asyncio streams", "tornado", "C")},
        "asyncio fresh": partial(peer_speed, "asyncio", plan, warm=False),
    }
    rounds = interleaved(variants, plan.repeats)
    what = "recording all, one dashboard open, against {}: echoes"
    return [
        ratio_row(what.format("uvloop's protocol server"), rounds, "echoscope", "uvloop", 0.80),
        ratio_row(what.format("asyncio's protocol server"), rounds, "echoscope", "asyncio", 4),
        ratio_row(what.format("that server freshly started"), rounds, "echoscope", "asyncio fresh", 4),
        ratio_row(what.format("Tornado's server"), rounds, "echoscope", "tornado", 4),
        ratio_row(what.format("asyncio's streams server"), rounds, "echoscope", "asyncio streams", None),
        ratio_row(what.format("a C server that only echoes"), rounds, "echoscope", "C", None),
        ratio_row("the most there is: that C server against asyncio's protocol server", rounds, "C", "asyncio", None),
        ratio_row("the most there is: that C server against Tornado's server", rounds, "C", "tornado", None),
        ratio_row("`--reply stamp` against `--reply echo`", rounds, "stamping", "echoscope", None),
    ]


def idle(plan: Plan) -> list[Row]:
    """With 15,000 idle connections against none; one dashboard open."""
    variants: dict[str, Callable[[], Speed]] = {
        "idle": lambda: our_speed(plan, idle=IDLE),
        "none": lambda: our_speed(plan),
    }
    rounds = interleaved(variants, plan.repeats)
    return [ratio_row(f"{IDLE:,} idle connections against none: echoes", rounds, "idle", "none", 0.95)]


def watched(plan: Plan) -> list[Row]:
    """With 20 live dashboards against none."""
    variants: dict[str, Callable[[], Speed]] = {
        "watched": lambda: our_speed(plan, watching=VIEWERS),
        "alone": lambda: our_speed(plan, watching=0),
    }
    rounds = interleaved(variants, plan.repeats)
    return [ratio_row(f"{VIEWERS} live dashboards against none: echoes", rounds, "watched", "alone", 0.90)]


def stalled(plan: Plan) -> list[Row]:
    """A viewer that watches and never reads: the echo rate and the memory before it and after it was cut."""

    def loaded(server: Echoscope) -> tuple[float, int]:
        """Median rate, and how much memory grew."""
        before = server.memory()
        rates = [float(generate(server.port, plan.seconds)["echoes_per_s"]) for _ in range(plan.repeats)]
        return statistics.median(rates), server.memory() - before

    with echoscope("--reply", "echo") as server:
        generate(server.port, plan.seconds)
        rate_before, growth_before = loaded(server)
        memory = server.memory()
        with process(sys.executable, "-m", "bench.viewers", "--stalled", server.url, core=CLIENT_CORE):
            wait_for(lambda: server.get("status")["viewers"] == 1, "a stalled viewer counted")
            generate(server.port, plan.seconds)
            rest = wait_for(lambda: server.get("status")["viewers"] == 0, "a stalled viewer cut", STALL_DEADLINE)
            growth = server.memory() - memory
            rate_after, _ = loaded(server)
    ratio, cut = rate_after / rate_before, plan.seconds + rest
    memory_text = f"{growth / 2**20:+.1f} MiB ({growth_before / 2**20:+.1f} under the load before it)"
    return [
        Row("a stalled viewer is cut after", "30 s", f"{cut:.0f} s", cut <= STALL_LIMIT),
        Row("echoes after that against before it", "≥ 0.95", f"{ratio:.2f}", ratio >= 0.95),
        Row("memory after that", "≤ 8 MiB more", memory_text, growth <= 8 * 2**20),
    ]


SHAPES: Final[tuple[dict[str, int], ...]] = (
    {},
    {"connections": 500, "depth": 4},
    {"connections": 8, "size": 2**20},
    {"connections": 1000, "size": 1, "idle": 2000},
    {"connections": 50, "size": 5000, "depth": 16},
)


def exact(plan: Plan) -> list[Row]:
    """The log's sums against the load generator's, for several loads."""
    wrong: list[str] = []
    echoes = rows = last = 0
    with echoscope() as server:
        for shape in SHAPES:
            result = load(server.port, plan.seconds, **shape)
            count, last, sums = log_sums(server, last)
            counted = (result["bytes_out"], result["bytes_in"])
            echoes, rows = echoes + result["echoes"], rows + count
            if sums != counted:
                wrong.append(f"{shape}: log {sums}, generator {counted}")
            print(f"  {shape}: log {sums}, generator {counted}", flush=True)
        lost = server.get("status")["recorder"]["lost"]
    measured = "; ".join(wrong) or f"equal in {len(SHAPES)} loads: {echoes:,} echoes, {rows:,} events, {lost} lost"
    return [Row("the log's byte sums against the generator's", "equal", measured, not wrong and not lost)]


def log_sums(server: Echoscope, after: int) -> tuple[int, int, tuple[int, int]]:
    """Rows, last connection, and sums of the downloaded log of the connections after `after`, once all are closed."""
    wait_for(lambda: server.get("status")["connections"]["open"] == 0, "connections closed")
    path = f"/api/v1/events/download?format=csv&q={quote(f'conn>{after}')}"
    with urllib.request.urlopen(server.url + path, timeout=300) as answer:
        table = pa_csv.read_csv(io.BytesIO(answer.read()))
    kinds = {kind: pc.sum(pc.equal(table["kind"], kind)).as_py() for kind in ("open", "close")}
    if kinds["open"] != kinds["close"] or not kinds["open"]:
        raise BenchError(f"the log has {kinds['open']} open and {kinds['close']} close events")
    sums = (pc.sum(table["bytes_in"]).as_py(), pc.sum(table["bytes_out"]).as_py())
    return len(table), pc.max(table["conn"]).as_py(), sums


def loader(plan: Plan) -> list[Row]:
    """`app.py load`, which checks every byte, against the C generator, which checks none; both on uvloop's server."""

    def checked() -> Speed:
        with peer("uvloop") as server:
            return Speed(load(server.port, plan.seconds, reply="echo")["echoes_per_s"])

    variants = {"app.py load": checked, "C generator": lambda: Speed(peer_speed("uvloop", plan).rate)}
    rounds = interleaved(variants, plan.repeats)
    row = ratio_row("`app.py load` against the C generator: echoes", rounds, "app.py load", "C generator", None)
    best = max(each["app.py load"].rate for each in rounds)
    return [row, Row("`app.py load`, its best run", "≥ 150,000 a second", f"{best:,.0f} a second", best >= 150_000)]


CASES: Final = {case.__name__: case for case in (peers, idle, watched, stalled, exact, loader)}
