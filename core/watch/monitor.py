"""The one face that the web sees: every question about the server, answered from the pump and the log."""

from collections.abc import Callable, Hashable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

from core.record import catalogue
from core.record.clock import WALL_OFFSET
from core.record.export import FORMATS, download_name, unknown_format
from core.record.export.order import Chunks, Order
from core.record.query import CONNECTION_FIELDS, EVENT_FIELDS, Query, parse, parse_time
from core.version import NAME, VERSION
from core.watch.cells import Orders, cells
from core.watch.clock import rfc3339
from core.watch.engine import About, Engine
from core.watch.loops import Loops
from core.watch.moment import Moment, Source
from core.watch.past import Past
from core.watch.recent import Tail, newest
from core.watch.sampler import LastSamples, Sampler, Seen
from core.watch.suggest import suggest
from core.watch.suspicion import suspects
from core.watch.tally import Notes, gauges, totals
from core.watch.verdict import LATE_S, Scene, judge

Json = dict[str, Any]

_ATTENTION: Final = 8
_HISTORY: Final = 200
_COUNTED: Final = 500_000
"""Rows that are looked at to count those that match; of more an estimate will do."""
_LAST_ROWS: Final = 64


@dataclass(frozen=True)
class Download:
    """The rows that match, as a file: `chunks` streams it once."""

    name: str
    mimetype: str
    gzip: bool
    """Whether the pieces are of a gzip stream."""
    chunks: Chunks


class Exporter(Protocol):
    """Makes downloads, out of the way of everything else."""

    def download(self, order: Order) -> Chunks:
        """The pieces of a download; the work begins when the first is asked for."""

    def prepare(self) -> None:
        """A download will soon be asked for. Does not wait."""


class _UnknownError(Exception):
    """A connection that the log does not know, which may yet come: nothing to remember."""


