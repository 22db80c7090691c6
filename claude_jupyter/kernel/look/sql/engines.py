"""What runs a SELECT over frames in memory: DuckDB or Polars, whichever is installed; read-only by construction.

DuckDB: an empty database in memory, file and network access off, extensions off, configuration locked, one statement that DuckDB
itself calls a SELECT. Polars: its SQL over lazy frames, without its functions that read files. Frames are scanned where they are
(pandas, Arrow, Polars) or streamed (DuckDB relations of the user's own connection), never changed.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Protocol

from claude_jupyter.content.dataframes.backends import column_name
from claude_jupyter.content.guard import libraries, root_module, type_name
from claude_jupyter.errors import UsageError
from claude_jupyter.kernel.look.sql.joins import Join, joins, refuse_too_large
from claude_jupyter.kernel.look.sql.statement import Token, statement

MEMORY: Final = "1GB"
_CONFIG: Final = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": MEMORY,
    "temp_directory": "",
}
_READERS: Final = re.compile(r"(?:read|scan)_\w+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The first rows of a result.

    Attributes
    ----------
    more
        Whether there are more than these.
    total
        How many there are then, if they could be counted.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool = False
    total: int | None = None


class Engine(Protocol):
    """Runs one statement; its methods block and are to be called on a thread of their own."""

    def run(self, sql: str, words: Sequence[Token], frames: Mapping[str, Any], limit: int) -> Fetched:
        """The first `limit` rows."""
        ...

    def count(self) -> int | None:
        """How many rows the statement has in all."""
        ...

    def interrupt(self) -> None:
        """End what runs, from another thread."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


def engine_for(frames: Mapping[str, Any]) -> Engine:
    """The engine for these frames: Polars where one of them is lazy (it stays so), else DuckDB if installed, else Polars.

    Raises
    ------
    UsageError
        If neither is installed, or a frame is of a library that neither reads without a copy of everything.
    """
    for name, value in frames.items():
        packages = libraries(value)
        if not packages & {"pandas", "polars", "pyarrow", "duckdb", "_duckdb"} or "dask" in packages:
            library = root_module(type(value))
            raise UsageError(
                f"query does not read {library} ({name} would have to be copied whole): it takes pandas, Polars, Arrow and "
                "DuckDB. Use show."
            )
    lazy = any(_is_lazy(value) for value in frames.values())
    if not lazy and _installed("duckdb"):
        return DuckDB()
    if _installed("polars"):
        return Polars()
    raise UsageError(
        "query needs DuckDB or Polars, and neither is installed here (pip install duckdb). Use show."
    )


imported: Final[set[str]] = set()
"""Engines that a query imported, not the user."""


def _engine(name: str) -> Any:
    if name not in sys.modules:
        imported.add(name)
    return import_module(name)


def _installed(name: str) -> bool:
    return find_spec(name) is not None


def _is_lazy(value: Any) -> bool:
    return "polars" in libraries(value) and type_name(type(value), short=True) == "LazyFrame"


class DuckDB:
    """A locked database in memory for one statement."""

    def __init__(self) -> None:
        duckdb = _engine("duckdb")
        self._connection: Any = duckdb.connect(":memory:", config=dict(_CONFIG))
        self._sql = ""
        self._frames: Mapping[str, Any] = {}
        self._busy = threading.Lock()
        self._closed = False

    def interrupt(self) -> None:
        """End what runs."""
        with suppress(Exception):  # it has ended meanwhile
            self._connection.interrupt()

    def close(self) -> None:
        """Close the database, or have it closed by the statement that still runs.

        Closing waits for a running statement, and with Python's own lock held nobody could interrupt that one anymore.
        """
        self._closed = True
        if not self._busy.locked():
            self._connection.close()

    @contextmanager
    def _running(self) -> Generator[None]:
        try:
            with self._busy:
                yield
        finally:
            if self._closed:
                self._connection.close()

    def run(self, sql: str, words: Sequence[Token], frames: Mapping[str, Any], limit: int) -> Fetched:
        """The first rows of the statement: DuckDB computes no more of it than they need."""
        with self._running():
            return self._run(sql, frames, limit)

    def _run(self, sql: str, frames: Mapping[str, Any], limit: int) -> Fetched:
        import duckdb

        connection = self._connection
        self._sql, self._frames = statement(sql), frames
        connection.execute("SET TimeZone = 'UTC'")
        # In a notebook DuckDB draws one by itself after 2 s: into the user's cell, and with Python's lock taken.
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET lock_configuration = true")
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise UsageError("query takes one SELECT: it reads and never changes anything.")
        self._register(frames)
        cursor = connection.execute(f"SELECT * FROM (\n{self._sql}\n) AS result LIMIT {limit + 1}")
        described = cursor.description or []
        rows = cursor.fetchall()
        return Fetched(
            names=tuple(str(column[0]) for column in described),
            types=tuple(str(column[1]).lower() for column in described),
            rows=tuple(tuple(row) for row in rows[:limit]),
            more=len(rows) > limit,
        )

    def count(self) -> int | None:
        """How many rows the statement has in all."""
        with self._running():
            self._register(self._frames)  # a stream was used up
            counting = self._connection.execute(f"SELECT count(*) FROM (\n{self._sql}\n) AS result")
            row = counting.fetchone()
        return int(row[0]) if row else None

    def _register(self, frames: Mapping[str, Any]) -> None:
        for name, value in frames.items():
            self._connection.register(name, _for_duckdb(value))


