"""The zoo of clients: every animal against every model, judged by the server's own record."""

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from echo_server import EchoServer, receive
from waiting import DEADLINE_S, wait_until

from core.engine.models import MODELS
from core.ring.events import KINDS, REASONS
from core.watch.kernel.verdict import CODES
from core.watch.now.table import STATES
from core.zoo.animal_process import perform
from core.zoo.animals import ANIMALS, Animal, find, plan
from core.zoo.check import Expectation, Trace, check, live
from core.zoo.client_set import ClientSet, ZooError, loopback
from core.zoo.signature import expected

COUNTS = {"connect-storm": 60, "lockstep": 12, "half-closes": 2, "resets": 2}
POLLED_ALIKE = ("busy", "select", "poll", "epoll-et")
"""They share all code with epoll but the poller, which has tests of its own."""
MATRIX = [(name, model) for model in MODELS if model not in POLLED_ALIKE for name in ANIMALS]
MATRIX += [(name, model) for model in POLLED_ALIKE for name in ("never-reads", "half-closes", "resets")]


def traces(server: EchoServer, pen: ClientSet) -> list[Trace]:
    """What the record has of each of the pen's connections, by their ports."""
    opened = {row["port"]: row["conn"] for row in server.rows if row["kind"] == "open"}
    found = []
    for one in pen.clients:
        conn = opened.get(int(one.peer.rpartition(":")[2]), 0)
        found.append(Trace(one.sums(), conn, server.of(conn) if conn else []))
    return found


def is_settled(server: EchoServer, pen: ClientSet) -> bool:
    """Whether all of them are closed."""
    return all(trace.rows and trace.rows[-1]["kind"] == "close" for trace in traces(server, pen))


def answers(server: EchoServer) -> bool:
    """Whether another client is served."""
    with server.connect() as client:
        client.sendall(b"hello")
        return receive(client, 5) == b"hello"


class Keeper:
    """Has seen enough once the animal shows what it can show; then asks the server to serve another one."""

    def __init__(self, server: EchoServer, animal: Animal, model: str, count: int) -> None:
        self.served_meanwhile = False
        self._server = server
        self._model = model
        self._kinds = set(expected(animal.signature, model, count).signature.kinds) - {"eof", "close"}

    def __call__(self) -> bool:
        if not self._kinds <= {row["kind"] for row in self._server.rows}:
            return False
        # One that serves one at a time serves nobody else meanwhile: that is what it is there to show.
        if self._model != "blocking" and not self.served_meanwhile:
            self.served_meanwhile = answers(self._server)
        return True


def unmet(found: list[Expectation]) -> list[Expectation]:
    return [one for one in found if one.met is False]


@pytest.mark.parametrize(("name", "model"), MATRIX)
def test_every_animal_on_every_kind_of_model(tmp_path: Path, name: str, model: str) -> None:
    server = EchoServer(tmp_path, model=model, reply="echo")
    animal, count = ANIMALS[name], COUNTS.get(name, 1)
    keeper = Keeper(server, animal, model, count)
    pen = ClientSet(loopback(*server.address), count, 60.0, enough=keeper)
    assert perform(animal, pen) == ""
    wait_until(lambda: is_settled(server, pen), "all are closed")
    signature = expected(animal.signature, model, count).signature
    assert unmet(check(signature, traces(server, pen), watched=False)) == []
    assert keeper.served_meanwhile or model == "blocking"
    assert answers(server)
    server.stop()
    assert server.error is None


@pytest.mark.parametrize("model", ["epoll", "threads", "blocking"])
@pytest.mark.parametrize("name", ["never-reads", "says-nothing", "lockstep"])
def test_several_at_once_and_stamped(tmp_path: Path, model: str, name: str) -> None:
    server = EchoServer(tmp_path, model=model)
    animal = ANIMALS[name]
    signature = expected(animal.signature, model, 3).signature
    wanted = set(signature.kinds) - {"eof", "close"}
    pen = ClientSet(loopback(*server.address), 3, 60.0, enough=lambda: wanted <= {row["kind"] for row in server.rows})
    assert perform(animal, pen) == ""
    wait_until(lambda: is_settled(server, pen), "all are closed")
    assert unmet(check(signature, traces(server, pen), watched=False)) == []
    server.stop()


@pytest.mark.parametrize("name", ["never-reads", "reads-slowly", "tiny-window"])
def test_what_a_server_that_was_held_up_did_not_take_is_offered_again(tmp_path: Path, name: str) -> None:
    server = EchoServer(tmp_path, reply="echo")
    release = threading.Event()
    server.server.loop.call_soon(lambda: release.wait(DEADLINE_S) and None)
    filled = ("holding", "reading a byte a second", "sipping")
    pen = ClientSet(
        loopback(*server.address),
        1,
        20.0,
        enough=lambda: "pause" in server.kinds(1),
        tell=lambda told: release.set() if told.get("stage") in filled else None,
    )
    assert perform(ANIMALS[name], pen) == ""
    assert "pause" in server.kinds(1)
    server.stop()


def test_those_that_are_refused_are_told_apart(tmp_path: Path) -> None:
    server = EchoServer(tmp_path, max_connections=2)
    pen = ClientSet(loopback(*server.address), 4, 0.5)
    assert perform(ANIMALS["says-nothing"], pen) == ""
    wait_until(lambda: sum(row["kind"] == "close" for row in server.rows) == 2, "two are closed")
    found = traces(server, pen)
    refused = {row["port"]: row["reason"] for row in server.rows if row["kind"] == "refuse"}
    for trace in found:
        trace.refused = refused.get(int(trace.sums["peer"].rpartition(":")[2]), "")
    told = check(ANIMALS["says-nothing"].signature, found, watched=False)
    assert unmet(told) == []
    assert told[0].seen == "2 of 4, 2 refused: limit"
    server.stop()


