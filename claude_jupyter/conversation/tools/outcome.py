"""A tool call and its outcome, as values for whatever runs it and for the policies around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from claude_jupyter.answer.model import Attachment, Block
from claude_jupyter.client.transport import Stop


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool."""

    tool: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """The result of a call.

    Attributes
    ----------
    blocks
        Content of the tool_result block.
    text
        The same in words, for the answer's fold.
    error
        Whether it failed: Claude is told so.
    attachments
        What of the kernel is in it, for the answer's chips.
    tokens
        About how many tokens it costs each time it is sent; 0 if nobody counted.
    price
        The same in USD, as text; empty if the price is not known.
    """

    blocks: tuple[Block, ...]
    text: str
    error: bool = False
    attachments: tuple[Attachment, ...] = ()
    tokens: int = 0
    price: str = ""

    @classmethod
    def of_text(cls, text: str, *, error: bool = False) -> ToolOutcome:
        """A text alone."""
        return cls(({"type": "text", "text": text},), text, error)


Run = Callable[[ToolCall, Stop], ToolOutcome]
"""Runs a call. A policy takes one and returns one."""
