"""Faults with bytes alone: what goes when, and what an order may say."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bad_value import BadValueError
from core.engine.faults.faulted import FaultedConnection
from core.engine.pollers.poller import READ, WRITE
from core.engine.server.connection import Connection, WaterMarks
from core.faults.effect import Deed
from core.faults.fault_order import FaultOrder, FaultRequest
from core.faults.kinds.latency_fault import Latency
from core.faults.registry import FAULT_KINDS
from core.faults.selection import NextOnes, OnesByPeer, ShareOfNewOnes


class Bench:
    """A connection under faults, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.conn = FaultedConnection.of(Connection(1, WaterMarks(1 << 18, 1 << 16)), lambda: self.now)
        self.received = b""
        self._number = 0

    def begin(self, kind: str, **attributes: int) -> int:
        self._number += 1
        self.conn.begin(self._number, FAULT_KINDS[kind](**attributes).effect(self.now, 7))
        return self._number

    def take(self, limit: int = 1 << 20) -> bytes:
        """All that may go now, at most `limit` bytes of it."""
        data = b"".join(self.conn.pending(limit))
        self.conn.sent(len(data))
        self.received += data
        return data

    def wait(self, seconds: float) -> bytes:
        """All that goes in that time, each byte as soon as it may."""
        end, data = self.now + seconds, b""
        while True:
            while part := self.take():
                data += part
            due = self.conn.due()
            if due is None or due > end or self.conn.deed():
                self.now = end
                return data + self.take()
            self.now = max(due, self.now + 1e-9)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_latency(bench: Bench) -> None:
    bench.conn.receive(b"before")
    bench.begin("latency", latency=100)
    assert bench.take() == b"before"
    bench.conn.receive(b"one")
    assert bench.conn.wants == READ
    assert bench.conn.due() == pytest.approx(100.1)
    assert bench.wait(0.099) == b""
    bench.conn.receive(b"two")
    assert bench.wait(0.002) == b"one"
    assert bench.wait(0.1) == b"two"
    assert bench.conn.due() is None


def test_bandwidth_keeps_its_rate_and_saves_nothing_up(bench: Bench) -> None:
    bench.begin("bandwidth", rate=1000)
    bench.wait(60)
    bench.conn.receive(bytes(10_000_000))
    assert len(bench.wait(5)) == pytest.approx(5_000_000, rel=0.01)


def test_slow_bandwidth_comes_to_an_end(bench: Bench) -> None:
    bench.begin("bandwidth", rate=1)
    bench.conn.receive(bytes(15))
    assert len(bench.wait(1)) == 15
    assert bench.conn.due() is None


def test_slicer_cuts(bench: Bench) -> None:
    bench.begin("slicer", average_size=10, size_variation=3, delay=1000)
    bench.conn.receive(bytes(25))
    assert 7 <= len(bench.take()) <= 13
    assert bench.take() == b""
    assert 7 <= len(bench.wait(0.0015)) <= 13
    bench.wait(1)
    assert len(bench.received) == 25


def test_limit_data_asks_for_the_close_when_all_has_gone(bench: Bench) -> None:
    bench.begin("limit_data", bytes=10)
    bench.conn.receive(bytes(6))
    assert (len(bench.take()), bench.conn.deed()) == (6, None)
    bench.conn.receive(bytes(6))
    assert (len(bench.take()), bench.conn.deed()) == (4, Deed.CLOSE)


def test_timeout_and_reset_come_in_time(bench: Bench) -> None:
    bench.begin("timeout", timeout=200)
    bench.begin("reset_peer", timeout=300)
    assert bench.wait(0.1) == b""
    assert bench.conn.deed() is None
    bench.wait(0.101)
    assert bench.conn.deed() is Deed.CLOSE
    bench.wait(0.1)
    assert bench.conn.deed() is Deed.RESET


def test_timeout_of_nothing_never_closes(bench: Bench) -> None:
    bench.begin("timeout", timeout=0)
    bench.conn.receive(b"kept")
    assert bench.wait(3600) == b""
    assert bench.conn.deed() is None


def test_half_close_waits_for_what_is_queued(bench: Bench) -> None:
    bench.conn.receive(b"queued")
    bench.begin("half_close")
    assert bench.conn.deed() is None
    bench.take()
    assert bench.conn.deed() is Deed.END_SIDE


def test_interest_follows_what_the_faults_let(bench: Bench) -> None:
    stop = bench.begin("stop_reading")
    bench.conn.receive(b"x")
    assert bench.conn.wants == WRITE
    hold = bench.begin("hold")
    assert bench.conn.wants == 0
    del bench.conn.effects[stop], bench.conn.effects[hold]
    assert bench.conn.wants == READ | WRITE


@given(st.integers(1, 50), st.lists(st.binary(max_size=120), max_size=12))
def test_corrupt_flips_one_bit_of_every_so_many(every: int, replies: list[bytes]) -> None:
    bench = Bench()
    bench.begin("corrupt", every=every)
    for reply in replies:
        bench.conn.receive(reply)
    bench.take()
    plain = b"".join(replies)
    assert bench.received == bytes(byte ^ ((at + 1) % every == 0) for at, byte in enumerate(plain))


