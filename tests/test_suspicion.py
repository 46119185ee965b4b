"""Suspicious facts: one made-up sample a rule, a quiet one without any, and the catalogue."""

import socket
from pathlib import Path
from typing import Any

import pytest
from echo_server import fill
from waiting import DEADLINE_S, wait_until

from core.engine.server import sample
from core.watch.kernel import facts as kernel
from core.watch.kernel.suspicion import SUSPICIONS, suspects

QUIET: dict[str, Any] = {
    **dict.fromkeys(kernel.FACTS, 0),
    "snd_wnd": 65536,
    "rcv_wnd": 65536,
    "snd_mss": 1448,
    "pmtu": 1500,
    "rtt": 90,
    "min_rtt": 20,
    "snd_cwnd": 10,
    "state": "ESTABLISHED",
    "ca_state": "Open",
    "reordering": 3,
    "send_limit": 4000,
    "receive_limit": 4000,
}

CASES: dict[str, dict[str, Any]] = {
    "unread": {"unread": 1, "last_data_recv": 80},
    "unsent": {"unsent": 5000, "snd_wnd": 700},
    "in_flight": {"in_flight": 1, "last_ack_recv": 2000},
    "send_memory": {"send_memory": 3900},
    "receive_memory": {"receive_memory": 3700},
    "error": {"error": 1},
    "state": {"state": "CLOSE"},
    "ca_state": {"ca_state": "Loss"},
    "rto": {"rto": 1_000_000},
    "snd_mss": {"snd_mss": 48},
    "last_data_sent": {"unsent": 1, "last_data_sent": 5000},
    "last_ack_recv": {"in_flight": 1, "last_ack_recv": 2000},
    "pmtu": {"pmtu": 576},
    "rtt": {"rtt": 30_000},
    "rttvar": {"rtt": 30_000, "rttvar": 30_000},
    "snd_cwnd": {"snd_cwnd": 1, "in_flight": 1},
    "reordering": {"reordering": 9, "reord_seen": 1},
    "total_retrans": {"total_retrans": 2, "data_segs_out": 100},
    "bytes_retrans": {"bytes_retrans": 2, "bytes_sent": 100},
    "notsent_bytes": {"unsent": 5000, "snd_wnd": 700},
    "rwnd_limited": {"busy_time": 200_000, "rwnd_limited": 150_000},
    "sndbuf_limited": {"busy_time": 200_000, "sndbuf_limited": 150_000},
    "snd_wnd": {"snd_wnd": 0},
    "rcv_wnd": {"rcv_wnd": 0},
}


@pytest.mark.parametrize("name", SUSPICIONS)
def test_each_rule(name: str) -> None:
    assert name in suspects({**QUIET, **CASES.get(name, {name: 1})})


def test_a_quiet_one_has_none() -> None:
    assert suspects(QUIET) == []
    assert suspects({}) == []


def test_what_an_earlier_connection_found_is_not_suspected() -> None:
    assert suspects({**QUIET, "reordering": 9}) == []


def test_what_a_kernel_does_not_tell_is_not_suspected() -> None:
    assert suspects({"unsent": 5000, "snd_mss": 1448, "unread": None}) == []
    assert suspects({"unsent": 5000, "snd_mss": 1448, "snd_wnd": 0}) == ["unsent", "snd_wnd"]


def test_the_catalogue_is_that_of_the_kernel_and_in_the_reference() -> None:
    assert SUSPICIONS.keys() <= kernel.FACTS.keys()
    reference = (Path(__file__).parents[1] / "docs" / "reference.md").read_text()
    assert [name for name, rule in SUSPICIONS.items() if f"{rule.when} |" not in reference] == []


def test_a_peer_that_does_not_read_is_suspected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=DEADLINE_S)
        ours, _ = listener.accept()
    with client, ours:
        assert "snd_wnd" not in suspects(kernel.decode(sample.take(ours)))
        fill(ours)
        wait_until(lambda: {"unsent", "snd_wnd"} <= set(suspects(kernel.decode(sample.take(ours)))), "a closed window")
