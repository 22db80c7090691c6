"""The ledger's tables as numbered migrations: plain SQL, each run once and in order. Nothing here opens a file (`sqlite_ledger.py`).
A team's database has the same columns (`team_tables.py`).

`calls` is the public table and keeps its columns. Everything else is derived from it by triggers, so it is right whoever writes:

- `names` numbers the texts that calls are summed by;
- `spent` repeats each call in whole numbers, narrow enough to sum a million of them at once; money is in picodollars (10⁻¹² USD),
  in which every list price of a token is whole;
- `totals` keeps running sums by each pair of columns in `SCOPES`, and by user and quarter of an hour. Days are the machine's own: local
  midnight is on a quarter of an hour in every time zone, so a day is a range of these whatever the zone or the season.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Sequence
from typing import Any, Final, Protocol, TypeVar

from claude_jupyter.costs.ledger.faults import is_locked


class Database(Protocol):
    """As much of a database connection as is needed outside `sqlite_ledger.py`."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any:
        """Run one statement."""
        ...

    def close(self) -> None:
        """Release it."""
        ...

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        ...


_C = TypeVar("_C", bound=Database)


class RefusedError(Exception):
    """A file that is there and must not be touched."""


APPLICATION_ID: Final = 0x436C4A79
"""Marks a SQLite file as a ledger of ours ("ClJy")."""

COLUMNS: Final[tuple[str, ...]] = (
    "id", "at", "user", "kernel", "notebook", "cell", "chat", "turn", "provider", "model", "request_id",
    "input_tokens", "cache_write_5m", "cache_write_1h", "cache_read", "output_tokens", "web_searches", "cost_usd",
    "price_date", "estimated", "complete", "stop_reason", "ttft", "seconds", "service_tier", "usage_json",
)  # fmt: skip
"""The columns of `calls`, in order."""

SLOT: Final = 900
"""Seconds of a slot."""

SCOPES: Final[dict[str, tuple[str, ...]]] = {
    "model": ("notebook", "model"),
    "cell": ("notebook", "cell"),
    "chat": ("notebook", "chat"),
    "kernel": ("kernel", "notebook"),
    "day": ("user", "slot"),
}
"""What `totals` holds running sums by: the columns of its keys, by the name of the scope."""

_NAMED = ("user", "kernel", "notebook", "cell", "chat", "provider", "model")
_TOKENS = ("input", "write_5m", "write_1h", "cache_read", "output", "searches")
_SOURCES = ("input_tokens", "cache_write_5m", "cache_write_1h", "cache_read", "output_tokens", "web_searches")
PARTS: Final = (
    "input_pico",
    "cache_pico",
    "output_pico",
    "search_pico",
    "saved",
    "thinking_pico",
    "thinking",
)
"""Columns of `spent` that `calls` does not hold."""
MEASURES: Final = (
    "turns", *_TOKENS, "billed", "unbilled", *PARTS, "unknown", "estimated", "unfinished",
)  # fmt: skip
"""Columns of `spent` and `totals` that are summed."""

_CALLS = """
CREATE TABLE calls(
  id TEXT PRIMARY KEY NOT NULL, at TEXT NOT NULL, user TEXT, kernel TEXT, notebook TEXT, cell TEXT, chat TEXT, turn INTEGER,
  provider TEXT, model TEXT, request_id TEXT,
  input_tokens INTEGER NOT NULL DEFAULT 0, cache_write_5m INTEGER NOT NULL DEFAULT 0, cache_write_1h INTEGER NOT NULL DEFAULT 0,
  cache_read INTEGER NOT NULL DEFAULT 0, output_tokens INTEGER NOT NULL DEFAULT 0, web_searches INTEGER NOT NULL DEFAULT 0,
  cost_usd TEXT, price_date TEXT, estimated INTEGER NOT NULL DEFAULT 0, complete INTEGER NOT NULL DEFAULT 0,
  stop_reason TEXT, ttft REAL, seconds REAL, service_tier TEXT, usage_json TEXT
)"""

_NAMES = "CREATE TABLE names(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)"

