"""Verdicts: on sockets that were made to show each case, and on made-up samples."""

import os
import queue
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import namespace
import pytest
from echo_server import EchoServer, receive, reset
from waiting import DEADLINE_S, wait_until

from core.engine.processes.workers import Workers
from core.engine.server.sample import Sample
from core.service import Service, Settings
from core.watch.kernel import facts as kernel
from core.watch.kernel.verdict import CODES, Evidence, judge, size, span

Start = Callable[..., Service]

QUIET: dict[str, Any] = dict.fromkeys(kernel.FACTS, 0) | {"snd_wnd": 65536, "snd_mss": 1448, "rtt": 90, "min_rtt": 20}


def scene(state: str = "open", **values: Any) -> Evidence:
    """A connection whose latest sample differs from a quiet one in `values`."""
    names = Evidence.__dataclass_fields__.keys()
    own = {name: values.pop(name) for name in list(values) if name in names}
    before = own.pop("before", None)
    earlier = None if before is None else {**QUIET, **before}
    return Evidence(state, now={**QUIET, **values}, before=earlier, span=1.0 if earlier else 0.0, **own)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Service] = []

    def make(**settings: Any) -> Service:
        service = Service(Settings(**{"echo_port": 0, "data_dir": tmp_path, "reply": "echo", **settings}))
        service.start()
        started.append(service)
        return service

    yield make
    for service in started:
        service.stop(0.1)


def flood(client: socket.socket) -> None:
    """Send until neither side takes more."""
    client.setblocking(False)
    try:
        while True:
            client.send(bytes(65536))
    except BlockingIOError:
        return


def verdict(service: Service, conn: int = 1) -> dict[str, Any]:
    item = service.monitor.connection(conn)
    return item["verdict"] if item else {"code": "", "sentence": ""}


def wait_code(service: Service, code: str) -> dict[str, Any]:
    seen: list[str] = []

    def found() -> dict[str, Any] | None:
        latest = verdict(service)
        if latest["sentence"] not in seen[-1:]:
            seen.append(latest["sentence"])
        return latest if latest["code"] == code else None

    answer: dict[str, Any] = wait_until(found, lambda: f"the verdict {code}, but {seen[-5:]}")
    return answer


# -- on real sockets


@pytest.mark.parametrize("workers", [0, 1])
def test_a_client_that_does_not_read(start: Start, workers: int) -> None:
    service = start(workers=workers)
    with socket.create_connection(service.echo_address, timeout=DEADLINE_S) as client:
        wait_until(lambda: flood(client) or service.monitor.status()["connections"]["blocked"], "a blocked one")
        found = wait_code(service, "peer_not_reading")
        assert "iB wait in the kernel, its window" in found["sentence"]
        assert found["evidence"][0].startswith("Peer's window: ")
        codes = lambda: [item["verdict"]["code"] for item in service.monitor.overview()["attention"]]  # noqa: E731
        wait_until(lambda: codes() == ["peer_not_reading"], "the same in the overview")


def test_a_client_with_a_tiny_receive_buffer(start: Start) -> None:
    service = start()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect(service.echo_address)

        def read_slowly() -> bool:
            flood(client)
            client.recv(64)
            return verdict(service)["code"] == "peer_not_reading"

        client.setblocking(False)
        wait_until(lambda: flood(client) or service.monitor.status()["connections"]["blocked"], "a blocked one")
        wait_until(read_slowly, "a peer that reads too slowly")


def test_a_loop_that_has_stopped(start: Start) -> None:
    service = start(workers=1)
    engine = service._engine
    assert isinstance(engine, Workers)
    with socket.create_connection(service.echo_address, timeout=DEADLINE_S) as client:
        client.sendall(b"hello")
        assert receive(client, 5) == b"hello"
        wait_code(service, "fine")
        os.kill(engine.pids()[1], signal.SIGSTOP)
        try:
            assert "Our loop is late: it has not turned for" in wait_code(service, "loop_late")["sentence"]
        finally:
            os.kill(engine.pids()[1], signal.SIGCONT)
        wait_code(service, "fine")


