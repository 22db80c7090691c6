"""What a dataframe holds, as plain values: one summary of a column, whatever library it comes from (narwhals).

Says nothing of layout (`layout.py`) and knows no library by name (`frames.py`). Statistics are exact for the rows given.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NotRequired, TypedDict

from claude_jupyter.content.guard import guarded, type_name

if TYPE_CHECKING:
    import narwhals as nw

TOP: Final = 5
KINDS_LOOKED_AT: Final = 1000
LONG_TEXT: Final = 50
ALIKE: Final = 5
"""Of many columns with like names and dtype, in a frame with too many, so many are told one by one."""


class Column(TypedDict):
    """One column: `nulls` and `distinct` are counts; `least`, `most`, `mean`, `top` hold cell values."""

    name: str
    dtype: str
    nulls: int
    nans: NotRequired[int]
    infinite: NotRequired[int]
    distinct: NotRequired[int]
    least: NotRequired[Any]
    most: NotRequired[Any]
    mean: NotRequired[Any]
    top: NotRequired[list[tuple[Any, int]]]
    lengths: NotRequired[tuple[int, int]]
    kinds: NotRequired[dict[str, int]]
    failed: NotRequired[str]


class Others(TypedDict):
    """Columns that are alike and not shown one by one."""

    names: list[str]
    dtype: str


class Summary(TypedDict):
    """A frame or series: schema and counts, then what the rows rule lets out."""

    title: str
    rows: int | None
    width: int
    facts: list[str]
    columns: list[Column]
    others: list[Others]
    row_names: list[str]
    head: list[list[Any]]
    tail: list[list[Any]]


def column_summary(series: nw.Series[Any], name: str, dtype: str, *, values: bool) -> Column:
    """Counts of one column and, with `values`, its extremes or commonest values."""
    import narwhals as nw

    column = Column(name=name, dtype=dtype, nulls=int(series.null_count()))
    kind = series.dtype
    if isinstance(kind, nw.Object | nw.Unknown):
        return _odd(series, column, values)
    if kind.is_nested():
        return _nested(series, column, values)
    if kind == nw.Binary:
        return column
    if kind.is_numeric():
        return _numeric(series, column, values)
    if kind.is_temporal():
        _distinct(series, column)
        if values:
            column["least"], column["most"] = series.min(), series.max()
        return column
    return _counted(series, column, values)


def _distinct(series: nw.Series[Any], column: Column) -> None:
    column["distinct"] = max(series.n_unique() - (1 if column["nulls"] else 0), 0)


def _numeric(series: nw.Series[Any], column: Column, values: bool) -> Column:
    """Extremes and mean of the finite numbers; NaN (where the library tells it from null) and infinities counted."""
    import narwhals as nw

    _distinct(series, column)
    if column["nulls"]:
        series = series.drop_nulls()
    if isinstance(series.dtype, nw.Float32 | nw.Float64):
        series = _finite(series, column)
    if not values or not len(series):
        return column
    column["least"], column["most"] = series.min(), series.max()
    mean = series.mean() if series.dtype != nw.Decimal else None
    if mean is not None:
        column["mean"] = float(mean)
    return column


def _finite(series: nw.Series[Any], column: Column) -> nw.Series[Any]:
    """The finite numbers; NaN and infinities are counted where there are any."""
    nan = series.is_nan()
    if nan.any():
        column["nans"] = int(nan.sum())
        series = series.filter(~nan)
    if len(series) and math.inf in (series.max(), -series.min()):
        finite = series.filter(series.is_finite())
        column["infinite"] = len(series) - len(finite)
        series = finite
    return series


def _counted(series: nw.Series[Any], column: Column, values: bool) -> Column:
    """Text, booleans, categories: how many different ones, and the commonest; of ones that hardly repeat the first."""
    _distinct(series, column)
    if not values:
        return column
    if column.get("distinct", 0) > max(len(series) / 2, TOP * 10):
        some = dict.fromkeys(series.drop_nulls().head(TOP).to_list())
        column["top"] = [(value, 1) for value in some]
    else:
        column["top"] = _top(series.drop_nulls().value_counts(sort=True))
    return column


def _top(counts: nw.DataFrame[Any]) -> list[tuple[Any, int]]:
    """The commonest values; those as common as each other in one order on every run."""
    shown = [(row[0], int(row[1])) for row in counts.head(TOP * 10).rows()]
    shown = [pair for pair in shown if pair[1] > 0]
    return sorted(shown, key=lambda pair: (-pair[1], str(pair[0])))[:TOP]


def _nested(series: nw.Series[Any], column: Column, values: bool) -> Column:
    import narwhals as nw

    if values and isinstance(series.dtype, nw.List):
        lengths = series.drop_nulls().list.len()
        if len(lengths):
            column["lengths"] = (int(lengths.min()), int(lengths.max()))
    return column


def _odd(series: nw.Series[Any], column: Column, values: bool) -> Column:
    """Python objects, or a dtype narwhals does not know: what kinds of thing they are; the rest only if they allow it."""
    some = series.drop_nulls().head(KINDS_LOOKED_AT).to_list()
    column["kinds"] = dict(Counter(type_name(type(value), short=True) for value in some).most_common(TOP))
    common = values and len(column["kinds"]) == 1
    counted = guarded(lambda: _counted_objects(series, common)).value
    if counted is not None:
        column["distinct"] = counted[0]
        if counted[1]:
            column["top"] = counted[1]
    return column


def _counted_objects(series: nw.Series[Any], common: bool) -> tuple[int, list[tuple[Any, int]]]:
    """How many different objects and, where they repeat, the commonest: through their own `__hash__` and `__eq__`."""
    series = series.drop_nulls()
    distinct = series.n_unique()
    if common and 0 < distinct < len(series) / 2:
        return distinct, _top(series.value_counts(sort=True))
    return distinct, []


def text_weight(series: nw.Series[Any]) -> float:
    """How many numbers a cell of this column is worth looking at: 1, or more where its first texts are long."""
    import narwhals as nw

    if not isinstance(series.dtype, nw.String | nw.Binary | nw.Object | nw.Categorical):
        return 1.0
    lengths = [len(value) for value in series.to_list() if isinstance(value, str | bytes)]
    return max(sum(lengths) / len(lengths) / LONG_TEXT, 1.0) if lengths else 1.0


def dtype_text(dtype: Any, *, native: Any = None) -> str:
    """A dtype in words, without the categories that some libraries' own text would give away."""
    import narwhals as nw

    if isinstance(dtype, nw.Enum):
        return f"enum of {len(dtype.categories)}"
    if isinstance(dtype, nw.List):
        return f"list[{dtype_text(dtype.inner)}]"
    if isinstance(dtype, nw.Array):
        return f"array[{dtype_text(dtype.inner)}, {'×'.join(map(str, dtype.shape))}]"
    if isinstance(dtype, nw.Struct):
        return "struct{" + ", ".join(f"{f.name}: {dtype_text(f.dtype)}" for f in dtype.fields) + "}"
    if native is not None:
        text = str(native)
        return "Sparse" + text[6:].partition(",")[0] + "]" if text.startswith("Sparse[") else text
    if isinstance(dtype, nw.Decimal):
        scale, precision = getattr(dtype, "scale", None), getattr(dtype, "precision", None)
        return "decimal" if scale is None else f"decimal[{precision}, {scale}]"
    if dtype == nw.Datetime and getattr(dtype, "time_zone", None) is None:
        return f"datetime[{getattr(dtype, 'time_unit', 'us')}]"
    if dtype == nw.Datetime:
        return f"datetime[{dtype.time_unit}, {dtype.time_zone}]"
    if dtype == nw.Duration:
        return f"duration[{getattr(dtype, 'time_unit', 'us')}]"
    return str(dtype).lower() if str(dtype).isidentifier() else str(dtype)


