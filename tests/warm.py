"""Programs that load nothing: forks of one process that has loaded all that is imported.

Loading Python's libraries is most of what a command costs. Tests of the start itself start real programs.
"""

import atexit
import contextlib
import functools
import json
import math
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import IO, Self

from flask import Flask
from werkzeug.datastructures import ImmutableDict

ROOT = Path(__file__).resolve().parent.parent
FILES_KEPT_S = 3600
"""How long a browser may keep a script or a style sheet without asking: they stay as they are while tests run."""
LOADED = (
    "app",
    "web.serving.serving",
    "core.service",
    "core.replay",
    "core.lab.lab_runs",
    "core.zoo.zoo_runner",
    "web.serving.tools",
)


class WarmProcess:
    """What subprocess.Popen offers of one of the forks, as far as tests ask for it."""

    def __init__(self, stdout: IO[str], stderr: IO[str], status: IO[str]) -> None:
        self.stdout, self.stderr, self._status = stdout, stderr, status
        self.returncode: int | None = None
        self.pid = int(status.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stdout.close()
        self.stderr.close()
        self.wait()

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self.returncode = int(self._status.readline())
            self._status.close()
        return self.returncode

    def wait(self, timeout: float = math.inf) -> int:
        """Wait for its end; TimeoutExpired after `timeout` seconds."""
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("app.py", timeout)
            select.select([self._status], [], [], 0.1)
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float = math.inf) -> tuple[str, str]:
        """Wait for its end: the rest of what it wrote, less than a pipe holds."""
        self.wait(timeout)
        with self.stdout, self.stderr:
            return self.stdout.read(), self.stderr.read()

    def send_signal(self, number: int) -> None:
        """Signal it, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Stop it."""
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The process that has loaded everything, as seen from the tests."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())], cwd=ROOT, pass_fds=[theirs.fileno()]
            )

    def start(self, arguments: list[str], environment: dict[str, str]) -> WarmProcess:
        """Run a program of the repository, `arguments` after the interpreter, with that environment."""
        pipes = [os.pipe() for _ in range(2)]
        with open(os.devnull) as nothing:
            status = self.start_on((nothing.fileno(), *(end for _, end in pipes)), arguments, environment)
        for _, end in pipes:
            os.close(end)
        out, err = (os.fdopen(end) for end, _ in pipes)
        return WarmProcess(out, err, status)

    def run(
        self, arguments: list[str], environment: dict[str, str], stdin: str, timeout: float
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program to its end, with that input; TimeoutExpired after `timeout` seconds."""
        with contextlib.ExitStack() as stack:
            given, out, err = (stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(3))
            given.write(stdin)
            given.seek(0)
            status = self.start_on((given.fileno(), out.fileno(), err.fileno()), arguments, environment)
            returncode = WarmProcess(out, err, status).wait(timeout)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(arguments, returncode, out.read(), err.read())

    def start_on(self, ends: tuple[int, ...], arguments: list[str], environment: dict[str, str]) -> IO[str]:
        """Run a program on these standard descriptors; where its number comes, and at its end its exit status."""
        reading, writing = os.pipe()
        order = json.dumps([arguments, environment]).encode()
        socket.send_fds(self._orders, [order], [*ends, writing])
        os.close(writing)
        return os.fdopen(reading)

    def close(self) -> None:
        """End it; what it started goes on."""
        self._orders.close()
        self._process.wait()


@functools.cache
def nursery() -> Nursery:
    """That of this process, started when it is first needed."""
    running = Nursery()
    atexit.register(running.close)
    return running


def _forked() -> bool:
    """Fork; whether this is the child."""
    return os.fork() == 0


def _nurse(status: int) -> None:
    """Fork once more and return in the child only; here, tell its number and, once it has ended, its status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        return
    for end in (0, 1, 2):
        os.close(end)
    os.write(status, f"{child}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(BrokenPipeError):  # the test has forgotten it
        os.write(status, f"{code}\n".encode())
    os._exit(0)


def main() -> None:
    """Take orders until there is nobody to give any; return in each program that is to run, never here."""
    orders = socket.socket(fileno=int(sys.argv[1]))
    sys.path[:1] = [str(ROOT), str(ROOT / "tests")]
    for name in LOADED:
        __import__(name)
    Flask.default_config = ImmutableDict({**Flask.default_config, "SEND_FILE_MAX_AGE_DEFAULT": FILES_KEPT_S})
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        order, ends, _, _ = socket.recv_fds(orders, 1 << 20, 4)
        if not order:
            sys.exit()
        if _forked():
            break
        for end in ends:
            os.close(end)
    orders.close()
    *standard, status = ends
    for number, end in enumerate(standard):
        os.dup2(end, number)
        os.close(end)
    _nurse(status)
    os.close(status)
    sys.argv, environment = json.loads(order)
    os.environ.clear()
    os.environ.update(environment)
    clock = sys.modules["core.ring.clock"]
    clock.adopt(clock.found_offset())  # a program that starts now knows of no step of the clock before


def run() -> int:
    """Run the program of `sys.argv`: its exit status, after what it has to do at exit."""
    try:
        if sys.argv[0] == "-m":
            del sys.argv[0]
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    main()
    # Taking the interpreter down would touch all that was loaded before the fork: a third of a second of work.
    os._exit(run())
