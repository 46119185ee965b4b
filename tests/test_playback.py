"""Views of the past: one frame of a moment, or a moment that goes on. A clock of our own, no threads."""

import json
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from conftest import Site
from fake_monitor import FakeMonitor
from test_live import viewing
from waiting import wait_until

from core.bad_value import BadValueError
from web.api.parameters import WatchConnection, WatchConnections, WatchEvents, WatchOverview, parse_watch
from web.live.frames import Last
from web.live.travel import Playback, PlayClock, Travel

SECOND = 10**9


def done(compute: Callable[[], str]) -> Future[str]:
    future: Future[str] = Future()
    future.set_result(compute())
    return future


def playback(speed: float | None, end: float = 1000.0) -> Playback:
    return Playback(lambda at: {"at": at / SECOND}, PlayClock(100 * SECOND, speed), lambda: int(end * SECOND), done)


def frame(view: Playback, now: float) -> dict[str, Any]:
    text = view.take(now)
    assert text is not None
    return {**json.loads(text), "last": isinstance(text, Last)}


def test_a_moment_is_one_frame() -> None:
    assert frame(playback(None), 5.0) == {"at": 100.0, "last": True}


@pytest.mark.parametrize("speed", [0.25, 1.0, 64.0])
def test_the_moment_goes_on_at_its_speed(speed: float) -> None:
    view = playback(speed, end=1e6)
    assert frame(view, 5.0) == {"at": 100.0, "end": False, "last": False}
    assert frame(view, 7.0)["at"] == 100.0 + 2 * speed
    assert frame(view, 9.0)["at"] == 100.0 + 4 * speed


def test_views_of_a_viewer_are_of_one_moment(monitor: FakeMonitor) -> None:
    travel = Travel(monitor, lambda: None)

    def plays(view: str, at: str, viewer: str, speed: float | None = 10.0) -> Playback:
        begun = travel.begin(parse_watch({"view": view, "at": at, "speed": speed}), viewer)  # type: ignore[arg-type]
        begun._submit = done  # type: ignore[method-assign,assignment]
        return begun

    overview = plays("overview", "7", "a")
    assert frame(overview, 100.0)["at"] == str(7 * SECOND)
    late, other = plays("map", "7", "a"), plays("map", "7", "b")
    # Its frame comes after that of the Overview, and the viewer b began later.
    assert [frame(view, 100.9)["at"] for view in (overview, late, other)] == [
        "12000000000",
        "12000000000",
        "7000000000",
    ]
    sorted_anew = plays("connections", "12", "a")
    assert frame(sorted_anew, 101.2)["at"] == frame(overview, 101.4)["at"] == "17000000000"
    elsewhere, slower = plays("connections", "100", "a"), plays("connections", "17", "a", 1.0)
    assert (frame(elsewhere, 101.6)["at"], frame(slower, 101.6)["at"]) == ("100000000000", "17000000000")
    plays("overview", "17", "a", None)
    assert frame(plays("overview", "17", "a", 1.0), 102.0)["at"] == "17000000000"
    travel.stop()


def test_the_end_is_said_once_it_is_reached() -> None:
    view = playback(10.0, end=115.0)
    frame(view, 5.0)
    assert frame(view, 6.0)["end"] is False
    assert frame(view, 9.0) == {"at": 115.0, "end": True, "last": True}


def test_a_moment_that_is_no_longer_held_ends_the_view() -> None:
    def dropped(_at: int) -> dict[str, Any]:
        raise BadValueError("before the log's beginning")

    view = Playback(dropped, PlayClock(0, 1.0), lambda: SECOND, done)
    assert frame(view, 1.0) == {"error": "before the log's beginning", "end": True, "last": True}


