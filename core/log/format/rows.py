"""From the loop's records to the rows that people see, a whole array at a time."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.filter.query import Column
from core.log.format.schema import SCHEMA
from core.ring.events import KINDS, NUMBERED, REASONS, Kind, Reason
from core.ring.peer_text import peer_text
from core.ring.records import PAYLOAD, Records

Numbers = npt.NDArray[Any]

# pandas refuses a dictionary that holds a value twice, and many reason codes have no text.
REASON_TEXTS: Final = tuple(dict.fromkeys(REASONS))
_REASON_INDEX: Final = np.array([REASON_TEXTS.index(text) for text in REASONS], np.int32)

KIND_VALUES: Final = pa.array(KINDS, pa.string())
"""The kind dictionary of every batch; the code of a kind is its `Kind` number."""
REASON_VALUES: Final = pa.array(REASON_TEXTS, pa.string())
"""The reason dictionary of every batch without a `lost` row."""

ADDRESS_KINDS: Final = np.isin(np.arange(256), (Kind.OPEN, Kind.REFUSE))
_NO_QUEUE_KINDS: Final = ADDRESS_KINDS | (np.arange(256) == Kind.LOST)
_BLANKED: Final = {
    "bytes_in": ADDRESS_KINDS,
    "bytes_out": ADDRESS_KINDS,
    "queue_bytes": _NO_QUEUE_KINDS,
    "queue_chunks": _NO_QUEUE_KINDS,
}
"""The kinds whose rows show 0 in a column, because their records hold something else there."""


def to_batch(
    records: Records,
    worker: int,
    peer_index: Numbers,
    peers: Sequence[str] | pa.StringArray | Numbers,
) -> pa.RecordBatch:
    """Rows of SCHEMA for `records` of one worker.

    `peers[peer_index[i]]` is the peer of record i ("" for the
    server's own). The peer dictionary of the batch holds only the peers that occur.
    """
    kind = records["kind"]
    bytes_in, bytes_out, queue_bytes, queue_chunks = (
        _without(records[name], kind, kinds) for name, kinds in _BLANKED.items()
    )
    emptied, moves = records["emptied"], _clock_moves(records)
    if len(moves):
        emptied, queue_chunks = emptied.copy(), queue_chunks.copy()
        emptied[moves] = queue_chunks[moves] = 0
    columns = {
        "seq": records["seq"],
        "time": pa.array(records["time"]).view(SCHEMA.field("time").type),
        "worker": np.full(len(records), worker, np.int16),
        "conn": records["conn"],
        "peer": _peer_column(peer_index, peers),
        "kind": _coded(kind.view(np.int8), KIND_VALUES),
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "queue_bytes": queue_bytes,
        "queue_chunks": queue_chunks,
        "emptied": emptied.view(np.bool_),
        "reason": _reason_column(records),
    }
    return pa.RecordBatch.from_arrays([pa.array(columns[name]) for name in SCHEMA.names], schema=SCHEMA)


def _clock_moves(records: Records) -> Numbers:
    """The rows that say that the clock moved; see Records.with_steps."""
    return np.flatnonzero((records["kind"] == Kind.START) & (records["reason"] == Reason.CLOCK))


def _without(column: Numbers, kind: Numbers, kinds: Numbers) -> Numbers:
    """The column with 0 for these kinds."""
    hits = kinds[kind]
    return np.where(hits, column.dtype.type(0), column) if hits.any() else column


def from_batch(batch: pa.RecordBatch, *, every_peer: bool = False) -> Records:
    """The records that a batch was made of, and `worker`: `to_batch` in reverse.

    `peer` is set where a record carries one, or everywhere.
    """
    columns = {name: column for name, column in event_columns(batch).items() if not isinstance(column, tuple)}
    kind = _recoded(batch.column("kind"), KINDS).astype(np.uint8)
    texts = batch.column("reason")
    lost = np.flatnonzero(kind == Kind.LOST)
    if len(lost):
        columns["queue_chunks"] = columns["queue_chunks"].copy()
        columns["queue_chunks"][lost] = _numbers_behind(texts, lost)
    reason = _recoded(texts, REASONS, cut=":").astype(np.uint8)
    moves = np.flatnonzero((kind == Kind.START) & (reason == Reason.CLOCK))
    if len(moves):
        seconds = _numbers_behind(texts, moves)
        for name, values in (("queue_chunks", np.abs(seconds)), ("emptied", np.array(seconds) < 0)):
            columns[name] = columns[name].copy()
            columns[name][moves] = values
    columns["number"] = np.zeros(len(kind), np.uint32)
    numbered = np.flatnonzero(kind >= NUMBERED[0])
    if len(numbered):
        columns["number"][numbered] = _numbers_behind(texts, numbered)
    carriers = np.arange(len(kind)) if every_peer else np.flatnonzero(ADDRESS_KINDS[kind])
    peers = np.full(len(kind), None, object)
    if len(carriers):
        names = batch.column("peer")
        peers[carriers] = names.dictionary.take(names.indices.take(pa.array(carriers))).to_pylist()
    columns |= {"kind": kind, "peer": peers, "reason": reason}
    return Records(columns)


def _numbers_behind(texts: pa.DictionaryArray, rows: Numbers) -> list[int]:
    """What stands behind the colon of the texts of these rows; 0 where nothing does."""
    return [int(text.partition(":")[2] or 0) for text in texts.take(pa.array(rows)).to_pylist()]


def _recoded(column: pa.DictionaryArray, values: Sequence[str], cut: str = "") -> Numbers:
    """The place of each text in `values`; of a `lost` row's reason, which has a count behind `cut`, the part before."""
    texts = column.dictionary.to_pylist()
    known = {text: code for code, text in reversed(list(enumerate(values)))}
    codes = [known[text] if text in known else known[text.partition(cut)[0]] for text in texts]
    found: Numbers = np.array(codes, np.int64)[column.indices.to_numpy()]
    return found


def peers_of(records: Records) -> list[str]:
    """`address:port` (`[v6]:port`) of each record; they must be `open` or `refuse` records.

    Empty for one without an address: nothing was accepted, as no descriptor was left.
    """
    if "peer" in records:
        return list(records["peer"])
    packed = np.stack([records[name] for name in PAYLOAD], axis=1).astype("<u4").view("V16").ravel()
    return [peer_text(address.tobytes(), port) for address, port in zip(packed, records["port"].tolist(), strict=True)]


def joined(batches: Iterable[pa.RecordBatch]) -> pa.RecordBatch:
    """One batch of some (at least one), whose dictionaries differ."""
    parts = list(batches)
    if len(parts) == 1:
        return parts[0]
    return pa.Table.from_batches(parts).unify_dictionaries().combine_chunks().to_batches()[0]


def event_columns(batch: pa.RecordBatch, names: Iterable[str] = SCHEMA.names) -> dict[str, Column]:
    """The columns of a batch as the filter language takes them; time as int64 nanoseconds."""
    return {name: _column(batch.column(name)) for name in names}


def _column(array: pa.Array) -> Column:
    if pa.types.is_dictionary(array.type):
        return array.indices.to_numpy(), array.dictionary
    if pa.types.is_timestamp(array.type):
        return array.view(pa.int64()).to_numpy()  # type: ignore[no-any-return]
    return array.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _coded(codes: Numbers, values: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes), values, safe=False)


