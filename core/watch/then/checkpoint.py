"""Checkpoints: the state of all workers at one moment, as a file. They only save time: the log has it all.

`checkpoints/TIME.arrows`, TIME being that of the newest event in it (ns since 1970): two Arrow IPC streams, the
connections of all workers in columns (the schema's metadata says the rest), then the notable rows. A file is written
beside its place and renamed, so it is whole or not there.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from core.durable import sync
from core.log.format.rows import joined
from core.log.format.schema import SCHEMA
from core.watch.now.fault_spans import FaultSpans
from core.watch.now.sums import Sums
from core.watch.now.table import COLUMNS, Table
from core.watch.now.tally import NOTABLE_KEPT, Tally

FOLDER: Final = "checkpoints"
VERSION: Final = 2
_KEY: Final = b"echoscope-checkpoint"
_NAME: Final = re.compile(r"(\d{19})\.arrows")
_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)


class CheckpointError(Exception):
    """A checkpoint that can't be used; one clear line that names the file."""


@dataclass(frozen=True)
class Checkpoint:
    """The `tallies` of the run that began at `begun`; `time` (ns) is that of the newest event in them."""

    begun: int
    time: int
    tallies: Sequence[Tally]

    @property
    def since(self) -> int:
        """No event that is missing is older (ns)."""
        return min((tally.horizon for tally in self.tallies), default=0)


def snapshot(tallies: Iterable[Tally], begun: int) -> Checkpoint:
    """A copy of what the tallies are now."""
    copies = [tally.copy() for tally in tallies]
    return Checkpoint(begun, max((int(one.table["last"].max()) for one in copies), default=0), copies)


def write(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write it; where it is. Raises OSError; then there is nothing."""
    path = folder / f"{checkpoint.time:019d}.arrows"
    partial = path.with_suffix(".partial")
    try:
        with pa.OSFile(str(partial), "wb") as file:
            batch = _connections(checkpoint)
            with pa.ipc.new_stream(file, batch.schema, options=_OPTIONS) as writer:
                writer.write_batch(batch)
            with pa.ipc.new_stream(file, SCHEMA, options=_OPTIONS) as writer:
                for tally in checkpoint.tallies:
                    if tally.notable:
                        notes = joined(tally.notable)
                        writer.write_batch(notes.slice(max(0, notes.num_rows - NOTABLE_KEPT)))
        sync(partial)
        os.replace(partial, path)
        sync(folder)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return path


def read(path: Path) -> Checkpoint:
    """The checkpoint in a file. Raises CheckpointError when it is damaged or of another version, or has gone."""
    try:
        with pa.OSFile(str(path), "rb") as file:
            with pa.ipc.open_stream(file) as reader:
                facts = _facts(path, reader.schema)
                (batch,) = reader
            with pa.ipc.open_stream(file) as reader:
                notes = list(reader)
        return Checkpoint(facts["begun"], facts["time"], _tallies(facts, batch, notes))
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: a damaged checkpoint ({text})") from None


def list_checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """Times and paths of the checkpoints, oldest first."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    found = ((_NAME.fullmatch(name), name) for name in names)
    return sorted((int(match[1]), folder / name) for match, name in found if match)


def _connections(checkpoint: Checkpoint) -> pa.RecordBatch:
    """All tables as one batch, its schema with the rest of the state."""
    tables = [tally.table for tally in checkpoint.tallies]
    columns = {name: pa.array(np.concatenate([table[name] for table in tables])) for name in COLUMNS}
    columns["peer"] = pa.concat_arrays([table.peers for table in tables])
    batch = pa.RecordBatch.from_pydict(columns)
    workers = [
        {
            "worker": tally.table.worker,
            "rows": tally.table.size,
            "taken": tally.taken,
            "horizon": tally.horizon,
            "sums": asdict(tally.sums),
            "faults": tally.table.faults.to_json(),
        }
        for tally in checkpoint.tallies
    ]
    facts = {"version": VERSION, "begun": checkpoint.begun, "time": checkpoint.time, "workers": workers}
    return batch.replace_schema_metadata({_KEY: json.dumps(facts)})


def _facts(path: Path, schema: pa.Schema) -> Mapping[str, Any]:
    facts = json.loads((schema.metadata or {}).get(_KEY, b"{}"))
    version = facts.get("version")
    if version != VERSION:
        raise CheckpointError(f"{path}: a checkpoint of version {version}; this echoscope reads {VERSION}")
    return dict(facts)


def _tallies(facts: Mapping[str, Any], batch: pa.RecordBatch, notes: Sequence[pa.RecordBatch]) -> list[Tally]:
    made, start = [], 0
    for worker in facts["workers"]:
        part = batch.slice(start, worker["rows"])
        start += worker["rows"]
        table = Table(worker["worker"])
        table.fill({name: _column(part, name) for name in COLUMNS}, part.column("peer"))
        table.faults = FaultSpans.from_json(worker.get("faults", {}))  # older ones have none
        tally = Tally(table, worker["taken"])
        tally.horizon = worker["horizon"]
        tally.sums = Sums(**worker["sums"])
        tally.notable.extend(note for note in notes if note.column("worker")[0].as_py() == table.worker)
        made.append(tally)
    return made


def _column(batch: pa.RecordBatch, name: str) -> Any:
    return batch.column(name).to_numpy(zero_copy_only=False).astype(COLUMNS[name])