def test_a_worker_that_does_not_answer_is_not_asked_again_and_again(start: Start) -> None:
    service = start(workers=1)
    engine = service._engine
    assert isinstance(engine, Workers)
    with socket.create_connection(service.echo_address, timeout=DEADLINE_S):
        wait_until(lambda: engine.sample(1, [1], 1.0), "a sample")
        os.kill(engine.pids()[1], signal.SIGSTOP)
        try:
            assert engine.sample(1, [1], 0.05) == {}
            began = time.monotonic()
            assert engine.sample(1, [1], 60.0) == {}
            assert time.monotonic() - began < 60
        finally:
            os.kill(engine.pids()[1], signal.SIGCONT)
        assert wait_until(lambda: engine.sample(1, [1], 1.0), "a sample").keys() == {1}
    assert engine.sample(9, [1], 1.0) == {}


def test_a_loop_that_comes_late(tmp_path: Path) -> None:
    server = EchoServer(tmp_path)
    answer: queue.SimpleQueue[dict[int, Sample]] = queue.SimpleQueue()
    release = threading.Event()
    with server.connect() as client:
        server.wait_kind("open")
        server.server.loop.call_soon(lambda: release.wait(DEADLINE_S) and None)
        server.server.sample([1], answer.put)
        client.sendall(bytes(1000))
        client_info = lambda: client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512)  # noqa: E731
        wait_until(lambda: int(kernel.decode_tcp_info(client_info())["last_data_sent"] or 0) > 100, "a while")
        release.set()
        found = judge(Evidence("open", now=kernel.decode(answer.get(timeout=DEADLINE_S)[1])))
    server.stop()
    assert found.code == "loop_late"
    assert "0.98 KiB have been waiting to be read for" in found.sentence


def test_an_idle_one_and_one_that_is_well(start: Start) -> None:
    service = start()
    with socket.create_connection(service.echo_address, timeout=DEADLINE_S) as client:
        client.sendall(b"hello")
        assert receive(client, 5) == b"hello"
        assert wait_code(service, "fine")["sentence"] == "All is well: replies go out as they come."


def test_the_end_of_one_that_was_reset(start: Start) -> None:
    service = start()
    client = socket.create_connection(service.echo_address, timeout=DEADLINE_S)
    wait_until(lambda: flood(client) or service.monitor.status()["connections"]["blocked"], "a blocked one")
    reset(client)
    found = wait_code(service, "closed")
    assert found["sentence"].startswith("The peer reset the connection; ")
    assert re.search(r"iB of replies never left our queue, and .* the kernel had were never sent", found["sentence"])


@pytest.mark.parametrize("workers", [0, 1])
def test_the_end_of_one_that_left_in_order(start: Start, workers: int) -> None:
    service = start(workers=workers)
    with socket.create_connection(service.echo_address, timeout=DEADLINE_S) as client:
        client.sendall(b"hello")
        assert receive(client, 5) == b"hello"
    found = wait_code(service, "closed")
    assert found["sentence"] == "The peer ended its side and was sent all that was queued."
    item = service.monitor.connection(1)
    assert item is not None
    assert item["kernel"]["facts"]["bytes_acked"] == 5


needs_namespace = pytest.mark.skipif(
    not namespace.can_make_one(), reason="a network namespace can't be made here: that takes root, ip, tc, veth and tbf"
)


@needs_namespace
def test_a_network_that_loses_everything(start: Start) -> None:
    with namespace.network():
        service = started_inside(start)
        with namespace.reader(service.echo_address[1]):
            # A server that only echoes loses nothing when nothing of its own was on the way: then once more.
            found = wait_until(lambda: lossy(service), "a loss while there is traffic")
        # On a busy machine the window may have been closed at that moment: then there is nothing to lose but probes.
        assert found["sentence"].startswith(
            ("The network loses segments", "The network or the peer's machine is silent")
        )


@needs_namespace
def test_a_peer_that_does_not_read_and_then_is_gone(start: Start) -> None:
    with namespace.network():
        service = started_inside(start)
        with namespace.reader(service.echo_address[1], reads=False):
            wait_code(service, "peer_not_reading")
            wait_until(lambda: settled(service), "nothing in flight any more")
            namespace.lose_everything()
            found = wait_code(service, "network")
        assert found["sentence"].startswith("The network or the peer's machine is silent: nothing was heard of it for ")


@needs_namespace
def test_a_network_that_is_slow(start: Start) -> None:
    with namespace.network():
        service = started_inside(start)
        namespace.slow_down()
        with namespace.reader(service.echo_address[1]):
            found = wait_code(service, "network")
        # On a busy machine a reply may come after the time-out as well: then segments are said to be lost.
        assert found["sentence"].startswith("The network ")


