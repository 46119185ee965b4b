"""Trouble for minutes, then a look at what is left: `python -m bench.soak [--minutes 5]`.

Clients of every bad habit visit a real server at once, whose recorder is killed, stopped and short of disk meanwhile,
and whose workers, if it has any, are killed. Afterwards its descriptors, threads and memory must be back to what they
were after a warm-up of the same kind, and the log must agree with what the clients counted. Connections that went down
with a worker are left out on both sides.
"""

import argparse
import os
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from bench.processes import DEADLINE, HOST, BenchError, Echoscope, echoscope, load, over, viewers, wait_for
from bench.troubles import WORKER, running, troubled
from core.loopback import ask

MEMORY_MARGIN: Final = 64 << 20
"""What the table of closed connections of a worker may still grow by after the warm-up (bytes)."""

_WARM_UP: Final = 20.0
_IDLE: Final = 500
_VIEWERS: Final = 3
_LINGER: Final = struct.pack("ii", 1, 0)
_CHECK: Final = "{what:40}{before:>16}{after:>16}  {verdict}"


@dataclass
class Count:
    """What clients did; the bytes of those that reset may have arrived or not."""

    connections: int = 0
    sent: int = 0
    received: int = 0
    unsure: int = 0

    def __iadd__(self, other: "Count") -> "Count":
        self.connections += other.connections
        self.sent += other.sent
        self.received += other.received
        self.unsure += other.unsure
        return self


def connect(port: int, receive_buffer: int = 0) -> socket.socket:
    """A connection to the server under test."""
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(DEADLINE)
    client.connect((HOST, port))
    return client


def exchange(client: socket.socket, data: bytes, pause: float = 0.0) -> int:
    """Send all, half-close, read to the end, resting before each read; the bytes read."""
    rest, received = memoryview(data), 0
    while True:
        readable, writable, _ = select.select([client], [client] if rest else [], [], DEADLINE)
        if not readable and not writable:
            raise BenchError(f"nothing came back for {DEADLINE:.0f} s after {received} bytes")
        if writable:
            rest = rest[client.send(rest[:65536]) :]
            if not rest:
                client.shutdown(socket.SHUT_WR)
        if readable:
            time.sleep(pause)
            got = len(client.recv(65536))
            received += got
            if not got:
                if received < len(data):
                    raise ConnectionResetError(f"ended after {received} of {len(data)} bytes")
                return received


def churn(port: int) -> Count:
    """Comes, says little, goes."""
    with connect(port) as client:
        return Count(1, 100, exchange(client, bytes(100)))


def slow_reader(port: int) -> Count:
    """Sends a megabyte and takes its time to read it."""
    with connect(port, receive_buffer=16384) as client:
        return Count(1, 1 << 20, exchange(client, bytes(1 << 20), pause=0.005))


def half_close(port: int) -> Count:
    """Sends four megabytes and ends its side while most of the reply is on its way."""
    with connect(port) as client:
        return Count(1, 4 << 20, exchange(client, bytes(4 << 20)))


def resets(port: int) -> Count:
    """Sends and resets without reading, a few hundred times a second."""
    time.sleep(0.005)  # else the others would hardly get a turn
    with connect(port) as client:
        client.sendall(bytes(50_000))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
        return Count(1, 0, 0, 50_000)


def steady(port: int) -> Count:
    """A second of load whose every byte is checked."""
    result = load(port, 1.0, connections=50, reply="echo")
    time.sleep(1.0)
    return Count(50, result["bytes_out"], result["bytes_in"])


def talks(port: int) -> Count:
    """A second of questions and answers on one connection."""
    end = time.monotonic() + 1.0
    with connect(port) as client:
        count = Count(1)
        while time.monotonic() < end:
            client.sendall(bytes(500))
            count.sent += 500
            while count.received < count.sent:
                got = len(client.recv(65536))
                if not got:
                    raise ConnectionResetError("ended in the middle")
                count.received += got
        client.shutdown(socket.SHUT_WR)
        if client.recv(1):
            raise BenchError("more came back than was sent")
        return count


ANIMALS: Final = (churn, churn, slow_reader, slow_reader, half_close, resets, steady)


class Herd:
    """All kinds of clients at once, for a time.

    With `loses` connections may be lost, which are not counted; so all of them must be able to tell.
    """

    def __init__(self, port: int, loses: bool) -> None:
        self._port = port
        self._loses = loses
        self._animals = (*(one for one in ANIMALS if one not in (resets, steady)), talks) if loses else ANIMALS
        self._lock = threading.Lock()
        self.count = Count()
        self.errors: list[str] = []

    def run(self, seconds: float) -> None:
        """Let them loose; the idle ones stay all the while."""
        end = time.monotonic() + seconds
        with ExitStack() as stack:
            idle = [stack.enter_context(connect(self._port)) for _ in range(_IDLE)]
            threads = [threading.Thread(target=self._repeat, args=(animal, end)) for animal in self._animals]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            ended, _, _ = select.select(idle, [], [], 0)
        self.count.connections += _IDLE - len(ended)

    def _repeat(self, animal: Callable[[int], Count], end: float) -> None:
        try:
            while time.monotonic() < end:
                try:
                    done = animal(self._port)
                except ConnectionError:
                    if not self._loses:
                        raise
                    continue
                with self._lock:
                    self.count += done
        except (OSError, BenchError) as error:
            self.errors.append(f"{animal.__name__}: {error}")


