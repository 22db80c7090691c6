"""A team's ledger as tables for SQLAlchemy, their numbered migrations, and the statements that read and write them.

`calls` is the same table as in SQLite. `spent` repeats each call in whole numbers (picodollars), and `totals` keeps running sums of it by
quarter of an hour, so that a report over a million calls adds up thousands of rows. A writer touches one row of `totals`, its own
kernel's, so that writers do not wait for each other. Nothing here opens a connection (`team_ledger.py`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    cast,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import Select

from claude_jupyter.costs.ledger.calls import UNBILLED, Call, CallOutcome, Where
from claude_jupyter.costs.ledger.queries import day_slots, edges, slot_day, stamp
from claude_jupyter.costs.ledger.records import RESERVED_SECONDS, parts_of, pico, priced
from claude_jupyter.costs.ledger.schema import MEASURES, PARTS, SLOT, RefusedError

_LOCK: Final = 0x436C4A79
_NAME: Final = 255

metadata = MetaData()


def _counts(*names: str) -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=False, default=0, server_default="0") for name in names]


calls = Table(
    "calls", metadata,
    Column("id", String(36), primary_key=True), Column("at", String(32), nullable=False),
    *(Column(n, String(_NAME)) for n in ("user", "kernel")), Column("notebook", String(_NAME)),
    *(Column(n, String(_NAME)) for n in ("cell", "chat")), Column("turn", Integer),
    *(Column(n, String(_NAME)) for n in ("provider", "model", "request_id")),
    *_counts("input_tokens", "cache_write_5m", "cache_write_1h", "cache_read", "output_tokens", "web_searches"),
    Column("cost_usd", Text), Column("price_date", String(32)),
    *_counts("estimated", "complete"), Column("stop_reason", String(_NAME)),
    Column("ttft", Double), Column("seconds", Double), Column("service_tier", String(64)), Column("usage_json", Text),
    Index("calls_by_at", "at"),
)  # fmt: skip

_KEYS: Final = ("user", "kernel", "notebook", "chat", "provider", "model", "slot")
"""What `totals` are kept by; what has no name is summed under the empty text."""


def _keys() -> list[Column[Any]]:
    named = [Column(n, String(_NAME), nullable=False, default="") for n in _KEYS if n != "slot"]
    return [*named, Column("slot", Integer, nullable=False)]


spent = Table(
    "spent", metadata,
    Column("call", String(36), primary_key=True), Column("began", BigInteger, nullable=False), *_keys(),
    Column("cell", String(_NAME), default=""), Column("turn", Integer), *_counts(*MEASURES),
    Index("spent_by_turn", "kernel", "chat", "turn"), Index("spent_by_notebook", "notebook"),
    Index("spent_by_began", "began"),
)  # fmt: skip

totals = Table(
    "totals", metadata,
    Column("id", String(40), primary_key=True),  # a digest of its keys
    *_keys(), Column("began", BigInteger, nullable=False), *_counts("calls", *MEASURES),
    Index("totals_by_slot", "user", "slot"), Index("totals_by_kernel", "kernel"), Index("totals_by_notebook", "notebook"),
)  # fmt: skip

reserved = Table(
    "reserved", metadata,
    Column("id", String(36), primary_key=True), Column("slot", Integer, nullable=False),
    *(Column(n, String(_NAME)) for n in ("user", "kernel", "notebook")), *_counts("input_pico", "output_pico"),
    Column("process", String(_NAME), nullable=False), Column("expires", BigInteger, nullable=False),
    Index("reserved_by_user", "user"),
)  # fmt: skip

repriced = Table(
    "repriced", metadata,
    Column("id", String(36), nullable=False), Column("at", String(32), nullable=False),
    Column("cost_usd", Text), Column("price_date", String(32)),
)  # fmt: skip

gates = Table("gates", metadata, Column("user", String(_NAME), primary_key=True))
"""One row for each user, locked while a budget is looked at."""

_version = Table("ledger_version", MetaData(), Column("version", Integer, primary_key=True))


def _first(db: Connection) -> None:
    metadata.create_all(db)


MIGRATIONS: Final[tuple[Callable[[Connection], None], ...]] = (_first,)
"""What leads from version n to version n + 1. Never change one that was released."""


def version(db: Connection) -> int:
    """How many migrations a database has seen."""
    if not inspect(db).has_table(_version.name):
        return 0
    return int(db.execute(select(func.max(_version.c.version))).scalar() or 0)


def migrate(db: Connection) -> None:
    """Bring the tables up to date, in an open transaction; of several kernels that do it at once one does, the others wait.

    Raises
    ------
    RefusedError
        For tables of a newer version.
    """
    if (current := version(db)) == len(MIGRATIONS):
        return
    if db.dialect.name == "postgresql":
        db.execute(text("SET LOCAL statement_timeout = 60000"))  # many kernels may start at once
        db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        current = version(db)
    if current > len(MIGRATIONS):
        raise RefusedError(
            "its tables are from a newer claude-jupyter; update this one (`pip install -U claude-jupyter`)"
        )
    _version.create(db, checkfirst=True)
    for number, step in enumerate(MIGRATIONS[current:], current + 1):
        step(db)
        db.execute(insert(_version).values(version=number))


def put_call(db: Connection, row: str, call: Call, *, new: bool = False) -> bool:
    """Record that a request starts; whether it was not there yet, which `new` ones cannot be."""
    if not new and db.execute(select(calls.c.id).where(calls.c.id == row)).first():
        return False
    try:
        with nullcontext() if new else db.begin_nested():
            db.execute(insert(calls).values(id=row, **_described(call)))
    except IntegrityError:  # another kernel is sending the same rows that waited
        if new:
            raise
        return False
    keys = _key(call)
    measures = {"turns": int(_is_turn(db, call)), "unfinished": 1}
    place = {"cell": call.cell or "", "turn": call.turn}
    db.execute(insert(spent).values(call=row, began=_began(call), **keys, **place, **measures))
    add(db, {**keys, "began": _began(call)}, {"calls": 1, **measures})
    return True


def complete(db: Connection, row: str, outcome: CallOutcome) -> None:
    """Complete a row, once."""
    usage = outcome.usage
    done = db.execute(
        update(calls)
        .where(calls.c.id == row, calls.c.seconds.is_(None))
        .values(
            model=func.coalesce(outcome.model, calls.c.model),
            request_id=outcome.request_id,
            input_tokens=usage.input,
            cache_write_5m=usage.cache_write_5m,
            cache_write_1h=usage.cache_write_1h,
            cache_read=usage.cache_read,
            output_tokens=usage.output,
            web_searches=usage.web_searches,
            estimated=int(outcome.estimated),
            complete=int(outcome.complete),
            stop_reason=outcome.stop_reason,
            ttft=outcome.ttft,
            seconds=max(outcome.seconds, 0.0),
            service_tier=outcome.service_tier,
            **priced(outcome),
        )
    )
    if done.rowcount == 1:
        measure(db, row, {**_measures(outcome, _provider(db, row)), "unfinished": 0})
    release(db, row)


def measure(db: Connection, row: str, new: Mapping[str, int]) -> None:
    """Put new measures on a row of `spent`, and what changed on its running sum."""
    old = db.execute(select(spent).where(spent.c.call == row)).mappings().one()
    db.execute(update(spent).where(spent.c.call == row).values(**new))
    add(db, {n: old[n] for n in (*_KEYS, "began")}, {n: value - old[n] for n, value in new.items()})


def reprice(db: Connection, row: str, outcome: CallOutcome, at: str) -> bool:
    """Put a new cost on a past row; whether it changed."""
    before = db.execute(select(calls).where(calls.c.id == row)).mappings().first()
    new = priced(outcome)
    if before is None or before["cost_usd"] == new["cost_usd"]:
        return False
    db.execute(
        insert(repriced).values(id=row, at=at, cost_usd=before["cost_usd"], price_date=before["price_date"])
    )
    new.pop("usage_json")
    db.execute(update(calls).where(calls.c.id == row).values(**new))
    measures = _measures(outcome, before["provider"] or "")
    measure(db, row, {n: measures[n] for n in ("billed", "unbilled", "unknown", *PARTS)})
    return True


def add(db: Connection, keys: Mapping[str, Any], changes: Mapping[str, int]) -> None:
    """Add to a running sum; if there is none yet it begins."""
    digest = hashlib.sha1(repr([keys[n] for n in _KEYS]).encode(), usedforsecurity=False).hexdigest()
    changed = (
        update(totals)
        .where(totals.c.id == digest)
        .values({n: totals.c[n] + value for n, value in changes.items()})
    )
    for _ in range(2):
        if db.execute(changed).rowcount:
            return
        try:
            with db.begin_nested():
                db.execute(insert(totals).values(id=digest, **keys, **changes))
            return
        except IntegrityError:  # begun by another kernel in between
            continue


def set_aside(db: Connection, row: str, call: Call, input_pico: int, output_pico: int, process: str) -> None:
    """Set dollars aside for a request in progress."""
    db.execute(
        insert(reserved).values(
            id=row, slot=int(call.at.timestamp()) // SLOT, user=call.user, kernel=call.kernel, notebook=call.notebook,
            input_pico=input_pico, output_pico=output_pico, process=process, expires=int(time.time()) + RESERVED_SECONDS,
        )
    )  # fmt: skip


def release(db: Connection, row: str) -> None:
    """Release what was set aside."""
    db.execute(reserved.delete().where(reserved.c.id == row))


def close_gate(db: Connection, user: str) -> None:
    """Let no other kernel of this user start a request until the transaction ends."""
    gate = select(gates.c.user).where(gates.c.user == user).with_for_update()
    if db.execute(gate).first() is None:
        try:
            with db.begin_nested():
                db.execute(insert(gates).values(user=user))
        except IntegrityError:
            pass
        db.execute(gate)


def select_spent(user: str, day: tuple[int, int], **where: str | None) -> Select[Any]:
    """Billed dollars in picodollars: of a user's kernel, notebook or (if neither is given) day."""
    chosen = select(func.sum(totals.c.billed)).where(totals.c.user == user)
    if not where:
        return chosen.where(totals.c.slot >= day[0], totals.c.slot < day[1])
    (name, value), *_ = where.items()
    return chosen.where(totals.c[name] == value)