def test_what_blocking_cannot_show_is_named() -> None:
    stuck = expected(ANIMALS["never-reads"].signature, "blocking", 3)
    assert "pause" not in stuck.signature.kinds
    assert stuck.signature.states == ("blocked",)
    assert stuck.signature.at_least_one
    assert stuck.notes[0].startswith("blocking reads nothing while a reply waits")
    assert len(stuck.notes) == 2
    assert expected(ANIMALS["resets"].signature, "blocking", 3).notes == ()
    assert expected(ANIMALS["never-reads"].signature, "epoll", 3).notes == ()


# -- the catalogue


def test_names_are_those_of_the_record_and_the_watch() -> None:
    for animal in ANIMALS.values():
        signature = animal.signature
        assert {*signature.kinds, *signature.never} <= set(KINDS)
        assert signature.reason in REASONS
        assert set(signature.states) <= set(STATES)
        assert set(signature.verdicts) <= CODES.keys()
        assert animal.does.endswith(".")
        assert animal.watch.endswith(".")
        assert 1 <= animal.count <= animal.most


def test_no_stamp_has_what_the_zoo_sends() -> None:
    import time

    from core.zoo.animal_client import PAYLOAD

    assert PAYLOAD.decode() not in time.ctime()


@pytest.mark.parametrize(
    ("count", "seconds", "named"), [(0, None, "not 0"), (9, None, "1 to 8"), (None, 1e9, "2 to 120")]
)
def test_a_visit_is_bounded(count: int | None, seconds: float | None, named: str) -> None:
    with pytest.raises(ZooError, match=named):
        plan(find("never-reads"), count, seconds)


def test_an_animal_that_there_is_not() -> None:
    with pytest.raises(ZooError, match=r'no "unicorn" in the zoo; there are never-reads, '):
        find("unicorn")


@pytest.mark.parametrize("host", ["192.0.2.1", "8.8.8.8", "0.0.0.0", "2001:db8::1"])
def test_loopback_only(host: str) -> None:
    with pytest.raises(ZooError, match="loopback addresses only"):
        loopback(host, 21567)


def test_loopback_by_name() -> None:
    assert loopback("localhost", 7)[1][0] == "127.0.0.1"
    assert loopback("::1", 7)[0] is socket.AF_INET6


# -- what is expected, against made-up rows


def trace(kinds: str, sums: dict[str, Any] | None = None, **last: Any) -> Trace:
    """A connection with these rows, the last of which has other values."""
    rows = [{"kind": kind, "bytes_in": 0, "bytes_out": 0, "queue_bytes": 0, "reason": ""} for kind in kinds.split()]
    rows[-1] |= {"reason": "peer", **last}
    none = {"peer": "127.0.0.1:1", "sent": 0, "received": 0, "echoed": 0, "messages": 0}
    return Trace({**none, **(sums or {})}, 1, rows)


def judged(name: str, *traces: Trace) -> dict[str, bool | None]:
    return {one.name: one.met for one in check(ANIMALS[name].signature, traces, watched=False)}


def test_all_is_met() -> None:
    assert judged("says-nothing", trace("open eof close")) == {
        "connections": True,
        "rows": True,
        "bytes": True,
        "close reason": True,
        "state": None,
        "verdict": None,
    }


@pytest.mark.parametrize(
    ("what", "one"),
    [
        ("connections", trace("open open eof close")),
        ("connections", trace("open close eof")),
        ("connections", trace("eof close")),
        ("rows", trace("open close")),
        ("rows", trace("open full eof close")),
        ("bytes", trace("open eof close", {"sent": 5})),
        ("bytes", trace("open eof close", {"sent": 5, "echoed": 5, "received": 5})),
        ("close reason", trace("open eof close", reason="reset")),
        ("close reason", trace("open eof")),
    ],
)
def test_what_is_not_met(what: str, one: Trace) -> None:
    assert judged("says-nothing", one)[what] is False


def test_each_connection_counts() -> None:
    assert judged("says-nothing", trace("open eof close"), trace("open close"))["rows"] is False
    assert judged("says-nothing")["connections"] is False


def test_what_was_left_and_what_was_read_at_once() -> None:
    gone = trace("open echo full pause close", reason="reset", queue_bytes=9)
    assert judged("walks-away", gone)["left behind"] is True
    gone.rows[-1]["queue_bytes"] = 0
    assert judged("walks-away", gone)["left behind"] is False
    assert judged("lockstep", trace("open echo eof close", {"messages": 2}))["reads"] is False


def test_state_and_verdict() -> None:
    one = trace("open eof close")
    one.states, one.verdicts = ("open", "closed"), ("fine", "closed")
    state, verdict = check(ANIMALS["says-nothing"].signature, [one])[-2:]
    assert state == Expectation("state", "open", True, "open")
    assert verdict == Expectation("verdict", "idle", False, "fine")


def test_one_that_was_listed_only_after_its_end_tells_nothing_of_its_life() -> None:
    signature = ANIMALS["lockstep"].signature
    alive, late = Trace({"peer": "a"}), Trace({"peer": "b"})
    late.see("closed", "closed", "The peer ended it.")
    assert [(one.met, one.seen) for one in live(signature, [late])] == [(False, "never listed")] * 2
    alive.see("open", "fine", "All is well.")
    assert [(one.met, one.seen) for one in live(signature, [alive, late])] == [(True, "open"), (True, "fine")]
    late.see("paused", "peer_not_reading", "The peer is not reading.")
    assert [one.met for one in live(signature, [alive, late])] == [False, False]
