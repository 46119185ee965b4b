"""Loopback: which hosts mean this machine alone, and HTTP questions to it that no proxy gets to see."""

import ipaddress
import urllib.request
from http.client import HTTPResponse
from typing import Final
from urllib.parse import urlsplit

_WILDCARDS: Final = {4: "127.0.0.1", 6: "::1"}
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def is_loopback(host: str) -> bool:
    """Whether a name or address stands for this machine alone."""
    if host.lower().rstrip(".") == "localhost":
        return True
    address = address_of(host)
    return address is not None and address.is_loopback


def reachable(host: str) -> str:
    """Where to connect to for what listens on `host`: loopback for a wildcard address, else `host` itself."""
    address = address_of(host.strip("[]"))
    return _WILDCARDS[address.version] if address is not None and address.is_unspecified else host


def ask(request: str | urllib.request.Request, timeout: float) -> HTTPResponse:
    """The answer to a request, or to a GET of a URL; http or https.

    `http_proxy` and its kin are for other hosts: a proxy has a loopback of its own.

    Raises OSError (urllib.error.HTTPError for an answer of status 400 and above).
    """
    url = request if isinstance(request, str) else request.full_url
    if is_loopback(urlsplit(url).hostname or ""):
        answer: HTTPResponse = _DIRECT.open(request, timeout=timeout)
    else:
        answer = urllib.request.urlopen(request, timeout=timeout)  # noqa: S310 - the caller knows the scheme
    return answer


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that `host` is, an IPv4 one also when it is written as an IPv6 one (RFC 4291, 2.5.5.2)."""
    try:
        address = ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
