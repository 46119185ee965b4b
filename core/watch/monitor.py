"""The one face that the web sees: every question about the server, answered from the watch and the log."""

import logging
from collections.abc import Callable, Hashable, Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any, Final

from core.bad_value import BadValueError
from core.filter import catalogue
from core.filter.query import CONNECTION_FIELDS, parse, parse_time
from core.ring.events import Reason
from core.version import NAME, VERSION
from core.watch.engine import About, EchoServer
from core.watch.fault_book import FaultBook
from core.watch.groups import groups
from core.watch.kernel.kernel_view import KernelView, facts
from core.watch.kernel.sampler import LastSamples, Sampler
from core.watch.kernel.verdict_column import Judged
from core.watch.logbook import DownloadMaker, Logbook
from core.watch.loop.loops import Loops
from core.watch.measures import Measures
from core.watch.metering import TurnTimes, measures
from core.watch.moment import Moment, Source
from core.watch.now.map_cells import ShownOrder, cells
from core.watch.now.suggest import suggest
from core.watch.now.tally import Notes, gauges, totals
from core.watch.origins import Origins
from core.watch.then.past import Past
from core.watch.times import rfc3339

Json = dict[str, Any]

_log: Final = logging.getLogger("echoscope.monitor")
_ATTENTION: Final = 8
_HISTORY: Final = 200
_NO_CONN: Final = 1 << 63
"""No connection has such a number."""
_AHEAD_NS: Final = 2_000_000_000
"""A moment so little ahead is now: whoever asks reads another clock."""
_ENDED_KEPT: Final = 32
"""Answers about connections that are in no table any more: they do not change, and take 0.1 s to compute."""


