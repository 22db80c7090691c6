"""Which kind a value is, and so which file shows it: `frames`, `convert`, `render`, `arrays`, `documents`, `objects`, `tracebacks`.

It reads nothing and draws nothing. What is inside a container is the business of `containers.py`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from claude_jupyter.answer.model import Answer, Attachment
from claude_jupyter.content import containers
from claude_jupyter.content.declared import File, function_for
from claude_jupyter.content.files.citations import with_citations
from claude_jupyter.content.guard import guarded, libraries, method, type_name
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import ClaudeError


def attach(value: Any, label: str, rules: Rules) -> tuple[Attachment, ...]:
    """The value as it is shown to Claude: one attachment, or several for a list, tuple or dict.

    Raises
    ------
    AttachmentError
        If the value cannot be sent (a missing file, a decompression bomb); nothing is sent partially.
    """
    return tuple(_tidy(a, rules) for a in _safely(value, label, rules, 0, ()))


def _tidy(attachment: Attachment, rules: Rules) -> Attachment:
    """Redacts what the answer shows of it (label, notes) like its blocks, and turns citations of documents on or off for all."""
    label = rules.redact(attachment.label)[0]
    notes = tuple(dict.fromkeys(rules.redact(note)[0] for note in attachment.notes))
    blocks = tuple(with_citations(attachment.blocks, rules.citations))
    return replace(attachment, label=label, notes=notes, blocks=blocks)


def attach_file(path_or_url: str | Path, rules: Rules) -> tuple[Attachment, ...]:
    """The file, the files of a glob, or the image or PDF behind a URL.

    Raises
    ------
    AttachmentError
        In one line, with the nearest names if there is no such file.
    """
    from claude_jupyter.content.files import documents

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
        from claude_jupyter.content.values import objects

        problem = f"looking at it raised {type_name(type(error), short=True)}"
        return (objects.placeholder(value, label, rules, problem),)


def _attach(
    value: Any, label: str, rules: Rules, depth: int, seen: tuple[int, ...]
) -> tuple[Attachment, ...]:
    notes: tuple[str, ...] = ()
    own = method(value, "_ai_repr_")
    if own is not None:
        from claude_jupyter.content import mimebundles

        attachments, problem = mimebundles.ai_repr(own, label, rules)
        if attachments:
            return attachments
        notes = (problem,)
    function = function_for(value)
    if function is not None and id(value) not in seen:
        converted = _call(function, value, label, rules, depth, (*seen, id(value)))
        if isinstance(converted, tuple):
            return converted
        notes = (*notes, converted)
    attachments = _by_kind(value, label, rules, depth, seen)
    return tuple(replace(a, notes=(*a.notes, *notes)) for a in attachments) if notes else attachments


def _call(
    function: Callable[[Any], Any], value: Any, label: str, rules: Rules, depth: int, seen: tuple[int, ...]
) -> tuple[Attachment, ...] | str:
    """What a registered function returned for the value, or a note why it returned nothing."""
    from claude_jupyter.content import mimebundles

    try:
        returned = function(value)
    except ClaudeError:
        raise
    except Exception as error:
        return f"the function registered for {type_name(type(value))} raised {type(error).__name__}"
    if isinstance(returned, str):
        return (_text(returned, label, rules),)
    attachments = mimebundles.attachments(returned, label, rules)
    if attachments is not None:
        return attachments
    if depth > containers.DEPTH:
        return f"the function registered for {type_name(type(value))} returned nothing that can be shown"
    return _attach(returned, label, rules, depth + 1, seen)


def _by_kind(
    value: Any, label: str, rules: Rules, depth: int, seen: tuple[int, ...]
) -> tuple[Attachment, ...]:
    from claude_jupyter.content.cells import tracebacks
    from claude_jupyter.content.dataframes import frames
    from claude_jupyter.content.values import arrays, geometries, objects, outlines

    if issubclass(type(value), str):
        return (_text(str.__str__(value), label, rules),)
    if isinstance(value, Answer):
        return (objects.attach(value.text, label, rules),)
    if isinstance(value, bytes | bytearray | memoryview):
        from claude_jupyter.content.files import documents

        return (documents.from_bytes(bytes(value), label, rules),)
    if isinstance(value, io.BytesIO | io.StringIO):
        return (_buffer(value, label, rules),)
    if isinstance(value, File):
        return attach_file(value.name, rules)
    if isinstance(value, PurePath):
        return attach_file(Path(value), rules)
    if _holds_artists(value):
        value = value.tolist()
    frame = frames.attach(value, label, rules)
    if frame is not None:
        return (frame,)
    formatted = _formatted(value, label, rules)
    if formatted is not None:
        return formatted
    if geometries.is_geometry(value):
        return (_geometry(value, label, rules),)
    drawn = _drawn(value, label, rules)
    if drawn is not None:
        return (drawn,)
    if issubclass(type(value), BaseException):
        return (tracebacks.attach(value, label, rules),)
    if not arrays.of_objects(value) and (array := arrays.attach(value, label, rules)) is not None:
        return (array,)
    parts = containers.parts(value, label, depth, seen, rules)
    if parts is not None:
        return _each(value, parts, label, rules, depth, seen)
    array = arrays.attach(value, label, rules)
    if array is None and rules.row_limit == 0 and outlines.is_collection(value):
        return (outlines.attach(value, label, rules),)
    return (array or objects.attach(value, label, rules),)


def _text(value: str, label: str, rules: Rules) -> Attachment:
    """A `str` is text; one that is a base64 or `data:` picture is that picture."""
    from claude_jupyter.content.files import documents
    from claude_jupyter.content.values import objects

    data = documents.decoded(value)
    return (
        documents.from_bytes(data, label, rules) if data is not None else objects.attach(value, label, rules)
    )


def _buffer(value: io.BytesIO | io.StringIO, label: str, rules: Rules) -> Attachment:
    """What is in a buffer, all of it, wherever it is; one that was closed holds nothing."""
    from claude_jupyter.content.files import documents
    from claude_jupyter.content.values import objects

    if value.closed:
        return objects.placeholder(value, label, rules, "it is closed")
    if isinstance(value, io.StringIO):
        return _text(value.getvalue(), label, rules)
    return documents.from_bytes(value.getvalue(), label, rules)


def _formatted(value: Any, label: str, rules: Rules) -> tuple[Attachment, ...] | None:
    """What a formatter shows that the user registered with IPython; None if there is none."""
    from claude_jupyter.content import mimebundles
    from claude_jupyter.content.values import objects

    # Numbers, lists and the like print as they are, whatever `%precision` or SymPy make of them.
    bundle = rules.formatted(value) if type(value).__module__ != "builtins" else None
    if not bundle:
        return None
    if rules.row_limit == 0:
        return (objects.attach(value, label, rules),)
    return mimebundles.attachments(dict(bundle), label, rules)


def _geometry(value: Any, label: str, rules: Rules) -> Attachment:
    """A geometry's coordinates, with its picture where one can be drawn and may leave."""
    from claude_jupyter.content.values import geometries

    words = geometries.attach(value, label, rules)
    try:
        drawn = _drawn(value, label, rules) if rules.row_limit != 0 else None
    except ClaudeError:
        drawn = None
    if drawn is None or drawn.kind != "image":
        return words
    return replace(
        drawn,
        blocks=(*drawn.blocks, *words.blocks),
        tokens=drawn.tokens + words.tokens,
        notes=words.notes,
        rows=words.rows,
    )


