"""Policy: counts and reports what a result costs each time it is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from claude_jupyter.answer.model import Attachment, Block
from claude_jupyter.client.transport import Stop
from claude_jupyter.conversation.tools.outcome import Run, ToolCall, ToolOutcome


def priced(
    run: Run, tokens_of: Callable[[Sequence[Block], Sequence[Attachment]], int], price: Callable[[int], str]
) -> Run:
    """The outcome with its tokens and their list price.

    Parameters
    ----------
    price
        Prompt tokens → USD as text, empty if the price is not known.
    """

    def count(call: ToolCall, stop: Stop) -> ToolOutcome:
        outcome = run(call, stop)
        tokens = tokens_of(outcome.blocks, outcome.attachments)
        return replace(outcome, tokens=tokens, price=price(tokens))

    return count
