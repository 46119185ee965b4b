"""Minutes of full load, then every account of them must agree: `python -m bench.proof [--minutes 10]`.

A generator that checks every byte loads a server in four parts. In the pauses the state is noted. Then: the log's
sums are the generator's; one set in each format is read back by tools that are not echoscope's and adds up to the
same; the noted moments, asked for again of the live server and of a replay of the stopped one, are as they were.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.parse
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench.processes import DEADLINE, ROOT, BenchError, Echoscope, load, serving, wait_for
from bench.soak import connect
from core.loopback import ask

_PARTS: Final = 4
_IDLE: Final = 200
_STUCK: Final = 4
_STUCK_BYTES: Final = 12 << 20
_FORMATS: Final = {"parquet": 20.0, "csv": 20.0, "jsonl": 20.0, "perfetto": 5.0}
"""Seconds of load that are downloaded in each format: whole files have to fit into the memory of their readers."""
_COLUMNS: Final = ("rows", "bytes_in", "bytes_out", "echoes")
_MOVING: Final = ("uptime_s", "viewers", "recorder", "accept_queue", "at", "replay")
Json = dict[str, Any]


class Account:
    """The table, and whether every line of it holds."""

    def __init__(self) -> None:
        self.holds = True

    def compare(self, what: str, expected: Any, found: Any) -> None:
        """A line; both are told when they differ."""
        same = expected == found
        self.holds &= same
        print(f"{what:58}{'equal' if same else 'WRONG'}" + ("" if same else f"\n  {expected}\n  {found}"), flush=True)


def noted(server: Echoscope, at: str = "") -> Json:
    """The state that can be told again later: of now, or of a moment."""
    moment = f"&at={urllib.parse.quote(at)}" if at else ""
    status = server.get(f"status?{moment.removeprefix('&')}")
    items = server.get(f"connections?q=state:open,blocked,paused,closing&limit=1000{moment}")["items"]
    return {
        "status": {name: value for name, value in status.items() if name not in _MOVING},
        "connections": [{name: value for name, value in item.items() if name not in _AGES} for item in items],
    }


_AGES: Final = ("idle_s", "waiting_s")
"""Of the present they are told as of the last tick, up to 50 ms before it is asked for."""


def stuff(port: int, stack: ExitStack) -> None:
    """Connections that stay: silent ones, and some that never read."""
    for _ in range(_IDLE):
        stack.enter_context(connect(port))
    for _ in range(_STUCK):
        client = stack.enter_context(connect(port, receive_buffer=4096))
        client.settimeout(0.5)
        try:
            client.sendall(bytes(_STUCK_BYTES))
        except TimeoutError:
            continue


def loaded(server: Echoscope, seconds: float) -> tuple[Json, dict[str, Json], tuple[int, int]]:
    """Load in parts: the generator's sums, a note of each pause by its moment, and the span of a part in the middle."""
    sums = {"echoes": 0, "bytes_out": 0, "bytes_in": 0}
    notes: dict[str, Json] = {}
    middle = (0, 0)
    for part in range(_PARTS):
        before = server.get("status")
        began = time.time_ns()
        result = load(server.port, seconds / _PARTS, connections=100, reply="echo")
        for name in sums:
            sums[name] += result[name]
        if part == 1:
            middle = began, time.time_ns()
        expected = before["echoes"] + result["echoes"]
        wait_for(lambda expected=expected: server.get("status")["echoes"] == expected, "all echoes seen")  # type: ignore[misc]
        wait_for(lambda: server.open_connections() == _IDLE + _STUCK, "the generator's connections closed")
        at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        notes[at] = noted(server)
        print(f"part {part + 1} of {_PARTS}: {result['echoes_per_s']:,.0f} echoes a second", flush=True)
    return sums, notes, middle


def read_back(python: str, tool: str, path: Path) -> Json:
    """What a tool says that a file adds up to."""
    ran = subprocess.run([python, "bench/readers.py", tool, str(path)], cwd=ROOT, capture_output=True, text=True)
    if ran.returncode:
        raise BenchError(f"{tool} can't read {path.name}: {ran.stderr.strip().splitlines()[-1]}")
    return dict(json.loads(ran.stdout))


