"""Connections and the page of one: filter, order, pages, post-mortem."""

import json
import re
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Server, serving
from playwright.sync_api import Page, expect
from waiting import wait_until

from .conftest import Told, clients

COVERED = """() => {
  const node = document.activeElement;
  if (!node || node === document.body) return null;
  const box = (node.matches('tr') ? node.firstElementChild : node).getBoundingClientRect();
  const over = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  const isSeen = over && (node.contains(over) || over.contains(node));
  return isSeen ? null : node.outerHTML.slice(0, 120) + ' is under ' + over?.outerHTML.slice(0, 120);
}"""
"""What has the focus and is covered by something else (WCAG 2.4.11)."""


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory, nursery: Any, address: Any) -> Iterator[Server]:
    """A server with five clients, each of which has sent 100 bytes more than the last; nothing changes."""
    with serving(tmp_path_factory.mktemp("five"), nursery, *address("five")) as server, clients() as connect:
        for number in range(5):
            connect(server.echo).echo(b"x" * (100 * (number + 1)))
        yield server


def filter_sort_and_counts_are_the_servers(page: Page) -> None:
    expect(page.locator("[data-ref=matched]")).to_have_text("5 matched of 5")
    page.locator("#q").fill("bytes_in>=300")
    expect(page.locator("[data-ref=matched]")).to_have_text("3 matched of 5")
    page.get_by_role("columnheader", name="In", exact=True).get_by_role("button").click()
    expect(page.locator("tbody tr").first.locator("a")).to_have_text("5")
    expect(page).to_have_url(re.compile(re.escape("/connections?q=bytes_in%3E%3D300&sort=-bytes_in") + "$"))
    page.reload()
    expect(page.locator("#q")).to_have_value("bytes_in>=300")
    expect(page.locator("tbody tr")).to_have_count(3)


def rows_of_another_filter_are_held_where_the_pointer_rests_on_them(page: Page) -> None:
    held, rows = page.locator("[data-ref=held]"), page.locator("tbody tr")
    rows.nth(0).hover()
    expect(held).to_be_visible()
    page.locator("#q").press_sequentially("bytes_in>=400")
    expect(rows).to_have_count(2)
    expect(held).to_be_visible()
    page.mouse.move(5, 5)
    expect(held).to_be_hidden()


def a_bad_filter_is_explained_and_keeps_what_was_typed(page: Page) -> None:
    expect(page.locator("tbody tr")).to_have_count(5)
    page.locator("#q").fill("<img src=x> foo:1")
    expect(page.locator("#filter-error")).to_be_visible()
    expect(page.locator("#filter-error")).to_contain_text("<img")
    expect(page.locator("#q")).to_have_value("<img src=x> foo:1")
    expect(page.locator("#q")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("tbody tr")).to_have_count(5)
    assert page.locator("#filter-error img").count() == 0
    page.locator("#q").fill("conn:77")
    expect(page.locator("#filter-error")).to_be_hidden()
    expect(page.get_by_text("Nothing matches this filter.")).to_be_visible()
    page.get_by_role("button", name="Clear the filter").click()
    expect(page.locator("tbody tr")).to_have_count(5)


def no_connection_of_a_group_is_said_as_such(page: Page) -> None:
    page.get_by_role("button", name="blocked 0").click()
    expect(page.get_by_text("No client is blocked: all of them take their replies.")).to_be_visible()


def test_a_visit(five: Server, open_page: Any) -> None:
    """Each begins with an empty filter."""
    page = open_page(five.url + "/connections?sort=conn")
    for aspect in (
        filter_sort_and_counts_are_the_servers,
        rows_of_another_filter_are_held_where_the_pointer_rests_on_them,
        a_bad_filter_is_explained_and_keeps_what_was_typed,
        no_connection_of_a_group_is_said_as_such,
    ):
        page.locator("#q").fill("")
        expect(page.locator("tbody tr")).to_have_count(5)
        aspect(page)


