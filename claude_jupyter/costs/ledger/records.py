"""How a request becomes a row of the ledger, in an open transaction. `sqlite_ledger.py` decides which file it goes to."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from claude_jupyter.costs.ledger.calls import Call, CallOutcome, Reserve
from claude_jupyter.costs.ledger.process import this_process
from claude_jupyter.costs.ledger.queries import PICO, stamp
from claude_jupyter.costs.ledger.schema import COLUMNS, PARTS, SLOT, Database
from claude_jupyter.costs.usage import Cost, Usage

RESERVED_SECONDS: Final = 3600
"""After this a reservation counts its input only, even if nobody can tell whether its kernel is dead."""


def insert(db: Database, row: str, call: Call, reserve: Reserve | None) -> None:
    db.execute(
        "INSERT INTO calls(id, at, user, kernel, notebook, cell, chat, turn, provider, model)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (row, stamp(call.at), call.user, call.kernel, call.notebook, call.cell, call.chat, call.turn,
         call.provider, call.model),
    )  # fmt: skip
    if reserve is not None:
        set_aside(db, row, call, reserve)


def set_aside(db: Database, row: str, call: Call, reserve: Reserve) -> None:
    db.execute(
        "INSERT INTO reserved VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (row, int(call.at.timestamp()) // SLOT, call.user, call.kernel, call.notebook,
         pico(reserve.input), pico(reserve.output), this_process(), int(time.time()) + RESERVED_SECONDS),
    )  # fmt: skip


def release(db: Database, row: str) -> None:
    db.execute("DELETE FROM reserved WHERE id = ?", (row,))


def complete(db: Database, row: str, call: Call | None, outcome: CallOutcome) -> None:
    if call is not None:
        insert(db, row, call, None)
    usage = outcome.usage
    db.execute(
        "UPDATE calls SET model = coalesce(?, model), request_id = ?, input_tokens = ?, cache_write_5m = ?,"
        " cache_write_1h = ?, cache_read = ?, output_tokens = ?, web_searches = ?, cost_usd = ?, price_date = ?,"
        " estimated = ?, complete = ?, stop_reason = ?, ttft = ?, seconds = ?, service_tier = ?, usage_json = ?"
        " WHERE id = ?",
        (outcome.model, outcome.request_id, usage.input, usage.cache_write_5m, usage.cache_write_1h,
         usage.cache_read, usage.output, usage.web_searches, _text(outcome.cost), outcome.price_date,
         outcome.estimated, outcome.complete, outcome.stop_reason, outcome.ttft, max(outcome.seconds, 0.0),
         outcome.service_tier, None if outcome.usage_json is None else json.dumps(outcome.usage_json, default=str),
         row),
    )  # fmt: skip
    _put_parts(db, row, outcome)
    release(db, row)


def parts_of(outcome: CallOutcome) -> tuple[int, ...]:
    """The figures of `PARTS`."""
    cost = outcome.cost if outcome.cost is not None else Cost()
    parts, zero = cost.parts, Decimal(0)
    return (
        pico(parts.get("input", zero)),
        pico(parts.get("cache_write", zero) + parts.get("cache_read", zero)),
        pico(parts.get("output", zero)),
        pico(parts.get("web_searches", zero)),
        pico(cost.saved),
        pico(cost.thinking),
        outcome.usage.thinking,
    )


def priced(outcome: CallOutcome) -> dict[str, str | None]:
    """The columns of `calls` that hold text about its price."""
    counts = outcome.usage_json
    return {
        "cost_usd": _text(outcome.cost),
        "price_date": outcome.price_date,
        "usage_json": None if counts is None else json.dumps(counts, default=str),
    }


def _put_parts(db: Database, row: str, outcome: CallOutcome) -> None:
    values = parts_of(outcome)
    assignments = ", ".join(f"{name} = ?" for name in PARTS)
    db.execute(
        f"UPDATE spent SET {assignments} WHERE call = (SELECT rowid FROM calls WHERE id = ?)", (*values, row)
    )


def reprice(db: Database, row: str, outcome: CallOutcome) -> bool:
    changed = db.execute(
        "INSERT INTO repriced SELECT id, ?, cost_usd, price_date FROM calls WHERE id = ? AND cost_usd IS NOT ?",
        (stamp(datetime.now(UTC)), row, _text(outcome.cost)),
    ).rowcount
    if changed < 1:
        return False
    db.execute(
        "UPDATE calls SET cost_usd = ?, price_date = ? WHERE id = ?",
        (_text(outcome.cost), outcome.price_date, row),
    )
    _put_parts(db, row, outcome)
    return True


WAITING: Final = (
    "CREATE TABLE IF NOT EXISTS waiting(id TEXT PRIMARY KEY NOT NULL, address TEXT NOT NULL) WITHOUT ROWID"
)
"""Rows of `calls` that are to be sent to a team's ledger; made when the first one is."""

IS_WAITING: Final = "SELECT 1 FROM sqlite_master WHERE name = 'waiting'"

SELECT_WAITING: Final = f"""
SELECT {", ".join(f"c.{name}" for name in COLUMNS)}, {", ".join(f"s.{name}" for name in PARTS)}
FROM waiting w JOIN calls c ON c.id = w.id JOIN spent s ON s.call = c.rowid WHERE w.address = ? ORDER BY c.id LIMIT ?"""


def waited(values: Sequence[Any]) -> tuple[str, Call, CallOutcome | None]:
    """A row of `SELECT_WAITING` as it was written: its id, the call, and how it ended (None: not yet)."""
    row = dict(zip((*COLUMNS, *PARTS), values, strict=True))
    names = ("model", "provider", "user", "kernel", "notebook", "cell", "chat", "turn")
    call = Call(**{n: row[n] for n in names}, at=datetime.fromisoformat(row["at"]))
    if row["seconds"] is None:
        return row["id"], call, None
    usage = Usage(row["input_tokens"], row["output_tokens"], row["cache_read"], row["cache_write_5m"],
                  row["cache_write_1h"], row["thinking"], row["web_searches"])  # fmt: skip
    parts = {
        "input": "input_pico",
        "cache_read": "cache_pico",
        "output": "output_pico",
        "web_searches": "search_pico",
    }
    usd = {name: row[column] * PICO for name, column in parts.items()}
    cost = Cost(usd, saved=row["saved"] * PICO, thinking=row["thinking_pico"] * PICO)
    outcome_columns = ("stop_reason", "ttft", "seconds", "request_id", "service_tier", "price_date")
    counts = row["usage_json"]
    return (
        row["id"],
        call,
        CallOutcome(
            usage=usage,
            cost=None if row["cost_usd"] is None else cost,
            estimated=bool(row["estimated"]),
            complete=bool(row["complete"]),
            usage_json=None if counts is None else json.loads(counts),
            **{name: row[name] for name in outcome_columns},
        ),
    )


def _text(usd: Decimal | None) -> str | None:
    if usd is None:
        return None
    text = f"{usd:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def pico(usd: Decimal) -> int:
    """Dollars in picodollars."""
    return int((usd / PICO).to_integral_value())


def new_id() -> str:
    """A UUID whose beginning is the time (version 7), so that rows are appended to the index rather than scattered in it."""
    millis = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    bits = (
        (millis & (1 << 48) - 1) << 80
        | 7 << 76
        | (random >> 64 & 0xFFF) << 64
        | 2 << 62
        | random & (1 << 62) - 1
    )
    return str(uuid.UUID(int=bits))
