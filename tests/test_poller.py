"""One suite over every poller."""

import os
import socket
from collections.abc import Iterator

import pytest
from waiting import DEADLINE_S

from core.engine.pollers.backends import POLLERS
from core.engine.pollers.poller import MAX_READY, READ, URGENT, WRITE, Poller
from core.engine.pollers.select import SelectPoller

ASKING = [name for name in POLLERS if name != "busy"]  # busy asks nobody: everything is ready, always


@pytest.fixture(params=ASKING)
def poller(request: pytest.FixtureRequest) -> Iterator[Poller]:
    made = POLLERS[request.param]()
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


def test_nothing_ready_ends_with_the_timeout(poller: Poller, pair: Pair) -> None:
    poller.register(pair[0].fileno(), READ)
    assert poller.wait(0.01) == []


def test_read_readiness(poller: Poller, pair: Pair) -> None:
    poller.register(pair[0].fileno(), READ)
    pair[1].send(b"x")
    assert poller.wait(1) == [(pair[0].fileno(), READ)]


def test_readiness_lasts_until_it_is_read(poller: Poller, pair: Pair) -> None:
    poller.register(pair[0].fileno(), READ)
    pair[1].send(b"xy")
    poller.wait(1)
    pair[0].recv(1)
    poller.rearm(pair[0].fileno(), READ)
    assert poller.wait(1) == [(pair[0].fileno(), READ)]


def test_urgent_data_is_told_of_to_who_reads(poller: Poller) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
        listener.accept()[0] as sock,
    ):
        client.send(b"x", socket.MSG_OOB)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        poller.register(sock.fileno(), READ)
        assert poller.wait(DEADLINE_S) == [(sock.fileno(), READ | URGENT)]
        poller.modify(sock.fileno(), 0)
        assert poller.wait(0) == []


def test_both_directions_come_as_one_pair(poller: Poller, pair: Pair) -> None:
    poller.register(pair[0].fileno(), READ | WRITE)
    pair[1].send(b"x")
    assert poller.wait(1) == [(pair[0].fileno(), READ | WRITE)]


def test_modify_changes_what_is_watched(poller: Poller, pair: Pair) -> None:
    poller.register(pair[0].fileno(), READ)
    poller.modify(pair[0].fileno(), WRITE)
    pair[1].send(b"x")
    assert poller.wait(1) == [(pair[0].fileno(), WRITE)]
    poller.modify(pair[0].fileno(), 0)
    assert poller.wait(0) == []


def test_unregistered_is_forgotten(poller: Poller, pair: Pair) -> None:
    poller.register(pair[0].fileno(), READ)
    poller.unregister(pair[0].fileno())
    pair[1].send(b"x")
    assert poller.wait(0) == []


def test_a_hang_up_is_ready(poller: Poller, pair: Pair) -> None:
    poller.register(pair[0].fileno(), READ)
    pair[1].close()
    assert [fd for fd, mask in poller.wait(1) if mask] == [pair[0].fileno()]


def test_twice_is_an_error(poller: Poller, pair: Pair) -> None:
    poller.register(pair[0].fileno(), READ)
    with pytest.raises(FileExistsError):
        poller.register(pair[0].fileno(), READ)


@pytest.mark.parametrize("method", ["modify", "unregister"])
def test_the_unknown_is_an_error(poller: Poller, pair: Pair, method: str) -> None:
    arguments = (pair[0].fileno(), READ) if method == "modify" else (pair[0].fileno(),)
    with pytest.raises((KeyError, FileNotFoundError)):
        getattr(poller, method)(*arguments)


def test_select_refuses_high_descriptors() -> None:
    poller = SelectPoller()
    with pytest.raises(ValueError, match="its limit is 1024"):
        poller.register(1024, READ)


def test_an_edge_is_told_once(pair: Pair) -> None:
    poller = POLLERS["epoll-et"]()
    poller.register(pair[0].fileno(), READ)
    pair[1].send(b"xy")
    assert len(poller.wait(1)) == 1
    assert poller.wait(0) == []
    pair[1].send(b"z")
    assert len(poller.wait(1)) == 1
    poller.close()


def test_busy_asks_nobody(pair: Pair) -> None:
    poller = POLLERS["busy"]()
    poller.register(pair[0].fileno(), READ)
    poller.register(pair[1].fileno(), 0)
    assert poller.wait(None) == [(pair[0].fileno(), READ | URGENT)]
    poller.close()


@pytest.mark.parametrize("name", ["epoll", "epoll-et", "poll", "busy"])
def test_a_turn_is_bounded_and_fair(name: str) -> None:
    poller = POLLERS[name]()
    ends = [os.pipe() for _ in range(MAX_READY + 100)]
    try:
        for _, write_end in ends:
            poller.register(write_end, WRITE)
        seen: set[int] = set()
        for _ in range(2):
            ready = poller.wait(1)
            assert len(ready) <= MAX_READY
            seen |= {fd for fd, _ in ready}
        assert len(seen) == len(ends)
    finally:
        poller.close()
        for pair in ends:
            os.close(pair[0])
            os.close(pair[1])
