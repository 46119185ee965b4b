"""Clients that talk now and then, so that there is something to see and nearly nothing to do."""

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from bench.processes import HOST

CONNECTIONS: Final = 300
TALKING: Final = 20
STEP_S: Final = 0.1


@contextmanager
def murmur(port: int) -> Iterator[None]:
    """CONNECTIONS of which TALKING others are echoed each STEP_S: 200 echoes a second."""
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection((HOST, port), 10)) for _ in range(CONNECTIONS)]
        ended = threading.Event()
        thread = threading.Thread(target=_talk, args=(clients, ended))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _talk(clients: list[socket.socket], ended: threading.Event) -> None:
    turns = itertools.cycle(clients)
    while not ended.wait(STEP_S):
        for client in itertools.islice(turns, TALKING):
            client.sendall(b"m" * 64)
            client.recv(4096)
