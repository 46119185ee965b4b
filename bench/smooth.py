"""How smoothly a page runs: frames of the screen, long tasks, what the map costs, the heap."""

import statistics
import time
from itertools import pairwise
from typing import Any, Final, NamedTuple

from bench.chromium import Tab
from bench.processes import BenchError

LONG_MS: Final = 50
MAP_FILES: Final = ("map.js", "map_cells.js", "map_card.js")
_SAMPLING_US: Final = 200

_RECORD: Final = """() => {
  window.frames_ = [];
  window.long_ = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.long_.push(entry.duration);
  }).observe({type: 'longtask'});
  const frame = (time) => { window.frames_.push(time); requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
}"""


class Run(NamedTuple):
    """Frames a second (the median), share of frames more than one late, milliseconds of each task over LONG_MS.

    `busy` and `scripts`: the share of the time in which the main thread was busy, and in which it ran scripts.
    """

    fps: float
    late: float
    long: list[float]
    busy: float
    scripts: float


def trace(watched: Tab, seconds: float) -> Run:
    """What the page itself and the debugger tell of some time."""
    watched.page.evaluate(_RECORD)
    before = _metrics(watched)
    time.sleep(seconds)
    after = _metrics(watched)
    times = watched.page.evaluate("window.frames_")
    gaps = [later - earlier for earlier, later in pairwise(times)]
    middle = statistics.median(gaps)
    return Run(
        1000 / middle,
        sum(gap > 2.5 * middle for gap in gaps) / len(gaps),
        watched.page.evaluate("window.long_"),
        (after["TaskDuration"] - before["TaskDuration"]) / seconds,
        (after["ScriptDuration"] - before["ScriptDuration"]) / seconds,
    )


def _metrics(watched: Tab) -> dict[str, float]:
    watched.ask("Performance.enable")
    return {one["name"]: one["value"] for one in watched.ask("Performance.getMetrics")["metrics"]}


def map_ms(watched: Tab, seconds: float) -> float:
    """Milliseconds of the main thread for each frame of the map: all that runs in its files or is called from there."""
    before = watched.frames["map"]
    watched.ask("Profiler.enable")
    watched.ask("Profiler.setSamplingInterval", interval=_SAMPLING_US)
    watched.ask("Profiler.start")
    # Waits as Playwright waits, so that its events are taken in.
    watched.page.wait_for_timeout(seconds * 1000)
    profile = watched.ask("Profiler.stop")["profile"]
    count = watched.frames["map"] - before
    if not count:
        raise BenchError("no frame of the map came while it was measured")
    return _inclusive_us(profile) / 1000 / count


def _inclusive_us(profile: dict[str, Any]) -> int:
    """Microseconds of samples on whose stack is one of the map's files."""
    nodes = {node["id"]: node for node in profile["nodes"]}
    parents = {child: node["id"] for node in profile["nodes"] for child in node.get("children", [])}

    def is_map(number: int | None) -> bool:
        while number is not None:
            if nodes[number]["callFrame"]["url"].rpartition("/")[2] in MAP_FILES:
                return True
            number = parents.get(number)
        return False

    known = {number: is_map(number) for number in nodes}
    samples = zip(profile["samples"], profile["timeDeltas"], strict=True)
    return sum(delta for number, delta in samples if known[number])