def fetched(server: Echoscope, folder: Path, format_name: str, since: int, seconds: float) -> tuple[Path, float]:
    """A download, and how long it took."""
    until = since + int(seconds * 1e9)
    span = [datetime.fromtimestamp(at / 1e9, UTC).isoformat().replace("+00:00", "Z") for at in (since, until)]
    asked = urllib.parse.urlencode({"format": format_name, "since": span[0], "until": span[1]})
    path = folder / f"set.{format_name}"
    began = time.monotonic()
    url = f"{server.url}/api/v1/events/download?{asked}"
    with ask(url, DEADLINE) as answer, open(path, "wb") as file:
        while chunk := answer.read(1 << 20):
            file.write(chunk)
    return path, time.monotonic() - began


def downloads(account: Account, server: Echoscope, python: str, tools: list[str], middle: tuple[int, int]) -> None:
    """One set in each format, read back by each tool."""
    since = (middle[0] + middle[1]) // 2
    longest = (middle[1] - since) / 1e9
    with tempfile.TemporaryDirectory(prefix="echoscope-proof-") as folder:
        sums: dict[float, Json] = {}
        for name, most in _FORMATS.items():
            seconds = min(most, longest)
            path, took = fetched(server, Path(folder), name, since, seconds)
            readers = [("json", sys.executable)] if name == "perfetto" else [(tool, python) for tool in tools]
            for tool, runs in readers:
                found = read_back(runs, tool, path)
                if seconds not in sums:
                    reference, _ = fetched(server, Path(folder), "parquet", since, seconds)
                    sums[seconds] = read_back(sys.executable, "pyarrow", reference)
                account.compare(
                    f"{name} of {seconds:.0f} s, {found['rows']:,} rows, read by {tool}", sums[seconds], found
                )
            print(f"  {path.stat().st_size:,} bytes in {took:.1f} s", flush=True)
            path.unlink()


def told(directory: Path, what: str) -> Json:
    """What `app.py log` says."""
    command = [sys.executable, "app.py", "log", f"--data-dir={directory}", what, "--json"]
    return dict(json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout))


def prove(seconds: float, workers: int, python: str, tools: list[str]) -> bool:
    """Load, stop, and compare everything with everything."""
    account = Account()
    with tempfile.TemporaryDirectory(prefix="echoscope-proof-") as folder:
        directory = Path(folder)
        options = ("--port=0", "--echo-port=0", "--reply=echo", f"--data-dir={directory}", f"--workers={workers}")
        with serving(*options) as server, ExitStack() as stack:
            stuff(server.port, stack)
            time.sleep(2.0)  # until those that never read have been noticed as such
            before = server.get("status")
            sums, notes, middle = loaded(server, seconds)
            after = server.get("status")
            grown = {name: after[name] - before[name] for name in ("echoes", "bytes_in", "bytes_out")}
            expected = {"echoes": sums["echoes"], "bytes_in": sums["bytes_out"], "bytes_out": sums["bytes_in"]}
            account.compare(f"the generator's sums, {sums['echoes']:,} echoes", expected, grown)
            account.compare("events lost", 0, after["recorder"]["lost"])
            downloads(account, server, python, tools, middle)
            for at, note in notes.items():
                account.compare(f"the state at {at}, of the live server", note, noted(server, at))
            stack.close()
            wait_for(lambda: server.open_connections() == 0, "all connections closed")
            final = server.get("status")
        with serving("--port=0", f"--replay={directory}") as server:
            for at, note in notes.items():
                account.compare(f"the state at {at}, of a replay", note, noted(server, at))
        found = told(directory, "--stats")
        account.compare(
            "the log's sums", [final["bytes_in"], final["bytes_out"]], [found["bytes_in"], found["bytes_out"]]
        )
        checked = told(directory, "--verify")
        account.compare("the log is whole", (True, []), (checked["whole"], checked["problems"]))
        print(
            f"{checked['rows']:,} rows in {found['log_bytes']:,} bytes, "
            f"{checked['sealed']} of {checked['segments']} segments sealed"
        )
    return account.holds


def main() -> int:
    """Exit status: 0, 1 when something differs, 2 when it could not be run."""
    parser = argparse.ArgumentParser(prog="python -m bench.proof", description="Full load, then a reckoning.")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the load lasts (default: 10)")
    parser.add_argument("--workers", type=int, default=0, help="worker processes of the server (default: 0)")
    parser.add_argument("--python", default=sys.executable, help="a Python that has the tools (default: this one)")
    parser.add_argument("--tools", default="pyarrow", help="of pyarrow,pandas,polars,duckdb (default: pyarrow)")
    options = parser.parse_args()
    try:
        return int(not prove(options.minutes * 60, options.workers, options.python, options.tools.split(",")))
    except (BenchError, OSError) as error:
        print(f"proof: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
