"""The tool `cells`: source and outputs of cells that ran, by count, by id or by text in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.cells import recent
from claude_jupyter.content.cells.cell_records import Cell
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import UsageError
from claude_jupyter.kernel.look.tool import Here

MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Which:
    """Which cells."""

    count: int | None = field(default=None, metadata={"help": "execution count: 7 for In[7]"})
    id: str | None = field(default=None, metadata={"help": "cell id"})
    text: str | None = field(default=None, metadata={"help": "text to search for, ignoring case"})
    last: int | None = field(default=None, metadata={"help": f"how many of the last cells, at most {MOST}"})


@dataclass(frozen=True, slots=True)
class MatchingCells:
    """Cells that fit, oldest first, and the labels of those that were too many to show."""

    cells: tuple[Cell, ...]
    others: tuple[str, ...] = ()

    def attachments(self, rules: Rules) -> tuple[Attachment, ...]:
        """Each cell as text, followed by its pictures."""
        attachments = recent.last_cells(self.cells, rules)
        if not self.others:
            return attachments
        note = (
            f"[{len(self.others):,} more cells match: {', '.join(self.others[:50])}. Ask for them by count.]"
        )
        first = attachments[0]
        return (replace(first, blocks=(*first.blocks, {"type": "text", "text": note})), *attachments[1:])


@dataclass(frozen=True, slots=True)
class Cells:
    """Shows cells."""

    name: str = "cells"
    description: str = (
        "Look at cells that ran: source, printed text, value, error and pictures. Give one of count, id, text or last. "
        f"At most {MOST} cells come back, the newest."
    )
    arguments: type[Which] = Which
    shorter: str = "ask for one cell by its count"

    def handle(self, arguments: Which, here: Here) -> MatchingCells:
        """The cells that fit.

        Raises
        ------
        UsageError
            If none does.
        """
        cells = [cell for cell in here.cells if not cell.asks]
        matching = _chosen(cells, arguments, outputs=here.rules.row_limit != 0)
        if not matching:
            counts = [str(cell.count) for cell in cells if cell.count is not None]
            ran = f" Cells that ran: In[{', '.join(counts[-30:])}]." if counts else " No cell has run yet."
            raise UsageError(f"No cell matches.{ran}")
        return MatchingCells(tuple(matching[-MOST:]), tuple(cell.label for cell in matching[:-MOST]))


def _chosen(cells: Sequence[Cell], which: Which, *, outputs: bool) -> Sequence[Cell]:
    if which.count is not None:
        return [cell for cell in cells if cell.count == which.count][-1:]
    if which.id:
        return [cell for cell in cells if cell.id == which.id][-1:]
    if which.text:
        text = which.text.casefold()
        return [cell for cell in cells if text in _words(cell, outputs=outputs).casefold()]
    return cells[-max(1, min(which.last or 1, MOST)) :]


def _words(cell: Cell, *, outputs: bool) -> str:
    """What is searched; under `--rows none` the source alone, because finding a value in an output would reveal it."""
    if not outputs:
        return cell.source
    texts = [output.data for output in cell.displayed if isinstance(output.data, str) and not output.is_image]
    return "\n".join([cell.source, cell.text, *texts, cell.error])
