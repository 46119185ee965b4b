"""Who holds a connection up, in one sentence with its evidence: rules over what the record and the kernel say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.filter.verdict_codes import CODES as CODES
from core.ring.events import REASON_MEANING, REASONS
from core.watch.kernel.facts import FACTS, Value

IDLE_S: Final = 10.0
SILENT_S: Final = 1.0
"""… of one that has never sent anything: that it is slow to begin is news sooner."""
LATE_S: Final = 1.5
"""The loop turns once a second at the least."""
_UNREAD_MS: Final = 50
# A loop at its limit finds something unread at every look; it is late when that grows old, or much.
_BUSY: Final = 0.9
_BUSY_UNREAD_MS: Final = 10
_MUCH_UNREAD: Final = 256 * 1024
_HELD: Final = 0.5
# Whoever lives answers a probe of a closed window: one may be under way, the next is sent 0.2 s later at the soonest.
_UNANSWERED: Final = 2
# A local peer's round trip takes microseconds, milliseconds when it is busy.
_FAR_US: Final = 1_000
_SLOW_US: Final = 20_000
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class Verdict:
    """`evidence` are the facts that it rests on, each a line."""

    code: str
    sentence: str
    evidence: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {"code": self.code, "sentence": self.sentence, "evidence": list(self.evidence)}


@dataclass(frozen=True)
class Evidence:
    """What a verdict is made of.

    `state`, `reason`, `queue_bytes` and `idle_s` are the connection's, `now` and `before` samples as
    core.watch.kernel.facts.decode gives them, `span` the seconds between them; `loop_busy` is 0..1, `loop_age` the
    seconds since its loop turned; `past`: it is a moment of the past, which the kernel can't be asked about.
    """

    state: str
    reason: str = ""
    queue_bytes: int = 0
    idle_s: float = 0.0
    now: Mapping[str, Value] | None = None
    before: Mapping[str, Value] | None = None
    span: float = 0.0
    loop_busy: float = 0.0
    loop_age: float = 0.0
    heard: bool = True
    """Whether anything was ever read from it."""
    past: bool = False
    faults: tuple[str, ...] = ()
    """The faults that decide, in words: kind, and by whose order."""
    low_water: int | None = None
    """Bytes of queue at which paused reading is taken up again."""

    def number(self, name: str) -> int:
        """A fact of the latest sample; 0 when it is not known."""
        return _number(self.now, name)

    def grown(self, name: str) -> int:
        """By how much it has grown since the earlier sample; 0 without one."""
        return self.number(name) - _number(self.before, name) if self.before is not None else 0

    def has(self, name: str) -> bool:
        """Whether the kernel tells this one."""
        return self.now is not None and self.now.get(name) is not None

    @property
    def in_kernel(self) -> int:
        """Bytes of reply that the kernel holds."""
        return self.number("unsent") + self.number("in_flight")

    @property
    def window_closed(self) -> bool:
        """Whether bytes wait for a window that is shut, or too small for the next segment."""
        unsent = self.number("unsent")
        return bool(unsent) and self.has("snd_wnd") and self.number("snd_wnd") < min(unsent, self.number("snd_mss"))

    @property
    def held_by_peer(self) -> float:
        """Share of the time between the samples in which the peer's window held us back."""
        return min(1.0, self.grown("rwnd_limited") / 1e6 / self.span) if self.span else 0.0


def judge(scene: Evidence) -> Verdict:
    """The verdict of the first rule that applies."""
    for rule in _RULES:
        verdict = rule(scene)
        if verdict is not None:
            return verdict
    if scene.now is None:
        tense = "waited" if scene.past else "waits"
        return Verdict("fine", f"Nothing {tense} in our queue. {_not_asked(scene)}")
    return Verdict("fine", "All is well: replies go out as they come.", _evidence(scene, "rtt", "snd_wnd"))


def _fault(scene: Evidence) -> Verdict | None:
    """Whatever else is seen follows from the fault."""
    if not scene.faults and scene.reason != "fault":
        return None
    faults = "; ".join(scene.faults) or "its order is not known any more"
    record = (f"State: {scene.state}", *((f"Queued: {size(scene.queue_bytes)}",) if scene.queue_bytes else ()))
    if scene.state != "closed":
        verb = "was" if scene.past else "is"
        return Verdict("fault", f"A fault {verb} on it: {faults}.", record)
    if scene.reason == "fault":
        return Verdict("fault", f"Closed by a fault: {faults}.", record)
    return Verdict("fault", f"A fault was on it when it closed: {faults}. {_reason(scene.reason)}.", record)


def _closed(scene: Evidence) -> Verdict | None:
    if scene.state != "closed":
        return None
    parts = [_reason(scene.reason), *_undelivered(scene)]
    if scene.number("in_flight"):
        parts.append(f"{size(scene.number('in_flight'))} were sent but not acknowledged")
    if scene.window_closed:
        parts.append("its window was closed")
    names = ("state", "unsent", "in_flight", "snd_wnd", "rtt", "total_retrans", "rwnd_limited")
    return Verdict("closed", "; ".join(parts) + ".", _evidence(scene, *names))


