"""The connection map on the Overview."""

import re
from typing import Any

from playwright.sync_api import Page, expect


def test_every_open_connection_has_a_cell_that_can_be_asked_and_opened(
    server: Any, open_page: Any, connect: Any
) -> None:
    page = open_page(server.url)
    card = page.locator("[data-ref=mapCard]")
    expect(card).to_be_hidden()
    clients = [connect(server.echo) for _ in range(3)]
    clients[0].echo(b"x")
    connect(server.echo, receive_buffer=4096).flood(server)
    expect(card).to_be_visible()
    expect(page.locator("[data-ref=mapTotal]")).to_have_text("4 connections")
    expect(page.locator("[data-ref=mapFull]")).to_have_text("1")
    who = page.locator("[data-ref=mapWho]")
    page.locator("canvas.map").hover(position={"x": 5, "y": 5})
    expect(who).to_contain_text("#1 ·")
    page.get_by_role("button", name="Queue").click()
    expect(page).to_have_url(server.url + "/?map=-queue_bytes")
    page.locator("canvas.map").focus()
    page.keyboard.press("Home")
    expect(who).to_contain_text("#4 ·")
    page.keyboard.press("Enter")
    expect(page).to_have_url(server.url + "/connections/4")
    page.goto(server.url)
    what_was_named_is_opened_though_its_place_is_another_by_then(page, clients[0])


def what_was_named_is_opened_though_its_place_is_another_by_then(page: Page, first: Any) -> None:
    expect(page.locator("[data-ref=mapTotal]")).to_have_text("4 connections")
    page.locator("canvas.map").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-ref=mapWho]")).to_contain_text("#2 ·")
    first.socket.close()
    expect(page.locator("[data-ref=mapTotal]")).to_have_text("3 connections")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/connections/2$"))
