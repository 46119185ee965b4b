"""The one face that the web sees: every question about the server, answered from the pump and the log."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from core.record.clock import wall_ns
from core.record.export import FORMATS, download_name, export, to_dicts
from core.record.log import Log
from core.record.query import CONNECTION_FIELDS, EVENT_FIELDS, Query, parse, parse_time
from core.version import NAME, VERSION
from core.watch.clock import now_rfc3339
from core.watch.listing import Listing
from core.watch.loops import Loops
from core.watch.pump import Pump
from core.watch.recent import Tail, newest
from core.watch.sampler import LastSamples, Sampler, Seen
from core.watch.verdict import LATE_S, Scene, judge

Json = dict[str, Any]

_STALLED: Final = 3.0
_ATTENTION: Final = 8
_NOTABLE: Final = 20
_HISTORY: Final = 200


@dataclass(frozen=True)
class About:
    """What the server is, as the status shows it."""

    models: tuple[str, ...]
    """All that there are."""
    reply: str
    workers: int
    echo_host: str
    echo_port: int


@dataclass(frozen=True)
class Download:
    """The rows that match, as a file: `chunks` streams it once."""

    name: str
    mimetype: str
    chunks: Iterator[bytes]


class Engine(Protocol):
    """What the monitor asks of the echo server, be it a thread or processes."""

    def failure(self) -> str:
        """Why it is not running; empty while it is."""

    def close_connection(self, conn: int, worker: int) -> None:
        """Close a connection. Does not wait."""

    def sample(self, worker: int, conns: list[int], timeout: float) -> Mapping[int, Mapping[str, Any]]:
        """What the kernel says of connections of a worker, as far as it answers in time."""

    def switch(self, model: str) -> str:
        """Go on with another model. Why that can't be; empty: it is done."""

    def model(self) -> str:
        """The model in use."""

    def report(self, worker: int) -> Mapping[str, Any] | None:
        """What a worker tells of its accept queue and its registrations; None when it does not answer in time."""

    def accept_queue(self) -> tuple[int, int] | None:
        """How many wait to be accepted, and how many may; None where that is not told."""


