"""The Loop page: turns as they happen, the live switch, the kernel's table."""

import re
from typing import Any

import requests
from playwright.sync_api import Page, expect
from waiting import DEADLINE_S, wait_until

from .conftest import GONE, MANY, Told

PLACES = """["go", "known"].map((ref) => {
  const { x, y } = document.querySelector(`[data-ref=${ref}]`).getBoundingClientRect();
  return [x, y - document.querySelector("main").getBoundingClientRect().y];
})"""


def test_turns_are_shown_and_one_can_be_asked_about(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    client.echo(b"hello")
    page = open_page(server.url + "/loop")
    expect(page.locator("[data-ref=turns]")).not_to_have_text("–")
    expect(page.locator("[data-ref=sets] li")).not_to_have_count(0)
    expect(page.locator("[data-ref=wait_us_p99]")).not_to_have_text("–")
    chart = page.locator("canvas.turn-chart")
    chart.focus()
    page.keyboard.press("ArrowLeft")
    told = page.locator("[data-ref=told]")
    expect(told).to_contain_text("waited")
    newest = told.text_content() or ""
    client.echo(b"another turn")
    # The chart goes on, and what is told stays with its turn; the keys reach those that have come since.
    page.wait_for_function(
        """([chart, told, newest]) => {
          const press = (key) => chart.dispatchEvent(new KeyboardEvent("keydown", { key }));
          if (told.textContent !== newest) throw new Error(`${told.textContent} in place of ${newest}`);
          press("ArrowRight");
          const later = told.textContent;
          if (later !== newest) press("ArrowLeft");
          return later !== newest;
        }""",
        arg=[chart.element_handle(), told.element_handle(), newest],
    )
    expect(told).to_have_text(newest)
    page.keyboard.press("Home")
    expect(told).not_to_have_text(newest)
    page.keyboard.press("Escape")
    expect(told).to_have_text("")
    chart.hover()
    expect(told).to_contain_text("looked at")
    page.mouse.move(5, 5)
    one_that_was_pushed_out_can_be_read_on(page, client)
    the_time_of_a_turn_is_divided(page, client)


def one_that_was_pushed_out_can_be_read_on(page: Page, client: Any) -> None:
    expect(page.locator("[data-ref=turnsNote]")).not_to_be_empty()
    page.locator("canvas.turn-chart").focus()
    page.keyboard.press("Home")
    told = page.locator("[data-ref=told]")
    expect(told).to_contain_text("looked at")
    words = told.text_content() or ""
    for _ in range(300):  # more turns than the chart has columns
        client.echo(b"x")
    expect(told).to_have_text(f"{words} · the chart is held: newer turns are shown when you leave it or press Esc")
    page.keyboard.press("End")
    expect(told).not_to_contain_text("held")
    expect(told).not_to_contain_text(words)
    page.keyboard.press("Escape")


def the_time_of_a_turn_is_divided(page: Page, client: Any) -> None:
    share = page.locator("[data-phase=write] td").first

    def measured() -> bool:
        client.echo(b"hello")
        page.wait_for_timeout(50)  # a turn every 20 ms is measured
        return "%" in (share.text_content() or "")

    wait_until(measured, "a turn that was measured")
    expect(page.get_by_role("img", name="Of the last ten seconds: wait")).to_be_visible()
    page.get_by_role("button", name="measured").click()
    expect(page).to_have_url(re.compile(r"/loop\?turns=measured$"))
    page.locator("canvas.turn-chart").focus()
    page.keyboard.press("End")
    expect(page.locator("[data-ref=told]")).to_contain_text("worked")
    page.reload()
    expect(page.get_by_role("button", name="measured")).to_have_attribute("aria-pressed", "true")


def test_the_kernels_table_agrees(many: Any, open_page: Any) -> None:
    page = open_page(many.url + "/loop")
    expect(page.locator("[data-ref=watched]")).to_have_text(str(MANY + 2))
    expect(page.locator("[data-ref=believed]")).to_have_text(str(MANY + 2))
    expect(page.get_by_text("They agree.")).to_be_visible()


def test_the_model_is_switched_under_a_connection(server: Any, open_page: Any, connect: Any, complaints: Any) -> None:
    """At every width, and what is told of it moves nothing."""
    complaints.expected = ("409",)
    client = connect(server.echo)
    page = open_page(server.url + "/loop")
    button, note = page.get_by_role("button", name="Switch"), page.locator("[data-ref=switched]")
    expect(button).to_be_enabled()
    for width, model in ((390, "poll"), (768, "epoll-et"), (1440, "select")):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(f"() => innerWidth === {width}")
        places = page.evaluate(PLACES)
        for wanted, told in ((model, f"{model} since"), ("threads", "has no poller")):
            page.get_by_label("Model").select_option(wanted)
            button.click()
            expect(note).to_contain_text(told)
            assert page.evaluate(PLACES) == places
            assert client.echo(b"x").endswith(b"x")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.get_by_text("This model keeps no table in the kernel.")).to_be_visible()


def _switch(server: Any, model: str) -> None:
    assert requests.post(server.url + "/api/v1/model", json={"model": model}, timeout=DEADLINE_S).status_code == 200


def test_a_choice_outlasts_a_switch_by_someone_else(server: Any, open_page: Any, connect: Any) -> None:
    page = open_page(server.url + "/loop")
    choice = page.get_by_label("Model")
    expect(choice).to_have_value("epoll")
    choice.select_option("select")
    for model in ("poll", "epoll-et"):
        _switch(server, model)
        told = "They agree." if model == "epoll-et" else "This model keeps no table in the kernel."
        expect(page.get_by_text(told)).to_be_visible()
        expect(choice).to_have_value("select")
    choice.select_option("epoll-et")
    _switch(server, "poll")
    expect(choice).to_have_value("poll")


def test_a_switch_that_does_not_reach_the_server_says_so(server: Any, open_page: Any, complaints: Any) -> None:
    complaints.expected = GONE
    page = open_page(server.url + "/loop", routes={"**/api/v1/model": lambda route: route.abort()})
    button, note = page.get_by_role("button", name="Switch"), page.locator("[data-ref=switched]")
    said = Told(note)
    button.click()
    said.wait_for("the server could not be reached")
    expect(note).to_be_empty()
    server.stop()
    expect(button).to_be_disabled()


def test_each_worker_has_a_loop(start_server: Any, open_page: Any) -> None:
    server = start_server("--workers", "2")
    page = open_page(server.url + "/loop?worker=2")
    expect(page.get_by_role("button", name="worker 2")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="worker 1").click()
    expect(page.get_by_role("button", name="worker 1")).to_have_attribute("aria-pressed", "true")
    expect(page).to_have_url(server.url + "/loop?worker=1")
    expect(page.locator("[data-ref=queue]")).to_have_text("0")


def test_a_model_without_a_loop_says_so(start_server: Any, open_page: Any) -> None:
    page = open_page(start_server("--model", "threads").url + "/loop")
    expect(page.get_by_text("The model threads has no loop to show")).to_be_visible()
