"""The histogram of the Events page: counts by kind over time, a range marked in it, long reads with progress."""

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, Page, Route, expect

from .conftest import wait_on

BEGIN = datetime(2026, 11, 23, 14, tzinfo=UTC)
BINS = 100
HISTOGRAM = "**/api/v1/events/histogram?*"


def moment(seconds: float) -> str:
    """A time of the made-up log."""
    return (BEGIN + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def answer(route: Route, kinds: dict[str, list[int]], **more: Any) -> None:
    """A histogram of 100 bars of 10 s."""
    total = sum(map(sum, kinds.values()))
    whole = {"progress": {"scanned": total, "total": total}, "next": None}
    head = {"since": moment(0), "until": moment(1000), "step_s": 10.0, "kinds": kinds, "total": total}
    route.fulfill(json=head | whole | more)


def flat(route: Route) -> None:
    """Ten echoes in every bar, one `full` in the first."""
    answer(route, {"echo": [10] * BINS, "full": [1] + [0] * (BINS - 1)})


class Slow:
    """A scan of four pages, each of which waits until it is let go."""

    def __init__(self) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self._waiting: list[Callable[[], None]] = []

    def __call__(self, route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        self.asked.append(query)
        at = int(query.get("cursor", ["0"])[0])
        kinds = {"echo": [0] * at + [5] + [0] * (BINS - at - 1)}
        progress = {"scanned": 25 * (at + 1), "total": 100}
        following = str(at + 1) if at < 3 else None
        self._waiting.append(lambda: answer(route, kinds, progress=progress, next=following))

    def let_go(self, page: Page, number: int) -> None:
        """Answer the question with that number once it has come."""
        wait_on(page, lambda: len(self.asked) > number, f"question {number}")
        self._waiting[number]()


def bars(page: Page) -> Locator:
    """The bars, as a slider."""
    return page.get_by_role("slider", name="Events over time")


def drag(page: Page, start: float, end: float) -> None:
    """Drag over the bars, from one share of their width to another."""
    box = bars(page).bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + (start + end) / 2 * box["width"], y)
    page.mouse.move(box["x"] + end * box["width"], y)
    page.mouse.up()


def painted(page: Page) -> bytes:
    """A picture of the bars while the pointer is elsewhere."""
    page.mouse.move(5, 5)
    return page.locator(".bars canvas").screenshot()


def test_a_real_log_is_counted(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    for _ in range(20):
        client.echo(b"x")
    page = open_page(server.url + "/events")
    legend = page.get_by_role("group", name="Shown in the histogram")
    expect(legend.get_by_role("button", name="not empty")).to_have_text("not empty 20")
    expect(legend.get_by_role("button", name="open, end")).to_have_text("open, end 2")
    expect(page.locator("[data-ref=histogramWords]")).to_contain_text("22 rows")
    page.locator("#q").fill("kind:open")
    expect(legend.get_by_role("button", name="not empty")).to_have_text("not empty 0")
    expect(page.locator("[data-ref=histogramWords]")).to_contain_text("1 row,")


def a_drag_chooses_a_range_and_a_double_click_lets_go(page: Page) -> None:
    drag(page, 0.205, 0.395)
    since, until = page.locator("[data-ref=since]"), page.locator("[data-ref=until]")
    expect(since).to_have_value(moment(200))
    expect(until).to_have_value(moment(400))
    expect(page).to_have_url(re.compile(re.escape(f"/events?since={moment(200)}&until={moment(400)}") + "$"))
    expect(page.locator("[data-ref=mode]")).to_contain_text("From the log")
    bars(page).dblclick()
    expect(since).to_have_value("")
    expect(page).to_have_url(re.compile("/events$"))
    expect(page.locator("[data-ref=mode]")).to_contain_text("Live")


def the_keyboard_does_the_same(page: Page) -> None:
    slider = bars(page)
    slider.focus()
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuenow", "1")
    # The day stands before the times unless it is today.
    said = re.compile(r"14:00:00 – (\d.* )?14:00:10: 11 rows \(10 not empty · 1 full\)$")
    expect(slider).to_have_attribute("aria-valuetext", said)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+PageUp")
    expect(page.locator("[data-ref=barWords]")).to_contain_text("110 rows")
    page.keyboard.press("Enter")
    expect(page.locator("[data-ref=since]")).to_have_value(moment(10))
    expect(page.locator("[data-ref=until]")).to_have_value(moment(120))
    page.keyboard.press("Escape")
    expect(page.locator("[data-ref=since]")).to_have_value("")


def groups_can_be_hidden(page: Page) -> None:
    before = painted(page)
    button = page.get_by_role("button", name="not empty")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert painted(page) != before
    button.click()
    assert painted(page) == before


def test_a_visit(quiet: Any, open_page: Any) -> None:
    """What one does with the bars and takes back again."""
    page = open_page(quiet.url + "/events", routes={HISTOGRAM: flat})
    for aspect in (
        groups_can_be_hidden,
        a_drag_chooses_a_range_and_a_double_click_lets_go,
        the_keyboard_does_the_same,
    ):
        expect(page.locator("[data-ref=histogramWords]")).to_contain_text("1,001 rows")
        aspect(page)


def test_a_drag_keeps_its_time_when_other_bars_come(quiet: Any, open_page: Any) -> None:
    def later(route: Route) -> None:
        if "kind%3Aecho" not in route.request.url:
            return flat(route)
        return answer(route, {"echo": [7] * BINS}, since=moment(100), until=moment(1100))

    page = open_page(quiet.url + "/events", routes={HISTOGRAM: later})
    expect(page.locator("[data-ref=histogramWords]")).to_contain_text("1,001 rows")
    box = bars(page).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.205 * box["width"], box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.395 * box["width"], box["y"] + 20)
    page.evaluate("""() => {
        document.querySelector("#q").value = "kind:echo";
        document.querySelector("#q").dispatchEvent(new Event("input", { bubbles: true }));
    }""")
    expect(page.locator("[data-ref=barWords]")).to_contain_text("140 rows")
    page.mouse.up()
    expect(page.locator("[data-ref=since]")).to_have_value(moment(200))
    expect(page.locator("[data-ref=until]")).to_have_value(moment(400))


def test_back_undoes_a_range(quiet: Any, open_page: Any) -> None:
    page = open_page(quiet.url + "/events?q=-kind:echo", routes={HISTOGRAM: flat})
    expect(page.locator("[data-ref=histogramWords]")).to_contain_text("1,001 rows")
    drag(page, 0.205, 0.295)
    expect(page).to_have_url(re.compile("since="))
    since = page.locator("[data-ref=since]").input_value()
    assert since
    page.go_back()
    expect(page).to_have_url(quiet.url + "/events?q=-kind:echo")
    expect(page.locator("[data-ref=since]")).to_have_value("")
    expect(page.locator("#q")).to_have_value("-kind:echo")
    page.go_forward()
    expect(page.locator("[data-ref=since]")).to_have_value(since)


def test_a_range_is_in_the_address_before_its_rows_have_come(busy: Any, open_page: Any) -> None:
    waiting: list[Route] = []
    page = open_page(
        busy.url + "/events", routes={HISTOGRAM: flat, "**/api/v1/events?*": lambda route: waiting.append(route)}
    )
    expect(page.locator("tbody tr").first).to_be_visible()
    expect(page.locator("[data-ref=histogramWords]")).to_contain_text("1,001 rows")
    drag(page, 0.205, 0.395)
    expect(page).to_have_url(f"{busy.url}/events?since={moment(200)}&until={moment(400)}")
    wait_on(page, lambda: any("since=" in route.request.url for route in waiting), "a question about the range")
    page.go_back()
    expect(page).to_have_url(busy.url + "/events")
    expect(page.locator("[data-ref=until]")).to_have_value("")
    expect(page.locator("[data-ref=mode]")).to_contain_text("Live")
    expect(page.locator("tbody tr").first).to_be_visible()


def next_question(page: Page, scan: Slow, q: str) -> int:
    """Number of the first question with that filter, once it has come."""
    wait_on(page, lambda: any(asked["q"] == [q] for asked in scan.asked), f"a question about {q}")
    return next(number for number, asked in enumerate(scan.asked) if asked["q"] == [q])


def shows_how_far_it_is_and_adds_up(page: Page, scan: Slow) -> None:
    words = page.locator("[data-ref=histogramWords]")
    scan.let_go(page, 0)
    expect(page.get_by_text("Reading the log: 25 of 100 rows (25 %)")).to_be_visible()
    expect(page.get_by_role("progressbar", name="Rows of the log looked at")).to_be_visible()
    expect(words).to_contain_text("5 rows so far")
    for number in (1, 2, 3):
        scan.let_go(page, number)
    expect(words).to_contain_text("20 rows,")
    expect(page.get_by_text("Reading the log")).to_be_hidden()
    assert [asked.get("cursor") for asked in scan.asked] == [None, ["1"], ["2"], ["3"]]
    assert {tuple(asked["since"] + asked["until"]) for asked in scan.asked[1:]} == {(moment(0), moment(1000))}


def can_be_stopped_and_taken_up(page: Page, scan: Slow) -> None:
    page.locator("#q").fill("bytes_in>2")
    scan.let_go(page, next_question(page, scan, "bytes_in>2"))
    page.locator("[data-ref=scanCancel]").click()
    expect(page.get_by_text("Stopped after 25 of 100 rows")).to_be_visible()
    asked = len(scan.asked)
    page.get_by_role("button", name="Count all").click()
    for number in range(asked, asked + 4):
        scan.let_go(page, number)
    expect(page.locator("[data-ref=histogramWords]")).to_contain_text("20 rows,")


def is_given_up_for_another_filter(page: Page, scan: Slow) -> None:
    page.locator("#q").fill("bytes_in>3")
    scan.let_go(page, next_question(page, scan, "bytes_in>3"))
    expect(page.get_by_text("Reading the log: 25 of")).to_be_visible()
    page.locator("#q").fill("kind:echo")
    first = next_question(page, scan, "kind:echo")
    for number in range(first, first + 4):
        scan.let_go(page, number)
    expect(page.locator("[data-ref=histogramWords]")).to_contain_text("20 rows,")
    assert all(asked["q"] == ["kind:echo"] for asked in scan.asked[first:])


def test_a_long_read(quiet: Any, open_page: Any) -> None:
    scan = Slow()
    page = open_page(quiet.url + "/events?q=bytes_in>1", routes={HISTOGRAM: scan})
    for aspect in (shows_how_far_it_is_and_adds_up, can_be_stopped_and_taken_up, is_given_up_for_another_filter):
        aspect(page, scan)


def test_an_empty_range_and_an_error_are_said(quiet: Any, open_page: Any, complaints: Any) -> None:
    broken = {"title": "Service Unavailable", "detail": "the disk is gone"}

    def histogram(route: Route) -> None:
        if "kind" in route.request.url:
            return route.fulfill(status=503, json=broken, content_type="application/problem+json")
        return answer(route, {})

    complaints.expected = ("503",)
    page = open_page(quiet.url + "/events", routes={HISTOGRAM: histogram})
    expect(page.get_by_text("No events in this range")).to_be_visible()
    page.locator("#q").fill("kind:echo")
    expect(page.get_by_text("No histogram: the disk is gone")).to_be_visible()


def test_older_rows_of_a_rare_filter_show_progress_and_can_be_stopped(quiet: Any, open_page: Any) -> None:
    go_on = threading.Event()
    asked: list[str] = []

    def events(route: Route) -> None:
        asked.append(route.request.url)
        at = len(asked)
        if not go_on.is_set():
            route.fulfill(json={"items": [], "next": str(at), "progress": {"scanned": min(at, 900), "total": 1000}})
        else:
            route.fulfill(json={"items": [], "next": None, "progress": {"scanned": 1000, "total": 1000}})

    page = open_page(quiet.url + "/events", routes={HISTOGRAM: flat, "**/api/v1/events?*": events})
    expect(page.locator("tbody tr")).to_have_count(1)
    # A list with so few rows goes on in the log by itself.
    expect(page.locator("[data-ref=olderText]")).to_contain_text("of 1,000 rows")
    expect(page.locator("[data-ref=olderBar]")).to_be_visible()
    page.locator("[data-ref=olderCancel]").click()
    expect(page.get_by_text("Stopped. Older rows may be there.")).to_be_visible()
    expect(page.locator("[data-ref=olderBar]")).to_be_hidden()
    stopped = len(asked)
    go_on.set()
    page.get_by_role("button", name="Older rows").click()
    expect(page.get_by_text("That is all")).to_be_visible()
    assert f"cursor={stopped}" in asked[stopped] or f"cursor={stopped - 1}" in asked[stopped]
