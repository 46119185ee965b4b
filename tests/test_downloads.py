"""Downloads: streamed, compressed, counted, and ended when the browser goes away."""

import gzip
import os
import socket
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from conftest import Site
from fake_monitor import READY, FakeChunks, FakeMonitor, rows
from waiting import DEADLINE_S, wait_until

from core.export.download import DownloadError
from web.api import tickets
from web.api.parameters import DownloadParameters
from web.live import sockets

EXPECTED = b"".join(rows(1000))
PATH = "/api/v1/events/download?format=jsonl"


class Endless:
    """Chunks without end that know when they are closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.made = 0
        self.ready = READY

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self.made += 1
        return b"x" * 65_536

    def close(self) -> None:
        self.closed.set()

    cancel = close


def test_attachment(browser: Any) -> None:
    response = browser.get(PATH)
    assert response.data == EXPECTED
    assert response.headers["Content-Disposition"] == "attachment; filename=echoscope-log.jsonl"
    assert response.mimetype == "application/x-ndjson"
    assert "Content-Length" not in response.headers


def test_gzip_when_accepted(browser: Any) -> None:
    response = browser.get(PATH, headers={"Accept-Encoding": "gzip, deflate"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.data) == EXPECTED


@pytest.mark.parametrize("accepts", ["", "identity", "gzip;q=0", "br"])
def test_plain_when_gzip_is_not_accepted(browser: Any, accepts: str) -> None:
    response = browser.get(PATH, headers={"Accept-Encoding": accepts})
    assert "Content-Encoding" not in response.headers
    assert response.data == EXPECTED


def test_head_does_no_work(site: Site) -> None:
    endless = site.monitor.chunks = Endless()
    assert requests.head(site.url + PATH, timeout=DEADLINE_S).status_code == 200
    wait_until(endless.closed.is_set, "closed")
    assert endless.made == 0
    wait_until(lambda: site.downloads.active == 0, "released")


@pytest.mark.parametrize("accepts", ["identity", "gzip"])
def test_work_ends_when_the_browser_goes_away(no_leaks: None, site: Site, accepts: str) -> None:
    endless = site.monitor.chunks = Endless()
    with requests.get(
        site.url + PATH, headers={"Accept-Encoding": accepts}, stream=True, timeout=DEADLINE_S
    ) as response:
        assert response.raw.read(1000)
        assert site.downloads.active == 1
    wait_until(endless.closed.is_set, "closed")
    wait_until(lambda: site.downloads.active == 0, "released")


def test_too_many_at_once(site: Site) -> None:
    site.monitor.chunks = Endless()
    with (
        requests.get(site.url + PATH, stream=True, timeout=DEADLINE_S),
        requests.get(site.url + PATH, stream=True, timeout=DEADLINE_S),
    ):
        refused = requests.get(site.url + PATH, timeout=DEADLINE_S)
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert "2 downloads" in refused.json()["detail"]
    wait_until(lambda: site.downloads.active == 0, "released")


def test_stop_breaks_a_download_off(site: Site) -> None:
    site.monitor.chunks = Endless()
    with requests.get(
        site.url + PATH, headers={"Accept-Encoding": "identity"}, stream=True, timeout=DEADLINE_S
    ) as response:
        assert response.raw.read(1000)
        site.downloads.stop()
        with pytest.raises((requests.RequestException, OSError)):
            deque(response.iter_content(65_536), maxlen=0)
    assert requests.get(site.url + PATH, timeout=DEADLINE_S).status_code == 503


def test_bad_values_are_told_before_the_first_byte(browser: Any, monitor: FakeMonitor) -> None:
    assert browser.get("/api/v1/events/download?format=xls").status_code == 400
    assert browser.get("/api/v1/events/download?q=foo:1").status_code == 400


TOKEN = "0123456789abcdef"


def test_estimate(browser: Any, monitor: FakeMonitor) -> None:
    answer = browser.get("/api/v1/events/estimate?format=csv&q=kind:full&since=10m").json
    assert answer == {"rows": 1000, "bytes": 12_890, "exact": True, "name": "echoscope-log.csv"}
    assert monitor.calls == [("estimate", "csv", "kind:full", "10m", None)]
    assert browser.get("/api/v1/events/estimate?q=foo:1").status_code == 400
    assert browser.get("/api/v1/events/estimate?token=1").status_code == 400


@pytest.mark.parametrize("token", ["", "abc", "0" * 65, "ABCDEF0123456789", "0123456789abcdeg"])
def test_bad_tokens(browser: Any, token: str) -> None:
    assert browser.get(f"{PATH}&token={token}").status_code == 400
    assert browser.get(f"/api/v1/downloads/{token}").status_code == 404


def test_unknown_token(browser: Any) -> None:
    assert browser.get(f"/api/v1/downloads/{TOKEN}").status_code == 404
    assert browser.delete(f"/api/v1/downloads/{TOKEN}").status_code == 404


def test_progress_of_one_that_is_done(browser: Any) -> None:
    assert browser.get(f"{PATH}&token={TOKEN}").data == EXPECTED
    progress = browser.get(f"/api/v1/downloads/{TOKEN}").json
    assert progress.pop("elapsed_s") >= 0
    assert progress == {
        "token": TOKEN,
        "state": "done",
        "rows": 1000,
        "bytes": len(EXPECTED),
        "estimate": {"rows": 1000, "bytes": 12_890, "exact": True},
        "name": "echoscope-log.jsonl",
        "reason": "",
    }
    assert browser.delete(f"/api/v1/downloads/{TOKEN}").json["state"] == "done"


def test_one_that_is_refused_says_why_by_its_token(site: Site) -> None:
    site.monitor.chunks = Endless()
    with (
        requests.get(site.url + PATH, stream=True, timeout=DEADLINE_S) as first,
        requests.get(site.url + PATH, stream=True, timeout=DEADLINE_S) as second,
    ):
        assert first.raw.read(1)
        assert second.raw.read(1)
        assert requests.get(f"{site.url}{PATH}&token={TOKEN}", timeout=DEADLINE_S).status_code == 503
        told = requests.get(f"{site.url}/api/v1/downloads/{TOKEN}", timeout=DEADLINE_S).json()
    assert (told["state"], told["rows"], told["estimate"]) == ("refused", 0, None)
    assert told["reason"] == "2 downloads are under way; try again in a moment"


def test_what_is_asked_for_again_is_served_again(site: Site) -> None:
    address = f"{site.url}{PATH}&token={TOKEN}"
    assert requests.head(address, timeout=DEADLINE_S).status_code == 200
    assert requests.get(f"{site.url}/api/v1/downloads/{TOKEN}", timeout=DEADLINE_S).status_code == 404
    site.monitor.chunks = Endless()
    with requests.get(address, stream=True, timeout=DEADLINE_S) as broken_off:
        assert broken_off.raw.read(1)
        site.monitor.chunks = rows(1000)
        assert requests.get(address, timeout=DEADLINE_S).content == EXPECTED
        assert requests.get(f"{site.url}/api/v1/downloads/{TOKEN}", timeout=DEADLINE_S).json()["state"] == "done"
        # What is under way by that token ends all the same.
        requests.delete(f"{site.url}/api/v1/downloads/{TOKEN}", timeout=DEADLINE_S)
        with pytest.raises((requests.RequestException, OSError)):
            deque(broken_off.iter_content(65_536), maxlen=0)
    wait_until(lambda: site.downloads.active == 0, "released")


def asked_by_hand(site: Site, path: str) -> socket.socket:
    """A connection on which a client of HTTP/1.0 has asked for a path."""
    host, port = site.url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)), DEADLINE_S)
    client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    return client


def read_to_the_end(client: socket.socket) -> bytes:
    read = b""
    while piece := client.recv(1 << 20):
        read = (read + piece)[-1000:]
    return read


@pytest.mark.parametrize("breaks", ["by itself", "cancelled while it writes", "cancelled while it waits"])
def test_one_that_breaks_off_is_reset_where_the_end_of_the_connection_is_that_of_the_file(
    site: Site, breaks: str
) -> None:
    ends = os.pipe()
    endless = Endless()
    site.monitor.chunks = failing() if breaks == "by itself" else endless
    if breaks == "cancelled while it waits":
        endless.ready = ends[0]
    with asked_by_hand(site, f"{PATH}&token={TOKEN}") as client:
        if breaks != "by itself":
            wait_until(lambda: site.downloads.active == 1, "it is under way")
            requests.delete(f"{site.url}/api/v1/downloads/{TOKEN}", timeout=DEADLINE_S)
        with pytest.raises(ConnectionResetError):
            read_to_the_end(client)
    wait_until(lambda: site.downloads.active == 0, "released")
    for end in ends:
        os.close(end)


def test_a_client_that_ends_its_side_gets_its_download(site: Site) -> None:
    with asked_by_hand(site, PATH) as client:
        client.shutdown(socket.SHUT_WR)
        assert b'{"seq":999}\n' in read_to_the_end(client)


def test_cancel(site: Site) -> None:
    endless = site.monitor.chunks = Endless()
    address = f"{site.url}/api/v1/downloads/{TOKEN}"
    with requests.get(
        f"{site.url}{PATH}&token={TOKEN}", headers={"Accept-Encoding": "identity"}, stream=True, timeout=DEADLINE_S
    ) as response:
        assert response.raw.read(1000)
        running = requests.get(address, timeout=DEADLINE_S).json()
        assert running["state"] == "running"
        assert running["rows"] * 65_536 == running["bytes"] > 0
        assert (
            requests.delete(address, headers={"Origin": "http://evil.example"}, timeout=DEADLINE_S).status_code == 403
        )
        assert requests.get(address, timeout=DEADLINE_S).json()["state"] == "running"
        assert requests.delete(address, timeout=DEADLINE_S).json()["state"] == "cancelled"
        with pytest.raises((requests.RequestException, OSError)):
            deque(response.iter_content(65_536), maxlen=0)
    wait_until(endless.closed.is_set, "closed")
    wait_until(lambda: site.downloads.active == 0, "released")
    assert requests.get(address, timeout=DEADLINE_S).json()["state"] == "cancelled"


def test_a_browser_that_goes_away_has_cancelled(site: Site) -> None:
    site.monitor.chunks = Endless()
    address = f"{site.url}/api/v1/downloads/{TOKEN}"
    with requests.get(f"{site.url}{PATH}&token={TOKEN}", stream=True, timeout=DEADLINE_S) as response:
        assert response.raw.read(1000)
    wait_until(lambda: requests.get(address, timeout=DEADLINE_S).json()["state"] == "cancelled", "cancelled")


def failing() -> Iterator[bytes]:
    yield b"x" * 100
    raise OSError("the disk is gone")


def test_a_download_that_breaks_off_is_no_whole_answer(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.monitor.chunks = failing()
    with pytest.raises(requests.RequestException):
        _ = requests.get(f"{site.url}{PATH}&token={TOKEN}", timeout=DEADLINE_S).content
    assert requests.get(f"{site.url}/api/v1/downloads/{TOKEN}", timeout=DEADLINE_S).json()["state"] == "failed"
    assert "echoscope-log.jsonl: the disk is gone" in caplog.text


def test_a_browser_that_goes_away_while_nothing_is_found() -> None:
    descriptor, never = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with ours, theirs:
        assert sockets.wait_for(READY, ours, 0.0)
        theirs.shutdown(socket.SHUT_WR)  # it may be gone, it may read on
        assert not sockets.wait_for(descriptor, ours, 0.0)
        os.write(never, b"a piece")
        assert sockets.wait_for(descriptor, ours, DEADLINE_S)
        sockets.break_off_by_reset(theirs)
        theirs.close()
        os.read(descriptor, 10)
        assert not sockets.wait_for(descriptor, ours, DEADLINE_S)
    os.close(descriptor)
    os.close(never)


def test_finished_downloads_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tickets.Tickets()
    asked = [DownloadParameters(token=f"{number:016x}") for number in range(tickets.MOST_KEPT + 5)]
    for each in asked:
        ticket = tickets.Ticket("name", each, FakeChunks(rows(1), False))
        kept.add(ticket)
        if each is not asked[0]:
            ticket.end(tickets.DownloadState.DONE)
    assert kept.find(f"{1:016x}") is None
    assert kept.find(f"{10:016x}") is not None
    monkeypatch.setattr(tickets, "KEPT_S", -1.0)
    assert kept.find(f"{10:016x}") is None
    assert kept.find(f"{0:016x}") is not None


def test_a_download_that_cannot_begin_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_chunks: FakeChunks) -> None:
        raise DownloadError("no download can be made: Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(FakeChunks, "start", fails)
        answer = requests.get(f"{site.url}{PATH}&token={TOKEN}", timeout=DEADLINE_S)
        assert (answer.status_code, answer.json()["detail"]) == (503, "no download can be made: Permission denied")
        told = requests.get(f"{site.url}/api/v1/downloads/{TOKEN}", timeout=DEADLINE_S).json()
        assert (told["state"], told["reason"]) == ("refused", "no download can be made: Permission denied")
    assert site.downloads.active == 0
    site.monitor.chunks = rows(1000)
    assert requests.get(site.url + PATH, timeout=DEADLINE_S).content == EXPECTED
