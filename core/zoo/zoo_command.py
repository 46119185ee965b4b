"""What `app.py zoo` does: lists the animals, or lets one or all loose and tells what was seen."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.command_line import ECHO_PORT
from core.zoo.animals import ANIMALS, Animal, find, plan
from core.zoo.client_set import loopback
from core.zoo.source import HttpDesk, LogDesk, Source, echo_address
from core.zoo.visit import Visit, VisitOrder
from core.zoo.witness import Witness

ALL: Final = "all"
_MARKS: Final = {True: "met", False: "NOT MET", None: "not checked"}

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of the command; what is None is found out."""

    name: str | None = None
    host: str | None = None
    port: int | None = None
    seconds: float | None = None
    count: int | None = None
    dashboard: str = "http://127.0.0.1:5000"
    token: str = ""
    data_dir: Path | None = None
    brief: bool = False
    as_json: bool = False


def run(options: Options) -> int:
    """0: all that was expected was seen, 1: not. Raises ZooError and DeskError: nothing was let loose."""
    if options.name is None:
        _list(options.as_json)
        return 0
    animals = list(ANIMALS.values()) if options.name == ALL else [find(options.name)]
    planned = [(animal, *plan(animal, options.count, options.seconds)) for animal in animals]
    desk: Source = HttpDesk(options.dashboard, options.token) if options.data_dir is None else LogDesk(options.data_dir)
    host, port = _target(options)
    loopback(host, port)
    status = desk.status()
    if options.host is None and options.port is None:
        host, port = echo_address(status)
    results = []
    for animal, count, seconds in planned:
        order = VisitOrder(animal=animal, host=host, port=port, count=count, seconds=seconds, brief=options.brief)
        results.append(_let_loose(order, desk, options))
    if options.as_json:
        print(json.dumps(results if options.name == ALL else results[0]))
    return 0 if all(result["met"] for result in results) else 1


def _target(options: Options) -> tuple[str, int]:
    return options.host or "127.0.0.1", options.port or ECHO_PORT


def _let_loose(order: VisitOrder, desk: Source, options: Options) -> Json:
    animal = order.animal
    if not options.as_json:
        print(f"{animal.title} ({animal.name}): {animal.does}")
    progress = _Progress(animal)
    try:
        result = Visit(order, Witness(desk, watches=options.data_dir is None), progress.hear).run()
    finally:
        progress.end()
    if not options.as_json:
        _print(result)
    return result


class _Progress:
    """Says on standard error what the animal does; a line that is overwritten where people look."""

    def __init__(self, animal: Animal) -> None:
        self._name = animal.name
        self._in_place = sys.stderr.isatty()
        self._last = ""

    def hear(self, told: Json) -> None:
        """A line when the stage changes; on a terminal whenever something is told."""
        if "stage" not in told:
            return
        sums = f"{told['connections']} open, {told['sent']:,} B sent, {told['received']:,} B received"
        if self._in_place:
            print(f"\r\033[K{self._name}: {told['stage']}; {sums}", end="", file=sys.stderr, flush=True)
        elif told["stage"] != self._last:
            print(f"{self._name}: {told['stage']}; {sums}", file=sys.stderr, flush=True)
        self._last = told["stage"]

    def end(self) -> None:
        """Leave the line."""
        if self._in_place:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _list(as_json: bool) -> None:
    if as_json:
        print(json.dumps([animal.as_dict() for animal in ANIMALS.values()]))
        return
    width = max(map(len, ANIMALS))
    for animal in ANIMALS.values():
        print(f"{animal.name:<{width}}  {animal.does}")


def _print(result: Json) -> None:
    rows = [("expected", "", "", "seen"), *map(_row, result["expectations"])]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, [*widths, 0], strict=True)).rstrip())
    for note in result["notes"]:
        print(f"  An exception of this model: {note}")
    told = "as expected" if result["met"] else "not as expected"
    print(f"  {result['name']} on {result['model'] or 'an unknown model'}: {told}\n")


def _row(expectation: Json) -> tuple[str, str, str, str]:
    return expectation["name"], expectation["wanted"], _MARKS[expectation["met"]], expectation["seen"]
