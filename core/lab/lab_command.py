"""`app.py lab`: a run in the terminal."""

import json
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

from core.lab.machine import machine
from core.lab.plan import LabOrder
from core.lab.results.conclusion import verdict
from core.lab.results.figures import summary
from core.lab.results.points_table import text
from core.lab.results.store import Store
from core.lab.run import LabRun

CANCELLED: Final = 130
_TELL_S: Final = 0.5


def run(order: LabOrder, as_json: bool, save_to: Path | None) -> int:
    """Measure, tell the progress on standard error, print the table or JSON; the exit status.

    Ctrl-C and SIGTERM call it off: what has been measured is printed, and the status is 130. `save_to` is a data
    directory, whose dashboard then shows the run.
    """
    store = Store(save_to / "lab") if save_to else None
    one = LabRun(Store.new_id(), order, lambda run: store.save(run.as_dict()) if store else None)
    with _Interrupts(one.cancel):
        thread = threading.Thread(target=one.work, name="lab")
        thread.start()
        teller = _Teller(one)
        while thread.is_alive():
            thread.join(_TELL_S)
            teller.tell()
        teller.end()
    return _print(one, as_json)


def _print(one: LabRun, as_json: bool) -> int:
    found = one.as_dict()
    points = summary(found["samples"], found["order"])
    sentences = verdict(points, found)
    if as_json:
        print(json.dumps({**found, "points": points, "verdict": sentences}, indent=2))
    elif points:
        print(text(points, one.order.active), "", *(one["text"] for one in sentences), "", _measured_on(), sep="\n")
    if found["state"] == "failed":
        print(f"echoscope: the run failed: {found['error']}", file=sys.stderr)
        return 1
    return CANCELLED if found["state"] == "cancelled" else 0


def _measured_on() -> str:
    on = machine()
    return f"{on['processor']}, {on['cores']} cores; {on['system']}; {on['python']}; echoscope {on['echoscope']}"


class _Teller:
    """One line on a terminal, overwritten; elsewhere a line a measurement."""

    def __init__(self, run: LabRun) -> None:
        self._run = run
        self._terminal = sys.stderr.isatty()
        self._last = ""

    def tell(self) -> None:
        """Say how far it is, if that is news."""
        at = self._run.progress()
        if at["state"] != "running":
            return
        what = f"{at['model']}, {at['idle']:,} idle, repeat {at['repeat']}"
        line = f"{min(at['done'] + 1, at['total'])} of {at['total']}: {what}"
        if self._terminal:
            left = f"{line}: {at['doing']}; {at['left_s']:.0f} s left"
            print(f"\r{left:<100.100}", end="", file=sys.stderr, flush=True)
        elif line != self._last:
            print(f"{line}; {at['left_s']:.0f} s left", file=sys.stderr, flush=True)
        self._last = line

    def end(self) -> None:
        """Leave no half line."""
        if self._terminal:
            print(f"\r{'':<100}\r", end="", file=sys.stderr, flush=True)


class _Interrupts:
    """While entered, Ctrl-C and SIGTERM call `cancel`."""

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel = cancel
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._interrupted)

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _interrupted(self, _number: int, _frame: FrameType | None) -> None:
        self._cancel()
