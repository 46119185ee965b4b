"""Faults on real connections: the same tests for every model that has a poller."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from echo_server import EchoServer, receive, receive_all
from waiting import DEADLINE_S, wait_until

from core.engine.pollers.backends import POLLERS
from core.faults.fault_order import FaultOrder
from core.faults.registry import FAULT_KINDS
from core.faults.selection import NewOnes, NextOnes, OnesByPeer, ShareOfNewOnes

EVERYONE = OnesByPeer(())
Faulted = tuple[EchoServer, Callable[..., None]]


@pytest.fixture(params=POLLERS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EchoServer]:
    running = EchoServer(tmp_path, model=request.param, reply="echo")
    yield running
    running.stop()
    assert running.error is None
    kinds = [(row["conn"], row["kind"]) for row in running.rows]
    opened = [conn for conn, kind in kinds if kind == "open"]
    assert sorted(opened) == sorted(conn for conn, kind in kinds if kind == "close")
    for conn in opened:
        rows = running.of(conn)
        assert (rows[0]["kind"], rows[-1]["kind"]) == ("open", "close")
        marks = [(row["reason"], row["emptied"]) for row in rows if row["kind"] == "fault"]
        assert sorted(reason for reason, ended in marks if ended) == sorted(
            reason for reason, ended in marks if not ended
        )


def begin(server: EchoServer, kind: str, new: NewOnes | None = None, number: int = 1, **attributes: int) -> None:
    order = FaultOrder(number, FAULT_KINDS[kind](**attributes), time.monotonic() + 3600, 7, new)
    assert server.server.begin_fault(order) == ""


def connected(server: EchoServer) -> socket.socket:
    """A client that the server has accepted, its first connection."""
    client = server.connect()
    server.wait_kind("open")
    return client


def silent(client: socket.socket, server: EchoServer, read: int) -> bool:
    """Whether nothing has come once the server has read so much."""
    wait_until(lambda: server.total("bytes_in", 1) == read, "everything to be read")
    client.setblocking(False)
    try:
        return not client.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    finally:
        client.settimeout(DEADLINE_S)


def test_latency_is_in_order_and_not_too_early(server: EchoServer) -> None:
    begin(server, "latency", EVERYONE, latency=40, jitter=30)
    with server.connect() as client:
        sent = time.monotonic()
        for number in range(50):
            client.sendall(b"%02d" % number)
        assert receive(client, 100) == b"".join(b"%02d" % number for number in range(50))
        assert time.monotonic() - sent >= 0.01
    assert server.wait_kind("close")["reason"] == "peer"
    assert [row["reason"] for row in server.of(1) if row["kind"] == "fault"] == ["latency:1", "latency:1"]


def test_bandwidth(server: EchoServer) -> None:
    begin(server, "bandwidth", EVERYONE, rate=500)
    with server.connect() as client:
        data = os.urandom(100_000)
        began = time.monotonic()
        client.sendall(data)
        assert receive(client, len(data)) == data
        assert time.monotonic() - began >= 0.15


def test_slicer(server: EchoServer) -> None:
    begin(server, "slicer", EVERYONE, average_size=10, size_variation=5, delay=1000)
    with server.connect() as client:
        client.sendall(bytes(range(200)))
        assert receive(client, 200) == bytes(range(200))
    server.wait_kind("close")
    sent = [row["bytes_out"] for row in server.of(1) if row["bytes_out"]]
    assert len(sent) >= 14
    assert max(sent) <= 15


def test_what_is_held_is_released_in_order(server: EchoServer) -> None:
    with connected(server) as client:
        begin(server, "hold")
        assert server.server.touch(1, [1, 99]) == 1
        client.sendall(b"first ")
        assert silent(client, server, 6)
        client.sendall(b"second")
        assert silent(client, server, 12)
        server.server.end_fault(1)
        assert receive(client, 12) == b"first second"
        client.sendall(b"third")
        assert receive(client, 5) == b"third"
    server.wait_kind("close")
    assert server.kinds(1)[-4:] == ["write", "echo", "eof", "close"]


def test_who_has_ended_its_side_gets_what_is_held(server: EchoServer) -> None:
    begin(server, "hold", EVERYONE)
    with server.connect() as client:
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        server.wait_kind("eof")
        server.server.end_fault(1)
        assert receive_all(client) == b"question"
    assert server.wait_kind("close")["reason"] == "peer"


def test_a_held_queue_pauses_reading(server: EchoServer) -> None:
    begin(server, "hold", EVERYONE)
    data = os.urandom(4 << 20)
    with server.connect() as client:
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        assert server.wait_kind("pause")["queue_bytes"] < 2 << 20
        server.server.end_fault(1)
        assert receive(client, len(data)) == data
        sender.join()


def test_a_server_that_does_not_read(server: EchoServer) -> None:
    with connected(server) as client:
        begin(server, "stop_reading")
        server.server.touch(1, [1])
        client.sendall(b"hello")
        server.server.touch(1, [1])  # the loop has turned
        assert server.total("bytes_in", 1) == 0
        server.server.end_fault(1)
        assert receive(client, 5) == b"hello"


def test_corrupt_flips_a_bit_of_every_so_many(server: EchoServer) -> None:
    begin(server, "corrupt", EVERYONE, every=7)
    data = os.urandom(1000)
    with server.connect() as client:
        for start in range(0, 1000, 100):
            client.sendall(data[start : start + 100])
            reply = receive(client, 100)
            assert reply == bytes(
                byte ^ ((start + at + 1) % 7 == 0) for at, byte in enumerate(data[start : start + 100])
            )
    server.wait_kind("close")
    assert server.total("bytes_out", 1) == 1000


def test_limit_data_closes_after_exactly_so_much(server: EchoServer) -> None:
    begin(server, "limit_data", EVERYONE, bytes=1000)
    with server.connect() as client:
        client.sendall(bytes(1500))
        assert len(receive_all(client)) == 1000
    assert server.wait_kind("close")["reason"] == "fault"
    assert server.total("bytes_out", 1) == 1000


def test_timeout_answers_nothing_and_closes(server: EchoServer) -> None:
    begin(server, "timeout", EVERYONE, timeout=20)
    with server.connect() as client:
        client.sendall(b"hello")
        assert receive_all(client) == b""
    assert server.wait_kind("close")["reason"] == "fault"


def test_reset_peer(server: EchoServer) -> None:
    with connected(server) as client:
        begin(server, "reset_peer", timeout=20)
        server.server.touch(1, [1])
        with pytest.raises(ConnectionResetError):
            receive_all(client)
    assert server.wait_kind("close")["reason"] == "fault"


def test_half_close_reads_on(server: EchoServer) -> None:
    with connected(server) as client:
        client.sendall(b"hello")
        assert receive(client, 5) == b"hello"
        begin(server, "half_close")
        server.server.touch(1, [1])
        assert receive_all(client) == b""
        client.sendall(b"more")
        wait_until(lambda: server.total("bytes_in", 1) == 9, "the rest to be read")
        server.server.end_fault(1)  # a FIN can't be taken back
        client.sendall(b"!")
    assert server.wait_kind("close")["reason"] == "fault"
    assert (server.total("bytes_in", 1), server.total("bytes_out", 1)) == (10, 5)


def test_refuse_is_for_the_next_few(server: EchoServer) -> None:
    begin(server, "refuse", NextOnes(2))
    for _ in range(2):
        with pytest.raises(ConnectionResetError), server.connect() as client:  # connect(2) may have seen it already
            receive_all(client)
    with server.connect() as client:
        client.sendall(b"hello")
        assert receive(client, 5) == b"hello"
    server.wait_kind("close", 3)
    assert server.kinds(1) == ["open", "fault", "fault", "close"]


def test_a_reset_is_seen_though_nothing_may_be_read_or_sent(server: EchoServer) -> None:
    if server.server.model in ("select", "busy"):
        pytest.skip("tells of no error on a descriptor that is watched for nothing")
    begin(server, "hold", EVERYONE)
    begin(server, "stop_reading", EVERYONE, number=2)
    with server.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        server.wait_kind("open")
    assert server.wait_kind("close")["reason"] == "reset"


def test_a_fault_ends_by_itself(server: EchoServer) -> None:
    order = FaultOrder(1, FAULT_KINDS["hold"](), time.monotonic() + 0.05, 0, EVERYONE)
    assert server.server.begin_fault(order) == ""
    with server.connect() as client:
        client.sendall(b"hello")
        assert receive(client, 5) == b"hello"


def test_a_stop_delivers_what_is_held(server: EchoServer) -> None:
    begin(server, "hold", EVERYONE)
    with server.connect() as client:
        client.sendall(b"hello")
        assert silent(client, server, 5)
        server.server.stop(DEADLINE_S)
        assert receive_all(client) == b"hello"


def test_an_order_to_close_delivers_what_is_held(server: EchoServer) -> None:
    begin(server, "hold", EVERYONE)
    with server.connect() as client:
        client.sendall(b"hello")
        assert silent(client, server, 5)
        server.server.close_connection(1)
        assert receive_all(client) == b"hello"
    assert server.wait_kind("close")["reason"] == "operator"


def test_faults_that_come_and_go_change_no_byte(server: EchoServer) -> None:
    """Kinds are put on and taken off while a client checks every byte."""
    data = os.urandom(3 << 20)
    kinds: list[tuple[str, dict[str, int]]] = [
        ("latency", {"latency": 3, "jitter": 3}),
        ("bandwidth", {"rate": 20_000}),
        ("slicer", {"average_size": 5000, "size_variation": 1000}),
        ("hold", {}),
        ("stop_reading", {}),
    ]
    with connected(server) as client:
        sender = threading.Thread(target=client.sendall, args=(data,))
        received: list[bytes] = []
        receiver = threading.Thread(target=lambda: received.append(receive(client, len(data))))
        sender.start()
        receiver.start()
        number = 0
        while receiver.is_alive():
            kind, attributes = kinds[number % len(kinds)]
            number += 1
            begin(server, kind, None, number, **attributes)
            server.server.touch(number, [1])
            if number > 2:
                server.server.end_fault(number - 2)
        sender.join()
        receiver.join()
        assert received == [data]
        for last in (number - 1, number):
            server.server.end_fault(last)
    server.wait_kind("close")
    assert server.total("bytes_out", 1) == server.total("bytes_in", 1) == len(data)


def hit(server: EchoServer) -> list[int]:
    return sorted({row["conn"] for row in server.rows if row["kind"] == "fault"})


def test_a_seed_chooses_the_same_places(server: EchoServer) -> None:
    def places(number: int) -> list[int]:
        before = max([row["conn"] for row in server.rows], default=0)
        order = FaultOrder(number, FAULT_KINDS["hold"](), time.monotonic() + 3600, 0, ShareOfNewOnes(0.3, 7), number)
        assert server.server.begin_fault(order) == ""
        for count in range(40):
            server.connect().close()
            server.wait_kind("close", before + count + 1)
        server.server.end_fault(number)
        return [conn - before for conn in hit(server) if conn > before]

    first = places(1)
    assert 0 < len(first) < 40
    assert places(2) == first


def test_a_share_of_nothing_changes_nothing(server: EchoServer) -> None:
    def rows(conn: int) -> list[Any]:
        with server.connect() as client:
            client.sendall(b"hello")
            assert receive(client, 5) == b"hello"
        server.wait_kind("close", conn)
        return [
            {key: row[key] for key in row if key not in ("seq", "time", "conn", "peer", "port")}
            for row in server.of(conn)
        ]

    before = rows(1)
    begin(server, "hold", ShareOfNewOnes(0.0, 7))
    assert rows(2) == before


def test_only_the_peers_that_are_meant(server: EchoServer) -> None:
    begin(server, "refuse", OnesByPeer(((r"127\.0\.0\.2:\d+", False),)))
    with server.connect() as client:
        client.sendall(b"hello")
        assert receive(client, 5) == b"hello"
    with (
        pytest.raises(ConnectionResetError),
        socket.create_connection(server.address, DEADLINE_S, ("127.0.0.2", 0)) as client,
    ):
        receive_all(client)
    server.wait_kind("close", 2)
    assert hit(server) == [2]