def lossy(service: Service) -> dict[str, Any] | None:
    """The verdict on a network that loses everything; None, and it loses nothing again, when that hit nothing."""
    found = cut_off(service)
    if found["code"] != "idle":
        return found
    namespace.lose_nothing()
    return None


def cut_off(service: Service) -> dict[str, Any]:
    """Lose everything while there is traffic: the verdict on that, `network` or `idle`."""
    before = service.monitor.status()["bytes_out"]
    wait_until(lambda: service.monitor.status()["bytes_out"] > before + (1 << 20), "some traffic")
    namespace.lose_everything()
    seen = {"code": ""}

    def told() -> bool:
        seen.update(verdict(service))
        return seen["code"] in ("network", "idle")

    wait_until(told, "the verdict of either")
    return seen


def settled(service: Service) -> bool:
    """Whether nothing but probes has been sent for a while."""
    item = service.monitor.connection(1)
    facts = item["kernel"]["facts"] if item and item["kernel"] else {}
    return facts.get("in_flight") == 0 and facts["last_data_sent"] > 500


def started_inside(start: Start) -> Service:
    with namespace.inside(namespace.OURS):
        return start(echo_host=namespace.ADDRESS)


# -- on made-up samples


CASES = [
    ("fine", scene()),
    ("fine", Evidence("open")),
    ("fine", scene(unsent=5000, in_flight=5000)),
    ("idle", scene(idle_s=12.0)),
    ("idle", scene(heard=False, idle_s=1.5)),
    ("fine", scene(heard=False, idle_s=0.5)),
    ("unknown", Evidence("blocked", queue_bytes=500)),
    ("unknown", Evidence("paused", queue_bytes=500, past=True)),
    ("closing", Evidence("closing", queue_bytes=500, past=True)),
    ("delivering", scene("blocked", queue_bytes=500)),
    ("closing", scene("closing", queue_bytes=500)),
    ("closed", Evidence("closed", "peer")),
    ("peer_not_reading", scene("blocked", unsent=5000, snd_wnd=0)),
    ("peer_not_reading", scene("paused", unsent=5000, snd_wnd=0)),
    ("peer_not_reading", scene("closing", unsent=5000, snd_wnd=0)),
    ("peer_not_reading", scene(unsent=5000, snd_wnd=700)),
    ("peer_not_reading", scene(unsent=5000, rwnd_limited=900_000, before={})),
    ("delivering", scene("blocked", queue_bytes=500, unsent=5000, rwnd_limited=100_000, before={})),
    ("peer_not_reading", scene("paused", unsent=5000, snd_wnd=0, probes=1)),
    ("network", scene("paused", unsent=5000, snd_wnd=0, probes=2)),
    ("network", scene("blocked", unread=10, last_data_recv=8000, unsent=5000, snd_wnd=0, probes=2)),
    ("network", scene("paused", unsent=5000, snd_wnd=0, probes=2, rwnd_limited=900_000, before={})),
    ("fine", scene(probes=2)),
    ("network", scene(in_flight=5000, retransmits=2)),
    ("network", scene("paused", in_flight=5000, unsent=5000, lost=3)),
    ("network", scene(in_flight=5000, total_retrans=7, before={"total_retrans": 2})),
    ("fine", scene(in_flight=5000, total_retrans=7, before={"total_retrans": 7})),
    ("network", scene(in_flight=5000, unsent=9000, rtt=200_000, min_rtt=100_000, before={"unsent": 9000})),
    ("fine", scene(in_flight=5000, unsent=9000, rtt=5000, before={"unsent": 9000})),
    ("policy", scene("paused", queue_bytes=300_000, bytes_acked=90_000, before={})),
    ("policy", scene("paused", queue_bytes=300_000)),
    ("loop_late", Evidence("open", loop_age=2.0)),
    ("fault", Evidence("open", loop_age=2.0, faults=("hold (order 12)",))),
    ("fault", Evidence("closed", "reset", faults=("hold (order 12)",))),
    ("fault", Evidence("closed", "fault")),
    ("loop_late", scene(unread=10, last_data_recv=80)),
    ("loop_late", scene(unread=10, last_data_recv=20, loop_busy=0.97)),
    ("fine", scene(unread=10, last_data_recv=20, loop_busy=0.5)),
    ("loop_late", scene(unread=300_000, loop_busy=0.97, before={"unread": 300_000})),
    ("fine", scene(unread=10, loop_busy=0.97, before={"unread": 10})),
    ("policy", scene("paused", unread=10, last_data_recv=8000)),
    ("peer_not_reading", scene("blocked", unread=10, last_data_recv=8000, unsent=5000, snd_wnd=0)),
    ("loop_late", scene("blocked", unread=10, last_data_recv=8000)),
]


