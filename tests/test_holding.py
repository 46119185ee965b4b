"""Holding under abuse: what clients do to the dashboard's port costs others nothing, and is given back when it ends."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector

import pytest
import requests
from conftest import Server, Site, leak_check, serving
from test_live import Viewer
from waiting import DEADLINE_S, wait_until
from warm import nursery

from web.live import live
from web.serving.serving import THREADS
from web.serving.thread_worker import MOST_IDLE, ClientSocket, RefusedError, is_whole

HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /api/v1/model HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
POLL = "/socket.io/?EIO=4&transport=polling"
WEB_SOCKET = (
    "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def dashboard(url: str) -> tuple[str, int]:
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


class Siege:
    """One server, a viewer who is live throughout, and what abuses hold of it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.address = dashboard(server.url)
        self.viewer = Viewer(server.url, transports=["websocket"])
        self.viewer.watch(view="overview")
        worker = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()[0]
        self._descriptors = Path(f"/proc/{worker}/fd")
        self.sockets = ExitStack()
        wait_until(lambda: self.viewer.frames, "a frame")
        self.calm = self.descriptors()

    def descriptors(self) -> int:
        return len(os.listdir(self._descriptors))

    def connect(self, data: bytes = b"", receive_buffer: int = 0) -> socket.socket:
        sock = self.sockets.enter_context(socket.socket())
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(DEADLINE_S)
        sock.connect(self.address)
        sock.sendall(data)
        return sock

    def new_session(self) -> str:
        opened = requests.get(self.server.url + POLL, timeout=DEADLINE_S).text
        sid: str = json.loads(opened[1:])["sid"]
        requests.post(f"{self.server.url}{POLL}&sid={sid}", data="40", timeout=DEADLINE_S)
        assert requests.get(f"{self.server.url}{POLL}&sid={sid}", timeout=DEADLINE_S).text.startswith("40")
        return sid

    def check(self) -> None:
        """All others are served as ever."""
        seen = len(self.viewer.frames)
        for _ in range(3):
            assert requests.get(self.server.url + "/healthz", timeout=DEADLINE_S).status_code == 200
        wait_until(lambda: len(self.viewer.frames) > seen, "the viewer is live")
        assert self.server.talk(b"hello", 32).endswith(b"hello")


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    with serving(tmp_path_factory.mktemp("siege"), nursery()) as server:
        held = Siege(server)
        yield held
        held.viewer.close()
        held.sockets.close()


def is_open(sock: socket.socket) -> bool:
    """Whether the server has neither answered nor closed."""
    sock.setblocking(False)
    try:
        sock.recv(1)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def half_sent_heads(siege: Siege) -> None:
    held = [siege.connect(HEAD) for _ in range(THREADS + 8)]
    siege.check()
    assert all(is_open(sock) for sock in held)  # it was served beside them, not because their time ran out


