"""What each animal does. Every one is given a pen and returns when it has gone, or when the time is up.

Deterministic but for time: how much is sent, and in how many pieces, does not depend on chance.
"""

from typing import Final

from core.zoo.client_set import MOST_BYTES, ClientSet

MESSAGE: Final = 64
BURST: Final = 16 * 1024 * 1024
ROUNDS: Final = 20
BYTES: Final = 40
LEAST_ROUNDS: Final = 3
"""Rounds that are begun even when enough was seen before."""

_HALF_CLOSED: Final = 1024
_RESET: Final = 256 * 1024
_TINY: Final = 1  # the kernel makes its least of it, 2,304 bytes: SOCK_MIN_RCVBUF in include/net/sock.h
_SIP: Final = 512
_SIP_EVERY_S: Final = 0.05


def never_reads(pen: ClientSet) -> None:
    """Sends until nothing goes any more, reads nothing, closes."""
    clients = pen.connect(pen.count)
    pen.fill(clients)
    pen.hold(clients)


def reads_slowly(pen: ClientSet) -> None:
    """As above, but takes a byte a second, and offers what a slow server did not take before."""
    clients = pen.connect(pen.count)
    pen.fill(clients)
    pen.stage("reading a byte a second")
    while True:
        for one in clients:
            one.pull(1)
            one.push(MOST_BYTES - one.sent)
        pen.wait(1.0)
        if pen.over:
            return


def sends_slowly(pen: ClientSet) -> None:
    """Sends a byte, waits for its echo, and so on."""
    clients = pen.connect(pen.count)
    pen.stage("sending a byte at a time")
    for number in range(BYTES):
        for one in clients:
            one.say(1)
        if not pen.hear(clients):
            break
        pen.wait(pen.share(BYTES))
        if pen.over and number >= LEAST_ROUNDS:
            break
    pen.part(clients)


def half_closes(pen: ClientSet) -> None:
    """One after the other: a message, the end of our side at once, then reads to the server's end."""
    for number in range(pen.count):
        clients = pen.connect(1)
        clients[0].say(_HALF_CLOSED)
        pen.part(clients)
        if number + 1 < pen.count:
            pen.wait(pen.share(pen.count))


def resets(pen: ClientSet) -> None:
    """One after the other: a message, the first of its reply, a reset while the rest is on its way."""
    for number in range(pen.count):
        (one,) = pen.connect(1)
        pen.stage("sending")
        one.push(_RESET)
        pen.await_reply(one)
        one.reset()
        if number + 1 < pen.count:
            pen.wait(pen.share(pen.count))


def says_nothing(pen: ClientSet) -> None:
    """Connects, and that is all."""
    clients = pen.connect(pen.count)
    pen.hold()
    pen.part(clients)


def storms(pen: ClientSet) -> None:
    """All connections at once, kept for a while, ended at once."""
    clients = pen.connect(pen.count)
    pen.hold()
    pen.part(clients)


def bursts(pen: ClientSet) -> None:
    """Megabytes at once, read as they come back; then silence."""
    clients = pen.connect(pen.count)
    pen.blast(clients, BURST)
    pen.hold()
    pen.part(clients)


def tiny_window(pen: ClientSet) -> None:
    """Sends until nothing goes any more, and sips the replies through the smallest receive buffer that there is."""
    clients = pen.connect(pen.count, _TINY)
    pen.fill(clients)
    pen.stage("sipping")
    while not pen.over:
        for one in clients:
            one.pull(_SIP)
            one.push(MOST_BYTES - one.sent)
        pen.wait(_SIP_EVERY_S)


def walks_away(pen: ClientSet) -> None:
    """Sends until nothing goes any more, and closes a moment later."""
    clients = pen.connect(pen.count)
    pen.fill(clients)
    pen.hold(clients)


def lockstep(pen: ClientSet) -> None:
    """All send the same at one instant, and wait for the last reply before the next round."""
    clients = pen.connect(pen.count)
    pen.stage("in lockstep")
    for number in range(ROUNDS):
        for one in clients:
            one.say(MESSAGE)
        if not pen.hear(clients):
            break
        pen.wait(pen.share(ROUNDS))
        if pen.over and number >= LEAST_ROUNDS:
            break
    pen.part(clients)
