"""The live protocol with the Python Socket.IO client, over real sockets, against a made-up monitor."""

import json
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
import socketio
from conftest import Site, leak_check
from waiting import DEADLINE_S, wait_until

from web.live import live
from web.live.live import MAX_UNREAD


class Viewer:
    """A client that notes the frames it gets, and acknowledges them unless told not to."""

    def __init__(
        self, url: str, acknowledges: bool = True, transports: list[str] | None = None, path: str = "socket.io"
    ) -> None:
        self.frames: list[dict[str, Any]] = []
        self.gone = threading.Event()
        self.client = socketio.Client(reconnection=False, request_timeout=DEADLINE_S)
        # The client acknowledges with what the handler answers: never returning is a viewer that hangs.
        self._release = threading.Event()
        self._acknowledges = acknowledges
        self.client.on("frame", self._on_frame)
        self.client.on("disconnect", lambda *_: self.gone.set())
        self.client.connect(url, transports=transports, wait_timeout=DEADLINE_S, socketio_path=path)

    def _on_frame(self, frame: dict[str, Any]) -> None:
        self.frames.append(frame)
        if not self._acknowledges:
            self._release.wait(DEADLINE_S)

    def watch(self, **message: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.call("watch", message, timeout=DEADLINE_S)
        return answer

    def of(self, view: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["view"] == view]

    def close(self) -> None:
        self._release.set()
        if self.client.connected and self.client.transport() == "websocket":
            # As a browser tab that is closed; an orderly disconnect of this client takes three seconds.
            web_socket = self.client.eio.ws
            web_socket.sock.shutdown(socket.SHUT_RDWR)
            assert self.gone.wait(DEADLINE_S)
            web_socket.shutdown()
        self.client.disconnect()
        if self.client.eio.http:
            self.client.eio.http.close()


@contextmanager
def viewing(site: Site, **options: Any) -> Iterator[Viewer]:
    viewer = Viewer(site.url, **options)
    yield viewer
    viewer.close()


def test_watch_overview(site: Site) -> None:
    with viewing(site) as viewer:
        assert viewer.watch(view="overview") == {"ok": True}
        wait_until(lambda: len(viewer.frames) >= 3, "three frames")
        assert [frame["n"] for frame in viewer.frames[:3]] == [1, 2, 3]
        assert viewer.frames[0]["data"]["echoes_per_s"] == 12.5
        assert set(viewer.frames[0]) == {"view", "n", "time", "data"}


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], None])
def test_every_transport(site: Site, transports: list[str] | None) -> None:
    with viewing(site, transports=transports) as viewer:
        assert viewer.watch(view="overview") == {"ok": True}
        wait_until(lambda: len(viewer.frames) >= 2, "two frames")


def test_every_view_counts_for_itself(site: Site) -> None:
    with viewing(site) as viewer:
        viewer.watch(view="overview")
        viewer.watch(view="connections", q="state:open", sort="-queue_bytes", limit=1, offset=0)
        viewer.watch(view="connection", conn=1)
        viewer.watch(view="events", q="kind:full")
        viewer.watch(view="loop")
        viewer.watch(view="map")
        for view in ("overview", "connections", "connection", "events", "loop", "map"):
            wait_until(lambda view=view: len(viewer.of(view)) >= 2, view)
            assert [frame["n"] for frame in viewer.of(view)[:2]] == [1, 2]
        assert ("connections", "state:open", "-queue_bytes", 1, 0) in site.monitor.calls
        assert viewer.of("connections")[0]["data"]["matched"] == 2
        assert viewer.of("connection")[0]["data"]["conn"] == 1
        assert viewer.of("events")[0]["data"]["skipped"] == 0


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({"view": "garden"}, "unknown view 'garden'"),
        ({"view": "lab"}, "no lab here"),
        ({}, "unknown view None"),
        (None, "unknown view"),
        ("overview", "unknown view"),
        ([1, 2], "unknown view"),
        ({"view": {"a": 1}}, "unknown view"),
        ({"view": "overview", "x": 1}, 'unknown field "x"'),
        ({"view": "connections", "limit": 0}, '"limit"'),
        ({"view": "connections", "limit": "10"}, '"limit"'),
        ({"view": "connections", "q": "foo:1"}, 'unknown field "foo"'),
        ({"view": "connections", "sort": "colour"}, "colour"),
        ({"view": "map", "sort": "colour"}, "colour"),
        ({"view": "connection"}, '"conn"'),
        ({"view": "connection", "conn": 17}, "17"),
        ({"view": "connection", "conn": 2**70}, '"conn"'),
        ({"view": "events", "q": "foo:1"}, 'unknown field "foo"'),
    ],
)
def test_bad_messages_are_named_and_harmless(site: Site, message: Any, named: str) -> None:
    with viewing(site) as viewer:
        answer = viewer.client.call("watch", message, timeout=DEADLINE_S)
        assert answer["ok"] is False
        assert named in answer["error"]
        assert viewer.watch(view="overview") == {"ok": True}


