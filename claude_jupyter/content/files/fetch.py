"""The bytes behind a URL, fetched from this machine; never from a network that only this machine can reach.

A URL in a notebook, a redirect or a name server of somebody else's could point at what comes behind the firewall (a router, a
database's page, a cloud's metadata with its keys), and what is fetched is sent away. So every address is looked at before it is
connected to, after each redirect anew. What the user writes out (`http://127.0.0.1:8000/plot.png`, `http://10.0.0.7/a.pdf`) is
meant, and is fetched from that very origin; link-local addresses (169.254.169.254) are refused even so.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Final
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from claude_jupyter.errors import AttachmentError

TIMEOUT: Final = 20.0
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Origin = tuple[str, str, int | None]


class PrivateAddressError(OSError):
    """A URL leads to an address that is not public."""


def fetch(url: str, most: int, *, explicit: bool) -> bytes:
    """At most `most` bytes of what is behind an http(s) URL.

    Parameters
    ----------
    explicit
        Whether the user wrote this URL; its own address, written as a number or `localhost`, may then be private.

    Raises
    ------
    AttachmentError
        If it leads to a private address, saying to which.
    OSError, ValueError
        If it cannot be fetched.
    """
    allowed = _origin(url) if explicit and is_private(url) else None
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        _Http(allowed),
        _Https(allowed),
        request.HTTPRedirectHandler(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPErrorProcessor(),
        request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    try:
        with opener.open(
            request.Request(url, headers={"User-Agent": "claude-jupyter"}), timeout=TIMEOUT
        ) as response:
            return response.read(most)
    except (URLError, PrivateAddressError) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, PrivateAddressError):
            raise AttachmentError(
                f"{reason}, so it was not fetched. If you trust it, load it in Python and attach the result."
            ) from None
        if isinstance(error, HTTPError):
            error.close()
        raise


def is_private(url: str) -> bool:
    """Whether a URL names this machine or a private network outright: by number, or as `localhost`."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    address = _literal(host)
    return (
        host == "localhost" or host.endswith(".localhost") or (address is not None and not _public(address))
    )


def _origin(url: str) -> Origin:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port


def _literal(host: str) -> Address | None:
    """An address written as a number, in any of the forms that a system's resolver takes (127.1, 0x7f000001, 2130706433)."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host)) if host and " " not in host else None
    except OSError:
        return None


def _public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _public(inner)
    return address.is_global and not address.is_multicast


def _checked(url: str, host: str, port: int, allowed: Origin | None) -> list[Any]:
    """The addresses of a host, none of them private.

    Raises
    ------
    PrivateAddressError
        If one is.
    """
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    own = allowed is not None and _origin(url) == allowed
    for info in addresses:
        address = ipaddress.ip_address(str(info[4][0]).partition("%")[0])
        if not _public(address) and not (own and not address.is_link_local):
            kind = "link-local" if address.is_link_local else "loopback" if address.is_loopback else "private"
            name = "" if host.strip("[]") == str(address) else f" ({host})"
            raise PrivateAddressError(f"The URL leads to the {kind} address {address}{name}")
    return addresses


def _connect(
    url: str, allowed: Origin | None, place: tuple[str, int], timeout: Any = None, source: Any = None
) -> Any:
    """`socket.create_connection` to addresses that were looked at, so that no second lookup can give others."""
    failure: OSError | None = None
    for info in _checked(url, *place, allowed):
        try:
            return socket.create_connection(info[4][:2], timeout, source)
        except OSError as error:
            failure = error
    raise failure or OSError(f"{place[0]} has no address")


def _open(make: Any, url: str, allowed: Origin | None, proxied: bool) -> Callable[..., Any]:
    def connection(host: str, **how: Any) -> Any:
        opened = make(host, **how)
        if not proxied:
            opened._create_connection = partial(_connect, url, allowed)
        return opened

    if proxied:  # the proxy connects; names are looked up where that can be done
        parts = urlsplit(url)
        try:
            _checked(url, parts.hostname or "", parts.port or 0, allowed)
        except socket.gaierror:
            pass
    return connection


class _Http(request.HTTPHandler):
    def __init__(self, allowed: Origin | None) -> None:
        super().__init__()
        self._allowed = allowed

    def http_open(self, req: request.Request) -> Any:
        url, proxied = req.full_url, req.has_proxy()
        return self.do_open(_open(http.client.HTTPConnection, url, self._allowed, proxied), req)  # pyright: ignore[reportArgumentType]


class _Https(request.HTTPSHandler):
    def __init__(self, allowed: Origin | None) -> None:
        super().__init__()
        self._allowed = allowed

    def https_open(self, req: request.Request) -> Any:
        url, proxied = req.full_url, req.has_proxy() or bool(getattr(req, "_tunnel_host", None))
        return self.do_open(_open(http.client.HTTPSConnection, url, self._allowed, proxied), req)  # pyright: ignore[reportArgumentType]
