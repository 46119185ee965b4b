"""Writes, seals and drops segments of 100 rows until it is killed: `tests/seal_writer.py DIRECTORY`."""

import sys
import threading
from pathlib import Path

from record_rows import make_batch

from core.log.write.journal import Journal
from core.log.write.seal_thread import Sealer


def main() -> None:
    journal = Journal(Path(sys.argv[1]), segment_bytes=1, retain_bytes=60_000)
    sealer = Sealer(journal)

    def seal() -> None:
        while True:
            sealer.retain()
            sealer.seal_next()

    threading.Thread(target=seal, daemon=True).start()
    first = journal.last_seq.get(0, 0) + 1
    print("begun", flush=True)
    while True:
        journal.append(make_batch(100, first, conn=0))
        first += 100


if __name__ == "__main__":
    main()
