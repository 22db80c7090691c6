"""Lazy and distributed frames: schema plus a bounded head that the engine itself limits. Never collected, never counted."""

from __future__ import annotations

import sys
from typing import Any, Final

from claude_jupyter.content.fence import Redactor
from claude_jupyter.content.guard import Outcome, bounded, guarded, libraries, mro, root_module, type_name
from claude_jupyter.content.layout import COLUMNS_IN_ROWS
from claude_jupyter.content.profile import Column, Summary, choose, dtype_text
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.summary import COLUMNS_IN_DETAIL, WITHHELD_NAME, finish, most_rows
from claude_jupyter.errors import AttachmentError
from claude_jupyter.turns import Attachment

HEAD_SECONDS: Final = 5.0
HEAD_ROWS: Final = 100
"""The most rows asked of an engine, also with `--rows all`."""


def attach(value: Any, label: str, rules: Rules) -> Attachment:
    """Schema and first rows of a lazy frame; with `--rows none` nothing is executed at all."""
    title = f"{root_module(type(value))} {type_name(type(value), short=True)}"
    frame = _frame(value)
    found = guarded(lambda: _schema(frame), HEAD_SECONDS)
    if found.value is None:
        raise AttachmentError(f"{label}: its schema {found.failure}")
    names, dtypes = list(found.value), list(found.value.values())
    if rules.row_limit == 0 and not _is_table(value):
        names = [WITHHELD_NAME] * len(names)
    chosen, others = choose(names, dtypes, COLUMNS_IN_DETAIL)
    limit = rules.row_limit
    wanted = min(most_rows(rules, len(names)) if limit is None else limit, HEAD_ROWS)
    facts = (
        ["lazy: not collected, row count unknown"]
        if frame is not None
        else ["a view of a frame: not evaluated"]
    )
    head: list[list[Any]] = []
    if limit is None or limit > wanted:
        facts.append(f"at most {wanted} rows of a lazy frame are taken: collect it to show more")
    if wanted and frame is not None and names:
        keys = [names[p] for p in chosen[:COLUMNS_IN_ROWS]]
        result = _guarded_head(value, frame, keys, wanted)
        head = result.value or []
        if result.failure:
            facts.append(f"no rows shown: taking {wanted} {result.failure}")
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


def _is_table(value: Any) -> bool:
    """False for one column or value of a frame: its name may be made of values (`frames.WITHHELD_NAME`)."""
    names = {type_name(kind, short=True) for kind in mro(value)}
    return names.isdisjoint({"Series", "Index", "Column", "Scalar"}) or "DataFrame" in names


def _frame(value: Any) -> Any:
    """Something `_schema` and `_head` understand: a narwhals LazyFrame, a PyArrow dataset, a Dask frame; or None."""
    found = libraries(value)
    if "ibis" in found:
        if not hasattr(value, "as_table"):
            return None
        value = value.as_table()
    if "dask" in found or "dask_expr" in found:
        return (
            value
            if any(type_name(kind, short=True) == "DataFrame" for kind in mro(value))
            else value.to_frame()
        )
    if "pyarrow" in found:
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
    found = libraries(frame)
    if "pyarrow" in found:
        return {field.name: str(field.type) for field in frame.schema}
    if "dask" in found or "dask_expr" in found:
        return {str(name): dtype_text(None, native=dtype) for name, dtype in frame.dtypes.items()}
    lazy: nw.LazyFrame[Any] = frame
    return {name: dtype_text(dtype) for name, dtype in lazy.collect_schema().items()}


def _guarded_head(value: Any, frame: Any, keys: list[str], rows: int) -> Outcome[list[list[Any]]]:
    sqlite = _sqlite(value) if "ibis" in libraries(value) else None
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
    """The first rows, limited by the engine: of Dask the first partition alone, of a reader nothing (reading uses it up)."""
    found = libraries(frame)
    if "pyarrow" in found:
        if isinstance(frame, sys.modules["pyarrow"].RecordBatchReader):
            return []
        part = frame.head(rows, columns=keys)
        return [list(row) for row in zip(*(part[key].to_pylist() for key in keys), strict=True)]
    if "dask" in found or "dask_expr" in found:
        part = frame.head(rows, npartitions=1)
        positions = [list(map(str, part.columns)).index(key) for key in keys]
        return [list(row) for row in zip(*(part.iloc[:, p].tolist() for p in positions), strict=True)]
    part = frame.select(keys).head(rows).collect()
    return [list(row) for row in zip(*(part[key].to_list() for key in keys), strict=True)]
