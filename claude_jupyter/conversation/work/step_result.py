"""The outcome of a proposed cell, as reported to Claude: printed text, value, images, error, and changed variables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from claude_jupyter.answer.model import Attachment, Block
from claude_jupyter.content.cells import recent, tracebacks
from claude_jupyter.content.cells.cell_records import Cell
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import Redactor, clip_middle, fenced
from claude_jupyter.content.text.token_estimate import tokens_of_text
from claude_jupyter.kernel.checkpoint import Changes

_LONGEST: Final = 12_000
"""Characters of a step's outcome: each later request sends it again."""

_CORRECTION: Final = (
    "A correction replaces this cell, and what it changed is undone first: propose the whole cell."
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of a proposed cell.

    Attributes
    ----------
    cell
        What it showed, as recorded.
    error
        The exception that it raised.
    edited
        The source that was really run, where the user changed it; empty otherwise.
    changes
        What happened to the user's variables.
    """

    cell: Cell
    error: BaseException | None = None
    edited: str = ""
    changes: Changes = field(default_factory=Changes)
    seconds: float = 0.0

    @property
    def error_name(self) -> str:
        """Class of its error; empty if it ran through."""
        return type(self.error).__name__ if self.error is not None else self.cell.error_name


def outcome_attachment(outcome: Outcome, number: int, rules: Rules) -> Attachment:
    """The outcome as the result of the call that proposed the cell, under the rules for rows."""
    redactor = Redactor(rules)
    parts = (
        ["The user edited the cell and ran it. What ran:\n" + redactor(outcome.edited)]
        if outcome.edited
        else []
    )
    pictures: list[Attachment] = []
    if rules.row_limit == 0:
        parts += _withheld(outcome)
    else:
        parts += [text for text in recent.outputs(outcome.cell, rules, redactor) if text.strip()]
        pictures = [p for p in recent.pictures(outcome.cell, rules) if isinstance(p, Attachment)]
        if outcome.error is not None:
            parts.append(_error_text(outcome.error, rules))
        elif outcome.cell.error:
            parts.append(recent.error_line(outcome.cell, rules, redactor))
    parts.append(_variables(outcome.changes, redactor))
    if outcome.error_name and outcome.changes:
        parts.append(_CORRECTION)
    text, cut = clip_middle(
        "\n\n".join(part for part in parts if part) or "It ran and showed nothing.", _LONGEST
    )
    block: Block = {"type": "text", "text": fenced(text, f"step {number}", "outcome")}
    images = [b for p in pictures for b in p.blocks]
    return Attachment(
        label=f"step {number}",
        kind="cell",
        blocks=(block, *images),
        sent=_sent(outcome, len(pictures), cut),
        tokens=tokens_of_text(block["text"]) + sum(p.tokens for p in pictures),
        notes=redactor.notes,
        rows=rules.row_limit != 0,
    )


def _error_text(error: BaseException, rules: Rules) -> str:
    attachments = tracebacks.attach(error, "error", replace(rules, text_tokens=None))
    # The outcome has a fence of its own.
    return "\n".join(str(attachments.blocks[0]["text"]).splitlines()[1:-1])


def _withheld(outcome: Outcome) -> list[str]:
    """Under `--rows none`: kinds and counts, no text, value, message or picture, as any of them may be a cell's value."""
    cell = outcome.cell
    lines = len(cell.text.splitlines()) if cell.text.strip() else 0
    facts = [f"printed {lines:,} line{'' if lines == 1 else 's'}"] if lines else []
    outputs = [s for s in cell.displayed if not s.is_image]
    facts += [f"showed {len(outputs)} value{'' if len(outputs) == 1 else 's'}"] if outputs else []
    facts += [f"drew {len(cell.images)} picture{'' if len(cell.images) == 1 else 's'}"] if cell.images else []
    facts += [f"failed with {outcome.error_name}"] if outcome.error_name else []
    return [f"It {', '.join(facts)} (withheld: --rows none)."] if facts else []


def _variables(changes: Changes, redactor: Redactor) -> str:
    return f"Variables: {redactor(str(changes))}" if changes else ""


def _sent(outcome: Outcome, pictures: int, cut: bool) -> str:
    words = (
        ["outputs"]
        if outcome.cell.text.strip() or any(not s.is_image for s in outcome.cell.displayed)
        else []
    )
    words += [f"{pictures} picture{'' if pictures == 1 else 's'}"] if pictures else []
    words += [outcome.error_name] if outcome.error_name else []
    words += ["shortened"] if cut else []
    return ", ".join(words) or "what changed"
