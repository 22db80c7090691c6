"""What kind of thing a value is, determined from its type alone: no library is imported, no property read, nothing called."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import re
import types
import uuid
from typing import Any, Final, Literal, cast

from claude_jupyter.content.guard import mro, root_module, type_name
from claude_jupyter.content.kinds import is_frame, is_library_value, library_of, role_of

Sort = Literal["dataframe", "figure"]

_FIGURES: Final = {
    "matplotlib": {"Figure", "FigureBase", "Axes", "_AxesBase"},
    "plotly": {"BaseFigure", "Figure"},
    "altair": {"TopLevelMixin", "Chart"},
    "bokeh": {"Plot", "LayoutDOM"},
    "seaborn": {"Grid", "_BaseGrid"},
    "plotnine": {"ggplot"},
    "PIL": {"Image"},
}
_PROTOCOLS: Final = ("__dataframe__", "__arrow_c_stream__")

_COMMON: Final = frozenset(
    (
        int,
        float,
        str,
        bool,
        list,
        dict,
        tuple,
        set,
        bytes,
        type(None),
        type,
        types.FunctionType,
        types.ModuleType,
    )
)


def sort_of(value: Any) -> Sort | None:
    """`dataframe` or `figure` where a user would call it that."""
    if type(value) in _COMMON:
        return None
    if role_of(value) in ("table", "lazy"):
        return "dataframe"
    for cls in mro(value):
        if type_name(cls, short=True) in _FIGURES.get(root_module(cls), ()):
            return "figure"
    return None


def holds_rows(value: Any) -> bool:
    """Whether it is a frame, a series or the like, whose cell values `--rows` governs."""
    if is_frame(value):
        return True
    return library_of(value) is not None or any(
        name in kind.__dict__ for kind in mro(value) for name in _PROTOCOLS
    )


_SCALARS: Final = (
    bool, int, float, complex, type(None), decimal.Decimal, fractions.Fraction, datetime.date, datetime.time,
    datetime.timedelta, datetime.tzinfo, uuid.UUID, enum.Enum, range,
)  # fmt: skip
_IMAGE_TEXT: Final = re.compile(
    r"data:(?:image/|application/pdf)|(?:iVBORw0KGgo|/9j/|R0lGOD|UklGR|JVBERi0)[\w+/=\s]{80}"
)


def is_textlike(value: Any) -> bool:
    """Whether it is in a sentence as text: a `str` (unless it is an encoded image), a number, a date or their like,
    None, a NumPy or pandas scalar, or a short list, tuple, set or dict of such (at most 50 items, 2,000 characters)."""
    if isinstance(value, str):
        return not _IMAGE_TEXT.match(value)
    if _is_scalar(value):
        return True
    room = [50, 2000]
    return type(value) in (list, tuple, set, frozenset, dict) and _fits(value, room, 4)


def _is_scalar(value: Any) -> bool:
    if isinstance(value, _SCALARS):
        return True
    cls = type(value)
    root = cls.__module__.partition(".")[0]
    if root == "numpy":
        return any(base.__name__ == "generic" for base in cls.__mro__)
    return is_library_value(value) and not isinstance(value, type)


def _fits(value: Any, room: list[int], depth: int) -> bool:
    """Whether all of it is text-like within the items and characters left in `room`."""
    if isinstance(value, str):
        room[1] -= len(value)
        return room[1] >= 0
    if _is_scalar(value):
        return True
    if type(value) not in (list, tuple, set, frozenset, dict) or depth == 0 or len(value) > room[0]:
        return False
    items: list[Any] = (
        [*value, *cast("dict[Any, Any]", value).values()] if isinstance(value, dict) else list(value)
    )
    room[0] -= len(items)
    return room[0] >= 0 and all(_fits(item, room, depth - 1) for item in items)
