"""What the kernel says of a connection, by name: bytes and numbers in, facts with their meaning out.

Sources: struct tcp_info and its comments in include/uapi/linux/tcp.h, tcp_get_info() in net/ipv4/tcp.c, and tcp(7) for
the pipe.
"""

import struct
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

Value = int | str | None


class Fact(NamedTuple):
    """One entry of the catalogue; `unit` is bytes, bytes/s, segments, us, ms, times, or empty."""

    label: str
    unit: str
    meaning: str


PIPE: Final = {
    "unread": Fact("Unread", "bytes", "in the receive buffer: arrived, not yet read by the server (SIOCINQ)"),
    "unsent": Fact("Unsent", "bytes", "in the send buffer, not yet sent for the first time (SIOCOUTQNSD)"),
    "in_flight": Fact("In flight", "bytes", "sent, not yet acknowledged by the peer (SIOCOUTQ - SIOCOUTQNSD)"),
    "send_memory": Fact("Send buffer takes", "bytes", "memory of the send buffer, overhead included (SO_MEMINFO)"),
    "send_limit": Fact("Send buffer", "bytes", "memory that the send buffer may take, overhead included (SO_SNDBUF)"),
    "receive_memory": Fact(
        "Receive buffer takes", "bytes", "memory of the receive buffer, overhead included (SO_MEMINFO)"
    ),
    "receive_limit": Fact(
        "Receive buffer", "bytes", "memory that the receive buffer may take, overhead included (SO_RCVBUF)"
    ),
    "error": Fact("Error waits", "", "1: an error that the next read or write will tell (POLLERR)"),
}
"""The pipe between the server's own queue and the peer. Of a closed connection, `unsent` and `in_flight` alone."""

# In the order of the structure, whose alignment is that of C.
_LAYOUT: Final[dict[str, tuple[str, Fact]]] = {
    "state": ("B", Fact("State", "", "state of the TCP connection")),
    "ca_state": ("B", Fact("Congestion state", "", "Open: all well; Recovery, Loss: segments were lost")),
    "retransmits": ("B", Fact("Timeouts in a row", "times", "retransmission timeouts since the last acknowledgement")),
    "probes": ("B", Fact("Probes", "times", "probes of a closed window or of a silent peer without an answer yet")),
    "backoff": ("B", Fact("Back-off", "times", "how often the timer was doubled")),
    "options": ("B", Fact("Options", "", "what both sides agreed on")),
    "wscale": ("B", Fact("Window scale", "", "shift of the peer's window and of ours")),
    "app_limited": ("B", Fact("Application limited", "", "1: the delivery rate was bounded by what there was to send")),
    "rto": ("I", Fact("Retransmission timeout", "us", "how long an acknowledgement is waited for")),
    "ato": ("I", Fact("Delayed-ack timeout", "us", "how long our own acknowledgement may wait for company")),
    "snd_mss": ("I", Fact("Segment size out", "bytes", "payload of a full segment that we send")),
    "rcv_mss": ("I", Fact("Segment size in", "bytes", "payload of a full segment that the peer sends, estimated")),
    "unacked": ("I", Fact("Unacknowledged", "segments", "segments in flight")),
    "sacked": ("I", Fact("Selectively acknowledged", "segments", "arrived beyond a gap")),
    "lost": ("I", Fact("Lost", "segments", "segments in flight that are taken for lost")),
    "retrans": ("I", Fact("Retransmitted now", "segments", "segments in flight that were sent again")),
    "fackets": ("I", Fact("Forward acknowledged", "segments", "no longer kept by current kernels: 0")),
    "last_data_sent": ("I", Fact("Last data sent", "ms", "time since data was last sent")),
    "last_ack_sent": ("I", Fact("Last ack sent", "ms", "not kept by the kernel: 0")),
    "last_data_recv": ("I", Fact("Last data received", "ms", "time since data last arrived")),
    "last_ack_recv": ("I", Fact("Last ack received", "ms", "time since the peer last acknowledged anything")),
    "pmtu": ("I", Fact("Path MTU", "bytes", "largest packet that the path takes")),
    "rcv_ssthresh": ("I", Fact("Window clamp in", "bytes", "limit of the window that we offer, for now")),
    "rtt": ("I", Fact("Round trip", "us", "smoothed round-trip time")),
    "rttvar": ("I", Fact("Round trip varies by", "us", "mean deviation of the round-trip time")),
    "snd_ssthresh": ("I", Fact("Slow-start threshold", "segments", "none until a loss was seen")),
    "snd_cwnd": ("I", Fact("Congestion window", "segments", "segments that may be in flight")),
    "advmss": ("I", Fact("Advertised segment size", "bytes", "payload of a segment that we said we take")),
    "reordering": ("I", Fact("Reordering", "segments", "segments out of order that are not yet taken for a loss")),
    "rcv_rtt": ("I", Fact("Round trip in", "us", "round-trip time as the receiving side estimates it")),
    "rcv_space": ("I", Fact("Receive space", "bytes", "what the application reads in a round trip, estimated")),
    "total_retrans": ("I", Fact("Retransmitted", "segments", "segments sent again since the connection began")),
    "pacing_rate": ("Q", Fact("Pacing rate", "bytes/s", "rate at which segments are let out")),
    "max_pacing_rate": ("Q", Fact("Pacing limit", "bytes/s", "most that pacing may let out; none: no limit")),
    "bytes_acked": ("Q", Fact("Acknowledged", "bytes", "bytes that the peer's kernel has acknowledged")),
    "bytes_received": ("Q", Fact("Received", "bytes", "bytes that our kernel has acknowledged")),
    "segs_out": ("I", Fact("Segments out", "segments", "segments sent, bare acknowledgements included")),
    "segs_in": ("I", Fact("Segments in", "segments", "segments received, bare acknowledgements included")),
    "notsent_bytes": ("I", Fact("Not sent", "bytes", "in the send buffer, not yet sent for the first time")),
    "min_rtt": ("I", Fact("Least round trip", "us", "least round-trip time of the last minutes")),
    "data_segs_in": ("I", Fact("Data segments in", "segments", "segments received that carried data")),
    "data_segs_out": ("I", Fact("Data segments out", "segments", "segments sent that carried data")),
    "delivery_rate": ("Q", Fact("Delivery rate", "bytes/s", "rate at which data lately reached the peer")),
    "busy_time": ("Q", Fact("Busy", "us", "time in which there was data to deliver")),
    "rwnd_limited": ("Q", Fact("Held by the peer", "us", "part of busy: the peer's window was full")),
    "sndbuf_limited": ("Q", Fact("Held by our buffer", "us", "part of busy: the send buffer was too small")),
    "delivered": ("I", Fact("Delivered", "segments", "data segments that reached the peer")),
    "delivered_ce": ("I", Fact("Delivered, marked", "segments", "of these, marked by a congested router (ECN)")),
    "bytes_sent": ("Q", Fact("Sent", "bytes", "bytes sent, those sent again included")),
    "bytes_retrans": ("Q", Fact("Sent again", "bytes", "bytes sent again")),
    "dsack_dups": ("I", Fact("Needlessly sent again", "segments", "segments that the peer reported to have twice")),
    "reord_seen": ("I", Fact("Reorderings", "times", "how often segments were seen to have overtaken others")),
    "rcv_ooopack": ("I", Fact("Out of order in", "segments", "segments that arrived out of order")),
    "snd_wnd": ("I", Fact("Peer's window", "bytes", "room that the peer offers; 0: it takes nothing more")),
    "rcv_wnd": ("I", Fact("Our window", "bytes", "room that we offer the peer")),
    "rehash": ("I", Fact("Rehashes", "times", "how often another path was tried after timeouts")),
    "total_rto": ("H", Fact("Timeouts", "times", "retransmission timeouts since the connection began")),
    "total_rto_recoveries": ("H", Fact("Timeouts recovered", "times", "runs of timeouts that came to an end")),
    "total_rto_time": ("I", Fact("Time in timeouts", "ms", "time spent in runs of timeouts")),
}

