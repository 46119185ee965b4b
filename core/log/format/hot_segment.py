"""The files of the log: Arrow IPC streams that can be read from any batch on.

A segment begins with a *head*: its schema (whose metadata says version and state of the log at that point),
all dictionaries, and an empty batch. After it come *units*: the peer dictionary of a batch and the batch. So
the schema and the dictionaries of the head plus any one unit are a whole stream, and any Arrow reader takes the
whole file. Bodies are compressed with lz4: they take a quarter of the space, and less time than writing the rest.

Head and units end with a batch message whose metadata holds a CRC-32 of all their bytes. Behind damage the next unit is
found by its first message, the dictionary of peers, as every message begins at a multiple of 8 with a known word.

Message framing and layout: Apache Arrow, "Serialization and Interprocess Communication" and `Message.fbs`.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from core.log.format.files import KEY, VERSION, JournalError, NewerVersionError, check_version
from core.log.format.log_state import LogState
from core.log.format.rows import KIND_VALUES, REASON_VALUES
from core.log.format.schema import SCHEMA
from core.log.format.summary import Summary

_CONTINUATION: Final = b"\xff\xff\xff\xff"
END_OF_STREAM: Final = _CONTINUATION + bytes(4)
_DICTIONARY: Final = 2
_RECORD_BATCH: Final = 3
_PEERS: Final = 0
"""Id of the dictionary that every unit begins with."""
_CRC: Final = b"echoscope.crc32"
_NO_CRC: Final = b"00000000"
"""What stands in place of the checksum while it is computed: eight hexadecimal digits."""
_BLOCK: Final = 1 << 20
_GUESS: Final = 2048
_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)


class Message(NamedTuple):
    """Where an IPC message lies and what its header says; `end` is the offset behind it.

    `dictionary` is the id of a dictionary, else -1; `crc_at` the offset of the checksum, 0 where there is none.
    """

    type: int
    metadata: bytes
    end: int
    note: bytes
    dictionary: int
    crc_at: int


class Entry(NamedTuple):
    """A unit of a segment: its place, what its batch holds, and the offset of its checksum (0: it has none)."""

    offset: int
    length: int
    summary: Summary
    crc_at: int = 0


class Gap(NamedTuple):
    """Bytes of a segment that are no units: they are damaged."""

    offset: int
    length: int

    def __str__(self) -> str:
        return f"{self.length} bytes at byte {self.offset} are damaged"


@dataclass(frozen=True, slots=True)
class Head:
    """What a segment begins with; `prefix` makes a whole stream of any unit put behind it."""

    metadata: Mapping[bytes, bytes]
    prefix: bytes
    end: int


class Encoder:
    """Makes the bytes of one segment: its head first, then a unit a batch."""

    def __init__(self, state: LogState) -> None:
        metadata = {KEY: str(VERSION).encode(), **state.to_metadata()}
        messages = _messages(_empty_batch().replace_schema_metadata(metadata), {_CRC: _NO_CRC})
        self.head: Final = _checked(messages)
        self._static = frozenset(messages)
        self._replaced = False

    def unit(self, batch: pa.RecordBatch) -> bytes:
        """The bytes of a batch that is not empty; only the dictionaries that differ from the head's are in it."""
        note = {KEY: Summary.of(batch).to_note(), _CRC: _NO_CRC}
        _, *dictionaries, body = _messages(batch.replace_schema_metadata(None), note)
        changed = [message for message in dictionaries if message not in self._static]
        # Behind a unit that replaced a static dictionary, those that follow have to bring all of their own.
        self._replaced |= len(changed) > 1
        return _checked([*(dictionaries if self._replaced else changed), body])


def find_head(fd: int, path: Path, limit: int) -> Head | None:
    """Head of a segment; of one whose head is damaged an own one that lacks the state, and `end` is 0.

    None when there is neither a head nor any unit before `limit`. Raises JournalError for a newer version.
    """
    try:
        head = read_head(fd, path)
    except NewerVersionError:
        raise
    except JournalError:
        head = None
    if head is not None or _find_unit(fd, 0, limit) is None:
        return head
    return Head({}, b"".join(_messages(_empty_batch())), 0)


