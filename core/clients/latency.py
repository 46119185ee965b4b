"""Reply times in bounded memory: a log-linear histogram, folded in bulk."""

from array import array
from typing import Final

import numpy as np
import numpy.typing as npt

SAMPLES: Final = 65536
"""How many samples are worth a fold."""

PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
_HALF: Final = 128  # buckets an octave: a percentile is at most 1/256 (0.4 %) off, the longest is exact
_BUCKETS: Final = 58 * _HALF


class Latencies:
    """A histogram of nanoseconds."""

    def __init__(self) -> None:
        self.total = 0
        self._counts = np.zeros(_BUCKETS, np.int64)
        self._longest = 0
        self._few = array("q")

    def add(self, nanoseconds: int) -> None:
        """Take one sample."""
        self._few.append(nanoseconds)
        if len(self._few) == SAMPLES:
            self._fold_few()

    def fold(self, samples: "array[int]", filled: int) -> None:
        """Take samples[:filled], an array of typecode q; it can be overwritten after this."""
        if filled:
            values = np.frombuffer(samples, np.int64, filled)
            self._longest = max(self._longest, int(values.max()))
            self._counts += np.bincount(_bucket(values), minlength=_BUCKETS)
            self.total += filled

    def summary(self) -> dict[str, float | None]:
        """Microseconds at each of PERCENTILES, and the longest; None where there was no sample."""
        self._fold_few()
        if not self.total:
            return dict.fromkeys([*PERCENTILES, "max"])
        reached = np.cumsum(self._counts)
        result: dict[str, float | None] = {}
        for name, share in PERCENTILES.items():
            middle = _middle(int(np.searchsorted(reached, share * self.total)))
            result[name] = round(min(middle, self._longest) / 1000, 1)
        return result | {"max": round(self._longest / 1000, 1)}

    def _fold_few(self) -> None:
        few, self._few = self._few, array("q")
        self.fold(few, len(few))


def _bucket(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Below 256 ns a bucket a value, then 128 buckets an octave."""
    shift = np.maximum(np.frexp(values.astype(np.float64))[1].astype(np.int64) - 8, 0)
    bucket: npt.NDArray[np.int64] = shift * _HALF + (values >> shift)
    return bucket


def _middle(bucket: int) -> float:
    shift = max(bucket // _HALF - 1, 0)
    return ((bucket - shift * _HALF) << shift) + ((1 << shift) - 1) / 2
