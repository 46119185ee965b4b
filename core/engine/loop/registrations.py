"""What the program believes to be watched against what the kernel watches: fdinfo of an epoll descriptor, proc(5)."""

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

MOST_DIFFERENCES: Final = 20
_FDINFO: Final = re.compile(r"^tfd:\s*(\d+)\s+events:\s*([0-9a-f]+)", re.MULTILINE)
# Added to whatever was asked for, by the poller or by the kernel (ep_insert() in fs/eventpoll.c), or how it is told.
_NOT_INTEREST: Final = 0x2 | 0x8 | 0x10 | 1 << 31 | 0x2000  # EPOLLPRI, EPOLLERR, EPOLLHUP, EPOLLET, EPOLLRDHUP
_SECOND_LOOK_S: Final = 0.05


class Difference(NamedTuple):
    """A descriptor of which the two say something else: `why` is a sentence without its subject; `conn` 0: none."""

    fd: int
    why: str
    conn: int = 0


class Registrations(NamedTuple):
    """Descriptors watched, as the program and the kernel count them, and at most MOST_DIFFERENCES that differ."""

    believed: int
    watched: int
    differences: list[Difference]


def compare(epoll: int, masks: Mapping[int, int]) -> Registrations:
    """The live table `masks` (descriptor: mask) against the kernel's. From any thread. Raises OSError.

    The loop goes on meanwhile, so what differs is looked at a second time: only what differs in the same way then is
    told. The kernel holds the table's lock while it lists (ep_show_fdinfo()), and with it a loop that is about to wait.
    """
    believed, watched, found = _look(epoll, masks)
    if found:
        time.sleep(_SECOND_LOOK_S)
        believed, watched, again = _look(epoll, masks)
        found &= again
    return Registrations(believed, watched, sorted(found)[:MOST_DIFFERENCES])


def parse_fdinfo(text: str) -> dict[int, int]:
    """Descriptor: events, of /proc/PID/fdinfo/EPFD."""
    # finditer: one call for all of 20,000 lines would hold the interpreter, and with it the loop, for 20 ms.
    return {int(line[1]): int(line[2], 16) for line in _FDINFO.finditer(text)}


def differences(watched: Mapping[int, int], believed: Mapping[int, int]) -> set[Difference]:
    """What is watched against what is believed to be, both descriptor: events."""
    watched = {fd: events & ~_NOT_INTEREST for fd, events in watched.items()}
    found = {Difference(fd, "is watched, but the program does not know it") for fd in watched.keys() - believed.keys()}
    found |= {Difference(fd, "is not watched, but the program thinks so") for fd in believed.keys() - watched.keys()}
    return found | {
        Difference(fd, f"is watched for {watched[fd]:#x}, the program thinks for {believed[fd]:#x}")
        for fd in watched.keys() & believed.keys()
        if watched[fd] != believed[fd]
    }


def _look(epoll: int, masks: Mapping[int, int]) -> tuple[int, int, set[Difference]]:
    watched = parse_fdinfo(Path(f"/proc/self/fdinfo/{epoll}").read_text())
    believed = dict(masks)  # in one step of the interpreter: the loop's thread can't change it meanwhile
    return len(believed), len(watched), differences(watched, believed)
