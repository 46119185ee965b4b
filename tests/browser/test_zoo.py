"""The zoo on the Lab page: an animal is let out, watched, judged; by keyboard, in both themes, with clear errors."""

from typing import Any

from playwright.sync_api import Page, Route, expect

from .conftest import GONE, Told, wait_on
from .test_every_page import assert_accessible, fits_every_width


def card(page: Page, title: str) -> Any:
    """The card of an animal."""
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=title, exact=True))


def test_an_animal_is_let_out_watched_and_judged(server: Any, open_page: Any) -> None:
    page = open_page(server.url + "/lab")
    expect(page.locator(".zoo-card")).to_have_count(11)
    expect(page.locator("[data-ref=zooSum]")).to_have_text("11 animals, none has been out yet")
    reader = card(page, "Never reads")
    expect(reader.get_by_role("link")).to_have_attribute("href", "/connections?q=state:blocked,paused")
    reader.get_by_label("seconds").fill("15")
    reader.get_by_role("button", name="Let out").click()
    expect(reader).to_have_attribute("data-out", "true")
    expect(reader.get_by_text("The peer is not reading:")).to_be_visible()
    expect(reader.get_by_role("link", name="connection 1")).to_have_attribute("href", "/connections/1")
    expect(reader.get_by_role("link", name="its own page")).to_have_attribute("href", "/connections/1")
    expect(card(page, "One huge burst").get_by_role("button", name="Let out")).to_be_disabled()
    expect(reader.get_by_text("As expected: 7 of 7")).to_be_visible()
    expect(reader.get_by_role("link", name="its own page")).to_have_attribute("href", "/connections/1")
    expect(reader.get_by_role("link", name="its post-mortem")).to_be_visible()
    reader.get_by_text("As expected").click()
    expect(reader.get_by_text("close reason", exact=True)).to_be_visible()
    reader.get_by_role("link", name="its events").click()
    expect(page.locator("tbody tr").first).to_be_visible()
    expect(page.locator("#q")).to_have_value("conn:1")


def test_it_is_called_back_by_keyboard(server: Any, open_page: Any) -> None:
    page = open_page(server.url + "/lab")
    silent = card(page, "Opens and says nothing")
    silent.get_by_label("connections").focus()
    page.keyboard.press("Enter")
    button = silent.get_by_role("button", name="Call back")
    expect(button).to_be_visible()
    expect(silent.get_by_role("progressbar")).to_be_visible()
    button.focus()
    page.keyboard.press("Enter")
    expect(silent.get_by_text("Called back before its end: nothing was checked")).to_be_visible()
    expect(silent.get_by_role("button", name="Let out")).to_be_focused()


def test_a_double_click_is_one_order(server: Any, open_page: Any) -> None:
    orders: list[str] = []

    def order(route: Route) -> None:
        orders.append(route.request.method)
        route.continue_()

    page = open_page(server.url + "/lab", routes={"**/api/v1/zoo/*": order, "**/api/v1/zoo": order})
    silent = card(page, "Opens and says nothing")
    silent.get_by_role("button", name="Let out").dblclick()
    expect(silent.get_by_role("button", name="Call back")).to_be_enabled()
    assert orders == ["POST"]


def test_an_older_answer_does_not_undo_a_newer_one(server: Any, open_page: Any) -> None:
    held: list[Route] = []
    page = open_page(server.url + "/lab")
    silent = card(page, "Opens and says nothing")
    button = silent.get_by_role("button", name="Let out")
    expect(button).to_be_enabled()
    none_is_out = page.request.get(server.url + "/api/v1/zoo").text()
    page.route("**/api/v1/zoo?", lambda route: held.append(route))
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    button.click()
    for count in (1, 2):
        wait_on(page, lambda count=count: len(held) >= count, f"question {count}")
    held[1].continue_()
    expect(silent).to_have_attribute("data-out", "true")
    with page.expect_response("**/api/v1/zoo?"):
        held[0].fulfill(body=none_is_out, content_type="application/json")
    page.evaluate("() => new Promise((done) => setTimeout(done))")
    assert silent.get_attribute("data-out") == "true"


def test_axe_finds_nothing_while_one_is_out(server: Any, open_page: Any) -> None:
    page = open_page(server.url + "/lab")
    swift = card(page, "Half-closes at once")
    swift.get_by_label("seconds").fill("2")
    swift.get_by_role("button", name="Let out").click()
    expect(swift.get_by_text("As expected: 7 of 7")).to_be_visible()
    swift.get_by_text("As expected").click()
    silent = card(page, "Opens and says nothing")
    silent.get_by_role("button", name="Let out").click()
    expect(silent.get_by_text("Silent: it connected")).to_be_visible()
    fits_every_width(page)
    page.set_viewport_size({"width": 1440, "height": 900})
    assert_accessible(page)


def test_a_refusal_is_said_on_the_card(quiet: Any, open_page: Any, complaints: Any) -> None:
    complaints.expected = ("409",)
    problem = '{"detail": "lab run 3 has been running since 14:00:00 UTC"}'
    answer = {"status": 409, "content_type": "application/problem+json", "body": problem}
    page = open_page(quiet.url + "/lab", routes={"**/api/v1/zoo/*": lambda route: route.fulfill(**answer)})
    burst = card(page, "One huge burst")
    note = burst.locator(".error-note")
    said = Told(note)
    burst.get_by_role("button", name="Let out").click()
    said.wait_for("lab run 3 has been running since")
    expect(note).to_be_empty()


def test_an_order_that_does_not_reach_the_server_says_so(server: Any, open_page: Any, complaints: Any) -> None:
    complaints.expected = GONE
    page = open_page(server.url + "/lab", routes={"**/api/v1/zoo/*": lambda route: route.abort()})
    burst = card(page, "One huge burst")
    note = burst.locator(".error-note")
    said = Told(note)
    burst.get_by_role("button", name="Let out").click()
    said.wait_for("the server could not be reached")
    expect(note).to_be_empty()
    server.stop()
    expect(page.get_by_text("The zoo can't be asked: the server could not be reached.")).to_be_visible()
    expect(burst.get_by_role("button", name="Let out")).to_be_disabled()


def test_trouble_is_said_above_all(quiet: Any, open_page: Any, complaints: Any) -> None:
    complaints.expected = ("500",)
    answer = {"status": 500, "content_type": "application/problem+json", "body": '{"detail": "the server failed"}'}
    page = open_page(quiet.url + "/lab", routes={"**/api/v1/zoo?": lambda route: route.fulfill(**answer)})
    expect(page.get_by_role("alert").filter(has_text="The zoo can't be asked: the server failed.")).to_be_visible()
