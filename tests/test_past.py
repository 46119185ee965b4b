"""Any moment from the log: with a checkpoint or without, from any point, the same state."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.filter.query import Query
from core.log.format.rows import to_batch
from core.log.read.log import Log
from core.log.write.journal import Journal
from core.ring.events import RECORD, Kind, Reason
from core.ring.records import Records
from core.watch.now.listing import Listing
from core.watch.now.table import Table
from core.watch.now.tally import Tally, notable, totals
from core.watch.then import checkpoint
from core.watch.then.past import Past
from core.watch.then.picture import Picture
from core.watch.then.runs import Run, RunBook
from core.watch.times import rfc3339

START = 1_795_442_400_000_000_000
MS = 1_000_000
ADDRESS = np.frombuffer(bytes(10) + b"\xff\xff" + bytes([127, 0, 0, 1]), "<u4")
PAYLOAD = ("bytes_in", "bytes_out", "queue_bytes", "queue_chunks")
Event = tuple[int, Kind, int, int]  # worker, kind, connection, a number

KINDS = st.sampled_from(list(Kind))
EVENTS = st.lists(st.tuples(st.integers(1, 2), KINDS, st.integers(0, 4), st.integers(0, 99)), min_size=1, max_size=80)


class Recorder:
    """Events of some workers a millisecond apart, folded live and written to a log."""

    def __init__(self, directory: Path, closed_kept: int = 10_000) -> None:
        self.directory = directory
        self.journal = Journal(directory)
        self.closed_kept = closed_kept
        self.tallies: dict[int, Tally] = {}
        self.now = START
        self.conns: dict[tuple[int, int], int] = {}
        self.runs = RunBook(directory)

    def begin(self) -> None:
        """A new run, which has the connections that were open closed."""
        recovered = dict(self.journal.last_seq)
        since = self.now + MS
        self.tallies = {worker: Tally(Table(worker, self.closed_kept), recovered.get(worker, 0)) for worker in (1, 2)}
        for worker, tally in self.tallies.items():
            conns = dict(self.journal.open_conns.get(worker, {}))
            tally.table.restore(dict(conns))
            for conn in conns:
                self.add([(worker, Kind.CLOSE, conn, int(Reason.CRASH))])
            tally.begin()
        self.now += MS
        marks = {worker: tally.taken for worker, tally in self.tallies.items()}
        self.runs.begin(Run(self.now, self.now, since, recovered, marks, {"model": "epoll"}), None)

    def add(self, events: list[Event]) -> None:
        """A batch of each worker's events, in the order of workers."""
        for worker in sorted({event[0] for event in events}):
            mine = [event for event in events if event[0] == worker]
            tally = self.tallies[worker]
            records = Records.of(_records([self._named(event) for event in mine], tally.taken, self.now), 0)
            for part in tally.fold(records):
                self.journal.append(to_batch(part.records, worker, part.places, part.peers))
            self.now += len(mine) * MS
        for tally in self.tallies.values():
            tally.horizon = self.now

    def _named(self, event: Event) -> Event:
        """With the id of the connection that has this place: each `open` brings a new one, as ids are never reused."""
        worker, kind, place, number = event
        if kind is Kind.CLOSE and number == Reason.CRASH:
            return event
        if kind is Kind.OPEN:
            self.conns[worker, place] = max([10, *self.conns.values()]) + 1
        return worker, kind, self.conns.setdefault((worker, place), 2 * place + worker), number

    def keep(self) -> None:
        """A checkpoint of now."""
        folder = self.directory / checkpoint.FOLDER
        folder.mkdir(exist_ok=True)
        made = checkpoint.snapshot(self.tallies.values(), self.runs.current.begun)
        if made.time:
            checkpoint.write(folder, made)


def _records(events: list[Event], seq: int, now: int) -> np.ndarray:
    records = np.zeros(len(events), RECORD)
    records["seq"] = np.arange(seq + 1, seq + len(events) + 1)
    records["time"] = now + np.arange(1, len(events) + 1) * MS
    for record, (_, kind, conn, number) in zip(records, events, strict=True):
        server = kind in (Kind.START, Kind.STOP, Kind.LOST, Kind.REFUSE)
        record["kind"], record["conn"] = kind, 0 if server else conn
        if kind is Kind.CLOSE:
            record["reason"] = number if number == Reason.CRASH else number % 5
        elif kind is Kind.LOST:
            record["reason"], record["queue_chunks"], record["bytes_in"] = Reason.RING_FULL, number, number * 7
        elif kind in (Kind.OPEN, Kind.REFUSE):
            record["port"] = 40_000 + number
            for name, word in zip(PAYLOAD, ADDRESS, strict=True):
                record[name] = word
        else:
            record["bytes_in"], record["bytes_out"], record["queue_bytes"] = number, number // 2, number % 7
    return records