def _drawn(value: Any, label: str, rules: Rules) -> Attachment | None:
    """A picture of the value, if it is a figure or image, or can draw itself."""
    if value is None or isinstance(value, int | float | complex | type | BaseException):
        return None
    from claude_jupyter.content.figures import render
    from claude_jupyter.content.images import convert
    from claude_jupyter.content.values import arrays, objects

    if arrays.is_picture(value):
        return convert.from_array(value, label, rules)
    if isinstance(value, list | tuple | dict | set | frozenset) and not containers.seems_drawable(value):
        return None
    try:
        return render.draw(value, label, rules)
    except ClaudeError:
        raise
    except Exception as error:
        return objects.placeholder(value, label, rules, f"drawing it raised {type(error).__name__}")


def _holds_artists(value: Any) -> bool:
    """Whether it is a pandas Series of axes or artists, as `groupby(…).plot()` returns it."""
    if "pandas" not in libraries(value) or type_name(type(value), short=True) != "Series":
        return False
    return value.dtype == object and len(value) > 0 and "matplotlib" in libraries(value.iloc[0])


def _each(
    value: Any,
    parts: Sequence[tuple[str, Any]],
    label: str,
    rules: Rules,
    depth: int,
    seen: tuple[int, ...],
) -> tuple[Attachment, ...]:
    """Each rich element as itself; the plain ones together as one text; what is beyond the cap counted."""
    from claude_jupyter.content.values import objects

    inside = (*seen, id(value))
    rich = [
        (name, element) for name, element in parts if containers.is_rich(element, depth + 1, inside, rules)
    ]
    plain = [
        (name, element)
        for name, element in parts
        if not containers.is_rich(element, depth + 1, inside, rules)
    ]
    attachments: list[Attachment] = []
    remaining = {True: containers.PICTURES, False: containers.PARTS}
    left_out = 0
    for name, element in rich:
        picture = containers.is_picture(element)
        if remaining[picture]:
            remaining[picture] -= 1
            attachments.extend(_safely(element, name, rules, depth + 1, inside))
        else:
            left_out += 1
    total = guarded(lambda: len(value)).value or len(parts)
    left_out += max(total - len(parts), 0)
    if plain or left_out:
        attachments.append(objects.rest(label, plain, rules, left_out))
    return tuple(attachments)
