"""The load generator against servers with good and bad manners."""

import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
from array import array
from typing import Any

import numpy as np
import pytest
from reference_server import (
    Client,
    Server,
    corrupting,
    echo,
    serving,
    stamp,
    stamp_every,
    stamp_in_bytes,
    stamp_up_to,
    stamped,
)
from waiting import DEADLINE_S, wait_until

from core.clients import connect, traffic
from core.clients.connect import source_address
from core.clients.latency import Latencies
from core.clients.load import LoadError, LoadSettings, run

QUICK = {"connections": 5, "seconds": 0.2}


def load(server: Server, **settings: Any) -> dict[str, Any]:
    return run(LoadSettings(host=server.host, port=server.port, **QUICK | settings))


def assert_exact(server: Server, result: dict[str, Any]) -> None:
    """No error, and both sides counted the same."""
    assert result["errors"] == 0, result["error_samples"]
    assert result["echoes"] > 0
    assert (result["bytes_out"], result["bytes_in"]) == (server.received, server.sent)


def test_the_result_has_the_keys_of_the_contract() -> None:
    with serving(stamp) as server:
        result = load(server)
    assert {"echoes", "echoes_per_s", "bytes_out", "bytes_in", "errors", "latency_us"} <= result.keys()
    assert list(result["latency_us"]) == ["p50", "p90", "p99", "p999", "max"]
    assert list(result["latency_us"].values()) == sorted(result["latency_us"].values())
    assert json.loads(json.dumps(result)) == result


@pytest.mark.parametrize("reply", ["stamp", "echo"])
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"size": 1},
        {"size": 1, "depth": 7},
        {"depth": 4},
        {"size": 40_000},
        {"size": 1 << 20, "connections": 2},
        {"size": 1 << 20, "connections": 2, "depth": 3},
        {"idle": 20},
        {"connections": 0, "idle": 3},
    ],
    ids=str,
)
def test_every_byte_is_counted_on_both_sides(reply: str, shape: dict[str, int]) -> None:
    with serving(stamp if reply == "stamp" else echo) as server:
        result = load(server, reply=reply, **shape)
        if shape.get("connections") != 0:
            assert_exact(server, result)
        assert result["errors"] == 0
        assert len(server.clients) == shape.get("connections", 5) + shape.get("idle", 0)
        assert sum(client.received == 0 for client in server.clients) == shape.get("idle", 0)


def test_no_reply_has_no_latency() -> None:
    with serving(echo) as server:
        result = load(server, connections=0, idle=1, reply="echo")
    assert result["echoes"] == 0
    assert set(result["latency_us"].values()) == {None}


def test_a_reply_in_single_bytes_is_one_echo() -> None:
    with serving(stamp_in_bytes) as server:
        assert_exact(server, load(server))


@pytest.mark.parametrize("chunk", [1, 7, 64, 100, 150])
def test_where_the_server_cuts_is_its_own_choice(chunk: int) -> None:
    with serving(stamp_up_to(chunk)) as server:
        result = load(server, size=100, depth=3, connections=2)
        assert_exact(server, result)
        assert result["bytes_in"] >= result["bytes_out"] + 27 * (result["bytes_out"] // chunk)


def test_one_stamp_may_cover_several_messages() -> None:
    with serving(stamp_every(400)) as server:
        result = load(server, size=100, depth=4, connections=2)
        assert_exact(server, result)
        assert result["bytes_in"] == result["bytes_out"] + 27 * result["echoes"] // 4


def test_ipv6() -> None:
    with serving(stamp, "::1") as server:
        assert_exact(server, load(server))


@pytest.mark.parametrize("chunk", [0, 20])
@pytest.mark.parametrize("at", [0, 2, 26, 27, 60, -1])
def test_a_flipped_bit_of_a_stamped_reply_is_an_error(at: int, chunk: int) -> None:
    with serving(corrupting(stamped, at, chunk)) as server:
        result = load(server, seconds=30)
        assert result["errors"] == 5
        assert "connection from 127.0.0.1:" in result["error_samples"][0]
        assert (result["bytes_out"], result["bytes_in"]) == (server.received, server.sent)


@pytest.mark.parametrize("size", [64, 40_000])
def test_a_flipped_bit_of_an_echo_is_an_error(size: int) -> None:
    with serving(corrupting(bytes, -1, 3)) as server:
        assert load(server, reply="echo", size=size, seconds=30)["errors"] == 5


def test_an_echo_where_a_stamp_is_expected_is_an_error_and_the_reverse() -> None:
    with serving(echo) as server:
        assert load(server, seconds=30)["errors"] == 5
    with serving(stamp) as server:
        assert load(server, reply="echo", seconds=30)["errors"] == 5


def test_a_doubled_reply_is_an_error() -> None:
    def twice(client: Client) -> None:
        while data := client.read():
            client.write(2 * stamped(data))

    with serving(twice) as server:
        assert load(server, seconds=30)["errors"] == 5


def test_a_reset_is_an_error() -> None:
    def resetting(client: Client) -> None:
        for _ in range(10):
            client.write(stamped(client.read()))
        client.read()
        client.reset()

    with serving(resetting) as server:
        result = load(server, seconds=30)
    assert result["errors"] == 5
    assert result["echoes"] == 50
    assert "Connection reset by peer, 1 replies missing" in result["error_samples"][0]


def test_a_server_that_closes_is_an_error() -> None:
    def closing(client: Client) -> None:
        client.write(stamped(client.read()))

    with serving(closing) as server:
        result = load(server, seconds=30)
    assert result["errors"] == 5
    assert result["echoes"] == 5


def test_an_idle_connection_that_is_closed_is_an_error() -> None:
    with serving(lambda client: None) as server:
        result = load(server, connections=0, idle=4, seconds=30)
    assert result["errors"] == 4
    assert "closed by the server" in result["error_samples"][0]


def test_missing_replies_and_a_missing_end_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "PATIENCE", 0.1)

    def silent(client: Client) -> None:
        while client.read():
            pass

    def clinging(client: Client) -> None:
        stamp(client)
        released.recv(1)

    with serving(silent) as server:
        result = load(server, depth=3)
        assert result["errors"] == 15
        assert "no reply within" in result["error_samples"][0]
        assert (result["bytes_out"], result["bytes_in"]) == (server.received, 0)
    monkeypatch.setattr(traffic, "PATIENCE", 3)  # the replies come, and may be held up
    release, released = socket.socketpair()
    with released, serving(clinging) as server, release:
        result = load(server, connections=1)
        assert result["errors"] == 1
        assert "not closed by the server" in result["error_samples"][0]
        release.shutdown(socket.SHUT_WR)


