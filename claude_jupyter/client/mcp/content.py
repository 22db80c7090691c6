"""What a tool of an MCP server gave → plain values: texts, and the bytes of pictures and documents.

The conversion is the SDK's own (`anthropic.lib.tools.mcp`); what Claude cannot be shown becomes a word that says so.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

PARTS: Final = 50
"""Parts of one result that are looked at."""


@dataclass(frozen=True, slots=True)
class ServerResult:
    """What a call gave.

    Attributes
    ----------
    values
        A `str` is text, `bytes` are a picture or document.
    error
        Whether the server says that the call failed.
    """

    values: tuple[str | bytes, ...]
    error: bool = False


def received(result: Any) -> ServerResult:
    """The result of a call, its parts in order; beyond `PARTS` they are counted only.

    Parameters
    ----------
    result
        The SDK's `CallToolResult`.
    """
    parts = list(result.content)
    values = [value for part in parts[:PARTS] for value in _values(part)]
    if not parts and result.structured_content is not None:
        values.append(json.dumps(result.structured_content, ensure_ascii=False))
    if len(parts) > PARTS:
        values.append(f"[{len(parts) - PARTS:,} more parts left out]")
    return ServerResult(tuple(values), bool(result.is_error))


def _values(part: Any) -> Iterator[str | bytes]:
    from anthropic.lib.tools.mcp import UnsupportedMCPValueError, mcp_content

    try:
        block: Any = mcp_content(part)
    except (UnsupportedMCPValueError, ValueError) as error:
        yield _other(part) or f"[not shown: {error}]"
        return
    if block["type"] == "text":
        yield block["text"]
        return
    source = block["source"]
    if source["type"] == "text":
        yield source["data"]
        return
    try:
        yield base64.b64decode(source["data"], validate=True)
    except (binascii.Error, ValueError):
        yield f"[not shown: the {block['type']} is not valid base64]"


def _other(part: Any) -> str | bytes:
    """What the Messages API has no block for."""
    kind = getattr(part, "type", "")
    media = getattr(part, "mime_type", "") or ""
    if kind == "image" and media == "image/svg+xml":
        return base64.b64decode(part.data)
    if kind == "resource_link":
        return f"[a link to the resource {part.name}: {part.uri}]"
    if kind == "audio":
        return f"[audio ({media}), which Claude does not support]"
    if kind == "resource":
        return f"[the resource {part.resource.uri} ({part.resource.mime_type or 'unknown type'}), not shown]"
    return ""
