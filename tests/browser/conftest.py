"""Fixtures: one Chromium for all browser tests, and pages that must stay without an error."""

import os
import re
import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import pytest
from conftest import Server, StartServer, serving
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Route, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from waiting import DEADLINE_S, wait_until

from .chromium import FLAGS, program

DEADLINE_MS = 1000 * DEADLINE_S * 3 / 4
"""Sooner than the deadline of the test around it."""
AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"

MOUNTED = "() => document.body.dataset.link !== 'connecting' || !document.querySelector('script[src*=\"/js/main.\"]')"

OpenPage = Callable[..., Page]

expect.set_options(timeout=DEADLINE_MS)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser: that of ECHOSCOPE_CHROMIUM, or the machine's own."""
    path = program()
    assert path, "no Chromium: run `make test`, or set ECHOSCOPE_CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def address() -> Callable[[str], tuple[str, ...]]:
    """Options for the address of the servers with that name, one after the other.

    The same each time, so that the browser still has the scripts that it had from the last one; nobody else listens
    at it, since it is made from the number of this process.
    """
    host = "127." + ".".join(map(str, os.getpid().to_bytes(3)))
    ports: dict[str, str] = {}

    def options(name: str) -> tuple[str, ...]:
        if name not in ports:
            with socket.create_server((host, 0)) as listener:
                ports[name] = str(listener.getsockname()[1])
        return ("--host", host, "--port", ports[name])

    return options


@pytest.fixture
def start_server(start_server: StartServer, address: Callable[[str], tuple[str, ...]]) -> StartServer:
    """As everywhere, at the one address: a test has one of them at a time."""
    return lambda *options, **more: start_server(*address("server"), *options, **more)


GONE = ("net::ERR_", "WebSocket")
"""What the browser complains of once the server has gone, at whatever it was doing."""


class Told:
    """Keeps what an element says from now on: what is told for a while only may be gone before a busy machine looks."""

    def __init__(self, locator: Locator) -> None:
        self._node = locator.element_handle()
        self._page = locator.page
        self._node.evaluate(
            """(node) => {
              node.told = [node.textContent];
              const keep = () => node.told.push(node.textContent);
              new MutationObserver(keep).observe(node, { childList: true, characterData: true, subtree: true });
            }"""
        )

    def wait_for(self, text: str) -> None:
        """Wait until it says that, or has said it."""
        said = "([node, text]) => node.told.some((one) => one.includes(text))"
        self._page.wait_for_function(said, arg=[self._node, text])

    def said(self) -> list[str]:
        """All that it has said so far."""
        texts: list[str] = self._node.evaluate("(node) => node.told")
        return texts


class Complaints:
    """What the browser complains of: errors on the console, uncaught ones, breaches of the security policy."""

    def __init__(self) -> None:
        self.list: list[str] = []
        self.console: list[str] = []
        self.expected: tuple[str, ...] = ()

    def watch(self, page: Page) -> None:
        """Collect what this page says."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.list.append(f"uncaught: {error}"))

    def _console(self, message: ConsoleMessage) -> None:
        self.console.append(f"{message.type}: {message.text}")
        if message.type in ("error", "warning"):
            self.list.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def unexpected(self) -> list[str]:
        """All but those that the test said would come."""
        return [text for text in self.list if not any(part in text for part in self.expected)]


SEEN = pytest.StashKey[tuple[list[Page], Complaints, Path]]()
"""Of a test: the pages it has opened, what they said, and where their pictures go."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds to the report of a test that failed what its pages looked like then, and what their consoles said."""
    report = yield
    if report.failed and report.when == "call" and SEEN in item.stash:
        pages, found, folder = item.stash[SEEN]
        lines = [_picture(page, folder / f"page-{number}.png") for number, page in enumerate(pages, start=1)]
        report.sections.append(("pages", "\n".join([*lines, *found.console, *found.list])))
    return report


def _picture(page: Page, path: Path) -> str:
    """Where a picture of the page is now, or why there is none."""
    try:
        page.screenshot(path=path, timeout=5000)
    except PlaywrightError as error:
        return f"{page.url}: no picture: {error.message}"
    return f"{page.url}: {path}"


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """Fails the test when a page has complained; a test may name complaints that it provokes."""
    found = Complaints()
    yield found
    assert found.unexpected() == []


@pytest.fixture(scope="session")
def shared_context(chromium: Browser) -> Iterator[BrowserContext]:
    """Where pages are opened that ask for nothing else: a context costs as much as two pages in one that is warm."""
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture(scope="session")
def forget(shared_context: BrowserContext) -> Callable[[str], object]:
    """Empties the storage of an origin."""
    debugger = shared_context.new_cdp_session(shared_context.new_page())
    return lambda origin: debugger.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})


