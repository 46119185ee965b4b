"""The header of the PROXY protocol, versions 1 and 2, without I/O: bytes in, the client's address out.

Source: https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt. A proxy sends the header before anything else, so
`read` is called with all bytes that a connection has sent so far, until it says how long the header is.
"""

import ipaddress
import re
import struct
from dataclasses import dataclass
from typing import Final

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
"""How a header of version 2 begins."""
LONGEST_LINE: Final = 107
"""Bytes of the longest header of version 1, its CRLF included."""
_PREFIX: Final = b"PROXY "
_HEAD: Final = struct.Struct("!12sBBH")  # signature, version and command, family and protocol, bytes that follow
_LOCAL, _PROXY = 0x20, 0x21
_STREAM: Final = 1
# Per address family: how its addresses are laid out, source first.
_INET, _INET6, _UNIX = 1, 2, 3
_ADDRESSES: Final = {
    _INET: struct.Struct("!4s4sHH"),
    _INET6: struct.Struct("!16s16sHH"),
    _UNIX: struct.Struct("!108s108s"),
}
_LINE: Final = re.compile(rb"PROXY TCP([46]) ([0-9A-Fa-f:.]{2,39}) ([0-9A-Fa-f:.]{2,39}) (\d{1,5}) (\d{1,5})\r\n")
_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?\r\n")
_TLV: Final = struct.Struct("!BH")
_ALPN, _AUTHORITY, _CRC32C, _UNIQUE_ID, _SSL = 0x01, 0x02, 0x03, 0x05, 0x20
_SSL_HEAD: Final = struct.Struct("!BI")
_SSL_VERSION, _SSL_CN, _SSL_CIPHER = 0x21, 0x22, 0x23
_LONGEST_ID: Final = 128


