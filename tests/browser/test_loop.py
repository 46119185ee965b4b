"""The Loop page: turns as they happen, the live switch, the kernel's table."""

from typing import Any

from playwright.sync_api import expect


def test_turns_are_shown_and_one_can_be_asked_about(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    page = open_page(server.url + "/loop")
    client.echo(b"hello")
    expect(page.locator("[data-ref=turns]")).not_to_have_text("–")
    expect(page.locator("[data-ref=sets] li")).not_to_have_count(0)
    expect(page.locator("[data-ref=wait_us_p99]")).not_to_have_text("–")
    chart = page.locator("canvas.turn-chart")
    chart.focus()
    page.keyboard.press("ArrowLeft")
    told = page.locator("[data-ref=told]")
    expect(told).to_contain_text("waited")
    first = told.text_content()
    page.keyboard.press("Home")
    expect(told).not_to_have_text(first)
    page.keyboard.press("Escape")
    expect(told).to_have_text("")
    chart.hover()
    expect(told).to_contain_text("looked at")


def test_the_time_of_a_turn_is_divided(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    page = open_page(server.url + "/loop")
    share = page.locator("[data-phase=write] td").first
    for _ in range(100):
        client.echo(b"hello")
        if share.text_content() != "–":
            break
        page.wait_for_timeout(50)  # a turn every 20 ms is measured
    expect(share).to_contain_text("%")
    expect(page.get_by_role("img", name="Of the last ten seconds: wait")).to_be_visible()
    page.get_by_role("button", name="measured").click()
    expect(page).to_have_url(server.url + "/loop?turns=measured")
    page.locator("canvas.turn-chart").focus()
    page.keyboard.press("End")
    expect(page.locator("[data-ref=told]")).to_contain_text("worked")
    page.reload()
    expect(page.get_by_role("button", name="measured")).to_have_attribute("aria-pressed", "true")


def test_the_kernels_table_agrees(server: Any, open_page: Any, connect: Any) -> None:
    clients = [connect(server.echo) for _ in range(3)]
    for client in clients:
        client.echo(b"x")
    page = open_page(server.url + "/loop")
    expect(page.locator("[data-ref=watched]")).to_have_text("5")
    expect(page.locator("[data-ref=believed]")).to_have_text("5")
    expect(page.get_by_text("They agree.")).to_be_visible()


def test_the_model_is_switched_under_a_connection(server: Any, open_page: Any, connect: Any, complaints: Any) -> None:
    complaints.expected = ("409",)
    client = connect(server.echo)
    client.echo(b"one")
    page = open_page(server.url + "/loop")
    page.get_by_label("Model").select_option("poll")
    page.get_by_role("button", name="Switch").click()
    expect(page.locator("[data-ref=switched]")).to_contain_text("poll since")
    expect(page.get_by_text("This model keeps no table in the kernel.")).to_be_visible()
    assert client.echo(b"two").endswith(b"two")
    page.get_by_label("Model").select_option("threads")
    page.get_by_role("button", name="Switch").click()
    expect(page.locator("[data-ref=switched]")).to_contain_text("has no poller")
    assert client.echo(b"three").endswith(b"three")


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
