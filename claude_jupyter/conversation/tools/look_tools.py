"""Offers the look tools in a question: they read under its rules, on the right thread, and report errors to Claude in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from claude_jupyter.client.transport import Stop
from claude_jupyter.content.guard import together, type_name
from claude_jupyter.conversation.tools.outcome import Run, ToolCall, ToolOutcome
from claude_jupyter.conversation.tools.toolbox import Tool, outcome_of
from claude_jupyter.errors import ClaudeError
from claude_jupyter.kernel.look.tool import Here, LookTool, arguments_of, definition
from claude_jupyter.kernel.reading import Reader

TOKENS: Final = 10_000
"""The longest result of a lookup."""


def tool(look: LookTool, here: Callable[[], Here], read: Reader) -> Tool:
    """A look tool as a tool of the question.

    Parameters
    ----------
    here
        The kernel as it is when the tool is called.
    read
        Runs a lookup where and when it may read.
    """
    return Tool(definition(look), run=_run(look, here, read), tokens=TOKENS, shorter=look.shorter)


def _run(look: LookTool, here: Callable[[], Here], read: Reader) -> Run:
    def run(call: ToolCall, stop: Stop) -> ToolOutcome:
        place = here()

        def work() -> Any:
            with together():
                result = look.handle(arguments_of(look, call.input), place)
                return result.attachments(place.rules)

        try:
            attachments = read(work, stop)
        except ClaudeError as error:
            return ToolOutcome.of_text(error.message, error=True)
        except Exception as error:
            if place.rules.row_limit != 0:
                raise
            kind = type_name(type(error), short=True)
            return ToolOutcome.of_text(
                f"It failed with {kind}; its message is withheld (--rows none).", error=True
            )
        return outcome_of(attachments) if attachments else ToolOutcome.of_text("(nothing)")

    return run
