"""Which values are frames, told by their classes alone: nothing is imported, no code of theirs is run."""

from __future__ import annotations

import sys
from typing import Any, Final

from claude_jupyter.content.guard import mro, root_module, type_name

FRAMES: Final = {
    "pandas": {
        "DataFrame", "Series", "Index", "ExtensionArray", "Styler", "DataFrameGroupBy", "SeriesGroupBy", "BaseWindow",
        "Resampler", "BaseGroupBy", "BaseIndexer",
    },
    "polars": {"DataFrame", "LazyFrame", "Series", "GroupBy", "LazyGroupBy"},
    "pyarrow": {"Table", "RecordBatch", "ChunkedArray", "Array", "Dataset", "RecordBatchReader", "Scanner"},
    "duckdb": {"DuckDBPyRelation"},
    "_duckdb": {"DuckDBPyRelation"},
    "ibis": {"Table", "Column", "Scalar", "Expr"},
    "dask": {"DataFrame", "Series", "Index", "FrameBase"},
    "dask_expr": {"DataFrame", "Series", "Index", "FrameBase"},
    "pyspark": {"DataFrame", "Column"},
    "modin": {"DataFrame", "Series"},
    "cudf": {"DataFrame", "Series", "Index"},
    "sqlframe": {"BaseDataFrame", "DataFrame"},
    "daft": {"DataFrame"},
    "datafusion": {"DataFrame"},
    "narwhals": {"DataFrame", "LazyFrame", "Series"},
}  # fmt: skip
PROTOCOLS: Final = ("__narwhals_dataframe__", "__narwhals_lazyframe__", "__narwhals_series__")


def is_frame(value: Any) -> bool:
    """Whether the value is a frame, series or a view of one, told by its classes alone (nothing is imported or run)."""
    if isinstance(value, type):
        return False
    for kind in mro(value):
        names = FRAMES.get(root_module(kind))
        if names is not None and type_name(kind, short=True) in names:
            return True
        if any(protocol in kind.__dict__ for protocol in PROTOCOLS):
            return True
    return False


def shape_of(value: Any) -> str | None:
    """`<pandas DataFrame 3 × 4>` for a frame inside something else: nothing of its cells. None for anything else."""
    if not is_frame(value):
        return None
    name = f"{root_module(type(value))} {type_name(type(value), short=True)}"
    pandas = sys.modules.get("pandas")
    polars = sys.modules.get("polars")
    for library in (pandas, polars):
        if library is not None and isinstance(value, library.DataFrame | library.Series):
            return f"<{name} {' × '.join(f'{n:,}' for n in value.shape)}>"
    return f"<{name}>"
