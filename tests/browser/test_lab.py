"""The Lab page: a run begun, followed, shown, compared, deleted; with the keyboard, in both themes, at every width."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import Server, serving
from lab_runs import cannot, rates, run, sample
from playwright.sync_api import Page, Route, expect
from waiting import DEADLINE_S

from core.lab.results.store import Store

from .conftest import wait_on
from .test_every_page import assert_accessible, fits_every_width

LOST, OLD, NEW = "20261121-120000-cccc", "20261122-120000-aaaa", "20261123-120000-bbbb"


def samples(factor: float) -> list[Any]:
    """What runs look like: poll falls, epoll stays, select can't, blocking serves one."""
    made = [
        sample("blocking", 0, served=1, rate=20_000.0),
        cannot("select", 10_000, "81 connections were refused: why"),
    ]
    for index, idle in enumerate((0, 100, 1000, 10_000)):
        for name, rate in (("poll", 100_000 / (1 + index)), ("epoll", 120_000.0)):
            values = [factor * rate * noise for noise in (0.98, 1.0, 1.02)]
            made += rates(name, idle, *values, cpu_us=8.0 * (1 + index), p99=900.0, scanned=float(1 + idle))
    return made


def save_two(data: Path) -> None:
    """Two runs, saved in a data directory."""
    for run_id, factor in ((OLD, 1.0), (NEW, 1.5)):
        made = run(samples(factor), run_id)
        Store(data / "lab").save({**made, "began": f"2026-11-{run_id[6:8]}T12:00:00Z"})


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, nursery: Any, address: Any) -> Iterator[Server]:
    """A server with two saved runs, for tests that only look."""
    data = tmp_path_factory.mktemp("measured")
    save_two(data)
    with serving(data, nursery, *address("measured")) as server:
        yield server


def test_from_the_first_run_to_its_results(server: Any, open_page: Any) -> None:
    page: Page = open_page(server.url + "/lab")
    expect(page.get_by_role("heading", name="Nothing has been measured yet")).to_be_visible()
    page.get_by_label("select", exact=True).uncheck()
    page.get_by_label("Idle connections", exact=True).fill("0, 1,000")
    expect(page.get_by_role("alert").filter(has_text="whole numbers without grouping")).to_be_visible()
    for label, value in (
        ("Idle connections", "0 20"),
        ("Active connections", "5"),
        ("Seconds each", "0.5"),
        ("Repeats", "1"),
    ):
        page.get_by_label(label, exact=True).fill(value)
    expect(page.get_by_text("4 measurements, about")).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("progressbar", name="Measurements made")).to_be_visible()
    expect(page.locator("[data-ref=state]")).to_have_text("done")
    expect(page.locator(".lab-table tbody tr")).to_have_count(4)
    expect(page.locator(".lab-verdict li").filter(has_text="is fastest")).to_have_count(2)
    expect(page.locator("[data-metric=rate] canvas")).to_be_visible()
    assert "run=" in page.url


def test_what_is_entered_wrongly_has_no_estimate_and_cannot_be_run(quiet: Any, open_page: Any) -> None:
    page: Page = open_page(quiet.url + "/lab")
    estimate, button = page.locator("[data-ref=estimate]"), page.get_by_role("button", name="Run", exact=True)
    expect(estimate).to_contain_text("measurements, about")
    page.get_by_label("Idle connections", exact=True).fill("0, abc")
    expect(estimate).to_be_empty()
    expect(button).to_be_disabled()
    page.get_by_label("Idle connections", exact=True).fill("0, 100")
    expect(estimate).to_contain_text("measurements, about")
    expect(button).to_be_enabled()
    for name in ("select", "poll", "epoll"):
        page.get_by_label(name, exact=True).uncheck()
    expect(page.get_by_text("Choose a model at least.")).to_be_visible()
    expect(estimate).to_be_empty()
    expect(button).to_be_disabled()


def test_an_estimate_that_comes_late_is_not_that_of_the_entries(quiet: Any, open_page: Any) -> None:
    asked: list[Route] = []
    page: Page = open_page(quiet.url + "/lab", routes={"**/api/v1/lab/estimate?*": lambda route: asked.append(route)})
    for count, repeats in enumerate(("2", "4"), start=1):
        page.get_by_label("Repeats", exact=True).fill(repeats)
        is_asked = lambda: len(asked) >= count and f"repeats={repeats}" in asked[-1].request.url  # noqa: E731, B023
        wait_on(page, is_asked, f"an estimate for {repeats} repeats")
    older, newer = asked[-2:]
    for route, measurements in ((newer, 24), (older, 12)):
        with page.expect_response(route.request.url):
            route.fulfill(json={"measurements": measurements, "seconds": 60})
    page.get_by_role("button", name="Run", exact=True).focus()
    expect(page.locator("[data-ref=estimate]")).to_have_text("24 measurements, about 1 min 00 s")