def test_sigint_ends_early_with_the_result_so_far() -> None:
    program = (
        "import sys, json; from core.clients.load import *; "
        "print(json.dumps(run(LoadSettings(port=int(sys.argv[1]), seconds=600))))"
    )
    with serving(stamp) as server:
        command = [sys.executable, "-c", program, str(server.port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            wait_until(lambda: server.sent >= 100_000, "100,000 bytes were sent")
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0
        assert_exact(server, json.loads(output))


def test_no_descriptor_is_left_open() -> None:
    with serving(stamp) as server:
        load(server)
        before = len(os.listdir("/proc/self/fd"))
        load(server)
        wait_until(lambda: len(os.listdir("/proc/self/fd")) <= before, "no more descriptors than before")


def test_too_many_connections_for_one_source_address_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "PER_SOURCE", 10)
    with serving(echo) as server:
        assert_exact(server, load(server, connections=25, reply="echo"))
        peers = [client.peer for client in server.clients]
    assert {peer: peers.count(peer) for peer in set(peers)} == {"127.0.0.1": 10, "127.0.0.2": 10, "127.0.0.3": 5}


def test_source_addresses_are_loopback() -> None:
    addresses = {source_address(number) for number in range(0, 1_000_000, 25_000)}
    assert len(addresses) == 40
    assert all(ipaddress.ip_address(address).is_loopback for address in addresses)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("port", 0), ("port", 65536), ("connections", -1), ("idle", -1), ("size", 0), ("size", 1 << 40)],
        *[("seconds", 0), ("seconds", -1), ("seconds", float("nan")), ("depth", 0), ("reply", "shout")],
    ],
)
def test_a_setting_out_of_range_is_named(name: str, value: Any) -> None:
    with pytest.raises(LoadError, match=f"^{name} must be"):
        LoadSettings(**{name: value})


def test_a_load_of_nothing_is_refused() -> None:
    with pytest.raises(LoadError, match="connections and idle together"):
        LoadSettings(connections=0)


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(LoadError, match=f"connection 1 of 100 to 127.0.0.1:{port}: Connection refused"):
        run(LoadSettings(port=port))
    with pytest.raises(LoadError, match=r"^nowhere\.invalid: "):
        run(LoadSettings(host="nowhere.invalid"))


def test_too_few_descriptors_are_named() -> None:
    with serving(stamp) as server, pytest.raises(LoadError, match=r"this process may open [0-9]+ \(ulimit -n\)"):
        load(server, connections=10**6)


def test_percentiles_are_within_half_a_percent() -> None:
    samples = np.random.default_rng(7).lognormal(11, 2, 200_000).astype(np.int64)
    latencies = Latencies()
    latencies.fold(array("q", samples[:150_000].tobytes()), 150_000)
    for sample in samples[150_000:].tolist():
        latencies.add(sample)
    summary = latencies.summary()
    for name, share in {"p50": 50, "p90": 90, "p99": 99, "p999": 99.9}.items():
        assert summary[name] == pytest.approx(np.percentile(samples, share) / 1000, rel=0.005, abs=0.1)
    assert summary["max"] == round(int(samples.max()) / 1000, 1)
