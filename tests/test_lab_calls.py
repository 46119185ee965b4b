"""The system calls that the engine counts are those that strace sees."""

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from waiting import DEADLINE_S, wait_until

from core.clients.load import LoadSettings, run
from core.lab.measure import serving
from core.lab.plan import Point
from core.lab.probe import Probe

SOCKET_CALLS = ("accept4", "recvfrom", "recvmsg", "sendto", "sendmsg")
WAITS = {"epoll": "epoll_wait", "epoll-et": "epoll_wait", "poll": "poll", "select": "pselect6", "busy": ""}
UNDER_WAY = 4
"""Calls of other threads and of the loop that were under way when strace came or went."""


def may_trace() -> bool:
    """Whether ptrace(2) is allowed here; strace itself must be there (tests/browser/setup.sh)."""
    program = shutil.which("strace")
    assert program, "strace is not there: install Debian's package strace"
    return subprocess.run([program, "-o", "/dev/null", "true"], capture_output=True).returncode == 0


def counted(table: str) -> dict[str, int]:
    """Calls by name, of what `strace -c` prints."""
    found = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", table, re.MULTILINE)
    return {name: int(calls) for calls, name in found if name != "total"}


@pytest.mark.parametrize("model", WAITS)
def test_what_is_counted_is_what_strace_sees(model: str, tmp_path: Path) -> None:
    if not may_trace():
        pytest.skip("ptrace is forbidden here")
    with serving(Point(model, 1, 0)) as server:
        probe = Probe(server.pids, server.directory)
        outset = probe.take(first=True)
        table = tmp_path / "calls"
        tracer = subprocess.Popen(
            ["strace", "-f", "-c", "-o", str(table), "-p", str(server.pids[0])], stderr=subprocess.PIPE, text=True
        )
        assert tracer.stderr is not None
        assert "attached" in tracer.stderr.readline()
        before = probe.take(first=True)
        loaded = run(LoadSettings(port=server.port, connections=5, seconds=0.3, reply="echo"))
        wait_until(lambda: probe.take(first=False).records - before.records >= loaded["echoes"] + 15, "all closed")
        took = probe.take(first=False).since(before)
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=DEADLINE_S)
        whole = probe.take(first=False).since(outset)
        probe.close()
    seen = counted(table.read_text())
    calls = sum(seen.get(name, 0) for name in SOCKET_CALLS)
    assert loaded["errors"] == 0
    assert took["calls"] >= 2 * loaded["echoes"]
    # It goes on calling between each look at its counts and the beginning or the end of the tracing.
    assert took["calls"] - UNDER_WAY <= calls <= whole["calls"] + UNDER_WAY
    if WAITS[model]:
        waits = sum(calls for name, calls in seen.items() if WAITS[model].rstrip("6").lstrip("p") in name)
        assert took["turns"] - UNDER_WAY <= waits <= whole["turns"] + UNDER_WAY
