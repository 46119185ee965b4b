"""TLS on the echo port: every poller, records cut anywhere, ends and failures by their names, real clients."""

import _ssl
import random
import select
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import StartServer
from echo_server import EchoServer
from waiting import DEADLINE_S, wait_until

from core.engine.pollers.backends import POLLERS
from core.engine.server import tls
from core.engine.server.certificate import fingerprint, own_certificate

Start = Callable[..., EchoServer]

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key."""
    return own_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def start(tmp_path: Path, files: tuple[Path, Path]) -> Iterator[Start]:
    started: list[EchoServer] = []

    def make(**settings: Any) -> EchoServer:
        started.append(EchoServer(tmp_path, tls_cert=str(files[0]), tls_key=str(files[1]), **settings))
        return started[-1]

    yield make
    for server in started:
        server.stop()


@pytest.fixture
def trusting(files: tuple[Path, Path]) -> ssl.SSLContext:
    """What a client that knows the certificate has."""
    context = ssl.create_default_context(cafile=str(files[0]))
    context.set_alpn_protocols(["other", "echo"])
    return context


def secured(server: EchoServer, context: ssl.SSLContext, **options: int) -> ssl.SSLSocket:
    return context.wrap_socket(server.connect(**options), server_hostname="localhost")


class Client:
    """One that sends and reads at once, which an SSLSocket of two threads can't."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext) -> None:
        self.raw = raw
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.unsent = b""
        raw.settimeout(DEADLINE_S)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.close()

    def flush(self) -> None:
        self.raw.sendall(self.outgoing.read())

    def call(self, step: Callable[[], Any]) -> Any:
        """What a step of TLS answers, whatever must be sent and received for it."""
        while True:
            try:
                answer = step()
            except ssl.SSLWantReadError:
                self.flush()
                data = self.raw.recv(65536)
                self.incoming.write(data) if data else self.incoming.write_eof()
            else:
                self.flush()
                return answer

    def shake(self) -> "Client":
        self.call(self.tls.do_handshake)
        return self

    def exchange(self, message: bytes, until: Callable[[], bool] = lambda: True) -> bytes:
        """Send all, and read as many bytes, nothing before `until`."""
        self.tls.write(message)
        unsent, got = memoryview(self.outgoing.read()), bytearray()
        while len(got) < len(message):
            reads = until()
            waits = select.select([self.raw] if reads else [], [self.raw] if unsent else [], [], 0.01)
            if waits[1]:
                unsent = unsent[self.raw.send(unsent, socket.MSG_DONTWAIT) :]
            if waits[0]:
                data = self.raw.recv(65536)
                assert data, f"ended after {len(got)} bytes"
                self.incoming.write(data)
                with suppress(ssl.SSLWantReadError):
                    while True:
                        got += self.tls.read(65536)
        return bytes(got)


