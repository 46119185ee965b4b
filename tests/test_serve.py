"""The whole program: starting it, stopping it, and what it says when it can't be started."""

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import socketio
from commands import failure, run
from conftest import ROOT, Server, StartServer, clean_environment, serving
from echo_server import fill
from fake_monitor import FakeEngine, FakeMonitor
from gunicorn.config import Config
from test_faults import logged
from waiting import DEADLINE_S, wait_until
from warm import Nursery

from web import create_app
from web.serving.serving import STOP_S, Deployment
from web.serving.tools import Tools

STOPS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


a_real_start = pytest.mark.parametrize("nursery", [None])
"""Of the start itself: a program of its own, not a fork of one that has loaded everything."""


def follow(server: Server, transport: str = "websocket") -> socketio.Client:
    """A viewer that acknowledges what it gets."""
    viewer = socketio.Client(reconnection=False, request_timeout=DEADLINE_S)
    frames: list[object] = []
    viewer.on("frame", frames.append)
    viewer.connect(server.url, transports=[transport], wait_timeout=DEADLINE_S)
    assert viewer.call("watch", {"view": "overview"}, timeout=DEADLINE_S) == {"ok": True}
    wait_until(lambda: frames, "a frame")
    return viewer


def leave(viewer: socketio.Client) -> None:
    """Free what the client holds after the server has gone."""
    web_socket = viewer.eio.ws
    viewer.disconnect()
    if web_socket:
        web_socket.shutdown()
    if viewer.eio.http:
        viewer.eio.http.close()


@pytest.mark.parametrize("number", STOPS)
def test_a_stop_waits_for_no_viewer_and_no_client(tmp_path: Path, nursery: Nursery, number: int) -> None:
    with serving(tmp_path, nursery, program="tests/patient.py") as server:
        viewers = [follow(server), follow(server, "polling")]
        idle_browser = socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])))
        with idle_browser, requests.Session() as kept_alive, server.connect() as client:
            kept_alive.get(server.url + "/api/v1/status", timeout=DEADLINE_S)
            client.sendall(b"hello")
            assert client.recv(100)
            assert server.stop(number) == (0, "", "")
            assert client.recv(100) == b""
        for viewer in viewers:
            leave(viewer)


def test_serving_stops_first_and_all_else_meanwhile(monitor: FakeMonitor) -> None:
    asked, cut = threading.Event(), threading.Event()
    steps: list[str] = []

    class Stuck(FakeEngine):
        def stop_serving(self, timeout: float) -> None:
            asked.set()
            assert cut.wait(DEADLINE_S)
            steps.append("served")

        def stop(self) -> None:
            steps.append("stopped")
            super().stop()

    class Slow(Tools):
        def stop(self) -> None:
            assert asked.wait(DEADLINE_S)
            cut.set()

    class Worker:
        cfg = Config()

        def handle_exit(self, number: int, frame: None) -> None:
            steps.append("left")

    engine = Stuck()
    deployment = Deployment(lambda: engine, OSError)
    deployment._stop_asked.put(None)
    deployment._stop(Worker(), engine, create_app(monitor), Slow())
    assert steps == ["served", "stopped", "left"]
    assert deployment.settings()["graceful_timeout"] > 2 * (STOP_S + 10)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_stuck_client_and_a_run_of_the_lab_keep_no_stop_from_its_end(
    start_server: StartServer, tmp_path: Path, workers: str
) -> None:
    server = start_server("--workers", workers)
    order: Any = {"models": ["epoll"], "idle": [0], "active": 1, "seconds": 60, "repeats": 1}
    assert requests.post(server.url + "/api/v1/lab/runs", json=order, timeout=DEADLINE_S).status_code == 202
    with server.connect() as stuck:
        wait_until(lambda: not fill(stuck) and server.json("/api/v1/status")["connections"]["blocked"], "it is blocked")
        assert server.stop()[0] == 0
    rows = logged(tmp_path / "data").select(["kind", "reason"]).to_pylist()
    assert sum(row["kind"] == "stop" for row in rows) == max(1, int(workers))
    assert [row["reason"] for row in rows if row["kind"] == "close"] == ["shutdown"]


