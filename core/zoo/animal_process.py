"""One animal let loose, in a process of its own: `python -m core.zoo.animal_process NAME HOST PORT COUNT SECONDS`.

Standard output is a JSON object a line: what it does (`stage`, `connections`, `sent`, `received`), the addresses of its
connections (`peers`), and at the end its `clients` with an `error`, empty if all went as it should. A line `enough` on
standard input ends its holding still; the end of standard input ends it at once, so it never outlives who started it.
"""

import json
import os
import sys
import threading
from typing import Any

from core.zoo.animals import Animal, find
from core.zoo.client_set import ClientSet, ZooError, loopback


def perform(animal: Animal, pen: ClientSet) -> str:
    """Let it loose, to its end; all connections are closed then. What went wrong, in words; empty: nothing."""
    try:
        animal.behave(pen)
    except OSError as error:
        return error.strerror or str(error)
    finally:
        pen.close()
    return ""


def _listen(enough: threading.Event) -> None:
    """Orders of who started it."""
    for line in sys.stdin:
        if line.strip() == "enough":
            enough.set()
    os._exit(0)


def _tell(told: dict[str, Any]) -> None:
    try:
        print(json.dumps(told), flush=True)
    except BrokenPipeError:
        os._exit(0)


def main(arguments: list[str]) -> int:
    """Run; 0, or 2 with one line for arguments that make no sense."""
    name, host, port, count, seconds = arguments
    enough = threading.Event()
    try:
        animal, address = find(name), loopback(host, int(port))
    except ZooError as error:
        print(f"echoscope: {error}", file=sys.stderr)
        return 2
    threading.Thread(target=_listen, args=(enough,), daemon=True).start()
    pen = ClientSet(address, int(count), float(seconds), enough=enough.is_set, tell=_tell)
    trouble = perform(animal, pen)
    _tell({"clients": [one.sums() for one in pen.clients], "error": trouble})
    # The thread that listens sits in a read of standard input, which the interpreter would wait for.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
