"""The timeline of a connection: lanes of real events, zoom and pan, the way to a row, the address."""

import re
import socket
import struct
from typing import Any

from playwright.sync_api import Locator, Page, Route, expect
from waiting import wait_until

from .conftest import wait_on

GUTTER = 58
"""Pixels before the lanes, as in static/js/views/connection/timeline_canvas.js."""


def lanes(page: Page) -> Locator:
    """The timeline, as a slider."""
    return page.get_by_role("slider", name="Events of the connection over time")


def words(page: Page) -> Locator:
    """What the range holds."""
    return page.locator("[data-ref=timelineWords]")


def drag(page: Page, start: float, end: float) -> None:
    """Drag from one share of the lanes' width to another."""
    lanes(page).scroll_into_view_if_needed()
    box = lanes(page).bounding_box()
    assert box is not None
    width = box["width"] - GUTTER
    y = box["y"] + 40
    page.mouse.move(box["x"] + GUTTER + start * width, y)
    page.mouse.down()
    page.mouse.move(box["x"] + GUTTER + (start + end) / 2 * width, y)
    page.mouse.move(box["x"] + GUTTER + end * width, y)
    page.mouse.up()


def reset(client: Any) -> None:
    """End it with a reset."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()


def read_last(page: Page, words: str) -> None:
    """Have the last event read out, by the keyboard, until it is that."""
    lanes(page).focus()

    def said() -> bool:
        page.keyboard.press("Escape")
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(50)
        return words in (lanes(page).get_attribute("aria-valuetext") or "")

    wait_until(said, f"the last event is read out: {words}")


def test_a_reader_that_never_reads(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo, 4096)
    client.flood(server)
    page = open_page(server.url + "/connections/1")
    expect(words(page)).to_contain_text("full for")
    expect(words(page)).to_contain_text("reading paused for")
    expect(page.locator("[data-ref=timelineMode]")).to_have_text("live")
    reset(client)
    expect(page.locator("[data-ref=timelineMode]")).to_contain_text("–")
    read_last(page, "reset")


def test_a_half_closed_one_followed_row_by_row(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    client.echo(b"hello")
    page = open_page(server.url + "/connections/1")
    expect(words(page)).to_contain_text("2 events")
    client.echo(b"again")
    expect(words(page)).to_contain_text("3 events")
    client.socket.shutdown(socket.SHUT_WR)
    expect(words(page)).to_contain_text("5 events")
    read_last(page, "close · peer")
    page.keyboard.press("Enter")
    expect(page.locator("#rows")).to_be_focused()
    expect(page.locator("#rows tr[data-active]")).to_contain_text("close")


def test_zoom_by_drag_and_keys_and_the_address(busy: Any, open_page: Any) -> None:
    page = open_page(busy.url + "/connections/3")
    expect(words(page)).to_contain_text("4 events")
    drag(page, 0.0, 0.5)
    expect(page).to_have_url(re.compile(r"since=2\d{3}-.*&until=2"))
    shown = page.locator("[data-ref=timelineMode]").text_content()
    page.reload()
    expect(page.locator("[data-ref=timelineMode]")).to_have_text(shown or "?")
    lanes(page).focus()
    page.keyboard.press("+")
    expect(page.locator("[data-ref=timelineMode]")).not_to_have_text(shown or "")
    page.keyboard.press("0")
    expect(page).to_have_url(busy.url + "/connections/3")
    expect(words(page)).to_contain_text("4 events")


def test_a_zoom_is_read_though_the_read_before_it_ends_first(busy: Any, open_page: Any) -> None:
    held: list[Route] = []
    page = open_page(
        busy.url + "/connections/3", routes={"**/api/v1/events/histogram?*": lambda route: held.append(route)}
    )
    expect(page.locator("[data-ref=timelineMode]")).to_contain_text("–")
    wait_on(page, lambda: held, "the first question")
    lanes(page).focus()
    first = len(held)
    with page.expect_request("**/api/v1/events/histogram?*"):
        page.keyboard.press("+")
        for route in held[:first]:
            route.continue_()
    wait_on(page, lambda: len(held) > first, "the question after it")
    held[-1].continue_()
    expect(words(page)).to_contain_text("event")


def test_it_stands_still_in_a_hidden_tab_and_during_a_drag(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    client.echo(b"hello")
    page = open_page(server.url + "/connections/1")
    expect(words(page)).to_contain_text("2 events")
    turn = """(hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(turn, True)
    client.echo(b"again")
    expect(page.locator("#rows tbody tr")).to_have_count(3)
    expect(page.locator("[data-ref=echoes]")).to_have_text("2")
    expect(words(page)).to_contain_text("2 events")
    page.evaluate(turn, False)
    expect(words(page)).to_contain_text("3 events")
    drag_keeps_its_scale(page, client)


def drag_keeps_its_scale(page: Page, client: Any) -> None:
    """A drag is read on the scale that it was drawn on, though another event comes."""
    lanes(page).scroll_into_view_if_needed()
    box = lanes(page).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + GUTTER + 50, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + GUTTER + 150, box["y"] + 40)
    client.echo(b"once more")
    expect(page.locator("#rows tbody tr")).to_have_count(4)
    expect(page.locator("[data-ref=echoes]")).to_have_text("3")
    expect(words(page)).to_contain_text("3 events")
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"since="))
    page.get_by_role("button", name="Show all").click()
    expect(words(page)).to_contain_text("4 events")