@a_real_start
def test_two_lines_and_both_ports_answer(server: Server) -> None:
    assert server.url.startswith("http://127.0.0.1:")
    wait_until(lambda: server.get("/healthz").json() == {"status": "ok"}, "healthy")
    assert server.talk(b"hello", 32).endswith(b"] hello")


def test_stop_delivers_what_is_queued(start_server: StartServer) -> None:
    server = start_server("--reply", "echo", "--high-water", "64MiB", "--low-water", "1MiB")
    message = b"x" * 8_000_000
    with server.connect() as client:
        client.sendall(message[:4_000_000])
        wait_until(lambda: server.json("/api/v1/status")["bytes_in"] == 4_000_000, "all read")
        server.process.send_signal(signal.SIGTERM)
        received = 0
        while piece := client.recv(1 << 20):
            received += len(piece)
    assert received == 4_000_000
    assert server.stop()[0] == 0


def test_interrupt_from_a_terminal_reaches_all_processes(tmp_path: Path) -> None:
    command = [sys.executable, "app.py", "--port", "0", "--echo-port", "0", "--data-dir", str(tmp_path)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
        bufsize=0,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"dashboard ")
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, err) == (0, b"")
    assert out.startswith(b"echo ")


def test_a_replay_has_the_dashboard_and_no_echo_server(
    start_server: StartServer, tmp_path: Path, nursery: Nursery
) -> None:
    start_server().stop()
    command = ["app.py", "serve", "--port", "0", "--replay", str(tmp_path / "data")]
    with nursery.start(command, clean_environment()) as replay:
        url = replay.stdout.readline().removeprefix("dashboard ").strip()
        assert requests.get(f"{url}/api/v1/status", timeout=DEADLINE_S).json()["replay"]
        for page in ("", "connections", "events", "loop"):
            assert requests.get(f"{url}/{page}", timeout=DEADLINE_S).ok
        replay.send_signal(signal.SIGTERM)
        assert replay.communicate(DEADLINE_S) == ("", "")
    assert replay.returncode == 0


def test_a_replay_of_nothing(tmp_path: Path) -> None:
    assert "no log of echoscope" in failure(run("serve", "--port", "0", "--replay", str(tmp_path)), 1)


def test_an_order_is_in_the_log_with_its_number(start_server: StartServer) -> None:
    server = start_server()
    with server.connect() as client:
        items = wait_until(lambda: server.json("/api/v1/connections")["items"], "it is known")
        path = f"{server.url}/api/v1/connections/{items[0]['conn']}/close"
        done = requests.post(path, json={"why": "it is in the way"}, timeout=DEADLINE_S)
        refused = requests.post(server.url + "/api/v1/connections/999/close", timeout=DEADLINE_S)
        assert client.recv(1) == b""
    numbers = [answer.headers["Order-Number"] for answer in (done, refused)]
    found = wait_until(
        lambda: len(rows := server.json("/api/v1/events", q="kind:order")["items"]) == 2 and rows, "both are rows"
    )
    assert [(row["reason"], row["conn"]) for row in found] == [
        (f"close:{numbers[0]}", items[0]["conn"]),
        (f"close:{numbers[1]}", 0),
    ]


def test_start_and_stop_are_in_the_log(start_server: StartServer, tmp_path: Path) -> None:
    start_server().stop()
    ran = run("log", "--data-dir", str(tmp_path / "data"), "--format", "csv")
    assert [line.split(",")[5] for line in ran.stdout.splitlines()] == ["kind", "start", "stop"]


