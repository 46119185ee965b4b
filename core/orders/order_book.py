"""The record of orders: who ordered what, why, and what came of it; the refused ones too.

A line of JSON is appended when an order is given and another when its result is known, so what was written survives the
death of the process, and an order that the server did not live to finish is there without a result.
"""

import json
import logging
import os
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from core.durable import set_aside, write_durably
from core.ring.clock import wall_ns
from core.watch.times import rfc3339

FILE: Final = "orders.jsonl"
KEPT: Final = 10_000
"""The latest orders; older ones are dropped."""
UNFINISHED: Final = "not finished: the server ended"

Json = dict[str, Any]
_log: Final = logging.getLogger("echoscope.orders")


class OrderBook:
    """Orders of one data directory, numbered from 1 and never again. May be used from any thread."""

    def __init__(self, directory: Path | None = None, *, writes: bool = True) -> None:
        """Without a directory, or when it is not to write, new orders are kept in memory.

        So are those that a disk can't take, which is logged: no order waits for it. A damaged file is set aside; as far
        as it can be read its orders are kept. Raises OSError when there is a file that can't be read.
        """
        self.damage = ""
        self._lock = threading.Lock()
        self._orders: OrderedDict[int, Json] = OrderedDict()
        self._lines = 0
        self._path = directory / FILE if directory is not None else None
        self._number = self._load()
        self._file = -1
        self._writes = writes
        self._is_aside = False
        if self._path is not None and writes:
            self._open(self._path)

    def give(self, what: str, *, who: str, role: str, origin: str, on: Json, why: str = "") -> int:
        """Record that someone orders something; the number of the order."""
        order = {"who": who, "role": role, "from": origin, "what": what, "on": on, "why": why, "result": ""}
        with self._lock:
            self._number += 1
            self._keep({"number": self._number, "time": rfc3339(wall_ns()), **order})
            return self._number

    def finish(self, number: int, result: str) -> None:
        """Record what came of it: `done`, or why it was refused or failed."""
        with self._lock:
            if number in self._orders:
                self._keep({**self._orders[number], "result": result})

    def find(self, number: int) -> Json | None:
        """An order, as long as it is kept."""
        with self._lock:
            order = self._orders.get(number)
            return order and dict(order)

    def page(self, limit: int, before: int | None = None) -> Json:
        """The newest orders first, those with numbers below `before`; `next`: for the page after it."""
        with self._lock:
            numbers = [number for number in reversed(self._orders) if before is None or number < before]
            items = [dict(self._orders[number]) for number in numbers[:limit]]
        return {"items": items, "next": items[-1]["number"] if len(numbers) > limit else None}

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._writes = False
            self._close()

    def _keep(self, order: Json) -> None:
        self._orders[order["number"]] = order
        while len(self._orders) > KEPT:
            self._orders.popitem(last=False)
        if self._path is None or not self._writes:
            return
        if self._file < 0 or self._lines > 4 * KEPT:
            self._open(self._path)
            return
        try:
            os.write(self._file, json.dumps(order).encode() + b"\n")
            self._lines += 1
        except OSError as error:
            self._failed(error)

    def _load(self) -> int:
        """Read what there is; the last number that was given."""
        if self._path is None:
            return 0
        with suppress(FileNotFoundError):
            for line in self._path.read_bytes().splitlines():
                try:
                    order = json.loads(line)
                    self._orders[int(order["number"])] = order
                except (ValueError, KeyError, TypeError):
                    self.damage = f"{self._path}: a line can't be read"
                    continue
        self._orders = OrderedDict(sorted(self._orders.items())[-KEPT:])
        for order in self._orders.values():
            order["result"] = order.get("result") or UNFINISHED
        return next(reversed(self._orders), 0)

    def _open(self, path: Path) -> None:
        """Begin the file anew with the orders that are kept, and go on behind them."""
        self._close()
        try:
            if self.damage and not self._is_aside:
                self.damage += f"; kept as {set_aside(path).name}"
                self._is_aside = True
            write_durably(path, "".join(json.dumps(order) + "\n" for order in self._orders.values()))
            self._lines = len(self._orders)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        """The next order tries the whole file again."""
        self._close()
        _log.warning("orders can't be written to %s, and are kept in memory: %s", self._path, error.strerror)

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