def midnights(db: Connection) -> list[int] | None:
    """The first slot of every day of this machine that holds calls, where the database can group by them; else None."""
    if db.dialect.name != "postgresql":
        return None
    first, last = db.execute(select(func.min(totals.c.slot), func.max(totals.c.slot))).one()
    if first is None:
        return None
    days = (slot_day(last) - slot_day(first)).days + 1
    return [day_slots(slot_day(first) + timedelta(days=n))[0] for n in range(days)]


def select_sums(by: tuple[str, ...], where: Where, days: Sequence[int] | None = None) -> Select[Any]:
    """Sums of calls by columns; each row as `queries.merge_sums` takes it.

    Parameters
    ----------
    days
        First slots of days: sums by day are made in the database, so that not every quarter of an hour is sent.
    """
    columns = ["slot" if name == "day" else name for name in by]
    source = totals if set(columns) <= set(_KEYS) and where.newest is None else spent
    summed = func.sum(totals.c.calls) if source is totals else func.count()
    keys: list[ColumnElement[Any]] = [source.c[name] for name in columns]
    groups = list(keys)
    if days is not None and "slot" in columns:
        at = columns.index("slot")
        keys[at] = func.min(source.c.slot)
        groups[at] = func.width_bucket(source.c.slot, cast(days, ARRAY(Integer)))
    query = select(
        *keys,
        func.min(source.c.slot), func.min(source.c.began), cast(summed, BigInteger),
        *(cast(func.sum(source.c[name]), BigInteger) for name in MEASURES),
    )  # fmt: skip
    for name in ("user", "kernel", "notebook"):
        if (value := getattr(where, name)) is not None:
            query = query.where(source.c[name] == value)
    if where.since is not None or where.until is not None:
        first, last = edges(where)
        query = query.where(source.c.slot >= first, source.c.slot < last)
    if where.newest is not None:
        newest = select(spent.c.began).order_by(spent.c.began.desc()).limit(where.newest).subquery()
        query = query.where(spent.c.began >= select(func.min(newest.c.began)).scalar_subquery())
    return query.group_by(*groups) if groups else query