def a_bad_filter_claims_no_rows(page: Page) -> None:
    expect(page.locator("#filter-error")).to_contain_text("Filter not applied:")
    expect(page.locator("#filter-error")).not_to_contain_text("last filter that worked")
    expect(page.get_by_text("No rows yet: this filter cannot be applied.")).to_be_visible()
    for control in page.locator(".pager button, [data-ref=page]").all():
        expect(control).to_be_disabled()
    page.get_by_role("button", name="Clear the filter").click()
    expect(page.locator("tbody tr")).to_have_count(5)
    expect(page.locator("[data-ref=nothing]")).to_be_hidden()
    expect(page.locator("[data-ref=page]")).to_be_disabled()


def an_unknown_order_is_the_usual_one_and_said(page: Page) -> None:
    expect(page.locator("tbody tr")).to_have_count(5)
    note = page.locator("#filter-error")
    expect(note).to_have_text("There is no order “nonsense”: the rows stand in the usual one.")
    expect(page.get_by_role("columnheader", name="Queued")).to_have_attribute("aria-sort", "descending")
    expect(page).to_have_url(re.compile("/connections$"))
    page.get_by_role("columnheader", name="In", exact=True).get_by_role("button").click()
    expect(note).to_be_hidden()


def test_a_link_that_cannot_be_had_as_it_is(five: Server, open_page: Any) -> None:
    page = open_page(five.url + "/connections?q=foo:bar")
    a_bad_filter_claims_no_rows(page)
    page.goto(five.url + "/connections?sort=nonsense")
    an_unknown_order_is_the_usual_one_and_said(page)


def test_pages_of_many(many: Server, open_page: Any) -> None:
    """By buttons, by keys, by the number; on the last page the focus is not lost."""
    page = open_page(many.url + "/connections?sort=conn&size=50")
    shown = page.locator("[data-ref=range]")
    expect(shown).to_have_text("Rows 1–50 of 60")
    expect(page.locator("tbody tr")).to_have_count(50)
    for key, rows in (("]", "51–60"), ("]", "51–60"), ("[", "1–50")):
        page.keyboard.press(key)
        expect(shown).to_have_text(f"Rows {rows} of 60")
    for key in "j" * 30 + "k" * 29:
        page.keyboard.press(key)
        assert page.evaluate(COVERED) is None
    page.locator("tbody tr a").nth(40).focus()
    for _ in range(45):
        page.keyboard.press("Shift+Tab")
        assert page.evaluate(COVERED) is None
    page.get_by_role("button", name="Last page").press("Enter")
    expect(page.locator("tbody tr")).to_have_count(10)
    expect(page.get_by_role("button", name="Last page")).to_be_disabled()
    field = page.get_by_label("Page", exact=True)
    expect(field).to_be_focused()
    page.get_by_role("button", name="First page").click()
    expect(shown).to_have_text("Rows 1–50 of 60")
    page.get_by_role("button", name="Next page").click()
    expect(shown).to_have_text("Rows 51–60 of 60")
    expect(page.locator("tbody tr a").first).to_have_text("51")
    expect(page).to_have_url(many.url + "/connections?sort=conn&page=2&size=50")
    expect(page.get_by_role("button", name="Next page")).to_be_disabled()
    for typed, meant in (("1.7", "1"), ("2.3", "2"), ("99", "2"), ("-1", "1")):
        field.fill(typed)
        field.press("Enter")
        expect(field).to_have_value(meant)
        expect(shown).to_have_text(("Rows 1–50 of 60", "Rows 51–60 of 60")[int(meant) - 1])


def test_rows_hold_their_order_while_pointed_at(server: Any, open_page: Any, connect: Any) -> None:
    first, second = connect(server.echo), connect(server.echo)
    first.echo(b"x" * 500)
    second.echo(b"x")
    page = open_page(server.url + "/connections?sort=-bytes_in")
    links = page.locator("tbody tr a")
    expect(links).to_have_text(["1", "2"])
    page.locator("tbody tr").nth(1).hover()
    second.echo(b"x" * 1000)
    expect(page.locator("[data-ref=hint]")).to_be_visible()
    expect(page.get_by_text("order held", exact=True)).to_be_visible()
    expect(links).to_have_text(["1", "2"])
    expect(page.locator("tbody tr").nth(1)).to_contain_text("0.98 KiB")
    page.mouse.move(5, 5)
    expect(links).to_have_text(["2", "1"])
    expect(page.locator("[data-ref=hint]")).to_be_hidden()
    expect(page.get_by_text("order held", exact=True)).to_be_hidden()


