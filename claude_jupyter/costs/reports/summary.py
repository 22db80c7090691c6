"""A report of costs as a value: lines, totals, and bars over time. How it looks is `table.py`'s and `chart.py`'s business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Final, Literal, TypeAlias

from claude_jupyter.costs.ledger.calls import Accounts, Spent, Sum, Where
from claude_jupyter.costs.ledger.schema import SLOT
from claude_jupyter.costs.prices import price_date

By = Literal["cell", "turn", "chat", "model", "day", "notebook", "kernel", "user"]
BY: Final[tuple[By, ...]] = ("cell", "turn", "chat", "model", "day", "notebook", "kernel", "user")
_RECENT: Final = 5_000
_MOST_BARS: Final = 60
_BY_COST: Final = ("model", "notebook", "kernel", "user")


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One line: what it is about, what else tells it apart, and its sum."""

    label: str
    detail: str
    sum: Sum


@dataclass(frozen=True, slots=True)
class StepOf:
    """A turn that followed a cell of Claude's: the turn of the question that the work began with, and what the step is called."""

    question: int
    name: str


Steps: TypeAlias = Mapping[tuple[Any, ...], StepOf]
"""By kernel, chat and turn."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time: its beginning as a short text, and dollars by part (input, cache, output, web_searches)."""

    label: str
    parts: Mapping[str, Decimal]

    @property
    def usd(self) -> Decimal:
        """Dollars in all."""
        return sum(self.parts.values(), Decimal(0))


@dataclass(frozen=True, slots=True)
class Report:
    """What was spent.

    Attributes
    ----------
    by
        What a line stands for.
    scope
        Which requests: `this notebook`, `this kernel`, `all notebooks`, a notebook's path …
    lines
        All lines; how many are shown is up to the view.
    total
        The sum of all requests in scope, also of those that no line is for.
    bars, step
        Over time, and the stretch that a bar stands for: hour, day, week or month.
    spent
        What counts against budgets, of this kernel, notebook and day.
    daily_budget
        The limit of the day, if one is set.
    priced
        ISO date of the list prices in use.
    """

    by: By
    scope: str
    since: datetime | None
    lines: tuple[ReportLine, ...]
    total: Sum
    bars: tuple[Bar, ...] = ()
    step: str = "day"
    spent: Spent = field(default_factory=Spent)
    kernel: bool = False
    daily_budget: Decimal | None = None
    priced: str = ""

    @property
    def empty(self) -> bool:
        """Whether there was no request at all."""
        return self.total.calls == 0


def report(
    ledger: Accounts,
    *,
    by: By | None = None,
    since: datetime | None = None,
    notebook: str | None = None,
    kernel: str | None = None,
    scope: str = "",
    user: str = "",
    here: tuple[str, str | None] = ("", None),
    cells: Mapping[str, str] | None = None,
    steps: Steps | None = None,
    daily_budget: Decimal | None = None,
    everything: bool = False,
) -> Report:
    """Sum up what was spent.

    Parameters
    ----------
    by
        What a line stands for; None: a cell, or a turn if no cell is known (a terminal, nbclient).
    notebook, kernel
        Only requests of this notebook (its path at kernel start) or this kernel; all if neither is given.
    scope
        What to call them; derived where empty.
    user, here
        Whose day, and which kernel and notebook, the totals are for.
    cells
        First lines of cells by the hash of the cell's id, as far as known: the ledger keeps no text.
    steps
        Turns that are steps of works, as far as known: they are below their question.
    everything
        By turn without any limit: all turns ever, instead of the most recent ones.
    """
    where = Where(kernel=kernel, notebook=notebook, since=since)
    alone = notebook is not None or kernel is not None
    total = Sum.total(ledger.sums(("model",), where))
    if by is None:
        by = "cell" if any(s.key[0] for s in ledger.sums(("cell",), where)) else "turn"
    keys = _keys(by, alone)
    recent = by == "turn" and not alone and not everything
    days = ledger.sums(("day",), where)
    sums = days if by == "day" else ledger.sums(keys, replace(where, newest=_RECENT) if recent else where)
    if by in _BY_COST:
        sums.sort(key=lambda s: (-s.cost, -s.usage.total))
    if by == "turn" and steps:
        sums = _below_questions(sums, steps)
    lines = tuple(ReportLine(*_label(by, keys, s.key, cells or {}, steps or {}), s) for s in sums)
    step, bars = _bars(ledger, where, days)
    return Report(
        by, scope or _scope(notebook, kernel), since, lines, total, bars, step,
        ledger.spent(kernel=here[0], notebook=here[1], user=user), bool(here[0]), daily_budget, price_date(),
    )  # fmt: skip


