"""What holds on every page: accessible, in both themes, at every width, with the keyboard, and light."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .conftest import AXE, GONE

WIDTHS = [360, 768, 1440, 3840]
PAGES = ["/", "/connections", "/connections/1", "/events", "/loop"]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
def busy(server: Any, connect: Any) -> Any:
    """A server with clients: one that echoes, one that takes nothing."""
    connect(server.echo).echo(b"hello")
    connect(server.echo, receive_buffer=4096).flood(server)
    return server


def violations(page: Page) -> list[str]:
    """What axe finds, a line each."""
    # Evaluated by the debugger, so the page's own policy stays as it is.
    page.evaluate(AXE.read_text())
    options = json.dumps({"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]})
    found = page.evaluate(f"async () => (await axe.run(document, {options})).violations")
    return [f"{item['id']}: {node['html'][:120]} {node['failureSummary']}" for item in found for node in item["nodes"]]


def assert_accessible(page: Page) -> None:
    """Nothing for axe to find, in either theme."""
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        assert violations(page) == []


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_now_and_in_the_past(busy: Any, open_page: Any, path: str) -> None:
    page = open_page(busy.url + path)
    expect(page.locator("[data-ref=headOpen]")).to_have_text("2")
    if path != "/":
        expect(page.locator("table tbody tr").first).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Stop here").click()
    expect(page.get_by_role("button", name="Back to live")).to_be_visible()
    expect(page.get_by_text("the past", exact=True)).to_be_visible()
    assert_accessible(page)


def test_axe_finds_nothing_in_the_download_dialog(busy: Any, open_page: Any) -> None:
    page = open_page(busy.url + "/events")
    expect(page.locator("[data-ref=linkText]")).to_have_text("live")
    page.get_by_role("button", name="Download…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("[data-ref=estimateName]")).not_to_be_empty()
    with page.expect_download():
        dialog.get_by_role("button", name="Download", exact=True).click()
    expect(dialog.get_by_role("listitem").get_by_text("Done:")).to_be_visible()
    assert_accessible(page)


def test_axe_finds_nothing_in_the_dialogs_and_on_an_unknown_connection(
    busy: Any, open_page: Any, complaints: Any
) -> None:
    complaints.expected = ("404",)
    page = open_page(busy.url + "/connections")
    page.get_by_role("button", name="How to filter").click()
    assert violations(page) == []
    page.goto(busy.url + "/connections/999")
    expect(page.get_by_role("heading", name="No such connection")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize("path", PAGES)
def test_no_page_scrolls_sideways(busy: Any, open_page: Any, path: str) -> None:
    page = open_page(busy.url + path, width=WIDTHS[0])
    expect(page.locator("[data-ref=linkText]")).to_have_text("live")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(f"() => innerWidth === {width} && document.documentElement.scrollWidth <= {width}")


def test_the_theme_follows_the_system_until_it_is_switched(server: Any, open_page: Any) -> None:
    page = open_page(server.url, theme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    switch = page.get_by_role("button", name="Theme")
    switch.click()
    expect(switch).to_have_attribute("title", "Theme: light")
    light = page.evaluate(colour)
    assert light != dark
    page.reload()
    expect(page.get_by_role("button", name="Theme")).to_have_attribute("title", "Theme: light")
    assert page.evaluate(colour) == light


def test_the_keyboard_moves_filters_helps_and_opens(busy: Any, open_page: Any) -> None:
    page = open_page(busy.url + "/connections?sort=conn")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(rows.nth(0)).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("jk?")
    expect(page.locator("#q")).to_have_value("jk?")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Help")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("#q").fill("")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(busy.url + "/connections/1")


def test_single_key_shortcuts_can_be_switched_off(server: Any, open_page: Any) -> None:
    page = open_page(server.url + "/events")
    expect(page.locator("[data-ref=linkText]")).to_have_text("live")
    page.get_by_role("button", name="Help").click()
    page.get_by_label("Single-key shortcuts").uncheck()
    page.get_by_role("button", name="Close", exact=True).click()
    page.keyboard.press("/")
    expect(page.locator("#q")).not_to_be_focused()


def test_a_figure_explains_itself_on_focus_and_on_hover(server: Any, open_page: Any) -> None:
    page = open_page(server.url)
    expect(page.locator("[data-ref=linkText]")).to_have_text("live")
    term = page.locator(".tile .term").first
    term.focus()
    expect(page.get_by_role("tooltip")).to_have_text("Connections that are open now")
    assert term.get_attribute("aria-describedby") == "tip"
    page.keyboard.press("Escape")
    expect(page.get_by_role("tooltip")).to_be_hidden()
    page.locator("[data-ref=echoes]").hover()
    expect(page.get_by_role("tooltip")).to_have_text("Reads that were answered, a second")


def test_the_mark_of_the_banner_keeps_its_shape(server: Any, open_page: Any, complaints: Any) -> None:
    complaints.expected = GONE
    page = open_page(server.url + "/lab", width=390)
    expect(page.locator("[data-ref=linkText]")).to_have_text("live")
    server.stop()
    mark = page.locator(".banner i")
    expect(mark).to_be_visible()
    assert mark.evaluate("(node) => [node.offsetWidth, node.offsetHeight]") == [8, 8]


def test_a_server_that_goes_and_comes_back_is_said(start_server: Any, open_page: Any, complaints: Any) -> None:
    complaints.expected = GONE
    server = start_server()
    page = open_page(server.url)
    expect(page.locator("[data-ref=linkText]")).to_have_text("live")
    server.stop()
    expect(page.locator("[data-ref=linkText]")).to_have_text("reconnecting")
    expect(page.get_by_role("alert").first).to_contain_text("figures are as they were")
    assert "(reconnecting)" in page.title()
    assert page.locator("#icon").get_attribute("href") == "/static/img/icon-off.svg"
    start_server("--port", server.url.rsplit(":", 1)[1])
    expect(page.locator("[data-ref=linkText]")).to_have_text("live")
    expect(page.get_by_text("figures are as they were")).to_be_hidden()
