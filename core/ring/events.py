"""The catalogue of events: every kind, reason and field, in one place.

An event leaves the loop as one fixed-size *record* (:data:`RECORD`) in a ring and reaches people as one
*row* (:data:`FIELDS`) of the log, the API and the downloads. A record holds numbers only; names, the peer's
address and the wall-clock time are added when it is read.
"""

import errno
import struct
from enum import IntEnum
from typing import Final

import numpy as np


class Kind(IntEnum):
    """What one visit of the loop to a connection came to."""

    START = 0
    STOP = 1
    OPEN = 2
    ECHO = 3
    READ = 4
    WRITE = 5
    FULL = 6
    NOT_FULL = 7
    PAUSE = 8
    RESUME = 9
    EOF = 10
    CLOSE = 11
    REFUSE = 12
    LOST = 13
    FAULT = 14
    ORDER = 15


KIND_MEANING: Final = {
    Kind.START: "the server began to listen; with a reason `clock:SECONDS`, its clock had moved by so much",
    Kind.STOP: "the server stopped",
    Kind.OPEN: "a connection was accepted",
    Kind.ECHO: "read and answered in one visit",
    Kind.READ: "read, the reply waits in the connection's queue",
    Kind.WRITE: "queued reply flushed to the kernel",
    Kind.FULL: "the send buffer took less than it was offered",
    Kind.NOT_FULL: "the send buffer has room again and took what it was offered",
    Kind.PAUSE: "reading stopped: the queue is above high water",
    Kind.RESUME: "reading taken up again: the queue is below low water",
    Kind.EOF: "the peer ended its side (half-close)",
    Kind.CLOSE: "the connection is gone",
    Kind.REFUSE: "a connection was not accepted",
    Kind.LOST: "events that could not be recorded; bytes_in and bytes_out are their sums",
    Kind.FAULT: "a fault began on this connection, or ended, which `emptied` says; the reason is KIND:NUMBER",
    Kind.ORDER: "someone ordered something; the reason is NAME:NUMBER, with the number of the order",
}

KINDS: Final = tuple(kind.name.lower() for kind in Kind)


class Reason(IntEnum):
    """Why, for `close`, `refuse`, `lost` and `pause`; an errno is ``ERRNO_BASE + errno``."""

    NONE = 0
    PEER = 1
    RESET = 2
    IDLE = 3
    OPERATOR = 4
    SHUTDOWN = 5
    LIMIT = 6
    HIGH_WATER = 7
    RING_FULL = 8
    DISK = 9
    SELECT_LIMIT = 10
    CRASH = 11
    CLOCK = 12
    MAX_QUEUED = 13
    FAULT = 14
    PROXY_MISSING = 20
    PROXY_GARBAGE = 21
    PROXY_CRC = 22
    PROXY_TOO_LONG = 23
    PROXY_TIMEOUT = 24
    PROXY_DENIED = 25
    TLS_NOT_TLS = 26
    TLS_VERSION = 27
    TLS_CIPHER = 28
    TLS_TIMEOUT = 29
    TLS_TRUNCATED = 30
    TLS_BAD_RECORD = 31
    TLS_ALERT_UNKNOWN_CA = 32
    TLS_ALERT_CERTIFICATE = 33
    TLS_ALERT = 34
    TLS_ERROR = 35
    FAULT_LATENCY = 40
    FAULT_BANDWIDTH = 41
    FAULT_SLICER = 42
    FAULT_STOP_READING = 43
    FAULT_HOLD = 44
    FAULT_CORRUPT = 45
    FAULT_LIMIT_DATA = 46
    FAULT_TIMEOUT = 47
    FAULT_RESET_PEER = 48
    FAULT_HALF_CLOSE = 49
    FAULT_REFUSE = 50
    ORDER_CLOSE = 60
    ORDER_MODEL = 61
    ORDER_FAULT = 62
    ORDER_LAB = 63
    ORDER_ZOO = 64


