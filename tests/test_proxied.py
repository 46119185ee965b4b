"""Connections through a proxy that names the client: every model, real sockets."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from echo_server import EchoServer, receive, receive_all, reset
from test_proxy_header import binary, vector
from waiting import wait_until

import core.engine.server.proxied as proxied_module
import core.engine.threads.conversation as conversation_module
from core.engine.models import MODELS
from core.ring.flight_recorder import ORIGIN, LatestReader
from core.ring.recorder import Files

Start = Callable[..., EchoServer]
LINE = b"PROXY TCP4 192.0.2.7 198.51.100.9 40000 443\r\n"
CLIENT = "192.0.2.7:40000"


@pytest.fixture(params=MODELS)
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Starts a server that takes headers from loopback."""
    started: list[EchoServer] = []

    def make(mode: str, networks: tuple[str, ...] = ("127.0.0.0/8",), **settings: Any) -> EchoServer:
        settings = {"model": request.param, "reply": "echo", **settings}
        started.append(EchoServer(tmp_path, proxy_protocol=mode, proxy_from=networks, **settings))
        return started[-1]

    yield make
    for server in started:
        server.stop()
        assert server.error is None
        opened = [row["conn"] for row in server.rows if row["kind"] == "open"]
        assert opened == [row["conn"] for row in server.rows if row["kind"] == "close"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No header is waited for long."""
    for module in (proxied_module, conversation_module):
        monkeypatch.setattr(module, "HEADER_S", 0.05)


def peer(server: EchoServer, conn: int = 1) -> str:
    server.wait_kind("open", conn)
    return next(row["peer"] for row in server.of(conn) if row["kind"] == "open")


def own(client: socket.socket) -> str:
    host, port = client.getsockname()
    return f"{host}:{port}"


def ended(server: EchoServer, conn: int = 1) -> str:
    return str(server.wait_kind("close", conn)["reason"])


@pytest.mark.parametrize("header", [LINE, binary(), binary(vectors=vector(2, b"echo.example") + vector(4, bytes(900)))])
@pytest.mark.parametrize("mode", ["optional", "required"])
def test_the_client_is_the_peer_and_the_header_in_no_sum(start: Start, mode: str, header: bytes) -> None:
    server = start(mode)
    with server.connect() as client:
        port = client.getsockname()[1]
        client.sendall(header + b"hello")
        assert receive(client, 5) == b"hello"
        client.sendall(b"again")
        assert receive(client, 5) == b"again"
    assert ended(server) == "peer"
    assert peer(server) == CLIENT
    assert server.total("bytes_in", 1) == server.total("bytes_out", 1) == 10
    with LatestReader(Files.of(server.folder, 0).origins, ORIGIN) as origins:
        (origin,) = origins.find("conn", 1)
    assert (origin["via"].tobytes()[-4:], int(origin["port"])) == (b"\x7f\0\0\1", port)
    facts = json.loads(origin["facts"].tobytes()[: int(origin["length"])])
    assert facts["version"] == (1 if header is LINE else 2)


@pytest.mark.parametrize("header", [LINE, binary()])
def test_cut_anywhere_it_is_the_same_stream(start: Start, header: bytes) -> None:
    server = start("required", read_size=16384)
    with server.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(header)):
            client.sendall(header[at : at + 1])
        client.sendall(b"x" * 100_000)
        assert receive(client, 100_000) == b"x" * 100_000
    assert ended(server) == "peer"
    assert peer(server) == CLIENT
    assert server.total("bytes_in", 1) == 100_000


@pytest.mark.parametrize("said", [b"hello", b"PRO", b"PROXY", b"\r\n\r\n"])
def test_a_header_may_be_left_out(start: Start, said: bytes, impatient: None) -> None:
    server = start("optional")
    with server.connect() as client:
        client.sendall(said)
        assert receive(client, len(said)) == said
        assert peer(server) == own(client)
    assert ended(server) == "peer"


def test_an_end_shows_that_it_was_no_header(start: Start) -> None:
    server = start("optional")
    with server.connect() as client:
        client.sendall(b"PROXY")
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b"PROXY"
    assert ended(server) == "peer"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"hello", "missing"),
        (b"PROXY nonsense\r\n", "garbage"),
        (b"PROXY UNKNOWN " + b"x" * 100, "too_long"),
        (binary(vectors=vector(3, b"crc!")), "crc"),
    ],
)
def test_a_header_that_is_required(start: Start, said: bytes, why: str) -> None:
    server = start("required")
    with server.connect() as client:
        client.sendall(said)
        assert receive_all(client) == b""
        assert peer(server) == own(client)
    assert ended(server) == f"proxy:{why}"
    assert server.total("bytes_in", 1) == 0


def test_a_header_that_does_not_come(start: Start, impatient: None) -> None:
    server = start("required")
    with server.connect() as client:
        client.sendall(LINE[:20])
        assert receive_all(client) == b""
    assert ended(server) == "proxy:timeout"


def test_a_header_from_elsewhere(start: Start) -> None:
    server = start("required", ("10.0.0.0/8", "::1/128"))
    with server.connect() as client:
        assert receive_all(client) == b""
    assert ended(server) == "proxy:denied"


def test_a_header_from_elsewhere_is_payload(start: Start) -> None:
    server = start("optional", ("10.0.0.0/8",))
    with server.connect() as client:
        client.sendall(LINE)
        assert receive(client, len(LINE)) == LINE
        assert peer(server) == own(client)
    assert ended(server) == "peer"


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("said", [b"", LINE, binary(b"", 0x00, 0x20)])
def test_a_check_of_health(start: Start, said: bytes, how: str) -> None:
    """A balancer that connects, names itself or not, and leaves."""
    server = start("required")
    client = server.connect()
    if said:
        client.sendall(said)
        server.wait_kind("open")
    if how == "reset":
        reset(client)
    else:
        client.close()
    assert ended(server) == ("peer" if how == "close" else "reset")
    assert server.total("bytes_in", 1) == 0


def test_a_stop_while_a_header_is_awaited(start: Start) -> None:
    server = start("required")
    with server.connect() as client:
        client.sendall(LINE[:-1])
        wait_until(lambda: server.server.accept_queue().length == 0, "it is accepted")
        server.stop()
        assert receive_all(client) == b""
    assert server.of(1)[-1]["reason"] == "shutdown"


def test_one_that_is_silent_for_too_long_is_idle(start: Start) -> None:
    server = start("required", idle_timeout=0.1)
    with server.connect() as client:
        client.sendall(LINE)
        assert receive_all(client) == b""
    assert ended(server) == "idle"
