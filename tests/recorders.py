"""A recorder in the process of a test, where a server has one of its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from core.log.format.dropped import Dropped
from core.log.write.journal import Journal
from core.log.write.log_writer import LogWriter
from core.ring.ring import RingReader
from core.rings import Rings
from core.watch.now.watch_thread import Watch
from core.watch.then.past import given


class RecorderHere:
    """What the watch asks of a recorder; it writes when it is asked to."""

    def __init__(self, journal: Journal, sync_s: float) -> None:
        self.writer = LogWriter(journal, sync_s)

    @property
    def dropped(self) -> Dropped:
        """What retention has dropped."""
        return self.writer.journal.dropped

    @property
    def log_bytes(self) -> int:
        """Size of the log."""
        return self.writer.journal.log_bytes

    def flush(self) -> None:
        """Write all there is."""
        self.writer.write(everything=True)

    def trouble(self) -> str:
        """Why it can't be written or kept."""
        return self.writer.error or self.writer.sync_error

    def damage(self) -> Sequence[str]:
        """What is damaged in the log."""
        return self.writer.journal.damage


class Recorded:
    """The log, the watch and the ring of one worker, which the test writes."""

    def __init__(self, directory: Path, sync_s: float = 0.0) -> None:
        self.watch, recovered = Watch(), Journal(directory)
        self.rings = Rings(directory, self.watch, recovered, *given(directory), sync=sync_s > 0)
        self.ring = self.rings.recover({0})[0]
        self.damage = recovered.damage
        self.recorder = self.watch.recorder = RecorderHere(Journal(directory), sync_s)
        self.reader = RingReader(self.rings.path(0))
        self.recorder.writer.attach(0, self.reader)

    @property
    def journal(self) -> Journal:
        """That of the recorder."""
        return self.recorder.writer.journal

    def catch_up(self) -> None:
        """Publish, fold and write."""
        self.ring.publish()
        self.watch.tick()
        self.recorder.flush()


@contextmanager
def recorded(directory: Path, sync_s: float = 0.0) -> Iterator[Recorded]:
    """A server without a loop; at the end it is gone as if it had been killed."""
    made = Recorded(directory, sync_s)
    try:
        yield made
    finally:
        made.ring.close()
        made.recorder.writer.detach(0)
        made.watch.feeds.clear()