def read_head(fd: int, path: Path) -> Head | None:
    """Head of the segment open as `fd`; None when the file ends within it.

    Raises JournalError for a file that is not ours, or damaged, or of a newer version.
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
    if message.crc_at and not _is_intact(os.pread(fd, message.end, 0), message.crc_at):
        raise JournalError(f"{path}: its head is damaged (its checksum is wrong)")
    prefix = schema.remove_metadata().serialize().to_pybytes() + os.pread(fd, message.end - end, end)
    if not message.crc_at:
        _check_prefix(prefix, path)
    return Head(schema.metadata, prefix, message.end)


def _check_prefix(prefix: bytes, path: Path) -> None:
    """Raises JournalError when a head without a checksum can't be read."""
    try:
        with pa.ipc.open_stream(pa.py_buffer(prefix)) as reader:
            reader.read_next_batch().validate(full=True)
    except (pa.ArrowException, OSError, StopIteration) as error:
        raise JournalError(f"{path}: its head is damaged ({type(error).__name__})") from None


def read_state(head: Head, path: Path) -> LogState:
    """State of the log where a segment begins; raises JournalError when the head is damaged."""
    try:
        return LogState.from_metadata(head.metadata)
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
        kind, body, note, dictionary, crc_at = _parse_message(metadata)
    except (struct.error, IndexError):
        return None
    end = start + length + body
    whole = body >= 0 and end <= limit
    return Message(kind, metadata, end, note, dictionary, start + crc_at if crc_at else 0) if whole else None


def walk(fd: int, start: int, limit: int) -> Iterator[Entry]:
    """The whole units between two offsets; ends at the first that is not whole."""
    offset = start
    while (message := read_message(fd, offset, limit)) is not None:
        if message.type == _RECORD_BATCH:
            summary = Summary.from_note(message.note)
            if summary is None:
                return
            yield Entry(start, message.end - start, summary, message.crc_at)
            start = message.end
        elif message.dictionary == _PEERS and offset != start:  # another unit begins
            return
        offset = message.end


def survey(fd: int, start: int, limit: int) -> Iterator[Entry | Gap]:
    """The units between two offsets, and what is damaged between them; what is left at the end is a gap too.

    An end mark is none.
    """
    last: Entry | None = None
    while True:
        for entry in walk(fd, start, limit):
            if last is not None:
                yield last
            last, start = entry, entry.offset + entry.length
        if start >= limit or os.pread(fd, len(END_OF_STREAM) + 1, start) == END_OF_STREAM:
            break
        begin = start
        if last is not None and not _is_whole(fd, last):  # its length may be what is damaged
            begin, last = last.offset, None
        found = _find_unit(fd, begin + 8, limit)
        if last is not None:
            yield last
            last = None
        if found is None:
            yield Gap(begin, limit - begin)
            return
        yield Gap(begin, found - begin)
        start = found
    if last is not None:
        yield last


def read_unit(fd: int, path: Path, head: Head, entry: Entry, columns: Sequence[str] = ()) -> pa.RecordBatch:
    """The batch of a unit; only the named columns when some are named. Raises JournalError when it is damaged."""
    data = os.pread(fd, entry.length, entry.offset)
    if entry.crc_at and not _is_intact(data, entry.crc_at - entry.offset):
        raise JournalError(f"{path}: the batch at byte {entry.offset} is damaged (its checksum is wrong)")
    fields = sorted(SCHEMA.get_field_index(name) for name in columns)
    options = pa.ipc.IpcReadOptions(included_fields=fields or None, use_threads=False)
    try:
        with pa.ipc.open_stream(pa.py_buffer(head.prefix + data), options=options) as reader:
            reader.read_next_batch()
            return reader.read_next_batch()
    except (pa.ArrowException, OSError, StopIteration) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise JournalError(f"{path}: the batch at byte {entry.offset} is damaged ({text})") from None


def _find_unit(fd: int, start: int, limit: int) -> int | None:
    """Offset of the first unit that begins at or behind `start`."""
    for block in range(start - start % 8, limit, _BLOCK):
        data = os.pread(fd, _BLOCK, block)
        at = data.find(_CONTINUATION)
        while at >= 0:
            offset = block + at
            if not at % 8 and offset >= start:
                message = read_message(fd, offset, limit)
                is_first = message is not None and (message.type, message.dictionary) == (_DICTIONARY, _PEERS)
                if is_first and next(walk(fd, offset, limit), None) is not None:
                    return offset
            at = data.find(_CONTINUATION, at + 1)
    return None


