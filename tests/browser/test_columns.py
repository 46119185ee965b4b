"""The columns of Connections: chosen, kept in the browser, reset, by keyboard and on a narrow screen."""

from typing import Any

from playwright.sync_api import Page, expect

from .test_every_page import violations

DEFAULT = ["Conn", "State", "Peer", "Queued", "Peak", "In", "Out", "Echoes", "Idle", "Opened", "Ended"]


def heads(page: Page) -> list[str]:
    """The texts of the heads that are shown."""
    return [text.strip() for text in page.locator("thead th:visible").all_inner_texts()]


def cells(page: Page) -> int:
    """How many cells the first row shows."""
    return page.locator("tbody tr").first.locator("td:visible").count()


def a_choice_is_kept_and_can_be_reset(table: Page) -> None:
    assert heads(table) == DEFAULT
    table.get_by_role("button", name="Columns").click()
    table.get_by_role("checkbox", name="Peer Address").uncheck()
    table.get_by_role("checkbox", name="Times full").check()
    assert violations(table) == []
    table.get_by_role("button", name="Done").click()
    chosen = ["Conn", "State", "Queued", "Peak", "In", "Out", "Echoes", "Times full", "Idle", "Opened", "Ended"]
    assert heads(table) == chosen
    assert cells(table) == len(chosen)
    table.reload()
    expect(table.locator("tbody tr")).to_have_count(2)
    assert heads(table) == chosen
    assert cells(table) == len(chosen)
    table.get_by_role("button", name="Columns (1 hidden)").click()
    table.get_by_role("button", name="Reset to default").click()
    assert heads(table) == DEFAULT
    assert cells(table) == len(DEFAULT)
    assert table.evaluate("localStorage.getItem('echoscope-columns')") is None
    table.get_by_role("button", name="Done").click()


def columns_are_chosen_with_the_keyboard(table: Page) -> None:
    table.get_by_role("button", name="Columns").focus()
    table.keyboard.press("Enter")
    table.keyboard.press("Tab")
    state = table.get_by_role("checkbox", name="State open")
    expect(state).to_be_focused()
    table.keyboard.press("Space")
    expect(state).not_to_be_checked()
    table.keyboard.press("j")
    expect(state).to_be_focused()
    table.keyboard.press("Escape")
    expect(table.get_by_role("button", name="Columns")).to_be_focused()
    assert "State" not in heads(table)


def a_stored_choice_that_is_not_understood_is_left_out(table: Page) -> None:
    table.evaluate("localStorage.setItem('echoscope-columns', '{broken')")
    table.reload()
    expect(table.locator("tbody tr")).to_have_count(2)
    assert heads(table) == DEFAULT
    table.evaluate('localStorage.setItem(\'echoscope-columns\', \'{"peer":false,"conn":false,"echoes":3,"x":true}\')')
    table.reload()
    expect(table.locator("tbody tr")).to_have_count(2)
    assert heads(table) == [name for name in DEFAULT if name != "Peer"]


def columns_on_a_narrow_screen(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 640})
    page.get_by_role("button", name="Columns").click()
    dialog = page.locator("#columns")
    assert dialog.evaluate("(node) => node.scrollWidth <= node.clientWidth")
    assert dialog.evaluate("(node) => node.getBoundingClientRect().width <= 360")
    page.get_by_role("checkbox", name="Ended").uncheck()
    page.get_by_role("button", name="Done").click()
    assert "Ended" not in heads(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_visit(busy: Any, open_page: Any) -> None:
    """Of a table with two rows."""
    page = open_page(busy.url + "/connections")
    expect(page.locator("tbody tr")).to_have_count(2)
    for aspect in (
        a_choice_is_kept_and_can_be_reset,
        columns_are_chosen_with_the_keyboard,
        a_stored_choice_that_is_not_understood_is_left_out,
        columns_on_a_narrow_screen,
    ):
        aspect(page)


def test_the_worker_shows_where_there_are_workers(start_server: Any, open_page: Any, connect: Any) -> None:
    server = start_server("--workers", "1")
    connect(server.echo).echo(b"hello")
    page = open_page(server.url + "/connections")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert heads(page)[:4] == ["Conn", "State", "Worker", "Peer"]
    page.goto(server.url + "/events?q=kind:echo")
    expect(page.locator("tbody tr").first.locator("td").nth(3)).to_have_text("1")
    page.goto(server.url)
    expect(page.locator("[data-ref=workers]")).to_have_text("1 process")
