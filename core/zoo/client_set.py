"""Where an animal lives: connections to one loopback address, bounded in number, bytes and time."""

import contextlib
import select
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from core.clients.connect import place
from core.loopback import is_loopback
from core.zoo.animal_client import Client

MOST_BYTES: Final = 64 * 1024 * 1024
"""What one connection sends at most; no send and receive buffers of a loopback connection hold as much."""

_PATIENCE_S: Final = 10.0
_TICK_S: Final = 0.05
_STUCK_S: Final = 0.4
_TELL_EVERY_S: Final = 0.25
_BLAST_SIZE: Final = 1 << 20

Address = tuple[socket.AddressFamily, Any]
Tell = Callable[[dict[str, Any]], None]


class ZooError(Exception):
    """Why an animal can't be let loose; the text is one line for the user."""


def loopback(host: str, port: int) -> Address:
    """Where to connect to. Raises ZooError unless `host` stands for this machine alone."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ZooError(f"{host}: {getattr(error, 'strerror', None) or error}") from error
    for _family, _, _, _, address in found:
        if not is_loopback(str(address[0])):
            raise ZooError(f"the zoo visits loopback addresses only, and {host} is {address[0]}")
    found.sort(key=lambda one: one[0] != socket.AF_INET)  # `localhost` is both, the echo server's default one
    return found[0][0], found[0][4]


class ClientSet:
    """What an animal is given: `seconds` to live and `count` connections.

    `enough` ends its holding still early; `tell` hears what it does. Its methods raise OSError where the server
    did what the animal did not expect.
    """

    def __init__(
        self,
        address: Address,
        count: int,
        seconds: float,
        *,
        enough: Callable[[], bool] = lambda: False,
        tell: Tell = lambda told: None,
    ) -> None:
        self.count = count
        self.clients: list[Client] = []
        self._family, self._address = address
        self._enough = enough
        self._tell = tell
        self._stage = ""
        self._told = 0.0
        self._began = time.monotonic()
        self._end = self._began + seconds

    @property
    def over(self) -> bool:
        """Whether the time is up, or enough was seen."""
        return time.monotonic() >= self._end or self._enough()

    def stage(self, name: str) -> None:
        """Say what it does now."""
        self._stage = name
        self.report()

    def report(self) -> None:
        """Tell how far it is."""
        self._told = time.monotonic()
        sums = {name: sum(getattr(one, name) for one in self.clients) for name in ("sent", "received")}
        self._tell({"stage": self._stage, "connections": len(self.clients), **sums})

    # -- time

    def wait(self, seconds: float) -> None:
        """Do nothing for a while, or until it is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.over:
            self._tick()
            time.sleep(max(0.0, min(_TICK_S, end - time.monotonic())))

    def share(self, parts: int) -> float:
        """Seconds of each of so many parts of the time."""
        return (self._end - self._began) / parts

    def hold(self, pressing: Sequence[Client] = ()) -> None:
        """Keep everything as it is until it is over; some go on offering what a slow server did not take before."""
        self.stage("holding")
        while not self.over:
            for one in pressing:
                one.push(MOST_BYTES - one.sent)
            self.wait(_TICK_S)

    # -- connections

    def connect(self, count: int, receive_buffer: int | None = None) -> list[Client]:
        """So many connections, all begun before the first is waited for."""
        self.stage("connecting")
        made = [self._begin(receive_buffer) for _ in range(count)]
        waiting = {one.sock.fileno(): one for one in made}
        for one in self._ready(waiting, select.POLLOUT):
            one.connected()
            del waiting[one.sock.fileno()]
        if waiting:
            raise TimeoutError(0, f"{len(waiting)} of {count} connections were not made within {_PATIENCE_S:g} s")
        self._tell({"peers": [one.peer for one in made]})
        self.report()
        return made

    def _begin(self, receive_buffer: int | None) -> Client:
        sock = socket.socket(self._family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        client = Client(sock)
        self.clients.append(client)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(BlockingIOError):
            sock.connect(self._address)
        return client

    def close(self) -> None:
        """Close whatever is open still; where something is unread, the kernel makes a reset of it (tcp(7))."""
        for one in self.clients:
            one.sock.close()

    # -- what clients do

    def fill(self, clients: Sequence[Client]) -> None:
        """Send until neither the server nor the kernel takes any more."""
        self.stage("filling")
        last = time.monotonic()
        while time.monotonic() - last < _STUCK_S and any(one.sent < MOST_BYTES for one in clients):
            if sum(one.push(MOST_BYTES - one.sent) for one in clients):
                last = time.monotonic()
            self._tick()
            time.sleep(0.005)

    def blast(self, clients: Sequence[Client], size: int) -> None:
        """Send so much on each, as fast as it is taken, and read what comes back, all of it."""
        self.stage("sending")
        last = time.monotonic()
        open_still = {one.sock.fileno(): one for one in clients}
        poll = _poll(open_still, select.POLLIN | select.POLLOUT)
        while open_still and time.monotonic() - last < _PATIENCE_S:
            for fd, _ in poll.poll(_TICK_S * 1000):
                one, last = open_still[fd], time.monotonic()
                one.push(min(size - one.sent, _BLAST_SIZE))
                one.pull()
                if one.sent >= size:
                    poll.modify(fd, select.POLLIN)
                if one.ended or one.echoed >= size:
                    poll.unregister(fd)
                    del open_still[fd]
            self._tick()
        if open_still:
            raise TimeoutError(0, f"{len(open_still)} replies are not whole after {_PATIENCE_S:g} s of silence")

    def hear(self, clients: Iterable[Client]) -> bool:
        """Read until all that was sent has come back, on each; False when it is over and nothing comes any more."""
        waiting = {one.sock.fileno(): one for one in clients if one.echoed < one.sent}
        poll = _poll(waiting, select.POLLIN)
        last = time.monotonic()
        while waiting and (not self.over or time.monotonic() - last < _STUCK_S):
            for fd, _ in poll.poll(_TICK_S * 1000):
                last = time.monotonic()
                one = waiting[fd]
                one.pull()
                if one.ended:
                    raise ConnectionAbortedError(0, "the server closed the connection before its reply was whole")
                if one.echoed >= one.sent:
                    poll.unregister(fd)
                    del waiting[fd]
            self._tick()
        return not waiting

    def await_reply(self, client: Client) -> None:
        """Read the first byte of a reply; give up after a while."""
        _poll([client.sock.fileno()], select.POLLIN).poll(_PATIENCE_S * 1000)
        client.pull(1)

    def part(self, clients: Sequence[Client]) -> None:
        """Take leave: end our side, read to the server's end, close."""
        self.stage("parting")
        for one in clients:
            one.finish()
        waiting = {one.sock.fileno(): one for one in clients if not one.ended}
        for one in self._ready(waiting, select.POLLIN):
            one.pull()
            if one.ended:
                del waiting[one.sock.fileno()]
            self._tick()
        if waiting:
            raise TimeoutError(0, f"{len(waiting)} connections were not ended by the server within {_PATIENCE_S:g} s")
        for one in clients:
            one.sock.close()

    def _ready(self, waiting: dict[int, Client], mask: int) -> Iterable[Client]:
        """Those that are ready, again and again, until the caller has taken out all or nothing happens any more."""
        poll = _poll(waiting, mask)
        last = time.monotonic()
        gone: set[int] = set()
        while waiting and time.monotonic() - last < _PATIENCE_S:
            for fd, _ in poll.poll(_TICK_S * 1000):
                last = time.monotonic()
                yield waiting[fd]
                if fd not in waiting and fd not in gone:
                    gone.add(fd)
                    poll.unregister(fd)

    def _tick(self) -> None:
        if time.monotonic() - self._told >= _TELL_EVERY_S:
            self.report()


def _poll(clients: Iterable[int], mask: int) -> select.poll:
    poll = select.poll()
    for fd in clients:
        poll.register(fd, mask)
    return poll


def address_text(address: Address) -> str:
    """An address as people read it."""
    return place(*address[1][:2])
