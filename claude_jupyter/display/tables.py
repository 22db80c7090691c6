"""Small tables as mimebundles that read the same in a notebook, on GitHub and in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from claude_jupyter.answer.model import Models


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], foot: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Markdown and aligned text of a table; the first column to the left, the others to the right."""
    columns = [list(column) for column in zip(head, *rows, strict=True)]
    widths = [max(map(len, column)) for column in columns]

    def line(cells: Sequence[str]) -> str:
        padded = [
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(padded).rstrip()

    plain = "\n".join([line(head), *map(line, rows), *([foot] if foot else [])])
    rule = "|".join([":--", *["--:"] * (len(head) - 1)])
    marked = "\n".join(f"|{'|'.join(row)}|" for row in [head, rule.split("|"), *rows])
    return {"text/markdown": f"{marked}\n\n*{foot}*" if foot else marked, "text/plain": plain}, {}


def models_table(models: Models) -> tuple[dict[str, Any], dict[str, Any]]:
    """`claude.models`: list prices in USD per million tokens."""
    rows = [
        [
            m.id,
            _rate(m.input),
            _rate(m.output),
            _rate(m.cache_read),
            f"{m.context:,}",
            f"{m.max_output:,}",
            m.thinking,
            m.retires or "",
        ]
        for m in models
    ]
    head = [
        "model",
        "input",
        "output",
        "cache read",
        "context",
        "longest answer",
        "thinks",
        "retires",
    ]
    # No dollar signs: two of them in a table of Markdown are mathematics, and the table is none.
    return table(head, rows, f"List prices in USD per million tokens; from the {models.source}.")


def _rate(usd: Decimal | None) -> str:
    return "unknown" if usd is None else f"{usd.normalize():f}"
