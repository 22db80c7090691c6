"""Policy: limits the length of a result; a cut says what is missing and how to ask for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from claude_jupyter.answer.model import Block
from claude_jupyter.client.transport import Stop
from claude_jupyter.content.text.token_estimate import CHARACTERS_PER_TOKEN, characters_of, tokens_of_text
from claude_jupyter.conversation.tools.outcome import Run, ToolCall, ToolOutcome

_LEFT_OUT: Final = re.compile(r"\n\[… ([\d,]+) characters left out")


def sized(run: Run, tokens: int, shorter: Mapping[str, str]) -> Run:
    """The outcome, with its text within a token limit.

    Parameters
    ----------
    shorter
        By the tool's name, how to ask for less.
    """

    def cut(call: ToolCall, stop: Stop) -> ToolOutcome:
        outcome = run(call, stop)
        blocks = _within(outcome.blocks, tokens, shorter.get(call.tool, "ask for less"))
        if blocks == outcome.blocks:
            return outcome
        texts = [block["text"] for block in blocks if block.get("type") == "text"]
        return replace(outcome, blocks=blocks, text="\n".join(texts))

    return cut


def _within(blocks: tuple[Block, ...], tokens: int, shorter: str) -> tuple[Block, ...]:
    fitting: list[Block] = []
    remaining = tokens
    for block in blocks:
        if block.get("type") != "text":
            fitting.append(block)
            continue
        text = block["text"]
        used = tokens_of_text(text)
        if used > remaining:
            text = _shortened(text, max(remaining, 50), shorter)
            used = tokens_of_text(text)
        fitting.append({**block, "text": text})
        remaining = max(remaining - used, 0)
    return tuple(fitting)


def _shortened(text: str, tokens: int, shorter: str) -> str:
    """The beginning and the end (a fence stays closed), with a note of what is missing."""
    # Wide characters count as a token each.
    ratio = len(text) / max(tokens_of_text(text), 1)
    room = max(int(min(characters_of(tokens), tokens * min(ratio, CHARACTERS_PER_TOKEN))) - 160, 40)
    head, tail = text[: room * 4 // 5], text[len(text) - room // 5 :]
    omitted = text[len(head) : len(text) - len(tail)]
    before = sum(
        int(count.replace(",", "")) for count in _LEFT_OUT.findall(omitted)
    )  # by a limit of the text itself
    return f"{head}\n[… {len(omitted) + before:,} of {len(text) + before:,} characters left out; {shorter} …]\n{tail}"
