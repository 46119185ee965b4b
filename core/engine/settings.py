"""How a server behaves, whatever its model."""

from dataclasses import dataclass
from typing import Final

from core.engine.server.connection import WaterMarks

FINISH_S: Final = 5.0
"""How long the peer of a connection that an operator has closed may take to end its side."""
STAMP_SIZE: Final = 27
"""Bytes of `[` + ctime + `] `."""


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """How the server behaves; sizes in bytes, times in seconds."""

    model: str = "epoll"
    reply: str = "stamp"
    read_size: int = 65536
    marks: WaterMarks
    max_connections: int
    idle_timeout: float = 0.0
    max_queued: int = 0
    """Bytes of queued reply of all connections of a loop; 0: the marks alone bound them."""
    proxy_protocol: str = "off"
    """`off`; `optional` or `required`: peers in `proxy_from` may or must send a header of the PROXY protocol."""
    proxy_from: tuple[str, ...] = ()
    """CIDR blocks."""
    tls_cert: str = ""
    """File of the certificate chain; empty: no TLS."""
    tls_key: str = ""
    """File of its key."""
    tls_keylog: str = ""
    """File that the secrets of each connection are appended to, as Wireshark reads them; empty: none."""
    shares_listener: bool = False
    """Whether other processes accept from the same listening socket; it is then closed for all by another process."""

    @property
    def keeps_origins(self) -> bool:
        """Whether more is known of a connection than the address of its peer."""
        return self.proxy_protocol != "off" or bool(self.tls_cert)

    @property
    def stamp_size(self) -> int:
        """Bytes that stand before each chunk of a reply."""
        return STAMP_SIZE if self.reply == "stamp" else 0
