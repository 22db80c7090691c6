"""`%claude_cost`: the reports of `costs/reports/report.py` in a cell, with cells labeled by their first line."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from claude_jupyter.answer.model import cell_hash
from claude_jupyter.conversation.billing import Owner
from claude_jupyter.conversation.conversation import RESUME
from claude_jupyter.costs.ledger.calls import Accounts
from claude_jupyter.costs.reports import chart, table
from claude_jupyter.costs.reports.report import (
    ReportOptions,
    parse,
    recorded_kernel,
    recorded_notebook,
    report,
    repriced,
    write_csv,
)
from claude_jupyter.costs.reports.summary import StepOf
from claude_jupyter.magics.host import Host
from claude_jupyter.magics.line.words import unquoted, words


def cost(line: str, extension: Host) -> None:
    """Show what the line asks for.

    Raises
    ------
    UsageError
        For an option that is not known, or a value that is not allowed.
    StorageError
        If the CSV file cannot be written.
    """
    options = parse([unquoted(word.text) for word in words(line)])
    if options.help:
        print(options.help)  # noqa: T201
        return
    billing = extension.env.billing
    settings = extension.env.settings
    if options.reprice:
        print(repriced(billing.accounts, settings.prices))  # noqa: T201
    limit = settings.daily_budget
    result = report(
        billing.accounts,
        by=options.by,
        since=options.since,
        user=billing.owner.user,
        here=(billing.owner.kernel, billing.owner.notebook),
        cells=_first_lines(extension),
        steps=_steps(extension),
        daily_budget=Decimal(str(limit)) if limit else None,
        everything=options.csv is not None,
        **_scope(options, billing.accounts, billing.owner),
    )
    extension.shell.publish(dict(table.mimebundle(result)), {})
    if options.plot and not result.empty:
        extension.shell.publish(dict(chart.mimebundle(result)), {})
    if options.csv is not None:
        confirm = extension.shell.confirm if extension.shell.answers else None
        done = write_csv(result, options.csv, confirm)
        print(f"Written to {options.csv.name}." if done else f"{options.csv.name} was left unchanged.")  # noqa: T201


def _scope(options: ReportOptions, accounts: Accounts, owner: Owner) -> dict[str, Any]:
    if options.everything:
        return {}
    if options.kernel is not None:
        kernel = recorded_kernel(accounts, options.kernel) or owner.kernel
        return {"kernel": kernel, "scope": "" if options.kernel else "this kernel"}
    if options.notebook is not None:
        return {"notebook": recorded_notebook(accounts, options.notebook)}
    if owner.notebook is not None:
        return {"notebook": owner.notebook, "scope": "this notebook"}
    return {"kernel": owner.kernel, "scope": "this kernel"}


def _steps(extension: Host) -> dict[tuple[Any, ...], StepOf]:
    """Which of this kernel's turns followed a cell of Claude's."""
    steps: dict[tuple[Any, ...], StepOf] = {}
    kernel = extension.env.billing.owner.kernel
    for chat in extension.env.chats.values():
        question = None
        for answer in (turn.answer for turn in chat.turns if chat.is_of_this_kernel(turn.answer)):
            first = answer.blocks[0] if answer.blocks else {}
            if first.get("type") != "step":
                question = answer.turn
            elif question is not None:
                name = f"step {first.get('number', '')}: {first.get('title', '')}"
                steps[kernel, answer.chat, answer.turn] = StepOf(question, name)
    return steps


def _first_lines(extension: Host) -> Mapping[str, str]:
    """First lines of this kernel's cells by the hash of their id."""
    lines: dict[str, str] = {}
    for cell in extension.recorder.cells(asking=True) if extension.recorder is not None else ():
        if cell.id:
            rest = [text for text in cell.source.splitlines() if text.strip()]
            body = [text for text in rest if not text.lstrip().startswith("%%claude")]
            lines[cell_hash(cell.id)] = (body or rest or [""])[0]
    for chat in extension.env.chats.values():
        for turn in chat.turns:
            if turn.cell and turn.prompt.strip() and turn.prompt != RESUME:
                lines[cell_hash(turn.cell)] = turn.prompt.strip().splitlines()[0]
    return lines
