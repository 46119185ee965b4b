"""Events shared between viewers: no row twice, none forgotten without being counted."""

import json
from typing import Any

import pytest
from fake_monitor import FakeMonitor

from web.live.tails import QUIET_S, ROWS, Follower, Tails


class Source:
    """A monitor whose events are numbers that the test adds; even ones are marked when that is asked for."""

    def __init__(self) -> None:
        self.known: list[int] = []
        self.tails = 0
        self.takes = 0
        self.marks = False

    def add(self, *numbers: int) -> None:
        self.known.extend(numbers)

    def tail(self, q: str, mark: str = "") -> "Source":
        self.tails += 1
        self.marks = mark != ""
        return self

    def take(self, limit: int = 100) -> dict[str, Any]:
        self.takes += 1
        news, self.known = self.known, []
        items = news[-limit:]
        answer = {"items": items, "skipped": len(news) - len(items)}
        if not self.marks:
            return answer
        marks = [place for place, number in enumerate(items) if number % 2 == 0]
        return answer | {"marks": marks, "skipped_marks": sum(n % 2 == 0 for n in news) - len(marks)}


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def tails(source: Source) -> Tails:
    return Tails(source)  # type: ignore[arg-type]


def taken(follower: Follower, tick: float) -> tuple[list[int], int]:
    frame = json.loads(follower.take(tick) or "null")
    return frame["items"], frame["skipped"]


def test_first_frame_is_the_newest_known(source: Source, tails: Tails) -> None:
    source.add(1, 2, 3)
    assert taken(tails.follow(""), 1.0) == ([1, 2, 3], 0)


def test_each_row_once(source: Source, tails: Tails) -> None:
    follower = tails.follow("")
    taken(follower, 1.0)
    source.add(1, 2)
    assert taken(follower, 2.0) == ([1, 2], 0)
    assert taken(follower, 3.0) == ([], 0)


def test_nothing_is_said_of_nothing_but_now_and_then(source: Source, tails: Tails) -> None:
    follower = tails.follow("")
    taken(follower, 1.0)
    assert follower.take(1.1) is None
    source.add(1)
    assert taken(follower, 1.2) == ([1], 0)
    assert follower.take(1.2 + QUIET_S / 2) is None
    assert taken(follower, 1.2 + 2 * QUIET_S) == ([], 0)


def test_equal_filters_share_the_work(source: Source, tails: Tails) -> None:
    followers = [tails.follow("kind:full") for _ in range(20)]
    source.add(1)
    assert [taken(follower, 1.0) for follower in followers] == [([1], 0)] * 20
    assert (source.tails, source.takes) == (1, 1)


def test_slow_viewer_gets_what_it_missed(source: Source, tails: Tails) -> None:
    quick, slow = tails.follow(""), tails.follow("")
    taken(quick, 1.0)
    taken(slow, 1.0)
    for tick in (2, 3, 4):
        source.add(tick)
        taken(quick, float(tick))
    assert taken(slow, 5.0) == ([2, 3, 4], 0)


def test_what_is_too_much_is_counted(source: Source, tails: Tails) -> None:
    quick, slow = tails.follow(""), tails.follow("")
    taken(quick, 1.0)
    taken(slow, 1.0)
    source.add(*range(250))
    assert taken(quick, 2.0) == (list(range(150, 250)), 150)
    source.add(*range(250, 260))
    assert taken(slow, 3.0) == (list(range(160, 260)), 160)


def test_late_viewer_begins_with_the_newest(source: Source, tails: Tails) -> None:
    early = tails.follow("")
    source.add(*range(500))
    taken(early, 1.0)
    assert taken(tails.follow(""), 2.0) == (list(range(500 - ROWS, 500)), 0)


def test_marks_are_of_the_rows_that_came_and_of_those_left_out(source: Source, tails: Tails) -> None:
    quick, slow = tails.follow("", "kind:full"), tails.follow("", "kind:full")
    source.add(1, 2, 3, 4)
    first = json.loads(quick.take(1.0) or "")
    assert (first["marks"], first["skipped_marks"]) == ([1, 3], 0)
    slow.take(1.0)
    source.add(*range(250))
    frame = json.loads(quick.take(2.0) or "")
    assert (frame["marks"], frame["skipped_marks"]) == (list(range(0, 100, 2)), 75)
    source.add(251, 252)
    frame = json.loads(slow.take(3.0) or "")
    assert frame["items"][0] == 152
    assert (frame["marks"][0], frame["marks"][-1], frame["skipped_marks"]) == (0, 99, 76)
    assert "marks" not in json.loads(tails.follow("").take(3.0) or "")


def test_unused_tail_is_forgotten(source: Source, tails: Tails) -> None:
    follower = tails.follow("")
    del follower
    tails.follow("")
    assert source.tails == 2


def test_bad_filter() -> None:
    with pytest.raises(ValueError, match="foo"):
        Tails(FakeMonitor()).follow("foo:1")
