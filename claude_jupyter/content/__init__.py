"""What a value becomes when it is shown to Claude: the dispatcher, and `register()` and `file()` for users.

Each kind has a file of its own (`frames`, `images`, `figures`, `arrays`, `documents`, `objects`, `tracebacks`); this one only decides
which it is. It reads nothing, draws nothing and knows no library.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePath
from typing import Any, Final

from claude_jupyter.content.guard import guarded, libraries, method, mro, type_name
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import ClaudeError, UsageError
from claude_jupyter.turns import Answer, Attachment

PARTS: Final = 20
"""At most so many figures, frames and the like of one list, tuple or dict."""
DEPTH: Final = 3
KEY: Final = 150

_registered: dict[type, Callable[[Any], Any]] = {}


@dataclass(frozen=True, slots=True)
class File:
    """A file, glob or image/PDF URL to be shown, as `file("plot.png")` gives it."""

    name: str


def file(name: str | Path) -> File:
    """Name a file, a glob, or an image/PDF URL as a value to look at: `claude.ask("…", file("plot.png"))`.

    A plain `str` is always text; this is how Python code says that it means the file.
    """
    return File(str(name))


def register(kind: Any, function: Callable[[Any], Any]) -> None:
    """Say how values of a type (and its subclasses) are shown to Claude.

    Parameters
    ----------
    kind
        The type. The nearest class of a value wins; registering again replaces.
    function
        value → text, bytes of an image or PDF, a mimebundle, a content block of the Messages API, a list of those, or anything else
        that can be shown (a dataframe, a figure …). `_ai_repr_()` of the value itself goes before it.

    Raises
    ------
    UsageError
        If `kind` is not a type or `function` cannot be called.
    """
    if not isinstance(kind, type) or not callable(function):
        raise UsageError("register(type, function) takes a type and a function of one value")
    _registered[kind] = function


def attach(value: Any, label: str, rules: Rules) -> tuple[Attachment, ...]:
    """The value as Claude is shown it: one attachment, or several of a list, tuple or dict.

    Raises
    ------
    AttachmentError
        Where the value names something that cannot be sent (a missing file, a picture bomb): nothing half is sent.
    """
    return tuple(_tidy(a, rules) for a in _safely(value, label, rules, 0, ()))


def _tidy(attachment: Attachment, rules: Rules) -> Attachment:
    """What the answer shows of it (label, notes) redacted as its blocks are."""
    label = rules.redact(attachment.label)[0]
    notes = tuple(dict.fromkeys(rules.redact(note)[0] for note in attachment.notes))
    return replace(attachment, label=label, notes=notes)


def attach_file(path_or_url: str | Path, rules: Rules) -> tuple[Attachment, ...]:
    """The file, the files of a glob, or the image or PDF behind a URL.

    Raises
    ------
    AttachmentError
        In one line, with the nearest names where there is no such file.
    """
    from claude_jupyter.content import documents

    return tuple(_tidy(a, rules) for a in documents.attach(path_or_url, rules))


def _safely(
    value: Any, label: str, rules: Rules, depth: int, seen: tuple[int, ...]
) -> tuple[Attachment, ...]:
    """The value's attachments; where its own code fails on the way, a placeholder that says so."""
    try:
        return _attach(value, label, rules, depth, seen)
    except ClaudeError:
        raise
    except BaseException as error:
        # Some libraries' panics, and an `exit()` in somebody's property, are no Exception; an interrupt must stay one.
        if isinstance(error, KeyboardInterrupt):
            raise
        from claude_jupyter.content import objects

        problem = f"looking at it raised {type_name(type(error), short=True)}"
        return (objects.placeholder(value, label, rules, problem),)


def _attach(
    value: Any, label: str, rules: Rules, depth: int, seen: tuple[int, ...]
) -> tuple[Attachment, ...]:
    notes: tuple[str, ...] = ()
    own = method(value, "_ai_repr_")
    if own is not None:
        from claude_jupyter.content import bundles

        shown, problem = bundles.ai_repr(own, label, rules)
        if shown:
            return shown
        notes = (problem,)
    function = _registration(value)
    if function is not None and id(value) not in seen:
        made = _call(function, value, label, rules, depth, (*seen, id(value)))
        if isinstance(made, tuple):
            return made
        notes = (*notes, made)
    shown = _by_kind(value, label, rules, depth, seen)
    return tuple(replace(a, notes=(*a.notes, *notes)) for a in shown) if notes else shown


