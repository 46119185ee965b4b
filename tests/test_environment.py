"""One environment for the server and its tools, and surroundings that lack something."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from commands import failure, run
from conftest import ROOT, Server, Site, clean_environment
from waiting import DEADLINE_S, wait_until

import app
from core.command_line import _dashboard
from core.loopback import ask, reachable

SHARED = {"ECHOSCOPE_DATA_DIR", "ECHOSCOPE_ECHO_HOST", "ECHOSCOPE_ECHO_PORT", "ECHOSCOPE_REPLY"}
"""What means the same to the server and to a tool."""


def of_server(server: Server, **more: str) -> dict[str, str]:
    """The environment of a container in which that server would run, with a proxy that nothing of it may reach."""
    return {
        "ECHOSCOPE_HOST": "0.0.0.0",
        "ECHOSCOPE_PORT": server.url.rsplit(":", 1)[1],
        "ECHOSCOPE_ECHO_HOST": "0.0.0.0",
        "ECHOSCOPE_ECHO_PORT": str(server.echo[1]),
        "ECHOSCOPE_WORKERS": "0",
        "http_proxy": "http://127.0.0.1:9",
        "no_proxy": "localhost",
        **more,
    }


def variables(command: str) -> set[str]:
    """Those that the options of a command read."""
    read = {option.envvar for option in app.cli.commands[command].params}
    return {name for name in read if isinstance(name, str)}


@pytest.mark.parametrize("command", sorted(set(app.cli.commands) - {"serve"}))
def test_a_variable_means_to_a_tool_what_it_means_to_the_server(command: str) -> None:
    assert variables(command) & variables("serve") <= SHARED


def test_tools_find_the_server_of_their_environment(server: Server, tmp_path: Path) -> None:
    environment = of_server(server, ECHOSCOPE_DATA_DIR=str(tmp_path / "data"))
    assert "] hello" in run("client", stdin="hello\n", **environment).stdout
    assert json.loads(run("load", "--seconds", "0.1", "--connections", "2", **environment).stdout)["errors"] == 0
    ran = run("zoo", "half-closes", "--count", "2", "--seconds", "2", **environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "half-closes on epoll: as expected" in ran.stdout
    assert "not checked" not in ran.stdout
    assert "half-closes: parting; 2 open" in ran.stderr
    assert int(run("log", "--stats", **environment).stdout.split()[1].replace(",", "")) > 4
    # The command line has the last word, also by the older names.
    nowhere = str(free_port())
    for names in (("--host", "--port"), ("--echo-host", "--echo-port")):
        line = failure(run("load", names[0], "localhost", names[1], nowhere, "--seconds", "0.1", **environment), 1)
        assert f"localhost:{nowhere}" in line
    assert "a whole number" in failure(run("lab", **environment | {"ECHOSCOPE_LAB_WORKERS": "two"}), 2)


@pytest.mark.parametrize("name", ["port", "echo_port"])
def test_ports_of_kubernetes_are_passed_over(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"ECHOSCOPE_{name.upper()}", "tcp://10.96.0.7:5000")
    serve = app.cli.commands["serve"]
    assert serve.make_context("serve", []).params[name] == {"port": 5000, "echo_port": 21567}[name]
    (line,) = capsys.readouterr().err.splitlines()
    assert f"ECHOSCOPE_{name.upper()}=tcp://10.96.0.7:5000 is ignored" in line
    assert serve.make_context("serve", [f"--{name.replace('_', '-')}", "6001"]).params[name] == 6001
    assert _dashboard() == "http://127.0.0.1:5000"
    assert capsys.readouterr().err == ""


def free_port() -> int:
    """One that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("streams", "standard"), [("<&- >&- 2>&-", "/dev/null"), ("< /dev/null 2> /dev/null > >(true)", "")]
)
def test_standard_streams_that_are_closed(tmp_path: Path, streams: str, standard: str) -> None:
    port = free_port()
    command = f"exec {sys.executable} app.py --port {port} --echo-port 0 --data-dir {tmp_path} {streams}"
    with subprocess.Popen(["bash", "-c", command], cwd=ROOT, env=clean_environment()) as process:
        try:
            wait_until(lambda: is_healthy(f"http://127.0.0.1:{port}"), "it serves")
            for descriptor in (0, 1, 2) if standard else ():
                assert os.readlink(f"/proc/{process.pid}/fd/{descriptor}") == standard
        finally:
            process.terminate()
        assert process.wait(DEADLINE_S) == 0


def is_healthy(url: str) -> bool:
    """Whether a dashboard there answers, and well."""
    try:
        return ask(f"{url}/healthz", DEADLINE_S).status == 200
    except OSError:
        return False


def test_a_data_directory_that_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("no folder")
    for arguments in (["log"], ["--port", "0", "--echo-port", "0"]):
        assert str(tmp_path) in failure(run(*arguments, "--data-dir", str(tmp_path)), 1)
    (tmp_path / "log").unlink()
    (tmp_path / "series").write_text("no folder")
    assert str(tmp_path / "series") in failure(run("--port", "0", "--echo-port", "0", "--data-dir", str(tmp_path)), 1)


@pytest.mark.parametrize(
    ("listens", "reached"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("::", "::1"),
        ("[::]", "::1"),
        ("::ffff:0.0.0.0", "127.0.0.1"),
        ("10.0.0.7", "10.0.0.7"),
        ("fe80::1%2", "fe80::1%2"),
        ("echo.example", "echo.example"),
    ],
)
def test_where_what_listens_is_reached(listens: str, reached: str) -> None:
    assert reachable(listens) == reached


def test_loopback_is_asked_directly(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with ask(f"{site.url}/healthz", DEADLINE_S) as answer:
        assert answer.status == 200
    with pytest.raises(OSError, match="refused"):
        ask("http://192.0.2.1/healthz", DEADLINE_S)
