"""The recipes of docs/recipes.md: every kind has one, and every command is taken by a server."""

import re
from pathlib import Path

import pytest
from commands import run
from conftest import StartServer

from core.faults.registry import FAULT_KINDS

TEXT = (Path(__file__).parent.parent / "docs/recipes.md").read_text()
COMMANDS = [line.split()[2:] for line in re.findall(r"^\.venv/bin/python app\.py .+$", TEXT, re.MULTILINE)]


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_every_kind_has_its_recipe(kind: str) -> None:
    assert [command for command in COMMANDS if command[:3] == ["fault", "add", kind]]


def test_every_command_is_taken(start_server: StartServer) -> None:
    host, port = start_server("--reply", "echo").url.removeprefix("http://").rsplit(":", 1)
    for command in COMMANDS:
        ran = run(*command, "--host", host, "--port", port)
        assert (ran.returncode, ran.stderr) == (0, ""), command
        if command[1] == "add":
            assert re.match(rf"\d+ {command[2]} .* on next=\d+: 0 touched", ran.stdout), command
