"""What is asked of a ledger, as SQL, and its answers as values. Which file answers is `ledger.py`'s business."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from typing import Any, Final

from claude_jupyter.costs.calls import Spent, Sum, Where
from claude_jupyter.costs.process import is_alive
from claude_jupyter.costs.schema import COLUMNS, MEASURES, SLOT, Database
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
    billed = "coalesce((SELECT sum(billed) FROM totals WHERE scope = {} AND name = {} AND slot >= ? AND slot < ?), 0)"
    name = "(SELECT id FROM names WHERE text = ?)"
    scopes = ("kernel", "notebook", "user")
    query = "SELECT " + ", ".join(billed.format(f"'{s}'", name) for s in scopes)
    row = db.execute(query, [kernel, 0, 1, notebook, 0, 1, user, first, last]).fetchone()
    spent = Spent(*(pico * PICO for pico in row))
    now = time.time()
    for slot, whose, kernel_, notebook_, input_pico, output_pico, process, expires in db.execute(
        "SELECT slot, user, kernel, notebook, input_pico, output_pico, process, expires FROM reserved"
    ).fetchall():
        under_way = expires > now and is_alive(process)
        usd = (input_pico + (output_pico if under_way else 0)) * PICO
        spent += Spent(
            usd if kernel_ == kernel else Decimal(0),
            usd if notebook is not None and notebook_ == notebook else Decimal(0),
            usd if whose == user and first <= slot < last else Decimal(0),
        )
    return spent


def select_sums(by: tuple[str, ...], where: Where, calls: tuple[int, int] | None = None) -> Query:
    """Sums of calls by columns; `calls` limits it to a range of row numbers (first excluded)."""
    if by == ("slot",) and not (where.kernel or where.notebook) and calls is None:
        return _select_slots(where)
    conditions, values = _slots(where)
    for column in ("user", "kernel", "notebook"):
        if (wanted := getattr(where, column)) is not None:
            conditions.append(f"{column} = (SELECT id FROM names WHERE text = ?)")
            values.append(wanted)
    if calls is not None:
        conditions.append("call > ? AND call <= ?")
        values += calls
    keys = [f"{column} AS k{n}" for n, column in enumerate(by)]
    summed = [
        "min(slot) AS first",
        "min(call) AS began",
        "count(*) AS calls",
        *(f"sum({m}) AS {m}" for m in MEASURES),
    ]
    inner = f"SELECT {', '.join(keys + summed)} FROM spent"
    if conditions:
        inner += f" WHERE {' AND '.join(conditions)}"
    if by:
        inner += f" GROUP BY {', '.join(by)}"
    named = [
        f"(SELECT text FROM names WHERE id = k{n})" if column in _NAMED else f"k{n}"
        for n, column in enumerate(by)
    ]
    return f"SELECT {', '.join([*named, 'first', 'began', 'calls', *MEASURES])} FROM ({inner})", values


def _select_slots(where: Where) -> Query:
    conditions, values = _slots(where)
    conditions.append("scope = 'user'")
    if where.user is not None:
        conditions.append("name = (SELECT id FROM names WHERE text = ?)")
        values.append(where.user)
    sums = ", ".join(f"sum({m})" for m in ("calls", *MEASURES))
    condition = " AND ".join(conditions)
    return f"SELECT slot, slot, slot, {sums} FROM totals WHERE {condition} GROUP BY slot", values


def _slots(where: Where) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []
    if where.since is not None or where.until is not None:
        conditions.append("slot >= ? AND slot < ?")
        values.append(int(where.since.timestamp()) // SLOT if where.since else 0)
        values.append(-(-int(where.until.timestamp()) // SLOT) if where.until else _LONGEST)
    return conditions, values


def sum_from(row: Sequence[Any], keys: int) -> Sum | None:
    """A row of `select_sums` as a value; None for the sum of nothing."""
    key, (first, began, calls) = tuple(row[:keys]), row[keys : keys + 3]
    if not calls:
        return None
    m = dict(zip(MEASURES, row[keys + 3 :], strict=True))
    usage = Usage(
        m["input"], m["output"], m["cache_read"], m["write_5m"], m["write_1h"], m["thinking"], m["searches"]
    )
    parts = {
        "input": m["input_pico"] * PICO,
        "cache": m["cache_pico"] * PICO,
        "output": m["output_pico"] * PICO,
        "web_searches": m["search_pico"] * PICO,
    }
    dollars = (m[name] * PICO for name in ("billed", "unbilled", "saved", "thinking_pico"))
    billed, unbilled, saved, thinking = dollars
    return Sum(
        key, first * SLOT, calls, m["turns"], usage, billed, unbilled, saved, thinking, parts,
        m["unknown"], m["estimated"], m["unfinished"], began,
    )  # fmt: skip


def select_rows(where: Where) -> Query:
    """Every call with all its columns, oldest first; `since` and `until` to the instant."""
    conditions: list[str] = []
    values: list[Any] = []
    for column in ("user", "kernel", "notebook"):
        if (wanted := getattr(where, column)) is not None:
            conditions.append(f"{column} = ?")
            values.append(wanted)
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
