"""What a power loss may leave of a data directory: the next start serves, tells, keeps the rest, gives nothing twice.

The files are those of a server that was killed, each in turn emptied, filled with zeros, cut, altered or removed.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_journal import segments
from test_service import Start, closed, rows, say, start  # noqa: F401 - a fixture
from waiting import DEADLINE_S

from core.filter.query import EVENT_FIELDS, parse
from core.log.read.log import Log
from core.replay import Replay
from core.service import Service, Settings

FILES = (
    "ring-0",
    "turns-0",
    "samples-0",
    "runs.jsonl",
    "checkpoints/*",
    "series/*",
    "log/dropped.json",
    "log/*1.parquet",
    "log/*2.arrows",
    "log/*3.arrows",
)


def _zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x20
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "emptied": lambda path: os.truncate(path, 0),
    "zeros": _zeros,
    "cut": lambda path: os.truncate(path, path.stat().st_size * 2 // 3),
    "flip": _flip,
    "removed": Path.unlink,
}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory as a kill leaves it: a sealed segment, a hot one that has ended, and one that was written to."""
    directory, found = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("image")
    for seal_s in (10.0, 0.0, 0.0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("core.log.write.recorder_supervisor.SEAL_S", seal_s)
            patch.setattr("core.log.write.seal_thread.LOOK_S", DEADLINE_S)
            service = Service(Settings(echo_port=0, data_dir=directory, reply="echo"))
            service.start()
            for _ in range(3):
                say(service, b"hello")
            closed(service, 3)
            rows(service)
            shutil.copytree(directory, found, dirs_exist_ok=True)
            service.stop()
    (found / "log" / "dropped.json").write_text('{"segments": 0, "rows": 0, "bytes": 0, "until": null, "through": -1}')
    (found / "log" / "segment-00000001.arrows").unlink()
    return found


def log_rows(directory: Path, q: str = "") -> list[dict[str, Any]]:
    return Log(directory).page(parse(q, EVENT_FIELDS), limit=10_000)[0]


def test_the_image_has_one_file_of_each(image: Path) -> None:
    assert {name: len(list(image.glob(name))) > 0 for name in FILES} == dict.fromkeys(FILES, True)
    assert [path.suffix for path in segments(image)] == [".parquet", ".arrows", ".arrows"]


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_any_file_may_be_damaged(
    image: Path,
    tmp_path: Path,
    start: Start,  # noqa: F811
    capfd: pytest.CaptureFixture[str],
    name: str,
    how: str,
) -> None:
    shutil.copytree(image, tmp_path, dirs_exist_ok=True)
    before = {(row["worker"], row["seq"]): row for row in log_rows(tmp_path)}
    path = max(tmp_path.glob(name))
    DAMAGE[how](path)
    readable = {(row["worker"], row["seq"]) for row in log_rows(tmp_path)}
    replay = Replay(tmp_path)
    replay.start()
    replay.stop()
    capfd.readouterr()

    service = start()
    say(service, b"hello again")
    closed(service, 1)
    after = rows(service)
    told = [line for line in capfd.readouterr().err.splitlines() if line]
    assert service.monitor.health() == (True, "")
    service.stop()

    assert all(line.startswith("echoscope: ") for line in told)
    if how in ("emptied", "zeros"):
        assert any(path.name in line for line in told), told
    assert bool(told) == bool(service.monitor.status()["recorder"]["damaged"])
    keys = [(row["worker"], row["seq"]) for row in after]
    assert Counter(keys).most_common(1)[0][1] == 1, "no number comes twice"
    assert readable <= set(keys), "what could be read can still be read"
    assert all(before.get(key, row) == row for key, row in zip(keys, after, strict=True)), "and is as it was"
    if not name.startswith("log/*"):
        assert set(before) <= set(keys), "the log is whole"
    opened = [row["conn"] for row in after if row["kind"] == "open"]
    known = {row["conn"] for row in before.values()}
    assert len(set(opened)) == len(opened)
    assert opened[-1] > max(known)

    start()
    assert capfd.readouterr().err == "", "it is told once"