def test_those_that_have_ended(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    client.echo(b"x")
    page = open_page(server.url + "/connections")
    expect(page.locator("tbody tr")).to_have_count(1)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()
    expect(page.get_by_text("No connections yet")).to_be_visible()
    page.get_by_role("button", name="closed 1").click()
    expect(page.locator("#q")).to_have_value("state:closed")
    expect(page.locator("tbody tr")).to_contain_text("reset by the peer")
    expect(page.get_by_role("columnheader", name="Closed")).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="connected 0").click()
    expect(page.locator("#q")).to_have_value("")
    expect(page.get_by_role("columnheader", name="Closed")).to_be_hidden()
    expect(page).to_have_url(server.url + "/connections")
    abnormal_ends_are_counted_and_found(page, [connect(server.echo) for _ in range(3)])


def abnormal_ends_are_counted_and_found(page: Page, clients: list[Any]) -> None:
    """Of three more one ends as usual, and one with a reset, as the first did."""
    for client in clients:
        client.echo(b"x")
    expect(page.get_by_role("button", name="connected 3")).to_be_visible()
    page.locator("#q").fill("conn>1")
    ordinary, reset, _ = clients
    ordinary.socket.close()
    reset.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    reset.socket.close()
    expect(page.get_by_role("button", name="closed 3")).to_be_visible()
    page.get_by_role("button", name="abnormal ends 2").click()
    expect(page.locator("#q")).to_have_value("conn>1 end:abnormal")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr a")).to_have_text("3")
    expect(page.get_by_role("button", name="abnormal ends 2")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="closed 3")).to_have_attribute("aria-pressed", "false")


def test_the_blocked_are_those_that_the_head_counts(busy: Any, open_page: Any) -> None:
    page = open_page(busy.url + "/connections")
    expect(page.locator("tbody").get_by_text("paused")).to_be_visible()
    expect(page.locator("[data-ref=headBlocked]")).to_have_text("1")
    page.get_by_role("button", name="blocked 1").click()
    expect(page.locator("#q")).to_have_value("state:blocked,paused")
    expect(page.locator("[data-ref=matched]")).to_have_text("1 matched of 3")
    page.locator("#q").fill("state:blocked")
    expect(page.get_by_text("Nothing matches this filter.")).to_be_visible()
    expect(page.get_by_role("button", name="blocked 1")).to_have_attribute("aria-pressed", "false")


