"""The tool `query`: one SQL SELECT over the frames of the namespace, by name."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.guard import guarded, type_name
from claude_jupyter.content.kinds import is_frame
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import Redactor, text_attachment
from claude_jupyter.content.values.short import cell
from claude_jupyter.errors import UsageError
from claude_jupyter.kernel.look.limits import SECONDS, timed
from claude_jupyter.kernel.look.lookup import unknown
from claude_jupyter.kernel.look.sql import aggregates
from claude_jupyter.kernel.look.sql.engines import MEMORY, Fetched, engine_for
from claude_jupyter.kernel.look.sql.statement import named_frames, tokens
from claude_jupyter.kernel.look.tool import Here

MOST_ROWS: Final = 2_000
"""With `--rows all`; a result is cut by its length besides."""
_COUNTING: Final = 0.5
"""Seconds for counting the rows that were not fetched."""
_CELL: Final = 200
_MESSAGE: Final = 600
_TABLE: Final = re.compile(r"Table with name (\S+) does not exist|relation '([^']+)' was not found")
_WITHOUT_VALUES: Final = frozenset(
    {"BinderException", "CatalogException", "ParserException", "SQLSyntaxError"}
)
"""Errors found before any row is read: their messages hold names and no values."""


@dataclass(frozen=True, slots=True)
class Select:
    """The statement."""

    sql: str = field(metadata={"help": "one SELECT (WITH allowed)"})


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The rows that came back."""

    sql: str
    fetched: Fetched
    aggregated: bool = False

    def attachments(self, rules: Rules) -> tuple[Attachment, ...]:
        """A table as text; what did not fit is counted."""
        fetched, redactor = self.fetched, Redactor(rules)
        head = " | ".join(
            f"{redactor(' '.join(name.split()))} ({kind})"
            for name, kind in zip(fetched.names, fetched.types, strict=True)
        )
        lines = [" | ".join(cell(value, _CELL, redactor) for value in row) for row in fetched.rows]
        count = f"{len(lines):,} row{'' if len(lines) == 1 else 's'}"
        sent = count
        if fetched.more:
            total = f"{fetched.total:,}" if fetched.total is not None else "more"
            sent = f"{len(lines):,} of {total} rows"
            count = (
                f"{sent}; a result holds at most {len(lines):,} (--rows): aggregate, filter, or use ORDER BY with LIMIT "
                "and OFFSET"
            )
        return (
            text_attachment(
                "\n".join([head, *lines, f"[{count}]"]), self.sql, "result", rules, sent=sent, as_kind="frame",
                rows=bool(lines) and not self.aggregated, redactor=redactor,
            ),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Query:
    """Runs a SELECT."""

    name: str = "query"
    description: str = (
        "Run one SQL SELECT over the notebook's frames (pandas, Polars, Arrow, DuckDB), each a table under its variable's name: "
        "SELECT city, avg(price) FROM sales GROUP BY city ORDER BY 2 DESC LIMIT 5. DuckDB's dialect, or Polars' for lazy frames. "
        "A pandas index that is not 0..n is a column (its name, or index). Read-only: no files, no network, 2 s. "
        "Prefer it to reading rows whenever something is to be counted, filtered, grouped or joined."
    )
    arguments: type[Select] = Select
    shorter: str = "select fewer columns, aggregate, or use LIMIT and OFFSET"

    def handle(self, arguments: Select, here: Here) -> QueryResult:
        """The rows of the statement.

        Raises
        ------
        UsageError
            If it is not a single SELECT, fails, takes too long, or would tell values under `--rows none`.
        """
        words = tokens(arguments.sql)
        frames = {name: value for name, value in list(here.namespace.items()) if _is_table(name, value)}
        limit = here.rules.row_limit
        if limit == 0:
            return _aggregated(arguments.sql, aggregates.understood(words, frames), frames)
        named = named_frames(words, frames)
        try:
            return QueryResult(
                arguments.sql, _fetched(arguments.sql, named, min(limit or MOST_ROWS, MOST_ROWS))
            )
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(_failed(error, here.namespace, frames)) from None


def _aggregated(sql: str, query: aggregates.Aggregates, frames: Mapping[str, Any]) -> QueryResult:
    named = {query.frame: frames[query.frame]}
    try:
        fetched = _fetched(query.sql, named, 1)
    except UsageError:
        raise
    except Exception as error:
        kind = type_name(type(error), short=True)
        text = (
            f": {_message(error)}" if kind in _WITHOUT_VALUES else " (its message is withheld: --rows none)."
        )
        raise UsageError(f"The query failed with {kind}{text}") from None
    values = query.checked(fetched.rows[0])
    names = tuple(column.label for column in query.columns)
    return QueryResult(sql, Fetched(names, fetched.types[0::2], (tuple(values),)), aggregated=True)


def _fetched(sql: str, frames: Mapping[str, Any], limit: int) -> Fetched:
    engine, began = engine_for(frames), time.monotonic()
    try:
        fetched = timed(partial(engine.run, sql, tokens(sql), frames, limit), engine)
        if fetched.more:
            with suppress(Exception):  # then it is told that there are more, not how many
                remaining = min(_COUNTING, SECONDS - (time.monotonic() - began))
                fetched = replace(fetched, total=timed(engine.count, engine, remaining))
        return fetched
    except Exception:
        raise
    except BaseException as error:  # a panic of Polars' is no Exception; an interrupt must stay one
        if isinstance(error, KeyboardInterrupt):
            raise
        raise UsageError(f"The query failed with {type_name(type(error), short=True)}.") from None
    finally:
        engine.close()


def _is_table(name: str, value: Any) -> bool:
    if name.startswith("_") or not is_frame(value):
        return False
    kind = type_name(type(value), short=True)
    return kind in (
        "DataFrame", "LazyFrame", "Series", "Table", "RecordBatch", "DuckDBPyRelation", "GeoDataFrame",
    ) or kind.endswith("Dataset")  # fmt: skip


def _failed(error: Exception, namespace: Mapping[str, Any], frames: Mapping[str, Any]) -> str:
    text = _message(error)
    missing = _TABLE.search(text)
    if missing is None:
        return f"The query failed: {text}"
    name = (missing[1] or missing[2]).strip("\"'!")
    if name in namespace:
        return f"{name} is of type {type_name(type(namespace[name]))}, not a frame: query takes frames. Use show."
    listed = ", ".join(list(frames)[:20]) or "none"
    return f"{unknown(name, frames)} Frames: {listed}."


def _message(error: Exception) -> str:
    if type_name(type(error), short=True) == "OutOfMemoryException":
        return f"it needs more than {MEMORY} of memory. Aggregate or filter first."
    text = guarded(lambda: str(error)).value or type_name(type(error), short=True)
    return " ".join(text.split())[:_MESSAGE]