def test_unwatch(site: Site) -> None:
    with viewing(site) as viewer:
        viewer.watch(view="events")
        wait_until(lambda: viewer.frames, "a frame")
        assert viewer.client.call("unwatch", {"view": "events"}, timeout=DEADLINE_S) == {"ok": True}
        assert viewer.client.call("unwatch", {"view": "zap"}, timeout=DEADLINE_S)["ok"] is False
        viewer.watch(view="overview")
        count = len(viewer.of("events"))
        wait_until(lambda: len(viewer.of("overview")) >= 3, "other frames")
        assert len(viewer.of("events")) <= count + 1


def test_no_frame_without_acknowledgement(site: Site) -> None:
    with viewing(site, acknowledges=False) as slow, viewing(site) as quick:
        slow.client.emit("watch", {"view": "events"})
        quick.watch(view="events")
        wait_until(lambda: slow.frames, "its frame")
        wait_until(lambda: len(quick.frames) >= 5, "frames of the other viewer")
        assert len(slow.frames) == 1


def test_viewers_are_counted(site: Site) -> None:
    with viewing(site), viewing(site):
        assert site.monitor.viewers == 2
    wait_until(lambda: site.monitor.viewers == 0, "nobody left")


def test_too_many_viewers(site: Site) -> None:
    viewers = [Viewer(site.url, transports=["websocket"]) for _ in range(8)]
    refused: list[Any] = []
    late = socketio.Client(reconnection=False, request_timeout=DEADLINE_S)
    late.on("connect_error", refused.append)
    with pytest.raises(socketio.exceptions.ConnectionError):
        late.connect(site.url, transports=["websocket"], wait_timeout=DEADLINE_S)
    assert refused == [{"message": "too many viewers (8): close another dashboard tab and try again"}]
    viewers.pop().close()
    wait_until(lambda: site.monitor.viewers == 7, "one gone")
    viewers.append(Viewer(site.url, transports=["websocket"]))
    for viewer in viewers:
        viewer.close()


def test_stop_cuts_everyone() -> None:
    with leak_check():
        site = Site()
        viewers = [Viewer(site.url, transports=[transport]) for transport in ("websocket", "polling", "websocket")]
        for viewer in viewers:
            viewer.watch(view="overview")
        site.close()
        for viewer in viewers:
            assert viewer.gone.wait(DEADLINE_S)
            viewer.close()


