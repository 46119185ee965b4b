"""Every page with the keyboard alone: no pointer, the focus always to be seen, never lost, never trapped."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .test_every_page import violations

PATHS = ["/", "/connections", "/connections/1", "/events", "/loop", "/lab"]
FOCUS = """() => {
  const node = document.activeElement;
  if (!node || node === document.body) return null;
  const style = (one) => {
    const found = getComputedStyle(one);
    return [found.outlineStyle, found.outlineWidth, found.boxShadow];
  };
  const lit = (one) => { const [line, width, shadow] = style(one);
    return (line !== 'none' && parseFloat(width) > 0) || shadow !== 'none' };
  const box = node.getBoundingClientRect();
  window.seen ??= [];
  const at = window.seen.indexOf(node);
  if (at < 0) window.seen.push(node);
  return { name: node.outerHTML.slice(0, 160), again: at, lit: lit(node) || Array.from(node.children).some(lit),
    shown: box.width > 0 && box.height > 0
      && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth };
}"""
BEGIN = """() => {
  window.seen = [];
  // Where the focus was last is where Tab goes on from.
  const top = Object.assign(document.createElement('span'), { tabIndex: -1 });
  document.body.prepend(top);
  top.focus();
  top.remove();
}"""
TABBABLE = """() => Array.from(
  document.querySelectorAll('a[href], button, input:not([type=radio]), select, textarea, [tabindex="0"]')).filter(
  (node) => !node.disabled && node.tabIndex >= 0 && node.checkVisibility({ visibilityProperty: true })
    && !window.seen.includes(node)).map((node) => node.outerHTML.slice(0, 160))"""


@pytest.fixture
def busy(server: Any, connect: Any) -> Any:
    """A server with a client that echoes, one that takes nothing, and one that has gone."""
    connect(server.echo).echo(b"hello")
    connect(server.echo, receive_buffer=4096).flood(server)
    gone = connect(server.echo)
    gone.echo(b"x")
    gone.socket.close()
    return server


def live(page: Page) -> Page:
    """The page once it is live."""
    expect(page.locator("[data-ref=linkText]")).to_have_text("live")
    return page


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


def tab_through(page: Page) -> list[str]:
    """Press Tab from the beginning to the end of the page: what could have the focus and never had it."""
    page.evaluate(BEGIN)
    hidden, dark = [], []
    for _ in range(400):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUS)
        if found is None or found["again"] == 0:
            break
        assert found["again"] < 0, f"the focus is trapped at {found['name']}"
        if not found["shown"]:
            hidden.append(found["name"])
        if not found["lit"]:
            dark.append(found["name"])
    else:
        pytest.fail("Tab never comes to an end")
    assert hidden == []
    assert dark == []
    missed: list[str] = page.evaluate(TABBABLE)
    return missed


@pytest.mark.parametrize("path", PATHS)
def test_tab_leads_to_everything_and_the_focus_is_always_seen(busy: Any, open_page: Any, path: str) -> None:
    page = live(open_page(busy.url + path))
    for _ in range(5):
        missed = tab_through(page)
        if not missed:
            return
        # What came, or could be used, only when Tab was past it is met the next time.
    assert missed == []


def test_from_page_to_page(busy: Any, open_page: Any) -> None:
    page = live(open_page(busy.url))
    for key, path in (("2", "/connections"), ("3", "/events"), ("4", "/loop"), ("5", "/lab"), ("1", "/")):
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


def test_pages_of_the_table(server: Any, open_page: Any, connect: Any) -> None:
    for _ in range(60):
        connect(server.echo)
    page = live(open_page(server.url + "/connections?size=50"))
    expect(page.locator("tbody tr")).to_have_count(50)
    press(page, "]")
    expect(page.locator("[data-ref=range]")).to_have_text("Rows 51–60 of 60")
    press(page, "]", "[")
    expect(page.locator("[data-ref=range]")).to_have_text("Rows 1–50 of 60")


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


def test_the_model_is_switched(busy: Any, open_page: Any) -> None:
    page = live(open_page(busy.url + "/loop"))
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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PATHS)
def test_the_map_of_keys_is_that_of_the_page(busy: Any, open_page: Any, path: str, theme: str) -> None:
    page = live(open_page(busy.url + path, theme=theme))
    press(page, "?")
    dialog = page.get_by_role("dialog", name="Help")
    expect(dialog).to_be_visible()
    told = dialog.locator("[data-keys-list] kbd").all_inner_texts()
    assert set(page.evaluate("Array.from(document.querySelectorAll('[data-hotkey]'), (n) => n.dataset.hotkey)")) <= set(
        told
    )
    assert len(told) == len(set(told))
    assert all(dialog.locator("dd").all_inner_texts())
    described = "document.querySelectorAll('[aria-describedby$=-keys]')"
    known = "(n) => document.getElementById(n.getAttribute('aria-describedby').split(' ').at(-1)).dataset.keysOf"
    assert all(page.evaluate(f"Array.from({described}, {known})"))
    assert violations(page) == []
    press(page, "Escape")
    expect(dialog).to_be_hidden()
