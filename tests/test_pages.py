"""The pages as the server sends them: whole, without anything inline, small."""

import re
from typing import Any

import pytest
from fake_monitor import FakeMonitor

from core.bad_value import BadValueError
from core.version import VERSION
from web import create_app

PAGES = ["/", "/connections", "/connections/1", "/connections/3", "/events", "/loop", "/lab", "/orders"]
PROBLEMS = ["/nope", "/connections/abc", "/connections/1/nope", "/static/nope.js"]
OF_A_BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}


@pytest.mark.parametrize("path", PAGES)
def test_pages(browser: Any, path: str) -> None:
    response = browser.get(path)
    assert response.status_code == 200
    assert response.mimetype == "text/html"


@pytest.mark.parametrize("path", PAGES + PROBLEMS)
def test_nothing_is_inline(browser: Any, path: str) -> None:
    page = browser.get(path, headers=OF_A_BROWSER).text
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)


@pytest.mark.parametrize("path", PAGES + PROBLEMS)
def test_everything_a_page_names_is_there(browser: Any, path: str) -> None:
    page = browser.get(path, headers=OF_A_BROWSER).text
    for name in re.findall(r'(?:src|href)="(/(?:static|vendor)/[^"]+)"', page):
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


@pytest.mark.parametrize("path", PROBLEMS)
def test_a_browser_is_led_back_from_a_page_that_there_is_not(browser: Any, path: str) -> None:
    response = browser.get(path, headers=OF_A_BROWSER)
    assert (response.status_code, response.mimetype) == (404, "text/html")
    assert f"<h2>There is nothing at {path}</h2>" in response.text
    assert '<a href="/connections">Connections</a>' in response.text
    assert '<a class="button" href="/">Overview</a>' in response.text


def test_a_problem_page_shows_no_markup_of_others(browser: Any) -> None:
    page = browser.get("/nothing<script>", headers=OF_A_BROWSER).text
    assert "There is nothing at /nothing&lt;script&gt;</h2>" in page


def test_what_is_not_allowed_is_a_page_too(browser: Any) -> None:
    response = browser.delete("/loop", headers=OF_A_BROWSER)
    assert (response.status_code, response.mimetype) == (405, "text/html")
    assert "GET" in response.headers["Allow"]
    assert "DELETE is not allowed at /loop</h2>" in response.text


def test_problems_of_the_api_are_json_for_a_browser_too(browser: Any) -> None:
    assert browser.get("/api/nope", headers=OF_A_BROWSER).mimetype == "application/problem+json"


def test_the_icon_is_found_where_browsers_look(browser: Any) -> None:
    with browser.get("/favicon.ico", follow_redirects=True) as response:
        assert (response.status_code, response.mimetype) == (200, "image/svg+xml")


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd"])
def test_static_stays_in_its_folder(browser: Any, path: str) -> None:
    assert browser.get(path, follow_redirects=True).status_code == 404


def test_gzip_only_when_accepted(browser: Any) -> None:
    assert "Content-Encoding" not in browser.get("/").headers
    packed = browser.get("/", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == "Accept-Encoding"


def test_version_is_shown_also_when_nothing_else_is_known(monitor: FakeMonitor) -> None:
    def unknown(at: int | None = None) -> dict[str, Any]:
        raise BadValueError("the log lacks events 2 to 3 of worker 0")

    monitor.status = unknown  # type: ignore[method-assign]
    page = create_app(monitor).test_client().get("/")
    assert page.status_code == 200
    assert VERSION in page.text
