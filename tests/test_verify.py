"""The checker of replies, fed with bytes alone."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clients.reply_check import (
    READ_SIZE,
    STAMP_SIZE,
    EchoVerifier,
    MismatchError,
    Pattern,
    Stamps,
    StampVerifier,
    Verifier,
)

MOMENT = 1_800_000_000


def stamp_of(second: int) -> bytes:
    return b"[%b] " % time.asctime(time.gmtime(second)).encode()


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def feed_all(verifier: Verifier, parts: list[bytes], sent: int) -> None:
    for part in parts:
        verifier.feed(part, len(part), sent, 10.0, 11.0)


cuts = st.lists(st.integers(0, 5000), max_size=20)


@given(st.integers(1, 300), st.integers(0, 12), st.integers(0, 50), cuts, cuts)
def test_any_chunking_of_a_stamped_stream_is_right(
    size: int, messages: int, first: int, chunks: list[int], reads: list[int]
) -> None:
    pattern = Pattern(size)
    start = first * size
    stream = bytes(pattern.stream[(start + i) % pattern.period] for i in range(messages * size))
    reply = b"".join(stamp_of(MOMENT + i % 2) + chunk for i, chunk in enumerate(pieces(stream, chunks)))
    verifier = StampVerifier(pattern, start, Stamps())
    feed_all(verifier, pieces(reply, reads), start + len(stream))
    assert verifier.position == start + len(stream)


@given(st.integers(1, 300), st.integers(1, 12), cuts, cuts, st.data())
def test_any_changed_byte_shows(
    size: int, messages: int, chunks: list[int], reads: list[int], data: st.DataObject
) -> None:
    pattern = Pattern(size)
    stream = bytes(pattern.stream[i % pattern.period] for i in range(messages * size))
    parts = pieces(stream, chunks)
    reply = bytearray(b"".join(stamp_of(MOMENT) + part for part in parts))
    reply[data.draw(st.integers(0, len(reply) - 1))] ^= 0x80
    verifier = StampVerifier(pattern, 0, Stamps())
    with pytest.raises(MismatchError):
        feed_all(verifier, pieces(bytes(reply), reads), len(stream))


@given(st.integers(1, 300), st.integers(1, 12), cuts, st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_byte_of_an_echo_shows(size: int, messages: int, reads: list[int], at: int, change: int) -> None:
    pattern = Pattern(size)
    reply = bytearray(pattern.stream[i % pattern.period] for i in range(messages * size))
    verifier = EchoVerifier(pattern, 0)
    feed_all(verifier, pieces(bytes(reply), reads), len(reply))
    assert verifier.position == len(reply)
    reply[at % len(reply)] ^= change
    with pytest.raises(MismatchError):
        feed_all(EchoVerifier(pattern, 0), pieces(bytes(reply), reads), len(reply))


@pytest.mark.parametrize("size", [1, 3, 64, 65536, 1 << 20])
def test_a_pattern_holds_no_stamp_and_no_two_messages_alike(size: int) -> None:
    pattern = Pattern(size)
    assert b"[" not in pattern.stream
    assert len(pattern.stream) == pattern.period + READ_SIZE
    assert pattern.stream[pattern.period :] == (pattern.stream * 2)[pattern.period : pattern.period + READ_SIZE]
    if size >= 3:
        assert len(set(pattern.messages())) == pattern.count


def fed(reply: bytes, sent: int = 64) -> StampVerifier:
    verifier = StampVerifier(Pattern(64), 0, Stamps())
    verifier.feed(reply, len(reply), sent, 10.0, 11.0)
    return verifier


MESSAGE = Pattern(64).messages()[0]
STAMP = stamp_of(MOMENT)


@pytest.mark.parametrize(
    "reply",
    [
        MESSAGE,
        STAMP + STAMP + MESSAGE,
        STAMP + MESSAGE + STAMP,
        STAMP + MESSAGE + b"x",
        STAMP + MESSAGE[1:],
        STAMP + MESSAGE[:10] + MESSAGE[11:],
        b"[Mon Jan 32 00:00:00 2026] " + MESSAGE,
        b"[Mon Jan  5 00:00:00 2026]_" + MESSAGE,
        stamp_of(MOMENT)[:-3] + b"\xff] " + MESSAGE,
    ],
)
def test_a_wrong_reply_is_named(reply: bytes) -> None:
    with pytest.raises(MismatchError):
        fed(reply)


def test_a_new_message_needs_a_stamp_of_its_own() -> None:
    verifier = fed(STAMP + MESSAGE)
    with pytest.raises(MismatchError):
        verifier.feed(Pattern(64).messages()[1], 64, 128, 11.0, 12.0)


def test_a_stamp_must_follow_the_clock() -> None:
    stamps = Stamps()
    stamps.check(STAMP, 100.0, 100.1)
    stamps.check(stamp_of(MOMENT + 60), 160.0, 160.1)
    stamps.check(STAMP, 100.0, 160.1)  # an old message, answered late
    for second in (MOMENT, MOMENT + 3600):
        with pytest.raises(MismatchError, match="off the server's own"):
            stamps.check(stamp_of(second), 160.0, 160.1)


def test_the_newest_stamp_is_the_expected_one_while_it_can_be_true() -> None:
    stamps = Stamps()
    stamps.check(stamp_of(MOMENT + 1), 100.0, 100.1)
    stamps.check(STAMP, 100.0, 100.2)
    assert stamps.latest == stamp_of(MOMENT + 1)
    assert 101 < stamps.fresh_until < 110
    assert len(stamps.latest) == STAMP_SIZE
