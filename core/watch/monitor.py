"""The one face that the web sees: every question about the server, answered from the pump and the log."""

from collections.abc import Callable, Hashable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Any, Final

from core.record import catalogue
from core.record.query import CONNECTION_FIELDS, EVENT_FIELDS, parse, parse_time
from core.version import NAME, VERSION
from core.watch.cells import Orders, cells
from core.watch.clock import rfc3339
from core.watch.engine import About, Engine
from core.watch.logbook import Exporter, Logbook
from core.watch.loops import Loops
from core.watch.moment import Moment, Source
from core.watch.onlooker import Onlooker, facts
from core.watch.past import Past
from core.watch.recent import newest
from core.watch.sampler import LastSamples, Sampler
from core.watch.suggest import suggest
from core.watch.tally import Notes, gauges, totals

Json = dict[str, Any]

_ATTENTION: Final = 8
_HISTORY: Final = 200


class Monitor(Logbook):
    """Answers as plain dicts; every caller gets a copy. May be used from any thread.

    Filters that can't be understood raise QueryError, other bad values ValueError, each with one clear line.
    """

    def __init__(
        self,
        source: Source,
        past: Past,
        about: About,
        engine: Engine,
        exporter: Exporter,
        note: Callable[[str], None],
    ) -> None:
        """`note` is told of the model that the server goes on with."""
        super().__init__(source, past, exporter)
        self.viewers = 0
        self.is_replay = source.is_replay
        self._about = about
        self._engine = engine
        self._note = note
        workers = [] if source.is_replay else list(range(1, about.workers + 1)) or [0]
        self._onlooker = Onlooker(source, Sampler(engine.sample), LastSamples(past.directory))
        self._loops = Loops(past.directory, workers, engine.report)
        self._orders = Orders()
        self._notes = Notes()

    def health(self) -> tuple[bool, str]:
        """Whether all is well, and if not why."""
        reason = self._engine.failure() or self._source.trouble()
        return not reason, reason

    def status(self, at: int | None = None) -> Json:
        """The figures of now, or of a moment; contract of GET /api/v1/status."""
        with self._moment(at) as moment:
            return self._status(moment)

    def overview(self, at: int | None = None) -> Json:
        """The status with rates, the connections that need attention and the latest notable events."""
        with self._moment(at) as moment:
            answer = self._status(moment)
            answer |= {name: value and round(value, 4) for name, value in asdict(moment.rates).items()}
            stuck = moment.listing().waiting(_ATTENTION)
            notes = self._notes.of([batch for tally in moment.tallies for batch in tally.notable])
        seen = self._onlooker.look(stuck, moment)
        answer["attention"] = [item | {"verdict": self._onlooker.verdict(item, seen, moment)} for item in stuck]
        ok, reason = self.health() if moment.is_live else (None, "")
        trouble = reason or (self._damage() if at is None else "")
        return answer | {"notable": notes, "time": rfc3339(moment.now), "healthy": ok, "trouble": trouble}

    def sign(self) -> Hashable:
        """What changes with every event worth being told at once: who comes, goes, is refused, blocked or lost."""
        return self._source.sign()

    def on_news(self, tell: Callable[[], None]) -> None:
        """Call `tell` whenever something happened, from any thread; it must not take long."""
        self._source.on_news(tell)

    def connections(self, q: str, sort: str, limit: int, offset: int, at: int | None = None) -> Json:
        """A page of connections: filtered, then sorted, then cut."""
        query = parse(q, CONNECTION_FIELDS)
        with self._moment(at) as moment:
            return moment.listing().page(query, sort, limit, offset) | _dated(moment)

    def map(self, sort: str, at: int | None = None) -> Json:
        """All open connections, a byte each."""
        with self._moment(at) as moment:
            orders = self._orders if moment.is_live else Orders()
            return cells([tally.table for tally in moment.tallies], sort, moment.now, orders) | _dated(moment)

    def connection(self, conn: int, at: int | None = None) -> Json | None:
        """All that is known of one connection; None when it never was, or was too long ago."""
        with self._moment(at) as moment:
            item = moment.listing().find(conn)
            batches, marks = moment.recent(), self._told(moment).get("marks")
        if item is None:
            return self._former(conn, at)
        history = newest(batches, parse(f"conn:{conn}", EVENT_FIELDS), _HISTORY)
        seen = self._onlooker.look([item], moment)
        return item | {
            "history": history,
            "events_in_memory": sum(batch.num_rows for batch in batches),
            "marks": marks,
            "kernel": facts(seen.get(conn), moment),
            "verdict": self._onlooker.verdict(item, seen, moment),
            **_dated(moment),
        }

    def unknown(self, conn: int, at: int) -> Json:
        """What is said of a connection that is not known at a moment: it may be later on."""
        return {"conn": conn, "state": None, "at": rfc3339(at)}

    def series(self, range_s: int, at: int | None = None) -> Json:
        """The charts' history of the last `range_s` seconds."""
        with self._moment(at) as moment:
            return moment.series(range_s).columns(range_s, moment.now // 1_000_000_000) | _dated(moment)

    def fields(self, of: str) -> Json:
        """What a filter over `of` (connections, events) may name."""
        return {"of": of, "fields": catalogue.fields(of)}

    def suggest(self, of: str, field: str, text: str, at: int | None = None) -> Json:
        """Values of a field that are really there and begin like `text`, a few."""
        with self._moment(at) as moment:
            tables = [tally.table for tally in moment.tallies]
            return {"values": suggest(tables, moment.now, of, field, text)} | _dated(moment)

    def moment(self, text: str) -> int:
        """The moment (ns) that an `at` names, which is one that the log holds. ValueError says why not."""
        latest = self._source.latest()
        at = parse_time(text, latest)
        first, _ = self._past.span()
        if at > latest:
            end = f"after the log's end, {rfc3339(latest)}" if self.is_replay else "in the future"
            raise ValueError(f"{rfc3339(at)} is {end}")
        if at < first:
            raise ValueError(f"{rfc3339(at)} is before the log's beginning, {rfc3339(first)}")
        return at

    def span(self) -> Json:
        """The first and the last moment that can be asked for; one and the same before the loops have begun."""
        latest = self._source.latest()
        try:
            first, _ = self._past.span()
        except ValueError:
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
        self._loops.close()
        self._onlooker.close()

    def close_connection(self, conn: int) -> bool:
        """Ask for a connection to be closed; whether there is such an open one."""
        with self._source.moment() as moment:
            item = moment.listing().find(conn)
        if item is None or item["state"] == "closed":
            return False
        self._engine.close_connection(conn, item["worker"])
        return True

    def _former(self, conn: int, at: int | None) -> Json | None:
        """A connection that was in no table any more at a moment (None: now), as of its last row."""
        if at is not None and self._is_known(conn):
            return None  # it came later
        last = self._last_heard(conn)
        if last is None or last < self._past.span()[0] or (at is not None and last >= at):
            return None
        return self.connection(conn, last)

    def _is_known(self, conn: int) -> bool:
        with self._source.moment() as now:
            return now.listing().find(conn) is not None

    def switch_model(self, model: str) -> str:
        """Go on with another model, every connection kept. Why that can't be; empty: it is done."""
        if model not in self._about.models:
            raise ValueError(f'unknown model "{model:.60}"; known: {", ".join(self._about.models)}')
        refusal = self._engine.switch(model)
        if not refusal:
            self._note(model)
        return refusal

    def _told(self, moment: Moment) -> Mapping[str, Any]:
        """What the server was told when it was started."""
        return self._about.as_dict(self._engine.model()) if moment.is_live else moment.about

    def _accept_queue(self) -> Json:
        queue = self._engine.accept_queue()
        return {} if queue is None else {"accept_queue": {"length": queue[0], "limit": queue[1]}}

    def _moment(self, at: int | None) -> AbstractContextManager[Moment]:
        return self._source.moment() if at is None else nullcontext(self._past.moment(at))

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
