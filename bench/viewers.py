"""Dashboards that cost little: Socket.IO over WebSocket as a browser speaks it, without drawing.

`python -m bench.viewers URL NUMBER` opens NUMBER of them, prints a line once each has had its first frame of each view,
and acknowledges every frame until it is stopped. `--stalled` opens one that watches and then reads nothing.
"""

import json
import re
import select
import signal
import sys
from typing import Final

from websocket import WebSocket, create_connection

WATCHED: Final = (
    {"view": "overview"},
    {"view": "connections", "q": "", "sort": "-queue_bytes", "limit": 100, "offset": 0},
)

# Engine.IO packet types are the first digit (0 open, 2 ping, 3 pong, 4 message), Socket.IO's the second (0
# connect, 2 event, 3 ack), then the number to acknowledge: github.com/socketio/socket.io-protocol
_EVENT: Final = re.compile(r'42(\d+)\["frame",')


def opened(url: str) -> tuple[int, WebSocket]:
    """Descriptor and socket of a viewer that has asked for its views."""
    # Checking UTF-8 byte by byte in Python would take half of the core that the generator needs.
    socket = create_connection(
        f"{url.replace('http', 'ws', 1)}/socket.io/?EIO=4&transport=websocket", timeout=30, skip_utf8_validation=True
    )
    socket.recv()
    socket.send("40")
    socket.recv()
    for number, view in enumerate(WATCHED):
        socket.send(f"42{number}{json.dumps(['watch', view])}")
    assert socket.sock
    return socket.sock.fileno(), socket


def answer(socket: WebSocket) -> bool:
    """Read one message and answer it; True for a frame."""
    text = socket.recv()
    assert isinstance(text, str)
    if text == "2":
        socket.send("3")
    frame = _EVENT.match(text)
    if frame:
        socket.send(f"43{frame[1]}[]")
    return frame is not None


def watch(url: str, number: int) -> None:
    """Open the viewers and answer what comes, for ever."""
    sockets = dict(opened(url) for _ in range(number))
    frames = dict.fromkeys(sockets, 0)
    poller = select.epoll()
    for fd in sockets:
        poller.register(fd, select.EPOLLIN)
    said = False
    while True:
        for fd, _ in poller.poll():
            frames[fd] += answer(sockets[fd])
        if not said and min(frames.values()) >= len(WATCHED):
            said = True
            print("watching", flush=True)


def stall(url: str) -> None:
    """Open one viewer and read nothing more of it."""
    _, socket = opened(url)
    print("stalled", flush=True)
    signal.pause()
    socket.close()


if __name__ == "__main__":
    if sys.argv[1] == "--stalled":
        stall(sys.argv[2])
    else:
        watch(sys.argv[1], int(sys.argv[2]))
