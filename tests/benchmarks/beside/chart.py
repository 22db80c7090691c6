"""The README's chart: a few rows as bars, on a logarithmic scale, drawn as plain SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from .alternatives import OURS
from .figures import Cannot, Figure, Row, cell_text

CHOSEN: Final = ("load", "bytes-80", "cpu", "last-paint-80", "busy", "session")
BAR, GAP, LABEL, WIDTH, HEAD = 15, 4, 92, 300, 26
COLUMNS: Final = 2
STYLE: Final = (
    "text{font:11px system-ui,sans-serif;fill:#444}.t{font-weight:600;fill:#222}.n{fill:#888;font-style:italic}"
    ".o{fill:#c15f3c}.a{fill:#a9b4c2}.b{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#bbb}.t{fill:#eee}.n{fill:#888}.a{fill:#5b6675}.b{fill:#0d1117}}"
)


def draw(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Small bar charts of the chosen rows, two beside each other; ours in color."""
    panels = [row for name in CHOSEN for row in rows if row.id == name]
    height = HEAD + len(names) * (BAR + GAP) + 12
    lines = -(-len(panels) // COLUMNS)
    full = (LABEL + WIDTH + 40, lines * height + 18)
    parts = [
        panel(row, names, (k % COLUMNS) * full[0], (k // COLUMNS) * height) for k, row in enumerate(panels)
    ]
    size = (full[0] * min(COLUMNS, max(1, len(panels))), full[1])
    note = f'<text class="n" x="6" y="{full[1] - 6}">Bars on a logarithmic scale; shorter is better. &gt; ended before its end.</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" height="{size[1]}" role="img"'
        f' aria-label="claude-jupyter beside other ways to ask Claude from a notebook"><style>{STYLE}</style>'
        f'<rect class="b" width="100%" height="100%"/>{"".join(parts)}{note}</svg>\n'
    )


def panel(row: Row, names: Sequence[str], left: float, top: float) -> str:
    """One row's bars: from a tenth of the least value to the greatest."""
    values = [cell.value for cell in row.cells.values() if isinstance(cell, Figure) and cell.value > 0]
    parts = [f'<text class="t" x="{left + 6}" y="{top + 17}">{escape(row.label)}</text>']
    low = math.log10(min(values, default=1) / 2)
    span = max(math.log10(max(values, default=1)) - low, 0.1)
    for k, name in enumerate(names):
        cell = row.cells.get(name)
        y = top + HEAD + k * (BAR + GAP)
        parts.append(f'<text x="{left + LABEL}" y="{y + 11}" text-anchor="end">{escape(name)}</text>')
        if not isinstance(cell, Figure):
            why = cell.reason if isinstance(cell, Cannot) else "not measured"
            parts.append(f'<text class="n" x="{left + LABEL + 6}" y="{y + 11}">{escape(why[:44])}</text>')
            continue
        long = max(2.0, (math.log10(max(cell.value, 1e-9)) - low) / span * (WIDTH - 60))
        kind = "o" if name == OURS else "a"
        parts.append(
            f'<rect class="{kind}" x="{left + LABEL + 6}" y="{y}" width="{long:.1f}" height="{BAR}" rx="2"/>'
        )
        parts.append(
            f'<text x="{left + LABEL + 11 + long:.1f}" y="{y + 11}">{escape(cell_text(cell))}</text>'
        )
    return "".join(parts)
