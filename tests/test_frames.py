"""The hub: credit, sharing, skipping, silence. A clock of our own, no sockets."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from web.api.parameters import Watch, WatchConnection, WatchConnections, WatchEvents, WatchOverview
from web.live.frames import (
    LARGE,
    LONGEST_PAUSE_S,
    MOST_FRAMES_S,
    QUICK_S,
    SILENCE_S,
    TICK_S,
    Frame,
    Hub,
    Outlets,
    Sources,
)

OVERVIEW = WatchOverview(view="overview")
TABLE = WatchConnections(view="connections")


class World:
    """A hub with a clock that is set by hand, and what it sent."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.cpu = 0.0
        self.cost = 0.0
        self.computed: list[Watch] = []
        self.sent: list[tuple[str, Frame, Callable[[], None]]] = []
        self.cut: list[str] = []
        self.state: Any = "state"
        self.sign = 0
        self.woken = 0
        sources = Sources(self._compute, lambda asked: self.sign if asked.view == "overview" else None)
        self.hub = Hub(sources, Outlets(self._send, self.cut.append, self._wake), lambda: self.now, lambda: self.cpu)

    def _compute(self, asked: Watch) -> Any:
        self.computed.append(asked)
        self.cpu += self.cost
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    def _send(self, sid: str, frame: Frame, arrived: Callable[[], None]) -> None:
        self.sent.append((sid, frame, arrived))

    def _wake(self) -> None:
        self.woken += 1

    def happen(self) -> None:
        """Something that the Overview shows, and no other view."""
        self.sign += 1
        self.hub.news()

    def viewer(self, sid: str, *views: Watch) -> None:
        assert self.hub.add(sid, 100)
        for view in views:
            self.hub.watch(sid, view)

    def tick(self, later: float = 0.0) -> list[str]:
        """The frames of a tick, `later` seconds on."""
        self.now += later
        before = len(self.sent)
        self.hub.tick()
        return [frame.text for _, frame, _ in self.sent[before:]]

    def acknowledge(self) -> None:
        for _, _, arrived in self.sent:
            arrived()


@pytest.fixture
def world() -> World:
    return World()


def test_first_frame_comes_at_once(world: World) -> None:
    world.viewer("a", OVERVIEW)
    (text,) = world.tick()
    assert text.startswith('{"view":"overview","n":1,"time":"')
    assert text.endswith('Z","data":"state"}')


def test_no_second_frame_without_acknowledgement(world: World) -> None:
    world.viewer("a", OVERVIEW)
    world.tick()
    assert world.tick(5.0) == []


def test_acknowledged_view_gets_the_newest_state(world: World) -> None:
    world.viewer("a", OVERVIEW)
    world.tick()
    world.state = "old"
    world.tick(1.0)
    world.state = "new"
    world.acknowledge()
    (text,) = world.tick(1.0)
    assert '"n":2' in text
    assert '"data":"new"' in text


def test_credit_is_per_view(world: World) -> None:
    world.viewer("a", OVERVIEW, TABLE)
    world.tick()
    table = next(arrived for _, frame, arrived in world.sent if "connections" in frame.text)
    table()
    assert ['"view":"connections"' in text for text in world.tick(1.0)] == [True]


def test_frames_keep_their_period(world: World) -> None:
    world.viewer("a", OVERVIEW)
    world.tick()
    world.acknowledge()
    assert world.tick(TICK_S) == []
    assert len(world.tick(TICK_S)) == 1


def test_equal_requests_are_computed_once(world: World) -> None:
    for number in range(20):
        world.viewer(f"v{number}", WatchConnections(view="connections", q="kind:full"))
    assert len(world.tick()) == 20
    assert len(world.computed) == 1


def test_different_requests_are_computed_each(world: World) -> None:
    world.viewer("a", WatchConnection(view="connection", conn=1))
    world.viewer("b", WatchConnection(view="connection", conn=2))
    world.tick()
    assert len(world.computed) == 2


def test_own_source_is_taken_only_with_credit(world: World) -> None:
    takes: list[int] = []
    world.viewer("a")
    world.hub.watch("a", WatchEvents(view="events"), lambda _tick: takes.append(1) or "{}")  # type: ignore[func-returns-value]
    world.tick()
    world.tick(1.0)
    assert len(takes) == 1


