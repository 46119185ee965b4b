"""What the program believes to be watched against what the kernel watches."""

import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from echo_server import EchoServer
from waiting import wait_until

from core.engine.loop.registrations import Difference, differences, parse_fdinfo
from core.engine.pollers.poller import READ

EPOLL = ["epoll", "epoll-et"]


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EchoServer]:
    running = EchoServer(tmp_path, model=getattr(request, "param", "epoll"), reply="echo")
    yield running
    running.stop()


def test_fdinfo_against_a_table() -> None:
    with select.epoll() as epoll, socket.socket() as first, socket.socket() as second:
        one, two = first.fileno(), second.fileno()
        epoll.register(one, select.EPOLLIN)
        epoll.register(two, select.EPOLLIN | select.EPOLLET)
        watched = parse_fdinfo(Path(f"/proc/{os.getpid()}/fdinfo/{epoll.fileno()}").read_text())
        assert watched.keys() == {one, two}
        assert differences(watched, {one: select.EPOLLIN, two: select.EPOLLIN}) == set()
        assert differences(watched, {one: select.EPOLLOUT, 9999: select.EPOLLIN}) == {
            Difference(one, "is watched for 0x1, the program thinks for 0x4"),
            Difference(two, "is watched, but the program does not know it"),
            Difference(9999, "is not watched, but the program thinks so"),
        }


@pytest.mark.parametrize("server", EPOLL, indirect=True)
def test_a_running_server_agrees_with_the_kernel(server: EchoServer) -> None:
    clients = [server.connect() for _ in range(20)]
    server.wait_kind("open", 20)
    assert server.server.registrations() == (22, 22, [])
    for client in clients:
        client.close()


@pytest.mark.parametrize("server", EPOLL, indirect=True)
def test_a_registration_lost_behind_its_back_is_named(server: EchoServer) -> None:
    with server.connect():
        server.wait_kind("open")
        loop, link = server.server.loop, server.server._links[1]
        loop.call_soon(lambda: loop.poller.unregister(link.sock.fileno()))
        found = wait_until(lambda: server.server.registrations().differences, "a difference")
        assert found == [Difference(link.sock.fileno(), "is not watched, but the program thinks so", 1)]
        loop.call_soon(lambda: loop.poller.register(link.sock.fileno(), READ))
        wait_until(lambda: not server.server.registrations().differences, "agreement")


@pytest.mark.parametrize("server", ["poll", "select", "busy", "blocking", "threads"], indirect=True)
def test_others_keep_no_table_in_the_kernel(server: EchoServer) -> None:
    assert server.server.registrations() is None
