"""The scrubber: live, standing or playing at a moment; every page as of it; links to a moment."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import Server, serving
from playwright.sync_api import Locator, Page, expect
from waiting import wait_until

from .conftest import Told, clients

CLOCK = re.compile(r"\d+ \w+ \d\d:\d\d:\d\d\.\d")


class Past(NamedTuple):
    """A server, and the moment after the first echo of its first client, before all that came later."""

    url: str
    before: str


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory, nursery: Any, address: Any) -> Iterator[Past]:
    """Nothing changes: the first client has echoed 100 bytes, then came the second, then the first echoed more."""
    with serving(tmp_path_factory.mktemp("past"), nursery, *address("past")) as server, clients() as connect:
        client = connect(server.echo)
        client.echo(b"x" * 100)
        # A reply may be read before the turn that sent it has ended and published its row.
        rows = wait_until(lambda: server.json("/api/v1/events", q="kind:echo")["items"], "the row of the echo")
        connect(server.echo).echo(b"y")
        client.echo(b"z" * 300)
        yield Past(server.url, rows[0]["time"])


def in_milliseconds(time: str) -> str:
    """A time of the log as the address bar holds it: the next whole millisecond."""
    end = datetime.fromisoformat(time[:23]).replace(tzinfo=UTC) + timedelta(milliseconds=1)
    return end.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def slider(page: Page) -> Locator:
    """The scrubber's slider, once it knows what the log holds."""
    found = page.get_by_role("slider", name="Moment shown")
    expect(found).to_be_enabled()
    return found


def mode(page: Page, name: str) -> None:
    """Wait until the page is live, paused or playing."""
    expect(page.locator("body")).to_have_attribute("data-mode", name)


def test_tiles_and_table_are_as_of_the_moment(past: Past, open_page: Any) -> None:
    page = open_page(f"{past.url}/connections?at={past.before}")
    mode(page, "paused")
    expect(page.locator("[data-ref=matched]")).to_have_text("1 matched of 1")
    expect(page.locator("tbody tr td[data-col=bytes_in], tbody tr td").filter(has_text="100 B")).to_have_count(1)
    expect(page.locator("[data-ref=headOpen]")).to_have_text("1")
    expect(page.locator("[data-ref=when]")).to_have_text(CLOCK)
    expect(page.get_by_text("the past", exact=True)).to_be_visible()
    assert page.title().startswith("(past)")
    page.get_by_role("button", name="Back to live").click()
    mode(page, "live")
    expect(page.locator("[data-ref=matched]")).to_have_text("2 matched of 2")
    expect(page.locator("[data-ref=headOpen]")).to_have_text("2")
    expect(page).to_have_url(past.url + "/connections")


def test_the_connection_and_its_rows_are_as_of_the_moment(past: Past, open_page: Any) -> None:
    page = open_page(f"{past.url}/connections/1?at={past.before}")
    expect(page.locator("[data-ref=bytesIn]")).to_have_text("100 B")
    expect(page.locator("#rows tbody tr")).to_have_count(2)
    expect(page.locator("[data-ref=rowCount]")).to_contain_text("Up to the moment shown")
    page.keyboard.press("l")
    expect(page.locator("[data-ref=bytesIn]")).to_have_text("400 B")
    expect(page.locator("#rows tbody tr")).to_have_count(3)


def test_a_connection_that_was_not_there_yet(past: Past, open_page: Any, complaints: Any) -> None:
    complaints.expected = ("404",)
    page = open_page(f"{past.url}/connections/2?at={past.before}")
    expect(page.get_by_text("was not there yet")).to_be_visible()
    page.get_by_role("button", name="Back to live").click()
    expect(page.locator("[data-ref=bytesIn]")).to_have_text("1 B")
    expect(page.get_by_text("was not there yet")).to_be_hidden()


