"""A browser that looks at the dashboard, and what its debugger tells of it."""

import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from playwright.sync_api import Browser, CDPSession, Error, Page, sync_playwright

from bench.processes import BenchError

FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
WIDTH, HEIGHT = 1440, 900
PATIENCE_MS: Final = 30_000
_VIEW: Final = re.compile(r'\d+\["frame",\{"view":"(\w+)"')
_WHEN: Final = """(patience) => new Promise((done, fail) => {
  const end = performance.now() + patience;
  const look = () => {
    const value = EXPRESSION;
    if (value) done(value);
    else if (performance.now() > end) fail(new Error(`not in time: EXPRESSION`));
    else setTimeout(look, 5);
  };
  look();
})"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Without a window and without a graphics card: what it draws, the processor draws."""
    program = os.environ.get("ECHOSCOPE_CHROMIUM") or shutil.which("chromium")
    if program is None:
        raise BenchError("the browser's benchmark needs Chromium: run `make test`, or set ECHOSCOPE_CHROMIUM")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
            try:
                yield browser
            finally:
                browser.close()
    except Error as error:
        raise BenchError(f"Chromium: {str(error).splitlines()[0]}") from error


class Tab:
    """A page in a context of its own: nothing cached, nothing stored."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._debugger: CDPSession = page.context.new_cdp_session(page)
        self.frames: Counter[str] = Counter()
        """Frames of each view that have come."""
        self.on("Network.webSocketFrameReceived", self._count)
        # Before the page has a socket: of one that is open already nothing is told.
        self.ask("Network.enable")

    def ask(self, method: str, **parameters: Any) -> Any:
        """What the debugger answers (chromedevtools.github.io/devtools-protocol)."""
        return self._debugger.send(method, parameters)

    def on(self, event: str, task: Any) -> None:
        """Call `task` with each such event of the debugger."""
        self._debugger.on(event, task)

    def _count(self, event: dict[str, Any]) -> None:
        view = _VIEW.match(event["response"]["payloadData"])
        if view:
            self.frames[view[1]] += 1

    def heap(self) -> int:
        """Bytes of JavaScript objects that are in use, after everything else was collected."""
        for _ in range(2):
            self.ask("HeapProfiler.collectGarbage")
        return int(self.ask("Runtime.getHeapUsage")["usedSize"])

    def when(self, expression: str) -> Any:
        """The value of a JavaScript expression once it is true; the page's policy forbids Playwright's own way."""
        return self.page.evaluate(_WHEN.replace("EXPRESSION", expression), PATIENCE_MS)

    def clock_offset(self) -> float:
        """Seconds by which the page's clock is ahead of ours, as the quickest of some questions has it."""
        best = (1.0, 0.0)
        for _ in range(20):
            before = time.time()
            theirs = float(self.page.evaluate("performance.timeOrigin + performance.now()")) / 1000
            after = time.time()
            best = min(best, (after - before, theirs - (before + after) / 2))
        return best[1]


@contextmanager
def tab(browser: Browser, url: str = "", script: str = "") -> Iterator[Tab]:
    """Open a page; `script` runs in it before anything of its own."""
    with browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        if script:
            page.add_init_script(script)
        opened = Tab(page)
        if url:
            page.goto(url)
            page.wait_for_selector("body[data-link=live]")
        yield opened
