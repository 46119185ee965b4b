"""Which new connections a fault is for: those of some peers, the next few, or a share of them that a seed chooses.

Connections are counted in the order in which they are opened, from the order on: the first is number 0. So the same
seed chooses the same places in that order, on any machine, whatever the connections' ids are.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol


class NewOnes(Protocol):
    """A choice among new connections."""

    counts: bool
    """Whether `chooses` is told the place of each connection, which is then counted."""

    def chooses(self, place: int, peer: str) -> bool:
        """Whether the connection with this place in the order is one of them; `peer` is address:port."""

    def to_json(self) -> dict[str, Any]:
        """What `from_json` takes."""


@dataclass(frozen=True)
class NextOnes:
    """The next `count` connections."""

    count: int
    counts = True

    def chooses(self, place: int, peer: str) -> bool:
        """See NewOnes."""
        return place < self.count

    def to_json(self) -> dict[str, Any]:
        """See NewOnes."""
        return {"count": self.count}


@dataclass(frozen=True)
class ShareOfNewOnes:
    """About `share` (0..1) of all."""

    share: float
    seed: int
    counts = True

    def chooses(self, place: int, peer: str) -> bool:
        """See NewOnes."""
        digest = hashlib.blake2b(f"{self.seed}:{place}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") < self.share * 2**64

    def to_json(self) -> dict[str, Any]:
        """See NewOnes."""
        return {"share": self.share, "seed": self.seed}


@dataclass(frozen=True)
class OnesByPeer:
    """Those whose peer matches all patterns: regular expressions, each with whether it must not match."""

    patterns: tuple[tuple[str, bool], ...]
    counts = False

    @cached_property
    def _tests(self) -> list[tuple[re.Pattern[str], bool]]:
        return [(re.compile(f"(?s)(?:{text})", re.IGNORECASE), differs) for text, differs in self.patterns]

    def chooses(self, place: int, peer: str) -> bool:
        """See NewOnes."""
        return all((test.fullmatch(peer) is None) == differs for test, differs in self._tests)

    def to_json(self) -> dict[str, Any]:
        """See NewOnes."""
        return {"patterns": [list(one) for one in self.patterns]}


def new_ones(values: Mapping[str, Any]) -> NewOnes:
    """What `to_json` of one was."""
    if "count" in values:
        return NextOnes(values["count"])
    if "share" in values:
        return ShareOfNewOnes(values["share"], values["seed"])
    return OnesByPeer(tuple((text, differs) for text, differs in values["patterns"]))
