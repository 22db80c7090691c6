"""The ledger: every request a row in SQLite, written when it starts and completed when it ends. The only file that knows sqlite3.

It may cost a row and one warning, never an answer: what cannot be written to disk is kept in memory for as long as the kernel lives,
and written if the disk comes back. Where the file system cannot do WAL, each kernel writes a file of its own
(`ledger-<kernel>.db`), and they are merged on reading. Prices are decided elsewhere (`prices.py`), and so are budgets (`budget.py`).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from claude_jupyter.costs.ledger import disk
from claude_jupyter.costs.ledger.calls import Allow, Call, CallOutcome, Reserve, Spent, Sum, Where
from claude_jupyter.costs.ledger.faults import is_damaged, reason
from claude_jupyter.costs.ledger.queries import (
    Query,
    merge_sums,
    negated,
    row_from,
    select_rows,
    select_sums,
    spent_in,
    whole_and_before,
)
from claude_jupyter.costs.ledger.records import (
    IS_WAITING,
    SELECT_WAITING,
    WAITING,
    complete,
    insert,
    new_id,
    release,
    reprice,
    set_aside,
    waited,
)
from claude_jupyter.costs.ledger.schema import (
    RefusedError,
    closing_on_error,
    is_current,
    migrate,
    transaction,
    use_wal,
)
from claude_jupyter.errors import StorageError
from claude_jupyter.interrupts import locked, uninterrupted

BUSY_SECONDS: Final = 15.0
_PARALLEL_FROM: Final = 100_000
_ALL: Final = Where()
# Connections of the parent process, in a child made by fork: closing one here could disturb the parent's file.
_inherited: list[sqlite3.Connection] = []


class Ledger:
    """The ledger of one kernel, or of a shell; an `Accounts`. Safe to use from any thread, and after a fork.

    Parameters
    ----------
    path
        The database; None keeps everything in memory.
    warn
        Told once, in one line, when rows cannot be written or a damaged file was set aside.
    kernel
        Names the file of this kernel where the file system cannot do WAL.
    vfs
        SQLite's name for the way to reach the file; the system's own if None.
    """

    def __init__(
        self, path: Path | None, *, warn: Callable[[str], None], kernel: str = "", vfs: str | None = None
    ) -> None:
        self.path = path.absolute() if path else None
        self._warn, self._warned = warn, False
        self._kernel, self._vfs = kernel, vfs
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._disk: sqlite3.Connection | None = None
        self._disk_path: Path | None = None
        self._disk_identity: tuple[int, int] | None = None
        self._memory: sqlite3.Connection | None = None
        self._pending: dict[str, tuple[Call, CallOutcome | None]] = {}
        self._started: dict[str, Call] = {}

    def start(self, call: Call, allow: Allow | None = None) -> str:
        """Record that a request starts.

        Parameters
        ----------
        allow
            Asked with what was spent, while no other kernel can start a request; see `Allow`.

        Returns
        -------
        str
            The row's id.

        Raises
        ------
        BudgetError
            From `allow`; nothing is written then.
        """
        row = new_id()

        def work(db: sqlite3.Connection) -> None:
            insert(db, row, call, None if allow is None else self._allowed(db, call, allow))

        with self._mine():
            if not self._write(work, alone=allow is not None):
                self._pending[row] = (call, None)
            self._started[row] = call
        return row

    def hold(self, call: Call, allow: Allow) -> str:
        """Set aside what `allow` says until `release`, without a row: for a batch, which outlives its kernel. Raises as `start` does."""
        with self._mine():
            row = new_id()
            self._write(lambda db: set_aside(db, row, call, self._allowed(db, call, allow)), alone=True)
        return row

    def release(self, row: str) -> None:
        """Release what was set aside, here or by another kernel; where that cannot be written it ends by the clock."""
        with contextlib.suppress(StorageError), self._files(strict=False) as files:
            for _, db in files:
                release(db, row)
        if self._memory is not None:
            release(self._memory, row)

    def _allowed(self, db: sqlite3.Connection, call: Call, allow: Allow) -> Reserve:
        db.execute("DELETE FROM reserved WHERE expires < ?", (time.time() - 2 * 86400,))
        return allow(self._spent(db, call.kernel, call.notebook, call.user))

    def finish(self, row: str, outcome: CallOutcome) -> None:
        """Complete a row. One that could not be written when it started is written now."""
        with self._mine():
            call = self._started.pop(row, None)
            on_disk = self._write(lambda db: complete(db, row, call, outcome))
            if not on_disk and call is not None:
                self._pending[row] = (call, outcome)

    def spent(self, *, kernel: str = "", notebook: str | None = None, user: str = "") -> Spent:
        """What counts against the budgets of a kernel, a notebook and a user (today) now."""
        with self._mine():
            try:
                return self._spent(None, kernel, notebook, user)
            except sqlite3.DatabaseError as error:
                if is_damaged(error) and self._disk_path is not None:
                    self._set_aside(self._disk_path)
                self._drop()
                return self._spent(None, kernel, notebook, user)

    def sums(self, by: tuple[str, ...], where: Where = _ALL) -> list[Sum]:
        """Sums of calls, in the order in which they were first asked.

        Parameters
        ----------
        by
            Columns of `calls` to sum by, `day` (of this machine), or `slot` (quarters of an hour since 1970); empty for one sum of all.

        Raises
        ------
        StorageError
            For a ledger that cannot be read.
        """
        query = select_sums(by, where)
        rows = self._ask_memory(query)
        with self._files() as files:
            for path, db in files:
                rows += self._ask(path, db, by, where, query)
        return merge_sums(by, rows)

    def rows(self, where: Where = _ALL) -> Iterator[dict[str, Any]]:
        """Every call as a mapping of the columns of `calls`, oldest first within each file."""
        query = select_rows(where)
        with self._files() as files:
            for _, db in files:
                yield from (row_from(values) for values in db.execute(*query))
        yield from (row_from(values) for values in self._ask_memory(query))

    def reprice(self, prices: Iterable[tuple[str, CallOutcome]]) -> int:
        """Update the cost of past rows by row id; returns how many changed. What a row said before stays in the table `repriced`.

        Of an outcome the cost, its parts and `price_date` count.
        """
        new = list(prices)
        changed = 0
        with self._files() as files:
            for _, db in files:
                with transaction(db):
                    changed += sum(reprice(db, row, outcome) for row, outcome in new)
        return changed

    # ── rows that wait to be sent to a team's ledger ──

    def keep_waiting(self, address: str, row: str, call: Call, outcome: CallOutcome | None) -> None:
        """Record a request that another ledger does not take now, marked so that it is sent there later."""

        def work(db: sqlite3.Connection) -> None:
            db.execute(WAITING)
            insert(db, row, call, None)
            if outcome is not None:
                complete(db, row, None, outcome)
            db.execute("INSERT OR IGNORE INTO waiting VALUES (?, ?)", (row, address))

        with self._mine():
            self._write(work)

    def waiting(self, address: str, most: int = -1) -> list[tuple[str, Call, CallOutcome | None]]:
        """Requests that wait for that ledger, oldest first: row, call, and how it ended (None: not yet)."""
        rows: list[tuple[str, Call, CallOutcome | None]] = []
        with self._mine(), self._files(strict=False) as files:
            for db in (*(db for _, db in files), *([self._memory] if self._memory else [])):
                if db.execute(IS_WAITING).fetchone():
                    rows += map(waited, db.execute(SELECT_WAITING, (address, most)).fetchall())
        return rows

    def sent(self, address: str, rows: Iterable[tuple[str, bool]]) -> None:
        """Release requests that are in the other ledger now, unless they ended since: row, and whether it had ended."""
        with self._mine(), self._files(strict=False) as files:
            for db in (*(db for _, db in files), *([self._memory] if self._memory else [])):
                if not db.execute(IS_WAITING).fetchone():
                    continue
                with transaction(db):
                    for row, ended in rows:
                        deleted = db.execute(
                            "DELETE FROM calls WHERE id = ? AND (seconds IS NOT NULL) = ?", (row, ended)
                        )
                        if deleted.rowcount:
                            db.execute("DELETE FROM waiting WHERE id = ? AND address = ?", (row, address))

    def close(self) -> None:
        """Close the files; they are opened again when needed."""
        with self._mine():
            self._drop()

    # ── writing ──

    @contextlib.contextmanager
    def _mine(self) -> Generator[None]:
        """The lock of this process. After a fork the parent's connections are left alone."""
        if self._pid != os.getpid():
            _inherited.extend(db for db in (self._disk, self._memory) if db is not None)
            self._begin()
        with locked(self._lock):
            yield

    def _write(self, work: Callable[[sqlite3.Connection], None], *, alone: bool = False) -> bool:
        """Do work in a transaction on disk, or else in memory; whether it was on disk."""
        if self.path is not None:
            for attempt in (1, 2):
                try:
                    self._write_to_disk(self.path, work, alone)
                    return True
                except (sqlite3.DatabaseError, OSError, RefusedError) as error:
                    damaged = is_damaged(error) and self._set_aside(self._disk_path or self.path)
                    self._drop()
                    if not (damaged and attempt == 1):
                        self._say(
                            f"Costs are not being saved: {reason(error, self.path)}. "
                            "This kernel keeps them in memory for now; answers are not affected."
                        )
                        break
        with transaction(self._in_memory()) as db:
            work(db)
        return False

    def _write_to_disk(self, path: Path, work: Callable[[sqlite3.Connection], None], alone: bool) -> None:
        db = self._on_disk(path)
        # Kernels with files of their own share no transaction: those that decide on a budget take turns by a lock.
        shared = alone and self._disk_path != path
        with disk.exclusive(path) if shared else contextlib.nullcontext(), transaction(db):
            for row, (call, outcome) in self._pending.items():
                insert(db, row, call, None)
                if outcome is not None:
                    complete(db, row, call, outcome)
            work(db)
        self._pending.clear()
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _on_disk(self, path: Path) -> sqlite3.Connection:
        if self._disk_path is not None and disk.identity(self._disk_path) != self._disk_identity:
            self._drop()  # deleted, or set aside by another kernel: continue in the file that is there now
        if self._disk is None:
            self._disk, self._disk_path = self._open_to_write(path)
            self._disk_identity = disk.identity(self._disk_path)
        return self._disk

    def _open_to_write(self, path: Path) -> tuple[sqlite3.Connection, Path]:
        if not disk.is_network(path):
            disk.make_private(path)
            db = self._connect(path, "rw")
            with closing_on_error(db):
                if use_wal(db, BUSY_SECONDS):
                    _migrate(db)
                    return db, path
            db.close()  # the file stays, empty: another kernel may be trying it at this moment
        own = disk.kernel_file(path, self._kernel)
        disk.make_private(own)
        db = self._connect(own, "rw")
        with closing_on_error(db):
            db.execute("PRAGMA journal_mode=TRUNCATE").fetchall()
            _migrate(db)
        return db, own

    def _connect(self, path: Path, mode: str) -> sqlite3.Connection:
        vfs = f"&vfs={self._vfs}" if self._vfs else ""
        uri = f"{path.as_uri()}?mode={mode}{vfs}"
        db = sqlite3.connect(
            uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        db.execute("PRAGMA synchronous=NORMAL")
        return db

    def _in_memory(self) -> sqlite3.Connection:
        if self._memory is None:
            self._memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            _migrate(self._memory)
        return self._memory

    def _drop(self) -> None:
        if self._disk is not None:
            self._disk.close()
        self._disk = self._disk_path = self._disk_identity = None

    def _set_aside(self, path: Path) -> bool:
        identity = self._disk_identity if path == self._disk_path else disk.identity(path)
        try:
            aside = disk.set_aside(path, identity)
        except OSError:
            return False
        if aside is not None:
            self._say(
                f"The cost ledger was damaged. It was renamed to {aside.name}, and a new one was started."
            )
        return True

    def _say(self, line: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(line)

    # ── reading ──

    def _spent(self, db: sqlite3.Connection | None, kernel: str, notebook: str | None, user: str) -> Spent:
        """What was spent according to all files; `db` is one of them that is open in a transaction."""
        open_path = self._disk_path if self._disk is not None else None
        databases = [d for d in (self._disk, self._memory) if d is not None]
        spent = sum((spent_in(d, kernel, notebook, user) for d in databases), Spent())
        if db is not None and db not in databases:
            spent += spent_in(db, kernel, notebook, user)
        with self._files(without=open_path, strict=False) as files:
            for _, other in files:
                # A file that cannot be read must not stop a question; it is reported where costs are asked for.
                with contextlib.suppress(sqlite3.DatabaseError):
                    spent += spent_in(other, kernel, notebook, user)
        return spent

    def _ask_memory(self, query: Query) -> list[Any]:
        with self._mine():
            return [] if self._memory is None else self._memory.execute(*query).fetchall()

    def _ask(
        self, path: Path, db: sqlite3.Connection, by: tuple[str, ...], where: Where, query: Query
    ) -> list[Any]:
        if (parts := whole_and_before(db, by, where)) is not None:
            whole, before = parts
            rows = self._ask(path, db, by, whole, select_sums(by, whole))
            return rows + negated(self._ask(path, db, by, before, select_sums(by, before)), len(by))
        workers = min(4, os.cpu_count() or 1)
        last = 0
        if "NOT INDEXED" in query[0] and workers > 1:
            last = db.execute("SELECT max(call) FROM spent").fetchone()[0] or 0
        if last < _PARALLEL_FROM:
            return db.execute(*query).fetchall()
        edges = [last * n // workers for n in range(workers)] + [last]

        def part(n: int) -> list[Any]:
            with contextlib.closing(self._connect(path, "ro")) as own:
                return own.execute(*select_sums(by, where, calls=(edges[n], edges[n + 1]))).fetchall()

        # SQLite releases the interpreter while it sums, so threads do it at once.
        try:
            with uninterrupted(), ThreadPoolExecutor(workers) as pool:
                return [row for rows in pool.map(part, range(workers)) for row in rows]
        except sqlite3.OperationalError:  # a folder in which no second connection can be opened
            return db.execute(*query).fetchall()

    @contextlib.contextmanager
    def _files(
        self, without: Path | None = None, *, strict: bool = True
    ) -> Generator[list[tuple[Path, sqlite3.Connection]]]:
        """Every file of the ledger, opened for the time of the block; one that cannot be read is an error if `strict`."""
        with contextlib.ExitStack() as stack:
            files: list[tuple[Path, sqlite3.Connection]] = []
            for path in disk.siblings(self.path) if self.path else []:
                try:
                    db = self._open_to_read(path) if path != without else None
                except StorageError:
                    if strict:
                        raise
                    continue
                if db is not None:
                    stack.callback(db.close)
                    files.append((path, db))
            try:
                yield files
            except sqlite3.DatabaseError as error:
                raise StorageError(f"The cost ledger cannot be read: {reason(error, self.path)}.") from None

    def _open_to_read(self, path: Path) -> sqlite3.Connection | None:
        problem: Exception | None = None
        for mode in ("rw", "ro", "ro&immutable=1"):
            try:
                db = self._connect(path, mode)
                with closing_on_error(db):
                    if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                        _migrate(db)
                        return db
                db.close()
                return None
            except RefusedError as refused:
                problem = refused
                break
            except sqlite3.DatabaseError as error:
                problem = error
                if is_damaged(error):
                    self._set_aside(path)
                    return None
        raise StorageError(f"The cost ledger cannot be read: {reason(problem, path)}.")


def _migrate(db: sqlite3.Connection) -> None:
    if not is_current(db):
        with transaction(db):
            migrate(db)
