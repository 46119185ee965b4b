"""From what a client does to the pixel that shows it."""

import random
import socket
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from playwright.sync_api import Browser

from bench.chromium import Tab, tab
from bench.processes import HOST, Echoscope, wait_for

PAUSE_S: Final = 0.3
"""Between two samples at most: at random, so that they fall anywhere between two frames of the server."""

# A message that the page sends itself while it changes its tree arrives once that change has been painted.
_WATCH: Final = """selector => {
  const {port1, port2} = new MessageChannel();
  port1.onmessage = () => { if (!window.shownAt) window.shownAt = performance.timeOrigin + performance.now(); };
  const node = document.querySelector(selector);
  new MutationObserver(() => port2.postMessage(0)).observe(node, {childList: true, subtree: true, characterData: true});
}"""


def delays(watched: Tab, selector: str, act: Callable[[], Any], samples: int) -> list[float]:
    """Milliseconds from before each `act` until the element had changed on the screen."""
    page = watched.page
    page.evaluate(_WATCH, selector)
    offset = watched.clock_offset()
    found = []
    for _ in range(samples):
        time.sleep(random.uniform(0, PAUSE_S))
        page.evaluate("window.shownAt = 0")
        began = time.time()
        act()
        shown = float(watched.when("window.shownAt")) / 1000
        found.append((shown - offset - began) * 1000)
    return found


def opened(browser: Browser, server: Echoscope, samples: int) -> list[float]:
    """A connection that is opened, until the Overview has counted it."""
    sockets: list[socket.socket] = []
    with tab(browser, server.url) as watched:
        wait_for(lambda: watched.page.locator("[data-ref=accepted]").inner_text() != "–", "the Overview's figures")
        try:
            return delays(watched, "[data-ref=accepted]", lambda: sockets.append(_connect(server)), samples)
        finally:
            for one in sockets:
                one.close()


def echoed(browser: Browser, server: Echoscope, samples: int) -> list[float]:
    """A message, until Events has its row."""
    with _connect(server) as client:
        client.sendall(b"first")
        client.recv(100)
        peer = "{}:{}".format(*client.getsockname())
        with tab(browser, f"{server.url}/events?q={quote(f'peer:{peer}')}") as watched:
            watched.page.wait_for_selector("tbody tr")

            def echo() -> None:
                client.sendall(b"x")
                client.recv(100)

            return delays(watched, "tbody", echo, samples)


def _connect(server: Echoscope) -> socket.socket:
    return socket.create_connection((HOST, server.port), 10)
