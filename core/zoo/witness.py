"""What the server's watch and record say of exactly the connections of one visit."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from core.zoo.check import Trace
from core.zoo.source import Source

MOST_WATCHED: Final = 3
"""Connections whose state and verdict are looked at: who looks at a page of one costs the server as much."""

_BATCH: Final = 40  # peers in one filter, which has 1,000 characters at most
_PAGE: Final = 1000
_SETTLED_S: Final = 15.0
_KNOWN_S: Final = 5.0  # a record that has nothing of them by then is another server's
_LOOK_AGAIN_S: Final = 0.1


class Witness:
    """Fills in the traces of a visit that begins now. Raises DeskError when nobody answers."""

    def __init__(self, desk: Source, *, watches: bool = True) -> None:
        """`watches`: whether the desk knows the present, and not the record alone."""
        self.watches = watches
        self._desk = desk
        status = desk.status()
        self.model: str = status["model"]
        self.since: str = desk.span()["until"]

    def look(self, traces: Sequence[Trace]) -> None:
        """Take in the state and the verdict of the first few."""
        watched = traces[:MOST_WATCHED] if self.watches else []
        self._identify([trace for trace in watched if not trace.conn])
        for trace in watched:
            item = self._desk.connection(trace.conn) if trace.conn else None
            if item is not None:
                trace.see(item["state"], item["verdict"]["code"], item["verdict"]["sentence"])

    def _identify(self, traces: Sequence[Trace]) -> None:
        if not traces:
            return
        q = f"peer:{','.join(trace.sums['peer'] for trace in traces)} opened>={self.since}"
        conns = {item["peer"]: item["conn"] for item in self._desk.connections(q, "conn", _PAGE, 0)["items"]}
        for trace in traces:
            trace.conn = conns.get(trace.sums["peer"], 0)

    def settle(self, traces: Sequence[Trace]) -> None:
        """Take in their rows, once all are closed; after a while as far as they are there."""
        began = time.monotonic()
        while True:
            missing = [trace for trace in traces if not _is_over(trace)]
            for at in range(0, len(missing), _BATCH):
                self._read(missing[at : at + _BATCH])
            known = any(trace.rows or trace.refused for trace in traces)
            if all(map(_is_over, missing)) or time.monotonic() - began > (_SETTLED_S if known else _KNOWN_S):
                break
            time.sleep(_LOOK_AGAIN_S)
        self.look(traces)

    def _read(self, traces: Sequence[Trace]) -> None:
        of_peer = {trace.sums["peer"]: trace for trace in traces}
        for trace in traces:
            trace.rows.clear()
        for row in self._rows(f"peer:{','.join(of_peer)}"):
            trace = of_peer[row["peer"]]
            if row["kind"] == "refuse":
                trace.refused = row["reason"]
            else:
                trace.conn = row["conn"]
                trace.rows.append(row)

    def _rows(self, q: str) -> Iterator[dict[str, Any]]:
        cursor = None
        while True:
            page = self._desk.events(q, self.since, None, _PAGE, cursor, "asc")
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return


def _is_over(trace: Trace) -> bool:
    return bool(trace.refused) or (bool(trace.rows) and trace.rows[-1]["kind"] == "close")
