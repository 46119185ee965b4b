"""The page Orders: count, close, fault, take back, and the record of it all."""

from typing import Any

from playwright.sync_api import Route, expect
from waiting import wait_until

from .conftest import live


def test_what_a_filter_matches_is_counted_then_closed_and_recorded(server: Any, open_page: Any, connect: Any) -> None:
    clients = [connect(server.echo) for _ in range(2)]
    for client in clients:
        client.echo(b"hello")
    page = live(open_page(server.url + "/connections?q=bytes_in>0"))
    page.get_by_role("link", name="Close or fault these…").click()
    expect(page.get_by_role("textbox", name="Filter")).to_have_value("bytes_in>0")

    def one_comes_back_before_that_is_asked(route: Route) -> None:
        if "opened>" in (route.request.post_data or ""):
            connect(server.echo).echo(b"back again")
            wait_until(lambda: server.json("/api/v1/connections", q="bytes_in>9")["items"], "the one that came back")
        route.continue_()

    page.route("**/connections/close", one_comes_back_before_that_is_asked)
    give, said = page.get_by_role("button", name="Give the order"), page.locator("[data-ref=orderSaid]")
    expect(give).to_be_disabled()
    page.get_by_label("Reason, for the record").fill("<b>a test</b>")
    page.get_by_role("button", name="Count").click()
    expect(said).to_have_text("Matches 2 open connections.")
    give.click()
    expect(said).to_have_text("Closed 2 of 2. Open again 2 s later: 1.")
    row = page.locator("[data-ref=orders] tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("<b>a test</b>")
    expect(row).to_contain_text("done")
    page.get_by_role("textbox", name="Filter").fill("nonsense:1")
    expect(give).to_be_disabled()


def test_a_fault_is_let_loose_listed_and_taken_back(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    client.echo(b"hello")
    page = live(open_page(server.url + "/connections/1"))
    page.get_by_role("link", name="Close or fault…").click()
    page.locator("[name=what]").select_option("hold")
    page.get_by_role("button", name="Count").click()
    expect(page.locator("[data-ref=orderSaid]")).to_have_text("Touches 1 open connection now.")
    page.get_by_role("button", name="Give the order").click()
    armed = page.locator("[data-ref=armed] li")
    expect(armed).to_contain_text("hold on connection 1")
    expect(armed).to_contain_text("ends at")
    page.get_by_role("button", name="Take back fault").click()
    expect(armed).to_have_count(0)
    assert client.echo(b"again")
    expect(page.locator("[data-ref=orders] tbody tr")).to_have_count(2)


def test_a_refused_order_is_told_and_recorded(server: Any, open_page: Any, complaints: Any) -> None:
    complaints.expected = ("404",)
    page = live(open_page(server.url + "/orders?conn=99"))
    page.locator("[name=what]").select_option("hold")
    page.get_by_role("button", name="Count").click()
    expect(page.locator("[data-ref=orderSaid]")).to_have_text("no connection 99 is known")
    expect(page.get_by_role("button", name="Give the order")).to_be_disabled()
