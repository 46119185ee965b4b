"""Fixtures: a real server in a process of its own, the web application in this one, and a leak detector."""

import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

# A ring that holds a second's worth instead of eight: a run begins some 800 servers, and each touches all of its ring.
# Said before anything that reads it is loaded.
os.environ.setdefault("_ECHOSCOPE_SHRINK", "3")

import hypothesis
import pytest
import requests
import warm
from fake_monitor import FakeMonitor
from waiting import DEADLINE_S, wait_until
from warm import Nursery
from werkzeug.serving import make_server

from web import create_app
from web.access.authentication import Authentication

ROOT = Path(__file__).resolve().parent.parent
MEMORY_WANTED = 2 << 30

# Servers under test are on this machine; a proxy has a loopback of its own.
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost,::1"


def pytest_configure() -> None:
    """Temporary folders are in memory where there is room: thousands of small files would keep a disk busy."""
    memory = Path("/dev/shm")
    with suppress(OSError):
        if shutil.disk_usage(memory).free >= MEMORY_WANTED and os.access(memory, os.W_OK):
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: some of a test is waiting."""
    return 1 + len(os.sched_getaffinity(0))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The order, so that it can be had again."""
    if seed := config.getoption("randomly_seed", None):
        terminalreporter.write_line(f"the same order again: --randomly-seed={seed}")


def pytest_collection_finish() -> None:
    """What all tests have in common need not be looked at whenever one of them collects garbage."""
    gc.collect()
    gc.freeze()


# No test asserts a time: a machine may be busy with something else.
hypothesis.settings.register_profile("calm", deadline=None, max_examples=40)
hypothesis.settings.load_profile("calm")


UNCAUGHT = b"Traceback (most recent call last)"


