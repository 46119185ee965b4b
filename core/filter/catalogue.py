"""What may be written in a filter: fields with unit and meaning, operators, values; for completion as one types."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from core.bad_value import BadValueError
from core.filter.fields import DURATIONS, SIZES, Bool, Choice, Field, Number, Peer, Time
from core.filter.fields import Reason as ReasonField
from core.filter.query import CONNECTION_FIELDS, EVENT_FIELDS
from core.filter.verdict_codes import CODES
from core.ring.events import FIELDS, KIND_MEANING, REASON_MEANING, REASONS, Kind, Reason

SUBJECTS: Final[Mapping[str, Mapping[str, Field]]] = {"events": EVENT_FIELDS, "connections": CONNECTION_FIELDS}
"""What can be filtered."""

STATE_MEANING: Final = {
    "open": "replies go out as they come",
    "blocked": "the send buffer is full, replies wait",
    "paused": "reading has stopped, the queue is above high water",
    "closing": "the peer has ended its side, the last replies go out",
    "closed": "gone; the latest ones are remembered",
}
END_MEANING: Final = {
    "ordinary": "the peer ended it, or the server stopped",
    "abnormal": "a reset, an error, a timeout, the operator, a crash",
    "probe": "no byte either way, whatever the reason: a port scan, a health check",
}
_CONNECTION_MEANING: Final = {
    "conn": "identity of the connection, never reused",
    "worker": "0: the loop's thread; 1..N: a worker process",
    "peer": "address:port of the client, or the address alone",
    "state": "how it is doing",
    "opened": "when it was accepted",
    "idle_s": "time since the last read or write",
    "waiting_s": "for how long something has been queued",
    "bytes_in": "read from the client since it was opened",
    "bytes_out": "taken by the kernel for the client",
    "echoes": "reads that were answered",
    "queue_bytes": "replies that wait in the server now",
    "queue_chunks": "how many replies wait in the server now",
    "queue_peak_bytes": "most that ever waited",
    "bytes_in_per_s": "read from the client per second, lately",
    "bytes_out_per_s": "taken by the kernel for the client per second, lately",
    "reason": "why it was closed",
    "end": "what kind of end it was",
    "verdict": "who holds it up",
}
_ORDER: Final = (":", "!=", ">", ">=", "<", "<=")
_EQUALITY: Final = (":", "!=")
_EXAMPLES: Final[Mapping[str, Sequence[str]]] = {
    "bytes": ("0", "1KiB", "64KiB", "1MiB"),
    "seconds": ("1s", "10s", "1m", "1h"),
    "": ("0", "1", "10", "100"),
}

Json = dict[str, Any]


def fields(subject: str) -> list[Json]:
    """The fields of a filter over `subject`; ValueError names an unknown one.

    Each has `name`, `type`, `unit` (`bytes`, `seconds` or empty), `units` that a number may carry, `meaning`,
    `operators`, the `values` that are known beforehand (`value`, `meaning`), `examples`, and whether it is `live`: the
    values of now can be asked for.
    """
    if subject not in SUBJECTS:
        raise BadValueError(f'unknown subject "{subject:.60}"; known: {", ".join(SUBJECTS)}')
    return [_entry(subject, name, field) for name, field in SUBJECTS[subject].items()]


def _entry(subject: str, name: str, field: Field) -> Json:
    units = (field.units or {}) if isinstance(field, Number) else {}
    unit = {id(SIZES): "bytes", id(DURATIONS): "seconds"}.get(id(units), "")
    is_ordered = isinstance(field, (Number, Time))
    # An identity is looked up, not compared with round figures.
    has_examples = isinstance(field, Number) and name not in ("seq", "conn", "worker")
    return {
        "name": name,
        "type": type(field).__name__.lower(),
        "unit": unit,
        "units": list(units),
        "meaning": _CONNECTION_MEANING[name] if subject == "connections" else FIELDS[name][1],
        "operators": list(_ORDER if is_ordered else _EQUALITY),
        "values": _values(field),
        "examples": list(_EXAMPLES[unit]) if has_examples else [],
        "live": isinstance(field, (Time, Peer, ReasonField)) or name in ("conn", "worker", "state"),
    }


def _values(field: Field) -> list[Json]:
    if isinstance(field, Bool):
        return [{"value": "true", "meaning": "yes"}, {"value": "false", "meaning": "no"}]
    if isinstance(field, Choice):
        meanings = next(known for known in (STATE_MEANING, END_MEANING, CODES, _KINDS) if field.names[-1] in known)
        return [{"value": name, "meaning": meanings[name]} for name in field.names]
    return list(_REASONS) if isinstance(field, ReasonField) else []


_KINDS: Final = {kind.name.lower(): KIND_MEANING[kind] for kind in Kind}
_REASONS: Final = (
    *({"value": REASONS[reason], "meaning": REASON_MEANING[reason]} for reason in Reason if reason),
    {"value": "error", "meaning": "a system call failed, whatever the errno"},
)
