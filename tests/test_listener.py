"""The listening socket."""

import socket

from core.engine.server.listener import listen


def test_what_is_accepted_has_what_the_listener_was_told() -> None:
    names = {
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
        (socket.SOL_SOCKET, socket.SO_OOBINLINE): 1,
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 120,
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 15,
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 8,
    }
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        listener.setblocking(True)
        with listener.accept()[0] as accepted:
            assert {name: accepted.getsockopt(*name) for name in names} == names