def test_nothing_is_waited_for() -> None:
    futures: list[Future[str]] = []

    def later(_compute: Callable[[], str]) -> Future[str]:
        futures.append(Future())
        return futures[-1]

    view = Playback(lambda at: {}, PlayClock(0, 1.0), lambda: SECOND, later)
    assert [view.take(now) for now in (1.0, 2.0, 3.0)] == [None, None, None]
    assert len(futures) == 1
    futures[0].set_result("{}")
    assert view.take(4.0) == "{}"


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"view": "overview", "at": "yesterday"}, "bad time"),
        ({"view": "overview", "speed": 2.0}, 'needs a moment to play from: "at"'),
        ({"view": "overview", "at": "7", "speed": 0.1}, 'field "speed"'),
        ({"view": "overview", "at": "7", "speed": 65}, 'field "speed"'),
        ({"view": "overview", "at": "7", "speed": "fast"}, 'field "speed"'),
        ({"view": "overview", "at": 7}, 'field "at"'),
        ({"view": "connections", "at": "7", "q": "foo:1"}, "unknown field"),
        ({"view": "events", "at": "7", "q": "foo:1"}, "unknown field"),
        ({"view": "map", "at": "7", "sort": "peer"}, "unknown sort"),
        ({"view": "loop", "at": "7"}, 'unknown field "at"'),
    ],
)
def test_what_makes_no_sense_is_told_at_once(site: Site, message: dict[str, Any], error: str) -> None:
    with viewing(site) as viewer:
        answer = viewer.watch(**message)
        assert not answer["ok"]
        assert error in answer["error"]


@pytest.mark.parametrize(
    "asked",
    [
        WatchOverview(view="overview", at="7"),
        WatchConnections(view="connections", at="7"),
        WatchConnection(view="connection", conn=1, at="7"),
        WatchConnection(view="connection", conn=99, at="7"),
        parse_watch({"view": "map", "at": "7"}),
    ],
)
def test_every_view_has_a_past(monitor: FakeMonitor, asked: Any) -> None:
    ready: list[bool] = []
    travel = Travel(monitor, lambda: ready.append(True))
    view = travel.begin(asked)
    text = wait_until(lambda: view.take(0.0), "the frame")
    travel.stop()
    assert json.loads(text)["at"] == str(7 * SECOND)
    assert isinstance(text, Last)
    assert ready


def test_events_follow_the_moment_before(monitor: FakeMonitor) -> None:
    travel = Travel(monitor, lambda: None)
    view = travel.begin(WatchEvents(view="events", at="7", speed=2.0))
    view._submit = done  # type: ignore[method-assign,assignment]
    assert frame(view, 0.0)["after"] is None
    assert frame(view, 1.0)["after"] == 7 * SECOND
    travel.stop()


def test_over_the_wire(site: Site) -> None:
    with viewing(site) as viewer:
        assert viewer.watch(view="overview", at="7") == {"ok": True}
        wait_until(lambda: viewer.of("overview"), "a frame")
        assert viewer.of("overview")[0]["data"]["at"] == str(7 * SECOND)
        assert viewer.watch(view="connections", at="990", speed=64) == {"ok": True}
        wait_until(lambda: viewer.of("connections") and viewer.of("connections")[-1]["data"]["end"], "the end")
        moments = [int(one["data"]["at"]) for one in viewer.of("connections")]
        assert moments == sorted(moments)
        assert moments[-1] == site.monitor.latest()
        assert len(viewer.of("overview")) == 1


def test_back_to_now(site: Site) -> None:
    with viewing(site) as viewer:
        viewer.watch(view="overview", at="7")
        wait_until(lambda: viewer.of("overview"), "a frame")
        viewer.watch(view="overview")
        wait_until(lambda: "at" not in viewer.of("overview")[-1]["data"], "now")


def test_a_replay_has_one_frame_of_the_end(site: Site) -> None:
    site.monitor.is_replay = True
    with viewing(site) as viewer:
        viewer.watch(view="events")
        wait_until(lambda: viewer.of("events"), "a frame")
        assert viewer.of("events")[0]["data"]["at"] == str(site.monitor.latest())


def test_a_view_that_is_no_longer_wanted_is_not_computed() -> None:
    waiting: list[Callable[[], str]] = []
    asked: list[int] = []

    def later(compute: Callable[[], str]) -> Future[str]:
        waiting.append(compute)
        return Future()

    def answer(at: int) -> dict[str, Any]:
        asked.append(at)
        return {}

    left, stays = (Playback(answer, PlayClock(at, None), lambda: SECOND, later) for at in (1, 2))
    for view in (left, stays):
        view.take(0.0)
    del left, view
    for compute in waiting:
        compute()
    assert asked == [2]
