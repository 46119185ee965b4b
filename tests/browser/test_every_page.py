"""What holds on every page: accessible, in both themes, at every width, with the keyboard, and light."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .conftest import AXE, GONE, Told, live

WIDTHS = [360, 768, 1440, 3840]
PATHS = ["/", "/connections", "/connections/1", "/events", "/loop", "/lab", "/orders"]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
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


def violations(page: Page, within: str = "html", rules: list[str] | None = None) -> list[str]:
    """What axe finds, a line each; with `rules` by these alone."""
    # Evaluated by the debugger, so the page's own policy stays as it is.
    page.evaluate(AXE.read_text())
    only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": TAGS}
    options = json.dumps({"runOnly": only, "resultTypes": ["violations"]})
    found = page.evaluate(f"async (within) => (await axe.run(within, {options})).violations", within)
    return [f"{item['id']}: {node['html'][:120]} {node['failureSummary']}" for item in found for node in item["nodes"]]


def assert_accessible(page: Page, within: str = "html") -> None:
    """Nothing for axe to find, in either theme: of what it looks for, only contrast depends on colours.

    From the top of the page: it takes what a sticky head covers in part for too small.
    """
    page.evaluate("scrollTo(0, 0)")
    page.emulate_media(color_scheme="light")
    assert violations(page, within) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, within, ["color-contrast"]) == []


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


def tab_leads_to_everything(page: Page) -> None:
    """What came, or could be used, only when Tab was past it, is met the next time."""
    for _ in range(5):
        missed = tab_through(page)
        if not missed:
            return
    assert missed == []


def fits_every_width(page: Page) -> None:
    """The page never scrolls sideways."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(f"() => innerWidth === {width} && document.documentElement.scrollWidth <= {width}")


def help_names_every_key(page: Page) -> None:
    """The keys of the page, each once, each with what it does."""
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Help")
    expect(dialog).to_be_visible()
    told = dialog.locator("[data-keys-list] kbd").all_inner_texts()
    hotkeys = page.evaluate("Array.from(document.querySelectorAll('[data-hotkey]'), (n) => n.dataset.hotkey)")
    assert set(hotkeys) <= set(told)
    assert len(told) == len(set(told))
    assert all(dialog.locator("dd").all_inner_texts())
    described = "document.querySelectorAll('[aria-describedby$=-keys]')"
    known = "(n) => document.getElementById(n.getAttribute('aria-describedby').split(' ').at(-1)).dataset.keysOf"
    assert all(page.evaluate(f"Array.from({described}, {known})"))
    if page.url.endswith("/events"):
        # It is the same one on every page, and here it has the most keys.
        assert_accessible(page, "dialog[open]")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


@pytest.mark.parametrize("path", PATHS)
def test_a_visit(busy: Any, open_page: Any, path: str) -> None:
    """All that holds on every page, in one visit: widths, Tab, keys, and what axe finds now and in the past."""
    page = live(open_page(busy.url + path, width=WIDTHS[0]))
    expect(page.locator("[data-ref=headOpen]")).to_have_text("2")
    if path not in ("/", "/lab", "/orders"):
        expect(page.locator("table tbody tr").first).to_be_visible()
    fits_every_width(page)
    page.set_viewport_size({"width": 1440, "height": 900})
    tab_leads_to_everything(page)
    help_names_every_key(page)
    assert_accessible(page)
    if path in ("/lab", "/orders"):
        return
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


def test_single_key_shortcuts_can_be_switched_off(quiet: Any, open_page: Any) -> None:
    page = open_page(quiet.url + "/events")
    expect(page.locator("[data-ref=linkText]")).to_have_text("live")
    page.get_by_role("button", name="Help").click()
    page.get_by_label("Single-key shortcuts").uncheck()
    page.get_by_role("button", name="Close", exact=True).click()
    page.keyboard.press("/")
    expect(page.locator("#q")).not_to_be_focused()


def test_a_server_that_goes_and_comes_back_is_said(start_server: Any, open_page: Any, complaints: Any) -> None:
    complaints.expected = GONE
    server = start_server()
    page = open_page(server.url)
    expect(page.locator("[data-ref=linkText]")).to_have_text("live")
    server.stop()
    expect(page.locator("[data-ref=linkText]")).to_have_text("reconnecting")
    expect(page.locator("[data-ref=bannerText]")).to_contain_text("figures are as they were")
    alert = Told(page.get_by_role("alert").first)
    first = page.locator("[data-ref=bannerText]").inner_text()
    expect(page.locator("[data-ref=bannerText]")).not_to_have_text(first)
    assert len(set(alert.said())) == 1, "an alert that counts seconds is read out once a second"
    # A filter would make `fixed` elements inside, such as a row's panel on a phone, scroll away.
    assert page.locator("main").evaluate("(node) => getComputedStyle(node).filter") == "none"
    assert "(reconnecting)" in page.title()
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_function("() => innerWidth === 390")
    mark = page.locator(".banner i")
    expect(mark).to_be_visible()
    assert mark.evaluate("(node) => [node.offsetWidth, node.offsetHeight]") == [8, 8]
    assert page.locator("#icon").get_attribute("href") == "/static/img/icon-off.svg"
    start_server("--port", server.url.rsplit(":", 1)[1])
    expect(page.locator("[data-ref=linkText]")).to_have_text("live")
    expect(page.get_by_text("figures are as they were")).to_be_hidden()


def a_figure_explains_itself_on_focus_and_on_hover(page: Page) -> None:
    term = page.locator(".tile .term").first
    term.focus()
    expect(page.get_by_role("tooltip")).to_have_text("Connections that are open now")
    assert term.get_attribute("aria-describedby") == "tip"
    page.keyboard.press("Escape")
    expect(page.get_by_role("tooltip")).to_be_hidden()
    page.locator("[data-ref=echoes]").hover()
    expect(page.get_by_role("tooltip")).to_have_text("Reads that were answered, a second")


def the_theme_follows_the_system_until_it_is_switched(page: Page) -> None:
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


def test_theme_and_explanations(quiet: Any, open_page: Any) -> None:
    page = live(open_page(quiet.url, theme="dark"))
    a_figure_explains_itself_on_focus_and_on_hover(page)
    the_theme_follows_the_system_until_it_is_switched(page)