def _registration(value: Any) -> Callable[[Any], Any] | None:
    if not _registered:
        return None
    return next((_registered[kind] for kind in mro(value) if kind in _registered), None)


def _call(
    function: Callable[[Any], Any], value: Any, label: str, rules: Rules, depth: int, seen: tuple[int, ...]
) -> tuple[Attachment, ...] | str:
    """What a registered function made of the value, or a note why it made nothing."""
    from claude_jupyter.content import bundles

    try:
        made = function(value)
    except ClaudeError:
        raise
    except Exception as error:
        return f"the function registered for {type_name(type(value))} raised {type(error).__name__}"
    shown = bundles.shown(made, label, rules)
    if shown is not None:
        return shown
    if depth > DEPTH:
        return f"the function registered for {type_name(type(value))} gave nothing that can be shown"
    return _attach(made, label, rules, depth + 1, seen)


def _by_kind(
    value: Any, label: str, rules: Rules, depth: int, seen: tuple[int, ...]
) -> tuple[Attachment, ...]:
    from claude_jupyter.content import arrays, frames, objects, tracebacks

    if issubclass(type(value), str):
        return (_text(str.__str__(value), label, rules),)
    if isinstance(value, Answer):
        return (objects.attach(value.text, label, rules),)
    if isinstance(value, bytes | bytearray | memoryview):
        from claude_jupyter.content import documents

        return (documents.from_bytes(bytes(value), label, rules),)
    if isinstance(value, File):
        return attach_file(value.name, rules)
    if isinstance(value, PurePath):
        return attach_file(Path(value), rules)
    if _holds_artists(value):
        value = value.tolist()
    frame = frames.attach(value, label, rules)
    if frame is not None:
        return (frame,)
    drawn = _drawn(value, label, rules)
    if drawn is not None:
        return (drawn,)
    if issubclass(type(value), BaseException):
        return (tracebacks.attach(value, label, rules),)
    if not arrays.of_objects(value) and (array := arrays.attach(value, label, rules)) is not None:
        return (array,)
    parts = _parts(value, label, depth, seen, rules)
    if parts is not None:
        return _each(value, parts, label, rules, depth, seen)
    return (arrays.attach(value, label, rules) or objects.attach(value, label, rules),)


def _text(value: str, label: str, rules: Rules) -> Attachment:
    """A `str` is text; one that is a base64 or `data:` picture is that picture."""
    from claude_jupyter.content import documents, objects

    data = documents.decoded(value)
    return (
        documents.from_bytes(data, label, rules) if data is not None else objects.attach(value, label, rules)
    )


def _drawn(value: Any, label: str, rules: Rules) -> Attachment | None:
    """A picture of the value, where it is a figure or image, or can draw itself."""
    if value is None or isinstance(value, int | float | complex | type | BaseException):
        return None
    from claude_jupyter.content import arrays, figures, images, objects

    if arrays.is_picture(value):
        return images.from_array(value, label, rules)
    if isinstance(value, list | tuple | dict | set | frozenset) and not _seems_drawable(value):
        return None
    try:
        return figures.draw(value, label, rules)
    except ClaudeError:
        raise
    except Exception as error:
        return objects.placeholder(value, label, rules, f"drawing it raised {type(error).__name__}")


def _seems_drawable(value: Any) -> bool:
    """Whether a container could be one drawing: axes or artists as `plt.plot()` or `plt.boxplot()` return them, no figures."""
    for _ in range(DEPTH):
        found = _elements(value)
        if not found:
            break
        value = found[0][1]
    kinds = {type_name(kind, short=True) for kind in mro(value)}
    return "matplotlib" in libraries(value) and "FigureBase" not in kinds


def _holds_artists(value: Any) -> bool:
    """Whether it is a pandas Series of axes or artists, as `groupby(…).plot()` returns it."""
    if "pandas" not in libraries(value) or type_name(type(value), short=True) != "Series":
        return False
    return value.dtype == object and len(value) > 0 and "matplotlib" in libraries(value.iloc[0])


