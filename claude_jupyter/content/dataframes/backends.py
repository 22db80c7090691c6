"""What is specific to one dataframe library: pandas' index and column names, PyArrow's arrays, GeoPandas' geometry.

Everything else treats all libraries alike (`frames.py`). Nothing is imported that the user's value does not come from.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from claude_jupyter.content.dataframes import annotations
from claude_jupyter.content.dataframes.profile import cells_of, dtype_text
from claude_jupyter.content.dataframes.summarize import Table
from claude_jupyter.content.guard import guarded, libraries, mro, root_module, type_name
from claude_jupyter.content.kinds import adapter_of, library_of
from claude_jupyter.content.values.short import number
from claude_jupyter.encodable import encodable, encodable_repr


def table(value: Any) -> Table | None:
    """An eager frame, series or array of any library as a `Table`; None for what is lazy."""
    packages = libraries(value)
    if "narwhals" in packages:
        return table(value.to_native())
    library = library_of(value)
    adapter = adapter_of(value)
    if adapter == "pandas":
        return _pandas(value)
    if adapter == "arrow":
        return _pyarrow(value)
    if library is not None and not library.tables:
        return None
    if "polars" in packages and _named(value, "GroupBy"):
        return _polars_groups(value)
    return _eager(value, _title(value))


def _title(value: Any) -> str:
    return f"{root_module(type(value))} {type_name(type(value), short=True)}"


def _named(value: Any, name: str) -> bool:
    return any(type_name(kind, short=True) == name for kind in mro(value))


def _pandas(value: Any) -> Table | None:
    title, original = _title(value), value
    styled = annotations.styled_rows(value) if _named(value, "Styler") else None
    if _named(value, "Styler"):
        value = annotations.visible(value)
    elif not (_named(value, "DataFrame") or _named(value, "Series")):
        value = _as_series(value)
        if value is None:
            return None
    frame = _one_column(value) if _named(value, "Series") else value
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
        values=lambda start, stop, columns: _pandas_rows(frame, start, stop, columns, not plain, styled),
        index_names=()
        if plain
        else ("index" if index.name is None else column_name(index.name),)
        if index.nlevels == 1
        else (" / ".join(_level_names(index)),),
        facts=[
            *_pandas_facts(frame, index, plain),
            *_crs(value),
            *annotations.names_and_counts(original, frame),
        ],
        cell_facts=lambda: [*_bounds(value), *annotations.with_values(original, frame, names)],
        zones={p: zone for p, dtype in enumerate(frame.dtypes) if (zone := _zone(dtype)) is not None},
        index=None if plain or index.nlevels > 1 else lambda rows: _index_series(index[:rows]),
    )


def _one_column(series: Any) -> Any:
    name = series.name
    return series.to_frame() if not isinstance(name, str) else series.to_frame(encodable(name))


def _from_zero(index: Any) -> bool:
    return index.start == 0 and index.step == 1


def _as_series(value: Any) -> Any:
    """An index or extension array as a series; the frame under a group-by or window; None for what is neither."""
    pandas = sys.modules["pandas"]
    if isinstance(value, pandas.MultiIndex):
        return value.to_frame(index=False, name=_level_names(value), allow_duplicates=True)
    if isinstance(value, pandas.Index):
        return _labels(value)
    if isinstance(value, pandas.api.extensions.ExtensionArray):
        return pandas.Series(value)
    return getattr(value, "obj", None)


def _level_names(index: Any) -> list[str]:
    return [f"level {i}" if name is None else column_name(name) for i, name in enumerate(index.names)]


def column_name(name: Any) -> str:
    """Text as it is; what is not text as Python writes it (`0`, `('a', 'x')`), so that code can name it."""
    if isinstance(name, str):
        return name
    if type(name) is int or (type(name) is tuple and all(type(part) in (str, int) for part in name)):
        return encodable_repr(repr(name))
    text = guarded(lambda: str(name) if "pandas" in libraries(name) else repr(name)).value
    return text if isinstance(text, str) else f"<{type_name(type(name))}>"


def _narrow_pandas(frame: Any, rows: int, columns: Sequence[int]) -> Any:
    import narwhals as nw

    part = frame.iloc[:rows, list(columns)]
    pandas = sys.modules.get("pandas")
    if pandas is not None and type(part) is not pandas.DataFrame and isinstance(part, pandas.DataFrame):
        part = pandas.DataFrame(part)
    part = part.set_axis([str(column) for column in columns], axis=1).reset_index(drop=True)
    for key, dtype in part.dtypes.items():  # narwhals knows no zones but UTC's, and no sparse numbers
        if _zone(dtype) is not None:
            part = part.assign(**{key: part[key].dt.tz_convert("UTC")})
        elif _named(dtype, "SparseDtype"):
            part = part.assign(**{key: part[key].sparse.to_dense()})
    return nw.from_native(part, eager_only=True)


def _zone(dtype: Any) -> Any:
    return dtype.tz if _named(dtype, "DatetimeTZDtype") else None


def _labels(index: Any) -> Any:
    # With its own type: text that UTF-8 cannot hold is no text for Arrow.
    return sys.modules["pandas"].Series(index, index=range(len(index)), dtype=index.dtype, name=index.name)


def _index_series(labels: Any) -> Any:
    import narwhals as nw

    return nw.from_native(_labels(labels), series_only=True)


def _pandas_rows(
    frame: Any,
    start: int,
    stop: int,
    columns: Sequence[int],
    labels: bool,
    styled: Sequence[Sequence[str]] | None = None,
) -> list[list[Any]]:
    """Rows of cells, as a Styler formats them where one does."""
    part = frame.iloc[start:stop]
    dtypes = list(part.dtypes)
    cells: list[list[Any]] = (
        [cells_of(part.iloc[:, column].tolist(), dtypes[column]) for column in columns]
        if styled is None
        else [[row[column] for row in styled[start:stop]] for column in columns]
    )
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
    return [f"bounds: {', '.join(map(number, bounds))}" if bounds else "", f"geometry: {words}"]


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

    eager: Any = nw.from_native(value, pass_through=True, allow_series=True)
    if isinstance(eager, nw.Series):
        eager = eager.to_frame()
    if not isinstance(eager, nw.DataFrame):
        return None
    frame: Any = eager
    schema = frame.schema
    keys = list(schema)
    return Table(
        title=title,
        rows=len(frame),
        names=list(names if names is not None else keys),
        dtypes=[_dtype(frame, key, dtype) for key, dtype in schema.items()],
        narrow=lambda rows, columns: (
            frame.select([keys[c] for c in columns]).head(rows).rename({keys[c]: str(c) for c in columns})
        ),
        values=lambda start, stop, columns: _rows(frame, start, stop, [keys[c] for c in columns]),
        cell_facts=lambda: list(annotations.category_orders(_enums(schema, names or keys))),
    )


def _enums(schema: Mapping[str, Any], names: Sequence[str]) -> list[tuple[str, Sequence[Any], bool]]:
    import narwhals as nw

    dtypes = zip(names, schema.values(), strict=True)
    return [(name, tuple(dtype.categories), True) for name, dtype in dtypes if isinstance(dtype, nw.Enum)]


def _polars_groups(value: Any) -> Table | None:
    """The frame under a Polars group-by, and by what it is grouped."""
    frame = _eager(value.df, _title(value))
    if frame is None:
        return None
    sizes: Any = guarded(lambda: value.len()).value
    by: list[Any] = list(value.by)
    names = [name if isinstance(name, str) else "an expression" for name in by]
    count = "" if sizes is None else f": {len(sizes):,} {'group' if len(sizes) == 1 else 'groups'}"
    facts = [f"grouped by {', '.join(names)}{count}"]

    def with_values() -> list[str]:
        if sizes is None:
            return list(frame.cell_facts())
        rows = sorted(sizes.rows(), key=lambda row: (-row[-1], str(row[:-1])))
        sizes_of = annotations.group_sizes([(row[:-1], row[-1]) for row in rows])
        return [*frame.cell_facts(), sizes_of]

    return replace(frame, facts=[*frame.facts, *facts], cell_facts=with_values)


def _dtype(frame: Any, key: str, dtype: Any) -> str:
    """In words; of a dtype that narwhals does not know the library's own."""
    import narwhals as nw

    if dtype != nw.Unknown:
        return dtype_text(dtype)
    own = guarded(lambda: frame[key].to_native()).value
    own = getattr(own, "dtype", getattr(own, "type", None))
    return dtype_text(None, native=own).lower()


def _rows(frame: Any, start: int, stop: int, keys: Sequence[str]) -> list[list[Any]]:
    part = frame.select(keys)[start:stop]
    schema = part.schema
    cells = [cells_of(part[key].to_list(), schema[key]) for key in keys]
    return [list(row) for row in zip(*cells, strict=True)]