class Monitor(Logbook):
    """Answers as plain dicts; every caller gets a copy. May be used from any thread.

    Filters that can't be understood raise QueryError, other bad values ValueError, each with one clear line.
    """

    def __init__(
        self,
        source: Source,
        past: Past,
        about: About,
        engine: EchoServer,
        exporter: DownloadMaker,
        note: Callable[[str], None],
    ) -> None:
        """`note` is told of the model that the server goes on with."""
        super().__init__(source, past, exporter)
        self.viewers = 0
        self.live_failure = ""
        self.is_replay = source.is_replay
        self.workers = about.workers
        self._about = about
        self._engine = engine
        self._note = note
        workers = [] if source.is_replay else list(range(1, about.workers + 1)) or [0]
        self._onlooker = KernelView(source, Sampler(engine.sample), LastSamples(past.directory))
        self._origins = Origins(past.directory)
        self.faults = FaultBook(source, engine)
        self._loops = Loops(past.directory, workers, engine.report)
        self._turn_times = TurnTimes(self._loops.turns, workers)
        self._orders = ShownOrder()
        # A live page of one asks again and again, in the thread that publishes.
        self._ended = lru_cache(_ENDED_KEPT)(self.connection)
        self._notes = Notes()

    @property
    def find_order(self) -> Callable[[int], Json | None]:
        """What the record of orders has under a number; to be set by who has the record."""
        return self._onlooker.find_order

    @find_order.setter
    def find_order(self, find: Callable[[int], Json | None]) -> None:
        self._onlooker.find_order = find

    def health(self) -> tuple[bool, str]:
        """Whether all is well, and if not why."""
        reason = self._engine.failure() or self._source.trouble() or self.live_failure
        return not reason, reason

    def status(self, at: int | None = None) -> Json:
        """The figures of now, or of a moment; contract of GET /api/v1/status."""
        return self._status(self._moment(at))

    def overview(self, at: int | None = None) -> Json:
        """The status with rates, the connections that need attention and the latest notable events."""
        moment = self._moment(at)
        answer = self._status(moment)
        answer |= {name: value and round(value, 4) for name, value in asdict(moment.rates).items()}
        stuck = moment.listing().waiting(_ATTENTION)
        self._origins.add_to(stuck)
        notes = self._notes.of([batch for tally in moment.tallies for batch in tally.notable])
        seen = self._onlooker.look(stuck, moment)
        low = self._low_water(moment)
        answer["attention"] = [item | {"verdict": self._onlooker.verdict(item, seen, moment, low)} for item in stuck]
        ok, reason = self.health() if moment.is_live else (None, "")
        trouble = reason or (self._damage() if at is None else "")
        return answer | {"notable": notes, "time": rfc3339(moment.now), "healthy": ok, "trouble": trouble}

    def measures(self) -> Measures:
        """What scrapers are told."""
        moment = self._source.moment()
        rates = asdict(moment.rates)
        return measures(self._status(moment), rates, moment, self._source.beat_ages(), self._turn_times.histogram())

    def sign(self) -> Hashable:
        """What changes with every event worth being told at once: who comes, goes, is refused, blocked or lost."""
        return self._source.sign()

    def on_news(self, tell: Callable[[], None]) -> None:
        """Call `tell` whenever something happened, from any thread; it must not take long."""
        self._source.on_news(tell)

    def connections(self, q: str, sort: str, limit: int, offset: int, at: int | None = None) -> Json:
        """A page of connections: filtered, then sorted, then cut."""
        query = parse(q, CONNECTION_FIELDS)
        moment = self._moment(at)
        judged = self._judged(moment, query.fields | {sort.removeprefix("-")})
        page = moment.listing(judged).page(query, sort, limit, offset)
        if moment.is_live:
            self._onlooker.refine(page["items"], moment, self._low_water(moment))
        self._origins.add_to(page["items"])
        return page | _dated(moment)

    def groups(self, by: str, q: str, sort: str, limit: int, at: int | None = None) -> Json:
        """Connections put together by what they have in common; contract of GET /api/v1/connections/groups."""
        query = parse(q, CONNECTION_FIELDS)
        moment = self._moment(at)
        asked = query.fields | {by}
        judged = self._judged(moment, asked)
        tables = [tally.table for tally in moment.tallies]
        found = groups(moment.listing(judged), query, by, sort, limit, lambda: self._origins.column(tables))
        age_s = judged.oldest_s() if "verdict" in asked else None
        return {"by": by, **found, "age_s": age_s, **_dated(moment)}

    def map(self, sort: str, at: int | None = None) -> Json:
        """All open connections, a byte each."""
        moment = self._moment(at)
        orders = self._orders if moment.is_live else ShownOrder()
        return cells([tally.table for tally in moment.tallies], sort, moment.now, orders) | _dated(moment)

    def connection(self, conn: int, at: int | None = None) -> Json | None:
        """All that is known of one connection; None when it never was, or was too long ago."""
        moment = self._moment(at)
        item = moment.listing().find(conn)
        if item is None:
            return self._former(conn, at)
        self._origins.add_to([item])
        history, count = moment.history(conn, _HISTORY)
        seen = self._onlooker.look([item], moment)
        return item | {
            "history": history,
            "events_in_memory": count,
            "marks": self._told(moment).get("marks"),
            "kernel": facts(seen.get(conn), moment),
            "verdict": self._onlooker.verdict(item, seen, moment, self._low_water(moment)),
            **_dated(moment),
        }

    def knows(self, conn: int, at: int | None = None) -> bool:
        """Whether `connection` would have an answer."""
        return self._is_listed(conn, at) or self._last_moment(conn, at) is not None

    def unknown(self, conn: int, at: int) -> Json:
        """What is said of a connection that is not known at a moment: it may be later on."""
        return {"conn": conn, "state": None, "at": rfc3339(at)}

    def series(self, range_s: int, at: int | None = None) -> Json:
        """The charts' history of the last `range_s` seconds."""
        moment = self._moment(at)
        return moment.series(range_s) | _dated(moment)

    def fields(self, of: str) -> Json:
        """What a filter over `of` (connections, events) may name."""
        return {"of": of, "fields": catalogue.fields(of)}

    def suggest(self, of: str, field: str, text: str, at: int | None = None) -> Json:
        """Values of a field that are really there and begin like `text`, a few."""
        moment = self._moment(at)
        tables = [tally.table for tally in moment.tallies]
        return {"values": suggest(tables, moment.now, of, field, text)} | _dated(moment)

    def moment(self, text: str) -> int:
        """The moment (ns) that an `at` names, which is one that the log holds. ValueError says why not."""
        latest = self._source.latest()
        at = parse_time(text, latest)
        if latest < at <= latest + _AHEAD_NS:
            at = latest
        first, _ = self._past.span()
        if at > latest:
            end = f"after the log's end, {rfc3339(latest)}" if self.is_replay else "in the future"
            raise BadValueError(f"{rfc3339(at)} is {end}")
        if at < first:
            raise BadValueError(f"{rfc3339(at)} is before the log's beginning, {rfc3339(first)}")
        return at

    def span(self) -> Json:
        """The first and the last moment that can be asked for; one and the same before the loops have begun."""
        latest = self._source.latest()
        try:
            first, _ = self._past.span()
        except BadValueError:
            first = latest
        return {"since": rfc3339(first), "until": rfc3339(latest), "live": not self.is_replay}

    def latest(self) -> int:
        """The last moment that can be asked for (ns)."""
        return self._source.latest()

    def loop(self) -> Json:
        """What the loops do, turn by turn, and what the kernel has registered for them."""
        return {
            "time": rfc3339(self._source.latest()),
            "model": self._engine.model(),
            "models": list(self._about.models),
            "workers": self._loops.answer(self._source.beat_ages()),
        }

    def close(self) -> None:
        """Give the files back."""
        self._turn_times.close()
        self._loops.close()
        self._onlooker.close()
        self._origins.close()

    def close_connection(self, conn: int, how: str = "fin") -> bool:
        """Ask for a connection to be closed, `fin` or `rst`; whether there is such an open one."""
        item = self._source.moment().listing().find(conn)
        if item is None or item["state"] == "closed":
            return False
        self._engine.close_connection(conn, item["worker"], how)
        return True

    def note_order(self, what: str, number: int, conn: int) -> None:
        """Have an order recorded as a row: of the connection that it is about if that is open, else of the server."""
        code = Reason.__members__.get(f"ORDER_{what.upper()}")
        if code is None:
            return
        item = self._source.moment().listing().find(conn) if 0 < conn < _NO_CONN else None
        is_open = item is not None and item["state"] != "closed"
        self._engine.note_order(int(code), number, conn if is_open else 0, item["worker"] if item else 0)

    def matching(self, q: str) -> list[tuple[int, int]]:
        """Connection and worker of all open connections that match a filter."""
        return self._source.moment().listing().open_matching(parse(q, CONNECTION_FIELDS))

    def close_matching(self, q: str, how: str) -> tuple[int, int]:
        """Ask for all open connections that match to be closed; how many match, and how many are being closed."""
        found = self.matching(q)
        for conn, worker in found:
            self._engine.close_connection(conn, worker, how)
        return len(found), len(found)

    def _former(self, conn: int, at: int | None) -> Json | None:
        """A connection that was in no table any more at a moment (None: now), as of its last row."""
        last = self._last_moment(conn, at)
        found = None if last is None else self._ended(conn, last)
        return found and dict(found)

    def _last_moment(self, conn: int, at: int | None) -> int | None:
        """When (ns) such a connection was last heard of."""
        if at is not None and self._is_listed(conn):
            return None  # it came later
        last = self._last_heard(conn)
        is_held = last is not None and self._past.span()[0] <= last and (at is None or last < at)
        return last if is_held else None

    def _is_listed(self, conn: int, at: int | None = None) -> bool:
        return self._moment(at).listing().has(conn)

    def switch_model(self, model: str) -> str:
        """Go on with another model, every connection kept. Why that can't be; empty: it is done."""
        if model not in self._about.models:
            raise BadValueError(f'unknown model "{model:.60}"; known: {", ".join(self._about.models)}')
        refusal = self._engine.switch(model)
        if not refusal:
            try:
                self._note(model)
            except OSError as error:  # a full disk, which the recorder tells of; the server goes on with the model
                _log.warning("that the model is now %s could not be noted: %s", model, error)
        return refusal

    def _told(self, moment: Moment) -> Mapping[str, Any]:
        """What the server was told when it was started."""
        return self._about.as_dict(self._engine.model()) if moment.is_live else moment.about

    def _judged(self, moment: Moment, asked: frozenset[str]) -> Judged:
        """The verdicts; where they are asked for, the kernel is asked about those that wait."""
        return self._onlooker.judged(moment, self._low_water(moment), look="verdict" in asked)

    def _low_water(self, moment: Moment) -> int | None:
        marks = self._told(moment).get("marks")
        return marks and marks["low"]

    def _accept_queue(self) -> Json:
        queue = self._engine.accept_queue()
        return {} if queue is None else {"accept_queue": {"length": queue[0], "limit": queue[1]}}

    def _moment(self, at: int | None) -> Moment:
        return self._source.moment() if at is None else self._past.moment(at)

    def _status(self, moment: Moment) -> Json:
        gauged, summed = gauges(moment.tallies), totals(moment.tallies)
        return {
            "name": NAME,
            "version": VERSION,
            "replay": self.is_replay,
            "uptime_s": round(moment.uptime_s, 3),
            **self._told(moment),
            "connections": {
                "open": gauged["open"],
                "blocked": gauged["blocked"],
                "accepted": summed.accepted,
                "closed": summed.closed,
                "refused": summed.refused,
            },
            "bytes_in": summed.bytes_in,
            "bytes_out": summed.bytes_out,
            "echoes": summed.echoes,
            "queue": {name: gauged[name] for name in ("bytes", "chunks", "max_bytes")},
            "recorder": {
                "events": summed.events,
                "lost": summed.lost,
                "lag_ms": moment.lag_ms,
                "log_bytes": moment.log_bytes,
                "dropped": self._dropped(),
                "damaged": self._damage(),
                "skipped": self._source.skipped() if moment.is_live else None,
            },
            "viewers": self.viewers if moment.is_live or self.is_replay else None,
            **(self._accept_queue() if moment.is_live else {}),
            **_dated(moment),
        }

    def _damage(self) -> str:
        """What can't be read of the log, one line."""
        return self._source.damage() or next(iter(self._log.index.damaged.values()), "")

    def _dropped(self) -> Json:
        dropped = self._source.dropped()
        return {
            "segments": dropped.segments,
            "events": dropped.rows,
            "bytes": dropped.bytes,
            "until": None if dropped.until is None else rfc3339(dropped.until),
        }


def _dated(moment: Moment) -> Json:
    """What says that an answer is of a moment of the past."""
    return {} if moment.is_live else {"at": rfc3339(moment.now)}