class Server:
    """A server in a process of its own. `arguments` is the command line after the interpreter."""

    def __init__(
        self, arguments: list[str], environment: dict[str, str] | None = None, nursery: Nursery | None = None
    ) -> None:
        whole = {**clean_environment(), **(environment or {})}
        self.process = nursery.start(arguments, whole) if nursery else _program(arguments, whole)
        self.url = ""
        self.echo: tuple[str, int] = ("", 0)

    def wait_ready(self) -> "Server":
        """Read the two lines that say where it is."""
        assert self.process.stdout is not None
        watchdog = threading.Timer(DEADLINE_S, self.process.kill)
        watchdog.start()
        lines = [self.process.stdout.readline().strip() for _ in range(2)]
        watchdog.cancel()
        watchdog.join()
        if not lines[1].startswith("echo "):
            self.process.kill()
            pytest.fail(f"no server: {lines} {self.process.communicate()[1]}")
        self.url = lines[0].removeprefix("dashboard ")
        host, port = lines[1].removeprefix("echo ").rsplit(":", 1)
        self.echo = (host.strip("[]"), int(port))
        return self

    def get(self, path: str, **arguments: Any) -> requests.Response:
        """GET a path of the dashboard."""
        return requests.get(self.url + path, timeout=DEADLINE_S, **arguments)

    def json(self, path: str, **parameters: Any) -> Any:
        """The JSON that a path answers with status 200."""
        response = self.get(path, params=parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def connect(self) -> socket.socket:
        """A connection to the echo server."""
        return socket.create_connection(self.echo, timeout=DEADLINE_S)

    def talk(self, message: bytes, reply_bytes: int) -> bytes:
        """Send a message on a new connection and read that many bytes of reply."""
        with self.connect() as sock:
            sock.sendall(message)
            reply = b""
            while len(reply) < reply_bytes:
                piece = sock.recv(65536)
                assert piece, f"closed after {reply!r}"
                reply += piece
        return reply

    def stop_by_itself(self) -> tuple[int, str, str]:
        """Wait for it to end: exit status, standard output, standard error."""
        out, err = self.process.communicate(timeout=DEADLINE_S)
        assert self.process.returncode is not None
        return self.process.returncode, out, err

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Signal it and wait: exit status, the rest of standard output, standard error."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.stop_by_itself()

    def close(self) -> None:
        """End it however it is. Fails when an exception of it was caught by nobody: a thread may have died unseen."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        said = b"" if self.process.stderr.closed else _held(self.process.stderr.fileno())
        self.process.stdout.close()
        self.process.stderr.close()
        assert UNCAUGHT not in said, said.decode(errors="replace")


def _held(pipe: int) -> bytes:
    """What a pipe holds now: its writers may live on."""
    os.set_blocking(pipe, False)
    held = b""
    with suppress(BlockingIOError):
        while piece := os.read(pipe, 65536):
            held += piece
    return held


def _program(arguments: list[str], environment: dict[str, str]) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True
    )


def clean_environment() -> dict[str, str]:
    """This environment without what would change a server's options."""
    return {k: v for k, v in os.environ.items() if not k.startswith("ECHOSCOPE_") and k != "WEB_CONCURRENCY"}


StartServer = Callable[..., Server]


@pytest.fixture(scope="session")
def nursery() -> Nursery | None:
    """Servers are forks of one process: most of a start is loading libraries. None: real programs."""
    return warm.nursery()


@contextmanager
def serving(data: Path, nursery: Nursery | None, *options: str, program: str = "app.py") -> Iterator[Server]:
    """A server on free ports, with that data directory."""
    server = Server(
        [program, "serve", "--port", "0", "--echo-port", "0", "--data-dir", str(data), *options], None, nursery
    )
    try:
        yield server.wait_ready()
    finally:
        server.close()


@pytest.fixture
def start_server(tmp_path: Path, nursery: Nursery | None) -> Iterator[StartServer]:
    """Start `app.py serve` on free ports and a fresh data directory, with more options if given."""
    started: list[Server] = []

    def start(*options: str, ready: bool = True, environment: dict[str, str] | None = None) -> Server:
        fixed = ["app.py", "serve", "--port", "0", "--echo-port", "0", "--data-dir", str(tmp_path / "data")]
        server = Server([*fixed, *options], environment, nursery)
        started.append(server)
        return server.wait_ready() if ready else server

    yield start
    for server in started:
        server.close()


@pytest.fixture
def server(start_server: StartServer) -> Server:
    """A running server with default options."""
    return start_server()


class Site:
    """The web application, with a made-up monitor behind it, served by threads of this process."""

    def __init__(self, most_viewers: int = 8, authentication: Authentication | None = None) -> None:
        self.monitor = FakeMonitor()
        options: Any = {"authentication": authentication, "most_viewers": most_viewers}
        app = create_app(self.monitor, most_downloads=2, **options)
        self.live, self.downloads = app.extensions["echoscope"]
        self._http = make_server("127.0.0.1", 0, app, threaded=True)
        self._http.daemon_threads = False  # type: ignore[attr-defined] # so that closing waits for answers
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self.live.start()
        self._thread.start()

    def close(self) -> None:
        """Stop it, viewers and downloads first."""
        self.live.stop()
        self.downloads.stop()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    """The web application over a real socket."""
    running = Site()
    yield running
    running.close()


@pytest.fixture
def monitor() -> FakeMonitor:
    """A made-up monitor."""
    return FakeMonitor()


@pytest.fixture
def browser(monitor: FakeMonitor) -> Any:
    """Flask's test client on the application that shows `monitor`."""
    return create_app(monitor).test_client()


def _descriptors() -> set[str]:
    names = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            names.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
        except FileNotFoundError:
            continue  # the descriptor of this very listing
    return names


@contextmanager
def leak_check() -> Iterator[None]:
    """Fails when more threads or descriptors are open at the end than at the start.

    Timer-like daemon threads of Socket.IO that only sleep until their next ping end by themselves and don't count.
    """
    gc.collect()
    threads, descriptors = set(threading.enumerate()), _descriptors()

    def left() -> list[str]:
        gc.collect()
        new_threads = [
            thread.name
            for thread in set(threading.enumerate()) - threads
            if not thread.name.endswith(("(_send_ping)", "(_service_task)"))
        ]
        return new_threads + sorted(_descriptors() - descriptors)

    yield
    wait_until(lambda: not left(), lambda: f"nothing is left behind; there is {left()}")


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """The leak detector around a whole test (name it before fixtures that must be torn down first)."""
    with leak_check():
        yield


@pytest.fixture
def no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the system lets no more of them begin."""

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """As beside a thousand clients: the next descriptor is one that select(2) can't take."""
    with ExitStack() as stack:
        while stack.enter_context(open(os.devnull)).fileno() < 1024:
            pass
        yield