def _peer_column(peer_index: Numbers, peers: Sequence[str] | pa.StringArray | Numbers) -> pa.DictionaryArray:
    used = np.zeros(len(peers), np.bool_)
    used[peer_index] = True
    places = np.flatnonzero(used)
    if isinstance(peers, pa.Array):
        values = peers.take(pa.array(places))
    else:
        values = pa.array(np.asarray(peers, object)[places], pa.string())
    # Two connections may have had the same address and port, one after the other.
    unique = values.dictionary_encode()
    codes = np.zeros(len(peers), np.int32)
    codes[places] = unique.indices.to_numpy()
    return _coded(codes[peer_index], unique.dictionary)


def _reason_column(records: Records) -> pa.DictionaryArray:
    codes = _REASON_INDEX[records["reason"]]
    kind = records["kind"]
    lost = np.flatnonzero((kind == Kind.LOST) & (codes != 0))
    moves = _clock_moves(records)
    numbered = np.flatnonzero((kind >= NUMBERED[0]) & (codes != 0))
    if not len(lost) and not len(moves) and not len(numbered):
        return _coded(codes, REASON_VALUES)
    chunks = records["queue_chunks"]
    behind = [*chunks[lost].tolist(), *(f"{'-' if records['emptied'][i] else ''}{chunks[i]}" for i in moves.tolist())]
    behind += records["number"][numbered].tolist() if len(numbered) else []
    rows = np.concatenate([lost, moves, numbered])
    texts = [f"{REASON_TEXTS[code]}:{text}" for code, text in zip(codes[rows].tolist(), behind, strict=True)]
    places = {text: place for place, text in enumerate(dict.fromkeys((*REASON_TEXTS, *texts)))}
    codes[rows] = [places[text] for text in texts]
    return _coded(codes, pa.array(list(places), pa.string()))