def choose(names: Sequence[str], dtypes: Sequence[str], limit: int) -> tuple[list[int], list[Others]]:
    """Which columns of a wide frame to look at one by one, and the rest in groups of like name and dtype.

    One of each kind comes first, in the frame's own order, so that `x_0 … x_4999` is one line and not the whole budget.
    """
    if len(names) <= limit:
        return list(range(len(names))), []
    groups: dict[tuple[str, str], list[int]] = {}  # by what the names have in common, and dtype
    for position, (name, dtype) in enumerate(zip(names, dtypes, strict=True)):
        groups.setdefault((_pattern(name), dtype), []).append(position)
    if len(groups) > limit:  # names with nothing in common: then by dtype alone
        groups = {}
        for position, dtype in enumerate(dtypes):
            groups.setdefault(("", dtype), []).append(position)
    some = [
        p for members in groups.values() for p in members[1 : ALIKE if len(members) > 2 * ALIKE else None]
    ]
    chosen = {members[0] for members in list(groups.values())[:limit]}
    chosen.update(sorted(some)[: limit - len(chosen)])
    rest = [[p for p in members if p not in chosen] for members in groups.values()]
    others = [Others(names=[names[p] for p in m], dtype=dtypes[m[0]]) for m in rest if m]
    return sorted(chosen), others


def merged(others: Sequence[Others]) -> list[Others]:
    """Groups of like name and dtype made one."""
    groups: dict[tuple[str, str], Others] = {}
    for other in others:
        key = (_pattern(other["names"][0]), other["dtype"])
        known = groups.get(key)
        names = other["names"] if known is None else [*known["names"], *other["names"]]
        groups[key] = Others(names=names, dtype=other["dtype"])
    return list(groups.values())


def _pattern(name: str) -> str:
    return "".join("#" if c.isdigit() else c for c in name).replace("##", "#").replace("##", "#")