def day_text(day: date) -> str:
    """A day as it is shown: `10 Nov 2026`."""
    return f"{day.day} {day:%b %Y}"


def _keys(by: By, alone: bool) -> tuple[str, ...]:
    if by == "turn":
        return ("kernel", "chat", "turn")
    if by in ("cell", "chat") and not alone:
        return ("notebook", by)
    return ("kernel", "notebook") if by == "kernel" else (by,)


def _scope(notebook: str | None, kernel: str | None) -> str:
    if notebook is not None:
        return PurePath(notebook).name
    return "all notebooks" if kernel is None else f"kernel {kernel[:8]}"


def _below_questions(sums: list[Sum], steps: Steps) -> list[Sum]:
    """The steps of a work right below the turn that it began with."""
    places = {s.key: n for n, s in enumerate(sums)}

    def place(at: int) -> tuple[int, int]:
        kernel, chat, _ = sums[at].key
        step = steps.get(sums[at].key)
        return (places.get((kernel, chat, step.question), at) if step is not None else at), at

    return [sums[at] for at in sorted(range(len(sums)), key=place)]


def _first_line(cell: str | None, cells: Mapping[str, str]) -> str:
    text = cells.get(cell, f"cell {cell[:6]}") if cell else "outside of cells"
    return " ".join(text.split()) or "(empty)"


def _label(
    by: By, keys: tuple[str, ...], values: tuple[Any, ...], cells: Mapping[str, str], steps: Steps
) -> tuple[str, str]:
    """A line's label, and what tells it apart from its like."""
    key = dict(zip(keys, values, strict=True))
    book = PurePath(key["notebook"]).name if key.get("notebook") else "no notebook"
    match by:
        case "cell":
            return _first_line(key["cell"], cells), book if "notebook" in key else ""
        case "turn":
            turn = "–" if key["turn"] is None else key["turn"]
            name = f" ↳ {steps[values].name}" if values in steps else ""
            return f"{key['chat'] or 'no chat'} · {turn}{name}", _kernel(key["kernel"])
        case "chat":
            return key["chat"] or "no chat", book if "notebook" in key else ""
        case "day":
            return f"{key['day']:%Y-%m-%d %a}", ""
        case "notebook":
            return key["notebook"] or "no notebook", ""
        case "kernel":
            return _kernel(key["kernel"]), book
        case "user" | "model":
            return key[by] or f"unknown {by}", ""


def _kernel(id: str | None) -> str:
    return f"kernel {(id or '?')[:8]}"


def _bars(ledger: Accounts, where: Where, days: list[Sum]) -> tuple[str, tuple[Bar, ...]]:
    """Dollars over time, in steps that give a readable number of bars."""
    if not days:
        return "day", ()
    first, last = min(s.key[0] for s in days), max(s.key[0] for s in days)
    span = (last - first).days + 1
    if span <= 2:
        return "hour", _by_hour(ledger.sums(("slot",), where))
    step = "day" if span <= _MOST_BARS else "week" if span <= 7 * _MOST_BARS else "month"
    summed: dict[date, list[Sum]] = {}
    for one in days:
        summed.setdefault(_begin(one.key[0], step), []).append(one)
    bars: list[Bar] = []
    day = _begin(first, step)
    while day <= last:
        bars.append(
            Bar(f"{day:%b %Y}" if step == "month" else f"{day.day} {day:%b}", _parts(summed.get(day, [])))
        )
        day = _begin(day + timedelta(days={"day": 1, "week": 7, "month": 32}[step]), step)
    return step, tuple(bars[-_MOST_BARS:])


def _begin(day: date, step: str) -> date:
    if step == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if step == "week" else day


def _by_hour(slots: list[Sum]) -> tuple[Bar, ...]:
    hours: dict[int, list[Sum]] = {}
    for one in slots:
        # Hours of the machine's own clock: some zones are half an hour off.
        local = datetime.fromtimestamp(one.key[0] * SLOT).replace(minute=0)
        hours.setdefault(int(local.timestamp()), []).append(one)
    stamps = range(min(hours), max(hours) + 1, 3600)
    return tuple(Bar(f"{datetime.fromtimestamp(s):%H:%M}", _parts(hours.get(s, []))) for s in stamps)


def _parts(sums: list[Sum]) -> dict[str, Decimal]:
    """Dollars by part. What a row written by another program does not split counts as input."""
    total = Sum.total(sums)
    split = {name: total.parts.get(name, Decimal(0)) for name in ("input", "cache", "output", "web_searches")}
    split["input"] += max(total.cost - sum(split.values()), Decimal(0))
    return split
