"""Connections under the magnifying glass: what the kernel says of them, and what follows from that."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from core.faults.registry import FAULT_KINDS
from core.ring.clock import wall_offset
from core.ring.events import REASONS
from core.watch.kernel.sampler import LastSamples, Sampler, Seen
from core.watch.kernel.suspicion import suspects
from core.watch.kernel.verdict import LATE_S, Evidence, judge
from core.watch.kernel.verdict_column import Judged, Sampled
from core.watch.moment import Moment, Source

Json = dict[str, Any]

_FRESH_S: Final = 5.0
_LOOKED_AT: Final = 32
_MOST: Final = 64


class KernelView:
    """Looks at a few connections at a time; `items` are those of a listing. May be used from any thread."""

    def __init__(self, source: Source, sampler: Sampler, last_samples: LastSamples) -> None:
        self.sampler = sampler
        self.find_order: Callable[[int], Json | None] = lambda number: None
        """What the record of orders has under a number."""
        self._source = source
        self._last_samples = last_samples

    def look(self, items: list[Json], moment: Moment) -> dict[int, Seen]:
        """What the kernel says of these; the connections of a loop that does not turn can't be asked about."""
        sampled: dict[int, Seen] = {}
        if moment.is_live:
            ages = self._source.beat_ages()
            asked = [item for item in items if item["state"] != "closed" and ages.get(item["worker"], 0.0) <= LATE_S]
            sampled = self.sampler.look({item["conn"]: item["worker"] for item in asked})
        for item in items:
            last = item["state"] == "closed" and self._last_samples.find(item["conn"], item["worker"])
            if last:
                sampled[item["conn"]] = last
        return sampled

    def verdict(self, item: Json, seen: Mapping[int, Seen], moment: Moment, low_water: int | None) -> Json:
        """Who holds it up."""
        sample = seen.get(item["conn"])
        scene = Evidence(
            item["state"],
            item["reason"],
            item["queue_bytes"],
            item["idle_s"],
            sample and sample.now,
            sample and sample.before,
            sample.span if sample else 0.0,
            moment.rates.loop_busy or 0.0,
            self._source.beat_ages().get(item["worker"], 0.0) if moment.is_live else 0.0,
            item["bytes_in"] > 0,
            not moment.is_live,
            self._faults(item["conn"], moment),
            low_water,
        )
        return judge(scene).as_dict()

    def judged(self, moment: Moment, low_water: int | None, *, look: bool) -> Judged:
        """The verdicts of all connections: by the record, and by the samples of the last seconds where there are some.

        `look`: those that wait the longest and those with the largest queues are asked about first.
        """
        if not moment.is_live:
            return Judged(moment.now)
        ages = self._source.beat_ages()
        listing = moment.listing()
        if look:
            self.look(listing.waiting(_LOOKED_AT), moment)
        known = self.sampler.known(_FRESH_S)
        sampled = {}
        for conn, seen in known.items():
            item = listing.find(conn)
            if item is not None and item["state"] != "closed":
                sampled[conn] = self._sampled(item, seen, moment, low_water)
        return Judged(moment.now, ages, sampled)

    def refine(self, items: list[Json], moment: Moment, low_water: int | None) -> None:
        """Ask the kernel about those of the items whose verdict the record alone can't tell, a few."""
        unknown = [item for item in items if item["verdict"] == "unknown"][:_MOST]
        seen = self.look(unknown, moment) if unknown else {}
        for item in unknown:
            if item["conn"] in seen:
                found = self._sampled(item, seen[item["conn"]], moment, low_water)
                item["verdict"], item["verdict_age_s"] = found

    def _sampled(self, item: Json, seen: Seen, moment: Moment, low_water: int | None) -> Sampled:
        code = self.verdict(item, {item["conn"]: seen}, moment, low_water)["code"]
        return Sampled(code, _age_s(seen, moment))

    def _faults(self, conn: int, moment: Moment) -> tuple[str, ...]:
        return tuple(self._fault(REASONS[one.code], one.number) for one in moment.listing().deciding_faults(conn))

    def _fault(self, kind: str, number: int) -> str:
        order = self.find_order(number)
        if order is None:
            return f"{kind} (order {number})"
        why = f": {order['why']}" if order["why"] else ""
        return f"{kind}, {FAULT_KINDS[kind].meaning} (order {number} by {order['who']}{why})"

    def close(self) -> None:
        """Give the files back."""
        self._last_samples.close()


def _age_s(seen: Seen, moment: Moment) -> float:
    return round(max(0, moment.now - wall_offset() - seen.at) / 1e9, 3)


def facts(seen: Seen | None, moment: Moment) -> Json | None:
    """A sample as the API shows it."""
    if seen is None:
        return None
    return {
        "age_s": _age_s(seen, moment),
        "facts": dict(seen.now),
        "suspects": suspects(seen.now),
    }
