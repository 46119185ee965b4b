"""A visit: an animal let loose in a process of its own, watched while it lives, and checked afterwards."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from core.interpreter import EXECUTABLE
from core.zoo.animals import Animal
from core.zoo.check import Expectation, Trace, check, latest_last, live
from core.zoo.client_set import ZooError
from core.zoo.signature import Expected, expected
from core.zoo.witness import Witness

Json = dict[str, Any]

GRACE_S: Final = 30.0
"""What a visit may take beyond its time: to connect, to fill and to part, on a server that is slow."""

_ROOT: Final = Path(__file__).resolve().parents[2]
_LOOK_EVERY_S: Final = 0.25
_SHOWN: Final = 40


@dataclass(frozen=True, kw_only=True)
class VisitOrder:
    """Which animal, where to, how many connections, how many seconds; `brief`: no longer than until all was seen."""

    animal: Animal
    host: str
    port: int
    count: int
    seconds: float
    brief: bool = False


class StoppedError(Exception):
    """The visit was stopped before its end: there is nothing to check."""


class Visit:
    """One visit. `run` is for one thread, all else for any other."""

    def __init__(self, order: VisitOrder, witness: Witness, heard: Callable[[Json], None] = lambda told: None) -> None:
        """`heard` is called with what the animal tells of itself."""
        self.order = order
        self.began = time.time()
        self._witness = witness
        self._heard = heard
        self._lock = threading.Lock()
        self._told: Json = {"stage": "starting", "connections": 0, "sent": 0, "received": 0}
        self._peers: list[str] = []
        self._traces: list[Trace] = []
        self._final: Json | None = None
        self._stopped = False
        self._expected: Expected = expected(order.animal.signature, witness.model, order.count)
        self._process = self._start()

    def run(self) -> Json:
        """See it through, and judge. Raises StoppedError, DeskError, and ZooError when it could not even connect."""
        reader = threading.Thread(target=self._read, name="zoo", daemon=True)
        reader.start()
        try:
            self._watch(reader)
        finally:
            self._end()
            reader.join()
            _of(self._process.stdout).close()
        final = self._final
        if self._stopped:
            raise StoppedError
        if final is None:
            raise ZooError(f"{self.order.animal.name} broke off without a word")
        if not self._peers:
            raise ZooError(f"{self.order.host}:{self.order.port}: {final['error'] or 'no connection was made'}")
        return self._judge(final)

    def stop(self) -> None:
        """End it now."""
        self._stopped = True
        self._process.kill()

    def abandon(self) -> None:
        """End one that is never run."""
        self._end()
        _of(self._process.stdout).close()

    def progress(self) -> Json:
        """How it is doing."""
        order, left = self.order, self.began + self.order.seconds - time.time()
        with self._lock:
            seen = self._traces[:]
            told = dict(self._told)
        return {
            "name": order.animal.name,
            "count": order.count,
            "seconds": order.seconds,
            "began": datetime.fromtimestamp(self.began, UTC).isoformat(),
            "left_s": round(max(0.0, left), 1),
            **told,
            "model": self._witness.model,
            # The first one's last, as the sentence is the first one's.
            "states": latest_last([state for trace in reversed(seen) for state in trace.states]),
            "verdicts": latest_last([code for trace in reversed(seen) for code in trace.verdicts]),
            "sentence": next((trace.sentence for trace in seen if trace.sentence), ""),
            "conns": [trace.conn for trace in seen if trace.conn],
            "since": self._witness.since,
            "notes": list(self._expected.notes),
        }

    # -- the process

    def _start(self) -> "subprocess.Popen[str]":
        order = self.order
        command = [sys.executable, "-m", "core.zoo.animal_process", order.animal.name, order.host, str(order.port)]
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*command, str(order.count), str(order.seconds)],
            executable=EXECUTABLE,
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for who started it, and ends it by the end of its input
        )

    def _read(self) -> None:
        for line in _of(self._process.stdout):
            told = json.loads(line)
            with self._lock:
                if "clients" in told:
                    self._final = told
                elif "peers" in told:
                    self._peers += told["peers"]
                    self._traces += [Trace({"peer": peer}) for peer in told["peers"]]
                else:
                    self._told = told
            self._heard(told)

    def _watch(self, reader: threading.Thread) -> None:
        end = time.monotonic() + self.order.seconds + GRACE_S
        enough = False
        while reader.is_alive() and time.monotonic() < end:
            with self._lock:
                traces = self._traces[:]
            self._witness.look(traces)
            if self.order.brief and not enough and self._has_seen(traces):
                enough = True
                self._order("enough\n")
            reader.join(_LOOK_EVERY_S)

    def _has_seen(self, traces: Sequence[Trace]) -> bool:
        signature = self._expected.signature
        if not self._witness.watches or "closed" in signature.states:
            return True
        return all(one.met for one in live(signature, [trace for trace in traces if trace.states]))

    def _order(self, line: str) -> None:
        stdin = _of(self._process.stdin)
        try:
            stdin.write(line)
            stdin.flush()
        except BrokenPipeError:
            return  # it has just ended by itself

    def _end(self) -> None:
        """After this there is no process."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            _of(self._process.stdin).close()

    # -- the judgement

    def _judge(self, final: Json) -> Json:
        with self._lock:
            self._told = {**self._told, "stage": "checking"}
            traces = self._traces
            for trace, sums in zip(traces, final["clients"], strict=False):
                trace.sums = sums
        self._witness.settle(traces)
        found = check(self._expected.signature, traces, watched=self._witness.watches)
        if final["error"]:
            found.insert(0, Expectation("visit", "to its end", False, final["error"]))
        return self._result(traces, found)

    def failed(self, why: str) -> Json:
        """The result of one that came to nothing."""
        return {**self._result([], []), "met": False, "error": why}

    def _result(self, traces: Sequence[Trace], found: Sequence[Expectation]) -> Json:
        order = self.order
        shown = [{**trace.sums, "conn": trace.conn, "sentence": trace.sentence} for trace in traces[:_SHOWN]]
        return {
            "name": order.animal.name,
            "model": self._witness.model,
            "count": order.count,
            "seconds": order.seconds,
            "began": datetime.fromtimestamp(self.began, UTC).isoformat(),
            "took_s": round(time.time() - self.began, 1),
            "met": all(one.met is not False for one in found),
            "expectations": [one.as_dict() for one in found],
            "notes": list(self._expected.notes),
            "q": _filter(sorted(trace.conn for trace in traces if trace.conn)),
            "since": self._witness.since,
            "connections": shown,
            "error": "",
        }


def _filter(conns: Sequence[int]) -> str:
    """What finds these connections."""
    if not conns:
        return ""
    if len(conns) <= _SHOWN:
        return f"conn:{','.join(map(str, conns))}"
    return f"conn>={conns[0]} conn<={conns[-1]}"


def _of(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream
