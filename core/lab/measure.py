"""One measurement: a server, its generator, and what came of it. Leaves no process and no file behind."""

import json
import os
import resource
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.engine.processes.worker import WorkerConfig
from core.engine.server.connection import WaterMarks
from core.engine.server.listener import BACKLOG, listen
from core.engine.settings import ServerSettings
from core.interpreter import EXECUTABLE
from core.lab.generator import HOST, Task
from core.lab.machine import cores
from core.lab.plan import REFERENCES, LabOrder, Point
from core.lab.ring_counter import RingCounter
from core.ring.recorder import Files, prepare
from core.ring.ring import RingWriter

_ROOT: Final = Path(__file__).resolve().parents[2]
_RING: Final = 1 << 17
_LOOK_S: Final = 0.1
_DESCRIPTORS_KEPT: Final = 64
_DEADLINE_S: Final = 20.0
"""How long a process may be silent beyond the time that it was given."""

Json = dict[str, Any]
Process = subprocess.Popen[bytes]


class MeasureError(Exception):
    """A measurement that failed for no fault of the model's; one line."""


class CancelledError(Exception):
    """Whoever asked for it has called it off."""


def measure(order: LabOrder, point: Point, cancelled: Callable[[], bool], told: Callable[[str], None]) -> Json:
    """What the generator reports (see core.lab.generator), or `{"cannot": why}`.

    `told` hears what is being done. Raises CancelledError soon after `cancelled` answers true, and MeasureError.
    """
    told("starting")
    with ExitStack() as stack:
        server = stack.enter_context(serving(point))
        task = _task(order, point, server)
        command = [sys.executable, "-m", "core.lab.generator", task.to_json()]
        generator = stack.enter_context(_process(command, stdin=subprocess.PIPE))
        return _followed(_Following(order, point, server, generator, cancelled, told))


@dataclass(frozen=True)
class MeasuredServer:
    """The processes of a server; `directory` and `tape` are None for a reference."""

    port: int
    pids: list[int]
    directory: Path | None
    tape: RingCounter | None


@dataclass(frozen=True)
class _Following:
    order: LabOrder
    point: Point
    server: MeasuredServer
    generator: Process
    cancelled: Callable[[], bool]
    told: Callable[[str], None]


def _task(order: LabOrder, point: Point, server: MeasuredServer) -> Task:
    return Task(
        port=server.port,
        pids=server.pids,
        directory=str(server.directory or ""),
        cores=sorted(cores()[1]),
        idle=point.idle,
        active=order.active,
        size=order.size,
        depth=order.depth,
        seconds=order.seconds,
    )


def _followed(of: _Following) -> Json:
    """Read along what the generator says, until it or the server's record has said all."""
    heard, patience = time.monotonic(), of.order.seconds + _DEADLINE_S
    tape = of.server.tape
    for line in _lines(of.generator):
        if of.cancelled():
            raise CancelledError
        # A model that refuses a connection can't do the point: nobody needs to wait for the rest.
        if tape is not None and tape.refused:
            return {"cannot": tape.refusal()}
        if line is None:
            if time.monotonic() - heard > patience:
                raise MeasureError(f"the load generator was silent for {patience:.0f} s")
            continue
        heard = time.monotonic()
        said: Json = json.loads(line)
        if "state" not in said:
            return _finished(said, of)
        if said["state"] == "connecting" and of.server.directory is not None:
            # All have opened its files: now nothing is left even if this process is killed.
            shutil.rmtree(of.server.directory)
        of.told(said["state"])
    raise MeasureError(f"the load generator ended with status {of.generator.wait()} and no result")