def test_worker_stops_by_itself_when_its_master_is_killed(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    server.process.kill()
    server.process.communicate()
    again = wait_until(lambda: _restarted(start_server), "the directory is free again")
    assert again.stop()[0] == 0
    ran = run("log", "--data-dir", str(tmp_path / "data"), "-q", "kind:stop")
    assert len(ran.stdout.splitlines()) == 2


def _restarted(start_server: StartServer) -> Server | None:
    server = start_server(ready=False)
    assert server.process.stdout is not None
    if not server.process.stdout.readline():
        return None
    server.process.stdout.readline()
    return server


def test_killed_worker_is_replaced_and_loses_nothing(server: Server) -> None:
    assert server.talk(b"hello", 32).endswith(b"] hello")
    with server.connect() as client:
        client.sendall(b"x")
        assert client.recv(100)
        (worker,) = children(server.process.pid)
        os.kill(worker, signal.SIGKILL)
        assert server.talk(b"again", 32).endswith(b"] again")
        wait_until(lambda: answers(server), "the dashboard is back")
    rows = server.json("/api/v1/events", q="-kind:open,eof")["items"]
    assert [row["seq"] for row in rows] == sorted({row["seq"] for row in rows})
    assert [row["kind"] for row in rows][:6] == ["start", "echo", "close", "echo", "close", "start"]
    assert [row["reason"] for row in rows if row["kind"] == "close"][:2] == ["peer", "crash"]
    assert server.stop()[0] == 0


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def answers(server: Server) -> bool:
    """Whether the dashboard answers."""
    try:
        return server.get("/healthz").ok
    except requests.ConnectionError:
        return False


@pytest.fixture
def gunicorn(tmp_path: Path, nursery: Nursery | None) -> Iterator[StartServer]:
    """Start as people deploy it."""
    fixed = {"ECHOSCOPE_PORT": "0", "ECHOSCOPE_ECHO_PORT": "0", "ECHOSCOPE_DATA_DIR": str(tmp_path)}
    started: list[Server] = []

    def start(*options: str, **environment: str) -> Server:
        arguments = ["-m", "gunicorn", "-c", "gunicorn.conf.py", *options]
        started.append(Server(arguments, fixed | environment, nursery))
        return started[-1]

    yield start
    for server in started:
        server.close()


@a_real_start
def test_gunicorn_as_people_start_it(gunicorn: StartServer) -> None:
    server = gunicorn().wait_ready()
    assert server.talk(b"hello", 32).endswith(b"] hello")
    assert server.stop() == (0, "", "")


@pytest.mark.parametrize("number", STOPS)
def test_gunicorn(gunicorn: StartServer, number: int) -> None:
    server = gunicorn(ECHOSCOPE_REPLY="echo").wait_ready()
    assert server.talk(b"hello", 5) == b"hello"
    viewer = follow(server)
    assert server.json("/api/v1/status")["viewers"] == 1
    status, out, err = server.stop(number)
    leave(viewer)
    assert (status, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["-w", "4"], "4 gunicorn workers"),
        (["-k", "tornado"], "worker class"),
        (["--threads", "2"], "2 gunicorn threads"),
    ],
)
def test_gunicorn_refuses_what_cannot_work(gunicorn: StartServer, options: list[str], named: str) -> None:
    assert named in one_line(gunicorn(*options), 1)


@a_real_start  # gunicorn reads it as it is loaded
def test_gunicorn_workers_from_the_environment_are_refused(gunicorn: StartServer) -> None:
    assert "3 gunicorn workers" in one_line(gunicorn(WEB_CONCURRENCY="3"), 1)


def test_gunicorn_makes_threads_of_a_sync_worker(gunicorn: StartServer) -> None:
    assert gunicorn("-k", "sync").wait_ready().stop()[0] == 0


def test_gunicorn_names_a_bad_option(gunicorn: StartServer) -> None:
    assert "magic" in one_line(gunicorn(ECHOSCOPE_MODEL="magic"), 2)


def one_line(server: Server, status: int) -> str:
    """What a server says that ends with that status by itself."""
    ended, out, err = server.stop_by_itself()
    assert (ended, out) == (status, "")
    (line,) = err.splitlines()
    return line


