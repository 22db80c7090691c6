"""What the service refuses, refused alike: so that what passes here is likely to pass there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claude_jupyter.demo.refused import Refused, invalid


def authenticate(headers: Mapping[str, str]) -> str:
    """The key a request comes with (Bearer, or the older `x-api-key`); one with `wrong` or `invalid` in it is refused."""
    scheme, _, key = (headers.get("authorization") or "").partition(" ")
    key = key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key") or ""
    if not key:
        raise Refused(401, "Authentication is required: send `Authorization: Bearer ...`")
    if "wrong" in key or "invalid" in key:
        raise Refused(401, "Invalid bearer token")
    if not headers.get("anthropic-version"):
        raise invalid("anthropic-version: header is required")
    return key


def check(body: Any, headers: Mapping[str, str], *, counting: bool = False) -> None:
    """Refuse what the service refuses."""
    if not isinstance(body, dict):
        raise invalid("The request body must be a JSON object")
