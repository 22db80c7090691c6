"""A series, list, dict or frame as rows to be asked about, and the results as its like again. It asks nothing (`mapping.py`).

Frames are read row by row, so that a large one is never held twice.
"""

from __future__ import annotations

import numbers
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, time, timedelta
from enum import Enum
from typing import Any, Final, Literal, cast

from claude_jupyter.content.fence import fenced
from claude_jupyter.errors import UsageError
from claude_jupyter.option_values import did_you_mean

Kind = Literal["list", "dict", "series", "frame"]

ANSWER: Final = "answer"
ERROR: Final = "error"

_BRACES = re.compile(r"\{\{([^{}]+)\}\}|\{([^{}]+)\}")
_TEXTS = (str, numbers.Number, bool, date, time, timedelta, Enum, list, tuple, dict, set)
_LIBRARIES = ("numpy", "pandas", "polars")


@dataclass(frozen=True, slots=True)
class Rows:
    """Values as rows.

    Attributes
    ----------
    names
        What `{…}` in the prompt may name; empty where every row has names of its own (a list of dicts).
    """

    values: Any
    kind: Kind
    count: int
    names: tuple[str, ...]

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
            raise UsageError("map takes a frame whose rows are there: call .collect() on it first")
        if hasattr(values, "column_names") and hasattr(
            values, "num_rows"
        ):  # PyArrow, whose `columns` are no names
            return cls(values, "frame", int(values.num_rows), tuple(map(str, values.column_names)))
        if hasattr(values, "columns") and hasattr(values, "shape"):
            return cls(values, "frame", len(values), tuple(str(c) for c in values.columns))
        if hasattr(values, "__len__") and hasattr(values, "to_numpy"):
            name = getattr(values, "name", None)
            return cls(values, "series", len(values), ("value", *([str(name)] if name else [])))
        if type(values).__module__ == "numpy" and getattr(values, "ndim", 0) == 1:
            return cls(values, "list", len(values), ("value",))
        raise UsageError(
            f'map takes a series, list, dict or frame, not {type(values).__name__}: claude.map(df, "…{{column}}…")'
        )

    def each(self) -> Iterator[Mapping[str, Any]]:
        """Every row by its names, in order."""
        if self.kind == "dict":
            yield from ({"key": k, "value": v} for k, v in self.values.items())
        elif self.kind == "frame":
            yield from (dict(zip(self.names, row, strict=True)) for row in _frame_rows(self.values))
        else:
            for value in self.values:
                if isinstance(value, Mapping) and value:
                    yield {str(k): v for k, v in value.items()}
                else:
                    yield dict.fromkeys(self.names, value)

    def like(self, results: Sequence[Any], errors: Sequence[str | None], fields: Sequence[str]) -> Any:
        """The results as what the rows came in; None where there is none.

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
            return _series_like(self.values, ANSWER, list(results))
        columns = {ANSWER: list(results)}
        if fields:
            plain = [_fields(r) for r in results]
            columns = {f: [p.get(f) for p in plain] for f in fields}
        if any(errors):
            columns[ERROR if ERROR not in self.names else "claude_error"] = list(errors)
        return _with_columns(self.values, columns)

    def refuse_taken(self, fields: Sequence[str]) -> None:
        """Refuse a frame that has a result's column already.

        Raises
        ------
        UsageError
            Naming it.
        """
        taken = [f for f in (fields or (ANSWER,)) if f in self.names] if self.kind == "frame" else []
        if taken:
            raise UsageError(
                f"the frame has a column {taken[0]!r}, and the results would overwrite it: drop or rename it first"
            )

    def refuse_slips(self, prompt: str) -> None:
        """Refuse a brace that is nearly a name of the rows: every row would be asked with it as typed, and paid for.

        Raises
        ------
        UsageError
            Naming the nearest.
        """
        first = next(self.each(), None) or {}
        for literal, braced in _BRACES.findall(prompt):
            name = braced.partition(":")[0]
            if literal or name in first or braced in first or not name.isidentifier():
                continue
            if near := did_you_mean(name, first):
                raise UsageError(f"the rows have no {name!r}{near} ({{{{{name}}}}} keeps it as typed)")


@dataclass(frozen=True, slots=True)
class Filled:
    """A prompt with one row in it.

    Attributes
    ----------
    shared
        The part that is the same for every row, before it; empty where the row stands inside the prompt.
    text
        The rest.
    shown
        (name, value) of what is no text: pictures, files.
    """

    shared: str
    text: str
    shown: tuple[tuple[str, Any], ...]


def fill(prompt: str, row: Mapping[str, Any]) -> Filled:
    """The prompt for one row: `{name}` replaced, or the row below it where the prompt names nothing of it.

    A brace that names nothing of the row stays as typed, `{{name}}` is the literal `{name}`.
    """
    shown: list[tuple[str, Any]] = []
    used = False

    def put(match: re.Match[str]) -> str:
        nonlocal used
        if match[1] is not None:
            return f"{{{match[1]}}}" if match[1].partition(":")[0] in row or match[1] in row else match[0]
        name, spec = (match[2], "") if match[2] in row else match[2].rpartition(":")[::2]
        if name not in row:
            return match[0]
        used = True
        if is_text(row[name]):
            return text_of(row[name], spec)
        shown.append((name, row[name]))
        return name

    text = _BRACES.sub(put, prompt)
    if used:
        return Filled("", text, tuple(shown))
    shown = [(n, v) for n, v in row.items() if not is_text(v)]
    plain = {n: v for n, v in row.items() if is_text(v)}
    values = list(plain.values())
    one = len(plain) == 1 or ("value" in plain and len({id(v) for v in values}) == 1)
    body = text_of(values[0]) if one else "\n".join(f"{n}: {text_of(v)}" for n, v in plain.items())
    return Filled(text, fenced(body, "row", "text") if plain else "", tuple(shown))


def is_text(value: Any) -> bool:
    """Whether a value is written out; else it is shown as a picture, file or object."""
    if value is None or isinstance(value, _TEXTS):
        return True
    return type(value).__module__.partition(".")[0] in _LIBRARIES and not getattr(value, "ndim", 0)


def text_of(value: Any, spec: str = "") -> str:
    """A value as text; what is missing says so."""
    if value is None or _is_missing(value):
        return "(missing)"
    if spec:
        try:
            return format(value, spec)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{value!r} cannot be written as {{…:{spec}}}: {error}") from None
    return value if isinstance(value, str) else str(value)


def _is_missing(value: Any) -> bool:
    try:
        return bool(value != value) if not isinstance(value, list | tuple | dict | set) else False
    except (TypeError, ValueError):
        return True  # pandas.NA, which is neither equal nor unequal


def _frame_rows(frame: Any) -> Iterator[Sequence[Any]]:
    if hasattr(frame, "itertuples"):  # pandas and its like
        yield from frame.itertuples(index=False, name=None)
        return
    import narwhals as nw

    yield from nw.from_native(frame, eager_only=True).iter_rows(named=False, buffer_size=256)


def _fields(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    return asdict(value)


def _library(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _series_like(series: Any, name: str, values: list[Any]) -> Any:
    if _library(series) == "pandas":
        return _pandas(values, series.index, name)
    if _library(series) == "polars":
        return _polars(name, values)
    import narwhals as nw

    backend = nw.get_native_namespace(nw.from_native(series, series_only=True))
    return nw.new_series(name, values, backend=backend).to_native()


def _with_columns(frame: Any, columns: Mapping[str, list[Any]]) -> Any:
    if _library(frame) == "pandas":
        return frame.assign(**{n: _pandas(v, frame.index, n) for n, v in columns.items()})
    if _library(frame) == "polars":
        return frame.with_columns(*(_polars(n, v) for n, v in columns.items()))
    import narwhals as nw

    made = nw.from_native(frame, eager_only=True)
    series = [nw.new_series(n, v, backend=made.implementation) for n, v in columns.items()]
    return made.with_columns(*series).to_native()


def _pandas(values: list[Any], index: Any, name: str) -> Any:
    import pandas

    there = [v for v in values if v is not None]
    dtype = None
    if len(there) < len(values) and there:
        # A missing row must not make numbers of the others floats.
        kinds = {type(v) for v in there}
        dtype = "Int64" if kinds == {int} else "boolean" if kinds == {bool} else None
    elif not there:
        dtype = object
    return pandas.Series(values, index=index, name=name, dtype=dtype)


def _polars(name: str, values: list[Any]) -> Any:
    import polars

    kinds = {type(v) for v in values if v is not None}
    if kinds <= {str} or kinds == {int} or kinds == {bool} or kinds <= {int, float} or kinds <= {list, dict}:
        return (
            polars.Series(name, values, strict=False) if kinds else polars.Series(name, values, polars.Null)
        )
    return polars.Series(name, values, dtype=polars.Object)
