"""The record of orders: numbered, kept, whoever gave them and whatever came of them."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Server, StartServer
from fake_monitor import FakeMonitor
from waiting import DEADLINE_S, wait_until

from core.orders.order_book import UNFINISHED, OrderBook
from web import create_app
from web.access.authentication import Authentication
from web.access.users import Users

PASSWORD = "correct horse"


def give(book: OrderBook, what: str = "close") -> int:
    return book.give(what, who="ann", role="operator", origin="192.0.2.9", on={"conn": 17}, why="too slow")


def test_an_order_and_its_result(tmp_path: Path) -> None:
    book = OrderBook(tmp_path)
    number = give(book)
    book.finish(number, "done")
    (item,) = book.page(10)["items"]
    assert item.pop("time").endswith("Z")
    assert item == {
        "number": 1,
        "who": "ann",
        "role": "operator",
        "from": "192.0.2.9",
        "what": "close",
        "on": {"conn": 17},
        "why": "too slow",
        "result": "done",
    }
    book.close()


def test_the_newest_first_page_by_page() -> None:
    book = OrderBook()
    for _ in range(5):
        give(book)
    first = book.page(2)
    assert ([item["number"] for item in first["items"]], first["next"]) == ([5, 4], 4)
    assert [item["number"] for item in book.page(2, first["next"])["items"]] == [3, 2]
    last = book.page(2, 2)
    assert ([item["number"] for item in last["items"]], last["next"]) == ([1], None)


def test_what_was_written_outlives_the_process(tmp_path: Path) -> None:
    """Nothing is closed or flushed: as after a kill."""
    killed = OrderBook(tmp_path)
    killed.finish(give(killed), "done")
    give(killed, "model")
    book = OrderBook(tmp_path)
    assert [item["result"] for item in book.page(10)["items"]] == [UNFINISHED, "done"]
    assert give(book) == 3
    killed.close()
    book.close()


@pytest.mark.parametrize("damage", [b"\x00" * 40, b'{"number": 3, "wh', b"[]\n", b'{"number": "x"}\n'])
def test_damage_costs_the_lines_that_it_hit(tmp_path: Path, damage: bytes) -> None:
    book = OrderBook(tmp_path)
    give(book)
    give(book)
    book.close()
    with (tmp_path / "orders.jsonl").open("ab") as file:
        file.write(damage)
    again = OrderBook(tmp_path)
    assert "kept as orders.damaged" in again.damage
    assert (tmp_path / "orders.damaged").exists()
    assert give(again) == 3
    assert len(again.page(10)["items"]) == 3
    again.close()
    assert OrderBook(tmp_path).damage == ""


def test_a_full_disk_keeps_nobody_from_giving_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = OrderBook(tmp_path)
    give(book)

    def full(*_: Any, **__: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("core.orders.order_book.os.write", full)
        patched.setattr("core.orders.order_book.write_durably", full)
        give(book)
        assert OrderBook(tmp_path).page(10)["items"]
    assert give(book) == 3
    book.close()
    assert [item["number"] for item in OrderBook(tmp_path).page(10)["items"]] == [3, 2, 1]


def test_it_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.orders.order_book.KEPT", 10)
    book = OrderBook(tmp_path)
    for _ in range(100):
        book.finish(give(book), "done")
    assert [item["number"] for item in book.page(100)["items"]] == list(range(100, 90, -1))
    assert len((tmp_path / "orders.jsonl").read_text().splitlines()) <= 41
    book.close()
    assert give(OrderBook(tmp_path)) == 101


def test_a_replay_reads_and_writes_nothing(tmp_path: Path) -> None:
    book = OrderBook(tmp_path)
    give(book)
    before = (tmp_path / "orders.jsonl").read_bytes()
    replay = OrderBook(tmp_path, writes=False)
    assert [item["what"] for item in replay.page(10)["items"]] == ["close"]
    give(replay)
    assert (tmp_path / "orders.jsonl").read_bytes() == before
    book.close()


# -- over HTTP


@pytest.fixture
def book() -> OrderBook:
    return OrderBook()


@pytest.fixture
def client(monitor: FakeMonitor, book: OrderBook) -> Any:
    return create_app(monitor, book=book).test_client()


def results(book: OrderBook) -> list[tuple[str, str]]:
    return [(item["what"], item["result"]) for item in reversed(book.page(100)["items"])]


def test_each_order_is_in_the_record(client: Any, book: OrderBook) -> None:
    close = "/api/v1/connections/{}/close"
    assert client.post(close.format(1), json={"how": "rst", "why": "stuck"}).headers["Order-Number"] == "1"
    assert client.post(close.format(99)).status_code == 404
    assert client.post("/api/v1/model", json={"model": "epoll"}).headers["Order-Number"] == "3"
    assert client.post("/api/v1/model", json={"model": "nothing"}).status_code == 400
    assert client.post(close.format(1), json={"how": "gently"}).status_code == 400
    assert results(book) == [
        ("close", "done"),
        ("close", "refused: no connection 99 is known"),
        ("model", "done"),
        ("model", 'refused: unknown model "nothing"; known: epoll, select, threads'),
    ]
    first = client.get("/api/v1/orders?limit=1&cursor=2").json
    assert first["items"][0]["on"] == {"conn": 1, "how": "rst"}
    assert first["items"][0]["why"] == "stuck"
    assert first["items"][0]["who"] == "this machine"
    assert first["items"][0]["from"] == "127.0.0.1"


def test_a_refused_one_names_who_gave_it(tmp_path: Path, monitor: FakeMonitor, book: OrderBook) -> None:
    Users(tmp_path).add("ann", "viewer", PASSWORD)
    client = create_app(monitor, book=book, authentication=Authentication("users", directory=tmp_path)).test_client()
    client.post("/login", data={"name": "ann", "password": PASSWORD})
    assert client.post("/api/v1/connections/1/close").status_code == 403
    (item,) = client.get("/api/v1/orders").json["items"]
    assert (item["who"], item["role"], item["what"]) == ("ann", "viewer", "close")
    assert item["result"].startswith("refused: this needs the role operator")


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "cursor=0", "cursor=x", "page=1"])
def test_what_is_no_page_of_it(client: Any, query: str) -> None:
    assert client.get("/api/v1/orders?" + query).status_code == 400


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_a_filter_matches_is_counted_then_closed(start_server: StartServer, workers: str) -> None:
    server = start_server("--workers", workers, "--reply", "echo")
    clients = [server.connect() for _ in range(6)]
    for client in clients[:4]:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
    wait_until(lambda: server.json("/api/v1/connections", q="bytes_in=1")["matched"] == 4, "four have spoken")
    wait_until(lambda: server.json("/api/v1/status")["connections"]["open"] == 6, "six are open")
    asked = {"q": "bytes_in=1", "how": "fin", "why": "tidy"}
    assert post(server, {**asked, "dry_run": True}) == {"matched": 4, "closed": 0}
    assert post(server, asked) == {"matched": 4, "closed": 4}
    for client in clients[:4]:
        assert client.recv(1) == b""
        client.close()
    wait_until(lambda: server.json("/api/v1/status")["connections"]["open"] == 2, "two are left")
    closed = server.json("/api/v1/connections", q="state:closed")["items"]
    assert {item["reason"] for item in closed} == {"operator"}
    for client in clients[4:]:
        client.close()


def post(server: Server, order: dict[str, Any]) -> Any:
    import requests

    return requests.post(server.url + "/api/v1/connections/close", json=order, timeout=DEADLINE_S).json()


def test_the_record_is_that_of_the_data_directory(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    assert post(server, {"q": "conn:5"}) == {"matched": 0, "closed": 0}
    server.process.kill()
    server.stop_by_itself()
    (line, *_) = (tmp_path / "data" / "orders.jsonl").read_text().splitlines()
    assert json.loads(line)["on"] == {"q": "conn:5", "how": "fin"}
    again = start_server()
    assert [item["number"] for item in again.json("/api/v1/orders")["items"]] == [1]
    post(again, {"q": "conn:5"})
    assert [item["number"] for item in again.json("/api/v1/orders")["items"]] == [2, 1]
