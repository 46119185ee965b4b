"""The program on the Python that runs this: it serves, echoes, shows a page, answers a download and stops in order.

`python tests/smoke.py` in an environment that has requirements.txt and nothing else; status 0 when all of it works.
"""

import json
import re
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEADLINE_S = 60


def get(url: str) -> str:
    """What a path of the dashboard answers."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # http_proxy is for other hosts
    with direct.open(url, timeout=DEADLINE_S) as answer:
        text: str = answer.read().decode()
    return text


def check(url: str, echo: tuple[str, int]) -> None:
    """One client, one page, one download."""
    with socket.create_connection(echo, timeout=DEADLINE_S) as client:
        client.sendall(b"hello")
        reply = b""
        while len(reply) < 32:
            reply += client.recv(100)
    assert re.fullmatch(rb"\[.{24}\] hello", reply), reply
    assert "<title>" in get(url + "/")
    assert json.loads(get(url + "/healthz")) == {"status": "ok"}
    rows = [json.loads(line) for line in get(url + "/api/v1/events/download?format=jsonl").splitlines()]
    assert [row["bytes_in"] for row in rows if row["kind"] == "echo"] == [5], rows


def main() -> None:
    """Start it, check it, stop it."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "app.py", "serve", "--port", "0", "--echo-port", "0", "--data-dir", directory]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                url, echo = (server.stdout.readline().split()[1] for _ in range(2))
                host, port = echo.rsplit(":", 1)
                check(url, (host, int(port)))
            finally:
                server.terminate()
            status = server.wait(DEADLINE_S)
        assert status == 0, f"it ended with status {status}"
    print(f"Python {sys.version.split()[0]}: serves, echoes, shows, downloads, stops")


if __name__ == "__main__":
    main()
