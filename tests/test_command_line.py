"""The commands of app.py but for serve: their options, their output, their errors."""

import csv
import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from commands import run
from conftest import ROOT, Server, StartServer, clean_environment
from waiting import DEADLINE_S, wait_until
from warm import nursery

import app
from core.clients.load import REPLIES, LoadSettings
from core.engine.models import MODELS
from core.export.formats import FORMATS
from core.log.format.schema import SCHEMA
from core.service import Settings

COMMANDS = sorted(app.cli.commands)


def options(command: str) -> list[click.Option]:
    """The options of a command."""
    return [option for option in app.cli.commands[command].params if isinstance(option, click.Option)]


def defaults(command: str) -> dict[str, Any]:
    """What a command is run with when nothing is said."""
    return dict(app.cli.commands[command].make_context(command, []).params)


def test_commands() -> None:
    assert COMMANDS == ["client", "fault", "lab", "load", "log", "serve", "user", "zoo"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_help_and_a_variable(command: str) -> None:
    for option in options(command):
        long_name = next(name for name in option.opts if name.startswith("--"))
        assert option.help
        variable = long_name[2:].upper().replace("-", "_")
        # Of its own where the server's variable of that name means something else.
        assert option.envvar in (f"ECHOSCOPE_{variable}", f"ECHOSCOPE_{command.upper()}_{variable}")


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help(command: list[str]) -> None:
    ran = run(*command, "--help")
    assert ran.returncode == 0
    assert ran.stdout.startswith("Usage: app.py")


def test_version() -> None:
    assert run("--version").stdout.startswith("echoscope ")


def allowed(*arguments: str) -> Any:
    """What `serve` takes for --allow-host."""
    return app.cli.commands["serve"].make_context("serve", list(arguments)).params["allow_host"]


def test_host_names_are_taken_from_options_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert allowed() == ()
    assert allowed("--allow-host", "Echo.Example.", "--allow-host", "[fd00::7]") == ("echo.example", "fd00::7")
    monkeypatch.setenv("ECHOSCOPE_ALLOW_HOST", "echo.example a-b.example")
    assert allowed() == ("echo.example", "a-b.example")


@pytest.mark.parametrize("name", ["https://echo.example", "echo.example:80", "*.example", "", "a b", "-x", "é.example"])
def test_what_is_no_host_name_is_refused(name: str) -> None:
    ran = run("serve", f"--allow-host={name}")
    assert ran.returncode == 2
    assert "is not a host name" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, app; app.main(['serve', '--help']); print({'numpy', 'pyarrow', 'flask'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S)
    assert ran.stdout.splitlines()[-1] == "set()"


def test_names_agree_with_the_engine() -> None:
    assert set(app.MODELS) == set(MODELS)
    assert set(app.REPLIES) == set(REPLIES)
    assert set(app.FORMATS) == set(FORMATS)


def test_defaults_agree_with_the_engine() -> None:
    shown = defaults("serve")
    assert {field.name: shown[field.name] for field in dataclasses.fields(Settings)} == dataclasses.asdict(Settings())
    assert defaults("load") == dataclasses.asdict(LoadSettings())


@pytest.mark.parametrize(
    ("text", "size"), [("65536", 65536), ("64KiB", 65536), ("1.5 MiB", 1572864), ("10kB", 10_000), ("1mb", 10**6)]
)
def test_sizes(text: str, size: int) -> None:
    assert app.Size(0, 2**40).convert(text, None, None) == size


def test_load_prints_one_object(start_server: StartServer) -> None:
    server = start_server("--reply", "echo")
    ran = run("load", "--port", str(server.echo[1]), "--reply", "echo", "--connections", "5", "--seconds", "0.2")
    result = json.loads(ran.stdout)
    assert result["errors"] == 0
    assert result["bytes_in"] == result["bytes_out"] > 0
    assert set(result["latency_us"]) == {"p50", "p90", "p99", "p999", "max"}


def test_load_without_a_server() -> None:
    ran = run("load", "--port", "1", "--seconds", "0.1")
    assert ran.returncode == 1
    assert ran.stderr.startswith("echoscope: ")
    assert len(ran.stderr.splitlines()) == 1


def test_client_without_a_server() -> None:
    ran = run("client", "--port", "1")
    assert ran.returncode == 1
    assert len(ran.stderr.splitlines()) == 1


@pytest.fixture
def data_dir(start_server: StartServer, tmp_path: Path) -> str:
    """A data directory with a little in its log."""
    server = start_server()
    server.talk(b"hello", 32)
    server.stop()
    return str(tmp_path / "data")


def test_log_as_jsonl(data_dir: str) -> None:
    rows = [json.loads(line) for line in run("log", "--data-dir", data_dir).stdout.splitlines()]
    assert [list(row) for row in rows] == [SCHEMA.names] * len(rows)
    assert [row["kind"] for row in rows][:3] == ["start", "open", "echo"]


def test_log_as_csv(data_dir: str) -> None:
    rows = list(csv.DictReader(io.StringIO(run("log", "--data-dir", data_dir, "--format", "csv").stdout)))
    assert sum(int(row["bytes_in"]) for row in rows) == 5


def test_log_filtered_to_a_file(data_dir: str, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    ran = run("log", "--data-dir", data_dir, "-q", "kind:echo", "--since", "1h", "--until", "0s", "-o", str(path))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert [json.loads(line)["kind"] for line in path.read_text().splitlines()] == ["echo"]


def test_log_of_a_running_server(server: Server, tmp_path: Path) -> None:
    server.talk(b"hello", 32)
    wait_until(lambda: server.json("/api/v1/events", q="kind:echo")["items"], "its row")
    assert '"kind":"echo"' in run("log", "--data-dir", str(tmp_path / "data")).stdout


def test_log_into_a_closed_pipe(data_dir: str) -> None:
    with nursery().start(["app.py", "log", "--data-dir", data_dir], clean_environment()) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(DEADLINE_S) == 0


@pytest.mark.parametrize(
    ("arguments", "status", "named"),
    [
        (["-q", "zap:1"], 2, "zap"),
        (["--since", "soon"], 2, "soon"),
        (["-o", "/proc/nowhere/x"], 1, "/proc/nowhere/x"),
    ],
)
def test_log_errors(data_dir: str, arguments: list[str], status: int, named: str) -> None:
    ran = run("log", "--data-dir", data_dir, *arguments)
    assert ran.returncode == status
    (line,) = ran.stderr.splitlines()
    assert named in line


def test_log_of_no_log(tmp_path: Path) -> None:
    ran = run("log", "--data-dir", str(tmp_path))
    assert ran.returncode == 1
    assert str(tmp_path) in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