def raw_viewer(site: Site) -> socket.socket:
    """A WebSocket by hand, connected and watching, that will read nothing more."""
    sock = socket.create_connection(("127.0.0.1", int(site.url.rsplit(":", 1)[1])), timeout=DEADLINE_S)
    sock.sendall(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert b" 101 " in sock.recv(1024)
    send_text(sock, b"40")
    return sock


def send_text(sock: socket.socket, text: bytes) -> None:
    """One short WebSocket text message, masked with zeros."""
    length = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
    sock.sendall(b"\x81" + length + bytes(4) + text)


def send_all(sock: socket.socket, texts: Iterable[bytes]) -> None:
    """Many messages, one after the other."""
    for text in texts:
        send_text(sock, text)


def test_stalled_viewer_is_cut_and_freed(no_leaks: None, site: Site) -> None:
    big = {"items": ["x" * 1000] * 20_000}
    site.monitor.overview = lambda at=None: big  # type: ignore[method-assign]
    sock = raw_viewer(site)
    wait_until(lambda: len(site.live.hub) == 1, "connected")
    send_text(sock, b'420["watch",{"view":"overview"}]')
    (sid,) = site.live.hub.sids()
    wait_until(lambda: site.live.hub._viewers[sid].silent_since, "a frame on its way")
    site.live.cut(sid)
    wait_until(lambda: len(site.live.hub) == 0, "forgotten")
    sock.close()


def test_message_to_a_session_that_was_cut_is_answered(site: Site) -> None:
    url = site.url + "/socket.io/?EIO=4&transport=polling"
    with requests.Session() as viewer:
        hello = viewer.get(url, timeout=DEADLINE_S).text
        assert hello[0] == "0"
        session = json.loads(hello[1:])["sid"]
        assert viewer.post(f"{url}&sid={session}", data="40", timeout=DEADLINE_S).ok
        wait_until(lambda: site.monitor.viewers == 1, "the viewer")
        assert viewer.get(f"{url}&sid={session}", timeout=DEADLINE_S).text.startswith("40")
        (sid,) = site.live.hub.sids()
        site.live.cut(sid)
        answer = viewer.post(f"{url}&sid={session}", data="3", timeout=DEADLINE_S)
    assert answer.status_code == 400
    assert "has ended" in answer.json()["detail"]


def test_viewer_that_reads_no_answers_is_cut(site: Site) -> None:
    sock = raw_viewer(site)
    wait_until(lambda: len(site.live.hub) == 1, "connected")
    # The made-up monitor's answer repeats the whole filter.
    question = b'42%d["watch",{"view":"connections","q":"foo' + b"z" * 60_000 + b'"}]'
    with pytest.raises(OSError):
        send_all(sock, (question % number for number in range(100 * MAX_UNREAD)))
    wait_until(lambda: len(site.live.hub) == 0, "forgotten")
    sock.close()


def test_garbage_ends_only_the_viewer_that_sent_it(site: Site) -> None:
    with viewing(site) as viewer:
        for garbage in (b"\xff\xff", b"9", b"4", b"42", b'42["watch"', b"451-", b"4" * 60_000):
            sock = raw_viewer(site)
            send_text(sock, garbage)
            sock.close()
        viewer.watch(view="overview")
        wait_until(lambda: viewer.frames, "frames go on")


def test_message_that_is_too_big_is_refused(site: Site) -> None:
    sock = raw_viewer(site)
    wait_until(lambda: len(site.live.hub) == 1, "connected")
    for _ in range(3):
        sock.sendall(b"\x01\xfe" + (60_000).to_bytes(2, "big") + bytes(4) + b"4" * 60_000)
    wait_until(lambda: len(site.live.hub) == 0, "cut")
    sock.close()


def test_a_fault_of_the_publisher_is_told_until_it_is_over(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty() -> float:
        raise KeyError("a viewer that has just gone")

    monkeypatch.setattr(live, "RETRY_S", 0.01)
    with monkeypatch.context() as patch:
        patch.setattr(site.live.hub, "tick", faulty)
        with viewing(site) as viewer:
            viewer.watch(view="overview")
        wait_until(lambda: "KeyError" in site.monitor.live_failure, "the failure is told")
    wait_until(lambda: not site.monitor.live_failure, "it is over")
    with viewing(site) as viewer:
        viewer.watch(view="overview")
        wait_until(lambda: viewer.frames, "a frame")


def test_a_question_that_fails_is_acknowledged(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: Any) -> dict[str, Any]:
        raise OSError("Input/output error")

    monkeypatch.setattr(site.monitor, "connections", damaged)
    with viewing(site) as viewer:
        answer = viewer.watch(view="connections")
    assert answer == {"ok": False, "error": "the server failed to answer this; its log says why"}


def test_a_connection_that_the_log_has_dropped_is_still_a_view(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with viewing(site) as viewer:
        viewer.watch(view="connection", conn=1)
        wait_until(lambda: viewer.frames, "a frame")
        monkeypatch.setattr(site.monitor, "connection", lambda conn, at=None: None)
        wait_until(lambda: viewer.frames[-1]["data"]["state"] is None, "a frame that says it is not known")
        assert viewer.frames[-1]["data"]["conn"] == 1
