"""The types that the pages are checked with (static/js/live/types.d.ts) against what a server really answers."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import DEADLINE_S, wait_until

from core.ring.events import FIELDS
from core.service import Service, Settings
from core.watch.now.table import STATES

SOURCE = (Path(__file__).parent.parent / "static/js/live/types.d.ts").read_text()
INTERFACES = {
    match["name"]: (match["base"], dict(re.findall(r"^  (\w+\??): (.+);$", match["body"], re.MULTILINE)))
    for match in re.finditer(
        r"^export interface (?P<name>\w+)(?: extends (?P<base>\w+))? \{\n(?P<body>.*?)^\}",
        SOURCE,
        re.MULTILINE | re.DOTALL,
    )
}
ALIASES = dict(re.findall(r"^export type (\w+) = (.+);$", SOURCE, re.MULTILINE))
SIMPLE: dict[str, Any] = {"string": str, "number": (int, float), "boolean": bool, "null": type(None)}


def fields(name: str) -> dict[str, str]:
    """The fields of an interface, inherited ones included: name (with ? where it may be missing) and type."""
    base, own = INTERFACES[name]
    return {**(fields(base) if base else {}), **own}


def split(text: str, sign: str) -> list[str]:
    """The parts of a type at a sign outside all brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "<([") - (letter in ">)]")
        if letter == sign and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def complaints(value: Any, kind: str, where: str) -> list[str]:
    """What is wrong with a value, as one line for each place."""
    choices = split(kind, "|")
    if len(choices) > 1:
        found = [complaints(value, choice, where) for choice in choices]
        return [] if [] in found else min(found, key=len)
    if kind.startswith("(") and kind.endswith(")"):
        return complaints(value, kind[1:-1], where)
    if kind in ALIASES:
        return complaints(value, ALIASES[kind], where)
    if kind in INTERFACES:
        return wrong_fields(value, kind, where)
    if is_right(value, kind):
        return inside(value, kind, where)
    return [f"{where} is {value!r:.60}, not {kind}"]


def is_right(value: Any, kind: str) -> bool:
    """Whether a value is of a type, what is inside of it left aside."""
    if kind in SIMPLE:
        return isinstance(value, SIMPLE[kind]) and isinstance(value, bool) == (kind == "boolean")
    if kind.startswith('"'):
        return bool(value == kind.strip('"'))
    return isinstance(value, dict if kind.startswith("Record<") else (list, tuple))


def inside(value: Any, kind: str, where: str) -> list[str]:
    """What is wrong with the members of a list, a pair or a record."""
    if kind.endswith("[]"):
        return [line for member in value for line in complaints(member, kind[:-2], f"{where}[]")]
    if kind.startswith("["):
        kinds = split(kind[1:-1], ",")
        if len(kinds) != len(value):
            return [f"{where} has {len(value)} members, not {len(kinds)}"]
        return [line for member, of in zip(value, kinds, strict=True) for line in complaints(member, of, f"{where}[]")]
    if kind.startswith("Record<"):
        of = split(kind.removeprefix("Record<")[:-1], ",")[1]
        return [line for name, member in value.items() for line in complaints(member, of, f"{where}.{name}")]
    return []


def wrong_fields(value: Any, name: str, where: str) -> list[str]:
    """What is missing, what no one knows, and what is of another type."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if not isinstance(value, dict):
        return [f"{where} is {value!r:.60}, not {name}"]
    known = {field.removesuffix("?"): kind for field, kind in fields(name).items()}
    needed = {field for field in fields(name) if not field.endswith("?")}
    lines = [f"{where} lacks {field} of {name}" for field in sorted(needed - value.keys())]
    lines += [f"{where}.{field} is not in {name}" for field in sorted(value.keys() - known.keys())]
    for field in known.keys() & value.keys():
        lines += complaints(value[field], known[field], f"{where}.{field}")
    return lines


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server with one connection that has been talked to, and one that was closed."""
    service = Service(Settings(echo_port=0, data_dir=tmp_path_factory.mktemp("data"), reply="echo"))
    service.start()
    with socket.create_connection(service.echo_address, timeout=DEADLINE_S) as sock:
        talk(sock)
        with socket.create_connection(service.echo_address, timeout=DEADLINE_S) as other:
            talk(other)
        wait_until(lambda: service.monitor.connections("state:closed", "conn", 10, 0)["matched"], "a closed connection")
        yield service
    service.stop()


