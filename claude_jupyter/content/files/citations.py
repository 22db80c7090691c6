"""Documents that Claude may cite: which blocks are documents, and whether their citations are on.

The service takes citations for all documents of a request or for none, and for none in a request for structured output
(platform.claude.com, "Citations"), so the switch is made in one place for new and earlier messages alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from claude_jupyter.answer.model import Block

ENABLED: Final[Mapping[str, bool]] = {"enabled": True}
TITLE: Final = 200
"""Characters of a document's title."""


def text_document(text: str, title: str) -> Block:
    """A text as a document block; Claude cites it by characters."""
    source = {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "document", "source": source, "title": title[:TITLE]}


def with_citations(blocks: Sequence[Block], enabled: bool) -> Sequence[Block]:
    """The blocks with citations of every document on or off, also inside tool results; `blocks` itself where they are so."""
    switched = [_switched(block, enabled) for block in blocks]
    return blocks if all(a is b for a, b in zip(switched, blocks, strict=True)) else switched


def holds_documents(blocks: Sequence[Block]) -> bool:
    """Whether there is a document among the blocks, also inside a tool result."""
    return any(b.get("type") == "document" or holds_documents(_nested(b)) for b in blocks)


def _nested(block: Block) -> Sequence[Block]:
    content: Any = block.get("content") if block.get("type") == "tool_result" else None
    return content if isinstance(content, list) else ()


def _switched(block: Block, enabled: bool) -> Block:
    if block.get("type") == "document":
        if bool((block.get("citations") or {}).get("enabled")) == enabled:
            return block
        bare = {key: value for key, value in block.items() if key != "citations"}
        return {**bare, "citations": dict(ENABLED)} if enabled else bare
    inside = _nested(block)
    switched = with_citations(inside, enabled)
    return block if switched is inside else {**block, "content": switched}