def test_why_an_order_was_refused_outlasts_a_late_estimate(quiet: Any, open_page: Any, complaints: Any) -> None:
    complaints.expected = ("409",)
    asked: list[Route] = []
    refusal = {"status": 409, "content_type": "application/problem+json", "body": '{"detail": "a run is under way"}'}
    page: Page = open_page(
        quiet.url + "/lab",
        routes={
            "**/api/v1/lab/estimate?*": lambda route: asked.append(route),
            "**/api/v1/lab/runs": lambda route: route.fulfill(**refusal),
        },
    )
    wait_on(page, lambda: asked, "the first estimate")
    page.get_by_role("button", name="Run", exact=True).click()
    alert = page.get_by_role("alert").filter(has_text="a run is under way")
    expect(alert).to_be_visible()
    asked[-1].fulfill(json={"measurements": 24, "seconds": 60})
    expect(page.locator("[data-ref=estimate]")).to_have_text("24 measurements, about 1 min 00 s")
    expect(alert).to_be_visible()
    page.get_by_label("Repeats", exact=True).fill("2")
    wait_on(page, lambda: len(asked) >= 2, "the second estimate")
    asked[-1].fulfill(json={"measurements": 16, "seconds": 40})
    expect(page.locator("[data-ref=estimate]")).to_contain_text("16 measurements")
    expect(alert).to_be_hidden()


