"""The charts' history."""

import numpy as np
import pytest

from core.ring.events import RECORD, Kind
from core.ring.records import Records
from core.watch.now.series import MAX_POINTS, Series
from core.watch.now.sums import Sums, by_second

NOW = 1_700_000_000
BOOT = NOW - 100_000


def count(series: Series, *seconds: float, start: int) -> None:
    """Echoes of 10 bytes so many seconds after `start`."""
    records = np.zeros(len(seconds), RECORD)
    records["time"] = [int((start - BOOT + second) * 1e9) for second in seconds]
    records["kind"], records["bytes_in"], records["bytes_out"] = Kind.ECHO, 10, 37
    for second, sums in by_second(Records.of(records, BOOT * 10**9)):
        series.count(second, sums)


def test_events_count_in_the_second_they_happened_in() -> None:
    series = Series()
    count(series, 0.1, 0.2, 2.5, start=NOW - 10)
    answer = series.columns(60, NOW)
    at = answer["time"].index(NOW - 10)
    assert answer["echoes_per_s"][at : at + 3] == [2, None, 1]
    assert answer["bytes_out_per_s"][at] == 74


def test_the_running_second_is_left_out() -> None:
    series = Series()
    count(series, 0.5, start=NOW)
    answer = series.columns(60, NOW)
    assert answer["time"][-1] == NOW - 1
    assert set(answer["echoes_per_s"]) == {None}


def test_gauges_are_what_they_were_last() -> None:
    series = Series()
    for value in (1, 5, 3):
        series.gauge(NOW - 4, {"open": value})
    answer = series.columns(60, NOW)
    assert answer["open"][answer["time"].index(NOW - 4)] == 3


@pytest.mark.parametrize("range_s", [60, 300, 900, 3600, 21_600, 86_400])
def test_every_range_has_a_bounded_number_of_points(range_s: int) -> None:
    series = Series()
    for second in range(0, range_s, 7):
        count(series, 0.0, start=NOW - range_s + second)
    answer = series.columns(range_s, NOW)
    assert 60 <= len(answer["time"]) <= MAX_POINTS
    assert len(answer["time"]) * answer["step"] == range_s
    assert {len(column) for name, column in answer.items() if name not in ("range", "step")} == {len(answer["time"])}


def test_a_coarse_step_is_the_mean_of_what_is_known() -> None:
    series = Series()
    for second in range(NOW - 3600, NOW):
        count(series, 0.0, 0.5, start=second)
    assert set(series.columns(3600, NOW)["echoes_per_s"][:-1]) == {2}
    assert series.columns(21_600, NOW)["echoes_per_s"][-2] == 2


def test_old_steps_give_way() -> None:
    series = Series()
    count(series, 0.0, start=NOW - 7200)
    count(series, 0.0, start=NOW - 3600)
    assert series.columns(3600, NOW)["echoes_per_s"][0] == 1


def test_a_lost_row_without_bytes_takes_no_echo_away() -> None:
    records = np.zeros(2, RECORD)
    records["kind"] = [Kind.ECHO, Kind.LOST]
    records["bytes_in"], records["queue_chunks"] = [7, 0], [0, 3]
    assert Sums.of(Records.of(records, 0)) == Sums(events=2, lost=3, echoes=1, bytes_in=7)


@pytest.mark.parametrize("range_s", [0, 59, 86_401])
def test_a_range_outside_is_an_error(range_s: int) -> None:
    with pytest.raises(ValueError, match="range must be between 60 and 86400"):
        Series().columns(range_s, NOW)


def test_sums_are_split_at_the_second() -> None:
    records = np.zeros(5, RECORD)
    records["time"] = [0, 999_999_999, 1_000_000_000, 1_000_000_001, 3_000_000_000]
    records["kind"] = [Kind.OPEN, Kind.ECHO, Kind.LOST, Kind.ECHO, Kind.CLOSE]
    records["bytes_in"], records["queue_chunks"] = [0, 7, 100, 5, 0], [0, 0, 9, 0, 0]
    assert list(by_second(Records.of(records, 0))) == [
        (0, Sums(events=2, accepted=1, echoes=1, bytes_in=7)),
        (1, Sums(events=2, lost=9, echoes=1, bytes_in=105)),
        (3, Sums(events=1, closed=1)),
    ]
