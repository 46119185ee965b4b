"""Needs attention: who waits longer than the viewer allows, and what became of those who did."""

import re
from typing import Any

from playwright.sync_api import Page, expect

ITEMS = "[data-ref=attention] li"


def limit(page: Page, seconds: str, size: str) -> None:
    """Choose from which wait and which queue on a client is listed."""
    page.get_by_label("Listed from so long a wait on").select_option(seconds)
    page.get_by_label("Listed from so large a queue on").select_option(label=size)


def test_the_limits_are_kept_and_an_address_with_others_counts(many: Any, open_page: Any) -> None:
    page = open_page(many.url)
    calm = page.locator("[data-ref=calm]")
    expect(calm).to_have_text("Nothing waits longer than 2 s, and no queue holds 256 KiB.")
    limit(page, "30", "(size ignored)")
    expect(calm).to_have_text("Nothing waits longer than 30 s.")
    limit(page, "10", "(size ignored)")
    expect(page).to_have_url(re.compile("slow=10,0"))
    page.goto(many.url)
    expect(page.get_by_label("Listed from so long a wait on")).to_have_value("10")
    page.goto(many.url + "/?slow=60,65536")
    expect(page.get_by_label("Listed from so long a wait on")).to_have_value("60")
    expect(page.get_by_label("Listed from so large a queue on")).to_have_value("65536")


def test_a_slow_client_has_a_verdict_and_when_it_is_gone_its_end(server: Any, open_page: Any, connect: Any) -> None:
    """And the list goes on while one of its links has the focus."""
    clients = [connect(server.echo, receive_buffer=4096) for _ in range(2)]
    clients[0].flood(server)
    page = open_page(server.url)
    limit(page, "0.5", "64.0 KiB")
    item = page.locator(ITEMS)
    expect(item).to_have_count(1)
    expect(item).to_contain_text("The peer is not reading")
    expect(item.get_by_role("link")).to_have_attribute("href", "/connections/1")
    link = page.locator(ITEMS).get_by_role("link", name="#1", exact=True)
    link.focus()
    clients[1].flood(server)
    expect(page.locator(ITEMS)).to_have_count(2)
    expect(link).to_be_focused()
    clients[0].socket.close()
    expect(page.locator(ITEMS).last).to_contain_text("closed: reset")
    expect(page.locator(ITEMS).last.locator(".chip")).to_have_text("over")
    expect(page.locator(ITEMS)).to_contain_text(["#2", "#1"])
    expect(link).to_be_focused()


def test_a_jump_into_the_past_takes_nothing_of_the_present_along(busy: Any, open_page: Any) -> None:
    page = open_page(busy.url)
    limit(page, "0.5", "64.0 KiB")
    expect(page.locator(ITEMS)).to_have_count(1)
    slider = page.get_by_role("slider", name="Moment shown")
    expect(slider).to_be_enabled()
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator(".tile [data-ref=open]")).to_have_text("0")
    expect(page.locator(ITEMS)).to_have_count(0)
    expect(page.locator("[data-ref=calm]")).to_be_visible()
