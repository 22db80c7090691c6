"""An overview of this kernel: every variable by type, shape and columns, and the cells that ran. No values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.cells.cell_records import Cell
from claude_jupyter.content.text.fence import clip, text_attachment
from claude_jupyter.content.text.token_estimate import tokens_of_text
from claude_jupyter.kernel.look.tool import Here
from claude_jupyter.kernel.namespace import Variable, variables

TOKENS: Final = 1_500
_FENCE: Final = 50
_CELL_TOKENS: Final = 350
_SOURCE: Final = 70
_COLUMNS: Final = 12
_ASSIGNED: Final = re.compile(
    r"^\s*(?:for\s+)?([A-Za-z]\w*)(?:\s*,\s*([A-Za-z]\w*))*\s*(?::[^=\n]+)?=(?!=)", re.MULTILINE
)


def inventory(here: Here) -> Attachment:
    """The page as an attachment of at most 1,500 tokens: newest and largest first, what is left out is counted."""
    everything = variables(here.namespace)
    cells = [cell for cell in here.cells if not cell.asks]
    cell_lines = _cells(cells, values=here.rules.row_limit != 0)
    room = TOKENS - _FENCE - tokens_of_text("\n".join(cell_lines))
    lines = _variables(_ordered(everything, cells), room)
    text = "\n".join([*lines, *cell_lines])
    count = len(everything)
    return text_attachment(
        text,
        "this notebook",
        "inventory",
        here.rules,
        sent=f"{count:,} variable{'' if count == 1 else 's'} by name and type, {len(cells):,} cells",
    )


def _variables(variables: Sequence[Variable], room: int) -> list[str]:
    if not variables:
        return ["no variables yet"]
    lines = ["variables, newest and largest first:"]
    used = tokens_of_text(lines[0]) + 20
    for at, one in enumerate(variables):
        line = one.line(_COLUMNS)
        used += tokens_of_text(line + "\n")
        if used > room:
            more = len(variables) - at
            lines.append(f"[{more:,} more variable{'' if more == 1 else 's'}: the tool variables lists them]")
            break
        lines.append(line)
    return lines


def _ordered(variables: Sequence[Variable], cells: Sequence[Cell]) -> list[Variable]:
    """By the better of two ranks: how recently a cell assigned it, and how large it is."""
    assigned: dict[str, int] = {}
    for at, cell in enumerate(cells):
        for match in _ASSIGNED.finditer(cell.source[:20_000]):
            assigned.update((name, at) for name in match.groups() if name)
    by_age = sorted(range(len(variables)), key=lambda i: (-assigned.get(variables[i].name, -1), -i))
    age = {i: place for place, i in enumerate(by_age)}
    sizes = sorted({one.weight for one in variables}, reverse=True)
    size = {weight: place for place, weight in enumerate(sizes)}
    places = [(age[i], size[one.weight] if one.weight else len(variables)) for i, one in enumerate(variables)]
    return [variables[i] for i in sorted(age, key=lambda i: (min(places[i]), sum(places[i]), age[i]))]


def _cells(cells: Sequence[Cell], *, values: bool) -> list[str]:
    """The newest cells, one line each; their source may hold a cell's value, so under `--rows none` only its length is told."""
    if not cells:
        return []
    lines: list[str] = []
    used = 0
    for at, cell in enumerate(reversed(cells)):
        line = _cell(cell, values=values)
        used += tokens_of_text(line + "\n")
        if used > _CELL_TOKENS:
            lines.append(f"[{len(cells) - at:,} earlier cells: the tool cells shows them]")
            break
        lines.append(line)
    return ["cells that ran, newest first:", *lines]


def _cell(cell: Cell, *, values: bool) -> str:
    source = [line.strip() for line in cell.source.splitlines() if line.strip()]
    code = [line for line in source if not line.startswith("#")] or source
    count = f"{len(source):,} line{'' if len(source) == 1 else 's'}"
    text = f"{clip(code[0], _SOURCE)} ({count})" if values and code else count
    marks = [f"raised {cell.error_name}"] if cell.error else []
    marks += [f"{len(cell.images)} picture{'' if len(cell.images) == 1 else 's'}"] if cell.images else []
    return f"{cell.label} {text}" + (f": {', '.join(marks)}" if marks else "")
