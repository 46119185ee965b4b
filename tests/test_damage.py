"""Damage in the log: what can still be read is read, what can't is told and kept, nothing comes twice."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_rows import make_batch, random_batch
from test_journal import segments, seqs, write
from test_sealing import seal_all

from core.durable import DAMAGED
from core.filter.query import Query
from core.log.format.hot_segment import Entry, Gap, read_head, survey
from core.log.read.log import Log
from core.log.read.verify import verify
from core.log.write.journal import Journal
from core.ring.events import Kind

BATCHES = 6
ROWS = 50


def hot_log(directory: Path, *, segment_bytes: int = 10**9) -> Journal:
    """Batches of 50 rows, each opening a connection of its own."""
    batches = [make_batch(ROWS, 1 + ROWS * i, conn=1 + i, kind=Kind.OPEN) for i in range(BATCHES)]
    return write(directory, *batches, segment_bytes=segment_bytes)


def entries(path: Path) -> list[Entry]:
    with path.open("rb") as file:
        head = read_head(file.fileno(), path)
        assert head is not None
        found = list(survey(file.fileno(), head.end, path.stat().st_size))
    return [one for one in found if isinstance(one, Entry)]


def batch_numbers(directory: Path) -> set[int]:
    """Which of the batches can be read, from 0; each of them is whole."""
    found = seqs(directory)
    assert found == sorted(set(found)), "no number comes twice"
    batches = {(seq - 1) // ROWS for seq in found}
    assert len(found) == ROWS * len(batches)
    return batches


def damage(data: bytearray, how: str, at: int, length: int) -> None:
    if how == "zeros":
        data[at : at + length] = bytes(len(data[at : at + length]))
    elif how == "flip":
        data[at] ^= 0x10
    else:
        data[at : at + length] = os.urandom(len(data[at : at + length]))


@pytest.mark.parametrize("how", ["zeros", "noise"])
@pytest.mark.parametrize("place", ["first word", "note", "body", "across two"])
def test_rows_before_and_behind_damage_are_read(tmp_path: Path, how: str, place: str) -> None:
    hot_log(tmp_path)
    [path] = segments(tmp_path)
    units = entries(path)
    third, fourth = units[2], units[3]
    data = bytearray(path.read_bytes())
    at = {
        "first word": third.offset,
        "note": data.index(third.summary.to_note(), third.offset),
        "body": third.offset + third.length - 200,
        "across two": fourth.offset - 24,
    }[place]
    damage(data, how, at, 64)
    path.write_bytes(data)
    lost = {2, 3} if place == "across two" else {2}
    assert batch_numbers(tmp_path) == set(range(BATCHES)) - lost
    again = Journal(tmp_path)
    assert again.damage
    assert all(line.startswith(f"{path}: ") for line in again.damage)
    assert (again.last_seq, again.max_conn) == ({0: ROWS * BATCHES}, BATCHES)
    assert batch_numbers(tmp_path) == set(range(BATCHES)) - lost
    seal_all(again)
    assert batch_numbers(tmp_path) == set(range(BATCHES)) - lost
    assert path.with_suffix(DAMAGED).read_bytes() == data
    assert f"{path.with_suffix(DAMAGED).name}: set aside, as it is damaged" in verify(tmp_path).problems
    assert Journal(tmp_path).damage == []


@settings(max_examples=150, deadline=None)
@given(how=st.sampled_from(["zeros", "flip", "noise"]), place=st.floats(0, 0.999), length=st.integers(1, 5000))
def test_damage_anywhere(tmp_path_factory: pytest.TempPathFactory, how: str, place: float, length: int) -> None:
    directory = tmp_path_factory.mktemp("data")
    hot_log(directory)
    [path] = segments(directory)
    units = entries(path)
    data = bytearray(path.read_bytes())
    at = int(len(data) * place)
    last = at if how == "flip" else at + length - 1
    damage(data, how, at, length)
    path.write_bytes(data)
    touched = {i for i, unit in enumerate(units) if unit.offset <= last and at < unit.offset + unit.length}
    assert batch_numbers(directory) >= set(range(BATCHES)) - touched
    again = Journal(directory)
    seal_all(again)
    assert batch_numbers(directory) >= set(range(BATCHES)) - touched
    if BATCHES - 1 not in touched:  # the last may look like one that was being written
        assert again.last_given(0) >= ROWS * BATCHES
        assert again.max_given_conn >= BATCHES


@settings(max_examples=60, deadline=None)
@given(size=st.floats(0, 1), which=st.integers(0, BATCHES - 1))
def test_a_segment_cut_anywhere(tmp_path_factory: pytest.TempPathFactory, size: float, which: int) -> None:
    directory = tmp_path_factory.mktemp("data")
    hot_log(directory, segment_bytes=1)
    path = segments(directory)[which]
    whole = path.stat().st_size
    length = int(whole * size)
    os.truncate(path, length)
    left = set(range(BATCHES)) - {which}
    assert batch_numbers(directory) >= left
    again = Journal(directory)
    is_last = which == BATCHES - 1
    assert bool(again.damage) == (not is_last and length not in (whole, whole - 8))
    assert batch_numbers(directory) >= left
    again.append(make_batch(1, 10_000))
    assert seqs(directory)[-1] == 10_000


def test_the_damage_of_a_log_without_checksums_is_passed_over_too(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("core.log.format.hot_segment._crc", lambda _data, _at: b"no check")
    monkeypatch.setattr("core.log.format.hot_segment._is_intact", lambda _data, _at: True)
    hot_log(tmp_path)
    [path] = segments(tmp_path)
    unit = entries(path)[2]
    data = bytearray(path.read_bytes())
    data[unit.offset : unit.offset + 4096] = bytes(4096)
    path.write_bytes(data)
    assert batch_numbers(tmp_path) >= {0, 1, 5}
    assert Journal(tmp_path).last_seq == {0: ROWS * BATCHES}


def test_every_answer_of_a_damaged_log_is_that_of_the_rest(tmp_path: Path) -> None:
    journal = write(tmp_path, *(random_batch(200, 1 + 200 * i, seed=i) for i in range(4)), segment_bytes=1)
    journal.close()
    path = segments(tmp_path)[1]
    path.write_bytes(bytes(path.stat().st_size))
    log = Log(tmp_path)
    expected = [*range(1, 201), *range(401, 801)]
    assert sorted(row["seq"] for row in log.page(Query(), limit=1000)[0]) == expected
    assert sorted(row["seq"] for row in log.page(Query(), limit=1000, order="desc")[0]) == expected
    assert log.histogram(Query(), None, None, 7).total == 600
    assert log.estimate(Query()).rows == 600
    assert log.span() is not None
    assert list(log.index.damaged) == ["segment-00000002"]


def test_gaps_are_told_by_place_and_length(tmp_path: Path) -> None:
    hot_log(tmp_path)
    [path] = segments(tmp_path)
    unit = entries(path)[1]
    data = bytearray(path.read_bytes())
    data[unit.offset : unit.offset + 16] = bytes(16)
    path.write_bytes(data)
    with path.open("rb") as file:
        found = [one for one in survey(file.fileno(), 0, path.stat().st_size) if isinstance(one, Gap)]
    assert found[1] == Gap(unit.offset, unit.length)
    assert str(found[1]) == f"{unit.length} bytes at byte {unit.offset} are damaged"
