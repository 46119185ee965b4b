"""The echo server over real sockets: the same tests for every model."""

import errno
import os
import queue
import re
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from echo_server import EchoServer, receive, receive_all, reset
from echo_server import fill as send_until_full
from waiting import DEADLINE_S, wait_until

import core.engine.server.server as server_module
import core.engine.threads.conversation as conversation_module
from core.engine.models import MODELS
from core.engine.pollers.backends import POLLERS
from core.engine.server.connection import WaterMarks
from core.engine.server.sample import take
from core.engine.server.server import Server
from core.engine.settings import STAMP_SIZE
from core.engine.threads.blocking import ThreadsServer
from core.engine.threads.conversation import Conversation
from core.ring.events import Kind
from core.watch.kernel.sampler import LastSamples

ONE_AT_A_TIME = ("blocking",)
"""Serves one client; the others wait to be accepted, so what takes two at once can't be asked of it."""
ONE_REPLY_QUEUED = ("blocking", "threads")
"""Reads nothing while a reply waits, so its queue is never longer than one."""
MUCH = {model: "full" if model in ONE_REPLY_QUEUED else "pause" for model in MODELS}
"""The row of a queue that stays: the kernel may take one more reply after it was full."""
SPINNING = ("busy",)
"""Never sleeps."""
SLEEPING = [name for name in POLLERS if name not in SPINNING]
Start = Callable[..., EchoServer]
STAMP = re.compile(rb"\[(.{24})\] ")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers on demand; each is stopped at the end, with every connection closed exactly once."""
    started: list[EchoServer] = []

    def make(model: str = "epoll", **settings: Any) -> EchoServer:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(EchoServer(folder, model=model, **settings))
        return started[-1]

    yield make
    for server in started:
        server.stop()
        assert server.error is None
        kinds = [(row["conn"], row["kind"]) for row in server.rows]
        opened = [conn for conn, kind in kinds if kind == "open"]
        assert sorted(opened) == sorted(conn for conn, kind in kinds if kind == "close")
        assert [row["seq"] for row in server.rows] == list(range(1, len(kinds) + 1))


def all_but(*exceptions: str) -> pytest.MarkDecorator:
    """Runs a test over every model but these."""
    return pytest.mark.parametrize("model", [model for model in MODELS if model not in exceptions])


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(start: Start, model: str) -> EchoServer:
    return start(model, reply="echo")


def fill(client: socket.socket, size: int, server: EchoServer, kind: str = "full", conn: int = 1) -> int:
    """Send without reading until that connection of `server` has a row of that kind; how much went in."""
    client.setblocking(False)
    total = 0

    def is_full() -> bool:
        nonlocal total
        with suppress(BlockingIOError):
            while total < size:
                total += client.send(b"x" * min(65536, size - total))
        return total == size or kind in server.kinds(conn)

    wait_until(is_full, f"a row of kind {kind}")
    client.settimeout(DEADLINE_S)
    return total


def rests(server: EchoServer) -> bool:
    """Whether the poller has nothing to tell the loop, so that its next wait would be a sleep."""
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    server.server.loop.call_soon(lambda: told.put(server.server.loop.poller.wait(0)))
    return told.get(timeout=DEADLINE_S) == []


class TestReplies:
    def test_stamp(self, start: Start, model: str) -> None:
        server = start(model)
        with server.connect() as client:
            client.sendall(b"hello")
            reply = receive(client, STAMP_SIZE + 5)
        stamp = STAMP.match(reply)
        assert stamp
        assert abs(time.mktime(time.strptime(stamp[1].decode())) - time.time()) < 10
        assert reply[STAMP_SIZE:] == b"hello"

    def test_echo(self, server: EchoServer) -> None:
        with server.connect() as client:
            client.sendall(b"hello")
            assert receive(client, 5) == b"hello"

    def test_one_byte_at_a_time(self, server: EchoServer) -> None:
        with server.connect() as client:
            for byte in b"patience":
                client.sendall(bytes([byte]))
                assert receive(client, 1) == bytes([byte])

    def test_everything_at_once(self, server: EchoServer) -> None:
        data = os.urandom(8 << 20)
        with server.connect() as client:
            sender = threading.Thread(target=client.sendall, args=(data,))
            sender.start()
            assert receive(client, len(data)) == data
            sender.join()

    def test_a_client_that_says_nothing(self, server: EchoServer) -> None:
        with server.connect():
            server.wait_kind("open")
        assert server.wait_kind("close")["reason"] == "peer"

    @all_but(*ONE_AT_A_TIME)
    def test_many_clients_are_served_in_turn(self, server: EchoServer) -> None:
        clients = [server.connect() for _ in range(50)]
        for number, client in enumerate(clients):
            client.sendall(b"%03d" % number)
        assert [receive(client, 3) for client in clients] == [b"%03d" % number for number in range(50)]
        for client in clients:
            client.close()

    def test_ipv6(self, start: Start, model: str) -> None:
        server = start(model, host="::1", reply="echo")
        with server.connect() as client:
            client.sendall(b"six")
            assert receive(client, 3) == b"six"


class TestRecord:
    def test_the_life_of_a_connection(self, server: EchoServer) -> None:
        with server.connect() as client:
            client.sendall(b"hello")
            receive(client, 5)
        server.wait_kind("close")
        assert server.kinds(1) == ["open", "echo", "eof", "close"]
        echo = server.of(1)[1]
        assert (echo["bytes_in"], echo["bytes_out"], echo["emptied"]) == (5, 5, 1)

    def test_urgent_data_is_in_its_place(self, start: Start, model: str) -> None:
        """A read ends in front of a byte that was sent as urgent; what lies behind has arrived all the same."""
        server = start(model, reply="echo")
        with server.connect() as client:
            for number in range(20):
                client.send(b"abc")
                client.send(b"x", socket.MSG_OOB)
                client.send(b"def%02d" % number)
                assert receive(client, 9) == b"abcxdef%02d" % number
        server.wait_kind("close")
        assert server.total("bytes_in", 1) == server.total("bytes_out", 1) == 20 * 9

    @pytest.mark.parametrize("reply", ["echo", "stamp"])
    def test_a_read_that_ends_at_urgent_data_did_not_empty_the_buffer(
        self, start: Start, model: str, reply: str
    ) -> None:
        server = start(model, reply=reply, read_size=16384, begins=False)
        with server.connect() as client:
            client.sendall(b"a" * 20000)
            client.send(b"x", socket.MSG_OOB)
            client.sendall(b"b" * 20000)
            wait_until(lambda: take(client)["outstanding"] == 0, "all has arrived")
            server.begin()
            client.shutdown(socket.SHUT_WR)
            receive_all(client)
        server.wait_kind("close")
        at, emptied = 0, {}
        for row in server.of(1):
            if row["bytes_in"]:
                at += row["bytes_in"]
                emptied[at] = row["emptied"]
        assert emptied.pop(40001) == 1
        assert 20000 in emptied
        assert set(emptied.values()) == {0}

    def test_a_read_that_fills_the_buffer_did_not_empty_it(self, start: Start) -> None:
        server = start(reply="echo", read_size=4)
        with server.connect() as client:
            client.sendall(b"12345678")
            receive(client, 8)
        server.wait_kind("close")
        assert next(row["emptied"] for row in server.of(1) if row["kind"] == "echo") == 0

    def test_large_messages_are_read_several_chunks_a_visit(self, start: Start, model: str) -> None:
        size, sent = 16384, bytes(range(256)) * 4096
        server = start(model, read_size=size)
        with server.connect() as client:
            sender = threading.Thread(target=lambda: (client.sendall(sent), client.shutdown(socket.SHUT_WR)))
            sender.start()
            reply = receive_all(client)
            sender.join()
        server.wait_kind("close")
        before, *rest = STAMP.split(reply)
        chunks = rest[1::2]
        assert (before, b"".join(chunks)) == (b"", sent)
        assert max(map(len, chunks)) <= size
        assert server.total("bytes_in", 1) == len(sent)
        assert server.total("bytes_out", 1) == len(reply)

    def test_ids_are_never_reused(self, server: EchoServer) -> None:
        for number in range(1, 6):
            server.connect().close()
            server.wait_kind("close", number)
        assert [row["conn"] for row in server.rows if row["kind"] == "open"] == [1, 2, 3, 4, 5]

    def test_sums_are_what_the_client_saw(self, start: Start, model: str) -> None:
        server = start(model)
        with server.connect() as client:
            sent = 3 << 20
            sender = threading.Thread(target=lambda: (client.sendall(b"y" * sent), client.shutdown(socket.SHUT_WR)))
            sender.start()
            received = len(receive_all(client))
            sender.join()
        server.wait_kind("close")
        assert server.total("bytes_in", 1) == sent
        assert server.total("bytes_out", 1) == received


class TestBackpressure:
    def test_a_partial_send_loses_nothing(self, server: EchoServer) -> None:
        client = server.connect(receive_buffer=4096)
        sent = fill(client, 64 << 20, server)
        server.wait_kind("full")
        client.shutdown(socket.SHUT_WR)
        assert len(receive_all(client)) == sent
        client.close()
        server.wait_kind("close")
        kinds = server.kinds(1)
        assert "not_full" in kinds
        assert kinds.index("full") < kinds.index("not_full")
        assert server.total("bytes_in", 1) == server.total("bytes_out", 1) == sent

    @all_but(*ONE_REPLY_QUEUED)
    def test_reading_pauses_and_resumes(self, start: Start, model: str) -> None:
        server = start(model, reply="echo", marks=WaterMarks(200_000, 50_000))
        client = server.connect(receive_buffer=4096)
        sent = fill(client, 64 << 20, server, "pause")
        pause = server.wait_kind("pause")
        assert pause["reason"] == "high_water"
        assert 200_000 < pause["queue_bytes"] <= 200_000 + 65536
        assert len(receive(client, sent)) == sent
        assert server.wait_kind("resume")["queue_bytes"] <= 50_000
        assert max(row["queue_bytes"] for row in server.of(1) if row["kind"] != "open") <= 200_000 + 65536
        client.close()
        server.wait_kind("close")

    @all_but(*ONE_REPLY_QUEUED, "threads")
    def test_all_queues_together_are_bounded(self, start: Start, model: str) -> None:
        marks = WaterMarks(1 << 30, 50_000)
        server = start(model, reply="echo", read_size=8192, marks=marks, max_queued=300_000)
        clients = [server.connect(receive_buffer=4096) for _ in range(3)]
        sent = [send_until_full(client) for client in clients]

        def all_paused() -> bool:
            for place, client in enumerate(clients):
                sent[place] += send_until_full(client)
            return {row["conn"] for row in server.rows if row["kind"] == "pause"} == {1, 2, 3}

        wait_until(all_paused, "each is paused")
        pauses = [row for row in server.rows if row["kind"] == "pause"]
        assert {row["reason"] for row in pauses} == {"max_queued"}
        assert max(row["queue_bytes"] for row in pauses) <= 300_000 + 8192
        for client, count in zip(clients, sent, strict=True):
            client.settimeout(DEADLINE_S)
            assert len(receive(client, count)) == count
            client.close()

    @all_but(*ONE_AT_A_TIME)
    def test_a_stuck_client_does_not_slow_the_others(self, server: EchoServer) -> None:
        stuck, quick = server.connect(receive_buffer=4096), server.connect()
        fill(stuck, 64 << 20, server)
        for _ in range(100):
            quick.sendall(b"ping")
            assert receive(quick, 4) == b"ping"
        stuck.close()
        quick.close()

    @pytest.mark.parametrize("model", SLEEPING)
    def test_write_interest_only_while_something_waits(self, server: EchoServer, model: str) -> None:
        client = server.connect(receive_buffer=4096)
        sent = fill(client, 64 << 20, server)
        receive(client, sent)
        wait_until(lambda: rests(server), "the loop no longer spins on a writable socket")
        client.close()

    def test_half_close_delivers_megabytes(self, server: EchoServer) -> None:
        client = server.connect(receive_buffer=4096)
        sent = fill(client, 64 << 20, server)
        client.shutdown(socket.SHUT_WR)
        assert len(receive_all(client)) == sent
        client.close()
        close = server.wait_kind("close")
        assert (close["reason"], close["queue_bytes"]) == ("peer", 0)
        assert server.kinds(1).count("eof") == 1


class TestFaults:
    def test_reset_while_idle(self, server: EchoServer) -> None:
        client = server.connect()
        server.wait_kind("open")
        reset(client)
        assert server.wait_kind("close")["reason"] == "reset"

    def test_reset_with_a_full_queue(self, server: EchoServer, model: str) -> None:
        client = server.connect(receive_buffer=4096)
        sent = fill(client, 64 << 20, server, MUCH[model])
        reset(client)
        close = server.wait_kind("close")
        assert close["reason"] == "reset"
        assert (close["queue_bytes"] if MUCH[model] == "pause" else sent - server.total("bytes_out", 1)) > 0

    def test_reset_while_draining(self, server: EchoServer) -> None:
        client = server.connect(receive_buffer=4096)
        fill(client, 64 << 20, server)
        client.shutdown(socket.SHUT_WR)
        reset(client)
        assert server.wait_kind("close")["reason"] == "reset"

    def test_a_reset_does_not_end_the_server(self, server: EchoServer) -> None:
        for _ in range(20):
            client = server.connect()
            client.sendall(b"x" * 100_000)
            reset(client)
        with server.connect() as client:
            client.sendall(b"still here")
            assert receive(client, 10) == b"still here"

    def test_a_burst_of_resets(self, server: EchoServer) -> None:
        clients = [server.connect() for _ in range(300)]
        for client in clients:
            client.sendall(b"x")
            reset(client)
        wait_until(lambda: sum(row["kind"] == "close" for row in server.rows) == 300, "300 closes")

    @all_but(*ONE_AT_A_TIME)
    def test_nothing_closed_is_visited_again(self, server: EchoServer) -> None:
        clients = [server.connect() for _ in range(100)]
        for client in clients:
            client.sendall(b"x")
        for client in clients[::2]:
            reset(client)
        assert [receive(client, 1) for client in clients[1::2]] == [b"x"] * 50
        for client in clients[1::2]:
            client.close()

    @all_but(*ONE_AT_A_TIME)
    def test_more_than_one_accept_a_turn(self, server: EchoServer) -> None:
        clients = [server.connect() for _ in range(200)]
        wait_until(lambda: sum(row["kind"] == "open" for row in server.rows) == 200, "200 opens")
        for client in clients:
            client.close()

    @all_but(*ONE_AT_A_TIME)
    def test_descriptors_exhausted_and_freed(self, server: EchoServer, model: str) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        first = server.connect()
        server.wait_kind("open")
        waiting = socket.socket()
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            waiting.connect(server.address)
            refuse = wait_until(lambda: [row for row in server.rows if row["kind"] == "refuse"], "a refusal")[0]
            first.sendall(b"alive")
            assert receive(first, 5) == b"alive"
            if model in SLEEPING:
                wait_until(lambda: rests(server), "the loop does not spin on the listener")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert refuse["reason"] == f"error:{errno.errorcode[errno.EMFILE]}"
        assert sum(row["kind"] == "refuse" for row in server.rows) == 1, "one that waits is told of once"
        waiting.settimeout(DEADLINE_S)
        waiting.sendall(b"let in")
        assert receive(waiting, 6) == b"let in"
        first.close()
        waiting.close()

    @all_but(*ONE_AT_A_TIME)
    def test_the_limit_of_connections(self, start: Start, model: str) -> None:
        server = start(model, reply="echo", max_connections=2)
        inside = [server.connect(), server.connect()]
        wait_until(lambda: sum(row["kind"] == "open" for row in server.rows) == 2, "two opens")
        outside = server.connect()
        assert outside.recv(1) == b""
        refuse = wait_until(lambda: [row for row in server.rows if row["kind"] == "refuse"], "a refusal")[0]
        assert (refuse["reason"], refuse["conn"], refuse["port"]) == ("limit", 0, outside.getsockname()[1])
        for client in (*inside, outside):
            client.close()

    @all_but(*ONE_AT_A_TIME)
    def test_a_crowded_record_takes_no_more_and_says_so_once(self, start: Start, model: str) -> None:
        server = start(model, reply="echo", capacity=256)
        clients = [server.connect() for _ in range(80)]

        def is_full() -> bool:
            reader = server.reader
            return bool((reader.read(0, reader.progress().head)["kind"] == Kind.REFUSE).any())

        wait_until(is_full, "as many as there is room for")
        turns = server.reader.progress().turns
        wait_until(lambda: server.reader.progress().turns > turns + 5, "it has tried again")
        assert not any(row["kind"] == "close" for row in server.rows)  # looking makes room
        wait_until(lambda: sum(row["kind"] == "open" for row in server.rows) == 80, "the others are let in")
        assert [row["reason"] for row in server.rows if row["kind"] == "refuse"] == ["ring_full"]
        for client in clients:
            client.close()

    def test_select_refuses_what_it_cannot_watch(self, start: Start) -> None:
        server = start("select", reply="echo")
        held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1024)]
        try:
            client = server.connect()
            assert client.recv(1) == b""
            refuse = wait_until(lambda: [row for row in server.rows if row["kind"] == "refuse"], "a refusal")[0]
            assert refuse["reason"] == "select_limit"
            client.close()
        finally:
            for fd in held:
                os.close(fd)
        with server.connect() as client:
            client.sendall(b"again")
            assert receive(client, 5) == b"again"


class TestTimeAndOrders:
    def test_who_comes_while_it_stops_is_refused_at_once(self, server: EchoServer) -> None:
        client = server.connect(receive_buffer=4096)
        fill(client, 64 << 20, server)  # so that it has something to deliver
        server.server.stop(timeout=DEADLINE_S)

        def is_refused() -> bool:
            with socket.socket() as late:
                return late.connect_ex(server.address) == errno.ECONNREFUSED

        wait_until(is_refused, "the port is closed")
        assert "close" not in server.kinds(1)
        reset(client)
        server.stop()

    @all_but(*ONE_AT_A_TIME)
    def test_idle_connections_are_closed(self, start: Start, model: str) -> None:
        server = start(model, reply="echo", idle_timeout=0.3)
        talked = time.monotonic_ns()
        busy, idle = server.connect(), server.connect()
        server.wait_kind("open", 2)
        with suppress(ConnectionError):  # one that was held up for as long is idle as well
            while "close" not in server.kinds(2):
                began = time.monotonic_ns()
                busy.sendall(b"x")
                if receive(busy, 1):
                    talked = began
                time.sleep(0.05)
        assert server.wait_kind("close", 2)["reason"] == "idle"
        assert idle.recv(1) == b""
        close = server.wait_kind("close", 1)
        assert close["reason"] == "idle"
        assert close["time"] - talked > 0.28e9  # the kernel keeps the time in ticks of up to 10 ms
        busy.close()
        idle.close()

    @all_but(*ONE_AT_A_TIME)
    def test_an_operator_closes_one(self, server: EchoServer) -> None:
        client, other = server.connect(), server.connect()
        server.wait_kind("open", 2)
        server.server.close_connection(1)
        server.server.close_connection(99)
        assert client.recv(1) == b""
        client.close()
        assert server.wait_kind("close", 1)["reason"] == "operator"
        other.sendall(b"x")
        assert receive(other, 1) == b"x"
        other.close()

    def test_an_operator_s_close_delivers_what_was_counted_as_sent(self, server: EchoServer) -> None:
        """Though the client goes on sending, and reads only afterwards."""
        client = server.connect()
        client.sendall(b"x" * 100_000)
        wait_until(lambda: server.total("bytes_out", 1) == 100_000, "all is answered")
        server.server.close_connection(1)
        wait_until(lambda: not client.send(b"late") or "read" in server.kinds(1), "what comes late is counted")
        assert len(receive_all(client)) == server.total("bytes_out", 1)
        assert "close" not in server.kinds(1)
        client.close()
        assert server.wait_kind("close")["reason"] == "operator"

    def test_an_operator_s_close_is_no_endless_wait(self, server: EchoServer, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (server_module, conversation_module):
            monkeypatch.setattr(module, "FINISH_S", 0.01)
        with server.connect():
            server.wait_kind("open")
            server.server.close_connection(1)
            assert server.wait_kind("close")["reason"] == "operator"

    def test_an_operator_resets(self, server: EchoServer) -> None:
        client = server.connect()
        server.wait_kind("open")
        server.server.close_connection(1, "rst")
        assert server.wait_kind("close")["reason"] == "operator"
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        client.close()

    def test_what_comes_after_a_stop_is_counted(self, server: EchoServer) -> None:
        client = server.connect(receive_buffer=4096)
        sent = fill(client, 64 << 20, server)
        server.server.stop(timeout=DEADLINE_S)
        client.shutdown(socket.SHUT_WR)
        receive_all(client)
        client.close()
        server.wait_kind("close")
        assert server.total("bytes_in", 1) == sent

    def test_stop_answers_what_has_arrived(self, server: EchoServer) -> None:
        client = server.connect()
        server.wait_kind("open")
        client.sendall(b"last")
        server.stop()
        assert receive_all(client) == b"last"
        assert server.of(1)[-1]["reason"] == "shutdown"
        client.close()

    def test_stop_delivers_what_is_queued(self, server: EchoServer) -> None:
        client = server.connect(receive_buffer=4096)
        fill(client, 8 << 20, server)
        queued = server.wait_kind("full")["queue_bytes"]
        assert queued
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        received = len(receive_all(client))
        client.close()
        stopper.join()
        assert queued <= received == server.total("bytes_out", 1) <= server.total("bytes_in", 1)

    def test_stop_does_not_wait_for_ever(self, server: EchoServer, model: str) -> None:
        client = server.connect(receive_buffer=4096)
        sent = fill(client, 64 << 20, server, MUCH[model])
        server.stop(timeout=0.2)
        close = server.of(1)[-1]
        assert (close["kind"], close["reason"]) == ("close", "shutdown")
        assert (close["queue_bytes"] if MUCH[model] == "pause" else sent - server.total("bytes_out", 1)) > 0
        client.close()


class TestLoss:
    @all_but(*SPINNING)  # of two spinning threads none is quick
    def test_a_full_ring_never_stops_the_echo_and_is_counted(self, start: Start, model: str) -> None:
        server = start(model, reply="echo", capacity=1 << 12)
        client = server.connect()
        for _ in range(6000):
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        wait_until(lambda: any(row["kind"] == "lost" for row in server.rows), "a lost row")
        client.close()
        server.wait_kind("close")
        lost = [row for row in server.rows if row["kind"] == "lost"]
        recorded = sum(row["kind"] == "echo" for row in server.rows)
        assert recorded + sum(row["queue_chunks"] for row in lost) == 6000
        assert server.total("bytes_in", 1) + sum(row["bytes_in"] for row in lost) == 6000
        assert {row["reason"] for row in lost} == {"ring_full"}


def test_a_close_that_fails_ends_the_server_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = EchoServer(tmp_path)
    client = server.connect()
    server.wait_kind("open")

    def fail(conn: int, info: bytes) -> None:
        raise MemoryError

    monkeypatch.setattr(server.recorder, "last_sample", fail)
    monkeypatch.setattr("threading.excepthook", lambda arguments: None)
    reset(client)
    server.thread.join(DEADLINE_S)
    assert isinstance(server.error, MemoryError)
    server.stop()


class TestBlocking:
    """What the models without a poller do in their own way."""

    @pytest.fixture(params=ONE_REPLY_QUEUED)
    def model(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def test_the_second_waits_until_the_first_has_gone(self, start: Start) -> None:
        server = start("blocking", reply="echo")
        first = server.connect()
        server.wait_kind("open")
        second, third = server.connect(), server.connect()
        for client in (first, second, third):
            client.sendall(b"x")
        assert receive(first, 1) == b"x"
        assert server.server.accept_queue() == (2, 4096)
        first.close()
        assert receive(second, 1) == b"x"
        assert server.server.accept_queue() == (1, 4096)
        second.close()
        assert receive(third, 1) == b"x"
        third.close()
        server.wait_kind("close", 3)
        assert [row["conn"] for row in server.rows if row["conn"]] == sorted(
            row["conn"] for row in server.rows if row["conn"]
        )

    def test_the_queue_is_one_reply(self, server: EchoServer) -> None:
        client = server.connect(receive_buffer=4096)
        fill(client, 64 << 20, server)
        full = server.wait_kind("full")
        assert 0 < full["queue_bytes"] <= 65536
        assert full["queue_chunks"] == 1
        client.close()

    def test_the_marks_have_their_rows(self, start: Start, model: str) -> None:
        server = start(model, reply="echo", marks=WaterMarks(1, 0))
        client = server.connect(receive_buffer=4096)
        sent = fill(client, 64 << 20, server, "pause")
        assert server.wait_kind("pause")["reason"] == "high_water"
        assert len(receive(client, sent)) == sent
        assert server.wait_kind("resume")["queue_bytes"] == 0
        client.close()

    def test_an_idle_one_makes_room(self, start: Start, model: str) -> None:
        server = start(model, reply="echo", idle_timeout=0.2)
        idle = server.connect()
        server.wait_kind("open")
        assert idle.recv(1) == b""
        assert server.wait_kind("close")["reason"] == "idle"
        idle.close()

    def test_a_stuck_one_is_idle(self, start: Start, model: str) -> None:
        server = start(model, reply="echo", idle_timeout=0.4)
        client = server.connect(receive_buffer=4096)
        with suppress(ConnectionError):  # it is closed before the last look at whether it takes more
            fill(client, 64 << 20, server)
        close = server.wait_kind("close")
        assert close["reason"] == "idle"
        assert close["queue_bytes"] > 0
        client.close()

    @pytest.mark.parametrize("stuck", [False, True])
    def test_an_operator_wakes_a_blocked_call(
        self, server: EchoServer, stuck: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(conversation_module, "FINISH_S", 0.01)
        client = server.connect(receive_buffer=4096)
        server.wait_kind("open")
        if stuck:
            fill(client, 64 << 20, server)
            server.wait_kind("full")
        server.server.close_connection(99)
        server.server.close_connection(1)
        assert server.wait_kind("close")["reason"] == "operator"
        client.close()

    def test_stop_is_quick_with_a_silent_client(self, server: EchoServer) -> None:
        client = server.connect()
        server.wait_kind("open")
        # Its deadline is further away than that of the test: it does not wait for it.
        server.stop(timeout=10 * DEADLINE_S)
        assert receive_all(client) == b""
        assert server.of(1)[-1]["reason"] == "shutdown"
        client.close()

    def test_a_silent_server_beats(self, server: EchoServer) -> None:
        with server.connect():
            server.wait_kind("open")
            beat = server.reader.progress().beat
            wait_until(lambda: server.reader.progress().beat > beat + 900_000_000, "a beat")
            assert server.reader.progress().waited > 500_000_000

    def test_there_is_no_poller_to_exchange(self, server: EchoServer, model: str) -> None:
        assert f"{model} has no poller" in server.server.switch("epoll")
        assert server.server.model == model

    def test_the_kernel_is_asked(self, server: EchoServer) -> None:
        answers: list[dict[int, Any]] = []
        with server.connect() as client:
            client.sendall(b"x")
            receive(client, 1)
            server.server.sample([1, 2], answers.append)
        server.wait_kind("close")
        server.server.sample([1], answers.append)
        assert set(answers[0]) == {1}
        assert answers[0][1]["unread"] == 0
        assert answers[1] == {}
        last = LastSamples(server.folder)
        seen = last.find(1, 0)
        last.close()
        assert seen is not None
        assert seen.now["bytes_acked"] == 1
        with pytest.raises(ValueError, match="at most"):
            server.server.sample([1] * 1000, answers.append)

    def test_a_defect_ends_the_server(self, start: Start, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("threading.excepthook", lambda arguments: None)
        monkeypatch.setattr(Conversation, "_answer", lambda self, received: [][1])
        server = start(model)
        with server.connect() as client:
            client.sendall(b"x")
            server.thread.join(DEADLINE_S)
        assert isinstance(server.error, IndexError)
        server.error = None

    def test_threads_have_a_limit(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ThreadsServer, "_most", 2)
        server = start("threads", reply="echo")
        inside = [server.connect(), server.connect()]
        with server.connect() as outside:
            assert outside.recv(1) == b""
        assert server.wait_kind("refuse", 0)["reason"] == "limit"
        for client in inside:
            client.close()

    def test_without_a_thread_to_keep_the_time_a_stop_is_at_once(
        self, server: EchoServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = server.connect(receive_buffer=4096)
        fill(client, 64 << 20, server)

        def start(self: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            server.server.stop(timeout=3600.0)
        server.thread.join(DEADLINE_S)
        assert server.wait_kind("close")["reason"] == "shutdown"
        client.close()

    def test_no_more_threads_to_be_had(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        server = start("threads", reply="echo")

        def fail(self: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", fail)
            with server.connect() as client:
                assert client.recv(1) == b""
            assert server.wait_kind("close")["reason"] == "error:EAGAIN"
        with server.connect() as client:
            client.sendall(b"again")
            assert receive(client, 5) == b"again"


class TestSwitch:
    """Another poller while the server runs."""

    def test_nothing_is_lost(self, start: Start) -> None:
        server = start("epoll", reply="echo")
        done = threading.Event()
        faults: list[BaseException] = []

        def talk(number: int, totals: list[int]) -> None:
            size = (1, 64, 4096, 300_000)[number % 4]
            try:
                with server.connect() as client:
                    while not done.is_set():
                        message = os.urandom(size)
                        sender = threading.Thread(target=client.sendall, args=(message,))
                        sender.start()
                        assert receive(client, size) == message
                        sender.join()
                        totals[number] += size
            except BaseException as error:
                faults.append(error)

        totals = [0] * 8
        talkers = [threading.Thread(target=talk, args=(number, totals)) for number in range(8)]
        for talker in talkers:
            talker.start()
        stuck = server.connect(receive_buffer=4096)
        pressed = fill(stuck, 4 << 20, server, conn=9)
        for model in (*POLLERS, *reversed(POLLERS)):
            before = list(totals)
            assert server.server.switch(model) == ""
            assert server.server.model == model
            wait_until(lambda before=before: all(map(int.__gt__, totals, before)) or faults, f"traffic over {model}")
        assert len(receive(stuck, pressed)) == pressed
        done.set()
        for talker in talkers:
            talker.join()
        stuck.close()
        assert not faults
        wait_until(lambda: sum(row["kind"] == "close" for row in server.rows) == 9, "9 closes")
        assert {row["reason"] for row in server.rows if row["kind"] == "close"} == {"peer"}
        received = sum(server.total("bytes_in", conn) for conn in range(1, 10))
        assert received == sum(totals) + pressed
        assert received == sum(server.total("bytes_out", conn) for conn in range(1, 10))

    def test_select_refuses_while_a_descriptor_is_too_high(self, start: Start) -> None:
        server = start("epoll", reply="echo")
        held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1024)]
        try:
            with server.connect() as client:
                server.wait_kind("open")
                assert "its limit is 1024" in server.server.switch("select")
                assert server.server.model == "epoll"
                client.sendall(b"still")
                assert receive(client, 5) == b"still"
        finally:
            for fd in held:
                os.close(fd)

    def test_an_order_that_is_being_obeyed_is_not_given_up(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("core.engine.server.server._ORDER_TIMEOUT", 0.0)
        engine = start("epoll").server
        assert isinstance(engine, Server)
        began, exchange, call_soon = threading.Event(), engine._exchange, engine.loop.call_soon
        late = threading.Event()

        def slowly(make: Any) -> str:
            began.set()
            late.wait(DEADLINE_S)
            return exchange(make)

        def call_and_wait(callback: Any) -> None:
            call_soon(callback)
            began.wait(DEADLINE_S)
            threading.Timer(0.05, late.set).start()

        monkeypatch.setattr(engine, "_exchange", slowly)
        with monkeypatch.context() as patch:
            patch.setattr(engine.loop, "call_soon", call_and_wait)
            assert engine.switch("poll") == ""
        assert engine.model == "poll"

    def test_an_order_that_was_given_up_is_not_obeyed(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("core.engine.server.server._ORDER_TIMEOUT", 0.05)
        server = start("epoll")
        release, turned = threading.Event(), threading.Event()
        server.server.loop.call_soon(release.wait)
        assert server.server.switch("poll") == "the loop has not turned for 0.05 s"
        release.set()
        server.server.loop.call_soon(turned.set)
        assert turned.wait(DEADLINE_S)
        assert server.server.model == "epoll"
