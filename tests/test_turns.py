"""Turns of the loop: what is recorded of a real one, and the figures made of it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from echo_server import EchoServer, fill, receive
from waiting import wait_until

from core.engine.pollers.backends import POLLERS
from core.engine.server.connection import WaterMarks
from core.ring.flight_recorder import TURN
from core.ring.turn_columns import turn_columns
from core.watch.loop.turns import Turns, summary

SLEEPING = [{"model": name} for name in POLLERS if name != "busy"]


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EchoServer]:
    running = EchoServer(tmp_path, reply="echo", **getattr(request, "param", {}))
    yield running
    running.stop()


def columns(server: EchoServer) -> dict[str, np.ndarray]:
    """All turns so far."""
    turns = Turns(server.folder, [0])
    turns._first[0] = 0
    found = turns.columns(0)
    turns.close()
    return found


def total(server: EchoServer, name: str) -> int:
    return int(columns(server)[name].sum())


@pytest.mark.parametrize("server", SLEEPING, indirect=True)
def test_every_call_is_counted_once(server: EchoServer) -> None:
    with server.connect() as client:
        for _ in range(20):
            client.sendall(b"hello")
            assert receive(client, 5) == b"hello"
    server.wait_kind("close")
    wait_until(lambda: total(server, "reads") == 21, "20 reads and the end of the stream")
    assert total(server, "writes") == 20
    assert total(server, "accepts") == 2  # one connection, and the call that finds no other
    assert total(server, "eagains") == 1


@pytest.mark.parametrize("server", [{"read_size": 8192}], indirect=True)
def test_a_reply_that_is_taken_in_part_is_one_read_and_its_writes(server: EchoServer) -> None:
    with server.connect() as client:

        def is_paused() -> bool:
            fill(client)
            return "pause" in server.kinds(1)

        wait_until(is_paused, "a queue above its mark")

        def reads() -> int:
            """Counted anew each time: the kernel may still take some of the queue, and reading goes on then."""
            return sum(row["bytes_in"] > 0 for row in server.of(1))

        wait_until(lambda: total(server, "reads") == reads(), "as many reads as rows that read")
        rows = server.kinds(1)
        sends = sum(rows.count(kind) for kind in ("echo", "full", "write", "not_full"))
        wait_until(lambda: total(server, "writes") >= sends, "as many writes as rows that wrote")


def test_turns_follow_each_other_in_time(server: EchoServer) -> None:
    with server.connect() as client:
        for _ in range(5):
            client.sendall(b"x")
            receive(client, 1)
    server.wait_kind("close")
    turns = columns(server)
    assert (turns["began"] <= turns["woken"]).all()
    assert (turns["woken"] <= turns["ended"]).all()
    assert (turns["ended"][:-1] <= turns["began"][1:]).all()


@pytest.mark.parametrize("server", SLEEPING, indirect=True)
def test_what_scans_looks_at_everything(server: EchoServer) -> None:
    clients = [server.connect() for _ in range(10)]
    server.wait_kind("open", 10)
    clients[0].sendall(b"x")
    receive(clients[0], 1)
    turns = wait_until(lambda: (found := columns(server))["reads"].any() and found, "the turn of the echo")
    (echo,) = np.flatnonzero(turns["reads"])
    assert (turns["reads"][echo], turns["ready"][echo]) == (1, 1)
    # Those that scan have looked at the listener and the wake-up besides.
    assert turns["scanned"][echo] == (1 if server.server.model.startswith("epoll") else 12)
    for client in clients:
        client.close()


@pytest.mark.parametrize("server", [{"model": name} for name in POLLERS], indirect=True)
def test_some_turns_are_measured_in_parts(server: EchoServer) -> None:
    def measured(phase: str) -> np.ndarray:
        turns = columns(server)
        return turns[phase][(turns["measured"] > 0) & (turns["ended"] > turns["woken"])]

    with server.connect() as client:

        def echoed() -> bool:
            for _ in range(200):  # a turn every 20 ms is measured; of those that never wait, few have anything to do
                client.sendall(b"hello")
                assert receive(client, 5) == b"hello"
            return bool(measured("read").any() and measured("write").any())

        wait_until(echoed, "a turn that was measured and echoed")

    def accepted() -> bool:
        for _ in range(20):
            with server.connect() as client:
                client.sendall(b"x")
                receive(client, 1)
        return bool(measured("accept").any())

    wait_until(accepted, "a turn that was measured and accepted")
    turns = columns(server)
    parts = turns["accept"] + turns["read"] + turns["write"]
    assert (parts[turns["measured"] > 0] <= (turns["ended"] - turns["woken"])[turns["measured"] > 0]).all()
    assert not parts[turns["measured"] == 0].any()


# The kernel takes a third of its buffer at once: a queue of several such parts is flushed without being read.
@pytest.mark.parametrize("server", [{"read_size": 8192, "marks": WaterMarks(8 << 20, 1)}], indirect=True)
def test_what_is_flushed_counts_as_written(server: EchoServer) -> None:
    with server.connect() as client:

        def is_paused() -> bool:
            fill(client)
            return "pause" in server.kinds(1)

        wait_until(is_paused, "a queue above its mark")

        def drained() -> bool:
            try:
                client.recv(1 << 16)
            except BlockingIOError:  # all of it went between two measured turns: once more
                fill(client)
            turns = columns(server)
            return bool(((turns["write"] > 0) & (turns["read"] == 0)).any())

        wait_until(drained, "a measured turn that only wrote")


def made_up(count: int, step: int = 1_000_000) -> dict[str, np.ndarray]:
    began = np.arange(count, dtype=np.int64) * step
    ready = np.arange(count) % 5
    return {
        "began": began,
        "woken": began + step // 4,
        "ended": began + step,
        "ready": ready,
        "scanned": ready * 2,
        **{name: np.full(count, value) for value, name in enumerate(("accepts", "reads", "writes", "eagains"))},
        "measured": (np.arange(count) % 10 == 9).astype(np.int64),
        **{name: np.full(count, step // part) for name, part in (("accept", 100), ("read", 10), ("write", 4))},
    }


def test_figures_of_made_up_turns() -> None:
    figures = summary(made_up(1000), 1_000_000_000)
    assert (figures["span_s"], figures["turns"], figures["turns_per_s"]) == (1.0, 1000, 1000.0)
    assert figures["busy"] == 0.75
    assert figures["wait_us"] == {"p50": 250.0, "p90": 250.0, "p99": 250.0, "max": 250.0}
    assert figures["busy_us"]["max"] == 750.0
    assert figures["ready"]["histogram"] == [[0, 200], [1, 200], [2, 400], [4, 200]]
    assert figures["scanned_per_ready"] == 2.0
    assert figures["calls_per_s"] == {"accepts": 0.0, "reads": 1000.0, "writes": 2000.0, "eagains": 3000.0}
    assert len(figures["latest"]["wait_us"]) == 240
    assert figures["phases"] == {
        "turns": 100,
        "busy_us": 75_000.0,
        "accept_us": 1000.0,
        "read_us": 10_000.0,
        "write_us": 25_000.0,
        "accepts": 0,
        "reads": 100,
        "writes": 200,
    }
    assert figures["latest"]["read_us"][-2:] == [None, 100.0]
    assert figures["measured"]["write_us"] == [250.0] * 100


def test_only_the_window_counts() -> None:
    figures = summary(made_up(30, 1_000_000_000), 30_000_000_000)
    assert (figures["turns"], figures["span_s"], figures["busy"]) == (10, 10.0, 0.75)


def test_of_a_turn_that_began_before_the_window_its_part_in_it_counts() -> None:
    figures = summary(made_up(30, 1_000_000_000), 30_500_000_000)
    assert (figures["turns"], figures["span_s"], figures["turns_per_s"]) == (10, 10.0, 1.0)
    assert figures["busy"] == 0.725  # nine times three quarters of a second, and half of one
    one = {name: column[:1] for name, column in made_up(1, 60_000_000_000).items()}
    assert (summary(one, 60_000_000_000)["span_s"], summary(one, 60_000_000_000)["busy"]) == (10.0, 1.0)


def test_no_turns_no_figures() -> None:
    figures = summary(made_up(0), 5)
    assert (figures["turns"], figures["busy"], figures["scanned_per_ready"]) == (0, 0.0, None)
    assert figures["busy_us"]["p99"] is None
    assert figures["latest"]["time"] == figures["measured"]["time"] == []
    assert figures["phases"]["turns"] == 0


def test_a_new_loop_counts_from_zero_again() -> None:
    records = np.zeros(4, TURN.record)
    records["echoes"] = [5, 9, 2, 3]
    assert turn_columns(records, 0)["reads"].tolist() == [4, 2, 1]