@pytest.fixture
def open_page(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    chromium: Browser,
    shared_context: BrowserContext,
    forget: Callable[[str], object],
    complaints: Complaints,
) -> Iterator[OpenPage]:
    """Open an address with an empty storage: `open_page(url, width=1440, height=900, theme="light")`.

    `routes` answers requests in place of the server: pattern of the address -> handler. With `options`, or
    where they are asked for, the page has a context of its own.
    """
    contexts: list[BrowserContext] = []
    pages: list[Page] = []
    origins = set()
    request.node.stash[SEEN] = pages, complaints, tmp_path

    def open_one(
        url: str,
        width: int = 1440,
        height: int = 900,
        theme: Literal["light", "dark"] = "light",
        routes: dict[str, Callable[[Route], None]] | None = None,
        is_alone: bool = False,
        **options: Any,
    ) -> Page:
        context = shared_context
        if options or is_alone:
            context = chromium.new_context(**options)
            contexts.append(context)
        page = context.new_page()
        pages.append(page)
        origins.add("/".join(url.split("/", 3)[:3]))
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=theme)
        page.set_default_timeout(DEADLINE_MS)
        complaints.watch(page)
        for pattern, handler in (routes or {}).items():
            page.route(pattern, handler)
        if re.search(r"/connections/\d+$", url):
            # A peer has its reply a moment before the record knows of the connection.
            wait_until(lambda: context.request.get(url).status != 404, f"{url} is known")
        page.goto(url)
        # Its controls do nothing before its modules have come; what it shows by then is for the test to wait for.
        page.wait_for_function(MOUNTED)
        return page

    yield open_one
    for context in contexts:
        context.close()
    for page in pages:
        page.close()
    for origin in origins:
        forget(origin)


class Client:
    """A client of the echo server that can be slow on purpose."""

    def __init__(self, address: tuple[str, int], receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(address)

    def echo(self, message: bytes) -> bytes:
        """Send and take the whole reply (27 bytes of stamp, then the message)."""
        self.socket.sendall(message)
        reply = b""
        while len(reply) < len(message) + 27:
            reply += self.socket.recv(65536)
        return reply

    def flood(self, server: Any) -> None:
        """Send until the server has stopped reading, reading nothing."""
        query = "state:paused peer:{}:{}".format(*self.socket.getsockname())
        self.socket.settimeout(0.1)

        def is_paused() -> bool:
            with suppress(TimeoutError):
                while True:
                    self.socket.sendall(b"f" * 65536)
            return bool(server.json("/api/v1/connections", q=query)["matched"])

        wait_until(is_paused, "the server stops reading")
        self.socket.settimeout(DEADLINE_S)


@contextmanager
def clients() -> Iterator[Callable[..., Client]]:
    """Connects clients, which are closed at the end."""
    connected: list[Client] = []

    def one(address: tuple[str, int], receive_buffer: int | None = None) -> Client:
        connected.append(Client(address, receive_buffer))
        return connected[-1]

    try:
        yield one
    finally:
        for client in connected:
            client.socket.close()


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Connect clients that are closed after the test."""
    with clients() as one:
        yield one


@pytest.fixture(scope="session")
def quiet(tmp_path_factory: pytest.TempPathFactory, nursery: Any, address: Callable[..., Any]) -> Iterator[Server]:
    """A server without clients, for tests that only look."""
    with serving(tmp_path_factory.mktemp("quiet"), nursery, *address("quiet")) as server:
        yield server


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory, nursery: Any, address: Callable[..., Any]) -> Iterator[Server]:
    """For tests that only look: connection 1 has echoed, 2 takes nothing and is paused, 3 has gone.

    One a module: charts show the last five minutes.
    """
    with serving(tmp_path_factory.mktemp("busy"), nursery, *address("busy")) as server, clients() as connect:
        connect(server.echo).echo(b"hello")
        connect(server.echo, receive_buffer=4096).flood(server)
        gone = connect(server.echo)
        gone.echo(b"x")
        gone.socket.close()
        wait_until(lambda: server.json("/api/v1/status")["connections"]["closed"], "the third has gone")
        yield server


MANY = 60


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory, nursery: Any, address: Callable[..., Any]) -> Iterator[Server]:
    """For tests that only look: MANY connections, more than a page holds; all but the first have said nothing."""
    with serving(tmp_path_factory.mktemp("many"), nursery, *address("many")) as server, clients() as connect:
        connect(server.echo).echo(b"x")
        for _ in range(MANY - 1):
            connect(server.echo)
        wait_until(lambda: server.json("/api/v1/status")["connections"]["open"] == MANY, "all are connected")
        yield server


def wait_on(page: Page, condition: Callable[[], Any], what: str) -> Any:
    """As `wait_until`, while the page goes on and its requests are handled."""
    return wait_until(lambda: condition() or page.wait_for_timeout(10), what, pause_s=0)


def live(page: Page) -> Page:
    """The page once it is live."""
    expect(page.locator("[data-ref=linkText]")).to_have_text("live")
    return page
