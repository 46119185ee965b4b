"""The loop: registrations, timers, orders from other threads."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from waiting import DEADLINE_S

import core.engine.loop.loop as loop_module
from core.engine.loop.loop import Loop, Turn
from core.engine.loop.registrations import Registrations
from core.engine.pollers.backends import POLLERS
from core.engine.pollers.poller import READ


@pytest.fixture(params=POLLERS)
def loop(request: pytest.FixtureRequest) -> Iterator[Loop]:
    made = Loop(POLLERS[request.param]())
    made.call_later(DEADLINE_S, made.stop)
    yield made
    made.close()


def test_timers_run_in_order_of_time(loop: Loop) -> None:
    seen: list[int] = []
    for n, delay in ((2, 0.02), (3, 0.03), (1, 0.01)):
        loop.call_later(delay, lambda n=n: seen.append(n))
    loop.call_later(0.04, loop.stop)
    loop.run()
    assert seen == [1, 2, 3]


def test_a_cancelled_timer_is_silent(loop: Loop) -> None:
    seen: list[int] = []
    loop.cancel(loop.call_later(0.001, lambda: seen.append(1)))
    loop.call_later(0.02, loop.stop)
    loop.run()
    assert seen == []


def test_cancelled_timers_take_no_memory(loop: Loop) -> None:
    for _ in range(10_000):
        loop.cancel(loop.call_later(3600, loop.stop))
    assert len(loop._timers) < 200


def test_another_thread_wakes_it_at_once(loop: Loop) -> None:
    seen: list[str] = []

    def stop(who: str) -> None:
        seen.append(who)
        loop.stop()

    # The next timer is far away: nothing else could wake the loop before it.
    loop.call_later(DEADLINE_S, lambda: stop("timer"))
    order = threading.Timer(0.02, lambda: loop.call_soon(lambda: stop("order")))
    order.start()
    loop.run()
    order.join()
    assert seen == ["order"]


def test_orders_to_a_closed_loop_go_nowhere() -> None:
    for _ in range(50):
        loop = Loop(POLLERS["busy"]())  # it obeys before it is woken

        def run(loop: Loop = loop) -> None:
            loop.run()
            loop.close()

        runner = threading.Thread(target=run)
        runner.start()
        for _ in range(20):
            loop.call_soon(loop.stop)
        runner.join(DEADLINE_S)
        assert not runner.is_alive()
        loop.call_soon(loop.stop)


def test_what_an_earlier_visit_removed_is_not_visited(loop: Loop) -> None:
    seen: list[int] = []
    pairs = [socket.socketpair() for _ in range(2)]
    fds = [ours.fileno() for ours, _ in pairs]

    def visit(fd: int) -> None:
        seen.append(fd)
        for other in fds:
            loop.remove(other)
        loop.stop()

    for fd, (_, theirs) in zip(fds, pairs, strict=True):
        theirs.send(b"x")
        loop.add(fd, READ, lambda mask, fd=fd: visit(fd))
    loop.run()
    assert len(seen) == 1
    for pair in pairs:
        for end in pair:
            end.close()


@pytest.mark.parametrize("name", POLLERS)
def test_a_long_turn_is_ended_and_nobody_is_left_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now, seen, sizes = 0, Counter[int](), []
    monkeypatch.setattr(loop_module.time, "monotonic_ns", lambda: now)
    loop = Loop(POLLERS[name]())
    loop.before_wait = lambda waited, turn: sizes.append(turn[4])
    pairs = [socket.socketpair() for _ in range(150)]

    def visit(ours: socket.socket) -> None:
        nonlocal now
        now += 1_000_000
        with suppress(BlockingIOError):  # a poller that asks nobody calls always
            seen[ours.fileno()] += len(ours.recv(1))
        if seen.total() == len(pairs):
            loop.stop()

    for ours, theirs in pairs:
        ours.setblocking(False)
        theirs.send(b"x")
        loop.add(ours.fileno(), READ, lambda mask, ours=ours: visit(ours))
    loop.run()
    assert set(seen.values()) == {1}
    assert max(sizes) <= 64
    loop.close()
    for pair in pairs:
        for end in pair:
            end.close()


def test_registrations_of_a_poller_that_was_exchanged_meanwhile_are_not_told(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compare(fd: int, masks: Any) -> Registrations:
        loop.exchange(POLLERS["epoll"]())
        return Registrations(1, 0, [])

    monkeypatch.setattr(loop_module, "compare", compare)
    assert loop.registrations() is None


def test_hooks_see_each_turn() -> None:
    seen: list[tuple[int, Turn]] = []
    woken: list[int] = []
    loop = Loop(POLLERS["epoll"]())
    loop.before_wait = lambda waited, turn: seen.append((waited, turn))
    loop.after_wait = lambda: woken.append(1)
    loop.call_later(0.02, loop.stop)
    loop.run()
    loop.close()
    waited, (turns, began, ended_wait, ended, ready, scanned) = seen[-1]
    assert turns == len(woken)
    assert waited > 0
    assert began < ended_wait <= ended
    assert (ready, scanned) == (0, 0)


@pytest.mark.parametrize("before", POLLERS)
@pytest.mark.parametrize("after", POLLERS)
def test_backends_can_be_exchanged(before: str, after: str) -> None:
    seen: list[str] = []
    loop = Loop(POLLERS[before]())
    ours, theirs = socket.socketpair()

    def visit(mask: int) -> None:
        seen.append(ours.recv(100).decode())
        loop.stop()

    with ours, theirs:
        loop.add(ours.fileno(), READ, visit)
        theirs.send(b"before")
        loop.exchange(POLLERS[after]())
        loop.run()
        theirs.send(b"after")
        loop.run()
    loop.close()
    assert seen == ["before", "after"]
    assert loop.poller.name == after


def test_a_backend_that_cannot_watch_all_is_refused() -> None:
    loop = Loop(POLLERS["epoll"]())
    held = [socket.socket() for _ in range(1024)]
    loop.add(held[-1].fileno(), READ, lambda mask: None)
    with pytest.raises(ValueError, match="its limit is 1024"):
        loop.exchange(POLLERS["select"]())
    assert loop.poller.name == "epoll"
    loop.close()
    for sock in held:
        sock.close()
