"""Echo servers to compare with, each as its framework's documentation would write it; they record and count nothing."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

HOST = "127.0.0.1"
BACKLOG = 4096


class EchoProtocol(asyncio.Protocol):
    """Writes what it reads."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Echo."""
        self._transport.write(data)


async def serve_protocol() -> None:
    """Serve on a free port, which is printed, until killed."""
    server = await asyncio.get_running_loop().create_server(EchoProtocol, HOST, 0, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def run(name: str) -> None:
    """Serve by asyncio's own loop, or by uvloop's."""
    start: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run
    if name == "uvloop":
        import uvloop

        start = uvloop.run
    start(serve_protocol())
