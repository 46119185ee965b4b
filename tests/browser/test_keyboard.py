"""Tasks done with the keyboard alone, without a pointer."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .conftest import live


def press(page: Page, *keys: str) -> None:
    """Press keys, one after the other."""
    for key in keys:
        page.keyboard.press(key)


def tab_to(page: Page, role: str, name: str, most: int = 120) -> None:
    """Press Tab until an element has the focus."""
    goal = page.get_by_role(role, name=name, exact=True).first  # type: ignore[arg-type]
    for _ in range(most):
        page.keyboard.press("Tab")
        if goal.evaluate("(node) => node === document.activeElement"):
            return
    pytest.fail(f"{role} {name!r} is not reached with Tab")


def test_from_page_to_page(busy: Any, open_page: Any) -> None:
    page = live(open_page(busy.url))
    for key, path in (
        ("2", "/connections"),
        ("3", "/events"),
        ("4", "/loop"),
        ("5", "/lab"),
        ("6", "/orders"),
        ("1", "/"),
    ):
        press(page, key)
        expect(page).to_have_url(busy.url + path)
        live(page)
    tab_to(page, "link", "Connections")
    press(page, "Enter")
    expect(page).to_have_url(busy.url + "/connections")


def test_the_skip_link_leads_past_the_head(busy: Any, open_page: Any) -> None:
    page = live(open_page(busy.url + "/connections"))
    press(page, "Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    press(page, "Enter")
    expect(page.locator("main")).to_be_focused()
    press(page, "Tab")
    expect(page.get_by_role("button", name="Columns")).to_be_focused()


def test_find_a_connection_and_open_it(busy: Any, open_page: Any) -> None:
    page = live(open_page(busy.url + "/connections"))
    press(page, "/")
    page.keyboard.type("state")
    expect(page.get_by_role("listbox").get_by_role("option").first).to_be_visible()
    press(page, "ArrowDown", "Enter")
    expect(page.locator("#q")).to_have_value("state:")
    page.keyboard.type("clo")
    expect(page.get_by_role("listbox").get_by_role("option")).to_have_count(2)
    press(page, "ArrowDown", "ArrowDown", "Enter")
    expect(page.locator("#q")).to_have_value("state:closed ")
    expect(page.locator("tbody tr")).to_have_count(1)
    press(page, "Escape")
    tab_to(page, "button", "Conn")
    press(page, "Enter")
    expect(page.get_by_role("columnheader", name="Conn")).to_have_attribute("aria-sort", "ascending")
    press(page, "j", "Enter")
    expect(page).to_have_url(busy.url + "/connections/3")


def test_download_from_the_dialog(busy: Any, open_page: Any) -> None:
    page = live(open_page(busy.url + "/events"))
    tab_to(page, "button", "Download…")
    press(page, "Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("[data-ref=estimateName]")).not_to_be_empty()
    tab_to(page, "radio", "JSON lines an object a line: jq, pandas, DuckDB, any language")
    press(page, "ArrowDown")
    expect(dialog.locator("[data-ref=estimateName]")).to_contain_text(".csv")
    tab_to(page, "button", "Download")
    with page.expect_download() as download:
        press(page, "Enter")
    assert download.value.suggested_filename.endswith(".csv")
    press(page, "Escape")
    expect(page.get_by_role("button", name="Download…")).to_be_focused()


def test_the_past_and_back(busy: Any, open_page: Any) -> None:
    page = live(open_page(busy.url))
    tab_to(page, "slider", "Moment shown")
    press(page, "Space")
    expect(page.get_by_role("button", name="Back to live")).to_be_visible()
    press(page, "ArrowLeft")
    expect(page.get_by_text("the past", exact=True)).to_be_visible()
    press(page, "End")
    expect(page.get_by_role("button", name="Back to live")).to_be_hidden()


def test_the_model_is_switched(server: Any, open_page: Any) -> None:
    page = live(open_page(server.url + "/loop"))
    model = page.locator("#model")
    expect(model).to_be_enabled()
    tab_to(page, "combobox", "Model")
    page.keyboard.type("poll")
    expect(model).to_have_value("poll")
    tab_to(page, "button", "Switch")
    press(page, "Enter")
    expect(page.locator("[data-ref=switched]")).to_contain_text("poll")


def test_theme_and_an_explanation(busy: Any, open_page: Any) -> None:
    page = live(open_page(busy.url))
    tab_to(page, "button", "Theme: system. Change it")
    press(page, "Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    press(page, "Space")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.locator(".tile .term").first.focus()
    expect(page.get_by_role("tooltip")).to_be_visible()
    press(page, "Escape")
    expect(page.get_by_role("tooltip")).to_be_hidden()
