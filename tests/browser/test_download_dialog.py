"""The download dialog: what, in which format, how much; downloads on their way, with progress and cancel."""

import csv
import json
import re
from collections.abc import Iterator
from typing import Any

import conftest
import pytest
from conftest import serving
from playwright.sync_api import Locator, Page, Route, expect

from .conftest import clients

ESTIMATE = "**/api/v1/events/estimate?*"
PROGRESS = "**/api/v1/downloads/*"


def open_dialog(page: Page) -> Locator:
    """The dialog, once its estimate is there."""
    expect(page.locator("[data-ref=linkText]")).to_have_text("live")
    page.get_by_role("button", name="Download…").click()
    dialog = page.get_by_role("dialog", name="Download events")
    expect(dialog).to_be_visible()
    expect(dialog.locator("[data-ref=estimate]")).to_contain_text(re.compile("row"))
    return dialog


class Server:
    """What a made-up server says of downloads, which the browser still gets from the real one."""

    def __init__(self) -> None:
        self.says: dict[str, Any] = {"state": "running", "rows": 10, "bytes": 1000}
        self.tokens: set[str] = set()
        self.cancelled: list[str] = []

    @property
    def routes(self) -> dict[str, Any]:
        return {ESTIMATE: self.estimate, PROGRESS: self.progress}

    def estimate(self, route: Route) -> None:
        route.fulfill(json={"rows": 40, "bytes": 4000, "exact": False, "name": "echoscope-log.csv"})

    def progress(self, route: Route) -> None:
        token = route.request.url.rsplit("/", 1)[1].rstrip("?")
        self.tokens.add(token)
        if route.request.method == "DELETE":
            self.cancelled.append(token)
            self.says = {**self.says, "state": "cancelled"}
        estimate = {"rows": 40, "bytes": 4000, "exact": False}
        route.fulfill(json={"token": token, "estimate": estimate, "elapsed_s": 1.5, "name": "log.csv", **self.says})


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, nursery: Any, address: Any) -> Iterator[conftest.Server]:
    """A server with three clients, each of which has echoed once; for tests that only look."""
    with serving(tmp_path_factory.mktemp("three"), nursery, *address("three")) as server, clients() as connect:
        for size in (10, 200, 300):
            connect(server.echo).echo(b"x" * size)
        yield server


def test_the_download_is_exactly_the_set(three: Any, open_page: Any) -> None:
    page = open_page(three.url + "/events?q=kind:echo+bytes_in>100&since=1h")
    expect(page.locator("tbody tr")).to_have_count(2)
    wanted = three.json("/api/v1/events", q="kind:echo bytes_in>100")["items"]
    dialog = open_dialog(page)
    expect(dialog.get_by_label("As shown")).to_be_checked()
    expect(dialog.locator("[data-ref=estimate]")).to_contain_text("2 rows")
    with page.expect_download() as started:
        dialog.get_by_role("button", name="Download", exact=True).click()
    lines = started.value.path().read_text().splitlines()
    assert [json.loads(line) for line in lines] == wanted
    done = dialog.get_by_role("listitem").get_by_text("Done: 2 rows")
    expect(done).to_have_count(1)
    dialog.get_by_label("CSV").check()
    with page.expect_download() as started:
        dialog.get_by_role("button", name="Download", exact=True).click()
    assert started.value.suggested_filename.endswith(".csv")
    with started.value.path().open(newline="") as file:
        assert [int(row["seq"]) for row in csv.DictReader(file)] == [row["seq"] for row in wanted]
    expect(done).to_have_count(2)


