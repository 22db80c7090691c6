"""`%claude_cost`: the reports of `costs/report.py` in a cell, with the cells called by their first line."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from claude_jupyter.conversation.conversation import RESUME
from claude_jupyter.costs import chart, table
from claude_jupyter.costs.report import (
    Asked,
    parse,
    recorded_kernel,
    recorded_notebook,
    report,
    repriced,
    write_csv,
)
from claude_jupyter.errors import StorageError
from claude_jupyter.magics.words import unquoted, words
from claude_jupyter.turns import cell_hash


def cost(line: str, home: Any) -> None:
    """Show what the line asks for.

    Raises
    ------
    UsageError
        For an option that is not known, or a value that is not allowed.
    StorageError
        Where there is no ledger, or the CSV file cannot be written.
    """
    asked = parse([unquoted(word.text) for word in words(line)])
    if asked.help:
        print(asked.help)  # noqa: T201
        return
    books = home.world.books
    if books.accounts is None:
        raise StorageError("There is no ledger to report on.")
    settings = home.world.settings
    if asked.reprice:
        print(repriced(books.accounts, settings.prices))  # noqa: T201
    limit = settings.daily_budget
    found = report(
        books.accounts,
        by=asked.by,
        since=asked.since,
        user=books.owner.user,
        here=(books.owner.kernel, books.owner.notebook),
        cells=_first_lines(home),
        daily_budget=Decimal(str(limit)) if limit else None,
        everything=asked.csv is not None,
        **_scope(asked, books),
    )
    home.shell.publish(dict(table.mimebundle(found)), {})
    if asked.plot and not found.empty:
        home.shell.publish(dict(chart.mimebundle(found)), {})
    if asked.csv is not None:
        confirm = home.shell.confirm if home.shell.answers else None
        done = write_csv(found, asked.csv, confirm)
        print(f"Written to {asked.csv.name}." if done else f"{asked.csv.name} was left as it is.")  # noqa: T201


def _scope(asked: Asked, books: Any) -> dict[str, Any]:
    owner = books.owner
    if asked.everything:
        return {}
    if asked.kernel is not None:
        kernel = recorded_kernel(books.accounts, asked.kernel) or owner.kernel
        return {"kernel": kernel, "scope": "" if asked.kernel else "this kernel"}
    if asked.notebook is not None:
        return {"notebook": recorded_notebook(books.accounts, asked.notebook)}
    if owner.notebook is not None:
        return {"notebook": owner.notebook, "scope": "this notebook"}
    return {"kernel": owner.kernel, "scope": "this kernel"}


def _first_lines(home: Any) -> Mapping[str, str]:
    """First lines of this kernel's cells by the hash of their id."""
    lines: dict[str, str] = {}
    for cell in home.recorder.cells(asking=True):
        if cell.id:
            rest = [text for text in cell.source.splitlines() if text.strip()]
            body = [text for text in rest if not text.lstrip().startswith("%%claude")]
            lines[cell_hash(cell.id)] = (body or rest or [""])[0]
    for chat in home.world.chats.values():
        for turn in chat.turns:
            if turn.cell and turn.prompt.strip() and turn.prompt != RESUME:
                lines[cell_hash(turn.cell)] = turn.prompt.strip().splitlines()[0]
    return lines
