"""Below a path: the pages, their links, the live updates and the downloads stay there."""

from typing import Any

from playwright.sync_api import expect


def test_a_visit_below_a_path(start_server: Any, open_page: Any, connect: Any) -> None:
    server = start_server("--base-path", "/echo")
    client = connect(server.echo)
    assert client.echo(b"hello").endswith(b"hello")
    page = open_page(f"{server.url}/echo")
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    expect(page.locator(".tile [data-ref=open]")).to_have_text("1")
    outside: list[str] = []
    page.on("request", lambda request: None if "/echo/" in request.url else outside.append(request.url))
    page.keyboard.press("2")
    expect(page).to_have_url(f"{server.url}/echo/connections")
    page.locator("tbody a").first.click()
    expect(page).to_have_url(f"{server.url}/echo/connections/1")
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    page.get_by_role("link", name="Open in Events").click()
    expect(page).to_have_url(f"{server.url}/echo/events?q=conn:1")
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    page.get_by_role("button", name="Download").first.click()
    with page.expect_download() as started:
        page.locator("dialog").get_by_role("button", name="Download").click()
    assert "/echo/api/v1/events/download" in started.value.url
    assert outside == []
    client.socket.close()
