"""How many tokens the demo model counts: deterministic estimates of the right size, not the real tokenizer's counts.

Text is 3.5 bytes a token (4.5 before Claude 4.7, whose tokenizer counts about 30 % more), images are counted by
the published rule: https://platform.claude.com/docs/en/build-with-claude/vision
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any, Final

from claude_jupyter.demo.oracle.image_rules import Picture, picture
from claude_jupyter.models import Model

PATCH: Final = 28
TOOL_PROMPT: Final = 286
"""Tokens of the hidden system prompt that any tool adds."""
MESSAGE: Final = 4
"""Tokens that a message costs besides its content."""
PAGE: Final = 2000
_PAGES = re.compile(rb"/Type\s*/Page(?!s)")
_URL_IMAGE = Picture("url", 1000, 1000)


def rate(model: Model) -> float:
    """Bytes of text a token: the newer tokenizer is the one of the models with the larger image tier."""
    return 3.5 if model.image_edge > 1568 else 4.5


def text_tokens(text: str, model: Model) -> int:
    """Tokens of a text."""
    return ceil(len(text.encode()) / rate(model))


def shrunk(width: int, height: int, model: Model) -> tuple[int, int]:
    """The size an image is brought to before it is counted: the largest of its shape within edge and budget."""

    def fits(w: int, h: int) -> bool:
        across, down = ceil(w / PATCH), ceil(h / PATCH)
        within = max(across, down) * PATCH <= model.image_edge
        return within and across * down <= model.image_tokens

    def size(long: int) -> tuple[int, int]:
        short = max(1, round(long * min(width, height) / max(width, height)))
        return (long, short) if width >= height else (short, long)

    if fits(width, height):
        return width, height
    low, high = 1, max(width, height)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(*size(middle)) else (low, middle - 1)
    return size(low)


def image_tokens(width: int, height: int, model: Model) -> int:
    """Tokens of an image of this size."""
    w, h = shrunk(width, height, model)
    return ceil(w / PATCH) * ceil(h / PATCH)


def block_tokens(block: Mapping[str, Any], model: Model) -> int:
    """Tokens of one content block, whatever its kind."""
    match block.get("type"):
        case "text":
            return text_tokens(block.get("text") or "", model)
        case "image":
            shape = picture(block) or _URL_IMAGE
            return image_tokens(shape.width, shape.height, model)
        case "document":
            return _document_tokens(block, model)
        case "tool_result":
            return MESSAGE + content_tokens(block.get("content") or (), model)
        case "thinking":
            return text_tokens(block.get("thinking") or block.get("signature") or "", model)
        case _:
            counted = {k: v for k, v in block.items() if k != "cache_control" and v is not None}
            return text_tokens(json.dumps(counted, ensure_ascii=False), model)


def content_tokens(content: str | Iterable[Mapping[str, Any]], model: Model) -> int:
    """Tokens of a message's or tool result's content."""
    if isinstance(content, str):
        return text_tokens(content, model)
    return sum(block_tokens(block, model) for block in content)


def _document_tokens(block: Mapping[str, Any], model: Model) -> int:
    source = block.get("source") or {}
    heading = text_tokens(f"{block.get('title') or ''}{block.get('context') or ''}", model)
    match source.get("type"):
        case "text":
            return heading + text_tokens(source.get("data") or "", model)
        case "content":
            return heading + content_tokens(source.get("content") or (), model)
        case "base64":
            return heading + PAGE * pages(base64.b64decode(source.get("data") or ""))
        case _:
            return heading + PAGE


def pages(pdf: bytes) -> int:
    """Pages of a PDF whose page tree is not compressed; 1 where it cannot be determined."""
    return max(1, len(_PAGES.findall(pdf)))
