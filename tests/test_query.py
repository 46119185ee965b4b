"""The filter language: what it accepts, what it answers, and how it says no."""

import fnmatch
import operator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_rows import PEERS, START_NS, plain_rows, random_batch

from core.bad_value import BadValueError
from core.filter.query import CONNECTION_FIELDS, EVENT_FIELDS, Query, QueryError, parse, parse_time
from core.log.format.rows import event_columns
from core.ring.events import KINDS

COMPARE = {
    ":": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
NUMBERS = ("seq", "conn", "worker", "bytes_in", "bytes_out", "queue_bytes", "queue_chunks")
BATCH = random_batch(300, 1, seed=5)
ROWS = plain_rows(BATCH)


def count(text: Any) -> Any:
    return int(parse(text, EVENT_FIELDS).mask(event_columns(BATCH)).sum())


def matching(check: Any) -> Any:
    return sum(1 for row in ROWS if check(row))


def number_terms(name: Any) -> Any:
    values = st.one_of(st.integers(0, 2**63 - 1), st.sampled_from([row[name] for row in ROWS]))
    return st.tuples(st.just(name), st.sampled_from(sorted(COMPARE)), values)


def text_terms(name: Any, values: Any) -> Any:
    return st.tuples(st.just(name), st.sampled_from([":", "=", "!="]), st.sampled_from(values))


TERMS = st.tuples(
    st.booleans(),
    st.one_of(
        *map(number_terms, NUMBERS),
        text_terms("kind", KINDS),
        text_terms("peer", PEERS[1:]),
        text_terms("reason", ["peer", "reset", "idle"]),
        text_terms("emptied", [True, False]),
    ),
)


@given(st.lists(TERMS, max_size=4))
def test_mask_equals_the_plain_meaning(terms: Any) -> None:
    text = " ".join(f"{'-' * negate}{name}{sign}{str(value).lower()}" for negate, (name, sign, value) in terms)
    query = parse(text, EVENT_FIELDS)
    plain = [all(COMPARE[sign](row[name], value) != negate for negate, (name, sign, value) in terms) for row in ROWS]
    assert query.mask(event_columns(BATCH)).tolist() == plain


@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
def test_a_list_means_any_of_them(kinds: Any) -> None:
    assert count(f"kind:{','.join(kinds)}") == matching(lambda row: row["kind"] in kinds)


@given(st.text(alphabet="aeflopsu*_", min_size=1, max_size=6).map(lambda text: text + "*"))
def test_stars_match_any_text(pattern: Any) -> None:
    names = [kind for kind in KINDS if fnmatch.fnmatchcase(kind, pattern)]
    if names:
        assert count(f"kind:{pattern}") == matching(lambda row: row["kind"] in names)
    else:
        with pytest.raises(QueryError, match="known: start, stop"):
            parse(f"kind:{pattern}", EVENT_FIELDS)


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused_clearly(text: Any) -> None:
    assert "\n" not in complaint(text)


def complaint(text: Any) -> Any:
    """What is said about a filter; empty when it works."""
    try:
        parse(text, EVENT_FIELDS).mask(event_columns(BATCH))
    except QueryError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("", lambda row: True),
        ("  kind:FULL ", lambda row: row["kind"] == "full"),
        ('kind:"full"', lambda row: row["kind"] == "full"),
        ("peer:127.0.0.1", lambda row: row["peer"].startswith("127.0.0.1:")),
        ("peer:127.0.0.*", lambda row: row["peer"].startswith("127.0.0.1:")),
        ("peer:1*.1", lambda row: row["peer"].startswith("127.0.0.1:")),
        ("peer:*:5", lambda row: row["peer"] == "10.0.0.2:5"),
        ("peer:::1", lambda row: row["peer"] == "[::1]:40002"),
        ("peer:0:0::1,10.0.0.2", lambda row: row["peer"] in ("[::1]:40002", "10.0.0.2:5")),
        ("peer:::ffff:127.0.0.1", lambda row: row["peer"].startswith("127.0.0.1:")),
        ("peer:[::1]:40002", lambda row: row["peer"] == "[::1]:40002"),
        ('peer:""', lambda row: row["peer"] == ""),
        ('-peer:""', lambda row: row["peer"] != ""),
        ("reason:error", lambda row: row["reason"] == "error:ECONNRESET"),
        ("reason:error:*", lambda row: row["reason"] == "error:ECONNRESET"),
        ("reason:error:econnreset", lambda row: row["reason"] == "error:ECONNRESET"),
        ("reason!=peer", lambda row: row["reason"] != "peer"),
        ("reason:ring_full", lambda row: row["reason"].startswith("ring_full")),
        ('reason:""', lambda row: row["reason"] == ""),
        ("queue_bytes>=1MiB", lambda row: row["queue_bytes"] >= 1048576),
        ("queue_bytes>1.5kB", lambda row: row["queue_bytes"] > 1500),
        ("emptied:true", lambda row: row["emptied"]),
        ("conn:1,2", lambda row: row["conn"] in (1, 2)),
        ("time>=2026-11-23T14:05:00Z", lambda row: row["time"] >= START_NS + 300 * 10**9),
        ("time<2026-11-23T15:05:00+01:00", lambda row: row["time"] < START_NS + 300 * 10**9),
    ],
)
def test_meaning(text: Any, check: Any) -> None:
    assert count(text) == matching(check)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo:1", 'unknown field "foo" in "foo:1"; known: seq, time, worker'),
        ("full", '"full" is not a term: write field:value'),
        ("conn:x", 'bad value "x" (a number) in "conn:x"'),
        ("conn:", 'a value is missing in "conn:"'),
        ("conn:1,", "a value is missing"),
        ("conn:1.5", "not a whole number"),
        ("conn:9999999999999999999", "too large"),
        ("bytes_in>1KB", "or one with B, kB, MB"),
        ("conn>1KiB", "(a number)"),
        ("kind:fool", "known: start, stop, open"),
        ("kind>full", '">" does not go with this field'),
        ("kind=full,echo", "known: start"),
        ("reason:tired", "known: peer, reset"),
        ("emptied:maybe", "true or false"),
        ("peer:fe80::1%eth0", "the zone is the number of the interface"),
        ("peer:127.0", "an address, address:port, or a pattern"),
        ("time>yesterday", "2026-11-23T14:00:00Z"),
        ("time>2026-02-30T00:00:00Z", "no such date"),
        ("time>9999-01-01T00:00:00Z", "only the years"),
        ('peer:"1', "a quote is not closed"),
        ("--kind:full", "is not a term"),
        ("conn:1 " * 33, "more than 32 terms"),
        ("x" * 1001, "longer than 1000 characters"),
        ("\ud800:1", "not text"),
    ],
)
def test_errors_name_the_term(text: Any, message: Any) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text, EVENT_FIELDS)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_connection_table_columns() -> None:
    columns: dict[str, Any] = {
        "idle_s": np.array([0.5, 31.0, 90.0]),
        "state": (np.array([0, 1, 1]), ["open", "blocked"]),
        "peer": (np.arange(3), pa.array(["1.2.3.4:5", "1.2.3.4:6", "9.9.9.9:5"])),
    }
    assert parse("state:blocked idle_s>=1.5m", CONNECTION_FIELDS).mask(columns).tolist() == [False, False, True]
    assert parse("peer:1.2.3.4", CONNECTION_FIELDS).mask(columns).tolist() == [True, True, False]
    with pytest.raises(QueryError, match="known: open, blocked, paused, closing, closed"):
        parse("state:lazy", CONNECTION_FIELDS)


