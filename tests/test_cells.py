"""The connection map: a byte for each open connection, in the order of the list."""

import base64
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_table import OFFSET, fold, record

from core.filter.query import CONNECTION_FIELDS, parse
from core.ring.events import Kind
from core.watch.now.listing import Listing
from core.watch.now.map_cells import MAP_SORTS, ShownOrder, cells
from core.watch.now.table import STATES, Table

SECOND = 1_000_000_000
NOW = OFFSET + 1000 * SECOND


def unpacked(answer: dict[str, Any]) -> list[int]:
    return list(zlib.decompress(base64.b64decode(answer["cells"])))


@pytest.mark.parametrize(("idle_s", "level"), [(0, 3), (0.9, 3), (1.1, 2), (9, 2), (11, 1), (59, 1), (61, 0)])
def test_a_cell_tells_how_lately_it_was_active(idle_s: float, level: int) -> None:
    table = Table()
    fold(table, record(Kind.OPEN, 1, 100, 1001))
    last = int(table["last"][1])
    assert unpacked(cells([table], "conn", last + int(idle_s * SECOND), ShownOrder())) == [level << 4]


def test_orders_that_are_not_known_are_refused() -> None:
    with pytest.raises(ValueError, match='unknown sort "reason"; known: conn, peer, -queue_bytes'):
        cells([Table()], "reason", NOW, ShownOrder())


def test_of_no_connection_there_is_no_cell() -> None:
    answer = cells([Table(), Table(2)], "conn", NOW, ShownOrder())
    assert (answer["total"], unpacked(answer)) == (0, [])


changes = st.tuples(
    st.sampled_from([Kind.OPEN, Kind.FULL, Kind.NOT_FULL, Kind.PAUSE, Kind.EOF, Kind.CLOSE, Kind.ECHO]),
    st.integers(1, 12),  # connection; the worker is its last bit
    st.integers(0, 90),  # seconds ago
    st.integers(0, 3),  # queued
)


@settings(deadline=None)
@given(st.lists(st.lists(changes, max_size=12), min_size=1, max_size=5))
def test_the_map_is_the_list_whatever_happened(rounds: list[list[Any]]) -> None:
    tables = [Table(0), Table(1)]
    orders = ShownOrder()
    for happened in rounds:
        for kind, conn, ago, queued in happened:
            table = tables[conn & 1]
            if kind is Kind.OPEN:
                if conn > int(table["conn"][-1]):
                    fold(table, record(kind, conn, (1000 - ago) * SECOND, 1000 + 7 * conn % 5))
            elif table.find(conn) is not None:
                fold(table, record(kind, conn, (1000 - ago) * SECOND, queue_bytes=queued))
        listing = Listing(tables, NOW)
        for sort in MAP_SORTS:
            answer = cells(tables, sort, NOW, orders)
            page = listing.page(parse("", CONNECTION_FIELDS), sort, 100, 0)["items"]
            assert answer["total"] == len(page)
            assert [STATES[cell & 15] for cell in unpacked(answer)] == [item["state"] for item in page]
            levels = [sum(item["idle_s"] < limit for limit in (1, 10, 60)) for item in page]
            assert [cell >> 4 for cell in unpacked(answer)] == levels
            counts = [sum(item["state"] == state for item in page) for state in STATES[:-1]]
            assert list(answer["states"].values()) == counts
        waiting = listing.waiting(100)
        stuck = {item["conn"] for item in page if item["queue_bytes"] or item["state"] in ("blocked", "paused")}
        assert stuck <= {item["conn"] for item in waiting}
        waits = [item["waiting_s"] for item in waiting]
        assert waits == sorted(waits, reverse=True)
        assert [item["conn"] for item in waiting[:1]] == [item["conn"] for item in listing.waiting(1)[:1]]
