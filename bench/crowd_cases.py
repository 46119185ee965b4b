"""What idle connections, dashboards and sheer number cost."""

import statistics
import sys
from typing import Final

from bench.echo_cases import our_speed
from bench.measure import Delay, Plan, Row, delay_row, interleaved, ratio_row
from bench.processes import CLIENT_CORE, Echoscope, crowd, echoscope, generate, process, wait_for

IDLE: Final = 15_000
VIEWERS: Final = 20
CROWD: Final = 99_000
ACTIVE: Final = {"connections": 1000, "rate": 20_000}
WORKERS: Final = 6
MOST_A_CONNECTION: Final = 2048
STALL_LIMIT: Final = 35.0  # the limit is looked at every few seconds
STALL_DEADLINE: Final = 60.0


def idle(plan: Plan) -> list[Row]:
    """With 15,000 idle connections against none; one dashboard open."""
    variants = {"idle": lambda: our_speed(plan, idle=IDLE), "none": lambda: our_speed(plan)}
    rounds = interleaved(variants, plan.repeats)
    return [ratio_row(f"{IDLE:,} idle connections against none: echoes", rounds, "idle", "none", 0.97)]


def watched(plan: Plan) -> list[Row]:
    """With 20 live dashboards against none; one worker process."""
    variants = {
        "watched": lambda: our_speed(plan, watching=VIEWERS, workers=1),
        "alone": lambda: our_speed(plan, watching=0, workers=1),
    }
    rounds = interleaved(variants, plan.repeats)
    return [ratio_row(f"{VIEWERS} live dashboards against none: echoes", rounds, "watched", "alone", 0.97)]


def many(plan: Plan) -> list[Row]:
    """100,000 connections, of which 1,000 are active, on six worker processes; against these 1,000 alone."""

    def delay(silent: int) -> Delay:
        with echoscope("--reply", "echo", "--workers", str(WORKERS)) as server, crowd(server.port, silent):
            wait_for(lambda: server.open_connections() == silent, f"{silent} connections accepted")
            generate(server.port, 0.3, **ACTIVE)
            result = generate(server.port, plan.seconds, **ACTIVE)["latency_us"]
            return Delay(result["p50"], result["p99"])

    rounds = interleaved({"crowd": lambda: delay(CROWD), "alone": lambda: delay(0)}, plan.repeats)
    total, active, rate = CROWD + ACTIVE["connections"], ACTIVE["connections"], ACTIVE["rate"]
    what = f"{total:,} connections, {active:,} of them sending {rate:,} messages a second, against these alone: p99"
    return [delay_row(what, rounds, "crowd", "alone", 1.5)]


def memory(plan: Plan) -> list[Row]:
    """Memory of 15,000 idle connections, everything that grows with them; the first few thousand are not counted."""
    warm = 3000

    def grown() -> float:
        with echoscope("--reply", "echo") as server, crowd(server.port, warm):
            generate(server.port, 0.3)
            wait_for(lambda: server.open_connections() == warm, f"{warm} connections accepted")
            before = server.memory()
            with crowd(server.port, IDLE):
                wait_for(lambda: server.open_connections() == warm + IDLE, f"{IDLE} more connections accepted")
                return (server.memory() - before) / IDLE

    figures = [grown() for _ in range(plan.repeats)]
    print(f"  {', '.join(f'{figure:,.0f}' for figure in figures)} bytes", flush=True)
    middle = statistics.median(figures)
    measured = f"{middle:,.0f} bytes ({min(figures):,.0f}-{max(figures):,.0f})"
    what = "memory of an idle connection, engine, record and table together"
    return [Row(what, f"≤ {MOST_A_CONNECTION:,} bytes", measured, middle <= MOST_A_CONNECTION)]


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
