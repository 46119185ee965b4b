"""A small echo server in threads whose manners, good or bad, a test chooses."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from waiting import DEADLINE_S

Manners = Callable[["Client"], None]


class Client:
    """The server's side of one connection; counts what passes."""

    def __init__(self, sock: socket.socket, peer: str) -> None:
        self.sock = sock
        self.peer = peer
        self.received = self.sent = 0

    def read(self, size: int = 65536) -> bytes:
        data = self.sock.recv(size)
        self.received += len(data)
        return data

    def read_exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size and (data := self.read(size - len(parts))):
            parts += data
        return bytes(parts)

    def write(self, data: bytes) -> None:
        self.sock.sendall(data)
        self.sent += len(data)

    def reset(self) -> None:
        """SO_LINGER with no time makes close() send a reset (socket(7))."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Server:
    """Where it listens, and the connections that it had."""

    def __init__(self, listener: socket.socket, manners: Manners) -> None:
        self.host, self.port = listener.getsockname()[:2]
        self.clients: list[Client] = []
        self._listener = listener
        self._manners = manners
        self._threads: list[threading.Thread] = []

    @property
    def received(self) -> int:
        return sum(client.received for client in self.clients)

    @property
    def sent(self) -> int:
        return sum(client.sent for client in self.clients)

    def accept(self) -> None:
        while True:
            try:
                sock, address = self._listener.accept()
            except OSError:  # shut down
                return
            self.clients.append(Client(sock, address[0]))
            self._threads.append(threading.Thread(target=self._serve, args=[self.clients[-1]]))
            self._threads[-1].start()

    def _serve(self, client: Client) -> None:
        with client.sock:
            try:
                self._manners(client)
            except OSError:
                return

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for client in self.clients:
            with suppress(OSError):  # closed, or reset
                client.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()


@contextmanager
def serving(manners: Manners, host: str = "127.0.0.1") -> Iterator[Server]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family, backlog=1024) as listener:
        server = Server(listener, manners)
        acceptor = threading.Thread(target=server.accept)
        acceptor.start()
        try:
            yield server
        finally:
            server.stop()
            acceptor.join(DEADLINE_S)


def stamped(chunk: bytes) -> bytes:
    return b"[%b] %b" % (time.ctime().encode(), chunk)


def echo(client: Client) -> None:
    while data := client.read():
        client.write(data)


def stamp(client: Client) -> None:
    while data := client.read():
        client.write(stamped(data))


def stamp_in_bytes(client: Client) -> None:
    """Each byte of a reply is a segment of its own."""
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := client.read():
        for byte in stamped(data):
            client.write(bytes([byte]))


def stamp_up_to(size: int) -> Manners:
    """Stamps every read of up to `size` bytes."""

    def manners(client: Client) -> None:
        while data := client.read(size):
            client.write(stamped(data))

    return manners


def stamp_every(size: int) -> Manners:
    """Reads and stamps `size` bytes at a time, however they were sent."""

    def manners(client: Client) -> None:
        while data := client.read_exactly(size):
            client.write(stamped(data))

    return manners


def corrupting(answer: Callable[[bytes], bytes], at: int, chunk: int = 0) -> Manners:
    """Flips a bit of byte `at` of the reply to a chunk (negative: from the end)."""

    def manners(client: Client) -> None:
        number = 0
        while data := client.read():
            reply = bytearray(answer(data))
            if number == chunk:
                reply[at] ^= 1
            number += 1
            client.write(bytes(reply))

    return manners
