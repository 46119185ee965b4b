"""What is expected of a server that an animal visits: rows, sums, close reason, state and verdict; and exceptions."""

from dataclasses import dataclass, replace
from typing import Final

NO_POLLER: Final = ("blocking", "threads")


@dataclass(frozen=True, kw_only=True)
class Signature:
    """Of each connection, unless a note says otherwise."""

    kinds: tuple[str, ...]
    """Rows that there are, one at least of each."""
    never: tuple[str, ...] = ()
    """… and that there are not."""
    reason: str
    """Of the close."""
    states: tuple[str, ...]
    """One of these is seen: `closed` afterwards, all others while it lives."""
    verdicts: tuple[str, ...]
    """Likewise."""
    whole: bool = False
    """Every byte comes back."""
    paced: bool = False
    """Every message is read by itself, whole: as many reads as messages."""
    left: bool = False
    """Replies wait when it is closed."""
    one_by_one: bool = False
    """Each comes when the one before has gone."""
    at_least_one: bool = False
    """Rows, replies left, and what is seen while it lives, are those of one connection at least."""


@dataclass(frozen=True)
class Expected:
    """A signature as one model shows it; `notes` say what is an exception there, and why."""

    signature: Signature
    notes: tuple[str, ...]


def expected(signature: Signature, model: str, count: int) -> Expected:
    """What `model` shows of `count` such connections."""
    notes = []
    if model in NO_POLLER and "pause" in signature.kinds:
        notes.append(
            f"{model} reads nothing while a reply waits, so its queue stays below high water: "
            "blocked, never paused, and there is no row `pause`."
        )
        kinds = tuple(kind for kind in signature.kinds if kind != "pause")
        states = tuple(state for state in signature.states if state != "paused")
        signature = replace(signature, kinds=kinds, states=states)
    if model == "blocking" and count > 1 and not signature.one_by_one:
        notes.append(
            "blocking serves one connection at a time: the others wait in the accept queue, and are opened "
            "when those before them have gone."
        )
        signature = replace(signature, at_least_one=True)
    return Expected(signature, tuple(notes))
