"""Pictures of every page for docs/screenshots: `make screenshots`. Starts servers of its own, on free ports."""

import math
import random
import resource
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import requests
from playwright.sync_api import Browser, sync_playwright

from . import chromium

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "screenshots"
Address = tuple[str, int]
Theme = Literal["light", "dark"]

HISTORY_S = 40
"""Seconds of load before the first picture, so that the charts have something to show."""
MANY = 20_000
DEADLINE_S = 90.0
LAB_S = 400.0
LAB_IDLE = "0, 100, 1000, 10000"


class Site:
    """A running server: where its pages and its echo are."""

    def __init__(self, url: str, echo: Address) -> None:
        self.url = url
        self.echo = echo

    def api(self, path: str, **parameters: Any) -> Any:
        """The JSON at a path of the API."""
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=DEADLINE_S)
        answer.raise_for_status()
        return answer.json()

    def open(self) -> int:
        """How many connections are open."""
        return int(self.api("status")["connections"]["open"])

    def queued(self, peer: str) -> int:
        """Reply bytes that wait for a peer."""
        items = self.api("connections", q=f"peer:{peer}")["items"]
        return int(items[0]["queue_bytes"]) if items else 0


@contextmanager
def program(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`app.py` with these arguments, ended afterwards."""
    process = subprocess.Popen([sys.executable, "app.py", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)


@contextmanager
def serve(*options: str) -> Iterator[Site]:
    """A server with a data directory that is removed afterwards."""
    with (
        tempfile.TemporaryDirectory() as data,
        program("serve", "--port", "0", "--echo-port", "0", "--data-dir", data, *options) as process,
    ):
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        host, port = process.stdout.readline().split()[-1].rsplit(":", 1)
        yield Site(url, (host, int(port)))


class Clients:
    """Clients of every kind: some talk, some are silent, one reads slowly, one has half-closed, one has reset."""

    def __init__(self, echo: Address) -> None:
        self._echo = echo
        self.talkers = [self._connect() for _ in range(7)]
        self.silent = [self._connect() for _ in range(3)]
        self.slow = self._connect(receive_buffer=32768)
        self.slow.setblocking(False)
        self.half_closed = self._connect(receive_buffer=4096)

    def close(self) -> None:
        """Close all that are left."""
        for client in (*self.talkers, *self.silent, self.slow, self.half_closed):
            client.close()

    def reset(self) -> None:
        """One more client, which says something and then resets its connection."""
        client = self._connect()
        self._echo_once(client, 300)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()

    def half_close(self, queued: Callable[[str], int]) -> None:
        """End one side while replies are queued: bit by bit, since reading stops above high water."""
        host, port = self.half_closed.getsockname()
        while queued(f"{host}:{port}") == 0:
            self.half_closed.sendall(b"h" * 131072)
            time.sleep(0.15)
        self.half_closed.shutdown(socket.SHUT_WR)

    def talk(self, seconds: float, until: Callable[[], bool] = lambda: True) -> None:
        """Talk for so long, and then until the condition holds; rates rise and fall."""
        began, tick = time.monotonic(), 0
        while time.monotonic() < began + seconds or not until():
            tick += 1
            tide = 2.5 + math.sin(tick / 400) + random.random()
            for number, client in enumerate(self.talkers):
                for _ in range(round(tide * (number % 3 + 1))):
                    self._echo_once(client, 120 + 700 * number)
            self._trickle(tick)
            time.sleep(0.01)

    def _trickle(self, tick: int) -> None:
        """The slow reader asks for much and takes little."""
        try:
            self.slow.send(b"s" * 16384)
        except BlockingIOError:
            if tick % 20 == 0:
                self.slow.recv(32768)

    def _connect(self, receive_buffer: int = 0) -> socket.socket:
        client = socket.socket()
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(DEADLINE_S)
        client.connect(self._echo)
        return client

    @staticmethod
    def _echo_once(client: socket.socket, size: int) -> None:
        client.sendall(b"e" * size)
        left = size + 27
        while left > 0:
            left -= len(client.recv(65536))


def wait(condition: Callable[[], bool], what: str) -> None:
    """Wait until the condition holds; raises TimeoutError with what it was."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {DEADLINE_S:g} s: {what}")
        time.sleep(0.2)