class ProxyHeaderError(ValueError):
    """A header that can't be used; `why` is one word for the close reason `proxy:WHY`."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


@dataclass(frozen=True, kw_only=True)
class ProxyHeader:
    """What a header says; `source` is the client's IP address and port.

    None when it names no such client (LOCAL, UNKNOWN, a Unix socket of the proxy): then the peer is the client.
    """

    size: int
    version: int
    source: tuple[str, int] | None = None
    authority: str = ""
    alpn: str = ""
    unique_id: bytes = b""
    tls_version: str = ""
    tls_cipher: str = ""
    tls_client: str = ""

    def facts(self) -> dict[str, str | int]:
        """What is known besides the address, by name; without what the header does not say."""
        names = ("version", "authority", "alpn", "tls_version", "tls_cipher", "tls_client")
        told = {name: getattr(self, name) for name in names} | {"unique_id": self.unique_id.hex()}
        return {name: value for name, value in told.items() if value}


def may_be_header(data: bytes | bytearray) -> bool:
    """Whether `data`, the first bytes of a connection, is a header or the beginning of one."""
    return any(data[: len(begin)] == begin[: len(data)] for begin in (_PREFIX, SIGNATURE))


def read(data: bytes | bytearray) -> ProxyHeader | None:
    """The header that `data` begins with; None while it is incomplete.

    Raises ProxyHeaderError when there is none (`missing`) or it is wrong (`garbage`, `crc`, `too_long`).
    """
    if not may_be_header(data):
        raise ProxyHeaderError("missing", "no PROXY header")
    if data.startswith(b"P"):
        return _read_line(data)
    return _read_binary(data) if len(data) >= _HEAD.size else None


def _read_line(data: bytes | bytearray) -> ProxyHeader | None:
    line, end, _ = data[:LONGEST_LINE].partition(b"\n")
    if not end:
        if len(data) >= LONGEST_LINE:
            raise ProxyHeaderError("too_long", f"no end of line within {LONGEST_LINE} bytes")
        return None
    line += end
    if _UNKNOWN.fullmatch(line):
        return ProxyHeader(size=len(line), version=1)
    found = _LINE.fullmatch(line)
    if found is None:
        raise ProxyHeaderError("garbage", f"not a PROXY line: {line[:60]!r}")
    version, source, destination, *ports = (field.decode("ascii") for field in found.groups())
    kind = ipaddress.IPv4Address if version == "4" else ipaddress.IPv6Address
    try:
        kind(destination)
        address = str(kind(source))
    except ValueError as error:
        raise ProxyHeaderError("garbage", str(error)) from error
    if max(map(int, ports)) > 0xFFFF or any(port != str(int(port)) for port in ports):
        raise ProxyHeaderError("garbage", f"bad port in {line[:60]!r}")
    return ProxyHeader(size=len(line), version=1, source=(_unmapped(address), int(ports[0])))


def _read_binary(data: bytes | bytearray) -> ProxyHeader | None:
    _, command, family, length = _HEAD.unpack_from(data)
    if command not in (_LOCAL, _PROXY):
        raise ProxyHeaderError("garbage", f"unknown version and command 0x{command:02x}")
    family, protocol = family >> 4, family & 15
    if family > _UNIX or protocol > 2:
        raise ProxyHeaderError("garbage", f"unknown address family {family} or protocol {protocol}")
    size = _HEAD.size + length
    layout = _ADDRESSES.get(family)
    if command == _PROXY and layout is not None and length < layout.size:
        raise ProxyHeaderError("garbage", f"{length} bytes are too few for addresses of family {family}")
    if len(data) < size:
        return None
    names_client = command == _PROXY and family in (_INET, _INET6) and protocol == _STREAM
    # LOCAL and UNSPEC carry no addresses that mean anything; a receiver must skip them (section 2.2).
    at = _HEAD.size + (min(layout.size, length) if layout is not None else 0)
    facts = _extensions(bytes(data[:size]), at) if layout is not None or command == _PROXY else {}
    source = _source(family, data) if names_client else None
    return ProxyHeader(size=size, version=2, source=source, **facts)  # type: ignore[arg-type]


def _source(family: int, data: bytes | bytearray) -> tuple[str, int]:
    fields = _ADDRESSES[family].unpack_from(data, _HEAD.size)
    return _unmapped(str(ipaddress.ip_address(fields[0]))), fields[2]


def _unmapped(address: str) -> str:
    """An IPv4 address that is mapped into IPv6 as IPv4: it is the same client."""
    ip = ipaddress.ip_address(address)
    return str(ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else address


def _vectors(data: bytes, at: int) -> list[tuple[int, int, bytes]]:
    """Type, place and value of each TLV in `data` from `at` on."""
    found = []
    while at < len(data):
        if len(data) - at < _TLV.size:
            raise ProxyHeaderError("garbage", "a TLV is cut off")
        kind, length = _TLV.unpack_from(data, at)
        at += _TLV.size
        if len(data) - at < length:
            raise ProxyHeaderError("garbage", f"TLV 0x{kind:02x} is cut off")
        found.append((kind, at, data[at : at + length]))
        at += length
    return found


def _extensions(header: bytes, at: int) -> dict[str, str | bytes]:
    facts: dict[str, str | bytes] = {}
    for kind, place, value in _vectors(header, at):
        if kind == _CRC32C:
            _check_crc(header, place, value)
        elif kind == _AUTHORITY:
            facts["authority"] = value.decode("utf-8", "replace")
        elif kind == _ALPN:
            facts["alpn"] = value.decode("utf-8", "replace")
        elif kind == _UNIQUE_ID:
            if len(value) > _LONGEST_ID:
                raise ProxyHeaderError("garbage", f"a unique id of {len(value)} bytes")
            facts["unique_id"] = value
        elif kind == _SSL:
            facts |= _tls(value)
    return facts


def _tls(value: bytes) -> dict[str, str]:
    if len(value) < _SSL_HEAD.size:
        raise ProxyHeaderError("garbage", "the SSL TLV is cut off")
    names = {_SSL_VERSION: "tls_version", _SSL_CIPHER: "tls_cipher", _SSL_CN: "tls_client"}
    parts = _vectors(value, _SSL_HEAD.size)
    return {names[kind]: text.decode("utf-8", "replace") for kind, _, text in parts if kind in names}


def _check_crc(header: bytes, place: int, value: bytes) -> None:
    if len(value) != 4:
        raise ProxyHeaderError("garbage", f"a checksum of {len(value)} bytes")
    zeroed = header[:place] + bytes(4) + header[place + 4 :]
    if crc32c(zeroed) != int.from_bytes(value, "big"):
        raise ProxyHeaderError("crc", "the checksum of the header is wrong")


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_TABLE: Final = _crc_table()


def crc32c(data: bytes) -> int:
    """The Castagnoli CRC of RFC 3720, appendix B.4."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
