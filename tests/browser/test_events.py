"""Events: a live tail, filter or highlight, pause, the way back into the log, a row's detail."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import Server, serving
from playwright.sync_api import Locator, Page, Route, expect
from waiting import wait_until

from core.clients.load import LoadSettings, run

from .conftest import Told, clients, wait_on

ROWS = "#rows tbody tr"
IN_PAGE = 60
"""More rows than this are never in the page, whatever the list holds."""


def rows(page: Page) -> Locator:
    """The rows in the page."""
    return page.locator(ROWS)


def shown(page: Page, column: str) -> list[str]:
    """The texts of one column, rows that stand for gaps left out."""
    return page.locator(f'{ROWS}:not([data-mark="gap"]) td[data-col="{column}"]').all_inner_texts()


def numbers(page: Page) -> list[int]:
    """The numbers of the rows in the page."""
    return [int(text.replace(",", "")) for text in shown(page, "seq")]


def held(page: Page) -> int:
    """How many rows the list holds."""
    return int(page.locator("#rows").get_attribute("aria-rowcount") or 0) - 1


def ready(page: Page, count: int) -> None:
    """Wait until the list holds so many rows."""
    expect(page.locator("#rows")).to_have_attribute("aria-rowcount", str(count + 1))


def scroll(page: Page, top: int) -> None:
    """Scroll the list as a wheel would."""
    page.locator("[data-ref=scroller]").evaluate("(node, top) => node.scrollTo(0, top)", top)


def distance(page: Page) -> float:
    """Pixels from the end of the list."""
    script = "(node) => node.scrollHeight - node.clientHeight - node.scrollTop"
    return float(page.locator("[data-ref=scroller]").evaluate(script))


def copied(page: Page) -> list[dict[str, Any]]:
    """The JSON lines in the clipboard."""
    return [json.loads(line) for line in page.evaluate("navigator.clipboard.readText()").splitlines()]


class Log:
    """A made-up log of rows 1 to `count`, of which every tenth matches any mark; with `waits` only one page comes."""

    def __init__(self, count: int, *, waits: bool = False) -> None:
        self.count = count
        self.asked: list[dict[str, list[str]]] = []
        self._waits = waits

    def row(self, seq: int) -> dict[str, Any]:
        """One of them."""
        figures = {"bytes_in": seq, "bytes_out": 27, "queue_bytes": 0, "queue_chunks": 0}
        time = f"2026-11-23T14:00:00.{seq:09d}Z"
        texts = {"peer": "127.0.0.1:9", "kind": "echo", "reason": ""}
        return {"seq": seq, "time": time, "worker": 0, "conn": 7, "emptied": True, **figures, **texts}

    def __call__(self, route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        self.asked.append(query)
        end = int(query.get("cursor", [str(self.count)])[0])
        begin = max(0, end - int(query["limit"][0]))
        items = [self.row(seq) for seq in range(end, begin, -1)]
        answer: dict[str, Any] = {"items": items, "next": str(begin) if begin else None}
        if "mark" in query:
            answer["marks"] = [place for place, row in enumerate(items) if row["seq"] % 10 == 0]
        progress = {"scanned": self.count - begin, "total": self.count}
        if not self._waits or "cursor" not in query:
            route.fulfill(json={**answer, "progress": progress})


@pytest.fixture(scope="module")
def seven(tmp_path_factory: pytest.TempPathFactory, nursery: Any, address: Any) -> Iterator[Server]:
    """A log that stays: start, open, three echoes, then of another client open and echo."""
    with serving(tmp_path_factory.mktemp("seven"), nursery, *address("seven")) as server, clients() as connect:
        first = connect(server.echo)
        for _ in range(3):
            first.echo(b"x")
        connect(server.echo).echo(b"x" * 100)
        wait_until(lambda: len(server.json("/api/v1/events")["items"]) == 7, "all rows are published")
        yield server


def test_events_come_as_they_happen_newest_last(server: Any, open_page: Any, connect: Any) -> None:
    page = open_page(server.url + "/events")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("start")
    connect(server.echo).echo(b"x" * 100)
    expect(rows(page)).to_have_count(3)
    assert shown(page, "kind") == ["start", "open", "echo"]
    assert shown(page, "bytes_in")[-1] == "100 B"


def test_a_filter_holds_for_the_tail_and_the_address(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    page = open_page(server.url + "/events")
    expect(rows(page)).to_have_count(2)
    page.locator("#q").fill("kind:echo bytes_in>50")
    expect(page.get_by_text("Nothing matches yet")).to_be_visible()
    client.echo(b"x" * 10)
    client.echo(b"x" * 100)
    expect(rows(page)).to_have_count(1)
    expect(page).to_have_url(server.url + "/events?q=kind:echo+bytes_in%3E50")
    page.locator("#q").fill("kind:nonsense")
    expect(page.locator("#filter-error")).to_contain_text("Filter not applied: ")
    expect(page.locator("#filter-error")).to_contain_text("nonsense")
    client.echo(b"x" * 101)
    expect(rows(page)).to_have_count(2)
    page.get_by_role("button", name="Any kind").click()
    expect(page.locator("#q")).to_have_value("")
    expect(page.locator("#filter-error")).to_be_hidden()


def test_highlighting_leaves_nothing_out_and_goes_from_match_to_match(
    server: Any, open_page: Any, connect: Any
) -> None:
    client = connect(server.echo)
    for size in (10, 100, 10, 100, 10):
        client.echo(b"x" * size)
    page = open_page(server.url + "/events?q=bytes_in%3E50&mode=highlight")
    expect(rows(page)).to_have_count(7)
    expect(page.locator(f"{ROWS}[data-hit]")).to_have_count(2)
    expect(page.get_by_role("row", name="matches")).to_have_count(2)
    expect(page.get_by_text("2 highlighted")).to_be_visible()
    client.echo(b"x" * 200)
    expect(page.locator(f"{ROWS}[data-hit]")).to_have_count(3)
    active = page.locator(f"{ROWS}[data-active] td[data-col=bytes_in]")
    for text in ("200 B", "100 B", "100 B"):
        page.keyboard.press("N")
        expect(active).to_have_text(text)
    said = Told(page.locator("[data-ref=rowSaid]"))
    page.keyboard.press("N")
    said.wait_for("No earlier match among the rows of this list")
    page.keyboard.press("n")
    page.keyboard.press("n")
    expect(active).to_have_text("200 B")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(rows(page)).to_have_count(3)
    expect(page).to_have_url(server.url + "/events?q=bytes_in%3E50")


def test_pause_loses_nothing(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    page = open_page(server.url + "/events")
    ready(page, 2)
    page.keyboard.press("p")
    for _ in range(7):
        client.echo(b"x")
    expect(page.get_by_role("button", name="Go on (7 waiting)")).to_be_visible()
    assert held(page) == 2
    page.keyboard.press("p")
    ready(page, 9)
    assert numbers(page) == list(range(1, 10))


def test_the_list_stands_still_under_the_pointer(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    for _ in range(40):
        client.echo(b"x")
    page = open_page(server.url + "/events")
    ready(page, 42)
    box = page.locator("[data-ref=scroller]").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 100)
    page.mouse.move(box["x"] + 310, box["y"] + 110)
    expect(page.locator("[data-ref=mode]")).to_contain_text("Standing still while you point at it")
    client.echo(b"x")
    expect(page.get_by_role("button", name="Jump to newest (1 new)")).to_be_visible()
    assert distance(page) > 20
    page.mouse.move(5, 5)
    expect(page.locator("[data-ref=mode]")).to_contain_text("Live")
    assert distance(page) < 2


def test_rows_do_not_move_while_one_reads_and_come_when_one_is_done(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    for _ in range(80):
        client.echo(b"x")
    page = open_page(server.url + "/events")
    ready(page, 82)
    scroll(page, 900)
    expect(page.locator("[data-ref=mode]")).to_contain_text("Standing still while you read")
    place = "row => row.getBoundingClientRect().y - document.querySelector('main').getBoundingClientRect().y"
    before, places = numbers(page), rows(page).first.evaluate(place)
    for _ in range(30):
        client.echo(b"x")
    expect(page.get_by_role("button", name="Jump to newest (30 new)")).to_be_visible()
    assert (numbers(page), rows(page).first.evaluate(place)) == (before, places)
    page.get_by_role("button", name="Jump to newest").click()
    expect(page.locator("[data-ref=mode]")).to_contain_text("Live")
    assert numbers(page)[-1] == 112
    assert distance(page) < 2
    scroll(page, 900)
    expect(page.locator("[data-ref=hint]")).to_be_visible()
    scroll(page, 99999)
    expect(page.locator("[data-ref=mode]")).to_contain_text("Live")


def test_older_rows_come_when_one_scrolls_up_and_move_nothing(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    for _ in range(1400):
        client.echo(b"x")
    page = open_page(server.url + "/events")
    ready(page, 100)
    before = held(page)
    scroll(page, 60)
    page.wait_for_function(f"() => Number(document.getElementById('rows').ariaRowCount) > {before + 400}")
    assert 1303 in numbers(page), "the rows that were in sight still are"

    def all_there() -> bool:
        page.keyboard.press("g")
        # Scrolling to the top asks too: by now all may be there, and nothing left to press.
        page.get_by_role("button", name="Older rows").evaluate("(button) => button.click()")
        return held(page) == 1402

    wait_on(page, all_there, "every row is in the list")
    expect(page.get_by_text("That is all")).to_be_visible()
    ready(page, 1402)
    page.keyboard.press("g")
    assert numbers(page)[0] == 1
    assert rows(page).count() < IN_PAGE


def test_a_long_read_of_the_log_can_be_cancelled(quiet: Any, open_page: Any) -> None:
    log = Log(3000, waits=True)
    page = open_page(quiet.url + "/events?until=1s", routes={"**/api/v1/events?*": log})
    ready(page, 500)
    page.get_by_role("button", name="Older rows").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Stopped. Older rows may be there.")).to_be_visible()
    assert held(page) == 500


def test_only_what_is_in_sight_is_in_the_page(quiet: Any, open_page: Any) -> None:
    log = Log(6_000)
    page = open_page(quiet.url + "/events?q=kind:echo&mode=highlight&until=1s", routes={"**/api/v1/events?*": log})
    ready(page, 500)
    assert log.asked[0]["mark"] == ["kind:echo"]
    assert "q" not in log.asked[0]
    for read in range(1000, 6_001, 500):
        page.get_by_role("button", name="Older rows").click()
        ready(page, read)
    ready(page, 6_000)
    expect(page.get_by_text("600 highlighted")).to_be_visible()
    for top in (0, 40_000, 100_000, 168_000):
        scroll(page, top)
        page.wait_for_selector(f'{ROWS}[aria-rowindex="{min(top // 28, 5_999) + 2}"]')
        # In one question: the page may draw between two.
        seen = page.locator("#rows").evaluate(
            "({ tBodies: [body] }) => [...body.rows].map((tr) =>"
            " [tr.ariaRowIndex, tr.querySelector('[data-col=seq]').textContent])"
        )
        assert 0 < len(seen) < IN_PAGE
        numbered = [(int(index), int(number.replace(",", ""))) for index, number in seen]
        first = numbered[0][1]
        assert numbered == [(seq + 1, seq) for seq in range(first, first + len(seen))]


def test_more_than_a_person_can_read_is_counted(server: Any, open_page: Any, connect: Any) -> None:
    connect(server.echo)
    page = open_page(server.url + "/events")
    ready(page, 2)
    host, port = server.echo
    run(LoadSettings(host=host, port=port, connections=20, seconds=0.3))
    page.wait_for_function("() => !document.querySelector('[data-ref=mode]').textContent.includes(' 2 rows')")
    page.keyboard.press("p")
    gap = page.locator("td.whole").first

    def scrolled_to() -> int:
        page.keyboard.press("PageUp")
        page.keyboard.press("k")
        page.locator("#rows").focus()
        return gap.count()

    wait_on(page, scrolled_to, "a gap comes in sight")
    expect(gap).to_contain_text("not shown here: more came than a person can read")


def test_a_row_says_everything_and_leads_on(seven: Any, open_page: Any) -> None:
    page = open_page(seven.url + "/events")
    ready(page, 7)
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    detail = page.get_by_role("complementary")
    expect(detail.get_by_role("heading")).to_be_focused()
    expect(detail).to_contain_text("Read and answered in one visit.")
    assert detail.locator("[data-field=bytes_in]").inner_text() == "100 bytes"
    fields = detail.locator("dt").all_inner_texts()
    assert fields == list(seven.json("/api/v1/events")["items"][0])
    page.keyboard.press("k")
    expect(detail).to_contain_text("A connection was accepted.")
    expect(detail.get_by_role("link", name="Connection 2")).to_have_attribute("href", "/connections/2")
    page.keyboard.press("Escape")
    expect(detail).to_be_hidden()
    expect(page.locator("#rows")).to_be_focused()
    rows(page).last.click()
    detail.get_by_role("link", name="All events ±1 s").click()
    expect(page).to_have_url(re.compile(r"since=.+&until="))
    expect(rows(page).last).to_contain_text("100 B")
    rows(page).last.click()
    detail.get_by_role("link", name="Show this moment").click()
    expect(page.get_by_text("the past", exact=True)).to_be_visible()
    expect(rows(page).last).to_contain_text("100 B")


def test_rows_are_chosen_and_copied_as_json_lines(seven: Any, open_page: Any) -> None:
    page = open_page(seven.url + "/events")
    ready(page, 7)
    said = Told(page.locator("[data-ref=rowSaid]"))
    page.keyboard.press("c")
    said.wait_for("Choose a row first")
    rows(page).nth(2).click()
    page.keyboard.press("c")
    said.wait_for("1 row copied as JSON")
    known = seven.json("/api/v1/events")["items"]
    assert copied(page) == [known[2]]
    rows(page).nth(5).click(modifiers=["Shift"])
    expect(page.locator(f"{ROWS}[aria-selected=true]")).to_have_count(4)
    page.get_by_role("button", name="Copy 4 rows").click()
    said.wait_for("4 rows copied as JSON")
    assert copied(page) == known[2:6]
    page.keyboard.press("Shift+J")
    expect(page.locator(f"{ROWS}[aria-selected=true]")).to_have_count(5)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator(f"{ROWS}[aria-selected=true]")).to_have_count(0)


def test_a_range_in_the_past_stands_still(seven: Any, open_page: Any) -> None:
    second = wait_until(lambda: seven.json("/api/v1/events", q="kind:echo")["items"][1:], "the second row")[0]["time"]
    page = open_page(f"{seven.url}/events?q=kind:echo&until={second}")
    expect(rows(page)).to_have_count(1)
    expect(page.locator("[data-ref=mode]")).to_contain_text("From the log")
    page.locator("[data-ref=until]").fill("half past")
    expect(page.locator("#filter-error")).to_contain_text("half past")
    page.locator("[data-ref=until]").fill("")
    expect(page.locator("#filter-error")).to_be_hidden()
    expect(rows(page)).to_have_count(4)


def test_what_is_no_longer_in_memory_comes_from_the_log(start_server: Any, open_page: Any, connect: Any) -> None:
    first = start_server()
    client = connect(first.echo)
    client.echo(b"x" * 100)
    client.socket.close()
    wait_until(lambda: first.json("/api/v1/status")["connections"]["closed"], "the close")
    first.stop()
    page = open_page(start_server().url + "/events?q=conn:1")
    expect(rows(page)).to_have_count(4)
    assert shown(page, "kind") == ["open", "echo", "eof", "close"]
    expect(page.locator("[data-ref=olderText]")).to_contain_text("That is all")
    page.locator("#q").fill("kind:refuse")
    expect(page.get_by_text("Nothing matches yet")).to_be_visible()
