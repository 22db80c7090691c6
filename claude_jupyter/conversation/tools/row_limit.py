"""Policy: applies `--rows` to the results of all tools."""

from __future__ import annotations

from dataclasses import replace

from claude_jupyter.answer.model import Block
from claude_jupyter.client.transport import Stop
from claude_jupyter.content.cells.recent import TABLE_WITHHELD
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text import printed_tables
from claude_jupyter.conversation.tools.outcome import Run, ToolCall, ToolOutcome


def limited(run: Run, rules: Rules) -> Run:
    """Printed tables contain at most this many rows, and none under `none`; attachments already follow the rule."""

    def limit(call: ToolCall, stop: Stop) -> ToolOutcome:
        outcome = run(call, stop)
        if rules.row_limit is None:
            return outcome
        if outcome.attachments:
            return (
                _withheld() if rules.row_limit == 0 and any(a.rows for a in outcome.attachments) else outcome
            )
        blocks = tuple(_block(block, rules.row_limit) for block in outcome.blocks)
        return replace(outcome, blocks=blocks, text=within_rows(outcome.text, rules.row_limit))

    return limit


def within_rows(text: str, rows: int | None) -> str:
    """A printed table cut to this many rows; None: all, 0: a note that it is withheld. Other text is unchanged."""
    if rows is None or not printed_tables.looks_like_table(text):
        return text
    return TABLE_WITHHELD if rows == 0 else printed_tables.limited(text, rows)


def _block(block: Block, rows: int) -> Block:
    return {**block, "text": within_rows(block["text"], rows)} if block.get("type") == "text" else block


def _withheld() -> ToolOutcome:
    return ToolOutcome.of_text(TABLE_WITHHELD, error=True)
