"""How soon a page is of use, and what it takes over the wire."""

import statistics
from typing import Any, Final, NamedTuple

from playwright.sync_api import Browser

from bench.chromium import Tab, tab
from bench.processes import Echoscope

PAGES: Final = {
    "/": "[data-ref=mapCard]:not([hidden])",
    "/connections": "tbody tr",
    "/connections/1": "tbody tr",
    "/events": "tbody tr",
    "/loop": "tbody tr",
    "/lab": "h1",
}
"""Path and what is there once it shows something of the server."""

# Whether the first figures are there is looked at in each frame of the screen; a message sent in it arrives after its
# paint.
_SCRIPT: Final = """(() => {
  window.paints = {};
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.paints[entry.entryType] = entry.startTime;
  }).observe({type: 'largest-contentful-paint', buffered: true});
  const {port1, port2} = new MessageChannel();
  port1.onmessage = () => { window.paints.useful = performance.now(); };
  const look = () => {
    const figure = document.querySelector('[data-ref=headOpen]')?.textContent ?? '–';
    if (figure !== '–' && document.querySelector(SELECTOR)) port2.postMessage(0);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()"""


class Paint(NamedTuple):
    """Milliseconds from the navigation to the first and the largest contents and to live figures; bytes on the wire."""

    first: float
    largest: float
    useful: float
    size: int


def paints(browser: Browser, server: Echoscope, rounds: int) -> dict[str, list[Paint]]:
    """Of each page, `rounds` times with nothing cached."""
    found: dict[str, list[Paint]] = {path: [] for path in PAGES}
    for _ in range(rounds):
        for path, selector in PAGES.items():
            found[path].append(_paint(browser, server.url + path, selector))
    return found


def slowest(found: dict[str, list[Paint]], field: str) -> tuple[str, float]:
    """The page whose median of a field is the highest, and that median."""
    medians = {path: statistics.median(getattr(each, field) for each in one) for path, one in found.items()}
    path = max(medians, key=lambda path: medians[path])
    return path, medians[path]


def _paint(browser: Browser, url: str, selector: str) -> Paint:
    script = _SCRIPT.replace("SELECTOR", repr(selector))
    with tab(browser, script=script) as opened:
        size = _sizes(opened)
        opened.page.goto(url)
        opened.when("window.paints?.useful")
        first = opened.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
        shown = opened.page.evaluate("window.paints")
        return Paint(first, shown.get("largest-contentful-paint", first), shown["useful"], sum(size))


def _sizes(opened: Tab) -> list[int]:
    """Bytes of each answer as it came over the wire, head included; filled as they come."""
    sizes: list[int] = []

    def finished(event: dict[str, Any]) -> None:
        sizes.append(int(event["encodedDataLength"]))

    opened.on("Network.loadingFinished", finished)
    return sizes
