"""Rate and reply time against the echo servers of others."""

from collections.abc import Callable
from functools import partial
from typing import Final

from bench.measure import Delay, Measured, Plan, Row, Speed, delay_row, interleaved, ratio_row
from bench.processes import STAMP, Server, churn, crowd, echoscope, generate, peer, viewers, wait_for

MEGABYTE: Final = {"connections": 16, "size": 2**20}
ABREAST: Final = 64


def speed(server: Server, plan: Plan, extra: int = 0, warm: bool = True) -> Speed:
    """Of a server with 64 bytes on 100 connections, after a short warming-up."""
    if warm:
        generate(server.port, 0.3, extra=extra)
    before = server.cpu_seconds()
    result = generate(server.port, plan.seconds, extra=extra)
    taken = server.cpu_seconds() - before
    return Speed(float(result["echoes_per_s"]), result["echoes"] / max(taken, 0.01))


def peer_speed(name: str, plan: Plan, warm: bool = True) -> Speed:
    """Of a server that records nothing."""
    with peer(name) as server:
        return speed(server, plan, warm=warm)


def our_speed(plan: Plan, *, watching: int = 1, idle: int = 0, reply: str = "echo", workers: int = 0) -> Speed:
    """Of app.py serve, recording everything, with so many dashboards open."""
    with (
        echoscope("--reply", reply, "--workers", str(workers)) as server,
        viewers(server, watching),
        crowd(server.port, idle),
    ):
        wait_for(lambda: server.open_connections() == idle, f"{idle} connections accepted")
        return speed(server, plan, STAMP if reply == "stamp" else 0)


def peers(plan: Plan) -> list[Row]:
    """Against the echo servers of uvloop, asyncio, Tornado and in C; 64 bytes, 100 connections."""
    variants: dict[str, Callable[[], Speed]] = {
        "echoscope": lambda: our_speed(plan),
        "stamping": lambda: our_speed(plan, reply="stamp"),
        **{name: partial(peer_speed, name, plan) for name in ("uvloop", "asyncio", "asyncio streams", "tornado", "C")},
        "asyncio fresh": partial(peer_speed, "asyncio", plan, warm=False),
    }
    rounds = interleaved(variants, plan.repeats)
    what = "recording all, one dashboard open, against {}: echoes"
    return [
        ratio_row(what.format("uvloop's protocol server"), rounds, "echoscope", "uvloop", 0.90),
        ratio_row(what.format("a C server that only echoes"), rounds, "echoscope", "C", 0.80),
        ratio_row(what.format("asyncio's protocol server"), rounds, "echoscope", "asyncio", 4.5),
        ratio_row(what.format("that server freshly started"), rounds, "echoscope", "asyncio fresh", 4.5),
        ratio_row(what.format("Tornado's server"), rounds, "echoscope", "tornado", 4.5),
        ratio_row(what.format("asyncio's streams server"), rounds, "echoscope", "asyncio streams", None),
        ratio_row("the most there is: that C server against asyncio's protocol server", rounds, "C", "asyncio", None),
        ratio_row("the most there is: that C server against Tornado's server", rounds, "C", "tornado", None),
        ratio_row("`--reply stamp` against `--reply echo`", rounds, "stamping", "echoscope", None),
    ]


def large(plan: Plan) -> list[Row]:
    """Messages of 1 MiB on 16 connections, against uvloop."""

    def mebibytes(server: Server) -> Speed:
        generate(server.port, 0.3, **MEGABYTE)
        before = server.cpu_seconds()
        result = generate(server.port, plan.seconds, **MEGABYTE)
        return Speed(result["echoes_per_s"], result["echoes"] / max(server.cpu_seconds() - before, 0.01))

    rounds = interleaved(_against_uvloop(mebibytes), plan.repeats)
    what = "1 MiB messages on 16 connections, against uvloop's protocol server: bytes"
    return [ratio_row(what, rounds, "echoscope", "uvloop", 1.0, "MiB/s")]


def paced(plan: Plan) -> list[Row]:
    """Reply times at half of the rate that the slower of echoscope and uvloop can do."""
    slower = min(our_speed(plan).rate, peer_speed("uvloop", plan).rate)

    def delay(server: Server) -> Delay:
        generate(server.port, 0.3)
        result = generate(server.port, plan.seconds, rate=slower / 2)["latency_us"]
        return Delay(result["p50"], result["p99"])

    # One interruption by something else decides a p99: more rounds than for a rate.
    rounds = interleaved(_against_uvloop(delay), 2 * plan.repeats)
    what = f"{slower / 2:,.0f} messages a second (half of what the slower can do), against uvloop's server: p99"
    return [delay_row(what, rounds, "echoscope", "uvloop", 1.2)]


def accepts(plan: Plan) -> list[Row]:
    """Connections that are opened, ended by the client and closed by the server, 64 at a time; against uvloop."""

    def visits(server: Server) -> Speed:
        churn(server.port, 0.3, ABREAST)
        before = server.cpu_seconds()
        rate = churn(server.port, plan.seconds, ABREAST)
        return Speed(rate, rate * plan.seconds / max(server.cpu_seconds() - before, 0.01))

    rounds = interleaved(_against_uvloop(visits), plan.repeats)
    what = "connections opened and closed again, against uvloop's protocol server"
    return [ratio_row(what, rounds, "echoscope", "uvloop", 1.0)]


def _against_uvloop(measure: Callable[[Server], Measured]) -> dict[str, Callable[[], Measured]]:
    def ours() -> Measured:
        with echoscope("--reply", "echo") as server, viewers(server, 1):
            return measure(server)

    def theirs() -> Measured:
        with peer("uvloop") as server:
            return measure(server)

    return {"echoscope": ours, "uvloop": theirs}
