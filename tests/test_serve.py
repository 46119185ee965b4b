"""The whole program: starting it, stopping it, and what it says when it can't be started."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests
import socketio
from conftest import ROOT, Server, StartServer, clean_environment
from echo_server import fill
from fake_monitor import FakeEngine, FakeMonitor
from gunicorn.config import Config
from test_faults import logged
from waiting import DEADLINE_S, wait_until

from web import create_app
from web.serving import STOP_S, Deployment
from web.tools import Tools

STOPS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.fixture
def nursery() -> None:
    """These are tests of the start and the end themselves."""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )


def failure(ran: subprocess.CompletedProcess[str], status: int) -> str:
    """The one line on standard error of a command that failed as it should."""
    assert ran.returncode == status, ran.stderr
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert line.startswith("echoscope: ")
    return line


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
def test_stop_is_prompt_with_viewers_and_clients(start_server: StartServer, number: int) -> None:
    # A crowded machine may hold one up, not all of them.
    assert any(stopped_in(start_server(), number) < STOP_S for _ in range(3)), "it has waited for someone"


def stopped_in(server: Server, number: int) -> float:
    """How long it takes to stop with viewers and clients, in seconds."""
    viewers = [follow(server), follow(server, "polling")]
    idle_browser = socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])))
    with requests.Session() as kept_alive, server.connect() as client:
        kept_alive.get(server.url + "/api/v1/status", timeout=DEADLINE_S)
        client.sendall(b"hello")
        assert client.recv(100)
        begun = time.monotonic()
        status, out, err = server.stop(number)
        took = time.monotonic() - begun
        assert client.recv(100) == b""
    idle_browser.close()
    for viewer in viewers:
        leave(viewer)
    assert (status, out, err) == (0, "", "")
    return took


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


def test_a_replay_has_the_dashboard_and_no_echo_server(start_server: StartServer, tmp_path: Path) -> None:
    start_server().stop()
    command = [sys.executable, "app.py", "serve", "--port", "0", "--replay", str(tmp_path / "data")]
    with subprocess.Popen(command, cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE, text=True) as replay:
        assert replay.stdout
        url = replay.stdout.readline().removeprefix("dashboard ").strip()
        assert requests.get(f"{url}/api/v1/status", timeout=DEADLINE_S).json()["replay"]
        for page in ("", "connections", "events", "loop"):
            assert requests.get(f"{url}/{page}", timeout=DEADLINE_S).ok
        replay.send_signal(signal.SIGTERM)
        assert replay.stdout.read() == ""
    assert replay.returncode == 0


def test_a_replay_of_nothing(tmp_path: Path) -> None:
    assert "no log of echoscope" in failure(run("app.py", "serve", "--port", "0", "--replay", str(tmp_path)), 1)


def test_start_and_stop_are_in_the_log(start_server: StartServer, tmp_path: Path) -> None:
    start_server().stop()
    ran = run("app.py", "log", "--data-dir", str(tmp_path / "data"), "--format", "csv")
    assert [line.split(",")[5] for line in ran.stdout.splitlines()] == ["kind", "start", "stop"]


def test_worker_stops_by_itself_when_its_master_is_killed(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    server.process.kill()
    server.process.communicate()
    again = wait_until(lambda: _restarted(start_server), "the directory is free again")
    assert again.stop()[0] == 0
    ran = run("app.py", "log", "--data-dir", str(tmp_path / "data"), "-q", "kind:stop")
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


def gunicorn(*options: str, **environment: str) -> Server:
    """Start as people deploy it."""
    arguments = ["-m", "gunicorn", "-c", "gunicorn.conf.py", *options]
    return Server(arguments, {"ECHOSCOPE_PORT": "0", "ECHOSCOPE_ECHO_PORT": "0", **environment})


@pytest.mark.parametrize("number", STOPS)
def test_gunicorn(tmp_path: Path, number: int) -> None:
    server = gunicorn(ECHOSCOPE_DATA_DIR=str(tmp_path), ECHOSCOPE_REPLY="echo").wait_ready()
    assert server.talk(b"hello", 5) == b"hello"
    viewer = follow(server)
    assert server.json("/api/v1/status")["viewers"] == 1
    status, out, err = server.stop(number)
    leave(viewer)
    assert (status, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("options", "environment", "named"),
    [
        (["-w", "4"], {}, "4 gunicorn workers"),
        ([], {"WEB_CONCURRENCY": "3"}, "3 gunicorn workers"),
        (["-k", "sync"], {}, ""),
        (["-k", "tornado"], {}, "worker class"),
        (["--threads", "2"], {}, "2 gunicorn threads"),
    ],
)
def test_gunicorn_refuses_what_cannot_work(
    tmp_path: Path, options: list[str], environment: dict[str, str], named: str
) -> None:
    server = gunicorn(*options, ECHOSCOPE_DATA_DIR=str(tmp_path), **environment)
    try:
        if not named:  # gunicorn itself makes gthread of a sync worker with threads
            assert server.wait_ready().stop()[0] == 0
            return
        status, out, err = server.stop_by_itself()
    finally:
        server.close()
    assert status == 1
    assert out == ""
    (line,) = err.splitlines()
    assert named in line


@pytest.mark.parametrize("number", [signal.SIGTTIN, signal.SIGUSR2])
def test_a_second_worker_is_refused(server: Server, number: int) -> None:
    server.process.send_signal(number)
    assert server.process.stderr is not None
    assert "one worker process" in server.process.stderr.readline()
    assert server.talk(b"hello", 32).endswith(b"] hello")
    assert server.stop()[0] == 0


def test_gunicorn_names_a_bad_option(tmp_path: Path) -> None:
    ran = run("-m", "gunicorn", "-c", "gunicorn.conf.py", ECHOSCOPE_DATA_DIR=str(tmp_path), ECHOSCOPE_MODEL="magic")
    assert "magic" in failure(ran, 2)


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
    assert named in failure(run("app.py", *options), 2)


def test_options_from_the_environment() -> None:
    assert "'--port'" in failure(run("app.py", ECHOSCOPE_PORT="high"), 2)


@pytest.mark.parametrize("option", ["--port", "--echo-port"])
def test_taken_port(tmp_path: Path, option: str) -> None:
    other = "--echo-port" if option == "--port" else "--port"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = run("app.py", option, port, other, "0", "--data-dir", str(tmp_path))
    line = failure(ran, 1)
    assert port in line
    assert "in use" in line


@pytest.mark.parametrize("option", ["--host", "--echo-host"])
@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.1", "a" * 300])
def test_host_that_cannot_be_had(tmp_path: Path, option: str, host: str) -> None:
    ran = run("app.py", option, host, "--port", "0", "--echo-port", "0", "--data-dir", str(tmp_path))
    assert host in failure(ran, 1)


def test_second_server_on_the_same_directory(server: Server, tmp_path: Path) -> None:
    ran = run("app.py", "--port", "0", "--echo-port", "0", "--data-dir", str(tmp_path / "data"))
    assert str(tmp_path / "data") in failure(ran, 1)
    wait_until(lambda: answers(server), "healthy")


def test_directory_that_cannot_be_made() -> None:
    ran = run("app.py", "--port", "0", "--echo-port", "0", "--data-dir", "/proc/nowhere")
    assert "/proc/nowhere" in failure(ran, 1)


def test_directory_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    ran = run("app.py", "--port", "0", "--echo-port", "0", "--data-dir", str(path))
    assert str(path) in ran.stderr
    assert ran.returncode in (1, 2)


def test_foreign_segment_is_named(start_server: StartServer, tmp_path: Path) -> None:
    start_server().stop()
    segment = next((tmp_path / "data" / "log").glob("segment-*"))
    segment.write_bytes(b"not a log at all" * 100)
    ran = run("app.py", "--port", "0", "--echo-port", "0", "--data-dir", str(tmp_path / "data"))
    assert ran.returncode != 0
    (line,) = ran.stderr.splitlines()
    assert segment.name in line


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_other_addresses(start_server: StartServer, host: str) -> None:
    server = start_server("--host", host, "--echo-host", host)
    wait_until(lambda: answers(server), "healthy")
    assert server.talk(b"x", 28).endswith(b"x")
