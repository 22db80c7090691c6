"""Estimates how many tokens a request has, before the service counts them: for receipts, the context gauge and budgets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from claude_jupyter.answer.model import Attachment, Message
from claude_jupyter.content.text.token_estimate import tokens_of_text

_MESSAGE = 4
_IMAGE = 1500
"""Tokens of a picture whose size is not available (a URL, a tool's picture)."""


def tokens_of(messages: Iterable[Message], attachments: Iterable[Attachment] = ()) -> int:
    """Estimated tokens of messages.

    Parameters
    ----------
    attachments
        What is in them: pictures and documents are taken at the tokens known for them.
    """
    attached = [a for a in attachments if a.kind in ("image", "document")]
    attached_tokens = sum(a.tokens for a in attached)
    media = 0
    texts = 0
    for message in messages:
        texts += _MESSAGE
        for block in message["content"]:
            count, pictures = _block(block)
            texts += count
            media += pictures
    unknown = max(0, media - len(attached))
    return texts + attached_tokens + unknown * _IMAGE


def tokens_of_json(value: Any) -> int:
    """Estimated tokens of a tool definition, schema or system prompt."""
    if not value:
        return 0
    return tokens_of_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _block(block: Mapping[str, Any]) -> tuple[int, int]:
    """(tokens of text, pictures and documents) of a block."""
    kind = block.get("type")
    if kind in ("image", "document"):
        return 0, 1
    if kind == "text":
        return tokens_of_text(block["text"]), 0
    if kind == "thinking":
        return tokens_of_text(block.get("thinking") or ""), 0
    content = block.get("content")
    if kind == "tool_result" and isinstance(content, list):
        counts = [_block(b) for b in content]
        return sum(c for c, _ in counts), sum(p for _, p in counts)
    return tokens_of_json({k: v for k, v in block.items() if k not in ("signature", "encrypted_content")}), 0
