"""Reads a series, list, dict or frame as rows to ask about, and returns the results in the same form. It asks nothing (`mapper.py`).

Frames are read row by row, so that a large one is never held twice.
"""

from __future__ import annotations

import numbers
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, time, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from claude_jupyter.content import kinds
from claude_jupyter.content.dataframes import backends
from claude_jupyter.content.dataframes.summarize import Table
from claude_jupyter.content.text.fence import fenced
from claude_jupyter.errors import UsageError
from claude_jupyter.options.option_values import did_you_mean

if TYPE_CHECKING:
    import narwhals as nw

Kind = Literal["list", "dict", "series", "frame"]

ANSWER: Final = "answer"
ERROR: Final = "error"

_BRACES = re.compile(r"\{\{([^{}]+)\}\}|\{([^{}]+)\}")
_TEXTS = (str, numbers.Number, bool, date, time, timedelta, Enum, list, tuple, dict, set)
AT_ONCE: Final = 256
"""Rows of a frame that are read at a time, so that a large one is never held twice."""

NamedCells: TypeAlias = tuple[tuple[str, Any], ...]
"""The names and values of a row; a name may be there twice."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Values as rows.

    Attributes
    ----------
    names
        What `{…}` in the prompt may name; empty if every row has names of its own (a list of dicts).
    table
        A frame or series to be read.
    """

    values: Any
    kind: Kind
    count: int
    names: tuple[str, ...]
    table: Table | None = None

    @classmethod
    def of(cls, values: Any) -> Rows:
        """The rows of what was given.

        Raises
        ------
        UsageError
            For anything but a series, list, tuple, dict, array or frame.
        """
        if isinstance(values, Mapping):
            return cls(values, "dict", len(values), ("key", "value"))
        if isinstance(values, list | tuple):
            return cls(values, "list", len(values), ("value",))
        if hasattr(values, "collect") and not hasattr(values, "__len__"):
            raise UsageError("map cannot read a lazy frame: call .collect() on it first")
        role = kinds.role_of(values)
        table = backends.table(values) if role in ("table", "series") else None
        if table is not None:
            if role == "table":
                return cls(values, "frame", table.rows, tuple(table.names), table)
            if len(table.names) == 1:
                name = getattr(values, "name", None)
                names = ("value", *([str(name)] if name is not None and name != "" else []))
                return cls(values, "series" if _is_series(values) else "list", table.rows, names, table)
        if type(values).__module__ == "numpy" and getattr(values, "ndim", 0) == 1:
            return cls(values, "list", len(values), ("value",))
        raise UsageError(
            f'map takes a series, list, dict or frame, not {type(values).__name__}: claude.map(df, "…{{column}}…")'
        )

    def each(self) -> Iterator[NamedCells]:
        """Every row as its names and values, in order."""
        if self.table is not None:
            for cells in _cells(self.table):
                yield tuple(zip(self.names, cells if self.kind == "frame" else cells * 2, strict=False))
        elif self.kind == "dict":
            yield from ((("key", k), ("value", v)) for k, v in self.values.items())
        else:
            for value in self.values:
                if isinstance(value, Mapping) and value:
                    yield tuple((str(k), v) for k, v in cast("Mapping[Any, Any]", value).items())
                else:
                    yield (("value", value),)

    def like(self, results: Sequence[Any], errors: Sequence[str | None], fields: Sequence[str]) -> Any:
        """The results in the form of the input; None for a missing one.

        Parameters
        ----------
        errors
            Per row; of a frame they become a column, if there are any.
        fields
            Names of a structured result's fields: columns of a frame instead of `answer`.
        """
        if self.kind == "list":
            return list(results)
        if self.kind == "dict":
            return dict(zip(self.values, results, strict=True))
        if self.kind == "series":
            return _series_like(self.values, list(results))
        columns = {ANSWER: list(results)}
        if fields:
            plain = [_fields(r) for r in results]
            columns = {f: [p.get(f) for p in plain] for f in fields}
        if any(errors):
            columns[ERROR if ERROR not in self.names else "claude_error"] = list(errors)
        return _with_columns(self.values, self.names, columns)

    def refuse_taken(self, fields: Sequence[str]) -> None:
        """Refuse a frame that has a result's column already.

        Raises
        ------
        UsageError
            Naming it.
        """
        clashes = [f for f in (fields or (ANSWER,)) if f in self.names] if self.kind == "frame" else []
        if clashes:
            raise UsageError(
                f"the frame has a column {clashes[0]!r}, and the results would overwrite it: drop or rename it first"
            )

    def refuse_slips(self, prompt: str) -> None:
        """Refuse a brace that is nearly a name of the rows: every row would be asked, and paid for, with the brace as typed.

        Raises
        ------
        UsageError
            Naming the nearest.
        """
        first = [name for name, _ in next(self.each(), ())]
        for literal, braced in _BRACES.findall(prompt):
            name = braced if braced in first else braced.partition(":")[0]
            if not literal and first.count(name) > 1:
                raise UsageError(
                    f"{first.count(name)} columns are named {name!r}, and {{{name}}} could be any of them: rename them, "
                    "or name no column to send whole rows"
                )
            if literal or name in first or not name.isidentifier():
                continue
            if near := did_you_mean(name, first):
                raise UsageError(f"the rows have no {name!r}{near} ({{{{{name}}}}} keeps it as typed)")


def _cells(table: Table) -> Iterator[list[Any]]:
    """The cells of every row, without the labels of the rows, a few hundred rows at a time."""
    labels = len(table.index_names)
    for start in range(0, table.rows, AT_ONCE):
        rows = table.values(start, min(start + AT_ONCE, table.rows), range(len(table.names)))
        yield from (row[labels:] for row in rows)