REASON_MEANING: Final = {
    Reason.PEER: "the peer ended its side and was sent all that was queued",
    Reason.RESET: "the peer reset the connection",
    Reason.IDLE: "nothing was read or written for the idle timeout",
    Reason.OPERATOR: "someone closed it from outside",
    Reason.SHUTDOWN: "the server stopped",
    Reason.LIMIT: "the limit of open connections was reached",
    Reason.HIGH_WATER: "the queue passed its high-water mark",
    Reason.RING_FULL: "the recorder was behind and the ring had no room",
    Reason.DISK: "after a crash neither the log nor the ring had it",
    Reason.SELECT_LIMIT: "select() cannot watch a descriptor of 1024 or more",
    Reason.CRASH: "the server was killed; closed in the record at the next start",
    Reason.MAX_QUEUED: "all queues together passed their limit, and this was one of the largest",
    Reason.PROXY_MISSING: "no header of the PROXY protocol came, though one is required",
    Reason.PROXY_GARBAGE: "the header of the PROXY protocol could not be understood",
    Reason.PROXY_CRC: "the checksum of the PROXY header was wrong",
    Reason.PROXY_TOO_LONG: "the PROXY header of version 1 did not end within 107 bytes",
    Reason.PROXY_TIMEOUT: "the PROXY header was not complete after five seconds",
    Reason.PROXY_DENIED: "a PROXY header is required, and the peer's address may not send one",
    Reason.TLS_NOT_TLS: "what the peer sent was no TLS",
    Reason.TLS_VERSION: "the peer speaks no version of TLS that is served",
    Reason.TLS_CIPHER: "the peer knows no cipher that is served",
    Reason.TLS_TIMEOUT: "the TLS handshake was not complete after ten seconds",
    Reason.TLS_TRUNCATED: "the peer ended its side within the TLS handshake",
    Reason.TLS_BAD_RECORD: "a TLS record was damaged, or no record",
    Reason.TLS_ALERT_UNKNOWN_CA: "the peer does not know who signed the certificate, by its alert",
    Reason.TLS_ALERT_CERTIFICATE: "the peer does not accept the certificate, by its alert",
    Reason.TLS_ALERT: "the peer ended TLS by another alert",
    Reason.TLS_ERROR: "TLS failed in another way",
    Reason.FAULT: "a fault that someone ordered ended the connection",
    Reason.FAULT_LATENCY: "fault: replies come later",
    Reason.FAULT_BANDWIDTH: "fault: replies come at a limited rate",
    Reason.FAULT_SLICER: "fault: replies come in small pieces",
    Reason.FAULT_STOP_READING: "fault: the server does not read",
    Reason.FAULT_HOLD: "fault: replies are kept until it ends",
    Reason.FAULT_CORRUPT: "fault: single bits of replies are flipped",
    Reason.FAULT_LIMIT_DATA: "fault: closed after a number of reply bytes",
    Reason.FAULT_TIMEOUT: "fault: no reply comes, then the connection is closed",
    Reason.FAULT_RESET_PEER: "fault: reset after a time",
    Reason.FAULT_HALF_CLOSE: "fault: the server ends its side and reads on",
    Reason.FAULT_REFUSE: "fault: reset as soon as it was accepted",
    Reason.ORDER_CLOSE: "order: close connections",
    Reason.ORDER_MODEL: "order: go on with another model",
    Reason.ORDER_FAULT: "order: begin or end a fault",
    Reason.ORDER_LAB: "order: something of the lab",
    Reason.ORDER_ZOO: "order: something of the zoo",
    Reason.CLOCK: "the clock was set, or the machine was suspended; the rows from here on follow it",
}

ORDINARY_ENDS: Final = (Reason.PEER, Reason.SHUTDOWN)
"""Close reasons that nobody has to look into; every other end is abnormal."""

