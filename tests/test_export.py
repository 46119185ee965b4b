"""Downloads: what the standard parsers read back is what was in the rows."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from record_rows import START_NS, make_batch, plain_rows, random_batch

from core.export.formats import FORMATS, download_name, export
from core.export.parquet import GROUP_ROWS
from core.filter.query import EVENT_FIELDS, Query, parse
from core.log.format.gather import gathered
from core.log.format.schema import SCHEMA
from core.log.format.text import to_dicts

NUMBERS = ("seq", "worker", "conn", "bytes_in", "bytes_out", "queue_bytes", "queue_chunks")


def shown(row: Any) -> Any:
    """A row as JSONL is to give it."""
    seconds, fraction = divmod(row["time"], 10**9)
    return row | {"time": f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"}


def read_csv(data: Any) -> Any:
    lines = list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))
    assert lines[0] == SCHEMA.names
    return [dict(zip(SCHEMA.names, line, strict=True)) for line in lines[1:]]


BATCHES = st.lists(
    st.builds(random_batch, st.integers(0, 80), st.integers(1, 2**55), st.integers(0, 2**32)), max_size=4
)


@given(BATCHES)
def test_jsonl_round_trip(batches: Any) -> None:
    data = b"".join(export(batches, "jsonl"))
    rows = [shown(row) for batch in batches for row in plain_rows(batch)]
    assert [json.loads(line) for line in data.splitlines()] == rows
    assert all(list(json.loads(line)) == SCHEMA.names for line in data.splitlines())


@given(BATCHES)
def test_csv_round_trip(batches: Any) -> None:
    rows = [shown(row) for batch in batches for row in plain_rows(batch)]
    texts = [
        {name: str(value).lower() if name == "emptied" else str(value) for name, value in row.items()} for row in rows
    ]
    assert read_csv(b"".join(export(batches, "csv"))) == texts


def read_parquet(data: Any) -> Any:
    table = parquet.read_table(io.BytesIO(data))
    assert table.schema.equals(SCHEMA)
    return [row for batch in table.combine_chunks().to_batches() for row in plain_rows(batch)]


@given(BATCHES)
def test_parquet_round_trip(batches: Any) -> None:
    data = b"".join(export(batches, "parquet"))
    assert read_parquet(data) == [row for batch in batches for row in plain_rows(batch)]


def test_parquet_row_groups_are_bounded() -> None:
    batches = [make_batch(GROUP_ROWS + 5), *(make_batch(7, 10**6 + 7 * i) for i in range(20)), make_batch(GROUP_ROWS)]
    chunks = list(export(iter(batches), "parquet"))
    file = parquet.ParquetFile(io.BytesIO(b"".join(chunks)))
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    assert sum(group.num_rows for group in groups) == sum(batch.num_rows for batch in batches)
    assert max(group.num_rows for group in groups) <= GROUP_ROWS
    assert {group.column(0).compression for group in groups} == {"ZSTD"}
    assert len(chunks) == len(groups) + 1


@pytest.mark.parametrize("name", FORMATS)
def test_a_writer_takes_no_more_than_it_needs_for_the_next_chunk(name: Any) -> None:
    taken = []

    def batches() -> Iterator[Any]:
        for i in range(1000):
            taken.append(i)
            yield make_batch(20_000, 1 + 20_000 * i)

    chunks = export(batches(), name)
    assert all(next(chunks) for _ in range(3))
    chunks.close()
    assert len(taken) < 20


@given(BATCHES, st.integers(1, 200))
def test_gathering_keeps_rows_and_order(batches: Any, rows: Any) -> None:
    found = list(gathered(batches, rows))
    assert [row for batch in found for row in plain_rows(batch)] == [row for b in batches for row in plain_rows(b)]


def test_batches_with_large_dictionaries_are_not_hoarded() -> None:
    peers = pa.array([f"10.0.0.1:{port}" for port in range(60_000)])
    column = pa.DictionaryArray.from_arrays(pa.array([59_999], pa.int32()), peers)
    batch = make_batch(1).set_column(4, SCHEMA.field("peer"), column)
    taken = []
    first = next(gathered((taken.append(i) or batch for i in range(10_000)), 16_384))
    assert len(taken) == first.num_rows < 100


def with_peer(text: Any) -> Any:
    """A row whose peer is that text."""
    batch = make_batch(1)
    peers = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), pa.array([text], pa.string()))
    return batch.set_column(4, SCHEMA.field("peer"), peers)


@given(st.text(max_size=20))
def test_json_carries_any_text(text: Any) -> None:
    line = b"".join(export([with_peer(text)], "jsonl"))
    assert line.count(b"\n") == 1
    assert json.loads(line)["peer"] == text


@given(st.text(max_size=20))
def test_csv_carries_any_text_but_no_formula(text: Any) -> None:
    [row] = read_csv(b"".join(export([with_peer(text)], "csv")))
    assert row["peer"].removeprefix("'") == text.replace("\0", "\ufffd").removeprefix("'")
    assert not row["peer"].startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("name", FORMATS)
def test_large_batches_are_cut_into_small_chunks(name: Any) -> None:
    chunks = list(export([make_batch(50_000), make_batch(3, 50_001)], name))
    assert len(chunks) > 1
    assert max(map(len, chunks)) < 1_000_000


def test_a_selection_of_rows_keeps_only_the_texts_it_needs() -> None:
    batch = random_batch(100, 1, seed=2)
    assert to_dicts(batch.slice(40, 1)) == [shown(plain_rows(batch)[40])]


def test_nothing_matches() -> None:
    assert b"".join(export([], "jsonl")) == b""
    assert b"".join(export([], "csv")).decode() == ",".join(SCHEMA.names) + "\r\n"
    assert to_dicts(make_batch(0)) == []
    assert read_parquet(b"".join(export([], "parquet"))) == []


def test_unknown_format_is_refused_before_the_first_byte() -> None:
    with pytest.raises(ValueError, match='unknown format "xml"; known: jsonl, csv, parquet, perfetto'):
        export([], "xml")


@pytest.mark.parametrize(
    ("text", "since", "until", "name"),
    [
        ("", None, None, "echoscope-events.csv"),
        ("kind:full -conn:7", None, None, "echoscope-events-kind-full-not-conn-7.csv"),
        ("bytes_in>=1MiB", START_NS, None, "echoscope-events-20261123T140000Z-now-bytes_in-ge-1MiB.csv"),
        ("", None, START_NS, "echoscope-events-start-20261123T140000Z.csv"),
        ('kind:"full"', None, None, "echoscope-events-kind-full.csv"),
    ],
)
def test_download_name(text: Any, since: Any, until: Any, name: Any) -> None:
    assert download_name("csv", parse(text, EVENT_FIELDS), since, until) == name


@given(st.text(alphabet='kind:ful,-*"/\\. \u00e9<>=', max_size=90))
def test_download_names_are_safe(text: Any) -> None:
    name = download_name("jsonl", Query(text))
    assert name.removesuffix(".jsonl").replace("-", "").replace("_", "").replace(".", "").isascii()
    assert not set(name) & set('/\\":*<> \r\n')
    assert len(name) < 160