def test_paused_reading_names_what_it_waits_for() -> None:
    assert (
        "reading is paused until at most 64.0 KiB wait in it"
        in judge(scene("paused", queue_bytes=300_000, low_water=65_536)).sentence
    )


@pytest.mark.parametrize(("code", "case"), CASES)
def test_made_up_samples(code: str, case: Evidence) -> None:
    found = judge(case)
    assert found.code == code, found
    assert found.sentence.endswith(".")


def test_every_code_is_reached() -> None:
    assert {code for code, _ in CASES} == CODES.keys()


def test_a_sentence_tells_its_figures() -> None:
    found = judge(scene("blocked", unsent=3_900_000, in_flight=0, snd_wnd=0, last_data_sent=4200))
    assert (
        found.sentence == "The peer is not reading: 3.72 MiB wait in the kernel, its window has been closed for 4.2 s."
    )
    evidence = ("Peer's window: 0 B", "Unsent: 3.72 MiB", "In flight: 0 B", "Last data sent: 4.2 s")
    assert found.evidence == evidence


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        (
            Evidence("paused", queue_bytes=1000, past=True),
            "0.98 KiB of replies waited in our queue, since the send buffer had no room, and reading was paused. "
            "What the kernel held then is not recorded: it is asked only while someone looks. "
            "So it could not be told whether the peer or the network held them up.",
        ),
        (
            Evidence("blocked", queue_bytes=1000),
            "0.98 KiB of replies wait in our queue, since the send buffer had no room. "
            "What the kernel holds is not known: it could not be asked. "
            "So it cannot be told whether the peer or the network held them up.",
        ),
        (
            Evidence("closing", queue_bytes=1000, past=True),
            "The peer had ended its side; 0.98 KiB in our queue were still to be delivered. "
            "What the kernel held then is not recorded: it is asked only while someone looks.",
        ),
        (
            Evidence("open", past=True),
            "Nothing waited in our queue. "
            "What the kernel held then is not recorded: it is asked only while someone looks.",
        ),
    ],
)
def test_without_the_kernel_only_the_record_is_told(case: Evidence, sentence: str) -> None:
    assert judge(case).sentence == sentence


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("reset", "The peer reset the connection; 0.98 KiB of replies never left our queue."),
        ("error:ETIMEDOUT", "A system call failed with ETIMEDOUT; 0.98 KiB of replies never left our queue."),
        ("", "It is not known why; 0.98 KiB of replies never left our queue."),
    ],
)
def test_the_end_tells_why(reason: str, sentence: str) -> None:
    assert judge(Evidence("closed", reason, queue_bytes=1000)).sentence == sentence


def test_the_end_tells_what_was_left_in_our_queue_from_what_the_kernel_had() -> None:
    now = {**QUIET, "unsent": 4_110_000, "in_flight": 0}
    assert judge(Evidence("closed", "reset", queue_bytes=286_000, now=now)).sentence == (
        "The peer reset the connection; 279 KiB of replies never left our queue, "
        "and 3.92 MiB of what the kernel had were never sent."
    )
    assert judge(Evidence("closed", "reset", now=now)).sentence == (
        "The peer reset the connection; 3.92 MiB of replies that the kernel had were never sent."
    )


def test_an_older_kernel_without_the_window_is_judged_by_the_times() -> None:
    values = {name: value for name, value in QUIET.items() if name != "snd_wnd"}
    now = {**values, "unsent": 5000, "rwnd_limited": 800_000}
    assert judge(Evidence("blocked", now=now, before=values, span=1.0)).code == "peer_not_reading"


def test_sizes_and_times() -> None:
    assert [size(count) for count in (0, 999, 1536, 65536, 3 << 20)] == [
        "0 B",
        "999 B",
        "1.50 KiB",
        "64.0 KiB",
        "3.00 MiB",
    ]
    assert [span(time) for time in (5e-5, 0.25, 4.2, 600, 7200)] == ["50 µs", "250 ms", "4.2 s", "10 min", "2.0 h"]
