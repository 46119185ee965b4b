"""The dashboard as a person has it: in a browser, with 100,000 connections."""

import statistics
import time
from itertools import pairwise
from typing import Final

from playwright.sync_api import Browser

from bench import paint, pixel, smooth
from bench.chromium import chromium, tab
from bench.crowd_cases import WORKERS
from bench.measure import Plan, Row
from bench.murmur import CONNECTIONS, murmur
from bench.processes import Echoscope, cpu_seconds, crowd, echoscope, generating, wait_for

CROWD: Final = 100_000
KB: Final = 1000
SETTLE_S: Final = 3.0
LOAD_S: Final = 600.0
FULL: Final = {"samples": 200, "trace": 60.0, "map": 15.0, "fill": 240.0, "heap": 60.0, "cost": 8.0, "rounds": 5}
SHORT: Final = {"samples": 20, "trace": 5.0, "map": 3.0, "fill": 0.0, "heap": 3.0, "cost": 3.0, "rounds": 1}
"""Samples of an event to its pixel; seconds of the trace, of the map's profile, until the page's five minutes of
history are full, before the heap is looked at again, and of each measurement of the processor; rounds of these and of
the pages."""


def browser(plan: Plan) -> list[Row]:
    """The pages in Chromium, without a graphics card, with 100,000 connections on six worker processes."""
    sizes = FULL if plan.repeats > 1 else SHORT
    silent = CROWD - CONNECTIONS
    rows: list[Row] = []
    with echoscope("--reply", "echo", "--workers", str(WORKERS)) as server, crowd(server.port, silent):
        wait_for(lambda: server.open_connections() == silent, f"{silent} connections accepted")
        with chromium() as chrome:
            with murmur(server.port):
                wait_for(lambda: server.open_connections() == CROWD, f"{CROWD} connections accepted")
                for rows_of in (_paint_rows, _smooth_rows, _cost_rows):
                    rows += _said(rows_of(chrome, server, sizes))
            with generating(server.port, LOAD_S):
                rows += _said(_pixel_rows(chrome, server, sizes))
    return rows


def _said(rows: list[Row]) -> list[Row]:
    for row in rows:
        print(f"  {row.what}: {row.measured}", flush=True)
    return rows


def _paint_rows(chrome: Browser, server: Echoscope, sizes: dict[str, float]) -> list[Row]:
    found = paint.paints(chrome, server, int(sizes["rounds"]))
    (first_path, first), (path, useful) = paint.slowest(found, "first"), paint.slowest(found, "useful")
    _, largest = paint.slowest(found, "largest")
    large_path, size = paint.slowest(found, "size")
    each = ", ".join(f"{path} {statistics.median(one.useful for one in each):.0f}" for path, each in found.items())
    return [
        Row(
            f"nothing cached, until live figures are painted, the slowest of {len(found)} pages",
            "≤ 1 s",
            f"{useful:.0f} ms ({path}); first contents {first:.0f} ms ({first_path}), largest {largest:.0f} ms; "
            f"all: {each} ms",
            useful <= 1000,
        ),
        Row(
            "bytes over the wire of the largest page",
            "≤ 200 kB",
            f"{size / KB:.0f} kB ({large_path})",
            size <= 200 * KB,
        ),
    ]


def _smooth_rows(chrome: Browser, server: Echoscope, sizes: dict[str, float]) -> list[Row]:
    with tab(chrome, server.url) as watched:
        time.sleep(SETTLE_S)
        run = smooth.trace(watched, sizes["trace"])
        per_frame = smooth.map_ms(watched, sizes["map"])
        # What the page keeps grows until its history is as long as its charts; only after that it has to be flat.
        time.sleep(sizes["fill"])
        heap = watched.heap()
        time.sleep(sizes["heap"])
        later = watched.heap()
    filled = SETTLE_S + sizes["trace"] + sizes["map"] + sizes["fill"]
    longest = max(run.long, default=0.0)
    return [
        Row(
            f"Overview, {sizes['trace']:.0f} s: frames a second, the median",
            "60",
            f"{run.fps:.1f}; {run.late:.2%} of frames came more than one late; main thread busy {run.busy:.1%}, of "
            f"this scripts {run.scripts:.1%}",
            run.fps >= 59,
        ),
        Row(
            f"tasks over {smooth.LONG_MS} ms in these",
            "none",
            f"{len(run.long)}" + (f", the longest {longest:.0f} ms" if run.long else ""),
            not run.long,
        ),
        Row(f"main thread for a frame of the map, {CROWD:,} cells", "≤ 4 ms", f"{per_frame:.1f} ms", per_frame <= 4),
        Row(
            f"heap of the page {filled:.0f} s after it was opened, its charts full, and {sizes['heap']:.0f} s later",
            "flat (≤ 5 % more)",
            f"{heap / 2**20:.2f} → {later / 2**20:.2f} MiB",
            later <= heap * 1.05,
        ),
    ]


def _cost_rows(chrome: Browser, server: Echoscope, sizes: dict[str, float]) -> list[Row]:
    web = server.web_pid()

    def taken() -> float:
        before, began = cpu_seconds(web), time.monotonic()
        time.sleep(sizes["cost"])
        return (cpu_seconds(web) - before) / (time.monotonic() - began)

    def settled() -> float:
        time.sleep(SETTLE_S)
        return taken()

    watched, alone = [], [settled()]
    for _ in range(int(sizes["rounds"])):
        with tab(chrome, server.url):
            watched.append(settled())
        alone.append(settled())
    # Against the mean of the times before and after it: what drifts falls on both alike.
    costs = [each - sum(around) / 2 for each, around in zip(watched, pairwise(alone), strict=True)]
    middle = statistics.median(costs)
    spread = f"{min(costs):.2%} to {max(costs):.2%}"
    measured = f"{middle:.2%} of a core ({spread}); the process without viewers {statistics.median(alone):.1%}"
    return [
        Row(
            "one viewer of the Overview, processor time of the web process", "≤ 1 % of a core", measured, middle <= 0.01
        )
    ]


def _pixel_rows(chrome: Browser, server: Echoscope, sizes: dict[str, float]) -> list[Row]:
    samples = int(sizes["samples"])
    rows = []
    for what, measure in (
        ("a connection opens, until the Overview has counted it", pixel.opened),
        ("a message is echoed, until Events shows its row", pixel.echoed),
    ):
        echoes, began = int(server.get("status")["echoes"]), time.monotonic()
        delays = sorted(measure(chrome, server, samples))
        rate = (int(server.get("status")["echoes"]) - echoes) / (time.monotonic() - began)
        middle, late = delays[len(delays) // 2], delays[min(len(delays) - 1, int(len(delays) * 0.99))]
        measured = (
            f"p50 {middle:.0f} ms, p99 {late:.0f} ms, longest {delays[-1]:.0f} ms; "
            f"{samples} samples, {rate:,.0f} echoes/s meanwhile"
        )
        rows.append(Row(what, "p99 ≤ 250 ms", measured, late <= 250))
    return rows
