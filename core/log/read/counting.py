"""How many rows there are: exactly by time and kind, or guessed from a sample. Most of it from the index alone."""

import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.bad_value import BadValueError
from core.filter.query import Query
from core.log.read.index import Index
from core.log.read.scan import Position, Scan, Selection, UnitScan
from core.ring.events import KINDS

Numbers = npt.NDArray[Any]

MOST_BINS: Final = 500
_SAMPLE_S: Final = 0.3
_SAMPLES: Final = 64


@dataclass(frozen=True, slots=True)
class Histogram:
    """Rows by kind: bin i counts those with since + i * step <= time < since + (i + 1) * step (ns) and < until.

    `scanned` of `of` rows of the range were looked at; the counts are of what this call has looked at, and `next`
    (None: that was all) is the cursor of the call whose counts are to be added.
    """

    since: int
    until: int
    step: int
    kinds: dict[str, list[int]]
    total: int
    scanned: int
    of: int
    next: str | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """Rows that match, whether that is exact, and all rows of the range (a unit at its edges counted whole)."""

    rows: int
    exact: bool
    total: int


def histogram(
    index: Index, query: Query, since: int, until: int, bins: int, cursor: str | None, budget: float
) -> Histogram:
    """See Log.histogram."""
    if not 1 <= bins <= MOST_BINS:
        raise BadValueError(f"bad number of bins {bins}: 1 to {MOST_BINS}")
    end = time.monotonic() + budget
    step_ns = max(1, -(-max(0, until - since) // bins))
    counts = np.zeros((bins, len(KINDS)), np.int64)
    scan = Scan(index, Selection(query, since, until), after=Position.parse(cursor) if cursor else None, is_page=True)
    scanned, following = scan.total, None
    for step in scan:
        _count(counts, step, query, since, step_ns)
        if not step.is_last and time.monotonic() > end:
            scanned, following = step.scanned, str(step.position())
            break
    columns = {kind: counts[:, code].tolist() for code, kind in enumerate(KINDS) if counts[:, code].any()}
    return Histogram(since, until, step_ns, columns, int(counts.sum()), scanned, scan.total, following)


def _count(counts: Numbers, step: UnitScan, query: Query, since: int, step_ns: int) -> None:
    """Adds the rows of a unit that match."""
    summary = step.unit.summary
    first, last = ((at - since) // step_ns for at in (summary.first, summary.last))
    if not query.terms and step.is_whole and first == last:
        counts[first] += summary.kinds
        return
    rows, batch = step.matches(("time", "kind"))
    if len(rows):
        # Unsigned: from the first moment that may be asked for, such a difference needs all 64 bits.
        offsets = batch.column("time").view(pa.uint64()).to_numpy() - np.uint64(since % 2**64)
        places = (offsets[rows] // np.uint64(step_ns)).astype(np.int64)
        flat = places * len(KINDS) + batch.column("kind").indices.to_numpy()[rows]
        counts += np.bincount(flat, minlength=counts.size).reshape(counts.shape)


def estimate(index: Index, selection: Selection) -> Estimate:
    """See Log.estimate: the index counts where it can, the rest is judged by units spread over the range."""
    scan = Scan(index, selection)
    counted, open_steps = 0, []
    for step in scan:
        if not step.can_match:
            continue
        if selection.by_kind and step.is_whole:
            counted += sum(n for n, wanted in zip(step.unit.summary.kinds, selection.kinds, strict=True) if wanted)
        else:
            open_steps.append(step.scanned)
    if not open_steps:
        return Estimate(counted, True, scan.total)
    sample = {open_steps[i] for i in np.linspace(0, len(open_steps) - 1, _SAMPLES).astype(int)}
    return _judged(index, selection, counted, sample)


def _judged(index: Index, selection: Selection, counted: int, sample: set[int]) -> Estimate:
    end = time.monotonic() + _SAMPLE_S
    scan = Scan(index, selection)
    found = looked_at = candidates = 0
    exact = True
    for step in scan:
        if not step.can_match or (selection.by_kind and step.is_whole):
            continue
        candidates += step.unit.summary.rows
        if step.scanned in sample and time.monotonic() < end:
            found += len(step.matches(("seq",))[0])
            looked_at += step.unit.summary.rows
        else:
            exact = False
    rest = round(found * candidates / looked_at) if looked_at else candidates
    return Estimate(counted + rest, exact, scan.total)
