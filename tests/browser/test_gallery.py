"""The gallery: every component in each of its states, without a server behind it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import ROOT, Server
from playwright.sync_api import Page, expect

from .conftest import AXE

COMPONENTS = re.findall(r"^  (\w+): \"", (ROOT / "static/js/gallery/components.js").read_text(), re.MULTILINE)
# The pages themselves are tested for what goes beyond WCAG: here they are parts of a page of many headings.
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where it is: one server for all that is looked at."""
    data = tmp_path_factory.mktemp("data")
    server = Server(["app.py", "serve", "--gallery", "--port", "0", "--echo-port", "0", "--data-dir", str(data)])
    yield server.wait_ready().url + "/gallery"
    server.close()


def open_states(page: Page) -> None:
    """Wait until every state is shown."""
    expect(page.locator("#gallery-states")).to_have_attribute("data-ready", "true")
    stages = page.locator(".stage")
    expect(stages).not_to_have_count(0)
    expect(page.locator(".stage:not([data-mounted])")).to_have_count(0)


def violations(page: Page) -> list[str]:
    page.evaluate(AXE.read_text())
    options = json.dumps({"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]})
    found = page.evaluate(f"async () => (await axe.run(document, {options})).violations")
    return [f"{item['id']}: {node['html'][:160]} {node['failureSummary']}" for item in found for node in item["nodes"]]


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_state_is_mounted_and_accessible_in_both_themes(gallery: str, open_page: Any, component: str) -> None:
    page = open_page(f"{gallery}/{component}")
    open_states(page)
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page) == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_state_fits_a_telephone(gallery: str, open_page: Any, component: str) -> None:
    page = open_page(f"{gallery}/{component}", width=360)
    open_states(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert violations(page) == []


def test_a_link_leads_to_one_state(gallery: str, open_page: Any) -> None:
    page = open_page(f"{gallery}/histogram#reading")
    open_states(page)
    state = page.locator("#reading")
    expect(state).to_be_in_viewport()
    expect(state.get_by_text("so far")).to_be_visible()
    page.get_by_role("link", name="Chart", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Chart")


def test_an_unknown_component_is_said(gallery: str, open_page: Any) -> None:
    page = open_page(f"{gallery}/nonsense")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no component “nonsense”")


def test_no_gallery_unless_it_is_asked_for(server: Any) -> None:
    assert server.get("/gallery").status_code == 404
    assert server.get("/gallery/chart").status_code == 404
