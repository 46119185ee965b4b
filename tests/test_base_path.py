"""Below a path of a proxy, which takes it off or not: all that the pages and the server say begins with it."""

import re
from typing import Any

import pytest
from commands import failure, run
from fake_monitor import FakeMonitor

from app import cli
from core.command_line import OWN_PATHS
from web import create_app
from web.access.authentication import Authentication

PAGES = ["/", "/connections", "/connections/1", "/events", "/loop", "/lab", "/orders", "/nothing-here"]
ASKS_FOR_A_PAGE = {"Accept": "text/html"}


@pytest.fixture
def below(monitor: FakeMonitor) -> Any:
    return create_app(monitor, base_path="/a/b-c", with_gallery=True).test_client()


@pytest.mark.parametrize("prefix", ["/a/b-c", ""], ids=["not taken off", "taken off"])
@pytest.mark.parametrize("page", [*PAGES, "/gallery"])
def test_every_address_of_a_page_is_below_it(below: Any, page: str, prefix: str) -> None:
    text = below.get(prefix + page, headers=ASKS_FOR_A_PAGE).text
    found = re.findall(r'(?:href|src|action)="(/[^"#]*)"', text)
    assert len(found) > 5
    assert [address for address in found if not address.startswith("/a/b-c/")] == []
    assert 'data-base="/a/b-c"' in text
    for address in {address for address in found if "/static/" in address or "/vendor/" in address}:
        for asked in (address, address.removeprefix("/a/b-c")):
            with below.get(asked) as answer:
                assert answer.status_code == 200, asked


def test_the_server_answers_below_it(below: Any) -> None:
    for path in ("/a/b-c/api/v1/status", "/a/b-c/healthz", "/healthz", "/a/b-c", "/a/b-c/"):
        assert below.get(path).status_code == 200, path
    assert below.get("/a/b-cd/healthz").status_code == 404
    assert below.get("/a/b-c/socket.io/?EIO=4&transport=polling").text.startswith("0{")
    assert below.get("/a/b-c/favicon.ico").headers["Location"] == "/a/b-c/static/img/icon.svg"


def test_signing_in_stays_below_it(monitor: FakeMonitor, tmp_path: Any) -> None:
    authentication = Authentication("token", host="0.0.0.0", directory=tmp_path)
    signed_out = create_app(monitor, authentication=authentication, base_path="/echo").test_client()
    answer = signed_out.get(f"/echo/?token={authentication.token}", headers=ASKS_FOR_A_PAGE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/echo/")
    assert "Path=/echo" in answer.headers["Set-Cookie"]


def taken(value: str) -> str:
    return str(cli.commands["serve"].make_context("serve", ["--base-path", value]).params["base_path"])


def test_what_is_a_base_path(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [taken(value) for value in ("", "/", "/echo", "/echo/", "/a/b-c.d")] == [
        "",
        "",
        "/echo",
        "/echo",
        "/a/b-c.d",
    ]
    monkeypatch.setenv("ECHOSCOPE_BASE_PATH", "/from/there/")
    assert cli.commands["serve"].make_context("serve", []).params["base_path"] == "/from/there"


@pytest.mark.parametrize(
    "value", ["echo", "//x", "/a//b", "/../x", "/a b", "/ä", "/a?b", "/a#b", "http://x/echo", "/%2e"]
)
def test_what_is_none_is_refused(value: str) -> None:
    assert "is not a path such as /echo" in failure(run("serve", "--base-path", value), 2)


def test_what_cannot_be_told_from_our_own_paths_is_refused(monitor: FakeMonitor) -> None:
    rules = create_app(monitor, with_gallery=True).url_map.iter_rules()
    assert {str(rule).split("/")[1] for rule in rules} - {""} | {"socket.io"} <= OWN_PATHS
    assert "choose another one" in failure(run("serve", "--base-path", "/lab"), 2)