def _described(call: Call) -> dict[str, Any]:
    names = ("user", "kernel", "notebook", "cell", "chat", "turn", "provider", "model")
    return {"at": stamp(call.at), **{n: getattr(call, n) for n in names}}


def _key(call: Call) -> dict[str, Any]:
    named = {n: getattr(call, n) or "" for n in _KEYS if n != "slot"}
    return {**named, "slot": int(call.at.timestamp()) // SLOT}


def _began(call: Call) -> int:
    return int(call.at.timestamp() * 1_000_000)


def _is_turn(db: Connection, call: Call) -> bool:
    """The first request of a question counts as the question; one that belongs to no turn is a question by itself."""
    if call.turn is None:
        return True
    same = {"kernel": call.kernel, "chat": call.chat or "", "turn": call.turn, "cell": call.cell or ""}
    query = select(spent.c.call).where(*(spent.c[n] == v for n, v in same.items())).limit(1)
    return db.execute(query).first() is None


def _provider(db: Connection, row: str) -> str:
    return db.execute(select(spent.c.provider).where(spent.c.call == row)).scalar() or ""


def _measures(outcome: CallOutcome, provider: str) -> dict[str, int]:
    usage = outcome.usage
    cost = pico(outcome.cost) if outcome.cost is not None else 0
    return {
        "input": usage.input,
        "write_5m": usage.cache_write_5m,
        "write_1h": usage.cache_write_1h,
        "cache_read": usage.cache_read,
        "output": usage.output,
        "searches": usage.web_searches,
        "billed": 0 if provider in UNBILLED else cost,
        "unbilled": cost if provider in UNBILLED else 0,
        "unknown": int(outcome.cost is None),
        "estimated": int(outcome.estimated),
        **dict(zip(PARTS, parts_of(outcome), strict=True)),
    }
