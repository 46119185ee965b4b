"""The filter language `q`: one for lists, log, downloads and the command line.

    kind:full,not_full conn:17 peer:127.0.0.1 -kind:echo bytes_in>1000 queue_bytes>=1MiB reason:reset

Terms are separated by spaces and joined by AND; `-` negates one. `:` (and only `:`) takes a list, any of
which may hold. :mod:`core.filter.fields` holds what a value may be.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.bad_value import BadValueError
from core.filter.fields import (
    DURATIONS,
    SIZES,
    Bool,
    Choice,
    Column,
    Field,
    Mask,
    Number,
    Peer,
    Reason,
    Test,
    Time,
    lost_plus,
    parse_rfc3339,
)
from core.filter.verdict_codes import CODES
from core.ring.events import KINDS

__all__ = ["CONNECTION_FIELDS", "EVENT_FIELDS", "Column", "Mask", "Query", "QueryError", "parse", "parse_time"]

MAX_CHARACTERS: Final = 1000
MAX_TERMS: Final = 32
STATES: Final = ("open", "blocked", "paused", "closing", "closed")
ENDS: Final = ("ordinary", "abnormal", "probe")

EVENT_FIELDS: Final[Mapping[str, Field]] = {
    "seq": Number(),
    "time": Time(),
    "worker": Number(),
    "conn": Number(),
    "peer": Peer(),
    "kind": Choice(KINDS),
    "bytes_in": Number(SIZES),
    "bytes_out": Number(SIZES),
    "queue_bytes": Number(SIZES),
    "queue_chunks": Number(),
    "emptied": Bool(),
    "reason": Reason(),
}
"""What a filter over events may name."""

CONNECTION_FIELDS: Final[Mapping[str, Field]] = {
    "conn": Number(),
    "worker": Number(),
    "peer": Peer(),
    "state": Choice(STATES),
    "opened": Time(),
    "idle_s": Number(DURATIONS, whole=False),
    "waiting_s": Number(DURATIONS, whole=False),
    "bytes_in": Number(SIZES),
    "bytes_out": Number(SIZES),
    "echoes": Number(),
    "queue_bytes": Number(SIZES),
    "queue_chunks": Number(),
    "queue_peak_bytes": Number(SIZES),
    "bytes_in_per_s": Number(SIZES, whole=False),
    "bytes_out_per_s": Number(SIZES, whole=False),
    "reason": Reason(),
    "end": Choice(ENDS),
    "verdict": Choice(tuple(CODES)),
}
"""What a filter over connections may name."""

_WORD: Final = re.compile(r'(?:[^\s"]|"[^"]*")+')
_TERM: Final = re.compile(r"(-?)([A-Za-z_]+)(!=|>=|<=|[:=<>])(.*)", re.DOTALL)
_ITEM: Final = re.compile(r'((?:[^,"]|"[^"]*")*)(?:,|$)')
_AGO: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(s|m|h|d)")


class QueryError(BadValueError):
    """A filter that can't be understood; `term` is the part at fault, `why` one clear line."""

    def __init__(self, term: str, why: str) -> None:
        super().__init__(why)
        self.term = term
        self.why = why


@dataclass(frozen=True, slots=True)
class Term:
    """One condition."""

    text: str
    field: str
    negate: bool
    test: Test

    def mask(self, columns: Mapping[str, Column]) -> Mask:
        """Which rows it holds for."""
        found = self.test.mask(columns[self.field])
        return ~found if self.negate else found


@dataclass(frozen=True, slots=True)
class Query:
    """A filter that has been understood."""

    text: str = ""
    terms: tuple[Term, ...] = ()

    @property
    def fields(self) -> frozenset[str]:
        """The columns that `mask` looks at."""
        return frozenset(term.field for term in self.terms)

    def mask(self, columns: Mapping[str, Column]) -> Mask:
        """Which rows match.

        `columns` maps a name to an array, or for text to (codes, values); it must hold at least one column.
        """
        found = np.ones(_length(columns), np.bool_)
        for term in self.terms:
            found &= term.mask(columns)
        return found

    def joined(self, other: "Query") -> "Query":
        """What both hold for."""
        return Query(f"{self.text} {other.text}".strip(), self.terms + other.terms)

    def bounds(self, field: str) -> tuple[int | None, int | None]:
        """Least and greatest value of `field` that can match (inclusive; None: no bound)."""
        ranges = [term.test.bounds() for term in self.terms if term.field == field and not term.negate]
        lows = [low for low, _ in ranges if low is not None]
        highs = [high for _, high in ranges if high is not None]
        return max(lows, default=None), min(highs, default=None)


def parse(text: str, fields: Mapping[str, Field]) -> Query:
    """The filter that `text` describes over `fields`; raises QueryError. Empty text matches all."""
    if len(text) > MAX_CHARACTERS:
        raise QueryError(text[:40], f"the filter is longer than {MAX_CHARACTERS} characters")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise QueryError(_shown(text), f"the filter is not text: {_shown(text)}")
    if text.count('"') % 2:
        raise QueryError(text, f"a quote is not closed in {_shown(text)}")
    words = _WORD.findall(text)
    if len(words) > MAX_TERMS:
        raise QueryError(words[MAX_TERMS], f"the filter has more than {MAX_TERMS} terms")
    try:
        return Query(" ".join(words), tuple(_parse_term(word, fields) for word in words))
    except QueryError as error:
        raise QueryError(error.term, error.why + lost_plus(text)) from None


def parse_time(text: str, now_ns: int) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time, or of a time ago such as `30s`, `10m`, `2h`, `1d`.

    Raises ValueError with one clear line.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return max(0, now_ns - round(float(ago[1]) * DURATIONS[ago[2]] * 1e9))
    try:
        return parse_rfc3339(text.strip())
    except ValueError as error:
        raise BadValueError(f"bad time {_shown(text)}: {error}, or a time ago such as 30s, 10m, 2h or 1d") from None


def _parse_term(word: str, fields: Mapping[str, Field]) -> Term:
    match = _TERM.fullmatch(word)
    if not match:
        raise QueryError(
            word, f"{_shown(word)} is not a term: write field:value, for example kind:full or bytes_in>1000"
        )
    minus, name, operator, rest = match.groups()
    field = fields.get(name)
    if field is None:
        raise QueryError(word, f"unknown field {_shown(name)} in {_shown(word)}; known: {', '.join(fields)}")
    try:
        test = field.test(operator, _items(rest) if operator == ":" else [rest.replace('"', "")])
    except ValueError as error:
        raise QueryError(word, f"{error} in {_shown(word)}") from None
    return Term(word, name, bool(minus), test)


def _items(text: str) -> list[str]:
    """The parts between commas, those inside quotes aside; quotes taken off."""
    items, at = [], 0
    while at <= len(text):
        match = _ITEM.match(text, at)
        if match is None:
            raise ValueError("a quote is not closed")
        items.append(match[1].replace('"', ""))
        if match.end() == len(text) and not match[0].endswith(","):
            break
        at = match.end()
    if not all(items) and '""' not in text:
        raise ValueError("a value is missing")
    return items


def _shown(text: str) -> str:
    """Text quoted for a message of one line."""
    short = text if len(text) <= 60 else f"{text[:60]}…"
    return '"' + "".join(c if c.isprintable() else "?" for c in short) + '"'


def _length(columns: Mapping[str, Column]) -> int:
    first = next(iter(columns.values()))
    return len(first[0] if isinstance(first, tuple) else first)
