"""Time travel: how long the state at a moment of a long log takes."""

import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.biglog import CONNECTIONS, batches
from bench.measure import Plan, Row
from core.filter.query import CONNECTION_FIELDS, parse
from core.log.format.rows import from_batch
from core.log.read.log import Log
from core.log.write.journal import Journal
from core.log.write.seal_thread import Sealer
from core.watch.now.table import Table
from core.watch.now.tally import Tally, gauges
from core.watch.then import checkpoint
from core.watch.then.checkpointer import events_between
from core.watch.then.past import Past
from core.watch.then.runs import Run, RunBook

ROWS: Final = {True: 20_000_000, False: 2_000_000}
"""Of a full run, and of a quick one; how long a log is makes no difference to a moment of it."""
MOST_MS: Final = 500
_MOMENTS: Final = 20
_LATE: Final = 50_000
"""Events that checkpoints are late: the keeper looks four times a second."""


def make(directory: Path, rows: int) -> None:
    """A log of 20,000 connections with its checkpoints, as a server would have left it."""
    journal, tally = Journal(directory), Tally(Table(0), 0)
    folder, sealer = directory / checkpoint.FOLDER, Sealer(journal)
    counted = size = 0
    folder.mkdir()
    for batch in batches(rows, CONNECTIONS):
        journal.append(batch)
        if journal.unsealed():
            sealer.seal_next()
        for part in tally.fold(from_batch(batch)):
            tally.horizon = int(part.records["time"][-1])
        if tally.taken - counted >= events_between(size) + _LATE:
            size = checkpoint.write(folder, checkpoint.snapshot([tally], 1)).stat().st_size
            counted = tally.taken
    journal.close()
    RunBook(directory).begin(Run(1, 1, 1, {}, {0: 0}, {}), None)


def measured(directory: Path) -> list[float]:
    """Milliseconds until the connections at each of some random moments are there, none of them seen before."""
    chosen, past = random.Random(1), Past(directory, Log(directory), lambda upto: upto)
    first, last = past.span()
    times = []
    for _ in range(_MOMENTS):
        at = chosen.randrange(first, last)
        past._pictures.clear()
        past._checkpoints.clear()
        began = time.monotonic()
        moment = past.moment(at)
        gauges(moment.tallies)
        moment.listing().page(parse("", CONNECTION_FIELDS), "-queue_bytes", 100, 0)
        times.append((time.monotonic() - began) * 1000)
    return times


def travel(plan: Plan) -> list[Row]:
    """Milliseconds to the state at a random moment of a log of 20,000 connections."""
    rows = ROWS[plan.repeats > 1]
    with tempfile.TemporaryDirectory(prefix="echoscope-") as folder:
        make(Path(folder), rows)
        times = measured(Path(folder))
    text = f"{max(times):.0f} ms; median {statistics.median(times):.0f} ms of {_MOMENTS} moments, {rows:,} events"
    what = "State at a random moment of a log, 20,000 connections: the slowest"
    return [Row(what, f"≤ {MOST_MS} ms", text, max(times) <= MOST_MS)]
