"""The interactive client, typed to and piped to."""

import io
import os
import pty
import socket
import subprocess
import sys

import pytest
from reference_server import Client, Manners, echo, serving, stamp, stamp_every, stamp_in_bytes
from waiting import DEADLINE_S

from core.clients import interactive
from core.clients.interactive import ClientError, run

PROGRAM = "import sys; from core.clients.interactive import run; run('127.0.0.1', int(sys.argv[1]))"


def conversation(manners: Manners, text: str, monkeypatch: pytest.MonkeyPatch, host: str = "127.0.0.1") -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    with serving(manners, host) as server:
        run(server.host, server.port)


@pytest.mark.parametrize("end", ["", "\nnever sent\n"])
def test_lines_are_answered_until_an_empty_one_or_the_end(
    end: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation(echo, "hello\nwörld\n" + end, monkeypatch)
    assert capsys.readouterr().out.rstrip("\n") == "> hello\n> wörld\n> "


@pytest.mark.parametrize("manners", [stamp, stamp_in_bytes])
def test_a_stamped_reply_is_printed_whole(
    manners: Manners, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation(manners, "hello\nthere\n", monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:3] for line in lines] == ["> [", "> [", "> "]
    assert [line[28:] for line in lines] == [" hello", " there", ""]


def test_a_reply_in_several_chunks_is_printed_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation(stamp_every(4), "abcdefghijk\n", monkeypatch)
    assert [part[:4] for part in capsys.readouterr().out.split("] ")[1:]] == ["abcd", "efgh", "ijk\n"]


def test_ipv6(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    conversation(echo, "hello\n", monkeypatch, "::1")
    assert capsys.readouterr().out.startswith("> hello\n")


def test_a_server_that_hangs_up_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def closing(client: Client) -> None:
        client.read()

    with pytest.raises(ClientError, match=r"^127\.0\.0\.1:[0-9]+: the server closed the connection$"):
        conversation(closing, "hello\n", monkeypatch)


def test_a_server_that_says_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactive, "PATIENCE", 0.1)

    def silent(client: Client) -> None:
        while client.read():
            pass

    with pytest.raises(ClientError, match="no answer within"):
        conversation(silent, "hello\n", monkeypatch)


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(ClientError, match=rf"^127\.0\.0\.1:{port}: Connection refused$"):
        run("127.0.0.1", port)
    with pytest.raises(ClientError, match=r"^nowhere\.invalid:1: "):
        run("nowhere.invalid", 1)


def test_piped() -> None:
    with serving(echo) as server:
        command = [sys.executable, "-c", PROGRAM, str(server.port)]
        done = subprocess.run(command, input=b"one\ntwo\xff\n", capture_output=True, timeout=DEADLINE_S, check=True)
    assert done.stdout.startswith(b"> one\n> two")
    assert done.stderr == b""


def test_typed_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    with serving(stamp) as server, open(ours, "r+b", buffering=0) as terminal:
        command = [sys.executable, "-c", PROGRAM, str(server.port)]
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            read_until(terminal, b"> ")
            terminal.write(b"hello\n")
            assert b"] hello\r\n" in read_until(terminal, b"hello\r\n> ")
            terminal.write(b"\n")
            assert process.wait(DEADLINE_S) == 0


def read_until(terminal: io.FileIO, end: bytes) -> bytes:
    seen = b""
    while not seen.endswith(end):
        seen += terminal.read(1024) or b""
    return seen
