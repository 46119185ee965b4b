"""A closer look at a part of the charts' time, with the pointer and with the keyboard."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import Server, serving
from playwright.sync_api import Page, expect
from waiting import wait_until

from .conftest import clients

PLOT = "[data-chart=echoes] .u-over"
ZOOMED = re.compile(r"[?&]zoom=\d{4}-\d\d-\d\dT[\d:]+Z,\d{4}-\d\d-\d\dT[\d:]+Z")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, nursery: Any, address: Any) -> Iterator[Server]:
    """A server with one client, for tests that only look."""
    with serving(tmp_path_factory.mktemp("seen"), nursery, *address("seen")) as server, clients() as connect:
        connect(server.echo).echo(b"x")
        yield server


@pytest.fixture
def page(seen: Server, open_page: Any) -> Page:
    """The Overview with some seconds of history."""
    opened: Page = open_page(seen.url + "/?range=60")
    expect(opened.locator("[data-chart=connections] .reading b").first).to_have_text("1")
    expect(opened.locator("[data-chart=echoes] .nothing")).to_be_hidden()
    # What is above the charts must be there, so that they stay where they are.
    expect(opened.locator("[data-ref=mapCard]")).to_be_visible()
    return opened


def drag(page: Page, start: float, end: float) -> None:
    """Over the first chart, from one share of its width to another."""
    box = page.locator(PLOT).bounding_box()
    assert box
    page.mouse.move(box["x"] + start * box["width"], box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], box["y"] + 40, steps=5)
    page.mouse.up()


def second_last(page: Page) -> str:
    """What the charts say of the last second but one, to the keyboard."""
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    return page.locator("[data-ref=chartSays]").inner_text()


def axis_span(page: Page) -> str:
    """What the zoom is said to be."""
    return page.locator("[data-ref=zoomWords]").inner_text()


def the_pointer_shows_its_time_in_all_charts(page: Page) -> None:
    box = page.locator(PLOT).bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] - 3, box["y"] + 40)
    expect(page.locator(".cursor-time:visible")).to_have_count(6)
    page.mouse.move(5, 5)
    expect(page.locator(".cursor-time:visible")).to_have_count(0)


def a_drag_zooms_all_charts_and_a_double_click_shows_all_again(page: Page) -> None:
    expect(page.get_by_role("button", name="Reset zoom")).to_be_hidden()
    drag(page, 0.4, 0.9)
    expect(page).to_have_url(ZOOMED)
    expect(page.get_by_role("button", name="Last 1 minute")).to_have_attribute("aria-pressed", "false")
    assert re.search(r"to [\d:]+, 3[01] s", axis_span(page))
    page.locator(PLOT).dblclick(position={"x": 30, "y": 40})
    expect(page).not_to_have_url(ZOOMED)
    expect(page.get_by_role("button", name="Last 1 minute")).to_have_attribute("aria-pressed", "true")


def the_keyboard_moves_the_time_zooms_and_resets(page: Page) -> None:
    charts = page.get_by_role("group", name=re.compile("^Charts"))
    charts.focus()
    wait_until(lambda: "open 1" in second_last(page), "a second with the connection, and one after it")
    times = page.locator(".cursor-time:visible")
    expect(times).to_have_count(6)
    assert len(set(times.all_inner_texts())) == 1
    page.keyboard.press("+")
    expect(page).to_have_url(ZOOMED)
    first = page.url
    page.keyboard.press("PageUp")
    expect(page).not_to_have_url(first)
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(ZOOMED)
    page.keyboard.press("+")
    page.keyboard.press("-")
    expect(page).not_to_have_url(ZOOMED)


def a_drag_may_end_outside_the_chart(page: Page) -> None:
    """From a time to now, past the right edge."""
    drag(page, 0.6, 1.08)
    expect(page).to_have_url(ZOOMED)
    page.locator(PLOT).dblclick()
    expect(page).not_to_have_url(ZOOMED)


def a_zoom_stands_still_while_the_server_goes_on(page: Page) -> None:
    drag(page, 0.4, 0.7)
    expect(page).to_have_url(ZOOMED)
    page.mouse.move(5, 5)
    plot = page.locator("[data-chart=connections] canvas")
    page.wait_for_load_state("networkidle")
    picture = "canvas => canvas.toDataURL()"
    first = plot.evaluate(picture)
    age = page.locator("[data-ref=uptime]").inner_text()
    expect(page.locator("[data-ref=uptime]")).not_to_have_text(age)
    assert plot.evaluate(picture) == first


def test_a_visit(page: Page) -> None:
    for aspect in (
        the_pointer_shows_its_time_in_all_charts,
        a_drag_zooms_all_charts_and_a_double_click_shows_all_again,
        the_keyboard_moves_the_time_zooms_and_resets,
        a_drag_may_end_outside_the_chart,
        a_zoom_stands_still_while_the_server_goes_on,
    ):
        aspect(page)


def test_a_zoom_survives_a_reload_and_leads_to_its_events(seen: Any, page: Page) -> None:
    # What happened must be older than the end of what is marked.
    wait_until(lambda: seen.get("/api/v1/connections/1").json()["idle_s"] > 3, "events of a while ago")
    drag(page, 0.02, 0.98)
    expect(page).to_have_url(ZOOMED)
    said, address = axis_span(page), page.url
    page.reload()
    expect(page.locator("[data-ref=zoomWords]")).to_have_text(said)
    assert page.url == address
    page.get_by_role("link", name="Events of this range").click()
    expect(page.locator("[data-ref=since]")).to_have_value(re.compile(r"^\d{4}-.*Z$"))
    expect(page.locator("tbody tr").first).to_be_visible()


def test_back_undoes_a_zoom_and_nothing_else(seen: Any, page: Page) -> None:
    drag(page, 0.2, 0.9)
    expect(page).to_have_url(ZOOMED)
    zoom, said = parse_qs(urlsplit(page.url).query)["zoom"][0], axis_span(page)
    drag(page, 0.2, 0.5)
    expect(page.locator("[data-ref=zoomWords]")).not_to_have_text(said)
    page.get_by_role("button", name="Peer", exact=True).click()
    page.go_back()
    expect(page.locator("[data-ref=zoomWords]")).to_have_text(said)
    expect(page).to_have_url(f"{seen.url}/?map=peer&range=60&zoom={zoom}")
    expect(page.get_by_role("button", name="Peer", exact=True)).to_have_attribute("aria-pressed", "true")
    page.go_back()
    expect(page.locator("[data-ref=zoomBar]")).to_be_hidden()
    expect(page).to_have_url(seen.url + "/?map=peer&range=60")
    expect(page.get_by_role("button", name="Last 1 minute")).to_have_attribute("aria-pressed", "true")
    page.go_forward()
    expect(page.locator("[data-ref=zoomWords]")).to_have_text(said)
    page.keyboard.press("Escape")
    expect(page.locator("[data-ref=zoomBar]")).to_be_hidden()
    page.go_back()
    expect(page.locator("[data-ref=zoomWords]")).to_have_text(said)


def test_enter_leads_to_the_events_as_of_the_moment_shown(seen: Any, page: Page) -> None:
    slider = page.get_by_role("slider", name="Moment shown")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(r"[?&]at=2"))
    at = parse_qs(urlsplit(page.url).query)["at"]
    page.get_by_role("group", name=re.compile("^Charts")).focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/events"))
    query = parse_qs(urlsplit(page.url).query)
    assert query["at"] == at
    assert {"since", "until"} < set(query)
