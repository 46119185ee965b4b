"""The catalogue of animals: what each does, where to watch it, what to expect of the server."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from core.zoo import behaviour
from core.zoo.client_set import ClientSet, ZooError
from core.zoo.signature import Signature

MOST_SECONDS: Final = 120.0
LEAST_SECONDS: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class Animal:
    """`count` connections and `seconds` unless told otherwise, `most` connections at most."""

    name: str
    title: str
    does: str
    page: str
    """Where to watch it: a page of the dashboard."""
    watch: str
    signature: Signature
    behave: Callable[[ClientSet], None]
    count: int = 1
    most: int = 8
    seconds: float = 15.0

    def as_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        names = ("name", "title", "does", "page", "watch", "count", "most", "seconds")
        expects = ("kinds", "reason", "states", "verdicts")
        signature = {name: getattr(self.signature, name) for name in expects}
        return {**{name: getattr(self, name) for name in names}, "expects": signature}


_STUCK: Final = Signature(
    kinds=("open", "echo", "full", "pause", "close"),
    never=("eof",),
    reason="reset",
    states=("blocked", "paused"),
    verdicts=("peer_not_reading",),
    left=True,
)
_SILENT: Final = Signature(
    kinds=("open", "eof", "close"),
    never=("echo", "read", "full"),
    reason="peer",
    states=("open",),
    verdicts=("idle",),
    whole=True,
)
_ANSWERED: Final = Signature(
    kinds=("open", "echo", "eof", "close"),
    never=("full", "pause"),
    reason="peer",
    states=("open",),
    verdicts=("fine",),
    whole=True,
    paced=True,
)

ANIMALS: Final = {
    animal.name: animal
    for animal in (
        Animal(
            name="never-reads",
            title="Never reads",
            does="Sends until nothing goes any more, and reads none of the replies.",
            page="connection",
            watch="The pipe fills from its far end: first the peer's window closes, then our send buffer is full, "
            "then our queue passes high water and reading is paused. The verdict names the peer.",
            signature=_STUCK,
            behave=behaviour.never_reads,
        ),
        Animal(
            name="reads-slowly",
            title="Reads one byte a second",
            does="Sends until nothing goes any more, and reads one byte of the replies a second.",
            page="connection",
            watch="It does read, and yet the window stays closed: TCP opens it again only for a whole segment "
            "(silly window avoidance). For the server it is the same as never reading.",
            signature=_STUCK,
            behave=behaviour.reads_slowly,
        ),
        Animal(
            name="sends-slowly",
            title="Sends one byte at a time",
            does=f"Sends {behaviour.BYTES} messages of one byte, each after the echo of the one before.",
            page="events",
            watch="A row for each byte: a visit of the loop, a read and a send cost as much for one byte as for a "
            "thousand. Nothing ever waits.",
            signature=_ANSWERED,
            behave=behaviour.sends_slowly,
            most=50,
            seconds=8.0,
        ),
        Animal(
            name="half-closes",
            title="Half-closes at once",
            does="Sends a message and ends its side in the same breath, then reads to the server's end.",
            page="events",
            watch="open, echo, eof, close: the reply is delivered whole although the peer has ended its side. "
            "A server that takes the end of input for the end of the connection would lose it.",
            signature=Signature(
                kinds=("open", "echo", "eof", "close"),
                never=("full",),
                reason="peer",
                states=("closed",),
                verdicts=("closed",),
                whole=True,
                paced=True,
                one_by_one=True,
            ),
            behave=behaviour.half_closes,
            count=6,
            most=100,
            seconds=6.0,
        ),
        Animal(
            name="resets",
            title="Resets in the middle",
            does="Sends a message, waits for the first byte of the reply, and resets the connection.",
            page="connections",
            watch="Among the closed ones it has the reason `reset`, and nobody else notices: a reset is an ordinary "
            "way to go, not an error of the server.",
            signature=Signature(
                kinds=("open", "close"),
                never=("eof",),
                reason="reset",
                states=("closed",),
                verdicts=("closed",),
                one_by_one=True,
            ),
            behave=behaviour.resets,
            count=6,
            most=100,
            seconds=6.0,
        ),
        Animal(
            name="says-nothing",
            title="Opens and says nothing",
            does="Connects, sends nothing, and stays.",
            page="connections",
            watch="It costs a descriptor and some memory, no time of the loop; the verdict is that it is idle. With "
            "`--model blocking` nobody else is served until it goes. `--idle-timeout` would send it away.",
            signature=_SILENT,
            behave=behaviour.says_nothing,
            count=5,
            most=100,
        ),
        Animal(
            name="connect-storm",
            title="Connect storm",
            does="Opens all its connections at one instant, keeps them, and ends them at one instant.",
            page="loop",
            watch="The accept queue and the ready sets: accepting goes in batches, so that those who are there are "
            "served meanwhile. On the map a block of cells appears, and goes.",
            signature=_SILENT,
            behave=behaviour.storms,
            count=300,
            most=500,
            seconds=10.0,
        ),
        Animal(
            name="burst",
            title="One huge burst",
            does=f"Sends {behaviour.BURST >> 20} MiB as fast as they are taken, reads all that comes back, and rests.",
            page="overview",
            watch="One tall bar in bytes a second, and nothing afterwards: the queue is empty again, the verdict is "
            "that all is well.",
            signature=Signature(
                kinds=("open", "echo", "eof", "close"),
                reason="peer",
                states=("open",),
                verdicts=("fine", "idle"),
                whole=True,
            ),
            behave=behaviour.bursts,
            most=4,
            seconds=8.0,
        ),
        Animal(
            name="tiny-window",
            title="Tiny receive window",
            does="Has the smallest receive buffer that the kernel allows, and sips 512 bytes at a time from it.",
            page="connection",
            watch="The peer's window in the kernel's facts: a few hundred bytes or none. It reads all the time, and "
            "the verdict is still that the peer holds us back.",
            signature=_STUCK,
            behave=behaviour.tiny_window,
        ),
        Animal(
            name="walks-away",
            title="Closes while megabytes wait",
            does="Sends until nothing goes any more, reads nothing, and closes.",
            page="connections",
            watch="Its post-mortem: the close says `reset`, since its kernel threw away what it had not read, and how "
            "much of the replies was never sent.",
            signature=Signature(
                kinds=("open", "echo", "full", "pause", "close"),
                never=("eof",),
                reason="reset",
                states=("closed",),
                verdicts=("closed",),
                left=True,
            ),
            behave=behaviour.walks_away,
            seconds=2.0,
        ),
        Animal(
            name="lockstep",
            title="Many at once in lockstep",
            does=f"All its connections send the same at one instant, {behaviour.ROUNDS} times; the last reply starts "
            "the next round.",
            page="loop",
            watch="Ready sets as large as the herd, and as many reads in one turn: the last of them waits for all "
            "before it. With `--model blocking` the first round never ends.",
            signature=_ANSWERED,
            behave=behaviour.lockstep,
            count=50,
            most=200,
            seconds=8.0,
        ),
    )
}


def find(name: str) -> Animal:
    """The animal of that name. Raises ZooError, naming all there are."""
    if name not in ANIMALS:
        raise ZooError(f'there is no "{name:.60}" in the zoo; there are {", ".join(ANIMALS)}')
    return ANIMALS[name]


def plan(animal: Animal, count: int | None, seconds: float | None) -> tuple[int, float]:
    """How many and how long, its own choice where nothing is said. Raises ZooError beyond what is bounded."""
    count = animal.count if count is None else count
    seconds = animal.seconds if seconds is None else seconds
    if not 1 <= count <= animal.most:
        raise ZooError(f"{animal.name} comes with 1 to {animal.most} connections, not {count}")
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise ZooError(f"a visit takes {LEAST_SECONDS:g} to {MOST_SECONDS:g} seconds, not {seconds:g}")
    return count, seconds