def test_events_and_histogram_end_at_the_moment(past: Past, open_page: Any) -> None:
    page = open_page(f"{past.url}/events?at={past.before}")
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.locator("[data-ref=histogramWords]")).to_contain_text("3 rows")
    expect(page.locator("[data-ref=mode]")).to_contain_text("Up to the moment shown")
    page.get_by_role("button", name="Back to live").click()
    expect(page.locator("tbody tr")).to_have_count(6)
    expect(page.locator("[data-ref=histogramWords]")).to_contain_text("6 rows")


def the_keyboard_moves_plays_and_goes_back_to_live(page: Page) -> None:
    found = slider(page)
    found.focus()
    page.wait_for_function(
        "() => Number(document.querySelector('.slider').max) - Number(document.querySelector('.slider').min) > 3000"
    )
    page.keyboard.press("ArrowLeft")
    mode(page, "paused")
    first = found.evaluate("(slider) => slider.valueAsNumber")
    page.keyboard.press("ArrowLeft")
    near = "(at) => Math.abs(document.querySelector('.slider').valueAsNumber - at) <= 1"
    page.wait_for_function(near, arg=first - 1000)
    page.keyboard.press("Home")
    page.wait_for_function(near, arg=found.evaluate("(slider) => Number(slider.min)"))
    expect(found).to_have_attribute("aria-valuetext", re.compile("before the end, paused"))
    page.keyboard.press("Space")
    mode(page, "playing")
    start = found.evaluate("(slider) => slider.valueAsNumber")
    page.wait_for_function("(start) => document.querySelector('.slider').valueAsNumber > start + 300", arg=start)
    page.keyboard.press("Space")
    mode(page, "paused")
    page.keyboard.press("End")
    mode(page, "live")


def playing_fast_catches_up_with_the_present(page: Page) -> None:
    slider(page).focus()
    page.keyboard.press("Home")
    mode(page, "paused")
    page.get_by_label("Speed").select_option("60")
    page.get_by_role("button", name="Play").click()
    mode(page, "live")
    expect(page).to_have_url(re.compile("/$"))


def a_drag_of_the_slider_settles(page: Page) -> None:
    found = slider(page)
    page.wait_for_function(
        "() => Number(document.querySelector('.slider').max) - Number(document.querySelector('.slider').min) > 1000"
    )
    box = found.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in (0.9, 0.7, 0.5):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
    page.mouse.up()
    mode(page, "paused")
    expect(page).to_have_url(re.compile(r"/\?at=2\d{3}-"))


def a_key_that_is_held_asks_and_writes_once_it_is_let_go(page: Page) -> None:
    found = slider(page)
    written = found.evaluate(
        """(slider) => {
          const write = history.replaceState;
          let times = 0;
          history.replaceState = (...all) => { times += 1; write.apply(history, all); };
          const press = (key, repeat) => slider.dispatchEvent(new KeyboardEvent('keydown', { key, repeat }));
          for (let time = 0; time < 50; time += 1) press('ArrowLeft', time > 0);
          return times;
        }"""
    )
    assert written == 0
    expect(page).to_have_url(re.compile(r"/\?at=2\d{3}-"))
    mode(page, "paused")


def a_space_that_is_held_stops_once(page: Page) -> None:
    slider(page).evaluate(
        """(slider) => {
          for (const repeat of [false, true]) slider.dispatchEvent(new KeyboardEvent('keydown', { key: ' ', repeat }));
        }"""
    )
    mode(page, "paused")


def the_end_of_the_slider_is_the_present(page: Page) -> None:
    found = slider(page)
    found.focus()
    page.keyboard.press("Home")
    mode(page, "paused")
    # As long a time between two looks at the clock as there may be on a busy machine.
    page.evaluate("() => { const now = Date.now; let later = 0; Date.now = () => now() + (later += 5); }")
    page.keyboard.press("End")
    mode(page, "live")
    expect(page).to_have_url(re.compile("/$"))
    page.keyboard.press("Home")
    mode(page, "paused")
    found.evaluate("(slider) => { slider.value = slider.max; slider.dispatchEvent(new Event('input')); }")
    mode(page, "live")


