"""Echo servers to compare with, each as its framework's documentation would write it; they record nothing.

`python -m bench.peers NAME` prints the port and serves until it is killed.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop
from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpserver import TCPServer

from core.lab.reference import BACKLOG, HOST, serve_protocol


async def _echo_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def _serve_streams() -> None:
    server = await asyncio.start_server(_echo_stream, HOST, 0, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class TornadoEcho(TCPServer):
    """Writes what it reads."""

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Echo until the peer goes."""
        try:
            while True:
                await stream.write(await stream.read_bytes(65536, partial=True))
        except StreamClosedError:
            return


async def _serve_tornado() -> None:
    server = TornadoEcho()
    server.bind(0, HOST, backlog=BACKLOG)
    server.start()
    (listener,) = server._sockets.values()
    print(listener.getsockname()[1], flush=True)
    await asyncio.Event().wait()


Serve = Callable[[], Coroutine[Any, Any, None]]
PEERS: dict[str, tuple[Any, Serve]] = {
    "asyncio": (asyncio.run, serve_protocol),
    "asyncio streams": (asyncio.run, _serve_streams),
    "tornado": (asyncio.run, _serve_tornado),
    "uvloop": (uvloop.run, serve_protocol),
}


if __name__ == "__main__":
    run, serve = PEERS[sys.argv[1]]
    run(serve())
