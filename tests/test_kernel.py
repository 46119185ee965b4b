"""What the kernel says of a socket: decoded, sampled in the loop's thread, and once more before every close."""

import queue
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from echo_server import EchoServer, fill, receive, reset
from waiting import DEADLINE_S, wait_until

from core.engine.server import sample
from core.engine.server.sample import Sample
from core.watch.kernel import facts as kernel
from core.watch.kernel.sampler import LastSamples


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of one TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=DEADLINE_S)
        accepted, _ = listener.accept()
    with client, accepted:
        accepted.settimeout(DEADLINE_S)
        yield accepted, client


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EchoServer]:
    running = EchoServer(tmp_path, reply="echo")
    yield running
    running.stop()


def ask(server: EchoServer, *conns: int) -> dict[int, Sample]:
    answer: queue.SimpleQueue[dict[int, Sample]] = queue.SimpleQueue()
    server.server.sample(list(conns), answer.put)
    return answer.get(timeout=DEADLINE_S)


def test_fields_stand_where_the_header_puts_them() -> None:
    places = {"rto": 8, "unacked": 24, "pmtu": 60, "pacing_rate": 104, "notsent_bytes": 144, "delivery_rate": 160}
    places |= {"busy_time": 168, "bytes_sent": 200, "snd_wnd": 228, "rcv_wnd": 232, "total_rto_time": 244}
    raw = bytearray(248)
    for name, at in places.items():
        raw[at] = at % 251
        assert kernel.decode_tcp_info(bytes(raw))[name] == at % 251


def test_an_older_kernel_tells_less() -> None:
    values = kernel.decode_tcp_info(bytes(104))
    assert "total_retrans" in values
    assert "pacing_rate" not in values
    assert kernel.decode_tcp_info(b"") == {}
    assert kernel.decode({"at": 0, "info": bytes(104)})["in_flight"] is None


def test_flags_and_states_are_told_in_words() -> None:
    values = kernel.decode_tcp_info(bytes([1, 4, 0, 0, 0, 0b111, 0x7A, 1]) + bytes(240))
    assert (values["state"], values["ca_state"]) == ("ESTABLISHED", "Loss")
    assert (values["options"], values["wscale"]) == ("timestamps sack wscale", "10 7")
    assert values["app_limited"] == 1
    assert kernel.decode_tcp_info(bytes([99, 99]) + bytes(6))["state"] == "99"


def test_what_stands_for_none_is_none() -> None:
    raw = bytearray(248)
    struct.pack_into("=I", raw, 76, 0x7FFFFFFF)
    struct.pack_into("=Q", raw, 112, 2**64 - 1)
    values = kernel.decode_tcp_info(bytes(raw))
    assert values["snd_ssthresh"] is None
    assert values["max_pacing_rate"] is None


def test_every_value_is_in_the_catalogue(pair: Any) -> None:
    values = kernel.decode(sample.take(pair[0]))
    assert values.keys() <= kernel.FACTS.keys()
    assert kernel.PIPE.keys() <= values.keys()
    assert all(fact.label and fact.meaning for fact in kernel.FACTS.values())


def test_the_pipe_of_a_peer_that_does_not_read(pair: Any) -> None:
    ours, _ = pair
    written = fill(ours)
    wait_until(lambda: kernel.decode(sample.take(ours))["snd_wnd"] == 0, "a closed window")
    wait_until(lambda: kernel.decode(sample.take(ours))["in_flight"] == 0, "everything in the window arrived")
    values = kernel.decode(sample.take(ours))
    assert values["unsent"] == values["notsent_bytes"]
    assert values["unsent"] + values["bytes_acked"] == written
    assert values["rwnd_limited"] > 0


def test_a_full_buffer_takes_nearly_the_memory_that_it_may(pair: Any) -> None:
    ours, client = pair
    empty = kernel.decode(sample.take(ours))
    assert (empty["send_memory"], empty["receive_memory"]) == (0, 0)
    assert empty["send_limit"] == ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    assert empty["receive_limit"] == ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    fill(ours)
    client.sendall(b"hello")
    wait_until(lambda: kernel.decode(sample.take(ours))["unread"] == 5, "5 bytes unread")
    full = kernel.decode(sample.take(ours))
    # A socket becomes writable again at two thirds of its limit (sk_stream_is_writeable() in include/net/sock.h).
    assert full["send_memory"] > full["send_limit"] * 2 / 3
    assert 5 < full["receive_memory"] < full["receive_limit"]


def test_what_has_arrived_is_unread(pair: Any) -> None:
    ours, client = pair
    client.sendall(b"hello")
    wait_until(lambda: kernel.decode(sample.take(ours))["unread"] == 5, "5 bytes unread")


def test_a_sample_leaves_a_waiting_error_alone(pair: Any) -> None:
    ours, client = pair
    reset(client)
    wait_until(lambda: sample.take(ours)["error"], "an error")
    assert kernel.decode(sample.take(ours))["state"] == "CLOSE"
    with pytest.raises(ConnectionResetError):
        ours.recv(1)


def last_sample(server: EchoServer, conn: int) -> Any:
    samples = LastSamples(server.folder)
    seen = samples.find(conn, 0)
    samples.close()
    assert seen is not None
    return seen.now


def test_the_server_samples_what_is_asked_for(server: EchoServer) -> None:
    with server.connect() as client:
        client.sendall(b"hello")
        assert receive(client, 5) == b"hello"
        samples = ask(server, 1, 99)
    assert samples.keys() == {1}
    assert kernel.decode(samples[1])["bytes_received"] == 5


def test_too_many_at_once_are_an_error(server: EchoServer) -> None:
    with pytest.raises(ValueError, match="65 connections to be sampled at once: at most 64"):
        server.server.sample(list(range(65)), print)


def test_a_closed_connection_has_a_last_sample(server: EchoServer) -> None:
    with server.connect() as client:
        client.sendall(b"hello")
        assert receive(client, 5) == b"hello"
    server.wait_kind("close")
    values = last_sample(server, 1)
    assert values["state"] == "CLOSE_WAIT"
    assert (values["bytes_acked"], values["unsent"], values["in_flight"]) == (5, 0, 0)


def test_a_reset_leaves_what_was_not_delivered(server: EchoServer) -> None:
    client = server.connect()
    client.setblocking(False)
    wait_until(lambda: _stuffed(client, server), "a full send buffer")
    reset(client)
    server.wait_kind("close")
    values = last_sample(server, 1)
    assert values["state"] == "CLOSE"
    assert values["bytes_sent"] > 0


def _stuffed(client: socket.socket, server: EchoServer) -> bool:
    fill(client)
    return "full" in server.kinds(1)
