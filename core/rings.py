"""The rings of a data directory: recovered at the start, taken up again when their writer has died."""

import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import pyarrow as pa

from core.bad_value import BadValueError
from core.durable import damaged_path
from core.log.format.rows import to_batch
from core.log.read.log import Log
from core.log.write.journal import Journal, JournalError
from core.log.write.log_writer import LogWriter
from core.ring.events import Kind, Reason
from core.ring.recorder import Files, prepare
from core.ring.ring import CAPACITY, DamagedRingError, RingReader, RingWriter, await_writer, lengthen
from core.watch.now.feed import WorkerFeed
from core.watch.now.table import Table
from core.watch.now.watch_thread import Watch
from core.watch.then.past import Past

_WRITER_TIMEOUT: Final = 8.0
"""A worker whose service was killed still delivers what it has queued."""
_log = logging.getLogger("echoscope.rings")
_MOST_WORKERS: Final = 64
_U32: Final = 2**32 - 1
_RING: Final = re.compile(r"ring-(\d{1,4})")


class Rings:
    """One ring and one feed a worker. Raises OSError, RingError and JournalError where a file can't be used."""

    def __init__(
        self,
        directory: Path,
        watch: Watch,
        journal: Journal,
        given: Mapping[int, int] | None = None,
        given_conn: int = 0,
        *,
        sync: bool = False,
    ) -> None:
        """`journal` is written by `recover` only. `given`: by worker a number that is known to have been given.

        Likewise `given_conn`, the number of a connection. `sync`: nothing is given back before the disk has it.
        """
        self._directory = directory
        self._watch = watch
        self._journal = journal
        self._given = dict(given or {})
        self._given_conn = given_conn
        self._sync = sync
        self._lost: dict[int, int] = {}
        self._feeds: dict[int, WorkerFeed] = {}

    def path(self, worker: int) -> Path:
        """Where the ring of a worker is."""
        return Files.of(self._directory, worker).ring

    def recover(self, workers: set[int]) -> dict[int, RingWriter]:
        """Bring the log up to the last record that was written, even by a server that was killed.

        Records that the log has lost are taken from the rings again; a `lost` row counts what is nowhere. Connections
        that were open then are closed in the record. Answers a writer for each of `workers`; rings of
        others, from a run with more of them, are emptied and removed.
        """
        found = {int(name[1]) for path in self._directory.glob("ring-*") if (name := _RING.fullmatch(path.name))}
        journal = self._journal
        open_conns = journal.open_conns
        tables = self._left_open()
        for worker in sorted(workers | found | {worker for worker, conns in open_conns.items() if conns}):
            table = tables.get(worker) or Table(worker)
            table.restore(open_conns.get(worker, {}))
            self._feeds[worker] = WorkerFeed(table, journal.last_seq.get(worker, 0))
            self._take_leftover(worker)
        if self._sync:  # the old rings are the only other place that has it
            journal.sync()
        log_writer = LogWriter(journal)
        writers = {worker: self._renew(worker, log_writer) for worker in self._feeds}
        log_writer.write(everything=True)
        if log_writer.error:
            raise JournalError(self._refusal(log_writer.error))
        with suppress(OSError):  # without its end mark a segment is as good
            log_writer.close()
        self._watch.tick()
        for worker in workers:
            journal.damage += prepare(Files.of(self._directory, worker))
        for worker in writers.keys() - workers:
            writers.pop(worker).close()
            self._watch.remove(self._feeds.pop(worker))
            self.path(worker).unlink()
            Files.of(self._directory, worker).turns.unlink(missing_ok=True)
        return writers

    def _left_open(self) -> dict[int, Table]:
        """The connections that a killed server left open, by worker, with all that the log says of them."""
        journal = self._journal
        if not any(journal.open_conns.values()):
            return {}
        past = Past(self._directory, Log(self._directory), lambda upto: upto)
        try:
            tallies = past.moment(past.span()[1]).tallies
        except (BadValueError, JournalError) as error:  # retention or damage took a part of what is needed
            _log.warning("what connections had done before the crash is not known: %s", error)
            return {}
        tables = {}
        for tally in tallies:
            if tally.taken == journal.last_seq.get(tally.table.worker):
                table = tables[tally.table.worker] = tally.table.copy()
                table.forget_closed()
        return tables

    def _renew(self, worker: int, log_writer: LogWriter) -> RingWriter:
        """Begin a new ring in which the connections that the old one left open are closed."""
        path, feed = self.path(worker), self._feeds[worker]
        writer = RingWriter(path, worker=worker, after=feed.taken)
        lost = self._lost.pop(worker, 0)
        while lost:
            writer.emit(Kind.LOST, 0, 0, 0, 0, min(lost, _U32), 0, Reason.DISK)
            lost -= min(lost, _U32)
        self._close_open(feed, writer)
        self._watch.attach(feed, RingReader(path))
        log_writer.attach(worker, RingReader(path), feed.taken)
        return writer

    @staticmethod
    def _close_open(feed: WorkerFeed, writer: RingWriter) -> None:
        for conn in feed.table["conn"][feed.table.is_open()].tolist():
            writer.emit(Kind.CLOSE, conn, reason=Reason.CRASH)
        writer.publish(0, 0)

    def resume(self, worker: int) -> RingWriter:
        """Go on with the ring of a writer that is dead; what it left open is closed."""
        path, feed = self.path(worker), self._feeds[worker]
        await_writer(path, _WRITER_TIMEOUT)
        writer = RingWriter.attach(path)
        self._watch.tick()
        self._close_open(feed, writer)
        self._watch.tick()
        return writer

    def _take_leftover(self, worker: int) -> None:
        path, feed = self.path(worker), self._feeds[worker]
        after, given, redone = feed.taken, self._given.pop(worker, 0), 0
        try:
            with self._old(path) as old:
                given = max(given, old.progress().head, old.tail)
                if given < after:  # older than the log
                    given = self._journal.last_given(worker)
                records = old.left(after)
                redone = len(records)
                if redone:
                    for part in self._watch.fold(feed, records):
                        self._append(to_batch(part.records, worker, part.places, part.peers))
                if old.tail > after:
                    self._journal.blame_end(f"worker {worker}, events {after + 1} to {old.tail}")
        except FileNotFoundError:
            given = max(given, self._journal.last_given(worker))
        except DamagedRingError as error:
            # What was in it is nowhere else, and how many numbers it has given is not known.
            given = max(given, self._journal.last_given(worker)) + CAPACITY
            self._given_conn = max(self._given_conn, self._journal.max_given_conn + _MOST_WORKERS * CAPACITY)
            kept = path.rename(damaged_path(path))
            self._journal.damage.append(f"{error}; kept as {kept.name}")
        feed.taken = max(feed.taken, given)
        self._lost[worker] = self._lost.get(worker, 0) + feed.taken - after - redone

    def _append(self, batch: pa.RecordBatch) -> None:
        try:
            self._journal.append(batch)
        except OSError as error:
            raise JournalError(self._refusal(f"the log can't be written: {error.strerror or error}")) from error

    def _refusal(self, why: str) -> str:
        """The old rings are the only place that has it."""
        return f"{self._directory}: what an earlier server recorded is to be kept: {why}"

    def _old(self, path: Path) -> RingReader:
        """The ring of a writer that is gone. Raises FileNotFoundError, DamagedRingError."""
        await_writer(path, _WRITER_TIMEOUT)
        what = lengthen(path)
        if what:
            self._journal.damage.append(what)
        return RingReader(path)

    def next_conn(self) -> int:
        """A connection id above all that were ever used."""
        with self._watch.lock:
            used = [feed.table.greatest for feed in self._feeds.values()]
            return max([self._journal.max_given_conn, self._given_conn, *used]) + 1