class Monitor:
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
        self.viewers = 0
        self.is_replay = source.is_replay
        self._source = source
        self._past = past
        self._log = past.log
        self._about = about
        self._engine = engine
        self._exporter = exporter
        self._note = note
        self._sampler = Sampler(engine.sample)
        self._last_row = lru_cache(_LAST_ROWS)(self._find_last_row)
        workers = [] if source.is_replay else list(range(1, about.workers + 1)) or [0]
        self._last_samples = LastSamples(past.directory)
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
        seen = self._look(stuck, moment)
        answer["attention"] = [item | {"verdict": self._verdict(item, seen, moment)} for item in stuck]
        ok, reason = self.health() if moment.is_live else (None, "")
        return answer | {"notable": notes, "time": rfc3339(moment.now), "healthy": ok, "trouble": reason}

    def sign(self) -> Hashable:
        """What changes with every event worth being told at once: who comes, goes, is refused, blocked or lost."""
        return self._source.sign()

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
            return self._former(conn) if moment.is_live else None
        history = newest(batches, parse(f"conn:{conn}", EVENT_FIELDS), _HISTORY)
        seen = self._look([item], moment)
        return item | {
            "history": history,
            "events_in_memory": sum(batch.num_rows for batch in batches),
            "marks": marks,
            "kernel": _facts(seen.get(conn), moment),
            "verdict": self._verdict(item, seen, moment),
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
        """The first and the last moment that can be asked for."""
        first, _ = self._past.span()
        return {"since": rfc3339(first), "until": rfc3339(self._source.latest()), "live": not self.is_replay}

    def latest(self) -> int:
        """The last moment that can be asked for (ns)."""
        return self._source.latest()

    def events_until(self, q: str, after: int | None, at: int, limit: int, mark: str = "") -> Json:
        """The newest rows up to `at`, those up to `after` left out (ns), and how many more of them matched.

        Of a great many rows that is an estimate. With a mark, what Tail.take says of it.
        """
        query, marking = parse(q, EVENT_FIELDS), _mark(mark)
        self._source.written(at)
        since = None if after is None else after + 1
        page = self._log.search(query, since, at + 1, limit, None, "desc", mark=marking)
        more = since is not None and page.next is not None
        skipped = max(0, self._count(query, since, at + 1) - len(page.items)) if more else 0
        answer: Json = {"items": page.items[::-1], "skipped": skipped, "at": rfc3339(at)}
        if marking is None:
            return answer
        last = len(page.items) - 1
        left_out = max(0, self._count(query.joined(marking), since, at + 1) - len(page.marks)) if more else 0
        return answer | {"marks": [last - place for place in reversed(page.marks)], "skipped_marks": left_out}

    def _count(self, query: Query, since: int | None, until: int) -> int:
        found = self._log.estimate(query, since, until)
        if found.exact or found.total > _COUNTED:
            return found.rows
        return sum(batch.num_rows for batch in self._log.batches(query, since, until))

    def events(
        self,
        q: str,
        since: str | None,
        until: str | None,
        limit: int,
        cursor: str | None,
        order: str = "asc",
        mark: str = "",
    ) -> Json:
        """A page of the log, everything published up to now included; `marks` are the places of what matches `mark`."""
        query, low, high = self._selection(q, since, until)
        marking = _mark(mark)
        self._source.catch_up()
        page = self._log.search(query, low, high, limit, cursor, order, mark=marking)  # type: ignore[arg-type]
        progress = {"scanned": page.scanned, "total": page.total}
        answer: Json = {"items": page.items, "next": page.next, "progress": progress}
        return answer if marking is None else answer | {"marks": page.marks}

    def histogram(self, q: str, since: str | None, until: str | None, bins: int, cursor: str | None) -> Json:
        """Rows of the log by time and kind; contract of GET /api/v1/events/histogram."""
        query, low, high = self._selection(q, since, until)
        self._source.catch_up()
        found = self._log.histogram(query, low, high, bins, cursor)
        return {
            "since": rfc3339(found.since),
            "until": rfc3339(found.until),
            "step_s": found.step / 1e9,
            "kinds": found.kinds,
            "total": found.total,
            "progress": {"scanned": found.scanned, "total": found.of},
            "next": found.next,
        }

    def download(self, format: str, q: str, since: str | None, until: str | None, gzip: bool = False) -> Download:
        """The whole matching set, as the log is now; gzip where asked for and of use."""
        if format not in FORMATS:
            raise unknown_format(format)
        query, low, high = self._selection(q, since, until)
        self._source.catch_up()
        kind = FORMATS[format]
        order = Order(str(self._past.directory.resolve()), format, query.text, low, high, gzip and kind.is_text)
        chunks = self._exporter.download(order)
        return Download(download_name(format, query, low, high), kind.mimetype, order.gzip, chunks)

    def estimate(self, format: str, q: str, since: str | None, until: str | None) -> Json:
        """What that download would be: about how many rows and bytes (before gzip), and under which name."""
        if format not in FORMATS:
            raise unknown_format(format)
        query, low, high = self._selection(q, since, until)
        self._exporter.prepare()
        found = self._log.estimate(query, low, high)
        size = FORMATS[format].estimated_bytes(found.rows)
        return {
            "rows": found.rows,
            "bytes": size,
            "exact": found.exact,
            "name": download_name(format, query, low, high),
        }

    def tail(self, q: str, mark: str = "") -> Tail:
        """A place in the live events, which tells those that match `mark` (empty: none) from the others."""
        return Tail(self._source.recent, parse(q, EVENT_FIELDS), _mark(mark))

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
        self._last_samples.close()

    def close_connection(self, conn: int) -> bool:
        """Ask for a connection to be closed; whether there is such an open one."""
        with self._source.moment() as moment:
            item = moment.listing().find(conn)
        if item is None or item["state"] == "closed":
            return False
        self._engine.close_connection(conn, item["worker"])
        return True

    def _former(self, conn: int) -> Json | None:
        """A connection that is in no table any more, as of its last row."""
        try:
            last = self._last_row(conn)
        except _UnknownError:
            return None
        return self.connection(conn, last) if last >= self._past.span()[0] else None

    def _find_last_row(self, conn: int) -> int:
        """When (ns) a connection that is in no table any more was last heard of. _UnknownError: never."""
        rows, _ = self._log.page(parse(f"conn:{conn}", EVENT_FIELDS), limit=1, order="desc")
        if not rows:
            raise _UnknownError(f"connection {conn} is not in the log")
        return parse_time(rows[0]["time"], 0)

    def _look(self, items: list[Json], moment: Moment) -> dict[int, Seen]:
        """What the kernel says of these; the connections of a loop that does not turn can't be asked about."""
        sampled: dict[int, Seen] = {}
        if moment.is_live:
            ages = self._source.beat_ages()
            asked = [item for item in items if item["state"] != "closed" and ages.get(item["worker"], 0.0) <= LATE_S]
            sampled = self._sampler.look({item["conn"]: item["worker"] for item in asked})
        for item in items:
            last = item["state"] == "closed" and self._last_samples.find(item["conn"], item["worker"])
            if last:
                sampled[item["conn"]] = last
        return sampled

    def _verdict(self, item: Json, seen: Mapping[int, Seen], moment: Moment) -> Json:
        sample = seen.get(item["conn"])
        scene = Scene(
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
        )
        return judge(scene).as_dict()

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
            },
            "viewers": self.viewers if moment.is_live or self.is_replay else None,
            **(self._accept_queue() if moment.is_live else {}),
            **_dated(moment),
        }

    def _dropped(self) -> Json:
        dropped = self._log.dropped()
        return {
            "segments": dropped.segments,
            "events": dropped.rows,
            "bytes": dropped.bytes,
            "until": None if dropped.until is None else rfc3339(dropped.until),
        }

    def _selection(self, q: str, since: str | None, until: str | None) -> tuple[Query, int | None, int | None]:
        now = self._source.latest()
        low = parse_time(since, now) if since else None
        high = parse_time(until, now) if until else None
        return parse(q, EVENT_FIELDS), low, high


def _mark(text: str) -> Query | None:
    """What rows are marked by; None when nothing is to be marked."""
    query = parse(text, EVENT_FIELDS)
    return query if query.terms else None


def _dated(moment: Moment) -> Json:
    """What says that an answer is of a moment of the past."""
    return {} if moment.is_live else {"at": rfc3339(moment.now)}


def _facts(seen: Seen | None, moment: Moment) -> Json | None:
    """A sample as the API shows it."""
    if seen is None:
        return None
    return {
        "age_s": round(max(0, moment.now - WALL_OFFSET - seen.at) / 1e9, 3),
        "facts": dict(seen.now),
        "suspects": suspects(seen.now),
    }
