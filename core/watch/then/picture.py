"""The state of all workers at a moment, folded from the log onto a checkpoint, or onto nothing."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.bad_value import BadValueError
from core.log.format.rows import from_batch
from core.ring.records import Records
from core.watch.now.table import Table
from core.watch.now.tally import Tally
from core.watch.then.runs import Run

Numbers = npt.NDArray[Any]

_SLICE: Final = 65_536
"""Rows folded at once: longer calls would hold the interpreter, and with it the echo loop of a thread."""


class GapError(BadValueError):
    """The log lacks events that the moment needs; one clear line."""


class Picture:
    """The tallies of a run's workers; no event up to `since` (ns) is missing in them.

    `begins_anywhere`: the log does not begin with the run, what was before its first events is unknown.
    """

    def __init__(self, run: Run, since: int, tallies: Iterable[Tally] = (), *, begins_anywhere: bool = False) -> None:
        self.run = run
        self.since = since
        self._tallies = {tally.table.worker: tally for tally in tallies}
        self._from_nothing = not self._tallies
        self._begins_anywhere = begins_anywhere

    @property
    def tallies(self) -> list[Tally]:
        """By worker: one at the least for each that the run has, also before its first event."""
        workers = sorted({*self.run.marks, *self._tallies} or {0})
        return [self._tallies.get(worker) or Tally(Table(worker), 0) for worker in workers]

    def copy(self) -> "Picture":
        """The picture as it is now, with memory of its own."""
        made = Picture(self.run, self.since, (tally.copy() for tally in self._tallies.values()))
        made._from_nothing, made._begins_anywhere = self._from_nothing, self._begins_anywhere
        return made

    def take(self, batch: pa.RecordBatch) -> None:
        """Fold rows of the log; those that are in it already are passed over. Raises GapError."""
        for start in range(0, batch.num_rows, _SLICE):
            part = batch.slice(start, _SLICE)
            # Where the beginning is not known, connections turn up that were opened before it.
            records = from_batch(part, every_peer=self._from_nothing)
            workers = records["worker"]
            if (workers == workers[0]).all():
                self._take(int(workers[0]), records)
            else:
                for worker in np.unique(workers).tolist():
                    self._take(worker, records[np.flatnonzero(workers == worker)])

    def _take(self, worker: int, records: Records) -> None:
        seq = records["seq"]
        if (seq[1:] < seq[:-1]).any():  # sorted by time, which a clock that was set back between two runs has mixed
            records = records[np.argsort(seq, kind="stable")]
            seq = records["seq"]
        tally = self._tallies.get(worker) or self._first(worker, int(seq[0]))
        new = int(np.searchsorted(seq, tally.taken, "right"))
        if new == len(seq) or not self._is_of_run(worker):
            return
        mark = self.run.marks.get(worker, 0)
        # What was lost before the run began, the run says in a row of its own.
        if seq[new] != tally.taken + 1 and tally.taken >= mark:
            raise GapError(f"the log lacks events {tally.taken + 1} to {seq[new] - 1} of worker {worker}")
        self._tallies[worker] = tally
        begin = int(np.searchsorted(seq, mark, "right")) if tally.taken < mark else new
        self._fold(tally, records[new:begin])
        if tally.taken == mark:
            tally.begin()
        self._fold(tally, records[begin:])

    def _first(self, worker: int, seq: int) -> Tally:
        return Tally(Table(worker), seq - 1 if self._begins_anywhere else self.run.recovered.get(worker, 0))

    def _is_of_run(self, worker: int) -> bool:
        """What was left of a worker that this run has not is in the log, but not in the run's figures."""
        return not self.run.marks or worker in self.run.marks

    def _fold(self, tally: Tally, records: Records) -> None:
        if self._from_nothing and len(records):
            tally.table.restore(_strangers(tally.table, records))
        for _ in tally.fold(records):
            pass


def _strangers(table: Table, records: Records) -> dict[int, str]:
    """Connections that the table does not know, and their peers; those that are opened here have one of their own."""
    conns, first = np.unique(records["conn"], return_index=True)
    new = ~np.isin(conns, table["conn"])
    return dict(zip(conns[new].tolist(), records["peer"][first[new]].tolist(), strict=True))