@dataclass(frozen=True, slots=True)
class FilledRow:
    """A prompt with one row in it.

    Attributes
    ----------
    shared
        The part that is the same for every row, before it; empty if the row is inside the prompt.
    text
        The rest.
    values
        (name, value) of what is not text: pictures, files.
    """

    shared: str
    text: str
    values: tuple[tuple[str, Any], ...]


def fill_row(prompt: str, row: NamedCells | Mapping[str, Any]) -> FilledRow:
    """The prompt for one row: `{name}` replaced, or the row below it where the prompt names nothing of it.

    A brace that names nothing of the row stays as typed, `{{name}}` is the literal `{name}`. Columns of one name all are
    in the row.
    """
    pairs = tuple(row.items()) if isinstance(row, Mapping) else row
    values = dict(pairs)
    row_values: list[tuple[str, Any]] = []
    used = False

    def put(match: re.Match[str]) -> str:
        nonlocal used
        if match[1] is not None:
            return (
                f"{{{match[1]}}}" if match[1].partition(":")[0] in values or match[1] in values else match[0]
            )
        name, spec = (match[2], "") if match[2] in values else match[2].rpartition(":")[::2]
        if name not in values:
            return match[0]
        used = True
        if is_text(values[name]):
            return text_of(values[name], spec)
        row_values.append((name, values[name]))
        return name

    text = _BRACES.sub(put, prompt)
    if used:
        return FilledRow("", text, tuple(row_values))
    row_values = [(n, v) for n, v in pairs if not is_text(v)]
    plain = [(n, v) for n, v in pairs if is_text(v)]
    one = len(plain) == 1 or (plain and plain[0][0] == "value" and len({id(v) for _, v in plain}) == 1)
    body = text_of(plain[0][1]) if one else "\n".join(f"{n}: {text_of(v)}" for n, v in plain)
    return FilledRow(text, fenced(body, "row", "text") if plain else "", tuple(row_values))


def is_text(value: Any) -> bool:
    """Whether a value is written as text; otherwise it is shown as an image, file or object."""
    if value is None or isinstance(value, _TEXTS):
        return True
    own = type(value).__module__.partition(".")[0]
    return (
        (own == "numpy" or own in kinds.LIBRARIES)
        and not kinds.is_frame(value)
        and not getattr(value, "ndim", 0)
    )


def text_of(value: Any, spec: str = "") -> str:
    """A value as text; what is missing says so."""
    if value is None or _is_missing(value):
        return "(missing)"
    if spec:
        try:
            return format(value, spec)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{value!r} cannot be formatted as {{…:{spec}}}: {error}") from None
    return value if isinstance(value, str) else str(value)


def _is_missing(value: Any) -> bool:
    try:
        return bool(value != value) if not isinstance(value, list | tuple | dict | set) else False
    except (TypeError, ValueError):
        return True  # pandas.NA, which is neither equal nor unequal


def _is_series(values: Any) -> bool:
    """Whether results can have the same form: for an index or array they cannot, and are a list."""
    import narwhals as nw

    return isinstance(nw.from_native(values, pass_through=True, allow_series=True), nw.Series)


def _fields(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    return asdict(value)


def _series_like(series: Any, values: list[Any]) -> Any:
    import narwhals as nw

    like = nw.from_native(series, series_only=True)
    answers = _column(ANSWER, values, like.implementation)
    index: Any = nw.maybe_get_index(like)
    return (answers if index is None else nw.maybe_set_index(answers, index=index)).to_native()


def _with_columns(frame: Any, names: Sequence[str], columns: Mapping[str, list[Any]]) -> Any:
    """The frame with columns added after its own, even if several of those share a name."""
    import narwhals as nw

    adapter = kinds.adapter_of(frame)
    if adapter == "pandas":  # by position, whatever the labels of the rows
        backend = nw.from_native(frame.iloc[:, :0], eager_only=True).implementation
        return frame.assign(**{n: _column(n, v, backend).to_native().array for n, v in columns.items()})
    if adapter == "arrow":
        tables = sys.modules["pyarrow"].Table
        frame = frame if isinstance(frame, tables) else tables.from_batches([frame])
        frame = frame.rename_columns([str(place) for place in range(len(names))])
    wide = nw.from_native(frame, eager_only=True)
    wide = wide.with_columns(*(_column(n, v, wide.implementation) for n, v in columns.items()))
    native: Any = wide.to_native()
    return native.rename_columns([*names, *columns]) if adapter == "arrow" else native


def _column(name: str, values: list[Any], backend: Any) -> nw.Series[Any]:
    """Results as a series, in the narrowest dtype that holds them and what is missing."""
    import narwhals as nw

    types = {type(value) for value in values if value is not None}
    missing = any(value is None for value in values)
    if types == {int, float}:
        values = [None if value is None else float(value) for value in values]
    plain = types <= {str} or types <= {int, float} or types == {bool} or types <= {list, dict}
    dtype: Any = None if plain or backend.is_pyarrow() else nw.Object
    if not backend.is_pandas_like():
        return nw.new_series(name, values, dtype, backend=backend)
    # A missing row must not turn the numbers of the others into floats.
    nullable = {int: "Int64", bool: "boolean"}.get(*types) if missing and len(types) == 1 else None
    series = nw.new_series(name, values, nw.Object if nullable or not types else dtype, backend=backend)
    native: Any = series.to_native()
    return nw.from_native(native.astype(nullable), series_only=True) if nullable else series
