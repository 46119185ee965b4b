"""The latest records: nothing torn, nothing out of order, whatever was overwritten."""

import mmap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ring.flight_recorder import SAMPLE, TURN, LatestReader, LatestWriter, Layout
from core.ring.ring import RingError

SMALL = Layout(TURN.kind, TURN.version, TURN.record, TURN.packer, 256)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "turns-0"


def write(writer: LatestWriter, count: int, start: int = 0) -> None:
    for number in range(start + 1, start + count + 1):
        writer.write(number, number + 1, number + 2, 3, 4, number, 6, 7, 8, 9, 1, 10, 11, 12)


def test_what_is_written_is_read(path: Path) -> None:
    writer = LatestWriter(path, TURN)
    with LatestReader(path, TURN) as reader:
        assert len(reader.since(0)) == 0
        write(writer, 3)
        assert reader.since(1)["began"].tolist() == [2, 3]
        assert reader.newest() == 3
        assert [reader.since(2)[name].tolist() for name in ("ready", "eagains", "write")] == [[3], [9], [12]]
    writer.close()


@settings(deadline=None, max_examples=40)
@given(steps=st.lists(st.tuples(st.integers(0, 700), st.booleans()), max_size=12))
def test_a_reader_sees_a_run_without_a_gap_that_ends_with_the_newest(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool]]
) -> None:
    path = tmp_path_factory.mktemp("latest") / "turns-0"
    writer, written, taken = LatestWriter(path, SMALL), 0, 0
    with LatestReader(path, SMALL) as reader:
        for count, reads in steps:
            write(writer, count, written)
            written += count
            if reads:
                seen = reader.since(taken)["began"].astype(int).tolist()
                assert seen == list(range(written - len(seen) + 1, written + 1))
                assert len(seen) >= min(written - taken, SMALL.capacity - 64)
                taken = written
    writer.close()


def test_the_next_writer_goes_on(path: Path) -> None:
    for start in (0, 2):
        writer = LatestWriter(path, TURN)
        write(writer, 2, start)
        writer.close()
    with LatestReader(path, TURN) as reader:
        assert reader.since(0)["seq"].tolist() == [1, 2, 3, 4]


def test_records_are_found_by_a_field(path: Path) -> None:
    writer = LatestWriter(path, SAMPLE)
    for conn in (5, 6, 5):
        writer.write(conn * 10, conn, 2, b"ab")
    with LatestReader(path, SAMPLE) as reader:
        assert reader.find("conn", 5)["seq"].tolist() == [1, 3]
        assert len(reader.find("conn", 7)) == 0
    writer.close()


def test_a_record_that_is_being_written_is_not_shown(path: Path) -> None:
    writer = LatestWriter(path, SMALL)
    write(writer, 300)
    with LatestReader(path, SMALL) as reader:
        slots = np.frombuffer(writer._map, SMALL.record, SMALL.capacity, mmap.PAGESIZE)
        slots["seq"][slots["seq"] == 250] = 0
        del slots
        assert 250 not in reader.since(240)["seq"]
    writer.close()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: b"something" + data[9:], "not a file of turns of echoscope"),
        (lambda data: data[:8] + b"samples\0" + data[16:], "not a file of turns of echoscope"),
        (lambda data: data[:-1], "turns cut short"),
        (lambda data: data[:10], "not a file of turns of echoscope"),
    ],
)
def test_a_file_of_others_is_refused_by_name(path: Path, spoil: object, message: str) -> None:
    LatestWriter(path, TURN).close()
    path.write_bytes(spoil(path.read_bytes()))  # type: ignore[operator]
    for opened in (LatestReader, LatestWriter):
        with pytest.raises(RingError, match=f"turns-0: {message}"):
            opened(path, TURN)


def test_a_file_of_another_version_is_named_by_a_reader_and_begun_anew_by_a_writer(path: Path) -> None:
    writer = LatestWriter(path, TURN)
    write(writer, 5)
    writer.close()
    data = path.read_bytes()
    path.write_bytes(data[:24] + b"\x09\0\0\0" + data[28:])
    with pytest.raises(RingError, match=f"turns-0: turns of version 9; this is version {TURN.version}"):
        LatestReader(path, TURN)
    LatestWriter(path, TURN).close()
    with LatestReader(path, TURN) as reader:
        assert reader.newest() == 0


def test_what_is_overwritten_while_it_is_found_is_left_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slot of record 2 is taken by record 258 after it was found."""
    writer = LatestWriter(path, SMALL)
    write(writer, 2)
    flatnonzero = np.flatnonzero

    def found_and_overwritten(values: np.ndarray) -> np.ndarray:
        slots = flatnonzero(values)
        write(writer, 256, 2)
        return slots

    with LatestReader(path, SMALL) as reader:
        monkeypatch.setattr(np, "flatnonzero", found_and_overwritten)
        assert len(reader.find("began", 2)) == 0
    writer.close()
