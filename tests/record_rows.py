"""Records and batches for the tests of the record."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.log.format.rows import event_columns, to_batch
from core.ring.events import NUMBERED, RECORD, Kind, Reason
from core.ring.records import Records

START_NS = 1_795_442_400_000_000_000
"""2026-11-23T14:00:00Z"""
PEERS = ["", "127.0.0.1:40001", "10.0.0.2:5", "[::1]:40002"]


def make_records(count: int, first_seq: int = 1, *, kind: Kind = Kind.ECHO, conn: int = 1) -> npt.NDArray[Any]:
    """Records a millisecond apart."""
    records = np.zeros(count, RECORD)
    records["seq"] = np.arange(first_seq, first_seq + count)
    records["time"] = records["seq"] * 1_000_000
    records["conn"] = conn
    records["kind"] = kind
    records["bytes_in"] = records["seq"] % 1000
    records["emptied"] = records["seq"] % 2
    return records


def make_batch(
    count: int, first_seq: int = 1, *, kind: Kind = Kind.ECHO, conn: int = 1, worker: int = 0
) -> pa.RecordBatch:
    """A batch of such records; its peer is PEERS[1]."""
    records = make_records(count, first_seq, kind=kind, conn=conn)
    return to_batch(Records.of(records, START_NS), worker, np.full(count, 1, np.int32), PEERS)


def random_batch(count: int, first_seq: int, seed: int) -> pa.RecordBatch:
    """A batch of rows of all kinds, with peers and reasons."""
    random = np.random.default_rng(seed)
    records = np.zeros(count, RECORD)
    records["seq"] = np.arange(first_seq, first_seq + count)
    records["time"] = np.cumsum(random.integers(0, 3_000_000_000, count)).astype(np.uint64) + np.uint64(first_seq)
    for name in ("bytes_in", "bytes_out", "queue_bytes"):
        records[name] = random.integers(0, 2**32, count) >> random.integers(0, 32, count).astype(np.int64)
    records["queue_chunks"] = random.integers(0, 3, count)
    records["conn"] = random.integers(0, 5, count)
    records["kind"] = random.integers(0, len(Kind), count)
    records["emptied"] = random.integers(0, 2, count)
    records["reason"] = random.choice([0, 1, 2, 3, 8, 204], count)
    records["reason"][records["kind"] == Kind.LOST] = Reason.RING_FULL
    records["reason"][np.isin(records["kind"], NUMBERED)] = Reason.FAULT_LATENCY
    return to_batch(Records.of(records, START_NS), 1, random.integers(0, len(PEERS), count).astype(np.int32), PEERS)


def plain_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows as dicts, the time as nanoseconds."""
    columns = {
        name: [column[1][code].as_py() for code in column[0]] if isinstance(column, tuple) else column.tolist()
        for name, column in event_columns(batch).items()
    }
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
