"""The faults that are on: counted before, begun for all workers, listed, taken back."""

import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from core.bad_value import BadValueError
from core.faults.fault_order import FaultOrder, FaultRequest
from core.faults.selection import NewOnes, NextOnes, OnesByPeer, ShareOfNewOnes
from core.filter.fields import TextTest
from core.filter.query import CONNECTION_FIELDS, Query, Term, parse
from core.watch.engine import EchoServer
from core.watch.moment import Source
from core.watch.now.table import STATES
from core.watch.times import rfc3339

Json = dict[str, Any]

MOST_FAULTS: Final = 64
"""At the same time."""
_MOST_STARS: Final = 3
"""Of a pattern that the loop tries on each new peer: each more multiplies the work."""
# What is known of a connection that has just been opened, besides its peer.
_AT_FIRST: Final[Json] = {
    **dict.fromkeys(("bytes_in", "bytes_out", "echoes", "queue_bytes", "queue_chunks", "queue_peak_bytes"), 0),
    **dict.fromkeys(("idle_s", "waiting_s", "bytes_in_per_s", "bytes_out_per_s"), 0.0),
}


class RefusedFaultError(Exception):
    """Why a fault can't be, in one line."""


@dataclass(frozen=True)
class _Active:
    order: FaultOrder
    request: FaultRequest
    who: str
    seed: int
    began: int
    matched: int

    @property
    def ends(self) -> int:
        """Wall clock, ns."""
        return self.began + round(self.request.seconds * 1e9)

    def as_dict(self) -> Json:
        """As the API shows it."""
        on = self.request.on.to_json()
        return {
            "id": self.order.number,
            "kind": self.order.kind.name,
            **self.order.kind.attributes(),
            "on": on | {"seed": self.seed} if "share" in on else on,
            "seconds": self.request.seconds,
            "why": self.request.why,
            "who": self.who,
            "matched": self.matched,
            "began": rfc3339(self.began),
            "ends": rfc3339(self.ends),
        }


class FaultBook:
    """May be used from any thread; one order at a time."""

    def __init__(self, source: Source, engine: EchoServer) -> None:
        self._source = source
        self._engine = engine
        self._active: dict[int, _Active] = {}
        self._lock = threading.Lock()

    def count(self, request: FaultRequest) -> int:
        """How many open connections a fault would touch now. Raises BadValueError and QueryError."""
        if request.on.q is not None:
            _peers(parse(request.on.q, CONNECTION_FIELDS))
        return len(self._open(request))

    def begin(self, number: int, request: FaultRequest, who: str) -> tuple[Json | None, str]:
        """Begin the fault of that order: what it is; else None, and why it can't be. Raises BadValueError."""
        try:
            return self._begin(number, request, who), ""
        except RefusedFaultError as refusal:
            return None, str(refusal)

    def _begin(self, number: int, request: FaultRequest, who: str) -> Json:
        new = _new_ones(request)
        with self._lock:
            self._forget_ended()
            if len(self._active) >= MOST_FAULTS:
                raise RefusedFaultError(f"{MOST_FAULTS} faults are on, which is the most: take one back first")
            slot = min(set(range(MOST_FAULTS)) - {one.order.slot for one in self._active.values()})
            seed = secrets.randbelow(2**32) if request.on.seed is None else request.on.seed
            if request.on.share is not None:
                new = ShareOfNewOnes(request.on.share, seed)
            began = self._source.latest()
            until = time.monotonic() + request.seconds
            order = FaultOrder(number, request.kind, until, seed, new, slot)
            why_not = self._engine.begin_fault(order)
            if why_not:
                raise RefusedFaultError(why_not)
            # Who comes from now on has the fault; who came before is in the record by now.
            if request.on.q is not None:
                self._source.catch_up()
            matched = self._engine.touch(number, _by_worker(self._open(request))) if new is None or request.on.q else 0
            if request.on.conn is not None and not matched:
                self._engine.end_fault(number)
                raise RefusedFaultError(f"connection {request.on.conn} is closed, or being closed")
            active = self._active[number] = _Active(order, request, who, seed, began, matched)
        return active.as_dict()

    def listed(self) -> list[Json]:
        """Those that are on, oldest first."""
        with self._lock:
            self._forget_ended()
            return [one.as_dict() for one in self._active.values()]

    def end(self, number: int) -> bool:
        """Take one back; whether it was on."""
        with self._lock:
            self._forget_ended()
            if number not in self._active:
                return False
            self._engine.end_fault(number)
            del self._active[number]
            return True

    def end_all(self) -> list[int]:
        """Take all back; which were on."""
        return [one["id"] for one in self.listed() if self.end(one["id"])]

    def _forget_ended(self) -> None:
        now = time.monotonic()
        for number in [number for number, one in self._active.items() if one.order.until <= now]:
            self._engine.end_fault(number)  # should the loop be late: its place in the counts is given to another
            del self._active[number]

    def _open(self, request: FaultRequest) -> list[tuple[int, int]]:
        """Connection and worker of the open ones that it is for."""
        on, listing = request.on, self._source.moment().listing()
        if on.q is not None:
            return listing.open_matching(parse(on.q, CONNECTION_FIELDS))
        item = listing.find(on.conn) if on.conn is not None else None
        return [(item["conn"], item["worker"])] if item is not None and item["state"] != "closed" else []


def _by_worker(found: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    conns: dict[int, list[int]] = {}
    for conn, worker in found:
        conns.setdefault(worker, []).append(conn)
    return conns


def _new_ones(request: FaultRequest) -> NewOnes | None:
    """The choice among new connections; of a share it is not made yet."""
    if request.on.next is not None:
        return NextOnes(request.on.next)
    if request.on.share is not None:
        return ShareOfNewOnes(request.on.share, 0)
    return _peers(parse(request.on.q, CONNECTION_FIELDS)) if request.on.q is not None else None


def _peers(query: Query) -> OnesByPeer | None:
    """New connections that match a filter; None: none does, as what it asks for besides the peer is not so at first."""
    patterns = []
    for term in query.terms:
        if term.field == "peer" and isinstance(term.test, TextTest):
            if term.test.pattern.count(".*") > _MOST_STARS:
                raise BadValueError(f'field "on.q": more than {_MOST_STARS} "*" in {term.text:.60}')
            patterns.append((term.test.pattern, term.test.differs != term.negate))
        elif not _holds_at_first(term):
            return None
    return OnesByPeer(tuple(patterns))


def _holds_at_first(term: Term) -> bool:
    if term.field == "state":
        return bool(term.mask({"state": (np.zeros(1, np.int64), STATES)})[0])
    if term.field in _AT_FIRST:
        return bool(term.mask({term.field: np.array([_AT_FIRST[term.field]])})[0])
    return False
