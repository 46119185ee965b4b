"""Values that a filter could name now: peers, connections, reasons and times that are really there, few at a time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.bad_value import BadValueError
from core.filter.catalogue import SUBJECTS
from core.ring.events import REASONS
from core.watch.now.table import STATES, Table
from core.watch.times import rfc3339

MOST: Final = 12
_LOOKED_AT: Final = 20_000
"""Peers whose addresses are counted."""
_AGO: Final = ((60, "a minute ago"), (600, "10 minutes ago"), (3600, "an hour ago"), (86_400, "a day ago"))
_SECOND: Final = 1_000_000_000
_PORT: Final = r":\d+$"

Values = list[dict[str, str]]


def suggest(tables: Sequence[Table], now: int, subject: str, field: str, text: str) -> Values:
    """At most `MOST` values of `field` that begin with `text`, each with its `meaning`; the likeliest first.

    ValueError for an unknown subject or field. Looks at the connections of the tables, also for events.
    """
    if subject not in SUBJECTS:
        raise BadValueError(f'unknown subject "{subject:.60}"; known: {", ".join(SUBJECTS)}')
    known = SUBJECTS[subject]
    if field not in known:
        raise BadValueError(f'unknown field "{field:.60}"; known: {", ".join(known)}')
    if field in ("time", "opened"):
        return _times(now, text)
    find = _FINDERS.get(field)
    return find(tables, text)[:MOST] if find else []


def _peers(tables: Sequence[Table], text: str) -> Values:
    """Addresses of the newest connections, those with most of them first; where there is but one, with its ports."""
    peers = pa.concat_arrays([table.peers for table in tables])
    begins = pc.or_(pc.starts_with(peers, text), pc.starts_with(peers, "[" + text))
    found = pc.if_else(pc.equal(peers, ""), False, begins)
    peers = peers.filter(found)[-_LOOKED_AT:]
    addresses, counts = pc.replace_substring_regex(peers, pattern=_PORT, replacement="").value_counts().flatten()
    order = np.argsort(-counts.to_numpy(), kind="stable")[:MOST]
    likeliest = zip(addresses.take(pa.array(order)).to_pylist(), counts.to_numpy()[order].tolist(), strict=True)
    made = [_value(address, _connections(count)) for address, count in likeliest]
    if len(order) <= 1:
        made += [_value(peer, "one connection") for peer in peers[-MOST:].to_pylist()[::-1]]
    return made


def _conns(tables: Sequence[Table], text: str) -> Values:
    """The newest connections whose number begins like that."""
    digits = text.lstrip("0")
    if text and not digits.isdecimal():
        return []
    found: list[tuple[int, str]] = []
    for table in tables:
        conns = table["conn"]
        for low, high in _ranges(digits, int(conns[-1])):
            first, last = np.searchsorted(conns, [max(low, 1), high])
            rows = range(max(int(first), int(last) - MOST), int(last))
            found += [(int(conns[row]), table.peers[row].as_py()) for row in rows]
    return [_value(str(conn), peer) for conn, peer in sorted(found, reverse=True)]


def _ranges(digits: str, most: int) -> list[tuple[int, int]]:
    """From and below: the numbers up to `most` that begin with these digits."""
    if not digits:
        return [(1, most + 1)]
    ranges, low, high = [], int(digits), int(digits) + 1
    while low <= most:
        ranges.append((low, high))
        low, high = low * 10, high * 10
    return ranges


def _reasons(tables: Sequence[Table], text: str) -> Values:
    return _counted([table["reason"][table["closed"] > 0] for table in tables], REASONS, text, "closed")


def _states(tables: Sequence[Table], text: str) -> Values:
    return _counted([table.states()[1:] for table in tables], STATES, text, "now")


def _counted(parts: Sequence[Any], names: Sequence[str], text: str, word: str) -> Values:
    counts = np.bincount(np.concatenate(parts), minlength=len(names))
    codes = [code for code in np.argsort(-counts, kind="stable").tolist() if counts[code] and names[code]]
    return [_value(names[code], f"{counts[code]:,} {word}") for code in codes if names[code].startswith(text.lower())]


def _workers(tables: Sequence[Table], text: str) -> Values:
    return [
        _value(str(table.worker), _connections(table.open_count))
        for table in tables
        if str(table.worker).startswith(text)
    ]


def _times(now: int, text: str) -> Values:
    times = ((rfc3339((now // _SECOND - ago) * _SECOND).replace(".000000000", ""), words) for ago, words in _AGO)
    return [_value(time, words) for time, words in times if time.startswith(text)]


def _connections(count: int) -> str:
    return "1 connection" if count == 1 else f"{count:,} connections"


def _value(value: str, meaning: str) -> dict[str, str]:
    return {"value": value, "meaning": meaning}


_FINDERS: Final[Mapping[str, Callable[[Sequence[Table], str], Values]]] = {
    "peer": _peers,
    "conn": _conns,
    "reason": _reasons,
    "state": _states,
    "worker": _workers,
}
