"""Records become rows without a value lost or mixed up."""

import ipaddress
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_rows import PEERS, START_NS, make_records, plain_rows

from core.engine.server.listener import packed
from core.filter.query import EVENT_FIELDS
from core.log.format.rows import REASON_TEXTS, peers_of, to_batch
from core.log.format.schema import SCHEMA
from core.ring.events import KINDS, NUMBERED, PEER_STRUCT, REASONS, RECORD, RECORD_STRUCT, Kind, Reason
from core.ring.records import Records

UINT32 = st.integers(0, 2**32 - 1)
RECORDS = st.tuples(
    st.integers(0, 2**40),
    st.integers(0, 2**62),
    UINT32,
    UINT32,
    UINT32,
    UINT32,
    st.sampled_from(list(Kind)),
    st.integers(0, 1),
    st.integers(0, 65535),
    st.integers(0, 255),
    st.integers(1, 2**62),
)


def peer_record(address: str, port: int, kind: Kind = Kind.OPEN) -> bytes:
    ip = ipaddress.ip_address(address)
    packed = ip.packed if ip.version == 6 else bytes(10) + b"\xff\xff" + ip.packed
    return PEER_STRUCT.pack(7, 1, packed, kind, 0, port, 0, 1)


@given(st.lists(RECORDS, max_size=30), st.data())
def test_every_value_arrives(values: Any, data: Any) -> None:
    records = np.frombuffer(b"".join(RECORD_STRUCT.pack(*value) for value in values), RECORD)
    peers = data.draw(st.lists(st.integers(0, 3), min_size=len(values), max_size=len(values)))
    batch = to_batch(Records.of(records, START_NS), 3, np.array(peers, np.int32), PEERS)
    assert batch.schema == SCHEMA
    batch.validate(full=True)
    for row, value, peer in zip(plain_rows(batch), values, peers, strict=True):
        assert row == expected(value, PEERS[peer])


def expected(value: Any, peer: Any) -> Any:
    time, conn, bytes_in, bytes_out, queue_bytes, queue_chunks, kind, emptied, port, reason, seq = value
    text = REASONS[reason]
    has_counts = kind not in (Kind.OPEN, Kind.REFUSE)
    is_move = kind == Kind.START and reason == Reason.CLOCK
    has_queue = has_counts and kind != Kind.LOST
    count = f"{'-' * (is_move and emptied)}{queue_chunks}" if is_move or kind == Kind.LOST else ""
    if kind in NUMBERED:
        count = str(port)
    return {
        "seq": seq,
        "time": time + START_NS,
        "worker": 3,
        "conn": conn,
        "peer": peer,
        "kind": KINDS[kind],
        "bytes_in": bytes_in * has_counts,
        "bytes_out": bytes_out * has_counts,
        "queue_bytes": queue_bytes * has_queue,
        "queue_chunks": queue_chunks * (has_queue and not is_move),
        "emptied": bool(emptied) and not is_move,
        "reason": f"{text}:{count}" if count and text else text,
    }


@pytest.mark.parametrize(
    ("address", "shown"),
    [("127.0.0.1", "127.0.0.1:21567"), ("::1", "[::1]:21567"), ("2001:db8::2", "[2001:db8::2]:21567")],
)
def test_peers_are_written_as_address_and_port(address: Any, shown: Any) -> None:
    records = np.frombuffer(peer_record(address, 21567) * 2, RECORD)
    assert peers_of(Records.of(records, 0)) == [shown, shown]


def test_a_link_local_peer_keeps_its_interface() -> None:
    address, port = packed(("fe80::1%eth0", 5, 0, 3))
    record = PEER_STRUCT.pack(7, 1, address, Kind.OPEN, 0, port, 0, 1)
    assert peers_of(Records.of(np.frombuffer(record, RECORD).copy(), 0)) == ["[fe80::1%3]:5"]
    assert packed(("2001:db8::1", 5, 0, 3)) == (ipaddress.IPv6Address("2001:db8::1").packed, 5)


@pytest.mark.parametrize(
    ("text", "matches"),
    [("fe80::1", True), ("fe80::1%3", True), ("fe80::1%4", False), ("[fe80::1%3]:5", True), ("fe80::2", False)],
)
def test_a_link_local_peer_is_found(text: str, matches: bool) -> None:
    pattern = EVENT_FIELDS["peer"].test(":", [text])
    assert pattern.mask((np.zeros(1, np.int32), pa.array(["[fe80::1%3]:5"]))).tolist() == [matches]


def test_peers_of_a_selection() -> None:
    records = np.frombuffer(b"".join(peer_record("10.0.0.1", port) for port in range(6)), RECORD)
    assert peers_of(Records.of(records, 0)[::2]) == ["10.0.0.1:0", "10.0.0.1:2", "10.0.0.1:4"]


def test_only_peers_that_occur_are_in_the_batch_once() -> None:
    peers = [*PEERS, *PEERS]
    batch = to_batch(Records.of(make_records(3), 0), 0, np.array([1, 5, 2]), peers)
    assert batch.column("peer").dictionary.to_pylist() == [PEERS[1], PEERS[2]]


def test_no_dictionary_holds_a_text_twice() -> None:
    assert len(set(REASON_TEXTS)) == len(REASON_TEXTS)
    records = make_records(4, kind=Kind.LOST)
    records["reason"], records["queue_chunks"] = Reason.RING_FULL, [5, 6, 5, 7]
    values = to_batch(Records.of(records, 0), 0, np.zeros(4, np.int32), [""]).column("reason").dictionary.to_pylist()
    assert len(set(values)) == len(values)


def test_lost_says_how_many_and_keeps_their_sums() -> None:
    records = make_records(1, kind=Kind.LOST)
    records["reason"], records["queue_chunks"], records["bytes_in"] = Reason.DISK, 412, 99
    row = plain_rows(to_batch(Records.of(records, 0), 0, np.zeros(1, np.int32), [""]))[0]
    assert (row["reason"], row["bytes_in"], row["queue_chunks"]) == ("disk:412", 99, 0)
