"""The HTTP client under the SDK's: proxies and certificates as the environment gives them, and no redirect to anywhere else.

The SDK and httpx2 read the same variables, but a value that they cannot use ends in a long traceback while the client is made, and
`NO_PROXY` entries that curl and Go understand (`[::1]`, `fe80::/10`) do so too. Here the variables are read first, and what is wrong
is said in one line that names the variable.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies

from claude_jupyter.errors import APIConnectionError, SettingError

_PROXIES: Final = ("http", "https", "all")
_SCHEMES: Final = ("http", "https", "socks5", "socks5h")
_KEEPALIVE: Final = {"TCP_KEEPINTVL": 60, "TCP_KEEPCNT": 5, "TCP_KEEPIDLE": 60}
"""As the SDK sets them, so that a connection without data is not dropped on the way."""
_FIX: Final = "Correct or unset it (in os.environ, or where Jupyter was started), then run the cell again."
_ORIGIN: Final = "claude_origin"


def http_client(endpoint: str | None, *, proxy: str | None = None, environ: bool = True) -> Any:
    """A client for the SDK.

    Parameters
    ----------
    endpoint
        The address that it will be used for, where that is known.
    proxy
        A proxy for every request, instead of the environment's.
    environ
        Whether the environment counts at all.

    Raises
    ------
    SettingError
        If a variable of the environment cannot be used, naming it.
    """
    import anthropic
    import httpx2

    options: list[tuple[int, int, int]] = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    options += [
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in _KEEPALIVE.items()
        if hasattr(socket, name)
    ]
    context = certificates() if environ else True
    limits = anthropic.DEFAULT_CONNECTION_LIMITS

    def transport(proxy: str | None = None) -> Any:
        return httpx2.HTTPTransport(
            verify=context, trust_env=environ, limits=limits, socket_options=options, proxy=proxy
        )

    routes = {"all://": proxy} if proxy else _routes(endpoint) if environ else {}
    mounts = {pattern: transport(proxy) if proxy else None for pattern, proxy in routes.items()}
    client = _client_class()(transport=transport(), mounts=mounts)
    stay(client)
    return client


def check_endpoint(name: str, address: str) -> None:
    """See that an address can be one of the service.

    Raises
    ------
    SettingError
        If it cannot, naming where it is.
    """
    if problem := _problem(address, ("http", "https"), "https://host"):
        fix = (
            _FIX
            if name.isupper()
            else f"Correct it with %config ClaudeMagics.{name}, then run the cell again."
        )
        raise SettingError(f"{name} is not a valid address ({problem}). {fix}")


@functools.cache
def _client_class() -> Any:
    import anthropic

    class Client(anthropic.DefaultHttpxClient):
        """Closed with its last request, as the SDK's own are."""

        def __del__(self) -> None:
            with contextlib.suppress(Exception):
                if not self.is_closed:
                    self.close()

    return Client


def certificates() -> Any:
    """What certificates are checked against: `SSL_CERT_FILE`, else `SSL_CERT_DIR`, else the system's.

    Raises
    ------
    SettingError
        If what they name cannot be used.
    """
    import httpx2

    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if folder and not file and not any(Path(part).is_dir() for part in folder.split(os.pathsep)):
        raise SettingError(f"SSL_CERT_DIR is not a folder ({folder}). {_FIX}")
    try:
        return httpx2.create_ssl_context()
    except (OSError, ssl.SSLError) as error:  # an SSLError is an OSError, but its text is another
        what = "contains no certificate" if isinstance(error, ssl.SSLError) else _words(error)
        log = os.environ.get("SSLKEYLOGFILE")
        if log and str(getattr(error, "filename", None)) == log:
            raise SettingError(f"SSLKEYLOGFILE cannot be written ({log}: {what}). {_FIX}") from None
        name, value = ("SSL_CERT_FILE", file) if file else ("SSL_CERT_DIR", folder)
        if not value:
            raise SettingError(
                f"The system's certificates cannot be read ({what}). Set SSL_CERT_FILE."
            ) from None
        raise SettingError(f"{name} cannot be used ({value}: {what}). {_FIX}") from None


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


# -- proxies ------------------------------------------------------------------------------------------------------------


def _routes(endpoint: str | None) -> Mapping[str, str | None]:
    """httpx2's mounts: a pattern of addresses → the proxy for them, or None for none."""
    proxies = {scheme: address for scheme, address in getproxies().items() if scheme in _PROXIES and address}
    direct = [p for p in _direct(getproxies().get("no", ""), endpoint) if p == "*" or _readable_pattern(p)]
    if not proxies or "*" in direct or (endpoint and f"all://{_host(endpoint)}" in direct):
        return {}
    routes = {f"{scheme}://": _proxy(scheme, proxies[scheme]) for scheme in _PROXIES if scheme in proxies}
    return {**routes, **dict.fromkeys(direct)}