_SPENT = f"""
CREATE TABLE spent(
  call INTEGER PRIMARY KEY, slot INTEGER NOT NULL, {", ".join(f"{n} INTEGER" for n in _NAMED)}, turn INTEGER,
  {", ".join(f"{m} INTEGER NOT NULL DEFAULT 0" for m in MEASURES)}
)"""

_TOTALS = f"""
CREATE TABLE totals(
  scope TEXT NOT NULL, a INTEGER NOT NULL, b INTEGER NOT NULL,
  first INTEGER NOT NULL, began INTEGER NOT NULL, calls INTEGER NOT NULL,
  {", ".join(f"{m} INTEGER NOT NULL" for m in MEASURES)},
  PRIMARY KEY (scope, a, b)
) WITHOUT ROWID"""

# What of a request that is in progress counts against budgets; replaced by its real cost when it ends.
_RESERVED = """
CREATE TABLE reserved(
  id TEXT PRIMARY KEY NOT NULL, slot INTEGER NOT NULL, user TEXT, kernel TEXT, notebook TEXT,
  input_pico INTEGER NOT NULL, output_pico INTEGER NOT NULL, process TEXT NOT NULL, expires INTEGER NOT NULL
) WITHOUT ROWID"""

# What a row said before it was priced again.
_REPRICED = """
CREATE TABLE repriced(
  id TEXT NOT NULL, at TEXT NOT NULL, cost_usd TEXT, price_date TEXT
)"""


def _name(column: str) -> str:
    return f"(SELECT id FROM names WHERE text = new.{column})"


def _pico(billed: bool) -> str:
    kind = "NOT IN" if billed else "IN"
    # A double holds a picodollar exactly up to nine thousand dollars a request.
    usd = "CAST(round(CAST(new.cost_usd AS REAL) * 1e12) AS INTEGER)"
    return (
        f"CASE WHEN coalesce(new.provider, '') {kind} ('demo', 'replay') THEN coalesce({usd}, 0) ELSE 0 END"
    )


_DERIVED: Final = {
    "slot": f"coalesce(CAST(strftime('%s', new.at) AS INTEGER) / {SLOT}, 0)",
    **{n: _name(n) for n in _NAMED},
    "turn": "new.turn",
    **{t: f"coalesce(new.{s}, 0)" for t, s in zip(_TOKENS, _SOURCES, strict=True)},
    "billed": _pico(True),
    "unbilled": _pico(False),
    "unknown": "new.seconds IS NOT NULL AND new.cost_usd IS NULL",
    "estimated": "coalesce(new.estimated, 0) <> 0",
    "unfinished": "new.seconds IS NULL",
}
# The first request of a question counts as the question; one that belongs to no turn is a question by itself.
_IS_TURN = f"""new.turn IS NULL OR NOT EXISTS (
  SELECT 1 FROM spent WHERE kernel IS {_name("kernel")} AND chat IS {_name("chat")} AND turn IS new.turn
  AND cell IS {_name("cell")})"""

_LEARN = "INSERT OR IGNORE INTO names(text) " + " UNION ".join(
    f"SELECT new.{n} WHERE new.{n} IS NOT NULL" for n in _NAMED
)

_CALLS_INSERTED = f"""
CREATE TRIGGER calls_inserted AFTER INSERT ON calls BEGIN
  {_LEARN};
  INSERT INTO spent(call, turns, {", ".join(_DERIVED)}) VALUES (new.rowid, {_IS_TURN}, {", ".join(_DERIVED.values())});
END"""
_CALLS_UPDATED = f"""
CREATE TRIGGER calls_updated AFTER UPDATE ON calls BEGIN
  {_LEARN};
  UPDATE spent SET {", ".join(f"{k} = {v}" for k, v in _DERIVED.items())} WHERE call = new.rowid;
END"""
_CALLS_DELETED = """
CREATE TRIGGER calls_deleted AFTER DELETE ON calls BEGIN
  DELETE FROM spent WHERE call = old.rowid;
END"""


