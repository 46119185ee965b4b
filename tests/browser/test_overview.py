"""The Overview: live figures, charts that survive a reload, an empty server that says what to do."""

import re
import subprocess
import sys
from typing import Any

from conftest import ROOT
from playwright.sync_api import Route, expect
from waiting import wait_until


def test_an_empty_server_says_how_to_connect_and_then_shows_who_did(server: Any, open_page: Any, connect: Any) -> None:
    page = open_page(server.url)
    host, port = server.echo
    expect(page.get_by_text("Nobody has connected yet")).to_be_visible()
    expect(page.locator("[data-ref=command]")).to_have_text(f"nc {host} {port}")
    client = connect(server.echo)
    assert client.echo(b"hello").endswith(b"hello")
    expect(page.locator(".tile [data-ref=open]")).to_have_text("1")
    expect(page.get_by_text("Nobody has connected yet")).to_be_hidden()
    expect(page.locator("[data-ref=echoesTotal]")).to_have_text("1")
    client.socket.close()
    expect(page.locator(".tile [data-ref=open]")).to_have_text("0")
    expect(page.locator("[data-ref=closed]")).to_have_text("1")


def test_a_client_that_takes_nothing_is_named(server: Any, open_page: Any, connect: Any) -> None:
    connect(server.echo, receive_buffer=4096).flood(server)
    page = open_page(server.url)
    expect(page.locator(".tile [data-ref=queued]")).not_to_have_text("0")
    expect(page.locator("[data-ref=calm]")).to_be_hidden()
    expect(page.locator("[data-ref=notable] li")).not_to_have_count(0)
    page.locator("[data-ref=notable] a[href='/connections/1']").first.click()
    expect(page.get_by_role("heading", name="Connection 1")).to_be_visible()


def test_a_figure_leads_to_what_it_counts(server: Any, open_page: Any, connect: Any) -> None:
    connect(server.echo).echo(b"x")
    connect(server.echo, receive_buffer=4096).flood(server)
    page = open_page(server.url)
    expect(page.locator(".tile [data-ref=blocked]")).to_have_text("1")
    for place in ("main", "header"):
        page.goto(server.url)
        page.locator(place).get_by_role("link", name=re.compile("blocked", re.IGNORECASE)).click()
        expect(page.locator("[data-ref=matched]")).to_have_text("1 matched of 2")
    page.goto(server.url)
    page.locator("[data-tile=blocked]").click()
    expect(page).to_have_url(server.url + "/connections?q=state:blocked,paused")
    page.goto(server.url)
    page.locator("main").get_by_role("link", name="Loop busy").click()
    expect(page.get_by_role("heading", name="Loop", exact=True)).to_be_visible()


def test_charts_keep_their_history_over_a_reload(server: Any, open_page: Any, connect: Any, complaints: Any) -> None:
    connect(server.echo).echo(b"x")
    page = open_page(server.url + "/?range=60")
    wait_until(
        lambda: server.get("/api/v1/series?range=60").json()["open"][-2:] == [1, 1], "seconds with one connection"
    )
    # Without live frames: what is drawn then is what was there on load.
    page.route("**/socket.io/**", lambda route: route.abort())
    page.route_web_socket("**/socket.io/**", lambda ws: ws.close())
    complaints.expected = ("socket.io", "ERR_FAILED")
    page.reload()
    page.wait_for_selector("[data-chart=connections] canvas")
    expect(page.locator("[data-chart=connections] .nothing")).to_be_hidden()
    expect(page.locator("[data-chart=connections] .reading b").first).to_have_text("1")


def test_the_range_is_in_the_address_bar(server: Any, open_page: Any) -> None:
    page = open_page(server.url)
    expect(page.get_by_role("button", name="Last 5 minutes")).to_have_attribute("aria-pressed", "true")
    for label, seconds in (("Last 1 hour", 3600), ("Last 24 hours", 86400), ("Last 1 minute", 60)):
        with page.expect_response(lambda response, end=f"?range={seconds}": response.url.endswith(end)):
            page.get_by_role("button", name=label).click()
        expect(page).to_have_url(f"{server.url}/?range={seconds}")
    page.reload()
    expect(page.get_by_role("button", name="Last 1 minute")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Last 5 minutes").click()
    expect(page).to_have_url(server.url + "/")


def test_recorder_and_server_are_on_the_page(server: Any, open_page: Any) -> None:
    page = open_page(server.url)
    expect(page.locator("[data-ref=model]")).to_have_text("epoll")
    expect(page.locator("[data-ref=reply]")).to_have_text("stamp")
    expect(page.locator("[data-ref=lost]")).to_have_text("0")
    expect(page.locator("[data-ref=recorded]")).not_to_have_text("–")
    expect(page.locator("[data-ref=logSize]")).to_contain_text("B")


def test_what_retention_has_dropped_is_told(start_server: Any, open_page: Any) -> None:
    server = start_server("--retain-bytes", "256KiB")
    page = open_page(server.url)
    expect(page.locator("[data-ref=recorded]")).not_to_have_text("–")
    expect(page.locator("[data-ref=droppedBox]")).to_be_hidden()
    load = [sys.executable, "app.py", "load", "--port", str(server.echo[1]), "--seconds", "3"]

    def dropped() -> bool:
        subprocess.run(load, cwd=ROOT, check=True, capture_output=True)
        return page.locator("[data-ref=droppedBox]").is_visible()

    wait_until(dropped, "segments that were dropped")
    expect(page.locator("[data-ref=droppedBox]")).to_be_visible()
    expect(page.locator("[data-ref=dropped]")).to_have_text(re.compile(r"^[1-9][0-9,]*$"))


def test_a_late_failure_of_another_range_is_not_told(
    server: Any, open_page: Any, connect: Any, complaints: Any
) -> None:
    complaints.expected = ("500",)
    late: list[Route] = []
    page = open_page(server.url, routes={"**/api/v1/series?range=86400": lambda route: late.append(route)})
    with page.expect_request("**/api/v1/series?range=86400"):
        page.get_by_role("button", name="Last 24 hours").click()
    with page.expect_response("**/api/v1/series?range=3600"):
        page.get_by_role("button", name="Last 1 hour").click()
    with page.expect_response("**/api/v1/series?range=86400"):
        wait_until(lambda: page.evaluate("1") and late, "the question for 24 hours")[0].fulfill(status=500)
    page.evaluate("() => fetch('/api/v1/status').then((answer) => answer.json()).then(() => undefined)")
    expect(page.locator("[data-ref=historyError]")).to_be_hidden()
