"""Bounded work: few answers at once, some wait, the rest are told to come again."""

import threading

import pytest
from fake_monitor import FakeMonitor
from waiting import DEADLINE_S, wait_until

from web import create_app
from web.api.bounded import AT_ONCE, WAITING, Bounded
from web.api.problems import ProblemError


def wanted() -> bool:
    return True


def test_whoever_finds_no_place_is_refused() -> None:
    bounded = Bounded(at_once=1, waiting=0)
    with bounded.work(wanted), pytest.raises(ProblemError) as refused, bounded.work(wanted):
        pass
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
    with bounded.work(wanted):
        pass


def test_whoever_waits_too_long_is_refused() -> None:
    bounded = Bounded(at_once=1, waiting=1, patience_s=0.0)
    with bounded.work(wanted), pytest.raises(ProblemError, match="too many"), bounded.work(wanted):
        pass


def is_full(bounded: Bounded) -> bool:
    """Whether one more is refused at once."""
    if bounded._seats.acquire(blocking=False):
        bounded._seats.release()
        return False
    return True


def test_a_question_that_was_withdrawn_while_it_waited_is_not_answered() -> None:
    bounded = Bounded(at_once=1, waiting=1, patience_s=DEADLINE_S)
    refused: list[ProblemError] = []

    def wait() -> None:
        try:
            with bounded.work(lambda: False):
                pass
        except ProblemError as error:
            refused.append(error)

    with bounded.work(lambda: False):  # one that need not wait is answered, even if it looks as if it had gone
        waiting = threading.Thread(target=wait)
        waiting.start()
        wait_until(lambda: is_full(bounded), "it waits")
    waiting.join(DEADLINE_S)
    assert "has gone" in str(refused[0])
    with bounded.work(wanted):
        pass


class Held:
    """Answers about connections that wait until they are let go."""

    def __init__(self, monitor: FakeMonitor) -> None:
        self._answer = monitor.connections
        self._go = threading.Semaphore(0)
        self.began = threading.Semaphore(0)
        monitor.connections = self.answer  # type: ignore[method-assign, assignment]

    def answer(self, q: str, sort: str, limit: int, offset: int, at: int | None = None) -> dict[str, object]:
        self.began.release()
        assert self._go.acquire(timeout=DEADLINE_S)
        return self._answer(q, sort, limit, offset, at)

    def let_go(self, count: int) -> None:
        self._go.release(count)


def test_many_lists_leave_threads_for_others(monitor: FakeMonitor) -> None:
    held, app = Held(monitor), create_app(monitor)
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(app.test_client().get("/api/v1/connections").status_code)

    threads = [threading.Thread(target=ask) for _ in range(AT_ONCE + WAITING + 4)]
    for thread in threads:
        thread.start()
    for _ in range(AT_ONCE):
        assert held.began.acquire(timeout=DEADLINE_S)
    wait_until(lambda: len(statuses) >= 4, "those for whom there is no room are refused at once")
    assert set(statuses) == {503}
    assert app.test_client().get("/healthz").status_code == 200
    assert app.test_client().get("/api/v1/status").status_code == 200
    held.let_go(len(threads))
    for thread in threads:
        thread.join(DEADLINE_S)
    assert statuses.count(200) >= AT_ONCE
    assert set(statuses) == {200, 503}