def test_second_watch_replaces_and_goes_on_counting(world: World) -> None:
    world.viewer("a", TABLE)
    world.tick()
    world.hub.watch("a", WatchConnections(view="connections", q="state:open"))
    assert world.tick(1.0) == []
    world.acknowledge()
    (text,) = world.tick()
    assert '"n":2' in text
    assert world.computed[-1] == WatchConnections(view="connections", q="state:open")


def test_stale_acknowledgement_gives_no_credit(world: World) -> None:
    world.viewer("a", OVERVIEW)
    world.tick()
    world.acknowledge()
    world.tick(1.0)
    world.sent[0][2]()
    assert world.tick(1.0) == []


def test_unwatch_ends_the_frames(world: World) -> None:
    world.viewer("a", OVERVIEW)
    world.tick()
    world.acknowledge()
    world.hub.unwatch("a", "overview")
    assert world.tick(5.0) == []


def test_watching_again_after_unwatch_goes_on_counting(world: World) -> None:
    world.viewer("a", OVERVIEW)
    world.tick()
    world.acknowledge()
    world.hub.unwatch("a", "overview")
    world.hub.watch("a", OVERVIEW)
    assert '"n":2' in world.tick()[0]


def test_silent_viewer_is_cut(world: World) -> None:
    world.viewer("a", OVERVIEW)
    world.tick()
    world.tick(SILENCE_S - 1)
    assert world.cut == []
    world.tick(1.0)
    assert world.cut == ["a"]


def test_any_acknowledgement_breaks_the_silence(world: World) -> None:
    world.viewer("a", OVERVIEW, TABLE)
    world.tick()
    world.now += SILENCE_S - 1
    world.sent[0][2]()
    world.tick(2.0)
    assert world.cut == []
    world.tick(SILENCE_S)
    assert world.cut == ["a"]


def test_viewer_that_watches_nothing_is_not_silent(world: World) -> None:
    world.viewer("a")
    world.tick(10 * SILENCE_S)
    assert world.cut == []


def test_acknowledgement_of_a_gone_viewer_is_harmless(world: World) -> None:
    world.viewer("a", OVERVIEW)
    world.tick()
    world.hub.remove("a")
    world.acknowledge()
    assert len(world.hub) == 0


def test_replaced_while_computing_sends_nothing_old(world: World) -> None:
    world.viewer("a")
    replacement = WatchEvents(view="events", q="kind:full")
    world.hub.watch("a", WatchEvents(view="events"), lambda _tick: world.hub.watch("a", replacement, lambda _: '"new"'))
    assert world.tick() == []
    assert '"data":"new"' in world.tick()[0]


