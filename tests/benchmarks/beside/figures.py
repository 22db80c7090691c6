"""Figures as values: what was measured, of whom, or why not; and what becomes of them (a table, JSON, Markdown)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

TIE = 0.02
"""Values that differ by less of the best count as equal."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value.

    Attributes
    ----------
    note
        What has to be known to read it, in a few words.
    at_least
        Whether it is a lower bound: the run was ended before its end.
    at_most
        Whether it is an upper bound: it was too small to be measured.
    """

    value: float
    note: str = ""
    at_least: bool = False
    at_most: bool = False


@dataclass(frozen=True, slots=True)
class Cannot:
    """Why there is no value, in one line."""

    reason: str


@dataclass(slots=True)
class Row:
    """One line of the table; less is better unless `more` says otherwise."""

    id: str
    title: str
    unit: str
    more: bool = False
    cells: dict[str, Figure | Cannot] = field(default_factory=dict[str, "Figure | Cannot"])

    @property
    def label(self) -> str:
        """The title with its unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def best(self) -> set[str]:
        """Whose value is best, those within two percent of it too; empty without two values."""
        values = {
            n: cell.value for n, cell in self.cells.items() if isinstance(cell, Figure) and not cell.at_least
        }
        if len([cell for cell in self.cells.values() if isinstance(cell, Figure)]) < 2 or not values:
            return set()
        top = max(values.values()) if self.more else min(values.values())
        return {name for name, value in values.items() if abs(value - top) <= abs(top) * TIE}


def shown(value: float) -> str:
    """A value with three figures that count, without an exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    if abs(value) >= 1:
        return f"{value:.2f}"
    return f"{value:.3f}" if abs(value) >= 0.01 else f"{value:.4f}"


def cell_text(cell: Figure | Cannot | None) -> str:
    """A cell of the table."""
    if cell is None or isinstance(cell, Cannot):
        return "–"
    return f"{'> ' if cell.at_least else '< ' if cell.at_most else ''}{shown(cell.value)}"


def notes(rows: Sequence[Row]) -> list[str]:
    """What stands below the table: reasons and remarks, one line each, the same ones together."""
    told: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for name, cell in row.cells.items():
            text = cell.reason if isinstance(cell, Cannot) else cell.note
            if text:
                told.setdefault((name, text), []).append(row.id)
    return [f"{name}: {text} ({', '.join(ids)})" for (name, text), ids in told.items()]


def table(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Rows against names, the best value of each row marked with a star, and the notes below."""
    if not rows:
        return "nothing was measured"
    head = ["", *names]
    lines = [
        [
            f"{row.id}: {row.label}",
            *(cell_text(row.cells.get(n)) + ("*" if n in row.best() else " ") for n in names),
        ]
        for row in rows
    ]
    widths = [max(len(line[k]) for line in [head, *lines]) for k in range(len(head))]
    text = [
        "  ".join(
            word.ljust(width) if k == 0 else word.rjust(width)
            for k, (word, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in [head, *lines]
    ]
    rule = "-" * len(text[0])
    return "\n".join(
        [
            text[0],
            rule,
            *text[1:],
            rule,
            "* best of the row; > ended before its end; – no figure:",
            *notes(rows),
        ]
    )


def markdown(rows: Sequence[Row], names: Sequence[str]) -> str:
    """The same as a Markdown table, for the README."""
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "--:|" * len(names)]
    for row in rows:
        cells = [cell_text(row.cells.get(name)) for name in names]
        best = row.best()
        cells = [f"**{text}**" if name in best else text for name, text in zip(names, cells, strict=True)]
        lines.append(f"| {row.label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def to_json(rows: Sequence[Row], about: Mapping[str, Any]) -> str:
    """All of it, for a program."""

    def cell(value: Figure | Cannot) -> dict[str, Any]:
        if isinstance(value, Cannot):
            return {"cannot": value.reason}
        return asdict(value)

    told = [
        {
            "row": row.id, "title": row.title, "unit": row.unit, "better": "more" if row.more else "less",
            "figures": {name: cell(value) for name, value in row.cells.items()},
        }
        for row in rows
    ]  # fmt: skip
    return json.dumps({**about, "rows": told}, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> tuple[list[Row], dict[str, Any]]:
    """What `to_json` wrote."""
    told = json.loads(text)
    rows: list[Row] = []
    for line in told.pop("rows"):
        cells: dict[str, Figure | Cannot] = {
            name: Cannot(value["cannot"]) if "cannot" in value else Figure(**value)
            for name, value in line["figures"].items()
        }
        rows.append(Row(line["row"], line["title"], line["unit"], line["better"] == "more", cells))
    return rows, told
