"""The queries on a ledger, as SQL, and their results as values. `sqlite_ledger.py` decides which file they run on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from functools import cache
from operator import add
from typing import Any, Final

from claude_jupyter.costs.ledger.calls import Spent, Sum, Where
from claude_jupyter.costs.ledger.process import is_alive
from claude_jupyter.costs.ledger.schema import COLUMNS, MEASURES, SCOPES, SLOT, Database
from claude_jupyter.costs.usage import Usage

PICO: Final = Decimal("1e-12")
_NAMED: Final = ("user", "kernel", "notebook", "cell", "chat", "provider", "model")
_LONGEST: Final = 40_000_000  # a slot later than any


Query = tuple[str, list[Any]]
"""A statement and its values."""


def day_slots(day: date | None = None) -> tuple[int, int]:
    """The quarters of an hour of a day of this machine (23, 24 or 25 hours): first, and first of the next day."""
    day = day or date.today()
    midnights = (datetime.combine(d, clock.min).astimezone() for d in (day, day + timedelta(days=1)))
    first, last = (int(m.timestamp()) // SLOT for m in midnights)
    return first, last


def slot_day(slot: int) -> date:
    """The day of this machine that a quarter of an hour belongs to."""
    return date.fromtimestamp(slot * SLOT)


def spent_in(db: Database, kernel: str, notebook: str | None, user: str) -> Spent:
    """What counts against budgets in one database."""
    first, last = day_slots()
    name = "(SELECT id FROM names WHERE text = ?)"
    billed = "coalesce((SELECT sum(billed) FROM totals WHERE scope = '{}' AND a = " + name + "{}), 0)"
    query = ", ".join(
        (
            billed.format("kernel", ""),
            billed.format("model", ""),
            billed.format("day", " AND b >= ? AND b < ?"),
        )
    )
    row = db.execute(f"SELECT {query}", [kernel, notebook, user, first, last]).fetchone()
    spent = Spent(*(pico * PICO for pico in row))
    reserved = db.execute(
        "SELECT slot, user, kernel, notebook, input_pico, output_pico, process, expires FROM reserved"
    ).fetchall()
    return spent + reserved_in(reserved, kernel, notebook, user)


def reserved_in(reserved: Iterable[Sequence[Any]], kernel: str, notebook: str | None, user: str) -> Spent:
    """What reservations count for: rows of slot, user, kernel, notebook, picodollars of input and output, process, and its end."""
    spent = Spent()
    now = time.time()
    first, last = day_slots()
    for slot, whose, kernel_, notebook_, input_pico, output_pico, process, expires in reserved:
        under_way = expires > now and is_alive(process)
        usd = (input_pico + (output_pico if under_way else 0)) * PICO
        parts = (
            usd if kernel_ == kernel else Decimal(0),
            usd if notebook is not None and notebook_ == notebook else Decimal(0),
            usd if whose == user and first <= slot < last else Decimal(0),
        )
        spent += Spent(*parts, reserved=parts) if under_way else Spent(*parts)
    return spent


def select_sums(by: tuple[str, ...], where: Where, calls: tuple[int, int] | None = None) -> Query:
    """Sums of calls by columns (`day` is summed by slot); each row: keys, first slot, first call, calls, measures.

    Parameters
    ----------
    calls
        Look at a range of row numbers only (first excluded); never answered from running sums.
    """
    columns = tuple("slot" if column == "day" else column for column in by)
    filters = [c for c in ("user", "kernel", "notebook") if getattr(where, c) is not None]
    timed = _is_timed(where)
    used = {*columns, *filters, *(["slot"] if timed else [])}
    scope = _scope(used) if calls is None and where.newest is None else None
    if scope is not None:
        source = dict(zip(SCOPES[scope], ("a", "b"), strict=True))
        conditions, values = [f"scope = '{scope}'"], list[Any]()
        summed = ["min(first)", "min(began)", "sum(calls)"]
        table = "totals"
    else:
        source = {column: column for column in used}
        conditions, values = list[str](), list[Any]()
        summed = ["min(slot)", "min(call)", "count(*)"]
        # Grouping by an index would fetch a million rows one by one; those of a time lie nearly side by side.
        rest = "spent INDEXED BY spent_by_slot" if timed else "spent NOT INDEXED"
        table = "spent" if where.kernel or where.notebook else rest
    more, arguments = _conditions(where, source, filters, calls)
    conditions += more
    values += arguments
    keys = [f"{source[column]} AS k{n}" for n, column in enumerate(columns)]
    figures = [f"{sum_} AS f{n}" for n, sum_ in enumerate([*summed, *(f"sum({m})" for m in MEASURES)])]
    inner = f"SELECT {', '.join(keys + figures)} FROM {table}"
    inner += f" WHERE {' AND '.join(conditions)}" if conditions else ""
    inner += f" GROUP BY {', '.join(source[column] for column in columns)}" if columns else ""
    named = [_text_of(c, f"k{n}") for n, c in enumerate(columns)]
    return f"SELECT {', '.join(named + [f'f{n}' for n in range(len(figures))])} FROM ({inner})", values


def _scope(used: set[str]) -> str | None:
    """The running sums that have these columns."""
    return next((name for name, keys in SCOPES.items() if used <= set(keys)), None)


def _text_of(column: str, key: str) -> str:
    return f"(SELECT text FROM names WHERE id = {key})" if column in _NAMED else key


def _is_timed(where: Where) -> bool:
    return where.since is not None or where.until is not None


def _conditions(
    where: Where, source: Mapping[str, str], filters: Sequence[str], calls: tuple[int, int] | None
) -> tuple[list[str], list[Any]]:
    """What rows must fulfill, and the values for the question marks in it."""
    conditions: list[str] = []
    values: list[Any] = []
    for column in filters:
        conditions.append(f"{source[column]} = (SELECT id FROM names WHERE text = ?)")
        values.append(getattr(where, column))
    if _is_timed(where):
        conditions.append(f"{source['slot']} >= ? AND {source['slot']} < ?")
        values += edges(where)
    if where.newest is not None:
        conditions.append("call > (SELECT max(call) FROM spent) - ?")
        values.append(where.newest)
    if calls is not None:
        conditions.append("call > ? AND call <= ?")
        values += calls
    return conditions, values


def edges(where: Where) -> tuple[int, int]:
    """The first quarter of an hour of a stretch of time, and the first one after it."""
    return (
        int(where.since.timestamp()) // SLOT if where.since else 0,
        -(-int(where.until.timestamp()) // SLOT) if where.until else _LONGEST,
    )


def whole_and_before(db: Database, by: tuple[str, ...], where: Where) -> tuple[Where, Where] | None:
    """The sums since some day as a difference, where that is less work: all that there is, less what came before.

    All that there is comes from running sums; None if it does not, or where the later part is the smaller one.
    """
    if where.since is None or where.until is not None or where.newest is not None:
        return None
    whole = replace(where, since=None)
    if " FROM totals" in select_sums(by, where)[0] or " FROM totals" not in select_sums(by, whole)[0]:
        return None
    slot = edges(where)[0]
    since, last = db.execute(
        "SELECT (SELECT count(*) FROM spent WHERE slot >= ?), (SELECT max(call) FROM spent)", [slot]
    ).fetchone()
    if last is None or 2 * since < last:
        return None
    return whole, replace(whole, until=datetime.fromtimestamp(slot * SLOT, UTC))


def negated(rows: Iterable[Sequence[Any]], keys: int) -> list[Sequence[Any]]:
    """Rows of `select_sums` to be taken away."""
    first = keys + 2
    return [(*row[:first], *(-figure for figure in row[first:])) for row in rows if row[first]]


def merge_sums(by: tuple[str, ...], rows: Iterable[Sequence[Any]]) -> list[Sum]:
    """Rows of `select_sums`, of one file or several, as values: one for each key, in the order they began."""
    day = by.index("day") if "day" in by else None
    keys = len(by)
    day_of = cache(slot_day)
    merged: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        if not row[keys + 2]:
            continue
        key = tuple(row[:keys])
        if day is not None:
            key = (*key[:day], day_of(key[day]), *key[day + 1 :])
        if (total := merged.get(key)) is None:
            merged[key] = list(row[keys:])
        else:
            first, began = min(total[0], row[keys]), min(total[1], row[keys + 1])
            total[:] = map(add, total, row[keys:])
            total[:2] = first, began
    ordered = sorted(merged.items(), key=lambda item: item[1][:2])
    return [_sum(key, figures) for key, figures in ordered if figures[2]]


def _sum(key: tuple[Any, ...], figures: Sequence[int]) -> Sum:
    first, began, calls = figures[:3]
    m = dict(zip(MEASURES, figures[3:], strict=True))
    usage = Usage(
        m["input"], m["output"], m["cache_read"], m["write_5m"], m["write_1h"], m["thinking"], m["searches"]
    )
    parts = {
        "input": m["input_pico"] * PICO,
        "cache": m["cache_pico"] * PICO,
        "output": m["output_pico"] * PICO,
        "web_searches": m["search_pico"] * PICO,
    }
    billed, unbilled, saved, thinking = (
        m[n] * PICO for n in ("billed", "unbilled", "saved", "thinking_pico")
    )
    return Sum(
        key, first * SLOT, calls, m["turns"], usage, billed, unbilled, saved, thinking, parts,
        m["unknown"], m["estimated"], m["unfinished"], began,
    )  # fmt: skip


def select_rows(where: Where) -> Query:
    """Every call with all its columns, oldest first; `since` and `until` to the instant."""
    conditions: list[str] = []
    values: list[Any] = []
    for column in ("user", "kernel", "notebook"):
        if (value := getattr(where, column)) is not None:
            conditions.append(f"{column} = ?")
            values.append(value)
    for edge, sign in ((where.since, ">="), (where.until, "<")):
        if edge is not None:
            conditions.append(f"at {sign} ?")
            values.append(stamp(edge))
    condition = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {', '.join(COLUMNS)} FROM calls{condition} ORDER BY at, rowid", values


def row_from(values: Sequence[Any]) -> dict[str, Any]:
    """A row of `select_rows` by its columns."""
    return dict(zip(COLUMNS, values, strict=True))


def stamp(at: datetime) -> str:
    """A moment as the ledger writes it: ISO 8601, UTC, milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