class Camera:
    """Takes pictures of pages that are live and whose rows are there."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    def take(self, url: str, name: str, theme: Theme, width: int = 1440, height: int = 900, press: str = "") -> None:
        """One picture in docs/screenshots, after a button was pressed if one is named."""
        with self._browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme) as context:
            page = context.new_page()
            page.goto(url)
            page.wait_for_selector("body[data-link=live]")
            page.wait_for_selector("tbody tr, .tiles")
            # Live figures come a few times a second: the sparklines need some of them.
            page.wait_for_timeout(2500)
            if press:
                page.get_by_role("button", name=press).click()
                page.wait_for_timeout(1500)
            page.screenshot(path=PICTURES / name)
        shrink(PICTURES / name)

    def compare(self, url: str, name: str) -> None:
        """A picture of the Lab, once it has compared with up to ten thousand idle connections."""
        with self._browser.new_context(viewport={"width": 1440, "height": 1250}, color_scheme="light") as context:
            page = context.new_page()
            page.goto(url)
            page.get_by_label("asyncio").check()
            page.get_by_role("textbox", name="Idle connections").fill(LAB_IDLE)
            page.get_by_role("button", name="Run", exact=True).click()
            page.get_by_text("running", exact=True).wait_for()
            page.get_by_text("done", exact=True).wait_for(timeout=LAB_S * 1000)
            page.wait_for_timeout(1000)
            page.screenshot(path=PICTURES / name)
        shrink(PICTURES / name)


def shrink(picture: Path) -> None:
    """Reduce to a palette where pngquant is there; it makes a third of the size."""
    pngquant = shutil.which("pngquant")
    if pngquant:
        subprocess.run([pngquant, "--force", "--output", picture, "--nofs", "200", picture], check=True)


def few(camera: Camera) -> None:
    """The pages with a dozen connections."""
    with serve() as site, ExitStack() as stack:
        clients = Clients(site.echo)
        stack.callback(clients.close)
        clients.talk(HISTORY_S / 2)
        clients.reset()
        with background(clients):
            clients.half_close(site.queued)
        clients.talk(HISTORY_S / 2)
        host, port = clients.slow.getsockname()
        slow = site.api("connections", q=f"peer:{host}:{port}")["items"][0]["conn"]
        pictures = (
            ("/?range=60", "overview-dark.png", "dark", 1440, 900),
            ("/?range=60", "overview-light.png", "light", 1440, 900),
            ("/?range=60", "overview-390.png", "light", 390, 844),
            ("/connections", "connections-light.png", "light", 1440, 900),
            (f"/connections/{slow}", "connection-dark.png", "dark", 1440, 900),
            ("/events", "events-light.png", "light", 1440, 900),
            ("/loop", "loop-dark.png", "dark", 1440, 900),
            ("/events", "download-dark.png", "dark", 1440, 900, "Download…"),
            ("/", "past-light.png", "light", 1440, 900, "Stop here"),
            ("/?range=60", "overview-2560.png", "dark", 2560, 1440),
            (f"/connections/{slow}", "connection-390.png", "light", 390, 844),
        )
        with background(clients):
            for path, *rest in pictures:
                camera.take(site.url + path, *cast(Any, rest))


@contextmanager
def background(clients: Clients) -> Iterator[None]:
    """Keep the clients talking while pictures are taken."""
    done = threading.Event()
    thread = threading.Thread(target=clients.talk, args=(0, done.is_set))
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def many(camera: Camera) -> None:
    """Connections with as many as two load generators of this machine's descriptors can hold, at most MANY."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    half = min(MANY // 2, hard - 1000)
    with serve("--workers", "2") as site, ExitStack() as stack:
        load = ("load", "--host", site.echo[0], "--port", str(site.echo[1]), "--seconds", "600", "--size", "300")
        for _ in range(2):
            stack.enter_context(program(*load, "--connections", "60", "--idle", str(half - 60 - 6)))
        clients = Clients(site.echo)
        stack.callback(clients.close)
        with background(clients):
            clients.half_close(site.queued)
        wait(lambda: site.open() >= 2 * half - 12, f"{2 * half} connections")
        clients.talk(10)
        print(f"{site.open():,} connections open")
        with background(clients):
            camera.take(site.url + "/connections", f"connections-dark-{MANY}.png", "dark")
            camera.take(site.url + "/", f"overview-light-{MANY}.png", "light")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def main() -> None:
    """Take all pictures anew."""
    program_path = chromium.program()
    if not program_path:
        sys.exit("screenshots need Chromium: run `make test`, or install Debian's package chromium")
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        camera = Camera(playwright.chromium.launch(executable_path=program_path, args=chromium.FLAGS))
        few(camera)
        many(camera)
        with serve() as site:
            camera.compare(f"{site.url}/lab", "lab-light.png")


if __name__ == "__main__":
    main()