def _undelivered(scene: Evidence) -> list[str]:
    """What became of no segment, as a clause; what the kernel had taken counts as written in the record."""
    queued, unsent = scene.queue_bytes, scene.number("unsent")
    ours = f"{size(queued)} of replies never left our queue"
    if not unsent:
        return [ours] if queued else []
    if not queued:
        return [f"{size(unsent)} of replies that the kernel had were never sent"]
    return [f"{ours}, and {size(unsent)} of what the kernel had were never sent"]


def _loop_late(scene: Evidence) -> Verdict | None:
    if scene.loop_age > LATE_S:
        sentence = f"Our loop is late: it has not turned for {span(scene.loop_age)}."
        return Verdict("loop_late", sentence, _evidence(scene, "unread"))
    unread, waited = scene.number("unread"), scene.number("last_data_recv")
    if not unread or scene.state in ("paused", "closing") or _is_held(scene):
        return None
    facts = (*_evidence(scene, "unread", "last_data_recv"), f"Loop busy: {scene.loop_busy:.0%}")
    if waited >= _UNREAD_MS:
        sentence = f"Our loop is late: {size(unread)} have been waiting to be read for {span(waited / 1000)}."
    elif scene.loop_busy >= _BUSY and (
        waited >= _BUSY_UNREAD_MS or min(unread, _number(scene.before, "unread")) >= _MUCH_UNREAD
    ):
        sentence = f"Our loop is late: {size(unread)} wait to be read, and it is {scene.loop_busy:.0%} busy."
    else:
        return None
    return Verdict("loop_late", sentence, facts)


def _is_held(scene: Evidence) -> bool:
    """Whether the peer keeps us from reading on: a model without a poller reads nothing while a reply waits."""
    return scene.state == "blocked" and (_silence(scene) or _peer_not_reading(scene)) is not None


def _silence(scene: Evidence) -> Verdict | None:
    probes = scene.number("probes")
    if not scene.window_closed or probes < _UNANSWERED:
        return None
    heard = scene.number("last_ack_recv") / 1000
    sentence = (
        f"The network or the peer's machine is silent: nothing was heard of it for {span(heard)}. "
        f"Its window was closed then, and {probes} probes of it have had no answer; "
        f"{size(scene.in_kernel)} wait in the kernel."
    )
    return Verdict("network", sentence, _evidence(scene, "probes", "last_ack_recv", "snd_wnd", "unsent", "in_flight"))


def _peer_not_reading(scene: Evidence) -> Verdict | None:
    if scene.window_closed and not scene.number("retransmits"):
        since = scene.number("last_data_sent") / 1000
        how = (
            f"its window has been closed for {span(since)}"
            if not scene.number("snd_wnd")
            else "its window is too small"
        )
    elif scene.number("unsent") and scene.held_by_peer >= _HELD and not _losses(scene):
        how = f"its window held us back for {scene.held_by_peer:.0%} of the last {span(scene.span)}"
    else:
        return None
    sentence = f"The peer is not reading: {size(scene.in_kernel)} wait in the kernel, {how}."
    names = ("snd_wnd", "unsent", "in_flight", "rwnd_limited", "probes", "last_data_sent")
    return Verdict("peer_not_reading", sentence, _evidence(scene, *names))


def _losses(scene: Evidence) -> list[str]:
    """What says that segments are lost."""
    texts = {
        "retransmits": "{} timeouts in a row without an acknowledgement",
        "lost": "{} segments in flight are taken for lost",
    }
    found = [text.format(scene.number(name)) for name, text in texts.items() if scene.number(name)]
    if scene.grown("total_retrans") > 0:
        found.append(f"{scene.grown('total_retrans')} segments were sent again in the last {span(scene.span)}")
    return [text.replace("1 timeouts in a row", "1 timeout").replace("1 segments", "1 segment") for text in found]


def _network(scene: Evidence) -> Verdict | None:
    if not scene.number("in_flight"):
        return None
    losses = _losses(scene)
    names = ("in_flight", "unsent", "rtt", "snd_cwnd", "retransmits", "lost", "total_retrans", "last_ack_recv")
    if losses:
        sentence = f"The network loses segments: {losses[0]}, {size(scene.number('in_flight'))} in flight."
        return Verdict("network", sentence, _evidence(scene, *names))
    far = scene.number("min_rtt") >= _FAR_US or scene.number("rtt") >= _SLOW_US
    if far and scene.number("unsent") and _number(scene.before, "unsent"):
        unsent, flying, trip = scene.number("unsent"), scene.number("in_flight"), scene.number("rtt") / 1e6
        sentence = (
            f"The network is the limit: {size(unsent)} wait to be sent while {size(flying)} are in flight, "
            f"and a round trip takes {span(trip)}."
        )
        return Verdict("network", sentence, _evidence(scene, *names))
    return None


