"""The Overview: live figures, charts that survive a reload, an empty server that says what to do."""

import re
from typing import Any

from playwright.sync_api import Page, Route, expect
from waiting import wait_until

from core.clients.load import LoadSettings, run


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


def test_a_client_that_takes_nothing_is_named(busy: Any, open_page: Any) -> None:
    page = open_page(busy.url)
    expect(page.locator(".tile [data-ref=queued]")).not_to_have_text("0")
    expect(page.locator("[data-ref=calm]")).to_be_hidden()
    expect(page.locator("[data-ref=notable] li")).not_to_have_count(0)
    page.locator("[data-ref=notable] a[href='/connections/2']").first.click()
    expect(page.get_by_role("heading", name="Connection 2")).to_be_visible()


def test_a_figure_leads_to_what_it_counts(busy: Any, open_page: Any) -> None:
    page = open_page(busy.url)
    expect(page.locator(".tile [data-ref=blocked]")).to_have_text("1")
    for place in ("main", "header"):
        page.goto(busy.url)
        page.locator(place).get_by_role("link", name=re.compile("blocked", re.IGNORECASE)).click()
        expect(page.locator("[data-ref=matched]")).to_have_text("1 matched of 3")
    page.goto(busy.url)
    page.locator("[data-tile=blocked]").click()
    expect(page).to_have_url(busy.url + "/connections?q=state:blocked,paused")
    page.goto(busy.url)
    page.locator("main").get_by_role("link", name="Loop busy").click()
    expect(page.get_by_role("heading", name="Loop", exact=True)).to_be_visible()


def test_charts_keep_their_history_over_a_reload(busy: Any, open_page: Any, complaints: Any) -> None:
    page = open_page(busy.url + "/?range=60")
    wait_until(
        lambda: busy.get("/api/v1/series?range=60").json()["open"][-2:] == [2, 2], "seconds with two connections"
    )
    # Without live frames: what is drawn then is what was there on load.
    page.route("**/socket.io/**", lambda route: route.abort())
    page.route_web_socket("**/socket.io/**", lambda ws: ws.close())
    complaints.expected = ("socket.io", "ERR_FAILED")
    page.reload()
    page.wait_for_selector("[data-chart=connections] canvas")
    expect(page.locator("[data-chart=connections] .nothing")).to_be_hidden()
    expect(page.locator("[data-chart=connections] .reading b").first).to_have_text("2")


def test_the_range_is_in_the_address_bar(quiet: Any, open_page: Any) -> None:
    page = open_page(quiet.url)
    recorder_and_server_are_on_the_page(page)
    expect(page.get_by_role("button", name="Last 5 minutes")).to_have_attribute("aria-pressed", "true")
    for label, seconds in (("Last 1 hour", 3600), ("Last 24 hours", 86400), ("Last 1 minute", 60)):
        with page.expect_response(lambda response, end=f"?range={seconds}": response.url.endswith(end)):
            page.get_by_role("button", name=label).click()
        expect(page).to_have_url(f"{quiet.url}/?range={seconds}")
    page.reload()
    expect(page.get_by_role("button", name="Last 1 minute")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Last 5 minutes").click()
    expect(page).to_have_url(quiet.url + "/")


def recorder_and_server_are_on_the_page(page: Page) -> None:
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
    host, port = server.echo

    def dropped() -> bool:
        run(LoadSettings(host=host, port=port, connections=20, seconds=0.5))
        return page.locator("[data-ref=droppedBox]").is_visible()

    wait_until(dropped, "segments that were dropped")
    expect(page.locator("[data-ref=droppedBox]")).to_be_visible()
    expect(page.locator("[data-ref=dropped]")).to_have_text(re.compile(r"^[1-9][0-9,]*$"))


def test_a_late_failure_of_another_range_is_not_told(quiet: Any, open_page: Any, complaints: Any) -> None:
    complaints.expected = ("500",)
    late: list[Route] = []
    page = open_page(quiet.url, routes={"**/api/v1/series?range=86400": lambda route: late.append(route)})
    with page.expect_request("**/api/v1/series?range=86400"):
        page.get_by_role("button", name="Last 24 hours").click()
    with page.expect_response("**/api/v1/series?range=3600"):
        page.get_by_role("button", name="Last 1 hour").click()
    with page.expect_response("**/api/v1/series?range=86400"):
        wait_until(lambda: page.evaluate("1") and late, "the question for 24 hours")[0].fulfill(status=500)
    page.evaluate("() => fetch('/api/v1/status').then((answer) => answer.json()).then(() => undefined)")
    expect(page.locator("[data-ref=historyError]")).to_be_hidden()