def received(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size and (piece := sock.recv(size - len(data))):
        data += piece
    return bytes(data)


@pytest.mark.parametrize("model", list(POLLERS))
@pytest.mark.parametrize("read_size", [100, 65536])
def test_every_byte_comes_back(start: Start, trusting: ssl.SSLContext, model: str, read_size: int) -> None:
    server = start(model=model, reply="echo", read_size=read_size)
    message = random.Random(1).randbytes(300_000)
    with Client(server.connect(), trusting).shake() as client:
        assert client.exchange(b"a") == b"a"
        assert client.exchange(message) == message
        assert (client.tls.version(), client.tls.selected_alpn_protocol()) == ("TLSv1.3", "echo")
    closed = server.wait_kind("close")
    assert closed["reason"] == "peer"
    assert server.total("bytes_in", 1) == server.total("bytes_out", 1) == len(message) + 1
    assert server.kinds(1)[:2] == ["open", "echo"]


@pytest.mark.parametrize("model", list(POLLERS))
def test_a_client_that_does_not_read_stops_the_reading_and_gets_all(
    start: Start, trusting: ssl.SSLContext, model: str
) -> None:
    server = start(model=model, reply="echo")
    message = random.Random(2).randbytes(12 << 20)
    with Client(server.connect(receive_buffer=16384), trusting).shake() as client:
        assert client.exchange(message, until=lambda: "pause" in server.kinds(1)) == message
        server.wait_kind("resume")
        assert client.call(client.tls.unwrap) is None, "they answer a close_notify with theirs"
    assert server.wait_kind("close")["reason"] == "peer"
    assert server.total("bytes_out", 1) == len(message)


def test_records_that_come_byte_by_byte(start: Start, trusting: ssl.SSLContext) -> None:
    server = start(model="epoll-et")
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with server.connect() as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def flush() -> None:
            for byte in outgoing.read():
                raw.sendall(bytes([byte]))

        def until_done(call: Callable[[], Any]) -> Any:
            while True:
                try:
                    answer = call()
                except ssl.SSLWantReadError:
                    flush()
                    incoming.write(raw.recv(65536))
                else:
                    flush()
                    return answer

        until_done(client.do_handshake)
        client.write(b"hello")
        flush()
        reply = b""
        while len(reply) < 32:
            reply += until_done(lambda: client.read(100))
        assert reply.endswith(b"hello")
    server.wait_kind("close")
    assert server.total("bytes_in", 1) == 5


def test_no_more_counts_as_sent_than_was_offered(trusting: ssl.SSLContext, files: tuple[Path, Path]) -> None:
    """A fault may offer less than what was encrypted before it began."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    message = random.Random(3).randbytes(200_000)
    client = Client(theirs, trusting)
    with client, tls.TlsSocket(ours, tls.make_context(*map(str, files)), lambda: None) as server:
        shaking = threading.Thread(target=client.shake)
        shaking.start()
        while not server._is_ready:
            with suppress(BlockingIOError):
                server.recv_into(bytearray(100))
        shaking.join()
        sent, got = 0, bytearray()
        with suppress(BlockingIOError):
            while True:
                sent += server.send(message[sent:])
        assert server._promised > 100
        theirs.setblocking(False)
        while sent < len(message):
            with suppress(BlockingIOError):
                client.incoming.write(theirs.recv(65536))
            with suppress(ssl.SSLWantReadError):
                while True:
                    got += client.tls.read(65536)
            with suppress(BlockingIOError):
                count = server.send(message[sent : sent + 100])
                assert 0 < count <= 100
                sent += count
        server.close()
        theirs.settimeout(DEADLINE_S)
        while data := theirs.recv(65536):
            client.incoming.write(data)
        with suppress(ssl.SSLError):
            while piece := client.tls.read(65536):
                got += piece
        assert bytes(got) == message


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "tls:not_tls"),
        (b"\x16\x03\x01\x00", "tls:truncated"),
        (b"", "tls:truncated"),
        (bytes(100), "tls:not_tls"),
    ],
)
def test_what_is_no_handshake_is_named(start: Start, sent: bytes, reason: str) -> None:
    server = start()
    with server.connect() as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        while client.recv(1000):
            pass
    assert server.wait_kind("close")["reason"] == reason
    assert server.total("bytes_in", 1) == 0


def test_a_client_that_does_not_trust_the_certificate(start: Start) -> None:
    server = start()
    with server.connect() as client, pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(client, server_hostname="localhost")
    assert server.wait_kind("close")["reason"] == "tls:alert_unknown_ca"


def test_a_client_of_an_old_version(start: Start, files: tuple[Path, Path]) -> None:
    server = start()
    run = subprocess.run(
        ["openssl", "s_client", "-connect", "{}:{}".format(*server.address), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE_S,
    )
    assert run.returncode
    assert server.wait_kind("close")["reason"] == "tls:version"


def test_a_handshake_that_does_not_come(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.engine.server.server.HANDSHAKE_S", 0.05)
    server = start()
    with server.connect() as client:
        assert client.recv(1) == b""
    assert server.wait_kind("close")["reason"] == "tls:timeout"


def test_a_stop_delivers_and_says_so(start: Start, trusting: ssl.SSLContext) -> None:
    server = start(reply="echo")
    with secured(server, trusting) as client:
        client.sendall(b"abc")
        assert received(client, 3) == b"abc"
        server.stop()
        assert client.recv(1) == b"", "a close_notify came: else this would be an error"
    assert server.of(1)[-1]["reason"] == "shutdown"


def test_half_closed_by_a_close_notify(start: Start, trusting: ssl.SSLContext) -> None:
    server = start(reply="echo")
    with Client(server.connect(), trusting).shake() as client:
        client.tls.write(b"last words")
        with pytest.raises(ssl.SSLWantReadError):
            client.tls.unwrap()
        client.flush()
        assert client.call(lambda: client.tls.read(100)) == b"last words"
        with pytest.raises(ssl.SSLZeroReturnError):
            client.call(lambda: client.tls.read(100))
    assert server.wait_kind("eof")
    assert server.wait_kind("close")["reason"] == "peer"


def test_openssl_as_a_client(start: Start, files: tuple[Path, Path]) -> None:
    server = start(reply="echo")
    run = subprocess.Popen(
        ["openssl", "s_client", "-connect", "{}:{}".format(*server.address), "-quiet", "-CAfile", str(files[0])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with run:
        assert run.stdin is not None
        assert run.stdout is not None
        run.stdin.write(b"by openssl\n")
        run.stdin.flush()
        assert run.stdout.readline() == b"by openssl\n"
        run.kill()
    assert server.wait_kind("close")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_server_with_a_certificate_of_its_own(start_server: StartServer, tmp_path: Path, workers: str) -> None:
    keylog = tmp_path / "keys.log"
    server = start_server("--tls", "auto", "--workers", workers, "--tls-keylog", str(keylog), "--reply", "echo")
    cert = tmp_path / "data" / "tls-cert.pem"
    assert (tmp_path / "data" / "tls-key.pem").stat().st_mode & 0o777 == 0o600
    context = ssl.create_default_context(cafile=str(cert))
    with context.wrap_socket(server.connect(), server_hostname="localhost") as client:
        client.sendall(b"hello")
        assert received(client, 5) == b"hello"
        items = wait_until(lambda: server.json("/api/v1/connections", q="bytes_in>0")["items"], "it is in the list")
        assert items[0]["tls"] == {
            "version": "TLSv1.3",
            "cipher": "TLS_AES_256_GCM_SHA384",
            "sni": "localhost",
            "alpn": "",
        }
        assert "proxy" not in items[0]
        assert items[0]["via"] == ""
        groups = server.json("/api/v1/connections/groups", by="via")["groups"]
        assert [group["value"] for group in groups] == [""]
    assert "CLIENT_TRAFFIC_SECRET_0" in keylog.read_text()
    assert keylog.stat().st_mode & 0o777 == 0o600
    status, _, err = server.stop()
    assert status == 0
    assert fingerprint(cert) in err
    again = start_server("--tls", "auto")
    assert context.wrap_socket(again.connect(), server_hostname="localhost").close() is None


def test_proxied_and_encrypted(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server("--tls", "auto", "--proxy-protocol", "required", "--reply", "echo")
    context = ssl.create_default_context(cafile=str(tmp_path / "data" / "tls-cert.pem"))
    with server.connect() as raw:
        client = Client(raw, context)
        with pytest.raises(ssl.SSLWantReadError):
            client.tls.do_handshake()
        raw.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.8 5000 443\r\n" + client.outgoing.read())  # in one segment
        client.shake()
        client.tls.write(b"hello")
        client.flush()
        (item,) = wait_until(lambda: server.json("/api/v1/connections", q="bytes_in>0")["items"], "it is in the list")
    assert item["peer"] == "192.0.2.7:5000"
    assert item["via"].startswith("127.0.0.1:")
    assert item["tls"]["version"] == "TLSv1.3"
    assert item["bytes_in"] == 5


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--tls", "auto", "--model", "threads"), "--model threads waits for each socket by itself, and can't do TLS"),
        (("--tls-cert", "/nowhere"), "--tls-cert and --tls-key go together"),
        (("--tls-keylog", "keys"), "--tls-keylog needs --tls-cert and --tls-key, or --tls auto"),
        (("--tls-cert", "/nowhere", "--tls-key", "/nowhere"), "/nowhere: No such file or directory"),
        (("--tls-cert", "/etc/passwd", "--tls-key", "/etc/passwd"), "/etc/passwd: no certificate in PEM"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(start_server: StartServer, options: tuple[str, ...], line: str) -> None:
    status, out, err = start_server(*options, ready=False).stop_by_itself()
    assert status in (1, 2)
    assert out == ""
    assert line in err.splitlines()[-1]


def test_names_of_reasons_are_openssls_own() -> None:
    """A name that OpenSSL does not know would never be met."""
    known = {name for name, _ in _ssl.err_names_to_codes.items()}
    assert set(tls._REASONS) <= known | {"UNEXPECTED_EOF_WHILE_READING", "VERSION_TOO_LOW"}