def state(tallies: Any) -> dict[str, Any]:
    """All that is known, to be compared. A worker of which nothing is known is no worker."""
    known = [tally for tally in tallies if tally.table.size > 1 or tally.table["last"][0]]
    known.sort(key=lambda tally: int(tally.table.worker))
    listing = Listing([tally.table for tally in known], START)
    return {
        "items": [listing.items(np.array([row])) for row in range(sum(tally.table.size for tally in known))],
        "taken": [tally.taken for tally in known],
        "sums": totals(known),
        "notable": notable(batch for tally in known for batch in tally.notable),
    }


@contextmanager
def recorder(**options: Any) -> Iterator[Recorder]:
    with tempfile.TemporaryDirectory() as folder:
        yield Recorder(Path(folder), **options)


def past(made: Recorder) -> Past:
    return Past(made.directory, Log(made.directory), lambda upto: upto)


@settings(max_examples=20, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=6), st.data())
def test_every_way_to_a_moment_leads_to_the_same_state(batches: list[list[Event]], data: st.DataObject) -> None:
    keeps = data.draw(st.lists(st.sampled_from(["", "keep", "begin"]), min_size=len(batches), max_size=len(batches)))
    with recorder() as made:
        made.begin()
        noted = []
        for events, then in zip(batches, keeps, strict=True):
            made.add(events)
            if then == "keep":
                made.keep()
            noted.append((made.now, state(tally.copy() for tally in made.tallies.values())))
            if then == "begin":
                made.begin()
        made.journal.close()
        traveller = past(made)
        for at, expected in data.draw(st.permutations(noted)):
            assert state(traveller.moment(at).tallies) == expected
        for path in (made.directory / checkpoint.FOLDER).glob("*"):
            path.unlink()
        for at, expected in noted:
            assert state(past(made).moment(at).tallies) == expected


@settings(max_examples=20, deadline=None)
@given(EVENTS, st.integers(0, 80))
def test_a_moment_has_every_event_up_to_it_and_no_other(events: list[Event], count: int) -> None:
    mine = [(1, *event[1:]) for event in events]
    first = min(count, len(mine) - 1) + 1
    with recorder() as made, recorder() as shorter:
        for one, some in ((made, mine), (shorter, mine[:first])):
            one.begin()
            one.add(some)  # type: ignore[arg-type]
        for at in (shorter.now, shorter.now + MS - 1):
            assert state(past(made).moment(at).tallies) == state(shorter.tallies.values())


def test_the_oldest_closed_are_forgotten_at_the_same_event_whatever_the_batches() -> None:
    """Else what is listed at a moment would depend on where the checkpoints are."""
    opens = [(1, Kind.OPEN, conn, 0) for conn in range(100)]
    closes = [(1, Kind.CLOSE, conn, 0) for conn in range(100)]
    states = []
    for size in (7, 200):
        tally = Tally(Table(1, 10), 0)
        records = _records(opens + closes, 0, START)
        records["conn"] = np.tile(np.arange(1, 101), 2)
        for start in range(0, 200, size):
            assert list(tally.fold(Records.of(records[start : start + size], 0)))
        states.append(state([tally]))
    assert states[0] == states[1]


class TestSpan:
    @pytest.fixture
    def made(self, tmp_path: Path) -> Recorder:
        made = Recorder(tmp_path)
        made.begin()
        made.add([(1, Kind.OPEN, 1, 0), (1, Kind.ECHO, 1, 64)])
        return made

    def test_before_the_beginning(self, made: Recorder) -> None:
        with pytest.raises(ValueError, match="before the log's beginning"):
            past(made).moment(START - 1)

    def test_an_empty_log(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="the log is empty"):
            past(Recorder(tmp_path)).span()

    def test_the_whole_log_is_held(self, made: Recorder) -> None:
        assert past(made).span() == Log(made.directory).span()

    def test_of_a_log_whose_beginning_was_dropped_what_has_a_checkpoint_is_held(self, tmp_path: Path) -> None:
        made = Recorder(tmp_path)
        made.journal = Journal(tmp_path, segment_bytes=1)  # a segment a batch
        made.begin()
        made.add([(1, Kind.OPEN, 1, 0)])
        made.keep()
        for number in range(9):
            made.add([(1, Kind.ECHO, 1, number)])
        made.keep()
        kept = made.now
        made.add([(1, Kind.ECHO, 1, 64)])
        made.journal.close()
        for path in sorted((tmp_path / "log").iterdir())[:5]:
            path.unlink()
        traveller = past(made)
        first, last = traveller.span()
        assert (first, last) == (kept, made.now)
        assert state(traveller.moment(last).tallies) == state(made.tallies.values())
        with pytest.raises(ValueError, match=f"before the log's beginning, {rfc3339(kept)}"):
            traveller.moment(kept - 1)

    def test_without_a_checkpoint_a_cut_log_is_folded_from_where_it_begins(self, tmp_path: Path) -> None:
        made = Recorder(tmp_path)
        made.journal = Journal(tmp_path, segment_bytes=1)
        made.begin()
        for number in range(5):
            made.add([(1, Kind.OPEN, number, number), (1, Kind.ECHO, number, 64)])
        made.journal.close()
        (tmp_path / "log" / "segment-00000001.arrows").unlink()
        found = past(made).moment(made.now)
        assert totals(found.tallies).accepted == 4

    def test_missing_events_are_named(self, tmp_path: Path) -> None:
        made = Recorder(tmp_path)
        made.journal = Journal(tmp_path, segment_bytes=1)
        made.begin()
        for number in range(4):
            made.add([(1, Kind.ECHO, 1, number)])
        made.journal.close()
        (tmp_path / "log" / "segment-00000002.arrows").unlink()
        with pytest.raises(ValueError, match="the log lacks events 2 to 2 of worker 1"):
            past(made).moment(made.now)


