"""Rates, verdicts and groups of connections: sums by hand, and what a real server says of real ones."""

import socket
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from conftest import Server
from test_table import OFFSET, array, record
from waiting import wait_until

from core.filter.query import CONNECTION_FIELDS, Query, parse
from core.ring.events import Kind, Reason
from core.ring.records import Records
from core.watch.flow import SECOND, of_second
from core.watch.groups import GROUPED_BY, SORTABLE, groups
from core.watch.kernel.verdict_column import Judged, Sampled
from core.watch.moment import Moment
from core.watch.now.table import Table
from core.watch.now.tally import Rates, Tally


def moment_of(*tallies: Tally, now: int) -> Moment:
    return Moment(now, 1.0, {}, tallies, Rates(), lambda _conn, _limit: ([], 0), lambda _range_s: {}, is_live=True)


def fold(tally: Tally, *records: np.void) -> None:
    for _ in tally.fold(Records.of(array(records), OFFSET)):
        pass


def steady(seconds: float) -> Tally:
    """Connection 1 sends 100 bytes every 100 ms and stops after 5 s, 2 half as much, 3 ends early; a fold each time."""
    tally = Tally(Table(), 0)
    fold(tally, *(record(Kind.OPEN, conn, 1, 9) for conn in (1, 2, 3)))
    for step in range(1, int(seconds * 10) + 1):
        time = step * SECOND // 10
        echoes = [record(Kind.ECHO, conn, time, bytes_in=100 // conn, bytes_out=200 // conn) for conn in (1, 2)]
        fold(tally, *(echoes if time <= 5 * SECOND else echoes[1:]))
        if step == 5:
            fold(tally, record(Kind.ECHO, 3, time, bytes_in=500), record(Kind.CLOSE, 3, time, reason=Reason.PEER))
    return tally


@pytest.mark.parametrize("seconds", [0.5, 1.0, 1.5, 3.0, 4.9])
def test_a_rate_is_that_of_the_last_second_or_two(seconds: float) -> None:
    tally = steady(seconds)
    now = OFFSET + int(seconds * SECOND)
    items = moment_of(tally, now=now).listing().page(parse("state:*", CONNECTION_FIELDS), "conn", 9, 0)["items"]
    # As many steps as there were since a mark that was made right after a step.
    assert items[0]["bytes_in_per_s"] == pytest.approx(1000, rel=0.11)
    assert items[1]["bytes_out_per_s"] == pytest.approx(1000, rel=0.11)
    assert (items[2]["end"], items[2]["bytes_in_per_s"]) == ("ordinary", 0)


def test_who_has_stopped_moves_nothing_and_can_be_sorted_and_filtered() -> None:
    listing = moment_of(steady(8), now=OFFSET + 8 * SECOND).listing()
    page = listing.page(parse("bytes_in_per_s<100 bytes_in>0", CONNECTION_FIELDS), "-bytes_out_per_s", 9, 0)
    assert [item["conn"] for item in page["items"]] == [1]
    assert [item["conn"] for item in listing.page(Query(), "-bytes_in_per_s", 9, 0)["items"]] == [2, 1]


def test_rates_of_the_past_are_those_of_its_last_second() -> None:
    tally = steady(2)
    rates = of_second(tally.table, np.array([2, 1, 2, 7]), np.array([5, 6, 7, 8]), np.array([1, 1, 1, 1]))
    assert [column[1:].tolist() for column in rates] == [[6, 12, 0], [1, 2, 0]]


def test_a_verdict_is_that_of_the_sample_where_there_is_one() -> None:
    tally = steady(1)
    moment = moment_of(tally, now=OFFSET + SECOND)
    listing = moment.listing(Judged(moment.now, {}, {2: Sampled("network", 0.7), 3: Sampled("network", 0.7)}))
    page = listing.page(parse("state:*", CONNECTION_FIELDS), "verdict", 9, 0)
    assert [(one["conn"], one["verdict"], one["verdict_age_s"]) for one in page["items"]] == [
        (3, "closed", 0.7),
        (1, "fine", None),
        (2, "network", 0.7),
    ]
    found = listing.page(parse("verdict:network", CONNECTION_FIELDS), "conn", 9, 0)["items"]
    assert [one["conn"] for one in found] == [2]


def test_groups_add_up() -> None:
    first, second = steady(2), Tally(Table(worker=1), 0)
    fold(second, record(Kind.OPEN, 4, 1, 7), record(Kind.FULL, 4, 2, queue_bytes=30, bytes_in=30))
    fold(second, record(Kind.OPEN, 5, 1, 7), record(Kind.ECHO, 5, 2, bytes_in=1), record(Kind.CLOSE, 5, 3, reason=2))
    listing = moment_of(first, second, now=OFFSET + 2 * SECOND).listing()

    def ask(by: str, q: str = "", sort: str = "-connections", limit: int = 9) -> Any:
        answer = groups(listing, parse(q, CONNECTION_FIELDS), by, sort, limit, lambda: (np.arange(7) % 2, ["", "a"]))
        assert all(list(group) == list(SORTABLE) for group in answer["groups"])
        return [tuple(group.values()) for group in answer["groups"]]

    assert ask("worker") == [("0", 2, 3000, 6000, 0, 0), ("1", 1, 30, 0, 30, 0)]
    assert ask("peer_address") == [("127.0.0.1", 3, 3030, 6000, 30, 0)]
    assert ask("state") == [("closed", 2, 501, 0, 0, 1), ("open", 2, 3000, 6000, 0, 0), ("blocked", 1, 30, 0, 30, 0)]
    assert ask("reason", "reason:reset,peer", "value") == [("peer", 1, 500, 0, 0, 0), ("reset", 1, 1, 0, 0, 1)]
    assert ask("verdict", sort="-queue_bytes", limit=1) == [("unknown", 1, 30, 0, 30, 0)]
    assert sum(row[1] for row in ask("via")) == 3
    assert ask("state", "conn:99") == []
    for by, sort in (("peer", "value"), ("state", "-peer")):
        with pytest.raises(ValueError, match="unknown"):
            ask(by, sort=sort)


def test_who_does_not_read_is_found_by_verdict_rate_and_group(server: Server) -> None:
    with server.connect() as deaf, server.connect() as busy:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(0.5)
        with suppress(TimeoutError):
            while True:
                deaf.sendall(b"x" * 65536)

        def found() -> Any:
            busy.sendall(b"x" * 1000)
            busy.recv(65536)
            return server.json("/api/v1/connections", q="verdict:peer_not_reading")["items"]

        (item,) = wait_until(found, "the kernel is asked about it")
        assert item["verdict_age_s"] is not None
        (page,) = (one for one in server.json("/api/v1/connections")["items"] if one["conn"] == item["conn"])
        assert page["verdict"] == "peer_not_reading"

        def moving() -> Any:
            busy.sendall(b"x" * 1000)
            busy.recv(65536)
            return server.json("/api/v1/connections", q="bytes_in_per_s>0 -verdict:peer_not_reading")["items"]

        (mover,) = wait_until(moving, "the other moves bytes")
        at = server.json("/api/v1/span")["until"]
        then = server.json("/api/v1/connections", at=at, q=f"bytes_out_per_s>0 conn:{mover['conn']}")
        assert then["matched"] == 1
        for by in GROUPED_BY:
            answer = server.json("/api/v1/connections/groups", by=by)
            assert sum(group["connections"] for group in answer["groups"]) == 2
        by_verdict = server.json("/api/v1/connections/groups", by="verdict", q="verdict:peer_not_reading")
        (group,) = by_verdict["groups"]
        assert (group["value"], group["connections"], group["abnormal"]) == ("peer_not_reading", 1, 0)
        assert by_verdict["age_s"] is not None
        assert server.get("/api/v1/connections/groups?by=colour").status_code == 400
