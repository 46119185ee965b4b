"""What a value of the filter language may be, by type of field, and how it is compared with a column."""

import ipaddress
import operator as op
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.ring.events import REASON_GROUPS, REASONS

Mask = npt.NDArray[np.bool_]
Column = npt.NDArray[Any] | tuple[npt.NDArray[Any], Sequence[str] | pa.Array]
"""Numbers, or for text (codes, values): row i has the text values[codes[i]]."""

SIZES: Final = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
DURATIONS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "=": op.eq,
    "!=": op.ne,
    ">": op.gt,
    ">=": op.ge,
    "<": op.lt,
    "<=": op.le,
}
_NUMBER: Final = re.compile(r"(-?\d{1,19}(?:\.\d{1,9})?)([A-Za-z]*)")
_LOST_PLUS: Final = re.compile(r":\d\d(?:\.\d{1,9})? \d\d:\d\d")
_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)",
)
_INT64_MAX: Final = 2**63 - 1
_REASON_NAMES: Final = tuple(dict.fromkeys(text for text in REASONS if text and not text.startswith("error:")))


class Test(Protocol):
    """A condition on one column."""

    def mask(self, column: Column) -> Mask:
        """Which rows it holds for."""

    def bounds(self) -> tuple[int | None, int | None]:
        """Least and greatest whole number that it can hold for (None: no bound)."""


class Field(Protocol):
    """A type of field."""

    def test(self, operator: str, values: list[str]) -> Test:
        """The condition; raises ValueError saying what is wrong with operator or values."""


@dataclass(frozen=True, slots=True)
class NumberTest:
    """A comparison with numbers; `:` is any of them."""

    operator: str
    values: tuple[int | float, ...]

    def mask(self, column: Column) -> Mask:
        """See Test."""
        found = np.zeros(len(column), np.bool_)
        for value in self.values:
            found |= _COMPARE[self.operator](column, value)
        return found

    def bounds(self) -> tuple[int | None, int | None]:
        """See Test."""
        low, high = int(min(self.values)), int(max(self.values))
        if self.operator == "=":
            return low, high
        return (low, None) if ">" in self.operator else (None, high) if "<" in self.operator else (None, None)


@dataclass(frozen=True, slots=True)
class TextTest:
    """A regular expression (RE2) that the whole text must match, whatever its case."""

    pattern: str
    differs: bool

    def mask(self, column: Column) -> Mask:
        """See Test; the expression is applied once a distinct value."""
        codes, values = column
        texts = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
        found = pc.match_substring_regex(texts, f"(?s)^(?:{self.pattern})$", ignore_case=True)
        hits = found.to_numpy(zero_copy_only=False).astype(np.bool_)
        return (~hits if self.differs else hits)[codes]  # type: ignore[no-any-return]

    def bounds(self) -> tuple[int | None, int | None]:
        """See Test."""
        return None, None


@dataclass(frozen=True, slots=True)
class Number:
    """A number, with a unit where `units` names some."""

    units: Mapping[str, int] | None = None
    whole: bool = True

    def test(self, operator: str, values: list[str]) -> Test:
        """See Field."""
        return NumberTest(_comparison(operator), tuple(self._parse(value) for value in values))

    def _parse(self, text: str) -> int | float:
        match = _NUMBER.fullmatch(text)
        units = self.units or {}
        if not match or (match[2] and match[2] not in units):
            raise ValueError(f'bad value "{text}" (a number{", or one with " + ", ".join(units) if units else ""})')
        unit = units.get(match[2], 1)
        if not self.whole:
            return float(match[1]) * unit
        whole, _, fraction = match[1].partition(".")
        digits = int(whole + fraction) * unit
        value, rest = divmod(digits, int(10 ** len(fraction)))
        if rest:
            raise ValueError(f'bad value "{text}" (not a whole number)')
        if abs(value) > _INT64_MAX:
            raise ValueError(f'bad value "{text}" (too large)')
        return value


@dataclass(frozen=True, slots=True)
class Time:
    """A moment, RFC 3339; its column holds nanoseconds since 1970."""

    def test(self, operator: str, values: list[str]) -> Test:
        """See Field."""
        return NumberTest(_comparison(operator), tuple(self._parse(value) for value in values))

    def _parse(self, text: str) -> int:
        try:
            return parse_rfc3339(text)
        except ValueError as error:
            raise ValueError(f'bad value "{text}" ({error})') from None


