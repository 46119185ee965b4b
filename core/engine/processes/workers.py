"""Worker processes: starts them, hands them orders, notices when one dies and puts another in its place."""

import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from core.engine.faults.fault_tickets import Tickets
from core.engine.processes.accept_queues import accept_queues
from core.engine.processes.worker import WorkerConfig
from core.engine.server.listener import AcceptQueue
from core.engine.server.sample import Sample
from core.faults.fault_order import FaultOrder
from core.interpreter import EXECUTABLE
from core.ring.ring import RingError

_ROOT: Final = Path(__file__).resolve().parents[3]
_START_TIMEOUT: Final = 20.0
_SWITCH_TIMEOUT: Final = 6.0  # longer than the worker's own
_REPORT_TIMEOUT: Final = 1.0
_DEATH_TIMEOUT: Final = 0.5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_STEADY: Final = 30.0
"""A worker that served this long has proven itself: the next pause begins small again."""


class WorkerError(Exception):
    """A worker that did not start; one line."""


@dataclass
class _Worker:
    number: int
    process: "subprocess.Popen[bytes]"
    pidfd: int
    control: socket.socket
    started: float
    pause: float
    asked: int = 0
    silent: bool = False
    rest: bytes = b""
    asking: threading.Lock = field(default_factory=threading.Lock)
    """Held while an answer is read, and before the control socket is closed."""

    def end(self) -> None:
        """Kill it, whatever it does."""
        self.process.kill()
        self.process.wait()
        self.close()

    def close(self) -> None:
        """Give the descriptors back; it is dead."""
        os.close(self.pidfd)
        with self.asking:  # whoever waits for an answer is told by the end of the stream
            self.control.close()


@dataclass
class _Replacement:
    """A worker to be: when, what it is told, and the pause before another try."""

    due: float
    config: WorkerConfig | None  # None: it could not be readied yet
    pause: float


