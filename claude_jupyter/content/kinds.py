"""The one table of dataframe libraries: which of their classes are frames, determined by classes alone (nothing is imported or run).

A library that narwhals knows needs a line in `LIBRARIES` and nothing else. One that it does not know needs an adapter besides:
`dataframes/backends.py` for frames in memory, `dataframes/lazy.py` for others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from claude_jupyter.content.guard import mro, root_module, type_name

Adapter = Literal["narwhals", "pandas", "arrow", "dask", "ibis"]
Role = Literal["table", "series", "lazy", "view"]


@dataclass(frozen=True, slots=True)
class Library:
    """The classes of one library, by name.

    Attributes
    ----------
    tables, series
        What is in memory, with all of its rows or values.
    lazy
        What is computed or read only when asked: never collected.
    views
        What stands for a frame: group-bys, windows, expressions, readers.
    values
        Single values, which are not rows.
    adapter
        How its frames are read.
    profiled
        False for what is shown as it prints, and holds rows all the same.
    """

    tables: frozenset[str] = frozenset()
    series: frozenset[str] = frozenset()
    lazy: frozenset[str] = frozenset()
    views: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    adapter: Adapter = "narwhals"
    profiled: bool = True

    def role(self, name: str) -> Role | None:
        """What a class of this name is; None for any other."""
        if name in self.tables:
            return "table"
        if name in self.series:
            return "series"
        return "lazy" if name in self.lazy else "view" if name in self.views else None


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_DUCKDB: Final = Library(lazy=_names("DuckDBPyRelation"))
_DASK: Final = Library(lazy=_names("DataFrame"), views=_names("Series Index FrameBase"), adapter="dask")

LIBRARIES: Final[Mapping[str, Library]] = {
    "pandas": Library(
        tables=_names("DataFrame"),
        series=_names("Series Index ExtensionArray"),
        views=_names("Styler DataFrameGroupBy SeriesGroupBy BaseGroupBy Resampler BaseWindow BaseIndexer"),
        values=_names("Timestamp Timedelta Period Interval NAType NaTType ExtensionDtype"),
        adapter="pandas",
    ),
    "modin": Library(tables=_names("DataFrame"), series=_names("Series"), adapter="pandas"),
    "cudf": Library(tables=_names("DataFrame"), series=_names("Series Index")),
    "polars": Library(
        tables=_names("DataFrame"),
        series=_names("Series"),
        lazy=_names("LazyFrame"),
        views=_names("GroupBy LazyGroupBy"),
        values=_names("DataType DataTypeClass"),
    ),
    "pyarrow": Library(
        tables=_names("Table RecordBatch"),
        series=_names("ChunkedArray Array"),
        lazy=_names("Dataset"),
        views=_names("RecordBatchReader Scanner"),
        values=_names("DataType"),
        adapter="arrow",
    ),
    "duckdb": _DUCKDB,
    "_duckdb": _DUCKDB,
    "ibis": Library(
        lazy=_names("Table"), views=_names("Column Scalar Expr"), values=_names("DataType"), adapter="ibis"
    ),
    "dask": _DASK,
    "dask_expr": _DASK,
    "pyspark": Library(lazy=_names("DataFrame"), views=_names("Column"), values=_names("DataType")),
    "sqlframe": Library(lazy=_names("DataFrame BaseDataFrame")),
    "daft": Library(lazy=_names("DataFrame")),
    "datafusion": Library(lazy=_names("DataFrame")),
    "narwhals": Library(tables=_names("DataFrame"), series=_names("Series"), lazy=_names("LazyFrame")),
    "xarray": Library(tables=_names("Dataset DataArray"), profiled=False),
    "vaex": Library(lazy=_names("DataFrame"), profiled=False),
}
PROTOCOLS: Final = ("__narwhals_dataframe__", "__narwhals_lazyframe__", "__narwhals_series__")


def library_of(value: Any) -> Library | None:
    """The library whose frame, series or view a value is, also of a class derived from one; None for anything else."""
    for kind in mro(value):
        library = LIBRARIES.get(root_module(kind))
        if library is not None and library.role(type_name(kind, short=True)) is not None:
            return library
    return None


def role_of(value: Any) -> Role | None:
    """What a value is in its library; None for anything else."""
    for kind in mro(value):
        library = LIBRARIES.get(root_module(kind))
        role = library.role(type_name(kind, short=True)) if library is not None else None
        if role is not None:
            return role
    return None


def adapter_of(value: Any) -> Adapter:
    """How a frame is read."""
    library = library_of(value)
    return library.adapter if library is not None else "narwhals"


def is_frame(value: Any) -> bool:
    """Whether the value is a frame, series or a view of one that is sent as a profile."""
    if isinstance(value, type):
        return False
    library = library_of(value)
    if library is not None and library.profiled:
        return True
    return any(protocol in kind.__dict__ for kind in mro(value) for protocol in PROTOCOLS)


def is_library_value(value: Any) -> bool:
    """Whether it is one value, or a type of values, of a dataframe library: `Timestamp`, `Period`, a dtype."""
    return any(
        type_name(kind, short=True) in library.values
        for kind in mro(value)
        if (library := LIBRARIES.get(root_module(kind))) is not None
    )


def shape_of(value: Any) -> str | None:
    """`<pandas DataFrame 3 × 4>` for a frame inside something else: nothing of its cells. None for anything else."""
    if not is_frame(value):
        return None
    name = f"{root_module(type(value))} {type_name(type(value), short=True)}"
    if role_of(value) in ("table", "series"):
        try:
            return f"<{name} {' × '.join(f'{n:,}' for n in value.shape)}>"
        except Exception:
            return f"<{name}>"
    return f"<{name}>"