@pytest.mark.parametrize("number", [signal.SIGTTIN, signal.SIGUSR2])
def test_a_second_worker_is_refused(server: Server, number: int) -> None:
    server.process.send_signal(number)
    assert server.process.stderr is not None
    assert "one worker process" in server.process.stderr.readline()
    assert server.talk(b"hello", 32).endswith(b"] hello")
    assert server.stop()[0] == 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["serve", "--port", "70000"], "'--port'"),
        (["--port", "-1"], "'--port'"),
        (["--model", "magic"], "magic"),
        (["--reply", "x"], "'--reply'"),
        (["--read-size", "0"], "'--read-size'"),
        (["--high-water", "lots"], "lots"),
        (["--high-water", "1KiB", "--low-water", "2KiB"], "--low-water"),
        (["--idle-timeout", "-1"], "'--idle-timeout'"),
        (["--idle-timeout", "nan"], "--idle-timeout"),
        (["--retain-bytes", "-1"], "'--retain-bytes'"),
        (["--colour", "red"], "--colour"),
        (["dance"], "dance"),
        (["load", "--size", "0"], "'--size'"),
        (["log", "--format", "xls"], "xls"),
    ],
)
def test_bad_options(options: list[str], named: str) -> None:
    assert named in failure(run(*options), 2)


def test_options_from_the_environment() -> None:
    assert "'--port'" in failure(run(ECHOSCOPE_PORT="high"), 2)


@pytest.mark.parametrize("option", ["--port", "--echo-port"])
def test_taken_port(tmp_path: Path, option: str) -> None:
    other = "--echo-port" if option == "--port" else "--port"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = run(option, port, other, "0", "--data-dir", str(tmp_path))
    line = failure(ran, 1)
    assert port in line
    assert "in use" in line


@pytest.mark.parametrize("option", ["--host", "--echo-host"])
@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.1", "a" * 300])
def test_host_that_cannot_be_had(tmp_path: Path, option: str, host: str) -> None:
    ran = run(option, host, "--port", "0", "--echo-port", "0", "--data-dir", str(tmp_path))
    assert host in failure(ran, 1)


def test_second_server_on_the_same_directory(server: Server, tmp_path: Path) -> None:
    ran = run("--port", "0", "--echo-port", "0", "--data-dir", str(tmp_path / "data"))
    assert str(tmp_path / "data") in failure(ran, 1)
    wait_until(lambda: answers(server), "healthy")


def test_directory_that_cannot_be_made() -> None:
    ran = run("--port", "0", "--echo-port", "0", "--data-dir", "/proc/nowhere")
    assert "/proc/nowhere" in failure(ran, 1)


def test_directory_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    ran = run("--port", "0", "--echo-port", "0", "--data-dir", str(path))
    assert str(path) in ran.stderr
    assert ran.returncode in (1, 2)


def test_a_foreign_segment_is_named_and_set_aside(start_server: StartServer, tmp_path: Path) -> None:
    start_server().stop()
    segment = next((tmp_path / "data" / "log").glob("segment-*"))
    segment.write_bytes(b"not a log at all" * 100)
    server = start_server()
    assert server.talk(b"x", 28).endswith(b"x")
    status, _, err = server.stop()
    assert status == 0
    assert segment.name in err
    assert [path.read_bytes()[:16] for path in segment.parent.glob("*.damaged")] == [b"not a log at all"]


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_other_addresses(start_server: StartServer, host: str) -> None:
    server = start_server("--host", host, "--echo-host", host)
    wait_until(lambda: answers(server), "healthy")
    assert server.talk(b"x", 28).endswith(b"x")


def test_a_stop_while_the_worker_is_made_is_obeyed() -> None:
    class Arbiter:
        SIG_QUEUE: queue.SimpleQueue[int] = queue.SimpleQueue()

    deployment = Deployment(FakeEngine, OSError)
    known = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)}
    try:
        deployment.post_fork(Arbiter(), None)
        assert deployment._stop_asked.empty()
        os.kill(os.getpid(), signal.SIGTERM)
        assert not deployment._stop_asked.empty()
        Arbiter.SIG_QUEUE.put(signal.SIGTERM)
        with pytest.raises(SystemExit):
            deployment.post_fork(Arbiter(), None)
    finally:
        for number, handler in known.items():
            signal.signal(number, handler)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to make a namespace")
def test_as_the_first_process_it_can_be_stopped_while_it_loads() -> None:
    code = "import os, signal, app; os.kill(os.getpid(), signal.SIGTERM); print('still there')"
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (ran.returncode, ran.stdout) == (128 + signal.SIGTERM, "")
