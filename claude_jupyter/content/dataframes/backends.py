"""What is particular to one library of dataframes: pandas' index and column names, PyArrow's arrays, GeoPandas' geometry.

Everything else treats all libraries alike (`frames.py`). Nothing is imported that the user's value does not come from.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

from claude_jupyter.content.guard import guarded, libraries, mro, root_module, type_name
from claude_jupyter.content.profile import dtype_text
from claude_jupyter.content.summary import Table

LAZY: Final = frozenset(
    {"dask", "dask_expr", "ibis", "duckdb", "_duckdb", "pyspark", "sqlframe", "daft", "datafusion"}
)


def table(value: Any) -> Table | None:
    """An eager frame, series or array of any library as a `Table`; None for what is lazy."""
    found = libraries(value)
    if "narwhals" in found:
        native = value.to_native()
        return table(native)
    if "pandas" in found or "modin" in found:
        return _pandas(value)
    if "pyarrow" in found:
        return _pyarrow(value)
    if found & LAZY:
        return None
    return _eager(value, _title(value))


def _title(value: Any) -> str:
    return f"{root_module(type(value))} {type_name(type(value), short=True)}"


def _named(value: Any, name: str) -> bool:
    return any(type_name(kind, short=True) == name for kind in mro(value))


def _pandas(value: Any) -> Table | None:
    title = _title(value)
    if _named(value, "Styler"):
        value = value.data
    elif not (_named(value, "DataFrame") or _named(value, "Series")):
        value = _as_series(value)
        if value is None:
            return None
    frame = value.to_frame() if _named(value, "Series") else value
    names = [column_name(name) for name in frame.columns]
    if _named(value, "Series") and value.name is None:
        names = ["values"]
    dtypes = [dtype_text(None, native=dtype) for dtype in frame.dtypes]
    index = frame.index
    plain = type_name(type(index), short=True) == "RangeIndex" and index.name is None and _from_zero(index)
    return Table(
        title=title,
        rows=len(frame),
        names=names,
        dtypes=dtypes,
        narrow=lambda rows, columns: _narrow_pandas(frame, rows, columns),
        values=lambda start, stop, columns: _pandas_rows(frame, start, stop, columns, not plain),
        index_names=()
        if plain
        else ("index" if index.name is None else column_name(index.name),)
        if index.nlevels == 1
        else (" / ".join(column_name(name) for name in index.names),),
        facts=[*_pandas_facts(frame, index, plain), *_crs(value)],
        cell_facts=lambda: _bounds(value),
    )


def _from_zero(index: Any) -> bool:
    return index.start == 0 and index.step == 1


def _as_series(value: Any) -> Any:
    """An index or extension array as a series; the frame under a group-by or window; None for what is neither."""
    pandas = sys.modules["pandas"]
    if isinstance(value, pandas.MultiIndex):
        return value.to_frame(index=False, name=[column_name(name) for name in value.names])
    if isinstance(value, pandas.Index):
        return value.to_series(index=range(len(value)))
    if isinstance(value, pandas.api.extensions.ExtensionArray):
        return pandas.Series(value)
    return getattr(value, "obj", None)


def column_name(name: Any) -> str:
    """Text as it is; what is not text as Python writes it (`0`, `('a', 'x')`), so that code can name it."""
    if isinstance(name, str):
        return name
    if type(name) is int or (type(name) is tuple and all(type(part) in (str, int) for part in name)):
        return repr(name)
    text = guarded(lambda: str(name) if "pandas" in libraries(name) else repr(name)).value
    return text if isinstance(text, str) else f"<{type_name(type(name))}>"


def _narrow_pandas(frame: Any, rows: int, columns: Sequence[int]) -> Any:
    import narwhals as nw

    part = frame.iloc[:rows, list(columns)]
    pandas = sys.modules.get("pandas")
    if pandas is not None and type(part) is not pandas.DataFrame and isinstance(part, pandas.DataFrame):
        part = pandas.DataFrame(part)
    part = part.set_axis([str(column) for column in columns], axis=1)
    return nw.from_native(part.reset_index(drop=True), eager_only=True)


def _pandas_rows(frame: Any, start: int, stop: int, columns: Sequence[int], labels: bool) -> list[list[Any]]:
    part = frame.iloc[start:stop]
    cells = [list(part.iloc[:, column].tolist()) for column in columns]
    if labels:
        cells.insert(0, [_label(label) for label in part.index.tolist()])
    return [list(row) for row in zip(*cells, strict=True)]


def _label(label: Any) -> Any:
    return " / ".join(map(str, label)) if isinstance(label, tuple) else label


def _pandas_facts(frame: Any, index: Any, plain: bool) -> list[str]:
    facts: list[str] = []
    if not plain:
        kind = type_name(type(index), short=True)
        names = [column_name(name) for name in index.names if name is not None]
        named = f" named {', '.join(names)}" if names else ""
        facts.append(
            f"index: {kind}{named}, dtype {index.dtype}{_frequency(index)}"
            if index.nlevels == 1
            else f"index: {kind}{named}"
        )
    columns = frame.columns
    if columns.nlevels > 1:
        facts.append(f"columns: MultiIndex of {columns.nlevels} levels")
    elif not columns.is_unique:
        facts.append("some columns have the same name")
    return facts


def _frequency(index: Any) -> str:
    frequency = getattr(index, "freqstr", None)
    return f", every {frequency}" if isinstance(frequency, str) else ""


def _crs(value: Any) -> list[str]:
    if "geopandas" not in libraries(value):
        return []
    crs = guarded(lambda: value.crs.to_string() if value.crs is not None else "none").value
    return [f"coordinate reference system: {crs}"]


def _bounds(value: Any) -> list[str]:
    if "geopandas" not in libraries(value):
        return []
    some = value.iloc[:100_000]
    bounds = guarded(lambda: [float(x) for x in some.total_bounds]).value
    kinds = guarded(lambda: some.geom_type.value_counts().to_dict()).value
    words = ", ".join(f"{kind} ({n:,})" for kind, n in sorted((kinds or {}).items()))
    return [f"bounds: {', '.join(f'{x:g}' for x in bounds)}" if bounds else "", f"geometry: {words}"]


def _pyarrow(value: Any) -> Table | None:
    arrow = sys.modules["pyarrow"]
    title = _title(value)
    if isinstance(value, arrow.RecordBatch):
        value = arrow.Table.from_batches([value])
    elif isinstance(value, arrow.Array):
        value = arrow.table({"values": arrow.chunked_array([value])})
    elif isinstance(value, arrow.ChunkedArray):
        value = arrow.table({"values": value})
    elif not isinstance(value, arrow.Table):
        return None
    names = list(value.column_names)
    return _eager(value.rename_columns([str(p) for p in range(len(names))]), title, names)


def _eager(value: Any, title: str, names: Sequence[str] | None = None) -> Table | None:
    """Whatever narwhals takes for an eager frame or series."""
    import narwhals as nw

    found: Any = nw.from_native(value, pass_through=True, allow_series=True)
    if isinstance(found, nw.Series):
        found = found.to_frame()
    if not isinstance(found, nw.DataFrame):
        return None
    frame: Any = found
    schema = frame.schema
    keys = list(schema)
    return Table(
        title=title,
        rows=len(frame),
        names=list(names if names is not None else keys),
        dtypes=[dtype_text(dtype) for dtype in schema.values()],
        narrow=lambda rows, columns: (
            frame.select([keys[c] for c in columns]).head(rows).rename({keys[c]: str(c) for c in columns})
        ),
        values=lambda start, stop, columns: _rows(frame, start, stop, [keys[c] for c in columns]),
    )


def _rows(frame: Any, start: int, stop: int, keys: Sequence[str]) -> list[list[Any]]:
    part = frame.select(keys)[start:stop]
    return [list(row) for row in zip(*(part[key].to_list() for key in keys), strict=True)]
