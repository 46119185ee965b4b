"""Peers as people read them."""

import ipaddress
from typing import Final

from core.ring.events import LINK_LOCAL

_IPV4_MAPPED: Final = bytes(10) + b"\xff\xff"


def peer_text(address: bytes, port: int) -> str:
    """A packed address (core.engine.server.listener.packed) as `address:port`; empty for none."""
    if not any(address):
        return ""
    if address.startswith(_IPV4_MAPPED):
        return f"{address[12]}.{address[13]}.{address[14]}.{address[15]}:{port}"
    if address.startswith(LINK_LOCAL) and any(address[4:8]):
        interface = int.from_bytes(address[4:8], "big")
        return f"[{ipaddress.IPv6Address(LINK_LOCAL + bytes(4) + address[8:])}%{interface}]:{port}"
    return f"[{ipaddress.IPv6Address(address)}]:{port}"
