"""How a request becomes a row of the ledger, in an open transaction. Which file it goes to is `ledger.py`'s business."""

from __future__ import annotations

import json
import os
import time
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from claude_jupyter.costs.calls import Call, Outcome, Reserve
from claude_jupyter.costs.process import this_process
from claude_jupyter.costs.queries import PICO, stamp
from claude_jupyter.costs.schema import PARTS, SLOT, Database
from claude_jupyter.costs.usage import Cost

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
         _pico(reserve.input), _pico(reserve.output), this_process(), int(time.time()) + RESERVED_SECONDS),
    )  # fmt: skip


def let_go(db: Database, row: str) -> None:
    db.execute("DELETE FROM reserved WHERE id = ?", (row,))


def complete(db: Database, row: str, call: Call | None, outcome: Outcome) -> None:
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
    let_go(db, row)


def _put_parts(db: Database, row: str, outcome: Outcome) -> None:
    cost = outcome.cost if outcome.cost is not None else Cost()
    parts, zero = cost.parts, Decimal(0)
    values = (
        _pico(parts.get("input", zero)),
        _pico(parts.get("cache_write", zero) + parts.get("cache_read", zero)),
        _pico(parts.get("output", zero)),
        _pico(parts.get("web_searches", zero)),
        _pico(cost.saved),
        _pico(cost.thinking),
        outcome.usage.thinking,
    )
    assignments = ", ".join(f"{name} = ?" for name in PARTS)
    db.execute(
        f"UPDATE spent SET {assignments} WHERE call = (SELECT rowid FROM calls WHERE id = ?)", (*values, row)
    )


def reprice(db: Database, row: str, outcome: Outcome) -> bool:
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


def _text(usd: Decimal | None) -> str | None:
    if usd is None:
        return None
    text = f"{usd:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _pico(usd: Decimal) -> int:
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
