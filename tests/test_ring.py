"""The ring: one writer, one reader, nothing torn, everything counted."""

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ring.events import RECORD, Kind, Reason
from core.ring.ring import RingError, RingReader, RingWriter, await_writer

ECHO = Kind.ECHO | 1 << 8
LOOKS = 300_000
"""A word that was cleared before it was stored anew was seen in 4 to 6 of 100 looks."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ring-0"


def pair(path: Path, capacity: int = 64, after: int = 0) -> tuple[RingWriter, RingReader]:
    return RingWriter(path, capacity=capacity, after=after), RingReader(path)


def take(reader: RingReader, after: int) -> np.ndarray:
    records = reader.read(after, reader.progress().head).copy()
    reader.release(reader.progress().head)
    return records


def test_what_is_written_is_read(path: Path) -> None:
    writer, reader = pair(path)
    writer.echo(7, 64, 91, ECHO)
    writer.emit(Kind.FULL, 8, 100, 40, 60, 1, 1)
    writer.publish(3, 5)
    first, second = take(reader, 0)
    assert (first["seq"], first["conn"], first["bytes_in"], first["bytes_out"]) == (1, 7, 64, 91)
    assert (first["kind"], first["emptied"], first["queue_bytes"]) == (Kind.ECHO, 1, 0)
    assert (second["seq"], second["queue_bytes"], second["queue_chunks"], second["kind"]) == (2, 60, 1, Kind.FULL)
    assert reader.progress()[2:] == (3, 5)


def test_nothing_is_seen_before_it_is_published(path: Path) -> None:
    writer, reader = pair(path)
    writer.echo(1, 1, 1, ECHO)
    assert reader.progress().head == 0


def test_a_record_can_be_revised_before_it_is_published(path: Path) -> None:
    writer, reader = pair(path)
    writer.echo(1, 64, 91, ECHO)
    writer.revise(Kind.FULL, 1, 64, 10, 81, 1, 1)
    writer.publish(0, 0)
    (record,) = take(reader, 0)
    assert (record["seq"], record["kind"], record["bytes_out"], record["queue_bytes"]) == (1, Kind.FULL, 10, 81)


def test_peers_travel_in_the_record(path: Path) -> None:
    writer, reader = pair(path)
    writer.emit_peer(Kind.OPEN, 3, bytes(range(16)), 65535, 0)
    writer.publish(0, 0)
    (record,) = take(reader, 0)
    assert record.tobytes()[16:32] == bytes(range(16))
    assert record["port"] == 65535


def test_numbers_go_on_where_they_are_told_to(path: Path) -> None:
    writer, reader = pair(path, after=1000)
    writer.echo(1, 1, 1, ECHO)
    writer.publish(0, 0)
    assert take(reader, reader.tail)["seq"].tolist() == [1001]


def test_when_the_reader_is_behind_losses_are_counted_and_lifecycle_is_kept(path: Path) -> None:
    writer, reader = pair(path, capacity=64)
    for _ in range(60):
        writer.echo(1, 10, 20, ECHO)
    writer.emit(Kind.CLOSE, 1, reason=Reason.PEER)
    writer.publish(0, 0)
    kinds = take(reader, 0)["kind"].tolist()
    assert kinds == [Kind.ECHO] * 48 + [Kind.CLOSE]
    writer.publish(0, 0)
    (lost,) = reader.read(reader.tail, reader.progress().head)
    assert (lost["kind"], lost["queue_chunks"], lost["bytes_in"], lost["bytes_out"]) == (Kind.LOST, 12, 120, 240)
    assert lost["reason"] == Reason.RING_FULL


def test_a_lost_record_can_be_revised_too(path: Path) -> None:
    writer, reader = pair(path, capacity=64)
    for _ in range(48):
        writer.echo(1, 10, 20, ECHO)
    writer.echo(1, 10, 20, ECHO)
    writer.revise(Kind.FULL, 1, 10, 3, 17, 1, 1)
    writer.publish(0, 0)
    take(reader, 0)
    writer.publish(0, 0)
    (lost,) = reader.read(reader.tail, reader.progress().head)
    assert (lost["queue_chunks"], lost["bytes_in"], lost["bytes_out"]) == (1, 10, 3)


def test_losses_of_more_than_four_gib_take_several_rows(path: Path) -> None:
    writer, reader = pair(path, capacity=64)
    for _ in range(48):
        writer.echo(1, 0, 0, ECHO)
    for _ in range(3):
        writer.echo(1, 2**31, 2**32 - 1, ECHO)
    writer.publish(0, 0)
    take(reader, 0)
    writer.publish(0, 0)
    lost = reader.read(reader.tail, reader.progress().head)
    assert lost["bytes_in"].sum(dtype=np.uint64) == 3 * 2**31
    assert lost["bytes_out"].sum(dtype=np.uint64) == 3 * (2**32 - 1)
    assert lost["queue_chunks"].sum() == 3


def test_what_a_dead_writer_did_not_publish_is_found(path: Path) -> None:
    writer, reader = pair(path)
    for _ in range(5):
        writer.echo(1, 1, 1, ECHO)
    writer.publish(0, 0)
    for _ in range(3):
        writer.echo(1, 1, 1, ECHO)
    assert reader.leftover(reader.tail)["seq"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_half_written_record_is_not_found(path: Path) -> None:
    writer, reader = pair(path)
    writer.echo(1, 1, 1, ECHO)
    writer.echo(1, 1, 1, ECHO)
    torn = 4096 + 2 * RECORD.itemsize + RECORD.itemsize - 8
    writer._map[torn : torn + 8] = bytes(8)
    assert reader.leftover(0)["seq"].tolist() == [1]


@contextmanager
def forked(step: Callable[[int], None]) -> Iterator[None]:
    """Another process that makes step 1, 2, 3 and so on, as fast as it can."""
    pid = os.fork()
    if not pid:
        try:
            for number in itertools.count(1):
                step(number)
        finally:
            os._exit(1)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_reader_never_sees_a_word_of_the_writer_go_back(path: Path) -> None:
    writer, reader = pair(path, capacity=1 << 20)

    def step(number: int) -> None:
        if number < 1 << 19:
            writer.echo(1, 1, 1, ECHO)
        writer.publish(number, number)

    with forked(step):
        seen = reader.progress()
        for _ in range(LOOKS):
            now = reader.progress()
            assert all(after >= before for after, before in zip(now, seen, strict=True)), (seen, now)
            seen = now
    assert seen.turns > 1


def test_a_writer_never_sees_its_room_shrink_while_it_is_released(path: Path) -> None:
    writer, reader = pair(path, capacity=1 << 10)
    with forked(reader.release):
        room = 0
        for _ in range(LOOKS):
            writer.publish()
            assert writer.room() >= room
            room = writer.room()
    assert room > 1 << 10


def test_who_has_begun_is_sure_to_end(path: Path) -> None:
    """Whatever else is recorded, and though nobody reads: room was kept for it."""
    writer, reader = pair(path, capacity=1 << 10)
    opened = 0
    while writer.keep_room(opened + 1):
        opened += 1
        writer.emit_peer(Kind.OPEN, opened, bytes(16), 1, 0)
    writer.publish(0, 0)
    for _ in range(1 << 10):
        writer.echo(1, 1, 1, ECHO)
    for conn in range(1, opened + 1):
        writer.emit(Kind.EOF, conn)
        writer.emit(Kind.CLOSE, conn)
    writer.publish(0, 0)
    kinds = reader.read(0, reader.progress().head)["kind"]
    assert [int((kinds == kind).sum()) for kind in (Kind.OPEN, Kind.EOF, Kind.CLOSE)] == [opened] * 3
    assert opened > 200


def test_a_ring_has_one_writer(path: Path) -> None:
    first = RingWriter(path, capacity=64)
    with pytest.raises(RingError, match="another process is writing it"):
        RingWriter.attach(path)
    with pytest.raises(RingError, match="still writing it"):
        await_writer(path, 0.05)
    first.close()
    await_writer(path, 0.05)
    RingWriter.attach(path).close()


def test_a_ring_can_be_handed_on(path: Path) -> None:
    first, reader = pair(path)
    first.echo(1, 1, 1, ECHO)
    first.publish(0, 0)
    first.close()
    second = RingWriter.attach(path)
    second.echo(2, 1, 1, ECHO)
    second.publish(0, 0)
    assert take(reader, 0)["seq"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("at", "data", "why"),
    [(0, b"notaring", "not a ring"), (8, b"\x09\0\0\0", "version 9"), (16, b"\x80\0\0\0\0\0\0\0", "cut short")],
)
def test_a_foreign_file_is_refused_by_name(path: Path, at: int, data: bytes, why: str) -> None:
    RingWriter(path, capacity=64).close()
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)
    with pytest.raises(RingError, match=f"ring-0: .*{why}"):
        RingReader(path)


def test_a_short_file_is_refused_by_name(path: Path) -> None:
    path.write_bytes(b"hello")
    with pytest.raises(RingError, match="too short"):
        RingReader(path)


def test_the_capacity_is_a_power_of_two(path: Path) -> None:
    with pytest.raises(ValueError, match="power of two"):
        RingWriter(path, capacity=100)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["echo", "open", "publish", "take"]), st.integers(1, 40)), max_size=40))
def test_any_schedule_keeps_the_numbers_whole_and_the_sums_exact(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, int]]
) -> None:
    writer, reader = pair(tmp_path_factory.mktemp("ring") / "ring", capacity=64)
    seen: list[np.ndarray] = []
    after = events = 0

    def drain() -> None:
        nonlocal after
        seen.append(reader.read(after, reader.progress().head).copy())
        after = reader.progress().head
        reader.release(after)

    for move, count in moves:
        if move == "publish":
            writer.publish(0, 0)
        elif move == "take":
            drain()
        else:
            for _ in range(count):
                writer.echo(1, 3, 5, ECHO) if move == "echo" else writer.emit_peer(Kind.OPEN, 2, bytes(16), 1, 0)
                events += 1
    for _ in range(3):
        writer.publish(0, 0)
        drain()
    records = np.concatenate(seen)
    lost = records[records["kind"] == Kind.LOST]
    assert records["seq"].tolist() == list(range(1, len(records) + 1))
    assert len(records) - len(lost) + int(lost["queue_chunks"].sum()) == events
    echoes = sum(count for move, count in moves if move == "echo")
    assert int(records["bytes_in"][records["kind"] != Kind.OPEN].sum()) == 3 * echoes
    writer.close()
    reader.close()