def test_failing_monitor_leaves_the_others_alone(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.viewer("a", OVERVIEW)
    world.viewer("b")
    world.hub.watch("b", WatchEvents(view="events"), lambda _tick: "[]")
    world.state = RuntimeError("broken")
    assert len(world.tick()) == 1
    assert "broken" in caplog.text


def test_dear_frames_come_less_often(world: World) -> None:
    world.cost = 0.1
    world.viewer("a", TABLE)
    for _ in range(2):
        assert len(world.tick(TICK_S)) == 1
        world.acknowledge()
    assert world.tick(TICK_S) == []
    assert len(world.tick(10.0)) == 1


def test_nothing_is_looked_at_until_something_is_due(world: World) -> None:
    assert world.hub.tick() is None
    world.viewer("a", OVERVIEW)
    world.now = 1000.01
    assert world.hub.tick() == pytest.approx(OVERVIEW.period - 0.01)
    world.acknowledge()
    assert world.woken == 0


def test_who_is_silent_is_looked_at_all_the_same(world: World) -> None:
    world.viewer("a", OVERVIEW)
    world.tick()
    world.now += 5
    assert world.hub.tick() == LONGEST_PAUSE_S


def test_a_late_acknowledgement_asks_for_the_frame_that_is_due(world: World) -> None:
    world.viewer("a", OVERVIEW)
    world.tick()
    world.now += OVERVIEW.period
    world.acknowledge()
    assert world.woken == 1
    assert world.hub.tick() == pytest.approx(OVERVIEW.period)


def test_what_happened_is_told_before_the_time(world: World) -> None:
    world.viewer("a", OVERVIEW, TABLE)
    world.tick()
    world.acknowledge()
    world.happen()
    assert world.woken == 1
    assert world.hub.tick() == pytest.approx(2 / MOST_FRAMES_S)
    (text,) = world.tick(QUICK_S)
    assert '"view":"overview","n":2' in text
    world.acknowledge()
    assert world.tick(QUICK_S) == []


def test_early_frames_keep_a_distance_that_steady_ones_do_not_ask_for(world: World) -> None:
    world.viewer("a", OVERVIEW)
    world.tick()
    world.acknowledge()
    world.happen()
    assert len(world.tick(QUICK_S / 4)) == 1
    world.acknowledge()
    world.happen()
    assert world.tick(QUICK_S / 2) == []
    assert len(world.tick(QUICK_S)) == 1


def test_news_that_no_one_shows_wake_no_one(world: World) -> None:
    world.hub.news()
    world.viewer("a", OVERVIEW, TABLE)
    world.tick()
    world.acknowledge()
    world.hub.news()
    assert world.woken == 0


def test_much_news_is_one_wake_up(world: World) -> None:
    world.viewer("a", OVERVIEW)
    world.tick()
    for _ in range(10):
        world.happen()
    assert world.woken == 1


def test_a_source_that_has_nothing_is_asked_again_with_the_next_news(world: World) -> None:
    answers = [None, None, "[1]"]
    world.viewer("a")
    world.hub.watch("a", WatchEvents(view="events"), lambda _tick: answers.pop(0))
    assert world.hub.tick() == pytest.approx(WatchEvents.period)
    world.hub.news()
    assert world.tick() == []
    world.hub.news()
    assert len(world.tick()) == 1


def test_a_source_that_is_ready_while_it_is_asked_is_asked_again_at_once(world: World) -> None:
    answers = [None, "[1]"]

    def take(_tick: float) -> str | None:
        world.hub.news()
        return answers.pop(0)

    world.viewer("a")
    world.hub.watch("a", WatchEvents(view="events"), take)
    assert world.hub.tick() == 0.0
    assert len(world.tick()) == 1


def test_what_happened_before_the_acknowledgement_is_told_after_it(world: World) -> None:
    world.viewer("a", OVERVIEW)
    world.tick()
    world.happen()
    assert world.tick(QUICK_S) == []
    world.acknowledge()
    assert world.woken == 2
    assert len(world.tick()) == 1


def test_what_is_large_is_followed_at_the_steady_pace(world: World) -> None:
    world.viewer("a", OVERVIEW)
    world.state = "x" * LARGE
    world.tick()
    world.acknowledge()
    world.happen()
    assert world.tick(QUICK_S) == []
    assert len(world.tick(OVERVIEW.period)) == 1


def test_no_one_is_told_early_of_the_past(world: World) -> None:
    assert OVERVIEW.quick
    assert not WatchOverview(view="overview", at="10s").quick
    assert not WatchEvents(view="events", at="10s").quick


def test_many_viewers_are_not_all_told_at_once_of_everything(world: World) -> None:
    for number in range(60):
        world.viewer(f"viewer {number}", OVERVIEW)
    sent = len(world.tick())
    for _ in range(400):
        world.acknowledge()
        world.happen()
        sent += len(world.tick(0.05))
    assert sent / 21 <= MOST_FRAMES_S


def test_most_viewers(world: World) -> None:
    assert world.hub.add("a", 1)
    assert not world.hub.add("b", 1)


@pytest.mark.parametrize(("viewers", "most"), [(1, 4.0), (10, MOST_FRAMES_S), (60, MOST_FRAMES_S)])
def test_many_viewers_share_a_bounded_number_of_frames(world: World, viewers: int, most: float) -> None:
    for number in range(viewers):
        world.viewer(f"viewer {number}", TABLE)
    world.tick()
    sent = 0
    for _ in range(round(20 / TICK_S)):
        world.acknowledge()
        sent += len(world.tick(TICK_S))
    assert most / 2 < sent / 20
    assert sent / 21 <= most  # both ends of the 20 seconds may have a round of frames


def test_frames_say_of_which_watch_they_are() -> None:
    """The count of a view goes on when it is watched anew, so the number alone does not tell."""
    world = World()
    world.hub.add("a", 8)
    world.hub.watch("a", OVERVIEW, None, 7)
    world.hub.tick()
    world.hub.watch("a", OVERVIEW, None, 8)
    world.hub.acknowledge("a", "overview", 1)
    world.hub.tick()
    frames = [json.loads(frame.text) for _, frame, *_ in world.sent]
    assert [(frame["n"], frame["id"]) for frame in frames] == [(1, 7), (2, 8)]
