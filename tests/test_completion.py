"""What a filter may name, the values that are there now, and that all that is offered is understood."""

import json
import shutil
import subprocess
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from waiting import DEADLINE_S

from core.filter import catalogue
from core.filter.query import parse
from core.ring.events import Reason
from core.watch.now.listing import Listing
from core.watch.now.suggest import MOST, suggest
from core.watch.now.table import Table

NOW = 1_795_442_400_000_000_000
SUBJECTS = ["events", "connections"]
PEERS = ["127.0.0.1:40001", "127.0.0.1:40002", "10.0.0.9:7", "[::1]:5", "[fe80::1]:22", "192.0.2.1:65535"]


def table(peers: list[str] = PEERS, closed: dict[int, Reason | int] | None = None) -> Table:
    """Connections 1, 2, … of these peers, some of them closed."""
    made = Table()
    made.restore(dict(enumerate(peers, 1)))
    for conn, reason in (closed or {}).items():
        row = made.find(conn)
        made["closed"][row], made["reason"][row] = NOW, reason
    return made


def values(subject: str, field: str, text: str = "", *tables: Table) -> list[str]:
    """The values that are suggested."""
    return [one["value"] for one in suggest(tables or (table(),), NOW, subject, field, text)]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_field_of_the_language_is_described(subject: str) -> None:
    fields = catalogue.fields(subject)
    assert [field["name"] for field in fields] == list(catalogue.SUBJECTS[subject])
    assert all(field["meaning"] and field["operators"] for field in fields)


def test_what_is_not_known_is_named(browser: Any) -> None:
    with pytest.raises(ValueError, match='unknown subject "x"; known: events, connections'):
        catalogue.fields("x")
    with pytest.raises(ValueError, match='unknown subject "x"'):
        values("x", "peer")
    with pytest.raises(ValueError, match='unknown field "foo"; known: conn'):
        values("connections", "foo")
    assert browser.get("/api/v1/fields?of=x").status_code == 400
    assert browser.get("/api/v1/fields/values?of=events").status_code == 400
    assert browser.get("/api/v1/fields/values?of=events&field=peer&text=" + "x" * 201).status_code == 400


def test_the_routes(browser: Any, monitor: Any) -> None:
    answer = browser.get("/api/v1/fields?of=events").json
    assert answer == {"of": "events", "fields": catalogue.fields("events")}
    answer = browser.get("/api/v1/fields/values?of=connections&field=peer&text=127").json
    assert answer["values"] == [{"value": "127.0.0.1", "meaning": "2 connections"}]
    assert monitor.calls == [("suggest", "connections", "peer", "127")]


def test_peers_by_how_many_connections_they_have_then_their_ports() -> None:
    assert values("connections", "peer")[0] == "127.0.0.1"
    assert values("connections", "peer", "127.") == ["127.0.0.1", "127.0.0.1:40002", "127.0.0.1:40001"]
    assert values("connections", "peer", "127.0.0.1:4000") == ["127.0.0.1", "127.0.0.1:40002", "127.0.0.1:40001"]
    assert values("events", "peer", "fe80") == ["[fe80::1]", "[fe80::1]:22"]
    assert values("events", "peer", "x") == []


def test_connections_by_the_digits_typed_the_newest_first() -> None:
    many = table([f"10.0.0.1:{port}" for port in range(1, 1500)])
    assert values("connections", "conn", "", many)[:2] == ["1499", "1498"]
    assert values("connections", "conn", "14", many)[:2] == ["1499", "1498"]
    assert values("connections", "conn", "2", many)[:3] == ["299", "298", "297"]
    assert "2" in values("connections", "conn", "2", table())
    assert values("connections", "conn", "x", many) == []


def test_reasons_and_states_that_are_there_with_their_counts() -> None:
    one = table(closed={1: Reason.RESET, 2: Reason.RESET, 3: 100 + 104})
    assert values("events", "reason", "", one) == ["reset", "error:ECONNRESET"]
    assert values("events", "reason", "err", one) == ["error:ECONNRESET"]
    found = suggest([one], NOW, "connections", "state", "")
    assert found == [{"value": "open", "meaning": "3 now"}, {"value": "closed", "meaning": "3 now"}]


def test_nothing_is_there_yet() -> None:
    for field in catalogue.SUBJECTS["connections"]:
        assert suggest([Table()], NOW, "connections", field, "7") == []


def test_suggestions_are_few() -> None:
    many = table([f"10.0.{n >> 8}.{n & 255}:1" for n in range(1, 1000)])
    assert all(len(values("connections", field, "", many)) <= MOST + 1 for field in catalogue.SUBJECTS["connections"])


def offered(subject: str, starts: list[str]) -> dict[str, list[str]]:
    """Where the completion of the page leads to from these texts."""
    one = table(closed={1: Reason.RESET, 3: 100 + 104})
    live = {
        field["name"]: suggest([one], NOW, subject, field["name"], "")
        for field in catalogue.fields(subject)
        if field["live"]
    }
    node = shutil.which("node") or str(ROOT / ".venv" / "bin" / "node")
    question = json.dumps({"fields": catalogue.fields(subject), "live": live, "starts": starts})
    script = ROOT / "tests" / "completions.mjs"
    ran = subprocess.run([node, script], input=question, capture_output=True, text=True, timeout=DEADLINE_S)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, list[str]] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_completion_that_is_offered_is_understood(subject: str) -> None:
    fields = catalogue.SUBJECTS[subject]
    starts = ["", "-", "b", "-p", "conn:1 ", "reason:error,", 'peer:"10.0.0.9",', "bytes_in>6", "queue_bytes<=512"]
    starts += [name[:length] for name in fields for length in (1, len(name))]
    found = offered(subject, starts)
    assert found["dead"] == []
    assert {parse(text, fields).terms[-1].field for text in found["whole"]} == set(fields) - {"seq"}


@given(
    st.sampled_from(list(catalogue.SUBJECTS["connections"])),
    st.sampled_from(["", "1", "12", "127.0", "r", "0", "2026"]) | st.text(max_size=5),
)
def test_a_suggested_value_matches_something_or_is_a_time(field: str, text: str) -> None:
    one = table(closed={1: Reason.RESET})
    fields = catalogue.SUBJECTS["connections"]
    for found in suggest([one], NOW, "connections", field, text):
        query = parse(f"state:* {field}:{found['value']}", fields)
        assert field == "opened" or Listing([one], NOW).page(query, "conn", 9, 0)["matched"]
