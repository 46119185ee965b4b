"""Where a request comes from: what a proxy says counts only when the proxy is trusted."""

import ipaddress
from collections.abc import Iterable
from typing import Any

from core.loopback import address_of, is_loopback

Environ = dict[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_address(host: str) -> bool:
    """Whether a host is an IP literal, which no name server can point anywhere else."""
    return address_of(host) is not None


class TrustedProxies:
    """The proxies whose word is taken for where a request came from and who sent it."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """`networks`: addresses and CIDR blocks."""
        self._networks: list[Network] = [ipaddress.ip_network(network) for network in networks]

    def trusts(self, host: str) -> bool:
        """Whether the peer at this address is one of them."""
        address = address_of(host)
        return address is not None and any(address in network for network in self._networks)

    def speaks(self, environ: Environ) -> bool:
        """Whether the request was sent by one of them."""
        return self.trusts(environ.get("REMOTE_ADDR", ""))

    def client(self, environ: Environ) -> str:
        """The address that a request came from; empty when it is not known (a Unix socket).

        Each proxy appends the address of its own peer to X-Forwarded-For, so the last that is no trusted proxy is the
        client; what stands before it was claimed by the client itself.
        """
        address = str(environ.get("REMOTE_ADDR", ""))
        claimed = [part.strip() for part in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
        while claimed and self.trusts(address):
            address = claimed.pop()
        return address

    def is_secure(self, environ: Environ) -> bool:
        """Whether the browser reached us by https."""
        if self.speaks(environ) and "HTTP_X_FORWARDED_PROTO" in environ:
            return str(environ["HTTP_X_FORWARDED_PROTO"]).split(",")[-1].strip() == "https"
        return bool(environ["wsgi.url_scheme"] == "https")


def is_forwarded(environ: Environ) -> bool:
    """Whether a request says that a proxy passed it on from another machine."""
    claimed = [part.strip() for part in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    return "HTTP_FORWARDED" in environ or not all(map(is_loopback, claimed))
