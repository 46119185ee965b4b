"""Connections put together by what they have in common."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.bad_value import BadValueError
from core.filter.query import Column, Query
from core.watch.now.listing import Listing
from core.watch.now.table import ABNORMAL

Numbers = npt.NDArray[Any]

GROUPED_BY: Final = ("peer_address", "via", "state", "reason", "verdict", "worker")
_SUMS: Final = ("bytes_in", "bytes_out", "queue_bytes")
SORTABLE: Final = ("value", "connections", *_SUMS, "abnormal")


def groups(listing: Listing, query: Query, by: str, sort: str, limit: int, via: Callable[[], Column]) -> dict[str, Any]:
    """`total` groups of the connections that match, the first `limit` of them as `groups`.

    Each has its `value` (text), how many `connections`, what they sum up to, and how many ended `abnormal`ly. `via`
    answers the column of the proxies. By state or reason the closed are among them, as with a filter that names one.
    Raises ValueError for an unknown `by` or sort.
    """
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    if by not in GROUPED_BY:
        raise BadValueError(f'unknown by "{by:.60}"; known: {", ".join(GROUPED_BY)}')
    if name not in SORTABLE:
        raise BadValueError(f'unknown sort "{sort:.60}"; known: {", ".join(SORTABLE)}, each with - for downwards')
    field = {"peer_address": "peer", "via": "conn"}.get(by, by)
    columns, rows, _ = listing.selected(query, [field, *_SUMS, "end"], query.fields | {by})
    codes, values = _coded(via() if by == "via" else columns[field], by)
    found, of = np.unique(codes[rows], return_inverse=True)
    made: dict[str, Numbers] = {"value": np.array([str(value) for value in _taken(values, found)], object)}
    made["connections"] = np.bincount(of, minlength=len(found))
    for sums in _SUMS:
        made[sums] = np.zeros(len(found), np.int64)
        np.add.at(made[sums], of, columns[sums][rows])
    made["abnormal"] = np.bincount(of[columns["end"][0][rows] == ABNORMAL], minlength=len(found))
    order = np.argsort(made["value"], kind="stable")
    if name != "value":
        order = order[np.argsort(-made[name][order] if descending else made[name][order], kind="stable")]
    elif descending:
        order = order[::-1]
    shown = [made[one][order[:limit]].tolist() for one in SORTABLE]
    return {"total": len(found), "groups": [dict(zip(SORTABLE, row, strict=True)) for row in zip(*shown, strict=True)]}


def _coded(column: Column, by: str) -> tuple[Numbers, Any]:
    """A column as codes and values; of peers the address alone."""
    if not isinstance(column, tuple):
        return column, range(int(column.max(initial=0)) + 1)
    codes, values = column
    if by != "peer_address":
        return codes, values
    addresses = pc.replace_substring_regex(values, pattern=r":\d+$", replacement="").dictionary_encode()
    return addresses.indices.to_numpy(zero_copy_only=False)[codes], addresses.dictionary


def _taken(values: Any, places: Numbers) -> list[Any]:
    if isinstance(values, pa.Array):
        return list(values.take(pa.array(places)).to_pylist())
    return [values[place] for place in places.tolist()]