class Workers:
    """The engine as `count` processes, numbered from 1.

    They serve `address`. `prepare(number)` readies a worker's ring, closes in the record what an earlier one left open,
    and answers the worker's configuration (but for its model); it is called before every start, also of a replacement.
    """

    def __init__(
        self, count: int, model: str, address: tuple[str, int], prepare: Callable[[int], WorkerConfig]
    ) -> None:
        self._count = count
        self._address = address
        self._model = model
        self._changing = threading.Lock()  # held while workers are ordered to another model, or one is added
        self._prepare = prepare
        self._workers: dict[int, _Worker] = {}
        self._waiting: dict[int, _Replacement] = {}
        self._lock = threading.Lock()
        self._stopping = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._watch, name="workers", daemon=True)
        self._failure = ""
        self._tickets = Tickets.make()
        self._faults: dict[int, FaultOrder] = {}

    def start(self) -> None:
        """Start all and wait until all accept. Raises WorkerError."""
        try:
            for number in range(1, self._count + 1):
                self._workers[number] = self._spawn(number, self._prepare(number), _FIRST_PAUSE)
            for worker in self._workers.values():
                self._await_ready(worker)
        except BaseException:
            self._kill_all()
            self._tickets.close()
            raise
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Tell all to stop accepting and to deliver what is queued for at most `timeout` seconds; wait for them."""
        with self._lock:
            self._stopping = True
            self._order_stop(timeout)
        os.eventfd_write(self._wake, 1)
        if self._thread.is_alive():
            self._thread.join()
        self._order_stop(timeout)  # one may have been added
        deadline = time.monotonic() + timeout + 3.0
        for worker in self._workers.values():
            try:
                worker.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
        self._kill_all()
        os.close(self._wake)
        self._tickets.close()

    def _order_stop(self, timeout: float) -> None:
        for worker in self._workers.values():
            self._send(worker, {"do": "stop", "timeout": timeout})

    def close_connection(self, conn: int, worker: int, how: str) -> None:
        """Close a connection on behalf of an operator, `fin` or `rst`. Does not wait."""
        with self._lock:
            owner = self._workers.get(worker)
        if owner is not None:
            self._send(owner, {"do": "close", "conn": conn, "how": how})

    def note_order(self, code: int, number: int, conn: int, worker: int) -> None:
        """As core.engine.models.Engine.note_order, by that worker, or any when there is none of that number."""
        with self._lock:
            owner = self._workers.get(worker) or next(iter(self._workers.values()), None)
        if owner is not None:
            self._send(owner, {"do": "note_order", "code": code, "number": number, "conn": conn})

    def sample(self, worker: int, conns: list[int], timeout: float) -> dict[int, Sample]:
        """What the kernel says of these connections of a worker (Server.sample), as far as it answers in time."""
        with self._lock:
            owner = self._workers.get(worker)
        if owner is None:
            return {}
        with owner.asking:
            return _ask(owner, conns, time.monotonic() + timeout)

    def switch(self, model: str) -> str:
        """All workers go on with another model, or none does. Why that can't be; empty: it is done."""
        with self._changing:
            with self._lock:
                workers = list(self._workers.values())
            for index, worker in enumerate(workers):
                why = _switch(worker, model)
                if why:
                    for changed in workers[:index]:
                        _switch(changed, self._model)
                    return f"worker {worker.number}: {why}"
            self._model = model
        return ""

    def begin_fault(self, order: FaultOrder) -> str:
        """All workers begin a fault, and those that come in place of one; or none does. Why; empty: it is done."""
        with self._changing:
            self._tickets.clear(order.slot)
            for worker in self._all():
                why = _order(worker, {"do": "begin_fault", "order": order.to_json()}, _SWITCH_TIMEOUT)
                if why:
                    self._end_fault(order.number)
                    return f"worker {worker.number}: {why}"
            self._faults[order.number] = order
        return ""

    def touch(self, number: int, conns: Mapping[int, list[int]]) -> int:
        """Put a fault that has begun on open connections, by worker; how many of them have it now."""
        orders = (
            (worker, {"do": "touch", "number": number, "conns": conns[worker.number]})
            for worker in self._all()
            if worker.number in conns
        )
        return sum(_order(worker, order, _SWITCH_TIMEOUT) or 0 for worker, order in orders)

    def end_fault(self, number: int) -> None:
        """Take a fault off all connections; nothing happens when it has ended."""
        with self._changing:
            self._end_fault(number)

    def _end_fault(self, number: int) -> None:
        self._faults.pop(number, None)
        for worker in self._all():
            _order(worker, {"do": "end_fault", "number": number}, _SWITCH_TIMEOUT)

    def _all(self) -> list[_Worker]:
        with self._lock:
            return list(self._workers.values())

    def model(self) -> str:
        """The model in use."""
        return self._model

    def accept_queue(self) -> AcceptQueue | None:
        """How many wait to be accepted by any worker, one that is stuck included; None: that can't be told."""
        return accept_queues(self._address)

    def report(self, worker: int) -> dict[str, Any] | None:
        """What a worker tells of itself (core.engine.models.report); None when it does not answer in time."""
        with self._lock:
            owner = self._workers.get(worker)
        answer: dict[str, Any] | None = _order(owner, {"do": "report"}, _REPORT_TIMEOUT) if owner else None
        return answer

    def failure(self) -> str:
        """Which worker is not serving, and why; empty while all are."""
        return self._failure

    def pids(self) -> dict[int, int]:
        """Process id of each worker that runs."""
        with self._lock:
            return {number: worker.process.pid for number, worker in self._workers.items()}

    def _watch(self) -> None:
        """Wait for deaths and for replacements that are due."""
        while True:
            poll = select.poll()
            poll.register(self._wake, select.POLLIN)
            for worker in self._workers.values():
                poll.register(worker.pidfd, select.POLLIN)
            due = min((one.due for one in self._waiting.values()), default=None)
            poll.poll(None if due is None else max(0.0, due - time.monotonic()) * 1000)
            if self._stopping:
                return
            for worker in [worker for worker in self._workers.values() if worker.process.poll() is not None]:
                self._bury(worker)
            for number in [number for number, one in self._waiting.items() if one.due <= time.monotonic()]:
                self._replace(number)

    def _bury(self, worker: _Worker) -> None:
        with self._lock:
            del self._workers[worker.number]
        worker.close()
        status = worker.process.returncode
        self._failure = f"worker {worker.number} ended with {'signal' if status < 0 else 'status'} {abs(status)}"
        steady = time.monotonic() - worker.started >= _STEADY
        self._plan(worker.number, _FIRST_PAUSE if steady else worker.pause)

    def _plan(self, number: int, pause: float) -> None:
        """Close in the record what the dead one left open, now; start another after the pause."""
        try:
            config = self._prepare(number)
        except (OSError, RingError) as error:
            self._failure = f"worker {number} can't be started: {error}"
            config = None
        self._waiting[number] = _Replacement(time.monotonic() + pause, config, min(2 * pause, _LONGEST_PAUSE))

    def _replace(self, number: int) -> None:
        with self._changing:
            self._add(number)

    def _add(self, number: int) -> None:
        plan = self._waiting[number]
        if plan.config is None:
            return self._plan(number, plan.pause)
        try:
            worker = self._spawn(number, plan.config, plan.pause)
            self._await_ready(worker)
        except (OSError, WorkerError) as error:
            if self._stopping:
                return None
            self._plan(number, plan.pause)
            self._failure = f"worker {number} can't be started: {error}"
            return None
        with self._lock:
            self._workers[number] = worker
        del self._waiting[number]
        if not self._waiting:
            self._failure = ""
        return None

    def _spawn(self, number: int, config: WorkerConfig, pause: float) -> _Worker:
        now = time.monotonic()
        faults = tuple(order.to_json() for order in self._faults.values() if order.until > now)
        own = replace(config.settings, model=self._model)
        config = replace(config, settings=own, tickets=self._tickets.fd, faults=faults)
        ours, theirs = socket.socketpair()
        with ExitStack() as undone, theirs:
            undone.callback(ours.close)
            ours.settimeout(_START_TIMEOUT)
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "core.engine.processes.worker", config.to_json(), str(theirs.fileno())],
                executable=EXECUTABLE,
                pass_fds=[theirs.fileno(), *(fd for fd in (config.places, config.listener, config.tickets) if fd >= 0)],
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            undone.callback(process.wait)
            undone.callback(process.kill)
            pidfd = os.pidfd_open(process.pid)
            undone.pop_all()
        return _Worker(number, process, pidfd, ours, time.monotonic(), pause)

    def _await_ready(self, worker: _Worker) -> None:
        """Wait for the line that says that it accepts. Raises WorkerError for one that does not get there: it is ended.

        A stop is not kept waiting.
        """
        poll = select.poll()
        poll.register(worker.control, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        ready = dict(poll.poll(_START_TIMEOUT * 1000))
        try:
            line = worker.control.recv(64) if worker.control.fileno() in ready else b""
        except ConnectionResetError:
            line = b""
        if line != b"ready\n" or self._stopping:
            worker.end()
            raise WorkerError(f"worker {worker.number} did not start")

    def _kill_all(self) -> None:
        for worker in self._workers.values():
            worker.end()
        self._workers.clear()

    @staticmethod
    def _send(worker: _Worker, order: dict[str, object]) -> None:
        try:
            worker.control.sendall(json.dumps(order).encode() + b"\n")
        except OSError:  # it has just died; the watch sees to that
            return


def _ask(worker: _Worker, conns: list[int], deadline: float) -> dict[int, Sample]:
    """Order samples and read the answers, of which there is one a connection; those of earlier orders are let go.

    A worker that did not answer the last order gets no other one before it says something: its socket never fills up.
    """
    if worker.silent and not _lines(worker, 0.0):
        return {}
    worker.asked += 1
    Workers._send(worker, {"do": "sample", "id": worker.asked, "conns": conns})
    samples: dict[int, Sample] = {}
    awaited = set(conns)
    while awaited and (lines := _lines(worker, deadline)):
        for answer in map(json.loads, lines):
            if answer["id"] == worker.asked:
                awaited.discard(answer["conn"])
                if answer["sample"]:
                    samples[answer["conn"]] = answer["sample"] | {"info": bytes.fromhex(answer["sample"]["info"])}
    worker.silent = bool(awaited)
    return samples


def _order(worker: _Worker, order: dict[str, object], timeout: float) -> Any:
    """Give an order that is answered by one line, and wait for its answer; None when there is none in time."""
    deadline = time.monotonic() + timeout
    with worker.asking:
        worker.asked += 1
        Workers._send(worker, {**order, "id": worker.asked})
        while lines := _lines(worker, deadline):
            for answer in map(json.loads, lines):
                if answer["id"] == worker.asked:
                    return answer["answer"]
    return None


def _switch(worker: _Worker, model: str) -> str:
    """Order another model; a dead worker's replacement will have it anyway."""
    why = _order(worker, {"do": "switch", "model": model}, _SWITCH_TIMEOUT)
    if why is not None:
        return str(why)
    try:
        worker.process.wait(_DEATH_TIMEOUT)
    except subprocess.TimeoutExpired:
        return "it does not answer"
    return ""


def _lines(worker: _Worker, deadline: float) -> list[bytes]:
    """The next whole lines that the worker says; none when it is dead or says nothing before the deadline."""
    lines: list[bytes] = []
    while not lines and worker.control.fileno() >= 0:
        poll = select.poll()
        poll.register(worker.control, select.POLLIN)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            break
        try:
            data = worker.control.recv(65536)
        except OSError:  # it has just died; the watch sees to that
            break
        if not data:
            break
        *lines, worker.rest = (worker.rest + data).split(b"\n")
    return lines
