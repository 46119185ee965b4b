"""The load generator of one measurement, a process of its own: `python -m core.lab.generator ORDER`.

ORDER is JSON. Writes one JSON object a line: `{"state": …}` when it begins something else, and at last either
`{"result": …}` or `{"cannot": why, "held": …}` (whether its connections are still open). It ends with
its standard input. It measures by itself what the server took, so that no other process has to be quick.
"""

import json
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from core.clients.connect import LoadError, connect_all
from core.clients.latency import Latencies
from core.clients.reply_check import Pattern
from core.clients.traffic import Traffic
from core.lab.measured_server import end_with_input
from core.lab.plan import PROBE_S, QUIET_S, WARM_S
from core.lab.probe import Probe, Reading, pin

HOST: Final = "127.0.0.1"
PATIENCE_S: Final = 2.0
"""How long a connection may take to be made: a SYN that finds the queue full is sent again after a second."""
_SETTLE_S: Final = 0.02
_SILENT_SLICES: Final = 8
"""How many slices without a word of the server are its answer: in fewer it may have been kept off the processor."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to do: `pids` and `directory` (empty: a reference) are those of the server; times in seconds."""

    port: int
    pids: list[int]
    directory: str
    cores: list[int]
    idle: int
    active: int
    size: int
    depth: int
    seconds: float

    def to_json(self) -> str:
        """As one argument of a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` made."""
        return cls(**json.loads(text))


def main(task: Task) -> None:
    """Measure, say what came of it, and keep all connections until the end: closing them would set others free."""
    end_with_input()
    pin(set(task.cores))
    held: list[socket.socket] = []
    try:
        _say(_measured(task, held))
    except LoadError as error:
        _say({"cannot": str(error), "held": False})
    signal.pause()


def _measured(task: Task, held: list[socket.socket]) -> dict[str, Any]:
    _say({"state": "warming up"})
    probe = Probe(task.pids, Path(task.directory) if task.directory else None)
    pattern = Pattern(task.size)
    _warm_up(task, pattern)
    _say({"state": "connecting"})
    # The silent ones come first: a server that serves one at a time has got hold of one of them.
    for number in (task.idle, task.active):
        held += connect_all(HOST, task.port, number, PATIENCE_S) if number else []
    traffic = Traffic(held[task.idle :], task.active, pattern, task.depth, None)
    _say({"state": "probing"})
    served = _probed(traffic, task.active, probe)
    if not served:
        return {"cannot": _unserved(traffic, task), "held": True}
    _say({"state": "idling"})
    quiet = _quiet(probe)
    _say({"state": "measuring"})
    return {"result": {**_window(task, traffic, probe), "served": served, "quiet": quiet}}


def _warm_up(task: Task, pattern: Pattern) -> None:
    """On connections that are closed again: a fresh allocator makes some servers several times slower at first."""
    traffic = Traffic(connect_all(HOST, task.port, task.active, PATIENCE_S), task.active, pattern, task.depth, None)
    traffic.send_until(time.perf_counter_ns() + int(WARM_S * 1e9))
    traffic.finish()
    traffic.close()


def _probed(traffic: Traffic, active: int, probe: Probe) -> int:
    """How many of the active connections are served, once two slices of time have brought no more.

    While none is, the server may still be accepting those before them: that shows in its record. Where it does nothing
    at all, it is given longer.
    """
    before, still = (0, 0), 0
    while True:
        echoes = traffic.echoes
        traffic.send_until(time.perf_counter_ns() + int(PROBE_S * 1e9))
        served = traffic.served()
        now = (served, 0 if served else probe.records())
        still = still + 1 if now == before else 0
        before = now
        is_at_work = traffic.echoes > echoes or traffic.errors
        if served == active or still >= (2 if is_at_work else _SILENT_SLICES):
            return served


def _unserved(traffic: Traffic, task: Task) -> str:
    if traffic.error_samples:
        return traffic.error_samples[0]
    return f"none of the {task.active} active connections got a reply within {_SILENT_SLICES * PROBE_S:g} s"


def _quiet(probe: Probe) -> dict[str, float]:
    """What the server takes while every connection is open and nothing is sent."""
    time.sleep(_SETTLE_S)  # the last replies are being sent
    before = probe.take(first=True)
    time.sleep(QUIET_S)
    return probe.take(first=False).since(before)


def _window(task: Task, traffic: Traffic, probe: Probe) -> dict[str, Any]:
    # What was left under way when it was quiet has waited since then.
    traffic.send_until(time.perf_counter_ns() + int(_SETTLE_S * 1e9))
    before, latencies, errors = traffic.echoes, Latencies(), traffic.errors
    traffic.latencies = latencies
    own = time.process_time()
    began: Reading = probe.take(first=True)
    traffic.send_until(time.perf_counter_ns() + int(task.seconds * 1e9))
    took = probe.take(first=False).since(began)
    return {
        "echoes": traffic.echoes - before,
        "seconds": traffic.seconds,
        "latency_us": latencies.summary(),
        "errors": traffic.errors - errors,
        "error": (traffic.error_samples or [""])[0],
        "generator_cpu": time.process_time() - own,
        "took": took,
        "scanned_a_turn": probe.scanned_a_turn(),
    }


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main(Task.from_json(sys.argv[1]))