def _parts(
    value: Any, label: str, depth: int, seen: tuple[int, ...], rules: Rules
) -> list[tuple[str, Any]] | None:
    """The elements of a container that are shown one by one, with their labels; None where one text does.

    Under `--rows none` a dict's are only numbered: those of `dict(list(df.groupby("who")))` are cell values.
    """
    if not _opens(value, depth, seen):
        return None
    keys = rules.row_limit != 0
    return [
        (f"{label}[{_key(key, rules) if keys or isinstance(key, _Place) else f'key {i}'}]", element)
        for i, (key, element) in enumerate(_elements(value, depth), 1)
    ]


def _opens(value: Any, depth: int, seen: tuple[int, ...]) -> bool:
    """Whether a container has an element that is more than text."""
    if depth >= DEPTH or id(value) in seen:
        return False
    inside = (*seen, id(value))
    return any(_rich(element, depth + 1, inside) for _, element in _elements(value, depth))


class _Place(int):
    """Where an element stands in a sequence: unlike a key it tells nothing."""


def _elements(value: Any, depth: int = 0) -> list[tuple[Any, Any]]:
    """The first elements of a container with their keys or places, whatever its subclass makes of iteration.

    The deeper, the fewer: a long list of long lists is looked into at its beginning.
    """
    most = PARTS * 50 // 7**depth
    kind = type(value)
    if issubclass(kind, dict):
        return list(islice(dict.items(value), most))
    if issubclass(kind, list):
        found = list.__getitem__(value, slice(most))
    elif issubclass(kind, tuple):
        found = tuple.__getitem__(value, slice(most))
    elif type_name(kind, short=True) == "ndarray" and "numpy" in libraries(value):
        found = list(value.flat[:most]) if value.dtype == object else []
    elif isinstance(value, Mapping):
        pairs: Mapping[Any, Any] = value
        return guarded(lambda: list(islice(pairs.items(), most))).value or []
    else:
        found = []
    return [(_Place(i), element) for i, element in enumerate(found)]


def _key(key: Any, rules: Rules) -> str:
    from claude_jupyter.content.short import line

    if isinstance(key, str):
        return json.dumps(rules.redact(str.__str__(key))[0][:KEY], ensure_ascii=False)
    return (
        str(int(key))
        if isinstance(key, _Place)
        else line(key, KEY, redact=lambda text: rules.redact(text)[0])
    )


def _rich(value: Any, depth: int, seen: tuple[int, ...]) -> bool:
    """Whether the value is more than text: a frame, a picture, a file, an error, or a container with one in it."""
    from claude_jupyter.content import arrays, documents, kinds

    if value is None or isinstance(value, int | float | complex | type):
        return False
    if isinstance(value, str):
        return documents.decoded(value) is not None
    if isinstance(value, bytes | bytearray):
        return documents.media_type(bytes(value[:64])) is not None
    if isinstance(value, list | tuple | Mapping):
        return _opens(value, depth, seen)
    if isinstance(value, File | PurePath | BaseException | Answer) or _registration(value) is not None:
        return True
    if libraries(value) & {"matplotlib", "PIL", "plotly", "altair", "bokeh", "plotnine", "seaborn"}:
        return True
    drawing = ("_ai_repr_", "_repr_png_", "_repr_jpeg_", "_repr_svg_", "_repr_mimebundle_")
    return kinds.is_frame(value) or arrays.is_array(value) or any(method(value, name) for name in drawing)


def _each(
    value: Any,
    parts: Sequence[tuple[str, Any]],
    label: str,
    rules: Rules,
    depth: int,
    seen: tuple[int, ...],
) -> tuple[Attachment, ...]:
    """Each rich element as itself; the plain ones together as one text; what is beyond the cap counted."""
    from claude_jupyter.content import objects

    inside = (*seen, id(value))
    rich = [(name, element) for name, element in parts if _rich(element, depth + 1, inside)]
    plain = [(name, element) for name, element in parts if not _rich(element, depth + 1, inside)]
    shown: list[Attachment] = []
    for name, element in rich[:PARTS]:
        shown.extend(_safely(element, name, rules, depth + 1, inside))
    total = guarded(lambda: len(value)).value or len(parts)
    left_out = max(len(rich) - PARTS, 0) + max(total - len(parts), 0)
    if plain or left_out:
        shown.append(objects.rest(label, plain, rules, left_out))
    return tuple(shown)
