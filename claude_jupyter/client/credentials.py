"""Finds the key and the endpoint, and creates the SDK client.

A key set by `%claude_key` comes first, then whatever the SDK finds (its constructor's order), then the keyring. Only if all of these
have none may a `.env` in the notebook's own folder give a key, to the client and not to `os.environ`; an endpoint, header or proxy in
that file counts only together with a key from it, because a cloned repository must not be able to lead the user's own key elsewhere.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from textwrap import shorten
from typing import Any

from claude_jupyter.client.network import check_endpoint, http_client
from claude_jupyter.client.sdk_errors import NO_KEY, clean
from claude_jupyter.errors import AuthenticationError
from claude_jupyter.providers import PROVIDERS
from claude_jupyter.settings import Settings

ENDPOINT = "https://api.anthropic.com"
_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
_FEDERATION = ("ANTHROPIC_FEDERATION_RULE_ID", "ANTHROPIC_ORGANIZATION_ID")


@dataclass(frozen=True, slots=True)
class Credential:
    """That there is a key, and where it was found; never shown with its value.

    Attributes
    ----------
    where
        For people: `ANTHROPIC_API_KEY in the environment`, `.env next to the notebook`, `%claude_key`, `profile default`.
    arguments
        For the SDK's constructor; empty if the SDK finds it by itself.
    """

    where: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


def credential(
    environ: Mapping[str, str] = os.environ, folder: Path | None = None, key: str | None = None
) -> Credential | None:
    """The credential that a request would use, or None.

    Parameters
    ----------
    environ
        The process environment.
    folder
        The notebook's own folder, whose `.env` may be read.
    key
        A key entered by `%claude_key`; it wins.
    """
    if key:
        return Credential("%claude_key", {"api_key": key})
    for name in _KEYS:
        if environ.get(name):
            return Credential(f"{name} in the environment")
    if environ.get("ANTHROPIC_PROFILE"):
        return Credential(f"profile {environ['ANTHROPIC_PROFILE']}")
    if all(environ.get(n) for n in _FEDERATION) and any(
        environ.get(n) for n in ("ANTHROPIC_IDENTITY_TOKEN", "ANTHROPIC_IDENTITY_TOKEN_FILE")
    ):
        return Credential("workload identity in the environment")
    profile = _profile(environ)
    if profile:
        return Credential(f"profile {profile}")
    return _from_keyring() or _from_dotenv(folder or Path.cwd())


def _profile(environ: Mapping[str, str]) -> str | None:
    """The SDK's active profile on disk (`lib/credentials`), without importing the SDK."""
    if environ.get("ANTHROPIC_CONFIG_DIR"):
        base = Path(environ["ANTHROPIC_CONFIG_DIR"])
    elif sys.platform == "win32":
        base = Path(environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "Anthropic"
    else:
        base = Path.home() / ".config" / "anthropic"
    try:
        active = base / "active_config"
        name = active.read_text(encoding="utf-8").strip() if active.is_file() else "default"
        return name if name and (base / "configs" / f"{name}.json").is_file() else None
    except OSError:
        return None


def _from_keyring() -> Credential | None:
    # Only if the user saved one with `%claude_key --save`; the marker spares others the import and the keyring's prompt.
    from claude_jupyter.settings import data_dir

    try:
        if not (data_dir() / "keyring").is_file():
            return None
        import keyring

        key = keyring.get_password("claude-jupyter", "anthropic")
    except Exception:
        return None  # a locked or missing keyring: the message for "no key" tells what to do
    return Credential("the system's keyring", {"api_key": key}) if key else None


def _from_dotenv(folder: Path) -> Credential | None:
    path = folder / ".env"
    if not path.is_file():
        return None
    from dotenv import dotenv_values

    # No interpolation: `${HOME_SECRET}` in an address would send the user's environment away.
    try:
        values = {k: v for k, v in dotenv_values(path, interpolate=False).items() if v}
    except (OSError, UnicodeDecodeError):
        return None
    arguments: dict[str, Any] = {}
    if values.get("ANTHROPIC_API_KEY"):
        arguments["api_key"] = values["ANTHROPIC_API_KEY"]
    elif values.get("ANTHROPIC_AUTH_TOKEN"):
        arguments["auth_token"] = values["ANTHROPIC_AUTH_TOKEN"]
    else:
        return None
    if values.get("ANTHROPIC_BASE_URL") and not os.environ.get("ANTHROPIC_BASE_URL"):
        arguments["base_url"] = values["ANTHROPIC_BASE_URL"]
    proxy = values.get("HTTPS_PROXY") or values.get("ALL_PROXY")
    named = {n.upper() for n, value in os.environ.items() if value}
    if proxy and not named & {"HTTPS_PROXY", "ALL_PROXY"}:
        arguments["proxy"] = proxy
    if values.get("ANTHROPIC_CUSTOM_HEADERS") and not os.environ.get("ANTHROPIC_CUSTOM_HEADERS"):
        lines = [line.partition(":") for line in values["ANTHROPIC_CUSTOM_HEADERS"].splitlines()]
        arguments["default_headers"] = {name.strip(): text.strip() for name, colon, text in lines if colon}
    return Credential(".env next to the notebook", arguments)


def make_client(settings: Settings, *, folder: Path | None = None, key: str | None = None) -> Any:
    """The SDK client for the settings' provider.

    Raises
    ------
    AuthenticationError
        If no key is found.
    MissingExtraError
        If the provider's SDK extra is not installed.
    SettingError
        If a variable of the environment (proxies, certificates) cannot be used.
    """
    import anthropic

    if settings.provider == "demo":
        from claude_jupyter.demo.server import shared

        # Loopback only: not through a proxy, and never with the user's key or headers.
        return anthropic.Anthropic(
            api_key="demo",
            base_url=shared().url,
            http_client=http_client(shared().url, environ=False),
            max_retries=0,
            **_without_spans(anthropic.Anthropic),
        )
    common: dict[str, Any] = {"max_retries": settings.max_retries, "timeout": settings.timeout}
    if settings.base_url:
        check_endpoint("base_url", settings.base_url)
        common["base_url"] = settings.base_url
    if settings.provider == "anthropic":
        credentials = credential(folder=folder, key=key)
        if credentials is None:
            raise AuthenticationError(NO_KEY)
        arguments = {**credentials.arguments, **common}
        endpoint = arguments.get("base_url") or os.environ.get("ANTHROPIC_BASE_URL", ENDPOINT)
        check_endpoint("ANTHROPIC_BASE_URL", endpoint)
        arguments["http_client"] = http_client(endpoint, proxy=arguments.pop("proxy", None))
        return anthropic.Anthropic(**arguments, **_without_spans(anthropic.Anthropic))
    return _platform(settings.provider, common)


def _without_spans(client: type) -> dict[str, Any]:
    """No spans to whatever tracer the process has, which the SDK gives of its own accord; `ANTHROPIC_OPEN_TELEMETRY` asks for them."""
    setting = os.environ.get("ANTHROPIC_OPEN_TELEMETRY")
    return (
        {"open_telemetry": False} if not setting and "open_telemetry" in signature(client).parameters else {}
    )


def _platform(provider: str, common: dict[str, Any]) -> Any:
    import anthropic

    platform = PROVIDERS[provider]
    platform.check(provider)
    common["http_client"] = http_client(common.get("base_url"))
    try:
        client = getattr(anthropic, platform.client)
        return client(**common, **_without_spans(client))
    except (ValueError, ImportError, anthropic.AnthropicError) as error:
        reason = shorten(clean(str(error)), 160, placeholder=" …")
        raise AuthenticationError(
            f"{platform.title} (provider {provider}) is not set up: it needs {platform.needs}. ({reason})"
        ) from None
