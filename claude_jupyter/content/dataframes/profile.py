"""What a dataframe holds, as plain values: one summary of a column, whatever library it comes from (narwhals).

Says nothing of layout (`layout.py`) and knows no library by name (`frames.py`). Statistics are exact for the rows given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NotRequired, TypedDict

from claude_jupyter.content.values.short import narrowed

if TYPE_CHECKING:
    import narwhals as nw

TOP: Final = 12
LONG_TEXT: Final = 50
ALIKE: Final = 5
"""Of many columns with similar names and the same dtype, in a frame with too many, this many are described one by one."""


NARROW: Final = {"float32": "f", "float": "f", "float16": "e", "halffloat": "e"}
"""dtypes of floats with fewer than 64 bits: `struct`'s codes for them."""


class Column(TypedDict):
    """One column: `nulls`, `nans`, `infinite` and `distinct` are counts; everything else reveals cell values."""

    name: str
    dtype: str
    nulls: int
    nans: NotRequired[int]
    infinite: NotRequired[int]
    distinct: NotRequired[int]
    least: NotRequired[Any]
    most: NotRequired[Any]
    quartiles: NotRequired[tuple[Any, Any, Any]]
    mean: NotRequired[Any]
    std: NotRequired[float | None]
    sum: NotRequired[Any]
    negative: NotRequired[int]
    zeros: NotRequired[int]
    step: NotRequired[str]
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


def cells_of(values: list[Any], dtype: Any) -> list[Any]:
    """A column's values, those of 16 or 32 bits as short as they were before they became Python floats."""
    code = NARROW.get(str(dtype).lower().removesuffix("[pyarrow]"))
    return values if code is None else [narrowed(value, code) for value in values]


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
    """Which columns of a wide frame to look at one by one, and the rest in groups of similar name and the same dtype.

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
    """Merges groups of similar name and the same dtype."""
    groups: dict[tuple[str, str], Others] = {}
    for other in others:
        key = (_pattern(other["names"][0]), other["dtype"])
        group = groups.get(key)
        names = other["names"] if group is None else [*group["names"], *other["names"]]
        groups[key] = Others(names=names, dtype=other["dtype"])
    return list(groups.values())


def _pattern(name: str) -> str:
    return "".join("#" if c.isdigit() else c for c in name).replace("##", "#").replace("##", "#")
