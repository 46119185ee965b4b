"""Downloads: streamed, compressed, counted, and ended when the browser goes away."""

import gzip
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from conftest import Site, wait_until
from fake_monitor import FakeMonitor, rows

EXPECTED = b"".join(rows(1000))
PATH = "/api/v1/events/download?format=jsonl"


class Endless:
    """Chunks without end that know when they are closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.made = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self.made += 1
        return b"x" * 65_536

    def close(self) -> None:
        self.closed.set()


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
    assert requests.head(site.url + PATH, timeout=5).status_code == 200
    wait_until(endless.closed.is_set, "closed")
    assert endless.made == 0
    wait_until(lambda: site.downloads.active == 0, "released")


@pytest.mark.parametrize("accepts", ["identity", "gzip"])
def test_work_ends_when_the_browser_goes_away(no_leaks: None, site: Site, accepts: str) -> None:
    endless = site.monitor.chunks = Endless()
    with requests.get(site.url + PATH, headers={"Accept-Encoding": accepts}, stream=True, timeout=5) as response:
        assert response.raw.read(1000)
        assert site.downloads.active == 1
    wait_until(endless.closed.is_set, "closed")
    wait_until(lambda: site.downloads.active == 0, "released")


def test_too_many_at_once(site: Site) -> None:
    site.monitor.chunks = Endless()
    with (
        requests.get(site.url + PATH, stream=True, timeout=5),
        requests.get(site.url + PATH, stream=True, timeout=5),
    ):
        refused = requests.get(site.url + PATH, timeout=5)
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert "2 downloads" in refused.json()["detail"]
    wait_until(lambda: site.downloads.active == 0, "released")


def test_stop_breaks_a_download_off(site: Site) -> None:
    site.monitor.chunks = Endless()
    with requests.get(site.url + PATH, headers={"Accept-Encoding": "identity"}, stream=True, timeout=5) as response:
        assert response.raw.read(1000)
        site.downloads.stop()
        with pytest.raises((requests.RequestException, OSError)):
            deque(response.iter_content(65_536), maxlen=0)
    assert requests.get(site.url + PATH, timeout=5).status_code == 503


def test_bad_values_are_told_before_the_first_byte(browser: Any, monitor: FakeMonitor) -> None:
    assert browser.get("/api/v1/events/download?format=xls").status_code == 400
    assert browser.get("/api/v1/events/download?q=foo:1").status_code == 400