def _for_duckdb(value: Any) -> Any:
    packages = libraries(value)
    if "pandas" in packages:
        return _plain_pandas(value)
    if packages & {"duckdb", "_duckdb"}:
        # Streamed from the user's own connection: on ours nothing can be written.
        reader = getattr(value, "to_arrow_reader", None) or value.fetch_arrow_reader
        return reader(100_000)
    if "polars" in packages:
        return value.to_frame() if type_name(type(value), short=True) == "Series" else value
    arrow = sys.modules["pyarrow"]
    return arrow.Table.from_batches([value]) if isinstance(value, arrow.RecordBatch) else value


def _plain_pandas(value: Any) -> Any:
    """A shallow frame with text for column names, its index as columns where it says something."""
    frame = value.to_frame() if type_name(type(value), short=True) == "Series" else value
    index = frame.index
    if type_name(type(index), short=True) != "RangeIndex":
        try:
            frame = frame.reset_index()
        except ValueError:  # a column has the name of the index
            frame = frame.reset_index(drop=True)
    if all(isinstance(column, str) for column in frame.columns):
        return frame
    return frame.set_axis([column_name(column) for column in frame.columns], axis=1)


class Polars:
    """Polars' SQL over lazy frames."""

    def __init__(self) -> None:
        self._lazy: Any = None
        self._query: Any = None
        self._ended = False

    def interrupt(self) -> None:
        """End what runs."""
        self._ended = True
        if self._query is not None:
            self._query.cancel()

    def close(self) -> None:
        """Nothing is held."""

    def run(self, sql: str, words: Sequence[Token], frames: Mapping[str, Any], limit: int) -> Fetched:
        """The first rows of the statement: the limit is part of the plan, so that nothing is collected beyond it."""
        polars = _engine("polars")
        self._refuse(words)
        tables = {name: _for_polars(value).lazy() for name, value in frames.items()}
        self._refuse_large_joins(words, tables)
        context = polars.SQLContext(tables, register_globals=False)
        self._lazy = context.execute(statement(sql), eager=False)
        part = self._collected(self._lazy.head(limit + 1))
        return Fetched(
            names=tuple(part.columns),
            types=tuple(str(dtype).lower() for dtype in part.dtypes),
            rows=tuple(part.head(limit).rows()),
            more=part.height > limit,
        )

    def count(self) -> int | None:
        """How many rows the statement has in all."""
        import polars

        return int(self._collected(self._lazy.select(polars.len())).item())

    def _collected(self, lazy: Any) -> Any:
        """The lazy frame's rows, computed in the background so that an interrupt can cancel it."""
        self._query = query = lazy.collect(background=True)
        wait = 0.001
        while (part := query.fetch()) is None:
            if self._ended:
                query.cancel()
                raise UsageError("The query was stopped.")
            time.sleep(wait)
            wait = min(wait * 2, 0.02)
        return part

    @staticmethod
    def _refuse(words: Sequence[Token]) -> None:
        if any(token.kind == "word" and _READERS.fullmatch(token.text) for token in words):
            raise UsageError("query reads frames of the namespace, no files.")

    def _refuse_large_joins(self, words: Sequence[Token], tables: Mapping[str, Any]) -> None:
        import polars

        columns = {name: lazy.collect_schema().names() for name, lazy in tables.items()}
        pairs = joins(words, columns)
        if not pairs:
            return

        def repeats(join: Join) -> int:
            if not set(join.keys) <= set(columns[join.frame]):
                return 1  # Polars says so before it reads anything
            keys = tables[join.frame].select(join.keys).drop_nulls()
            return int(
                self._collected(keys.group_by(join.keys).len().select(polars.col("len").max())).item() or 0
            )

        counts = (self._collected(lazy.select(polars.len())).item() for lazy in tables.values())
        refuse_too_large(pairs, max(counts), repeats)


def _for_polars(value: Any) -> Any:
    import polars

    packages = libraries(value)
    if "polars" in packages:
        return value.to_frame() if type_name(type(value), short=True) == "Series" else value
    if "pandas" in packages:
        return polars.from_pandas(_plain_pandas(value))
    if packages & {"duckdb", "_duckdb"}:
        raise UsageError("A DuckDB relation cannot be queried together with a lazy frame.")
    arrow = sys.modules["pyarrow"]
    if isinstance(value, arrow.Table | arrow.RecordBatch):
        return polars.from_arrow(value)
    return polars.scan_pyarrow_dataset(value)
