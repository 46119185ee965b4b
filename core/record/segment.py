"""The files of the log: Arrow IPC streams that can be read from any batch on.

A segment begins with a *head*: its schema (whose metadata says version and state of the log at that point),
all dictionaries, and an empty batch. After it come *units*: the peer dictionary of a batch and the batch. So
the schema and the dictionaries of the head plus any one unit are a whole stream, and any Arrow reader takes the
whole file. Bodies are compressed with lz4: they take a quarter of the space, and less time than writing the rest.

Message framing and layout: Apache Arrow, "Serialization and Interprocess Communication" and `Message.fbs`.
"""

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from core.record.files import KEY, VERSION, JournalError, check_version
from core.record.rows import KIND_VALUES, REASON_VALUES
from core.record.schema import SCHEMA
from core.record.state import State
from core.record.summary import Summary

_CONTINUATION: Final = b"\xff\xff\xff\xff"
END_OF_STREAM: Final = _CONTINUATION + bytes(4)
_RECORD_BATCH: Final = 3
_GUESS: Final = 2048
_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)


class Message(NamedTuple):
    """Where an IPC message lies and what its header says; `end` is the offset behind it."""

    type: int
    metadata: bytes
    end: int
    note: bytes


class Entry(NamedTuple):
    """A unit of a segment: its place, and what its batch holds."""

    offset: int
    length: int
    summary: Summary


@dataclass(frozen=True, slots=True)
class Head:
    """What a segment begins with; `prefix` makes a whole stream of any unit put behind it."""

    metadata: Mapping[bytes, bytes]
    prefix: bytes
    end: int


class Encoder:
    """Makes the bytes of one segment: its head first, then a unit a batch."""

    def __init__(self, state: State) -> None:
        metadata = {KEY: str(VERSION).encode(), **state.to_metadata()}
        messages = _messages(_empty_batch().replace_schema_metadata(metadata))
        self.head: Final = b"".join(messages)
        self._static = frozenset(messages)
        self._replaced = False

    def unit(self, batch: pa.RecordBatch) -> bytes:
        """The bytes of a batch that is not empty; only the dictionaries that differ from the head's are in it."""
        note = {KEY: Summary.of(batch).to_note()}
        _, *dictionaries, body = _messages(batch.replace_schema_metadata(None), note)
        changed = [message for message in dictionaries if message not in self._static]
        # Behind a unit that replaced a static dictionary, those that follow have to bring all of their own.
        self._replaced |= len(changed) > 1
        return b"".join((*(dictionaries if self._replaced else changed), body))


def read_head(fd: int, path: Path) -> Head | None:
    """Head of the segment open as `fd`; None when the file ends within it.

    Raises JournalError for a file that is not ours, or of a newer version.
    """
    size = os.fstat(fd).st_size
    if not _CONTINUATION.startswith(os.pread(fd, 4, 0)):
        raise JournalError(f"{path}: not a segment of an echoscope log")
    message = read_message(fd, 0, size)
    if message is None:
        return None
    schema = _schema(message, path)
    end = message.end
    while message.type != _RECORD_BATCH:
        message = read_message(fd, message.end, size)
        if message is None:
            return None
    prefix = schema.remove_metadata().serialize().to_pybytes() + os.pread(fd, message.end - end, end)
    return Head(schema.metadata, prefix, message.end)


def read_state(head: Head, path: Path) -> State:
    """State of the log where a segment begins; raises JournalError when the head is damaged."""
    try:
        return State.from_metadata(head.metadata)
    except (ValueError, KeyError) as error:
        raise JournalError(f"{path}: its head is damaged ({error})") from None


def read_message(fd: int, offset: int, limit: int) -> Message | None:
    """The message at `offset`; None when no whole one lies there before `limit` (the end, or a torn tail)."""
    data = os.pread(fd, _GUESS, offset)
    length = int.from_bytes(data[4:8], "little")
    start = offset + 8
    if data[:4] != _CONTINUATION or not 16 <= length <= limit - start:
        return None
    metadata = data[8 : 8 + length] if 8 + length <= len(data) else os.pread(fd, length, start)
    try:
        kind, body, note = _parse_message(metadata)
    except (struct.error, IndexError):
        return None
    end = start + length + body
    return Message(kind, metadata, end, note) if body >= 0 and end <= limit else None


def walk(fd: int, start: int, limit: int) -> Iterator[Entry]:
    """The whole units between two offsets; ends at the first that is not whole."""
    offset = start
    while (message := read_message(fd, offset, limit)) is not None:
        if message.type == _RECORD_BATCH:
            summary = Summary.from_note(message.note)
            if summary is None:
                return
            yield Entry(start, message.end - start, summary)
            start = message.end
        offset = message.end


