"""What the benchmarks do with their figures."""

import os
import subprocess
from functools import partial
from pathlib import Path

import pytest

from bench import report
from bench.measure import Delay, Plan, Row, Speed, delay_row, interleaved, ratio_row
from bench.processes import BenchError, children, memory, of_running, over, tree


def test_the_order_rotates_from_round_to_round() -> None:
    order: list[str] = []

    def measure(name: str) -> Speed:
        order.append(name)
        return Speed(1)

    interleaved({name: partial(measure, name) for name in "abc"}, 3)
    assert "".join(order) == "abcbcacab"


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    rounds = [{"a": Speed(a, 30), "b": Speed(10, 10)} for a in (5, 9, 40)]
    row = ratio_row("a against b", rounds, "a", "b", 0.95)
    assert row == Row("a against b", "≥ 0.95", "0.90 (0.50-4.00); 9 / 10 a second; 3.00 by processor time", holds=False)
    assert ratio_row("a against b", rounds, "a", "b", 0.9).holds
    assert ratio_row("a against b", rounds, "a", "b", None).holds is None


def test_reply_times_are_compared_by_their_p99() -> None:
    rounds = [{"a": Delay(10, a), "b": Delay(20, 10)} for a in (5, 12, 40)]
    row = delay_row("a against b", rounds, "a", "b", 1.2)
    assert row == Row("a against b", "≤ 1.20", "1.20 (0.50-4.00); 12 / 10 µs; the median: 10 / 20 µs", holds=True)
    assert delay_row("a against b", rounds, "a", "b", 1.1).holds is False


def test_a_section_replaces_its_own_and_leaves_the_others(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    order = ["first", "second"]
    for name, figure in (("second", "2"), ("first", "1"), ("second", "3")):
        rows = [Row("this", "≥ 1", figure, True), Row("that", "-", "x", None)]
        report.write({name: report.section(name, f"About {name}.", rows, Plan(1, 2))}, order, page)
    text = page.read_text()
    assert text.startswith(f"before\n{report.BEGIN}\n### `first`\n\nAbout first.\n")
    assert text.endswith(f"{report.END}\nafter\n")
    assert [line for line in text.splitlines() if line.startswith("| this")] == [
        "| this | ≥ 1 | 1 | yes |",
        "| this | ≥ 1 | 3 | yes |",
    ]
    assert "old" not in text


def test_a_process_that_has_ended_is_left_out() -> None:
    with subprocess.Popen(["sleep", "60"]) as ended:
        assert ended.pid in tree(os.getpid())
        ended.kill()
    assert over([os.getpid(), ended.pid], memory) > 0
    assert over([ended.pid], memory) == 0
    none: list[int] = []
    assert of_running(ended.pid, children, none) is none
    with pytest.raises(FileNotFoundError):
        of_running(os.getpid(), lambda pid: len(os.listdir(f"/proc/{pid}/nonsense")), 0)


def test_one_that_nobody_has_waited_for_is_left_out() -> None:
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert over([pid], memory) == 0
    os.waitpid(pid, 0)


def test_a_page_without_markers_is_named(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("nothing here")
    with pytest.raises(BenchError, match=r"performance\.md has no"):
        report.write({"this": "table"}, ["this"], page)
    assert page.read_text() == "nothing here"