def test_a_run_is_cancelled_and_a_second_one_waits(server: Any, open_page: Any, complaints: Any) -> None:
    order: dict[str, Any] = {"models": ["epoll"], "idle": [0], "seconds": 30, "repeats": 1}
    assert requests.post(server.url + "/api/v1/lab/runs", json=order, timeout=DEADLINE_S).status_code == 202
    complaints.expected = ("ERR_FAILED",)
    page: Page = open_page(server.url + "/lab", routes={"**/cancel": lambda route: route.abort()})
    expect(page.get_by_text("is under way")).to_be_visible()
    expect(page.get_by_text("0 of 1")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Not cancelled: the server could not be reached.")).to_be_visible()
    page.unroute_all()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    expect(page.locator(".lab-runs")).to_contain_text("cancelled")


def test_what_became_of_cancelling_one_run_is_not_told_of_the_next(
    server: Any, open_page: Any, complaints: Any
) -> None:
    order: dict[str, Any] = {"models": ["epoll"], "idle": [0], "seconds": 30, "repeats": 1}
    runs = server.url + "/api/v1/lab/runs"
    first = requests.post(runs, json=order, timeout=DEADLINE_S).json()["id"]
    complaints.expected = ("409",)
    held: list[Route] = []
    page: Page = open_page(server.url + "/lab", routes={"**/cancel": lambda route: held.append(route)})
    cancel = page.get_by_role("button", name="Cancel")
    cancel.click()
    wait_on(page, lambda: held, "the order to cancel")
    requests.post(f"{runs}/{first}/cancel", json={}, timeout=DEADLINE_S)
    wait_on(page, lambda: requests.post(runs, json=order, timeout=DEADLINE_S).status_code == 202, "the next run begins")
    expect(cancel).to_be_enabled()
    with page.expect_response("**/cancel"):
        held[0].fulfill(status=409, json={"detail": f"run {first} is over"})
    page.evaluate("() => new Promise((done) => setTimeout(done))")
    expect(page.locator("[data-ref=uncancelled]")).to_be_empty()
    page.unroute_all()
    cancel.click()
    expect(cancel).to_be_hidden()


def test_a_link_shows_a_run_beside_another(measured: Any, open_page: Any) -> None:
    page: Page = open_page(f"{measured.url}/lab?run={NEW}&to={OLD}")
    expect(page.locator(".lab-table tbody tr").filter(has_text="epoll").first).to_contain_text("+50 % from 120,000")
    expect(page.locator(".lab-verdict")).to_contain_text("poll's rate falls by 75 % from 0 to 10,000 idle connections.")
    expect(page.locator(".lab-verdict")).to_contain_text("blocking serves 1 of 100 active connections")
    expect(page.get_by_label("Compare with")).to_have_value(OLD)
    page.get_by_label("Compare with").select_option("")
    expect(page.get_by_text("+50 %")).to_have_count(0)
    assert "to=" not in page.url


def test_back_leads_to_the_run_before(measured: Any, open_page: Any) -> None:
    page = open_page(measured.url + "/lab")
    links, chosen = page.locator(".lab-runs a"), page.locator(".lab-runs a[aria-current=true]")
    expect(links.first).to_have_attribute("aria-current", "true")
    links.last.click()
    expect(links.last).to_have_attribute("aria-current", "true")
    page.locator("[data-ref=compare]").select_option(index=1)
    expect(page).to_have_url(f"{measured.url}/lab?run={OLD}&to={NEW}")
    page.go_back()
    expect(page.locator("[data-ref=compare]")).to_have_value("")
    page.go_back()
    expect(links.first).to_have_attribute("aria-current", "true")
    expect(chosen).to_have_count(1)


def test_a_link_to_a_run_that_is_not_kept_says_so(quiet: Any, open_page: Any) -> None:
    page: Page = open_page(quiet.url + "/lab?run=zzz")
    expect(page.get_by_text("Run zzz is not kept here (any more).", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Nothing has been measured yet")).to_be_visible()


def test_a_link_to_runs_that_are_not_kept_names_what_is_shown_instead(measured: Any, open_page: Any) -> None:
    page: Page = open_page(measured.url + "/lab?run=zzz&to=yyy")
    gone = page.locator("[data-ref=gone]")
    expect(gone).to_contain_text("Run zzz is not kept here (any more): shown instead is the run of 23 Nov")
    expect(gone).to_contain_text("Run yyy, to compare with, is not kept here")
    page.locator(".lab-runs a").last.click()
    expect(page).to_have_url(f"{measured.url}/lab?run={OLD}")
    expect(gone).to_be_hidden()


def test_a_run_that_is_not_whole_claims_no_more_than_was_made(
    tmp_path: Path, start_server: Any, open_page: Any
) -> None:
    """One that was cancelled, and one of which a repeat failed."""
    store = Store(tmp_path / "data" / "lab")
    lost = {"model": "poll", "workers": 1, "idle": 0, "repeat": 2, "failed": "the generator has ended with status 1"}
    store.save(run([*rates("poll", 0, 98.0, 102.0), lost], LOST))
    store.save(run(rates("poll", 0, 98.0, 100.0, 102.0), OLD, models=("poll",)))
    order = {"models": ("poll", "epoll"), "idle": (0, 800), "seconds": 1.0, "repeats": 3}
    store.save({**run([sample("epoll", 0), sample("poll", 0)], NEW, **order), "state": "cancelled"})
    page: Page = open_page(f"{start_server().url}/lab?run={NEW}&to={OLD}")
    expect(page.locator("[data-ref=state]")).to_have_text("cancelled")
    expect(page.get_by_text("Cancelled after 2 of 12 measurements.")).to_be_visible()
    expect(page.locator("[data-ref=machine]")).to_contain_text("3 × 1 s asked for")
    expect(page.locator(".lab-runs li").first).to_contain_text("3 × 1 s asked for, cancelled")
    poll, epoll = page.locator(".lab-table tbody tr").all()
    expect(epoll.get_by_role("rowheader")).to_have_text("epollnot in the other run")
    expect(poll.get_by_role("rowheader")).to_have_text("poll")
    expect(poll).to_contain_text("within noise of 100")
    page.get_by_label("Compare with").select_option("")
    page.locator(f".lab-runs a[data-id='{LOST}']").click()
    row = page.locator(".lab-table tbody tr").filter(has_text="98–102")
    expect(row.get_by_role("rowheader")).to_contain_text("not in every repeat: the generator has ended")


def test_with_the_keyboard(measured: Any, open_page: Any) -> None:
    page: Page = open_page(f"{measured.url}/lab?run={NEW}")
    poll = page.get_by_role("group", name="Lines that are shown").get_by_role("button", name="poll", exact=True)
    poll.focus()
    page.keyboard.press("Enter")
    expect(poll).to_have_attribute("aria-pressed", "false")
    expect(poll).to_be_focused()
    summary = page.locator(".lab-order summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Idle connections", exact=True)).to_be_visible()
    page.get_by_role("button", name="Full preset").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Idle connections", exact=True)).to_have_value("0, 100, 1000, 10000")
    page.locator(".lab-runs a").last.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{measured.url}/lab?run={OLD}")
    expect(page.locator(".lab-runs a").last).to_have_attribute("aria-current", "true")
    expect(page.locator(".lab-runs a").last).to_be_focused()


def test_a_choice_that_cannot_be_read_whole_is_not_taken(measured: Any, open_page: Any, complaints: Any) -> None:
    complaints.expected = ("ERR_FAILED",)
    page: Page = open_page(f"{measured.url}/lab?run={NEW}")
    title, trouble = page.locator("[data-ref=title]"), page.locator("[data-ref=gone]")
    expect(title).to_contain_text("Run of 23 Nov")
    page.route(f"**/api/v1/lab/runs/{NEW}?", lambda route: route.abort())
    page.locator("[data-ref=compare]").select_option(OLD)
    expect(trouble).to_contain_text("The runs could not be read, shown is what was read before: the server could not")
    page.locator(".lab-runs a").last.click()
    expect(title).to_contain_text("Run of 22 Nov")
    expect(trouble).to_be_hidden()
    page.locator("[data-ref=compare]").select_option(NEW)
    expect(trouble).to_be_visible()
    page.locator(".lab-runs a").first.click()
    expect(page).to_have_url(f"{measured.url}/lab?run={NEW}")
    expect(trouble).to_be_visible()
    expect(title).to_contain_text("Run of 22 Nov")
    expect(page.locator(".lab-runs a[aria-current=true]")).to_have_attribute("data-id", OLD)


def test_runs_come_and_go(tmp_path: Path, start_server: Any, open_page: Any, complaints: Any) -> None:
    """A run that could not be deleted stays shown, one that comes redraws nothing, one that is deleted has gone."""
    save_two(tmp_path / "data")
    server = start_server()
    complaints.expected = ("ERR_FAILED",)
    page: Page = open_page(f"{server.url}/lab?run={OLD}")
    expect(page.locator(".lab-runs li")).to_have_count(2)
    page.route(f"**/api/v1/lab/runs/{OLD}", lambda route: route.abort())
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    undeleted = page.get_by_text("The run is not deleted: the server could not be reached.")
    expect(undeleted).to_be_visible()
    expect(page).to_have_url(f"{server.url}/lab?run={OLD}")
    expect(page.locator("[data-ref=title]")).to_contain_text("Run of 22 Nov")
    # Another run comes, and the list is read anew: it is told still, until something else is asked for.
    cell = page.locator(".lab-table tbody tr").first
    cell.evaluate("(row) => row.setAttribute('data-same', '')")
    order: dict[str, Any] = {"models": ["epoll"], "idle": [0], "seconds": 0.2, "repeats": 1}
    assert requests.post(server.url + "/api/v1/lab/runs", json=order, timeout=DEADLINE_S).status_code == 202
    expect(page.locator(".lab-runs li")).to_have_count(3)
    expect(undeleted).to_be_visible()
    expect(cell).to_have_attribute("data-same", "")
    page.locator(f".lab-runs a[data-id='{NEW}']").click()
    expect(page.locator("[data-ref=title]")).to_contain_text("Run of 23 Nov")
    expect(undeleted).to_be_hidden()
    page.get_by_role("button", name="Delete").click()
    expect(page.locator(".lab-runs li")).to_have_count(2)


def downloads(page: Page, kind: str) -> None:
    """A click downloads the run."""
    with page.expect_download() as download:
        page.get_by_role("link", name=kind, exact=True).click()
    assert download.value.suggested_filename == f"echoscope-lab-{NEW}.{kind.lower()}"


def test_a_visit(measured: Any, open_page: Any) -> None:
    """Of the results of a run beside another: every width, what axe finds, and the downloads."""
    page: Page = open_page(f"{measured.url}/lab?run={NEW}&to={OLD}")
    expect(page.locator(".lab-table tbody tr").first).to_be_visible()
    page.locator(".lab-order summary").click()
    expect(page.get_by_text("measurements, about")).to_be_visible()
    fits_every_width(page)
    page.set_viewport_size({"width": 1440, "height": 900})
    assert_accessible(page)
    for kind in ("CSV", "JSON"):
        downloads(page, kind)


def test_a_lab_that_cannot_be_asked_is_asked_again(quiet: Any, open_page: Any, complaints: Any) -> None:
    complaints.expected = ("ERR_FAILED",)
    page: Page = open_page(quiet.url + "/lab", routes={"**/api/v1/lab?": lambda route: route.abort()})
    expect(page.get_by_text("The lab can't be asked: the server could not be reached.")).to_be_visible()
    expect(page.locator("[data-ref=order]")).to_be_visible()
    page.locator(".lab-order summary").click()
    page.get_by_label("Repeats", exact=True).fill("7")
    page.unroute_all()
    expect(page.get_by_text("measurements, about")).to_be_visible()
    expect(page.locator("[data-ref=absent]")).to_be_hidden()
    expect(page.get_by_label("Repeats", exact=True)).to_have_value("7")
    expect(page.get_by_label("Idle connections", exact=True)).not_to_be_empty()


def test_a_replay_has_no_lab(start_server: Any, open_page: Any, complaints: Any, tmp_path: Path) -> None:
    complaints.expected = ("409",)
    save_two(tmp_path / "data")
    start_server().stop()
    replay = start_server("--replay", str(tmp_path / "data"), ready=False)
    assert replay.process.stdout is not None
    url = replay.process.stdout.readline().split()[1]
    page: Page = open_page(url + "/lab")
    expect(page.locator("[data-ref=absent]")).to_contain_text("there is no lab here")
