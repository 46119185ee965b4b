"""The server process of one measurement: `python -m core.lab.measured_server NAME CORES …`.

NAME `engine`: a worker of the engine, with the arguments of core.engine.processes.worker; else a reference server,
which ends with its standard input. CORES are the processors that it may use, as in `0,1`.
"""

import os
import resource
import socket
import sys
import threading

from core.engine.processes import worker
from core.lab import reference


def main(name: str, cores: str, *arguments: str) -> None:
    """Serve until the one that has started it is gone, or says so."""
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if name == "engine":
        config, control = arguments
        worker.main(worker.WorkerConfig.from_json(config), socket.socket(fileno=int(control)))
    else:
        end_with_input()
        reference.run(name)


def end_with_input() -> None:
    """End this process as soon as its standard input ends: whoever holds the other end is gone, however it went."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os._exit(0)

    threading.Thread(target=watch, name="parent", daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