def test_fields_and_bounds_tell_what_has_to_be_read() -> None:
    query = parse("time>=2026-11-23T14:00:00Z -time<2026-11-23T13:00:00Z kind:full", EVENT_FIELDS)
    assert query.fields == {"time", "kind"}
    assert query.bounds("time") == (START_NS, None)
    assert Query().bounds("time") == (None, None)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("30s", START_NS - 30 * 10**9),
        ("1.5m", START_NS - 90 * 10**9),
        ("2h", START_NS - 7200 * 10**9),
        ("1d", START_NS - 86400 * 10**9),
        ("2026-11-23T14:00:00Z", START_NS),
        ("2026-11-23t16:00:00.000000001+02:00", START_NS + 1),
    ],
)
def test_parse_time(text: Any, time: Any) -> None:
    assert parse_time(text, START_NS) == time


@pytest.mark.parametrize("text", ["", "10", "10y", "2026-11-23", "now", "2026-13-01T00:00:00Z"])
def test_parse_time_refuses(text: Any) -> None:
    with pytest.raises(ValueError, match="bad time"):
        parse_time(text, START_NS)


@pytest.mark.parametrize("text", ["2026-11-23T14:00:00 02:00", "2026-11-23T14:00:00.5 02:00"])
def test_an_offset_that_has_lost_its_plus_is_hinted_at(text: str) -> None:
    """In a URL a + stands for a space."""
    with pytest.raises(BadValueError, match="%2B"):
        parse_time(text, 0)
    with pytest.raises(QueryError, match="%2B"):
        parse(f"kind:full time>={text}", EVENT_FIELDS)
