"""The pages as the server sends them: whole, without anything inline, small."""

import re
from typing import Any

import pytest
from fake_monitor import FakeMonitor

from web import create_app

PAGES = ["/", "/connections", "/connections/1", "/connections/3", "/events", "/loop", "/lab"]


@pytest.mark.parametrize("path", PAGES)
def test_pages(browser: Any, path: str) -> None:
    response = browser.get(path)
    assert response.status_code == 200
    assert response.mimetype == "text/html"


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_inline(browser: Any, path: str) -> None:
    page = browser.get(path).text
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)


@pytest.mark.parametrize("path", PAGES)
def test_everything_a_page_names_is_there(browser: Any, path: str) -> None:
    for name in re.findall(r'(?:src|href)="(/(?:static|vendor)/[^"]+)"', browser.get(path).text):
        with browser.get(name) as response:
            assert response.status_code == 200, name


def test_unknown_connection_is_a_page_with_404(browser: Any) -> None:
    response = browser.get("/connections/17")
    assert response.status_code == 404
    assert response.mimetype == "text/html"


def test_unknown_page(browser: Any) -> None:
    response = browser.get("/nothing<script>")
    assert response.status_code == 404
    assert response.mimetype == "text/plain"


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd"])
def test_static_stays_in_its_folder(browser: Any, path: str) -> None:
    assert browser.get(path, follow_redirects=True).status_code == 404


def test_gzip_only_when_accepted(browser: Any) -> None:
    assert "Content-Encoding" not in browser.get("/").headers
    packed = browser.get("/", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == "Accept-Encoding"


def test_version_is_shown(monitor: FakeMonitor) -> None:
    monitor.status = lambda: {"version": "9.8.7", "workers": 0}  # type: ignore[method-assign]
    assert "9.8.7" in create_app(monitor).test_client().get("/").text