def talk(sock: socket.socket) -> None:
    sock.sendall(b"hello")
    assert sock.recv(100) == b"hello"


ANSWERS = {
    "Status": lambda monitor: monitor.status(),
    "Overview": lambda monitor: monitor.overview(),
    "Connections": lambda monitor: monitor.connections("", "conn", 10, 0),
    "ConnectionDetail": lambda monitor: monitor.connection(1),
    "UnknownConnection": lambda monitor: monitor.unknown(99, monitor.latest()),
    "MapFrame": lambda monitor: monitor.map("conn"),
    "EventsFrame": lambda monitor: monitor.events_until("", None, monitor.latest(), 10),
    "EventsFrame with marks": lambda monitor: monitor.events_until("", None, monitor.latest(), 10, "kind:open"),
    "LoopFrame": lambda monitor: monitor.loop(),
    "EventsPage": lambda monitor: monitor.events("", None, None, 10, None),
    "EventsPage with marks": lambda monitor: monitor.events("", None, None, 10, None, mark="kind:open"),
    "HistogramPage": lambda monitor: monitor.histogram("", None, None, 10, None),
    "Estimate": lambda monitor: monitor.estimate("csv", "", None, None),
    "SeriesAnswer": lambda monitor: monitor.series(60),
    "CourseAnswer": lambda monitor: monitor.course(1, None, None),
    "SpanAnswer": lambda monitor: monitor.span(),
    "FieldsAnswer": lambda monitor: monitor.fields("events"),
    "ValuesAnswer": lambda monitor: monitor.suggest("connections", "peer", ""),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_what_its_type_says(service: Service, name: str) -> None:
    assert complaints(ANSWERS[name](service.monitor), name.split()[0], name) == []


@pytest.mark.parametrize("name", ["Status", "Overview", "Connections", "ConnectionDetail", "MapFrame", "SeriesAnswer"])
def test_so_is_an_answer_of_the_past(service: Service, name: str) -> None:
    monitor = service.monitor
    at = monitor.moment(monitor.span()["until"])
    answers = {
        "Status": lambda: monitor.status(at),
        "Overview": lambda: monitor.overview(at),
        "Connections": lambda: monitor.connections("state:open,closed", "conn", 10, 0, at),
        "ConnectionDetail": lambda: monitor.connection(1, at),
        "MapFrame": lambda: monitor.map("conn", at),
        "SeriesAnswer": lambda: monitor.series(60, at),
    }
    assert complaints(answers[name](), name, name) == []


def test_rows_and_states_are_those_of_the_catalogue() -> None:
    assert list(fields("EventRow")) == list(FIELDS)
    assert [state.strip('" ') for state in ALIASES["ConnectionState"].split("|")] == list(STATES)


@pytest.mark.parametrize(
    ("value", "kind", "complaint"),
    [
        ({"length": 1}, "AcceptQueue", "lacks limit"),
        ({"length": 1, "limit": 2, "more": 3}, "AcceptQueue", "more is not in AcceptQueue"),
        ({"length": True, "limit": 2}, "AcceptQueue", "length is True, not number"),
        ([1, None, "a"], "(number | null)[]", "'a'"),
        ([[1, 2, 3]], "[number, number][]", "3 members, not 2"),
        ("asleep", "ConnectionState", "asleep"),
        ({"a": "b"}, "Record<string, number>", "'b'"),
    ],
)
def test_what_is_wrong_is_found(value: Any, kind: str, complaint: str) -> None:
    assert complaint in " ".join(complaints(value, kind, "it"))