def read_unit(fd: int, path: Path, head: Head, entry: Entry, columns: Sequence[str] = ()) -> pa.RecordBatch:
    """The batch of a unit; only the named columns when some are named. Raises JournalError when it is damaged."""
    data = os.pread(fd, entry.length, entry.offset)
    fields = sorted(SCHEMA.get_field_index(name) for name in columns)
    options = pa.ipc.IpcReadOptions(included_fields=fields or None, use_threads=False)
    try:
        with pa.ipc.open_stream(pa.py_buffer(head.prefix + data), options=options) as reader:
            reader.read_next_batch()
            return reader.read_next_batch()
    except (pa.ArrowException, OSError, StopIteration) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise JournalError(f"{path}: the batch at byte {entry.offset} is damaged ({text})") from None


def _messages(batch: pa.RecordBatch, note: dict[bytes, bytes] | None = None) -> list[bytes]:
    """Schema, dictionaries and batch as encapsulated messages, in the order of the stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_OPTIONS) as writer:
        writer.write_batch(batch, custom_metadata=note)
    data = memoryview(sink.getvalue())
    parts, offset = [], 0
    while (length := int.from_bytes(data[offset + 4 : offset + 8], "little")) != 0:
        _, body, _ = _parse_message(bytes(data[offset + 8 : offset + 8 + length]))
        parts.append(bytes(data[offset : offset + 8 + length + body]))
        offset += 8 + length + body
    return parts


def _empty_batch() -> pa.RecordBatch:
    codes = pa.array(np.empty(0, np.int32))
    values = {
        "peer": pa.DictionaryArray.from_arrays(codes, pa.array([], pa.string())),
        "kind": pa.DictionaryArray.from_arrays(codes.cast(pa.int8()), KIND_VALUES),
        "reason": pa.DictionaryArray.from_arrays(codes, REASON_VALUES),
    }
    return pa.RecordBatch.from_arrays(
        [values.get(field.name, pa.array([], field.type)) for field in SCHEMA], schema=SCHEMA
    )


def _schema(message: Message, path: Path) -> pa.Schema:
    """Schema of the first message, if it is one of ours."""
    framed = _CONTINUATION + len(message.metadata).to_bytes(4, "little") + message.metadata
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(framed))
    except (pa.ArrowException, OSError):
        raise JournalError(f"{path}: not a segment of an echoscope log") from None
    check_version((schema.metadata or {}).get(KEY, b""), path)
    if not schema.equals(SCHEMA):
        raise JournalError(f"{path}: not a segment of an echoscope log")
    return schema


def _parse_message(metadata: bytes) -> tuple[int, int, bytes]:
    """Header type, length of the body, and our note of a Message (flatbuffer)."""
    table = _offset(metadata, 0)
    kind, body, notes = (_slot(metadata, table, index) for index in (1, 3, 4))
    return (
        metadata[kind] if kind else 0,
        struct.unpack_from("<q", metadata, body)[0] if body else 0,
        _note(metadata, _offset(metadata, notes)) if notes else b"",
    )


def _note(metadata: bytes, vector: int) -> bytes:
    """Value of our key in a vector of KeyValue tables; empty when it is not there."""
    (count,) = struct.unpack_from("<I", metadata, vector)
    for position in range(vector + 4, min(vector + 4 + 4 * count, len(metadata) - 3), 4):
        pair = _offset(metadata, position)
        key, value = (_slot(metadata, pair, index) for index in (0, 1))
        if key and value and _string(metadata, _offset(metadata, key)) == KEY:
            return _string(metadata, _offset(metadata, value))
    return b""


def _offset(metadata: bytes, position: int) -> int:
    return position + int(struct.unpack_from("<I", metadata, position)[0])


def _slot(metadata: bytes, table: int, index: int) -> int:
    """Position of a field of a flatbuffer table; 0 when it is not set."""
    vtable = table - int(struct.unpack_from("<i", metadata, table)[0])
    size = struct.unpack_from("<H", metadata, vtable)[0]
    at = 4 + 2 * index
    field = struct.unpack_from("<H", metadata, vtable + at)[0] if at < size else 0
    return table + int(field) if field else 0


def _string(metadata: bytes, position: int) -> bytes:
    (length,) = struct.unpack_from("<I", metadata, position)
    return metadata[position + 4 : position + 4 + length]
