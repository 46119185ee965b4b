"""The processes of a benchmark: servers on one core, generators and viewers on another."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from core.loopback import ask

T = TypeVar("T")
ROOT: Final = Path(__file__).resolve().parent.parent
SERVER_CORE, CLIENT_CORE = 0, min(1, (os.cpu_count() or 1) - 1)
DEADLINE: Final = 60.0
HOST: Final = "127.0.0.1"
STAMP: Final = 27
CROWD: Final = 15_000
"""Silent connections that one process holds: the limit of descriptors may be 20,000."""

_CPUCLOCK_SCHED: Final = 2
_BUILD: Final = ROOT / "bench" / "build"


class BenchError(Exception):
    """A benchmark that could not be run; the text is one line."""


@contextmanager
def process(*arguments: str, core: int, **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """Run a program on one core; it is stopped with SIGTERM at the end."""
    pin = lambda: os.sched_setaffinity(0, {core})  # noqa: E731  (runs between fork and exec)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT, preexec_fn=pin, **options) as child:
        try:
            yield child
        finally:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                child.kill()


def first_line(child: "subprocess.Popen[str]") -> str:
    """The next line of its output, without the newline."""
    assert child.stdout
    line = child.stdout.readline()
    if not line:
        raise BenchError(f"{' '.join(map(str, child.args))} ended without a word")  # type: ignore[arg-type]
    return line.rstrip("\n")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all its threads together, to the nanosecond (clock_getcpuclockid(3)).

    The ticks of proc_pid_stat(5) are 10 ms: too coarse where a share of a percent is asked for.
    """
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


def memory(pid: int) -> int:
    """Bytes of resident memory of a process, pages shared with others counted in part (Pss)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def children(pid: int) -> list[int]:
    """The processes that each thread of a process has started."""
    tasks, found = Path(f"/proc/{pid}/task"), list[int]()
    for task in os.listdir(tasks):
        with suppress(FileNotFoundError):  # the thread has ended since
            found += map(int, (tasks / task / "children").read_text().split())
    return found


def of_running(pid: int, ask: Callable[[int], T], otherwise: T) -> T:
    """What `ask` says of a process; `otherwise` of one that has ended since it was listed."""
    try:
        return ask(pid)
    except OSError:
        if Path(f"/proc/{pid}/task/{pid}").exists() and not is_zombie(pid):
            raise
        return otherwise


def is_zombie(pid: int) -> bool:
    """Whether a process has ended and nobody has asked how yet; True also when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def over(pids: list[int], measure: Callable[[int], float]) -> float:
    """Sum over those processes that are still there."""
    return sum(of_running(pid, measure, 0.0) for pid in pids)


def tree(pid: int) -> list[int]:
    """A process and all that have come of it and run, parents first."""
    found = [pid]
    for one in found:
        found += of_running(one, children, [])
    return found


@dataclass(frozen=True)
class Server:
    """A running echo server: its port, and the first process of its tree."""

    port: int
    pid: int

    def pids(self) -> list[int]:
        """All its processes."""
        return tree(self.pid)

    def cpu_seconds(self) -> float:
        """User and system time that its processes have taken."""
        return over(self.pids(), cpu_seconds)

    def memory(self) -> int:
        """Bytes of resident memory, pages shared with others counted in part (Pss)."""
        return int(over(self.pids(), memory))


@contextmanager
def peer(name: str) -> Iterator[Server]:
    """One of bench.peers, or "C": bench/echo.c."""
    command = [str(_BUILD / "echo")] if name == "C" else [sys.executable, "-m", "bench.peers", name]
    with process(*command, core=SERVER_CORE) as child:
        yield Server(int(first_line(child)), child.pid)


@dataclass(frozen=True)
class Echoscope(Server):
    """A running `app.py serve`."""

    url: str

    def get(self, path: str) -> Any:
        """Decoded JSON of an API path."""
        with ask(f"{self.url}/api/v1/{path}", DEADLINE) as answer:
            return json.load(answer)

    def open_connections(self) -> int:
        """As the status has it."""
        return int(self.get("status")["connections"]["open"])

    def web_pid(self) -> int:
        """The process of the dashboard: the one that gunicorn forked."""
        return self.pids()[1]


