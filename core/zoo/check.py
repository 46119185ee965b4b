"""Whether what was expected of an animal was seen: from the rows of exactly its connections, and what was watched."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from core.zoo.signature import Signature

T = TypeVar("T")
Row = dict[str, Any]

_REFUSALS: Final = ("limit", "select_limit")
_UNITS: Final = ("B", "KiB", "MiB", "GiB")


@dataclass
class Trace:
    """What is known of one connection: what it did (`Client.sums`), its rows in order, what was seen of it."""

    sums: dict[str, Any]
    conn: int = 0
    rows: list[Row] = field(default_factory=list)
    states: tuple[str, ...] = ()
    """Those that were seen, the latest last; replaced as one, as others read it."""
    verdicts: tuple[str, ...] = ()
    sentence: str = ""
    """The last verdict's."""
    refused: str = ""
    """Why it was not accepted."""

    def see(self, state: str, verdict: str, sentence: str) -> None:
        """Take in what the dashboard says of it now."""
        self.states = latest_last((*self.states, state))
        self.verdicts = latest_last((*self.verdicts, verdict))
        self.sentence = sentence

    def total(self, name: str) -> int:
        """Sum of a column."""
        return sum(row[name] for row in self.rows)

    def kinds(self) -> list[str]:
        """Of its rows, in order."""
        return [row["kind"] for row in self.rows]


@dataclass(frozen=True)
class Expectation:
    """`met` is None where nothing could be looked at; `seen` says what was seen, or why it was not looked at."""

    name: str
    wanted: str
    met: bool | None
    seen: str

    def as_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {"name": self.name, "wanted": self.wanted, "met": self.met, "seen": self.seen}


def check(signature: Signature, traces: Sequence[Trace], *, watched: bool = True) -> list[Expectation]:
    """All expectations; `watched` is false where only the record could be read."""
    accepted = [trace for trace in traces if not trace.refused]
    found = [_connections(traces)]
    found += [make(signature, accepted) for make in _OF_THE_RECORD]
    if signature.paced:
        found.append(_pace(accepted))
    if signature.left:
        found.append(_left(signature, accepted))
    return [*found, *live(signature, accepted, watched)]


def live(signature: Signature, traces: Sequence[Trace], watched: bool = True) -> list[Expectation]:
    """What is looked at while it lives: state and verdict."""
    return [
        _seen("state", signature.states, traces, lambda trace: trace.states, signature, watched),
        _seen("verdict", signature.verdicts, traces, lambda trace: trace.verdicts, signature, watched),
    ]


def _connections(traces: Sequence[Trace]) -> Expectation:
    whole = [_is_whole(trace.kinds()) for trace in traces if not trace.refused]
    refused = [trace.refused for trace in traces if trace.refused]
    seen = f"{sum(whole)} of {len(traces)}" + (f", {len(refused)} refused: {_list(set(refused))}" if refused else "")
    met = bool(traces) and all(whole) and any(whole) and all(reason in _REFUSALS for reason in refused)
    return Expectation("connections", "one open first, one close last, of each", met, seen)


def _is_whole(kinds: Sequence[str]) -> bool:
    ends = kinds[:1] == ["open"] and kinds[-1:] == ["close"]
    return ends and kinds.count("open") == kinds.count("close") == 1


def _rows(signature: Signature, traces: Sequence[Trace]) -> Expectation:
    def good(trace: Trace) -> bool:
        kinds = set(trace.kinds())
        return kinds.issuperset(signature.kinds)

    never = not any(kind in signature.never for trace in traces for kind in trace.kinds())
    wanted = " ".join(signature.kinds) + (f"; no {' '.join(signature.never)}" if signature.never else "")
    counted = Counter(kind for trace in traces for kind in trace.kinds())
    seen = ", ".join(f"{kind} {count:,}" for kind, count in counted.items()) or "no row"
    return Expectation("rows", wanted, never and _enough(signature, traces, good), seen)


def _bytes(signature: Signature, traces: Sequence[Trace]) -> Expectation:
    wanted = (
        "all that was sent was read, and came back" if signature.whole else "no more than was sent, no less than came"
    )
    met = bool(traces) and all(_adds_up(trace, signature.whole) for trace in traces)
    sent, came = (sum(trace.sums[name] for trace in traces) for name in ("sent", "received"))
    read, written = (sum(trace.total(name) for trace in traces) for name in ("bytes_in", "bytes_out"))
    seen = f"sent {size(sent)}, read {size(read)}; written {size(written)}, received {size(came)}"
    return Expectation("bytes", wanted, met, seen)


def _adds_up(trace: Trace, whole: bool) -> bool:
    sums, read, written = trace.sums, trace.total("bytes_in"), trace.total("bytes_out")
    if whole:
        return bool(read == sums["sent"] == sums["echoed"] and written == sums["received"])
    return bool(read <= sums["sent"] and written >= sums["received"])


def _reason(signature: Signature, traces: Sequence[Trace]) -> Expectation:
    reasons = Counter(row["reason"] for trace in traces for row in trace.rows if row["kind"] == "close")
    seen = ", ".join(f"{reason} {count:,}" for reason, count in reasons.items()) or "none was closed"
    return Expectation("close reason", signature.reason, set(reasons) == {signature.reason}, seen)


def _pace(traces: Sequence[Trace]) -> Expectation:
    reads = [sum(1 for row in trace.rows if row["bytes_in"]) for trace in traces]
    messages = [trace.sums["messages"] for trace in traces]
    seen = f"{sum(reads):,} reads of {sum(messages):,} messages"
    return Expectation("reads", "one a message", bool(traces) and reads == messages, seen)


def _left(signature: Signature, traces: Sequence[Trace]) -> Expectation:
    left = [row["queue_bytes"] for trace in traces for row in trace.rows if row["kind"] == "close"]
    met = bool(left) and (any if signature.at_least_one else all)(count > 0 for count in left)
    return Expectation("left behind", "replies in our queue at the close", met, size(sum(left)))


def _seen(
    name: str,
    wanted: tuple[str, ...],
    traces: Sequence[Trace],
    seen_of: Callable[[Trace], tuple[str, ...]],
    signature: Signature,
    watched: bool,
) -> Expectation:
    text = " or ".join(wanted)
    if not watched:
        return Expectation(name, text, None, "not looked at: that takes the dashboard")
    # What becomes of them all is told by other lines; one that was listed only after its end tells nothing of its life.
    beside = set() if "closed" in wanted else {"closed"}
    looked = [seen for trace in traces if (seen := set(seen_of(trace)) - beside)]
    met = _enough(signature, looked, lambda seen: not seen.isdisjoint(wanted))
    return Expectation(name, text, met, _list(set().union(*looked)) or "never listed")


def _enough(signature: Signature, those: Sequence[T], good: Callable[[T], bool]) -> bool:
    """Whether as many as should be are good; of none at all none is."""
    return bool(those) and (any if signature.at_least_one else all)(good(one) for one in those)


def latest_last(names: Sequence[str]) -> tuple[str, ...]:
    """Each once, where it stands last."""
    return tuple(dict.fromkeys(reversed(names)))[::-1]


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def size(count: int) -> str:
    """Bytes as people read them."""
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{count} B"


_OF_THE_RECORD: Final = (_rows, _bytes, _reason)
