"""The gallery: every component in each of its states, without a server behind it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import ROOT, serving
from playwright.sync_api import Page, expect
from waiting import wait_until

from .conftest import AXE

WHOLE = sorted(path.stem for path in (ROOT / "static/js/views").glob("*/*.js") if path.stem == path.parent.name)
"""Components that are whole pages."""
# The pages themselves are tested for what goes beyond WCAG: here they are parts of a page of many headings.
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
UNEXPLAINED = (ROOT / "tests/browser/unexplained.js").read_text()
ROWS = 5
"""Of every table so many rows are looked at by axe: the others are like them."""


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory, nursery: Any, address: Any) -> Iterator[str]:
    """Where it is: one server for all that is looked at."""
    with serving(tmp_path_factory.mktemp("gallery"), nursery, "--gallery", *address("gallery")) as server:
        yield server.url + "/gallery"


def open_states(page: Page) -> None:
    """Wait until every state is shown."""
    page.locator("#gallery-states[data-ready] .stage").first.wait_for(state="attached")
    page.locator(".stage:not([data-mounted])").first.wait_for(state="detached")


def violations(page: Page, **options: Any) -> list[str]:
    """What axe finds, a line each."""
    wanted = json.dumps({"resultTypes": ["violations"], **options})
    found = page.evaluate(f"async () => (await axe.run(document, {wanted})).violations")
    return [f"{item['id']}: {node['html'][:160]} {node['failureSummary']}" for item in found for node in item["nodes"]]


def contrasts(page: Page) -> list[str]:
    return violations(page, runOnly={"type": "rule", "values": ["color-contrast"]})


def remove(page: Page, selector: str) -> None:
    page.evaluate("(selector) => document.querySelectorAll(selector).forEach((node) => node.remove())", selector)


@pytest.mark.timeout(400)  # the largest page there is, and axe looks at all of it three times
def test_every_state_of_every_component(gallery: str, open_page: Any) -> None:
    """One page with all of them: nothing on the console, nothing empty, unexplained or too wide, nothing for axe."""
    page = open_page(f"{gallery}/all")
    open_states(page)
    # What shows nothing says why.
    untold = page.locator(".shown-state:not(:has(.stage-note))")
    flat = "(all) => all.filter((one) => one.lastChild.clientHeight < 8).map(({ id }) => id)"
    # A canvas has its height once it has been painted.
    wait_until(lambda: untold.evaluate_all(flat) == [], lambda: f"nothing is flat: {untold.evaluate_all(flat)}")
    assert page.locator("#gallery-states").evaluate(UNEXPLAINED) == []
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.set_viewport_size({"width": 1440, "height": 900})
    page.evaluate(AXE.read_text())
    remove(page, f".stage tbody tr:nth-child(n + {ROWS + 1})")
    rules = {"color-contrast": {"enabled": False}}
    assert violations(page, runOnly={"type": "tag", "values": TAGS}, rules=rules) == []
    # The colours of whole pages are looked at where the pages are.
    remove(page, ", ".join(f"[id^='{name}-'].shown-state" for name in WHOLE))
    assert contrasts(page) == []
    page.emulate_media(color_scheme="dark")
    assert contrasts(page) == []


def test_a_link_leads_to_one_state_and_an_unknown_component_is_said(gallery: str, open_page: Any) -> None:
    page = open_page(f"{gallery}/histogram#reading")
    open_states(page)
    state = page.locator("#reading")
    expect(state).to_be_in_viewport()
    expect(state.get_by_text("so far")).to_be_visible()
    page.get_by_role("link", name="Chart", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Chart")
    page.goto(f"{gallery}/nonsense")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no component “nonsense”")


def test_no_gallery_unless_it_is_asked_for(quiet: Any) -> None:
    assert quiet.get("/gallery").status_code == 404
    assert quiet.get("/gallery/chart").status_code == 404