def _add(scope: str, row: str, sign: str = "") -> str:
    """Add a row of `spent` to (or with "-" take it from) a running sum; what has no name is summed under 0."""
    keys = ", ".join(f"coalesce({row}.{column}, 0)" for column in SCOPES[scope])
    values = ", ".join(f"{sign}{row}.{m}" for m in MEASURES)
    sums = ", ".join(f"{m} = {m} + excluded.{m}" for m in ("calls", *MEASURES))
    return f"""INSERT INTO totals VALUES ('{scope}', {keys}, {row}.slot, {row}.call, {sign}1, {values})
  ON CONFLICT DO UPDATE SET first = min(first, excluded.first), began = min(began, excluded.began), {sums};"""


def _change(scope: str) -> str:
    """Add what changed in a row of `spent` whose sums are still the same ones."""
    a, b = SCOPES[scope]
    sums = ", ".join(f"{m} = {m} + new.{m} - old.{m}" for m in MEASURES)
    return f"""UPDATE totals SET {sums}
  WHERE scope = '{scope}' AND a = coalesce(new.{a}, 0) AND b = coalesce(new.{b}, 0);"""


_KEYS = sorted({column for columns in SCOPES.values() for column in columns})
_SAME = " AND ".join(f"old.{column} IS new.{column}" for column in _KEYS)


def _on_spent(name: str, event: str, body: str, when: str = "") -> str:
    return f"CREATE TRIGGER {name} AFTER {event} ON spent {when and f'WHEN {when}'} BEGIN {body} END"


def _each(*steps: tuple[str, str]) -> str:
    return " ".join(_add(scope, row, sign) for scope in SCOPES for row, sign in steps)


_SPENT_TRIGGERS = (
    _on_spent("spent_inserted", "INSERT", _each(("new", ""))),
    _on_spent("spent_deleted", "DELETE", _each(("old", "-"))),
    _on_spent("spent_moved", "UPDATE", _each(("old", "-"), ("new", "")), f"NOT ({_SAME})"),
    _on_spent("spent_updated", "UPDATE", " ".join(map(_change, SCOPES)), _SAME),
)

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        _CALLS, _NAMES, _SPENT, _TOTALS, _RESERVED, _REPRICED,
        "CREATE INDEX spent_by_turn ON spent(kernel, chat, turn)",
        "CREATE INDEX spent_by_notebook ON spent(notebook)",
        "CREATE INDEX spent_by_slot ON spent(slot)",
        _CALLS_INSERTED, _CALLS_UPDATED, _CALLS_DELETED, *_SPENT_TRIGGERS,
    ),
)  # fmt: skip
"""Statements that lead from version n to version n + 1; `PRAGMA user_version` counts them. Never edit one that was released."""


def is_current(db: Database) -> bool:
    """Whether a database is a ledger with the tables of today."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    return version == len(MIGRATIONS) and db.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID


def migrate(db: Database) -> None:
    """Bring the tables up to date, in an open transaction.

    Raises
    ------
    RefusedError
        For a file of a newer version, or of another program.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    mark = db.execute("PRAGMA application_id").fetchone()[0]
    if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] and mark != APPLICATION_ID:
        raise RefusedError("the file belongs to another program; give the setting `ledger` another path")
    if version > len(MIGRATIONS):
        raise RefusedError(
            "it was written by a newer claude-jupyter; update this one (`pip install -U claude-jupyter`)"
        )
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")


@contextlib.contextmanager
def transaction(db: _C) -> Generator[_C]:
    """Do the block as one write that no other process comes between, or not at all."""
    try:
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")
    except BaseException:
        # Also a KeyboardInterrupt: half a row must not be committed with the next one.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def closing_on_error(db: Database) -> Generator[None]:
    """Close a connection that the block could not prepare."""
    try:
        yield
    except BaseException:
        db.close()
        raise


def use_wal(db: Database, seconds: float) -> bool:
    """Switch to WAL; whether the file system can. The switch ignores the busy timeout, so it is tried for some seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return db.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal"
        except Exception as error:
            if not is_locked(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
