"""Which faults are and were on which connections, folded from `fault` rows. They are few, so they are kept plainly."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from core.ring.events import REASONS, Kind
from core.ring.records import Records
from core.watch.times import rfc3339

MOST_SHOWN: Final = 20
"""Of a connection, the latest."""
_AT_CLOSE_NS: Final = 10_000_000
"""A fault that ended so little before its connection was on it to the end."""


class FaultSpan(NamedTuple):
    """The order's number, the code of the kind (a Reason), and when it was on (wall clock, ns; `ended` 0: it is)."""

    number: int
    code: int
    began: int
    ended: int


class FaultSpans:
    """By connection, in the order in which they began."""

    def __init__(self) -> None:
        self._spans: dict[int, tuple[FaultSpan, ...]] = {}

    def __len__(self) -> int:
        return len(self._spans)

    def fold(self, records: Records) -> None:
        """Take in the `fault` rows among some records."""
        rows = np.flatnonzero(records["kind"] == Kind.FAULT)
        if not len(rows):
            return
        columns = (records[name][rows].tolist() for name in ("conn", "number", "reason", "time", "emptied"))
        for conn, number, code, time, ended in zip(*columns, strict=True):
            spans = self._spans.get(conn, ())
            if ended:
                self._spans[conn] = tuple(
                    one._replace(ended=time) if one.number == number and not one.ended else one for one in spans
                )
            else:
                self._spans[conn] = (*spans[1 - MOST_SHOWN :], FaultSpan(number, code, time, 0))

    def keep(self, conns: npt.NDArray[Any]) -> None:
        """Forget all connections but these."""
        known = np.array(list(self._spans), np.int64)
        for conn in known[~np.isin(known, conns)].tolist():
            del self._spans[conn]

    def copy(self) -> "FaultSpans":
        """As it is now."""
        made = FaultSpans()
        made._spans = self._spans.copy()
        return made

    def of(self, conn: int) -> list[dict[str, Any]]:
        """As the API shows them: `id`, `kind`, `began`, `ended` (None: it is on)."""
        return [
            {
                "id": one.number,
                "kind": REASONS[one.code],
                "began": rfc3339(one.began),
                "ended": rfc3339(one.ended) if one.ended else None,
            }
            for one in self._spans.get(conn, ())
        ]

    def deciding(self, conn: int, closed: int) -> tuple[FaultSpan, ...]:
        """Those that what is seen of a connection is due to: on it now, or when it was `closed` (ns; 0: it is open)."""
        return tuple(one for one in self._spans.get(conn, ()) if decides(one, closed))

    def conns(self) -> Iterable[int]:
        """The connections that have or had a fault."""
        return self._spans.keys()

    def to_json(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {str(conn): [list(one) for one in spans] for conn, spans in self._spans.items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """What `to_json` made."""
        made = cls()
        made._spans = {int(conn): tuple(FaultSpan(*one) for one in spans) for conn, spans in values.items()}
        return made


def decides(span: FaultSpan, closed: int) -> bool:
    """Whether a fault is still on, was on to the end, or can't be taken back (a FIN)."""
    if not span.ended or REASONS[span.code] == "half_close":
        return True
    return closed > 0 and closed - span.ended <= _AT_CLOSE_NS