def test_buttons_zoom_and_what_is_followed_stays_followed(busy: Any, open_page: Any) -> None:
    page = open_page(busy.url + "/connections/1")
    expect(words(page)).to_contain_text("2 events")
    page.get_by_role("button", name="Zoom in").click()
    expect(page).to_have_url(re.compile(r"\?since=\d+s$"))
    expect(page.locator("[data-ref=timelineMode]")).to_have_text("live")
    page.get_by_role("button", name="Show all").click()
    expect(page).to_have_url(busy.url + "/connections/1")
    for width in (360, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        card = "document.querySelector('.timeline-card').getBoundingClientRect()"
        page.wait_for_function(f"() => innerWidth === {width} && {card}.width <= {width}")


def test_a_row_that_the_table_no_longer_shows_comes_from_the_log(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    for _ in range(300):
        client.echo(b"x")
    page = open_page(server.url + "/connections/1")
    expect(words(page)).to_contain_text("301 events")
    lanes(page).focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-ref=timelineRow]")).to_contain_text("open")
    page.keyboard.press("Enter")
    expect(page.locator("[data-ref=rowCount]")).to_contain_text("From the log, up to")
    expect(page.locator("#rows tbody tr")).to_have_count(1)
    expect(page.locator("#rows tr[data-active]")).to_contain_text("open")
    page.get_by_role("button", name="Newest rows").click()
    expect(page.locator("#rows tbody tr").last).to_contain_text("echo")
    expect(page.locator("[data-ref=rowCount]")).to_contain_text("Live")


def test_a_hundred_thousand_events_stay_quick(busy: Any, open_page: Any) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        real = route.fetch().json()
        bars = 100
        kinds = {"echo": [1000] * bars, "full": [1] + [0] * (bars - 1)}
        route.fulfill(json=real | {"kinds": kinds, "total": 100_001, "next": None})

    def rows(route: Route) -> None:
        asked.append(route.request.url)
        route.continue_()

    page = open_page(
        busy.url + "/connections/1",
        routes={"**/api/v1/events?*": rows, "**/api/v1/events/histogram?*": answer},
    )
    expect(words(page)).to_contain_text("100,001 events")
    assert any("-kind%3Aecho" in url for url in asked)


def test_what_could_not_be_read_is_said(busy: Any, open_page: Any, complaints: Any) -> None:
    complaints.expected = ("503",)
    broken = {"status": 503, "content_type": "application/problem+json", "body": '{"detail": "the disk is gone"}'}
    page = open_page(
        busy.url + "/connections/1", routes={"**/api/v1/events/histogram?*": lambda route: route.fulfill(**broken)}
    )
    expect(page.locator("[data-ref=timelineError]")).to_have_text("The timeline could not be read: the disk is gone")