def test_range_and_filter_can_be_changed_and_errors_are_said(three: Any, open_page: Any, complaints: Any) -> None:
    page = open_page(three.url + "/events")
    dialog = open_dialog(page)
    estimate = dialog.locator("[data-ref=estimate]")
    expect(estimate).to_have_text(re.compile("^7 rows"))
    expect(dialog.get_by_label("As shown")).to_be_hidden()
    dialog.get_by_label("Filter").fill("kind:open")
    expect(estimate).to_have_text(re.compile("^3 rows,"))
    dialog.get_by_label("From, until").check()
    dialog.get_by_role("textbox", name="Until").fill("1d")
    expect(estimate).to_have_text(re.compile("Nothing matches"))
    complaints.expected = ("400",)
    dialog.get_by_label("Filter").fill("kind:nonsense")
    expect(dialog.get_by_role("alert")).to_contain_text("nonsense")
    expect(dialog.get_by_role("button", name="Download", exact=True)).to_be_disabled()
    # A selection that ends outside leaves the dialog as it is.
    box, field = dialog.bounding_box(), dialog.get_by_label("Filter").bounding_box()
    assert box
    assert field
    page.mouse.move(field["x"] + 40, field["y"] + field["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 20, field["y"])
    page.mouse.up()
    expect(dialog.get_by_label("Filter")).to_have_value("kind:nonsense")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Filter").fill("")
    expect(dialog.get_by_role("button", name="Download", exact=True)).to_be_enabled()
    expect(page).to_have_url(three.url + "/events")


def test_progress_is_shown_and_a_download_can_be_cancelled(quiet: Any, open_page: Any) -> None:
    made_up = Server()
    page = open_page(quiet.url + "/events", routes=made_up.routes)
    dialog = open_dialog(page)
    with page.expect_download() as started:
        dialog.get_by_role("button", name="Download", exact=True).click()
    bar = dialog.get_by_role("progressbar", name="log.csv")
    expect(bar).to_have_attribute("value", "0.25")
    expect(dialog.get_by_text("10 of about 40 rows")).to_be_visible()
    made_up.says = {"state": "running", "rows": 20, "bytes": 2000}
    expect(bar).to_have_attribute("value", "0.5")
    expect(dialog.get_by_text(re.compile("B/s.* left"))).to_be_visible()
    expect(page.locator("[data-ref=downloadCount]")).to_have_text(" (1 under way)")
    dialog.get_by_role("button", name="Cancel log.csv").click()
    expect(dialog.get_by_text("Cancelled after 20 rows", exact=False).first).to_be_visible()
    assert re.fullmatch(r"[0-9a-f]{32}", made_up.cancelled[0])
    assert started.value.url.endswith("token=" + made_up.cancelled[0])
    dialog.get_by_role("button", name="Dismiss log.csv").click()
    expect(dialog.get_by_role("list")).to_be_hidden()


def test_several_at_once_are_listed_and_followed_on_the_next_page(quiet: Any, open_page: Any) -> None:
    made_up = Server()
    page = open_page(quiet.url + "/events", routes=made_up.routes)
    dialog = open_dialog(page)
    for _ in range(2):
        with page.expect_download():
            dialog.get_by_role("button", name="Download", exact=True).click()
    expect(dialog.get_by_role("listitem")).to_have_count(2)
    expect(dialog.get_by_role("progressbar", name="log.csv")).to_have_count(2)
    assert len(made_up.tokens) == 2
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Events").click()
    expect(page.get_by_role("button", name="Download… (2 under way)")).to_be_visible()
    made_up.says = {"state": "done", "rows": 40, "bytes": 4100}
    dialog = open_dialog(page)
    expect(dialog.get_by_role("listitem").get_by_text("Done: 40 rows")).to_have_count(2)
    expect(dialog.get_by_role("progressbar").first).to_have_attribute("value", "1")


def test_one_that_breaks_off_is_said_to_a_screen_reader(quiet: Any, open_page: Any) -> None:
    made_up = Server()
    page = open_page(quiet.url + "/events", routes=made_up.routes)
    dialog = open_dialog(page)
    dialog.get_by_role("button", name="Download", exact=True).click()
    expect(dialog.get_by_text("10 of about 40 rows")).to_be_visible()
    made_up.says = {"state": "failed", "rows": 12, "bytes": 1200}
    said = dialog.locator("[data-ref=transfersSaid]")
    expect(said).to_contain_text("log.csv: Broken off after 12 rows")
    expect(said).to_have_attribute("role", "status")


def test_the_keyboard_alone(quiet: Any, open_page: Any) -> None:
    made_up = Server()
    page = open_page(quiet.url + "/events", routes=made_up.routes)
    expect(page.locator("[data-ref=linkText]")).to_have_text("live")
    opener = page.get_by_role("button", name="Download…")
    opener.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Download events")
    expect(dialog).to_be_visible()
    for _ in range(12):
        page.keyboard.press("Tab")
        inside = "document.activeElement === document.body || document.activeElement.closest('dialog') !== null"
        assert page.evaluate(inside)
    dialog.get_by_label("JSON lines").focus()
    page.keyboard.press("ArrowDown")
    expect(dialog.get_by_label("CSV")).to_be_checked()
    with page.expect_download():
        page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()


def test_the_log_of_one_connection(three: Any, open_page: Any) -> None:
    page = open_page(three.url + "/connections/2")
    dialog = open_dialog(page)
    expect(dialog.get_by_label("Filter")).to_have_value("conn:2")
    for label, format, lines in (("JSON lines", "jsonl", 2), ("CSV", "csv", 3)):
        dialog.get_by_label(label).check()
        with page.expect_download() as started:
            dialog.get_by_role("button", name="Download", exact=True).click()
        answer = three.get(f"/api/v1/events/download?format={format}&q=conn:2")
        assert started.value.path().read_bytes() == answer.content
        assert len(answer.content.splitlines()) == lines


def test_without_an_answer_there_is_no_estimate_and_nothing_wrong_with_the_filter(
    quiet: Any, open_page: Any, complaints: Any
) -> None:
    complaints.expected = ("ERR_FAILED",)
    page = open_page(quiet.url + "/events")
    dialog = open_dialog(page)
    page.route(ESTIMATE, lambda route: route.abort())
    dialog.get_by_label("Filter").fill("kind:open")
    expect(dialog.locator("[data-ref=estimate]")).to_have_text("No estimate: the server could not be reached")
    expect(dialog.get_by_role("alert")).to_be_hidden()
    expect(dialog.get_by_role("button", name="Download", exact=True)).to_be_enabled()
