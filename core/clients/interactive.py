"""The tutorial's interactive client: a prompt, a line sent, the reply printed."""

import codecs
import socket
import sys
from typing import Final

from core.clients.connect import place

PROMPT: Final = "> "
PATIENCE: Final = 10.0
"""Seconds that the client waits for a connection, or for the rest of a reply."""


class ClientError(Exception):
    """Why the client had to end; the text is one line for the user."""


def run(host: str, port: int) -> None:
    """Talk to the server until an empty line or the end of the input. Raises ClientError.

    A line is sent with its newline, and what comes back is printed until that newline has come back: so a reply
    that comes in parts, each perhaps with a stamp of its own, is printed whole.
    """
    try:
        with socket.create_connection((host, port), PATIENCE) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _converse(sock)
    except TimeoutError as error:
        raise ClientError(f"{place(host, port)}: no answer within {PATIENCE:.0f} s") from error
    except (OSError, UnicodeError, OverflowError) as error:
        raise ClientError(f"{place(host, port)}: {getattr(error, 'strerror', None) or error}") from error


def _converse(sock: socket.socket) -> None:
    while line := _ask():
        sock.sendall(line.encode("utf-8", "surrogateescape") + b"\n")
        _print_reply(sock)


def _ask() -> str:
    try:
        return input(PROMPT)
    except EOFError:
        print()
        return ""


def _print_reply(sock: socket.socket) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    ended = False
    while not ended:
        data = sock.recv(65536)
        if not data:
            raise ConnectionAbortedError(0, "the server closed the connection")
        ended = data.endswith(b"\n")
        sys.stdout.write(decoder.decode(data, ended))
        sys.stdout.flush()
