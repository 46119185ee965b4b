"""Commands of app.py, run to their end."""

import subprocess

import warm
from conftest import clean_environment
from waiting import DEADLINE_S


def run(*arguments: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    """A command that is expected to end by itself."""
    return warm.nursery().run(["app.py", *arguments], clean_environment() | environment, stdin, DEADLINE_S)


def failure(ran: "subprocess.CompletedProcess[str]", status: int) -> str:
    """The one line on standard error of a command that failed as it should."""
    assert ran.returncode == status, ran.stderr
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert line.startswith("echoscope: ")
    return line
