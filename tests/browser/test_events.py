"""Events: live tail, filter, pause, the way back into the log."""

from typing import Any

from playwright.sync_api import Page, expect


def shown(page: Page, column: int) -> list[str]:
    """The texts of one column, rows that stand for gaps left out."""
    return page.locator(f"tbody tr[tabindex] td:nth-child({column})").all_inner_texts()


def test_events_come_as_they_happen(server: Any, open_page: Any, connect: Any) -> None:
    page = open_page(server.url + "/events")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("start")
    connect(server.echo).echo(b"x" * 100)
    expect(page.locator("tbody tr")).to_have_count(3)
    assert shown(page, 2) == ["echo", "open", "start"]
    assert shown(page, 5)[0] == "100 B"


def test_a_filter_holds_for_the_tail_and_the_address(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    page = open_page(server.url + "/events")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.locator("#q").fill("kind:echo bytes_in>50")
    expect(page.get_by_text("Nothing matches yet")).to_be_visible()
    client.echo(b"x" * 10)
    client.echo(b"x" * 100)
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(server.url + "/events?q=kind:echo+bytes_in%3E50")
    page.locator("#q").fill("kind:nonsense")
    expect(page.locator("#filter-error")).to_contain_text("nonsense")
    client.echo(b"x" * 101)
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Any kind").click()
    expect(page.locator("#q")).to_have_value("")
    expect(page.locator("#filter-error")).to_be_hidden()


def test_pause_loses_nothing(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    page = open_page(server.url + "/events")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.keyboard.press("p")
    for _ in range(7):
        client.echo(b"x")
    expect(page.get_by_role("button", name="Go on (7 waiting)")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.keyboard.press("p")
    expect(page.locator("tbody tr")).to_have_count(9)
    seq = [int(text) for text in shown(page, 10)]
    assert seq == list(range(9, 0, -1))


def test_the_list_stands_still_under_the_pointer(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    page = open_page(server.url + "/events")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.locator("tbody tr").first.hover()
    client.echo(b"x")
    expect(page.get_by_role("button", name="1 new row waiting")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.mouse.move(5, 5)
    expect(page.locator("tbody tr")).to_have_count(3)


def test_older_rows_come_from_the_log(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    for _ in range(400):
        client.echo(b"x")
    page = open_page(server.url + "/events")
    expect(page.locator("tbody tr").first).to_be_visible()
    older = page.get_by_role("button", name="Older rows")
    while older.is_enabled():
        before = page.locator("tbody tr").count()
        with page.expect_response("**/api/v1/events?*"):
            older.click()
        page.wait_for_function(
            "(before) => document.querySelectorAll('tbody tr').length > before"
            " || document.querySelector('[data-ref=older]').disabled",
            arg=before,
        )
    expect(page.get_by_text("That is all")).to_be_visible()
    seq = [int(text.replace(",", "")) for text in shown(page, 10)]
    assert seq == list(range(402, 0, -1))


def test_more_than_a_person_can_read_is_counted(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    page = open_page(server.url + "/events")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Pause", exact=True).hover()
    for _ in range(3000):
        client.echo(b"x")
    expect(page.locator("td.whole").first).to_contain_text("not shown here")


def test_a_range_in_the_past_stands_still(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    client.echo(b"x")
    client.echo(b"y")
    second = server.json("/api/v1/events", q="kind:echo")["items"][1]["time"]
    page = open_page(f"{server.url}/events?q=kind:echo&until={second}")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("[data-ref=mode]")).to_contain_text("From the log")
    page.locator("[data-ref=until]").fill("half past")
    expect(page.locator("#filter-error")).to_contain_text("half past")
    page.locator("[data-ref=until]").fill("")
    expect(page.locator("#filter-error")).to_be_hidden()
    expect(page.locator("tbody tr")).to_have_count(2)
