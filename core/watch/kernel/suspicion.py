"""When a fact of the kernel should make one look twice: a line for people, and the rule that it stands for."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from core.watch.kernel.facts import Value

_LONG_MS: Final = 1_000
_UNREAD_MS: Final = 50
_SLOW_US: Final = 20_000
_BUSY_US: Final = 100_000
_LEAST_PMTU: Final = 1280  # what IPv6 asks of every link (RFC 8200, section 5)
_LEAST_MSS: Final = 536  # what every IPv4 host takes (RFC 9293, section 3.7.1)
_USUAL_REORDERING: Final = 3  # net.ipv4.tcp_reordering


class Facts:
    """Numbers of a sample by name; 0 for what this kernel does not tell, or does not limit."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values

    def __call__(self, name: str) -> int:
        """The number."""
        value = self._values.get(name)
        return value if isinstance(value, int) else 0

    def has(self, name: str) -> bool:
        """Whether this kernel tells it."""
        return self._values.get(name) is not None

    def text(self, name: str) -> str:
        """A fact that is told in words; empty for none."""
        value = self._values.get(name)
        return value if isinstance(value, str) else ""

    def is_zero(self, name: str) -> bool:
        """Whether it is told, and is nothing."""
        return self._values.get(name) == 0


class Suspicion(NamedTuple):
    """`when` completes the sentence "suspicious when …"."""

    when: str
    holds: Callable[[Facts], bool]


def _some(name: str) -> Callable[[Facts], bool]:
    return lambda facts: facts(name) > 0


def _window_shut(facts: Facts) -> bool:
    return facts.has("snd_wnd") and facts("unsent") > 0 and facts("snd_wnd") < min(facts("unsent"), facts("snd_mss"))


def _unanswered(facts: Facts) -> bool:
    return facts("in_flight") > 0 and facts("last_ack_recv") >= _LONG_MS


def _half_of_busy(name: str) -> Callable[[Facts], bool]:
    return lambda facts: facts("busy_time") >= _BUSY_US and 2 * facts(name) > facts("busy_time")


def _percent(part: str, whole: str) -> Callable[[Facts], bool]:
    return lambda facts: 100 * facts(part) > facts(whole) > 0


SUSPICIONS: Final = {
    "unread": Suspicion(
        "it stays: the loop is late, or reading is paused",
        lambda facts: facts("unread") > 0 and facts("last_data_recv") >= _UNREAD_MS,
    ),
    "unsent": Suspicion("it stays while the peer's window is closed or too small", _window_shut),
    "in_flight": Suspicion("nothing of it is acknowledged for a second", _unanswered),
    "send_memory": Suspicion(
        "it reaches the limit: the buffer is full",
        lambda facts: 0 < facts("send_limit") * 0.95 <= facts("send_memory"),
    ),
    "receive_memory": Suspicion(
        "it nears the limit: our window closes",
        lambda facts: 0 < facts("receive_limit") * 0.9 <= facts("receive_memory"),
    ),
    "error": Suspicion("there is one", _some("error")),
    "state": Suspicion("it is CLOSE: reset, or timed out", lambda facts: facts.text("state") == "CLOSE"),
    "ca_state": Suspicion(
        "it is CWR, Recovery or Loss", lambda facts: facts.text("ca_state") in ("CWR", "Recovery", "Loss")
    ),
    "retransmits": Suspicion("above 0: the peer has not answered in time", _some("retransmits")),
    "probes": Suspicion("above 0: probes of a closed window are not answered", _some("probes")),
    "backoff": Suspicion("above 0: a timer runs out again and again", _some("backoff")),
    "rto": Suspicion("a second or more", lambda facts: facts("rto") >= 1_000_000),
    "snd_mss": Suspicion(f"below {_LEAST_MSS}", lambda facts: 0 < facts("snd_mss") < _LEAST_MSS),
    "sacked": Suspicion("above 0: something before it is missing", _some("sacked")),
    "lost": Suspicion("above 0", _some("lost")),
    "retrans": Suspicion("above 0", _some("retrans")),
    "last_data_sent": Suspicion(
        "it grows while something is unsent",
        lambda facts: facts("unsent") > 0 and facts("last_data_sent") >= _LONG_MS,
    ),
    "last_ack_recv": Suspicion("it grows while something is in flight", _unanswered),
    "pmtu": Suspicion(
        f"below {_LEAST_PMTU}: large packets may vanish on the way", lambda facts: 0 < facts("pmtu") < _LEAST_PMTU
    ),
    "rtt": Suspicion(
        "ten times the least one: queues on the way, or a busy peer",
        lambda facts: facts("rtt") >= max(_SLOW_US, 10 * facts("min_rtt")) and facts("min_rtt") > 0,
    ),
    "rttvar": Suspicion("as large as the round trip itself", lambda facts: _SLOW_US <= facts("rtt") <= facts("rttvar")),
    "snd_cwnd": Suspicion(
        "1 or 2 while something is in flight: just after timeouts",
        lambda facts: facts("in_flight") > 0 and 0 < facts("snd_cwnd") <= 2,
    ),
    "reordering": Suspicion(
        # The kernel may have begun with what an earlier connection to that address had found (tcp_init_metrics()).
        f"above {_USUAL_REORDERING}, and segments were seen to overtake one another",
        lambda facts: facts("reordering") > _USUAL_REORDERING and facts("reord_seen") > 0,
    ),
    "total_retrans": Suspicion("more than one in a hundred", _percent("total_retrans", "data_segs_out")),
    "bytes_retrans": Suspicion("more than one in a hundred", _percent("bytes_retrans", "bytes_sent")),
    "notsent_bytes": Suspicion("it stays while the peer's window is closed or too small", _window_shut),
    "rwnd_limited": Suspicion("more than half of busy: the peer reads too slowly", _half_of_busy("rwnd_limited")),
    "sndbuf_limited": Suspicion("more than half of busy", _half_of_busy("sndbuf_limited")),
    "delivered_ce": Suspicion("above 0: a router on the way is congested", _some("delivered_ce")),
    "dsack_dups": Suspicion("above 0: timers run out too early", _some("dsack_dups")),
    "reord_seen": Suspicion("above 0: segments overtake one another", _some("reord_seen")),
    "rcv_ooopack": Suspicion("above 0: losses or overtaking on the way to us", _some("rcv_ooopack")),
    "snd_wnd": Suspicion(
        "0, or too small for what is unsent: the peer does not read",
        lambda facts: facts.is_zero("snd_wnd") or _window_shut(facts),
    ),
    "rcv_wnd": Suspicion("0: we do not read", lambda facts: facts.is_zero("rcv_wnd")),
    "rehash": Suspicion("above 0", _some("rehash")),
    "total_rto": Suspicion("above 0", _some("total_rto")),
    "total_rto_time": Suspicion("above 0", _some("total_rto_time")),
}
"""Facts that can look suspicious by themselves; the others only tell how things are."""


def suspects(values: Mapping[str, Value]) -> list[str]:
    """Names of the facts of a sample that look suspicious, in the order of the catalogue."""
    facts = Facts(values)
    return [name for name, suspicion in SUSPICIONS.items() if name in values and suspicion.holds(facts)]
