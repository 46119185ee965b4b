"""The connection without I/O: bytes in, bytes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engine.pollers.poller import READ, WRITE
from core.engine.server.connection import MAX_CHUNKS, TRANSITIONS, Connection, QueueRoom, State, Transition, WaterMarks

MARKS = WaterMarks(100, 40)


def make() -> Connection:
    return Connection(7, MARKS)


def flat(connection: Connection, limit: int = 1 << 30) -> bytes:
    return b"".join(bytes(chunk) for chunk in connection.pending(limit))


def test_a_new_connection_only_reads() -> None:
    connection = make()
    assert (connection.state, connection.wants, connection.queue_bytes) == (State.OPEN, READ, 0)


def test_write_is_wanted_while_something_waits() -> None:
    connection = make()
    connection.receive(b"hello")
    assert connection.wants == READ | WRITE
    connection.sent(5)
    assert connection.wants == READ


def test_a_partial_send_keeps_the_rest() -> None:
    connection = make()
    connection.receive(b"hello")
    connection.sent(2)
    assert (flat(connection), connection.queue_bytes, connection.queue_chunks) == (b"llo", 3, 1)


def test_nothing_more_is_sent_than_waits() -> None:
    connection = make()
    connection.receive(b"abc")
    with pytest.raises(ValueError, match="4 bytes sent of 3"):
        connection.sent(4)


def test_an_empty_reply_queues_nothing() -> None:
    connection = make()
    connection.receive(b"")
    assert connection.queue_chunks == 0


def test_pending_stops_at_its_limit() -> None:
    connection = make()
    connection.receive(b"abcdef")
    connection.receive(b"ghi")
    assert flat(connection, 4) == b"abcd"
    assert flat(connection, 7) == b"abcdefg"


def test_pending_offers_a_bounded_number_of_chunks() -> None:
    connection = make()
    for _ in range(MAX_CHUNKS + 5):
        connection.receive(b"x")
    assert len(connection.pending(1 << 30)) == MAX_CHUNKS


def test_reading_pauses_above_high_and_resumes_at_low() -> None:
    connection = make()
    connection.receive(b"x" * 100)
    assert connection.throttle() is None
    connection.receive(b"x")
    assert connection.throttle() is True
    assert connection.wants == WRITE
    connection.sent(60)
    assert connection.throttle() is None
    connection.sent(1)
    assert connection.throttle() is False
    assert connection.wants == READ | WRITE


def test_half_close_delivers_what_is_queued() -> None:
    connection = make()
    connection.receive(b"last words")
    connection.receive_eof()
    assert (connection.state, connection.wants, connection.drained) == (State.DRAINING, WRITE, False)
    connection.sent(10)
    assert connection.drained


def test_nothing_is_read_after_the_end() -> None:
    connection = make()
    connection.receive_eof()
    with pytest.raises(ValueError, match="reads nothing more"):
        connection.receive(b"x")


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("step", Transition)
def test_the_table_decides_every_move(state: State, step: Transition) -> None:
    connection = make()
    connection.state = state
    if (state, step) in TRANSITIONS:
        connection.step(step)
        assert connection.state is TRANSITIONS[state, step]
    else:
        with pytest.raises(ValueError, match=f"no {step.value} from there"):
            connection.step(step)


@given(st.lists(st.one_of(st.binary(max_size=60), st.integers(0, 200))))
def test_any_mix_of_replies_and_sends_keeps_every_byte_in_order(moves: list[bytes | int]) -> None:
    connection, queued, taken = make(), bytearray(), bytearray()
    for move in moves:
        if isinstance(move, bytes):
            connection.receive(move)
            queued += move
        else:
            offered = flat(connection, move)
            assert len(offered) <= move
            connection.sent(len(offered))
            taken += offered
        assert connection.queue_bytes == len(queued) - len(taken)
        assert (connection.queue_chunks > 0) == (connection.queue_bytes > 0)
        assert bool(connection.wants & WRITE) == (connection.queue_bytes > 0)
    while connection.queue_bytes:
        part = flat(connection)
        connection.sent(len(part))
        taken += part
    assert taken == queued


@given(st.lists(st.tuples(st.integers(0, 2), st.one_of(st.integers(1, 60), st.integers(-60, 0)))))
def test_the_room_counts_what_all_have_queued(moves: list[tuple[int, int]]) -> None:
    room = QueueRoom(100)
    connections = [Connection(number, MARKS, room) for number in range(3)]
    for number, size in moves:
        connection = connections[number]
        if size > 0:
            connection.receive(bytes(size))
        else:
            connection.sent(len(flat(connection, -size)))
        assert room.queued == sum(one.queue_bytes for one in connections)
        assert room.connections == sum(one.queue_bytes > 0 for one in connections)
    connections[0].step(Transition.CLOSE)
    assert room.queued == sum(one.queue_bytes for one in connections[1:])
    assert room.connections == sum(one.queue_bytes > 0 for one in connections[1:])


def test_the_largest_queues_pause_while_there_is_too_much() -> None:
    room = QueueRoom(90)
    large, small = (Connection(number, MARKS, room) for number in range(2))
    large.receive(bytes(80))
    assert large.throttle() is None
    small.receive(bytes(20))
    assert (large.throttle(), small.throttle()) == (True, None)
    small.sent(15)
    assert large.throttle() is None, "it resumes at its own low-water mark"
    large.sent(41)
    assert large.throttle() is False


def test_what_is_paused_for_all_resumes_with_them() -> None:
    """Its queue is below its own low-water mark already."""
    room = QueueRoom(30)
    one, other = (Connection(number, MARKS, room) for number in range(2))
    one.receive(bytes(20))
    other.receive(bytes(20))
    assert (one.throttle(), other.throttle()) == (True, True)
    assert one.throttle() is None
    other.step(Transition.CLOSE)
    assert one.throttle() is False
