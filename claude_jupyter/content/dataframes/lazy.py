"""Lazy and distributed frames: their schema, and first rows only where they are there to be read. Never collected or counted.

A database is asked for a few rows, a file or a frame in memory is read at its beginning; what would have to be computed is not.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Any, Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.dataframes.layout import COLUMNS_IN_ROWS
from claude_jupyter.content.dataframes.profile import Column, Summary, cells_of, choose, dtype_text
from claude_jupyter.content.dataframes.summarize import COLUMNS_IN_DETAIL, WITHHELD_NAME, finish, most_rows
from claude_jupyter.content.guard import Guarded, bounded, guarded, libraries, mro, root_module, type_name
from claude_jupyter.content.kinds import adapter_of, role_of
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import Redactor
from claude_jupyter.errors import AttachmentError

HEAD_SECONDS: Final = 5.0
HEAD_ROWS: Final = 100
"""The most rows requested from an engine, even with `--rows all`."""

_DISTRIBUTED: Final = frozenset({"dask", "dask_expr", "pyspark", "daft"})
_SOURCE: Final = re.compile(r"DF \[|(?:Parquet|Csv|NDJson|Ipc) SCAN \[", re.IGNORECASE)
"""How Polars describes a plan that only reads: a frame in memory, or files."""


def attach(value: Any, label: str, rules: Rules) -> Attachment:
    """Schema and first rows of a lazy frame; with `--rows none` nothing is executed at all."""
    title = f"{root_module(type(value))} {type_name(type(value), short=True)}"
    frame = _frame(value)
    schema = guarded(lambda: _schema(frame), HEAD_SECONDS)
    if schema.value is None:
        raise AttachmentError(f"{label} cannot be read: {schema.reason or f'its schema {schema.failure}'}")
    names, dtypes = list(schema.value), list(schema.value.values())
    if rules.row_limit == 0 and not _is_table(value):
        names = [WITHHELD_NAME] * len(names)
    chosen, others = choose(names, dtypes, COLUMNS_IN_DETAIL)
    limit = rules.row_limit
    row_count = min(most_rows(rules, len(names)) if limit is None else limit, HEAD_ROWS)
    fact = "a view of a frame: not evaluated" if frame is None else "lazy: not collected, row count unknown"
    facts, head = [fact], list[list[Any]]()
    there = frame is not None and row_count > 0 and _is_there(frame)
    if frame is not None and row_count and not there:
        facts.append("no rows shown because they are not computed yet: attach a computed head to show some")
    elif limit is None or limit > row_count:
        facts.append(f"at most {row_count} rows of a lazy frame are taken: collect it to show more")
    if there and names:
        result = _guarded_head(value, frame, [names[p] for p in chosen[:COLUMNS_IN_ROWS]], row_count)
        head = _rows_of(result, label)
        if result.failure:
            facts.append(f"no rows shown: taking {row_count} {result.failure}")
    summary = Summary(
        title=title,
        rows=None,
        width=len(names),
        facts=facts,
        columns=[Column(name=names[p], dtype=dtypes[p], nulls=0) for p in chosen],
        others=others,
        row_names=[names[p] for p in chosen],
        head=head,
        tail=[],
    )
    return finish(summary, label, rules, Redactor(rules))


def _rows_of(result: Guarded[list[list[Any]]], label: str) -> list[list[Any]]:
    if result.failure.startswith("raised"):
        raise AttachmentError(f"{label} cannot be read: {result.reason or result.failure}")
    return result.value or []


def _is_table(value: Any) -> bool:
    """False for one column or value of a frame: its name may be made of values (`frames.WITHHELD_NAME`)."""
    names = {type_name(kind, short=True) for kind in mro(value)}
    return names.isdisjoint({"Series", "Index", "Column", "Scalar"}) or "DataFrame" in names


def _frame(value: Any) -> Any:
    """Something `_schema` and `_head` understand: a narwhals LazyFrame, a PyArrow dataset, a Dask frame; or None."""
    adapter = adapter_of(value)
    if adapter == "ibis":
        if not hasattr(value, "as_table"):
            return None
        value = value.as_table()
    if adapter == "dask":
        return value if role_of(value) == "lazy" else value.to_frame()
    if adapter == "arrow":
        return value
    import narwhals as nw

    lazy: Any = nw.from_native(value, pass_through=True)
    return lazy if isinstance(lazy, nw.LazyFrame) else None


def schema(value: Any) -> dict[str, str]:
    """Column names and dtypes of a lazy frame; empty for what is only a view of one (a group-by)."""
    return _schema(_frame(value))


def _schema(frame: Any) -> dict[str, str]:
    import narwhals as nw

    if frame is None:
        return {}
    adapter = adapter_of(frame)
    if adapter == "arrow":
        return {field.name: str(field.type) for field in frame.schema}
    if adapter == "dask":
        return {str(name): dtype_text(None, native=dtype) for name, dtype in frame.dtypes.items()}
    lazy: nw.LazyFrame[Any] = frame
    return {name: dtype_text(dtype) for name, dtype in lazy.collect_schema().items()}


def _is_there(frame: Any) -> bool:
    """Whether the first rows can be read without computing what the user has planned, or having a cluster compute it."""
    native = frame.to_native() if adapter_of(frame) == "narwhals" else frame
    if libraries(native) & _DISTRIBUTED:
        return False
    if "polars" not in libraries(native):
        return True
    plan = guarded(lambda: native.explain(optimized=False)).value
    return plan is not None and _SOURCE.match(plan) is not None


def _guarded_head(value: Any, frame: Any, keys: list[str], rows: int) -> Guarded[list[list[Any]]]:
    sqlite = _sqlite(value) if adapter_of(value) == "ibis" else None
    if sqlite is not None:  # its connection answers only in the thread that opened it
        return bounded(lambda: _head(frame, keys, rows), sqlite.interrupt, HEAD_SECONDS)
    return guarded(lambda: _head(frame, keys, rows), HEAD_SECONDS)


def _sqlite(table: Any) -> Any:
    """The SQLite connection of an Ibis expression, or None."""
    try:
        backend = table.get_backend()
        return backend.con if backend.name == "sqlite" else None
    except Exception:
        return None


def _head(frame: Any, keys: list[str], rows: int) -> list[list[Any]]:
    """The first rows, limited by the engine; of a reader nothing (reading uses it up)."""
    adapter = adapter_of(frame)
    if adapter == "arrow":
        if isinstance(frame, sys.modules["pyarrow"].RecordBatchReader):
            return []
        part = frame.head(rows, columns=keys)
        return _across(cells_of(part[key].to_pylist(), part.schema.field(key).type) for key in keys)
    import narwhals as nw

    part = frame.select(keys).head(rows)
    if "polars" in libraries(part.to_native()):
        # The slice alone, read at its source.
        part = nw.from_native(sys.modules["polars"].collect_all([part.to_native()])[0])
    else:
        part = part.collect()
    schema = part.schema
    return _across(cells_of(part[key].to_list(), schema[key]) for key in keys)


def _across(columns: Iterable[list[Any]]) -> list[list[Any]]:
    return [list(row) for row in zip(*columns, strict=True)]
