"""Connections that come through a proxy: which peers may name another client, and who the client is.

`Proxies` holds the rule for every model; `HeaderWait` reads the header of a connection in a loop, before its first
visit. A connection is in the record from the end of its header on, with the client's address as its peer; the header's
bytes are in no sum.
"""

import ipaddress
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final, Self

from core.engine.loop.loop import Loop
from core.engine.server.connection import State
from core.engine.server.listener import packed
from core.engine.server.proxy_header import ProxyHeader, ProxyHeaderError, may_be_header, read
from core.engine.server.visits import Served, Visits
from core.engine.settings import ServerSettings
from core.ring.events import Kind, Reason
from core.ring.recorder import Recorder

HEADER_S: Final = 5.0
"""Seconds within which a header must be complete."""
_REASONS: Final = {
    "missing": Reason.PROXY_MISSING,
    "garbage": Reason.PROXY_GARBAGE,
    "crc": Reason.PROXY_CRC,
    "too_long": Reason.PROXY_TOO_LONG,
}

NO_HEADER: Final = ProxyHeader(size=0, version=0)

Address = tuple[str, int] | tuple[str, int, int, int]


class Proxies:
    """Who may send a header, and whether there must be one."""

    def __init__(self, mode: str, networks: tuple[str, ...]) -> None:
        """`mode` is `optional` or `required`, `networks` the CIDR blocks of the proxies."""
        self.required = mode == "required"
        self._networks = [ipaddress.ip_network(network) for network in networks]
        self.may_name = lru_cache(1024)(self._may_name)

    @classmethod
    def of(cls, settings: ServerSettings) -> Self | None:
        """The rule that the settings ask for; None: every connection is the client's own."""
        return None if settings.proxy_protocol == "off" else cls(settings.proxy_protocol, settings.proxy_from)

    def _may_name(self, host: str) -> bool:
        """Whether the peer at `host` may name another client."""
        address = ipaddress.ip_address(host.partition("%")[0])
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return any((mapped or address) in network for network in self._networks)

    def parse(self, data: bytes | bytearray, *, is_all: bool) -> ProxyHeader | None:
        """The header that the first bytes of a connection are; None: more is needed, and `is_all` says it won't come.

        One of size 0: the connection has none and needs none, such as one that ends without a byte (a check of health).
        Raises ProxyHeaderError.
        """
        if (is_all and not data) or (not self.required and (is_all or not may_be_header(data))):
            return NO_HEADER
        header = read(data)
        if header is None and is_all:
            raise ProxyHeaderError("missing", f"{len(data)} bytes are no whole PROXY header")
        return header


def reason_of(error: ProxyHeaderError) -> int:
    """The close reason for a header that can't be used."""
    return _REASONS[error.why]


def record_open(recorder: Recorder, conn: int, address: Address, header: ProxyHeader | None) -> tuple[bytes, int]:
    """Record a connection from `address` as that of the client that its header names: its packed address and port."""
    peer, port = packed(address)
    if header is not None and header.source is not None:
        recorder.origin(conn, peer, port, header.facts())
        peer, port = packed(header.source)
    recorder.emit_peer(Kind.OPEN, conn, peer, port, 0)
    return peer, port


class HeaderWait:
    """Visits of connections whose header has not come yet; for the loop's thread alone."""

    def __init__(
        self,
        loop: Loop,
        recorder: Recorder,
        proxies: Proxies,
        visits: Visits,
        opened: Callable[[Served, bytes, int], None],
        close: Callable[[Served, int], None],
    ) -> None:
        """`opened(link, address, port)`, with the client's, is called once a connection is in the record.

        `close(link, reason)` closes one.
        """
        self._loop = loop
        self._recorder = recorder
        self._proxies = proxies
        self._visits = visits
        self._opened = opened
        self._close = close
        self._waiting: dict[int, tuple[Address, bytearray]] = {}

    def begin(self, link: Served, address: Address) -> None:
        """Have the loop read the header before it makes the first visit."""
        self._waiting[link.conn.id] = address, bytearray()
        if self._proxies.may_name(address[0]):
            self._loop.visits[link.sock.fileno()] = partial(self._visit, link)
            link.timer = self._loop.call_later(HEADER_S, partial(self._late, link))
        elif self._proxies.required:
            self._close(link, Reason.PROXY_DENIED)
        else:
            self._open(link, None)

    def has(self, conn: int) -> bool:
        """Whether the header of a connection has not come yet."""
        return conn in self._waiting

    def closing(self, link: Served) -> None:
        """A connection is about to be closed: one that still waits is recorded first."""
        found = self._waiting.pop(link.conn.id, None)
        if found is not None:
            record_open(self._recorder, link.conn.id, found[0], None)

    def _visit(self, link: Served, mask: int) -> None:
        data = self._waiting[link.conn.id][1]
        try:
            piece = link.sock.recv(self._visits.read_size)
        except OSError as error:
            return self._visits.failed(link, error)
        data += piece
        try:
            header = self._proxies.parse(data, is_all=not piece)
        except ProxyHeaderError as error:
            return self._close(link, reason_of(error))
        if header is not None:
            return self._open(link, header)
        return self._loop.again(link.sock.fileno())

    def _late(self, link: Served) -> None:
        link.timer = None
        if self._proxies.required:
            self._close(link, Reason.PROXY_TIMEOUT)
        else:
            self._open(link, None)

    def _open(self, link: Served, header: ProxyHeader | None) -> None:
        """Record the connection; what has come behind its header is answered, and the loop visits it from now on."""
        address, data = self._waiting.pop(link.conn.id)
        if link.timer is not None:
            self._loop.cancel(link.timer)
            link.timer = None
        fd = link.sock.fileno()
        self._loop.visits[fd] = link.quiet
        self._loop.again(fd)
        self._opened(link, *record_open(self._recorder, link.conn.id, address, header))
        if link.conn.state is State.CLOSED:  # by a fault
            return
        payload = data[header.size if header else 0 :]
        if payload:
            self._visits.first(link, bytes(payload))