# Linux errno values end at 133 (include/uapi/asm-generic/errno.h), so a reason fits one byte.
ERRNO_BASE: Final = 100
LINK_LOCAL: Final = b"\xfe\x80\x00\x00"
"""Beginning of a packed IPv6 address whose second four bytes are the number of the interface."""


_REASON_CODES: Final = frozenset(map(int, Reason))
REASON_GROUPS: Final = ("proxy", "tls")
"""Reasons of these groups are written `GROUP:WHY`."""
FAULT_PREFIX: Final = "fault_"
"""Of reasons that name a kind of fault, which are written without it."""
ORDER_PREFIX: Final = "order_"
"""Of reasons that name an order, likewise."""


def _reason_text(code: int) -> str:
    if code >= ERRNO_BASE:
        return f"error:{errno.errorcode.get(code - ERRNO_BASE, code - ERRNO_BASE)}"
    if not code or code not in _REASON_CODES:
        return ""
    name = Reason(code).name.lower().removeprefix(FAULT_PREFIX).removeprefix(ORDER_PREFIX)
    group, _, rest = name.partition("_")
    return f"{group}:{rest}" if group in REASON_GROUPS else name


REASONS: Final = tuple(_reason_text(code) for code in range(256))
"""Text of every reason code."""

# `open` and `refuse` records carry the peer instead of counts: the 16 bytes from bytes_in to queue_chunks are
# its IPv6 address (IPv4 is mapped, ::ffff:a.b.c.d), `port` its port. A `lost` record carries in queue_chunks
# how many events were lost. A `fault` or `order` record carries the number of its order in `port`, the low 16 bits,
# and `number_high`. `seq` comes last: struct writes fields in order, so a record whose seq is
# right is whole, even when the process was killed while writing.
RECORD: Final = np.dtype(
    [
        ("time", "<u8"),  # CLOCK_MONOTONIC, ns
        ("conn", "<u8"),
        ("bytes_in", "<u4"),
        ("bytes_out", "<u4"),
        ("queue_bytes", "<u4"),
        ("queue_chunks", "<u4"),
        ("kind", "u1"),
        ("emptied", "u1"),
        ("port", "<u2"),
        ("reason", "u1"),
        ("pad", "V1"),
        ("number_high", "<u2"),
        ("seq", "<u8"),
    ]
)
RECORD_STRUCT: Final = struct.Struct("<QQIIIIBBHB3xQ")
ECHO_STRUCT: Final = struct.Struct("<QQII8xH6xQ")
"""A record of the hot path: the queue is empty; kind and emptied are one 16-bit value."""
PEER_STRUCT: Final = struct.Struct("<QQ16sBBHB3xQ")
NUMBERED_STRUCT: Final = struct.Struct("<QQ8xIIBBHBxHQ")
NUMBERED: Final = (Kind.FAULT, Kind.ORDER)
"""Kinds whose reason is NAME:NUMBER."""

FIELDS: Final = {
    "seq": ("int64", "number of the event of its worker, from 1, without a gap"),
    "time": ("timestamp", "when the visit took place, UTC, in nanoseconds"),
    "worker": ("int16", "0: the loop's thread; 1..N: a worker process"),
    "conn": ("int64", "identity of the connection, never reused; 0: the server itself"),
    "peer": ("text", "address:port of the peer, [v6]:port; empty for the server's own rows"),
    "kind": ("kind", "what the visit came to"),
    "bytes_in": ("uint32", "bytes read from the socket in this visit"),
    "bytes_out": ("uint32", "bytes that the kernel took from us in this visit"),
    "queue_bytes": ("uint32", "bytes waiting in the connection's own queue after this visit"),
    "queue_chunks": ("uint32", "replies waiting in the connection's own queue after this visit"),
    "emptied": ("bool", "the read left the kernel's receive buffer empty; of a fault row: the fault ended"),
    "reason": ("text", "why, for close, refuse, lost, pause, fault and order; else empty"),
}
"""The fields of a row, in the order of every format: type and meaning."""