def _policy(scene: Evidence) -> Verdict | None:
    if scene.state != "paused" or scene.now is None:
        return None
    taken = scene.grown("bytes_acked")
    taking = f"the peer took {size(taken)} in the last {span(scene.span)}" if taken > 0 else "the peer's window is open"
    until = "less waits in it" if scene.low_water is None else f"at most {size(scene.low_water)} wait in it"
    queue = size(scene.queue_bytes)
    sentence = f"Our policy: {queue} wait in our queue, and reading is paused until {until}; {taking}."
    return Verdict("policy", sentence, _evidence(scene, "unsent", "in_flight", "snd_wnd", "unread"))


def _closing(scene: Evidence) -> Verdict | None:
    if scene.state != "closing":
        return None
    if scene.now is None:
        has, tense = ("had", "were") if scene.past else ("has", "are")
        left = f"{size(scene.queue_bytes)} in our queue {tense} still to be delivered"
        return Verdict("closing", f"The peer {has} ended its side; {left}. {_not_asked(scene)}")
    left = size(scene.queue_bytes + scene.in_kernel)
    sentence = f"The peer has ended its side; {left} of replies are still to be delivered."
    return Verdict("closing", sentence, _evidence(scene, "state", "unsent", "in_flight"))


def _delivering(scene: Evidence) -> Verdict | None:
    if not scene.queue_bytes and scene.state not in ("blocked", "paused"):
        return None
    if scene.now is None:
        return _unknown(scene)
    where = f"{size(scene.queue_bytes)} of replies wait in our queue and {size(scene.in_kernel)} in the kernel"
    sentence = f"{where}; the peer takes them."
    return Verdict("delivering", sentence, _evidence(scene, "unsent", "in_flight", "snd_wnd", "delivery_rate"))


def _unknown(scene: Evidence) -> Verdict:
    """What the record alone says of replies that wait."""
    wait, was, can = ("waited", "was", "could ") if scene.past else ("wait", "is", "can")
    paused = f", and reading {was} paused" if scene.state == "paused" else ""
    sentence = (
        f"{size(scene.queue_bytes)} of replies {wait} in our queue, since the send buffer had no room{paused}. "
        f"{_not_asked(scene)} So it {can}not be told whether the peer or the network held them up."
    )
    record = (
        f"State: {scene.state}",
        f"Queued: {size(scene.queue_bytes)}",
        f"Last read or write: {span(scene.idle_s)} before",
    )
    return Verdict("unknown", sentence, record)


def _not_asked(scene: Evidence) -> str:
    """Why the kernel's part is missing."""
    if scene.past:
        return "What the kernel held then is not recorded: it is asked only while someone looks."
    return "What the kernel holds is not known: it could not be asked."


def _idle(scene: Evidence) -> Verdict | None:
    if not scene.heard and scene.idle_s >= SILENT_S:
        sentence = f"Silent: it connected {span(scene.idle_s)} ago and has sent nothing yet."
        return Verdict("idle", sentence, _evidence(scene, "last_data_recv"))
    if scene.idle_s < IDLE_S:
        return None
    sentence = f"Idle: nothing was read or written for {span(scene.idle_s)}."
    return Verdict("idle", sentence, _evidence(scene, "last_data_recv", "last_data_sent"))


_RULES: Final[tuple[Callable[[Evidence], Verdict | None], ...]] = (
    _fault,
    _closed,
    _loop_late,
    _silence,
    _peer_not_reading,
    _network,
    _policy,
    _closing,
    _delivering,
    _idle,
)


def size(count: int) -> str:
    """Bytes as people read them, three digits."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    digits = 0 if not unit or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {_UNITS[unit]}"


def span(seconds: float) -> str:
    """A time as people read it."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _evidence(scene: Evidence, *names: str) -> tuple[str, ...]:
    """These facts, as far as they are known; a count of nothing is no evidence."""
    told = ((name, _told(name, value)) for name in names if (value := (scene.now or {}).get(name)) is not None)
    return tuple(f"{FACTS[name].label}: {text}" for name, text in told if text)


def _told(name: str, value: Value) -> str:
    unit = FACTS[name].unit
    if not isinstance(value, int):
        return str(value)
    if unit in ("bytes", "bytes/s"):
        return size(value) + unit.removeprefix("bytes")
    if not value:
        return ""
    if unit in ("us", "ms"):
        return span(value / (1e6 if unit == "us" else 1e3))
    return f"{value} {unit.removesuffix('s') if value == 1 else unit}".rstrip()


def _number(values: Mapping[str, Value] | None, name: str) -> int:
    value = values.get(name) if values is not None else None
    return value if isinstance(value, int) else 0


def _reason(reason: str) -> str:
    """The close reason as a clause that begins a sentence."""
    if reason.startswith("error:"):
        return f"A system call failed with {reason.removeprefix('error:')}"
    meaning = next((text for code, text in REASON_MEANING.items() if REASONS[code] == reason), "it is not known why")
    return meaning[0].upper() + meaning[1:]