def _proxy(scheme: str, value: str) -> str:
    name = next((n for n in (f"{scheme}_proxy", f"{scheme}_PROXY".upper()) if os.environ.get(n)), "")
    name = name or f"the system's {scheme} proxy"
    address = value if "://" in value else f"http://{value}"
    if problem := _problem(address):
        raise SettingError(f"{name} is not a valid proxy address ({problem}). {_FIX}")
    if address.lower().startswith("socks") and find_spec("socksio") is None:
        raise SettingError(
            f"{name} is a SOCKS proxy, which needs a package: pip install socksio and restart the kernel, or unset {name}."
        )
    return address


def _problem(
    address: str, schemes: tuple[str, ...] = _SCHEMES, example: str = "http://host:8080"
) -> str | None:
    """What is wrong with an address, without a password in it; None if nothing is."""
    import httpx2

    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
        httpx2.URL(address)
    except (ValueError, httpx2.InvalidURL):
        return f"its host or port is not valid; it should look like {example}"
    if not parts.scheme:
        return f"it has no scheme; it should look like {example}"
    if parts.scheme.lower() not in schemes:
        return f"{parts.scheme}:// is not one of {', '.join(schemes)}"
    if not host or re.search(r"[\s<>\"{}|\\^`]", parts.netloc) or port == 0:
        return f"it has no host; it should look like {example}"
    return None


def _direct(no_proxy: str, endpoint: str | None) -> Iterator[str]:
    """`NO_PROXY` as httpx2's patterns. What cannot be read is skipped, as curl and Go do.

    Networks are decided here, for the endpoint, because not every httpx2 can.
    """
    host = _host(endpoint) if endpoint else ""
    for entry in re.split(r"[,\s]+", no_proxy):
        scheme, mark, rest = entry.partition("://")
        scheme, rest = (scheme, rest) if mark else ("all", entry)
        if rest == "*":
            yield "*"
        elif (network := _network(rest)) is not None:
            if _inside(host, network):
                yield f"all://{host}"
        elif match := re.fullmatch(
            r"\[?([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\]?|\[([0-9A-Fa-f:.]+)\](:\d{1,5})", rest
        ):
            if (address := _address(match[1] or match[2])) is not None:
                yield f"{scheme}://[{address}]{match[3] or ''}"
        elif match := re.fullmatch(r"(\*?\.)?([\w-]+(?:\.[\w-]+)*)\.?(:\d{1,5})?", rest):
            dot, name, port = match.groups(default="")
            name = _ascii(name)
            whole = _address(name) is not None or name == "localhost" or name.startswith("xn--") or mark
            yield f"{scheme}://{'*.' if dot else '' if whole else '*'}{name}{port}"


def _readable_pattern(pattern: str) -> bool:
    import httpx2

    try:
        httpx2.URL(pattern)
    except httpx2.InvalidURL:
        return False
    return True


def _ascii(name: str) -> str:
    try:
        return name.lower().encode("idna").decode()
    except UnicodeError:
        return name.lower()


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    if "/" not in text:
        return None
    try:
        return ipaddress.ip_network(text.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None


def _inside(host: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    address = _address(host.strip("[]"))
    return address is not None and address in network


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _host(url: str) -> str:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return f"[{host}]" if ":" in host else host


# -- redirects ----------------------------------------------------------------------------------------------------------


def stay(client: Any) -> None:
    """Let this HTTP client follow no redirect to another origin, nor one that would turn a question into a GET (once).

    What a redirect leads to is known for sure only when the next request is there: it carries the first one's origin along.
    """
    hooks: list[Callable[[Any], None]] = client.event_hooks.get("request", [])
    if _check_origin in hooks:
        return
    client.event_hooks = {**client.event_hooks, "request": [_check_origin, *hooks]}


def _check_origin(request: Any) -> None:
    origin = (request.method, *_origin(request.url))
    first = request.extensions.setdefault(_ORIGIN, origin)
    if first == origin:
        return
    there, here = _readable(*origin[1:]), _readable(*first[1:])
    if there == here:
        raise APIConnectionError(
            f"The endpoint redirected to {there}{request.url.path}, and the request cannot be repeated there. "
            "Correct base_url (or ANTHROPIC_BASE_URL)."
        )
    raise APIConnectionError(
        f"The endpoint {here} redirected to {there}; nothing was sent there. "
        "If that is where it should go, set base_url (or ANTHROPIC_BASE_URL) to it."
    )


def same_origin(address: str, other: str) -> bool:
    """Whether two addresses lead to the same scheme, host and port."""
    import httpx2

    return _origin(httpx2.URL(address)) == _origin(httpx2.URL(other))


def _origin(url: Any) -> tuple[str, str, int | None]:
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.raw_host.decode("ascii", "replace").lower().rstrip("."), port


def _readable(scheme: str, host: str, port: int | None) -> str:
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" + ("" if port == {"http": 80, "https": 443}.get(scheme) else f":{port}")