def _finished(said: Json, of: _Following) -> Json:
    tape = of.server.tape
    if tape is None:
        return {name: value for name, value in said.items() if name != "held"}
    tape.catch_up()
    if tape.refused:
        return {"cannot": tape.refusal()}
    if "cannot" in said:
        if not said["held"]:
            return {"cannot": said["cannot"]}
        # The warming-up has had as many connections as are active, all of them accepted.
        total, accepted = of.order.active + of.point.idle, max(0, tape.opened - of.order.active)
        return {"cannot": f"{said['cannot']}; the server has accepted {accepted:,} of {total:,} connections"}
    return {"result": {**said["result"], "lost": tape.lost}}


def _lines(process: Process) -> Iterator[bytes | None]:
    """The lines that it writes; None each time that there was none for a moment."""
    assert process.stdout is not None
    output, rest = process.stdout.fileno(), b""
    poll = select.poll()  # select(2) takes no descriptor of 1024 or more, and this may be the clients' process
    poll.register(output, select.POLLIN)
    while True:
        if not poll.poll(_LOOK_S * 1000):
            yield None
            continue
        data = os.read(output, 65536)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        yield from lines


@contextmanager
def serving(point: Point) -> Iterator[MeasuredServer]:
    """The server of a point, ready for connections; it is killed at the end. Raises MeasureError and OSError."""
    if point.model in REFERENCES:
        with _reference(point.model) as server:
            yield server
    else:
        with _engine(point) as server:
            yield server


def _allowed() -> str:
    return ",".join(str(core) for core in sorted(cores()[0]))


@contextmanager
def _reference(name: str) -> Iterator[MeasuredServer]:
    command = [sys.executable, "-m", "core.lab.measured_server", name, _allowed()]
    with _process(command, stdin=subprocess.PIPE) as process:
        yield MeasuredServer(int(_first_line(process, name)), [process.pid], None, None)


@contextmanager
def _engine(point: Point) -> Iterator[MeasuredServer]:
    """Worker processes of the engine, as `serve --workers` has them, each with a ring that a tape reads along."""
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="echoscope-lab-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        listener = stack.enter_context(listen(HOST, 0, 0, shared=True))
        port = listener.getsockname()[1]
        for number in range(1, point.workers + 1):
            files = Files.of(directory, number)
            RingWriter(files.ring, worker=number, capacity=_RING).close()
            prepare(files)
        tape = RingCounter(directory, point.workers)
        tape.start()
        stack.callback(tape.stop)
        pids = [
            stack.enter_context(_worker(_config(point, directory, number, port)))
            for number in range(1, point.workers + 1)
        ]
        yield MeasuredServer(port, pids, directory, tape)


def _config(point: Point, directory: Path, number: int, port: int) -> WorkerConfig:
    room = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - _DESCRIPTORS_KEPT
    settings = ServerSettings(
        model=point.model, reply="echo", marks=WaterMarks(256 * 1024, 64 * 1024), max_connections=room
    )
    return WorkerConfig(str(directory), number, HOST, port, BACKLOG, number, point.workers, settings)


@contextmanager
def _worker(config: WorkerConfig) -> Iterator[int]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        arguments = ["engine", _allowed(), config.to_json(), str(theirs.fileno())]
        command = [sys.executable, "-m", "core.lab.measured_server", *arguments]
        with _process(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL) as process:
            theirs.close()
            ours.settimeout(_DEADLINE_S)
            try:
                ready = ours.recv(16)
            except TimeoutError:
                ready = b""
            if not ready:
                raise MeasureError(f"the server process of {config.settings.model} did not start")
            yield process.pid


@contextmanager
def _process(command: list[str], **options: Any) -> Iterator[Process]:
    """A process that is killed at the end; each ends by itself when this one is gone."""
    # What it complains of goes where this process complains: an operator wants to see why it failed.
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command, executable=EXECUTABLE, cwd=_ROOT, stdout=subprocess.PIPE, start_new_session=True, **options
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _first_line(process: Process, name: str) -> bytes:
    deadline = time.monotonic() + _DEADLINE_S
    for line in _lines(process):
        if line is not None:
            return line
        if time.monotonic() > deadline:
            break
    raise MeasureError(f"the server process of {name} did not start")
