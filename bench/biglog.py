"""A long log made up: `python -m bench.biglog DIR [--rows N]`, as a server with many connections would have left it."""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from core.log.format.rows import to_batch
from core.log.write.journal import Journal
from core.log.write.seal_thread import Sealer
from core.ring.events import RECORD, Kind, Reason
from core.ring.records import Records

ROWS: Final = 100_000_000
CONNECTIONS: Final = 20_000
BATCH: Final = 20_000
START_NS: Final = 1_795_442_400_000_000_000
STEP_NS: Final = 5_000
"""200,000 events a second."""
_CHURN: Final = 40
"""Connections of a batch that end and are followed by new ones."""


def make(directory: Path, rows: int = ROWS, connections: int = CONNECTIONS) -> None:
    """Writes the log, sealed but for its end. Mostly echoes of 64 bytes; some connections come, go, and are slow."""
    journal = Journal(directory)
    sealer = Sealer(journal)
    for batch in batches(rows, connections):
        journal.append(batch)
        if journal.unsealed():
            sealer.seal_next()
    journal.close()


def batches(rows: int, connections: int) -> Iterator[pa.RecordBatch]:
    """The rows of such a log, in batches as the recorder writes them."""
    random = np.random.default_rng(1)
    live = np.arange(1, connections + 1)
    newest, first = connections, 1
    opened = live.copy()
    while first <= rows:
        count = min(BATCH, rows - first + 1)
        records = np.zeros(count, RECORD)
        records["seq"] = np.arange(first, first + count)
        records["time"] = records["seq"] * STEP_NS + random.integers(0, STEP_NS, count).astype(np.uint64)
        # A turn of the loop visits who is ready in the order of the poller, not all in each turn.
        turn = live[np.sort(random.choice(len(live), min(len(live), 2 * count // 3), replace=False))]
        records["conn"] = np.resize(turn, count)
        records["kind"], records["bytes_in"], records["bytes_out"], records["emptied"] = Kind.ECHO, 64, 91, 1
        _spread(records, random)
        _life(records[: len(opened)], opened, Kind.OPEN)
        leaving = random.choice(len(live), _CHURN, replace=False)
        if len(opened) + _CHURN <= count:
            _life(records[-_CHURN:], live[leaving], Kind.CLOSE)
            live[leaving] = opened = np.arange(newest + 1, newest + 1 + _CHURN)
            newest += _CHURN
        else:
            opened = opened[:0]
        yield _batch(records)
        first += count


def _spread(records: np.ndarray, random: np.random.Generator) -> None:
    """Sizes that differ in one of eight, and queues in one of a hundred."""
    sizes = np.flatnonzero(random.integers(0, 8, len(records)) == 0)
    records["bytes_in"][sizes] = random.integers(1, 4096, len(sizes))
    records["bytes_out"][sizes] = records["bytes_in"][sizes] + 27
    slow = np.flatnonzero(random.integers(0, 100, len(records)) == 0)
    records["kind"][slow] = random.choice([Kind.READ, Kind.WRITE, Kind.FULL, Kind.NOT_FULL], len(slow))
    records["queue_bytes"][slow] = random.integers(0, 262_144, len(slow))
    records["queue_chunks"][slow] = records["queue_bytes"][slow] // 91
    records["emptied"][slow] = 0


def _life(records: np.ndarray, conns: np.ndarray, kind: Kind) -> None:
    """Makes these records the beginnings, or the ends, of connections."""
    for name in ("bytes_in", "bytes_out", "queue_bytes", "queue_chunks", "emptied"):
        records[name] = 0
    records["kind"], records["conn"] = kind, conns[: len(records)]
    records["reason"] = Reason.PEER if kind == Kind.CLOSE else Reason.NONE


def _batch(records: np.ndarray) -> pa.RecordBatch:
    conns, index = np.unique(records["conn"], return_inverse=True)
    peers = pa.array(
        [f"10.{conn >> 16 & 255}.{conn >> 8 & 255}.{conn & 255}:{40_000 + conn % 9973}" for conn in conns.tolist()]
    )
    columns = Records.of(records, START_NS)
    return to_batch(columns, 0, index.astype(np.int32), peers)


def main() -> None:
    """Make one, and say how long it took."""
    parser = argparse.ArgumentParser(prog="python -m bench.biglog", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--rows", type=int, default=ROWS)
    options = parser.parse_args()
    began = time.monotonic()
    make(options.directory, options.rows)
    size = sum(path.stat().st_size for path in (options.directory / "log").iterdir())
    print(f"{options.rows:,} rows, {size / options.rows:.2f} bytes a row, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