def test_the_slider(past: Past, open_page: Any) -> None:
    """One visit: each begins live, and the last one changes the clock."""
    page = open_page(past.url)
    for aspect in (
        the_keyboard_moves_plays_and_goes_back_to_live,
        playing_fast_catches_up_with_the_present,
        a_drag_of_the_slider_settles,
        a_key_that_is_held_asks_and_writes_once_it_is_let_go,
        a_space_that_is_held_stops_once,
        the_end_of_the_slider_is_the_present,
    ):
        slider(page).press("End")
        mode(page, "live")
        aspect(page)


def test_a_link_to_the_moment_is_copied_and_kept_in_links(past: Past, open_page: Any) -> None:
    moment = in_milliseconds(past.before)
    page = open_page(f"{past.url}/?at={past.before}")
    mode(page, "paused")
    said = Told(page.locator("[data-ref=said]"))
    page.get_by_role("button", name="Copy a link to this moment").click()
    said.wait_for("copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f"{past.url}/?at={moment}"
    page.get_by_role("link", name="Connections", exact=True).click()
    mode(page, "paused")
    expect(page).to_have_url(f"{past.url}/connections?at={moment}")
    page.locator("#q").fill("conn:1")
    expect(page).to_have_url(f"{past.url}/connections?at={moment}&q=conn:1")


def test_a_moment_that_cannot_be_shown_is_said(quiet: Any, open_page: Any, complaints: Any) -> None:
    complaints.expected = ("400",)
    page = open_page(quiet.url, timezone_id="UTC")
    for at, said in (
        ("2020-01-01T00:00:00Z", "1 Jan 2020 00:00:00.0 is before the log, which begins here"),
        ("2100-01-01T00:00:00Z", "1 Jan 2100 00:00:00.0 is in the future: this is now"),
        ("garbage", "“garbage” names no moment: this is now"),
    ):
        page.goto(f"{quiet.url}/?at={at}")
        expect(page.locator("[data-ref=said]")).to_have_text(said)
        expect(page).not_to_have_url(re.compile(f"at={at}"))
        if "before" not in said:
            expect(page.locator("[data-ref=live]")).to_be_hidden()


@pytest.fixture
def replay(server: Any, connect: Any, tmp_path: Path, nursery: Any) -> Iterator[str]:
    """Address of a dashboard that shows the log of a server which has stopped, with one connection in it."""
    connect(server.echo).echo(b"x" * 100)
    server.stop()
    program = Server(["app.py", "serve", "--replay", str(tmp_path / "data"), "--port", "0"], None, nursery)
    assert program.process.stdout is not None
    yield program.process.stdout.readline().split()[-1]
    program.close()


def test_a_replay_opens_at_its_end_and_can_be_rewound_and_played(replay: str, open_page: Any) -> None:
    page = open_page(replay + "/events")
    mode(page, "paused")
    expect(page.get_by_text("from the log", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Back to live")).to_be_hidden()
    expect(page.get_by_role("link", name="Loop", exact=True)).to_be_hidden()
    kinds = page.locator("tbody tr td:nth-child(2)")
    expect(kinds).to_have_text(["start", "open", "echo", "close", "stop"])
    end = page.url
    slider(page).focus()
    page.keyboard.press("Home")
    expect(kinds).to_have_text(["start"])
    expect(page).not_to_have_url(end)
    begin = page.url
    # There is no present to go back to: its key does nothing.
    page.get_by_role("button", name="Play").press("l")
    assert page.evaluate("location.href") == begin
    page.get_by_label("Speed").select_option("60")
    page.get_by_role("button", name="Play").click()
    expect(kinds).to_have_text(["start", "open", "echo", "close", "stop"])
    mode(page, "paused")
    page.goto(replay)
    expect(page.locator("[data-ref=echoesTotal]")).to_have_text("1")
