"""The user's variables as they are described to Claude: names, types, shapes and columns, never a value."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from claude_jupyter.content.guard import guarded, libraries, root_module, type_name
from claude_jupyter.content.kinds import is_frame, shape_of
from claude_jupyter.content.text.fence import clip
from claude_jupyter.content.values.arrays import is_array

T = TypeVar("T")

HIDDEN: Final = frozenset({"In", "Out", "exit", "quit", "get_ipython", "open"})
"""Names that IPython puts into the namespace."""
COLUMNS: Final = 40
_SIZED: Final = (list, tuple, dict, set, frozenset, str, bytes, bytearray, range)
_SERIES: Final = frozenset({"Series", "Index", "ChunkedArray", "Array"})
_NAME: Final = 60
_UNKNOWN: Final = 1_000_000
"""Weight of a frame whose rows are not counted."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable.

    Attributes
    ----------
    kind
        Its type, with shape or size.
    columns
        A frame's column names.
    weight
        About how many values it holds.
    """

    name: str
    kind: str
    columns: tuple[str, ...] = ()
    weight: int = 0

    def line(self, columns: int = COLUMNS) -> str:
        """`sales: pandas DataFrame 48,210 × 7: city, amount, …`."""
        text = f"{_one_line(self.name)}: {self.kind}"
        if not self.columns:
            return text
        named = ", ".join(map(_one_line, self.columns[:columns]))
        more = len(self.columns) - columns
        return f"{text}: {named}" + (f", … {more:,} more" if more > 0 else "")


def names(namespace: Mapping[str, Any]) -> list[str]:
    """The names of the user's own variables, in the order in which they first appeared."""
    return [name for name, value in list(namespace.items()) if _is_users(name, value)]


def variables(namespace: Mapping[str, Any]) -> list[Variable]:
    """The user's own variables; where one of them takes too long to describe itself, all by their types alone."""
    items = [(name, namespace[name]) for name in names(namespace) if name in namespace]
    listed = guarded(lambda: [variable(name, value) for name, value in items]).value
    if listed is not None:
        return listed
    return [Variable(name, type_name(type(value))) for name, value in items]


def variable(name: str, value: Any) -> Variable:
    """One of them, by its type and what a library says of its shape; no code of the user's runs."""
    if is_frame(value):
        return _frame(name, value)
    kind = type(value)
    if is_array(value):
        shape, dtype = _guarded(lambda: (tuple(value.shape), str(value.dtype))) or ((), "")
        words = f"{type_name(kind)} {'×'.join(f'{n:,}' for n in shape)} {dtype}".rstrip()
        return Variable(name, words, weight=_product(shape))
    if kind in _SIZED:
        unit = " characters" if kind is str else " bytes" if kind in (bytes, bytearray) else ""
        return Variable(name, f"{kind.__name__} of {len(value):,}{unit}", weight=len(value))
    if isinstance(value, types.FunctionType):
        code = value.__code__
        parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        return Variable(name, f"function({', '.join(parameters)})")
    if isinstance(value, type):
        return Variable(name, "class")
    return Variable(name, type_name(kind))


def _is_users(name: str, value: Any) -> bool:
    if name.startswith("_") or name in HIDDEN or isinstance(value, types.ModuleType):
        return False
    return root_module(type(value)) != "claude_jupyter"


def _frame(name: str, value: Any) -> Variable:
    short = type_name(type(value), short=True)
    # In `<pandas DataFrame 3 × 4>` the dimensions are the numbers; a lazy frame has none.
    kind = (shape_of(value) or short).strip("<>")
    shape = _guarded(lambda: tuple(value.shape)) if _has_shape(value) else None
    if shape and kind.endswith(short):
        kind = f"{kind} {' × '.join(f'{n:,}' for n in shape)}"
    if short in _SERIES:
        dtype = _guarded(lambda: str(value.dtype if hasattr(value, "dtype") else value.type)) or ""
        dtype_name = dtype.partition("(")[0] if "categories=" in dtype else dtype  # categories are values
        words = f"{kind} {dtype_name}" if dtype_name and len(dtype_name) < 40 else kind
        return Variable(name, words, weight=_product(shape or ()))
    columns = _guarded(lambda: _columns(value)) or []
    return Variable(name, kind, tuple(columns), _product(shape) if shape else _UNKNOWN)


def _guarded(work: Callable[[], T]) -> T | None:
    """What a library says of its own object; None if it fails."""
    try:
        return work()
    except Exception:
        return None


def _has_shape(value: Any) -> bool:
    packages = libraries(value)
    if "polars" in packages:
        return type_name(type(value), short=True) in ("DataFrame", "Series")
    return bool(packages & {"pandas", "pyarrow", "modin"})


def _columns(value: Any) -> list[str]:
    """Names of the columns, without collecting a lazy frame."""
    from claude_jupyter.content.dataframes.backends import column_name

    polars = sys.modules.get("polars")
    if polars is not None and isinstance(value, polars.LazyFrame):
        return list(value.collect_schema().names())
    columns = getattr(value, "column_names", None) if "pyarrow" in libraries(value) else None
    if columns is None:
        columns = getattr(value, "columns", ())
    return [column_name(column) for column in list(columns)[:10_000]]


def _product(shape: tuple[int, ...]) -> int:
    total = 1 if shape else 0
    for length in shape:
        total *= int(length)
    return total


def _one_line(text: str) -> str:
    return clip(" ".join(text.split()), _NAME)
