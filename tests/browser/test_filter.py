"""The filter field: what could stand there is offered, what is wrong is named and marked, nothing is redrawn."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Server, serving
from playwright.sync_api import Locator, Page, expect

from .conftest import clients
from .test_every_page import violations


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, nursery: Any, address: Any) -> Iterator[Server]:
    """A server with three clients, for tests that only look."""
    with serving(tmp_path_factory.mktemp("three"), nursery, *address("three")) as server, clients() as connect:
        for size in (1, 1000, 100_000):
            connect(server.echo).echo(b"x" * size)
        yield server


@pytest.fixture
def page(three: Server, open_page: Any) -> Page:
    """Connections with three rows."""
    opened: Page = open_page(three.url + "/connections?sort=conn")
    expect(opened.locator("tbody tr")).to_have_count(3)
    return opened


def options(page: Page) -> Locator:
    """What is offered."""
    return page.get_by_role("listbox").get_by_role("option")


def fields_operators_and_values_are_offered_by_keyboard(page: Page) -> None:
    page.keyboard.press("/")
    field = page.get_by_role("combobox", name="Filter connections")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-expanded", "false")
    page.keyboard.type("byt")
    expect(options(page).first).to_have_text("bytes_in bytes · read from the client since it was opened")
    page.keyboard.press("ArrowDown")
    expect(options(page).first).to_have_attribute("aria-selected", "true")
    assert field.get_attribute("aria-activedescendant") == options(page).first.get_attribute("id")
    page.keyboard.press("Enter")
    expect(field).to_have_value("bytes_in")
    page.keyboard.type(">")
    expect(options(page).filter(has_text="for example").first).to_be_visible()
    page.keyboard.type("=1")
    expect(options(page).filter(has_text="1KiB")).to_be_visible()
    page.keyboard.press("ArrowDown")
    while "KiB" not in page.locator('[aria-selected="true"] b').inner_text():
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(field).to_have_value("bytes_in>=1KiB ")
    expect(field).to_be_focused()
    expect(options(page)).to_have_count(0)
    expect(page.locator("[data-ref=matched]")).to_contain_text("1 matched of 3")
    page.keyboard.press("Tab")
    expect(field).not_to_be_focused()


def values_that_are_there_now_are_offered(page: Page) -> None:
    field = page.locator("#q")
    field.press_sequentially("peer:")
    expect(options(page).filter(has_text="3 connections")).to_be_visible()
    options(page).filter(has_text="3 connections").click()
    expect(field).to_have_value("peer:127.0.0.1 ")
    expect(field).to_be_focused()
    field.press_sequentially("-state:")
    expect(options(page).first).to_contain_text("open 3 now")
    assert violations(page) == []


def escape_closes_the_list_first_and_leaves_then(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("st")
    expect(options(page).first).to_contain_text("state:")
    page.keyboard.press("Escape")
    expect(options(page)).to_have_count(0)
    expect(page.locator("#q")).to_be_focused()
    expect(page.locator("#q")).to_have_value("st")
    page.keyboard.press("ArrowDown")
    expect(options(page).first).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#q")).not_to_be_focused()


def what_is_wrong_is_named_marked_and_changes_nothing(page: Page) -> None:
    field = page.locator("#q")
    field.fill("conn:2 bytes_in>lots worker:0")
    line = page.locator("#filter-error")
    expect(line).to_contain_text('Filter not applied: bad value "lots"')
    expect(line).to_contain_text('in "bytes_in>lots"')
    expect(page.locator(".fault mark")).to_have_text("bytes_in>lots")
    expect(page.locator("tbody tr")).to_have_count(3)
    assert violations(page) == []
    field.fill("conn:2 bytes_in>1 worker:0")
    expect(line).to_be_hidden()
    expect(page.locator(".fault")).to_be_hidden()
    expect(page.locator("tbody tr")).to_have_count(1)


def half_a_term_is_no_mistake_yet(page: Page) -> None:
    page.evaluate(
        """() => {
          const line = document.getElementById("filter-error");
          document.getElementById("q").addEventListener("input", () => { window.typed = performance.now(); });
          new MutationObserver(() => { window.told ??= line.hidden ? undefined : performance.now(); })
            .observe(line, { attributes: true });
        }"""
    )
    page.locator("#q").press_sequentially("sta", delay=30)
    expect(options(page).first).to_contain_text("state:")
    expect(page.locator("#filter-error")).to_contain_text('"sta" is not a term')
    assert page.evaluate("() => window.told - window.typed") > 800  # a timer never fires early by this much


def test_a_visit(page: Page) -> None:
    """Each begins with an empty field that has not the focus."""
    field = page.get_by_role("combobox", name="Filter connections")
    for aspect in (
        fields_operators_and_values_are_offered_by_keyboard,
        values_that_are_there_now_are_offered,
        escape_closes_the_list_first_and_leaves_then,
        what_is_wrong_is_named_marked_and_changes_nothing,
        half_a_term_is_no_mistake_yet,
    ):
        field.fill("")
        field.blur()
        expect(page.locator("[data-ref=matched]")).to_contain_text("3 matched of 3")
        aspect(page)


def a_moment_with_its_milliseconds_fits_into_its_field(page: Page) -> None:
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(f"() => innerWidth === {width}")
        for name in ("since", "until"):
            field = page.locator(f"[data-ref={name}]")
            field.evaluate("(node) => (node.value = '2026-11-28T22:58:11.123Z')")
            assert field.evaluate("(node) => node.scrollWidth <= node.clientWidth")
            if width == 390:
                assert field.evaluate("(node) => node.offsetWidth") >= 350
            field.evaluate("(node) => (node.value = '')")


def test_the_download_dialog_completes_too(three: Any, open_page: Any, complaints: Any) -> None:
    complaints.expected = ("400",)  # half a filter can't be estimated
    page = open_page(three.url + "/events")
    a_moment_with_its_milliseconds_fits_into_its_field(page)
    page.get_by_role("button", name="Download…").click()
    dialog = page.get_by_role("dialog")
    field = dialog.get_by_role("combobox", name="Filter")
    field.fill("")
    field.press_sequentially("kind:ec")
    expect(dialog.get_by_role("option").first).to_contain_text("echo read and answered in one visit")
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(field).to_have_value("kind:echo ")
    expect(dialog.locator("[data-ref=estimate]")).to_contain_text("3 rows")


def test_a_fault_is_not_told_of_what_was_typed_on(quiet: Any, open_page: Any, complaints: Any) -> None:
    complaints.expected = ("400",)
    # The clock is that of all pages of a context.
    page = open_page(quiet.url + "/events", is_alone=True)
    page.get_by_role("button", name="Download…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("[data-ref=estimate]")).to_contain_text("row")
    page.clock.install()
    field = dialog.get_by_role("combobox", name="Filter")
    with page.expect_response(re.compile("estimate.*q=kin$")):
        field.press_sequentially("kin")
    page.route("**/events/estimate?*", lambda route: None)
    field.press_sequentially("d:e")
    page.clock.run_for(2000)
    expect(dialog.get_by_role("alert")).to_be_hidden()


def test_back_from_a_part_of_the_page_keeps_what_the_page_shows(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.locator("#q").fill("conn:2")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("q=conn:2"))
    address = page.url
    page.go_back()
    expect(page).to_have_url(address)
    expect(page.locator("#q")).to_have_value("conn:2")
    page.reload()
    expect(page.locator("#q")).to_have_value("conn:2")
