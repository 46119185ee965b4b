"""From the rings to the log: writes what the loops have published, and gives it back."""

import time
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from core.log.format.rows import to_batch
from core.log.write.journal import Journal
from core.log.write.peer_table import PeerTable
from core.log.write.recorder_status import RecorderStatus
from core.ring.ring import RingReader

ROWS_A_WRITE: Final = 16_384
"""A batch has a fixed cost, on disk, to write and to read; the ring keeps what is not written yet."""
LONGEST_UNWRITTEN: Final = 0.5
"""Seconds that an event waits in the ring for others at most."""
MOST_ROWS: Final = 65_536
"""Of one batch."""


@dataclass
class _Source:
    """A ring, and what is known of its worker; `written` is the number of its last record that the log has."""

    worker: int
    ring: RingReader
    peers: PeerTable
    written: int


class LogWriter:
    """The one reader of rings that gives records back. While the log can't be written they fill; nothing waits."""

    def __init__(self, journal: Journal, sync_s: float = 0.0, status: RecorderStatus | None = None) -> None:
        """`sync_s`: records are given back when the disk has been asked to keep them, see `sync`; 0: when written.

        `status` is told before and after each batch.
        """
        self.journal = journal
        self.error = ""
        """Why the log can't be written; empty: it can."""
        self.sync_error = ""
        """Why the disk does not keep it, the last time it was asked; empty: it does."""
        self._sync_s = sync_s
        self._status = status
        self._sources: dict[int, _Source] = {}

    def attach(self, worker: int, ring: RingReader, after: int | None = None) -> None:
        """Write that ring from a number on, or from where the log ends."""
        after = self.journal.last_seq.get(worker, 0) if after is None else after
        if ring.tail > after and ring.block(after, ring.tail) is None:
            self.journal.damage.append(f"worker {worker}: events {after + 1} to {ring.tail} are missing")
            after = ring.tail
        ring.wall_offset = ring.offset_after(after)
        ring.mark_written(after)
        peers = PeerTable(self.journal.open_conns.get(worker, {}))
        self._sources[worker] = _Source(worker, ring, peers, after)

    def detach(self, worker: int) -> None:
        """Read this one no more."""
        self._sources.pop(worker).ring.close()

    def write(self, *, everything: bool = False) -> None:
        """Write what is worth a batch, or all that has been published; what can't be written is tried again later."""
        try:
            for source in self._sources.values():
                self._write_from(source, everything)
            self.error = ""
        except OSError as error:
            self.error = f"the log can't be written: {error.strerror or error}"

    def fill(self) -> float:
        """The share of the fullest ring that is not given back."""
        return max(((one.ring.head - one.ring.tail) / one.ring.capacity for one in self._sources.values()), default=0.0)

    def sync(self) -> None:
        """Have the disk keep what the log has, then give it back; from another thread than that which writes."""
        written = [(source.ring, source.written) for source in list(self._sources.values())]
        try:
            self.journal.sync()
            self.sync_error = ""
        except OSError as error:
            self.sync_error = f"the log can't be synced: {error.strerror or error}"
            return
        for ring, upto in written:
            ring.release(upto)

    def close(self) -> None:
        """End the log and give the rings back. Raises OSError: without its end mark a segment is as good."""
        try:
            self.journal.close()
        finally:
            for worker in list(self._sources):
                self.detach(worker)

    def _write_from(self, source: _Source, everything: bool) -> None:
        head = source.ring.head
        if not everything and head - source.written < ROWS_A_WRITE:
            age = time.monotonic_ns() - source.ring.time_of(source.written + 1) if head > source.written else 0
            if age < LONGEST_UNWRITTEN * 1e9:
                return
        while source.written < head:
            self._append(source, min(head, source.written + MOST_ROWS))

    def _append(self, source: _Source, upto: int) -> None:
        """Write the records up to that number, or to the one that says that the clock moved, which begins a segment."""
        ring, offset = source.ring, source.ring.wall_offset
        block = ring.block(source.written, upto)
        assert block is not None, "records that were not given back are there"
        steps = block.steps().tolist()
        if steps and steps[0] == 0:
            self.journal.begin_segment()
            steps = steps[1:]
        block = block[: steps[0]] if steps else block
        records, following = block.records(offset)
        places, peers = source.peers.places(records)
        self._write(to_batch(records, source.worker, places, peers))
        source.peers.forget(records)
        ring.wall_offset, source.written = following, block.last
        ring.mark_written(source.written)
        if not self._sync_s:
            ring.release(source.written)

    def _write(self, batch: pa.RecordBatch) -> None:
        if self._status is None:
            return self.journal.append(batch)
        self._status.begin_write()
        try:
            self.journal.append(batch)
        finally:
            self._status.beat()
            self._status.log_bytes = self.journal.log_bytes
        return None