class Monitor:
    """Answers as plain dicts; every caller gets a copy. May be used from any thread.

    Filters that can't be understood raise QueryError, other bad values ValueError, each with one clear line.
    """

    def __init__(self, pump: Pump, data_dir: Path, about: About, engine: Engine) -> None:
        self.viewers = 0
        self._pump = pump
        self._log = Log(data_dir)
        self._about = about
        self._engine = engine
        self._sampler = Sampler(engine.sample)
        self._last_samples = LastSamples(data_dir)
        self._loops = Loops(data_dir, list(range(1, about.workers + 1)) or [0], engine.report)
        self._started = time.monotonic()

    def health(self) -> tuple[bool, str]:
        """Whether all is well, and if not why."""
        reason = self._engine.failure() or self._pump.failure or self._pump.log_error
        age = self._pump.beat_age()
        if not reason and age > _STALLED:
            reason = f"the echo loop has not turned for {age:.1f} s"
        return not reason, reason

    def status(self) -> Json:
        """The figures of now; contract of GET /api/v1/status."""
        pump, about = self._pump, self._about
        with pump.lock:
            gauges, totals = pump.gauges(), pump.totals
            return {
                "name": NAME,
                "version": VERSION,
                "uptime_s": round(time.monotonic() - self._started, 3),
                "model": self._engine.model(),
                "reply": about.reply,
                "workers": about.workers,
                "echo": {"host": about.echo_host, "port": about.echo_port},
                "connections": {
                    "open": gauges["open"],
                    "blocked": gauges["blocked"],
                    "accepted": totals.accepted,
                    "closed": totals.closed,
                    "refused": totals.refused,
                },
                "bytes_in": totals.bytes_in,
                "bytes_out": totals.bytes_out,
                "echoes": totals.echoes,
                "queue": {name: gauges[name] for name in ("bytes", "chunks", "max_bytes")},
                "recorder": {
                    "events": totals.events,
                    "lost": totals.lost,
                    "lag_ms": round(pump.log_lag() * 1000, 1),
                    "log_bytes": pump.journal.log_bytes,
                },
                "viewers": self.viewers,
                **self._accept_queue(),
            }

    def overview(self) -> Json:
        """The status with rates, the connections that need attention and the latest notable events."""
        with self._pump.lock:
            answer = self.status()
            answer |= {name: round(value, 4) for name, value in asdict(self._pump.rates).items()}
            stuck = self._listing().blocked(_ATTENTION)
            notable = list(self._pump.notable)
        seen = self._look(stuck)
        answer["attention"] = [item | {"verdict": self._verdict(item, seen)} for item in stuck]
        rows = [row for batch in reversed(notable) for row in reversed(to_dicts(batch))]
        ok, reason = self.health()
        return answer | {"notable": rows[:_NOTABLE], "time": now_rfc3339(), "healthy": ok, "trouble": reason}

    def connections(self, q: str, sort: str, limit: int, offset: int) -> Json:
        """A page of connections: filtered, then sorted, then cut."""
        query = parse(q, CONNECTION_FIELDS)
        with self._pump.lock:
            return self._listing().page(query, sort, limit, offset)

    def connection(self, conn: int) -> Json | None:
        """All that is known of one connection; None when it never was, or was too long ago."""
        with self._pump.lock:
            item = self._listing().find(conn)
            batches, _ = self._pump.recent.since(0)
        if item is None:
            return None
        history = newest(batches, parse(f"conn:{conn}", EVENT_FIELDS), _HISTORY)
        seen = self._look([item])
        return item | {
            "history": history,
            "events_in_memory": sum(batch.num_rows for batch in batches),
            "kernel": _facts(seen.get(conn)),
            "verdict": self._verdict(item, seen),
        }

    def events(
        self, q: str, since: str | None, until: str | None, limit: int, cursor: str | None, order: str = "asc"
    ) -> Json:
        """A page of the log, everything published up to now included."""
        query, low, high = self._selection(q, since, until)
        self._pump.catch_up()
        items, following = self._log.page(query, low, high, limit, cursor, order)  # type: ignore[arg-type]
        return {"items": items, "next": following}

    def download(self, format: str, q: str, since: str | None, until: str | None) -> Download:
        """The whole matching set, as the log is now."""
        if format not in FORMATS:
            raise ValueError(f'unknown format "{format}"; known: {", ".join(FORMATS)}')
        query, low, high = self._selection(q, since, until)
        self._pump.catch_up()
        chunks = export(self._log.batches(query, low, high), format)
        return Download(download_name(format, query, low, high), FORMATS[format].mimetype, chunks)

    def tail(self, q: str) -> Tail:
        """A place in the live events."""
        return Tail(self._pump.recent, parse(q, EVENT_FIELDS))

    def series(self, range_s: int) -> Json:
        """The charts' history of the last `range_s` seconds."""
        with self._pump.lock:
            return self._pump.series.columns(range_s, wall_ns() // 1_000_000_000)

    def loop(self) -> Json:
        """What the loops do, turn by turn, and what the kernel has registered for them."""
        return {
            "time": now_rfc3339(),
            "model": self._engine.model(),
            "models": list(self._about.models),
            "workers": self._loops.answer(self._pump.beat_ages()),
        }

    def close(self) -> None:
        """Give the files back."""
        self._loops.close()
        self._last_samples.close()

    def close_connection(self, conn: int) -> bool:
        """Ask for a connection to be closed; whether there is such an open one."""
        with self._pump.lock:
            item = self._listing().find(conn)
        if item is None or item["state"] == "closed":
            return False
        self._engine.close_connection(conn, item["worker"])
        return True

    def _look(self, items: list[Json]) -> dict[int, Seen]:
        """What the kernel says of these; the connections of a loop that does not turn can't be asked about."""
        ages = self._pump.beat_ages()
        asked = [item for item in items if item["state"] != "closed" and ages.get(item["worker"], 0.0) <= LATE_S]
        seen = self._sampler.look({item["conn"]: item["worker"] for item in asked})
        for item in items:
            last = item["state"] == "closed" and self._last_samples.find(item["conn"], item["worker"])
            if last:
                seen[item["conn"]] = last
        return seen

    def _verdict(self, item: Json, seen: Mapping[int, Seen]) -> Json:
        sample = seen.get(item["conn"])
        scene = Scene(
            item["state"],
            item["reason"],
            item["queue_bytes"],
            item["idle_s"],
            sample and sample.now,
            sample and sample.before,
            sample.span if sample else 0.0,
            self._pump.rates.loop_busy,
            self._pump.beat_ages().get(item["worker"], 0.0),
        )
        return judge(scene).as_dict()

    def switch_model(self, model: str) -> str:
        """Go on with another model, every connection kept. Why that can't be; empty: it is done."""
        if model not in self._about.models:
            raise ValueError(f'unknown model "{model:.60}"; known: {", ".join(self._about.models)}')
        return self._engine.switch(model)

    def _accept_queue(self) -> Json:
        queue = self._engine.accept_queue()
        return {} if queue is None else {"accept_queue": {"length": queue[0], "limit": queue[1]}}

    def _listing(self) -> Listing:
        return Listing((feed.table for feed in self._pump.feeds), wall_ns())

    @staticmethod
    def _selection(q: str, since: str | None, until: str | None) -> tuple[Query, int | None, int | None]:
        now = wall_ns()
        low = parse_time(since, now) if since else None
        high = parse_time(until, now) if until else None
        return parse(q, EVENT_FIELDS), low, high


def _facts(seen: Seen | None) -> Json | None:
    """A sample as the API shows it."""
    if seen is None:
        return None
    return {"age_s": round((time.monotonic_ns() - seen.at) / 1e9, 3), "facts": dict(seen.now)}
