"""The PROXY protocol as HAProxy and nginx speak it, where they are installed (`make test` installs them if it can)."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Server, StartServer
from waiting import DEADLINE_S, wait_until

STREAM = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
HAPROXY = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen proxied
    bind {at}:{port}
    server echo {host}:{echo_port} {options}
"""
NGINX = """
daemon off;
pid {folder}/pid;
error_log stderr;
load_module {stream};
events {{}}
stream {{
    server {{
        listen {at}:{port};
        proxy_pass {host}:{echo_port};
        proxy_protocol on;
    }}
}}
"""


HOST = "127." + ".".join(map(str, os.getpid().to_bytes(3)))
"""An address of this process alone: HAProxy shares a port with another that listens there, and nobody notices."""


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """A proxy, once its port answers."""

    def answers() -> bool:
        assert process.poll() is None, f"{command[0]} ended"
        with socket.socket() as client:
            return client.connect_ex((HOST, port)) == 0

    with subprocess.Popen(command) as process:
        try:
            wait_until(answers, f"{command[0]} listens")
            yield
        finally:
            process.terminate()


def proxy(kind: str, options: str, server: Server, folder: Path, port: int) -> list[str]:
    """The command of a proxy in front of the server."""
    if shutil.which(kind) is None or (kind == "nginx" and not STREAM.exists()):
        pytest.skip(f"{kind} is not installed")
    host, echo_port = server.echo
    text = {"haproxy": HAPROXY, "nginx": NGINX}[kind]
    path = folder / f"{kind}.conf"
    path.write_text(
        text.format(at=HOST, port=port, host=host, echo_port=echo_port, options=options, folder=folder, stream=STREAM)
    )
    return [kind, "-db", "-f", str(path)] if kind == "haproxy" else [kind, "-p", str(folder), "-c", str(path)]


@pytest.mark.parametrize(
    ("kind", "options"),
    [("haproxy", "send-proxy"), ("haproxy", "send-proxy-v2 proxy-v2-options unique-id,crc32c"), ("nginx", "")],
)
def test_a_proxy_names_its_client(start_server: StartServer, tmp_path: Path, kind: str, options: str) -> None:
    server = start_server("--proxy-protocol", "required", "--reply", "echo")
    port = free_port()
    with running(proxy(kind, options, server, tmp_path, port), port):
        with socket.create_connection((HOST, port), timeout=DEADLINE_S) as client:
            client.sendall(b"x" * 100_000)
            received = 0
            while received < 100_000:
                received += len(client.recv(65536))
            own = ":".join(map(str, client.getsockname()))

            def item() -> Any:
                items = server.json(f"/api/v1/connections?q=peer:{own}")["items"]
                return items and items[0]["bytes_out"] == 100_000 and items[0]

            found = wait_until(item, "the client is the peer")
        assert found["via"].startswith("127.0.0.1:")
        assert found["via"] != own
        assert found["bytes_in"] == 100_000
        assert server.json(f"/api/v1/connections/{found['conn']}")["proxy"]["version"] == (2 if "v2" in options else 1)


def test_checks_of_health_are_no_abnormal_ends(start_server: StartServer, tmp_path: Path) -> None:
    """HAProxy's `check` connects and resets, with a header of its own where it sends any."""
    server = start_server("--proxy-protocol", "required")
    port = free_port()
    with running(proxy("haproxy", "send-proxy-v2 check check-send-proxy inter 50ms", server, tmp_path, port), port):
        wait_until(lambda: server.json("/api/v1/status")["connections"]["closed"] > 2, "it was checked")
    closed = server.json("/api/v1/connections?q=state:closed")["items"]
    assert {item["reason"] for item in closed} <= {"peer", "reset"}
    assert {item["bytes_in"] for item in closed} == {0}
    assert server.json("/api/v1/connections?q=state:closed+bytes_in>0")["matched"] == 0
