"""Reads a downloaded file with a tool that is not echoscope's, and prints what it adds up to.

`PYTHON bench/readers.py TOOL FILE`: any Python that has the tool (pyarrow, pandas, polars, duckdb, json); the format is
the file's suffix. Knows nothing of this project but the names of the columns.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

Sums = dict[str, int]


def pyarrow(path: str, suffix: str) -> Sums:
    """Batch by batch."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv
    import pyarrow.json
    import pyarrow.parquet as pq

    if suffix == "parquet":
        batches: Any = pq.ParquetFile(path).iter_batches(columns=["bytes_in", "bytes_out", "kind"])
    elif suffix == "csv":
        # It takes a column's type from the first block, where no row may have a reason.
        types = pyarrow.csv.ConvertOptions(column_types={"reason": pa.string()})
        batches = pyarrow.csv.open_csv(path, convert_options=types)
    else:
        batches = pyarrow.json.open_json(path)
    sums = {"rows": 0, "bytes_in": 0, "bytes_out": 0, "echoes": 0}
    for batch in batches:
        sums["rows"] += batch.num_rows
        for name in ("bytes_in", "bytes_out"):
            sums[name] += pc.sum(batch.column(name)).as_py() or 0
        sums["echoes"] += pc.sum(pc.equal(batch.column("kind").cast(pa.string()), "echo")).as_py() or 0
    return sums


def pandas(path: str, suffix: str) -> Sums:
    """The whole file as a frame."""
    import pandas as pd

    readers: dict[str, Callable[[str], Any]] = {
        "parquet": pd.read_parquet,
        "csv": pd.read_csv,
        "jsonl": lambda name: pd.read_json(name, lines=True),
    }
    frame = readers[suffix](path)
    return _sums(len(frame), frame["bytes_in"].sum(), frame["bytes_out"].sum(), (frame["kind"] == "echo").sum())


def polars(path: str, suffix: str) -> Sums:
    """A lazy scan."""
    import polars as pl

    scans: dict[str, Callable[[str], Any]] = {
        "parquet": pl.scan_parquet,
        "csv": pl.scan_csv,
        "jsonl": pl.scan_ndjson,
    }
    echoes = (pl.col("kind").cast(pl.String) == "echo").sum()
    sums = [
        pl.len(),
        *(pl.col(name).cast(pl.Int64).sum() for name in ("bytes_in", "bytes_out")),
        echoes.alias("echoes"),
    ]
    return _sums(*scans[suffix](path).select(sums).collect().row(0))


def duckdb(path: str, suffix: str) -> Sums:
    """SQL on the file."""
    import duckdb as db

    source = {"parquet": "read_parquet", "csv": "read_csv", "jsonl": "read_json"}[suffix]
    query = f"select count(*), sum(bytes_in), sum(bytes_out), count(*) filter (kind = 'echo') from {source}(?)"
    return _sums(*(db.execute(query, [path]).fetchone() or ()))


def trace(path: str, suffix: str) -> Sums:
    """A trace as plain JSON: its visits carry what they read and sent."""
    with open(path, encoding="utf-8") as file:
        visits = [one for one in json.load(file)["traceEvents"] if "bytes_in" in one.get("args", {})]
    return _sums(
        len(visits),
        sum(int(one["args"]["bytes_in"]) for one in visits),
        sum(int(one["args"]["bytes_out"]) for one in visits),
        sum(one["name"] == "echo" for one in visits),
    )


TOOLS: dict[str, Callable[[str, str], Sums]] = {
    "pyarrow": pyarrow,
    "pandas": pandas,
    "polars": polars,
    "duckdb": duckdb,
    "json": trace,
}


def _sums(rows: Any, bytes_in: Any, bytes_out: Any, echoes: Any) -> Sums:
    return {"rows": int(rows), "bytes_in": int(bytes_in), "bytes_out": int(bytes_out), "echoes": int(echoes)}


if __name__ == "__main__":
    print(json.dumps(TOOLS[sys.argv[1]](sys.argv[2], sys.argv[2].rpartition(".")[2])))