class TestCheckpoints:
    @pytest.fixture
    def made(self, tmp_path: Path) -> Recorder:
        made = Recorder(tmp_path)
        made.begin()
        made.add([(1, Kind.OPEN, 1, 5), (2, Kind.OPEN, 2, 6), (1, Kind.FULL, 1, 64)])
        made.keep()
        return made

    def path(self, made: Recorder) -> Path:
        ((_, path),) = checkpoint.list_checkpoints(made.directory / checkpoint.FOLDER)
        return path

    def test_reads_what_was_written(self, made: Recorder) -> None:
        assert state(checkpoint.read(self.path(made)).tallies) == state(made.tallies.values())

    @pytest.mark.parametrize("length", [0, 1, 100, 1000, -1])
    def test_a_torn_one_is_named_and_passed_over(self, made: Recorder, length: int) -> None:
        path = self.path(made)
        whole = path.read_bytes()
        path.write_bytes(whole[:length])
        with pytest.raises(checkpoint.CheckpointError, match="damaged checkpoint"):
            checkpoint.read(path)
        assert state(past(made).moment(made.now).tallies) == state(made.tallies.values())

    def test_a_foreign_version_is_named_and_passed_over(
        self, made: Recorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(checkpoint, "VERSION", 99)
        with pytest.raises(checkpoint.CheckpointError, match="checkpoint of version 2; this echoscope reads 99"):
            checkpoint.read(self.path(made))
        assert state(past(made).moment(made.now).tallies) == state(made.tallies.values())
        assert "version 2" in caplog.text

    def test_what_was_not_finished_is_not_seen(self, made: Recorder) -> None:
        path = self.path(made)
        path.rename(path.with_suffix(".partial"))
        assert checkpoint.list_checkpoints(made.directory / checkpoint.FOLDER) == []

    def test_a_failed_write_leaves_nothing(self, made: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        folder = made.directory / checkpoint.FOLDER
        before = set(folder.iterdir())
        monkeypatch.setattr(checkpoint.os, "replace", full)
        with pytest.raises(OSError, match="No space"):
            checkpoint.write(folder, checkpoint.snapshot(made.tallies.values(), 0))
        assert set(folder.iterdir()) == before


def test_pictures_in_memory_are_bounded_and_not_mixed_up(tmp_path: Path) -> None:
    made = Recorder(tmp_path)
    made.begin()
    noted = []
    for number in range(30):
        made.add([(1, Kind.ECHO, 1, number)])
        noted.append((made.now, state(tally.copy() for tally in made.tallies.values())))
    traveller = past(made)
    for at, expected in noted + noted[::-1]:
        assert state(traveller.moment(at).tallies) == expected
    assert len(traveller._pictures) <= 8


def test_a_batch_of_several_workers_is_told_apart(tmp_path: Path) -> None:
    """As in a sealed segment, which is sorted by time."""
    made = Recorder(tmp_path)
    made.begin()
    made.add([(1, Kind.OPEN, 1, 5), (2, Kind.OPEN, 2, 6), (1, Kind.ECHO, 1, 64), (2, Kind.ECHO, 2, 3)])
    batches = list(Log(tmp_path).batches(Query()))
    mixed = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks().sort_by([("seq", "descending")])
    picture = Picture(made.runs.current, 0)
    for batch in mixed.to_batches():
        picture.take(batch)
    assert state(picture.tallies) == state(made.tallies.values())
