"""All cells that ran → attachments within a token limit: the newest in most detail, the oldest with at least a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.cells import recent
from claude_jupyter.content.cells.cell_records import Cell
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import Redactor, clip, text_attachment
from claude_jupyter.content.text.token_estimate import tokens_of_text

FULL_SHARE: Final = 0.7
"""Share of the tokens for cells that are shown as `-l` shows them; the rest is for shortened cells."""
LINE: Final = 80
FENCE_TOKENS: Final = 60


@dataclass(frozen=True, slots=True)
class _Short:
    """How much of a cell is shown when all of it would be too much."""

    source: int
    output: int


_LEVELS: Final = (_Short(1200, 600), _Short(400, 200), _Short(LINE, 0))


def every_cell(cells: Sequence[Cell], rules: Rules, tokens: int) -> tuple[Attachment, ...]:
    """Every cell, oldest first: the older ones shortened in one text, the newest as `-l` shows them, pictures included.

    Raises
    ------
    UsageError
        If no cell was recorded.
    """
    if not cells:
        return recent.last_cells(cells, rules)
    whole: list[tuple[Attachment, ...]] = []
    used = 0
    for cell in reversed(cells):
        attachments = recent.last_cells([cell], _after(rules, whole))
        size = sum(attachment.tokens for attachment in attachments)
        last = len(whole) + 1 == len(cells)
        if used + size > (tokens if last else int(tokens * FULL_SHARE)):
            break
        whole.insert(0, attachments)
        used += size
    newest = tuple(attachment for attachments in whole for attachment in attachments)
    older = cells[: len(cells) - len(whole)]
    return (_in_short(older, rules, tokens - used), *newest) if older else newest


def _after(rules: Rules, whole: Sequence[Sequence[Attachment]]) -> Rules:
    pictures = sum(attachment.kind == "image" for attachments in whole for attachment in attachments)
    return replace(rules, images_before=rules.images_before + pictures)


def _in_short(cells: Sequence[Cell], rules: Rules, tokens: int) -> Attachment:
    """The older cells as one text, each at the fullest level that leaves a line for every older one."""
    redactor = Redactor(rules)
    room = max(tokens - FENCE_TOKENS, FENCE_TOKENS)
    lines = [_summary(cell, _LEVELS[-1], rules, redactor) for cell in cells]
    remaining = room - sum(map(_cost, lines))
    summaries: list[str] = []
    for cell, line in zip(reversed(cells), reversed(lines), strict=True):
        fuller = (_summary(cell, level, rules, redactor) for level in _LEVELS[:-1]) if remaining > 0 else ()
        text = next((text for text in fuller if _cost(text) - _cost(line) <= remaining), line)
        remaining -= _cost(text) - _cost(line)
        summaries.insert(0, text)
    text = _newest(summaries, room)
    label = cells[0].label if len(cells) == 1 else f"{cells[0].label} to {cells[-1].label}"
    count = f"{len(cells):,} {'cell' if len(cells) == 1 else 'cells'}"
    note = f"{count} shortened to about {tokens_of_text(text):,} tokens; to send more: context_tokens, or name cells with --cell"
    return text_attachment(
        text,
        label,
        "cells",
        rules,
        sent=f"{count}, shortened",
        as_kind="cell",
        notes=(note,),
        rows=rules.row_limit != 0 and any(cell.text or cell.displayed or cell.error for cell in cells),
        redactor=redactor,
    )


def _cost(text: str) -> int:
    return tokens_of_text(text) + 1


def _newest(summaries: Sequence[str], room: int) -> str:
    """All of it, or the newest if not even a line for each fits."""
    newest: list[str] = []
    for part in reversed(summaries):
        room -= _cost(part)
        if room < 0:
            break
        newest.insert(0, part)
    left_out = len(summaries) - len(newest)
    first = (
        [f"[… {left_out:,} earlier {'cell' if left_out == 1 else 'cells'} left out: context_tokens …]"]
        if left_out
        else []
    )
    return "\n\n".join([*first, *newest])


def _summary(cell: Cell, level: _Short, rules: Rules, redactor: Redactor) -> str:
    """Label, source, outputs and error of a cell, each cut; outputs withheld where no rows may leave."""
    source = redactor(cell.source).strip()
    if level.output == 0:
        first = next((line.strip() for line in source.splitlines() if line.strip()), "(empty)")
        more = f" … {source.count(chr(10)):,} more lines" if source.count("\n") else ""
        error = f" → {cell.error_name}" if cell.error else ""
        return f"{cell.label}: {clip(first, level.source)}{more}{error}"
    parts = [f"{cell.label}:", clip(source, level.source)]
    outputs = recent.outputs(cell, rules, redactor)
    if outputs:
        parts.append("--- shown:\n" + clip("\n".join(outputs), level.output))
    if cell.images:
        parts.append(f"--- {len(cell.images)} {'picture' if len(cell.images) == 1 else 'pictures'}, not sent")
    if cell.error:
        parts.append(f"--- error: {recent.error_line(cell, rules, redactor)}")
    return "\n".join(parts)