def is_torn(fd: int, start: int, limit: int) -> bool:
    """Whether what is left is the first part of a head or unit: a process was killed while it wrote that."""
    while (message := read_message(fd, start, limit)) is not None:
        start = message.end
    data = os.pread(fd, 8, start)
    length = int.from_bytes(data[4:8], "little")
    if len(data) < 8 or not 16 <= length <= _BLOCK:
        return len(data) < 8 and (_CONTINUATION + data[4:]).startswith(data)
    metadata = os.pread(fd, length, start + 8)
    if len(metadata) < length:
        return data[:4] == _CONTINUATION
    try:
        body = _parse_message(metadata)[1]
    except (struct.error, IndexError):
        return False
    return data[:4] == _CONTINUATION and start + 8 + length + body > limit


def _is_whole(fd: int, entry: Entry) -> bool:
    """Whether the checksum of a unit is right, if it has one."""
    data = os.pread(fd, entry.length, entry.offset)
    return not entry.crc_at or _is_intact(data, entry.crc_at - entry.offset)


def _is_intact(data: bytes, crc_at: int) -> bool:
    """Whether bytes that hold their own checksum are as they were written."""
    return _crc(data, crc_at) == data[crc_at : crc_at + len(_NO_CRC)]


def _crc(data: bytes, at: int) -> bytes:
    """The checksum of bytes as they are before it stands in them."""
    view = memoryview(data)
    crc = zlib.crc32(view[at + len(_NO_CRC) :], zlib.crc32(_NO_CRC, zlib.crc32(view[:at])))
    return f"{crc:08x}".encode()


def _checked(messages: Sequence[bytes]) -> bytes:
    """Messages in one, with the checksum in the last one, which has a place for it."""
    last = messages[-1]
    length = int.from_bytes(last[4:8], "little")
    at = sum(map(len, messages[:-1])) + 8 + _parse_message(last[8 : 8 + length])[4]
    data = b"".join(messages)
    return data[:at] + _crc(data, at) + data[at + len(_NO_CRC) :]


def _messages(batch: pa.RecordBatch, note: dict[bytes, bytes] | None = None) -> list[bytes]:
    """Schema, dictionaries and batch as encapsulated messages, in the order of the stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_OPTIONS) as writer:
        writer.write_batch(batch, custom_metadata=note)
    data = memoryview(sink.getvalue())
    parts, offset = [], 0
    while (length := int.from_bytes(data[offset + 4 : offset + 8], "little")) != 0:
        body = _parse_message(bytes(data[offset + 8 : offset + 8 + length]))[1]
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


def _parse_message(metadata: bytes) -> tuple[int, int, bytes, int, int]:
    """Header type, length of the body, our note, id of a dictionary (else -1), and the place of our checksum (else 0).

    Of a Message (flatbuffer).
    """
    table = _offset(metadata, 0)
    kind, header, body, notes = (_slot(metadata, table, index) for index in (1, 2, 3, 4))
    kind = metadata[kind] if kind else 0
    values = _values(metadata, _offset(metadata, notes)) if notes else {}
    note, crc = values.get(KEY), values.get(_CRC)
    return (
        kind,
        struct.unpack_from("<q", metadata, body)[0] if body else 0,
        _string(metadata, note) if note else b"",
        _dictionary_id(metadata, _offset(metadata, header)) if kind == _DICTIONARY and header else -1,
        crc + 4 if crc and len(_string(metadata, crc)) == len(_NO_CRC) else 0,
    )


def _dictionary_id(metadata: bytes, table: int) -> int:
    position = _slot(metadata, table, 0)
    return int(struct.unpack_from("<q", metadata, position)[0]) if position else 0


def _values(metadata: bytes, vector: int) -> dict[bytes, int]:
    """Where the values of a vector of KeyValue tables lie, by key."""
    (count,) = struct.unpack_from("<I", metadata, vector)
    found = {}
    for position in range(vector + 4, min(vector + 4 + 4 * count, len(metadata) - 3), 4):
        pair = _offset(metadata, position)
        key, value = (_slot(metadata, pair, index) for index in (0, 1))
        if key and value:
            found[_string(metadata, _offset(metadata, key))] = _offset(metadata, value)
    return found


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
