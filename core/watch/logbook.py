"""What the log answers: rows, counts, downloads. What has happened and is not written yet is written first."""

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

from core.export.download import Chunks, DownloadRequest
from core.export.formats import FORMATS, download_name, unknown_format
from core.filter.query import EVENT_FIELDS, Query, parse, parse_time
from core.log.read.event_stream import EventStream
from core.watch.moment import Source
from core.watch.now.recent import Tail
from core.watch.then.past import Past
from core.watch.times import rfc3339

Json = dict[str, Any]

_COUNTED: Final = 500_000
"""Rows that are looked at to count those that match; of more an estimate will do."""
_COURSE_NS: Final = 300 * 1_000_000_000
_REMEMBERED_S: Final = 10.0
_LOOKS: Final = 3
"""Pages of the log, a second each at most, that are looked at for a connection which is in no table."""
_LAST_ROWS: Final = 64
"""Connections of which it is remembered when they were last heard of."""


@dataclass(frozen=True)
class Download:
    """The rows that match, as a file: `chunks` streams it once."""

    name: str
    mimetype: str
    gzip: bool
    """Whether the pieces are of a gzip stream."""
    chunks: Chunks


class DownloadMaker(Protocol):
    """Makes downloads, out of the way of everything else."""

    def download(self, order: DownloadRequest) -> Chunks:
        """The pieces of a download; the work begins when the first is asked for."""

    def prepare(self) -> None:
        """A download will soon be asked for. Does not wait."""


class Logbook:
    """Answers as plain dicts; every caller gets a copy. May be used from any thread.

    Filters that can't be understood raise QueryError, other bad values ValueError, each with one clear line.
    """

    def __init__(self, source: Source, past: Past, exporter: DownloadMaker) -> None:
        self._source = source
        self._past = past
        self._log = past.log
        self._exporter = exporter
        self._last_row = lru_cache(_LAST_ROWS)(self._find_last_row)

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
        self._reach(high)
        page = self._log.search(query, low, high, limit, cursor, order, mark=marking)  # type: ignore[arg-type]
        progress = {"scanned": page.scanned, "total": page.total}
        answer: Json = {"items": page.items, "next": page.next, "progress": progress}
        return answer if marking is None else answer | {"marks": page.marks}

    def stream(self, q: str, since: str | None, cursor: str | None) -> EventStream:
        """The rows that match, from a place on, for those who go on where they stopped. Raises GoneError."""
        query, low, _ = self._selection(q, since, None)
        self._source.catch_up()
        return EventStream(self._log, query, low, cursor)

    def catch_up(self) -> None:
        """Bring the log up to all that has happened."""
        self._source.catch_up()

    def histogram(self, q: str, since: str | None, until: str | None, bins: int, cursor: str | None) -> Json:
        """Rows of the log by time and kind; contract of GET /api/v1/events/histogram."""
        query, low, high = self._selection(q, since, until)
        self._reach(high)
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

    def course(self, conn: int, since: str | None, until: str | None) -> Json:
        """The charts of one connection, contract of GET /api/v1/connections/ID/series; of the last five minutes."""
        now = self._source.latest()
        high = parse_time(until, now) if until else now + 1
        low = parse_time(since, now) if since else high - _COURSE_NS
        self._reach(high)
        found = self._log.course(conn, low, high)
        columns = {
            "queue_bytes": found.queue_bytes,
            "bytes_in_per_s": found.bytes_in,
            "bytes_out_per_s": found.bytes_out,
        }
        return {
            "step": found.step,
            "time": found.time.tolist(),
            **{
                name: [None if value != value else value for value in column.round(1).tolist()]
                for name, column in columns.items()
            },
            "is_whole": found.is_whole,
        }

    def download(self, format: str, q: str, since: str | None, until: str | None, gzip: bool = False) -> Download:
        """The whole matching set, as the log is now; gzip where asked for and of use."""
        if format not in FORMATS:
            raise unknown_format(format)
        query, low, high = self._selection(q, since, until)
        self._reach(high)
        kind = FORMATS[format]
        order = DownloadRequest(
            str(self._past.directory.resolve()), format, query.text, low, high, gzip and kind.is_text
        )
        chunks = self._exporter.download(order)
        return Download(download_name(format, query, low, high), kind.mimetype, order.gzip, chunks)

    def estimate(self, format: str, q: str, since: str | None, until: str | None) -> Json:
        """What that download would be: about how many rows and bytes (before gzip), and under which name."""
        if format not in FORMATS:
            raise unknown_format(format)
        query, low, high = self._selection(q, since, until)
        self._reach(high)  # as for the download: what is called exact must be what comes
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

    def _count(self, query: Query, since: int | None, until: int) -> int:
        found = self._log.estimate(query, since, until)
        if found.exact or found.total > _COUNTED:
            return found.rows
        return sum(batch.num_rows for batch in self._log.batches(query, since, until))

    def _last_heard(self, conn: int) -> int | None:
        """When (ns) a connection that is in no table any more was last heard of; None: never."""
        return self._last_row(conn, int(time.monotonic() / _REMEMBERED_S))

    def _find_last_row(self, conn: int, _period: int) -> int | None:
        """Looks for some seconds at most; the answer is remembered within a period."""
        query, cursor = parse(f"conn:{conn}", EVENT_FIELDS), None
        for _ in range(_LOOKS):
            page = self._log.search(query, None, None, 1, cursor, "desc")
            if page.items:
                return parse_time(page.items[0]["time"], 0)
            if page.next is None:
                return None
            cursor = page.next
        return None

    def _reach(self, high: int | None) -> None:
        """Bring the log up to before a time (ns), or up to now; a range that ended a while ago costs nothing."""
        if high is None:
            self._source.catch_up()
        else:
            self._source.written(high - 1)

    def _selection(self, q: str, since: str | None, until: str | None) -> tuple[Query, int | None, int | None]:
        now = self._source.latest()
        low = parse_time(since, now) if since else None
        high = parse_time(until, now) if until else None
        return parse(q, EVENT_FIELDS), low, high


def _mark(text: str) -> Query | None:
    """What rows are marked by; None when nothing is to be marked."""
    query = parse(text, EVENT_FIELDS)
    return query if query.terms else None
