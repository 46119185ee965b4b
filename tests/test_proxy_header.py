"""The header of the PROXY protocol, with bytes alone."""

import socket
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.server.proxy_header import (
    LONGEST_LINE,
    SIGNATURE,
    ProxyHeader,
    ProxyHeaderError,
    crc32c,
    may_be_header,
    read,
)

V4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("198.51.100.9") + struct.pack("!HH", 40000, 443)
V6 = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::9")
    + struct.pack("!HH", 40000, 443)
)
MAPPED = (
    socket.inet_pton(socket.AF_INET6, "::ffff:192.0.2.7")
    + socket.inet_pton(socket.AF_INET6, "::ffff:198.51.100.9")
    + struct.pack("!HH", 40000, 443)
)


def binary(addresses: bytes = V4, family: int = 0x11, command: int = 0x21, vectors: bytes = b"") -> bytes:
    body = addresses + vectors
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


def vector(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def with_crc(*vectors: bytes) -> bytes:
    """A header with those TLVs and a right checksum before them."""
    zeroed = binary(vectors=vector(3, bytes(4)) + b"".join(vectors))
    at = len(SIGNATURE) + 4 + len(V4) + 3
    return zeroed[:at] + crc32c(zeroed).to_bytes(4, "big") + zeroed[at + 4 :]


TLS = vector(0x20, struct.pack("!BI", 1, 0) + vector(0x21, b"TLSv1.3") + vector(0x23, b"AES") + vector(0x22, b"joe"))
WHOLE = {
    b"PROXY TCP4 192.0.2.7 198.51.100.9 40000 443\r\n": ("192.0.2.7", 40000),
    b"PROXY TCP6 2001:db8::7 2001:db8::9 40000 443\r\n": ("2001:db8::7", 40000),
    b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.9 1 0\r\n": ("192.0.2.7", 1),
    b"PROXY UNKNOWN\r\n": None,
    b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n": None,
    binary(): ("192.0.2.7", 40000),
    binary(V6, 0x21): ("2001:db8::7", 40000),
    binary(MAPPED, 0x21): ("192.0.2.7", 40000),
    binary(bytes(216), 0x31): None,
    binary(b"", 0x00): None,
    binary(b"", 0x00, 0x20): None,
    binary(V4, 0x11, 0x20): None,
    binary(V4, 0x12): None,  # a datagram's addresses name no client of a stream
    with_crc(TLS, vector(2, b"echo.example"), vector(1, b"h2"), vector(5, b"id-7"), vector(4, bytes(40))): (
        "192.0.2.7",
        40000,
    ),
}


@pytest.mark.parametrize(("data", "source"), WHOLE.items())
@pytest.mark.parametrize("payload", [b"", b"x", b"PROXY TCP4 ", SIGNATURE])
def test_a_whole_header(data: bytes, source: Any, payload: bytes) -> None:
    header = read(data + payload)
    assert header is not None
    assert header.source == source
    assert header.size == len(data)
    assert header.version == (1 if data[:1] == b"P" else 2)


@pytest.mark.parametrize("data", WHOLE)
def test_cut_at_every_byte_it_is_incomplete(data: bytes) -> None:
    for length in range(len(data)):
        assert may_be_header(data[:length])
        assert read(data[:length]) is None


def test_what_the_extensions_say() -> None:
    data = with_crc(TLS, vector(2, b"echo.example"), vector(1, b"h2"), vector(5, b"id-7"))
    assert read(data) == ProxyHeader(
        size=len(data),
        version=2,
        source=("192.0.2.7", 40000),
        authority="echo.example",
        alpn="h2",
        unique_id=b"id-7",
        tls_version="TLSv1.3",
        tls_cipher="AES",
        tls_client="joe",
    )


def test_the_checksum_is_that_of_the_rfc() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4


@pytest.mark.parametrize(
    ("why", "data"),
    [
        ("missing", b"GET / HTTP/1.1\r\n"),
        ("missing", b"\r\n\r\n\x00\r\nQUIT\r"),
        ("missing", b"proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n"),
        ("garbage", b"PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n"),
        ("garbage", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n"),
        ("garbage", b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"),
        ("garbage", b"PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n"),
        ("garbage", b"PROXY TCP4 1.2.3.400 1.2.3.4 1 1\r\n"),
        ("garbage", b"PROXY TCP4 ::1 ::1 1 1\r\n"),
        ("garbage", b"PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n"),
        ("garbage", b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n"),
        ("garbage", b"PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n"),
        ("too_long", b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n"),
        ("too_long", b"PROXY UNKNOWN " + b"x" * (LONGEST_LINE - 14)),
        ("garbage", binary(command=0x22)),
        ("garbage", binary(command=0x11)),
        ("garbage", binary(family=0x41)),
        ("garbage", binary(family=0x13)),
        ("garbage", binary(V4[:-1])),
        ("garbage", binary(vectors=b"\x02")),
        ("garbage", binary(vectors=struct.pack("!BH", 2, 5) + b"abcd")),
        ("garbage", binary(vectors=vector(5, bytes(129)))),
        ("garbage", binary(vectors=vector(3, bytes(3)))),
        ("garbage", binary(vectors=vector(0x20, bytes(4)))),
        ("crc", binary(vectors=vector(3, bytes(4)))),
        ("crc", with_crc(TLS)[:-1] + b"k"),
    ],
)
def test_what_is_wrong_is_named(why: str, data: bytes) -> None:
    with pytest.raises(ProxyHeaderError) as caught:
        read(data)
    assert caught.value.why == why


def test_the_longest_line_there_is() -> None:
    line = b"PROXY UNKNOWN ".ljust(LONGEST_LINE - 2, b"x") + b"\r\n"
    header = read(line + b"payload")
    assert header is not None
    assert header.size == LONGEST_LINE


@settings(max_examples=300)
@given(st.sampled_from(list(WHOLE)), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4))
def test_any_damage_is_a_header_or_an_error(data: bytes, damage: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for at, byte in damage:
        damaged[at % len(damaged)] = byte
    why, size = "", 0
    try:
        header = read(bytes(damaged))
        size = header.size if header else 0
    except ProxyHeaderError as error:
        why = error.why
    assert why in {"", "missing", "garbage", "crc", "too_long"}
    assert size <= len(damaged)
