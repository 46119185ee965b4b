"""The Lab page: a run begun, followed, shown, compared, deleted; with the keyboard, in both themes, at every width."""

from pathlib import Path
from typing import Any

import pytest
import requests
from lab_runs import cannot, rates, run, sample
from playwright.sync_api import Page, expect

from core.lab.store import Store

from .test_every_page import violations

OLD, NEW = "20261122-120000-aaaa", "20261123-120000-bbbb"


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


@pytest.fixture
def measured(tmp_path: Path, start_server: Any) -> Any:
    """A server with two saved runs."""
    store = Store(tmp_path / "data" / "lab")
    for run_id, factor in ((OLD, 1.0), (NEW, 1.5)):
        made = run(samples(factor), run_id)
        store.save({**made, "began": f"2026-11-{run_id[6:8]}T12:00:00Z"})
    return start_server()


def test_from_the_first_run_to_its_results(server: Any, open_page: Any) -> None:
    page: Page = open_page(server.url + "/lab")
    expect(page.get_by_role("heading", name="Nothing has been measured yet")).to_be_visible()
    page.get_by_label("select", exact=True).uncheck()
    page.get_by_label("Idle connections", exact=True).fill("0, 1,000")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="whole numbers without grouping")).to_be_visible()
    for label, value in (
        ("Idle connections", "0 20"),
        ("Active connections", "5"),
        ("Seconds each", "0.2"),
        ("Repeats", "1"),
    ):
        page.get_by_label(label, exact=True).fill(value)
    expect(page.get_by_text("4 measurements, about")).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("progressbar", name="Measurements made")).to_be_visible()
    expect(page.locator("[data-ref=state]")).to_have_text("done", timeout=60_000)
    expect(page.locator(".lab-table tbody tr")).to_have_count(4)
    expect(page.locator(".lab-verdict li").filter(has_text="is fastest")).to_have_count(2)
    expect(page.locator("[data-metric=rate] canvas")).to_be_visible()
    assert "run=" in page.url


def test_a_run_is_cancelled_and_a_second_one_waits(server: Any, open_page: Any) -> None:
    order = {"models": ["epoll"], "idle": [0], "seconds": 30, "repeats": 1}
    assert requests.post(server.url + "/api/v1/lab/runs", json=order, timeout=20).status_code == 202
    page: Page = open_page(server.url + "/lab")
    expect(page.get_by_text("is under way")).to_be_visible()
    expect(page.get_by_text("0 of 1")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    expect(page.locator(".lab-runs")).to_contain_text("cancelled")


def test_a_link_shows_a_run_beside_another(measured: Any, open_page: Any) -> None:
    page: Page = open_page(f"{measured.url}/lab?run={NEW}&to={OLD}")
    expect(page.locator(".lab-table tbody tr").filter(has_text="epoll").first).to_contain_text("+50 %")
    expect(page.locator(".lab-verdict")).to_contain_text("poll's rate falls by 75 % from 0 to 10,000 idle connections.")
    expect(page.locator(".lab-verdict")).to_contain_text("blocking serves 1 of 100 active connections")
    expect(page.get_by_label("Compare with")).to_have_value(OLD)
    page.get_by_label("Compare with").select_option("")
    expect(page.get_by_text("+50 %")).to_have_count(0)
    assert "to=" not in page.url


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


def test_a_run_is_deleted_when_that_is_confirmed(measured: Any, open_page: Any) -> None:
    page: Page = open_page(f"{measured.url}/lab?run={NEW}")
    expect(page.locator(".lab-runs li")).to_have_count(2)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    expect(page.locator(".lab-runs li")).to_have_count(1)


@pytest.mark.parametrize("kind", ["CSV", "JSON"])
def test_downloads(measured: Any, open_page: Any, kind: str) -> None:
    page: Page = open_page(f"{measured.url}/lab?run={NEW}")
    with page.expect_download() as download:
        page.get_by_role("link", name=kind, exact=True).click()
    assert download.value.suggested_filename == f"echoscope-lab-{NEW}.{kind.lower()}"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(measured: Any, open_page: Any, theme: str) -> None:
    page: Page = open_page(f"{measured.url}/lab?run={NEW}&to={OLD}", theme=theme)
    expect(page.locator(".lab-table tbody tr").first).to_be_visible()
    page.locator(".lab-order summary").click()
    expect(page.get_by_text("measurements, about")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize("width", [360, 768, 1440, 3840])
def test_it_does_not_scroll_sideways(measured: Any, open_page: Any, width: int) -> None:
    page: Page = open_page(f"{measured.url}/lab?run={NEW}", width=width)
    expect(page.locator(".lab-table tbody tr").first).to_be_visible()
    page.locator(".lab-order summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_replay_has_no_lab(start_server: Any, open_page: Any, complaints: Any, measured: Any, tmp_path: Path) -> None:
    complaints.expected = ("409",)
    measured.stop()
    replay = start_server("--replay", str(tmp_path / "data"), ready=False)
    assert replay.process.stdout is not None
    url = replay.process.stdout.readline().split()[1]
    page: Page = open_page(url + "/lab")
    expect(page.locator("[data-ref=absent]")).to_contain_text("there is no lab here")
