"""Policy: replaces secrets in tool results before anything is sent or shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from claude_jupyter.client.transport import Stop
from claude_jupyter.conversation.tools.outcome import Run, ToolCall, ToolOutcome


def redacted(run: Run, redact: Callable[[str], str]) -> Run:
    """The outcome without secrets."""

    def clean(call: ToolCall, stop: Stop) -> ToolOutcome:
        outcome = run(call, stop)
        blocks = tuple(
            {**block, "text": redact(block["text"])} if block.get("type") == "text" else block
            for block in outcome.blocks
        )
        return replace(outcome, blocks=blocks, text=redact(outcome.text))

    return clean