@dataclass(frozen=True)
class Held:
    """What the processes of a server hold."""

    descriptors: int
    threads: int
    memory: int


def held(server: Echoscope) -> Held:
    """Counted over the whole process tree, once no connection is open."""
    wait_for(lambda: server.get("status")["connections"]["open"] == 0, "all connections closed")
    descriptors = over(server.pids(), lambda pid: len(os.listdir(f"/proc/{pid}/fd")))
    threads = over(server.pids(), lambda pid: len(os.listdir(f"/proc/{pid}/task")))
    return Held(int(descriptors), int(threads), server.memory())


def settled(server: Echoscope, before: Held) -> Held:
    """What is held once the last keep-alive connection of the dashboard has gone, or after a while."""
    deadline = time.monotonic() + DEADLINE
    now = held(server)
    while (now.descriptors > before.descriptors or now.threads > before.threads) and time.monotonic() < deadline:
        time.sleep(0.5)
        now = held(server)
    return now


def crashed(server: Echoscope) -> pa.Array:
    """The connections that went down with a worker."""
    with ask(f"{server.url}/api/v1/events/download?format=csv&q=reason:crash", DEADLINE) as answer:
        return pa_csv.read_csv(answer).column("conn").combine_chunks().cast(pa.int64())


def logged(server: Echoscope) -> tuple[Count, Count]:
    """What the downloaded log adds up to, and what of it is of connections that went down with a worker.

    `connections` are those with an end, `unsure` the rows that were lost.
    """
    result, down = Count(), Count()
    left_out = crashed(server)
    with ask(f"{server.url}/api/v1/events/download?format=csv", DEADLINE) as answer:
        columns = ["conn", "kind", "bytes_in", "bytes_out"]
        options = pa_csv.ConvertOptions(include_columns=columns, column_types={"kind": pa.string()})
        for batch in pa_csv.open_csv(answer, convert_options=options):
            went_down = pc.is_in(batch.column("conn"), value_set=left_out)
            result += summed(batch.filter(pc.invert(went_down)))
            down += summed(batch.filter(went_down))
    return result, down


def summed(batch: pa.RecordBatch) -> Count:
    """What the rows add up to."""
    kinds = batch.column("kind")
    sums = (
        pc.sum(pc.equal(kinds, "close")),
        pc.sum(batch.column("bytes_in")),
        pc.sum(batch.column("bytes_out")),
        pc.sum(pc.equal(kinds, "lost")),
    )
    return Count(*(one.as_py() or 0 for one in sums))


def check(what: str, before: int, after: int, holds: bool) -> bool:
    """Print a line of the table."""
    print(_CHECK.format(what=what, before=f"{before:,}", after=f"{after:,}", verdict="" if holds else "WRONG"))
    return holds


def judge(before: Held, after: Held, counted: Count, log: Count, down: Count, margin: int) -> bool:
    """The table; whether every line holds. `margin` is what memory may have grown by (bytes).

    A client that has got its whole reply can't tell whether its connection went down before it was closed.
    """
    print("\n" + _CHECK.format(what="", before="before/clients", after="after/log", verdict=""))
    return all(
        [
            check("descriptors", before.descriptors, after.descriptors, after.descriptors <= before.descriptors),
            check("threads", before.threads, after.threads, after.threads <= before.threads),
            check("memory (Pss)", before.memory, after.memory, after.memory <= before.memory + margin),
            check(
                f"connections (+ {down.connections:,} that went down)",
                counted.connections,
                log.connections,
                counted.connections - down.connections <= log.connections <= counted.connections,
            ),
            check(
                f"bytes sent (+ {counted.unsure:,} by resets)",
                counted.sent,
                log.sent,
                counted.sent - down.sent <= log.sent <= counted.sent + counted.unsure,
            ),
            check(
                "bytes received",
                counted.received,
                log.received,
                counted.received - down.received <= log.received <= log.sent,
            ),
            check("lost rows", 0, log.unsure, log.unsure == 0),
        ]
    )


def soak(seconds: float, workers: int) -> bool:
    """Warm up, look, let them loose, look again."""
    with echoscope("--reply", "echo", "--workers", str(workers)) as server:
        herd = Herd(server.port, loses=len(running(server, WORKER)) > 0)
        befell: dict[str, int] = {}
        try:
            with viewers(server, _VIEWERS), troubled(server):
                herd.run(min(_WARM_UP, seconds / 2))
            before = held(server)
            with viewers(server, _VIEWERS), troubled(server) as befell:
                herd.run(seconds)
            after = settled(server, before)
            healthy = judge(before, after, herd.count, *logged(server), MEMORY_MARGIN * max(1, workers))
        finally:  # also when it could not be judged
            print(f"clients: {herd.count}")
            print(", ".join(f"{what}: {count}" for what, count in befell.items()))
            for error in herd.errors:
                print(f"WRONG  {error}")
    return healthy and not herd.errors


def main() -> int:
    """Exit status: 0, 1 when something did not come back or add up, 2 when it could not be run."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Minutes of trouble, then a reckoning.")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long, after the warm-up (default: 5)")
    parser.add_argument("--workers", type=int, default=0, help="worker processes of the server (default: 0)")
    options = parser.parse_args()
    try:
        return int(not soak(options.minutes * 60, options.workers))
    except (BenchError, OSError) as error:
        print(f"soak: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