@contextmanager
def echoscope(*options: str) -> Iterator[Echoscope]:
    """`app.py serve` in thread mode, recording everything into a new directory."""
    directory = tempfile.mkdtemp(prefix="echoscope-bench-")
    try:
        with serving("--port", "0", "--echo-port", "0", "--data-dir", directory, *options) as server:
            yield server
    finally:
        shutil.rmtree(directory)


@contextmanager
def serving(*options: str) -> Iterator[Echoscope]:
    """`app.py serve` with these options; a replay has port 0."""
    with process(sys.executable, "app.py", "serve", *options, core=SERVER_CORE) as child:
        dashboard, echo = (
            first_line(child),
            "" if any(one.startswith("--replay") for one in options) else first_line(child),
        )
        yield Echoscope(int(echo.rpartition(":")[2] or 0), child.pid, dashboard.removeprefix("dashboard "))


@contextmanager
def viewers(server: Echoscope, number: int) -> Iterator[None]:
    """So many dashboards open: each watches the overview and the connections and acknowledges every frame."""
    if not number:
        yield
        return
    with process(sys.executable, "-m", "bench.viewers", server.url, str(number), core=CLIENT_CORE) as child:
        first_line(child)
        yield


def build() -> None:
    """Compile the C programs that are newer than what was compiled."""
    compiler = shutil.which("cc")
    _BUILD.mkdir(exist_ok=True)
    shared = ROOT / "bench" / "clients.h"
    for program in ("generator", "visitors", "echo"):
        source, target = ROOT / "bench" / f"{program}.c", _BUILD / program
        newest = max(source.stat().st_mtime, shared.stat().st_mtime)
        if target.exists() and target.stat().st_mtime > newest:
            continue
        if not compiler:
            raise BenchError("the benchmarks need a C compiler: cc is not there")
        subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", target, source], check=True)


def generate(port: int, seconds: float, **shape: float) -> dict[str, Any]:
    """What bench/generator.c reports; a missing reply is an error.

    `shape`: connections, size, extra (bytes a reply is longer), rate (messages a second, else as many as go).
    """
    options = [f"-{name[0] if name != 'extra' else 'x'}{value}" for name, value in shape.items()]
    command = [str(_BUILD / "generator"), f"-t{seconds}", *options, HOST, str(port)]
    with process(*command, core=CLIENT_CORE) as child:
        result: dict[str, Any] = json.loads(first_line(child))
        child.wait(DEADLINE)
    if result["missing"]:
        raise BenchError(f"{result['missing']} replies are missing")
    return result


@contextmanager
def generating(port: int, seconds: float) -> Iterator[None]:
    """Messages as fast as they are answered, for as long as this lasts and `seconds` at the most."""
    with process(str(_BUILD / "generator"), f"-t{seconds}", HOST, str(port), core=CLIENT_CORE):
        yield


def churn(port: int, seconds: float, abreast: int) -> float:
    """Connections a second that were opened, ended and closed again by the server, so many at a time."""
    command = [str(_BUILD / "visitors"), "churn", str(seconds), str(abreast), HOST, str(port)]
    with process(*command, core=CLIENT_CORE) as child:
        result = json.loads(first_line(child))
        child.wait(DEADLINE)
    return float(result["visits_per_s"])


@contextmanager
def crowd(port: int, number: int) -> Iterator[None]:
    """So many silent connections, held by processes with a source address each."""
    with ExitStack() as stack:
        children = []
        for index, begin in enumerate(range(0, number, CROWD)):
            count, source = min(CROWD, number - begin), f"127.0.2.{index + 1}"
            command = [str(_BUILD / "visitors"), "hold", str(count), source, HOST, str(port)]
            children.append(stack.enter_context(process(*command, core=CLIENT_CORE)))
        for child in children:
            first_line(child)
        yield


def load(port: int, seconds: float, **shape: Any) -> dict[str, Any]:
    """What `app.py load` reports."""
    options = [f"--{name}={value}" for name, value in shape.items()]
    command = [sys.executable, "app.py", "load", f"--port={port}", f"--seconds={seconds}", *options]
    with process(*command, core=CLIENT_CORE) as child:
        result: dict[str, Any] = json.loads(first_line(child))
        child.wait(DEADLINE)
    if result["errors"]:
        raise BenchError(f"{result['errors']} errors: {result['error_samples'][0]}")
    return result


def wait_for(condition: Callable[[], bool], what: str, deadline: float = DEADLINE) -> float:
    """Seconds until the condition held."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > deadline:
            raise BenchError(f"{what}: not within {deadline:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - started
