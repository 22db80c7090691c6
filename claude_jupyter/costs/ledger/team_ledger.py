"""The ledger of a team in a database, through SQLAlchemy (extra `team`). It may cost a row nothing and an answer nothing.

What the database does not take waits in the local ledger, marked, and is sent with the next row that it takes. A row has one id
wherever it is, and is written and completed once, so that sending it twice changes nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from weakref import WeakSet

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from claude_jupyter.costs.ledger import team_tables as tables
from claude_jupyter.costs.ledger.calls import Allow, Call, CallOutcome, Reserve, Spent, Sum, Where
from claude_jupyter.costs.ledger.process import this_process
from claude_jupyter.costs.ledger.queries import PICO, day_slots, merge_sums, reserved_in, stamp
from claude_jupyter.costs.ledger.records import new_id, pico
from claude_jupyter.costs.ledger.schema import COLUMNS, RefusedError
from claude_jupyter.costs.ledger.sqlite_ledger import Ledger
from claude_jupyter.errors import StorageError
from claude_jupyter.interrupts import uninterrupted

_ALL: Final = Where()
_CONNECT_SECONDS: Final = 3
_PATIENCE: Final = 10_000
"""Milliseconds that one statement may take, and that a lost connection is waited for."""
_MIGRATION_SECONDS: Final = 70.0
_RETRY_SECONDS: Final = 10.0
"""After a failure the database is left alone for so long: no answer waits for it again."""
_AT_ONCE: Final = 500
_NO_ADDRESS: Final = (
    "The setting `ledger` is not a database address: use postgresql+psycopg://user@host/database, or a path."
)


class _AwayError(Exception):
    """The database cannot be used now."""


class TeamLedger:
    """A team's ledger; an `Accounts`. Safe to use from any thread, and after a fork.

    Parameters
    ----------
    url
        The database's address.
    local
        Keeps the rows that wait.
    warn
        Told once, in one line, when the database cannot be used.

    Raises
    ------
    ImportError
        If the database's driver is not installed.
    StorageError
        For an address that is none.
    """

    def __init__(self, url: URL, local: Ledger, *, warn: Callable[[str], None]) -> None:
        self._url, self._local, self._warn = url, local, warn
        self._warned = False
        self._connections: WeakSet[Any] = WeakSet()
        try:
            self._engine = _engine(url, self._connections)
        except ArgumentError:
            raise StorageError(_NO_ADDRESS) from None
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._ready = False
        self._away_until = 0.0
        self._why = ""
        self._may_wait = True
        self._started: dict[str, Call] = {}
        self._there: set[str] = set()
        self._reserves: dict[str, Reserve] = {}
        self._billed: dict[tuple[str, str | None, str], Spent] = {}

    @property
    def name(self) -> str:
        """The address without a password."""
        return self._url.render_as_string(hide_password=True)

    def silence(self) -> str:
        """Why the database does not answer now, in one line; empty if it does. Nothing is written."""
        try:
            with self._watched(2 * _CONNECT_SECONDS), self._engine.connect():
                return ""
        except (SQLAlchemyError, OSError) as error:
            return self._translated(error)

    def start(self, call: Call, allow: Allow | None = None) -> str:
        """Record that a request starts; returns its row's id. Raises `BudgetError` from `allow`; nothing is written then."""
        row = new_id()
        self._started[row] = call
        try:
            with self._database() as db:
                if allow is not None:
                    self._set_aside(db, row, call, allow)
                tables.put_call(db, row, call, new=True)
            self._there.add(row)
        except _AwayError:
            if allow is not None:
                self._reserves[row] = allow(self._spent_alone(call.kernel, call.notebook, call.user))
            self._wait(row, call, None)
        except BaseException:
            self._started.pop(row, None)
            raise
        else:
            self._send()
        return row

    def finish(self, row: str, outcome: CallOutcome) -> None:
        """Complete a row."""
        call = self._started.pop(row, None)
        self._reserves.pop(row, None)
        try:
            with self._database() as db:
                if call is not None and row not in self._there:
                    tables.put_call(db, row, call)
                tables.complete(db, row, outcome)
        except _AwayError:
            if call is not None:
                self._wait(row, call, outcome)
            return
        finally:
            self._there.discard(row)
        self._send()

    def hold(self, call: Call, allow: Allow) -> str:
        """Set aside what `allow` says until `release`, without a row. Raises the same as `start`."""
        row = new_id()
        try:
            with self._database() as db:
                self._set_aside(db, row, call, allow)
        except _AwayError:
            self._reserves[row] = allow(self._spent_alone(call.kernel, call.notebook, call.user))
        return row

    def release(self, row: str) -> None:
        """Release it; where that cannot be written it ends by the clock."""
        self._reserves.pop(row, None)
        try:
            with self._database() as db:
                tables.release(db, row)
        except _AwayError:
            pass

    def spent(self, *, kernel: str = "", notebook: str | None = None, user: str = "") -> Spent:
        """What counts against the budgets of this kernel, and of this user's notebook and day, now."""
        try:
            with self._database() as db:
                return self._spent(db, kernel, notebook, user) + self._waiting(kernel, notebook, user)
        except _AwayError:
            return self._spent_alone(kernel, notebook, user)

    def sums(self, by: tuple[str, ...], where: Where = _ALL) -> list[Sum]:
        """Sums of calls, in the order in which they were first asked.

        Raises
        ------
        StorageError
            If the database cannot be read.
        """
        with self._readable() as db:
            self._send()
            days = tables.midnights(db) if "day" in by else None
            rows = [_numbers(row, len(by)) for row in db.execute(tables.select_sums(by, where, days))]
            return merge_sums(by, rows)

    def rows(self, where: Where = _ALL) -> Iterator[dict[str, Any]]:
        """Every call as a mapping of its columns, oldest first."""
        table = tables.calls.c
        query = select(*(table[name] for name in COLUMNS)).order_by(table.at, table.id).limit(_AT_ONCE)
        for name in ("user", "kernel", "notebook"):
            if (value := getattr(where, name)) is not None:
                query = query.where(table[name] == value)
        if where.since is not None:
            query = query.where(table.at >= stamp(where.since))
        if where.until is not None:
            query = query.where(table.at < stamp(where.until))
        page = query
        while True:  # no transaction stays open while the rows are used
            with self._readable() as db:
                rows = [dict(zip(COLUMNS, row, strict=True)) for row in db.execute(page)]
            yield from rows
            if len(rows) < _AT_ONCE:
                return
            at, last = rows[-1]["at"], rows[-1]["id"]
            page = query.where((table.at > at) | ((table.at == at) & (table.id > last)))

    def reprice(self, prices: Iterable[tuple[str, CallOutcome]]) -> int:
        """Update the cost of past rows, keeping what was recorded; returns how many changed."""
        new = list(prices)
        now = stamp(datetime.now(UTC))
        with self._readable() as db:
            return sum(tables.reprice(db, row, outcome, now) for row, outcome in new)

    def close(self) -> None:
        """Close the connections; they are opened again when needed."""
        self._engine.dispose()
        self._local.close()

    # -- the database ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _database(self) -> Generator[Connection]:
        """A transaction.

        Raises
        ------
        _AwayError
            If it cannot be had or does not come to its end; nothing is written then.
        """
        if self._pid != os.getpid():  # the connections are the parent's
            self._pid, self._lock = os.getpid(), threading.Lock()
            self._engine.dispose(close=False)
        if time.monotonic() < self._away_until:
            raise _AwayError
        try:
            with (
                uninterrupted()
            ):  # SQLAlchemy and the driver have locks of their own; every statement ends by the clock
                if not self._ready:
                    with self._watched(_MIGRATION_SECONDS), self._engine.begin() as db:
                        tables.migrate(db)
                    self._ready = True
                with self._watched(2 * _PATIENCE / 1000), self._engine.begin() as db:
                    yield db
        except (SQLAlchemyError, RefusedError, OSError) as error:
            self._ready = False
            self._away_until = time.monotonic() + _RETRY_SECONDS
            self._why = self._translated(error)
            self._say(
                f"The team's ledger cannot be used: {self._why}. "
                "Requests are written to the local ledger for now and sent later; answers are not affected."
            )
            raise _AwayError from None

    @contextmanager
    def _watched(self, seconds: float) -> Generator[None]:
        """End the connections after this many seconds: the driver waits without end for a server that no longer says anything."""
        watch = threading.Timer(seconds, self._hang_up)
        watch.daemon = True
        watch.start()
        try:
            yield
        finally:
            watch.cancel()

    def _hang_up(self) -> None:
        for connection in list(self._connections):
            with (
                contextlib.suppress(Exception),  # closed meanwhile, or a driver without sockets
                socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as line,
            ):
                line.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _readable(self) -> Generator[Connection]:
        self._away_until = 0.0  # somebody asks for it, and can wait
        try:
            with self._database() as db:
                yield db
        except _AwayError:
            waiting = len(self._local.waiting(self.name))
            reason = (
                f" {waiting:,} requests are waiting in the local ledger and will be sent later."
                if waiting
                else ""
            )
            raise StorageError(
                f"The team's ledger ({self.name}) cannot be read: {self._why}.{reason}"
            ) from None

    def _translated(self, error: BaseException) -> str:
        """Why, in one line and without the password."""
        cause = getattr(error, "orig", None) or error
        line = next(iter(str(cause).strip().splitlines()), "") or type(cause).__name__
        for secret in filter(None, (self._url.password, os.environ.get("PGPASSWORD"))):
            line = line.replace(str(secret), "***")
        return line[:300].rstrip(".")

    def _say(self, line: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(line)

    def _set_aside(self, db: Connection, row: str, call: Call, allow: Allow) -> None:
        tables.close_gate(db, call.user)
        db.execute(tables.reserved.delete().where(tables.reserved.c.expires < time.time() - 2 * 86400))
        spent = self._spent(db, call.kernel, call.notebook, call.user)
        reserve = allow(spent + self._waiting(call.kernel, call.notebook, call.user))
        tables.set_aside(db, row, call, pico(reserve.input), pico(reserve.output), this_process())

    def _spent(self, db: Connection, kernel: str, notebook: str | None, user: str) -> Spent:
        day = day_slots()

        def usd(**where: str | None) -> Decimal:
            return int(db.execute(tables.select_spent(user, day, **where)).scalar() or 0) * PICO

        billed = Spent(usd(kernel=kernel), usd(notebook=notebook) if notebook else Decimal(0), usd())
        self._billed[kernel, notebook, user] = billed
        names = ("slot", "user", "kernel", "notebook", "input_pico", "output_pico", "process", "expires")
        query = select(*(tables.reserved.c[n] for n in names)).where(tables.reserved.c.user == user)
        return billed + reserved_in([tuple(row) for row in db.execute(query)], kernel, notebook, user)

    # -- rows that wait ---------------------------------------------------------------------------------------------------

    def _wait(self, row: str, call: Call, outcome: CallOutcome | None) -> None:
        self._may_wait = True
        self._local.keep_waiting(self.name, row, call, outcome)

    def _waiting(self, kernel: str, notebook: str | None, user: str) -> Spent:
        """What rows that wait count for."""
        if not self._may_wait:
            return Spent()
        first, last = day_slots()
        spent = Spent()
        for _, call, outcome in self._local.waiting(self.name):
            if (
                outcome is None
                or outcome.cost is None
                or call.provider in tables.UNBILLED
                or call.user != user
            ):
                continue
            usd = Decimal(outcome.cost)
            today = first <= int(call.at.timestamp()) // tables.SLOT < last
            spent += Spent(
                usd if call.kernel == kernel else Decimal(0),
                usd if notebook and call.notebook == notebook else Decimal(0),
                usd if today else Decimal(0),
            )
        return spent

    def _spent_alone(self, kernel: str, notebook: str | None, user: str) -> Spent:
        """What is known without the database: what it said last, what waits since, and what this kernel has set aside."""
        reserved = sum((r.input + r.output for r in list(self._reserves.values())), Decimal(0))
        spent = Spent(reserved, reserved, reserved, reserved=(reserved, reserved, reserved))
        return (
            spent
            + self._billed.get((kernel, notebook, user), Spent())
            + self._waiting(kernel, notebook, user)
        )

    def _send(self) -> None:
        """Send what waits; what the database does not take continues waiting."""
        with uninterrupted():
            if not self._may_wait or not self._lock.acquire(blocking=False):
                return
            try:
                self._send_waiting()
            finally:
                self._lock.release()

    def _send_waiting(self) -> None:
        try:
            while rows := self._local.waiting(self.name, _AT_ONCE):
                with self._database() as db:
                    for row, call, outcome in rows:
                        tables.put_call(db, row, call)
                        if outcome is not None:
                            tables.complete(db, row, outcome)
                self._local.sent(self.name, [(row, outcome is not None) for row, _, outcome in rows])
            self._may_wait = False
        except _AwayError:
            pass


def parsed(address: str) -> URL:
    """The address as SQLAlchemy reads it.

    Raises
    ------
    StorageError
        For one that it cannot read; without the address, which may hold a password.
    """
    try:
        return make_url(address)
    except (ArgumentError, ValueError):
        raise StorageError(_NO_ADDRESS) from None


def _engine(url: URL, connections: WeakSet[Any]) -> Engine:
    """An engine that adds its connections to `connections`."""
    postgres = url.get_backend_name() == "postgresql"
    limits: dict[str, Any] = (
        {"connect_timeout": _CONNECT_SECONDS, "tcp_user_timeout": _PATIENCE} if postgres else {}
    )
    engine = create_engine(url, pool_pre_ping=True, pool_size=2, max_overflow=48, connect_args=limits)
    if postgres:

        @event.listens_for(engine, "connect")
        def limited(connection: Any, _record: Any) -> None:  # pyright: ignore[reportUnusedFunction]
            connections.add(connection)
            with connection.cursor() as cursor:
                cursor.execute(f"SET statement_timeout = {_PATIENCE}")
            connection.commit()

    return engine


def _numbers(row: Any, keys: int) -> tuple[Any, ...]:
    """Sums as whole numbers (databases give decimals), and keys without a name as None."""
    named = (value if value != "" else None for value in row[:keys])
    return (*named, *(int(value) if value is not None else 0 for value in row[keys:]))
