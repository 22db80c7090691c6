"""What is inside a list, tuple or dict: its elements with their labels, and whether one of them is more than text."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from claude_jupyter.answer.model import Answer
from claude_jupyter.content.declared import File, function_for
from claude_jupyter.content.guard import guarded, libraries, method, mro, type_name
from claude_jupyter.content.rules import Rules

PICTURES: Final = 100
PARTS: Final = 20
"""At most this many pictures, and this many frames and the like, of one list, tuple or dict."""
ELEMENTS: Final = 1000
DEPTH: Final = 3
KEY: Final = 150
_DRAWING: Final = frozenset({"matplotlib", "PIL", "plotly", "altair", "bokeh", "plotnine", "seaborn"})
_DRAWS: Final = ("_repr_png_", "_repr_jpeg_", "_repr_svg_", "_repr_mimebundle_")


def parts(
    value: Any, label: str, depth: int, seen: tuple[int, ...], rules: Rules
) -> list[tuple[str, Any]] | None:
    """The elements of a container that are shown one by one, with their labels; None if one text does.

    Under `--rows none` a dict's are only numbered: those of `dict(list(df.groupby("who")))` are cell values.
    """
    if not _opens(value, depth, seen, rules):
        return None
    keys = rules.row_limit != 0
    return [
        (f"{label}[{_key(key, rules) if keys or isinstance(key, _Place) else f'key {i}'}]", element)
        for i, (key, element) in enumerate(_elements(value, depth), 1)
    ]


def _opens(value: Any, depth: int, seen: tuple[int, ...], rules: Rules) -> bool:
    """Whether a container has an element that is more than text."""
    if depth >= DEPTH or id(value) in seen:
        return False
    inside = (*seen, id(value))
    return any(is_rich(element, depth + 1, inside, rules) for _, element in _elements(value, depth))


class _Place(int):
    """Where an element is in a sequence: unlike a key it tells nothing."""


def _elements(value: Any, depth: int = 0) -> list[tuple[Any, Any]]:
    """The first elements of a container with their keys or places, whatever its subclass makes of iteration.

    The deeper, the fewer: a long list of long lists is looked into at its beginning.
    """
    most = ELEMENTS // 7**depth
    kind = type(value)
    if issubclass(kind, dict):
        return list(islice(dict.items(value), most))
    if issubclass(kind, list):
        elements = list.__getitem__(value, slice(most))
    elif issubclass(kind, tuple):
        elements = tuple.__getitem__(value, slice(most))
    elif type_name(kind, short=True) == "ndarray" and "numpy" in libraries(value):
        elements = list(value.flat[:most]) if value.dtype == object else []
    elif isinstance(value, Mapping):
        pairs: Mapping[Any, Any] = value
        return guarded(lambda: list(islice(pairs.items(), most))).value or []
    else:
        elements = []
    return [(_Place(i), element) for i, element in enumerate(elements)]


def _key(key: Any, rules: Rules) -> str:
    from claude_jupyter.content.values.short import line

    if isinstance(key, str):
        return json.dumps(rules.redact(str.__str__(key))[0][:KEY], ensure_ascii=False)
    return (
        str(int(key))
        if isinstance(key, _Place)
        else line(key, KEY, redact=lambda text: rules.redact(text)[0])
    )


def is_rich(value: Any, depth: int, seen: tuple[int, ...], rules: Rules) -> bool:
    """Whether the value is more than text: a frame, a picture, an error, or a container with one in it.

    A path is not: inside a container it is a value like any other, and only `file()` means what the file holds.
    """
    from claude_jupyter.content import kinds
    from claude_jupyter.content.files import documents
    from claude_jupyter.content.values import arrays

    if value is None or type(value) in (int, float, complex, bool) or isinstance(value, type):
        return False
    if type(value).__module__ != "builtins" and _speaks_for_itself(value, rules):
        return True
    if isinstance(value, int | float | complex):
        return False
    if isinstance(value, str):
        return documents.decoded(value) is not None
    if isinstance(value, bytes | bytearray):
        return documents.media_type(bytes(value[:64])) is not None
    if isinstance(value, io.BytesIO):
        return not value.closed and documents.media_type(bytes(value.getbuffer()[:64])) is not None
    if isinstance(value, list | tuple | Mapping):
        return _opens(value, depth, seen, rules)
    if isinstance(value, File | BaseException | Answer):
        return True
    if libraries(value) & _DRAWING:
        return True
    return kinds.is_frame(value) or arrays.is_array(value) or any(method(value, name) for name in _DRAWS)


def _speaks_for_itself(value: Any, rules: Rules) -> bool:
    """Whether the value, or a function registered for its class, says how it is to be shown."""
    if function_for(value) is not None or method(value, "_ai_repr_") is not None:
        return True
    return rules.formatted(value) is not None


def is_picture(value: Any) -> bool:
    """Whether a rich element is a picture, or draws itself as one."""
    from claude_jupyter.content.values import arrays

    if isinstance(value, str | bytes | bytearray | io.BytesIO) or libraries(value) & _DRAWING:
        return True
    return arrays.is_picture(value) or any(method(value, name) for name in _DRAWS)


def seems_drawable(value: Any) -> bool:
    """Whether a container could be one drawing: axes or artists as `plt.plot()` or `plt.boxplot()` return them, no figures."""
    for _ in range(DEPTH):
        elements = _elements(value)
        if not elements:
            break
        value = elements[0][1]
    kinds = {type_name(kind, short=True) for kind in mro(value)}
    return "matplotlib" in libraries(value) and "FigureBase" not in kinds