@dataclass(frozen=True, slots=True)
class Bool:
    """True or false."""

    def test(self, operator: str, values: list[str]) -> Test:
        """See Field."""
        _only_equality(operator)
        for value in values:
            if value.lower() not in ("true", "false"):
                raise ValueError(f'bad value "{value}" (true or false)')
        return NumberTest(_comparison(operator), tuple(value.lower() == "true" for value in values))


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few names."""

    names: Sequence[str]

    def test(self, operator: str, values: list[str]) -> Test:
        """See Field."""
        for value in values:
            if not any(re.fullmatch(_glob(value), name, re.IGNORECASE) for name in self.names):
                raise ValueError(f'bad value "{value}" (known: {", ".join(self.names)})')
        return _text_test(operator, [_glob(value) for value in values])


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason; the name before a colon stands for all that follow it (`error`, `ring_full`)."""

    def test(self, operator: str, values: list[str]) -> Test:
        """See Field."""
        for value in values:
            if value and "*" not in value and not _is_reason(value.lower()):
                raise ValueError(f'bad value "{value}" (known: {", ".join(_REASON_NAMES)}, error:ERRNO, error:*)')
        return _text_test(operator, [_glob(value) + ("(?::.*)?" if value else "") for value in values])


def _is_reason(text: str) -> bool:
    head = text.partition(":")[0]
    return text in (*_REASON_NAMES, *REASON_GROUPS) or (head in (*_REASON_NAMES, "error") and head not in REASON_GROUPS)


@dataclass(frozen=True, slots=True)
class Peer:
    """`address:port`, an address alone, or a pattern with `*` of either."""

    def test(self, operator: str, values: list[str]) -> Test:
        """See Field."""
        return _text_test(operator, [self._pattern(value) for value in values])

    def _pattern(self, text: str) -> str:
        if not text:
            return ""
        if "*" in text:
            return rf"\[?{_glob(text)}\]?(?::\d+)?"
        address, port = _split_peer(text)
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            raise ValueError(f'bad value "{text}" (an address, address:port, or a pattern such as 10.0.*)') from None
        return _host(parsed, text) + (f":{port}" if port else r":\d+")


def _host(address: ipaddress.IPv4Address | ipaddress.IPv6Address, text: str) -> str:
    """The pattern of an address as rows have it. An IPv4 one in IPv6's form is what it stands for."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        zone = address.scope_id
        if zone and not zone.isdecimal():
            raise ValueError(f'bad value "{text}" (the zone is the number of the interface, as in fe80::1%2)')
        # Without a zone it is that address on any link.
        any_zone = r"(?:%\d+)?" if address.is_link_local and not zone else ""
        return rf"\[{re.escape(str(address))}{any_zone}\]"
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return re.escape(str(mapped or address))


def lost_plus(text: str) -> str:
    """A hint for a time whose offset has lost its +, which stands for a space in a URL; else empty."""
    return " (in a URL, + is written %2B)" if _LOST_PLUS.search(text) else ""


def parse_rfc3339(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time; raises ValueError saying how to write one."""
    match = _RFC3339.fullmatch(text)
    if not match:
        raise ValueError(f"write a time as 2026-11-23T14:00:00Z{lost_plus(text)}")
    zone = "+00:00" if match[4] in "Zz" else match[4]
    try:
        moment = datetime.fromisoformat(f"{match[1]}T{match[2]}{zone}")
        since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError("there is no such date or time") from None
    total = (since.days * 86400 + since.seconds) * 10**9 + int((match[3] or "").ljust(9, "0"))
    if abs(total) > _INT64_MAX:
        raise ValueError("only the years 1678 to 2261 fit")
    return total


def _comparison(operator: str) -> str:
    return "=" if operator == ":" else operator


def _only_equality(operator: str) -> None:
    if operator in ("<", "<=", ">", ">="):
        raise ValueError(f'"{operator}" does not go with this field, use : or !=')


def _text_test(operator: str, patterns: list[str]) -> TextTest:
    _only_equality(operator)
    return TextTest("|".join(f"(?:{pattern})" for pattern in patterns), operator == "!=")


def _glob(text: str) -> str:
    return ".*".join(re.escape(part) for part in re.split(r"\*+", text))


def _split_peer(text: str) -> tuple[str, str]:
    """Address and port ("" when there is none) of what was written."""
    match = re.fullmatch(r"\[([^\]]*)\](?::(\d{1,5}))?", text) or re.fullmatch(r"([^:]*):(\d{1,5})", text)
    return (match[1], match[2] or "") if match else (text, "")