FACTS: Final = PIPE | {name: fact for name, (_, fact) in _LAYOUT.items()}
"""Every fact: label, unit, meaning."""

# include/net/tcp_states.h, enum tcp_ca_state and TCPI_OPT_* in include/uapi/linux/tcp.h.
TCP_STATES: Final = (
    *("", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"),
    *("CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV"),
)
_CA_STATES: Final = ("Open", "Disorder", "CWR", "Recovery", "Loss")
_OPTIONS: Final = ("timestamps", "sack", "wscale", "ecn", "ecn seen", "syn data", "us timestamps", "fast open")
# Values that stand for "none".
_NONE: Final = {
    "snd_ssthresh": 0x7FFFFFFF,
    "max_pacing_rate": 2**64 - 1,
    "pacing_rate": 2**64 - 1,
    "min_rtt": 2**32 - 1,
}


def _offsets() -> dict[str, tuple[int, struct.Struct]]:
    made, offset = {}, 0
    for name, (code, _) in _LAYOUT.items():
        field = struct.Struct("=" + code)
        offset += -offset % field.size
        made[name] = offset, field
        offset += field.size
    return made


_OFFSETS: Final = _offsets()


def decode_tcp_info(raw: bytes) -> dict[str, Value]:
    """The struct tcp_info by name, without the prefix; an older kernel's shorter answer gives fewer names."""
    values: dict[str, Value] = {
        name: field.unpack_from(raw, offset)[0]
        for name, (offset, field) in _OFFSETS.items()
        if offset + field.size <= len(raw)
    }
    for name, none in _NONE.items():
        if values.get(name) == none:
            values[name] = None
    return values | _texts(raw[:8])


def _texts(head: bytes) -> dict[str, Value]:
    """The first eight bytes: states, flags and bit fields."""
    if len(head) < 8:
        return {}
    return {
        "state": TCP_STATES[head[0]] if head[0] < len(TCP_STATES) else str(head[0]),
        "ca_state": _CA_STATES[head[1]] if head[1] < len(_CA_STATES) else str(head[1]),
        "options": " ".join(name for bit, name in enumerate(_OPTIONS) if head[5] >> bit & 1),
        "wscale": f"{head[6] & 15} {head[6] >> 4}",
        "app_limited": head[7] & 1,
    }


def decode(sample: Mapping[str, Any]) -> dict[str, Value]:
    """A sample of the engine (core/engine/server/sample.py) as values of FACTS.

    A last sample has tcp_info alone: what was in flight follows from its sums.
    """
    info = decode_tcp_info(sample["info"])
    if "unread" not in sample:
        return {"unsent": info.get("notsent_bytes"), "in_flight": _unacknowledged(info)} | info
    pipe: dict[str, Value] = {name: sample[name] for name in PIPE if name in sample}
    return pipe | {"in_flight": max(0, sample["outstanding"] - sample["unsent"])} | info


def _unacknowledged(info: Mapping[str, Any]) -> int | None:
    if info.get("bytes_sent") is None:
        return None
    return max(0, int(info["bytes_sent"] - info["bytes_retrans"] - info["bytes_acked"]))
