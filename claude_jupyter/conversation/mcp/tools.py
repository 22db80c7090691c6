"""Offers the tools of an MCP server in a question, under the same rules as everything that is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.client.mcp.connection import Connection, ServedTool
from claude_jupyter.client.transport import Stop
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import clip
from claude_jupyter.conversation.tools.outcome import Run, ToolCall, ToolOutcome
from claude_jupyter.conversation.tools.row_limit import within_rows
from claude_jupyter.conversation.tools.toolbox import Tool, outcome_of
from claude_jupyter.errors import AttachmentError, McpError

TOKENS: Final = 10_000
"""The longest result, as for a look tool."""
PICTURES: Final = 20
"""Pictures and documents of one result."""

_DESCRIPTION: Final = 4_000
_NAME: Final = 128
_ODD: Final = re.compile(r"[^a-zA-Z0-9_-]")

Show = Callable[[Any, str], tuple[Attachment, ...]]
"""A value and its label → how Claude is shown it."""


def tool(connection: Connection, served: ServedTool, show: Show, rules: Rules) -> Tool:
    """A tool of a server, named `SERVER__tool`; what the server does not mark read-only asks first."""
    name = _ODD.sub("_", f"{connection.entry.name}__{served.name}")[:_NAME]
    schema: Mapping[str, Any] = {**served.schema, "type": "object"}
    definition = {"name": name, "description": clip(served.description, _DESCRIPTION), "input_schema": schema}
    return Tool(
        definition,
        confirm=not served.read_only,
        run=_run(connection, served, show, rules),
        tokens=TOKENS,
        server=connection.entry.name,
    )


def _run(connection: Connection, served: ServedTool, show: Show, rules: Rules) -> Run:
    def run(call: ToolCall, stop: Stop) -> ToolOutcome:
        try:
            received = connection.call(served, call.input, stop)
        except McpError as error:
            return ToolOutcome.of_text(error.message, error=True)
        attachments: list[Attachment] = []
        pictures = 0
        for value in received.values:
            if isinstance(value, bytes):
                pictures += 1
                if pictures > PICTURES:
                    continue
            attachments += _attachments(value, call.tool, show, rules)
        if pictures > PICTURES:
            left_out = f"[{pictures - PICTURES:,} more pictures or documents left out]"
            attachments += show(left_out, call.tool)
        if not attachments:
            return replace(ToolOutcome.of_text("(no output)"), error=received.error)
        return replace(outcome_of(attachments), error=received.error)

    return run


def _attachments(value: str | bytes, label: str, show: Show, rules: Rules) -> tuple[Attachment, ...]:
    try:
        return show(within_rows(value, rules.row_limit) if isinstance(value, str) else value, label)
    except AttachmentError as error:
        return show(f"[not shown: {error.message}]", label)