def half_sent_bodies(siege: Siege) -> None:
    held = [siege.connect(POST + b"Content-Length: 100\r\n\r\n{") for _ in range(THREADS // 2 + 4)]
    held += [siege.connect(POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n") for _ in range(THREADS // 2 + 4)]
    siege.check()
    assert all(is_open(sock) for sock in held)


def a_thousand_idle_connections(siege: Siege) -> None:
    for _ in range(1000):
        siege.connect()
    siege.check()
    assert siege.descriptors() < siege.calm + THREADS + MOST_IDLE + 8


def half_of_the_next_request_on_kept_connections(siege: Siege) -> None:
    held = [siege.connect(HEAD + b"\r\n" + HEAD) for _ in range(THREADS + 8)]
    for sock in held:
        answer = b""
        while not answer.endswith(b"}\n"):
            answer += sock.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 200")
    siege.check()
    assert all(is_open(sock) for sock in held)


def answered_connections_that_are_not_closed(siege: Siege) -> None:
    held = [siege.connect(b"GET /healthz HTTP/1.0\r\n\r\n") for _ in range(THREADS + 8)]
    siege.check()
    for sock in held:
        while sock.recv(65_536):
            pass


def answers_that_nobody_reads(siege: Siege) -> None:
    path = b"GET /vendor/socket.io.esm.min.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for _ in range(THREADS + 8):
        siege.connect(path * 300, receive_buffer=2048)
    siege.check()


def twenty_polls_of_one_session(siege: Siege) -> None:
    sid = siege.new_session()
    held = [siege.connect(f"GET {POLL}&sid={sid} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()) for _ in range(20)]
    siege.check()
    wait_until(lambda: sum(map(is_open, held)) == 1, "one waits, the others are refused")


def cross_site_images(siege: Siege) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    for _ in range(60):
        requests.get(siege.server.url + POLL, headers=headers, timeout=DEADLINE_S)
    siege.check()


def the_past_asked_for_a_thousand_times(siege: Siege) -> None:
    span = siege.server.json("/api/v1/span")

    def ask(worker: int) -> None:
        with requests.Session() as session:
            for number in range(1000 // 16):
                at = f"{span['until'][:20]}{worker:02d}{number:02d}00000Z"
                session.get(siege.server.url + "/api/v1/overview", params={"at": at}, timeout=DEADLINE_S)

    asking = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in asking:
        thread.start()
    siege.check()
    for thread in asking:
        thread.join(DEADLINE_S)


def downloads_that_nobody_reads(siege: Siege) -> None:
    for _ in range(12):
        siege.connect(b"GET /api/v1/events/download?format=csv HTTP/1.1\r\nHost: a\r\n\r\n", receive_buffer=2048)
    siege.check()


def sixty_thousand_brackets(siege: Siege) -> None:
    answer = requests.post(
        siege.server.url + "/api/v1/model",
        data="[" * 60_000,
        headers={"Content-Type": "application/json"},
        timeout=DEADLINE_S,
    )
    assert answer.status_code == 400
    sid = siege.new_session()
    requests.post(f"{siege.server.url}{POLL}&sid={sid}", data="42" + "[" * 60_000, timeout=DEADLINE_S)
    siege.check()


@pytest.mark.parametrize(
    "abuse",
    [
        half_sent_heads,
        half_sent_bodies,
        a_thousand_idle_connections,
        half_of_the_next_request_on_kept_connections,
        answered_connections_that_are_not_closed,
        answers_that_nobody_reads,
        twenty_polls_of_one_session,
        cross_site_images,
        the_past_asked_for_a_thousand_times,
        downloads_that_nobody_reads,
        sixty_thousand_brackets,
    ],
)
def test_others_are_served_and_all_is_given_back(siege: Siege, abuse: Callable[[Siege], None]) -> None:
    try:
        abuse(siege)
    finally:
        siege.sockets.close()
    wait_until(lambda: siege.descriptors() <= siege.calm + 2, lambda: f"{siege.descriptors()} are {siege.calm}")
    assert siege.server.process.poll() is None


# -- sessions and WebSockets that come to nothing


@contextmanager
def short_of_patience(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A dashboard that gives sessions and WebSockets hardly any time."""
    monkeypatch.setattr(live, "GRACE_S", 0.2)
    monkeypatch.setattr(live, "RECONCILE_S", 0.05)
    site = Site(most_viewers=2)
    yield site
    site.close()


def web_socket(site: Site, path: str) -> socket.socket:
    sock = socket.create_connection(dashboard(site.url), DEADLINE_S)
    sock.sendall(WEB_SOCKET.format(path).encode())
    assert b"101 Switching" in sock.recv(65_536)
    return sock


def test_sessions_and_web_sockets_that_come_to_nothing_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    with short_of_patience(monkeypatch) as site:
        warm = Viewer(site.url, transports=["websocket"])
        warm.watch(view="overview")
        with leak_check(), ExitStack() as held:
            # One that never connects to our namespace, one that never finishes its upgrade, one that is refused.
            silent = held.enter_context(web_socket(site, "/socket.io/?EIO=4&transport=websocket"))
            opened = requests.get(site.url + POLL, timeout=DEADLINE_S).text
            sid = json.loads(opened[1:])["sid"]
            upgrade = f"/socket.io/?EIO=4&transport=websocket&sid={sid}"
            unfinished = held.enter_context(web_socket(site, upgrade))
            second = held.enter_context(socket.create_connection(dashboard(site.url), DEADLINE_S))
            second.sendall(WEB_SOCKET.format(upgrade).encode())
            assert second.recv(65_536).startswith(b"HTTP/1.1 429")
            for sock in (silent, unfinished):
                while sock.recv(65_536):
                    pass
            wait_until(lambda: len(site.live._sessions) == 1, "the viewer's session is left")
        seen = len(warm.frames)
        wait_until(lambda: len(warm.frames) > seen, "the viewer is live")
        warm.close()


def test_a_viewer_of_whom_the_engine_knows_nothing_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    with short_of_patience(monkeypatch) as site:
        assert site.live.hub.add("lost on the way", 8)
        wait_until(lambda: len(site.live.hub) == 0, "it is forgotten")
        wait_until(lambda: site.monitor.viewers == 0, "and not counted")


def test_failures_that_clients_bring_about_are_told_now_and_then(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    sid = json.loads(requests.get(site.url + POLL, timeout=DEADLINE_S).text[1:])["sid"]
    requests.post(f"{site.url}{POLL}&sid={sid}", data="40", timeout=DEADLINE_S)
    for _ in range(20):
        requests.post(f"{site.url}{POLL}&sid={sid}", data="42" + "[" * 10_000, timeout=DEADLINE_S)
    assert sum(record.name == "echoscope.engineio" for record in caplog.records) <= 1


# -- when a request is whole


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (HEAD, False),
        (HEAD + b"\r\n", True),
        (POST + b"Content-Length: 3\r\n\r\nab", False),
        (POST + b"content-length: 3\r\n\r\nabc", True),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n", False),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", False),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", True),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\n0\r\n\r\n", False),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n", True),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", True),
    ],
)
def test_when_a_request_is_whole(data: bytes, whole: bool) -> None:
    assert is_whole(data) is whole


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"x" * 70_000, 431),
        (POST + b"Content-Length: 70000\r\n\r\n", 413),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n", 413),
    ],
)
def test_what_is_too_long_is_refused_before_it_has_come(data: bytes, status: int) -> None:
    with pytest.raises(RefusedError) as refused:
        is_whole(data)
    assert refused.value.status == status


def test_the_descriptor_of_a_client_is_given_back_by_the_poller_only() -> None:
    served, client = socket.socketpair()
    sock = ClientSocket(served.family, served.type, served.proto, served.detach())
    with client, DefaultSelector() as poller:
        poller.register(sock, EVENT_READ)
        reader = threading.Thread(target=sock.close)  # as that of a WebSocket does
        reader.start()
        reader.join()
        assert client.recv(1) == b"", "the client sees the end"
        with socket.socket() as another:
            poller.register(another, EVENT_READ)
        poller.unregister(sock)
        sock.close()
        assert sock.fileno() == -1
