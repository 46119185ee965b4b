"""Who holds a connection up, as a word to filter by."""

from typing import Final

CODES: Final = {
    "fault": "a fault is on it, or was when it closed: the peer, the network and the loop have no part in what is seen",
    "peer_not_reading": "the peer does not read, or too slowly: its window is closed, or held us back most of the time",
    "network": "segments were lost or wait long for their acknowledgement, or probes of a closed window have no answer",
    "loop_late": "the event loop is not there in time for what has arrived",
    "policy": "reading is paused above high water while the peer takes what waits",
    "delivering": "replies wait, and the peer takes them",
    "closing": "the peer has ended its side, what is queued is being delivered",
    "closed": "the connection is gone: why, and what was left",
    "idle": "nothing to do for a while, or nothing sent yet",
    "fine": "replies go out as they come",
    "unknown": "replies wait, and what the kernel holds is not known: no one asked it then, or it could not be asked",
}
"""Every verdict: code and meaning."""
