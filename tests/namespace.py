"""A peer behind a network of its own: two namespaces, two virtual interfaces, and what goes wrong between them."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

OURS, THEIRS = f"echoscope-{os.getpid()}-ours", f"echoscope-{os.getpid()}-theirs"
ADDRESS, PEER = "198.51.100.1", "198.51.100.2"  # TEST-NET-2, RFC 5737

_CLONE_NEWNET = 0x40000000
_READER = """
import select, socket, sys
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
sock.setblocking(False)
print("connected", flush=True)
reads = sys.argv[3] == "reads"
while True:
    readable, writable, _ = select.select([sock] if reads else [], [sock], [])
    if readable and not sock.recv(1 << 20):
        break
    if writable:
        sock.send(bytes(65536))
"""


def ip(*arguments: str) -> None:
    """Run ip(8) or raise."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def can_make_one() -> bool:
    """Whether this machine lets us: it takes root (CAP_NET_ADMIN), ip(8), tc(8), and a kernel with veth and tbf."""
    try:
        with network():
            slow_down()
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def slow_down() -> None:
    """From ADDRESS to PEER at 2 Mbit/s, with room for megabytes to wait."""
    shaper = "qdisc add dev wire root tbf rate 2mbit burst 64kb limit 9mb"
    subprocess.run(["tc", "-n", OURS, *shaper.split()], check=True, capture_output=True)


def lose_everything() -> None:
    """Nothing gets through to ADDRESS from now on."""
    ip("-n", THEIRS, "route", "add", "blackhole", f"{ADDRESS}/32")


def lose_nothing() -> None:
    """What `lose_everything` did is undone."""
    ip("-n", THEIRS, "route", "del", "blackhole", f"{ADDRESS}/32")


@contextmanager
def network() -> Iterator[None]:
    """Two namespaces: OURS with ADDRESS and THEIRS with PEER, joined by interfaces `wire`. Nothing else changes."""
    try:
        for name in (OURS, THEIRS):
            ip("netns", "add", name)
        ip("-n", OURS, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", THEIRS)
        for name, address in ((OURS, ADDRESS), (THEIRS, PEER)):
            ip("-n", name, "addr", "add", f"{address}/30", "dev", "wire")
            ip("-n", name, "link", "set", "wire", "up")
        yield
    finally:
        for name in (OURS, THEIRS):
            with suppress(OSError):  # no ip(8)
                subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@contextmanager
def inside(name: str) -> Iterator[None]:
    """This thread is in the namespace meanwhile; a socket made there stays there (setns(2))."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{name}") as away:
        _enter(away.fileno())
        try:
            yield
        finally:
            _enter(home.fileno())


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def reader(port: int, reads: bool = True) -> Iterator[None]:
    """A client in THEIRS that sends as fast as it can, and reads as fast or not at all."""
    how = "reads" if reads else "reads nothing"
    command = ["ip", "netns", "exec", THEIRS, sys.executable, "-c", _READER, ADDRESS, str(port), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"connected\n"
            yield
        finally:
            process.kill()
