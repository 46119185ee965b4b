"""The pipe of a connection, with real ones: quiet, never reading, half-closed, reset."""

import socket
import struct
from itertools import count
from typing import Any

from playwright.sync_api import Locator, Page, expect
from waiting import wait_until

PIECE = 1 << 20


def vessel(page: Page, name: str) -> Locator:
    """The words of a vessel: receive, queue or send."""
    return page.locator(f"[data-vessel={name}] .pipe-words")


def flow(page: Page, name: str) -> Locator:
    """What passes between two vessels: arrive, read, write or leave."""
    return page.locator(f"[data-flow={name}]")


def test_a_quiet_one_is_empty_and_what_it_says_flows(server: Any, open_page: Any, connect: Any) -> None:
    client = connect(server.echo)
    client.echo(b"hello")
    page = open_page(server.url + "/connections/1")
    expect(vessel(page, "receive")).to_contain_text("empty")
    expect(vessel(page, "queue")).to_contain_text("never used")
    expect(vessel(page, "send")).to_contain_text("0 B unsent · 0 B in flight")
    expect(page.locator(".pipe-end").last).to_contain_text("window")
    strip = flow(page, "read").locator(".pipe-track")
    expect(strip).to_have_attribute("data-flows", "false")
    moving = "node => node.getAnimations().map(({ playState }) => playState)"

    def moves() -> bool:
        client.echo(b"x" * 1000)
        return bool(strip.locator(".pipe-strip").evaluate(moving) == ["running"])

    wait_until(moves, "what it says flows")
    expect(strip).to_have_attribute("data-flows", "false")
    page.emulate_media(reduced_motion="reduce")
    flows = "node => [node.dataset.flows, ...node.firstElementChild.getAnimations().map(({ playState }) => playState)]"

    def flowing() -> Any:
        client.echo(b"x" * 1000)
        found = strip.evaluate(flows)
        return found[0] == "true" and found[1:]

    assert set(wait_until(flowing, "with reduced motion it stands still")) == {"paused"}


def test_a_peer_that_does_not_read_fills_it(busy: Any, open_page: Any) -> None:
    page = open_page(busy.url + "/connections/2")
    expect(vessel(page, "queue")).to_contain_text("full")
    expect(vessel(page, "send")).to_contain_text("once full, last")
    expect(flow(page, "read")).to_contain_text("reading is paused")
    expect(flow(page, "write")).to_contain_text("the send buffer is full")
    expect(flow(page, "leave")).to_contain_text("the peer's window is closed")
    fill = page.locator("[data-vessel=send] .pipe-fill")
    assert float(fill.get_attribute("height") or 0) > 60
    page.locator("[data-vessel=send] .pipe-name").focus()
    expect(page.locator("#tip")).to_contain_text("not acknowledged")
    for width in (360, 390, 768, 3840):
        page.set_viewport_size({"width": width, "height": 900})
        fits = "({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth"
        page.wait_for_function(f"() => innerWidth === {width} && ({fits})(document.querySelector('.pipe'))")


def test_one_that_stops_reading_and_is_reset(server: Any, open_page: Any, connect: Any) -> None:
    """What is suspicious among the facts is marked, and what it was when it ended stays."""
    client = connect(server.echo, 4096)
    client.echo(b"hello")
    page = open_page(server.url + "/connections/1")
    window = page.locator("tr:has([data-fact=snd_wnd])")
    expect(window).to_contain_text("the peer does not read")
    expect(window).not_to_have_attribute("data-suspect", "true")
    client.flood(server)
    expect(window).to_have_attribute("data-suspect", "true")
    expect(page.locator("[data-ref=kernelSuspects]")).to_contain_text("to look at")
    expect(vessel(page, "send")).to_contain_text("full")
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()
    expect(page.locator("[data-ref=pipeSaid]")).to_contain_text("just before the close")
    expect(vessel(page, "send")).to_contain_text("unsent")
    expect(flow(page, "leave")).to_contain_text("closed")
    page.reload()
    expect(page.locator("[data-ref=pipeSaid]")).to_contain_text("just before the close")


def at_bytes_in(server: Any, size: int) -> Any:
    """The first connection once so much of it has been read."""
    item = server.get("/api/v1/connections/1").json()
    return item if item["bytes_in"] == size else None


def test_one_that_has_ended_its_side(start_server: Any, open_page: Any, connect: Any) -> None:
    server = start_server("--high-water", "64MiB")
    client = connect(server.echo, 4096)
    page = open_page(server.url + "/connections/1")
    # Each piece has been read before the next: it stops at the first that is blocked, far from being paused.
    for sent in count(PIECE, PIECE):
        client.socket.sendall(b"y" * PIECE)
        item = wait_until(lambda sent=sent: at_bytes_in(server, sent), "a piece that has been read")
        if item["state"] != "open":
            break
    client.socket.shutdown(socket.SHUT_WR)
    expect(page.locator(".pipe-end").first).to_contain_text("has ended its side")
    expect(flow(page, "arrive")).to_contain_text("the peer has ended its side")


def test_the_past_shows_the_own_queue_alone(busy: Any, open_page: Any) -> None:
    page = open_page(busy.url + "/connections/1")
    expect(vessel(page, "receive")).to_contain_text("empty")
    page.locator("[data-ref=play]").click()
    expect(page.locator("[data-ref=pipeSaid]")).to_contain_text("only the server's own queue is recorded")
    expect(vessel(page, "receive")).to_contain_text("not known")
    expect(vessel(page, "queue")).to_contain_text("empty")