def test_a_connection_is_followed_to_its_post_mortem(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    client.echo(b"x" * 10)
    page = open_page(server.url + "/connections/1")
    expect(page.locator(".title-bar [data-ref=state]")).to_have_text("open")
    expect(page.locator("[data-ref=bytesIn]")).to_have_text("10 B")
    expect(page.locator("[data-ref=table] tbody tr")).to_have_count(2)
    client.echo(b"x" * 20)
    expect(page.locator("[data-ref=bytesIn]")).to_have_text("30 B")
    expect(page.locator("[data-ref=bytesOut]")).to_have_text("84 B")
    expect(page.locator("[data-ref=table] tbody tr")).to_have_count(3)
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    detail = page.get_by_role("complementary")
    expect(detail).to_contain_text("20 bytes")
    expect(detail.get_by_role("link", name="Connection 1")).to_be_hidden()
    said = Told(page.locator("[data-ref=rowSaid]"))
    page.keyboard.press("c")
    said.wait_for("1 row copied as JSON")
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == server.json("/api/v1/events")["items"][-1]
    page.keyboard.press("G")
    client.socket.close()
    expect(page.get_by_text("The peer ended its side and was sent all that was queued.")).to_be_visible()
    expect(page.locator(".title-bar [data-ref=state]")).to_have_text("closed")
    expect(page.locator("[data-ref=rowCount]")).to_have_text("Closed · 5 rows here, newest last")


def test_the_permalink_works_after_a_restart(start_server: Any, open_page: Any, connect: Any, complaints: Any) -> None:
    complaints.expected = ("404",)
    first = start_server()
    client = connect(first.echo)
    client.echo(b"x" * 10)
    client.socket.close()
    page = open_page(first.url + "/connections/1")
    expect(page.get_by_text("The peer ended its side")).to_be_visible()
    page.close()
    first.stop()
    second = start_server()
    page = open_page(second.url + "/connections/1")
    expect(page.get_by_text("The peer ended its side")).to_be_visible()
    expect(page.locator("[data-ref=bytesIn]")).to_have_text("10 B")
    expect(page.locator("[data-ref=table] tbody tr")).to_have_count(4)


def test_a_blocked_connection_says_so(busy: Any, open_page: Any) -> None:
    page = open_page(busy.url + "/connections/2")
    expect(page.locator("[data-ref=verdictText]")).to_contain_text("The peer is not reading")
    expect(page.get_by_label("Evidence").get_by_text("Peer's window")).to_be_visible()
    expect(page.locator(".title-bar [data-ref=state] .mark")).to_be_visible()


def test_what_the_kernel_says_is_shown_and_kept_after_the_end(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    client.echo(b"x" * 1000)
    page = open_page(server.url + "/connections/1")
    expect(page.locator("[data-fact=state]")).to_have_text("ESTABLISHED")
    expect(page.locator("[data-fact=bytes_received]")).to_have_text("0.98 KiB")

    def well() -> bool:
        client.echo(b"x")
        page.wait_for_timeout(50)
        return "All is well" in page.locator("[data-ref=verdictText]").inner_text()

    wait_until(well, "the verdict on one that talks")
    client.socket.close()
    expect(page.locator("[data-ref=kernelAge]")).to_have_text("taken just before it was closed")
    expect(page.locator("[data-fact=state]")).to_have_text("CLOSE_WAIT")


# A page that is left while its scripts come makes Werkzeug's server, which only tests use, forget to close their files.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_text_from_the_server_is_text(site: Any, open_page: Any) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    item = site.monitor.connection(1) | {"peer": hostile, "reason": hostile, "state": hostile}
    counts = site.monitor.connections("", "conn", 1, 0)["counts"]
    site.monitor.connections = lambda *_: {"total": 1, "matched": 1, "items": [item], "counts": counts}
    site.monitor.connection = lambda *_: item
    page = open_page(site.url + "/connections")
    expect(page.locator("tbody tr")).to_contain_text(hostile)
    page.goto(site.url + "/connections/1")
    expect(page.locator("[data-ref=peer]")).to_have_text(hostile)
    assert page.locator("img").count() == 0


def test_the_charts_of_a_busy_connection_reach_back_to_its_beginning(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    client.echo(b"x" * 5000)
    # Some seconds lie between the first bytes and the others.
    wait_until(lambda: server.get("/api/v1/connections/1").json().get("idle_s", 0) > 3, "it is idle")
    for _ in range(300):  # more rows than come with a frame, so that the first ones are in the log only
        client.echo(b"x")
    page = open_page(server.url + "/connections/1")
    reading = page.locator("[data-chart=bytes] .reading b").last
    expect(reading).to_have_text("0 B/s")
    page.locator("[data-chart=bytes] .u-over").hover(position={"x": 4, "y": 20})
    expect(page.locator("[data-chart=bytes] .cursor-time")).to_be_visible()
    plot = page.locator("[data-chart=bytes] .u-over").bounding_box()
    seen = []
    for share in range(101):
        page.mouse.move(plot["x"] + plot["width"] * share / 100, plot["y"] + 20)
        seen.append(reading.inner_text())
        if seen[-1] == "4.88 KiB/s":
            return
    pytest.fail(f"the first bytes are not in the chart: {seen}")