KINDS_THAT_DELAY: list[tuple[str, dict[str, int]]] = [
    ("latency", {"latency": 30, "jitter": 40}),
    ("bandwidth", {"rate": 2}),
    ("slicer", {"average_size": 5, "size_variation": 4, "delay": 500}),
    ("hold", {}),
    ("stop_reading", {}),
]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("receive"), st.binary(min_size=1, max_size=60)),
        st.tuples(st.just("take"), st.integers(1, 40)),
        st.tuples(st.just("wait"), st.floats(0, 0.1)),
        st.tuples(st.just("begin"), st.sampled_from(KINDS_THAT_DELAY)),
        st.tuples(st.just("end"), st.integers(0, 5)),
    ),
    max_size=40,
)


@given(STEPS)
def test_whatever_comes_and_goes_no_byte_is_lost_doubled_or_out_of_order(steps: list[tuple[str, Any]]) -> None:
    bench, given_bytes = Bench(), b""
    for step, value in steps:
        if step == "receive":
            bench.conn.receive(value)
            given_bytes += value
        elif step == "take":
            bench.take(value)
        elif step == "wait":
            bench.wait(value)
        elif step == "begin":
            bench.begin(value[0], **value[1])
        elif bench.conn.effects:
            del bench.conn.effects[sorted(bench.conn.effects)[value % len(bench.conn.effects)]]
    bench.conn.effects.clear()
    plain = bench.conn.plain()
    data = b"".join(plain.pending(1 << 20))
    assert bench.received + data == given_bytes
    assert plain.queue_bytes == len(data)


@given(st.integers(0, 2**53), st.floats(0, 1))
def test_a_seed_chooses_about_its_share_and_always_the_same(seed: int, share: float) -> None:
    chosen = [ShareOfNewOnes(share, seed).chooses(place, "") for place in range(1000)]
    assert chosen == [ShareOfNewOnes(share, seed).chooses(place, "") for place in range(1000)]
    assert abs(sum(chosen) / 1000 - share) < 0.1


@pytest.mark.parametrize("new", [None, NextOnes(5), ShareOfNewOnes(0.1, 7), OnesByPeer((("10.*", False), ("x", True)))])
def test_an_order_survives_json(new: Any) -> None:
    order = FaultOrder(12, Latency(latency=5, jitter=1), 99.5, 3, new, 2)
    assert FaultOrder.from_json(order.to_json()) == order


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "JSON object"),
        ({}, '"kind"'),
        ({"kind": "gremlin"}, '"kind"'),
        ({"kind": "hold"}, '"on"'),
        ({"kind": "hold", "on": {"conn": 0}}, '"on.conn"'),
        ({"kind": "hold", "on": {"conn": 1, "next": 5}}, '"on"'),
        ({"kind": "hold", "on": {"who": 1}}, '"who"'),
        ({"kind": "hold", "on": {"next": True}}, '"on.next"'),
        ({"kind": "hold", "on": {"share": 1.5}}, '"on.share"'),
        ({"kind": "hold", "on": {"share": float("nan")}}, '"on.share"'),
        ({"kind": "hold", "on": {"conn": 1, "seed": 7}}, '"on.seed"'),
        ({"kind": "hold", "on": {"share": 0.5, "seed": -1}}, '"on.seed"'),
        ({"kind": "hold", "on": {"q": 5}}, '"on.q"'),
        ({"kind": "hold", "on": {"conn": 1}, "latency": 5}, '"latency"'),
        ({"kind": "hold", "on": {"conn": 1}, "seconds": 0}, '"seconds"'),
        ({"kind": "hold", "on": {"conn": 1}, "seconds": 3601}, '"seconds"'),
        ({"kind": "hold", "on": {"conn": 1}, "why": "x" * 201}, '"why"'),
        ({"kind": "hold", "on": {"conn": 1}, "dry_run": 1}, '"dry_run"'),
        ({"kind": "latency", "on": {"conn": 1}}, '"latency"'),
        ({"kind": "latency", "on": {"conn": 1}, "latency": "5"}, '"latency"'),
        ({"kind": "latency", "on": {"conn": 1}, "latency": -1}, '"latency"'),
        ({"kind": "slicer", "on": {"conn": 1}, "average_size": 5, "size_variation": 5}, '"size_variation"'),
        ({"kind": "refuse", "on": {"conn": 1}}, '"on"'),
    ],
)
def test_a_bad_order_names_its_field(body: Any, field: str) -> None:
    with pytest.raises(BadValueError, match=field):
        FaultRequest.from_json(body)


def test_a_good_order() -> None:
    body = {"kind": "latency", "on": {"share": 0.1, "seed": 7}, "latency": 200, "seconds": 5, "why": "a slow day"}
    request = FaultRequest.from_json(body)
    assert (request.kind.attributes(), request.on.to_json()) == ({"latency": 200, "jitter": 0}, body["on"])
    assert (request.seconds, request.why, request.dry_run) == (5.0, "a slow day", False)
