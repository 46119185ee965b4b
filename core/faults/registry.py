"""All kinds of faults, by name."""

from typing import Final

from core.faults.effect import FaultKind
from core.faults.kinds.bandwidth_fault import Bandwidth
from core.faults.kinds.corrupt_fault import Corrupt
from core.faults.kinds.half_close_fault import HalfClose
from core.faults.kinds.hold_fault import Hold
from core.faults.kinds.latency_fault import Latency
from core.faults.kinds.limit_data_fault import LimitData
from core.faults.kinds.refuse_fault import Refuse
from core.faults.kinds.reset_peer_fault import ResetPeer
from core.faults.kinds.slicer_fault import Slicer
from core.faults.kinds.stop_reading_fault import StopReading
from core.faults.kinds.timeout_fault import Timeout

FAULT_KINDS: Final[dict[str, type[FaultKind]]] = {
    kind.name: kind
    for kind in (
        Latency,
        Bandwidth,
        Slicer,
        StopReading,
        Hold,
        Corrupt,
        LimitData,
        Timeout,
        ResetPeer,
        HalfClose,
        Refuse,
    )
}
