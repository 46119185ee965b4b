"""The rows of the log as an Arrow schema. Apart from the catalogue, so that the engine never loads Arrow."""

from typing import Final

import pyarrow as pa

from core.ring.events import FIELDS

_TYPES: Final = {
    "int64": pa.int64(),
    "int16": pa.int16(),
    "uint32": pa.uint32(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("ns", tz="UTC"),
    "text": pa.dictionary(pa.int32(), pa.string()),
    "kind": pa.dictionary(pa.int8(), pa.string()),
}

SCHEMA: Final = pa.schema([pa.field(name, _TYPES[kind], nullable=False) for name, (kind, _) in FIELDS.items()])
"""One row of the log: names, order and types (contract of every format)."""
