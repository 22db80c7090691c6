"""Policy: remembers what a tool looked at, for the answer's chips and for later questions under `--rows none`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from claude_jupyter.answer.model import Attachment
from claude_jupyter.client.transport import Stop
from claude_jupyter.conversation.tools.outcome import Run, ToolCall, ToolOutcome


def audited(run: Run, record: Callable[[Sequence[Attachment]], object]) -> Run:
    """Every attachment of an outcome is recorded, in the order of the calls."""

    def remember(call: ToolCall, stop: Stop) -> ToolOutcome:
        outcome = run(call, stop)
        if outcome.attachments:
            record(outcome.attachments)
        return outcome

    return remember
