"""The charts' history on disk, and the book of runs."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.watch.now.series import GAUGES, RATES, Series
from core.watch.now.sums import Sums
from core.watch.then import history
from core.watch.then.history import HistoryWriter, counted, list_files, read_history
from core.watch.then.runs import FILE, Run, RunBook, read_runs, run_at

NOW = 1_795_442_400

ROWS = st.lists(
    st.tuples(st.integers(0, 200), st.sampled_from(["count", "gauge"]), st.integers(0, 9)), min_size=1, max_size=60
)


def fill(series: Series, rows: list[tuple[int, str, int]]) -> None:
    for second, kind, number in rows:
        if kind == "count":
            series.count(NOW + second, Sums(echoes=number, bytes_in=10 * number))
        else:
            series.gauge(NOW + second, {"open": number, "loop_busy": number / 10})


def same(one: Series, other: Series) -> bool:
    return all(one.columns(range_s, NOW + 201) == other.columns(range_s, NOW + 201) for range_s in (300, 86_400))


@given(ROWS, st.integers(1, 59))
def test_what_is_loaded_is_what_was_there(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, int]], cut: int
) -> None:
    directory = tmp_path_factory.mktemp("history")
    series, writer = Series(), HistoryWriter(directory)
    rows.sort()  # gauges come in the order of time
    for part in filter(None, (rows[:cut], rows[cut:])):
        fill(series, part)
        writer.append(series.news(), {})
    writer.close()
    loaded = Series()
    loaded.load(read_history(directory, NOW + 201))
    assert same(loaded, series)
    assert series.news() == {}


def test_what_could_not_be_kept_is_kept_later(tmp_path: Path) -> None:
    series = Series()
    fill(series, [(0, "count", 3), (0, "gauge", 5)])
    news = series.news()
    fill(series, [(0, "count", 2), (0, "gauge", 6), (1, "count", 1)])
    series.put_back(news)
    again = series.news()
    assert {second - NOW: (row["echoes"], row.get("open")) for second, row in again.items()} == {
        0: (5, 6),
        1: (1, None),
    }


def append(writer: HistoryWriter, second: int, echoes: float = 1.0, **marks: int) -> None:
    news = {second: dict.fromkeys(RATES, 0.0) | {"echoes": echoes}}
    writer.append(news, {int(name.removeprefix("w")): seq for name, seq in marks.items()})


def seconds(directory: Path, last: int = NOW + 100_000, range_s: int = 200_000) -> list[int]:
    found: list[int] = read_history(directory, last, range_s)["second"].tolist()
    return found


def test_a_range_is_what_is_read(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path)
    for second in range(0, 20_000, 500):
        append(writer, NOW + second)
    writer.close()
    assert len(list_files(tmp_path / history.FOLDER)) == 5
    assert seconds(tmp_path, NOW + 9000, 2000) == [NOW + 7000, NOW + 7500, NOW + 8000, NOW + 8500]


def test_what_was_not_told_is_not_known(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path)
    append(writer, NOW)
    writer.close()
    rows = read_history(tmp_path, NOW + 1)
    assert all(np.isnan(rows[name]).all() for name in GAUGES)
    series = Series()
    series.load(rows)
    assert set(series.columns(60, NOW + 1)["open"]) == {None}


@pytest.mark.parametrize("cut", [1, 7, 100, 300])
def test_a_torn_tail_is_left_out_and_nothing_else(tmp_path: Path, cut: int) -> None:
    writer = HistoryWriter(tmp_path)
    append(writer, NOW, w1=5)
    ((_, path),) = list_files(tmp_path / history.FOLDER)
    whole = path.stat().st_size
    append(writer, NOW + 1, w1=9)
    path.write_bytes(path.read_bytes()[: max(whole, path.stat().st_size - cut)])
    assert seconds(tmp_path) == [NOW]
    assert counted(tmp_path) == ({1: 5}, NOW)
    again = HistoryWriter(tmp_path)
    append(again, NOW + 2, w0=3)
    again.close()
    writer.close()
    assert seconds(tmp_path) == [NOW, NOW + 2]
    assert counted(tmp_path) == ({0: 3, 1: 5}, NOW + 2)


def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path)
    append(writer, NOW)
    writer.close()
    folder = tmp_path / history.FOLDER
    (folder / f"{NOW + 5:010d}.arrows").write_bytes(b"nothing of ours")
    with pa.ipc.new_stream(folder / f"{NOW + 6:010d}.arrows", pa.schema([("x", pa.int8())])):
        pass
    assert seconds(tmp_path) == [NOW]


def test_the_oldest_files_are_dropped(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path)
    for hour in range(4):
        append(writer, NOW + 3600 * hour)
    writer.retain(NOW + 2 * 3600 + 1)
    assert seconds(tmp_path) == [NOW + 7200, NOW + 10_800]
    writer.close()


def test_a_file_that_is_complete_is_one_batch(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path)
    for second in range(5):
        append(writer, NOW + second, w1=second)
    append(writer, NOW + 4000, w1=99)
    writer.close()
    (_, first), _ = list_files(tmp_path / history.FOLDER)
    with pa.ipc.open_stream(first) as reader:
        assert len(list(reader)) == 1
    assert seconds(tmp_path) == [*range(NOW, NOW + 5), NOW + 4000]


def test_after_a_failed_write_a_new_file_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write_batch(self, *_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

    writer = HistoryWriter(tmp_path)
    append(writer, NOW)
    monkeypatch.setattr(writer, "_writer", Full())
    with pytest.raises(OSError, match="No space"):
        append(writer, NOW + 1)
    append(writer, NOW + 2)
    writer.close()
    assert seconds(tmp_path) == [NOW, NOW + 2]


class TestRuns:
    def run(self, begun: int, model: str = "epoll") -> Run:
        return Run(begun, begun, begun - 5, {0: 3}, {0: 7, 1: 0}, {"model": model})

    def test_a_run_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        RunBook(tmp_path).begin(self.run(10), None)
        RunBook(tmp_path).begin(self.run(20, "poll"), None)
        assert read_runs(tmp_path) == [self.run(10), self.run(20, "poll")]

    def test_the_run_of_a_moment(self, tmp_path: Path) -> None:
        book = RunBook(tmp_path)
        for begun in (10, 20):
            book.begin(self.run(begun), None)
        book.switch(25, "select")
        runs = read_runs(tmp_path)
        found = [run_at(runs, time) for time in (9, 10, 19, 20, 25, 99)]
        assert [run and (run.begun, run.about["model"]) for run in found] == [
            None,
            (10, "epoll"),
            (10, "epoll"),
            (20, "epoll"),
            (20, "select"),
            (20, "select"),
        ]

    def test_runs_older_than_the_log_are_forgotten(self, tmp_path: Path) -> None:
        book = RunBook(tmp_path)
        for begun in (10, 20, 30):
            book.begin(self.run(begun), None)
        book.begin(self.run(40), 25)
        assert [run.begun for run in read_runs(tmp_path)] == [20, 30, 40]

    @pytest.mark.parametrize(
        "line", ["", "{", '{"version": 2}', '{"version": 1}', "[]", '"x"', '{"version": 1, "a": 1}']
    )
    def test_a_line_that_is_not_ours_is_passed_over(self, tmp_path: Path, line: str) -> None:
        RunBook(tmp_path).begin(self.run(10), None)
        with (tmp_path / FILE).open("a") as file:
            file.write(line)
        assert read_runs(tmp_path) == [self.run(10)]

    def test_a_directory_without_any(self, tmp_path: Path) -> None:
        assert read_runs(tmp_path) == []
