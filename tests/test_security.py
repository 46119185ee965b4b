"""What keeps other sites and other names out, and what the pages may load."""

from typing import Any

import pytest
from conftest import Site
from fake_monitor import FakeMonitor
from waiting import DEADLINE_S

from core.loopback import is_loopback
from web import create_app
from web.access.security import CONTENT_SECURITY_POLICY
from web.pages.assets import VENDOR

LOCAL = ["localhost", "localhost:5000", "127.0.0.1", "127.0.0.1:8080", "127.1.2.3", "[::1]", "[::1]:5000", "LOCALHOST"]
LITERALS = ["10.0.0.1", "[2001:db8::1]:80", "[::ffff:127.0.0.1]:5000"]
"""No name server can point them elsewhere."""
FOREIGN = [
    "evil.example",
    "evil.example:5000",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "10.0.0.1.evil.example",
    "",
    "[",
    "a b",
]


@pytest.mark.parametrize("host", [*LOCAL, *LITERALS])
def test_local_names_are_answered(browser: Any, host: str) -> None:
    assert browser.get("/api/v1/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/status", "/", "/socket.io/?EIO=4&transport=polling", "/static/x.js"])
@pytest.mark.parametrize("host", FOREIGN)
def test_foreign_names_are_refused(browser: Any, host: str, path: str) -> None:
    response = browser.get(path, headers={"Host": host})
    assert response.status_code == 403
    assert response.content_type == "application/problem+json"


@pytest.fixture
def proxied(monitor: FakeMonitor) -> Any:
    """A browser of a server on loopback that answers for echo.example too."""
    return create_app(monitor, allow_hosts=["Echo.example"]).test_client()


@pytest.mark.parametrize(
    "host", ["echo.example", "echo.example:8443", "ECHO.EXAMPLE.", "[fd00::7]:80", "localhost:5000"]
)
def test_allowed_names_are_answered(proxied: Any, host: str) -> None:
    assert proxied.get("/api/v1/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "a.echo.example", "echo.example.evil.example", "", "*"])
def test_other_names_are_refused_and_told_of_the_option(proxied: Any, host: str) -> None:
    response = proxied.get("/api/v1/status", headers={"Host": host})
    assert response.status_code == 403
    assert "--allow-host" in response.get_json(force=True)["detail"]


LIVE = "/socket.io/?EIO=4&transport=polling"


@pytest.mark.parametrize(
    ("origin", "same"),
    [
        ("https://echo.example", True),
        ("http://echo.example", True),
        ("https://evil.example", False),
        ("https://echo.example:9999", False),
        ("null", False),
    ],
)
def test_pages_of_an_allowed_name_may_be_https(proxied: Any, origin: str, same: bool) -> None:
    headers = {"Host": "echo.example", "Origin": origin}
    assert (proxied.get(LIVE, headers=headers).status_code == 200) is same
    assert (proxied.post("/api/v1/connections/1/close", headers=headers).status_code == 200) is same


def test_live_updates_behind_a_proxy_that_renames_the_host(browser: Any) -> None:
    headers = {"Host": "127.0.0.1:5000", "X-Forwarded-Host": "echo.example", "X-Forwarded-Proto": "https"}
    assert browser.get(LIVE, headers={**headers, "Origin": "https://echo.example"}).status_code == 200
    assert browser.get(LIVE, headers={**headers, "Origin": "https://evil.example"}).status_code == 400


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("localhost.", True),
        ("128.0.0.1", False),
    ],
)
def test_loopback_names(name: str, local: bool) -> None:
    assert is_loopback(name) is local


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "https://localhost"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    ],
)
def test_changes_from_other_sites_are_refused(browser: Any, monitor: FakeMonitor, headers: dict[str, str]) -> None:
    assert browser.post("/api/v1/connections/1/close", headers=headers).status_code == 403
    assert monitor.closed == []


def test_the_model_is_not_changed_from_other_sites(browser: Any, monitor: FakeMonitor) -> None:
    headers = {"Origin": "http://evil.example"}
    assert browser.post("/api/v1/model", json={"model": "epoll"}, headers=headers).status_code == 403
    assert monitor.calls == []


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}])
def test_changes_from_own_pages_and_programs(browser: Any, monitor: FakeMonitor, headers: dict[str, str]) -> None:
    assert browser.post("/api/v1/connections/1/close", headers=headers).status_code == 200
    assert monitor.closed == [1]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ["/api/v1/status", "/api/v1/events/download?format=csv", LIVE])
def test_pages_of_other_sites_may_not_even_read(browser: Any, path: str, site: str) -> None:
    """An image of another site could take every place of a viewer, and every download."""
    for headers in ({"Sec-Fetch-Site": site}, {"Sec-Fetch-Site": site, "Origin": "http://localhost"}):
        assert browser.get(path, headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/", "/connections/1", "/healthz", "/static/css/base.css"])
def test_a_link_from_another_site_leads_to_the_pages(browser: Any, path: str) -> None:
    with browser.get(path, headers={"Sec-Fetch-Site": "cross-site"}) as response:
        assert response.status_code == 200


def test_policy_allows_no_inline_and_no_other_site() -> None:
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none';")
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/nothing", "/nothing", "/socket.io/?EIO=4&transport=polling"])
def test_every_answer_carries_the_headers(browser: Any, path: str) -> None:
    headers = browser.get(path).headers
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", ["/static/js/main.js", "/static/css/base.css"])
def test_parts_of_a_page_carry_what_concerns_them(browser: Any, path: str) -> None:
    with browser.get(path) as answer:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Content-Security-Policy" not in answer.headers


def test_live_updates_refuse_another_origin(site: Site) -> None:
    import requests

    refused = requests.get(
        site.url + "/socket.io/?EIO=4&transport=polling", headers={"Origin": "http://evil.example"}, timeout=DEADLINE_S
    )
    assert refused.status_code == 400


@pytest.mark.parametrize(
    "path",
    ["/vendor/package.json", "/vendor/../app.py", "/vendor/socket.io-client/package.json", "/vendor/%2e%2e/app.py"],
)
def test_nothing_else_is_served_from_node_modules(browser: Any, path: str) -> None:
    assert browser.get(path).status_code == 404


@pytest.mark.parametrize("name", VENDOR)
def test_libraries(browser: Any, name: str) -> None:
    with browser.get(f"/vendor/{name}", headers={"Accept-Encoding": "gzip"}) as response:
        assert response.status_code == 200
        assert response.headers["Content-Encoding"] == "gzip"
    with browser.get(f"/vendor/{name}", headers={"If-None-Match": response.headers["ETag"]}) as again:
        assert again.status_code == 304


def test_missing_library_says_what_to_do(monitor: FakeMonitor, monkeypatch: pytest.MonkeyPatch) -> None:
    from web.pages import assets

    monkeypatch.setitem(assets.VENDOR, "uPlot.esm.js", assets.Library("uplot/dist/none.js"))
    response = create_app(monitor).test_client().get("/vendor/uPlot.esm.js")
    assert response.status_code == 503
    assert b"make setup" in response.data


def test_body_has_a_limit(browser: Any) -> None:
    response = browser.post("/socket.io/?EIO=4&transport=polling", data=b"x" * 100_000)
    assert response.status_code in (400, 413)


def test_a_browser_s_own_word_counts_behind_a_proxy_that_renames_the_host(browser: Any) -> None:
    headers = {"Host": "127.0.0.1:5000", "Origin": "https://echo.example"}
    assert browser.get(LIVE, headers={**headers, "Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert browser.get(LIVE, headers=headers).status_code == 400
