"""The table of connections: folded by arrays, equal to a fold row by row."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.filter.query import CONNECTION_FIELDS, parse
from core.ring.events import RECORD, Kind, Reason
from core.ring.records import Records
from core.watch.now.listing import Listing
from core.watch.now.table import ABNORMAL, ENDS, PROBE, STATES, Table
from core.watch.now.tally import Tally, gauges

MAPPED = bytes(10) + b"\xff\xff"
OFFSET = 1_700_000_000_000_000_000


def record(kind: Kind, conn: int = 0, time: int = 0, port: int = 0, **fields: int) -> np.void:
    made = np.zeros(1, RECORD)
    made["kind"], made["conn"], made["time"], made["port"] = kind, conn, time, port
    for name, value in fields.items():
        made[name] = value
    if kind is Kind.OPEN or port:
        address = np.frombuffer(MAPPED + bytes([127, 0, 0, 1]), "<u4")
        for name, word in zip(("bytes_in", "bytes_out", "queue_bytes", "queue_chunks"), address, strict=True):
            made[name] = word
    return made[0]


def array(records: Iterable[np.void]) -> np.ndarray:
    return np.array(list(records), RECORD)


def fold(table: Table, *records: np.void) -> list[str]:
    rows, peers = table.fold(Records.of(array(records), OFFSET))
    return [str(peers[int(row)]) for row in rows]


def item(table: Table, conn: int) -> dict[str, object]:
    found = Listing([table], OFFSET).find(conn)
    assert found is not None
    return found


@pytest.mark.parametrize("together", [False, True])
def test_who_echoes_is_not_stuck_whatever_was_lost(together: bool) -> None:
    """That the queue is empty again is an event with data, which a full ring loses."""
    table = Table()
    stuck = [record(Kind.OPEN, conn, 10, 1000 + conn) for conn in (1, 2, 3)]
    stuck += [record(kind, conn, 20, queue_bytes=6) for conn in (1, 2, 3) for kind in (Kind.FULL, Kind.PAUSE)]
    later = [record(Kind.ECHO, 1, 30), record(Kind.ECHO, 2, 30), record(Kind.FULL, 2, 40, queue_bytes=6)]
    for part in [stuck + later] if together else [stuck, later]:
        fold(table, *part)
    assert [item(table, conn)["state"] for conn in (1, 2, 3)] == ["open", "blocked", "paused"]
    assert table.stuck().tolist() == [2, 3]


def test_the_life_of_a_connection() -> None:
    table = Table()
    peers = fold(
        table,
        record(Kind.START),
        record(Kind.OPEN, 5, 10, 1234),
        record(Kind.ECHO, 5, 20, bytes_in=64, bytes_out=91),
        record(Kind.FULL, 5, 30, bytes_in=10, bytes_out=4, queue_bytes=6, queue_chunks=1),
    )
    assert peers == ["", *["127.0.0.1:1234"] * 3]
    found = item(table, 5)
    assert (found["state"], found["bytes_in"], found["bytes_out"], found["echoes"]) == ("blocked", 74, 95, 2)
    assert (found["queue_bytes"], found["queue_peak_bytes"], found["fulls"]) == (6, 6, 1)
    fold(table, record(Kind.NOT_FULL, 5, 40, bytes_out=6), record(Kind.EOF, 5, 50))
    assert item(table, 5)["state"] == "closing"
    fold(table, record(Kind.CLOSE, 5, 60, reason=Reason.PEER))
    found = item(table, 5)
    assert (found["state"], found["reason"], found["queue_peak_bytes"]) == ("closed", "peer", 6)
    assert table.open_count == 0


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        ([], "open"),
        ([Kind.FULL], "blocked"),
        ([Kind.FULL, Kind.NOT_FULL], "open"),
        ([Kind.FULL, Kind.PAUSE], "paused"),
        ([Kind.FULL, Kind.PAUSE, Kind.FULL], "paused"),
        ([Kind.FULL, Kind.PAUSE, Kind.NOT_FULL, Kind.RESUME], "open"),
        ([Kind.FULL, Kind.EOF, Kind.FULL], "closing"),
        ([Kind.FULL, Kind.EOF, Kind.CLOSE], "closed"),
    ],
)
def test_states(kinds: list[Kind], state: str) -> None:
    table = Table()
    fold(table, record(Kind.OPEN, 1, 1, 9), *(record(kind, 1, 2) for kind in kinds))
    assert item(table, 1)["state"] == state
    assert gauges([Tally(table, 0)])["blocked"] == (state in ("blocked", "paused"))


def test_refused_peers_are_known_and_leave_no_row() -> None:
    table = Table()
    assert fold(table, record(Kind.REFUSE, 0, 1, 77, reason=Reason.LIMIT)) == ["127.0.0.1:77"]
    assert fold(table, record(Kind.REFUSE, reason=124)) == [""]
    assert table.open_count == 0


def test_an_unknown_connection_is_taken_up() -> None:
    table = Table()
    fold(table, record(Kind.OPEN, 5, 1, 9), record(Kind.ECHO, 3, 2, bytes_in=1), record(Kind.OPEN, 4, 3, 8))
    assert table["conn"].tolist() == [0, 3, 4, 5]
    assert item(table, 3)["peer"] == ""
    assert item(table, 4)["peer"] == "127.0.0.1:8"
    assert item(table, 5)["peer"] == "127.0.0.1:9"


def test_restored_connections_can_be_closed() -> None:
    table = Table()
    table.restore({7: "a:1", 3: "b:2"})
    fold(table, record(Kind.CLOSE, 7, 5, reason=Reason.CRASH))
    assert (table.open_count, item(table, 7)["reason"], item(table, 7)["peer"]) == (1, "crash", "a:1")


def test_the_oldest_closed_are_forgotten() -> None:
    table = Table(closed_kept=10)
    for conn in range(1, 31):
        fold(table, record(Kind.OPEN, conn, conn, conn))
        if conn != 2:
            fold(table, record(Kind.CLOSE, conn, 100 + conn, reason=Reason.PEER))
        table.compact()
    assert 10 <= table.closed_count < 20
    assert table.find(2) is not None
    assert table.find(1) is None
    assert item(table, 30)["peer"] == "127.0.0.1:30"
    fold(table, record(Kind.OPEN, 31, 200, 31))
    assert item(table, 31)["bytes_in"] == 0


def life(conn: int, reason: Reason, bytes_in: int = 1) -> list[np.void]:
    """A connection that opens, sends so much, and ends."""
    echo = [record(Kind.ECHO, conn, 3 * conn + 1, bytes_in=bytes_in)] if bytes_in else []
    return [record(Kind.OPEN, conn, 3 * conn, 9), *echo, record(Kind.CLOSE, conn, 3 * conn + 2, reason=reason)]


def churn(table: Table, ends: Iterable[Reason], first: int = 1, bytes_in: int = 1) -> Tally:
    """Such a connection for each of these reasons, folded as the tally does."""
    tally = Tally(table, 0)
    for conn, reason in enumerate(ends, first):
        for _ in tally.fold(Records.of(array(life(conn, reason, bytes_in)), OFFSET)):
            pass
    return tally


def test_a_storm_of_ordinary_ends_leaves_the_abnormal_ones() -> None:
    table = Table(closed_kept=5)
    churn(table, [Reason.RESET, Reason.IDLE, Reason.OPERATOR, Reason(Reason.CRASH)])
    churn(table, [Reason.PEER, Reason.SHUTDOWN] * 100, first=5)
    assert [item(table, conn)["reason"] for conn in range(1, 5)] == ["reset", "idle", "operator", "crash"]
    assert 5 <= table.end_counts[ENDS.index("ordinary")] < 10
    assert table.end_counts[ABNORMAL] == 4


def test_a_storm_of_abnormal_ends_leaves_the_ordinary_ones_and_is_bounded() -> None:
    table = Table(closed_kept=5)
    churn(table, [Reason.PEER, *[Reason.RESET] * 100, Reason.PEER])
    assert table.find(1) is not None
    assert 5 <= table.end_counts[ABNORMAL] < 10
    assert item(table, 101)["reason"] == "reset"


def test_probes_are_told_apart_and_push_out_nothing_else() -> None:
    """A probe comes and goes without a byte either way, whatever the reason of its end."""
    table = Table(closed_kept=5)
    tally = churn(table, [Reason.RESET, Reason.PEER])
    noted = len(tally.notable)
    probing = churn(table, [Reason.RESET, Reason.PEER, Reason.IDLE] * 50, first=3, bytes_in=0)
    assert [item(table, conn)["end"] for conn in (1, 2, 152)] == ["abnormal", "ordinary", "probe"]
    assert (noted, len(probing.notable)) == (1, 0), "a probe is nothing that someone should look into"
    assert 5 <= table.end_counts[PROBE] < 10
    page = Listing([table], OFFSET).page(
        parse("state:closed -bytes_in>0 -bytes_out>0", CONNECTION_FIELDS), "conn", 9, 0
    )
    assert page["matched"] == page["counts"]["probe"] == table.end_counts[PROBE]
    assert page["counts"]["abnormal"] == 1
    churn(table, [Reason.PEER] * 50, first=153)
    assert item(table, 152)["end"] == "probe"


@given(
    st.lists(
        st.tuples(st.sampled_from([Reason.PEER, Reason.RESET, Reason.SHUTDOWN, Reason.IDLE]), st.integers(0, 1)),
        max_size=40,
    ),
    st.lists(st.integers(1, 30), max_size=20),
)
def test_what_is_forgotten_does_not_depend_on_the_batches(ends: list[tuple[Reason, int]], sizes: list[int]) -> None:
    records = array(one for conn, end in enumerate(ends, 1) for one in life(conn, *end))
    one_by_one, cut = Table(closed_kept=3), Tally(Table(closed_kept=3), 0)
    for conn, (reason, bytes_in) in enumerate(ends, 1):
        churn(one_by_one, [reason], conn, bytes_in)
    for size in [*sizes, len(records)]:
        part, records = records[:size], records[size:]
        for _ in cut.fold(Records.of(part, OFFSET)):
            pass
    assert cut.table["conn"].tolist() == one_by_one["conn"].tolist()
    assert cut.table.peers.to_pylist() == one_by_one.peers.to_pylist()
    assert cut.table.end_counts == one_by_one.end_counts == one_by_one.copy().end_counts


class TestListing:
    @pytest.fixture
    def listing(self) -> Listing:
        table = Table()
        fold(table, *(record(Kind.OPEN, conn, conn, 1000 + conn) for conn in range(1, 101)))
        fold(
            table,
            *(record(Kind.FULL, conn, 200, queue_bytes=conn % 7, bytes_in=conn) for conn in range(1, 101)),
            *(record(Kind.CLOSE, conn, 300, reason=Reason.RESET) for conn in range(91, 101)),
        )
        return Listing([table], OFFSET + 1000)

    def ask(
        self, listing: Listing, q: str = "", sort: str = "conn", limit: int = 10, offset: int = 0
    ) -> dict[str, Any]:
        return listing.page(parse(q, CONNECTION_FIELDS), sort, limit, offset)

    def test_the_closed_are_left_out(self, listing: Listing) -> None:
        answer = self.ask(listing)
        assert (answer["total"], answer["matched"]) == (90, 90)
        assert [one["conn"] for one in answer["items"]] == list(range(1, 11))

    def test_the_closed_are_found_by_state_and_reason(self, listing: Listing) -> None:
        assert self.ask(listing, "state:closed")["matched"] == 10
        assert self.ask(listing, "reason:reset")["matched"] == 10
        assert self.ask(listing, "conn:95")["items"][0]["reason"] == "reset"

    def test_how_many_are_in_each_state_whatever_the_filter(self, listing: Listing) -> None:
        counts = {"open": 0, "blocked": 90, "paused": 0, "closing": 0, "closed": 10, "abnormal": 10, "probe": 0}
        assert self.ask(listing)["counts"] == counts
        assert self.ask(listing, "conn:3")["counts"] == counts

    def test_filter_then_sort_then_page(self, listing: Listing) -> None:
        answer = self.ask(listing, "bytes_in>50", "-queue_bytes", 5, 3)
        expected = sorted(range(51, 91), key=lambda conn: (-(conn % 7), conn))
        assert answer["matched"] == 40
        assert [one["conn"] for one in answer["items"]] == expected[3:8]

    def test_sorted_by_text(self, listing: Listing) -> None:
        answer = self.ask(listing, sort="-peer", limit=3)
        assert [one["peer"] for one in answer["items"]] == ["127.0.0.1:1090", "127.0.0.1:1089", "127.0.0.1:1088"]
        assert [one["conn"] for one in self.ask(listing, "peer:127.0.0.1:1004")["items"]] == [4]

    def test_pages_behind_the_end_are_empty(self, listing: Listing) -> None:
        assert self.ask(listing, offset=1000)["items"] == []

    def test_an_unknown_sort_is_named(self, listing: Listing) -> None:
        with pytest.raises(ValueError, match='unknown sort "colour"'):
            self.ask(listing, sort="colour")

    def test_workers_are_listed_together(self) -> None:
        tables = [Table(1), Table(2)]
        for worker, table in enumerate(tables, 1):
            fold(table, record(Kind.OPEN, 10 * worker, 1, worker))
        listing = Listing(tables, OFFSET)
        assert [(one["conn"], one["worker"]) for one in self.ask(listing)["items"]] == [(10, 1), (20, 2)]
        assert listing.find(20)["peer"] == "127.0.0.1:2"  # type: ignore[index]


KINDS = st.sampled_from([Kind.ECHO, Kind.READ, Kind.WRITE, Kind.FULL, Kind.NOT_FULL, Kind.PAUSE, Kind.RESUME])
EVENTS = st.lists(st.tuples(KINDS, st.integers(1, 6), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)))


@given(EVENTS, st.integers(1, 20))
def test_a_fold_of_arrays_equals_a_fold_of_rows(events: list[tuple[Kind, int, int, int, int]], size: int) -> None:
    records = [record(Kind.OPEN, conn, conn, conn) for conn in range(1, 7)]
    expected = {
        conn: {"bytes_in": 0, "bytes_out": 0, "echoes": 0, "queue_bytes": 0, "queue_peak_bytes": 0, "fulls": 0}
        for conn in range(1, 7)
    }
    flags = {conn: {"blocked": False, "paused": False} for conn in expected}
    since = dict.fromkeys(expected, 0)
    for at, (kind, conn, received, sent, queued) in enumerate(events, 10):
        records.append(record(kind, conn, at, bytes_in=received, bytes_out=sent, queue_bytes=queued))
        row = expected[conn]
        row["bytes_in"] += received
        row["bytes_out"] += sent
        row["echoes"] += received > 0
        row["queue_bytes"] = queued
        row["queue_peak_bytes"] = max(row["queue_peak_bytes"], queued)
        row["fulls"] += kind is Kind.FULL
        since[conn] = 0 if queued == 0 else since[conn] or OFFSET + at
        if kind in (Kind.FULL, Kind.NOT_FULL, Kind.WRITE):
            flags[conn]["blocked"] = kind is Kind.FULL
        if kind in (Kind.PAUSE, Kind.RESUME):
            flags[conn]["paused"] = kind is Kind.PAUSE
        if kind is Kind.ECHO:
            flags[conn] = {"blocked": False, "paused": False}
    table = Table()
    for start in range(0, len(records), size):
        fold(table, *records[start : start + size])
    for conn, row in expected.items():
        found = item(table, conn)
        assert {name: found[name] for name in row} == row
        state = STATES[2] if flags[conn]["paused"] else STATES[1] if flags[conn]["blocked"] else STATES[0]
        assert found["state"] == state
        row_number = table.find(conn)
        assert row_number is not None
        assert int(table["waiting"][row_number]) == since[conn]


ANY = st.one_of(KINDS, st.sampled_from([Kind.EOF, Kind.CLOSE]))


@given(st.lists(st.tuples(ANY, st.integers(1, 5), st.sampled_from([0, 0, 0, 1])), max_size=40), st.integers(1, 5))
def test_who_waits_is_known_after_every_fold(events: list[tuple[Kind, int, int]], size: int) -> None:
    table = Table(closed_kept=2)
    table.restore({4: "here"})
    closed: set[int] = set()
    for start in range(0, len(events), size):
        part = [(kind, conn, queued) for kind, conn, queued in events[start : start + size] if conn not in closed]
        closed |= {conn for kind, conn, _ in part if kind is Kind.CLOSE}
        if part:
            fold(table, *(record(kind, conn, queue_bytes=queued) for kind, conn, queued in part))
        table.compact()
        anew = table.copy()
        assert table.stuck().tolist() == anew.stuck().tolist()
        assert table.queued().tolist() == anew.queued().tolist()


def test_who_waits_is_known_when_an_older_connection_is_taken_up() -> None:
    table = Table()
    fold(table, record(Kind.OPEN, 5), record(Kind.FULL, 5, queue_bytes=1))
    assert (table.stuck().tolist(), table.queued().tolist()) == ([1], [1])
    table.restore({2: "here"})
    assert (table.stuck().tolist(), table.queued().tolist()) == ([2], [2])
